"""Nobody may do more than the code does: grants against statements, roles in Graph against calls, migrations apart."""

import ast
import functools
import re
from collections.abc import Set as AbstractSet
from pathlib import Path

import pytest

from provisioning import database, migration, rights
from tests import infrastructure, reach, statement_rights
from tests.lint_sql import CONDITIONS, STAND_INS

ROOT = Path(__file__).parent.parent
GRANTS = migration.grants()
MIRROR = ("employees", "organizations", "locations")
"""Tables of the shipped mirror. Those of users' own come with grants of the same shape (infer-table writes them)."""

PEOPLE_ONLY = {"mirror_delete"}
"""Whose table is always that of people: nobody else is taken out of the mirror."""

ERASER = "provisioning_eraser"
ERASING = {("erasure", "purge"), ("erasure", "forget"), ("erasure", "remember")}
MIGRATING = {("migration", "migrate"), ("migration", "change_mapping")}
STATEMENTS = {path.stem for path in database.QUERIES.glob("*.sql")}
Needs = set[tuple[str, str]]


def in_full(name: str, table: str) -> str:
    """A statement as the server gets it; a condition completed to a query of people."""
    text = (database.QUERIES / f"{name}.sql").read_text("utf-8").replace("dbo.{table}", f"dbo.{table}")
    if name in CONDITIONS:
        head = "SELECT v.a FROM dbo.ScimUsers AS v LEFT JOIN provisioning.ledger AS l ON l.employee_id = v.EmployeeId"
        text = f"{head}\n{text}"
    return re.sub(r"\{(\w+)\}", lambda found: STAND_INS.get(found[1], "a"), text).replace("?", "@p")


@functools.cache
def needs_of(name: str) -> frozenset[tuple[str, str]]:
    """What a statement needs, for every table of the mirror where it is about any."""
    text = (database.QUERIES / f"{name}.sql").read_text("utf-8")
    mirrored = "{table}" in text and name not in PEOPLE_ONLY
    found: Needs = set()
    for table in MIRROR if mirrored else MIRROR[:1]:
        found |= statement_rights.needed(in_full(name, table))
    return frozenset(need for need in found if not need[1].startswith("sys."))


def needs(names: AbstractSet[str]) -> Needs:
    return set().union(*(needs_of(name) for name in names))


def granted(script: str, role: str) -> Needs:
    return {(right, name) for name, given in rights.granted(script, role).items() for right in given}


def run_by(places: AbstractSet[reach.Place]) -> set[str]:
    """The statements whose names stand in the code that can be come to."""
    return reach.texts(places) & STATEMENTS


@functools.cache
def app() -> frozenset[reach.Place]:
    """What the app comes to, from its triggers."""
    return frozenset(reach.reached(reach.triggers()))


@functools.cache
def app_runs() -> frozenset[str]:
    return frozenset(run_by(app()))


@functools.cache
def erasing_runs() -> frozenset[str]:
    return frozenset(run_by(reach.reached(ERASING)))


# ------------------------------------------------------------------------------------------------------- the database


def wrong_grants(script: str) -> list[str]:
    """Statements without a grant and grants without a statement, of the app and of whoever erases people."""
    app, eraser = granted(script, rights.APP_ROLE), granted(script, ERASER)
    needed, erasing = needs(app_runs()), needs(erasing_runs())
    told = {
        "a statement without a grant": needed - app,
        "a grant without a statement": app - needed,
        "an erasure without a grant": erasing - app - eraser,
        "a grant of the eraser's without a statement": eraser - erasing,
    }
    return [f"{what}: {right} on {name}" for what, found in told.items() for right, name in sorted(found)]


ALTERED = [
    ("GRANT SELECT ON dbo.ScimUsers TO provisioning_app;", "", "a statement without a grant: SELECT on dbo.scimusers"),
    (
        "UPDATE ON provisioning.ledger",
        "DELETE ON provisioning.ledger",
        "without a grant: UPDATE on provisioning.ledger",
    ),
    ("GRANT VIEW DEFINITION", "GRANT CONTROL", "a statement without a grant: VIEW DEFINITION on dbo.scimusers"),
    ("INSERT, DELETE ON provisioning.tombstones", "INSERT ON provisioning.tombstones", "an erasure without a grant"),
    (
        "GRANT VIEW DEFINITION",
        "GRANT EXECUTE, VIEW DEFINITION",
        "a grant without a statement: EXECUTE on dbo.scimusers",
    ),
    (
        "INSERT, DELETE ON provisioning.forced",
        "UPDATE, DELETE, INSERT ON provisioning.forced",
        "without a statement: UPDATE",
    ),
    ("GRANT SELECT ON dbo.ScimUsers TO", "GRANT SELECT, DELETE ON dbo.ScimUsers TO", "without a statement: DELETE"),
    (
        "INSERT ON provisioning.hash_keys",
        "INSERT, UPDATE ON provisioning.hash_keys",
        "the eraser's without a statement",
    ),
]


def test_every_statement_has_its_grant_and_every_grant_its_statement() -> None:
    """One test, since reading 95 statements takes seconds: as they are, then with each grant altered in a copy."""
    assert wrong_grants(GRANTS) == []
    for old, new, told in ALTERED:
        assert old in GRANTS
        assert told in "\n".join(wrong_grants(GRANTS.replace(old, new))), (old, new)


def test_the_app_never_takes_people_out() -> None:
    deleted = {name for right, name in granted(GRANTS, rights.APP_ROLE) if right == "DELETE"}
    assert {"dbo.employees", "dbo.employeeaccounts", "provisioning.ledger", "provisioning.tombstones"}.isdisjoint(
        deleted
    )


def test_whoever_reads_reports_only_reads() -> None:
    readers = granted(GRANTS, "hr_reader")
    assert readers
    assert {right for right, _ in readers} == {"SELECT"}
    assert not any(name.startswith("provisioning.") for _, name in readers)


def test_every_role_of_the_grants_is_looked_at_here() -> None:
    assert set(re.findall(r"\bTO (\w+)", GRANTS)) == {rights.APP_ROLE, ERASER, "hr_reader"}
    assert "WITH GRANT OPTION" not in GRANTS.upper()
    assert not re.search(r"\bON (SCHEMA|DATABASE)::", GRANTS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "SELECT a FROM dbo.A AS x INNER JOIN provisioning.B AS y ON y.a = x.a",
            {"SELECT dbo.a", "SELECT provisioning.b"},
        ),
        ("SELECT 1 AS b WHERE EXISTS (SELECT 1 FROM dbo.A)", {"SELECT dbo.a"}),
        ("INSERT INTO dbo.A (a) VALUES (1)", {"INSERT dbo.a"}),
        ("INSERT INTO dbo.A (a) SELECT b FROM dbo.B", {"INSERT dbo.a", "SELECT dbo.b"}),
        ("INSERT INTO dbo.A (a) SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM dbo.A)", {"INSERT dbo.a", "SELECT dbo.a"}),
        ("UPDATE dbo.A SET a = 1 WHERE b = 2", {"UPDATE dbo.a", "SELECT dbo.a"}),
        ("UPDATE x SET a = 1 FROM dbo.A AS x WHERE x.b = 2", {"UPDATE dbo.a", "SELECT dbo.a"}),
        ("UPDATE dbo.A SET a = 1", {"UPDATE dbo.a"}),
        ("DELETE FROM [dbo].[A] WHERE b IN (SELECT c FROM dbo.C)", {"DELETE dbo.a", "SELECT dbo.a", "SELECT dbo.c"}),
        ("DELETE FROM dbo.A WHERE b = 1;\nSELECT c FROM dbo.C", {"DELETE dbo.a", "SELECT dbo.a", "SELECT dbo.c"}),
        ("SELECT m.[definition] FROM sys.sql_modules AS m", {"VIEW DEFINITION dbo.scimusers"}),
    ],
)
def test_what_a_statement_needs_is_read_from_it(text: str, expected: set[str]) -> None:
    assert {" ".join(need) for need in statement_rights.needed(text)} == expected


@pytest.mark.parametrize(
    "text", ["DROP TABLE dbo.A", "EXEC dbo.Anything", "CREATE TABLE dbo.A (a int)", "SELECT FROM WHERE"]
)
def test_what_is_no_reading_or_changing_of_rows_is_not_understood(text: str) -> None:
    with pytest.raises(statement_rights.NotUnderstood):
        statement_rights.needed(text)


# --------------------------------------------------------------------------------------------------- another identity


def test_the_app_never_comes_to_a_migration() -> None:
    assert not MIGRATING & app()
    assert ("migration", "_run") not in app()
    assert {"record_migration", "mapping_rows"}.isdisjoint(app_runs())


def test_the_command_line_does_come_to_it() -> None:
    """So the test above could find it."""
    by_hand = reach.reached({("__main__", "main")})
    assert by_hand >= MIGRATING
    assert by_hand >= ERASING
    assert not ERASING & app()


def test_the_app_runs_every_statement_that_nobody_else_is_for() -> None:
    """Each statement has somebody who runs it: the app, or a person with a role of her own."""
    others = STATEMENTS - app_runs()
    by_hand = run_by(reach.reached({("__main__", "main")}))
    assert others <= by_hand
    assert others >= {"record_migration", "mirror_delete", "forget_person"}


def test_no_statement_of_the_app_changes_the_schema() -> None:
    words = r"\b(CREATE|ALTER|DROP|TRUNCATE|GRANT|REVOKE|DENY|EXEC|EXECUTE|MERGE)\b"
    for path in database.QUERIES.glob("*.sql"):
        text = re.sub(r"--[^\n]*|'[^']*'", "", path.read_text("utf-8"))
        assert not re.search(words, text, re.IGNORECASE), path.name


def test_what_changes_the_schema_is_not_even_deployed() -> None:
    ignored = (ROOT / ".funcignore").read_text("utf-8").split()
    assert "sql" in ignored
    assert "infra" in ignored


# -------------------------------------------------------------------------------------------------------------- Graph

ENDPOINTS = {
    ("POST", "bulkUpload"): "SynchronizationData-User.Upload",
    ("GET", "job"): "Synchronization.Read.All",
    ("GET", "schema"): "Synchronization.Read.All",
    ("GET", "auditLogs/provisioning"): "ProvisioningLog.Read.All",
}
"""Every call that the app comes to, and its least privileged application permission by Microsoft's reference.

It is `doctor` that asks for the schema; tests/reach.py takes it for the app's, as other things have such an attribute.

https://learn.microsoft.com/graph/api/synchronization-synchronizationjob-post-bulkupload#permissions
https://learn.microsoft.com/graph/api/synchronization-synchronizationjob-get#permissions
https://learn.microsoft.com/graph/api/synchronization-synchronizationschema-get#permissions
https://learn.microsoft.com/graph/api/provisioningobjectsummary-list#permissions
"""

ADDRESSES = {
    "self._endpoint.url": "bulkUpload",
    "self._endpoint.job_url": "job",
    "f'{self._endpoint.job_url}/schema'": "schema",
    "self._first_log_page(since)": "auditLogs/provisioning",
}
"""How graph.py spells the addresses that it asks."""

SOURCE = (ROOT / "provisioning" / "graph.py").read_text("utf-8")


def graph_calls(source: str, functions: set[str] | None = None) -> dict[tuple[str, str], str]:
    """Method and address of every call that begins in these functions (None: in any), and the role it is made with."""
    found: dict[tuple[str, str], str] = {}
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef) and (functions is None or function.name in functions):
            found |= _calls(function)
    return found


def _calls(function: ast.FunctionDef) -> dict[tuple[str, str], str]:
    """Those that pass an address on as it came (`url`) begin nothing."""
    began = {ast.unparse(n.target): n.value for n in ast.walk(function) if isinstance(n, ast.AnnAssign) and n.value}
    found: dict[tuple[str, str], str] = {}
    for node in ast.walk(function):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        words = [ast.unparse(began.get(ast.unparse(a), a)) for a in node.args]
        if node.func.attr == "build_request":
            method, address, role = words[0].strip("'"), words[1], "UPLOAD_ROLE"
        elif node.func.attr == "_get":
            method, address, role = "GET", words[0], words[1].removeprefix("reading.")
        elif node.func.attr == "pages":
            method, address, role = "GET", words[0], _role_of(node.args[1])
        else:
            continue
        if address not in ("url", "following"):
            found[method, ADDRESSES.get(address, address)] = getattr(rights, role)
    return found


def _role_of(reading: ast.expr) -> str:
    """With which role pages are read: Reading(ROLE, …)."""
    assert isinstance(reading, ast.Call)
    return ast.unparse(reading.args[0])


def test_each_call_of_the_app_is_made_with_the_role_that_microsoft_names() -> None:
    assert graph_calls(SOURCE, {name for module, name in app() if module == "graph"}) == ENDPOINTS


def test_what_only_operators_ask_for_needs_no_other_role() -> None:
    """`doctor` is to be run with what the app has."""
    every = graph_calls(SOURCE)
    assert every.items() >= ENDPOINTS.items()
    assert set(every.values()) == set(ENDPOINTS.values())


def test_the_roles_that_are_granted_are_those_that_calls_need() -> None:
    assert {rights.UPLOAD_ROLE, *rights.READING_ROLES} == set(ENDPOINTS.values())
    main = infrastructure.bicep.parse((ROOT / infrastructure.MAIN).read_text("utf-8"))
    body = infrastructure.bicep.settled(main.section("modules")["graphRoles"]["config"])
    granted_roles = {s for s in infrastructure.bicep.strings(body["params"]["roleNames"]) if "." in s}
    assert granted_roles == {*ENDPOINTS.values(), rights.USERS_ROLE}


def test_users_are_read_with_the_role_for_them_and_nothing_else_is() -> None:
    """Switched on by COMPARE_SCHEDULE. https://learn.microsoft.com/graph/api/user-list#permissions, and user-delta."""
    source = (ROOT / "provisioning" / "directory.py").read_text("utf-8")
    assert re.findall(r"\bReading\((\w+),", source) == ["USERS_ROLE"]
    assert rights.USERS_ROLE == "User.Read.All"
    assert sorted(re.findall(r'\burl = f"\{self\._url\}([^{"]*)', source)) == ["/delta?$select=", "?$select="]
    assert set(re.findall(r"self\._graph\.pages\((\w+), self\._reading\)", source)) == {"url", "link"}
    assert source.count("self._graph.") == source.count("self._graph.pages(") + 2  # a link's origin, and the token


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('build_request("POST", self._endpoint.url,', 'build_request("DELETE", self._endpoint.url,'),
        ("self._get(self._endpoint.job_url, JOB_ROLE)", "self._get(self._endpoint.job_url, LOGS_ROLE)"),
        ("self._get(self._endpoint.job_url, JOB_ROLE)", 'self._get("https://graph.example/users", JOB_ROLE)'),
        ('Reading(LOGS_ROLE, "provisioning log"', 'Reading(JOB_ROLE, "provisioning log"'),
    ],
)
def test_another_call_would_be_noticed(old: str, new: str) -> None:
    assert old in SOURCE
    reached = {name for module, name in app() if module == "graph"}
    assert graph_calls(SOURCE.replace(old, new), reached) != ENDPOINTS


def test_the_app_speaks_to_graph_in_one_module_only() -> None:
    """What makes an address of the endpoint out of its parts, of all that the app comes to."""
    speaking = {
        place[0]
        for place in app()
        for piece in reach.pieces()[place]
        for part in piece.body
        for node in ast.walk(part)
        if isinstance(node, ast.Attribute) and node.attr in ("job_url", "logs_url")
    }
    assert speaking == {"graph"}
