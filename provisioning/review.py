"""What people ask before they let a run go: what it would do, now or on a day to come; what waits; and their approval.

Nothing here calls Graph. Like the jobs, it puts steps in order; timers never call it.
"""

import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from provisioning import database, guards, holds, jobs, naming, plan, retry, runs, scim, trail, weighing
from provisioning.errors import NotApprovable, UnknownHold, WrongUsage
from provisioning.guards import Held
from provisioning.holds import Hold
from provisioning.jobs import EVERYBODY, Selection
from provisioning.pacing import CALLS_PER_SECOND, Clock
from provisioning.people import Due, Group, Job, Parked, Person, same_key
from provisioning.plan import Rules
from provisioning.runs import Report, Work, no_counts
from provisioning.scim import MOST_OPERATIONS, ScimMapping
from provisioning.settings import Settings

logger = logging.getLogger(__name__)

APPROVAL_LIVES = timedelta(hours=24)
LONGEST_NAME = 100
MOST_DAYS_AHEAD = 366
NEEDED_ROUNDS = (Job.CREATE, Job.UPDATE)
"""What a plan without --job looks at: together, everything that is due."""

ONLY_ON_CREATE = 'emails[type eq "work"].'
"""Where the paths begin of what Entra sets when it creates somebody and never again: the mail attribute."""

_ACTIONS = {Group.LEAVER: "disable", Group.JOINER: "create", Group.CHANGE: "change"}


# --- holds and approvals ------------------------------------------------------------------------------------------


def waiting(settings: Settings, *, clock: Clock | None = None) -> list[Hold]:
    """Every hold of the target that waits for approval, the oldest first."""
    report = Report("holds", {})
    with runs.working(settings, clock or Clock(), report, retry.DATABASE_PATIENCE) as work:
        return holds.waiting(work.db, work.target)


def fate(settings: Settings, hold_id: str, *, clock: Clock | None = None) -> holds.Fate | None:
    """What became of a hold of the target; None where there never was one of this name."""
    report = Report("holds", {})
    with runs.working(settings, clock or Clock(), report, retry.DATABASE_PATIENCE) as work:
        found = holds.find(work.db, hold_id)
        return found if found and found.target == work.target else None


def named(by: str) -> str:
    """In whose name something is done, as it is kept. Raises WrongUsage for what is no name."""
    name = " ".join(by.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise WrongUsage(f"--by: say in whose name, in 1 to {LONGEST_NAME} characters.")
    return name


def approve(settings: Settings, hold_id: str, by: str, *, clock: Clock | None = None) -> Report:
    """Approve a hold in somebody's name, for whoever in it is due as she was held; the next run sends them.

    The report's answer holds hold_id, approved_by, covers and changed (people whose data is no longer as it was held).
    Raises UnknownHold, NotApprovable, WrongUsage (no name).
    """
    report = Report("approve", {})
    name = named(by)
    if not re.fullmatch(r"[0-9a-f]{8}", hold_id):
        raise UnknownHold()
    with (
        runs.working(settings, clock or Clock(), report, retry.DATABASE_PATIENCE) as work,
        runs.recorded(work.db, report, work.target),
    ):
        kind, due_on = _approvable(work, hold_id)
        held = holds.people(work.db, hold_id)
        due = _still_due(work, held, due_on)
        covered = [i for i, h in held.items() if h in due.get(same_key(i), ())]
        if not covered and kind[0] != guards.MAPPING:
            raise NotApprovable(f"Hold {hold_id}: nobody in it is due as she was held; the next run holds them anew.")
        rest = {i: h for i, h in held.items() if h not in due.get(same_key(i), (h,))}
        _write_approval(work, hold_id, name, due_on, rest)
        changed = len(held) - len(covered)
        report.answer = {"hold_id": hold_id, "approved_by": name, "covers": len(covered), "changed": changed}
        if rest:
            now = (
                "the mapping being approved, they are ordinary changes"
                if kind[0] == guards.MAPPING
                else "they stay held"
            )
            report.note(f"{len(rest)} people have changed since they were held; {now}.")
        logger.info("Hold %s was approved for %s people.", hold_id, len(covered))
    return report


def _write_approval(work: Work, hold_id: str, name: str, due_on: date | None, rest: dict[str, str]) -> None:
    """Approve, and hold whoever it does not cover (`rest`), in one go. Raises NotApprovable where another was first."""
    hold = next((h for h in holds.waiting(work.db, work.target) if h.hold_id == hold_id), None)
    with work.db.transaction():
        if hold is None or not holds.approve(work.db, hold_id, name, _expiry(work, due_on)):
            raise NotApprovable(f"Hold {hold_id} has been approved or ended a moment ago.")
        remark = f"hold {hold_id}, {hold.kind[0]}"
        trail.note_approval(work.db, work.target, work.report.run_id, name, remark, hold_id, list(rest))
        if hold.kind[0] == guards.MAPPING:
            holds.accept_mapping(work.db, work.target, hold.kind[1], name)
        elif rest:
            _keep_held(work, hold, rest)


def _keep_held(work: Work, hold: Hold, people: dict[str, str]) -> None:
    """Whom an approval does not cover waits on, in a hold of the same class: the next run says with which hash."""
    held = Held(hold.kind, hold.reason, people, hold.attributes)
    holds.keep(work.db, work.target, (hold.job, work.report.run_id), [held], due_on=hold.due_on)


def _approvable(work: Work, hold_id: str) -> tuple[guards.Kind, date | None]:
    fate = holds.find(work.db, hold_id)
    if fate is None:
        raise UnknownHold()
    if fate.target != work.target:
        raise NotApprovable(f"Hold {hold_id} is about another provisioning app than GRAPH_BULK_UPLOAD_URL names.")
    if fate.approved_at:
        raise NotApprovable(f"Hold {hold_id} was approved at {fate.approved_at:%Y-%m-%d %H:%M} UTC already.")
    if fate.ended_at:
        raise NotApprovable(
            f"Hold {hold_id} is over: nobody in it is due, or a later one has taken its place; see holds."
        )
    if fate.kind[0] == guards.MAPPING and fate.kind[1] != work.mapping_hash():
        raise NotApprovable(f"Hold {hold_id}: the mapping has changed again since; the next run holds it anew.")
    return fate.kind, fate.due_on


def _still_due(work: Work, held: Mapping[str, str], due_on: date | None) -> dict[str, set[str]]:
    """Who of a hold is due, by a timer or, being forced, by a resync: id as it is compared → the hashes that may go."""
    now = _noon(work, due_on) if due_on else None
    named = naming.foreseen(work, work.rules(Job.CREATE, now=now)) if due_on else {}
    found: dict[str, set[str]] = {}
    for ids in database.chunks(sorted(held)):
        people = list(naming.with_names(work.book.people_of(work.mapping, ids), named))
        forced = [plan.as_forced(p) for p in people]
        due = [d for job in NEEDED_ROUNDS for d in plan.make(people, work.rules(job, now=now)).due]
        due += [d for d in plan.make(forced, work.rules(Job.RESYNC, now=now)).due if d.changed]
        for one in due:
            found.setdefault(one.key, set()).add(one.user.hash)
    return found


def _expiry(work: Work, due_on: date | None) -> datetime:
    """24 hours from now; of a day to come, 24 hours from its end."""
    zone = work.settings.time_zone
    start = datetime.combine(due_on + timedelta(days=1), time(), zone) if due_on else work.db.utc_now()
    return start + APPROVAL_LIVES


def _noon(work: Work, day: date) -> datetime:
    return datetime.combine(day, time(12), work.settings.time_zone)


# --- the plan -----------------------------------------------------------------------------------------------------


@dataclass
class Foreseen:
    """What a run would do: people with their action, those held and parked, and the Graph calls it takes.

    `one_run`: everybody goes in the same run, joiners and others may share a call. `new_names`: keys of those who get
    their user names by it.
    """

    one_run: bool
    new_names: Set[str] = frozenset()
    people: list[dict[str, Any]] = field(default_factory=list)
    parked: list[Parked] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    calls: int = 0


def foresee(
    settings: Settings,
    job: Job | None = None,
    selection: Selection = EVERYBODY,
    *,
    on: date | None = None,
    clock: Clock | None = None,
) -> Report:
    """What a run would do now, or what every day until `on` will bring; nothing is sent.

    The report's answer holds `people` [{employee_id, action, attributes {path: {old, new}}, held, deferred}],
    `parked_people`, `holds`, `actions` {action: people}, `calls_left` of the day's calls, `seconds` that sending takes
    at the pace of 7 calls a second, and `more_days` of calls that those who are deferred take. What is only set when
    somebody is created is marked `only_on_create`, a user name that nobody has yet `to_be_given`; there are
    `user_names` of these. With `on` each person also has her `day`, the first on which she is due; waves that a guard
    would stop are written down as holds of that day, so that they can be approved in advance.
    """
    report = Report("plan", no_counts("plan"))
    rounds = NEEDED_ROUNDS if job is None else (job,)
    with runs.working(settings, clock or Clock(), report, retry.DATABASE_PATIENCE) as work:
        if on is None:
            _today(work, rounds, selection)
        else:
            _days_ahead(work, rounds, selection, on)
    return report


def _today(work: Work, rounds: Sequence[Job], selection: Selection) -> None:
    """As a run would decide: everybody due is weighed, and of those who may go the selection goes."""
    people, new_names = _people(work, rounds, work.rules(Job.CREATE))
    foreseen = Foreseen(one_run=len(rounds) == 1, new_names=new_names)
    due, parked = _due(work, people, [work.rules(job) for job in rounds])
    standing = holds.waiting(work.db, work.target)
    waits = {same_key(i) for h in standing if h.kind[0] != guards.FIRST_LOAD for i in h.people}
    chosen = selection.of(due, waits)
    foreseen.parked = selection.of_parked(parked)
    named = {d.key for d in chosen} if selection.named else frozenset[str]()
    rules, guard = work.rules(rounds[-1]), work.guard(standing, work.changed_mapping(), named=named)
    foreseen.held = weighing.weigh(work.book, rules, guard, due)
    stopped = {same_key(i) for h in foreseen.held for i in h.people}
    going = [d for d in chosen if d.key not in stopped]
    affordable = work.calls_left() * MOST_OPERATIONS
    if foreseen.one_run:  # it leaves calls to more urgent people of the other job
        affordable = len(jobs.affordable(work, rules, going, stopped | waits)[0])
    _add(work, rules, chosen, foreseen, affordable)
    _tell(work, foreseen)
    work.report.answer["more_days"] = -(-max(0, foreseen.calls - work.calls_left()) // work.budget.for_runs)
    existing = {h.kind: h.hold_id for h in standing if h.due_on is None}
    work.report.answer["holds"] = [_as_hold(h, existing.get(h.kind)) for h in holds.merged(foreseen.held)]


def _people(work: Work, rounds: Sequence[Job], creating: Rules) -> tuple[Iterable[Person], Set[str]]:
    """Everybody, with the user names that a create by these rules would give; and the keys of those who get one."""
    named = naming.foreseen(work, creating) if Job.CREATE in rounds else {}
    return naming.with_names(work.book.people(work.mapping), named), named.keys()


def _due(work: Work, people: Iterable[Person], rules: Sequence[Rules]) -> tuple[list[Due], list[Parked]]:
    """Everybody due in one of these jobs, once, in sending order."""
    due: dict[str, Due] = {}
    parked: dict[str, Parked] = {}
    rows = list(people)
    for one in rules:
        made = work.plan(rows, one)
        due.update({d.key: d for d in made.due if d.key not in due})
        parked.update({p.employee_id: p for p in made.parked})
    return plan.order(list(due.values())), list(parked.values())


def _add(
    work: Work, rules: Rules, due: Sequence[Due], foreseen: Foreseen, affordable: int, day: date | None = None
) -> None:
    """Add people to what is foreseen: what differs, the classes in which they would be held, and who is deferred.

    `affordable`: for how many people the day's calls suffice.
    """
    classes: dict[str, list[str]] = {}
    for stopped in foreseen.held:
        for employee_id in stopped.people:
            classes.setdefault(same_key(employee_id), []).append(stopped.kind[0])
    before = work.book.sent_users([d.user.employee_id for d in due if d.person.sent])
    sent = {same_key(i): scim.flatten(user) for i, user in before}
    going = [d for d in due if d.key not in classes]
    deferred = {d.key for d in going[affordable:]}
    for one in due:
        person = foreseen_person(one, sent.get(one.key, {}), rules.mapping)
        if one.key in foreseen.new_names:
            person["attributes"]["userName"]["to_be_given"] = True
        person |= {"held": sorted(set(classes[one.key]))} if one.key in classes else {}
        person |= {"deferred": True} if one.key in deferred else {}
        foreseen.people.append(person | ({"day": day.isoformat()} if day else {}))
    joiners = 0 if foreseen.one_run else sum(d.group is Group.JOINER for d in going)
    foreseen.calls += jobs.calls(joiners) + jobs.calls(len(going) - joiners)  # create sends the ones, update the others


def foreseen_person(due: Due, before: Mapping[str, Any], mapping: ScimMapping) -> dict[str, Any]:
    """What somebody due would go as, and what differs from what was sent `before` (path → value)."""
    after = mapping.flat(due.user)
    action = "enable" if due.person.sent_active is False and due.user.active else _ACTIONS.get(due.group, "send")
    action = action if due.changed or action == "create" else "send again"
    paths = guards.changed_paths(before, after) if due.changed else []
    attributes: dict[str, dict[str, Any]] = {p: {"old": before.get(p), "new": after.get(p)} for p in paths}
    for path in paths if due.person.sent else ():
        if path.startswith(ONLY_ON_CREATE):
            attributes[path]["only_on_create"] = True
    found: dict[str, Any] = {"employee_id": due.user.employee_id, "action": action, "attributes": attributes}
    if due.by_hand:
        found |= {"by_hand": True} | ({"action": "disable"} if due.disables else {})
    return found


def _tell(work: Work, foreseen: Foreseen) -> None:
    people, parked = foreseen.people, foreseen.parked
    work.report.counts.update(
        candidates=len(people) + len(parked),
        held=sum("held" in p for p in people),
        parked=len(parked),
        calls=foreseen.calls,
        deferred=sum("deferred" in p for p in people),
    )
    work.report.answer |= {
        "actions": dict(Counter(p["action"] for p in people)),
        "calls_left": work.calls_left(),
        "seconds": round(foreseen.calls / CALLS_PER_SECOND, 1),
        "user_names": sum("to_be_given" in p["attributes"].get("userName", ()) for p in people),
        "people": people,
        "parked_people": [{"employee_id": p.employee_id, "reasons": list(p.reasons)} for p in parked],
    }


def _as_hold(held: Held, hold_id: str | None) -> dict[str, Any]:
    told: dict[str, Any] = {"hold_id": hold_id, "class": held.kind[0], "count": len(held.people)}
    return told | {"employee_ids": sorted(held.people), "reason": held.reason or "waits since an earlier run"}


def _days_ahead(work: Work, rounds: Sequence[Job], selection: Selection, on: date) -> None:
    """Day by day until `on`, as if each day's people were sent on it; people without a date in that time stay out."""
    base = work.rules(rounds[0])
    today = base.today(work.settings.time_zone)
    if not today < on <= today + timedelta(days=MOST_DAYS_AHEAD):
        raise WrongUsage(f"--on: must be a day after today ({today}), within {MOST_DAYS_AHEAD} days.")
    people, new_names = _people(work, rounds, work.rules(Job.CREATE, now=_noon(work, on)))
    dated = [p for p in people if plan.has_date(p, base, today, on)]
    foreseen = Foreseen(one_run=len(rounds) == 1, new_names=new_names)
    written: list[Hold] = []
    known = {(d.key, d.user.hash) for d in _due(work, dated, [work.rules(job) for job in rounds])[0]}
    for ahead in range(1, (on - today).days + 1):
        day = today + timedelta(days=ahead)
        rules = [work.rules(job, now=_noon(work, day)) for job in rounds]
        due, _ = _due(work, dated, rules)
        new = [d for d in due if (d.key, d.user.hash) not in known]
        known |= {(d.key, d.user.hash) for d in new}
        chosen = selection.of(new)
        named = {d.key for d in chosen} if selection.named else frozenset[str]()
        guard = work.guard([], None, named=named, ahead=day)
        foreseen.held = held = weighing.weigh(work.book, rules[-1], guard, new)
        _add(work, rules[-1], chosen, foreseen, work.budget.for_runs * MOST_OPERATIONS, day)
        if not selection.named:  # a look at a few people is no look at the day
            written += holds.keep(work.db, work.target, work.run, held, _foreseen_before(work, day), day)
    _tell(work, foreseen)
    work.report.answer["on"] = on.isoformat()
    work.report.answer["holds"] = [h.told() for h in written]
    for hold in written:
        work.report.note(holds.describe(hold))


def _foreseen_before(work: Work, day: date) -> set[str]:
    """Who waits in a wave that was foreseen for this day before."""
    return {same_key(i) for h in holds.waiting(work.db, work.target) if h.due_on == day for i in h.people}
