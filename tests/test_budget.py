"""The day's Graph calls: counted in SQL for the tenant, across runs and targets; a few kept for who is forced."""

from collections.abc import Callable

import pytest

from provisioning import database, jobs
from provisioning.database import Database, stamp
from provisioning.errors import BudgetSpent, TooOften
from provisioning.send import Budget
from provisioning.settings import Settings
from tests.clock import MovedClock
from tests.conftest import NAMED, edit, employ, finish
from tests.emulators.graph import GraphEmulator


@pytest.mark.parametrize(("limit", "reserve"), [(1, 0), (2, 1), (20, 1), (21, 2), (30, 2), (2000, 100), (6000, 300)])
def test_of_100_calls_5_are_kept_for_resyncs(limit: int, reserve: int) -> None:
    budget = Budget.of(limit)
    assert (budget.reserve, budget.for_runs) == (reserve, limit - reserve)


def test_30_calls_for_2000_people_go_to_leavers_and_joiners_first(
    small: Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    changed = [f"C{n:04d}" for n in range(1500)]
    leavers, joiners = [f"L{n:04d}" for n in range(250)], [f"J{n:04d}" for n in range(250)]
    rich, poor = bridge(), bridge(GRAPH_DAILY_CALL_LIMIT="30")
    employ(small, *changed, *leavers)
    finish(jobs.create, rich, clock)
    clock.move(hours=25)
    edit(small, *changed, Title="Baker")
    edit(small, *leavers, Active=0)
    employ(small, *joiners)
    before = len(graph.calls)
    first = finish(jobs.update, poor, clock)
    assert (first["calls"], first["sent"], first["deferred"]) == (23, 23 * 50, 1750 - 23 * 50)  # 5 kept for joiners
    second = finish(jobs.create, poor, clock)
    assert (second["calls"], second["sent"], second["deferred"]) == (5, 250, 0)
    assert len(graph.calls) - before == 28
    users = graph.directory().users
    assert not any(users[one]["accountEnabled"] for one in leavers)
    assert all(one in users for one in joiners)
    again = finish(jobs.update, poor, clock)  # after a restart
    assert (again["calls"], again["deferred"]) == (0, 600)
    assert jobs.resync(poor, "C1499", refresh=False, clock=clock).answer["status"] == "accepted"
    assert jobs.resync(poor, "C1499", refresh=False, clock=clock).answer["status"] == "accepted"
    with pytest.raises(BudgetSpent):
        jobs.resync(poor, "C1499", refresh=False, clock=clock)
    clock.move(hours=24)
    assert finish(jobs.update, poor, clock)["deferred"] == 0
    assert {user.get("title") for one, user in graph.directory().users.items() if one in changed} == {"Baker"}


def test_a_create_leaves_the_calls_that_leavers_need(
    small: Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(small, *(f"L{n:04d}" for n in range(100)))
    finish(jobs.create, bridge(), clock)
    clock.move(hours=25)
    for n in range(100):
        edit(small, f"L{n:04d}", Active=0)
    employ(small, *(f"J{n:04d}" for n in range(200)))
    poor = bridge(GRAPH_DAILY_CALL_LIMIT="4")
    assert finish(jobs.create, poor, clock)["sent"] == 50  # 3 calls for runs, 2 of them for leavers
    assert finish(jobs.update, poor, clock)["sent"] == 100
    assert finish(jobs.create, poor, clock)["deferred"] == 150


def test_refusals_and_retries_count_and_so_do_other_targets(
    small: Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(small, "A")
    graph.fail_next(503)
    finish(jobs.create, bridge(GRAPH_DAILY_CALL_LIMIT="3"), clock)
    assert len(graph.calls) == 2
    elsewhere = bridge(GRAPH_DAILY_CALL_LIMIT="3", GRAPH_BULK_UPLOAD_URL=graph.add_job())
    assert finish(jobs.create, elsewhere, clock)["deferred"] == 1
    assert len(graph.calls) == 2


def test_what_another_target_uses_up_meanwhile_is_not_there_any_more(
    small: Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(small, *(f"P{n:04d}" for n in range(400)))

    def elsewhere() -> float:
        graph.latency = 0.0
        with database.connect(bridge().sql_connection_string, clock) as own:
            for _ in range(6):
                own.execute("INSERT INTO provisioning.calls VALUES (?, 'another', 'run')", (stamp(own.utc_now()),))
        return 0.0

    graph.latency = elsewhere
    counts = finish(jobs.create, bridge(GRAPH_DAILY_CALL_LIMIT="10"), clock)
    assert (counts["calls"], counts["deferred"]) == (3, 250)  # of 10 calls 1 is kept, 6 went elsewhere


def test_what_a_run_at_work_may_not_use_up_is_there_for_those_who_are_forced(
    small: Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    settings = bridge(GRAPH_DAILY_CALL_LIMIT="20")
    employ(small, *(f"P{n:04d}" for n in range(1000)))
    with pytest.raises(Exception, match="50 people are still due: of the 20 calls"):
        jobs.create(settings, NAMED, clock=clock)
    target = settings.bulk_upload.target if settings.bulk_upload else ""
    small.run("force", *[target, "P0990"] * 2, "token", target, "P0990", "a run", None, target, "P0990", "a run")
    counts = finish(jobs.create, settings, clock)
    assert (counts["sent"], counts["calls"], counts["deferred"]) == (1, 1, 49)
    assert "P0990" in graph.directory().users


# --- resyncs over HTTP --------------------------------------------------------------------------------------------


def asks(settings: Settings, employee_id: str, clock: MovedClock) -> int:
    """0 where it is carried out, else the seconds after which to ask again."""
    try:
        jobs.resync(settings, employee_id, refresh=False, over_http=True, clock=clock)
    except TooOften as exc:
        return exc.retry_after
    return 0


def test_over_http_a_person_is_resynced_once_a_minute_unless_her_row_changed(
    small: Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    settings = bridge()
    employ(small, "A", "B")
    assert asks(settings, "A", clock) == 0
    assert 50 <= asks(settings, "a", clock) <= 60
    assert asks(settings, "B", clock) == 0
    edit(small, "A", Title="Changed")
    assert asks(settings, "A", clock) == 0
    assert asks(settings, "A", clock) > 0
    clock.move(seconds=61)
    assert asks(settings, "A", clock) == 0
    assert len(graph.accepted) == 4


def test_over_http_ten_a_minute_are_asked_for_in_all(
    small: Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    settings = bridge()
    employ(small, *(f"P{n:04d}" for n in range(12)))
    assert [asks(settings, f"P{n:04d}", clock) for n in range(10)] == [0] * 10
    assert 1 <= asks(settings, "P0010", clock) <= 60
    assert list(small.rows("forced_people", settings.bulk_upload.target)) == []  # type: ignore[union-attr]
    clock.move(seconds=61)
    assert asks(settings, "P0010", clock) == 0


def test_the_command_line_may_ask_as_often_as_it_likes(
    small: Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(small, "A")
    for _ in range(12):
        jobs.resync(bridge(), "A", refresh=False, clock=clock)
    assert len(graph.accepted) == 12


def test_several_who_are_queued_share_a_request(
    small: Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    settings = bridge()
    employ(small, "A", "B", "C")
    target = settings.bulk_upload.target if settings.bulk_upload else ""
    for one in ("A", "B"):
        small.run("force", *[target, one] * 2, f"token {one}", target, one, "a run", None, target, one, "a run")
    jobs.resync(settings, "C", refresh=False, clock=clock)
    (call,) = graph.calls
    assert sorted(call.external_ids) == ["A", "B", "C"]
