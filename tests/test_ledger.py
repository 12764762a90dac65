"""What was sent and who may send, on both engines."""

from collections.abc import Callable

import pytest

from provisioning import ledger, plan, scim
from provisioning.database import Database
from provisioning.ledger import Lease, Ledger
from provisioning.plan import Due, Job
from provisioning.scim import ScimMapping
from provisioning.settings import Settings
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
    return book.write_intents([(d, "[é]", True) for d in people], lease)


def count(db: Database, table: str) -> int:
    ((found,),) = db.select(f"SELECT COUNT(*) FROM provisioning.{table}", (), "count")
    return int(found)


def expire(db: Database) -> None:
    db.execute("UPDATE provisioning.leases SET expires_at = '2000-01-01 00:00:00.0000000'")


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
    assert (sent[0], bool(sent[1])) == ("[é]", True)
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


def test_a_manager_is_known_once_she_was_accepted(
    db: Database, mapping: ScimMapping, employ: Callable[..., None]
) -> None:
    employ("M", "R")
    lease, book = taken(db), Ledger(db, TARGET, "run-1")
    manager, report = due(book, mapping)
    assert (manager.user.employee_id, report.person.manager_sent) == ("M", False)
    book.write_intents([(report, "{}", False)], lease)
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
    assert [p.employee_id for p in book.namesakes(mapping, ["abc"])] == ["Abc"]


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
    book.purge_calls()
    assert count(db, "calls") == 2


def test_never_more_than_38_calls_in_5_seconds(db: Database) -> None:
    lease, book = taken(db), Ledger(db, TARGET, "run-1")
    counted = sum(book.count_call(lease, 30, 2000) for _ in range(45))
    assert counted == ledger.WINDOW_LIMIT or db.engine != "sqlite"  # a slow server may take longer than the window
    assert counted <= 45
