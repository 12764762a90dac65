"""Triggers and wiring only: what runs when, and how an error becomes an HTTP status.

Settings are read inside the functions: a missing one must fail a run, not make every function vanish from the portal.
"""

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import azure.functions as func

from provisioning import aftermath, callers, console, errors, jobs, person, review, runs
from provisioning.runs import Report
from provisioning.settings import COMPARE, DATABASE, GRAPH, HR, Settings

logger = logging.getLogger(__name__)

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)

runs.prepare_process()

OPENAPI = Path(__file__).parent / "provisioning" / "openapi.json"

STATUSES: tuple[tuple[type[errors.ProvisioningError], int, str], ...] = (
    (errors.MalformedId, 400, "malformed_id"),
    (errors.WrongUsage, 400, "wrong_usage"),
    (errors.NotAllowed, 403, "not_allowed"),
    (errors.UnknownEmployee, 404, "unknown_employee"),
    (errors.UnknownHold, 404, "unknown_hold"),
    (errors.Held, 409, "held"),
    (errors.NotApprovable, 409, "not_approvable"),
    (errors.NotSendable, 422, "not_sendable"),
    (errors.BudgetSpent, 429, "budget_spent"),
    (errors.TooOften, 429, "too_often"),
    (errors.DatabaseError, 503, "database_unavailable"),
    (errors.SettingsError, 500, "wrong_settings"),
    (errors.ProvisioningError, 502, "refused_upstream"),
)


@app.timer_trigger(arg_name="timer", schedule="%INGEST_SCHEDULE%")
def ingest_employees(timer: func.TimerRequest) -> None:
    """HR API → one SQL table per endpoint; only rows that really changed are written."""
    if not os.environ.get(HR):
        logger.info("HR_SOURCE is not set: another loader fills the tables.")
        return
    _run("ingest_employees", timer, jobs.ingest, (DATABASE, HR))


@app.timer_trigger(arg_name="timer", schedule="%CREATE_SCHEDULE%")
def create_employees(timer: func.TimerRequest) -> None:
    """Active people who are about to start and were never sent."""
    _run("create_employees", timer, jobs.create, (DATABASE, GRAPH))


@app.timer_trigger(arg_name="timer", schedule="%UPDATE_SCHEDULE%")
def update_employees(timer: func.TimerRequest) -> None:
    """People sent before who are no longer as they were sent."""
    _run("update_employees", timer, jobs.update, (DATABASE, GRAPH))


@app.timer_trigger(arg_name="timer", schedule="%RECONCILE_SCHEDULE%")
def reconcile_employees(timer: func.TimerRequest) -> None:
    """The same without any prefilter, and what is due to be sent again."""
    _run("reconcile_employees", timer, jobs.reconcile, (DATABASE, GRAPH))


@app.timer_trigger(arg_name="timer", schedule="%OUTCOMES_SCHEDULE%")
def collect_outcomes(timer: func.TimerRequest) -> None:
    """What came of each person, read back from Entra's provisioning log."""
    _run("collect_outcomes", timer, aftermath.collect, (DATABASE, GRAPH))


if os.environ.get(COMPARE):  # off unless it is set: the host would fail over a schedule that is not there
    from provisioning import comparing

    @app.timer_trigger(arg_name="timer", schedule="%COMPARE_SCHEDULE%")
    def compare_directory(timer: func.TimerRequest) -> None:
        """The tenant's users beside HR and the ledger; needs the app role User.Read.All, and keeps counts only."""
        _run("compare_directory", timer, comparing.nightly, (DATABASE, GRAPH))


@app.route(route="employees/{employee_id}/resync", methods=["POST"])
def resync_employee(req: func.HttpRequest) -> func.HttpResponse:
    """Fetch one person from HR again and force her through now, changed or not."""
    try:
        callers.check_same_site(req.headers, req.url, os.environ)
        settings = Settings.from_environ(os.environ, (DATABASE, GRAPH))
        refresh = _yes_or_no(req, "refresh")
        employee_id = req.route_params["employee_id"]
        by = callers.name_of(req.headers, os.environ) or "HTTP function"
        report = jobs.resync(settings, employee_id, refresh=refresh, over_http=True, by=by)
    except errors.ProvisioningError as exc:
        return _error(exc)
    return _json({"employee_id": "", "run_id": report.run_id, **report.answer}, 202)


@app.route(route="employees/{employee_id}", methods=["GET"])
def get_employee(req: func.HttpRequest) -> func.HttpResponse:
    """What is known of one person; her data only for a signed-in Reader, whose name goes into her trail."""
    try:
        reader = callers.reader(req.headers, req.url, os.environ)
        settings = Settings.from_environ(os.environ, (DATABASE, GRAPH))
        answer = person.show(settings, req.route_params["employee_id"], opened_by=reader).answer
    except errors.ProvisioningError as exc:
        return _error(exc)
    return _json(answer if reader else person.without_values(answer), 200)


@app.route(route="status", methods=["GET"])
def get_status(req: func.HttpRequest) -> func.HttpResponse:
    """How it all stands; what Entra says of people only for a signed-in Reader."""
    try:
        settings = Settings.from_environ(os.environ, (DATABASE, GRAPH))
        answer = aftermath.status(settings).answer
    except errors.ProvisioningError as exc:
        return _error(exc)
    reader = callers.reader(req.headers, req.url, os.environ)
    return _json(answer if reader else aftermath.without_reasons(answer), 200)


@app.function_name(name="console")
@app.route(route="console", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def show_console(req: func.HttpRequest) -> func.HttpResponse:
    """The operators' page, for a signed-in Reader."""
    try:
        caller = callers.reads(req.headers, req.url, os.environ)
        settings = Settings.from_environ(os.environ, (DATABASE, GRAPH))
        opens = callers.reader(req.headers, req.url, os.environ) is not None
        return _page(console.show(settings, caller, req.params, opens=opens), 200)
    except errors.ProvisioningError as exc:
        return _refused(exc)


@app.route(route="console/approve", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def console_approve(req: func.HttpRequest) -> func.HttpResponse:
    """The page's own form: let the people of a hold go."""
    return _form(req, callers.APPROVER, console.approve)


@app.route(route="console/resync", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def console_resync(req: func.HttpRequest) -> func.HttpResponse:
    """The page's own form: force a person through."""
    return _form(req, callers.OPERATOR, console.resync)


@app.route(route="console/disable", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def console_disable(req: func.HttpRequest) -> func.HttpResponse:
    """The page's own form: an urgent leaver, inactive now, whatever HR says."""
    return _form(req, callers.OPERATOR, console.disable)


@app.route(route="console/enable", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def console_enable(req: func.HttpRequest) -> func.HttpResponse:
    """The page's own form: take a disable back."""
    return _form(req, callers.OPERATOR, console.enable)


def _form(
    req: func.HttpRequest, role: str, act: Callable[[Settings, callers.Caller, dict[str, str]], str]
) -> func.HttpResponse:
    """Do what a form asks, in the name of whoever sent it; a browser then gets the page anew, as by a link."""
    try:
        callers.check_same_site(req.headers, req.url, os.environ, form=True)
        caller = callers.allowed(role, req.headers, req.url, os.environ)
        settings = Settings.from_environ(os.environ, (DATABASE, GRAPH))
        return _answer("", 303, "text/html", {"Location": act(settings, caller, console.fields(req.get_body()))})
    except errors.ProvisioningError as exc:
        return _refused(exc)


def _refused(exc: errors.ProvisioningError) -> func.HttpResponse:
    status, _ = _meaning(exc)
    return _page(console.refusal(exc, signs_in=callers.easy_auth(os.environ)), status)


def _page(html: str, status: int) -> func.HttpResponse:
    return _answer(html, status, "text/html", console.headers())


@app.route(route="openapi.json", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def openapi(req: func.HttpRequest) -> func.HttpResponse:
    """These routes, described; nothing of the company is in it."""
    return _answer(OPENAPI.read_text(encoding="utf-8"), 200, "application/json")


@app.route(route="holds/{hold_id}/approve", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def approve_hold(req: func.HttpRequest) -> func.HttpResponse:
    """Let the people of a hold go, in the name of whoever is signed in."""
    try:
        by = callers.approver(req.headers, req.url, os.environ, _named(req))
        settings = Settings.from_environ(os.environ, (DATABASE, GRAPH))
        report = review.approve(settings, req.route_params["hold_id"], by)
    except errors.ProvisioningError as exc:
        return _error(exc)
    return _json({"run_id": report.run_id, **report.answer}, 200)


def _yes_or_no(req: func.HttpRequest, name: str) -> bool:
    """A parameter that is true unless it says false. Raises WrongUsage."""
    text = req.params.get(name, "true").lower()
    if text not in ("true", "false"):
        raise errors.WrongUsage(f"{name}: must be true or false.")
    return bool(text == "true")


def _named(req: func.HttpRequest) -> str | None:
    """Whom the body names as approving, `{"by": "…"}`; heeded on a laptop only. Raises WrongUsage for another body."""
    if not req.get_body():
        return None
    try:
        body = req.get_json()
    except (ValueError, RecursionError):
        body = None
    by = body.get("by", "") if isinstance(body, dict) else None
    if not isinstance(by, str):
        raise errors.WrongUsage('The body: must be nothing, or a JSON object such as {"by": "Ada"}.')
    return by


def _run(name: str, timer: func.TimerRequest, job: Callable[..., Report], needs: tuple[str, ...]) -> None:
    """Run a job; errors are let out, so that a failed run shows as failed."""
    if timer.past_due:
        logger.warning("%s runs late.", name)
    report = job(Settings.from_environ(os.environ, needs), patience=runs.TIMER_PATIENCE)
    level = logging.ERROR if report.exit_code else logging.WARNING
    for note in report.notes:
        logger.log(level, "%s: %s", name, note)


def _error(exc: errors.ProvisioningError) -> func.HttpResponse:
    status, code = _meaning(exc)
    details = list(getattr(exc, "reasons", ()) or getattr(exc, "problems", ()))
    headers = {"Retry-After": str(exc.retry_after)} if isinstance(exc, errors.AskLater) else {}
    return _json({"error": {"code": code, "message": str(exc), "details": details}}, status, headers)


def _meaning(exc: errors.ProvisioningError) -> tuple[int, str]:
    return next((status, code) for kind, status, code in STATUSES if isinstance(exc, kind))


def _json(document: dict[str, object], status: int, headers: dict[str, str] | None = None) -> func.HttpResponse:
    return _answer(json.dumps(document), status, "application/json", headers)


def _answer(body: str, status: int, mimetype: str, headers: dict[str, str] | None = None) -> func.HttpResponse:
    """Nothing that is answered is kept by anybody on its way."""
    kept = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **(headers or {})}
    return func.HttpResponse(body, status_code=status, headers=kept, mimetype=mimetype)
