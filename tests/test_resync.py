"""One person forced through: at once, or by the sender at work."""

import json
from collections.abc import Callable

import pytest

from provisioning import database, jobs
from provisioning.errors import BudgetSpent, MalformedId, NotSendable, UnfinishedRun, UnknownEmployee, UpstreamError
from provisioning.ledger import Lease
from provisioning.settings import Settings
from tests.clock import MovedClock
from tests.emulators.graph import GraphEmulator
from tests.emulators.hr import HrEmulator


@pytest.fixture
def filled(settings: Settings, clock: MovedClock) -> Settings:
    jobs.ingest(settings, clock=clock)
    return settings


def forced(settings: Settings) -> int:
    with database.connect(settings.sql_connection_string) as db:
        ((count,),) = db.select("SELECT COUNT(*) FROM provisioning.forced", (), "count")
    return int(count)


def test_she_is_fetched_from_hr_again_and_sent_at_once_and_again_unchanged(
    filled: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    hr.patch("E00005", {"Title": "Heron"})
    first = jobs.resync(filled, "e00005", clock=clock)
    assert first.answer == {"employee_id": "E00005", "status": "accepted", "changed": True}
    assert graph.directory().users["E00005"]["title"] == "Heron"
    again = jobs.resync(filled, "E00005", clock=clock)
    assert (again.answer["changed"], again.counts["sent"]) == (False, 1)
    assert forced(filled) == 0
    assert jobs.ingest(filled, clock=clock).counts["updated"] == 0


def test_somebody_new_in_hr_is_mirrored_and_sent_even_long_before_her_start(
    filled: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    hr.put({**hr.people[0], "EmployeeId": "NEW1", "Email": None, "ValidFrom": "2027-06-01"})
    assert jobs.resync(filled, "NEW1", clock=clock).answer["status"] == "accepted"
    assert graph.directory().users["NEW1"]["accountEnabled"] is True


def test_who_hr_no_longer_knows_is_sent_as_mirrored(
    filled: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    hr.remove("E00005")
    assert jobs.resync(filled, "E00005", clock=clock).counts["sent"] == 1


def test_without_refresh_hr_is_not_asked(filled: Settings, hr: HrEmulator, clock: MovedClock) -> None:
    asked = len(hr.requests)
    assert jobs.resync(filled, "E00005", refresh=False, clock=clock).counts["sent"] == 1
    assert len(hr.requests) == asked


def test_while_another_run_is_at_work_she_is_queued_and_it_sends_her_first(
    filled: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    with database.connect(filled.sql_connection_string, clock) as db:
        other = Lease(f"send {filled.bulk_upload.target}", "other")  # type: ignore[union-attr]
        assert other.acquire(db)
        for employee_id in ("E00090", "E00091"):
            report = jobs.resync(filled, employee_id, clock=clock)
            assert (report.answer["status"], report.counts["calls"]) == ("queued", 0)
        other.drop(db)
    jobs.create(filled, clock=clock)
    assert {a.external_id for a in graph.accepted[:2]} == {"E00090", "E00091"}
    assert len(graph.calls) == 2  # several forced ones share a request, and fill it up with the others
    assert forced(filled) == 0


@pytest.mark.parametrize("employee_id", ["", "a b", "x" * 65, "é", "a/b", "';--"])
def test_what_cannot_be_an_id_is_refused(filled: Settings, employee_id: str) -> None:
    with pytest.raises(MalformedId):
        jobs.resync(filled, employee_id)


def test_nobody_of_that_id(filled: Settings, clock: MovedClock) -> None:
    with pytest.raises(UnknownEmployee):
        jobs.resync(filled, "NOBODY", clock=clock)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"Active": False}, "inactive, and never sent"),
        ({"OrganizationId": None}, "out of scope"),
        ({"ValidTo": "2020-01-01"}, "ended"),
        ({"Name.FirstName": "x" * 400}, "HR's record: Name_FirstName"),
    ],
)
def test_who_cannot_be_sent_is_told_with_the_reason_and_not_left_forced(
    filled: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock, change: dict[str, object], told: str
) -> None:
    hr.patch("E00005", change)
    with pytest.raises(NotSendable) as refused:
        jobs.resync(filled, "E00005", clock=clock)
    assert told.casefold() in refused.value.reasons[0].casefold()
    assert (forced(filled), len(graph.calls)) == (0, 0)


def test_two_active_people_with_one_user_name_are_told_apart_here_too(
    filled: Settings, clock: MovedClock, db: database.Database
) -> None:
    db.execute("DROP VIEW dbo.ScimUsers")
    source = "Employees" if db.engine == "sqlite" else "dbo.Employees"
    db.execute(
        "CREATE VIEW dbo.ScimUsers AS SELECT e.EmployeeId AS EmployeeId, e.EmployeeId AS 'externalId', "
        f"e.Initials AS 'userName', e.Active AS 'active' FROM {source} AS e"
    )
    db.execute("UPDATE dbo.Employees SET Initials = 'X.' WHERE EmployeeId IN ('E00005', 'E00006')")
    with pytest.raises(NotSendable, match="userName of E00006"):
        jobs.resync(filled, "E00005", refresh=False, clock=clock)


@pytest.mark.parametrize("status", [401, 500])
def test_when_hr_cannot_answer_nothing_is_sent(
    filled: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock, status: int
) -> None:
    for _ in range(30):
        hr.fail_next(status)
    with pytest.raises(UpstreamError, match=f"HR answered {status}"):
        jobs.resync(filled, "E00005", clock=clock)
    assert not graph.calls


def test_another_persons_record_is_not_taken_for_hers(
    filled: Settings, hr: HrEmulator, clock: MovedClock, db: database.Database
) -> None:
    hr.fail_next(200, None, json.dumps({**hr.people[7], "Title": "Stranger"}).encode())
    with pytest.raises(UpstreamError, match="another person's record"):
        jobs.resync(filled, "E00005", clock=clock)
    assert list(db.select("SELECT EmployeeId FROM dbo.Employees WHERE Title = 'Stranger'", (), "t")) == []


def test_what_hrs_single_record_does_not_mention_is_kept(
    filled: Settings, hr: HrEmulator, clock: MovedClock, db: database.Database
) -> None:
    brief = {"EmployeeId": "E00005", "Name": {"FullName": "Brief Name"}, "Active": True}
    ((email,),) = db.select("SELECT Email FROM dbo.Employees WHERE EmployeeId = 'E00005'", (), "t")
    hr.fail_next(200, None, json.dumps(brief).encode())
    jobs.resync(filled, "E00005", clock=clock)
    (kept,) = db.select("SELECT Name_FullName, Email FROM dbo.Employees WHERE EmployeeId = 'E00005'", (), "t")
    assert tuple(kept) == ("Brief Name", email)


def test_refused_by_graph_she_is_parked_and_not_left_forced(
    filled: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    graph.refuse = lambda data: data["externalId"] == "E00005"
    with pytest.raises(UpstreamError, match="Graph answered 400"):
        jobs.resync(filled, "E00005", clock=clock)
    assert forced(filled) == 0
    assert jobs.create(filled, clock=clock).counts["parked"] == 1


def test_without_the_right_to_upload_she_stays_forced_for_the_next_run(
    filled: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    graph.fail_next(403, {}, b'{"error": {"code": "Forbidden", "message": "No."}}')
    with pytest.raises(UnfinishedRun, match=r"Forbidden: No\."):
        jobs.resync(filled, "E00005", clock=clock)
    assert forced(filled) == 1
    assert jobs.update(filled, clock=clock).counts["sent"] == 1
    assert forced(filled) == 0


def test_a_spent_budget_says_when_to_come_back(
    change: Callable[..., Settings], filled: Settings, clock: MovedClock
) -> None:
    poor = change(GRAPH_DAILY_CALL_LIMIT="1")
    jobs.resync(poor, "E00005", clock=clock)
    with pytest.raises(BudgetSpent) as spent:
        jobs.resync(poor, "E00006", clock=clock)
    assert 86_000 < spent.value.retry_after <= 86_401
