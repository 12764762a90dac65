"""Time: the clock everything is told by, and a pace that Graph's limit of 40 calls in any 5 seconds allows."""

import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from typing import Any

CALLS_PER_SECOND = 7.0
"""Even spacing; a burst of 40 and a wait breaks Graph's sliding window, 7 a second never does (35 in 5 s)."""


IDLE = 1.0
"""Seconds after which a slot was not taken late: there was nothing to call for."""


class Clock:
    """The machine's clock, and what runs beside the work at hand. Tests hand in one of their own."""

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def utc_now(self) -> datetime:
        """What the embedded database takes for the time; SQL Server has its own clock."""
        return datetime.now(UTC)

    def workers(self, count: int) -> Executor:
        """Threads for so many calls at once."""
        return ThreadPoolExecutor(count, thread_name_prefix="call")

    def first_of(self, calls: Collection[Future[Any]], seconds: float) -> Collection[Future[Any]]:
        """Wait until one of these calls ends, at most so long; gives back those that have ended."""
        return wait(calls, timeout=seconds, return_when=FIRST_COMPLETED).done

    def every(self, seconds: float, action: Callable[[], bool]) -> Callable[[], bool]:
        """Do something every so many seconds, until it says False.

        What is given back ends it, and says whether it has ended: it may be at work for longer than one waits.
        """
        over = threading.Event()

        def repeat() -> None:
            while not over.wait(seconds) and action():
                pass

        thread = threading.Thread(target=repeat, name="every", daemon=True)
        thread.start()

        def end() -> bool:
            over.set()
            thread.join(timeout=seconds)
            return not thread.is_alive()

        return end


class Pace:
    """When the next call may start. Slots that pass unused are not saved up.

    `catches_up`: seconds by which a call that comes late does not delay those after it, less than the spacing.
    """

    def __init__(self, clock: Clock, calls_per_second: float = CALLS_PER_SECOND, catches_up: float = 0.0) -> None:
        """Start with a slot that is free at once."""
        self._clock = clock
        self._spacing, self._catches_up = 1.0 / calls_per_second, catches_up
        self._free_at = 0.0

    def wait_left(self) -> float:
        """Seconds until the next slot; 0 when a call may start now."""
        return max(0.0, self._free_at - self._clock.monotonic())

    def take(self) -> None:
        """Use the slot."""
        now = self._clock.monotonic()
        begins = now if now - self._free_at > IDLE else max(self._free_at, now - self._catches_up)
        self._free_at = begins + self._spacing

    def pause(self, seconds: float) -> None:
        """Nobody calls for that long: Graph asked for it."""
        self._free_at = max(self._free_at, self._clock.monotonic() + seconds)
