"""docs/faults.md against the tests: every row names tests that are there."""

import re
from pathlib import Path

import pytest

from tests import reach

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "faults.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| fault |", "| --- |"))]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:40])
def test_every_fault_names_a_test_that_exists(row: str) -> None:
    named = re.findall(r"`(test_\w+\.py)(?:::(test_\w+))?`", row.split("|")[3])
    assert named, "names no test"
    for file, function in named:
        assert function in {"", *reach.functions(TESTS / file)}


def test_the_page_has_rows() -> None:
    assert len(ROWS) > 40
