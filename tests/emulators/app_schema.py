"""The synchronizationSchema of an API-driven provisioning app: attributes it knows, what it maps, by what it matches.

Sources, on learn.microsoft.com: graph/api/synchronization-synchronizationschema-get and …/resources/synchronization-…
(synchronizationschema, synchronizationrule, objectmapping, attributemapping, attributemappingsource,
directorydefinition, attributedefinition); entra/identity/app-provisioning/inbound-provisioning-api-faqs (matching) and
…/inbound-provisioning-api-custom-attributes (the attribute list of the API, expressions).
"""

from __future__ import annotations

from typing import Any

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
    'addresses[type eq "work"].formatted': "physicalDeliveryOfficeName",
    'addresses[type eq "work"].locality': "city",
    f"{ENTERPRISE}:employeeNumber": "extensionAttribute3",
    f"{ENTERPRISE}:department": "department",
    f"{ENTERPRISE}:manager": "manager",
    f"{HR}:HireDate": "employeeHireDate",
    f"{HR}:LeaveDate": "employeeLeaveDateTime",
}


class AppSchema:
    """What an administrator has set up: by default the standard attributes, the two of `hr`, matched by externalId."""

    def __init__(self) -> None:
        """Everything the shipped mapping sends is known and mapped."""
        self.attributes = [*_STANDARD, f"{HR}:HireDate", f"{HR}:LeaveDate"]
        self.matching = {"externalId": 1}
        self.unmapped: set[str] = set()
        """Attributes whose mapping was taken away."""

    def forget(self, path: str) -> None:
        """Take an attribute out of the list, and with it the mappings that read it."""
        self.attributes.remove(path)
        self.unmapped.add(path)

    def uses(self, path: str) -> bool:
        """Whether a value sent under this path goes anywhere; what does not is dropped without a word."""
        return path not in self.unmapped

    def document(self, job: str) -> dict[str, Any]:
        """As Graph answers."""
        return {
            "id": job,
            "version": "1",
            "synchronizationRules": [self._rule()],
            "directories": [
                _directory("API", [_definition(name) for name in self.attributes]),
                _directory("Azure Active Directory", [_definition(name) for name in _MAPPED.values()]),
            ],
        }

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


def _definition(name: str) -> dict[str, Any]:
    return {
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
