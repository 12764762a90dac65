"""What others do, as plainly as they do it: what the figures are measured against."""

from __future__ import annotations

import itertools
import json
import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.bench.company import PAGE, Company, Person, person
from tests.scim_models import EnterpriseUser, Extension, User

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
HR = "urn:ietf:params:scim:schemas:extension:hr:2.0:User"
BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"

# --- uploading ----------------------------------------------------------------------------------------------------


def one_call_each(url: str, people: Sequence[Person]) -> float:
    """People a second, as published runbooks go: a call for each of them, the next when the last is answered."""
    with httpx.Client() as http:
        began = time.monotonic()
        for one in people:
            _post(http, url, [one])
        return len(people) / (time.monotonic() - began)


def sequential(url: str, people: Sequence[Person]) -> tuple[float, int]:
    """Calls a second and people lost, as Microsoft's sample goes: 50 a call, one call at a time, no retry."""
    lost = 0
    chunks = [people[at : at + 50] for at in range(0, len(people), 50)]
    with httpx.Client() as http:
        began = time.monotonic()
        for chunk in chunks:
            lost += 0 if _post(http, url, chunk) == 202 else len(chunk)
        return len(chunks) / (time.monotonic() - began), lost


def _post(http: httpx.Client, url: str, people: Sequence[Person]) -> int:
    operations = [
        {"method": "POST", "bulkId": one["EmployeeId"], "path": "/Users", "data": literal(one)} for one in people
    ]
    body = json.dumps({"schemas": [BULK], "Operations": operations, "failOnErrors": None})
    return http.post(url, content=body, headers={"Content-Type": "application/scim+json"}).status_code


# --- building -----------------------------------------------------------------------------------------------------


def literal(one: Person) -> dict[str, Any]:
    """A SCIM user written out by hand, of the same attributes as the shipped mapping, unchecked."""
    return {
        "schemas": [CORE, ENTERPRISE, HR],
        "externalId": one["EmployeeId"],
        "userName": one["EmployeeId"],
        "active": one["Active"],
        "displayName": one["Name"]["FullName"],
        "name": {
            "givenName": one["Name"]["FirstName"],
            "middleName": one["Name"]["MiddleName"],
            "familyName": one["Name"]["LastName"],
        },
        "nickName": one["NickName"],
        "title": one["Title"],
        "userType": one["JobType"]["Description"],
        "preferredLanguage": one["LanguageId"],
        "emails": [{"type": "work", "value": one["Email"]}],
        "addresses": [{"type": "work", "formatted": one["Office"], "locality": one["Location"]["Name"]}],
        ENTERPRISE: {
            "employeeNumber": one["EmployeeId"],
            "department": one["OrganizationName"],
            "manager": {"value": one["ManagerId"]},
        },
        HR: {"HireDate": f"{one['HiredDate']}T05:00:00Z", "LeaveDate": None},
    }


class Hr(Extension):
    """The extension of the shipped mapping."""

    __schema__ = HR
    HireDate: str | None = None
    LeaveDate: str | None = None


def by_scim2_models(one: Person) -> str:
    """The same by the library for SCIM objects, checked by it."""
    data = {name: value for name, value in literal(one).items() if name != "schemas"}
    return User[EnterpriseUser | Hr].model_validate({"schemas": [CORE, ENTERPRISE, HR], **data}).model_dump_json()


# --- writing ------------------------------------------------------------------------------------------------------


def flat(one: Person) -> tuple[Any, ...]:
    """The 37 cells of a row in dbo.Employees' order: as a script picks them, unchecked."""
    cells = [v for value in one.values() for v in (value.values() if isinstance(value, dict) else (value,))]
    return tuple(int(v) if isinstance(v, bool) else v for v in cells)


def pages(company: Company) -> Iterator[list[Person]]:
    """HR's pages one after the other, read as they come."""
    with httpx.Client() as http:
        for offset in range(0, company.people, PAGE):
            answer = http.get(f"{company.url}/api/Employees", params={"offset": offset, "limit": PAGE})
            yield json.loads(answer.content)["data"]


def one_insert_each(connection: Any, table: str, company: Company, most: int) -> float:
    """Rows a second of one INSERT for each row of HR's first so many pages, each committed: a loop in a runbook."""
    statement, count = f"INSERT INTO {table} VALUES ({', '.join('?' * 37)})", 0
    cursor = connection.cursor()  # one for all of them: the driver prepares the statement once
    began = time.monotonic()
    for page in itertools.islice(pages(company), most):
        for one in page:
            cursor.execute(statement, flat(one))
        count += len(page)
    return count / (time.monotonic() - began)


def all_by_executemany(connection: Any, table: str, company: Company) -> float:
    """Seconds from the first page to the commit, by the driver's executemany; nothing is compared or checked."""
    statement = f"INSERT INTO {table} VALUES ({', '.join('?' * 37)})"
    began = time.monotonic()
    cursor = connection.cursor()
    cursor.execute("BEGIN")
    for page in pages(company):
        cursor.executemany(statement, [flat(one) for one in page])
    cursor.execute("COMMIT")
    return time.monotonic() - began


def embedded(folder: Path) -> sqlite3.Connection:
    """An empty dbo.Employees in a file of its own."""
    text = (Path(__file__).parents[2] / "sql/0001_mirror.sql").read_text(encoding="utf-8")
    table = re.search(r"CREATE TABLE dbo\.(Employees \(.*?\n\))", text, re.DOTALL)
    assert table
    connection = sqlite3.connect(folder / "rival.db", isolation_level=None)
    connection.execute(f"CREATE TABLE {table[1]}")
    return connection


def people(count: int) -> list[Person]:
    """The first of the company."""
    return [person(n) for n in range(count)]
