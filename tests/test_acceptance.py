"""The promises of the first working whole, each shown through the command line or the jobs, over the emulators."""

import json
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from provisioning import database, jobs
from provisioning.settings import Settings
from tests import processes
from tests.clock import MovedClock
from tests.conftest import NAMED, UNGUARDED, environment
from tests.emulators import people
from tests.emulators.entra import Directory
from tests.emulators.graph import GraphEmulator
from tests.emulators.hr import HrEmulator, Record


def run(environ: dict[str, str], *verb: str) -> tuple[int, dict[str, Any], str]:
    """Run a verb as a process: exit code, its JSON line, what it told on stderr."""
    ended = processes.run(environ, *verb)
    return ended.code, ended.counts, ended.err


def test_1000_people_take_20_calls_then_none_then_one_for_25_edits(
    sqlite_string: str, graph: GraphEmulator, clock: MovedClock
) -> None:
    invented = people.invent(1000, today=clock.utc_now().date())
    with HrEmulator(invented, {"basic": ("svc", "emulated-password")}) as hr:
        settings = Settings.from_environ(environment(sqlite_string, hr.url, graph.upload_url))
        jobs.ingest(settings, clock=clock)
        assert jobs.create(settings, NAMED, clock=clock).counts["calls"] == 20
        assert jobs.ingest(settings, clock=clock).counts["unchanged"] == 1000
        for job in (jobs.create, jobs.update):
            assert job(settings, clock=clock).counts["calls"] == 0
        for n in range(1, 26):
            hr.patch(f"E{n:05d}", {"Title": f"Edited {n}"})
        jobs.ingest(settings, clock=clock)
        counts = jobs.update(settings, clock=clock).counts
        assert (counts["sent"], counts["calls"]) == (25, 1)
    assert len(graph.calls) == 21
    assert graph.max_calls_in(5) <= 40
    assert not [c for c in graph.calls if c.status == 429]


def test_bad_records_are_rejected_with_reasons_and_an_injection_is_text(
    settings: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    bobby = "Robert'); DROP TABLE Employees;--"
    keyless = {**hr.people[0], "EmployeeId": None}
    hr.patch("E00002", {"Name.FirstName": "x" * 400})
    hr.patch("E00003", {"BirthDate": "2026-02-30"})
    hr.patch("E00004", {"Name.FirstName": bobby})
    hr.fail_next(
        200, {"Content-Type": "application/json"}, page_with(hr, keyless), when=lambda path: "offset=80" in path
    )
    report = jobs.ingest(settings, clock=clock)
    counts = jobs.create(settings, NAMED, clock=clock).counts
    assert (report.counts["fetched"], report.counts["inserted"], report.counts["rejected"]) == (101, 98, 3)
    assert [note.casefold() for note in sorted(report.notes)] == [  # a compatible server may give columns in lower case
        "rejected employees (no key): employeeid is missing",
        "rejected employees e00002: name_firstname: 400 characters, the column holds 100",
        "rejected employees e00003: birthdate: is a date that does not exist",
    ]
    assert counts["sent"] == 98
    assert graph.directory().users["E00004"]["name.givenName"] == bobby


def page_with(hr: HrEmulator, extra: dict[str, Any]) -> bytes:
    return json.dumps({"data": [*hr.people[80:], extra], "total": 101}).encode()


def test_with_the_clock_moved_on_a_last_day_and_a_start_pass_without_any_edit(
    settings: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock, db: database.Database
) -> None:
    if db.engine == "sqlserver":
        pytest.skip("the server's own clock cannot be moved")
    hr.patch("E00010", {"ValidTo": "2026-11-25"})
    hr.patch("E00011", {"ValidFrom": "2026-12-10"})
    jobs.ingest(settings, clock=clock)
    assert jobs.create(settings, NAMED, clock=clock).counts["sent"] == 99
    clock.move(days=3)  # the 25th, her last day
    assert jobs.update(settings, clock=clock).counts["sent"] == 0
    clock.move(days=1)
    assert jobs.update(settings, clock=clock).counts["sent"] == 1
    assert graph.directory().users["E00010"]["accountEnabled"] is False
    assert jobs.create(settings, NAMED, clock=clock).counts["sent"] == 0  # the 26th: two weeks ahead
    clock.move(days=7)
    assert jobs.create(settings, NAMED, clock=clock).counts["sent"] == 1  # the 3rd: a week ahead
    assert graph.directory().users["E00011"]["accountEnabled"] is True


def test_another_job_in_the_url_gets_everybody_and_the_old_ledger_stays(
    change: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock, db: database.Database
) -> None:
    test_app, production = change(), change(GRAPH_BULK_UPLOAD_URL=graph.add_job())
    jobs.ingest(test_app, clock=clock)
    assert jobs.create(test_app, NAMED, clock=clock).counts["sent"] == 100
    assert jobs.create(production, NAMED, clock=clock).counts["sent"] == 100
    rows = list(db.select("SELECT target, COUNT(*) FROM provisioning.ledger GROUP BY target", (), "count"))
    assert sorted(count for _, count in rows) == [100, 100]
    assert jobs.create(test_app, NAMED, clock=clock).counts["candidates"] == 0


def test_killed_in_the_middle_of_create_nobody_is_left_out(
    sqlite_string: str, hr: HrEmulator, graph: GraphEmulator
) -> None:
    environ = environment(sqlite_string, hr.url, graph.upload_url)
    with HrEmulator(
        people.invent(400, today=MovedClock().utc_now().date()), {"basic": ("svc", "emulated-password")}
    ) as hr:
        environ = environment(sqlite_string, hr.url, graph.upload_url)
        run(environ, "ingest")
        waits = threading.Event()

        def latency() -> float:
            """After the first hundred a request is not answered any more: the sender is killed while it waits."""
            if len(graph.accepted) < 100:
                return 0.05
            waits.set()
            return 30.0

        graph.latency = latency
        create = processes.Started(environ, "create", "--limit", "999")
        assert waits.wait(60)
        create.send_signal(signal.SIGKILL)
        assert create.end().code == -signal.SIGKILL
        with database.connect(sqlite_string) as db:
            ((in_flight,),) = db.select("SELECT COUNT(*) FROM provisioning.intents", (), "count")
            assert run(environ, "create", "--limit", "999")[0] == 4  # the dead sender's lease
            db.execute("UPDATE provisioning.leases SET expires_at = '2000-01-01 00:00:00.0000000'")
        graph.latency = 0.0
        ended = processes.run(environ, "create", "--limit", "999", impatient=True)
    code, counts = ended.code, ended.counts
    assert code == 0
    assert in_flight > 0
    assert len(graph.directory().users) == 400
    assert counts["deferred"] == counts["parked"] == 0
    assert len(graph.accepted) - 400 <= in_flight
    assert not graph.violations


def test_wrong_settings_are_all_named_in_one_error() -> None:
    environ = {
        "SQL_CONNECTION_STRING": "sqlite:///nowhere.db",
        "GRAPH_BULK_UPLOAD_URL": "http://evil.example/v1.0/servicePrincipals/a/synchronization/jobs/b/bulkUpload",
        "HR_SOURCE": '{"client": ',
        "TIME_ZONE": "Mars/Olympus",
    }
    ended = processes.run(environ, "create", "--limit", "999", fresh=True)
    code, line, told = ended.code, ended.counts, ended.err
    assert code == 2
    assert line["candidates"] == 0
    assert all(name in told for name in ("GRAPH_BULK_UPLOAD_URL", "HR_SOURCE", "TIME_ZONE"))
    code, _, told = run({}, "create")
    assert code == 2
    assert all(f"{name}: is missing" in told for name in ("SQL_CONNECTION_STRING", "GRAPH_BULK_UPLOAD_URL"))


def test_a_wrong_view_stops_sending_with_everything_named_and_not_the_ingest(
    sqlite_string: str, hr: HrEmulator, graph: GraphEmulator
) -> None:
    environ = environment(sqlite_string, hr.url, graph.upload_url)
    with database.connect(sqlite_string) as db:
        db.execute("DROP VIEW dbo.ScimUsers")
        db.execute(
            "CREATE VIEW dbo.ScimUsers AS SELECT e.EmployeeId AS 'externalId', e.EmployeeId AS 'username', "
            "e.Active AS 'active', e.Title AS 'title', e.OrganizationName AS 'enterprise:department', e.Office AS "
            "'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department' FROM Employees AS e"
        )
    assert run(environ, "ingest")[0] == 0
    for verb in ("create", "update", "reconcile", "resync E00001"):
        code, _, told = run(environ, *verb.split())
        assert code == 2
        assert "dbo.ScimUsers username: is spelled userName" in told
        assert "User:department: goes to the same place as enterprise:department" in told
        assert "dbo.ScimUsers EmployeeId: the view has no column of this name" in told
    assert not graph.calls


# --- nobody wrongly disabled --------------------------------------------------------------------------------------


@dataclass
class Loaded:
    """A thousand people, mirrored and sent: what the database holds, what Graph has of them, and for which job."""

    folder: Path
    invented: list[Record]
    job: tuple[str, str]
    sent: list[dict[str, Any]]


@pytest.fixture(scope="module")
def loaded(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """A first load, held and approved; the guards as they are by default."""
    folder = tmp_path_factory.mktemp("loaded") / "db"
    shutil.copytree(sqlite_template, folder)
    invented = people.invent(1000, today=MovedClock().utc_now().date())
    with HrEmulator(invented, {"basic": ("svc", "emulated-password")}) as hr, GraphEmulator() as graph:
        environ = guarded(folder, hr.url, graph.upload_url)
        assert run(environ, "ingest")[0] == 0
        load(environ)
        directory = graph.directory()
        job = (directory.service_principal, directory.job)
        return Loaded(folder, invented, job, [accepted.data for accepted in graph.accepted])


def guarded(folder: Path, hr_url: str, upload_url: str) -> dict[str, str]:
    environ = environment(f"sqlite:///{folder}/bridge.db", hr_url, upload_url)
    return {name: value for name, value in environ.items() if name not in UNGUARDED}


@pytest.fixture
def company(
    loaded: Loaded, tmp_path: Path, graph: GraphEmulator
) -> Iterator[tuple[dict[str, str], HrEmulator, Directory]]:
    """A copy of those who were loaded, in the database and in the directory of their job."""
    shutil.copytree(loaded.folder, tmp_path / "db")
    upload_url = graph.add_job(*loaded.job)
    directory = graph.directory(*loaded.job)
    directory.stage(loaded.sent)
    assert len(directory.users) == 1000
    with HrEmulator(loaded.invented, {"basic": ("svc", "emulated-password")}) as hr:
        yield guarded(tmp_path / "db", hr.url, upload_url), hr, directory


def waiting(environ: dict[str, str]) -> list[dict[str, Any]]:
    code, line, _ = run(environ, "holds")
    assert code == 0
    assert line.keys() == {"holds"}
    return list(line["holds"])


def load(environ: dict[str, str]) -> None:
    """A first load, held and approved."""
    code, line, told = run(environ, "create")
    assert (code, line["held"], line["calls"]) == (3, 1000, 0)
    (hold,) = waiting(environ)
    assert (hold["class"], hold["count"], len(hold["employee_ids"])) == ("first_load", 1000, 1000)
    assert f"approve {hold['hold_id']} --by NAME" in told
    assert run(environ, "approve", hold["hold_id"], "--by", "Ada Approver")[0] == 0
    code, line, _ = run(environ, "create")
    assert (code, line["sent"], line["calls"]) == (0, 1000, 20)
    assert run(environ, "reconcile")[0] == 0
    assert waiting(environ) == []


def test_an_answer_with_30_percent_gone_ends_with_1_and_nothing_is_written_or_called(
    company: tuple[dict[str, str], HrEmulator, Directory], graph: GraphEmulator
) -> None:
    environ, hr, _ = company
    for person in hr.people[:300]:
        hr.remove(person["EmployeeId"])
    calls = len(graph.calls)
    code, line, told = run(environ, "ingest")
    assert (code, line["fetched"]) == (1, 700)
    assert not any(line[name] for name in ("inserted", "updated", "missing"))
    assert "MAX_SHRINK" in told
    for verb in ("create", "update", "reconcile"):
        assert run(environ, verb)[1]["candidates"] == 0
    assert len(graph.calls) == calls


def test_60_of_1000_terminated_at_once_are_held_and_5_edits_of_others_go(
    company: tuple[dict[str, str], HrEmulator, Directory], graph: GraphEmulator
) -> None:
    environ, hr, _ = company
    terminated, edited = [f"E{n:05d}" for n in range(101, 161)], [f"E{n:05d}" for n in range(301, 306)]
    for one in terminated:
        hr.patch(one, {"Active": False})
    for one in edited:
        hr.patch(one, {"Title": "Edited"})
    run(environ, "ingest")
    before = len(graph.accepted)
    code, line, told = run(environ, "update")
    assert (code, line["candidates"], line["held"], line["sent"]) == (3, 65, 60, 5)
    assert sorted(a.external_id for a in graph.accepted[before:]) == edited
    assert "60 people would be disabled, 0 were in the last 24 h; at most 50 may be" in told
    (hold,) = waiting(environ)
    assert (hold["job"], hold["class"], hold["count"]) == ("update", "disables", 60)
    assert hold["employee_ids"] == terminated
    code, line, _ = run(environ, "approve", hold["hold_id"], "--by", "Ada Approver")
    assert (code, line["covers"], line["changed"], line["approved_by"]) == (0, 60, 0, "Ada Approver")
    code, _, told = run(environ, "approve", hold["hold_id"], "--by", "Ada Approver")
    assert (code, "was approved at" in told) == (1, True)
    before = len(graph.accepted)
    code, line, _ = run(environ, "update")
    assert (code, line["sent"], line["held"]) == (0, 60, 0)
    sent = graph.accepted[before:]
    assert sorted(a.external_id for a in sent) == terminated
    assert not any(a.data["active"] for a in sent)


def test_after_their_data_changed_an_approval_of_what_was_held_is_refused(
    company: tuple[dict[str, str], HrEmulator, Directory],
) -> None:
    environ, hr, directory = company
    for n in range(101, 161):
        hr.patch(f"E{n:05d}", {"Active": False})
    run(environ, "ingest")
    run(environ, "update")
    (hold,) = waiting(environ)
    for n in range(101, 161):
        hr.patch(f"E{n:05d}", {"Title": "Former"})
    run(environ, "ingest")
    code, line, told = run(environ, "approve", hold["hold_id"], "--by", "Ada Approver")
    assert (code, "covers" in line) == (1, False)
    assert "due as she was held" in told
    code, line, _ = run(environ, "update")
    assert (code, line["held"]) == (3, 60)
    assert all(user["accountEnabled"] for user in directory.users.values())
