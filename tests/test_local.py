"""docs/local.md, VS Code's files and compose.yaml: what they name is there."""

import json
import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from provisioning import __main__ as command_line
from provisioning.settings import Settings
from tests import start
from tests.emulators import __main__ as emulators
from tests.test_functions import TIMERS
from tests.test_workflows import TARGETS
from tests.worker import Worker

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "local.md").read_text("utf-8")
REQUESTS = (ROOT / "docs" / "local.http").read_text("utf-8")
TYPED = [line.removeprefix("    ").strip() for line in PAGE.splitlines() if re.match(r" {4,}\S", line)]
CODE = [*re.findall(r"`([^`\n]+)`", PAGE), *TYPED]
VSCODE: dict[str, Any] = {p.stem: json.loads(p.read_text("utf-8")) for p in (ROOT / ".vscode").glob("*.json")}
TASKS = {task["label"]: task for task in VSCODE["tasks"]["tasks"]}
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
ADMIN = re.compile(r"/admin/functions/(\w+)")


@pytest.fixture(scope="module")
def functions() -> dict[str, list[dict[str, Any]]]:
    return Worker(ROOT).functions


def test_every_make_target_exists_and_takes_what_is_given_to_it() -> None:
    recipe = (ROOT / "Makefile").read_text("utf-8").partition("\nstart:")[2].partition("\n\n")[0]
    commands = [text for text in [*CODE, *(task["command"] for task in TASKS.values())] if text.startswith("make ")]
    assert {"make start DEBUG=1", 'make start ONLY="update_employees"', "make test"} <= set(commands)
    for _, target, *given in map(shlex.split, commands):
        assert target in TARGETS
        assert all(f"$(if $({variable.partition('=')[0]})," in recipe for variable in given)


def test_every_function_that_is_called_by_hand_is_a_timer(functions: dict[str, Any]) -> None:
    (choice,) = VSCODE["tasks"]["inputs"]
    assert choice["options"] == list(TIMERS)
    assert choice["default"] in TIMERS
    assert ADMIN.findall(REQUESTS) == list(TIMERS)
    assert set(ADMIN.findall(PAGE)) <= set(TIMERS)
    named = {name for names in re.findall(r'ONLY="([^"]+)"', PAGE) for name in names.split()}
    assert named | set(re.findall(r"AzureWebJobs\.(\w+)\.Disabled", PAGE)) <= set(functions)


def test_every_route_that_is_asked_for_is_there(functions: dict[str, list[dict[str, Any]]]) -> None:
    triggers = [b for bindings in functions.values() for b in bindings if b["type"] == "httpTrigger"]
    routes = {(m, re.sub(r"{\w+}", "E00007", trigger["route"])) for trigger in triggers for m in trigger["methods"]}
    asked = set(re.findall(r"^(GET|POST) {{host}}/api/(\S+)$", REQUESTS, re.MULTILINE))
    assert len(asked) == 3
    assert asked <= routes
    assert all(("GET", route) in routes for route in re.findall(r"7071/api/(\w+)", PAGE))


def test_the_request_that_edits_somebody_is_let_in_by_the_emulator() -> None:
    assert f"Authorization: Basic {emulators.USER}:emulator" in REQUESTS
    assert "http://127.0.0.1:8071/api/Employees/" in REQUESTS


def test_the_ports_are_those_that_are_listened_at() -> None:
    found = {port for part in start.parts({}, port=7071, debug=True) for port in part.ports.values()}
    attaching = [c["connect"]["port"] for c in VSCODE["launch"]["configurations"] if c["request"] == "attach"]
    assert set(attaching) == {start.DEBUG_PORT} <= found
    assert f"port {start.DEBUG_PORT}" in PAGE
    assert all(port in ("7071", "8071") for port in re.findall(r"127\.0\.0\.1:(\d+)", REQUESTS))


def test_vs_code_starts_what_its_configurations_want_first() -> None:
    wanted = {c["preLaunchTask"] for c in VSCODE["launch"]["configurations"] if "preLaunchTask" in c}
    assert wanted == {"start (debug)"} <= set(TASKS)
    for name in wanted | {"start"}:
        background = TASKS[name]["problemMatcher"]["background"]
        assert background["endsPattern"] == "^ready: "  # which tests/test_start.py waits for, too
        assert re.match(background["beginsPattern"], "HR     http://127.0.0.1:8071/api/Employees")
        assert re.match(TASKS[name]["problemMatcher"]["pattern"]["regexp"], "func has ended with 3: the others are …")
    assert all(name in PAGE for name in ("Functions: start, and attach to the worker", "Command line: plan"))
    assert {c["name"] for c in VSCODE["launch"]["configurations"]} >= {"Command line: plan"}


def test_what_vs_code_runs_of_the_command_line_can_be_typed() -> None:
    (found,) = [c["args"] for c in VSCODE["launch"]["configurations"] if c.get("module") == "provisioning"]
    options = command_line._parser().parse_args(found)
    assert (options.verb, options.settings) == ("plan", str(start.SETTINGS))


@pytest.mark.parametrize("text", sorted(t for t in CODE if t.startswith("python -m provisioning ")))
def test_what_the_page_types_of_the_command_line_is_taken(text: str) -> None:
    command_line._parser().parse_args(text.split()[3:])


def test_every_setting_that_the_page_names_is_one() -> None:
    values = json.loads(start.EXAMPLE.read_text("utf-8"))["Values"]
    exported = set(re.findall(r"^ *export (\w+)=", PAGE, re.MULTILINE))
    others = {"MSSQL_SA_PASSWORD", "TEST_SQLSERVER", "AZURE_TOKEN_CREDENTIALS"}
    assert exported >= others
    assert exported - others <= set(values)


def test_the_example_of_a_real_endpoint_is_taken_and_not_emulated() -> None:
    values = json.loads(start.EXAMPLE.read_text("utf-8"))["Values"]
    (url,) = re.findall(r"GRAPH_BULK_UPLOAD_URL='([^']+)'", PAGE)
    (database,) = re.findall(r"SQL_CONNECTION_STRING=(\S+)", PAGE)
    told = {**values, "GRAPH_BULK_UPLOAD_URL": url, "SQL_CONNECTION_STRING": database}
    settings = Settings.from_environ(told)
    assert settings.bulk_upload is not None
    assert settings.bulk_upload.needs_token
    (emulated, *_) = start.parts(told, port=7071)
    assert list(emulated.ports) == ["the emulated HR"]


def test_the_database_in_a_container_is_for_this_machine_alone_and_has_no_password_of_ours() -> None:
    (server,) = COMPOSE["services"].values()
    assert server["ports"] == ["127.0.0.1:1433:1433"]
    assert re.fullmatch(r"\$\{MSSQL_SA_PASSWORD:\?.+\}", server["environment"]["MSSQL_SA_PASSWORD"])
    assert server["environment"]["SQLCMDPASSWORD"] == "${MSSQL_SA_PASSWORD}"  # of sqlcmd in the health check
    assert "sqlcmd" in server["healthcheck"]["test"]
    assert set(COMPOSE["volumes"]) == {mount.partition(":")[0] for mount in server["volumes"]}


def test_the_page_says_how_the_tests_reach_that_database() -> None:
    (text,) = re.findall(r'TEST_SQLSERVER="([^"]+)"', PAGE)
    parts = dict(part.split("=", 1) for part in text.split(";"))
    assert (parts["Server"], parts["UID"], parts["PWD"]) == ("127.0.0.1,1433", "sa", "$MSSQL_SA_PASSWORD")
    assert parts["Database"]  # tests/conftest.py makes scratch databases beside it
    ci = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    assert re.sub(r"PWD=[^;]*", "", text) in re.sub(r"PWD=[^;]*", "", ci)


def test_the_files_that_the_page_links_to_exist() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)", PAGE) if "://" not in link]
    assert links
    assert all((ROOT / "docs" / link).exists() for link in links)
    assert "azure-functions-core-tools@4" in PAGE
    assert os.access(ROOT / ".ci" / "host", os.X_OK)
