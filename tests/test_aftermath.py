"""What came of what was sent: through the jobs, over the emulators, on both engines."""

import json
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from provisioning import aftermath, database, jobs, person, printed, runs, trail
from provisioning.database import Database
from provisioning.errors import Busy, NotPermitted, UnfinishedRun, UpstreamError
from provisioning.ledger import Lease
from provisioning.settings import Settings
from tests.canary import MARKER, Canary
from tests.clock import MovedClock
from tests.conftest import NAMED, UNGUARDED, edit, employ, finish
from tests.emulators.entra import MANAGER
from tests.emulators.graph import JOB_ROLE, LOGS_ROLE, GraphEmulator

UPN = "AzureActiveDirectoryDuplicateUserPrincipalName"
IDS = ["P1", "P2", "P3"]


@pytest.fixture
def bridge(
    change: Callable[..., Settings], db: Database, graph: GraphEmulator, clock: MovedClock
) -> Callable[..., Settings]:
    """Settings of a bridge whose Graph goes by the clock of the database; three people are employed."""
    graph.clock = time.time if db.engine == "sqlserver" else lambda: clock.utc_now().timestamp()
    employ(db, *IDS)
    return lambda **values: change(HR_SOURCE="", **values)


@pytest.fixture
def loaded(bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock) -> Settings:
    """P1, P2 and P3 were sent; P2 failed, since her user name is taken. Nothing is collected yet."""
    graph.directory().occupy("P2")
    jobs.create(bridge(), NAMED, clock=clock)
    return bridge()


def collect(settings: Settings, clock: MovedClock) -> dict[str, Any]:
    """The counts of a collector, and its answer."""
    report = aftermath.collect(settings, clock=clock)
    assert report.exit_code == 0
    return {**report.counts, **report.answer}


def movable(db: Database) -> None:
    if db.engine == "sqlserver":
        pytest.skip("the server's own clock cannot be moved")


def target(settings: Settings) -> str:
    assert settings.bulk_upload
    return settings.bulk_upload.target


def accounts(db: Database) -> dict[str, tuple[Any, ...]]:
    rows = db.select(
        "SELECT EmployeeId, ObjectId, UserPrincipalName, Outcome, ErrorCode FROM dbo.EmployeeAccounts", (), "test"
    )
    return {row[0]: tuple(row[1:]) for row in rows}


# --- reading back -------------------------------------------------------------------------------------------------


def test_each_person_has_what_came_of_her_with_code_reason_and_mend(
    loaded: Settings, db: Database, clock: MovedClock
) -> None:
    found = collect(loaded, clock)
    assert (found["entries"], found["success"], found["failure"], found["failed"]) == (3, 2, 1, 1)
    (failed,) = found["failed_people"]
    assert (failed["employee_id"], failed["action"], failed["code"], failed["due"]) == ("P2", "create", UPN, False)
    assert "userPrincipalName already exists" in failed["reason"]
    assert "unique" in failed["recommended_action"]
    (outcome,) = [step for step in trail.of(db, target(loaded), "P1") if step["kind"] == "outcome"]
    assert (outcome["action"], outcome["status"]) == ("create", "success")
    assert {"userPrincipalName", "displayName"} <= set(outcome["attributes"])


def test_hr_and_reports_see_the_account_that_each_person_got(
    loaded: Settings, db: Database, graph: GraphEmulator, clock: MovedClock
) -> None:
    collect(loaded, clock)
    found = accounts(db)
    created = {e["sourceIdentity"]["id"]: e["targetIdentity"]["id"] for _, e in graph.directory().log}
    assert found["P1"] == (created["P1"], "P1", "success", None)
    assert found["P2"] == (None, None, "failure", UPN)
    edit(db, "P1", Title="Otter")
    jobs.update(loaded, clock=clock)
    collect(loaded, clock)
    assert accounts(db)["P1"] == found["P1"]  # an update says nothing of the user name: what is known stays


def test_no_value_of_an_attribute_is_kept_but_the_user_name(loaded: Settings, db: Database, clock: MovedClock) -> None:
    edit(db, "P1", Title="Marker of a value")
    jobs.update(loaded, clock=clock)
    collect(loaded, clock)
    for table in ("outcomes", "history"):
        rows = list(db.select(f"SELECT * FROM provisioning.{table}", (), "test"))
        assert rows
        assert "Marker of a value" not in repr(rows)
        assert "title" in repr(rows)


def test_read_once_more_nothing_is_written_and_nothing_counted(
    loaded: Settings, db: Database, clock: MovedClock
) -> None:
    collect(loaded, clock)
    before = sorted(map(repr, db.select("SELECT * FROM provisioning.outcomes", (), "test")))
    found = collect(loaded, clock)
    assert (found["entries"], found["success"], found["failed"]) == (0, 0, 1)
    assert sorted(map(repr, db.select("SELECT * FROM provisioning.outcomes", (), "test"))) == before


def test_the_log_of_the_first_beta_is_read_too(loaded: Settings, graph: GraphEmulator, clock: MovedClock) -> None:
    graph.old_names = True
    found = collect(loaded, clock)
    assert (found["success"], found["failure"], found["failed_people"][0]["code"]) == (2, 1, UPN)


def test_people_whom_this_bridge_never_sent_are_counted_and_left_alone(
    loaded: Settings, db: Database, graph: GraphEmulator, clock: MovedClock
) -> None:
    graph.directory().tell("stranger")
    assert collect(loaded, clock)["unmatched"] == 1
    assert "stranger" not in accounts(db)


def test_a_log_that_knows_nobody_of_ours_makes_nobody_unconfirmed(
    loaded: Settings, db: Database, graph: GraphEmulator, clock: MovedClock
) -> None:
    """The app's mapping names people otherwise: sending all of them again each day would eat the day's calls."""
    movable(db)
    graph.directory().forget_log()
    for n in range(aftermath.STRANGERS):
        graph.directory().tell(f"stranger-{n}")
    clock.move(hours=2)
    report = aftermath.collect(loaded, clock=clock)
    assert (report.counts["unmatched"], report.counts["unconfirmed"]) == (aftermath.STRANGERS, 0)
    assert "never sent" in report.notes[0]
    assert aftermath.status(loaded, clock=clock).answer["outcomes"]["on"] is False


def test_entries_that_come_late_and_out_of_order_are_not_missed(
    loaded: Settings, db: Database, graph: GraphEmulator, clock: MovedClock
) -> None:
    movable(db)
    graph.log_delay = 300
    graph.directory().log_delay_of = lambda external_id: 900 if external_id == "P1" else 0
    edit(db, *IDS, Title="Otter")
    jobs.update(loaded, clock=clock)
    assert collect(loaded, clock)["entries"] == 0
    clock.move(minutes=6)
    assert collect(loaded, clock)["entries"] == 5  # three of the first load, P2 and P3 of the update
    graph.directory().tell("P3")
    clock.move(minutes=6)
    assert collect(loaded, clock)["entries"] == 1  # P3's newer one
    clock.move(minutes=10)
    assert collect(loaded, clock)["entries"] == 1  # P1's older one, which came late
    assert collect(loaded, clock)["entries"] == 0


def test_entries_that_arrive_while_the_pages_are_read_are_read_the_next_time(
    loaded: Settings, graph: GraphEmulator, clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provisioning.graph.ENTRIES_A_PAGE", 2)
    record, directory = trail.record, graph.directory()

    def meanwhile(*arguments: Any) -> None:
        directory.tell("P1")
        record(*arguments)

    monkeypatch.setattr(trail, "record", meanwhile)
    assert collect(loaded, clock)["entries"] == 3
    monkeypatch.setattr(trail, "record", record)
    assert collect(loaded, clock)["entries"] == 2  # one came beside each of the two pages
    assert collect(loaded, clock)["entries"] == 0


def test_without_the_role_the_collector_fails_and_says_which_role(
    loaded: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    graph.roles.discard(LOGS_ROLE)
    with pytest.raises(NotPermitted, match=LOGS_ROLE):
        aftermath.collect(loaded, clock=clock)


def test_an_interrupted_reading_keeps_what_it_read_and_is_no_complete_one(
    loaded: Settings, db: Database, graph: GraphEmulator, clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provisioning.graph.ENTRIES_A_PAGE", 2)
    record = trail.record

    def then_fails(*arguments: Any) -> None:
        record(*arguments)
        graph.fail_read(LOGS_ROLE, 403)

    monkeypatch.setattr(trail, "record", then_fails)
    with pytest.raises(UpstreamError) as told:
        aftermath.collect(loaded, clock=clock)
    assert told.value.report.counts["entries"] == 2
    assert trail.reading(db, target(loaded)).read_to is None
    monkeypatch.setattr(trail, "record", record)
    assert collect(loaded, clock)["entries"] == 1
    assert trail.reading(db, target(loaded)).read_to


def test_a_busy_log_is_waited_for(loaded: Settings, graph: GraphEmulator, clock: MovedClock) -> None:
    graph.fail_read(LOGS_ROLE, 429, {"Retry-After": "21"}, times=2)
    assert collect(loaded, clock)["entries"] == 3
    assert clock.sleeps.count(21) == 2


def test_two_collectors_do_not_get_in_each_others_way(loaded: Settings, db: Database, clock: MovedClock) -> None:
    assert Lease(f"outcomes {target(loaded)}", "another").acquire(db)
    with pytest.raises(Busy):
        aftermath.collect(loaded, clock=clock)
    with pytest.raises(Busy):
        aftermath.collect(loaded, clock=clock, patience=20)
    assert jobs.update(loaded, clock=clock).exit_code == 0  # a collector keeps no sender waiting


def test_a_view_that_is_broken_keeps_nobody_from_reading_outcomes(
    loaded: Settings, db: Database, clock: MovedClock
) -> None:
    db.execute("DROP VIEW dbo.ScimUsers")
    db.execute("CREATE VIEW dbo.ScimUsers AS SELECT 1 AS nonsense")
    assert collect(loaded, clock)["entries"] == 3


def test_what_entra_says_of_people_is_shown_and_never_logged(
    loaded: Settings, graph: GraphEmulator, clock: MovedClock, canary: Canary
) -> None:
    error = {"errorCode": "Other", "reason": f"{MARKER} is taken", "recommendedAction": f"Rename {MARKER}"}
    properties = [{"displayName": "title", "oldValue": MARKER, "newValue": MARKER}]
    status_info = {"status": "failure", "errorInformation": error}
    graph.directory().tell("P1", provisioningStatusInfo=status_info, modifiedProperties=properties)
    report = aftermath.collect(loaded, clock=clock)
    assert f"{MARKER} is taken" in report.line()  # for operators, on stdout
    for note in (*report.notes, *aftermath.status(loaded, clock=clock).notes):
        canary.look_at(note, "note")
    assert "failed Other: 1 person (P1); reason and mend of each: python -m provisioning show ID" in report.notes
    page = "\n".join(printed.person_lines(person.show(loaded, "P1", clock=clock).answer))
    assert f"{MARKER} is taken" in page  # as it was said there
    assert f"Rename {MARKER}" in page


def test_an_error_code_that_is_no_word_is_not_repeated(
    loaded: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    error = {"errorCode": "Ada Rosenquist is odd", "reason": None, "recommendedAction": None}
    graph.directory().tell("P1", provisioningStatusInfo={"status": "failure", "errorInformation": error})
    report = aftermath.collect(loaded, clock=clock)
    assert any(note.startswith("failed (no code): 1 person (P1)") for note in report.notes)
    assert "Rosenquist" not in repr(report.notes)


# --- failed, and once more ----------------------------------------------------------------------------------------


def test_who_failed_is_not_sent_again_by_itself_and_stays_until_she_succeeds(
    loaded: Settings, db: Database, graph: GraphEmulator, clock: MovedClock
) -> None:
    collect(loaded, clock)
    for job in (jobs.create, jobs.update, jobs.reconcile):
        assert finish(job, loaded, clock)["candidates"] == 0
    assert collect(loaded, clock)["failed"] == 1
    graph.directory().vacate("P2")
    edit(db, "P2", Title="Mended")
    jobs.update(loaded, clock=clock)
    found = collect(loaded, clock)
    assert (found["failed"], found["failed_people"]) == (0, [])


def test_retry_makes_them_due_once_and_no_guard_minds(
    loaded: Settings, db: Database, graph: GraphEmulator, clock: MovedClock, change: Callable[..., Settings]
) -> None:
    collect(loaded, clock)
    guarded = change(HR_SOURCE="", MAX_CHANGES="0", MAX_CREATES="0", MAX_DISABLES="0")
    report = aftermath.retry_failed(loaded, by="Ada Operator", clock=clock)
    assert report.counts == {"failed": 1, "due": 1}
    counts = jobs.update(guarded, clock=clock).counts
    assert (counts["sent"], counts["held"]) == (1, 0)
    assert [a.external_id for a in graph.accepted[-1:]] == ["P2"]
    assert finish(jobs.update, guarded, clock)["candidates"] == 0  # once: she failed again, and waits for a word
    assert collect(loaded, clock)["failed"] == 1
    (asked,) = [step for step in trail.of(db, target(loaded), "P2") if step["kind"] == "retry"]
    assert (asked["by"], asked["run_id"], asked["job"]) == ("Ada Operator", report.run_id, "retry-failed")


def test_only_those_of_one_code_are_due_once_more(
    loaded: Settings, graph: GraphEmulator, clock: MovedClock, change: Callable[..., Settings]
) -> None:
    error = {"errorCode": "Other", "reason": None, "recommendedAction": None}
    graph.directory().tell("P1", provisioningStatusInfo={"status": "failure", "errorInformation": error})
    collect(loaded, clock)
    assert aftermath.retry_failed(loaded, "nonsense", clock=clock).counts == {"failed": 2, "due": 0}
    assert aftermath.retry_failed(loaded, "other", clock=clock).counts == {"failed": 2, "due": 1}
    narrowed = change(HR_SOURCE="", UPDATE_BY="modified")
    assert finish(jobs.update, narrowed, clock)["sent"] == 1
    assert graph.accepted[-1].external_id == "P1"


def test_a_leaver_who_could_not_be_disabled_is_sent_once_more_even_out_of_scope(
    loaded: Settings, db: Database, graph: GraphEmulator, clock: MovedClock
) -> None:
    edit(db, "P1", Active=0)
    jobs.update(loaded, clock=clock)
    error = {"errorCode": "Other", "reason": None, "recommendedAction": None}
    graph.directory().tell("P1", provisioningStatusInfo={"status": "failure", "errorInformation": error})
    collect(loaded, clock)
    edit(db, "P1", OrganizationId=None)
    aftermath.retry_failed(loaded, "Other", clock=clock)
    assert finish(jobs.update, loaded, clock)["sent"] == 1
    assert graph.accepted[-1].data["active"] is False


# --- late managers ------------------------------------------------------------------------------------------------


def test_reports_go_once_more_when_their_late_manager_has_succeeded(
    bridge: Callable[..., Settings], db: Database, graph: GraphEmulator, clock: MovedClock
) -> None:
    settings = bridge()
    edit(db, "P1", ManagerId="M1")
    jobs.create(settings, NAMED, clock=clock)
    collect(settings, clock)
    graph.directory().occupy("M1")
    employ(db, "M1")
    jobs.create(settings, NAMED, clock=clock)
    assert finish(jobs.reconcile, settings, clock)["sent"] == 0  # nobody knows yet what came of her manager
    collect(settings, clock)
    assert finish(jobs.update, settings, clock)["sent"] == 0  # she failed: there is no manager to set
    graph.directory().vacate("M1")
    aftermath.retry_failed(settings, clock=clock)
    assert finish(jobs.update, settings, clock)["sent"] == 1
    collect(settings, clock)
    before = len(graph.accepted)
    assert finish(jobs.update, settings, clock)["sent"] == 1
    assert [a.external_id for a in graph.accepted[before:]] == ["P1"]
    assert graph.directory().users["P1"][MANAGER] == "M1"
    collect(settings, clock)
    assert finish(jobs.update, settings, clock)["candidates"] == finish(jobs.reconcile, settings, clock)["sent"] == 0


def test_reports_go_once_more_when_their_manager_was_created_after_them(
    bridge: Callable[..., Settings], db: Database, graph: GraphEmulator, clock: MovedClock
) -> None:
    """She was accepted before them, failed, and came to be there only later: Entra tries by itself."""
    settings = bridge()
    edit(db, "P1", ManagerId="P2")
    graph.directory().occupy("P2")
    jobs.create(settings, NAMED, clock=clock)
    collect(settings, clock)
    assert MANAGER not in graph.directory().users["P1"]
    graph.directory().vacate("P2")
    jobs.resync(settings, "P2", refresh=False, clock=clock)  # as Entra's own retry would
    collect(settings, clock)
    before = len(graph.accepted)
    assert finish(jobs.update, settings, clock)["sent"] == 1
    assert [a.external_id for a in graph.accepted[before:]] == ["P1"]
    assert graph.directory().users["P1"][MANAGER] == "P2"
    collect(settings, clock)
    assert finish(jobs.update, settings, clock)["candidates"] == 0


def test_where_outcomes_are_off_reconcile_repairs_late_managers(
    loaded: Settings, db: Database, graph: GraphEmulator, clock: MovedClock
) -> None:
    graph.roles.discard(LOGS_ROLE)
    edit(db, "P1", ManagerId="M1")
    jobs.update(loaded, clock=clock)
    employ(db, "M1")
    jobs.create(loaded, NAMED, clock=clock)
    assert finish(jobs.update, loaded, clock)["sent"] == 0
    assert finish(jobs.reconcile, loaded, clock)["sent"] == 1


# --- unconfirmed --------------------------------------------------------------------------------------------------


def test_of_whom_the_log_says_nothing_for_45_minutes_is_unconfirmed_and_sent_again_after_a_day(
    loaded: Settings, db: Database, graph: GraphEmulator, clock: MovedClock
) -> None:
    movable(db)
    collect(loaded, clock)
    clock.move(minutes=5)
    graph.directory().paused = True
    edit(db, "P3", Title="Otter")
    jobs.update(loaded, clock=clock)
    assert graph.directory().purge() == 1  # "restart provisioning"
    graph.directory().paused = False
    clock.move(minutes=44)
    assert collect(loaded, clock)["unconfirmed"] == 0
    clock.move(minutes=2)
    assert status(loaded, clock)["unconfirmed"] == 0  # nobody has read so far yet
    assert collect(loaded, clock)["unconfirmed_people"] == ["P3"]
    assert finish(jobs.reconcile, loaded, clock)["sent"] == 0
    clock.move(hours=24)
    collect(loaded, clock)
    before = len(graph.accepted)
    assert finish(jobs.update, loaded, clock)["candidates"] == 0
    assert finish(jobs.reconcile, loaded, clock)["sent"] == 1
    assert [a.external_id for a in graph.accepted[before:]] == ["P3"]
    assert collect(loaded, clock)["unconfirmed"] == 0


def test_where_the_log_was_not_read_for_a_day_nobody_is_unconfirmed(
    loaded: Settings, db: Database, graph: GraphEmulator, clock: MovedClock
) -> None:
    movable(db)
    collect(loaded, clock)
    clock.move(minutes=5)
    edit(db, "P3", Title="Otter")
    graph.directory().paused = True
    jobs.update(loaded, clock=clock)
    clock.move(hours=2)
    assert collect(loaded, clock)["unconfirmed"] == 1
    clock.move(hours=25)
    found = status(loaded, clock)
    assert (found["unconfirmed"], found["outcomes"]["on"]) == (0, False)
    assert finish(jobs.reconcile, loaded, clock)["candidates"] == 0


def test_whoever_was_sent_before_the_log_was_read_is_not_unconfirmed(
    loaded: Settings, db: Database, graph: GraphEmulator, clock: MovedClock
) -> None:
    movable(db)
    clock.move(days=20)  # longer than the log reaches back
    assert collect(loaded, clock)["entries"] == 0
    assert collect(loaded, clock)["unconfirmed"] == 0


# --- recreated ----------------------------------------------------------------------------------------------------


def test_who_was_deleted_over_there_is_an_alarm_when_she_is_created_anew(
    loaded: Settings, db: Database, graph: GraphEmulator, clock: MovedClock
) -> None:
    collect(loaded, clock)
    graph.directory().delete("P1")
    edit(db, "P1", Title="Otter")
    jobs.update(loaded, clock=clock)
    report = aftermath.collect(loaded, clock=clock)
    assert (report.exit_code, report.counts["recreated"], report.answer["recreated_people"]) == (0, 1, ["P1"])
    assert any(note.startswith("warning: recreated: 1 person (P1)") for note in report.notes)
    assert status(loaded, clock)["recreated_people"] == ["P1"]
    sending = jobs.update(loaded, clock=clock)
    assert (sending.exit_code, sending.notes[0][:28]) == (0, "warning: recreated: 1 people")
    assert collect(loaded, clock)["recreated"] == 0  # told once by the collector


def test_reports_of_a_manager_who_was_created_anew_are_sent_once_more(
    bridge: Callable[..., Settings], db: Database, graph: GraphEmulator, clock: MovedClock
) -> None:
    """Her new account is nobody's manager yet."""
    settings = bridge()
    edit(db, "P1", ManagerId="P2")
    jobs.create(settings, NAMED, clock=clock)
    collect(settings, clock)
    graph.directory().delete("P2")
    edit(db, "P2", Title="Otter")
    assert finish(jobs.update, settings, clock)["sent"] == 1
    assert collect(settings, clock)["recreated_people"] == ["P2"]
    before = len(graph.accepted)
    assert finish(jobs.update, settings, clock)["sent"] == 1
    assert [a.external_id for a in graph.accepted[before:]] == ["P1"]
    collect(settings, clock)
    assert finish(jobs.update, settings, clock)["sent"] == 0


# --- the job over there -------------------------------------------------------------------------------------------


@pytest.fixture
def crowd(bridge: Callable[..., Settings], db: Database) -> Settings:
    """120 people, none of them sent yet: three requests."""
    employ(db, *(f"C{n:03d}" for n in range(117)))
    return bridge(**UNGUARDED)


@pytest.mark.parametrize("reason", [None, "EncounteredQuarantineException"])
def test_where_the_job_stands_still_a_run_stops_after_its_first_request(
    crowd: Settings, graph: GraphEmulator, clock: MovedClock, reason: str | None
) -> None:
    graph.directory().quarantine_reason = reason
    graph.directory().paused = reason is None
    graph.latency = 0.5  # a second one would go while the first is under way
    with pytest.raises(UnfinishedRun, match=reason or "Paused") as told:
        jobs.create(crowd, NAMED, clock=clock)
    report = told.value.report
    assert (told.value.exit_code, report.counts["calls"]) == (1, 1)
    assert (report.counts["sent"], report.counts["deferred"]) == (50, 70)
    assert any(note.startswith("warning: the provisioning job is") for note in report.notes)


def test_anyway_everybody_is_staged(crowd: Settings, graph: GraphEmulator, clock: MovedClock) -> None:
    graph.directory().paused = True
    report = jobs.create(crowd, NAMED, anyway=True, clock=clock)
    assert (report.exit_code, report.counts["sent"]) == (0, 120)
    assert any(note.startswith("warning: the provisioning job is Paused") for note in report.notes)


def test_the_first_request_is_taken_apart_to_its_end_before_the_run_stops(
    crowd: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    graph.directory().paused = True
    graph.refuse = lambda data: data["externalId"] == "C003"
    with pytest.raises(UnfinishedRun) as told:
        jobs.create(crowd, NAMED, clock=clock)
    counts = told.value.report.counts
    assert (counts["sent"], counts["parked"], counts["deferred"]) == (49, 1, 70)


def test_without_the_right_to_ask_it_is_said_once_and_sending_goes_on(
    crowd: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    graph.roles.discard(JOB_ROLE)
    graph.directory().paused = True
    report = jobs.create(crowd, NAMED, clock=clock)
    assert (report.exit_code, report.counts["sent"]) == (0, 120)
    assert [JOB_ROLE in note for note in report.notes] == [True]


def test_an_outage_of_the_question_stops_nobody(crowd: Settings, graph: GraphEmulator, clock: MovedClock) -> None:
    graph.fail_read(JOB_ROLE, 503)
    report = jobs.create(crowd, NAMED, clock=clock)
    assert (report.exit_code, report.counts["sent"]) == (0, 120)
    assert "503" in report.notes[0]


def test_a_quiet_run_asks_nothing(loaded: Settings, graph: GraphEmulator, clock: MovedClock) -> None:
    before = len(graph.readings)
    jobs.update(loaded, clock=clock)
    assert len(graph.readings) == before


# --- the whole ----------------------------------------------------------------------------------------------------


def status(settings: Settings, clock: MovedClock) -> dict[str, Any]:
    report = aftermath.status(settings, clock=clock)
    assert (report.exit_code, json.loads(report.line())["job"]) == (0, "status")
    return report.answer


def test_status_tells_how_it_all_stands_in_one_line_and_asks_nobody(
    loaded: Settings, db: Database, graph: GraphEmulator, clock: MovedClock
) -> None:
    collect(loaded, clock)
    edit(db, "P1", Title="Otter")
    employ(db, "N1")
    employ(db, "N2", Email=None)
    readings, calls = len(graph.readings), len(graph.calls)
    found = status(loaded, clock)
    names = ("due", "held", "parked", "failed", "unconfirmed", "recreated", "calls_used", "calls_limit")
    assert [found[n] for n in names] == [3, 0, 0, 1, 0, 0, 1, 2000]
    assert found["failed_people"][0]["code"] == UPN
    assert {job: run["exit_code"] for job, run in found["jobs"].items()} == {"create": 0, "outcomes": 0}
    assert found["jobs"]["create"]["counts"]["sent"] == 3
    assert found["outcomes"]["on"] is True
    assert (len(graph.readings), len(graph.calls)) == (readings, calls)


def test_status_tells_the_last_run_of_each_job_and_who_is_held(
    bridge: Callable[..., Settings], db: Database, clock: MovedClock
) -> None:
    settings = bridge()
    assert jobs.create(settings, clock=clock).exit_code == 3
    found = status(settings, clock)
    assert (found["jobs"]["create"]["exit_code"], found["held"], found["due"]) == (3, 3, 0)
    jobs.create(settings, NAMED, clock=clock)
    assert status(settings, clock)["jobs"]["create"]["exit_code"] == 0


# --- many people --------------------------------------------------------------------------------------------------


def entries(people: int, size: int) -> Iterator[list[dict[str, Any]]]:
    """Pages of a log with a success of each person, made as they are read."""
    for start in range(0, people, size):
        yield [
            {
                "id": f"entry-{n}",
                "activityDateTime": "2026-11-22T12:00:00Z",
                "provisioningAction": "create",
                "provisioningStatusInfo": {"status": "success", "errorInformation": None},
                "sourceIdentity": {"id": f"E{n:06d}"},
                "targetIdentity": {"id": f"object-{n}"},
                "modifiedProperties": [{"displayName": "title", "oldValue": None, "newValue": "x" * 500}] * 10,
            }
            for n in range(start, min(start + size, people))
        ]


def put_in_ledger(db: Database, name: str, people: int) -> None:
    with db.transaction():
        for n in range(people):
            db.execute(
                "INSERT INTO provisioning.ledger (target, employee_id, external_id, user_hash, scim_user, active, "
                "manager_known, sent_at, posted_at, run_id) VALUES (?, ?, ?, 'h', '{}', 1, 1, ?, ?, 'r')",
                (name, f"E{n:06d}", f"E{n:06d}", *["2026-11-22 12:00:00.0000000"] * 2),
            )


def test_a_log_is_taken_in_page_by_page_with_a_fixed_number_of_statements_and_flat_memory(
    sqlite_string: str, clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    peaks, size = [], 500
    with database.connect(sqlite_string, clock) as db:
        put_in_ledger(db, "t", 8000)
        for name in ("rows", "run"):
            monkeypatch.setattr(db, name, counting(getattr(db, name), statements))
        for people in (4000, 8000):
            report = runs.Report("outcomes", runs.no_counts("outcomes"))
            tracemalloc.start()
            aftermath._read_log(db, "t", report, lambda since, n=people: entries(n, size))
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            assert report.counts["entries"] == 4000
        count = db.select("SELECT COUNT(*) FROM provisioning.ledger WHERE outcome = 'success'", (), "test")
        assert list(count) == [(8000,)]
    pages = 24
    assert len(statements) <= 4 * pages + 10
    assert peaks[1] < 1.3 * peaks[0]


def counting(call: Callable[..., Any], seen: list[str]) -> Callable[..., Any]:
    def counted(name: str, *arguments: Any, **named: Any) -> Any:
        seen.append(name)
        return call(name, *arguments, **named)

    return counted


def test_the_reading_begins_a_while_before_the_newest_entry_seen_and_never_before_the_log_begins() -> None:
    now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    seen = now - timedelta(hours=5)
    assert aftermath._since(trail.Reading(), now) == now - timedelta(days=7)
    assert aftermath._since(trail.Reading(seen_to=seen), now) == seen - timedelta(hours=1)
    assert aftermath._since(trail.Reading(seen_to=now - timedelta(days=9)), now) == now - timedelta(days=7)
