"""Records and columns in, rows and reasons out. Pure."""

import itertools
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from provisioning import columns, mirror
from provisioning.columns import Column
from provisioning.mirror import Fetch, Table

KEY = Column("Id", "varchar", 10, nullable=False)
TABLE = Table("People", KEY, (KEY, Column("Name_First", "nvarchar", 5), Column("Title", "nvarchar", 5)))


def rejected(record: Any) -> tuple[str, ...]:
    fetch = Fetch(TABLE, {})
    assert fetch.take([record]) == []
    return fetch.rejected[0].reasons


def reason(value: Any, *column: Any, **more: Any) -> str:
    with pytest.raises(ValueError) as wrong:  # noqa: PT011 - the text is what is looked at
        columns.typed(value, Column("c", *column, **more))
    return str(wrong.value)


def test_nested_objects_are_flattened_and_names_matched_without_case() -> None:
    fetch = Fetch(TABLE, {})
    assert fetch.take([{"ID": "1", "name": {"FIRST": "Ana"}, "Title": None}]) == [
        {"Id": "1", "Name_First": "Ana", "Title": None}
    ]


@pytest.mark.parametrize(
    ("column", "value", "kept"),
    [
        (("nvarchar", 5), "abc", "abc"),
        (("nvarchar", 5), 42, "42"),
        (("nvarchar", 5), True, "true"),
        (("nvarchar", 5), "", ""),
        (("nvarchar", 2), "😀", "😀"),
        (("nvarchar", -1), "x" * 9000, "x" * 9000),
        (("char", 5), "ab   ", "ab"),
        (("varchar", 9), "Zoë", "Zoë"),
        (("bit",), True, 1),
        (("bit",), "false", 0),
        (("tinyint",), "255", 255),
        (("int",), Decimal("7.0"), 7),
        (("bigint",), 2**63 - 1, 2**63 - 1),
        (("int",), "", None),
        (("date",), "2024-02-29", "2024-02-29"),
        (("date",), "2024-02-29T00:00:00.000Z", "2024-02-29"),
        (("datetime2", 0, 0, 7), "2024-01-02T03:04:05.1234567", "2024-01-02 03:04:05.1234567"),
        (("datetime2", 0, 0, 7), "2024-01-02T03:04:05+02:00", "2024-01-02 01:04:05.0000000"),
        (("datetime2", 0, 0, 7), "2024-01-02 03:04", "2024-01-02 03:04:00.0000000"),
        (("datetime2", 0, 0, 6), "2024-01-02T03:04:05.1234567Z", "2024-01-02 03:04:05.123457"),
        (("datetime2", 0, 0, 0), "2024-12-31T23:59:59.5", "2025-01-01 00:00:00"),
        (("time", 0, 0, 3), "08:09:10.1239", "08:09:10.124"),
        (("decimal", 0, 9, 2), Decimal("12.5"), "12.50"),
        (("money",), "3", "3.0000"),
        (("float",), Decimal("0.1"), 0.1),
        (("real",), Decimal("0.5"), 0.5),
        (("smallint",), "-32768", -32768),
        (("numeric", 0, 5), "12345", "12345"),
        (("smallmoney",), Decimal("1.23456"), "1.2346"),
        (("nchar", 4), "Zoë ", "Zoë"),
        (("varchar", 400), "x" * 400, "x" * 400),
        (("varchar", 1), "€", "€"),
        (("datetime2", 0, 0, 7), "2024-01-02T03:04:05.12345678Z", "2024-01-02 03:04:05.1234568"),
        (("datetime2", 0, 0, 7), "2024-12-31T23:59:59.99999995Z", "2025-01-01 00:00:00.0000000"),
        (("datetime2", 0, 0, 7), "2024-01-02", "2024-01-02 00:00:00.0000000"),
        (("datetime2", 0, 0, 3), "2024-01-02T03:04:05.1234999", "2024-01-02 03:04:05.123"),
        (("datetime2", 0, 0, 3), "2024-01-02T03:04:05.1235", "2024-01-02 03:04:05.124"),
        (("datetime2", 0, 0, 0), "2024-01-01T00:30:00-0330", "2024-01-01 04:00:00"),
        (("datetime2", 0, 0, 0), "0001-01-01T00:00:00", "0001-01-01 00:00:00"),
        (("date",), "", None),
        (("uniqueidentifier",), "6f9619ff-8b86-d011-b42d-00c04fc964ff", "6F9619FF-8B86-D011-B42D-00C04FC964FF"),
    ],
)
def test_a_value_takes_the_one_form_of_its_column(column: tuple[Any, ...], value: Any, kept: Any) -> None:
    assert columns.typed(value, Column("c", *column)) == kept


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        (("nvarchar", 2), "abc", "3 characters, the column holds 2"),
        (("nvarchar", 1), "😀", "2 characters, the column holds 1"),
        (("nvarchar", 100), "x" * 400, "400 characters, the column holds 100"),
        (("nvarchar", 100), "ë" * 400, "400 characters, the column holds 100"),
        (("varchar", 3), "ëëëë", "4 bytes, the column holds 3"),
        (("varchar", 9), "Łukasz", "letters that a varchar column of code page 1252 loses"),
        (("varchar", 9), "日本", "loses"),
        (("nvarchar", 9), "a\0b", "NUL"),
        (("nvarchar", 9), "\ud800", "not valid Unicode"),
        (("nvarchar", 9), ["a"], "is a list"),
        (("bit",), "perhaps", "is not true or false"),
        (("tinyint",), 256, "is outside 0 to 255"),
        (("int",), "4.5", "is not a whole number"),
        (("int",), True, "is not a whole number"),
        (("date",), "2026-02-30", "does not exist"),
        (("date",), "30.02.2026", "is not a date"),
        (("date",), "2026-02-03T10:00:00", "without a time of day"),
        (("datetime2", 0, 0, 7), "2024-01-02T25:00:00", "does not exist"),
        (("datetime2", 0, 0, 7), 1700000000, "is not a date and time"),
        (("decimal", 0, 4, 2), "123.45", "more digits"),
        (("decimal", 0, 4, 2), "many", "is not a number"),
        (("float",), "NaN", "is not a number"),
        (("float",), Decimal("1e400"), "is not a number"),
        (("float",), True, "is not a number"),
        (("real",), Decimal("1e39"), "is not a number"),
        (("real",), Decimal("1e400"), "is not a number"),
        (("real",), "NaN", "is not a number"),
        (("real",), True, "is not a number"),
        (("smallint",), 32768, "is outside -32768 to 32767"),
        (("bigint",), 2**63, "is outside"),
        (("bigint",), "9" * 20, "is not a whole number"),
        (("decimal", 0, 9, 2), True, "is not a number"),
        (("decimal", 0, 9, 2), "NaN", "is not a number"),
        (("decimal", 0, 9, 2), Decimal("1e999999999"), "is not a number"),
        (("time", 0, 0, 0), "25:00", "does not exist"),
        (("datetime2", 0, 0, 7), "2026-02-30T10:00:00Z", "does not exist"),
        (("datetime2", 0, 0, 7), "2024-01-02T03:04:05+25:00", "does not exist"),
        (("datetime2", 0, 0, 0), "9999-12-31T23:59:59.5", "does not exist"),
        (("datetime2", 0, 0, 7), "0001-01-01T00:00:00+02:00", "does not exist"),
        (("date",), 20240229, "is not a date"),
        (("uniqueidentifier",), "x", "is not a uniqueidentifier"),
        (("geography",), "x", "does not fill columns of type geography"),
    ],
)
def test_what_does_not_fit_is_told_without_the_value(column: tuple[Any, ...], value: Any, told: str) -> None:
    assert told in reason(value, *column)


def test_a_code_page_of_utf_8_loses_no_letter_and_counts_bytes() -> None:
    assert columns.typed("Łukasz", Column("c", "varchar", 7, code_page=65001)) == "Łukasz"
    assert "7 bytes, the column holds 6" in reason("Łukasz", "varchar", 6, code_page=65001)


def test_null_where_the_column_needs_a_value() -> None:
    assert "needs a value" in reason(None, "nvarchar", 5, nullable=False)


@pytest.mark.parametrize("key", [None, "", "  ", [], True])
def test_a_record_without_a_key_is_rejected_and_proves_nobody_absent(key: Any) -> None:
    fetch = Fetch(TABLE, {"2": "2"})
    assert fetch.take([{"Id": key}]) == []
    assert (fetch.keyless, fetch.rejected[0].key) == (1, None)


def test_a_record_that_is_no_object_is_rejected() -> None:
    assert rejected("text") == ("the record is not an object",)


def test_the_rejected_are_all_counted_and_500_of_them_kept() -> None:
    fetch = Fetch(TABLE, {})
    fetch.take([{}] * 3000)
    assert (fetch.fetched, fetch.rejections, len(fetch.rejected)) == (3000, 3000, 500)


@pytest.mark.parametrize(
    ("key", "told"),
    [("é 1", "é 1"), ("a\nb", "a\\nb"), ("a\ud83e", "a\\ud83e"), ("\x1b[2J", "\\x1b[2J"), ("7" * 900, "7" * 64 + "…")],
)
def test_a_key_is_told_in_one_line_that_can_be_printed(key: str, told: str) -> None:
    fetch = Fetch(TABLE, {})
    fetch.take([{"Id": key, "Title": "much too long"}])
    assert fetch.rejected[0].key == told


def test_what_is_remembered_of_a_key_that_fits_nowhere_is_bounded() -> None:
    fetch = Fetch(TABLE, {})
    fetch.take([{"Id": "7" * 1_000_000}])
    assert max(map(len, fetch.seen)) <= 900


def test_of_two_records_with_one_key_the_second_is_rejected() -> None:
    fetch = Fetch(TABLE, {})
    rows = fetch.take([{"Id": "a1", "Title": "one"}, {"Id": "A1 ", "Title": "two"}])
    assert [row["Title"] for row in rows] == ["one"]
    assert fetch.rejected[0].reasons == ("a second record with this key",)


INTEGER_KEY = Column("Id", "int", nullable=False)
NUMBERED = Table("Numbered", INTEGER_KEY, (INTEGER_KEY, Column("Title", "nvarchar", 5)))


@pytest.mark.parametrize("spelled", [7, "7", "007", "+7", " 7", Decimal("7.0")])
def test_a_number_that_is_a_key_is_the_same_however_it_is_written(spelled: Any) -> None:
    fetch = Fetch(NUMBERED, {"7": 7})
    rows = fetch.take([{"Id": spelled}, {"Id": 7}])
    assert [row["Id"] for row in rows] == [7]
    assert (fetch.absent(), [r.reasons for r in fetch.rejected]) == ([], [("a second record with this key",)])


@pytest.mark.parametrize("spelled", ["6f9619ff-8b86-d011-b42d-00c04fc964ff", "{6F9619FF-8B86-D011-B42D-00C04FC964FF}"])
def test_a_guid_that_is_a_key_is_the_same_however_it_is_written(spelled: str) -> None:
    held = "6F9619FF-8B86-D011-B42D-00C04FC964FF"
    key = Column("Id", "uniqueidentifier", nullable=False)
    fetch = Fetch(Table("Guids", key, (key,)), {mirror.canonical_key(held): held})
    assert (fetch.take([{"Id": spelled}]), fetch.absent()) == ([{"Id": held}], [])


@pytest.mark.timeout(30)
def test_a_number_with_very_many_digits_is_refused_at_once() -> None:
    """Written out, it would take minutes."""
    assert "is " in reason(Decimal("1e3000000"), "int")


@pytest.mark.parametrize(("first", "second"), [("a1", "A1"), ("a1", "a1  "), ("ÅSE", "åse"), (7, "7")])
def test_keys_that_differ_by_case_or_trailing_blanks_are_one(first: Any, second: Any) -> None:
    assert mirror.canonical_key(first) == mirror.canonical_key(second) != mirror.canonical_key(" a1")


def test_a_rejected_record_is_present() -> None:
    fetch = Fetch(TABLE, {"1": "1", "2": "2"})
    assert fetch.take([{"Id": "1", "Title": "x" * 400}]) == []
    assert (fetch.absent(), fetch.keyless) == (["2"], 0)


def test_who_is_absent_is_told_as_the_mirror_spells_her() -> None:
    fetch = Fetch(TABLE, {"ab": "Ab ", "cd": "CD"})
    fetch.take([{"Id": "cd"}])
    assert fetch.absent() == ["Ab "]


def test_text_that_looks_like_sql_is_text() -> None:
    text = "Robert'); DROP TABLE Employees;--"
    assert columns.typed(text, Column("c", "nvarchar", 100)) == text


def test_a_single_records_gaps_keep_what_the_mirror_holds() -> None:
    fetch = Fetch(TABLE, {"1": "1"})
    (row,) = fetch.take([{"Id": "1", "Title": None}])
    held = {"Id": "1", "Name_First": "Ana", "Title": "x"}
    assert fetch.kept(row, held) == {"Id": "1", "Name_First": "Ana", "Title": None}


def test_a_column_of_its_own_is_not_mistaken_for_part_of_an_object() -> None:
    assert dict(mirror.flatten({"A": {"B": {"C": 1}, "D": {}}, "E": [1]})) == {"A_B_C": 1, "A_D": None, "E": [1]}


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (("nvarchar", 5), "nvarchar(5)"),
        (("nvarchar", -1), "nvarchar(max)"),
        (("datetime2", 0, 27, 7), "datetime2(7)"),
        (("decimal", 5, 9, 2), "decimal(9, 2)"),
        (("int", 4, 10), "int"),
    ],
)
def test_a_column_declares_itself_as_t_sql_does(column: tuple[Any, ...], text: str) -> None:
    assert Column("c", *column).declaration == text


def test_every_reason_of_a_record_is_told_at_once() -> None:
    assert rejected({"Id": "1", "Name_First": "x" * 6, "Title": ["x"]}) == (
        "Name_First: 6 characters, the column holds 5",
        "Title: is a list; a column holds one value",
    )


def test_two_fields_for_one_column_must_agree() -> None:
    assert rejected({"Id": "1", "title": "a", "Title": "b"}) == ("Title: two fields give different values for it",)
    assert Fetch(TABLE, {}).take([{"Id": "1", "title": "a", "Title": "a"}])


def test_fields_without_a_column_are_collected_but_not_an_empty_parent() -> None:
    fetch = Fetch(TABLE, {})
    fetch.take([{"Id": "1", "Name": None, "Shoe": {"Size": 1}, "Hat": 2}, {"Id": "2", "Hat": 3}])
    assert fetch.unknown_fields == {"Shoe_Size", "Hat"}


def test_the_mirrors_spelling_of_a_key_stays() -> None:
    fetch = Fetch(TABLE, {"ab": "AB"})
    assert fetch.take([{"Id": "ab "}])[0]["Id"] == "AB"
    assert fetch.absent() == []


def test_rows_are_new_changed_or_unchanged() -> None:
    fetch = Fetch(TABLE, {"1": "1", "2": "2", "4": "4"})
    rows = fetch.take([{"Id": "1", "Title": "a"}, {"Id": "2", "Title": "B"}, {"Id": "3"}])
    held = {i: {"Id": i, "Name_First": None, "Title": t} for i, t in (("1", "a"), ("2", "b"))}
    assert [(new, row["Id"]) for new, row in fetch.changes(rows, held)] == [(False, "2"), (True, "3")]
    assert (fetch.unchanged, fetch.updated, fetch.inserted, fetch.absent()) == (1, 1, 1, ["4"])


@pytest.mark.parametrize(
    ("people", "mapped", "vanished"), [(10, False, []), (11, False, ["Title"]), (1, True, []), (2, True, ["Title"])]
)
def test_a_field_that_no_record_has_any_more_may_not_empty_its_column(
    people: int, mapped: bool, vanished: list[str]
) -> None:
    keys = [str(n) for n in range(people)]
    fetch = Fetch(TABLE, {k: k for k in keys})
    rows = fetch.take([{"Id": k} for k in keys])
    fetch.changes(rows, {k: {"Id": k, "Name_First": None, "Title": "x"} for k in keys})
    assert fetch.vanished_fields(lambda column: mapped) == vanished


def test_a_field_that_is_there_may_be_null_for_everybody() -> None:
    keys = [str(n) for n in range(50)]
    fetch = Fetch(TABLE, {k: k for k in keys})
    rows = fetch.take([{"Id": k, "Title": None} for k in keys])
    fetch.changes(rows, {k: {"Id": k, "Name_First": None, "Title": "x"} for k in keys})
    assert (fetch.vanished_fields(lambda column: True), fetch.updated) == ([], 50)


def test_a_record_nested_without_end_is_rejected() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep, "b": 1}
    assert "nested too deeply" in " ".join(rejected({"Id": "1", "x": deep}))


@pytest.mark.parametrize(
    ("column", "cell", "same"),
    [
        (("bit",), True, 1),
        (("bit",), 1, 1),
        (("datetime2", 0, 0, 7), "2024-01-02 03:04:05.1234567", "2024-01-02 03:04:05.1234567"),
        (("decimal", 0, 9, 2), Decimal("12.50"), "12.50"),
        (("decimal", 0, 9, 2), 12.5, "12.50"),
        (("nvarchar", 5), None, None),
        (("date",), date(2024, 2, 29), "2024-02-29"),
        (("float",), 0.1, 0.1),
        (("char", 5), "ab   ", "ab"),
    ],
)
def test_what_a_driver_gives_compares_with_what_hr_says(column: tuple[Any, ...], cell: Any, same: Any) -> None:
    assert columns.held(cell, Column("c", *column)) == same


def test_what_the_table_holds_and_no_type_allows_differs_from_anything() -> None:
    column = Column("c", "date")
    assert columns.held("not a date", column) not in ("not a date", None, mirror.held("2024-01-01", column))


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        ({"A": {"B": 1}, "A_B": 2}, [("A_B", 1), ("A_B", 2)]),
        ({"A_B": 2, "A": {"B": 1}}, [("A_B", 2), ("A_B", 1)]),
        ({"A": {"B": 1, "C": 2}, "D": 3}, [("A_B", 1), ("A_C", 2), ("D", 3)]),
        ({"A": {}, "B": 1}, [("A", None), ("B", 1)]),
        ({"A": {"B": {"C": {}}}, "D": []}, [("A_B_C", None), ("D", [])]),
        ({}, []),
    ],
)
def test_every_field_of_a_record_is_looked_at_as_often_as_it_is_there(record: Any, fields: Any) -> None:
    assert list(mirror.flatten(record)) == fields


GLANCED_AT = (
    *(None, "", " ", "a", "Å", "a\0b", "x" * 21, "\ud83e", "𠮷" * 11, "1", "2024-02-30", "2024-02-29", "2024-W25-4"),
    *("2024-02-29T10:00:00Z", "2024-02-29 10:00:00", "2024-02-29T24:00:00", "2024-02-29T10:00:00.1234567Z"),
    *("2024-02-29T10:00:00.12345678Z", "2024-02-29T10:00:60Z", "2024-02-29T10:00:00+02:00", "٢024-02-29", "20240229"),
    *(0, 1, 2, -1, 2**31, 2**63, True, False, 1.0, 1.5, Decimal("1"), Decimal("NaN"), [], {"a": 1}),
)


EVERY_TYPE = (
    *(("nvarchar", 20), ("nvarchar", -1), ("varchar", 20), ("char", 20), ("bit",), ("tinyint",), ("int",)),
    *(("bigint",), ("date",), ("time", 0, 0, 7), ("datetime2", 0, 0, 7), ("datetime2", 0, 0, 3), ("datetime2",)),
    *(("float",), ("decimal", 0, 10, 2), ("uniqueidentifier",), ("xml",)),
)


@pytest.mark.parametrize("nullable", [True, False])
@pytest.mark.parametrize("column", EVERY_TYPE, ids=lambda c: "-".join(map(str, c)))
def test_a_value_taken_at_a_glance_is_what_a_closer_look_makes_of_it(column: Any, nullable: bool) -> None:
    described = Column("c", *column, nullable=nullable)
    formed = columns.form(described)

    def outcome(action: Any) -> Any:
        try:
            return type(found := action()), found
        except ValueError as exc:
            return str(exc)

    for value in GLANCED_AT:
        assert outcome(lambda: formed(value)) == outcome(lambda: columns.typed(value, described)), repr(value)  # noqa: B023


@pytest.mark.parametrize("nullable", [True, False])
@pytest.mark.parametrize("column", EVERY_TYPE, ids=lambda c: "-".join(map(str, c)))
def test_values_looked_at_together_are_what_each_of_them_is(column: Any, nullable: bool) -> None:
    """Every two of them, beside a usual one; together they fit where each of them does."""
    described = Column("c", *column, nullable=nullable)
    one, together = columns.form(described), columns.forms(described)
    for pair in itertools.product(GLANCED_AT, repeat=2):
        try:
            each = [one(value) for value in pair]
        except ValueError:
            with pytest.raises(ValueError):  # noqa: PT011 - each by itself tells what is wrong
                together(pair)
        else:
            assert repr(list(together(pair))) == repr(each)


@pytest.mark.parametrize("cell", ["Ana", "ana", None])
def test_a_row_is_itself_only_where_the_table_holds_just_that(cell: Any) -> None:
    key, name = Column("Id", "varchar", 10), Column("Name", "nvarchar", 20)
    table, row = Table("T", key, (key, name)), {"Id": "1", "Name": "Ana"}
    assert (table.read(("1", cell), row) is row) is (cell == "Ana")
    assert table.read(("1", cell), row) == {"Id": "1", "Name": cell}
    assert table.read(("1", cell), {"Name": "1", "Id": cell}) == {"Id": "1", "Name": cell}
