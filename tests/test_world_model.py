"""The simulated world as a model that hypothesis drives: any order of events, also one that no timetable has.

Each step is something that happens in the company, to the services or to a run; after each, whoever the ledger holds
for settled is so; in the end, without further faults, nobody is lost, stale, phantom, over-sent or late.
"""

import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.world import machine
from tests.world.world import HOUR, STAMPS, World

EXAMPLES, PARTS, STEPS = 200, 8, 50
PEOPLE = st.integers(1, 12).map(lambda n: f"E{n:03}")
STAMPED = st.sampled_from(STAMPS)
POINTS = st.dictionaries(st.integers(1, 70), st.sampled_from(machine.AT_A_POINT), max_size=1)
REQUESTS = st.dictionaries(st.integers(1, 4), st.sampled_from((*machine.UPLOADS, *machine.FETCHES)), max_size=2)
FREEZES = st.sampled_from((20.0, 70.0, 900.0))

counted: list[int] = []


class Company(RuleBasedStateMachine):
    """What can happen."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.world: World | None = None

    @initialize(
        chance=st.integers(0, 10_000),
        loaded=st.booleans(),
        given=st.sampled_from(({}, {"UPDATE_BY": "modified"}, {"GRAPH_DAILY_CALL_LIMIT": "12"})),
    )
    def begin(self, chance: int, loaded: bool, given: dict[str, str]) -> None:
        self.world = World(chance, self.folder / "world", self.template, people=12, settings=given).__enter__()
        if loaded:
            self.world.round()

    @property
    def at_work(self) -> World:
        assert self.world is not None
        return self.world

    @rule(who=PEOPLE, stamp=STAMPED)
    def edit(self, who: str, stamp: str) -> None:
        self.at_work.edit(who, stamp)

    @rule(who=PEOPLE, manager=PEOPLE, stamp=STAMPED)
    def move(self, who: str, manager: str, stamp: str) -> None:
        self.at_work.move(who, manager, stamp)

    @rule(who=PEOPLE, stamp=STAMPED)
    def leave(self, who: str, stamp: str) -> None:
        self.at_work.leave(who, stamp)

    @rule(who=PEOPLE, days=st.integers(-2, 2), stamp=STAMPED)
    def end(self, who: str, days: int, stamp: str) -> None:
        self.at_work.end(who, days, stamp)

    @rule(who=PEOPLE, stamp=STAMPED)
    def rejoin(self, who: str, stamp: str) -> None:
        self.at_work.rejoin(who, stamp)

    @rule(days=st.sampled_from((-30, 0, 3, 7, 8, 9)))
    def join(self, days: int) -> None:
        if len(self.at_work.truth) < 20:
            self.at_work.join(days)

    @rule(who=PEOPLE)
    def remove(self, who: str) -> None:
        self.at_work.remove(who)

    @rule(who=PEOPLE)
    def bring_back(self, who: str) -> None:
        self.at_work.bring_back(who)

    @rule(
        job=st.sampled_from(("ingest", "ingest", "create", "update", "update", "reconcile", "outcomes")),
        points=POINTS,
        requests=REQUESTS,
        freeze=FREEZES,
    )
    def start(self, job: str, points: dict[int, str], requests: dict[int, str], freeze: float) -> None:
        self.at_work.start(job, dict(points), dict(requests), freeze)

    @rule(who=PEOPLE, points=POINTS)
    def resync(self, who: str, points: dict[int, str]) -> None:
        self.at_work.resync(who, dict(points))

    @rule(who=PEOPLE, points=POINTS)
    def disable(self, who: str, points: dict[int, str]) -> None:
        self.at_work.disable(who, dict(points))

    @rule(who=PEOPLE, points=POINTS)
    def enable(self, who: str, points: dict[int, str]) -> None:
        self.at_work.enable(who, dict(points))

    @rule()
    def approve(self) -> None:
        self.at_work.approve()

    @rule(seconds=st.sampled_from((0.01, 0.1, 0.6, 2.0, 6.0, 20.0, 61.0, 600.0)))
    def wait(self, seconds: float) -> None:
        self.at_work.wait_until(self.at_work.now + seconds)

    @rule(hours=st.sampled_from((1, 2, 5, 20)))
    def hours_pass(self, hours: int) -> None:
        self.at_work.wait_until(self.at_work.now + hours * HOUR)

    @rule()
    def everybody_ends(self) -> None:
        self.at_work.wait_for_quiet()

    @precondition(lambda self: self.world is not None and self.world.machine.busy)
    @rule(which=st.integers(0, 5))
    def kill(self, which: int) -> None:
        living = [p for p in self.at_work.machine.programs if p.alive and self.at_work.machine.works(p)]
        if living:
            self.at_work.machine.kill(living[which % len(living)])

    @rule(fault=st.sampled_from(machine.UPLOADS), seconds=st.sampled_from((30.0, 600.0, 5000.0)))
    def graph_fails(self, fault: str, seconds: float) -> None:
        self.at_work.take_down("graph", fault, seconds)

    @rule(fault=st.sampled_from(machine.FETCHES), seconds=st.sampled_from((30.0, 600.0, 5000.0)))
    def hr_fails(self, fault: str, seconds: float) -> None:
        self.at_work.take_down("hr", fault, seconds)

    @rule(purge=st.booleans())
    def provisioning_stands_still(self, purge: bool) -> None:
        if self.at_work.graph.directory().paused:
            self.at_work.resume_job(purge)
        else:
            self.at_work.pause_job()

    @invariant()
    def promises_hold(self) -> None:
        if self.world is not None:
            self.world.check_broken()
            self.world.check_beliefs()

    def teardown(self) -> None:
        if self.world is None:
            return
        counted.append(1)
        try:
            self.world.settle()
        finally:
            self.world.__exit__()
            shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def quiet() -> Iterator[None]:
    """Failing runs log what is expected of them, many thousand times."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.timeout(600)  # a failure is made small first
@pytest.mark.usefixtures("quiet")
def test_no_order_of_events_breaks_a_promise(part: int, sqlite_template: Path, tell: Callable[..., None]) -> None:
    @seed(part)
    class Part(Company):
        template = sqlite_template

    counted.clear()
    profile = settings(
        max_examples=EXAMPLES // PARTS,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Part, settings=profile)
    tell("examples of up to 50 steps", len(counted))
