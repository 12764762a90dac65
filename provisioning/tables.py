"""The mirror's tables in the database: what they take, what they hold, and how changes are written to them."""

import json
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from provisioning import columns, database, holds, mirror, views
from provisioning.columns import Column
from provisioning.database import Database
from provisioning.errors import SettingsError
from provisioning.mirror import Fetch, Table, Values
from provisioning.scim import HR_KEY, HR_TABLE
from provisioning.source import Resource, Source

_VIEW = "ScimUsers"

_TEXT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

MOST_FIELDS = 2000
"""So many names of fields without a column are remembered."""


@dataclass(frozen=True)
class LastFetch:
    """The last complete fetch of an endpoint: when, and how many records."""

    completed_at: datetime
    fetched: int


def describe(db: Database, resource: Resource) -> Table:
    """The table a resource fills, from the database's catalogue. Raises SettingsError where it cannot be filled."""
    rows = list(db.rows("table_columns", resource.table))
    found = [_column(row[1:]) for row in rows]
    if not found:
        raise SettingsError(
            [f"HR_SOURCE: there is no table dbo.{resource.table}; create it, or mend the resource's name."]
        )
    columns = tuple(c for c in found if c.writable)
    key = next((c for c in columns if c.name.casefold() == resource.primary_key.casefold()), None)
    if key is None:
        raise SettingsError([f"HR_SOURCE: dbo.{resource.table} has no column {resource.primary_key}, its primary_key."])
    table = Table(str(rows[0][0]), key, columns)
    if problems := list(_unfilled(table, resource)):
        raise SettingsError([f"HR_SOURCE: dbo.{resource.table} {problem}" for problem in problems])
    return table


def _unfilled(table: Table, resource: Resource) -> Iterator[str]:
    """What HR_SOURCE wants to put into columns that cannot take it."""
    spelling = resource.spelling
    for name in spelling.key_columns:
        if table.column(name) is None:
            yield f"has no column {name}, which key_fields names."
    if not spelling.source_column:
        return
    column = table.column(spelling.source_column)
    if column is None:
        yield f"has no column {spelling.source_column}, its source_column; add one: add-columns {table.name}"
        return
    try:
        columns.typed(spelling.source, column)
    except ValueError as exc:
        yield f"cannot keep the name of the HR system in {column.name}, its source_column: {exc}."


def people(db: Database, sources: Sequence[Source]) -> list[Resource]:
    """The resources whose records are people: those that dbo.ScimUsers names in HrTable.

    Else, of the tables that each part of its UNION reads, the one keyed by EmployeeId, or else the first; where it
    reads none of them, in each HR system the one keyed by EmployeeId.
    """
    resources = [r for source in sources for r in source.resources]
    definition = holds.mapping_definition(db) or ""
    if HR_TABLE in db.view_columns(_VIEW):
        said = {text.casefold() for text in views.texts(definition)}
        if named := [r for r in resources if r.table.casefold() in said]:
            return named
    return _read(definition, resources) or [s.people for s in sources if s.people]


def _read(definition: str, resources: Sequence[Resource]) -> list[Resource]:
    """Of each part of a view's UNION the resource whose records it has; empty where it reads none by itself."""
    by_name = {r.table.casefold(): r for r in resources}
    parts = ([by_name.get(table.casefold()) for table in part] for part in views.tables_read(definition))
    read = [found for part in parts if (found := _of_part(part))]
    return list({r.table: r for r in read}.values())


def _of_part(read: Sequence[Resource | None]) -> Resource | None:
    keyed = sorted((r for r in read if r and r.keyed_by_employee), key=lambda r: r.item_path is None)
    return keyed[0] if keyed else next(iter(read), None)


def unsaid(db: Database, sources: Sequence[Source], shown: Sequence[str]) -> list[str]:
    """What dbo.ScimUsers must say, and does not, where several tables hold people; `shown`: the columns it has."""
    if not sources or HR_TABLE in shown:
        return []
    resources = [r for source in sources for r in source.resources]
    found = _read(holds.mapping_definition(db) or "", resources)
    if len(found) < 2 and (found or len(sources) < 2):
        return []
    where = ", ".join(f"dbo.{r.table}" for r in found)
    why = f"people are in {where}" if found else "it reads none of the tables of the HR systems by itself"
    told = (
        f"{why}, so each row must say in which: a column {HR_TABLE} ('{(found or resources)[0].table}' AS {HR_TABLE})."
    )
    return [f"dbo.ScimUsers {HR_TABLE}: {told}"]


@dataclass(frozen=True)
class Said:
    """Of which record of the mirror a row of dbo.ScimUsers is, as far as it says so; whether HR lacks that record."""

    table: str | None
    key: str
    missing: bool


def said(db: Database, employee_id: str, missing: tuple[str, int]) -> list[Said]:
    """What the rows of a person in dbo.ScimUsers say; `missing` as `ledger.Ledger` takes it."""
    rows = db.rows("person_rows", *missing, employee_id, **record_columns(db))
    return [Said(None if table is None else str(table), str(key), bool(gone)) for table, key, gone in rows]


def record_columns(db: Database) -> dict[str, str]:
    """How a statement writes HrTable and HrKey of dbo.ScimUsers, v: NULL where the view has no such column."""
    there = db.view_columns(_VIEW)
    names = {"hr_table": HR_TABLE, "hr_key": HR_KEY}
    return {place: f"v.{db.quoted(name)}" if name in there else "NULL" for place, name in names.items()}


@dataclass(frozen=True)
class Mirrored:
    """A record of somebody in the mirror: its endpoint, its table, its key as the table spells it.

    `mapped`: whether the mapping says that a row of hers is this record.
    """

    resource: Resource
    table: Table
    key: str
    mapped: bool


def mirrored(db: Database, sources: Sequence[Source], employee_id: str, rows: Sequence[Said]) -> list[Mirrored]:
    """The records of a person: those that her rows of the mapping name, then what people's tables have under her id.

    Raises SettingsError where a table cannot be filled by HR_SOURCE.
    """
    by_name = {r.table.casefold(): r for source in sources for r in source.resources}
    present_first = sorted(rows, key=lambda row: row.missing)
    told = [(by_name.get((row.table or "").casefold()), row.key, True) for row in present_first]
    wanted = [*told, *((resource, employee_id, False) for resource in people(db, sources))]
    found: dict[tuple[str, str], Mirrored] = {}
    for resource, wanted_key, mapped in wanted:
        if resource is None:
            continue
        table = describe(db, resource)
        for canonical, spelled in key(db, table, wanted_key).items():
            found.setdefault((table.name, canonical), Mirrored(resource, table, spelled, mapped))
    return list(found.values())


def keys(db: Database, table: Table) -> dict[str, str]:
    """Every key the table holds: as it is compared → as it is spelled."""
    return _keys(table, db.rows("mirror_keys", table=db.quoted(table.name), key=db.quoted(table.key.name)))


def key(db: Database, table: Table, wanted: str) -> dict[str, str]:
    """The same for one key; empty where the table does not hold it."""
    return _keys(table, db.rows("mirror_key", wanted, table=db.quoted(table.name), key=db.quoted(table.key.name)))


def _keys(table: Table, rows: Iterable[Sequence[Any]]) -> dict[str, str]:
    found = (columns.held(row[0], table.key) for row in rows)
    return {mirror.canonical_key(key): key for key in found}


def held(db: Database, table: Table, rows: Sequence[Values]) -> dict[str, Values]:
    """What the table holds under the keys of these rows: the row itself where that is just it."""
    expressions = ", ".join(_expression(db, column) for column in table.columns)
    names, place = _names(db, table), table.columns.index(table.key)
    found: dict[str, Values] = {}
    for chunk in database.chunks(rows):
        given = {row[table.key.name]: row for row in chunk}
        for cells in db.rows("mirror_rows", json.dumps(list(given)), expressions=expressions, **names):
            values = table.read(cells, given.get(cells[place]))
            found[str(values[table.key.name])] = values
    return found


def as_text(row: Values) -> str:
    """A row as `write_texts` takes it. What is not there is NULL."""
    return _TEXT.encode({name: value for name, value in row.items() if value is not None})


def write(db: Database, table: Table, changes: Iterable[tuple[bool, Values]]) -> None:
    """Insert the new rows, write the changed ones over the old."""
    write_texts(db, table, ((is_new, as_text(row)) for is_new, row in changes))


def write_texts(db: Database, table: Table, changes: Iterable[tuple[bool, str]]) -> None:
    """The same with rows as text: one statement for every 2,000."""
    pending: dict[bool, list[str]] = {True: [], False: []}
    for is_new, text in changes:
        pending[is_new].append(text)
        if len(pending[is_new]) == database.ROWS_A_STATEMENT:
            _write(db, table, is_new, pending[is_new])
            pending[is_new] = []
    for is_new, texts in pending.items():
        if texts:
            _write(db, table, is_new, texts)


def newly_absent(db: Database, fetch: Fetch) -> int:
    """How many a complete fetch lacks who were not noted as absent before; 0 where it proves nobody absent."""
    noted = {str(row[0]) for row in db.rows("absent_keys", fetch.table.name)}
    return 0 if fetch.keyless else len({str(key) for key in fetch.absent()} - noted)


def note_absent(db: Database, table: Table, fetch: Fetch, seen_since: set[str], at: str) -> int:
    """Note who is absent from a complete fetch that ended `at`; take the note away of who is back.

    `seen_since`: keys, as they are compared, of records that HR gave by themselves since the fetch began.
    Gives back how many are absent. A fetch with a record that has no key proves nobody absent.
    """
    noted = {str(row[0]) for row in db.rows("absent_keys", table.name)}
    absent = {str(k) for k in fetch.absent() if mirror.canonical_key(k) not in seen_since}
    _in_chunks(db, "forget_absent", sorted(noted - absent), table.name)
    if fetch.keyless:
        return len(noted & absent)
    _in_chunks(db, "note_absent", sorted(absent - noted), table.name, at)
    return len(absent)


def note_present(db: Database, table: Table, fetch: Fetch) -> int:
    """Take the note of absence away of whom a fetch of changes brought; it notes nobody absent.

    Gives back how many stay noted.
    """
    noted = {str(row[0]) for row in db.rows("absent_keys", table.name)}
    back = {key for key in noted if mirror.canonical_key(key) in fetch.seen}
    _in_chunks(db, "forget_absent", sorted(back), table.name)
    return len(noted - back)


def record_fetch(db: Database, table: Table, fetch: Fetch, run_id: str, at: str, *, of_people: bool) -> None:
    """A complete fetch of this endpoint was written; `at` is the moment that `note_absent` got."""
    counted, mine, name = int(not fetch.keyless), int(of_people), table.name
    changed = (fetch.distinct, run_id, at, mine, counted, at, name)
    db.run("record_fetch", *changed, name, at, fetch.distinct, run_id, mine, counted, at, name)


def note_fields(db: Database, table: Table, unknown: Set[str]) -> list[str]:
    """Remember which fields have no column; gives back those that were not told before. In the fetch's transaction."""
    row = db.one("told_fields", table.name)
    told = {str(name) for name in json.loads(row[0])} if row and row[0] else set()
    left = {name for name in told if table.column(name) is None}
    new = sorted(unknown - told)
    if new or left != told:
        db.run("note_fields", json.dumps([*new, *sorted(left)][:MOST_FIELDS]), table.name)
    return new


def people_fetch(db: Database) -> str | None:
    """The table of the employees of which a fetch last told who is missing; None where ingest never did."""
    row = db.one("people_fetch")
    return str(row[0]) if row else None


def is_missing(db: Database, table: str, record_key: str, seconds: int) -> bool:
    """Whether a record counts as missing from HR: from two fetches, so many seconds apart (a negative number)."""
    return db.one("is_missing", seconds, table, record_key) is not None


def last_fetch(db: Database, table_name: str) -> LastFetch | None:
    """What is known of the last complete fetch of an endpoint; None where there was none."""
    row = db.one("last_fetch", table_name)
    if row is None:
        return None
    completed_at = database.as_utc(row[0])
    return LastFetch(completed_at, int(row[1])) if completed_at else None


def record_refresh(db: Database, table: Table, record_key: str) -> None:
    """One record was fetched by itself and written."""
    _in_chunks(db, "forget_absent", [record_key], table.name)
    db.run("record_refresh", table.name, record_key, table.name, record_key, table.name)


def refreshed_since(db: Database, table: Table, moment: Any) -> set[str]:
    """Keys, as they are compared, of records fetched by themselves since then."""
    return {mirror.canonical_key(row[0]) for row in db.rows("refreshed_since", table.name, moment)}


def _column(row: Sequence[Any]) -> Column:
    name, kind, length, precision, scale, nullable, writable, code_page = row
    return Column(
        name=str(name),
        type=str(kind),
        length=int(length),
        precision=int(precision),
        scale=int(scale),
        nullable=bool(nullable),
        writable=bool(writable),
        code_page=int(code_page),
    )


def _expression(db: Database, column: Column) -> str:
    cell = f"t.{db.quoted(column.name)}"
    return f"CAST({cell} AS varchar(33))" if column.read_as_text else cell


def _names(db: Database, table: Table) -> dict[str, str]:
    return {
        "table": db.quoted(table.name),
        "key": db.quoted(table.key.name),
        "key_type": table.key.declaration,
    }


def _write(db: Database, table: Table, is_new: bool, texts: list[str]) -> None:
    quoted = [db.quoted(c.name) for c in table.columns]
    key = db.quoted(table.key.name)
    fields = ", ".join(db.json_field(c.name, c.declaration) for c in table.columns)
    assignments = ", ".join(f"{name} = j.{name}" for name in quoted if name != key)
    names = {"columns": ", ".join(quoted), "fields": fields, **_names(db, table)}
    if is_new:
        db.write("mirror_insert", texts, **names)
    elif assignments:
        db.write("mirror_update", texts, assignments=assignments, **names)


def _in_chunks(db: Database, query: str, found: list[str], *parameters: str) -> None:
    for chunk in database.chunks(found):
        db.run(query, *parameters, json.dumps(chunk))
