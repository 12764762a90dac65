"""A bridge to measure with: a database in which a company is mirrored and sent, without a run that takes an hour."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from provisioning import database, ledger, migration, mirror, plan, runs, tables
from provisioning.database import Database
from provisioning.people import Due, Job
from provisioning.plan import Rules
from provisioning.settings import Settings
from provisioning.source import Resource
from tests.bench.company import person

EMPLOYEES = Resource("Employees", "EmployeeId", "api/Employees")
DAYS_AGO = 2
"""So long ago everybody was sent: after RESEND_DAYS, before anything that is looked into lately."""

Titles = Callable[[int], str | None]


def made(folder: Path) -> str:
    """The connection string of a fresh, migrated database."""
    folder.mkdir(parents=True)
    text = f"sqlite:///{folder}/bridge.db"
    with database.connect(text) as db:
        migration.migrate(db)
    return text


@contextmanager
def copied(folder: Path, onto: Path) -> Iterator[str]:
    """A copy of such a database, for as long as it is needed."""
    shutil.copytree(folder, onto)
    try:
        yield f"sqlite:///{onto}/bridge.db"
    finally:
        shutil.rmtree(onto)


def mirrored(text: str, people: Iterable[int], title: Titles = lambda n: None) -> None:
    """Put these people into dbo.Employees, or change them there, as ingest does."""
    with database.connect(text) as db:
        table = tables.describe(db, EMPLOYEES)
        fetch = mirror.Fetch(table, tables.keys(db, table))
        for numbers in database.chunks(list(people)):
            rows = fetch.take([person(n, title(n)) for n in numbers])
            with db.transaction():
                tables.write(db, table, fetch.changes(rows, tables.held(db, table, rows)))


def sent(environ: Mapping[str, str]) -> None:
    """The ledger as it stands when everybody in the mirror was sent and confirmed."""
    settings = Settings.from_environ(environ)
    assert settings.bulk_upload
    with database.connect(settings.sql_connection_string) as db:
        _fill_ledger(db, settings, settings.bulk_upload.target)


def _fill_ledger(db: Database, settings: Settings, target: str) -> None:
    mapping, now = runs.compiled(db, settings), db.utc_now()
    rules = Rules(Job.CREATE, mapping, now, settings.time_zone, 7, True, now, now - timedelta(hours=1))
    moment = database.stamp(now - timedelta(days=DAYS_AGO))
    book = ledger.Ledger(db, target, "bench")
    for people in database.chunks([p.employee_id for p in book.people(mapping)]):
        with db.transaction():
            for one in book.people_of(mapping, people):
                due = plan.judge(one, rules)
                assert isinstance(due, Due), one.employee_id
                values = (target, due.employee_id, due.external_id, due.hash)
                document = json.dumps(mapping.resource(due.user), ensure_ascii=False)
                db.execute(_SENT, (*values, document, one.modified, *[moment] * 3))


_SENT = """
INSERT INTO provisioning.ledger (
    target, employee_id, external_id, user_hash, scim_user, modified_date_time,
    sent_at, valid_to_since, posted_at, active, manager_known, run_id, protected
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 1, 'bench', 0)
"""
