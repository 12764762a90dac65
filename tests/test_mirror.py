"""Records and columns in, rows and reasons out. Pure."""

from decimal import Decimal
from typing import Any

import pytest

from provisioning import mirror
from provisioning.mirror import Column, Fetch, Table

KEY = Column("Id", "varchar", 10, nullable=False)
TABLE = Table("People", KEY, (KEY, Column("Name_First", "nvarchar", 5), Column("Title", "nvarchar", 5)))


def rejected(record: Any) -> tuple[str, ...]:
    fetch = Fetch(TABLE, {})
    assert fetch.take([record]) == []
    return fetch.rejected[0].reasons


def reason(value: Any, *column: Any, **more: Any) -> str:
    with pytest.raises(ValueError) as wrong:  # noqa: PT011 - the text is what is looked at
        mirror.typed(value, Column("c", *column, **more))
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
        (("uniqueidentifier",), "6f9619ff-8b86-d011-b42d-00c04fc964ff", "6F9619FF-8B86-D011-B42D-00C04FC964FF"),
    ],
)
def test_a_value_takes_the_one_form_of_its_column(column: tuple[Any, ...], value: Any, kept: Any) -> None:
    assert mirror.typed(value, Column("c", *column)) == kept


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        (("nvarchar", 2), "abc", "3 characters, the column holds 2"),
        (("nvarchar", 1), "😀", "2 characters, the column holds 1"),
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
        (("uniqueidentifier",), "x", "is not a uniqueidentifier"),
        (("geography",), "x", "does not fill columns of type geography"),
    ],
)
def test_what_does_not_fit_is_told_without_the_value(column: tuple[Any, ...], value: Any, told: str) -> None:
    assert told in reason(value, *column)


def test_a_code_page_of_utf_8_loses_no_letter_and_counts_bytes() -> None:
    assert mirror.typed("Łukasz", Column("c", "varchar", 7, code_page=65001)) == "Łukasz"
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


def test_of_two_records_with_one_key_the_second_is_rejected() -> None:
    fetch = Fetch(TABLE, {})
    rows = fetch.take([{"Id": "a1", "Title": "one"}, {"Id": "A1 ", "Title": "two"}])
    assert [row["Title"] for row in rows] == ["one"]
    assert fetch.rejected[0].reasons == ("a second record with this key",)


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


@pytest.mark.parametrize(("people", "vanished"), [(10, []), (11, ["Title"])])
def test_a_field_that_no_record_has_any_more_may_not_empty_its_column(people: int, vanished: list[str]) -> None:
    keys = [str(n) for n in range(people)]
    fetch = Fetch(TABLE, {k: k for k in keys})
    rows = fetch.take([{"Id": k} for k in keys])
    fetch.changes(rows, {k: {"Id": k, "Name_First": None, "Title": "x"} for k in keys})
    assert fetch.vanished_fields() == vanished


def test_a_field_that_is_there_may_be_null_for_everybody() -> None:
    keys = [str(n) for n in range(50)]
    fetch = Fetch(TABLE, {k: k for k in keys})
    rows = fetch.take([{"Id": k, "Title": None} for k in keys])
    fetch.changes(rows, {k: {"Id": k, "Name_First": None, "Title": "x"} for k in keys})
    assert (fetch.vanished_fields(), fetch.updated) == ([], 50)


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
    ],
)
def test_what_a_driver_gives_compares_with_what_hr_says(column: tuple[Any, ...], cell: Any, same: Any) -> None:
    assert mirror.held(cell, Column("c", *column)) == same
