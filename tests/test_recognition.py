"""Fields in, a first mapping out: what is recognised, what never is, and what somebody must look at. Pure."""

import sqlite3
from typing import Any

import pytest

from provisioning import recognition, scaffold, scim
from provisioning.inference import Survey
from provisioning.recognition import Recognised
from provisioning.settings import Settings

EXTENSIONS = Settings.from_environ({}).extensions


def recognised(*records: dict[str, Any]) -> Recognised:
    survey = Survey()
    survey.take({"id": f"P{n}", **record} for n, record in enumerate(records, 1))
    return recognition.recognise(survey.shape("id", "People"))


def sources(*records: dict[str, Any]) -> dict[str, str]:
    """Column of the view → the fields it is made of."""
    return {line.column: " ".join(f.name for f in line.fields) for line in recognised(*records).lines}


BAMBOO = {"firstName": "A", "lastName": "B", "workEmail": "a@x.example", "jobTitle": "T", "hireDate": "2020-01-01"}
SNAKE = {"first_name": "A", "last_name": "B", "work_email": "a@x.example", "job_title": "T", "hire_date": "2020-01-01"}
NESTED = {
    "name": {"givenName": "A", "familyName": "B"},
    "contact": {"businessEmail": "a@x.example"},
    "employment": {"position": {"name": "T"}, "startDate": "2020-01-01"},
}
PASCAL = {"Forename": "A", "Surname": "B", "EmailAddress": "a@x.example", "Position": "T", "StartDate": "2020-01-01"}


@pytest.mark.parametrize("record", [BAMBOO, SNAKE, NESTED, PASCAL], ids=["camel", "snake", "nested", "pascal"])
def test_the_names_of_many_systems_are_recognised(record: dict[str, Any]) -> None:
    found = sources(record)
    assert {"name.givenName", "name.familyName", 'emails[type eq "work"].value', "title", "ValidFrom"} <= found.keys()
    assert found["hr:HireDate@05:00"] == found["ValidFrom"]
    assert len(found["displayName"].split()) == 2


@pytest.mark.parametrize(
    ("record", "column", "name"),
    [
        ({"department": "D", "departmentId": "7"}, "enterprise:department", "department"),
        ({"Department": {"Id": "7", "Name": "D"}}, "enterprise:department", "Department_Name"),
        ({"displayName": "A B", "firstName": "A", "lastName": "B"}, "displayName", "displayName"),
        ({"title": "Dr", "jobTitle": "Smith"}, "title", "jobTitle"),
        ({"title": "Smith"}, "title", "title"),
        ({"title": "Dr"}, "title", None),
        ({"end_date": "2020-01-01"}, "ValidTo", "end_date"),
        ({"terminationDate": "2020-01-01"}, "hr:LeaveDate@22:00", "terminationDate"),
        ({"lastChanged": "2020-01-01T10:00:00Z"}, "ModifiedDateTime", "lastChanged"),
        ({"lastChanged": "yesterday"}, "ModifiedDateTime", None),
        ({"hireDate": "01.02.2020"}, "ValidFrom", None),
        ({"isActive": True}, "active", "isActive"),
        ({"terminated": False}, "active", "terminated"),
        ({"employmentStatus": "Active"}, "active", "employmentStatus"),
        ({}, "active", ""),
        ({"email": "no address"}, 'emails[type eq "work"].value', None),
        ({"employeeNumber": "77"}, "enterprise:employeeNumber", "employeeNumber"),
        ({}, "enterprise:employeeNumber", "id"),
        ({"userPrincipalName": "a@x.example"}, "userName", "userPrincipalName"),
        ({}, "userName", "id"),
        ({"unit": {"name": "U"}, "position": {"name": "P"}}, "displayName", None),
        ({"employee": {"name": "A B"}}, "displayName", "employee_name"),
        ({"costCentre": {"code": "9"}}, "enterprise:costCenter", "costCentre_code"),
    ],
)
def test_the_best_of_several_fields_is_taken_and_only_where_its_values_agree(
    record: dict[str, Any], column: str, name: str | None
) -> None:
    assert sources(record).get(column) == name


def test_a_user_name_that_two_share_or_one_lacks_is_none() -> None:
    assert sources({"login": "a"}, {"login": "b"})["userName"] == "login"
    assert sources({"login": "a"}, {"login": "A"})["userName"] == "id"
    assert sources({"login": "a"}, {"login": None})["userName"] == "id"


@pytest.mark.parametrize(
    "record",
    [
        {"personalEmail": "a@x.example", "home": {"email": "a@x.example"}, "private_email": "a@x.example"},
        {"homePhone": "1", "mobilePhone": "1", "emergencyContact": {"phone": "1", "name": "X"}},
        {"address": {"city": "X", "country": "Y"}, "home": {"location": "X", "country": "Y"}},
        {"birthDate": "1990-01-01", "gender": "X", "nationality": "SE", "salary": 1, "ssn": "1"},
        {"manager": {"firstName": "X", "email": "m@x.example", "jobTitle": "T"}, "spouse": {"lastName": "Y"}},
    ],
    ids=["mail", "telephone", "address", "person", "others"],
)
def test_what_is_private_or_about_others_is_never_mapped(record: dict[str, Any]) -> None:
    found = recognised(record)
    assert {f.name for line in found.lines for f in line.fields} == {"id"}
    assert found.others


def test_a_manager_is_the_field_that_holds_keys_of_these_people() -> None:
    people = [{"manager": "Ana", "managerId": "P1", "supervisor": "x"}, {"manager": "Ana", "managerId": "p1"}]
    assert sources(*people)["enterprise:manager.value"] == "managerId"
    found = recognised({"managerId": "900"}, {"managerId": "901"})
    assert "enterprise:manager.value" not in {line.column for line in found.lines}
    assert any(remark.startswith("managerId does not hold ids") for remark in found.remarks)
    numbers = Survey()
    numbers.take({"id": n, "reportsTo": {"employeeId": 1}} for n in range(1, 5))
    lines = recognition.recognise(numbers.shape("id", "People")).lines
    assert "reportsTo_employeeId" in [f.name for line in lines for f in line.fields]


def test_a_status_of_unknown_words_parks_its_people_and_says_how_many() -> None:
    people = [{"status": "Active"}, {"status": "Terminated"}, {"status": "Gardening"}, {"status": None}]
    (remark,) = recognised(*people).remarks
    assert remark.startswith("status of 2 of 4 records")
    assert "Gardening" not in remark
    assert recognised({"status": "Active"}).remarks == ()


@pytest.mark.parametrize(
    ("word", "active"),
    [("Active", 1), ("ON LEAVE", 1), ("Terminated", 0), ("i", 0), ("Gardening", None), ("", None), (None, None)],
)
def test_nobody_is_active_or_inactive_by_a_word_that_nobody_knows(word: str | None, active: int | None) -> None:
    (line,) = (line for line in recognised({"status": "Active"}).lines if line.column == "active")
    with sqlite3.connect(":memory:") as db:
        assert db.execute(f"SELECT {line.expression.format('?1')}", (word,)).fetchone() == (active,)


@pytest.mark.parametrize("record", [{}, BAMBOO, SNAKE, NESTED, PASCAL, {"status": "x", "x y": 1}])
def test_whatever_was_recognised_makes_a_mapping_that_can_be_sent_from(record: dict[str, Any]) -> None:
    found = recognised(record, record)
    mapping = scim.compile_mapping([line.column for line in found.lines], EXTENSIONS, explicit_nulls=True)
    assert {"EmployeeId", "InScope"} <= mapping.control.keys()
    text = scaffold.mapping("People", found)
    assert max(map(len, text.splitlines())) <= 120
    assert all(f"-- e.[{f.name}]\n" in text for f in found.others)
