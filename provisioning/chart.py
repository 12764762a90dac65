"""What 14 days brought and 14 days will bring, as inline SVG and as a table. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from provisioning.markup import Markup, element, join

Days = Sequence[Mapping[str, Any]]

ROWS = ("joiners", "leavers", "changes", "failed")
HEIGHT, WIDTH, GAP = 40, 20, 4
"""Of a bar, in units of the drawing, which is stretched to the width of the page."""


def chart(days: Days, ahead: Days) -> Markup:
    """A row of bars for each kind, each to its own scale: days that are over, then those to come, in outline."""
    rows = (_row(kind, days, ahead) for kind in ROWS)
    key = element(
        "p", element("span", "done", class_="done"), element("span", "to come", class_="to-come"), class_="key"
    )
    return join([key, element("div", *rows, class_="chart"), _table(days, ahead)])


def _ends(days: Days, ahead: Days) -> list[str]:
    return [days[0]["day"], "today", ahead[-1]["day"]] if days and ahead else []


def _row(kind: str, days: Days, ahead: Days) -> Markup:
    over, later = [int(d[kind]) for d in days], [int(d.get(kind, 0)) for d in ahead]
    most = max([*over, *later, 1])
    bars = (_bar(n, kind, day, most, n >= len(days)) for n, day in enumerate([*days, *ahead]))
    told = f"{sum(over):,} in {len(days)} days" + (f", {sum(later):,} to come" if ahead and kind in ahead[0] else "")
    box = f"0 0 {(len(days) + len(ahead)) * WIDTH} {HEIGHT}"
    today = len(days) * WIDTH
    line = element("line", x1=today, x2=today, y1=0, y2=HEIGHT, class_="today")
    picture = element(
        "svg", *bars, line, viewBox=box, preserveAspectRatio="none", role="img", aria_label=f"{kind}: {told}"
    )
    peak = element("span", f"most a day: {most:,}", class_="peak") if any([*over, *later]) else None
    label = element("p", element("strong", kind.capitalize()), " ", element("span", told), " ", peak)
    axis = element("div", *(element("span", t) for t in _ends(days, ahead)), class_="axis", aria_hidden="true")
    return element("div", label, picture, axis, class_=f"series {kind}")


def _bar(place: int, kind: str, day: Mapping[str, Any], most: int, ahead: bool) -> Markup:
    count = int(day.get(kind, 0))
    height = max(round(count / most * (HEIGHT - 2), 1), 2 if count else 0)
    title = element("title", f"{day['day']}: {count} {kind}")
    mark = {"x": place * WIDTH + GAP / 2, "y": HEIGHT - height, "width": WIDTH - GAP, "height": height}
    bar = element("rect", **mark, class_="ahead" if ahead else "over")
    return element("g", title, bar)


def _table(days: Days, ahead: Days) -> Markup:
    head = element("tr", element("th", "Day", scope="col"), *(element("th", k.capitalize(), scope="col") for k in ROWS))
    rows = (
        element("tr", element("th", day["day"], scope="row"), *(element("td", day.get(kind, "–")) for kind in ROWS))
        for day in (*days, *ahead)
    )
    table = element("table", element("thead", head), element("tbody", *rows), class_="numbers")
    return element("details", element("summary", "The same in numbers"), join([table]))
