"""Answers of the database that are lost: the statement may have been carried out, or not. Either way it converges.

On SQLite the answer is taken away behind the statement; on SQL Server a relay cuts the link between Microsoft's driver
and the server, before the statement arrives or after it was answered.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from provisioning import database, jobs, ledger, review
from provisioning.database import Database
from provisioning.errors import DatabaseError, LeaseLost, UpstreamError
from provisioning.ledger import Lease
from provisioning.settings import Settings
from tests.clock import MovedClock
from tests.conftest import NAMED, NOT_TESTED, contents, employ, environment, finish
from tests.emulators.graph import GraphEmulator
from tests.emulators.hr import HrEmulator
from tests.tds import Relay, is_commit, says
from tests.test_queries import ONCE

BOTH = pytest.mark.parametrize("after", [False, True], ids=["not carried out", "carried out"])
Connect = Callable[..., Database]


@pytest.fixture
def everywhere(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Database], None]], None]:
    """`everywhere(change)`: each database that the app opens from now on is changed by that."""

    def everywhere(change: Callable[[Database], None]) -> None:
        connect: Connect = database.connect

        def changed(*args: Any, **named: Any) -> Database:
            db = connect(*args, **named)
            change(db)
            return db

        monkeypatch.setattr(database, "connect", changed)

    return everywhere


def doubling(seen: set[str]) -> Callable[[Database], None]:
    """From now on whatever is done outside of a transaction is done twice, as after a lost answer; `seen`: its name."""

    def twice(db: Database) -> None:
        for method in ("execute", "batch"):
            setattr(db, method, _twice(db, getattr(db, method), seen))

    return twice


def _twice(db: Database, action: Callable[..., Any], seen: set[str]) -> Callable[..., Any]:
    def doubled(sql: Any, parameters: Any = (), name: str = "statement") -> Any:
        if not db._in_transaction and name not in ("begin", "commit"):
            seen.add(name)
            action(sql, parameters, name)
        return action(sql, parameters, name)

    return doubled


def arrivals(graph: GraphEmulator) -> list[str]:
    return sorted(one.external_id for one in graph.accepted)


# --- done twice ---------------------------------------------------------------------------------------------------


def test_whole_jobs_end_the_same_when_every_statement_is_done_twice(
    change: Callable[..., Settings],
    db: Database,
    hr: HrEmulator,
    graph: GraphEmulator,
    clock: MovedClock,
    everywhere: Callable[[Callable[[Database], None]], None],
) -> None:
    """First load, held and approved; edits, a leaver, a resync over HTTP: nobody goes twice, nothing is left over."""
    seen: set[str] = set()
    everywhere(doubling(seen))
    guarded = change(MAX_CREATES="50")
    assert jobs.ingest(guarded, clock=clock).counts["inserted"] == 100
    assert jobs.create(guarded, clock=clock).counts["held"] == 100
    (hold,) = review.waiting(guarded, clock=clock)
    review.approve(guarded, hold.hold_id, "Ada Approver", clock=clock)
    assert finish(jobs.create, guarded, clock)["sent"] == 100
    assert arrivals(graph) == sorted(p["EmployeeId"] for p in hr.people)
    hr.patch("E00001", {"Title": "Changed"})
    hr.patch("E00099", {"Active": False})
    hr.remove("E00050")
    assert jobs.ingest(guarded, clock=clock).counts["missing"] == 1
    before = len(graph.accepted)
    jobs.reconcile(guarded, clock=clock)
    assert jobs.resync(guarded, "E00007", over_http=True, clock=clock).answer["status"] == "accepted"
    gone = [one.external_id for one in graph.accepted[before:]]
    assert len(gone) == len(set(gone))
    assert {"E00001", "E00099", "E00007"} <= set(gone)
    left = contents(db)
    assert [left[f"provisioning.{name}"] for name in ("intents", "forced", "refused")] == [[], [], []]
    assert len(left["provisioning.disables"]) == 1
    for job in (jobs.ingest, jobs.create, jobs.update, jobs.reconcile):
        assert job(guarded, clock=clock).counts.get("candidates", 0) == 0
    assert len(graph.accepted) == before + len(gone)
    assert not seen & set(ONCE)
    assert {"write_intents", "count_call", "record_accepted", "lease_acquire", "ask_resync", "force"} <= seen


def test_a_request_whose_limit_is_reached_by_its_own_first_try_is_no_refusal(db: Database) -> None:
    """The tenth resync of a minute, noted, its answer lost: it is the tenth still, and the eleventh is one too many."""
    for n in range(9):
        assert ledger.ask_resync(db, f"token-{n}", "E1", 10)
    assert ledger.ask_resync(db, "token-9", "E1", 10)
    assert ledger.ask_resync(db, "token-9", "E1", 10)
    assert not ledger.ask_resync(db, "token-10", "E1", 10)


def test_a_lease_that_was_taken_by_a_try_whose_answer_was_lost_is_ones_own(db: Database) -> None:
    doubling(set())(db)
    lease = Lease("send x", "run-1")
    assert lease.acquire(db)
    assert (lease.epoch, lease.taken_over) == (1, False)
    assert lease.renew(db)
    assert not Lease("send x", "run-2").acquire(db)
    assert lease.release(db, "x")
    assert Lease("send x", "run-2").acquire(db)


# --- a commit that is lost ----------------------------------------------------------------------------------------


class Losing:
    """A connection string, and the means to lose one answer of the database."""

    def __init__(self, connection_string: str) -> None:
        self.connection_string = connection_string
        self.lost = 0

    def commit(self, *, after: bool) -> None:
        """Lose the answer to the next commit of a transaction."""
        raise NotImplementedError

    def statement(self, name: str, *, after: bool) -> None:
        """Lose the answer to the next statement of that name."""
        raise NotImplementedError


class LosingSqlite(Losing):
    """Takes the answer away, and with `after` not what was done. Nothing is done again on SQLite: the error goes up."""

    def __init__(self, connection_string: str) -> None:
        super().__init__(connection_string)
        self._at: tuple[str, bool] | None = None

    def commit(self, *, after: bool) -> None:
        self._at = ("commit", after)

    def statement(self, name: str, *, after: bool) -> None:
        self._at = (name, after)

    def change(self, db: Database) -> None:
        execute, batch = db.execute, db.batch
        in_batches: list[str] = []

        def whole(parts: list[str], parameters: Any, name: str) -> None:
            in_batches.append(name)
            try:
                batch(parts, parameters, name)
            finally:
                in_batches.pop()

        db.execute = self._lossy(execute, lambda: bool(in_batches))  # type: ignore[method-assign]
        db.batch = self._lossy(whole, lambda: False)  # type: ignore[method-assign]

    def _lossy(self, action: Callable[..., Any], is_part: Callable[[], bool]) -> Callable[..., Any]:
        def lossy(sql: Any, parameters: Any = (), name: str = "statement") -> Any:
            if self._at is None or self._at[0] != name or is_part():
                return action(sql, parameters, name)
            (_, after), self._at = self._at, None
            if after:
                action(sql, parameters, name)
            self.lost += 1
            raise DatabaseError(f"{name}: the link broke", transient=True)

        return lossy


class LosingSqlServer(Losing):
    """Cuts the link between the driver and the server."""

    def __init__(self, connection_string: str, relay: Relay) -> None:
        super().__init__(connection_string)
        self._relay = relay

    @property
    def lost(self) -> int:  # type: ignore[override]
        return self._relay.cuts

    @lost.setter
    def lost(self, _: int) -> None:
        pass

    def commit(self, *, after: bool) -> None:
        self._relay.cut(is_commit, after=after)

    def statement(self, name: str, *, after: bool) -> None:
        purpose = database.query(name, "sqlserver").split("\n", 1)[0]
        self._relay.cut(says(purpose), after=after)


@pytest.fixture
def losing(connection_string: str, everywhere: Callable[[Callable[[Database], None]], None]) -> Iterator[Losing]:
    """A database on each engine whose answers can be lost."""
    if connection_string.startswith("sqlite"):
        lossy = LosingSqlite(connection_string)
        everywhere(lossy.change)
        yield lossy
        return
    found = re.search(r"(?i)\bserver=(?:tcp:)?([^;,]+),?(\d*)", connection_string)
    if not found or not re.search(r"(?i)encrypt=no", connection_string):
        pytest.skip(f"{NOT_TESTED} with Server=…,port and Encrypt=no, for a relay to stand between")
    with Relay(found[1], int(found[2] or 1433)) as relay:
        yield LosingSqlServer(connection_string.replace(found[0], f"Server=127.0.0.1,{relay.port}"), relay)


@pytest.fixture
def lossy(losing: Losing, hr: HrEmulator, graph: GraphEmulator) -> Settings:
    """Settings with that database."""
    return Settings.from_environ(environment(losing.connection_string, hr.url, graph.upload_url))


def mirrored(db: Database) -> list[tuple[str, str]]:
    rows = db.select("SELECT EmployeeId, Title FROM dbo.Employees ORDER BY EmployeeId", (), "t")
    return [(str(i), str(title)) for i, title in rows]


def absent(db: Database) -> list[str]:
    return [str(row[0]) for row in db.select("SELECT RecordKey FROM dbo.AbsentRecords", (), "t")]


@BOTH
def test_a_commit_of_ingest_that_is_lost_is_made_good_by_the_next_run(
    lossy: Settings, losing: Losing, hr: HrEmulator, db: Database, clock: MovedClock, after: bool
) -> None:
    """The run fails visibly, whatever was written; the next one finds what differs and does that only."""
    jobs.ingest(lossy, clock=clock)
    hr.patch("E00001", {"Title": "Changed"})
    hr.put({**hr.people[1], "EmployeeId": "NEW"})
    hr.remove("E00050")
    before = mirrored(db)
    losing.commit(after=after)
    with pytest.raises(UpstreamError, match="commit: ") as failed:
        jobs.ingest(lossy, clock=clock)
    assert losing.lost == 1
    assert failed.value.report.counts["inserted"] == 0
    assert (mirrored(db) == before) is not after
    assert absent(db) == (["E00050"] if after else [])
    counts = jobs.ingest(lossy, clock=clock).counts
    assert (counts["inserted"], counts["updated"], counts["missing"]) == ((0, 0, 1) if after else (1, 1, 1))
    found = dict(mirrored(db))
    assert (found["E00001"], "NEW" in found, absent(db)) == ("Changed", True, ["E00050"])
    again = jobs.ingest(lossy, clock=clock).counts
    assert (again["inserted"], again["updated"]) == (0, 0)


@BOTH
def test_a_202_whose_record_is_lost_is_recorded_by_this_run_or_sent_once_more_by_the_next(
    lossy: Settings, losing: Losing, graph: GraphEmulator, db: Database, clock: MovedClock, after: bool
) -> None:
    """On SQL Server the statement is run again at once. On SQLite, as behind an outage without end, the run fails."""
    employ(db, "A", "B", "C")
    losing.statement("record_accepted", after=after)
    if db.engine == "sqlserver":
        assert finish(jobs.create, lossy, clock)["sent"] == 3
    else:
        with pytest.raises(DatabaseError):
            jobs.create(lossy, NAMED, clock=clock)
    assert losing.lost == 1
    again = finish(jobs.create, lossy, clock)["sent"]
    assert again == (0 if after or db.engine == "sqlserver" else 3)
    assert arrivals(graph) == sorted(["A", "B", "C"] * (2 if again else 1))
    if again:  # in doubt until no run that could have sent them lives any more
        db.execute("UPDATE provisioning.intents SET created_at = '2000-01-01 00:00:00.0000000'")
        assert finish(jobs.update, lossy, clock)["sent"] == 3
    left = contents(db)
    assert (left["provisioning.intents"], len(left["provisioning.ledger"])) == ([], 3)
    assert [finish(job, lossy, clock)["candidates"] for job in (jobs.create, jobs.update, jobs.reconcile)] == [0, 0, 0]


STATEMENTS = (
    *("lease_acquire", "start_run", "purge_calls", "accept_mapping", "write_intents", "count_call"),
    *("record_accepted", "lease_release", "end_run", "lease_drop"),
)


@BOTH
@pytest.mark.parametrize("name", STATEMENTS)
@pytest.mark.parametrize("connection_string", ["sqlserver"], indirect=True)
def test_a_statement_of_a_sending_run_whose_answer_is_lost_is_run_again(
    lossy: Settings, losing: Losing, graph: GraphEmulator, db: Database, clock: MovedClock, name: str, after: bool
) -> None:
    """Through the relay, one after the other: the run does not notice, and nobody goes twice. (SQLite has no link.)"""
    employ(db, "A", "B")
    losing.statement(name, after=after)
    assert finish(jobs.create, lossy, clock)["sent"] == 2
    assert losing.lost == 1
    assert arrivals(graph) == ["A", "B"]
    left = contents(db)
    assert (left["provisioning.intents"], len(left["provisioning.ledger"])) == ([], 2)
    assert len(left["provisioning.runs"]) == 1
    assert Lease(left["provisioning.leases"][0][0], "another").acquire(db)


def calls(db: Database) -> int:
    ((found,),) = db.select("SELECT COUNT(*) FROM provisioning.calls", (), "t")
    return int(found)


# --- the lease is lost while one waits for the database -----------------------------------------------------------


@pytest.mark.parametrize("name", ["write_intents", "count_call", "record_accepted"])
def test_whoever_waited_for_the_database_until_another_took_over_sends_nothing_more(
    bridge: Callable[..., Settings],
    small: Database,
    graph: GraphEmulator,
    clock: MovedClock,
    everywhere: Callable[[Callable[[Database], None]], None],
    name: str,
) -> None:
    """An outage is waited for longer than a lease lives. What the statements check, they check when they are run."""
    employ(small, *(f"P{n:03}" for n in range(120)))
    settings, waited = bridge(), []

    def stall(db: Database) -> None:
        for method in ("execute", "batch"):
            setattr(db, method, stalled(db, getattr(db, method)))

    def stalled(db: Database, action: Callable[..., Any]) -> Callable[..., Any]:
        def run(sql: Any, parameters: Any = (), statement: str = "statement") -> Any:
            if statement == name and not waited:
                waited.append(calls(small))
                clock.move(seconds=150)
                heir = Lease(f"send {settings.bulk_upload.target}", "heir")
                assert heir.acquire(small)
                assert heir.taken_over
            return action(sql, parameters, statement)

        return run

    everywhere(stall)
    with pytest.raises(LeaseLost):
        jobs.create(settings, NAMED, clock=clock)
    assert waited == [calls(small)]  # every attempt is counted before it is made
    small.run("lease_drop", f"send {settings.bulk_upload.target}", "heir", 2)
    finish(jobs.create, settings, clock)
    clock.move(hours=2)
    for job in (jobs.create, jobs.update):
        finish(job, settings, clock)
    assert sorted(graph.directory().users) == sorted(f"P{n:03}" for n in range(120))
    assert contents(small)["provisioning.intents"] == []
    assert not graph.violations
