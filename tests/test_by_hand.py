"""An urgent leaver: disabled by name, whatever HR says, until HR agrees or it is taken back. On both engines."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from provisioning import aftermath, by_hand, erasure, jobs, person, review
from provisioning.database import Database
from provisioning.errors import (
    Held,
    MalformedId,
    NotSendable,
    UnfinishedRun,
    UnknownEmployee,
    WrongUsage,
)
from provisioning.ledger import Lease, Ledger
from provisioning.runs import Report
from provisioning.settings import Settings
from tests.clock import MovedClock
from tests.conftest import approve_all, edit, employ, finish
from tests.emulators.graph import GraphEmulator
from tests.test_review import TERMINATED, disabled, mapping_with

LEAVER = "P0042"
ADA = "Ada Operator"


@pytest.fixture
def guarded(db: Database, change: Callable[..., Settings], clock: MovedClock) -> Settings:
    """A hundred people who were sent, and the guards as they are by default: at most 10 disables."""
    settings = change(MAX_DISABLES="5%", MAX_CHANGES="20%", MAX_CREATES="20%")
    employ(db, *(f"P{n:04d}" for n in range(100)), Title="Clerk", Name_FirstName="Grace")
    finish(jobs.create, settings, clock)
    return settings


@pytest.fixture
def leaver(guarded: Settings, clock: MovedClock) -> Settings:
    """One of them is disabled by hand, though HR has her as active."""
    by_hand.disable(guarded, LEAVER, ADA, clock=clock)
    return guarded


def kept(db: Database) -> list[tuple[Any, ...]]:
    query = "SELECT employee_id, disabled_by FROM provisioning.disabled_by_hand ORDER BY 1"
    return [tuple(row) for row in db.select(query, (), "t")]


def trail(settings: Settings, clock: MovedClock, employee_id: str = LEAVER) -> list[tuple[str, str | None]]:
    found = person.show(settings, employee_id, clock=clock).answer["trail"]
    return [(step["kind"], step.get("by") or step.get("remark")) for step in found]


def test_she_is_inactive_at_once_with_all_else_as_it_was_sent(
    guarded: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    before = next(a.data for a in graph.accepted if a.external_id == LEAVER) | {"active": False}
    report = by_hand.disable(guarded, LEAVER.lower(), ADA, clock=clock)
    assert report.answer == {"employee_id": LEAVER, "status": "accepted", "changed": True}
    assert (report.counts["sent"], report.counts["calls"], disabled(graph)) == (1, 1, [LEAVER])
    assert graph.accepted[-1].data == before
    assert kept(db) == [(LEAVER, ADA)]
    assert ("disabled", ADA) in trail(guarded, clock)


@pytest.mark.parametrize("job", [jobs.update, jobs.reconcile])
def test_no_run_enables_her_whatever_hr_says(
    leaver: Settings, graph: GraphEmulator, clock: MovedClock, db: Database, job: Callable[..., Report]
) -> None:
    edit(db, LEAVER, Title="Director", Active=1)
    assert finish(job, leaver, clock)["sent"] == 0
    jobs.resync(leaver, LEAVER, clock=clock, refresh=False)
    jobs.resend(leaver, None, clock=clock)
    assert disabled(graph) == [LEAVER]
    assert graph.directory().users[LEAVER]["title"] == "Clerk"
    assert kept(db) == [(LEAVER, ADA)]


def test_where_only_changed_rows_are_looked_at_she_is_looked_at_too(
    change: Callable[..., Settings], guarded: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    """Nothing of hers has changed, and what disables her was refused."""
    everybody = [f"P{n:04d}" for n in range(100)]
    edit(db, *everybody, ModifiedDateTime="2026-01-01 00:00:00.0000000")
    finish(jobs.update, guarded, clock)
    jobs.resend(guarded, None, clock=clock)
    graph.fail_next(403, {}, b"")
    with pytest.raises(UnfinishedRun):
        by_hand.disable(guarded, LEAVER, ADA, clock=clock)
    db.execute("DELETE FROM provisioning.forced")
    assert finish(jobs.update, change(UPDATE_BY="modified"), clock)["candidates"] == 1
    assert disabled(graph) == [LEAVER]


def test_once_hr_agrees_hr_counts_again(
    leaver: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    edit(db, LEAVER, Active=0)
    report = jobs.update(leaver, clock=clock)
    assert f"no longer disabled by hand, since HR agrees: {LEAVER}" in report.notes
    assert kept(db) == []
    assert ("enabled", "HR agrees") in trail(leaver, clock)
    assert disabled(graph) == [LEAVER]
    edit(db, LEAVER, Active=1)
    finish(jobs.update, leaver, clock)
    assert disabled(graph) == []


def test_taken_back_she_goes_as_hr_has_her(
    leaver: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    edit(db, LEAVER, Title="Director")
    report = by_hand.enable(leaver, LEAVER, "Bob", clock=clock)
    assert (report.answer["status"], disabled(graph)) == ("accepted", [])
    assert graph.directory().users[LEAVER]["title"] == "Director"
    assert ("enabled", "Bob") in trail(leaver, clock)
    with pytest.raises(NotSendable, match="is not disabled by hand"):
        by_hand.enable(leaver, LEAVER, "Bob", clock=clock)


def test_whoever_was_never_sent_is_not_created_until_it_is_taken_back(
    guarded: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    employ(db, "NEW")
    assert by_hand.disable(guarded, "NEW", ADA, clock=clock).answer == {"employee_id": "NEW", "status": "noted"}
    report = jobs.create(guarded, clock=clock)
    assert (report.counts["sent"], report.counts["parked"]) == (0, 1)
    assert any("NEW: is disabled by hand; to take that back" in note for note in report.notes)
    with pytest.raises(NotSendable, match="disabled by hand"):
        jobs.resync(guarded, "NEW", clock=clock, refresh=False)
    assert by_hand.enable(guarded, "NEW", ADA, clock=clock).answer["status"] == "noted"
    assert finish(jobs.create, guarded, clock)["sent"] == 1
    assert graph.directory().users["NEW"]["accountEnabled"] is True


def test_a_changed_mapping_does_not_keep_her_and_nothing_of_it_goes(
    guarded: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    mapping_with(db, "e.Title AS 'nickName'", "e.Name_FullName AS 'displayName'")
    before = next(a.data for a in graph.accepted if a.external_id == LEAVER) | {"active": False}
    by_hand.disable(guarded, LEAVER, ADA, clock=clock)
    assert disabled(graph) == [LEAVER]
    assert graph.accepted[-1].data == before
    assert finish(jobs.update, guarded, clock)["sent"] == 0
    assert disabled(graph) == [LEAVER]


@pytest.mark.parametrize("of_her", ["no row", "two rows", "a row that makes no user"])
def test_no_row_is_needed_for_it(
    guarded: Settings, graph: GraphEmulator, clock: MovedClock, db: Database, of_her: str
) -> None:
    if of_her == "no row":
        db.execute("DELETE FROM dbo.Employees WHERE EmployeeId = ?", (LEAVER,))
    elif of_her == "two rows":
        source = "Employees" if db.engine == "sqlite" else "dbo.Employees"
        columns = (
            "EmployeeId, EmployeeId AS 'externalId', EmployeeId AS 'userName', Active AS 'active', Title AS 'title'"
        )
        db.execute("DROP VIEW dbo.ScimUsers")
        db.execute(
            f"CREATE VIEW dbo.ScimUsers AS SELECT {columns} FROM {source} UNION ALL "
            f"SELECT {columns} FROM {source} WHERE EmployeeId = '{LEAVER}'"
        )
    else:
        edit(db, LEAVER, Active=None)
    by_hand.disable(guarded, LEAVER, ADA, clock=clock)
    assert disabled(graph) == [LEAVER]
    counts = finish(jobs.update, guarded, clock)
    assert (counts["out_of_scope"], disabled(graph)) == (0, [LEAVER])
    assert kept(db) == [(LEAVER, ADA)]
    assert person.show(guarded, LEAVER, clock=clock).answer["by_hand"]["by"] == ADA


def test_marked_as_protected_she_waits_for_an_approval(
    guarded: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    mapping_with(db, "1 AS Protected", "e.NickName AS 'nickName'")
    finish(jobs.update, guarded, clock)
    approve_all(guarded, clock)
    finish(jobs.update, guarded, clock)
    with pytest.raises(Held, match="protected"):
        by_hand.disable(guarded, LEAVER, ADA, clock=clock)
    assert (kept(db), disabled(graph)) == ([(LEAVER, ADA)], [])
    assert approve_all(guarded, clock) == ["protected"]
    finish(jobs.update, guarded, clock)
    assert disabled(graph) == [LEAVER]


def test_one_by_one_no_more_are_disabled_than_the_guard_allows(
    guarded: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    for employee_id in TERMINATED[:10]:
        by_hand.disable(guarded, employee_id, ADA, clock=clock)
    with pytest.raises(Held, match="10 people were disabled in the last 24 h, and at most 10 may be"):
        by_hand.disable(guarded, TERMINATED[10], ADA, clock=clock)
    assert [i for i, _ in kept(db)] == disabled(graph) == TERMINATED[:10]
    edit(db, LEAVER, Active=0)
    assert finish(jobs.update, guarded, clock)["held"] == 1  # they count for what HR says later, too


def test_those_who_are_still_on_their_way_count_too(
    guarded: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    other = Lease(f"send {guarded.bulk_upload.target}", "other")  # type: ignore[union-attr]
    assert other.acquire(db)
    for employee_id in TERMINATED[:10]:
        assert by_hand.disable(guarded, employee_id, ADA, clock=clock).answer["status"] == "queued"
    with pytest.raises(Held, match="at most 10 may be"):
        by_hand.disable(guarded, TERMINATED[10], ADA, clock=clock)
    other.drop(db)
    edit(db, LEAVER, Active=0)
    counts = finish(jobs.update, guarded, clock)
    assert (counts["held"], disabled(graph)) == (1, TERMINATED[:10])


@pytest.mark.parametrize("mistake", ["of HR", "of the mapping"])
def test_an_end_that_nobody_has_approved_is_not_hrs_word(
    leaver: Settings, graph: GraphEmulator, clock: MovedClock, db: Database, mistake: str
) -> None:
    everybody = [*TERMINATED, LEAVER]
    if mistake == "of HR":
        edit(db, *everybody, Active=0)
    else:
        source = "Employees" if db.engine == "sqlite" else "dbo.Employees"
        ids = "e.EmployeeId, e.EmployeeId AS 'externalId', e.EmployeeId AS 'userName'"
        db.execute("DROP VIEW dbo.ScimUsers")
        db.execute(f"CREATE VIEW dbo.ScimUsers AS SELECT {ids}, 0 AS 'active' FROM {source} AS e")
    assert finish(jobs.update, leaver, clock)["held"]
    assert (kept(db), disabled(graph)) == ([(LEAVER, ADA)], [LEAVER])
    if mistake == "of HR":
        edit(db, *everybody, Active=1)
        finish(jobs.update, leaver, clock)
        assert disabled(graph) == [LEAVER]


def test_a_job_that_stands_still_is_told_at_once(
    guarded: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    graph.directory().quarantine_reason = "EncounteredQuarantineException"
    report = by_hand.disable(guarded, LEAVER, ADA, clock=clock)
    assert (report.answer["status"], report.exit_code) == ("staged", 3)
    assert any("the provisioning job is Quarantine" in note for note in report.notes)


def test_a_joiner_whom_a_run_is_about_to_create_is_looked_at_again(
    guarded: Settings, graph: GraphEmulator, clock: MovedClock, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run has read her, and writes its intents, when somebody disables her."""
    employ(db, "NEW")
    write = Ledger.write_intents
    asked: list[str] = []

    def meanwhile(self: Ledger, due: Any, lease: Lease, instead_of: Any = ()) -> bool:
        if not asked:
            asked.append(by_hand.disable(guarded, "NEW", ADA, clock=clock).answer["status"])
        return write(self, due, lease, instead_of)

    monkeypatch.setattr(Ledger, "write_intents", meanwhile)
    finish(jobs.create, guarded, clock)
    assert (asked, disabled(graph)) == (["noted"], ["NEW"])


def test_of_who_was_never_sent_hr_has_ended_nothing(
    guarded: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    employ(db, "NEW", Active=0)
    by_hand.disable(guarded, "NEW", ADA, clock=clock)
    finish(jobs.update, guarded, clock)
    edit(db, "NEW", Active=1)
    assert finish(jobs.create, guarded, clock)["parked"] == 1
    assert kept(db) == [("NEW", ADA)]
    assert "NEW" not in graph.directory().users


def test_where_nothing_that_was_sent_is_kept_an_unapproved_mapping_holds_her(
    leaver: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    db.execute("UPDATE provisioning.ledger SET scim_user = '{}', cleared_at = sent_at WHERE active = 0")
    mapping_with(db, "e.Title AS 'nickName'")
    sent = len(graph.accepted)
    with pytest.raises(Held, match="mapping"):
        jobs.resync(leaver, LEAVER, refresh=False, clock=clock)
    assert len(graph.accepted) == sent


def test_who_waits_in_a_mass_hold_goes_and_the_others_wait_on(
    guarded: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    edit(db, *TERMINATED, Active=0)
    assert finish(jobs.update, guarded, clock)["held"] == 20
    by_hand.disable(guarded, TERMINATED[3], ADA, clock=clock)
    assert disabled(graph) == [TERMINATED[3]]
    finish(jobs.update, guarded, clock)
    (hold,) = review.waiting(guarded, clock=clock)
    assert sorted(hold.people) == [i for i in TERMINATED if i != TERMINATED[3]]
    assert kept(db) == [(TERMINATED[3], ADA)]  # HR has ended her, too, but perhaps by mistake
    approve_all(guarded, clock)
    finish(jobs.update, guarded, clock)
    assert (kept(db), disabled(graph)) == ([], TERMINATED)


def test_while_a_run_is_at_work_it_sends_her_next(
    guarded: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    other = Lease(f"send {guarded.bulk_upload.target}", "other")  # type: ignore[union-attr]
    assert other.acquire(db)
    assert by_hand.disable(guarded, LEAVER, ADA, clock=clock).answer["status"] == "queued"
    other.drop(db)
    edit(db, *(f"P{n:04d}" for n in range(15)), Title="Baker")
    finish(jobs.update, guarded, clock)
    assert disabled(graph) == [LEAVER]
    assert graph.accepted[100].external_id == LEAVER


def test_where_graph_takes_nothing_it_stands_and_the_next_run_sends_her(
    guarded: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    for _ in range(8):
        graph.fail_next(503, {}, b"")
    with pytest.raises(UnfinishedRun):
        by_hand.disable(guarded, LEAVER, ADA, clock=clock)
    assert kept(db) == [(LEAVER, ADA)]
    finish(jobs.update, guarded, clock)
    assert disabled(graph) == [LEAVER]


def test_out_of_scope_and_inactive_people_are_noted_and_stay_so(
    guarded: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    edit(db, LEAVER, Active=0)
    finish(jobs.update, guarded, clock)
    assert by_hand.disable(guarded, LEAVER, ADA, clock=clock).answer["status"] == "noted"
    edit(db, LEAVER, Active=1)
    edit(db, "P0001", OrganizationId=None)
    by_hand.disable(guarded, "P0001", ADA, clock=clock)
    finish(jobs.update, guarded, clock)
    assert disabled(graph) == ["P0001", LEAVER]


def test_it_is_shown_wherever_one_looks(leaver: Settings, clock: MovedClock, db: Database) -> None:
    edit(db, LEAVER, Title="Director")
    status = aftermath.status(leaver, clock=clock)
    ((told,), count) = status.answer["by_hand_people"], status.answer["by_hand"]
    assert (count, told["employee_id"], told["by"]) == (1, LEAVER, ADA)
    assert f"disabled by hand, whatever HR says: 1 ({LEAVER})" in status.notes
    assert "by" not in aftermath.without_reasons(status.answer)["by_hand_people"][0]
    shown = person.show(leaver, LEAVER, clock=clock).answer
    assert (shown["state"], shown["by_hand"]["by"]) == ("disabled by hand", ADA)
    assert shown["payload"]["active"] is False
    assert ADA not in json.dumps(person.without_values(shown))
    assert any(f"1 people: {LEAVER}" in note for note in jobs.update(leaver, clock=clock).notes)


def test_a_plan_tells_that_it_is_by_hand(
    guarded: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    graph.fail_next(403, {}, b"")
    with pytest.raises(UnfinishedRun):
        by_hand.disable(guarded, LEAVER, ADA, clock=clock)
    (one,) = review.foresee(guarded, clock=clock).answer["people"]
    assert (one["employee_id"], one["action"], one["by_hand"]) == (LEAVER, "disable", True)
    assert one["attributes"] == {"active": {"old": True, "new": False}}


def test_whoever_is_forgotten_leaves_no_trace_here_either(guarded: Settings, clock: MovedClock, db: Database) -> None:
    db.execute("DELETE FROM dbo.Employees WHERE EmployeeId = ?", (LEAVER,))
    by_hand.disable(guarded, LEAVER, ADA, clock=clock)
    erasure.forget(guarded, LEAVER, clock=clock)
    assert kept(db) == []


@pytest.mark.parametrize(
    ("employee_id", "by", "error"),
    [
        ("a b", ADA, MalformedId),
        ("NOBODY", ADA, UnknownEmployee),
        *((LEAVER, name, WrongUsage) for name in (" ", "x" * 101, "A\x00da", "A\u202eda")),
    ],
)
def test_what_is_asked_wrongly_changes_nothing(
    guarded: Settings, clock: MovedClock, db: Database, employee_id: str, by: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        by_hand.disable(guarded, employee_id, by, clock=clock)
    assert kept(db) == []


# --- leavers whose rows make no SCIM user -------------------------------------------------------------------------


def unsendable(db: Database) -> None:
    """A view in which nobody has a userName who has no nickname."""
    source = "Employees" if db.engine == "sqlite" else "dbo.Employees"
    columns = "EmployeeId, EmployeeId AS 'externalId', NickName AS 'userName', Active AS 'active', Title AS 'title'"
    db.execute("DROP VIEW dbo.ScimUsers")
    db.execute(f"CREATE VIEW dbo.ScimUsers AS SELECT {columns} FROM {source}")


@pytest.fixture
def parked(guarded: Settings, clock: MovedClock, db: Database) -> Settings:
    """Everybody but one is parked, under a mapping that was approved."""
    unsendable(db)
    edit(db, "P0001", NickName="Ace")
    finish(jobs.update, guarded, clock)
    approve_all(guarded, clock)
    assert finish(jobs.update, guarded, clock)["parked"] == 99
    return guarded


@pytest.mark.parametrize("job", [jobs.update, jobs.reconcile])
def test_a_leaver_whose_row_makes_no_user_goes_as_she_was_last_sent_inactive(
    parked: Settings, graph: GraphEmulator, clock: MovedClock, db: Database, job: Callable[..., Report]
) -> None:
    before = next(a.data for a in graph.accepted if a.external_id == LEAVER) | {"active": False}
    edit(db, LEAVER, Active=0, Title="Gone")
    assert review.foresee(parked, clock=clock).answer["actions"]["disable"] == 1
    assert aftermath.status(parked, clock=clock).answer["due"] == 1
    counts = finish(job, parked, clock)
    assert (counts["sent"], counts["parked"], disabled(graph)) == (1, 98, [LEAVER])
    assert graph.accepted[-1].data == before
    counts = finish(job, parked, clock)
    assert (counts["sent"], counts["parked"]) == (0, 99)  # she stays parked, and inactive


def test_many_of_them_are_held_like_other_leavers(
    parked: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    edit(db, *TERMINATED, Active=0)
    counts = finish(jobs.update, parked, clock)
    assert (counts["held"], disabled(graph)) == (20, [])  # one of them goes by her row
    assert approve_all(parked, clock) == ["disables"]
    finish(jobs.update, parked, clock)
    assert disabled(graph) == TERMINATED


def test_who_is_still_active_there_stays_parked_and_enabled(
    parked: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    edit(db, LEAVER, Title="Director")
    counts = finish(jobs.update, parked, clock)
    assert (counts["sent"], counts["parked"], disabled(graph)) == (0, 99, [])


@pytest.mark.parametrize("connection_string", ["sqlserver"], indirect=True)
def test_of_many_who_are_disabled_at_the_same_moment_no_more_go_than_may(
    guarded: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    """A script that starts one `disable` for each: everybody counts those of the others. (SQLite has one writer.)"""
    together = Barrier(12)

    def disable(n: int) -> str:
        together.wait(30)
        try:
            by_hand.disable(guarded, f"P{n:04d}", ADA, clock=clock)
        except Held:
            return "held"
        return "noted"

    with ThreadPoolExecutor(12) as pool:
        assert sorted(pool.map(disable, range(12))) == ["held"] * 2 + ["noted"] * 10
    assert (len(kept(db)), len(disabled(graph))) == (10, 10)


@pytest.mark.parametrize("connection_string", ["sqlserver"], indirect=True)
def test_of_two_who_disable_one_person_at_the_same_moment_both_are_answered(
    guarded: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    together = Barrier(2)

    def disable(by: str) -> object:
        together.wait(30)
        return by_hand.disable(guarded, LEAVER, by, clock=clock).answer["status"]

    with ThreadPoolExecutor(2) as pool:
        answers = set(pool.map(disable, (ADA, "Bo Operator")))
    assert answers <= {"accepted", "queued"}
    assert (len(kept(db)), disabled(graph)) == (1, [LEAVER])
