"""HR compared with the directory: what the tenant's users are, what HR and the ledger say, and what that makes of both.

Like the jobs, it puts steps in order. Nothing is sent, and nothing of the directory is kept but counts; who is what
stands in the answer of whoever asked.
"""

import csv
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from provisioning import comparison, comparison_page, first_load, flows, naming, plan, retry, runs, scim, trail
from provisioning.accounts import Accounts
from provisioning.comparison import Expected, Finding, Heading, Meeting
from provisioning.directory import Directory
from provisioning.errors import NotPermitted, UpstreamError, WrongUsage
from provisioning.flows import ENABLED, Flows
from provisioning.graph import Graph, OpenGraph
from provisioning.pacing import Clock
from provisioning.people import Due, Job, Parked, Person, Standing, same_key
from provisioning.plan import Crowd, Rules
from provisioning.runs import RUN_SECONDS, Report, Work, no_counts
from provisioning.settings import Settings

ASSETS = Path(__file__).parent / "assets"

COMPARE, FIRST_LOAD = "compare", "first-load"

FEW = 10
"""So many people are named in a line."""


@dataclass(frozen=True)
class Compared:
    """What was found; its report's answer has all that is not about single people. Personal data: for who asked."""

    report: Report
    accounts: Accounts
    findings: Sequence[Finding]

    def people(self) -> Iterator[dict[str, Any]]:
        """Everybody, and every account that is nobody's, as JSON has them; the gravest first."""
        order = {heading: n for n, heading in enumerate(comparison_page.words(self.report.job))}
        return (comparison.told(f, self.accounts) for f in sorted(self.findings, key=lambda f: order[f.heading.value]))


def nightly(settings: Settings, *, clock: Clock | None = None, patience: float = 0.0) -> Report:
    """Compare, for the counts that `status` and the page show; nobody waits for anybody, so there is no patience."""
    return compare(settings, clock=clock).report


def compare(
    settings: Settings, *, foresee: bool = False, clock: Clock | None = None, open_graph: OpenGraph = Graph
) -> Compared:
    """Compare the tenant's users with HR and with what was sent; `foresee`: what a first load would do to them instead.

    Exit code 3 where somebody has left and is still enabled. Raises NotPermitted without the role, WrongUsage where a
    first load is asked for and somebody was sent, UpstreamError where the directory cannot be read to its end.
    """
    clock, job = clock or Clock(), FIRST_LOAD if foresee else COMPARE
    ends = clock.monotonic() + RUN_SECONDS
    report = Report(job, no_counts(job))
    with runs.working(settings, clock, report, retry.DATABASE_PATIENCE) as work:
        if foresee and work.book.people_sent():
            raise WrongUsage("--first-load: people were sent to this target already; what is there now: compare")
        with (
            nullcontext() if foresee else runs.recorded(work.db, report, work.target),
            open_graph(work.endpoint) as graph,
        ):
            known = _flows(work, graph)
            directory = Directory(graph, work.endpoint.users_url, clock, ends)
            accounts, known = directory.read(known, tuple({name for rule in settings.compare_ignore for name in rule}))
            report.notes += directory.notes
            meeting = Meeting(accounts, known, _gone(work), settings.compare_ignore)
            findings = _ahead(work, meeting) if foresee else comparison.compare(meeting, _expected(work, known))
            _sum_up(work, meeting, findings)
    return Compared(report, accounts, findings)


# --- what is compared ---------------------------------------------------------------------------------------------


def _flows(work: Work, graph: Graph) -> Flows:
    """Where the app writes what it is sent; by name where that may not be read."""
    paths = [attribute.path for attribute in work.mapping.attributes]
    try:
        known = flows.read(graph.schema(), paths)
    except NotPermitted as exc:
        work.report.note(f"warning: attributes are compared by their names, since the app's schema is not read: {exc}")
        return flows.default(paths)
    except ValueError as exc:
        raise UpstreamError(f"Graph: {exc}.") from exc
    if known.unlike:
        told = f"the app matches people by {known.unlike}, which is nothing that dbo.ScimUsers has as it is"
        work.report.note(f"warning: {told}; they are looked for by {' → '.join(known.keys[0])}")
    return known


def _gone(work: Work) -> dict[str, str]:
    return {same_key(external_id): employee_id for employee_id, external_id in work.book.gone()}


def _expected(work: Work, known: Flows) -> Iterator[Expected]:
    """Everybody in the view, as she was last sent."""
    rules = work.rules(Job.RECONCILE)
    crowd = Crowd(work.book.people(work.mapping), rules, names=False)
    failed = {same_key(f.employee_id): f.error_code or "no code" for f in trail.failed(work.db, work.target)}
    for person in _speaking(crowd, work.book.people(work.mapping, with_sent=True)):
        sent = scim.flatten(json.loads(person.sent_user)) if person.sent_user else None
        two = crowd.doubled(person)
        standing, why = (Standing.UNCLEAR, (two,)) if two else plan.standing(person, rules)
        remarks = _remarks(person, standing, why, failed.get(same_key(person.employee_id)))
        yield _as_expected(work, known, person, standing, sent, remarks)


def _speaking(crowd: Crowd, people: Iterable[Person]) -> Iterator[Person]:
    """Everybody once, by the row that says what becomes of her; of several that do, by the first."""
    told: set[str] = set()
    for person in people:
        key = same_key(person.employee_id)
        if crowd.speaks(person) and key not in told:
            if crowd.doubled(person):
                told.add(key)
            yield person


def _as_expected(
    work: Work,
    known: Flows,
    person: Person,
    standing: Standing,
    sent: Mapping[str, Any] | None,
    remarks: tuple[str, ...],
    goes: bool | None = None,
) -> Expected:
    def value(path: str) -> str | None:
        found = (sent or {}).get(path)
        return work.mapping.text(person.row, path) if found is None else str(found)

    keys = tuple(value(path) for path, _ in known.keys)
    return Expected(person.employee_id, standing, keys, value("userName"), value(scim.WORK_MAIL), sent, remarks, goes)


def _remarks(person: Person, standing: Standing, why: tuple[str, ...], failed: str | None) -> tuple[str, ...]:
    """What the ledger says of her."""
    told = f"failed in Entra: {failed}" if failed else None
    if standing in (Standing.LEFT, Standing.BY_HAND):
        told = told or _leaving(person)
    elif not person.known:
        told = "never sent"
    elif told is None and person.posted_at:
        confirmed = person.answered_at is not None and person.answered_at >= person.posted_at - plan.CLOCKS_APART
        told = f"sent {_day(person.posted_at)}, {'' if confirmed else 'not '}confirmed by Entra's log"
    return (*why, *((told,) if told else ()))


def _leaving(person: Person) -> str:
    if not person.known:
        return "never sent: the app disables only whom it has sent"
    if person.was_active or person.sent_at is None:
        return "not sent as inactive yet"
    return f"sent as inactive {_day(person.sent_at)}"


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _ahead(work: Work, meeting: Meeting) -> Sequence[Finding]:
    """What a first load would do, under the user names that it would give."""
    rules = work.rules(Job.CREATE)
    with naming.tried(work, rules):
        return first_load.foresee(meeting, _foreseen(work, meeting.flows, rules))


def _foreseen(work: Work, known: Flows, rules: Rules) -> Iterator[Expected]:
    """Everybody in the view, as a first load would send her."""
    crowd = Crowd(work.book.people(work.mapping), rules, names=True)
    for person in _speaking(crowd, work.book.people(work.mapping)):
        standing, why = plan.standing(person, rules)
        verdict = crowd.judge(person)
        if isinstance(verdict, Due):
            flat = work.mapping.flat(verdict.user)
            yield _as_expected(work, known, person, standing, flat, (), goes=verdict.user.active)
        elif isinstance(verdict, Parked):
            yield _as_expected(work, known, person, Standing.UNCLEAR, None, verdict.reasons)
        else:
            remarks = _remarks(person, standing, why, None) if standing in (Standing.LEFT, Standing.BY_HAND) else why
            yield _as_expected(work, known, person, standing, None, remarks)


# --- what is told of it -------------------------------------------------------------------------------------------


def _sum_up(work: Work, meeting: Meeting, findings: Sequence[Finding]) -> None:
    """Counts, and all that is not about single people; notes name EmployeeIds and object ids only."""
    report = work.report
    found = Counter(f.heading for f in findings)
    for heading, count in found.items():
        report.counts[heading.value] = count
    report.counts |= {
        "people": sum(f.employee_id is not None for f in findings),
        "accounts": len(meeting.accounts),
        "ignored": sum(n for rule, n in meeting.left_out.items() if rule >= 0),
    }
    switched = Counter(first_load.switched(f) for f in findings) if report.job == FIRST_LOAD else Counter()
    if report.job == FIRST_LOAD:
        changed = sum(bool(f.differences) for f in findings if f.heading is Heading.MATCHED)
        report.counts |= {"changed": changed, "enables": switched[True], "disables": switched[False]}
    elif found[Heading.LEFT_ENABLED]:
        report.exit_code = 3
    report.answer = _about(work, meeting, findings)
    report.notes += comparison_page.lines(report.job, report.counts, _few(findings))


def _about(work: Work, meeting: Meeting, findings: Sequence[Finding]) -> dict[str, Any]:
    known = meeting.flows
    return {
        "compared_at": trail.told_at(work.db.utc_now()),
        "target": work.target,
        "schema": known.version,
        "matched_by": [f"{path} → {name}" for path, name in known.keys],
        "compared": [
            {"path": f.path, "property": f.property, "only_on_create": f.only_on_create or f.adds_only}
            for f in known.compared
        ],
        "not_compared": [{"target": left.target, "why": left.why} for left in known.left_out],
        "ignored_accounts": [
            {"rule": dict(rule), "accounts": meeting.left_out[n]} for n, rule in enumerate(meeting.ignored)
        ],
        "disabled_without_hr": meeting.left_out[-1],
        "attributes": first_load.attributes(findings) if work.report.job == FIRST_LOAD else _attributes(findings),
    }


def _attributes(findings: Iterable[Finding]) -> dict[str, int]:
    """Of how many people each property is not as it was sent, the most first."""
    found = Counter(d.property for f in findings for d in f.differences if d.property != ENABLED)
    return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def _few(findings: Iterable[Finding]) -> dict[str, list[str]]:
    """The first people under each heading, by EmployeeId; accounts by their object id."""
    found: dict[str, list[str]] = {}
    for one in findings:
        named = found.setdefault(one.heading.value, [])
        if len(named) < FEW:
            named.append(one.employee_id or (one.account.object_id if one.account else ""))
    return found


# --- files, which are the operator's own --------------------------------------------------------------------------


def check_writable(path: Path) -> None:
    """Raises WrongUsage where a file cannot be put there: better before minutes of reading than after."""
    folder = path.parent
    if path.is_dir() or not folder.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise WrongUsage(f"{path}: cannot be written.")


def save_page(compared: Compared, path: Path) -> None:
    """Write the report, one page that needs nothing else; readable for its owner only."""
    style = "".join((ASSETS / name).read_text(encoding="utf-8") for name in ("console.css", "report.css"))
    with _private(path) as file:
        report = compared.report
        told = comparison_page.Told(report.job, report.counts, report.answer)
        file.write(comparison_page.page(told, list(_capped(compared)), style))


def _capped(compared: Compared) -> Iterator[dict[str, Any]]:
    """As many people of each heading as the page shows; of those who are found, the ones who would change."""
    shown: Counter[str] = Counter()
    for person in compared.people():
        if person["heading"] == Heading.MATCHED.value and not person["attributes"]:
            continue
        shown[person["heading"]] += 1
        if shown[person["heading"]] <= comparison_page.MOST_ROWS:
            yield person


def save_csv(compared: Compared, path: Path) -> None:
    """Write everybody, a line for each attribute that differs; readable for its owner only."""
    with _private(path, encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(comparison.COLUMNS)
        for person in compared.people():
            writer.writerows(comparison.rows(person))


def write_json(compared: Compared, stream: TextIO) -> None:
    """Write the line of JSON with everybody in it, person after person: of 100,000 it is long."""
    stream.writelines(_as_json(compared))
    stream.flush()
    compared.report.printed = True


def _as_json(compared: Compared) -> Iterator[str]:
    yield f'{compared.report.line()[:-1]}, "people": ['
    between = ""
    for person in compared.people():
        yield f"{between}{json.dumps(person)}"
        between = ", "
    yield "]}\n"


def _private(path: Path, encoding: str = "utf-8") -> TextIO:
    """A file for its owner only, also where one of this name was there for everybody. Raises WrongUsage."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        if hasattr(os, "fchmod"):
            os.fchmod(handle, 0o600)
    except OSError as exc:
        raise WrongUsage(f"{path}: cannot be written ({exc.strerror}).") from None
    return open(handle, "w", encoding=encoding, newline="")
