"""The command line as a process of its own: what it said, and what it cost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
IMPATIENT = ROOT / "tests" / "impatient"

# A small process in between: Linux counts the memory of whoever starts a process as that process's own.
_MEASURED = """
import json, os, subprocess, sys, time
began = time.monotonic()
process = subprocess.Popen(sys.argv[2:])
_, status, used = os.wait4(process.pid, 0)
told = [os.waitstatus_to_exitcode(status), time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss]
with open(sys.argv[1], "w") as file:
    json.dump(told, file)
"""


@dataclass(frozen=True)
class Ended:
    """A process that is over: `wall` and `cpu` in seconds, `peak` in MB of memory."""

    code: int
    out: str
    err: str
    wall: float
    cpu: float
    peak: float

    @property
    def counts(self) -> dict[str, Any]:
        """The one line of JSON."""
        (line,) = self.out.splitlines()
        found: dict[str, Any] = json.loads(line)
        return found


class Started:
    """`python -m provisioning`, at work."""

    def __init__(self, environ: Mapping[str, str], *verb: str, impatient: bool = False) -> None:
        """Begin. `impatient`: whatever it waits for is over at once, by its own clock, too."""
        self._costs = tempfile.NamedTemporaryFile("r", suffix=".json")  # noqa: SIM115 - read when it is over
        command = [sys.executable, "-m", "provisioning", *verb]
        measured = [sys.executable, "-I", "-S", "-c", _MEASURED, self._costs.name, *command]
        paths = {"PYTHONPATH": str(IMPATIENT)} if impatient else {}
        env = {"PATH": os.environ["PATH"], **paths, **environ}
        self.began = time.monotonic()
        self._process = subprocess.Popen(
            measured, env=env, cwd=ROOT, stdout=-1, stderr=-1, text=True, start_new_session=True
        )

    def end(self, seconds: float = 100.0) -> Ended:
        """Wait for it. Whatever it printed is words, no traceback."""
        try:
            out, err = self._process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            raise
        with self._costs as file:
            code, wall, cpu, peak = json.load(file)
        assert "Traceback" not in err, err
        return Ended(code, out, err, wall, cpu, peak / (1024 * 1024 if sys.platform == "darwin" else 1024))


def run(environ: Mapping[str, str], *verb: str, impatient: bool = False) -> Ended:
    """From beginning to end."""
    return Started(environ, *verb, impatient=impatient).end()
