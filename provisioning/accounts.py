"""The accounts of a directory as they are compared: what Graph tells of its users, kept small. Pure.

Contracts: https://learn.microsoft.com/graph/api/resources/user and …/graph/delta-query-overview (what a change tells).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from provisioning.flows import ENABLED, EXTENSIONS, MANAGER, USER_NAME

GUEST = "Guest"

ALWAYS = ("id", ENABLED, USER_NAME, "displayName", "mail", "mailNickname", "userType", "employeeId")
SYNCED, SAM = "onPremisesSyncEnabled", "onPremisesSamAccountName"
_UNIQUE = (USER_NAME, "displayName", "mail", "mailNickname", "employeeId", SAM)
"""Whose values are hardly ever those of somebody else, too."""


@dataclass(frozen=True, slots=True)
class Account:
    """One user over there. `values` are texts, in the order of the directory's properties."""

    object_id: str
    enabled: bool
    values: tuple[str | None, ...]
    extensions: tuple[tuple[str, str], ...] = ()
    """Those of extensionAttribute1 to 15 that hold something: name and value."""
    manager_id: str | None = None


@dataclass
class Accounts:
    """Everybody in a directory, by object id; `properties` are those that are kept of each."""

    properties: tuple[str, ...]
    by_id: dict[str, Account] = field(default_factory=dict)
    _places: dict[str, int] = field(default_factory=dict)
    _seen: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, wanted: Iterable[str]) -> "Accounts":
        """Nobody yet; of each these properties will be kept, and those that people are told apart by."""
        names = dict.fromkeys((*ALWAYS[2:], SYNCED, SAM, *wanted))
        kept = tuple(name for name in names if not name.startswith(EXTENSIONS) and name != MANAGER)
        return cls(kept, {}, {name: n for n, name in enumerate(kept)})

    @property
    def selected(self) -> tuple[str, ...]:
        """What Graph must be asked for, but the manager."""
        return ("id", ENABLED, *self.properties, EXTENSIONS)

    def get(self, account: Account, name: str) -> str | None:
        """A property of an account; None where it is not set, or not kept."""
        if name.startswith(f"{EXTENSIONS}/"):
            return next((value for n, value in account.extensions if n == name.partition("/")[2]), None)
        place = self._places.get(name)
        return None if place is None else account.values[place]

    def take(self, users: Iterable[Any]) -> None:
        """Users of a page of a list."""
        for user in users:
            if isinstance(user, Mapping) and isinstance(user.get("id"), str):
                self.by_id[user["id"]] = self._made(user)

    def change(self, users: Iterable[Any]) -> None:
        """Users of a page of changes: what is not told stays as it was."""
        for user in users:
            if not isinstance(user, Mapping) or not isinstance(user.get("id"), str):
                continue
            if "@removed" in user:
                self.by_id.pop(user["id"], None)
            elif before := self.by_id.get(user["id"]):
                self.by_id[user["id"]] = self._changed(before, user)
            else:
                self.by_id[user["id"]] = self._made(user)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.by_id)

    def __iter__(self) -> Iterator[Account]:
        """Each of them."""
        return iter(self.by_id.values())

    def _made(self, user: Mapping[str, Any]) -> Account:
        values = tuple(self._text(name, user.get(name)) for name in self.properties)
        return Account(user["id"], user.get(ENABLED) is True, values, self._extensions(user), _manager(user))

    def _changed(self, before: Account, user: Mapping[str, Any]) -> Account:
        pairs = zip(self.properties, before.values, strict=True)
        return replace(
            before,
            enabled=user.get(ENABLED, before.enabled) is True,
            values=tuple(self._text(name, user[name]) if name in user else old for name, old in pairs),
            extensions=self._extensions(user) if EXTENSIONS in user else before.extensions,
            manager_id=_manager(user) if _tells_manager(user) else before.manager_id,
        )

    def _extensions(self, user: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
        found = user.get(EXTENSIONS)
        pairs = found.items() if isinstance(found, Mapping) else ()
        return tuple((self._once(name), self._once(str(value))) for name, value in pairs if value not in (None, ""))

    def _text(self, name: str, value: Any) -> str | None:
        if isinstance(value, list):  # one number at most: https://learn.microsoft.com/graph/api/resources/user
            value = value[0] if value else None
        if value is None or value == "":
            return None
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return text if name in _UNIQUE else self._once(text)

    def _once(self, text: str) -> str:
        """The same text, kept once for everybody who has it."""
        return self._seen.setdefault(text, text)


def _tells_manager(user: Mapping[str, Any]) -> bool:
    return MANAGER in user or f"{MANAGER}@delta" in user


def _manager(user: Mapping[str, Any]) -> str | None:
    """The object id of somebody's manager, as a list tells it, or a change."""
    told: Sequence[Any] = user.get(f"{MANAGER}@delta") or [user.get(MANAGER)]
    there = [one for one in told if isinstance(one, Mapping) and "@removed" not in one]
    return str(there[-1]["id"]) if there and there[-1].get("id") else None
