"""How an HR system spells its records, and what that means: names, values that say "none", dates, times without a zone.

Pure. Comes before the table's typing, for the pages of an ingest and the single record of a resync alike.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

NUMBERED = ("unix", "unix_ms", "odata")
"""Formats that count from 1970: seconds, milliseconds, and OData v2's /Date(milliseconds)/."""

DATED = ("date", "datetime2")
NUMERIC = ("decimal", "numeric", "money", "smallmoney", "float", "real", "tinyint", "smallint", "int", "bigint")
"""Types of columns for which a value's spelling is looked at."""

_DIRECTIVES = set("YmdjHIMSfpzbBaA%")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = re.compile(r"[+-]?\d{1,16}(?:\.\d{1,9})?", re.ASCII)
_ODATA = re.compile(r"/Date\(([+-]?\d{1,16})(?:[+-]\d{4})?\)/", re.ASCII)
_MIDNIGHT = re.compile(r"T00:00:00(?:[+-]\d\d:\d\d)?$", re.ASCII)
_NAIVE = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(\.\d{1,9})?", re.ASCII)


def column_name(written: str) -> str:
    """A field's name as its column has it: Name.FirstName → Name_FirstName."""
    return written.replace(".", "_")


def wrong_format(text: str) -> str | None:
    """What is wrong with one of `date_formats`; None where nothing is."""
    if text in NUMBERED:
        return None
    directives = re.findall(r"%(.?)", text)
    if "y" in directives:
        return "must have the year in four digits, %Y: %y tells no century"
    if not set(directives) <= _DIRECTIVES:
        return "must hold only %Y %m %d %j %b %B %a %A %H %I %p %M %S %f %z"
    day = "j" in directives or ("d" in directives and bool(set("mbB") & set(directives)))
    if "Y" not in directives or not day or len(set(directives)) != len(directives):
        return "must hold a year, a month and a day once each, such as %d.%m.%Y, or be unix, unix_ms or odata"
    return None


@dataclass(frozen=True)
class Spelling:
    """What HR_SOURCE says about the records of one resource; by default they are taken as they come."""

    select: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict)
    null_values: tuple[str | int | float, ...] = ()
    date_formats: tuple[str, ...] = ()
    time_zone: ZoneInfo | None = None
    decimal_separator: str | None = None
    key_prefix: str = ""
    key_columns: tuple[str, ...] = ()
    """Columns that hold keys of this HR system, the table's own among them: they get `key_prefix`."""
    source_column: str = ""
    source: str = ""
    """What `source_column` says in every row."""

    def fields(self, flattened: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
        """The fields that are looked at, by the names of their columns; "none" as None."""
        if self.select or self.rename or self.null_values:
            named = ((self._renamed.get(n.casefold(), n), value) for n, value in flattened if self._selected(n))
            flattened = ((name, self._none(value)) for name, value in named)
        if self.key_prefix:
            flattened = ((name, self._prefixed(name, value)) for name, value in flattened)
        return iter(flattened)

    def columns(self, fields: Mapping[str, Sequence[Any]]) -> Iterator[tuple[str, Sequence[Any]]]:
        """The same for many records that have the same fields, of which each has its values."""
        for name, values in fields.items():
            if not self._selected(name):
                continue
            column = self._renamed.get(name.casefold(), name)
            given = [self._none(value) for value in values] if self.null_values else values
            if self.key_prefix and column.casefold() in self._key_columns:
                given = [self._prefixed(column, value) for value in given]
            yield column, given

    @property
    def respelled(self) -> tuple[str, ...]:
        """Types of columns whose values may have to be written otherwise; by default none."""
        dated = bool(self.date_formats) or self.time_zone is not None
        return (*(DATED if dated else ()), *(NUMERIC if self.decimal_separator else ()))

    def meant(self, value: Any, column_type: str) -> Any:
        """What HR's spelling of a value means for a column of this type. Raises ValueError, which never tells it."""
        return self.moment(value, column_type) if column_type in DATED else self.number(value, column_type)

    def number(self, value: Any, column_type: str) -> Any:
        """A number that is written as text with the decimal_separator, as JSON has it. Anything else as it is.

        The other signs may group thousands: 1.234,5 and 1 234,5 where the separator is a comma. Raises ValueError.
        """
        text = value.strip() if isinstance(value, str) and column_type in NUMERIC and self.decimal_separator else ""
        if not text:
            return value
        match = self._numbers.fullmatch(text)
        if match is None:
            raise ValueError(f"is not a number with {self.decimal_separator} as decimal_separator")
        return re.sub("[^0-9+-]", "", match[1]) + (f".{match[2]}" if match[2] else "")

    def moment(self, value: Any, column_type: str) -> Any:
        """A date or a time as ISO 8601 has it, where HR writes it otherwise or without its zone.

        Anything else as it is. Raises ValueError, which never tells the value.
        """
        if column_type not in DATED or value is None or isinstance(value, bool):
            return value
        found = {text for how in self._readers if (text := how(value)) is not None}
        if len(found) > 1:
            raise ValueError("fits two of the date_formats, with different meanings")
        if not found:
            return value if column_type == "date" else self._zoned(value)
        text = found.pop()
        return _MIDNIGHT.sub("", text) if column_type == "date" else self._zoned(text)

    def _selected(self, name: str) -> bool:
        folded = name.casefold()
        if not self.select or folded in self._renamed:
            return True
        return any(folded == s or folded.startswith(s + "_") for s in self._selection)

    @cached_property
    def _selection(self) -> tuple[str, ...]:
        return tuple(column_name(name).casefold() for name in self.select)

    @cached_property
    def _renamed(self) -> dict[str, str]:
        return {column_name(name).casefold(): column for name, column in self.rename.items()}

    def _none(self, value: Any) -> Any:
        plain = value.strip() if isinstance(value, str) else value
        said = isinstance(value, str | int | float | Decimal) and not isinstance(value, bool)
        return None if said and plain in self.null_values else value

    def _prefixed(self, name: str, value: Any) -> Any:
        """A key as no other HR system has it; none at all stays none."""
        is_key = name.casefold() in self._key_columns and not isinstance(value, bool | list | dict)
        return f"{self.key_prefix}{value}" if is_key and value is not None and str(value).strip() else value

    @cached_property
    def _key_columns(self) -> frozenset[str]:
        return frozenset(column.casefold() for column in self.key_columns)

    @cached_property
    def _readers(self) -> tuple[Callable[[Any], str | None], ...]:
        return tuple(_reader(text) for text in self.date_formats)

    @cached_property
    def _numbers(self) -> re.Pattern[str]:
        groups = f"[{'.' if self.decimal_separator == ',' else ','}' \u00a0\u202f\u2019]"
        return re.compile(rf"([+-]?(?:\d+|\d{{1,3}}(?:{groups}\d{{3}})+))(?:\{self.decimal_separator}(\d+))?", re.ASCII)

    def _zoned(self, value: Any) -> Any:
        """A time without an offset in UTC, where its zone is known; a bare date is no time, and stays."""
        match = _NAIVE.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None or self.time_zone is None:
            return value
        try:
            utc = datetime.fromisoformat(f"{match[1]}T{match[2]}").replace(tzinfo=self.time_zone).astimezone(UTC)
        except (ValueError, OverflowError):
            return value  # the column's own form says what is wrong with it
        return f"{utc.isoformat(timespec='seconds').removesuffix('+00:00')}{match[3] or ''}Z"


AS_IT_COMES = Spelling()


def _reader(text: str) -> Callable[[Any], str | None]:
    """What brings a value of this format to ISO 8601; None for a value of another."""
    if text in NUMBERED:
        return lambda value: _counted(value, text)
    has_time = bool(re.search("%[HI]", text))
    return lambda value: _parsed(value, text, has_time)


def _parsed(value: Any, text: str, has_time: bool) -> str | None:
    try:
        moment = datetime.strptime(value.strip(), text) if isinstance(value, str) else None  # noqa: DTZ007 - see _zoned
    except ValueError:
        return None
    if moment is None:
        return None
    return moment.isoformat() if has_time else moment.date().isoformat()


def _counted(value: Any, text: str) -> str | None:
    match = (_ODATA if text == "odata" else _NUMBER).fullmatch(str(value).strip())
    if match is None:
        return None
    number = Decimal(match[1] if text == "odata" else match[0])
    try:
        return (_EPOCH + timedelta(microseconds=int(number * (1_000_000 if text == "unix" else 1_000)))).isoformat()
    except OverflowError:
        return None


def written(moment: datetime, text: str, zone: ZoneInfo | None = None) -> str:
    """A moment as `since` wants it: unix, unix_ms, or a format of strftime.

    In UTC, or in `zone` where the format says no offset; a day earlier where it says no time, whose zone nobody knows.
    """
    if text in NUMBERED:
        seconds = (moment - _EPOCH) // timedelta(seconds=1)
        return str(seconds * (1 if text == "unix" else 1000))
    if not re.search("%[HI]", text):
        return (moment - timedelta(days=1)).strftime(text)
    local = zone is not None and "%z" not in text and not text.endswith("Z")
    return (moment.astimezone(zone) if local else moment.astimezone(UTC)).strftime(text)
