"""Rows → SCIM users: paths, types, nulls, dates, hashes, and payloads that a library we did not write accepts."""

import json
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from provisioning import database, jobs, ledger, scim
from provisioning.errors import MappingError
from provisioning.scim import ScimMapping, Unsendable
from provisioning.settings import Extension as Schema
from provisioning.settings import Settings
from tests.clock import MovedClock
from tests.emulators import entra
from tests.emulators.graph import GraphEmulator
from tests.scim_models import BulkRequest, EnterpriseUser, Extension, User

UTC_ZONE = ZoneInfo("UTC")
HR = "urn:ietf:params:scim:schemas:extension:hr:2.0:User"
EXTENSIONS = {"hr": Schema(HR, {"Badge": "integer", "Remote": "boolean", "Seen": "dateTime"})}
BASE = ("EmployeeId", "externalId", "userName", "active")
JSON_TYPE = {"Content-Type": "application/scim+json"}

# RFC 7643 §4.1-4.3, written down apart from scim.py
TEXTS = ("displayName", "nickName", "profileUrl", "title", "userType", "preferredLanguage", "locale")
NAMES = ("formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix")
LISTS = {
    "emails": ("work", "home", "other"),
    "phoneNumbers": ("work", "home", "mobile", "fax", "pager", "other"),
    "ims": ("aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"),
    "photos": ("photo", "thumbnail"),
    "entitlements": ("anything",),
    "roles": ("anything",),
}
ADDRESS = ("formatted", "streetAddress", "locality", "region", "postalCode", "country")
GROUPING = ("employeeNumber", "costCenter", "organization", "division", "department", "manager.value")
CORE_PATHS = (
    *TEXTS,
    *(f"name.{part}" for part in NAMES),
    *(f'{n}[type eq "{t}"].{part}' for n, types in LISTS.items() for t in types for part in ("value", "display")),
    *(f'addresses[type eq "{t}"].{part}' for t in ("work", "home", "other") for part in ADDRESS),
)
ENTERPRISE_PATHS = tuple(f"{scim.ENTERPRISE}:{name}" for name in GROUPING)


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


def send(body: bytes, to: GraphEmulator) -> int:
    return httpx.post(to.upload_url, content=body, headers=JSON_TYPE, trust_env=False).status_code


@pytest.mark.parametrize("spelled", ["short", "as a URN"])
def test_every_path_of_the_schemas_is_understood_and_taken_by_graph(spelled: str, graph: GraphEmulator) -> None:
    paths = [*CORE_PATHS, *ENTERPRISE_PATHS]
    columns = {
        "short": [p.replace(f"{scim.ENTERPRISE}:", "enterprise:") for p in paths],
        "as a URN": [p if p.startswith("urn:") else f"{scim.CORE}:{p}" for p in paths],
    }
    values = {path: f"value {n}" for n, path in enumerate(paths)}
    sent = resource(columns[spelled], list(values.values()))
    assert dict(entra.flatten(sent)) == {"externalId": "7", "userName": "seven", "active": True, **values}
    assert send(scim.bulk_request([("7", sent)]), graph) == 202, graph.refusals


def test_the_timezone_of_the_core_schema_can_be_sent_beside_no_control_column_of_that_name() -> None:
    assert resource(["timezone"], ["Europe/Paris"])["timezone"] == "Europe/Paris"


@pytest.mark.parametrize("collection", [*LISTS, "addresses"])
def test_primary_is_a_boolean(collection: str) -> None:
    kind = LISTS.get(collection, ("work",))[0]
    for raw in (1, True, "1", "true", "TRUE"):
        sent = resource([f'{collection}[type eq "{kind}"].primary'], [raw])
        assert sent[collection] == [{"type": kind, "primary": True}]


def test_columns_of_one_element_share_it() -> None:
    paths = ['emails[type eq "work"].value', 'emails[type eq "home"].value', 'emails[type eq "work"].primary']
    assert resource(paths, ["a@b.example", None, 1])["emails"] == [
        {"type": "work", "value": "a@b.example", "primary": True},
        {"type": "home", "value": None},
    ]


@pytest.mark.parametrize("path", [*CORE_PATHS, *ENTERPRISE_PATHS, *BASE, *scim.CONTROL_COLUMNS[1:]])
def test_no_path_is_taken_in_another_case(path: str) -> None:
    for other in (path.swapcase(), path.upper()):
        assert f"dbo.ScimUsers {other}: " in problems(*BASE, other)


@pytest.mark.parametrize(
    "path",
    [
        scim.CORE,
        scim.ENTERPRISE,
        HR,
        f"{scim.CORE}:",
        f"{HR}:",
        "urn:x:y",
        "urn::",
        "urn:",
        "hr:",
        ":title",
        "enterprise:",
    ],
)
def test_a_schema_without_an_attribute_is_no_path(path: str) -> None:
    assert f"dbo.ScimUsers {path}: " in problems(*BASE, path)


def test_a_declared_attribute_in_another_case_is_refused_since_its_type_would_be_lost() -> None:
    assert "dbo.ScimUsers hr:badge: " in problems(*BASE, "hr:badge")


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
        ("manager.value", "has no attribute manager"),
        ("department", "has no attribute department"),
        ("enterprise:title", "has no attribute title"),
        ("meta.created", "has no attribute meta"),
        ("schemas", "has no attribute schemas"),
        ("x509Certificates", "has no attribute x509Certificates"),
        ("enterprise:manager.displayName", "the parts of manager are value"),
        ('emails[type eq "work"].type', "the parts of emails are value"),
        ('emails[type eq "mobile"].value', "the types of emails are work"),
        ('emails[type eq ""].value', "is not a SCIM path"),
        ('emails[type eq "work"]value', "is not a SCIM path"),
        ('emails[type ne "work"].value', "is not a SCIM path"),
        ('emails[Type eq "work"].value', "is not a SCIM path"),
        ("emails[0].value", "is not a SCIM path"),
        ("name.givenName.x", "is not a SCIM path"),
        ("name..givenName", "is not a SCIM path"),
        (" title", "is not a SCIM path"),
        ("title ", "is not a SCIM path"),
        ("title\n", "is not a SCIM path"),
        ("titel", "has no attribute titel"),
        ("hr:HireDate@", "must be a time of day"),
        ("hr:HireDate@05:60", "must be a time of day"),
        ("hr:HireDate@05:00:00", "must be a time of day"),
        ("hr:HireDate@05:00Z", "must be a time of day"),
        ("hr:HireDate@05:00 ", "must be a time of day"),
        ("hr:HireDate @05:00", "is not a SCIM path"),
        ("hr:HireDate@٠٥:00", "must be a time of day"),
        ("hr:HireDate@05:00@06:00", "must be a time of day"),
        ("active@05:00", "belongs to dates"),
        ("hr:Badge@05:00", "belongs to dates"),
        ("enterprise:department:1", "the view has twice"),
        ('emails[type eq "work"].value:1', "twice"),
        ("EmployeeId:1", "the view has EmployeeId twice"),
        ("VALIDFROM", "a control column is spelled ValidFrom"),
        ("modifieddatetime", "a control column is spelled ModifiedDateTime"),
        ("PROTECTED", "a control column is spelled Protected"),
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


DOUBLES = [
    ("enterprise:department", f"{scim.ENTERPRISE}:department"),
    ("title", f"{scim.CORE}:title"),
    ("hr:CostCode", f"{HR}:CostCode"),
    ("hr:CostCode", "hr:costcode"),
    ("hr:HireDate", "hr:HireDate@05:00"),
    ("hr:HireDate@05:00", "hr:HireDate@22:00"),
    ("urn:a:b:c:Shoe", "urn:a:b:c:shoe"),
    ('roles[type eq "A"].value', 'roles[type eq "a"].value'),
]


@pytest.mark.parametrize(("first", "second"), DOUBLES)
def test_two_columns_for_one_place_are_refused(first: str, second: str) -> None:
    assert problems(*BASE, first, second) == f"dbo.ScimUsers {second}: goes to the same place as {first}."


def test_two_elements_of_one_type_are_refused_however_the_type_is_spelled() -> None:
    assert 'roles[type eq "admin"].display' in problems(
        *BASE, 'roles[type eq "Admin"].value', 'roles[type eq "admin"].display'
    )


@pytest.mark.parametrize(
    ("parent", "child"),
    [
        ("name", "name.givenName"),
        ("emails", 'emails[type eq "work"].value'),
        ('emails[type eq "work"]', 'emails[type eq "work"].value'),
        ("enterprise:manager", "enterprise:manager.value"),
        ("hr:Car", "hr:Car.color"),
    ],
)
def test_a_parent_beside_its_child_is_refused(parent: str, child: str) -> None:
    assert "dbo.ScimUsers hr:Car.color: " in problems(*BASE, "hr:Car.color", parent, child)
    assert f"dbo.ScimUsers {child if parent == 'hr:Car' else parent}: " in problems(*BASE, parent, child)


def test_however_many_are_wrong_each_is_named_once() -> None:
    wrong = ["Title", "name", "emails", "inscope", "payroll:Grade", "hr:X@25:00", "urn:x", f"{scim.CORE}:externalId"]
    lines = problems(*BASE, "title", *wrong).splitlines()
    assert sorted(line.removeprefix("dbo.ScimUsers ").rpartition(": ")[0].split(": ")[0] for line in lines) == sorted(
        wrong
    )


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


def test_without_scim_extensions_there_is_no_hr_prefix() -> None:
    with pytest.raises(MappingError, match="hr: is not a known prefix; known are enterprise; others"):
        scim.compile_mapping([*BASE, "hr:HireDate"], {}, explicit_nulls=True)


def test_a_full_urn_takes_the_types_its_prefix_declares() -> None:
    assert resource([f"{HR}:Badge"], ["42"])[HR] == {"Badge": 42}


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
        ("2026-10-25", "03:00", "Europe/Copenhagen", "2026-10-25T02:00:00Z"),  # the first after it
        ("2026-10-04", "02:15", "Australia/Lord_Howe", "2026-10-03T15:45:00Z"),  # half an hour is skipped here
        ("2026-12-01", "00:00", "Asia/Kathmandu", "2026-11-30T18:15:00Z"),
        ("2026-12-01", "23:59", "Pacific/Kiritimati", "2026-12-01T09:59:00Z"),
        ("2011-12-30", "12:00", "Pacific/Apia", "2011-12-30T22:00:00Z"),  # a day that Samoa skipped
        ("2024-02-29", "05:00", "UTC", "2024-02-29T05:00:00Z"),
        ("9999-12-31", "22:00", "UTC", "9999-12-31T22:00:00Z"),
        ("9999-12-31", "05:00", "Asia/Tokyo", "9999-12-30T20:00:00Z"),
        ("0001-01-01", "05:00", "UTC", "0001-01-01T05:00:00Z"),
        (date(1, 1, 1), "22:00", "America/Los_Angeles", "0001-01-02T05:52:58Z"),  # local mean time
        (date(9999, 12, 31), "22:00", "America/Los_Angeles", "9999-12-31T22:00:00Z"),
        ("2026-12-01 23:30:00.0000000", "05:00", "UTC", "2026-12-01T05:00:00Z"),
        ("9999-12-31", "22:00", "America/Los_Angeles", "9999-12-31T22:00:00Z"),
        ("0001-01-01", "05:00", "Asia/Tokyo", "0001-01-01T05:00:00Z"),
        (date(2026, 12, 1), "05:00", "UTC", "2026-12-01T05:00:00Z"),
        (datetime(2026, 12, 1, 9, 30), "05:00", "UTC", "2026-12-01T05:00:00Z"),  # noqa: DTZ001 - as drivers give them
    ],
)
def test_a_date_leaves_as_the_instant_of_its_local_time(day: Any, at: str, zone: str, instant: str) -> None:
    assert resource([f"hr:HireDate@{at}"], [day], zone=zone)[HR] == {"HireDate": instant}


@pytest.mark.parametrize("raw", ["2026-02-30", "30.12.2026", "0000-01-01", "10000-01-01", "soon", 0, b"2026-12-01"])
def test_a_date_that_does_not_exist_parks_her(raw: Any) -> None:
    with pytest.raises(Unsendable, match="hr:HireDate@05:00 is not a date"):
        resource(["hr:HireDate@05:00"], [raw])


@pytest.mark.parametrize(
    ("sqlite", "sqlserver"),
    [
        (1, True),
        ("2026-12-01", date(2026, 12, 1)),
        ("2026-12-01 08:09:10.1234560", datetime(2026, 12, 1, 8, 9, 10, 123456)),  # noqa: DTZ001
        (12.5, Decimal("12.50")),  # decimal(9, 2): SQLite keeps it as a float
        (40.0, Decimal("40.00")),
        (7, Decimal("7")),
        (0, False),
        ("0001-01-01 00:00:00.0000000", datetime(1, 1, 1)),  # noqa: DTZ001 - what .NET calls no date
        ("0987-06-05", date(987, 6, 5)),
        (7, 7),
        ("", None),
    ],
)
def test_values_are_typed_by_the_schema_not_by_the_engine(sqlite: Any, sqlserver: Any) -> None:
    assert resource(["title"], [sqlite]) == resource(["title"], [sqlserver])
    made = mapping("title")
    rows = [("7", "7", "seven", 1, sqlite), ("7", "7", "seven", True, sqlserver)]
    assert len({made.user(row, made.raw_active(row), UTC_ZONE).hash for row in rows}) == 1


@pytest.mark.parametrize("text", ["007", "12.50", "0.0", "1e5", " x "])
def test_a_text_stays_as_it_is_whatever_it_looks_like(text: str) -> None:
    assert resource(["title"], [text])["title"] == text


@pytest.mark.parametrize("raw", [Decimal("1E+3"), Decimal("1000.00"), 1000.0])
def test_a_number_is_told_in_digits(raw: Any) -> None:
    assert resource(["title"], [raw])["title"] == "1000"


@pytest.mark.parametrize(
    ("path", "raw", "sent"),
    [
        ("hr:Badge", "0042", 42),
        ("hr:Badge", Decimal("42"), 42),
        ("hr:Remote", "TRUE", True),
        ("hr:Remote", 0, False),
        ("hr:Seen", "2026-12-01T08:00:00.1234567+01:00", "2026-12-01T07:00:00Z"),
        ("hr:Seen", "2026-12-01", "2026-12-01T00:00:00Z"),
        ("hr:Seen", date(2026, 12, 1), "2026-12-01T00:00:00Z"),
        ("hr:Seen", datetime(2026, 12, 1, 8, 0, 0, 123456), "2026-12-01T08:00:00Z"),  # noqa: DTZ001 - as drivers do
        ("hr:Seen", "9999-12-31T23:59:59-05:00", "9999-12-31T23:59:59Z"),
        ("hr:Seen", datetime(1, 1, 1), "0001-01-01T00:00:00Z"),  # noqa: DTZ001 - as drivers do
        ("hr:Badge", 42.0, 42),
        ("hr:Badge", "-7", -7),
        ("hr:Remote", True, True),
        ("hr:Remote", "0", False),
        ("hr:Other", 42, "42"),
    ],
)
def test_an_extension_declares_its_types(path: str, raw: Any, sent: Any) -> None:
    assert resource([path], [raw])[HR] == {path.removeprefix("hr:"): sent}


@pytest.mark.parametrize(
    ("path", "raw"),
    [
        ("hr:Badge", "4711-secret"),
        ("hr:Badge", "12.5"),
        ("hr:Badge", "9" * 30),
        ("hr:Remote", "secretly"),
        ("hr:Remote", 2),
        ("hr:Seen", "secret"),
        ("hr:Seen", "2026-13-01T00:00:00"),
        ("hr:HireDate@05:00", "secret"),
        ("title", b"secret"),
    ],
)
def test_a_value_that_does_not_fit_parks_the_person_without_telling_it(path: str, raw: Any) -> None:
    with pytest.raises(Unsendable) as wrong:
        resource([path], [raw])
    assert wrong.value.reasons[0].startswith((f"{path} is not ", f"{path} is neither ", f"{path} is binary"))
    assert "secret" not in str(wrong.value)
    assert "4711" not in str(wrong.value)


def test_all_that_is_wrong_with_a_person_is_told_at_once() -> None:
    with pytest.raises(Unsendable) as wrong:
        resource(["hr:Badge", "hr:Remote", "hr:HireDate@05:00"], ["x", "x", "x"])
    assert [reason.split()[0] for reason in wrong.value.reasons] == ["hr:Badge", "hr:Remote", "hr:HireDate@05:00"]


def test_half_a_letter_parks_her_and_not_the_other_49() -> None:
    with pytest.raises(Unsendable):  # LEFT(title, 64) in the view may cut an emoji in two
        resource(["title"], ["\ud83d"])


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


@pytest.mark.parametrize(
    ("explicit", "active", "told"),
    [
        (True, True, "7f9d4f85320cb0f6aa0f93748ce00d953a03f59a50cca594eda7d9a359bb75ae"),
        (True, False, "6184778971e8431a69f95d7b0650e151210b5060775022398d1e392fb36002b7"),
        (False, True, "2282648f43d9dec3632e1ddd440172edbc6544b0a2fc643bb9a39cb70e28417a"),
        (False, False, "b044dff8a0e4fb6f4ccf189e1cc24213e8dd79483e6ec7785f11356af0588d9c"),
    ],
)
def test_a_hash_stays_what_it_was_since_another_is_another_send_of_everybody(
    explicit: bool, active: bool, told: str
) -> None:
    """As versions before this one had them in their ledgers."""
    cells = {
        "EmployeeId": "7",
        "externalId": "7",
        "userName": "seven",
        "active": 1,
        "displayName": "",
        "nickName": None,
    }
    cells |= {"title": 'x "\\\u2028', "name.givenName": "Ø", "name.familyName": "\U0001f680 \u200f"}
    cells |= {'addresses[type eq "work"].locality': "Århus", 'roles[type eq "a"].primary': "true"}
    cells |= {'emails[type eq "work"].value': "a@b.example"}
    made = scim.compile_mapping(list(cells), {}, explicit_nulls=explicit)
    assert made.user(list(cells.values()), active, UTC_ZONE).hash == told


def canonical(sent: dict[str, Any]) -> str:
    """A payload as text; the order of attributes and elements says nothing."""
    known = sorted(sent["schemas"])
    return json.dumps([known, sorted(entra.flatten(sent), key=lambda pair: pair[0])])


RAW = (None, "", 0, 1, True, False, "1", "true", "x", "X", "é", "e\u0301", "2026-12-01", date(2026, 12, 1), Decimal(1))
HASHED = ("title", "nickName", 'roles[type eq "a"].primary', "hr:Remote", "hr:Badge", "hr:HireDate@05:00", "hr:Free")


def drawn(rng: random.Random, *, explicit: bool) -> Iterator[tuple[str, str]]:
    """Payload and hash of users drawn at random, from columns in random order; who cannot be sent is left out."""
    for _ in range(3000):
        columns = rng.sample([*BASE, *HASHED], len(BASE) + len(HASHED))
        cells = dict.fromkeys(columns) | {name: rng.choice(RAW) for name in rng.sample(HASHED, 2)}
        cells |= {"EmployeeId": "7", "externalId": "7", "userName": rng.choice(["seven", "eight"]), "active": 1}
        made = scim.compile_mapping(columns, EXTENSIONS, explicit_nulls=explicit)
        try:
            user = made.user([cells[c] for c in columns], rng.random() < 0.5, UTC_ZONE)
        except Unsendable:
            continue
        yield canonical(made.resource(user)), user.hash


@pytest.mark.parametrize("explicit", [True, False])
def test_the_hash_changes_when_and_only_when_the_payload_does(explicit: bool) -> None:
    pairs = list(drawn(random.Random(3), explicit=explicit))
    assert len(pairs) > 1000
    assert len(set(pairs)) == len({payload for payload, _ in pairs}) == len({hashed for _, hashed in pairs}) > 50


def test_a_column_that_is_new_and_null_changes_the_hash_only_where_nulls_are_sent() -> None:
    for explicit, changes in ((True, True), (False, False)):
        few, more = mapping(explicit=explicit), mapping("title", explicit=explicit)
        row = ("7", "7", "seven", 1)
        assert (few.user(row, True, UTC_ZONE).hash != more.user((*row, None), True, UTC_ZONE).hash) is changes


def test_control_columns_are_not_in_the_hash() -> None:
    made = scim.compile_mapping([*BASE, "ModifiedDateTime", "ValidTo"], {}, explicit_nulls=True)
    rows = [("7", "7", "seven", 1, None, None), ("7", "7", "seven", 1, "2026-12-01", "2027-12-01")]
    assert len({made.user(row, True, UTC_ZONE).hash for row in rows}) == 1


def test_a_prefix_and_its_urn_make_the_same_hash() -> None:
    rows = ("7", "7", "seven", 1, "x")
    short, full = mapping("enterprise:department"), mapping(f"{scim.ENTERPRISE}:department")
    assert short.user(rows, True, UTC_ZONE).hash == full.user(rows, True, UTC_ZONE).hash


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


def test_fifty_people_go_in_one_request_each_under_an_id_of_her_own(graph: GraphEmulator) -> None:
    made = mapping("title")
    users = [made.user((f"E{n}", f"E{n}", f"u{n}", 1, "x"), True, UTC_ZONE) for n in range(50)]
    assert send(scim.bulk_request([(u.employee_id, made.resource(u)) for u in users]), graph) == 202
    assert graph.calls[0].body
    assert [o["bulkId"] for o in graph.calls[0].body["Operations"]] == [f"E{n}" for n in range(50)]


@pytest.mark.parametrize("count", [0, 51])
def test_a_bulk_request_holds_1_to_50(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 50"):
        scim.bulk_request([(str(n), {}) for n in range(count)])


TEXTS_TO_KEEP = (
    "O'Brien",
    'say "\\"',
    "C:\\temp\\new\\u0041",
    "שלום\u200f \u202eabc\u202c",
    "👩‍🚀🏴‍☠️",
    "Zoe\u0301 ≠ Zoé",
    "x" * 4000,
    "😀" * 2000,
    "a\tb\r\nc\u2028d",
    "Robert'); DROP TABLE Employees;--",
    "\u0001\u007f\ufeff\ufffe",
    "</script>&amp;",
)


@pytest.mark.parametrize("text", TEXTS_TO_KEEP)
def test_any_text_arrives_as_it_is(text: str, graph: GraphEmulator) -> None:
    assert send(scim.bulk_request([("7", resource(["title"], [text]))]), graph) == 202
    assert graph.directory().users["7"]["title"] == text


def test_any_text_comes_out_of_the_database_as_it_went_in(sqlite_string: str, graph: GraphEmulator) -> None:
    with database.connect(sqlite_string) as db:
        for n, text in enumerate(TEXTS_TO_KEEP):
            db.execute(
                "INSERT INTO dbo.Employees (EmployeeId, Name_FullName, Title, Active) VALUES (?, 'T', ?, 1)",
                (f"T{n}", text),
            )
        made, people = shipped(sqlite_string)
    users = [made.user(row, True, UTC_ZONE) for row in people]
    assert send(scim.bulk_request([(u.employee_id, made.resource(u)) for u in users]), graph) == 202
    arrived = graph.directory().users
    assert [arrived[f"T{n}"]["title"].encode() for n in range(len(TEXTS_TO_KEEP))] == [
        t.encode() for t in TEXTS_TO_KEEP
    ]


def shipped(connection_string: str) -> tuple[ScimMapping, list[tuple[Any, ...]]]:
    """The shipped mapping of a migrated database, and its rows."""
    settings = Settings.from_environ({"SQL_CONNECTION_STRING": connection_string})
    with database.connect(connection_string) as db:
        made = scim.compile_mapping(ledger.view_columns(db), settings.extensions, explicit_nulls=True)
        return made, [p.row for p in ledger.Ledger(db, "t", "r").people(made)]


def test_the_shipped_view_makes_the_same_users_as_sql_servers_types_do(sqlite_string: str) -> None:
    jobs.migrate(Settings.from_environ({"SQL_CONNECTION_STRING": sqlite_string}), sample=True)
    made, rows = shipped(sqlite_string)
    dates = {n for n, c in enumerate(made.columns) if c in ("ValidFrom", "ValidTo") or "@" in c}
    bits = {made.columns.index("active")}
    for row in rows:
        typed = [date.fromisoformat(v) if n in dates and v else bool(v) if n in bits else v for n, v in enumerate(row)]
        assert typed != list(row)
        assert made.user(typed, True, UTC_ZONE) == made.user(row, True, UTC_ZONE)


@pytest.mark.parametrize("explicit", [True, False])
def test_graph_takes_everybody_of_the_shipped_mapping(explicit: bool, sqlite_string: str, graph: GraphEmulator) -> None:
    jobs.migrate(Settings.from_environ({"SQL_CONNECTION_STRING": sqlite_string}), sample=True)
    made, rows = shipped(sqlite_string)
    made = scim.compile_mapping(made.columns, {"hr": Schema(HR)}, explicit_nulls=explicit)
    users = [made.user(row, made.raw_active(row), UTC_ZONE) for row in rows]
    assert send(scim.bulk_request([(u.employee_id, made.resource(u)) for u in users]), graph) == 202, graph.refusals
    assert graph.directory().users.keys() == {u.external_id for u in users}
    assert graph.directory().users["OBQ"]["name.familyName"] == "O'Quill"


@pytest.mark.parametrize("wrong", [{"title": 5}, {"nope": "x"}, {"name": {"firstName": "x"}}, {"emails": "x"}])
def test_the_oracle_refuses_what_is_wrong(wrong: dict[str, Any]) -> None:
    right = {"schemas": [scim.CORE], "userName": "x"}
    assert User[EnterpriseUser].model_validate(right)
    with pytest.raises(ValueError, match="validation error"):
        User[EnterpriseUser].model_validate({**right, **wrong})


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
