"""What the provisioning app knows, maps and matches by, from Graph's synchronizationSchema."""

from typing import Any

import pytest

from provisioning import app_schema
from tests.emulators.app_schema import ENTERPRISE, HR
from tests.emulators.app_schema import AppSchema as Emulated


def document(change: Any = None) -> dict[str, Any]:
    emulated = Emulated()
    if change:
        change(emulated)
    return emulated.document("API2AAD.x")


def test_attributes_inside_expressions_are_used_too() -> None:
    found = app_schema.read(document())
    assert found.unused(["userName", "active", "title"]) == []
    assert found.unused(["profileUrl", "title"]) == ["profileUrl"]


def test_an_attribute_that_is_not_in_the_list_of_the_source_is_dropped() -> None:
    found = app_schema.read(document(lambda emulated: emulated.forget(f"{HR}:HireDate")))
    paths = [f"{HR}:HireDate", f"{HR}:CostCode", f"{HR}:LeaveDate", "title"]
    assert found.dropped(paths) == [f"{HR}:HireDate", f"{HR}:CostCode"]
    assert found.unused(paths) == []  # what is dropped is named once


def test_a_target_attribute_is_no_source_attribute() -> None:
    assert app_schema.read(document()).dropped(["jobTitle"]) == ["jobTitle"]


def test_a_manager_may_be_listed_with_or_without_its_part() -> None:
    path = f"{ENTERPRISE}:manager.value"
    assert app_schema.read(document()).dropped([path]) == []

    def with_part(emulated: Emulated) -> None:
        emulated.forget(f"{ENTERPRISE}:manager")
        emulated.attributes.append(path)

    found = app_schema.read(document(with_part))
    assert (found.dropped([path]), found.unused([path])) == ([], [path])


def test_names_are_compared_without_regard_to_case_as_scim_wants_it() -> None:
    assert app_schema.read(document()).dropped(["TITLE"]) == []


def test_matches_come_by_priority() -> None:
    found = app_schema.read(document(lambda emulated: emulated.matching.update(userName=2, title=3, externalId=1)))
    assert [(m.priority, m.target, m.expected) for m in found.matches] == [
        (1, "employeeId", True),
        (2, "userPrincipalName", False),
        (3, "jobTitle", False),
    ]
    assert [str(m) for m in found.matches][1] == "(an expression) → userPrincipalName"


def test_on_premises_the_target_is_spelled_otherwise() -> None:
    assert app_schema.Match(1, "externalId", "employeeID").expected
    assert not app_schema.Match(1, "userName", "employeeID").expected
    assert not app_schema.Match(1, "externalId", "mail").expected


def test_a_mapping_that_is_switched_off_or_of_groups_counts_for_nothing() -> None:
    text = document()
    (mapping,) = text["synchronizationRules"][0]["objectMappings"]
    groups = {**mapping, "targetObjectName": "Group"}
    text["synchronizationRules"][0]["objectMappings"] = [{**mapping, "enabled": False}, groups]
    with pytest.raises(ValueError, match="no mapping of users"):
        app_schema.read(text)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"synchronizationRules": None},
        {"synchronizationRules": ["x"], "directories": {}},
        {"synchronizationRules": [{"objectMappings": [{"targetObjectName": "User", "attributeMappings": [None, 1]}]}]},
    ],
)
def test_a_document_of_another_shape_is_told(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no mapping of users"):
        app_schema.read(wrong)
