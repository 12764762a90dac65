"""What the provisioning app's schema lacks for the columns of dbo.ScimUsers, and the schema with it. Pure.

Only ever adds: an attribute to the list of the API, a mapping from it to an attribute over there that nothing writes
yet. Contracts: https://learn.microsoft.com/graph/api/synchronization-synchronizationschema-update (a PUT replaces the
whole document, so it must hold all there was), …/graph/api/resources/synchronization-attributedefinition,
…-attributemapping and …-attributemappingsource; and of Entra's pages inbound-provisioning-api-custom-attributes.
"""

import copy
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from provisioning import app_schema
from provisioning.app_schema import MATCHED
from provisioning.scim import CORE, ENTERPRISE, Attribute

KNOWN_TARGETS = {"HireDate": "employeeHireDate", "LeaveDate": "employeeLeaveDateTime"}
"""Where an extension's attribute of this name goes unless told otherwise: what Lifecycle Workflows begin by.

https://learn.microsoft.com/entra/id-governance/how-to-lifecycle-workflow-sync-attributes
"""

DIRECTORY_EXTENSION = re.compile(r"extension_[0-9a-f]{32}_\w+", re.ASCII)
"""What an attribute of one's own is called in Entra; the app's list of Entra's attributes may not have it yet."""

_TYPES = {"string": "String", "boolean": "Boolean", "integer": "Integer", "dateTime": "DateTime"}

_DEFINITION: Mapping[str, Any] = {
    "anchor": False,
    "caseExact": False,
    "defaultValue": None,
    "flowNullValues": False,
    "multivalued": False,
    "mutability": "ReadWrite",
    "required": False,
    "apiExpressions": [],
    "metadata": [],
    "referencedObjects": [],
}
"""What a new attribute is like; of these only what the other attributes of the list tell, too."""


class Unfit(ValueError):
    """What is asked for cannot be; `problems` says all of it."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Keep every problem."""
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True)
class Place:
    """Where people are in a schema: as the rule, its mapping of users, and the two objects that it maps."""

    mapping: Mapping[str, Any]
    source: Mapping[str, Any]
    target: Mapping[str, Any]
    target_is_fixed: bool
    """Whether the list of the attributes over there takes no more."""

    @property
    def writers(self) -> dict[str, dict[str, Any]]:
        """Target attribute, as names are compared, → what writes it."""
        return {str(m.get("targetAttributeName")).casefold(): m for m in self.mapping["attributeMappings"]}

    @property
    def targets(self) -> dict[str, dict[str, Any]]:
        """Attributes over there, by their names as they are compared."""
        return {str(a.get("name")).casefold(): a for a in self.target["attributes"]}


@dataclass(frozen=True)
class Link:
    """A mapping to be: from one of our paths to an attribute over there."""

    source: str
    target: str

    def __str__(self) -> str:
        return f"{self.source} → {self.target}"


@dataclass(frozen=True)
class Change:
    """What is to be written: attributes with their types, mappings, and whether people are to be matched anew."""

    version: str
    attributes: tuple[tuple[str, str], ...] = ()
    targets: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    matching: tuple[str, ...] = ()
    """What people are matched by now, where that is to change."""
    unmapped: tuple[str, ...] = ()
    """Paths that go nowhere, also afterwards; not written."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.attributes or self.targets or self.links or self.matching)

    def plan(self, target: str) -> str:
        """Eight letters that stand for this change of this app's schema as it is now."""
        told = [target, self.version, self.attributes, self.targets, [str(x) for x in self.links], self.matching]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:8]

    def lines(self) -> Iterator[str]:
        """The change as people read it: a line with + for each thing added, ~ for what becomes another."""
        for path, kind in self.attributes:
            yield f"+ attribute  {path} ({kind})"
        for name in self.targets:
            yield f"+ attribute  {name} (String), over there"
        for link in self.links:
            yield f"+ mapping    {link}"
        if self.matching:
            yield f"~ matching   {', then '.join(self.matching)}  becomes  {' → '.join(MATCHED)}"
        for path in self.unmapped:
            yield f"  no target  {path}: sent, and mapped to nothing; --map '{path}=TARGET' maps it"


def place(document: Mapping[str, Any]) -> Place:
    """Where people are in a schema. Raises Unfit where that is not one place, or where it cannot be edited."""
    rules = app_schema.objects(document, "synchronizationRules")
    pairs = [(rule, mapping) for rule in rules for mapping in app_schema.users(rule)]
    if len(pairs) != 1:
        raise Unfit([f"the app's schema has {len(pairs)} mappings of users that are switched on, not one."])
    ((rule, mapping),) = pairs
    if rule.get("editable") is False:
        raise Unfit(["the app's rule of users is read-only."])
    source, _ = _object(document, rule.get("sourceDirectoryName"), mapping.get("sourceObjectName"))
    target, fixed = _object(document, rule.get("targetDirectoryName"), mapping.get("targetObjectName"))
    if not isinstance(mapping.get("attributeMappings"), list):
        raise Unfit(["the app's mapping of users has no attributes."])
    return Place(mapping, source, target, fixed)


def _object(document: Mapping[str, Any], directory: Any, kind: Any) -> tuple[Mapping[str, Any], bool]:
    """An object's definition, and whether its directory is read-only."""
    for found in app_schema.objects(document, "directories"):
        for described in app_schema.objects(found, "objects") if found.get("name") == directory else ():
            if described.get("name") == kind and isinstance(described.get("attributes"), list):
                return described, found.get("readOnly") is True
    raise Unfit([f"the app's schema does not define {kind} of {directory}."])


def change(
    document: Mapping[str, Any], attributes: Sequence[Attribute], asked: Sequence[tuple[str, str]], *, match: bool
) -> Change:
    """What the schema lacks for these attributes of ours, and for the mappings asked for (column or path, target).

    `match`: also to match by externalId → employeeId alone. Raises Unfit with everything that cannot be.
    """
    where, read = place(document), app_schema.read(document)
    paths = [a.path for a in attributes]
    problems: list[str] = []
    links = list(_asked(attributes, asked, where, problems))
    links += _by_name(attributes, where, links)
    dropped = set(read.dropped(paths))
    matching = _matching(where, read, problems) if match else ()
    if problems:
        raise Unfit(problems)
    going = {link.source for link in links}
    return Change(
        version=str(document.get("version")),
        attributes=tuple((a.path, _TYPES[a.kind]) for a in attributes if a.path in dropped),
        targets=tuple(sorted({x.target for x in links if x.target.casefold() not in where.targets})),
        links=tuple(links),
        matching=matching,
        unmapped=tuple(p for p in paths if (p in dropped or p in read.unused(paths)) and p not in going),
    )


def _asked(
    attributes: Sequence[Attribute], asked: Sequence[tuple[str, str]], where: Place, problems: list[str]
) -> Iterator[Link]:
    """The mappings that somebody asked for and that are not there yet."""
    promised: dict[str, str] = {}
    for name, wanted in asked:
        path = _path(attributes, name)
        if path is None:
            problems.append(f"--map {name}: dbo.ScimUsers has no column of this name.")
            continue
        target, problem = _target(where, wanted)
        other = promised.setdefault(target.casefold(), path)
        if problem:
            problems.append(f"--map {name}={wanted}: {problem}")
        elif other != path:
            problems.append(f"--map {name}={wanted}: {other} goes there, too; two mappings of one target conflict.")
        elif (writer := where.writers.get(target.casefold())) is None:
            yield Link(path, target)
        elif not _is_plain(writer, path):
            by = _told_source(writer)
            problems.append(f"--map {name}={wanted}: {by} writes it already; change that in the portal.")


def _path(attributes: Iterable[Attribute], name: str) -> str | None:
    """The full path of an attribute as a column, a path, or a column without its time of day names it."""
    return next((a.path for a in attributes if name in (a.path, a.column, a.column.partition("@")[0])), None)


def _target(where: Place, wanted: str) -> tuple[str, str | None]:
    """A target as it is spelled over there, and what is wrong with it."""
    found = where.targets.get(wanted.casefold())
    if found is None:
        if not DIRECTORY_EXTENSION.fullmatch(wanted):
            return wanted, f"the app knows no attribute {wanted} over there."
        if where.target_is_fixed:
            return wanted, f"the app's list of attributes over there is read-only; add {wanted} in the portal."
        return wanted, None
    name = str(found["name"])
    if name != wanted:
        return name, f"it is spelled {name}."
    if found.get("mutability") == "ReadOnly":
        return name, f"{name} can only be read."
    return name, None


def _by_name(attributes: Sequence[Attribute], where: Place, asked: Sequence[Link]) -> Iterator[Link]:
    """What goes where its name says, if it goes nowhere yet and nothing else writes that."""
    going = {link.source for link in asked}
    taken = {*where.writers, *(link.target.casefold() for link in asked)}
    for attribute in attributes:
        target = KNOWN_TARGETS.get(attribute.name, "") if attribute.schema not in (CORE, ENTERPRISE) else ""
        free = target.casefold() in where.targets and target.casefold() not in taken
        if free and attribute.path not in going and not _is_read(where, attribute.path):
            taken.add(target.casefold())
            yield Link(attribute.path, target)


def _is_read(where: Place, path: str) -> bool:
    return any(path.casefold() in app_schema.sources(m.get("source")) for m in where.mapping["attributeMappings"])


def _matching(where: Place, read: app_schema.AppSchema, problems: list[str]) -> tuple[str, ...]:
    """What people are matched by, if that is to change."""
    if len(read.matches) == 1 and read.matches[0].expected:
        return ()
    writer = where.writers.get(MATCHED[1].casefold())
    if writer is None or not _is_plain(writer, MATCHED[0]):
        problems.append(f"--match: {MATCHED[0]} is not mapped to {MATCHED[1]} as it is; do that in the portal first.")
    return tuple(str(m) for m in read.matches) or ("nothing",)


def _is_plain(mapping: Mapping[str, Any], path: str) -> bool:
    """Whether a mapping takes this attribute as it is."""
    source = mapping.get("source")
    if not isinstance(source, Mapping) or source.get("type", "Attribute") != "Attribute":
        return False
    return str(source.get("name")).casefold() == path.casefold()


def _told_source(mapping: Mapping[str, Any]) -> str:
    source = mapping.get("source")
    return str(source.get("expression") or source.get("name")) if isinstance(source, Mapping) else "a constant"


# --- the schema with it -------------------------------------------------------------------------------------------


def changed(document: Mapping[str, Any], wanted: Change) -> dict[str, Any]:
    """The whole schema with the change in it, everything else as it was; without what OData tells of the answer."""
    new = copy.deepcopy({name: value for name, value in document.items() if not name.startswith("@odata.")})
    where = place(new)
    where.source["attributes"].extend(_definition(path, kind, where.source) for path, kind in wanted.attributes)
    where.target["attributes"].extend(_definition(name, "String", where.target) for name in wanted.targets)
    where.mapping["attributeMappings"].extend(map(_mapping, wanted.links))
    if wanted.matching:
        for one in where.mapping["attributeMappings"]:
            one["matchingPriority"] = int(str(one.get("targetAttributeName")).casefold() == MATCHED[1].casefold())
    return new


def _definition(name: str, kind: str, beside: Mapping[str, Any]) -> dict[str, Any]:
    told = {key for attribute in app_schema.objects(beside, "attributes") for key in attribute}
    rest = {key: copy.copy(value) for key, value in _DEFINITION.items() if key in told}
    return {**rest, "name": name, "type": kind}


def _mapping(link: Link) -> dict[str, Any]:
    return {
        "defaultValue": None,
        "exportMissingReferences": False,
        "flowBehavior": "FlowWhenChanged",
        "flowType": "Always",
        "matchingPriority": 0,
        "source": {"expression": f"[{link.source}]", "name": link.source, "parameters": [], "type": "Attribute"},
        "targetAttributeName": link.target,
    }


def differences(sent: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """What a schema that was sent and the one that is there now do not have in common, in names."""
    ours, theirs = _facts(sent), _facts(found)
    lacking = [f"not there: {name}" for name in ours if name not in theirs]
    other = [f"not as sent: {name}" for name in ours if name in theirs and theirs[name] != ours[name]]
    return [*lacking, *other, *(f"not sent: {name}" for name in theirs if name not in ours)]


def _facts(document: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that matters of where people are: attributes with their types, mappings with source and matching."""
    where = place(document)
    facts: dict[str, Any] = {}
    for side, described in (("attribute", where.source), ("attribute over there", where.target)):
        for attribute in app_schema.objects(described, "attributes"):
            facts[f"{side} {attribute.get('name')}"] = str(attribute.get("type")).casefold()
    for one in app_schema.objects(where.mapping, "attributeMappings"):
        told = (_reading(one.get("source")), one.get("matchingPriority"), one.get("flowType"), one.get("defaultValue"))
        facts[f"mapping to {one.get('targetAttributeName')}"] = told
    return facts


def _reading(source: Any) -> Any:
    """A source without how it is written down: what it reads, and by which function."""
    if not isinstance(source, Mapping):
        return None
    parts = tuple(_reading(p.get("value")) for p in app_schema.objects(source, "parameters"))
    return source.get("type", "Attribute"), source.get("name"), parts
