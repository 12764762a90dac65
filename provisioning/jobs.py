"""The jobs: the only place where steps are put in order. Timers, the HTTP function and the command line call these."""

import json
import logging
import re
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TextIO, TypeVar

from provisioning import database, ledger, migration, mirror, plan, retry, scim, send, tables
from provisioning.database import Database
from provisioning.errors import (
    BudgetSpent,
    Busy,
    DatabaseError,
    LeaseLost,
    MalformedId,
    MappingError,
    NotSendable,
    ProvisioningError,
    SettingsError,
    UnfinishedRun,
    UnknownEmployee,
    UpstreamError,
)
from provisioning.graph import Graph
from provisioning.hr import HrApi
from provisioning.ledger import Lease, Ledger
from provisioning.mirror import Fetch, Table
from provisioning.pacing import Clock
from provisioning.plan import Job, Rules
from provisioning.scim import ScimMapping
from provisioning.settings import GRAPH, HR, BulkUpload, Settings
from provisioning.source import Resource, Source

logger = logging.getLogger(__name__)

RUN_SECONDS = 24 * 60
"""80 % of functionTimeout in host.json: so long after a job began, waits included, nothing new is started."""

TIMER_PATIENCE = 600.0
"""Seconds that a timer waits for another run of its kind; the command line waits for none."""

RESYNC_SECONDS, RESYNC_DATABASE_PATIENCE = 120, 30.0
"""An HTTP answer must be there in 230 s."""

REFRESH_SECONDS = 60
"""So long a resync tries to get one record from HR."""

INGEST_COUNTS = ("fetched", "inserted", "updated", "unchanged", "missing", "rejected")
STALE_INGEST = timedelta(hours=26)

T = TypeVar("T")

_INGEST_LEASE = "ingest"
_MOST_NOTES = 1000


@dataclass
class Report:
    """What a run did: its counts, notes for the operator (reasons, no personal data), and its exit code."""

    job: str
    counts: dict[str, int]
    run_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    notes: list[str] = field(default_factory=list)
    exit_code: int = 0
    answer: dict[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        """The one JSON line of a job."""
        return json.dumps({"job": self.job, "run_id": self.run_id, **self.answer, **self.counts})

    def note(self, text: str) -> None:
        """Something the operator should read."""
        if len(self.notes) < _MOST_NOTES:
            self.notes.append(text)


def no_counts(job: str) -> dict[str, int]:
    """The counts of a job that has done nothing."""
    names = {"ingest": INGEST_COUNTS, "migrate": ()}.get(job, send.COUNTS)
    return dict.fromkeys(names, 0)


# --- ingest -------------------------------------------------------------------------------------------------------


def ingest(settings: Settings, *, clock: Clock | None = None, patience: float = 0.0) -> Report:
    """Copy the HR API into SQL, one table and one transaction per endpoint.

    Raises UpstreamError when an endpoint could not be read completely (that table is then untouched, the others go on),
    Busy when another ingest is at work, SettingsError when HR_SOURCE and the tables do not fit together.
    """
    clock = clock or Clock()
    ends = clock.monotonic() + RUN_SECONDS
    report = Report("ingest", no_counts("ingest"))
    with _reporting(report), _open(settings, clock, retry.DATABASE_PATIENCE) as db:
        source = _needed(settings.hr_source, HR)
        described = _described(db, source)
        with _leased(db, settings, _INGEST_LEASE, report, clock, patience), _recorded(db, report, None):
            with HrApi(source, clock, ends) as api:
                failures = [_ingest_one(db, api, r, t, report) for r, t in described]
            if any(failures):
                raise UpstreamError(" ".join(f for f in failures if f))
    return report


def _described(db: Database, source: Source) -> list[tuple[Resource, Table]]:
    found: list[tuple[Resource, Table]] = []
    problems: list[str] = []
    for resource in source.resources:
        try:
            found.append((resource, tables.describe(db, resource)))
        except SettingsError as exc:
            problems.extend(exc.problems)
    if problems:
        raise SettingsError(problems)
    return found


def _ingest_one(db: Database, api: HrApi, resource: Resource, table: Table, report: Report) -> str | None:
    """Mirror one endpoint; gives back what went wrong. One endpoint's outage does not keep the others."""
    fetch = Fetch(table, tables.keys(db, table))
    try:
        began = db.utc_now()
        with tempfile.TemporaryFile("w+", encoding="utf-8") as spool:
            _spool_changes(db, api, resource, fetch, spool)
            _check_complete(fetch)
            with db.transaction():
                newer = tables.refreshed_since(db, table, database.stamp(began))
                _write_spooled(db, fetch, spool, newer)
                missing = tables.note_absent(db, table, fetch, newer)
                tables.record_fetch(db, table, fetch.fetched, report.run_id)
    except (UpstreamError, DatabaseError) as exc:
        logger.error("Ingest of %s failed and changed nothing: %s", resource.table, exc)
        _add(report, fetched=fetch.fetched)
        return str(exc)
    _add(
        report,
        fetched=fetch.fetched,
        inserted=fetch.inserted,
        updated=fetch.updated,
        unchanged=fetch.unchanged,
        missing=missing,
        rejected=len(fetch.rejected),
    )
    _note_fetch(fetch, report)
    return None


def _spool_changes(db: Database, api: HrApi, resource: Resource, fetch: Fetch, spool: TextIO) -> None:
    """Compare page by page with what the table holds; put what differs aside until the last page has come."""
    rows: list[mirror.Values] = []
    for page in api.pages(resource):
        rows.extend(fetch.take(page))
        while len(rows) >= tables.ROWS_A_STATEMENT:
            _spool(db, fetch, rows[: tables.ROWS_A_STATEMENT], spool)
            rows = rows[tables.ROWS_A_STATEMENT :]
    _spool(db, fetch, rows, spool)


def _spool(db: Database, fetch: Fetch, rows: Sequence[mirror.Values], spool: TextIO) -> None:
    known = [r for r in rows if mirror.canonical_key(r[fetch.table.key.name]) in fetch.held_keys]
    held = tables.held(db, fetch.table, known) if known else {}
    for change in fetch.changes(list(rows), held):
        spool.write(json.dumps(change) + "\n")


def _check_complete(fetch: Fetch) -> None:
    """Raises UpstreamError for an answer that cannot be the whole of it."""
    if not fetch.fetched and fetch.held_keys:
        raise UpstreamError(f"{fetch.table.name}: HR answered with no record at all; nothing was changed.")
    if vanished := fetch.vanished_fields():
        names = ", ".join(vanished)
        raise UpstreamError(f"{fetch.table.name}: no record has {names} any more; nothing was changed.")


def _write_spooled(db: Database, fetch: Fetch, spool: TextIO, newer: set[str]) -> None:
    """Write what was put aside, but nothing older over what a resync has fetched since (`newer`: its keys)."""
    spool.seek(0)
    key = fetch.table.key.name

    def changes() -> Iterator[tuple[bool, mirror.Values]]:
        for line in spool:
            is_new, row = json.loads(line)
            if mirror.canonical_key(row[key]) not in newer:
                yield is_new, row
            elif is_new:
                fetch.inserted, fetch.unchanged = fetch.inserted - 1, fetch.unchanged + 1
            else:
                fetch.updated, fetch.unchanged = fetch.updated - 1, fetch.unchanged + 1

    tables.write(db, fetch.table, changes())


def _note_fetch(fetch: Fetch, report: Report) -> None:
    for one in fetch.rejected:
        report.note(f"rejected {one.table} {one.key or '(no key)'}: {'; '.join(one.reasons)}")
    if fetch.unknown_fields:
        names = ", ".join(sorted(fetch.unknown_fields))
        report.note(f"{fetch.table.name}: fields without a column, not kept: {names}")


# --- sending ------------------------------------------------------------------------------------------------------


def create(settings: Settings, *, clock: Clock | None = None, patience: float = 0.0) -> Report:
    """Send active people whose ValidFrom is due and who were never sent. Raises UnfinishedRun if somebody is left."""
    return _send(settings, Job.CREATE, clock or Clock(), patience)


def update(settings: Settings, *, clock: Clock | None = None, patience: float = 0.0) -> Report:
    """Send people sent before whose SCIM user is no longer the one sent. Raises UnfinishedRun if somebody is left."""
    return _send(settings, Job.UPDATE, clock or Clock(), patience)


def reconcile(settings: Settings, *, clock: Clock | None = None, patience: float = 0.0) -> Report:
    """Like update, looking at everybody sent before; re-sends what is old, and reports of late managers."""
    return _send(settings, Job.RECONCILE, clock or Clock(), patience)


def resend(settings: Settings, since: datetime | None, *, clock: Clock | None = None, patience: float = 0.0) -> Report:
    """Send everybody again who was last sent at or after `since` (None: everybody ever sent)."""
    return _send(settings, Job.RESEND, clock or Clock(), patience, since)


@dataclass(frozen=True)
class _Work:
    """What a sending run has at hand."""

    db: Database
    settings: Settings
    endpoint: BulkUpload
    mapping: ScimMapping
    report: Report
    clock: Clock
    began: float

    @property
    def book(self) -> Ledger:
        return Ledger(self.db, self.endpoint.target, self.report.run_id)

    def lease(self, patience: float) -> AbstractContextManager[Lease]:
        return _leased(self.db, self.settings, f"send {self.endpoint.target}", self.report, self.clock, patience)

    def rules(self, job: Job, since: datetime | None = None) -> Rules:
        now = self.db.utc_now()
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
        )

    def sender(self, lease: Lease, graph: Graph, rules: Rules, seconds: float) -> send.Sender:
        limit, ends = self.settings.daily_call_limit, self.began + seconds
        return send.Sender(self.book, lease, graph, rules, self.clock, daily_limit=limit, ends=ends)


@contextmanager
def _working(settings: Settings, clock: Clock, report: Report, patience: float) -> Iterator[_Work]:
    began = clock.monotonic()
    with _reporting(report), _open(settings, clock, patience) as db:
        endpoint = _needed(settings.bulk_upload, GRAPH)
        yield _Work(db, settings, endpoint, _mapping(db, settings), report, clock, began)


def _send(settings: Settings, job: Job, clock: Clock, patience: float, since: datetime | None = None) -> Report:
    report = Report(job.value, no_counts(job.value))
    with (
        _working(settings, clock, report, retry.DATABASE_PATIENCE) as work,
        work.lease(patience) as lease,
        _recorded(work.db, report, work.endpoint.target),
    ):
        if job is Job.CREATE:
            _warn_of_old_ingest(work)
        _send_due(work, lease, job, since)
    return report


def _send_due(work: _Work, lease: Lease, job: Job, since: datetime | None) -> None:
    book, rules = work.book, work.rules(job, since)
    book.purge_calls()
    narrowed = job is Job.UPDATE and work.settings.update_by_modified
    condition = ("where_modified", *ledger.modified_parameters(rules.now)) if narrowed else ()
    made = plan.make(book.people(work.mapping, *condition), rules)
    due, parked = [d.user.employee_id for d in made.due], made.parked
    del made  # of a first load, it is everybody's data
    _tell_vanished(work.report, book.vanished())
    with Graph(work.endpoint) as graph:
        sender = work.sender(lease, graph, rules, RUN_SECONDS)
        with _tallied(sender, work.report):
            sender.run(due, parked, check_names=narrowed)


def _tell_vanished(report: Report, vanished: list[str]) -> None:
    """Never disabled by silence: an alarm."""
    report.counts["out_of_scope"] = len(vanished)
    if vanished:
        named = ", ".join(vanished[:20]) + (", …" if len(vanished) > 20 else "")
        report.note(f"out of scope: {len(vanished)} people last sent as active are no longer in dbo.ScimUsers: {named}")
        report.exit_code = 3


@contextmanager
def _tallied(sender: send.Sender, report: Report) -> Iterator[None]:
    """The sender's counts go into the report, however it ends. Raises UnfinishedRun when it had to stop."""
    try:
        yield
    finally:
        out_of_scope = report.counts["out_of_scope"]
        report.counts.update(sender.tally.counts)
        report.counts["out_of_scope"] = out_of_scope
        for one in sender.tally.parked:
            report.note(f"parked {one.employee_id or '(no EmployeeId)'}: {'; '.join(one.reasons)}")
    deferred = report.counts["deferred"]
    if sender.tally.stopped or deferred:
        raise UnfinishedRun(f"{deferred} people are still due: {sender.tally.stopped or 'see the log'}.")


def _warn_of_old_ingest(work: _Work) -> None:
    source = work.settings.hr_source
    if source is None or source.people is None:
        return
    row = work.db.one("last_fetch", source.people.table)
    last = database.as_utc(row[0]) if row else None
    if last is None or work.db.utc_now() - last > STALE_INGEST:
        told = "there was none yet" if last is None else f"the last was at {last:%Y-%m-%d %H:%M} UTC"
        work.report.note(f"warning: no complete ingest in 26 h ({told}); people are created from old data.")


# --- resync -------------------------------------------------------------------------------------------------------


def resync(settings: Settings, employee_id: str, *, refresh: bool = True, clock: Clock | None = None) -> Report:
    """Fetch one person from HR again, where that can be asked, and force her through now, changed or not.

    The report's answer holds employee_id, status ("accepted", or "queued" for the sender at work) and changed.
    Raises MalformedId, UnknownEmployee, NotSendable, BudgetSpent, UpstreamError.
    """
    clock = clock or Clock()
    report = Report("resync", no_counts("resync"))
    check_id(employee_id)
    report.answer = {"employee_id": employee_id}
    with (
        _working(settings, clock, report, RESYNC_DATABASE_PATIENCE) as work,
        _recorded(work.db, report, work.endpoint.target),
    ):
        if refresh:
            _refresh(work, employee_id)
        _force(work, employee_id)
    return report


def check_id(employee_id: str) -> None:
    """Raises MalformedId for what cannot be an EmployeeId."""
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", employee_id, re.ASCII):
        raise MalformedId()


def _refresh(work: _Work, employee_id: str) -> None:
    """Mirror one record as HR has it now; what HR no longer knows stays as mirrored."""
    source, db = work.settings.hr_source, work.db
    resource = source.people if source else None
    if source is None or resource is None or resource.item_path is None:
        return
    table = tables.describe(db, resource)
    mirrored = tables.key(db, table, employee_id)
    with HrApi(source, work.clock, work.began + REFRESH_SECONDS) as api:
        record = api.record(resource, str(next(iter(mirrored.values()), employee_id)))
    if record is None:
        return
    fetch = Fetch(table, mirrored)
    rows = fetch.take([record])
    if fetch.rejected:
        raise NotSendable(employee_id, tuple(f"HR's record: {r}" for r in fetch.rejected[0].reasons))
    if mirror.canonical_key(rows[0][table.key.name]) != mirror.canonical_key(employee_id):
        raise UpstreamError(f"{table.name}: HR answered with another person's record for {employee_id}.")
    held = tables.held(db, table, rows)
    rows = [fetch.kept(row, held[str(row[table.key.name])]) if held else row for row in rows]
    with db.transaction():
        tables.write(db, table, fetch.changes(rows, held))
        tables.record_refresh(db, table, str(rows[0][table.key.name]))


def _force(work: _Work, employee_id: str) -> None:
    """Put her down as forced first, then try for the lease: whoever holds it now will find her."""
    book, report = work.book, work.report
    found = book.find(employee_id)
    if found is None:
        raise UnknownEmployee(employee_id)
    rules, token = work.rules(Job.RESYNC), book.force(found)
    due = _judged(book, rules, found, token)
    report.answer = {"employee_id": found, "status": "queued", "changed": due.changed}
    try:
        with work.lease(0.0) as lease, Graph(work.endpoint) as graph:
            sender = work.sender(lease, graph, rules, RESYNC_SECONDS)
            unfinished = None
            try:
                with _tallied(sender, report):
                    sender.run(())
            except UnfinishedRun as exc:
                unfinished = exc
            _settle(sender.tally, report, found, unfinished, lambda: _sent_meanwhile(book, rules, found, token))
    except (Busy, LeaseLost):
        logger.info("Resync of %s is left to the sender at work.", found)


def _judged(book: Ledger, rules: Rules, employee_id: str, token: str) -> plan.Due:
    """The person as she would go now. Raises NotSendable, and forces nobody then."""
    made = plan.make(book.people_of(rules.mapping, [employee_id]), rules)
    names = book.namesakes(rules.mapping, [d.user.user_name for d in made.due if d.user.active])
    for one in [*made.parked, *plan.park_clashes(made.due, names, rules)]:
        if isinstance(one, plan.Due):
            return one
        book.unforce([token])
        raise NotSendable(employee_id, one.reasons)
    raise UnknownEmployee(employee_id)


def _sent_meanwhile(book: Ledger, rules: Rules, employee_id: str, token: str) -> bool:
    """Whether the sender that held the lease has sent her before it gave the lease back."""
    waiting = any(found == token for _, found in book.forced())
    return not waiting and any(p.sent for p in book.people_of(rules.mapping, [employee_id]))


def _settle(
    tally: send.Tally,
    report: Report,
    employee_id: str,
    unfinished: UnfinishedRun | None,
    sent_meanwhile: Callable[[], bool],
) -> None:
    """What became of the person; raises what kept her from going. What became of others who were forced is not hers."""
    key = plan.same_key(employee_id)
    if key in tally.sent_ids or (not unfinished and not tally.parked and sent_meanwhile()):
        report.answer["status"] = "accepted"
        return
    for one in tally.parked:
        if plan.same_key(one.employee_id) == key:
            report.answer["status"] = "refused"
            if key in tally.refused_ids:
                raise UpstreamError(f"{employee_id}: {'; '.join(one.reasons)}")
            raise NotSendable(employee_id, one.reasons)
    if tally.budget_free_in is not None:
        raise BudgetSpent(f"{employee_id} stays queued: {tally.stopped}.", int(tally.budget_free_in) + 1)
    raise unfinished or UnknownEmployee(employee_id)


# --- the database -------------------------------------------------------------------------------------------------


def migrate(settings: Settings, *, sample: bool = False, mapping: bool = False) -> Report:
    """Bring the database up to date; `mapping`: replace dbo.ScimUsers by sql/mapping.sql and say what that changes."""
    report = Report("migrate", no_counts("migrate"))
    with _reporting(report), database.connect(settings.sql_connection_string) as db:
        had_view = bool(db.view_columns("ScimUsers"))
        report.answer["applied"] = migration.migrate(db, sample=sample)
        if mapping and had_view:
            change = migration.change_mapping(db, settings)
            report.answer["mapping"] = {"people": change.people, "attributes": {}}
            for path, ids in change.attributes.items():
                report.answer["mapping"]["attributes"][path] = len(ids)
                report.note(f"{path}: changes for {len(ids)} people, such as {', '.join(ids[:3])}")
        for problem in migration.mapping_problems(db, settings):
            report.note(f"warning: nothing can be sent until this is mended: {problem}")
    return report


# --- around every job ---------------------------------------------------------------------------------------------


@contextmanager
def _reporting(report: Report) -> Iterator[None]:
    """An error takes the report along, so that what was done is told also when a job fails."""
    try:
        yield
    except ProvisioningError as exc:
        report.exit_code = exc.exit_code
        exc.report = report
        raise
    except BaseException as exc:
        report.exit_code = 1
        exc.report = report  # type: ignore[attr-defined]
        raise


@contextmanager
def _recorded(db: Database, report: Report, target: str | None) -> Iterator[None]:
    """A row of provisioning.runs, and one summary line in the log."""
    ledger.start_run(db, report.run_id, report.job, target)
    code = 1
    try:
        yield
        code = report.exit_code
    except ProvisioningError as exc:
        code = exc.exit_code
        raise
    finally:
        logger.info("%s %s ends with %s: %s", report.job, report.run_id, code, json.dumps(report.counts))
        ledger.end_run(db, report.run_id, code, report.counts)


@contextmanager
def _leased(
    db: Database, settings: Settings, name: str, report: Report, clock: Clock, patience: float
) -> Iterator[Lease]:
    """The lease, held and renewed. Raises Busy when it is not to be had within `patience` seconds."""
    lease = Lease(name, report.run_id)
    until = clock.monotonic() + patience
    while not lease.acquire(db):
        if clock.monotonic() >= until:
            raise Busy(f"Another run is at work ({name}); nothing was done.")
        clock.sleep(5.0)
    lease.keep(lambda: database.connect(settings.sql_connection_string, clock))
    try:
        if lease.taken_over:
            logger.warning("The last holder of the lease %s did not give it back; taking over.", name)
            clock.sleep(ledger.TAKEOVER_PAUSE)
        yield lease
    finally:
        lease.let_go()
        lease.drop(db)


@contextmanager
def _open(settings: Settings, clock: Clock, patience: float) -> Iterator[Database]:
    """The database, migrated. Raises SettingsError where it is not."""
    with database.connect(settings.sql_connection_string, clock, patience) as db:
        if not db.one("has_migrations"):
            raise SettingsError(["SQL_CONNECTION_STRING: this database is empty; run: python -m provisioning migrate"])
        yield db


def _mapping(db: Database, settings: Settings) -> ScimMapping:
    columns = ledger.view_columns(db)
    if not columns:
        raise MappingError(["dbo.ScimUsers: there is no such view; run: python -m provisioning migrate"])
    return scim.compile_mapping(columns, settings.extensions, explicit_nulls=settings.explicit_nulls)


def _needed(value: T | None, name: str) -> T:
    if value is None:
        raise SettingsError([f"{name}: is missing."])
    return value


def _add(report: Report, **counts: int) -> None:
    for name, count in counts.items():
        report.counts[name] += count
