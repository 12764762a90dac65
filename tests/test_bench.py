"""What `make bench` measures with is what it says; and counts that hold on any machine."""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from provisioning import database, jobs, mirror, tables
from provisioning.database import Database
from provisioning.settings import Settings
from tests.bench import bridge as bridges
from tests.bench import page, rivals
from tests.bench.company import Company, person
from tests.bench.drawing import THEMES
from tests.bench.measures import Bench
from tests.bench.record import Row, exponent
from tests.bench.watched import counted
from tests.clock import MovedClock
from tests.conftest import NAMED, edit, employ
from tests.emulators.graph import GraphEmulator


@pytest.fixture
def company() -> Iterator[Company]:
    with Company(4_500, 0.0) as served:
        yield served


def ingested(text: str, served: Company) -> tuple[dict[str, int], dict[str, int]]:
    """What an ingest counts, and the statements it takes."""
    settings = Settings.from_environ({"SQL_CONNECTION_STRING": text, "HR_SOURCE": served.source})
    with counted(database.Sqlite) as statements:
        counts = jobs.ingest(settings).counts
    return counts, dict(statements)


def test_a_record_of_the_bench_fills_every_column_of_the_table_and_nothing_else(small: Database) -> None:
    table = tables.describe(small, bridges.EMPLOYEES)
    fetch = mirror.Fetch(table, {})
    rows = fetch.take([person(n) for n in range(200)])
    assert (len(table.columns), fetch.rejections, fetch.unknown_fields) == (37, 0, set())
    assert {name for row in rows for name, value in row.items() if value is None} == {
        *("Name_MiddleName", "NickName", "ManagerId", "Title", "ValidTo", "TerminatedDate")
    }
    assert [len(rivals.flat(person(n))) for n in (0, 1)] == [37, 37]


def test_rows_are_read_and_written_by_the_chunk_and_a_quiet_round_writes_none(
    sqlite_string: str, company: Company
) -> None:
    counts, statements = ingested(sqlite_string, company)
    assert (counts["inserted"], statements["mirror_insert"]) == (4_500, 3)
    counts, statements = ingested(sqlite_string, company)
    assert (counts["unchanged"], statements["mirror_rows"]) == (4_500, 3)
    assert not {"mirror_insert", "mirror_update"} & statements.keys()
    company.edit(lambda n: "Chief" if n % 100 == 0 else None)
    counts, statements = ingested(sqlite_string, company)
    assert (counts["updated"], statements["mirror_update"]) == (45, 1)


def test_a_request_takes_at_most_6_round_trips(
    small: Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    settings, people = bridge(), [f"E{n:03d}" for n in range(400)]
    employ(small, *people, Title="Duck")
    jobs.create(settings, NAMED, clock=clock)
    taken = []
    for title, count in (("Goose", 50), ("Swan", 400)):
        edit(small, *people[:count], Title=title)
        with counted(database.Sqlite) as statements:
            assert jobs.update(settings, clock=clock).counts["calls"] == count // 50
        taken.append(statements.total())
    assert taken[1] - taken[0] <= 7 * 6


def test_the_exponent_is_that_of_the_growth() -> None:
    for power in (0.9, 1.0, 2.0):
        assert exponent([(n, 3 * n**power) for n in (10, 100, 1_000)]) == pytest.approx(power)


def measured(folder: Path) -> Bench:
    bench = Bench(folder, times=1, sizes=(1_000, 10_000))
    bench.rows = {
        "upload": [Row("calls a second", "6.9", "Graph's limit, 8", "86%", "6.7", met=True)],
        "growth": [Row("ingest", "1 s", "", "1.2", "exponent 1.05", met=False)],
    }
    steady = [(float(s), 35.0) for s in range(1, 50)]
    growing = [(1_000.0, 0.05), (10_000.0, 0.5)]
    bench.series = {"upload": steady, "sample": steady, "ingest": growing, "update": growing}
    return bench


def test_the_page_says_what_missed_its_goal_and_on_which_machine(tmp_path: Path) -> None:
    text = page.text(measured(tmp_path), 3)
    assert "| calls a second | 6.9 | Graph's limit, 8 | 86% | 6.7 ✓ |" in text
    assert "| ingest | 1 s |  | 1.2 | exponent 1.05 **missed** |" in text
    assert "1 of 2 goals are reached. A T-SQL server was not measured" in text
    assert page.machine() in text
    assert "not to be believed" not in text
    assert "not to be believed" in page.text(measured(tmp_path), 3, busy=True)


def test_readme_has_a_place_for_five_figures(tmp_path: Path) -> None:
    bench = measured(tmp_path)
    bench.rows = {
        "upload": [Row("calls", "1"), Row("people a second", "345", "one call per person: 3.2", "107 ×")],
        "growth": [Row("ingest", "2"), Row("update", "3", "", "exponent 1.00")],
    }
    text = page.into((page.ROOT / "README.md").read_text(encoding="utf-8"), page.summary(bench))
    assert "| people a second | 345 | one call per person: 3.2: 107 × |\n| update | 3 | exponent 1.00 |" in text
    assert page.into(text, "x").count("x\n\n<!-- end of figures -->") == 1
    with pytest.raises(ValueError, match="no place"):
        page.into("no marks", "x")


def test_the_pictures_are_whole_and_fit_a_light_and_a_dark_page(tmp_path: Path) -> None:
    page.write(measured(tmp_path), tmp_path / "benchmarks.md", tmp_path / "img", 3)
    drawn = sorted(p.name for p in (tmp_path / "img").iterdir())
    assert drawn == [f"bench-{part}-{theme}.svg" for part in ("growth", "upload") for theme in ("dark", "light")]
    assert '"img/bench-upload-dark.svg"' in (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    for path in (tmp_path / "img").iterdir():
        root = ET.fromstring(path.read_text(encoding="utf-8"))  # noqa: S314 - made here
        colours = {e.get("fill") for e in root.iter("{http://www.w3.org/2000/svg}rect")}
        assert colours == {THEMES["dark" if "dark" in path.name else "light"].page}
        lines = [e.get("points", "") for e in root.iter("{http://www.w3.org/2000/svg}polyline")]
        assert len(lines) == 3
        assert all(0 <= float(n) <= 720 for line in lines for pair in line.split() for n in pair.split(","))
