"""Plant the mistakes of tests/planted.py, one by one, in a copy of the project, and see that a test kills each.

`python -m tests.mutants [words]`: those whose name holds the words, or all. Ends with 1 if one lives.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.planted import MISTAKES, Edit, Mistake

ROOT = Path(__file__).parent.parent
AT_ONCE = 2
PATIENCE = 600
"""Seconds for the tests of one mistake."""

HISTORIES = "0:200"
"""Which of the simulated world's histories are played: no mistake needs more of them to be seen."""

_LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".*_cache", ".hypothesis", "*.db")
_FIRST = re.compile(r"^(?:FAILED|ERROR) tests/([^\s\[]+(?:\[.*?\])?)(?: - |$)", re.MULTILINE)


@dataclass(frozen=True)
class Fate:
    """What became of a mutant: the test that killed it, or None; how long that took; what pytest said."""

    mistake: Mistake
    killer: str | None
    seconds: float
    told: str


def planted(text: str, edit: Edit) -> str:
    """The text with the mistake in it. Raises ValueError where it does not stand there as often as it should."""
    if text.count(edit.old) != edit.times:
        raise ValueError(f"{edit.path}: {edit.old!r} stands there {text.count(edit.old)} times, not {edit.times}")
    return text.replace(edit.old, edit.new)


def plant(mistake: Mistake, root: Path) -> None:
    """Make the mistake in the project at `root`."""
    for edit in mistake.edits:
        file = root / edit.path
        file.write_text(planted(file.read_text("utf-8"), edit), "utf-8")


def run_tests(root: Path, tests: Iterable[str], *options: str) -> tuple[int, str]:
    """pytest's exit code and what it printed."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options, *(f"tests/{t}" for t in tests)]
    env = {**os.environ, "WORLD_SEEDS": HISTORIES}
    try:
        done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return -1, f"not done in {PATIENCE} s"
    return done.returncode, done.stdout + done.stderr


def killer(code: int, told: str) -> str | None:
    """The first test that failed, of what pytest printed; None where none did, or where the tests could not begin."""
    first = _FIRST.search(told)
    return first[1] if code == 1 and first else None


def fate(mistake: Mistake, project: Path) -> Fate:
    """Plant one mistake in a copy of its own and run its tests up to the first that fails."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        shutil.copytree(project, root)
        plant(mistake, root)
        code, told = run_tests(root, mistake.tests, "-x", "-n", "0", "--tb=line", "--show-capture=no")
    return Fate(mistake, killer(code, told), time.monotonic() - began, told)


def check_all_pass(project: Path, mistakes: Sequence[Mistake]) -> None:
    """Without any mistake every test passes; otherwise a kill would mean nothing. Compiles the copy, too."""
    tests = sorted({test for mistake in mistakes for test in mistake.tests})
    code, told = run_tests(project, tests, "-n", str(AT_ONCE))
    if code:
        sys.exit(f"{told}\nThese tests do not pass on the project as it is.")


def main(words: Sequence[str]) -> int:
    """Print a line for each, and how many were killed."""
    wanted = [m for m in MISTAKES if not words or " ".join(words) in m.name]
    lives = 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(AT_ONCE) as pool:
        project = Path(folder) / "project"
        shutil.copytree(ROOT, project, ignore=_LEFT_OUT)
        check_all_pass(project, wanted)
        for found in pool.map(lambda mistake: fate(mistake, project), wanted):
            lives += found.killer is None
            print(f"{found.seconds:5.1f} s  {found.mistake.name:<80} {found.killer or 'LIVES'}", flush=True)
            if found.killer is None:
                print(found.told)
    print(f"killed {len(wanted) - lives} of {len(wanted)}")
    return int(lives > 0 or not wanted)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
