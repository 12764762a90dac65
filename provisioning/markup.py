"""HTML put together so that nothing can slip in: every text is escaped, unless it was made here. Pure."""

import html
from collections.abc import Iterable
from typing import Any

_VOID = ("input", "meta", "link", "br")
_DRAWN = ("rect", "line")
"""Of SVG: closed in themselves."""


class Markup(str):
    """HTML that is whole already."""

    __slots__ = ()


Part = str | int | float | None | Markup


def element(name: str, /, *parts: Part, **attributes: Any) -> Markup:
    """An element: texts in it are escaped, None is left out.

    Of attributes `for_` is for, `aria_label` aria-label; one that is True stands alone, None and False are left out.
    """
    shown = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID or name in _DRAWN:
        return Markup(f"<{name}{shown}{'/' if name in _DRAWN else ''}>")
    return Markup(f"<{name}{shown}>{join(parts)}</{name}>")


def join(parts: Iterable[Part]) -> Markup:
    """One after another, what is no markup escaped."""
    return Markup("".join(p if isinstance(p, Markup) else html.escape(str(p)) for p in parts if p is not None))


def raw(text: str) -> Markup:
    """A text of ours that is no person's: a style, a script."""
    return Markup(text)


def _attribute(key: str, value: Any) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{html.escape(str(value))}"'
