"""A bridge to measure with: a database in which a company is mirrored and sent, without a run that takes an hour."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from provisioning import database, ledger, mirror, plan, runs, tables
from provisioning.database import Database
from provisioning.plan import Job, Rules
from provisioning.settings import Settings
from provisioning.source import Resource
from tests.bench.company import person

EMPLOYEES = Resource("Employees", "EmployeeId", "api/Employees")
DAYS_AGO = 2
"""So long ago everybody was sent: before RESEND_DAYS, after everything that is looked into lately."""


def mirrored(db: Database, people: Iterable[int], title: Callable[[int], str | None] = lambda n: None) -> None:
    """Put these people into dbo.Employees, or change them there, as ingest does."""
    table = tables.describe(db, EMPLOYEES)
    fetch = mirror.Fetch(table, tables.keys(db, table))
    for numbers in database.chunks(list(people)):
        rows = fetch.take([person(n, title(n)) for n in numbers])
        with db.transaction():
            tables.write(db, table, fetch.changes(rows, tables.held(db, table, rows)))


def sent(db: Database, settings: Settings) -> None:
    """The ledger as it stands when everybody in the mirror was sent and confirmed."""
    assert settings.bulk_upload
    target, mapping = settings.bulk_upload.target, runs.compiled(db, settings)
    now = db.utc_now()
    rules = Rules(Job.CREATE, mapping, now, settings.time_zone, 7, True, now, now - timedelta(hours=1))
    moment = database.stamp(now - timedelta(days=DAYS_AGO))
    with db.transaction():
        for person in ledger.Ledger(db, target, "bench").people(mapping):
            due = plan.judge(person, rules)
            assert isinstance(due, plan.Due), person.employee_id
            values = (target, due.user.employee_id, due.user.external_id, due.user.hash)
            document = json.dumps(mapping.resource(due.user), ensure_ascii=False)
            db.execute(_SENT, (*values, document, person.modified, *[moment] * 3))


_SENT = """
INSERT INTO provisioning.ledger (
    target, employee_id, external_id, user_hash, scim_user, modified_date_time,
    sent_at, valid_to_since, posted_at, active, manager_known, run_id, protected
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 1, 'bench', 0)
"""


def today() -> datetime:
    """The clock of the emulators."""
    return datetime.now(UTC)
