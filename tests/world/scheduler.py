"""One task at a time, in an order and at times that a seed decides: real code, simulated time.

Every task is a greenlet: a stack of its own in the one thread there is. Only the one that was given the turn runs, and
it hands the turn back where it waits: from one to another takes a fiftieth of what it takes with threads. Nothing is
ever ready by accident, so a history is the same each time it is played.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from greenlet import getcurrent, greenlet


class Killed(BaseException):
    """The process of this task is no more: it runs nothing further, not even what cleans up."""


@dataclass
class Process:
    """Tasks that live and die together, or stand still together."""

    name: str
    alive: bool = True
    frozen_until: float = 0.0


@dataclass(eq=False)
class Task:
    """A greenlet that waits for its turn."""

    process: Process
    work: Callable[[], Any]
    wakes: float
    ready: Callable[[], bool] | None = None
    done: bool = False
    result: Any = None
    error: BaseException | None = None
    stack: greenlet | None = None


def _never() -> bool:
    return False


class Scheduler:
    """Gives turns. `now` is in seconds since 1970."""

    def __init__(self, chance: random.Random, now: float) -> None:
        self.chance, self.now = chance, now
        self.tasks: list[Task] = []
        self.current: Task | None = None
        self._end, self._idle = now, _never
        self._outside = getcurrent()

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
        if following is not task:
            self._outside.switch(following)
        self.check_alive()

    def check_alive(self) -> None:
        """Raises Killed in a task whose process is dead."""
        if self.current and not self.current.process.alive:
            raise Killed

    def spawn(self, process: Process, work: Callable[[], Any]) -> Task:
        """A new task, which gets a turn when its time comes."""
        task = Task(process, work, self.now)
        task.stack = greenlet(lambda: self._live(task), self._outside)
        self.tasks.append(task)
        return task

    # --- called from outside --------------------------------------------------------------------------------------

    def run_until(self, end: float, idle: Callable[[], bool] = _never) -> None:
        """Give turns until that moment, or until it is idle."""
        self._end, self._idle = end, idle
        task = self._next()
        while task is not None:
            task = task.stack.switch()

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
        if not self.tasks:
            self.now = max(self.now, self._end)
            return None
        moments = [self._moment(t) for t in self.tasks]
        first = max(min(moments), self.now)
        return self.chance.choice([t for m, t in zip(moments, self.tasks, strict=True) if m <= first])

    def _moment(self, task: Task) -> float:
        process, ready = task.process, task.ready
        if not process.alive:
            return self.now
        moment = self.now if ready is not None and ready() else task.wakes
        return moment if moment > process.frozen_until else process.frozen_until

    def _live(self, task: Task) -> Task | None:
        """The whole of a task; gives back who is next."""
        try:
            if task.process.alive:
                task.result = task.work()
        except BaseException as error:
            task.error = error
        task.done = True
        self.tasks.remove(task)
        return self._next()
