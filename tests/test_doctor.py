"""The doctor: against a healthy set-up all is ok; each planted fault is named, and nothing else."""

import base64
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from provisioning import __main__ as command_line
from provisioning import aftermath, database, doctor, jobs, migration, rights, runs
from provisioning.database import Database
from provisioning.doctor import CHECKS, Finding, State
from provisioning.graph import Graph
from provisioning.pacing import Clock
from provisioning.settings import BulkUpload, Settings
from tests import canary as canaries
from tests.canary import MARKER, Canary
from tests.clock import MovedClock
from tests.conftest import NAMED, PASSWORD, environment
from tests.emulators import people
from tests.emulators.graph import JOB_ROLE, LOGS_ROLE, UPLOAD_ROLE, GraphEmulator
from tests.emulators.hr import HrEmulator
from tests.emulators.webhook import WebhookEmulator

NEEDED = (UPLOAD_ROLE, LOGS_ROLE, JOB_ROLE)
ATTRIBUTES = 20
"""What the shipped mapping sends."""


def jwt(**claims: Any) -> str:
    """A token as Entra makes them, with nothing for a signature: nobody here verifies it."""
    parts = ({"alg": "RS256", "typ": "JWT"}, {"aud": "https://graph.microsoft.com", **claims})
    head, body = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return f"{head}.{body}.c2ln"


class Setup:
    """A whole set-up that works: HR, a database with people who were sent, and an app that takes a token."""

    def __init__(self, environ: dict[str, str], hr: HrEmulator, graph: GraphEmulator) -> None:
        self.environ, self.hr, self.graph = environ, hr, graph
        self.clock: Clock = Clock()
        self.connect: Callable[[str, Clock], Database] = database.connect
        self.claims: dict[str, Any] = {"roles": list(NEEDED)}

    @property
    def string(self) -> str:
        return self.environ["SQL_CONNECTION_STRING"]

    def give(self, *roles: str) -> None:
        """Let the app have these roles: its token says so, and Graph goes by it."""
        self.claims = {"roles": list(roles)}
        self.graph.roles = set(roles)

    def execute(self, sql: str, *parameters: Any) -> None:
        with database.connect(self.string) as db:
            db.execute(sql, parameters)

    def findings(self) -> dict[str, Finding]:
        token = self.graph.token = jwt(**self.claims)

        def open_graph(endpoint: BulkUpload) -> Graph:
            return Graph(replace(endpoint, host="graph.microsoft.com"), lambda: lambda: token)

        found = doctor.examine(self.environ, clock=self.clock, open_graph=open_graph, connect=self.connect)
        assert [f.check for f in found] == list(CHECKS)
        return {f.check: f for f in found}

    def fault(self) -> Finding:
        """The one check that says something; all others are ok, or not checked because of it."""
        found = self.findings()
        told = [f for f in found.values() if f.state in (State.WARNING, State.FAILED)]
        assert len(told) == 1, told
        waiting = [f for f in found.values() if f.state is State.NOT_CHECKED]
        assert all(f.told[0].startswith("see ") for f in waiting)
        assert doctor.exit_code(found.values()) == (told[0].state is State.FAILED)
        return told[0]

    def unchecked(self) -> set[str]:
        return {f.check for f in self.findings().values() if f.state is State.NOT_CHECKED}


@pytest.fixture
def setup(sqlite_string: str, graph: GraphEmulator) -> Iterator[Setup]:
    staff = people.invent(60, today=datetime.now(UTC).date())
    with HrEmulator(staff, {"basic": ("svc", PASSWORD)}) as hr:
        environ = environment(sqlite_string, hr.url, graph.upload_url)
        settings = Settings.from_environ(environ)
        jobs.ingest(settings)
        jobs.create(settings, NAMED)
        yield Setup(environ, hr, graph)


def test_a_healthy_set_up_is_all_ok(setup: Setup) -> None:
    found = setup.findings()
    assert {f.check: f.told for f in found.values() if f.state is not State.OK} == {}
    assert found["attributes"].told == (f"the app knows all {ATTRIBUTES}",)
    assert found["hr"].told == ("40 records of Employees on the first page",)
    assert found["matching"].told == ("by externalId → employeeId",)
    assert found["clock"].told == ("this machine and Graph agree",)
    assert doctor.exit_code(found.values()) == 0


def test_it_looks_and_changes_nothing(setup: Setup, graph: GraphEmulator) -> None:
    def everything() -> list[Any]:
        with database.connect(setup.string) as db:
            names = [
                str(r[0]) for r in db.select("SELECT name FROM provisioning.sqlite_master WHERE type='table'", (), "")
            ]
            return [list(db.select(f"SELECT * FROM provisioning.{n} ORDER BY 1, 2", (), n)) for n in names]

    before, calls = everything(), len(graph.calls)
    setup.findings()
    assert (everything(), len(graph.calls)) == (before, calls)


def test_names_that_the_mapping_does_not_read_are_told(setup: Setup) -> None:
    setup.environ["USER_NAME_PATTERNS"] = "{given}.{family}"
    assert setup.findings()["mapping"].state is State.OK
    with database.connect(setup.string) as db:
        (text,) = (str(row[0]) for row in db.rows("mapping_definition", "ScimUsers"))
        db.execute("DROP VIEW dbo.ScimUsers")
        plain = text.split("LEFT JOIN")[0].replace("COALESCE(u.UserName, e.EmployeeId)", "e.EmployeeId")
        db.execute(plain.replace("VIEW ", "VIEW dbo.", 1).replace("u.FormerUserName", "NULL"))
    found = setup.findings()["mapping"]
    assert (found.state, found.told) == (
        State.WARNING,
        ("USER_NAME_PATTERNS is set, but dbo.ScimUsers does not read dbo.UserNames: nobody new would be sent",),
    )


# --- the planted faults -------------------------------------------------------------------------------------------


def test_a_missing_setting(setup: Setup) -> None:
    del setup.environ["GRAPH_BULK_UPLOAD_URL"]
    fault = setup.fault()
    assert (fault.check, fault.state, fault.told) == (
        "settings",
        State.FAILED,
        ("GRAPH_BULK_UPLOAD_URL: is missing.",),
    )
    assert setup.unchecked() == {"token", "roles", "job", "attributes", "matching", "notices", "clock", "ledger"}


@pytest.mark.parametrize(("url", "told"), [("", "is not set: no phone rings"), ("{phone}/services/T/B/x", "is set")])
def test_it_says_whether_a_phone_rings_and_does_not_ring(setup: Setup, url: str, told: str) -> None:
    with WebhookEmulator() as phone:
        setup.environ["ALERT_WEBHOOK_URL"] = url.format(phone=phone.url)
        found = setup.findings()["settings"]
        assert (found.state, found.told) == (State.OK, (f"every setting can be read; ALERT_WEBHOOK_URL {told}",))
        assert phone.asked == 0


def test_a_malformed_webhook_is_named_and_not_shown(setup: Setup) -> None:
    setup.environ["ALERT_WEBHOOK_URL"] = "http://hooks.slack.com/services/s3cret"
    fault = setup.fault()
    assert fault.told == ("ALERT_WEBHOOK_URL: must be https://; plain http:// is allowed on loopback only.",)
    assert setup.unchecked() == set()


def test_every_wrong_setting_is_named_and_what_is_right_is_checked(setup: Setup) -> None:
    setup.environ |= {"TIME_ZONE": "Mars", "MAX_SHRINK": "much", "HR_SOURCE": "{}", "SCIM_EXTENSIONS": "[]"}
    fault = setup.fault()
    assert {told.split(":")[0].split(" ")[0] for told in fault.told} == {
        *("TIME_ZONE", "MAX_SHRINK", "HR_SOURCE", "SCIM_EXTENSIONS"),
    }
    assert setup.unchecked() == {"hr", "columns", "mapping", "attributes"}


def test_without_any_setting_it_still_answers(setup: Setup) -> None:
    setup.environ.clear()
    assert setup.fault().check == "settings"
    assert set(CHECKS) - setup.unchecked() == {"settings", "hr"}


def test_a_database_that_was_never_migrated(setup: Setup, tmp_path: Path) -> None:
    setup.environ["SQL_CONNECTION_STRING"] = f"sqlite:///{tmp_path}/empty.db"
    fault = setup.fault()
    assert (fault.check, fault.told, fault.mend) == (
        "migrated",
        ("the database is empty",),
        ("run: python -m provisioning migrate",),
    )
    assert setup.unchecked() == {"grants", "mapping", "columns", "attributes", "budget", "ledger"}


def test_a_database_of_an_older_app(setup: Setup) -> None:
    setup.execute("DELETE FROM provisioning.migrations WHERE script = ?", runs.NEWEST_SCRIPT)
    assert f"{runs.NEWEST_SCRIPT} was not applied" in setup.fault().told[0]


def test_a_database_that_cannot_be_reached(setup: Setup) -> None:
    setup.environ["SQL_CONNECTION_STRING"] = "sqlite:////nowhere/bridge.db"
    fault = setup.fault()
    assert (fault.check, "does not exist" in fault.told[0]) == ("database", True)


def test_files_that_cannot_be_written(setup: Setup) -> None:
    def read_only(string: str, clock: Clock) -> Database:
        opened = database.connect(string, clock)
        opened.execute("PRAGMA query_only = ON")
        return opened

    setup.connect = read_only
    fault = setup.fault()
    assert (fault.check, fault.state) == ("grants", State.FAILED)
    assert "cannot be written" in fault.told[0]


class Fake:
    """A server that tells rights and is otherwise the embedded database; it asks for them as a server would be."""

    def __init__(self, opened: Database, told: list[tuple[str, str, str]]) -> None:
        self._opened, self._told = opened, told

    def __enter__(self) -> "Fake":
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @property
    def engine(self) -> str:
        """Of another kind only for whoever asks what kind it is; statements are the embedded database's."""
        return "sqlserver"

    def one(self, name: str, *parameters: Any, **identifiers: str) -> Any:
        if name == "has_migrations" and not self._told:
            return (None,)  # a login without rights sees the schema, and nothing in it
        return self._opened.one(name, *parameters, **identifiers)

    def rows(self, name: str, *parameters: Any, **identifiers: str) -> Iterator[Any]:
        return iter(self._told) if name == "my_rights" else self._opened.rows(name, *parameters, **identifiers)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._opened, name)


def server_with(setup: Setup, change: Callable[[list[tuple[str, str, str]]], None]) -> None:
    """A set-up on a server whose login has what sql/grants.sql grants, changed."""
    told = [
        ("object", name, permission)
        for name, permissions in rights.granted(migration.grants()).items()
        for permission in sorted(permissions)
    ]
    told.append(("role", "provisioning_app", "member"))
    change(told)
    setup.connect = lambda string, clock: Fake(database.connect(string, clock), told)  # type: ignore[return-value]


def test_on_a_server_the_grants_of_the_script_are_enough_and_not_too_much(setup: Setup) -> None:
    server_with(setup, lambda told: None)
    found = setup.findings()
    assert {f.check: f.told for f in found.values() if f.state is not State.OK} == {}
    assert found["grants"].told == ("what provisioning_app has, and no more",)


def test_a_missing_grant(setup: Setup) -> None:
    server_with(setup, lambda told: told.remove(("object", "provisioning.holds", "DELETE")))
    fault = setup.fault()
    assert (fault.check, fault.told) == ("grants", ("missing: DELETE on provisioning.holds",))
    assert "ALTER ROLE provisioning_app ADD MEMBER" in fault.mend[0]


def test_a_login_without_any_right_is_not_told_that_the_database_is_empty(setup: Setup) -> None:
    server_with(setup, lambda told: told.clear())
    fault = setup.fault()
    assert (fault.check, fault.told) == ("migrated", ("this login may not see the app's tables",))
    assert "ALTER ROLE provisioning_app ADD MEMBER" in fault.mend[0]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("object", "dbo.Employees", "DELETE"), "too much: DELETE on dbo.employees"),
        (("object", "dbo.CurrentEmployees", "SELECT"), "too much: SELECT on dbo.currentemployees"),
        (("role", "db_datareader", "member"), "too much: member of db_datareader"),
        (("database", "", "CREATE TABLE"), "too much: CREATE TABLE on the whole database"),
    ],
)
def test_an_excessive_grant(setup: Setup, more: tuple[str, str, str], told: str) -> None:
    server_with(setup, lambda rows: rows.append(more))
    fault = setup.fault()
    assert (fault.check, fault.state, fault.told) == ("grants", State.FAILED, (told,))


def test_a_miscased_path_in_the_view(setup: Setup) -> None:
    with database.connect(setup.string) as db:
        ((text,),) = db.select("SELECT sql FROM dbo.sqlite_master WHERE name = 'ScimUsers'", (), "view")
        db.execute("DROP VIEW dbo.ScimUsers")
        db.execute(str(text).replace("CREATE VIEW ", "CREATE VIEW dbo.", 1).replace("'nickName'", "'nickname'"))
    fault = setup.fault()
    assert (fault.check, fault.told) == ("mapping", ("dbo.ScimUsers nickname: is spelled nickName.",))
    assert setup.unchecked() == {"attributes"}


def test_a_mapped_attribute_that_the_app_does_not_know(setup: Setup, graph: GraphEmulator) -> None:
    path = "urn:ietf:params:scim:schemas:extension:hr:2.0:User:HireDate"
    graph.directory().schema.forget(path)
    fault = setup.fault()
    assert (fault.check, fault.state) == ("attributes", State.FAILED)
    assert fault.told == (f"{path}: the app does not know it and drops it without a word",)
    setup.hr.patch("E00001", {"HiredDate": "2011-11-11"})
    settings = Settings.from_environ(setup.environ)
    jobs.ingest(settings)
    graph.token = None
    jobs.update(settings)
    assert graph.directory().users["E00001"].get(path) != "2011-11-11T05:00:00Z"  # as the doctor said


def test_a_mapped_attribute_that_the_app_maps_to_nothing_is_a_warning(setup: Setup, graph: GraphEmulator) -> None:
    graph.directory().schema.unmapped.add("nickName")
    fault = setup.fault()
    assert (fault.check, fault.state, fault.told) == (
        "attributes",
        State.WARNING,
        ("nickName: the app maps it to nothing",),
    )


def test_matching_on_user_name(setup: Setup, graph: GraphEmulator) -> None:
    graph.directory().schema.matching = {"userName": 1}
    fault = setup.fault()
    assert (fault.check, fault.state) == ("matching", State.FAILED)
    assert "→ userPrincipalName, not by externalId → employeeId" in fault.told[0]


def test_a_second_pair_that_people_are_matched_by_is_a_warning(setup: Setup, graph: GraphEmulator) -> None:
    graph.directory().schema.matching = {"externalId": 1, "userName": 2}
    fault = setup.fault()
    assert (fault.check, fault.state) == ("matching", State.WARNING)


def test_the_mend_of_a_dropped_attribute_is_a_command_that_can_be_typed(setup: Setup, graph: GraphEmulator) -> None:
    graph.directory().schema.forget("title")
    (mend,) = setup.fault().mend
    words = mend.removeprefix("python -m provisioning ").split()
    assert command_line._parser().parse_args(words[:1]).verb == "app-schema"


def test_an_app_that_tells_nobody_is_a_fault_and_one_without_a_threshold_a_warning(
    setup: Setup, graph: GraphEmulator
) -> None:
    graph.directory().secrets["SyncNotificationSettings"] = '{"Enabled":false,"DeleteThresholdEnabled":false}'
    fault = setup.fault()
    assert (fault.check, fault.state, len(fault.told)) == ("notices", State.FAILED, 2)
    assert fault.mend[0] == "python -m provisioning app-notices --email ADDRESS"
    notices = '{"Enabled":true,"Recipients":"hr-it@contoso.example"}'
    graph.directory().secrets["SyncNotificationSettings"] = notices
    fault = setup.fault()
    assert (fault.state, fault.told) == (State.WARNING, ("no number of disables stops the job",))
    assert "contoso" not in str(setup.findings())  # an address is not told by whoever may run the doctor


@pytest.mark.parametrize("shape", ["nonsense", "[]", '{"DeleteThresholdEnabled":true,"DeleteThresholdValue":"many"}'])
def test_whom_the_app_tells_is_not_checked_where_it_cannot_be_read(
    setup: Setup, graph: GraphEmulator, shape: str
) -> None:
    """With which role it may be read is not published."""
    graph.directory().secrets["SyncNotificationSettings"] = shape
    assert setup.unchecked() == {"notices"}
    graph.secrets_readable_with = {"Synchronization.ReadWrite.All"}
    found = setup.findings()["notices"]
    assert (found.state, "app-notices" in found.told[0]) == (State.NOT_CHECKED, True)
    assert setup.unchecked() == {"notices"}


def without(record: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != name}


def test_a_column_of_hr_that_is_gone(setup: Setup) -> None:
    for record in setup.hr.people:
        setup.hr.put(without(record, "OrganizationName"))
    fault = setup.fault()
    assert (fault.check, fault.state) == ("columns", State.FAILED)
    assert fault.told == ("Employees: no record has OrganizationName any more; ingest would change nothing",)


def test_a_mapped_column_of_which_hr_has_no_field_yet_is_a_warning(setup: Setup) -> None:
    setup.execute("DELETE FROM dbo.Employees")
    for record in setup.hr.people:
        setup.hr.put(without(record, "Office"))
    fault = setup.fault()
    assert (fault.check, fault.state) == ("columns", State.WARNING)
    assert fault.told == ("Employees: no record of the first page has Office, which the mapping uses",)


def test_a_field_of_hr_that_has_no_column_is_a_warning(setup: Setup) -> None:
    setup.hr.patch("E00003", {"ShoeSize": 44})
    fault = setup.fault()
    assert (fault.check, fault.state) == ("columns", State.WARNING)
    assert fault.told == ("Employees: fields without a column, not kept: ShoeSize",)


def test_hr_that_refuses(setup: Setup) -> None:
    setup.environ["HR_PASSWORD"] = "another"
    fault = setup.fault()
    assert (fault.check, "HR answered 401" in fault.told[0]) == ("hr", True)
    assert setup.unchecked() == {"columns"}


def test_a_token_without_the_role_to_upload(setup: Setup) -> None:
    setup.give(LOGS_ROLE, JOB_ROLE)
    fault = setup.fault()
    assert (fault.check, fault.state) == ("roles", State.FAILED)
    assert fault.told == (f"missing: {UPLOAD_ROLE}; nobody can be sent",)


def test_a_token_with_a_role_too_many(setup: Setup) -> None:
    setup.give(*NEEDED, "Directory.ReadWrite.All")
    fault = setup.fault()
    assert (fault.check, fault.state, fault.told) == ("roles", State.FAILED, ("too much: Directory.ReadWrite.All",))


def test_without_a_role_to_read_it_warns_and_the_rest_goes_on(setup: Setup) -> None:
    setup.give(UPLOAD_ROLE, LOGS_ROLE)
    fault = setup.fault()
    assert (fault.check, fault.state) == ("roles", State.WARNING)
    assert setup.unchecked() == {"job", "attributes", "matching", "notices"}
    setup.give(UPLOAD_ROLE, JOB_ROLE)
    assert setup.fault().check == "roles"
    assert setup.unchecked() == {"ledger"}


def test_the_role_to_read_users_is_needed_by_who_compares_and_too_much_for_who_does_not(setup: Setup) -> None:
    setup.environ["COMPARE_SCHEDULE"] = "0 30 5 * * *"
    fault = setup.fault()
    told = ("missing: User.Read.All; the directory cannot be compared",)
    assert (fault.check, fault.state, fault.told) == ("roles", State.WARNING, told)
    assert fault.mend == ("grant the app role User.Read.All",)
    setup.give(*NEEDED, "User.Read.All", "User-LifeCycleInfo.Read.All")
    assert setup.findings()["roles"].state is State.OK
    del setup.environ["COMPARE_SCHEDULE"]
    fault = setup.fault()
    assert (fault.check, fault.state) == ("roles", State.FAILED)
    assert "or set COMPARE_SCHEDULE" in fault.mend[0]


def test_a_persons_token_tells_nothing_of_the_apps_roles(setup: Setup) -> None:
    setup.claims = {"scp": "Application.ReadWrite.All"}
    found = setup.findings()
    assert (found["roles"].state, "az login" in found["roles"].told[0]) == (State.NOT_CHECKED, True)


@pytest.mark.parametrize(("planted", "told"), [("paused", "Paused"), ("quarantine", "Quarantine, TooManyErrors")])
def test_a_job_that_stands_still(setup: Setup, graph: GraphEmulator, planted: str, told: str) -> None:
    if planted == "paused":
        graph.directory().paused = True
    else:
        graph.directory().quarantine_reason = "TooManyErrors"
    fault = setup.fault()
    assert (fault.check, fault.state, fault.told) == ("job", State.FAILED, (f"the job stands still: {told}",))


def test_a_job_that_is_not_there(setup: Setup) -> None:
    setup.environ["GRAPH_BULK_UPLOAD_URL"] = setup.environ["GRAPH_BULK_UPLOAD_URL"].replace("/jobs/", "/jobs/X")
    fault = setup.fault()
    assert (fault.check, "404" in fault.told[0]) == ("job", True)
    found = setup.findings()
    assert {f.check: f.told for f in found.values() if f.state is State.NOT_CHECKED} == {
        "attributes": ("see job",),
        "matching": ("see job",),
        "notices": ("see job",),
        "ledger": ("see job",),
    }


def test_a_schema_of_a_shape_that_nobody_foresaw_is_told_once(setup: Setup, graph: GraphEmulator) -> None:
    graph.directory().schema.attributes.clear()
    fault = setup.fault()
    assert (fault.check, fault.told) == ("attributes", ("Graph: the schema tells of no mapping of users.",))
    assert setup.unchecked() == {"matching"}


@pytest.mark.parametrize(("minutes", "state"), [(60, State.FAILED), (-60, State.FAILED), (3, State.WARNING)])
def test_a_clock_that_is_off(setup: Setup, minutes: int, state: State) -> None:
    setup.clock = clock = MovedClock()
    clock.move(minutes=minutes)
    fault = setup.fault()
    behind = "Graph is" if minutes > 0 else "this machine is"
    assert (fault.check, fault.state) == ("clock", state)
    assert fault.told[0].startswith(f"{behind} {abs(minutes)} minutes behind")


def test_the_days_calls_spent(setup: Setup) -> None:
    setup.environ["GRAPH_DAILY_CALL_LIMIT"] = "3"  # two were made, one is kept for resyncs
    fault = setup.fault()
    assert (fault.check, fault.state) == ("budget", State.FAILED)
    assert "2 of 3 calls of 24 h are used, 1 are kept for resyncs; the next is free in 24.0 h" in fault.told[0]


def test_most_of_the_days_calls_spent_is_a_warning(setup: Setup) -> None:
    setup.environ["GRAPH_DAILY_CALL_LIMIT"] = "20"
    for n in range(15):
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.0000000")
        setup.execute("INSERT INTO provisioning.calls (called_at, target, run_id) VALUES (?, 't', ?)", now, str(n))
    fault = setup.fault()
    assert (fault.check, fault.state, fault.told) == ("budget", State.WARNING, ("17 of 20 calls of 24 h are used",))


@pytest.mark.parametrize("emptied", [False, True])
def test_a_database_that_was_restored(setup: Setup, emptied: bool) -> None:
    if emptied:
        setup.execute("DELETE FROM provisioning.ledger")
    else:
        setup.execute("UPDATE provisioning.ledger SET sent_at = '2026-01-01 00:00:00.0000000'")
    fault = setup.fault()
    assert (fault.check, fault.state) == ("ledger", State.WARNING)
    assert "60 changes of 60 people newer than" in fault.told[0]
    assert ("an empty ledger" if emptied else "what was last sent, at 2026-01-01 00:00 UTC") in fault.told[0]
    assert "resend --all" in fault.mend[0]


def test_who_failed_and_was_tried_again_by_entra_is_no_restored_database(setup: Setup, graph: GraphEmulator) -> None:
    """Hours later she succeeds, and nothing was sent meanwhile; of anybody else it would be odd."""
    problem = {"errorCode": "Other", "reason": None, "recommendedAction": None}
    graph.directory().tell("E00007", provisioningStatusInfo={"status": "failure", "errorInformation": problem})
    assert aftermath.collect(Settings.from_environ(setup.environ)).counts["failed"] == 1
    graph.clock = lambda: time.time() + 6 * 3600
    graph.directory().tell("E00007")
    setup.clock = clock = MovedClock()
    clock.move(hours=6)
    assert setup.findings()["ledger"].state is State.OK
    graph.directory().tell("E00008")
    assert "1 changes of 1 people newer" in setup.findings()["ledger"].told[0]


def test_two_faults_are_both_named_and_one_check_that_breaks_keeps_nobody(setup: Setup, graph: GraphEmulator) -> None:
    graph.directory().paused = True
    setup.execute("DROP TABLE provisioning.calls")
    found = setup.findings()
    failed = {f.check for f in found.values() if f.state is State.FAILED}
    assert failed == {"job", "budget"}
    assert found["ledger"].state is State.OK


def test_an_answer_of_a_shape_that_nobody_foresaw_is_told_without_its_text(setup: Setup) -> None:
    def broken(string: str, clock: Clock) -> Database:
        raise sqlite3.Warning("something personal")

    setup.connect = broken
    found = setup.findings()
    assert found["database"].told == ("could not be checked (Warning)",)


# --- on the command line ------------------------------------------------------------------------------------------


def test_it_is_a_page_or_one_line_of_json_and_ends_with_0_or_1(
    setup: Setup, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert command_line.main(["doctor"], setup.environ) == 0
    page = capsys.readouterr().out
    assert [line.split()[0] for line in page.splitlines()[:-1]] == list(CHECKS)
    assert page.splitlines()[-1] == "16 ok"
    assert command_line.main(["doctor", "--json"], setup.environ) == 0
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)["checks"]
    assert [f["check"] for f in found] == list(CHECKS)
    assert found[0].keys() == {"check", "state", "told", "mend"}
    assert command_line.main(["doctor"], {}) == 1
    assert "→ mend the setting" in capsys.readouterr().out
    assert command_line.main(["--settings", str(tmp_path / "none.json"), "doctor", "--json"], {}) == 1
    found = json.loads(capsys.readouterr().out)["checks"]
    assert "is no readable JSON file" in found[0]["told"][0]


def test_interrupted_it_says_so(
    setup: Setup, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while a database that is out of reach is waited for."""

    def interrupted(patient: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(doctor.CHECKS, "database", interrupted)  # type: ignore[arg-type]
    assert command_line.main(["doctor"], setup.environ) == 1
    assert capsys.readouterr().err == "doctor: interrupted; nothing was changed.\n"


def test_it_tells_no_secret(setup: Setup, capsys: pytest.CaptureFixture[str]) -> None:
    setup.environ["HR_SOURCE"] = setup.environ["HR_SOURCE"].replace("$HR_PASSWORD", "se-cret")
    command_line.main(["doctor", "--json"], setup.environ)
    told = capsys.readouterr()
    assert "HR_SOURCE" in told.out
    assert "se-cret" not in told.out + told.err


def test_what_operators_are_shown_stands_on_stdout_and_nothing_personal_anywhere_else(
    setup: Setup, canary: Canary, capfd: pytest.CaptureFixture[str]
) -> None:
    for person in canaries.marked(setup.hr.people):
        setup.hr.put(person)
    setup.hr.patch("E00009", {"Name.FirstName": f"{MARKER} " * 40, "ShoeSize": MARKER})
    assert command_line.main(["doctor"], setup.environ) == 0  # a record that would be rejected, and a new field
    assert not canaries.is_in(capfd.readouterr().out)
    assert command_line.main(["ingest"], setup.environ) == 0
    shown = []
    for verb in (["plan"], ["plan", "--diff"], ["plan", "--json"], ["show", "E00007"], ["show", "E00007", "--json"]):
        assert command_line.main(verb, setup.environ) == 0
        told = capfd.readouterr()
        shown.append(canaries.is_in(told.out))
        canary.look_at(told.err, f"stderr of {verb}")
    assert shown == [False, True, True, True, True]
    assert canary.records >= 6  # it looked at the records of all of these runs
