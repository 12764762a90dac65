"""An urgent leaver: somebody disabled by name, whatever HR says, until HR agrees or somebody takes it back.

What goes is what was last sent of her, inactive: no row, no mapping and no approval of a mapping is needed for it. As
long as it lasts, nothing else goes of her; whoever was never sent is not created. See docs/guards.md.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from provisioning import database, jobs, review, runs
from provisioning.errors import Busy, Held, NotSendable, UnknownEmployee
from provisioning.graph import Graph
from provisioning.pacing import Clock
from provisioning.people import same_key
from provisioning.runs import Report, Work, no_counts
from provisioning.settings import Settings


def disable(settings: Settings, employee_id: str, by: str, *, clock: Clock | None = None) -> Report:
    """Disable a person now, in the name of `by`, and keep her so.

    The report's answer holds employee_id and status: "accepted", "staged" where Graph has taken her but the
    provisioning job stands still (exit 3), "queued" for the sender at work, or "noted" where there is nothing to send,
    since she was never sent or is inactive already. Once noted it stands, also where sending then fails: the next run
    sends her.

    Raises MalformedId, WrongUsage without a name, UnknownEmployee, Held where MAX_DISABLES lets nobody more go today
    (then nothing is noted) or where she is marked as Protected (then it is noted, and waits), and what a resync raises.
    """
    report = Report("disable", no_counts("disable"))
    with _working(settings, employee_id, by, clock, report) as (work, name):
        found, perhaps_active = _known(work, employee_id)
        database.not_alone(lambda: _note(work, found, name, perhaps_active=perhaps_active))
        if perhaps_active:
            _send(work, found, name)
        elif _somebody_sends(work):  # it may be about to create or to enable her: it looks at her again
            work.book.force(found, name)
    return report


def enable(settings: Settings, employee_id: str, by: str, *, clock: Clock | None = None) -> Report:
    """Take it back, in the name of `by`: from now on HR counts again, and she goes as HR has her.

    The answer is as `disable` gives it; whoever was never sent is left to the next create. Raises NotSendable for
    somebody who is not disabled by hand, and what `disable` raises; once taken back it stays so.
    """
    report = Report("enable", no_counts("enable"))
    with _working(settings, employee_id, by, clock, report) as (work, name):
        key = same_key(employee_id)
        found = next((one for one in work.book.disabled_by_hand() if same_key(one.employee_id) == key), None)
        if found is None:
            raise NotSendable(employee_id, ("is not disabled by hand",))
        work.book.end_disabled([found.employee_id], name)
        if any(p.known for p in work.book.people_of(work.mapping, [found.employee_id])):
            _send(work, found.employee_id, name)
    return report


@contextmanager
def _working(
    settings: Settings, employee_id: str, by: str, clock: Clock | None, report: Report
) -> Iterator[tuple[Work, str]]:
    """A run about one person, and in whose name."""
    jobs.check_id(employee_id)
    name = review.named(by)
    report.answer = {"employee_id": employee_id, "status": "noted"}
    with (
        runs.working(settings, clock or Clock(), report, jobs.RESYNC_DATABASE_PATIENCE) as work,
        runs.recorded(work.db, report, work.target),
    ):
        yield work, name


def _known(work: Work, employee_id: str) -> tuple[str, bool]:
    """The id as it is spelled, and whether the target may hold her as active, in the view or not."""
    book = work.book
    if people := book.people_of(work.mapping, [book.find(employee_id) or employee_id]):
        return people[0].employee_id, any(p.was_active for p in people)
    key = same_key(employee_id)
    for vanished in book.vanished():
        if same_key(vanished) == key:
            return vanished, True
    sent = work.db.one("person_sent", work.target, employee_id)
    if sent is None:
        raise UnknownEmployee(employee_id)
    return str(sent[0]), False


def _note(work: Work, employee_id: str, by: str, *, perhaps_active: bool) -> None:
    """Put her down, as a whole or not at all. Raises Held where that is one too many, whoever else is at it."""
    with work.db.transaction():
        if perhaps_active:
            work.book.disable_one_at_a_time()
            _check_room(work, employee_id)
        work.book.disable(employee_id, by)


def _check_room(work: Work, employee_id: str) -> None:
    """Named one by one, many are a mass all the same. Raises Held where no more may be disabled today."""
    lately, most = work.book.disabled_lately(), work.limits().disables
    if same_key(employee_id) not in lately and len(lately) >= most:
        told = f"{len(lately)} people were disabled in the last 24 h, and at most {most} may be (MAX_DISABLES)"
        raise Held(employee_id, (f"disables: {told}; raise it, or end her in HR and approve the hold",), ())


def _send(work: Work, employee_id: str, by: str) -> None:
    """Send her now, and ask whether what Graph takes is acted on: that must be known at once."""
    jobs.force(work, employee_id, by)
    if work.report.answer["status"] == "accepted":
        with Graph(work.endpoint) as graph:
            if jobs.standing_job(work, graph):
                work.report.answer["status"] = "staged"
                work.report.exit_code = 3


def _somebody_sends(work: Work) -> bool:
    try:
        with work.lease(0.0):
            return False
    except Busy:
        return True
