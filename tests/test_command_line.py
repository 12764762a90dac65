"""The command line: one JSON line, the exit codes, and words a person can act on."""

import gc
import json
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from provisioning import __main__ as command_line
from provisioning import database, ledger, pacing, runs
from provisioning.ledger import Lease
from tests import processes
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
        (["create", "--limit", "999"], SENDING),
        (["update"], SENDING),
        (["reconcile"], SENDING),
        (["resend", "--since", "2100-01-01"], SENDING),
        (["resync", "E00001"], SENDING | {"employee_id", "status", "changed"}),
    ):
        code, line, _ = run(capsys, environ, *verb)
        assert code == 0
        assert line["job"] == verb[0]
        assert counts <= line.keys()


def test_what_came_of_people_is_one_line_with_code_reason_and_mend(
    environ: dict[str, str], capsys: Capture, graph: GraphEmulator
) -> None:
    graph.directory().occupy("E00007")
    for verb in (["ingest"], ["create", "--limit", "999"]):
        assert run(capsys, environ, *verb)[0] == 0
    code, line, told = run(capsys, environ, "outcomes")
    assert (code, line["failed"], line["success"], line["unconfirmed"]) == (0, 1, 99, 0)
    (failed,) = line["failed_people"]  # type: ignore[misc]
    assert {"employee_id", "code", "reason", "recommended_action"} <= failed.keys()
    assert f"failed {failed['code']}: 1 person (E00007)" in told
    assert failed["reason"] not in told  # it may quote the user name
    run(capsys, environ, "update")  # people whose managers came to be there after them
    run(capsys, environ, "outcomes")
    code, line, told = run(capsys, environ, "status")
    assert (code, line["failed"], line["due"]) == (0, 1, 0)
    assert "outcomes" in told
    code, line, _ = run(capsys, environ, "retry-failed", "--code", str(failed["code"]))
    assert (code, line["failed"], line["due"]) == (0, 1, 1)
    assert run(capsys, environ, "status")[1]["due"] == 1
    assert run(capsys, environ, "update")[1]["sent"] == 1


def test_outcomes_that_cannot_be_read_are_a_failure(
    environ: dict[str, str], capsys: Capture, graph: GraphEmulator
) -> None:
    graph.roles.clear()
    code, line, told = run(capsys, environ, "outcomes")
    assert (code, line["entries"]) == (1, 0)
    assert "ProvisioningLog.Read.All" in told


def test_a_job_that_stands_still_fails_the_run_unless_anyway(
    environ: dict[str, str], capsys: Capture, graph: GraphEmulator
) -> None:
    graph.directory().quarantine_reason = "QuarantinedOnDemand"
    run(capsys, environ, "ingest")
    code, line, told = run(capsys, environ, "create", "--limit", "999")
    assert (code, line["sent"], line["deferred"]) == (1, 50, 50)
    assert "Quarantine (QuarantinedOnDemand)" in told
    code, line, told = run(capsys, environ, "create", "--limit", "999", "--anyway")
    assert (code, line["sent"]) == (0, 50)
    assert "QuarantinedOnDemand" in told


def test_forget_and_purge_say_what_they_did(environ: dict[str, str], capsys: Capture) -> None:
    run(capsys, environ, "ingest")
    code, line, told = run(capsys, environ, "forget", "E00007")
    assert (code, line["job"]) == (1, "forget")
    assert "status" not in line  # nobody was forgotten, and the line does not say so
    assert "HR still has this person" in told
    code, line, _ = run(capsys, environ, "forget", "--undo", "E00007")
    assert (code, "status" in line) == (1, False)
    assert run(capsys, environ, "forget", "no id")[0] == 2
    code, line, _ = run(capsys, environ, "purge", "--gone", "--days", "30")
    assert (code, line["purged"]) == (0, 0)


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
    for verb in ([], ["fly"], ["resend"], ["purge"], ["resend", "--since", "yesterday"]):
        with pytest.raises(SystemExit) as ended:
            command_line.main(verb, {})
        assert ended.value.code == 2
    assert "must be a time such as" in capsys.readouterr().err


def test_threads_take_turns_often_and_garbage_is_looked_for_seldom(environ: dict[str, str], capsys: Capture) -> None:
    sys.setswitchinterval(0.005)
    gc.set_threshold(700, 10, 10)
    assert run(capsys, environ, "migrate")[0] == 0
    assert (sys.getswitchinterval(), gc.get_threshold()) == (0.001, (20_000, 20, 50))


def test_while_another_works_it_says_busy_at_once(
    environ: dict[str, str],
    capsys: Capture,
    sqlite_string: str,
    graph: GraphEmulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(pacing.Clock, "sleep", lambda _, seconds: slept.append(seconds))
    target = graph.upload_url.split("/servicePrincipals/")[1].replace("/synchronization/jobs/", "/")
    with database.connect(sqlite_string) as db:
        assert Lease(f"send {target.removesuffix('/bulkUpload')}", "another").acquire(db)
        code, line, told = run(capsys, environ, "update")
    assert (code, line["calls"], slept) == (4, 0, [])
    assert "Another run is at work" in told


def test_two_updates_at_once_do_not_both_send(environ: dict[str, str], graph: GraphEmulator, hr: HrEmulator) -> None:
    command_line.main(["ingest"], environ)
    command_line.main(["create", "--limit", "999"], environ)
    for n in range(1, 51):
        hr.patch(f"E{n:05d}", {"Title": "At once"})
    command_line.main(["ingest"], environ)
    graph.latency = 1.0
    before = len(graph.accepted)
    both = [processes.Started(environ, "update") for _ in range(2)]
    assert sorted(started.end().code for started in both) == [0, 4]
    assert len(graph.accepted) - before == 50


# --- as a process of its own --------------------------------------------------------------------------------------

UPLOAD = "/v1.0/servicePrincipals/a/synchronization/jobs/b/bulkUpload"


def process(environ: dict[str, str], *verb: str, fresh: bool = False) -> tuple[int, dict[str, object], str]:
    """Exit code, the one line of JSON that may be on stdout, and stderr, which is words and no traceback."""
    ended = processes.run(environ, *verb, fresh=fresh)
    return ended.code, ended.counts, ended.err


def test_from_an_empty_folder_to_everybody_sent(
    tmp_path: Path, environ: dict[str, str], hr: HrEmulator, graph: GraphEmulator
) -> None:
    fresh = {**environ, "SQL_CONNECTION_STRING": f"sqlite:///{tmp_path}/fresh.db"}
    code, _, told = process(fresh, "ingest", fresh=True)
    assert code == 2
    assert "python -m provisioning migrate" in told
    assert process({"SQL_CONNECTION_STRING": fresh["SQL_CONNECTION_STRING"]}, "migrate")[0] == 0
    code, line, _ = process(fresh, "ingest")
    assert (code, {name: line[name] for name in INGEST}) == (
        0,
        dict.fromkeys(INGEST, 0) | {"fetched": 100, "inserted": 100},
    )
    code, line, _ = process(fresh, "create", "--limit", "999")
    expected = dict.fromkeys(SENDING, 0) | {"candidates": 100, "sent": 100, "calls": 2}
    assert (code, {name: line[name] for name in SENDING}) == (0, expected)
    code, line, _ = process(fresh, "resync", "e00001")
    assert (code, line["employee_id"], line["status"], line["changed"]) == (0, "E00001", "accepted", False)


def test_queued_is_0_too(environ: dict[str, str], capsys: Capture, sqlite_string: str, graph: GraphEmulator) -> None:
    run(capsys, environ, "ingest")
    with database.connect(sqlite_string) as db:
        directory = graph.directory()
        assert Lease(f"send {directory.service_principal}/{directory.job}", "another").acquire(db)
        code, line, _ = run(capsys, environ, "resync", "E00001")
    assert (code, line["status"], line["sent"]) == (0, "queued", 0)


def test_people_who_vanished_make_3(environ: dict[str, str], capsys: Capture, sqlite_string: str) -> None:
    run(capsys, environ, "ingest")
    run(capsys, environ, "create", "--limit", "999")
    with database.connect(sqlite_string) as db:
        db.execute("DELETE FROM dbo.Employees WHERE EmployeeId = 'E00050'")
    code, line, told = run(capsys, environ, "update")
    assert (code, line["out_of_scope"]) == (3, 1)
    assert "E00050" in told


def test_a_run_that_could_not_finish_makes_1_and_its_counts_add_up(environ: dict[str, str], capsys: Capture) -> None:
    run(capsys, environ, "ingest")
    code, line, told = run(capsys, {**environ, "GRAPH_DAILY_CALL_LIMIT": "1"}, "create", "--limit", "999")
    assert (code, line["candidates"], line["sent"], line["deferred"]) == (1, 100, 50, 50)
    assert "50 people are still due" in told


def test_parked_people_do_not_make_a_run_fail(environ: dict[str, str], capsys: Capture, graph: GraphEmulator) -> None:
    run(capsys, environ, "ingest")
    graph.refuse = lambda data: data["externalId"] == "E00050"
    code, line, told = run(capsys, environ, "create", "--limit", "999")
    assert (code, line["sent"], line["parked"]) == (0, 99, 1)
    assert "parked E00050: Graph answered 400" in told


@pytest.mark.parametrize(
    "verb", ["create", "update", "reconcile", "resend --all", "resync E00001", "ingest", "migrate"]
)
def test_wrong_settings_are_named_together_without_secrets(verb: str) -> None:
    secret = "Hunter2-Secret"
    environ = {
        "SQL_CONNECTION_STRING": f"PWD={secret};UID=sa",
        "HR_SOURCE": json.dumps(
            {"client": {"base_url": "http://hr.example/", "auth": {"type": "bearer", "token": secret}}}
        ),
        "GRAPH_BULK_UPLOAD_URL": f"http://u:{secret}@evil.example{UPLOAD}",
        "TIME_ZONE": "Mars/Olympus",
        "SCIM_EXTENSIONS": "{",
        "GRAPH_DAILY_CALL_LIMIT": "many",
        "CREATE_LEAD_DAYS": "-1",
    }
    code, line, told = process(environ, *verb.split())
    assert code == 2
    assert not any(value for value in line.values() if isinstance(value, int))
    assert all(name in told for name in environ)
    assert "HR_SOURCE resources: is missing" in told
    assert secret not in told + json.dumps(line)


def test_what_is_missing_is_named_for_each_verb_that_needs_it(capsys: Capture) -> None:
    for verb, names in {
        "migrate": ["SQL_CONNECTION_STRING"],
        "ingest": ["SQL_CONNECTION_STRING", "HR_SOURCE"],
        "create": ["SQL_CONNECTION_STRING", "GRAPH_BULK_UPLOAD_URL"],
        "resync E00001": ["SQL_CONNECTION_STRING", "GRAPH_BULK_UPLOAD_URL"],
    }.items():
        code, _, told = run(capsys, {}, *verb.split())
        assert code == 2
        assert [line for line in told.splitlines() if "is missing" in line] == [
            f"{verb.split()[0]}: {name}: is missing." if n == 0 else f"{name}: is missing."
            for n, name in enumerate(names)
        ]


@pytest.mark.parametrize("employee_id", ["", "a b", "é", "../x", "x" * 65, "E00001\n", "'; DROP TABLE x;--"])
def test_what_cannot_be_an_id_is_wrong_usage_and_not_repeated(
    environ: dict[str, str], capsys: Capture, employee_id: str
) -> None:
    code, line, told = run(capsys, environ, "resync", employee_id)
    assert (code, line["calls"]) == (2, 0)
    assert not employee_id.strip() or employee_id.strip() == "E00001" or employee_id not in told + json.dumps(line)


def test_the_one_line_is_all_that_stdout_gets_whatever_happens(
    environ: dict[str, str], hr: HrEmulator, graph: GraphEmulator
) -> None:
    hr.patch("E00005", {"BirthDate": "2026-02-30"})
    assert process(environ, "ingest")[1]["rejected"] == 1
    graph.fail_next(403, {}, b'{"error": {"code": "Forbidden", "message": "No right to upload."}}')
    code, line, told = process(environ, "create", "--limit", "999")
    assert (code, line["deferred"], line["candidates"]) == (1, 99, 99)
    assert "Graph answered 403: Forbidden: No right to upload." in told


def test_killed_in_the_middle_of_update_nobodys_change_is_lost(
    environ: dict[str, str],
    sqlite_string: str,
    hr: HrEmulator,
    graph: GraphEmulator,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ledger, "TAKEOVER_PAUSE", 0.05)
    run(capsys, environ, "ingest")
    run(capsys, environ, "create", "--limit", "999")
    for person in hr.people:
        hr.patch(person["EmployeeId"], {"Title": "After"})
    run(capsys, environ, "ingest")
    graph.latency = 0.3
    started, before = processes.Started(environ, "update"), len(graph.calls)
    while len(graph.accepted) < 150:
        assert not started.is_over()
        time.sleep(0.02)
    started.send_signal(signal.SIGKILL)
    assert started.end().code == -signal.SIGKILL
    graph.latency = 0.0
    assert len(graph.calls) - before <= 2
    assert run(capsys, environ, "update")[0] == 4
    with database.connect(sqlite_string) as db:
        ((in_flight,),) = db.select("SELECT COUNT(*) FROM provisioning.intents", (), "count")
        db.execute("UPDATE provisioning.leases SET expires_at = '2000-01-01 00:00:00.0000000'")
    sent = len(graph.accepted)
    code, line, _ = run(capsys, environ, "update")
    assert (code, line["deferred"]) == (0, 0)
    assert {user["title"] for user in graph.directory().users.values()} == {"After"}
    assert len(graph.accepted) - 200 <= in_flight
    assert len(graph.accepted) > sent


def test_interrupted_it_still_prints_its_counts_and_gives_the_lease_back(
    environ: dict[str, str], graph: GraphEmulator, capsys: Capture
) -> None:
    """Ctrl-C: a failed job, too, prints one line with what was done."""
    run(capsys, environ, "ingest")
    graph.latency = 0.3
    started = processes.Started(environ, "create", "--limit", "999")
    while len(graph.accepted) < 50:
        assert not started.is_over()
        time.sleep(0.02)
    started.send_signal(signal.SIGINT)
    ended = started.end()
    graph.latency = 0.0
    assert ended.code == 1
    assert run(capsys, environ, "create", "--limit", "999")[0] == 0  # not busy
    assert len(graph.directory().users) == 100
    assert ended.counts["candidates"] == 100


def test_a_terminal_that_lacks_a_letter_gets_it_escaped_and_no_traceback(
    environ: dict[str, str], hr: HrEmulator
) -> None:
    """Pipes on Windows have a code page of their own; this one has the fewest letters."""
    hr.patch("E00007", {"Name.FirstName": "Žofie"})
    assert process(environ, "ingest")[0] == 0
    for verb, shown in ((["show", "E00007"], "\\u017d" + "ofie"), (["doctor"], "\\u2192")):
        ended = processes.run({**environ, "PYTHONIOENCODING": "ascii:strict"}, *verb, fresh=True)
        assert shown in ended.out, ended.err


# --- guards -------------------------------------------------------------------------------------------------------


def test_a_first_load_is_held_named_and_let_go_by_name(
    environ: dict[str, str], capsys: Capture, graph: GraphEmulator
) -> None:
    run(capsys, environ, "ingest")
    code, line, told = run(capsys, environ, "create")
    assert (code, line["candidates"], line["held"], line["calls"]) == (3, 100, 100, 0)
    assert "held first_load, 100 people (E00001, " in told
    code, listed, told = run(capsys, environ, "holds")
    assert (code, list(listed)) == (0, ["holds"])
    (hold,) = listed["holds"]  # type: ignore[misc]
    assert hold.keys() >= {"hold_id", "job", "class", "count", "employee_ids", "reason"}
    assert f"approve {hold['hold_id']} --by NAME" in told
    code, line, _ = run(capsys, environ, "approve", hold["hold_id"], "--by", "Ada Approver")
    assert (code, line["covers"], line["approved_by"]) == (0, 100, "Ada Approver")
    assert run(capsys, environ, "approve", hold["hold_id"], "--by", "Ada Approver")[0] == 1
    assert run(capsys, environ, "create")[0] == 0
    code, listed, told = run(capsys, environ, "holds")
    assert (code, listed, "nothing waits" in told) == (0, {"holds": []}, True)
    assert len(graph.directory().users) == 100


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [(["nothing", "--by", "Ada"], 1, "There is no such hold"), (["nothing", "--by", " "], 2, "say in whose name")],
)
def test_what_cannot_be_approved_is_told(
    environ: dict[str, str], capsys: Capture, words: list[str], code: int, told: str
) -> None:
    run(capsys, environ, "ingest")
    found, _, err = run(capsys, environ, "approve", *words)
    assert (found, told in err) == (code, True)


def test_a_few_go_by_name_and_the_others_are_counted(
    environ: dict[str, str], capsys: Capture, graph: GraphEmulator
) -> None:
    run(capsys, environ, "ingest")
    code, line, told = run(capsys, environ, "create", "--only", "E00001,E00002")
    assert (code, line["sent"], "98 more people are due" in told) == (0, 2, True)
    code, line, _ = run(capsys, environ, "create", "--limit", "3")
    assert (code, line["sent"]) == (0, 3)
    assert run(capsys, environ, "create")[1]["held"] == 95


@pytest.mark.parametrize(
    "words",
    [
        ["create", "--limit", "0"],
        ["create", "--only", "a b"],
        ["plan", "--on", "soon"],
        ["approve", "x"],
        ["plan", "x"],
    ],
)
def test_wrong_words_are_wrong_usage(environ: dict[str, str], words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        command_line.main(words, environ)
    assert caught.value.code == 2


def test_a_plan_names_people_and_attributes_and_values_only_as_json(
    environ: dict[str, str], capsys: Capture, hr: HrEmulator, graph: GraphEmulator
) -> None:
    run(capsys, environ, "ingest")
    run(capsys, environ, "create", "--limit", "999")
    run(capsys, environ, "reconcile")
    hr.patch("E00007", {"Title": "Marker-Title"})
    hr.patch("E00008", {"Active": False})
    run(capsys, environ, "ingest")
    calls = len(graph.calls)
    code, line, told = run(capsys, environ, "plan")
    assert (code, line["candidates"], line["calls"], line["sent"]) == (0, 2, 1, 0)
    assert "people" not in line
    assert [row.split() for row in told.splitlines()[:2]] == [["E00008", "disable"], ["E00007", "change", "title"]]
    assert "Marker-Title" not in told
    code, line, told = run(capsys, environ, "plan", "--job", "update", "--json")
    people = {p["employee_id"]: p for p in line["people"]}  # type: ignore[attr-defined]
    assert people["E00007"]["attributes"]["title"]["new"] == "Marker-Title"
    assert people["E00008"]["action"] == "disable"
    assert "Marker-Title" not in told
    assert len(graph.calls) == calls


def test_a_plan_names_the_parked_with_their_reasons_in_words_and_as_json(
    environ: dict[str, str], sqlite_string: str, capsys: Capture
) -> None:
    run(capsys, environ, "ingest")
    with database.connect(sqlite_string) as db:
        db.execute("UPDATE dbo.Employees SET Active = NULL WHERE EmployeeId = 'E00009'")
    _, line, told = run(capsys, environ, "plan")
    assert (line["parked"], "parked E00009: active is null" in told) == (1, True)
    _, line, _ = run(capsys, environ, "plan", "--json")
    assert line["parked"] == 1
    assert line["parked_people"] == [{"employee_id": "E00009", "reasons": ["active is null"]}]


def test_a_plan_with_its_differences_names_exactly_who_was_edited_and_nothing_reaches_graph(
    environ: dict[str, str], capsys: Capture, hr: HrEmulator, graph: GraphEmulator
) -> None:
    run(capsys, environ, "ingest")
    run(capsys, environ, "create", "--limit", "999")
    run(capsys, environ, "reconcile")
    edited = [f"E{n:05d}" for n in range(11, 36)]
    for n, one in enumerate(edited):
        hr.patch(one, {"Title": f"Keeper of {n}"} if n % 2 else {"Email": f"new.{n}@contoso.example"})
    run(capsys, environ, "ingest")
    graph.calls.clear()
    code, line, told = run(capsys, environ, "plan", "--diff", "--json")
    people = {p["employee_id"]: p for p in line["people"]}  # type: ignore[attr-defined]
    assert (code, sorted(people), line["candidates"], line["calls"]) == (0, edited, 25, 1)
    mail = 'emails[type eq "work"].value'
    for n, one in enumerate(edited):
        changes = people[one]["attributes"]
        assert list(changes) == (["title"] if n % 2 else [mail])
        assert [c.get("only_on_create") for c in changes.values()] == [None if n % 2 else True]
    code = command_line.main(["plan", "--diff"], environ)
    out, err = capsys.readouterr()
    *page, counts = out.splitlines()
    assert sorted(row.split()[0] for row in page if row.startswith("E")) == edited
    assert (code, json.loads(counts)["candidates"]) == (0, 25)
    assert '→ "Keeper of 1"' in out
    assert '→ "new.0@contoso.example" (only set on create)' in out
    assert "25 change" in page
    assert "1 call of at most 50 people, about 1 s; 1897 of the day's calls are left" in page
    assert "Keeper of" not in err + told
    assert graph.calls == []


def test_a_plan_a_week_ahead_names_the_joiner_and_the_leaver_of_that_week(
    environ: dict[str, str], capsys: Capture, hr: HrEmulator, graph: GraphEmulator
) -> None:
    today = datetime.now(UTC).date()
    hr.patch("E00031", {"ValidTo": f"{today + timedelta(days=3)}"})
    hr.patch("E00032", {"ValidTo": f"{today + timedelta(days=30)}"})
    hr.patch("E00041", {"ValidFrom": f"{today + timedelta(days=10)}"})
    hr.patch("E00042", {"ValidFrom": f"{today + timedelta(days=40)}"})
    run(capsys, environ, "ingest")
    run(capsys, environ, "create", "--limit", "999")
    graph.calls.clear()
    code, line, told = run(capsys, environ, "plan", "--on", f"{today + timedelta(days=7)}")
    rows = [row.split() for row in told.splitlines()]
    assert (code, line["candidates"]) == (0, 2)
    assert rows[0] == [f"{today + timedelta(days=3)}", "E00041", "create"]
    assert rows[1] == [f"{today + timedelta(days=4)}", "E00031", "disable"]
    assert rows[2] == ["1", "create,", "1", "disable"]
    assert graph.calls == []


def test_a_plan_says_whom_the_days_calls_do_not_suffice_for(
    environ: dict[str, str], capsys: Capture, hr: HrEmulator
) -> None:
    few = {**environ, "GRAPH_DAILY_CALL_LIMIT": "3"}  # one of them is kept for resyncs
    run(capsys, few, "ingest")
    run(capsys, few, "create", "--limit", "50")
    code, line, told = run(capsys, few, "plan", "--job", "create", "--limit", "999")
    assert (code, line["candidates"], line["calls"], line["deferred"]) == (0, 50, 1, 0)
    run(capsys, few, "create", "--limit", "30")
    for n in range(1, 21):
        hr.patch(f"E{n:05d}", {"Title": "Waiting"})
    run(capsys, few, "ingest")
    _, line, told = run(capsys, few, "plan", "--limit", "999")
    assert (line["candidates"], line["deferred"]) == (40, 40)
    assert "20 create, 20 change, 40 deferred" in told
    assert "0 of the day's calls are left, the rest takes 1 more day" in told
    assert "DEFERRED" in told.splitlines()[0]


def test_a_plan_says_whom_a_guard_would_hold(environ: dict[str, str], capsys: Capture) -> None:
    run(capsys, environ, "ingest")
    code, line, told = run(capsys, environ, "plan")
    assert (code, line["held"], line["calls"]) == (0, 100, 0)
    assert "HELD: first_load" in told
    assert "would be held: first_load, 100 people" in told
    assert run(capsys, environ, "holds")[1] == {"holds": []}  # it only looked


def test_a_held_resync_ends_with_3_and_says_why(
    environ: dict[str, str], capsys: Capture, hr: HrEmulator, graph: GraphEmulator
) -> None:
    guarded = {**environ, "MAX_DISABLES": "0"}
    run(capsys, guarded, "ingest")
    run(capsys, guarded, "create", "--limit", "999")
    codes = []
    for n in range(1, 12):
        hr.patch(f"E{n:05d}", {"Active": False})
        code, line, told = run(capsys, guarded, "resync", f"E{n:05d}")
        codes.append(code)
    assert codes == [0] * 10 + [3]
    assert "E00011 is held for approval: disables" in told
    assert line["employee_id"] == "E00011"


def test_a_database_of_an_older_app_is_told(sqlite_string: str, environ: dict[str, str], capsys: Capture) -> None:
    with database.connect(sqlite_string) as db:
        db.execute("DELETE FROM provisioning.migrations WHERE script = ?", (runs.NEWEST_SCRIPT,))
    code, _, told = run(capsys, environ, "update")
    assert (code, "older than the app" in told) == (2, True)
