"""What the provisioning app in Entra knows: its source attributes, what it maps, and by what it matches. Pure.

Contract: https://learn.microsoft.com/graph/api/resources/synchronization-synchronizationschema
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MATCHED = ("externalId", "employeeId")
"""By which attribute of ours Entra finds a person, and in which of its own it looks."""


@dataclass(frozen=True)
class Match:
    """A pair of attributes by which people are found; the lowest priority is tried first."""

    priority: int
    source: str
    target: str

    @property
    def expected(self) -> bool:
        """Whether it is externalId → employeeId."""
        return (self.source.casefold(), self.target.casefold()) == tuple(name.casefold() for name in MATCHED)

    def __str__(self) -> str:
        return f"{self.source or '(an expression)'} → {self.target}"


@dataclass(frozen=True)
class AppSchema:
    """The part of a synchronizationSchema that concerns people who are uploaded."""

    known: frozenset[str]
    used: frozenset[str]
    matches: tuple[Match, ...]

    def dropped(self, paths: Iterable[str]) -> list[str]:
        """Which of our attributes Entra does not know: it drops them without a word."""
        return [path for path in paths if not _names(path) & self.known]

    def unused(self, paths: Iterable[str]) -> list[str]:
        """Which of our attributes Entra knows and maps to nothing."""
        return [path for path in paths if _names(path) & self.known and not _names(path) & self.used]


def read(document: Mapping[str, Any]) -> AppSchema:
    """Understand what Graph answers. Raises ValueError where it tells of no mapping of users."""
    known: set[str] = set()
    used: set[str] = set()
    matches: list[Match] = []
    pairs = [(rule, mapping) for rule in objects(document, "synchronizationRules") for mapping in users(rule)]
    for rule, mapping in pairs:
        known |= _attributes(document, rule.get("sourceDirectoryName"), mapping.get("sourceObjectName"))
        for one in objects(mapping, "attributeMappings"):
            used |= set(sources(one.get("source")))
            if (priority := _number(one.get("matchingPriority"))) > 0:
                matches.append(Match(priority, _plain_source(one.get("source")), str(one.get("targetAttributeName"))))
    if not pairs or not known:
        raise ValueError("the schema tells of no mapping of users")
    return AppSchema(frozenset(known), frozenset(used), tuple(sorted(matches, key=lambda m: m.priority)))


def _names(path: str) -> set[str]:
    """The names under which an attribute of ours may stand there: a reference without its part, too."""
    return {path.casefold(), path.removesuffix(".value").casefold()} if path.startswith("urn:") else {path.casefold()}


def users(rule: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The mappings of a rule that are switched on and make users."""
    for mapping in objects(rule, "objectMappings"):
        if mapping.get("enabled") is not False and str(mapping.get("targetObjectName")).casefold() == "user":
            yield mapping


def _attributes(document: Mapping[str, Any], directory: Any, kind: Any) -> set[str]:
    """The names of what an object of the source directory may have."""
    return {
        str(attribute.get("name")).casefold()
        for found in objects(document, "directories")
        if found.get("name") == directory
        for described in objects(found, "objects")
        if described.get("name") == kind
        for attribute in objects(described, "attributes")
    }


def sources(source: Any) -> Iterator[str]:
    """Every attribute of ours that a mapping reads, however deep in an expression."""
    if not isinstance(source, Mapping):
        return
    if source.get("type", "Attribute") == "Attribute":
        yield str(source.get("name")).casefold()
    for parameter in objects(source, "parameters"):
        yield from sources(parameter.get("value"))


def _plain_source(source: Any) -> str:
    plain = isinstance(source, Mapping) and source.get("type", "Attribute") == "Attribute"
    return str(source.get("name")) if plain else ""


def objects(owner: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The objects of a list; none where it is no list."""
    found = owner.get(name)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
