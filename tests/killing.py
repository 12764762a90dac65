"""Real processes that are killed at a point of their work: before or after a SQL statement or an HTTP request.

`python -m tests.killing` imports everything once, has one thread, and forks a child for every order that comes as a
line of JSON on stdin: starting Python some hundred times would take minutes. A job that it has rehearsed itself has
read and compiled for its children what is read and compiled once. A child runs one job and notes its points
by name ("before record_accepted 3", "after POST 1": the third statement of that file, the first POST) or, at the point
it was told, kills itself with SIGKILL, or stands still (SIGSTOP) until it is told to go on.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Self

import httpx

from provisioning import jobs, source_schema, transport
from provisioning.database import Row, Sqlite
from provisioning.jobs import Selection
from provisioning.settings import Settings
from tests.clock import MovedClock

ROOT = Path(__file__).parent.parent
EVERYBODY = Selection(limit=100_000)
STOPPED = "stands still"

JOBS: dict[str, Callable[[Settings, MovedClock], Any]] = {
    "ingest": lambda settings, clock: jobs.ingest(settings, clock=clock),
    "create": lambda settings, clock: jobs.create(settings, EVERYBODY, clock=clock),
    "update": lambda settings, clock: jobs.update(settings, clock=clock),
}


@dataclass(frozen=True)
class Order:
    """A job to run at a moment (`now`, ISO), and where to die; with `within`, so many seconds after that point.

    With `only_stop` it stands still there; a rehearsal is run by the process that forks, to its end.
    """

    job: str
    environ: dict[str, str]
    now: str
    at: str | None = None
    within: float | None = None
    only_stop: bool = False
    rehearsal: bool = False


@dataclass(frozen=True)
class Ended:
    """How a child ended: by which signal (0: none), with which code; the points it passed, and when (seconds)."""

    signal: int
    code: int
    points: dict[str, float]


class Killer:
    """The process that forks. What its children print on stderr is in the file `stderr`."""

    def __init__(self, stderr: Path) -> None:
        self.stderr = stderr

    def __enter__(self) -> Self:
        with self.stderr.open("wb") as told:
            self._process = subprocess.Popen(
                [sys.executable, "-X", "faulthandler", "-m", "tests.killing"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=told,
                text=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=10)

    def run(self, order: Order) -> Ended:
        """Run a job in a child of its own."""
        return Ended(**json.loads(self._answer(json.dumps(asdict(order)))))

    def rehearse(self, order: Order) -> None:
        """Run a job in the process that forks, which takes from each of its children what is done only once."""
        assert self.run(replace(order, rehearsal=True)) == Ended(0, 0, {})

    def stop(self, order: Order) -> None:
        """Run a job in a child of its own until it stands still."""
        assert self._answer(json.dumps(asdict(order))) == STOPPED

    def go_on(self) -> Ended:
        """Let the child that stands still go on to its end."""
        return Ended(**json.loads(self._answer("go on")))

    def _answer(self, line: str) -> str:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin
        assert stdout
        stdin.write(f"{line}\n")
        stdin.flush()
        answer = stdout.readline()
        assert answer, self.stderr.read_text("utf-8")
        return answer.strip()


class _Points:
    """Where a child is."""

    def __init__(self, order: Order) -> None:
        self._at, self._within = order.at, order.within
        self._signal = signal.SIGSTOP if order.only_stop else signal.SIGKILL
        self.passed: dict[str, float] = {}
        self._times: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def around(self, what: str) -> Iterator[None]:
        with self._lock:
            self._times[what] += 1
            name = f"{what} {self._times[what]}"
        self._pass(f"before {name}")
        yield
        self._pass(f"after {name}")

    def _pass(self, point: str) -> None:
        with self._lock:
            self.passed[point] = time.monotonic()
            if point == self._at and self._within is not None:
                signal.setitimer(signal.ITIMER_REAL, self._within)  # its default action ends the process at once
            elif point == self._at or (self._within is not None and point == _after(self._at)):
                signal.pthread_kill(threading.get_ident(), self._signal)  # this thread goes no step further


def _after(point: str | None) -> str:
    return f"{point}".replace("before", "after", 1)


def _watch(points: _Points) -> None:
    """Every statement of the job's own thread, and every request; not the keeper of the lease, which has a thread."""
    select, execute, write, exchange = Sqlite.select, Sqlite.execute, Sqlite.write, transport.exchange

    def watched_select(self: Sqlite, sql: str, parameters: Sequence[Any], name: str) -> Iterator[Row]:
        with points.around(name):
            yield from select(self, sql, parameters, name)

    def watched_execute(self: Sqlite, sql: str, parameters: Sequence[Any] = (), name: str = "statement") -> int:
        if threading.current_thread() is not threading.main_thread():
            return execute(self, sql, parameters, name)
        with points.around(name):
            return execute(self, sql, parameters, name)

    def watched_write(self: Sqlite, name: str, objects: Sequence[str], **identifiers: str) -> None:
        with points.around(name):
            write(self, name, objects, **identifiers)

    def watched_exchange(http: httpx.Client, request: httpx.Request, *args: Any, **named: Any) -> transport.Reply:
        with points.around(request.method):
            return exchange(http, request, *args, **named)

    Sqlite.select, Sqlite.execute = watched_select, watched_execute  # type: ignore[method-assign]
    Sqlite.write = watched_write  # type: ignore[method-assign]
    transport.exchange = watched_exchange


def _work(order: Order, settings: Settings) -> None:
    JOBS[order.job](settings, MovedClock(datetime.fromisoformat(order.now)))


def _rehearse(order: Order) -> Ended:
    _work(order, Settings.from_environ(order.environ))
    assert threading.active_count() == 1
    _keep()
    return Ended(0, 0, {})


def _keep() -> None:
    """What is there stays: a child that looked through it for garbage would copy every page of it."""
    gc.collect()
    gc.freeze()


def _child(order: Order, settings: Settings, report: IO[str]) -> None:
    points = _Points(order)
    _watch(points)
    _work(order, settings)
    json.dump(points.passed, report)
    report.flush()


def _fork(order: Order) -> Ended:
    settings = Settings.from_environ(order.environ)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            os.close(reading)
            _child(order, settings, os.fdopen(writing, "w"))
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    if order.only_stop:
        _wait_stopped(child)
    with os.fdopen(reading) as report:
        passed = report.read()
    status = os.waitpid(child, 0)[1]
    ended = os.waitstatus_to_exitcode(status)
    return Ended(max(0, -ended), max(0, ended), json.loads(passed) if passed else {})


def _wait_stopped(child: int) -> None:
    """Until it stands still (or has ended without); at the next line it may go on, and without one it is killed."""
    os.waitid(os.P_PID, child, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    print(STOPPED, flush=True)
    os.kill(child, signal.SIGCONT if sys.stdin.readline() else signal.SIGKILL)


def main() -> None:
    """Take orders until there are no more."""
    logging.basicConfig(level=logging.DEBUG)
    transport.client().close()  # the trust store is read here, and not by each of hundreds of children;
    source_schema.checked({})  # so is what looks at HR_SOURCE
    _keep()
    for line in sys.stdin:
        order = Order(**json.loads(line))
        print(json.dumps(asdict(_rehearse(order) if order.rehearsal else _fork(order))), flush=True)


if __name__ == "__main__":
    main()
