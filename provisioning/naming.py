"""Names are given before people are created: to whoever is due and has none, whether a guard will hold her or not.

Where `USER_NAME_PATTERNS` is not set, nothing here does anything. See docs/user-names.md.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date
from typing import Any

from provisioning import database, name_book, plan, user_names
from provisioning.people import Job, Person, same_key
from provisioning.plan import Rules
from provisioning.runs import Work
from provisioning.user_names import FIELDS, Given, NoName, Policy, Taken, Wanted

TRIES = 10
"""So often others may get a name first, until somebody is left to the next run."""

RENAMES = (
    "warning: no existing user name was taken over: whoever has an account already would be renamed by a first load; "
    "see take-over-names in docs/user-names.md"
)

RACED = "no user name: other runs took each name that was tried; the next run tries again"

_PATHS = {"given": "name.givenName", "middle": "name.middleName", "family": "name.familyName"}


def give(work: Work, rules: Rules, only: Sequence[str] | None = None) -> None:
    """Give a name to everybody whom these rules would create and who has none; `only`: of these people.

    Names stay given, whatever becomes of the run. Why somebody gets none is told where she is parked.
    """
    policy = work.settings.user_names
    if policy is None:
        return
    if count := _give(work, policy, _wanted(work, rules, only)):
        work.report.note(f"{count} user name{'' if count == 1 else 's'} given")


def foreseen(work: Work, rules: Rules, only: Sequence[str] | None = None) -> dict[str, list[Person]]:
    """People as the mapping will show them once they have their names: id as it is compared → her rows."""
    found: dict[str, list[Person]] = {}
    with tried(work, rules, only) as ids:
        for chunk in database.chunks(ids):
            for person in work.book.people_of(work.mapping, chunk):
                found.setdefault(same_key(person.employee_id), []).append(person)
    return found


@contextmanager
def tried(work: Work, rules: Rules, only: Sequence[str] | None = None) -> Iterator[list[str]]:
    """Within it the mapping shows everybody under her name; whose names are new is given.

    Names are given in a transaction that is rolled back, so that it is exactly what `give` would do as things stand.
    """
    policy = work.settings.user_names
    wanted = _wanted(work, rules, only) if policy else []
    if policy is None or not wanted:
        yield []
        return
    with suppress(_Undone), work.db.transaction():
        _give(work, policy, wanted)
        ids = [one.employee_id for one in wanted]
        del wanted  # of a whole company it is much
        yield ids
        raise _Undone


class _Undone(Exception):
    """What was tried is rolled back."""


def with_names(people: Iterable[Person], named: Mapping[str, Sequence[Person]]) -> Iterator[Person]:
    """The same people, those of `foreseen` in their places."""
    seen: set[str] = set()
    for person in people:
        key = same_key(person.employee_id)
        if key not in named:
            yield person
        elif key not in seen:
            seen.add(key)
            yield from named[key]


def looking_ahead(rules: Rules) -> Rules:
    """The same for counting who is due: names are given before anybody goes."""
    return replace(rules, why_unnamed=None)


def wanted(work: Work, employee_id: str, row: Sequence[Any]) -> Wanted:
    """What a name of hers is made from: her given and family name, as the mapping has them."""
    texts = {name: work.mapping.text(row, _PATHS[name]) or "" for name in FIELDS}
    return Wanted(employee_id, **texts)


def taken(work: Work) -> Taken:
    """What nobody else may get, as things stand: what is in the book, and what people are sent under without it."""
    found = name_book.taken(work.db)
    for user_name in work.book.shown_user_names(work.mapping):
        found.add(user_name)
    return found


def _wanted(work: Work, rules: Rules, only: Sequence[str] | None) -> list[Wanted]:
    """Who would be created and has no name: whoever starts first is the first to choose."""
    db, rules = work.db, looking_ahead(rules)
    ids = name_book.unnamed(db, work.target) if only is None else name_book.without_name(db, only)
    found: list[tuple[date, str, Wanted]] = []
    for chunk in database.chunks(ids):
        people = [_with_any_name(work, p, rules) for p in work.book.people_of(work.mapping, chunk)]
        for due in plan.make(people, rules).due:
            if not due.person.known:
                person, employee_id = due.person, due.user.employee_id
                first_day, _ = plan.first_and_last_day(person, rules)
                found.append((first_day or date.min, employee_id, wanted(work, employee_id, person.row)))
    return [one for *_, one in sorted(found, key=lambda each: each[:2])]


def _with_any_name(work: Work, person: Person, rules: Rules) -> Person:
    """As if she had a name, of which the mapping shows nothing yet; for a resync as if she were forced already."""
    named = replace(person, row=work.mapping.with_user_name(person.row, person.employee_id))
    return plan.as_forced(named) if rules.job is Job.RESYNC else named


def _give(work: Work, policy: Policy, wanted: Sequence[Wanted]) -> int:
    """Give names until everybody has one, or none can be made; gives back how many."""
    given = 0
    for _ in range(TRIES if wanted else 0):
        name_book.free_again(work.db, policy.keep_years)
        count, wanted = _give_once(work, policy, wanted)
        given += count
        if not wanted:
            break
    work.unnamed.update((same_key(one.employee_id), RACED) for one in wanted)
    return given


def _give_once(work: Work, policy: Policy, wanted: Sequence[Wanted]) -> tuple[int, list[Wanted]]:
    """Give names nobody has, as things stand now; gives back how many, and whose names somebody else got first."""
    found, given = taken(work), 0
    if not found.names and not work.book.people_sent():
        work.report.note(RENAMES)
    left: list[Wanted] = []
    for chunk in database.chunks(wanted):
        proposed = list(_proposed(work, policy, chunk, found))
        count = name_book.give(work.db, proposed)
        given += count
        if count < len(proposed):
            lacking = set(name_book.without_name(work.db, [one.employee_id for one in proposed]))
            left += [one for one in chunk if one.employee_id in lacking]
    return given, left


def _proposed(work: Work, policy: Policy, wanted: Sequence[Wanted], taken: Taken) -> Iterator[Given]:
    """A name for each who can have one: that of her account, where she has one already, so that none is renamed."""
    accounts = name_book.of_accounts(work.db, [one.employee_id for one in wanted], domains=bool(policy.domain))
    for one in wanted:
        try:
            account = accounts.get(same_key(one.employee_id))
            yield replace(account, employee_id=one.employee_id) if account else user_names.propose(one, policy, taken)
        except NoName as exc:
            work.unnamed[same_key(one.employee_id)] = str(exc)
