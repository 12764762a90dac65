"""Sets up the provisioning app in Entra: its attributes and mappings, whom it tells, and that it is at work.

Each step first shows what it would do and gives it a name; only that name, given back, lets it be done, and only as
long as it is still the same. Done in the name of whoever sits here, never under the app's identity, and by no timer.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from provisioning import app_schema, notices, retry, runs, schema_changes
from provisioning.app_schema import AppSchema
from provisioning.database import Database
from provisioning.errors import ChangedMeanwhile, NotReady, UpstreamError, WrongUsage
from provisioning.graph import JobStatus
from provisioning.graph_admin import Gallery, GraphAdmin, NotThere
from provisioning.ledger import Ledger
from provisioning.notices import Notices
from provisioning.pacing import Clock
from provisioning.runs import Report
from provisioning.schema_changes import Change, Unfit
from provisioning.scim import Attribute
from provisioning.settings import GRAPH, BulkUpload, Settings

PROVEN = "Written, and read back as it was sent."

LONGEST_NAME = 120

TOO_MANY_DELETES = "TooManyDeletes"
"""Why a job is in quarantine where a person has to decide whether so many may be disabled or deleted."""

OpenAdmin = Callable[[BulkUpload], GraphAdmin]


def app_schema_of(
    settings: Settings,
    maps: Sequence[tuple[str, str]] = (),
    *,
    match: bool = False,
    confirm: str | None = None,
    open_admin: OpenAdmin = GraphAdmin,
    clock: Clock | None = None,
) -> Report:
    """Show what the app lacks for the columns of dbo.ScimUsers, or write it where `confirm` names just that.

    `maps`: column or path, and the attribute over there. `match`: match by externalId → employeeId alone, only for a
    job that has never run. Raises WrongUsage with everything that cannot be, ChangedMeanwhile, NotPermitted,
    UpstreamError.
    """
    report = Report("app-schema", {})
    with _opened(settings, report, open_admin, clock) as (db, endpoint, admin):
        attributes = runs.compiled(db, settings).attributes
        sent = Ledger(db, endpoint.target, report.run_id).people_sent()
        job, document = admin.job(), admin.schema()
        if match and (job.ran or sent):
            raise WrongUsage("--match: only for a job that has never run and to which nobody was sent; use the portal.")
        matches = [str(m) for m in _read(document).matches]
        change = _change(document, attributes, maps, match=match)
        plan = change.plan(endpoint.target)
        report.answer = _told_change(change, plan) | {"matching": matches, "job_status": job.code}
        _note_schema(report, change, job, matches)
        if _to_be_done(report, plan, confirm, nothing=change.empty):
            wanted = schema_changes.changed(document, change)
            admin.write_schema(wanted)
            _prove(wanted, admin)
            report.answer["written"] = True
            report.note(PROVEN)
            if sent and (change.attributes or change.links):
                report.note(f"{sent} people were sent before; what is new reaches them with: resend --all")
    return report


@contextmanager
def _opened(
    settings: Settings, report: Report, open_admin: OpenAdmin, clock: Clock | None
) -> Iterator[tuple[Database, BulkUpload, GraphAdmin]]:
    """The database, the target and Graph; errors take the report along."""
    clock = clock or Clock()
    with (
        runs.reporting(report, clock),
        runs.opened(settings, clock, retry.DATABASE_PATIENCE) as db,
        open_admin(runs.needed(settings.bulk_upload, GRAPH)) as admin,
    ):
        yield db, runs.needed(settings.bulk_upload, GRAPH), admin


def _read(document: Mapping[str, Any]) -> AppSchema:
    try:
        return app_schema.read(document)
    except ValueError as exc:
        raise UpstreamError(f"Graph: {exc}.") from None


def _change(
    document: Mapping[str, Any], attributes: Sequence[Attribute], maps: Sequence[tuple[str, str]], *, match: bool
) -> Change:
    try:
        return schema_changes.change(document, attributes, maps, match=match)
    except Unfit as exc:
        raise WrongUsage("\n".join(exc.problems)) from None


def _told_change(change: Change, plan: str) -> dict[str, object]:
    return {
        "plan": plan,
        "version": change.version,
        "attributes": [{"name": name, "type": kind} for name, kind in change.attributes],
        "targets": list(change.targets),
        "mappings": [{"source": link.source, "target": link.target} for link in change.links],
        "unmapped": list(change.unmapped),
        "written": False,
    }


def _note_schema(report: Report, change: Change, job: JobStatus, matches: Sequence[str]) -> None:
    report.note(f"The job is {job.code}; people are matched by {', then '.join(matches) or 'nothing'}.")
    for line in change.lines():
        report.note(line)
    if not change.empty and job.code == "Active":
        report.note("The job is at work: whoever it processes meanwhile is mapped in the old way or in the new one.")


def _prove(wanted: dict[str, object], admin: GraphAdmin) -> None:
    """Read back what was written. Raises UpstreamError where that is another schema."""
    try:
        found = schema_changes.differences(wanted, admin.schema())
    except Unfit as exc:
        found = list(exc.problems)
    if found:
        raise UpstreamError(f"Graph took the schema, but it is not what was sent: {'; '.join(found)}.")


def _to_be_done(report: Report, plan: str, confirm: str | None, *, nothing: bool) -> bool:
    """Whether it is to be done now; else says how. Raises ChangedMeanwhile where something else was shown."""
    if confirm is not None and confirm != plan:
        raise ChangedMeanwhile()
    if nothing:
        report.note("Nothing is missing, nothing is to be done.")
    elif confirm is None:
        report.note(f"Nothing was written. To do this, repeat the command with: --confirm {plan}")
    return confirm is not None and not nothing


# --- the app itself -----------------------------------------------------------------------------------------------

TEMPLATE = "API-driven provisioning to Microsoft Entra ID"
"""What the gallery calls it; of its id nothing is published."""

PATIENCE = 120.0
"""Seconds in which an app that was just made should be found."""

OpenGallery = Callable[[], Gallery]


def app_create(
    name: str,
    open_gallery: OpenGallery,
    *,
    template: str = TEMPLATE,
    confirm: str | None = None,
    clock: Clock | None = None,
) -> Report:
    """Show what is to be made for a provisioning app of this name, or make it; the report has its address.

    One that is there with its job is only told; one that has no job gets one. Raises WrongUsage, ChangedMeanwhile,
    NotReady (the name is another app's), NotPermitted, UpstreamError.
    """
    clock, report = clock or Clock(), Report("app-create", {})
    if not 1 <= len(name.strip()) <= LONGEST_NAME or not name.isprintable():
        raise WrongUsage(f"NAME: 1 to {LONGEST_NAME} characters.")
    with runs.reporting(report, clock), open_gallery() as gallery:
        template_id = _template(gallery, template)
        app = _app_of(gallery, name, template_id)
        jobs = [str(job.get("id")) for job in gallery.jobs(app)] if app else []
        plan = hashlib.sha256(repr((name, template_id, app, jobs)).encode()).hexdigest()[:8]
        report.answer = {"plan": plan, "app": app, "url": None, "created": False}
        if not app:
            report.note(f"+ app        {name} (of the gallery's {template})")
        if not jobs:
            report.note("+ job        its provisioning job, which does not run yet")
        if _to_be_done(report, plan, confirm, nothing=bool(jobs)):
            app = app or gallery.make_app(template_id, name)
            report.answer |= {"app": app, "created": True}
            jobs = [_made_job(gallery, app, clock)]
        if app and jobs:
            _tell_address(report, gallery, app, jobs)
    return report


def _template(gallery: Gallery, name: str) -> str:
    found = gallery.templates(name)
    if len(found) != 1:
        raise NotReady(f"The gallery has {len(found)} apps called {name}; make it in the portal, or say --template.")
    return str(found[0].get("id"))


def _app_of(gallery: Gallery, name: str, template_id: str) -> str | None:
    """The app of this name that was made of this template. Raises NotReady where the name is another one's."""
    found = gallery.apps(name)
    if len(found) > 1 or any(app.get("applicationTemplateId") != template_id for app in found):
        raise NotReady(f"There is another app called {name} in this tenant; take another name.")
    return str(found[0].get("id")) if found else None


def _made_job(gallery: Gallery, app: str, clock: Clock) -> str:
    """Make the job of an app, which Graph may not find at once. Raises UpstreamError."""
    ends = clock.monotonic() + PATIENCE
    while True:
        try:
            kinds = gallery.kinds(app)
            if len(kinds) == 1:
                return gallery.make_job(app, str(kinds[0].get("id")))
            raise NotReady(
                f"The app is made, and Graph knows {len(kinds)} kinds of jobs of it: make its job in the portal."
            )
        except NotThere:
            if clock.monotonic() >= ends:
                raise UpstreamError(
                    "The app is made, and Graph does not find it yet: repeat this in a while."
                ) from None
            clock.sleep(5)


def _tell_address(report: Report, gallery: Gallery, app: str, jobs: Sequence[str]) -> None:
    if len(jobs) != 1:
        raise NotReady(f"The app has {len(jobs)} jobs: take the Provisioning API Endpoint from the portal.")
    report.answer["url"] = gallery.upload_url(app, jobs[0])
    report.note(f"GRAPH_BULK_UPLOAD_URL={report.answer['url']}")


# --- whom the app tells -------------------------------------------------------------------------------------------


def app_notices(
    settings: Settings,
    *,
    email: str | None = None,
    threshold: int | None = None,
    confirm: str | None = None,
    open_admin: OpenAdmin = GraphAdmin,
    clock: Clock | None = None,
) -> Report:
    """Show whom Entra tells when the job stops and its threshold of deletions, or write them.

    Raises WrongUsage, ChangedMeanwhile, NotPermitted, UpstreamError.
    """
    report = Report("app-notices", {})
    if email is not None and not notices.is_address(email):
        raise WrongUsage("--email: must be one e-mail address, best that of a group.")
    endpoint = runs.needed(settings.bulk_upload, GRAPH)
    with runs.reporting(report, clock or Clock()), open_admin(endpoint) as admin:
        secrets = admin.secrets()
        found = _understood(secrets)
        wanted = Notices(found.email if email is None else email, found.threshold if threshold is None else threshold)
        plan = found.plan(endpoint.target, wanted)
        report.answer = _told_notices(found, plan, written=False)
        for line in (*_noted(found), *found.lines(wanted)):
            report.note(line)
        if _to_be_done(report, plan, confirm, nothing=wanted == found):
            _write_notices(admin, secrets, wanted)
            report.answer = _told_notices(wanted, plan, written=True)
            report.note(PROVEN)
    return report


def _told_notices(found: Notices, plan: str, *, written: bool) -> dict[str, object]:
    return {"plan": plan, "email": found.email, "threshold": found.threshold, "written": written}


def _write_notices(admin: GraphAdmin, secrets: Mapping[str, str], wanted: Notices) -> None:
    """Write them among the other secrets, and read them back."""
    try:
        admin.write_secrets(notices.written(secrets, wanted))
    except notices.Unwritable as exc:
        raise NotReady(f"Nothing was written: {exc}") from None
    if _understood(admin.secrets()) != wanted:
        raise UpstreamError("Graph took e-mail and threshold, but they are not as they were sent.")


def _understood(secrets: Mapping[str, str]) -> Notices:
    try:
        return notices.read(secrets)
    except ValueError as exc:
        raise UpstreamError(f"Graph: {exc}; look in the portal, under Settings of the app's provisioning.") from None


def _noted(found: Notices) -> Iterator[str]:
    yield (
        f"When the job stops, Entra tells {found.email}."
        if found.email
        else ("When the job stops, Entra tells nobody; a job without an address is quarantined when it starts.")
    )
    yield (
        f"From {found.threshold} disables or deletions in a cycle on it stops and asks."
        if found.threshold
        else ("No number of disables or deletions stops it.")
    )


# --- that it is at work -------------------------------------------------------------------------------------------


def app_start(
    settings: Settings,
    *,
    anyway: bool = False,
    confirm: str | None = None,
    open_admin: OpenAdmin = GraphAdmin,
    clock: Clock | None = None,
) -> Report:
    """Show whether the job may be started, or start it; with `anyway` also where something is missing.

    Raises NotReady where something is, ChangedMeanwhile, NotPermitted, UpstreamError.
    """
    report = Report("app-start", {})
    with _opened(settings, report, open_admin, clock) as (db, endpoint, admin):
        job = admin.job()
        paths = [a.path for a in runs.compiled(db, settings).attributes]
        missing = list(_missing(admin, paths)) if job.stands else []
        plan = hashlib.sha256(repr((endpoint.target, job, missing)).encode()).hexdigest()[:8]
        report.answer = {"plan": plan, "job_status": job.code, "missing": missing, "started": False}
        report.note(f"The job is {job.code}{f', {job.reason}' if job.reason else ''}.")
        for text in missing:
            report.note(f"missing: {text}")
        if job.reason == TOO_MANY_DELETES:
            raise NotReady("So many may only be disabled by somebody who looks: allow or reject them in the portal.")
        if missing and not anyway:
            raise NotReady("The job was not started: mend what is missing, or add --anyway.")
        if _to_be_done(report, plan, confirm, nothing=not job.stands):
            admin.start()
            _note_started(report, admin.job())
    return report


def _note_started(report: Report, job: JobStatus) -> None:
    """Say how the job stands now. Raises NotReady where it went into quarantine at once."""
    report.answer |= {"job_status": job.code, "started": True}
    report.note(f"Started; the job is {job.code}. What was uploaded meanwhile is processed now.")
    if job.code == "Quarantine":
        raise NotReady(f"The job went into quarantine at once: {job.reason}. Whom it tells: app-notices.")


def _missing(admin: GraphAdmin, paths: Sequence[str]) -> Iterator[str]:
    """What should be there before the job is at work."""
    if not _understood(admin.secrets()).email:
        yield "an e-mail address, without which it is quarantined when it starts: app-notices --email ADDRESS"
    schema = _read(admin.schema())
    if not schema.matches or not schema.matches[0].expected:
        yield f"matching by {' → '.join(app_schema.MATCHED)}: app-schema --match"
    if dropped := schema.dropped(paths):
        yield f"attributes that the app would drop ({', '.join(dropped)}): app-schema"
