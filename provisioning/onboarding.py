"""A new HR system: its response is looked at, and scripts are written for somebody to review.

Writes new files in `sql/` only. Numbers from 1001 on are for tables of users' own, so that later versions' scripts
never meet them.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from provisioning import bodies, database, delimited, migration, mirror, recognition, retry, runs, scaffold, source
from provisioning.database import Database
from provisioning.delimited import Dialect
from provisioning.errors import ProvisioningError, WrongUsage
from provisioning.hr import HrApi
from provisioning.inference import Field, LeftOut, Shape, Survey
from provisioning.pacing import Clock
from provisioning.runs import Report, no_counts
from provisioning.settings import Settings
from provisioning.source import Resource
from provisioning.spelling import AS_IT_COMES

MOST_RECORDS = 20_000
"""So many records of a live response are looked at."""

LONGEST_FILE = 64 * 1024 * 1024
SECONDS = 300

_LONGEST_TABLE = 60
"""Characters: its key's name is three longer, and compatible servers cut names of more than 63."""


def described(settings: Settings) -> Report:
    """HR_SOURCE in full, its preset included, as one line of JSON; no secret stands in it. Raises WrongUsage."""
    if not settings.hr_sources:
        raise WrongUsage("HR_SOURCE is not set.")
    documents = [system.document for system in settings.hr_sources]
    page = json.dumps(documents[0] if len(documents) == 1 else documents, ensure_ascii=False)
    return Report("source", no_counts("source"), page=[page])


def infer_table(
    settings: Settings,
    name: str,
    *,
    saved: Path | None = None,
    data_selector: str | None = None,
    key: str | None = None,
    clock: Clock | None = None,
) -> Report:
    """Write the scripts of a table for HR's response, and a first mapping of it; the report names the files.

    The response is that of HR_SOURCE's resource of this name, or `saved`: a file with a JSON array of records, an
    object that holds one at `data_selector`, or a file of CSV. Raises WrongUsage where a table or a file of this name
    is there already.
    """
    clock, report = clock or Clock(), Report("infer-table", no_counts("infer-table"))
    with runs.reporting(report, clock):
        _check_name(name)
        resource = _resource(settings, name)
        table = resource.table if resource else name
        _check_free(settings, table, clock)
        survey = _surveyed(settings, name, resource, saved, data_selector, clock)
        shape = survey.shape(key or (resource.primary_key if resource else None), table)
        recognised = recognition.recognise(shape)
        script = f"{_next_number()}_{table}.sql"
        texts = {
            script: scaffold.create_table(table, shape, sqlite=False),
            f"sqlite/{script}": scaffold.create_table(table, shape, sqlite=True),
            f"mapping-{table}.sql": scaffold.mapping(table, recognised),
        }
        _write_new(texts)
        report.answer |= _told(table, shape.records, shape.left_out, texts) | {
            "columns": len(shape.fields),
            "mapped": len(recognised.lines),
        }
        _note_shape(report, shape)
        for remark in recognised.remarks:
            report.note(f"look at this: {remark}")
        _note_next(report, table, shape, resource, saved)
    return report


def add_columns(
    settings: Settings,
    name: str,
    only: Sequence[str] = (),
    *,
    saved: Path | None = None,
    data_selector: str | None = None,
    clock: Clock | None = None,
) -> Report:
    """Write the script that adds columns for fields of a response that the table dbo.`name` does not have.

    `only`: for these fields. Raises WrongUsage where there is no such table, or a script for it waits for `migrate`.
    """
    clock, report = clock or Clock(), Report("add-columns", no_counts("add-columns"))
    with runs.reporting(report, clock), runs.opened(settings, clock, retry.DATABASE_PATIENCE) as db:
        _check_name(name)
        resource = _resource(settings, name)
        table = resource.table if resource else name
        rows = list(db.rows("table_columns", table))
        if not rows:
            raise WrongUsage(f"there is no table dbo.{table}; make one: infer-table {table}")
        table = str(rows[0][0])
        if waiting := _waiting(db, table):
            raise WrongUsage(f"sql/{waiting} is not applied yet; run migrate first, or delete it.")
        survey = _surveyed(settings, name, resource, saved, data_selector, clock)
        found, left_out = survey.columns()
        known = {str(row[1]).casefold() for row in rows}
        fields = _chosen([f for f in found if f.name.casefold() not in known], only)
        texts: dict[str, str] = {}
        if fields:
            script = f"{_next_number()}_{table}_columns.sql"
            texts = {
                script: scaffold.add_columns(table, fields, survey.records, sqlite=False),
                f"sqlite/{script}": scaffold.add_columns(table, fields, survey.records, sqlite=True),
            }
            _write_new(texts)
        report.answer |= _told(table, survey.records, left_out, texts) | {"columns": len(fields)}
        _note_columns(report, table, fields)
    return report


def _chosen(fields: Sequence[Field], only: Sequence[str]) -> list[Field]:
    """Those that were named, or all. Raises WrongUsage for a name that is none of them."""
    wanted = {name.replace(".", "_").casefold() for name in only}
    if unknown := wanted - {f.name.casefold() for f in fields}:
        names = ", ".join(mirror.told(name) for name in sorted(unknown))
        raise WrongUsage(f"no such field without a column, or none that can have one: {names}")
    return [f for f in fields if not wanted or f.name.casefold() in wanted]


# --- the response -------------------------------------------------------------------------------------------------


def _resource(settings: Settings, name: str) -> Resource | None:
    return next((r for r in _resources(settings) if r.table.casefold() == name.casefold()), None)


def _resources(settings: Settings) -> list[Resource]:
    return [resource for system in settings.hr_sources for resource in system.resources]


def _surveyed(
    settings: Settings,
    name: str,
    resource: Resource | None,
    saved: Path | None,
    data_selector: str | None,
    clock: Clock,
) -> Survey:
    dialect = _dialect(saved, resource)
    survey = Survey(resource.spelling if resource else AS_IT_COMES, untyped=dialect is not None)
    if saved is not None and dialect is not None:
        _take_rows(survey, saved, dialect)
    elif saved is not None:
        survey.take(_saved_records(saved, _path(data_selector, resource)))
    else:
        for page in _live_pages(settings, name, resource, clock):
            survey.take(page[: MOST_RECORDS - survey.records])
            if survey.records >= MOST_RECORDS:
                break
    return survey


def _live_pages(settings: Settings, name: str, resource: Resource | None, clock: Clock) -> Iterator[list[Any]]:
    if not settings.hr_sources:
        raise WrongUsage("there is nothing to look at: set HR_SOURCE, or give a saved response: --from FILE")
    if resource is None:
        known = ", ".join(r.table for r in _resources(settings))
        raise WrongUsage(
            f"HR_SOURCE has no resource {name} (it has {known}); add one, or give a saved response: --from FILE"
        )
    with HrApi(source.of(settings.hr_sources, resource), clock, clock.monotonic() + SECONDS) as api:
        yield from api.pages(resource)


def _dialect(saved: Path | None, resource: Resource | None) -> Dialect | None:
    """How the response is written where it is CSV: as HR_SOURCE says; of a saved one it may be seen."""
    if resource is not None and (resource.csv or saved is None):
        return resource.csv
    if saved is None or saved.suffix.casefold() not in (".csv", ".tsv"):
        return None
    try:
        with saved.open("rb") as file:
            return delimited.guessed(file.read(64 * 1024))
    except OSError:
        raise WrongUsage(f"--from {saved}: cannot be read.") from None


def _take_rows(survey: Survey, file: Path, dialect: Dialect) -> None:
    try:
        with file.open("rb") as text, delimited.read(text, dialect) as (_, records):
            survey.take(islice(records, MOST_RECORDS))
    except OSError:
        raise WrongUsage(f"--from {file}: cannot be read.") from None
    except bodies.Refused as exc:
        raise WrongUsage(f"--from {file}: {exc}.") from None


def _path(text: str | None, resource: Resource | None) -> tuple[str, ...] | None:
    """Where the records are in a saved response; None: to be found out."""
    if text is None:
        return resource.data_selector if resource and resource.data_selector else None
    path = source.steps(text)
    if path is None:
        raise WrongUsage("--data-selector: must be a path such as data, result.items or $['@odata.nextLink'].")
    return path


def _saved_records(file: Path, path: tuple[str, ...] | None) -> Sequence[Any]:
    """The records of a saved response. Raises WrongUsage; no text of the file is repeated."""
    try:
        if file.stat().st_size > LONGEST_FILE:
            raise WrongUsage(
                f"--from {file}: is larger than {LONGEST_FILE // 2**20} MB; some thousand records will do."
            )
        body = file.read_bytes()
    except (OSError, ValueError):
        raise WrongUsage(f"--from {file}: cannot be read.") from None
    try:
        document = bodies.read_json(body)
    except bodies.Refused as exc:
        raise WrongUsage(f"--from {file}: {exc}.") from None
    if isinstance(document, list) and not path:
        return document
    found: Any = document
    for step in path or ():
        found = found.get(step) if isinstance(found, dict) else None
    if path and isinstance(found, list):
        return found
    places = [".".join(p) for p in _lists(document)]
    told = f"there are some at {', '.join(places)}" if places else "there is none"
    raise WrongUsage(f"--from {file}: no list of records is there; {told}. Say where: --data-selector PATH")


def _lists(document: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where an object holds lists of objects, three levels deep."""
    for name, value in document.items() if isinstance(document, dict) else ():
        place = (*above, mirror.told(str(name)))
        if isinstance(value, list) and value and isinstance(value[0], dict):
            yield place
        elif len(place) < 3:
            yield from _lists(value, place)


# --- the files ----------------------------------------------------------------------------------------------------


def _check_name(table: str) -> None:
    if not re.fullmatch(rf"[A-Za-z_]\w{{0,{_LONGEST_TABLE - 1}}}", table, re.ASCII):
        raise WrongUsage(f"a table's name has letters, digits and _, and at most {_LONGEST_TABLE} of them.")


def _check_free(settings: Settings, table: str, clock: Clock) -> None:
    """Raises WrongUsage where there is a table, a view or a script of this name."""
    if settings.sql_connection_string:
        with database.connect(settings.sql_connection_string, clock) as db:
            if db.view_columns(table):
                raise WrongUsage(f"dbo.{table} is there already; for fields that it lacks: add-columns {table}")
    if there := [p.name for p in _own_scripts() if _table_of(p) == table.casefold()]:
        raise WrongUsage(f"sql/{there[0]} is there already; run migrate, or delete it and its twin in sql/sqlite.")
    if made := next((p.name for p in sorted(migration.folder().glob("*.sql")) if _makes(p, table)), None):
        raise WrongUsage(f"dbo.{table} is made by sql/{made}; take another name, or migrate, then add-columns {table}")
    if (migration.folder() / f"mapping-{table}.sql").exists():
        raise WrongUsage(f"sql/mapping-{table}.sql is there already; rename or delete it first.")


def _makes(script: Path, table: str) -> bool:
    text = script.read_text(encoding="utf-8", errors="replace")
    return bool(re.search(rf"(?i)\bCREATE\s+(TABLE|VIEW)\s+\[?dbo\]?\.\[?{table}\b", text))


def _own_scripts() -> list[Path]:
    return sorted(p for p in migration.folder().glob("[0-9]*.sql") if migration.is_own(p.name))


def _table_of(script: Path) -> str:
    return script.stem.partition("_")[2].casefold()


def _waiting(db: Database, table: str) -> str | None:
    """A script of this table that was not applied yet."""
    applied = {str(row[0]) for row in db.rows("migrations")}
    names = (table.casefold(), f"{table.casefold()}_columns")
    return next((p.name for p in _own_scripts() if _table_of(p) in names and p.name not in applied), None)


def _next_number() -> int:
    """The next free one of those for users' own scripts."""
    names = [p.name for p in migration.folder().rglob("[0-9]*.sql") if migration.is_own(p.name)]
    number = max((int(n.partition("_")[0]) for n in names), default=migration.FIRST_OWN - 1) + 1
    if number > 9999:
        raise WrongUsage("no number is left for a script: they have four digits.")
    return number


def _write_new(texts: Mapping[str, str]) -> None:
    """All of these files, or none; none of them may be there. Raises WrongUsage."""
    written: list[Path] = []
    try:
        for name, text in texts.items():
            path = migration.folder() / name
            path.parent.mkdir(exist_ok=True)
            with path.open("x", encoding="utf-8", newline="\n") as file:
                written.append(path)
                file.write(text)
    except OSError as exc:
        for path in written:
            path.unlink(missing_ok=True)
        if isinstance(exc, FileExistsError):
            raise WrongUsage(f"sql/{name} is there already; rename or delete it first.") from None
        raise ProvisioningError(f"sql/{name} cannot be written; check the rights of its folder and its disk.") from None


# --- what is told -------------------------------------------------------------------------------------------------


def _told(table: str, records: int, left_out: Sequence[LeftOut], texts: Mapping[str, str]) -> dict[str, Any]:
    return {
        "table": f"dbo.{table}",
        "records": records,
        "left_out": len(left_out),
        "files": [f"sql/{name}" for name in texts],
    }


def _note_shape(report: Report, shape: Shape) -> None:
    for one in shape.left_out:
        report.note(f"no column for {mirror.told(one.name)}: {one.why}")
    lacking, doubled = shape.records - shape.key.filled, shape.key.filled - shape.key.distinct
    if lacking or doubled:
        report.note(
            f"warning: {shape.key.name} is the key; {lacking} records have none, {doubled} have one that another has"
        )


def _note_next(report: Report, table: str, shape: Shape, resource: Resource | None, saved: Path | None) -> None:
    for name in report.answer["files"]:
        report.note(f"written: {name}")
    report.note(f"next: review them; migrate; copy sql/mapping-{table}.sql over sql/mapping.sql; migrate --mapping")
    if resource is None:
        endpoint = f'{{"path": "…"{_told_format(_dialect(saved, None))}}}'
        told = f'"name": "{table}", "primary_key": "{shape.key.name}", "endpoint": {endpoint}'
        report.note(f"then tell HR_SOURCE: {{{told}}}")


def _told_format(dialect: Dialect | None) -> str:
    if dialect is None:
        return ""
    told = {"type": "csv", "delimiter": dialect.delimiter, "encoding": dialect.encoding}
    return f', "format": {json.dumps(told)}'


def _note_columns(report: Report, table: str, fields: Sequence[Field]) -> None:
    for name in report.answer["files"]:
        report.note(f"written: {name}")
    if fields:
        report.note("next: review it, then migrate; the next ingest fills the columns")
    else:
        report.note(f"dbo.{table} has a column for every field that can have one")
