"""A database that fails: Microsoft's own driver against a scripted server, a real server behind a relay, and SQLite.

What the driver makes of an error, a broken link or a hang is its own; so the tests of the link go through it.
"""

import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from provisioning import database, retry
from provisioning.database import Database, Row
from provisioning.errors import DatabaseError
from tests.canary import MARKER, Canary
from tests.clock import MovedClock
from tests.conftest import NO_DRIVER, with_driver
from tests.tds import Count, Error, Fate, Rows, TdsServer

NUMBERS = (615, 926, 1205, 4060, 4221, 10053, 10054, 10060, 10928, 10929, 40197, 40501, 40613, 49918, 49919, 49920)
"""What DESIGN.md §5 calls transient."""

SESSION_RECOVERY = 1
"""The feature of LOGIN7 with which a client says that it wants to reconnect by itself."""

SERVER = "sql-prod-17.database.example"
WHOLE = (Count(1), Count(1), Rows(["committed"], [(1,)]))
"""The answer to a batch of two statements that was committed."""

UPDATE, SELECT = "UPDATE t SET a = ?", "SELECT a FROM t"

Open = Callable[..., Database]


@pytest.fixture(scope="session")
def driver() -> str:
    """The beginning of a connection string that names Microsoft's driver, where it can be loaded."""
    try:
        text = with_driver("Encrypt=no;UID=sa;PWD=s3cret")
    except ImportError:
        pytest.skip(NO_DRIVER)
    with TdsServer() as server:
        try:
            database.connect(f"{text};Server=127.0.0.1,{server.port}", patience=0.0).close()
        except DatabaseError as exc:
            if re.search("state (01000|IM00[0-9])", str(exc)):  # the driver manager could not load it
                pytest.skip(NO_DRIVER)
            raise
    return text


@pytest.fixture
def server() -> Iterator[TdsServer]:
    """A scripted server. A client that breaks the protocol fails the test."""
    with TdsServer() as scripted:
        yield scripted
    assert scripted.violations == []


@pytest.fixture
def link(server: TdsServer, driver: str, clock: MovedClock) -> Iterator[Open]:
    """`link()` logs in at the scripted server, as the app does."""
    opened: list[Database] = []

    def log_in(more: str = "", patience: float = retry.DATABASE_PATIENCE) -> Database:
        text = f"{driver};Server=127.0.0.1,{server.port};Database=trial{more}"
        opened.append(database.connect(text, clock, patience))
        return opened[-1]

    yield log_in
    for one in opened:
        one.close()


def values(db: Database, *parameters: Any) -> list[Any]:
    return [row[0] for row in asked(db, *parameters)]


def asked(db: Database, *parameters: Any) -> Iterator[Row]:
    return db.select(SELECT + " WHERE b = ?" * len(parameters), parameters, "people")


@contextmanager
def elapsed(clock: MovedClock) -> Iterator[Callable[[], float]]:
    began = clock.monotonic()
    yield lambda: clock.monotonic() - began


# --- what is done again -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", NUMBERS)
def test_a_login_is_tried_again_on_a_transient_number(
    server: TdsServer, link: Open, clock: MovedClock, number: int
) -> None:
    server.answers("login", Error(number, f"{SERVER} is busy"))
    link().execute(UPDATE, (1,))
    assert [one.connection for one in server.of("login")] == [1, 2]
    assert server.story == ["2 statement"]
    assert len(clock.sleeps) == 1
    assert 5 <= clock.sleeps[0] <= 7


@pytest.mark.parametrize("number", NUMBERS)
def test_a_statement_is_run_again_on_a_new_connection(
    server: TdsServer, link: Open, clock: MovedClock, number: int
) -> None:
    db = link()
    server.answers("statement", Error(number, f"{SERVER} is busy"), Count(3))
    assert db.execute(UPDATE, (7,)) == 3
    assert server.story == ["1 statement", "2 statement"]
    assert [one.parameters for one in server.of("statement")] == [(7,), (7,)]
    assert len(clock.sleeps) == 1
    assert 5 <= clock.sleeps[0] <= 7


@pytest.mark.parametrize("number", NUMBERS)
def test_a_query_is_asked_again_on_a_new_connection(server: TdsServer, link: Open, number: int) -> None:
    db = link()
    server.answers("statement", Error(number), Rows(["a"], [(1,), (2,)]))
    assert values(db) == [1, 2]
    assert server.story == ["1 statement", "2 statement"]


def test_a_link_that_breaks_in_a_statement_is_made_anew(server: TdsServer, link: Open) -> None:
    """08S01: whether the statement was carried out is not known."""
    db = link()
    server.answers("statement", Fate.DROP, Count(2))
    assert db.execute(UPDATE, (1,)) == 2
    assert server.story == ["1 statement", "2 statement"]


@pytest.mark.parametrize("parameters", [(), (1,)], ids=["batch", "rpc"])
@pytest.mark.parametrize("behind", [False, True], ids=["in the rows", "behind the rows"])
@pytest.mark.parametrize("rows", [0, 1, 999])
def test_a_link_that_breaks_in_the_first_rows_of_a_query_is_made_anew(
    server: TdsServer, link: Open, rows: int, behind: bool, parameters: tuple[Any, ...]
) -> None:
    """None of them was given out: they are not there twice. A result that has ended may count, whatever breaks then."""
    db, some = link(), [(n,) for n in range(rows)]
    broken = [Rows(["a"], some), Fate.DROP] if behind else Rows(["a"], some, broken_by=Fate.DROP)
    server.answers("statement", broken, Rows(["a"], [(77,)]))
    found = values(db, *parameters)
    assert found == [77] or (behind and found == list(range(rows)))
    assert len(server.of("statement")) == (2 if found == [77] else 1)


def test_a_batch_whose_answer_is_cut_off_is_run_again(server: TdsServer, link: Open) -> None:
    """Half of it came, and the driver says there is no more: the server has rolled it back."""
    db = link()
    server.answers("statement", [Count(1), Count(1), Fate.DROP], WHOLE)
    db.run("accept_mapping", "t", "t", "hash", None)
    assert server.story == ["1 statement", "2 statement"]


def test_a_statement_whose_count_has_come_is_done(server: TdsServer, link: Open) -> None:
    """What broke behind it is the next one's matter."""
    db = link()
    server.answers("statement", [Count(3), Fate.DROP])
    assert db.execute(UPDATE, (1,)) == 3
    assert db.execute(UPDATE, (2,)) == 0
    assert server.story == ["1 statement", "2 statement"]


def test_a_link_that_broke_while_nobody_used_it_is_made_anew(server: TdsServer, link: Open) -> None:
    db = link()
    db.execute(UPDATE, (1,))
    server.hang_up()
    server.answers("statement", Rows(["a"], [(1,)]))
    assert values(db) == [1]
    assert server.story == ["1 statement", "2 statement"]


@pytest.mark.parametrize("kind", ["connect", "login", "option"])
def test_a_link_that_breaks_before_in_or_behind_the_login_is_made_anew(
    server: TdsServer, link: Open, kind: str
) -> None:
    """Before the login the driver tries twice by itself."""
    server.answers(kind, *[Fate.DROP] * 3)
    link().execute(UPDATE, (1,))
    assert len(server.of("statement")) == 1


def test_a_link_that_breaks_in_the_beginning_of_a_transaction_is_made_anew(server: TdsServer, link: Open) -> None:
    """Nothing was done in it yet."""
    db = link()
    server.answers("begin", Fate.DROP)
    with db.transaction():
        db.execute(UPDATE, (1,))
    assert server.story == ["1 begin", "2 begin", "2 statement", "2 commit", "2 rollback"]


def test_a_statement_without_an_answer_is_given_up_and_run_again(
    server: TdsServer, link: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HYT00. A new connection has the same limit of time."""
    monkeypatch.setattr(database, "STATEMENT_SECONDS", 1)
    db = link()
    server.answers("statement", Fate.HANG, Fate.HANG, Count(1))
    assert db.execute(UPDATE, (1,)) == 1
    assert server.story == ["1 statement", "2 statement", "3 statement"]


def test_a_login_without_an_answer_is_given_up_and_tried_again(
    server: TdsServer, link: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOGIN_SECONDS", 1)
    server.answers("login", Fate.HANG)
    link().execute(UPDATE, (1,))
    assert len(server.of("login")) == 2


def test_every_new_connection_rolls_back_as_a_whole(server: TdsServer, link: Open) -> None:
    """XACT_ABORT belongs to the session, and a batch of several statements relies on it."""
    db = link()
    server.answers("statement", Fate.DROP, Error(40197), Count(1))
    db.execute(UPDATE, (1,))
    assert [(one.connection, one.text) for one in server.of("option")] == [(n, "SET XACT_ABORT ON") for n in (1, 2, 3)]


def test_what_differs_of_several_statements_is_one_transaction_each_time(server: TdsServer, link: Open) -> None:
    db = link()
    server.answers("statement", Fate.DROP, WHOLE)
    db.run("accept_mapping", "t", "t", "hash", None)
    first, second = server.of("statement")
    assert first.text == second.text
    assert re.fullmatch(r"BEGIN TRANSACTION;.*DELETE .*INSERT .*COMMIT TRANSACTION;\s*SELECT .*", first.text, re.DOTALL)


def test_half_a_letter_in_one_row_does_not_cost_the_others(server: TdsServer, link: Open) -> None:
    """A view that cuts a text may leave one. Left alone, pyodbc refuses the whole result; so that person is parked."""
    db = link()
    server.answers("statement", Rows(["a"], [("whole",), ("half \ud83d",), (None,), ("é😀",)]))
    assert values(db) == ["whole", "half \ud83d", None, "é😀"]


# --- how long -----------------------------------------------------------------------------------------------------


def test_a_serverless_database_that_wakes_in_100_seconds_is_waited_for(
    server: TdsServer, link: Open, clock: MovedClock
) -> None:
    wakes = clock.monotonic() + 100
    server.rules["login"] = lambda: Error(40613) if clock.monotonic() < wakes else None
    with elapsed(clock) as seconds:
        link().execute(UPDATE, (1,))
    assert 100 <= seconds() < 110
    assert len(server.of("statement")) == 1


def test_a_database_that_never_wakes_is_given_up_after_180_seconds(
    server: TdsServer, link: Open, clock: MovedClock
) -> None:
    server.rules["login"] = lambda: Error(40613)
    with elapsed(clock) as seconds, pytest.raises(DatabaseError, match=r"error 40613.* waking up"):
        link()
    assert 180 <= seconds() < 195
    assert 25 < len(server.of("login")) < 40


def test_a_database_that_falls_asleep_in_a_run_is_given_up_after_180_seconds(
    server: TdsServer, link: Open, clock: MovedClock
) -> None:
    db = link()
    server.rules["statement"] = lambda: Fate.DROP
    server.rules["login"] = lambda: Error(40613) if len(server.of("login")) > 3 else None
    with elapsed(clock) as seconds, pytest.raises(DatabaseError, match=r"login: .*error 40613"):
        db.execute(UPDATE, (1,))
    assert 180 <= seconds() < 195


def test_what_was_waited_for_in_vain_is_not_waited_for_again(server: TdsServer, link: Open, clock: MovedClock) -> None:
    """A run that ends because of it has a last line to write and a lease to give back: not three minutes each."""
    db = link()
    server.rules["statement"] = lambda: Error(40501)
    with pytest.raises(DatabaseError):
        db.execute(UPDATE, (1,))
    with elapsed(clock) as seconds, pytest.raises(DatabaseError):
        db.execute(UPDATE, (2,))
    assert seconds() < 2
    del server.rules["statement"]
    db.execute(UPDATE, (3,))
    server.answers("statement", Error(40501))
    db.execute(UPDATE, (4,))  # it has worked meanwhile: this is another outage


def test_an_http_answer_is_not_kept_waiting_for_three_minutes(server: TdsServer, link: Open, clock: MovedClock) -> None:
    db = link(patience=30.0)
    server.rules["statement"] = lambda: Error(40501)
    with elapsed(clock) as seconds, pytest.raises(DatabaseError):
        db.execute(UPDATE, (1,))
    assert 30 <= seconds() < 40


def test_statements_that_run_into_their_limit_of_time_are_not_run_for_ever(
    server: TdsServer, link: Open, clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patience counts from the beginning of the first try: 120 s, twice, and then no more."""
    monkeypatch.setattr(database, "STATEMENT_SECONDS", 1)
    db = link(patience=6.0)
    server.rules["statement"] = lambda: Fate.HANG
    with elapsed(clock) as seconds, pytest.raises(DatabaseError, match="state HYT00"):
        db.execute(UPDATE, (1,))
    assert len(server.of("statement")) == 2
    assert 6 <= seconds() < 12


def test_the_driver_does_not_try_a_failed_login_again(server: TdsServer, link: Open, clock: MovedClock) -> None:
    """ConnectRetryCount is for links that break; whoever relies on it fails at a database that wakes."""
    server.rules["login"] = lambda: Error(40613)
    with pytest.raises(DatabaseError):
        link(";ConnectRetryCount=3;ConnectRetryInterval=1", patience=0.0)
    assert len(server.of("login")) == 1


def test_the_driver_does_not_reconnect_by_itself_unless_the_operator_says_so(server: TdsServer, link: Open) -> None:
    """One place waits, not two: its waits are not the clock's, and count in no patience."""
    link()
    link(";ConnectRetryCount=1")
    asked = [SESSION_RECOVERY in one.parameters for one in server.of("login")]
    assert asked == [False, True]


# --- what is not done again ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("parameters", [(), (1,)], ids=["batch", "rpc"])
def test_a_query_whose_first_rows_were_given_out_is_not_asked_again(
    server: TdsServer, link: Open, parameters: tuple[Any, ...]
) -> None:
    """They would be there twice."""
    db = link()
    server.answers("statement", Rows(["a"], [(n,) for n in range(2500)], broken_by=Fate.DROP))
    rows = asked(db, *parameters)
    assert next(rows) == (0,)
    with pytest.raises(DatabaseError, match=r"people: .*state 08S01") as failed:
        list(rows)
    assert failed.value.transient
    assert server.story == ["1 statement"]
    db.execute(UPDATE, (1,))
    assert server.story[-1] == "2 statement"


def test_a_query_that_fails_behind_its_rows_has_failed(server: TdsServer, link: Open) -> None:
    """The error comes when the rows are fetched, not when the query is executed: half of an answer is none."""
    db = link()
    server.answers("statement", Rows(["a"], [(n,) for n in range(1500)], broken_by=Error(229)))
    rows = asked(db)
    assert next(rows) == (0,)
    with pytest.raises(DatabaseError, match=r"people: .*error 229"):
        list(rows)
    server.answers("statement", [Rows(["a"], [(1,)]), Error(229)])
    with pytest.raises(DatabaseError, match=r"people: .*error 229"):
        values(db)


def test_a_query_that_fails_before_its_first_rows_were_given_out_is_asked_again(server: TdsServer, link: Open) -> None:
    db = link()
    server.answers("statement", Rows(["a"], [(1,)], broken_by=Error(40197)), Rows(["a"], [(1,), (2,)]))
    assert values(db) == [1, 2]


def test_an_error_in_a_later_result_is_not_missed(server: TdsServer, link: Open) -> None:
    """It comes only when the driver is asked for the next result."""
    db = link()
    server.answers("statement", [Count(1), Error(2628)])
    with pytest.raises(DatabaseError, match="error 2628"):
        db.execute(UPDATE, (1,))
    server.answers("statement", [Count(1), Error(1205)], Count(5))
    assert db.execute(UPDATE, (1,)) == 5


@pytest.mark.parametrize("number", [2601, 2627])
def test_a_key_that_another_wrote_at_the_same_moment_is_written_again_at_once(
    server: TdsServer, link: Open, clock: MovedClock, number: int
) -> None:
    """By then it is there, and what is run outside of a transaction says what shall be, or replaces it."""
    db = link()
    server.answers("statement", Error(number), Error(number), Count(3))
    assert db.execute(UPDATE, (7,)) == 3
    server.answers("statement", Error(number), WHOLE)
    db.batch([UPDATE, UPDATE], (1, 2), "force")
    assert server.story == ["1 statement"] * 5
    assert clock.sleeps == []


def test_a_key_that_stays_is_an_error_soon(server: TdsServer, link: Open, clock: MovedClock) -> None:
    db = link()
    server.answers("statement", *[Error(2627)] * 9)
    with pytest.raises(DatabaseError, match=r"force: .*error 2627, state 23000: a key would be there twice"):
        db.execute(UPDATE, (7,), "force")
    assert (clock.sleeps, len(server.of("statement"))) == ([], database.AT_ONCE)


def test_a_key_that_another_wrote_fails_a_transaction(server: TdsServer, link: Open) -> None:
    db = link()
    server.answers("statement", Error(2627))
    with pytest.raises(DatabaseError, match="error 2627") as failed, db.transaction():
        db.execute(UPDATE, (7,))
    assert failed.value.collided
    assert len(server.of("statement")) == 1


@pytest.mark.parametrize("answer", [Error(1205), Error(40197), Fate.DROP])
def test_nothing_is_done_again_inside_of_a_transaction(
    server: TdsServer, link: Open, clock: MovedClock, answer: Any
) -> None:
    """What came before in it is gone; the error goes up, and the next run does it all."""
    db = link()
    server.answers("statement", Count(1), answer)
    with pytest.raises(DatabaseError) as failed, db.transaction():  # noqa: PT012 - what comes before is the test
        db.execute(UPDATE, (1,))
        db.execute(UPDATE, (2,))
    assert failed.value.transient
    assert (clock.sleeps, len(server.of("statement")), server.of("commit")) == ([], 2, [])
    server.answers("statement", Count(3))
    assert db.execute(UPDATE, (3,)) == 3
    assert server.story[-1] == "2 statement"
    assert len(server.of("begin")) == 1


def test_a_commit_is_not_done_again(server: TdsServer, link: Open, clock: MovedClock) -> None:
    """Whether it was carried out is not known, and is said."""
    db = link()
    server.answers("commit", Fate.DROP)
    with pytest.raises(DatabaseError, match=r"commit: .*whether it was carried out is not known"), db.transaction():
        db.execute(UPDATE, (1,))
    assert server.story == ["1 begin", "1 statement", "1 commit"]
    assert clock.sleeps == []
    db.execute(UPDATE, (2,))
    assert server.story[-1] == "2 statement"


def test_a_commit_that_was_carried_out_is_no_error_when_the_link_breaks_behind_it(
    server: TdsServer, link: Open
) -> None:
    """Behind a commit the driver ends the transaction that it began with it."""
    db = link()
    server.answers("rollback", Fate.DROP)
    with db.transaction():
        db.execute(UPDATE, (1,))
    db.execute(UPDATE, (2,))
    assert server.story == ["1 begin", "1 statement", "1 commit", "1 rollback", "2 statement"]


def test_after_a_transaction_that_failed_the_next_statement_is_committed_at_once(server: TdsServer, link: Open) -> None:
    db = link()
    with pytest.raises(ZeroDivisionError), db.transaction():  # noqa: PT012 - what comes before is the test
        db.execute(UPDATE, (1,))
        raise ZeroDivisionError
    db.execute(UPDATE, (2,))
    assert server.story[:3] == ["1 begin", "1 statement", "1 rollback"]
    assert server.story[-1] == "2 statement"


DEFINITE = {
    229: "a right is missing",
    916: "may not use this database",
    2628: "a value is longer than its column",
    8152: "a value is longer than its column",
    18456: "the login failed",
    40615: "firewall",
}


def everything_told(error: BaseException) -> str:
    """What a log could show of an error: its trace, and whatever hangs on it."""
    told = "".join(line for line in traceback.format_exception(error) if not line.startswith("  File "))
    while error := error.__cause__ or error.__context__:  # type: ignore[assignment]
        told += repr(error)
    return told


@pytest.mark.parametrize(("number", "hint"), DEFINITE.items())
def test_what_time_does_not_mend_fails_at_once_and_tells_no_value(
    server: TdsServer, link: Open, clock: MovedClock, canary: Canary, number: int, hint: str
) -> None:
    quoting = f"On {SERVER}, table 'trial.dbo.Employees', column 'Title'. Value: '{MARKER}'."
    db = link()
    server.answers("statement", Error(number, quoting))
    with pytest.raises(DatabaseError) as failed:
        db.execute(UPDATE, (f"{MARKER} the third",), "mirror_update")
    told = str(failed.value)
    assert told.startswith(f"mirror_update: SQL Server answered error {number}, state ")
    assert hint in told
    assert not failed.value.transient
    assert (clock.sleeps, len(server.of("statement"))) == ([], 1)
    found = everything_told(failed.value)
    assert not any(text in found for text in (MARKER, SERVER, "dbo.Employees", "s3cret"))
    server.answers("statement", Count(1))
    assert (db.execute(UPDATE, (1,)), server.story[-1]) == (1, "1 statement")


@pytest.mark.parametrize("number", [916, 18456, 40615])
def test_a_login_that_is_refused_fails_at_once_and_tells_nobodys_name(
    server: TdsServer, link: Open, clock: MovedClock, canary: Canary, number: int
) -> None:
    server.answers("login", Error(number, f"Login failed for user '{MARKER}' at {SERVER}.", severity=14))
    with pytest.raises(DatabaseError, match=f"login: .*error {number}") as failed:
        link()
    assert (clock.sleeps, len(server.of("login"))) == ([], 1)
    assert not any(text in everything_told(failed.value) for text in (MARKER, SERVER, "s3cret"))


@pytest.mark.parametrize("number", [40197, 4060])
def test_what_is_told_of_an_outage_names_nobody_either(
    server: TdsServer, link: Open, caplog: pytest.LogCaptureFixture, canary: Canary, number: int
) -> None:
    """Once, when it begins."""
    db = link()
    server.answers("statement", *[Error(number, f"'{MARKER}' at {SERVER}")] * 3)
    db.execute(UPDATE, (MARKER,), "record_accepted")
    (record,) = (one for one in caplog.records if one.levelname == "WARNING")
    assert record.message.startswith(f"record_accepted: SQL Server answered error {number}, state ")
    assert record.message.endswith(" Trying again for 180 s.")


def test_an_error_of_the_severest_kind_ends_the_connection_and_the_next_one_goes_on(
    server: TdsServer, link: Open
) -> None:
    db = link()
    server.answers("statement", [Error(40197, severity=20), Fate.DROP], Count(1))
    assert db.execute(UPDATE, (1,)) == 1
