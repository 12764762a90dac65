"""What came of each person: entries of Entra's provisioning log, understood. Pure.

Contract: https://learn.microsoft.com/graph/api/resources/provisioningobjectsummary. An entry has no bulkId: it is about
whoever has its source's id as externalId, and about what was last sent of her before it. The values of modified
properties are not kept, with one exception: the userPrincipalName that the person got.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from provisioning.people import same_key

SUCCESS, WARNING, FAILURE, SKIPPED = "success", "warning", "failure", "skipped"
DONE = (SUCCESS, WARNING)
CREATE = "create"

NOTHING_TO_DO = "redundantexport"
"""The code of a skipped entry that says: it is there already just so."""

_WORSE = (SKIPPED, SUCCESS, WARNING, FAILURE)
_LONGEST = {"entry_id": 100, "external_id": 200, "action": 30, "status": 20, "error_code": 200, "reason": 2000}
_LONGEST |= {"recommended_action": 2000, "change_id": 100, "object_id": 100, "user_name": 200}
_MOST_PROPERTIES = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the log. `activity_at` is aware, in UTC; `modified` are names; `outcome` is what it means."""

    entry_id: str
    external_id: str
    activity_at: datetime
    action: str
    status: str
    error_code: str | None = None
    reason: str | None = None
    recommended_action: str | None = None
    modified: tuple[str, ...] = ()
    change_id: str | None = None
    object_id: str | None = None
    user_name: str | None = None

    @property
    def outcome(self) -> str:
        """Its status, except that nothing to do is a success, too."""
        nothing = self.status == SKIPPED and (self.error_code or NOTHING_TO_DO).casefold() == NOTHING_TO_DO
        return SUCCESS if nothing else self.status

    @property
    def key(self) -> str:
        """The externalId as it is compared."""
        return same_key(self.external_id)


@dataclass(frozen=True, slots=True)
class State:
    """What is known of what came of one person. Times are aware, in UTC.

    `outcome`, of `entry_id`, is the one that counts; `answered_at` is of the newest entry whatever it says.
    """

    employee_id: str
    external_id: str
    outcome: str | None = None
    outcome_at: datetime | None = None
    entry_id: str | None = None
    answered_at: datetime | None = None
    succeeded_at: datetime | None = None
    created_at: datetime | None = None
    recreated_at: datetime | None = None
    error_code: str | None = None
    object_id: str | None = None
    user_name: str | None = None


@dataclass
class Told:
    """What a number of entries tell: the new state of each person, and whom each entry is about."""

    states: dict[str, State] = field(default_factory=dict)
    entries: list[tuple[Entry, str]] = field(default_factory=list)
    recreated: set[str] = field(default_factory=set)
    """Ids of entries that created somebody who had been there."""


def understand(raw: Any) -> Entry | None:
    """An entry as Graph gives it, in today's names or those of before; None where it is about nobody that can be told.

    Unknown actions and statuses are kept as they are called.
    """
    if not isinstance(raw, Mapping):
        return None
    entry_id, moment = _text(raw.get("id"), "entry_id"), _moment(raw.get("activityDateTime"))
    external_id = _text(_inside(raw, "sourceIdentity").get("id"), "external_id")
    if entry_id is None or moment is None or external_id is None:
        return None
    status, error = _status_and_error(raw)
    listed = raw.get("modifiedProperties")
    properties = [p for p in (listed if isinstance(listed, list) else ()) if isinstance(p, Mapping)][:_MOST_PROPERTIES]
    return Entry(
        entry_id,
        external_id,
        moment,
        action=(_text(raw.get("provisioningAction") or raw.get("action"), "action") or "other").casefold(),
        status=(_text(status, "status") or "unknown").casefold(),
        error_code=_text(error.get("errorCode"), "error_code"),
        reason=_text(error.get("reason"), "reason"),
        recommended_action=_text(error.get("recommendedAction"), "recommended_action"),
        modified=tuple(name for p in properties if (name := _text(p.get("displayName"), "error_code"))),
        change_id=_text(raw.get("changeId"), "change_id"),
        object_id=_text(_inside(raw, "targetIdentity").get("id"), "object_id"),
        user_name=_user_name(raw, properties),
    )


def tell(known: Mapping[str, State], entries: Iterable[Entry]) -> Told:
    """What these entries, none of which was told before, make of people. `known`: key of externalId → state.

    The newest entry counts, of two at one time the worse one; but a failure stays until a success, and nothing that
    came late undoes what is newer. Entries about nobody known are left out.
    """
    told = Told()
    mine = [e for e in {e.entry_id: e for e in entries}.values() if e.key in known]
    for entry in sorted(mine, key=lambda e: (e.activity_at, _badness(e.outcome))):
        before = told.states.get(entry.key, known[entry.key])
        if _recreates(entry, before):
            told.recreated.add(entry.entry_id)
        told.states[entry.key] = _after(before, entry)
        told.entries.append((entry, before.employee_id))
    return told


def _after(state: State, entry: Entry) -> State:
    """The state with one entry more."""
    moment, done = entry.activity_at, _is_success(entry, state)
    created = done and entry.action == CREATE
    state = replace(
        state,
        answered_at=_later(state.answered_at, moment),
        recreated_at=_later(state.recreated_at, moment) if _recreates(entry, state) else state.recreated_at,
        succeeded_at=min(state.succeeded_at or moment, moment) if done else state.succeeded_at,
        created_at=_later(state.created_at, moment) if created else state.created_at,
    )
    if state.outcome_at is None or moment >= state.outcome_at:
        state = replace(
            state, object_id=entry.object_id or state.object_id, user_name=entry.user_name or state.user_name
        )
    if not _counts(entry, state):
        return state
    return replace(
        state, outcome=entry.outcome, outcome_at=moment, entry_id=entry.entry_id, error_code=entry.error_code
    )


def _counts(entry: Entry, state: State) -> bool:
    """Whether this entry says what came of her, rather than what is known of her already."""
    if state.outcome_at is None or state.outcome is None:
        return True
    if entry.activity_at == state.outcome_at:
        return _badness(entry.outcome) >= _badness(state.outcome)
    says_something = _is_success(entry, state) or entry.outcome == FAILURE or state.outcome != FAILURE
    return entry.activity_at > state.outcome_at and says_something


def _is_success(entry: Entry, state: State) -> bool:
    """Whether it says that all is done. A skip without a code does so only of somebody who had not failed."""
    vague = entry.status == SKIPPED and entry.error_code is None
    return entry.outcome in DONE and not (vague and state.outcome == FAILURE)


def _recreates(entry: Entry, state: State) -> bool:
    """Whether it made an account for somebody who had had one: hers must have been deleted over there."""
    had_one = state.succeeded_at is not None and state.succeeded_at < entry.activity_at
    return had_one and entry.action == CREATE and entry.outcome in DONE


def _badness(outcome: str) -> int:
    return _WORSE.index(outcome) if outcome in _WORSE else 0


def _later(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)


def _status_and_error(raw: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
    """The status, and the error beside it or, in older entries, inside it."""
    status = _inside(raw, "provisioningStatusInfo") or _inside(raw, "statusInfo")
    error = _inside(status, "errorInformation") or _inside(status, "errorInfo")
    return status.get("status"), error or status


def _user_name(raw: Mapping[str, Any], properties: Sequence[Mapping[str, Any]]) -> str | None:
    """The userPrincipalName, where this entry set it or Entra tells it of the target."""
    for one in properties:
        if str(one.get("displayName")).casefold() == "userprincipalname":
            return _text(one.get("newValue"), "user_name")
    details = _inside(_inside(raw, "targetIdentity"), "details")
    named = {str(name).casefold(): value for name, value in details.items()}
    return _text(named.get("userprincipalname"), "user_name")


def _inside(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = raw.get(name)
    return value if isinstance(value, Mapping) else {}


def _text(value: Any, name: str) -> str | None:
    """A text of at most so many characters as its column takes; None for nothing, or what is no text."""
    if not isinstance(value, str) or not value.strip():
        return None
    clean = value.strip().replace("\x00", "").encode("utf-16-le", "replace")[: 2 * _LONGEST[name]]
    return clean.decode("utf-16-le", "ignore") or None


def _moment(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(value)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):  # the last: a day that has no equal in UTC
        return None
