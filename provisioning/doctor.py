"""Is everything set up right? Each check stands on its own; nothing is sent, and nothing is changed.

Checks run in the order of `CHECKS`. One that needs what an earlier one has found out, and did not find, says so as
"not checked"; whatever goes wrong in one never keeps the others.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, TypeVar

from provisioning import app_schema, database, ingestion, migration, notices, outcomes, plan, rights, runs, tables
from provisioning.app_schema import AppSchema
from provisioning.database import Database
from provisioning.errors import DatabaseError, NotPermitted, ProvisioningError, SettingsError, UpstreamError
from provisioning.graph import Graph, OpenGraph
from provisioning.hr import HrApi
from provisioning.ledger import Ledger
from provisioning.mirror import Fetch
from provisioning.outcomes import Entry
from provisioning.pacing import Clock
from provisioning.people import same_key
from provisioning.scim import ScimMapping
from provisioning.send import Budget
from provisioning.settings import ALERTS, COMPARE, DATABASE, GRAPH, BulkUpload, Settings
from provisioning.source import Resource, Source

DATABASE_SECONDS, HR_SECONDS, FILE_SECONDS, LOG_SECONDS = 75.0, 20.0, 360.0, 30.0
"""So long each is tried; a serverless database takes a minute to wake, and a report may be made when asked for."""

APART, FAR_APART = timedelta(minutes=2), timedelta(minutes=5)
"""Clocks that differ by so much are told; by more than five minutes tokens are refused and days begin wrongly."""

SPENT_OF_100 = 80
"""Of 100 calls of the day; above that little is left for the next runs."""

LATE_ENTRIES = timedelta(hours=2)
"""So long after a sending an entry of the log may come without any other cause: a cycle takes 40 minutes."""

LOG_KEPT = timedelta(days=30)
"""How long Entra keeps its provisioning log: https://learn.microsoft.com/entra/identity/monitoring-health/reference-reports-data-retention"""

_MEND_HR = "mend HR_SOURCE, or ask those who run HR's API"

T = TypeVar("T")


class State(Enum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class Finding:
    """What one check found, and how it is mended."""

    check: str
    state: State
    told: tuple[str, ...]
    mend: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As `doctor --json` prints it."""
        return {"check": self.check, "state": self.state.value, "told": list(self.told), "mend": list(self.mend)}


class NotChecked(Exception):
    """A check cannot be made; the text says because of what."""


@dataclass
class _Result:
    """What a check has to say: faults and warnings, each with its mend; else that all is well."""

    well: str = ""
    faults: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)

    def finding(self, check: str) -> Finding:
        state = State.FAILED if self.faults else State.WARNING if self.warnings else State.OK
        found = [*self.faults, *self.warnings]
        told = tuple(text for text, _ in found) or (self.well,)
        return Finding(check, state, told, tuple(dict.fromkeys(mend for _, mend in found if mend)))


Connect = Callable[[str, Clock], Database]


class _Patient:
    """What the checks so far have got hold of."""

    def __init__(self, environ: Mapping[str, str], clock: Clock, open_graph: OpenGraph, connect: Connect) -> None:
        self.environ, self.clock = environ, clock
        self.open_graph, self.connect = open_graph, connect
        self.stack = ExitStack()
        self.problems: list[str] = []
        self.settings: Settings | None = None
        self.wrong: set[str] = set()
        self.database: Database | None = None
        self.migrated: Database | None = None
        self.mapping: ScimMapping | None = None
        self.pages: list[tuple[Resource, list[Any]]] | None = None
        self.graph: Graph | None = None
        self.token: str | None = None
        self.graph_apart: timedelta | None = None
        self.graph_failed = False
        self.schema: AppSchema | None = None
        self.schema_failed = False

    def need(self, found: T | None, check: str) -> T:
        """What an earlier check should have found. Raises NotChecked where it did not."""
        if found is None:
            raise NotChecked(f"see {check}")
        return found

    def endpoint(self) -> BulkUpload:
        """The provisioning app. Raises NotChecked where no setting names it."""
        found = self.settings.bulk_upload if self.settings else None
        return self.need(found, f"settings ({GRAPH})")

    def ask(self, question: Callable[[Graph], T]) -> T:
        """Ask Graph something, and note what its clock says. Raises NotChecked where a role for it is missing."""
        graph = self.need(self.graph, "token")
        if self.graph_failed:
            raise NotChecked("see job")
        try:
            return question(graph)
        except NotPermitted as exc:
            raise NotChecked(f"see roles: {exc.role} is missing") from exc
        finally:
            if graph.told_time is not None:
                self.graph_apart = graph.told_time - self.clock.utc_now()


def _connect(connection_string: str, clock: Clock) -> Database:
    return database.connect(connection_string, clock, DATABASE_SECONDS)


def examine(
    environ: Mapping[str, str],
    *,
    problems: Iterable[str] = (),
    clock: Clock | None = None,
    open_graph: OpenGraph = Graph,
    connect: Connect = _connect,
) -> list[Finding]:
    """Make every check; `problems`: what went wrong when the settings were read. Never raises for what it finds."""
    patient = _Patient(environ, clock or Clock(), open_graph, connect)
    patient.problems += problems
    with patient.stack:
        return [_checked(name, check, patient) for name, check in CHECKS.items()]


def exit_code(findings: Iterable[Finding]) -> int:
    """1 where a check failed, else 0."""
    return int(any(f.state is State.FAILED for f in findings))


def _checked(name: str, check: Callable[[_Patient], _Result], patient: _Patient) -> Finding:
    try:
        return check(patient).finding(name)
    except NotChecked as exc:
        return Finding(name, State.NOT_CHECKED, (str(exc),))
    except SettingsError as exc:
        return Finding(name, State.FAILED, exc.problems)
    except ProvisioningError as exc:
        return Finding(name, State.FAILED, (str(exc),))
    except Exception as exc:  # a mistake of ours, or an answer of a shape nobody foresaw: its text may quote anything
        return Finding(name, State.FAILED, (f"could not be checked ({type(exc).__name__})",))


# --- what is set, and the database --------------------------------------------------------------------------------


def _settings(patient: _Patient) -> _Result:
    """All settings; the other checks go on with those that are right."""
    needs: tuple[str, ...] = (DATABASE, GRAPH)
    environ = dict(patient.environ)
    for _ in range(len(environ) + 2):
        try:
            patient.settings = Settings.from_environ(environ, needs)
            break
        except SettingsError as exc:
            patient.problems += exc.problems
            patient.wrong |= {found[0] for p in exc.problems if (found := re.match(r"\w+", p))}
            environ, needs = {k: v for k, v in environ.items() if k not in patient.wrong}, ()
    rings = bool(patient.settings and patient.settings.alert_webhook_url)
    told = f"{ALERTS} is set" if rings else f"{ALERTS} is not set: no phone rings"
    return _Result(f"every setting can be read; {told}", [(p, "mend the setting") for p in patient.problems])


def _database(patient: _Patient) -> _Result:
    """Whether the database can be had."""
    settings = patient.need(patient.settings, "settings")
    if not settings.sql_connection_string:
        raise NotChecked(f"see settings ({DATABASE})")
    opened = patient.stack.enter_context(patient.connect(settings.sql_connection_string, patient.clock))
    opened.utc_now()
    patient.database = opened
    return _Result(f"can be reached ({'SQL Server' if opened.engine == 'sqlserver' else 'SQLite'})")


def _migrated(patient: _Patient) -> _Result:
    """Whether the scripts of sql/ were applied."""
    db = patient.need(patient.database, "database")
    fault = runs.unready(db)
    if fault:
        return _Result(faults=[fault])
    patient.migrated = db
    applied = {str(row[0]) for row in db.rows("migrations")}
    newer = sorted(s for s in applied if s > runs.NEWEST_SCRIPT and not migration.is_own(s))
    told = [(f"the database is newer than the app: {', '.join(newer)}", "publish the app again")] if newer else []
    return _Result(f"up to {runs.NEWEST_SCRIPT}", warnings=told)


def _grants(patient: _Patient) -> _Result:
    """Whether this login may do what the app does, and no more."""
    db = patient.need(patient.migrated, "migrated")
    if db.engine == "sqlite":
        return _writable(db)
    needed = rights.granted(migration.grants())
    sources = patient.settings.hr_sources if patient.settings else ()
    for resource in (r for source in sources for r in source.resources):
        needed.setdefault(f"dbo.{resource.table}".casefold(), set()).update(("SELECT", "INSERT", "UPDATE"))
    return grants_result(rights.in_database(db.rows("my_rights"), needed))


def grants_result(found: rights.Rights) -> _Result:
    """What rights in the database mean for this login."""
    add = f"run migrate as the database's administrator, and: {rights.ADD_MEMBER}"
    take = f"give the app's own login the role {rights.APP_ROLE} and nothing else"
    return _Result(
        f"what {rights.APP_ROLE} has, and no more",
        [(f"missing: {one}", add) for one in found.missing] + [(f"too much: {one}", take) for one in found.excessive],
    )


def _writable(db: Database) -> _Result:
    """On the embedded database: statements that would change a row, of which there is none."""
    try:
        db.run("forget_absent", "", "[]")
        db.run("drop_intents", "", "", "[]")
    except DatabaseError as exc:
        return _Result(faults=[(f"the files cannot be written: {exc}", "give this user the right to write them")])
    return _Result("grants do not apply to SQLite; its files can be written")


# --- the mapping, and HR ------------------------------------------------------------------------------------------


def _mapping(patient: _Patient) -> _Result:
    """Whether people can be sent from the view."""
    db = patient.need(patient.migrated, "migrated")
    settings = patient.need(patient.settings, "settings")
    if "SCIM_EXTENSIONS" in patient.wrong:
        raise NotChecked("see settings (SCIM_EXTENSIONS)")
    mend = "mend sql/mapping.sql, then: python -m provisioning migrate --mapping"
    try:
        patient.mapping = runs.compiled(db, settings)
    except SettingsError as exc:
        return _Result(faults=[(problem, mend) for problem in exc.problems])
    result = _Result(f"dbo.ScimUsers maps {len(patient.mapping.attributes)} attributes")
    if settings.user_names and not ingestion.uses_column(db)("UserNames"):
        told = "USER_NAME_PATTERNS is set, but dbo.ScimUsers does not read dbo.UserNames: nobody new would be sent"
        result.warnings.append((told, "join dbo.UserNames in sql/mapping.sql (docs/user-names.md), or unset it"))
    return result


def _hr(patient: _Patient) -> _Result:
    """Whether the HR API answers, with first pages of records that have keys."""
    settings = patient.need(patient.settings, "settings")
    if not settings.hr_sources:
        if "HR_SOURCE" in patient.wrong:
            raise NotChecked("see settings (HR_SOURCE)")
        patient.pages = []
        return _Result("HR_SOURCE is not set: another loader fills the tables")
    result = _Result()
    pages = [found for source in settings.hr_sources for found in _first_pages(patient, source, result)]
    patient.pages = pages or None
    result.well = (
        ", ".join(f"{len(page)} records of {resource.table}" for resource, page in pages) + " on the first page"
    )
    return result


def _first_pages(patient: _Patient, source: Source, result: _Result) -> Iterator[tuple[Resource, list[Any]]]:
    """The first page of each endpoint of an HR system; what is wrong joins the result, by the system's name."""
    named = f"{source.name}: " if source.name else ""
    files = any(resource.csv for resource in source.resources)
    ends = patient.clock.monotonic() + (FILE_SECONDS if files else HR_SECONDS)
    try:
        with HrApi(source, patient.clock, ends) as api:
            for resource in source.resources:
                try:
                    page = next(api.pages(resource), [])
                except UpstreamError as exc:
                    result.faults.append((f"{named}{exc}", _MEND_HR))
                    continue
                yield resource, page
                if not page:
                    told = f"{named}{resource.table}: HR answered with no record at all"
                    result.warnings.append((told, "ask HR"))
    except UpstreamError as exc:  # its client certificate is gone
        result.faults.append((f"{named}{exc}", _MEND_HR))


def _columns(patient: _Patient) -> _Result:
    """Whether what HR gives and what the tables hold have drifted apart."""
    db, pages = patient.need(patient.migrated, "migrated"), patient.need(patient.pages, "hr")
    result, used = _Result("fields and columns agree"), ingestion.uses_column(db)
    for resource, page in pages:
        table = tables.describe(db, resource)
        fetch = Fetch(table, tables.keys(db, table), resource.spelling)
        rows = fetch.take(page)
        fetch.changes(rows, tables.held(db, table, rows))
        gone = fetch.vanished_fields(used)
        unseen = [name for name in fetch.unseen(used) if name not in gone] if page else []
        mend = "ask HR, or mend HR_SOURCE and sql/mapping.sql"
        if gone:
            told = f"{table.name}: no record has {', '.join(gone)} any more; ingest would change nothing"
            result.faults.append((told, mend))
        if retyped := fetch.retyped_fields(used):
            told = f"{table.name}: values do not fit their columns: {', '.join(retyped)}; ingest would change nothing"
            result.faults.append((told, mend))
        if unseen:
            told = f"{table.name}: no record of the first page has {', '.join(unseen)}, which the mapping uses"
            result.warnings.append((told, mend))
        if fetch.gives_source:
            told = f"{table.name}: HR's records have a field {resource.spelling.source_column}, the source_column"
            result.faults.append((f"{told}; ingest would change nothing", "take another column, or rename the field"))
        if fetch.unknown_fields:
            told = f"{table.name}: fields without a column, not kept: {', '.join(sorted(fetch.unknown_fields))}"
            result.warnings.append((told, f"python -m provisioning add-columns {table.name}, or let it be"))
        for one in fetch.rejected[:3]:
            told = f"{table.name} {one.name} would be rejected: {'; '.join(one.reasons)}"
            result.warnings.append((told, "mend the record in HR, or the column"))
    return result


# --- Graph --------------------------------------------------------------------------------------------------------


def _token(patient: _Patient) -> _Result:
    """Whether a token for Graph can be had."""
    endpoint = patient.endpoint()
    graph = patient.stack.enter_context(patient.open_graph(endpoint))
    try:
        patient.token = graph.token()
    except UpstreamError as exc:
        return _Result(faults=[(str(exc), "give the app a managed identity, or log in with az login")])
    patient.graph = graph
    return _Result("acquired" if patient.token else "none is needed for an emulator on this machine")


def _roles(patient: _Patient) -> _Result:
    """Whether the token lets the app do what it does, and no more."""
    patient.need(patient.graph, "token")
    if patient.token is None:
        return _Result("none are needed for an emulator on this machine")
    said = rights.claims(patient.token)
    if said is None:
        raise NotChecked("the token cannot be read")
    if "roles" not in said and "scp" in said:
        raise NotChecked("this is a person's token (az login); the app's own roles show where the app runs")
    compares = bool(patient.settings and patient.settings.compares)
    found = rights.of_token(said, compares=compares)
    result = _Result("what is needed, and no more")
    for role in found.missing:
        if role == rights.UPLOAD_ROLE:
            result.faults.append((f"missing: {role}; nobody can be sent", f"grant the app role {role}"))
        else:
            what = "the directory" if role == rights.USERS_ROLE else "outcomes or the job's status"
            told = f"missing: {role}; {what} cannot be {'compared' if role == rights.USERS_ROLE else 'read'}"
            result.warnings.append((told, f"grant the app role {role}"))
    for role in found.excessive:
        unused = f", or set {COMPARE}" if role in (rights.USERS_ROLE, rights.LIFECYCLE_ROLE) else ""
        result.faults.append((f"too much: {role}", f"take the app role {role} away from the app's identity{unused}"))
    return result


def _job(patient: _Patient) -> _Result:
    """Whether the job exists, is started, and not in quarantine."""
    try:
        job = patient.ask(Graph.job)
    except UpstreamError:
        patient.graph_failed = True
        raise
    if not job.stands:
        return _Result(f"exists, {job.code}")
    reason = f", {job.reason}" if job.reason else ""
    mend = "python -m provisioning app-start, or the portal; what is uploaded meanwhile is only staged"
    if job.code == "Quarantine":
        mend = "mend the reason in the Entra portal; the runbook is in docs/operations.md"
    return _Result(faults=[(f"the job stands still: {job.code}{reason}", mend)])


def _app(patient: _Patient) -> AppSchema:
    """The app's schema, asked for once. Raises NotChecked for all but the first check that fails over it."""
    if patient.schema_failed:
        raise NotChecked("see attributes: the app's schema could not be read")
    if patient.schema is None:
        try:
            patient.schema = app_schema.read(patient.ask(Graph.schema))
        except UpstreamError:
            patient.schema_failed = True
            raise
        except ValueError as exc:
            patient.schema_failed = True
            raise UpstreamError(f"Graph: {exc}.") from exc
    return patient.schema


def _matching(patient: _Patient) -> _Result:
    """Whether Entra finds people by externalId → employeeId, and by nothing else."""
    matches, wanted = _app(patient).matches, " → ".join(app_schema.MATCHED)
    mend = f"python -m provisioning app-schema --match before the job's first run; later in the portal: {wanted} alone"
    if not matches:
        return _Result(faults=[("the app matches people by nothing", mend)])
    if not matches[0].expected:
        return _Result(faults=[(f"the app matches people by {matches[0]}, not by {wanted}", mend)])
    others = [(f"whoever is not found so is matched by {m}: perhaps another person", mend) for m in matches[1:]]
    return _Result(f"by {wanted}", warnings=others)


def _attributes(patient: _Patient) -> _Result:
    """Whether the app knows and maps every attribute that is sent."""
    mapping, app = patient.need(patient.mapping, "mapping"), _app(patient)
    paths = [a.path for a in mapping.attributes]
    add = "python -m provisioning app-schema adds it to the app's list, or take it out of sql/mapping.sql"
    use = "python -m provisioning app-schema --map 'PATH=TARGET' maps it, or let it be"
    result = _Result(f"the app knows all {len(paths)}")
    result.faults = [
        (f"{path}: the app does not know it and drops it without a word", add) for path in app.dropped(paths)
    ]
    result.warnings = [(f"{path}: the app maps it to nothing", use) for path in app.unused(paths)]
    return result


def _notices(patient: _Patient) -> _Result:
    """Whether Entra tells somebody when the job stops, and stops it at a mass of disables; where that may be read."""
    try:
        found = notices.read(patient.ask(Graph.secrets))
    except NotChecked as exc:
        if not isinstance(exc.__cause__, NotPermitted):
            raise
        raise NotChecked("see roles, or look with app-notices: this token may not read it") from exc
    except (UpstreamError, ValueError) as exc:
        raise NotChecked(f"cannot be read ({exc})") from exc
    result = _Result(f"Entra tells {'somebody' if found.email else 'nobody'}, and stops at {found.threshold} disables")
    if not found.email:
        told = "nobody is told when the job stops, and without an address it is quarantined when it starts"
        result.faults.append((told, "python -m provisioning app-notices --email ADDRESS"))
    if found.threshold is None:
        told = "no number of disables stops the job"
        result.warnings.append((told, "python -m provisioning app-notices --delete-threshold N"))
    return result


# --- time, calls, and the ledger ----------------------------------------------------------------------------------


def _clock(patient: _Patient) -> _Result:
    """Whether this machine, the database and Graph agree on the time.

    The database's clock says who starts and who ends; tokens are refused by machines whose clock is five minutes off;
    Entra's log is matched with what was sent by time.
    """
    times = {"this machine": timedelta()}
    if patient.database and patient.database.engine == "sqlserver":
        times["the database"] = patient.database.utc_now() - patient.clock.utc_now()
    if patient.graph_apart is not None:
        times["Graph"] = patient.graph_apart
    if len(times) == 1:
        raise NotChecked("see database and job: there is no other clock to compare with")
    ahead, behind = max(times, key=lambda t: times[t]), min(times, key=lambda t: times[t])
    apart = times[ahead] - times[behind]
    told = f"{behind} is {_minutes(apart)} behind {ahead}"
    why = "set the clock (NTP): days begin by the database's, tokens are refused, and the log is matched by time"
    if apart > FAR_APART:
        return _Result(faults=[(told, why)])
    return _Result(f"{' and '.join(times)} agree", warnings=[(told, why)] if apart > APART else [])


def _minutes(apart: timedelta) -> str:
    return f"{apart.total_seconds() / 60:.0f} minutes"


def _budget(patient: _Patient) -> _Result:
    """How many of the day's calls are left."""
    db, settings = patient.need(patient.migrated, "migrated"), patient.need(patient.settings, "settings")
    if "GRAPH_DAILY_CALL_LIMIT" in patient.wrong:
        raise NotChecked("see settings (GRAPH_DAILY_CALL_LIMIT)")
    used, budget = Ledger(db, "", "").calls_used(), Budget.of(settings.daily_call_limit)
    told = f"{used.used_today} of {budget.daily_limit} calls of 24 h are used"
    mend = "wait, look for what sends so much, or raise GRAPH_DAILY_CALL_LIMIT where the licence allows it"
    if used.used_today >= budget.for_runs:
        free = f"the next is free in {used.free_in / 3600:.1f} h"
        return _Result(faults=[(f"{told}, {budget.reserve} are kept for resyncs; {free}", mend)])
    many = used.used_today * 100 > SPENT_OF_100 * budget.daily_limit
    return _Result(told, warnings=[(told, mend)] if many else [])


def _ledger(patient: _Patient) -> _Result:
    """Whether Entra's log tells of sendings that the ledger knows nothing of: the database was restored."""
    db, endpoint = patient.need(patient.migrated, "migrated"), patient.endpoint()
    row = db.one("newest_sent", endpoint.target)
    newest = database.as_utc(row[0]) if row else None
    since = (newest or db.utc_now() - LOG_KEPT) + LATE_ENTRIES
    entries = patient.ask(lambda graph: _first_page(graph, since, patient.clock))
    apart = -int(plan.CLOCKS_APART.total_seconds())
    tried_again = {same_key(str(row[0])) for row in db.rows("failed_after_sending", endpoint.target, apart)}
    found = [entry for entry in entries if _by_sending(entry) and entry.key not in tried_again]
    if not found:
        return _Result("the log tells of nothing newer")
    people = {entry.key for entry in found}
    after = f"what was last sent, at {newest:%Y-%m-%d %H:%M} UTC" if newest else "an empty ledger"
    told = f"the log has {len(found)} changes of {len(people)} people newer than {after}: was the database restored?"
    mend = "if so: ingest, plan, update, create, then resend --all (docs/operations.md, Restore)"
    return _Result(warnings=[(told, mend)])


def _first_page(graph: Graph, since: datetime, clock: Clock) -> list[Entry]:
    pages = graph.log_pages(since, clock, clock.monotonic() + LOG_SECONDS)
    return [entry for entry in map(outcomes.understand, next(pages, [])) if entry]


def _by_sending(entry: Entry) -> bool:
    """Whether an entry tells that something was written."""
    return entry.action in ("create", "update", "disable") and entry.status == outcomes.SUCCESS


CHECKS: Mapping[str, Callable[[_Patient], _Result]] = {
    "settings": _settings,
    "database": _database,
    "migrated": _migrated,
    "grants": _grants,
    "mapping": _mapping,
    "hr": _hr,
    "columns": _columns,
    "token": _token,
    "roles": _roles,
    "job": _job,
    "attributes": _attributes,
    "matching": _matching,
    "notices": _notices,
    "clock": _clock,
    "budget": _budget,
    "ledger": _ledger,
}
