"""Migrations on both engines: once each, again without harm, the mapping theirs to change."""

import shutil
from pathlib import Path

import pytest

from provisioning import jobs, migration
from provisioning.database import Database
from provisioning.errors import MappingError
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


def test_a_first_mapping_that_is_wrong_is_told_by_migrate(scripts: Path, tmp_path: Path) -> None:
    edit(scripts, "'userName'", "'username'")
    report = jobs.migrate(Settings.from_environ({"SQL_CONNECTION_STRING": f"sqlite:///{tmp_path}/x.db"}))
    assert any("username: is spelled userName" in note for note in report.notes)


def test_reports_see_neither_birth_dates_nor_nationality_nor_gender(db: Database) -> None:
    columns = {c.casefold() for c in db.view_columns("CurrentEmployees")}
    assert columns
    assert not columns & {"birthdate", "nationalityid", "gender"}


def test_both_engines_have_the_same_bookkeeping() -> None:
    ours = (migration.SCRIPTS / "0002_bookkeeping.sql").read_text(encoding="utf-8")
    theirs = (migration.SCRIPTS / "sqlite" / "0002_bookkeeping.sql").read_text(encoding="utf-8")
    as_sqlite = ours.replace("nvarchar(max)", "text")

    def lines(text: str) -> list[str]:
        found = (line.strip().replace(" COLLATE NOCASE", "") for line in text.splitlines())
        return [line for line in found if line and not line.startswith(("--", "CREATE INDEX"))]

    assert lines(as_sqlite) == lines(theirs)
    assert ours.count("CREATE INDEX") == theirs.count("CREATE INDEX")
