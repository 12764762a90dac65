"""SQL Server through pyodbc, SQLite as the embedded default: the one place that knows either.

Statements live in `queries/*.sql`, in T-SQL; `queries/sqlite/` holds only what cannot run there. A file begins with
`-- one sentence of purpose` and `-- Parameters: …`; every value is a `?`; `{name}` stands for identifiers that come
from the catalogue of the database itself. A file of several statements is one transaction and one round trip.
"""

import functools
import itertools
import random
import re
import sqlite3
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar

from provisioning import retry
from provisioning.errors import DatabaseError, SettingsError
from provisioning.pacing import Clock

Row = tuple[Any, ...]
T = TypeVar("T")

QUERIES = Path(__file__).parent / "queries"
TRANSIENT_NUMBERS = frozenset(
    (615, 926, 1205, 4060, 4221, 10053, 10054, 10060, 10928, 10929, 40197, 40501, 40613, 49918, 49919, 49920)
)
TRANSIENT_STATES = frozenset(("08S01", "08001", "HYT00", *(f"IMC0{n}" for n in range(1, 7))))
"""https://learn.microsoft.com/azure/azure-sql/database/troubleshoot-common-connectivity-issues

IMC01 to IMC06 are a broken link, too, as the driver tells it where the operator lets it reconnect by itself.
"""

COLLISIONS = frozenset((2601, 2627))
"""A key is there already. Where two write the same one at the same moment, it is not there when the second looks."""

AT_ONCE = 5
"""So often something is tried that others write at the same moment: of so many who try, each gets through."""

HINTS: dict[int | str, str] = {
    208: "a table or view is missing; run: python -m provisioning migrate",
    229: "a right is missing; the app's user must be a member of the role provisioning_app",
    916: "the app's user may not use this database; create it there, as a member of the role provisioning_app",
    1105: "the database is full",
    1205: "another statement was in the way",
    2601: "a key would be there twice",
    2627: "a key would be there twice",
    2628: "a value is longer than its column",
    4060: "the database cannot be opened; check its name and the user's rights",
    8152: "a value is longer than its column",
    18456: "the login failed; check SQL_CONNECTION_STRING and the identity",
    40544: "the database is full",
    40613: "the database is out of reach; a serverless one may be waking up",
    40615: "the server's firewall does not let this machine in",
    "08001": "the server is out of reach",
    "08S01": "the link to the server broke",
    "HYT00": "the server did not answer in time",
}

SQLITE_HINTS = {
    sqlite3.SQLITE_BUSY: "another process keeps it locked; try again when that is done",
    sqlite3.SQLITE_READONLY: "check the rights of the file, its folder and its disk",
    sqlite3.SQLITE_IOERR: "look at the disk, then try again",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; put a copy of all three files back",
    sqlite3.SQLITE_FULL: "nothing of this was written; make room, then try again",
    sqlite3.SQLITE_CANTOPEN: "check the rights of the folder, in which a journal is written, too",
    sqlite3.SQLITE_NOTADB: "check SQL_CONNECTION_STRING",
}

ROWS_A_STATEMENT = 2000
"""So many rows or ids go into one statement, as one JSON parameter."""

LOGIN_SECONDS, STATEMENT_SECONDS = 30, 120
SQLITE_BUSY_SECONDS = 30.0
STATEMENTS_KEPT = 256
"""So many prepared statements a connection to SQLite keeps: there are fewer in queries/."""
SQLITE_TURN_SECONDS = 0.2
"""So long one waits for a lock without giving up those it has: two may each hold what the other waits for."""

_ROWS_A_FETCH = 1000
_SQL_COPT_SS_ACCESS_TOKEN = 1256
_SQLITE_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_SQLITE_COLLISIONS = (sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE)
_SQLITE_SPELLINGS = (("DATEADD(second,", "DATEADD('second',"), ("OPENJSON(", "json_each("))
_LITERALS = re.compile(r"'(?:[^']|'')*'|--[^\n]*")


@functools.cache
def query(name: str, engine: str) -> str:
    """The text of a statement for an engine (`sqlserver` or `sqlite`). Raises FileNotFoundError for a wrong name."""
    override = QUERIES / "sqlite" / f"{name}.sql"
    if engine == "sqlite" and override.exists():
        return override.read_text(encoding="utf-8")
    text = (QUERIES / f"{name}.sql").read_text(encoding="utf-8")
    return in_sqlite(text) if engine == "sqlite" else text


def in_sqlite(text: str) -> str:
    """T-SQL in SQLite's spelling, as far as only a word differs."""
    for tsql, sqlite in _SQLITE_SPELLINGS:
        text = text.replace(tsql, sqlite)
    return text


@functools.lru_cache(maxsize=512)
def statements(text: str) -> tuple[str, ...]:
    """The statements of a file: what ends in `;` at the end of a line."""
    masked = _LITERALS.sub(lambda found: "\1" * len(found[0]), text)
    ends = [m.start() for m in re.finditer(";[ \t]*(?=\n|$|\1)", masked)]
    starts = [0, *(end + 1 for end in ends)]
    parts = [text[a:b] for a, b in zip(starts, [*ends, len(text)], strict=True)]
    return tuple(part for part in parts if _LITERALS.sub("", part).strip())


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """As many items as one statement takes, until there are none left."""
    for at in range(0, len(items), ROWS_A_STATEMENT):
        yield items[at : at + ROWS_A_STATEMENT]


def not_alone(action: Callable[[], T]) -> T:
    """What an action gives; done again, up to `AT_ONCE` times, where somebody else wrote the same key meanwhile.

    For what is carried out as a whole or not at all, and may be carried out twice.
    """
    for _ in range(AT_ONCE - 1):
        try:
            return action()
        except DatabaseError as exc:
            if not exc.collided:
                raise
    return action()


@functools.lru_cache(maxsize=512)
def parameter_count(statement: str) -> int:
    """How many `?` a statement has, outside of literals and comments."""
    return _LITERALS.sub("", statement).count("?")


def as_utc(value: Any) -> datetime | None:
    """A time that the database gave, aware. SQLite keeps times as text, SQL Server in UTC without saying so."""
    if value is None:
        return None
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else _text_as_utc(str(value))


@functools.lru_cache(maxsize=4096)
def _text_as_utc(text: str) -> datetime:
    """Many people were sent at one moment."""
    return datetime.fromisoformat(text[:26]).replace(tzinfo=UTC)


def as_date(value: Any) -> date | None:
    """A date that the database gave. Raises ValueError for a text that is none."""
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return value.date()
    return value if isinstance(value, date) else date.fromisoformat(str(value)[:10])


def connect(
    connection_string: str, clock: Clock | None = None, patience: float = retry.DATABASE_PATIENCE
) -> "Database":
    """Open the database a connection string names.

    One that is out of reach, now or later, is waited for up to `patience` seconds (`SqlServer`).
    Raises DatabaseError when it cannot be had, SettingsError when the string or the driver is at fault.
    """
    clock = clock or Clock()
    if connection_string.startswith("sqlite:///"):
        return Sqlite(Path(connection_string.removeprefix("sqlite:///")), clock)
    return SqlServer(lambda: _login(connection_string), retry.Outage(clock, patience))


class Database:
    """An open connection. Every statement is committed as it ends, unless a `transaction()` is open."""

    engine = ""

    def __init__(self, connection: Any) -> None:
        """Wrap a DB-API connection."""
        self._connection = connection
        self._in_transaction = False

    def __enter__(self) -> "Database":
        """Use it in a `with`: leaving it closes the connection."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Give the connection back; what is not committed is rolled back."""
        with suppress(Exception):
            self._connection.close()

    def rows(self, name: str, *parameters: Any, **identifiers: str) -> Iterator[Row]:
        """The rows of a query, as they come. Read them to the end before the next statement."""
        yield from self.select(_filled(query(name, self.engine), identifiers), parameters, name)

    def one(self, name: str, *parameters: Any, **identifiers: str) -> Row | None:
        """The first row, or None."""
        found = list(self.rows(name, *parameters, **identifiers))
        return found[0] if found else None

    def run(self, name: str, *parameters: Any, **identifiers: str) -> int:
        """Run a statement that changes rows; gives back how many. Several statements are one transaction (then 0)."""
        parts = statements(_filled(query(name, self.engine), identifiers))
        if len(parts) == 1:
            return self.execute(parts[0], parameters, name)
        self.batch(parts, parameters, name)
        return 0

    def write(self, name: str, objects: Sequence[str], **identifiers: str) -> None:
        """Run a statement that takes rows, each a JSON object, all of them as one array."""
        self.run(name, f"[{','.join(objects)}]", **identifiers)

    def select(self, sql: str, parameters: Sequence[Any], name: str) -> Iterator[Row]:
        """Rows of a text that did not come from `queries/`: a script, a view's columns."""
        raise NotImplementedError

    def execute(self, sql: str, parameters: Sequence[Any] = (), name: str = "statement") -> int:
        """Run one text; gives back how many rows it changed."""
        raise NotImplementedError

    def batch(self, parts: Sequence[str], parameters: Sequence[Any], name: str) -> None:
        """Run several statements as one transaction."""
        raise NotImplementedError

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing."""
        raise NotImplementedError

    def quoted(self, identifier: str) -> str:
        """An identifier from the catalogue, safe to stand in a statement (both engines take double quotes)."""
        return '"' + identifier.replace('"', '""') + '"'

    def json_field(self, column: str, type_name: str) -> str:
        """How a set of JSON objects gives one of its fields as a typed column."""
        raise NotImplementedError

    def view_columns(self, view: str) -> list[str]:
        """The columns of a view or table of schema dbo in their order; empty where there is none."""
        return [str(row[0]) for row in self.rows("view_columns", view)]

    def utc_now(self) -> datetime:
        """The database's clock: the one everything that is kept is dated by."""
        row = self.one("utc_now")
        now = as_utc(row[0]) if row else None
        if now is None:
            raise DatabaseError("The database did not tell the time.")
        return now


class Sqlite(Database):
    """The embedded default: three files (main, dbo, provisioning), attached; a commit over them is atomic.

    With WAL or an in-memory main file it would not be: https://www.sqlite.org/lang_attach.html
    """

    engine = "sqlite"

    def __init__(self, path: Path, clock: Clock) -> None:
        """Open or make the files beside `path`: `x.db`, `x-dbo.db`, `x-provisioning.db`."""
        if not path.parent.is_dir():
            raise SettingsError([f"SQL_CONNECTION_STRING: the folder {path.parent} does not exist; make it first."])
        try:
            connection = self._opened(path)
        except sqlite3.Error as exc:
            raise DatabaseError(f"SQL_CONNECTION_STRING: {path} cannot be opened ({_short(exc)}).") from exc
        super().__init__(connection)
        try:
            for schema in ("dbo", "provisioning"):
                beside = path.with_name(f"{path.stem}-{schema}{path.suffix}")
                connection.execute(f"ATTACH DATABASE ? AS {schema}", (str(beside),))
        except sqlite3.Error as exc:
            self.close()
            raise DatabaseError(f"SQL_CONNECTION_STRING: {path} cannot be opened ({_short(exc)}).") from exc
        # "Deterministic": asked once a statement, as in SQL Server, and not once a row.
        connection.create_function("SYSUTCDATETIME", 0, lambda: stamp(clock.utc_now()), deterministic=True)
        connection.create_function("DATEADD", 3, _dateadd, deterministic=True)
        connection.create_function("CONCAT", -1, _concat, deterministic=True)

    def _opened(self, path: Path, *, uri: bool = False) -> sqlite3.Connection:
        return sqlite3.connect(
            path,
            timeout=SQLITE_TURN_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=STATEMENTS_KEPT,
            uri=uri,
        )

    def select(self, sql: str, parameters: Sequence[Any], name: str) -> Iterator[Row]:
        """Rows, fetched as they are read."""
        found = self._patiently(name, lambda: self._connection.execute(sql, tuple(parameters)))
        try:
            yield from found
        except sqlite3.Error as exc:
            raise _translated(name, exc) from exc

    def execute(self, sql: str, parameters: Sequence[Any] = (), name: str = "statement") -> int:
        """One statement; autocommitted."""
        return max(0, int(self._patiently(name, lambda: self._connection.execute(sql, tuple(parameters)).rowcount)))

    def write(self, name: str, objects: Sequence[str], **identifiers: str) -> None:
        """Each object by itself, in one transaction: json_each copies every element, which takes five times as long."""
        with self.transaction():
            try:
                self._connection.executemany(_filled(query(name, self.engine), identifiers), zip(objects))
            except sqlite3.Error as exc:
                raise _translated(name, exc) from exc

    def batch(self, parts: Sequence[str], parameters: Sequence[Any], name: str) -> None:
        """Each statement takes its share of the parameters, in order.

        The first one, a write, takes the lock of the file it writes to: a commit over all three takes twice the time.
        """
        if (surplus := len(parameters) - sum(map(parameter_count, parts))) > 0:
            raise DatabaseError(f"{name}: {surplus} parameters too many.")

        def carry_out() -> None:
            left = iter(parameters)
            with self._transaction("BEGIN"):
                for part in parts:
                    self.execute(part, list(itertools.islice(left, parameter_count(part))), name)

        self._patiently(name, carry_out)

    def transaction(self) -> AbstractContextManager[None]:
        """Takes every file's write lock at its start, so that two writers wait instead of failing."""
        return self._transaction("BEGIN IMMEDIATE")

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        if self._in_transaction:
            yield
            return
        self.execute(begin, (), "begin")
        self._in_transaction, committed = True, False
        try:
            yield
            self._patiently("commit", lambda: self.execute("COMMIT", (), "commit"), whole=True)
            committed = True
        finally:
            self._in_transaction = False
            if not committed:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")

    def _patiently(self, name: str, action: Callable[[], T], *, whole: bool | None = None) -> T:
        """What an action gives; tried again while others keep the files locked, with nothing locked in between.

        SQLite itself waits with what it has: a statement that reads JSON has the main file, which nobody else can
        commit to then, and may wait for a file that another one has, who would commit. Only what is carried out as
        a whole or not at all is tried again (`whole`), so no statement within a transaction; a commit may be.
        """
        whole = not self._in_transaction if whole is None else whole
        until = time.monotonic() + SQLITE_BUSY_SECONDS
        while True:
            try:
                return action()
            except sqlite3.Error as exc:
                if not (whole and _is_locked(exc)) or time.monotonic() >= until:
                    raise _translated(name, exc) from exc
            except DatabaseError as exc:  # of an action that is several statements
                if not (whole and _is_locked(exc.__cause__)) or time.monotonic() >= until:
                    raise
            time.sleep(random.uniform(0, SQLITE_TURN_SECONDS / 4))  # noqa: S311 - jitter, not cryptography

    def json_field(self, column: str, type_name: str) -> str:
        """A field of `value`, the object at hand."""
        return f"json_extract(value, '{_json_path(column)}') AS {self.quoted(column)}"


class SqlServer(Database):
    """SQL Server or Azure SQL. Autocommit; a file of several statements is one batch; XACT_ABORT is on.

    What fails because of the link, or of the state the server is in, is done again on a new connection: a login, the
    beginning of a transaction, a statement outside of one, a query up to its first row. Nobody knows whether the first
    try was carried out, so every statement of queries/ that runs outside of a transaction may run twice. Inside of one
    nothing is done again: it is rolled back, the error goes up, and the next run does what this one could not.
    Where two write the same key at the same moment, a statement outside of a transaction is run again at once.
    See docs/database.md.
    """

    engine = "sqlserver"

    def __init__(self, log_in: Callable[[], Any], outage: retry.Outage) -> None:
        """Log in, now and whenever the link is lost; `outage` says how long one is waited for."""
        super().__init__(None)
        self._log_in, self._outage = log_in, outage
        self._lasting("login", lambda: None)

    def select(self, sql: str, parameters: Sequence[Any], name: str) -> Iterator[Row]:
        """Rows, fetched in chunks as they are read. Until the first is given out, the query may be asked again."""
        cursor, found = self._lasting(name, lambda: self._first_rows(sql, parameters))
        yield from (tuple(row) for row in found)
        while len(found) == _ROWS_A_FETCH:
            found = self._once(name, lambda: _next_rows(cursor))
            yield from (tuple(row) for row in found)

    def execute(self, sql: str, parameters: Sequence[Any] = (), name: str = "statement") -> int:
        """One text; gives back how many rows its first statement changed."""
        return self._written(name, lambda: self._changed_rows(sql, parameters))

    def batch(self, parts: Sequence[str], parameters: Sequence[Any], name: str) -> None:
        """One round trip. Its last word tells that it was committed: see `_committed`."""
        body = ";\n".join(parts)
        if self._in_transaction:
            self.execute(body, parameters, name)
            return
        body = f"BEGIN TRANSACTION;\n{body};\nCOMMIT TRANSACTION;\nSELECT 1 AS committed;"
        self._written(name, lambda: self._committed(body, parameters, name))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits at its end. A link that breaks in the commit leaves open whether it was carried out."""
        if self._in_transaction:
            yield
            return
        self._lasting("begin", lambda: setattr(self._connection, "autocommit", False))
        self._in_transaction, committed = True, False
        try:
            yield
            self._once("commit", lambda: self._connection.commit())
            committed = True
        finally:
            self._in_transaction = False
            self._leave_transaction(committed)

    def _lasting(self, name: str, action: Callable[[], T]) -> T:
        """What an action gives: the one place that decides whether it is done again, on a new connection."""
        while True:
            began = self._outage.now()
            try:
                if self._connection is None:
                    self._connection = self._log_in()
                found = self._once(name, action)
            except DatabaseError as exc:
                if exc.transient and not self._in_transaction and self._outage.goes_on(began, str(exc)):
                    continue
                raise
            self._outage.ends()
            return found

    def _written(self, name: str, action: Callable[[], T]) -> T:
        """As `_lasting`; outside of a transaction also again, at once, where another wrote the same key meanwhile."""
        if self._in_transaction:
            return self._lasting(name, action)
        return not_alone(lambda: self._lasting(name, action))

    def _once(self, name: str, action: Callable[[], T]) -> T:
        """What an action gives on the connection as it is; one that may be broken is dropped."""
        try:
            return _from_driver(name, action)
        except DatabaseError as exc:
            if exc.transient and not self._in_transaction:
                self._drop()
            raise

    def _first_rows(self, sql: str, parameters: Sequence[Any]) -> tuple[Any, list[Any]]:
        cursor = self._connection.cursor()
        cursor.arraysize = _ROWS_A_FETCH
        cursor.execute(sql, *parameters)
        return cursor, _next_rows(cursor)

    def _changed_rows(self, sql: str, parameters: Sequence[Any]) -> int:
        cursor = self._connection.cursor()
        cursor.execute(sql, *parameters)
        count = int(cursor.rowcount)
        _read_to_the_end(cursor)
        return max(0, count)

    def _committed(self, sql: str, parameters: Sequence[Any], name: str) -> None:
        """A batch that ends with a query, whose result must have come.

        Where the link breaks between two results of a statement with parameters, the driver says that there are no
        more, not that it broke (seen with 18.6): half a batch, rolled back by the server, would look like a whole one.
        """
        cursor = self._connection.cursor()
        cursor.execute(sql, *parameters)
        last = cursor.description
        while cursor.nextset():
            last = cursor.description
        cursor.close()
        if last is None:
            raise DatabaseError(f"{name}: the answer of SQL Server was cut off.", transient=True)

    def _leave_transaction(self, committed: bool) -> None:
        """Back to autocommit; a session that failed in a transaction, or cannot go back, is not used again."""
        with suppress(Exception):
            if committed:
                self._connection.autocommit = True
                return
            self._connection.rollback()
        self._drop()

    def _drop(self) -> None:
        """The next statement logs in anew."""
        self.close()
        self._connection = None

    def json_field(self, column: str, type_name: str) -> str:
        """A line of `OPENJSON … WITH`, its path explicit."""
        return f"{self.quoted(column)} {type_name} '{_json_path(column)}'"


def stamp(moment: datetime) -> str:
    """A time as the embedded database keeps it: like datetime2(7), in UTC, so that text compares as time."""
    return moment.astimezone(UTC).isoformat(" ", "microseconds")[:26] + "0"


def _filled(sql: str, identifiers: dict[str, str]) -> str:
    for name, text in identifiers.items():
        sql = sql.replace("{" + name + "}", text)
    return sql


def _json_path(column: str) -> str:
    """The path of a field, as it stands in a SQL literal."""
    if re.fullmatch(r"[A-Za-z_]\w*", column, re.ASCII):
        return f"$.{column}"
    return '$."' + column.replace('"', '\\"').replace("'", "''") + '"'


def _concat(*parts: Any) -> str:
    """As in T-SQL: null is nothing. SQLite has it since 3.44."""
    return "".join("" if part is None else str(part) for part in parts)


def _dateadd(_part: str, seconds: float, moment: str) -> str:
    base = as_utc(moment)
    if base is None:
        raise ValueError("no time")
    return stamp(datetime.fromtimestamp(base.timestamp() + seconds, UTC))


def _pyodbc() -> Any:
    try:
        import pyodbc  # noqa: PLC0415 - the embedded default needs no driver
    except ImportError as exc:  # its wheels for Linux come without libodbc.so.2
        told = "install unixODBC (Debian, Ubuntu: apt-get install unixodbc) and Microsoft's ODBC driver 18"
        raise SettingsError([f"SQL_CONNECTION_STRING: pyodbc cannot be loaded for SQL Server; {told}."]) from exc
    return pyodbc


def _with_driver(connection_string: str, installed: list[str]) -> str:
    if re.search(r"(^|;)\s*driver\s*=", connection_string, re.IGNORECASE):
        return connection_string
    for name in ("ODBC Driver 18 for SQL Server", "ODBC Driver 17 for SQL Server"):
        if name in installed:
            return f"Driver={{{name}}};{connection_string}"
    raise SettingsError(["SQL_CONNECTION_STRING: no ODBC driver 18 or 17 for SQL Server is installed on this machine."])


def _without_retries(connection_string: str) -> str:
    """Without the driver's own reconnecting, unless the operator asks for it: one place waits, not two."""
    if re.search(r"(^|;)\s*connectretrycount\s*=", connection_string, re.IGNORECASE):
        return connection_string
    return f"{connection_string.rstrip('; ')};ConnectRetryCount=0"


def _access_token() -> bytes:
    """A token as the driver wants it.

    https://learn.microsoft.com/sql/connect/odbc/using-azure-active-directory#authenticating-with-an-access-token
    """
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - slow to import, needed here only

    try:
        text = DefaultAzureCredential().get_token("https://database.windows.net/.default").token
        token = text.encode("utf-16-le")
        return struct.pack("<I", len(token)) + token
    except Exception as exc:  # whatever azure-identity raises; its texts name accounts and tenants
        kind = type(exc).__name__
    told = "give the app a managed identity, or log in with az login"
    raise DatabaseError(f"login: no token for the database could be had ({kind}); {told}.")


def _translated(name: str, exc: sqlite3.Error) -> DatabaseError:
    collided = getattr(exc, "sqlite_errorcode", 0) in _SQLITE_COLLISIONS
    return DatabaseError(f"{name}: {_short(exc)}.", transient=_is_locked(exc), collided=collided)


def _is_locked(exc: BaseException | None) -> bool:
    """Whether another connection keeps a file locked."""
    return getattr(exc, "sqlite_errorcode", 0) & 0xFF in _SQLITE_LOCKED


def _short(exc: sqlite3.Error) -> str:
    """SQLite's own words, which name tables and columns, not values; and what to do about it."""
    hint = SQLITE_HINTS.get(getattr(exc, "sqlite_errorcode", 0) & 0xFF)
    return str(exc)[:200].rstrip(".") + (f": {hint}" if hint else "")


def _login(connection_string: str) -> Any:
    """A connection; without credentials in the string, with a token of the managed identity or `az login`."""
    pyodbc = _pyodbc()
    pyodbc.pooling = False
    text, attributes = _without_retries(_with_driver(connection_string, pyodbc.drivers())), {}
    if not re.search(r"(^|;)\s*(uid|user id|user|authentication|trusted_connection)\s*=", text, re.IGNORECASE):
        attributes = {_SQL_COPT_SS_ACCESS_TOKEN: _access_token()}

    def log_in() -> Any:
        connection = pyodbc.connect(text, timeout=LOGIN_SECONDS, autocommit=True, attrs_before=attributes)
        connection.timeout = STATEMENT_SECONDS
        for kind in (pyodbc.SQL_WCHAR, pyodbc.SQL_WVARCHAR, pyodbc.SQL_WLONGVARCHAR):
            connection.add_output_converter(kind, _wide_text)
        connection.execute("SET XACT_ABORT ON").close()
        return connection

    return _from_driver("login", log_in)


def _wide_text(raw: bytes | None) -> str | None:
    """A text as it is, with half letters too: by itself the driver fails the whole query where one row has one."""
    return None if raw is None else raw.decode("utf-16-le", "surrogatepass")


def _from_driver(name: str, action: Callable[[], T]) -> T:
    """What an action of the driver's gives. Its errors quote values and server names: they are left behind, reduced.

    Raised outside of the handler, ours does not even carry them as its context.
    """
    try:
        return action()
    except Exception as exc:
        if type(exc).__module__.partition(".")[0] != "pyodbc":
            raise
        error = _odbc_error(name, exc)
    raise error


def _next_rows(cursor: Any) -> list[Any]:
    """The next rows of a result, up to `_ROWS_A_FETCH`; with the last ones everything has been read."""
    found: list[Any] = cursor.fetchmany()
    if len(found) < _ROWS_A_FETCH:
        _read_to_the_end(cursor)
    return found


def _read_to_the_end(cursor: Any) -> None:
    """Every result, so that no later statement's error is missed, and the connection is free."""
    while cursor.nextset():
        pass
    cursor.close()


def _odbc_error(name: str, exc: BaseException) -> DatabaseError:
    """Reduced to number and state: the driver's text quotes values (2627, 2628) and server names."""
    state, numbers = _odbc_codes(exc)
    transient = state in TRANSIENT_STATES or any(n in TRANSIENT_NUMBERS for n in numbers)
    number = f"error {numbers[0]}, " if numbers else ""
    hint = next((HINTS[code] for code in (*numbers, state) if code in HINTS), "")
    if name == "commit" and transient:
        hint = "whether it was carried out is not known; the next run finds out"
    told = f"{name}: SQL Server answered {number}state {state or 'unknown'}{hint and ': '}{hint}."
    return DatabaseError(told, transient=transient, collided=any(n in COLLISIONS for n in numbers))


def _odbc_codes(exc: BaseException) -> tuple[str, list[int]]:
    """SQLSTATE and native numbers: `[state] text (number) (SQLExecDirectW); [state] text (number)`; 0 is none."""
    state = str(exc.args[0]) if exc.args and re.fullmatch(r"\w{5}", str(exc.args[0])) else ""
    text = str(exc.args[1]) if len(exc.args) > 1 else ""
    numbers = re.findall(r"\((\d+)\)(?: \(SQL\w+\))?(?=; \[\w{5}\] \[|$)", text)
    return state, [int(n) for n in numbers if n != "0"]
