"""Accounts as GET /users tells them: a user's properties in Graph's words, from what the provisioning app writes.

Sources, on learn.microsoft.com: graph/api/resources/user (properties), …/graph/api/user-list ($select, page sizes, what
a collection does not tell), …/graph/api/user-delta and graph/delta-query-overview. The names that provisioning has for
attributes over there are older than Graph's (entra/identity/app-provisioning/…): physicalDeliveryOfficeName, mobile.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

State = dict[str, Any]

DOMAIN = "contoso.example"
"""DefaultDomain() of this tenant."""

EXTENSIONS = "onPremisesExtensionAttributes"
_OTHER_NAMES = {
    "physicalDeliveryOfficeName": "officeLocation",
    "mobile": "mobilePhone",
    "telephoneNumber": "businessPhones",
    "facsimileTelephoneNumber": "faxNumber",
}
_EXTENSION = re.compile(r"extensionAttribute([1-9]|1[0-5])")
_OF_ONES_OWN = re.compile(r"extension_[0-9a-f]{32}_\w+", re.ASCII)

PROPERTIES = {
    *("accountEnabled", "ageGroup", "businessPhones", "city", "companyName", "country", "createdDateTime"),
    *("creationType", "deletedDateTime", "department", "displayName", "employeeHireDate", "employeeId"),
    *("employeeLeaveDateTime", "employeeOrgData", "employeeType", "externalUserState", "faxNumber", "givenName", "id"),
    *("identities", "jobTitle", "mail", "mailNickname", "mobilePhone", "officeLocation", EXTENSIONS),
    *("onPremisesSamAccountName", "onPremisesSyncEnabled", "otherMails", "postalCode", "preferredLanguage"),
    *("proxyAddresses", "state", "streetAddress", "surname", "usageLocation", "userPrincipalName", "userType"),
}
ONE_BY_ONE = {"aboutMe", "birthday", "hireDate", "interests", "mySite", "pastProjects", "schools", "skills"}
"""What a collection does not tell: 501."""

LIFECYCLE = "employeeLeaveDateTime"

Link = tuple[str, str]
"""A property in Graph's words, and the path that it is made from."""


def is_property(name: str) -> bool:
    """Whether a user has such a property, as far as a collection tells it."""
    return name in PROPERTIES or bool(_OF_ONES_OWN.fullmatch(name))


def in_graphs_words(target: str) -> str:
    """How Graph calls an attribute of a provisioning app's target."""
    return f"{EXTENSIONS}/{target}" if _EXTENSION.fullmatch(target) else _OTHER_NAMES.get(target, target)


def as_state(links: Iterable[Link], properties: State) -> tuple[State, State]:
    """Properties in Graph's words, as the attributes they are mapped from; and those that nothing is mapped to."""
    flat = {f"{EXTENSIONS}/{n}": v for n, v in properties.get(EXTENSIONS, {}).items()}
    flat |= {name: value for name, value in properties.items() if name != EXTENSIONS}
    known = dict(links)
    state = {known[name]: _inward(name, value) for name, value in flat.items() if name in known}
    return state, {name: value for name, value in flat.items() if name not in known}


def _inward(name: str, value: Any) -> Any:
    if name == "userPrincipalName" and value:
        return value.removesuffix(f"@{DOMAIN}")
    if name == "businessPhones":
        return value[0] if value else None
    return value


def as_graph(
    links: Iterable[Link], object_id: str, state: State, more: State, manager_id: Callable[[str], str | None]
) -> State:
    """A whole user; `manager_id`: the object id of whoever has this employeeId. The manager is given as `manager`."""
    user: State = {"id": object_id, "userType": "Member", "businessPhones": [], EXTENSIONS: {}}
    flat = {name: _outward(name, state[path], manager_id) for name, path in links if path in state} | more
    for name, value in flat.items():
        if name.startswith(f"{EXTENSIONS}/"):
            user[EXTENSIONS][name.partition("/")[2]] = value
        else:
            user[name] = value
    user.setdefault("mailNickname", str(user.get("userPrincipalName", "")).partition("@")[0])
    return user


def _outward(name: str, value: Any, manager_id: Callable[[str], str | None]) -> Any:
    if name == "userPrincipalName":
        return value if "@" in value else f"{value}@{DOMAIN}"
    if name == "businessPhones":
        return [value]
    return manager_id(value) if name == "manager" else value


def selected(user: State, names: Iterable[str]) -> State:
    """Some properties of a user, as a collection gives them: those that are not set as null."""
    found = {name: user.get(name) for name in names}
    if EXTENSIONS in found:
        found[EXTENSIONS] = {f"extensionAttribute{n}": None for n in range(1, 16)} | user[EXTENSIONS]
    return found
