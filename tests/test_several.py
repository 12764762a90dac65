"""Several HR systems feed one directory: each by itself, and nobody is lost or disabled between them."""

import json
import os
import re
import shutil
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from provisioning import by_hand, doctor, erasure, jobs, migration, onboarding, person, review, tables
from provisioning.database import Database
from provisioning.errors import Held, MappingError, NotForgettable, NotSendable, SettingsError, UpstreamError
from provisioning.runs import Report
from provisioning.settings import Settings
from tests import two_systems
from tests.clock import MovedClock
from tests.conftest import NAMED, approve_all, edit, finish
from tests.emulators import people
from tests.emulators.graph import GraphEmulator
from tests.emulators.hr import HrEmulator
from tests.emulators.tokens import Tokens
from tests.test_credentials import pair
from tests.two_systems import TOKEN

ROOT = Path(__file__).parent.parent
TODAY = datetime(2026, 11, 22, tzinfo=UTC).date()
Change = Callable[..., Settings]


@pytest.fixture
def hr() -> Iterator[HrEmulator]:
    """The head office: twenty people, E00001 to E00020."""
    invented = [{**p, "NickName": None, "ValidTo": None} for p in people.invent(20, today=TODAY)]
    with HrEmulator(invented, {"basic": ("svc", "emulated-password")}) as emulator:
        yield emulator


@pytest.fixture
def agency() -> Iterator[HrEmulator]:
    """Another HR system: twelve people, E00001 to E00012, who are others."""
    invented = two_systems.staff(*people.invent(12, seed=11, today=TODAY))
    with HrEmulator(invented, {"bearer": TOKEN}) as emulator:
        yield emulator


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of sql/ with a mapping of both."""
    copy = tmp_path / "sql"
    shutil.copytree(migration.SCRIPTS, copy)
    monkeypatch.setattr(migration, "SCRIPTS", copy)
    (copy / "mapping.sql").write_text(two_systems.MAPPING, encoding="utf-8")
    return copy


@pytest.fixture
def company(db: Database, scripts: Path, change: Change, hr: HrEmulator, agency: HrEmulator) -> Iterator[Change]:
    """Both systems' tables and the mapping of both in place; two fetches suffice, however close, to be missing."""
    db.execute(f"CREATE TABLE dbo.Agency ({two_systems.AGENCY})")

    def settings(source: str | None = None, **values: str) -> Settings:
        found = two_systems.both(hr.url, agency.url) if source is None else source
        return change(**{"HR_SOURCE": found, "HR_TOKEN": TOKEN, "MISSING_AFTER_HOURS": "0", **values})

    try:
        jobs.migrate(settings(), mapping=True)
        yield settings
    finally:
        db.execute("DROP VIEW dbo.ScimUsers")
        db.execute("DROP TABLE dbo.Agency")
        db.execute("CREATE VIEW dbo.ScimUsers AS SELECT 1 AS placeholder")  # which the next test replaces


@pytest.fixture
def both(company: Change) -> Settings:
    return company()


@pytest.fixture
def loaded(both: Settings, clock: MovedClock) -> Settings:
    """Everybody of both has gone."""
    jobs.ingest(both, clock=clock)
    jobs.create(both, NAMED, clock=clock)
    jobs.reconcile(both, clock=clock)
    return both


def cells(db: Database, columns: str, table: str = "Agency", where: str = "1 = 1") -> list[tuple[Any, ...]]:
    found = db.select(f"SELECT {columns} FROM dbo.{table} WHERE {where} ORDER BY EmployeeId", (), "t")
    return [tuple(row) for row in found]


def noted(db: Database) -> list[tuple[str, str]]:
    """Who is noted as absent, and from where (a server may spell a table small)."""
    found = db.select("SELECT TableName, RecordKey FROM dbo.AbsentRecords ORDER BY TableName, RecordKey", (), "t")
    return [(str(table).capitalize(), str(key)) for table, key in found]


def enabled(graph: GraphEmulator, employee_id: str) -> bool:
    return bool(graph.directory().users[employee_id]["accountEnabled"])


def disabled(graph: GraphEmulator) -> set[str]:
    return {i for i, user in graph.directory().users.items() if not user["accountEnabled"]}


def parked(report: Report) -> list[str]:
    return sorted(note for note in report.notes if note.startswith("parked "))


def asked(hr: HrEmulator) -> list[str]:
    """The paths of single people that were asked for."""
    return [seen.path for seen in hr.requests if seen.path.count("/") > 2]


# --- one directory ------------------------------------------------------------------------------------------------


def test_each_system_fills_its_table_and_no_two_people_have_one_id(
    both: Settings, db: Database, agency: HrEmulator, clock: MovedClock
) -> None:
    counts = jobs.ingest(both, clock=clock).counts
    assert (counts["fetched"], counts["inserted"], counts["rejected"]) == (32, 32, 0)
    managers = {p["EmployeeId"]: p["ManagerId"] and f"B-{p['ManagerId']}" for p in agency.people}
    wanted = [(f"B-{i}", manager, "agency") for i, manager in sorted(managers.items())]
    assert cells(db, "EmployeeId, ManagerId, HrSystem") == wanted
    assert None in managers.values()  # who has no manager has none behind a prefix, either
    assert jobs.ingest(both, clock=clock).counts["unchanged"] == 32


def test_everybody_gets_one_account_with_her_own_manager(
    loaded: Settings, graph: GraphEmulator, agency: HrEmulator
) -> None:
    users = graph.directory().users
    assert users.keys() == {*(f"E{n:05d}" for n in range(1, 21)), *(f"B-E{n:05d}" for n in range(1, 13))}
    organization = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:organization"
    manager = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value"
    assert {u[organization] for i, u in users.items() if i.startswith("B-")} == {"agency"}
    for one in agency.people:
        assert users[f"B-{one['EmployeeId']}"].get(manager) == (one["ManagerId"] and f"B-{one['ManagerId']}")


def test_ids_may_be_numbers_and_none_is_none(
    company: Change, db: Database, agency: HrEmulator, clock: MovedClock
) -> None:
    for one in agency.people:
        agency.remove(one["EmployeeId"])
    blank = {"Name": {"FullName": "X"}, "Active": True}
    for number, manager in ((7, None), (8, 7), (9, "0"), (10, "  "), (11, "")):
        agency.put({**blank, "EmployeeId": number, "ManagerId": manager})
    for key in (" ", None):
        agency.put({**blank, "EmployeeId": key})
    found = company(two_systems.both("http://127.0.0.1:1/", agency.url, null_values=["0"]))
    with pytest.raises(UpstreamError, match="head office: Employees: HR: could not connect"):
        jobs.ingest(found, clock=clock)
    assert cells(db, "EmployeeId, ManagerId") == [
        ("B-10", "  "),
        ("B-11", ""),
        ("B-7", None),
        ("B-8", "B-7"),
        ("B-9", None),
    ]


def test_the_other_system_may_be_a_file_of_a_share(
    company: Change, db: Database, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock, tmp_path: Path
) -> None:
    file = tmp_path / "share" / "staff.csv"
    file.parent.mkdir()
    file.write_text("EmployeeId,Name_FullName,ManagerId,Active\n007,Ana,,1\n8,Bo,007,1\n", encoding="utf-8")
    os.utime(file, (0, clock.utc_now().timestamp() - 3600))
    document = json.loads(two_systems.both(hr.url, "http://127.0.0.1:1/", item_path=None))
    document[1]["client"] = {"base_url": str(file.parent)}
    document[1]["resources"][0]["endpoint"] = {"path": file.name, "format": "csv"}
    settings = company(json.dumps(document))
    jobs.ingest(settings, clock=clock)
    assert cells(db, "EmployeeId, ManagerId, HrSystem") == [("B-007", None, "agency"), ("B-8", "B-007", "agency")]
    assert jobs.create(settings, NAMED, clock=clock).counts["sent"] == 22
    assert jobs.resync(settings, "B-8", clock=clock).answer["changed"] is False  # as mirrored: a file has no single one
    file.unlink()
    with pytest.raises(UpstreamError, match=r"^agency: Agency: "):
        jobs.ingest(settings, clock=clock)
    assert noted(db) == []


def test_a_column_that_the_options_name_must_be_there(company: Change, agency: HrEmulator, clock: MovedClock) -> None:
    wrong = company(two_systems.both("http://127.0.0.1:1/", agency.url, source_column="Where", key_fields=["Boss"]))
    with pytest.raises(SettingsError) as told:
        jobs.ingest(wrong, clock=clock)
    assert [one.casefold() for one in told.value.problems] == [  # a server may spell names small
        "hr_source: dbo.agency has no column boss, which key_fields names.",
        "hr_source: dbo.agency has no column where, its source_column; add one: add-columns agency",
    ]


def test_the_name_of_the_system_must_fit_its_column(
    company: Change, db: Database, hr: HrEmulator, agency: HrEmulator, clock: MovedClock
) -> None:
    document = json.loads(two_systems.both(hr.url, agency.url))
    document[1]["name"] = "the agency in the other town"
    with pytest.raises(SettingsError, match=r"(?i)dbo.Agency cannot keep the name .* HrSystem, .*: 28 characters"):
        jobs.ingest(company(json.dumps(document)), clock=clock)


def test_a_field_of_hrs_own_in_that_column_stops_the_endpoint_and_the_others_go_on(
    both: Settings, db: Database, agency: HrEmulator, clock: MovedClock
) -> None:
    agency.patch("E00005", {"hrsystem": "payroll"})
    with pytest.raises(
        UpstreamError, match=r"agency: (?i:agency): HR's records have a field HrSystem, .*nothing was c"
    ):
        jobs.ingest(both, clock=clock)
    assert (len(cells(db, "EmployeeId")), len(cells(db, "EmployeeId", "Employees"))) == (0, 20)
    with pytest.raises(UpstreamError, match="have a field HrSystem"):
        jobs.resync(both, "B-E00005", clock=clock)


# --- an outage ----------------------------------------------------------------------------------------------------


def nobody_there(agency: HrEmulator, folder: Path) -> dict[str, Any]:
    return {"base_url": "http://127.0.0.1:1/"}


def refusing(agency: HrEmulator, folder: Path) -> dict[str, Any]:
    for _ in range(99):
        agency.fail_next(403)
    return {}


def failing(agency: HrEmulator, folder: Path) -> dict[str, Any]:
    for _ in range(999):
        agency.fail_next(503)
    return {}


def no_tokens(agency: HrEmulator, folder: Path) -> dict[str, Any]:
    agency.auth = {"oauth": Tokens("entra", "another-secret")}
    auth = {"type": "oauth2_client_credentials", "client_id": "entra", "client_secret": "$HR_TOKEN"}
    return {"auth": {**auth, "access_token_url": f"{agency.url}/oauth/token"}}


def no_more_certificate(agency: HrEmulator, folder: Path) -> dict[str, Any]:
    certificate, key = pair("caller").write(folder, "caller")
    return {"client_certificate": {"certificate": certificate, "key": key}}


OUTAGES = (nobody_there, refusing, failing, no_tokens, no_more_certificate)


@pytest.mark.parametrize("first", [False, True], ids=["second of two", "first of two"])
@pytest.mark.parametrize("outage", OUTAGES)
def test_an_outage_of_one_system_leaves_the_other_ingested(
    company: Change,
    db: Database,
    hr: HrEmulator,
    agency: HrEmulator,
    clock: MovedClock,
    tmp_path: Path,
    outage: Callable[[HrEmulator, Path], dict[str, Any]],
    first: bool,
) -> None:
    document = json.loads(two_systems.both(hr.url, agency.url))
    document[1]["client"] |= outage(agency, tmp_path)
    settings = company(json.dumps(document[::-1] if first else document))
    for file in tmp_path.glob("caller.*"):  # it was there when the settings were read
        file.unlink()
    with pytest.raises(UpstreamError, match=r"^agency: (Agency: )?HR") as told:
        jobs.ingest(settings, clock=clock)
    assert (told.value.exit_code, told.value.report.counts["inserted"]) == (1, 20)
    assert (len(cells(db, "EmployeeId", "Employees")), cells(db, "EmployeeId")) == (20, [])


def test_a_certificate_that_nobody_trusts_is_an_outage_like_any_other(
    company: Change, db: Database, hr: HrEmulator, agency: HrEmulator, clock: MovedClock, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair("agency").write(tmp_path, "agency"))
    with HrEmulator(agency.people, {"bearer": TOKEN}, tls=context) as untrusted:
        settings = company(two_systems.both(hr.url, untrusted.url))
        with pytest.raises(UpstreamError, match=r"agency: Agency: HR: .*its certificate is not trusted"):
            jobs.ingest(settings, clock=clock)
    assert len(cells(db, "EmployeeId", "Employees")) == 20
    assert untrusted.requests == []


def test_a_system_that_keeps_one_waiting_leaves_the_next_its_time(
    company: Change, db: Database, hr: HrEmulator, agency: HrEmulator, clock: MovedClock
) -> None:
    """Each has its share of what is left of the run."""

    def slow() -> float:
        clock.move(minutes=14)
        return 0.0

    agency.latency = slow
    document = json.loads(two_systems.both(hr.url, agency.url))[::-1]
    document[0]["client"]["paginator"]["limit"] = 5
    with pytest.raises(UpstreamError, match=r"^agency: Agency: the time of this run was up before HR's last page"):
        jobs.ingest(company(json.dumps(document)), clock=clock)
    assert len(cells(db, "EmployeeId", "Employees")) == 20


def test_each_systems_answer_is_weighed_by_itself(
    loaded: Settings, db: Database, hr: HrEmulator, agency: HrEmulator, clock: MovedClock
) -> None:
    for n in range(1, 5):  # of twelve four are too many, of both together they would not be
        agency.remove(f"E{n:05d}")
    hr.patch("E00001", {"Title": "Chief"})
    with pytest.raises(UpstreamError, match=r"agency: (?i:agency): HR gave 8 records, 12 the last time"):
        jobs.ingest(loaded, clock=clock)
    assert (noted(db), cells(db, "Title", "Employees", "EmployeeId = 'E00001'")) == ([], [("Chief",)])


@pytest.mark.parametrize("prefix", ["C-", None], ids=["another", "none any more"])
def test_a_prefix_that_is_changed_later_makes_nobody_new_and_nobody_missing(
    company: Change,
    loaded: Settings,
    db: Database,
    hr: HrEmulator,
    agency: HrEmulator,
    graph: GraphEmulator,
    clock: MovedClock,
    prefix: str | None,
) -> None:
    """There are as many records as ever; a small system is below the limits of disables and creates."""
    hr.patch("E00001", {"Title": "Chief"})
    document = two_systems.both(hr.url, agency.url, key_prefix=prefix, key_fields=prefix and ["ManagerId"])
    changed = company(document, MAX_DISABLES="12")
    for _ in range(2):
        with pytest.raises(
            UpstreamError, match=r"(?i)agency: Agency: of 12 records 12 have gone and .* \(key_prefix, prim"
        ):
            jobs.ingest(changed, clock=clock)
    assert (noted(db), len(cells(db, "EmployeeId"))) == ([], 12)
    assert jobs.create(changed, clock=clock).counts["candidates"] == 0
    assert finish(jobs.update, changed, clock)["sent"] == 1  # the chief of the other system
    assert disabled(graph) == set()
    meant = company(document, MAX_SHRINK="100%")
    assert jobs.ingest(meant, clock=clock).counts["missing"] == 12


# --- who is missing -----------------------------------------------------------------------------------------------


def test_whoever_is_missing_from_her_own_system_is_disabled_and_nobody_else(
    loaded: Settings, db: Database, hr: HrEmulator, agency: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    gone = agency.people[4]
    hr.remove("E00003")
    agency.remove("E00005")
    for _ in range(2):
        jobs.ingest(loaded, clock=clock)
    assert noted(db) == [("Agency", "B-E00005"), ("Employees", "E00003")]
    assert finish(jobs.update, loaded, clock)["sent"] == 2
    assert disabled(graph) == {"E00003", "B-E00005"}
    agency.put(gone)
    jobs.ingest(loaded, clock=clock)
    assert finish(jobs.update, loaded, clock)["sent"] == 1
    assert disabled(graph) == {"E00003"}


def test_one_systems_outage_makes_none_of_its_people_missing(
    company: Change, loaded: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    down = company(two_systems.both(hr.url, "http://127.0.0.1:1/"))
    hr.remove("E00003")
    for _ in range(3):
        with pytest.raises(UpstreamError, match=r"^agency: "):
            jobs.ingest(down, clock=clock)
        finish(jobs.update, down, clock)
        finish(jobs.reconcile, down, clock)
    assert disabled(graph) == {"E00003"}


def test_a_fetch_of_one_system_does_not_count_for_those_missing_from_the_other(
    company: Change, loaded: Settings, hr: HrEmulator, agency: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    agency.remove("E00005")
    jobs.ingest(loaded, clock=clock)  # the first that lacks her
    down = company(two_systems.both(hr.url, "http://127.0.0.1:1/"))
    for _ in range(2):
        with pytest.raises(UpstreamError):
            jobs.ingest(down, clock=clock)
    assert finish(jobs.update, down, clock)["candidates"] == 0
    jobs.ingest(loaded, clock=clock)  # the second
    assert finish(jobs.update, loaded, clock)["sent"] == 1
    assert disabled(graph) == {"B-E00005"}


def test_a_run_from_a_shell_without_the_source_enables_nobody_of_either(
    company: Change, loaded: Settings, hr: HrEmulator, agency: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    hr.remove("E00003")
    agency.remove("E00005")
    for _ in range(2):
        jobs.ingest(loaded, clock=clock)
    finish(jobs.update, loaded, clock)
    bare = company("")
    for job in (jobs.update, jobs.reconcile):
        assert finish(job, bare, clock)["candidates"] == 0
    assert disabled(graph) == {"E00003", "B-E00005"}


def test_a_row_that_is_of_no_endpoint_is_never_missing(
    loaded: Settings, db: Database, agency: HrEmulator, scripts: Path, graph: GraphEmulator, clock: MovedClock
) -> None:
    """Somebody whom a table by hand adds, with `NULL AS HrTable`."""
    remap(scripts, loaded, clock, {"'Agency',": "NULL,"})
    agency.remove("E00005")
    for _ in range(2):
        jobs.ingest(loaded, clock=clock)
    finish(jobs.update, loaded, clock)
    assert disabled(graph) == set()


def test_a_table_that_no_endpoint_fills_is_told_by_every_run(
    loaded: Settings, scripts: Path, clock: MovedClock
) -> None:
    remap(scripts, loaded, clock, {"'Agency',": "'Agencies',"})
    for job in (jobs.update, jobs.reconcile):
        (told,) = (note for note in job(loaded, clock=clock).notes if "HrTable" in note)
        assert told.startswith("warning: dbo.ScimUsers says HrTable Agencies, which no endpoint of HR_SOURCE fills")


def remap(scripts: Path, settings: Settings, clock: MovedClock, edits: dict[str, str]) -> None:
    """Change the mapping as an operator does, and approve what waits for it."""
    file = scripts / "mapping.sql"
    text = file.read_text(encoding="utf-8")
    for before, after in edits.items():
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    file.write_text(text, encoding="utf-8")
    jobs.migrate(settings, mapping=True)
    jobs.update(settings, clock=clock)
    approve_all(settings, clock)
    jobs.update(settings, clock=clock)


WITHOUT = {"    'Employees' AS HrTable,\n": "", "    'Agency',\n": ""}


def test_without_hr_table_in_the_mapping_nothing_is_sent_and_the_ingest_goes_on(
    both: Settings, db: Database, scripts: Path, clock: MovedClock
) -> None:
    file = scripts / "mapping.sql"
    text = file.read_text(encoding="utf-8")
    for before, after in WITHOUT.items():
        text = text.replace(before, after)
    file.write_text(text, encoding="utf-8")
    told = r"dbo.ScimUsers HrTable: people are in dbo.Employees, dbo.Agency, so each row must say in which"
    with pytest.raises(MappingError, match=told):
        jobs.migrate(both, mapping=True)
    db.execute("DROP VIEW dbo.ScimUsers")
    for statement in migration._batches(file, db.engine):
        db.execute(statement)
    for job in (jobs.create, jobs.update, jobs.reconcile):
        with pytest.raises(MappingError, match=told):
            job(both, clock=clock)
    assert jobs.ingest(both, clock=clock).counts["inserted"] == 32


def test_a_view_over_a_view_must_say_of_which_table_its_rows_are_whatever_the_keys_are_called(
    both: Settings, company: Change, db: Database, hr: HrEmulator, agency: HrEmulator
) -> None:
    """From its text nobody can tell; of whom no table is known nobody would ever be missing."""
    text = two_systems.both(hr.url, agency.url, rename={"EmployeeId": "WorkerId"}, item_path=None)
    found = company(text)
    db.execute("DROP VIEW dbo.ScimUsers")
    plain = "CREATE VIEW dbo.ScimUsers AS SELECT p.EmployeeId{} FROM Everybody AS p"
    db.execute("CREATE TABLE dbo.Everybody (EmployeeId varchar(20) NOT NULL)")  # as good as a view of both
    try:
        db.execute(plain.format(""))
        (told,) = tables.unsaid(db, found.hr_sources, db.view_columns("ScimUsers"))
        assert told.startswith(
            "dbo.ScimUsers HrTable: it reads none of the tables of the HR systems by itself, so each"
        )
        assert tables.unsaid(db, found.hr_sources[:1], []) == []  # of one system nothing more is asked
        db.execute("DROP VIEW dbo.ScimUsers")
        db.execute(plain.format(", 'Agency' AS HrTable"))
        assert tables.unsaid(db, found.hr_sources, db.view_columns("ScimUsers")) == []
    finally:
        db.execute("DROP VIEW dbo.ScimUsers")
        db.execute("CREATE VIEW dbo.ScimUsers AS SELECT '' AS EmployeeId")
        db.execute("DROP TABLE dbo.Everybody")


# --- one person ---------------------------------------------------------------------------------------------------


def test_a_resync_asks_the_system_that_has_her_by_her_own_key_there(
    loaded: Settings, hr: HrEmulator, agency: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    agency.patch("E00005", {"Name.FullName": "Renamed Here"})
    hr.patch("E00005", {"Name.FullName": "Renamed There"})
    answer = jobs.resync(loaded, "b-e00005", clock=clock).answer
    assert (answer["employee_id"], answer["status"], answer["changed"]) == ("B-E00005", "accepted", True)
    assert graph.directory().users["B-E00005"]["displayName"] == "Renamed Here"
    assert (asked(agency), asked(hr)) == (["/api/Employees/E00005"], [])
    assert jobs.resync(loaded, "E00005", clock=clock).answer["changed"]
    assert graph.directory().users["E00005"]["displayName"] == "Renamed There"
    assert (len(asked(agency)), asked(hr)) == (1, ["/api/Employees/E00005"])


def test_an_outage_of_the_other_system_keeps_no_resync(
    company: Change, loaded: Settings, hr: HrEmulator, agency: HrEmulator, clock: MovedClock
) -> None:
    down = company(two_systems.both(hr.url, "http://127.0.0.1:1/"))
    assert jobs.resync(down, "E00005", clock=clock).answer["status"] == "accepted"
    with pytest.raises(UpstreamError, match="Agency: HR"):
        jobs.resync(down, "B-E00005", clock=clock)


def test_somebody_new_is_found_where_her_id_says_she_may_be(
    loaded: Settings, db: Database, hr: HrEmulator, agency: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    agency.put({**agency.people[0], "EmployeeId": "N1", "Email": None, "ManagerId": "E00002"})
    hr.put({**hr.people[0], "EmployeeId": "N2", "Email": None})
    for employee_id in ("B-N1", "N2"):
        assert jobs.resync(loaded, employee_id, clock=clock).answer["status"] == "accepted"
    assert (asked(agency), asked(hr)) == (["/api/Employees/N1"], ["/api/Employees/N2"])
    assert cells(db, "ManagerId, HrSystem", where="EmployeeId = 'B-N1'") == [("B-E00002", "agency")]
    assert {"B-N1", "N2"} <= graph.directory().users.keys()
    hr.put({**hr.people[0], "EmployeeId": "B-N3", "Email": None})  # the other system's own id begins so, too
    assert jobs.resync(loaded, "B-N3", clock=clock).answer["status"] == "accepted"
    assert asked(hr)[-1] == "/api/Employees/B-N3"


def test_show_says_of_which_system_and_table_she_is(
    loaded: Settings, db: Database, agency: HrEmulator, clock: MovedClock
) -> None:
    shown = person.show(loaded, "B-E00005", clock=clock).answer
    mirror = shown["mirror"]
    row = {name.casefold(): cell for name, cell in mirror["row"].items()}
    assert (mirror["table"], mirror["source"], row["employeeid"]) == ("dbo.Agency", "agency", "B-E00005")
    assert (shown["mapping"]["HrTable"], shown["mirrored_too"], shown["state"]) == ("Agency", [], "unchanged")
    agency.remove("E00005")
    jobs.ingest(loaded, clock=clock)
    assert person.show(loaded, "B-E00005", clock=clock).answer["mirror"]["absent_since"]


def test_create_warns_of_each_system_whose_data_is_old(
    company: Change, db: Database, hr: HrEmulator, clock: MovedClock
) -> None:
    down = company(two_systems.both(hr.url, "http://127.0.0.1:1/"))
    with pytest.raises(UpstreamError):
        jobs.ingest(down, clock=clock)
    (warning,) = (note for note in jobs.create(down, NAMED, clock=clock).notes if note.startswith("warning: no compl"))
    assert "no complete ingest of Agency in 26 h (there was none yet)" in warning


def test_doctor_names_the_system_that_does_not_answer(
    company: Change, environ: dict[str, str], hr: HrEmulator, agency: HrEmulator, clock: MovedClock
) -> None:
    source = two_systems.both(hr.url, "http://127.0.0.1:1/")
    found = {f.check: f for f in doctor.examine({**environ, "HR_SOURCE": source, "HR_TOKEN": TOKEN}, clock=clock)}
    assert found["hr"].state is doctor.State.FAILED
    assert [told.partition(": HR")[0] for told in found["hr"].told] == ["agency: Agency"]
    source = two_systems.both(hr.url, agency.url)
    found = {f.check: f for f in doctor.examine({**environ, "HR_SOURCE": source, "HR_TOKEN": TOKEN}, clock=clock)}
    assert found["hr"].told == ("20 records of Employees, 12 records of Agency on the first page",)
    agency.patch("E00005", {"HrSystem": "payroll"})
    found = {f.check: f for f in doctor.examine({**environ, "HR_SOURCE": source, "HR_TOKEN": TOKEN}, clock=clock)}
    assert any("have a field HrSystem" in told for told in found["columns"].told)


def test_people_gone_from_either_system_leave_its_table(
    company: Change, loaded: Settings, db: Database, hr: HrEmulator, agency: HrEmulator, clock: MovedClock
) -> None:
    hr.remove("E00003")
    agency.remove("E00005")
    for _ in range(2):
        jobs.ingest(loaded, clock=clock)
    finish(jobs.update, loaded, clock)
    clock.move(days=1)
    if db.engine == "sqlserver":  # the server's own clock cannot be moved
        db.execute("UPDATE dbo.AbsentRecords SET AbsentSince = DATEADD(day, -1, AbsentSince)")
    assert erasure.purge(loaded, 0, clock=clock).counts["purged"] == 2
    assert (len(cells(db, "EmployeeId")), len(cells(db, "EmployeeId", "Employees")), noted(db)) == (11, 19, [])


def test_who_is_to_be_forgotten_must_be_missing_from_her_system_and_leaves_its_table(
    loaded: Settings, db: Database, agency: HrEmulator, clock: MovedClock
) -> None:
    agency.remove("E00005")
    jobs.ingest(loaded, clock=clock)
    with pytest.raises(NotForgettable, match="HR still has"):
        erasure.forget(loaded, "B-E00005", clock=clock)
    jobs.ingest(loaded, clock=clock)
    finish(jobs.update, loaded, clock)
    assert erasure.forget(loaded, "b-e00005", clock=clock).answer["status"] == "forgotten"
    assert cells(db, "EmployeeId", where="EmployeeId = 'B-E00005'") == []
    assert len(cells(db, "EmployeeId", "Employees")) == 20


# --- one person in both -------------------------------------------------------------------------------------------


@pytest.fixture
def shared(company: Change, hr: HrEmulator, agency: HrEmulator, clock: MovedClock) -> Settings:
    """Both systems take their ids from one range; E00005 is in the head office, and nobody of the agency is yet."""
    for one in agency.people:
        person = {**one, "EmployeeId": one["EmployeeId"].replace("E", "A"), "ManagerId": None}
        agency.remove(one["EmployeeId"])
        agency.put(person)
    found = company(two_systems.both(hr.url, agency.url, key_prefix=None, key_fields=None))
    jobs.ingest(found, clock=clock)
    jobs.create(found, NAMED, clock=clock)
    jobs.reconcile(found, clock=clock)
    return found


TWICE = "two rows of dbo.ScimUsers have this EmployeeId: of dbo.Agency and dbo.Employees"


def test_both_rows_of_one_person_are_parked_and_named(
    shared: Settings, hr: HrEmulator, agency: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    before = graph.directory().users["E00005"]
    agency.put({**agency.people[0], "EmployeeId": "E00005", "Name": {"FullName": "Twice Told"}})
    hr.patch("E00006", {"Title": "Changed"})
    jobs.ingest(shared, clock=clock)
    report = review.foresee(shared, clock=clock)
    assert report.answer["parked_people"] == [{"employee_id": "E00005", "reasons": [TWICE]}]
    report = jobs.update(shared, clock=clock)
    assert (parked(report), report.counts["sent"], report.exit_code) == ([f"parked E00005: {TWICE}"], 1, 0)
    assert graph.directory().users["E00005"] == before
    shown = person.show(shared, "E00005", clock=clock).answer
    assert (shown["state"], shown["reasons"]) == ("parked", [TWICE])
    records = {r["table"]: r["source"] for r in (shown["mirror"], *shown["mirrored_too"])}
    assert records == {"dbo.Employees": "head office", "dbo.Agency": "agency"}
    assert all("row" not in r for r in person.without_values(shown)["mirrored_too"])
    with pytest.raises(NotSendable, match=TWICE):
        jobs.resync(shared, "E00005", clock=clock)


def test_an_operator_can_disable_whoever_is_parked_because_both_have_her(
    shared: Settings, hr: HrEmulator, agency: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    """She has ended in both, and which row is right nobody knows."""
    agency.put({**agency.people[0], "EmployeeId": "E00005", "Active": False})
    hr.patch("E00005", {"Active": False})
    jobs.ingest(shared, clock=clock)
    assert parked(jobs.update(shared, clock=clock)) == [f"parked E00005: {TWICE}"]
    by_hand.disable(shared, "E00005", "Ada Operator", clock=clock)
    assert disabled(graph) == {"E00005"}


def test_whoever_has_left_one_of_the_two_goes_as_the_other_has_her(
    shared: Settings, hr: HrEmulator, agency: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    """She moved, and keeps her id: nobody disables her, and once she is missing over there her new row speaks."""
    agency.put({**agency.people[0], "EmployeeId": "E00005", "Name": {"FullName": "Moved Over"}})
    hr.remove("E00005")
    jobs.ingest(shared, clock=clock)
    assert parked(jobs.update(shared, clock=clock)) == [f"parked E00005: {TWICE}"]
    jobs.ingest(shared, clock=clock)
    report = jobs.update(shared, clock=clock)
    assert (parked(report), report.counts["sent"]) == ([], 1)
    assert graph.directory().users["E00005"]["displayName"] == "Moved Over"
    assert disabled(graph) == set()
    assert finish(jobs.reconcile, shared, clock)["candidates"] == 0
    assert jobs.resync(shared, "E00005", clock=clock).answer["changed"] is False
    with pytest.raises(NotForgettable, match="HR still has"):
        erasure.forget(shared, "E00005", clock=clock)


@pytest.mark.parametrize("last", ["head office", "agency"])
def test_whoever_has_left_both_is_disabled(
    shared: Settings, hr: HrEmulator, agency: HrEmulator, graph: GraphEmulator, clock: MovedClock, last: str
) -> None:
    agency.put({**agency.people[0], "EmployeeId": "E00005", "Name": {"FullName": "Moved Over"}})
    for leaves in (hr, agency) if last == "agency" else (agency, hr):
        jobs.ingest(shared, clock=clock)
        leaves.remove("E00005")
        for _ in range(2):
            jobs.ingest(shared, clock=clock)
            finish(jobs.update, shared, clock)
    assert disabled(graph) == {"E00005"}
    for job in (jobs.update, jobs.reconcile):
        assert finish(job, shared, clock)["candidates"] == 0


def test_two_ids_with_one_user_name_are_both_parked_by_table(
    loaded: Settings, hr: HrEmulator, agency: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    hr.put({**hr.people[4], "EmployeeId": "N1", "NickName": "eve", "Email": None})
    agency.put({**agency.people[4], "EmployeeId": "N2", "Title": "EVE", "Email": None})
    jobs.ingest(loaded, clock=clock)
    told = [
        "parked B-N2: has the userName of N1 (dbo.Employees), and both are active",
        "parked N1: has the userName of B-N2 (dbo.Agency), and both are active",
    ]
    foreseen = review.foresee(loaded, clock=clock).answer["parked_people"]
    assert sorted(f"parked {p['employee_id']}: {p['reasons'][0]}" for p in foreseen) == told
    assert parked(jobs.create(loaded, clock=clock)) == told
    for employee_id, reason in (note.removeprefix("parked ").split(": ", 1) for note in told):
        shown = person.show(loaded, employee_id, clock=clock).answer
        assert (shown["state"], shown["reasons"]) == ("parked", [reason])
    assert not {"N1", "B-N2"} & graph.directory().users.keys()


# --- moved from one to the other, under another id ----------------------------------------------------------------


def leave_and_join(hr: HrEmulator, agency: HrEmulator, **joins: Any) -> None:
    """E00005 leaves the head office; the agency has her as N2."""
    hr.patch("E00005", {"Active": False})
    agency.put({**agency.people[0], "EmployeeId": "N2", "Email": None, **joins})


@pytest.fixture
def eve(hr: HrEmulator) -> None:
    """E00005 is known as eve, and has an address."""
    hr.patch("E00005", {"NickName": "eve", "Email": "eve@contoso.example"})


@pytest.mark.parametrize("joins", [{"Title": "Eve"}, {"Email": "EVE@contoso.example"}], ids=["user name", "e-mail"])
def test_who_has_moved_to_another_system_is_not_disabled_until_somebody_says_so(
    eve: None,
    loaded: Settings,
    hr: HrEmulator,
    agency: HrEmulator,
    graph: GraphEmulator,
    clock: MovedClock,
    joins: dict[str, str],
) -> None:
    leave_and_join(hr, agency, **joins)
    hr.patch("E00006", {"Active": False})
    hr.patch("E00007", {"Title": "Changed"})
    jobs.ingest(loaded, clock=clock)
    planned = review.foresee(loaded, clock=clock).answer
    assert [(h["class"], h["employee_ids"]) for h in planned["holds"]] == [("moved", ["E00005"])]
    report = jobs.update(loaded, clock=clock)
    assert (report.exit_code, report.counts["held"], report.counts["sent"]) == (3, 1, 2)
    assert disabled(graph) == {"E00006"}
    (hold,) = review.waiting(loaded, clock=clock)
    assert hold.reason.endswith("perhaps having moved there: E00005 to B-N2 (dbo.Agency)")
    shown = person.show(loaded, "E00005", clock=clock).answer
    assert (shown["state"], [h["class"] for h in shown["holds"]]) == ("held", ["moved"])
    with pytest.raises(Held, match="moved"):
        jobs.resync(loaded, "E00005", clock=clock)
    jobs.update(loaded, clock=clock)
    jobs.reconcile(loaded, clock=clock)
    assert disabled(graph) == {"E00006"}
    taken = "parked B-N2: has the userName of E00005 (dbo.Employees), who leaves and still has her account"
    assert parked(jobs.create(loaded, clock=clock)) == ([taken] if "Title" in joins else [])
    approve_all(loaded, clock)
    assert jobs.update(loaded, clock=clock).counts["sent"] == 1
    assert disabled(graph) == {"E00005", "E00006"}
    assert parked(jobs.create(loaded, clock=clock)) == []
    assert finish(jobs.reconcile, loaded, clock)["held"] == 0


def test_whoever_is_missing_over_there_and_here_under_another_id_is_held_too(
    eve: None, loaded: Settings, hr: HrEmulator, agency: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    leave_and_join(hr, agency, Title="eve")
    hr.remove("E00005")
    for _ in range(2):
        jobs.ingest(loaded, clock=clock)
    assert finish(jobs.update, loaded, clock)["held"] == 1
    assert disabled(graph) == set()


@pytest.mark.parametrize(
    ("setting", "job"), [({"UPDATE_BY": "modified"}, jobs.update), ({}, jobs.resync)], ids=["narrowed", "resync"]
)
def test_where_only_some_are_looked_at_she_is_held_as_well(
    eve: None,
    company: Change,
    loaded: Settings,
    hr: HrEmulator,
    agency: HrEmulator,
    graph: GraphEmulator,
    clock: MovedClock,
    setting: dict[str, str],
    job: Callable[..., Report],
) -> None:
    leave_and_join(hr, agency, Email="eve@contoso.example")
    settings = company(**setting)
    jobs.ingest(settings, clock=clock)
    if job is jobs.resync:
        with pytest.raises(Held, match="moved"):
            jobs.resync(settings, "E00005", clock=clock)
    else:
        assert finish(job, settings, clock)["held"] == 1
    assert disabled(graph) == set()


def test_an_address_that_many_share_is_nobodys_own(
    eve: None, loaded: Settings, hr: HrEmulator, agency: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    leave_and_join(hr, agency, Email="eve@contoso.example")
    agency.put({**agency.people[0], "EmployeeId": "N3", "Email": "eve@contoso.example"})
    jobs.ingest(loaded, clock=clock)
    jobs.update(loaded, clock=clock)
    assert disabled(graph) == {"E00005"}


def test_whoever_has_her_name_in_the_same_system_keeps_no_leaver(
    eve: None, loaded: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    """A new id in one system is a rehire, and the case of its own; see docs/cases.md."""
    hr.patch("E00005", {"Active": False})
    hr.put({**hr.people[0], "EmployeeId": "N1", "NickName": "eve", "Email": "eve@contoso.example"})
    jobs.ingest(loaded, clock=clock)
    jobs.update(loaded, clock=clock)
    assert disabled(graph) == {"E00005"}


MOVES = {
    "    e.EmployeeId,\n    'Employees' AS HrTable,\n": "    e.EmployeeId,\n    'Employees' AS HrTable,\n"
    "    e.EmployeeId AS HrKey,\n",
    "FROM dbo.Employees AS e\n": "FROM dbo.Employees AS e\n"
    "WHERE NOT EXISTS (SELECT 1 FROM dbo.Moves AS m WHERE m.OldId = e.EmployeeId)\n",
    "    a.EmployeeId,\n    'Agency',\n    a.EmployeeId,\n": "    COALESCE(m.OldId, a.EmployeeId),\n    'Agency',\n"
    "    a.EmployeeId,\n    COALESCE(m.OldId, a.EmployeeId),\n",
    "FROM dbo.Agency AS a": "FROM dbo.Agency AS a\nLEFT JOIN dbo.Moves AS m ON m.NewId = a.EmployeeId",
}


@pytest.fixture
def moves(db: Database) -> Iterator[None]:
    """A table of who has moved."""
    db.execute(
        "CREATE TABLE dbo.Moves (NewId varchar(20) NOT NULL, OldId varchar(20) NOT NULL, "
        "CONSTRAINT PK_Moves PRIMARY KEY (NewId))"
    )
    yield
    db.execute("DROP TABLE dbo.Moves")


def test_where_the_mapping_says_who_has_moved_she_keeps_her_account(
    moves: None,
    eve: None,
    loaded: Settings,
    db: Database,
    scripts: Path,
    hr: HrEmulator,
    agency: HrEmulator,
    graph: GraphEmulator,
    clock: MovedClock,
) -> None:
    """One row speaks for the account, of a record under another key: as long as that is there she is not missing."""
    remap(scripts, loaded, clock, MOVES)
    leave_and_join(hr, agency, Title="eve", Name={"FullName": "Eve Moved"})
    db.execute("INSERT INTO dbo.Moves (NewId, OldId) VALUES ('B-N2', 'E00005')")
    jobs.ingest(loaded, clock=clock)
    report = jobs.update(loaded, clock=clock)
    assert (report.exit_code, report.counts["sent"], report.counts["parked"]) == (0, 1, 0)
    assert jobs.create(loaded, clock=clock).counts["candidates"] == 0
    assert graph.directory().users["E00005"]["displayName"] == "Eve Moved"
    hr.remove("E00005")
    for _ in range(3):
        jobs.ingest(loaded, clock=clock)
        finish(jobs.update, loaded, clock)
    assert disabled(graph) == set()
    agency.patch("N2", {"Name.FullName": "Eve Resynced"})
    assert jobs.resync(loaded, "E00005", clock=clock).answer["changed"]
    assert graph.directory().users["E00005"]["displayName"] == "Eve Resynced"
    shown = person.show(loaded, "E00005", clock=clock).answer
    assert (shown["mirror"]["table"], [r["table"] for r in shown["mirrored_too"]]) == ("dbo.Agency", ["dbo.Employees"])
    with pytest.raises(NotForgettable, match="HR still has"):
        erasure.forget(loaded, "E00005", clock=clock)
    agency.remove("N2")
    for _ in range(2):
        jobs.ingest(loaded, clock=clock)
    assert finish(jobs.update, loaded, clock)["sent"] == 1
    assert disabled(graph) == {"E00005"}
    erasure.forget(loaded, "E00005", clock=clock)
    assert cells(db, "EmployeeId", where="EmployeeId = 'B-N2'") == []
    assert cells(db, "EmployeeId", "Employees", "EmployeeId = 'E00005'") == []


NUMBERED = {
    "    e.EmployeeId,\n    'Employees' AS HrTable,\n": "    e.EmployeeId,\n    'Employees' AS HrTable,\n"
    "    CAST(NULL AS int) AS HrKey,\n",
    "    a.EmployeeId,\n    'Agency',\n    a.EmployeeId,\n": "    a.Title,\n    'Agency',\n"
    "    CAST(a.EmployeeId AS int),\n    a.Title,\n",
}


def test_the_key_of_a_record_may_be_a_number_where_an_employee_id_is_none(
    company: Change,
    scripts: Path,
    hr: HrEmulator,
    agency: HrEmulator,
    graph: GraphEmulator,
    clock: MovedClock,
) -> None:
    for n, one in enumerate(list(agency.people)):
        agency.remove(one["EmployeeId"])
        agency.put({**one, "EmployeeId": str(n), "ManagerId": None, "Title": f"T-{n}"})
    found = company(two_systems.both(hr.url, agency.url, key_prefix=None, key_fields=None))
    remap(scripts, found, clock, NUMBERED)
    jobs.ingest(found, clock=clock)
    assert jobs.create(found, NAMED, clock=clock).counts["sent"] == 32
    hr.remove("E00003")
    agency.remove("5")
    for _ in range(2):
        jobs.ingest(found, clock=clock)
    finish(jobs.update, found, clock)
    assert disabled(graph) == {"E00003", "T-5"}
    assert person.show(found, "T-5", clock=clock).answer["mirror"]["absent_since"]


# --- whose records are people -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edits", "found"),
    [
        ({}, ["Employees", "Agency"]),
        ({"'Agency',": "NULL,"}, ["Employees"]),  # a table that no row says it is of
        ({"'Employees' AS HrTable,": "NULL AS HrTable,", "'Agency',": "NULL,"}, ["Employees", "Agency"]),
    ],
)
def test_people_are_in_the_tables_that_the_mapping_says_its_rows_are_of(
    both: Settings, db: Database, scripts: Path, clock: MovedClock, edits: dict[str, str], found: list[str]
) -> None:
    remap(scripts, both, clock, edits)
    assert [r.table for r in tables.people(db, both.hr_sources)] == found


def test_a_table_that_is_only_joined_holds_no_people(
    both: Settings, db: Database, scripts: Path, clock: MovedClock
) -> None:
    """Nobody is missing because a payroll does not know her."""
    text = (scripts / "mapping.sql").read_text(encoding="utf-8").partition("UNION ALL")[0]
    text = text.replace("    'Employees' AS HrTable,\n", "")
    text = text.rstrip() + "\nLEFT JOIN dbo.Agency AS a ON a.EmployeeId = e.EmployeeId;\n"
    (scripts / "mapping.sql").write_text(text, encoding="utf-8")
    jobs.migrate(both, mapping=True)
    assert [r.table for r in tables.people(db, both.hr_sources)] == ["Employees"]


def test_before_anything_reads_them_each_system_has_the_table_that_is_keyed_by_employee_id(
    both: Settings, db: Database
) -> None:
    db.execute("DROP VIEW dbo.ScimUsers")
    assert [r.table for r in tables.people(db, both.hr_sources)] == ["Employees", "Agency"]
    db.execute("CREATE VIEW dbo.ScimUsers AS SELECT 1 AS placeholder")


def test_what_the_page_says_of_two_systems_works_as_it_stands(
    company: Change,
    scripts: Path,
    db: Database,
    hr: HrEmulator,
    agency: HrEmulator,
    graph: GraphEmulator,
    clock: MovedClock,
) -> None:
    page = (ROOT / "docs" / "hr-source.md").read_text(encoding="utf-8").partition("## Two HR systems")[2]
    document, view = (re.search(rf"```{kind}\n(.*?)```", page, re.DOTALL) for kind in ("json", "sql"))
    assert document
    assert view
    text = document[1].replace("https://hr.example/", hr.url).replace("https://agency.example/", agency.url)
    found = company(text, HR_SECRET=TOKEN)
    (scripts / "mapping.sql").write_text(f"-- Two HR systems.\n{view[1]}", encoding="utf-8")
    jobs.migrate(found, mapping=True)
    jobs.ingest(found, clock=clock)
    assert jobs.create(found, NAMED, clock=clock).counts["sent"] == 32
    assert [r.table for r in tables.people(db, found.hr_sources)] == ["Employees", "Agency"]
    organization = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:organization"
    assert graph.directory().users["B-E00001"][organization] == "agency"


# --- the table of another system ----------------------------------------------------------------------------------


def test_infer_table_makes_room_for_the_prefix_and_the_name_of_the_system(
    company: Change, scripts: Path, hr: HrEmulator, agency: HrEmulator, clock: MovedClock
) -> None:
    second = two_systems.both(hr.url, agency.url, name="Workers", key_prefix="the-agency-", source_column="Came from")
    onboarding.infer_table(company(second), "Workers", clock=clock)
    script = (scripts / "1001_Workers.sql").read_text(encoding="utf-8")
    assert "[EmployeeId] nvarchar(50) NOT NULL, -- the key, in all, up to 17 characters" in script
    assert "[ManagerId] nvarchar(50) NULL, -- in" in script
    assert "up to 17 characters" in script.partition("[ManagerId]")[2].partition("\n")[0]
    assert "[Came from] nvarchar(50) NULL, -- in all, up to 6 characters" in script
    agency.patch("E00005", {"came FROM": "payroll"})
    for name in ("Workers", "Agency"):
        (scripts / f"1001_{name}.sql").unlink(missing_ok=True)
        (scripts / f"mapping-{name}.sql").unlink(missing_ok=True)
    with pytest.raises(Exception, match="have a field Came from"):
        onboarding.infer_table(company(second), "Workers", clock=clock)


def test_edits_by_hand_in_the_other_systems_table_are_put_right(
    loaded: Settings, db: Database, clock: MovedClock
) -> None:
    db.execute("UPDATE dbo.Agency SET HrSystem = 'payroll' WHERE EmployeeId = 'B-E00001'")
    edit(db, "E00001", Title="By hand")
    assert jobs.ingest(loaded, clock=clock).counts["updated"] == 2
