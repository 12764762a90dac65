"""The simulated company: people who come, change and go, the timers, the operator, and what the checker asks."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from provisioning import aftermath, by_hand, database, guards, jobs, review
from provisioning.database import Database
from provisioning.errors import Busy, Held, ProvisioningError
from provisioning.pacing import Clock
from provisioning.runs import TIMER_PATIENCE, Report
from provisioning.settings import Settings, Share
from tests.canary import Canary, is_in
from tests.conftest import PASSWORD, SHARES, hr_source
from tests.emulators.graph import GraphEmulator
from tests.emulators.hr import HrEmulator
from tests.world import truth
from tests.world.machine import Machine, Program
from tests.world.scheduler import Killed, Task
from tests.world.store import OnDisk, in_memory
from tests.world.truth import Record

START = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
HOUR, DAY = 3600.0, 86_400.0
FUNCTION_TIMEOUT = 1800.0
RESEND_DAYS = 3
MOST_DISABLES = 10
STAMPS = ("now", "an hour late", "tied", "in the future", "long ago", "none")
JOBS: dict[str, Callable[..., Report]] = {
    "ingest": jobs.ingest,
    "create": jobs.create,
    "update": jobs.update,
    "reconcile": jobs.reconcile,
    "outcomes": aftermath.collect,
}


class Broken(AssertionError):
    """A promise that was not kept."""


@dataclass
class Ended:
    """A run that came to its end by itself."""

    job: str
    counts: dict[str, int]
    error: ProvisioningError | None


@dataclass
class World:
    """A company of a few people, its HR system, its directory, and the app between them.

    Its database is in memory, or `on_disk` in a folder of its own. `settings` are app settings over those of the world.
    Use it in a `with`; only one at a time can be.
    """

    seed: int
    folder: Path
    template: Path
    people: int = 16
    settings: dict[str, str] = field(default_factory=dict)
    on_disk: bool = False

    def __post_init__(self) -> None:
        store = OnDisk(self.template, self.folder) if self.on_disk else in_memory(self.template)
        self.truth: dict[str, Record] = {}
        self.versions: defaultdict[str, list[Record]] = defaultdict(list)
        self.numbers: Counter[str] = Counter()
        self.removed: set[str] = set()
        self.ever_removed: set[str] = set()
        self.mistaken: set[str] = set()
        self.mistaken_since = 0.0
        self.resyncs: Counter[str] = Counter()
        self.reconciles = 0
        self.reads_outcomes = False
        self.told: list[str] = []
        self.ended: list[Ended] = []
        self.purged, self.paused = 0, False
        self._looks: Database | None = None
        self.hr = HrEmulator([], {"basic": ("svc", PASSWORD)})
        self.graph = GraphEmulator()
        self.machine = Machine(self.seed, store, self.hr, self.graph, START)
        chance = self.machine.chance
        self.graph.log_delay = 400.0
        self.graph.latency = lambda: chance.uniform(0.05, 0.5)
        self.hr.latency = lambda: chance.uniform(0.01, 0.2)
        for number in range(1, self.people + 1):
            manager = f"E{chance.randrange(1, number):03}" if number > 1 else None
            self._put(truth.person(number, self.today, manager))
        environ = {
            "SQL_CONNECTION_STRING": self.machine.database,
            "HR_SOURCE": json.dumps(hr_source(self.hr.url)),
            "HR_PASSWORD": PASSWORD,
            "GRAPH_BULK_UPLOAD_URL": self.graph.upload_url,
            "RESEND_DAYS": str(RESEND_DAYS),
            **self.settings,
        }
        self.app = Settings.from_environ(environ)

    def __enter__(self) -> World:
        self.machine.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._looks is not None:
            self._looks.close()
        self.machine.__exit__(*error)
        for server in (self.hr, self.graph):
            server._server.server_close()

    # --- time -----------------------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Seconds since the world began."""
        return self.machine.scheduler.now - START.timestamp()

    @property
    def today(self) -> date:
        return datetime.fromtimestamp(self.machine.scheduler.now, UTC).date()

    def wait_until(self, moment: float) -> None:
        """Let time pass; whoever runs into functionTimeout is killed."""
        while moment - self.now > 0.001:
            step = min(moment, self.now + 600.0) if self.machine.scheduler.tasks else moment
            self.machine.scheduler.run_until(START.timestamp() + step)
            for program in self._overdue():
                self.machine.kill(program)

    def wait_for_quiet(self) -> None:
        """Until nobody is at work, frozen ones included."""
        end = self.now + 2 * HOUR
        while self.machine.busy:
            if self.now > end:
                raise Broken("somebody is at work for two hours")
            before = self.now
            self.machine.scheduler.run_until(START.timestamp() + end, lambda: not self.machine.busy or self._overdue())
            if self._overdue() or self.now <= before:
                self.wait_until(self.now + 1.0)

    def _overdue(self) -> list[Program]:
        late = self.machine.scheduler.now - FUNCTION_TIMEOUT
        return [p for p in self.machine.at_work if p.alive and p.began < late]

    # --- people ---------------------------------------------------------------------------------------------------

    def _put(self, record: Record) -> None:
        """HR cannot change a record that it has forgotten."""
        employee_id = record["EmployeeId"]
        if employee_id not in self.removed:
            self.truth[employee_id] = record
            self.versions[employee_id].append(record)
            self.numbers[employee_id] += 1
            self.hr.put(record)

    def edit(self, employee_id: str, stamp: str = "now", **changes: Any) -> None:
        """Change a person; `stamp` says what HR writes into ModifiedDateTime."""
        old = self.truth[employee_id]
        moment = datetime.fromtimestamp(self.machine.scheduler.now, UTC)
        times = {
            "now": moment,
            "an hour late": moment - timedelta(hours=1),
            "in the future": moment + timedelta(days=2),
            "long ago": moment - timedelta(days=300),
            "none": None,
        }
        at = old["ModifiedDateTime"] if stamp == "tied" else (t.isoformat() if (t := times[stamp]) else None)
        changed = {**old, **changes, "ModifiedDateTime": at}
        self._put(truth.versioned(changed, self.numbers[employee_id] + 1))

    def move(self, employee_id: str, manager: str, stamp: str) -> None:
        """Another manager."""
        self.edit(employee_id, stamp, ManagerId=manager)

    def leave(self, employee_id: str, stamp: str) -> None:
        """She is inactive from now on."""
        self.edit(employee_id, stamp, Active=False)

    def end(self, employee_id: str, days: int, stamp: str) -> None:
        """Her last day is known."""
        self.edit(employee_id, stamp, ValidTo=(self.today + timedelta(days=days)).isoformat())

    def rejoin(self, employee_id: str, stamp: str) -> None:
        """She is back."""
        self.edit(employee_id, stamp, Active=True, ValidTo=None)

    def join(self, days: int) -> None:
        """Somebody starts in so many days, or has so many days ago."""
        number = len(self.truth) + 1
        manager = self.machine.chance.choice(sorted(self.truth))
        start = (self.today + timedelta(days=days)).isoformat()
        self._put({**truth.person(number, self.today, manager), "ValidFrom": start, "HiredDate": start})

    def remove(self, employee_id: str) -> None:
        """HR forgets her record."""
        if employee_id not in self.removed:
            self.removed.add(employee_id)
            self.ever_removed.add(employee_id)
            self.hr.remove(employee_id)

    def bring_back(self, employee_id: str) -> None:
        """HR has it again."""
        if employee_id in self.removed:
            self.removed.discard(employee_id)
            self.hr.put(self.truth[employee_id])

    def terminate_many(self, count: int) -> None:
        """Somebody in HR makes a mistake."""
        ids = [i for i in sorted(self.truth) if self.truth[i]["Active"] and i not in self.removed][:count]
        self.mistaken_since = self.machine.scheduler.now
        for employee_id in ids:
            self.mistaken.add(employee_id)
            self.leave(employee_id, "now")

    def mend(self) -> None:
        """And mends it, before more accounts are disabled than may go without approval."""
        since, hit = self.mistaken_since, set[str]()
        for upload in self.graph.accepted:
            if upload.time >= since and not upload.data["active"] and upload.external_id in self.mistaken:
                hit.add(upload.external_id)
        if len(hit) > MOST_DISABLES:
            raise Broken(f"mass change: {len(hit)} of {len(self.mistaken)} people were disabled by a mistake")
        for employee_id in sorted(self.mistaken):
            self.rejoin(employee_id, "now")
        self.mistaken.clear()

    # --- the services ---------------------------------------------------------------------------------------------

    def take_down(self, server: str, fault: str, seconds: float) -> None:
        """Every request to "graph" or "hr" fails like this for so long."""
        self.machine.down[server] = (self.machine.scheduler.now + seconds, fault)

    def pause_job(self) -> None:
        """An administrator pauses provisioning: what comes is only staged."""
        self.graph.directory().paused = self.paused = True

    def resume_job(self, purge: bool) -> None:
        """Provisioning goes on; `purge`: by "restart provisioning", which drops what is staged."""
        directory = self.graph.directory()
        if purge and directory.paused:
            self.purged += directory.purge()
        directory.paused = False

    # --- what runs ------------------------------------------------------------------------------------------------

    def start(
        self,
        job: str,
        points: dict[int, str] | None = None,
        requests: dict[int, str] | None = None,
        freeze: float = 0.0,
        **settings: Any,
    ) -> Program:
        """A timer fires, or an operator starts a run with other settings."""
        app = replace(self.app, **settings)
        program = Program(job, points=points or {}, requests=requests or {}, freeze=freeze)
        self.reconciles += job == "reconcile"
        self.reads_outcomes = self.reads_outcomes or job == "outcomes"
        work = JOBS[job]
        self._run(program, job, lambda: work(app, clock=self.machine.clock, patience=TIMER_PATIENCE))
        return program

    def resync(self, employee_id: str, points: dict[int, str] | None = None) -> Program:
        """Somebody forces a person."""
        program = Program(f"resync {employee_id}", points=points or {})
        self.resyncs[employee_id] += 1
        self._run(program, "resync", lambda: jobs.resync(self.app, employee_id, clock=self.machine.clock))
        return program

    def disable(self, employee_id: str, points: dict[int, str] | None = None) -> Program:
        """Somebody disables a person by name, whatever HR says."""
        program = Program(f"disable {employee_id}", points=points or {})
        self.resyncs[employee_id] += 1
        self._run(program, "disable", lambda: by_hand.disable(self.app, employee_id, "Ada", clock=self.machine.clock))
        return program

    def enable(self, employee_id: str, points: dict[int, str] | None = None) -> Program:
        """And takes it back."""
        program = Program(f"enable {employee_id}", points=points or {})
        self.resyncs[employee_id] += 1
        self._run(program, "enable", lambda: by_hand.enable(self.app, employee_id, "Ada", clock=self.machine.clock))
        return program

    def approve(self) -> Program:
        """The operator approves what waits, apart from what a mistake has made."""
        program = Program("approve")

        def work() -> None:
            for hold in review.waiting(self.app, clock=self.machine.clock):
                if hold.kind[0] not in (guards.DISABLES,) or not self.mistaken:
                    try:
                        review.approve(self.app, hold.hold_id, "Ada Approver", clock=self.machine.clock)
                    except ProvisioningError as exc:
                        self.tell(f"not approved: {exc}")

        self._run(program, "approve", work)
        return program

    def _run(self, program: Program, job: str, work: Callable[[], Any]) -> Task:
        def whole() -> None:
            try:
                report = work()
            except Killed:
                raise
            except ProvisioningError as exc:
                self._check_words(exc)
                self._note(job, exc.report.counts if exc.report else {}, exc)
            except BaseException as exc:
                self._broken.append(f"{program.name} broke: {type(exc).__name__} {exc}")
                raise
            else:
                self._note(job, report.counts if report else {}, None)
                for text in report.notes if report else ():
                    if is_in(text):
                        self._broken.append(f"a note of {program.name} tells of somebody")

        return self.machine.start(program, whole)

    @property
    def _broken(self) -> list[str]:
        return self.__dict__.setdefault("_broken_list", [])

    def _check_words(self, exc: ProvisioningError) -> None:
        canary = Canary()
        canary.errors.append(exc)
        canary.look_at_errors()
        self._broken.extend(canary.seen)

    def _note(self, job: str, counts: dict[str, int], error: ProvisioningError | None) -> None:
        self.ended.append(Ended(job, dict(counts), error))
        told = "done" if error is None else f"{type(error).__name__}: {error}"
        self.tell(f"{job} ends: {told} {dict(counts)}")
        if "candidates" in counts and counts["candidates"] != sum(counts[name] for name in SHARES):
            self._broken.append(f"{job}: the counts do not add up, {counts}")
        if job == "resync" and isinstance(error, Held | Busy):
            return

    def tell(self, text: str) -> None:
        """A line of the story."""
        at = datetime.fromtimestamp(self.machine.scheduler.now, UTC)
        self.told.append(f"{at:%d %H:%M:%S} {text}")

    # --- what the checker asks ------------------------------------------------------------------------------------

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the database, outside of every run."""
        self._looks = self._looks or database.connect(self.machine.database, Clock())
        return list(self._looks.select(sql, (), "check"))

    def check_broken(self) -> None:
        """Raises Broken for what was noticed while things ran."""
        if self._broken:
            raise Broken("; ".join(self._broken[:5]))

    def check_beliefs(self) -> None:
        """While nobody is at work: whom the ledger holds for settled, of her the last upload is the one it names."""
        if self.machine.busy:
            return
        last: dict[str, dict[str, Any]] = {a.external_id: a.data for a in self.graph.accepted}
        in_doubt = {row[0] for row in self.rows("SELECT employee_id FROM provisioning.intents")}
        ledger = dict(self.rows("SELECT employee_id, scim_user FROM provisioning.ledger"))
        for employee_id, text in ledger.items():
            if employee_id not in in_doubt and last.get(employee_id) != json.loads(text):
                raise Broken(f"stale-last: the last upload of {employee_id} is not the one the ledger holds")
        for employee_id in last.keys() - in_doubt - ledger.keys():
            raise Broken(f"lost: {employee_id} was uploaded, and nothing in the database knows of it")

    def check_uploads(self) -> None:
        """Phantoms, over-sent people, people twice in flight, calls over the limits."""
        for employee_id, uploads in self._by_person().items():
            if any(not self._is_a_version(data, employee_id) for data in uploads):
                raise Broken(f"phantom: {employee_id} was sent as she never was")
            for _, same in groupby(uploads):  # a state that came back is another one
                if (times := len(list(same))) > (most := self._allowed(employee_id)):
                    raise Broken(f"over-sent: {employee_id} {times} times the same, {most} allowed")
        if self.graph.violations and not self.machine.freezes:
            raise Broken(f"two at once: {self.graph.violations[0]}")
        if self.graph.refusals and not self.machine.freezes:
            raise Broken(f"refused: {self.graph.refusals[0]}")
        if self.graph.max_calls_in() > 40:
            raise Broken(f"{self.graph.max_calls_in()} calls in 5 s")
        self._check_day()

    def _check_day(self) -> None:
        times = sorted(call.time for call in self.graph.calls)
        limit = self.app.daily_call_limit
        for n, began in enumerate(times[:-limit]):
            if times[n + limit] - began < DAY - 1:
                raise Broken(f"more than {limit} calls in 24 h")

    def _by_person(self) -> dict[str, list[dict[str, Any]]]:
        found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for upload in self.graph.accepted:
            found[upload.external_id].append(upload.data)
        return found

    def _allowed(self, employee_id: str) -> int:
        """Once, twice for each doubt, and as scheduled; once more if her manager came late; daily while unconfirmed."""
        once_more = 2 * (self.machine.ambiguous[employee_id] + self.machine.interrupted)
        scheduled = int(self.now / DAY / self.app.resend_days) + self.resyncs[employee_id]
        late_manager = int(any(record["ManagerId"] for record in self.versions[employee_id]))
        unconfirmed = int(self.now / DAY) if self.reads_outcomes and self.paused else 0
        return 1 + once_more + scheduled + late_manager + unconfirmed

    def _is_a_version(self, data: dict[str, Any], employee_id: str) -> bool:
        from tests.emulators.entra import flatten  # noqa: PLC0415 - the directory's own way to read a payload

        flat = {path: value for path, value in flatten(data) if value not in (None, "")}
        for record in self.versions[employee_id]:
            wanted = truth.attributes(record)
            same = all(flat.get(path) == wanted.get(path) for path in {*wanted, f"{truth.ENTERPRISE}:manager.value"})
            if same and (record["Active"] or not data["active"]):
                return True
        return False

    def wrong(self, *, excused: Iterable[str] = (), managers: bool = True) -> dict[str, list[str]]:
        """Who is not in the directory as HR has her, and in which attributes.

        Managers who came after their reports are repaired by the daily reconcile (`managers`: are they looked at?).
        Whoever is disabled by hand is inactive, and HR does not count; the mark goes when HR has ended her as well.
        """
        users = self.graph.directory().users
        by_hand = {row[0] for row in self.rows("SELECT employee_id FROM provisioning.disabled_by_hand")}
        found: dict[str, list[str]] = {}
        for employee_id, record in self.truth.items():
            gone = employee_id in self.removed
            user = users.get(employee_id)
            if employee_id in by_hand and employee_id not in excused and user is not None and user["accountEnabled"]:
                found[employee_id] = ["active, though disabled by hand"]
            if employee_id in by_hand and user and not gone and not truth.is_active(record, self.today, gone=False):
                found[employee_id] = ["marked as disabled by hand, though HR agrees"]
            if employee_id in excused or employee_id in by_hand:
                continue
            if user is None:
                if truth.must_exist(record, self.today) and not gone:
                    found[employee_id] = ["is not there"]
                continue
            paths = truth.differences(record, user, self.today, gone=gone, known=set(users))
            if paths := [p for p in paths if managers or p != truth.MANAGER]:
                found[employee_id] = paths
        return found

    def snapshot(self) -> list[Any]:
        """What must stand still when nothing changes."""
        tables = (
            "dbo.Employees",
            "dbo.AbsentRecords",
            "provisioning.ledger",
            "provisioning.intents",
            "provisioning.forced",
        )
        return [sorted(map(repr, self.rows(f"SELECT * FROM {table}"))) for table in tables]

    # --- the end --------------------------------------------------------------------------------------------------

    def round(self, *others: str, sends: Sequence[str] = ("create", "update")) -> None:
        """The next hour, without faults: ingest, the operator, what is to be sent. No date passes in it."""
        self.wait_until((self.now // HOUR + 1) * HOUR + 300.0)
        self.start("ingest")
        self.wait_for_quiet()
        if "MAX_SHRINK" in str(self.ended[-1].error):  # as the message says, for an operator who knows that HR is right
            self.start("ingest", max_shrink=Share(100, percent=True))
            self.wait_for_quiet()
        for job in (*(("outcomes",) if self.reads_outcomes else ()), *sends, *others):
            self.start(job)
            self.wait_for_quiet()
            if self.ended[-1].counts.get("held"):
                self.approve()
                self.wait_for_quiet()
                self.start(job)
                self.wait_for_quiet()

    def settle(self) -> None:
        """No more faults: within two hourly runs everybody is right; in the end, too, and then it is quiet."""
        self.tell("no more faults")
        self.wait_for_quiet()
        self.machine.down.clear()
        self.resume_job(False)
        self.mend()
        if self.app.daily_call_limit < 1000 or self.app.update_by_modified:
            self.wait_until(self.now + DAY + HOUR)
        self.check_broken()
        self.round()
        self.round()
        if self.app.update_by_modified:
            self.round("reconcile")
        excused = self.truth if self.purged else self.ever_removed
        if wrong := self.wrong(excused=excused, managers=False):
            raise Broken(f"slow to recover: {wrong}")
        self.wait_until(self.now + DAY)
        self.round("reconcile", sends=("update",))
        # What was staged and dropped nobody knows of: it is sent again after RESEND_DAYS. Whoever has such a manager,
        # and was created before that, has him when she herself is sent again.
        for _ in range(2 if self.purged else 1):
            self.wait_until(self.now + self.app.resend_days * DAY)
            self.round("reconcile")
        self.round("reconcile")
        self.check_broken()
        if wrong := self.wrong():
            raise Broken(f"lost: {wrong}")
        before, calls = self.snapshot(), len(self.graph.calls)
        self.round()
        if len(self.graph.calls) != calls or self.snapshot() != before:
            raise Broken("not quiet: nothing has changed, and something was sent or written")
        self.check_beliefs()
        self.check_uploads()
