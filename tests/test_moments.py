"""What happens at one and the same moment: where two times are compared, a tie is somebody's, and only one's."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from provisioning import database, jobs, ledger, scim, tables
from provisioning.database import Database
from provisioning.ledger import Lease, Ledger
from provisioning.runs import needed
from provisioning.settings import GRAPH, Settings
from tests.clock import StoppedClock
from tests.conftest import NAMED, employ, environment, finish
from tests.emulators.graph import GraphEmulator
from tests.emulators.hr import HrEmulator
from tests.test_ledger import due, intend
from tests.test_tables import locations

STAMP = "2026-01-01 00:00:00.0000000"


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock(datetime(2026, 11, 22, 12, 0, tzinfo=UTC))


def intents(db: Database) -> int:
    return len(list(db.select("SELECT employee_id FROM provisioning.intents", (), "intents")))


def test_at_the_moment_it_expires_a_lease_is_the_next_ones_and_no_longer_its_holders(
    small: Database, clock: StoppedClock
) -> None:
    employ(small, "A")
    lease, heir, book = Lease("send t", "run-1"), Lease("send t", "run-2"), Ledger(small, "t", "run-1")
    assert lease.acquire(small)
    extensions = Settings.from_environ({}).extensions
    mapping = scim.compile_mapping(ledger.view_columns(small), extensions, explicit_nulls=True)
    clock.move(seconds=ledger.LEASE_SECONDS)
    assert not intend(book, lease, due(book, mapping))
    assert not book.count_call(lease, 0, 100)
    assert heir.acquire(small)
    assert heir.taken_over


def test_an_intent_counts_as_dead_from_the_moment_on_at_which_a_202_clears_it(
    small: Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: StoppedClock
) -> None:
    """Otherwise she would go once more for nothing."""
    employ(small, "A")
    settings = bridge()
    target = needed(settings.bulk_upload, GRAPH).target
    finish(jobs.create, settings, clock)
    small.execute(
        "INSERT INTO provisioning.intents (target, employee_id, run_id, external_id, user_hash, scim_user, active, "
        "manager_known, answered, created_at) VALUES (?, 'A', 'dead', 'A', 'x', '{}', 1, 1, 1, ?)",
        (target, database.stamp(clock.utc_now() - timedelta(seconds=ledger.LIFE_OF_A_RUN))),
    )
    assert (finish(jobs.update, settings, clock)["candidates"], intents(small)) == (0, 1)
    clock.move(seconds=0.001)
    assert (finish(jobs.update, settings, clock)["sent"], intents(small)) == (1, 0)


def test_what_a_resync_fetched_at_the_moment_an_ingest_began_is_the_newer(small: Database, clock: StoppedClock) -> None:
    table = locations(small)
    tables.record_refresh(small, table, "L1")
    assert tables.refreshed_since(small, table, database.stamp(clock.utc_now())) == {"l1"}
    clock.move(seconds=0.001)
    assert tables.refreshed_since(small, table, database.stamp(clock.utc_now())) == set()


def test_missing_for_exactly_as_long_as_is_set_she_is_gone(
    sqlite_string: str, small: Database, hr: HrEmulator, graph: GraphEmulator, clock: StoppedClock
) -> None:
    environ = environment(sqlite_string, hr.url, graph.upload_url)
    settings = Settings.from_environ({**environ, "MISSING_AFTER_HOURS": "20"})
    jobs.ingest(settings, clock=clock)
    jobs.create(settings, NAMED, clock=clock)
    hr.remove("E00005")
    jobs.ingest(settings, clock=clock)
    clock.move(hours=20)
    jobs.ingest(settings, clock=clock)
    assert finish(jobs.update, settings, clock)["sent"] == 1
    assert graph.directory().users["E00005"]["accountEnabled"] is False


def test_narrowed_by_modified_a_start_is_found_where_its_day_begins_first(
    small: Database, bridge: Callable[..., Settings], graph: GraphEmulator, clock: StoppedClock
) -> None:
    """At noon in Greenwich it is 2 at night of the next day on Christmas Island."""
    employ(small, "A", ValidFrom="2026-11-24", ModifiedDateTime=STAMP)
    settings = bridge(UPDATE_BY="modified", PREHIRE_ACTIVE="false", TIME_ZONE="Pacific/Kiritimati")
    finish(jobs.create, settings, clock)
    assert graph.directory().users["A"]["accountEnabled"] is False
    clock.move(days=1)
    assert finish(jobs.update, settings, clock)["sent"] == 1
    assert graph.directory().users["A"]["accountEnabled"] is True
