"""Who goes when, through the jobs, over the emulators, on both engines."""

import json
import random
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from provisioning import database, jobs, ledger, runs, send, transport
from provisioning import graph as graph_client
from provisioning.errors import Busy, LeaseLost, MappingError, UnfinishedRun
from provisioning.ledger import Lease, Ledger
from provisioning.runs import Report
from provisioning.settings import BulkUpload, Settings
from tests.bench.watched import counted
from tests.clock import MovedClock
from tests.conftest import NAMED, approve_all, edit, employ, finish
from tests.emulators.entra import MANAGER
from tests.emulators.graph import GraphEmulator
from tests.emulators.hr import HrEmulator

PAST = "2000-01-01 00:00:00.0000000"


@pytest.fixture
def sent(settings: Settings, clock: MovedClock) -> Settings:
    """A bridge over which everybody has gone, late managers too."""
    jobs.ingest(settings, clock=clock)
    jobs.create(settings, NAMED, clock=clock)
    jobs.reconcile(settings, clock=clock)
    return settings


def arrived(graph: GraphEmulator, since: int) -> list[str]:
    return [a.external_id for a in graph.accepted[since:]]


def test_quiet_means_quiet(sent: Settings, graph: GraphEmulator, clock: MovedClock) -> None:
    calls = len(graph.calls)
    for job in (jobs.ingest, jobs.create, jobs.update, jobs.reconcile):
        counts = job(sent, clock=clock).counts
        assert counts.get("candidates", 0) == counts.get("updated", 0) == 0
    assert len(graph.calls) == calls


def test_leavers_go_before_changes_and_an_unmapped_edit_not_at_all(
    sent: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    hr.patch("E00001", {"Title": "Changed"})
    hr.patch("E00050", {"RowNumber": 4711})
    hr.patch("E00099", {"Active": False})
    jobs.ingest(sent, clock=clock)
    before = len(graph.accepted)
    counts = jobs.update(sent, clock=clock).counts
    assert (counts["candidates"], counts["sent"], counts["calls"]) == (2, 2, 1)
    assert arrived(graph, before) == ["E00099", "E00001"]
    assert graph.directory().users["E00099"]["accountEnabled"] is False


def test_a_report_whose_manager_came_later_is_sent_once_more_by_reconcile(
    sent: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    hr.patch("E00020", {"ManagerId": "LATE"})
    jobs.ingest(sent, clock=clock)
    jobs.update(sent, clock=clock)
    hr.put({**hr.people[0], "EmployeeId": "LATE", "Email": None, "ManagerId": None})
    jobs.ingest(sent, clock=clock)
    jobs.create(sent, NAMED, clock=clock)
    assert jobs.update(sent, clock=clock).counts["sent"] == 0
    before = len(graph.accepted)
    jobs.reconcile(sent, clock=clock)
    assert arrived(graph, before) == ["E00020"]
    assert graph.directory().users["E00020"][MANAGER] == "LATE"
    assert jobs.reconcile(sent, clock=clock).counts["candidates"] == 0


def test_who_vanishes_from_the_view_is_an_alarm_and_never_disabled(
    sent: Settings, graph: GraphEmulator, clock: MovedClock, db: database.Database
) -> None:
    db.execute("DELETE FROM dbo.Employees WHERE EmployeeId = 'E00050'")
    report = jobs.update(sent, clock=clock)
    assert (report.exit_code, report.counts["out_of_scope"], report.counts["candidates"]) == (3, 1, 0)
    assert "E00050" in report.notes[0]
    assert graph.directory().users["E00050"]["accountEnabled"] is True


def test_out_of_scope_she_stays_as_she_is_until_she_ends(
    sent: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    hr.patch("E00050", {"OrganizationId": None, "Title": "Unseen"})
    jobs.ingest(sent, clock=clock)
    assert jobs.update(sent, clock=clock).counts["candidates"] == 0
    hr.patch("E00050", {"Active": False})
    jobs.ingest(sent, clock=clock)
    assert jobs.update(sent, clock=clock).counts["sent"] == 1
    assert graph.directory().users["E00050"]["accountEnabled"] is False
    assert jobs.update(sent, clock=clock).counts["sent"] == 0


def test_narrowed_by_modified_edits_are_found_and_a_stamp_that_stood_still_by_reconcile(
    change: Callable[..., Settings], sent: Settings, hr: HrEmulator, clock: MovedClock
) -> None:
    narrowed = change(UPDATE_BY="modified")
    stamped = next(p["EmployeeId"] for p in hr.people if p["ModifiedDateTime"])
    unstamped = next(p["EmployeeId"] for p in hr.people if not p["ModifiedDateTime"])
    hr.patch(stamped, {"Title": "Stood still"})
    hr.patch(unstamped, {"Title": "Without a stamp"})
    jobs.ingest(narrowed, clock=clock)
    assert jobs.update(narrowed, clock=clock).counts["sent"] == 1
    hr.patch(stamped, {"ModifiedDateTime": "2026-11-22T13:00:00Z"})
    jobs.ingest(narrowed, clock=clock)
    assert jobs.update(narrowed, clock=clock).counts["sent"] == 1
    hr.patch(stamped, {"Title": "Stood still again"})
    jobs.ingest(narrowed, clock=clock)
    assert jobs.update(narrowed, clock=clock).counts["sent"] == 0
    assert jobs.reconcile(narrowed, clock=clock).counts["sent"] == 1


def test_nulls_are_left_out_where_that_is_set(
    change: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    omit = change(SCIM_NULLS="omit")
    jobs.ingest(omit, clock=clock)
    assert jobs.create(omit, NAMED, clock=clock).counts["sent"] == 100
    assert "null" not in json.dumps([a.data for a in graph.accepted])


def test_resend_takes_everybody_or_those_sent_since(sent: Settings, graph: GraphEmulator, clock: MovedClock) -> None:
    assert jobs.resend(sent, datetime(2100, 1, 1, tzinfo=UTC), clock=clock).counts["candidates"] == 0
    assert jobs.resend(sent, datetime(2020, 1, 1, tzinfo=UTC), clock=clock).counts["sent"] == 100
    counts = jobs.resend(sent, None, clock=clock).counts
    assert (counts["sent"], counts["calls"]) == (100, 2)


def test_after_so_many_days_reconcile_sends_again(sent: Settings, clock: MovedClock, db: database.Database) -> None:
    db.execute("UPDATE provisioning.ledger SET sent_at = '2000-01-01 00:00:00.0000000' WHERE employee_id = 'E00050'")
    assert jobs.update(sent, clock=clock).counts["candidates"] == 0
    assert jobs.reconcile(sent, clock=clock).counts["sent"] == 1


def test_two_runs_do_not_meet_and_a_timer_waits(
    sent: Settings, hr: HrEmulator, clock: MovedClock, db: database.Database
) -> None:
    other = Lease(f"send {sent.bulk_upload.target}", "other")  # type: ignore[union-attr]
    assert other.acquire(db)
    clock.sleeps.clear()
    with pytest.raises(Busy):
        jobs.update(sent, clock=clock)
    assert clock.sleeps == []
    with pytest.raises(Busy):
        jobs.update(sent, clock=clock, patience=20)
    assert sum(clock.sleeps) == 20
    other.drop(db)
    assert jobs.update(sent, clock=clock).counts["candidates"] == 0


def test_whoever_takes_over_a_dead_senders_lease_waits_5_seconds(
    sent: Settings, clock: MovedClock, db: database.Database
) -> None:
    assert Lease(f"send {sent.bulk_upload.target}", "dead").acquire(db)  # type: ignore[union-attr]
    db.execute("UPDATE provisioning.leases SET expires_at = '2000-01-01 00:00:00.0000000'")
    clock.sleeps.clear()
    jobs.update(sent, clock=clock)
    assert clock.sleeps[0] == 5.0


def test_each_run_is_on_record_with_its_counts(sent: Settings, clock: MovedClock, db: database.Database) -> None:
    jobs.update(sent, clock=clock)
    rows = list(db.select("SELECT job, exit_code, counts, ended_at FROM provisioning.runs", (), "t"))
    assert sorted(r[0] for r in rows) == ["create", "ingest", "reconcile", "update"]
    assert all(r[1] == 0 and r[3] for r in rows)
    assert json.loads(next(r[2] for r in rows if r[0] == "create"))["sent"] == 100


# --- in small: people put into the mirror by SQL -------------------------------------------------------------------


def endpoint(settings: Settings) -> BulkUpload:
    assert settings.bulk_upload
    return settings.bulk_upload


def number(db: database.Database, table: str) -> int:
    ((found,),) = db.select(f"SELECT COUNT(*) FROM provisioning.{table}", (), "count")
    return int(found)


def crew(count: int, letter: str = "P") -> list[str]:
    return [f"{letter}{n:04d}" for n in range(count)]


def parked(report: Report) -> list[str]:
    return [note for note in report.notes if note.startswith("parked ")]


def graph_error(code: str, message: str) -> bytes:
    return json.dumps({"error": {"code": code, "message": message}}).encode()


def test_a_request_waits_for_the_answer_to_the_one_that_holds_its_managers(
    small: database.Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(small, "BOSS")
    employ(small, *crew(60), ManagerId="BOSS")
    graph.latency = 0.3
    assert finish(jobs.create, bridge(), clock)["sent"] == 61
    first, second = graph.calls
    assert "BOSS" in first.external_ids
    assert second.time - first.time >= 0.3
    assert all(graph.directory().users[one][MANAGER] == "BOSS" for one in crew(60))


def test_requests_without_each_others_managers_go_at_once(
    small: database.Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(small, *crew(60))
    graph.latency = 0.6
    finish(jobs.create, bridge(), clock)
    first, second = sorted(graph.calls)
    assert second.time - first.time < 0.5


def test_reports_wait_also_while_their_managers_request_is_tried_again(
    small: database.Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(small, "BOSS")
    employ(small, *crew(60), ManagerId="BOSS")
    graph.fail_next(503, {}, b"")
    assert finish(jobs.create, bridge(), clock)["calls"] == 3
    assert "BOSS" in graph.calls[1].external_ids
    assert all(graph.directory().users[one][MANAGER] == "BOSS" for one in crew(60))


def test_down_a_deep_tree_everybody_finds_her_manager_whatever_the_answers_take(
    small: database.Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    drawn = random.Random(5)
    people = crew(400)
    drawn.shuffle(people)
    managers = {one: people[drawn.randrange(max(0, n - 40), n)] if n else None for n, one in enumerate(people)}
    for one, manager in managers.items():
        employ(small, one, ManagerId=manager)
    graph.latency = lambda: drawn.uniform(0.1, 0.3)
    assert finish(jobs.create, bridge(), clock)["sent"] == 400
    assert {one: user.get(MANAGER) for one, user in graph.directory().users.items()} == managers
    assert finish(jobs.reconcile, bridge(), clock)["candidates"] == 0
    assert not graph.violations


def test_circles_and_people_who_manage_themselves_all_arrive_and_are_whole_after_reconcile(
    db: database.Database, settings: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    managers = {"A": "A", "B": "C", "C": "B", "D": "E", "E": "F", "F": "D", "G": "D", "H": "NOBODY"}
    for one, manager in managers.items():
        employ(db, one, ManagerId=manager)
    assert finish(jobs.create, settings, clock)["sent"] == 8
    assert finish(jobs.reconcile, settings, clock)["sent"] == 3  # one a circle went before her manager
    found = {one: user.get(MANAGER) for one, user in graph.directory().users.items()}
    assert found == {**managers, "H": None}
    assert finish(jobs.reconcile, settings, clock)["candidates"] == 0


def test_leavers_go_before_joiners_in_doubt_and_those_before_changes(
    db: database.Database, settings: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(db, "A", "Z")
    finish(jobs.create, settings, clock)
    edit(db, "A", Title="Changed")
    edit(db, "Z", Active=0)
    employ(db, "M")
    db.execute(
        "INSERT INTO provisioning.intents (target, employee_id, run_id, external_id, user_hash, scim_user, active, "
        "manager_known, answered, created_at) VALUES (?, 'M', 'dead', 'M', 'x', '{}', 1, 1, 0, ?)",
        (endpoint(settings).target, database.stamp(db.utc_now())),
    )
    assert finish(jobs.update, settings, clock)["sent"] == 3
    assert arrived(graph, 2) == ["Z", "M", "A"]


def test_more_than_40_calls_are_spaced_so_that_no_5_seconds_hold_41(
    small: database.Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(small, *crew(2600))
    counts = finish(jobs.create, bridge(), clock)
    assert (counts["sent"], counts["calls"]) == (2600, 52)
    assert graph.max_calls_in(5) <= 40
    assert {call.status for call in graph.calls} == {202}


def test_quiet_writes_nothing_at_all_of_people(
    db: database.Database, settings: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(db, *crew(3))
    finish(jobs.create, settings, clock)
    before = [list(db.select(f"SELECT * FROM provisioning.{t}", (), "t")) for t in ("ledger", "intents", "refused")]
    for job in (jobs.create, jobs.update, jobs.reconcile):
        assert set(finish(job, settings, clock).values()) == {0}
    after = [list(db.select(f"SELECT * FROM provisioning.{t}", (), "t")) for t in ("ledger", "intents", "refused")]
    assert (after, len(graph.calls)) == (before, 1)


# --- what comes back ------------------------------------------------------------------------------------------------


def test_a_token_is_renewed_once_and_a_second_401_stops_the_run(
    small: database.Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(small, *crew(3))
    graph.fail_next(401, {}, graph_error("InvalidAuthenticationToken", "Expired."))
    graph.fail_next(401, {}, graph_error("InvalidAuthenticationToken", "Expired."))
    with pytest.raises(UnfinishedRun, match=r"401: InvalidAuthenticationToken: Expired\."):
        jobs.create(bridge(), NAMED, clock=clock)
    assert (len(graph.calls), number(small, "intents")) == (2, 0)
    graph.fail_next(401, {}, b"")
    assert finish(jobs.create, bridge(), clock)["sent"] == 3


def test_a_token_that_expires_is_replaced_by_a_new_one_and_the_run_goes_on(
    small: database.Database,
    bridge: Callable[..., Settings],
    graph: GraphEmulator,
    clock: MovedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[str] = []

    def tokens(host: str) -> Callable[[], str]:
        made.append(host)
        text = f"token {len(made)}"
        return lambda: text

    monkeypatch.setattr(graph_client, "_azure_tokens", tokens)
    employ(small, *crew(3))
    graph.fail_next(401, {"WWW-Authenticate": "Bearer"}, b"")  # it was good for the question how the job stands
    settings = bridge()
    real = replace(endpoint(settings), host="graph.microsoft.com")
    assert finish(jobs.create, replace(settings, bulk_upload=real), clock)["sent"] == 3
    assert made == ["graph.microsoft.com"] * 2
    assert [call.status for call in graph.calls] == [401, 202]


@pytest.mark.parametrize("apply", [True, False], ids=["arrived", "lost"])
def test_an_answer_that_never_comes_is_ambiguous_and_she_is_sent_again(
    small: database.Database,
    bridge: Callable[..., Settings],
    graph: GraphEmulator,
    clock: MovedClock,
    monkeypatch: pytest.MonkeyPatch,
    apply: bool,
) -> None:
    monkeypatch.setattr(transport.exchange, "__defaults__", (0.2,))
    employ(small, *crew(3))
    graph.stall_next(2.0, apply=apply)
    counts = finish(jobs.create, bridge(), clock)
    assert (counts["sent"], counts["calls"], number(small, "intents")) == (3, 2, 0)
    assert len(graph.accepted) == (6 if apply else 3)


@pytest.mark.parametrize("header", ["soon", "-5", "1.5", "Mon, 32 Foo 2026 00:00:00 GMT", "²"])
def test_a_retry_after_that_says_nothing_is_no_reason_to_fail(
    small: database.Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock, header: str
) -> None:
    employ(small, "A")
    graph.fail_next(429, {"Retry-After": header}, b"")
    assert finish(jobs.create, bridge(), clock)["sent"] == 1


def test_a_full_bucket_lets_no_other_request_go_meanwhile(
    small: database.Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(small, *crew(500))
    graph.fail_next(500, {}, graph_error("InternalServerError", "The bucket is full."))
    assert finish(jobs.create, bridge(), clock)["sent"] == 500
    times = sorted(call.time for call in graph.calls)
    assert max(after - before for before, after in pairwise(times)) >= 299
    late = [t for t in times if t > times[0] + 5]
    assert late[0] - times[0] <= 606
    assert len(late) >= 500 // 50 - send.MOST_IN_FLIGHT


def unwell(graph: GraphEmulator, employee_id: str, times: int, then: Callable[[], object]) -> None:
    """So many requests with this person are answered 504, then it is over."""
    left = iter(range(times - 1, -1, -1))

    def refuse(data: dict[str, Any]) -> bool:
        if data["externalId"] == employee_id and (remaining := next(left, None)) is not None:
            graph.fail_next(504, {}, b"")
            if not remaining:
                then()
        return False

    graph.refuse = refuse


def test_a_request_that_is_never_taken_does_not_keep_the_others(
    small: database.Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(small, *crew(201))
    unwell(graph, "P0200", send.MOST_ATTEMPTS, lambda: None)
    counts = finish(jobs.create, bridge(), clock)
    assert (counts["sent"], counts["deferred"], number(small, "intents")) == (200, 1, 1)
    assert finish(jobs.create, bridge(), clock)["sent"] == 1
    assert number(small, "intents") == 1  # until the run that left it must be dead
    clock.move(seconds=ledger.LIFE_OF_A_RUN + 1)
    assert finish(jobs.update, bridge(), clock)["sent"] == 1
    assert number(small, "intents") == 0


def test_what_arrives_after_something_newer_is_followed_by_a_fresh_send(
    small: database.Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    """A request whose sender gave it up may come hours later, out of whatever held it."""
    settings = bridge()
    employ(small, "A")
    finish(jobs.create, settings, clock)
    edit(small, "A", Title="Old")
    for _ in range(send.MOST_ATTEMPTS):
        graph.drop_next()
    assert finish(jobs.update, settings, clock)["deferred"] == 1
    edit(small, "A", Title="New")
    assert finish(jobs.update, settings, clock)["sent"] == 1
    graph.arrive_late(json.dumps(graph.calls[-2].body).encode())
    assert graph.directory().users["A"]["title"] == "Old"
    clock.move(hours=1)
    assert finish(jobs.update, settings, clock)["sent"] == 1
    assert graph.directory().users["A"]["title"] == "New"
    assert finish(jobs.update, settings, clock)["candidates"] == 0


def test_somebody_given_up_in_doubt_may_be_forced_in_the_same_run(
    small: database.Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    """Her intent of this very run is still there; the run must not fail on it."""
    employ(small, *crew(51))
    settings = bridge()
    unwell(graph, "P0050", send.MOST_ATTEMPTS, lambda: force(settings, "P0050"))
    counts = finish(jobs.create, settings, clock)
    assert (counts["sent"], counts["deferred"]) == (51, 1)
    assert number(small, "forced") == 0


def force(settings: Settings, employee_id: str) -> None:
    """As a resync does it while another run holds the lease."""
    with database.connect(settings.sql_connection_string) as db:
        Ledger(db, endpoint(settings).target, "resync").force(employee_id)


def test_a_sender_that_was_overtaken_stops_and_the_next_run_sends_its_people_afresh(
    db: database.Database, settings: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(db, *crew(120))

    def overtaken() -> float:
        graph.latency = 0.0
        with database.connect(settings.sql_connection_string, clock) as own:
            own.execute("UPDATE provisioning.leases SET previous_owner = owner, owner = 'heir', epoch = epoch + 1")
        return 0.0

    graph.latency = overtaken
    with pytest.raises(LeaseLost):
        jobs.create(settings, NAMED, clock=clock)
    db.execute("UPDATE provisioning.leases SET expires_at = ?", (PAST,))
    counts = finish(jobs.create, settings, clock)
    assert counts["deferred"] == 0
    assert len(graph.directory().users) == 120


def test_an_edit_made_while_her_request_was_under_way_is_not_lost(
    small: database.Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(small, "A", Title="Old")

    def meanwhile() -> float:
        graph.latency = 0.0
        edit(small, "A", Title="New")
        return 0.0

    graph.latency = meanwhile
    finish(jobs.create, bridge(), clock)
    assert finish(jobs.update, bridge(), clock)["sent"] == 1
    assert graph.directory().users["A"]["title"] == "New"


def test_people_are_read_afresh_before_they_go(
    small: database.Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    """Whoever was edited back while the run was at work is unchanged and costs no call."""
    employ(small, *crew(451))
    finish(jobs.create, bridge(), clock)
    edit(small, *crew(451), Title="Changed")
    before = len(graph.calls)

    def meanwhile() -> float:
        graph.latency = 0.0
        edit(small, "P0450", Title=None)
        return 0.05

    graph.latency = meanwhile
    counts = finish(jobs.update, bridge(), clock)
    assert (counts["sent"], counts["unchanged"], len(graph.calls) - before) == (450, 1, 9)


# --- a 400 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [5, 12])
def test_however_many_are_bad_everybody_else_arrives_within_a_few_runs(
    small: database.Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock, bad: int
) -> None:
    employ(small, *crew(50))
    wrong = set(crew(50)[:: 50 // bad][:bad])
    graph.refuse = lambda data: data["externalId"] in wrong
    for _ in range(bad + 1):
        before = len(graph.calls)
        counts = finish(jobs.create, bridge(), clock)
        assert len(graph.calls) - before <= 1 + send.EXTRA_CALLS_A_REQUEST
        clock.move(seconds=10)
    assert (counts["deferred"], counts["parked"]) == (0, bad)
    assert set(graph.directory().users) == set(crew(50)) - wrong


def test_bad_people_at_the_head_of_every_request_are_not_taken_for_everybody(
    small: database.Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    """Parts that were never tried were not refused: the other 44 of each request must get through."""
    employ(small, *crew(200))
    graph.refuse = lambda data: int(data["externalId"][1:]) % 50 < 6
    for _ in range(6):
        finish(jobs.create, bridge(), clock)
        clock.move(seconds=10)
    assert set(graph.directory().users) == {one for one in crew(200) if int(one[1:]) % 50 >= 6}


def test_a_run_takes_apart_with_at_most_100_calls(
    small: database.Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(small, *crew(750))
    graph.refuse = lambda data: int(data["externalId"][1:]) % 50 in (7, 31)
    counts = finish(jobs.create, bridge(), clock)
    assert counts["deferred"] > 0
    assert counts["calls"] <= 15 + send.EXTRA_CALLS_A_RUN


def test_a_request_that_was_in_doubt_and_is_then_refused_keeps_its_good_people_in_doubt_until_they_are_taken(
    small: database.Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(small, *crew(4))
    graph.drop_next()
    graph.fail_next(400, {}, b"")
    counts = finish(jobs.create, bridge(), clock)
    assert (counts["sent"], counts["calls"], number(small, "intents")) == (4, 4, 0)


def test_reports_parted_from_their_manager_by_a_400_go_once_more_with_reconcile(
    small: database.Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(small, "BOSS")
    employ(small, *crew(9), ManagerId="BOSS")
    graph.refuse = lambda data: data["externalId"] == "BOSS"
    finish(jobs.create, bridge(), clock)
    assert MANAGER not in graph.directory().users["P0000"]
    graph.refuse = lambda data: False
    edit(small, "BOSS", Title="Mended")
    assert finish(jobs.create, bridge(), clock)["sent"] == 1
    assert finish(jobs.reconcile, bridge(), clock)["sent"] == 9
    assert all(graph.directory().users[one][MANAGER] == "BOSS" for one in crew(9))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("Marker Of Seven", "title 'Marker Of Seven' is wrong"),
        ("Marker Of Seven", "x" * 275 + " Marker Of Seven is wrong"),  # where long words are cut
        ("Marker  Of\tSeven", "title 'Marker  Of\tSeven' is wrong"),  # where blanks are made one
        ("佐藤", "title '佐藤' is wrong"),  # a name of two letters
    ],
    ids=["plain", "cut", "blanks", "short"],
)
def test_what_graph_quotes_of_a_person_is_repeated_nowhere(
    small: database.Database,
    bridge: Callable[..., Settings],
    graph: GraphEmulator,
    clock: MovedClock,
    value: str,
    words: str,
) -> None:
    employ(small, "A", "B", Title=value)
    edit(small, "B", Title=None)
    graph.fail_next(400, {}, graph_error("BadRequest", words))
    graph.fail_next(400, {}, graph_error("BadRequest", words))
    (told,) = parked(jobs.create(bridge(), NAMED, clock=clock))
    ((kept,),) = small.select("SELECT reason FROM provisioning.refused", (), "t")
    for text in (told, kept):
        assert "BadRequest" in text
        assert not any(part in text for part in value.split())


# --- who is due -----------------------------------------------------------------------------------------------------


def test_who_cannot_be_sent_is_parked_with_the_reason_and_nobody_else(
    db: database.Database, settings: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(db, *crew(5))
    edit(db, "P0001", Active=None)
    report = jobs.create(settings, NAMED, clock=clock)
    assert (report.counts["sent"], report.counts["parked"], report.exit_code) == (4, 1, 0)
    assert parked(report) == ["parked P0001: active is null"]


def test_before_her_start_she_goes_as_inactive_where_that_is_set_and_as_active_on_the_day(
    small: database.Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(small, "A", ValidFrom="2026-11-25")
    settings = bridge(PREHIRE_ACTIVE="false")
    assert finish(jobs.create, settings, clock)["sent"] == 1
    assert graph.directory().users["A"]["accountEnabled"] is False
    assert finish(jobs.update, settings, clock)["sent"] == 0
    clock.move(days=3)
    assert finish(jobs.update, settings, clock)["sent"] == 1
    assert graph.directory().users["A"]["accountEnabled"] is True


@pytest.mark.parametrize(("days", "sent"), [("0", 0), ("2", 0), ("3", 1)])
def test_she_goes_so_many_days_before_her_start_as_is_set(
    small: database.Database, bridge: Callable[..., Settings], clock: MovedClock, days: str, sent: int
) -> None:
    employ(small, "A", ValidFrom="2026-11-25")
    assert finish(jobs.create, bridge(CREATE_LEAD_DAYS=days), clock)["sent"] == sent


def test_narrowed_by_modified_a_last_day_and_a_start_are_found_all_the_same(
    small: database.Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    stamp = "2026-01-01 00:00:00.0000000"
    employ(small, "LEAVER", ValidTo="2026-11-25", ModifiedDateTime=stamp)
    employ(small, "JOINER", ValidFrom="2026-11-25", ModifiedDateTime=stamp)
    settings = bridge(UPDATE_BY="modified", PREHIRE_ACTIVE="false")
    finish(jobs.create, settings, clock)
    assert finish(jobs.update, settings, clock)["candidates"] == 0
    clock.move(days=3)
    assert finish(jobs.update, settings, clock)["sent"] == 1
    clock.move(days=1)
    assert finish(jobs.update, settings, clock)["sent"] == 1
    users = graph.directory().users
    assert (users["JOINER"]["accountEnabled"], users["LEAVER"]["accountEnabled"]) == (True, False)


def test_the_last_day_is_over_where_she_is(
    small: database.Database, bridge: Callable[..., Settings], clock: MovedClock
) -> None:
    employ(small, "A", ValidTo="2026-11-22")
    there = bridge(TIME_ZONE="Pacific/Auckland")  # 13 hours ahead
    finish(jobs.create, bridge(), clock)
    assert finish(jobs.update, bridge(), clock)["sent"] == 0
    assert finish(jobs.update, there, clock)["sent"] == 1


def test_back_in_scope_she_is_sent_again(
    db: database.Database, settings: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(db, "A", "B")
    finish(jobs.create, settings, clock)
    edit(db, "A", OrganizationId=None, Title="Unseen")
    assert finish(jobs.update, settings, clock)["candidates"] == 0
    edit(db, "A", OrganizationId="O2")
    assert finish(jobs.update, settings, clock)["sent"] == 1
    assert graph.directory().users["A"]["title"] == "Unseen"


def test_a_changed_mapping_sends_everybody_whose_user_it_changes(
    db: database.Database, settings: Settings, clock: MovedClock
) -> None:
    employ(db, "A", "B", Title="Fitter")
    employ(db, "C")
    finish(jobs.create, settings, clock)
    db.execute("DROP VIEW dbo.ScimUsers")
    source = "Employees" if db.engine == "sqlite" else "dbo.Employees"
    columns = "e.EmployeeId AS EmployeeId, e.EmployeeId AS 'externalId', e.EmployeeId AS 'userName'"
    db.execute(f"CREATE VIEW dbo.ScimUsers AS SELECT {columns}, e.Active AS 'active' FROM {source} AS e")
    assert finish(jobs.update, settings, clock)["held"] == 3
    assert approve_all(settings, clock) == ["mapping"]
    assert finish(jobs.update, settings, clock)["sent"] == 3
    assert finish(jobs.update, settings, clock)["candidates"] == 0


def test_a_wrong_mapping_takes_no_lease_and_makes_no_call(
    small: database.Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    small.execute("DROP VIEW dbo.ScimUsers")
    with pytest.raises(MappingError, match="no such view"):
        jobs.create(bridge(), NAMED, clock=clock)
    assert (len(graph.calls), number(small, "leases")) == (0, 0)


def test_a_leaver_of_whom_only_an_intent_is_left_is_disabled(
    db: database.Database, settings: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(db, "A")
    for _ in range(send.MOST_ATTEMPTS):
        graph.drop_next(apply=True)
    assert finish(jobs.create, settings, clock)["deferred"] == 1
    graph._faults.clear()
    edit(db, "A", Active=0)
    assert finish(jobs.create, settings, clock)["sent"] == 1
    assert graph.directory().users["A"]["accountEnabled"] is False


def test_resend_since_takes_those_sent_then_or_later_and_those_in_doubt(
    db: database.Database, settings: Settings, clock: MovedClock
) -> None:
    employ(db, "OLD", "NEW")
    finish(jobs.create, settings, clock)
    db.execute("UPDATE provisioning.ledger SET sent_at = ? WHERE employee_id = 'OLD'", (PAST,))
    assert jobs.resend(settings, datetime(2020, 1, 1, tzinfo=UTC), clock=clock).counts["sent"] == 1
    assert jobs.resend(settings, None, clock=clock).counts["sent"] == 2


def test_who_vanished_makes_3_also_when_others_are_sent(
    db: database.Database, settings: Settings, clock: MovedClock
) -> None:
    employ(db, "A", "B")
    finish(jobs.create, settings, clock)
    db.execute("DELETE FROM dbo.Employees WHERE EmployeeId = 'A'")
    edit(db, "B", Title="Changed")
    for job, sent in ((jobs.update, 1), (jobs.create, 0), (jobs.reconcile, 0)):
        report = job(settings, clock=clock)
        assert (report.exit_code, report.counts["out_of_scope"], report.counts["sent"]) == (3, 1, sent)


# --- the lease, the time, the other runs -----------------------------------------------------------------------------


def test_the_lease_is_given_back_however_a_run_ends(
    db: database.Database, settings: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(db, "A")
    graph.fail_next(403, {}, b"")
    with pytest.raises(UnfinishedRun):
        jobs.create(settings, NAMED, clock=clock)
    heir = Lease(f"send {endpoint(settings).target}", "heir")
    assert heir.acquire(db)
    assert not heir.taken_over


def test_a_long_wait_keeps_the_lease(
    small: database.Database,
    bridge: Callable[..., Settings],
    graph: GraphEmulator,
    clock: MovedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Renewed every few seconds by a thread of its own, whatever the sender waits for."""
    monkeypatch.setattr(ledger, "RENEW_EVERY", 0.02)
    employ(small, "A")
    settings = bridge()
    renewed = threading.Event()

    def slow() -> float:
        clock.move(seconds=50)
        renewed.wait(0.2)
        clock.move(seconds=50)
        with database.connect(settings.sql_connection_string, clock) as own:
            assert not Lease(f"send {endpoint(settings).target}", "thief").acquire(own)
        return 0.0

    graph.latency = slow
    assert finish(jobs.create, settings, clock)["sent"] == 1


def test_when_its_time_is_up_a_run_defers_the_rest_and_the_next_one_goes_on(
    small: database.Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(small, *crew(1000))

    def late() -> float:
        clock.move(seconds=runs.RUN_SECONDS / 4)
        return 0.0

    graph.latency = late
    with pytest.raises(UnfinishedRun, match="the time of this run is up") as ended:
        jobs.create(bridge(), NAMED, clock=clock)
    counts = ended.value.report.counts
    assert counts["candidates"] == counts["sent"] + counts["deferred"] == 1000
    assert 0 < counts["sent"] < 1000
    assert number(small, "intents") == 0
    graph.latency = 0.0
    assert finish(jobs.create, bridge(), clock)["sent"] == counts["deferred"]


def test_create_warns_when_the_people_are_from_an_old_ingest(
    sent: Settings, clock: MovedClock, db: database.Database
) -> None:
    assert not [note for note in jobs.create(sent, NAMED, clock=clock).notes if "no complete ingest" in note]
    db.execute("UPDATE provisioning.fetches SET completed_at = ?", (PAST,))
    assert [note for note in jobs.create(sent, NAMED, clock=clock).notes if "no complete ingest in 26 h" in note]


def test_nobody_is_in_two_requests_at_once_not_even_when_forced_meanwhile(
    small: database.Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(small, *crew(400))
    settings = bridge()

    def forced() -> float:
        graph.latency = 0.2
        force(settings, "P0000")
        return 1.5  # she is in this request, and is looked for while it is on its way

    graph.latency = forced
    counts = finish(jobs.create, settings, clock)
    assert (counts["sent"], number(small, "forced")) == (401, 0)
    assert arrived(graph, 0).count("P0000") == 2
    assert not graph.violations


def test_whoever_is_forced_while_many_wait_goes_before_most_of_them(
    small: database.Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    """A look for her is a round trip to the database, so there is one every half second, which is four requests."""
    everybody = crew(500)
    employ(small, *everybody)
    settings, last = bridge(), max(everybody)

    def forced() -> float:
        graph.latency = 0.0
        force(settings, last)
        return 0.0

    graph.latency = forced
    with counted(database.Sqlite) as statements:
        assert finish(jobs.create, settings, clock)["sent"] == 500
    assert arrived(graph, 0).index(last) <= 250
    assert 2 <= statements["forced_people"] <= 5


def test_with_the_hosts_clock_a_day_off_the_servers_date_decides(
    db: database.Database, settings: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    if db.engine == "sqlite":
        pytest.skip("the embedded database has no clock but the host's; test_architecture holds who may read it")
    today = db.utc_now().date()
    employ(db, "LAST", ValidTo=today.isoformat())
    employ(db, "SOON", ValidFrom=(today + timedelta(days=8)).isoformat())
    for days in (1, -2):
        clock.move(days=days)
        finish(jobs.create, settings, clock)
        finish(jobs.update, settings, clock)
    assert {one: user["accountEnabled"] for one, user in graph.directory().users.items()} == {"LAST": True}
