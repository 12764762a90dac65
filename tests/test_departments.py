"""Departments, positions and locations: tables of their own, joined in the mapping as docs/mapping.md has it."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from provisioning import jobs, migration, tables
from provisioning.database import Database
from provisioning.errors import UpstreamError
from provisioning.settings import Settings
from tests import departments
from tests.clock import MovedClock
from tests.conftest import NAMED, finish, hr_source
from tests.emulators.entra import ENTERPRISE
from tests.emulators.graph import GraphEmulator
from tests.emulators.hr import HrEmulator

DEPARTMENT = f"{ENTERPRISE}:department"
JOBS = "CREATE TABLE dbo.Jobs (JobId nvarchar(20) NOT NULL, Job_Description nvarchar(50) NULL, PRIMARY KEY (JobId))"


@pytest.fixture
def bridge(
    db: Database,
    change: Callable[..., Settings],
    hr: HrEmulator,
    clock: MovedClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., Settings]]:
    """Everybody has gone with the names of the joined tables; two fetches suffice, however close, to be missing."""
    scripts = tmp_path / "sql"
    shutil.copytree(migration.SCRIPTS, scripts)
    monkeypatch.setattr(migration, "SCRIPTS", scripts)
    file = scripts / "mapping.sql"
    file.write_text(departments.joined(file.read_text(encoding="utf-8")), encoding="utf-8")
    source = json.dumps(departments.with_departments(hr_source(hr.url)))
    db.execute(JOBS)

    def settings(**values: str) -> Settings:
        return change(**{"HR_SOURCE": source, "MISSING_AFTER_HOURS": "0", **values})

    for person in hr.people:
        hr.put({**person, "ValidTo": None, "ModifiedDateTime": "2026-01-01T00:00:00Z"})
    try:
        jobs.migrate(settings(), mapping=True)
        jobs.ingest(settings(), clock=clock)
        jobs.create(settings(), NAMED, clock=clock)
        jobs.reconcile(settings(), clock=clock)
        yield settings
    finally:
        db.execute("DROP VIEW dbo.ScimUsers")
        db.execute("DROP TABLE dbo.Jobs")
        db.execute("CREATE VIEW dbo.ScimUsers AS SELECT 1 AS placeholder")  # which the next test replaces


@pytest.fixture
def loaded(bridge: Callable[..., Settings]) -> Settings:
    return bridge()


def members(hr: HrEmulator, organization: str) -> set[str]:
    return {p["EmployeeId"] for p in hr.people if p["OrganizationId"] == organization}


def rename(hr: HrEmulator, organization: str, name: str) -> None:
    hr.organizations = [
        o | ({"OrganizationName": name} if o["OrganizationId"] == organization else {}) for o in hr.organizations
    ]


def named(graph: GraphEmulator, department: str) -> set[str]:
    return {i for i, user in graph.directory().users.items() if user.get(DEPARTMENT) == department}


def test_everybody_has_the_names_of_the_tables_of_their_own(
    loaded: Settings, db: Database, hr: HrEmulator, graph: GraphEmulator
) -> None:
    organizations = {o["OrganizationId"]: o["OrganizationName"] for o in hr.organizations}
    places = {place["LocationId"]: place for place in hr.locations}
    positions = {j["JobId"]: j["Job"]["Description"] for j in hr.jobs}
    users = graph.directory().users
    assert len(users) == 100
    for person in hr.people:
        user, place = users[person["EmployeeId"]], places[person["LocationId"]]
        assert user[DEPARTMENT] == organizations[person["OrganizationId"]]
        assert user['addresses[type eq "work"].locality'] == place["Location"]["Name"]
        assert user['addresses[type eq "work"].formatted'] == place["Office"]
        assert user["title"] == (person["Title"] or positions[person["JobId"]])
    assert [r.table for r in tables.people(db, loaded.hr_sources)] == ["Employees"]


def test_a_renamed_department_reaches_everybody_in_it_with_the_next_hour(
    loaded: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    wanted = members(hr, "O02")
    rename(hr, "O02", "Treasury")
    counts = jobs.ingest(loaded, clock=clock).counts
    assert (counts["updated"], counts["unchanged"]) == (1, 100 + len(hr.organizations) + len(hr.locations) + 4 - 1)
    assert finish(jobs.update, loaded, clock)["sent"] == len(wanted) > 5
    assert named(graph, "Treasury") == wanted
    assert finish(jobs.update, loaded, clock)["candidates"] == 0


@pytest.mark.parametrize("table", departments.TABLES)
def test_an_outage_of_one_endpoint_leaves_the_employees_ingested_and_the_names_as_they_were(
    loaded: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock, table: str
) -> None:
    before = {i: user.get(DEPARTMENT) for i, user in graph.directory().users.items()}
    rename(hr, "O02", "Treasury")
    hr.patch("E00005", {"Title": "Chief"})
    for _ in range(3):
        hr.fail_next(403, when=lambda path: table in path)
        with pytest.raises(UpstreamError, match=f"{table}: HR answered 403"):
            jobs.ingest(loaded, clock=clock)
        finish(jobs.update, loaded, clock)
    users = graph.directory().users
    assert users["E00005"]["title"] == "Chief"
    assert ({i: user.get(DEPARTMENT) for i, user in users.items()} == before) == (table == "Organizations")
    assert all(user["accountEnabled"] for user in users.values())


def test_a_department_that_hr_no_longer_gives_keeps_its_name_for_those_in_it(
    loaded: Settings, db: Database, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    """Nobody in it vanishes, and nobody is missing by it."""
    before = {i: user.get(DEPARTMENT) for i, user in graph.directory().users.items()}
    gone = hr.organizations.pop(1)
    for _ in range(3):
        jobs.ingest(loaded, clock=clock)
        report = jobs.update(loaded, clock=clock)
        assert (report.exit_code, report.counts["candidates"]) == (0, 0)
    noted = list(db.select("SELECT TableName, RecordKey FROM dbo.AbsentRecords", (), "t"))
    assert [(table.casefold(), key) for table, key in noted] == [("organizations", gone["OrganizationId"])]
    assert {i: user.get(DEPARTMENT) for i, user in graph.directory().users.items()} == before


def test_whose_department_is_not_there_keeps_the_name_that_her_own_record_has(
    loaded: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    hr.patch("E00005", {"OrganizationId": "O99", "OrganizationName": "Not There Yet", "LocationId": None})
    jobs.ingest(loaded, clock=clock)
    assert finish(jobs.update, loaded, clock)["sent"] == 1
    assert named(graph, "Not There Yet") == {"E00005"}


def test_narrowed_by_modified_a_renamed_department_goes_with_the_next_reconcile(
    bridge: Callable[..., Settings], hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    narrowed = bridge(UPDATE_BY="modified")
    rename(hr, "O02", "Treasury")
    jobs.ingest(narrowed, clock=clock)
    assert finish(jobs.update, narrowed, clock)["sent"] == 0
    wanted = members(hr, "O02")
    assert finish(jobs.reconcile, narrowed, clock)["sent"] == len(wanted)
    assert named(graph, "Treasury") == wanted


@pytest.mark.parametrize("lost", ["OrganizationName", "OrganizationId"])
def test_a_departments_endpoint_that_loses_a_column_of_the_mapping_stops_alone(
    loaded: Settings, hr: HrEmulator, clock: MovedClock, lost: str
) -> None:
    hr.organizations = [{n: v for n, v in o.items() if n != lost} for o in hr.organizations]
    hr.patch("E00005", {"Title": "Chief"})
    with pytest.raises(UpstreamError, match=r"(?i)^Organizations: .*nothing was changed") as told:
        jobs.ingest(loaded, clock=clock)
    assert told.value.report.counts["updated"] == 1
