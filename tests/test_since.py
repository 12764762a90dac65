"""`since`: what changed only, everything at least daily, and nobody missing by what was not asked for."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest

from provisioning import jobs, spelling
from provisioning.database import Database
from provisioning.errors import UpstreamError
from provisioning.pacing import Clock
from provisioning.settings import Settings
from tests.clock import MovedClock
from tests.conftest import PASSWORD, hr_source
from tests.emulators import people
from tests.emulators.hr import HrEmulator
from tests.test_hr import api, as_json, fetch, server
from tests.test_ingest import absent, cells

SINCE = {"start_param": "updatedSince"}


@pytest.fixture
def hr(clock: MovedClock, connection_string: str) -> Iterator[HrEmulator]:
    """A hundred people, whose edits are timed by the clock of the database: SQLite has the test's, a server its own."""
    timed_by = clock if connection_string.startswith("sqlite") else Clock()
    staff = people.invent(100, today=clock.utc_now().date())
    with HrEmulator(staff, {"basic": ("svc", PASSWORD)}, clock=timed_by.utc_now) as emulator:
        yield emulator


@pytest.fixture
def settings(change: Callable[..., Settings], hr: HrEmulator) -> Settings:
    endpoint = {"path": "api/changes/Employees", "data_selector": "data", "since": SINCE}
    return change(HR_SOURCE=json.dumps(hr_source(hr.url, endpoint=endpoint)), MISSING_AFTER_HOURS="0")


def asked(hr: HrEmulator) -> list[str | None]:
    """The instants from which on changes were asked for, of every fetch; None: everything. Asking is forgotten."""
    found = [parse_qs(urlsplit(seen.path).query) for seen in hr.requests]
    hr.requests.clear()
    return [query.get("updatedSince", [None])[0] for query in found if query.get("offset") == ["0"]]


def test_after_a_full_fetch_only_changes_are_asked_for(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    began = db.utc_now()
    assert jobs.ingest(settings, clock=clock).counts["inserted"] == 100
    assert asked(hr) == [None]
    clock.move(minutes=60)
    hr.patch("E00001", {"Title": "Quick"})
    hr.put({**hr.people[1], "EmployeeId": "N1"})
    counts = jobs.ingest(settings, clock=clock).counts
    assert (counts["fetched"], counts["inserted"], counts["updated"], counts["missing"]) == (2, 1, 1, 0)
    assert cells(db, "Title", "EmployeeId = 'E00001'") == [("Quick",)]
    (since,) = asked(hr)
    assert since
    assert datetime.fromisoformat(since) < began - timedelta(
        minutes=30
    )  # a fetch may have begun so long before its end


def test_a_fetch_of_changes_misses_nobody_and_shrinks_nothing(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    jobs.ingest(settings, clock=clock)
    last = db.one("last_fetch", "Employees")
    hr.remove("E00005")
    for _ in range(3):
        counts = jobs.ingest(settings, clock=clock).counts
        assert (counts["fetched"], counts["missing"]) == (0, 0)
    assert (absent(db), db.one("last_fetch", "Employees")) == ([], last)


def test_everything_is_fetched_again_within_a_day_and_who_is_gone_is_seen_then(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    if db.engine == "sqlserver":
        pytest.skip("the server's own clock cannot be moved")
    jobs.ingest(settings, clock=clock)
    hr.remove("E00005")
    asked(hr)
    for _ in range(48):
        clock.move(minutes=60)
        jobs.ingest(settings, clock=clock)
    full = [hour for hour, since in enumerate(asked(hr), 1) if since is None]
    assert full == [20, 40]
    assert absent(db) == ["E00005"]


def test_who_comes_back_is_no_longer_absent_though_only_changes_are_fetched(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    jobs.ingest(settings, clock=clock)
    gone = hr.people[4:6]
    for person in gone:
        hr.remove(person["EmployeeId"])
    if db.engine == "sqlserver":  # the server's own clock cannot be moved: let the last fetch be a day old
        db.execute("UPDATE provisioning.fetches SET completed_at = DATEADD(day, -1, completed_at)")
    clock.move(days=1)
    assert jobs.ingest(settings, clock=clock).counts["missing"] == 2
    hr.put(gone[0])
    assert jobs.ingest(settings, clock=clock).counts["missing"] == 1
    assert absent(db) == ["E00006"]


def test_a_field_that_no_changed_record_has_keeps_its_column(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    """Many APIs leave out what is null: of two records that proves nothing. The next full fetch tells."""
    jobs.ingest(settings, clock=clock)
    before = cells(db, "Email", "EmployeeId IN ('E00001', 'E00002')")
    for person in hr.people[:2]:
        hr.put({name: value for name, value in person.items() if name != "Email"} | {"Title": "Left out"})
    assert jobs.ingest(settings, clock=clock).counts["updated"] == 2
    assert cells(db, "Email", "EmployeeId IN ('E00001', 'E00002')") == before
    assert cells(db, "Title", "EmployeeId = 'E00002'") == [("Left out",)]


def test_a_failed_full_fetch_is_due_again(settings: Settings, hr: HrEmulator, clock: MovedClock) -> None:
    hr.fail_next(403)
    with pytest.raises(jobs.UpstreamError):
        jobs.ingest(settings, clock=clock)
    asked(hr)
    jobs.ingest(settings, clock=clock)
    assert asked(hr) == [None]


def test_the_time_may_stand_in_a_body() -> None:
    seen: list[Any] = []
    endpoint = {
        "path": "x",
        "method": "POST",
        "json": {"filter": {"status": "all"}},
        "since": {"start_body_path": "filter.from", "format": "unix"},
    }
    with server(lambda *_: as_json([]), bodies=seen) as url:
        found = api(url, endpoint=endpoint)
        fetch(found)
        fetch(found, datetime(2026, 11, 22, 6, tzinfo=UTC))
    assert seen == [{"filter": {"status": "all"}}, {"filter": {"status": "all", "from": "1795327200"}}]


@pytest.mark.parametrize(
    ("text", "zone", "written"),
    [
        ("%Y-%m-%dT%H:%M:%SZ", "America/New_York", "2026-11-22T06:00:00Z"),
        ("%Y-%m-%dT%H:%M:%S%z", "America/New_York", "2026-11-22T06:00:00+0000"),
        ("%d.%m.%Y %H:%M", "America/New_York", "22.11.2026 01:00"),
        ("%d.%m.%Y %H:%M", None, "22.11.2026 06:00"),
        ("%Y-%m-%d", "America/New_York", "2026-11-21"),
        ("unix", None, "1795327200"),
        ("unix_ms", "America/New_York", "1795327200000"),
    ],
)
def test_the_time_is_written_so_that_hr_reads_no_later_one(text: str, zone: str | None, written: str) -> None:
    moment = datetime(2026, 11, 22, 6, tzinfo=UTC)
    assert spelling.written(moment, text, ZoneInfo(zone) if zone else None) == written


def test_a_retyped_column_stops_a_fetch_of_changes_where_many_show_it(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    """Of a few changed people a few bad dates are bad records; of many they are another format."""
    jobs.ingest(settings, clock=clock)
    clock.move(minutes=60)
    for n in (1, 2, 3):
        hr.patch(f"E{n:05d}", {"HiredDate": "31.12.2020"})
    assert jobs.ingest(settings, clock=clock).counts["rejected"] == 3
    for n in range(1, 12):
        hr.patch(f"E{n:05d}", {"HiredDate": "31.12.2020", "Title": "Lost"})
    with pytest.raises(UpstreamError, match=r"(?i)HiredDate \(11 of 11\); nothing was changed"):
        jobs.ingest(settings, clock=clock)
    assert cells(db, "EmployeeId", "Title = 'Lost'") == []


def test_a_new_field_in_a_fetch_of_changes_is_told_once(settings: Settings, hr: HrEmulator, clock: MovedClock) -> None:
    jobs.ingest(settings, clock=clock)
    clock.move(minutes=60)
    hr.patch("E00001", {"ShoeSize": 44})
    told = [sum("ShoeSize" in note for note in jobs.ingest(settings, clock=clock).notes) for _ in range(3)]
    assert told == [1, 0, 0]
