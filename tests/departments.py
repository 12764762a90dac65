"""Departments, positions and locations as docs/mapping.md joins them in the shipped mapping, and HR_SOURCE of them."""

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
TABLES = {"Organizations": "OrganizationId", "Locations": "LocationId", "Jobs": "JobId"}


def joined(mapping: str) -> str:
    """The mapping, with the page's lines in the place of those of the same paths, and its joins."""
    page = (ROOT / "docs" / "mapping.md").read_text(encoding="utf-8")
    lines, _, source = page.partition("```sql\n")[2].partition("```")[0].partition("FROM ")
    for line in lines.splitlines():
        path = line.rpartition(" AS ")[2]
        mapping, count = re.subn(rf"(?m)^.* AS {re.escape(path)}$", lambda _, line=line: line, mapping)
        assert count == 1, path
    before, found, _ = mapping.partition("FROM dbo.Employees AS e\n")
    assert found
    return f"{before}FROM {source}"


def with_departments(source: dict[str, Any]) -> dict[str, Any]:
    """HR_SOURCE with their endpoints, too."""
    more = [
        {"name": name, "primary_key": key, "endpoint": {"path": f"api/{name}", "data_selector": "data"}}
        for name, key in TABLES.items()
    ]
    return {**source, "resources": [*source["resources"], *more]}
