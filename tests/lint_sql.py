"""Every T-SQL text of the project, linted as the server gets it: `python -m tests.lint_sql`, a part of `make check`.

Not among the tests, which it would keep waiting for most of a minute; it has every core of the machine.
"""

import gc
import multiprocessing
import os
import re
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from sqlfluff.core import FluffConfig, Linter

from provisioning import database

ROOT = Path(__file__).parent.parent
QUERIES = sorted(database.QUERIES.glob("*.sql"))
SCRIPTS = sorted(p for folder in ("sql", "sql/presets", "infra/scripts") for p in (ROOT / folder).glob("*.sql"))
CONDITIONS = ("where_modified", "where_user_names")
STAND_INS = {
    "fields": "a int '$.a'",
    "assignments": "a = j.a",
    "id_type": "int",
    "key_type": "int",
    "condition": "",
    "people": "dbo.ScimUsers",
}


def in_full(path: Path) -> str:
    """A T-SQL file as the server gets it: `?` and {names} filled, a condition completed to a query."""
    text = path.read_text(encoding="utf-8")
    head = "SELECT v.a FROM dbo.ScimUsers AS v LEFT JOIN provisioning.ledger AS l ON l.employee_id = v.EmployeeId"
    text = f"{head}\n{text}" if path.stem in CONDITIONS else text
    return re.sub(r"\{(\w+)\}", lambda found: STAND_INS.get(found[1], "a"), text).replace("?", "@p")


@cache
def _linter() -> Linter:
    settings = {"extra_config_path": str(ROOT / "pyproject.toml"), "ignore_local_config": True}
    return Linter(config=FluffConfig.from_root(**settings, overrides={"dialect": "tsql"}))


def findings(path: Path) -> list[str]:
    """What is wrong with a file."""
    found = _linter().lint_string(in_full(path)).get_violations()
    return [f"{path.name}:{v.line_no}: {v.rule_code()} {v.desc()}" for v in found]


def main(paths: Sequence[Path] = (*QUERIES, *SCRIPTS)) -> int:
    """Lint all of it; gives back how many files have something wrong."""
    longest_first = sorted(paths, key=lambda path: path.stat().st_size, reverse=True)
    processes = min(os.cpu_count() or 1, len(paths))
    with multiprocessing.get_context("spawn").Pool(processes, gc.disable) as pool:  # they end soon
        wrong = [found for found in pool.imap_unordered(findings, longest_first) if found]
    print("\n".join(line for found in wrong for line in found) or f"{len(paths)} T-SQL files lint clean")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(min(main(), 1))
