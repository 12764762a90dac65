"""The routes: who may do what, cell by cell; what is described; and what goes into a person's trail."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import function_app
from provisioning import aftermath, database, jobs, person, review
from provisioning.database import Database
from provisioning.settings import Settings
from tests.clock import MovedClock
from tests.conftest import NAMED, edit, employ, environment
from tests.emulators.graph import GraphEmulator
from tests.host import DESCRIPTION, KEY, PRINCIPAL, SITE, Host, Visitor, http_triggers, principal
from tests.worker import Worker

ROOT = Path(__file__).parent.parent
LOCAL = "http://localhost:7071"
IDS = ["A1", "A2", "A3"]
OURS = {"Origin": SITE, "Sec-Fetch-Site": "same-origin"}
THEIRS = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
ALL = ("Reader", "Operator", "Approver")

VISITORS = {
    "none": Visitor(headers=OURS),
    "key": Visitor(key=KEY, headers=OURS),
    "Reader": Visitor(roles=("Reader",), headers=OURS),
    "Operator": Visitor(roles=("Operator",), headers=OURS),
    "Approver": Visitor(roles=("Approver",), headers=OURS),
    "no role": Visitor(roles=(), headers=OURS),
    "Reader with key": Visitor(key=KEY, roles=("Reader",), headers=OURS),
    "forged header": Visitor(headers={**OURS, PRINCIPAL: principal(*ALL)}),
    "forged header with key": Visitor(key=KEY, headers={**OURS, PRINCIPAL: principal(*ALL)}),
    "forged header, Easy Auth on": Visitor(headers={**OURS, PRINCIPAL: principal(*ALL)}),
    "cross-site form": Visitor(roles=ALL, headers=THEIRS),
    "cross-site with key": Visitor(key=KEY, headers=THEIRS),
}
EASY_AUTH_OFF = ("forged header", "forged header with key")
WITH_KEY = ("key", "Reader with key", "forged header with key")
STATUS, EMPLOYEE, RESYNC = "GET /api/status", "GET /api/employees/A1", "POST /api/employees/A1/resync"
APPROVE, OPENAPI = "POST /api/holds/{hold}/approve", "GET /api/openapi.json"

TABLE: dict[str, dict[str, int]] = {
    STATUS: dict.fromkeys(VISITORS, 401) | dict.fromkeys((*WITH_KEY, "cross-site with key"), 200),
    EMPLOYEE: dict.fromkeys(VISITORS, 401) | dict.fromkeys((*WITH_KEY, "cross-site with key"), 200),
    RESYNC: dict.fromkeys(VISITORS, 401) | dict.fromkeys(WITH_KEY, 202) | {"cross-site with key": 403},
    APPROVE: dict.fromkeys(VISITORS, 403) | {"Approver": 200},
    OPENAPI: dict.fromkeys(VISITORS, 200),
}
CELLS = [(route, visitor) for route, row in TABLE.items() for visitor in row]


@pytest.fixture
def environ(sqlite_string: str, graph: GraphEmulator, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The app settings, in Azure, with Easy Auth."""
    found = {k: v for k, v in environment(sqlite_string, "x", graph.upload_url).items() if not k.startswith("HR_")}
    azure = {"WEBSITE_AUTH_ENABLED": "True", "WEBSITE_INSTANCE_ID": "i", "WEBSITE_HOSTNAME": SITE.rpartition("/")[2]}
    for name, value in {**found, **azure}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HR_SOURCE", raising=False)
    return found


@pytest.fixture
def db(sqlite_string: str, environ: dict[str, str]) -> Any:
    with database.connect(sqlite_string) as opened:
        employ(opened, *IDS, Title="Marker-Title", Email="marker@contoso.example")
        yield opened


@pytest.fixture
def settings(environ: dict[str, str]) -> Settings:
    return Settings.from_environ(environ)


@pytest.fixture
def host(db: Database) -> Host:
    return Host(Worker(ROOT))


@pytest.fixture
def local(db: Database, monkeypatch: pytest.MonkeyPatch) -> Host:
    """The same on one's own machine."""
    for name in ("WEBSITE_AUTH_ENABLED", "WEBSITE_INSTANCE_ID", "WEBSITE_HOSTNAME"):
        monkeypatch.delenv(name)
    return Host(Worker(ROOT), LOCAL)


@pytest.fixture
def hold(db: Database, settings: Settings) -> str:
    """The first load, which waits."""
    jobs.create(settings)
    (found,) = review.waiting(settings)
    return found.hold_id


def trail(settings: Settings, employee_id: str = "A1") -> list[tuple[str, str | None]]:
    """What was asked about her, and by whom."""
    steps = person.show(settings, employee_id).answer["trail"]
    return [(s["kind"], s.get("by")) for s in steps if s["kind"] not in ("sent", "outcome")]


# --- who may do what ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("route", "visitor"), CELLS, ids=[f"{v} {r.split('/api/')[1]}" for r, v in CELLS])
def test_who_may_do_what(
    host: Host, hold: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, route: str, visitor: str
) -> None:
    if visitor in EASY_AUTH_OFF:
        monkeypatch.delenv("WEBSITE_AUTH_ENABLED")
    if route == RESYNC:  # nobody is held any more
        jobs.create(settings, NAMED)
    before = trail(settings)
    method, target = route.format(hold=hold).split(" ")
    answer = host.call(VISITORS[visitor], method, target)
    assert answer.status == TABLE[route][visitor]
    if answer.status >= 400:
        assert trail(settings) == before  # and nothing was done
        assert answer.status == 401 or answer.json["error"]["code"] == "not_allowed"


@pytest.mark.parametrize("route", [EMPLOYEE, STATUS])
def test_a_key_opens_no_data_of_people(
    host: Host, db: Database, settings: Settings, graph: GraphEmulator, route: str
) -> None:
    graph.directory().occupy("A1")
    jobs.create(settings, NAMED)
    aftermath.collect(settings)
    edit(db, "A1", Title="Marker-New")
    method, target = route.split(" ")
    by_key = host.call(VISITORS["key"], method, target).text
    assert "A1" in by_key
    assert not re.search(r'(?i)marker|"reason":|payload|"row"', by_key)
    assert trail(settings) == []


def test_a_key_and_a_forged_header_open_no_payload(
    host: Host, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WEBSITE_AUTH_ENABLED")
    found = host.call(VISITORS["forged header with key"], "GET", "/api/employees/A1")
    assert "payload" not in found.json
    assert trail(settings) == []


def test_a_reader_with_a_key_opens_the_payload_and_is_named_in_the_trail(host: Host, settings: Settings) -> None:
    found = host.call(VISITORS["Reader with key"], "GET", "/api/employees/A1").json
    assert (found["payload"]["externalId"], found["payload"]["title"]) == ("A1", "Marker-Title")
    assert found["trail"][-1]["kind"] == "opened"
    assert trail(settings) == [("opened", "ada@contoso.example")]


def test_a_page_on_another_site_opens_no_payload(host: Host, settings: Settings) -> None:
    found = host.call(Visitor(KEY, ALL, THEIRS), "GET", "/api/employees/A1")
    assert "payload" not in found.json
    assert trail(settings) == []


def test_a_status_tells_a_reader_what_entra_says_and_a_key_the_mend(
    host: Host, settings: Settings, graph: GraphEmulator
) -> None:
    graph.directory().occupy("A2")
    jobs.create(settings, NAMED)
    aftermath.collect(settings)
    by_key = host.call(VISITORS["key"], "GET", "/api/status").json
    by_reader = host.call(VISITORS["Reader with key"], "GET", "/api/status").json
    (failed,) = by_reader["failed_people"]
    assert failed.pop("reason")
    assert by_key["failed_people"] == [failed]
    assert by_key["failures"] == [
        {"code": failed["code"], "count": 1, "recommended_action": failed["recommended_action"]}
    ]


@pytest.mark.parametrize(("visitor", "by"), [("key", "HTTP function"), ("Reader with key", "ada@contoso.example")])
def test_who_forces_a_resync_is_in_the_trail(host: Host, settings: Settings, visitor: str, by: str) -> None:
    jobs.create(settings, NAMED)
    assert host.call(VISITORS[visitor], "POST", "/api/employees/A1/resync").status == 202
    assert trail(settings) == [("resync", by)]


def test_a_forged_name_is_in_no_trail(host: Host, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs.create(settings, NAMED)
    monkeypatch.delenv("WEBSITE_AUTH_ENABLED")
    assert host.call(VISITORS["forged header with key"], "POST", "/api/employees/A1/resync").status == 202
    assert trail(settings) == [("resync", "HTTP function")]


def test_who_approves_is_in_the_trail_of_everybody_in_the_hold(host: Host, hold: str, settings: Settings) -> None:
    host.call(VISITORS["Approver"], "POST", f"/api/holds/{hold}/approve", b'{"by": "Somebody Else"}')
    assert {i: trail(settings, i) for i in IDS} == {i: [("approved", "ada@contoso.example")] for i in IDS}


def test_on_ones_own_machine_everything_is_open_and_the_operator_is_named(
    local: Host, hold: str, settings: Settings
) -> None:
    nobody = Visitor()
    assert local.call(nobody, "GET", "/api/status").status == 200
    assert "payload" in local.call(nobody, "GET", "/api/employees/A1").json
    assert local.call(nobody, "POST", f"/api/holds/{hold}/approve", b'{"by": "Bea"}').json["approved_by"] == "Bea"
    jobs.create(settings)
    assert local.call(nobody, "POST", "/api/employees/A1/resync").status == 202
    operator = "the operator of this machine"
    assert trail(settings) == [("opened", operator), ("approved", "Bea"), ("resync", "HTTP function")]


@pytest.mark.parametrize(
    "headers",
    [
        THEIRS,
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://localhost:8080", "Sec-Fetch-Site": "same-site"},
        {"Origin": "http://localhost:8080"},
    ],
    ids=["another site", "a sandboxed page", "no origin", "another port", "another port, an old browser"],
)
def test_a_page_of_another_site_forces_nobody_on_ones_own_machine(
    local: Host, settings: Settings, headers: dict[str, str]
) -> None:
    jobs.create(settings, NAMED)
    answer = local.call(Visitor(headers=headers), "POST", "/api/employees/A1/resync")
    assert (answer.status, answer.json["error"]["code"]) == (403, "not_allowed")
    assert trail(settings) == []
    ours = {"Origin": LOCAL, "Sec-Fetch-Site": "same-origin"}
    assert local.call(Visitor(headers=ours), "POST", "/api/employees/A1/resync").status == 202


def test_a_site_whose_name_points_at_this_machine_forces_nobody(local: Host, settings: Settings) -> None:
    jobs.create(settings, NAMED)
    local.site = "http://evil.example:7071"
    headers = {"Origin": local.site, "Sec-Fetch-Site": "same-origin"}
    assert local.call(Visitor(headers=headers), "POST", "/api/employees/A1/resync").status == 403
    assert trail(settings) == []


# --- errors and headers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "status", "code"),
    [("no%20id", 400, "malformed_id"), ("NOBODY", 404, "unknown_employee"), ("x" * 65, 400, "malformed_id")],
)
def test_an_error_says_what_it_is(host: Host, target: str, status: int, code: str) -> None:
    answer = host.call(VISITORS["key"], "GET", f"/api/employees/{target}")
    assert (answer.status, answer.json["error"]["code"], answer.json["error"]["details"]) == (status, code, [])


def test_what_cannot_be_meant_is_400(host: Host) -> None:
    answer = host.call(VISITORS["key"], "POST", "/api/employees/A1/resync?refresh=perhaps")
    assert (answer.status, answer.json["error"]["code"]) == (400, "wrong_usage")


@pytest.mark.parametrize("body", [b"[" * 100_000, b"\xff", b"[]", b'{"by": null}', b'{"by": 1}'])
def test_a_body_that_is_not_as_described_approves_nothing(
    local: Host, hold: str, settings: Settings, body: bytes
) -> None:
    answer = local.call(Visitor(), "POST", f"/api/holds/{hold}/approve", body)
    assert (answer.status, answer.json["error"]["code"]) == (400, "wrong_usage")
    assert trail(settings) == []


@pytest.mark.parametrize("body", [b"", b"{}", b'{"by": ""}'])
def test_a_body_that_names_nobody_leaves_the_operator_of_this_machine(local: Host, hold: str, body: bytes) -> None:
    answer = local.call(Visitor(), "POST", f"/api/holds/{hold}/approve", body)
    assert answer.json["approved_by"] == "the operator of this machine"


@pytest.mark.parametrize("target", ["/api/status", "/api/employees/A1"])
def test_a_database_out_of_reach_is_503_and_a_missing_setting_500(
    host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, target: str
) -> None:
    monkeypatch.setenv("SQL_CONNECTION_STRING", f"sqlite:///{tmp_path}")
    assert host.call(VISITORS["key"], "GET", target).status == 503
    monkeypatch.delenv("SQL_CONNECTION_STRING")
    answer = host.call(VISITORS["key"], "GET", target)
    assert (answer.status, answer.json["error"]["code"]) == (500, "wrong_settings")
    assert answer.json["error"]["details"]


@pytest.mark.parametrize("target", ["/api/status", "/api/employees/A1", "/api/employees/NOBODY", "/api/openapi.json"])
def test_no_answer_may_be_kept(host: Host, target: str) -> None:
    answer = host.call(VISITORS["key"], "GET", target)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


# --- what is described --------------------------------------------------------------------------------------------


def test_the_description_is_openapi_3_1() -> None:
    from openapi_spec_validator import validate  # noqa: PLC0415 - it takes half a second

    validate(DESCRIPTION)
    assert DESCRIPTION["openapi"].startswith("3.1")


def test_the_description_has_exactly_the_routes_and_methods_of_the_app(host: Host) -> None:
    app = {(f"/api/{t['route']}", m.lower()): n for n, t in http_triggers(host.app).items() for m in t["methods"]}
    told = {(path, m): o["operationId"] for path, item in DESCRIPTION["paths"].items() for m, o in item.items()}
    assert app == told


def test_the_description_says_where_a_key_is_wanted(host: Host) -> None:
    for trigger in http_triggers(host.app).values():
        for method in trigger["methods"]:
            operation = DESCRIPTION["paths"][f"/api/{trigger['route']}"][method.lower()]
            assert (operation["security"] == [{"key": []}]) == (trigger["authLevel"] == "FUNCTION")


def test_the_description_names_every_error_and_its_status() -> None:
    codes = DESCRIPTION["components"]["schemas"]["Error"]["properties"]["error"]["properties"]["code"]["enum"]
    assert sorted(codes) == sorted(code for _, _, code in function_app.STATUSES)
    told = {s for item in DESCRIPTION["paths"].values() for o in item.values() for s in o["responses"]}
    assert {str(status) for _, status, _ in function_app.STATUSES} <= told


@pytest.mark.parametrize("visitor", ["key", "Reader with key"])
def test_people_in_every_state_are_told_as_described(
    host: Host, db: Database, settings: Settings, graph: GraphEmulator, visitor: str
) -> None:
    graph.directory().occupy("A2")
    jobs.create(settings, NAMED)
    aftermath.collect(settings)
    aftermath.retry_failed(settings, by="Bea")
    edit(db, "A1", Title="Otter")
    edit(db, "A3", Email=None, Active=0)
    employ(db, "P1", Active=None)
    employ(db, "L1", ValidFrom="2999-01-01")
    people = (*IDS, "P1", "L1")
    found = {i: host.call(VISITORS[visitor], "GET", f"/api/employees/{i}").json for i in people}
    assert [found[i]["state"] for i in people] == ["due", "due", "due", "parked", "not yet due"]
    assert found["A1"]["account"]["outcome"] == "success"
    personal = {"object_id", "user_principal_name"}
    assert (personal <= found["A1"]["account"].keys()) == (visitor != "key")
    assert ("valid_to" in found["A1"]["sent"]) == (visitor != "key")
    assert {s["kind"] for s in found["A2"]["trail"]} >= {"sent", "outcome", "retry"}


def test_the_description_is_served_as_it_is_kept(host: Host) -> None:
    assert host.call(Visitor(), "GET", "/api/openapi.json").json == DESCRIPTION


# --- what a status tells ------------------------------------------------------------------------------------------


def test_a_status_tells_what_the_last_days_brought_and_the_next_bring(
    small: Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    settings = bridge(HR_SOURCE="", TIME_ZONE="Pacific/Auckland")  # where it is the 23rd already
    employ(small, *IDS)
    graph.directory().occupy("A3")
    jobs.create(settings, NAMED, clock=clock)
    aftermath.collect(settings, clock=clock)
    clock.move(days=1)
    edit(small, "A1", Title="Otter")
    edit(small, "A2", Active=0)
    employ(small, "J1", ValidFrom="2026-12-24")
    employ(small, "J2", ValidFrom="2026-11-30", ValidTo="2026-12-08")
    employ(small, "J3", ValidFrom="2026-11-30", OrganizationId=None)
    jobs.update(settings, clock=clock)
    found = aftermath.status(settings, clock=clock).answer
    days = {d.pop("day"): d for d in found["days"]}
    assert (len(days), min(days), max(days)) == (14, "2026-11-11", "2026-11-24")
    assert days["2026-11-23"] == {"joiners": 3, "leavers": 0, "changes": 0, "failed": 1}
    assert days["2026-11-24"] == {"joiners": 0, "leavers": 1, "changes": 1, "failed": 0}
    assert sum(sum(of.values()) for of in days.values()) == 6
    ahead = {d.pop("day"): d for d in found["ahead"]}
    assert (len(ahead), min(ahead), max(ahead)) == (14, "2026-11-25", "2026-12-08")
    assert ahead["2026-11-30"] == {"joiners": 1, "leavers": 0}
    assert ahead["2026-12-08"] == {"joiners": 0, "leavers": 1}
    assert sum(sum(of.values()) for of in ahead.values()) == 2


def test_a_status_names_who_is_held_but_no_values(host: Host, hold: str) -> None:
    (found,) = host.call(VISITORS["key"], "GET", "/api/status").json["holds"]
    assert (found["hold_id"], found["class"], found["employee_ids"]) == (hold, "first_load", IDS)


def test_what_is_opened_is_not_logged(host: Host) -> None:
    host.call(VISITORS["Reader with key"], "GET", "/api/employees/A1")
    assert "provisioning_run" in host.app.logs
    assert not re.search(r"(?i)marker|ada@", host.app.logs)
