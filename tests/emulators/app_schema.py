"""The synchronizationSchema of an API-driven provisioning app: attributes it knows, what it maps, by what it matches.

Sources, on learn.microsoft.com: graph/api/synchronization-synchronizationschema-get, …-update (PUT: the whole document,
204) and …/resources/synchronization-… (synchronizationschema, synchronizationrule, objectmapping, attributemapping,
attributemappingsource, directorydefinition, objectdefinition, attributedefinition); in entra/identity/app-provisioning
inbound-provisioning-api-faqs (matching) and inbound-provisioning-api-custom-attributes (the attribute list of the API,
expressions); entra/identity/hybrid/cloud-sync/how-to-inbound-synch-ms-graph (two mappings of one target conflict).

A PUT is checked harder than is published: a version that is no longer the newest, a part that is left out and a name
that nothing defines are refused.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from typing import Any

from tests.emulators import accounts

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
HR = "urn:ietf:params:scim:schemas:extension:hr:2.0:User"

_ADDRESS = ("formatted", "streetAddress", "locality", "region", "postalCode", "country", "primary")
_NAME = ("formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix")
_STANDARD = (
    *("externalId", "userName", "displayName", "nickName", "profileUrl", "title", "userType"),
    *("preferredLanguage", "locale", "timezone", "active"),
    *(f"name.{part}" for part in _NAME),
    *(f'emails[type eq "{kind}"].value' for kind in ("work", "home", "other")),
    *(f'phoneNumbers[type eq "{kind}"].value' for kind in ("work", "mobile", "fax", "home", "pager")),
    *(f'addresses[type eq "work"].{part}' for part in _ADDRESS),
    *(f"{ENTERPRISE}:{name}" for name in ("employeeNumber", "costCenter", "organization", "division", "department")),
    f"{ENTERPRISE}:manager",
)
_MAPPED = {
    "title": "jobTitle",
    "displayName": "displayName",
    "name.givenName": "givenName",
    "name.familyName": "surname",
    "name.middleName": "extensionAttribute1",
    "nickName": "extensionAttribute2",
    "userType": "employeeType",
    "preferredLanguage": "preferredLanguage",
    'emails[type eq "work"].value': "mail",
    'emails[type eq "other"].value': "otherMails",
    'addresses[type eq "work"].formatted': "physicalDeliveryOfficeName",
    'addresses[type eq "work"].locality': "city",
    f"{ENTERPRISE}:employeeNumber": "extensionAttribute3",
    f"{ENTERPRISE}:department": "department",
    f"{ENTERPRISE}:manager": "manager",
    f"{HR}:HireDate": "employeeHireDate",
    f"{HR}:LeaveDate": "employeeLeaveDateTime",
}


_FREE_TARGETS = (
    *("companyName", "costCenter", "country", "mobile", "postalCode", "state", "streetAddress", "telephoneNumber"),
    *(f"extensionAttribute{n}" for n in range(4, 16)),
)
"""Attributes of a user in Entra that nothing is mapped to as the app comes."""


class Refused(ValueError):
    """A PUT that is not taken; `conflict`: what it was made from is no longer the newest."""

    def __init__(self, reason: str, *, conflict: bool = False) -> None:
        """Say why."""
        super().__init__(reason)
        self.conflict = conflict


class AppSchema:
    """What an administrator has set up: by default the standard attributes, the two of `hr`, matched by externalId."""

    def __init__(self) -> None:
        """Everything the shipped mapping sends is known and mapped."""
        self.attributes = [*_STANDARD, f"{HR}:HireDate", f"{HR}:LeaveDate"]
        self.matching = {"externalId": 1}
        self.unmapped: set[str] = set()
        """Attributes whose mapping was taken away."""
        self.removed: list[str] = []
        """What a PUT left out or changed of what had been there; a client of ours has no business to."""
        self._stored: dict[str, Any] | None = None
        self._links: tuple[object, list[accounts.Link]] = (None, [])
        self._numbers = itertools.count(1)
        self._version = self._new_version()

    def forget(self, path: str) -> None:
        """Take an attribute out of the list, and with it the mappings that read it."""
        self.attributes.remove(path)
        self.unmapped.add(path)

    def uses(self, path: str) -> bool:
        """Whether a value sent under this path goes anywhere; what does not is dropped without a word."""
        return path not in self.unmapped

    @property
    def links(self) -> list[accounts.Link]:
        """Which property of Graph's each attribute goes to, an expression's first attribute for the whole of it."""
        key = (self._version, len(self.unmapped), frozenset(self.unmapped))
        if self._links[0] != key:
            told = self.document("")["synchronizationRules"][0]["objectMappings"][0]["attributeMappings"]
            pairs = [(one["targetAttributeName"], next(_read_by(one["source"]), None)) for one in told]
            found = [(accounts.in_graphs_words(t), _as_sent(path)) for t, path in pairs if path]
            self._links = (key, found)
        return self._links[1]

    def as_state(self, properties: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Properties in Graph's words, as the attributes they are mapped from; and those that nothing is mapped to."""
        return accounts.as_state(self.links, properties)

    def document(self, job: str) -> dict[str, Any]:
        """As Graph answers."""
        if self._stored is not None:
            return copy.deepcopy(self._stored)
        return {
            "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#servicePrincipals('…')/synchronization/schema",
            "id": job,
            "version": self._version,
            "synchronizationRules": [self._rule()],
            "directories": [
                _directory("API", [_definition(name) for name in self.attributes]),
                _directory("Azure Active Directory", [_definition(name) for name in _TARGETS]),
            ],
        }

    def put(self, job: str, document: Any) -> None:
        """Take a whole new document in place of the one that is. Raises Refused."""
        old = self.document(job)
        _check_put(old, document)
        self.removed += _lost(old, document)
        self._version = self._new_version()
        self._stored = {**document, "@odata.context": old["@odata.context"], "version": self._version}
        self.unmapped -= set(_read_by(_all_sources(document)))

    def touch(self) -> None:
        """Somebody else saves something in the portal."""
        self._version = self._new_version()
        if self._stored is not None:
            self._stored["version"] = self._version

    def _new_version(self) -> str:
        number = next(self._numbers)
        return f"Date:2026-11-22T07:00:{number:02}.2095357Z, ActivityId:816f35a8-1135-4983-a437-{number:012}"

    def _rule(self) -> dict[str, Any]:
        return {
            "editable": True,
            "id": "USER_INBOUND_USER",
            "name": "USER_INBOUND_USER",
            "priority": 1,
            "sourceDirectoryName": "API",
            "targetDirectoryName": "Azure Active Directory",
            "metadata": [],
            "objectMappings": [
                {
                    "enabled": True,
                    "flowTypes": "Add, Update, Delete",
                    "metadata": [],
                    "name": "Provision API Users",
                    "scope": None,
                    "sourceObjectName": "User",
                    "targetObjectName": "User",
                    "attributeMappings": self._mappings(),
                }
            ],
        }

    def _mappings(self) -> list[dict[str, Any]]:
        accounts = [
            self._mapping("employeeId", "externalId", _attribute("externalId")),
            self._mapping("userPrincipalName", "userName", _joined("userName")),
            self._mapping("accountEnabled", "active", _switched("active")),
            {**self._mapping("usageLocation", "", None), "defaultValue": "US"},
        ]
        others = [self._mapping(target, path, _attribute(path)) for path, target in _MAPPED.items()]
        return [*accounts, *(m for m in others if m["source"]["name"] not in self.unmapped)]

    def _mapping(self, target: str, path: str, source: dict[str, Any] | None) -> dict[str, Any]:
        return {
            "defaultValue": None,
            "exportMissingReferences": False,
            "flowBehavior": "FlowWhenChanged",
            "flowType": "ObjectAddOnly" if target == "mail" else "Always",
            "matchingPriority": self.matching.get(path, 0),
            "source": source,
            "targetAttributeName": target,
        }


def _as_sent(path: str) -> str:
    """A reference is sent with its value as a part."""
    return f"{path}.value" if path.endswith(":manager") else path


def _attribute(path: str) -> dict[str, Any]:
    return {"expression": f"[{path}]", "name": path, "parameters": [], "type": "Attribute"}


def _constant(text: str) -> dict[str, Any]:
    return {"expression": f'"{text}"', "name": text, "parameters": [], "type": "Constant"}


def _function(name: str, expression: str, **parameters: dict[str, Any]) -> dict[str, Any]:
    pairs = [{"key": key, "value": value} for key, value in parameters.items()]
    return {"expression": expression, "name": name, "parameters": pairs, "type": "Function"}


def _joined(path: str) -> dict[str, Any]:
    """Join("@", NormalizeDiacritics([userName]), DefaultDomain()): an attribute deep inside an expression."""
    inner = _function("NormalizeDiacritics", f"NormalizeDiacritics([{path}])", source=_attribute(path))
    domain = _function("DefaultDomain", "DefaultDomain()")
    expression = f'Join("@", NormalizeDiacritics([{path}]), DefaultDomain())'
    return _function("Join", expression, separator=_constant("@"), source1=inner, source2=domain)


def _switched(path: str) -> dict[str, Any]:
    expression = f'Switch([{path}], , "True", "True", "False", "False")'
    return _function("Switch", expression, source=_attribute(path), key1=_constant("True"), value1=_constant("True"))


_TARGETS = ("employeeId", "userPrincipalName", "accountEnabled", "usageLocation", *_MAPPED.values(), *_FREE_TARGETS)


def _definition(name: str) -> dict[str, Any]:
    return {
        "apiExpressions": [],
        "anchor": name == "externalId",
        "caseExact": False,
        "defaultValue": None,
        "flowNullValues": True,
        "metadata": [],
        "multivalued": False,
        "mutability": "ReadWrite",
        "name": name,
        "referencedObjects": [{"referencedObjectName": "User"}] if name.endswith(":manager") else [],
        "required": name in ("externalId", "userName"),
        "type": "Boolean" if name == "active" else "Reference" if name.endswith(":manager") else "String",
    }


def _directory(name: str, attributes: list[dict[str, Any]]) -> dict[str, Any]:
    users = {"name": "User", "attributes": attributes, "metadata": [], "supportedApis": []}
    return {"id": name, "name": name, "discoverabilities": "None", "readOnly": False, "objects": [users]}


# --- what a PUT may be --------------------------------------------------------------------------------------------

_ROOT = {"id", "version", "synchronizationRules", "directories"}
_DIRECTORY = {"id", "name", "objects", "readOnly", "version", "discoveryDateTime", "discoverabilities", "metadata"}
_OBJECT = {"name", "attributes", "metadata", "supportedApis"}
_ATTRIBUTE = {
    *("anchor", "caseExact", "defaultValue", "flowNullValues", "metadata", "multivalued", "mutability", "name"),
    *("required", "referencedObjects", "type", "apiExpressions"),
}
_RULE = {"editable", "id", "metadata", "name", "objectMappings", "priority", "sourceDirectoryName"} | {
    "targetDirectoryName"
}
_OBJECT_MAPPING = {"attributeMappings", "enabled", "flowTypes", "metadata", "name", "scope"} | {
    *("sourceObjectName", "targetObjectName"),
}
_ATTRIBUTE_MAPPING = {"defaultValue", "exportMissingReferences", "flowBehavior", "flowType", "matchingPriority"} | {
    *("source", "targetAttributeName"),
}
_SOURCE = {"expression", "name", "parameters", "type"}
_ONE_OF = {
    "mutability": {"ReadWrite", "ReadOnly", "Immutable", "WriteOnly"},
    "flowBehavior": {"FlowWhenChanged", "FlowAlways"},
    "flowType": {"Always", "ObjectAddOnly", "MultiValueAddOnly", "ValueAddOnly", "AttributeAddOnly"},
}
_TYPES = {"String", "Integer", "Reference", "Binary", "Boolean", "DateTime"}


def _check_put(old: dict[str, Any], new: Any) -> None:
    _known("the schema", new, _ROOT)
    if any(name not in new for name in _ROOT):
        raise Refused("the schema lacks a part")
    if new["id"] != old["id"]:
        raise Refused("the schema is of another job")
    if new["version"] != old["version"]:
        raise Refused("the schema has been changed meanwhile", conflict=True)
    defined = dict(_defined(new))
    if {d["name"] for d in old["directories"]} - {d["name"] for d in new["directories"]}:
        raise Refused("a directory is left out")
    if dict(_defined(old)).keys() - defined.keys():
        raise Refused("an object is left out")
    mappings = {place for place, _, _ in _mappings(new)}
    if {place for place, _, _ in _mappings(old)} - mappings:
        raise Refused("an object mapping is left out")
    for place, rule, mapping in _mappings(new):
        source = defined.get((rule["sourceDirectoryName"], mapping["sourceObjectName"]))
        target = defined.get((rule["targetDirectoryName"], mapping["targetObjectName"]))
        if source is None or target is None:
            raise Refused(f"{place}: its objects are not defined")
        _check_mappings(mapping["attributeMappings"], source, target)


def _check_mappings(mappings: list[dict[str, Any]], source: set[str], target: set[str]) -> None:
    written: set[str] = set()
    for one in mappings:
        _known("an attribute mapping", one, _ATTRIBUTE_MAPPING)
        name = one.get("targetAttributeName")
        if name not in target:
            raise Refused(f"the target has no attribute {name}")
        if name.casefold() in written:
            raise Refused(f"two mappings write {name}")
        written.add(name.casefold())
        if unknown := set(_read_by(one.get("source"))) - source:
            raise Refused(f"the source has no attribute {', '.join(sorted(unknown))}")
        if one.get("source") is None and one.get("defaultValue") is None:
            raise Refused(f"{name}: neither a source nor a default value")
    if not any(one["matchingPriority"] > 0 for one in mappings):
        raise Refused("nothing is matched by")


def _defined(document: dict[str, Any]) -> Iterator[tuple[tuple[str, str], set[str]]]:
    """The objects that a document defines, with the names of their attributes."""
    for directory in document["directories"]:
        _known("a directory", directory, _DIRECTORY)
        for described in directory["objects"]:
            _known("an object", described, _OBJECT)
            names = [a["name"] for a in described["attributes"] if _known("an attribute", a, _ATTRIBUTE)]
            if len({name.casefold() for name in names}) != len(names):
                raise Refused(f"{directory['name']}: two attributes have one name")
            if any(a.get("type") not in _TYPES for a in described["attributes"]):
                raise Refused(f"{directory['name']}: an attribute is of no known type")
            yield (directory["name"], described["name"]), set(names)


def _mappings(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for rule in document["synchronizationRules"]:
        _known("a rule", rule, _RULE)
        for mapping in rule["objectMappings"]:
            _known("an object mapping", mapping, _OBJECT_MAPPING)
            yield f"{rule['id']}/{mapping['name']}", rule, mapping


def _known(what: str, found: Any, names: set[str]) -> bool:
    """Refuse what is no object, a property that is not published, and a value that is none of the published ones."""
    if not isinstance(found, dict):
        raise Refused(f"{what} is not an object")
    if unknown := {name for name in found if not name.startswith("@odata.")} - names:
        raise Refused(f"{what} has no property {', '.join(sorted(unknown))}")
    for name, allowed in _ONE_OF.items():
        if name in found and found[name] not in allowed:
            raise Refused(f"{what}: {name} is none of the published values")
    return True


def _read_by(source: Any) -> Iterator[str]:
    """The attributes that a source reads, however deep."""
    if source is None:
        return
    _known("a source", source, _SOURCE)
    if source.get("type", "Attribute") == "Attribute":
        yield source["name"]
    for parameter in source.get("parameters") or ():
        yield from _read_by(parameter["value"])


def _all_sources(document: dict[str, Any]) -> dict[str, Any]:
    """Every mapping's source, as the parameters of one."""
    sources = [one["source"] for _, _, mapping in _mappings(document) for one in mapping["attributeMappings"]]
    parameters = [{"key": str(n), "value": source} for n, source in enumerate(sources) if source]
    return {"expression": "", "name": "", "parameters": parameters, "type": "Function"}


def _lost(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What a new document no longer says as the old one did."""
    found = [
        f"{place}: {sorted(names - dict(_defined(new))[place])}"
        for place, names in _defined(old)
        if names - dict(_defined(new))[place]
    ]
    kept = {place: mapping["attributeMappings"] for place, _, mapping in _mappings(new)}
    for place, _, mapping in _mappings(old):
        found += [one["targetAttributeName"] for one in mapping["attributeMappings"] if one not in kept[place]]
    return found
