"""Rights: what the app needs in the database and in Graph, and what is too much. Pure."""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

APP_ROLE = "provisioning_app"
"""The database role of the app; its grants stand in sql/grants.sql."""

ADD_MEMBER = f"ALTER ROLE {APP_ROLE} ADD MEMBER [this login]"
"""What makes a login, as a user of the database, one of the app's."""

UPLOAD_ROLE = "SynchronizationData-User.Upload"
LOGS_ROLE, JOB_ROLE = "ProvisioningLog.Read.All", "Synchronization.Read.All"
READING_ROLES = (LOGS_ROLE, JOB_ROLE)
"""App roles without which people are sent all the same, but outcomes, the job's status and its schema are not read.

https://learn.microsoft.com/graph/permissions-reference
"""

USERS_ROLE = "User.Read.All"
"""What comparing the directory needs, and nothing else of this app."""

LIFECYCLE_ROLE = "User-LifeCycleInfo.Read.All"
"""Without it employeeLeaveDateTime is not compared: https://learn.microsoft.com/graph/api/user-get"""

_GRANT = re.compile(r"\bGRANT\s+([A-Z, ]+?)\s+ON\s+([\w.\[\]]+)\s+TO\s+(\w+)", re.IGNORECASE)


@dataclass(frozen=True)
class Rights:
    """What is missing, and what is more than needed, each as a phrase."""

    missing: tuple[str, ...] = ()
    excessive: tuple[str, ...] = ()


def granted(script: str, role: str = APP_ROLE) -> dict[str, set[str]]:
    """What a script of GRANTs gives to a role: object → permissions."""
    found: dict[str, set[str]] = {}
    for permissions, name, grantee in _GRANT.findall(script):
        if grantee.casefold() == role:
            found.setdefault(re.sub(r"[\[\]]", "", name).casefold(), set()).update(
                p.strip().upper() for p in permissions.split(",")
            )
    return found


def in_database(rows: Iterable[Sequence[Any]], needed: Mapping[str, Iterable[str]]) -> Rights:
    """Judge what queries/my_rights.sql tells of a login by what is needed (object → permissions)."""
    objects: dict[str, set[str]] = {}
    database, roles = set(), set()
    for kind, name, permission in rows:
        if kind == "object":
            objects.setdefault(str(name).casefold(), set()).add(str(permission))
        elif kind == "database":
            database.add(str(permission))
        else:
            roles.add(str(name))
    wanted = {name.casefold(): set(permissions) for name, permissions in needed.items()}
    missing = [
        f"{', '.join(sorted(lacking))} on {name}"
        for name, permissions in sorted(wanted.items())
        if (lacking := permissions - objects.get(name, set()))
    ]
    excessive = [f"member of {role}" for role in sorted(roles) if role.casefold() != APP_ROLE]
    if database:  # then what stands on single objects follows from it
        told = "CONTROL" if "CONTROL" in database else ", ".join(sorted(database))
        return Rights(tuple(missing), (*excessive, f"{told} on the whole database"))
    excessive += [
        f"{', '.join(sorted(more))} on {name}"
        for name, permissions in sorted(objects.items())
        if (more := permissions - wanted.get(name, set()))
    ]
    return Rights(tuple(missing), tuple(excessive))


def claims(token: str) -> dict[str, Any] | None:
    """What a token says of itself; None for one that cannot be read. It is not verified: Graph does that."""
    parts = token.split(".")
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        found = json.loads(base64.urlsafe_b64decode(padded))
    except (IndexError, ValueError, binascii.Error):
        return None
    return found if isinstance(found, dict) else None


def of_token(said: Mapping[str, Any], *, compares: bool = False) -> Rights:
    """Judge the app roles of a token. Of the missing ones only `UPLOAD_ROLE` keeps people from being sent.

    `compares`: whether the directory is compared by a timer; only then may its users be read.
    """
    roles = said.get("roles")
    held = {str(role) for role in roles} if isinstance(roles, list) else set()
    needed = (UPLOAD_ROLE, *READING_ROLES, *((USERS_ROLE,) if compares else ()))
    allowed = {*needed, *((LIFECYCLE_ROLE,) if compares else ())}
    return Rights(tuple(r for r in needed if r not in held), tuple(sorted(held - allowed)))
