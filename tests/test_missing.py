"""Who is missing from HR is disabled, after two complete fetches so many hours apart, and enabled at once when back."""

from collections.abc import Callable

import pytest

from provisioning import jobs, review
from provisioning.database import Database
from provisioning.errors import NotSendable
from provisioning.settings import Settings
from tests.clock import MovedClock
from tests.conftest import NAMED, employ, finish
from tests.emulators.graph import GraphEmulator
from tests.emulators.hr import HrEmulator


@pytest.fixture
def bridged(change: Callable[..., Settings], hr: HrEmulator, clock: MovedClock) -> Settings:
    """A hundred people who were sent; two fetches suffice, however close."""
    settings = change(MISSING_AFTER_HOURS="0")
    jobs.ingest(settings, clock=clock)
    jobs.create(settings, NAMED, clock=clock)
    jobs.reconcile(settings, clock=clock)
    return settings


def enabled(graph: GraphEmulator, employee_id: str) -> bool:
    return bool(graph.directory().users[employee_id]["accountEnabled"])


def test_missing_from_one_fetch_is_nothing_yet_and_from_two_it_is_gone(
    bridged: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    gone = hr.people[4]
    hr.remove("E00005")
    jobs.ingest(bridged, clock=clock)
    assert finish(jobs.update, bridged, clock)["candidates"] == 0
    jobs.ingest(bridged, clock=clock)
    assert finish(jobs.update, bridged, clock)["sent"] == 1
    assert not enabled(graph, "E00005")
    assert finish(jobs.update, bridged, clock)["candidates"] == 0
    hr.put(gone)
    jobs.ingest(bridged, clock=clock)
    assert finish(jobs.update, bridged, clock)["sent"] == 1
    assert enabled(graph, "E00005")


def test_the_two_fetches_are_so_many_hours_apart(
    change: Callable[..., Settings], db: Database, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    if db.engine == "sqlserver":
        pytest.skip("the server's own clock cannot be moved")
    settings = change()  # 20 hours
    jobs.ingest(settings, clock=clock)
    jobs.create(settings, NAMED, clock=clock)
    hr.remove("E00005")
    jobs.ingest(settings, clock=clock)
    for _ in range(19):
        clock.move(hours=1)
        jobs.ingest(settings, clock=clock)
        assert enabled(graph, "E00005")
        assert finish(jobs.update, settings, clock)["candidates"] == 0
    clock.move(hours=1.1)
    assert finish(jobs.update, settings, clock)["candidates"] == 0  # time alone proves nothing: a fetch does
    jobs.ingest(settings, clock=clock)
    assert finish(jobs.update, settings, clock)["sent"] == 1
    assert not enabled(graph, "E00005")


def test_a_fetch_with_a_record_without_key_counts_no_misses(
    bridged: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    hr.remove("E00005")
    jobs.ingest(bridged, clock=clock)
    hr.put({**hr.people[0], "EmployeeId": None})
    jobs.ingest(bridged, clock=clock)
    assert finish(jobs.update, bridged, clock)["candidates"] == 0
    assert enabled(graph, "E00005")


def test_a_fetch_that_failed_counts_no_misses(
    bridged: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    hr.remove("E00005")
    jobs.ingest(bridged, clock=clock)
    for n in range(40, 70):
        hr.remove(f"E{n:05d}")
    with pytest.raises(Exception, match="MAX_SHRINK"):
        jobs.ingest(bridged, clock=clock)
    assert finish(jobs.update, bridged, clock)["candidates"] == 0


def test_many_who_are_missing_are_held(
    bridged: Settings, change: Callable[..., Settings], hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    guarded = change(MISSING_AFTER_HOURS="0", MAX_DISABLES="10", MAX_SHRINK="50%")
    for n in range(1, 12):
        hr.remove(f"E{n:05d}")
    for _ in range(2):
        jobs.ingest(guarded, clock=clock)
    assert finish(jobs.update, guarded, clock)["held"] == 11
    assert [h.kind[0] for h in review.waiting(guarded, clock=clock)] == ["disables"]
    assert all(enabled(graph, f"E{n:05d}") for n in range(1, 12))


def test_somebody_missing_who_was_never_sent_is_not_created(
    bridged: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    hr.put({**hr.people[0], "EmployeeId": "GHOST", "ManagerId": None})
    jobs.ingest(bridged, clock=clock)
    hr.remove("GHOST")
    for _ in range(2):
        jobs.ingest(bridged, clock=clock)
    assert finish(jobs.create, bridged, clock)["candidates"] == 0
    with pytest.raises(NotSendable, match="no longer in HR"):
        jobs.resync(bridged, "GHOST", clock=clock)
    assert "GHOST" not in graph.directory().users


def test_a_resync_of_somebody_who_is_back_enables_her_at_once(
    bridged: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    gone = hr.people[4]
    hr.remove("E00005")
    for _ in range(2):
        jobs.ingest(bridged, clock=clock)
    finish(jobs.update, bridged, clock)
    hr.put(gone)
    assert jobs.resync(bridged, "E00005", clock=clock).answer["status"] == "accepted"
    assert enabled(graph, "E00005")


def test_narrowed_by_modified_those_missing_and_those_back_are_found_all_the_same(
    bridged: Settings, change: Callable[..., Settings], hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    narrowed = change(MISSING_AFTER_HOURS="0", UPDATE_BY="modified")
    gone = {**hr.people[4], "ModifiedDateTime": "2026-01-01T00:00:00Z", "ValidFrom": None}
    hr.put(gone)
    jobs.ingest(narrowed, clock=clock)
    finish(jobs.update, narrowed, clock)
    hr.remove("E00005")
    for _ in range(2):
        jobs.ingest(narrowed, clock=clock)
    assert finish(jobs.update, narrowed, clock)["sent"] == 1
    assert not enabled(graph, "E00005")
    hr.put(gone)
    jobs.ingest(narrowed, clock=clock)
    assert finish(jobs.update, narrowed, clock)["sent"] == 1
    assert enabled(graph, "E00005")


def test_a_run_from_a_shell_without_the_source_enables_nobody(
    bridged: Settings, change: Callable[..., Settings], hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    hr.remove("E00005")
    for _ in range(2):
        jobs.ingest(bridged, clock=clock)
    finish(jobs.update, bridged, clock)
    bare = change(HR_SOURCE="", MISSING_AFTER_HOURS="0")
    for job in (jobs.update, jobs.reconcile):
        assert finish(job, bare, clock)["candidates"] == 0
    assert not enabled(graph, "E00005")


def test_where_another_loader_fills_the_tables_nobody_is_missing(
    db: Database, change: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    """It says itself who has ended, in the row."""
    settings = change(HR_SOURCE="")
    employ(db, "A")
    db.execute(
        "INSERT INTO dbo.AbsentRecords (TableName, RecordKey, AbsentSince) "
        "VALUES ('Employees', 'A', '2026-01-01 00:00:00')"
    )
    assert finish(jobs.create, settings, clock)["sent"] == 1
    assert enabled(graph, "A")
