"""Two pictures as SVG, each for a light and a dark page: how it grows, and the upload against Graph's limit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from provisioning.markup import Markup, element, join

WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 34, 44

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Theme:
    """The colours of a page."""

    page: str
    ink: str
    faint: str
    grid: str
    lines: tuple[str, ...]


THEMES = {
    "light": Theme("#ffffff", "#1b1f24", "#59636e", "#d8dee4", ("#0550ae", "#b35900", "#1a7f37")),
    "dark": Theme("#0d1117", "#e6edf3", "#9198a1", "#30363d", ("#6cb6ff", "#f0883e", "#57ab5a")),
}


@dataclass(frozen=True)
class Line:
    """A named series; `dashed`: one that nothing measured."""

    name: str
    points: Points
    dashed: bool = False


@dataclass(frozen=True)
class Axis:
    """From where to where, which values are marked, and how they are written; `log`: each ten times the last."""

    least: float
    most: float
    marks: Sequence[tuple[float, str]]
    log: bool = False

    def share(self, value: float) -> float:
        """Where a value lies between the ends, from 0 to 1."""
        low, high, at = (math.log10(v) if self.log else v for v in (self.least, self.most, value))
        return (at - low) / (high - low)


def picture(title: str, across: Axis, up: Axis, lines: Sequence[Line], theme: Theme) -> str:
    """One chart as a whole SVG file."""
    parts = [
        element("title", title),
        element("rect", width=WIDTH, height=HEIGHT, fill=theme.page),
        _text(title, LEFT, 20, theme.ink, weight="600"),
        *_grid(across, up, theme),
        *_lines(across, up, lines, theme),
    ]
    whole = element(
        "svg",
        join(parts),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        width=WIDTH,
        height=HEIGHT,
        role="img",
        font_family="system-ui, sans-serif",
        font_size=12,
    )
    return f"{whole}\n"


def _x(axis: Axis, value: float) -> float:
    return round(LEFT + axis.share(value) * (WIDTH - LEFT - RIGHT), 1)


def _y(axis: Axis, value: float) -> float:
    return round(HEIGHT - BOTTOM - axis.share(value) * (HEIGHT - TOP - BOTTOM), 1)


def _text(text: str, x: float, y: float, colour: str, anchor: str = "start", weight: str = "400") -> Markup:
    return element("text", text, x=x, y=y, fill=colour, text_anchor=anchor, font_weight=weight)


def _grid(across: Axis, up: Axis, theme: Theme) -> list[Markup]:
    marks = []
    for value, told in up.marks:
        y = _y(up, value)
        marks.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, stroke=theme.grid))
        marks.append(_text(told, LEFT - 8, y + 4, theme.faint, "end"))
    for value, told in across.marks:
        marks.append(_text(told, _x(across, value), HEIGHT - BOTTOM + 20, theme.faint, "middle"))
    return marks


def _lines(across: Axis, up: Axis, lines: Sequence[Line], theme: Theme) -> list[Markup]:
    drawn, taken = [], list[float]()
    colours = iter(theme.lines)
    for line in lines:
        colour = theme.faint if line.dashed else next(colours)
        places = [(_x(across, x), _y(up, y)) for x, y in line.points]
        path = " ".join(f"{x},{y}" for x, y in places)
        dashes = {"stroke_dasharray": "4 4"} if line.dashed else {}
        drawn.append(element("polyline", points=path, fill="none", stroke=colour, stroke_width=2, **dashes))
        if len(places) < 12 and not line.dashed:
            drawn += [element("circle", cx=x, cy=y, r=3.5, fill=colour) for x, y in places]
        at = places[-1][1] + 4
        while any(abs(at - other) < 15 for other in taken):
            at += 1
        taken.append(at)
        drawn.append(_text(line.name, WIDTH - RIGHT + 10, at, colour))
    return drawn
