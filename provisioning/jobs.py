"""The jobs: the only place where steps are put in order. Timers, the HTTP function and the command line call these."""

import functools
import logging
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypedDict, Unpack

from provisioning import (
    database,
    guards,
    holds,
    ingestion,
    ledger,
    migration,
    mirror,
    naming,
    plan,
    retry,
    runs,
    send,
    source,
    tables,
    trail,
    weighing,
)
from provisioning.database import Database
from provisioning.errors import (
    BudgetSpent,
    Busy,
    DatabaseError,
    Held,
    LeaseLost,
    MalformedId,
    NotPermitted,
    NotSendable,
    SettingsError,
    TooOften,
    UnfinishedRun,
    UnknownEmployee,
    UpstreamError,
)
from provisioning.graph import Graph
from provisioning.guards import Guard
from provisioning.holds import Hold
from provisioning.hr import HrApi
from provisioning.ledger import Lease, Ledger
from provisioning.mirror import Fetch, Table
from provisioning.pacing import Clock
from provisioning.people import Brief, Due, G, Going, Group, Job, Parked, same_key
from provisioning.plan import Rules
from provisioning.runs import RUN_SECONDS, Observer, Report, Work, no_counts
from provisioning.scim import MOST_OPERATIONS
from provisioning.settings import HR, Settings
from provisioning.source import Resource, Source

logger = logging.getLogger(__name__)

RESYNC_SECONDS, RESYNC_DATABASE_PATIENCE = 120, 30.0
"""An HTTP answer must be there in 230 s."""

REFRESH_SECONDS = 60
"""So long a resync tries to get one record from HR."""

RESYNCS_A_MINUTE = 10
"""Over HTTP, in all; and one a minute for each person whose row has not changed."""

STALE_INGEST = timedelta(hours=26)

INGEST_LEASE = "ingest"

# --- ingest -------------------------------------------------------------------------------------------------------


def ingest(
    settings: Settings, *, clock: Clock | None = None, patience: float = 0.0, observe: Observer | None = None
) -> Report:
    """Copy HR into SQL, one table and one transaction per endpoint, one HR system after the other.

    Raises UpstreamError when an endpoint could not be read completely (that table is then untouched, the others go on),
    Busy when another ingest is at work, SettingsError when HR_SOURCE and the tables do not fit together.
    """
    clock = clock or Clock()
    ends = clock.monotonic() + RUN_SECONDS
    report = Report("ingest", no_counts("ingest"))
    with runs.reporting(report, clock, settings), runs.opened(settings, clock, retry.DATABASE_PATIENCE) as db:
        described = _described(db, runs.needed(settings.hr_sources or None, HR))
        with runs.leased(db, settings, INGEST_LEASE, report, clock, patience), runs.recorded(db, report, None):
            failures: list[str] = []
            for left, (system, endpoints) in zip(range(len(described), 0, -1), described, strict=True):
                share = (ends - clock.monotonic()) / left  # a slow one leaves the others their time
                api = functools.partial(HrApi, system, clock, clock.monotonic() + share)
                found = _ingest_from(db, api, endpoints, report, settings, observe)
                failures += [f"{system.name}: {f}" if system.name else f for f in found]
            if failures:
                raise UpstreamError(" ".join(failures))
    return report


Endpoints = list[tuple[Resource, Table]]


def _described(db: Database, sources: Sequence[Source]) -> list[tuple[Source, Endpoints]]:
    """Each HR system's endpoints and the tables they fill. Raises one SettingsError for all that do not fit."""
    found: list[tuple[Source, Endpoints]] = [(system, []) for system in sources]
    problems: list[str] = []
    for system, endpoints in found:
        for resource in system.resources:
            try:
                endpoints.append((resource, tables.describe(db, resource)))
            except SettingsError as exc:
                problems.extend(exc.problems)
    if problems:
        raise SettingsError(problems)
    return found


def _ingest_from(
    db: Database,
    connect: Callable[[], HrApi],
    endpoints: Endpoints,
    report: Report,
    settings: Settings,
    observe: Observer | None,
) -> list[str]:
    """Mirror one HR system; gives back what went wrong. One system's outage does not keep the others."""
    try:
        with connect() as api:
            found = [_ingest_one(db, api, r, t, report, settings, observe) for r, t in endpoints]
    except UpstreamError as exc:  # its client certificate is gone
        logger.error("Ingest failed: %s", exc)
        return [f"HR: {exc}."]
    return [told for told in found if told]


def _ingest_one(
    db: Database,
    api: HrApi,
    resource: Resource,
    table: Table,
    report: Report,
    settings: Settings,
    observe: Observer | None,
) -> str | None:
    """Mirror one endpoint; gives back what went wrong. One endpoint's outage does not keep the others."""
    fetch = Fetch(table, tables.keys(db, table), resource.spelling)
    try:
        ingestion.ingest_endpoint(db, api, resource, fetch, report, settings, observe)
    except (UpstreamError, DatabaseError) as exc:
        logger.error("Ingest of %s failed: %s", resource.table, exc)
        runs.add(report, fetched=fetch.fetched)
        return str(exc)
    return None


# --- sending ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Selection:
    """Whom an operator named: at most so many people, or these EmployeeIds; nobody in particular by default."""

    limit: int | None = None
    only: tuple[str, ...] = ()

    @property
    def named(self) -> bool:
        """Whether it says how many go."""
        return self.limit is not None or bool(self.only)

    def of(self, due: Sequence[G], waiting: Set[str] = frozenset()) -> list[G]:
        """Those of the people due who were named, in their order; a limit is not used up by who waits for approval."""
        passed_over = waiting if self.limit is not None and not self.only else frozenset()
        return [d for d in due if self._has(d.key) and d.key not in passed_over][: self.limit]

    def of_parked(self, parked: Sequence[Parked]) -> list[Parked]:
        """Those of the parked who were not left out by name."""
        return [p for p in parked if self._has(same_key(p.employee_id))]

    def _has(self, key: str) -> bool:
        return not self.only or key in map(same_key, self.only)


EVERYBODY = Selection()


class How(TypedDict, total=False):
    """How a sending run goes about it.

    `anyway`: also where the job over there stands still, so that what is sent is only staged. `patience`: seconds that
    it waits for another run. `observe` is shown the counts.
    """

    anyway: bool
    clock: Clock | None
    patience: float
    observe: Observer | None


def create(settings: Settings, selection: Selection = EVERYBODY, **how: Unpack[How]) -> Report:
    """Send active people whose ValidFrom is due and who were never sent. Raises UnfinishedRun if somebody is left."""
    return _send(settings, Job.CREATE, selection, **how)


def update(settings: Settings, selection: Selection = EVERYBODY, **how: Unpack[How]) -> Report:
    """Send people sent before whose SCIM user is no longer the one sent. Raises UnfinishedRun if somebody is left."""
    return _send(settings, Job.UPDATE, selection, **how)


def reconcile(settings: Settings, selection: Selection = EVERYBODY, **how: Unpack[How]) -> Report:
    """Like update, looking at everybody sent before; re-sends what is old, and reports of late managers."""
    return _send(settings, Job.RECONCILE, selection, **how)


def resend(settings: Settings, since: datetime | None, **how: Unpack[How]) -> Report:
    """Send everybody again who was last sent at or after `since` (None: everybody ever sent)."""
    return _send(settings, Job.RESEND, EVERYBODY, since, **how)


def _send(
    settings: Settings, job: Job, selection: Selection, since: datetime | None = None, **how: Unpack[How]
) -> Report:
    clock, report = how.get("clock") or Clock(), Report(job.value, no_counts(job.value))
    with (
        runs.working(settings, clock, report, retry.DATABASE_PATIENCE) as work,
        work.lease(how.get("patience", 0.0)) as lease,
        runs.recorded(work.db, report, work.target),
    ):
        if job is Job.CREATE:
            _warn_of_old_ingest(work)
        _send_due(work, lease, work.rules(job, since), selection, how)
    return report


@dataclass(frozen=True)
class _Decided:
    """What a run has decided before its first request: who goes, in order, who cannot, and whom the calls leave out."""

    ids: list[str]
    parked: list[Parked]
    guard: Guard
    cut: int
    short: str | None
    narrowed: bool


def _send_due(work: Work, lease: Lease, rules: Rules, selection: Selection, how: How) -> None:
    work.book.purge(work.settings.history_days)
    decided = _decide(work, rules, selection)
    _tell_vanished(work.report, work.book.vanished())
    _tell_recreated(work)
    with Graph(work.endpoint) as graph:
        standing = standing_job(work, graph) if decided.ids else None
        only_first = None if how.get("anyway") else standing
        sender = work.sender(lease, graph, rules, decided.guard, RUN_SECONDS, only_first, how.get("observe"))
        with _tallied(work, sender, decided.cut, decided.short):
            sender.run(decided.ids, decided.parked, check_names=decided.narrowed)


def _decide(work: Work, rules: Rules, selection: Selection) -> _Decided:
    """Weigh everybody due, write down who is held, and keep ids only: of a first load, it is everybody."""
    book, report = work.book, work.report
    work.accept_first_mapping()
    changed = work.changed_mapping()
    narrowed = rules.job is Job.UPDATE and work.settings.update_by_modified and not changed
    condition = ("where_modified", *ledger.modified_parameters(rules.now)) if narrowed else ()
    if rules.job is Job.CREATE:
        naming.give(work, rules)
    made = work.outline(book.people(work.mapping, *condition), rules, narrowed=narrowed)
    _warn_of_unknown_tables(work, made.tables)
    waiting = _waiting(work, rules)
    due = [d for d in made.due if not d.forced]  # the forced come by themselves
    chosen = selection.of(due, _keys(h.people for h in waiting if h.kind[0] != guards.FIRST_LOAD))
    guard = work.guard(waiting, changed, named={d.key for d in chosen} if selection.named else frozenset())
    held = _weigh_mapping(work, rules, guard, due, changed) if changed else weighing.weigh(book, rules, guard, due)
    _hold(work, held, _over(made, waiting, narrowed=narrowed), named=selection.named)
    _tell_disabled(work, made.agreed)
    stopped = _keys(h.people for h in held)
    going = [d for d in chosen if d.key not in stopped]
    report.counts["held"] = report.counts["candidates"] = len(chosen) - len(going)
    if others := len(due) - len(chosen):
        report.note(f"{others} more people are due whom --limit or --only leaves out.")
    going_today, short = affordable(work, rules, going, stopped | _keys(h.people for h in waiting))
    ids, parked = [d.employee_id for d in going_today], selection.of_parked(made.parked)
    return _Decided(ids, parked, guard, len(going) - len(ids), short, narrowed or selection.named)


def _keys(groups: Iterable[Iterable[str]]) -> set[str]:
    """EmployeeIds as they are compared."""
    return {same_key(i) for group in groups for i in group}


def _waiting(work: Work, rules: Rules) -> list[Hold]:
    """What waits for approval. Waves foreseen for days that are over, and mappings that are no more, wait no longer."""
    holds.reopen_expired(work.db, work.target, work.run)
    found = holds.waiting(work.db, work.target)
    today, mapping = rules.today(work.settings.time_zone), (guards.MAPPING, work.mapping_at_first)
    over = [h for h in found if h.due_on is not None and h.due_on < today]
    over += [h for h in found if h.kind[0] == guards.MAPPING and h.kind != mapping]
    for hold in over:
        holds.end(work.db, hold)
    return [h for h in found if h not in over]


def _weigh_mapping(work: Work, rules: Rules, guard: Guard, due: Sequence[Going], changed: str) -> list[guards.Held]:
    """As usual, under a mapping that nobody approved: its hold names everybody it touches, whichever job finds it."""
    naming.give(work, work.rules(Job.CREATE))
    everybody = {d.key: d for d in due}
    for job in (Job.CREATE, Job.UPDATE):
        touched = work.outline(work.book.people(work.mapping), work.rules(job)).due
        everybody.update({d.key: d for d in touched if d.changed and d.key not in everybody})
    held = weighing.weigh(work.book, rules, guard, list(everybody.values()))
    kind = (guards.MAPPING, changed)
    hold = next((h for h in held if h.kind == kind), None) or guards.Held(kind, "", {})
    leaving = sum(d.disables for d in everybody.values() if d.employee_id in hold.people)
    left = sum(plan.has_left_scope(p, rules) for p in work.book.people(work.mapping))
    hold.reason = guards.mapping_reason(len(hold.people), leaving, left)
    return [*(h for h in held if h is not hold), hold]


def _over(made: plan.Plan[Brief], waiting: Sequence[Hold], *, narrowed: bool) -> set[str]:
    """Keys of people about whom this run has decided, or who are no longer in the view: what held them may be over.

    Who is parked, or forced and weighed later, is not among them: she would slip out of her hold.
    """
    if not waiting:
        return set()
    undecided = {p.key for p in made.parked} | {d.key for d in made.due if d.forced}
    gone = set() if narrowed else _keys(h.people for h in waiting if h.due_on is None) - made.seen
    return (made.looked_at | gone) - undecided


def _hold(work: Work, held: Sequence[guards.Held], over: set[str], *, named: bool = False) -> None:
    """Write holds down and tell them; the job exits with 3, unless it is only that an operator did not name them."""
    for hold in holds.keep(work.db, work.target, work.run, held, over):
        if not (named and hold.kind[0] == guards.FIRST_LOAD):
            work.report.note(holds.describe(hold))
            work.report.exit_code = 3


def affordable(work: Work, rules: Rules, due: Sequence[G], held: set[str]) -> tuple[list[G], str | None]:
    """As many as the day's calls suffice for, and why not all: leavers, then joiners, then changes, over all jobs."""
    left = work.calls_left()
    if calls(len(due)) <= left:
        return list(due), None
    first = [d for d in due if d.group in (Group.FORCED, Group.LEAVER)]
    other, group = (Job.UPDATE, Group.LEAVER) if rules.job is Job.CREATE else (Job.CREATE, Group.JOINER)
    ahead = naming.looking_ahead(replace(rules, job=other, resend_since=None))
    others = work.outline(work.book.people(work.mapping), ahead).due
    kept = calls(sum(d.group is group and d.key not in held for d in others))
    people = max(min(len(first), left * MOST_OPERATIONS), (left - kept) * MOST_OPERATIONS)
    told = f"of the {work.budget.daily_limit} calls of 24 h (GRAPH_DAILY_CALL_LIMIT) {left} are left for this run"
    told += f", {work.budget.reserve} are kept for resyncs" + (f", {kept} for more urgent people" if kept else "")
    return list(due[:people]), told


def calls(people: int) -> int:
    """How many Graph calls so many people take."""
    return -(-people // MOST_OPERATIONS)


def _tell_vanished(report: Report, vanished: list[str]) -> None:
    """Never disabled by silence: an alarm."""
    report.counts["out_of_scope"] = len(vanished)
    if vanished:
        named = ", ".join(vanished[:20]) + (", …" if len(vanished) > 20 else "")
        report.note(f"out of scope: {len(vanished)} people last sent as active are no longer in dbo.ScimUsers: {named}")
        report.exit_code = 3


def _tell_disabled(work: Work, agreed: Sequence[str]) -> None:
    """Who is disabled by hand; it ends for those whom HR has ended as well."""
    if agreed and not _may_be_a_mistake(work):
        work.book.end_disabled(agreed, None, "HR agrees")
        work.report.note(f"no longer disabled by hand, since HR agrees: {', '.join(agreed[:20])}")
    if left := [one.employee_id for one in work.book.disabled_by_hand()]:
        named = ", ".join(left[:20]) + (", …" if len(left) > 20 else "")
        work.report.note(f"disabled by hand, whatever HR says: {len(left)} people: {named}")


def _may_be_a_mistake(work: Work) -> bool:
    """Whether disables or a mapping wait for a word: what they say of who is inactive already is nobody's word yet."""
    return any(
        h.kind[0] in (guards.DISABLES, guards.MAPPING) and h.due_on is None for h in holds.waiting(work.db, work.target)
    )


def _tell_recreated(work: Work) -> None:
    """Somebody deleted people over there whom Entra made anew, without what their old accounts had: an alarm."""
    found = trail.recreated(work.db, work.target, work.db.utc_now() - timedelta(days=1))
    if found:
        named = ", ".join(found[:20]) + (", …" if len(found) > 20 else "")
        work.report.note(f"warning: recreated: {len(found)} people had to be created anew in the last 24 h: {named}")


def standing_job(work: Work, graph: Graph) -> str | None:
    """Why what is sent would only be staged; None where the job is at work, or cannot be asked."""
    try:
        status = graph.job()
    except NotPermitted as exc:
        work.report.note(f"the job's status is not read, sending goes on: {exc}")
        return None
    except UpstreamError as exc:
        work.report.note(f"warning: the job's status could not be read, sending goes on: {exc}")
        return None
    work.report.standing = status.code if status.stands else ""
    if not status.stands:
        return None
    told = f"the provisioning job is {status.code}" + (f" ({status.reason})" if status.reason else "")
    told += ": what is sent is only staged"
    logger.warning("Run %s: %s.", work.report.run_id, told)
    work.report.note(f"warning: {told}; start it in the portal, or send with --anyway.")
    return told


@contextmanager
def _tallied(work: Work, sender: send.Sender, cut: int = 0, short: str | None = None) -> Iterator[None]:
    """The sender's counts go into the report, however it ends, and whom it held becomes a hold.

    `cut`: people due for whom the day's calls do not suffice, and why. Raises UnfinishedRun when somebody is left.
    """
    report, tally = work.report, sender.tally
    try:
        yield
    finally:
        before = {"held": report.counts["held"], "out_of_scope": report.counts["out_of_scope"]}
        report.counts.update(tally.counts)
        report.counts["candidates"] += before["held"] + cut
        report.counts["deferred"] += cut
        report.counts["held"] += before["held"]
        report.counts["out_of_scope"] = before["out_of_scope"]
        work.tell_the_days_calls()
        for one in tally.parked:
            report.note(f"parked {one.employee_id or '(no EmployeeId)'}: {'; '.join(one.reasons)}")
    for held in tally.held:
        _leave_its_words(held)
    if tally.held:
        _hold(work, tally.held, _keys(h.people for h in tally.held))
    deferred = report.counts["deferred"]
    if tally.stopped or deferred:
        raise UnfinishedRun(
            f"{deferred} people are still due: {tally.stopped or tally.short or short or 'see the log'}."
        )


def _leave_its_words(held: guards.Held) -> None:
    """A hold of the mapping tells of everybody; a few people weighed by themselves do not change what it tells."""
    if held.kind[0] == guards.MAPPING:
        held.reason, held.attributes = "", {}


def _warn_of_unknown_tables(work: Work, said: Set[str]) -> None:
    """Of a table that nothing fills nobody is ever missing: a slip of the pen in the mapping must not stay unseen."""
    filled = {r.table.casefold() for system in work.settings.hr_sources for r in system.resources}
    if unknown := sorted(table for table in said if filled and table.casefold() not in filled):
        names = ", ".join(unknown)
        told = f"dbo.ScimUsers says HrTable {names}, which no endpoint of HR_SOURCE fills: nobody of it is ever missing"
        work.report.note(f"warning: {told}; where that is meant, say NULL.")


def _warn_of_old_ingest(work: Work) -> None:
    found = tables.people(work.db, work.settings.hr_sources)
    for people in found:
        last = tables.last_fetch(work.db, people.table)
        if last is None or work.db.utc_now() - last.completed_at > STALE_INGEST:
            told = "there was none yet" if last is None else f"the last was at {last.completed_at:%Y-%m-%d %H:%M} UTC"
            whose = f" of {people.table}" if len(found) > 1 else ""
            work.report.note(f"warning: no complete ingest{whose} in 26 h ({told}); people are created from old data.")


# --- resync -------------------------------------------------------------------------------------------------------


def resync(
    settings: Settings,
    employee_id: str,
    *,
    refresh: bool = True,
    over_http: bool = False,
    by: str | None = None,
    clock: Clock | None = None,
) -> Report:
    """Fetch one person from HR again, where that can be asked, and force her through now, changed or not.

    The report's answer holds employee_id, status ("accepted", or "queued" for the sender at work) and changed.
    `over_http`: at most ten a minute, and one a minute for a person whose row has not changed. `by`: who asks, for her
    trail.
    Raises MalformedId, UnknownEmployee, NotSendable, Held, TooOften, BudgetSpent, UpstreamError.
    """
    clock = clock or Clock()
    report = Report("resync", no_counts("resync"))
    check_id(employee_id)
    report.answer = {"employee_id": employee_id}
    with (
        runs.working(settings, clock, report, RESYNC_DATABASE_PATIENCE) as work,
        runs.recorded(work.db, report, work.target),
    ):
        if over_http:
            _ask(work, employee_id)
        if refresh:
            _refresh(work, employee_id)
        found = work.book.find(employee_id)
        if found is None:
            raise UnknownEmployee(employee_id)
        force(work, found, by, over_http=over_http)
    return report


def _ask(work: Work, employee_id: str) -> None:
    """Note that somebody asks over HTTP. Raises TooOften where ten did in the last minute."""
    if not ledger.ask_resync(work.db, work.report.run_id, employee_id, RESYNCS_A_MINUTE):
        raise _too_often(
            work, ledger.resyncs_lately(work.db), f"{RESYNCS_A_MINUTE} resyncs were asked for in a minute."
        )


def _check_repeat(work: Work, employee_id: str) -> None:
    """Raises TooOften where she was resynced in the last minute and her row has not changed since."""
    key = same_key(employee_id)
    before = [r for r in ledger.resyncs_lately(work.db) if r.granted and same_key(r.employee_id) == key]
    if before:
        raise _too_often(work, before[-1:], f"{employee_id} was resynced a moment ago and has not changed since.")


def _too_often(work: Work, lately: Sequence[ledger.Asked], told: str) -> TooOften:
    oldest = lately[0].asked_at if lately else work.db.utc_now()
    free_in = (oldest + timedelta(minutes=1) - work.db.utc_now()).total_seconds()
    return TooOften(told, max(1, math.ceil(free_in)))


def check_id(employee_id: str) -> None:
    """Raises MalformedId for what cannot be an EmployeeId."""
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", employee_id, re.ASCII):
        raise MalformedId()


def _refresh(work: Work, employee_id: str) -> None:
    """Mirror her records as HR has them now; what HR no longer knows stays as mirrored.

    Asked is the HR system that the mapping says her row is of, or which has her in its table; for somebody new each
    that may know the id, the one with the longest `key_prefix` first, until one does.
    """
    db, sources = work.db, work.settings.hr_sources
    found = tables.mirrored(db, sources, employee_id, tables.said(db, employee_id, work.missing)) if sources else []
    if found:
        for one in [f for f in found if f.mapped] or found:
            _refresh_one(work, employee_id, one.resource, one.key)
        return
    people = sorted(tables.people(db, sources), key=lambda r: -len(r.spelling.key_prefix))
    any(_refresh_one(work, employee_id, resource, employee_id) for resource in people)


def _refresh_one(work: Work, employee_id: str, resource: Resource, key: str) -> bool:
    """Mirror one record of one endpoint; whether HR has it."""
    db, own_key = work.db, resource.own_key(key)
    if resource.item_path is None or own_key is None:
        return False
    table = tables.describe(db, resource)
    mirrored = tables.key(db, table, key)
    with HrApi(source.of(work.settings.hr_sources, resource), work.clock, work.began + REFRESH_SECONDS) as api:
        record = api.record(resource, own_key)
    if record is None:
        return False
    fetch = Fetch(table, mirrored, resource.spelling)
    rows = fetch.take([record])
    ingestion.check_source_column(fetch)
    if fetch.rejected:
        raise NotSendable(employee_id, tuple(f"HR's record: {r}" for r in fetch.rejected[0].reasons))
    if mirror.canonical_key(rows[0][table.key.name]) != mirror.canonical_key(key):
        raise UpstreamError(f"{table.name}: HR answered with another person's record for {employee_id}.")
    database.not_alone(lambda: _write_refreshed(db, fetch, rows))
    return True


def _write_refreshed(db: Database, fetch: Fetch, rows: list[mirror.Values]) -> None:
    """Mirror a record that was fetched by itself, as a whole or not at all."""
    table = fetch.table
    held = tables.held(db, table, rows)
    rows = [fetch.kept(row, held[str(row[table.key.name])]) if held else row for row in rows]
    with db.transaction():
        tables.write(db, table, fetch.changes(rows, held))
        tables.record_refresh(db, table, str(rows[0][table.key.name]))


def force(work: Work, found: str, by: str | None, *, over_http: bool = False) -> None:
    """Put her down as forced, if nothing speaks against it, then try for the lease: whoever holds it will find her.

    `found`: her EmployeeId as it is spelled. The report's answer then says what became of her. Raises as `resync` does.
    """
    book, report = work.book, work.report
    rules = work.rules(Job.RESYNC)
    naming.give(work, rules, [found])
    due = _judged(book, rules, found)
    if over_http and not due.changed:
        _check_repeat(work, found)
    _check_held(work, rules, due)
    token = book.force(found, by)
    ledger.grant_resync(work.db, report.run_id)
    report.answer = {"employee_id": found, "status": "queued", "changed": due.changed}
    try:
        with work.lease(0.0) as lease, Graph(work.endpoint) as graph:
            guard = work.guard(holds.waiting(work.db, work.target), work.changed_mapping(), named={due.key})
            sender = work.sender(lease, graph, rules, guard, RESYNC_SECONDS)
            unfinished = None
            try:
                with _tallied(work, sender):
                    sender.run(())
            except UnfinishedRun as exc:
                unfinished = exc
            _settle(work, sender.tally, found, unfinished, lambda: _sent_meanwhile(book, rules, found, token))
    except (Busy, LeaseLost):
        logger.info("Resync of %s is left to the sender at work.", found)


def _check_held(work: Work, rules: Rules, due: Due) -> None:
    """Raises Held where a guard does not let her go, and writes the hold down. Whoever sends weighs her once more."""
    work.accept_first_mapping()
    waiting, changed = holds.waiting(work.db, work.target), work.changed_mapping()
    guard = work.guard(waiting, changed, named={due.key})
    if changed and not any(h.kind == (guards.MAPPING, changed) for h in waiting):
        held = _weigh_mapping(work, rules, guard, [due], changed)
    else:
        held = _weigh_alone(work, rules, guard, due)
    if held:
        holds.keep(work.db, work.target, work.run, held, {due.key})
    if hers := [h for h in held if due.user.employee_id in h.people]:
        raise _held_error(work, due.user.employee_id, {h.kind for h in hers})


def _weigh_alone(work: Work, rules: Rules, guard: Guard, due: Due) -> list[guards.Held]:
    """Weigh one person; beside all who are due where it takes many to tell: an attribute she loses, a first load."""
    beside: list[Brief] = []
    if not work.book.people_sent():
        naming.give(work, work.rules(Job.CREATE))
        beside = plan.outline(work.book.people(work.mapping), work.rules(Job.CREATE)).due
    elif weighing.differences(work.book, rules, [due]).emptied:
        beside = plan.outline(work.book.people(work.mapping), work.rules(Job.UPDATE)).due
    held = weighing.weigh(work.book, rules, guard, [due, *(d for d in beside if d.key != due.key)])
    for one in held:
        _leave_its_words(one)
    return [h for h in held if due.user.employee_id in h.people or h.kind[0] == guards.FIRST_LOAD]


def _held_error(work: Work, employee_id: str, kinds: Set[guards.Kind]) -> Held:
    """Which holds she is in, and why."""
    hers = [h for h in holds.waiting(work.db, work.target) if h.kind in kinds and h.due_on is None]
    return Held(employee_id, tuple(f"{h.kind[0]}: {h.reason}" for h in hers), tuple(h.hold_id for h in hers))


def _judged(book: Ledger, rules: Rules, employee_id: str) -> Due:
    """The person as she would go now. Raises NotSendable."""
    made = plan.make(map(plan.as_forced, book.people_of(rules.mapping, [employee_id])), rules)
    names = book.namesakes(rules.mapping, made.due)
    for one in [*made.parked, *plan.park_clashes(made.due, names, rules)]:
        if isinstance(one, Due):
            return one
        raise NotSendable(employee_id, one.reasons)
    raise UnknownEmployee(employee_id)


def _sent_meanwhile(book: Ledger, rules: Rules, employee_id: str, token: str) -> bool:
    """Whether the sender that held the lease has sent her before it gave the lease back."""
    waiting = any(found == token for _, found in book.forced())
    return not waiting and any(p.sent for p in book.people_of(rules.mapping, [employee_id]))


def _settle(
    work: Work,
    tally: send.Tally,
    employee_id: str,
    unfinished: UnfinishedRun | None,
    sent_meanwhile: Callable[[], bool],
) -> None:
    """What became of the person; raises what kept her from going. What became of others who were forced is not hers."""
    key, report = same_key(employee_id), work.report
    if key in tally.sent_ids or (not unfinished and not tally.parked and sent_meanwhile()):
        report.answer["status"] = "accepted"
        return
    for one in tally.parked:
        if same_key(one.employee_id) == key:
            report.answer["status"] = "refused"
            if key in tally.refused_ids:
                raise UpstreamError(f"{employee_id}: {'; '.join(one.reasons)}")
            raise NotSendable(employee_id, one.reasons)
    if hers := {h.kind for h in tally.held for i in h.people if key == same_key(i)}:
        report.answer["status"] = "held"
        raise _held_error(work, employee_id, hers)
    if tally.budget_free_in is not None:
        raise BudgetSpent(f"{employee_id} stays queued: {tally.stopped}.", int(tally.budget_free_in) + 1)
    raise unfinished or UnknownEmployee(employee_id)


# --- the database -------------------------------------------------------------------------------------------------


def migrate(settings: Settings, *, sample: bool = False, mapping: bool = False) -> Report:
    """Bring the database up to date; `mapping`: replace dbo.ScimUsers by sql/mapping.sql and say what that changes."""
    report = Report("migrate", no_counts("migrate"))
    with runs.reporting(report, Clock()), database.connect(settings.sql_connection_string) as db:
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
