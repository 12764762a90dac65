"""Who goes when, through the jobs, over the emulators, on both engines."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from provisioning import database, jobs
from provisioning.errors import Busy
from provisioning.ledger import Lease
from provisioning.settings import Settings
from tests.clock import MovedClock
from tests.emulators.entra import MANAGER
from tests.emulators.graph import GraphEmulator
from tests.emulators.hr import HrEmulator


@pytest.fixture
def sent(settings: Settings, clock: MovedClock) -> Settings:
    """A bridge over which everybody has gone, late managers too."""
    jobs.ingest(settings, clock=clock)
    jobs.create(settings, clock=clock)
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
    jobs.create(sent, clock=clock)
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
    assert jobs.create(omit, clock=clock).counts["sent"] == 100
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
