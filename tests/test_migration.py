"""Migrations on both engines: once each, again without harm, the mapping theirs to change."""

import re
import shutil
from pathlib import Path

import pytest

from provisioning import database, jobs, migration, runs, tables
from provisioning.database import Database
from provisioning.errors import DatabaseError, MappingError, SettingsError
from provisioning.settings import Settings


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of sql/ that a test may change."""
    copy = tmp_path / "sql"
    shutil.copytree(migration.SCRIPTS, copy)
    monkeypatch.setattr(migration, "SCRIPTS", copy)
    return copy


def edit(scripts: Path, before: str, after: str) -> None:
    file = scripts / "mapping.sql"
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after), encoding="utf-8")


def view(db: Database, employee_id: str, column: str) -> object:
    (found,) = db.select(f'SELECT v."{column}" FROM dbo.ScimUsers AS v WHERE v.EmployeeId = ?', (employee_id,), "t")
    return found[0]


def test_run_again_nothing_happens(db: Database) -> None:
    assert migration.migrate(db) == []


def test_a_fresh_database_gets_every_script_and_the_mapping(tmp_path: Path) -> None:
    with database.connect(f"sqlite:///{tmp_path}/x.db") as db:
        scripts = ["0001_mirror.sql", "0002_bookkeeping.sql", "0003_guards.sql", "0004_outcomes.sql"]
        scripts += ["0005_disabled_by_hand.sql", "0006_told_fields.sql", "0007_user_names.sql"]
        assert migration.migrate(db) == [*scripts, "mapping.sql"]
        assert migration.migrate(db) == []
        assert migration.migrate(db, sample=True) == ["sample.sql"]
        assert len(list(db.rows("migrations"))) == len(scripts)


def test_every_script_is_noted_on_both_engines(db: Database) -> None:
    scripts = sorted(p.name for p in migration.SCRIPTS.glob("[0-9]*.sql"))
    assert sorted(str(row[0]) for row in db.rows("migrations")) == scripts
    assert [s for s in scripts if not migration.is_own(s)][-1] == runs.NEWEST_SCRIPT


@pytest.mark.parametrize(
    ("text", "batches"),
    [
        ("SELECT 1;\nGO\nSELECT 2;\n", 2),
        ("SELECT 1;\n  go\t\nSELECT 2;\nGO\nGO\n", 2),
        ("SELECT 1;\r\nGO\r\nSELECT 2;\r\n", 2),
        ("\ufeffSELECT 'GO' AS a;\n-- GO on\nGO\n", 1),
        ("-- nothing\nGO\n", 0),
    ],
)
def test_a_script_is_split_at_lines_that_say_go(tmp_path: Path, text: str, batches: int) -> None:
    file = tmp_path / "x.sql"
    file.write_bytes(text.encode("utf-8"))
    found = list(migration._batches(file, "sqlserver"))
    assert len(found) == batches
    assert not any("\ufeff" in batch for batch in found)


@pytest.mark.parametrize(
    "literal", ["'Plan N'", "'see dbo.Employees'", "'it''s N'", "'a -- b'"], ids=["N", "dbo", "quote", "comment"]
)
def test_what_stands_in_a_text_stays_as_it_is_on_sqlite(literal: str) -> None:
    """mapping.sql is the users' own, and may say anything."""
    statement = f"CREATE VIEW dbo.ScimUsers AS SELECT {literal} AS title FROM dbo.Employees AS e WHERE e.Title <> N'x'"
    told = migration._for_sqlite(statement)
    assert literal in told
    assert told.endswith("FROM Employees AS e WHERE e.Title <> 'x'")


def test_the_sample_is_invented_odd_and_can_be_added_again(db: Database) -> None:
    for _ in range(2):
        assert migration.migrate(db, sample=True) == ["sample.sql"]
    found = {
        r[0]: r
        for r in db.select("SELECT EmployeeId, Name_FullName, ManagerId, ModifiedDateTime FROM dbo.Employees", (), "t")
    }
    assert found["DW"][1] == "Darkwing Duck"
    assert view(db, "DW", "title") == "The Masked Mallard"
    assert view(db, "DW", "enterprise:department") == "Justice Ducks"
    assert found["OBQ"][1] == "Siobhán O'Quill"
    assert found["PTICA"][1] == "Дарина Птахова"
    assert found["GEMMA"][2] == "GEMMA"
    assert {r[3] for r in found.values()} == {None}


def test_a_later_script_is_applied_once(db: Database, scripts: Path) -> None:
    if db.engine == "sqlserver":
        pytest.skip("would stay in the scratch database of the other tests")
    (scripts / "0003_more.sql").write_text(
        "CREATE TABLE dbo.More (a int);\nGO\nINSERT INTO dbo.More (a) VALUES (1);\nGO\n"
    )
    assert migration.migrate(db) == ["0003_more.sql"]
    assert migration.migrate(db) == []
    assert list(db.select("SELECT a FROM dbo.More", (), "t")) == [(1,)]


def test_a_script_that_fails_leaves_nothing_behind(db: Database, scripts: Path) -> None:
    (scripts / "0004_bad.sql").write_text(
        "CREATE TABLE dbo.Half (a int);\nGO\nINSERT INTO dbo.Nowhere (a) VALUES (1);\nGO\n"
    )
    with pytest.raises(Exception, match="0004_bad"):
        migration.migrate(db)
    assert db.view_columns("Half") == []


def test_a_changed_mapping_says_who_gets_what_and_then_is_in_place(
    db: Database, scripts: Path, connection_string: str
) -> None:
    migration.migrate(db, sample=True)
    edit(scripts, "e.Title AS 'title'", "e.Job_Description AS 'title'")
    edit(scripts, "e.NickName AS 'nickName',", "")
    assert migration.migrate(db) == []  # migrate alone does not touch it
    settings = Settings.from_environ({"SQL_CONNECTION_STRING": connection_string})
    change = migration.change_mapping(db, settings)
    assert set(change.attributes) == {"title", "nickName"}
    assert "DW" in change.attributes["title"]
    assert change.people == len(change.attributes["nickName"])
    assert view(db, "DW", "title") == "Night Watch"
    assert migration.change_mapping(db, settings).people == 0


def test_a_wrong_mapping_is_named_in_full_and_changes_nothing(
    db: Database, scripts: Path, connection_string: str
) -> None:
    migration.migrate(db, sample=True)
    edit(scripts, "'userName'", "'username'")
    edit(scripts, "'name.givenName'", "'name.firstName'")
    settings = Settings.from_environ({"SQL_CONNECTION_STRING": connection_string})
    with pytest.raises(MappingError) as wrong:
        migration.change_mapping(db, settings)
    assert len(wrong.value.problems) == 2
    assert view(db, "DW", "userName") == "DW"


@pytest.mark.parametrize(
    ("before", "after"),
    [("e.Title AS 'title'", "e.Nowhere AS 'title'"), ("FROM dbo.Employees AS e", "FRM dbo.Employees AS e")],
    ids=["no such column", "syntax"],
)
def test_a_mapping_the_database_refuses_changes_nothing(
    db: Database, scripts: Path, connection_string: str, before: str, after: str
) -> None:
    migration.migrate(db, sample=True)
    edit(scripts, before, after)
    settings = Settings.from_environ({"SQL_CONNECTION_STRING": connection_string})
    with pytest.raises(DatabaseError):
        migration.change_mapping(db, settings)
    assert view(db, "DW", "title") == "The Masked Mallard"


def test_who_changes_is_told_per_attribute(db: Database, scripts: Path, connection_string: str) -> None:
    migration.migrate(db, sample=True)
    edit(scripts, "e.NickName AS 'nickName'", "COALESCE(e.NickName, 'none') AS 'nickName'")
    settings = Settings.from_environ({"SQL_CONNECTION_STRING": connection_string})
    change = migration.change_mapping(db, settings)
    nameless = [str(r[0]) for r in db.select("SELECT EmployeeId FROM dbo.Employees WHERE NickName IS NULL", (), "t")]
    assert {path: list(ids) for path, ids in change.attributes.items()} == {"nickName": sorted(nameless)}
    assert change.people == len(nameless) > 0


def test_a_users_comments_in_the_mapping_do_no_harm(db: Database, scripts: Path, connection_string: str) -> None:
    migration.migrate(db, sample=True)
    edit(scripts, "e.Title AS 'title',", "e.Title AS 'title', -- what HR calls it; not the job;\n")
    settings = Settings.from_environ({"SQL_CONNECTION_STRING": connection_string})
    assert migration.change_mapping(db, settings).people == 0
    assert view(db, "DW", "title") == "The Masked Mallard"


def test_without_its_scripts_migrate_says_where_they_should_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration, "SCRIPTS", tmp_path / "sql")
    with database.connect(f"sqlite:///{tmp_path}/x.db") as db, pytest.raises(SettingsError, match="run migrate from a"):
        migration.migrate(db)


EMPLOYEES = """
EmployeeId varchar(10) not null · Name_FirstName, Name_MiddleName, Name_LastName nvarchar(100) ·
Name_FullName nvarchar(300) not null · Salutation tinyint · NickName nvarchar(50) ·
NationalityId, LanguageId varchar(50) · Email nvarchar(50) · Gender tinyint · BirthDate date · RowNumber int ·
CreatedBy nvarchar(50) · CreatedDateTime datetime2(7) · ModifiedBy nvarchar(50) · ModifiedDateTime datetime2(7) ·
VersionStamp int · Active bit · Initials nvarchar(20) · LocationId varchar(10) · Location_Name nvarchar(50) ·
Office nvarchar(20) · ManagerId varchar(10) · Manager_Name nvarchar(300) · OrganizationId varchar(10) ·
OrganizationName nvarchar(50) · JobId varchar(10) · Job_Description nvarchar(50) · JobTypeId varchar(10) ·
JobType_Description nvarchar(50) · Title nvarchar(50) · ValidFrom, ValidTo date · Released bit ·
HiredDate, TerminatedDate date
"""


def wanted(text: str) -> list[tuple[str, str, bool]]:
    found = []
    for group in " ".join(text.split()).split(" · "):
        names, kind = re.fullmatch(r"(.*?) ((?:n?varchar|datetime2|tinyint|int|bit|date)\b.*)", group).groups()  # type: ignore[union-attr]
        nullable = not kind.endswith(" not null")
        found += [(n.casefold(), kind.removesuffix(" not null"), nullable) for n in names.split(", ")]
    return found


def catalogue(db: Database, table: str) -> list[tuple[str, str, bool]]:
    found = [tables._column(row[1:]) for row in list(db.rows("table_columns", table))]
    return [(c.name.casefold(), c.declaration.replace("datetime2(6)", "datetime2(7)"), c.nullable) for c in found]


def test_the_employees_have_the_columns_of_the_issue_on_both_engines(db: Database) -> None:
    assert catalogue(db, "Employees") == wanted(EMPLOYEES)


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("Organizations", "OrganizationId varchar(10) not null · OrganizationName nvarchar(50)"),
        ("Locations", "LocationId varchar(10) not null · Location_Name nvarchar(50) · Office nvarchar(20)"),
        (
            "AbsentRecords",
            "TableName nvarchar(128) not null · RecordKey nvarchar(200) not null · AbsentSince datetime2(7) not null",
        ),
    ],
)
def test_the_other_tables_of_the_mirror_agree_on_both_engines(db: Database, table: str, columns: str) -> None:
    assert catalogue(db, table) == wanted(columns)


def test_the_views_have_the_same_columns_on_both_engines(db: Database) -> None:
    text = (migration.SCRIPTS / "mapping.sql").read_text(encoding="utf-8")
    selected = re.sub(r"--[^\n]*", "", text).split("SELECT", 1)[1].split("FROM dbo.Employees")[0]
    lines = [line.strip().rstrip(",") for line in selected.split("\n") if line.strip()]
    names = [re.split(r" AS |\.", line)[-1] if "'" not in line else line.split("'")[1] for line in lines]
    assert [c.casefold() for c in db.view_columns("ScimUsers")] == [n.casefold() for n in names]


def test_a_first_mapping_that_is_wrong_is_told_by_migrate(scripts: Path, tmp_path: Path) -> None:
    edit(scripts, "'userName'", "'username'")
    report = jobs.migrate(Settings.from_environ({"SQL_CONNECTION_STRING": f"sqlite:///{tmp_path}/x.db"}))
    assert any("username: is spelled userName" in note for note in report.notes)


def test_reports_see_neither_birth_dates_nor_nationality_nor_gender(db: Database) -> None:
    columns = {c.casefold() for c in db.view_columns("CurrentEmployees")}
    assert columns
    assert not columns & {"birthdate", "nationalityid", "gender"}


@pytest.mark.parametrize("script", ["0002_bookkeeping.sql", "0003_guards.sql"])
def test_both_engines_have_the_same_bookkeeping(script: str) -> None:
    ours = (migration.SCRIPTS / script).read_text(encoding="utf-8")
    theirs = (migration.SCRIPTS / "sqlite" / script).read_text(encoding="utf-8")
    as_sqlite = ours.replace("nvarchar(max)", "text")

    def lines(text: str) -> list[str]:
        found = (line.strip().replace(" COLLATE NOCASE", "") for line in text.splitlines())
        return [line for line in found if line and not line.startswith(("--", "CREATE INDEX"))]

    assert lines(as_sqlite) == lines(theirs)
    assert ours.count("CREATE INDEX") == theirs.count("CREATE INDEX")
