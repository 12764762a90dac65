"""One HTTP exchange that ends: in time, in size, at the origin it was meant for."""

import json
import logging
import ssl
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpcore
import httpx

from provisioning.errors import TransportError

DEADLINE = 30.0
"""Seconds that one attempt may take in all."""

LARGEST_ANSWER = 64 * 1024 * 1024
"""Bytes after decoding; 0.5 MB of gzip can become 1 GiB."""

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
        """The body as JSON, decimals kept exact. Raises ValueError for what is not JSON, NaN included."""
        return json.loads(self.body, parse_float=Decimal, parse_constant=_no_constant)


def client() -> httpx.Client:
    """An HTTP client that follows no redirect (it would carry the credentials along) and reads no environment."""
    bounded = httpx.HTTPTransport(trust_env=False)
    bounded._pool = httpcore.ConnectionPool(  # httpx has no public way to hand in a network backend
        ssl_context=httpx.create_ssl_context(trust_env=False), network_backend=_BoundedBackend(), keepalive_expiry=5.0
    )
    timeout = httpx.Timeout(15.0, connect=5.0, pool=DEADLINE)
    return httpx.Client(transport=bounded, follow_redirects=False, trust_env=False, timeout=timeout)


def exchange(http: httpx.Client, request: httpx.Request, seconds: float = DEADLINE) -> Reply:
    """Send one request and read the whole answer, within so many seconds in all.

    Raises TransportError, which says whether the request may have arrived.
    """
    _attempt.ends = time.monotonic() + seconds
    try:
        response = http.send(request, stream=True)
        try:
            return Reply(response.status_code, response.headers, _body(response))
        finally:
            response.close()
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as exc:
        raise TransportError(f"could not connect ({type(exc).__name__})", ambiguous=False) from exc
    except httpx.HTTPError as exc:
        raise TransportError(f"no complete answer ({type(exc).__name__})", ambiguous=True) from exc


def _body(response: httpx.Response) -> bytes:
    parts, size = [], 0
    for part in response.iter_bytes():
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER:
            raise TransportError(f"the answer is larger than {LARGEST_ANSWER} bytes", ambiguous=True)
    return b"".join(parts)


def _left(timeout: float | None) -> float:
    """What is left of the attempt, if that is less. httpx's own timeouts are for each chunk: a drip never ends."""
    left: float = _attempt.ends - time.monotonic()
    return max(0.001, left if timeout is None else min(left, timeout))


class _BoundedBackend(httpcore.NetworkBackend):
    """Opens connections whose every wait ends with the attempt."""

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
        stream = self._sockets.connect_tcp(host, port, _left(timeout), local_address, socket_options)
        return _BoundedStream(stream)


class _BoundedStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._in_time(httpcore.ReadTimeout, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._in_time(httpcore.WriteTimeout, timeout))

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


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
