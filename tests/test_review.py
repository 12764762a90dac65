"""Holds and their approval, and the plan: through the jobs, over the emulators, on both engines."""

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from provisioning import database, holds, jobs, review
from provisioning.database import Database
from provisioning.errors import Held, NotApprovable, UnknownHold, WrongUsage
from provisioning.jobs import Selection
from provisioning.settings import Settings
from tests.clock import MovedClock
from tests.conftest import NAMED, approve_all, edit, employ, finish
from tests.emulators.graph import GraphEmulator

TERMINATED = [f"P{n:04d}" for n in range(20)]
EDITED = [f"P{n:04d}" for n in range(90, 95)]


@pytest.fixture
def guarded(db: Database, change: Callable[..., Settings], clock: MovedClock) -> Settings:
    """A hundred people who were sent, and the guards as they are by default: at most 10 disables."""
    settings = change(MAX_DISABLES="5%", MAX_CHANGES="20%", MAX_CREATES="20%")
    employ(db, *(f"P{n:04d}" for n in range(100)), Title="Clerk")
    finish(jobs.create, settings, clock)
    return settings


@pytest.fixture
def held(db: Database, guarded: Settings, clock: MovedClock) -> str:
    """The hold of 20 people who were terminated at once."""
    edit(db, *TERMINATED, Active=0)
    finish(jobs.update, guarded, clock)
    (hold,) = review.waiting(guarded, clock=clock)
    return hold.hold_id


def disabled(graph: GraphEmulator) -> list[str]:
    return sorted(i for i, user in graph.directory().users.items() if not user["accountEnabled"])


def written(db: Database) -> list[tuple[Any, ...]]:
    """Everything that is kept of holds."""
    tables = ("holds", "held_people", "mappings", "disables")
    return [row for t in tables for row in db.select(f"SELECT * FROM provisioning.{t} ORDER BY 1, 2", (), t)]


def test_many_disables_are_held_and_everybody_else_goes_on(
    db: Database, guarded: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    edit(db, *TERMINATED, Active=0)
    edit(db, *EDITED, Title="Baker")
    report = jobs.update(guarded, clock=clock)
    counts = {name: count for name, count in report.counts.items() if count}
    assert (report.exit_code, counts) == (3, {"candidates": 25, "sent": 5, "held": 20, "calls": 1})
    assert disabled(graph) == []
    (told,) = [note for note in report.notes if note.startswith("held disables")]
    assert "20 people would be disabled, 0 were in the last 24 h; at most 10 may be" in told
    (hold,) = review.waiting(guarded, clock=clock)
    assert f"approve {hold.hold_id} --by NAME" in told
    found = hold.told()
    assert (found["job"], found["class"], found["count"], found["employee_ids"]) == (
        "update",
        "disables",
        20,
        TERMINATED,
    )


def test_approved_exactly_they_go_once_and_are_recorded(
    db: Database, guarded: Settings, held: str, graph: GraphEmulator, clock: MovedClock
) -> None:
    report = review.approve(guarded, held, "Ada Approver", clock=clock)
    assert report.answer == {"hold_id": held, "approved_by": "Ada Approver", "covers": 20, "changed": 0}
    assert disabled(graph) == []  # it takes effect at the next run
    counts = finish(jobs.update, guarded, clock)
    assert (counts["sent"], counts["held"]) == (20, 0)
    assert disabled(graph) == TERMINATED
    assert review.waiting(guarded, clock=clock) == []
    fate = holds.find(db, held)
    assert fate is not None
    assert fate.approved_by == "Ada Approver"
    assert list(db.select("SELECT COUNT(*) FROM provisioning.disables", (), "t")) == [(0,)]  # not counted again
    edit(db, *TERMINATED, Active=1)
    finish(jobs.update, guarded, clock)
    edit(db, *TERMINATED, Active=0)  # the very state that was approved, but that approval was used
    assert finish(jobs.update, guarded, clock)["held"] == 20


def test_approved_again_is_refused(guarded: Settings, held: str, clock: MovedClock) -> None:
    review.approve(guarded, held, "Ada", clock=clock)
    with pytest.raises(NotApprovable, match="was approved at"):
        review.approve(guarded, held, "Bob", clock=clock)


def test_after_their_data_changed_they_are_not_covered(
    db: Database, guarded: Settings, held: str, graph: GraphEmulator, clock: MovedClock
) -> None:
    edit(db, *TERMINATED, Title="Former clerk")
    with pytest.raises(NotApprovable, match="due as she was held"):
        review.approve(guarded, held, "Ada", clock=clock)
    edit(db, *TERMINATED[1:], Title="Clerk")
    report = review.approve(guarded, held, "Ada", clock=clock)
    assert (report.answer["covers"], report.answer["changed"]) == (19, 1)
    edit(db, TERMINATED[1], Title="Changed after the approval")
    finish(jobs.update, guarded, clock)
    assert set(disabled(graph)) >= set(TERMINATED[2:])


@pytest.mark.parametrize("by", ["", "  ", "x" * 101, "a\0b"])
def test_somebody_must_approve(guarded: Settings, held: str, clock: MovedClock, by: str) -> None:
    with pytest.raises(WrongUsage, match="--by"):
        review.approve(guarded, held, by, clock=clock)


def test_an_unknown_hold_is_named_so_and_another_targets_is_refused(
    change: Callable[..., Settings], guarded: Settings, held: str, graph: GraphEmulator, clock: MovedClock
) -> None:
    with pytest.raises(UnknownHold):
        review.approve(guarded, "nothing", "Ada", clock=clock)
    elsewhere = change(GRAPH_BULK_UPLOAD_URL=graph.add_job())
    assert review.waiting(elsewhere, clock=clock) == []
    with pytest.raises(NotApprovable, match="another provisioning app"):
        review.approve(elsewhere, held, "Ada", clock=clock)


def test_an_approval_lives_24_hours(
    db: Database, guarded: Settings, held: str, graph: GraphEmulator, clock: MovedClock
) -> None:
    if db.engine == "sqlserver":
        pytest.skip("the server's own clock cannot be moved")
    review.approve(guarded, held, "Ada", clock=clock)
    clock.move(hours=24, seconds=1)
    assert finish(jobs.update, guarded, clock)["held"] == 20
    assert disabled(graph) == []


def test_a_hold_lives_while_its_people_are_due_also_when_they_become_few(
    db: Database, guarded: Settings, held: str, graph: GraphEmulator, clock: MovedClock
) -> None:
    edit(db, *TERMINATED[:15], Active=1)
    assert finish(jobs.update, guarded, clock)["held"] == 5
    (hold,) = review.waiting(guarded, clock=clock)
    assert (hold.hold_id, sorted(hold.people)) == (held, TERMINATED[15:])
    assert "20 people would be disabled" in hold.reason
    edit(db, *TERMINATED[15:], Active=1)
    assert finish(jobs.update, guarded, clock)["candidates"] == 0
    assert review.waiting(guarded, clock=clock) == []
    with pytest.raises(NotApprovable, match="over"):
        review.approve(guarded, held, "Ada", clock=clock)
    assert disabled(graph) == []


def test_while_a_hold_waits_quiet_means_quiet(db: Database, guarded: Settings, held: str, clock: MovedClock) -> None:
    before = written(db)
    for job in (jobs.create, jobs.update, jobs.reconcile):
        finish(job, guarded, clock)
    assert written(db) == before
    (hold,) = review.waiting(guarded, clock=clock)
    assert len(hold.people) == 20


def test_a_create_run_leaves_the_holds_of_an_update_alone(
    db: Database, guarded: Settings, held: str, clock: MovedClock
) -> None:
    employ(db, "NEW")
    report = jobs.create(guarded, clock=clock)
    assert (report.exit_code, report.counts["sent"]) == (0, 1)
    assert [len(h.people) for h in review.waiting(guarded, clock=clock)] == [20]


def test_who_waits_and_vanishes_from_the_view_waits_no_longer(
    db: Database, guarded: Settings, held: str, clock: MovedClock
) -> None:
    db.execute("DELETE FROM dbo.Employees WHERE EmployeeId = 'P0000'")
    report = jobs.update(guarded, clock=clock)
    assert report.counts["out_of_scope"] == 1
    assert [sorted(h.people) for h in review.waiting(guarded, clock=clock)] == [TERMINATED[1:]]


def test_few_disables_a_time_are_held_when_they_become_many_in_24_hours(
    db: Database, guarded: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    edit(db, *TERMINATED[:6], Active=0)
    assert finish(jobs.update, guarded, clock)["sent"] == 6
    edit(db, *TERMINATED[6:12], Active=0)
    assert finish(jobs.update, guarded, clock)["held"] == 6
    assert disabled(graph) == TERMINATED[:6]
    if db.engine == "sqlite":
        clock.move(hours=24, seconds=1)
        edit(db, *EDITED, Active=0)
        assert finish(jobs.update, guarded, clock)["sent"] == 5  # those 6 wait for a word, whatever the day


def test_temps_whose_last_day_was_long_known_leave_on_time(
    db: Database, guarded: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    if db.engine == "sqlserver":
        pytest.skip("the server's own clock cannot be moved")
    edit(db, *TERMINATED, ValidTo="2026-11-26")
    assert finish(jobs.update, guarded, clock)["sent"] == 20
    clock.move(days=2)
    edit(db, *TERMINATED, NickName="Temp")  # sent again, with the same last day
    assert finish(jobs.update, guarded, clock)["sent"] == 20
    clock.move(days=3)  # the 27th
    assert finish(jobs.update, guarded, clock)["sent"] == 20
    assert disabled(graph) == TERMINATED
    assert list(db.select("SELECT COUNT(*) FROM provisioning.disables", (), "t")) == [(0,)]


def test_a_last_day_in_the_past_that_came_yesterday_is_no_expected_one(
    db: Database, guarded: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    if db.engine == "sqlserver":
        pytest.skip("the server's own clock cannot be moved")
    edit(db, *TERMINATED, ValidTo="2026-11-23")
    finish(jobs.update, guarded, clock)
    clock.move(days=2)
    assert finish(jobs.update, guarded, clock)["held"] == 20
    assert disabled(graph) == []


def test_a_protected_person_is_held_alone(
    db: Database, guarded: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    """The mapping says who is protected: here the director."""
    mapping_with(db, "CASE WHEN e.Title = 'Director' THEN 1 ELSE 0 END AS Protected", "e.NickName AS 'nickName'")
    finish(jobs.update, guarded, clock)
    approve_all(guarded, clock)
    edit(db, "P0001", Title="Director")
    finish(jobs.update, guarded, clock)
    edit(db, "P0001", "P0002", Active=0)
    counts = finish(jobs.update, guarded, clock)
    assert (counts["sent"], counts["held"], disabled(graph)) == (1, 1, ["P0002"])
    assert [h.kind[0] for h in review.waiting(guarded, clock=clock)] == ["protected"]


def mapping_with(db: Database, *more: str) -> None:
    """Another view: the least there must be, and some columns more."""
    source = "Employees" if db.engine == "sqlite" else "dbo.Employees"
    columns = ["e.EmployeeId", "e.EmployeeId AS 'externalId'", "e.EmployeeId AS 'userName'", "e.Active AS 'active'"]
    db.execute("DROP VIEW dbo.ScimUsers")
    db.execute(f"CREATE VIEW dbo.ScimUsers AS SELECT {', '.join((*columns, *more))} FROM {source} AS e")


def test_a_changed_mapping_waits_for_a_word_whatever_it_touches(
    db: Database, guarded: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    edit(db, "P0003", NickName="Ace")
    finish(jobs.update, guarded, clock)
    mapping_with(db, "e.Title AS 'title'", "e.Title AS 'nickName'")
    employ(db, "NEW", Title="Baker")
    report = jobs.create(guarded, clock=clock)
    assert (report.counts["held"], report.counts["candidates"], report.exit_code) == (1, 1, 3)
    (hold,) = review.waiting(guarded, clock=clock)
    assert len(hold.people) == 101  # whichever job finds it, the hold names everybody
    assert hold.attributes["nickName"]["people"] == 100
    assert [e["old"] for e in hold.attributes["nickName"]["examples"]] == [None] * 3
    assert [e["new"] for e in hold.attributes["nickName"]["examples"]] == ["Clerk"] * 3
    with pytest.raises(Held) as caught:
        jobs.resync(guarded, "P0005", refresh=False, clock=clock)
    assert caught.value.hold_ids == (hold.hold_id,)
    mapping_with(db, "e.Title AS 'title'", "e.Title AS 'displayName'")
    with pytest.raises(NotApprovable, match="the mapping has changed again"):
        review.approve(guarded, hold.hold_id, "Ada", clock=clock)
    finish(jobs.update, guarded, clock)
    (again,) = review.waiting(guarded, clock=clock)
    assert again.hold_id != hold.hold_id
    review.approve(guarded, again.hold_id, "Ada", clock=clock)
    assert (finish(jobs.update, guarded, clock)["sent"], finish(jobs.create, guarded, clock)["sent"]) == (100, 1)
    assert graph.directory().users["NEW"]["displayName"] == "Baker"
    employ(db, "NEXT")
    assert finish(jobs.create, guarded, clock)["sent"] == 1  # the mapping is accepted, not only for those in the hold


def test_a_mapping_that_touches_nobody_today_waits_for_a_word_too(
    db: Database, guarded: Settings, clock: MovedClock
) -> None:
    definition = holds.mapping_definition(db) or ""
    db.execute("DROP VIEW dbo.ScimUsers")
    text = definition if db.engine == "sqlserver" else definition.replace("CREATE VIEW ", "CREATE VIEW dbo.", 1)
    db.execute(text.replace("e.NickName", "COALESCE(e.NickName, NULL)"))
    report = jobs.update(guarded, clock=clock)
    assert (report.exit_code, report.counts["candidates"]) == (3, 0)
    (hold,) = review.waiting(guarded, clock=clock)
    assert (hold.kind[0], hold.people) == ("mapping", {})
    assert jobs.resync(guarded, "P0001", refresh=False, clock=clock).answer["changed"] is False
    jobs.reconcile(guarded, clock=clock)
    assert [h.hold_id for h in review.waiting(guarded, clock=clock)] == [hold.hold_id]
    employ(db, "NEW")
    assert finish(jobs.create, guarded, clock)["held"] == 1
    assert approve_all(guarded, clock) == ["mapping"]
    assert finish(jobs.create, guarded, clock)["sent"] == 1
    assert jobs.update(guarded, clock=clock).exit_code == 0


def test_a_mapping_that_drops_people_from_the_scope_says_how_many(
    db: Database, guarded: Settings, clock: MovedClock
) -> None:
    definition = holds.mapping_definition(db) or ""
    db.execute("DROP VIEW dbo.ScimUsers")
    text = definition if db.engine == "sqlserver" else definition.replace("CREATE VIEW ", "CREATE VIEW dbo.", 1)
    db.execute(text.replace("IS NULL THEN 0 ELSE 1 END", "IS NULL THEN 0 ELSE 0 END"))
    jobs.update(guarded, clock=clock)
    (hold,) = review.waiting(guarded, clock=clock)
    assert "leaves out of scope (InScope): 100" in hold.reason


def test_one_person_sent_by_name_does_not_turn_a_first_load_into_an_ordinary_create(
    db: Database, settings: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(db, "A", "B", "C")
    jobs.resync(settings, "A", refresh=False, clock=clock)
    assert sorted(graph.directory().users) == ["A"]
    assert jobs.create(settings, clock=clock).counts["held"] == 2
    jobs.create(settings, Selection(only=("B",)), clock=clock)
    assert jobs.create(settings, clock=clock).counts["held"] == 1
    assert approve_all(settings, clock) == ["first_load"]
    assert jobs.create(settings, clock=clock).counts["sent"] == 1


def test_an_attribute_that_many_lose_is_held(
    db: Database, guarded: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    edit(db, *TERMINATED[:6], Title=None)
    edit(db, "P0050", Title="Baker")
    counts = finish(jobs.update, guarded, clock)
    assert (counts["sent"], counts["held"]) == (1, 6)
    (hold,) = review.waiting(guarded, clock=clock)
    assert hold.kind == ("attribute_to_null", "title")
    assert hold.reason == "title turns null for 6 people of 100 who had it"
    edit(db, *TERMINATED[:2], Title="Clerk")
    assert finish(jobs.update, guarded, clock)["held"] == 4  # they wait on, though 4 are few
    assert graph.directory().users["P0005"]["title"] == "Clerk"


def test_resyncs_one_after_the_other_disable_no_more_than_the_guard_allows(
    db: Database, guarded: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    everybody = [f"P{n:04d}" for n in range(100)]
    edit(db, *everybody, Active=0)
    refused = []
    for one in everybody[:30]:
        try:
            jobs.resync(guarded, one, refresh=False, clock=clock)
        except Held:
            refused.append(one)
    assert (disabled(graph), refused) == (everybody[:10], everybody[10:30])
    assert finish(jobs.update, guarded, clock)["held"] == 90


def test_somebody_forced_meanwhile_is_weighed_by_the_run_at_work(
    db: Database, guarded: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    edit(db, *TERMINATED[:10], Active=0)
    finish(jobs.update, guarded, clock)
    edit(db, "P0030", Active=0)
    with database.connect(guarded.sql_connection_string, clock) as other:
        target = guarded.bulk_upload.target if guarded.bulk_upload else ""
        other.run("force", *[target, "P0030"] * 2, "token", target, "P0030", "a run", None, target, "P0030", "a run")
    report = jobs.create(guarded, clock=clock)
    assert (report.counts["held"], report.counts["candidates"], report.exit_code) == (1, 1, 3)
    assert "P0030" not in disabled(graph)
    assert list(db.rows("forced_people", target)) == []


# --- the first load -----------------------------------------------------------------------------------------------


def test_a_first_load_is_held_and_approved_it_goes(
    db: Database, settings: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(db, "A", "B", "C")
    report = jobs.create(settings, clock=clock)
    assert (report.exit_code, report.counts["held"], len(graph.calls)) == (3, 3, 0)
    assert approve_all(settings, clock) == ["first_load"]
    assert finish(jobs.create, settings, clock)["sent"] == 3
    assert jobs.create(settings, clock=clock).exit_code == 0


def test_by_name_a_few_may_go_first_and_the_others_still_wait(
    db: Database, settings: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(db, "A", "B", "C", "D")
    jobs.create(settings, clock=clock)
    assert jobs.create(settings, Selection(only=("b", "nobody")), clock=clock).counts["sent"] == 1
    assert jobs.create(settings, Selection(limit=1), clock=clock).counts["sent"] == 1
    assert sorted(graph.directory().users) == ["A", "B"]
    assert jobs.create(settings, clock=clock).counts["held"] == 2
    assert approve_all(settings, clock) == ["first_load"]
    assert jobs.create(settings, clock=clock).counts["sent"] == 2


@pytest.mark.parametrize(
    "selection", [Selection(limit=1), Selection(only=("P0001",)), Selection(limit=9, only=("P0001",))]
)
def test_a_named_run_is_no_way_around_what_waits(
    guarded: Settings, held: str, graph: GraphEmulator, clock: MovedClock, selection: Selection
) -> None:
    report = jobs.update(guarded, selection, clock=clock)
    assert (report.exit_code, report.counts["held"]) == (3, 1 if selection.only else 0)
    assert disabled(graph) == []
    assert [(h.hold_id, len(h.people)) for h in review.waiting(guarded, clock=clock)] == [(held, 20)]


# --- the plan -----------------------------------------------------------------------------------------------------


def test_the_plan_names_who_would_go_with_old_and_new_values_and_sends_nothing(
    db: Database, guarded: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    edit(db, *EDITED, Title="Baker")
    edit(db, "P0001", Active=0)
    employ(db, "NEW")
    calls, before = len(graph.calls), written(db)
    report = review.foresee(guarded, clock=clock)
    people = {p["employee_id"]: p for p in report.answer["people"]}
    assert sorted(people) == sorted([*EDITED, "P0001", "NEW"])
    assert people["P0090"]["action"] == "change"
    assert people["P0090"]["attributes"] == {"title": {"old": "Clerk", "new": "Baker"}}
    assert people["P0001"]["attributes"] == {"active": {"old": True, "new": False}}
    assert (people["P0001"]["action"], people["NEW"]["action"]) == ("disable", "create")
    assert (report.counts["candidates"], report.counts["sent"]) == (7, 0)
    assert report.counts["calls"] == 2  # one of create, one of update
    assert report.answer["actions"] == {"change": 5, "disable": 1, "create": 1}
    assert (report.answer["seconds"], report.answer["more_days"]) == (0.3, 0)
    assert [p["employee_id"] for p in report.answer["people"]][:2] == ["P0001", "NEW"]
    assert (len(graph.calls), written(db)) == (calls, before)
    json.dumps(report.answer)


def test_the_plan_shows_what_would_be_held(guarded: Settings, held: str, db: Database, clock: MovedClock) -> None:
    edit(db, *EDITED, Title="Baker")
    report = review.foresee(guarded, clock=clock)
    (hold,) = report.answer["holds"]
    assert (hold["hold_id"], hold["class"], hold["count"]) == (held, "disables", 20)
    assert (report.counts["held"], report.counts["calls"]) == (20, 1)


def test_a_plan_of_one_job_and_of_a_few_people(db: Database, guarded: Settings, clock: MovedClock) -> None:
    edit(db, *EDITED, Title="Baker")
    employ(db, "NEW")
    assert review.foresee(guarded, jobs.Job.CREATE, clock=clock).counts["candidates"] == 1
    assert review.foresee(guarded, jobs.Job.RECONCILE, clock=clock).counts["candidates"] == 5
    assert review.foresee(guarded, selection=Selection(only=("P0090",)), clock=clock).counts["candidates"] == 1
    assert review.foresee(guarded, selection=NAMED, clock=clock).counts["candidates"] == 6


def test_the_days_ahead_name_the_joiner_and_the_leaver_of_that_week(
    db: Database, guarded: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    today = clock.utc_now().date() if db.engine == "sqlite" else db.utc_now().date()
    day = [date.fromordinal(today.toordinal() + n).isoformat() for n in range(40)]
    edit(db, "P0001", ValidTo=day[3])
    edit(db, "P0002", ValidTo=day[20])
    finish(jobs.update, guarded, clock)
    employ(db, "SOON", ValidFrom=day[9])
    employ(db, "LATER", ValidFrom=day[30])
    calls = len(graph.calls)
    report = review.foresee(guarded, on=date.fromisoformat(day[7]), clock=clock)
    told = [(p["day"], p["employee_id"], p["action"]) for p in report.answer["people"]]
    assert told == [(day[2], "SOON", "create"), (day[4], "P0001", "disable")]
    assert report.answer["holds"] == []
    assert len(graph.calls) == calls


@pytest.mark.parametrize("days", [0, -1, 400])
def test_a_day_ahead_is_ahead_and_within_a_year(guarded: Settings, db: Database, clock: MovedClock, days: int) -> None:
    with pytest.raises(WrongUsage, match="--on"):
        review.foresee(guarded, on=date.fromordinal(db.utc_now().date().toordinal() + days), clock=clock)


def test_a_wave_can_be_approved_in_advance(
    db: Database, guarded: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    if db.engine == "sqlserver":
        pytest.skip("the server's own clock cannot be moved")
    graduates = [f"G{n:03d}" for n in range(201)]
    employ(db, *graduates, ValidFrom="2026-12-14")  # 22 days ahead, due a week before
    (hold,) = review.foresee(guarded, on=date(2026, 12, 8), clock=clock).answer["holds"]
    assert (hold["class"], hold["count"], hold["due_on"]) == ("creates", 201, "2026-12-07")
    again = review.foresee(guarded, on=date(2026, 12, 8), clock=clock).answer["holds"]
    assert [h["hold_id"] for h in again] == [hold["hold_id"]]  # looked at twice, it is one hold
    finish(jobs.update, guarded, clock)
    assert [h.hold_id for h in review.waiting(guarded, clock=clock)] == [hold["hold_id"]]  # today's runs leave it alone
    review.approve(guarded, hold["hold_id"], "Ada", clock=clock)
    assert finish(jobs.create, guarded, clock)["candidates"] == 0
    clock.move(days=15)
    edit(db, "G000", Title="Came with another title")
    counts = finish(jobs.create, guarded, clock)
    assert (counts["sent"], counts["held"]) == (201, 0)  # one alone is not too many
    assert len(graph.directory().users) == 301


def test_a_wave_that_nobody_approved_is_held_on_its_day(
    db: Database, guarded: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    if db.engine == "sqlserver":
        pytest.skip("the server's own clock cannot be moved")
    employ(db, *(f"G{n:03d}" for n in range(201)), ValidFrom="2026-12-14")
    review.foresee(guarded, on=date(2026, 12, 8), clock=clock)
    clock.move(days=15)
    assert jobs.create(guarded, clock=clock).counts["held"] == 201
    clock.move(days=1)
    jobs.create(guarded, clock=clock)
    assert [h.due_on for h in review.waiting(guarded, clock=clock)] == [None]  # the foreseen one is over
