"""One HTTP exchange that ends: in time, in size, at the origin it was meant for."""

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx

from provisioning.errors import TransportError

DEADLINE = 30.0
"""Seconds that one attempt may take in all."""

LARGEST_ANSWER = 64 * 1024 * 1024
"""Bytes after decoding; 0.5 MB of gzip can become 1 GiB."""

logging.getLogger("httpx").setLevel(logging.WARNING)  # logs every URL at INFO
logging.getLogger("httpcore").setLevel(logging.WARNING)


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
    timeout = httpx.Timeout(15.0, connect=5.0, pool=DEADLINE)
    return httpx.Client(follow_redirects=False, trust_env=False, timeout=timeout)


def exchange(http: httpx.Client, request: httpx.Request) -> Reply:
    """Send one request and read the whole answer. Raises TransportError, which says whether it may have arrived."""
    ends = time.monotonic() + DEADLINE
    try:
        response = http.send(request, stream=True)
        try:
            return Reply(response.status_code, response.headers, _body(response, ends))
        finally:
            response.close()
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as exc:
        raise TransportError(f"could not connect ({type(exc).__name__})", ambiguous=False) from exc
    except httpx.HTTPError as exc:
        raise TransportError(f"no complete answer ({type(exc).__name__})", ambiguous=True) from exc


def _body(response: httpx.Response, ends: float) -> bytes:
    parts, size = [], 0
    for part in response.iter_bytes():
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER:
            raise TransportError(f"the answer is larger than {LARGEST_ANSWER} bytes", ambiguous=True)
        if time.monotonic() > ends:
            raise TransportError(f"no complete answer within {DEADLINE:.0f} s", ambiguous=True)
    return b"".join(parts)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
