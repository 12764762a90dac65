"""Histories of the simulated world: drawn from seeds, and built step by step by hypothesis.

A failure prints its seed and the fewest events that still break the promise; `WORLD_SEEDS=207:208` plays one again.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioning import database
from tests.canary import Canary
from tests.emulators.graph import Accepted
from tests.world import story, truth
from tests.world.world import Broken, World

ROOT = Path(__file__).parent.parent
HISTORIES, AT_ONCE = 300, 10
FIRST, LAST = (int(part) for part in os.environ.get("WORLD_SEEDS", f"0:{HISTORIES}").split(":"))


@pytest.mark.parametrize("first", range(FIRST, LAST, AT_ONCE), ids=lambda n: f"seeds-{n}")
def test_nobody_is_lost_stale_phantom_oversent_or_late(
    first: int, sqlite_template: Path, tmp_path: Path, canary: Canary, tell: Callable[..., None]
) -> None:
    """I1 to I4, I7 to I9 and I14, under every fault at once."""
    seeds = range(first, min(LAST, first + AT_ONCE))
    for seed in seeds:
        story.history(seed, tmp_path, sqlite_template)
    assert canary.records
    tell("histories", len(seeds))


def test_the_same_holds_under_user_names_that_are_given(
    sqlite_template: Path, tmp_path: Path, canary: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a family name of her own that never changes, so one name is right, whatever becomes of the runs."""
    by_id = truth.attributes

    def under_names(record: truth.Record) -> dict[str, Any]:
        return {**by_id(record), "userName": record["Name"]["LastName"].replace(" ", "").lower()}

    monkeypatch.setattr(truth, "attributes", under_names)
    for seed in range(4):
        story.history(seed, tmp_path, sqlite_template, {"USER_NAME_PATTERNS": "{family}, {family}{n}"})
    assert canary.records


def test_a_history_is_the_same_each_time_it_is_played(sqlite_template: Path) -> None:
    """Whatever the hash seed of the process: a printed seed would be worth nothing otherwise."""
    told = [_told_by_a_process(sqlite_template, hash_seed) for hash_seed in ("1", "2")]
    assert told[0] == told[1]
    assert len(told[0].splitlines()) > 20


def _told_by_a_process(template: Path, hash_seed: str) -> str:
    env = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-m", "tests.world", "3", "--template", str(template)]
    return subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=True).stdout


# --- the checker itself: a mistake is planted, and it must see it ---------------------------------------------------


@pytest.fixture
def settled(sqlite_template: Path, tmp_path: Path) -> Iterator[World]:
    """A company of which everybody has arrived."""
    with World(1, tmp_path / "world", sqlite_template) as world:
        world.round()
        world.round()
        world.check_beliefs()
        world.check_uploads()
        assert not world.wrong()
        yield world


def test_the_checker_sees_a_person_who_is_lost(settled: World) -> None:
    settled.graph.directory().delete("E003")
    assert settled.wrong() == {"E003": ["is not there"]}


def test_the_checker_sees_an_account_that_is_not_as_hr_says(settled: World) -> None:
    settled.edit("E003", Active=False)
    assert {"active", "title"} <= set(settled.wrong()["E003"])


def test_the_checker_sees_who_was_uploaded_and_forgotten(settled: World) -> None:
    with database.connect(settled.machine.database) as db:
        db.execute("DELETE FROM provisioning.ledger WHERE employee_id = 'E003'")
    with pytest.raises(Broken, match=r"^lost: E003"):
        settled.check_beliefs()


def test_the_checker_sees_an_old_state_that_arrived_last(settled: World) -> None:
    old = last_of(settled, "E003")
    settled.edit("E003")
    settled.round()
    settled.check_beliefs()
    settled.graph.accepted.append(old)
    with pytest.raises(Broken, match=r"^stale-last: the last upload of E003"):
        settled.check_beliefs()


@pytest.mark.parametrize("mixed", [{"title": "of another version"}, {"nickName": None}], ids=["mixed", "half"])
def test_the_checker_sees_a_person_who_never_was(settled: World, mixed: dict[str, object]) -> None:
    upload = last_of(settled, "E003")
    settled.graph.accepted.append(upload._replace(data={**upload.data, **mixed}))
    with pytest.raises(Broken, match=r"^phantom: E003"):
        settled.check_uploads()


def test_the_checker_sees_who_was_sent_again_without_a_reason(settled: World) -> None:
    """One more is allowed for whoever has a manager: he may have come late."""
    manages, head = last_of(settled, "E003"), last_of(settled, "E001")
    assert settled.truth["E003"]["ManagerId"]
    settled.graph.accepted.append(manages)
    settled.check_uploads()
    settled.graph.accepted.append(head)
    with pytest.raises(Broken, match=r"^over-sent: E001 2 times the same, 1 allowed"):
        settled.check_uploads()


def last_of(world: World, employee_id: str) -> Accepted:
    return [upload for upload in world.graph.accepted if upload.external_id == employee_id][-1]
