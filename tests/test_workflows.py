"""What runs on GitHub: linted, pinned, with no right too many, in the order in which things depend on each other."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from provisioning import rights
from tests import start
from tests.conftest import NOT_LINTED, TABLES
from tests.test_lock import PYTHONS
from tests.test_start import Folder, folder  # noqa: F401 - a fixture

ROOT = Path(__file__).parent.parent
GITHUB = ROOT / ".github"
FILES = sorted((GITHUB / "workflows").glob("*.yml"))
SCRIPTS = sorted([p for p in (ROOT / ".ci").iterdir() if p.is_file()] + [*(ROOT / "infra").rglob("*.sh")])
TEXTS = {path.stem: path.read_text("utf-8") for path in FILES}
# A loader that leaves texts texts: "on" is none of yes and no, 3.11 no number.
WORKFLOWS: dict[str, Any] = {name: yaml.load(text, yaml.BaseLoader) for name, text in TEXTS.items()}  # noqa: S506
JOBS = {(name, job): told for name, flow in WORKFLOWS.items() for job, told in flow["jobs"].items()}
STEPS = [(where, step) for where, job in JOBS.items() for step in job.get("steps", ())]
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
KEY = "emulated-function-key/+=="


def tool(name: str) -> str:
    """A program of .venv, or of the machine; the test is skipped, loudly, where it is nowhere."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return found or pytest.skip(NOT_LINTED.format(name))


def lint(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_actionlint_finds_nothing() -> None:
    lint(tool("actionlint"), "-shellcheck", tool("shellcheck"), "-pyflakes", "", *map(str, FILES))


def test_zizmor_finds_nothing_not_even_what_pedants_mind() -> None:
    """Offline; CI asks GitHub, too, whether the pinned commits are those of their versions."""
    quiet = ("--offline", "--no-progress", "--no-config", "--strict-collection")
    lint(tool("zizmor"), *quiet, "--persona=pedantic", "--collect=all", str(GITHUB))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_shellcheck_finds_nothing(script: Path) -> None:
    lint(tool("shellcheck"), "--external-sources", str(script))


# --- pins and rights ----------------------------------------------------------------------------------------------


def test_every_action_is_pinned_by_commit_and_each_by_one_version() -> None:
    lines = [line.strip().removeprefix("- ") for text in TEXTS.values() for line in text.splitlines()]
    used = {line for line in lines if line.startswith("uses: ") and "./" not in line}
    pins = {line: re.fullmatch(r"uses: (\S+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)", line) for line in used}
    assert None not in pins.values(), pins
    names = [match[1].lower() for match in pins.values() if match]
    assert len(names) == len(set(names))
    assert {"actions/checkout", "azure/login", "azure/functions-action"} <= set(names)


def test_no_job_may_more_than_read_but_the_one_that_logs_in_to_azure() -> None:
    assert all(flow["permissions"] == {} for flow in WORKFLOWS.values())
    rights = {where: job["permissions"] for where, job in JOBS.items()}
    assert rights.pop(("deploy", "deploy")) == {"contents": "read", "id-token": "write"}
    assert all(right == {"contents": "read"} for right in rights.values())


def test_no_checkout_leaves_its_token_behind_and_no_secret_is_needed() -> None:
    checkouts = [step for _, step in STEPS if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] == "false" for step in checkouts)
    assert not any("secrets." in text for text in TEXTS.values())


def test_a_command_that_fails_in_a_pipe_fails_its_step() -> None:
    """https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax: pipefail where bash is named."""
    piped = [step["run"] for _, step in STEPS if re.search(r"[^|]\|[^|]", step.get("run", ""))]
    assert any("make test | tee" in text for text in piped)
    assert all(flow["defaults"] == {"run": {"shell": "bash"}} for flow in WORKFLOWS.values())
    assert not any("shell" in step for _, step in STEPS)
    assert not any("defaults" in job for job in JOBS.values())


def test_every_job_ends_by_itself_in_time() -> None:
    limits = {where: int(job["timeout-minutes"]) for where, job in JOBS.items() if "uses" not in job}
    assert max(limits.values()) <= 60


def test_ci_runs_on_every_supported_python_and_the_rest_is_there() -> None:
    jobs = WORKFLOWS["ci"]["jobs"]
    assert jobs["check"]["strategy"]["matrix"]["python"] == list(PYTHONS)
    assert jobs["check"]["steps"][-1]["run"] == "bash .ci/run"
    assert set(jobs) == {"check", "sqlserver", "console", "bicep", "workflows", "supply", "host"}


def test_whatever_a_step_calls_is_there() -> None:
    commands = "\n".join(step.get("run", "") for _, step in STEPS)
    assert set(re.findall(r"\bmake ([a-z]+)\b", commands)) <= TARGETS
    paths = set(re.findall(r"(?<![\w/.$])((?:\.ci|infra|tests)/[\w./-]+\w)", commands))
    assert {".ci/run", ".ci/smoke", ".ci/host", "infra/scripts/migrate.sh", "tests/test_browser.py"} <= paths
    assert all((ROOT / path).exists() for path in paths)
    modules = set(re.findall(r"-m (tests\.\w+)", commands))
    assert all((ROOT / f"{module.replace('.', '/')}.py").exists() for module in modules)


def test_azurite_and_the_database_are_the_same_as_on_a_laptop() -> None:
    assert f"azurite@{start.AZURITE}" in TEXTS["ci"]
    server = WORKFLOWS["ci"]["jobs"]["sqlserver"]["services"]["sqlserver"]["image"]
    assert server == yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]["sqlserver"]["image"]
    assert re.fullmatch(r"mcr\.microsoft\.com/mssql/server:2022-CU\d+-ubuntu-22\.04@sha256:[0-9a-f]{64}", server)


def test_a_deployment_migrates_as_the_deployer_then_deploys_then_looks() -> None:
    job = JOBS["deploy", "deploy"]
    order = [(step.get("uses", "").split("@")[0] or step["run"]) for step in job["steps"]]
    at = {
        what: n
        for n, text in enumerate(order)
        for what in ("login", "migrate.sh", "functions-action", ".ci/smoke")
        if what in text
    }
    assert list(at) == sorted(at, key=at.__getitem__) == ["login", "migrate.sh", "functions-action", ".ci/smoke"]
    assert job["needs"] == "ci"  # nothing that did not pass
    assert job["environment"] == "${{ inputs.environment || 'production' }}"  # its reviewers approve
    assert WORKFLOWS["deploy"]["concurrency"]["cancel-in-progress"] == "false"
    inputs = job["steps"][at["functions-action"]]["with"]
    assert (inputs["remote-build"], inputs["sku"], inputs["respect-funcignore"]) == ("true", "flexconsumption", "true")
    assert not inputs.keys() & {"publish-profile", "scm-do-build-during-deployment", "enable-oryx-build"}


def test_a_deployment_names_each_variable_that_its_environment_lacks(tmp_path: Path) -> None:
    job = JOBS["deploy", "deploy"]
    text = job["steps"][0]["run"]
    names = dict.fromkeys(job["env"], "x")
    used = set(re.findall(r"vars\.(\w+)", TEXTS["deploy"])) - {"DEPLOY_RUNNER"}
    assert used == set(names)
    for lacking in ([], ["SQL_DATABASE"], ["AZURE_CLIENT_ID", "SQL_DATABASE"]):
        env = {"PATH": os.environ["PATH"], **names, **dict.fromkeys(lacking, "")}
        done = subprocess.run(
            [tool("bash"), "-eo", "pipefail", "-c", text], env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == bool(lacking)
        assert re.findall(r"variable (\w+)", done.stdout) == lacking


# --- the scripts that the workflows run ---------------------------------------------------------------------------

STATUS: dict[str, Any] = dict.fromkeys(("held", "parked", "failed", "unconfirmed"), 0) | {
    "jobs": {"ingest": {}, "update": {}}
}
AZ = """#!/bin/sh
echo "$*" >>"$AZ_LOG"
named="--name hr-app --resource-group rg --query"
case "$*" in
"functionapp show $named defaultHostName || properties.defaultHostName --output tsv") echo "$AZ_HOST" ;;
"functionapp keys list $named functionKeys.default --output tsv") echo "$AZ_KEY" ;;
*) exit 9 ;;
esac
"""


class App:
    """Answers GET /api/status to whoever shows the key: as often as told with an error, then with the status."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, str]] = []
        self.last = (200, json.dumps({**STATUS, "failed_people": [{"employee_id": "E-MARKER"}]}))
        self.asked: list[str] = []


@pytest.fixture
def app() -> Iterator[tuple[App, str]]:
    told = App()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.asked.append(self.path)
            status, body = told.answers.pop(0) if told.answers else told.last
            if self.headers["x-functions-key"] != KEY:
                status, body = 401, ""
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield told, f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def smoke(tmp_path: Path, app: tuple[App, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`.ci/smoke` before a stub of az and a real HTTP server; curl is wrapped, to see its arguments."""
    for name, text in {"az": AZ, "curl": '#!/bin/sh\necho "$*" >>"$CURL_LOG"\nexec "$CURL" "$@"\n'}.items():
        (tmp_path / name).write_text(text, "utf-8")
        (tmp_path / name).chmod(0o755)
    env = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "CURL": shutil.which("curl") or pytest.skip("curl is not installed"),
        **{"AZ_LOG": f"{tmp_path}/az.log", "CURL_LOG": f"{tmp_path}/curl.log", "AZ_HOST": app[1], "AZ_KEY": KEY},
        **{"SMOKE_TRIES": "3", "SMOKE_DELAY": "0"},
    }

    def run(*args: str, **changed: str) -> subprocess.CompletedProcess[str]:
        command = ["bash", str(ROOT / ".ci" / "smoke"), *(args or ("hr-app", "rg"))]
        done = subprocess.run(command, env={**env, **changed}, capture_output=True, text=True, check=False)
        logs = "".join(path.read_text("utf-8") for path in tmp_path.glob("*.log"))
        assert KEY not in done.stdout + done.stderr + logs  # arguments are seen by everybody on a machine
        return done

    return run


def test_the_smoke_test_asks_for_the_status_with_a_key_that_nobody_sees(
    smoke: Callable[..., Any], app: tuple[App, str]
) -> None:
    done = smoke()
    assert (done.returncode, done.stderr) == (0, "")
    assert app[0].asked == ["/api/status"]
    assert done.stdout == (
        "smoke: the app answers: held 0, parked 0, failed 0, unconfirmed 0; has run: ingest, update\n"
    )  # and not whom


def test_the_smoke_test_waits_for_a_new_version_to_be_there(smoke: Callable[..., Any], app: tuple[App, str]) -> None:
    app[0].answers = [(404, ""), (503, "{}")]
    assert smoke().returncode == 0
    assert len(app[0].asked) == 3


@pytest.mark.parametrize(
    ("answer", "changed", "told"),
    [
        ((200, "<html>"), {}, "something else than a status"),
        ((500, "{}"), {}, "does not answer as it should"),
        ((200, ""), {"AZ_HOST": ""}, "has no host name"),
        ((200, ""), {"AZ_KEY": ""}, "Website Contributor"),
    ],
)
def test_the_smoke_test_fails_with_what_may_be_wrong(
    smoke: Callable[..., Any], app: tuple[App, str], answer: tuple[int, str], changed: dict[str, str], told: str
) -> None:
    app[0].last = answer
    done = smoke(**changed)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("args", [("hr-app",), ("a", "b", "c")])
def test_the_smoke_test_says_how_it_is_called(smoke: Callable[..., Any], args: tuple[str, ...]) -> None:
    done = smoke(*args)
    assert done.returncode == 2
    assert done.stderr == "usage: .ci/smoke [--dry-run] APP RESOURCE_GROUP\n"


def test_a_dry_run_of_the_smoke_test_calls_nothing(
    smoke: Callable[..., Any], app: tuple[App, str], tmp_path: Path
) -> None:
    done = smoke("--dry-run", "hr-app", "rg")
    assert done.returncode == 0
    assert "az functionapp keys list --name hr-app --resource-group rg" in done.stdout
    assert app[0].asked == []
    assert not list(tmp_path.glob("*.log"))


def test_the_counts_that_the_smoke_test_tells_are_those_of_the_status() -> None:
    described = json.loads((ROOT / "provisioning" / "openapi.json").read_text("utf-8"))
    text = json.dumps(described["paths"]["/api/status"]) + json.dumps(described.get("components", {}))
    assert all(f'"{name}"' in text for name in STATUS)


def host(folder: Folder, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:  # noqa: F811
    (folder.path / "local.settings.json").write_text(json.dumps({"Values": folder.values}), "utf-8")
    env = {"PATH": f"{folder.programs}:/usr/bin:/bin", "PORT": str(folder.host), "PYTHON": sys.executable, **environ}
    command = ["bash", str(ROOT / ".ci" / "host"), *options]
    return subprocess.run(command, cwd=folder.path, env=env, capture_output=True, text=True, check=False, timeout=100)


def test_the_check_of_the_real_host_calls_a_timer_and_ends_all(folder: Folder) -> None:  # noqa: F811
    folder.add("func", "azurite")
    done = host(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "host: the timer ran, and all has ended\n" in done.stdout
    assert folder.answering() == set()
    assert folder.told("func")["args"] == ["start", "--port", str(folder.host)]


def test_the_check_of_the_real_host_fails_where_the_host_does(folder: Folder) -> None:  # noqa: F811
    folder.add("func", "azurite")
    done = host(folder, STUB_FUNC="fails")
    assert done.returncode == 1
    assert "host: waited in vain for: ready" in done.stderr
    assert "func has ended with 3" in done.stdout  # the log of it is shown
    assert folder.answering() == set()


def test_a_dry_run_of_that_check_starts_nothing(folder: Folder) -> None:  # noqa: F811
    done = host(folder, "--dry-run")
    assert done.returncode == 0
    assert f"http://127.0.0.1:{folder.host}/admin/functions/ingest_employees" in done.stdout
    assert folder.answering() == set()


# --- what keeps it up to date -------------------------------------------------------------------------------------


def test_dependabot_looks_weekly_at_python_actions_and_images_and_waits_a_week() -> None:
    told = yaml.safe_load((GITHUB / "dependabot.yml").read_text("utf-8"))["updates"]
    assert {update["package-ecosystem"] for update in told} == {"uv", "github-actions", "docker-compose"}
    assert all(update["schedule"]["interval"] == "weekly" for update in told)
    assert all(update["cooldown"]["default-days"] >= 7 for update in told)
    ignored = {rule["dependency-name"] for update in told for rule in update.get("ignore", ())}
    assert ignored == set(
        re.findall(r"^([a-z-]+)==", (ROOT / "requirements-worker.in").read_text("utf-8"), re.MULTILINE)
    )


# --- the pages ----------------------------------------------------------------------------------------------------

PIPELINE = (ROOT / "docs" / "pipeline.md").read_text("utf-8")
SECURITY = (ROOT / "SECURITY.md").read_text("utf-8")


def rows(text: str, title: str) -> list[list[str]]:
    """The cells of the table whose first column is called so."""
    table = text.partition(f"| {title} |")[2].partition("| ---")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip().strip("|").split(" | ")] for line in table.splitlines()[1:]]


def test_the_page_tells_every_job_every_variable_and_every_lock() -> None:
    assert [row[0] for row in rows(PIPELINE, "job")] == list(WORKFLOWS["ci"]["jobs"])
    variables = {name for row in rows(PIPELINE, "variable") for name in re.findall(r"`(\w+)`", row[0])}
    assert variables == set(JOBS["deploy", "deploy"]["env"])
    provisioned = re.findall(r"^output (\w+) ", (ROOT / "infra" / "main.bicep").read_text("utf-8"), re.MULTILINE)
    assert variables - set(provisioned) == {"AZURE_CLIENT_ID", "AZURE_SUBSCRIPTION_ID"}
    assert set(re.findall(r"`(requirements[\w-]*\.in)`", PIPELINE)) == {p.name for p in ROOT.glob("requirements*.in")}
    targets = set(re.findall(r"`make ([a-z]+)", PIPELINE))
    assert {"lock", "audit", "sbom", "check"} <= targets <= TARGETS


def test_the_subject_of_the_federated_credential_is_that_of_the_environment() -> None:
    (environment,) = re.findall(r"--subject repo:OWNER/REPOSITORY:environment:(\w+)", PIPELINE)
    assert environment in WORKFLOWS["deploy"]["on"]["workflow_dispatch"]["inputs"]["environment"]["options"]


def test_security_tells_of_every_role_and_of_every_table_what_it_keeps() -> None:
    asked_for = [rights.UPLOAD_ROLE, *rights.READING_ROLES, rights.USERS_ROLE, rights.LIFECYCLE_ROLE]
    assert [row[0].split("`")[1] for row in rows(SECURITY, "role")] == asked_for
    tables = [name for row in rows(SECURITY, "table") for name in re.findall(r"`([\w.]+)`", row[0])]
    assert sorted(tables) == sorted(TABLES)
    granted = set(re.findall(r"CREATE ROLE (\w+)", (ROOT / "sql" / "grants.sql").read_text("utf-8")))
    assert granted <= set(re.findall(r"`(\w+)`", SECURITY))


@pytest.mark.parametrize("name", ["SECURITY.md", "docs/pipeline.md"])
def test_the_files_that_the_pages_link_to_exist(name: str) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)", (ROOT / name).read_text("utf-8")) if "://" not in link]
    assert links
    assert all(((ROOT / name).parent / link).exists() for link in links)
