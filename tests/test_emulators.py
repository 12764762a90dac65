"""The emulators are as strict as the contracts they stand for, over real HTTP."""

from __future__ import annotations

import copy
import datetime as dt
import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.emulators import people
from tests.emulators.entra import CORE, ENTERPRISE, MANAGER
from tests.emulators.graph import JOB_ROLE, LOGS_ROLE, UPLOAD_ROLE, GraphEmulator
from tests.emulators.hr import HrEmulator

Json = dict[str, Any]
Change = Callable[[Json], object]

TODAY = dt.date(2026, 3, 2)
BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
HR = "urn:ietf:params:scim:schemas:extension:hr:2.0:User"
BEARER = "letmein"


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        """Begin at some instant."""
        self.now = 1_770_000_000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Return a clock the test moves."""
    return Clock()


@pytest.fixture
def graph(clock: Clock) -> Iterator[GraphEmulator]:
    """Run a Graph that needs no token."""
    with GraphEmulator(clock=clock) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """Return a client that keeps its connections."""
    with httpx.Client(trust_env=False, timeout=5) as client:
        yield client


def person(number: object = 1, **attributes: Any) -> Json:
    """Return a small person that is right in every way."""
    return {
        "schemas": [CORE, ENTERPRISE],
        "externalId": str(number),
        "userName": f"user{number}",
        "active": True,
        "name": {"givenName": "Ann", "familyName": "O'Brien"},
        "emails": [{"type": "work", "value": f"{number}@contoso.example"}],
        ENTERPRISE: {"department": "IT", "manager": {"value": None}},
        **attributes,
    }


def with_extension(**attributes: Any) -> Json:
    """Return a person with attributes of an extension, declared."""
    return person(schemas=[CORE, ENTERPRISE, HR], **{HR: attributes})


def bulk(*persons: Json) -> Json:
    """Return a bulk request that is right in every way."""
    operations = [
        {"method": "POST", "bulkId": f"b{n}", "path": "/Users", "data": data} for n, data in enumerate(persons)
    ]
    return {"schemas": [BULK], "Operations": operations, "failOnErrors": None}


def upload(client: httpx.Client, graph: GraphEmulator, body: Any, **headers: str) -> httpx.Response:
    """Post a body, as JSON unless it is bytes already."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = {"Content-Type": "application/scim+json"}
    return client.post(
        graph.upload_url, content=content, headers=kind | {k.replace("_", "-"): v for k, v in headers.items()}
    )


def send(client: httpx.Client, graph: GraphEmulator, *persons: Json) -> int:
    """Upload people and return the status."""
    return upload(client, graph, bulk(*persons)).status_code


def state_of(graph: GraphEmulator, number: object = 1) -> Json:
    """Return what Entra holds of a person."""
    return graph.directory().users[str(number)]


def entries(graph: GraphEmulator) -> list[Json]:
    """Return the provisioning log, oldest first."""
    return [entry for _, entry in graph.directory().log]


# --- bulkUpload: what is accepted


def test_a_right_request_is_accepted_with_an_empty_body_and_the_way_to_the_logs(
    graph: GraphEmulator, client: httpx.Client
) -> None:
    """202 says staged, and where the logs are; not which request it was."""
    response = upload(client, graph, bulk(person(1), person(2)))
    assert (response.status_code, response.content) == (202, b"")
    assert response.headers["Content-Length"] == "0"
    assert client.get(response.headers["Location"]).json()["value"][0]["jobId"] == graph.directory().job
    assert [operation.external_id for operation in graph.accepted] == ["1", "2"]


def test_everything_microsofts_sample_holds_is_accepted(graph: GraphEmulator, client: httpx.Client) -> None:
    """The sample of the Graph reference, with its own extension, passes."""
    sample = person(
        schemas=[CORE, ENTERPRISE, "urn:contoso:employee"],
        name={"formatted": "Ms. B", "middleName": "Jane", "honorificPrefix": "Ms.", "honorificSuffix": "III"},
        displayName="Babs Jensen",
        nickName="Babs",
        emails=[{"value": "b@example.com", "type": "work", "primary": True}],
        addresses=[{"type": "work", "streetAddress": "Plaza", "locality": "Hollywood", "primary": True}],
        phoneNumbers=[{"value": "555", "type": "work"}, {"value": None, "type": "mobile"}],
        userType="Employee",
        title="Tour Guide",
        preferredLanguage="en-US",
        locale="en-US",
        timezone="America/Los_Angeles",
        **{
            ENTERPRISE: {"employeeNumber": "7", "costCenter": "4", "manager": {"value": "8", "displayName": "John"}},
            "urn:contoso:employee": {"HireDate": "2021-05-01T00:00:00-05:00", "JobCode": "AB-1002"},
        },
    )
    assert send(client, graph, sample) == 202


def test_fifty_operations_pass_and_fifty_one_do_not(graph: GraphEmulator, client: httpx.Client) -> None:
    """A request holds 1 to 50."""
    assert send(client, graph, *map(person, range(50))) == 202
    assert send(client, graph, *map(person, range(51))) == 400
    assert send(client, graph) == 400


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/scim+json", 202),
        ("application/scim+json; charset=utf-8", 202),
        ("application/scim+json; charset=latin-1", 400),
        ("application/json", 400),
        ("", 400),
    ],
)
def test_only_scim_json_is_read(graph: GraphEmulator, client: httpx.Client, content_type: str, status: int) -> None:
    """Another content type is the contract's most common 400."""
    assert upload(client, graph, bulk(person()), Content_Type=content_type).status_code == status


# --- bulkUpload: what is refused


def op(body: Json) -> Json:
    """Return the first operation of a request."""
    operation: Json = body["Operations"][0]
    return operation


WRONG_REQUESTS: dict[str, Change] = {
    "no root schemas": lambda b: b.pop("schemas"),
    "another root schema": lambda b: b["schemas"].append(CORE),
    "no failOnErrors": lambda b: b.pop("failOnErrors"),
    "failOnErrors a number": lambda b: b.update(failOnErrors=1),
    "an unknown root key": lambda b: b.update(extra=None),
    "operations in lower case": lambda b: b.update(operations=b.pop("Operations")),
    "an operation that is no object": lambda b: b["Operations"].append("x"),
    "a PUT": lambda b: op(b).update(method="PUT"),
    "a method in lower case": lambda b: op(b).update(method="post"),
    "another path": lambda b: op(b).update(path="/Groups"),
    "a path to one user": lambda b: op(b).update(path="/Users/1"),
    "no bulkId": lambda b: op(b).pop("bulkId"),
    "a blank bulkId": lambda b: op(b).update(bulkId=" "),
    "a bulkId that is a number": lambda b: op(b).update(bulkId=7),
    "a bulkId used twice": lambda b: b["Operations"].append(op(b) | {"data": person(2)}),
    "an extension beside data": lambda b: op(b).update({HR: {}}),
    "no data": lambda b: op(b).pop("data"),
    "data that is a list": lambda b: op(b).update(data=[]),
}


@pytest.mark.parametrize("change", WRONG_REQUESTS.values(), ids=WRONG_REQUESTS)
def test_a_wrong_request_is_refused(graph: GraphEmulator, client: httpx.Client, change: Change) -> None:
    """Only the published keys and values of a bulk request are known."""
    body = bulk(person())
    change(body)
    assert upload(client, graph, body).status_code == 400
    assert graph.accepted == []


def element(**attributes: Any) -> Change:
    """Put one element more into the emails."""
    return lambda d: d["emails"].append({"type": "home", "value": "x"} | attributes)


WRONG_PEOPLE: dict[str, Change] = {
    "no externalId": lambda d: d.pop("externalId"),
    "an empty externalId": lambda d: d.update(externalId=""),
    "an externalId that is a number": lambda d: d.update(externalId=7),
    "no userName": lambda d: d.pop("userName"),
    "userName null": lambda d: d.update(userName=None),
    "no schemas": lambda d: d.pop("schemas"),
    "a schema that is no text": lambda d: d["schemas"].append({}),
    "no enterprise schema": lambda d: d.update(schemas=[CORE]),
    "no core schema": lambda d: d.update(schemas=[ENTERPRISE]),
    "a schema twice": lambda d: d["schemas"].append(CORE),
    "an extension not declared": lambda d: d.update({HR: {"Code": "x"}}),
    "an extension not used": lambda d: d["schemas"].append(HR),
    "an extension that is no URN": lambda d: (d["schemas"].append("hr:User"), d.update({"hr:User": {"A": "x"}})),
    "an extension as text": lambda d: (d["schemas"].append(HR), d.update({HR: "x"})),
    "an extension with nothing in it": lambda d: (d["schemas"].append(HR), d.update({HR: {}})),
    "an extension's attribute with a blank": lambda d: (d["schemas"].append(HR), d.update({HR: {"Hire Date": "x"}})),
    "active as text": lambda d: d.update(active="true"),
    "active as a number": lambda d: d.update(active=1),
    "active null": lambda d: d.update(active=None),
    "a number for text": lambda d: d.update(title=7),
    "an unknown attribute": lambda d: d.update(jobTitle="x"),
    "another case": lambda d: d.update(displayname="x"),
    "a read-only id": lambda d: d.update(id="1"),
    "a path for a name": lambda d: d.update({"name.givenName": "x"}),
    "name as text": lambda d: d.update(name="Ann"),
    "an unknown part of a name": lambda d: d["name"].update(firstName="x"),
    "emails as an object": lambda d: d.update(emails={"type": "work", "value": "x"}),
    "emails null": lambda d: d.update(emails=None),
    "an email as text": lambda d: d["emails"].append("x"),
    "an email with no type": lambda d: d["emails"][0].pop("type"),
    "two emails of a type": element(type="WORK"),
    "two primary emails": lambda d: [element(primary=True)(d), d["emails"][0].update(primary=True)],
    "primary as text": element(primary="true"),
    "an unknown part of an email": element(address="x"),
    "an unknown part of an address": lambda d: d.update(addresses=[{"type": "work", "city": "x"}]),
    "an unknown enterprise attribute": lambda d: d[ENTERPRISE].update(Department="x"),
    "the enterprise user as text": lambda d: d.update({ENTERPRISE: "IT"}),
    "manager as text": lambda d: d[ENTERPRISE].update(manager="7"),
    "manager null": lambda d: d[ENTERPRISE].update(manager=None),
    "manager with no value": lambda d: d[ENTERPRISE].update(manager={}),
    "manager.value a number": lambda d: d[ENTERPRISE].update(manager={"value": 7}),
}


@pytest.mark.parametrize("change", WRONG_PEOPLE.values(), ids=WRONG_PEOPLE)
def test_a_wrong_person_is_refused_with_the_whole_request(
    graph: GraphEmulator, client: httpx.Client, change: Change
) -> None:
    """One bad operation refuses all 50, and the answer does not say which it was."""
    wrong = person("secret9")
    change(wrong)
    response = upload(client, graph, bulk(person(1), wrong, person(2)))
    assert response.status_code == 400
    assert response.json()["error"]["message"] == "Invalid Data Format"
    assert "secret9" not in response.text
    assert graph.directory().users == {}


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("2021-05-01T00:00:00-05:00", 202),
        ("2021-05-01T05:00:00.1234567Z", 202),
        ("AB-1002", 202),
        (True, 202),
        (7, 202),
        (None, 202),
        ("2021-05-01", 400),
        ("2021-05-01T00:00:00", 400),
        ("2021-02-30T00:00:00Z", 400),
        ("01/05/2021", 400),
        (["x"], 400),
        ({"a": "x"}, 400),
    ],
)
def test_an_extension_holds_plain_values_and_dates_with_time_and_offset(
    graph: GraphEmulator, client: httpx.Client, value: Any, status: int
) -> None:
    """Entra ignores a date without a time; here it is refused."""
    assert send(client, graph, with_extension(Thing=value)) == status


RIGHT = json.dumps(bulk(with_extension(Thing="mark")))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        RIGHT.replace('"active": true', '"active": true, "active": true').encode(),
        RIGHT.replace('"mark"', "NaN").encode(),
        RIGHT.replace('"mark"', "1e999").encode(),
        RIGHT.replace("mark", "\\ud800").encode(),
        RIGHT.replace("mark", "Zoë").encode("latin-1"),
        b"\xef\xbb\xbf" + RIGHT.encode(),
    ],
    ids=[
        "empty",
        "a list",
        "cut off",
        "a key twice",
        "NaN",
        "infinity",
        "half a letter",
        "not UTF-8",
        "a byte order mark",
    ],
)
def test_what_is_not_strict_json_is_refused(graph: GraphEmulator, client: httpx.Client, body: bytes) -> None:
    """JSON is UTF-8, with each key once."""
    assert upload(client, graph, body).status_code == 400


def test_a_scripted_refusal_spoils_the_whole_request(graph: GraphEmulator, client: httpx.Client) -> None:
    """`refuse` stands for rules nobody published."""
    graph.refuse = lambda data: bool(data["externalId"] == "2")
    assert send(client, graph, person(1), person(2)) == 400
    assert send(client, graph, person(1)) == 202


# --- the address, the token, the limits


def test_unknown_addresses_and_methods_are_refused_in_graphs_words(graph: GraphEmulator, client: httpx.Client) -> None:
    """A wrong job is 404, a wrong method 405."""
    unknown = client.post(graph.upload_url.replace("API2AAD", "API2AD"))
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "Request_ResourceNotFound")
    assert client.post(f"{graph.url}/beta/servicePrincipals").status_code == 404
    assert client.put(graph.upload_url, json={}).status_code == 405
    assert client.post(f"{graph.url}/v1.0/auditLogs/provisioning").status_code == 405


def test_a_token_must_be_right_unexpired_and_have_the_role(client: httpx.Client, clock: Clock) -> None:
    """401 for the token, 403 for the role, everywhere."""
    with GraphEmulator(token=BEARER, clock=clock) as graph:
        right = f"Bearer {BEARER}"
        assert send(client, graph, person()) == 401
        assert upload(client, graph, bulk(person()), Authorization="Bearer other").status_code == 401
        assert upload(client, graph, bulk(person()), Authorization=right).status_code == 202
        graph.roles.discard(UPLOAD_ROLE)
        assert upload(client, graph, bulk(person()), Authorization=right).status_code == 403
        graph.token_expires = clock.now
        expired = upload(client, graph, bulk(person()), Authorization=right)
        assert (expired.status_code, expired.json()["error"]["code"]) == (401, "InvalidAuthenticationToken")


@pytest.mark.parametrize("role", [LOGS_ROLE, JOB_ROLE])
def test_reading_needs_its_own_role(client: httpx.Client, role: str) -> None:
    """The upload role opens neither the logs nor the job."""
    with GraphEmulator(token=BEARER) as graph:
        job = graph.upload_url.removesuffix("/bulkUpload")
        url = {LOGS_ROLE: f"{graph.url}/v1.0/auditLogs/provisioning", JOB_ROLE: job}[role]
        headers = {"Authorization": f"Bearer {BEARER}"}
        assert client.get(url, headers=headers).status_code == 200
        graph.roles.discard(role)
        assert client.get(url, headers=headers).status_code == 403


def test_the_forty_first_call_in_five_seconds_is_one_too_many(
    graph: GraphEmulator, client: httpx.Client, clock: Clock
) -> None:
    """The window slides, and refused calls count like any other."""
    statuses = []
    for number in range(41):
        clock.now += 0.1
        statuses.append(send(client, graph, person(number)))
    assert statuses == [202] * 40 + [429]
    clock.now += 0.8  # 4.8 s after the first
    assert send(client, graph, person(99)) == 429
    assert graph.max_calls_in(5) == 42
    clock.now += 5
    assert send(client, graph, person(99)) == 202


def test_the_daily_quota_is_the_tenants_and_rolls(client: httpx.Client, clock: Clock) -> None:
    """Two jobs share it, and a call is forgotten after 24 hours."""
    with GraphEmulator(daily_limit=2, clock=clock) as graph:
        other = graph.add_job()
        body, kind = json.dumps(bulk(person())), {"Content-Type": "application/scim+json"}
        assert send(client, graph, person()) == 202
        clock.now += 3600
        assert client.post(other, content=body, headers=kind).status_code == 202
        clock.now += 3600
        assert send(client, graph, person()) == 429
        clock.now += 22 * 3600
        assert send(client, graph, person()) == 429  # the one refused counts too
        clock.now += 3 * 3600
        assert send(client, graph, person()) == 202


@pytest.mark.parametrize("retry_after", [None, 7, "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_retry_after_is_not_promised(client: httpx.Client, retry_after: int | str | None) -> None:
    """It comes only where it was asked for."""
    with GraphEmulator(daily_limit=0, retry_after=retry_after) as graph:
        response = upload(client, graph, bulk(person()))
        assert response.status_code == 429
        assert response.headers.get("Retry-After") == (None if retry_after is None else str(retry_after))


# --- nobody twice at once


def test_a_person_twice_in_a_request_is_a_violation(graph: GraphEmulator, client: httpx.Client) -> None:
    """Letters' case does not make two people."""
    assert send(client, graph, person("a1"), person("A1")) == 400
    assert [violation.rule for violation in graph.violations] == ["twice in a request"]


def test_a_person_in_two_requests_at_once_is_a_violation(graph: GraphEmulator) -> None:
    """No order is promised between requests, so the second is refused and remembered."""
    graph.stall_next(0.5)
    statuses = together(graph, person("a1"), person("A1"))
    assert sorted(statuses) == [202, 400]
    assert [(violation.rule, violation.external_id) for violation in graph.violations] == [("in two requests", "A1")]


def test_disjoint_requests_at_once_are_right(graph: GraphEmulator) -> None:
    """Parallel requests are allowed over different people."""
    graph.stall_next(0.1)
    assert together(graph, person(1), person(2)) == [202, 202]
    assert graph.violations == []


def test_one_person_may_be_under_way_to_two_jobs(graph: GraphEmulator, client: httpx.Client) -> None:
    """Targets are apart from each other: jobs and their directories."""
    other = graph.add_job("other-principal", "other-job")
    graph.stall_next(0.1)
    first = threading.Thread(target=send, args=(client, graph, person()))
    first.start()
    time.sleep(0.03)
    kind = {"Content-Type": "application/scim+json"}
    assert client.post(other, content=json.dumps(bulk(person())), headers=kind).status_code == 202
    first.join()
    assert graph.violations == []
    assert list(graph.directory("other-principal", "other-job").users) == ["1"]


def test_a_request_whose_client_gave_up_holds_nobody(graph: GraphEmulator, client: httpx.Client) -> None:
    """An ambiguous timeout may be sent again at once."""
    graph.stall_next(30, apply=True)
    with pytest.raises(httpx.ReadTimeout):
        client.post(
            graph.upload_url,
            json=bulk(person()),
            headers={"Content-Type": "application/scim+json"},
            timeout=0.05,
        )
    assert send(client, graph, person()) == 202
    assert graph.violations == []
    assert len(graph.accepted) == 2


def together(graph: GraphEmulator, *persons: Json) -> list[int]:
    """Send one request a person, each when the one before has arrived, over a connection each."""
    statuses: list[int] = []
    clients = [httpx.Client(trust_env=False) for _ in persons]  # which takes its time where the machine is busy

    def one(client: httpx.Client, data: Json) -> None:
        with client:
            statuses.append(send(client, graph, data))

    threads = [threading.Thread(target=one, args=pair) for pair in zip(clients, persons, strict=True)]
    for number, thread in enumerate(threads, 1):
        thread.start()
        while thread.is_alive() and graph.max_calls_in(1e9) < number:
            time.sleep(0.005)
        time.sleep(0.03)
    for thread in threads:
        thread.join()
    return statuses


# --- faults and records


def test_scripted_answers_come_in_order_and_may_hide_that_people_arrived(
    graph: GraphEmulator, client: httpx.Client
) -> None:
    """With `apply`, a 503 is a lie: the ambiguous case."""
    graph.fail_next(500, {"Retry-After": "9"}, b"bucket full")
    graph.fail_next(503, apply=True)
    first = upload(client, graph, bulk(person()))
    assert (first.status_code, first.headers["Retry-After"], first.text) == (500, "9", "bucket full")
    assert graph.directory().users == {}
    assert send(client, graph, person()) == 503
    assert list(graph.directory().users) == ["1"]
    assert send(client, graph, person()) == 202


@pytest.mark.parametrize("apply", [True, False])
def test_a_dropped_connection_gives_no_answer(graph: GraphEmulator, client: httpx.Client, apply: bool) -> None:
    """Whether people arrived cannot be told from outside."""
    graph.drop_next(apply=apply)
    with pytest.raises(httpx.RemoteProtocolError):
        send(client, graph, person())
    assert (graph.calls[0].status, len(graph.accepted)) == (0, int(apply))


@pytest.mark.parametrize("apply", [True, False])
def test_a_reset_connection_is_seen_broken(graph: GraphEmulator, client: httpx.Client, apply: bool) -> None:
    """Not closed in order: what a client must expect of a network that fails."""
    graph.drop_next(apply=apply, reset=True)
    with pytest.raises(httpx.ReadError, match="reset"):
        send(client, graph, person())
    assert (graph.calls[0].status, len(graph.accepted)) == (0, int(apply))
    assert send(client, graph, person()) == 202


def in_a_storm(client: httpx.Client, clock: Clock, seed: int, uploads: int) -> tuple[GraphEmulator, list[str]]:
    """Return a Graph and what was heard of so many uploads to it, one by one."""
    heard = []
    with GraphEmulator(clock=clock) as graph:
        graph.storm(random.Random(seed), stall=0.01)
        for number in range(uploads):
            clock.now += 1.0
            try:
                answer = upload(client, graph, bulk(person(number)))
                heard.append(f"{answer.status_code} {'Retry-After' in answer.headers}")
            except httpx.ReadError:
                heard.append("reset")
    return graph, heard


def test_a_storm_brings_every_fault_and_the_same_for_the_same_seed(client: httpx.Client, clock: Clock) -> None:
    """Half of what is uploaded goes wrong, before or after people were processed."""
    graph, heard = in_a_storm(client, clock, 1, 150)
    assert set(heard) == {"202 False", "429 False", "429 True", "500 False", "reset"}
    assert heard == in_a_storm(client, clock, 1, 150)[1] != in_a_storm(client, clock, 2, 150)[1]
    arrived = {accepted.external_id for accepted in graph.accepted}
    for kind in ("500 False", "reset"):
        assert {str(n) in arrived for n, what in enumerate(heard) if what == kind} == {True, False}
    for kind, came in (("202 False", True), ("429 False", False), ("429 True", False)):
        assert {str(n) in arrived for n, what in enumerate(heard) if what == kind} == {came}


def test_a_storm_excuses_nothing(graph: GraphEmulator, client: httpx.Client) -> None:
    """Wrong requests are refused, and limits hold, as in good weather."""
    graph.storm(random.Random(1), share=1.0, stall=0.0)
    assert send(client, graph, person(active=None)) == 400
    assert upload(client, graph, bulk(person(1), person(1))).status_code == 400
    assert [violation.rule for violation in graph.violations] == ["twice in a request"]


def test_latency_delays_the_answer(graph: GraphEmulator, client: httpx.Client) -> None:
    """It may be worked out call by call."""
    graph.latency = lambda: 0.05
    begun = time.monotonic()
    send(client, graph, person())
    assert time.monotonic() - begun >= 0.05


def test_every_call_is_recorded_with_its_people(graph: GraphEmulator, client: httpx.Client) -> None:
    """The refused ones too."""
    send(client, graph, person(1))
    send(client, graph, person(2, active=None))
    upload(client, graph, b"{")
    assert [(call.status, call.external_ids) for call in graph.calls] == [(202, ["1"]), (400, ["2"]), (400, [])]
    assert graph.calls[0].body == bulk(person(1))
    assert graph.refusals == ["active is not a boolean", "the body is not a JSON object"]


def test_a_stopped_emulator_cuts_kept_connections(client: httpx.Client) -> None:
    """An outage is one for clients with open connections too."""
    with GraphEmulator() as graph:
        assert send(client, graph, person()) == 202
    with pytest.raises(httpx.TransportError):
        send(client, graph, person())


# --- Entra: users


def test_users_are_held_by_attribute_path(graph: GraphEmulator, client: httpx.Client) -> None:
    """Paths are spelled as the portal spells them."""
    send(client, graph, with_extension(HireDate="2026-01-01T05:00:00Z"))
    assert state_of(graph) == {
        "externalId": "1",
        "userName": "user1",
        "active": True,
        "accountEnabled": True,
        "name.givenName": "Ann",
        "name.familyName": "O'Brien",
        'emails[type eq "work"].value': "1@contoso.example",
        f"{ENTERPRISE}:department": "IT",
        f"{HR}:HireDate": "2026-01-01T05:00:00Z",
    }


def test_people_are_matched_by_external_id_whatever_its_case(graph: GraphEmulator, client: httpx.Client) -> None:
    """The second is an update of the first."""
    send(client, graph, person("A1"))
    send(client, graph, person("a1"))
    send(client, graph, person("A1", title="Boss"))
    assert list(graph.directory().users) == ["A1"]
    assert state_of(graph, "A1")["title"] == "Boss"


def test_the_work_email_is_set_on_create_and_never_again(graph: GraphEmulator, client: httpx.Client) -> None:
    """`mail` is written once."""
    send(client, graph, person())
    send(client, graph, person(emails=[{"type": "work", "value": "new@contoso.example"}]))
    send(client, graph, person(emails=[{"type": "work", "value": None}]))
    assert state_of(graph)['emails[type eq "work"].value'] == "1@contoso.example"


def test_a_leaver_is_disabled_and_a_returner_enabled(graph: GraphEmulator, client: httpx.Client) -> None:
    """`active` drives accountEnabled; nobody is deleted."""
    for active, enabled, action in [(True, True, "create"), (False, False, "disable"), (True, True, "update")]:
        send(client, graph, person(active=active))
        assert (state_of(graph)["accountEnabled"], entries(graph)[-1]["provisioningAction"]) == (enabled, action)


FULL = person(title="Boss", phoneNumbers=[{"type": "mobile", "value": "1"}])
CLEARED: list[Json] = [
    {"title": None, "phoneNumbers": [{"type": "mobile", "value": None}]},
    {"title": "", "phoneNumbers": []},
]
MOBILE = 'phoneNumbers[type eq "mobile"].value'


def test_nulls_clear_single_valued_attributes(graph: GraphEmulator, client: httpx.Client) -> None:
    """An element of a collection is single-valued by its type, and clears like any other."""
    send(client, graph, FULL)
    send(client, graph, FULL | CLEARED[0])
    assert {"title", MOBILE} & state_of(graph).keys() == set()
    assert {change["displayName"]: change["newValue"] for change in entries(graph)[-1]["modifiedProperties"]} == {
        "title": None,
        MOBILE: None,
    }


def test_an_empty_text_clears_and_an_empty_collection_does_not(graph: GraphEmulator, client: httpx.Client) -> None:
    """Clearing multi-valued attributes is not supported."""
    send(client, graph, FULL)
    send(client, graph, FULL | CLEARED[1])
    assert "title" not in state_of(graph)
    assert state_of(graph)[MOBILE] == "1"


def test_nulls_clear_nothing_where_null_flow_is_off(graph: GraphEmulator, client: httpx.Client) -> None:
    """Both switches must be on."""
    graph.directory().flow_nulls = False
    send(client, graph, FULL)
    send(client, graph, FULL | CLEARED[0])
    assert (state_of(graph)["title"], state_of(graph)[MOBILE]) == ("Boss", "1")


@pytest.mark.parametrize("clear_omitted", [False, True])
def test_an_omitted_attribute_stays_unless_omission_clears(
    graph: GraphEmulator, client: httpx.Client, clear_omitted: bool
) -> None:
    """What clears is a part left out of an object that is there; never a whole element."""
    graph.directory().clear_omitted = clear_omitted
    send(client, graph, FULL)
    partial = {key: value for key, value in FULL.items() if key not in ("title", "phoneNumbers", "active")}
    send(client, graph, partial | {"name": {"givenName": "Ann"}})
    state = state_of(graph)
    assert ("title" in state, "name.familyName" in state) == (not clear_omitted, not clear_omitted)
    assert (state[MOBILE], state["accountEnabled"], state[f"{ENTERPRISE}:department"]) == ("1", True, "IT")


def reports_to(manager: str | None, number: object = 1) -> Json:
    """Return a person with that manager."""
    return person(number, **{ENTERPRISE: {"manager": {"value": manager}}})


def test_a_manager_processed_before_is_resolved(graph: GraphEmulator, client: httpx.Client) -> None:
    """Earlier in the same request is early enough, and case does not matter."""
    send(client, graph, person("m1"), reports_to("M1", 2))
    assert state_of(graph, 2)[MANAGER] == "m1"


def test_a_manager_processed_later_stays_unset_and_is_not_repaired(graph: GraphEmulator, client: httpx.Client) -> None:
    """The log calls it a success that does not mention the manager; only another send repairs it."""
    send(client, graph, reports_to("m1", 2), person("m1"))
    assert MANAGER not in state_of(graph, 2)
    entry = entries(graph)[0]
    assert entry["provisioningStatusInfo"]["status"] == "success"
    assert MANAGER not in [change["displayName"] for change in entry["modifiedProperties"]]
    send(client, graph, reports_to("m1", 2))
    assert state_of(graph, 2)[MANAGER] == "m1"


def test_an_update_that_only_names_an_unknown_manager_is_a_success(graph: GraphEmulator, client: httpx.Client) -> None:
    """Not skipped: there was something to do, and it was not done."""
    send(client, graph, reports_to("m1", 2))
    send(client, graph, reports_to("m1", 2))
    assert entries(graph)[-1]["provisioningStatusInfo"]["status"] == "success"
    assert entries(graph)[-1]["modifiedProperties"] == []


def test_a_manager_is_cleared_by_null_and_kept_when_the_new_one_is_unknown(
    graph: GraphEmulator, client: httpx.Client
) -> None:
    """An unknown manager changes nothing."""
    send(client, graph, person("m1"), reports_to("m1", 2))
    send(client, graph, reports_to("nobody", 2))
    assert state_of(graph, 2)[MANAGER] == "m1"
    send(client, graph, reports_to(None, 2))
    assert MANAGER not in state_of(graph, 2)


def test_two_people_with_one_user_name_clash(graph: GraphEmulator, client: httpx.Client) -> None:
    """The second is not created; the request was accepted all the same."""
    assert send(client, graph, person(1, userName="Ann"), person(2, userName="ann")) == 202
    assert list(graph.directory().users) == ["1"]
    info = entries(graph)[1]["provisioningStatusInfo"]
    assert info["status"] == "failure"
    assert info["errorInformation"]["errorCode"] == "AzureActiveDirectoryDuplicateUserPrincipalName"


def test_a_user_name_given_up_is_free_again(graph: GraphEmulator, client: httpx.Client) -> None:
    """A clash is with who has the name now."""
    send(client, graph, person(1, userName="ann"))
    send(client, graph, person(1, userName="bob"))
    send(client, graph, person(2, userName="ann"))
    assert state_of(graph, 2)["userName"] == "ann"


def test_a_paused_job_stages_and_a_purge_drops_it(graph: GraphEmulator, client: httpx.Client) -> None:
    """202 is not processed: restarting a stopped job can lose what was staged."""
    directory = graph.directory()
    directory.paused = True
    assert send(client, graph, person(1)) == 202
    assert (directory.users, directory.purge()) == ({}, 1)
    send(client, graph, person(2))
    directory.paused = False
    assert list(directory.users) == ["2"]


# --- provisioning logs and the job


def test_a_log_entry_has_the_published_shape(graph: GraphEmulator, client: httpx.Client) -> None:
    """An entry tells the person by sourceIdentity.id; there is no bulkId in it."""
    send(client, graph, person())
    entry = entries(graph)[0]
    assert entry["sourceIdentity"]["id"] == "1"
    assert entry["targetIdentity"]["id"]
    assert entry["servicePrincipal"]["id"] == graph.directory().service_principal
    assert entry["provisioningStatusInfo"] == {"status": "success", "errorInformation": None}
    name = {"displayName": "userPrincipalName", "oldValue": None, "newValue": "user1"}
    assert name in entry["modifiedProperties"]  # the target's attribute
    assert entry["activityDateTime"] == "2026-02-02T02:40:00.000000Z"
    assert entry.keys() >= {"id", "jobId", "changeId", "cycleId", "provisioningAction"}


def test_a_send_that_changes_nothing_is_skipped(graph: GraphEmulator, client: httpx.Client) -> None:
    """It still leaves an entry."""
    send(client, graph, person())
    send(client, graph, person())
    assert [entry["provisioningStatusInfo"]["status"] for entry in entries(graph)] == ["success", "skipped"]


def test_the_logs_are_filtered_by_job_and_time(graph: GraphEmulator, client: httpx.Client, clock: Clock) -> None:
    """`gt` leaves the instant itself out; another job's entries are not seen."""
    first = clock.now
    send(client, graph, person(1))
    clock.now += 60
    send(client, graph, person(2))
    since = dt.datetime.fromtimestamp(first, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    job = graph.directory().job
    assert sources(logs(client, graph, f"jobId eq '{job}' and activityDateTime gt {since}")) == ["2"]
    assert sources(logs(client, graph, f"jobId eq '{job}'")) == ["2", "1"]
    assert sources(logs(client, graph, "jobId eq 'another'")) == []


def test_the_logs_come_in_pages_that_do_not_shift(graph: GraphEmulator, client: httpx.Client, clock: Clock) -> None:
    """What is written between two pages waits for the next round."""
    send(client, graph, *map(person, range(5)))
    page = logs(client, graph, f"jobId eq '{graph.directory().job}'", **{"$top": "2"})
    clock.now += 1
    send(client, graph, person(9))
    found = sources(page)
    while link := page.get("@odata.nextLink"):
        page = client.get(link).json()
        found += sources(page)
    assert found == ["4", "3", "2", "1", "0"]


def test_the_logs_come_late(graph: GraphEmulator, client: httpx.Client, clock: Clock) -> None:
    """Minutes late, as the real ones do."""
    graph.log_delay = 300
    send(client, graph, person())
    assert sources(logs(client, graph, "")) == []
    clock.now += 300
    assert sources(logs(client, graph, "")) == ["1"]


@pytest.mark.parametrize(
    "query",
    [
        "$filter=jobId ne 'x'",
        "$filter=jobid eq x",
        "$filter=activityDateTime gt '2026-01-01T00:00:00Z'",
        "$filter=activityDateTime ge 2026-01-01T00:00:00Z",
        "$filter=activityDateTime gt 2026-13-01T00:00:00Z",
        "$filter=jobId eq 'x' or jobId eq 'y'",
        "$top=0",
        "$top=1001",
        "$top=x",
        "$skip=1",
        "$orderby=jobId",
        "$skiptoken=x",
        "$top=1&$top=2",
    ],
)
def test_queries_nobody_published_are_refused(graph: GraphEmulator, client: httpx.Client, query: str) -> None:
    """eq, gt, lt; $filter, $orderby, $top, $skiptoken."""
    assert client.get(f"{graph.url}/v1.0/auditLogs/provisioning?{query}").status_code == 400


def test_the_job_says_how_it_is(graph: GraphEmulator, client: httpx.Client) -> None:
    """Active, paused or in quarantine with a reason."""
    url = graph.upload_url.removesuffix("/bulkUpload")
    assert client.get(url).json()["status"]["code"] == "Active"
    graph.directory().paused = True
    assert client.get(url).json()["status"]["code"] == "Paused"
    graph.directory().quarantine_reason = "EncounteredEscrowProportionThreshold"
    status = client.get(url).json()["status"]
    assert (status["code"], status["quarantine"]["reason"]) == ("Quarantine", "EncounteredEscrowProportionThreshold")
    assert client.get(f"{url}?$select=id").status_code == 400


def test_the_app_tells_its_schema_in_the_published_shape(graph: GraphEmulator, client: httpx.Client) -> None:
    """Directories of objects of attributes, and rules of mappings whose source may be an expression."""
    url = graph.upload_url.replace("/bulkUpload", "/schema")
    document = client.get(url).json()
    (rule,) = document["synchronizationRules"]
    (mapping,) = rule["objectMappings"]
    by_target = {m["targetAttributeName"]: m for m in mapping["attributeMappings"]}
    assert by_target["employeeId"]["matchingPriority"] == 1
    assert by_target["employeeId"]["source"] == {
        "expression": "[externalId]",
        "name": "externalId",
        "parameters": [],
        "type": "Attribute",
    }
    assert by_target["userPrincipalName"]["source"]["type"] == "Function"
    assert by_target["usageLocation"]["source"] is None
    source = next(d for d in document["directories"] if d["name"] == rule["sourceDirectoryName"])
    assert {a["name"] for a in source["objects"][0]["attributes"]} >= {"externalId", "title", "name.givenName"}
    assert client.get(f"{url}?$select=id").status_code == 400
    assert client.post(url, json={}).status_code == 405
    graph.roles.clear()
    assert client.get(url).status_code == 403


def test_what_the_app_maps_to_nothing_is_dropped_without_a_word(graph: GraphEmulator, client: httpx.Client) -> None:
    """Still 202, and success in the log."""
    graph.directory().schema.forget("title")
    assert send(client, graph, person(1, title="Clerk", nickName="Ace")) == 202
    assert ("title" in state_of(graph), state_of(graph)["nickName"]) == (False, "Ace")
    assert entries(graph)[-1]["provisioningStatusInfo"]["status"] == "success"


def logs(client: httpx.Client, graph: GraphEmulator, filter_text: str, **query: str) -> Json:
    """Read one page of the logs."""
    parameters = query | ({"$filter": filter_text} if filter_text else {})
    response = client.get(f"{graph.url}/v1.0/auditLogs/provisioning", params=parameters)
    assert response.status_code == 200, response.text
    page: Json = response.json()
    return page


def sources(page: Json) -> list[str]:
    """Return whose entries a page holds."""
    return [entry["sourceIdentity"]["id"] for entry in page["value"]]


# --- HR


@pytest.fixture
def hr() -> Iterator[HrEmulator]:
    """Run an HR system of 23 people that needs no credentials."""
    with HrEmulator(people.invent(23, today=TODAY)) as emulator:
        yield emulator


def test_offset_pages_cover_everybody_once(hr: HrEmulator, client: httpx.Client) -> None:
    """The total comes with every page."""
    pages = [client.get(f"{hr.url}/api/Employees?offset={n}&limit=10").json() for n in (0, 10, 20, 30)]
    assert [len(page["data"]) for page in pages] == [10, 10, 3, 0]
    assert {page["total"] for page in pages} == {23}
    assert [record for page in pages for record in page["data"]] == hr.people


def test_numbered_pages_count_from_one(hr: HrEmulator, client: httpx.Client) -> None:
    """Page 0 is refused."""
    last = client.get(f"{hr.url}/api/paged/Employees?page=3&per_page=10").json()
    assert (len(last["items"]), last["pages"]) == (3, 3)
    assert client.get(f"{hr.url}/api/paged/Employees?page=0&per_page=10").status_code == 400


def test_a_page_is_cut_to_the_longest_allowed(client: httpx.Client) -> None:
    """Who steps by the limit asked for loses people."""
    with HrEmulator(people.invent(23, today=TODAY), max_page=5) as hr:
        assert len(client.get(f"{hr.url}/api/Employees?limit=10").json()["data"]) == 5
        assert client.get(f"{hr.url}/api/paged/Employees?per_page=10").json()["pages"] == 5


def test_the_other_collections_and_one_person(hr: HrEmulator, client: httpx.Client) -> None:
    """One person comes bare; somebody unknown is 404."""
    assert client.get(f"{hr.url}/api/all/Employees").json() == hr.people
    assert client.get(f"{hr.url}/api/Employees/E00002").json() == hr.people[1]
    assert client.get(f"{hr.url}/api/Employees/E99999").status_code == 404
    assert client.get(f"{hr.url}/api/Organizations").json()["data"] == people.organizations()
    assert client.get(f"{hr.url}/api/Locations?limit=2").json()["data"] == people.locations()[:2]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/api/employees", 404),
        ("/api/Unknown", 404),
        ("/", 404),
        ("/api/Employees?page=1", 400),
        ("/api/Employees?limit=0", 400),
        ("/api/Employees?offset=-1", 400),
        ("/api/Employees?limit=ten", 400),
        ("/api/Employees?limit=1&limit=2", 400),
        ("/api/all/Employees?limit=1", 400),
        ("/api/Employees/E00001?full=1", 400),
    ],
)
def test_what_hr_does_not_know_it_refuses(hr: HrEmulator, client: httpx.Client, target: str, status: int) -> None:
    """Routes, parameters and numbers alike."""
    assert client.get(hr.url + target).status_code == status


@pytest.mark.parametrize(
    ("auth", "right", "wrong"),
    [
        ({"basic": ("svc", "p:ß")}, {"Authorization": "Basic c3ZjOnA6w58="}, {"Authorization": "Basic c3ZjOng="}),
        ({"bearer": BEARER}, {"Authorization": f"Bearer {BEARER}"}, {"Authorization": BEARER}),
        ({"api_key": ("X-Api-Key", BEARER)}, {"X-Api-Key": BEARER}, {"Authorization": BEARER}),
    ],
)
def test_hr_lets_nobody_in_without_the_right_credentials(
    client: httpx.Client, auth: Json, right: Json, wrong: Json
) -> None:
    """Every way of signing in, right, wrong and missing."""
    with HrEmulator(people.invent(3, today=TODAY), auth) as hr:
        statuses = [
            client.get(f"{hr.url}/api/Employees", headers=headers).status_code for headers in (right, wrong, {})
        ]
        assert statuses == [200, 401, 401]
        assert [seen.authorized for seen in hr.requests] == [True, False, False]
        assert client.delete(f"{hr.url}/api/Employees/E00001").status_code == 401


def test_people_are_edited_while_hr_runs(hr: HrEmulator, client: httpx.Client) -> None:
    """A snapshot taken before stays what it was."""
    before = hr.people
    untouched = copy.deepcopy(before)
    given = hr.patch("E00001", {"Title": "Mallard"})
    hr.patch("E00001", {"Name.FirstName": "Launchpad", "Title": "Pilot"})
    hr.remove("E00002")
    hr.put({"EmployeeId": "NEW"})
    hr.put({"EmployeeId": "E00003", "Title": "Boss"})
    names = [record["EmployeeId"] for record in hr.people]
    assert (names[:2], names[-1], len(names)) == (["E00001", "E00003"], "NEW", 23)
    assert client.get(f"{hr.url}/api/Employees/E00001").json()["Name"]["FirstName"] == "Launchpad"
    assert before == untouched
    assert given["Title"] == "Mallard"
    with pytest.raises(KeyError):
        hr.patch("E00002", {"Title": "x"})


def test_people_are_edited_over_http(hr: HrEmulator, client: httpx.Client) -> None:
    """A laptop needs no Python to play HR."""
    url = f"{hr.url}/api/Employees"
    assert client.patch(f"{url}/E00001", json={"Name.FirstName": "Gosalyn"}).json()["Name"]["FirstName"] == "Gosalyn"
    assert client.put(f"{url}/NEW", json={"EmployeeId": "NEW"}).status_code == 200
    assert client.put(f"{url}/NEW", json={"EmployeeId": "OTHER"}).status_code == 400
    assert client.patch(f"{url}/NEW", content=b"[]").status_code == 400
    assert client.patch(f"{url}/NEW", content=b"{").status_code == 400
    assert [client.delete(f"{url}/NEW").status_code for _ in range(2)] == [204, 404]
    assert client.patch(f"{url}/NEW", json={"Title": "x"}).status_code == 404


def test_hr_fails_as_scripted_where_it_is_told_to(hr: HrEmulator, client: httpx.Client) -> None:
    """A fault waits for the path it is meant for; each is used once, in order."""
    hr.fail_next(503, {"Retry-After": "1"}, b"down", when=lambda path: "offset=10" in path)
    hr.fail_next(429, when=lambda path: "offset=10" in path)
    url = f"{hr.url}/api/Employees?limit=10&offset="
    assert [client.get(f"{url}{n}").status_code for n in (0, 10, 10, 10)] == [200, 503, 429, 200]
    assert [seen.path.partition("offset=")[2] for seen in hr.requests] == ["0", "10", "10", "10"]


def test_hr_can_break_off_in_the_middle_of_an_answer(hr: HrEmulator, client: httpx.Client) -> None:
    """A length that promises more than comes."""
    hr.fail_next(200, {"Content-Length": "100"}, b'{"data": [')
    with pytest.raises(httpx.RemoteProtocolError):
        client.get(f"{hr.url}/api/Employees")


# --- the invented people


@cache
def invented() -> list[dict[str, Any]]:
    return people.invent(1000, today=TODAY)


LENGTHS = {
    "EmployeeId": 10, "NickName": 50, "NationalityId": 50, "LanguageId": 50, "Email": 50, "CreatedBy": 50,
    "ModifiedBy": 50, "Initials": 20, "LocationId": 10, "Office": 20, "ManagerId": 10, "OrganizationId": 10,
    "OrganizationName": 50, "JobId": 10, "JobTypeId": 10, "Title": 50, "Name_FirstName": 100, "Name_MiddleName": 100,
    "Name_LastName": 100, "Name_FullName": 300, "Location_Name": 50, "Manager_Name": 300, "Job_Description": 50,
    "JobType_Description": 50,
}  # fmt: skip
OTHERS = {
    "Salutation", "Gender", "BirthDate", "RowNumber", "CreatedDateTime", "ModifiedDateTime", "VersionStamp", "Active",
    "ValidFrom", "ValidTo", "Released", "HiredDate", "TerminatedDate",
}  # fmt: skip


def flat(record: Json) -> Json:
    """Flatten a record as the table's columns are named."""
    row: Json = {}
    for name, value in record.items():
        row |= {f"{name}_{part}": v for part, v in value.items()} if isinstance(value, dict) else {name: value}
    return row


def test_invented_people_are_the_same_for_the_same_seed() -> None:
    """And others for another."""
    assert people.invent(1000, today=TODAY) == invented()
    assert people.invent(1000, seed=8, today=TODAY) != invented()


def test_invented_people_fit_the_table() -> None:
    """Every column, no other, and no value too long (in UTF-16 units, as SQL Server counts)."""
    for row in map(flat, invented()):
        assert row.keys() == LENGTHS.keys() | OTHERS
        for column, length in LENGTHS.items():
            assert len((row[column] or "").encode("utf-16-le")) <= 2 * length, column
        assert row["Name_FullName"]
        assert row["ValidFrom"] < TODAY.isoformat()
        assert row["Active"] is True


def test_invented_people_are_awkward() -> None:
    """Nulls, empty texts, apostrophes, other alphabets and letters beyond 16 bits are among them."""
    rows = [flat(record) for record in invented()]
    text = json.dumps(rows, ensure_ascii=False)
    assert all(part in text for part in ("O'Brien", "Иван", "Ελένη", "佐藤", "🦆", '""'))
    emails = [row["Email"] for row in rows if row["Email"]]
    assert 900 < len(emails) < 1000
    assert len({email.lower() for email in emails}) == len(emails)
    assert {row["ModifiedDateTime"] is None for row in rows} == {True, False}
    assert {len((row["ModifiedDateTime"] or "").partition(".")[2]) for row in rows} == {0, 4, 7, 8}
    assert {row["ValidTo"] is None for row in rows} == {True, False}
    assert all((row["ValidTo"] or "9") > "2027" for row in rows)


def test_invented_managers_are_a_tree_with_two_knots() -> None:
    """4 to 6 levels, many reports before their managers, one who manages herself, two who manage each other."""
    manager = {record["EmployeeId"]: record["ManagerId"] for record in invented()}
    places = {record["EmployeeId"]: place for place, record in enumerate(invented())}
    assert sum(places[one] < places[boss] for one, boss in manager.items() if boss) > 300
    assert sum(one == boss for one, boss in manager.items()) == 1
    assert sum(one != boss and manager.get(boss) == one for one, boss in manager.items() if boss) == 2
    levels = [level(manager, one) for one in manager]
    assert 4 <= max(levels) <= 6
    assert levels.count(0) == 3
    names = {record["EmployeeId"]: record["Name"]["FullName"] for record in invented()}
    assert all(record["Manager"]["Name"] == names.get(record["ManagerId"]) for record in invented())


def level(manager: Json, one: str) -> int:
    """Return how deep in the tree somebody is, the top being 1; 0 for those in a knot."""
    chain = [one]
    while boss := manager[chain[-1]]:
        if boss in chain:
            return 0
        chain.append(boss)
    return len(chain)


def test_invented_places_and_organizations_agree_with_their_lists() -> None:
    """An office belongs to its location."""
    for record in invented():
        assert {key: record[key] for key in ("LocationId", "Location", "Office")} in people.locations()
        assert {key: record[key] for key in ("OrganizationId", "OrganizationName")} in people.organizations()


# --- on a laptop


def test_both_run_from_the_command_line_until_interrupted() -> None:
    """They say where they are and how to edit somebody, and count who arrives."""
    command = [sys.executable, "-m", "tests.emulators", "--hr-port", "0", "--graph-port", "0", "--people", "20"]
    root = Path(__file__).parent.parent
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(4)]
        hr_url, upload_url = lines[0].split()[1], lines[1].split()[1]
        assert "curl" in lines[2]
        assert httpx.get(hr_url, auth=("svc", "emulator"), trust_env=False).json()["total"] == 20
        kind = {"Content-Type": "application/scim+json"}
        httpx.post(upload_url, content=json.dumps(bulk(person(1), person(2))), headers=kind, trust_env=False)
        assert process.stdout.readline() == "2 operations arrived in 1 calls\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 0
