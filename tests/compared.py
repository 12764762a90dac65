"""A company whose people were sent, and the directory that came of it: for comparing both, quickly and with many.

What a run would have sent stands in the ledger and in the emulated directory; only the runs were left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from provisioning import database, ledger, plan
from provisioning.database import Database
from provisioning.pacing import Clock
from provisioning.people import Job
from provisioning.runs import Report, Work, compiled
from provisioning.settings import Settings
from tests.emulators.entra import Directory

SENT_BEFORE = timedelta(hours=30)

_TITLES = ("Clerk", "Fitter", "Engineer", "Controller", "Recruiter", None)
_UNITS = ("Board", "Finance", "IT", "Sales", "Café & Catering")
_NAMES = (
    ("Søren", "O'Brien"),
    ("Zoë", "Núñez"),
    ("Ольга", "Щербакова"),
    ("Γιώργος", "Παπαδόπουλος"),
    ("Anna", "van 't Hoff"),
)


def invented(count: int, today: date) -> list[dict[str, Any]]:
    """So many people as the mirror has them: active, each but the first with a manager before her."""
    return [_person(n, today) for n in range(1, count + 1)]


def _person(n: int, today: date) -> dict[str, Any]:
    first, last = _NAMES[n % len(_NAMES)]
    return {
        "EmployeeId": f"E{n:05d}",
        "Name_FullName": f"{first} {last} {n}",
        "Name_FirstName": first,
        "Name_LastName": last,
        "NickName": "Ace" if n % 7 == 0 else None,
        "Title": _TITLES[n % len(_TITLES)],
        "JobType_Description": "Permanent",
        "LanguageId": "nl-NL",
        "Email": f"person.{n}@contoso.example",
        "Office": f"AMS-{n % 40}",
        "Location_Name": "Amsterdam",
        "OrganizationId": f"O{n % len(_UNITS)}",
        "OrganizationName": _UNITS[n % len(_UNITS)],
        "ManagerId": f"E{n // 8:05d}" if n >= 8 else None,
        "Active": 1,
        "ValidFrom": "2020-01-01",
        "ValidTo": None,
        "HiredDate": (today - timedelta(days=n % 3000)).isoformat(),
    }


def employ(db: Database, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put people into the mirror."""
    names = ", ".join(rows[0])
    marks = ", ".join("?" * len(rows[0]))
    with db.transaction():
        for row in rows:
            db.execute(f"INSERT INTO dbo.Employees ({names}) VALUES ({marks})", tuple(row.values()))


def work(settings: Settings, db: Database, clock: Clock) -> Work:
    """What a run has at hand."""
    assert settings.bulk_upload
    return Work(db, settings, settings.bulk_upload, compiled(db, settings), Report("test", {}), clock, 0.0)


def send(settings: Settings, db: Database, clock: Clock, directory: Directory) -> int:
    """Let everybody due have been sent, more than a day ago, and taken in; gives back how many they were."""
    at_hand = work(settings, db, clock)
    made = plan.make(at_hand.book.people(at_hand.mapping), at_hand.rules(Job.CREATE))
    resources = [at_hand.mapping.resource(d.user) for d in made.due]
    directory.settle(resources)
    at, answered = (database.stamp(db.utc_now() - before) for before in (SENT_BEFORE, SENT_BEFORE - timedelta(hours=1)))
    with db.transaction():
        for due, resource in zip(made.due, resources, strict=True):
            user = due.user
            values = (at_hand.target, user.employee_id, user.external_id, user.hash, json.dumps(resource))
            db.execute(
                "INSERT INTO provisioning.ledger (target, employee_id, external_id, user_hash, scim_user, active, "
                "manager_known, sent_at, posted_at, answered_at, outcome, run_id) "
                "VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, ?, 'success', 'earlier')",
                (*values, int(user.active), at, at, answered),
            )
    ledger.start_run(db, "earlier", "create", at_hand.target)
    ledger.end_run(db, "earlier", 0, {})
    return len(resources)
