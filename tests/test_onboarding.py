"""A new HR system: scripts from its response that pass migrate on both engines, and nothing that is overwritten."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlfluff

from provisioning import __main__ as command_line
from provisioning import ingestion, jobs, migration, onboarding, person, rights, tables
from provisioning.database import Database
from provisioning.errors import DatabaseError, UpstreamError, WrongUsage
from provisioning.runs import Report
from provisioning.settings import Settings
from provisioning.source import Resource
from tests.clock import MovedClock
from tests.conftest import NAMED, environment
from tests.emulators import unseen
from tests.emulators.entra import MANAGER
from tests.emulators.graph import GraphEmulator
from tests.emulators.unseen import UnseenHr

ROOT = Path(__file__).parent.parent


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of sql/ that may be written into."""
    copy = tmp_path / "sql"
    shutil.copytree(migration.SCRIPTS, copy)
    monkeypatch.setattr(migration, "SCRIPTS", copy)
    return copy


@pytest.fixture
def nest() -> Iterator[UnseenHr]:
    with UnseenHr(unseen.invent(120)) as api:
        yield api


def nest_source(url: str, **resource: Any) -> str:
    paginator = {"type": "page_number", "base_page": 1, "total_path": "pages"}
    workers = {
        "name": "Workers",
        "primary_key": "workerCode",
        "endpoint": {"path": "v3/people", "data_selector": "result.people"},
    }
    auth = {"type": "api_key", "name": "X-Nest-Key", "api_key": "$HR_KEY"}
    client = {"base_url": url, "auth": auth, "paginator": paginator}
    return json.dumps({"client": client, "resources": [{**workers, **resource}]})


@pytest.fixture
def change(connection_string: str, nest: UnseenHr, graph: GraphEmulator) -> Callable[..., Settings]:
    environ = environment(connection_string, nest.url, graph.upload_url)
    environ |= {"HR_SOURCE": nest_source(nest.url), "HR_KEY": unseen.KEY}
    return lambda **values: Settings.from_environ({**environ, **values})


@pytest.fixture
def settings(change: Callable[..., Settings]) -> Settings:
    return change()


@pytest.fixture
def own(db: Database, scripts: Path) -> Iterator[Database]:
    """The database; tables of scripts of users' own are gone after the test (a server is shared by all tests)."""
    yield db
    if db.engine == "sqlserver":
        db.execute("DROP VIEW dbo.ScimUsers")
        for script in scripts.glob("1*.sql"):
            if db.view_columns(script.stem.split("_")[1]):
                db.execute(f"DROP TABLE dbo.{script.stem.split('_')[1]}")
            script.unlink()
        db.execute("DELETE FROM provisioning.migrations WHERE script LIKE '1%'")
        shutil.copy(ROOT / "sql" / "mapping.sql", scripts / "mapping.sql")
        migration.migrate(db)


def keeps_case(db: Database) -> bool:
    """Whether the catalogue spells names as they were written (Babelfish spells them small)."""
    return "EmployeeId" in db.view_columns("Employees")


def takes_any_path(db: Database) -> bool:
    """Whether the server's OPENJSON finds a field with a blank in its name (Babelfish's does not)."""
    try:
        found = list(db.select("""SELECT j.a FROM OPENJSON('[{"a b": 1}]') WITH (a int '$."a b"') AS j""", (), "t"))
    except DatabaseError:
        return False
    return found == [(1,)]


def saved(tmp_path: Path, *records: Any, **document: Any) -> Path:
    file = tmp_path / "response.json"
    file.write_text(json.dumps(document or list(records)), encoding="utf-8")
    return file


def files(scripts: Path) -> set[str]:
    return {str(p.relative_to(scripts)) for p in scripts.rglob("*.sql")}


def test_a_response_never_seen_before_becomes_a_table_a_mapping_and_people(
    own: Database, scripts: Path, settings: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    report = onboarding.infer_table(settings, "Workers", clock=clock)
    assert report.answer["records"] == 120
    assert report.answer["columns"] >= 60
    assert report.answer["files"] == [
        "sql/1001_Workers.sql",
        "sql/sqlite/1001_Workers.sql",
        "sql/mapping-Workers.sql",
    ]
    assert migration.migrate(own) == ["1001_Workers.sql"]
    shutil.copy(scripts / "mapping-Workers.sql", scripts / "mapping.sql")
    migration.change_mapping(own, settings)
    counts = jobs.ingest(settings, clock=clock).counts
    assert (counts["inserted"], counts["rejected"]) == (120, 0)
    assert jobs.ingest(settings, clock=clock).counts["unchanged"] == 120
    assert jobs.create(settings, NAMED, clock=clock).counts["sent"] == 113  # those who have left are not created
    users = graph.directory().users
    assert users["W00001"]["name.givenName"] == "Bo"
    assert users["W00043"][MANAGER] == "W00003"


def ready(own: Database, scripts: Path, settings: Settings, clock: MovedClock) -> None:
    """The table of the workers made and filled, and the mapping inferred in place."""
    onboarding.infer_table(settings, "Workers", clock=clock)
    migration.migrate(own)
    shutil.copy(scripts / "mapping-Workers.sql", scripts / "mapping.sql")
    migration.change_mapping(own, settings)
    jobs.ingest(settings, clock=clock)


def test_whoever_is_missing_is_disabled_whatever_the_key_of_people_is_called(
    own: Database, scripts: Path, settings: Settings, nest: UnseenHr, graph: GraphEmulator, clock: MovedClock
) -> None:
    if own.engine == "sqlserver":
        pytest.skip("the server's own clock cannot be moved")
    ready(own, scripts, settings, clock)
    jobs.create(settings, NAMED, clock=clock)
    del nest.people[42]
    for _ in range(2):
        assert jobs.ingest(settings, clock=clock).counts["missing"] == 1
        clock.move(hours=21)
    jobs.ingest(settings, clock=clock)
    assert jobs.update(settings, clock=clock).counts["sent"] == 1
    assert graph.directory().users["W00043"]["accountEnabled"] is False
    shown = person.show(settings, "W00043", clock=clock).answer
    assert (shown["mirror"]["table"], bool(shown["mirror"]["absent_since"])) == ("dbo.Workers", True)
    nest.people = []
    with pytest.raises(UpstreamError, match="no record at all"):
        jobs.ingest(settings, clock=clock)


def test_another_resource_than_the_one_the_mapping_reads_is_not_the_peoples(
    own: Database, scripts: Path, settings: Settings, change: Callable[..., Settings], clock: MovedClock
) -> None:
    places = nest_source("http://127.0.0.1:1/", name="Locations", primary_key="LocationId")
    assert tables.people(own, change(HR_SOURCE=places).hr_sources) == []
    assert tables.people(own, settings.hr_sources) == []  # the mapping reads dbo.Employees
    ready(own, scripts, settings, clock)
    assert [found.table for found in tables.people(own, settings.hr_sources)] == ["Workers"]


def test_the_scripts_read_as_any_other(scripts: Path, settings: Settings, clock: MovedClock) -> None:
    onboarding.infer_table(settings, "Workers", clock=clock)
    for name in ("1001_Workers.sql", "mapping-Workers.sql"):
        text = (scripts / name).read_text(encoding="utf-8")
        assert text.startswith("-- ")
        found = sqlfluff.lint(text, dialect="tsql", config_path=str(ROOT / "pyproject.toml"))
        assert [(v["start_line_no"], v["code"]) for v in found] == []


def test_the_table_is_described_as_any_other_and_the_app_may_fill_it(
    own: Database, scripts: Path, settings: Settings, clock: MovedClock
) -> None:
    onboarding.infer_table(settings, "Workers", clock=clock)
    migration.migrate(own)
    table = tables.describe(own, Resource("workers", "WORKERCODE", "x"))
    found = {c.name.casefold(): (c.declaration.replace("(6)", "(7)"), c.nullable) for c in table.columns}
    assert table.name == ("Workers" if keeps_case(own) else "workers")
    assert found["workercode"] == ("nvarchar(20)", False)
    assert found["employment_hire_date"] == ("date", True)
    assert found["meta_lastupdated"] == ("datetime2(7)", True)
    assert found["employment_fte"] == ("decimal(18, 3)", True)
    assert found["work_remote"] == ("bit", True)
    assert {"order", "group", "select"} <= found.keys()
    assert rights.granted(migration.grants())["dbo.workers"] == {"SELECT", "INSERT", "UPDATE"}
    assert rights.granted(migration.grants(), "provisioning_eraser")["dbo.workers"] == {"SELECT", "DELETE"}


def test_both_engines_get_the_same_columns(scripts: Path, sqlite_string: str, tmp_path: Path) -> None:
    settings = Settings.from_environ({"SQL_CONNECTION_STRING": sqlite_string})
    file = saved(tmp_path, {"id": "1", "long": "x" * 5000, "n": 1.5}, {"id": "2"})
    onboarding.infer_table(settings, "Own", saved=file)
    ours, theirs = ((scripts / f"{p}1001_Own.sql").read_text(encoding="utf-8") for p in ("", "sqlite/"))
    columns = ours.partition("GO\n")[0]
    assert "[long] nvarchar(max) NULL" in columns
    assert theirs == columns.replace("nvarchar(max)", '"nvarchar(max)"') + "GO\n"


def test_a_value_that_is_too_long_is_rejected_with_column_and_length_never_cut(
    own: Database, scripts: Path, settings: Settings, nest: UnseenHr, clock: MovedClock
) -> None:
    onboarding.infer_table(settings, "Workers", clock=clock)
    migration.migrate(own)
    jobs.ingest(settings, clock=clock)
    long = "🦆" * 26  # of two units each, in a column of 50
    nest.people[4] = {**nest.people[4], "group": long}
    report = jobs.ingest(settings, clock=clock)
    assert report.counts["rejected"] == 1
    told = "rejected workers w00005: group: 52 characters, the column holds 50"
    assert told in [note.casefold() for note in report.notes]
    kept = list(own.select("SELECT [group] FROM dbo.Workers WHERE workerCode = 'W00005'", (), "t"))
    assert kept == [("staff",)]


def test_a_field_that_appeared_later_gets_its_column_by_a_script(
    own: Database, scripts: Path, settings: Settings, nest: UnseenHr, clock: MovedClock
) -> None:
    onboarding.infer_table(settings, "Workers", clock=clock)
    with pytest.raises(WrongUsage, match=r"no table dbo.Workers; make one: infer-table Workers"):
        onboarding.add_columns(settings, "Workers", clock=clock)
    migration.migrate(own)
    assert onboarding.add_columns(settings, "Workers", clock=clock).answer["files"] == []
    nest.people = [{**p, "badge": {"Number": n, "[x]": 1}} for n, p in enumerate(nest.people)]
    with pytest.raises(WrongUsage, match="no such field without a column, or none that can have one: nowhere"):
        onboarding.add_columns(settings, "workers", ["badge.number", "nowhere"], clock=clock)
    report = onboarding.add_columns(settings, "workers", ["badge.number"], clock=clock)
    script = "1002_Workers_columns.sql" if keeps_case(own) else "1002_workers_columns.sql"
    assert report.answer["files"] == [f"sql/{script}", f"sql/sqlite/{script}"]
    assert report.answer["columns"] == 1
    with pytest.raises(WrongUsage, match=f"sql/{script} is not applied yet; run migrate"):
        onboarding.add_columns(settings, "Workers", clock=clock)
    assert migration.migrate(own) == [script]
    assert jobs.ingest(settings, clock=clock).counts["inserted"] == 120
    assert [int(r[0]) for r in own.select("SELECT MAX(badge_Number) FROM dbo.Workers", (), "t")] == [119]
    assert onboarding.add_columns(settings, "Workers", clock=clock).answer["columns"] == 0
    text = (scripts / script).read_text(encoding="utf-8")
    assert sqlfluff.lint(text, dialect="tsql", config_path=str(ROOT / "pyproject.toml")) == []


def infer(settings: Settings, tmp_path: Path, name: str = "Own", *records: Any, **more: Any) -> Report:
    return onboarding.infer_table(settings, name, saved=saved(tmp_path, *(records or [{"id": "1"}])), **more)


def test_nothing_is_ever_overwritten(scripts: Path, sqlite_string: str, tmp_path: Path) -> None:
    settings = Settings.from_environ({"SQL_CONNECTION_STRING": sqlite_string})
    for name in ("Employees", "employees", "ScimUsers"):
        with pytest.raises(WrongUsage, match="is there already; for fields that it lacks: add-columns"):
            infer(settings, tmp_path, name)
        with pytest.raises(WrongUsage, match=rf"dbo.{name} is made by sql/\w+.sql; take another name"):
            infer(Settings.from_environ({}), tmp_path, name)  # before there is any database
    infer(settings, tmp_path, "Own")
    before = {p: p.read_bytes() for p in scripts.rglob("*.sql")}
    with pytest.raises(WrongUsage, match=r"sql/1001_Own.sql is there already; run migrate, or delete it"):
        infer(settings, tmp_path, "own")
    (scripts / "mapping-More.sql").write_text("-- mine\n")
    with pytest.raises(WrongUsage, match=r"sql/mapping-More.sql is there already"):
        infer(settings, tmp_path, "More")
    (scripts / "sqlite" / "1007_Mine.sql").write_text("-- mine\n")
    assert infer(settings, tmp_path, "Next").answer["files"][0] == "sql/1008_Next.sql"
    assert all(p.read_bytes() == text for p, text in before.items())


def test_a_file_that_came_to_be_there_meanwhile_is_not_overwritten_and_nothing_is_left_behind(scripts: Path) -> None:
    before, mapping = files(scripts), (scripts / "mapping.sql").read_bytes()
    with pytest.raises(WrongUsage, match=r"sql/mapping.sql is there already"):
        onboarding._write_new({"1001_Own.sql": "-- x\n", "mapping.sql": "-- y\n"})
    assert (files(scripts), (scripts / "mapping.sql").read_bytes()) == (before, mapping)


def test_a_folder_that_cannot_be_written_is_told_and_nothing_is_left_behind(
    scripts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(scripts)
    shutil.rmtree(scripts / "sqlite")
    (scripts / "sqlite").write_text("a file, where a folder should be")
    with pytest.raises(Exception, match=r"sql/sqlite/1001_Own.sql"):
        infer(Settings.from_environ({}), tmp_path)
    assert files(scripts) == {name for name in before if not name.startswith("sqlite/")}


@pytest.mark.parametrize("name", ["Own Table", "x'; DROP", "1st", "", "x" * 61, "Größe", "dbo.Own"])
def test_a_table_has_a_plain_name(scripts: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(WrongUsage, match="letters, digits and _"):
        infer(Settings.from_environ({}), tmp_path, name)


@pytest.mark.parametrize(
    ("text", "selector", "told"),
    [
        ('{"a": {"b": [{"id": 1}]}, "c": [1]}', None, "there are some at a.b. Say where: --data-selector"),
        ('{"a": {"b": [{"id": 1}]}}', "a.c", "there are some at a.b"),
        ('{"a": 1}', None, "there is none"),
        ('[{"id": 1}]', "a", "no list of records"),
        ("[]", None, "no record to learn from"),
        ("[1, null]", None, "no record to learn from"),
        ("", None, "is not JSON"),
        ("<html>", None, "a page of HTML"),
        ('[{"id": 1, "id": 2}]', None, "one name twice"),
        ('[{"id": 1}]', "a[", "must be a path"),
        (None, None, "cannot be read"),
    ],
)
def test_a_saved_response_that_cannot_be_used_says_why(
    scripts: Path, tmp_path: Path, text: str | None, selector: str | None, told: str
) -> None:
    file, before = tmp_path / "response.json", files(scripts)
    if text is not None:
        file.write_text(text)
    with pytest.raises(WrongUsage, match=re.escape(told)):
        onboarding.infer_table(Settings.from_environ({}), "Own", saved=file, data_selector=selector)
    assert files(scripts) == before


def test_a_saved_response_is_found_where_hr_source_says(
    scripts: Path, change: Callable[..., Settings], tmp_path: Path
) -> None:
    file = saved(tmp_path, result={"people": unseen.invent(3)})
    report = onboarding.infer_table(change(), "workers", saved=file)
    assert (report.answer["records"], report.answer["table"]) == (3, "dbo.Workers")


CSV = """Personnel No;First name;Start;FTE;Active;Salary grade;Boss
4711;Zoë;31.01.2026;0,80;true;007;
4712;Bo;;1;false;12;4711
"""
DESCRIBED = {
    "primary_key": "Personnel No",
    "date_formats": ["%d.%m.%Y"],
    "decimal_separator": ",",
    "rename": {"Boss": "ManagerId"},
}


def own_export(folder: Path, text: str = CSV, encoding: str = "windows-1252") -> dict[str, Any]:
    """A share with an export in it, and the setting that reads it."""
    folder.mkdir(exist_ok=True)
    (folder / "people.csv").write_bytes(text.encode(encoding))
    os.utime(folder / "people.csv", (0, 0))
    told = {"type": "csv", "delimiter": ";", "encoding": encoding}
    resource = {"name": "Own", "endpoint": {"path": "people.csv", "format": told}, **DESCRIBED}
    return {"HR_SOURCE": json.dumps({"client": {"base_url": folder.as_uri()}, "resources": [resource]})}


def columns_of(scripts: Path) -> dict[str, str]:
    text = (scripts / "1001_Own.sql").read_text(encoding="utf-8")
    return dict(re.findall(r"^    \[(.+?)\] (\S+(?: \d+\))?) ", text, re.MULTILINE))


@pytest.mark.parametrize("way", ["live", "saved"])
def test_a_file_of_csv_becomes_a_table_that_the_ingest_fills(
    own: Database, scripts: Path, change: Callable[..., Settings], tmp_path: Path, clock: MovedClock, way: str
) -> None:
    if own.engine == "sqlserver" and not takes_any_path(own):
        pytest.skip("this server's OPENJSON finds no field with a blank in its name (Babelfish)")
    settings = change(**own_export(tmp_path / "share"))
    file = tmp_path / "share" / "people.csv" if way == "saved" else None
    report = onboarding.infer_table(settings, "Own", saved=file, clock=clock)
    assert (report.answer["records"], report.answer["columns"]) == (2, 7)
    found = {name: kind.rstrip(",") for name, kind in columns_of(scripts).items()}
    assert found == {
        "Personnel No": "nvarchar(20)",
        "First name": "nvarchar(50)",
        "Start": "date",
        "FTE": "decimal(18, 4)",
        "Active": "bit",
        "Salary grade": "nvarchar(50)",
        "ManagerId": "nvarchar(50)",
    }
    assert migration.migrate(own) == ["1001_Own.sql"]
    counts = jobs.ingest(settings, clock=clock).counts
    assert (counts["inserted"], counts["rejected"]) == (2, 0)
    rows = own.select("SELECT [Personnel No], [First name], [FTE], [Salary grade] FROM dbo.Own ORDER BY 1", (), "t")
    assert [(a, b, float(c), d) for a, b, c, d in rows] == [("4711", "Zoë", 0.8, "007"), ("4712", "Bo", 1.0, "12")]
    (tmp_path / "share" / "people.csv").write_bytes(CSV.replace("Boss", "Badge").encode("windows-1252"))
    os.utime(tmp_path / "share" / "people.csv", (0, 0))
    assert onboarding.add_columns(settings, "Own", saved=file, clock=clock).answer["columns"] == 1


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("people.csv", "id,name\n1,Ana\n", '"format": {"type": "csv", "delimiter": ",", "encoding": "utf-8"}'),
        ("PEOPLE.CSV", "id;name\n1;Ana\n", '"format": {"type": "csv", "delimiter": ";", "encoding": "utf-8"}'),
        ("people.tsv", "id\tname\n1\tAna\n", '"format": {"type": "csv", "delimiter": "\\t", "encoding": "utf-8"}'),
    ],
)
def test_of_a_saved_file_that_nobody_has_described_the_dialect_is_seen_and_told(
    scripts: Path, tmp_path: Path, name: str, text: str, told: str
) -> None:
    (tmp_path / name).write_text(text)
    report = onboarding.infer_table(Settings.from_environ({}), "Own", saved=tmp_path / name)
    assert (report.answer["records"], report.answer["columns"]) == (1, 2)
    assert any(told in note for note in report.notes)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"id,name\n1\n", "line 2 has 1 field, and the header has 2"),
        (b"id,name\n1,Zo\xeb\n", "line 2 is not utf-8; see format.encoding"),
        (b"", "it is empty"),
        (b"id\n", "there is no record to learn from"),
        (None, "cannot be read"),
    ],
)
def test_a_saved_file_of_csv_that_cannot_be_used_says_why(
    scripts: Path, tmp_path: Path, body: bytes | None, told: str
) -> None:
    file, before = tmp_path / "people.csv", files(scripts)
    if body is not None:
        file.write_bytes(body)
    with pytest.raises(WrongUsage, match=re.escape(told)):
        onboarding.infer_table(Settings.from_environ({}), "Own", saved=file)
    assert files(scripts) == before


def test_without_a_source_or_its_resource_it_says_what_to_give(
    scripts: Path, change: Callable[..., Settings], clock: MovedClock
) -> None:
    with pytest.raises(WrongUsage, match="set HR_SOURCE, or give a saved response: --from FILE"):
        onboarding.infer_table(change(HR_SOURCE=""), "Workers", clock=clock)
    with pytest.raises(WrongUsage, match=r"has no resource Units \(it has Workers\)"):
        onboarding.infer_table(change(), "Units", clock=clock)
    with pytest.raises(UpstreamError, match="Workers: HR answered 401"):
        onboarding.infer_table(change(HR_KEY="wrong"), "Workers", clock=clock)


def test_no_value_of_a_person_is_printed_or_written(
    scripts: Path, sqlite_string: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    marked = {
        "firstName": "MARKER",
        "status": "MARKED",
        "manager": "MARKER",
        "list": ["MARKER"],
        "hired": "1987-06-05",
        "MARKER\n": "MARKER",  # a name, not a value: told as such
        "n": 987654,
    }
    people = [{"id": f"MARKER{n}", **marked} for n in range(20)]
    file = saved(tmp_path, data=people)
    environ = {"SQL_CONNECTION_STRING": sqlite_string}
    code = command_line.main(["infer-table", "Own", "--from", str(file), "--data-selector", "data"], environ)
    told = capfd.readouterr()
    line = json.loads(told.out)
    assert (code, line["job"], line["records"], line["table"]) == (0, "infer-table", 20, "dbo.Own")
    text = told.err + told.out + "".join((scripts / f[4:]).read_text(encoding="utf-8") for f in line["files"])
    assert "status of 20 of 20 records is no word that the mapping knows" in text.replace("\n-- ", " ")
    text = text.replace("MARKER\\n", "")
    assert not any(word in text for word in ("MARK", "1987", "987654"))


def test_on_the_command_line_what_is_wrong_ends_with_2_and_one_line(
    scripts: Path, sqlite_string: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = saved(tmp_path, {"id": "1"}, {"id": "2", "more": "x"})
    environ = {"SQL_CONNECTION_STRING": sqlite_string}
    assert command_line.main(["infer-table", "Own", "--from", str(file), "--key", "nowhere"], environ) == 2
    assert json.loads(capfd.readouterr().out)["job"] == "infer-table"
    assert command_line.main(["infer-table", "Own", "--from", str(file)], {}) == 0  # needs no setting at all
    capfd.readouterr()
    assert command_line.main(["add-columns", "Own", "--from", str(file)], {}) == 2
    assert "SQL_CONNECTION_STRING: is missing" in capfd.readouterr().err


ODD = (
    "select",
    "Order",
    "first name",
    "e-mail",
    "größe",
    "a.b",
    "#",
    "$x",
    "日本",
    "a/b",
    "(c)",
    "50",
    "@type",
    "x:y",
    "A&B",
)


def test_odd_names_and_reserved_words_are_filled_as_any_other(
    own: Database, scripts: Path, change: Callable[..., Settings], nest: UnseenHr, clock: MovedClock
) -> None:
    if own.engine == "sqlserver" and not takes_any_path(own):
        pytest.skip("this server's OPENJSON finds no field with a blank in its name (Babelfish)")
    nest.people = [{"id": f"P{n}", **{name: f"{name} {n}" for name in ODD}} for n in range(3)]
    settings = change(HR_SOURCE=nest_source(nest.url, name="Odd", primary_key="id"))
    assert onboarding.infer_table(settings, "Odd", clock=clock).answer["left_out"] == 0
    migration.migrate(own)
    assert jobs.ingest(settings, clock=clock).counts["inserted"] == 3
    nest.people = [{**p, **dict.fromkeys(ODD, "changed")} for p in nest.people]
    assert jobs.ingest(settings, clock=clock).counts["updated"] == 3
    columns = ", ".join(f"[{name}]" for name in ODD)
    rows = list(own.select(f"SELECT {columns} FROM dbo.Odd", (), "t"))
    assert rows == [("changed",) * len(ODD)] * 3
    shutil.copy(scripts / "mapping-Odd.sql", scripts / "mapping.sql")
    text = (scripts / "mapping.sql").read_text(encoding="utf-8")
    (scripts / "mapping.sql").write_text(text.replace(" 1 AS InScope,", " 1 AS InScope, e.[first name] AS 'title',"))
    migration.change_mapping(own, settings)
    assert ingestion.uses_column(own)("first name")
    assert not ingestion.uses_column(own)("e-mail")
