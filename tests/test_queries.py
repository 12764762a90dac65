"""The statements: each has its sentence, runs on both engines, agrees with its override.

That their T-SQL lints clean is seen to by tests/lint_sql.py, which `make check` runs.
"""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from provisioning import database, tables
from provisioning.database import Database
from provisioning.source import Resource
from tests import lint_sql, reach
from tests.conftest import contents
from tests.lint_sql import CONDITIONS, QUERIES

ROOT = Path(__file__).parent.parent
OVERRIDES = sorted((database.QUERIES / "sqlite").glob("*.sql"))
AT = "2026-01-01 00:00:00.0000000"
TEXTS = {
    "columns": 'v."EmployeeId", v."ModifiedDateTime", v."ValidFrom", v."ValidTo", v."userName"',
    "modified": 'v."ModifiedDateTime"',
    "valid_to": 'v."ValidTo"',
    "valid_from": 'v."ValidFrom"',
    "manager": 'v."enterprise:manager.value"',
    "user_name": '"userName"',
    "work_mail": 'v."emails[type eq ""work""].value"',
    "hr_table": "NULL",
    "hr_key": "NULL",
    "id_type": "varchar(10)",
    "condition": "",
    "people": "dbo.ScimUsers",
    "payload": "l.scim_user",
}
FORBIDDEN = re.compile(r"\b(MERGE|CREATE OR ALTER|IS (NOT )?DISTINCT FROM|GETDATE|NOLOCK|SELECT \*)\b", re.IGNORECASE)


def header(path: Path) -> list[str]:
    """The names of a file's parameters, as its second line has them."""
    lines = path.read_text(encoding="utf-8").split("\n")
    text = " ".join(line.removeprefix("--").strip() for line in lines[1:4] if line.startswith("--"))
    names = re.sub(r"\([^)]*\)", "", text.removeprefix("Parameters: ")).split(";")[0]
    return [] if names.strip() == "none" else [n.strip() for n in names.split(",") if n.strip()]


@pytest.mark.parametrize("path", [*QUERIES, *OVERRIDES], ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_a_file_says_what_it_is_for_and_what_it_takes(path: Path) -> None:
    first, second = path.read_text(encoding="utf-8").split("\n")[:2]
    assert re.fullmatch(r"-- [A-Z'].*[.,:]", first)
    assert second.startswith("-- Parameters: ")
    assert len(header(path)) == database.parameter_count(path.read_text(encoding="utf-8"))
    assert not FORBIDDEN.search(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", OVERRIDES, ids=lambda p: p.stem)
def test_an_override_takes_the_same_parameters(path: Path) -> None:
    assert header(path) == header(database.QUERIES / path.name)
    assert path.read_text().split("\n")[0] == (database.QUERIES / path.name).read_text().split("\n")[0]


def test_every_statement_is_used_and_every_one_used_exists() -> None:
    used: set[str] = set()
    for module in (ROOT / "provisioning").glob("*.py"):
        for node in ast.walk(reach.tree(module)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                used.add(node.value)
    assert {p.stem for p in QUERIES} <= used


@pytest.mark.parametrize(
    "path",
    sorted((ROOT / "sql").rglob("*.sql")),
    ids=lambda p: f"{p.parent.name}/{p.stem}",
)
def test_a_script_uses_nothing_that_a_compatible_engine_lacks(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("-- ")
    assert not FORBIDDEN.search(re.sub(r"--[^\n]*", "", text))


def test_every_identifier_of_ours_is_shorter_than_64_characters() -> None:
    text = " ".join(p.read_text(encoding="utf-8") for p in (*QUERIES, *(ROOT / "sql").rglob("*.sql")))
    assert max(len(word) for word in re.findall(r"\b[A-Za-z_]\w*", re.sub(r"--[^\n]*|'[^']*'", "", text))) < 64


def test_every_json_path_of_an_openjson_is_written_out() -> None:
    for path in QUERIES:
        for fields in re.findall(r"OPENJSON\(\?\) WITH \((.*?)\) AS", path.read_text(encoding="utf-8"), re.DOTALL):
            for one in re.split(r",\s*(?![^(]*\))", fields.strip()):
                assert one == "{fields}" or re.search(r"'\$(\.\w+)?'( AS JSON)?$", one), (path.name, one)


def test_no_other_statement_is_asked_for_by_name() -> None:
    """Names that the code gives to run, rows and one, and conditions for people."""
    asked: set[str] = set()
    for module in (ROOT / "provisioning").glob("*.py"):
        for node in ast.walk(reach.tree(module)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                first = node.args[0] if node.args else None
                if node.func.attr in ("run", "rows", "one", "write") and isinstance(first, ast.Constant):
                    asked.add(str(first.value))
    assert len(asked) > 20
    assert asked <= {p.stem for p in QUERIES}


LOCATIONS = Resource("Locations", "LocationId", "x")


def filled(db: Database, name: str, resource: Resource = LOCATIONS) -> dict[str, str]:
    """Identifiers for a statement, of a resource's table where it wants one."""
    table = tables.describe(db, resource)
    quoted = [db.quoted(c.name) for c in table.columns]
    fields = ", ".join(db.json_field(c.name, c.declaration) for c in table.columns)
    if name == "mapping_rows":
        return {"columns": 'v."EmployeeId"'}
    if name.startswith("mirror_"):
        return {
            "table": db.quoted(table.name),
            "key": quoted[0],
            "key_type": table.key.declaration,
            "columns": ", ".join(quoted),
            "fields": fields,
            "expressions": ", ".join(f"t.{q}" for q in quoted),
            "assignments": ", ".join(f"{q} = j.{q}" for q in quoted[1:]),
        }
    return TEXTS


def parameters(name: str) -> list[Any]:
    """Values that fit a statement's parameters by name."""
    fitting = {
        "seconds": 5,
        "epoch": 1,
        "fetched": 3,
        "exit_code": 0,
        "daily_limit": 9,
        "window_limit": 9,
        "view": "ScimUsers",
        "table": "Locations",
        "since": AT,
        "people": "[]",
        "completed_at": AT,
        "expires_at": AT,
        "counted": 1,
        "of_people": 1,
        "limit": 10,
        "due_on": "2026-12-24",
        "before": AT,
        **dict.fromkeys(("seen_to", "read_from", "read_to", "until"), AT),
    }
    json_names = ("keys", "rows", "employee_ids", "tokens", "user_names", "mails")
    names = header(database.QUERIES / f"{name}.sql")
    return [fitting.get(n, "[]" if n in json_names else "x") for n in names]


RUN = [p.stem for p in QUERIES if p.stem not in CONDITIONS]


def run_statement(db: Database, name: str, resource: Resource = LOCATIONS) -> None:
    """With values that fit its parameters."""
    text, identifiers = database.query(name, db.engine), filled(db, name, resource)
    if name in ("mirror_insert", "mirror_update"):
        db.write(name, [], **identifiers)
    elif "SELECT" in text and not re.search(r"(?m)^(INSERT|UPDATE|DELETE)", text):
        assert isinstance(list(db.rows(name, *parameters(name), **identifiers)), list)
    else:
        assert db.run(name, *parameters(name), **identifiers) >= 0


@pytest.mark.parametrize("name", RUN)
def test_every_statement_runs_on_both_engines(db: Database, name: str) -> None:
    run_statement(db, name)


ONCE = ("approve_hold", "mirror_insert", "note_absent", "open_hold", "record_migration")
"""What must not run twice, and runs inside of transactions only (test_lost_answers looks at that)."""

CHANGING = [n for n in RUN if re.search(r"(?m)^(INSERT|UPDATE|DELETE)", database.query(n, "sqlserver"))]


@pytest.mark.parametrize("name", [n for n in CHANGING if n not in ONCE])
def test_a_statement_that_may_have_been_carried_out_can_be_run_again(db: Database, name: str) -> None:
    """Its answer was lost with the link: what it does, it does once."""
    counts = []
    for _ in range(2):
        db.run(name, *parameters(name), **filled(db, name))
        counts.append(contents(db))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_condition_runs_on_both_engines(db: Database, condition: str) -> None:
    values = {"where_modified": ["2026-11-23", "2026-11-23"], "where_user_names": ["[]", "[]"]}[condition]
    text = database.query(condition, db.engine)
    for name, identifier in TEXTS.items():
        text = text.replace("{" + name + "}", identifier)
    assert list(db.rows("people", *["t"] * 5, "Employees", -72000, "t", *values, **{**TEXTS, "condition": text})) == []


READING = [
    p.stem
    for p in OVERRIDES
    if not p.stem.startswith(("write_", "record_", "hold_people", "mirror_insert", "mirror_update", "where_", "give_"))
]


def columns(text: str) -> list[str]:
    """The names of the columns that a SELECT gives: an item's alias, or the last word of it."""
    text = re.sub(r"--[^\n]*|'[^']*'", "", text)
    items, depth, item = [], 0, ""
    for token in re.findall(r"\(|\)|,|\w+|[^\w\s]|\s+", text.split("SELECT", 1)[1]):
        depth += {"(": 1, ")": -1}.get(token, 0)
        if depth == 0 and token in (",", "FROM"):
            items.append(re.findall(r"\w+", item)[-1])
            item = ""
            if token == "FROM":
                break
        else:
            item += token
    return items


@pytest.mark.parametrize("name", READING)
def test_an_override_returns_the_same_columns(name: str) -> None:
    ours, theirs = (database.QUERIES / f"{name}.sql", database.QUERIES / "sqlite" / f"{name}.sql")
    assert columns(ours.read_text(encoding="utf-8")) == columns(theirs.read_text(encoding="utf-8"))


def test_the_lint_of_make_check_takes_every_t_sql_file_and_fails_by_what_it_finds(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folders = (database.QUERIES, ROOT / "sql", ROOT / "infra")
    t_sql = {path for folder in folders for path in folder.rglob("*.sql") if "sqlite" not in path.parts}
    assert {*lint_sql.QUERIES, *lint_sql.SCRIPTS} == t_sql
    assert len(t_sql) > 140
    good, bad = tmp_path / "good.sql", tmp_path / "bad.sql"
    good.write_text("-- Fine.\nSELECT e.EmployeeId FROM dbo.{table} AS e WHERE e.EmployeeId = ?;\n")
    bad.write_text("-- Not so.\nselect a FROM dbo.T WHERE;\n")
    assert lint_sql.findings(good) == []
    assert lint_sql.main([good, bad]) == 1
    assert "bad.sql:2: PRS" in capfd.readouterr().out
    assert "\t$(BIN)/python -m tests.lint_sql\n" in (ROOT / "Makefile").read_text("utf-8").partition("\ncheck:")[2]


@pytest.mark.parametrize(
    "name",
    [
        *("people", "vanished", "record_accepted", "approvals", "waiting_people"),
        *(
            "kept_entries",
            "outcome_states",
            "record_outcomes",
            "failed_people",
            "trail",
            "purge_history",
            "gone_people",
            "unnamed_people",
            "give_user_names",
            "drop_user_names",
        ),
    ],
)
def test_nothing_is_scanned_for_each_row_of_something_else(sqlite_string: str, name: str) -> None:
    """On SQLite a comparison of other collation than the index's makes 100,000 people a matter of hours."""
    with database.connect(sqlite_string) as db:
        text = database.query(name, "sqlite")
        for place, identifier in TEXTS.items():
            text = text.replace("{" + place + "}", identifier)
        for statement in database.statements(text):
            marks = ["x"] * database.parameter_count(statement)
            steps = list(db.select(f"EXPLAIN QUERY PLAN {statement}", marks, name))
            correlated = {row[0] for row in steps if str(row[3]).startswith("CORRELATED")}
            assert not [row[3] for row in steps if row[1] in correlated and str(row[3]).startswith("SCAN")], name
