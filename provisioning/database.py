"""SQL Server through pyodbc, SQLite as the embedded default: the one place that knows either.

Statements live in `queries/*.sql`, in T-SQL; `queries/sqlite/` holds only what cannot run there. A file begins with
`-- one sentence of purpose` and `-- Parameters: …`; every value is a `?`; `{name}` stands for identifiers that come
from the catalogue of the database itself. A file of several statements is one transaction and one round trip.
"""

import functools
import logging
import re
import sqlite3
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar

from provisioning import retry
from provisioning.errors import DatabaseError, SettingsError
from provisioning.pacing import Clock

logger = logging.getLogger(__name__)

Row = tuple[Any, ...]
T = TypeVar("T")

QUERIES = Path(__file__).parent / "queries"
TRANSIENT_NUMBERS = frozenset(
    (615, 926, 1205, 4060, 4221, 10053, 10054, 10060, 10928, 10929, 40197, 40501, 40613, 49918, 49919, 49920)
)
TRANSIENT_STATES = frozenset(("08S01", "08001", "HYT00"))
"""https://learn.microsoft.com/azure/azure-sql/database/troubleshoot-common-connectivity-issues"""

HINTS = {
    208: "a table or view is missing; run: python -m provisioning migrate",
    229: "a right is missing; the app's user must be a member of the role provisioning_app",
    2627: "a key would be there twice",
    2628: "a value is longer than its column",
    4060: "the database cannot be opened; check its name and the user's rights",
    8152: "a value is longer than its column",
    18456: "the login failed; check SQL_CONNECTION_STRING and the identity",
    40615: "the server's firewall does not let this machine in",
}

ROWS_A_STATEMENT = 2000
"""So many rows or ids go into one statement, as one JSON parameter."""

LOGIN_SECONDS, STATEMENT_SECONDS = 30, 120
SQLITE_BUSY_SECONDS = 30.0

_SQL_COPT_SS_ACCESS_TOKEN = 1256
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


def statements(text: str) -> list[str]:
    """The statements of a file: what ends in `;` at the end of a line."""
    masked = _LITERALS.sub(lambda found: "\1" * len(found[0]), text)
    ends = [m.start() for m in re.finditer(";[ \t]*(?=\n|$|\1)", masked)]
    starts = [0, *(end + 1 for end in ends)]
    parts = [text[a:b] for a, b in zip(starts, [*ends, len(text)], strict=True)]
    return [part for part in parts if _LITERALS.sub("", part).strip()]


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """As many items as one statement takes, until there are none left."""
    for at in range(0, len(items), ROWS_A_STATEMENT):
        yield items[at : at + ROWS_A_STATEMENT]


def parameter_count(statement: str) -> int:
    """How many `?` a statement has, outside of literals and comments."""
    return _LITERALS.sub("", statement).count("?")


def as_utc(value: Any) -> datetime | None:
    """A time that the database gave, aware. SQLite keeps times as text, SQL Server in UTC without saying so."""
    if value is None:
        return None
    found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value)[:26])
    return found.replace(tzinfo=UTC)


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
    """Open the database a connection string names; wait up to `patience` seconds for one that is waking up.

    Raises DatabaseError when it cannot be had, SettingsError when the string or the driver is at fault.
    """
    clock = clock or Clock()
    if connection_string.startswith("sqlite:///"):
        return Sqlite(Path(connection_string.removeprefix("sqlite:///")), clock)
    for attempt in retry.connecting(_is_transient, clock, patience):
        with attempt:
            return SqlServer(connection_string)
    raise AssertionError("unreachable")


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

    def select(self, sql: str, parameters: Sequence[Any], name: str) -> Iterator[Row]:
        """Rows of a text that did not come from `queries/`: a script, a view's columns."""
        raise NotImplementedError

    def execute(self, sql: str, parameters: Sequence[Any] = (), name: str = "statement") -> int:
        """Run one text; gives back how many rows it changed."""
        raise NotImplementedError

    def batch(self, parts: list[str], parameters: Sequence[Any], name: str) -> None:
        """Run several statements as one transaction."""
        raise NotImplementedError

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        raise NotImplementedError
        yield

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
            connection = sqlite3.connect(
                path, timeout=SQLITE_BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=64
            )
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
        connection.create_function("SYSUTCDATETIME", 0, lambda: stamp(clock.utc_now()))
        connection.create_function("DATEADD", 3, _dateadd, deterministic=True)

    def select(self, sql: str, parameters: Sequence[Any], name: str) -> Iterator[Row]:
        """Rows, fetched as they are read."""
        with _translated(name):
            yield from self._connection.execute(sql, tuple(parameters))

    def execute(self, sql: str, parameters: Sequence[Any] = (), name: str = "statement") -> int:
        """One statement; autocommitted."""
        with _translated(name):
            return max(0, int(self._connection.execute(sql, tuple(parameters)).rowcount))

    def batch(self, parts: list[str], parameters: Sequence[Any], name: str) -> None:
        """Each statement takes its share of the parameters, in order."""
        left = list(parameters)
        with self.transaction():
            for part in parts:
                count = parameter_count(part)
                self.execute(part, left[:count], name)
                del left[:count]
        if left:
            raise DatabaseError(f"{name}: {len(left)} parameters too many.")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Takes the write lock at its start, so that two writers wait instead of failing."""
        if self._in_transaction:
            yield
            return
        self.execute("BEGIN IMMEDIATE", (), "begin")
        self._in_transaction = True
        try:
            yield
            self.execute("COMMIT", (), "commit")
        except BaseException:  # Ctrl-C, too, must not leave half of it; it goes on to the caller
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise
        finally:
            self._in_transaction = False

    def json_field(self, column: str, type_name: str) -> str:
        """A field of `value`, the object at hand in json_each."""
        return f"json_extract(value, '{_json_path(column)}') AS {self.quoted(column)}"


class SqlServer(Database):
    """SQL Server or Azure SQL. Autocommit; a file of several statements is one batch; XACT_ABORT is on."""

    engine = "sqlserver"

    def __init__(self, connection_string: str) -> None:
        """Log in; without credentials in the string, with a token of the managed identity or `az login`."""
        pyodbc = _pyodbc()
        pyodbc.pooling = False
        text, attributes = _with_driver(connection_string, pyodbc.drivers()), {}
        if not re.search(r"(^|;)\s*(uid|user id|user|authentication|trusted_connection)\s*=", text, re.IGNORECASE):
            attributes = {_SQL_COPT_SS_ACCESS_TOKEN: _access_token()}
        try:
            connection = pyodbc.connect(text, timeout=LOGIN_SECONDS, autocommit=True, attrs_before=attributes)
        except pyodbc.Error as exc:
            raise _odbc_error("login", exc) from None
        connection.timeout = STATEMENT_SECONDS
        super().__init__(connection)
        self.execute("SET XACT_ABORT ON", (), "login")

    def select(self, sql: str, parameters: Sequence[Any], name: str) -> Iterator[Row]:
        """Rows, fetched in chunks as they are read."""
        with _translated(name):
            cursor = self._connection.cursor()
            cursor.arraysize = 1000
            cursor.execute(sql, *parameters)
            while found := cursor.fetchmany():
                yield from (tuple(row) for row in found)

    def execute(self, sql: str, parameters: Sequence[Any] = (), name: str = "statement") -> int:
        """One text; every result is read, so that no later statement's error is missed."""
        with _translated(name):
            cursor = self._connection.cursor()
            cursor.execute(sql, *parameters)
            count = int(cursor.rowcount)
            while cursor.nextset():
                pass
            cursor.close()
            return max(0, count)

    def batch(self, parts: list[str], parameters: Sequence[Any], name: str) -> None:
        """One round trip."""
        body = ";\n".join(parts)
        if not self._in_transaction:
            body = f"BEGIN TRANSACTION;\n{body};\nCOMMIT TRANSACTION;"
        self.execute(body, parameters, name)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits at its end."""
        if self._in_transaction:
            yield
            return
        with _translated("begin"):
            self._connection.autocommit = False
        self._in_transaction = True
        try:
            yield
            with _translated("commit"):
                self._connection.commit()
        except BaseException:  # Ctrl-C, too, must not leave half of it; it goes on to the caller
            with suppress(Exception):
                self._connection.rollback()
            raise
        finally:
            self._in_transaction = False
            with suppress(Exception):
                self._connection.autocommit = True

    def json_field(self, column: str, type_name: str) -> str:
        """A line of `OPENJSON … WITH`, its path explicit."""
        return f"{self.quoted(column)} {type_name} '{_json_path(column)}'"


def stamp(moment: datetime) -> str:
    """A time as the embedded database keeps it: like datetime2(7), in UTC, so that text compares as time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f") + "0"


def _filled(sql: str, identifiers: dict[str, str]) -> str:
    for name, text in identifiers.items():
        sql = sql.replace("{" + name + "}", text)
    return sql


def _json_path(column: str) -> str:
    """The path of a field, as it stands in a SQL literal."""
    if re.fullmatch(r"[A-Za-z_]\w*", column, re.ASCII):
        return f"$.{column}"
    return '$."' + column.replace('"', '\\"').replace("'", "''") + '"'


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


def _access_token() -> bytes:
    """A token as the driver wants it.

    https://learn.microsoft.com/sql/connect/odbc/using-azure-active-directory#authenticating-with-an-access-token
    """
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - slow to import, needed here only

    try:
        text = DefaultAzureCredential().get_token("https://database.windows.net/.default").token
    except Exception as exc:  # whatever azure-identity raises; its texts name accounts and tenants
        told = "give the app a managed identity, or log in with az login"
        raise DatabaseError(f"login: no token for the database could be had ({type(exc).__name__}); {told}.") from None
    token = text.encode("utf-16-le")
    return struct.pack("<I", len(token)) + token


@contextmanager
def _translated(name: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as exc:
        raise DatabaseError(f"{name}: {_short(exc)}", transient="locked" in str(exc)) from exc
    except sqlite3.Error as exc:
        raise DatabaseError(f"{name}: {_short(exc)}") from exc
    except Exception as exc:
        if type(exc).__module__.partition(".")[0] != "pyodbc":
            raise
        raise _odbc_error(name, exc) from None


def _short(exc: sqlite3.Error) -> str:
    """SQLite's messages name tables and columns, not values."""
    return str(exc)[:200]


def _odbc_error(name: str, exc: BaseException) -> DatabaseError:
    """Reduced to number and state: the driver's text quotes values (2627, 2628) and server names."""
    state, numbers = _odbc_codes(exc)
    transient = state in TRANSIENT_STATES or any(n in TRANSIENT_NUMBERS for n in numbers)
    number = f"error {numbers[0]}, " if numbers else ""
    hint = next((f": {HINTS[n]}" for n in numbers if n in HINTS), "")
    told = f"{name}: SQL Server answered {number}state {state or 'unknown'}{hint}."
    return DatabaseError(told, transient=transient)


def _odbc_codes(exc: BaseException) -> tuple[str, list[int]]:
    state = str(exc.args[0]) if exc.args else ""
    text = str(exc.args[1]) if len(exc.args) > 1 else ""
    return state, [int(n) for n in re.findall(r"\((\d+)\) \(SQL", text)]


def _is_transient(exc: BaseException) -> bool:
    return isinstance(exc, DatabaseError) and exc.transient
