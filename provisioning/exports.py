"""What HR exports as a whole file of CSV, from a share or an answer: put aside first, believed, then read.

Nothing is worked on before the file is there completely: it can be had again while it is not, and a share is not kept
open for as long as a database takes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from provisioning import bodies, delimited, retry, share
from provisioning.delimited import Dialect, Record
from provisioning.errors import Unavailable, UpstreamError
from provisioning.pacing import Clock
from provisioning.share import Found
from provisioning.source import Resource

SETTLED = 30.0
"""Seconds that a file must have stood still before it is read, where no done_file tells that it is complete."""

MOST_LOOKS = 4
"""So often a file is looked at that grows; then it is left for the next run."""

PATIENCE = 60.0
"""Seconds after its first failure in which a file must have been copied."""

PAGE = 1_000
"""Records that are handed on together."""


def copy(folder: Path, resource: Resource, into: BinaryIO, clock: Clock, ends: float | None) -> None:
    """Put an endpoint's file aside. Raises UpstreamError where none is there that can be believed."""
    for attempt, _ in retry.asking(clock, ends, PATIENCE):
        with attempt:
            found = _settled(folder, resource, clock, ends)
            check_age(resource, found.written_at, clock.utc_now())
            with _told(resource):
                share.copy(found, into, _in_all(clock, ends))


def _settled(folder: Path, resource: Resource, clock: Clock, ends: float | None) -> Found:
    """The file, once it has stood still. One that the share dates into the future is watched for as long."""
    found = _found(folder, resource, clock, ends)
    for _ in range(MOST_LOOKS):
        age = (clock.utc_now() - found.written_at).total_seconds()
        if resource.done_file or age >= SETTLED:
            return found
        wait = SETTLED - max(0.0, age)
        if ends is not None and clock.monotonic() + wait > ends:
            break
        clock.sleep(wait)
        before, found = found, _found(folder, resource, clock, ends)
        if found == before:
            return found
    raise UpstreamError(f"{resource.table}: HR's file: it was written a moment ago, and may not be complete.")


def _found(folder: Path, resource: Resource, clock: Clock, ends: float | None) -> Found:
    with _told(resource):
        return share.find(folder, resource.path, resource.done_file, _in_all(clock, ends))


def _in_all(clock: Clock, ends: float | None) -> float:
    """Seconds that the share may take for one thing."""
    return share.SECONDS if ends is None else max(0.1, min(share.SECONDS, ends - clock.monotonic()))


@contextmanager
def _told(resource: Resource) -> Iterator[None]:
    """What the share says, by the table it is about."""
    try:
        yield
    except Unavailable as exc:
        raise Unavailable(f"{resource.table}: HR's file: {exc}.") from None
    except UpstreamError as exc:
        raise UpstreamError(f"{resource.table}: HR's file: {exc}.") from None


def check_age(resource: Resource, written: datetime | None, now: datetime) -> None:
    """Raises UpstreamError for a file that is older than it may be: nothing changes in one that nobody renews."""
    if resource.max_age is None:
        return
    hours = resource.max_age.total_seconds() // 3600
    if written is None:
        raise UpstreamError(f"{resource.table}: HR's answer has no Last-Modified, by which max_age_hours goes.")
    if now - written > resource.max_age:
        days, rest = divmod((now - written).total_seconds() // 3600, 24)
        raise UpstreamError(
            f"{resource.table}: HR's file is {days:.0f} days and {rest:.0f} hours old, and max_age_hours is "
            f"{hours:.0f}: nobody seems to renew it. Nothing was changed."
        )


def pages(resource: Resource, file: BinaryIO) -> Iterator[list[Record]]:
    """The records of a file that was put aside, some at a time. Raises UpstreamError with the line of what is wrong."""
    try:
        with delimited.read(file, resource.csv or Dialect()) as (columns, records):
            _check_key(resource, columns)
            while page := list(islice(records, PAGE)):
                yield page
    except bodies.Refused as exc:
        raise UpstreamError(f"{resource.table}: HR's CSV: {exc}.") from None


def _check_key(resource: Resource, columns: list[str]) -> None:
    """Without the key it is another file, another delimiter, or no header: of which nothing may be repeated."""
    known = {name.casefold() for name, _ in resource.spelling.fields((name, "") for name in columns)}
    if resource.primary_key.casefold() not in known:
        raise UpstreamError(
            f"{resource.table}: HR's CSV: none of the {len(columns)} columns of its header is {resource.primary_key}, "
            "the primary_key; check format.delimiter, rename and select, and that the first line is a header."
        )
