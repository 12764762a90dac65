"""A month in minutes: 720 hourly and 30 daily rounds of a company under the simulated clock, and more histories.

    python -m tests.soak [--days 30] [--people 300] [--histories 1000]

The emulators' own records are emptied every day, so that what grows is the app's. Exits with 1 when anybody is wrong at
the end, a promise was broken, or memory, handles or the database grow where nobody was added.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.world import machine, story
from tests.world.__main__ import template
from tests.world.world import DAY, HOUR, STAMPS, Broken, World

STEADY_MB_A_DAY, STEADY_HANDLES = 0.5, 5
FIRST_SEED = 10_000
"""Histories of seeds that `make test` does not play."""

WORK = ("ingest", "create", "update", "reconcile")


@dataclass(frozen=True)
class Day:
    """What a day took: Graph calls, memory of this process, open handles, bytes of the database."""

    calls: int
    memory: float
    handles: int
    database: int


def month(world: World, days: int) -> list[Day]:
    """Let the days pass; churn at any moment, small troubles now and then."""
    found, chance = [], world.machine.chance
    for day in range(days):
        for hour in range(24):
            start = day * DAY + hour * HOUR
            _churn(world)
            for at, job in _timetable(hour):
                world.wait_until(start + at)
                trouble = {chance.randint(1, 40): chance.choice(machine.AT_A_POINT)} if chance.random() < 0.03 else {}
                world.start(job, trouble, freeze=70.0)
            world.wait_until(start + 3000)
            world.approve()
        world.wait_until((day + 1) * DAY)
        world.wait_for_quiet()
        world.check_broken()
        world.check_uploads()
        found.append(_measured(world))
        _empty(world)
    return found


def _timetable(hour: int) -> list[tuple[float, str]]:
    due = [(300.0, "ingest"), (1500.0, "update")]
    due += [(900.0, "create")] if hour == 2 else []
    return due + ([(2700.0, "reconcile")] if hour == 3 else [])


def _churn(world: World) -> None:
    """Two edits an hour; every few hours a move, a leaver, somebody back, a joiner."""
    chance, people = world.machine.chance, sorted(world.truth)
    for _ in range(2):
        world.edit(chance.choice(people), chance.choice(STAMPS))
    if chance.random() < 0.2:
        world.move(chance.choice(people), chance.choice(people), "now")
    if chance.random() < 0.1:
        world.end(chance.choice(people), chance.choice((-1, 0, 5)), "now")
    if chance.random() < 0.1:
        world.rejoin(chance.choice(people), "now")
    if chance.random() < 0.05:
        world.join(chance.choice((0, 7, 14)))


def _measured(world: World) -> Day:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    size = sum(file.stat().st_size for file in world.folder.iterdir())
    handles = len(os.listdir("/proc/self/fd"))
    return Day(len(world.graph.calls), pages * os.sysconf("SC_PAGE_SIZE") / 2**20, handles, size)


def _empty(world: World) -> None:
    """The world's own records of a day that is over; of each person the last upload and versions are kept."""
    last = {upload.external_id: upload for upload in world.graph.accepted}
    world.graph.accepted[:] = last.values()
    world.graph.directory().forget_log()
    for records in (world.graph.calls, world.hr.requests, world.told):
        records.clear()
    world.machine.programs = [p for p in world.machine.programs if world.machine.works(p)]
    world.ended = world.ended[-1:]
    for employee_id in world.versions:
        world.versions[employee_id] = world.versions[employee_id][-6:]


def slope(values: Sequence[float]) -> float:
    """Growth a day, by least squares."""
    n, mean = len(values), sum(values) / len(values)
    middle = (n - 1) / 2
    spread = sum((k - middle) ** 2 for k in range(n))
    return sum((k - middle) * (v - mean) for k, v in enumerate(values)) / spread if spread else 0.0


def tell(days: Sequence[Day], world: World, wrong: int, seconds: float) -> bool:
    """Print the month; whether it was steady."""
    calls, steady = sorted(d.calls for d in days), days[len(days) // 4 :]
    limit = world.app.daily_call_limit
    memory, handles = slope([d.memory for d in steady]), steady[-1].handles - steady[0].handles
    size = [d.database / 2**20 for d in days]
    print(f"{len(days)} days, {len(days) * 24} hourly rounds, {len(world.truth)} people, in {seconds:.0f} s")
    print(f"calls a day     {calls[len(calls) // 2]} (median), {calls[-1]} (most), of {limit}")
    print(f"memory          {days[-1].memory:.0f} MB, {memory:+.2f} MB a day")
    print(f"open handles    {days[-1].handles}, {handles:+d} since day {len(days) - len(steady) + 1}")
    print(f"database        {size[-1]:.1f} MB, {slope(size):+.3f} MB a day")
    print(f"killed, frozen  {world.machine.crashes}, {world.machine.freezes}")
    print(f"people wrong    {wrong}")
    return wrong == 0 and memory < STEADY_MB_A_DAY and handles < STEADY_HANDLES and calls[-1] <= limit


def main() -> int:
    """The month, then the histories."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    for name, default in (("days", 30), ("people", 300), ("histories", 1000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        empty = template(Path(folder) / "template")
        steady = _month(Path(folder) / "month", empty, options.days, options.people)
        for seed in range(FIRST_SEED, FIRST_SEED + options.histories):
            story.history(seed, Path(folder), empty)
        print(f"histories       {options.histories}, none of them with anybody lost, stale, phantom, over-sent or late")
    return 0 if steady else 1


def _month(folder: Path, empty: Path, days: int, people: int) -> bool:
    began = time.monotonic()
    with World(1, folder, empty, people=people, settings={"RESEND_DAYS": "28"}, on_disk=True) as world:
        found = month(world, days)
        world.settle()
        return tell(found, world, len(world.wrong()), time.monotonic() - began)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Broken as broken:
        sys.exit(f"broken: {broken}")
