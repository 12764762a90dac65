"""The tenant's users, read over HTTP: pages, what changes meanwhile, what is missing, and where the token goes."""

import base64
import json
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from provisioning import flows
from provisioning.accounts import Account, Accounts
from provisioning.directory import MOST_BEGINNINGS, Directory
from provisioning.errors import NotPermitted, UpstreamError
from provisioning.flows import Flows
from provisioning.graph import Graph
from provisioning.settings import BulkUpload, Settings
from tests.clock import MovedClock
from tests.emulators import tenant
from tests.emulators.graph import GraphEmulator
from tests.emulators.http import Emulator, Request, Response, json_response
from tests.emulators.tenant import LIFECYCLE_ROLE, USERS_ROLE

PATHS = ("title", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value", "userName")
LEAVES = "urn:ietf:params:scim:schemas:extension:hr:2.0:User:LeaveDate"
COMPARED = flows.default(PATHS)


@pytest.fixture(autouse=True)
def may_read(graph: GraphEmulator, clock: MovedClock) -> None:
    graph.roles |= {USERS_ROLE, LIFECYCLE_ROLE}
    graph.clock = lambda: clock.utc_now().timestamp()


def endpoint(url: str) -> BulkUpload:
    found = Settings.from_environ({"GRAPH_BULK_UPLOAD_URL": url}).bulk_upload
    assert found
    return found


class Reader:
    """Reads the directory of an emulator; keeps the notes."""

    def __init__(self, emulator: GraphEmulator, clock: MovedClock) -> None:
        self.target, self.clock, self.seconds = endpoint(emulator.upload_url), clock, 600.0
        self.notes: list[str] = []

    def read(self, compared: Flows = COMPARED) -> tuple[Accounts, Flows]:
        with Graph(self.target) as graph:
            directory = Directory(graph, self.target.users_url, self.clock, self.clock.monotonic() + self.seconds)
            try:
                return directory.read(compared)
            finally:
                self.notes = directory.notes


@pytest.fixture
def reader(graph: GraphEmulator, clock: MovedClock) -> Reader:
    return Reader(graph, clock)


def plant(graph: GraphEmulator, count: int) -> list[str]:
    """So many accounts; their object ids, in the order in which a list gives them."""
    return [
        graph.directory().plant({"userPrincipalName": f"u{n}@contoso.example", "jobTitle": "Clerk"}, f"{n:08d}")
        for n in range(count)
    ]


def of(read: Accounts, object_id: str) -> Account:
    return read.by_id[object_id]


def test_everybody_is_read_in_pages_as_large_as_graph_gives_and_only_what_is_compared_is_asked_for(
    graph: GraphEmulator, reader: Reader
) -> None:
    ids = plant(graph, 2500)
    read, _ = reader.read()
    assert list(read.by_id) == ids
    mark, *pages, after = graph.readings
    assert len(pages) == 3
    query = parse_qs(urlsplit(pages[0]).query)
    assert (query["$top"], query["$expand"]) == (["999"], ["manager($select=id)"])
    assert query["$select"] == [
        "id,accountEnabled,userPrincipalName,displayName,mail,mailNickname,userType,employeeId,onPremisesSyncEnabled,"
        "onPremisesSamAccountName,jobTitle,onPremisesExtensionAttributes"
    ]
    assert "$deltatoken=latest" in mark
    assert "deltatoken=" in after
    assert reader.notes == []


def test_an_account_holds_what_graph_tells_of_it(graph: GraphEmulator, reader: Reader) -> None:
    directory = graph.directory()
    boss = directory.plant({"userPrincipalName": "boss@contoso.example", "employeeId": "E1"})
    more = {"onPremisesExtensionAttributes": {"extensionAttribute7": "x"}, "onPremisesSyncEnabled": True}
    one = directory.plant({"userPrincipalName": "a@contoso.example", "manager": "E1", "accountEnabled": False, **more})
    read, _ = reader.read()
    found = of(read, one)
    assert (found.enabled, found.manager_id) == (False, boss)
    assert read.get(found, "onPremisesExtensionAttributes/extensionAttribute7") == "x"
    assert read.get(found, "onPremisesExtensionAttributes/extensionAttribute8") is None
    assert (read.get(found, "onPremisesSyncEnabled"), read.get(found, "mailNickname")) == ("true", "a")
    assert read.get(found, "department") is None  # not asked for


# --- what changes while it is read --------------------------------------------------------------------------------


def test_what_changes_behind_the_page_at_hand_is_caught_up_with(graph: GraphEmulator, reader: Reader) -> None:
    directory, ids = graph.directory(), plant(graph, 1500)
    boss = directory.plant({"userPrincipalName": "boss@contoso.example", "employeeId": "E1"}, "zzz")
    directory.edit(ids[1], manager="E1")
    graph.tenant.replays = True

    def meanwhile(number: int) -> None:
        if number == 3:  # the first page is read
            directory.edit(ids[0], jobTitle="Admiral", accountEnabled=False)
            directory.edit(ids[1], jobTitle=None)
            directory.edit(ids[2], manager="E1")
            directory.plant({"userPrincipalName": "new@contoso.example", "jobTitle": "Cook"}, "00000000-new")

    graph.tenant.asked = meanwhile
    read, _ = reader.read()
    assert (of(read, ids[0]).enabled, read.get(of(read, ids[0]), "jobTitle")) == (False, "Admiral")
    assert (read.get(of(read, ids[1]), "jobTitle"), of(read, ids[1]).manager_id) == (None, boss)
    assert (read.get(of(read, ids[2]), "jobTitle"), of(read, ids[2]).manager_id) == ("Clerk", boss)
    assert read.get(of(read, "00000000-new"), "jobTitle") == "Cook"
    assert len(read) == 1502


def test_who_is_deleted_while_it_is_read_is_not_there(graph: GraphEmulator, reader: Reader) -> None:
    directory = graph.directory()
    plant(graph, 1200)
    gone = directory.plant({"userPrincipalName": "gone@contoso.example", "employeeId": "E1"}, "00000000-gone")
    graph.tenant.asked = lambda number: directory.delete("E1") if number == 3 else None
    read, _ = reader.read()
    assert gone not in read.by_id


def test_many_changes_come_in_pages(graph: GraphEmulator, reader: Reader) -> None:
    directory, ids = graph.directory(), plant(graph, 1000)

    def meanwhile(number: int) -> None:
        for object_id in ids[:450] if number == 3 else ():
            directory.edit(object_id, jobTitle="Admiral")

    graph.tenant.asked = meanwhile
    read, _ = reader.read()
    assert sum(read.get(account, "jobTitle") == "Admiral" for account in read) == 450
    assert graph.tenant.requests == 1 + 2 + 3


def test_a_reset_of_the_deltas_begins_the_reading_anew(graph: GraphEmulator, reader: Reader) -> None:
    plant(graph, 5)
    graph.tenant.resets = 1
    read, _ = reader.read()
    assert (len(read), graph.tenant.requests) == (5, 6)


def test_a_delta_that_is_no_longer_known_begins_the_reading_anew(
    graph: GraphEmulator, reader: Reader, clock: MovedClock
) -> None:
    plant(graph, 5)
    graph.tenant.asked = lambda number: clock.move(days=8) if number == 3 else None
    reader.seconds = 10 * 86_400
    read, _ = reader.read()
    assert (len(read), graph.tenant.requests) == (5, 6)


def test_a_page_that_is_asked_for_too_late_begins_the_reading_anew(
    graph: GraphEmulator, reader: Reader, clock: MovedClock
) -> None:
    plant(graph, 1500)
    graph.tenant.asked = lambda number: clock.move(seconds=tenant.PAGE_LIFE) if number == 3 else None
    read, _ = reader.read()
    assert (len(read), graph.tenant.requests) == (1500, 3 + 4)


def test_a_directory_that_can_never_be_read_to_its_end_is_an_error(graph: GraphEmulator, reader: Reader) -> None:
    graph.tenant.resets = 100
    with pytest.raises(UpstreamError, match=f"begun {MOST_BEGINNINGS} times"):
        reader.read()


def test_where_deltas_cannot_be_had_the_list_is_read_all_the_same_and_that_is_told(
    graph: GraphEmulator, reader: Reader
) -> None:
    plant(graph, 5)
    graph.tenant.deltas = False
    read, _ = reader.read()
    assert len(read) == 5
    assert reader.notes == [
        "warning: what changes while the directory is read is not seen: Graph answered 501 NotImplemented."
    ]


# --- when it goes wrong -------------------------------------------------------------------------------------------


def test_a_busy_directory_is_asked_again_when_it_says(graph: GraphEmulator, reader: Reader, clock: MovedClock) -> None:
    plant(graph, 5)
    graph.fail_read(USERS_ROLE, 429, {"Retry-After": "17"})
    assert len(reader.read()[0]) == 5
    assert clock.sleeps == [17]


def test_an_outage_is_waited_for_and_then_told(graph: GraphEmulator, reader: Reader, clock: MovedClock) -> None:
    plant(graph, 5)
    graph.fail_read(USERS_ROLE, 503, times=500)
    with pytest.raises(UpstreamError, match="503"):
        reader.read()
    assert sum(clock.sleeps) > 15


def test_the_reading_ends_with_the_runs_time(graph: GraphEmulator, reader: Reader) -> None:
    reader.seconds = -1
    with pytest.raises(UpstreamError, match="time of this run was up before the directory's last page"):
        reader.read()


def test_without_the_role_it_is_named(graph: GraphEmulator, reader: Reader) -> None:
    graph.roles.discard(USERS_ROLE)
    with pytest.raises(NotPermitted) as caught:
        reader.read()
    assert caught.value.role == USERS_ROLE


def test_a_property_that_graph_does_not_know_is_an_error_not_an_empty_directory(
    graph: GraphEmulator, reader: Reader
) -> None:
    with pytest.raises(UpstreamError, match="400 BadRequest"):
        reader.read(Flows((flows.Flow("x", "shoeSize"),), (), (("externalId", "employeeId"),)))


def test_leave_dates_are_asked_for_only_where_they_may_be_read(graph: GraphEmulator, reader: Reader) -> None:
    wanted = flows.default((*PATHS, LEAVES))
    read, compared = reader.read(wanted)
    assert (compared, "employeeLeaveDateTime" in read.properties) == (wanted, True)
    graph.roles.discard(LIFECYCLE_ROLE)
    read, compared = reader.read(wanted)
    assert "employeeLeaveDateTime" not in read.properties
    assert [left.target for left in compared.left_out] == ["userName", "employeeLeaveDateTime"]


@pytest.mark.parametrize(
    ("claims", "asked"),
    [
        ({"roles": [USERS_ROLE]}, False),
        ({"roles": [USERS_ROLE, LIFECYCLE_ROLE]}, True),
        ({"scp": f"openid {LIFECYCLE_ROLE}"}, True),
        ({"scp": "User.Read.All"}, False),
    ],
)
def test_a_token_that_has_no_such_permission_does_not_ask_for_leave_dates(
    graph: GraphEmulator, reader: Reader, claims: dict[str, Any], asked: bool
) -> None:
    """Graph might tell of nothing at all where it may not tell, and everybody would differ."""
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    graph.token = f"head.{body}.signature"
    target = replace(reader.target, host="graph.microsoft.com")
    with Graph(target, lambda: lambda: graph.token or "") as opened:
        directory = Directory(opened, target.users_url, reader.clock, reader.clock.monotonic() + 600)
        read, _ = directory.read(flows.default((*PATHS, LEAVES)))
    assert ("employeeLeaveDateTime" in read.properties) is asked


def test_a_token_that_expires_between_two_pages_is_renewed(graph: GraphEmulator, reader: Reader) -> None:
    plant(graph, 1500)
    graph.token, tokens = "first", iter(["first", "second"])

    def expire(number: int) -> None:
        graph.token = "second" if number == 2 else graph.token

    graph.tenant.asked = expire
    target = replace(reader.target, host="graph.microsoft.com")
    with Graph(target, lambda: partial(str, next(tokens))) as opened:
        directory = Directory(opened, target.users_url, reader.clock, reader.clock.monotonic() + 600)
        assert len(directory.read(COMPARED)[0]) == 1500


# --- where the token goes -----------------------------------------------------------------------------------------


class Elsewhere(Emulator):
    """Another host, which keeps whatever is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def answer(self, request: Request) -> Response:
        self.asked.append(request.target)
        return json_response(200, {"value": []})


class Astray(Emulator):
    """A Graph whose links lead elsewhere: `of` the next page, or of the delta."""

    def __init__(self, kind: str, link: str) -> None:
        super().__init__()
        self.kind, self.link, self.tokens = kind, link, set[str]()

    def answer(self, request: Request) -> Response:
        self.tokens.add(request.headers.get("Authorization", ""))
        if "/delta" in request.path:
            own = f"{self.url}/v1.0/users/delta?$deltatoken=x"
            return json_response(200, {"value": [], "@odata.deltaLink": self.link if self.kind == "delta" else own})
        return json_response(200, {"value": []} | ({"@odata.nextLink": self.link} if self.kind == "next" else {}))


@pytest.mark.parametrize("kind", ["next", "delta"])
@pytest.mark.parametrize("spelling", ["{url}/v1.0/users?x", "http://graph.microsoft.com@{host}/v1.0/users"])
def test_a_link_to_another_address_gets_no_token(clock: MovedClock, kind: str, spelling: str) -> None:
    with Elsewhere() as other:
        link = spelling.format(url=other.url, host=other.url.removeprefix("http://"))
        with Astray(kind, link) as astray:
            url = f"{astray.url}/v1.0/servicePrincipals/a/synchronization/jobs/b/bulkUpload"
            target = replace(endpoint(url), host="graph.microsoft.com")
            with Graph(target, lambda: lambda: "secret") as opened:
                directory = Directory(opened, target.users_url, clock, clock.monotonic() + 60)
                if kind == "next":
                    with pytest.raises(UpstreamError, match="another address"):
                        directory.read(COMPARED)
                else:
                    directory.read(COMPARED)
                    assert "another address" in directory.notes[0]
            assert astray.tokens == {"Bearer secret"}
        assert other.asked == []


def test_where_users_are_asked_for_follows_from_the_setting() -> None:
    job = "servicePrincipals/a/synchronization/jobs/b/bulkUpload"
    assert endpoint(f"https://graph.microsoft.us/v1.0/{job}").users_url == "https://graph.microsoft.us/v1.0/users"
