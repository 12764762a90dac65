"""Scripts that a person reviews: the table for a response, columns that it lacks, and a first mapping. Pure.

Names come from HR: only plain ones get here (`inference.unfit_name`), and each stands in brackets, which both engines
take. Comments hold names, types and counts; no value of anybody.
"""

from collections.abc import Iterable, Iterator, Sequence

from provisioning.columns import Column
from provisioning.inference import Field, LeftOut, Shape
from provisioning.mirror import told
from provisioning.recognition import GIVEN_NAME, Line, Recognised
from provisioning.rights import APP_ROLE

ERASER_ROLE = "provisioning_eraser"

_WIDEST = 118


def create_table(table: str, shape: Shape, *, sqlite: bool) -> str:
    """The script that makes a table for what was seen, and lets the app fill it."""
    head = [
        f"-- dbo.{table}, 1:1 with HR's response: made by infer-table from {_records(shape.records)}. Review it,",
        "-- then: python -m provisioning migrate",
        "-- Lengths are twice what was seen; a longer value is rejected, never cut. Say NOT NULL of what HR must give.",
    ]
    body = [f"CREATE TABLE dbo.{_quoted(table)} ("]
    for field in shape.fields:
        body.append(
            f"    {_declared(field.column, sqlite=sqlite)}, -- {_seen(field, shape.records, is_key=field is shape.key)}"
        )
    body += [f"    CONSTRAINT {_quoted(f'PK_{table}')} PRIMARY KEY ({_quoted(shape.key.name)})", ");", "GO"]
    lines = [*_wrapped(head), *_left_out(shape.left_out), *body]
    return _text(lines if sqlite else [*lines, *_grants(table)])


def add_columns(table: str, fields: Sequence[Field], records: int, *, sqlite: bool) -> str:
    """The script that adds columns for fields that appeared later."""
    lines = list(
        _wrapped([f"-- Fields of dbo.{table} that appeared later: made by add-columns. Review it before migrate."])
    )
    for field in fields:
        lines += [
            f"-- {_seen(field, records)}",
            f"ALTER TABLE dbo.{_quoted(table)} ADD {_declared(field.column, sqlite=sqlite)};",
            "GO",
        ]
    return _text(lines)


def mapping(table: str, recognised: Recognised) -> str:
    """A first dbo.ScimUsers over a table: what was recognised, and everything else as comments."""
    lines = list(
        _wrapped(
            [
                f"-- A first mapping of dbo.{table}: made by infer-table from its fields' names. Review every line,",
                "-- copy it over sql/mapping.sql, then: python -m provisioning migrate --mapping",
                *(f"-- Look at this: {remark}." for remark in recognised.remarks),
            ]
        )
    )
    lines += ["CREATE VIEW dbo.ScimUsers AS", "SELECT", ",\n".join(map(_selected, recognised.lines))]
    if recognised.others:
        lines.append(
            "    -- Not recognised, not sent. To send one, put it above these lines as: e.[…] AS 'the path it goes to'"
        )
        lines += [f"    -- e.{_quoted(field.name)}" for field in recognised.others]
    names = [line for line in recognised.lines if line.expression == GIVEN_NAME]
    joined = [f"LEFT JOIN dbo.UserNames AS u ON u.HeldBy = {_cast_key(line)}" for line in names]
    *tables, last = f"FROM dbo.{_quoted(table)} AS e", *joined
    return _text([*lines, *tables, f"{last};"])


def _cast_key(line: Line) -> str:
    """The key as text: names of dbo.UserNames are no numbers, and cannot be compared with one."""
    return f"CAST(e.{_quoted(line.fields[0].name)} AS nvarchar(64))"


def _selected(line: Line) -> str:
    expression = line.expression.format(*(f"e.{_quoted(f.name)}" for f in line.fields))
    control = line.column.isidentifier() and line.column[0].isupper()
    return f"    {expression} AS {line.column if control else _literal(line.column)}"


def _declared(column: Column, *, sqlite: bool) -> str:
    kind = f'"{column.declaration}"' if sqlite and column.length < 0 else column.declaration
    return f"{_quoted(column.name)} {kind} {'NULL' if column.nullable else 'NOT NULL'}"


def _seen(field: Field, records: int, *, is_key: bool = False) -> str:
    """What a reviewer wants to know of a column."""
    often = "in all" if field.filled == records else f"in {field.filled} of {records}"
    parts = [often if field.filled else "never with a value: its type is a guess"]
    if field.longest and field.column.type == "nvarchar":
        parts.append(f"up to {field.longest} characters")
    if is_key:
        parts.insert(0, "the key")
    elif field.filled == records:
        parts.append("NOT NULL?")
    return ", ".join(parts)


def _grants(table: str) -> Iterator[str]:
    for role in (APP_ROLE, ERASER_ROLE):
        yield f"IF DATABASE_PRINCIPAL_ID('{role}') IS NULL CREATE ROLE {role};"
        yield "GO"
    yield f"GRANT SELECT, INSERT, UPDATE ON dbo.{_quoted(table)} TO {APP_ROLE};"
    yield f"GRANT SELECT, DELETE ON dbo.{_quoted(table)} TO {ERASER_ROLE};"
    yield "GO"


def _left_out(left_out: Iterable[LeftOut]) -> Iterator[str]:
    for one in left_out:
        yield from _wrapped([f"-- No column for {told(one.name)}: {one.why}."])


def _wrapped(lines: Iterable[str]) -> Iterator[str]:
    """Comments that are short enough for the lint."""
    for line in lines:
        while len(line) > _WIDEST:
            at = line.rfind(" ", 0, _WIDEST)
            at = at if at > 3 else _WIDEST
            yield line[:at]
            line = f"-- {line[at:].lstrip()}"
        yield line


def _records(count: int) -> str:
    return "1 record" if count == 1 else f"{count} records"


def _quoted(name: str) -> str:
    return "[" + name.replace("]", "]]") + "]"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"
