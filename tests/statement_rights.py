"""Which rights a T-SQL text needs, by sqlfluff's reading of it.

https://learn.microsoft.com/sql/t-sql/queries/update-transact-sql#permissions and those of delete, insert and select:
whoever changes or removes rows by a condition must be allowed to read them, too.
"""

from __future__ import annotations

import functools
import re
from typing import Any

from sqlfluff.core import FluffConfig, Linter

_PARSER = Linter(config=FluffConfig(overrides={"dialect": "tsql", "templater": "raw"}))

Need = tuple[str, str]
"""A right and what it is for: ("SELECT", "dbo.employees"), in lower case as rights.granted has it."""

CATALOGUE = {"sys.sql_modules": ("VIEW DEFINITION", "dbo.scimusers")}
"""Whose rows are seen only with a right on what they are about; the rest of the catalogue shows what one may use."""

CHANGES = {"insert_statement": "INSERT", "update_statement": "UPDATE", "delete_statement": "DELETE"}


class NotUnderstood(ValueError):
    """A text that is not read to its end, or does more than to read and change rows."""


@functools.cache
def needed(text: str) -> frozenset[Need]:
    """What a login must be allowed to do to run a text. Raises NotUnderstood."""
    tree = _PARSER.parse_string(text).tree
    if tree is None or list(tree.recursive_crawl("unparsable")):
        raise NotUnderstood(text)
    found: set[Need] = set()
    for statement in tree.recursive_crawl("statement"):
        kinds = {s.get_type() for s in statement.recursive_crawl(*CHANGES, "select_statement")}
        if not kinds:
            raise NotUnderstood(statement.raw)
        found |= _of_statement(statement)
    return frozenset(found)


def _of_statement(statement: Any) -> set[Need]:
    found, targets = set(), []
    for kind, right in CHANGES.items():
        for change in statement.recursive_crawl(kind):
            target = next(s for s in change.segments if s.is_type("table_reference", "object_reference"))
            targets.append(target)
            table = _table(target.raw, change)
            found.add((right, table))
            if right != "INSERT" and any(s.is_type("where_clause", "from_clause") for s in change.segments):
                found.add(("SELECT", table))
    for reference in statement.recursive_crawl("table_reference"):
        name = _plain(reference.raw)
        if not any(reference is target for target in targets) and "." in name:
            found.add(_reading(name))
    return found


def _table(name: str, change: Any) -> str:
    """The table that a change is about; where it names an alias, that of its FROM."""
    if "." in name:
        return _plain(name)
    for element in change.recursive_crawl("from_expression_element"):
        alias = next(element.recursive_crawl("alias_expression"), None)
        reference = next(element.recursive_crawl("table_reference"), None)
        if alias is not None and reference is not None and alias.raw.split()[-1] == name:
            return _plain(reference.raw)
    raise NotUnderstood(change.raw)


def _reading(name: str) -> Need:
    return CATALOGUE.get(name, ("SELECT", name))


def _plain(name: str) -> str:
    return re.sub(r"[\[\]\"]", "", name).casefold()
