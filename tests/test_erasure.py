"""What leaves the database on request, and what keeps it from leaving."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from provisioning import aftermath, erasure, jobs, tombstones, trail
from provisioning.database import Database
from provisioning.errors import Busy, MalformedId, NotForgettable, NotSendable, SettingsError, UnknownEmployee
from provisioning.ledger import Lease
from provisioning.settings import Settings
from tests.clock import MovedClock
from tests.conftest import NAMED, finish
from tests.emulators.graph import GraphEmulator
from tests.emulators.hr import HrEmulator

GONE = "E00007"
LONG_AGO = "2020-01-01 00:00:00.0000000"
TABLES = {
    "dbo.Employees": "EmployeeId",
    "dbo.EmployeeAccounts": "EmployeeId",
    "dbo.AbsentRecords": "RecordKey",
    **{f"provisioning.{t}": "employee_id" for t in ("ledger", "history", "outcomes", "intents", "forced", "refused")},
    **{f"provisioning.{t}": "employee_id" for t in ("held_people", "disables", "resyncs")},
    "provisioning.refreshes": "record_key",
}


@pytest.fixture
def settings(change: Callable[..., Settings], clock: MovedClock) -> Settings:
    """Everybody was sent, what came of them is known; whoever misses two fetches is gone."""
    found = change(MISSING_AFTER_HOURS="0")
    jobs.ingest(found, clock=clock)
    jobs.create(found, NAMED, clock=clock)
    jobs.reconcile(found, clock=clock)
    return found


@pytest.fixture
def gone(settings: Settings, db: Database, hr: HrEmulator, clock: MovedClock) -> Settings:
    """GONE has left HR and was disabled; a resync of hers and her disable are noted."""
    jobs.resync(settings, GONE, over_http=True, clock=clock)
    aftermath.collect(settings, clock=clock)
    leave(settings, hr, clock)
    assert finish(jobs.update, settings, clock)["sent"] == 1
    return settings


def leave(settings: Settings, hr: HrEmulator, clock: MovedClock) -> None:
    hr.remove(GONE)
    for _ in range(2):
        jobs.ingest(settings, clock=clock)


def traces(db: Database, employee_id: str = GONE) -> set[str]:
    """The tables in which something of her is left."""
    found = set()
    for table, column in TABLES.items():
        ((count,),) = db.select(f"SELECT COUNT(*) FROM {table} WHERE {column} = ?", (employee_id,), "test")
        if count:
            found.add(table)
    return found


def people(db: Database) -> int:
    ((count,),) = db.select("SELECT COUNT(*) FROM dbo.Employees", (), "test")
    return int(count)


# --- forget -------------------------------------------------------------------------------------------------------


def test_who_is_forgotten_leaves_no_trace_but_a_keyed_hash(gone: Settings, db: Database, clock: MovedClock) -> None:
    before = people(db)
    assert {"dbo.Employees", "dbo.EmployeeAccounts", "provisioning.ledger", "provisioning.history"} <= traces(db)
    report = erasure.forget(gone, GONE, clock=clock)
    assert report.answer == {"employee_id": GONE, "status": "forgotten"}
    assert traces(db) == set()
    assert people(db) == before - 1
    ((found,),) = db.select("SELECT id_hash FROM provisioning.tombstones", (), "test")
    assert re.fullmatch("[0-9a-f]{64}", found)
    assert tombstones.recogniser(db)(GONE)
    assert not tombstones.recogniser(db)("E00008")


def test_no_hold_quotes_who_was_forgotten(settings: Settings, db: Database, hr: HrEmulator, clock: MovedClock) -> None:
    """A hold's examples have old and new values; those of others stay."""

    def quoted() -> list[str]:
        return [str(row[0]) for row in db.select("SELECT attributes FROM provisioning.holds", (), "test") if row[0]]

    for hold_id, employee_id in (("0000000a", GONE), ("0000000b", "E00008")):
        examples = json.dumps({"title": {"people": 1, "examples": [{"employee_id": employee_id, "old": "Cook"}]}})
        db.run("open_hold", hold_id, "elsewhere", "changes", "", "update", "many", examples, None, "run")
    leave(settings, hr, clock)
    finish(jobs.update, settings, clock)
    assert any(GONE in text for text in quoted())
    erasure.forget(settings, GONE, clock=clock)
    assert [text for text in quoted() if GONE in text] == []
    assert any("E00008" in text for text in quoted())


def test_every_table_that_names_people_is_emptied_of_her() -> None:
    """A table that comes later must be thought of: every column named employee_id stands in forget_person."""
    from provisioning import database, migration  # noqa: PLC0415

    scripts = "".join(p.read_text("utf-8") for p in sorted(migration.SCRIPTS.glob("0*.sql")))
    naming = {
        table
        for table, body in re.findall(r"CREATE TABLE ([\w.]+) \((.*?)\n\);", scripts, re.DOTALL)
        if re.search(r"(?m)^\s+(employee_id|EmployeeId|record_key|RecordKey) ", body)
    }
    deleted = set(re.findall(r"DELETE FROM ([\w.]+)", database.query("forget_person", "sqlserver")))
    # the mirror's row goes with mirror_delete; of her user names keyed hashes stay (test_naming)
    assert naming - {"dbo.Employees", "dbo.UserNames"} == deleted


def test_nobody_is_forgotten_while_hr_has_her(settings: Settings, db: Database, clock: MovedClock) -> None:
    with pytest.raises(NotForgettable, match="HR still has"):
        erasure.forget(settings, GONE, clock=clock)
    assert "provisioning.ledger" in traces(db)
    assert list(db.rows("tombstones")) == []


def test_nobody_is_forgotten_who_missed_one_fetch_only(
    change: Callable[..., Settings], gone: Settings, hr: HrEmulator, clock: MovedClock
) -> None:
    with pytest.raises(NotForgettable, match="HR still has"):
        erasure.forget(change(MISSING_AFTER_HOURS="20"), GONE, clock=clock)


def test_nobody_is_forgotten_whose_account_is_not_disabled_for_every_target(
    settings: Settings, gone: Settings, db: Database, graph: GraphEmulator, clock: MovedClock
) -> None:
    db.execute("UPDATE provisioning.ledger SET active = 1 WHERE employee_id = ?", (GONE,))
    with pytest.raises(NotForgettable, match="must be disabled first"):
        erasure.forget(gone, GONE, clock=clock)
    assert "provisioning.history" in traces(db)


def test_nobody_is_forgotten_of_whom_something_may_be_under_way(
    settings: Settings, hr: HrEmulator, graph: GraphEmulator, db: Database, clock: MovedClock
) -> None:
    leave(settings, hr, clock)
    graph.drop_next(apply=True)
    graph.fail_next(403)
    finish(jobs.update, settings, clock)
    db.execute("UPDATE provisioning.ledger SET active = 0 WHERE employee_id = ?", (GONE,))
    with pytest.raises(NotForgettable, match="a moment ago"):
        erasure.forget(settings, GONE, clock=clock)


def test_somebody_unknown_or_no_id_at_all_is_told(gone: Settings, db: Database, clock: MovedClock) -> None:
    with pytest.raises(UnknownEmployee):
        erasure.forget(gone, "NOBODY", clock=clock)
    with pytest.raises(MalformedId):
        erasure.forget(gone, "no id", clock=clock)
    assert list(db.rows("tombstones")) == []


def test_where_another_loader_fills_the_tables_it_must_take_the_row_away_first(
    change: Callable[..., Settings], settings: Settings, db: Database, clock: MovedClock
) -> None:
    loaded = change(HR_SOURCE="", MISSING_AFTER_HOURS="0")
    with pytest.raises(NotForgettable, match="HR still has"):
        erasure.forget(loaded, GONE, clock=clock)
    db.execute("UPDATE dbo.Employees SET Active = 0 WHERE EmployeeId = ?", (GONE,))
    finish(jobs.update, loaded, clock)
    db.execute("DELETE FROM dbo.Employees WHERE EmployeeId = ?", (GONE,))
    erasure.forget(loaded, GONE, clock=clock)
    assert traces(db) == set()


def test_if_her_row_comes_back_she_is_parked_until_that_is_undone(
    gone: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    erasure.forget(gone, GONE.lower(), clock=clock)
    hr.put({**hr.people[0], "EmployeeId": GONE, "Email": None, "ManagerId": None})
    jobs.ingest(gone, clock=clock)
    before = len(graph.accepted)
    report = jobs.create(gone, NAMED, clock=clock)
    assert (report.counts["sent"], report.counts["parked"]) == (0, 1)
    assert f"parked {GONE}: was forgotten" in report.notes[0]
    with pytest.raises(NotSendable, match="forget --undo"):
        jobs.resync(gone, GONE, clock=clock)
    assert len(graph.accepted) == before
    assert erasure.remember(gone, GONE, clock=clock).answer["status"] == "known again"
    assert finish(jobs.create, gone, clock)["sent"] == 1
    with pytest.raises(NotForgettable, match="was not forgotten"):
        erasure.remember(gone, GONE, clock=clock)


def test_forgotten_twice_is_unknown_and_stays_forgotten(gone: Settings, db: Database, clock: MovedClock) -> None:
    erasure.forget(gone, GONE, clock=clock)
    with pytest.raises(UnknownEmployee):
        erasure.forget(gone, GONE, clock=clock)
    assert tombstones.recogniser(db)(GONE)


def test_another_database_has_another_key(db: Database, tmp_path: Any) -> None:
    with db.transaction():
        tombstones.add(db, "A")
        first = list(db.rows("tombstones"))
        db.execute("DELETE FROM provisioning.tombstones")
        db.execute("DELETE FROM provisioning.hash_keys")
        tombstones.add(db, "A")
    assert list(db.rows("tombstones")) != first


# --- purge --------------------------------------------------------------------------------------------------------


def test_people_long_gone_and_inactive_leave_the_mirror_and_stay_known(
    gone: Settings, db: Database, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    before, person = people(db), {**hr.people[0], "EmployeeId": GONE, "Email": None, "ManagerId": None}
    assert erasure.purge(gone, clock=clock).counts == {"purged": 0}  # not for long yet
    db.execute("UPDATE dbo.AbsentRecords SET AbsentSince = ?", (LONG_AGO,))
    assert erasure.purge(gone, clock=clock).counts == {"purged": 1}
    assert people(db) == before - 1
    assert not {"dbo.Employees", "dbo.AbsentRecords"} & traces(db)
    assert "provisioning.ledger" in traces(db)
    report = jobs.update(gone, clock=clock)
    assert (report.exit_code, report.counts["candidates"], report.counts["out_of_scope"]) == (0, 0, 0)
    hr.put(person)
    jobs.ingest(gone, clock=clock)
    assert finish(jobs.create, gone, clock)["sent"] == 0
    assert finish(jobs.update, gone, clock)["sent"] == 1
    assert graph.directory().users[GONE]["accountEnabled"] is True


def test_who_is_active_over_there_does_not_leave_the_mirror(
    settings: Settings, db: Database, hr: HrEmulator, clock: MovedClock
) -> None:
    leave(settings, hr, clock)
    db.execute("UPDATE dbo.AbsentRecords SET AbsentSince = ?", (LONG_AGO,))
    assert erasure.purge(settings, clock=clock).counts == {"purged": 0}
    assert "dbo.Employees" in traces(db)


def test_the_days_can_be_said(gone: Settings, db: Database, clock: MovedClock) -> None:
    db.execute("UPDATE dbo.AbsentRecords SET AbsentSince = '2026-11-01 00:00:00.0000000'")
    assert erasure.purge(gone, clock=clock).counts == {"purged": 0}
    assert erasure.purge(gone, 10, clock=clock).counts == {"purged": 1}


def test_nothing_leaves_the_mirror_while_an_ingest_is_at_work(gone: Settings, db: Database, clock: MovedClock) -> None:
    assert Lease("ingest", "another").acquire(db)
    with pytest.raises(Busy):
        erasure.purge(gone, clock=clock)
    with pytest.raises(Busy):
        erasure.forget(gone, GONE, clock=clock)


def test_purge_needs_to_know_the_endpoint(change: Callable[..., Settings], clock: MovedClock) -> None:
    with pytest.raises(SettingsError, match="HR_SOURCE"):
        erasure.purge(change(HR_SOURCE=""), clock=clock)


def test_what_is_forgotten_is_not_in_anybodys_trail(gone: Settings, db: Database, clock: MovedClock) -> None:
    assert gone.bulk_upload
    assert trail.of(db, gone.bulk_upload.target, GONE)
    erasure.forget(gone, GONE, clock=clock)
    assert trail.of(db, gone.bulk_upload.target, GONE) == []
