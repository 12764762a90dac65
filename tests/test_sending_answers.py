"""What the sender does on each of Graph's answers: retried, taken apart, given up, or stopped; nobody lost."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from provisioning import database, jobs
from provisioning.errors import UnfinishedRun
from provisioning.settings import Settings
from tests.clock import MovedClock
from tests.conftest import NAMED, environment
from tests.emulators.graph import GraphEmulator
from tests.emulators.hr import HrEmulator

SHARES = ("sent", "unchanged", "held", "parked", "deferred")


@pytest.fixture
def environ(sqlite_string: str, hr: HrEmulator, graph: GraphEmulator) -> dict[str, str]:
    return environment(sqlite_string, hr.url, graph.upload_url)


@pytest.fixture
def settings(environ: dict[str, str], clock: MovedClock, graph: GraphEmulator) -> Settings:
    """A bridge whose mirror is filled, and a Graph that counts its limits by the same clock."""
    graph.clock = lambda: clock.utc_now().timestamp()
    found = Settings.from_environ(environ)
    jobs.ingest(found, clock=clock)
    return found


def create(settings: Settings, clock: MovedClock) -> dict[str, int]:
    """The counts of a create, also where it had to stop; they always add up."""
    try:
        counts = jobs.create(settings, NAMED, clock=clock).counts
    except UnfinishedRun as exc:
        counts = exc.report.counts
    assert counts["candidates"] == sum(counts[name] for name in SHARES)
    return counts


def intents(settings: Settings) -> int:
    with database.connect(settings.sql_connection_string) as db:
        ((count,),) = db.select("SELECT COUNT(*) FROM provisioning.intents", (), "count")
    return int(count)


def graph_error(code: str, message: str) -> bytes:
    return json.dumps({"error": {"code": code, "message": message}}).encode()


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (429, {"Retry-After": "7"}),
        (429, {}),
        (500, {}),
        (502, {}),
        (503, {"Retry-After": "7"}),
        (504, {}),
        (408, {}),
    ],
)
def test_what_may_pass_is_tried_again(
    settings: Settings, graph: GraphEmulator, clock: MovedClock, status: int, headers: dict[str, str]
) -> None:
    graph.fail_next(status, headers, b"")
    counts = create(settings, clock)
    assert (counts["sent"], counts["calls"], intents(settings)) == (100, 3, 0)
    if headers:
        assert sum(clock.sleeps) >= 6.9


def test_retry_after_may_be_a_date(settings: Settings, graph: GraphEmulator, clock: MovedClock) -> None:
    later = format_datetime(
        datetime.now(UTC) + timedelta(seconds=40), usegmt=True
    )  # by the machine's clock, as in life
    graph.fail_next(429, {"Retry-After": later}, b"")
    assert create(settings, clock)["sent"] == 100
    assert 35 < sum(clock.sleeps) < 50


def test_a_full_bucket_pauses_the_whole_sender(settings: Settings, graph: GraphEmulator, clock: MovedClock) -> None:
    graph.fail_next(500, {}, graph_error("InternalServerError", "The bucket is full."))
    assert create(settings, clock)["sent"] == 100
    assert 299 < sum(clock.sleeps) < 610


@pytest.mark.parametrize("apply", [True, False], ids=["arrived", "lost"])
def test_a_broken_connection_is_tried_again(
    settings: Settings, graph: GraphEmulator, clock: MovedClock, apply: bool
) -> None:
    graph.drop_next(apply=apply)
    counts = create(settings, clock)
    assert (counts["sent"], intents(settings)) == (100, 0)
    assert len(graph.directory().users) == 100


def test_given_up_in_doubt_she_goes_with_the_next_run_and_once_more_when_that_run_must_be_dead(
    settings: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    for _ in range(8 * 3):
        graph.fail_next(503, {}, b"")
    assert create(settings, clock)["sent"] == 0
    assert intents(settings) > 0
    in_doubt = intents(settings)
    graph._faults.clear()  # the storm is over
    assert create(settings, clock)["sent"] == 100
    assert jobs.update(settings, clock=clock).counts["sent"] == 0
    assert intents(settings) == in_doubt
    clock.move(hours=2)
    assert jobs.update(settings, clock=clock).counts["sent"] == in_doubt
    assert intents(settings) == 0
    assert jobs.update(settings, clock=clock).counts["candidates"] == 0


@pytest.mark.parametrize("status", [403, 404])
def test_a_missing_right_stops_the_run_with_graphs_words_and_leaves_no_doubt(
    settings: Settings, graph: GraphEmulator, clock: MovedClock, status: int
) -> None:
    for _ in range(3):
        graph.fail_next(status, {}, graph_error("Authorization_RequestDenied", "Insufficient privileges."))
    with pytest.raises(UnfinishedRun, match=rf"Graph answered {status}: .*Insufficient privileges") as stopped:
        jobs.create(settings, NAMED, clock=clock)
    assert stopped.value.report.counts["deferred"] == 100
    assert intents(settings) == 0


@pytest.mark.parametrize("bad", [{"E00050"}, {"E00001", "E00099"}, {"E00003", "E00033", "E00055", "E00066", "E00077"}])
def test_bad_people_are_found_and_block_nobody(
    settings: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock, bad: set[str]
) -> None:
    graph.refuse = lambda data: data["externalId"] in bad
    parked, runs = 0, 0
    while parked < len(bad) and runs < 6:
        before = len(graph.calls)
        counts = create(settings, clock)
        parked, runs = counts["parked"], runs + 1
        assert len(graph.calls) - before <= 2 + 2 * 12
    assert runs <= len(bad)
    assert set(graph.directory().users) == {p["EmployeeId"] for p in hr.people} - bad
    assert create(settings, clock)["calls"] == 0  # parked until their data change
    graph.refuse = lambda data: False
    hr.patch(sorted(bad)[0], {"Title": "Mended"})
    jobs.ingest(settings, clock=clock)
    assert create(settings, clock)["sent"] == 1


def test_a_parked_refusal_does_not_repeat_her_values(
    settings: Settings, graph: GraphEmulator, clock: MovedClock, hr: HrEmulator
) -> None:
    last_name = hr.people[6]["Name"]["LastName"]
    hr.patch("E00007", {"Title": "Marker Of Seven"})
    jobs.ingest(settings, clock=clock)
    words = graph_error("BadRequest", f"title 'Marker Of Seven' of {last_name} is wrong")
    jobs.create(settings, NAMED, clock=clock)
    hr.patch("E00007", {"Title": "Marker Of Seven", "NickName": "Sev"})
    jobs.ingest(settings, clock=clock)
    graph.fail_next(400, {}, words)
    report = jobs.update(settings, clock=clock)
    assert report.counts["parked"] == 1
    assert "BadRequest" in report.notes[0]
    assert "Marker" not in report.notes[0]
    assert last_name not in report.notes[0]


def test_a_mapping_that_graph_refuses_for_everybody_stops_the_run_and_parks_nobody(
    change: Callable[..., Settings], settings: Settings, graph: GraphEmulator, clock: MovedClock, hr: HrEmulator
) -> None:
    for n in range(1, 101):
        hr.put({**hr.people[0], "EmployeeId": f"F{n:05d}", "Email": None, "ManagerId": None})
    jobs.ingest(settings, clock=clock)
    graph.refuse = lambda data: True
    with pytest.raises(UnfinishedRun, match="every part of three requests") as stopped:
        jobs.create(settings, NAMED, clock=clock)
    counts = stopped.value.report.counts
    assert (counts["parked"], counts["deferred"]) == (0, 200)
    assert counts["calls"] <= 3 * 13
    assert intents(settings) == 0
    graph.refuse = lambda data: False
    assert create(settings, clock)["sent"] == 200


def test_when_the_days_calls_are_used_up_the_rest_waits(
    change: Callable[..., Settings], settings: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    poor = change(GRAPH_DAILY_CALL_LIMIT="1")
    counts = create(poor, clock)
    assert (counts["sent"], counts["deferred"], counts["calls"]) == (50, 50, 1)
    assert create(poor, clock)["calls"] == 0
    clock.move(hours=24, minutes=1)
    assert create(poor, clock)["sent"] == 50
    assert len(graph.directory().users) == 100


def test_a_run_ends_in_time_and_defers_the_rest(
    settings: Settings, graph: GraphEmulator, clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "RUN_SECONDS", 3)
    for _ in range(20):
        graph.fail_next(503, {"Retry-After": "2"}, b"")
    with pytest.raises(UnfinishedRun, match="still due"):
        jobs.create(settings, NAMED, clock=clock)


def test_no_person_is_ever_in_two_requests_at_once_and_managers_go_first(
    settings: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    graph.latency = 0.05
    create(settings, clock)
    at = {a.external_id: n for n, a in enumerate(graph.accepted)}
    managers: dict[str, Any] = {p["EmployeeId"]: p["ManagerId"] for p in hr.people}
    late = [e for e, m in managers.items() if m in at and at[m] > at[e] and managers.get(m) != e]
    assert late == []
    assert not graph.violations
