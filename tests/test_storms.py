"""A Graph that fails in every way for a whole first load, over real HTTP, in real time; and two runs at once."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from datetime import date

import pytest

from provisioning import database, jobs
from provisioning.settings import Settings
from tests import canary as canaries
from tests import processes
from tests.canary import Canary
from tests.conftest import PASSWORD, environment
from tests.emulators import people
from tests.emulators.graph import GraphEmulator
from tests.emulators.hr import HrEmulator

TODAY = date(2026, 11, 22)
MOST_RUNS = 4


@pytest.mark.timeout(300)
def test_in_a_storm_everybody_of_a_first_load_arrives(sqlite_string: str, graph: GraphEmulator, canary: Canary) -> None:
    staff = canaries.marked(people.invent(2000, today=TODAY))
    with HrEmulator(staff, {"basic": ("svc", PASSWORD)}) as hr:
        environ = environment(sqlite_string, hr.url, graph.upload_url)
        jobs.ingest(Settings.from_environ(environ))
    graph.storm(random.Random(7), share=0.4)
    runs = until_quiet(environ, canary)
    wall, cpu = sum(run.wall for run in runs), sum(run.cpu for run in runs)
    print(f"\nA storm: {len(graph.calls)} calls in {len(runs)} run(s), {wall:.0f} s, {cpu / wall:.0%} of them CPU")

    titles = {i: state.get("title") for i, state in graph.directory().users.items()}
    assert titles == {p["EmployeeId"]: p["Title"] for p in staff}
    assert (graph.violations, graph.refusals) == ([], [])
    assert graph.max_calls_in(5.0) <= 40
    assert cpu <= 0.2 * wall
    assert over_sent(graph) == {}
    statuses = Counter(call.status for call in graph.calls)
    assert min(statuses[code] for code in (0, 429, 500)) >= 2  # it was a storm


def over_sent(graph: GraphEmulator) -> dict[str, int]:
    """Who arrived more often than once, and twice for each call of which the client cannot know how it ended."""
    doubts = Counter(i for call in graph.calls if call.status == 0 or call.status >= 500 for i in call.external_ids)
    arrivals = Counter(accepted.external_id for accepted in graph.accepted)
    return {i: n for i, n in arrivals.items() if n > 1 + 2 * doubts[i]}


def until_quiet(environ: dict[str, str], canary: Canary) -> list[processes.Ended]:
    """What an operator does: create, and again while somebody is left."""
    runs: list[processes.Ended] = []
    while not runs or runs[-1].code:
        assert len(runs) < MOST_RUNS
        runs.append(processes.Started(environ, "create", "--limit", "2000").end(200))
        canary.look_at(runs[-1].out + runs[-1].err, "the command line")
    for job in ("create", "update"):
        counts = processes.run(environ, job).counts
        assert (counts["candidates"], counts["calls"]) == (0, 0)
    return runs


# --- two at once --------------------------------------------------------------------------------------------------


def test_of_two_updates_at_the_same_second_one_works_and_the_other_says_busy_at_once(
    sqlite_string: str, graph: GraphEmulator, canary: Canary
) -> None:
    """It waits for nothing: it has said so while the first request of the other is still unanswered.

    How many seconds that takes, the start of Python included, is measured by `make bench`.
    """
    with HrEmulator(canaries.marked(people.invent(60, today=TODAY)), {"basic": ("svc", PASSWORD)}) as hr:
        environ = environment(sqlite_string, hr.url, graph.upload_url)
        settings = Settings.from_environ(environ)
        jobs.ingest(settings)
        jobs.create(settings, jobs.Selection(limit=60))
    before = len(graph.accepted)
    with database.connect(sqlite_string) as db:
        db.execute("UPDATE dbo.Employees SET Title = ?", (f"{canaries.MARKER} at once",))
    answered = threading.Event()
    graph.latency = lambda: answered.wait(60) * 0.0
    both = [processes.Started(environ, "update", fresh=True) for _ in range(2)]
    while not any(started.is_over() for started in both):
        time.sleep(0.02)
    first, other = sorted(both, key=lambda started: not started.is_over())
    busy = first.end()
    assert len(graph.accepted) == before
    answered.set()
    worked = other.end()
    canary.look_at(busy.out + busy.err + worked.out + worked.err, "the command line")
    assert (busy.code, busy.counts["calls"]) == (4, 0)
    assert "Another run is at work" in busy.err
    assert (worked.code, worked.counts["sent"], len(graph.accepted) - before) == (0, 60, 60)
