"""What should be, worked out from HR's records alone, without a line of the code under test."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from tests.canary import MARKER

Record = dict[str, Any]

LEAD_DAYS = 7
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MANAGER = f"{ENTERPRISE}:manager.value"


def person(number: int, today: date, manager: str | None) -> Record:
    """An invented person, in her first version, at work since long ago."""
    record = {
        "EmployeeId": f"E{number:03}",
        "Name": {},
        "Email": f"{MARKER}.{number}@contoso.example".lower(),
        "BirthDate": "1903-02-01",
        "Active": True,
        "ManagerId": manager,
        "OrganizationId": "O01",
        "OrganizationName": "Board",
        "ValidFrom": (today - timedelta(days=400)).isoformat(),
        "ValidTo": None,
        "HiredDate": (today - timedelta(days=400)).isoformat(),
        "TerminatedDate": None,
        "ModifiedDateTime": None,
    }
    return versioned(record, 1)


def versioned(record: Record, version: int) -> Record:
    """The same person with the number of the version in several attributes, so that a mixture is seen."""
    number = record["EmployeeId"]
    names = {"FirstName": f"{MARKER}{version}", "MiddleName": None, "LastName": f"Van {number}"}
    names["FullName"] = f"{MARKER}{version} Van {number}"
    return {**record, "Name": names, "NickName": f"{MARKER} v{version}", "Title": f"{MARKER} grade {version}"}


def attributes(record: Record) -> dict[str, Any]:
    """What must arrive of a record: attribute paths as the directory spells them, unset ones left out."""
    wanted = {
        "userName": record["EmployeeId"],
        "displayName": record["Name"]["FullName"],
        "name.givenName": record["Name"]["FirstName"],
        "name.familyName": record["Name"]["LastName"],
        "nickName": record["NickName"],
        "title": record["Title"],
        f"{ENTERPRISE}:department": record["OrganizationName"],
        MANAGER: record["ManagerId"],
    }
    return {path: value for path, value in wanted.items() if value}


def is_active(record: Record, today: date, *, gone: bool) -> bool:
    """Whether somebody who was sent before has an enabled account."""
    ended = record["ValidTo"] is not None and date.fromisoformat(record["ValidTo"]) < today
    return bool(record["Active"]) and not ended and not gone


def must_exist(record: Record, today: date) -> bool:
    """Whether somebody must have been sent by now, whoever she was before."""
    starts = date.fromisoformat(record["ValidFrom"]) if record["ValidFrom"] else today
    return is_active(record, today, gone=False) and starts <= today + timedelta(days=LEAD_DAYS)


def differences(record: Record, user: dict[str, Any], today: date, *, gone: bool, known: set[str]) -> list[str]:
    """Attribute paths in which an account is not as it should be. A manager who has no account is not resolved.

    Of somebody whom HR has forgotten (`gone`) nobody knows which of her versions was mirrored last.
    """
    wanted = attributes(record)
    resolvable = {MANAGER} if wanted.get(MANAGER) is None or wanted[MANAGER] in known else set()
    paths = set() if gone else {*attributes(record), MANAGER} - {MANAGER} | resolvable
    found = [path for path in sorted(paths) if user.get(path) != wanted.get(path) and path in {*wanted, *user}]
    if bool(user.get("accountEnabled")) != is_active(record, today, gone=gone):
        found.append("active")
    return found
