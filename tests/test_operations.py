"""docs/operations.md against the code: every verb, option, setting, count and field that the page names exists."""

import argparse
import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provisioning import __main__ as command_line
from provisioning import doctor, errors, jobs, runs, send
from provisioning.database import Database
from provisioning.people import Job
from provisioning.runs import INGEST_COUNTS, OUTCOME_COUNTS
from provisioning.settings import Settings
from tests.clock import MovedClock
from tests.conftest import NAMED, TABLES, employ

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
PROSE = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
CODE = re.findall(r"`([^`\n]+)`", PROSE)
QUERIES = re.findall(r"```kusto\n(.*?)```", PAGE, flags=re.DOTALL)
SETTINGS = set(json.loads((ROOT / "local.settings.example.json").read_text("utf-8"))["Values"])
RECORD = {"event", "job", "run_id", "exit_code", "seconds", "error", "target_job", "calls_24h", "daily_limit"}
COUNTS = {*send.COUNTS, *INGEST_COUNTS, *OUTCOME_COUNTS}
TRACES, REQUESTS = {"timestamp", "message"}, {"timestamp", "success", "name"}
OTHER_WORDS = {"extra", "logging", "requests", "active", "azure-monitor-opentelemetry"}
"""Of other things than this app."""

PLACES = {"ID", "ID,ID", "HOLD", "NAME", "TIME", "CODE"}


def verbs() -> dict[str, argparse.ArgumentParser]:
    parser = command_line._parser()
    (action,) = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return dict(action.choices)


def commands() -> list[list[str]]:
    """What the page tells to type: a word of a verb's look with an option or a placeholder behind it, or alone."""
    found = [text.removeprefix("python -m provisioning ").split() for text in CODE]
    return [
        words
        for words in found
        if re.fullmatch(r"[a-z][a-z-]*", words[0])
        and words[0] not in RECORD | COUNTS | OTHER_WORDS
        and all(word.startswith("--") or word in PLACES for word in words[1:])
    ]


def test_the_page_names_enough_to_be_worth_the_check() -> None:
    assert len(QUERIES) == 5
    assert {words[0] for words in commands()} >= {"doctor", "status", "plan", "show", "holds", "approve", "resend"}
    assert len(CODE) > 100


@pytest.mark.parametrize("text", sorted({t for t in CODE if t.startswith("python -m provisioning ")}))
def test_every_full_command_can_be_typed(text: str) -> None:
    words = [{"ID": "E1", "TIME": "2026-01-01"}.get(w, w) for w in text.split()[3:]]
    command_line._parser().parse_args(words)


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_verb_takes_the_options_that_the_page_gives_it(words: list[str]) -> None:
    assert words[0] in verbs()
    parser = verbs()[words[0]]
    known = {option for action in parser._actions for option in action.option_strings}
    assert {word for word in words if word.startswith("--")} <= known


def test_every_option_that_stands_alone_belongs_to_some_verb() -> None:
    known = {option for parser in verbs().values() for a in parser._actions for option in a.option_strings}
    alone = {text.split()[0] for text in CODE if text.startswith("--")}
    assert alone
    assert alone <= known


def test_every_setting_exists() -> None:
    named = {text for text in CODE if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", text)}
    assert {"HR_SOURCE", "MAX_SHRINK", "GRAPH_DAILY_CALL_LIMIT"} <= named
    assert named <= SETTINGS


def test_every_kind_of_error_exists() -> None:
    named = {text for text in CODE if re.fullmatch(r"[A-Z]\w+(Error|Run)", text)}
    assert named
    assert all(hasattr(errors, name) for name in named)


def test_every_table_and_file_exists() -> None:
    tables = {text for text in CODE if re.fullmatch(r"(dbo|provisioning)\.\w+", text)} - {"dbo.ScimUsers"}
    assert tables
    assert tables <= set(TABLES)
    links = re.findall(r"\]\(([^)#]+)\)", PAGE)
    assert links
    assert all((ROOT / "docs" / link).is_file() for link in links)
    scripts = [text for text in CODE if text.startswith("sql/")]
    assert all((ROOT / script).is_file() for script in scripts)


def test_every_check_that_the_page_sends_to_is_one_of_the_doctors() -> None:
    named = set(
        re.findall(r"\*([a-z]+)\*", " ".join(re.findall(r"(?:`doctor`|grants|roles)[^.\n]*(?:\n[^.\n]*)?", PROSE)))
    )
    named -= {"deferred", "staged", "not"}
    assert named >= {"attributes", "matching", "job", "hr", "columns", "ledger"}
    assert named <= set(doctor.CHECKS)
    assert f"makes {({16: 'sixteen'})[len(doctor.CHECKS)]} checks" in PAGE


def test_the_table_of_fields_is_that_of_the_record() -> None:
    section = PAGE.split("## What each run leaves in the log")[1].split("\n## ")[0]
    rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| ") and "---" not in line][1:]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    assert named == RECORD
    counts = next(row[1] for row in rows if "counts" in row[0])
    assert {word for part in re.findall(r"`([a-z_ ]+)`", counts) for word in part.split()} == COUNTS
    jobs_named = set(re.findall(r"`(\w+)`", next(row[1] for row in rows if "`job`" in row[0])))
    assert jobs_named <= {job.value for job in Job} | {"ingest", "outcomes"}


def test_the_fields_are_those_that_a_run_really_writes(
    small: Database, bridge: Callable[..., Settings], clock: MovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    employ(small, "A")
    caplog.set_level("INFO")
    jobs.create(bridge(), NAMED, clock=clock)
    (record,) = [r.getMessage() for r in caplog.records if r.getMessage().startswith(PREFIX)]
    assert set(json.loads(record)) == (RECORD - {"error"}) | set(send.COUNTS)


def functions() -> set[str]:
    """The functions of the app that run by timer."""
    text = (ROOT / "function_app.py").read_text(encoding="utf-8")
    return set(re.findall(r"@app\.timer_trigger\([^\n]*\)\ndef (\w+)", text))


def test_the_alert_of_failed_runs_knows_every_timer() -> None:
    assert len(functions()) >= 5
    assert functions() <= set(re.findall(r'"(\w+)"', QUERIES[0]))


PREFIX = '{"event": "provisioning_run"'


@pytest.mark.parametrize("query", QUERIES, ids=["failed", "held", "no ingest", "rising", "budget"])
def test_every_query_finds_the_records_by_how_they_begin_and_reads_fields_that_they_have(query: str) -> None:
    report = runs.Report("create", runs.no_counts("create"))
    assert report.record(1.0).startswith(PREFIX)
    assert f"message startswith '{PREFIX}'" in query
    fields = set(re.findall(r"\brun\.(\w+)", query))
    assert fields
    assert fields <= RECORD | COUNTS
    named = set(re.findall(r'"(\w+)"', query)) - {"event", "provisioning_run"}
    assert named <= {job.value for job in Job} | {"ingest", "outcomes"} | functions()


@pytest.mark.parametrize("query", QUERIES, ids=["failed", "held", "no ingest", "rising", "budget"])
def test_every_column_of_a_query_is_one_of_its_table_or_made_before(query: str) -> None:
    """A reading of the few forms used here, strict enough to find a misspelled column."""
    bare = re.sub(r"'[^']*'|\"[^\"]*\"|\brun\.\w+", "", query)
    made = set(re.findall(r"(\w+) =(?!=)", bare))
    words = set(re.findall(r"(?<![\w.(])[a-z_]\w*\b(?!\()|(?<=\()[a-z_]\w*\b(?!\()", bare))
    language = {"union", "traces", "requests", "where", "extend", "project", "summarize", "startswith"}
    language |= {"and", "or", "in", "false"}
    tables = TRACES | (REQUESTS if "requests" in words else set())
    assert words - language - made <= tables


def found(query: str, record: dict[str, Any]) -> bool:
    """Whether a query lets a record through; its few words of KQL are put into Python."""
    conditions = [line.partition("| where ")[2] for line in query.splitlines() if "run." in line]
    texts = [re.sub(r"isnotnull\(run\.(\w+)\)", r'("\1" in record)', c) for c in conditions if c]
    texts = [re.sub(r"(toint|tostring)\(run\.(\w+)\)", r'record.get("\2", 0)', text) for text in texts]
    assert texts
    return all(eval(text, {"record": record}) for text in texts)  # noqa: S307 - our own page


@pytest.mark.parametrize(
    ("number", "record", "alarm"),
    [
        (0, {"job": "update", "exit_code": 1}, True),
        (0, {"job": "ingest", "exit_code": 2}, True),
        (0, {"job": "update", "exit_code": 3}, False),
        (0, {"job": "update", "exit_code": 4}, False),
        (0, {"job": "resync", "exit_code": 1}, False),
        (1, {"job": "update", "exit_code": 3}, True),
        (1, {"job": "plan", "exit_code": 3}, False),
        (1, {"job": "update", "exit_code": 0}, False),
        (2, {"job": "ingest", "exit_code": 0}, True),
        (2, {"job": "ingest", "exit_code": 1}, False),
        (3, {"job": "outcomes", "exit_code": 0}, True),
        (3, {"job": "update", "exit_code": 0}, False),
        (4, {"calls_24h": 1601, "daily_limit": 2000}, True),
        (4, {"calls_24h": 1600, "daily_limit": 2000}, False),
        (4, {"job": "ingest", "exit_code": 0}, False),
    ],
)
def test_a_query_takes_the_records_that_it_is_about_and_no_others(
    number: int, record: dict[str, Any], alarm: bool
) -> None:
    assert found(QUERIES[number], record) is alarm


def test_a_report_of_any_job_makes_a_record_that_is_flat() -> None:
    for job in ("ingest", "create", "outcomes", "show"):
        report = dataclasses.replace(runs.Report(job, runs.no_counts(job)), exit_code=1)
        record = json.loads(report.record(0.04))
        assert all(isinstance(value, str | int | float) for value in record.values())
