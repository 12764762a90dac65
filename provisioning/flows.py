"""Where the provisioning app writes what it is sent: which property of a user in Entra holds which value of ours. Pure.

Read from the app's schema; where that may not be read, Microsoft's own names tell. A value that goes there as it is
can be compared; of an expression only the user name, before its @. Contracts, under
https://learn.microsoft.com/graph/api/resources/: synchronization-attributemapping (flowType, defaultValue,
matchingPriority), synchronization-attributedefinition (flowNullValues) and user.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from provisioning import app_schema
from provisioning.app_schema import MATCHED
from provisioning.people import same_key
from provisioning.schema_changes import DIRECTORY_EXTENSION, KNOWN_TARGETS
from provisioning.scim import ENTERPRISE, WORK_MAIL

EXTENSIONS = "onPremisesExtensionAttributes"
USER_NAME, MAIL, MANAGER, KEY = "userPrincipalName", "mail", "manager", "employeeId"
ENABLED = "accountEnabled"
LEAVE_DATE = "employeeLeaveDateTime"
"""Reading it takes a permission of its own: https://learn.microsoft.com/graph/api/user-get"""

MANAGER_PATH = f"{ENTERPRISE}:manager.value"

_PROPERTIES = (
    *("businessPhones", "city", "companyName", "country", "department", "displayName", "employeeHireDate", KEY),
    *(LEAVE_DATE, "employeeType", "faxNumber", "givenName", "jobTitle", MAIL, "mailNickname", MANAGER, "mobilePhone"),
    *("officeLocation", "postalCode", "preferredLanguage", "state", "streetAddress", "surname", "usageLocation"),
    *(USER_NAME, "userType"),
)
_OTHER_NAMES = {
    "physicaldeliveryofficename": "officeLocation",
    "telephonenumber": "businessPhones",
    "mobile": "mobilePhone",
    "facsimiletelephonenumber": "faxNumber",
    "title": "jobTitle",
    "sn": "surname",
    "l": "city",
    "st": "state",
    "company": "companyName",
}
"""What provisioning, and Active Directory, call properties that Graph calls otherwise; lower case."""

_BY_NAME = {name.casefold(): name for name in _PROPERTIES} | _OTHER_NAMES
_BY_NAME |= {f"extensionattribute{n}": f"{EXTENSIONS}/extensionAttribute{n}" for n in range(1, 16)}
_DATES = ("employeeHireDate", LEAVE_DATE)
_WITHOUT_CASE = (MAIL, "mailNickname", USER_NAME, KEY)

_DEFAULTS = {
    "displayName": "displayName",
    "name.givenName": "givenName",
    "name.familyName": "surname",
    "title": "jobTitle",
    "userType": "employeeType",
    "preferredLanguage": "preferredLanguage",
    WORK_MAIL: MAIL,
    'phoneNumbers[type eq "work"].value': "businessPhones",
    'phoneNumbers[type eq "mobile"].value': "mobilePhone",
    'phoneNumbers[type eq "fax"].value': "faxNumber",
    'addresses[type eq "work"].streetAddress': "streetAddress",
    'addresses[type eq "work"].locality': "city",
    'addresses[type eq "work"].region': "state",
    'addresses[type eq "work"].postalCode': "postalCode",
    'addresses[type eq "work"].country': "country",
    f"{ENTERPRISE}:department": "department",
    MANAGER_PATH: MANAGER,
}
"""Where the app's schema may not be read: what goes where its name says."""


@dataclass(frozen=True, slots=True)
class Flow:
    """A value of ours and where it ends up.

    `adds_only`: written where there is nothing yet. `clears`: whether null clears it. `default`: what is written
    instead of null. `before_at`: of the property only what stands before its @ is made from the value.
    """

    path: str
    property: str
    only_on_create: bool = False
    adds_only: bool = False
    clears: bool = False
    default: str | None = None
    before_at: bool = False

    def expected(self, sent: Any) -> str | None:
        """The text that should stand there; None for nothing."""
        text = "" if sent is None else str(sent).lower() if isinstance(sent, bool) else str(sent)
        return text.strip() or self.default

    def agrees(self, sent: Any, found: str | None) -> bool:
        """Whether what stands there is what was sent, or what nobody would change."""
        if sent == found and (sent or self.default is None):  # of nearly everybody
            return True
        wanted, there = self.expected(sent), (found or "").strip() or None
        if wanted is None:
            return there is None or not self.clears
        if there is None:
            return False
        if self.before_at:
            return _plain(wanted) == _plain(there)
        if self.property in _DATES:
            return _moment(wanted) == _moment(there)
        if self.property in _WITHOUT_CASE:
            return wanted.casefold() == there.casefold()
        return wanted == there

    def strays(self, sent: Any, found: str | None) -> bool:
        """Whether what stands there is something else."""
        return not self.agrees(sent, found)

    def would_write(self, sent: Any, found: str | None) -> bool:
        """Whether sending this to an account that is there changes it."""
        blocked = self.only_on_create or (self.adds_only and bool(found))
        return not blocked and not self.agrees(sent, found)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What is not compared, and why."""

    target: str
    why: str

    def __str__(self) -> str:
        return f"{self.target}: {self.why}"


@dataclass(frozen=True)
class Flows:
    """What the app does with what it is sent. `keys`: path and property by which people are found, the first first."""

    compared: tuple[Flow, ...]
    left_out: tuple[LeftOut, ...]
    keys: tuple[tuple[str, str], ...]
    version: str | None = None
    """Of the app's schema; None where it was not read."""
    unlike: str = ""
    """By what the app matches, where none of it can be followed: `keys` are the usual ones then."""

    def without(self, property_: str, why: str) -> "Flows":
        """The same, where this one may not be read."""
        kept = tuple(flow for flow in self.compared if flow.property != property_)
        left = (LeftOut(property_, why),) if len(kept) < len(self.compared) else ()
        return replace(self, compared=kept, left_out=(*self.left_out, *left))

    @property
    def properties(self) -> tuple[str, ...]:
        """Every property that is looked at, but the manager."""
        found = [flow.property for flow in self.compared] + [property_ for _, property_ in self.keys]
        return tuple(dict.fromkeys(name for name in found if name != MANAGER))


def default(paths: Sequence[str]) -> Flows:
    """What goes where by its name; for apps whose schema may not be read."""
    found = [Flow(path, _DEFAULTS[path], only_on_create=_DEFAULTS[path] == MAIL) for path in paths if path in _DEFAULTS]
    for path in paths:
        name = path.rpartition(":")[2]
        if path.startswith("urn:") and not path.startswith(ENTERPRISE) and name in KNOWN_TARGETS:
            found.append(Flow(path, KNOWN_TARGETS[name]))
    known = {flow.path for flow in found} | {MATCHED[0], "active"}
    left = [LeftOut(path, "the app's schema was not read") for path in paths if path not in known]
    return Flows(tuple(found), tuple(left), (MATCHED,))


def read(document: Mapping[str, Any], paths: Sequence[str]) -> Flows:
    """What the schema says of these paths of ours. Raises ValueError where it tells of no mapping of users."""
    schema = app_schema.read(document)
    ours = _by_spelling(paths)
    clearing = _clearing(document)
    compared: list[Flow] = []
    left: list[LeftOut] = []
    for one in _mappings(document):
        target = str(one.get("targetAttributeName"))
        if target.casefold() not in (KEY.casefold(), ENABLED.casefold()):
            found = _flow(one, target, ours, clearing)
            compared += [found] if isinstance(found, Flow) else []
            left += [found] if isinstance(found, LeftOut) else []
    keys = []
    for match in schema.matches:
        path, name = ours.get(match.source.casefold()), _property(match.target)
        if path and name:
            keys.append((path, name))
        else:
            left.append(LeftOut(match.target, f"people are matched by it, too, from {match.source or 'an expression'}"))
    unlike = "" if keys else ", ".join(str(match) for match in schema.matches) or "nothing"
    return Flows(tuple(compared), tuple(left), tuple(keys) or (MATCHED,), str(document.get("version")), unlike)


def _flow(one: Mapping[str, Any], target: str, ours: Mapping[str, str], clearing: set[str]) -> Flow | LeftOut | None:
    """One mapping: what of ours is compared with what, or why not; None where nothing of ours goes there."""
    source = one.get("source")
    read_by = [ours[name] for name in app_schema.sources(source) if name in ours]
    kind = source.get("type", "Attribute") if isinstance(source, Mapping) else "Constant"
    name, only = _property(target), str(one.get("flowType"))
    if kind == "Constant":
        return LeftOut(target, "a constant")
    if not read_by:
        return None
    if name is None:
        return LeftOut(target, "Graph does not tell it")
    before_at = kind != "Attribute"
    if before_at and (name != USER_NAME or read_by != ["userName"]):
        return LeftOut(target, f"an expression of {', '.join(dict.fromkeys(read_by))}")
    return Flow(
        read_by[0],
        name,
        only_on_create=name == MAIL or only == "ObjectAddOnly",
        adds_only=only == "AttributeAddOnly",
        clears=read_by[0].casefold() in clearing and only != "ValueAddOnly",
        default=str(one["defaultValue"]) if one.get("defaultValue") else None,
        before_at=before_at,
    )


def _mappings(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for rule in app_schema.objects(document, "synchronizationRules"):
        for mapping in app_schema.users(rule):
            yield from app_schema.objects(mapping, "attributeMappings")


def _by_spelling(paths: Iterable[str]) -> dict[str, str]:
    """Each name under which the schema may have a path of ours → that path."""
    found = {}
    for path in paths:
        found[path.casefold()] = path
        if path.startswith("urn:"):
            found.setdefault(path.removesuffix(".value").casefold(), path)
    return found


def _clearing(document: Mapping[str, Any]) -> set[str]:
    """Attributes of the API whose nulls flow, as far as the schema tells; by every name of theirs, lower case."""
    rules = app_schema.objects(document, "synchronizationRules")
    ours = {rule.get("sourceDirectoryName") for rule in rules if any(app_schema.users(rule))}
    objects = (
        described
        for directory in app_schema.objects(document, "directories")
        for described in app_schema.objects(directory, "objects")
        if directory.get("name") in ours
    )
    found = (attribute for described in objects for attribute in app_schema.objects(described, "attributes"))
    names = {str(one.get("name")).casefold() for one in found if one.get("flowNullValues") is True}
    return names | {f"{name}.value" for name in names}


def _property(target: str) -> str | None:
    """How Graph calls an attribute of the target; None where it tells of none."""
    if DIRECTORY_EXTENSION.fullmatch(target):
        return target
    return _BY_NAME.get(target.casefold())


def _plain(text: str) -> str:
    """What stands before an @, without accents, blanks and case: as expressions make a user name."""
    letters = unicodedata.normalize("NFKD", text.partition("@")[0])
    return "".join(c for c in letters if not unicodedata.combining(c) and not c.isspace()).casefold()


def before_at(user_name: str) -> str:
    """What of a user name stands before its @, as it is compared."""
    return _plain(user_name)


def _moment(text: str) -> datetime | str:
    try:
        found = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
    except ValueError:
        return text
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def same_person(one: str | None, other: str | None) -> bool:
    """Whether two keys are one."""
    return bool(one) and bool(other) and same_key(str(one)) == same_key(str(other))
