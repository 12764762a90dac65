"""One person forced through: at once, or by the sender at work."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from provisioning import database, jobs
from provisioning.errors import BudgetSpent, MalformedId, NotSendable, UnfinishedRun, UnknownEmployee, UpstreamError
from provisioning.ledger import Lease, Ledger
from provisioning.settings import Settings
from tests.clock import MovedClock
from tests.conftest import NAMED
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


@pytest.mark.parametrize("connection_string", ["sqlserver"], indirect=True)
def test_of_several_who_ask_for_one_person_at_the_same_moment_each_is_answered(
    filled: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    """A second click, a script beside an operator: they write the same rows, one of them new to the mirror.

    (SQLite has one writer at a time; who waits too long for it is told so.)
    """
    for employee_id in ("NEW1", "E00005"):
        hr.put({**hr.people[0], "EmployeeId": employee_id, "Email": None, "Title": "Asked for"})
        together = Barrier(3)

        def ask(_: int, employee_id: str = employee_id, together: Barrier = together) -> object:
            together.wait(30)
            return jobs.resync(filled, employee_id, clock=clock).answer["status"]

        with ThreadPoolExecutor(3) as pool:
            answers = list(pool.map(ask, range(3)))
        assert "accepted" in answers
        assert set(answers) <= {"accepted", "queued"}
        assert graph.directory().users[employee_id]["title"] == "Asked for"
        assert forced(filled) == 0


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
    jobs.create(filled, NAMED, clock=clock)
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
    assert jobs.create(filled, NAMED, clock=clock).counts["parked"] == 1


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


# --- with the running sender --------------------------------------------------------------------------------------


def target(settings: Settings) -> str:
    assert settings.bulk_upload
    return settings.bulk_upload.target


def lease_is_free(settings: Settings) -> bool:
    with database.connect(settings.sql_connection_string) as db:
        heir = Lease(f"send {target(settings)}", "heir")
        free = heir.acquire(db) and not heir.taken_over
        heir.drop(db)
    return free


def test_a_sender_at_work_sends_the_queued_before_what_it_had_planned(
    filled: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    def meanwhile() -> float:
        graph.latency = 0.0
        with database.connect(filled.sql_connection_string, clock) as db:
            for employee_id in ("E00098", "E00099", "E00001"):
                Ledger(db, target(filled), "resync").force(employee_id)
        return 0.0

    graph.latency = meanwhile
    counts = jobs.create(filled, NAMED, clock=clock).counts
    assert counts["candidates"] == counts["sent"] >= 100
    assert len(graph.directory().users) == 100
    assert (forced(filled), graph.violations) == (0, [])
    assert lease_is_free(filled)


def test_who_is_forced_at_the_last_moment_is_sent_before_the_lease_is_given_back(
    filled: Settings, graph: GraphEmulator, clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, answers = Lease.release, []

    def too_late(lease: Lease, db: database.Database, name: str, tried: Sequence[str] = ()) -> bool:
        if not answers:
            answers.append(jobs.resync(filled, "E00005", clock=clock).answer["status"])
        return release(lease, db, name, tried)

    monkeypatch.setattr(Lease, "release", too_late)
    counts = jobs.create(filled, NAMED, clock=clock).counts
    assert (answers, counts["sent"]) == (["queued"], 101)
    assert forced(filled) == 0
    assert lease_is_free(filled)


@pytest.mark.parametrize("end", ["UPDATE dbo.Employees SET Active = 0", "DELETE FROM dbo.Employees"])
def test_somebody_queued_who_can_no_longer_go_does_not_keep_the_lease(
    filled: Settings, graph: GraphEmulator, clock: MovedClock, db: database.Database, end: str
) -> None:
    Ledger(db, target(filled), "resync").force("E00005")
    db.execute(f"{end} WHERE EmployeeId = 'E00005'")
    jobs.update(filled, clock=clock)
    assert (forced(filled), len(graph.calls)) == (0, 0)
    assert lease_is_free(filled)


def test_somebody_queued_who_cannot_go_is_counted_and_told_once(
    filled: Settings, clock: MovedClock, db: database.Database
) -> None:
    Ledger(db, target(filled), "resync").force("E00005")
    db.execute("UPDATE dbo.Employees SET Active = 0 WHERE EmployeeId = 'E00005'")
    report = jobs.update(filled, clock=clock)
    assert (report.counts["candidates"], report.counts["parked"]) == (1, 1)
    assert len([note for note in report.notes if note.startswith("parked E00005")]) == 1


def test_one_who_cannot_be_sent_now_keeps_nobody_from_the_lease(
    filled: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    graph.fail_next(404, {}, b"")
    with pytest.raises(UnfinishedRun, match="Graph answered 404"):
        jobs.resync(filled, "E00005", clock=clock)
    assert forced(filled) == 1
    assert lease_is_free(filled)
    assert jobs.resync(filled, "E00006", clock=clock).counts["sent"] == 2  # she, and the one still waiting


def test_what_became_of_others_is_not_hers(filled: Settings, graph: GraphEmulator, clock: MovedClock) -> None:
    with database.connect(filled.sql_connection_string, clock) as db:
        Ledger(db, target(filled), "resync").force("E00005")
    graph.refuse = lambda data: data["externalId"] == "E00005"
    report = jobs.resync(filled, "E00006", clock=clock)
    assert (report.answer["status"], report.exit_code) == ("accepted", 0)
    assert "E00006" in graph.directory().users
    assert forced(filled) == 0


def test_whoever_is_overtaken_leaves_her_to_the_new_sender(
    filled: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    """Before her answer was recorded another sender took over: she waits for it, and is not lost."""

    def overtaken() -> float:
        graph.latency = 0.0
        with database.connect(filled.sql_connection_string, clock) as own:
            own.execute("UPDATE provisioning.leases SET previous_owner = owner, owner = 'heir', epoch = epoch + 1")
        return 0.0

    graph.fail_next(503, {}, b"")
    graph.latency = overtaken
    assert jobs.resync(filled, "E00005", clock=clock).answer["status"] == "queued"
    assert forced(filled) == 1
    with database.connect(filled.sql_connection_string, clock) as own:
        own.execute("UPDATE provisioning.leases SET expires_at = '2000-01-01 00:00:00.0000000'")
    assert jobs.update(filled, clock=clock).counts["sent"] == 1
    assert forced(filled) == 0


def test_a_dead_senders_lease_is_taken_over_after_5_seconds(
    filled: Settings, clock: MovedClock, db: database.Database
) -> None:
    assert Lease(f"send {target(filled)}", "dead").acquire(db)
    db.execute("UPDATE provisioning.leases SET expires_at = '2000-01-01 00:00:00.0000000'")
    clock.sleeps.clear()
    assert jobs.resync(filled, "E00005", clock=clock).answer["status"] == "accepted"
    assert clock.sleeps[0] == 5.0


def test_a_full_bucket_is_not_waited_for(filled: Settings, graph: GraphEmulator, clock: MovedClock) -> None:
    """An HTTP answer must be there in 230 s; she stays queued for the next run."""
    graph.fail_next(500, {}, b'{"error": {"code": "Internal", "message": "The bucket is full."}}')
    began = clock.monotonic()
    with pytest.raises(UnfinishedRun):
        jobs.resync(filled, "E00005", clock=clock)
    assert clock.monotonic() - began < 230
    assert forced(filled) == 1
    assert lease_is_free(filled)


# --- who may go ---------------------------------------------------------------------------------------------------


def test_a_leaver_sent_before_is_sent_as_inactive(
    filled: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    jobs.resync(filled, "E00005", clock=clock)
    hr.patch("E00005", {"Active": False})
    for changed in (True, False):
        report = jobs.resync(filled, "E00005", clock=clock)
        assert (report.answer["changed"], report.counts["sent"]) == (changed, 1)
    assert graph.directory().users["E00005"]["accountEnabled"] is False


def test_before_her_start_she_goes_as_inactive_where_that_is_set(
    change: Callable[..., Settings], filled: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    hr.patch("E00005", {"ValidFrom": "2027-06-01"})
    assert jobs.resync(change(PREHIRE_ACTIVE="false"), "E00005", clock=clock).counts["sent"] == 1
    assert graph.directory().users["E00005"]["accountEnabled"] is False


def test_forced_before_her_lead_days_she_is_not_taken_back_by_the_next_update(
    filled: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    hr.patch("E00005", {"ValidFrom": "2027-06-01"})
    jobs.resync(filled, "E00005", clock=clock)
    assert jobs.update(filled, clock=clock).counts["candidates"] == 0
    assert graph.directory().users["E00005"]["accountEnabled"] is True


def test_a_row_that_makes_no_user_is_told_and_nobody_stays_forced(
    filled: Settings, clock: MovedClock, db: database.Database
) -> None:
    db.execute("UPDATE dbo.Employees SET Active = NULL WHERE EmployeeId = 'E00005'")
    with pytest.raises(NotSendable, match="active is null"):
        jobs.resync(filled, "E00005", refresh=False, clock=clock)
    assert forced(filled) == 0


def test_one_refused_before_is_tried_again_when_forced(
    filled: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    graph.refuse = lambda data: data["externalId"] == "E00005"
    with pytest.raises(UpstreamError):
        jobs.resync(filled, "E00005", clock=clock)
    graph.refuse = lambda data: False
    assert jobs.resync(filled, "E00005", clock=clock).answer["status"] == "accepted"
    assert jobs.create(filled, NAMED, clock=clock).counts["parked"] == 0


def test_a_failed_refresh_leaves_mirror_and_queue_as_they_were(
    filled: Settings, hr: HrEmulator, clock: MovedClock, db: database.Database
) -> None:
    before = list(db.select("SELECT * FROM dbo.Employees", (), "t"))
    hr.fail_next(200, {"Content-Type": "application/json"}, b'{"EmployeeId": "E00005", "BirthDate": "2026-02-30"}')
    with pytest.raises(NotSendable, match="HR's record"):
        jobs.resync(filled, "E00005", clock=clock)
    hr.fail_next(200, {}, b"not json")
    with pytest.raises(UpstreamError):
        jobs.resync(filled, "E00005", clock=clock)
    assert list(db.select("SELECT * FROM dbo.Employees", (), "t")) == before
    assert forced(filled) == 0


def test_without_an_item_path_she_goes_as_mirrored(
    environ: dict[str, str], filled: Settings, hr: HrEmulator, clock: MovedClock
) -> None:
    source = json.loads(environ["HR_SOURCE"])
    del source["resources"][0]["item_path"]
    plain = Settings.from_environ({**environ, "HR_SOURCE": json.dumps(source)})
    asked = len(hr.requests)
    assert jobs.resync(plain, "E00005", clock=clock).counts["sent"] == 1
    assert len(hr.requests) == asked


def test_a_record_wrapped_by_the_data_selector_is_taken_too(
    filled: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    wrapped = {"data": [{**next(p for p in hr.people if p["EmployeeId"] == "E00005"), "Title": "Wrapped"}]}
    hr.fail_next(200, {"Content-Type": "application/json"}, json.dumps(wrapped).encode())
    jobs.resync(filled, "E00005", clock=clock)
    assert graph.directory().users["E00005"]["title"] == "Wrapped"


def test_a_spent_budget_leaves_her_queued_and_the_lease_free(
    change: Callable[..., Settings], filled: Settings, clock: MovedClock
) -> None:
    poor = change(GRAPH_DAILY_CALL_LIMIT="1")
    jobs.resync(poor, "E00005", clock=clock)
    with pytest.raises(BudgetSpent, match="stays queued"):
        jobs.resync(poor, "E00006", clock=clock)
    assert forced(filled) == 1
    assert lease_is_free(filled)
    assert jobs.update(filled, clock=clock).counts["sent"] == 1


def test_asking_for_the_same_person_twice_while_queued_sends_her_once(
    filled: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    with database.connect(filled.sql_connection_string, clock) as db:
        other = Lease(f"send {target(filled)}", "other")
        assert other.acquire(db)
        for _ in range(2):
            jobs.resync(filled, "E00005", clock=clock)
        other.drop(db)
    assert jobs.update(filled, clock=clock).counts["sent"] == 1
    assert [a.external_id for a in graph.accepted] == ["E00005"]
