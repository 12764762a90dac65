"""Bicep as far as infra/ is written in it: pycep's tree, and what it leaves out, such as the names in an expression.

No compiler is at hand on a machine without Azure's tools; CI builds and lints the same files with it.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pycep import BicepParser

Node = Any

_EVALUATED: dict[str, Callable[..., Any]] = {
    "int": int,
    "string": str,
    "bool": lambda text: {"true": True, "false": False}[text],
    "json": json.loads,
    "empty": lambda value: not value,
    "split": lambda text, mark: text.split(mark),
}
_TOKENS = re.compile(
    r"(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<long>'''.*?''')|(?P<quote>')|(?P<newline>\n)|(?P<space>[ \t\r]+)"
    r"|(?P<number>\d+)|(?P<word>[A-Za-z_]\w*)|(?P<arrow>=>)|(?P<mark>\?\?|\.\?|&&|\|\||[=!<>]=|=~|.)",
    re.DOTALL,
)
_DECLARATIONS = ("param", "var", "resource", "module", "output")
_LANGUAGE = {"if", "for", "in", "true", "false", "null", "existing"}
FUNCTIONS = {
    *("bool", "cidrSubnet", "concat", "deployer", "empty", "environment", "filter", "guid", "int", "json"),
    *("loadTextContent", "replace", "split", "string", "subscription", "subscriptionResourceId", "tenant"),
    *("toLower", "toObject", "union", "uniqueString", "readEnvironmentVariable"),
}
"""Those of https://learn.microsoft.com/azure/azure-resource-manager/bicep/bicep-functions that are used here."""


class Token(NamedTuple):
    """A word or a mark of an expression, or the literal text of a string without what is interpolated in it."""

    kind: str
    text: str


@dataclass(frozen=True)
class Template:
    """One file, parsed."""

    text: str
    tree: Mapping[str, Any]

    def section(self, name: str) -> Mapping[str, Any]:
        """Parameters, variables, resources, modules or outputs; empty where the file has none."""
        found: Mapping[str, Any] = self.tree.get(name, {})
        return found

    def decorators(self, parameter: str) -> dict[str, Any]:
        """What is said of a parameter: description, allowed, min_value, max_length, secure, …"""
        return {d["type"]: d.get("argument") for d in self.section("parameters")[parameter]["decorators"]}


@functools.cache
def _parser() -> BicepParser:
    return BicepParser()


@functools.cache
def parse(text: str) -> Template:
    """A .bicep file. Raises lark's UnexpectedInput where it is none."""
    return Template(text, _parser().parse(text=text))


@functools.cache
def parse_parameters(text: str) -> Template:
    """A .bicepparam file, whose `param` lines have values as `var` has in a template."""
    body = re.sub(r"(?m)^using '[^']*'\n", "", text)
    return parse(re.sub(r"(?m)^param (\w+) =", r"var \1 =", body))


def settled(config: Node) -> Node:
    """The body of a resource or module, without its loop and condition."""
    while isinstance(config, dict) and ("loop_type" in config or set(config) == {"condition", "config"}):
        config = config["config"]
    return config


def condition(config: Node) -> Node:
    """On what a resource or module depends; None where it is always there."""
    return config.get("condition") if isinstance(config, dict) else None


def call(node: Node) -> tuple[str, list[Node]] | None:
    """The name of a function and what is given to it; None for anything else."""
    function = node.get("function") if isinstance(node, dict) else None
    return (function["type"], list(function["parameters"].values())) if isinstance(function, dict) else None


def strings(node: Node) -> Iterator[str]:
    """Every text and name in a part of the tree, keys included."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield str(key).strip("'")
            yield from strings(value)
    elif isinstance(node, list):
        for item in node:
            yield from strings(item)


def variables_read(node: Node) -> set[str]:
    """The variables of the environment that a part of a parameter file reads."""
    called = call(node)
    found = {str(called[1][0])} if called and called[0] == "readEnvironmentVariable" else set()
    parts = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return found.union(*map(variables_read, parts))


def evaluate(node: Node, known: Mapping[str, Any]) -> Any:
    """What an expression of a parameter file or a default gives, by the few functions that these use.

    Raises ValueError for any other. `known` has the values of names and, for parameter files, the environment.
    """
    if isinstance(node, str):
        return known.get(node, node)
    if not isinstance(node, dict) or not ({"function", "operator"} & set(node)):
        return node
    if "operator" in node:
        return _operator(node["operator"]["type"], node["operator"]["operands"], known)
    name, given = node["function"]["type"], list(node["function"]["parameters"].values())
    if name == "readEnvironmentVariable":
        return known.get(given[0], given[1] if len(given) > 1 else "")
    return _function(name, [evaluate(one, known) for one in given if one is not None])


def _operator(kind: str, operands: Mapping[str, Node], known: Mapping[str, Any]) -> Any:
    if kind == "conditional":
        return evaluate(operands["true_value" if evaluate(operands["condition"], known) else "false_value"], known)
    if kind == "minus":
        return -evaluate(operands["integer_value"], known)
    raise ValueError(f"operator {kind}")


def _function(name: str, values: list[Any]) -> Any:
    if name not in _EVALUATED:
        raise ValueError(f"function {name}")
    return _EVALUATED[name](*values)


def tokens(text: str) -> list[Token]:
    """The words and marks of a file, those within interpolated strings among them."""
    return list(_tokens(text))


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    while at < len(text):
        found = _TOKENS.match(text, at)
        assert found
        if found.lastgroup == "quote":
            literal, inner, at = _string(text, at)
            yield Token("text", literal)
            for part in inner:
                yield Token("mark", "(")
                yield from _tokens(part)
                yield Token("mark", ")")
            continue
        at = found.end()
        if found.lastgroup not in ("comment", "space", "long"):
            yield Token(str(found.lastgroup), found[0])


def _string(text: str, start: int) -> tuple[str, list[str], int]:
    """A quoted string from `start` on: its literal text, what is interpolated, and where it ends."""
    at, literal, inner = start + 1, "", []
    while text[at] != "'":
        if text.startswith("${", at):
            end = _interpolated(text, at + 2)
            inner.append(text[at + 2 : end])
            at = end + 1
        else:
            step = 2 if text[at] == "\\" else 1
            literal, at = literal + text[at : at + step], at + step
    return literal, inner, at + 1


def _interpolated(text: str, at: int) -> int:
    """Where the `}` of an interpolation stands."""
    while text[at] != "}":
        at = _string(text, at)[2] if text[at] == "'" else at + 1
    return at


@dataclass(frozen=True)
class Names:
    """What a file uses and takes from modules, by the reading of its tokens."""

    used: frozenset[str]
    called: frozenset[str]
    taken: frozenset[tuple[str, str]]
    """Module and output, as in `storage.outputs.name`."""


@functools.cache
def names(text: str) -> Names:
    """Read a file for its names. A property, a key and a type are none."""
    found = tokens(_without_types(text))
    flat = [t for t in found if t.kind != "newline"]
    local = _local(flat)
    used, called, taken = set(), set(), set()
    for n, token in enumerate(found):
        if token.kind != "word" or token.text in _LANGUAGE or token.text in _DECLARATIONS:
            continue
        before, after = _neighbour(found, n, -1), _neighbour(found, n, +1)
        if before.text in (*_DECLARATIONS, ".", ".?") or _is_key(found, n):
            continue
        (called if after.text == "(" else used).add(token.text)
    for n in range(len(flat) - 4):
        words = [t.text for t in flat[n : n + 6]]
        if words[1] == "!":
            del words[1]
        if flat[n].kind == "word" and words[1:4] == [".", "outputs", "."]:
            taken.add((words[0], words[4]))
    return Names(frozenset(used - local), frozenset(called), frozenset(taken))


def _without_types(text: str) -> str:
    """Decorators' names, types of parameters and outputs, and lines that declare nothing, taken out."""
    text = re.sub(r"(?m)^(targetScope|metadata \w+) = .*$|^(extension|using) .*$", "", text)
    text = re.sub(r"(?m)^@\w+", "", text)
    return re.sub(r"(?m)^((?:param|output) \w+) [a-z]+(?:\[\])?", r"\1", text)


def _local(flat: list[Token]) -> set[str]:
    """Names of lambdas and loops."""
    found = set()
    for n, token in enumerate(flat):
        if token.kind == "arrow":
            found.add(flat[n - 1].text)
        elif token.text == "for":
            found |= (
                {t.text for t in flat[n + 1 : n + 6] if t.kind == "word"} - {"in"}
                if flat[n + 1].text == "("
                else {flat[n + 1].text}
            )
    return found


def _neighbour(found: list[Token], n: int, step: int) -> Token:
    at = n + step
    while 0 <= at < len(found) and found[at].kind == "newline":
        at += step
    return found[at] if 0 <= at < len(found) else Token("mark", "")


def _is_key(found: list[Token], n: int) -> bool:
    """Whether a word is the name of a property: at the beginning of a line or an object, with a colon behind it."""
    after = found[n + 1].text if n + 1 < len(found) else ""
    before = found[n - 1] if n else Token("newline", "\n")
    return after == ":" and (before.kind == "newline" or before.text in ("{", ","))
