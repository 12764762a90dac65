"""The guards, with what they must know of the ledger: what was last sent of people, and how many had an attribute."""

import json
from collections.abc import Iterator, Sequence

from provisioning import database, plan, scim
from provisioning.guards import Differences, Guard, Held, changed_paths
from provisioning.ledger import Ledger
from provisioning.people import Brief, Due, Going, same_key
from provisioning.plan import Rules
from provisioning.scim import ScimMapping, User


def weigh(ledger: Ledger, rules: Rules, guard: Guard, due: Sequence[Going]) -> list[Held]:
    """Who of these people is held, with what differs from what was sent of them."""
    found = differences(ledger, rules, due)
    if unknown := guard.unknown(found):
        guard.learn(_had(ledger, unknown))
    return guard.weigh(due, found)


def _had(ledger: Ledger, paths: set[str]) -> dict[str, int]:
    """How many people had these attributes when they were last sent."""
    had = dict.fromkeys(paths, 0)
    for user in ledger.every_sent_user():
        values = scim.flatten(user)
        for path in paths:
            had[path] += values.get(path) is not None
    return had


def differences(ledger: Ledger, rules: Rules, due: Sequence[Going]) -> Differences:
    """What differs, attribute by attribute, from what was sent of these people; a few of them in memory at a time.

    Who is another since she was found due is left out: the sender weighs her when it reads her.
    """
    found = Differences()
    for some in database.chunks([d for d in due if d.sent and d.changed]):
        changed = {one.key: (one, user) for one, user in _with_users(ledger, rules, some)}
        for employee_id, before in ledger.sent_users([d.employee_id for d in some]):
            if (pair := changed.get(same_key(employee_id))) is not None:
                found.add(pair[0], scim.flatten(before), rules.mapping.flat(pair[1]))
    return found


def _with_users(ledger: Ledger, rules: Rules, some: Sequence[Going]) -> Iterator[tuple[Going, User]]:
    """What goes of these people: as it is at hand, or read again."""
    yield from ((one, one.user) for one in some if isinstance(one, Due))
    briefs = {one.key: one for one in some if isinstance(one, Brief)}
    for person in ledger.people_of(rules.mapping, [one.employee_id for one in briefs.values()]) if briefs else ():
        brief = briefs.get(same_key(person.employee_id))
        if brief is not None and (user := plan.user_again(brief, person, rules)) is not None:
            yield brief, user


def changed_attributes(due: Due, mapping: ScimMapping) -> list[str] | None:
    """The attributes of hers that differ from what was sent; None where nothing was, or it is not at hand."""
    if due.person.sent_user is None:
        return None
    return changed_paths(scim.flatten(json.loads(due.person.sent_user)), mapping.flat(due.user))
