"""A SQL Server on loopback that speaks enough of TDS 7.4 for Microsoft's ODBC driver, and answers as a test says.

Written from Microsoft's open specification [MS-TDS] (learn.microsoft.com/openspecs/windows_protocols/ms-tds); the names
in capitals are its own. It knows no SQL: a test says how the next login, statement, commit … ends, and everything that
was not scripted succeeds. What a client must not do (a wrong packet, a message out of turn, another transaction than
the one that is open) is kept in `violations`.

`Relay` stands between the driver and a real server, and cuts the link before or after something was carried out.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any, Self

SQL_BATCH, RPC, ATTENTION, TRANSACTION, LOGIN7, PRELOGIN, RESPONSE = 0x01, 0x03, 0x06, 0x0E, 0x10, 0x12, 0x04
END_OF_MESSAGE = 0x01
PACKET_SIZE = 4096
COLLATION = bytes.fromhex("0904d00034")
MORE, FAILED, HAS_COUNT, CANCELLED = 0x01, 0x02, 0x10, 0x20
DONE, DONE_PROC, DONE_IN_PROC = 0xFD, 0xFE, 0xFF
PROCEDURES = {11: "sp_prepare", 12: "sp_execute", 13: "sp_prepexec", 15: "sp_unprepare"}
BEGIN, COMMIT, ROLLBACK = 5, 7, 8
BEGUN, COMMITTED, ROLLED_BACK = 8, 9, 10
TYPE_INFO = ("TYPE_NAME", "DATA_TYPE", "PRECISION", *(f"INFO_{n}" for n in range(4, 21)))
"""What sp_datatype_info_100 answers with; pyodbc looks at the third column only."""


@dataclass(frozen=True)
class Rows:
    """A result set; a column is of the type of its first value that is not None.

    `broken_by`: it does not end, but fails behind these rows, or the link breaks there.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]] = ()
    broken_by: Error | Fate | None = None


@dataclass(frozen=True)
class Count:
    """A statement that changed so many rows."""

    rows: int = 0


@dataclass(frozen=True)
class Error:
    """An ERROR token. Above severity 19 a server ends the connection: script a `Fate.DROP` behind it."""

    number: int
    text: str = "told by the server"
    state: int = 1
    severity: int = 16
    followed_by: Error | None = None


class Fate(Enum):
    """What else may become of an answer: the link breaks here, or nothing comes until the client gives up.

    Behind other parts of an answer: after these were sent, but before the answer has ended.
    """

    DROP = "drop"
    HANG = "hang"


Part = Rows | Count | Error | Fate
Answer = Part | Sequence[Part]


@dataclass(frozen=True)
class Seen:
    """Something a client asked for: on which connection (1 is the first), what kind, and what it said."""

    connection: int
    kind: str
    text: str = ""
    parameters: tuple[Any, ...] = ()


class _Gone(Exception):
    """The connection is over."""


class _Cancelled(Exception):
    """The client gave up on a statement; the connection goes on."""


class _Listener:
    """A port of its own, and a thread for each connection to it, while it is in a `with`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="tds", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()

    def hang_up(self) -> None:
        """Every connection breaks."""
        for one in self._open:
            with contextlib.suppress(OSError):
                _reset(one)
                one.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def _accept(self) -> None:
        number = 0
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            number += 1
            self._open.append(client)
            threading.Thread(target=self._serve, args=(client, number), name=f"tds {number}", daemon=True).start()

    def _serve(self, client: socket.socket, number: int) -> None:
        raise NotImplementedError


class TdsServer(_Listener):
    """The server. `answers` scripts what comes next, `rules` what comes where nothing is scripted."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Seen] = []
        self.violations: list[str] = []
        self.rules: dict[str, Callable[[], Answer | None]] = {}
        self._script: dict[str, deque[Answer]] = defaultdict(deque)

    def answers(self, kind: str, *next_ones: Answer) -> None:
        """How the next of a kind end: connect, login, option (SET …), statement, begin, commit, rollback."""
        self._script[kind].extend(next_ones)

    def of(self, kind: str) -> list[Seen]:
        """What was seen of one kind."""
        return [one for one in self.seen if one.kind == kind]

    @property
    def story(self) -> list[str]:
        """What was seen since the logins, in a few words: `2 commit`."""
        return [f"{one.connection} {one.kind}" for one in self.seen if one.kind not in ("connect", "login", "option")]

    def note(self, one: Seen) -> Answer | None:
        """Keep what a client asked for; gives back what is to become of it, None for success."""
        with self._lock:
            self.seen.append(one)
            script, rule = self._script[one.kind], self.rules.get(one.kind)
            return script.popleft() if script else rule() if rule else None

    def _serve(self, client: socket.socket, number: int) -> None:
        _Session(self, client, number).run()


@dataclass
class _Session:
    """One connection."""

    server: TdsServer
    socket: socket.socket
    number: int
    prelogin: bool = False
    logged_in: bool = False
    transaction: int = 0
    prepared: list[str] = field(default_factory=list)

    def run(self) -> None:
        with self.socket, contextlib.suppress(_Gone, OSError):
            self._fate_of(self.server.note(Seen(self.number, "connect")))
            while True:
                with contextlib.suppress(_Cancelled):
                    self._message(*self._read())

    def _message(self, kind: int, data: bytes) -> None:
        if not self.prelogin:
            self._expect(kind == PRELOGIN, "a session begins with PRELOGIN")
            self.prelogin = True
            self._send(_prelogin())
        elif not self.logged_in:
            self._expect(kind == LOGIN7, "LOGIN7 follows PRELOGIN")
            self._login(data)
        elif kind == ATTENTION:
            self._send(_done(DONE, CANCELLED))
        elif kind == SQL_BATCH:
            text = self._without_headers(data).decode("utf-16-le")
            kind_of = "option" if text.startswith("SET ") else "statement"
            self._answer(self.server.note(Seen(self.number, kind_of, text)) or Count(), DONE)
        elif kind == TRANSACTION:
            self._transaction(self._without_headers(data))
        elif kind == RPC:
            self._procedure(self._without_headers(data))
        else:
            self._expect(False, f"a message of type {kind}")

    # --- messages -------------------------------------------------------------------------------------------------

    def _login(self, data: bytes) -> None:
        self._expect(struct.unpack_from("<I", data)[0] == len(data), "LOGIN7 says how long it is")
        database, features = _login_text(data, 68), _features(data)
        answer = self.server.note(Seen(self.number, "login", database, tuple(sorted(features))))
        if answer is not None:
            self._answer(answer, DONE)
            raise _Gone  # no LOGINACK: the server hangs up
        self.logged_in = True
        changed = _environment(1, database, "master") + _environment(7, COLLATION, b"")
        sizes = _environment(4, str(PACKET_SIZE), str(PACKET_SIZE))
        acknowledged = b"\x01" + struct.pack(">I", 0x74000004) + _short("Microsoft SQL Server") + bytes((16, 0, 0, 0))
        recovery = b"\xae\x01\0\0\0\0\xff" if 1 in features else b""  # FEATUREEXTACK of SESSIONRECOVERY
        self._send(changed + sizes + _token(0xAD, acknowledged) + recovery + _done(DONE))

    def _transaction(self, data: bytes) -> None:
        """Begin, commit and roll back; the last two begin the next one where the client asks for it."""
        request = struct.unpack_from("<H", data)[0]
        kind = {BEGIN: "begin", COMMIT: "commit", ROLLBACK: "rollback"}[request]
        answer, tokens = self.server.note(Seen(self.number, kind)), b""
        if answer is not None:
            self._answer(answer, DONE)
            return
        self._expect((request == BEGIN) == (self.transaction == 0), f"{kind} while {self.transaction} is open")
        if request != BEGIN:
            tokens += _environment(COMMITTED if request == COMMIT else ROLLED_BACK, b"", self._descriptor)
            self.transaction = 0
        if request == BEGIN or data[3:4] == b"\x01":
            self.transaction = len(self.server.seen)
            tokens += _environment(BEGUN, self._descriptor, b"")
        self._send(tokens + _done(DONE))

    def _procedure(self, data: bytes) -> None:
        name, parameters = _rpc(data)
        if name.endswith("sp_datatype_info_100"):
            self._answer(Rows(TYPE_INFO, [("a type", 0, 4000, *[None] * 17)]), DONE_IN_PROC)
        elif name in ("sp_prepexec", "sp_prepare"):
            self.prepared.append(str(parameters[2]))
            handle = len(self.prepared)
            if name == "sp_prepare":
                self._answer([], DONE_IN_PROC, handle)
            else:
                self._statement(self.prepared[-1], parameters[3:], handle)
        elif name == "sp_execute":
            self._statement(self.prepared[parameters[0] - 1], parameters[1:])
        elif name == "sp_unprepare":
            self._answer([], DONE_IN_PROC)
        else:  # sp_describe_undeclared_parameters: for a NULL; the driver goes on without
            self._answer(Error(2812, f"Could not find stored procedure '{name}'."), DONE_IN_PROC)

    def _statement(self, text: str, parameters: list[Any], handle: int | None = None) -> None:
        answer = self.server.note(Seen(self.number, "statement", text, tuple(parameters)))
        self._answer(Count() if answer is None else answer, DONE_IN_PROC, handle)

    # --- answers --------------------------------------------------------------------------------------------------

    def _answer(self, answer: Answer, done: int, handle: int | None = None) -> None:
        parts = [answer] if isinstance(answer, Part) else list(answer)
        tokens = b""
        for n, part in enumerate(parts):
            if isinstance(part, Fate):
                self._send(tokens, end=False)
                self._fate_of(part, abrupt=not tokens)
            if isinstance(part, Rows) and isinstance(part.broken_by, Fate):
                self._send(tokens + _rows(part), end=False)
                self._fate_of(part.broken_by, abrupt=False)
            last = n == len(parts) - 1
            more = MORE if done == DONE_IN_PROC or not last else 0
            tokens += _result(part, done, more)
        if done == DONE_IN_PROC:
            failed = FAILED if any(isinstance(p, Error) for p in parts) else 0
            tokens += b"\x79" + struct.pack("<i", 0)  # RETURNSTATUS
            tokens += _return_value(handle) if handle and not failed else b""
            tokens += _done(DONE_PROC, failed)
        self._send(tokens or _done(DONE))

    def _fate_of(self, answer: Answer | None, *, abrupt: bool = True) -> None:
        if answer is Fate.DROP:
            if abrupt:  # what was sent before must arrive
                _reset(self.socket)
            raise _Gone
        if answer is Fate.HANG:
            while self._read()[0] != ATTENTION:
                pass
            self._send(_done(DONE, CANCELLED))
            raise _Cancelled

    def _expect(self, fact: bool, rule: str) -> None:
        if not fact:
            self.server.violations.append(rule)
            raise _Gone

    # --- packets --------------------------------------------------------------------------------------------------

    def _read(self) -> tuple[int, bytes]:
        """A whole message: its type and its data."""
        kind, data, _ = _message_from(self.socket)
        return kind, data

    def _send(self, data: bytes, *, end: bool = True) -> None:
        room = PACKET_SIZE - 8
        pieces = [data[at : at + room] for at in range(0, len(data), room)]
        for n, piece in enumerate(pieces):
            status = END_OF_MESSAGE if end and n == len(pieces) - 1 else 0
            header = struct.pack(">BBHHBB", RESPONSE, status, len(piece) + 8, self.number, (n + 1) % 256, 0)
            self.socket.sendall(header + piece)

    def _without_headers(self, data: bytes) -> bytes:
        """What follows ALL_HEADERS, in which the client must name the transaction that is open."""
        length = struct.unpack_from("<I", data)[0]
        descriptor = struct.unpack_from("<Q", data, 10)[0]
        self._expect(descriptor == self.transaction, f"transaction {descriptor} named, {self.transaction} open")
        return data[length:]

    @property
    def _descriptor(self) -> bytes:
        return struct.pack("<Q", self.transaction)


class Relay(_Listener):
    """Between the driver and a real server. `cut` chooses a message at which the link breaks, once."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__()
        self._server = (host, port)
        self._at: tuple[Callable[[int, bytes], bool], bool] | None = None
        self.cuts = 0

    def cut(self, at: Callable[[int, bytes], bool], *, after: bool) -> None:
        """At a client's next message (type, data) that fits: before the server has it, or after it has answered."""
        self._at = (at, after)

    def _serve(self, client: socket.socket, _number: int) -> None:
        with client, socket.create_connection(self._server) as server, contextlib.suppress(_Gone, OSError):
            while True:
                kind, data, packets = _message_from(client)
                cut = self._at is not None and self._at[0](kind, data)
                if cut and self._at and not self._at[1]:
                    self._break(client)
                server.sendall(_in_the_clear(packets, data) if kind == PRELOGIN else packets)
                _, answered, packets = _message_from(server)
                if cut:
                    self._break(client)
                client.sendall(_in_the_clear(packets, answered) if kind == PRELOGIN else packets)

    def _break(self, client: socket.socket) -> None:
        self._at, self.cuts = None, self.cuts + 1
        _reset(client)
        raise _Gone


def is_commit(kind: int, data: bytes) -> bool:
    """A commit, as the driver asks for it."""
    return kind == TRANSACTION and struct.unpack_from("<H", data, struct.unpack_from("<I", data)[0])[0] == COMMIT


def says(text: str) -> Callable[[int, bytes], bool]:
    """A statement that holds this text."""
    return lambda kind, data: kind in (SQL_BATCH, RPC) and text.encode("utf-16-le") in data


def _reset(one: socket.socket) -> None:
    """To be closed without a goodbye: the other side sees a broken link, not an end."""
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _message_from(one: socket.socket) -> tuple[int, bytes, bytes]:
    """A whole message: its type, its data, and the packets it came in."""
    data = packets = b""
    status = kind = 0
    while not status & END_OF_MESSAGE:
        header = _bytes_from(one, 8)
        kind, status, length = struct.unpack(">BBH", header[:4])
        if length < 8:
            raise _Gone
        body = _bytes_from(one, length - 8)
        data, packets = data + body, packets + header + body
    return kind, data, packets


def _bytes_from(one: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = one.recv(count - len(data))
        if not piece:
            raise _Gone
        data += piece
    return data


def _in_the_clear(packets: bytes, data: bytes) -> bytes:
    """A PRELOGIN that says ENCRYPT_NOT_SUP: what follows can be read."""
    changed, at = bytearray(packets), 0
    while data[at] != 0xFF:
        if data[at] == 1:
            changed[8 + struct.unpack_from(">H", data, at + 1)[0]] = 2
        at += 5
    return bytes(changed)


# --- tokens -----------------------------------------------------------------------------------------------------------


def _prelogin() -> bytes:
    """VERSION 16.0 and ENCRYPT_NOT_SUP, so that nothing is encrypted."""
    options = struct.pack(">BHHBHHB", 0, 11, 6, 1, 17, 1, 0xFF)
    return options + bytes((16, 0, 0, 0, 0, 0, 2))


def _token(kind: int, data: bytes) -> bytes:
    return struct.pack("<BH", kind, len(data)) + data


def _short(text: str) -> bytes:
    """B_VARCHAR: a byte that counts characters."""
    return bytes((len(text),)) + text.encode("utf-16-le")


def _environment(kind: int, new: str | bytes, old: str | bytes) -> bytes:
    def value(one: str | bytes) -> bytes:
        return _short(one) if isinstance(one, str) else bytes((len(one),)) + one

    return _token(0xE3, bytes((kind,)) + value(new) + value(old))


def _done(kind: int, status: int = 0, count: int = 0) -> bytes:
    return struct.pack("<BHHQ", kind, status, 0, count)


def _error(one: Error) -> bytes:
    text = struct.pack("<H", len(one.text)) + one.text.encode("utf-16-le")
    head = struct.pack("<iBB", one.number, one.state, one.severity)
    token = _token(0xAA, head + text + _short("loopback") + _short("") + struct.pack("<i", 1))
    return token + (_error(one.followed_by) if one.followed_by else b"")


def _result(part: Part, done: int, more: int) -> bytes:
    if isinstance(part, Error):
        return _error(part) + _done(done, more | FAILED)
    if isinstance(part, Count):
        return _done(done, more | HAS_COUNT, part.rows)
    assert isinstance(part, Rows)
    if isinstance(part.broken_by, Error):
        return _rows(part) + _result(part.broken_by, done, more)
    return _rows(part) + _done(done, more | HAS_COUNT, len(part.rows))


def _rows(part: Rows) -> bytes:
    kinds = [_kind(column) for column in zip(*part.rows, strict=True)] if part.rows else [str] * len(part.columns)
    tokens = struct.pack("<BH", 0x81, len(kinds))  # COLMETADATA
    for name, kind in zip(part.columns, kinds, strict=True):
        tokens += struct.pack("<IH", 0, 1) + _TYPES[kind] + _short(name)
    for row in part.rows:
        tokens += b"\xd1" + b"".join(_value(v, k) for v, k in zip(row, kinds, strict=True))
    return tokens


def _return_value(handle: int) -> bytes:
    """RETURNVALUE: the handle of a prepared statement."""
    return b"\xac" + struct.pack("<HBBIH", 0, 0, 1, 0, 0) + b"\x26\x04\x04" + struct.pack("<i", handle)


_TYPES: dict[type, bytes] = {
    int: b"\x26\x08",  # INTN
    bool: b"\x68\x01",  # BITN
    str: b"\xe7" + struct.pack("<H", 8000) + COLLATION,  # NVARCHAR
    datetime: b"\x2a\x07",  # DATETIME2N
    date: b"\x28",  # DATEN
}


def _kind(values: Sequence[Any]) -> type:
    return next((type(v) for v in values if v is not None), str)


def _value(value: Any, kind: type) -> bytes:
    if kind is str:
        data = None if value is None else str(value).encode("utf-16-le", "surrogatepass")
        return b"\xff\xff" if data is None else struct.pack("<H", len(data)) + data
    data = b"" if value is None else _plain(value)
    return bytes((len(data),)) + data


def _plain(value: Any) -> bytes:
    if isinstance(value, bool):
        return bytes((value,))
    if isinstance(value, int):
        return struct.pack("<q", value)
    day = (date(value.year, value.month, value.day) - date.min).days.to_bytes(3, "little")
    if not isinstance(value, datetime):
        return day
    since_midnight = timedelta(
        hours=value.hour, minutes=value.minute, seconds=value.second, microseconds=value.microsecond
    )
    return (since_midnight // timedelta(microseconds=1) * 10).to_bytes(5, "little") + day


# --- what a client sends ----------------------------------------------------------------------------------------------


def _login_text(data: bytes, at: int) -> str:
    offset, length = struct.unpack_from("<HH", data, at)
    return data[offset : offset + 2 * length].decode("utf-16-le")


def _features(data: bytes) -> set[int]:
    """The ids of the FEATUREEXT that LOGIN7 asks for."""
    found, at = set(), struct.unpack_from("<I", data, struct.unpack_from("<H", data, 56)[0])[0]
    while data[at] != 0xFF:
        found.add(data[at])
        at += 5 + struct.unpack_from("<I", data, at + 1)[0]
    return found


def _rpc(data: bytes) -> tuple[str, list[Any]]:
    """The procedure of an RPC request, and its parameters."""
    length = struct.unpack_from("<H", data)[0]
    if length == 0xFFFF:
        name, at = PROCEDURES.get(struct.unpack_from("<H", data, 2)[0], "an unknown procedure"), 4
    else:
        name, at = data[2 : 2 + 2 * length].decode("utf-16-le"), 2 + 2 * length
    return name, list(_parameters(data, at + 2))


def _parameters(data: bytes, at: int) -> Iterator[Any]:
    while at < len(data):
        at += 1 + 2 * data[at] + 1  # the name, and whether it is for output
        kind = data[at]
        at += 1
        if kind in (0xE7, 0xA7):  # NVARCHAR, BIGVARCHAR
            most = struct.unpack_from("<H", data, at)[0]
            raw, at = _chunked(data, at + 7) if most == 0xFFFF else _counted(data, at + 7)
            yield None if raw is None else raw.decode("utf-16-le" if kind == 0xE7 else "utf-8")
        elif kind in (0x26, 0x68):  # INTN, BITN
            raw, at = data[at + 2 : at + 2 + data[at + 1]], at + 2 + data[at + 1]
            yield int.from_bytes(raw, "little", signed=True) if raw else None
        else:
            raise AssertionError(f"the stub knows no parameters of type {kind:#x}")


def _counted(data: bytes, at: int) -> tuple[bytes | None, int]:
    length = struct.unpack_from("<H", data, at)[0]
    return (None, at + 2) if length == 0xFFFF else (data[at + 2 : at + 2 + length], at + 2 + length)


def _chunked(data: bytes, at: int) -> tuple[bytes | None, int]:
    """A PLP value: chunks, up to an empty one."""
    if data[at : at + 8] == b"\xff" * 8:
        return None, at + 8
    at, raw = at + 8, b""
    while length := struct.unpack_from("<I", data, at)[0]:
        raw, at = raw + data[at + 4 : at + 4 + length], at + 4 + length
    return raw, at + 4
