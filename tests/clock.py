"""A clock that tests move by hand; sleeping moves it, too, and takes no time."""

import threading
import time
from datetime import UTC, datetime, timedelta

from provisioning.pacing import Clock


class MovedClock(Clock):
    """Runs like the machine's clock, from a moment of the test's choice."""

    def __init__(self, start: datetime | None = None) -> None:
        self._offset = start - datetime.now(UTC) if start else timedelta()
        self._slept = 0.0
        self._lock = threading.Lock()
        self.sleeps: list[float] = []

    def monotonic(self) -> float:
        return time.monotonic() + self._slept

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.sleeps.append(seconds)
            self._slept += seconds
        time.sleep(min(seconds, 0.002))

    def utc_now(self) -> datetime:
        return datetime.now(UTC) + self._offset + timedelta(seconds=self._slept)

    def move(self, **by: float) -> None:
        """Move on, or back: `move(days=1)`."""
        with self._lock:
            self._slept += timedelta(**by).total_seconds()


class StoppedClock(MovedClock):
    """Stands still until it is moved: two things can happen at one moment."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self._stands_at = start

    def utc_now(self) -> datetime:
        return self._stands_at + timedelta(seconds=self._slept)
