"""Where the app writes what it is sent, as its schema tells it; and when what stands there is what was sent."""

from collections.abc import Callable
from typing import Any

import pytest

from provisioning import flows
from provisioning.flows import Flow, Flows, LeftOut
from tests.emulators.app_schema import AppSchema

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
HR = "urn:ietf:params:scim:schemas:extension:hr:2.0:User"
MANAGER = f"{ENTERPRISE}:manager.value"
MAIL = 'emails[type eq "work"].value'
PATHS = ("externalId", "userName", "active", "title", "displayName", "nickName", "name.givenName", MAIL, MANAGER)
PATHS = (*PATHS, f"{ENTERPRISE}:department", f"{HR}:HireDate", 'addresses[type eq "work"].formatted')


def document(change: Callable[[dict[str, Any]], None] = lambda mappings: None) -> dict[str, Any]:
    """The app's schema, changed: target attribute → its mapping."""
    found = AppSchema().document("job")
    mapping = found["synchronizationRules"][0]["objectMappings"][0]
    by_target = {one["targetAttributeName"]: one for one in mapping["attributeMappings"]}
    change(by_target)
    mapping["attributeMappings"] = list(by_target.values())
    return found


def of(compared: Flows, path: str) -> Flow:
    (flow,) = [flow for flow in compared.compared if flow.path == path]
    return flow


def left(compared: Flows) -> dict[str, str]:
    return {one.target: one.why for one in compared.left_out}


def source(**told: Any) -> dict[str, Any]:
    return {"expression": "", "name": "", "parameters": [], "type": "Attribute", **told}


# --- what the schema says -----------------------------------------------------------------------------------------


def test_what_is_mapped_as_it_is_is_compared_under_graphs_own_name() -> None:
    compared = flows.read(document(), PATHS)
    assert {(flow.path, flow.property) for flow in compared.compared} == {
        ("userName", "userPrincipalName"),
        ("title", "jobTitle"),
        ("displayName", "displayName"),
        ("name.givenName", "givenName"),
        ("nickName", "onPremisesExtensionAttributes/extensionAttribute2"),
        (MAIL, "mail"),
        (MANAGER, "manager"),
        (f"{ENTERPRISE}:department", "department"),
        (f"{HR}:HireDate", "employeeHireDate"),
        ('addresses[type eq "work"].formatted', "officeLocation"),
    }
    assert compared.keys == (("externalId", "employeeId"),)
    assert (compared.version or "").startswith("Date:2026")


def test_what_our_view_does_not_send_is_not_compared() -> None:
    assert {flow.path for flow in flows.read(document(), ("externalId", "title")).compared} == {"title"}


def test_mail_is_only_set_on_create_whatever_its_mapping_says_and_so_is_what_its_mapping_says_it_of() -> None:
    def change(mappings: dict[str, Any]) -> None:
        mappings["mail"]["flowType"] = "Always"
        mappings["department"]["flowType"] = "ObjectAddOnly"

    compared = flows.read(document(change), PATHS)
    assert {flow.property for flow in compared.compared if flow.only_on_create} == {"mail", "department"}


def test_where_nothing_that_the_app_matches_by_can_be_followed_the_usual_pair_is_and_that_is_told() -> None:
    def by_expression(mappings: dict[str, Any]) -> None:
        parameters = [{"key": "source", "value": source(name="externalId")}]
        mappings["employeeId"]["source"] = source(type="Function", name="Trim", parameters=parameters)

    def by_nothing(mappings: dict[str, Any]) -> None:
        mappings["employeeId"]["matchingPriority"] = 0

    found = [flows.read(document(change), PATHS) for change in (by_expression, by_nothing, lambda mappings: None)]
    assert [one.keys for one in found] == [(("externalId", "employeeId"),)] * 3
    assert [one.unlike for one in found] == ["(an expression) → employeeId", "nothing", ""]
    assert found[0].without("jobTitle", "so").unlike == found[0].unlike


def test_an_expression_and_a_constant_are_left_out_and_named() -> None:
    def change(mappings: dict[str, Any]) -> None:
        parameters = [{"key": "source", "value": source(name="displayName")}]
        mappings["displayName"]["source"] = source(type="Function", name="Trim", parameters=parameters)

    assert left(flows.read(document(change), PATHS)) == {
        "displayName": "an expression of displayName",
        "usageLocation": "a constant",
    }


def test_of_an_expression_of_the_user_name_what_stands_before_the_at_is_compared() -> None:
    flow = of(flows.read(document(), PATHS), "userName")
    assert flow.before_at
    assert flow.agrees("zoë núñez", "ZoeNunez@contoso.example")
    assert flow.agrees("ann@contoso.example", "ann@fabrikam.example")
    assert not flow.agrees("ann", "anna@contoso.example")


def test_an_expression_of_more_than_the_user_name_makes_no_user_name_that_is_known() -> None:
    def change(mappings: dict[str, Any]) -> None:
        parameters = [{"key": str(n), "value": source(name=name)} for n, name in enumerate(("userName", "title"))]
        mappings["userPrincipalName"]["source"] = source(type="Function", name="Join", parameters=parameters)

    assert "userName" not in {flow.path for flow in flows.read(document(change), PATHS).compared}


def test_what_graph_tells_nothing_of_is_left_out() -> None:
    def change(mappings: dict[str, Any]) -> None:
        mappings["jobTitle"]["targetAttributeName"] = "thumbnailPhoto"

    assert left(flows.read(document(change), PATHS))["thumbnailPhoto"] == "Graph does not tell it"


def test_a_directory_extension_is_compared() -> None:
    name = "extension_0123456789abcdef0123456789abcdef_costCode"

    def change(mappings: dict[str, Any]) -> None:
        mappings["jobTitle"]["targetAttributeName"] = name

    assert of(flows.read(document(change), PATHS), "title").property == name


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("mobile", "mobilePhone"),
        ("telephoneNumber", "businessPhones"),
        ("sn", "surname"),
        ("extensionAttribute15", None),
    ],
)
def test_the_older_names_of_provisioning_and_of_active_directory_are_known(target: str, name: str | None) -> None:
    def change(mappings: dict[str, Any]) -> None:
        mappings["jobTitle"]["targetAttributeName"] = target

    expected = name or f"onPremisesExtensionAttributes/{target}"
    assert of(flows.read(document(change), PATHS), "title").property == expected


def test_people_are_found_in_the_order_of_the_schema_and_an_expression_is_told() -> None:
    def change(mappings: dict[str, Any]) -> None:
        mappings["mail"]["matchingPriority"] = 2
        mappings["userPrincipalName"]["matchingPriority"] = 3

    compared = flows.read(document(change), PATHS)
    assert compared.keys == (("externalId", "employeeId"), (MAIL, "mail"))
    assert left(compared)["userPrincipalName"] == "people are matched by it, too, from an expression"


def test_nulls_flow_where_the_schema_says_so() -> None:
    text = document()
    for attribute in text["directories"][0]["objects"][0]["attributes"]:
        attribute["flowNullValues"] = attribute["name"] in ("title", f"{ENTERPRISE}:manager")
    compared = flows.read(text, PATHS)
    assert {flow.path for flow in compared.compared if flow.clears} == {"title", MANAGER}


def test_a_schema_without_a_mapping_of_users_is_refused() -> None:
    with pytest.raises(ValueError, match="no mapping of users"):
        flows.read({"synchronizationRules": []}, PATHS)


def test_without_a_schema_what_goes_where_its_name_says_is_compared_and_the_rest_told() -> None:
    compared = flows.default(PATHS)
    assert {flow.property for flow in compared.compared} == {
        *("jobTitle", "displayName", "givenName", "mail", "manager", "department", "employeeHireDate"),
    }
    assert [left.target for left in compared.left_out] == [
        "userName",
        "nickName",
        'addresses[type eq "work"].formatted',
    ]
    assert not any(flow.clears for flow in compared.compared)


def test_what_may_not_be_read_is_taken_out_and_told_once() -> None:
    compared = flows.default(PATHS)
    less = compared.without("department", "why")
    assert LeftOut("department", "why") in less.left_out
    assert less.without("department", "why") == less


# --- when both agree ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flow", "sent", "found", "agree"),
    [
        (Flow("title", "jobTitle"), "Cook", "Cook", True),
        (Flow("title", "jobTitle"), "Cook", "cook", False),
        (Flow("title", "jobTitle"), " Cook ", "Cook", True),
        (Flow("title", "jobTitle"), "Cook", None, False),
        (Flow("title", "jobTitle"), None, "Cook", True),  # Entra leaves it
        (Flow("title", "jobTitle", clears=True), None, "Cook", False),
        (Flow("title", "jobTitle", clears=True), None, None, True),
        (Flow("title", "jobTitle", clears=True), "", None, True),
        (Flow("title", "jobTitle", default="None"), None, "None", True),
        (Flow("title", "jobTitle", default="None"), None, None, False),
        (Flow("x", "mail"), "Ann@contoso.example", "ann@contoso.example", True),
        (Flow("x", "employeeHireDate"), "2026-11-22T05:00:00Z", "2026-11-22T06:00:00+01:00", True),
        (Flow("x", "employeeHireDate"), "2026-11-22T05:00:00Z", "2026-11-22T05:00:00.0000000Z", True),
        (Flow("x", "employeeHireDate"), "2026-11-22T05:00:00Z", "2026-11-22T00:00:00Z", False),
        (Flow("x", "employeeHireDate"), "someday", "2026-11-22T00:00:00Z", False),
        (Flow("x", "companyName"), True, "true", True),
        (Flow("x", "companyName"), 7, "7", True),
    ],
)
def test_what_stands_there_is_compared_as_entra_would(flow: Flow, sent: Any, found: str | None, agree: bool) -> None:
    assert flow.agrees(sent, found) is agree
    assert flow.strays(sent, found) is not agree


@pytest.mark.parametrize(
    ("flow", "found", "writes"),
    [
        (Flow("x", "mail", only_on_create=True), "other", False),
        (Flow("x", "jobTitle", adds_only=True), "other", False),
        (Flow("x", "jobTitle", adds_only=True), None, True),
        (Flow("x", "jobTitle"), "other", True),
        (Flow("x", "jobTitle"), "new", False),
    ],
)
def test_what_sending_would_write(flow: Flow, found: str | None, writes: bool) -> None:
    assert flow.would_write("new", found) is writes


def test_what_is_added_only_where_nothing_is_comes_from_the_schema() -> None:
    def change(mappings: dict[str, Any]) -> None:
        mappings["jobTitle"]["flowType"] = "AttributeAddOnly"
        mappings["department"]["flowType"] = "ValueAddOnly"

    compared = flows.read(document(change), PATHS)
    assert of(compared, "title").adds_only
    assert not of(compared, f"{ENTERPRISE}:department").clears
