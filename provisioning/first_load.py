"""What a first load would do to the directory, person by person, before anybody was ever sent. Pure.

Entra finds an account by key and writes to it, or makes one; it refuses a user name that another account has, and a key
that several have. So whoever exists under another key is made anew beside her account, or is refused.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from provisioning.accounts import Account
from provisioning.comparison import (
    Difference,
    Expected,
    Finding,
    Heading,
    Likeness,
    Meeting,
    not_active,
    not_active_unmet,
    remarks_of,
)
from provisioning.flows import ENABLED, MANAGER, USER_NAME, Flow
from provisioning.people import Standing, same_key

_EXISTING = (Heading.CREATED, Heading.BESIDE)
"""Whose accounts a first load makes, so that they can be somebody's manager."""


def foresee(meeting: Meeting, people: Iterable[Expected]) -> list[Finding]:
    """Everybody under a heading, and every account that is nobody's."""
    found: list[Finding] = []
    unmet: list[Expected] = []
    awaited: list[tuple[int, str]] = []
    keys: dict[str, str] = {}
    for one in people:
        accounts, by = meeting.of(one.keys)
        for account in accounts:
            meeting.take(account, one.employee_id, active=one.standing is Standing.ACTIVE)
        if not accounts:
            unmet.append(replace(one, sent=None))
            continue
        if manager := _awaited(meeting, one):
            awaited.append((len(found), manager))
        found.append(_met(meeting, one, accounts, by))
    for one, like in meeting.lookalikes(unmet):
        found.append(_unmet(meeting, one, like))
        if found[-1].heading in _EXISTING and one.keys[0]:
            keys[same_key(one.keys[0])] = one.employee_id
    for n, manager in awaited:
        if same_key(manager) in keys and found[n].heading is Heading.MATCHED:
            found[n] = _with_manager(meeting, found[n], manager)
    return [*map(meeting.settled, found), *meeting.strangers()]


def attributes(findings: Iterable[Finding]) -> dict[str, int]:
    """For how many of the matched people each property would change, the most first."""
    found: dict[str, int] = {}
    for finding in findings:
        for one in finding.differences if finding.heading is Heading.MATCHED else ():
            found[one.property] = found.get(one.property, 0) + 1
    return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def switched(finding: Finding) -> bool | None:
    """Whether her account would be enabled or disabled; None where it stays as it is."""
    told = next((d.sent for d in finding.differences if d.property == ENABLED), None)
    return None if told is None or finding.heading is not Heading.MATCHED else told == "true"


def _met(meeting: Meeting, one: Expected, accounts: Sequence[Account], by: str | None) -> Finding:
    account = next((a for a in accounts if a.enabled), accounts[0])
    if one.goes is None:
        return not_active(one, account, by, *meeting.beside(account, accounts))
    if len(accounts) > 1:
        names = ", ".join(str(meeting.accounts.get(a, USER_NAME)) for a in accounts)
        told = f"{len(accounts)} accounts have her key, and Entra refuses to choose: {names}"
        return Finding(Heading.DOUBLED, one.employee_id, account, by, (told,))
    if clash := _clash(meeting, one, account):
        told = f"is found, and would be renamed: {clash}"
        return Finding(Heading.CLASH, one.employee_id, account, by, (told,), user_name=one.user_name)
    differences = [*_enabling(one.goes, account), *meeting.differences(one.sent or {}, account, writing=True)]
    return Finding(Heading.MATCHED, one.employee_id, account, by, remarks_of(meeting, one, account), tuple(differences))


def _enabling(active: bool, account: Account) -> list[Difference]:
    if active == account.enabled:
        return []
    return [Difference("active", ENABLED, str(active).lower(), str(account.enabled).lower())]


def _clash(meeting: Meeting, one: Expected, account: Account) -> str | None:
    """Why she could not get her user name; None where she has it, or nothing writes it."""
    flow = _flow(meeting, USER_NAME)
    if flow is None or flow.only_on_create or not one.user_name:
        return None
    named = meeting.named(one.user_name)
    return None if not named or any(a is account for a in named) else _whose(meeting, one, named[0])


def _whose(meeting: Meeting, one: Expected, account: Account) -> str:
    """By whom her user name is taken: by somebody else's account, or by one that is nobody's, perhaps hers."""
    name, key = (meeting.accounts.get(account, of) for of in (USER_NAME, meeting.key))
    holder = meeting.taken.get(account.object_id)
    whose = (
        f"is {holder}'s"
        if holder not in (None, one.employee_id)
        else f"has {meeting.key} {key}"
        if key
        else f"has no {meeting.key}"
    )
    return f"the user name {name} is taken by an account that {whose}"


def _unmet(meeting: Meeting, one: Expected, like: Likeness | None) -> Finding:
    if one.goes is None:
        return not_active_unmet(one, like)
    free = like if like and like.holder is None else None
    if named := meeting.named(one.user_name or ""):
        hers = (f"it is perhaps hers: {free.told}",) if free and free.account is named[0] else ()
        told = (_whose(meeting, one, named[0]), *hers)
        by = free.by[0] if hers and free else None
        return Finding(Heading.CLASH, one.employee_id, named[0], by, told, user_name=one.user_name)
    if free:
        told = (free.told,)
        return Finding(Heading.BESIDE, one.employee_id, free.account, free.by[0], told, user_name=one.user_name)
    return Finding(Heading.CREATED, one.employee_id, user_name=one.user_name)


def _awaited(meeting: Meeting, one: Expected) -> str | None:
    """Her manager's key, where that is nobody's yet."""
    flow = _flow(meeting, MANAGER)
    value: Any = (one.sent or {}).get(flow.path) if flow and not flow.only_on_create else None
    return str(value) if value and one.goes is not None and not meeting.holders(str(value)) else None


def _with_manager(meeting: Meeting, finding: Finding, manager: str) -> Finding:
    flow, account = _flow(meeting, MANAGER), finding.account
    hers = meeting.accounts.by_id.get(account.manager_id or "") if account else None
    there = meeting.accounts.get(hers, meeting.key) if hers else None
    difference = Difference(flow.path if flow else "", MANAGER, manager, there)
    return replace(finding, differences=(*finding.differences, difference))


def _flow(meeting: Meeting, name: str) -> Flow | None:
    return next((flow for flow in meeting.flows.compared if flow.property == name), None)
