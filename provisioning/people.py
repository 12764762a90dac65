"""The people a run looks at, those who must go, and those who cannot: what is known of each. Pure."""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from typing import Any, TypeVar

from provisioning.scim import User

LONGEST_ID = 64
"""Characters of an EmployeeId."""


class Job(Enum):
    """Which people a run looks at. Graph has one verb, so that is all in which runs differ."""

    CREATE = "create"
    UPDATE = "update"
    RECONCILE = "reconcile"
    RESEND = "resend"
    RESYNC = "resync"


class Standing(Enum):
    """How somebody stands with HR today, whatever was sent."""

    ACTIVE = "active"
    LATER = "later"  # starts some day, and is not active before
    LEFT = "left"
    BY_HAND = "disabled by hand"
    OUT_OF_SCOPE = "out of scope"
    UNCLEAR = "unclear"  # her row cannot be read


class Group(Enum):
    """In which order people go."""

    FORCED = 0
    LEAVER = 1
    JOINER = 2
    CHANGE = 3


@dataclass(slots=True)
class Person:
    """A row of dbo.ScimUsers and what was last sent of her to this target. Times are aware, in UTC.

    Nobody changes one; that it can be changed makes it several times as fast to make, of everybody in a company.
    """

    employee_id: str
    row: tuple[Any, ...]
    modified: str | None = None
    sent_hash: str | None = None
    sent_active: bool | None = None
    sent_at: datetime | None = None
    manager_known: bool = True
    manager_sent: bool = False
    unanswered: bool | None = None
    oldest_intent: datetime | None = None
    maybe_active: bool = False
    forced_token: str | None = None
    refused_hash: str | None = None
    refusal: str | None = None
    sent_valid_to: date | None = None
    valid_to_since: datetime | None = None
    sent_protected: bool = False
    missing: bool = False
    posted_at: datetime | None = None
    answered_at: datetime | None = None
    manager_succeeded: bool = False
    manager_created_at: datetime | None = None
    retry: bool = False
    sent_user: str | None = None
    """What was last sent, as JSON, where it is at hand: of few people, and of whoever is disabled by hand."""
    by_hand: bool = False
    """Whether somebody disabled her by name, whatever HR says."""

    @property
    def sent(self) -> bool:
        """Whether something was accepted for her."""
        return self.sent_hash is not None

    @property
    def known(self) -> bool:
        """Whether something was sent, or perhaps sent."""
        return self.sent or self.unanswered is not None

    @property
    def was_active(self) -> bool:
        """Whether the target may hold her as active."""
        return bool(self.sent_active) or self.maybe_active


@dataclass(frozen=True, slots=True)
class Due:
    """Somebody who must go."""

    user: User
    person: Person
    group: Group
    valid_to: date | None
    disables: bool = False
    expected: bool = False
    marked: bool = False
    """Whether the view marks her as Protected."""
    by_hand: bool = False
    """Whether she goes as she was last sent, inactive, because somebody disabled her by name."""
    moved_to: str | None = None
    """Who is active with her userName or work e-mail address in another HR system: perhaps she herself."""

    @property
    def protected(self) -> bool:
        """Whether she is marked, or was when she was last sent."""
        return self.marked or self.person.sent_protected

    @property
    def key(self) -> str:
        """Her EmployeeId as it is compared."""
        return same_key(self.user.employee_id)

    @property
    def changed(self) -> bool:
        """Whether what goes differs from what went last."""
        return self.user.hash != self.person.sent_hash

    @property
    def forced(self) -> bool:
        """Whether somebody asked for her by name."""
        return self.person.forced_token is not None

    @property
    def known(self) -> bool:
        """Whether something was sent of her, or perhaps sent."""
        return self.person.known

    @property
    def sent(self) -> bool:
        """Whether something was accepted for her."""
        return self.person.sent

    @property
    def employee_id(self) -> str:
        """As the view spells it."""
        return self.user.employee_id

    @property
    def external_id(self) -> str:
        """By which Entra finds her."""
        return self.user.external_id

    @property
    def manager_id(self) -> str | None:
        """Her manager's externalId."""
        return self.user.manager_id

    @property
    def hash(self) -> str:
        """Of what goes."""
        return self.user.hash

    @property
    def active(self) -> bool:
        """Whether she goes as active."""
        return self.user.active

    def brief(self, key: str) -> "Brief":
        """Without her data; `key` is hers."""
        return Brief(
            key=key,
            employee_id=self.employee_id,
            external_id=key if self.external_id == key else self.external_id,
            manager_id=self.manager_id,
            hash=self.hash,
            group=self.group,
            active=self.active,
            disables=self.disables,
            expected=self.expected,
            protected=self.protected,
            by_hand=self.by_hand,
            sent=self.sent,
            known=self.known,
            forced=self.forced,
            changed=self.changed,
            moved_to=self.moved_to,
        )


@dataclass(frozen=True, slots=True)
class Brief:
    """Somebody who must go, as far as a whole company is kept in memory: see `Due`. Her data are read again."""

    key: str
    employee_id: str
    external_id: str
    manager_id: str | None
    hash: str
    group: Group
    active: bool
    disables: bool
    expected: bool
    protected: bool
    by_hand: bool
    sent: bool
    known: bool
    forced: bool
    changed: bool
    moved_to: str | None = None


Going = Due | Brief
"""Somebody who must go; guards and the order ask for no more than both have."""

G = TypeVar("G", Due, Brief)


@dataclass(frozen=True, slots=True)
class Parked:
    """Somebody who would go, but cannot."""

    employee_id: str
    reasons: tuple[str, ...]
    forced: bool = field(default=False, compare=False)
    leaves: bool = field(default=False, compare=False)
    """Whether she must be disabled: what was last sent of her can go, inactive, once it is at hand."""

    @property
    def key(self) -> str:
        """Her EmployeeId as it is compared."""
        return same_key(self.employee_id)


Verdict = Due | Parked | None


def same_key(employee_id: str) -> str:
    """An id as it is compared: without regard to case and trailing blanks."""
    return employee_id.rstrip(" ").casefold()
