"""The shape of the code: who may import whom, who may do I/O, and what a missing setting must not break."""

import ast
import functools
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import reach

ROOT = Path(__file__).parent.parent
LAYERS = (
    {
        "bodies",
        "callers",
        "certificates",
        "database",
        "delimited",
        "errors",
        "hosts",
        "pacing",
        "presets",
        "retry",
        "settings",
        "share",
        "source",
        "source_schema",
        "spelling",
        "transport",
        "markup",
        "letters",
        "user_names",
    },
    {
        "send",
        "hr",
        "columns",
        "mirror",
        "tables",
        "views",
        "scim",
        "people",
        "doubles",
        "plan",
        "guards",
        "holds",
        "ledger",
        "graph",
        "migration",
        "weighing",
    }
    | {"inference", "recognition", "scaffold"}
    | {"exports", "outcomes", "paginators", "credentials", "trail", "tombstones", "rights", "app_schema", "alerts"}
    | {"notices", "schema_changes", "name_book", "existing_names"}
    | {"flows", "accounts", "directory", "comparison", "first_load"},
    {"graph_admin"},
    {
        "jobs",
        "ingestion",
        "runs",
        "review",
        "person",
        "doctor",
        "printed",
        "aftermath",
        "erasure",
        "onboarding",
        "by_hand",
        "naming",
        "renaming",
        "console",
        "page",
        "chart",
        "app_setup",
        "comparing",
        "comparison_page",
    },
    {"progress"},
    {"function_app", "__main__"},
)
PURE = (
    "bodies",
    "delimited",
    "columns",
    "mirror",
    "inference",
    "recognition",
    "scaffold",
    "scim",
    "people",
    "doubles",
    "plan",
    "guards",
    "outcomes",
    "paginators",
    "printed",
    "rights",
    "spelling",
    "views",
    "app_schema",
    "notices",
    "schema_changes",
    "flows",
    "accounts",
    "comparison",
    "first_load",
    "comparison_page",
    "markup",
    "page",
    "chart",
    "letters",
    "user_names",
    "existing_names",
)
IMPURE = {"os", "time", "random", "socket", "httpx", "sqlite3", "pyodbc", "threading", "logging", "tempfile", "pathlib"}
MODULES = {p.stem: p for p in (*(ROOT / "provisioning").glob("*.py"), ROOT / "function_app.py") if p.stem != "__init__"}


@functools.cache
def imported(path: Path) -> frozenset[str]:
    """Modules that a file imports, its own package's by their short names."""
    found: set[str] = set()
    for node in ast.walk(reach.tree(path)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {n.name for n in node.names} if node.module == "provisioning" else {node.module}
    return frozenset(name.removeprefix("provisioning.") for name in found)


def layer(module: str) -> int:
    return next(n for n, names in enumerate(LAYERS) if module in names)


def test_every_module_has_its_layer() -> None:
    assert set(MODULES) == set().union(*LAYERS)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_nothing_imports_upward(module: str) -> None:
    upward = {other for other in imported(MODULES[module]) & set(MODULES) if layer(other) > layer(module)}
    assert not upward


@pytest.mark.parametrize("module", PURE)
def test_pure_modules_do_no_io_and_read_no_clock(module: str) -> None:
    text = MODULES[module].read_text(encoding="utf-8")
    assert not {name.partition(".")[0] for name in imported(MODULES[module])} & IMPURE
    assert "now(" not in text
    assert "today()" not in text
    assert "open(" not in text


def test_only_the_command_line_acts_as_an_administrator_of_the_provisioning_app() -> None:
    """What runs by timer or over HTTP can read the app's set-up and never write it, whatever its identity may."""
    knowing = {name for name, path in MODULES.items() if imported(path) & {"graph_admin", "app_setup"}}
    assert knowing == {"app_setup", "__main__"}
    writing = [n for n, path in MODULES.items() if re.search(r'"(PUT|PATCH|DELETE)"', path.read_text("utf-8"))]
    assert writing == ["graph_admin"]


def test_only_the_database_module_knows_the_drivers() -> None:
    knowing = {name for name, path in MODULES.items() if imported(path) & {"pyodbc", "sqlite3"}}
    assert knowing == {"database"}


def test_the_app_holds_no_sql_and_no_scim() -> None:
    text = MODULES["function_app"].read_text(encoding="utf-8")
    assert not any(word in text for word in ("SELECT ", "INSERT ", "urn:ietf", "externalId"))


def test_sql_stands_in_files() -> None:
    allowed = {"migration": "DROP VIEW dbo.ScimUsers"}
    for name, path in MODULES.items():
        texts = [n.value for n in ast.walk(reach.tree(path)) if isinstance(n, ast.Constant)]
        for text in texts:
            statement = isinstance(text, str) and text.lstrip().startswith(
                ("SELECT ", "INSERT ", "UPDATE ", "DELETE ", "DROP ")
            )
            assert not statement or text == allowed.get(name), (name, text)


def test_the_app_imports_in_an_empty_environment() -> None:
    slow = ("pyodbc", "azure.identity", "jsonschema", "anyascii")
    code = f"import function_app, sys; print([m for m in {slow} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], env={}, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"  # slow to import, and needed by few


def test_a_run_ends_within_80_percent_of_the_function_timeout() -> None:
    from provisioning import ledger, runs  # noqa: PLC0415

    hours, minutes, seconds = map(int, json.loads((ROOT / "host.json").read_text())["functionTimeout"].split(":"))
    timeout = 3600 * hours + 60 * minutes + seconds
    assert timeout > 0
    assert 0.8 * timeout >= runs.RUN_SECONDS
    assert timeout < ledger.LIFE_OF_A_RUN


def test_dates_are_worked_out_by_the_databases_clock_never_by_the_machines() -> None:
    """A host whose clock is a day off must disable nobody: only the embedded database and Retry-After go by it."""
    reading = re.compile(r"\b(datetime\.(now|utcnow)|date\.today|time\.(time|localtime|gmtime))\(")
    assert {name for name, path in MODULES.items() if reading.search(path.read_text("utf-8"))} == {"pacing", "retry"}
    asking = {name for name, path in MODULES.items() if "clock.utc_now()" in path.read_text("utf-8")}
    # who compares clocks; how often to ring without a database; how old a file is, which stops one that is too old
    assert asking == {"database", "doctor", "alerts", "exports", "hr"}
