"""User names given before people are created: unique, kept, changed only when asked. On both engines."""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from provisioning import __main__ as command_line
from provisioning import aftermath, database, erasure, jobs, name_book, naming, person, printed, renaming, review
from provisioning.database import Database
from provisioning.errors import (
    DatabaseError,
    MalformedId,
    NotRenamable,
    NotSendable,
    SettingsError,
    UnknownEmployee,
    WrongUsage,
)
from provisioning.jobs import Selection
from provisioning.people import Person
from provisioning.settings import Settings
from provisioning.user_names import ALL_TAKEN, NO_LETTERS, Given, Taken
from tests import bench_names
from tests.clock import MovedClock
from tests.conftest import approve_all, edit, employ, finish
from tests.emulators.graph import GraphEmulator
from tests.emulators.tenant import USERS_ROLE
from tests.test_review import mapping_with

ADA = "Ada Operator"
ON = {
    "USER_NAME_PATTERNS": "{given}.{family}, {given:1}{family}, {given}.{family}{n}",
    "USER_NAME_DOMAIN": "contoso.com",
    "USER_NAME_LETTERS": "de",
}
ALIAS = 'emails[type eq "other"].value'

Change = Callable[..., Settings]


@pytest.fixture
def named(change: Change) -> Settings:
    """User names are given."""
    return change(**ON)


@pytest.fixture
def moved(connection_string: str, clock: MovedClock) -> MovedClock:
    """The clock, for tests that move it."""
    if not connection_string.startswith("sqlite:"):
        pytest.skip("the server's own clock cannot be moved")
    return clock


def hire(db: Database, employee_id: str, given: str | None = "Anna", family: str | None = "Groß", **cells: Any) -> None:
    employ(db, employee_id, Name_FirstName=given, Name_LastName=family, **cells)


def account(db: Database, employee_id: str, user_name: str, day: int = 1) -> None:
    """Entra has told of an account, to another app of the tenant."""
    columns = "EmployeeId, Target, UserPrincipalName, Outcome, OutcomeAt"
    values = (employee_id, "another/app", user_name, "success", f"2026-01-0{day} 00:00:00")
    db.execute(f"INSERT INTO dbo.EmployeeAccounts ({columns}) VALUES (?, ?, ?, ?, ?)", values)


def book(db: Database) -> dict[str, str]:
    """EmployeeId → user name, of whoever holds one."""
    query = "SELECT EmployeeId, UserName FROM dbo.UserNames WHERE HeldBy = EmployeeId"
    return {str(row[0]): str(row[1]) for row in db.select(query, (), "t")}


def rows(db: Database) -> int:
    ((count,),) = db.select("SELECT COUNT(*) FROM dbo.UserNames", (), "t")
    return int(count)


def names(graph: GraphEmulator) -> dict[str, str]:
    """What the directory calls people."""
    return {i: str(user["userName"]) for i, user in graph.directory().users.items()}


def trail(settings: Settings, clock: MovedClock, employee_id: str) -> list[tuple[str, str | None]]:
    found = person.show(settings, employee_id, clock=clock).answer["trail"]
    return [(step["kind"], step.get("by")) for step in found if step["kind"] not in ("sent", "outcome")]


# --- given before people are created ------------------------------------------------------------------------------


def test_people_of_one_name_are_created_under_names_of_their_own_and_keep_them(
    named: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    for employee_id in ("E1", "E2", "E3", "E4"):
        hire(db, employee_id)
    report = jobs.create(named, Selection(limit=9), clock=clock)
    assert "4 user names given" in report.notes
    assert names(graph) == {
        "E1": "anna.gross@contoso.com",
        "E2": "agross@contoso.com",
        "E3": "anna.gross2@contoso.com",
        "E4": "anna.gross3@contoso.com",
    }
    assert book(db) == names(graph)
    nicknames = sorted(str(row[0]) for row in db.select("SELECT MailNickname FROM dbo.UserNames", (), "t"))
    assert nicknames == ["agross", "anna.gross", "anna.gross2", "anna.gross3"]
    hire(db, "E0")
    edit(db, "E1", Name_LastName="Berg")
    counts = [finish(job, named, clock)["sent"] for job in (jobs.update, jobs.create, jobs.update)]
    assert counts == [1, 1, 0]
    assert names(graph)["E1"] == "anna.gross@contoso.com"
    assert names(graph)["E0"] == "anna.gross4@contoso.com"


def test_switched_off_the_employee_id_is_sent_as_ever(
    settings: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    hire(db, "E1")
    finish(jobs.create, settings, clock)
    assert (names(graph), rows(db)) == ({"E1": "E1"}, 0)


def test_switched_on_later_whoever_was_sent_keeps_what_she_has(
    settings: Settings, named: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    hire(db, "E1")
    finish(jobs.create, settings, clock)
    hire(db, "E2")
    finish(jobs.create, named, clock)
    assert finish(jobs.reconcile, named, clock)["sent"] == 0
    assert names(graph) == {"E1": "E1", "E2": "anna.gross@contoso.com"}


def test_a_name_that_somebody_was_sent_under_without_the_table_is_taken(
    settings: Settings, named: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    """As where the view has HR's address as userName: else both would be parked, who was there before as well."""
    dbo = "" if db.engine == "sqlite" else "dbo."
    db.execute("DROP VIEW dbo.ScimUsers")
    db.execute(
        "CREATE VIEW dbo.ScimUsers AS SELECT e.EmployeeId, e.EmployeeId AS 'externalId', e.Active AS 'active', "
        "COALESCE(u.UserName, e.Email) AS 'userName', e.Title AS 'title', e.Name_FirstName AS 'name.givenName', "
        f"e.Name_LastName AS 'name.familyName' FROM {dbo}Employees AS e "
        f"LEFT JOIN {dbo}UserNames AS u ON u.HeldBy = e.EmployeeId"
    )
    hire(db, "E1", Email="Anna.Gross@contoso.com")
    finish(jobs.create, settings, clock)
    hire(db, "E2", Email=None)
    finish(jobs.create, named, clock)
    edit(db, "E1", Title="Chief")
    assert finish(jobs.update, named, clock)["sent"] == 1
    assert names(graph) == {"E1": "Anna.Gross@contoso.com", "E2": "agross@contoso.com"}


def test_only_who_would_be_created_gets_a_name(named: Settings, clock: MovedClock, db: Database) -> None:
    hire(db, "OUT", OrganizationId=None)
    hire(db, "ENDED", Active=0)
    hire(db, "OVER", ValidTo="2026-11-01")
    hire(db, "EARLY", ValidFrom="2027-02-01")
    hire(db, "SOON", ValidFrom="2026-11-25")
    finish(jobs.create, named, clock)
    assert list(book(db)) == ["SOON"]


def test_whoever_starts_first_is_the_first_to_choose(named: Settings, clock: MovedClock, db: Database) -> None:
    hire(db, "E1", ValidFrom="2026-11-25")
    hire(db, "E2", ValidFrom="2026-11-24")
    finish(jobs.create, named, clock)
    assert book(db) == {"E1": "agross@contoso.com", "E2": "anna.gross@contoso.com"}


def test_who_is_held_has_her_name_already_and_goes_under_it_when_approved(
    change: Change, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    guarded = change(**ON, MAX_CREATES="20%")
    hire(db, "E2")
    hire(db, "E1")
    assert jobs.create(guarded, clock=clock).counts["held"] == 2
    given = book(db)
    assert approve_all(guarded, clock) == ["first_load"]
    jobs.create(guarded, clock=clock)
    assert names(graph) == given == {"E1": "anna.gross@contoso.com", "E2": "agross@contoso.com"}


def test_a_run_that_ends_between_naming_and_sending_wastes_no_name(
    named: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    hire(db, "E1")
    for _ in range(8):
        graph.fail_next(503, {}, b"")
    assert finish(jobs.create, named, clock)["deferred"] == 1
    given = book(db)
    finish(jobs.create, named, clock)
    assert (names(graph), rows(db)) == (given, 1)


def test_who_can_get_no_name_is_parked_and_never_goes_under_her_employee_id(
    change: Change, named: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    hire(db, "E1", "Anna", None)
    hire(db, "E2", "Bo", "Berg")
    report = jobs.create(named, Selection(limit=9), clock=clock)
    assert (report.counts["sent"], report.counts["parked"]) == (1, 1)
    assert f"parked E1: {NO_LETTERS}" in report.notes
    with pytest.raises(NotSendable, match="no user name"):
        jobs.resync(named, "E1", refresh=False, clock=clock)
    shown = person.show(named, "E1", clock=clock).answer
    assert (shown["state"], shown["reasons"]) == ("parked", [NO_LETTERS])
    one_pattern = change(**{**ON, "USER_NAME_PATTERNS": "{family}"})
    edit(db, "E1", Name_LastName="Berg")
    hire(db, "E3", "Cy", "Berg")
    assert f"parked E3: {ALL_TAKEN}" in jobs.create(one_pattern, clock=clock).notes
    assert set(names(graph)) == {"E1", "E2"}
    assert "E1" not in names(graph).values()


def test_the_employee_id_is_a_name_where_a_pattern_says_so(
    change: Change, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    hire(db, "E1", None, None)
    hire(db, "e2", None, None)
    hire(db, "E3")
    finish(jobs.create, change(USER_NAME_PATTERNS="{given}.{family}, {id}"), clock)
    assert names(graph) == {"E1": "e1", "e2": "e2", "E3": "anna.gross"}


def test_a_mapping_that_reads_no_names_creates_nobody_and_says_so(
    named: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    mapping_with(db, "e.Name_FirstName AS 'name.givenName'", "e.Name_LastName AS 'name.familyName'")
    hire(db, "E1")
    report = jobs.create(named, clock=clock)
    assert report.counts["parked"] == 1
    assert any("let it read dbo.UserNames, see docs/user-names.md" in note for note in report.notes)
    assert names(graph) == {}


def test_a_mapping_that_shows_null_without_a_name_works_as_well(
    named: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    dbo = "" if db.engine == "sqlite" else "dbo."
    db.execute("DROP VIEW dbo.ScimUsers")
    db.execute(
        "CREATE VIEW dbo.ScimUsers AS SELECT e.EmployeeId, e.EmployeeId AS 'externalId', u.UserName AS 'userName', "
        "e.Active AS 'active', e.Name_FirstName AS 'name.givenName', e.Name_LastName AS 'name.familyName' "
        f"FROM {dbo}Employees AS e LEFT JOIN {dbo}UserNames AS u ON u.HeldBy = e.EmployeeId"
    )
    hire(db, "E1")
    finish(jobs.create, named, clock)
    assert names(graph) == {"E1": "anna.gross@contoso.com"}


def test_a_resync_of_a_joiner_gives_a_name_also_before_she_is_due(
    named: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    hire(db, "BOSS", "Bo", "Berg")
    finish(jobs.create, named, clock)
    hire(db, "EARLY", ValidFrom="2027-02-01")
    assert jobs.resync(named, "EARLY", refresh=False, clock=clock).answer["status"] == "accepted"
    assert names(graph)["EARLY"] == "anna.gross@contoso.com"
    hire(db, "GONE", Active=0)
    with pytest.raises(NotSendable, match="never sent"):
        jobs.resync(named, "GONE", refresh=False, clock=clock)
    assert "GONE" not in book(db)


def test_a_resync_before_the_first_load_holds_the_others_under_their_names(
    change: Change, clock: MovedClock, db: Database
) -> None:
    guarded = change(**ON, MAX_CREATES="20%")
    hire(db, "E1")
    hire(db, "E2")
    jobs.resync(guarded, "E2", refresh=False, clock=clock)
    (hold,) = review.waiting(guarded, clock=clock)
    jobs.create(guarded, clock=clock)
    (again,) = review.waiting(guarded, clock=clock)
    assert (again.hold_id, sorted(again.people)) == (hold.hold_id, ["E1"])


def test_joiners_wait_under_their_names_in_a_hold_of_the_mapping_whichever_run_finds_it(
    named: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    hire(db, "E1")
    finish(jobs.create, named, clock)
    dbo = "" if db.engine == "sqlite" else "dbo."
    db.execute("DROP VIEW dbo.ScimUsers")
    db.execute(
        "CREATE VIEW dbo.ScimUsers AS SELECT e.EmployeeId, e.EmployeeId AS 'externalId', "
        "COALESCE(u.UserName, e.EmployeeId) AS 'userName', e.Active AS 'active', e.Title AS 'title', "
        "e.Name_FirstName AS 'name.givenName', e.Name_LastName AS 'name.familyName' "
        f"FROM {dbo}Employees AS e LEFT JOIN {dbo}UserNames AS u ON u.HeldBy = e.EmployeeId"
    )
    hire(db, "E2")
    jobs.update(named, clock=clock)
    (hold,) = review.waiting(named, clock=clock)
    assert sorted(hold.people) == ["E1", "E2"]
    approve_all(named, clock)
    finish(jobs.create, named, clock)
    assert names(graph)["E2"] == "agross@contoso.com"


def test_a_name_that_entra_has_told_is_taken(named: Settings, clock: MovedClock, db: Database) -> None:
    account(db, "X9", "Anna.Gross@contoso.com")
    hire(db, "E1")
    finish(jobs.create, named, clock)
    assert book(db) == {"E1": "agross@contoso.com"}


def test_moved_to_another_app_of_the_tenant_people_keep_the_names_of_their_accounts(
    environ: dict[str, str], graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    """They were sent to the test app before names were given."""
    hire(db, "E1")
    test_app = Settings.from_environ(environ)
    finish(jobs.create, test_app, clock)
    account(db, "E1", "Nan@contoso.com")
    hire(db, "E2", "Nan", "Nan")
    production = {**environ, **ON, "USER_NAME_PATTERNS": "{given}, {given}{n}"}
    production["GRAPH_BULK_UPLOAD_URL"] = graph.add_job("production", "job")
    finish(jobs.create, Settings.from_environ(production), clock)
    assert book(db) == {"E1": "Nan@contoso.com", "E2": "nan2@contoso.com"}


@pytest.mark.parametrize(
    ("domain", "given"),
    [
        ("contoso.com", {"E1": "Anna@contoso.com", "E2": "anna@contoso.de", "E3": "anna.gross@contoso.com"}),
        ("", {"E1": "anna.gross", "E2": "anna", "E3": "agross"}),
    ],
)
def test_accounts_of_one_name_in_two_domains_or_told_of_two_people_stop_nobody(
    domain: str, given: dict[str, str], change: Change, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    """Where no domain is given, names that differ in it alone are one; and whose account it was told last keeps it."""
    accounts = {"E1": ("Anna@contoso.com", 2), "E2": ("anna@contoso.de", 3), "E3": ("anna@contoso.com", 1)}
    for employee_id, (user_name, day) in accounts.items():
        hire(db, employee_id)
        account(db, employee_id, user_name, day)
    finish(jobs.create, change(**{**ON, "USER_NAME_DOMAIN": domain}), clock)
    assert book(db) == names(graph) == given


def test_the_name_of_an_account_that_is_longer_than_any_that_is_given_is_not_taken_over(
    named: Settings, clock: MovedClock, db: Database
) -> None:
    hire(db, "E1")
    account(db, "E1", f"{'x' * 60}_partner.example#EXT#@{'y' * 60}.example")
    finish(jobs.create, named, clock)
    assert book(db) == {"E1": "anna.gross@contoso.com"}


def test_before_a_first_load_it_is_told_that_accounts_would_be_renamed(
    named: Settings, clock: MovedClock, db: Database
) -> None:
    hire(db, "E1")
    assert naming.RENAMES in review.foresee(named, clock=clock).notes
    assert naming.RENAMES in jobs.create(named, Selection(limit=1), clock=clock).notes
    hire(db, "E2")
    assert naming.RENAMES not in review.foresee(named, clock=clock).notes


def test_somebody_disabled_by_hand_or_forgotten_gets_no_name(named: Settings, clock: MovedClock, db: Database) -> None:
    from provisioning import by_hand, tombstones  # noqa: PLC0415

    hire(db, "E1")
    hire(db, "E2", "Bo", "Berg")
    by_hand.disable(named, "E1", ADA, clock=clock)
    tombstones.add(db, "E2")
    assert finish(jobs.create, named, clock)["parked"] == 2
    assert rows(db) == 0


def test_a_person_who_is_there_twice_gets_no_name(named: Settings, clock: MovedClock, db: Database) -> None:
    dbo = "" if db.engine == "sqlite" else "dbo."
    one = (
        "SELECT e.EmployeeId, e.EmployeeId AS 'externalId', COALESCE(u.UserName, e.EmployeeId) AS 'userName', "
        "e.Active AS 'active', e.Name_FirstName AS 'name.givenName', e.Name_LastName AS 'name.familyName' "
        f"FROM {dbo}Employees AS e LEFT JOIN {dbo}UserNames AS u ON u.HeldBy = e.EmployeeId"
    )
    db.execute("DROP VIEW dbo.ScimUsers")
    db.execute(f"CREATE VIEW dbo.ScimUsers AS {one} UNION ALL {one}")
    hire(db, "E1")
    assert finish(jobs.create, named, clock)["parked"] == 1
    assert rows(db) == 0


# --- two runs meet ------------------------------------------------------------------------------------------------


def test_a_name_that_another_run_gives_at_the_same_moment_is_given_once(
    named: Settings, graph: GraphEmulator, clock: MovedClock, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run has read which names are taken when another gives some of them, and E3 hers."""
    for employee_id in ("E1", "E2", "E3"):
        hire(db, employee_id)
    read, others = name_book.taken, [Given("X1", "anna.gross@contoso.com", "anna.gross")]
    others.append(Given("E3", "third@contoso.com", "third"))

    def meanwhile(opened: Database) -> Taken:
        found = read(opened)
        if others:
            assert name_book.give(opened, [others.pop() for _ in range(len(others))]) == 2
        return found

    monkeypatch.setattr(name_book, "taken", meanwhile)
    finish(jobs.create, named, clock)
    assert names(graph) == {"E1": "anna.gross3@contoso.com", "E2": "agross@contoso.com", "E3": "third@contoso.com"} or (
        names(graph) == {"E1": "anna.gross2@contoso.com", "E2": "agross@contoso.com", "E3": "third@contoso.com"}
    )


def test_who_is_always_beaten_to_it_waits_for_the_next_run(
    named: Settings, clock: MovedClock, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    hire(db, "E1")
    with monkeypatch.context() as patched:
        patched.setattr(name_book, "give", lambda db, given, former=None: 0)
        assert f"parked E1: {naming.RACED}" in jobs.create(named, clock=clock).notes
    assert finish(jobs.create, named, clock)["sent"] == 1


@pytest.mark.parametrize("statement", range(1, 9))
def test_wherever_a_run_breaks_off_while_it_gives_names_the_next_one_goes_on(
    named: Settings,
    graph: GraphEmulator,
    clock: MovedClock,
    db: Database,
    monkeypatch: pytest.MonkeyPatch,
    statement: int,
) -> None:
    for employee_id in ("E1", "E2", "E3"):
        hire(db, employee_id)
    with monkeypatch.context() as patched:
        given, left = naming._give, [statement]

        def broken_off(self: Database, name: str, *parameters: Any, **identifiers: str) -> Any:
            left[0] -= 1
            if not left[0]:
                raise DatabaseError("the plug was pulled")
            return found(self, name, *parameters, **identifiers)

        def while_giving(*arguments: Any) -> int:
            patched.setattr(Database, "run", broken_off)
            return given(*arguments)

        found = Database.run
        patched.setattr(naming, "_give", while_giving)
        patched.setattr(database, "ROWS_A_STATEMENT", 1)
        with suppress(DatabaseError):
            jobs.create(named, Selection(limit=9), clock=clock)
    before = book(db)
    finish(jobs.create, named, clock)
    finish(jobs.reconcile, named, clock)
    assert before.items() <= book(db).items()
    assert names(graph) == book(db)
    assert sorted(book(db)) == ["E1", "E2", "E3"]


@pytest.mark.parametrize("second", [("X2", "anna.gross"), ("E1", "other")])
def test_the_database_itself_gives_no_name_and_no_person_a_second_one(db: Database, second: tuple[str, str]) -> None:
    assert name_book.give(db, [Given("E1", "anna.gross@contoso.com", "anna.gross")]) == 1
    assert name_book.give(db, [Given(second[0], f"{second[1]}@contoso.com", second[1])]) == 0
    columns = "EmployeeId, UserName, MailNickname, GivenAt, NameKey, HeldBy"
    with pytest.raises(DatabaseError):
        db.execute(
            f"INSERT INTO dbo.UserNames ({columns}) VALUES (?, 'x', 'x', '2026-01-01', ?, ?)",
            (second[0], second[1].upper(), second[0].lower()),
        )


def test_two_processes_at_once_give_no_name_twice_to_people_of_13_scripts(tmp_path: Path) -> None:
    """The same with 100,000: python -m tests.bench_names."""
    text = bench_names.company(tmp_path, 900)
    each = bench_names.at_once(text)
    found = bench_names.names(text)
    assert (sum(each), bench_names.wrong(found, 900)) == (900, [])
    assert (bench_names.give(text), bench_names.names(text)) == (0, found)


# --- what would be given ------------------------------------------------------------------------------------------


def test_a_plan_shows_the_names_that_would_be_given_and_gives_none(
    named: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    hire(db, "E1")
    hire(db, "E2")
    answer = review.foresee(named, clock=clock).answer
    shown = {one["employee_id"]: one["attributes"]["userName"] for one in answer["people"]}
    assert shown["E2"] == {"old": None, "new": "agross@contoso.com", "to_be_given": True}
    assert (answer["user_names"], rows(db)) == (2, 0)
    finish(jobs.create, named, clock)
    assert names(graph) == {i: name["new"] for i, name in shown.items()}
    assert review.foresee(named, clock=clock).answer["user_names"] == 0


def test_a_printed_plan_says_how_many_and_with_diff_which(named: Settings, clock: MovedClock, db: Database) -> None:
    hire(db, "E1")
    report = review.foresee(named, clock=clock)
    plain = "\n".join(printed.plan_lines(report.answer, report.counts))
    assert "1 held, 1 user name to be given" in plain
    assert "anna" not in plain
    lines = printed.plan_lines(report.answer, report.counts, diff=True)
    assert any(re.search(r'userName +"anna.gross@contoso.com" \(to be given\)', line) for line in lines)


def test_a_plan_of_updates_alone_gives_no_names(named: Settings, clock: MovedClock, db: Database) -> None:
    hire(db, "E1")
    answer = review.foresee(named, review.Job.UPDATE, clock=clock).answer
    assert (answer["people"], answer["parked_people"]) == ([], [])


def test_a_wave_of_joiners_is_approved_in_advance_under_the_names_foreseen(
    change: Change, graph: GraphEmulator, moved: MovedClock, db: Database
) -> None:
    guarded = change(**ON, MAX_CREATES="1")
    hire(db, "BOSS", "Bo", "Berg")
    jobs.create(guarded, Selection(limit=1), clock=moved)
    many = [f"J{n:03d}" for n in range(201)]
    for employee_id in many:
        hire(db, employee_id, ValidFrom="2026-12-10")
    answer = review.foresee(guarded, on=datetime(2026, 12, 3, tzinfo=UTC).date(), clock=moved).answer
    (hold,) = answer["holds"]
    assert (hold["class"], hold["count"], len(book(db))) == ("creates", 201, 1)
    approved = review.approve(guarded, hold["hold_id"], ADA, clock=moved)
    assert (approved.answer["covers"], approved.answer["changed"]) == (201, 0)
    moved.move(days=11)
    assert jobs.create(guarded, clock=moved).counts["sent"] == 201
    assert names(graph)["J000"] == "anna.gross@contoso.com"


def test_one_person_is_shown_with_the_name_she_would_get(named: Settings, clock: MovedClock, db: Database) -> None:
    hire(db, "EARLY", ValidFrom="2027-02-01")
    shown = person.show(named, "EARLY", clock=clock).answer
    assert shown["payload"]["userName"] == shown["mapping"]["userName"] == "anna.gross@contoso.com"
    assert (shown["state"], shown["user_names"], rows(db)) == ("not yet due", [], 0)


def test_one_person_is_shown_with_the_names_that_she_has_and_had(
    anna: Settings, clock: MovedClock, db: Database
) -> None:
    renaming.rename(anna, "E1", ADA, clock=clock)
    shown = person.show(anna, "E1", clock=clock).answer
    assert [(one["user_name"], one["released_at"] is None) for one in shown["user_names"]] == [
        ("anna.berg@contoso.com", True),
        ("anna.gross@contoso.com", False),
    ]
    assert any("anna.gross@contoso.com  anna.gross  since" in line for line in printed.person_lines(shown))
    hidden = person.without_values(shown)["user_names"]
    assert [sorted(one) for one in hidden] == [["given_at", "released_at"]] * 2


def test_whose_two_rows_are_shown_with_a_name_keeps_both() -> None:
    """Of two HR systems, one of which lacks her: which row speaks for her is for the plan to say."""
    rows = [Person("E1", (n,)) for n in range(2)]
    named = [Person("e1", (n, "name")) for n in range(2)]
    other = Person("E2", (9,))
    assert list(naming.with_names([rows[0], other, rows[1]], {"e1": named})) == [*named, other]


def test_who_has_no_name_yet_is_counted_as_due_not_as_parked(named: Settings, clock: MovedClock, db: Database) -> None:
    hire(db, "E1")
    answer = aftermath.status(named, clock=clock).answer
    assert (answer["due"], answer["parked"]) == (1, 0)


# --- another name -------------------------------------------------------------------------------------------------


@pytest.fixture
def anna(named: Settings, clock: MovedClock, db: Database) -> Settings:
    """E1 is there as anna.gross, and her name in HR has changed since."""
    hire(db, "E1")
    finish(jobs.create, named, clock)
    edit(db, "E1", Name_LastName="Berg")
    finish(jobs.update, named, clock)
    return named


def test_asked_for_she_gets_another_name_and_keeps_the_old_one_as_an_alias(
    anna: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    report = renaming.rename(anna, "e1", ADA, clock=clock)
    changed = {"old": "anna.gross@contoso.com", "new": "anna.berg@contoso.com"}
    assert report.answer == {"employee_id": "E1", "status": "renamed", "user_name": changed}
    assert names(graph) == {"E1": "anna.gross@contoso.com"}  # the next update sends it
    assert finish(jobs.update, anna, clock)["sent"] == 1
    user = graph.directory().users["E1"]
    assert (user["userName"], user[ALIAS]) == ("anna.berg@contoso.com", "anna.gross@contoso.com")
    shown = person.show(anna, "E1", clock=clock).answer
    assert ("renamed", ADA) in [(step["kind"], step.get("by")) for step in shown["trail"]]
    assert "gross" not in json.dumps([step for step in shown["trail"] if step["kind"] == "renamed"])
    hire(db, "E2")
    finish(jobs.create, anna, clock)
    assert names(graph)["E2"] == "agross@contoso.com"  # anna.gross is the alias of E1


def test_asked_for_again_nothing_changes(anna: Settings, clock: MovedClock, db: Database) -> None:
    renaming.rename(anna, "E1", ADA, clock=clock)
    before = list(db.select("SELECT * FROM dbo.UserNames ORDER BY 1, 2", (), "t"))
    report = renaming.rename(anna, "E1", ADA, clock=clock)
    assert report.answer["status"] == "unchanged"
    assert list(db.select("SELECT * FROM dbo.UserNames ORDER BY 1, 2", (), "t")) == before
    assert trail(anna, clock, "E1") == [("renamed", ADA)]


def test_a_name_of_hers_can_be_hers_again(
    anna: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    renaming.rename(anna, "E1", ADA, clock=clock)
    edit(db, "E1", Name_LastName="Gross")
    assert renaming.rename(anna, "E1", ADA, clock=clock).answer["user_name"]["new"] == "anna.gross@contoso.com"
    finish(jobs.update, anna, clock)
    user = graph.directory().users["E1"]
    assert (user["userName"], user[ALIAS], rows(db)) == ("anna.gross@contoso.com", "anna.berg@contoso.com", 2)


def test_a_rename_of_somebody_protected_waits_for_a_word(
    anna: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    db.execute("UPDATE provisioning.ledger SET protected = 1")
    renaming.rename(anna, "E1", ADA, clock=clock)
    assert finish(jobs.update, anna, clock)["held"] == 1
    assert approve_all(anna, clock) == ["protected"]
    finish(jobs.update, anna, clock)
    assert names(graph) == {"E1": "anna.berg@contoso.com"}


def test_a_name_that_somebody_else_gets_meanwhile_is_not_hers(
    anna: Settings, clock: MovedClock, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, once = name_book.taken, [Given("X1", "anna.berg@contoso.com", "anna.berg")]

    def meanwhile(opened: Database) -> Taken:
        found = read(opened)
        if once:
            name_book.give(opened, [once.pop()])
        return found

    monkeypatch.setattr(name_book, "taken", meanwhile)
    report = renaming.rename(anna, "E1", ADA, clock=clock)
    assert report.answer["user_name"] == {"old": "anna.gross@contoso.com", "new": "aberg@contoso.com"}
    assert book(db) == {"E1": "aberg@contoso.com", "X1": "anna.berg@contoso.com"}
    assert trail(anna, clock, "E1") == [("renamed", ADA)]


def test_who_cannot_be_renamed_is_told_why(settings: Settings, anna: Settings, clock: MovedClock, db: Database) -> None:
    hire(db, "NEW", "Bo", "Berg")
    for employee_id, wrong, told in (
        ("NEW", NotRenamable, "has no user name in dbo.UserNames yet"),
        ("NOBODY", UnknownEmployee, "NOBODY"),
        ("a b", MalformedId, "An EmployeeId"),
    ):
        with pytest.raises(wrong, match=told):
            renaming.rename(anna, employee_id, ADA, clock=clock)
    with pytest.raises(WrongUsage, match="--by"):
        renaming.rename(anna, "E1", " ", clock=clock)
    with pytest.raises(SettingsError, match="USER_NAME_PATTERNS: is missing"):
        renaming.rename(settings, "E1", ADA, clock=clock)
    edit(db, "E1", Name_LastName="?")
    with pytest.raises(NotRenamable, match="makes none of her given and family name"):
        renaming.rename(anna, "E1", ADA, clock=clock)
    assert book(db) == {"E1": "anna.gross@contoso.com"}


# --- how long a name is nobody else's -----------------------------------------------------------------------------


def leave(settings: Settings, db: Database, clock: MovedClock, *ids: str) -> None:
    """They are disabled, and long gone from HR."""
    edit(db, *ids, Active=0)
    finish(jobs.update, settings, clock)
    for one in ids:
        db.run("note_absent", "Employees", "2026-01-01 00:00:00.0000000", json.dumps([one]))
    db.execute(
        "INSERT INTO provisioning.fetches (table_name, completed_at, fetched, run_id, misses_counted_at, of_people) "
        "VALUES ('Employees', '2026-11-01', 1, 'x', '2026-11-01', 1)"
    )


def test_of_who_is_forgotten_hashes_stay_and_nobody_gets_her_name(
    anna: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    renaming.rename(anna, "E1", ADA, clock=clock)
    leave(anna, db, clock, "E1")
    erasure.forget(anna, "E1", clock=clock)
    kept = [str(cell) for row in db.select("SELECT * FROM dbo.UserNames", (), "t") for cell in row]
    assert not re.search("anna|berg|gross|contoso", " ".join(kept), re.IGNORECASE)
    assert "E1" not in kept
    assert rows(db) == 2
    hire(db, "E2")
    hire(db, "E3", "Anna", "Berg")
    finish(jobs.create, anna, clock)
    assert (names(graph)["E2"], names(graph)["E3"]) == ("agross@contoso.com", "aberg@contoso.com")


def test_forgotten_and_known_again_she_gets_a_name_like_anybody_new(
    anna: Settings, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    leave(anna, db, clock, "E1")
    erasure.forget(anna, "E1", clock=clock)
    erasure.remember(anna, "E1", clock=clock)
    hire(db, "E1")
    finish(jobs.create, anna, clock)
    assert book(db) == {"E1": "agross@contoso.com"}


def test_a_leavers_name_stays_hers_and_she_comes_back_under_it(
    anna: Settings, graph: GraphEmulator, moved: MovedClock, db: Database
) -> None:
    leave(anna, db, moved, "E1")
    assert erasure.purge(anna, clock=moved).counts["purged"] == 1
    moved.move(days=9 * 365)
    hire(db, "E2")
    finish(jobs.create, anna, moved)
    assert names(graph)["E2"] == "agross@contoso.com"
    hire(db, "E1", "Anna", "Berg")
    finish(jobs.update, anna, moved)
    assert names(graph)["E1"] == "anna.gross@contoso.com"
    moved.move(days=9 * 365)  # the years count anew once she leaves again
    hire(db, "E3")
    finish(jobs.create, anna, moved)
    assert names(graph)["E3"] == "anna.gross2@contoso.com"


def test_when_the_years_are_over_a_leavers_name_is_free_again(
    anna: Settings, graph: GraphEmulator, moved: MovedClock, db: Database
) -> None:
    leave(anna, db, moved, "E1")
    erasure.purge(anna, clock=moved)
    graph.directory().delete("E1")  # as long as her account is there, Entra gives her name to nobody
    moved.move(days=10 * 365.25 + 1)
    hire(db, "E2")
    finish(jobs.create, anna, moved)
    assert names(graph)["E2"] == "anna.gross@contoso.com"
    assert list(book(db)) == ["E2"]


def test_an_alias_is_nobody_elses_as_long_as_its_holder_has_a_name(
    change: Change, anna: Settings, graph: GraphEmulator, moved: MovedClock, db: Database
) -> None:
    renaming.rename(anna, "E1", ADA, clock=moved)
    finish(jobs.update, anna, moved)
    at_once = change(**ON, USER_NAME_KEEP_YEARS="0")
    moved.move(days=1)
    hire(db, "E2")
    finish(jobs.create, at_once, moved)
    assert names(graph)["E2"] == "agross@contoso.com"
    leave(anna, db, moved, "E1")
    erasure.purge(anna, clock=moved)
    graph.directory().delete("E1")
    moved.move(days=1)
    hire(db, "E3", "Anna", "Berg")
    hire(db, "E4")
    finish(jobs.create, at_once, moved)
    assert (names(graph)["E3"], names(graph)["E4"]) == ("anna.berg@contoso.com", "anna.gross@contoso.com")


# --- names that exist ---------------------------------------------------------------------------------------------

LIST = """EmployeeId,UserPrincipalName,MailNickname
E1,Anna.Gross@Contoso.com,annag
,printer@contoso.com,
OUTSIDE,bo.berg@contoso.com,
"""


def take_over(environ: dict[str, str], path: Path, *more: str) -> int:
    return command_line.main(["take-over-names", "--from", str(path), *more], environ)


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "names.csv"
    path.write_text(LIST, encoding="utf-8")
    return path


def test_existing_names_are_taken_over_and_given_to_nobody_else(
    environ: dict[str, str],
    named: Settings,
    listed: Path,
    graph: GraphEmulator,
    clock: MovedClock,
    db: Database,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hire(db, "E1")
    assert take_over(environ, listed) == 0
    told = capsys.readouterr()
    assert json.loads(told.out) | {"run_id": 0} == {
        **{"job": "take-over-names", "run_id": 0, "applied": False},
        **{"read": 3, "taken": 3, "unchanged": 0, "conflicts": 0},
    }
    assert "nothing was written; with --apply it is" in told.err
    assert "1 EmployeeIds are not in dbo.ScimUsers; their names are kept all the same: OUTSIDE" in told.err
    assert "contoso" not in told.err.lower()
    assert rows(db) == 0
    assert take_over(environ, listed, "--apply") == 0
    assert take_over(environ, listed, "--apply") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["unchanged"] == 3
    hire(db, "E2")
    hire(db, "E3", "Annag", "X")
    hire(db, "E4", "Printer", "X")
    short = {**environ, **ON, "USER_NAME_PATTERNS": "{given}.{family}, {given}, {given}.{family}{n}, {given}{n}"}
    finish(jobs.create, Settings.from_environ({**short, "USER_NAME_PATTERNS": "{given}, {given}{n}"}), clock)
    assert names(graph) == {
        "E1": "Anna.Gross@Contoso.com",
        "E2": "anna@contoso.com",
        "E3": "annag2@contoso.com",
        "E4": "printer2@contoso.com",
    }


def test_existing_names_are_taken_over_from_the_directory_as_well(
    environ: dict[str, str],
    named: Settings,
    graph: GraphEmulator,
    clock: MovedClock,
    db: Database,
    capsys: pytest.CaptureFixture[str],
) -> None:
    graph.roles.add(USERS_ROLE)
    directory = graph.directory()
    directory.plant(
        {
            "userPrincipalName": "Old.Name@contoso.example",
            "employeeId": " E1 ",
            "mailNickname": "oldie",
            "accountEnabled": True,
        }
    )
    directory.plant({"userPrincipalName": "anna.gross@contoso.example", "employeeId": None})
    directory.plant({"userPrincipalName": "a.b@contoso.example", "employeeId": "E7"})
    directory.plant({"userPrincipalName": "a.c@contoso.example", "employeeId": "E7"})
    for employee_id in ("E1", "E2"):
        hire(db, employee_id)
    command = ["take-over-names", "--from-directory"]
    assert (command_line.main(command, environ), rows(db)) == (3, 0)
    assert command_line.main([*command, "--apply"], environ) == 3
    told = capsys.readouterr().err
    assert "conflict, E7: the list has more than one user name for this EmployeeId" in told
    assert "a.b@" not in told
    assert book(db) == {"E1": "Old.Name@contoso.example"}
    finish(jobs.create, named, clock)
    assert book(db) == {"E1": "Old.Name@contoso.example", "E2": "agross@contoso.com"}
    graph.roles.discard(USERS_ROLE)
    assert command_line.main(command, environ) == 1
    assert "User.Read.All" in capsys.readouterr().err


def test_conflicts_are_named_by_employee_id_and_the_others_are_taken_over(
    environ: dict[str, str], named: Settings, listed: Path, db: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    name_book.give(db, [Given("X1", "bo.berg@contoso.com", "bo.berg"), Given("E1", "old@contoso.com", "old")])
    assert take_over(environ, listed, "--apply") == 3
    told = capsys.readouterr()
    assert "conflict in line 2, E1: has another user name in dbo.UserNames already" in told.err
    assert "conflict in line 4, OUTSIDE: dbo.UserNames has this user name for X1" in told.err
    found = json.loads(told.out)
    assert (found["read"], found["taken"], found["conflicts"]) == (3, 1, 2)
    assert rows(db) == 3


def test_a_name_kept_for_nobody_can_become_somebodys(
    environ: dict[str, str], tmp_path: Path, listed: Path, db: Database
) -> None:
    take_over(environ, listed, "--apply")
    listed.write_text("EmployeeId,UserName\nE9,PRINTER@contoso.com\n", encoding="utf-16")
    assert take_over(environ, listed, "--apply") == 0
    assert book(db)["E9"] == "PRINTER@contoso.com"


def test_a_line_that_somebody_was_given_at_this_moment_is_told(
    environ: dict[str, str],
    listed: Path,
    db: Database,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    known = name_book.known

    def meanwhile(opened: Database) -> list[Any]:
        found = list(known(opened))
        name_book.give(opened, [Given("X1", "printer@contoso.com", "printer")])
        return found

    monkeypatch.setattr(name_book, "known", meanwhile)
    assert take_over(environ, listed, "--apply") == 3
    told = capsys.readouterr()
    assert "1 names were given to others at this moment; run it again to see them" in told.err
    assert (json.loads(told.out)["taken"], json.loads(told.out)["conflicts"]) == (2, 1)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read"),
        (b"EmployeeId,Mail\n1,2\n", "has no column UserName"),
        (b"EmployeeId,UserName\n1,Bj\xf8rn\n", "is not UTF-8"),
        (b"", "has no column EmployeeId"),
        (b'EmployeeId,UserName\n1,"' + b"x" * 140_000, "field larger than field limit"),
    ],
)
def test_what_is_no_list_is_named_with_what_is_wrong(
    environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, told: str
) -> None:
    path = tmp_path / "names.csv"
    if content is not None:
        path.write_bytes(content)
    assert take_over(environ, path, "--apply") == 2
    assert told in capsys.readouterr().err


def test_a_person_whose_name_was_taken_over_can_be_renamed(
    environ: dict[str, str], named: Settings, listed: Path, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    take_over(environ, listed, "--apply")
    hire(db, "E1", "Anna", "Berg")
    finish(jobs.create, named, clock)
    code = command_line.main(["rename", "E1", "--by", ADA], {**environ, **ON})
    assert code == 0
    finish(jobs.update, named, clock)
    user = graph.directory().users["E1"]
    assert (user["userName"], user[ALIAS]) == ("anna.berg@contoso.com", "Anna.Gross@Contoso.com")
