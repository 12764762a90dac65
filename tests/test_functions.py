"""function_app.py, indexed and called through Microsoft's own worker library, over the emulators."""

import json
import re
from pathlib import Path

import pytest

from provisioning import database, jobs
from provisioning.settings import Settings
from tests.conftest import environment
from tests.emulators import __main__ as emulators
from tests.emulators.graph import LOGS_ROLE, GraphEmulator
from tests.emulators.hr import HrEmulator
from tests.emulators.tenant import USERS_ROLE
from tests.worker import FunctionError, Worker

ROOT = Path(__file__).parent.parent
LOCAL = "http://127.0.0.1:7071"
TIMERS = {
    "ingest_employees": "INGEST_SCHEDULE",
    "create_employees": "CREATE_SCHEDULE",
    "update_employees": "UPDATE_SCHEDULE",
    "reconcile_employees": "RECONCILE_SCHEDULE",
    "collect_outcomes": "OUTCOMES_SCHEDULE",
}
FIELDS = {"second": (0, 59), "minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 6)}
PART = re.compile(r"(?:\*|(?P<first>\d+)(?:-(?P<last>\d+))?)(?:/(?P<step>[1-9]\d*))?", re.ASCII)


@pytest.fixture
def app(sqlite_string: str, hr: HrEmulator, graph: GraphEmulator, monkeypatch: pytest.MonkeyPatch) -> Worker:
    """The app as the host loads it, its settings those of a bridge between the emulators."""
    for name, value in environment(sqlite_string, hr.url, graph.upload_url).items():
        monkeypatch.setenv(name, value)
    return Worker(ROOT)


def resync(app: Worker, employee_id: str, **query: str) -> tuple[int, dict[str, str], dict[str, object]]:
    status, headers, body = app.call_http("resync_employee", "POST", {"employee_id": employee_id}, query)
    return status, {name.lower(): value for name, value in headers.items()}, json.loads(body)


def approve_first_load(app: Worker) -> None:
    """What the log of the held run tells to do, over HTTP."""
    (hold_id,) = set(re.findall(r"approve (\w+) --by", app.logs))
    assert app.call_http("approve_hold", "POST", {"hold_id": hold_id}, url=LOCAL)[0] == 200


def ncrontab_errors(expression: str) -> list[str]:
    """What is wrong with an NCRONTAB of six fields; stricter than the host, never laxer."""
    texts = expression.split(" ")
    if len(texts) != len(FIELDS):
        return ["six fields with one space between them are wanted"]
    wrong = []
    for (field, (low, high)), text in zip(FIELDS.items(), texts, strict=True):
        for part in text.split(","):
            match = PART.fullmatch(part)
            values = [int(v) for v in match.group("first", "last") if v] if match else [-1]
            if not all(low <= v <= high for v in values) or values != sorted(values):
                wrong.append(f"{part!r} is no {field}")
    return wrong


def test_the_host_finds_five_timers_and_the_routes(app: Worker) -> None:
    routes = {"get_employee", "resync_employee", "get_status", "approve_hold", "openapi"}
    routes |= {"console", *(f"console_{action}" for action in ("approve", "resync", "disable", "enable"))}
    assert set(app.functions) == {*TIMERS, *routes}


@pytest.mark.parametrize(("function", "setting"), TIMERS.items())
def test_each_timer_is_bound_to_its_setting_and_never_runs_on_start_up(
    app: Worker, function: str, setting: str
) -> None:
    (trigger,) = [b for b in app.functions[function] if b["type"] == "timerTrigger"]
    assert trigger["schedule"] == f"%{setting}%"
    assert not trigger.get("runOnStartup")


@pytest.mark.parametrize("setting", TIMERS.values())
def test_the_example_schedules_are_ncrontab(setting: str) -> None:
    values = json.loads((ROOT / "local.settings.example.json").read_text("utf-8"))["Values"]
    assert ncrontab_errors(values[setting]) == []


@pytest.mark.parametrize(
    "wrong", ["0 * * * *", "60 0 * * * *", "0 0 24 * * *", "0 0 0 0 * *", "0 0 0 * * 7", "61 9 rubbish"]
)
def test_the_schedule_check_can_fail(wrong: str) -> None:
    assert ncrontab_errors(wrong)


def test_update_runs_after_ingest_and_create_after_one_too() -> None:
    values = json.loads((ROOT / "local.settings.example.json").read_text("utf-8"))["Values"]
    minutes = {name: int(values[name].split(" ")[1]) for name in TIMERS.values() if name != "OUTCOMES_SCHEDULE"}
    assert minutes["UPDATE_SCHEDULE"] == minutes["INGEST_SCHEDULE"] + 20
    assert minutes["CREATE_SCHEDULE"] > minutes["INGEST_SCHEDULE"]


def test_the_directory_is_compared_by_a_timer_only_where_its_schedule_is_set(
    app: Worker, graph: GraphEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "compare_directory" not in app.functions
    monkeypatch.setenv("COMPARE_SCHEDULE", "")  # as local.settings.example.json has it
    assert "compare_directory" not in Worker(ROOT).functions
    monkeypatch.setenv("COMPARE_SCHEDULE", "0 30 5 * * *")
    assert ncrontab_errors("0 30 5 * * *") == []
    switched_on = Worker(ROOT)
    (trigger,) = [b for b in switched_on.functions["compare_directory"] if b["type"] == "timerTrigger"]
    assert (trigger["schedule"], trigger.get("runOnStartup")) == ("%COMPARE_SCHEDULE%", None)
    with pytest.raises(FunctionError, match=r"User\.Read\.All"):
        switched_on.call_timer("compare_directory")
    graph.roles.add(USERS_ROLE)
    graph.directory().plant({"userPrincipalName": "kwibus@contoso.example"})
    switched_on.call_timer("compare_directory")
    assert "1  Enabled there, without HR" in switched_on.logs
    assert "kwibus" not in switched_on.logs


def test_the_resync_takes_a_function_key(app: Worker) -> None:
    (trigger,) = [b for b in app.functions["resync_employee"] if b["type"] == "httpTrigger"]
    assert (trigger["authLevel"], trigger["route"], trigger["methods"]) == (
        "FUNCTION",
        "employees/{employee_id}/resync",
        ["POST"],
    )


def test_the_timers_take_people_from_hr_to_graph(app: Worker, hr: HrEmulator, graph: GraphEmulator) -> None:
    app.call_timer("ingest_employees")
    app.call_timer("create_employees")
    assert graph.directory().users == {}
    approve_first_load(app)
    app.call_timer("create_employees")
    assert len(graph.directory().users) == 100
    hr.patch("E00007", {"Title": "Otter"})
    app.call_timer("ingest_employees")
    app.call_timer("update_employees", past_due=True)
    app.call_timer("reconcile_employees")
    assert graph.directory().users["E00007"]["title"] == "Otter"


def test_the_collector_reads_back_what_came_of_them(app: Worker, hr: HrEmulator, graph: GraphEmulator) -> None:
    twin = next(p for p in hr.people if p["EmployeeId"] == "E00007")
    graph.directory().occupy("E00007")
    app.call_timer("ingest_employees")
    app.call_timer("create_employees")
    approve_first_load(app)
    app.call_timer("create_employees")
    app.call_timer("collect_outcomes")
    assert "failed AzureActiveDirectoryDuplicateUserPrincipalName: 1 person (E00007)" in app.logs
    assert twin["Name"]["LastName"] not in app.logs


def test_a_collector_without_the_role_fails_and_names_it(app: Worker, graph: GraphEmulator) -> None:
    graph.roles.discard(LOGS_ROLE)
    with pytest.raises(FunctionError, match=r"ProvisioningLog\.Read\.All"):
        app.call_timer("collect_outcomes")


def test_a_failed_run_shows_as_failed(app: Worker, hr: HrEmulator) -> None:
    hr.fail_next(401)
    with pytest.raises(FunctionError, match="HR answered 401"):
        app.call_timer("ingest_employees")


def test_a_missing_setting_fails_the_run_and_is_named(app: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRAPH_BULK_UPLOAD_URL")
    with pytest.raises(FunctionError, match="GRAPH_BULK_UPLOAD_URL: is missing"):
        app.call_timer("update_employees")


def test_without_a_source_another_loader_fills_the_tables(app: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HR_SOURCE")
    app.call_timer("ingest_employees")
    assert "another loader" in app.logs


def test_a_resync_sends_her_now(app: Worker, hr: HrEmulator, graph: GraphEmulator) -> None:
    app.call_timer("ingest_employees")
    hr.patch("E00009", {"Title": "Heron"})
    status, headers, answer = resync(app, "E00009")
    assert (status, headers["content-type"]) == (202, "application/json")
    assert answer.keys() == {"employee_id", "run_id", "status", "changed"}
    assert (answer["employee_id"], answer["status"], answer["changed"]) == ("E00009", "accepted", True)
    assert graph.directory().users["E00009"]["title"] == "Heron"


def test_a_resync_can_leave_hr_alone(app: Worker, hr: HrEmulator, graph: GraphEmulator) -> None:
    app.call_timer("ingest_employees")
    hr.patch("E00009", {"Title": "Heron"})
    assert resync(app, "E00009", refresh="false")[0] == 202
    assert graph.directory().users["E00009"].get("title") != "Heron"


@pytest.mark.parametrize(
    ("employee_id", "status", "code"),
    [("no such person", 400, "malformed_id"), ("x" * 65, 400, "malformed_id"), ("NOBODY", 404, "unknown_employee")],
)
def test_a_resync_says_whom_it_cannot_find(app: Worker, employee_id: str, status: int, code: str) -> None:
    found, _, answer = resync(app, employee_id)
    assert found == status
    assert answer["error"]["code"] == code  # type: ignore[index]


def test_a_resync_of_somebody_inactive_and_never_sent_is_422_with_reasons(app: Worker, hr: HrEmulator) -> None:
    hr.patch("E00009", {"Active": False})
    status, _, answer = resync(app, "E00009")
    assert status == 422
    assert answer["error"]["details"]  # type: ignore[index]


def test_a_resync_refused_by_graph_is_502_with_graphs_words(app: Worker, graph: GraphEmulator) -> None:
    words = {"error": {"code": "Authorization_RequestDenied", "message": "Insufficient privileges."}}
    app.call_timer("ingest_employees")
    graph.fail_next(403, {}, json.dumps(words).encode())
    status, _, answer = resync(app, "E00009")
    assert status == 502
    assert "Insufficient privileges" in answer["error"]["message"]  # type: ignore[index]


def test_a_spent_budget_is_429_with_retry_after(app: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPH_DAILY_CALL_LIMIT", "1")
    app.call_timer("ingest_employees")
    assert resync(app, "E00009")[0] == 202
    status, headers, answer = resync(app, "E00010")
    assert status == 429
    assert 86000 < int(headers["retry-after"]) <= 86401
    assert answer["error"]["code"] == "budget_spent"  # type: ignore[index]


def test_a_database_out_of_reach_is_503(app: Worker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "no-database").mkdir()
    monkeypatch.setenv("SQL_CONNECTION_STRING", f"sqlite:///{tmp_path}/no-database")
    assert resync(app, "E00009")[0] == 503


def test_logs_hold_counts_and_ids_but_nobodys_data(app: Worker, hr: HrEmulator, graph: GraphEmulator) -> None:
    hr.patch("E00003", {"Name.LastName": "Marker-Surname" * 30, "Email": "marker@contoso.example"})
    logs = ""
    for timer in ("ingest_employees", "create_employees"):
        app.call_timer(timer)
        logs += app.logs
    resync(app, "E00009")
    logs += app.logs
    assert "E00003" in logs  # the rejected one is named by her id
    assert '"fetched": 100' in logs
    assert not re.search(r"(?i)marker|@contoso|emulated-password|http://", logs)


def test_local_settings_example_names_every_setting_there_is(sqlite_string: str) -> None:
    values = json.loads((ROOT / "local.settings.example.json").read_text("utf-8"))["Values"]
    settings = Settings.from_environ({**values, "SQL_CONNECTION_STRING": sqlite_string})
    text = (ROOT / "provisioning" / "settings.py").read_text("utf-8")
    named = set(re.findall(r'"([A-Z]+(?:_[A-Z]+)+)"', text))
    assert named <= values.keys()
    assert settings.hr_sources
    assert settings.bulk_upload is not None
    assert settings.bulk_upload.target == f"{emulators.SERVICE_PRINCIPAL}/{emulators.JOB}"
    with database.connect(sqlite_string) as db:
        ((_, endpoints),) = jobs._described(db, settings.hr_sources)
    assert [table.name for _, table in endpoints] == ["Employees", "Organizations", "Locations"]


# --- guards over HTTP ---------------------------------------------------------------------------------------------


def approve(app: Worker, hold_id: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, object]]:
    status, _, answer = app.call_http("approve_hold", "POST", {"hold_id": hold_id}, None, headers, body, url=LOCAL)
    return status, json.loads(answer)


def held(app: Worker) -> str:
    """The hold that a run has just told in its log."""
    (hold_id,) = set(re.findall(r"approve (\w+) --by", app.logs))
    return str(hold_id)


def test_approving_is_anonymous_for_the_host_and_checked_by_the_app(app: Worker) -> None:
    (trigger,) = [b for b in app.functions["approve_hold"] if b["type"] == "httpTrigger"]
    assert (trigger["authLevel"], trigger["route"], trigger["methods"]) == (
        "ANONYMOUS",
        "holds/{hold_id}/approve",
        ["POST"],
    )
    status, _, answer = app.call_http("approve_hold", "POST", {"hold_id": "x"})  # not from this machine
    assert (status, json.loads(answer)["error"]["code"]) == (403, "not_allowed")


def test_a_hold_is_approved_once_in_somebodys_name(app: Worker) -> None:
    app.call_timer("ingest_employees")
    app.call_timer("create_employees")
    hold_id = held(app)
    status, answer = approve(app, hold_id, b'{"by": "Ada Approver"}')
    assert status == 200
    assert answer.keys() == {"run_id", "hold_id", "approved_by", "covers", "changed"}
    assert (answer["approved_by"], answer["covers"]) == ("Ada Approver", 100)
    status, answer = approve(app, hold_id)
    assert (status, answer["error"]["code"]) == (409, "not_approvable")  # type: ignore[index]
    status, answer = approve(app, "no-such-hold")
    assert (status, answer["error"]["code"]) == (404, "unknown_hold")  # type: ignore[index]
    assert approve(app, hold_id, b"", Origin="https://evil.example")[0] == 403


def test_a_resync_that_a_guard_holds_is_409_with_its_reason(
    app: Worker, hr: HrEmulator, graph: GraphEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_DISABLES", "0")
    app.call_timer("ingest_employees")
    app.call_timer("create_employees")
    approve_first_load(app)
    app.call_timer("create_employees")
    statuses = []
    for n in range(1, 12):
        hr.patch(f"E{n:05d}", {"Active": False})
        monkeypatch.setattr(jobs, "RESYNCS_A_MINUTE", 100)
        status, _, answer = resync(app, f"E{n:05d}")
        statuses.append(status)
    assert statuses == [202] * 10 + [409]
    assert answer["error"]["code"] == "held"  # type: ignore[index]
    assert "at most 10 may be" in answer["error"]["details"][0]  # type: ignore[index]


def test_a_resync_asked_for_too_often_is_429_with_retry_after(app: Worker) -> None:
    app.call_timer("ingest_employees")
    assert resync(app, "E00009", refresh="false")[0] == 202
    status, headers, answer = resync(app, "E00009", refresh="false")
    assert (status, answer["error"]["code"]) == (429, "too_often")  # type: ignore[index]
    assert 1 <= int(headers["retry-after"]) <= 60
