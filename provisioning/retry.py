"""How long to wait before trying again, and when to stop trying."""

import logging
import math
import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import tenacity

from provisioning.errors import TransportError, Unacceptable, Unavailable
from provisioning.pacing import Clock

PAGE_PATIENCE = 30.0
"""Seconds after its first failure in which a page of the HR API, or of Graph's log, must succeed."""

DATABASE_PATIENCE, DATABASE_PAUSE = 180.0, 5.0
"""Seconds that a database may be out of reach, and between two tries; a serverless one takes about a minute to wake."""

logger = logging.getLogger(__name__)


def retry_after(header: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a `Retry-After` header asks for (a number of seconds or an HTTP date, RFC 9110 §10.2.3)."""
    if not header:
        return None
    if re.fullmatch(r"[0-9]{1,9}", header.strip(), re.ASCII):
        return float(header)
    at = http_date(header)
    return None if at is None else max(0.0, (at - (now or datetime.now(UTC))).total_seconds())


def http_date(header: str | None) -> datetime | None:
    """The moment that a header such as `Date` tells; None where there is none that can be read."""
    try:
        at = parsedate_to_datetime(header) if header else None
    except (ValueError, OverflowError):
        return None
    return at.replace(tzinfo=UTC) if at and not at.tzinfo else at


def backoff(attempt: int, cap: float = 60.0) -> float:
    """Seconds to wait after that many failed attempts: doubling from 1, never above `cap`, jittered downwards."""
    ceiling = min(cap, 2.0 ** min(attempt - 1, 10))
    return random.uniform(ceiling / 2, ceiling)  # noqa: S311 - jitter, not cryptography


def may_pass(status: int) -> bool:
    """Whether an HTTP status says that the same request may succeed later."""
    return status in (408, 425, 429) or status >= 500


def asking(
    clock: Clock, ends: float | None = None, patience: float = PAGE_PATIENCE
) -> Iterator[tuple[tenacity.AttemptManager, float]]:
    """Attempts at one reading of HR or Graph, each with the seconds it may take.

    After Unavailable and TransportError it is asked again, unless the answer was Unacceptable. The attempts end, the
    last one included, `patience` seconds after the first failure; an error's `retry_after` (seconds) is honoured and
    does not count. Nothing is waited for that would end after `ends` (of the clock's monotonic time).
    """
    stop = _StopAfterFirstFailure(patience, clock, ends)
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_is_passing), stop=stop, wait=_wait_as_told, sleep=clock.sleep, reraise=True
    )
    for attempt in attempts:
        yield attempt, stop.left()


def _is_passing(exc: BaseException) -> bool:
    return isinstance(exc, Unavailable | TransportError) and not isinstance(exc, Unacceptable)


class Outage:
    """How long a database that is out of reach is waited for: from the first try that failed until one succeeds.

    Where it was waited for in vain, the next statement is tried once and no longer waited for: a run that ends because
    of it ends soon.
    """

    def __init__(self, clock: Clock, patience: float) -> None:
        """None yet. `patience`: seconds."""
        self._clock, self._patience = clock, patience
        self._since: float | None = None

    def now(self) -> float:
        """The clock's monotonic time."""
        return self._clock.monotonic()

    def goes_on(self, began: float, why: str) -> bool:
        """A try that began then has failed: wait 5 s or a little more for the next one; False when there is none."""
        first, self._since = self._since is None, began if self._since is None else self._since
        if self.now() - self._since >= self._patience:
            return False
        if first:
            logger.warning("%s Trying again for %.0f s.", why, self._patience)
        self._clock.sleep(DATABASE_PAUSE + random.uniform(0, 2))  # noqa: S311 - jitter, not cryptography
        return True

    def ends(self) -> None:
        """Something has succeeded."""
        self._since = None


class _StopAfterFirstFailure(tenacity.stop.stop_base):
    """Stop that many seconds after the first failure, not counting the waits that were asked for."""

    def __init__(self, seconds: float, clock: Clock, ends: float | None = None) -> None:
        self._seconds, self._clock, self._ends = seconds, clock, ends
        self._until: float | None = None

    def left(self) -> float:
        """Seconds until it gives up; without end before the first failure."""
        until = [moment for moment in (self._until, self._ends) if moment is not None]
        return max(0.1, min(until, default=math.inf) - self._clock.monotonic())

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        now = self._clock.monotonic()
        if self._until is None:
            self._until = now + self._seconds
        self._until += min(_asked_for(retry_state) or 0.0, 600.0)
        until = self._until if self._ends is None else min(self._until, self._ends)
        return now + float(retry_state.upcoming_sleep) > until or retry_state.attempt_number >= 20


def _asked_for(state: tenacity.RetryCallState) -> float | None:
    error = state.outcome.exception() if state.outcome else None
    return getattr(error, "retry_after", None)


def _wait_as_told(state: tenacity.RetryCallState) -> float:
    asked = _asked_for(state)
    return backoff(state.attempt_number, cap=8.0) if asked is None else asked
