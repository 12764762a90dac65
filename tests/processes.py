"""The command line as a process of its own: what it said, and what it cost."""

from __future__ import annotations

import atexit
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parent.parent
IMPATIENT = ROOT / "tests" / "impatient"

# A small process in between: Linux counts the memory of whoever starts a process as that process's own.
_MEASURED = """
import json, os, subprocess, sys, time
began, told = time.monotonic(), int(sys.argv[1])
process = subprocess.Popen(sys.argv[2:])
os.write(told, f"{process.pid}\\n".encode())
_, status, used = os.wait4(process.pid, 0)
costs = [os.waitstatus_to_exitcode(status), time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss]
os.write(told, f"{json.dumps(costs)}\\n".encode())
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
    """`python -m provisioning`, at work: a process of its own, with its own memory, signals and end.

    It is forked from one that has imported everything already, since that takes longer than most commands do;
    `fresh`: from nothing, as an operator starts it.
    """

    def __init__(self, environ: Mapping[str, str], *verb: str, impatient: bool = False, fresh: bool = False) -> None:
        """Begin. `impatient`: whatever it waits for is over at once, by its own clock, too."""
        self._out = tempfile.TemporaryFile()  # noqa: SIM115 - read when it is over
        self._err = tempfile.TemporaryFile()  # noqa: SIM115
        self.began = time.monotonic()
        fresh = fresh or any(name.startswith("PYTHON") for name in environ)
        start = _start_fresh if fresh else _seedling(impatient).start
        told = start({**_environ(impatient), **environ}, verb, self._out.fileno(), self._err.fileno())
        self._told = os.fdopen(told, "rb", buffering=0)
        self.pid = int(self._told.readline())
        self._costs = b""

    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._is_told(0)

    def send_signal(self, number: int) -> None:
        """To the command itself, as long as it is there."""
        if not self.is_over():
            os.kill(self.pid, number)

    def end(self, seconds: float = 100.0) -> Ended:
        """Wait for it. Whatever it printed is words, no traceback."""
        if not self._is_told(seconds):
            os.kill(self.pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired("provisioning", seconds)
        code, wall, cpu, peak = json.loads(self._costs)
        with self._told, self._out, self._err:
            out, err = (_text(stream) for stream in (self._out, self._err))
        assert "Traceback" not in err, err
        return Ended(code, out, err, wall, cpu, peak / (1024 * 1024 if sys.platform == "darwin" else 1024))

    def _is_told(self, seconds: float) -> bool:
        if not self._costs and select.select([self._told], [], [], seconds)[0]:
            self._costs = self._told.readline()
        return bool(self._costs)


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode()


def _environ(impatient: bool) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], **({"PYTHONPATH": str(IMPATIENT)} if impatient else {})}


def _start_fresh(environ: Mapping[str, str], verb: Sequence[str], out: int, err: int) -> int:
    """Gives back where it tells its process's id, and then what it cost."""
    reads, writes = os.pipe()
    command = [sys.executable, "-m", "provisioning", *verb]
    measured = [sys.executable, "-I", "-S", "-c", _MEASURED, str(writes), *command]
    started = subprocess.Popen(
        measured, env=environ, cwd=ROOT, stdout=out, stderr=err, pass_fds=[writes], start_new_session=True
    )
    threading.Thread(target=started.wait, daemon=True).start()
    os.close(writes)
    return reads


class _Seedling:
    """tests/seedling.py at work, until this process ends."""

    def __init__(self, impatient: bool) -> None:
        self._channel, theirs = socket.socketpair()
        command = [sys.executable, "-m", "tests.seedling", str(theirs.fileno())]
        env = _environ(impatient)
        self._process = subprocess.Popen(command, env=env, cwd=ROOT, pass_fds=[theirs.fileno()], start_new_session=True)
        theirs.close()
        atexit.register(self._stop)

    def start(self, environ: Mapping[str, str], verb: Sequence[str], out: int, err: int) -> int:
        """As `_start_fresh` does."""
        reads, writes = os.pipe()
        request = json.dumps({"environ": dict(environ), "verb": verb}).encode()
        message = b"%d\n%b" % (len(request), request)
        sent = socket.send_fds(self._channel, [message], [out, err, writes])
        self._channel.sendall(message[sent:])
        os.close(writes)
        return reads

    def _stop(self) -> None:
        self._channel.close()
        self._process.wait()


_seedling = functools.cache(_Seedling)


def run(environ: Mapping[str, str], *verb: str, impatient: bool = False, fresh: bool = False) -> Ended:
    """From beginning to end."""
    return Started(environ, *verb, impatient=impatient, fresh=fresh).end()
