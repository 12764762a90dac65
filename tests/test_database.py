"""Both engines: transactions, statements, and errors that name no value."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from provisioning import database
from provisioning.database import Database
from provisioning.errors import DatabaseError, SettingsError


class FakeOdbcError(Exception):
    """Shaped like pyodbc's, whose class says nothing."""


def fails(state: str, text: str) -> DatabaseError:
    return database._odbc_error("login", FakeOdbcError(state, text))


def locations(db: Database) -> list[str]:
    return [str(r[0]) for r in db.select("SELECT LocationId FROM dbo.Locations ORDER BY LocationId", (), "t")]


INSERT = "INSERT INTO dbo.Locations (LocationId) VALUES (?)"


def test_statements_end_with_a_semicolon_at_a_lines_end() -> None:
    text = "-- one; two\nSELECT ';' AS a, '?' AS b;\nUPDATE t SET a = ?  -- really?\nWHERE b = ?;\n"
    first, second = database.statements(text)
    assert (database.parameter_count(first), database.parameter_count(second)) == (0, 2)


def test_a_statement_of_a_wrong_name_does_not_exist() -> None:
    with pytest.raises(FileNotFoundError):
        database.query("no_such_statement", "sqlite")


def test_a_transaction_keeps_all_or_nothing_over_both_schemas(db: Database) -> None:
    with pytest.raises(ZeroDivisionError), db.transaction():  # noqa: PT012 - what comes before the error is the test
        db.execute(INSERT, ("L1",))
        db.run("record_fetch", 1, "r", "t", "t", 1, "r", "t")
        raise ZeroDivisionError
    assert (locations(db), db.one("last_fetch", "t")) == ([], None)
    with db.transaction():
        db.execute(INSERT, ("L1",))
        db.run("record_fetch", 1, "r", "t", "t", 1, "r", "t")
    assert locations(db) == ["L1"]
    assert db.one("last_fetch", "t")


def test_a_file_of_several_statements_is_one_transaction(db: Database) -> None:
    with pytest.raises(DatabaseError):
        db.batch([INSERT, "INSERT INTO dbo.Locations (LocationId) VALUES (NULL)"], ["L1"], "two")
    assert locations(db) == []
    db.batch([INSERT, INSERT], ["L1", "L2"], "two")
    assert locations(db) == ["L1", "L2"]


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


def test_a_file_that_is_no_database_is_an_error_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("this is not a database, " * 100)
    with pytest.raises(DatabaseError), database.connect(f"sqlite:///{tmp_path}/x.db") as db:
        db.execute("CREATE TABLE t (a int)")
