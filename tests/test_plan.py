"""Who is due, in which order, who is parked: rows in, verdicts out."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from provisioning import plan, scim
from provisioning.people import Due, Group, Job, Parked, Person, Standing
from provisioning.plan import Rules
from provisioning.settings import Extension

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


def sent_inactive(employee_id: str = "A", **cells: Any) -> Person:
    """Somebody last sent as inactive, otherwise just as she is now."""
    return known(employee_id, was={**cells, "active": 0}, **cells)


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


@pytest.mark.parametrize(("lead", "day"), [(0, "2026-11-22"), (1, "2026-11-23"), (30, "2026-12-22")])
def test_the_lead_is_counted_in_days_from_today(lead: int, day: str) -> None:
    after = str(date.fromisoformat(day) + timedelta(days=1))
    assert sends(new(ValidFrom=day), Job.CREATE, lead_days=lead) is True
    assert sends(new(ValidFrom=after), Job.CREATE, lead_days=lead) is None


@pytest.mark.parametrize(("zone", "due"), [("Pacific/Kiritimati", True), ("UTC", None), ("America/Los_Angeles", None)])
def test_today_is_the_day_where_she_works(zone: str, due: bool | None) -> None:
    assert sends(new(ValidFrom="2026-11-30", TimeZone=zone), Job.CREATE) is due  # the 8th day, in UTC
    assert sends(new(ValidFrom="2026-11-30"), Job.CREATE, time_zone=ZoneInfo(zone)) is due


@pytest.mark.parametrize("job", [Job.UPDATE, Job.RECONCILE, Job.RESEND, Job.RESYNC])
def test_only_create_looks_at_people_never_sent(job: Job) -> None:
    assert plan.judge(new(), rules(job)) is None
    assert plan.judge(new(userName=None), rules(job)) is None


def test_resync_looks_at_nobody_but_the_forced() -> None:
    assert sends(known(title="new", was={}), Job.RESYNC) is None
    assert sends(in_doubt(), Job.RESYNC) is None
    assert sends(new(forced=True), Job.RESYNC) is True


@pytest.mark.parametrize(
    "value",
    ["2026-11-21", date(2026, 11, 21), datetime(2026, 11, 21, 23, 59, tzinfo=UTC), "2026-11-21 00:00:00.0000000"],
)
def test_a_date_may_come_in_any_way_an_engine_gives_it(value: Any) -> None:
    assert sends(known(ValidTo=value, was={})) is False
    assert sends(new(ValidFrom=value), Job.CREATE, lead_days=0) is True


@pytest.mark.parametrize("value", ["9999-12-31", date(9999, 12, 31)])
def test_the_far_end_of_the_calendar_is_a_day_like_any_other(value: Any) -> None:
    assert sends(new(ValidTo=value, TimeZone="Pacific/Kiritimati"), Job.CREATE) is True
    assert sends(new(ValidFrom=value), Job.CREATE) is None
    assert sends(new(ValidFrom="0001-01-01"), Job.CREATE) is True


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


def test_whoever_was_sent_inactive_before_her_start_stays_so_until_the_day_and_is_active_then() -> None:
    waiting = sent_inactive(ValidFrom="2026-11-23")
    assert sends(waiting, prehire_active=False) is None
    assert sends(waiting, prehire_active=False, now=NOW + timedelta(days=1)) is True
    assert sends(replace(waiting, forced_token="f"), Job.RESYNC, prehire_active=False) is False


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


@pytest.mark.parametrize("job", [Job.UPDATE, Job.RECONCILE, Job.RESEND])
def test_an_active_person_stays_so_whatever_her_next_start_and_the_prehire_setting(job: Job) -> None:
    person = known(ValidFrom="2027-06-01", title="new", was={})
    assert sends(person, job, prehire_active=False, lead_days=0) is True


def test_somebody_who_comes_back_far_ahead_is_kept_up_to_date_as_inactive() -> None:
    assert sends(known(ValidFrom="2027-06-01", title="new", was={"active": 0})) is False


def test_a_leaver_goes_once() -> None:
    leaver = known(active=0, was={})
    assert sends(leaver) is False
    assert sends(sent_inactive(active=0)) is None
    assert sends(known(ValidTo="2026-11-21", was={"ValidTo": "2026-11-21", "active": 0})) is None


def test_without_date_columns_only_active_decides() -> None:
    few = scim.compile_mapping(["EmployeeId", "externalId", "userName", "active"], {}, explicit_nulls=True)
    assert sends(Person("A", ("A", "A", "A", 1)), Job.CREATE, mapping=few) is True
    assert sends(Person("A", ("A", "A", "A", 0), sent_hash="x", sent_active=True), mapping=few) is False


@pytest.mark.parametrize(("start", "goes"), [("2027-06-01", None), ("2026-11-27", True), ("2026-11-01", True)])
def test_somebody_who_comes_back_stays_disabled_until_her_start_is_near(start: str, goes: bool | None) -> None:
    assert sends(known(ValidFrom=start, was={"active": 0})) is goes


# --- scope --------------------------------------------------------------------------------------------------------


def test_out_of_scope_nobody_is_sent_but_who_has_ended_is_disabled_once() -> None:
    assert sends(known(InScope=0, title="new", was={})) is None
    assert sends(known(InScope=0, active=0, was={})) is False
    assert sends(known(InScope=0, active=0, title="new", was={"active": 0})) is None
    assert sends(known(InScope=1, title="new", was={})) is True  # back in scope


@pytest.mark.parametrize(
    ("value", "within"),
    [
        *((value, True) for value in (1, True, "1", "true", Decimal(1))),
        *((value, None) for value in (0, False, "0", None, "", Decimal(0), "FALSE")),
    ],
)
def test_scope_is_read_alike_from_both_engines(value: Any, within: bool | None) -> None:
    assert sends(new(InScope=value), Job.CREATE) is within


def test_out_of_scope_a_last_day_that_passes_disables_her() -> None:
    assert sends(known(InScope=0, ValidTo="2026-11-22", was={})) is None
    assert sends(known(InScope=0, ValidTo="2026-11-21", was={})) is False


def test_out_of_scope_somebody_perhaps_created_is_disabled_once_she_has_ended() -> None:
    assert sends(in_doubt(InScope=0)) is None
    assert sends(in_doubt(InScope=0, active=0)) is False


@pytest.mark.parametrize("job", [Job.RECONCILE, Job.RESEND])
def test_out_of_scope_nothing_is_repeated(job: Job) -> None:
    old = {"sent_at": NOW - timedelta(days=99)}
    assert sends(known(InScope=0, state=old), job) is None
    assert sends(known(InScope=0, active=0, was={"active": 0}, state=old), job) is None


def test_out_of_scope_somebody_forced_is_parked_unless_she_must_be_disabled() -> None:
    assert reasons(known(InScope=0, state={"forced_token": "f"})) == ("out of scope (InScope)",)
    assert sends(known(InScope=0, active=0, was={}, state={"forced_token": "f"})) is False


def test_a_scope_that_is_neither_is_parked() -> None:
    assert reasons(known(InScope="perhaps", was={})) == ("InScope is neither 1 nor 0",)


# --- doubt, force, reconcile --------------------------------------------------------------------------------------


@pytest.mark.parametrize("job", [Job.CREATE, Job.UPDATE, Job.RECONCILE])
def test_an_intent_left_over_makes_her_due_in_every_job(job: Job) -> None:
    assert sends(in_doubt(), job) is True
    assert sends(in_doubt(active=0), job) is False  # she ended meanwhile: perhaps there is an account to disable
    assert sends(known(state={"unanswered": True, "oldest_intent": NOW}), job) is True


def test_an_intent_that_was_never_answered_disables_a_leaver_who_was_sent_inactive_before() -> None:
    leaver = known(active=0, was={"active": 0}, state={"unanswered": True, "oldest_intent": NOW, "maybe_active": True})
    assert sends(leaver) is False
    assert plan.judge(leaver, rules()).group is Group.LEAVER  # type: ignore[union-attr]


def test_somebody_perhaps_created_far_ahead_of_her_start_stays_as_she_was_sent() -> None:
    assert sends(in_doubt(ValidFrom="2027-06-01")) is True
    inactive = Person("A", row(ValidFrom="2027-06-01"), unanswered=True, oldest_intent=NOW)
    assert sends(inactive) is False


def test_resend_since_takes_those_in_doubt_too() -> None:
    assert sends(in_doubt(), Job.RESEND, resend_since=NOW) is True


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


def test_what_was_sent_within_the_resend_days_is_not_repeated() -> None:
    assert sends(known(state={"sent_at": NOW - timedelta(days=28)}), Job.RECONCILE) is None
    assert sends(known(state={"sent_at": NOW - timedelta(days=28, seconds=1)}), Job.RECONCILE) is True


def test_resend_does_not_create_and_tells_leavers_again() -> None:
    assert sends(new(), Job.RESEND) is None
    assert sends(known(active=0, was={"active": 0}), Job.RESEND) is False


def test_resend_takes_all_or_those_sent_since() -> None:
    person = known(state={"sent_at": NOW - timedelta(hours=5)})
    assert sends(person, Job.RESEND) is True
    assert sends(person, Job.RESEND, resend_since=NOW - timedelta(hours=6)) is True
    assert sends(person, Job.RESEND, resend_since=NOW - timedelta(hours=5)) is True
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


def test_refused_by_graph_she_stays_parked_whatever_else_makes_her_due() -> None:
    hashed = known().sent_hash
    refused = {"refused_hash": hashed, "refusal": None}
    assert reasons(known(state={**refused, "unanswered": True, "oldest_intent": NOW})) == ("refused by Graph",)
    assert reasons(known(state={**refused, "sent_at": NOW - timedelta(days=99)}), Job.RECONCILE)
    assert plan.judge(known(state=refused), rules()) is None  # what was accepted later than refused is not due


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


@pytest.mark.parametrize("employee_id", ["x" * 65, " ", ""])
def test_an_employee_id_is_1_to_64_characters(employee_id: str) -> None:
    assert reasons(new(employee_id, externalId="x"), Job.CREATE) == ("EmployeeId is null or longer than 64 characters",)
    assert sends(new("x" * 64), Job.CREATE) is True


def test_several_rows_without_employee_id_are_told_for_what_they_are() -> None:
    made = plan.make([new(None), new(None)], rules(Job.CREATE))
    assert {r for p in made.parked for r in p.reasons} == {"EmployeeId is null or longer than 64 characters"}


def test_every_reason_is_told() -> None:
    assert reasons(new(externalId=None, userName=None), Job.CREATE) == ("externalId is null", "userName is null")


EXTENSIONS = {"hr": Extension("urn:x:y:hr", {"Badge": "integer", "Remote": "boolean", "Seen": "dateTime"})}
EVERYTHING = (
    *("EmployeeId", "ValidFrom", "ValidTo", "InScope", "TimeZone", "Protected", "ModifiedDateTime"),
    *("externalId", "userName", "active", "title", "hr:Badge", "hr:Remote", "hr:Seen", "hr:HireDate@05:00"),
    'emails[type eq "work"].primary',
)


def test_a_reason_never_holds_a_value() -> None:
    rng = random.Random(7)
    mapping = scim.compile_mapping(EVERYTHING, EXTENSIONS, explicit_nulls=True)
    told = set()
    for n in range(2000):
        right = {"EmployeeId": f"E{n}", "externalId": "s3cret", "userName": "s3cret", "active": 1, "InScope": 1}
        wrong = rng.sample(EVERYTHING[1:], rng.randint(1, 4))
        cells = right | {name: rng.choice(["s3cret", "s3cret" * 20, b"s3cret", "2026-s3cret", None]) for name in wrong}
        person = Person(f"E{n}", tuple(cells.get(c) for c in EVERYTHING))
        verdict = plan.judge(person, rules(Job.CREATE, mapping=mapping))
        told |= set(verdict.reasons) if isinstance(verdict, Parked) else set()
    assert len(told) > 8
    assert "s3cret" not in str(told)


def test_who_shares_a_name_is_told_by_employee_id_alone() -> None:
    made = plan.make([new("E1", userName="s3cret"), new("E2", userName="s3cret")], rules(Job.CREATE))
    assert sorted(made.parked, key=lambda p: p.employee_id) == [
        Parked("E1", ("has the userName of E2, and both are active",)),
        Parked("E2", ("has the userName of E1, and both are active",)),
    ]


def test_a_row_without_employee_id_is_parked_and_breaks_nothing() -> None:
    made = plan.make([new(None), new("B")], rules(Job.CREATE))
    assert [p.employee_id for p in made.parked] == [""]
    assert [d.user.employee_id for d in made.due] == ["B"]


def test_two_rows_for_one_employee_park_her_alone_however_they_are_spelled() -> None:
    made = plan.make([new("A"), new("B"), new("a ")], rules(Job.CREATE))
    assert [p.reasons for p in made.parked] == [("two rows of dbo.ScimUsers have this EmployeeId",)]
    assert [d.user.employee_id for d in made.due] == ["B"]


@pytest.mark.parametrize(
    "other", [new("A", title="x"), new("A", active=0), new("A", InScope=0), new("A", userName=None)]
)
@pytest.mark.parametrize("first", [True, False])
def test_of_two_rows_for_one_employee_neither_is_believed(other: Person, first: bool) -> None:
    made = plan.make([new("A"), other] if first else [other, new("A")], rules(Job.CREATE))
    assert (made.due, made.parked) == ([], [Parked("A", ("two rows of dbo.ScimUsers have this EmployeeId",))])


def test_two_rows_for_somebody_who_need_not_go_park_nobody() -> None:
    assert plan.make([known("A"), known("A"), known("B", title="x", was={})], rules()).parked == []


def test_two_rows_for_one_employee_do_not_clash_with_themselves_over_the_name() -> None:
    made = plan.make([new("A", userName="x"), new("A", userName="x"), new("B", userName="y")], rules(Job.CREATE))
    assert [p.reasons for p in made.parked] == [("two rows of dbo.ScimUsers have this EmployeeId",)]


def test_three_with_one_user_name_are_all_parked() -> None:
    made = plan.make([new(e, userName="x") for e in "ABC"], rules(Job.CREATE))
    assert sorted(p.employee_id for p in made.parked) == ["A", "B", "C"]


def test_a_leaver_goes_though_her_name_is_taken_over() -> None:
    made = plan.make([known("A", userName="x", active=0, was={"userName": "x"}), known("B", userName="x")], rules())
    assert [(d.user.employee_id, d.user.active) for d in made.due] == [("A", False)]


@pytest.mark.parametrize("cells", [{"externalId": None}, {"externalId": "x" * 101}])
def test_a_name_is_taken_by_somebody_active_who_is_parked_for_something_else_too(cells: dict[str, Any]) -> None:
    made = plan.make([new("A", userName="x", **cells), new("B", userName="x")], rules(Job.CREATE))
    assert sorted(p.employee_id for p in made.parked) == ["A", "B"]


def test_a_name_clash_found_after_the_fresh_read_parks_those_due() -> None:
    (due,) = plan.make([new("B", userName="x")], rules(Job.CREATE)).due
    (verdict,) = plan.park_clashes([due], [known("A", userName="X"), new("B", userName="x")], rules(Job.CREATE))
    assert isinstance(verdict, Parked)
    assert plan.park_clashes([due], [known("A", userName="x", active=0), new("B", userName="x")], rules()) == [due]


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


# --- several HR systems -------------------------------------------------------------------------------------------

TWO_SYSTEMS = scim.compile_mapping((*COLUMNS, "HrTable", 'emails[type eq "work"].value'), {}, explicit_nulls=True)


def of(table: str | None, person: Person, mail: str | None = None, **state: Any) -> Person:
    """The same person as a row of a table; what was sent of her was so, too."""
    found = replace(person, row=(*person.row, table, mail), **state)
    if not person.sent or "sent_hash" in state:
        return found
    user = TWO_SYSTEMS.user(found.row, bool(person.sent_active), ZoneInfo("UTC"))
    return replace(found, sent_hash=user.hash)


def made(*people: Person, job: Job = Job.UPDATE) -> plan.Plan:
    return plan.make(people, rules(job, mapping=TWO_SYSTEMS))


GONE_FROM_A = of("A", known("X"), missing=True)


@pytest.mark.parametrize("first", [True, False])
def test_of_two_rows_the_one_that_hr_still_has_speaks(first: bool) -> None:
    there = of("B", known("x", title="New"), sent_hash="before")
    rows = (GONE_FROM_A, there) if first else (there, GONE_FROM_A)
    (due,) = made(*rows).due
    assert (due.user.employee_id, due.user.active, due.disables) == ("x", True, False)
    assert made(*rows).parked == []
    unchanged = of("B", known("X"))
    assert made(GONE_FROM_A, unchanged).due == made(unchanged, GONE_FROM_A).due == []


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
def test_two_rows_that_hr_has_park_her_though_a_third_is_gone(order: tuple[int, ...]) -> None:
    rows = (GONE_FROM_A, of("B", known("X"), sent_hash="before"), of("C", known("X"), sent_hash="before"))
    found = made(*(rows[n] for n in order))
    assert found.due == []
    assert [p.reasons for p in found.parked] == [
        ("two rows of dbo.ScimUsers have this EmployeeId: of dbo.B and dbo.C",)
    ]


@pytest.mark.parametrize("first", [True, False])
def test_whom_both_systems_lack_is_disabled_by_one_row_always_the_same(first: bool) -> None:
    rows = [of("A", known("X", title="a"), missing=True), of("B", known("X", title="b"), missing=True)]
    (due,) = made(*(rows if first else rows[::-1])).due
    assert (due.disables, due.user.values[TWO_SYSTEMS.columns.index("title") - 5]) == (True, "a")


def test_two_rows_of_one_table_are_two_rows_also_where_hr_lacks_the_record() -> None:
    assert [p.employee_id for p in made(GONE_FROM_A, GONE_FROM_A).parked] == ["X"]
    nowhere = of(None, known("X"), missing=True)
    assert [p.employee_id for p in made(nowhere, nowhere).parked] == ["X"]


def test_a_row_that_does_not_speak_names_nobody() -> None:
    """Her old row had the name that somebody else has now."""
    old = of("A", known("X", userName="ann"), missing=True)
    assert (
        made(old, of("B", known("X", userName="eve")), of("A", new("Y", userName="ann")), job=Job.CREATE).parked == []
    )


LEAVER = of("A", known("X", userName="eve", active=0, was={"userName": "eve"}), "eve@x.example")


@pytest.mark.parametrize(
    ("other", "moved"),
    [
        (of("B", new("B-9", userName="EVE")), True),
        (of("B", known("B-9", userName="eve")), True),
        (of("B", new("B-9"), "EVE@x.example"), True),
        (of("B", new("B-9"), "other@x.example"), False),
        (of("A", new("B-9", userName="eve"), "eve@x.example"), False),  # in the same system
        (of(None, new("B-9", userName="eve"), "eve@x.example"), False),
        (of("B", new("B-9", userName="eve", active=0), "eve@x.example"), False),
        (of("B", new("B-9", userName="eve", InScope=0), "eve@x.example"), False),
        (of("B", new("B-9", userName="eve", ValidFrom="2027-06-01"), "eve@x.example"), False),
    ],
)  # fmt: skip
def test_a_leaver_whom_another_system_has_as_active_is_told(other: Person, moved: bool) -> None:
    (due,) = [d for d in made(LEAVER, other).due if d.disables]
    assert due.moved_to == ("B-9 (dbo.B)" if moved else None)
    (checked,) = plan.park_clashes([replace(due, moved_to=None)], [other, LEAVER], rules(mapping=TWO_SYSTEMS))
    assert isinstance(checked, Due)
    assert checked.moved_to == due.moved_to


def test_an_address_of_several_tells_nothing() -> None:
    others = [of("B", new(f"B-{n}"), "eve@x.example") for n in (8, 9)]
    (due,) = made(LEAVER, *others).due
    assert due.moved_to is None


def test_the_new_one_waits_for_the_name_until_the_leaver_is_out() -> None:
    joiner = of("B", new("B-9", userName="eve"))
    told = ("has the userName of X (dbo.A), who leaves and still has her account",)
    assert [(p.employee_id, p.reasons) for p in made(LEAVER, joiner, job=Job.CREATE).parked] == [("B-9", told)]
    out = replace(LEAVER, sent_active=False)
    assert [d.user.employee_id for d in made(out, joiner, job=Job.CREATE).due] == ["B-9"]


def test_whom_somebody_disabled_by_name_is_no_riddle() -> None:
    person = replace(LEAVER, by_hand=True, sent_user=None)
    assert [d.moved_to for d in made(person, of("B", new("B-9", userName="eve"))).due] == [None]


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


def someone(
    employee_id: str, manager: str | None = None, group: Group = Group.JOINER, external_id: str | None = None
) -> Due:
    external = external_id or employee_id
    user = scim.User(employee_id, external, employee_id, group is not Group.LEAVER, manager, (), "")
    return Due(user, Person(employee_id, ()), group, None)


def late(due: Sequence[Due]) -> set[str]:
    """Those who go before their manager though she is in their own group."""
    at = {d.user.external_id.casefold(): (d.group, n) for n, d in enumerate(due)}
    found = set()
    for n, one in enumerate(due):
        group, manager_at = at.get((one.user.manager_id or "").casefold(), (None, n))
        if group is one.group and manager_at > n:
            found.add(one.user.external_id)
    return found


def test_managers_are_found_by_external_id_in_any_case() -> None:
    due = [someone("A", "X9", external_id="x1"), someone("B", "x8", external_id="X9 "), someone("C", external_id="x8")]
    assert ids(plan.order(due)) == ["C", "B", "A"]


def test_the_groups_come_first_and_the_managers_within_them() -> None:
    due = [someone("A", "B", Group.LEAVER), someone("B", group=Group.CHANGE), someone("C", "D"), someone("D")]
    assert ids(plan.order(due)) == ["A", "D", "C", "B"]


@pytest.mark.parametrize("circle", ["A", "AB", "ABC"])
def test_a_circle_makes_one_person_late_and_nobody_outside_it(circle: str) -> None:
    due = [someone(e, circle[n - 1]) for n, e in enumerate(circle)]
    due += [someone("R1", circle[0]), someone("R2", "R1"), someone("0", "R2")]
    ordered = plan.order(due)
    assert sorted(ids(ordered)) == sorted(ids(due))
    assert len(late(ordered)) == (len(circle) > 1)
    assert late(ordered) <= set(circle)


@pytest.mark.parametrize("upward", [True, False])
def test_a_chain_of_ten_thousand_is_no_deeper_than_python_goes(upward: bool) -> None:
    names = [f"P{n:05d}" for n in range(10_000)]
    names = names if upward else names[::-1]
    due = [someone(e, m) for e, m in zip(names, [*names[1:], None], strict=True)]
    assert ids(plan.order(due)) == names[::-1]


def test_a_circle_of_ten_thousand_loses_nobody() -> None:
    names = [f"P{n:05d}" for n in range(10_000)]
    ordered = plan.order([someone(e, names[n - 1]) for n, e in enumerate(names)])
    assert sorted(ids(ordered)) == names
    assert len(late(ordered)) == 1


@pytest.mark.timeout(60)
def test_a_hundred_thousand_people_are_put_in_order_in_seconds() -> None:
    """In one second, or in hours if it took the square of their number."""
    due = [someone(f"P{n:06d}", f"P{n // 8:06d}") for n in range(100_000)]
    ordered = plan.order(due)
    assert len(set(ids(ordered))) == 100_000
    assert late(ordered) == set()


def test_whatever_comes_order_loses_nobody_and_doubles_nobody() -> None:
    rng = random.Random(13)
    for _ in range(300):
        names = [rng.choice("pPqQ") + str(n) for n in range(rng.randint(0, 30))]
        external = [rng.choice([e.swapcase(), f"x{e}", names[0]]) for e in names]
        managers = [rng.choice([*external, None, "", "nobody"]) for _ in names]
        groups = [rng.choice(list(Group)) for _ in names]
        due = [someone(e, m, g, x) for e, m, g, x in zip(names, managers, groups, external, strict=True)]
        ordered = plan.order(due)
        assert Counter(ids(ordered)) == Counter(names)
        assert [d.group.value for d in ordered] == sorted(g.value for g in groups)
        assert plan.order(rng.sample(due, len(due))) == ordered


# --- whatever comes -------------------------------------------------------------------------------------------------


def anybody(rng: random.Random, employee_id: str) -> Person:
    """A person drawn at random: any dates, any scope, any state of the ledger."""
    day = [None, "", "2020-01-01", "2026-11-21", "2026-11-22", "2026-11-23", "2026-11-30", "2027-06-01", "soon"]
    cells = {
        "ValidFrom": rng.choice(day),
        "ValidTo": rng.choice(day),
        "InScope": rng.choice([1, 1, 1, 0, None, "?"]),
        "TimeZone": rng.choice([None, None, "Asia/Tokyo", "Mars"]),
        "active": rng.choice([1, 1, 1, 0, None]),
        "userName": rng.choice([employee_id, employee_id, employee_id, "shared", None]),
        "title": rng.choice(["old", "new"]),
        "manager": rng.choice([None, employee_id, "P1", "P2"]),
    }
    sent = rng.random() < 0.6
    doubt = rng.choice([None, None, True, False])
    then = rng.choice([1, 29, 99])
    before = MAPPING.user(row(employee_id, title="old"), True, ZoneInfo("UTC")).hash
    return Person(
        employee_id,
        row(employee_id, **cells),
        sent_hash=before if sent else None,
        sent_active=rng.random() < 0.7 if sent else None,
        sent_at=NOW - timedelta(days=then) if sent else None,
        unanswered=doubt,
        oldest_intent=None if doubt is None else NOW - timedelta(minutes=rng.choice([5, 120])),
        maybe_active=doubt is not None and rng.random() < 0.5,
        forced_token="f" if rng.random() < 0.1 else None,
    )


def test_whoever_is_forced_is_due_or_parked_and_nobody_is_both() -> None:
    rng = random.Random(17)
    for job in list(Job) * 40:
        people = [anybody(rng, f"P{n}") for n in range(rng.randint(1, 30))]
        made = plan.make(people, rules(job))
        told = [*ids(made.due), *(p.employee_id for p in made.parked)]
        assert len(told) == len(set(told))
        assert {p.employee_id for p in people if p.forced_token} <= set(told)
        assert {p.employee_id for p in people if isinstance(plan.judge(p, rules(job)), Due | Parked)} == set(told)


def test_a_plan_does_not_depend_on_the_order_of_rows() -> None:
    rng = random.Random(19)
    for job in list(Job) * 20:
        people = [anybody(rng, f"P{n}") for n in range(20)]
        made, again = (plan.make(rng.sample(people, 20), rules(job)) for _ in range(2))
        assert made.due == again.due
        assert sorted(made.parked, key=str) == sorted(again.parked, key=str)


def test_nobody_active_is_deactivated_unless_she_has_ended_and_nobody_ended_goes_as_active() -> None:
    rng = random.Random(23)
    seen = Counter[bool]()
    for _ in range(3000):
        person = anybody(rng, "P1")
        job, prehire, lead = rng.choice(list(Job)), rng.random() < 0.5, rng.choice([0, 7])
        verdict = plan.judge(person, rules(job, prehire_active=prehire, lead_days=lead))
        if isinstance(verdict, Due):
            cells = dict(zip(COLUMNS, person.row, strict=True))
            ended = cells["active"] == 0 or (cells["ValidTo"] or "9") <= "2026-11-21"
            assert not (verdict.user.active and ended)
            assert verdict.user.active or ended or not person.was_active
            seen[ended] += 1
    assert min(seen[True], seen[False]) > 100


def test_people_never_sent_are_never_sent_as_inactive_after_their_start() -> None:
    rng = random.Random(29)
    for _ in range(2000):
        verdict = plan.judge(anybody(rng, "P1"), rules(Job.CREATE, prehire_active=False))
        if isinstance(verdict, Due) and not verdict.person.known and not verdict.user.active:
            assert str(verdict.person.row[COLUMNS.index("ValidFrom")]) > "2026-11-22"


# --- today --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "day", "midnight"),
    [
        ("Europe/Copenhagen", "2026-03-29", "2026-03-29T22:00"),  # a day of 23 hours
        ("Europe/Copenhagen", "2026-10-25", "2026-10-25T23:00"),  # a day of 25 hours
        ("Europe/Copenhagen", "2026-06-01", "2026-06-01T22:00"),
        ("America/Los_Angeles", "2026-03-08", "2026-03-09T07:00"),
        ("America/Los_Angeles", "2026-11-01", "2026-11-02T08:00"),
        ("Asia/Kolkata", "2026-10-25", "2026-10-25T18:30"),
    ],
)
@pytest.mark.parametrize("hers", [True, False], ids=["her zone", "the setting's"])
def test_a_last_day_ends_at_midnight_also_on_the_days_when_clocks_change(
    zone: str, day: str, midnight: str, hers: bool
) -> None:
    cells = {"ValidTo": day, **({"TimeZone": zone} if hers else {})}
    person = known(was={**cells, "active": 1}, **cells)
    where = {} if hers else {"time_zone": ZoneInfo(zone)}
    end = datetime.fromisoformat(midnight).replace(tzinfo=UTC)
    assert sends(person, now=end - timedelta(seconds=1), **where) is None
    assert sends(person, now=end, **where) is False


@pytest.mark.parametrize(("day", "midnight"), [("2026-03-29", "2026-03-28T23:00"), ("2026-10-25", "2026-10-24T22:00")])
def test_the_lead_days_begin_at_midnight_also_across_a_change_of_clocks(day: str, midnight: str) -> None:
    """A start a week later: seven days by the calendar, not 168 hours."""
    start = (date.fromisoformat(day) + timedelta(days=7)).isoformat()
    begins = datetime.fromisoformat(midnight).replace(tzinfo=UTC)
    where = {"time_zone": ZoneInfo("Europe/Copenhagen")}
    assert sends(new(ValidFrom=start), Job.CREATE, now=begins - timedelta(seconds=1), **where) is None
    assert sends(new(ValidFrom=start), Job.CREATE, now=begins, **where) is True


# --- what the guards go by ----------------------------------------------------------------------------------------


def only(person: Person, job: Job = Job.UPDATE, **changes: Any) -> Due:
    verdict = plan.judge(person, rules(job, **changes))
    assert isinstance(verdict, Due)
    return verdict


def test_a_disable_is_whoever_goes_as_inactive_and_was_not_so_before() -> None:
    assert only(known(was={"active": 1}, active=0)).disables
    assert only(in_doubt(active=0)).disables
    assert not only(known(was={"active": 0}, active=0, title="Changed")).disables
    assert not only(known(was={"active": 1}, active=1, title="Changed")).disables
    doubtful = {"unanswered": True, "maybe_active": True, "oldest_intent": NOW}
    assert only(known(was={"active": 0}, state=doubtful, active=0)).disables


def test_a_joiner_who_goes_early_as_inactive_is_no_disable() -> None:
    early = only(new(ValidFrom="2026-11-25"), Job.CREATE, prehire_active=False)
    assert (early.user.active, early.disables) == (False, False)


@pytest.mark.parametrize(
    ("sent", "since", "cells", "expected"),
    [
        ("2026-11-21", 3, {"ValidTo": "2026-11-21"}, True),
        ("2026-11-21", 2.9, {"ValidTo": "2026-11-21"}, False),
        ("2026-11-21", 30, {"ValidTo": "2026-11-20"}, False),
        ("2026-11-30", 30, {"ValidTo": "2026-11-30", "active": 0}, False),
        (None, 30, {"ValidTo": "2026-11-21"}, False),
        ("2026-11-21", 30, {"ValidTo": "2026-11-21", "active": 0}, True),
    ],
    ids=["three days", "less", "another day", "before her day", "never sent with one", "by both"],
)
def test_a_leaver_is_expected_when_her_last_day_has_stood_in_what_was_sent(
    sent: str | None, since: float, cells: dict[str, Any], expected: bool
) -> None:
    state = {
        "sent_valid_to": date.fromisoformat(sent) if sent else None,
        "valid_to_since": NOW - timedelta(days=since),
    }
    assert only(known(was={"active": 1}, state=state, **cells)).expected is expected


def test_who_is_missing_from_hr_has_ended_and_is_never_created() -> None:
    gone = replace(known(), missing=True)
    assert (sends(gone), only(gone).disables, only(gone).expected) == (False, True, False)
    assert sends(replace(new(), missing=True), Job.CREATE) is None
    (verdict,) = [plan.judge(replace(new(forced=True), missing=True), rules(Job.RESYNC))]
    assert isinstance(verdict, Parked)
    assert "no longer in HR" in verdict.reasons[0]


PROTECTED = scim.compile_mapping((*COLUMNS, "Protected"), {}, explicit_nulls=True)


@pytest.mark.parametrize(
    ("value", "found"), [(1, True), ("true", True), (0, False), (None, False), ("", False), ("maybe", None)]
)
def test_protected_is_yes_or_no_and_anything_else_parks(value: Any, found: bool | None) -> None:
    person = Person("A", (*row("A"), value))
    verdict = plan.judge(person, rules(Job.CREATE, mapping=PROTECTED))
    if found is None:
        assert verdict == Parked("A", ("Protected is neither 1 nor 0",))
    else:
        assert isinstance(verdict, Due)
        assert verdict.protected is found


def test_a_plan_tells_whom_it_saw_and_whom_it_looked_at() -> None:
    made = plan.make([known("A"), new("B"), known("c ", title="x")], rules())
    assert (made.seen, made.looked_at) == ({"a", "b", "c"}, {"a", "c"})


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        ({"ValidTo": "2026-11-21"}, True),
        ({"ValidTo": "2026-11-20"}, False),
        ({"ValidTo": "2026-11-29"}, True),
        ({"ValidTo": "2026-11-30"}, False),
        ({"ValidFrom": "2026-12-06"}, True),
        ({"ValidFrom": "2026-12-08"}, False),
        ({"ValidFrom": "2026-11-22"}, False),
        ({"ValidFrom": "nonsense"}, False),
        ({}, False),
    ],
)
def test_only_dates_in_a_time_make_a_difference_in_it(cells: dict[str, Any], found: bool) -> None:
    assert plan.has_date(new(**cells), rules(), date(2026, 11, 22), date(2026, 11, 29)) is found


def test_who_was_sent_as_active_and_is_out_of_scope_now_has_left_it() -> None:
    assert plan.has_left_scope(known(InScope=0), rules())
    assert not plan.has_left_scope(known(InScope=1), rules())
    assert not plan.has_left_scope(known(was={"active": 0}, active=0, InScope=0), rules())
    assert not plan.has_left_scope(new(InScope=0), rules())
    assert not plan.has_left_scope(known(was={}, InScope="maybe"), rules())


# --- what the log tells -------------------------------------------------------------------------------------------

LOG = plan.LogRead(NOW - timedelta(days=7), NOW - timedelta(minutes=5))


def logged(minutes: float, answered: float | None = None, **state: Any) -> Person:
    """Somebody sent so many minutes ago, of whom the log's newest entry is so many minutes old."""
    times = {"posted_at": NOW - timedelta(minutes=minutes), "sent_at": NOW - timedelta(minutes=minutes)}
    if answered is not None:
        times["answered_at"] = NOW - timedelta(minutes=answered)
    return known(state={**times, **state})


@pytest.mark.parametrize(
    ("posted", "answered", "unconfirmed"),
    [
        (50, None, True),
        (49, None, False),  # not read to 45 minutes past it
        (50, 45, False),
        (50, 51, False),  # two clocks may be a minute apart
        (50, 52, True),  # that was the answer to an earlier sending
        (60 * 24 * 8, None, False),  # sent before the log was read
    ],
)
def test_unconfirmed_is_of_whom_the_log_says_nothing_though_it_was_read(
    posted: float, answered: float | None, unconfirmed: bool
) -> None:
    person = logged(posted, answered)
    assert LOG.says_nothing_of(person.posted_at, person.answered_at) is unconfirmed


def test_reconcile_alone_sends_who_is_unconfirmed_for_a_day() -> None:
    day = 60 * 24
    assert sends(logged(day + 1), Job.RECONCILE, log=LOG) is True
    assert sends(logged(day - 1), Job.RECONCILE, log=LOG) is None
    assert sends(logged(day + 1, answered=day), Job.RECONCILE, log=LOG) is None
    assert sends(logged(day + 1), Job.UPDATE, log=LOG) is None
    assert sends(logged(day + 1), Job.RECONCILE) is None  # outcomes are off


@pytest.mark.parametrize("job", [Job.UPDATE, Job.RECONCILE])
def test_with_outcomes_a_late_manager_counts_when_she_has_succeeded(job: Job) -> None:
    late: dict[str, Any] = {"manager_known": False, "manager_sent": True, "manager_succeeded": True}
    assert sends(logged(60, 50, **late), job, log=LOG) is True
    assert sends(logged(60, 50, **late | {"manager_succeeded": False}), job, log=LOG) is None
    assert sends(logged(60, 50, **late | {"manager_known": True}), job, log=LOG) is None


def test_a_manager_who_came_to_be_there_after_her_report_was_processed_is_late_too() -> None:
    created = {"manager_sent": True, "manager_succeeded": True, "manager_created_at": NOW - timedelta(minutes=40)}
    assert sends(logged(60, 50, **created), log=LOG) is True
    assert sends(logged(60, 30, **created), log=LOG) is None  # she was processed after her manager
    assert sends(logged(60, **created), log=LOG) is None  # nobody knows yet
    assert sends(logged(35, 50, **created), log=LOG) is None  # she was sent once more since
    assert sends(logged(60, 50, **created)) is None  # outcomes are off


def test_who_shall_be_sent_once_more_goes_with_update_and_is_no_change() -> None:
    person = known(state={"retry": True})
    assert (sends(person), sends(person, Job.RECONCILE), sends(person, Job.CREATE)) == (True, True, None)
    (due,) = plan.make([person], rules()).due
    assert not due.changed
    assert not due.disables


def test_a_leaver_to_be_sent_once_more_goes_out_of_scope_too_and_disables_nobody_twice() -> None:
    gone = known(active=0, InScope=0, was={"active": 0}, state={"retry": True})
    (due,) = plan.make([gone], rules()).due
    assert (due.user.active, due.disables) == (False, False)
    assert plan.make([known(active=0, InScope=0, was={"active": 0})], rules()).due == []


def test_who_was_forgotten_is_parked_when_her_row_is_back() -> None:
    asked: list[str] = []

    def is_forgotten(employee_id: str) -> bool:
        asked.append(employee_id)
        return employee_id == "A"

    made = plan.make([new("A"), new("B"), known("C")], rules(Job.CREATE, is_forgotten=is_forgotten))
    assert (ids(made.due), [p.employee_id for p in made.parked]) == (["B"], ["A"])
    assert "forget --undo" in made.parked[0].reasons[0]
    assert asked == ["A", "B"]  # whoever was sent is known
    (forced,) = plan.make([new("A", forced=True)], rules(Job.RESYNC, is_forgotten=is_forgotten)).parked
    assert forced.forced


# --- one after the other ------------------------------------------------------------------------------------------


def test_looked_at_one_after_the_other_people_are_judged_as_all_at_once() -> None:
    """Among people never sent: some share an EmployeeId, in one table or two, some a userName, some cannot be sent."""
    rng = random.Random(7)
    everybody = []
    for n in range(400):
        cells: dict[str, Any] = {"active": rng.choice((1,) * 6 + (0, None)), "InScope": rng.choice((1, 1, 1, 0))}
        cells |= {
            "ValidFrom": rng.choice((None, "2026-11-25", "2027-05-01")),
            "TimeZone": rng.choice((None,) * 9 + ("Mars",)),
        }
        cells |= {"userName": rng.choice((f"u{n}",) * 4 + (f"u{n % 20}",) * 4 + (None,))}
        person = new(f"P{rng.randrange(600)}", **cells)
        everybody.append(of(rng.choice(("A", "B", None)), person, missing=rng.random() < 0.3))
    at_hand = rules(Job.CREATE, mapping=TWO_SYSTEMS, prehire_active=False)
    together = plan.make(everybody, at_hand)
    crowd = plan.Crowd(everybody, at_hand, names=True)
    alone: dict[str, Due | Parked] = {}
    for person in everybody:
        if crowd.speaks(person) and (verdict := crowd.judge(person)):
            alone[verdict.key] = verdict
    assert {p.key: p.reasons for p in together.parked} == {
        k: v.reasons for k, v in alone.items() if isinstance(v, Parked)
    }
    assert {d.key: d.user for d in together.due} == {k: v.user for k, v in alone.items() if isinstance(v, Due)}
    assert len(together.due) > 20
    told = {reason.partition(":")[0] for p in together.parked for reason in p.reasons}
    assert any(reason.startswith("has the userName of ") for reason in told)
    assert told >= {"two rows of dbo.ScimUsers have this EmployeeId", "active is null"}


@pytest.mark.parametrize(
    ("person", "stands", "why"),
    [
        (new(), Standing.ACTIVE, ()),
        (new(active=0), Standing.LEFT, ("inactive in HR",)),
        (new(ValidTo="2026-11-21"), Standing.LEFT, ("past her last day",)),
        (new(ValidTo="2026-11-22"), Standing.ACTIVE, ()),
        (replace(new(), missing=True), Standing.LEFT, ("absent from HR",)),
        (new(InScope=0), Standing.OUT_OF_SCOPE, ()),
        (new(InScope=0, active=0), Standing.LEFT, ("inactive in HR",)),
        (new(ValidFrom="2027-01-01"), Standing.LATER, ()),
        (new(ValidFrom="2026-11-25"), Standing.ACTIVE, ()),  # within the lead days, and active before
        (known(ValidFrom="2027-01-01"), Standing.ACTIVE, ()),  # sent as active: a new first day takes nothing away
        (new(active=None), Standing.UNCLEAR, ("active is null",)),
        (new(TimeZone="Mars"), Standing.UNCLEAR, ("TimeZone is not an IANA time zone",)),
        (replace(known(), by_hand=True), Standing.BY_HAND, ("disabled by hand",)),
        (replace(sent_inactive(active=0), by_hand=True), Standing.LEFT, ("inactive in HR",)),  # HR agrees
    ],
)
def test_how_somebody_stands_with_hr(person: Person, stands: Standing, why: tuple[str, ...]) -> None:
    assert plan.standing(person, rules()) == (stands, why)
