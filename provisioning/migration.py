"""Brings a database up to date: the numbered scripts of `sql/` and the mapping once each, the grants every time."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from provisioning import database, scim, tables
from provisioning.database import Database
from provisioning.errors import MappingError, SettingsError
from provisioning.scim import ScimMapping
from provisioning.settings import Settings

SCRIPTS = Path(__file__).resolve().parent.parent / "sql"


FIRST_OWN = 1001
"""Scripts of users' own have numbers from here on; those below are for later versions of the app."""

_COMPARED = ("ValidFrom", "ValidTo", "InScope", "Protected", "TimeZone")
"""Control columns whose change matters as much as an attribute's."""


@dataclass(frozen=True)
class MappingChange:
    """What a changed mapping.sql does: per attribute or control column, who gets another value (EmployeeIds)."""

    attributes: Mapping[str, Sequence[str]]
    people: int


def migrate(db: Database, *, sample: bool = False) -> list[str]:
    """Apply what has not been applied yet; gives back the names of the scripts that ran. Can be run again.

    Raises SettingsError where `sql/` is not at hand, DatabaseError where a script fails (it is then rolled back).
    """
    done = _applied(db)
    ran = []
    for script in sorted(folder().glob("[0-9]*.sql")):
        if script.name not in done:
            with db.transaction():
                _run(db, script)
                db.run("record_migration", script.name)
            ran.append(script.name)
    if not db.view_columns("ScimUsers"):
        with db.transaction():
            _run(db, folder() / "mapping.sql")
        ran.append("mapping.sql")
    _run(db, folder() / "grants.sql")
    if sample:
        with db.transaction():
            _run(db, folder() / "sample.sql")
        ran.append("sample.sql")
    return ran


def change_mapping(db: Database, settings: Settings) -> MappingChange:
    """Replace dbo.ScimUsers by mapping.sql, and say who gets which other attribute. A wrong mapping changes nothing.

    Raises MappingError that names every column of the new view that is wrong.
    """
    before = _users(db, settings) if db.view_columns("ScimUsers") else {}
    with db.transaction():
        if db.view_columns("ScimUsers"):
            db.execute("DROP VIEW dbo.ScimUsers")
        _run(db, folder() / "mapping.sql")
        after = _users(db, settings)
    _run(db, folder() / "grants.sql")
    return _compare(before, after)


def mapping_problems(db: Database, settings: Settings) -> list[str]:
    """What is wrong with the view as it stands; nothing where it can be sent from."""
    try:
        _mapping(db, settings)
    except MappingError as exc:
        return list(exc.problems)
    return []


def grants() -> str:
    """The scripts that grant rights, those of users' own tables, too. Raises SettingsError without `sql/`."""
    own = (script for script in sorted(folder().glob("[0-9]*.sql")) if is_own(script.name))
    return "\n".join(p.read_text(encoding="utf-8") for p in (folder() / "grants.sql", *own))


def is_own(script: str) -> bool:
    """Whether a numbered script is of users' own, by its name."""
    number = re.match(r"\d+", script)
    return number is not None and int(number[0]) >= FIRST_OWN


def folder() -> Path:
    """Where the scripts are. Raises SettingsError where they are not at hand."""
    if not SCRIPTS.is_dir():
        raise SettingsError([f"migrate: the folder {SCRIPTS} is not here; run migrate from a checkout."])
    return SCRIPTS


def _applied(db: Database) -> set[str]:
    if (db.one("has_migrations") or (None,))[0] is None:
        with db.transaction():
            _run(db, folder() / "migrations.sql")
    return {str(row[0]) for row in db.rows("migrations")}


def _run(db: Database, script: Path) -> None:
    for batch in _batches(script, db.engine):
        db.execute(batch, (), script.name)


def _batches(script: Path, engine: str) -> Iterator[str]:
    """What stands between GO lines; for SQLite single statements, in its spelling."""
    override = script.parent / "sqlite" / script.name
    path = override if engine == "sqlite" and override.exists() else script
    text = path.read_text(encoding="utf-8-sig")
    for batch in re.split(r"(?im)^[ \t]*GO[ \t]*$", text):
        if engine != "sqlite":
            if database.statements(batch):
                yield batch
            continue
        for statement in database.statements(batch):
            yield _for_sqlite(statement)


def _for_sqlite(statement: str) -> str:
    """Without N before texts; a view sees its own file only and must not say dbo. inside. Texts stay as they are."""
    pieces = re.split(r"('(?:[^']|'')*'|--[^\n]*|/\*.*?\*/)", statement, flags=re.DOTALL)
    view = re.search(r"(?i)\bCREATE\s+VIEW\s+dbo\.", "".join(pieces[::2]))
    named = False
    for n in range(0, len(pieces), 2):
        if n + 1 < len(pieces) and pieces[n + 1].startswith("'"):
            pieces[n] = re.sub(r"(?<!\w)N$", "", pieces[n])
        if view:
            head = re.search(r"(?i)\bCREATE\s+VIEW\s+dbo\.\w+", pieces[n]) if not named else None
            kept = head.end() if head else 0
            pieces[n] = pieces[n][:kept] + re.sub(r"(?i)\bdbo\.", "", pieces[n][kept:])
            named = named or head is not None
    return "".join(pieces)


def _mapping(db: Database, settings: Settings) -> ScimMapping:
    columns = db.view_columns("ScimUsers")
    if unsaid := tables.unsaid(db, settings.hr_sources, columns):
        raise MappingError(unsaid)
    return scim.compile_mapping(columns, settings.extensions, explicit_nulls=settings.explicit_nulls)


def _users(db: Database, settings: Settings) -> dict[str, dict[str, Any]]:
    """EmployeeId → path → value, for everybody whose row makes a SCIM user."""
    mapping = _mapping(db, settings)
    columns = ", ".join(f"v.{db.quoted(name)}" for name in mapping.columns)
    found = {}
    for row in db.rows("mapping_rows", columns=columns):
        try:
            user = mapping.user(row, mapping.raw_active(row), _zone(mapping, row, settings))
        except scim.Unsendable:
            continue
        control = {name: mapping.cell(row, name) for name in _COMPARED if name in mapping.control}
        found[user.employee_id] = mapping.flat(user) | control
    return found


def _zone(mapping: ScimMapping, row: tuple[Any, ...], settings: Settings) -> ZoneInfo:
    name = mapping.cell(row, "TimeZone")
    try:
        return ZoneInfo(str(name)) if name else settings.time_zone
    except (KeyError, ValueError, OSError):
        raise scim.Unsendable(["TimeZone is not an IANA time zone"]) from None


def _compare(before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]) -> MappingChange:
    attributes: dict[str, list[str]] = {}
    people = set()
    for employee_id in sorted(before.keys() | after.keys()):
        old, new = before.get(employee_id, {}), after.get(employee_id, {})
        for path in sorted(old.keys() | new.keys()):
            if old.get(path) != new.get(path) or (path in old) != (path in new):
                attributes.setdefault(path, []).append(employee_id)
                people.add(employee_id)
    return MappingChange(attributes, len(people))
