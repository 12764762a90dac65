"""No HR API: another loader fills the tables with plain SQL, HR_SOURCE is not set, and everything else works."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provisioning import __main__ as command_line
from provisioning import aftermath, by_hand, database, doctor, erasure, jobs, migration, person, review
from provisioning.database import Database
from provisioning.errors import NotForgettable, UnknownEmployee
from provisioning.settings import Settings
from tests.clock import MovedClock
from tests.conftest import NAMED, edit, employ, environment
from tests.emulators.graph import GraphEmulator
from tests.host import Host
from tests.test_console import APPROVER, OPERATOR, Page, post, see
from tests.worker import Worker

IDS = [f"A{n}" for n in range(1, 8)]
ROOT = Path(__file__).parent.parent


@pytest.fixture
def environ(connection_string: str, graph: GraphEmulator) -> dict[str, str]:
    found = environment(connection_string, "x", graph.upload_url)
    return {name: value for name, value in found.items() if not name.startswith("HR_")}


@pytest.fixture
def settings(environ: dict[str, str]) -> Settings:
    return Settings.from_environ(environ)


def sent(job: Callable[..., Any], settings: Settings, clock: MovedClock, **counts: int) -> None:
    """What a run does, and that it did nothing else."""
    report = job(settings, *([NAMED] if job is jobs.create else []), clock=clock)
    found = {name: count for name, count in report.counts.items() if count and name not in ("candidates", "calls")}
    assert found == counts
    assert not any("ingest" in note for note in report.notes)


def test_whoever_is_loaded_is_created_changed_and_disabled(
    settings: Settings, db: Database, graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(db, *IDS, Title="Clerk")
    sent(jobs.create, settings, clock, sent=7)
    for job in (jobs.create, jobs.update, jobs.reconcile):
        sent(job, settings, clock)
    edit(db, "A1", Title="Chief")
    edit(db, "A2", Active=0)
    edit(db, "A3", ValidTo="2020-01-31")
    employ(db, "B1")
    sent(jobs.create, settings, clock, sent=1)
    sent(jobs.update, settings, clock, sent=3)
    users = graph.directory().users
    assert users["A1"]["title"] == "Chief"
    assert [i for i in users if not users[i]["accountEnabled"]] == ["A2", "A3"]
    sent(jobs.reconcile, settings, clock)


def test_a_table_that_is_emptied_and_filled_again_is_the_same_table(
    settings: Settings, db: Database, clock: MovedClock
) -> None:
    """As many loaders do it every night; in one transaction nobody sees it."""
    employ(db, *IDS, Title="Clerk")
    sent(jobs.create, settings, clock, sent=7)
    with db.transaction():
        db.execute("DELETE FROM dbo.Employees")
        employ(db, *IDS, Title="Clerk")
    for job in (jobs.create, jobs.update, jobs.reconcile):
        sent(job, settings, clock)


def test_rows_that_are_gone_disable_nobody_and_are_an_alarm(
    settings: Settings, db: Database, graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(db, *IDS)
    sent(jobs.create, settings, clock, sent=7)
    db.execute("DELETE FROM dbo.Employees")
    for job in (jobs.update, jobs.reconcile):
        report = job(settings, clock=clock)
        assert (report.exit_code, report.counts["out_of_scope"], report.counts["sent"]) == (3, 7, 0)
    assert all(user["accountEnabled"] for user in graph.directory().users.values())
    employ(db, *IDS)
    sent(jobs.reconcile, settings, clock)


def test_one_person_is_shown_forced_disabled_and_enabled(
    settings: Settings, db: Database, graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(db, *IDS, Title="Clerk")
    sent(jobs.create, settings, clock, sent=7)
    shown = person.show(settings, "A1", clock=clock).answer
    row = {name.casefold(): cell for name, cell in shown["mirror"]["row"].items()}
    assert (shown["state"], shown["mirror"]["table"], row["title"]) == ("unchanged", "dbo.Employees", "Clerk")
    edit(db, "A1", Title="Chief")
    report = jobs.resync(settings, "A1", clock=clock)  # asks no HR: there is none
    assert (report.answer["status"], report.answer["changed"]) == ("accepted", True)
    assert graph.directory().users["A1"]["title"] == "Chief"
    assert by_hand.disable(settings, "A2", "Bea", clock=clock).answer["status"] == "accepted"
    assert by_hand.enable(settings, "A2", "Bea", clock=clock).answer["status"] == "accepted"
    with pytest.raises(UnknownEmployee):
        jobs.resync(settings, "NOBODY", clock=clock)


def test_plan_status_outcomes_and_forget_go_without_hr(
    settings: Settings, db: Database, graph: GraphEmulator, clock: MovedClock
) -> None:
    employ(db, *IDS)
    assert review.foresee(settings, None, clock=clock).counts["candidates"] == 7
    sent(jobs.create, settings, clock, sent=7)
    edit(db, "A1", Active=0)
    sent(jobs.update, settings, clock, sent=1)
    aftermath.collect(settings, clock=clock)
    answer = aftermath.status(settings, clock=clock).answer
    assert (answer["due"], answer["failed"], answer["parked"]) == (0, 0, 0)
    with pytest.raises(NotForgettable):
        erasure.forget(settings, "A1", clock=clock)  # her row is still there
    db.execute("DELETE FROM dbo.Employees WHERE EmployeeId = 'A1'")
    assert erasure.forget(settings, "A1", clock=clock).answer["status"] == "forgotten"


def test_doctor_says_so_and_finds_nothing_wrong(environ: dict[str, str], db: Database, clock: MovedClock) -> None:
    employ(db, *IDS)
    found = {f.check: f for f in doctor.examine(environ, clock=clock)}
    assert found["hr"].told == ("HR_SOURCE is not set: another loader fills the tables",)
    assert [found[check].state.value for check in ("settings", "migrated", "mapping", "hr", "columns")] == ["ok"] * 5


def test_only_ingest_and_purge_want_hr(
    environ: dict[str, str], db: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    employ(db, *IDS)
    wanting = {"ingest": 2, "purge --gone": 2, "infer-table Employees": 2}
    working = {"migrate": 0, "plan": 0, "create --limit 99": 0, "update": 0, "reconcile": 0, "status": 0, "holds": 0}
    working |= {"resync A1": 0, "show A1": 0, "outcomes": 0, "resend --all": 0}
    for verb, code in (wanting | working).items():
        assert (verb, command_line.main(verb.split(), environ)) == (verb, code)
        told = capfd.readouterr()
        assert ("HR_SOURCE" in told.err and verb != "infer-table Employees") == (verb in ("ingest", "purge --gone"))


def test_operators_see_and_act_on_the_page(
    sqlite_string: str, graph: GraphEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = environment(sqlite_string, "x", graph.upload_url)
    azure = {"WEBSITE_AUTH_ENABLED": "True", "WEBSITE_INSTANCE_ID": "i", "WEBSITE_HOSTNAME": "bridge.azurewebsites.net"}
    for name, value in {**found, **azure}.items():
        monkeypatch.setenv(name, value) if not name.startswith("HR_") else monkeypatch.delenv(name, raising=False)
    with database.connect(sqlite_string) as db:
        employ(db, *IDS, Title="Clerk")
    app = Worker(ROOT)
    host = Host(app)
    app.call_timer("ingest_employees")
    app.call_timer("create_employees")
    page: Page = see(host, APPROVER)
    (hold_id,) = {fields["hold_id"] for fields in page.forms().values() if "hold_id" in fields}
    assert post(host, APPROVER, "approve", hold_id=hold_id).status == 303
    app.call_timer("create_employees")
    assert len(graph.directory().users) == 7
    with database.connect(sqlite_string) as db:
        edit(db, "A1", Title="Chief")
    assert post(host, OPERATOR, "resync", employee_id="A1").status == 303
    assert graph.directory().users["A1"]["title"] == "Chief"


def test_a_table_and_a_mapping_of_ones_own_do_as_well(
    sqlite_string: str, graph: GraphEmulator, clock: MovedClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data Factory copies a view of the payroll into dbo.Staff; the mapping reads it; the app only reads."""
    scripts = tmp_path / "sql"
    shutil.copytree(migration.SCRIPTS, scripts)
    monkeypatch.setattr(migration, "SCRIPTS", scripts)
    (scripts / "1001_Staff.sql").write_text(
        "-- Filled by the payroll's nightly job.\n"
        "CREATE TABLE dbo.Staff (No int NOT NULL, Name nvarchar(50) NULL, Ends date NULL,\n"
        "CONSTRAINT PK_Staff PRIMARY KEY (No));\n"
    )
    (scripts / "mapping.sql").write_text(
        "-- The payroll's people.\nCREATE VIEW dbo.ScimUsers AS\nSELECT CAST(s.No AS varchar(10)) AS EmployeeId,\n"
        "s.Ends AS ValidTo, 1 AS InScope, s.No AS 'externalId', s.No AS 'userName', 1 AS 'active',\n"
        "s.Name AS 'displayName' FROM dbo.Staff AS s;\n"
    )
    found = environment(sqlite_string, "x", graph.upload_url)
    settings = Settings.from_environ({n: v for n, v in found.items() if not n.startswith("HR_")})
    assert jobs.migrate(settings, mapping=True).answer["applied"] == ["1001_Staff.sql"]
    with database.connect(sqlite_string, clock) as db:
        for number in (1, 2, 3):
            db.execute("INSERT INTO dbo.Staff (No, Name) VALUES (?, ?)", (number, f"Person {number}"))
        sent(jobs.create, settings, clock, sent=3)
        db.execute("UPDATE dbo.Staff SET Ends = '2020-01-01' WHERE No = 2")
        sent(jobs.update, settings, clock, sent=1)
    assert graph.directory().users["2"]["accountEnabled"] is False
    shown = person.show(settings, "2", clock=clock).answer
    assert json.loads(json.dumps(shown["mapping"]))["displayName"] == "Person 2"
