"""What was measured: figures beside what they are measured against, medians of several runs, and goals."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Row:
    """One line of the table. `against` is measured in the same run; `met` tells whether the goal is."""

    what: str
    figure: str
    against: str = ""
    ratio: str = ""
    goal: str = ""
    met: bool | None = None


@dataclass(frozen=True)
class Took:
    """What one command took, in a process of its own."""

    seconds: float
    cpu: float
    peak: float
    statements: int
    modules: int
    counts: Mapping[str, Any]
    code: int
    began: float


def command(environ: Mapping[str, str], *verb: str, codes: Iterable[int] = (0,)) -> Took:
    """Run a command of the app as an operator would, and tell what it took. Raises SystemExit where it fails."""
    allowed = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH")}
    began, at = time.monotonic(), time.time()
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.watched", *verb],
        env={**allowed, **environ},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - began
    if done.returncode not in codes:
        raise SystemExit(f"{' '.join(verb)} ended with {done.returncode}:\n{done.stdout}{done.stderr[-4000:]}")
    told, counts = json.loads(done.stderr.splitlines()[-1]), json.loads(done.stdout.splitlines()[-1])
    statements = sum(told["statements"].values())
    return Took(seconds, told["cpu"], told["peak"], statements, told["modules"], counts, done.returncode, at)


def median(values: Iterable[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def repeated(times: int, action: Callable[[int], Took]) -> list[Took]:
    """The same so many times."""
    return [action(n) for n in range(times)]


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """The power of the number of people by which something grows: the slope of a line through the logarithms."""
    xs, ys = ([math.log(p[axis]) for p in points] for axis in (0, 1))
    middle_x, middle_y = statistics.fmean(xs), statistics.fmean(ys)
    spread = sum((x - middle_x) ** 2 for x in xs)
    return sum((x - middle_x) * (y - middle_y) for x, y in zip(xs, ys, strict=True)) / spread


def goal(text: str, *, met: bool) -> dict[str, Any]:
    """For a row: what was to be reached, and whether it is."""
    return {"goal": text, "met": met}
