"""The operators' page: what it shows, for whom, what its forms do, and that nothing can slip into it."""

import base64
import hashlib
import json
import re
import threading
from html.parser import HTMLParser
from urllib.parse import urlencode

import httpx
import pytest

from provisioning import aftermath, by_hand, chart, comparing, console, jobs, page, review
from provisioning.database import Database
from provisioning.markup import element
from provisioning.settings import Settings
from tests.conftest import NAMED, edit
from tests.console import served
from tests.emulators.graph import GraphEmulator
from tests.emulators.tenant import USERS_ROLE
from tests.host import Answer, Host, Visitor
from tests.test_routes import ALL, IDS, LOCAL, THEIRS, VISITORS, db, environ, hold, host, local, settings, trail

__all__ = ["db", "environ", "hold", "host", "local", "settings"]  # fixtures

READER, OPERATOR, APPROVER = (VISITORS[role] for role in ALL)
NASTY = "<script>alert(\"x\")</script> & 'O'Brien' \"; --"
VOID = {"input", "meta", "link", "br"}


class Page(HTMLParser):
    """A page, taken apart by the standard library: texts by element, forms, links; tags must close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    @property
    def text(self) -> str:
        """What a person reads."""
        return " ".join(" ".join(t for tag, t in self.texts if tag not in ("script", "style")).split())

    def of(self, tag: str) -> list[str]:
        return [text for where, text in self.texts if where == tag]

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def forms(self) -> dict[str, dict[str, str]]:
        """Action → the fields it would send, of forms that post."""
        found: dict[str, dict[str, str]] = {}
        action = ""
        for tag, attributes in self.tags:
            if tag == "form":
                action = str(attributes["action"]) if attributes["method"] == "post" else ""
            elif tag == "input" and action:
                found.setdefault(action, {})[str(attributes["name"])] = str(attributes["value"])
        return found


def see(host: Host, visitor: Visitor = READER, **query: str) -> Page:
    answer = host.call(visitor, "GET", "/api/console" + (f"?{urlencode(query)}" if query else ""))
    assert answer.status == 200
    return Page(answer.text)


def post(host: Host, visitor: Visitor, action: str, **fields: str) -> Answer:
    return host.call(
        visitor,
        "POST",
        f"/api/console/{action}",
        urlencode(fields).encode(),
        Content_Type="application/x-www-form-urlencoded",
    )


def follow(host: Host, visitor: Visitor, answer: Answer) -> Page:
    assert answer.status == 303
    found = host.call(visitor, "GET", answer.headers["location"])
    return Page(found.text)


# --- who may do what ----------------------------------------------------------------------------------------------

CONSOLE, ONE = "GET /api/console", "GET /api/console?employee_id=A1"
MAY_SEE = ("Reader", "Operator", "Approver", "Reader with key", "cross-site form")
TABLE = {
    CONSOLE: dict.fromkeys(VISITORS, 403) | dict.fromkeys(MAY_SEE, 200),
    ONE: dict.fromkeys(VISITORS, 403) | dict.fromkeys(MAY_SEE, 200),
    "POST /api/console/approve": dict.fromkeys(VISITORS, 403) | {"Approver": 303},
    "POST /api/console/resync": dict.fromkeys(VISITORS, 403) | {"Operator": 303},
    "POST /api/console/disable": dict.fromkeys(VISITORS, 403) | {"Operator": 303},
    "POST /api/console/enable": dict.fromkeys(VISITORS, 403) | {"Operator": 303},
}
CELLS = [(route, visitor) for route, row in TABLE.items() for visitor in row]


@pytest.mark.parametrize(("route", "visitor"), CELLS, ids=[f"{v} {r.split('/api/')[1]}" for r, v in CELLS])
def test_who_may_do_what(
    host: Host, hold: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, route: str, visitor: str
) -> None:
    if visitor.startswith("forged header") and "on" not in visitor.split(" "):
        monkeypatch.delenv("WEBSITE_AUTH_ENABLED")
    if route.endswith(("resync", "enable")):  # nobody is held any more
        jobs.create(settings, NAMED)
    if route.endswith("enable"):
        by_hand.disable(settings, "A1", "Bea")
    before = trail(settings)
    method, target = route.split(" ")
    body = urlencode({"hold_id": hold, "employee_id": "A1"}).encode() if method == "POST" else b""
    answer = host.call(VISITORS[visitor], method, target, body)
    assert answer.status == TABLE[route][visitor]
    opened = route == ONE and answer.status == 200 and visitor != "cross-site form"
    done = answer.status == 303
    assert (trail(settings) != before) == (opened or done)
    if not opened and answer.status != 303:
        assert "Marker-Title" not in answer.text


@pytest.mark.parametrize(
    "headers", [{}, {"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "null"}]
)
@pytest.mark.parametrize("action", ["approve", "resync", "disable"])
def test_a_form_that_does_not_say_it_is_ours_does_nothing(
    host: Host, hold: str, settings: Settings, headers: dict[str, str], action: str
) -> None:
    answer = post(host, Visitor(roles=ALL, headers=headers), action, hold_id=hold, employee_id="A1")
    assert answer.status == 403
    assert trail(settings) == []
    assert [h.hold_id for h in review.waiting(settings)] == [hold]


def test_who_is_not_signed_in_is_shown_where(host: Host) -> None:
    found = Page(host.call(VISITORS["none"], "GET", "/api/console").text)
    assert "Nobody is signed in." in found.text
    assert found.all("a")[-1]["href"] == "/.auth/login/aad?post_login_redirect_uri=/api/console"


def test_a_link_on_another_site_only_fills_the_field(host: Host, settings: Settings) -> None:
    found = see(host, Visitor(roles=ALL, headers=THEIRS), employee_id="A1")
    assert "press Show" in found.text
    assert found.all("input")[0]["value"] == "A1"
    assert trail(settings) == []


# --- what a browser is told ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/api/console", "/api/console?employee_id=A1", "/api/console?employee_id=NOBODY"])
def test_only_this_style_and_this_script_run_and_nothing_is_kept(host: Host, target: str) -> None:
    answer = host.call(READER, "GET", target)
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    found = Page(answer.text)
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        (text,) = found.of(tag)
        assert policy[directive] == f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["form-action"] == "'self'"
    assert policy["img-src"] == "data:"  # the icon
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "same-origin"  # a stricter one makes a form's Origin null
    assert not [name for _, attributes in found.tags for name in attributes if name == "style" or name.startswith("on")]
    assert not re.search(r"""(src|href|action)="(https?:)?//""", answer.text)


def test_no_personal_data_stands_in_an_address(host: Host, hold: str) -> None:
    for found in (see(host), see(host, employee_id="A1")):
        for link in found.all("a"):
            assert re.fullmatch(r"#\w+|/api/console(\?employee_id=[\w.-]+)?", str(link["href"]))


def test_a_tile_leads_to_those_it_counts(host: Host, hold: str) -> None:
    found = see(host)
    assert [link["href"] for link in found.all("a") if str(link["href"]).startswith("#")] == ["#main", "#held"]
    places = [attributes.get("id") for _, attributes in found.tags]
    assert {"main", "held"} <= set(places)


def test_whatever_stands_in_a_row_is_text(host: Host, db: Database, settings: Settings) -> None:
    edit(db, "A1", Title=NASTY, Name_FullName=NASTY)
    answer = host.call(READER, "GET", "/api/console?employee_id=A1")
    assert json.dumps(NASTY) in Page(answer.text).text
    assert answer.text.count("<script>") == 1
    assert NASTY in Page(str(element("p", NASTY, title=NASTY))).text
    assert Page(str(element("p", "x", title=NASTY))).all("p") == [{"title": NASTY}]


@pytest.mark.parametrize("asked", [NASTY, "x" * 65, "NOBODY"])
def test_an_id_that_nobody_has_is_told_and_not_repeated_as_markup(host: Host, asked: str) -> None:
    found = see(host, employee_id=asked)
    assert "EmployeeId has 1 to 64" in found.text or "No employee NOBODY" in found.text
    assert found.all("input")[0]["value"] == " ".join(asked.split())


# --- how it all stands --------------------------------------------------------------------------------------------


def test_before_anything_has_run_the_page_says_what_to_do_first(host: Host) -> None:
    found = see(host)
    assert "Nothing has run yet" in found.text
    assert found.of("code")[:2] == ["python -m provisioning doctor", "python -m provisioning ingest"]
    for empty in (
        "Nothing waits.",
        "No job has run yet.",
        "Nobody came, left or changed",
        "Nothing is known: Entra's log is not read.",
    ):
        assert empty in found.text


def test_the_page_tells_the_last_runs_what_waits_and_who_failed(
    host: Host, db: Database, settings: Settings, graph: GraphEmulator
) -> None:
    graph.directory().occupy("A2")
    jobs.create(settings, NAMED)
    aftermath.collect(settings)
    edit(db, "A1", Title="New")
    text = see(host).text
    assert "1 due" in text
    assert "1 failed" in text
    assert "1 of 2,000 calls of 24 h" in text
    assert re.search(r"create \d{4}-\d\d-\d\d \d\d:\d\d UTC 1 s done 3 candidates, 3 sent, 1 call ", text)
    assert "AzureActiveDirectoryDuplicateUserPrincipalName 1 person Mend: " in text
    (failed,) = aftermath.status(settings).answer["failed_people"]
    assert failed["reason"] in text
    assert failed["recommended_action"] in text
    assert "Nothing has run yet" not in text


def test_of_very_many_people_some_are_shown_folded_and_the_rest_counted(host: Host, settings: Settings) -> None:
    ids = [f"E{n:04d}" for n in range(1000)]
    failed = [
        {"employee_id": i, "at": None, "action": "create", "code": "Full", "reason": "Full", "due": False} for i in ids
    ]
    many = {"failed": 3000, "failed_people": failed, "unconfirmed": 4000, "unconfirmed_people": ids}
    many["failures"] = [{"code": "Full", "count": 3000, "recommended_action": None}]
    found = Page(page.overview(page.Look("", ""), {**aftermath.status(settings).answer, **many}))
    assert "Who: E0000, E0001, E0002, E0003, E0004, …" in found.of("summary")
    assert found.of("a").count("E0199") == 2
    assert "E0200" not in found.of("a")
    assert [text for text in found.of("span") if "more" in text] == ["… and 2,800 more", "… and 3,800 more"]


def test_a_hold_shows_its_people_and_only_an_approver_gets_the_form(host: Host, hold: str) -> None:
    for visitor, forms in ((READER, {}), (OPERATOR, {}), (APPROVER, {"/api/console/approve": {"hold_id": hold}})):
        found = see(host, visitor)
        assert "first load: 3 people" in found.text
        assert found.of("a")[2:5] == IDS
        assert found.forms() == forms


def test_an_approver_lets_a_hold_go_in_her_name(host: Host, hold: str, settings: Settings) -> None:
    (action, fields) = next(iter(see(host, APPROVER).forms().items()))
    assert action == "/api/console/approve"
    found = follow(host, APPROVER, post(host, APPROVER, "approve", **fields))
    assert f"Hold {hold} was approved by ada@contoso.example at" in found.text
    assert "Nothing waits." in found.text
    assert jobs.create(settings).counts["sent"] == 3
    again = post(host, APPROVER, "approve", **fields)
    assert again.status == 409
    assert "approved" in Page(again.text).text


def test_an_address_cannot_claim_an_approval(host: Host, hold: str) -> None:
    for claimed in (hold, "00000000", NASTY):
        assert "was approved" not in see(host, approved=claimed).text


def test_a_missing_setting_is_told_on_a_page(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SQL_CONNECTION_STRING")
    answer = host.call(READER, "GET", "/api/console")
    assert answer.status == 500
    assert "SQL_CONNECTION_STRING: is missing" in Page(answer.text).text


def test_a_chart_has_a_bar_for_each_day_and_the_numbers_in_a_table() -> None:
    days = [{"day": f"2026-11-{n:02d}", "joiners": n, "leavers": 0, "changes": 1000, "failed": 0} for n in range(1, 15)]
    ahead = [{"day": f"2026-11-{n:02d}", "joiners": 0, "leavers": 2} for n in range(15, 29)]
    found = Page(str(chart.chart(days, ahead)))
    assert len(found.all("rect")) == 4 * 28
    assert [s["aria-label"] for s in found.all("svg")] == [
        "joiners: 105 in 14 days, 0 to come",
        "leavers: 0 in 14 days, 28 to come",
        "changes: 14,000 in 14 days",
        "failed: 0 in 14 days",
    ]
    assert "2026-11-14: 14 joiners" in found.of("title")
    heights = [float(str(r["height"])) for r in found.all("rect")][:14]
    assert heights == sorted(heights)
    assert heights[-1] == chart.HEIGHT - 2
    assert len(found.all("tr")) == 29


# --- one person ---------------------------------------------------------------------------------------------------


def test_a_person_is_found_with_state_differences_timeline_and_payload(
    host: Host, db: Database, settings: Settings
) -> None:
    jobs.create(settings, NAMED)
    edit(db, "A1", Title="Otter")
    found = see(host, employee_id="A1")
    assert found.of("h1") == ["A1"]
    assert "due differs from what was sent last" in found.text
    assert 'title "Marker-Title" "Otter"' in found.text
    assert "sent" in found.text.partition("Timeline")[2]
    payload = json.loads(next(text for text in found.of("pre") if '"schemas"' in text))
    assert (payload["externalId"], payload["title"]) == ("A1", "Otter")
    assert "opened by ada@contoso.example" in found.text
    assert trail(settings) == [("opened", "ada@contoso.example")]


def test_an_operator_disables_and_enables_her_and_the_page_says_so_everywhere(
    host: Host, settings: Settings, graph: GraphEmulator
) -> None:
    jobs.create(settings, NAMED)
    form = see(host, OPERATOR, employee_id="A1").forms()["/api/console/disable"]
    found = follow(host, OPERATOR, post(host, OPERATOR, "disable", **form))
    assert "She was sent, and Graph has taken her." in found.text
    assert "disabled by ada@contoso.example, " in found.text
    assert graph.directory().users["A1"]["accountEnabled"] is False
    assert "Disabled by hand Inactive whatever HR says" in see(host).text
    assert set(found.forms()) == {"/api/console/resync", "/api/console/enable"}
    found = follow(host, OPERATOR, post(host, OPERATOR, "enable", **found.forms()["/api/console/enable"]))
    assert "whatever HR says, until" in found.text  # she can be disabled again
    assert graph.directory().users["A1"]["accountEnabled"] is True
    assert ("disabled", "ada@contoso.example") in trail(settings)
    assert ("enabled", "ada@contoso.example") in trail(settings)
    assert "Disabled by hand" not in see(host).text


def test_whoever_was_never_sent_is_noted(host: Host, settings: Settings) -> None:
    found = follow(host, OPERATOR, post(host, OPERATOR, "disable", employee_id="A1"))
    assert "Noted: there is nothing to send." in found.text
    assert "disabled by hand" in found.text
    again = post(host, OPERATOR, "enable", employee_id="A2")
    assert again.status == 422
    assert "is not disabled by hand" in again.text


def test_a_timeline_tells_once_that_somebody_opened_her_again_and_again(host: Host, settings: Settings) -> None:
    jobs.create(settings, NAMED)
    for _ in range(3):
        found = see(host, employee_id="A1")
    timeline = found.text.partition("Timeline")[2]
    assert re.search(r"opened by ada@contoso\.example, 3 times since \d{4}-\d\d-\d\d \d\d:\d\d UTC", timeline)
    assert found.of("span").count("opened") == 1
    assert len(trail(settings)) == 3


def test_a_timeline_names_runs_and_counts_attributes_where_they_are_many(host: Host, settings: Settings) -> None:
    run_id = jobs.create(settings, NAMED).run_id
    aftermath.collect(settings)
    found = see(host, employee_id="A1")
    assert f" create {run_id[:8]}" in found.of("span")
    assert any(re.fullmatch(r"\d+ attributes", summary) for summary in found.of("summary"))
    assert "enterprise:employeeNumber" in found.text.partition("Timeline")[2].partition("Payload")[0]


def test_only_an_operator_gets_the_resync_form_and_is_named(
    host: Host, settings: Settings, graph: GraphEmulator
) -> None:
    jobs.create(settings, NAMED)
    assert see(host, READER, employee_id="A1").forms() == {}
    fields = see(host, OPERATOR, employee_id="A1").forms()["/api/console/resync"]
    before = len(graph.accepted)
    found = follow(host, OPERATOR, post(host, OPERATOR, "resync", **fields))
    assert "She was sent" in found.text
    assert [a.external_id for a in graph.accepted[before:]] == ["A1"]
    assert ("resync", "ada@contoso.example") in trail(settings)


@pytest.mark.parametrize(("employee_id", "status"), [("no id", 400), ("", 400), ("NOBODY", 404), ("A1", 422)])
def test_a_resync_that_cannot_be_is_told_on_a_page(host: Host, db: Database, employee_id: str, status: int) -> None:
    edit(db, "A1", Active=0)
    answer = post(host, OPERATOR, "resync", employee_id=employee_id)
    assert answer.status == status
    assert Page(answer.text).all("a")[-1]["href"] == "/api/console"
    assert Page(answer.text).of("h1") == ["Not possible"]


def test_on_ones_own_machine_the_operator_sees_and_does_everything(local: Host, hold: str, settings: Settings) -> None:
    mine = Visitor(headers={"Origin": LOCAL})
    found = follow(local, mine, post(local, mine, "approve", hold_id=hold))
    assert "was approved by the operator of this machine" in found.text
    jobs.create(settings)
    assert post(local, mine, "resync", employee_id="A1").status == 303
    forms = see(local, mine, employee_id="A1").forms()
    assert forms == {key: {"employee_id": "A1"} for key in ("/api/console/resync", "/api/console/disable")}


def test_a_form_is_read_as_a_browser_sends_it() -> None:
    assert console.fields(b"employee_id=A%2E1&x=") == {"employee_id": "A.1"}
    assert console.fields(b"\xff\xfe=" + b"a" * 10_000).keys() <= {"\ufffd\ufffd"}


def test_make_console_serves_the_app_on_loopback_to_nobody_else(local: Host, settings: Settings) -> None:
    with served(0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}"
            found = httpx.get(f"{url}/api/console?employee_id=A1")
            rebound = httpx.get(f"{url}/api/console", headers={"Host": "evil.example"})
            missing = httpx.get(f"{url}/elsewhere")
        finally:
            server.shutdown()
            thread.join()
    assert (found.status_code, rebound.status_code, missing.status_code) == (200, 403, 404)
    assert Page(found.text).of("h1") == ["A1"]
    assert trail(settings) == [("opened", "the operator of this machine")]


# --- compared with the directory ----------------------------------------------------------------------------------


def test_what_the_last_comparison_found_is_shown_in_numbers_with_what_to_do(
    host: Host, db: Database, graph: GraphEmulator, settings: Settings
) -> None:
    jobs.create(settings, NAMED)
    assert "Compared with the directory" not in overview(host).text
    graph.roles.add(USERS_ROLE)
    comparing.nightly(settings)
    assert "Nothing asks for anybody." in overview(host).text
    graph.directory().plant({"userPrincipalName": "kwibus@contoso.example"})
    edit(db, IDS[0], Active=0)
    comparing.nightly(settings)
    found = overview(host)
    assert "Left HR, still enabled 1 The next update disables" in found.text
    assert "Enabled there, without HR 1" in found.text
    assert "python -m provisioning compare --report FILE" in found.of("code")
    assert "kwibus" not in found.text


def overview(host: Host) -> Page:
    return Page(host.call(READER, "GET", "/api/console").text)
