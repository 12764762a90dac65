"""What an HR system exports as CSV: the people that its API gives, in many dialects, and faults on demand."""

from __future__ import annotations

import csv
import gzip
import io
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.emulators.http import Dropped, Request, Response


@dataclass(frozen=True)
class Export:
    """How an export is written, and what goes wrong with it over HTTP.

    `cut`: so many bytes are missing at the end of what was announced; `drip`: seconds between two bytes of the body.
    """

    delimiter: str = ","
    encoding: str = "utf-8"
    quotechar: str = '"'
    line_end: str = "\r\n"
    gzipped: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int = 0
    drip: float = 0.0

    def written(self, records: Sequence[Mapping[str, Any]]) -> bytes:
        """The file."""
        text = io.StringIO(newline="")
        writer = csv.writer(
            text, delimiter=self.delimiter, quotechar=self.quotechar, lineterminator=self.line_end, doublequote=True
        )
        rows = [dict(_flat(record)) for record in records]
        columns = list(dict.fromkeys(name for row in rows for name in row))
        writer.writerows([columns, *([_cell(row.get(name)) for name in columns] for row in rows)])
        return text.getvalue().encode(self.encoding)

    def answer(self, request: Request, records: Sequence[Mapping[str, Any]]) -> Response:
        """The file over HTTP."""
        body = self.written(records)
        headers = {"Content-Type": "text/csv", **self.headers}
        if self.gzipped:
            body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
        if self.drip:
            _drip(request.connection, body, self.drip)
        if self.cut:
            headers["Content-Length"] = str(len(body))
        return Response(200, body[: len(body) - self.cut], headers)


def _flat(record: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _drip(connection: socket.socket, body: bytes, seconds: float) -> None:
    """A byte at a time, until the client has had enough."""
    with suppress(OSError):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: %d\r\n\r\n" % len(body))
        for at in range(len(body)):
            connection.sendall(body[at : at + 1])
            time.sleep(seconds)
    raise Dropped
