"""How far a run is, on a terminal: one line that is written over. In a pipe there is none."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TextIO

from provisioning import printed
from provisioning.pacing import Clock
from provisioning.runs import Observer

EVERY = 0.2
"""Seconds between two lines."""

_ENDED = ("sent", "unchanged", "held", "parked", "deferred")
_PLAIN_WIDTH = 80


@contextmanager
def shown(job: str, stream: TextIO, clock: Clock | None = None) -> Iterator[Observer | None]:
    """What a run is to be shown to: nothing unless `stream` is a terminal, whose line is clean again at the end."""
    if not stream.isatty():
        yield None
        return
    line = Line(job, stream, clock or Clock())
    try:
        yield line
    finally:
        line.clear()


class Line:
    """The line of one run."""

    def __init__(self, job: str, stream: TextIO, clock: Clock) -> None:
        """Nothing is written before the first counts come."""
        self._job, self._stream, self._clock = job, stream, clock
        self._began = clock.monotonic()
        self._next = self._began
        self._written = 0

    def __call__(self, counts: Mapping[str, int]) -> None:
        """Write the counts over those before, a few times a second at most."""
        now = self._clock.monotonic()
        if now < self._next:
            return
        self._next = now + EVERY
        text = told(self._job, counts, now - self._began)[: _width(self._stream) - 1]
        self._stream.write(f"\r{text:<{self._written}}")
        self._stream.flush()
        self._written = len(text)

    def clear(self) -> None:
        """Leave nothing behind."""
        if self._written:
            self._stream.write(f"\r{'':<{self._written}}\r")
            self._stream.flush()


def told(job: str, counts: Mapping[str, int], seconds: float) -> str:
    """People done of all, calls and time left; records of an ingest, whose end HR need not tell."""
    if "candidates" not in counts:
        return f"{job}: {counts['fetched']:,} records, {printed.duration(seconds)}"
    everybody = counts["candidates"]
    done = sum(counts[name] for name in _ENDED)
    left = f", about {printed.duration(seconds / done * (everybody - done))} left" if 0 < done < everybody else ""
    return f"{job}: {done:,} of {everybody:,} people, {counts['calls']:,} calls{left}"


def _width(stream: TextIO) -> int:
    with suppress(OSError, ValueError):
        return os.get_terminal_size(stream.fileno()).columns or _PLAIN_WIDTH
    return _PLAIN_WIDTH
