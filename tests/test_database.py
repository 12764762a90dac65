"""Both engines: transactions, statements, and errors that name no value."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from provisioning import database, retry
from provisioning.database import Database, SqlServer
from provisioning.errors import DatabaseError, SettingsError
from tests.clock import MovedClock
from tests.conftest import employ

AT = "2026-11-22 12:00:00.0000000"
FETCH = (1, "r", AT, 1, 1, AT, "t", "t", AT, 1, "r", 1, 1, AT, "t")


class FakeOdbcError(Exception):
    """Shaped like pyodbc's, whose class says nothing."""


FakeOdbcError.__module__ = "pyodbc"


class FakeConnection:
    """One whose link dropped: everything that would use it fails, with a text that tells the server's name."""

    def __setattr__(self, name: str, value: Any) -> None:
        raise FakeOdbcError("08S01", "[08S01] [Microsoft]link to secret failed (10054) (SQLSetConnectAttr)")

    def cursor(self) -> Any:
        raise FakeOdbcError("08S01", "[08S01] [Microsoft]link to secret failed (10054) (SQLAllocHandle)")


def dropped() -> SqlServer:
    return SqlServer(FakeConnection, retry.Outage(MovedClock(), 0.0))


def fails(state: str, text: str) -> DatabaseError:
    return database._odbc_error("login", FakeOdbcError(state, text))


def locations(db: Database) -> list[str]:
    return [str(r[0]) for r in db.select("SELECT LocationId FROM dbo.Locations ORDER BY LocationId", (), "t")]


INSERT = "INSERT INTO dbo.Locations (LocationId) VALUES (?)"


def test_statements_end_with_a_semicolon_at_a_lines_end() -> None:
    text = "-- one; two\nSELECT ';' AS a, '?' AS b;\nUPDATE t SET a = ?  -- really?\nWHERE b = ?;\n"
    first, second = database.statements(text)
    assert (database.parameter_count(first), database.parameter_count(second)) == (0, 2)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("-- only a comment;\n", 0),
        ("SELECT 1", 1),
        ("SELECT 1;\nSELECT 2", 2),
        ("SELECT ';' AS a; SELECT 2;\n", 1),
        ("SELECT 1;  \n\n-- the end\n", 1),
    ],
)
def test_a_file_has_as_many_statements_as_end_with_a_line(text: str, count: int) -> None:
    assert len(database.statements(text)) == count


def test_a_comment_that_ends_with_a_semicolon_ends_no_statement() -> None:
    """mapping.sql is the users' own file; on SQLite it is taken apart."""
    assert len(database.statements("SELECT\n    1 AS a, -- the first;\n    2 AS b;\n")) == 1


@pytest.mark.parametrize(
    ("statement", "count"),
    [("a = ?", 1), ("a = '?'", 0), ("a = 'it''s ?' AND b = ?", 1), ("a -- ?\n= ?", 1), ("VALUES (?, ?, ?)", 3)],
)
def test_parameters_are_counted_outside_of_texts_and_comments(statement: str, count: int) -> None:
    assert database.parameter_count(statement) == count


def test_t_sql_in_sqlites_spelling_differs_by_words_only() -> None:
    text = "SELECT k.value, DATEADD(second, ?, SYSUTCDATETIME()) FROM OPENJSON(?) AS k"
    assert database.in_sqlite(text) == "SELECT k.value, DATEADD('second', ?, SYSUTCDATETIME()) FROM json_each(?) AS k"


def test_an_override_stands_in_for_the_t_sql_on_sqlite_only() -> None:
    assert "sys.tables" in database.query("has_migrations", "sqlserver")
    assert "sqlite_master" in database.query("has_migrations", "sqlite")


def test_a_key_that_is_there_already_is_told_apart_on_sqlite_too(sqlite_string: str) -> None:
    with database.connect(sqlite_string) as db:
        employ(db, "A")
        with pytest.raises(DatabaseError) as twice:
            employ(db, "A")
        with pytest.raises(DatabaseError) as nameless:
            db.execute("INSERT INTO dbo.Employees (EmployeeId) VALUES ('B')")
    assert (twice.value.collided, nameless.value.collided) == (True, False)


def test_what_collides_is_done_again_a_few_times_and_nothing_else_is() -> None:
    tried: list[bool] = []

    def collide(collided: bool = True) -> None:
        tried.append(collided)
        raise DatabaseError("a key would be there twice", collided=collided)

    with pytest.raises(DatabaseError):
        database.not_alone(collide)
    assert len(tried) == database.AT_ONCE
    with pytest.raises(DatabaseError):
        database.not_alone(lambda: collide(collided=False))
    assert len(tried) == database.AT_ONCE + 1
    assert database.not_alone(lambda: 7) == 7


def test_a_statement_of_a_wrong_name_does_not_exist() -> None:
    with pytest.raises(FileNotFoundError):
        database.query("no_such_statement", "sqlite")


def test_a_transaction_keeps_all_or_nothing_over_both_schemas(db: Database) -> None:
    with pytest.raises(ZeroDivisionError), db.transaction():  # noqa: PT012 - what comes before the error is the test
        db.execute(INSERT, ("L1",))
        db.run("record_fetch", *FETCH)
        raise ZeroDivisionError
    assert (locations(db), db.one("last_fetch", "t")) == ([], None)
    with db.transaction():
        db.execute(INSERT, ("L1",))
        db.run("record_fetch", *FETCH)
    assert locations(db) == ["L1"]
    assert db.one("last_fetch", "t")


def test_a_file_of_several_statements_is_one_transaction(db: Database) -> None:
    with pytest.raises(DatabaseError):
        db.batch([INSERT, "INSERT INTO dbo.Locations (LocationId) VALUES (NULL)"], ["L1"], "two")
    assert locations(db) == []
    db.batch([INSERT, INSERT], ["L1", "L2"], "two")
    assert locations(db) == ["L1", "L2"]


def test_a_file_of_several_statements_joins_a_transaction_that_is_open(db: Database) -> None:
    with pytest.raises(ZeroDivisionError), db.transaction():  # noqa: PT012 - what comes before the error is the test
        db.batch([INSERT, INSERT], ["L1", "L2"], "two")
        raise ZeroDivisionError
    assert locations(db) == []


def test_a_transaction_inside_another_ends_with_the_outer_one(db: Database) -> None:
    with pytest.raises(ZeroDivisionError), db.transaction():  # noqa: PT012 - what comes before the error is the test
        with db.transaction():
            db.execute(INSERT, ("L1",))
        raise ZeroDivisionError
    assert locations(db) == []


def test_what_is_committed_is_there_for_others_and_what_is_not_is_not(db: Database, connection_string: str) -> None:
    with db.transaction():
        db.execute(INSERT, ("L1",))
        db.run("start_run", "r", "ingest", None, "r")
    with database.connect(connection_string) as other:
        assert locations(other) == ["L1"]
        assert list(other.select("SELECT run_id FROM provisioning.runs", (), "t")) == [("r",)]
    with database.connect(connection_string) as third, pytest.raises(ZeroDivisionError), third.transaction():  # noqa: PT012
        third.execute(INSERT, ("L2",))
        raise ZeroDivisionError
    assert locations(db) == ["L1"]


def test_the_three_files_of_sqlite_are_beside_each_other_and_never_in_wal_mode(sqlite_string: str) -> None:
    """With WAL a commit over several files is not atomic."""
    with database.connect(sqlite_string) as db:
        files = {(r[1], Path(r[2]).name) for r in db.select("PRAGMA database_list", (), "t")}
        modes = [next(db.select(f"PRAGMA {s}.journal_mode", (), "t"))[0] for s in ("main", "dbo", "provisioning")]
    assert files == {("main", "bridge.db"), ("dbo", "bridge-dbo.db"), ("provisioning", "bridge-provisioning.db")}
    assert modes == ["delete"] * 3


def test_a_value_that_is_too_long_is_an_error_that_does_not_tell_it(db: Database) -> None:
    if db.engine == "sqlite":
        pytest.skip("SQLite knows no lengths: the mirror checks them")
    with pytest.raises(DatabaseError) as failed:
        db.execute(INSERT, ("Marker" * 10,))
    assert "Marker" not in str(failed.value)
    assert failed.value.__cause__ is None


def test_a_later_statements_error_in_a_batch_is_not_missed(db: Database) -> None:
    with pytest.raises(DatabaseError):
        db.batch([INSERT, "UPDATE dbo.Locations SET LocationId = NULL WHERE LocationId = ?"], ["L1", "L1"], "two")
    assert locations(db) == []


def test_too_many_parameters_are_an_error(sqlite_string: str) -> None:
    with database.connect(sqlite_string) as db, pytest.raises(DatabaseError, match="1 parameters too many"):
        db.batch([INSERT, INSERT], ["L1", "L2", "L3"], "two")


def test_after_an_error_the_connection_goes_on(db: Database) -> None:
    with pytest.raises(DatabaseError):
        db.execute("INSERT INTO dbo.Locations (LocationId) VALUES (NULL)")
    assert db.execute(INSERT, ("L1",)) == 1


def test_a_doubled_key_is_an_error_that_does_not_tell_it(db: Database) -> None:
    db.execute(INSERT, ("Marker",))
    with pytest.raises(DatabaseError) as failed:
        db.execute(INSERT, ("Marker",))
    assert "Marker" not in str(failed.value)
    assert not failed.value.transient


def test_values_are_parameters_never_text(db: Database) -> None:
    db.execute(INSERT, ("a'); --",))
    assert locations(db) == ["a'); --"]


def test_the_clock_is_the_databases_in_utc(db: Database) -> None:
    assert db.utc_now().tzinfo is UTC


def test_times_and_dates_come_as_drivers_give_them() -> None:
    assert database.as_utc("2026-01-02 03:04:05.1234560") == datetime(2026, 1, 2, 3, 4, 5, 123456, UTC)
    assert database.as_utc(datetime(2026, 1, 2)) == datetime(2026, 1, 2, tzinfo=UTC)  # noqa: DTZ001
    assert database.as_utc(None) is None
    assert database.stamp(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02 00:00:00.0000000"
    assert database.as_date("2026-01-02") == date(2026, 1, 2)
    assert database.as_date(datetime(2026, 1, 2, 23, tzinfo=UTC)) == date(2026, 1, 2)
    assert (database.as_date(None), database.as_date("")) == (None, None)


@pytest.mark.parametrize("text", ["2026-02-30", "soon", "02.01.2026"])
def test_a_text_that_is_no_date_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - datetime's own
        database.as_date(text)


def test_a_stamp_is_in_utc_and_sorts_as_time() -> None:
    early = datetime(2026, 1, 2, 1, tzinfo=timezone(timedelta(hours=2)))
    late = datetime(2026, 1, 2, 0, 0, 0, 1, tzinfo=UTC)
    assert database.stamp(early) == "2026-01-01 23:00:00.0000000" < database.stamp(late)


@pytest.mark.parametrize(
    ("state", "text", "transient"),
    [
        (
            "HY000",
            "[Microsoft][ODBC Driver 18 for SQL Server][SQL Server]Database busy (40613) (SQLDriverConnect)",
            True,
        ),
        ("42000", "[SQL Server]deadlock victim (1205) (SQLExecDirectW)", True),
        ("42000", "[SQL Server]Resource ID 1 (10928) (SQLDriverConnect)", True),
        ("08S01", "[Microsoft]Communication link failure (0) (SQLExecDirectW)", True),
        ("HYT00", "[Microsoft]Login timeout expired (0) (SQLDriverConnect)", True),
        ("28000", "[SQL Server]Login failed for user 'secret'. (18456) (SQLDriverConnect)", False),
        ("42000", "[SQL Server]The SELECT permission was denied on 'secret' (229) (SQLExecDirectW)", False),
        ("23000", "[SQL Server]duplicate key. The value is (secret). (2627) (SQLExecDirectW)", False),
        ("42000", "[SQL Server]would be truncated. Truncated value: 'secret'. (2628) (SQLExecDirectW)", False),
    ],
)
def test_errors_are_told_by_number_and_state_never_by_text(state: str, text: str, transient: bool) -> None:
    found = fails(state, text)
    assert found.transient is transient
    assert state in str(found)
    assert "secret" not in str(found)


def test_common_errors_come_with_their_mend() -> None:
    assert "role provisioning_app" in str(fails("42000", "denied (229) (SQLExecDirectW)"))
    assert "python -m provisioning migrate" in str(fails("42S02", "invalid object (208) (SQLExecDirectW)"))


@pytest.mark.parametrize(
    "number",
    [615, 926, 1205, 4060, 4221, 10053, 10054, 10060, 10928, 10929, 40197, 40501, 40613, 49918, 49919, 49920],
)
def test_the_numbers_that_microsoft_calls_transient_are(number: int) -> None:
    assert fails("HY000", f"[SQL Server]secret ({number}) (SQLDriverConnect)").transient


def test_of_several_numbers_any_may_be_the_transient_one() -> None:
    """On Windows pyodbc strings together what the driver has to say; elsewhere it gives the first of it."""
    text = "[28000] [SQL Server]secret (18456) (SQLDriverConnect); [42000] [SQL Server]waking (40613)"
    found = fails("28000", text)
    assert (found.transient, "error 18456, state 28000" in str(found)) == (True, True)


@pytest.mark.parametrize("args", [(), ("08001",), ("08001", None), (1205, "no number at all")])
def test_an_error_of_an_odd_shape_is_an_error_too(args: tuple[Any, ...]) -> None:
    assert str(database._odbc_error("login", FakeOdbcError(*args))).startswith("login: SQL Server answered state ")


def test_a_number_in_a_value_is_no_error_number() -> None:
    for value in ("(1205)", "(1205) (SQLExecDirectW)", "(1205); ["):
        text = f"[23000] [SQL Server]The value is {value}. (2627) (SQLExecDirectW)"
        assert not fails("23000", text).transient, value


def test_a_statement_on_a_dropped_link_is_an_error_of_ours() -> None:
    with pytest.raises(DatabaseError, match="state 08S01") as failed:
        dropped().execute("SELECT 1")
    assert failed.value.transient


def test_a_transaction_on_a_dropped_link_is_an_error_of_ours_too() -> None:
    with pytest.raises(DatabaseError, match="state 08S01") as failed, dropped().transaction():
        pass
    assert failed.value.transient


class Link(FakeConnection):
    """A connection whose statements fail as scripted, then give a count of 1."""

    def __init__(self, *failing: str) -> None:
        self.__dict__.update(failing=list(failing), autocommit=True, rowcount=1, description=None, story=[])

    def __setattr__(self, name: str, value: Any) -> None:
        self.__dict__[name] = value

    def cursor(self) -> Any:
        return self

    def execute(self, sql: str, *_: Any) -> None:
        self.story.append(sql)
        if self.failing:
            raise FakeOdbcError("HY000", f"[HY000] secret ({self.failing.pop(0)}) (SQLExecDirectW)")

    def nextset(self) -> bool:
        return False

    def commit(self) -> None:
        self.story.append("commit")

    def rollback(self) -> None:
        self.story.append("rollback")

    def close(self) -> None:
        pass


def linked(*links: Link, clock: MovedClock, patience: float = 180.0) -> SqlServer:
    """A database that logs in at these, one after the other."""
    left = list(links)
    return SqlServer(lambda: left.pop(0), retry.Outage(clock, patience))


def test_outside_of_a_transaction_a_statement_is_run_again_on_a_new_connection(clock: MovedClock) -> None:
    """Through the real driver: tests/test_failing_database.py."""
    first, second = Link("40501"), Link()
    assert linked(first, second, clock=clock).execute("UPDATE") == 1
    assert (first.story, second.story, len(clock.sleeps)) == (["UPDATE"], ["UPDATE"], 1)


def test_inside_of_a_transaction_no_statement_is_run_again(clock: MovedClock) -> None:
    first, second = Link(), Link()
    db = linked(first, second, clock=clock)
    with pytest.raises(DatabaseError, match="error 1205"), db.transaction():  # noqa: PT012 - what comes before is the test
        db.execute("UPDATE")
        first.failing.append("1205")
        db.execute("UPDATE")
    assert (first.story, clock.sleeps) == (["UPDATE", "UPDATE", "rollback"], [])
    db.execute("INSERT")
    assert (second.story, second.autocommit) == (["INSERT"], True)


def test_what_is_definite_is_not_run_again_and_keeps_its_connection(clock: MovedClock) -> None:
    link = Link("229")
    db = linked(link, clock=clock)
    with pytest.raises(DatabaseError, match="error 229"):
        db.execute("UPDATE")
    assert db.execute("UPDATE") == 1
    assert clock.sleeps == []


def test_patience_counts_from_the_first_try_that_failed_and_anew_after_one_that_succeeded(clock: MovedClock) -> None:
    db = linked(*[Link("40501") for _ in range(60)], clock=clock, patience=30.0)
    with pytest.raises(DatabaseError):
        db.execute("UPDATE")
    waited = sum(clock.sleeps)
    assert 30 <= waited < 40
    with pytest.raises(DatabaseError):
        db.execute("UPDATE")
    assert sum(clock.sleeps) == waited
    healed = linked(Link(), Link("40501"), Link(), clock=clock, patience=30.0)
    healed.execute("UPDATE")
    assert healed.execute("UPDATE") == 1


def test_half_a_batch_is_not_taken_for_a_whole_one(clock: MovedClock) -> None:
    """Its last word, the result of a query behind the commit, has not come."""
    with pytest.raises(DatabaseError, match=r"two: .* cut off") as failed:
        linked(Link(), clock=clock, patience=0.0).batch(["UPDATE", "INSERT"], (), "two")
    assert failed.value.transient


def test_without_a_driver_manager_sql_server_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """pyodbc's wheels for Linux do not carry libodbc.so.2: without it the import fails."""
    monkeypatch.setitem(sys.modules, "pyodbc", None)
    with pytest.raises(SettingsError) as failed:
        database.connect("Server=secret;UID=a;PWD=s3cret")
    (problem,) = failed.value.problems
    assert problem.startswith("SQL_CONNECTION_STRING: ")
    assert "apt-get install unixodbc" in problem
    assert "ODBC driver 18" in problem
    assert "secret" not in problem


LOGIN = """
import sys
from provisioning import database
from provisioning.errors import ProvisioningError
try:
    database.connect(sys.argv[1], patience=0)
except ProvisioningError as exc:
    print(type(exc).__name__, exc, "azure.identity" in sys.modules)
"""


def login(text: str, **environ: str) -> str:
    """What comes of logging in through a driver that is not there (so nobody waits), in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", LOGIN, f"Driver=/no/such/driver.so;Server=x;{text}"],
        env={**os.environ, **environ},
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stdout + done.stderr


@pytest.mark.usefixtures("odbc")
@pytest.mark.parametrize("user", ["UID=a;PWD=s3cret", "User Id=a;Password=s3cret", "uid = a;pwd=s3cret"])
def test_with_a_user_in_the_string_no_token_is_asked_for(user: str) -> None:
    told = login(user)
    assert told.startswith("DatabaseError login: SQL Server answered ")
    assert told.strip().endswith("False")
    assert "s3cret" not in told


@pytest.mark.usefixtures("odbc")
def test_a_token_that_cannot_be_had_is_an_error_of_ours() -> None:
    """No traceback of azure-identity's on the operator's screen."""
    told = login("Database=x", AZURE_TOKEN_CREDENTIALS="AzureCliCredential", PATH="")
    assert "Traceback" not in told
    assert told.startswith(("DatabaseError ", "SettingsError "))


@pytest.mark.parametrize(
    ("installed", "driver"),
    [
        (["ODBC Driver 17 for SQL Server", "ODBC Driver 18 for SQL Server"], "{ODBC Driver 18 for SQL Server}"),
        (["ODBC Driver 17 for SQL Server", "SQLite3"], "{ODBC Driver 17 for SQL Server}"),
    ],
)
def test_the_newest_driver_at_hand_is_taken(installed: list[str], driver: str) -> None:
    assert database._with_driver("Server=x", installed) == f"Driver={driver};Server=x"
    assert database._with_driver("Driver={mine};Server=x", installed) == "Driver={mine};Server=x"


def test_without_a_driver_the_setting_is_named() -> None:
    with pytest.raises(SettingsError, match="no ODBC driver 18 or 17"):
        database._with_driver("Server=x", ["SQLite3"])


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="does not exist"):
        database.connect(f"sqlite:///{tmp_path}/no/such/x.db")


# --- the embedded database fails ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bridge.db", "bridge-dbo.db", "bridge-provisioning.db"])
def test_a_file_that_is_no_database_is_an_error_not_a_crash(sqlite_string: str, name: str) -> None:
    path = Path(sqlite_string.removeprefix("sqlite:///")).with_name(name)
    path.write_text("this is not a database, " * 100)
    told = "file is not a database: check SQL_CONNECTION_STRING"
    with pytest.raises(DatabaseError, match=told), database.connect(sqlite_string) as db:
        db.execute("CREATE TABLE t (a int)")


def test_two_of_which_each_holds_what_the_other_waits_for_both_get_through(sqlite_string: str) -> None:
    """What reads JSON has the main file as long as it waits for another, and so nobody could commit."""
    begun = threading.Event()
    with database.connect(sqlite_string) as first, database.connect(sqlite_string) as second:
        second._connection.set_trace_callback(lambda _: begun.set())
        with ThreadPoolExecutor() as pool:
            with first.transaction():
                first.run("start_run", "r", "ingest", None, "r")
                ids = "INSERT INTO provisioning.hash_keys (name, secret) SELECT value, value FROM json_each(?)"
                waits = pool.submit(second.execute, ids, ('["k"]',))
                begun.wait()
                time.sleep(0.1)  # it is where it waits
            assert waits.result() == 1


def test_a_file_that_another_process_keeps_locked_is_an_error_when_the_time_is_up(
    sqlite_string: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "SQLITE_BUSY_SECONDS", 0.05)
    with database.connect(sqlite_string) as first, database.connect(sqlite_string) as second:
        with first.transaction():
            with pytest.raises(DatabaseError, match="database is locked: another process keeps it locked") as failed:
                second.execute(INSERT, ("L1",))
            with pytest.raises(DatabaseError, match="begin: database is locked"), second.transaction():
                pass
        assert failed.value.transient
        assert second.execute(INSERT, ("L1",)) == 1


def test_a_disk_that_is_full_is_an_error_and_nothing_of_the_transaction_is_there(sqlite_string: str) -> None:
    """SQLite's own limit of pages stands for the disk."""
    with database.connect(sqlite_string) as db:
        db.execute(INSERT, ("L0",))
        ((pages,),) = db.select("PRAGMA dbo.page_count", (), "t")
        next(db.select(f"PRAGMA dbo.max_page_count = {pages}", (), "t"))
        full = "database or disk is full: nothing of this was written; make room"
        with pytest.raises(DatabaseError, match=full) as failed, db.transaction():  # noqa: PT012 - until it is full
            for n in range(5000):
                db.run("record_fetch", *FETCH)
                db.execute(INSERT, (f"N{n}",))
        assert (locations(db), db.one("last_fetch", "t"), failed.value.transient) == (["L0"], None, False)
        next(db.select("PRAGMA dbo.max_page_count = 1000000", (), "t"))
        assert db.execute(INSERT, ("L1",)) == 1


def test_a_file_that_cannot_be_written_is_an_error(sqlite_string: str) -> None:
    with database.connect(sqlite_string) as db:
        db.execute("PRAGMA query_only = 1")
        with pytest.raises(DatabaseError, match="readonly database: check the rights of the file"):
            db.execute(INSERT, ("L1",))
        assert locations(db) == []


def test_a_disk_that_fails_is_an_error(sqlite_string: str) -> None:
    """A folder stands where the journal would be."""
    with database.connect(sqlite_string) as db:
        Path(sqlite_string.removeprefix("sqlite:///")).with_name("bridge-dbo.db-journal").mkdir()
        with pytest.raises(DatabaseError, match="disk I/O error: look at the disk"):
            db.execute(INSERT, ("L1",))


def test_a_file_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x-dbo.db").mkdir()
    with pytest.raises(DatabaseError, match=r"unable to open .* check the rights of the folder"):
        database.connect(f"sqlite:///{tmp_path}/x.db")


def test_a_file_that_is_damaged_is_an_error(sqlite_string: str) -> None:
    path = Path(sqlite_string.removeprefix("sqlite:///")).with_name("bridge-dbo.db")
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (path.stat().st_size - 4096))
    told = "the file is damaged; put a copy of all three files back"
    with pytest.raises(DatabaseError, match=told), database.connect(sqlite_string) as db:
        locations(db)
