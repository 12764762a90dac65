"""Each person's trail: what went when, by which run, what differed, who asked and approved; and how long it is kept."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from provisioning import aftermath, database, jobs, review, trail
from provisioning.database import Database
from provisioning.ledger import Ledger
from provisioning.settings import Settings
from tests.clock import MovedClock
from tests.conftest import NAMED, UNGUARDED, edit, employ, finish
from tests.emulators.graph import GraphEmulator

LONG_AGO = "2020-01-01 00:00:00.0000000"


@pytest.fixture
def settings(change: Callable[..., Settings], db: Database) -> Settings:
    employ(db, "P1", "P2")
    return change(HR_SOURCE="")


def target(settings: Settings) -> str:
    assert settings.bulk_upload
    return settings.bulk_upload.target


def steps(db: Database, settings: Settings, employee_id: str, *kinds: str) -> list[dict[str, Any]]:
    return [s for s in trail.of(db, target(settings), employee_id) if not kinds or s["kind"] in kinds]


def payload(db: Database, employee_id: str) -> Any:
    ((text,),) = db.select("SELECT scim_user FROM provisioning.ledger WHERE employee_id = ?", (employee_id,), "test")
    return json.loads(text)


def test_a_trail_tells_what_went_when_by_which_run_and_which_attributes_differed(
    settings: Settings, db: Database, clock: MovedClock
) -> None:
    first = jobs.create(settings, NAMED, clock=clock)
    edit(db, "P1", Title="Otter", Name_FirstName="Ada")
    second = jobs.update(settings, clock=clock)
    edit(db, "P1", Active=0)
    third = jobs.update(settings, clock=clock)
    found = steps(db, settings, "P1")
    assert [(s["kind"], s["run_id"], s["job"], s["active"]) for s in found] == [
        ("sent", first.run_id, "create", True),
        ("sent", second.run_id, "update", True),
        ("sent", third.run_id, "update", False),
    ]
    assert [s["attributes"] for s in found] == [None, ["name.givenName", "title"], ["active"]]
    assert found[0]["at"].startswith("20")
    assert len(steps(db, settings, "P2")) == 1
    assert steps(db, settings, "p1") == found  # without regard to case


def test_a_trail_holds_names_of_attributes_and_no_values(settings: Settings, db: Database, clock: MovedClock) -> None:
    jobs.create(settings, NAMED, clock=clock)
    edit(db, "P1", Title="Marker of a value")
    jobs.update(settings, clock=clock)
    assert "Marker of a value" not in repr(list(db.select("SELECT * FROM provisioning.history", (), "test")))


def test_a_resend_differs_in_nothing(settings: Settings, db: Database, clock: MovedClock) -> None:
    jobs.create(settings, NAMED, clock=clock)
    jobs.resend(settings, None, clock=clock)
    assert steps(db, settings, "P1")[1]["attributes"] == []


def test_a_resync_is_in_the_trail_with_who_asked(settings: Settings, db: Database, clock: MovedClock) -> None:
    jobs.create(settings, NAMED, clock=clock)
    report = jobs.resync(settings, "P1", refresh=False, by="Ada Operator", clock=clock)
    asked, sent = steps(db, settings, "P1")[1:]
    assert (asked["kind"], asked["by"], asked["run_id"], asked["job"]) == (
        *("resync", "Ada Operator"),
        *(report.run_id, "resync"),
    )
    assert (sent["kind"], sent["run_id"]) == ("sent", report.run_id)


def test_an_approval_is_in_the_trail_of_whom_it_covers(settings: Settings, db: Database, clock: MovedClock) -> None:
    jobs.create(settings, clock=clock)
    (hold,) = review.waiting(settings, clock=clock)
    edit(db, "P2", Title="Changed since")
    report = review.approve(settings, hold.hold_id, "Ada Approver", clock=clock)
    (approved,) = steps(db, settings, "P1")
    assert (approved["kind"], approved["by"], approved["run_id"]) == ("approved", "Ada Approver", report.run_id)
    assert approved["remark"] == f"hold {hold.hold_id}, first_load"
    assert steps(db, settings, "P2") == []  # she has changed: it does not cover her


def test_a_refusal_is_in_the_trail(settings: Settings, db: Database, graph: GraphEmulator, clock: MovedClock) -> None:
    graph.refuse = lambda data: data["externalId"] == "P1"
    jobs.create(settings, NAMED, clock=clock)
    (refused,) = steps(db, settings, "P1")
    assert refused["kind"] == "refused"
    assert "400" in refused["remark"]
    assert [s["kind"] for s in steps(db, settings, "P2")] == ["sent"]


def test_the_trail_is_written_with_what_it_tells_of_or_not_at_all(
    settings: Settings, db: Database, graph: GraphEmulator, clock: MovedClock
) -> None:
    jobs.create(settings, NAMED, clock=clock)
    edit(db, "P1", Title="Otter")
    graph.drop_next(apply=True)
    graph.fail_next(403)
    finish(jobs.update, settings, clock)  # nobody knows whether it arrived: not told as sent
    assert len(steps(db, settings, "P1")) == 1
    jobs.update(settings, clock=clock)
    assert len(steps(db, settings, "P1")) == 2


def test_the_trail_costs_a_request_no_round_trip(
    settings: Settings, db: Database, clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    employ(db, *(f"C{n:03d}" for n in range(48)))
    jobs.create(settings, NAMED, clock=clock)
    edit(db, "P1", Title="Otter")
    edit(db, "P2", Title="Otter")
    asked: list[str] = []
    rows, run = type(db).rows, type(db).run
    monkeypatch.setattr(
        type(db), "rows", lambda self, name, *a, **n: (asked.append(name), rows(self, name, *a, **n))[1]
    )
    monkeypatch.setattr(type(db), "run", lambda self, name, *a, **n: (asked.append(name), run(self, name, *a, **n))[1])
    jobs.update(settings, clock=clock)
    first, last = asked.index("forced_people"), asked.index("record_accepted")
    assert last + 1 - first <= 6


# --- how long it is kept ------------------------------------------------------------------------------------------


def age(db: Database, table: str, column: str, where: str = "1 = 1") -> None:
    db.execute(f"UPDATE provisioning.{table} SET {column} = ? WHERE {where}", (LONG_AGO,))


def test_trails_are_kept_for_history_days(settings: Settings, db: Database, clock: MovedClock) -> None:
    jobs.create(settings, NAMED, clock=clock)
    aftermath.collect(settings, clock=clock)
    age(db, "history", "happened_at", "employee_id = 'P1'")
    age(db, "outcomes", "activity_at", "employee_id = 'P1'")
    jobs.update(settings, clock=clock)
    assert steps(db, settings, "P1") == []
    assert {s["kind"] for s in steps(db, settings, "P2")} == {"sent", "outcome"}


def test_why_somebody_fails_still_is_kept_however_old(
    settings: Settings, db: Database, graph: GraphEmulator, clock: MovedClock
) -> None:
    graph.directory().occupy("P1")
    jobs.create(settings, NAMED, clock=clock)
    aftermath.collect(settings, clock=clock)
    age(db, "outcomes", "activity_at")
    jobs.update(settings, clock=clock)
    assert [f.employee_id for f in trail.failed(db, target(settings))] == ["P1"]
    assert all(f.reason for f in trail.failed(db, target(settings)))
    assert steps(db, settings, "P2", "outcome") == []


def test_payloads_of_the_disabled_are_cleared_after_history_days(
    settings: Settings, db: Database, clock: MovedClock
) -> None:
    jobs.create(settings, NAMED, clock=clock)
    edit(db, "P1", Active=0)
    jobs.update(settings, clock=clock)
    jobs.update(settings, clock=clock)
    assert payload(db, "P1")["externalId"] == "P1"
    age(db, "ledger", "inactive_since", "active = 0")
    jobs.update(settings, clock=clock)
    assert payload(db, "P1") == {}
    assert payload(db, "P2")["externalId"] == "P2"


def test_a_resend_does_not_make_a_leaver_newer(settings: Settings, db: Database, clock: MovedClock) -> None:
    jobs.create(settings, NAMED, clock=clock)
    edit(db, "P1", Active=0)
    jobs.update(settings, clock=clock)
    age(db, "ledger", "inactive_since", "active = 0")
    jobs.resend(settings, None, clock=clock)
    jobs.update(settings, clock=clock)
    assert payload(db, "P1") == {}


@pytest.fixture
def cleared(settings: Settings, db: Database, clock: MovedClock) -> Settings:
    """P1 was disabled long ago, so that her payload is cleared."""
    jobs.create(settings, NAMED, clock=clock)
    edit(db, "P1", Active=0)
    jobs.update(settings, clock=clock)
    age(db, "ledger", "inactive_since", "active = 0")
    jobs.update(settings, clock=clock)
    assert payload(db, "P1") == {}
    return settings


def test_nothing_goes_because_a_payload_was_cleared(cleared: Settings, clock: MovedClock) -> None:
    for job in (jobs.create, jobs.update, jobs.reconcile):
        assert finish(job, cleared, clock)["candidates"] == 0


def test_a_cleared_payload_is_none_not_one_of_nothing(cleared: Settings, db: Database, clock: MovedClock) -> None:
    """As one of nothing it would say that her externalId and userName have changed."""
    book = Ledger(db, target(cleared), "run")
    assert [employee_id for employee_id, _ in book.sent_users(["P1", "P2"])] == ["P2"]
    assert [user["externalId"] for user in book.every_sent_user()] == ["P2"]


def test_who_comes_back_is_enabled_as_ever_though_her_payload_was_cleared(
    cleared: Settings, db: Database, graph: GraphEmulator, clock: MovedClock
) -> None:
    edit(db, "P1", Active=1, Title=None, Email=None)
    report = review.foresee(cleared, clock=clock)
    (person,) = report.answer["people"]
    assert (person["employee_id"], person["action"]) == ("P1", "enable")
    counts = jobs.update(cleared, clock=clock).counts
    assert (counts["sent"], counts["held"]) == (1, 0)
    assert graph.directory().users["P1"]["accountEnabled"] is True
    assert steps(db, cleared, "P1")[-1]["attributes"] is None  # what differed is no longer known
    assert payload(db, "P1")["externalId"] == "P1"


def test_a_cleared_payload_is_no_attribute_lost_nor_one_that_anybody_had(
    cleared: Settings, db: Database, clock: MovedClock, change: Callable[..., Settings]
) -> None:
    employ(db, *(f"C{n:03d}" for n in range(48)), Title="Otter")
    jobs.create(cleared, NAMED, clock=clock)
    edit(db, "C001", "C002", "C003", Title=None)
    report = jobs.update(change(HR_SOURCE="", **UNGUARDED), clock=clock)
    assert report.counts["held"] == 3
    assert "for 3 people of 48 who had it" in report.notes[0]


def test_trails_of_two_targets_are_kept_apart(
    settings: Settings, db: Database, graph: GraphEmulator, clock: MovedClock, change: Callable[..., Settings]
) -> None:
    jobs.create(settings, NAMED, clock=clock)
    other = change(HR_SOURCE="", GRAPH_BULK_UPLOAD_URL=graph.add_job())
    assert steps(db, other, "P1") == []
    jobs.create(other, NAMED, clock=clock)
    assert len(steps(db, other, "P1")) == len(steps(db, settings, "P1")) == 1


def test_a_trail_is_found_by_index(sqlite_string: str) -> None:
    with database.connect(sqlite_string) as db:
        text = database.query("trail", "sqlite")
        plan = [row[3] for row in db.select(f"EXPLAIN QUERY PLAN {text}", ["x"] * 4, "test")]
    assert not [step for step in plan if step.startswith(("SCAN h", "SCAN o"))], plan
