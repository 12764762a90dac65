"""Delimited text (CSV): a file and its dialect → records, one at a time, so that its length costs no memory. Pure.

RFC 4180, with the line ends of any system, blank lines passed over, and another delimiter, quote or encoding where
HR_SOURCE says so. What does not fit ends the reading, by its line; nothing of the file is ever repeated.
"""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, TextIO

from provisioning import spelling
from provisioning.bodies import Refused

LONGEST_RECORD = 1024 * 1024
"""Characters: a delimiter that is another one, or a quote that is not closed, makes one record of a whole file."""

MOST_FIELDS = 2_000
"""A table holds 1,024 columns."""

_STEP = 256 * 1024
_UNREADABLE = "\ud800"
"""What takes the place of bytes that are no letters: half a letter, which no encoding lets through."""

_PREAMBLE = re.compile(r'"?sep=(.)"?\s*|#TYPE .*', re.IGNORECASE | re.DOTALL)
"""First lines that are none of the data: one for Excel, and one of Windows PowerShell's Export-Csv."""

_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class Dialect:
    """How a file is written. `quotechar`: None where nothing is quoted.

    `final_newline`: its last line ends with a line end; a file that does not was cut.
    """

    delimiter: str = ","
    encoding: str = "utf-8"
    quotechar: str | None = '"'
    final_newline: bool = True


class Record(dict[str, str | None]):
    """A record by the columns of the header, an empty field as None; `line` is where it begins."""

    __slots__ = ("line",)

    def __init__(self, fields: Iterator[tuple[str, str | None]], line: int) -> None:
        """Lines are counted from 1, the header's."""
        super().__init__(fields)
        self.line = line


@contextmanager
def read(file: BinaryIO, dialect: Dialect) -> Iterator[tuple[list[str], Iterator[Record]]]:
    """The columns that the header names, and the records, which are read as they are asked for.

    A dot in a name is as in a nested field of JSON. Raises Refused, also while records are read; its text follows
    "HR's CSV: ".
    """
    _check_encoding(file, dialect.encoding)
    file.seek(0)
    text = io.TextIOWrapper(file, _codec(dialect.encoding), _MARKING, newline="")
    try:
        lines = _Lines(text, dialect)
        rows = _Rows(lines, dialect)
        header = _header(lines, rows, dialect)
        yield [name for name in _names(header) if name], _records(rows, header)
    finally:
        if not file.closed:
            text.detach()


def guessed(head: bytes) -> Dialect:
    """The dialect of a file that nobody has described, by how it begins.

    UTF-16 where its mark says so, else UTF-8; the delimiter that its first line has most of.
    """
    encoding = "utf-16" if head.startswith(_WIDE_MARKS) else "utf-8"
    lines = head.decode(_codec(encoding), "replace").splitlines()
    first = next((line for line in lines if line.strip() and not _PREAMBLE.fullmatch(line)), "")
    plain = re.sub('"[^"]*"', "", first)
    return Dialect(max(",;\t|", key=plain.count), encoding)


def _records(rows: "_Rows", header: Sequence[str]) -> Iterator[Record]:
    names = _names(header)
    nameless = [place for place, name in enumerate(names) if not name]
    for row in rows:
        if len(row) != len(names):
            raise Refused(f"line {rows.line} has {_counted(len(row))}, and the header has {len(names)}")
        if row == header:
            raise Refused(f"line {rows.line} is the header again")
        if any(row[place] for place in nameless):
            raise Refused(f"line {rows.line} has a value where the header names no column")
        yield Record(((name, value or None) for name, value in zip(names, row, strict=True) if name), rows.line)


def _header(lines: "_Lines", rows: "_Rows", dialect: Dialect) -> list[str]:
    """The first row, as it is written. Raises Refused for what cannot be one."""
    lines.skip_preamble(dialect)
    header = next(rows, None)
    if header is None:
        raise Refused("it is empty; not even a header is there")
    if len(header) > MOST_FIELDS:
        raise Refused(f"its header has more than {MOST_FIELDS} fields")
    names = Counter(name.casefold() for name in _names(header) if name)
    if twice := [name for name, times in names.items() if times > 1]:
        places = [n for n, name in enumerate(_names(header), 1) if name.casefold() == twice[0]]
        raise Refused(f"fields {places[0]} and {places[1]} of its header have one name")
    return header


def _names(header: Sequence[str]) -> list[str]:
    return [spelling.column_name(name.strip(" \t\ufeff")) for name in header]


def _counted(fields: int) -> str:
    return "1 field" if fields == 1 else f"{fields} fields"


class _Lines:
    """The lines of a text, counted. Raises Refused for what is no text, or a record without end."""

    def __init__(self, text: TextIO, dialect: Dialect) -> None:
        self.number, self._length = 0, 0
        self._text, self._dialect, self._last = text, dialect, "\n"
        self._again: str | None = None

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line, self._again = self._again or self._text.readline(LONGEST_RECORD + 1), None
        if not line:
            self._check_end()
            raise StopIteration
        self.number, self._last = self.number + 1, line
        self._length += len(line)
        self._check(line)
        return line

    def begin_record(self) -> None:
        """What comes belongs to another record than what came."""
        self._length = 0

    def skip_preamble(self, dialect: Dialect) -> None:
        """Pass over a first line that is none of the data. Raises Refused where a file is no CSV at all."""
        first = next(self, "")
        start = first.lstrip("\ufeff \t")
        if start.startswith(("<", "{", "[{")):
            raise Refused("it is not CSV but HTML, XML or JSON, perhaps a page to sign in or an error")
        match = _PREAMBLE.fullmatch(start)
        if match is None:
            self._again, self.number, self._length = first, self.number - bool(first), 0
        elif match[1] and match[1] != dialect.delimiter:
            raise Refused("its first line names another delimiter than format.delimiter")

    def _check(self, line: str) -> None:
        if self._length > LONGEST_RECORD:
            raise Refused(f"line {self.number} ends no record of {LONGEST_RECORD} characters; is a quote not closed?")
        if _UNREADABLE in line:
            raise Refused(f"line {self.number} is not {self._dialect.encoding}; see format.encoding")
        if "\0" in line:
            raise Refused(f"line {self.number} holds a NUL; see format.encoding")

    def _check_end(self) -> None:
        if self._dialect.final_newline and not self._last.endswith(("\n", "\r")):
            raise Refused(
                f"line {self.number}, the last, has no line end: it may be cut. Where HR never writes one, "
                "say final_newline: false"
            )


class _Rows:
    """The rows of a file, blank lines passed over; `line`: where the last one began."""

    def __init__(self, lines: _Lines, dialect: Dialect) -> None:
        self.line = 0
        self._lines = lines
        self._reader = csv.reader(
            lines,
            delimiter=dialect.delimiter,
            quotechar=dialect.quotechar,
            quoting=csv.QUOTE_NONE if dialect.quotechar is None else csv.QUOTE_MINIMAL,
            strict=True,
        )

    def __iter__(self) -> "_Rows":
        return self

    def __next__(self) -> list[str]:
        row: list[str] = []
        while not row:
            self.line = self._lines.number + 1
            self._lines.begin_record()
            try:
                row = next(self._reader)
            except csv.Error:
                raise Refused(
                    f"the quotes of the record that begins in line {self.line} do not fit; see format.quotechar and "
                    f"format.delimiter. A field holds at most {csv.field_size_limit()} characters"
                ) from None
        return row


# --- encodings ----------------------------------------------------------------------------------------------------


def _mark(error: UnicodeError) -> tuple[str, int]:
    """Go on after what is no letter: a text is decoded in steps, and the line where it stands is told, not the step."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _UNREADABLE, error.end


_MARKING = "provisioning.delimited"
codecs.register_error(_MARKING, _mark)


def _codec(encoding: str) -> str:
    return "utf-8-sig" if encoding == "utf-8" else encoding


def _check_encoding(file: BinaryIO, encoding: str) -> None:
    """Raises Refused for a file that is surely in another encoding than it should be: any bytes are some letters."""
    file.seek(0)
    head = file.read(3)
    if encoding != "utf-16" and head.startswith(_WIDE_MARKS):
        raise Refused(f"it is UTF-16, not {encoding}; see format.encoding")
    if encoding == "utf-16" and head == codecs.BOM_UTF8:
        raise Refused("it is UTF-8, not utf-16; see format.encoding")
    if encoding not in ("utf-8", "utf-16") and _is_utf8(file):
        raise Refused(f"it is UTF-8, not {encoding}; see format.encoding")


def _is_utf8(file: BinaryIO) -> bool:
    """Whether there are letters beyond ASCII, all of them as UTF-8 writes them: chance does not bring that about."""
    file.seek(0)
    decoder, plain = codecs.getincrementaldecoder("utf-8")(), True
    try:
        while piece := file.read(_STEP):
            plain = plain and piece.isascii()
            decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return not plain
