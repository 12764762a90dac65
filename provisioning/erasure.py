"""What leaves the database on request: people long gone from HR leave the mirror, one person is forgotten."""

import json
import logging
from collections.abc import Sequence
from datetime import timedelta

from provisioning import database, jobs, name_book, retry, runs, tables, tombstones
from provisioning.database import Database
from provisioning.errors import NotForgettable, UnknownEmployee
from provisioning.mirror import Table
from provisioning.pacing import Clock
from provisioning.people import same_key
from provisioning.runs import Report, no_counts
from provisioning.settings import HR, Settings
from provisioning.tables import Mirrored, Said

logger = logging.getLogger(__name__)


def purge(settings: Settings, days: int | None = None, *, clock: Clock | None = None) -> Report:
    """Take people out of the mirror who are absent from HR for so many days (HISTORY_DAYS) and inactive over there.

    What was sent of them stays in the ledger, so that somebody who comes back is known. Counts `purged`.
    """
    clock = clock or Clock()
    report = Report("purge", no_counts("purge"))
    with runs.reporting(report), runs.opened(settings, clock, retry.DATABASE_PATIENCE) as db:
        found = [tables.describe(db, people) for people in tables.people(db, settings.hr_sources)]
        if not found:
            raise runs.missing_setting(HR)
        with runs.leased(db, settings, jobs.INGEST_LEASE, report, clock, 0.0), runs.recorded(db, report, None):
            before = db.utc_now() - timedelta(days=settings.history_days if days is None else days)
            for table in found:
                gone = [str(row[0]) for row in db.rows("gone_people", table.name, database.stamp(before))]
                for chunk in database.chunks(gone):
                    with db.transaction():
                        _take_out(db, table, list(chunk))
                        name_book.release(db, list(chunk))
                    runs.add(report, purged=len(chunk))
    return report


def forget(settings: Settings, employee_id: str, *, clock: Clock | None = None) -> Report:
    """Remove whatever is kept of one person, for every target, and leave keyed hashes of her id and her user names.

    If her row comes back she is parked until `remember`. Raises UnknownEmployee where nothing is kept of her, and
    NotForgettable while HR has her, she was last sent as active, or a sending is in doubt.
    """
    clock = clock or Clock()
    report = Report("forget", no_counts("forget"))
    jobs.check_id(employee_id)
    report.answer = {"employee_id": employee_id}
    with (
        runs.reporting(report),
        runs.opened(settings, clock, retry.DATABASE_PATIENCE) as db,
        runs.leased(db, settings, jobs.INGEST_LEASE, report, clock, 0.0),
        runs.recorded(db, report, None),
    ):
        rows = tables.said(db, employee_id, runs.missing(db, settings))
        records = tables.mirrored(db, settings.hr_sources, employee_id, rows)
        spelled = next((r.key for r in records if same_key(r.key) == same_key(employee_id)), employee_id)
        with db.transaction():
            _check_forgettable(db, settings, spelled, rows, records)
            for record in records:
                _take_out(db, record.table, [record.key])
            for name in dict.fromkeys((spelled, *(record.key for record in records))):
                db.run("forget_person", *[name] * 13)
                name_book.hide(db, name)
            db.run("forget_examples", f'%"{spelled}"%')
            tombstones.add(db, employee_id)
        report.answer["status"] = "forgotten"
    return report


def remember(settings: Settings, employee_id: str, *, clock: Clock | None = None) -> Report:
    """Take a tombstone away: if her row is back, she is created like anybody new. Raises NotForgettable without one."""
    report = Report("forget", no_counts("forget"))
    jobs.check_id(employee_id)
    report.answer = {"employee_id": employee_id}
    with (
        runs.reporting(report),
        runs.opened(settings, clock or Clock(), retry.DATABASE_PATIENCE) as db,
        runs.recorded(db, report, None),
    ):
        if not tombstones.remove(db, employee_id):
            raise NotForgettable(f"{employee_id} was not forgotten.")
        report.answer["status"] = "known again"
    return report


def _check_forgettable(
    db: Database, settings: Settings, employee_id: str, rows: Sequence[Said], records: Sequence[Mirrored]
) -> None:
    """`rows`: hers of the mapping; `records`: hers of the mirror. Every one of them must count as missing from HR."""
    row = db.one("person_anywhere", *[employee_id] * 3)
    known, active, in_doubt = map(int, row) if row else (0, 0, 0)
    if not all(said.missing for said in rows) or not all(_is_missing(db, settings, one) for one in records):
        raise NotForgettable(f"{employee_id}: HR still has this person; nothing was forgotten.")
    if active or in_doubt:
        told = "was last sent as active" if active else "was perhaps sent a moment ago"
        raise NotForgettable(f"{employee_id} {told}: the account must be disabled first; nothing was forgotten.")
    if not known and not records and not rows:
        raise UnknownEmployee(employee_id)


def _is_missing(db: Database, settings: Settings, record: Mirrored) -> bool:
    """Whether a record counts as missing from HR, as for sending."""
    return tables.is_missing(db, record.table.name, record.key, runs.missing(db, settings)[1])


def _take_out(db: Database, table: Table, keys: list[str]) -> None:
    ids = json.dumps(keys)
    key = db.quoted(table.key.name)
    db.run("mirror_delete", ids, table.name, ids, table=db.quoted(table.name), key=key)
