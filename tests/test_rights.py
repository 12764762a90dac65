"""Rights: what the app needs in the database and in Graph, what is missing, what is too much."""

import base64
import json
from typing import Any

import pytest

from provisioning import migration, rights
from provisioning.rights import READING_ROLES, UPLOAD_ROLE, Rights

SCRIPT = """
GRANT SELECT, INSERT ON dbo.People TO provisioning_app;
GRANT SELECT ON dbo.People TO hr_reader;
    EXEC ('GRANT VIEW DEFINITION ON dbo.ScimUsers TO provisioning_app');
grant select on dbo.ScimUsers to provisioning_app;
"""
NEEDED = {"dbo.people": {"SELECT", "INSERT"}, "dbo.scimusers": {"SELECT", "VIEW DEFINITION"}}
ENOUGH = [
    ("object", "dbo.People", "SELECT"),
    ("object", "dbo.People", "INSERT"),
    ("object", "dbo.ScimUsers", "SELECT"),
    ("object", "dbo.ScimUsers", "VIEW DEFINITION"),
    ("role", "provisioning_app", "member"),
]


def test_what_is_needed_is_what_the_script_grants_to_the_apps_role() -> None:
    assert rights.granted(SCRIPT) == NEEDED
    assert rights.granted(SCRIPT, "hr_reader") == {"dbo.people": {"SELECT"}}


def test_every_grant_of_the_shipped_script_is_understood() -> None:
    script = migration.grants()
    granted = rights.granted(script)
    assert len(granted) == script.count("TO provisioning_app") - 1  # ScimUsers has two, one of them inside EXEC
    assert granted["dbo.scimusers"] == {"SELECT", "VIEW DEFINITION"}
    assert granted["provisioning.holds"] == {"SELECT", "INSERT", "UPDATE", "DELETE"}
    assert all(
        permissions <= {"SELECT", "INSERT", "UPDATE", "DELETE", "VIEW DEFINITION"} for permissions in granted.values()
    )


def test_exactly_enough_is_neither_missing_nor_too_much() -> None:
    assert rights.in_database(ENOUGH, NEEDED) == Rights()
    upper = [(kind, name.upper(), permission) for kind, name, permission in ENOUGH if kind == "object"]
    assert rights.in_database(upper, NEEDED) == Rights()


@pytest.mark.parametrize("row", ENOUGH[:4])
def test_each_right_that_is_missing_is_named(row: tuple[str, str, str]) -> None:
    found = rights.in_database([r for r in ENOUGH if r != row], NEEDED)
    assert found == Rights(missing=(f"{row[2]} on {row[1].lower()}",))


def test_a_login_without_any_right_misses_all() -> None:
    found = rights.in_database([], NEEDED)
    assert found.missing == ("INSERT, SELECT on dbo.people", "SELECT, VIEW DEFINITION on dbo.scimusers")
    assert found.excessive == ()


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (("object", "dbo.People", "DELETE"), "DELETE on dbo.people"),
        (("object", "dbo.Secrets", "SELECT"), "SELECT on dbo.secrets"),
        (("object", "dbo.People", "ALTER"), "ALTER on dbo.people"),
        (("role", "db_owner", "member"), "member of db_owner"),
        (("role", "provisioning_eraser", "member"), "member of provisioning_eraser"),
        (("database", "", "CREATE TABLE"), "CREATE TABLE on the whole database"),
        (("database", "", "SELECT"), "SELECT on the whole database"),
    ],
)
def test_each_right_too_many_is_named(row: tuple[str, str, str], told: str) -> None:
    assert rights.in_database([*ENOUGH, row], NEEDED) == Rights(excessive=(told,))


def test_an_owner_is_named_once_and_not_by_every_table() -> None:
    rows = [*ENOUGH, ("role", "db_owner", "member"), ("database", "", "CONTROL"), ("database", "", "ALTER")]
    rows += [("object", f"dbo.T{n}", "CONTROL") for n in range(50)]
    found = rights.in_database(rows, NEEDED)
    assert found == Rights(excessive=("member of db_owner", "CONTROL on the whole database"))


def test_the_roles_of_a_token_are_judged() -> None:
    assert rights.of_token({"roles": [UPLOAD_ROLE, *READING_ROLES]}) == Rights()
    assert rights.of_token({"roles": list(READING_ROLES)}).missing == (UPLOAD_ROLE,)
    assert rights.of_token({"roles": [UPLOAD_ROLE]}).missing == READING_ROLES
    assert rights.of_token({"roles": [UPLOAD_ROLE, *READING_ROLES, "User.Read.All"]}).excessive == ("User.Read.All",)
    assert rights.of_token({}) == Rights(missing=(UPLOAD_ROLE, *READING_ROLES))


@pytest.mark.parametrize("claims", [{"roles": []}, {"a": "b"}, {"scp": "x" * 7}])
def test_what_a_token_says_is_read_whatever_its_length(claims: dict[str, Any]) -> None:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    assert rights.claims(f"head.{body}.signature") == claims


@pytest.mark.parametrize("token", ["", "opaque", "a.b.c", "a.!!!.c", "a.WzFd.c", "a.gIGC.c"])
def test_a_token_that_cannot_be_read_says_nothing(token: str) -> None:
    assert rights.claims(token) is None
