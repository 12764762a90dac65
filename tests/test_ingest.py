"""HR → SQL, on both engines: what is written, what is rejected, what is believed, and what is left alone."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from provisioning import database, jobs
from provisioning.database import Database
from provisioning.errors import Busy, SettingsError, UpstreamError
from provisioning.ledger import Lease
from provisioning.settings import Settings
from tests.clock import MovedClock
from tests.conftest import hr_source
from tests.emulators.hr import HrEmulator


def cells(db: Database, columns: str, where: str = "1 = 1") -> list[tuple[Any, ...]]:
    found = db.select(f"SELECT {columns} FROM dbo.Employees WHERE {where} ORDER BY EmployeeId", (), "t")
    return [tuple(row) for row in found]


def absent(db: Database) -> list[str]:
    return [str(r[0]) for r in db.select("SELECT RecordKey FROM dbo.AbsentRecords ORDER BY RecordKey", (), "t")]


def page(hr: HrEmulator, *records: dict[str, Any]) -> None:
    """Let the next answer be these records alone, and complete."""
    hr.fail_next(200, None, json.dumps({"data": list(records), "total": len(records)}).encode())


def test_the_first_load_writes_everybody_as_hr_has_them(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    counts = jobs.ingest(settings, clock=clock).counts
    assert (counts["fetched"], counts["inserted"], counts["missing"]) == (100, 100, 0)
    wanted = sorted((p["EmployeeId"], p["Name"]["FullName"], p["Location"]["Name"], p["NickName"]) for p in hr.people)
    assert cells(db, "EmployeeId, Name_FullName, Location_Name, NickName") == wanted


def test_a_quiet_round_writes_nothing(settings: Settings, db: Database, clock: MovedClock) -> None:
    jobs.ingest(settings, clock=clock)
    if db.engine == "sqlite":
        db.execute("CREATE TRIGGER dbo.u BEFORE UPDATE ON Employees BEGIN SELECT RAISE(FAIL, 'written'); END")
        db.execute("CREATE TRIGGER dbo.i BEFORE INSERT ON Employees BEGIN SELECT RAISE(FAIL, 'written'); END")
    counts = jobs.ingest(settings, clock=clock).counts
    assert (counts["unchanged"], counts["inserted"], counts["updated"]) == (100, 0, 0)


def test_only_what_differs_is_written_even_by_one_letters_case(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    hr.patch("E00005", {"Title": "fitter"})
    jobs.ingest(settings, clock=clock)
    hr.patch("E00005", {"Title": "Fitter"})
    assert jobs.ingest(settings, clock=clock).counts["updated"] == 1
    assert cells(db, "Title", "EmployeeId = 'E00005'") == [("Fitter",)]


def test_times_are_compared_at_the_precision_that_is_kept(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    hr.patch("E00005", {"ModifiedDateTime": "2026-01-02T03:04:05.1234567+01:00"})
    jobs.ingest(settings, clock=clock)
    assert jobs.ingest(settings, clock=clock).counts["updated"] == 0
    ((kept,),) = cells(db, "CAST(ModifiedDateTime AS varchar(33))", "EmployeeId = 'E00005'")
    assert kept.startswith("2026-01-02 02:04:05.12345")


def test_a_key_in_another_spelling_is_the_same_person(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    jobs.ingest(settings, clock=clock)
    record = {**hr.people[4], "EmployeeId": "e00005 ", "Title": "Respelled"}
    others = [p for p in hr.people if p["EmployeeId"] != "E00005"]
    page(hr, record, *others)
    counts = jobs.ingest(settings, clock=clock).counts
    assert (counts["updated"], counts["inserted"], counts["missing"]) == (1, 0, 0)
    assert cells(db, "EmployeeId", "Title = 'Respelled'") == [("E00005",)]


def test_a_rejected_record_keeps_what_is_mirrored_and_is_not_absent(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    jobs.ingest(settings, clock=clock)
    hr.patch("E00005", {"Name.FirstName": "x" * 101, "Title": "Lost"})
    counts = jobs.ingest(settings, clock=clock).counts
    assert (counts["rejected"], counts["missing"]) == (1, 0)
    assert cells(db, "EmployeeId", "Title = 'Lost'") == []


def test_who_is_missing_is_noted_with_when_never_deleted_and_un_noted_when_back(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    jobs.ingest(settings, clock=clock)
    gone = hr.people[4]
    hr.remove("E00005")
    assert jobs.ingest(settings, clock=clock).counts["missing"] == 1
    (since,) = db.select("SELECT AbsentSince FROM dbo.AbsentRecords", (), "t")
    assert jobs.ingest(settings, clock=clock).counts["missing"] == 1
    assert list(db.select("SELECT AbsentSince FROM dbo.AbsentRecords", (), "t")) == [since]
    assert (absent(db), len(cells(db, "EmployeeId"))) == (["E00005"], 100)
    ((current,),) = db.select("SELECT COUNT(*) FROM dbo.CurrentEmployees", (), "t")
    assert current == 99
    hr.put(gone)
    assert jobs.ingest(settings, clock=clock).counts["missing"] == 0
    assert absent(db) == []


def test_a_record_without_a_key_proves_nobody_missing(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    jobs.ingest(settings, clock=clock)
    page(hr, *hr.people[:98], {**hr.people[98], "EmployeeId": " "})
    counts = jobs.ingest(settings, clock=clock).counts
    assert (counts["rejected"], counts["missing"], absent(db)) == (1, 0, [])


def test_a_page_that_fails_leaves_the_mirror_as_it_was(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    jobs.ingest(settings, clock=clock)
    hr.patch("E00001", {"Title": "Half"})
    hr.fail_next(404, when=lambda path: "offset=80" in path)
    with pytest.raises(UpstreamError, match="Employees: HR answered 404") as failed:
        jobs.ingest(settings, clock=clock)
    assert cells(db, "EmployeeId", "Title = 'Half'") == []
    assert failed.value.report.counts["fetched"] == 80


@pytest.mark.parametrize("records", [0, 40])
def test_an_answer_that_cannot_be_all_is_not_believed(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock, records: int
) -> None:
    jobs.ingest(settings, clock=clock)
    thin = [{k: v for k, v in p.items() if k != "Office"} for p in hr.people[:records]]
    page(hr, *thin)
    with pytest.raises(UpstreamError, match="nothing was changed"):
        jobs.ingest(settings, clock=clock)
    assert absent(db) == []


def test_one_endpoints_outage_does_not_keep_the_others(
    change: Callable[..., Settings], hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    source = hr_source(hr.url)
    places = {"path": "api/Locations", "data_selector": "data"}
    source["resources"].append({"name": "Locations", "primary_key": "LocationId", "endpoint": places})
    hr.fail_next(403, when=lambda path: "Employees" in path)
    with pytest.raises(UpstreamError, match="Employees: HR answered 403"):
        jobs.ingest(change(HR_SOURCE=json.dumps(source)), clock=clock)
    ((kept,),) = db.select("SELECT COUNT(*) FROM dbo.Locations", (), "t")
    assert kept == len(hr.locations) > 0
    assert cells(db, "EmployeeId") == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"name": "Nowhere"}, "no table dbo.Nowhere"), ({"primary_key": "Id", "item_path": None}, "no column Id")],
)
def test_a_source_that_does_not_fit_the_tables_is_a_wrong_setting(
    change: Callable[..., Settings], hr: HrEmulator, clock: MovedClock, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(SettingsError, match=told):
        jobs.ingest(change(HR_SOURCE=json.dumps(hr_source(hr.url, **changes))), clock=clock)
    assert hr.requests == []


def test_what_a_resync_has_fetched_since_is_not_overwritten(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.ingest(settings, clock=clock)
    hr.patch("E00001", {"Title": "Old"})

    def resync_meanwhile(_fetch: object) -> None:
        hr.patch("E00001", {"Title": "Newer"})
        jobs.resync(settings, "E00001", clock=clock)

    monkeypatch.setattr(jobs, "_check_complete", resync_meanwhile)  # between the last page and the transaction
    counts = jobs.ingest(settings, clock=clock).counts
    assert cells(db, "Title", "EmployeeId = 'E00001'") == [("Newer",)]
    assert counts["fetched"] == counts["inserted"] + counts["updated"] + counts["unchanged"] + counts["rejected"]


def test_two_ingests_do_not_meet(settings: Settings, db: Database, clock: MovedClock) -> None:
    assert Lease("ingest", "another").acquire(db)
    with pytest.raises(Busy):
        jobs.ingest(settings, clock=clock)


def test_a_field_without_a_column_is_told_once_and_no_value_of_anybody(
    settings: Settings, hr: HrEmulator, clock: MovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for n in range(1, 6):
        hr.patch(f"E{n:05d}", {"ShoeSize": "Marker-Value", "BirthDate": "Marker-Value"})
    report = jobs.ingest(settings, clock=clock)
    assert sum("ShoeSize" in note for note in report.notes) == 1
    assert report.counts["rejected"] == 5
    assert "Marker" not in caplog.text + "".join(report.notes)


def test_a_day_later_create_says_that_the_data_are_old(settings: Settings, db: Database, clock: MovedClock) -> None:
    if db.engine == "sqlserver":
        pytest.skip("the server's own clock cannot be moved")
    assert any("there was none yet" in note for note in jobs.create(settings, clock=clock).notes)
    jobs.ingest(settings, clock=clock)
    assert not any("ingest" in note for note in jobs.create(settings, clock=clock).notes)
    clock.move(hours=27)
    assert any("no complete ingest in 26 h" in note for note in jobs.create(settings, clock=clock).notes)


def test_a_database_that_was_never_migrated_is_told(tmp_path: Any, hr: HrEmulator, clock: MovedClock) -> None:
    environ = {"SQL_CONNECTION_STRING": f"sqlite:///{tmp_path}/new.db", "HR_SOURCE": json.dumps(hr_source(hr.url))}
    with pytest.raises(SettingsError, match="python -m provisioning migrate"):
        jobs.ingest(Settings.from_environ({**environ, "HR_PASSWORD": "x"}), clock=clock)
    with database.connect(environ["SQL_CONNECTION_STRING"]) as db:
        assert db.view_columns("ScimUsers") == []
