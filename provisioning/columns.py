"""Columns of the mirror's tables, and the one form that a value of each type has.

Pure. Text by code point, times to the precision the column keeps, numbers as numbers: so that what HR says and what the
table holds can be compared exactly.
"""

import re
import struct
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

_INTEGERS = {
    "bit": (0, 1),
    "tinyint": (0, 2**8 - 1),
    "smallint": (-(2**15), 2**15 - 1),
    "int": (-(2**31), 2**31 - 1),
    "bigint": (-(2**63), 2**63 - 1),
}
TEXTS = ("varchar", "nvarchar", "char", "nchar")
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
        if self.type in TEXTS:
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


def typed(value: Any, column: Column) -> Any:
    """A value in the one form of its column's type, None included. Raises ValueError, which never tells the value."""
    if value is None or (value == "" and column.type not in TEXTS):
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


def forms(column: Column) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """The same for this column of many records at once: the usual ones together, a text that comes often once.

    What it makes raises ValueError where one of the values does not fit.
    """
    one, together, may_be_none = form(column), _TOGETHER.get(column.type), column.nullable

    def formed(values: Sequence[Any]) -> Sequence[Any]:
        kinds = set(map(type, values))
        if not may_be_none and type(None) in kinds:
            raise ValueError("is empty, and the column needs a value")
        kinds.discard(type(None))
        if together and (found := together(values, kinds, column)) is not None:
            return found
        if kinds == {str}:
            each = {text: one(text) for text in set(values) if text is not None}
            return [None if text is None else each[text] for text in values]
        return [None if value is None else one(value) for value in values]

    return formed


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


def as_text(cell: Any) -> Any:
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

    def formed(value: Any) -> Any:
        if type(value) is not str or value[10:11] != "T" or not value.isascii():
            return typed(value, column)
        day, clock, fraction = value[:10], value[11:19], value[19:].removesuffix("Z")
        marked = day[4:5] == day[7:8] == "-" and clock[2:3] == clock[5:6] == ":" and len(clock) == 8
        fits = not fraction or (fraction[0] == "." and fraction[1:].isdigit() and len(fraction) <= digits + 1)
        moment = f"{day} {clock}"
        if not marked or not fits or not _exists(datetime, moment):
            return typed(value, column)
        return f"{moment}.{fraction[1:]:0<{digits}}"

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


def _plain_texts(values: Sequence[Any], kinds: Set[type], column: Column) -> Sequence[Any] | None:
    if not kinds <= {str}:
        return None
    whole = "".join(filter(None, values))
    fit = column.length < 0 or max(map(len, filter(None, values)), default=0) <= column.length
    return values if fit and whole.isascii() and "\0" not in whole else None


def _whole_numbers(values: Sequence[Any], kinds: Set[type], column: Column) -> Sequence[Any] | None:
    if not kinds <= {int}:
        return None
    numbers = [value for value in values if value is not None]
    least, most = _INTEGERS[column.type]
    return values if not numbers or (least <= min(numbers) and max(numbers) <= most) else None


def _bits(values: Sequence[Any], kinds: Set[type], column: Column) -> Sequence[Any] | None:
    return [None if value is None else int(value) for value in values] if kinds <= {bool} else None


_TOGETHER: Mapping[str, Callable[[Sequence[Any], Set[type], Column], Sequence[Any] | None]] = {
    "varchar": _plain_texts,
    "nvarchar": _plain_texts,
    **dict.fromkeys(_INTEGERS, _whole_numbers),
    "bit": _bits,
}
"""What takes values of these kinds (None among them) as they are, all together; None where it has to look at each."""


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
    **dict.fromkeys(TEXTS, _text),
    **dict.fromkeys(_DECIMALS, _decimal),
    "date": _date,
    "time": _time,
    "datetime2": _moment,
    "float": _float,
    "real": _float,
    "uniqueidentifier": _guid,
}
