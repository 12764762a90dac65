"""A small threaded HTTP/1.1 server: connections are kept alive, and every answer says how long it is."""

from __future__ import annotations

import json
import socket
import socketserver
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, unquote

Seconds = float | Callable[[], float]


class Dropped(Exception):
    """The connection is closed without an answer; `reset`: not in order, the client sees it broken."""

    def __init__(self, *, reset: bool = False) -> None:
        """Say how it ends."""
        super().__init__()
        self.reset = reset


@dataclass(frozen=True)
class Response:
    """An answer; a Content-Length among its headers is sent as it stands, even when it is a lie."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """What a client sent, its body read whole."""

    method: str
    target: str
    headers: Message
    body: bytes
    connection: socket.socket

    @property
    def path(self) -> str:
        """The target without its query, still percent-encoded."""
        return self.target.partition("?")[0]

    @property
    def segments(self) -> tuple[str, ...]:
        """The parts of the path, decoded one by one."""
        return tuple(unquote(part) for part in self.path.strip("/").split("/"))

    def query(self, known: set[str]) -> dict[str, str]:
        """Return the query's parameters; ValueError for one that is unknown, given twice or malformed."""
        text = self.target.partition("?")[2]
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True) if text else []
        parameters = dict(pairs)
        if len(parameters) != len(pairs) or not parameters.keys() <= known:
            raise ValueError("a query parameter is unknown or given twice")
        return parameters

    def wait(self, seconds: Seconds) -> bool:
        """Wait that long, and say whether the client is still there; its hanging up ends the wait."""
        end = time.monotonic() + (seconds() if callable(seconds) else seconds)
        while (left := end - time.monotonic()) > 0:
            self.connection.settimeout(left)
            try:
                if not self.connection.recv(1, socket.MSG_PEEK):
                    return False
                time.sleep(0.01)  # bytes of a next request: the client is still there
            except TimeoutError:
                return True
            except OSError:
                return False
            finally:
                self.connection.settimeout(None)
        return True


_as_json = json.JSONEncoder(ensure_ascii=False).encode


def json_response(status: int, document: Any, headers: dict[str, str] | None = None) -> Response:
    """Answer with a JSON document."""
    body = _as_json(document).encode()
    return Response(status, body, {"Content-Type": "application/json; charset=utf-8", **(headers or {})})


class Emulator:
    """A server on loopback that runs while its `with` block does; subclasses say what it answers."""

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        """Bind at once, so that the address is known; 0 takes a free port. `tls`: certificates, ours and theirs."""
        self._server = _Server(("127.0.0.1", port), self.answer)
        self._scheme = "http" if tls is None else "https"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)

    def answer(self, request: Request) -> Response:
        """Answer one request; called in the connection's own thread."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        """The base address, without a slash at its end."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        """Start to answer."""
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and cut the connections that are still open."""
        self._server.shutdown()
        self._server.server_close()
        self._server.cut_connections()


class _Server(socketserver.ThreadingMixIn, HTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], answer: Callable[[Request], Response]) -> None:
        self.answer = answer
        self._open: set[socket.socket] = set()
        self._broken: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without HTTPServer's look-up of the host's name, which can take seconds on a laptop."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        if request in self._broken:
            self._broken.discard(request)
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def break_off(self, connection: socket.socket) -> None:
        """Let it end with a reset (RST) instead of in order (FIN), once its handler is through."""
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._broken.add(connection)

    def cut_connections(self) -> None:
        for connection in list(self._open):
            self.shutdown_request(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError | ValueError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "Emulator", ""
    wbufsize = -1  # head and body leave in one packet
    disable_nagle_algorithm = True
    server: _Server

    def _serve(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal():
            self.close_connection = True
            return self._send(Response(411))
        body = self.rfile.read(int(length))
        request = Request(self.command, self.path, self.headers, body, self.connection)
        try:
            self._send(self.server.answer(request))
        except Dropped as dropped:
            self.close_connection = True
            if dropped.reset:
                self.server.break_off(self.connection)

    def _send(self, response: Response) -> None:
        true_length = str(len(response.body))
        headers = {"Content-Length": true_length, **response.headers}
        if headers["Content-Length"] != true_length:
            self.close_connection = True
        self.send_response(response.status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(response.body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent: the emulators keep their own records."""
