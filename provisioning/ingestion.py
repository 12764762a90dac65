"""One endpoint of HR into its table: fetched page by page, compared, believed or not, written in one transaction."""

import json
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TextIO

from provisioning import database, holds, mirror, runs, tables
from provisioning.database import Database
from provisioning.errors import UpstreamError
from provisioning.hr import HrApi
from provisioning.mirror import Fetch
from provisioning.runs import RUN_SECONDS, Observer, Report
from provisioning.settings import Settings, Share
from provisioning.source import Resource

CLOCKS_APART = timedelta(minutes=15)
"""So far HR's clock may be from the database's."""

SHRINK_FLOOR = 2
"""An endpoint may always lose so many records: of five locations, one is a fifth."""

_NEW, _CHANGED = "+", "="
"""How a line of the spool begins; a row's JSON follows."""


def ingest_endpoint(
    db: Database,
    api: HrApi,
    resource: Resource,
    fetch: Fetch,
    report: Report,
    settings: Settings,
    observe: Observer | None,
) -> None:
    """Fetch an endpoint whole, or what changed lately, then write what differs, in one transaction.

    Raises UpstreamError for an answer that cannot be had, or is not believed; the table is then as it was.
    """
    table = fetch.table
    began, last = db.utc_now(), tables.last_fetch(db, table.name)
    since = _since(resource, last, began)
    with tempfile.TemporaryFile("w+", encoding="utf-8") as spool:
        for _ in _spool_changes(db, api, resource, fetch, spool, since):
            if observe:
                observe({"fetched": report.counts["fetched"] + fetch.fetched})
        needed, mapped = resource in tables.people(db, settings.hr_sources), uses_column(db)
        _check_believed(db, fetch, last, mapped, settings, needed=needed, full=since is None)
        with db.transaction():
            newer, at = tables.refreshed_since(db, table, database.stamp(began)), database.stamp(db.utc_now())
            _write_spooled(db, fetch, spool, newer)
            if since is None:
                missing = tables.note_absent(db, table, fetch, newer, at)
                tables.record_fetch(db, table, fetch, report.run_id, at, of_people=needed)
            else:
                missing = tables.note_present(db, table, fetch)
            new_fields = tables.note_fields(db, table, fetch.unknown_fields)
    _count_fetch(fetch, missing, report)
    if new_fields:
        report.note(f"{table.name}: fields without a column, not kept: {', '.join(new_fields)}")
    if needed and last is None and (unseen := fetch.unseen(mapped)):
        report.note(
            f"warning: no record has {', '.join(unseen)}, which the mapping uses; check HR_SOURCE or the mapping."
        )


def _check_believed(
    db: Database,
    fetch: Fetch,
    last: tables.LastFetch | None,
    mapped: Callable[[str], bool],
    settings: Settings,
    *,
    needed: bool,
    full: bool,
) -> None:
    """Raises UpstreamError for an answer that is not believed; `full`: everybody was asked for, not changes only."""
    check_source_column(fetch)
    if full:
        _check_complete(fetch, mapped, needed=needed)
        before = last.fetched if last else len(fetch.held_keys)
        _check_shrinkage(fetch, before, settings.max_shrink)
        _check_replaced(fetch, tables.newly_absent(db, fetch), before, settings.max_shrink)
    if full or fetch.fetched > mirror.RETYPED_ROWS:
        _check_fits(fetch, mapped)


def _since(resource: Resource, last: tables.LastFetch | None, now: datetime) -> datetime | None:
    """From when on changes are asked for; None where everything is due: at first, and again after `full_every_hours`.

    Counted from the last full fetch, so that no fetch of changes may be missed: from before it can have begun.
    """
    if resource.since is None or last is None or now - last.completed_at >= resource.since.full_every:
        return None
    return last.completed_at - timedelta(seconds=RUN_SECONDS) - CLOCKS_APART


def _spool_changes(
    db: Database, api: HrApi, resource: Resource, fetch: Fetch, spool: TextIO, since: datetime | None
) -> Iterator[None]:
    """Compare page by page with what the table holds; put what differs aside until the last page has come."""
    rows: list[mirror.Values] = []
    partial = since is not None
    for page in api.pages(resource, since, ahead=True):
        before = fetch.distinct
        for some in database.chunks(page):  # a page may be a whole company: its rows are not all in memory at once
            rows.extend(fetch.take(some))
            while len(rows) >= database.ROWS_A_STATEMENT:
                _spool(db, fetch, rows[: database.ROWS_A_STATEMENT], spool, partial=partial)
                rows = rows[database.ROWS_A_STATEMENT :]
        if resource.csv is None and fetch.repeats(len(page), before):  # a file has no pages that could come twice
            raise UpstreamError(f"{fetch.table.name}: HR gave the same page twice; check the paginator's parameters.")
        yield
    _spool(db, fetch, rows, spool, partial=partial)


def _spool(db: Database, fetch: Fetch, rows: Sequence[mirror.Values], spool: TextIO, *, partial: bool) -> None:
    """`partial`: of a few records a field that none has proves nothing, and its column keeps what it holds."""
    held = tables.held(db, fetch.table, rows) if rows and fetch.held_keys else {}
    if partial:
        keys = [str(row[fetch.table.key.name]) for row in rows]
        rows = [fetch.kept(row, held[k]) if k in held else row for k, row in zip(keys, rows, strict=True)]
    for is_new, row in fetch.changes(list(rows), held):
        spool.write(f"{_NEW if is_new else _CHANGED}{tables.as_text(row)}\n")


_WORDLESS = re.compile(
    r"""'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/|\bAS\s+(?:\[[^\]]*\]|"[^"]*"|\w+)""", re.DOTALL | re.IGNORECASE
)
"""What names no column in a view: texts, comments, and the names that it gives."""


def uses_column(db: Database) -> Callable[[str], bool]:
    """Whether the mapping's definition names a column."""
    text = _WORDLESS.sub(" ", holds.mapping_definition(db) or "").casefold()
    words = set(re.findall(r"\w+", text))

    def uses(column: str) -> bool:
        name = column.casefold()
        return name in words or (not name.isidentifier() and any(f"{a}{name}{b}" in text for a, b in ("[]", '""')))

    return uses


def _check_complete(fetch: Fetch, mapped: Callable[[str], bool], *, needed: bool) -> None:
    """Raises UpstreamError for an answer that cannot be the whole of it. `needed`: there must be somebody."""
    if not fetch.fetched and (fetch.held_keys or needed):
        raise UpstreamError(f"{fetch.table.name}: HR answered with no record at all; nothing was changed.")
    if vanished := fetch.vanished_fields(mapped):
        names = ", ".join(vanished)
        raise UpstreamError(f"{fetch.table.name}: no record has {names} any more; nothing was changed.")


def check_source_column(fetch: Fetch) -> None:
    """Raises UpstreamError where HR has something of its own to say in the column that names the HR system."""
    if fetch.gives_source:
        column = fetch.spelling.source_column
        told = (
            f"{fetch.table.name}: HR's records have a field {column}, which is the source_column; nothing was changed."
        )
        raise UpstreamError(f"{told} Take another column, or rename the field.")


def _check_fits(fetch: Fetch, mapped: Callable[[str], bool]) -> None:
    """Raises UpstreamError where (nearly) no value of a column that the mapping uses fits it."""
    if retyped := fetch.retyped_fields(mapped):
        names = ", ".join(retyped)
        raise UpstreamError(
            f"{fetch.table.name}: HR's values do not fit their columns any more: {names}; nothing was changed. "
            "Ask HR, or mend the column by a script of your own."
        )


def _check_shrinkage(fetch: Fetch, before: int, allowed: Share) -> None:
    """Raises UpstreamError for an answer that lacks too many of the records of the last complete one."""
    lost = before - fetch.distinct
    if lost > max(SHRINK_FLOOR, allowed.of(before)):
        told = f"{fetch.table.name}: HR gave {fetch.distinct} records, {before} the last time; nothing was changed."
        raise UpstreamError(
            f"{told} MAX_SHRINK lets {allowed} of them go. If HR is right, run ingest once with a larger MAX_SHRINK."
        )


def _check_replaced(fetch: Fetch, gone: int, before: int, allowed: Share) -> None:
    """Raises UpstreamError where too many records have other keys: as many as ever, and each of them a new person."""
    replaced = gone - max(0, before - fetch.distinct)
    if replaced > max(SHRINK_FLOOR, allowed.of(before)):
        told = f"{fetch.table.name}: of {before} records {replaced} have gone and others came; nothing was changed."
        raise UpstreamError(
            f"{told} If keys were changed (key_prefix, primary_key, rename, or by HR), change them back: a new key is "
            f"a new person, and whoever has the old one would be disabled. MAX_SHRINK lets {allowed} go. If HR is "
            "right, run ingest once with a larger MAX_SHRINK."
        )


def _write_spooled(db: Database, fetch: Fetch, spool: TextIO, newer: set[str]) -> None:
    """Write what was put aside, but nothing older over what a resync has fetched since (`newer`: its keys)."""
    spool.seek(0)
    key = fetch.table.key.name

    def changes() -> Iterator[tuple[bool, str]]:
        for line in spool:
            is_new, text = line[0] == _NEW, line[1:-1]
            if not newer or mirror.canonical_key(json.loads(text)[key]) not in newer:
                yield is_new, text
            elif is_new:
                fetch.inserted, fetch.unchanged = fetch.inserted - 1, fetch.unchanged + 1
            else:
                fetch.updated, fetch.unchanged = fetch.updated - 1, fetch.unchanged + 1

    tables.write_texts(db, fetch.table, changes())


def _count_fetch(fetch: Fetch, missing: int, report: Report) -> None:
    """What a fetch that was written brought, and whom it rejected."""
    runs.add(
        report,
        fetched=fetch.fetched,
        inserted=fetch.inserted,
        updated=fetch.updated,
        unchanged=fetch.unchanged,
        missing=missing,
        rejected=fetch.rejections,
    )
    for one in fetch.rejected:
        report.note(f"rejected {one.table} {one.name}: {'; '.join(one.reasons)}")
    report.untold += fetch.rejections - len(fetch.rejected)
