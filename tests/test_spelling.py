"""How HR spells things: names, values that mean none, dates of many forms, times without a zone; twice the same."""

import json
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from provisioning import jobs, mirror, spelling
from provisioning.columns import Column
from provisioning.database import Database
from provisioning.mirror import Fetch, Table
from provisioning.settings import Settings
from provisioning.spelling import Spelling
from tests.clock import MovedClock
from tests.conftest import hr_source
from tests.emulators.hr import HrEmulator
from tests.test_hr import api
from tests.test_ingest import cells

KEY = Column("Id", "varchar", 10, nullable=False)
TEXT, DAY, MOMENT = Column("Name_First", "nvarchar", 20), Column("Born", "date"), Column("Edited", "datetime2", scale=0)
TABLE = Table("People", KEY, (KEY, TEXT, DAY, MOMENT))
COPENHAGEN = ZoneInfo("Europe/Copenhagen")


def row(record: dict[str, Any], **how: Any) -> dict[str, Any]:
    fetch = Fetch(TABLE, {}, Spelling(**how))
    rows = fetch.take([{"Id": "1", **record}])
    assert not fetch.rejected, fetch.rejected
    return {name: value for name, value in rows[0].items() if value is not None and name != "Id"}


def reasons(record: dict[str, Any], **how: Any) -> tuple[str, ...]:
    fetch = Fetch(TABLE, {}, Spelling(**how))
    assert fetch.take([{"Id": "1", **record}]) == []
    return fetch.rejected[0].reasons


# --- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["given.name", "given_name", "Given.Name"])
def test_a_field_gets_the_name_of_its_column(name: str) -> None:
    assert row({"given": {"name": "Ana"}}, rename={name: "name_first"}) == {"Name_First": "Ana"}


def test_a_renamed_field_beside_one_of_that_name_is_no_guess() -> None:
    record = {"given": "Ana", "Name": {"First": "Eva"}}
    assert reasons(record, rename={"given": "Name_First"}) == ("Name_First: two fields give different values for it",)
    assert row({**record, "given": "Eva"}, rename={"given": "Name_First"}) == {"Name_First": "Eva"}


def test_only_what_is_selected_is_looked_at() -> None:
    """What was left out on purpose is not told as a field without a column either."""
    fetch = Fetch(TABLE, {}, Spelling(select=("id", "Name")))
    assert fetch.take(
        [{"Id": "1", "Name": {"First": "Ana", "Maiden": "x"}, "Named": 1, "Salary": 5, "Born": "no date"}]
    )
    assert fetch.unknown_fields == {"Name_Maiden"}


def test_a_field_that_is_renamed_is_selected() -> None:
    """So that a line of `rename` laid over a preset is enough."""
    how: dict[str, Any] = {"select": ("id",), "rename": {"given.name": "Name_First"}}
    assert row({"given": {"name": "Ana", "full": "Ana B"}}, **how) == {"Name_First": "Ana"}


def test_names_are_selected_as_hr_spells_them_and_then_renamed() -> None:
    how: dict[str, Any] = {"select": ("id", "given.name"), "rename": {"given.name": "Name_First"}}
    assert row({"given": {"name": "Ana"}, "Name_First": "not selected"}, **how) == {"Name_First": "Ana"}


# --- values that mean none ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["0000-00-00", " 0000-00-00 ", "N/A", -1, -1.0, "-1"])
def test_what_hr_writes_for_none_is_none(value: Any) -> None:
    nothing = ("0000-00-00", "N/A", -1, "-1")
    assert row({"Born": value, "Name": {"First": value}}, null_values=nothing) == {}


@pytest.mark.parametrize("value", [True, False, 0, "n/a", "N/A."])
def test_nothing_else_is_taken_for_none(value: Any) -> None:
    assert "Name_First" in row({"Name_First": value}, null_values=("N/A", 1, -1, ""))


def test_a_record_whose_key_means_none_has_no_key() -> None:
    fetch = Fetch(TABLE, {}, Spelling(null_values=("none",)))
    assert (fetch.take([{"Id": "none"}]), fetch.keyless) == ([], 1)


# --- numbers ------------------------------------------------------------------------------------------------------

FTE, COUNT = Column("Fte", "decimal", precision=18, scale=2), Column("Count", "int")
NUMBERS = Table("Numbers", KEY, (KEY, FTE, COUNT, Column("Pay", "money"), Column("Rate", "float"), TEXT))


def number(name: str, value: Any, separator: str | None) -> Any:
    fetch = Fetch(NUMBERS, {}, Spelling(decimal_separator=separator))
    rows = fetch.take([{"Id": "1", name: value}])
    return rows[0][name] if rows else fetch.rejected[0].reasons


@pytest.mark.parametrize(
    ("name", "value", "separator", "kept"),
    [
        ("Fte", "0,80", ",", "0.80"),
        ("Fte", "-1.234.567,5", ",", "-1234567.50"),
        ("Fte", "1 234,5", ",", "1234.50"),
        ("Fte", "1\u00a0234,5", ",", "1234.50"),
        ("Fte", "1'234.5", ".", "1234.50"),
        ("Fte", "1,234.5", ".", "1234.50"),
        ("Fte", " 1234.5 ", ".", "1234.50"),
        ("Fte", 0.8, ",", "0.80"),
        ("Fte", 7, ",", "7.00"),
        ("Fte", "", ",", None),
        ("Fte", "0.80", None, "0.80"),
        ("Pay", "4.500,00", ",", "4500.0000"),
        ("Rate", "1,5", ",", 1.5),
        ("Count", "1.200", ",", 1200),
        ("Count", "12", ",", 12),
        ("Name_First", "1,5", ",", "1,5"),
    ],
)
def test_a_number_in_a_text_is_read_with_the_sign_that_hr_puts_before_its_decimals(
    name: str, value: Any, separator: str | None, kept: Any
) -> None:
    assert number(name, value, separator) == kept


@pytest.mark.parametrize(
    ("value", "separator"),
    [
        ("0.80", ","),
        ("1.23", ","),
        ("1,5,5", ","),
        ("1.2345,6", ","),
        ("0,80", "."),
        ("12,34", "."),
        ("x", ","),
        ("1e3", ","),
    ],
)
def test_a_number_that_is_written_otherwise_is_no_number_instead_of_another(value: str, separator: str) -> None:
    """1.23 read with a decimal comma would be 123."""
    assert number("Fte", value, separator) == (f"Fte: is not a number with {separator} as decimal_separator",)


def test_a_number_that_is_too_wide_for_its_column_is_told_as_any() -> None:
    assert number("Count", "1,5", ",") == ("Count: is not a whole number",)
    assert number("Fte", "0,80", None) == ("Fte: is not a number",)


# --- keys of one HR system among several --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "kept"),
    [("7", "B-7"), (7, "B-7"), ("B-7", "B-B-7"), (None, None), ("", ""), ("  ", "  "), ("none", None)],
)
def test_a_key_gets_the_prefix_and_none_stays_none(value: Any, kept: str | None) -> None:
    how: dict[str, Any] = {"key_prefix": "B-", "key_columns": ("id", "name_first"), "null_values": ("none",)}
    assert row({"Id": 1, "Name": {"First": value}}, **how) == ({"Name_First": kept} if kept is not None else {})


@pytest.mark.parametrize("key", [None, "", " ", "none", True, ["7"]])
def test_a_record_without_a_key_has_none_behind_the_prefix_either(key: Any) -> None:
    fetch = Fetch(TABLE, {}, Spelling(key_prefix="B-", key_columns=("Id",), null_values=("none",)))
    assert (fetch.take([{"Id": key}]), fetch.keyless) == ([], 1)


def test_the_prefix_comes_after_the_name_of_the_column() -> None:
    how: dict[str, Any] = {"rename": {"no": "Id", "boss": "Name_First"}, "select": ("no", "boss")}
    fetch = Fetch(TABLE, {}, Spelling(key_prefix="B-", key_columns=("Id", "Name_First"), **how))
    assert [(r["Id"], r["Name_First"]) for r in fetch.take([{"no": 1, "boss": 2, "Id": 3}])] == [("B-1", "B-2")]


def test_each_row_says_of_which_hr_system_it_is() -> None:
    how: dict[str, Any] = {"source_column": "name_first", "source": "agency", "select": ("Id",)}
    assert row({}, **how) == {"Name_First": "agency"}
    fetch = Fetch(TABLE, {}, Spelling(**how))
    fetch.take([{"Id": "1"}])
    assert (fetch.gives_source, fetch.unseen(lambda name: True)) == (False, ["Born", "Edited"])
    fetch = Fetch(TABLE, {}, Spelling(source_column="Name_First", source="agency"))
    assert fetch.take([{"Id": "1", "Name": {"First": "Ana"}}])[0]["Name_First"] == "agency"
    assert fetch.gives_source


# --- dates and times ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formats", "value", "day"),
    [
        (("%d.%m.%Y",), "24.12.2024", "2024-12-24"),
        (("%d.%m.%Y",), " 4.2.2024 ", "2024-02-04"),
        (("%d.%m.%Y",), "2024-12-24", "2024-12-24"),
        (("%d.%m.%Y", "%d-%b-%Y"), "24-Dec-2024", "2024-12-24"),
        (("%Y%m%d",), "20241224", "2024-12-24"),
        (("%d.%m.%Y %H:%M",), "24.12.2024 00:00", "2024-12-24"),
        (("unix",), 1734998400, "2024-12-24"),
        (("unix",), "1734998400", "2024-12-24"),
        (("unix_ms",), 1734998400000, "2024-12-24"),
        (("odata",), "/Date(1734998400000)/", "2024-12-24"),
        (("odata",), "/Date(-2208988800000+0000)/", "1900-01-01"),
    ],
)
def test_a_date_is_read_as_hr_writes_it_or_as_iso_has_it(formats: tuple[str, ...], value: Any, day: str) -> None:
    assert row({"Born": value}, date_formats=formats) == {"Born": day}


@pytest.mark.parametrize(
    ("value", "zone", "kept"),
    [
        ("2024-07-01T10:00:00", COPENHAGEN, "2024-07-01 08:00:00"),
        ("2024-12-01 10:00", COPENHAGEN, "2024-12-01 09:00:00"),
        ("2024-07-01T10:00:00Z", COPENHAGEN, "2024-07-01 10:00:00"),
        ("2024-07-01T10:00:00+01:00", COPENHAGEN, "2024-07-01 09:00:00"),
        ("2024-07-01", COPENHAGEN, "2024-07-01 00:00:00"),
        ("01.07.2024 10:00", COPENHAGEN, "2024-07-01 08:00:00"),
        ("01.07.2024", COPENHAGEN, "2024-07-01 00:00:00"),
        ("/Date(1719828000000)/", COPENHAGEN, "2024-07-01 10:00:00"),
        ("2024-07-01T10:00:00", None, "2024-07-01 10:00:00"),
    ],
)
def test_a_time_without_an_offset_is_of_its_zone_and_a_bare_date_is_no_time(
    value: Any, zone: ZoneInfo | None, kept: str
) -> None:
    formats = ("%d.%m.%Y", "%d.%m.%Y %H:%M", "odata")
    assert row({"Edited": value}, date_formats=formats, time_zone=zone) == {"Edited": kept}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("03.04.2024", "fits two of the date_formats, with different meanings"),
        ("31.12.2024 10:00", "is not a date"),
        ("32.12.2024", "is not a date"),
        ("soon", "is not a date"),
    ],
)
def test_a_date_that_may_mean_two_days_or_none_rejects_the_record(value: str, told: str) -> None:
    (reason,) = reasons({"Born": value}, date_formats=("%d.%m.%Y", "%m.%d.%Y", "%d.%m.%Y %H:%M"))
    assert reason.startswith(f"Born: {told}")
    assert value not in reason


def test_texts_and_numbers_are_left_as_they_are() -> None:
    assert row({"Name_First": "24.12.2024"}, date_formats=("%d.%m.%Y", "unix")) == {"Name_First": "24.12.2024"}
    assert Spelling(date_formats=("unix",)).moment(1734998400, "int") == 1734998400


@pytest.mark.parametrize("text", ["%d.%m.%Y", "%Y-%j", "%B %d, %Y", "%Y%m%dT%H%M%S%z", "unix", "unix_ms", "odata"])
def test_a_format_that_tells_a_day_is_taken(text: str) -> None:
    assert spelling.wrong_format(text) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("%d.%m.%y", "four digits"),
        ("%Q", "must hold only"),
        ("dd.mm.yyyy", "must hold a year"),
        ("%Y", "must hold a year"),
        ("%d.%m.%Y %d", "must hold a year"),
        ("%c", "must hold only"),
        ("100%", "must hold only"),
    ],
)
def test_a_format_that_tells_none_is_refused(text: str, told: str) -> None:
    assert told in str(spelling.wrong_format(text))


# --- ingest and resync --------------------------------------------------------------------------------------------


def test_a_resync_gives_the_same_row_as_an_ingest(
    change: Callable[..., Settings], hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    """What HR_SOURCE says about spelling holds for item_path, too: else she would flap between two rows."""
    spelled = {
        "rename": {"Name.FullName": "Name_FullName", "NickName": "Title", "CreatedDateTime": "ModifiedDateTime"},
        "select": [
            "EmployeeId",
            "Name.FullName",
            "NickName",
            "HiredDate",
            "CreatedDateTime",
            "Active",
            "Office",
            "OrganizationId",
        ],
        "null_values": ["N/A"],
        "date_formats": ["%d.%m.%Y", "%d/%m/%Y %H:%M"],
        "time_zone": "Europe/Copenhagen",
    }
    for person in hr.people:
        edits = {"HiredDate": "24.12.2020", "CreatedDateTime": "01/07/2021 10:30", "Office": "N/A"}
        hr.patch(person["EmployeeId"], edits)
    settings = change(HR_SOURCE=json.dumps(hr_source(hr.url, **spelled)))
    assert jobs.ingest(settings, clock=clock).counts["inserted"] == 100
    everything = "HiredDate, ModifiedDateTime, Office, Title, Name_FullName, Email"
    before = cells(db, everything, "EmployeeId = 'E00002'")
    name = hr.people[1]["Name"]["FullName"]
    assert [str(c) for c in before[0]] == [
        "2020-12-24",
        *[str(c) for c in before[0][1:2]],
        "None",
        hr.people[1]["NickName"] or "None",
        name,
        "None",
    ]
    assert str(before[0][1]).startswith("2021-07-01 08:30:00")
    assert jobs.resync(settings, "E00002", clock=clock).answer["status"] == "accepted"
    assert cells(db, everything, "EmployeeId = 'E00002'") == before
    assert jobs.ingest(settings, clock=clock).counts["unchanged"] == 100


@pytest.mark.parametrize("written", ["id", "EmployeeId"])
def test_the_key_may_be_written_as_hr_has_it_or_as_its_column(written: str) -> None:
    found = api("https://hr.example", primary_key=written, item_path=f"p/{{{written}}}", rename={"id": "EmployeeId"})
    resource = found.resources[0]
    assert (resource.primary_key, resource.item_path) == ("EmployeeId", "p/{EmployeeId}")
    assert found.people is resource


def test_a_spelling_costs_nothing_where_none_is_told() -> None:
    pairs = iter([("a", 1)])
    assert spelling.AS_IT_COMES.fields(pairs) is pairs
    assert mirror.Fetch(TABLE, {}).spelling is spelling.AS_IT_COMES
