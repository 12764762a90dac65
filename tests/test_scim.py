"""Rows → SCIM users: paths, types, nulls, dates, hashes, and payloads that a library we did not write accepts."""

import json
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from scim2_models import BulkRequest, EnterpriseUser, Extension, User

from provisioning import database, jobs, ledger, scim
from provisioning.errors import MappingError
from provisioning.scim import ScimMapping, Unsendable
from provisioning.settings import Extension as Schema
from provisioning.settings import Settings
from tests.clock import MovedClock
from tests.emulators.graph import GraphEmulator

UTC_ZONE = ZoneInfo("UTC")
HR = "urn:ietf:params:scim:schemas:extension:hr:2.0:User"
EXTENSIONS = {"hr": Schema(HR, {"Badge": "integer", "Remote": "boolean", "Seen": "dateTime"})}
BASE = ("EmployeeId", "externalId", "userName", "active")


def mapping(*paths: str, explicit: bool = True) -> ScimMapping:
    return scim.compile_mapping([*BASE, *paths], EXTENSIONS, explicit_nulls=explicit)


def resource(
    paths: Sequence[str], values: Sequence[Any], *, explicit: bool = True, zone: str = "UTC"
) -> dict[str, Any]:
    made = mapping(*paths, explicit=explicit)
    return made.resource(made.user(("7", "7", "seven", 1, *values), True, ZoneInfo(zone)))


def problems(*columns: str) -> str:
    with pytest.raises(MappingError) as wrong:
        scim.compile_mapping(columns, EXTENSIONS, explicit_nulls=True)
    return "\n".join(wrong.value.problems)


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("title", ["title"]),
        ("name.givenName", ["name", "givenName"]),
        ('emails[type eq "work"].value', ["emails", 0, "value"]),
        ('addresses[type eq "other"].postalCode', ["addresses", 0, "postalCode"]),
        ('roles[type eq "anything"].value', ["roles", 0, "value"]),
        ("enterprise:department", [scim.ENTERPRISE, "department"]),
        ("enterprise:manager.value", [scim.ENTERPRISE, "manager", "value"]),
        ("hr:CostCode", [HR, "CostCode"]),
        (f"{scim.ENTERPRISE}:division", [scim.ENTERPRISE, "division"]),
        (f"{scim.CORE}:nickName", ["nickName"]),
        ("urn:example:params:own:1.0:User:Shoe", ["urn:example:params:own:1.0:User", "Shoe"]),
    ],
)
def test_a_path_says_where_the_value_goes(path: str, where: list[Any]) -> None:
    found: Any = resource([path], ["x"])
    for step in where:
        found = found[step]
    assert found == "x"


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("Title", "is spelled title"),
        ("name", "the parts of name are"),
        ("name.firstName", "the parts of name are"),
        ("name.givenname", "the part is spelled givenName"),
        ("title.value", "title has no parts"),
        ("emails", "is a collection"),
        ("emails.value", "is a collection"),
        ('emails[type eq "Work"].value', "the types of emails are work"),
        ('emails[type eq "work"]', "the parts of emails are value"),
        ("emails[type eq 'work'].value", "is not a SCIM path"),
        ('title[type eq "work"]', "is no collection"),
        ("password", "has no attribute password"),
        ("groups", "has no attribute groups"),
        ("id", "has no attribute id"),
        ("Enterprise:department", "write enterprise:"),
        ("payroll:Grade", "is not a known prefix"),
        ("enterprise:Department", "is spelled department"),
        ("enterprise:manager", "the parts of manager are value"),
        ("hr:Foo.bar", "neither a filter nor a part"),
        ("URN:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "the schema is spelled"),
        ("hr:HireDate@5:00", "must be a time of day"),
        ("hr:HireDate@24:00", "must be a time of day"),
        ("hr:Remote@05:00", "belongs to dates"),
        ("title:1", "the view has title twice"),
        ("employeeid", "a control column is spelled EmployeeId"),
        ("inscope", "a control column is spelled InScope"),
        ("", "is not a SCIM path"),
    ],
)
def test_a_wrong_path_is_named_with_its_mend(path: str, told: str) -> None:
    found = problems(*BASE, path)
    assert f"dbo.ScimUsers {path}: " in found
    assert told in found


def test_everything_wrong_is_named_at_once() -> None:
    found = problems(
        "username", "Active", "enterprise:department", f"{scim.ENTERPRISE}:department", "name.x", "externalId"
    )
    assert [line.split()[1] for line in found.splitlines()] == [
        "username:",
        "Active:",
        "name.x:",
        "EmployeeId:",
        f"{scim.ENTERPRISE}:department:",
    ]


@pytest.mark.parametrize("missing", ["EmployeeId", "externalId", "userName", "active"])
def test_what_every_request_needs_must_be_in_the_view(missing: str) -> None:
    assert f"{missing}: the view has no column of this name" in problems(*(c for c in BASE if c != missing))


def test_control_columns_are_not_sent() -> None:
    made = scim.compile_mapping([*BASE, *scim.CONTROL_COLUMNS[1:], "title"], {}, explicit_nulls=True)
    assert [a.path for a in made.attributes] == ["externalId", "userName", "active", "title"]


@pytest.mark.parametrize(
    ("day", "at", "zone", "instant"),
    [
        ("2026-12-01", "05:00", "UTC", "2026-12-01T05:00:00Z"),
        ("2026-12-01", "05:00", "Europe/Copenhagen", "2026-12-01T04:00:00Z"),
        ("2026-07-01", "22:00", "America/Los_Angeles", "2026-07-02T05:00:00Z"),
        ("2026-03-29", "02:30", "Europe/Copenhagen", "2026-03-29T01:30:00Z"),  # an hour that the clock skips
        ("2026-10-25", "02:30", "Europe/Copenhagen", "2026-10-25T00:30:00Z"),  # an hour that comes twice
        ("9999-12-31", "22:00", "America/Los_Angeles", "9999-12-31T22:00:00Z"),
        ("0001-01-01", "05:00", "Asia/Tokyo", "0001-01-01T05:00:00Z"),
        (date(2026, 12, 1), "05:00", "UTC", "2026-12-01T05:00:00Z"),
        (datetime(2026, 12, 1, 9, 30), "05:00", "UTC", "2026-12-01T05:00:00Z"),  # noqa: DTZ001 - as drivers give them
    ],
)
def test_a_date_leaves_as_the_instant_of_its_local_time(day: Any, at: str, zone: str, instant: str) -> None:
    assert resource([f"hr:HireDate@{at}"], [day], zone=zone)[HR] == {"HireDate": instant}


@pytest.mark.parametrize(
    ("sqlite", "sqlserver"),
    [
        (1, True),
        ("2026-12-01", date(2026, 12, 1)),
        ("2026-12-01 08:09:10.1234560", datetime(2026, 12, 1, 8, 9, 10, 123456)),  # noqa: DTZ001
        ("12.50", Decimal("12.50")),
        (7, 7),
        ("", None),
    ],
)
def test_values_are_typed_by_the_schema_not_by_the_engine(sqlite: Any, sqlserver: Any) -> None:
    assert resource(["title"], [sqlite]) == resource(["title"], [sqlserver])
    made = mapping("title")
    rows = [("7", "7", "seven", 1, sqlite), ("7", "7", "seven", True, sqlserver)]
    assert len({made.user(row, made.raw_active(row), UTC_ZONE).hash for row in rows}) == 1


@pytest.mark.parametrize(
    ("path", "raw", "sent"),
    [
        ("hr:Badge", "0042", 42),
        ("hr:Badge", Decimal("42"), 42),
        ("hr:Remote", "TRUE", True),
        ("hr:Remote", 0, False),
        ("hr:Seen", "2026-12-01T08:00:00.1234567+01:00", "2026-12-01T07:00:00Z"),
        ("hr:Seen", "2026-12-01", "2026-12-01T00:00:00Z"),
        ("hr:Other", 42, "42"),
    ],
)
def test_an_extension_declares_its_types(path: str, raw: Any, sent: Any) -> None:
    assert resource([path], [raw])[HR] == {path.removeprefix("hr:"): sent}


@pytest.mark.parametrize(
    ("path", "raw"),
    [("hr:Badge", "4711-secret"), ("hr:Remote", "secretly"), ("hr:Seen", "secret"), ("hr:HireDate@05:00", "secret")],
)
def test_a_value_that_does_not_fit_parks_the_person_without_telling_it(path: str, raw: str) -> None:
    with pytest.raises(Unsendable) as wrong:
        resource([path], [raw])
    assert wrong.value.reasons[0].startswith(f"{path} is not") or "neither" in wrong.value.reasons[0]
    assert "secret" not in str(wrong.value).replace("secretly", "secret")


def test_what_every_user_needs_parks_her_when_null() -> None:
    made = mapping()
    with pytest.raises(Unsendable) as wrong:
        made.user(("7", "", None, 1), True, UTC_ZONE)
    assert wrong.value.reasons == ("externalId is null", "userName is null")
    with pytest.raises(Unsendable, match="active is null"):
        made.raw_active(("7", "7", "seven", None))


PATHS = (
    "name.givenName",
    'phoneNumbers[type eq "mobile"].value',
    "enterprise:manager.value",
    "hr:HireDate@05:00",
    "title",
)


def test_unset_attributes_go_as_null_inside_what_holds_them() -> None:
    assert resource(PATHS, [None, "", None, None, None]) == {
        "schemas": [scim.CORE, scim.ENTERPRISE, HR],
        "externalId": "7",
        "userName": "seven",
        "active": True,
        "name": {"givenName": None},
        "phoneNumbers": [{"type": "mobile", "value": None}],
        scim.ENTERPRISE: {"manager": {"value": None}},
        HR: {"HireDate": None},
        "title": None,
    }


def test_omit_leaves_them_out() -> None:
    assert resource(PATHS, [None, "", None, None, "x"], explicit=False) == {
        "schemas": [scim.CORE, scim.ENTERPRISE],
        "externalId": "7",
        "userName": "seven",
        "active": True,
        "title": "x",
    }


@pytest.mark.parametrize("explicit", [True, False])
def test_the_hash_is_that_of_the_payload_whatever_the_order_of_columns(explicit: bool) -> None:
    rng = random.Random(5)
    cells = {"EmployeeId": "7", "externalId": "7", "userName": "seven", "active": 1}
    cells |= dict.fromkeys(PATHS) | {"title": "x", "name.givenName": "Ø"}
    hashes = set()
    for _ in range(20):
        names = rng.sample(list(cells), len(cells))
        made = scim.compile_mapping(names, EXTENSIONS, explicit_nulls=explicit)
        hashes.add(made.user([cells[n] for n in names], True, UTC_ZONE).hash)
    assert len(hashes) == 1


def test_the_hash_changes_with_every_value_and_with_active() -> None:
    made = mapping("title", "nickName")
    rows = [("a", "b"), ("b", "a"), ("a", None), (None, "a"), ("ab", None)]
    users = [made.user(("7", "7", "seven", 1, *r), True, UTC_ZONE) for r in rows]
    users.append(made.user(("7", "7", "seven", 1, "a", "b"), False, UTC_ZONE))
    assert len({u.hash for u in users}) == len(users)


def test_a_bulk_request_is_what_the_contract_says() -> None:
    body = json.loads(scim.bulk_request([("7", {"a": 1}), ("8", {"a": 2})]))
    assert body == {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [
            {"method": "POST", "bulkId": "7", "path": "/Users", "data": {"a": 1}},
            {"method": "POST", "bulkId": "8", "path": "/Users", "data": {"a": 2}},
        ],
        "failOnErrors": None,
    }


@pytest.mark.parametrize("count", [0, 51])
def test_a_bulk_request_holds_1_to_50(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 50"):
        scim.bulk_request([(str(n), {}) for n in range(count)])


@pytest.mark.parametrize(
    "text", ["O'Brien", 'say "\\"', "שלום\u200f", "👩‍🚀", "x" * 4000, "a\tb\nc", "Robert'); DROP--"]
)
def test_any_text_arrives_as_it_is(text: str, graph: GraphEmulator) -> None:
    body = scim.bulk_request([("7", resource(["title"], [text]))])
    headers = {"Content-Type": "application/scim+json"}
    assert httpx.post(graph.upload_url, content=body, headers=headers, trust_env=False).status_code == 202
    assert graph.directory().users["7"]["title"] == text


class HrUser(Extension):
    """The extension of the shipped mapping, as the oracle wants it described."""

    __schema__ = HR
    HireDate: datetime | None = None
    LeaveDate: datetime | None = None


def test_the_shipped_mapping_makes_users_that_scim2_models_accepts(sqlite_string: str, clock: MovedClock) -> None:
    settings = Settings.from_environ({"SQL_CONNECTION_STRING": sqlite_string})
    jobs.migrate(settings, sample=True)
    with database.connect(sqlite_string, clock) as db:
        made = scim.compile_mapping(ledger.view_columns(db), settings.extensions, explicit_nulls=True)
        people = list(ledger.Ledger(db, "t", "r").people(made))
    users = [made.user(p.row, made.raw_active(p.row), UTC_ZONE) for p in people]
    body = json.loads(scim.bulk_request([(u.employee_id, made.resource(u)) for u in users]))
    assert len(BulkRequest[User[EnterpriseUser | HrUser]].model_validate(body).operations or []) == len(people) > 10
    for operation in body["Operations"]:
        manager = operation["data"][scim.ENTERPRISE]["manager"]
        if manager["value"] is not None:
            manager["$ref"] = "../Users/" + manager["value"]  # Graph's own samples leave it out, RFC 7643 wants it
        user = User[EnterpriseUser | HrUser].model_validate(operation["data"])
        assert user.external_id == operation["bulkId"]
        assert user[EnterpriseUser].employee_number == operation["bulkId"]
    darkwing = next(o["data"] for o in body["Operations"] if o["bulkId"] == "DW")
    assert darkwing["title"] == "The Masked Mallard"
    assert darkwing[HR] == {"HireDate": "2020-09-08T05:00:00Z", "LeaveDate": None}
    assert User[EnterpriseUser | HrUser].model_validate(darkwing)[HrUser].HireDate == datetime(
        2020, 9, 8, 5, tzinfo=UTC
    )
