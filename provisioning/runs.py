"""A run: its report, its row in provisioning.runs, its lease, the open database, and what it decides by."""

import gc
import json
import logging
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from provisioning import alerts, database, holds, ledger, plan, rights, scim, send, tables, tombstones, trail
from provisioning.database import Database
from provisioning.errors import Busy, DatabaseError, MappingError, ProvisioningError, SettingsError
from provisioning.graph import Graph
from provisioning.guards import Guard, Limits, Situation
from provisioning.holds import Hold
from provisioning.ledger import Lease, Ledger
from provisioning.pacing import Clock
from provisioning.people import Brief, Due, G, Job, Person, same_key
from provisioning.plan import LogRead, Plan, Rules
from provisioning.scim import HR_TABLE, ScimMapping
from provisioning.send import Budget
from provisioning.settings import GRAPH, BulkUpload, Settings
from provisioning.trail import Reading

logger = logging.getLogger(__name__)

RUN_SECONDS = 24 * 60
"""80 % of functionTimeout in host.json: so long after a job began, waits included, nothing new is started."""

TIMER_PATIENCE = 600.0
"""Seconds that a timer waits for another run of its kind; the command line waits for none."""

INGEST_COUNTS = ("fetched", "inserted", "updated", "unchanged", "missing", "rejected")
OUTCOME_COUNTS = (
    *("entries", "success", "warning", "failure", "skipped", "unmatched"),
    *("recreated", "failed", "unconfirmed"),
)

COMPARE_COUNTS = (
    *("people", "accounts", "enabled", "differs", "disabled", "missing", "other_key", "doubled", "left_enabled"),
    *("without_hr", "left", "later", "out_of_scope", "parked", "ignored"),
)
FIRST_LOAD_COUNTS = (
    *("people", "accounts", "matched", "changed", "enables", "disables", "created", "clash", "beside", "doubled"),
    *("parked", "left_enabled", "without_hr", "left", "later", "out_of_scope", "ignored"),
)

_UNCOUNTED = (
    *("migrate", "approve", "holds", "show", "status", "forget", "infer-table", "add-columns", "source"),
    *("app-create", "app-schema", "app-notices", "app-start"),
    "rename",
)

_COUNTS: dict[str, tuple[str, ...]] = {
    "ingest": INGEST_COUNTS,
    "outcomes": OUTCOME_COUNTS,
    "retry-failed": ("failed", "due"),
    "purge": ("purged",),
    "take-over-names": ("read", "taken", "unchanged", "conflicts"),
    "compare": COMPARE_COUNTS,
    "first-load": FIRST_LOAD_COUNTS,
    **dict.fromkeys(_UNCOUNTED, ()),
}

NEWEST_SCRIPT = "0007_user_names.sql"
"""The last of the numbered scripts of sql/ without which the app does not work."""

EVENT = "provisioning_run"
"""How the summary records of runs are found in the log."""

T = TypeVar("T")

Observer = Callable[[Mapping[str, int]], None]
"""Is shown the counts of a run at work, again and again; for a terminal."""

MOST_NOTES = 1000


@dataclass
class Report:
    """What a run did: its counts, notes for the operator (reasons, no personal data), and its exit code."""

    job: str
    counts: dict[str, int]
    run_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    notes: list[str] = field(default_factory=list)
    exit_code: int = 0
    answer: dict[str, Any] = field(default_factory=dict)
    untold: int = 0
    page: list[str] = field(default_factory=list)
    """What is printed instead of the line of JSON: the answer in words."""
    signals: dict[str, Any] = field(default_factory=dict)
    """What else its summary record tells: the target's job, the day's calls."""
    newly_failed: set[str] = field(default_factory=set)
    """Who fails over there since this reading of the log, as ids are compared."""
    standing: str | None = None
    """How the provisioning job stands, in Graph's word, where it was asked; empty where it is at work."""
    printed: bool = False
    """Whether its line of JSON stands on stdout already."""

    def line(self) -> str:
        """The one JSON line of a job."""
        return json.dumps({"job": self.job, "run_id": self.run_id, **self.answer, **self.counts})

    def record(self, seconds: float) -> str:
        """The summary record: one line of JSON, flat, for the log. See docs/operations.md."""
        head = {"event": EVENT, "job": self.job, "run_id": self.run_id, "exit_code": self.exit_code}
        return json.dumps({**head, "seconds": round(seconds, 1), **self.signals, **self.counts})

    def note(self, text: str) -> None:
        """Something the operator should read."""
        if len(self.notes) < MOST_NOTES:
            self.notes.append(text)
        else:
            self.untold += 1


def no_counts(job: str) -> dict[str, int]:
    """The counts of a job that has done nothing."""
    return dict.fromkeys(_COUNTS.get(job, send.COUNTS), 0)


@dataclass
class Work:
    """What a sending run has at hand.

    Nothing here is a `cached_property`: before Python 3.12 one lock serves all instances, and a run that waits for the
    database would keep a resync in the same worker waiting, too.
    """

    db: Database
    settings: Settings
    endpoint: BulkUpload
    mapping: ScimMapping
    report: Report
    clock: Clock
    began: float
    unnamed: dict[str, str] = field(default_factory=dict, init=False)
    """Why people got no user name, by their ids as they are compared."""
    _book: Ledger | None = field(default=None, init=False)
    _missing: tuple[str, int] | None = field(default=None, init=False)
    _mapping_at_first: str | None = field(default=None, init=False)
    _reading: Reading | None = field(default=None, init=False)
    _is_forgotten: Callable[[str], bool] | None = field(default=None, init=False)

    @property
    def target(self) -> str:
        """Whom the ledger, the holds and the lease are about."""
        return self.endpoint.target

    @property
    def run(self) -> tuple[str, str]:
        """The job and the run, as holds note them."""
        return self.report.job, self.report.run_id

    @property
    def book(self) -> Ledger:
        """The ledger of the target."""
        self._book = self._book or Ledger(self.db, self.target, self.report.run_id, self.missing)
        return self._book

    @property
    def missing(self) -> tuple[str, int]:
        """Who counts as missing from HR, as when this run first looked."""
        self._missing = self._missing or missing(self.db, self.settings, self.mapping.columns)
        return self._missing

    @property
    def budget(self) -> Budget:
        """The tenant's calls of 24 h."""
        return Budget.of(self.settings.daily_call_limit)

    @property
    def log(self) -> LogRead | None:
        """What was read of Entra's log about the target, when this run first looked; None where outcomes are off."""
        self._reading = self._reading or trail.reading(self.db, self.target)
        return self._reading.log(self.db.utc_now())

    @property
    def is_forgotten(self) -> Callable[[str], bool]:
        """Whether an EmployeeId had a tombstone when this run first looked."""
        self._is_forgotten = self._is_forgotten or tombstones.recogniser(self.db)
        return self._is_forgotten

    def lease(self, patience: float) -> AbstractContextManager[Lease]:
        """The right to send to the target."""
        return leased(self.db, self.settings, f"send {self.target}", self.report, self.clock, patience)

    def rules(self, job: Job, since: datetime | None = None, now: datetime | None = None) -> Rules:
        """What decides who is due; `now` other than the database's time is for looking ahead."""
        now, names = now or self.db.utc_now(), self.settings.user_names
        return Rules(
            job=job,
            mapping=self.mapping,
            now=now,
            time_zone=self.settings.time_zone,
            lead_days=self.settings.create_lead_days,
            prehire_active=self.settings.prehire_active,
            resend_before=now - timedelta(days=self.settings.resend_days),
            dead_before=now - timedelta(seconds=ledger.LIFE_OF_A_RUN),
            resend_since=since,
            log=self.log,
            is_forgotten=self.is_forgotten,
            why_unnamed=self._why_unnamed if names and not names.may_be_the_id else None,
        )

    def _why_unnamed(self, employee_id: str) -> str:
        return self.unnamed.get(same_key(employee_id), plan.SHOWN_AS_ID)

    def plan(self, people: Iterable[Person], rules: Rules, *, narrowed: bool = False) -> Plan[Due]:
        """What a run will do with these people. Leavers whose rows make no SCIM user go as they were last sent.

        `narrowed`: they are not everybody, so that whoever has a leaver's name elsewhere must be asked for.
        """
        return self._with_leavers(plan.make, people, rules, narrowed)

    def outline(self, people: Iterable[Person], rules: Rules, *, narrowed: bool = False) -> Plan[Brief]:
        """The same of a whole company, in brief."""
        return self._with_leavers(plan.outline, people, rules, narrowed)

    def _with_leavers(
        self, make: Callable[[Iterable[Person], Rules], Plan[G]], people: Iterable[Person], rules: Rules, narrowed: bool
    ) -> Plan[G]:
        made: Plan[G] = make(people, rules)
        if narrowed:
            made.due = self._told_apart(made.due, rules)
        for leavers in database.chunks([p.employee_id for p in made.parked if p.leaves]):
            found: list[G] = self._told_apart(make(self.book.people_of(self.mapping, leavers), rules).due, rules)
            going = {d.key for d in found}
            made.due.extend(found)
            made.due = plan.order(made.due)
            made.parked = [p for p in made.parked if p.key not in going]
        return made

    def _told_apart(self, due: Sequence[G], rules: Rules) -> list[G]:
        """The same; of those who would be disabled it is known who is active elsewhere under their name."""
        leaving = [d.employee_id for d in due if d.disables] if HR_TABLE in self.mapping.control else []
        moved: dict[str, str | None] = {}
        for some in database.chunks(leaving):
            whole = plan.make(self.book.people_of(self.mapping, some), rules).due  # names are no part of a brief
            verdicts = plan.park_clashes(whole, self.book.namesakes(self.mapping, whole), rules)
            moved.update((v.key, v.moved_to) for v in verdicts if isinstance(v, Due))
        return [replace(d, moved_to=moved[d.key]) if d.key in moved else d for d in due]

    def guard(
        self,
        waiting: Sequence[Hold],
        changed_mapping: str | None,
        *,
        named: Set[str] = frozenset(),
        ahead: date | None = None,
    ) -> Guard:
        """What may go without approval, as things stand; `ahead`: on a day to come, when today's disables are over."""
        standing = holds.waiting_keys(waiting)
        for kind, keys in holds.unused(self.db, self.target).items() if ahead is None else ():
            standing.setdefault(kind, set()).update(keys)
        sent = self.book.people_sent()
        situation = Situation(
            limits=self.limits(sent),
            people_sent=sent,
            approved=holds.approved(self.db, self.target, ahead),
            waiting=standing,
            disabled_lately=set() if ahead else self.book.disabled_lately(),
            changed_mapping=changed_mapping,
            named=named,
        )
        return Guard(situation)

    def limits(self, sent: int | None = None) -> Limits:
        """How many people may go without approval, of so many `sent` before."""
        sent, settings = self.book.people_sent() if sent is None else sent, self.settings
        return Limits.of(settings.max_disables.of(sent), settings.max_changes.of(sent), settings.max_creates.of(sent))

    def mapping_hash(self) -> str:
        """What the mapping is now: the view, and the settings that change what it gives."""
        extensions = sorted(self.settings.extensions.items())
        more = [f"{prefix}={e.urn} {sorted(e.types.items())}" for prefix, e in extensions]
        return holds.mapping_hash(self.db, self.mapping, more)

    @property
    def mapping_at_first(self) -> str:
        """What the mapping was when this run first looked."""
        self._mapping_at_first = self._mapping_at_first or self.mapping_hash()
        return self._mapping_at_first

    def changed_mapping(self) -> str | None:
        """The mapping's hash where it is not the accepted one. Before anybody was sent, any mapping is."""
        found, accepted = self.mapping_at_first, holds.accepted_mapping(self.db, self.target)
        return found if accepted not in (None, found) and self.book.people_sent() else None

    def accept_first_mapping(self) -> None:
        """Before anybody was sent, and where none was ever approved, the mapping is accepted as it stands."""
        found, accepted = self.mapping_at_first, holds.accepted_mapping(self.db, self.target)
        if accepted != found and (accepted is None or not self.book.people_sent()):
            holds.accept_mapping(self.db, self.target, found, None)

    def sender(
        self,
        lease: Lease,
        graph: Graph,
        rules: Rules,
        guard: Guard,
        seconds: float,
        only_first: str | None = None,
        observe: Observer | None = None,
    ) -> send.Sender:
        """What sends, for so many seconds since the job began; `only_first`: why not more than one request."""
        ends = self.began + seconds
        return send.Sender(
            self.book,
            lease,
            graph,
            rules,
            guard,
            self.clock,
            budget=self.budget,
            ends=ends,
            observe=observe,
            mapping_changed=lambda: self.mapping_hash() != self.mapping_at_first,
            only_first=only_first,
        )

    def calls_left(self) -> int:
        """How many of the day's calls a run may still use."""
        return max(0, self.budget.for_runs - self.book.calls_used().used_today)

    def tell_the_days_calls(self) -> None:
        """Put into the summary record how many of the tenant's calls are used; left out where that cannot be read."""
        with suppress(ProvisioningError):
            used = self.book.calls_used().used_today
            self.report.signals |= {"calls_24h": used, "daily_limit": self.budget.daily_limit}


def missing(db: Database, settings: Settings, columns: Sequence[str] | None = None) -> tuple[str, int]:
    """Who is missing from HR, as `ledger.Ledger` takes it: absent from two fetches, so many hours apart.

    `columns` are those of dbo.ScimUsers, where somebody has read them already.

    Of which table a row is says the view, row by row (HrTable), or else whose records are people. What ingest noted
    counts whether or not HR_SOURCE is set here: a run from another shell must enable nobody.
    """
    columns = ledger.view_columns(db) if columns is None else columns
    return "" if HR_TABLE in columns else tables.people_fetch(db) or "", -3600 * settings.missing_after_hours


@contextmanager
def working(settings: Settings, clock: Clock, report: Report, patience: float) -> Iterator[Work]:
    """The database, the mapping and the target, and a report that errors take along."""
    began = clock.monotonic()
    with reporting(report, clock, settings), opened(settings, clock, patience) as db:
        endpoint = needed(settings.bulk_upload, GRAPH)
        report.signals["target_job"] = endpoint.job
        yield Work(db, settings, endpoint, compiled(db, settings), report, clock, began)


def prepare_process() -> None:
    """Set Python up for what a run does: read millions of values, one thread asking while another works.

    It looks for circles of garbage after more objects than by itself: a run makes hardly any, and would spend a fifth
    of its time looking for some. Threads take turns after 1 ms, not 5: who reads an answer has to wait for a turn at
    each piece of it, and by that an ingest took a twentieth longer.
    """
    gc.set_threshold(20_000, 20, 50)
    sys.setswitchinterval(0.001)


@contextmanager
def reporting(report: Report, clock: Clock | None = None, settings: Settings | None = None) -> Iterator[None]:
    """An error takes the report along, so that what was done is told also when a job fails; and the summary record.

    `settings`, of jobs that run by themselves: where the phone rings if something is news.
    """
    clock = clock or Clock()
    began = clock.monotonic()
    try:
        yield
    except ProvisioningError as exc:
        report.exit_code = exc.exit_code
        report.signals["error"] = type(exc).__name__
        exc.report = report
        raise
    except BaseException as exc:
        report.exit_code = 1
        report.signals["error"] = type(exc).__name__
        exc.report = report  # type: ignore[attr-defined]
        raise
    finally:
        logger.info("%s", report.record(clock.monotonic() - began))
        if settings is not None:
            alerts.tell(settings, _ended(report), clock)


def _ended(report: Report) -> alerts.Ended:
    return alerts.Ended(
        report.job,
        report.run_id,
        report.exit_code,
        report.signals.get("error"),
        report.counts,
        len(report.newly_failed),
        report.standing,
    )


@contextmanager
def recorded(db: Database, report: Report, target: str | None) -> Iterator[None]:
    """A row of provisioning.runs."""
    ledger.start_run(db, report.run_id, report.job, target)
    code = 1
    try:
        yield
        code = report.exit_code
    except ProvisioningError as exc:
        code = exc.exit_code
        raise
    finally:
        with _told("that the run has ended could not be written down"):
            ledger.end_run(db, report.run_id, code, report.counts)


@contextmanager
def leased(
    db: Database, settings: Settings, name: str, report: Report, clock: Clock, patience: float
) -> Iterator[Lease]:
    """The lease, held and renewed. Raises Busy when it is not to be had within `patience` seconds."""
    lease = Lease(name, report.run_id)
    until = clock.monotonic() + patience
    while not lease.acquire(db):
        if clock.monotonic() >= until:
            raise Busy(f"Another run is at work ({name}); nothing was done.")
        clock.sleep(5.0)
    lease.keep(lambda: database.connect(settings.sql_connection_string, clock), clock)
    try:
        if lease.taken_over:
            logger.warning("The last holder of the lease %s did not give it back; taking over.", name)
            clock.sleep(ledger.TAKEOVER_PAUSE)
        yield lease
    finally:
        lease.let_go()
        with _told(f"the lease {name} could not be given back and expires in {ledger.LEASE_SECONDS} s"):
            lease.drop(db)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """A database that fails while a run cleans up is told, but does not stand before what failed the run."""
    try:
        yield
    except DatabaseError as exc:
        logger.warning("%s: %s", what, exc)


def unready(db: Database) -> tuple[str, str] | None:
    """What keeps the app from this database, and the mend; None where nothing does."""
    migrate = "run: python -m provisioning migrate"
    found = db.one("has_migrations")
    if found is None:
        return "the database is empty", migrate
    if found[0] is None:
        return "this login may not see the app's tables", f"as the database's administrator: {rights.ADD_MEMBER}"
    if NEWEST_SCRIPT not in {str(row[0]) for row in db.rows("migrations")}:
        return f"the database is older than the app: {NEWEST_SCRIPT} was not applied", migrate
    return None


@contextmanager
def opened(settings: Settings, clock: Clock, patience: float) -> Iterator[Database]:
    """The database, migrated. Raises SettingsError where it is not."""
    with database.connect(settings.sql_connection_string, clock, patience) as db:
        fault = unready(db)
        if fault:
            raise SettingsError([f"SQL_CONNECTION_STRING: {'; '.join(fault)}"])
        yield db


def compiled(db: Database, settings: Settings) -> ScimMapping:
    """The mapping, understood. Raises MappingError where the view cannot be sent from."""
    columns = ledger.view_columns(db)
    if not columns:
        raise MappingError(["dbo.ScimUsers: there is no such view; run: python -m provisioning migrate"])
    if unsaid := tables.unsaid(db, settings.hr_sources, columns):
        raise MappingError(unsaid)
    return scim.compile_mapping(columns, settings.extensions, explicit_nulls=settings.explicit_nulls)


def needed(value: T | None, name: str) -> T:
    """A setting that must be there. Raises SettingsError where it is not."""
    if value is None:
        raise missing_setting(name)
    return value


def missing_setting(name: str) -> SettingsError:
    """A setting that must be there, and is not."""
    return SettingsError([f"{name}: is missing."])


def add(report: Report, **counts: int) -> None:
    """Count some more."""
    for name, count in counts.items():
        report.counts[name] += count
