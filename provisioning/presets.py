"""Presets of HR_SOURCE: an HR system described already, in HR_SOURCE's own vocabulary, for a document to be laid over.

They stand in presets/, one JSON file each; `fill_in` in it says what each setting is that must be made for it. On what
each line of them rests is written in docs/presets.md.
"""

import copy
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("presets")

_TYPED = ("auth", "paginator", "format")
"""Objects whose options hang on their `type`: another type takes the place of the whole."""


def names() -> list[str]:
    """The presets that there are."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def applied(document: Mapping[str, Any]) -> tuple[dict[str, Any], Mapping[str, str]]:
    """A document laid over the preset that it names, and what each setting is that the preset refers to.

    Objects are merged, resources by their name; everything else of the document takes the place of the preset's. One
    without a preset, or with one that is not known, comes back as it is.
    """
    name = document.get("preset")
    if not isinstance(name, str) or name not in names():
        return dict(document), {}
    preset = copy.deepcopy(dict(_read(name)))
    fill_in = preset.pop("fill_in")
    above = {key: value for key, value in document.items() if key != "preset"}
    return {**_over(preset, above), **_resources(preset["resources"], above)}, fill_in


@functools.cache
def _read(name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def _over(below: Any, above: Any, name: str = "") -> Any:
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    if name in _TYPED and above.get("type", below.get("type")) != below.get("type"):
        return above
    merged = {key: _over(below[key], value, key) if key in below else value for key, value in above.items()}
    return {**below, **merged}


def _resources(below: list[dict[str, Any]], above: Mapping[str, Any]) -> dict[str, Any]:
    """The preset's resources, each under the one of its name, then the others; nothing where none are told."""
    if not isinstance(above.get("resources"), list):
        return {}
    others: list[Any] = list(above["resources"])
    both = []
    for resource in below:
        namesake: Any = next((other for other in others if _table(other) == _table(resource)), {})
        others = [other for other in others if other is not namesake]
        both.append(_over(resource, namesake))
    return {"resources": [*both, *others]}


def _table(resource: Any) -> str:
    """A table's name as it is compared; empty for what has none."""
    name = resource.get("name") if isinstance(resource, dict) else None
    return name.casefold() if isinstance(name, str) else ""
