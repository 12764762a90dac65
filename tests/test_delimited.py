"""CSV: records whatever the dialect, and what does not fit told by its line, without a word of the file."""

import codecs
import csv
import io
import tracemalloc
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioning import delimited
from provisioning.bodies import Refused
from provisioning.delimited import Dialect, Record

SECRET = "Kwibus"


def read(text: str | bytes, **dialect: Any) -> list[dict[str, str | None]]:
    return [dict(record) for record in records(text, **dialect)]


def records(text: str | bytes, **dialect: Any) -> list[Record]:
    body = text if isinstance(text, bytes) else text.encode()
    with delimited.read(io.BytesIO(body), Dialect(**dialect)) as (_, found):
        return list(found)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_record_is_what_stands_between_delimiters_whatever_ends_a_line(delimiter: str, end: str) -> None:
    lines = ["a,b,c", '1,"x,y",', '2,"he said ""no""",z']
    text = end.join([*lines, ""]).replace(",", delimiter)
    assert read(text, delimiter=delimiter) == [
        {"a": "1", "b": f"x{delimiter}y", "c": None},
        {"a": "2", "b": 'he said "no"', "c": "z"},
    ]


def test_a_line_break_inside_quotes_belongs_to_the_value_and_lines_are_counted_as_an_editor_counts_them() -> None:
    found = records('a,b\n1,"x\r\ny\n\nz"\n\n2,y\n')
    assert [(r.line, r["b"]) for r in found] == [(2, "x\r\ny\n\nz"), (7, "y")]


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-16", "windows-1252", "windows-1250", "iso-8859-1", "iso-8859-2", "iso-8859-15", "iso-8859-16"],
)
def test_letters_are_read_in_the_encoding_that_is_told(encoding: str) -> None:
    assert read("naïve,b\nö,2\n".replace("ï", "ö").encode(encoding), encoding=encoding) == [{"naöve": "ö", "b": "2"}]


@pytest.mark.parametrize(
    ("mark", "encoding", "codec"),
    [
        (codecs.BOM_UTF8, "utf-8", "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16", "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16", "utf-16-be"),
        (codecs.BOM_UTF8 * 2, "utf-8", "utf-8"),  # what two programs have each put one to
    ],
)
def test_a_byte_order_mark_is_no_part_of_the_first_name(mark: bytes, encoding: str, codec: str) -> None:
    assert read(mark + "é,b\n1,2\n".encode(codec), encoding=encoding) == [{"é": "1", "b": "2"}]


def test_a_dot_in_a_name_is_as_in_a_nested_field_and_blanks_around_one_are_none_of_it() -> None:
    assert read(" Name.FirstName , b\nAna, x\n") == [{"Name_FirstName": "Ana", "b": " x"}]


def test_what_excel_and_windows_powershell_put_before_the_header_is_passed_over() -> None:
    assert read("sep=;\r\na;b\r\n1;2\r\n", delimiter=";") == [{"a": "1", "b": "2"}]
    assert read('"sep=,"\r\na,b\r\n1,2\r\n') == [{"a": "1", "b": "2"}]
    found = records('#TYPE System.Data.DataRow\r\n"a","b"\r\n"1","2"\r\n')
    assert [(r.line, dict(r)) for r in found] == [(3, {"a": "1", "b": "2"})]


def test_without_quotes_a_quote_is_a_sign_as_any_other() -> None:
    assert read('a\tb\n5" disk\t"x\n', delimiter="\t", quotechar=None) == [{"a": '5" disk', "b": '"x'}]
    assert read("a,b\n'x,y',O''Brien\n", quotechar="'") == [{"a": "x,y", "b": "O''Brien"}]


def test_a_delimiter_too_many_at_the_end_of_every_line_names_no_column() -> None:
    assert read("a;b;\n1;2;\n", delimiter=";") == [{"a": "1", "b": "2"}]


def test_a_header_alone_has_no_records() -> None:
    with delimited.read(io.BytesIO(b"a,b\n"), Dialect()) as (columns, found):
        assert (columns, list(found)) == (["a", "b"], [])


WRONG: dict[str, tuple[str | bytes, dict[str, Any], str]] = {
    "empty": ("", {}, "it is empty; not even a header is there"),
    "blank lines": ("\n\r\n", {}, "it is empty"),
    "too few fields": (f"a,b\n1,2\n{SECRET}\n", {}, "line 3 has 1 field, and the header has 2"),
    "too many fields": (f"a,b\n1,2,{SECRET}\n", {}, "line 2 has 3 fields, and the header has 2"),
    "cut in a field": (f"a,b\n1,2\n3,{SECRET}", {}, "line 3, the last, has no line end: it may be cut"),
    "cut in the header": ("a,b", {}, "line 1, the last, has no line end"),
    "cut in quotes": (f'a,b\n1,2\n3,"{SECRET}\n', {}, "the record that begins in line 3"),
    "cut in quotes, no end": (f'a,b\n1,2\n3,"{SECRET}', {}, "line 3, the last, has no line end"),
    "a quote that is not closed": (f'a,b\n1,"{SECRET}\n' + "2,3\n" * 40_000, {}, "the record that begins in line 2"),
    "a text after quotes": (f'a,b\n1,"{SECRET}"x\n', {}, "the record that begins in line 2 do not fit"),
    "a NUL": (f"a,b\n{SECRET},\0\n", {}, "line 2 holds a NUL"),
    "no UTF-8": (f"a,b\n1,2\n{SECRET},\xff\n".encode("latin-1"), {}, "line 3 is not utf-8"),
    "half a letter": (b"a,b\n1,\xed\xa0\xbe\n", {}, "line 2 is not utf-8"),
    "no letter of 1252": (b"a,b\n1,\x81\n", {"encoding": "windows-1252"}, "line 2 is not windows-1252"),
    "half a letter of UTF-16": ("a,b\n1,2\n".encode("utf-16")[:-1], {"encoding": "utf-16"}, "line 2 is not utf-16"),
    "UTF-16 where UTF-8 is told": ("a,b\n1,2\n".encode("utf-16"), {}, "it is UTF-16, not utf-8"),
    "UTF-16 where 1252 is told": ("a\n".encode("utf-16"), {"encoding": "windows-1252"}, "UTF-16, not windows-1252"),
    "UTF-8 where UTF-16 is told": (b"\xef\xbb\xbfa\n", {"encoding": "utf-16"}, "it is UTF-8, not utf-16"),
    "UTF-8 where 1252 is told": ("a\nZoë\n", {"encoding": "windows-1252"}, "it is UTF-8, not windows-1252"),
    "HTML": (f"<html>{SECRET}\n", {}, "it is not CSV but HTML, XML or JSON"),
    "JSON": (f'{{"error": "{SECRET}"}}', {}, "it is not CSV but HTML, XML or JSON"),
    "a list of JSON": (f'[{{"error": "{SECRET}"}}]', {}, "it is not CSV but HTML, XML or JSON"),
    "another delimiter by its own word": ("sep=;\na;b\n", {}, "names another delimiter than format.delimiter"),
    "a name twice": ("a,b,A\n", {}, "fields 1 and 3 of its header have one name"),
    "a header again": ("a,b\n1,2\na,b\n3,4\n", {}, "line 3 is the header again"),
    "a value of no column": (f"a,,b\n1,{SECRET},2\n", {}, "line 2 has a value where the header names no column"),
    "a header without end": ("a," * 3_000 + "b\n", {}, "its header has more than 2000 fields"),
    "a field without end": ("a,b\n1," + "x" * 200_000 + "\n", {}, "A field holds at most 131072 characters"),
    "a line without end": ("a,b\n1," + "x" * 2_000_000 + "\n", {}, "line 2 ends no record of 1048576 characters"),
    "a record without end": ("a,b\n" + '"\n",' * 400_000, {}, "ends no record of 1048576 characters"),
}


@pytest.mark.parametrize(("text", "dialect", "told"), WRONG.values(), ids=WRONG.keys())
def test_what_does_not_fit_is_told_by_its_line_and_nothing_of_it_is_repeated(
    text: str | bytes, dialect: dict[str, Any], told: str
) -> None:
    with pytest.raises(Refused) as failed:
        records(text, **dialect)
    assert told in str(failed.value)
    assert SECRET not in str(failed.value)
    assert failed.value.__cause__ is None


def test_the_line_of_a_letter_that_is_none_is_told_however_far_into_the_file_it_is() -> None:
    """A text is decoded some thousand bytes at a time: the step would be another line."""
    lines = [b"a,b"] + [b"%d,x" % n for n in range(5_000)]
    lines[4_321] = b"4320,\xff"
    with pytest.raises(Refused, match="line 4322 is not utf-8"):
        records(b"\n".join(lines) + b"\n")


def test_what_came_before_a_mistake_was_given_out() -> None:
    with delimited.read(io.BytesIO(b"a,b\n1,2\n3\n"), Dialect()) as (_, found):
        assert dict(next(found)) == {"a": "1", "b": "2"}
        with pytest.raises(Refused, match="line 3"):
            next(found)


def test_where_it_is_told_the_last_line_needs_no_end() -> None:
    assert read("a,b\n1,2", final_newline=False) == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize("cut", range(1, 60))
def test_a_file_that_was_cut_anywhere_but_at_a_lines_end_is_refused(cut: int) -> None:
    whole = b'id,name\r\n1,"Zo\xc3\xab ""Z"" Smit"\r\n2,"two\nlines"\r\n3,plain\r\n'
    kept = whole[: len(whole) - cut]
    ends = {b"", b"id,name\r\n", b'id,name\r\n1,"Zo\xc3\xab ""Z"" Smit"\r\n', whole[:-9]}
    if kept in ends | {end[:-1] for end in ends if end} | {whole[:-1]}:
        return  # what nothing in the file itself can tell
    with pytest.raises(Refused):
        records(kept)


CELLS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=8)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=150)
@given(
    rows=st.lists(st.tuples(CELLS, CELLS), max_size=5),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    quotechar=st.sampled_from(['"', "'"]),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-16"]),
)
def test_whatever_is_written_as_rfc_4180_has_it_is_read_as_it_was(
    rows: list[tuple[str, str]], delimiter: str, quotechar: str, end: str, encoding: str
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, quotechar=quotechar, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([("one", "two"), *rows])
    found = read(text.getvalue().encode(encoding), delimiter=delimiter, quotechar=quotechar, encoding=encoding)
    assert found == [{"one": a or None, "two": b or None} for a, b in rows if (a, b) != ("one", "two")]


def test_many_records_are_never_in_memory_together() -> None:
    body = io.BytesIO(b"id,name\n" + b"".join(b"E%06d,Somebody Example\n" % n for n in range(20_000)))
    tracemalloc.start()
    try:
        with delimited.read(body, Dialect()) as (_, found):
            assert sum(1 for _ in found) == 20_000
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "body", [b"a,b\n" + b"," * 30_000_000, b"a,b\n" + b'"\n",' * 7_000_000], ids=["line", "record"]
)
def test_a_record_that_never_ends_costs_little_memory(body: bytes) -> None:
    file = io.BytesIO(body)
    tracemalloc.start()
    try:
        with pytest.raises(Refused), delimited.read(file, Dialect()) as (_, found):
            list(found)
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("head", "delimiter", "encoding"),
    [
        (b"a,b\n", ",", "utf-8"),
        (b"a;b;c\n1,5;2;3\n", ";", "utf-8"),
        (b"a\tb\n", "\t", "utf-8"),
        (b"a|b\n", "|", "utf-8"),
        (b'"a,b,c";d;e\n', ";", "utf-8"),
        (b"\xef\xbb\xbfa;b\n", ";", "utf-8"),
        ("a;b\n".encode("utf-16"), ";", "utf-16"),
        (b"sep=;\na;b\n", ";", "utf-8"),
        (b"a\n", ",", "utf-8"),
        (b"", ",", "utf-8"),
    ],
)
def test_the_dialect_of_a_saved_file_is_seen_by_how_it_begins(head: bytes, delimiter: str, encoding: str) -> None:
    assert delimited.guessed(head) == Dialect(delimiter, encoding)
