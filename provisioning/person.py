"""Everything known about one person: what HR said, what the mapping makes of it, what was sent, what is due, and why.

The answer holds personal data: it goes to the operator who asked, and nowhere else. Nothing is sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from provisioning import (
    database,
    guards,
    holds,
    jobs,
    name_book,
    naming,
    plan,
    retry,
    review,
    runs,
    scim,
    tables,
    trail,
)
from provisioning.errors import SettingsError, UnknownEmployee
from provisioning.pacing import Clock
from provisioning.people import Due, Job, Parked, Person, same_key
from provisioning.plan import Rules
from provisioning.runs import Report, Work
from provisioning.settings import Settings
from provisioning.source import Auth, Resource, Source

LOOKED_AT = (Job.CREATE, Job.UPDATE, Job.RECONCILE)
"""The runs by timer, in the order in which somebody would be found due."""

PEOPLE = Resource("Employees", "EmployeeId", "")
"""Where the employees are mirrored, unless HR_SOURCE or an ingest says otherwise."""

Answer = dict[str, Any]


def show(settings: Settings, employee_id: str, *, opened_by: str | None = None, clock: Clock | None = None) -> Report:
    """What is known of a person, in the report's answer; who opens it over HTTP is noted in her trail first.

    It holds `mirror` (her row, of which table and HR system, since when HR lacks her), `mirrored_too` (the same of any
    other table that has her), `mapping` (her row of dbo.ScimUsers), `state`, `reasons`, `next_job`, `action`, `holds`,
    `by_hand` {at, by} where somebody disabled her by name, `user_names` that she has and had, `sent`, `intents`,
    `attributes` {path: {old, new}}, `payload` (the SCIM user as it would be sent), `account`, `outcomes` and `trail`.
    Raises MalformedId, UnknownEmployee.
    """
    report = Report("show", {})
    jobs.check_id(employee_id)
    with runs.working(settings, clock or Clock(), report, retry.DATABASE_PATIENCE) as work:
        (mirror, *others), sent = _mirrored(work, employee_id), _sent(work, employee_id)
        rows = _rows(work, work.book.find(employee_id) or employee_id)
        rows.sort(key=lambda row: row.missing)  # a record that HR lacks does not speak for her where another does
        if not rows and sent is None and mirror["row"] is None:
            raise UnknownEmployee(employee_id)
        spelled = rows[0].employee_id if rows else (sent or {}).get("employee_id", employee_id)
        if opened_by:
            trail.note_opened(work.db, work.target, spelled, report.run_id, opened_by)
        report.answer = {"employee_id": spelled, "target": work.target, "mirror": mirror, "mirrored_too": others}
        report.answer["sent"] = sent
        report.answer |= _standing(work, rows) if rows else _not_in_the_view(mirror)
        report.answer["by_hand"] = _by_hand(work, spelled)
        report.answer["user_names"] = [held.told() for held in name_book.of(work.db, spelled)]
        report.answer |= _past(work, spelled)
    return report


def without_values(answer: Answer) -> Answer:
    """The same for a caller who may not see people's data: ids, times, states and the names of attributes."""
    found = {name: part for name, part in answer.items() if name not in ("mapping", "payload")}
    found["mirror"], *found["mirrored_too"] = (
        {name: part for name, part in record.items() if name != "row"}
        for record in (answer["mirror"], *answer["mirrored_too"])
    )
    found["attributes"] = {
        path: {n: c for n, c in change.items() if n not in ("old", "new")}
        for path, change in answer["attributes"].items()
    }
    for name, personal in (("sent", ("user", "valid_to")), ("account", ("user_principal_name", "object_id"))):
        part = answer[name]
        found[name] = {n: c for n, c in part.items() if n not in personal} if part else None
    if answer["by_hand"]:
        found["by_hand"] = {"at": answer["by_hand"]["at"]}
    step_values = ("reason", "by", "remark", "object_id")
    values = {"outcomes": step_values, "trail": step_values, "user_names": ("user_name", "mail_nickname")}
    for name, left_out in values.items():
        found[name] = [{n: c for n, c in one.items() if n not in left_out} for one in answer[name]]
    return found


# --- what HR and the ledger say -----------------------------------------------------------------------------------


def _rows(work: Work, employee_id: str) -> list[Person]:
    """Her rows of the mapping; with the user name that she would get, where she has none yet."""
    found = work.book.people_of(work.mapping, [employee_id])
    named = naming.foreseen(work, work.rules(Job.RESYNC), [p.employee_id for p in found[:1]])
    return list(naming.with_names(found, named))


def _mirrored(work: Work, employee_id: str) -> list[Answer]:
    """Her rows of the mirror, and since when each is absent from HR's answers; at least one, perhaps empty."""
    sources = work.settings.hr_sources or (_unknown_source(work),)
    people = tables.people(work.db, sources) or [PEOPLE]
    try:
        said = tables.said(work.db, employee_id, work.missing)
        found = [_record(work, one) for one in tables.mirrored(work.db, sources, employee_id, said)]
    except SettingsError:  # another loader fills other tables
        found = []
    return found or [{"table": f"dbo.{people[0].table}", "source": None, "row": None, "absent_since": None}]


def _unknown_source(work: Work) -> Source:
    """An HR system of which nothing is known here but the table of people that an ingest filled, or dbo.Employees."""
    table = tables.people_fetch(work.db)
    people = PEOPLE if table is None else Resource(table, "EmployeeId", "")
    return Source("", {}, Auth(), (people,))


def _record(work: Work, record: tables.Mirrored) -> Answer:
    key, table = record.key, record.table
    absent = work.db.one("absent_since", table.name, key)
    return {
        "table": f"dbo.{record.resource.table}",
        "source": record.resource.source or None,
        "row": next(iter(tables.held(work.db, table, [{table.key.name: key}]).values()), None),
        "absent_since": _moment(absent[0]) if absent else None,
    }


def _sent(work: Work, employee_id: str) -> Answer | None:
    row = work.db.one("person_sent", work.target, employee_id)
    if row is None:
        return None
    names = ("employee_id", "at", "run_id", "job", "active", "valid_to", "outcome", "outcome_at", "recreated_at")
    found = dict(zip(names, map(_plain, row), strict=True))
    found |= {name: _moment(row[names.index(name)]) for name in ("at", "outcome_at", "recreated_at")}
    found |= {"active": bool(row[4])}
    return found | {"user": next((user for _, user in work.book.sent_users([str(row[0])])), None)}


def _past(work: Work, employee_id: str) -> Answer:
    """Intents left over, the account, the outcomes (the newest first), and the whole trail (the oldest first)."""
    key = (work.target, employee_id)
    intents = [
        {"run_id": str(run_id), "at": _moment(at), "answered": bool(answered)}
        for run_id, at, answered in work.db.rows("person_intents", *key)
    ]
    account, steps = work.db.one("person_account", *key), trail.of(work.db, *key)
    names = ("object_id", "user_principal_name", "outcome", "error_code")
    return {
        "intents": intents,
        "account": {**dict(zip(names, account[:-1], strict=True)), "at": _moment(account[-1])} if account else None,
        "outcomes": [step for step in reversed(steps) if step["kind"] == "outcome"],
        "trail": steps,
    }


def _by_hand(work: Work, employee_id: str) -> Answer | None:
    """Since when she is disabled by hand, and by whom."""
    key = same_key(employee_id)
    told = (one.told() for one in work.book.disabled_by_hand() if same_key(one.employee_id) == key)
    return next(({"at": one["at"], "by": one["by"]} for one in told), None)


# --- what is due, and why -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Verdict:
    """What the timers would do about her: `job` is the first run in which she is due or parked."""

    state: str
    reasons: tuple[str, ...]
    due: Due | None = None
    job: Job | None = None


def _not_in_the_view(mirror: Answer) -> Answer:
    reason = "dbo.ScimUsers has no row of hers: nothing is sent, and nobody is disabled by that"
    none: Answer = {"mapping": None, "next_job": None, "action": None, "holds": [], "attributes": {}, "payload": None}
    where = "not in the mapping" if mirror["row"] else "gone from HR's tables"
    return {"state": where, "reasons": [reason], "forced": False, **none}


def _standing(work: Work, rows: Sequence[Person]) -> Answer:
    """How she stands with the mapping, the runs and the guards."""
    verdict = _verdict(work, rows)
    hers = _holds(work, rows[0])
    state, reasons = verdict.state, list(verdict.reasons)
    if rows[0].by_hand and not (verdict.due and verdict.job):
        state, reasons = "disabled by hand", [plan.BY_HAND, *(r for r in reasons if r != plan.BY_HAND)]
    if verdict.due and verdict.job:
        waits = [f"held: {h['class']}: {h['reason']}" for h in hers] or _would_wait(work, verdict.due)
        state, reasons = ("held" if waits else state), reasons + waits
    found = _next(work, verdict)
    columns = work.mapping.columns
    return {
        "mapping": {column: _plain(cell) for column, cell in zip(columns, rows[0].row, strict=True)},
        "state": state,
        "reasons": reasons,
        "next_job": verdict.job.value if verdict.job else None,
        "forced": rows[0].forced_token is not None,
        "holds": hers,
        **found,
    }


def _verdict(work: Work, rows: Sequence[Person]) -> _Verdict:
    for job in LOOKED_AT:
        rules = work.rules(job)
        one = _judged(work, rows, rules)
        if isinstance(one, Parked):
            return _Verdict("parked", one.reasons, None, job)
        if one:
            return _Verdict("due", tuple(why_due(one, rules)), one, job)
    forced = _judged(work, [plan.as_forced(p) for p in rows], work.rules(Job.RESYNC))
    if isinstance(forced, Parked):
        return _Verdict("not due", forced.reasons)
    if forced and not forced.person.known:
        days = work.settings.create_lead_days
        return _Verdict("not yet due", (f"has not started, and goes {days} days before",), forced)
    return _Verdict("unchanged", ("what would be sent is what was sent last",), forced)


def _judged(work: Work, rows: Sequence[Person], rules: Rules) -> Due | Parked | None:
    """What a run decides about her, namesakes included."""
    made = plan.make(rows, rules)
    names = work.book.namesakes(work.mapping, made.due)
    verdicts = [*made.parked, *plan.park_clashes(made.due, names, rules)]
    return verdicts[0] if verdicts else None


def why_due(due: Due, rules: Rules) -> list[str]:
    """Why somebody goes in a run."""
    person, found = due.person, [plan.BY_HAND] if due.by_hand else []
    if person.forced_token is not None:
        found.append("a resync of hers waits for the next run")
    if person.unanswered or person.oldest_intent is not None:
        found.append("an upload of hers was not answered: nobody knows whether it arrived")
    if not person.known:
        found.append("was never sent")
    elif due.changed and person.sent:
        found.append("differs from what was sent last")
    if person.retry:
        found.append("failed in Entra, and a retry was asked for")
    if not found and person.sent_at is not None and person.sent_at < rules.resend_before:
        found.append("was last sent longer ago than RESEND_DAYS")
    if not found and rules.log and rules.log.says_nothing_of(person.posted_at, person.answered_at):
        found.append("is unconfirmed: Entra's log says nothing of what was sent")
    return found or ["her manager came to be in Entra after her"]


def _holds(work: Work, person: Person) -> list[Answer]:
    key = same_key(person.employee_id)
    return [
        {"hold_id": h.hold_id, "class": h.kind[0], "reason": h.reason, "due_on": _plain(h.due_on)}
        for h in holds.waiting(work.db, work.target)
        if key in map(same_key, h.people)
    ]


def _would_wait(work: Work, due: Due) -> list[str]:
    """What the next run would stop her for, as far as one person tells; many are weighed by `plan`."""
    if due.user.hash in holds.approved(work.db, work.target).get(due.key, ()):
        return []
    if not work.book.people_sent() and not due.person.sent:
        return [f"would be held: {guards.FIRST_LOAD}: nobody was ever sent to this target"]
    if work.changed_mapping() and due.changed:
        return [f"would be held: {guards.MAPPING}: the mapping has changed since it was approved"]
    if due.moved_to:
        return [f"would be held: {guards.MOVED}: {due.moved_to} is active with her userName or work e-mail"]
    return []


def _next(work: Work, verdict: _Verdict) -> Answer:
    """What would go, exactly, and how it differs from what went."""
    due = verdict.due
    if due is None:
        return {"action": None, "attributes": {}, "payload": None}
    before = next((scim.flatten(user) for _, user in work.book.sent_users([due.user.employee_id])), {})
    foreseen = review.foreseen_person(due, before, work.mapping)
    action = foreseen["action"] if verdict.job else None
    return {"action": action, "attributes": foreseen["attributes"], "payload": work.mapping.resource(due.user)}


# --- values -------------------------------------------------------------------------------------------------------


def _moment(value: Any) -> str | None:
    return trail.told_at(database.as_utc(value))


def _plain(value: Any) -> Any:
    """A cell as JSON can hold it."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return value.isoformat() if isinstance(value, date) else str(value)
