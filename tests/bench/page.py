"""docs/benchmarks.md and its pictures, from what was measured."""

from __future__ import annotations

import platform
import sqlite3
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.drawing import THEMES, Axis, Line, picture
from tests.bench.measures import Bench
from tests.bench.record import ROOT, Row

TITLES = {
    "upload": "Upload",
    "ingest": "Ingest",
    "update": "Update",
    "build": "Building SCIM users",
    "start": "Start, and one person",
    "growth": "Growth",
}
HOW = {
    "upload": "`create` over HTTP to the emulated Graph, which enforces 40 calls in any 5 s and answers after "
    "300 ms ± 200 ms.",
    "ingest": "37 fields a record, 1,000 records a page, each page after 50 ms: the server's own time. First load, "
    "quiet and changed rounds each run in a process of their own; MB is the most memory of that process. Goals of time "
    "are those of SQLite, on the same machine; what a T-SQL server takes is its own.",
    "update": "`update` over the same HTTP. *First call* is counted from the start of the process.",
    "build": "By the processor's time, on the shipped mapping of 20 attributes.",
    "start": "On SQLite, which waits for the disk at each commit; a resync makes eight of them.",
    "growth": "The processor's seconds of a second run in one process, less those for one person; HR answers at once. "
    "The exponent is the slope of a line through their logarithms.",
}


UNMEASURED = "A T-SQL server was not measured: TEST_SQLSERVER was not set"
BUSY = " **The machine was busy with other work meanwhile: these times are not to be believed.**"


def write(bench: Bench, page: Path, pictures: Path, minutes: float, *, busy: bool = False) -> None:
    """Write both."""
    prefix = page.stem.replace("benchmarks", "bench")
    pictures.mkdir(parents=True, exist_ok=True)
    for name, theme in THEMES.items():
        for part, made in _pictures(bench).items():
            (pictures / f"{prefix}-{part}-{name}.svg").write_text(picture(*made, theme), encoding="utf-8")
    page.write_text(text(bench, minutes, prefix, busy=busy), encoding="utf-8")


def text(bench: Bench, minutes: float, prefix: str = "bench", *, busy: bool = False) -> str:
    """The page, whose pictures' names begin with `prefix`; `busy`: the machine did other things, too."""
    parts = [_head(minutes, bench, prefix) + (BUSY if busy else "")]
    for part, rows in bench.rows.items():
        parts += [f"## {TITLES[part]}", HOW[part], _table(rows)]
        if part in _pictures(bench):
            parts.append(_shown(part, prefix))
    return "\n\n".join(parts) + "\n"


MARKS = ("<!-- figures: written by make bench -->", "<!-- end of figures -->")


def summary(bench: Bench) -> str:
    """Five figures, as README has them."""
    wanted = (
        ("upload", "people a second"),
        ("ingest", "nothing changed"),
        ("update", "1 % changed, by content"),
        ("start", "resyncs"),
        ("growth", "update"),
    )
    rows = [next((row for row in bench.rows.get(part, []) if word in row.what), None) for part, word in wanted]
    lines = ["| | measured | against |", "| --- | --- | --- |"]
    for row in filter(None, rows):
        against = ": ".join(text for text in (row.against, row.ratio) if text)
        lines.append(f"| {row.what} | {row.figure} | {against} |")
    return "\n".join(lines)


def into(readme: str, figures: str) -> str:
    """A README with these figures in place of those between the marks. Raises ValueError where it has no marks."""
    before, found, rest = readme.partition(MARKS[0])
    _, ends, after = rest.partition(MARKS[1])
    if not found or not ends:
        raise ValueError("README.md has no place for the figures")
    return f"{before}{MARKS[0]}\n\n{figures}\n\n{MARKS[1]}{after}"


def machine() -> str:
    """On what it was measured."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cores = f"{len(models)} × {models[0]}" if models else platform.processor() or platform.machine()
    return f"{cores}, {platform.system()}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S607


def _head(minutes: float, bench: Bench, prefix: str) -> str:
    commit = _git("rev-parse", "--short", "HEAD") or "unknown"
    changed = " with changes" if _git("status", "--porcelain", "--", "provisioning", "function_app.py") else ""
    missed = sum(row.met is False for rows in bench.rows.values() for row in rows)
    goals = sum(row.met is not None for rows in bench.rows.values() for row in rows)
    server = f"The T-SQL server: {bench.server}" if bench.server else UNMEASURED
    how = f"is the median of {bench.times} runs, the upload of one" if bench.times > 1 else "was measured once"
    return (
        "# Benchmarks\n\n"
        f"Written by `make {prefix}`; nothing in it is typed by hand. Every figure stands beside something named "
        f"that was measured in the same run; each {how}.\n\n"
        f"{machine()}. {datetime.now(UTC):%Y-%m-%d}, commit `{commit}`{changed}, {minutes:.0f} minutes. "
        f"{goals - missed} of {goals} goals are reached. {server}."
    )


def _table(rows: list[Row]) -> str:
    lines = ["| what | measured | against | ratio | goal |", "| --- | --- | --- | --- | --- |"]
    for row in rows:
        mark = "" if row.met is None else " ✓" if row.met else " **missed**"
        lines.append(f"| {row.what} | {row.figure} | {row.against} | {row.ratio} | {row.goal}{mark} |")
    return "\n".join(lines)


def _shown(part: str, prefix: str) -> str:
    return (
        "<picture>\n"
        f'  <source media="(prefers-color-scheme: dark)" srcset="img/{prefix}-{part}-dark.svg">\n'
        f'  <img src="img/{prefix}-{part}-light.svg" width="70%" alt="{ALTS[part]}">\n'
        "</picture>"
    )


ALTS = {
    "upload": "Calls in the 5 seconds before each second of the upload: flat below Graph's limit of 40",
    "growth": "Seconds of a quiet ingest and a quiet update by the number of people, both along the line of proportion",
}


def _pictures(bench: Bench) -> dict[str, tuple[str, Axis, Axis, list[Line]]]:
    found = {}
    if "upload" in bench.series:
        found["upload"] = _upload(bench)
    if "ingest" in bench.series:
        found["growth"] = _growth(bench)
    return found


def _upload(bench: Bench) -> tuple[str, Axis, Axis, list[Line]]:
    ours, sample = bench.series["upload"], bench.series["sample"]
    most = max(10.0, ours[-1][0])
    marks = [(most * n / 4, f"{most * n / 4:.0f} s") for n in range(5)]
    lines = [
        Line("this app", ours),
        Line("one after the other", [(x, y) for x, y in sample if x <= most]),
        Line("limit: 40", [(0, 40), (most, 40)], dashed=True),
    ]
    up = Axis(0, 45, [(n, str(n)) for n in (0, 10, 20, 30, 40)])
    return f"Calls in any 5 seconds while {bench.uploads:,} people are sent", Axis(0, most, marks), up, lines


def _growth(bench: Bench) -> tuple[str, Axis, Axis, list[Line]]:
    ingest, update = bench.series["ingest"], bench.series["update"]
    (least, first), most = ingest[-1], ingest[-1][0]
    least = ingest[0][0]
    slowest = max(y for _, y in (*ingest, *update))
    low = min(y for _, y in (*ingest, *update))
    marks = [(10.0**n, f"{10**n:,}") for n in range(8) if least <= 10**n <= most]
    up = [(10.0**n, f"{10.0**n:g} s") for n in range(-3, 4)]
    bottom = max(v for v, _ in up if v <= low) if low >= up[0][0] else up[0][0]
    top = min(v for v, _ in up if v >= slowest)
    shown = [m for m in up if bottom <= m[0] <= top]
    proportion = [(x, first * x / most) for x in (least, most) if bottom <= first * x / most]
    lines = [Line("ingest", ingest), Line("update", update), Line("proportion", proportion, dashed=True)]
    title = "Processor seconds when nothing has changed, by the number of people"
    return title, Axis(least, most, marks, log=True), Axis(bottom, top, shown, log=True), lines
