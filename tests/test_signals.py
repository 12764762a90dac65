"""The summary record: every run leaves one, of fields that a query finds, and nothing personal in it."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provisioning import jobs, review, runs, send
from provisioning.database import Database
from provisioning.errors import ProvisioningError, SettingsError, UnfinishedRun, UpstreamError
from provisioning.runs import EVENT, INGEST_COUNTS
from provisioning.settings import Settings
from tests.clock import MovedClock
from tests.conftest import NAMED, employ
from tests.emulators.graph import GraphEmulator
from tests.emulators.hr import HrEmulator

ROOT = Path(__file__).parent.parent
ALWAYS = {"event", "job", "run_id", "exit_code", "seconds"}
SENDING = ALWAYS | {"target_job", "calls_24h", "daily_limit", *send.COUNTS}


@pytest.fixture
def records(caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, Any]]]:
    """The summary records so far, oldest first: messages that are JSON and nothing else."""
    caplog.set_level(logging.INFO)
    return lambda: [
        json.loads(r.getMessage()) for r in caplog.records if r.getMessage().startswith('{"event": "' + EVENT)
    ]


def test_a_sending_run_tells_its_counts_duration_calls_and_target(
    small: Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock, records: Any
) -> None:
    employ(small, "A", "B", "C")
    report = jobs.create(bridge(), NAMED, clock=clock)
    (record,) = records()
    assert set(record) == SENDING
    assert (record["job"], record["run_id"], record["exit_code"]) == ("create", report.run_id, 0)
    assert (record["sent"], record["calls"], record["calls_24h"], record["daily_limit"]) == (3, 1, 1, 2000)
    assert f"/jobs/{record['target_job']}/" in graph.upload_url
    assert 0 <= record["seconds"] < 60
    assert all(isinstance(record[name], int) for name in send.COUNTS)


def test_an_ingest_tells_its_counts(settings: Settings, clock: MovedClock, records: Any) -> None:
    jobs.ingest(settings, clock=clock)
    (record,) = records()
    assert set(record) == ALWAYS | set(INGEST_COUNTS)
    assert (record["job"], record["fetched"], record["exit_code"]) == ("ingest", 100, 0)


def test_a_failed_run_tells_what_it_did_and_what_kind_of_error_it_was(
    settings: Settings, hr: HrEmulator, clock: MovedClock, records: Any
) -> None:
    hr.fail_next(404, when=lambda path: "offset=40" in path)
    with pytest.raises(UpstreamError):
        jobs.ingest(settings, clock=clock)
    (record,) = records()
    assert (record["exit_code"], record["fetched"], record["error"]) == (1, 40, "UpstreamError")


def test_a_held_run_a_busy_one_and_one_that_was_not_set_up_leave_theirs_too(
    small: Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock, records: Any
) -> None:
    employ(small, "A", "B", "C")
    jobs.create(bridge(MAX_CREATES="5%"), clock=clock)
    graph.fail_next(403)
    with pytest.raises(UnfinishedRun):
        jobs.create(bridge(), NAMED, clock=clock)
    small.execute("UPDATE provisioning.leases SET owner = 'another', expires_at = '2100-01-01 00:00:00.0000000'")
    with pytest.raises(ProvisioningError):
        jobs.update(bridge(), clock=clock)
    small.execute("DELETE FROM provisioning.migrations WHERE script = ?", (runs.NEWEST_SCRIPT,))
    with pytest.raises(SettingsError):
        jobs.update(bridge(), clock=clock)
    found = [(r["job"], r["exit_code"], r.get("error"), r["held"]) for r in records()]
    assert found == [
        ("create", 3, None, 3),
        ("create", 1, "UnfinishedRun", 0),
        ("update", 4, "Busy", 0),
        ("update", 2, "SettingsError", 0),
    ]


def test_what_was_only_looked_at_is_no_run_of_a_sending_job(
    small: Database, bridge: Callable[..., Settings], clock: MovedClock, records: Any
) -> None:
    employ(small, "A")
    review.foresee(bridge(), clock=clock)
    assert [r["job"] for r in records()] == ["plan"]


def test_summary_records_are_never_sampled_away() -> None:
    """Adaptive sampling would drop traces when a first load says much; an alert counts on them."""
    sampling = json.loads((ROOT / "host.json").read_text("utf-8"))["logging"]["applicationInsights"]["samplingSettings"]
    assert "Trace" in sampling["excludedTypes"].split(";")
