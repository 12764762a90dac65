"""A login with the app's role and no more, on a real server: enough for every statement, and told what it lacks."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from provisioning import database, doctor, migration, rights, runs
from provisioning.database import Database
from provisioning.errors import DatabaseError, SettingsError
from provisioning.settings import Settings
from provisioning.source import Resource
from tests.clock import MovedClock
from tests.conftest import environment
from tests.emulators.graph import GraphEmulator
from tests.test_queries import RUN, run_statement

pytestmark = pytest.mark.parametrize("connection_string", ["sqlserver"], indirect=True)
NO_LOGINS = "LEAST RIGHTS ARE NOT TESTED: TEST_SQLSERVER needs UID, PWD and the right to make a login"
ERASING = {"add_tombstone", "drop_tombstone", "forget_person", "make_hash_key", "mirror_delete"}
"""Of purge and forget."""

MIGRATING = {"record_migration"}
"""Of the administrator."""

EMPLOYEES = Resource("Employees", "EmployeeId", "x")


@dataclass(frozen=True)
class Login:
    """Somebody with a user in the database, and the rights that `admin` gives."""

    name: str
    connection_string: str
    admin: Database

    def join(self, role: str) -> None:
        """Become a member of a role."""
        self.admin.execute(f"ALTER ROLE {role} ADD MEMBER {self.name}")

    def connect(self) -> Database:
        """Log in."""
        return database.connect(self.connection_string)


@pytest.fixture
def login(connection_string: str, db: Database) -> Iterator[Login]:
    """A new one, without any right."""
    name, password = f"least_{os.getpid()}", "Least-rights-1"
    theirs, replaced = re.subn(r"(?i)\bUID=[^;]*", f"UID={name}", connection_string)
    theirs = re.sub(r"(?i)\bPWD=[^;]*", f"PWD={password}", theirs)
    try:
        db.execute(f"CREATE LOGIN {name} WITH PASSWORD = '{password}'")
    except DatabaseError:
        replaced = 0
    if not replaced:
        pytest.skip(NO_LOGINS)
    try:
        db.execute(f"CREATE USER {name} FOR LOGIN {name}")
        yield Login(name, theirs, db)
    finally:
        db.execute(f"DROP USER IF EXISTS {name}")
        db.execute(f"DROP LOGIN {name}")


def refused(db: Database, names: set[str]) -> set[str]:
    """Which of these statements this login may not run; all else that fails goes up."""
    found = set()
    for name in sorted(names):
        try:
            run_statement(db, name, EMPLOYEES)
        except DatabaseError as exc:
            if not re.search("a right is missing|state 42000", str(exc)):  # Babelfish has no 229
                raise
            found.add(name)
    return found


def test_the_role_may_run_each_statement_of_the_app_and_the_erasers_role_those_of_purge_and_forget(
    login: Login,
) -> None:
    login.join("provisioning_app")
    with login.connect() as theirs:
        assert refused(theirs, set(RUN)) == ERASING | MIGRATING
    login.join("provisioning_eraser")
    with login.connect() as theirs:
        assert refused(theirs, ERASING | MIGRATING) == MIGRATING


def is_compatible(db: Database) -> bool:
    """Whether it is Babelfish, which shows definitions to all, and has no right for it."""
    ((found,),) = db.select("SELECT CAST(SERVERPROPERTY('Babelfish') AS int)", (), "kind")
    return found is not None


def judged(login: Login) -> rights.Rights:
    with login.connect() as theirs:
        return rights.in_database(list(theirs.rows("my_rights")), rights.granted(migration.grants()))


def test_the_server_tells_the_rights_of_a_member_of_the_role(login: Login) -> None:
    needed = rights.granted(migration.grants())
    unknown = ("VIEW DEFINITION on dbo.scimusers",) if is_compatible(login.admin) else ()
    assert len(judged(login).missing) == len(needed)
    login.join("provisioning_app")
    assert judged(login) == rights.Rights(missing=unknown)
    login.admin.execute(f"GRANT DELETE ON dbo.Employees TO {login.name}")
    assert judged(login).excessive == ("DELETE on dbo.employees",)
    login.admin.execute(f"REVOKE DELETE ON dbo.Employees FROM {login.name}")
    login.admin.execute("REVOKE DELETE ON provisioning.holds FROM provisioning_app")
    try:
        assert judged(login) == rights.Rights(missing=(*unknown, "DELETE on provisioning.holds"))
    finally:
        migration.migrate(login.admin)


def test_a_login_without_the_role_is_told_so_and_not_that_the_database_is_empty(
    login: Login, clock: MovedClock, graph: GraphEmulator
) -> None:
    environ = environment(login.connection_string, "http://127.0.0.1:1/", graph.upload_url)
    with (
        pytest.raises(SettingsError, match=r"may not see the app's tables.*ALTER ROLE provisioning_app ADD MEMBER"),
        runs.opened(Settings.from_environ(environ), clock, 0),
    ):
        pass
    told = {finding.check: finding for finding in doctor.examine(environ, clock=clock)}
    assert told["migrated"].told == ("this login may not see the app's tables",)
    assert "ALTER ROLE provisioning_app ADD MEMBER" in told["migrated"].mend[0]
