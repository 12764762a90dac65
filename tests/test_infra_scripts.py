"""The scripts of infra/, run for real against stand-ins of az, sqlcmd and Python that take only what is expected.

What the real programs take was looked up in their own sources and help; that they do it is not tried here.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from provisioning import rights
from tests import bicep

ROOT = Path(__file__).parent.parent
SCRIPTS = ROOT / "infra" / "scripts"
RUNNABLE = ("postprovision", "migrate", "database-user", "graph-roles")

PRINCIPAL, CLIENT = "11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-aaaaaaaaaaaa"
GRAPH_ID = "bbbbbbbb-cccc-dddd-eeee-ffffffffffff"
ROLE_IDS = {
    rights.UPLOAD_ROLE: "00000000-0000-0000-0000-000000000001",
    rights.LOGS_ROLE: "00000000-0000-0000-0000-000000000002",
    rights.JOB_ROLE: "00000000-0000-0000-0000-000000000003",
    rights.USERS_ROLE: "00000000-0000-0000-0000-000000000004",
}
AZD = {
    "AZURE_RESOURCE_GROUP": "rg-hr-to-entra-test",
    "SQL_SERVER_NAME": "sql-hr-abc",
    "SQL_SERVER_ADDRESS": "sql-hr-abc.database.example",
    "SQL_DATABASE": "hr",
    "APP_IDENTITY_NAME": "id-hr-to-entra-abc",
    "APP_IDENTITY_CLIENT_ID": CLIENT,
    "APP_IDENTITY_PRINCIPAL_ID": PRINCIPAL,
}
"""What the deployment leaves in the environment."""

STAND_IN = """#!{python}
import json, os, sys
plan = json.loads(open({plan!r}, encoding="utf-8").read())
done = open({done!r}, "a+", encoding="utf-8")
done.seek(0)
n = len(done.read().splitlines())
call = [{name!r}, *sys.argv[1:]]
done.write(json.dumps({{"call": call, "environ": dict(os.environ)}}) + "\\n")
if n >= len(plan) or plan[n]["call"] != call:
    sys.stderr.write("not expected: " + json.dumps(call))
    sys.exit(97)
sys.stdout.write(plan[n]["answer"])
sys.exit(plan[n]["code"])
"""


@dataclass(frozen=True)
class Call:
    """A call that is expected, and what it is answered."""

    call: list[str]
    answer: str = ""
    code: int = 0


@dataclass(frozen=True)
class Done:
    """What a script did: how it ended, what it said, and what it called in which environment."""

    code: int
    out: str
    err: str
    calls: list[list[str]]
    environs: list[dict[str, str]] = field(default_factory=list)


Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a script with stand-ins that know these calls, in this order, and no other program but the plain ones."""

    def started(script: str, *options: str, expected: Sequence[Call] = (), **environ: str) -> Done:
        tools, plan, done = tmp_path / "bin", tmp_path / "plan.json", tmp_path / "done.jsonl"
        tools.mkdir(exist_ok=True)
        done.unlink(missing_ok=True)
        plan.write_text(json.dumps([vars(call) for call in expected]), "utf-8")
        for name in ("az", "sqlcmd", "python-stub"):
            text = STAND_IN.format(python=sys.executable, plan=str(plan), done=str(done), name=name)
            (tools / name).write_text(text, "utf-8")
            (tools / name).chmod(0o755)
        environment = {"PATH": f"{tools}:/usr/bin:/bin", "PYTHON": str(tools / "python-stub"), **environ}
        command = [str(SCRIPTS / f"{script}.sh"), *options]
        ended = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
        )
        lines = [json.loads(line) for line in done.read_text("utf-8").splitlines()] if done.exists() else []
        calls, environs = [line["call"] for line in lines], [line["environ"] for line in lines]
        return Done(ended.returncode, ended.stdout, ended.stderr, calls, environs)

    return started


def firewall(action: str, address: str = "203.0.113.7", code: int = 0) -> Call:
    words = ["az", "sql", "server", "firewall-rule", action, "--resource-group", "rg-hr-to-entra-test"]
    words += ["--server", "sql-hr-abc", "--name", "deployment-by-hand"]
    if action == "create":
        words += ["--start-ip-address", address, "--end-ip-address", address]
    return Call([*words, "--output", "none"], code=code)


MIGRATE = Call(["python-stub", "-m", "provisioning", "migrate"], "{}\n")
VERSION = Call(["sqlcmd", "--version"], "v1.8.0\n")
USER = Call(
    [
        *("sqlcmd", "-S", "tcp:sql-hr-abc.database.example,1433", "-d", "hr"),
        *("--authentication-method", "ActiveDirectoryDefault", "-N", "true", "-l", "120", "-b"),
        *("-i", "infra/scripts/database-user.sql"),
        *("-v", "AppIdentityName=id-hr-to-entra-abc", "-v", f"AppIdentityClientId={CLIENT}"),
    ],
)


def expected(calls: Sequence[Call]) -> list[list[str]]:
    return [call.call for call in calls]


def would_run(out: str) -> list[list[str]]:
    """The commands that --dry-run tells, as they could be typed."""
    return [re.findall(r"'([^']*)'", line) for line in out.splitlines() if line.startswith("would run:")]


# ------------------------------------------------------------------------------------------------------------ database


def test_the_database_is_migrated_as_whoever_is_signed_in_without_any_credentials(run: Run) -> None:
    done = run("migrate", expected=[MIGRATE], AZURE_CLIENT_ID=CLIENT, **AZD)
    assert done.code == 0, done.err
    assert done.calls == [MIGRATE.call]
    (environ,) = done.environs
    assert environ["SQL_CONNECTION_STRING"] == "Server=tcp:sql-hr-abc.database.example,1433;Database=hr;Encrypt=yes"
    assert "AZURE_CLIENT_ID" not in environ  # else azure-identity would look for the app's identity


def test_the_hook_migrates_with_what_azd_hands_over_though_hrs_password_is_in_the_vault_only(
    run: Run, tmp_path: Path
) -> None:
    """The real command line, on the embedded database: the settings of docs/deploy.md must be no hindrance to it."""
    source = (ROOT / "local.settings.example.json").read_text("utf-8")
    handed_over = {"HR_SOURCE": json.loads(source)["Values"]["HR_SOURCE"], "HR_SECRET_NAMES": "HR_PASSWORD"}
    assert "$HR_PASSWORD" in handed_over["HR_SOURCE"]
    done = run("migrate", expected=[MIGRATE], **handed_over, **AZD)
    (environ,) = done.environs
    environ = environ | {"SQL_CONNECTION_STRING": f"sqlite:///{tmp_path}/hr.db"}
    command = [sys.executable, *MIGRATE.call[1:]]
    migrated = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert migrated.returncode == 0, migrated.stderr


def test_the_firewall_is_open_for_as_long_as_the_script_runs_and_no_longer(run: Run) -> None:
    calls = [firewall("create"), MIGRATE, firewall("delete")]
    done = run("migrate", expected=calls, DEPLOYER_IP_ADDRESS="203.0.113.7", **AZD)
    assert (done.code, done.calls) == (0, expected(calls))


def test_the_firewall_closes_where_the_migration_fails_and_the_failure_is_told(run: Run) -> None:
    calls = [firewall("create"), Call(MIGRATE.call, code=1), firewall("delete")]
    done = run("migrate", expected=calls, DEPLOYER_IP_ADDRESS="203.0.113.7", **AZD)
    assert (done.code, done.calls) == (1, expected(calls))


def test_a_firewall_rule_that_stays_is_told(run: Run) -> None:
    calls = [firewall("create"), MIGRATE, firewall("delete", code=1)]
    done = run("migrate", expected=calls, DEPLOYER_IP_ADDRESS="203.0.113.7", **AZD)
    assert "deployment-by-hand could not be removed" in done.err


def test_where_the_firewall_cannot_be_opened_nothing_else_is_tried(run: Run) -> None:
    calls = [firewall("create", code=3), firewall("delete")]
    done = run("database-user", expected=[VERSION, *calls], DEPLOYER_IP_ADDRESS="203.0.113.7", **AZD)
    assert (done.code, done.calls) == (3, expected([VERSION, *calls]))


def test_the_apps_user_is_made_by_name_and_client_id(run: Run) -> None:
    done = run("database-user", expected=[VERSION, USER], **AZD)
    assert (done.code, done.calls) == (0, expected([VERSION, USER])), done.err


def test_the_old_sqlcmd_is_refused_with_the_address_of_the_new(run: Run) -> None:
    done = run("database-user", expected=[Call(VERSION.call, code=1)], **AZD)
    assert (done.code, done.calls) == (2, [VERSION.call])
    assert "https://aka.ms/go-sqlcmd" in done.err


@pytest.mark.parametrize(
    ("script", "name", "value"),
    [
        ("database-user", "APP_IDENTITY_NAME", "x'; DROP TABLE dbo.Employees; --"),
        ("database-user", "APP_IDENTITY_NAME", "good-name\nDROP TABLE dbo.Employees"),
        ("database-user", "APP_IDENTITY_CLIENT_ID", "not-a-guid"),
        ("database-user", "SQL_DATABASE", "hr;Uid=sa"),
        ("database-user", "SQL_SERVER_ADDRESS", "server;Uid=sa"),
        ("migrate", "SQL_DATABASE", "hr;Uid=sa;Pwd=x"),
        ("migrate", "SQL_SERVER_ADDRESS", "server,1433;Pwd=x"),
        ("migrate", "DEPLOYER_IP_ADDRESS", "0.0.0.0/0"),
        ("graph-roles", "APP_IDENTITY_PRINCIPAL_ID", "x' or '1' eq '1"),
    ],
)
def test_what_would_go_into_sql_or_an_address_is_refused_unless_it_looks_right(
    run: Run, script: str, name: str, value: str
) -> None:
    done = run(script, expected=[VERSION], **(AZD | {name: value}))
    assert done.code == 2
    assert f"{name} is not " in done.err
    assert not [call for call in done.calls if call != VERSION.call]


SQL = (SCRIPTS / "database-user.sql").read_text("utf-8")


def test_the_sql_gives_the_apps_role_and_nothing_else() -> None:
    given = set(re.findall(r"ALTER ROLE (\w+) ADD MEMBER", SQL))
    assert given == {rights.APP_ROLE}
    assert not re.search(r"\b(GRANT|db_owner|db_data\w+|sp_addrolemember|CONTROL)\b", SQL)
    assert set(re.findall(r"\$\((\w+)\)", SQL)) == {"AppIdentityName", "AppIdentityClientId"}


def test_the_sql_fails_where_the_app_could_do_more() -> None:
    checked = SQL[SQL.index("COMMIT TRANSACTION") :]
    assert "sys.database_role_members" in checked
    assert "sys.database_permissions" in checked
    assert "THROW 50002" in checked


# --------------------------------------------------------------------------------------------------------- Graph roles

GRAPH = "00000003-0000-0000-c000-000000000000"
ASSIGNMENTS = f"https://graph.microsoft.com/v1.0/servicePrincipals/{PRINCIPAL}/appRoleAssignments"
FIND_GRAPH = Call(["az", "ad", "sp", "show", "--id", GRAPH, "--query", "id", "--output", "tsv"], GRAPH_ID + "\n")


def held(*roles: str) -> Call:
    words = ["az", "rest", "--method", "GET", "--url", ASSIGNMENTS, "--query", "value[].appRoleId", "--output", "tsv"]
    return Call(words, "".join(f"{ROLE_IDS[role]}\n" for role in roles))


def find(role: str) -> Call:
    query = f"appRoles[?value=='{role}'].id | [0]"
    return Call(["az", "ad", "sp", "show", "--id", GRAPH, "--query", query, "--output", "tsv"], ROLE_IDS[role] + "\n")


def grant(role: str) -> Call:
    body = {"principalId": PRINCIPAL, "resourceId": GRAPH_ID, "appRoleId": ROLE_IDS[role]}
    words = ["az", "rest", "--method", "POST", "--url", ASSIGNMENTS, "--headers", "Content-Type=application/json"]
    return Call([*words, "--output", "none", "--body", json.dumps(body)])


def test_the_app_gets_the_roles_that_its_code_knows_and_no_others(run: Run) -> None:
    calls = [FIND_GRAPH, held()]
    for role in (rights.UPLOAD_ROLE, *rights.READING_ROLES):
        calls += [find(role), grant(role)]
    done = run("graph-roles", expected=calls, **AZD)
    assert (done.code, done.calls) == (0, expected(calls)), done.err


def test_what_is_granted_already_is_left_alone(run: Run) -> None:
    calls = [FIND_GRAPH, held(rights.UPLOAD_ROLE, rights.JOB_ROLE)]
    calls += [find(rights.UPLOAD_ROLE), find(rights.LOGS_ROLE), grant(rights.LOGS_ROLE), find(rights.JOB_ROLE)]
    done = run("graph-roles", expected=calls, **AZD)
    assert (done.code, done.calls) == (0, expected(calls)), done.err
    assert f"{rights.JOB_ROLE}: granted already." in done.err


def test_roles_for_reading_can_be_left_out(run: Run) -> None:
    calls = [FIND_GRAPH, held(), find(rights.UPLOAD_ROLE), grant(rights.UPLOAD_ROLE)]
    done = run("graph-roles", expected=calls, READ_PROVISIONING_LOGS="false", READ_PROVISIONING_JOB="false", **AZD)
    assert (done.code, done.calls) == (0, expected(calls)), done.err


def test_the_directory_may_be_read_where_it_is_compared(run: Run) -> None:
    calls = [FIND_GRAPH, held(rights.UPLOAD_ROLE, *rights.READING_ROLES)]
    calls += [find(role) for role in (rights.UPLOAD_ROLE, *rights.READING_ROLES, rights.USERS_ROLE)]
    calls += [grant(rights.USERS_ROLE)]
    done = run("graph-roles", expected=calls, COMPARE_SCHEDULE="0 30 5 * * *", **AZD)
    assert (done.code, done.calls) == (0, expected(calls)), done.err


@pytest.mark.parametrize("answer", ["", "\n", "None\n"])
def test_without_a_sign_in_nothing_is_granted(run: Run, answer: str) -> None:
    done = run("graph-roles", expected=[Call(FIND_GRAPH.call, answer)], **AZD)
    assert (done.code, done.calls) == (2, [FIND_GRAPH.call])
    assert "az login" in done.err


def test_a_role_that_the_tenant_does_not_know_is_named(run: Run) -> None:
    calls = [FIND_GRAPH, held(), Call(find(rights.UPLOAD_ROLE).call, "\n")]
    done = run("graph-roles", expected=calls, **AZD)
    assert done.code == 2
    assert rights.UPLOAD_ROLE in done.err


def test_the_script_grants_what_the_bicep_module_would() -> None:
    text = (SCRIPTS / "graph-roles.sh").read_text("utf-8")
    main = bicep.parse((ROOT / "infra" / "main.bicep").read_text("utf-8"))
    body = bicep.settled(main.section("modules")["graphRoles"]["config"])
    by_bicep = {s for s in bicep.strings(body["params"]["roleNames"]) if "." in s}
    assert set(re.findall(r"\b[A-Z][\w-]+\.[A-Z]\w+(?:\.All)?\b", text)) == by_bicep


# ------------------------------------------------------------------------------------------------------------ all four


def test_after_provisioning_comes_the_database_then_what_is_left_to_people(run: Run) -> None:
    done = run("postprovision", expected=[MIGRATE, VERSION, USER], **AZD)
    assert (done.code, done.calls) == (0, expected([MIGRATE, VERSION, USER])), done.err
    assert "graph-roles.sh" in done.err
    assert "GRAPH_BULK_UPLOAD_URL is not set" in done.err


def test_nothing_is_left_to_people_where_all_is_done(run: Run) -> None:
    done = run(
        "postprovision",
        expected=[MIGRATE, VERSION, USER],
        GRAPH_ROLES_GRANTED="true",
        GRAPH_BULK_UPLOAD_URL="https://graph.microsoft.com/v1.0/x",
        **AZD,
    )
    assert done.code == 0
    assert "Graph" not in done.err
    assert "GRAPH" not in done.err


def test_a_failed_migration_ends_the_deployment_before_the_user_is_made(run: Run) -> None:
    done = run("postprovision", expected=[Call(MIGRATE.call, code=1)], **AZD)
    assert (done.code, done.calls) == (1, [MIGRATE.call])


def test_who_does_not_reach_the_database_is_told_what_somebody_else_runs(run: Run) -> None:
    done = run("postprovision", SKIP_DATABASE="true", **AZD)
    assert (done.code, done.calls) == (0, [])
    assert "migrate.sh" in done.err
    assert "database-user.sh" in done.err


READING = [FIND_GRAPH, held(), *(find(role) for role in (rights.UPLOAD_ROLE, *rights.READING_ROLES))]
CHANGING: dict[str, tuple[list[Call], list[Call]]] = {
    "migrate": ([], [firewall("create"), MIGRATE, firewall("delete")]),
    "database-user": ([VERSION], [firewall("create"), USER, firewall("delete")]),
    "postprovision": (
        [VERSION],
        [firewall("create"), MIGRATE, firewall("delete"), firewall("create"), USER, firewall("delete")],
    ),
    "graph-roles": (READING, [grant(role) for role in (rights.UPLOAD_ROLE, *rights.READING_ROLES)]),
}
"""What a script reads with --dry-run, and what it then tells instead of doing it."""


@pytest.mark.parametrize("script", RUNNABLE)
def test_a_dry_run_tells_each_command_that_would_change_something_and_runs_none(
    run: Run, script: str, tmp_path: Path
) -> None:
    reading, changing = CHANGING[script]
    done = run(script, "--dry-run", expected=reading, DEPLOYER_IP_ADDRESS="203.0.113.7", **AZD)
    assert (done.code, done.calls) == (0, expected(reading)), done.err
    python = str(tmp_path / "bin" / "python-stub")
    assert would_run(done.out) == [[w if w != "python-stub" else python for w in c.call] for c in changing]


@pytest.mark.parametrize("script", RUNNABLE)
def test_what_is_lacking_is_named_all_at_once_with_the_mend(run: Run, script: str) -> None:
    done = run(script)
    assert (done.code, done.calls) == (2, [])
    assert "azd env get-values" in done.err
    needed = re.search(r"(?m)^need ([A-Z_ ]+)$", (SCRIPTS / f"{script}.sh").read_text("utf-8"))
    for name in needed[1].split() if needed else ("SQL_SERVER_ADDRESS", "SQL_DATABASE"):
        assert name in done.err


@pytest.mark.parametrize("script", RUNNABLE)
def test_an_unknown_option_is_refused_and_help_tells_how_it_is_used(run: Run, script: str) -> None:
    wrong = run(script, "--dryrun", **AZD)
    assert (wrong.code, wrong.calls) == (2, [])
    assert "--dryrun" in wrong.err
    helped = run(script, "--help")
    assert (helped.code, helped.calls) == (0, [])
    assert helped.out.startswith(f"Usage: infra/scripts/{script}.sh [--dry-run]\n")


def test_every_script_is_tried_here_and_can_be_run() -> None:
    found = {path.stem for path in SCRIPTS.glob("*.sh") if path.read_text("utf-8").startswith("#!")}
    assert found == set(RUNNABLE)
    assert all(os.access(SCRIPTS / f"{name}.sh", os.X_OK) for name in RUNNABLE)


@pytest.mark.skipif(
    shutil.which("shellcheck") is None, reason="shellcheck is not installed (apt-get install shellcheck)"
)
def test_shellcheck_finds_nothing() -> None:
    files = sorted(map(str, SCRIPTS.glob("*.sh")))
    done = subprocess.run(["shellcheck", "-x", *files], capture_output=True, text=True, timeout=60, check=False)  # noqa: S607
    assert done.returncode == 0, done.stdout


def test_a_stand_in_refuses_a_call_that_is_not_expected(run: Run) -> None:
    done = run("migrate", expected=[Call([*MIGRATE.call, "--sample"])], **AZD)
    assert done.code == 97
    assert "not expected" in done.err
