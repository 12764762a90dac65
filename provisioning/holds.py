"""What waits for a named approval: holds, their people, approvals, and the mapping that was accepted for a target.

A hold lives while its people are due. An approval covers each of them once, for 24 hours, while the hash due is the
one that was held (`provisioning.guards` decides who is held).
"""

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from provisioning import database, guards
from provisioning.database import Database
from provisioning.errors import SettingsError
from provisioning.guards import Held, Kind
from provisioning.people import same_key
from provisioning.scim import ScimMapping

EASTERNMOST = timedelta(hours=14)
"""Ahead of UTC, the first zone to begin a day."""

_LONGEST_REASON = 1000
_VIEW = "ScimUsers"


@dataclass
class Hold:
    """People who wait: EmployeeId → hash that was due. `due_on`: a wave of a day to come."""

    hold_id: str
    kind: Kind
    job: str
    reason: str
    attributes: dict[str, Any]
    due_on: date | None
    held_at: datetime | None
    people: dict[str, str] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """As `holds` prints it."""
        found: dict[str, Any] = {
            "hold_id": self.hold_id,
            "job": self.job,
            "class": self.kind[0],
            "count": len(self.people),
            "employee_ids": sorted(self.people),
            "reason": self.reason,
            "held_at": self.held_at.strftime("%Y-%m-%dT%H:%M:%SZ") if self.held_at else None,
        }
        if self.due_on:
            found["due_on"] = self.due_on.isoformat()
        return found | ({"attributes": self.attributes} if self.attributes else {})


@dataclass(frozen=True)
class Fate:
    """What became of a hold, whether it waits or not."""

    target: str
    kind: Kind
    due_on: date | None
    approved_at: datetime | None
    approved_by: str | None
    ended_at: datetime | None


def waiting(db: Database, target: str) -> list[Hold]:
    """Every hold of a target that waits for approval, with its people."""
    found = {}
    for hold_id, kind, detail, job, reason, attributes, due_on, held_at in db.rows("waiting_holds", target):
        found[str(hold_id)] = Hold(
            str(hold_id),
            (str(kind), str(detail)),
            str(job),
            str(reason),
            json.loads(attributes) if attributes else {},
            database.as_date(due_on),
            database.as_utc(held_at),
        )
    for hold_id, employee_id, user_hash in db.rows("waiting_people", target):
        if str(hold_id) in found:
            found[str(hold_id)].people[str(employee_id)] = str(user_hash)
    return list(found.values())


def waiting_keys(holds: Iterable[Hold]) -> dict[Kind, set[str]]:
    """Who waits today, by class: ids as they are compared."""
    found: dict[Kind, set[str]] = {}
    for hold in holds:
        if hold.due_on is None:
            found.setdefault(hold.kind, set()).update(map(same_key, hold.people))
    return found


def unused(db: Database, target: str) -> dict[Kind, set[str]]:
    """Who was approved and has not gone since, by class: with other data than was approved she goes on waiting."""
    found: dict[Kind, set[str]] = {}
    for kind, detail, employee_id in db.rows("unused_approved", target):
        found.setdefault((str(kind), str(detail)), set()).add(same_key(str(employee_id)))
    return found


def approved(db: Database, target: str, day: date | None = None) -> dict[str, set[str]]:
    """Whom an approval covers now, or on a day to come: id as it is compared → hashes.

    A wave's approval waits until its day has begun somewhere.
    """
    found: dict[str, set[str]] = {}
    day = day or (db.utc_now() + EASTERNMOST).date()
    for employee_id, user_hash in db.rows("approvals", target, day.isoformat()):
        found.setdefault(same_key(str(employee_id)), set()).add(str(user_hash))
    return found


def keep(
    db: Database,
    target: str,
    run: tuple[str, str],
    found: Sequence[Held],
    over: Set[str] = frozenset(),
    due_on: date | None = None,
) -> list[Hold]:
    """Write down who is held by a run (its job and id); gives back those holds. Writes only what changed.

    `over`: ids, as they are compared, of people whom this run has decided about: they wait where `found` has them only.
    `due_on`: the wave of a day to come; it replaces what was foreseen for that day before.
    """
    kept = []
    with db.transaction():
        before = [h for h in waiting(db, target) if h.due_on == due_on]
        for held in merged(found):
            hold = next((h for h in before if h.kind == held.kind), None)
            kept.append(
                _opened(db, target, run, held, due_on) if hold is None else _changed(db, target, run, hold, held, over)
            )
        left = {k.hold_id for k in kept} | {h.hold_id for h in before if h.kind in {k.kind for k in kept}}
        for hold in before:
            if hold.hold_id not in left:
                _thin(db, hold, [i for i in hold.people if same_key(i) in over])
    return kept


def reopen_expired(db: Database, target: str, run: tuple[str, str]) -> None:
    """Whom an approval was not used for in its time waits again; a mapping that was approved stays so."""
    for row in list(db.rows("expired_holds", target)):
        hold_id, kind, detail, reason = (str(cell) for cell in row)
        unused = {str(i): str(h) for i, h in db.rows("unused_people", hold_id)}
        with db.transaction():
            db.run("end_hold", hold_id)
            if unused and kind != guards.MAPPING:
                now = next((h for h in waiting(db, target) if h.kind == (kind, detail) and h.due_on is None), None)
                both = unused | (now.people if now else {})
                keep(db, target, run, [Held((kind, detail), now.reason if now else reason, both)])


def merged(found: Iterable[Held]) -> list[Held]:
    """One of each class."""
    by_kind: dict[Kind, Held] = {}
    for held in found:
        if held.kind in by_kind:
            by_kind[held.kind].people.update(held.people)
        else:
            by_kind[held.kind] = Held(held.kind, held.reason, dict(held.people), held.attributes)
    return list(by_kind.values())


def end(db: Database, hold: Hold) -> None:
    """It waits no longer, without having been approved."""
    db.run("end_hold", hold.hold_id)


def find(db: Database, hold_id: str) -> Fate | None:
    """What became of a hold; None where there never was one of this name."""
    row = db.one("find_hold", hold_id)
    if row is None:
        return None
    target, kind, detail, due_on, approved_at, approved_by, ended_at = row
    return Fate(
        str(target),
        (str(kind), str(detail)),
        database.as_date(due_on),
        database.as_utc(approved_at),
        None if approved_by is None else str(approved_by),
        database.as_utc(ended_at),
    )


def people(db: Database, hold_id: str) -> dict[str, str]:
    """Who is in a hold: EmployeeId → hash."""
    return {str(row[0]): str(row[1]) for row in db.rows("people_of_hold", hold_id)}


def approve(db: Database, hold_id: str, by: str, expires_at: datetime) -> bool:
    """Approve what waits; False where somebody else was first, or nobody in it is due any more."""
    return db.run("approve_hold", by, database.stamp(expires_at), hold_id) == 1


def mapping_definition(db: Database) -> str | None:
    """How the view is defined; None where there is none, or where it may not be seen."""
    row = db.one("mapping_definition", _VIEW)
    return str(row[0]).strip() if row and row[0] else None


def mapping_hash(db: Database, mapping: ScimMapping, more: Sequence[str]) -> str:
    """What the mapping is: the view's definition, how its columns are understood, and settings that change values.

    Raises SettingsError where the view's definition may not be seen.
    """
    text = mapping_definition(db)
    if text is None:
        raise SettingsError(
            [
                "SQL_CONNECTION_STRING: the definition of dbo.ScimUsers cannot be seen, so that a change of it would "
                "go unnoticed; run: python -m provisioning migrate (it grants VIEW DEFINITION to provisioning_app)."
            ]
        )
    understood = [[a.path, a.kind, str(a.at)] for a in mapping.attributes]
    document = json.dumps([text, understood, mapping.explicit_nulls, list(more)])
    return hashlib.sha256(document.encode()).hexdigest()


def accepted_mapping(db: Database, target: str) -> str | None:
    """The mapping that was last approved for a target; None where there was none yet."""
    row = db.one("accepted_mapping", target)
    return None if row is None else str(row[0])


def accept_mapping(db: Database, target: str, found: str, by: str | None) -> None:
    """From now on this is the mapping."""
    db.run("accept_mapping", target, target, found, by)


def _opened(db: Database, target: str, run: tuple[str, str], held: Held, due_on: date | None) -> Hold:
    hold_id, (job, run_id) = uuid.uuid4().hex[:8], run
    held = replace(held, reason=held.reason or "approved before, but with other data than are due now")
    (kind, detail), attributes = held.kind, _json(held.attributes)
    day = due_on.isoformat() if due_on else None
    db.run("open_hold", hold_id, target, kind, detail, job, held.reason[:_LONGEST_REASON], attributes, day, run_id)
    _put(db, hold_id, held.people)
    return Hold(hold_id, held.kind, job, held.reason, held.attributes, due_on, None, dict(held.people))


def _changed(db: Database, target: str, run: tuple[str, str], hold: Hold, held: Held, over: Set[str]) -> Hold:
    """Bring a hold that waits up to date; who was not looked at stays in it.

    With people more, or with other data, it is another hold with another name: nobody approves what she has not seen.
    """
    found = {same_key(i): (i, h) for i, h in held.people.items()}
    stay = {i: h for i, h in hold.people.items() if same_key(i) not in over and same_key(i) not in found}
    now = stay | dict(found.values())
    gone = [i for i in hold.people if i not in now]
    attributes, reason = held.attributes or hold.attributes, held.reason or hold.reason
    if any(hold.people.get(i) != h for i, h in now.items()):
        end(db, hold)
        return _opened(db, target, run, Held(held.kind, reason, now, attributes), hold.due_on)
    told = hold.kind[0] == guards.MAPPING and (reason, attributes) != (hold.reason, hold.attributes)
    if gone or told:
        _take(db, hold.hold_id, gone)
        db.run("change_hold", run[0], reason[:_LONGEST_REASON], _json(attributes), run[1], hold.hold_id)
    return Hold(hold.hold_id, hold.kind, run[0], reason, attributes, hold.due_on, hold.held_at, now)


def _thin(db: Database, hold: Hold, gone: Sequence[str]) -> None:
    """A hold of the mapping is over when the mapping is another, not when it touches nobody any more."""
    _take(db, hold.hold_id, gone)
    if len(gone) == len(hold.people) and hold.kind[0] != guards.MAPPING:
        end(db, hold)


def _put(db: Database, hold_id: str, found: Mapping[str, str]) -> None:
    ids = sorted(found)
    for chunk in database.chunks(ids):
        rows = [{"employee_id": i, "user_hash": found[i]} for i in chunk]
        db.run("hold_people", hold_id, json.dumps(rows), hold_id)


def _take(db: Database, hold_id: str, employee_ids: Sequence[str]) -> None:
    for chunk in database.chunks(employee_ids):
        db.run("unhold_people", hold_id, json.dumps(list(chunk)))


def _json(attributes: Mapping[str, Any]) -> str | None:
    return json.dumps(attributes, ensure_ascii=False) if attributes else None


def describe(hold: Hold) -> str:
    """One line for an operator: EmployeeIds, no other personal data."""
    ids = sorted(hold.people)
    named = ", ".join(ids[:10]) + (", …" if len(ids) > 10 else "")
    day = f" on {hold.due_on}" if hold.due_on else ""
    told = f"held {hold.kind[0]}{day}, {len(ids)} people ({named}): {hold.reason}"
    if hold.kind[0] == guards.MAPPING and hold.attributes:
        told += "; " + ", ".join(f"{path}: {found['people']}" for path, found in hold.attributes.items())
    return f"{told}; release with: python -m provisioning approve {hold.hold_id} --by NAME"
