"""A history as a list of events, drawn from a seed; played in a world; made small when it breaks a promise."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.world import machine
from tests.world.world import DAY, HOUR, STAMPS, Broken, World

HOURS = 9
"""How long things go wrong."""


class Event(NamedTuple):
    """Something that happens, in seconds after the beginning; `what` is a method of World."""

    at: float
    what: str
    args: tuple[Any, ...] = ()

    def __str__(self) -> str:
        days, rest = divmod(self.at, DAY)
        hours, rest = divmod(rest, HOUR)
        told = ", ".join(map(repr, self.args))
        return f"day {days + 1:.0f} {hours:02.0f}:{rest // 60:02.0f}:{rest % 60:04.1f} {self.what}({told})"


class Weather(NamedTuple):
    """How bad it is: each kind of trouble is there in some histories and not in others."""

    skipped: float
    doubled: float
    resyncs: float
    points: tuple[str, ...]
    requests: tuple[str, ...]
    troubles: float
    outcomes: bool
    settings: dict[str, str]


def weather(chance: random.Random) -> Weather:
    """Draw one."""

    def sometimes(likely: float) -> float:
        return likely if chance.random() < 0.5 else 0.0

    settings = {}
    if chance.random() < 0.25:
        settings["GRAPH_DAILY_CALL_LIMIT"] = str(chance.choice((4, 6, 12)))
    if chance.random() < 0.2:
        settings["UPDATE_BY"] = "modified"
    if chance.random() < 0.2:
        settings["SCIM_NULLS"] = "omit"
    return Weather(
        sometimes(0.2),
        sometimes(0.2),
        sometimes(0.3),
        _some(chance, machine.AT_A_POINT),
        _some(chance, machine.UPLOADS + machine.FETCHES),
        chance.choice((0.1, 0.3, 0.6)),
        chance.random() < 0.5,
        settings,
    )


def _some(chance: random.Random, kinds: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(k for k in kinds if chance.random() < 0.5)


def draw(seed: int, hours: int = HOURS) -> tuple[list[Event], dict[str, str]]:
    """The events of a history and its settings."""
    chance = random.Random(f"history {seed}")
    found = weather(chance)
    people = [f"E{n:03}" for n in range(1, 17)]
    events: list[Event] = []
    for hour in range(hours):
        start = hour * HOUR
        events += _changes(chance, people, start)
        events += _runs(chance, found, hour, start)
        events += _troubles(chance, found, people, start)
    return sorted(events), found.settings


def _changes(chance: random.Random, people: list[str], start: float) -> list[Event]:
    """What HR does in an hour, at any moment of it: also while a run is at work."""
    found = []
    for _ in range(chance.choice((0, 1, 1, 2, 4))):
        who, stamp = chance.choice(people), chance.choice(STAMPS)
        at = start + chance.choice((chance.uniform(0, HOUR), 300 + chance.uniform(0, 3), 1500 + chance.uniform(0, 3)))
        what, args = chance.choice(
            (
                *[("edit", (who, stamp))] * 5,
                ("move", (who, chance.choice(people), stamp)),
                ("leave", (who, stamp)),
                ("end", (who, chance.choice((-2, -1, 0, 1)), stamp)),
                ("rejoin", (who, stamp)),
                ("join", (chance.choice((-30, 0, 3, 7, 9)),)),
                ("remove", (who,)),
                ("bring_back", (who,)),
            )
        )
        found.append(Event(at, what, args))
    return found


def _runs(chance: random.Random, found: Weather, hour: int, start: float) -> list[Event]:
    due = [(300.0, "ingest"), (1500.0, "update")]
    due += [(900.0, "create")] if hour % 3 == 0 else []
    due += [(2700.0, "reconcile")] if hour % 8 == 5 else []
    due += [(2100.0, "outcomes"), (3300.0, "outcomes")] if found.outcomes else []
    events = [Event(start + chance.uniform(2000, 3500), "approve")] if chance.random() < 0.8 else []
    for at, job in due:
        if chance.random() < found.skipped:
            continue
        late = chance.choice((0.0, 0.0, 0.0, 600.0, 1180.0))
        twice = 2 if chance.random() < found.doubled else 1
        for _ in range(twice):
            events.append(Event(start + at + late + chance.uniform(0, 2), "start", (job, *_faults(chance, found))))
    return events


def _faults(chance: random.Random, found: Weather) -> tuple[dict[int, str], dict[int, str], float]:
    """What goes wrong in one run: at which statement or request, counted from its start."""
    points, requests, freeze = {}, {}, 0.0
    if found.points and chance.random() < found.troubles:
        kind = chance.choice(found.points)
        points[chance.randint(1, chance.choice((12, 45, 70)))] = kind
        freeze = chance.choice((20.0, 70.0, 200.0, 900.0)) if kind == machine.FREEZE else 0.0
    while found.requests and chance.random() < found.troubles:
        requests[chance.randint(1, 4)] = chance.choice(found.requests)
    return points, requests, freeze


def _troubles(chance: random.Random, found: Weather, people: list[str], start: float) -> list[Event]:
    events = []
    at = start + chance.uniform(0, HOUR)
    if found.requests and chance.random() < found.troubles / 4:
        server, kinds = chance.choice((("graph", machine.UPLOADS), ("hr", machine.FETCHES)))
        kind = chance.choice([k for k in found.requests if k in kinds] or ["refused"])
        events.append(Event(at, "take_down", (server, kind, chance.choice((60.0, 900.0, 5000.0)))))
    if chance.random() < found.resyncs:
        points, _, _ = _faults(chance, found)
        moment = chance.choice((at, start + 1500 + chance.uniform(0, 4)))
        events.append(Event(moment, "resync", (chance.choice(people), points)))
    if chance.random() < found.resyncs / 2:
        who, (points, _, _) = chance.choice(people), _faults(chance, found)
        moment = chance.choice((at, start + 1500 + chance.uniform(0, 4)))
        events.append(Event(moment, "disable", (who, points)))
        taken_back = Event(moment + chance.uniform(60, 3 * HOUR), "enable", (who, _faults(chance, found)[0]))
        events += [taken_back] if chance.random() < 0.5 else []
    if chance.random() < 0.03:
        events.append(Event(at, "pause_job"))
        events.append(Event(at + chance.uniform(600, 9000), "resume_job", (chance.random() < 0.7,)))
    if chance.random() < 0.02:
        events.append(Event(at, "terminate_many", (14,)))
        hit = [Event(at + chance.uniform(300, 2 * HOUR), "resync", (who, {})) for who in people[:14]]
        events += hit if chance.random() < 0.5 else []
        events.append(Event(at + 2 * HOUR, "mend"))
    return events


def play(events: Sequence[Event], world: World) -> None:
    """Let it all happen, then ask the checker. Raises Broken."""
    for event in events:
        world.wait_until(event.at)
        world.tell(str(event))
        getattr(world, event.what)(*event.args)
        world.check_broken()
        world.check_beliefs()
    world.settle()


def complaint(events: Sequence[Event], world: Callable[[], World]) -> str | None:
    """What breaks when these events are played in a new world; None when every promise is kept."""
    with world() as new:
        try:
            play(events, new)
        except Broken as broken:
            return str(broken)
    return None


def smaller(events: Sequence[Event], world: Callable[[], World], kind: str, tries: int = 120) -> list[Event]:
    """Leave events out as long as the same kind of promise is broken (delta debugging, so many tries at most)."""
    kept, size = list(events), max(1, len(events) // 2)
    while tries > 0:
        at = 0
        while at < len(kept) and tries > 0:
            fewer = kept[:at] + kept[at + size :]
            tries -= 1
            found = complaint(fewer, world)
            if found is not None and found.split(":")[0] == kind:
                kept = fewer
            else:
                at += size
        if size == 1:
            return kept
        size //= 2
    return kept


def history(seed: int, folder: Path, template: Path, more: Mapping[str, str] | None = None) -> None:
    """Draw, play and check one history, `more` being set, too. Raises Broken with the seed and a minimal story."""
    events, settings = draw(seed)
    settings |= more or {}
    count = iter(range(10_000))

    def world() -> World:
        return World(seed, folder / f"world-{seed}-{next(count)}", template, settings=settings)

    found = complaint(events, world)
    if found is None:
        return
    least = smaller(events, world, found.split(":")[0])
    told = "\n".join(f"  {event}" for event in least)
    raise Broken(f"seed {seed}, {settings or 'default settings'}: {found}\n{len(least)} events:\n{told}")
