"""The emulated tenant's users are as strict as what Microsoft publishes of them, over real HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.emulators.entra import CORE, ENTERPRISE
from tests.emulators.graph import JOB_ROLE, LOGS_ROLE, UPLOAD_ROLE, GraphEmulator
from tests.emulators.tenant import DELTA_LIFE, LIFECYCLE_ROLE, PAGE_LIFE, USERS_ROLE

Ask = Callable[[str], httpx.Response]


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def graph(clock: Clock) -> Iterator[GraphEmulator]:
    with GraphEmulator(clock=clock) as emulator:
        emulator.roles |= {USERS_ROLE, LIFECYCLE_ROLE}
        for n in range(5):
            emulator.directory().plant({"userPrincipalName": f"u{n}@contoso.example", "department": "IT"}, f"{n}")
        yield emulator


@pytest.fixture
def ask(graph: GraphEmulator) -> Iterator[Ask]:
    with httpx.Client(trust_env=False, timeout=5) as client:
        yield lambda target: client.get(target if "://" in target else f"{graph.url}/v1.0/{target}")


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


@pytest.mark.parametrize("target", ["users", "users/delta"])
def test_users_need_their_role_whatever_other_roles_there_are(graph: GraphEmulator, ask: Ask, target: str) -> None:
    graph.roles = {UPLOAD_ROLE, LOGS_ROLE, JOB_ROLE}
    assert code(ask(target)) == (403, "Authorization_RequestDenied")


def test_a_token_is_needed_where_there_is_one(graph: GraphEmulator, ask: Ask) -> None:
    graph.token = "t"
    assert code(ask("users"))[0] == 401


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("$select=id,displayName", 200),
        ("$select=shoeSize", 400),
        ("$select=extensionAttribute1", 400),  # only all fifteen together
        ("$select=extension_0123456789abcdef0123456789abcdef_costCode", 200),
        ("$select=manager", 400),  # a list expands it
        ("$select=aboutMe", 501),
        ("$top=999", 200),
        ("$top=1000", 400),
        ("$top=0", 400),
        ("$top=many", 400),
        ("$skip=10", 400),
        ("$expand=manager", 200),
        ("$expand=manager($select=id)", 200),
        ("$expand=memberOf,manager", 400),
        ("$skiptoken=made-up", 400),
        ("$select=id&$select=mail", 400),
    ],
)
def test_a_list_takes_what_is_published_and_nothing_else(ask: Ask, query: str, status: int) -> None:
    assert ask(f"users?{query}").status_code == status


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("$select=id,manager", 200),
        ("$deltatoken=latest", 200),
        ("$top=10", 400),
        ("$expand=manager", 400),
        ("$deltatoken=made-up", 400),
        ("$skiptoken=made-up", 400),
        ("$select=shoeSize", 400),
    ],
)
def test_a_delta_takes_what_is_published_and_nothing_else(ask: Ask, query: str, status: int) -> None:
    assert ask(f"users/delta?{query}").status_code == status


def test_leave_dates_take_a_permission_of_their_own(graph: GraphEmulator, ask: Ask) -> None:
    assert ask("users?$select=employeeLeaveDateTime").status_code == 200
    graph.roles.discard(LIFECYCLE_ROLE)
    assert code(ask("users?$select=employeeLeaveDateTime"))[0] == 403


def test_pages_are_of_the_size_asked_for_and_their_link_holds_the_query(ask: Ask) -> None:
    first = ask("users?$select=id&$top=2").json()
    assert [user["id"] for user in first["value"]] == ["0", "1"]
    second = ask(first["@odata.nextLink"]).json()
    assert [user["id"] for user in second["value"]] == ["2", "3"]
    last = ask(second["@odata.nextLink"]).json()
    assert ([user["id"] for user in last["value"]], "@odata.nextLink" in last) == (["4"], False)


def test_a_link_may_not_be_changed_and_is_good_for_a_while_only(ask: Ask, clock: Clock) -> None:
    link = ask("users?$select=id&$top=2").json()["@odata.nextLink"]
    assert code(ask(link.replace("top=2", "top=3")))[0] == 400
    assert ask(link).status_code == 200
    clock.now += PAGE_LIFE
    assert code(ask(link)) == (400, "Directory_ExpiredPageToken")


def test_only_what_is_selected_is_told_and_what_is_not_set_is_null(graph: GraphEmulator, ask: Ask) -> None:
    (one,) = ask("users?$select=id,jobTitle,department,businessPhones,onPremisesExtensionAttributes&$top=1").json()[
        "value"
    ]
    assert one.pop("onPremisesExtensionAttributes") == {f"extensionAttribute{n}": None for n in range(1, 16)}
    assert one == {"id": "0", "jobTitle": None, "department": "IT", "businessPhones": []}


def test_what_was_uploaded_stands_there_in_graphs_words(graph: GraphEmulator, ask: Ask) -> None:
    person: dict[str, Any] = {
        "schemas": [CORE, ENTERPRISE],
        "externalId": "E1",
        "userName": "ann",
        "active": False,
        "title": "Cook",
        "addresses": [{"type": "work", "formatted": "AMS-1"}],
        ENTERPRISE: {"department": "Kitchen", "manager": {"value": None}},
    }
    report = person | {"externalId": "E2", "userName": "bob@fabrikam.example", "active": True}
    graph.directory().stage([person, report | {ENTERPRISE: {"manager": {"value": "e1"}}}])
    wanted = "id,userPrincipalName,accountEnabled,employeeId,jobTitle,officeLocation,department"
    found = {u["employeeId"]: u for u in ask(f"users?$select={wanted}&$expand=manager($select=id)").json()["value"]}
    hers = {"userPrincipalName": "ann@contoso.example", "accountEnabled": False, "jobTitle": "Cook"}
    assert found["E1"].items() >= (hers | {"officeLocation": "AMS-1", "department": "Kitchen"}).items()
    assert found["E2"]["userPrincipalName"] == "bob@fabrikam.example"
    assert (found["E2"]["manager"]["id"], "manager" in found["E1"]) == (found["E1"]["id"], False)


def test_a_delta_tells_everybody_then_only_what_changed(graph: GraphEmulator, ask: Ask) -> None:
    directory = graph.directory()
    first = ask("users/delta?$select=displayName,department").json()
    assert len(first["value"]) == 5
    assert all("displayName" not in user for user in first["value"])  # was never set
    directory.edit("3", department=None)
    directory.plant({"userPrincipalName": "x@contoso.example", "employeeId": "E1"}, "5")
    second = ask(first["@odata.deltaLink"]).json()
    assert {user["id"]: user for user in second["value"]} == {"3": {"id": "3", "department": None}, "5": {"id": "5"}}
    directory.delete("E1")
    third = ask(second["@odata.deltaLink"]).json()
    assert third["value"] == [{"id": "5", "@removed": {"reason": "changed"}}]
    assert ask(third["@odata.deltaLink"]).json()["value"] == []


def test_a_delta_from_now_on_tells_nobody_at_first(graph: GraphEmulator, ask: Ask) -> None:
    first = ask("users/delta?$select=manager&$deltatoken=latest").json()
    assert first["value"] == []
    graph.directory().edit("1", employeeId="E1")
    graph.directory().edit("2", manager="E1")
    told = {user["id"]: user for user in ask(first["@odata.deltaLink"]).json()["value"]}
    assert told["2"]["manager@delta"] == [{"@odata.type": "#microsoft.graph.user", "id": "1"}]
    assert "manager@delta" not in told["1"]


def test_a_deltas_token_ends_after_seven_days_or_by_a_reset(graph: GraphEmulator, ask: Ask, clock: Clock) -> None:
    link = ask("users/delta").json()["@odata.deltaLink"]
    assert code(ask(f"{link}&$select=id"))[0] == 400
    graph.tenant.resets = 1
    answer = ask(link)
    assert code(answer) == (410, "resyncRequired")
    assert answer.headers["Location"].endswith("/users/delta?$deltatoken=")
    assert ask(link).status_code == 200
    clock.now += DELTA_LIFE
    assert code(ask(link)) == (400, "syncStateNotFound")


def test_several_accounts_with_one_key_are_a_failure_of_the_log(graph: GraphEmulator) -> None:
    directory = graph.directory()
    for n in range(2):
        directory.plant({"userPrincipalName": f"same{n}@contoso.example", "employeeId": "E1"})
    person = {"schemas": [CORE, ENTERPRISE], "externalId": "e1", "userName": "new", "active": True}
    directory.stage([person])
    (entry,) = [entry for _, entry in directory.log]
    assert entry["provisioningStatusInfo"]["errorInformation"]["errorCode"] == "DuplicateTargetEntries"


def test_an_account_made_by_hand_is_found_by_its_key_and_keeps_what_nothing_writes(graph: GraphEmulator) -> None:
    directory = graph.directory()
    by_hand = {"userPrincipalName": "old@contoso.example", "employeeId": "E1", "companyName": "Contoso"}
    object_id = directory.plant(by_hand)
    person = {"schemas": [CORE, ENTERPRISE], "externalId": "E1", "userName": "new", "active": True}
    directory.stage([person])
    assert directory.object_id("E1") == object_id
    assert directory.users["E1"]["userName"] == "new"
    (account,) = [user for user in directory.accounts if user.object_id == object_id]
    assert account.more == {"companyName": "Contoso"}
    directory.stage([person | {"externalId": "E2", "userName": "old"}])  # its old name is free now
    assert directory.users["E2"]["userName"] == "old"


def test_the_name_of_an_account_made_by_hand_is_taken(graph: GraphEmulator) -> None:
    directory = graph.directory()
    directory.stage([{"schemas": [CORE, ENTERPRISE], "externalId": "E1", "userName": "U1", "active": True}])
    (entry,) = [entry for _, entry in directory.log]
    assert entry["provisioningStatusInfo"]["status"] == "failure"
    assert "E1" not in directory.users
