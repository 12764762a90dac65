"""Who is due, in which order, who is parked: rows in, verdicts out."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from provisioning import plan, scim
from provisioning.plan import Due, Job, Parked, Person, Rules

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
COLUMNS = (
    *("EmployeeId", "ValidFrom", "ValidTo", "InScope", "TimeZone", "externalId", "userName", "active", "title"),
    "enterprise:manager.value",
)
MAPPING = scim.compile_mapping(COLUMNS, {}, explicit_nulls=True)


def rules(job: Job = Job.UPDATE, **changes: Any) -> Rules:
    settings: dict[str, Any] = {
        "job": job,
        "mapping": MAPPING,
        "now": NOW,
        "time_zone": ZoneInfo("UTC"),
        "lead_days": 7,
        "prehire_active": True,
        "resend_before": NOW - timedelta(days=28),
        "dead_before": NOW - timedelta(hours=1),
    }
    return Rules(**{**settings, **changes})


def row(employee_id: Any = "A", **cells: Any) -> tuple[Any, ...]:
    values = {"EmployeeId": employee_id, "InScope": 1, "externalId": employee_id, "userName": employee_id, "active": 1}
    values |= {"manager": None} | cells
    return tuple(values["manager"] if c.startswith("enterprise") else values.get(c) for c in COLUMNS)


def new(employee_id: Any = "A", *, forced: bool = False, **cells: Any) -> Person:
    """Somebody never sent."""
    return Person(
        "" if employee_id is None else employee_id, row(employee_id, **cells), forced_token="f" if forced else None
    )


def known(
    employee_id: str = "A", *, was: dict[str, Any] | None = None, state: dict[str, Any] | None = None, **cells: Any
) -> Person:
    """Somebody sent before, as `was` (by default just as she is now)."""
    before = row(employee_id, **(cells if was is None else was))
    user = MAPPING.user(before, bool(MAPPING.raw_active(before)), ZoneInfo("UTC"))
    sent: dict[str, Any] = {"sent_hash": user.hash, "sent_active": user.active, "sent_at": NOW - timedelta(days=1)}
    return Person(employee_id, row(employee_id, **cells), **{**sent, **(state or {})})


def in_doubt(employee_id: str = "A", *, answered: bool = False, age: timedelta = timedelta(0), **cells: Any) -> Person:
    """Somebody of whom nothing was accepted, but something may have arrived."""
    return Person(
        employee_id, row(employee_id, **cells), unanswered=not answered, oldest_intent=NOW - age, maybe_active=True
    )


def sends(person: Person, job: Job = Job.UPDATE, **changes: Any) -> bool | None:
    """Whether she goes as active or not; None where she does not go."""
    verdict = plan.judge(person, rules(job, **changes))
    return verdict.user.active if isinstance(verdict, Due) else None


def reasons(person: Person, job: Job = Job.UPDATE) -> tuple[str, ...]:
    verdict = plan.judge(person, rules(job))
    assert isinstance(verdict, Parked)
    return verdict.reasons


# --- create -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("valid_from", "due"),
    [(None, True), ("", True), ("2020-01-01", True), ("2026-11-22", True), ("2026-11-29", True), ("2026-11-30", None)],
)
def test_a_joiner_is_due_so_many_days_before_her_start(valid_from: str | None, due: bool | None) -> None:
    assert sends(new(ValidFrom=valid_from), Job.CREATE) is due


def test_create_looks_at_nobody_who_was_sent_and_update_at_nobody_who_was_not() -> None:
    assert sends(known(title="new", was={}), Job.CREATE) is None
    assert sends(new(), Job.UPDATE) is None


@pytest.mark.parametrize("cells", [{"active": 0}, {"ValidTo": "2026-11-21"}, {"InScope": 0}, {"InScope": None}])
def test_nobody_is_created_who_has_ended_or_is_out_of_scope(cells: dict[str, Any]) -> None:
    assert plan.judge(new(**cells), rules(Job.CREATE)) is None


@pytest.mark.parametrize("cells", [{"InScope": 0, "active": None}, {"active": 0, "ValidTo": "soon"}])
def test_nobody_is_parked_who_would_not_be_sent_anyway(cells: dict[str, Any]) -> None:
    assert plan.judge(new(**cells), rules(Job.CREATE)) is None


def test_before_her_start_a_joiner_goes_as_the_setting_says() -> None:
    joiner = new(ValidFrom="2026-11-25")
    assert sends(joiner, Job.CREATE, prehire_active=True) is True
    assert sends(joiner, Job.CREATE, prehire_active=False) is False
    sent = known(ValidFrom="2026-11-22", was={"ValidFrom": "2026-11-22", "active": 0})
    assert sends(sent, prehire_active=False) is True  # and on the day as active


# --- update -------------------------------------------------------------------------------------------------------


def test_only_who_differs_goes() -> None:
    assert sends(known()) is None
    assert sends(known(title="new", was={"title": "old"})) is True


@pytest.mark.parametrize(
    ("last_day", "zone", "active"),
    [
        ("2026-11-22", None, None),  # inclusive: today is her last day
        ("2026-11-21", None, False),
        ("2026-11-21", "Pacific/Pago_Pago", False),  # there it is the 22nd, 1 o'clock
        ("2026-11-22", "Pacific/Kiritimati", False),  # there it is the 23rd already
        ("2026-11-22", "America/Los_Angeles", None),
    ],
)
def test_the_last_day_is_over_when_it_is_over_where_she_works(last_day: str, zone: str | None, active: Any) -> None:
    assert sends(known(ValidTo=last_day, TimeZone=zone)) is active


def test_a_future_start_never_deactivates_somebody_active() -> None:
    assert sends(known(ValidFrom="2027-06-01", was={})) is None
    assert sends(known(ValidFrom="2027-06-01", title="new", was={})) is True


@pytest.mark.parametrize(("start", "goes"), [("2027-06-01", None), ("2026-11-27", True), ("2026-11-01", True)])
def test_somebody_who_comes_back_stays_disabled_until_her_start_is_near(start: str, goes: bool | None) -> None:
    assert sends(known(ValidFrom=start, was={"active": 0})) is goes


# --- scope --------------------------------------------------------------------------------------------------------


def test_out_of_scope_nobody_is_sent_but_who_has_ended_is_disabled_once() -> None:
    assert sends(known(InScope=0, title="new", was={})) is None
    assert sends(known(InScope=0, active=0, was={})) is False
    assert sends(known(InScope=0, active=0, title="new", was={"active": 0})) is None
    assert sends(known(InScope=1, title="new", was={})) is True  # back in scope


def test_a_scope_that_is_neither_is_parked() -> None:
    assert reasons(known(InScope="perhaps", was={})) == ("InScope is neither 1 nor 0",)


# --- doubt, force, reconcile --------------------------------------------------------------------------------------


@pytest.mark.parametrize("job", [Job.CREATE, Job.UPDATE, Job.RECONCILE])
def test_an_intent_left_over_makes_her_due_in_every_job(job: Job) -> None:
    assert sends(in_doubt(), job) is True
    assert sends(in_doubt(active=0), job) is False  # she ended meanwhile: perhaps there is an account to disable
    assert sends(known(state={"unanswered": True, "oldest_intent": NOW}), job) is True


def test_an_answered_intent_makes_her_due_once_more_when_its_run_must_be_dead() -> None:
    answered = {"unanswered": False, "oldest_intent": NOW - timedelta(minutes=59)}
    assert sends(known(state=answered)) is None
    assert sends(known(state={**answered, "oldest_intent": NOW - timedelta(minutes=61)})) is True


def test_reconcile_sends_what_is_old_and_reports_of_late_managers() -> None:
    old = known(state={"sent_at": NOW - timedelta(days=29)})
    assert (sends(old), sends(old, Job.RECONCILE)) == (None, True)
    late = known(manager="M", state={"manager_known": False, "manager_sent": True})
    assert (sends(late), sends(late, Job.RECONCILE)) == (None, True)
    waiting = known(manager="M", state={"manager_known": False, "manager_sent": False})
    assert sends(waiting, Job.RECONCILE) is None


def test_resend_takes_all_or_those_sent_since() -> None:
    person = known(state={"sent_at": NOW - timedelta(hours=5)})
    assert sends(person, Job.RESEND) is True
    assert sends(person, Job.RESEND, resend_since=NOW - timedelta(hours=6)) is True
    assert sends(person, Job.RESEND, resend_since=NOW - timedelta(hours=4)) is None


@pytest.mark.parametrize("job", list(Job))
def test_somebody_forced_goes_in_every_job_even_unchanged_and_long_before_her_start(job: Job) -> None:
    assert sends(known(state={"forced_token": "f"}), job) is True
    assert sends(new(forced=True, ValidFrom="2027-06-01"), job) is True


@pytest.mark.parametrize("cells", [{"active": 0}, {"InScope": 0}, {"ValidTo": "2020-01-01"}, {"userName": None}])
def test_somebody_forced_who_cannot_go_is_parked_with_the_reason(cells: dict[str, Any]) -> None:
    assert reasons(new(forced=True, **cells), Job.RESYNC)


def test_refused_by_graph_she_is_parked_until_her_data_changes_or_she_is_forced() -> None:
    person = known(title="bad", was={})
    verdict = plan.judge(person, rules())
    assert isinstance(verdict, Due)
    refused = {"refused_hash": verdict.user.hash, "refusal": "Graph answered 400"}
    assert reasons(known(title="bad", was={}, state=refused)) == ("Graph answered 400",)
    assert sends(known(title="good", was={}, state=refused)) is True
    assert sends(known(title="bad", was={}, state={**refused, "forced_token": "f"})) is True


# --- parked -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"externalId": None}, "externalId is null"),
        ({"userName": ""}, "userName is null"),
        ({"active": None}, "active is null"),
        ({"active": "perhaps"}, "active is neither true nor false"),
        ({"ValidTo": "soon"}, "ValidTo is not a date"),
        ({"TimeZone": "Mars/Olympus"}, "TimeZone is not an IANA time zone"),
        ({"externalId": "x" * 101}, "externalId is longer than 100 characters"),
    ],
)
def test_a_row_that_makes_no_user_parks_that_person(cells: dict[str, Any], reason: str) -> None:
    made = plan.make([new("A", **cells), new("B")], rules(Job.CREATE))
    assert made.parked == [Parked("A", (reason,))]
    assert [d.user.employee_id for d in made.due] == ["B"]


def test_a_row_without_employee_id_is_parked_and_breaks_nothing() -> None:
    made = plan.make([new(None), new("B")], rules(Job.CREATE))
    assert [p.employee_id for p in made.parked] == [""]
    assert [d.user.employee_id for d in made.due] == ["B"]


def test_two_rows_for_one_employee_park_her_alone_however_they_are_spelled() -> None:
    made = plan.make([new("A"), new("B"), new("a ")], rules(Job.CREATE))
    assert [p.reasons for p in made.parked] == [("two rows of dbo.ScimUsers have this EmployeeId",)]
    assert [d.user.employee_id for d in made.due] == ["B"]


def test_two_active_people_with_one_user_name_are_parked_and_nobody_else() -> None:
    made = plan.make([new("A", userName="x"), new("B", userName="X"), new("C")], rules(Job.CREATE))
    assert sorted(p.employee_id for p in made.parked) == ["A", "B"]
    assert [d.user.employee_id for d in made.due] == ["C"]


def test_a_name_clashes_with_everybody_active_not_with_leavers_or_next_seasons_joiners() -> None:
    assert plan.make([known("A", userName="x"), new("B", userName="x")], rules(Job.CREATE)).parked[0].employee_id == "B"
    leaver = known("A", userName="x", active=0, was={"userName": "x"})
    assert plan.make([leaver, new("B", userName="x")], rules(Job.CREATE)).parked == []
    later = new("A", userName="x", ValidFrom="2027-06-01")
    assert plan.make([later, new("B", userName="x")], rules(Job.CREATE)).parked == []


# --- order --------------------------------------------------------------------------------------------------------


def ids(due: list[Due]) -> list[str]:
    return [d.user.employee_id for d in due]


def test_forced_then_leavers_then_joiners_then_changes() -> None:
    people = [
        known("A", title="new", was={}),
        in_doubt("B"),
        known("C", active=0, was={}),
        known("D", state={"forced_token": "f"}),
    ]
    assert ids(plan.make(people, rules()).due) == ["D", "C", "B", "A"]


def test_managers_go_before_their_reports() -> None:
    chain = [new(f"P{n:05d}", manager=f"P{n + 1:05d}") for n in range(5000)]
    assert ids(plan.make(chain, rules(Job.CREATE)).due) == [f"P{n:05d}" for n in reversed(range(5000))]


@pytest.mark.parametrize("managers", [{"A": "A"}, {"A": "B", "B": "A"}, {"A": "B", "B": "C", "C": "A", "D": "A"}])
def test_circles_and_self_managers_lose_nobody(managers: dict[str, str]) -> None:
    made = plan.make([new(e, manager=m) for e, m in managers.items()], rules(Job.CREATE))
    assert sorted(ids(made.due)) == sorted(managers)


def test_whatever_the_managers_everybody_goes_once_and_no_manager_late_unless_in_a_circle() -> None:
    rng = random.Random(11)
    for _ in range(50):
        names = [f"P{n}" for n in range(rng.randint(1, 40))]
        managers = {e: rng.choice([*names, None, "nobody"]) for e in names}
        sent = ids(plan.make([new(e, manager=m) for e, m in managers.items()], rules(Job.CREATE)).due)
        assert sorted(sent) == sorted(names)
        at = {e: n for n, e in enumerate(sent)}
        assert all(at[m] < at[e] or in_circle(e, managers) for e, m in managers.items() if m in at)


def in_circle(employee_id: str, managers: dict[str, str | None]) -> bool:
    person, steps = managers.get(employee_id), 0
    while person in managers and person != employee_id and steps <= len(managers):
        person, steps = managers[person], steps + 1
    return person == employee_id


def test_a_manager_is_known_when_sent_before_or_earlier_in_the_request() -> None:
    (report,) = plan.make([new("A", manager="M")], rules(Job.CREATE)).due
    assert not plan.manager_known(report, [])
    assert plan.manager_known(report, ["m"])
    (later,) = plan.make([Person("A", row("A", manager="M"), manager_sent=True)], rules(Job.CREATE)).due
    assert plan.manager_known(later, [])
