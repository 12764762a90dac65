"""What leaves the database on request: people long gone from HR leave the mirror, one person is forgotten."""

import json
import logging
from datetime import datetime, timedelta

from provisioning import database, jobs, ledger, retry, runs, tables, tombstones
from provisioning.database import Database
from provisioning.errors import NotForgettable, UnknownEmployee
from provisioning.mirror import Table
from provisioning.pacing import Clock
from provisioning.runs import Report, no_counts
from provisioning.settings import HR, Settings

logger = logging.getLogger(__name__)


def purge(settings: Settings, days: int | None = None, *, clock: Clock | None = None) -> Report:
    """Take people out of the mirror who are absent from HR for so many days (HISTORY_DAYS) and inactive over there.

    What was sent of them stays in the ledger, so that somebody who comes back is known. Counts `purged`.
    """
    clock = clock or Clock()
    report = Report("purge", no_counts("purge"))
    with runs.reporting(report), runs.opened(settings, clock, retry.DATABASE_PATIENCE) as db:
        table = _people_table(db, settings)
        if table is None:
            raise runs.missing_setting(HR)
        with runs.leased(db, settings, jobs.INGEST_LEASE, report, clock, 0.0), runs.recorded(db, report, None):
            before = db.utc_now() - timedelta(days=settings.history_days if days is None else days)
            gone = [str(row[0]) for row in db.rows("gone_people", table.name, database.stamp(before))]
            for chunk in database.chunks(gone):
                _take_out(db, table, list(chunk))
                runs.add(report, purged=len(chunk))
    return report


def forget(settings: Settings, employee_id: str, *, clock: Clock | None = None) -> Report:
    """Remove whatever is kept of one person, for every target, and leave a keyed hash of her id.

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
        table = _people_table(db, settings)
        spelled = None if table is None else _as_mirrored(db, table, employee_id)
        with db.transaction():
            _check_forgettable(db, settings, spelled or employee_id, mirrored=spelled is not None)
            if table is not None and spelled is not None:
                _take_out(db, table, [spelled])
            db.run("forget_person", *[spelled or employee_id] * 13)
            db.run("forget_examples", f'%"{spelled or employee_id}"%')
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


def _check_forgettable(db: Database, settings: Settings, employee_id: str, *, mirrored: bool) -> None:
    row = db.one("person_anywhere", *[employee_id] * 3)
    known, active, in_doubt = map(int, row) if row else (0, 0, 0)
    in_view = db.one("find_employee", employee_id) is not None
    if (mirrored or in_view) and not _is_missing(db, settings, employee_id):
        raise NotForgettable(f"{employee_id}: HR still has this person; nothing was forgotten.")
    if active or in_doubt:
        told = "was last sent as active" if active else "was perhaps sent a moment ago"
        raise NotForgettable(f"{employee_id} {told}: the account must be disabled first; nothing was forgotten.")
    if not known and not mirrored and not in_view:
        raise UnknownEmployee(employee_id)


def _is_missing(db: Database, settings: Settings, employee_id: str) -> bool:
    """Whether she counts as missing from HR, as for sending."""
    table, since = runs.missing_since(db, settings)
    row = db.one("absent_since", table, employee_id)
    absent: datetime | None = database.as_utc(row[0]) if row else None
    return absent is not None and (table, since) != ledger.NOBODY_MISSING and database.stamp(absent) <= since


def _people_table(db: Database, settings: Settings) -> Table | None:
    people = tables.people(db, settings.hr_source)
    return None if people is None else tables.describe(db, people)


def _as_mirrored(db: Database, table: Table, employee_id: str) -> str | None:
    """How the mirror spells an id; None where it does not hold it."""
    return next(iter(tables.key(db, table, employee_id).values()), None)


def _take_out(db: Database, table: Table, keys: list[str]) -> None:
    ids = json.dumps(keys)
    key = db.quoted(table.key.name)
    db.run("mirror_delete", ids, table.name, ids, table=db.quoted(table.name), key=key)
