"""The mirror's tables on both engines: what they take, what they hold, what is written to them."""

from collections.abc import Iterator
from typing import Any

import pytest

from provisioning import database, mirror, tables
from provisioning.database import Database
from provisioning.errors import SettingsError
from provisioning.mirror import Fetch, Table
from provisioning.source import Resource

AT = "2026-11-22 12:00:00.0000000"
NAMES = ("EmployeeId", "Name_FullName", "Name_FirstName", "Salutation", "BirthDate", "ModifiedDateTime", "Active")


def employees(db: Database) -> Table:
    return tables.describe(db, Resource("Employees", "EmployeeId", "x"))


def locations(db: Database) -> Table:
    return tables.describe(db, Resource("Locations", "LocationId", "x"))


def place(key: str, name: str | None = None, office: str | None = None) -> mirror.Values:
    return {"LocationId": key, "Location_Name": name, "Office": office}


def row(table: Table, *values: Any) -> mirror.Values:
    """A row under the names that the catalogue spells (Babelfish spells them small)."""
    return {column.name: value for column, value in zip(table.columns, values, strict=True)}


def stored(db: Database) -> list[tuple[Any, ...]]:
    return [tuple(r) for r in db.select("SELECT * FROM dbo.Locations ORDER BY LocationId", (), "t")]


def take(db: Database, table: Table, *records: mirror.Record) -> Fetch:
    """A complete fetch of these records, written as ingest does."""
    fetch = Fetch(table, tables.keys(db, table))
    rows = fetch.take(records)
    tables.write(db, table, fetch.changes(rows, tables.held(db, table, rows)))
    tables.note_absent(db, table, fetch, set(), AT)
    return fetch


def absent(db: Database) -> list[str]:
    return sorted(str(row[0]) for row in db.rows("absent_keys", "Locations"))


@pytest.fixture
def own_table(db: Database) -> Iterator[Any]:
    """A table of the user's own, by its columns; gone after the test."""
    made = []

    def make(columns: str, key: str) -> Table:
        db.execute(f"CREATE TABLE dbo.Own ({columns})")
        made.append("Own")
        return tables.describe(db, Resource("Own", key, "x"))

    yield make
    for name in made:
        db.execute(f"DROP TABLE dbo.{name}")


def test_a_table_is_described_as_the_catalogue_has_it(db: Database) -> None:
    table = employees(db)
    found = {name: (c.declaration, c.nullable) for name in NAMES if (c := table.column(name))}
    assert (len(table.columns), table.key) == (37, table.column("EmployeeId"))
    assert found["EmployeeId"] == ("varchar(10)", False)
    assert found["Name_FullName"] == ("nvarchar(300)", False)
    assert found["Name_FirstName"] == ("nvarchar(100)", True)
    assert found["Salutation"] == ("tinyint", True)
    assert found["BirthDate"] == ("date", True)
    assert found["ModifiedDateTime"][0] in ("datetime2(7)", "datetime2(6)")  # Babelfish keeps six digits
    assert found["Active"] == ("bit", True)
    assert {c.code_page for c in table.columns} == {1252}


def test_names_of_tables_and_keys_are_matched_without_case(db: Database) -> None:
    table = tables.describe(db, Resource("employees", "employeeid", "x"))
    assert (table.key.name.casefold(), len(table.columns)) == ("employeeid", 37)


@pytest.mark.parametrize(
    ("resource", "told"),
    [
        (Resource("Nowhere", "Id", "x"), "there is no table dbo.Nowhere"),
        (Resource("ScimUsers", "EmployeeId", "x"), "there is no table dbo.ScimUsers"),  # a view takes nothing
        (Resource("Employees", "Id", "x"), "dbo.Employees has no column Id, its primary_key"),
    ],
)
def test_a_table_that_cannot_be_filled_is_named(db: Database, resource: Resource, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        tables.describe(db, resource)


def test_what_is_written_is_held(db: Database) -> None:
    table = locations(db)
    people = [("L1", "Göteborg", ""), ("L2", None, None), ("L3", "Robert'); DROP TABLE Employees;--", "森 😀")]
    rows = [row(table, *one) for one in people]
    tables.write(db, table, [(True, one) for one in rows])
    assert tables.held(db, table, rows) == {f"L{n}": one for n, one in enumerate(rows, 1)}
    assert stored(db) == people


def test_new_rows_are_inserted_and_changed_ones_written_over(db: Database) -> None:
    table = locations(db)
    tables.write(db, table, [(True, row(table, "L1", "a", "1")), (True, row(table, "L2", "b", "2"))])
    tables.write(db, table, [(True, row(table, "L3", "c", None)), (False, row(table, "L1", "A", None))])
    assert stored(db) == [("L1", "A", None), ("L2", "b", "2"), ("L3", "c", None)]


def test_more_rows_than_one_statement_takes_are_all_written(db: Database) -> None:
    table, count = locations(db), database.ROWS_A_STATEMENT + 1
    rows = [row(table, f"L{n}", "x", None) for n in range(count)]
    tables.write(db, table, [(True, one) for one in rows])
    assert len(tables.keys(db, table)) == len(tables.held(db, table, rows)) == count


def test_a_value_of_every_kind_comes_back_as_it_was_compared(db: Database) -> None:
    record = {
        "EmployeeId": "E1",
        "Name": {"FullName": "Zoë 森"},
        "Salutation": 255,
        "BirthDate": "2000-02-29",
        "RowNumber": -5,
        "CreatedDateTime": "2026-01-02T03:04:05.123456Z",
        "Active": False,
        "Title": "",
    }
    table = employees(db)
    (taken,) = Fetch(table, {}).take([record])
    tables.write(db, table, [(True, taken)])
    assert tables.held(db, table, [taken]) == {"E1": taken}


def test_keys_are_compared_without_case_and_kept_as_spelled(db: Database) -> None:
    table = locations(db)
    tables.write(db, table, [(True, row(table, "lA", None, None))])
    assert tables.keys(db, table) == {"la": "lA"}
    assert tables.key(db, table, "LA") == {"la": "lA"}
    assert tables.key(db, table, "L") == {}


def test_who_is_absent_is_noted_once_and_forgotten_when_back(db: Database) -> None:
    table = locations(db)
    take(db, table, place("L1"), place("L2"), place("L3"))
    take(db, table, place("l1 "))
    assert absent(db) == ["L2", "L3"]
    assert tables.note_absent(db, table, take(db, table, place("L1"), place("L2")), set(), AT) == 1
    assert absent(db) == ["L3"]
    assert len(stored(db)) == 3


def test_a_keyless_record_notes_nobody_but_still_forgets_who_is_back(db: Database) -> None:
    table = locations(db)
    take(db, table, place("L1"), place("L2"), place("L3"))
    take(db, table, place("L1"), place("L2"))
    assert absent(db) == ["L3"]
    take(db, table, place("L3"), place(" "))
    assert absent(db) == []


def test_absence_is_noted_per_table(db: Database) -> None:
    take(db, locations(db), place("L1"), place("L2"))
    take(db, locations(db), place("L1"))
    organizations = tables.describe(db, Resource("Organizations", "OrganizationId", "x"))
    take(db, organizations, {"OrganizationId": "L2"})
    assert absent(db) == ["L2"]


def test_a_record_fetched_by_itself_is_known_since_when_and_no_longer_absent(db: Database) -> None:
    table = locations(db)
    take(db, table, place("L1"), place("L2"))
    take(db, table, place("L1"))
    before = "2026-01-01 00:00:00.0000000"
    tables.record_refresh(db, table, "L2")
    assert absent(db) == []
    assert tables.refreshed_since(db, table, before) == {"l2"}
    assert tables.refreshed_since(db, table, "2099-01-01 00:00:00.0000000") == set()


def test_a_key_of_fixed_width_is_one_key_however_the_engine_pads_it(db: Database, own_table: Any) -> None:
    table = own_table("Code char(5) NOT NULL PRIMARY KEY, Name nvarchar(20) NULL", "Code")
    take(db, table, {"Code": "AB", "Name": "one"})
    again = take(db, table, {"Code": "AB", "Name": "one"})
    assert (again.inserted, again.updated, again.unchanged, again.absent()) == (0, 0, 1, [])


def test_a_number_may_be_the_key(db: Database, own_table: Any) -> None:
    table = own_table("Id int NOT NULL PRIMARY KEY, Name nvarchar(20) NULL", "Id")
    take(db, table, {"Id": 7, "Name": "one"}, {"Id": 8, "Name": "two"})
    again = take(db, table, {"Id": "7", "Name": "One"})
    assert (again.inserted, again.updated, again.absent()) == (0, 1, [8])


def test_a_column_that_the_database_fills_is_left_to_it(db: Database, own_table: Any) -> None:
    computed = "AS (Hours * 2)" if db.engine == "sqlserver" else "int GENERATED ALWAYS AS (Hours * 2)"
    table = own_table(f"Code varchar(5) NOT NULL PRIMARY KEY, Hours int NULL, Twice {computed}", "Code")
    assert [c.name.casefold() for c in table.columns] == ["code", "hours"]
    take(db, table, {"Code": "A", "Hours": 4})
    assert [int(r[0]) for r in db.select("SELECT Twice FROM dbo.Own", (), "t")] == [8]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("decimal(9, 2)", "12.5"),
        ("money", "3.1"),
        ("bigint", 2**53 - 1),
        ("smallint", -7),
        ("float", 0.1),
        ("real", 0.1),
        ("time(3)", "08:30"),
        ("datetime2(0)", "2026-01-02T03:04:05.6Z"),
        ("nchar(5)", "ж"),
        ("uniqueidentifier", "6f9619ff-8b86-d011-b42d-00c04fc964ff"),
    ],
)
def test_a_value_of_any_type_is_unchanged_in_the_next_round(
    db: Database, own_table: Any, kind: str, value: Any
) -> None:
    table = own_table(f"Code varchar(5) NOT NULL PRIMARY KEY, Cell {kind} NULL", "Code")
    first = take(db, table, {"Code": "A", "Cell": value})
    again = take(db, table, {"Code": "A", "Cell": value})
    assert (first.rejected, first.inserted, again.updated, again.unchanged) == ([], 1, 0, 1)


def test_names_with_blanks_and_apostrophes_are_quoted(db: Database) -> None:
    db.execute('CREATE TABLE dbo."Own Table" (Code varchar(5) NOT NULL PRIMARY KEY, "it\'s" nvarchar(9) NULL)')
    try:
        table = tables.describe(db, Resource("Own Table", "Code", "x"))
        take(db, table, {"Code": "A", "it's": "x"})
        assert list(db.select('SELECT "it\'s" FROM dbo."Own Table"', (), "t")) == [("x",)]
    finally:
        db.execute('DROP TABLE dbo."Own Table"')
