"""A process that is killed before or after any SQL statement or request of its, and what the next runs make of it.

One undisturbed run is traced; then each of its points has a database, a directory and a process of its own, which is
killed there with SIGKILL. The next rounds, an hour apart, must leave everything as DESIGN §6 says (I1 to I5).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import pytest

from provisioning import database, jobs
from provisioning.database import Database
from provisioning.ledger import Ledger
from provisioning.runs import needed
from provisioning.settings import GRAPH, Settings
from tests import canary as canaries
from tests.canary import MARKER, Canary
from tests.clock import MovedClock
from tests.conftest import NAMED, PASSWORD, TABLES, approve_all, edit, environment, hr_source
from tests.emulators import people
from tests.emulators.entra import Directory
from tests.emulators.graph import Accepted, GraphEmulator
from tests.emulators.hr import HrEmulator
from tests.killing import Ended, Killer, Order

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TARGET = ("a2ff8d8d-f1aa-43f3-8b00-fbe196bf17a6", "API2AAD.4462f4c1447f435e97c3a219cae446e8.8478ede9")
CHANGED = [f"E{n:05}" for n in range(1, 52)]
BAD, FORCED, LEAVER = "E00051", "E00054", "E00055"
HEADS = ("E00052", "E00053")
"""The managers of everybody."""

HELD = ("E00056", "E00057", "E00058")
"""People who lose an attribute: 3 of 58 are too many."""

LATER, BACK, GONE = ("E00003", "E00050"), "E00005", "E00007"
"""Who has an edit after the kill, who is put back to what she was, who leaves: what was on its way is old by then."""

OVERLAP = 0.17
"""Seconds to the first answer: at 7 calls a second, the second request leaves before it."""

OF_RUNS = tuple(f"provisioning.{name}" for name in ("runs", "leases", "calls", "fetches"))
OF_PEOPLE = tuple(t.partition(".")[2] for t in TABLES if t.startswith("provisioning.") and t not in OF_RUNS)
DRAWN = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|(?<=\()'[0-9a-f]{8}'")
MOMENT = re.compile(r"2026-11-22 12:0\d:\d\d\.\d{7}")
ENDPOINTS = ("Employees", "Organizations")
COMMIT, MOMENTS = "commit 2", 40
"""The commit of the employees, and at how many moments near its end a process is killed."""

SENT_AS_TEXT = {
    "displayName": "Name_FullName",
    "title": "Title",
    "nickName": "NickName",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department": "OrganizationName",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value": "ManagerId",
}

pytestmark = pytest.mark.timeout(600)


@dataclass
class Base:
    """A database to begin with, and what Graph had taken by then."""

    folder: Path
    accepted: list[Accepted] = field(default_factory=list)
    directory: Directory | None = None
    ids: frozenset[str] = frozenset()
    """What was drawn by then; known from the first copy on."""

    def fill(self, directory: Directory) -> None:
        """Let it hold whoever was accepted; only the first one takes them in."""
        if self.directory is None:
            directory.stage([a.data for a in self.accepted])
            self.directory = Directory("", "", directory.clock)
            self.directory.copy_people(directory)
        else:
            directory.copy_people(self.directory)

    def copy(self, to: Path) -> str:
        if not self.ids:
            with database.connect(f"sqlite:///{self.folder}/bridge.db") as db:
                self.ids = frozenset(DRAWN.findall(repr(everything(db))))
        shutil.copytree(self.folder, to)
        return f"sqlite:///{to}/bridge.db"


@dataclass(frozen=True)
class Bed:
    """One database, one directory and one process to kill."""

    db: Database
    graph: GraphEmulator
    environ: dict[str, str]
    clock: MovedClock
    before: int
    ids: frozenset[str]
    """What was drawn before the process that is killed began."""

    @cached_property
    def settings(self) -> Settings:
        return Settings.from_environ(self.environ)

    @property
    def accepted(self) -> list[Accepted]:
        """What arrived since the beginning."""
        return self.graph.accepted[self.before :]

    def run(self, job: Callable[..., Any]) -> dict[str, int]:
        return dict(job(self.settings, *([NAMED] if job is jobs.create else []), clock=self.clock).counts)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return list(self.db.select(sql, (), "look"))

    def tables(self, schema: str, names: tuple[str, ...]) -> dict[str, list[tuple[Any, ...]]]:
        return {name: sorted(self.rows(f"SELECT * FROM {schema}.{name}"), key=repr) for name in names}


def everything(db: Database) -> dict[str, list[tuple[Any, ...]]]:
    return {table: list(db.select(f"SELECT * FROM {table}", (), "look")) for table in TABLES}


@pytest.fixture
def hr() -> Iterator[HrEmulator]:
    invented = canaries.marked(people.invent(58, today=NOW.date()))
    for person in invented:
        person["ManagerId"] = HEADS[person["EmployeeId"] <= "E00040"]
    invented[51]["ManagerId"], invented[52]["ManagerId"] = None, HEADS[0]
    with HrEmulator(invented, {"basic": ("svc", PASSWORD)}) as emulator:
        yield emulator


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """A folder for the databases, in memory where the machine has that: what a killed process wrote is written."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
def killer(tmp_path: Path) -> Iterator[Killer]:
    with Killer(tmp_path / "stderr") as started:
        yield started


@pytest.fixture
def mirrored(sqlite_template: Path, room: Path, hr: HrEmulator) -> Base:
    """Everybody is in the mirror, nobody was sent."""
    base = Base(room / "mirrored")
    shutil.copytree(sqlite_template, base.folder)
    with bed(base, base.folder, hr) as found:
        found.run(jobs.ingest)
    return base


@pytest.fixture
def sent(mirrored: Base, room: Path, hr: HrEmulator) -> Base:
    """Everybody was sent."""
    base = Base(room / "sent")
    mirrored.copy(base.folder)
    with bed(base, base.folder, hr) as found:
        found.run(jobs.create)
        assert found.run(jobs.reconcile)["candidates"] == 0
        base.accepted, base.directory = found.accepted, None
    return base


@pytest.fixture
def changed(sent: Base, hr: HrEmulator) -> Base:
    """Two requests are due; one person is forced, one leaves, one will be refused by Graph, three will be held."""
    with bed(sent, sent.folder, hr) as found:
        edit(found.db, *CHANGED, Title=f"{MARKER} changed")
        edit(found.db, BAD, Title=f"{MARKER} refused")
        edit(found.db, LEAVER, Active=0)
        edit(found.db, *HELD, NickName=None)
        Ledger(found.db, needed(found.settings.bulk_upload, GRAPH).target, "a resync").force(FORCED)
    return sent


@contextmanager
def bed(base: Base, folder: Path, hr: HrEmulator) -> Iterator[Bed]:
    """The database in a folder, and an Entra as it was when that was copied."""
    text, clock = f"sqlite:///{folder}/bridge.db", MovedClock(NOW)
    with GraphEmulator() as graph, database.connect(text, clock) as db:
        environ = environment(text, hr.url, graph.add_job(*TARGET))
        environ["HR_SOURCE"] = json.dumps(_two_endpoints(hr.url))
        graph.clock = lambda: clock.utc_now().timestamp()
        base.fill(graph.directory(*TARGET))
        graph.accepted += base.accepted
        graph.refuse = lambda data: str(data["title"]).endswith("refused")
        yield Bed(db, graph, environ, clock, len(base.accepted), base.ids)


def _two_endpoints(url: str) -> dict[str, Any]:
    source = hr_source(url)
    organizations = {**source["resources"][0], "name": "Organizations", "primary_key": "OrganizationId"}
    organizations["endpoint"] = {"path": "api/Organizations", "data_selector": "data"}
    del organizations["item_path"]
    return {**source, "resources": [*source["resources"], organizations]}


def order(found: Bed, job: str, **point: Any) -> Order:
    return Order(job, found.environ, found.clock.utc_now().isoformat(), **point)


def kill(found: Bed, killer: Killer, job: str, at: str | None, within: float | None = None) -> Ended:
    answers = iter([OVERLAP])
    found.graph.latency = lambda: next(answers, 0.0)
    ended = killer.run(order(found, job, at=at, within=within))
    found.graph.latency = 0.0
    return ended


@contextmanager
def standing_still(found: Bed, killer: Killer, job: str, at: str) -> Iterator[None]:
    """The job stands still at a point for as long as the block lasts, then goes on."""
    killer.stop(order(found, job, at=at, only_stop=True))
    yield
    killer.go_on()


def at_every_point(
    job: str,
    base: Base,
    hr: HrEmulator,
    killer: Killer,
    room: Path,
    tell: Callable[..., None],
    check: Callable[[Bed], None],
) -> tuple[set[str], set[str]]:
    """Kill the job at each of its points and check what comes of it; the points, and which were not hit.

    A process that leaves everything just as one before left it is not run on after again: the same would follow.
    What only one of two undisturbed runs comes to hangs on how busy the machine is, such as a lease that is renewed.
    """
    base.copy(room / "rehearsed")
    with bed(base, room / "rehearsed", hr) as found:
        killer.rehearse(order(found, job))
    traces = []
    for number in range(2):
        base.copy(room / f"traced{number}")
        with bed(base, room / f"traced{number}", hr) as found:
            traced = kill(found, killer, job, None)
            assert (traced.signal, traced.code) == (0, 0), killer.stderr.read_text("utf-8")
            check(found)
        traces.append(list(traced.points))
    points = [point for point in traces[0] if point in traces[1]]
    missed, states = set[str](), set[str]()
    for number, point in enumerate(points):
        folder = room / str(number)
        base.copy(folder)
        with bed(base, folder, hr) as found:
            ended = kill(found, killer, job, point)
            if ended.signal != signal.SIGKILL:
                missed.add(point)
            if (state := state_of(found)) not in states:
                states.add(state)
                check_after(point, found, check)
        shutil.rmtree(folder)
    tell("kill points", len(points) - len(missed), of=len(points))
    tell("states that a kill left", len(states))
    return set(points), missed


def before_the_changes(found: Bed) -> Any:
    """The title that everybody's last send before the test had of her who is put back; the one she has, without any."""
    sent = {a.external_id: a.data["title"] for a in found.graph.accepted[: found.before]}
    return sent.get(BACK) or found.rows(f"SELECT Title FROM dbo.Employees WHERE EmployeeId = '{BACK}'")[0][0]


def check_after(point: str, found: Bed, check: Callable[[Bed], None]) -> None:
    try:
        check(found)
    except AssertionError as exc:
        raise AssertionError(f"killed {point}: {exc}") from exc


def state_of(found: Bed) -> str:
    """Every row there is and what has arrived; ids that the run drew are one, and so are its moments (of a second)."""
    told = [f"{table} {row_of(row, found.ids)}" for table, rows in everything(found.db).items() for row in rows]
    return "\n".join([*sorted(told), *(repr((a.external_id, a.data)) for a in found.accepted)])


@lru_cache(4096)
def row_of(row: tuple[Any, ...], ids: frozenset[str]) -> str:
    """How a row is told; most rows are the same wherever a process was killed."""
    return DRAWN.sub(lambda one: one[0] if one[0] in ids else "id", MOMENT.sub("then", repr(row)))


def as_mirrored(found: Bed) -> dict[str, dict[str, Any]]:
    """What Entra must hold of everybody, by a reading of the mirror that owes nothing to the app's."""
    columns = ", ".join(SENT_AS_TEXT.values())
    rows = found.rows(f"SELECT EmployeeId, Active, {columns} FROM dbo.Employees")
    return {
        row[0]: {"accountEnabled": bool(row[1]), **{k: v for k, v in zip(SENT_AS_TEXT, row[2:], strict=True) if v}}
        for row in rows
    }


def in_entra(found: Bed) -> dict[str, dict[str, Any]]:
    users = found.graph.directory(*TARGET).users
    kept = ("accountEnabled", *SENT_AS_TEXT)
    return {one: {path: user[path] for path in kept if path in user} for one, user in users.items()}


def without(users: dict[str, Any], *ids: str) -> dict[str, Any]:
    return {one: user for one, user in users.items() if one not in ids}


def in_doubt(found: Bed) -> set[str]:
    return {row[0] for row in found.rows("SELECT employee_id FROM provisioning.intents")}


def go_on_changing(found: Bed) -> None:
    edit(found.db, *LATER, Title=f"{MARKER} later")
    edit(found.db, BACK, Title=before_the_changes(found))
    edit(found.db, GONE, Active=0)


def check_run_on(found: Bed, *, waiting: tuple[str, ...] = ()) -> None:
    """Two hourly rounds and everybody is as the mirror says, but those `waiting`; then nothing happens any more."""
    doubtful = in_doubt(found)
    go_on_changing(found)
    found.clock.move(minutes=20)
    run_round(found)
    run_round(found)
    check_everybody(found, doubtful, waiting)


def run_round(found: Bed) -> None:
    found.run(jobs.create)
    found.run(jobs.update)
    found.clock.move(minutes=61)


def check_everybody(found: Bed, doubtful: set[str], waiting: tuple[str, ...] = ()) -> None:
    never_there = {GONE} - in_entra(found).keys()  # killed before she went, she has no account to disable
    assert without(in_entra(found), *waiting) == without(as_mirrored(found), *waiting, *never_there)  # I1, I2
    check_quiet(found, waiting)
    check_sends(found, doubtful)
    check_ledger(found)


def check_quiet(found: Bed, waiting: tuple[str, ...] = ()) -> None:
    """I3, and no intent is left for ever: only of somebody whom Graph refuses, until she is mended."""
    calls, before = len(found.graph.calls), found.tables("provisioning", OF_PEOPLE)
    for job in (jobs.create, jobs.update, jobs.reconcile):
        assert found.run(job)["sent"] == 0
    assert len(found.graph.calls) == calls
    assert found.tables("provisioning", OF_PEOPLE) == before
    assert {row[1] for row in before["intents"]} <= {*waiting}
    assert before["forced"] == []


def check_sends(found: Bed, doubtful: set[str]) -> None:
    """At most 1 + 2 a crash of one person and state; I4: nothing but what was mirrored; nobody twice at once."""
    sends = Counter((a.external_id, json.dumps(a.data, sort_keys=True)) for a in found.accepted)
    for (one, _), times in sends.items():
        assert times <= (3 if one in doubtful else 1), (one, times)
    states = Counter(one for one, _ in sends)
    assert all(count <= (2 if one in (*LATER, BACK, GONE) else 1) for one, count in states.items()), states
    assert not found.graph.violations


def check_ledger(found: Bed) -> None:
    """The ledger says what was accepted last."""
    last = {a.external_id: a.data for a in found.graph.accepted}
    rows = found.rows("SELECT external_id, scim_user, active FROM provisioning.ledger")
    assert {one: json.loads(user) for one, user, _ in rows} == last
    assert all(bool(active) == last[one]["active"] for one, _, active in rows)


def check_create(found: Bed) -> None:
    check_run_on(found)


def check_update(found: Bed) -> None:
    check_run_on(found, waiting=(BAD, *HELD))
    assert approve_all(found.settings, found.clock) == ["attribute_to_null"]
    edit(found.db, BAD, Title=f"{MARKER} mended")
    assert found.run(jobs.update)["sent"] == 1 + len(HELD)
    assert in_entra(found) == as_mirrored(found)
    assert found.rows("SELECT employee_id FROM provisioning.intents") == []


@dataclass(frozen=True)
class Snapshots:
    """What readers may see of each endpoint: the old or the new, with its note of the fetch and of who is absent."""

    old: dict[str, Any]
    new: dict[str, Any]


def snapshot(found: Bed) -> dict[str, Any]:
    """Endpoint by endpoint: its rows, who is absent from it, and by which run it was fetched."""
    runs = dict(found.rows("SELECT table_name, run_id FROM provisioning.fetches"))
    absent = found.rows("SELECT TableName, RecordKey FROM dbo.AbsentRecords")
    return {
        name: (sorted(rows, key=repr), sorted(key for table, key in absent if table == name), runs.get(name))
        for name, rows in found.tables("dbo", ENDPOINTS).items()
    }


def check_old_or_new(found: Bed, known: Snapshots) -> set[str]:
    """I5: nobody sees half of an endpoint; gives back which are new."""
    fresh = set()
    for name, seen in snapshot(found).items():
        rows, absent, _ = known.new[name]
        if seen != known.old[name]:
            assert seen[:2] == (rows, absent), f"{name} is neither old nor new"
            assert seen[2] != known.old[name][2], f"{name} is new and its fetch is not"
            fresh.add(name)
    return fresh


def check_ingest(found: Bed, known: Snapshots) -> None:
    """Whatever of HR's news was written goes at once, the rest an hour later; then nothing happens any more."""
    check_old_or_new(found, known)
    found.clock.move(minutes=20)
    found.run(jobs.update)
    found.clock.move(minutes=41)
    found.run(jobs.ingest)
    assert {n: s[:2] for n, s in snapshot(found).items()} == {n: s[:2] for n, s in known.new.items()}
    found.run(jobs.create)
    found.run(jobs.update)
    assert in_entra(found) == as_mirrored(found)
    assert {found.run(jobs.ingest)[count] for count in ("inserted", "updated", "rejected")} == {0}
    check_quiet(found)
    check_sends(found, set())
    check_ledger(found)


def news(hr: HrEmulator) -> None:
    """HR has changed: four people, one of them new and one gone, and an organization."""
    for one in LATER:
        hr.patch(one, {"Title": f"{MARKER} later"})
    hr.put({**hr.people[9], "EmployeeId": "E00059", "Email": None})
    hr.remove("E00058")
    hr.organizations[0] = {**hr.organizations[0], "OrganizationName": "Board of directors"}


def traced_ingest(base: Base, hr: HrEmulator, killer: Killer, room: Path) -> tuple[Snapshots, Ended]:
    news(hr)
    base.copy(room / "new")
    with bed(base, room / "new", hr) as found:
        old = snapshot(found)
        ended = kill(found, killer, "ingest", None)
        return Snapshots(old, snapshot(found)), ended


def edge_of(is_new: Callable[[float], bool], most: float) -> float:
    """About when old becomes new: so many seconds after the beginning."""
    old, new = 0.0, most
    for _ in range(8):
        middle = (old + new) / 2
        old, new = (old, middle) if is_new(middle) else (middle, new)
    return (old + new) / 2


def look_at(killer: Killer, canary: Canary) -> None:
    """What the children printed tells of runs, and of nobody."""
    told = killer.stderr.read_text("utf-8")
    assert "INFO:provisioning." in told
    assert "Traceback" not in told
    canary.look_at(told, "a child's stderr")


def test_create_is_killed_before_and_after_every_statement_and_every_post(
    mirrored: Base, hr: HrEmulator, killer: Killer, room: Path, canary: Canary, tell: Callable[..., None]
) -> None:
    points, missed = at_every_point("create", mirrored, hr, killer, room, tell, check_create)
    look_at(killer, canary)
    assert not missed
    assert points >= {"after commit 1", "before write_intents 2", "before POST 2", "after POST 2", "after lease_drop 1"}


def test_update_is_killed_before_and_after_every_statement_and_every_post(
    changed: Base, hr: HrEmulator, killer: Killer, room: Path, canary: Canary, tell: Callable[..., None]
) -> None:
    points, missed = at_every_point("update", changed, hr, killer, room, tell, check_update)
    look_at(killer, canary)
    assert not missed
    assert points >= {"after open_hold 1", "before POST 2", "after POST 4", "before record_refused 1"}


@pytest.mark.parametrize("point", ["write_intents 1", "count_call 1", "POST 1", "write_intents 2", "POST 2", "POST 4"])
def test_a_process_that_stood_still_until_others_had_sent_does_no_lasting_harm(
    changed: Base, hr: HrEmulator, killer: Killer, point: str
) -> None:
    """I8: what it sends when it wakes is old, and is followed by something fresh within two hourly runs."""
    with bed(changed, changed.folder, hr) as found:
        with standing_still(found, killer, "update", f"before {point}"):
            doubtful = in_doubt(found)
            go_on_changing(found)
            found.clock.move(minutes=20)
            run_round(found)
            before = len(found.graph.calls)
        print(killer.stderr.read_text())
        assert len(found.graph.calls) - before == point.startswith("POST")  # what was on its way goes, nothing more
        run_round(found)
        check_everybody(found, doubtful, (BAD, *HELD))


def test_ingest_is_killed_before_and_after_every_statement_and_every_page(
    sent: Base, hr: HrEmulator, killer: Killer, room: Path, canary: Canary, tell: Callable[..., None]
) -> None:
    known, _ = traced_ingest(sent, hr, killer, room)
    points, missed = at_every_point("ingest", sent, hr, killer, room, tell, lambda found: check_ingest(found, known))
    look_at(killer, canary)
    assert not missed
    assert points >= {"after GET 3", "after mirror_update 1", "before note_absent 1", "after commit 3"}


def test_killed_in_the_middle_of_a_commit_over_two_files_readers_see_all_of_it_or_nothing(
    sent: Base, hr: HrEmulator, killer: Killer, room: Path, tell: Callable[..., None]
) -> None:
    """The mirror and the note of its fetch are in two files; most are killed where the old becomes the new."""
    known, traced = traced_ingest(sent, hr, killer, room)
    lasts = traced.points[f"after {COMMIT}"] - traced.points[f"before {COMMIT}"]
    ended: Counter[int] = Counter()

    def is_new(after: float) -> bool:
        folder = room / str(ended.total())
        sent.copy(folder)
        with bed(sent, folder, hr) as found:
            ended[kill(found, killer, "ingest", f"before {COMMIT}", after).signal] += 1
            return "Employees" in check_old_or_new(found, known)

    for _ in range(5):  # on a busy machine the edge may be missed
        edge = edge_of(is_new, 4 * lasts)
        seen = {is_new(edge * (0.8 + 0.4 * number / MOMENTS)) for number in range(MOMENTS)}
        if seen == {False, True}:
            break
    tell("kills in the middle of a commit", ended[signal.SIGALRM])
    assert ended.keys() <= {signal.SIGALRM, signal.SIGKILL}
    assert seen == {False, True}
