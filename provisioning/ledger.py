"""What was sent, what is in flight, who may send: the tables of schema provisioning, apart from ingest's."""

import itertools
import json
import logging
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from provisioning import database
from provisioning.database import Database
from provisioning.errors import DatabaseError
from provisioning.pacing import Clock
from provisioning.people import Due, Person, same_key
from provisioning.scim import ENTERPRISE, HR_KEY, HR_TABLE, WORK_MAIL, ScimMapping
from provisioning.trail import told_at

logger = logging.getLogger(__name__)

LEASE_SECONDS = 60
RENEW_EVERY = 10.0
TAKEOVER_PAUSE = 5.0
"""Seconds that whoever takes over an expired lease waits, so that the dead sender's last request is over."""

LIFE_OF_A_RUN = 3600
"""Seconds after which a run must be dead: no limit of a run, and no attempt, is longer."""

WINDOW_LIMIT = 38
"""Calls in any 5 s over all targets and instances; Graph allows 40."""

NOBODY_MISSING = ("", -1_000_000_000)

_VIEW = "ScimUsers"


class Lease:
    """The right to do one kind of work, held by one run at a time and renewed as long as it lives."""

    def __init__(self, name: str, owner: str) -> None:
        """Nothing is taken yet."""
        self.name, self.owner = name, owner
        self.epoch = 0
        self.taken_over = False
        self._own: Database | None = None
        self._end: Callable[[], bool] | None = None

    def acquire(self, db: Database) -> bool:
        """Try once. `taken_over` tells whether a dead owner's lease was taken."""
        db.run("lease_acquire", self.name, self.name, self.owner, LEASE_SECONDS, self.name)
        state = db.one("lease_state", self.name)
        if state is None or state[0] != self.owner:
            return False
        self.taken_over, self.epoch = state[1] is not None, int(state[2])
        return True

    def renew(self, db: Database) -> bool:
        """Hold it for another minute; False when it is no longer one's own."""
        return db.run("lease_renew", LEASE_SECONDS, self.name, self.owner, self.epoch) == 1

    def release(self, db: Database, target: str, tried: Sequence[str] = ()) -> bool:
        """Give it back, unless people of the target were forced whom its holder has not `tried` (tokens)."""
        key = (self.name, self.owner, self.epoch)
        db.run("lease_release", *key, *key, target, json.dumps(list(tried)))
        state = db.one("lease_state", self.name)
        return state is None or state[0] != self.owner

    def drop(self, db: Database) -> None:
        """Give it back whoever waits."""
        db.run("lease_drop", self.name, self.owner, self.epoch)

    def keep(self, connect: Callable[[], Database], clock: Clock) -> None:
        """Renew it every few seconds, on a connection of its own, until `let_go`."""
        self._end = clock.every(RENEW_EVERY, lambda: self._kept(connect))

    def let_go(self) -> None:
        """Stop renewing."""
        if self._end and self._end() and self._own:
            self._own.close()

    def _kept(self, connect: Callable[[], Database]) -> bool:
        """Renew it once; whether that is worth trying again."""
        try:
            self._own = self._own or connect()
            return self.renew(self._own)
        except DatabaseError as exc:
            logger.warning("Lease %s could not be renewed: %s", self.name, exc)
            if self._own:
                self._own.close()
            self._own = None
            return True


@dataclass(frozen=True)
class Intended:
    """What is about to be sent: who, her SCIM user, and what else must be known of it when a 202 comes."""

    due: Due
    scim_user: Mapping[str, Any]
    manager_known: bool
    counts_as_disable: bool = False
    attributes: Sequence[str] | None = None
    """Which differ from what was sent before; None for somebody new, or where that is no longer known."""


@dataclass(frozen=True)
class CallsUsed:
    """What is used of the limits; `free_in`: seconds until a call of the day is free again."""

    used_today: int
    window_full: bool
    free_in: float


@dataclass(frozen=True)
class ByHand:
    """Somebody disabled by name, whatever HR says: since when, and by whom."""

    employee_id: str
    at: datetime | None
    by: str

    def told(self) -> dict[str, Any]:
        """As it is shown to operators."""
        return {"employee_id": self.employee_id, "at": told_at(self.at), "by": self.by}


class Ledger:
    """The bookkeeping of one target."""

    def __init__(self, db: Database, target: str, run_id: str, missing: tuple[str, int] = NOBODY_MISSING) -> None:
        """For one run. `missing`: who counts as missing from HR.

        It is the table of people where the view says nothing of that (HrTable), and how long before the last fetch of
        her table somebody must have been absent already, in seconds (negative).
        """
        self.db, self.target, self.run_id, self._missing = db, target, run_id, missing
        self._identifiers: dict[str, str] = {}

    def people(
        self, mapping: ScimMapping, condition: str = "", *parameters: Any, with_sent: bool = False
    ) -> Iterator[Person]:
        """Rows of dbo.ScimUsers beside what was last sent; `condition` names one of queries/where_*.sql.

        The SCIM user last sent comes along `with_sent`: for who looks at one after the other, since kept of everybody
        it is too much.
        Whoever is disabled by hand comes along, too, where the view has no row of hers.
        """
        found = self._mapped(mapping, condition, parameters, with_sent=with_sent)
        return itertools.chain(found, self._unmapped(mapping))

    def _mapped(
        self,
        mapping: ScimMapping,
        condition: str = "",
        parameters: Sequence[Any] = (),
        *,
        of: Sequence[str] | None = None,
        with_sent: bool = False,
    ) -> Iterator[Person]:
        """Rows of the view; `of`: of these people only."""
        self._identifiers = self._identifiers or _identifiers(self.db, mapping)
        texts = {
            "people": "dbo.ScimUsers" if of is None else f"(\n{database.query('some_people', self.db.engine)}\n)",
            "condition": database.query(condition, self.db.engine) if condition else "",
            "payload": "CASE WHEN l.cleared_at IS NULL THEN l.scim_user END" if with_sent else "NULL",
        }
        ids = () if of is None else (json.dumps(list(of)),)
        taken = (self.target, *ids, *[self.target] * 4, *self._missing, self.target, *parameters)
        rows = self.db.rows("people", *taken, **texts, **self._identifiers)
        width, key = len(mapping.columns), mapping.control["EmployeeId"]
        return (_person(row, width, key) for row in rows)

    def _unmapped(self, mapping: ScimMapping) -> Iterator[Person]:
        """Who is disabled by hand and not in the view: a row of nulls but for her EmployeeId."""
        width, key = len(mapping.columns), mapping.control["EmployeeId"]
        for employee_id, *rest in self.db.rows("disabled_unmapped", self.target, self.target):
            row: list[Any] = [None] * width
            row[key] = employee_id
            yield _person((*row, *rest), width, key)

    def people_of(self, mapping: ScimMapping, employee_ids: Sequence[str]) -> list[Person]:
        """These people, as they are now."""
        found = list(self._mapped(mapping, of=employee_ids, with_sent=True))
        if lacking := {same_key(i) for i in employee_ids} - {same_key(p.employee_id) for p in found}:
            found += [p for p in self._unmapped(mapping) if same_key(p.employee_id) in lacking]
        return found

    def namesakes(self, mapping: ScimMapping, due: Sequence[Due]) -> list[Person]:
        """Everybody who has the user name of one of those due who is active.

        Of several HR systems, also whoever has the user name or the work e-mail address of one who would be disabled.
        """
        leaving = [d for d in due if d.disables] if HR_TABLE in mapping.control else []
        names = [d.user.user_name for d in (*(d for d in due if d.user.active), *leaving)]
        mails = [mail for d in leaving if (mail := mapping.mail_of(d.user))]
        return list(self._mapped(mapping, "where_user_names", (json.dumps(names), json.dumps(mails))))

    def shown_user_names(self, mapping: ScimMapping) -> Iterator[str]:
        """The user names that the mapping shows of people who were sent."""
        column = mapping.column_of("userName")
        if column is None:
            return iter(())
        return (str(row[0]) for row in self.db.rows("shown_user_names", self.target, user_name=self.db.quoted(column)))

    def vanished(self) -> list[str]:
        """People last sent as active who are no longer in the view."""
        return [str(row[0]) for row in self.db.rows("vanished", self.target, self.target)]

    def gone(self) -> Iterator[tuple[str, str]]:
        """Everybody ever sent who is no longer in the view: EmployeeId and externalId."""
        return ((str(row[0]), str(row[1])) for row in self.db.rows("gone_from_view", self.target))

    def find(self, employee_id: str) -> str | None:
        """An EmployeeId as the mapping spells it; None for nobody."""
        row = self.db.one("find_employee", employee_id)
        return None if row is None else str(row[0])

    def people_sent(self) -> int:
        """How many people were ever sent to this target."""
        row = self.db.one("count_sent", self.target)
        return int(row[0]) if row else 0

    def sent_users(self, employee_ids: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """What was last sent of these people: EmployeeId and SCIM user; nothing of those whose payload is cleared."""
        for chunk in database.chunks(employee_ids):
            for row in self.db.rows("sent_users", self.target, json.dumps(list(chunk))):
                yield str(row[0]), json.loads(row[1])

    def every_sent_user(self) -> Iterator[dict[str, Any]]:
        """What was last sent of everybody, without those whose payload is cleared."""
        return (json.loads(row[0]) for row in self.db.rows("every_sent_user", self.target))

    def disabled_lately(self) -> set[str]:
        """Who was disabled in the last 24 h, perhaps was, or is about to be by hand: ids as they are compared."""
        lately = self.db.rows("disabled_lately", self.target, self.target)
        return {same_key(str(row[0])) for row in (*lately, *self.db.rows("pending_disables", self.target))}

    def write_intents(self, due: Sequence[Intended], lease: Lease, instead_of: Sequence[str] = ()) -> bool:
        """Say what is about to be sent. False: the lease is lost.

        `instead_of`: people of whom this run has left an intent before, which the new one replaces.
        """
        people = json.dumps([_intent(one) for one in due], ensure_ascii=False)
        key = (lease.name, lease.owner, lease.epoch)
        with self.db.transaction() if instead_of else nullcontext():
            if instead_of and not lease.renew(self.db):
                return False
            if instead_of:
                self.drop_intents(instead_of)
            mine = (self.target, self.run_id)
            written = self.db.run("write_intents", *mine, people, *key, *mine)
            return written == len(due) or self._stand_there(due, key)

    def _stand_there(self, due: Sequence[Intended], key: tuple[str, str, int]) -> bool:
        """Whether these intents were written already, by a try whose answer was lost."""
        ids = json.dumps([one.due.user.employee_id for one in due])
        row = self.db.one("count_intents", self.target, self.run_id, ids, *key)
        return row is not None and int(row[0]) == len(due)

    def count_call(self, lease: Lease, seconds: float, daily_limit: int) -> bool:
        """Count one call, if the lease outlives `seconds` and the limits allow it."""
        key = (lease.name, lease.owner, lease.epoch)
        return self.db.run("count_call", self.target, self.run_id, *key, int(seconds), daily_limit, WINDOW_LIMIT) == 1

    def calls_used(self) -> CallsUsed:
        """Why `count_call` may have said no."""
        used = self.db.one("calls_used") or (0, 0, None)
        oldest, free_in = database.as_utc(used[2]), 0.0
        if oldest is not None:
            free_in = (oldest + timedelta(days=1) - self.db.utc_now()).total_seconds()
        return CallsUsed(int(used[0]), int(used[1]) >= WINDOW_LIMIT, max(1.0, free_in))

    def record_accepted(self, employee_ids: Sequence[str]) -> None:
        """A 202 came for these people: one transaction, one round trip."""
        mine = (self.target, self.run_id, json.dumps(list(employee_ids)))
        target, _, ids = mine
        answered = mine * 6
        self.db.run("record_accepted", *answered, target, ids, *mine, -LIFE_OF_A_RUN, *mine, *mine)

    def drop_intents(self, employee_ids: Sequence[str]) -> None:
        """These people were definitely not taken."""
        self.db.run("drop_intents", self.target, self.run_id, json.dumps(list(employee_ids)))

    def doubt_managers(self, employee_ids: Sequence[str]) -> None:
        """A request is taken apart: these people's managers may no longer go before them."""
        if employee_ids:
            self.db.run("doubt_managers", self.target, self.run_id, json.dumps(list(employee_ids)))

    def record_refused(self, employee_id: str, user_hash: str, reason: str) -> None:
        """Graph refused this one person."""
        key = (self.target, employee_id)
        told = reason[:500]
        once = (*key, self.run_id)
        self.db.run("record_refused", *key, *key, user_hash, told, *once, told, *once)

    def disable_one_at_a_time(self) -> None:
        """Until this transaction ends, nobody else gets past here. A row of its own: no sender waits for it."""
        name = f"disable {self.target}"
        self.db.run("one_at_a_time", name, name, name)

    def disable(self, employee_id: str, by: str) -> None:
        """Put somebody down as disabled by hand, by name."""
        key = (self.target, employee_id)
        once = (*key, self.run_id)
        self.db.run("disable_by_hand", *key, by, *key, *once, by, *once)

    def end_disabled(self, employee_ids: Sequence[str], by: str | None, remark: str | None = None) -> None:
        """These people are no longer disabled by hand: `by` took it back, or the remark says why."""
        mine = (self.target, json.dumps(list(employee_ids)))
        self.db.run("end_disabled", self.run_id, by, remark, *mine, *mine)

    def disabled_by_hand(self) -> list[ByHand]:
        """Who is disabled by hand, the longest first."""
        rows = self.db.rows("disabled_by_hand", self.target)
        return [ByHand(str(employee_id), database.as_utc(at), str(by)) for employee_id, at, by in rows]

    def force(self, employee_id: str, by: str | None = None) -> str:
        """Put somebody down as forced, at the request of `by`; gives back the token of this request."""
        token, key = str(uuid.uuid4()), (self.target, employee_id)
        once = (*key, self.run_id)
        self.db.run("force", *key, *key, token, *once, by, *once)
        return token

    def unforce(self, tokens: Sequence[str]) -> None:
        """These requests are answered, one way or another."""
        if tokens:
            self.db.run("unforce", self.target, json.dumps(list(tokens)))

    def forced(self) -> list[tuple[str, str]]:
        """Who is forced and waits: (EmployeeId, token), the longest waiting first."""
        return [(str(row[0]), str(row[1])) for row in self.db.rows("forced_people", self.target)]

    def purge(self, history_days: int) -> None:
        """Forget what counts no longer, holds that were over and trails that were made so long ago.

        Payloads of people who have been inactive so long are cleared, too.
        """
        self.db.run("purge_calls")
        self.db.run("purge_guards", *[-86400 * history_days] * 2)
        self.db.run("purge_history", *[-86400 * history_days] * 3)


def start_run(db: Database, run_id: str, job: str, target: str | None) -> None:
    """Note that a run begins."""
    db.run("start_run", run_id, job, target, run_id)


def end_run(db: Database, run_id: str, exit_code: int, counts: dict[str, Any]) -> None:
    """Note how it ended."""
    db.run("end_run", exit_code, json.dumps(counts), run_id)


@dataclass(frozen=True)
class Asked:
    """A resync that was asked for over HTTP in the last minute, and whether it was carried out."""

    employee_id: str
    asked_at: datetime
    granted: bool


def ask_resync(db: Database, token: str, employee_id: str, limit: int) -> bool:
    """Note that a resync is asked for; False where so many were in the last minute."""
    if db.run("ask_resync", token, employee_id, token, limit) == 1:
        return True
    return db.one("asked_resync", token) is not None  # by a try whose answer was lost


def grant_resync(db: Database, token: str) -> None:
    """One that was asked for is carried out (one that nobody asked for over HTTP is not noted)."""
    db.run("grant_resync", token)


def resyncs_lately(db: Database) -> list[Asked]:
    """What was asked for in the last minute, the oldest first."""
    found = []
    for employee_id, asked_at, granted in db.rows("resyncs_lately"):
        if at := database.as_utc(asked_at):
            found.append(Asked(str(employee_id), at, bool(granted)))
    return found


def view_columns(db: Database) -> list[str]:
    """The columns of dbo.ScimUsers; empty where there is no such view."""
    return db.view_columns(_VIEW)


def modified_parameters(now: datetime) -> tuple[str, str]:
    """The parameters of where_modified: a day that is past or present in every time zone."""
    tomorrow = (now + timedelta(days=1)).date().isoformat()
    return tomorrow, tomorrow


def _identifiers(db: Database, mapping: ScimMapping) -> dict[str, str]:
    def column(name: str | None) -> str:
        return "NULL" if name is None else f"v.{db.quoted(name)}"

    def control(name: str) -> str:
        return column(name if name in mapping.control else None)

    return {
        "columns": ", ".join(column(name) for name in mapping.columns),
        "modified": control("ModifiedDateTime"),
        "valid_to": control("ValidTo"),
        "valid_from": control("ValidFrom"),
        "manager": column(mapping.column_of(f"{ENTERPRISE}:manager.value")),
        "hr_table": control(HR_TABLE),
        "hr_key": control(HR_KEY),
        "user_name": db.quoted(mapping.column_of("userName") or ""),
        "work_mail": column(mapping.column_of(WORK_MAIL)),
        "id_type": id_type(db),
    }


def id_type(db: Database) -> str:
    """The type of EmployeeId in the view, so that a set of ids is looked up by index."""
    row = db.one("id_type", _VIEW)
    return str(row[0]) if row else "nvarchar(64)"


def _person(row: tuple[Any, ...], width: int, key: int) -> Person:
    rest = row[width:]
    sent = rest[1] is not None
    return Person(
        employee_id="" if row[key] is None else str(row[key]),
        row=row[:width],
        modified=rest[0],
        sent_hash=rest[1],
        sent_active=bool(rest[2]) if sent else None,
        sent_at=database.as_utc(rest[3]),
        manager_known=bool(rest[4]) if sent else True,
        manager_sent=rest[5] is not None,
        manager_succeeded=bool(rest[5]),
        manager_created_at=None if rest[5] in (None, "", "-") else database.as_utc(rest[5]),
        unanswered=None if rest[6] is None else bool(rest[6]),
        oldest_intent=database.as_utc(rest[7]),
        maybe_active=bool(rest[8]),
        forced_token=rest[9],
        refused_hash=rest[10],
        refusal=rest[11],
        sent_valid_to=database.as_date(rest[12]),
        valid_to_since=database.as_utc(rest[13]),
        sent_protected=bool(rest[14]),
        missing=bool(rest[15]),
        posted_at=database.as_utc(rest[16]),
        answered_at=database.as_utc(rest[17]),
        retry=rest[18] is not None,
        sent_user=rest[19],
        by_hand=bool(rest[20]),
    )


def _intent(intended: Intended) -> dict[str, Any]:
    due = intended.due
    return {
        "employee_id": due.user.employee_id,
        "external_id": due.user.external_id,
        "user_hash": due.user.hash,
        "scim_user": intended.scim_user,
        "active": int(due.user.active),
        "valid_to": due.valid_to.isoformat() if due.valid_to else None,
        "modified_date_time": due.person.modified,
        "manager_known": int(intended.manager_known),
        "forced_token": due.person.forced_token,
        "counts_as_disable": int(intended.counts_as_disable),
        "protected": int(due.marked),
        "attributes": None if intended.attributes is None else list(intended.attributes),
    }
