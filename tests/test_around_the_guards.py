"""Ways around the guards that somebody thought of, each closed: on SQLite, whose clock can be moved."""

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from provisioning import database, holds, jobs, ledger, review
from provisioning.database import Database
from provisioning.errors import Held, NotApprovable, TooOften
from provisioning.jobs import Selection
from provisioning.ledger import Lease, Ledger
from provisioning.settings import Settings
from tests.clock import MovedClock
from tests.conftest import approve_all, edit, employ, finish
from tests.emulators.graph import GraphEmulator

GUARDED = {"MAX_DISABLES": "5%", "MAX_CHANGES": "20%", "MAX_CREATES": "20%"}
ALL = [f"P{n:04d}" for n in range(100)]
TERMINATED, EDITED = ALL[:20], ALL[90:95]


@pytest.fixture
def hundred(small: Database, bridge: Callable[..., Settings], clock: MovedClock) -> Settings:
    """A hundred people who were sent, and the guards as they are by default."""
    settings = bridge(**GUARDED)
    employ(small, *ALL, Title="Clerk", Email="somebody@contoso.example")
    finish(jobs.create, settings, clock)
    return settings


def target(settings: Settings) -> str:
    assert settings.bulk_upload
    return settings.bulk_upload.target


def force(db: Database, settings: Settings, *ids: str) -> None:
    for one in ids:
        key = (target(settings), one)
        db.run("force", *key, *key, f"token {one}", *key, "a run", None, *key, "a run")


def remap(db: Database, before: str, after: str) -> None:
    text = holds.mapping_definition(db) or ""
    assert before in text
    db.execute("DROP VIEW dbo.ScimUsers")
    db.execute(text.replace("CREATE VIEW ", "CREATE VIEW dbo.", 1).replace(before, after))


def disabled(graph: GraphEmulator) -> list[str]:
    return sorted(i for i, user in graph.directory().users.items() if not user["accountEnabled"])


def titles(graph: GraphEmulator) -> int:
    return sum("title" in user for user in graph.directory().users.values())


def waiting(settings: Settings, clock: MovedClock) -> list[tuple[str, int]]:
    return [(h.kind[0], len(h.people)) for h in review.waiting(settings, clock=clock)]


def between(monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]) -> None:
    """Let something happen once between the weighing and the first request of the next run."""
    real = Ledger.vanished

    def vanished(book: Ledger) -> list[str]:
        found = real(book)
        monkeypatch.setattr(ledger.Ledger, "vanished", real)
        act()
        return found

    monkeypatch.setattr(ledger.Ledger, "vanished", vanished)


# --- approvals ----------------------------------------------------------------------------------------------------


def test_an_approval_in_advance_is_none_before_its_day(
    small: Database, hundred: Settings, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(small, *(f"G{n:03d}" for n in range(201)), ValidFrom="2027-01-14")
    (hold,) = review.foresee(hundred, on=date(2027, 1, 9), clock=clock).answer["holds"]
    assert (hold["class"], hold["due_on"]) == ("creates", "2027-01-07")
    review.approve(hundred, hold["hold_id"], "Ada", clock=clock)
    assert finish(jobs.create, bridge(**GUARDED, CREATE_LEAD_DAYS="60"), clock)["held"] == 201  # due today already
    assert len(graph.directory().users) == 100


def test_a_wave_of_a_day_to_come_approves_no_mapping(
    small: Database, hundred: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    remap(small, "e.NickName", "e.Title")
    employ(small, "SOON", ValidFrom="2026-12-10")
    assert review.foresee(hundred, on=date(2026, 12, 8), clock=clock).answer["holds"] == []
    assert finish(jobs.update, hundred, clock)["held"] == 100


def test_an_approval_that_has_expired_frees_nobody(
    small: Database, hundred: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    edit(small, *TERMINATED, Active=0)
    finish(jobs.update, hundred, clock)
    edit(small, *TERMINATED[8:], Active=1)
    finish(jobs.update, hundred, clock)
    approve_all(hundred, clock)
    clock.move(hours=25)
    assert finish(jobs.update, hundred, clock)["held"] == 8  # few as they are, they wait again
    assert disabled(graph) == []
    approve_all(hundred, clock)
    assert finish(jobs.update, hundred, clock)["sent"] == 8
    clock.move(hours=25)
    assert finish(jobs.update, hundred, clock)["candidates"] == 0
    assert waiting(hundred, clock) == []


def test_whoever_changes_between_the_approval_and_the_run_stays_held(
    small: Database, hundred: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    edit(small, *TERMINATED, Active=0)
    finish(jobs.update, hundred, clock)
    approve_all(hundred, clock)
    edit(small, *TERMINATED[:8], Title="Other")
    counts = finish(jobs.update, hundred, clock)
    assert (counts["sent"], counts["held"], disabled(graph)) == (12, 8, TERMINATED[8:])
    (hold,) = review.waiting(hundred, clock=clock)
    assert "with other data" in hold.reason
    approve_all(hundred, clock)
    assert finish(jobs.update, hundred, clock)["sent"] == 8
    clock.move(hours=25)
    edit(small, "P0000", Title="Once more")
    assert finish(jobs.update, hundred, clock)["held"] == 0  # what she had been approved for is used up


def test_an_expired_approval_lets_no_resync_through(
    small: Database, hundred: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    edit(small, *TERMINATED, Active=0)
    finish(jobs.update, hundred, clock)
    edit(small, *TERMINATED[8:], Active=1)
    finish(jobs.update, hundred, clock)
    approve_all(hundred, clock)
    clock.move(hours=25)
    with pytest.raises(Held):
        jobs.resync(hundred, "P0000", refresh=False, clock=clock)


def test_a_short_history_forgets_no_approval_that_was_not_used(
    small: Database, hundred: Settings, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    short = bridge(**GUARDED, HISTORY_DAYS="1")
    edit(small, *TERMINATED, Active=0)
    finish(jobs.update, short, clock)
    edit(small, *TERMINATED[8:], Active=1)
    finish(jobs.update, short, clock)
    approve_all(short, clock)
    clock.move(hours=25)
    assert finish(jobs.update, short, clock)["held"] == 8


def test_whom_graph_refused_after_an_approval_does_not_wait_for_ever(
    small: Database, hundred: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    edit(small, *TERMINATED, Active=0)
    finish(jobs.update, hundred, clock)
    approve_all(hundred, clock)
    graph.refuse = lambda data: data["externalId"] == "P0000"
    assert finish(jobs.update, hundred, clock)["parked"] == 1
    clock.move(hours=25)
    finish(jobs.update, hundred, clock)
    assert waiting(hundred, clock) == []


def test_nobody_approves_whom_she_has_not_seen(
    small: Database, hundred: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    edit(small, *TERMINATED, Active=0)
    finish(jobs.update, hundred, clock)
    (seen,) = review.waiting(hundred, clock=clock)
    edit(small, *ALL[40:70], Active=0)
    finish(jobs.update, hundred, clock)
    with pytest.raises(NotApprovable, match="a later one has taken its place"):
        review.approve(hundred, seen.hold_id, "Ada", clock=clock)
    assert waiting(hundred, clock) == [("disables", 50)]


def test_who_is_no_longer_due_is_put_into_no_new_hold_by_an_approval(
    small: Database, hundred: Settings, clock: MovedClock
) -> None:
    edit(small, *TERMINATED, Active=0)
    finish(jobs.update, hundred, clock)
    edit(small, *TERMINATED[:10], Active=1)
    (hold,) = review.waiting(hundred, clock=clock)
    answer = review.approve(hundred, hold.hold_id, "Ada", clock=clock).answer
    assert (answer["covers"], answer["changed"]) == (10, 10)
    assert waiting(hundred, clock) == []


def test_early_joiners_who_were_forced_and_held_can_be_approved(
    small: Database, hundred: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    early = [f"N{n:04d}" for n in range(250)]
    employ(small, *early, ValidFrom="2027-03-01")
    force(small, hundred, *early)
    assert finish(jobs.create, hundred, clock)["held"] == 50
    (hold,) = review.waiting(hundred, clock=clock)
    assert review.approve(hundred, hold.hold_id, "Ada", clock=clock).answer["covers"] == 50


# --- out of a hold ------------------------------------------------------------------------------------------------


def test_parked_for_an_hour_is_no_way_out_of_a_hold(
    small: Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    remap(small, "e.ValidTo,", "e.ValidTo, CASE WHEN e.NickName = 'x' THEN 'Mars/Olympus' END AS TimeZone,")
    settings = bridge(**GUARDED)
    employ(small, *ALL)
    finish(jobs.create, settings, clock)
    edit(small, *TERMINATED, Active=0)
    assert finish(jobs.update, settings, clock)["held"] == 20
    edit(small, *TERMINATED[:8], NickName="x")
    counts = finish(jobs.update, settings, clock)
    assert (counts["held"], counts["parked"]) == (12, 8)
    edit(small, *TERMINATED[:8], NickName=None)
    assert finish(jobs.update, settings, clock)["held"] == 20
    assert disabled(graph) == []


def test_a_resync_that_is_refused_meanwhile_is_no_way_out_of_a_hold(
    small: Database, hundred: Settings, graph: GraphEmulator, clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(small, *TERMINATED, Active=0)
    finish(jobs.update, hundred, clock)
    force(small, hundred, "P0003")
    between(monkeypatch, lambda: small.run("unforce", target(hundred), '["token P0003"]'))
    finish(jobs.update, hundred, clock)
    finish(jobs.update, hundred, clock)
    assert waiting(hundred, clock) == [("disables", 20)]
    assert disabled(graph) == []


def test_few_at_a_time_by_name_is_no_way_around_too_many_changes(
    small: Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    people = [f"P{n:04d}" for n in range(300)]
    employ(small, *people)
    finish(jobs.create, bridge(), clock)
    edit(small, *people, Title="Wrong")
    for _ in range(2):
        assert jobs.update(bridge(**GUARDED), Selection(limit=100), clock=clock).counts["sent"] == 0
    assert titles(graph) == 0


def test_a_limit_is_not_used_up_by_who_waits(
    small: Database, hundred: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    edit(small, *TERMINATED, Active=0)
    finish(jobs.update, hundred, clock)
    edit(small, *EDITED, Title="Baker")
    assert jobs.update(hundred, Selection(limit=10), clock=clock).counts["sent"] == 5


def test_500_resyncs_of_terminated_people_in_a_row_disable_no_more_than_the_guard_allows(
    small: Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    people = [f"P{n:04d}" for n in range(1000)]
    employ(small, *people)
    finish(jobs.create, bridge(), clock)
    edit(small, *people[:500], Active=0)
    settings, refused = bridge(**GUARDED), 0
    for one in people[:500]:
        try:
            jobs.resync(settings, one, refresh=False, clock=clock)
        except Held:
            refused += 1
    assert (disabled(graph), refused) == (people[:50], 450)
    assert waiting(settings, clock) == [("disables", 450)]


# --- while a run is at work ---------------------------------------------------------------------------------------


def test_a_mapping_changed_while_a_run_is_at_work_stops_it(
    small: Database, hundred: Settings, graph: GraphEmulator, clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(small, *ALL[:60], Title="Baker")

    def change() -> None:
        with database.connect(hundred.sql_connection_string, clock) as other:
            remap(other, "e.Active AS 'active'", "CASE WHEN e.Title = 'Baker' THEN 0 ELSE 1 END AS 'active'")

    between(monkeypatch, change)
    counts = finish(jobs.update, hundred, clock)
    assert (counts["sent"], counts["deferred"], disabled(graph)) == (0, 60, [])
    assert finish(jobs.update, hundred, clock)["held"] == 60


@pytest.mark.parametrize("one_run", [True, False])
def test_an_attribute_is_not_emptied_person_by_person(
    small: Database, hundred: Settings, graph: GraphEmulator, clock: MovedClock, one_run: bool
) -> None:
    edit(small, *TERMINATED, Title=None)
    if one_run:
        force(small, hundred, *TERMINATED)
        finish(jobs.update, hundred, clock)
    else:
        for one in TERMINATED:
            with pytest.raises(Held):
                jobs.resync(hundred, one, refresh=False, clock=clock)
    assert titles(graph) == 100


def test_who_is_forced_beside_the_last_call_still_gets_one_that_is_kept_for_her(
    small: Database,
    bridge: Callable[..., Settings],
    graph: GraphEmulator,
    clock: MovedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    people = [f"P{n:04d}" for n in range(200)]
    employ(small, *people)
    finish(jobs.create, bridge(), clock)
    clock.move(hours=25)
    edit(small, *people, Title="Baker")
    poor, call = (
        bridge(GRAPH_DAILY_CALL_LIMIT="30"),
        "INSERT INTO provisioning.calls VALUES (SYSUTCDATETIME(), 'x', 'x')",
    )
    for _ in range(27):
        small.execute(call)
    force(small, poor, "P0190")
    between(monkeypatch, lambda: small.execute(call))  # another target takes the last one
    counts = finish(jobs.update, poor, clock)
    assert (counts["sent"], counts["deferred"]) == (1, 199)
    assert graph.directory().users["P0190"]["title"] == "Baker"


def test_a_queued_resync_survives_a_second_request_that_is_refused(
    small: Database, hundred: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    lease = Lease(f"send {target(hundred)}", "somebody")
    assert lease.acquire(small)
    first = jobs.resync(hundred, "P0005", refresh=False, over_http=True, clock=clock)
    assert first.answer["status"] == "queued"
    with pytest.raises(TooOften):
        jobs.resync(hundred, "P0005", refresh=False, over_http=True, clock=clock)
    assert [i for i, _ in small.rows("forced_people", target(hundred))] == ["P0005"]


def test_two_who_write_the_same_person_into_a_hold_do_not_meet(
    small: Database, hundred: Settings, clock: MovedClock
) -> None:
    edit(small, *TERMINATED, Active=0)
    finish(jobs.update, hundred, clock)
    (hold,) = review.waiting(hundred, clock=clock)
    rows = [{"employee_id": one, "user_hash": "x"} for one in ("P0000", "P0099")]
    small.run("hold_people", hold.hold_id, json.dumps(rows), hold.hold_id)
    assert len(holds.people(small, hold.hold_id)) == 21


# --- what a hold tells --------------------------------------------------------------------------------------------


def test_a_mapping_hold_goes_on_telling_of_everybody(small: Database, hundred: Settings, clock: MovedClock) -> None:
    remap(small, "e.NickName", "e.Title")
    edit(small, "P0001", OrganizationId=None)
    finish(jobs.update, hundred, clock)
    (hold,) = review.waiting(hundred, clock=clock)
    employ(small, "NEW")
    for who in ("P0005", "NEW"):
        with pytest.raises(Held):
            jobs.resync(hundred, who, refresh=False, clock=clock)
    (hold,) = review.waiting(hundred, clock=clock)
    assert hold.attributes["nickName"]["people"] == 99
    for _ in range(2):
        finish(jobs.update, hundred, clock)
    (hold,) = review.waiting(hundred, clock=clock)
    assert "may touch 100 people; people sent as active whom it leaves out of scope (InScope): 1" in hold.reason


def test_somebody_forced_under_a_changed_mapping_does_not_change_what_its_hold_tells(
    small: Database, hundred: Settings, clock: MovedClock
) -> None:
    force(small, hundred, "P0005")
    remap(small, "e.NickName", "e.Title")
    finish(jobs.update, hundred, clock)
    (hold,) = review.waiting(hundred, clock=clock)
    assert hold.attributes["nickName"]["people"] == 100
    assert "may touch 100 people" in hold.reason


def test_a_wave_that_is_approved_is_not_asked_for_again(small: Database, hundred: Settings, clock: MovedClock) -> None:
    employ(small, *(f"G{n:03d}" for n in range(201)), ValidFrom="2026-12-14")
    for _ in range(2):
        review.foresee(hundred, on=date(2026, 12, 8), clock=clock)
        approve_all(hundred, clock)
    assert review.foresee(hundred, on=date(2026, 12, 8), clock=clock).answer["holds"] == []


def test_a_plan_of_a_few_says_what_a_run_of_a_few_would_do(
    small: Database, bridge: Callable[..., Settings], clock: MovedClock
) -> None:
    people = [f"P{n:04d}" for n in range(300)]
    employ(small, *people)
    finish(jobs.create, bridge(), clock)
    edit(small, *people, Title="Wrong")
    settings, few = bridge(**GUARDED), Selection(limit=100)
    assert review.foresee(settings, selection=few, clock=clock).counts["held"] == 100
    assert jobs.update(settings, few, clock=clock).counts["held"] == 100


def test_looking_at_one_person_ends_no_wave(small: Database, hundred: Settings, clock: MovedClock) -> None:
    employ(small, *(f"G{n:03d}" for n in range(201)), ValidFrom="2026-12-14")
    review.foresee(hundred, on=date(2026, 12, 8), clock=clock)
    review.foresee(hundred, selection=Selection(only=("G001",)), on=date(2026, 12, 8), clock=clock)
    assert waiting(hundred, clock) == [("creates", 201)]


def test_a_mark_of_protection_that_goes_with_the_edit_that_ends_her_still_counts(
    small: Database, hundred: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    remap(small, "e.ValidTo,", "e.ValidTo, CASE WHEN e.Title = 'Director' THEN 1 ELSE 0 END AS Protected,")
    finish(jobs.update, hundred, clock)
    approve_all(hundred, clock)
    edit(small, "P0001", Title="Director")
    finish(jobs.update, hundred, clock)
    edit(small, "P0001", Title=None, Active=0)
    assert finish(jobs.update, hundred, clock)["held"] == 1
    assert disabled(graph) == []


# --- narrowed by ModifiedDateTime ---------------------------------------------------------------------------------

UNTOUCHED = "2026-11-01 00:00:00.0000000"


def test_narrowed_an_approval_takes_effect_at_the_next_update(
    small: Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    settings = bridge(**GUARDED, UPDATE_BY="modified")
    employ(small, *ALL, Title="Clerk", ModifiedDateTime=UNTOUCHED)
    finish(jobs.create, settings, clock)
    remap(small, "e.NickName", "e.Title")
    assert finish(jobs.update, settings, clock)["held"] == 100
    approve_all(settings, clock)
    assert finish(jobs.update, settings, clock)["sent"] == 100


def test_narrowed_a_hold_is_over_when_its_people_are_as_they_were(
    small: Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    settings = bridge(**GUARDED, UPDATE_BY="modified")
    employ(small, *ALL, Title="Clerk", ModifiedDateTime=UNTOUCHED, ValidFrom="2020-01-01")
    finish(jobs.create, settings, clock)
    edit(small, *TERMINATED, Active=0, ModifiedDateTime="2026-11-02 00:00:00.0000000")
    finish(jobs.update, settings, clock)
    edit(small, *TERMINATED, Active=1, ModifiedDateTime=UNTOUCHED)
    finish(jobs.update, settings, clock)
    assert waiting(settings, clock) == []
