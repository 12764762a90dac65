"""What may go without approval. Pure: people in, holds out."""

from datetime import UTC, datetime
from typing import Any

import pytest

from provisioning import guards
from provisioning.guards import Differences, Guard, Limits, Situation
from provisioning.people import Due, Group, Person
from provisioning.scim import User

LIMITS = Limits(disables=50, changes=200, creates=200)


def due(employee_id: str, **facts: Any) -> Due:
    """Somebody due; by default a change of somebody active who was sent before."""
    sent, active = facts.pop("sent", True), facts.pop("active", True)
    person = Person(
        employee_id,
        (),
        sent_hash="old" if sent else None,
        sent_active=facts.pop("was", True) if sent else None,
        sent_at=datetime(2026, 11, 1, tzinfo=UTC) if sent else None,
        forced_token=facts.pop("forced", None),
        unanswered=facts.pop("unanswered", None),
    )
    user = User(employee_id, employee_id, employee_id, active, None, (), facts.pop("hash", "new"))
    return Due(user, person, Group.CHANGE, None, **facts)


def leaver(employee_id: str, **facts: Any) -> Due:
    return due(employee_id, active=False, disables=True, **facts)


def many(count: int, make: Any = due, **facts: Any) -> list[Due]:
    return [make(f"E{n:04d}", **facts) for n in range(count)]


def situation(**facts: Any) -> Situation:
    return Situation(**{"limits": LIMITS, "people_sent": 1000, **facts})


NAMED = {f"e{n:04d}" for n in range(1000)}


def weigh(
    guard: Guard, people: list[Due], differences: Differences | None = None, had: dict[str, int] | None = None
) -> list[guards.Held]:
    guard.learn(had or {})
    return guard.weigh(people, differences or Differences())


def classes(held: list[guards.Held]) -> dict[str, int]:
    return {h.kind[0]: len(h.people) for h in held}


@pytest.mark.parametrize(
    ("wanted", "limits"),
    [((0, 0, 0), (10, 200, 200)), ((50, 300, 400), (50, 300, 400)), ((5000, 200, 200), (500, 200, 200))],
)
def test_limits_have_floors_and_disables_never_more_than_500(
    wanted: tuple[int, int, int], limits: tuple[int, int, int]
) -> None:
    assert Limits.of(*wanted) == Limits(*limits)


@pytest.mark.parametrize(
    ("people", "held"),
    [
        (many(50, leaver), {}),
        (many(51, leaver), {"disables": 51}),
        (many(200), {}),
        (many(201), {"changes": 201}),
        (many(200, sent=False), {}),
        (many(201, sent=False), {"creates": 201}),
        (many(800, leaver, expected=True), {}),
        (many(500, hash="old"), {}),
        (many(500, leaver, hash="old", was=False), {"disables": 500}),
    ],
    ids=["50 leavers", "51 leavers", "200", "201", "200 new", "201 new", "800 temps", "re-sends", "doubtful disables"],
)
def test_a_class_is_held_whole_above_its_limit(people: list[Due], held: dict[str, int]) -> None:
    assert classes(weigh(Guard(situation()), people)) == held


def test_leavers_are_no_changes_and_everybody_else_goes_on() -> None:
    guard = Guard(situation())
    people = [*many(60, leaver), *(due(f"X{n}") for n in range(5))]
    (held,) = weigh(guard, people)
    assert (held.kind[0], len(held.people)) == ("disables", 60)
    assert held.reason == "60 people would be disabled, 0 were in the last 24 h; at most 50 may be"
    assert [guard.is_let_go(d) for d in people] == [False] * 60 + [True] * 5


def test_disables_of_the_last_24_hours_count() -> None:
    lately = frozenset(f"x{n}" for n in range(40))
    assert classes(weigh(Guard(situation(disabled_lately=lately)), many(10, leaver))) == {}
    assert classes(weigh(Guard(situation(disabled_lately=lately)), many(11, leaver))) == {"disables": 11}


def test_disables_let_go_one_by_one_count_for_the_next() -> None:
    guard = Guard(situation())
    held = [bool(weigh(guard, [one])) for one in many(500, leaver)]
    assert held == [False] * 50 + [True] * 450


def test_changes_and_creates_let_go_one_by_one_count_within_a_run() -> None:
    for facts in ({}, {"sent": False}):
        guard = Guard(situation())
        assert sum(not weigh(guard, [one]) for one in many(300, **facts)) == 200


def test_an_approval_covers_a_person_in_every_class_while_the_hash_is_the_one_approved() -> None:
    people = [*many(60, leaver, marked=True), leaver("CHANGED", hash="another")]
    approved = {d.key: {"new"} for d in people}
    guard = Guard(situation(approved=approved, changed_mapping="m2"))
    assert classes(weigh(guard, people)) == {"mapping": 1}
    assert not any(guard.counts_as_disable(d) for d in people[:60])  # approved ones are not counted again
    assert guard.counts_as_disable(people[60])


def test_who_waits_keeps_waiting_below_the_limit_and_the_others_go() -> None:
    waiting = {("disables", ""): {d.key for d in many(45, leaver)}}
    guard = Guard(situation(waiting=waiting))
    new = [leaver(f"NEW{n}") for n in range(3)]
    (held,) = weigh(guard, [*many(45, leaver), *new])
    assert sorted(held.people) == [d.user.employee_id for d in many(45, leaver)]
    assert held.reason == ""  # the hold keeps the one it has
    assert all(guard.is_let_go(d) for d in new)


def test_a_first_load_is_a_class_of_its_own_and_counts_in_no_other() -> None:
    people = many(1000, sent=False)
    assert classes(weigh(Guard(situation(people_sent=0)), people)) == {"first_load": 1000}
    assert classes(weigh(Guard(situation(people_sent=0)), people[:1])) == {"first_load": 1}


def test_whom_an_operator_named_needs_no_approval_of_a_first_load_but_of_too_many_creates() -> None:
    assert classes(weigh(Guard(situation(people_sent=0, named=NAMED)), many(200, sent=False))) == {}
    assert classes(weigh(Guard(situation(people_sent=0, named=NAMED)), many(201, sent=False))) == {"creates": 201}
    assert classes(weigh(Guard(situation(people_sent=0)), [due("E1", sent=False, forced="token")])) == {}


def test_a_first_load_that_waits_goes_on_waiting_after_some_were_sent_by_name() -> None:
    waiting = {("first_load", ""): {d.key for d in many(100, sent=False)}}
    guard = Guard(situation(people_sent=5, waiting=waiting))
    assert classes(weigh(guard, many(100, sent=False))) == {"first_load": 100}


def test_a_changed_mapping_is_held_whatever_its_size() -> None:
    people = [due("E1"), due("E2", sent=False), leaver("E3"), due("E4", hash="old")]
    (held, *_) = weigh(Guard(situation(changed_mapping="m2")), people)
    assert (held.kind, sorted(held.people)) == (("mapping", "m2"), ["E1", "E2", "E3"])
    assert "3 people, 1 of them leaving" in held.reason


def test_a_mapping_hold_tells_per_attribute_how_many_change_and_three_examples() -> None:
    people, differences = many(5), Differences()
    for one in people:
        differences.add(one, {"title": "Clerk", "userName": "a"}, {"title": "CLERK", "userName": "a"})
    (held,) = weigh(Guard(situation(changed_mapping="m2")), people, differences)
    assert held.attributes["title"]["people"] == 5
    assert held.attributes["title"]["examples"] == [
        {"employee_id": f"E{n:04d}", "old": "Clerk", "new": "CLERK"} for n in range(3)
    ]
    assert list(held.attributes) == ["title"]


@pytest.mark.parametrize("path", ["externalId", "userName", "title"])
def test_a_protected_person_keeps_her_names(path: str) -> None:
    for protected in (True, False):
        one, differences = due("E1", marked=protected), Differences()
        differences.add(one, {path: "old"}, {path: "new"})
        held = classes(weigh(Guard(situation()), [one], differences))
        assert held == ({"protected": 1} if protected and path != "title" else {})


def test_a_protected_person_is_never_disabled_unasked_not_even_when_expected() -> None:
    assert classes(weigh(Guard(situation()), [leaver("E1", marked=True, expected=True)])) == {"protected": 1}
    assert classes(weigh(Guard(situation()), [due("E1", marked=True, sent=False)])) == {}


def test_whoever_seems_to_have_moved_is_held_alone_and_by_name() -> None:
    moved = [leaver(f"E{n}", moved_to=f"B-{n} (dbo.Agency)") for n in range(1, 6)]
    (held,) = weigh(Guard(situation()), [*moved, leaver("E9")])
    assert (held.kind, sorted(held.people)) == (("moved", ""), ["E1", "E2", "E3", "E4", "E5"])
    assert held.reason.endswith("E1 to B-1 (dbo.Agency), E2 to B-2 (dbo.Agency), E3 to B-3 (dbo.Agency), …")
    assert classes(weigh(Guard(situation()), [leaver("E1", moved_to="B-1", expected=True)])) == {"moved": 1}
    assert classes(weigh(Guard(situation(approved={"e1": {"new"}})), moved[:1])) == {}
    assert classes(weigh(Guard(situation()), [due("E1", moved_to="B-1")])) == {}
    assert classes(weigh(Guard(situation()), [leaver("E1", moved_to="B-1", by_hand=True)])) == {}


@pytest.mark.parametrize(
    ("emptied", "had", "held"), [(5, 100, 0), (6, 100, 6), (1, 1, 0), (2, 39, 2), (2, 40, 0), (60, 1000, 60)]
)
def test_an_attribute_may_turn_null_for_5_of_100_who_had_it(emptied: int, had: int, held: int) -> None:
    people, differences = many(emptied), Differences()
    for one in people:
        differences.add(one, {"title": "x"}, {"title": None})
    found = weigh(Guard(situation()), people, differences, {"title": had})
    assert classes(found) == ({"attribute_to_null": held} if held else {})
    assert all(h.kind == ("attribute_to_null", "title") and f"of {had} who had it" in h.reason for h in found)


def test_what_a_leaver_loses_and_what_the_mapping_no_longer_has_turns_not_null() -> None:
    differences = Differences()
    gone = many(20, leaver, expected=True)
    for one in gone:
        differences.add(one, {"title": "x"}, {"title": None})
    stay = [due(f"S{n}") for n in range(20)]
    for one in stay:
        differences.add(one, {"title": "x"}, {})
    assert classes(weigh(Guard(situation()), [*gone, *stay], differences, {"title": 40})) == {}


def test_an_attribute_lost_by_one_after_the_other_is_held_when_they_become_many() -> None:
    guard, held = Guard(situation()), []
    for one in many(8):
        differences = Differences()
        differences.add(one, {"title": "x"}, {"title": None})
        assert guard.unknown(differences) == ({"title"} if one.key == "e0001" else set())
        held.append(bool(weigh(guard, [one], differences, {"title": 100} if one.key == "e0001" else None)))
    assert held == [False] * 5 + [True] * 3


def test_who_was_weighed_need_not_be_weighed_again_until_she_changes() -> None:
    guard = Guard(situation())
    weigh(guard, [due("E1")])
    assert guard.is_let_go(due("e1"))
    assert not guard.is_let_go(due("E1", hash="newer"))


def test_changed_paths_take_what_is_missing_for_null() -> None:
    assert guards.changed_paths({"a": 1, "b": None}, {"a": 1, "c": None, "d": 2}) == ["d"]
