"""How far a run is: shown on a terminal, people of all, calls and time left; quiet in a pipe."""

import io
import re
import sys

import pytest

from provisioning import __main__ as command_line
from provisioning import progress
from tests.clock import MovedClock
from tests.conftest import environment
from tests.emulators.graph import GraphEmulator
from tests.emulators.hr import HrEmulator

COUNTS = {"candidates": 1000, "sent": 240, "unchanged": 5, "held": 0, "parked": 5, "deferred": 0, "calls": 5}


class Terminal(io.StringIO):
    """Says that it is one, and has no file of its own whose width could be asked."""

    def isatty(self) -> bool:
        return True

    @property
    def lines(self) -> list[str]:
        """What was ever to be read, without what was blank."""
        return [line.rstrip() for line in self.getvalue().split("\r") if line.strip()]


def test_it_says_people_done_of_all_calls_and_time_left() -> None:
    told = progress.told("update", COUNTS, 60.0)
    assert told == "update: 250 of 1,000 people, 5 calls, about 3 min left"
    nothing_yet = {**COUNTS, "sent": 0, "unchanged": 0, "parked": 0}
    assert progress.told("update", nothing_yet, 60.0) == "update: 0 of 1,000 people, 5 calls"


def test_an_ingest_says_how_many_records_have_come() -> None:
    assert progress.told("ingest", {"fetched": 1200}, 7.0) == "ingest: 1,200 records, 7 s"


def test_it_writes_over_its_own_line_a_few_times_a_second_and_leaves_it_clean() -> None:
    terminal, clock = Terminal(), MovedClock()
    with progress.shown("update", terminal, clock) as observe:
        assert observe
        for n in range(100):
            observe({**COUNTS, "sent": n})
            clock.move(seconds=0.05)
    written = terminal.getvalue()
    assert 20 <= len(terminal.lines) <= 26
    assert "\n" not in written
    assert re.search(r"\r {40,}\r$", written)
    assert all(len(line) < 80 for line in terminal.lines)


def test_in_a_pipe_it_is_quiet() -> None:
    pipe = io.StringIO()
    with progress.shown("update", pipe) as observe:
        assert observe is None
    assert pipe.getvalue() == ""


@pytest.mark.parametrize("terminal", [True, False])
def test_runs_are_shown_on_a_terminal_and_stay_quiet_in_a_pipe(
    sqlite_string: str, hr: HrEmulator, graph: GraphEmulator, monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    environ = environment(sqlite_string, hr.url, graph.upload_url)
    stream = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    graph.latency = 0.25
    assert command_line.main(["ingest"], environ) == 0
    assert command_line.main(["create", "--limit", "999"], environ) == 0
    seen = stream.getvalue()
    assert ("records" in seen, bool(re.search(r"create: \d+ of 100 people, \d calls", seen))) == (terminal, terminal)
    assert "create: 100 candidates, 100 sent" in seen
