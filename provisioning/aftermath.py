"""What came of what was sent: the log of Entra read back, who failed made due once more, and how the whole stands.

Like the jobs, it puts steps in order.
"""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from provisioning import comparison_page, database, holds, naming, outcomes, plan, retry, runs, trail
from provisioning.database import Database
from provisioning.graph import Graph
from provisioning.outcomes import Entry
from provisioning.pacing import Clock
from provisioning.people import Job, Person, same_key
from provisioning.runs import RUN_SECONDS, Report, Work, no_counts
from provisioning.settings import GRAPH, BulkUpload, Settings
from provisioning.trail import Failed, Reading

logger = logging.getLogger(__name__)

OVERLAP = timedelta(hours=1)
"""Entries come 5 to 10 minutes late, in no promised order: so much of what was read is read again."""

KEPT_AT_LEAST = timedelta(days=7)
"""So long Entra keeps its log for every tenant; the first reading goes back so far."""

STRANGERS = 20
"""So many entries, none of them about anybody who was sent, tell that the log names people otherwise than we do."""

DAYS_SHOWN = 14
"""So many days a status tells, back and ahead."""

STEPS = ("joiners", "leavers", "changes", "failed")
"""What a status counts of a day that is over."""

MOST_NAMED = 1000
"""So many people of a kind are named in an answer; all of them are counted."""


# --- outcomes -----------------------------------------------------------------------------------------------------


def collect(settings: Settings, *, clock: Clock | None = None, patience: float = 0.0) -> Report:
    """Read Entra's provisioning log since the last entry seen, and write down what came of each person.

    The report's answer holds `failed_people` [{employee_id, code, reason, recommended_action, …}] and the EmployeeIds
    of `unconfirmed_people` and `recreated_people`. Raises NotPermitted without the app role, UpstreamError when the log
    could not be read to its end (what was read is kept), Busy when another collector is at work.
    """
    clock = clock or Clock()
    ends = clock.monotonic() + RUN_SECONDS
    report = Report("outcomes", no_counts("outcomes"))
    with runs.reporting(report, clock, settings), runs.opened(settings, clock, retry.DATABASE_PATIENCE) as db:
        endpoint = runs.needed(settings.bulk_upload, GRAPH)
        name = f"outcomes {endpoint.target}"
        with (
            runs.leased(db, settings, name, report, clock, patience),
            runs.recorded(db, report, endpoint.target),
            Graph(endpoint) as graph,
        ):
            recreated = _read_log(db, endpoint.target, report, lambda since: graph.log_pages(since, clock, ends))
            _sum_up(db, endpoint.target, report, recreated)
    return report


def _read_log(
    db: Database, target: str, report: Report, pages_since: Callable[[datetime], Iterator[list[Any]]]
) -> list[str]:
    """Take in every page, and say how far the log is read; gives back who was created anew."""
    began, before = db.utc_now(), trail.reading(db, target)
    since, now, ordered = _since(before, began), before, True
    last = since
    recreated: set[str] = set()
    matched = 0
    for page in pages_since(since):
        entries = [e for e in map(outcomes.understand, page) if e is not None]
        strangers = report.counts["unmatched"]
        report.counts["unmatched"] += len(page) - len(entries)
        recreated |= _take_in(db, target, report, entries)
        matched += len(page) - (report.counts["unmatched"] - strangers)
        times = [e.activity_at for e in entries]
        ordered = ordered and [last, *times] == sorted([last, *times])
        last = max([last, *times])
        now = replace(now, seen_to=min(max(last, now.seen_to or since), began))
        if ordered:  # whoever is interrupted here goes on from here
            trail.record_reading(db, target, now)
    if not matched and report.counts["unmatched"] >= STRANGERS:
        told = "whoever the log tells of was never sent; is externalId the source's identity in the app's mapping?"
        report.note(f"warning: {report.counts['unmatched']} entries, and {told} Nobody counts as unconfirmed by them.")
        return sorted(recreated)
    gap = before.read_to is None or before.read_to < began - KEPT_AT_LEAST
    trail.record_reading(db, target, replace(now, read_from=since if gap else before.read_from, read_to=began))
    return sorted(recreated)


def _since(before: Reading, now: datetime) -> datetime:
    """From when on the log is read: a while before the newest entry seen, never longer ago than it is kept."""
    seen = before.seen_to or before.read_to
    return max(seen - OVERLAP, now - KEPT_AT_LEAST) if seen else now - KEPT_AT_LEAST


def _take_in(db: Database, target: str, report: Report, entries: Sequence[Entry]) -> set[str]:
    """Keep what is new on a page: three round trips, whatever it holds. Gives back who was created anew."""
    fresh = trail.new_entries(db, target, entries)
    if not fresh:
        return set()
    known = trail.states(db, target, fresh)
    told = outcomes.tell(known, fresh)
    trail.record(db, target, report.run_id, told, known)
    failing = {key for key, state in told.states.items() if state.outcome == outcomes.FAILURE}
    report.newly_failed -= told.states.keys() - failing
    report.newly_failed |= {key for key in failing if known[key].outcome != outcomes.FAILURE}
    recreated = {i for e, i in told.entries if e.entry_id in told.recreated}
    runs.add(report, entries=len(told.entries), unmatched=len(fresh) - len(told.entries), recreated=len(recreated))
    for entry, _ in told.entries:
        if entry.outcome in report.counts:
            report.counts[entry.outcome] += 1
    return recreated


def _sum_up(db: Database, target: str, report: Report, recreated: Sequence[str]) -> None:
    """Who fails, of whom nothing is known, who was created anew: counted, named, and told without Entra's reasons."""
    failing, unconfirmed = _failing(db, target, report), _unconfirmed(db, target, report)
    report.answer["recreated_people"] = list(recreated)[:MOST_NAMED]
    for code, ids in failing.items():
        report.note(f"failed {code}: {_named(ids)}; reason and mend of each: python -m provisioning show ID")
    if unconfirmed:
        report.note(f"unconfirmed: {_named(unconfirmed)}; the log says nothing of them")
    if recreated:
        told = "they had had an account, somebody must have deleted it; what hung on it is lost"
        report.note(f"warning: recreated: {_named(recreated)}; {told}")


def _failing(db: Database, target: str, report: Report) -> dict[str, list[str]]:
    """Count and name who fails; gives back who, by code."""
    by_code: dict[str, list[str]] = {}
    people: list[dict[str, Any]] = []
    for one in trail.failed(db, target):
        by_code.setdefault(_code(one), []).append(one.employee_id)
        if len(people) < MOST_NAMED:
            people.append(one.told())
    report.answer["failed_people"] = people
    report.counts["failed"] = sum(map(len, by_code.values()))
    return by_code


def _unconfirmed(db: Database, target: str, report: Report) -> list[str]:
    ids = list(trail.unconfirmed(db, target, trail.reading(db, target).log(db.utc_now())))
    report.counts["unconfirmed"] = len(ids)
    report.answer["unconfirmed_people"] = ids[:MOST_NAMED]
    return ids


def _code(one: Failed) -> str:
    """Entra's error code where it is a word of Entra's, and so nothing personal."""
    code = one.error_code or ""
    return code if code.isascii() and code.replace("_", "").replace("-", "").isalnum() else "(no code)"


def _named(ids: Sequence[str]) -> str:
    people = "1 person" if len(ids) == 1 else f"{len(ids)} people"
    return f"{people} ({', '.join(ids[:10])}{', …' if len(ids) > 10 else ''})"


# --- once more ----------------------------------------------------------------------------------------------------


def retry_failed(
    settings: Settings, code: str | None = None, by: str | None = None, *, clock: Clock | None = None
) -> Report:
    """Make everybody who failed (with this error code) due once more: the next update sends them, changed or not.

    Counts `failed`, and `due`: how many of them are due now. Nobody is sent again by itself: Entra tries by itself.
    """
    report = Report("retry-failed", no_counts("retry-failed"))
    with _target(settings, clock or Clock(), report) as (db, endpoint), runs.recorded(db, report, endpoint.target):
        found = list(trail.failed(db, endpoint.target))
        wanted = [f for f in found if code is None or (f.error_code or "").casefold() == code.casefold()]
        trail.retry(db, endpoint.target, report.run_id, by, [f.employee_id for f in wanted if not f.due])
        report.counts.update(failed=len(found), due=len(wanted))
    return report


@contextmanager
def _target(settings: Settings, clock: Clock, report: Report) -> Iterator[tuple[Database, BulkUpload]]:
    with runs.reporting(report), runs.opened(settings, clock, retry.DATABASE_PATIENCE) as db:
        yield db, runs.needed(settings.bulk_upload, GRAPH)


# --- the whole ----------------------------------------------------------------------------------------------------


def status(settings: Settings, *, clock: Clock | None = None) -> Report:
    """How it all stands: the last run of each job, who is due, held, parked, failed, unconfirmed, and the day's calls.

    Also `holds` as they wait, `failures` by error code, what the last 14 `days` brought, and who comes and goes in the
    14 days `ahead`. All of it is in the report's answer. Sends nothing, asks neither HR nor Graph.
    """
    report = Report("status", {})
    with runs.working(settings, clock or Clock(), report, retry.DATABASE_PATIENCE) as work:
        read = trail.reading(work.db, work.target)
        report.answer["jobs"] = _last_runs(work.db, work.target)
        dates = _DaysAhead(work)
        report.answer.update(_waiting(work, dates))
        report.answer["holds"] = _holds(work)
        report.answer |= {"days": _days_back(work), "ahead": dates.told()}
        counted = Report("outcomes", no_counts("outcomes"))
        recreated = trail.recreated(work.db, work.target, _history_since(work))
        _sum_up(work.db, work.target, counted, recreated)
        report.answer["failures"] = _by_code(trail.failed(work.db, work.target))
        report.answer |= {name: counted.counts[name] for name in ("failed", "unconfirmed")}
        report.answer |= {"recreated": len(recreated), **counted.answer}
        by_hand = [one.told() for one in work.book.disabled_by_hand()]
        report.answer["compared"] = _compared(work)
        report.answer |= {"by_hand": len(by_hand), "by_hand_people": by_hand[:MOST_NAMED]}
        report.answer["outcomes"] = {"on": work.log is not None, "read_to": trail.told_at(read.read_to)}
        used = work.book.calls_used().used_today
        report.answer |= {"calls_used": used, "calls_limit": work.budget.daily_limit}
        report.notes = [*_in_words(report.answer), *counted.notes]
    return report


def _history_since(work: Work) -> datetime:
    return work.db.utc_now() - timedelta(days=work.settings.history_days)


def _last_runs(db: Database, target: str) -> dict[str, Any]:
    found = {}
    for job, run_id, started_at, ended_at, exit_code, counts in db.rows("last_runs", target, target):
        found[str(job)] = {
            "run_id": str(run_id),
            "started_at": trail.told_at(database.as_utc(started_at)),
            "ended_at": trail.told_at(database.as_utc(ended_at)),
            "exit_code": exit_code,
            "counts": _counts(counts) if counts else None,
        }
    return found


def _counts(kept: str) -> dict[str, int]:
    """The counts of a run, without what it notes for the next one (`alerts`)."""
    return {name: found for name, found in json.loads(kept).items() if isinstance(found, int)}


def _compared(work: Work) -> dict[str, Any] | None:
    """When the directory was last compared to its end, and the counts; None where it never was."""
    row = work.db.one("last_comparison", work.target, work.target)
    if row is None:
        return None
    run_id, at, counts = row
    return {"run_id": str(run_id), "at": trail.told_at(database.as_utc(at)), "counts": _counts(counts)}


def without_reasons(answer: Mapping[str, Any]) -> dict[str, Any]:
    """A status for a caller who may not see people's data: Entra's reasons quote it, and operators have names."""
    people = [{name: part for name, part in one.items() if name != "reason"} for one in answer["failed_people"]]
    by_hand = [{name: part for name, part in one.items() if name != "by"} for one in answer["by_hand_people"]]
    return {**answer, "failed_people": people, "by_hand_people": by_hand}


def _holds(work: Work) -> list[dict[str, Any]]:
    """What waits for approval, without examples of values; of a large hold the first people are named."""
    found = []
    for told in (h.told() for h in holds.waiting(work.db, work.target)):
        paths = {path: {"people": of["people"]} for path, of in told.pop("attributes", {}).items()}
        found.append({**told, "employee_ids": told["employee_ids"][:MOST_NAMED], "attributes": paths})
    return found


def _by_code(failed: Iterable[Failed]) -> list[dict[str, Any]]:
    """Who fails, by error code, the most frequent first, with what Entra recommends."""
    found: dict[str, dict[str, Any]] = {}
    for one in failed:
        mend = one.recommended_action
        of = found.setdefault(_code(one), {"code": _code(one), "count": 0, "recommended_action": mend})
        of["count"] += 1
    return sorted(found.values(), key=lambda of: (-of["count"], of["code"]))


def _days_back(work: Work) -> list[dict[str, Any]]:
    """The last 14 days, today included, in TIME_ZONE: how many joiners, leavers, changes were sent, and failures."""
    zone, now = work.settings.time_zone, work.db.utc_now()
    today = now.astimezone(zone).date()
    days = {today - timedelta(days=n): dict.fromkeys(STEPS, 0) for n in reversed(range(DAYS_SHOWN))}
    for moment, step, people in trail.steps_since(work.db, work.target, now - timedelta(days=DAYS_SHOWN)):
        of = days.get(moment.astimezone(zone).date())
        if of is not None:
            of[step] += people
    return [{"day": day.isoformat(), **of} for day, of in days.items()]


class _DaysAhead:
    """Who comes and goes in the next 14 days, by the first and the last day that the mapping gives."""

    def __init__(self, work: Work) -> None:
        self.rules = work.rules(Job.RECONCILE)
        today = self.rules.today(work.settings.time_zone)
        self.days = {today + timedelta(days=n): {"joiners": 0, "leavers": 0} for n in range(1, DAYS_SHOWN + 1)}

    def noting(self, people: Iterable[Person]) -> Iterator[Person]:
        """The same people, their days noted."""
        for person in people:
            first, last = plan.first_and_last_day(person, self.rules)
            for day, step in ((first, "joiners"), (last, "leavers")):
                if day in self.days:
                    self.days[day][step] += 1
            yield person

    def told(self) -> list[dict[str, Any]]:
        """Day by day."""
        return [{"day": day.isoformat(), **of} for day, of in self.days.items()]


def _waiting(work: Work, dates: _DaysAhead) -> dict[str, int]:
    """Who is due, held or parked, each person once; a look at everybody for each of the jobs."""
    held = _keys(i for h in holds.waiting(work.db, work.target) if h.due_on is None for i in h.people)
    due: set[str] = set()
    parked: set[str] = set()
    for job in (Job.CREATE, Job.UPDATE):
        people = work.book.people(work.mapping)
        rules = naming.looking_ahead(work.rules(job))
        made = work.outline(dates.noting(people) if job is Job.CREATE else people, rules)
        due |= {d.key for d in made.due}
        parked |= {p.key for p in made.parked}
    return {"due": len(due - held - parked), "held": len(held), "parked": len(parked)}


def _keys(employee_ids: Iterable[str]) -> set[str]:
    return {same_key(i) for i in employee_ids}


def _in_words(answer: dict[str, Any]) -> list[str]:
    """The same for people."""
    words = []
    for job, run in answer["jobs"].items():
        ended = "still at work, or killed" if run["exit_code"] is None else f"exit {run['exit_code']}"
        words.append(f"{job:<14} {run['started_at']}  {ended}")
    names = ("due", "held", "parked", "failed", "unconfirmed", "recreated")
    words.append(", ".join(f"{answer[name]} {name}" for name in names))
    if answer["by_hand"]:
        named = ", ".join(one["employee_id"] for one in answer["by_hand_people"][:20])
        words.append(f"disabled by hand, whatever HR says: {answer['by_hand']} ({named})")
    if compared := answer["compared"]:
        told = comparison_page.lines("compare", compared["counts"], {}, short=True)
        words += [f"compared with the directory {compared['at']}:", *told]
    words.append(f"{answer['calls_used']} of {answer['calls_limit']} calls of 24 h are used")
    return words
