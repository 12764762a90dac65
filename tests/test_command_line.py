"""The command line: one JSON line, the exit codes, and words a person can act on."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from provisioning import __main__ as command_line
from provisioning import database
from provisioning.ledger import Lease
from tests.conftest import environment
from tests.emulators.graph import GraphEmulator
from tests.emulators.hr import HrEmulator

INGEST = {"fetched", "inserted", "updated", "unchanged", "missing", "rejected"}
SENDING = {"candidates", "sent", "unchanged", "held", "parked", "deferred", "out_of_scope", "calls"}
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def environ(sqlite_string: str, hr: HrEmulator, graph: GraphEmulator) -> dict[str, str]:
    return environment(sqlite_string, hr.url, graph.upload_url)


def run(capsys: Capture, environ: dict[str, str], *verb: str) -> tuple[int, dict[str, object], str]:
    code = command_line.main(verb, environ)
    told = capsys.readouterr()
    (line,) = told.out.splitlines()
    return code, json.loads(line), told.err


def test_every_job_prints_one_line_with_its_counts(environ: dict[str, str], capsys: Capture) -> None:
    for verb, counts in (
        (["migrate"], set()),
        (["ingest"], INGEST),
        (["create"], SENDING),
        (["update"], SENDING),
        (["reconcile"], SENDING),
        (["resend", "--since", "2100-01-01"], SENDING),
        (["resync", "E00001"], SENDING | {"employee_id", "status", "changed"}),
    ):
        code, line, _ = run(capsys, environ, *verb)
        assert code == 0
        assert line["job"] == verb[0]
        assert counts <= line.keys()


def test_a_failing_job_prints_its_line_too(environ: dict[str, str], capsys: Capture, hr: HrEmulator) -> None:
    hr.fail_next(404, when=lambda path: "offset=40" in path)
    code, line, told = run(capsys, environ, "ingest")
    assert (code, line["fetched"], line["inserted"]) == (1, 40, 0)
    assert "HR answered 404" in told


@pytest.mark.parametrize(("employee_id", "code"), [("NOBODY", 1), ("no such id", 2)])
def test_resync_of_nobody(environ: dict[str, str], capsys: Capture, employee_id: str, code: int) -> None:
    found, line, _ = run(capsys, environ, "resync", employee_id)
    assert (found, line["sent"]) == (code, 0)


def test_reasons_of_the_rejected_are_told_to_people(environ: dict[str, str], capsys: Capture, hr: HrEmulator) -> None:
    hr.patch("E00005", {"BirthDate": "2026-02-30"})
    code, line, told = run(capsys, environ, "ingest")
    assert (code, line["rejected"]) == (0, 1)
    assert "rejected Employees E00005: BirthDate: is a date that does not exist" in told


def test_migrate_needs_only_the_database(tmp_path: Path, capsys: Capture) -> None:
    assert run(capsys, {"SQL_CONNECTION_STRING": f"sqlite:///{tmp_path}/x.db"}, "migrate", "--sample")[0] == 0


def test_a_setting_that_is_wrong_is_named_whatever_the_verb(tmp_path: Path, capsys: Capture) -> None:
    environ = {"SQL_CONNECTION_STRING": f"sqlite:///{tmp_path}/x.db", "GRAPH_BULK_UPLOAD_URL": "nonsense"}
    code, _, told = run(capsys, environ, "migrate")
    assert code == 2
    assert "GRAPH_BULK_UPLOAD_URL" in told


def test_settings_may_come_from_a_file_and_the_environment_wins(
    environ: dict[str, str], capsys: Capture, tmp_path: Path
) -> None:
    file = tmp_path / "local.settings.json"
    file.write_text(json.dumps({"Values": {**environ, "TIME_ZONE": "Mars"}}), encoding="utf-8")
    assert run(capsys, {}, "--settings", str(file), "ingest")[0] == 2
    assert run(capsys, {"TIME_ZONE": "UTC"}, "--settings", str(file), "ingest")[0] == 0
    assert run(capsys, {}, "--settings", str(tmp_path / "none.json"), "ingest")[0] == 2


def test_wrong_usage_is_2(capsys: Capture) -> None:
    for verb in ([], ["fly"], ["resend"], ["resend", "--since", "yesterday"]):
        with pytest.raises(SystemExit) as ended:
            command_line.main(verb, {})
        assert ended.value.code == 2
    assert "must be a time such as" in capsys.readouterr().err


def test_while_another_works_it_says_busy_at_once(
    environ: dict[str, str], capsys: Capture, sqlite_string: str, graph: GraphEmulator
) -> None:
    target = graph.upload_url.split("/servicePrincipals/")[1].replace("/synchronization/jobs/", "/")
    with database.connect(sqlite_string) as db:
        assert Lease(f"send {target.removesuffix('/bulkUpload')}", "another").acquire(db)
        began = time.monotonic()
        code, line, told = run(capsys, environ, "update")
        assert time.monotonic() - began < 2
    assert (code, line["calls"]) == (4, 0)
    assert "Another run is at work" in told


def test_two_updates_at_once_do_not_both_send(environ: dict[str, str], graph: GraphEmulator, hr: HrEmulator) -> None:
    command_line.main(["ingest"], environ)
    command_line.main(["create"], environ)
    for n in range(1, 51):
        hr.patch(f"E{n:05d}", {"Title": "At once"})
    command_line.main(["ingest"], environ)
    graph.latency = 1.0
    before = len(graph.accepted)
    command = [sys.executable, "-m", "provisioning", "update"]
    root = Path(__file__).parent.parent
    both = [subprocess.Popen(command, env=environ, cwd=root, stdout=-1, stderr=-1) for _ in range(2)]
    for process in both:
        process.communicate(timeout=60)
    assert sorted(process.returncode for process in both) == [0, 4]
    assert len(graph.accepted) - before == 50
