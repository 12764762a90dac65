"""What a response looks like: its records → the columns of a table that holds them 1:1. Pure.

Only counts, lengths and types leave this module, never a value. A value that is looked at here is looked at as the
ingest looks at it (`mirror.flatten`, `columns.typed`), so that what was seen fits the table that is made for it.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from provisioning import columns, mirror
from provisioning.columns import Column
from provisioning.errors import WrongUsage
from provisioning.spelling import AS_IT_COMES, NUMBERED, Spelling

MOST_COLUMNS = 1000
"""SQL Server's tables hold 1,024."""

LONGEST_NAME = 63
"""Characters of a column's name: compatible servers cut longer ones."""

LONGEST_KEY_VALUE = 200
"""Characters of a key, as dbo.AbsentRecords holds it."""

MOST_WORDS = 100_000
"""So many different values of a field are compared with others'; of more only their number matters."""

_LENGTHS, _KEY_LENGTHS = (50, 100, 200, 400, 1000, 2000, 4000), (20, 50, 100, LONGEST_KEY_VALUE)
_PLAIN_NAME = re.compile(r"[\w$#@./:&+() -]+")
_DAY, _MOMENT = Column("", "date"), Column("", "datetime2", scale=7)
_DAY_WORDS = {"date", "day", "dob", "birthday", "on", "from", "to", "until", "start", "end"}
_CODE_WORDS = {
    *(
        "id",
        "uuid",
        "code",
        "number",
        "no",
        "nr",
        "num",
        "key",
        "ref",
        "account",
        "iban",
        "ssn",
        "pin",
        "badge",
        "card",
    ),
    *("phone", "telephone", "tel", "mobile", "fax", "ext", "extension", "zip", "zipcode", "postal", "postcode", "plz"),
    *("center", "centre", "grade", "room", "building"),
}
"""Words of names whose digits are no number: tomorrow's may begin with a zero, or have a letter."""

_EXACT_DIGITS = 28
_WHOLE = re.compile(r"-?(?:0|[1-9]\d{0,17})", re.ASCII)
_FRACTION = re.compile(r"-?(?:0|[1-9]\d{0,17})\.\d{1,9}", re.ASCII)
_TOKEN = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_]+")


@dataclass(frozen=True)
class Field:
    """A field of the response as a column; what was seen of it: in how many records, how long, which words."""

    column: Column
    filled: int
    longest: int
    distinct: int
    words: Mapping[str, int] = field(default_factory=dict, repr=False)
    addresses: int = 0

    @property
    def name(self) -> str:
        """The column's name, which is the field's."""
        return self.column.name


@dataclass(frozen=True)
class LeftOut:
    """A field that becomes no column, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class Shape:
    """A table for the records that were seen; `key` is one of its fields."""

    records: int
    key: Field
    fields: tuple[Field, ...]
    left_out: tuple[LeftOut, ...]


@dataclass
class _Seen:
    """What has been seen of one field so far."""

    name: str
    filled: int = 0
    kinds: set[str] = field(default_factory=set)
    longest: int = 0
    largest: int = 0
    whole_digits: int = 0
    decimals: int = 0
    clashes: bool = False
    truths: bool = True
    days: bool = True
    moments: bool = True
    times: bool = False
    addresses: int = 0
    words: dict[str, int] | None = field(default_factory=dict)

    spelling: Spelling = AS_IT_COMES
    texts: Spelling | None = None

    def take(self, value: Any) -> None:
        """One value. None and the empty text are none."""
        if value is None or value == "":
            return
        self.filled += 1
        self._note_kind(value)
        if isinstance(value, list):
            return
        text = ("true" if value else "false") if isinstance(value, bool) else str(value)
        self.longest = max(self.longest, _units(text))
        self.addresses += "@" in text
        if self.words is not None:
            word = mirror.canonical_key(text)
            self.words[word] = self.words.get(word, 0) + 1
            self.words = self.words if len(self.words) <= MOST_WORDS else None

    def _note_kind(self, value: Any) -> None:
        value = _as_number(self.texts, value) if self.texts and isinstance(value, str) else value
        if isinstance(value, bool | list):
            self.kinds.add(type(value).__name__)
        elif isinstance(value, int):
            self.kinds.add("int")
            self.largest = max(self.largest, abs(value))
            self.whole_digits = max(self.whole_digits, len(str(abs(value))))
        elif isinstance(value, Decimal | float):
            value = Decimal(str(value))
            self.kinds.add("decimal")
            self.whole_digits = max(self.whole_digits, value.adjusted() + 1, 1)
            self.decimals = max(self.decimals, -int(value.as_tuple().exponent))
        else:
            self.kinds.add("text")
            self._note_text(value)

    def _note_text(self, text: str) -> None:
        self.truths = self.truths and text.casefold() in ("true", "false")
        if self.days or self.moments:
            self.times = self.times or bool(re.search(r"\d[T ]\d", str(_spelled(self.spelling, text, _MOMENT))))
            self.days = self.days and _fits(_spelled(self.spelling, text, _DAY), _DAY)
            self.moments = self.moments and _fits(_spelled(self.spelling, text, _MOMENT), _MOMENT)


class Survey:
    """Looks at records, page by page; `shape` says what table holds them."""

    def __init__(self, spelling: Spelling = AS_IT_COMES, *, untyped: bool = False) -> None:
        """Nothing has been seen; `spelling`: how HR_SOURCE says the records are spelled.

        `untyped`: they come as texts, whatever they mean, and a number is what is written as one.
        """
        self.records = 0
        self._spelling = spelling
        dates = tuple(f for f in spelling.date_formats if f not in NUMBERED)
        self._texts = replace(spelling, date_formats=dates) if untyped else None
        self._seen: dict[str, _Seen] = {}
        self._alike: dict[str, str] = {}
        self._too_like: dict[str, str] = {}

    def take(self, records: Iterable[Any]) -> None:
        """Some more records; what is no object is passed over."""
        for record in records:
            if isinstance(record, Mapping):
                self.records += 1
                self._take(record)

    def columns(self) -> tuple[list[Field], list[LeftOut]]:
        """The fields that can be columns, and those that cannot."""
        kept, left_out = self._kept()
        return [_as_field(seen) for seen in kept], left_out

    def shape(self, key: str | None, table: str) -> Shape:
        """The table for what was seen. `key`: the field that tells records apart, guessed where there is none.

        Raises WrongUsage where that cannot be told, or the table would be too wide.
        """
        if not self.records:
            raise WrongUsage(f"{table}: there is no record to learn from.")
        kept, left_out = self._kept()
        if len(kept) > MOST_COLUMNS:
            raise WrongUsage(
                f"{table}: {len(kept)} fields, and a table holds {MOST_COLUMNS}; write its script by hand, with those "
                "you need. What has no column is not kept."
            )
        seen = self._key(kept, key, table)
        fields = tuple(_as_key(s) if s is seen else _as_field(s) for s in kept)
        return Shape(self.records, next(f for f in fields if f.name == seen.name), fields, tuple(left_out))

    def _take(self, record: Mapping[str, Any]) -> None:
        mine: dict[str, Any] = {}
        for name, value in self._fields(record):
            folded = name.casefold()
            if self._alike.setdefault(unicodedata.normalize("NFKC", folded).casefold(), folded) != folded:
                self._too_like[name] = "another field's name is the same to a database"
                continue
            seen = self._seen.setdefault(folded, _Seen(name, spelling=self._spelling, texts=self._texts))
            if folded in mine:
                seen.clashes = seen.clashes or mine[folded] != value
                continue
            mine[folded] = value
            seen.take(value)

    def _fields(self, record: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """What is looked at in a record, and what HR_SOURCE puts beside it: the name of the HR system."""
        column = self._spelling.source_column
        for name, value in self._spelling.fields(mirror.flatten(record)):
            if column and name.casefold() == column.casefold():
                raise WrongUsage(
                    f"HR's records have a field {column}, which is the source_column; take another column."
                )
            yield name, value
        if column:
            yield column, self._spelling.source

    def _kept(self) -> tuple[list[_Seen], list[LeftOut]]:
        kept, left_out = [], [LeftOut(name, why) for name, why in self._too_like.items()]
        for folded, seen in self._seen.items():
            if not seen.filled and any(other.startswith(f"{folded}_") for other in self._seen):
                continue  # the object itself, where it was null
            why = _unfit(seen)
            if why:
                left_out.append(LeftOut(seen.name, why))
            else:
                kept.append(seen)
        return kept, left_out

    def _key(self, kept: Sequence[_Seen], wanted: str | None, table: str) -> _Seen:
        if wanted is not None:
            found = next((s for s in kept if s.name.casefold() == wanted.replace(".", "_").casefold()), None)
            if found is None:
                raise WrongUsage(f"{table}: the records have no field {wanted} that could be the key.")
        else:
            found = min((s for s in kept if self._tells_apart(s)), key=lambda s: _keyness(s.name, table), default=None)
            if found is None:
                raise WrongUsage(f"{table}: no field is in every record and different in each; name one: --key FIELD.")
        if found.longest > LONGEST_KEY_VALUE:
            raise WrongUsage(f"{table}: {found.name} is longer than {LONGEST_KEY_VALUE} characters; a key is not.")
        return found

    def _tells_apart(self, seen: _Seen) -> bool:
        unique = seen.words is not None and len(seen.words) == seen.filled == self.records
        return unique and seen.kinds <= {"int", "text"} and _keyness(seen.name, "")[0] < _NO_KEY


_KEY_WORDS = ("employeeid", "workerid", "personid", "id", "employeenumber", "staffid", "number", "code", "key", "uuid")
_NO_KEY = 2 * len(_KEY_WORDS)


def _keyness(name: str, table: str) -> tuple[int, int]:
    """How little a field's name looks like that of a table's key, and how long it is."""
    flat, own = flat_name(name), flat_name(table).removesuffix("s")
    if table and flat in (f"{own}id", f"{own}code", f"{own}number"):
        return -1, 0
    whole = (n for n, word in enumerate(_KEY_WORDS) if flat == word)
    ends = (n + len(_KEY_WORDS) for n, word in enumerate(_KEY_WORDS) if flat.endswith(word))
    return next(whole, next(ends, _NO_KEY)), len(flat)


def tokens(name: str) -> list[str]:
    """The words of a field's name, small: workEmail, work_email and WorkEMail are work, e-mail."""
    return [word.casefold() for word in _TOKEN.findall(name)]


def flat_name(name: str) -> str:
    """A field's name without case, blanks and signs."""
    return "".join(c for c in name.casefold() if c.isalnum())


def unfit_name(name: str) -> str | None:
    """Why a name does not become a column's, if so: what stands in a script must need no escaping at all."""
    if len(name) > LONGEST_NAME:
        return f"its name is longer than {LONGEST_NAME} characters"
    plain = _PLAIN_NAME.fullmatch(name) and name.isprintable() and name == name.strip()
    if not plain or "--" in name or "dbo." in name.casefold():
        return "its name has signs that do not belong into one"
    return None


def _unfit(seen: _Seen) -> str | None:
    if "list" in seen.kinds:
        return "holds lists; a column holds one value"
    if seen.clashes:
        return "two fields of one record give different values for it"
    return unfit_name(seen.name)


def _as_field(seen: _Seen) -> Field:
    return _field(seen, _column(seen))


def _as_key(seen: _Seen) -> Field:
    """A key is text, whatever it looks like: 007 is not 7, and tomorrow's may have a letter."""
    length = next(n for n in _KEY_LENGTHS if n >= min(2 * seen.longest, LONGEST_KEY_VALUE))
    return _field(seen, Column(seen.name, "nvarchar", length, nullable=False))


def _field(seen: _Seen, column: Column) -> Field:
    words = seen.words or {}
    return Field(column, seen.filled, seen.longest, len(words), words, seen.addresses)


def _column(seen: _Seen) -> Column:
    """The narrowest type that holds all that was seen, with room above it."""
    return _number(seen) or _truth_or_time(seen) or Column(seen.name, "nvarchar", _length(seen.longest))


def _number(seen: _Seen) -> Column | None:
    if seen.texts and _CODE_WORDS & set(tokens(seen.name)):
        return None
    if seen.kinds == {"int"} and seen.largest < 2**63:
        return Column(seen.name, "int" if seen.largest * 10 < 2**31 else "bigint")
    if "decimal" in seen.kinds and seen.kinds <= {"int", "decimal"}:
        scale = seen.decimals + 2
        if seen.whole_digits + 3 + scale <= _EXACT_DIGITS:
            return Column(seen.name, "decimal", precision=max(18, seen.whole_digits + 3 + scale), scale=scale)
    return None


def _truth_or_time(seen: _Seen) -> Column | None:
    if seen.kinds == {"bool"} or (seen.kinds == {"text"} and seen.truths):
        return Column(seen.name, "bit")
    if seen.kinds != {"text"}:
        return None
    words = tokens(seen.name)
    is_day = "time" not in words and bool(_DAY_WORDS & set(words))
    if seen.days and (is_day or not seen.times):
        return Column(seen.name, "date")
    return Column(seen.name, "datetime2", scale=7) if seen.moments else None


def _length(longest: int) -> int:
    """Twice what was seen, in steps; -1 for max."""
    return next((n for n in _LENGTHS if n >= 2 * max(longest, 1)), -1) if longest else 100


def _units(text: str) -> int:
    """UTF-16 units, as nvarchar counts; half a letter counts as one."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _spelled(spelling: Spelling, text: str, column: Column) -> Any:
    """A date or a time as the column gets it; what fits no column where it has two meanings."""
    try:
        return spelling.moment(text, column.type)
    except ValueError:
        return object()


def _as_number(spelling: Spelling, text: str) -> int | Decimal | str:
    """The number that a text is, where it is one and no date: not 007, +45 or 1e3."""
    if _spelled(spelling, text, _DAY) != text:
        return text
    try:
        number = str(spelling.number(text, "decimal")).strip()
    except ValueError:
        return text
    if _WHOLE.fullmatch(number):
        return int(number)
    return Decimal(number) if _FRACTION.fullmatch(number) else text


def _fits(value: Any, column: Column) -> bool:
    try:
        columns.typed(value, column)
    except ValueError:
        return False
    return True
