"""`show ID`: everything known about one person, what is due and why, and the exact payload; nothing is sent."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from provisioning import __main__ as command_line
from provisioning import aftermath, jobs, person
from provisioning.database import Database
from provisioning.errors import MalformedId, UnfinishedRun, UnknownEmployee
from provisioning.jobs import Selection
from provisioning.settings import Settings
from tests.clock import MovedClock
from tests.conftest import NAMED, UNGUARDED, edit, employ, environment, finish
from tests.emulators.graph import GraphEmulator
from tests.emulators.hr import HrEmulator

Shown = Callable[[str], dict[str, Any]]


@pytest.fixture
def shown(settings: Settings, clock: MovedClock) -> Shown:
    def of(employee_id: str) -> dict[str, Any]:
        answer = person.show(settings, employee_id, clock=clock).answer
        assert json.loads(json.dumps(answer)) == answer
        return answer

    return of


def test_somebody_never_sent_is_due_with_her_rows_and_her_payload(
    db: Database, shown: Shown, graph: GraphEmulator
) -> None:
    employ(db, "A", Title="Clerk", Email="a@contoso.example")
    found = shown("A")
    assert (found["state"], found["action"], found["next_job"]) == ("held", "create", "create")
    assert found["reasons"] == [
        "was never sent",
        "would be held: first_load: nobody was ever sent to this target",
    ]
    mirror = {name.casefold(): cell for name, cell in found["mirror"]["row"].items()}
    assert (mirror["title"], found["mirror"]["absent_since"]) == ("Clerk", None)
    assert found["mapping"]["title"] == "Clerk"
    assert (found["payload"]["externalId"], found["payload"]["title"]) == ("A", "Clerk")
    assert (found["sent"], found["outcomes"], found["intents"]) == (None, [], [])
    assert graph.calls == []


def test_what_is_shown_is_exactly_what_goes(
    db: Database, shown: Shown, settings: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(db, "A", Title="Clerk", HiredDate="2020-02-29")
    payload = shown("A")["payload"]
    finish(jobs.create, settings, clock)
    assert graph.accepted[-1].data == payload


def test_somebody_sent_and_unchanged_says_when_and_by_which_run(
    db: Database, shown: Shown, settings: Settings, clock: MovedClock
) -> None:
    employ(db, "A", Title="Clerk")
    report = jobs.create(settings, NAMED, clock=clock)
    found = shown("a" if db.engine == "sqlite" else "A")
    assert (found["employee_id"], found["state"], found["action"], found["attributes"]) == ("A", "unchanged", None, {})
    assert (found["sent"]["job"], found["sent"]["run_id"], found["sent"]["active"]) == ("create", report.run_id, True)
    assert found["sent"]["user"]["title"] == "Clerk"
    assert found["sent"]["at"].endswith("Z")
    assert found["payload"]["title"] == "Clerk"  # what a resync would send


def test_a_change_is_shown_against_what_was_sent(
    db: Database, shown: Shown, settings: Settings, clock: MovedClock
) -> None:
    employ(db, "A", "B", Title="Clerk", Email="a@contoso.example")
    finish(jobs.create, settings, clock)
    edit(db, "A", Title="Baker", Email="b@contoso.example")
    found = shown("A")
    assert (found["state"], found["next_job"], found["action"]) == ("due", "update", "change")
    assert found["reasons"] == ["differs from what was sent last"]
    assert found["attributes"] == {
        'emails[type eq "work"].value': {
            "old": "a@contoso.example",
            "new": "b@contoso.example",
            "only_on_create": True,
        },
        "title": {"old": "Clerk", "new": "Baker"},
    }


def test_whom_a_guard_holds_shows_her_hold(
    db: Database, change: Callable[..., Settings], shown: Shown, clock: MovedClock
) -> None:
    ids = [f"P{n:03d}" for n in range(20)]
    employ(db, *ids)
    finish(jobs.create, change(**UNGUARDED), clock)
    edit(db, *ids[:12], Active=0)
    jobs.update(change(MAX_DISABLES="0"), clock=clock)
    found = shown("P003")
    (hold,) = found["holds"]
    assert (found["state"], found["action"], hold["class"]) == ("held", "disable", "disables")
    assert found["reasons"][1].startswith("held: disables: 12 people would be disabled")
    assert shown("P015")["holds"] == []


@pytest.mark.parametrize(
    ("cells", "state", "reason"),
    [
        ({"OrganizationId": None}, "not due", "out of scope (InScope)"),
        ({"Active": 0}, "not due", "inactive, and never sent: there is no account to disable"),
        ({"ValidTo": "2020-01-01"}, "not due", "ended (ValidTo), and never sent: there is no account to disable"),
        ({"ValidFrom": "2999-01-01"}, "not yet due", "has not started, and goes 7 days before"),
        ({"Active": None}, "parked", "active is null"),
    ],
)
def test_who_does_not_go_says_why(db: Database, shown: Shown, cells: dict[str, Any], state: str, reason: str) -> None:
    employ(db, "A", **cells)
    found = shown("A")
    assert (found["state"], found["reasons"], found["action"]) == (state, [reason], None)


def test_whom_graph_refused_says_so_until_her_data_changes(
    db: Database, shown: Shown, settings: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(db, "A", "B")
    graph.refuse = lambda data: data["externalId"] == "A"
    finish(jobs.create, settings, clock)
    found = shown("A")
    assert found["state"] == "parked"
    assert "Graph answered 400" in found["reasons"][0]
    edit(db, "A", Title="Mended")
    assert shown("A")["state"] == "due"


def test_two_people_of_one_name_are_parked_and_name_each_other(db: Database, shown: Shown) -> None:
    source = "Employees" if db.engine == "sqlite" else "dbo.Employees"
    db.execute("DROP VIEW dbo.ScimUsers")
    columns = "e.EmployeeId, e.EmployeeId AS 'externalId', e.NickName AS 'userName', e.Active AS 'active'"
    db.execute(f"CREATE VIEW dbo.ScimUsers AS SELECT {columns} FROM {source} AS e")
    employ(db, "A", "B", NickName="same")
    assert shown("A")["reasons"] == ["has the userName of B, and both are active"]


def test_an_upload_without_an_answer_and_a_resync_that_waits_are_told(
    db: Database, shown: Shown, settings: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(db, "A", "B", "C")
    jobs.create(settings, Selection(only=("C",)), clock=clock)
    for _ in range(8):
        graph.drop_next(apply=True)
    with pytest.raises(UnfinishedRun):
        jobs.create(settings, Selection(only=("A",)), clock=clock)
    found = shown("A")
    assert (found["state"], len(found["intents"]), found["intents"][0]["answered"]) == ("due", 1, False)
    assert found["reasons"][0] == "an upload of hers was not answered: nobody knows whether it arrived"
    target = found["target"]
    db.execute("DELETE FROM provisioning.intents")
    now = db.utc_now().strftime("%Y-%m-%d %H:%M:%S.0000000")
    db.execute("INSERT INTO provisioning.forced VALUES (?, 'B', 'token', ?)", (target, now))
    assert shown("B")["reasons"][0] == "a resync of hers waits for the next run"


def test_somebody_gone_from_the_mapping_is_still_known(
    db: Database, shown: Shown, settings: Settings, clock: MovedClock
) -> None:
    employ(db, "A", "B")
    finish(jobs.create, settings, clock)
    db.execute("DELETE FROM dbo.Employees WHERE EmployeeId = 'A'")
    found = shown("A")
    assert (found["state"], found["mapping"], found["payload"]) == ("gone from HR's tables", None, None)
    assert found["sent"]["user"]["externalId"] == "A"


def test_outcomes_account_and_trail_are_shown(
    db: Database, shown: Shown, settings: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    if db.engine == "sqlserver":
        pytest.skip("the server's own clock cannot be moved to the emulator's")
    graph.clock = lambda: clock.utc_now().timestamp()
    employ(db, "A", Title="Clerk")
    report = jobs.create(settings, NAMED, clock=clock)
    clock.move(minutes=20)
    aftermath.collect(settings, clock=clock)
    found = shown("A")
    assert [(o["action"], o["status"]) for o in found["outcomes"]] == [("create", "success")]
    steps = {s["kind"]: s for s in found["trail"]}  # the emulator is done before it has answered
    assert (set(steps), steps["sent"]["run_id"]) == ({"sent", "outcome"}, report.run_id)
    assert (found["sent"]["outcome"], found["sent"]["recreated_at"]) == ("success", None)
    assert found["account"]["user_principal_name"] == "A"
    assert found["account"]["at"] == found["sent"]["outcome_at"]  # a time as everywhere
    edit(db, "A", Title="Baker")
    jobs.update(settings, clock=clock)
    assert [s["attributes"] for s in shown("A")["trail"] if s["kind"] == "sent"] == [None, ["title"]]


def test_a_retry_that_was_asked_for_is_the_reason(
    db: Database, shown: Shown, settings: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    if db.engine == "sqlserver":
        pytest.skip("the server's own clock cannot be moved to the emulator's")
    graph.clock = lambda: clock.utc_now().timestamp()
    employ(db, "A", "B")
    finish(jobs.create, settings, clock)
    graph.directory().tell(
        "A", provisioningStatusInfo={"status": "failure", "errorInformation": {"errorCode": "X", "reason": "Y"}}
    )
    clock.move(minutes=20)
    aftermath.collect(settings, clock=clock)
    assert shown("A")["sent"]["outcome"] == "failure"
    aftermath.retry_failed(settings, None, "Ada", clock=clock)
    found = shown("A")
    assert (found["state"], found["action"]) == ("due", "send again")
    assert found["reasons"] == ["failed in Entra, and a retry was asked for"]


def test_somebody_unknown_or_of_no_possible_id_is_told(db: Database, settings: Settings, clock: MovedClock) -> None:
    employ(db, "A")
    with pytest.raises(UnknownEmployee):
        person.show(settings, "B", clock=clock)
    with pytest.raises(MalformedId):
        person.show(settings, "no such id", clock=clock)


def test_on_the_command_line_it_is_a_page_or_one_line_of_json_and_personal_only_on_stdout(
    sqlite_string: str, hr: HrEmulator, graph: GraphEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = environment(sqlite_string, hr.url, graph.upload_url)
    hr.patch("E00007", {"Title": "Marker-Title"})
    assert command_line.main(["ingest"], environ) == 0
    assert command_line.main(["create", "--limit", "999"], environ) == 0
    hr.patch("E00007", {"Title": "Another-Title"})
    assert command_line.main(["ingest"], environ) == 0
    capsys.readouterr()
    assert command_line.main(["show", "E00007"], environ) == 0
    page, told = capsys.readouterr()
    assert page.splitlines()[0] == "E00007  due, change by update"
    assert 'title  "Marker-Title" → "Another-Title"' in page
    assert "last sent" in page
    assert "dbo.Employees" in page
    assert "Title" not in told
    assert command_line.main(["show", "E00007", "--json"], environ) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["payload"]["title"] == "Another-Title"
    for employee_id, code in (("NOBODY", 1), ("no such id", 2)):
        assert command_line.main(["show", employee_id], environ) == code
        assert json.loads(capsys.readouterr().out)["job"] == "show"
