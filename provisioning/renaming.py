"""Names changed by hand: another one for somebody, and those that exist taken over before the first is given."""

import logging
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

from provisioning import existing_names, flows, jobs, name_book, naming, retry, review, runs, user_names
from provisioning.accounts import Accounts
from provisioning.database import Database
from provisioning.directory import Directory
from provisioning.errors import NotRenamable, UnknownEmployee, WrongUsage
from provisioning.existing_names import Existing, TakenOver
from provisioning.graph import Graph, OpenGraph
from provisioning.name_book import Held
from provisioning.pacing import Clock
from provisioning.people import Person, same_key
from provisioning.runs import Report, Work, no_counts
from provisioning.settings import GRAPH, Settings
from provisioning.user_names import Given, NoName, Policy

logger = logging.getLogger(__name__)

LARGEST_FILE = 64 * 1024 * 1024
"""Bytes; a line of a list has about 60."""

MOST_NAMED = 20

_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def rename(
    settings: Settings, employee_id: str, by: str, *, was_taken: bool = False, clock: Clock | None = None
) -> Report:
    """Another user name for a person, by the name that she has in HR now, in the name of `by`.

    The old one stays hers as FormerUserName; the next update sends both. `was_taken`: the old one is somebody else's
    over there, as Entra has told; she gets the next one, and that is kept from everybody. The report's answer holds
    employee_id, status ("renamed" or "unchanged") and user_name {old, new}. Raises MalformedId, WrongUsage without a
    name, UnknownEmployee, SettingsError without patterns, NotRenamable where she has no name yet or none can be made.
    """
    report = Report("rename", no_counts("rename"))
    jobs.check_id(employee_id)
    name = review.named(by)
    with (
        runs.working(settings, clock or Clock(), report, retry.DATABASE_PATIENCE) as work,
        runs.recorded(work.db, report, work.target),
    ):
        policy = runs.needed(settings.user_names, user_names.PATTERNS)
        person = _person(work, employee_id)
        for _ in range(naming.TRIES):
            before, given = _another(work, policy, person, was_taken=was_taken)
            if given is None:
                return _told(report, person.employee_id, before.user_name, None)
            if _changed(work, before, given, name, was_taken=was_taken):
                report.note(f"the next update sends it; now: python -m provisioning resync {person.employee_id}")
                return _told(report, person.employee_id, before.user_name, given.user_name)
    raise NotRenamable(f"{person.employee_id}: {naming.RACED}.")


def _told(report: Report, employee_id: str, old: str, new: str | None) -> Report:
    status = "unchanged" if new is None else "renamed"
    report.answer = {"employee_id": employee_id, "status": status, "user_name": {"old": old, "new": new or old}}
    return report


def _person(work: Work, employee_id: str) -> Person:
    found = work.book.people_of(work.mapping, [work.book.find(employee_id) or employee_id])
    found = [person for person in found if not person.missing] or found
    if len(found) != 1:
        raise (
            UnknownEmployee(employee_id)
            if not found
            else NotRenamable(f"{employee_id}: two rows of dbo.ScimUsers have this EmployeeId.")
        )
    return found[0]


def _another(work: Work, policy: Policy, person: Person, *, was_taken: bool) -> tuple[Held, Given | None]:
    """Her name, and the one that she would get now; None where that is the same. Raises NotRenamable."""
    held = name_book.of(work.db, person.employee_id)
    if not held or not held[0].is_hers:
        told = "has no user name in dbo.UserNames yet; create gives one, take-over-names keeps an existing one"
        raise NotRenamable(f"{person.employee_id}: {told}.")
    name_book.free_again(work.db, policy.keep_years)
    wanted = naming.wanted(work, person.employee_id, person.row)
    hers = frozenset(one.key for one in held if not (was_taken and one.is_hers))
    try:
        given = user_names.propose(wanted, policy, naming.taken(work), hers)
    except NoName as exc:
        raise NotRenamable(f"{person.employee_id}: {exc}.") from None
    return held[0], None if given.mail_nickname == held[0].key else given


def _changed(work: Work, before: Held, given: Given, by: str, *, was_taken: bool) -> bool:
    """Change it, all or nothing; False where somebody else has got the name meanwhile."""
    key = (work.target, given.employee_id, work.report.run_id)
    try:
        with work.db.transaction():
            if not name_book.change(work.db, given.employee_id, before, given, was_taken=was_taken):
                raise _Lost
            work.db.run("note_renamed", *key, by, *key)
    except _Lost:
        return False
    logger.info("The user name of %s was changed.", given.employee_id)
    return True


class _Lost(Exception):
    """Somebody else has got the name meanwhile: what was begun is rolled back."""


# --- names that exist ---------------------------------------------------------------------------------------------


def take_over_file(settings: Settings, path: Path, *, apply: bool, clock: Clock | None = None) -> Report:
    """Take over the names of a CSV: EmployeeId, UserName (or UserPrincipalName), and MailNickname where there is one.

    Without `apply` nothing is written. Counts `read taken unchanged conflicts`; conflicts are named by line and
    EmployeeId, the others are taken over all the same, and the exit code is 3. Raises WrongUsage for what is no list.
    """
    report = Report("take-over-names", no_counts("take-over-names"))
    with runs.reporting(report):
        _noted(settings, _read(path), report, clock or Clock(), apply=apply)
    return report


def take_over_directory(
    settings: Settings, *, apply: bool, clock: Clock | None = None, open_graph: OpenGraph = Graph
) -> Report:
    """The same with every account of the tenant, by its employeeId. Raises NotPermitted without User.Read.All."""
    clock, report = clock or Clock(), Report("take-over-names", no_counts("take-over-names"))
    with runs.reporting(report):
        endpoint = runs.needed(settings.bulk_upload, GRAPH)
        with open_graph(endpoint) as graph:
            directory = Directory(graph, endpoint.users_url, clock, clock.monotonic() + runs.RUN_SECONDS)
            accounts, _ = directory.read(flows.default(()))
        report.notes += directory.notes
        _noted(settings, list(_existing(accounts)), report, clock, apply=apply)
    return report


def _existing(accounts: Accounts) -> Iterator[Existing]:
    for account in accounts:
        name, employee_id, nick = (accounts.get(account, of) for of in (flows.USER_NAME, flows.KEY, "mailNickname"))
        if name:
            yield Existing(name, (employee_id or "").strip(), nick or "")


def _noted(settings: Settings, found: list[Existing], report: Report, clock: Clock, *, apply: bool) -> None:
    with (
        runs.opened(settings, clock, retry.DATABASE_PATIENCE) as db,
        runs.recorded(db, report, None) if apply else nullcontext(),
    ):
        take_over(db, found, report, apply=apply)


def take_over(db: Database, found: list[Existing], report: Report, *, apply: bool) -> None:
    """The same with names from wherever."""
    result = existing_names.take_over(found, name_book.known(db))
    taken = len(result.new) + len(result.adopted)
    runs.add(report, read=len(found), taken=taken, unchanged=result.unchanged, conflicts=len(result.conflicts))
    report.answer["applied"] = apply
    _tell(db, result, report)
    if apply:
        missed = taken - name_book.take_over(db, result)
        if missed:
            runs.add(report, taken=-missed, conflicts=missed)
            report.note(f"{missed} names were given to others at this moment; run it again to see them")
    elif taken:
        report.note("nothing was written; with --apply it is")
    report.exit_code = 3 if report.counts["conflicts"] else 0


def _tell(db: Database, result: TakenOver, report: Report) -> None:
    for one, reason in result.conflicts:
        where = f" in line {one.line}" if one.line else ""
        report.note(f"conflict{where}, {one.employee_id or '(no EmployeeId)'}: {reason}")
    mapped = {same_key(i) for i in name_book.mapped(db)}
    ids = [one.employee_id for one, _ in (*result.new, *result.adopted) if one.employee_id]
    if strangers := [i for i in ids if same_key(i) not in mapped]:
        named = ", ".join(strangers[:MOST_NAMED]) + (", …" if len(strangers) > MOST_NAMED else "")
        report.note(
            f"{len(strangers)} EmployeeIds are not in dbo.ScimUsers; their names are kept all the same: {named}"
        )


def _read(path: Path) -> list[Existing]:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise WrongUsage(f"--from {path}: is larger than {LARGEST_FILE // 1024 // 1024} MB.")
        raw = path.read_bytes()
        return existing_names.read(raw.decode(_MARKS.get(raw[:2], "utf-8-sig")))
    except OSError as exc:
        raise WrongUsage(f"--from {path}: cannot be read ({exc.strerror or type(exc).__name__}).") from None
    except UnicodeDecodeError:
        raise WrongUsage(f"--from {path}: is not UTF-8; save it so (Export-Csv -Encoding utf8).") from None
    except ValueError as exc:
        raise WrongUsage(f"--from {path}: {exc}.") from None
