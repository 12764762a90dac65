"""What the code can come to from where it begins, function by function, by reading it. It finds too much rather than
too little: a method is reached where its class is and any attribute of that name is asked for.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
Place = tuple[str, str]
"""A module and the name of a function, method or constant in it; methods by their own names."""


@dataclass(frozen=True)
class Piece:
    """A function, a method, a class without its methods, or a constant."""

    place: Place
    body: tuple[ast.AST, ...]
    owner: str = ""
    """The class of a method."""


@functools.cache
def tree(path: Path) -> ast.Module:
    """A module of the project, read once."""
    return ast.parse(path.read_text("utf-8"))


@functools.cache
def functions(path: Path) -> frozenset[str]:
    """The names of a module's functions, which for a file of tests are its tests and what helps them."""
    return frozenset(node.name for node in tree(path).body if isinstance(node, ast.FunctionDef))


@functools.cache
def pieces() -> dict[Place, tuple[Piece, ...]]:
    """All of the project's own code, in pieces."""
    found: dict[Place, list[Piece]] = {}
    for path in (*(ROOT / "provisioning").glob("*.py"), ROOT / "function_app.py"):
        for piece in _pieces(path.stem, tree(path)):
            found.setdefault(piece.place, []).append(piece)
    return {place: tuple(several) for place, several in found.items()}


def _pieces(module: str, tree: ast.Module) -> Iterator[Piece]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield Piece((module, node.name), (node,))
        elif isinstance(node, ast.ClassDef):
            methods = [n for n in node.body if isinstance(n, ast.FunctionDef)]
            own = [n for n in methods if n.name.startswith("__")]
            rest = [n for n in node.body if not isinstance(n, ast.FunctionDef)]
            yield Piece((module, node.name), (*rest, *node.bases, *own))
            yield from (Piece((module, n.name), (n,), owner=node.name) for n in methods if n not in own)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}
            yield from (Piece((module, name), (node.value,)) for name in names)


@functools.cache
def _imports(module: str) -> dict[str, Place]:
    """What names of a module stand for: another module (with an empty name), or something in one."""
    path = ROOT / ("function_app.py" if module == "function_app" else f"provisioning/{module}.py")
    found: dict[str, Place] = {}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "provisioning":
            inner = node.module.partition(".")[2]
            for name in node.names:
                found[name.asname or name.name] = (inner, name.name) if inner else (name.name, "")
    return found


def _next(place: Place) -> tuple[set[Place], set[str]]:
    """Places that are named here, and attributes that are asked for of something unknown."""
    module, places, attributes = place[0], set(), set()
    for node in (n for piece in pieces()[place] for part in piece.body for n in ast.walk(part)):
        if isinstance(node, ast.Attribute):
            owner = _imports(module).get(node.value.id) if isinstance(node.value, ast.Name) else None
            if owner and not owner[1]:
                places.add((owner[0], node.attr))
            else:
                attributes.add(node.attr)
        elif isinstance(node, ast.Name):
            places.add(_imports(module).get(node.id, (module, node.id)))
    return places, attributes


def reached(begin: Iterable[Place]) -> set[Place]:
    """Every place that can be come to from these."""
    seen: set[Place] = set()
    asked: set[str] = set()
    left = set(begin)
    while left:
        for place in left & pieces().keys() - seen:
            seen.add(place)
            places, attributes = _next(place)
            left |= places
            asked |= attributes
        left = (left | set(_methods(seen, asked))) & pieces().keys() - seen
    return seen


def _methods(seen: set[Place], asked: set[str]) -> Iterator[Place]:
    """The methods of those names, of classes that are reached."""
    for place, several in pieces().items():
        if place[1] in asked and any(piece.owner and (place[0], piece.owner) in seen for piece in several):
            yield place


def texts(places: Iterable[Place]) -> set[str]:
    """Every text that stands in these places, such as names of statements."""
    return {
        node.value
        for place in places
        for piece in pieces()[place]
        for part in piece.body
        for node in ast.walk(part)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def triggers() -> set[Place]:
    """The functions of function_app.py that a trigger calls."""
    return {
        place
        for place, several in pieces().items()
        for piece in several
        if place[0] == "function_app" and isinstance(piece.body[0], ast.FunctionDef) and piece.body[0].decorator_list
    }
