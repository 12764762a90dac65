"""What was sent and who may send, on both engines."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import pytest

from provisioning import database, ledger, plan, scim
from provisioning.database import Database
from provisioning.errors import DatabaseError
from provisioning.ledger import Intended, Lease, Ledger
from provisioning.people import Due, Job
from provisioning.scim import ScimMapping
from provisioning.settings import Settings
from tests.clock import MovedClock
from tests.test_plan import rules

TARGET, LEASE = "principal/job", "send principal/job"


@pytest.fixture
def mapping(db: Database) -> ScimMapping:
    extensions = Settings.from_environ({}).extensions
    return scim.compile_mapping(ledger.view_columns(db), extensions, explicit_nulls=True)


@pytest.fixture
def employ(db: Database) -> Callable[..., None]:
    """Put people into the mirror; their manager is the first of them."""

    def employ(*ids: str) -> None:
        for one in ids:
            db.execute(
                "INSERT INTO dbo.Employees (EmployeeId, Name_FullName, Active, OrganizationId, ManagerId) "
                "VALUES (?, 'Somebody', 1, 'O1', ?)",
                (one, None if one == ids[0] else ids[0]),
            )

    return employ


def taken(db: Database, owner: str = "run-1") -> Lease:
    lease = Lease(LEASE, owner)
    assert lease.acquire(db)
    return lease


def due(book: Ledger, mapping: ScimMapping, job: Job = Job.CREATE) -> list[Due]:
    return plan.make(book.people(mapping), rules(job, mapping=mapping)).due


def intend(book: Ledger, lease: Lease, people: list[Due]) -> bool:
    return book.write_intents([Intended(d, {"title": 'é "x"'}, True) for d in people], lease)


def count(db: Database, table: str) -> int:
    ((found,),) = db.select(f"SELECT COUNT(*) FROM provisioning.{table}", (), "count")
    return int(found)


def expire(db: Database) -> None:
    db.execute("UPDATE provisioning.leases SET expires_at = '2000-01-01 00:00:00.0000000'")


def test_intents_that_were_written_by_a_try_whose_answer_was_lost_are_written(
    db: Database, mapping: ScimMapping, employ: Callable[..., None]
) -> None:
    """Said twice, they stand there once. With other data than the first time they are not the same intents."""
    employ("A", "B")
    lease, book = taken(db), Ledger(db, TARGET, "run-1")
    people = due(book, mapping)
    assert intend(book, lease, people)
    assert intend(book, lease, people)
    assert intend(book, lease, people[:1])
    assert count(db, "intents") == 2
    db.execute("UPDATE dbo.Employees SET Title = 'Changed' WHERE EmployeeId = 'A'")
    with pytest.raises(DatabaseError):
        intend(book, lease, due(book, mapping))


def test_intents_that_stand_there_are_no_leave_to_send_once_the_lease_is_lost(
    db: Database, mapping: ScimMapping, employ: Callable[..., None]
) -> None:
    """The first try wrote them, the second came when another had taken over."""
    employ("A")
    lease, book = taken(db), Ledger(db, TARGET, "run-1")
    people = due(book, mapping)
    assert intend(book, lease, people)
    expire(db)
    assert not intend(book, lease, people)
    assert Lease(LEASE, "run-2").acquire(db)
    assert not intend(book, lease, people)


def test_a_202_that_is_recorded_twice_is_recorded_once(
    db: Database, mapping: ScimMapping, employ: Callable[..., None]
) -> None:
    """Nor does the second time touch what another run has said meanwhile of people it knows nothing of."""
    employ("A", "B")
    lease, book = taken(db), Ledger(db, TARGET, "run-1")
    people = due(book, mapping)
    book.write_intents([Intended(d, {}, True, counts_as_disable=True) for d in people], lease)
    for _ in range(2):
        book.record_accepted(["A", "B"])
    assert (count(db, "ledger"), count(db, "disables"), count(db, "intents")) == (2, 2, 0)


# --- the lease ----------------------------------------------------------------------------------------------------


def test_one_holds_the_lease_until_it_is_given_back(db: Database) -> None:
    first, second = taken(db), Lease(LEASE, "run-2")
    assert not second.acquire(db)
    assert first.release(db, TARGET)
    assert second.acquire(db)
    assert not second.taken_over


def test_an_expired_lease_is_taken_over_and_its_owner_can_do_nothing_more(
    db: Database, mapping: ScimMapping, employ: Callable[..., None]
) -> None:
    employ("A")
    zombie = taken(db)
    expire(db)
    heir = Lease(LEASE, "run-2")
    assert heir.acquire(db)
    assert heir.taken_over
    old = Ledger(db, TARGET, "run-1")
    assert not intend(old, zombie, due(old, mapping))
    assert not old.count_call(zombie, 30, 100)
    assert not zombie.renew(db)
    zombie.drop(db)
    assert heir.renew(db)


def test_an_expired_lease_that_nobody_took_is_renewed(db: Database) -> None:
    lease = taken(db)
    expire(db)
    assert not Ledger(db, TARGET, "run-1").count_call(lease, 30, 100)
    assert lease.renew(db)
    assert Ledger(db, TARGET, "run-1").count_call(lease, 30, 100)


def test_a_lease_is_not_given_back_while_somebody_forced_waits(db: Database) -> None:
    lease, book = taken(db), Ledger(db, TARGET, "run-1")
    token = book.force("A")
    assert not lease.release(db, TARGET)
    book.unforce([token])
    assert lease.release(db, TARGET)


def test_leases_of_other_names_do_not_matter(db: Database) -> None:
    taken(db)
    assert Lease("send another/job", "run-2").acquire(db)


def test_of_many_who_try_at_once_one_gets_the_lease(connection_string: str) -> None:
    def attempt(owner: int) -> bool:
        with database.connect(connection_string) as db:
            return Lease(LEASE, f"run-{owner}").acquire(db)

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(attempt, range(4))) == 1


def test_an_expired_lease_is_taken_over_by_one_of_many(db: Database, connection_string: str) -> None:
    taken(db, "dead")
    expire(db)

    def attempt(owner: int) -> bool:
        with database.connect(connection_string) as own:
            return Lease(LEASE, f"run-{owner}").acquire(own)

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(attempt, range(4))) == 1


def test_of_many_who_write_down_the_same_person_at_once_nobody_fails(db: Database, connection_string: str) -> None:
    """A resync that is asked for by a double click, a leaver whom two operators disable."""
    together = Barrier(4)

    def write_down(operator: int) -> None:
        with database.connect(connection_string) as own:
            book = Ledger(own, TARGET, f"run-{operator}")
            for n in range(4):
                together.wait(30)
                book.force(f"E{n}")
                together.wait(30)
                book.disable(f"E{n}", "Ada Approver")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write_down, range(4)))
    assert (count(db, "forced"), count(db, "disabled_by_hand"), count(db, "history")) == (4, 4, 32)


def test_a_lease_runs_for_a_minute_from_its_last_renewal(clock: MovedClock, sqlite_string: str) -> None:
    with database.connect(sqlite_string, clock) as db:
        lease = taken(db)
        for _ in range(3):
            clock.move(seconds=50)
            assert not Lease(LEASE, "run-2").acquire(db)
            assert lease.renew(db)
        clock.move(seconds=61)
        assert Lease(LEASE, "run-2").acquire(db)


def test_who_fails_gives_the_lease_back_whoever_waits(db: Database) -> None:
    lease = taken(db)
    Ledger(db, TARGET, "run-1").force("A")
    lease.drop(db)
    heir = Lease(LEASE, "run-2")
    assert heir.acquire(db)
    assert not heir.taken_over


def test_a_zombie_cannot_give_its_heirs_lease_back(db: Database) -> None:
    zombie = taken(db)
    expire(db)
    heir = taken(db, "run-2")
    assert zombie.release(db, TARGET)  # it holds nothing, so it may go
    zombie.drop(db)
    assert not Lease(LEASE, "run-3").acquire(db)
    assert heir.renew(db)


def test_a_run_that_comes_back_under_its_old_epoch_is_a_zombie(db: Database) -> None:
    """The same owner twice is not the same holder."""
    first = taken(db)
    expire(db)
    second = taken(db)
    assert (second.epoch, second.taken_over) == (first.epoch + 1, True)
    assert not first.renew(db)
    assert second.renew(db)


def test_somebody_forced_for_another_target_keeps_no_lease(db: Database) -> None:
    lease = taken(db)
    Ledger(db, "another/job", "run-1").force("A")
    assert lease.release(db, TARGET)


def test_no_call_is_counted_that_the_lease_might_not_outlive(db: Database) -> None:
    lease, book = taken(db), Ledger(db, TARGET, "run-1")
    assert not book.count_call(lease, ledger.LEASE_SECONDS + 1, 100)
    assert count(db, "calls") == 0


def test_no_intent_is_written_under_an_expired_lease(
    db: Database, mapping: ScimMapping, employ: Callable[..., None]
) -> None:
    employ("A")
    lease, book = taken(db), Ledger(db, TARGET, "run-1")
    expire(db)
    assert not intend(book, lease, due(book, mapping))
    assert count(db, "intents") == 0
    assert lease.renew(db)
    assert intend(book, lease, due(book, mapping))


# --- intents and what was sent ------------------------------------------------------------------------------------


def test_an_accepted_request_becomes_what_was_last_sent(
    db: Database, mapping: ScimMapping, employ: Callable[..., None]
) -> None:
    employ("A", "B")
    lease, book = taken(db), Ledger(db, TARGET, "run-1")
    assert intend(book, lease, due(book, mapping))
    book.record_accepted(["A", "B"])
    assert (count(db, "ledger"), count(db, "intents")) == (2, 0)
    assert due(book, mapping) == due(book, mapping, Job.UPDATE) == []
    (sent,) = db.select("SELECT scim_user, active FROM provisioning.ledger WHERE employee_id = 'A'", (), "t")
    assert (json.loads(sent[0]), bool(sent[1])) == ({"title": 'é "x"'}, True)
    db.execute("UPDATE dbo.Employees SET Title = 'Changed' WHERE EmployeeId = 'B'")
    changed = due(book, mapping, Job.UPDATE)
    assert [d.user.employee_id for d in changed] == ["B"]
    assert intend(book, lease, changed)
    book.record_accepted(["B"])
    assert (count(db, "ledger"), due(book, mapping, Job.UPDATE)) == (2, [])


def test_only_the_people_of_the_request_are_recorded(
    db: Database, mapping: ScimMapping, employ: Callable[..., None]
) -> None:
    employ("A", "B")
    lease, book = taken(db), Ledger(db, TARGET, "run-1")
    intend(book, lease, due(book, mapping))
    book.record_accepted(["B"])
    assert (count(db, "ledger"), count(db, "intents")) == (1, 1)
    book.drop_intents(["A"])
    assert count(db, "intents") == 0


def test_another_runs_intent_is_answered_then_cleared_when_that_run_must_be_dead(
    db: Database, mapping: ScimMapping, employ: Callable[..., None]
) -> None:
    employ("A")
    lease, dead = taken(db), Ledger(db, TARGET, "run-1")
    intend(dead, lease, due(dead, mapping))
    book, lease = Ledger(db, TARGET, "run-2"), lease
    (person,) = book.people(mapping)
    assert (person.unanswered, person.maybe_active) == (True, True)
    intend(book, lease, due(book, mapping))
    book.record_accepted(["A"])
    (person,) = book.people(mapping)
    assert (person.unanswered, count(db, "intents")) == (False, 1)
    db.execute("UPDATE provisioning.intents SET created_at = '2000-01-01 00:00:00.0000000'")
    again = due(book, mapping, Job.UPDATE)
    assert [d.user.employee_id for d in again] == ["A"]
    intend(book, lease, again)
    book.record_accepted(["A"])
    assert count(db, "intents") == 0


def test_what_another_run_has_overtaken_is_not_recorded_and_stays_in_doubt(
    db: Database, mapping: ScimMapping, employ: Callable[..., None]
) -> None:
    employ("A")
    lease, zombie, heir = taken(db), Ledger(db, TARGET, "run-1"), Ledger(db, TARGET, "run-2")
    intend(zombie, lease, due(zombie, mapping))
    db.execute("UPDATE dbo.Employees SET Title = 'Newer' WHERE EmployeeId = 'A'")
    intend(heir, lease, due(heir, mapping))
    heir.record_accepted(["A"])
    zombie.record_accepted(["A"])  # its 202 came late
    ((run,),) = db.select("SELECT run_id FROM provisioning.ledger", (), "t")
    assert (run, count(db, "intents")) == ("run-2", 1)


def test_another_targets_books_are_not_touched(db: Database, mapping: ScimMapping, employ: Callable[..., None]) -> None:
    employ("A")
    lease, book, other = taken(db), Ledger(db, TARGET, "run-1"), Ledger(db, "another/job", "run-1")
    intend(book, lease, due(book, mapping))
    intend(other, lease, due(other, mapping))
    book.record_accepted(["A"])
    assert (count(db, "ledger"), count(db, "intents")) == (1, 1)
    book.drop_intents(["A"])
    assert count(db, "intents") == 1
    assert [d.user.employee_id for d in due(other, mapping)] == ["A"]


def test_a_request_that_cannot_be_recorded_whole_is_not_recorded_at_all(
    db: Database, mapping: ScimMapping, employ: Callable[..., None]
) -> None:
    employ("A")
    if db.engine != "sqlite":
        pytest.skip("the trigger that fails is written for SQLite")
    lease, book = taken(db), Ledger(db, TARGET, "run-1")
    intend(book, lease, due(book, mapping))
    db.execute("CREATE TRIGGER provisioning.keep BEFORE DELETE ON intents BEGIN SELECT RAISE(ABORT, 'kept'); END")
    with pytest.raises(DatabaseError):
        book.record_accepted(["A"])
    assert (count(db, "ledger"), count(db, "intents")) == (0, 1)


def test_an_acceptance_heard_twice_changes_nothing_more(
    db: Database, mapping: ScimMapping, employ: Callable[..., None]
) -> None:
    employ("A")
    lease, book = taken(db), Ledger(db, TARGET, "run-1")
    intend(book, lease, due(book, mapping))
    book.record_accepted(["A"])
    before = list(db.select("SELECT * FROM provisioning.ledger", (), "t"))
    book.record_accepted(["A"])
    assert list(db.select("SELECT * FROM provisioning.ledger", (), "t")) == before


def test_a_young_intent_of_another_run_makes_nobody_due_twice(
    db: Database, mapping: ScimMapping, employ: Callable[..., None]
) -> None:
    employ("A")
    lease, dead, book = taken(db), Ledger(db, TARGET, "run-1"), Ledger(db, TARGET, "run-2")
    intend(dead, lease, due(dead, mapping))
    intend(book, lease, due(book, mapping))
    book.record_accepted(["A"])
    for job in (Job.CREATE, Job.UPDATE, Job.RECONCILE):
        assert due(book, mapping, job) == []
    assert count(db, "intents") == 1


def test_an_intent_is_taken_for_sent_by_every_job(
    db: Database, mapping: ScimMapping, employ: Callable[..., None]
) -> None:
    employ("A")
    lease, dead, book = taken(db), Ledger(db, TARGET, "run-1"), Ledger(db, TARGET, "run-2")
    intend(dead, lease, due(dead, mapping))
    for job in (Job.CREATE, Job.UPDATE, Job.RECONCILE, Job.RESEND):
        assert [d.user.employee_id for d in due(book, mapping, job)] == ["A"]


def test_a_manager_is_known_once_she_was_accepted(
    db: Database, mapping: ScimMapping, employ: Callable[..., None]
) -> None:
    employ("M", "R")
    lease, book = taken(db), Ledger(db, TARGET, "run-1")
    manager, report = due(book, mapping)
    assert (manager.user.employee_id, report.person.manager_sent) == ("M", False)
    book.write_intents([Intended(report, {}, False)], lease)
    book.record_accepted(["R"])
    assert due(book, mapping, Job.RECONCILE) == []
    intend(book, lease, [manager])
    book.record_accepted(["M"])
    assert [d.user.employee_id for d in due(book, mapping, Job.RECONCILE)] == ["R"]
    assert due(book, mapping, Job.UPDATE) == []


def test_an_answer_to_one_force_does_not_answer_the_next(
    db: Database, mapping: ScimMapping, employ: Callable[..., None]
) -> None:
    employ("A")
    lease, book = taken(db), Ledger(db, TARGET, "run-1")
    book.force("A")
    intend(book, lease, due(book, mapping))
    second = book.force("A")  # asked for again while the request is under way
    book.record_accepted(["A"])
    assert book.forced() == [("A", second)]
    intend(book, lease, due(book, mapping))
    book.record_accepted(["A"])
    assert book.forced() == []


def test_who_vanished_from_the_view_while_active_is_told(
    db: Database, mapping: ScimMapping, employ: Callable[..., None]
) -> None:
    employ("A", "B")
    lease, book = taken(db), Ledger(db, TARGET, "run-1")
    intend(book, lease, due(book, mapping))
    book.record_accepted(["A", "B"])
    assert book.vanished() == []
    db.execute("DELETE FROM dbo.Employees WHERE EmployeeId = 'A'")
    assert book.vanished() == ["A"]
    assert Ledger(db, "another/job", "run-1").vanished() == []


def test_who_was_perhaps_sent_and_vanished_is_told_and_a_leaver_is_not(
    db: Database, mapping: ScimMapping, employ: Callable[..., None]
) -> None:
    employ("A", "B")
    lease, book = taken(db), Ledger(db, TARGET, "run-1")
    intend(book, lease, due(book, mapping))
    book.record_accepted(["B"])
    db.execute("UPDATE dbo.Employees SET Active = 0 WHERE EmployeeId = 'B'")
    intend(book, lease, [d for d in due(book, mapping, Job.UPDATE) if d.user.employee_id == "B"])
    book.record_accepted(["B"])
    db.execute("DELETE FROM dbo.Employees")
    assert book.vanished() == ["A"]


def test_who_is_spelled_otherwise_has_not_vanished(
    db: Database, mapping: ScimMapping, employ: Callable[..., None]
) -> None:
    employ("Abc")
    lease, book = taken(db), Ledger(db, TARGET, "run-1")
    intend(book, lease, due(book, mapping))
    book.record_accepted(["Abc"])
    db.execute("UPDATE dbo.Employees SET EmployeeId = 'aBC'")
    assert book.vanished() == []


def test_only_the_token_that_was_answered_is_taken_back(db: Database) -> None:
    book = Ledger(db, TARGET, "run-1")
    first = book.force("A")
    second = book.force("A")
    book.force("B")
    book.unforce([first])
    assert [i for i, _ in book.forced()] == ["A", "B"]
    book.unforce([second])
    assert [i for i, _ in book.forced()] == ["B"]


def test_the_longest_waiting_of_the_forced_comes_first(db: Database) -> None:
    book = Ledger(db, TARGET, "run-1")
    for one in ("C", "A", "B"):
        book.force(one)
    db.execute("UPDATE provisioning.forced SET requested_at = '2000-01-01 00:00:00.0000000' WHERE employee_id = 'B'")
    assert book.forced()[0][0] == "B"


def test_a_refusal_is_remembered_until_she_is_accepted(
    db: Database, mapping: ScimMapping, employ: Callable[..., None]
) -> None:
    employ("A")
    lease, book = taken(db), Ledger(db, TARGET, "run-1")
    (one,) = due(book, mapping)
    book.record_refused("A", one.user.hash, "x" * 900)
    assert due(book, mapping) == []
    db.execute("UPDATE dbo.Employees SET Title = 'Mended' WHERE EmployeeId = 'A'")
    intend(book, lease, due(book, mapping))
    book.record_accepted(["A"])
    assert count(db, "refused") == 0


# --- looking people up --------------------------------------------------------------------------------------------


def test_people_are_found_by_id_without_case_and_by_user_name(
    db: Database, mapping: ScimMapping, employ: Callable[..., None]
) -> None:
    employ("Abc", "B")
    book = Ledger(db, TARGET, "run-1")
    assert (book.find("aBC"), book.find("nobody")) == ("Abc", None)
    assert [p.employee_id for p in book.people_of(mapping, ["B"])] == ["B"]
    one = next(d for d in due(book, mapping) if d.user.employee_id == "Abc")
    one = replace(one, user=replace(one.user, user_name="aBC"))
    assert [p.employee_id for p in book.namesakes(mapping, [one])] == ["Abc"]
    assert book.namesakes(mapping, [replace(one, user=replace(one.user, active=False))]) == []


def test_people_asked_for_by_id_are_looked_up_before_anything_is_joined_to_them(
    db: Database, mapping: ScimMapping, employ: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a server may join everybody, for each request of 50."""
    employ("A", "B")
    asked: dict[str, tuple[str, Any]] = {}
    select = type(db).select

    def noted(self: Database, sql: str, parameters: Any, name: str) -> Any:
        asked[name] = sql, parameters
        return select(self, sql, parameters, name)

    monkeypatch.setattr(type(db), "select", noted)
    assert len(Ledger(db, TARGET, "run-1").people_of(mapping, ["B"])) == 1
    sql, parameters = asked["people"]
    assert sql.index("json_each" if db.engine == "sqlite" else "OPENJSON") < sql.index("LEFT JOIN")
    if db.engine == "sqlite":
        steps = [str(row[3]) for row in db.select(f"EXPLAIN QUERY PLAN {sql}", parameters, "plan")]
        assert {f"SEARCH {table} " for table in "elu"} <= {step[:9] for step in steps}
        assert not {f"SCAN {table}" for table in "elu"} & {step[:6] for step in steps}


@pytest.mark.parametrize(
    ("change", "seen"),
    [("Title = 'x'", False), ("ModifiedDateTime = NULL", True), ("ModifiedDateTime = '2026-02-02 00:00:00'", True)],
)
def test_narrowed_by_modified_only_who_may_differ_is_read(
    db: Database, mapping: ScimMapping, employ: Callable[..., None], change: str, seen: bool
) -> None:
    employ("A")
    db.execute("UPDATE dbo.Employees SET ModifiedDateTime = '2026-01-01 10:11:12.1234567'")
    lease, book = taken(db), Ledger(db, TARGET, "run-1")
    intend(book, lease, due(book, mapping))
    book.record_accepted(["A"])
    db.execute(f"UPDATE dbo.Employees SET {change}")
    found = list(book.people(mapping, "where_modified", *ledger.modified_parameters(db.utc_now())))
    assert bool(found) is seen


# --- the calls ----------------------------------------------------------------------------------------------------


def test_calls_are_counted_up_to_the_days_limit_over_all_targets(db: Database) -> None:
    lease = taken(db)
    books = [Ledger(db, TARGET, "run-1"), Ledger(db, "another/job", "run-1")]
    assert [book.count_call(lease, 30, 3) for book in books * 2] == [True, True, True, False]
    used = books[0].calls_used()
    assert (used.used_today, used.window_full) == (3, False)
    assert 86_000 < used.free_in <= 86_400


def test_calls_of_yesterday_are_free_again_and_forgotten_later(db: Database) -> None:
    lease, book = taken(db), Ledger(db, TARGET, "run-1")
    assert book.count_call(lease, 30, 1)
    db.execute(
        "UPDATE provisioning.calls SET called_at = DATEADD(day, -1, called_at)"
        if db.engine != "sqlite"
        else "UPDATE provisioning.calls SET called_at = DATEADD('second', -86401, called_at)"
    )
    assert book.count_call(lease, 30, 1)
    book.purge(90)
    assert count(db, "calls") == 2


def test_never_more_than_38_calls_in_5_seconds(db: Database) -> None:
    lease, book = taken(db), Ledger(db, TARGET, "run-1")
    counted = sum(book.count_call(lease, 30, 2000) for _ in range(45))
    assert counted == ledger.WINDOW_LIMIT or db.engine != "sqlite"  # a slow server may take longer than the window
    assert counted <= 45


def test_the_window_of_5_seconds_slides(clock: MovedClock, sqlite_string: str) -> None:
    with database.connect(sqlite_string, clock) as db:
        lease, book = taken(db), Ledger(db, TARGET, "run-1")
        for _ in range(ledger.WINDOW_LIMIT):
            assert book.count_call(lease, 30, 2000)
        assert not book.count_call(lease, 30, 2000)
        assert book.calls_used().window_full
        clock.move(seconds=5.1)
        assert book.count_call(lease, 30, 2000)
        assert not book.calls_used().window_full


def test_a_call_that_is_not_allowed_is_not_counted(db: Database) -> None:
    lease, book = taken(db), Ledger(db, TARGET, "run-1")
    assert [book.count_call(lease, 30, 1) for _ in range(3)] == [True, False, False]
    assert book.calls_used().used_today == 1
