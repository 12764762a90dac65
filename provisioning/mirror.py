"""What a fetch means for a table: records and the table's columns → rows to insert or update, and who is rejected why.

Pure. What HR says is brought to the form that the table's values have (`columns`), so that they are compared exactly.
"""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from provisioning import spelling
from provisioning.columns import TEXTS, Column, as_text, form, forms, held
from provisioning.spelling import Spelling

Record = Mapping[str, Any]
Values = dict[str, Any]

VANISHED_FIELD_ROWS, VANISHED_MAPPED_ROWS = 10, 1
"""A field that no record has any more may empty its column for so many rows, or for one where the mapping uses it
(an API may leave out what nobody has); above that HR's answer is not believed."""

RETYPED_TENTHS, RETYPED_ROWS = 9, 10
"""A column that the mapping uses is taken for retyped where so many tenths of its values do not fit it any more: more
than one, and more than ten or half of the records, since two bad leave dates in a large company are two bad records."""

MOST_TOLD = 500
"""So many rejected records are kept with their reasons; beyond that they are counted."""

LONGEST_WORD, LONGEST_KEY = 64, 900
"""Characters of a key or a field's name that are told, and by which keys that fit no column are told apart."""

ROWS_ALIKE = 250
"""So many records are looked at column by column; where one of them is unlike the others, each by itself."""


@dataclass(frozen=True)
class Table:
    """A table of the mirror: its name, key and writable columns."""

    name: str
    key: Column
    columns: tuple[Column, ...]

    def column(self, field_name: str) -> Column | None:
        """The column for a field, without regard to case."""
        return self.as_spelled[field_name]

    @functools.cached_property
    def as_spelled(self) -> "_Columns":
        """Columns by the names of fields: a company is millions of fields under a few dozen names."""
        return _Columns(self._by_name)

    @functools.cached_property
    def forms(self) -> tuple[tuple[str, bool, Callable[[Any], Any]], ...]:
        """Each column's name, whether it may be null, and what brings a value to its form."""
        return tuple((c.name, c.nullable, form(c)) for c in self.columns)

    @functools.cached_property
    def together(self) -> tuple[tuple[str, Callable[[Sequence[Any]], Sequence[Any]]], ...]:
        """Each column's name, and what brings the values of many records to their form."""
        return tuple((c.name, forms(c)) for c in self.columns)

    @functools.cached_property
    def key_form(self) -> Callable[[Any], Any]:
        """What brings a key to its form."""
        return form(self.key)

    def read(self, cells: Sequence[Any], row: Values | None = None) -> Values:
        """A row of the table as the database gave it, in the same forms; `row` itself where it is no other."""
        if row is not None and list(row) == self.names:
            given = tuple(row.values())
            if given == cells or given == tuple(map(as_text, cells)):
                return row
        return {c.name: held(cell, c) for c, cell in zip(self.columns, cells, strict=True)}

    @functools.cached_property
    def names(self) -> list[str]:
        """The columns' names."""
        return [c.name for c in self.columns]

    @functools.cached_property
    def _by_name(self) -> dict[str, Column]:
        return {c.name.casefold(): c for c in self.columns}


class _Columns(dict[str, Column | None]):
    """The columns of fields as HR spells them, found without regard to case when a spelling is met first."""

    def __init__(self, by_name: Mapping[str, Column]) -> None:
        self._by_name = by_name

    def __missing__(self, field_name: str) -> Column | None:
        found = self._by_name.get(field_name.casefold())
        if found is not None:
            self[field_name] = found
        return found


@dataclass(frozen=True)
class Rejected:
    """A record that is not written; `key` is None where it has none, `line` where it is in no file of lines.

    Reasons name columns, never values.
    """

    table: str
    key: str | None
    reasons: tuple[str, ...]
    line: int | None = None

    @property
    def name(self) -> str:
        """What to call it by."""
        return (self.key or "(no key)") + ("" if self.line is None else f" (line {self.line})")


@dataclass
class Fetch:
    """What has been seen of one endpoint so far, page by page."""

    table: Table
    held_keys: Mapping[str, str]
    spelling: Spelling = spelling.AS_IT_COMES
    fetched: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    keyless: int = 0
    rejections: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    unknown_fields: set[str] = field(default_factory=set)
    gives_source: bool = False
    """Whether the records have a field of their own for the column that says of which HR system a row is."""
    seen: set[str] = field(default_factory=set)
    _fields: set[str] = field(default_factory=set)
    _emptied: dict[str, int] = field(default_factory=dict)
    _fitting: list[int] = field(default_factory=list)
    _unfit: dict[str, int] = field(default_factory=dict)

    def take(self, records: Sequence[Any]) -> list[Values]:
        """The rows of a page that the table can hold, under the key the table spells; the others are rejected."""
        rows: list[Values] = []
        for at in range(0, len(records), ROWS_ALIKE):
            some = records[at : at + ROWS_ALIKE]
            found = self._together(some)
            rows += [row for record in some if (row := self._row(record)) is not None] if found is None else found
        return rows

    def changes(self, rows: list[Values], held: Mapping[str, Values]) -> list[tuple[bool, Values]]:
        """Those rows that differ from what the table holds, each with whether it is new."""
        changed = []
        for row in rows:
            before = held.get(str(row[self.table.key.name]))
            if before is None:
                self.inserted += 1
                changed.append((True, row))
            elif before is row or before == row:
                self.unchanged += 1
            else:
                self.updated += 1
                self._count_emptied(before, row)
                changed.append((False, row))
        return changed

    def kept(self, row: Values, before: Values) -> Values:
        """A row that keeps what HR's answer did not mention (for a single record, where a gap proves nothing)."""
        return {name: value if name in self._fields else before[name] for name, value in row.items()}

    @property
    def distinct(self) -> int:
        """How many records there were, not counting second ones with one key."""
        return len(self.seen) + self.keyless

    def vanished_fields(self, mapped: Callable[[str], bool]) -> list[str]:
        """Columns that would lose their values because no record has the field any more; `mapped`: sent onwards."""
        lost = {
            name
            for name, rows in self._emptied.items()
            if rows > (VANISHED_MAPPED_ROWS if mapped(name) else VANISHED_FIELD_ROWS)
        }
        return sorted(lost - self._fields)

    def unseen(self, mapped: Callable[[str], bool]) -> list[str]:
        """Columns that the mapping uses and of which no record had the field."""
        return sorted(c.name for c in self.table.columns if c.name not in self._fields and mapped(c.name))

    def retyped_fields(self, mapped: Callable[[str], bool]) -> list[str]:
        """Columns of which (nearly) no value fits, each with how many of how many; the key, and what is `mapped`."""
        fitting = dict(zip((c.name for c in self.table.columns), self._fitting, strict=False))
        return [
            f"{name} ({wrong} of {wrong + fitting.get(name, 0)})"
            for name, wrong in sorted(self._unfit.items())
            if wrong * 10 >= (wrong + fitting.get(name, 0)) * RETYPED_TENTHS
            and wrong > 1
            and (wrong > RETYPED_ROWS or wrong * 2 >= self.fetched)
            and (name == self.table.key.name or mapped(name))
        ]

    def repeats(self, rows: int, before: int) -> bool:
        """Whether a page of that many records brought nobody new (`before`: how many were seen when it came)."""
        return rows > 1 and self.distinct == before

    def absent(self) -> list[str]:
        """Keys that the table holds and this fetch did not have."""
        return [stored for canonical, stored in self.held_keys.items() if canonical not in self.seen]

    def _together(self, records: Sequence[Any]) -> list[Values] | None:
        """The rows of records that have the same fields, where nothing is wrong with any of them; else None.

        What `_row` makes of each of them, and in a fraction of the time.
        """
        try:
            fields = by_field(records)
        except RecursionError:
            return None
        sorted_out = None if fields is None else self._by_column(fields)
        if sorted_out is None:
            return None
        given, unknown = sorted_out
        nothing = [None] * len(records)
        if not _UNKEYED.isdisjoint(map(type, given.get(self.table.key.name, nothing))):
            return None
        try:
            cells = [formed(given.get(name, nothing)) for name, formed in self.table.together]
        except ValueError:
            return None
        place = self.table.names.index(self.table.key.name)
        keys = [canonical_key(key) for key in cells[place]]
        seen = set(keys)
        if len(seen) < len(records) or "" in seen or not seen.isdisjoint(self.seen):
            return None
        if self.table.key.type in TEXTS:
            cells[place] = list(map(self.held_keys.get, keys, cells[place]))
        self.fetched += len(records)
        self.seen |= seen
        self._note_fields(given, unknown, len(records))
        return [dict(zip(self.table.names, row, strict=True)) for row in zip(*cells, strict=True)]

    def _by_column(self, fields: "Fields") -> tuple["Fields", "Fields"] | None:
        """The values of columns, and those of fields without one; None where each record must be looked at."""
        given: dict[str, Sequence[Any]] = {}
        unknown: dict[str, Sequence[Any]] = {}
        respelled, source = self.spelling.respelled, self._source_column
        for name, values in self.spelling.columns(fields):
            column = self.table.as_spelled[name]
            if column is None:
                unknown[name] = values
                continue
            if column.name in given or column is source:
                return None
            given[column.name] = values
            if column.type in respelled:
                try:
                    given[column.name] = [self.spelling.meant(value, column.type) for value in values]
                except ValueError:
                    return None
        if source:
            given[source.name] = [self.spelling.source] * len(next(iter(fields.values()), ()))
        return given, unknown

    def _note_fields(self, given: "Fields", unknown: "Fields", count: int) -> None:
        """Which fields so many records had, and which columns got values."""
        self._fields.update(given)
        self._fitting = self._fitting or [0] * len(self.table.columns)
        for place, name in enumerate(self.table.names):
            if name in given:
                self._fitting[place] += count - given[name].count(None)
        for name, values in unknown.items():
            self._note_unknown(name, next((value for value in values if value is not None), None))

    def _row(self, record: Any) -> Values | None:
        self.fetched += 1
        if not isinstance(record, Mapping):
            self.keyless += 1
            self._reject(record, None, ["the record is not an object"])
            return None
        try:
            values, reasons = self._values(flatten(record))
        except RecursionError:
            values, reasons = {}, ["the record is nested too deeply"]
        key = values.get(self.table.key.name)
        canonical = self._canonical(key)
        if not canonical:
            self.keyless += 1
            self._count_unfit(self.table.key.name)
            self._reject(record, None, [f"{self.table.key.name} is missing", *reasons])
            return None
        if canonical in self.seen:
            self._reject(record, str(key), ["a second record with this key", *reasons])
            return None
        self.seen.add(canonical)
        row, wrong = self._typed(values)
        if reasons or wrong:
            self._reject(record, str(key), reasons + wrong)
            return None
        if self.table.key.type in TEXTS:
            row[self.table.key.name] = self.held_keys.get(canonical, row[self.table.key.name])
        return row

    def _canonical(self, key: Any) -> str:
        """A key as it is compared, in the form of its column where it has it: 007 is 7 in a column of numbers."""
        canonical = canonical_key(key)
        if not canonical:
            return ""
        try:
            formed = self.table.key_form(key)
        except ValueError:
            return canonical[:LONGEST_KEY]
        return canonical if formed is key else canonical_key(formed)

    def _values(self, fields: Iterable[tuple[str, Any]]) -> tuple[Values, list[str]]:
        values: Values = {}
        reasons = []
        columns, respelled = self.table.as_spelled, self.spelling.respelled
        for name, value in self.spelling.fields(fields):
            column = columns[name]
            if column is None:
                self._note_unknown(name, value)
                continue
            if column is self._source_column:
                self.gives_source = True
                continue
            if column.type in respelled:
                try:
                    value = self.spelling.meant(value, column.type)
                except ValueError as exc:
                    reasons.append(f"{column.name}: {exc}")
                    self._count_unfit(column.name)
                    value = None
            if column.name in values and values[column.name] != value:
                reasons.append(f"{column.name}: two fields give different values for it")
            else:
                values[column.name] = value
        if self._source_column:
            values[self._source_column.name] = self.spelling.source
        self._fields.update(values)
        return values, reasons

    @functools.cached_property
    def _source_column(self) -> Column | None:
        return self.table.column(self.spelling.source_column)

    def _note_unknown(self, name: str, value: Any) -> None:
        prefix = f"{name}_".casefold()
        if value is None and any(c.name.casefold().startswith(prefix) for c in self.table.columns):
            return
        if len(self.unknown_fields) < MOST_TOLD:
            self.unknown_fields.add(told(name))

    def _typed(self, values: Values) -> tuple[Values, list[str]]:
        row: Values = {}
        reasons = []
        fitting = self._fitting = self._fitting or [0] * len(self.table.columns)
        for place, (name, nullable, formed) in enumerate(self.table.forms):
            value = values.get(name)
            if value is None and nullable:
                row[name] = None
                continue
            try:
                row[name] = formed(value)
            except ValueError as exc:
                reasons.append(f"{name}: {exc}")
                self._count_unfit(name)
            else:
                fitting[place] += 1
        return row, reasons

    def _count_unfit(self, name: str) -> None:
        """A value does not fit its column, or there is none where the column needs one."""
        self._unfit[name] = self._unfit.get(name, 0) + 1

    def _reject(self, record: Any, key: str | None, reasons: list[str]) -> None:
        self.rejections += 1
        if len(self.rejected) < MOST_TOLD:
            name, line = None if key is None else told(key), getattr(record, "line", None)
            self.rejected.append(Rejected(self.table.name, name, tuple(reasons), line))

    def _count_emptied(self, before: Values, row: Values) -> None:
        for name, value in before.items():
            if value is not None and row[name] is None:
                self._emptied[name] = self._emptied.get(name, 0) + 1


Fields = Mapping[str, Sequence[Any]]
"""The values that many records have of each field."""

_UNKEYED = frozenset((type(None), bool, list))
"""What is no key."""


def by_field(records: Sequence[Any]) -> Fields | None:
    """Fields of many records, as `flatten` names them; None where the records do not all have the same.

    An object that is null in some of them is a field of its own, too, which is null.
    """
    if not all(issubclass(kind, dict) for kind in set(map(type, records))) or len(set(map(tuple, records))) != 1:
        return None
    found: dict[str, Sequence[Any]] = {}
    for name, values in zip(records[0], zip(*map(dict.values, records), strict=True), strict=True):
        has_objects = any(issubclass(kind, dict) for kind in set(map(type, values)))
        fields = _of_objects(name, values) if has_objects else {name: values}
        if fields is None or not found.keys().isdisjoint(fields):
            return None
        found.update(fields)
    return found


def _of_objects(name: str, values: Sequence[Any]) -> Fields | None:
    """The same for the objects that one field holds, or null."""
    inner = by_field([value for value in values if value is not None])
    if not inner:
        return None
    if None not in values:
        return {f"{name}_{within}": parts for within, parts in inner.items()}
    found: dict[str, Sequence[Any]] = {name: [None] * len(values)}
    for within, parts in inner.items():
        left = iter(parts)
        found[f"{name}_{within}"] = [None if value is None else next(left) for value in values]
    return found


def flatten(record: Record) -> Iterable[tuple[str, Any]]:
    """Fields of a record, nested objects joined with `_`: {"Name": {"FirstName": …}} → Name_FirstName."""
    found: Values = {}
    nested = 0
    for name, value in record.items():
        if not isinstance(value, dict):
            found[name] = value
            continue
        if not value:
            return _walked(record, "")
        nested += len(value) - 1
        for inner, part in value.items():
            found[f"{name}_{inner}"] = part
            if isinstance(part, dict):
                return _walked(record, "")
    comes_once = len(found) == len(record) + nested
    return found.items() if comes_once else _walked(record, "")


def _walked(record: Record, prefix: str) -> list[tuple[str, Any]]:
    """The same for any record, every field as often as it is there."""
    found: list[tuple[str, Any]] = []
    for name, value in record.items():
        if isinstance(value, dict):
            found += _walked(value, f"{prefix}{name}_") if value else [(f"{prefix}{name}", None)]
        else:
            found.append((f"{prefix}{name}", value))
    return found


def canonical_key(value: Any) -> str:
    """A key as it is compared: SQL Server's usual collation tells neither case nor trailing blanks apart."""
    if value is None or isinstance(value, bool | list):
        return ""
    return str(value).rstrip(" ").casefold()


def told(word: str) -> str:
    """A key or a field's name as it may stand in a line of text: cut, and escaped where it would be no single line."""
    word = word[:LONGEST_WORD] + ("…" if len(word) > LONGEST_WORD else "")
    return word if word.isprintable() else ascii(word)[1:-1]
