"""One HTTP exchange that ends: in time, in size, at the origin it was meant for."""

import functools
import ipaddress
import logging
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import httpcore
import httpx

from provisioning import bodies, certificates, hosts
from provisioning.certificates import Certificate
from provisioning.errors import TransportError, Unacceptable

DEADLINE, SILENCE = 30.0, 15.0
"""Seconds that one attempt may take in all, and those without a byte."""

LARGEST_ANSWER = 16 * 1024 * 1024
"""Bytes after decoding; 0.7 MB of gzip can become 700 MB, and 16 MB of people take 170 MB once they are read."""

DOWNLOAD_DEADLINE, DOWNLOAD_SILENCE = 300.0, 60.0
"""The same for one that brings a whole file: a report may be made when it is asked for."""

PATIENT = httpx.Timeout(DOWNLOAD_SILENCE, connect=5.0, pool=DEADLINE)
"""What a request for one is built with."""

LARGEST_DOWNLOAD = 256 * 1024 * 1024
"""Bytes of a file, after decoding; it is kept on disk."""

_PIECE = 16 * 1024
"""Bytes written at once, no more than a socket has room for when it has any; a TLS record holds as many."""

_GULP = 1024 * 1024
"""Bytes read at once, where so many are there: beside a thread that works, each return to Python may take 5 ms."""

logging.getLogger("httpx").setLevel(logging.WARNING)  # logs every URL at INFO
logging.getLogger("httpcore").setLevel(logging.WARNING)

_attempt = threading.local()


@dataclass(frozen=True)
class Reply:
    """A complete answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON, decimals kept exact. Raises bodies.Refused, a ValueError, for what is not strictly JSON."""
        return bodies.read_json(self.body)


def client(certificate: Certificate | None = None) -> httpx.Client:
    """An HTTP client that follows no redirect (it would carry the credentials along) and reads no environment.

    `certificate`: shown to servers that ask for one. Raises Unacceptable where it cannot be used.
    """
    trusted = _trusted() if certificate is None else _showing(certificate)
    bounded = httpx.HTTPTransport(verify=trusted, trust_env=False)
    bounded._pool = httpcore.ConnectionPool(  # httpx has no public way to hand in a network backend
        ssl_context=trusted, network_backend=_BoundedBackend(), keepalive_expiry=5.0
    )
    return httpx.Client(
        transport=bounded,
        follow_redirects=False,
        trust_env=False,
        timeout=httpx.Timeout(SILENCE, connect=5.0, pool=DEADLINE),
        headers={"Accept-Encoding": bodies.CODINGS},
        event_hooks={"response": [_forget_location]},
    )


@functools.cache
def _trusted() -> ssl.SSLContext:
    """Whom to trust, read once: it takes 20 ms, and every resync makes clients."""
    return httpx.create_ssl_context(trust_env=False)


def _showing(certificate: Certificate) -> ssl.SSLContext:
    """The same trust, in a context of its own: Graph is not shown what HR is."""
    context = httpx.create_ssl_context(trust_env=False)
    try:
        certificates.load(context, certificate)
    except (OSError, ValueError):
        raise Unacceptable("client.client_certificate can no longer be read", ambiguous=False) from None
    return context


def exchange(http: httpx.Client, request: httpx.Request, seconds: float = DEADLINE) -> Reply:
    """Send one request and read the whole answer, within so many seconds in all.

    Raises TransportError, which says whether the request may have arrived; Unacceptable where asking again is in vain.
    What the libraries raise is not kept as its cause: it may quote a header that was sent, or what came.
    """
    return _exchanged(http, request, seconds, _body)


def download(http: httpx.Client, request: httpx.Request, into: BinaryIO, seconds: float = DOWNLOAD_DEADLINE) -> Reply:
    """The same for an answer that may be larger than memory: the body of a 200 goes into a file, from its start on."""

    def kept(response: httpx.Response) -> bytes:
        if response.status_code != 200:
            return _body(response)
        into.seek(0)
        into.truncate()
        with _decoding():
            for piece in bodies.pieces(response.iter_raw(), _coding(response), LARGEST_DOWNLOAD):
                into.write(piece)
        return b""

    return _exchanged(http, request, seconds, kept)


def _exchanged(
    http: httpx.Client, request: httpx.Request, seconds: float, take: Callable[[httpx.Response], bytes]
) -> Reply:
    _attempt.ends = time.monotonic() + seconds
    try:
        response = http.send(request, stream=True)
        try:
            return Reply(response.status_code, response.headers, take(response))
        finally:
            response.close()
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as exc:
        raise _no_connection(exc) from None
    except httpx.HTTPError as exc:
        raise TransportError(f"no complete answer ({type(exc).__name__})", ambiguous=True) from None


def _body(response: httpx.Response) -> bytes:
    """The body, decoded here: httpx decodes a whole piece of it at once, and takes one that was cut for complete."""
    with _decoding():
        return bodies.decoded(response.iter_raw(), _coding(response), LARGEST_ANSWER)


def _coding(response: httpx.Response) -> str:
    coding: str = response.headers.get("Content-Encoding", "")
    return coding


@contextmanager
def _decoding() -> Iterator[None]:
    try:
        yield
    except bodies.Truncated as exc:
        raise TransportError(f"the answer {exc}", ambiguous=True) from None
    except bodies.Refused as exc:
        raise Unacceptable(f"the answer {exc}", ambiguous=True) from None


def _no_connection(error: Exception) -> TransportError:
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error)):
        return Unacceptable("could not connect (its certificate is not trusted)", ambiguous=False)
    return TransportError(f"could not connect ({type(error).__name__})", ambiguous=False)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _forget_location(response: httpx.Response) -> None:
    """For httpx builds the request that a redirect asks for even where it follows none, and fails at "mailto:a"."""
    if response.has_redirect_location:
        del response.headers["Location"]


def _left(timeout: float | None) -> float:
    """What is left of the attempt, if that is less. httpx's own timeouts are for each chunk: a drip never ends."""
    left: float = _attempt.ends - time.monotonic()
    return max(0.001, left if timeout is None else min(left, timeout))


def _addresses(host: str, port: int, seconds: float) -> list[str]:
    """The addresses of a host, in time: the system's own look-up takes no limit.

    Raises Unacceptable where one of them is link-local, so that no name can stand for a cloud's metadata.
    """
    found = [host] if _is_address(host) else _looked_up(host, port, seconds)
    if any(hosts.is_link_local(address) for address in found):
        raise Unacceptable("the host has a link-local address, which is not asked", ambiguous=False)
    return found


def _is_address(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def _looked_up(host: str, port: int, seconds: float) -> list[str]:
    answers: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put([str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)])
        except (OSError, UnicodeError) as exc:
            answers.put(exc)

    threading.Thread(target=ask, name="look-up", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise httpcore.ConnectTimeout("the name was not resolved in time") from None
    if isinstance(answer, Exception):
        raise TransportError("could not connect (its name could not be resolved)", ambiguous=False)
    return answer


class _BoundedBackend(httpcore.NetworkBackend):
    """Opens connections whose every wait ends with the attempt, to no link-local address."""

    def __init__(self) -> None:
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        refused: Exception = httpcore.ConnectError("the name has no address")
        for address in _addresses(host, port, _left(timeout)):
            try:
                stream = self._sockets.connect_tcp(address, port, _left(timeout), local_address, socket_options)
                return _BoundedStream(stream)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                refused = exc
        raise refused


class _BoundedStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max(max_bytes, _GULP), self._in_time(httpcore.ReadTimeout, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for at in range(0, len(buffer), _PIECE):  # httpcore's limit is for each part that the other side makes room for
            self._stream.write(buffer[at : at + _PIECE], self._in_time(httpcore.WriteTimeout, timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _BoundedStream(self._stream.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    @staticmethod
    def _in_time(error: type[Exception], timeout: float | None) -> float:
        if time.monotonic() > _attempt.ends:
            raise error("the attempt's time is up")
        return _left(timeout)
