"""What the text of a view says: which tables it reads, and which texts stand in it. Pure; no statement is understood.

Only the FROM clauses are looked at, wherever they stand: in each part of a UNION, in derived tables, in common table
expressions. What a SELECT list or a WHERE reads by itself says nothing of whose rows the view has.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

_TOKEN = re.compile(
    r"""'(?P<text>(?:[^']|'')*)'|--[^\n]*|/\*.*?\*/|\[(?P<bracketed>(?:[^\]]|\]\])+)\]|"(?P<quoted>(?:[^"]|"")+)\""""
    r"|(?P<word>[\w@#$]+)|(?P<sign>\S)",
    re.DOTALL,
)
_ENDS = {"where", "group", "having", "order", "except", "intersect", "option", "for", "limit", "window"}
"""What ends a FROM clause."""

_QUERIES = {"select", "with", "values"}

Part = list[str]
"""The tables of one part of a UNION, as its FROM clause names them; the first is the one whose rows it has."""

_Items = list[Any]
"""Words and signs (small), names as (name,), what is in parentheses as a list."""


def texts(definition: str) -> set[str]:
    """Every text that stands in it as a literal."""
    return {found["text"].replace("''", "'") for found in _TOKEN.finditer(definition) if found["text"] is not None}


@functools.lru_cache(maxsize=4)
def tables_read(definition: str) -> tuple[tuple[str, ...], ...]:
    """The tables that each part of a UNION reads, in the order of their joins, without their schemas."""
    items = _nested(_tokens(definition), [])
    return tuple(tuple(part) for part in _parts(items, _expressions(items)))


def _tokens(definition: str) -> Iterator[Any]:
    for found in _TOKEN.finditer(definition):
        if name := found["bracketed"] or found["quoted"]:
            yield (name.replace("]]", "]").replace('""', '"'),)
        elif found["word"]:
            yield found["word"]
        elif found["sign"]:
            yield found["sign"]


def _nested(tokens: Iterator[Any], items: _Items) -> _Items:
    for item in tokens:
        if item == ")":
            break
        items.append(_nested(tokens, []) if item == "(" else item)
    return items


def _expressions(items: _Items) -> dict[str, _Items]:
    """Common table expressions: name AS (SELECT …)."""
    found = {}
    for n, item in enumerate(items[:-1]):
        if _is(item, "as") and _is_query(items[n + 1]) and n:
            name = items[n - 2] if isinstance(items[n - 1], list) and n > 1 else items[n - 1]  # name (columns) AS (…)
            found[_name(name).casefold()] = items[n + 1]
    return found


def _parts(items: _Items, expressions: Mapping[str, _Items]) -> list[Part]:
    found: list[Part] = []
    part: _Items = []
    for item in (*items, "union"):
        if _is(item, "union"):
            found += _part(part, expressions)
            part = []
        else:
            part.append(item)
    return found


def _part(items: _Items, expressions: Mapping[str, _Items]) -> list[Part]:
    begins = next((n for n, item in enumerate(items) if _is(item, "from")), None)
    if begins is None:
        inner = [i for i in items if _is_query(i)] if not any(_is(i, "select") for i in items) else []
        return [part for one in inner for part in _parts(one, expressions)]  # (SELECT …) UNION (SELECT …)
    clause = items[begins + 1 :]
    ends = next((n for n, item in enumerate(clause) if isinstance(item, str) and item.lower() in _ENDS), len(clause))
    return _clause(clause[:ends], expressions)


def _clause(clause: _Items, expressions: Mapping[str, _Items]) -> list[Part]:
    """The first table of a FROM clause, in as many parts as it has itself, with all that is joined behind each."""
    sources = [
        _source(clause[n + 1 :], expressions) for n, item in enumerate(["from", *clause[:-1]], -1) if _joins(item)
    ]
    first, *joined = sources or [[]]
    behind = [table for source in joined for part in source for table in part]
    return [[*part, *behind] for part in first]


def _joins(item: Any) -> bool:
    return isinstance(item, str) and item.lower() in ("from", "join", "apply", ",")


def _source(items: _Items, expressions: Mapping[str, _Items]) -> list[Part]:
    """What stands behind FROM, JOIN, APPLY or a comma: a table, a common table expression, a query, or more joins."""
    if not items:
        return []
    if isinstance(items[0], list):
        return _parts(items[0], expressions) if _is_query(items[0]) else _clause(items[0], expressions)
    dotted = _dotted(items)
    if len(dotted) == 1 and (inner := expressions.get(dotted[0].casefold())):
        others = {name: body for name, body in expressions.items() if body is not inner}  # one may name itself
        return _parts(inner, others)
    return [[dotted[-1]]]


def _dotted(items: _Items) -> list[str]:
    """A name with what stands before its points: dbo.Employees, [hr].dbo.[Employees], hr..Employees."""
    names = [_name(items[0])]
    at = 1
    while at < len(items) and items[at] == ".":
        at += 1
        if at < len(items) and items[at] != ".":
            names.append(_name(items[at]))
            at += 1
    return names


def _name(item: Any) -> str:
    return item[0] if isinstance(item, tuple) else str(item)


def _is(item: Any, word: str) -> bool:
    return isinstance(item, str) and item.lower() == word


def _is_query(item: Any) -> bool:
    return isinstance(item, list) and bool(item) and isinstance(item[0], str) and item[0].lower() in _QUERIES
