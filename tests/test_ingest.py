"""HR → SQL, on both engines: what is written, what is rejected, what is believed, and what is left alone."""

import json
import logging
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from provisioning import database, holds, ingestion, jobs
from provisioning.database import Database
from provisioning.errors import Busy, SettingsError, UpstreamError
from provisioning.ledger import Lease
from provisioning.settings import Settings
from tests.clock import MovedClock
from tests.conftest import NAMED, PASSWORD, hr_source
from tests.emulators.hr import HrEmulator


def cells(db: Database, columns: str, where: str = "1 = 1") -> list[tuple[Any, ...]]:
    found = db.select(f"SELECT {columns} FROM dbo.Employees WHERE {where} ORDER BY EmployeeId", (), "t")
    return [tuple(row) for row in found]


def absent(db: Database) -> list[str]:
    return [str(r[0]) for r in db.select("SELECT RecordKey FROM dbo.AbsentRecords ORDER BY RecordKey", (), "t")]


def unescapes(db: Database) -> bool:
    ((found,),) = db.select("SELECT j.a FROM OPENJSON(?) WITH (a nvarchar(9) '$.a') AS j", ('{"a": "\\""}',), "t")
    return bool(found == '"')


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


WATCHED = ("Employees", "AbsentRecords")


@contextmanager
def untouchable(db: Database) -> Iterator[None]:
    """While this lasts, whatever writes a row of the mirror fails."""
    for table in WATCHED:
        if db.engine == "sqlite":
            for verb in ("INSERT", "UPDATE", "DELETE"):
                stop = "BEGIN SELECT RAISE(FAIL, 'written'); END"
                db.execute(f"CREATE TRIGGER dbo.{table}_{verb} BEFORE {verb} ON {table} {stop}")
        else:
            stop = "BEGIN THROW 51000, 'written', 1; END"
            db.execute(f"CREATE TRIGGER dbo.{table}_W ON dbo.{table} AFTER INSERT, UPDATE, DELETE AS {stop}")
    try:
        yield
    finally:
        for table in WATCHED:
            for verb in ("INSERT", "UPDATE", "DELETE") if db.engine == "sqlite" else ("W",):
                db.execute(f"DROP TRIGGER dbo.{table}_{verb}")


def test_a_quiet_round_writes_nothing(settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock) -> None:
    jobs.ingest(settings, clock=clock)
    with untouchable(db):
        counts = jobs.ingest(settings, clock=clock).counts
        hr.patch("E00001", {"Title": "Loud"})
        with pytest.raises(UpstreamError):  # the watch does watch
            jobs.ingest(settings, clock=clock)
    assert (counts["unchanged"], counts["inserted"], counts["updated"], counts["rejected"]) == (100, 0, 0, 0)


def test_only_those_who_changed_are_written(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    jobs.ingest(settings, clock=clock)
    db.execute("UPDATE dbo.Employees SET Initials = '?' WHERE EmployeeId <> 'E00005'")
    for person in hr.people:
        hr.patch(person["EmployeeId"], {"Initials": "?"})
    hr.patch("E00005", {"Initials": "!", "NickName": None, "Active": False})
    with watched_rows(db):
        counts = jobs.ingest(settings, clock=clock).counts
    assert (counts["updated"], counts["unchanged"]) == (1, 99)
    assert [(r[0], int(r[1])) for r in cells(db, "Initials, Active", "EmployeeId = 'E00005'")] == [("!", 0)]


@contextmanager
def watched_rows(db: Database) -> Iterator[None]:
    """On SQLite, nobody but E00005 may be written while this lasts."""
    if db.engine != "sqlite":
        yield
        return
    stop = "WHEN NEW.EmployeeId <> 'E00005' BEGIN SELECT RAISE(FAIL, 'written'); END"
    db.execute(f"CREATE TRIGGER dbo.others BEFORE UPDATE ON Employees {stop}")
    yield
    db.execute("DROP TRIGGER dbo.others")


def test_only_what_differs_is_written_even_by_one_letters_case(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    hr.patch("E00005", {"Title": "fitter"})
    jobs.ingest(settings, clock=clock)
    hr.patch("E00005", {"Title": "Fitter"})
    assert jobs.ingest(settings, clock=clock).counts["updated"] == 1
    assert cells(db, "Title", "EmployeeId = 'E00005'") == [("Fitter",)]


def test_text_that_looks_like_sql_is_stored_as_text(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    text = "Robert'); DROP TABLE Employees;--"
    hr.patch("E00005", {"Name.FullName": text, "Title": "?; {table} [x] O'y -- %s"})
    jobs.ingest(settings, clock=clock)
    assert cells(db, "Name_FullName, Title", "EmployeeId = 'E00005'") == [(text, "?; {table} [x] O'y -- %s")]
    assert len(cells(db, "EmployeeId")) == 100


def test_quotes_backslashes_and_line_breaks_arrive_as_they_are(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    if db.engine == "sqlserver" and not unescapes(db):
        pytest.skip("this server's OPENJSON does not unescape (Babelfish)")
    text = '"a" \\ b\n\tc\u2028'
    hr.patch("E00005", {"Title": text})
    jobs.ingest(settings, clock=clock)
    assert cells(db, "Title", "EmployeeId = 'E00005'") == [(text,)]
    assert jobs.ingest(settings, clock=clock).counts["updated"] == 0


def test_the_bad_records_of_the_issue_are_rejected_with_reasons_and_the_rest_arrives(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    hr.patch("E00001", {"Name.FirstName": "x" * 400})
    hr.patch("E00002", {"BirthDate": "2026-02-30"})
    hr.put({"Name": {"FullName": "Nobody"}})
    report = jobs.ingest(settings, clock=clock)
    assert (report.counts["fetched"], report.counts["inserted"], report.counts["rejected"]) == (101, 98, 3)
    told = [note.casefold() for note in report.notes if note.startswith("rejected")]  # Babelfish spells columns small
    assert told == [
        "rejected employees e00001: name_firstname: 400 characters, the column holds 100",
        "rejected employees e00002: birthdate: is a date that does not exist",
        "rejected employees (no key): employeeid is missing",
    ]
    assert len(cells(db, "EmployeeId")) == 98


def test_of_two_records_with_one_key_the_first_is_kept(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    one, *others = hr.people
    page(hr, one, *others, {**one, "EmployeeId": "e00001", "Title": "Twin"})
    counts = jobs.ingest(settings, clock=clock).counts
    assert (counts["inserted"], counts["rejected"]) == (100, 1)
    assert cells(db, "EmployeeId", "Title = 'Twin'") == []


def test_of_many_rejected_people_some_are_told_and_all_are_counted(
    settings: Settings, hr: HrEmulator, clock: MovedClock
) -> None:
    endless = [{"EmployeeId": f"X{n}", "Name": {"FullName": "X"}, "BirthDate": "never"} for n in range(1200)]
    hr.fail_next(200, None, json.dumps({"data": endless, "total": 1200}).encode())
    report = jobs.ingest(settings, clock=clock)
    assert (report.counts["rejected"], report.counts["fetched"]) == (1200, 1200)
    assert (sum(note.startswith("rejected ") for note in report.notes), report.untold) == (500, 700)
    assert report.notes[-1].startswith("warning: ")  # what is told of all is not lost behind them


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


def with_places(hr: HrEmulator) -> str:
    document = hr_source(hr.url)
    for name, key in (("Locations", "LocationId"), ("Organizations", "OrganizationId")):
        endpoint = {"path": f"api/{name}", "data_selector": "data"}
        document["resources"].append({"name": name, "primary_key": key, "endpoint": endpoint})
    return json.dumps(document)


def test_every_resource_fills_its_table_and_the_counts_are_of_all(
    change: Callable[..., Settings], hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    report = jobs.ingest(change(HR_SOURCE=with_places(hr)), clock=clock)
    everything = 100 + len(hr.locations) + len(hr.organizations)
    assert (report.counts["fetched"], report.counts["inserted"]) == (everything, everything)
    ((names,),) = db.select("SELECT COUNT(OrganizationName) FROM dbo.Organizations", (), "t")
    assert names == len(hr.organizations)


def test_several_outages_are_all_told_and_each_table_is_left_alone(
    change: Callable[..., Settings], hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    hr.fail_next(403, when=lambda path: "Employees" in path)
    hr.fail_next(404, when=lambda path: "Organizations" in path)
    with pytest.raises(UpstreamError) as failed:
        jobs.ingest(change(HR_SOURCE=with_places(hr)), clock=clock)
    assert "Employees: HR answered 403" in str(failed.value)
    assert "Organizations: HR answered 404" in str(failed.value)
    assert failed.value.report.counts["inserted"] == len(hr.locations)
    assert [bool(db.one("last_fetch", t)) for t in ("Employees", "Organizations", "Locations")] == [False, False, True]


def test_who_is_missing_is_not_in_the_reports_however_the_source_spells_the_table(
    change: Callable[..., Settings], hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    spelled = change(HR_SOURCE=json.dumps(hr_source(hr.url, name="employees")))
    jobs.ingest(spelled, clock=clock)
    hr.remove("E00005")
    assert jobs.ingest(spelled, clock=clock).counts["missing"] == 1
    ((current,),) = db.select("SELECT COUNT(*) FROM dbo.CurrentEmployees", (), "t")
    assert current == 99


def test_whom_a_resync_found_meanwhile_is_not_absent(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.ingest(settings, clock=clock)
    gone = hr.people[4]
    hr.remove("E00005")

    def resync_meanwhile(*_: object, **__: object) -> None:
        hr.put(gone)
        jobs.resync(settings, "E00005", clock=clock)

    monkeypatch.setattr(ingestion, "_check_complete", resync_meanwhile)  # between the last page and the transaction
    assert jobs.ingest(settings, clock=clock).counts["missing"] == 0
    assert absent(db) == []


def test_an_answer_without_anybody_is_a_failure_from_the_first_one_on(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    page(hr)
    with pytest.raises(UpstreamError, match="no record at all"):
        jobs.ingest(settings, clock=clock)
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

    def resync_meanwhile(*_: object, **__: object) -> None:
        hr.patch("E00001", {"Title": "Newer"})
        jobs.resync(settings, "E00001", clock=clock)

    monkeypatch.setattr(ingestion, "_check_complete", resync_meanwhile)  # between the last page and the transaction
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
    assert "Marker" not in caplog.text + "".join(report.notes) + report.line()


def test_no_value_of_a_person_is_in_what_a_failed_ingest_tells(
    settings: Settings, hr: HrEmulator, clock: MovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    hr.fail_next(500, {"Retry-After": "0"}, b"Marker", when=lambda path: "offset=40" in path)
    hr.fail_next(404, None, b"Marker", when=lambda path: "offset=40" in path)
    hr.patch("E00001", {"Name.FullName": "Marker"})
    with pytest.raises(UpstreamError) as failed:
        jobs.ingest(settings, clock=clock)
    told = "".join(traceback.format_exception(failed.value)) + "".join(failed.value.report.notes)
    assert "Marker" not in told + caplog.text
    assert PASSWORD not in told + caplog.text


def test_a_day_later_create_says_that_the_data_are_old(settings: Settings, db: Database, clock: MovedClock) -> None:
    if db.engine == "sqlserver":
        pytest.skip("the server's own clock cannot be moved")
    assert any("there was none yet" in note for note in jobs.create(settings, NAMED, clock=clock).notes)
    jobs.ingest(settings, clock=clock)
    assert not any("ingest" in note for note in jobs.create(settings, NAMED, clock=clock).notes)
    clock.move(hours=27)
    assert any("no complete ingest in 26 h" in note for note in jobs.create(settings, NAMED, clock=clock).notes)


def test_a_database_that_was_never_migrated_is_told(tmp_path: Any, hr: HrEmulator, clock: MovedClock) -> None:
    environ = {"SQL_CONNECTION_STRING": f"sqlite:///{tmp_path}/new.db", "HR_SOURCE": json.dumps(hr_source(hr.url))}
    with pytest.raises(SettingsError, match="python -m provisioning migrate"):
        jobs.ingest(Settings.from_environ({**environ, "HR_PASSWORD": "x"}), clock=clock)
    with database.connect(environ["SQL_CONNECTION_STRING"]) as db:
        assert db.view_columns("ScimUsers") == []


# --- what is not believed -----------------------------------------------------------------------------------------


def test_an_answer_that_lacks_too_many_people_changes_nothing(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    jobs.ingest(settings, clock=clock)
    for n in range(1, 31):
        hr.remove(f"E{n:05d}")
    hr.patch("E00050", {"Title": "Unseen"})
    with (
        untouchable(db),
        pytest.raises(UpstreamError, match=r"gave 70 records, 100 the last time.*MAX_SHRINK lets 10%") as told,
    ):
        jobs.ingest(settings, clock=clock)
    counts = told.value.report.counts
    assert (counts["inserted"], counts["updated"], counts["missing"]) == (0, 0, 0)
    assert absent(db) == []


@pytest.mark.parametrize(("gone", "allowed", "believed"), [(10, "10%", True), (11, "10%", False), (30, "30", True)])
def test_how_many_may_be_gone_is_a_setting(
    change: Callable[..., Settings],
    hr: HrEmulator,
    db: Database,
    clock: MovedClock,
    gone: int,
    allowed: str,
    believed: bool,
) -> None:
    settings = change(MAX_SHRINK=allowed)
    jobs.ingest(settings, clock=clock)
    for n in range(1, gone + 1):
        hr.remove(f"E{n:05d}")
    if believed:
        assert jobs.ingest(settings, clock=clock).counts["missing"] == gone
    else:
        with pytest.raises(UpstreamError, match="MAX_SHRINK"):
            jobs.ingest(settings, clock=clock)
    assert len(absent(db)) == (gone if believed else 0)


@pytest.mark.parametrize(("others", "believed"), [(10, True), (11, False)])
def test_so_many_may_be_others_than_before_as_may_be_gone(
    change: Callable[..., Settings], hr: HrEmulator, db: Database, clock: MovedClock, others: int, believed: bool
) -> None:
    """Another key for everybody leaves as many records as there were."""
    settings = change(MAX_SHRINK="10%")
    jobs.ingest(settings, clock=clock)

    def replace(first: int) -> None:
        for n in range(first, first + others):
            (one,) = [p for p in hr.people if p["EmployeeId"] == f"E{n:05d}"]
            hr.remove(one["EmployeeId"])
            hr.put({**one, "EmployeeId": f"X{n:05d}"})

    replace(1)
    if believed:
        assert jobs.ingest(settings, clock=clock).counts["inserted"] == others
        replace(51)  # those before were noted as absent, and are counted once
        assert jobs.ingest(settings, clock=clock).counts["missing"] == 2 * others
    else:
        with untouchable(db), pytest.raises(UpstreamError, match=r"of 100 records 11 have gone.*MAX_SHRINK lets 10%"):
            jobs.ingest(settings, clock=clock)
    assert len(absent(db)) == (2 * others if believed else 0)


def test_shrinkage_is_measured_against_the_last_complete_answer_not_against_the_mirror(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    """Leavers stay in the mirror for ever; they must not stop the ingest some day."""
    jobs.ingest(settings, clock=clock)
    for tens in range(3):
        for n in range(1, 9):
            hr.remove(f"E{tens * 10 + n:05d}")
        jobs.ingest(settings, clock=clock)
    assert len(absent(db)) == 24


def test_a_rejected_record_is_there_and_a_doubled_one_is_there_once(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    jobs.ingest(settings, clock=clock)
    for n in range(1, 31):
        hr.patch(f"E{n:05d}", {"BirthDate": "2026-02-30"})
    assert jobs.ingest(settings, clock=clock).counts["rejected"] == 30
    records = [p for p in hr.people if p["EmployeeId"] > "E00030"]
    page(hr, *records, *records[:30])
    with pytest.raises(UpstreamError, match="gave 70 records, 100"):
        jobs.ingest(settings, clock=clock)


def test_a_small_table_may_lose_a_record_or_two(
    change: Callable[..., Settings], hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    source = json.loads(json.dumps(hr_source(hr.url)))
    place = {"name": "Locations", "primary_key": "LocationId", "endpoint": {"path": "api/Locations"}}
    source["resources"] = [{**place, "endpoint": {"path": "api/Locations", "data_selector": "data"}}]
    settings = change(HR_SOURCE=json.dumps(source))
    jobs.ingest(settings, clock=clock)
    hr.locations = hr.locations[:3]
    assert jobs.ingest(settings, clock=clock).counts["missing"] == 2


def test_a_page_that_comes_again_later_is_not_believed(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    first, second = hr.people[:40], hr.people[40:80]
    for records in (first, second, first):
        hr.fail_next(200, None, json.dumps({"data": records, "total": 120}).encode())
    with pytest.raises(UpstreamError, match="same page twice"):
        jobs.ingest(settings, clock=clock)
    assert cells(db, "EmployeeId") == []


def test_a_column_that_the_mapping_uses_may_not_vanish_and_another_may_for_a_few(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    for person in hr.people:
        hr.put({**person, "Title": None, "Initials": None})
    for n in (1, 2):
        hr.patch(f"E{n:05d}", {"Title": "Clerk", "Initials": "A."})
    jobs.ingest(settings, clock=clock)
    for person in hr.people:
        hr.put({name: value for name, value in person.items() if name != "Initials"})
    assert jobs.ingest(settings, clock=clock).counts["updated"] == 2
    for person in hr.people:
        hr.put({name: value for name, value in person.items() if name != "Title"})
    with pytest.raises(UpstreamError, match=r"(?i)no record has Title any more"):
        jobs.ingest(settings, clock=clock)
    assert len(cells(db, "Title", "Title = 'Clerk'")) == 2


def test_a_first_answer_that_lacks_what_the_mapping_uses_says_so(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    """An API may leave out what nobody has, so it is no failure; afterwards a value that was there may not vanish."""
    for person in hr.people:
        hr.put({name: value for name, value in person.items() if name not in ("Email", "Initials")})
    notes = jobs.ingest(settings, clock=clock).notes
    assert any(re.search(r"(?i)no record has Email, which the mapping uses", note) for note in notes)
    assert not any("the mapping uses" in note for note in jobs.ingest(settings, clock=clock).notes)


# --- what HR changes without a word -------------------------------------------------------------------------------


def told_fields(notes: list[str]) -> list[str]:
    return [note.partition("not kept: ")[2] for note in notes if "fields without a column" in note]


def test_a_new_field_is_told_once_and_runs_go_on(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    jobs.ingest(settings, clock=clock)
    hr.patch("E00001", {"ShoeSize": 44})
    first = jobs.ingest(settings, clock=clock)
    assert (told_fields(first.notes), first.exit_code) == (["ShoeSize"], 0)
    for _ in range(2):
        assert told_fields(jobs.ingest(settings, clock=clock).notes) == []
    hr.patch("E00002", {"HatSize": 7})
    assert told_fields(jobs.ingest(settings, clock=clock).notes) == ["HatSize"]
    for person in hr.people:
        hr.put({name: value for name, value in person.items() if name != "ShoeSize"})
    jobs.ingest(settings, clock=clock)
    hr.patch("E00001", {"ShoeSize": 44})
    assert told_fields(jobs.ingest(settings, clock=clock).notes) == []  # it was told


def test_a_new_field_is_told_again_by_the_run_after_one_that_failed(
    settings: Settings, hr: HrEmulator, clock: MovedClock
) -> None:
    hr.patch("E00001", {"ShoeSize": 44})
    hr.fail_next(404, when=lambda path: "offset=80" in path)
    with pytest.raises(UpstreamError) as failed:
        jobs.ingest(settings, clock=clock)
    assert told_fields(failed.value.report.notes) == []
    assert told_fields(jobs.ingest(settings, clock=clock).notes) == ["ShoeSize"]


def small(hr: HrEmulator, count: int) -> None:
    for person in hr.people[count:]:
        hr.remove(person["EmployeeId"])


@pytest.mark.parametrize("count", [2, 5, 100])
def test_a_mapped_column_that_is_retyped_stops_the_endpoint_before_anything_is_written(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock, count: int
) -> None:
    small(hr, count)
    jobs.ingest(settings, clock=clock)
    before = cells(db, "EmployeeId, HiredDate, Title")
    for person in hr.people:
        hr.put({**person, "HiredDate": "01/02/2020", "Title": "Lost"})
    with (
        untouchable(db),
        pytest.raises(UpstreamError, match=rf"(?i)HiredDate \({count} of {count}\); nothing was cha") as told,
    ):
        jobs.ingest(settings, clock=clock)
    assert told.value.report.exit_code == 1
    assert told.value.report.counts["rejected"] == 0
    assert cells(db, "EmployeeId, HiredDate, Title") == before


def test_of_a_retyped_column_a_tenth_may_still_fit(settings: Settings, hr: HrEmulator, clock: MovedClock) -> None:
    for n in range(1, 91):
        hr.patch(f"E{n:05d}", {"HiredDate": "01/02/2020"})
    for n in range(91, 101):
        hr.patch(f"E{n:05d}", {"HiredDate": "2020-02-01"})
    with pytest.raises(UpstreamError, match=r"(?i)HiredDate \(90 of 100\)"):
        jobs.ingest(settings, clock=clock)
    hr.patch("E00090", {"HiredDate": "2020-02-01"})
    assert jobs.ingest(settings, clock=clock).counts["rejected"] == 89


@pytest.mark.parametrize(("wrong", "stops"), [(1, False), (10, False), (11, True)])
def test_a_few_bad_values_of_a_column_that_few_have_are_a_few_bad_records(
    settings: Settings, hr: HrEmulator, clock: MovedClock, wrong: int, stops: bool
) -> None:
    for person in hr.people:
        hr.put({**person, "TerminatedDate": None})
    jobs.ingest(settings, clock=clock)
    for n in range(1, wrong + 1):
        hr.patch(f"E{n:05d}", {"TerminatedDate": "31.12.2026"})
    if stops:
        with pytest.raises(UpstreamError, match=r"(?i)TerminatedDate"):
            jobs.ingest(settings, clock=clock)
    else:
        assert jobs.ingest(settings, clock=clock).counts["rejected"] == wrong


def test_one_bad_record_of_a_company_of_one_is_a_bad_record(
    settings: Settings, hr: HrEmulator, clock: MovedClock
) -> None:
    small(hr, 1)
    jobs.ingest(settings, clock=clock)
    hr.patch("E00001", {"HiredDate": "31.12.2026"})
    assert jobs.ingest(settings, clock=clock).counts["rejected"] == 1


def test_a_column_that_the_mapping_does_not_use_rejects_records_one_by_one(
    settings: Settings, hr: HrEmulator, clock: MovedClock
) -> None:
    for person in hr.people:
        hr.put({**person, "BirthDate": "31.12.1999"})
    assert jobs.ingest(settings, clock=clock).counts["rejected"] == 100


@pytest.mark.parametrize(
    ("field", "column"), [("EmployeeId", "EmployeeId"), ("Name", "Name_FullName")], ids=["key", "needed"]
)
def test_a_mapped_column_that_is_gone_stops_also_where_the_table_needs_it(
    settings: Settings, hr: HrEmulator, db: Database, clock: MovedClock, field: str, column: str
) -> None:
    jobs.ingest(settings, clock=clock)
    page(hr, *({n: v for n, v in p.items() if n != field} for p in hr.people))
    with untouchable(db), pytest.raises(UpstreamError, match=rf"(?i){column} \(100 of 100\).*nothing was changed"):
        jobs.ingest(settings, clock=clock)


def test_a_retyped_column_of_one_endpoint_leaves_the_others_ingested(
    change: Callable[..., Settings], hr: HrEmulator, clock: MovedClock
) -> None:
    settings = change(HR_SOURCE=with_places(hr))
    for person in hr.people:
        hr.put({**person, "HiredDate": "31.12.1999"})
    with pytest.raises(UpstreamError, match=r"(?i)employees: ") as told:
        jobs.ingest(settings, clock=clock)
    assert told.value.report.counts["inserted"] == len(hr.locations) + len(hr.organizations)


@pytest.mark.parametrize(
    ("column", "used"),
    [
        ("Title", True),
        ("employeeid", True),
        ("RowNumber", False),
        ("userName", False),  # the name of an attribute, not of a column
        ("HiredDate", True),
        ("ValidFrom", False),  # the name of a control column here, though there is a column of that name, too
        ("Mentioned", False),
        ("job name", True),
        ("job title", False),
    ],
)
def test_a_column_is_mapped_where_the_view_reads_it(
    db: Database, column: str, used: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = """CREATE VIEW ScimUsers AS SELECT e.EmployeeId, e.EmployeeId AS 'userName', -- not Mentioned
        e.Title AS [displayName], e.[Job Name] AS "title", e.HiredDate AS ValidFrom /* RowNumber */
        FROM Employees AS e"""
    monkeypatch.setattr(holds, "mapping_definition", lambda _: view)
    assert ingestion.uses_column(db)(column) is used
