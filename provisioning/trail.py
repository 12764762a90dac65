"""What came of people, and each person's trail: the tables of outcomes, of history, and how far the log was read."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from provisioning import database, plan
from provisioning.database import Database
from provisioning.outcomes import Entry, State, Told
from provisioning.people import same_key
from provisioning.plan import LogRead

OFF_AFTER = timedelta(hours=24)
"""A target whose log was not read successfully for so long has its outcomes off."""


@dataclass(frozen=True)
class Reading:
    """How far the log of a target was read: the newest entry seen, and between which times nothing is missing.

    All are None where it never was read to its end.
    """

    seen_to: datetime | None = None
    read_from: datetime | None = None
    read_to: datetime | None = None

    def log(self, now: datetime) -> LogRead | None:
        """What is read, for deciding; None where outcomes are off."""
        if self.read_from is None or self.read_to is None or self.read_to < now - OFF_AFTER:
            return None
        return LogRead(self.read_from, self.read_to)


@dataclass(frozen=True)
class Failed:
    """Somebody who failed over there and has not succeeded since. `reason` may quote personal data: never log it."""

    employee_id: str
    at: datetime | None
    action: str | None
    error_code: str | None
    reason: str | None
    recommended_action: str | None
    due: bool

    def told(self) -> dict[str, Any]:
        """As it is shown to operators."""
        return {
            "employee_id": self.employee_id,
            "at": told_at(self.at),
            "action": self.action,
            "code": self.error_code,
            "reason": self.reason,
            "recommended_action": self.recommended_action,
            "due": self.due,
        }


def told_at(moment: datetime | None) -> str | None:
    """A time as it is shown, in UTC to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


# --- the log ------------------------------------------------------------------------------------------------------


def reading(db: Database, target: str) -> Reading:
    """How far the log of a target was read."""
    row = db.one("log_read", target)
    return Reading(*map(database.as_utc, row)) if row else Reading()


def record_reading(db: Database, target: str, found: Reading) -> None:
    """Remember it."""
    times = [database.stamp(t) if t else None for t in (found.seen_to, found.read_from, found.read_to)]
    db.run("record_log_read", *times, target, target, *times, target)


def new_entries(db: Database, target: str, entries: Sequence[Entry]) -> list[Entry]:
    """Those that are not kept yet."""
    ids = json.dumps([e.entry_id for e in entries], ensure_ascii=False)
    kept = {str(row[0]).casefold() for row in db.rows("kept_entries", target, ids)} if entries else set()
    return [e for e in entries if e.entry_id.casefold() not in kept]


def states(db: Database, target: str, entries: Sequence[Entry]) -> dict[str, State]:
    """What is known of the people whom entries are about: key of externalId → state; nobody else is in it."""
    ids = json.dumps(sorted({e.external_id for e in entries}), ensure_ascii=False)
    found = {}
    for employee_id, external_id, outcome, at, entry_id, *times in db.rows("outcome_states", target, ids):
        answered_at, succeeded_at, created_at, recreated_at = map(database.as_utc, times)
        found[same_key(str(external_id))] = State(
            employee_id=str(employee_id),
            external_id=str(external_id),
            outcome=outcome,
            outcome_at=database.as_utc(at),
            entry_id=entry_id,
            answered_at=answered_at,
            succeeded_at=succeeded_at,
            created_at=created_at,
            recreated_at=recreated_at,
        )
    return found


def record(db: Database, target: str, run_id: str, told: Told, before: Mapping[str, State]) -> None:
    """Keep new entries and what they tell of people: one transaction, one round trip."""
    if not told.entries:
        return
    rows = json.dumps([_row(e, i, told.recreated) for e, i in told.entries], ensure_ascii=False)
    people = json.dumps([_person(s, before[key]) for key, s in told.states.items()], ensure_ascii=False)
    db.run("record_outcomes", target, run_id, rows, target, people, target, people, target, target, people, target)


def failed(db: Database, target: str) -> Iterator[Failed]:
    """Everybody who failed and has not succeeded since."""
    for employee_id, at, action, code, reason, recommended, retry_at in db.rows("failed_people", target):
        yield Failed(str(employee_id), database.as_utc(at), action, code, reason, recommended, due=retry_at is not None)


def unconfirmed(db: Database, target: str, log: LogRead | None) -> Iterator[str]:
    """EmployeeIds of those of whom the log says nothing, though it was read to 45 minutes past their sending."""
    if log is None:
        return
    until = database.stamp(log.until - plan.CONFIRMED_AFTER)
    apart = -int(plan.CLOCKS_APART.total_seconds())
    for row in db.rows("unconfirmed_people", target, database.stamp(log.since), until, apart):
        yield str(row[0])


def recreated(db: Database, target: str, since: datetime) -> list[str]:
    """EmployeeIds of those whom Entra created anew since a time, though they had had an account."""
    return [str(row[0]) for row in db.rows("recreated_people", target, database.stamp(since))]


# --- the trail ----------------------------------------------------------------------------------------------------


def retry(db: Database, target: str, run_id: str, by: str | None, employee_ids: Sequence[str]) -> None:
    """Make people who failed due once more."""
    for chunk in database.chunks(employee_ids):
        ids = json.dumps(list(chunk))
        db.run("retry_people", target, run_id, by, target, ids, run_id, target, ids)


def note_approval(
    db: Database, target: str, run_id: str, by: str, remark: str, hold_id: str, without: Sequence[str]
) -> None:
    """An approval, in the trail of everybody in the hold but those `without` it."""
    db.run("note_approval", target, run_id, by, remark, hold_id, json.dumps(list(without)))


def note_opened(db: Database, target: str, employee_id: str, run_id: str, by: str) -> None:
    """Somebody sees a person's data, in that person's trail."""
    db.run("note_opened", target, employee_id, run_id, by, employee_id, run_id)


def steps_since(db: Database, target: str, since: datetime) -> Iterator[tuple[datetime, str, int]]:
    """What happened since a time: when, to within ten minutes, what, and to how many people.

    What: joiners, leavers, changes (as they were sent), and failed (as Entra's log tells).
    """
    key = (target, database.stamp(since))
    for moment, step, people in db.rows("daily_steps", *key):
        yield _tenth_minute(moment), str(step), int(people)
    for moment, people in db.rows("daily_failures", *key):
        yield _tenth_minute(moment), "failed", int(people)


def _tenth_minute(text: Any) -> datetime:
    return datetime.fromisoformat(f"{text}0").replace(tzinfo=UTC)


def of(db: Database, target: str, employee_id: str) -> list[dict[str, Any]]:
    """One person's trail, the oldest first, as it is shown to operators: no values of attributes.

    Each has `at` and `kind`: sent (active, attributes that differed: null for somebody new), outcome (action, status,
    code, reason, …), refused, resync, approved, retry, disabled, enabled, renamed, opened; with run_id, job and by
    where they are known.
    """
    key = (target, employee_id)
    return [_step(row) for row in db.rows("trail", *key, *key)]


def _step(row: Sequence[Any]) -> dict[str, Any]:
    at, kind, run_id, job, by, active, attributes, remark, action, status, code, mend, object_id, change_id = row
    found: dict[str, Any] = {"at": told_at(database.as_utc(at)), "kind": str(kind), "run_id": run_id, "job": job}
    names = json.loads(attributes) if attributes else None
    if kind == "sent":
        return found | {"active": bool(active), "attributes": names}
    if kind == "outcome":
        error = {"code": code, "reason": remark, "recommended_action": mend}
        said = {"action": action, "status": status, **error, "attributes": names or []}
        return found | said | {"object_id": object_id, "change_id": change_id}
    return found | ({"by": by} if by else {}) | ({"remark": remark} if remark else {})


def _row(entry: Entry, employee_id: str, recreated: set[str]) -> dict[str, Any]:
    return {
        "entry_id": entry.entry_id,
        "employee_id": employee_id,
        "activity_at": database.stamp(entry.activity_at),
        "action": entry.action,
        "status": entry.status,
        "error_code": entry.error_code,
        "reason": entry.reason,
        "recommended_action": entry.recommended_action,
        "modified": list(entry.modified),
        "change_id": entry.change_id,
        "object_id": entry.object_id,
        "recreated": int(entry.entry_id in recreated),
    }


def _person(state: State, before: State) -> dict[str, Any]:
    times = {
        "outcome_at": state.outcome_at,
        "answered_at": state.answered_at,
        "succeeded_at": state.succeeded_at,
        "created_at": state.created_at,
        "recreated_at": state.recreated_at,
    }
    return {
        "employee_id": state.employee_id,
        "outcome": state.outcome,
        "entry_id": state.entry_id,
        "error_code": state.error_code,
        "object_id": state.object_id,
        "user_name": state.user_name,
        "counts": int(state.entry_id != before.entry_id),
        **{name: database.stamp(t) if t else None for name, t in times.items()},
    }
