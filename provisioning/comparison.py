"""HR beside the directory, person by person: who is where, and under which heading that belongs. Pure.

People are met with accounts first by what the app matches by. Who finds no account that way is looked for by other
names of hers, among the accounts that nobody has; what is left over there has no HR.
"""

import functools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any

from provisioning import flows
from provisioning.accounts import SAM, SYNCED, Account, Accounts
from provisioning.flows import MAIL, MANAGER, USER_NAME, Flow, Flows
from provisioning.people import Standing, same_key

SYNCED_REMARK = "synchronised from on-premises: Entra cannot change it"


class Heading(Enum):
    """Where a person, or an account, belongs; exactly one each."""

    LEFT_ENABLED = "left_enabled"
    DOUBLED = "doubled"
    MISSING = "missing"
    OTHER_KEY = "other_key"
    WITHOUT_HR = "without_hr"
    DISABLED = "disabled"
    DIFFERS = "differs"
    PARKED = "parked"
    ENABLED = "enabled"
    LEFT = "left"
    LATER = "later"
    OUT_OF_SCOPE = "out_of_scope"
    MATCHED = "matched"
    CREATED = "created"
    CLASH = "clash"
    BESIDE = "beside"


@dataclass(frozen=True, slots=True)
class Expected:
    """What HR, and what was sent, say of somebody. `keys`: her values of what people are matched by.

    `sent`: path → value, of what was last sent; in a first load of what would be. `goes`: whether that would send her,
    as active or not; None where it would not.
    """

    employee_id: str
    standing: Standing
    keys: tuple[str | None, ...]
    user_name: str | None = None
    mail: str | None = None
    sent: Mapping[str, Any] | None = None
    remarks: tuple[str, ...] = ()
    goes: bool | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """A property over there that is not as it was sent; in a first load, not as it would be sent."""

    path: str
    property: str
    sent: str | None
    found: str | None
    only_on_create: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """A person, an account, or both, under a heading; `by`: the property by which they were found to be one.

    `user_name`: HR's, of somebody who has no account under it.
    """

    heading: Heading
    employee_id: str | None
    account: Account | None = None
    by: str | None = None
    remarks: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    user_name: str | None = None


@dataclass(frozen=True, slots=True)
class Likeness:
    """An account that is perhaps somebody's, and the properties that say so; `holder`: who has it already."""

    account: Account
    by: tuple[str, ...]
    holder: str | None = None
    key: str = ""
    """The property that people are matched by: hers is nearly this account's where it is among them."""

    @property
    def told(self) -> str:
        """In words."""
        same = ", ".join(name for name in self.by if name != self.key)
        near = f"nearly the same {self.key}" if self.key in self.by else ""
        return ", and ".join(part for part in (near, f"the same {same}" if same else "") if part)


_OF_STANDING = {
    Standing.ACTIVE: Heading.PARKED,
    Standing.UNCLEAR: Heading.PARKED,
    Standing.LATER: Heading.LATER,
    Standing.OUT_OF_SCOPE: Heading.OUT_OF_SCOPE,
    Standing.LEFT: Heading.LEFT,
    Standing.BY_HAND: Heading.LEFT,
}
"""Where somebody belongs who need not have an enabled account; of who is active that is not asked."""

Rule = Mapping[str, str]
"""Property → pattern, all of which must fit: accounts that no HR system knows, and that is meant."""


@dataclass
class Meeting:
    """Accounts, and who was met with which. `gone`: key → EmployeeId of people sent before whom HR has no row of."""

    accounts: Accounts
    flows: Flows
    gone: Mapping[str, str] = field(default_factory=dict)
    ignored: Sequence[Rule] = ()
    taken: dict[str, str] = field(default_factory=dict)
    """Object id → EmployeeId."""
    left_out: Counter[int] = field(default_factory=Counter)
    """Number of a rule → accounts that it fits; -1: those that are disabled."""
    in_use: set[str] = field(default_factory=set)
    """Object ids of accounts that somebody has by key who is active, whoever else has that key."""

    def __post_init__(self) -> None:
        """Make the index of what people are matched by."""
        self._index: list[dict[str, list[Account]]] = []
        for _, name in self.flows.keys:
            found: dict[str, list[Account]] = {}
            for account in self.accounts:
                if value := self.accounts.get(account, name):
                    found.setdefault(same_key(value), []).append(account)
            self._index.append(found)

    @property
    def key(self) -> str:
        """The property that people are matched by, before others."""
        return self.flows.keys[0][1]

    def of(self, keys: Sequence[str | None]) -> tuple[list[Account], str | None]:
        """The accounts that the app would find by these keys, and by which property."""
        for (_, name), index, value in zip(self.flows.keys, self._index, keys, strict=True):
            if value and (found := index.get(same_key(value))):
                return found, name
        return [], None

    def holders(self, key: str) -> list[Account]:
        """The accounts that have this key."""
        return self._index[0].get(same_key(key), [])

    def named(self, user_name: str) -> list[Account]:
        """The accounts that have this user name; where it says no domain, in whichever."""
        return self._by_name.get(_name(user_name), [])

    @functools.cached_property
    def _by_name(self) -> dict[str, list[Account]]:
        found: dict[str, list[Account]] = {}
        for account in self.accounts:
            if name := self.accounts.get(account, USER_NAME):
                for text in (name.casefold(), _name(name.partition("@")[0])):
                    found.setdefault(text, []).append(account)
        return found

    def take(self, account: Account, employee_id: str, *, active: bool = False) -> None:
        """This account is hers; of several who have its key, it is that of the one who is active."""
        if active and account.object_id not in self.in_use:
            self.in_use.add(account.object_id)
            self.taken[account.object_id] = employee_id
        self.taken.setdefault(account.object_id, employee_id)

    def settled(self, finding: Finding) -> Finding:
        """The same, once everybody was met: whose account is in use by who is active now has left none behind."""
        if finding.heading is Heading.LEFT_ENABLED and finding.account and finding.account.object_id in self.in_use:
            return replace(finding, heading=Heading.LEFT, remarks=())
        return finding

    def beside(self, account: Account, accounts: Sequence[Account]) -> Iterator[str]:
        """What is said of other enabled accounts that have her key, too."""
        if others := [str(self.accounts.get(a, USER_NAME)) for a in accounts if a.enabled and a is not account]:
            yield f"enabled with her key as well: {', '.join(others)}"

    def lookalikes(self, people: Sequence[Expected]) -> Iterator[tuple[Expected, Likeness | None]]:
        """Each of these people, who found nothing by key, with the account that is most like hers.

        Who is active chooses first, then who has left. An account is given once; one that somebody has by key is told
        only where nothing else is like hers.
        """
        found = self._candidates(people)
        order = {Standing.ACTIVE: 0, Standing.LEFT: 1, Standing.BY_HAND: 1}
        for n, one in sorted(enumerate(people), key=lambda pair: order.get(pair[1].standing, 2)):
            alike = [
                Likeness(a, tuple(by), self.taken.get(a.object_id), self.key) for a, by in found.get(n, {}).values()
            ]
            best = min(alike, key=self._farness, default=None)
            if best and best.holder is None and (one.standing is Standing.ACTIVE or best.by != ("mailNickname",)):
                self.take(best.account, one.employee_id)
            yield one, best

    def _farness(self, like: Likeness) -> tuple[bool, int, int, str]:
        ranks = {self.key: 0, USER_NAME: 2, MAIL: 3, "mailNickname": 4}
        return like.holder is not None, -len(like.by), ranks.get(like.by[0], 1), like.account.object_id

    def _candidates(self, people: Sequence[Expected]) -> dict[int, dict[str, tuple[Account, list[str]]]]:
        """Number of a person → accounts that have something of hers: object id → the account, and what."""
        wanted: dict[tuple[str, str], list[int]] = {}
        for n, one in enumerate(people):
            for trait in dict.fromkeys(_traits_of_person(one)):
                wanted.setdefault(trait, []).append(n)
        found: dict[int, dict[str, tuple[Account, list[str]]]] = {}
        for account in self.accounts if wanted else ():
            for trait, name in self._traits(account):
                for n in wanted.get(trait, ()):
                    _, by = found.setdefault(n, {}).setdefault(account.object_id, (account, []))
                    by += [name] if name not in by else []
        return found

    def _traits(self, account: Account) -> Iterator[tuple[tuple[str, str], str]]:
        """What an account can be recognised by, and the property that holds it; the surest first."""
        key, name = self.accounts.get(account, self.key), self.accounts.get(account, USER_NAME)
        if key and (near := _near(key)):
            yield ("near", near), self.key
        others = [*account.extensions, (SAM, self.accounts.get(account, SAM))]
        others += [("employeeId", self.accounts.get(account, "employeeId"))] if self.key != "employeeId" else []
        yield from ((("id", same_key(value)), name) for name, value in others if value)
        if name:
            yield ("name", name.casefold()), USER_NAME
            yield ("name", _name(name.partition("@")[0])), USER_NAME
        mail = self.accounts.get(account, MAIL)
        yield from ((("mail", text.casefold()), of) for text, of in ((mail, MAIL), (name, USER_NAME)) if text)
        if nick := self.accounts.get(account, "mailNickname"):
            yield ("nick", nick.casefold()), "mailNickname"

    def strangers(self) -> Iterator[Finding]:
        """Accounts that are nobody's: enabled, and not meant to be so."""
        for account in self.accounts:
            if account.object_id in self.taken:
                continue
            key = self.accounts.get(account, self.key)
            if not account.enabled:
                self.left_out[-1] += 1
            elif key and (gone := self.gone.get(same_key(key))):
                yield Finding(Heading.LEFT_ENABLED, gone, account, self.key, ("her row is gone from dbo.ScimUsers",))
            elif (rule := self._rule(account)) is not None:
                self.left_out[rule] += 1
            else:
                yield Finding(Heading.WITHOUT_HR, None, account)

    def _rule(self, account: Account) -> int | None:
        """The first rule that says why this account needs no HR."""
        for n, rule in enumerate(self.ignored):
            values = ((self.accounts.get(account, name), pattern) for name, pattern in rule.items())
            if all(value is not None and _fits(value, pattern) for value, pattern in values):
                return n
        return None

    def differences(self, sent: Mapping[str, Any], account: Account, *, writing: bool = False) -> Iterator[Difference]:
        """What over there is not as it was sent; `writing`: what sending it would change.

        A manager who has no account can neither be there nor be written.
        """
        for flow in self.flows.compared:
            if flow.path not in sent:
                continue
            value, there = sent[flow.path], self.accounts.get(account, flow.property)
            if flow.property == MANAGER:
                found = self._manager(flow, value, account, writing=writing)
                if found:
                    yield found
            elif (flow.would_write if writing else flow.strays)(value, there):
                once = flow.only_on_create or flow.adds_only
                yield Difference(flow.path, flow.property, flow.expected(value), there, once)

    def _manager(self, flow: Flow, value: Any, account: Account, *, writing: bool) -> Difference | None:
        hers = self.accounts.by_id.get(account.manager_id or "")
        there = self._called(hers) if hers else account.manager_id
        if not value:
            return Difference(flow.path, MANAGER, None, there) if there and flow.clears else None
        wanted = self.holders(str(value))
        if any(a is hers for a in wanted) or (not wanted and (writing or there is None)):
            return None
        return Difference(flow.path, MANAGER, str(value), there)

    def _called(self, account: Account) -> str | None:
        return self.accounts.get(account, self.key) or self.accounts.get(account, USER_NAME)


def compare(meeting: Meeting, people: Iterable[Expected]) -> list[Finding]:
    """Everybody under a heading, and every account that is nobody's."""
    found: list[Finding] = []
    unmet: list[Expected] = []
    for one in people:
        accounts, by = meeting.of(one.keys)
        for account in accounts:
            meeting.take(account, one.employee_id, active=one.standing is Standing.ACTIVE)
        if accounts:
            found.append(_met(meeting, one, accounts, by))
        else:
            unmet.append(replace(one, sent=None))
    found += [_unmet(one, like) for one, like in meeting.lookalikes(unmet)]
    return [*map(meeting.settled, found), *meeting.strangers()]


def _met(meeting: Meeting, one: Expected, accounts: Sequence[Account], by: str | None) -> Finding:
    """Somebody whose account was found by key."""
    account = next((a for a in accounts if a.enabled), accounts[0])
    if one.standing is not Standing.ACTIVE:
        return not_active(one, account, by, *meeting.beside(account, accounts))
    if len(accounts) > 1:
        names = ", ".join(str(meeting.accounts.get(a, USER_NAME)) for a in accounts)
        return Finding(Heading.DOUBLED, one.employee_id, account, by, (f"{len(accounts)} accounts: {names}",))
    differences = tuple(meeting.differences(one.sent, account)) if one.sent else ()
    heading = Heading.DIFFERS if differences else Heading.ENABLED
    if not account.enabled:
        heading = Heading.DISABLED
    remarks = () if heading is Heading.ENABLED else remarks_of(meeting, one, account)
    return Finding(heading, one.employee_id, account, by, remarks, differences)


def remarks_of(meeting: Meeting, one: Expected, account: Account) -> tuple[str, ...]:
    """What is to be said of her, and of her account."""
    synced = meeting.accounts.get(account, SYNCED) == "true"
    return (*one.remarks, *((SYNCED_REMARK,) if synced else ()))


def not_active(one: Expected, account: Account | None, by: str | None, *remarks: str) -> Finding:
    """Somebody who should have no enabled account today, or of whom HR does not say."""
    heading = _OF_STANDING[one.standing]
    if heading is Heading.LEFT and account and account.enabled:
        heading = Heading.LEFT_ENABLED
    told = () if heading is Heading.LEFT else (*one.remarks, *remarks)
    return Finding(heading, one.employee_id, account, by, told)


def not_active_unmet(one: Expected, like: Likeness | None) -> Finding:
    """Somebody of that kind whose key no account has; a nickname alone makes no account hers."""
    if like is None or like.holder is not None or like.by == ("mailNickname",):
        return not_active(one, None, None)
    return not_active(one, like.account, like.by[0], like.told)


def _unmet(one: Expected, like: Likeness | None) -> Finding:
    """Somebody whose key no account has."""
    if one.standing is not Standing.ACTIVE:
        return not_active_unmet(one, like)
    if like and like.holder is None:
        return Finding(Heading.OTHER_KEY, one.employee_id, like.account, like.by[0], (like.told, *one.remarks))
    clash = [f"her user name is that of {like.holder}'s account"] if like and USER_NAME in like.by else []
    return Finding(Heading.MISSING, one.employee_id, remarks=(*one.remarks, *clash), user_name=one.user_name)


def _fits(value: str, pattern: str) -> bool:
    """Whether a text fits a pattern, of which * and ? alone mean something."""
    return fnmatchcase(value.casefold(), pattern.casefold().replace("[", "[[]"))


def _traits_of_person(one: Expected) -> Iterator[tuple[str, str]]:
    """What an account of hers might be recognised by."""
    if key := one.keys[0]:
        yield "near", _near(key) or key
        yield "id", same_key(key)
    if one.user_name:
        yield "name", _name(one.user_name)
        yield "nick", flows.before_at(one.user_name)
    if one.mail:
        yield "mail", one.mail.casefold()
        yield "nick", flows.before_at(one.mail)


def _name(user_name: str) -> str:
    """A user name as it is compared: whole, or without a domain, which then stands for every domain."""
    return user_name.casefold() if "@" in user_name else f"{flows.before_at(user_name)}@"


def _near(key: str) -> str:
    """A key without what people leave out or add when they type one: zeros in front, blanks, signs, case."""
    letters = "".join(c for c in key.casefold() if c.isalnum())
    return re.sub(r"(?<!\d)0+(?=\d)", "", letters)


# --- as it is told ------------------------------------------------------------------------------------------------

COLUMNS = (
    *("heading", "employee_id", "object_id", "user_principal_name", "display_name", "enabled", "found_by", "user_name"),
    *("remarks", "property", "path", "sent", "found", "only_on_create"),
)
"""Of the CSV."""


def told(finding: Finding, accounts: Accounts) -> dict[str, Any]:
    """A finding as JSON has it (personal data)."""
    account = finding.account
    names = ("userPrincipalName", "displayName")
    user_name, display_name = (accounts.get(account, name) if account else None for name in names)
    return {
        "heading": finding.heading.value,
        "employee_id": finding.employee_id,
        "object_id": account.object_id if account else None,
        "user_principal_name": user_name,
        "display_name": display_name,
        "enabled": account.enabled if account else None,
        "found_by": finding.by,
        "user_name": finding.user_name,
        "remarks": list(finding.remarks),
        "attributes": {
            d.property: {"path": d.path, "sent": d.sent, "found": d.found, "only_on_create": d.only_on_create}
            for d in finding.differences
        },
    }


def rows(person: Mapping[str, Any]) -> Iterator[list[str]]:
    """The lines of the CSV for one person: one for each attribute that differs, or one."""
    head = [person[name] for name in COLUMNS[:8]] + ["; ".join(person["remarks"])]
    differing = [[name, *(d[of] for of in COLUMNS[10:])] for name, d in person["attributes"].items()]
    for tail in differing or [[None] * 5]:
        yield [_cell(value) for value in (*head, *tail)]


def _cell(value: Any) -> str:
    """A text that no spreadsheet takes for a formula (owasp.org/www-community/attacks/CSV_Injection)."""
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
