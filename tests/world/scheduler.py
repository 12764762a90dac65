"""One thread at a time, in an order and at times that a seed decides: real code, simulated time.

Every task is a thread, but only the one that was given the turn runs; it hands the turn back where it waits. Nothing
is ever ready by accident, so a history is the same each time it is played.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class Killed(BaseException):
    """The process of this task is no more: it runs nothing further, not even what cleans up."""


class Stuck(AssertionError):
    """Somebody waits for what will never come."""


@dataclass
class Process:
    """Tasks that live and die together, or stand still together."""

    name: str
    alive: bool = True
    frozen_until: float = 0.0


@dataclass(eq=False)
class Task:
    """A thread that waits for its turn."""

    process: Process
    work: Callable[[], Any]
    wakes: float
    ready: Callable[[], bool] | None = None
    done: bool = False
    result: Any = None
    error: BaseException | None = None
    turn: threading.Lock = field(default_factory=threading.Lock)


def _never() -> bool:
    return False


class Scheduler:
    """Gives turns. `now` is in seconds since 1970."""

    def __init__(self, chance: random.Random, now: float) -> None:
        self.chance, self.now = chance, now
        self.tasks: list[Task] = []
        self.current: Task | None = None
        self._end, self._idle = now, _never
        self._back = threading.Lock()
        self._back.acquire()

    # --- called by tasks ------------------------------------------------------------------------------------------

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        self.wait_for(None, seconds)

    def wait_for(self, ready: Callable[[], bool] | None, seconds: float) -> None:
        """Wait until something is so, or until so much time has passed."""
        task = self.current
        if task is None:
            raise RuntimeError("only a task can wait")
        self.check_alive()
        task.wakes, task.ready = self.now + seconds, ready
        following = self._next()
        if following is not task:  # from one thread to another takes longer than most of what a task does
            self._give_turn(following)
            task.turn.acquire()
        self.check_alive()

    def check_alive(self) -> None:
        """Raises Killed in a task whose process is dead."""
        if self.current and not self.current.process.alive:
            raise Killed

    def spawn(self, process: Process, work: Callable[[], Any]) -> Task:
        """A new task, which gets a turn when its time comes."""
        task = Task(process, work, self.now)
        task.turn.acquire()
        self.tasks.append(task)
        threading.Thread(target=self._live, args=(task,), daemon=True).start()
        return task

    # --- called from outside --------------------------------------------------------------------------------------

    def run_until(self, end: float, idle: Callable[[], bool] = _never) -> None:
        """Give turns until that moment, or until it is idle."""
        self._end, self._idle = end, idle
        task = self._next()
        if task is None:
            return
        self._give_turn(task)
        if not self._back.acquire(timeout=60):
            raise Stuck(f"{self.current.process.name if self.current else 'nobody'} does not give its turn back")

    # --- whose turn it is -----------------------------------------------------------------------------------------

    def _next(self) -> Task | None:
        """Whose moment comes first, which is now; of several, chance decides. None: time is up, or it is idle."""
        self.current, task = None, self._first()
        if task is None:
            return None
        moment = self._moment(task)
        if moment > self._end:
            self.now = max(self.now, self._end)
            return None
        self.now = max(self.now, moment)
        self.current = task
        return task

    def _first(self) -> Task | None:
        if self._idle():
            return None
        moments = [(self._moment(t), t) for t in self.tasks]
        if not moments:
            self.now = max(self.now, self._end)
            return None
        first = max(min(m for m, _ in moments), self.now)
        return self.chance.choice([t for m, t in moments if m <= first])

    def _moment(self, task: Task) -> float:
        if not task.process.alive:
            return self.now
        ready = task.ready is not None and task.ready()
        return max(self.now if ready else task.wakes, task.process.frozen_until)

    def _give_turn(self, task: Task | None) -> None:
        """To a task, or back to whoever runs them."""
        (self._back if task is None else task.turn).release()

    def _live(self, task: Task) -> None:
        task.turn.acquire()
        try:
            if task.process.alive:
                task.result = task.work()
        except BaseException as error:
            task.error = error
        task.done = True
        self.tasks.remove(task)
        self._give_turn(self._next())
