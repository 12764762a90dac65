"""What a fetch means for a table: records and the table's columns → rows to insert or update, and who is rejected why.

Pure. Values are brought to one form a type, so that what HR says and what the table holds can be compared exactly:
text by code point, times to the precision the column keeps, numbers as numbers.
"""

import functools
import re
import struct
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from provisioning import spelling
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

_INTEGERS = {
    "bit": (0, 1),
    "tinyint": (0, 2**8 - 1),
    "smallint": (-(2**15), 2**15 - 1),
    "int": (-(2**31), 2**31 - 1),
    "bigint": (-(2**63), 2**63 - 1),
}
_TEXTS = ("varchar", "nvarchar", "char", "nchar")
_DECIMALS = ("decimal", "numeric", "money", "smallmoney")
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ]00:00(?::00(?:\.0+)?)?(?:Z|[+-]00:?00)?)?", re.ASCII)
_TIME = re.compile(r"(\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?", re.ASCII)
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ]([\d:.]+)(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)


@dataclass(frozen=True)
class Column:
    """A column as the database's catalogue describes it; `length` in UTF-16 units or bytes, -1 for max."""

    name: str
    type: str
    length: int = 0
    precision: int = 0
    scale: int = 0
    nullable: bool = True
    writable: bool = True
    code_page: int = 1252

    @property
    def declaration(self) -> str:
        """The type as T-SQL writes it."""
        if self.type in _TEXTS:
            return f"{self.type}({'max' if self.length < 0 else self.length})"
        if self.type in ("datetime2", "time"):
            return f"{self.type}({self.scale})"
        if self.type in ("decimal", "numeric"):
            return f"{self.type}({self.precision or 18}, {self.scale})"
        return self.type

    @property
    def read_as_text(self) -> bool:
        """Whether a driver would cut its values, so that they are read as text."""
        return self.type in ("datetime2", "time")


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
    def key_form(self) -> Callable[[Any], Any]:
        """What brings a key to its form."""
        return form(self.key)

    def read(self, cells: Sequence[Any], row: Values | None = None) -> Values:
        """A row of the table as the database gave it, in the same forms; `row` itself where it is no other."""
        if row is not None and list(row) == self.names:
            given = tuple(row.values())
            if given == cells or given == tuple(map(_as_text, cells)):
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

    def take(self, records: Iterable[Any]) -> list[Values]:
        """The rows of a page that the table can hold, under the key the table spells; the others are rejected."""
        return [row for record in records if (row := self._row(record)) is not None]

    def changes(self, rows: list[Values], held: Mapping[str, Values]) -> list[tuple[bool, Values]]:
        """Those rows that differ from what the table holds, each with whether it is new."""
        changed = []
        for row in rows:
            before = held.get(str(row[self.table.key.name]))
            if before is None:
                self.inserted += 1
                changed.append((True, row))
            elif before == row:
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
        if self.table.key.type in _TEXTS:
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


def typed(value: Any, column: Column) -> Any:
    """A value in the one form of its column's type, None included. Raises ValueError, which never tells the value."""
    if value is None or (value == "" and column.type not in _TEXTS):
        if not column.nullable:
            raise ValueError("is empty, and the column needs a value")
        return None
    if isinstance(value, list):
        raise ValueError("is a list; a column holds one value")
    if column.type in _INTEGERS:
        return _integer(value, *_INTEGERS[column.type])
    form = _FORMS.get(column.type)
    if form is None:
        raise ValueError(f"the ingest does not fill columns of type {column.type}")
    return form(value, column)


def form(column: Column) -> Callable[[Any], Any]:
    """`typed` for one column, made once: the usual value of its type is taken at a glance, any other looked into."""
    make = _USUAL.get(column.type)
    return make(column) if make else lambda value: typed(value, column)


def held(value: Any, column: Column) -> Any:
    """What the database gave for a column, in the same form. What cannot be read counts as different from anything."""
    if value is None or (type(value) is str and column.type in ("varchar", "nvarchar")):
        return value
    if type(value) is int and column.type in _INTEGERS:
        return value
    try:
        return typed(int(value) if isinstance(value, bool) else _plain(value), column)
    except ValueError:
        return (value,)


def _as_text(cell: Any) -> Any:
    """A cell as it is kept here where its form is the driver's text of it: dates and numbers of SQL Server."""
    return str(cell) if type(cell) in (date, Decimal) else cell


def _plain(value: Any) -> Any:
    return (
        value.isoformat(sep=" ")
        if isinstance(value, datetime)
        else value.isoformat()
        if isinstance(value, date)
        else value
    )


def _usual_text(column: Column) -> Callable[[Any], Any]:
    most = column.length if column.length >= 0 else sys.maxsize

    def formed(value: Any) -> Any:
        if type(value) is str and len(value) <= most and value.isascii() and "\0" not in value:
            return value
        return typed(value, column)

    return formed


def _usual_integer(column: Column) -> Callable[[Any], Any]:
    least, most = _INTEGERS[column.type]

    def formed(value: Any) -> Any:
        return value if type(value) is int and least <= value <= most else typed(value, column)

    return formed


def _usual_bit(column: Column) -> Callable[[Any], Any]:
    def formed(value: Any) -> Any:
        return int(value) if value is True or value is False else typed(value, column)

    return formed


def _usual_date(column: Column) -> Callable[[Any], Any]:
    def formed(value: Any) -> Any:
        dashed = type(value) is str and len(value) == 10 and value[4] == value[7] == "-"
        return value if dashed and _exists(date, value) else typed(value, column)

    return formed


def _usual_moment(column: Column) -> Callable[[Any], Any]:
    digits = column.scale
    if not digits:
        return lambda value: typed(value, column)
    written = re.compile(rf"(\d{{4}}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d{{1,{digits}}}))?Z?", re.ASCII)

    def formed(value: Any) -> Any:
        match = written.fullmatch(value) if type(value) is str else None
        if match is None:
            return typed(value, column)
        day, clock, fraction = match.groups("")
        moment = f"{day} {clock}"
        return f"{moment}.{fraction:0<{digits}}" if _exists(datetime, moment) else typed(value, column)

    return formed


def _exists(kind: type[date], text: str) -> bool:
    """Whether the calendar has such a day, or such a second."""
    try:
        kind.fromisoformat(text)
    except ValueError:
        return False
    return True


_USUAL: Mapping[str, Callable[[Column], Callable[[Any], Any]]] = {
    "varchar": _usual_text,
    "nvarchar": _usual_text,
    **dict.fromkeys(_INTEGERS, _usual_integer),
    "bit": _usual_bit,
    "date": _usual_date,
    "datetime2": _usual_moment,
}


def _text(value: Any, column: Column) -> str:
    text = ("true" if value else "false") if isinstance(value, bool) else str(value)
    if "\0" in text:
        raise ValueError("has a NUL character")
    wide = column.type in ("nvarchar", "nchar")
    if text.isascii() and (column.length < 0 or len(text) <= column.length):
        return text.rstrip(" ") if column.type in ("char", "nchar") else text
    try:
        size = len(text.encode("utf-16-le")) // 2
    except UnicodeEncodeError:
        raise ValueError("is not valid Unicode") from None
    if not wide:
        try:
            size = len(text.encode("utf-8" if column.code_page == 65001 else f"cp{column.code_page}"))
        except (UnicodeEncodeError, LookupError):
            raise ValueError(f"has letters that a {column.type} column of code page {column.code_page} loses") from None
    if 0 <= column.length < size:
        raise ValueError(f"{size} {'characters' if wide else 'bytes'}, the column holds {column.length}")
    return text.rstrip(" ") if column.type in ("char", "nchar") else text


def _integer(value: Any, least: int, most: int) -> int:
    if isinstance(value, bool):
        value = int(value) if most == 1 else None
    if isinstance(value, str):
        word = {"true": "1", "false": "0"}.get(value.lower(), value) if most == 1 else value
        value = int(word) if re.fullmatch(r"[+-]?\d{1,19}", word.strip(), re.ASCII) else None
    if isinstance(value, Decimal | float):
        exact = Decimal(value)
        whole = exact.is_finite() and exact.adjusted() < 20 and exact == exact.to_integral_value()
        value = int(exact) if whole else None
    if not isinstance(value, int):
        raise ValueError("is not true or false" if most == 1 else "is not a whole number")
    if not least <= value <= most:
        raise ValueError(f"is outside {least} to {most}")
    return value


def _date(value: Any, _column: Column) -> str:
    match = _DATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if not match:
        raise ValueError("is not a date (YYYY-MM-DD, without a time of day)")
    return _day(match[1]).isoformat()


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("is a date that does not exist") from None


def _time(value: Any, column: Column) -> str:
    match = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if not match:
        raise ValueError("is not a time of day")
    return _moment(f"2000-01-01T{value.strip()}", column).partition(" ")[2]


def _moment(value: Any, column: Column) -> str:
    """A time in UTC with as many digits as the column keeps; one without an offset stays as it is."""
    match = _MOMENT.fullmatch(value.strip()) if isinstance(value, str) else None
    clock = _TIME.fullmatch(match[2] or "00:00:00") if match else None
    if not match or not clock:
        raise ValueError("is not a date and time (ISO 8601)")
    hours, seconds, fraction = clock[1], clock[2] or "00", (clock[3] or "").ljust(9, "0")
    ticks, rest = divmod(int(fraction), 10 ** (9 - column.scale))
    ticks += rest * 2 >= 10 ** (9 - column.scale)
    carried, ticks = divmod(ticks, 10**column.scale)
    text = f"{_day(match[1])} {hours}:{seconds}"
    try:
        moment = datetime.fromisoformat(f"{text}{_offset(match[3])}")
        if carried or moment.utcoffset():
            moment = moment.astimezone(UTC) + timedelta(seconds=carried)
            text = moment.strftime("%Y-%m-%d %H:%M:%S").rjust(19, "0")
    except (ValueError, OverflowError):
        raise ValueError("is a time that does not exist") from None
    return f"{text}.{ticks:0{column.scale}}" if column.scale else text


def _offset(text: str | None) -> str:
    return "+00:00" if text in (None, "Z") else str(text)


def _decimal(value: Any, column: Column) -> str:
    scale = 4 if "money" in column.type else column.scale
    try:
        exact = Decimal(str(value)) if not isinstance(value, bool) else None
        rounded = exact.quantize(Decimal(1).scaleb(-scale)) if exact is not None else None
    except (InvalidOperation, ValueError):
        rounded = None
    if rounded is None or not rounded.is_finite():
        raise ValueError("is not a number")
    if len(rounded.as_tuple().digits) > (column.precision or 18):
        raise ValueError(f"has more digits than {column.declaration} holds")
    return str(rounded)


def _float(value: Any, column: Column) -> float:
    try:
        number = _finite(float(value) if not isinstance(value, bool) else float("nan"))
        return _finite(struct.unpack("f", struct.pack("f", number))[0]) if column.type == "real" else number
    except (ValueError, OverflowError, struct.error, TypeError):
        raise ValueError("is not a number") from None


def _finite(number: float) -> float:
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError
    return number


def _guid(value: Any, _column: Column) -> str:
    try:
        return str(uuid.UUID(str(value))).upper()
    except ValueError:
        raise ValueError("is not a uniqueidentifier") from None


_FORMS: Mapping[str, Callable[[Any, Column], Any]] = {
    **dict.fromkeys(_TEXTS, _text),
    **dict.fromkeys(_DECIMALS, _decimal),
    "date": _date,
    "time": _time,
    "datetime2": _moment,
    "float": _float,
    "real": _float,
    "uniqueidentifier": _guid,
}
