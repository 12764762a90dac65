"""Who is due, in which order, and who is parked and why. Pure: everything it decides from is handed in."""

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Generic
from zoneinfo import ZoneInfo

from provisioning import scim
from provisioning.doubles import Identity, Names, Rows, identity_of, parked_instead, place_of, two_rows
from provisioning.people import (
    LONGEST_ID,
    Brief,
    Due,
    G,
    Group,
    Job,
    Parked,
    Person,
    Standing,
    Verdict,
    same_key,
)
from provisioning.scim import ScimMapping, Unsendable, User

ROWS_AT_ONCE = 1000
"""So many people's hashes are made together."""

EXPECTED_AFTER = timedelta(days=3)
"""A leaver whose last day was sent so long ago surprises nobody."""

CONFIRMED_AFTER = timedelta(minutes=45)
"""So long after a sending the log must have an entry of it."""

RESENT_AFTER = timedelta(hours=24)
"""Who is unconfirmed for so long is sent again by reconcile."""

CLOCKS_APART = timedelta(minutes=1)
"""By so much Entra's clock and the database's may differ."""

FORGOTTEN = "was forgotten at somebody's request; to send her again: python -m provisioning forget --undo ID"

SHOWN_AS_ID = "no user name: dbo.ScimUsers shows her EmployeeId; let it read dbo.UserNames, see docs/user-names.md"

BY_HAND = "is disabled by hand; to take that back: python -m provisioning enable ID --by NAME"


@dataclass(frozen=True)
class LogRead:
    """Between which times Entra's log about a target was read with nothing missing."""

    since: datetime
    until: datetime

    def says_nothing_of(self, posted_at: datetime | None, answered_at: datetime | None) -> bool:
        """Whether somebody sent at `posted_at` is unconfirmed: read to 45 minutes past it, without an entry for her."""
        if posted_at is None or not self.since <= posted_at <= self.until - CONFIRMED_AFTER:
            return False
        return answered_at is None or answered_at < posted_at - CLOCKS_APART


def nobody(employee_id: str) -> bool:
    """As `Rules.is_forgotten`: nobody is."""
    return False


@dataclass(frozen=True)
class Rules:
    """What a run decides by: the mapping, the moment, and the settings. `now` is the database's UTC time.

    `log`: what was read of Entra's log; None where outcomes are off. `is_forgotten` tells whether an EmployeeId has a
    tombstone. `why_unnamed`: where user names are given, why somebody new has none and must not go; else None.
    """

    job: Job
    mapping: ScimMapping
    now: datetime
    time_zone: ZoneInfo
    lead_days: int
    prehire_active: bool
    resend_before: datetime
    dead_before: datetime
    resend_since: datetime | None = None
    log: LogRead | None = None
    is_forgotten: Callable[[str], bool] = nobody
    why_unnamed: Callable[[str], str] | None = None
    _todays: dict[str, date] = field(default_factory=dict, compare=False, repr=False)

    def today(self, zone: ZoneInfo) -> date:
        """The date in a zone at `now`."""
        found = self._todays.get(zone.key)
        if found is None:
            found = self._todays[zone.key] = self.now.astimezone(zone).date()
        return found


@dataclass
class Plan(Generic[G]):
    """What a run will do. `due` is in sending order.

    `people`: the keys of everybody in the rows at hand, and whether this job decides about her. `agreed`: who is
    disabled by hand while HR has ended her, too, and Entra was told. `tables`: of which the rows say they are.
    """

    due: list[G]
    parked: list[Parked]
    people: dict[str, bool] = field(default_factory=dict)
    agreed: list[str] = field(default_factory=list)
    tables: set[str] = field(default_factory=set)

    @property
    def seen(self) -> Set[str]:
        """Keys of everybody in the rows at hand."""
        return self.people.keys()

    @property
    def looked_at(self) -> set[str]:
        """Keys of those about whom this job decides."""
        return {key for key, decided in self.people.items() if decided}


def judge(person: Person, rules: Rules) -> Verdict:
    """Whether a person is due, parked, or neither (None). A forced person who cannot go is always parked."""
    return _assess(person, rules, looked_at=_looked_at(person, rules))[0]


def make(people: Iterable[Person], rules: Rules) -> Plan[Due]:
    """Judge everybody, in one pass; park those who share an EmployeeId or, being active, a userName."""
    return _made(people, rules, lambda due, key: due)


def outline(people: Iterable[Person], rules: Rules) -> Plan[Brief]:
    """The same of a whole company, of which no more is kept than keys, names, and who is due in brief."""
    return _made(people, rules, Due.brief)


def _made(people: Iterable[Person], rules: Rules, kept: Callable[[Due, str], G]) -> Plan[G]:
    rows, names = Rows(), Names()
    looked_at: dict[str, bool] = {}
    verdicts: dict[str, G | Parked] = {}
    agreed: dict[str, str] = {}
    for person, decided, row_hash in _with_hashes(people, rules):
        key = same_key(person.employee_id)
        looked_at[key] = decided or looked_at.get(key, False)
        if not rows.speaks(key, place_of(person, rules.mapping)):
            continue
        if key not in rows.doubled:
            verdicts.pop(key, None)
            agreed.pop(key, None)
        verdict, identity = _assess(person, rules, looked_at=decided, row_hash=row_hash)
        if verdict is not None:
            verdicts[key] = kept(verdict, key) if isinstance(verdict, Due) else verdict
        if person.by_hand and _hr_agrees(person, rules):
            agreed[key] = person.employee_id
        if identity:
            names.note(key, identity)
    for key in rows.doubled.keys() & {key for key, v in verdicts.items() if isinstance(v, Parked) or not v.by_hand}:
        verdicts[key] = parked_instead(verdicts[key], two_rows(rows.doubled[key]))
    names.park(verdicts, rows)
    due = [v for v in verdicts.values() if not isinstance(v, Parked)]
    parked = [v for v in verdicts.values() if isinstance(v, Parked)]
    agreeing = [i for key, i in agreed.items() if key not in rows.doubled]
    tables = {place.table for place in rows.places.values()} - {""}
    return Plan(order(due), parked, looked_at, agreeing, tables)


def _with_hashes(people: Iterable[Person], rules: Rules) -> Iterator[tuple[Person, bool, str | None]]:
    """Each person, whether this job decides about her, and the hash of what goes of her if she is active.

    That is None where nobody knows without looking, and for whoever was never sent: it is compared with what was sent.
    """
    left = iter(people)
    while some := list(itertools.islice(left, ROWS_AT_ONCE)):
        decided = [_looked_at(person, rules) for person in some]
        compared = [known and person.sent_hash is not None for known, person in zip(decided, some, strict=True)]
        hashes = iter(rules.mapping.hashes([p.row for p, c in zip(some, compared, strict=True) if c], rules.time_zone))
        for person, known, is_compared in zip(some, decided, compared, strict=True):
            yield person, known, next(hashes) if is_compared else None


def user_again(brief: Brief, person: Person, rules: Rules) -> User | None:
    """What goes of her, made again from her row as it is now, or from what was last sent; None where it is another."""
    try:
        user = rules.mapping.user(person.row, brief.active, _zone(person, rules))
    except Unsendable:
        user = None
    if (user is None or user.hash != brief.hash) and person.sent_user is not None:
        user = scim.inactive(person.employee_id, json.loads(person.sent_user), person.sent_hash)
    return user if user is not None and user.hash == brief.hash else None


def park_clashes(due: Sequence[Due], namesakes: Iterable[Person], rules: Rules) -> list[Due | Parked]:
    """Those due, parked where somebody else who is active has their userName (`namesakes`: all of these names).

    Of those who would be disabled it is noted who is active with their userName or work e-mail address.
    """
    rows, names = Rows(), Names()
    for person in namesakes:
        key = same_key(person.employee_id)
        if rows.speaks(key, place_of(person, rules.mapping)) and (found := _known_by(person, rules)):
            names.note(key, found)
    verdicts: dict[str, Due | Parked] = {same_key(d.user.employee_id): d for d in due}
    names.park(verdicts, rows)
    return list(verdicts.values())


def order(due: Sequence[G]) -> list[G]:
    """Forced first, then leavers, joiners, changes; in each of these, managers before their reports."""
    groups: dict[Group, list[G]] = {group: [] for group in Group}
    for one in sorted(due, key=lambda d: d.employee_id):
        groups[one.group].append(one)
    return [one for group in Group for one in _managers_first(groups[group])]


def manager_known(due: Due, sent_along: Iterable[str]) -> bool:
    """Whether Entra can resolve the manager: none to resolve, accepted before, or earlier in the same request."""
    manager = due.user.manager_id
    return manager is None or due.person.manager_sent or same_key(manager) in set(sent_along)


def as_forced(person: Person) -> Person:
    """The same person, as if somebody had asked for her by name."""
    return person if person.forced_token is not None else replace(person, forced_token="")


def has_date(person: Person, rules: Rules, first: date, last: date) -> bool:
    """Whether one of her dates makes a difference between two days, the lead days included."""
    try:
        valid_from, valid_to = _date(person, rules, "ValidFrom"), _date(person, rules, "ValidTo")
    except Unsendable:
        return False
    starts = valid_from is not None and first < valid_from <= last + timedelta(days=rules.lead_days + 1)
    return starts or (valid_to is not None and first - timedelta(days=1) <= valid_to <= last)


def has_left_scope(person: Person, rules: Rules) -> bool:
    """Whether somebody last sent as active is out of scope now, so that nothing more goes of her until she ends."""
    try:
        return person.known and person.was_active and not _in_scope(person, rules)
    except Unsendable:
        return False


def standing(person: Person, rules: Rules) -> tuple[Standing, tuple[str, ...]]:
    """How somebody stands with HR today, and why."""
    if person.by_hand and not _hr_agrees(person, rules):
        return Standing.BY_HAND, ("disabled by hand",)
    try:
        state = _state(person, rules)
    except Unsendable as exc:
        return Standing.UNCLEAR, exc.reasons
    if state.ended:
        why = "absent from HR" if person.missing else "past her last day" if state.past_last_day else "inactive in HR"
        return Standing.LEFT, (why,)
    if not state.in_scope:
        return Standing.OUT_OF_SCOPE, ()
    return (Standing.ACTIVE if state.active else Standing.LATER), ()


def _looked_at(person: Person, rules: Rules) -> bool:
    if person.forced_token is not None:
        return True
    if rules.job is Job.RESYNC:
        return False
    if rules.job is Job.CREATE:
        return not person.sent or _in_doubt(person, rules)
    if rules.job is Job.RESEND and rules.resend_since is not None:
        return person.unanswered is not None or (person.sent_at is not None and person.sent_at >= rules.resend_since)
    return person.known


@dataclass(slots=True)
class _State:
    """What the dates make of a person today."""

    zone: ZoneInfo
    valid_to: date | None
    in_scope: bool
    ended: bool
    early: bool
    active: bool
    past_last_day: bool


def _assess(
    person: Person, rules: Rules, *, looked_at: bool, row_hash: str | None = None
) -> tuple[Verdict, Identity | None]:
    """The verdict, and by what she is known, if active and in scope today, or ended and active over there.

    `row_hash`: of what goes of her if she is active, where that is known already.
    """
    name: Identity | None = None
    try:
        if not 1 <= len(person.employee_id.strip()) <= LONGEST_ID:
            raise Unsendable([f"EmployeeId is null or longer than {LONGEST_ID} characters"])
        if person.by_hand and not _hr_agrees(person, rules):
            return _disabled(person, rules) if looked_at else None, None
        if not person.known and (reason := _nothing_to_send(person, rules)):
            return _cannot(person, reason) if looked_at else None, None
        state = _state(person, rules)
        leaves = state.ended and person.was_active
        if leaves or (state.active and state.in_scope):
            name = identity_of(person, rules.mapping, leaves=leaves)
        return _verdict(person, state, rules, row_hash) if looked_at else None, name
    except Unsendable as exc:
        forced, leaver = person.forced_token is not None, isinstance(exc, _Leaver)
        return Parked(person.employee_id, exc.reasons, forced, leaver) if looked_at else None, name


def _known_by(person: Person, rules: Rules) -> Identity | None:
    return _assess(person, rules, looked_at=_looked_at(person, rules))[1]


def _hr_agrees(person: Person, rules: Rules) -> bool:
    """Whether HR has ended her as well, and nothing says that the target may hold her as active.

    Of somebody never sent there is nothing that HR could have ended.
    """
    if person.was_active or not person.known:
        return False
    try:
        return _state(person, rules).ended
    except Unsendable:  # there is no row of hers, or none that can be read
        return False


def _disabled(person: Person, rules: Rules) -> Verdict:
    """What goes of somebody disabled by hand: what was last sent of her, inactive; of somebody new nothing goes."""
    if not person.known:
        verdict = judge(replace(person, by_hand=False), rules)
        return (
            Parked(person.employee_id, (BY_HAND,), person.forced_token is not None)
            if isinstance(verdict, Due)
            else verdict
        )
    nothing_new = person.forced_token is None and not _in_doubt(person, rules)
    if person.sent_user is None and not person.was_active and nothing_new:
        return None  # its payload is cleared
    if person.sent_user is None:
        user = rules.mapping.user(person.row, False, _zone(person, rules))
    else:
        user = scim.inactive(person.employee_id, json.loads(person.sent_user), person.sent_hash)
    if not _must_go(person, user.hash, rules):
        return None
    if refused := _refused(person, user):
        return refused
    disables = person.sent_active is not False or person.maybe_active
    marked, as_sent = _is_marked(person, rules), user.as_sent is not None
    return Due(user, person, _group(person, user), person.sent_valid_to, disables, marked=marked, by_hand=as_sent)


def _is_marked(person: Person, rules: Rules) -> bool:
    """Whether the view marks her as Protected; where that cannot be told she is."""
    try:
        return _flag(person, rules, "Protected")
    except Unsendable:
        return True


def _nothing_to_send(person: Person, rules: Rules) -> str | None:
    """Why nothing goes of somebody never sent, whatever else her row holds."""
    if not _in_scope(person, rules):
        return "out of scope (InScope)"
    if person.missing:
        return "no longer in HR, and never sent: there is no account to disable"
    return None if rules.mapping.raw_active(person.row) else "inactive, and never sent: there is no account to disable"


def _state(person: Person, rules: Rules) -> _State:
    zone = _zone(person, rules)
    valid_from, valid_to = _date(person, rules, "ValidFrom"), _date(person, rules, "ValidTo")
    today = rules.today(zone)
    past = valid_to is not None and today > valid_to
    ended = not rules.mapping.raw_active(person.row) or past or person.missing
    ahead = valid_from is not None and valid_from > today
    early = valid_from is not None and valid_from > today + timedelta(days=rules.lead_days)
    active = not ended and (not ahead or person.was_active or _before_start(person, rules, early=early))
    return _State(zone, valid_to, _in_scope(person, rules), ended, early, active, past)


def _verdict(person: Person, state: _State, rules: Rules, row_hash: str | None) -> Verdict:
    if state.ended and not person.known:
        return _cannot(person, "ended (ValidTo), and never sent: there is no account to disable")
    perhaps_active = person.was_active or person.retry or _in_doubt(person, rules)
    must_be_disabled = state.ended and person.known and perhaps_active
    if not state.in_scope and not must_be_disabled:
        return _cannot(person, "out of scope (InScope)")
    if state.early and not person.known and person.forced_token is None:
        return None
    if not person.known and rules.is_forgotten(person.employee_id):
        return Parked(person.employee_id, (FORGOTTEN,), person.forced_token is not None)
    goes_as_hashed = person.known and state.active and state.zone is rules.time_zone
    if row_hash is not None and goes_as_hashed and not _must_go(person, row_hash, rules):
        return None
    user = _user(person, state, rules, leaves=must_be_disabled)
    if rules.why_unnamed and not person.known and user.user_name == person.employee_id:
        return Parked(person.employee_id, (rules.why_unnamed(person.employee_id),), person.forced_token is not None)
    if not _must_go(person, user.hash, rules):
        return None
    if refused := _refused(person, user):
        return refused
    disables = state.ended and not user.active and (person.sent_active is not False or person.maybe_active)
    expected = disables and state.past_last_day and _long_known(person, state, rules)
    return Due(
        user, person, _group(person, user), state.valid_to, disables, expected, _flag(person, rules, "Protected")
    )


class _Leaver(Unsendable):
    """Her row makes no SCIM user, but she must be disabled, and what was last sent of her is not at hand."""


def _user(person: Person, state: _State, rules: Rules, *, leaves: bool) -> User:
    """What her row makes of her; a leaver whose row makes nothing goes as she was last sent, inactive."""
    try:
        return rules.mapping.user(person.row, state.active, state.zone)
    except Unsendable as exc:
        if not leaves:
            raise
        if person.sent_user is None:
            raise _Leaver(exc.reasons) from None
        return scim.inactive(person.employee_id, json.loads(person.sent_user), person.sent_hash)


def _refused(person: Person, user: User) -> Parked | None:
    """Whom Graph refused like this is not sent like this again, unless she is forced."""
    if person.refused_hash == user.hash and person.forced_token is None:
        return Parked(person.employee_id, (person.refusal or "refused by Graph",))
    return None


def _long_known(person: Person, state: _State, rules: Rules) -> bool:
    """Whether her last day has stood in what was sent for three days or more."""
    since = person.valid_to_since
    return person.sent_valid_to == state.valid_to and since is not None and since <= rules.now - EXPECTED_AFTER


def _before_start(person: Person, rules: Rules, *, early: bool) -> bool:
    """Whether somebody whose start is ahead, and who is not active over there, goes as active."""
    return rules.prehire_active and (not early or person.forced_token is not None)


def _must_go(person: Person, user_hash: str, rules: Rules) -> bool:
    if user_hash != person.sent_hash or person.forced_token is not None or _in_doubt(person, rules):
        return True
    if rules.job is Job.RESEND or (person.retry and rules.job in (Job.UPDATE, Job.RECONCILE)):
        return True
    if _has_late_manager(person, rules):
        return True
    if rules.job is Job.RECONCILE:
        return _unconfirmed(person, rules) or (person.sent_at is not None and person.sent_at < rules.resend_before)
    return False


def _has_late_manager(person: Person, rules: Rules) -> bool:
    """Whether her manager came to be there after her, so that Entra could not set her manager.

    Told by the log; where outcomes are off, by what was sent, and reconcile alone repairs it.
    """
    if rules.log is None:
        return rules.job is Job.RECONCILE and not person.manager_known and person.manager_sent
    if rules.job not in (Job.UPDATE, Job.RECONCILE):
        return False
    created, posted, answered = person.manager_created_at, person.posted_at, person.answered_at
    created_later = bool(created and posted and answered and posted < created and answered < created)
    return (not person.manager_known and person.manager_succeeded) or created_later


def _unconfirmed(person: Person, rules: Rules) -> bool:
    """Whether the log has said nothing of her for a day."""
    posted = person.posted_at
    if rules.log is None or posted is None or posted >= rules.now - RESENT_AFTER:
        return False
    return rules.log.says_nothing_of(posted, person.answered_at)


def _in_doubt(person: Person, rules: Rules) -> bool:
    """An intent is left over: sent once by the next run, and once more when its run must be dead."""
    oldest = person.oldest_intent
    return bool(person.unanswered) or (oldest is not None and oldest < rules.dead_before)


def _group(person: Person, user: User) -> Group:
    if person.forced_token is not None:
        return Group.FORCED
    if not user.active and person.was_active:
        return Group.LEAVER
    return Group.CHANGE if person.sent else Group.JOINER


def _cannot(person: Person, reason: str) -> Verdict:
    return Parked(person.employee_id, (reason,), True) if person.forced_token is not None else None


def _zone(person: Person, rules: Rules) -> ZoneInfo:
    name = rules.mapping.cell(person.row, "TimeZone")
    if name is None:
        return rules.time_zone
    try:
        return ZoneInfo(str(name))
    except (KeyError, ValueError, OSError):
        raise Unsendable(["TimeZone is not an IANA time zone"]) from None


def _date(person: Person, rules: Rules, control: str) -> date | None:
    value = rules.mapping.cell(person.row, control)
    if value is None:
        return None
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        raise Unsendable([f"{control} is not a date"]) from None


def first_and_last_day(person: Person, rules: Rules) -> tuple[date | None, date | None]:
    """On which day somebody active and in scope comes, and goes, by the view; None where it does not say."""
    try:
        if _in_scope(person, rules) and rules.mapping.raw_active(person.row):
            return _date(person, rules, "ValidFrom"), _date(person, rules, "ValidTo")
    except Unsendable:  # the run parks her, and says so
        pass
    return None, None


def _in_scope(person: Person, rules: Rules) -> bool:
    """InScope; true where the view has no such column, false where it is null."""
    return "InScope" not in rules.mapping.control or _flag(person, rules, "InScope")


def _flag(person: Person, rules: Rules, control: str) -> bool:
    """A control column that says yes or no; null, or no such column, is no."""
    value = rules.mapping.cell(person.row, control)
    if type(value) is int and value in (0, 1):
        return value == 1
    if value is None or str(value).strip().lower() in ("0", "false"):
        return False
    if str(value).strip().lower() not in ("1", "true"):
        raise Unsendable([f"{control} is neither 1 nor 0"])
    return True


class Crowd:
    """Who shares an EmployeeId with whom or, being active, a userName: seen in one pass, of which only keys are kept.

    For who looks at people one after the other; `make` has them all at once.
    """

    def __init__(self, people: Iterable[Person], rules: Rules, *, names: bool) -> None:
        """Look at everybody; at their names only where somebody is to be judged."""
        self._rules, self._rows = rules, Rows()
        known = Names()
        for person in people:
            key = same_key(person.employee_id)
            speaks = self._rows.speaks(key, place_of(person, rules.mapping))
            if names and speaks and (found := _known_by(person, rules)):
                known.note(key, found)
        self._clashes = known.clashes(self._rows)

    def speaks(self, person: Person) -> bool:
        """Whether this row is the one that says what becomes of her, or one of several that do."""
        place = self._rows.places[same_key(person.employee_id)]
        return place == place_of(person, self._rules.mapping) or self.doubled(person) is not None

    def doubled(self, person: Person) -> str | None:
        """Why nobody can tell which of her rows counts; None where one does."""
        tables = self._rows.doubled.get(same_key(person.employee_id))
        return None if tables is None else two_rows(tables)

    def judge(self, person: Person) -> Verdict:
        """As `make` would, of somebody who was never sent."""
        verdict = judge(person, self._rules)
        if verdict is None:
            return None
        if two := self.doubled(person):
            return parked_instead(verdict, two)
        clash = self._clashes.get(same_key(person.employee_id))
        return parked_instead(verdict, clash) if clash and isinstance(verdict, Due) and verdict.user.active else verdict


def _managers_first(due: Sequence[G]) -> list[G]:
    """By their level; an edge that would close a circle is left out, so that nobody is lost."""
    by_id = {same_key(d.external_id): d for d in due}
    if len(by_id) < len(due):
        by_id = {same_key(d.employee_id): d for d in due}
    managers = _without_circles({key: same_key(d.manager_id or "") for key, d in by_id.items()})
    levels = _levels(managers)
    return [by_id[key] for key in sorted(managers, key=levels.__getitem__)]


def _levels(managers: Mapping[str, str | None]) -> dict[str, int]:
    """How many managers each person has above her; there are no circles."""
    levels: dict[str, int] = {}
    for start in managers:
        path: list[str] = []
        person: str | None = start
        while person is not None and person not in levels:
            path.append(person)
            person = managers[person]
        above = -1 if person is None else levels[person]
        for n, one in enumerate(reversed(path), 1):
            levels[one] = above + n
    return levels


def _without_circles(managers: Mapping[str, str]) -> dict[str, str | None]:
    """Each person's manager among the people at hand; None where there is none, or where it would close a circle."""
    kept: dict[str, str | None] = {}
    for start in managers:
        path: list[str] = []
        person = start
        while person in managers and person not in kept:
            path.append(person)
            kept[person] = managers[person] if managers[person] in managers else None
            person = managers[person]
        if path and person in path:
            kept[path[-1]] = None
    return kept
