"""Guards over a whole company: of everybody due no more is kept than a brief, and what differs is read again."""

from collections.abc import Callable

import pytest

from provisioning import jobs, plan, runs, weighing
from provisioning.database import Database
from provisioning.pacing import Clock
from provisioning.people import Brief, Due, Group, Job
from provisioning.runs import Report, Work
from provisioning.settings import Settings
from tests.clock import MovedClock
from tests.conftest import NAMED, edit, employ

PEOPLE = [f"E{n:03d}" for n in range(60)]


@pytest.fixture
def work(small: Database, bridge: Callable[..., Settings], clock: MovedClock) -> Work:
    """Sixty people were sent; then some get another title, some lose theirs, one leaves, one cannot be sent."""
    settings = bridge()
    employ(small, *PEOPLE, Title="Duck", Email="a@contoso.example")
    jobs.create(settings, NAMED, clock=clock)
    edit(small, *PEOPLE[:20], Title="Goose")
    edit(small, *PEOPLE[20:30], Title=None)
    edit(small, PEOPLE[30], Active=0)
    edit(small, PEOPLE[31], Active=None)
    assert settings.bulk_upload
    return Work(small, settings, settings.bulk_upload, runs.compiled(small, settings), Report("x", {}), Clock(), 0.0)


def test_a_whole_company_due_is_kept_without_rows_values_and_payloads(work: Work) -> None:
    made = plan.outline(work.book.people(work.mapping), work.rules(Job.UPDATE))
    assert {type(one) for one in made.due} == {Brief}
    kept = {type(getattr(one, name)) for one in made.due for name in Brief.__slots__}
    assert kept == {str, bool, type(None), Group}


def test_an_outline_is_the_plan_in_brief(work: Work) -> None:
    rules = work.rules(Job.UPDATE)
    whole, brief = (make(work.book.people(work.mapping), rules) for make in (plan.make, plan.outline))
    assert [one.brief(one.key) for one in whole.due] == brief.due
    assert (whole.parked, whole.people, whole.agreed) == (brief.parked, brief.people, brief.agreed)
    assert len(brief.due) == 31
    assert [p.employee_id for p in brief.parked] == [PEOPLE[31]]


def test_what_differs_is_the_same_whether_it_was_kept_or_is_read_again(work: Work) -> None:
    rules = work.rules(Job.UPDATE)
    whole, brief = (make(work.book.people(work.mapping), rules).due for make in (plan.make, plan.outline))
    told = weighing.differences(work.book, rules, brief)
    assert told == weighing.differences(work.book, rules, whole)
    assert {path: len(ids) for path, ids in told.people.items()} == {"title": 30, "active": 1}
    assert len(told.emptied["title"]) == 10


def test_who_is_another_since_she_was_found_due_is_left_to_the_sender(work: Work) -> None:
    rules = work.rules(Job.UPDATE)
    due = plan.outline(work.book.people(work.mapping), rules).due
    edit(work.db, PEOPLE[0], Title="Swan")
    found = weighing.differences(work.book, rules, due)
    assert len(found.people["title"]) == 29
    assert PEOPLE[0] not in found.people["title"]
    (person,) = work.book.people_of(work.mapping, [PEOPLE[0]])
    brief = next(one for one in due if one.employee_id == PEOPLE[0])
    assert plan.user_again(brief, person, rules) is None


def test_a_leaver_who_goes_as_she_was_last_sent_is_made_again_from_that(work: Work) -> None:
    edit(work.db, PEOPLE[5], ValidTo="2020-01-01", HiredDate="soon")
    rules = work.rules(Job.UPDATE)
    due = work.outline(work.book.people(work.mapping), rules).due
    assert {type(one) for one in due} == {Brief}
    (brief,) = [one for one in due if one.employee_id == PEOPLE[5]]
    (person,) = work.book.people_of(work.mapping, [PEOPLE[5]])
    user = plan.user_again(brief, person, rules)
    assert user is not None
    assert (user.active, user.hash) == (False, brief.hash)


def test_a_brief_asks_for_what_a_person_due_has(work: Work) -> None:
    """Guards and the order take either."""
    assert {name for name in Brief.__slots__ if not hasattr(Due, name)} == set()
