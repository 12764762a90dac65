"""Records in, columns out: types and lengths with room, keys, what cannot be a column. Pure."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioning import mirror, scaffold
from provisioning.errors import WrongUsage
from provisioning.inference import Shape, Survey
from provisioning.mirror import Fetch, Table
from provisioning.spelling import Spelling


def shape(*records: Any, key: str | None = "id", table: str = "People") -> Shape:
    survey = Survey()
    survey.take({"id": f"P{n}", **r} if isinstance(r, dict) else r for n, r in enumerate(records))
    return survey.shape(key, table)


def declared(*values: Any, name: str = "x") -> str:
    found = {f.name: f.column for f in shape(*({name: v} for v in values)).fields}
    return found[name].declaration if name in found else "none"


@pytest.mark.parametrize(
    ("values", "declaration"),
    [
        ((True, False), "bit"),
        (("true", "False", ""), "bit"),
        ((True, "x"), "nvarchar(50)"),
        ((1, 2), "int"),
        ((-(2**31),), "bigint"),
        ((2**31 // 10 + 1,), "bigint"),
        ((2**63,), "nvarchar(50)"),
        ((1, Decimal("0.25")), "decimal(18, 4)"),
        ((1, 0.25), "decimal(18, 4)"),
        ((Decimal("1E+2"),), "decimal(18, 2)"),
        ((Decimal("123456789012345.123456"),), "decimal(26, 8)"),
        ((Decimal("1E+40"),), "nvarchar(50)"),
        ((1, "1"), "nvarchar(50)"),
        (("007",), "nvarchar(50)"),
        (("2026-01-31", "2024-02-29"), "date"),
        (("2026-01-31", ""), "date"),
        (("2026-01-31", "0000-00-00"), "nvarchar(50)"),
        (("31.01.2026",), "nvarchar(50)"),
        (("2026-01-31T08:15:00Z",), "datetime2(7)"),
        (("2026-01-31T00:00:00Z",), "datetime2(7)"),
        (("2026-01-31", "2026-01-31T08:15:00+02:00"), "datetime2(7)"),
        (("x" * 25,), "nvarchar(50)"),
        (("x" * 26,), "nvarchar(100)"),
        (("🦆" * 13,), "nvarchar(100)"),
        (("x" * 2000,), "nvarchar(4000)"),
        (("x" * 2001,), "nvarchar(max)"),
        ((None,), "nvarchar(100)"),
        (([1], None), "none"),
        ((["a"], "a"), "none"),
    ],
)
def test_a_type_holds_what_was_seen_with_room_above_it(values: tuple[Any, ...], declaration: str) -> None:
    assert declared(*values) == declaration


@pytest.mark.parametrize(
    ("values", "name", "declaration"),
    [
        (("1", "23", ""), "level", "int"),
        (("-4", "0"), "level", "int"),
        (("1", "0.25"), "fte", "decimal(18, 4)"),
        (("4711", "12"), "personnelNumber", "nvarchar(50)"),
        (("12345",), "postalCode", "nvarchar(50)"),
        (("4512345678",), "workPhone", "nvarchar(50)"),
        (("4711",), "ManagerId", "nvarchar(50)"),
        (("007", "12"), "level", "nvarchar(50)"),
        (("+45",), "level", "nvarchar(50)"),
        (("1e3",), "level", "nvarchar(50)"),
        (("1,5",), "level", "nvarchar(50)"),
        (("9" * 19,), "level", "nvarchar(50)"),
        (("true", "FALSE", None), "active", "bit"),
        (("1", "0"), "active", "int"),
        (("yes", "no"), "active", "nvarchar(50)"),
        (("2026-01-31", None), "start", "date"),
        (("2026-01-31T08:15:00Z",), "changed", "datetime2(7)"),
        (("31.01.2026",), "start", "nvarchar(50)"),
    ],
)
def test_in_texts_a_number_is_what_is_written_as_one_and_names_no_code(
    values: tuple[Any, ...], name: str, declaration: str
) -> None:
    """A file of CSV has only texts; 007 is no number, and tomorrow's postal code may begin with a zero."""
    survey = Survey(untyped=True)
    survey.take({"id": f"P{n}", name: value} for n, value in enumerate(values))
    (found,) = (f.column for f in survey.shape("id", "People").fields if f.name == name)
    assert found.declaration == declaration


def test_in_texts_numbers_and_dates_are_written_as_hr_source_says() -> None:
    spelled = Spelling(date_formats=("%Y%m%d",), decimal_separator=",")
    survey = Survey(spelled, untyped=True)
    rows = [{"id": "1", "start": "20260131", "fte": "0,80", "pay": "4.500,00", "level": "3"}]
    survey.take([*rows, {"id": "2", "start": "20260201", "fte": "1", "pay": "", "level": "4"}])
    found = {f.name: f.column.declaration for f in survey.shape("id", "People").fields}
    assert found["start"] == "date"
    assert found["fte"] == "decimal(18, 4)"
    assert found["pay"] == "decimal(18, 4)"
    assert found["level"] == "int"


def test_a_number_is_no_date_only_because_dates_may_be_written_as_numbers() -> None:
    survey = Survey(Spelling(date_formats=("unix",)), untyped=True)
    survey.take([{"id": "1", "level": "3"}, {"id": "2", "level": "4"}])
    assert [f.column.declaration for f in survey.shape("id", "People").fields] == ["nvarchar(20)", "int"]


def test_where_json_has_types_a_number_in_a_text_stays_text() -> None:
    assert declared("1", "2") == "nvarchar(50)"


@pytest.mark.parametrize(("name", "declaration"), [("hireDate", "date"), ("createdAt", "datetime2(7)")])
def test_midnights_are_days_where_the_name_says_so(name: str, declaration: str) -> None:
    assert declared("2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z", name=name) == declaration


def names(found: Shape) -> list[str]:
    return [f.name for f in found.fields]


def test_objects_become_parent_child_columns_as_the_ingest_flattens_them() -> None:
    found = shape({"Name": {"First": "Ana", "Parts": {"Last": "B"}}}, {"Name": None}, {"Name": {}})
    assert names(found) == ["id", "Name_First", "Name_Parts_Last"]


def test_names_that_a_database_does_not_tell_apart_are_one_column() -> None:
    found = shape({"Title": "a", "TITLE": "a", "Ａ": 1, "A": 2})
    assert names(found) == ["id", "Title", "Ａ"]
    assert [one.name for one in found.left_out] == ["A"]
    clashing = shape({"Title": "a", "title": "b"})
    assert names(clashing) == ["id"]
    assert "different values" in clashing.left_out[0].why


HOSTILE = (
    "x]; DROP TABLE dbo.Employees;--",
    "x'); DROP TABLE dbo.Employees;--",
    'x"; DROP',
    "a\nGO\nDROP TABLE dbo.Employees",
    "a -- b",
    "a/* b",
    "{columns}",
    "a;",
    " a",
    "\u2028",
    "\0",
    "",
    "n" * 64,
    "dbo.x",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_field_of_a_hostile_name_is_no_column_and_no_statement(name: str) -> None:
    found = shape({name: "x"})
    assert names(found) == ["id"]
    for sqlite in (True, False):
        script = scaffold.create_table("People", found, sqlite=sqlite)
        code = [line for line in script.splitlines() if not line.startswith("--")]
        assert not any("DROP" in line for line in code)
        assert script.splitlines() == script.split("\n")[:-1]  # nothing in a comment ends its line


@pytest.mark.parametrize("name", ["select", "Order", "first name", "e-mail", "größe", "a.b", "#", "$x", "日本"])
def test_reserved_words_and_odd_names_are_columns(name: str) -> None:
    assert names(shape({name: "x"})) == ["id", name]


@pytest.mark.parametrize(
    ("records", "key"),
    [
        (({"workerId": "a", "id": "1"}, {"workerId": "b", "id": "2"}), "workerId"),
        (({"personId": "a", "no": "1"}, {"personId": "b", "no": "2"}), "personId"),
        (({"id": 1, "peopleId": "x"}, {"id": 2, "peopleId": "x"}), "id"),
        (({"id": 1, "name": "A"}, {"id": 1, "name": "B"}), None),
        (({"name": "A"}, {"name": "B"}), None),
        (({"id": 1}, {"id": None}), None),
    ],
)
def test_the_key_is_in_every_record_and_different_in_each(records: tuple[Any, ...], key: str | None) -> None:
    survey = Survey()
    survey.take(records)
    if key is None:
        with pytest.raises(WrongUsage, match="--key FIELD"):
            survey.shape(None, "Workers")
    else:
        assert survey.shape(None, "Workers").key.name == key


def test_a_tables_own_id_goes_before_another() -> None:
    records = [{"id": str(n), "department_id": str(n)} for n in range(3)]
    survey = Survey()
    survey.take(records)
    assert survey.shape(None, "Departments").key.name == "department_id"


def test_a_key_is_text_that_must_be_there() -> None:
    (key,) = (f for f in shape({"id": 7}, {"id": 8}).fields if f.name == "id")
    assert (key.column.declaration, key.column.nullable) == ("nvarchar(20)", False)
    with pytest.raises(WrongUsage, match="no field nowhere"):
        shape({"a": 1}, key="nowhere")
    with pytest.raises(WrongUsage, match="longer than 200"):
        shape({"id": "x" * 201})


def test_records_that_are_none_teach_nothing() -> None:
    with pytest.raises(WrongUsage, match="no record"):
        Survey().shape(None, "People")
    assert shape({"a": 1}, "no object", 7).records == 1


def test_a_table_that_no_database_takes_is_refused() -> None:
    with pytest.raises(WrongUsage, match="a table holds 1000"):
        shape({f"f{n}": n for n in range(1001)})


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.decimals(-(10**30), 10**30, allow_nan=False, allow_infinity=False, places=6),
    st.text(max_size=60).filter(lambda t: "\0" not in t),
    st.dates().map(str),
    st.datetimes().map(lambda d: f"{d.isoformat()}Z"),
    st.lists(st.integers(), max_size=2),
)
NAMES = st.sampled_from(["a", "A", "b", "hire_date", "select", "Ж"])
RECORDS = st.recursive(
    st.dictionaries(NAMES, LEAVES, max_size=5),
    lambda inner: st.dictionaries(NAMES, st.one_of(LEAVES, inner), max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(RECORDS, min_size=1, max_size=6))
def test_whatever_was_seen_fits_the_table_that_was_made_for_it(records: list[dict[str, Any]]) -> None:
    found = shape(*({k: v for k, v in r.items() if k != "id"} for r in records))
    fetch = Fetch(Table("People", found.key.column, tuple(f.column for f in found.fields)), {})
    fetch.take([{**r, "id": f"P{n}"} for n, r in enumerate(records)])
    assert [r.reasons for r in fetch.rejected] == []


def test_no_value_of_anybody_is_in_a_script() -> None:
    marked = {"name": "MARKER one", "when": "1999-12-31", "list": ["MARKER"], "status": "MARKER", "n": 987654}
    found = shape(marked, marked)
    for sqlite in (True, False):
        script = scaffold.create_table("People", found, sqlite=sqlite)
        assert not any(word in script for word in ("MARKER", "1999", "987654"))


def test_what_is_told_of_a_name_is_one_line_and_short() -> None:
    assert mirror.told("a\nGO\n" + "x" * 100).startswith("a\\nGO\\nxxx")
    assert mirror.told("x" * 100) == "x" * 64 + "…"


def test_what_hr_source_says_of_spelling_is_looked_at_as_the_ingest_does() -> None:
    spelled = Spelling(
        select=("who", "start", "seen", "gone"),
        rename={"who": "id"},
        null_values=("0000-00-00",),
        date_formats=("%d.%m.%Y", "%d.%m.%Y %H:%M"),
    )
    records = [
        {"who": "a", "start": "31.12.2026", "seen": "31.12.2026 08:15", "gone": "0000-00-00", "more": 1},
        {"who": "b", "start": "2026-12-31", "seen": "2026-12-31T08:15:00Z", "gone": "01.02.2027", "more": 1},
    ]
    survey = Survey(spelled)
    survey.take(records)
    found = survey.shape("id", "People")
    assert {f.name: f.column.declaration for f in found.fields} == {
        "id": "nvarchar(20)",
        "start": "date",
        "seen": "datetime2(7)",
        "gone": "date",
    }
    fetch = Fetch(Table("People", found.key.column, tuple(f.column for f in found.fields)), {}, spelled)
    assert len(fetch.take(records)) == 2


def test_a_date_of_two_meanings_is_text() -> None:
    survey = Survey(Spelling(date_formats=("%d/%m/%Y", "%m/%d/%Y")))
    survey.take([{"id": 1, "start": "01/02/2026"}])
    assert [f.column.declaration for f in survey.shape("id", "People").fields] == ["nvarchar(20)", "nvarchar(50)"]
