"""The guards, with what they must know of the ledger: what was last sent of people, and how many had an attribute."""

import json
from collections.abc import Sequence

from provisioning import plan, scim
from provisioning.guards import Differences, Guard, Held, changed_paths
from provisioning.ledger import Ledger
from provisioning.plan import Due, Rules
from provisioning.scim import ScimMapping


def weigh(ledger: Ledger, rules: Rules, guard: Guard, due: Sequence[Due]) -> list[Held]:
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


def differences(ledger: Ledger, rules: Rules, due: Sequence[Due]) -> Differences:
    """What differs, attribute by attribute, from what was sent of these people."""
    found = Differences()
    changed = {d.key: d for d in due if d.person.sent and d.changed}
    for employee_id, before in ledger.sent_users([d.user.employee_id for d in changed.values()]):
        if one := changed.get(plan.same_key(employee_id)):
            found.add(one, scim.flatten(before), rules.mapping.flat(one.user))
    return found


def changed_attributes(due: Due, mapping: ScimMapping) -> list[str] | None:
    """The attributes of hers that differ from what was sent; None where nothing was, or it is not at hand."""
    if due.person.sent_user is None:
        return None
    return changed_paths(scim.flatten(json.loads(due.person.sent_user)), mapping.flat(due.user))
