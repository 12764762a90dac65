"""An approval covers whoever is due as she was held; the others wait on, however few they are."""

from collections.abc import Callable

from provisioning import jobs, review
from provisioning.runs import Report
from provisioning.settings import Settings
from tests.clock import MovedClock
from tests.conftest import NAMED
from tests.emulators.graph import GraphEmulator
from tests.emulators.hr import HrEmulator

LEAVERS = {f"E{n:05d}" for n in range(1, 13)}
EDITED = {"E00001", "E00002", "E00003"}


def test_who_changed_since_the_hold_stays_held_when_the_others_are_approved(
    change: Callable[..., Settings], hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    guarded = change(MAX_DISABLES="5%")

    def hour() -> Report:
        jobs.ingest(guarded, clock=clock)
        return jobs.update(guarded, clock=clock)

    def disabled() -> set[str]:
        return {one for one, user in graph.directory().users.items() if not user["accountEnabled"]}

    def approve() -> Report:
        (hold,) = review.waiting(guarded, clock=clock)
        return review.approve(guarded, hold.hold_id, "Ada Approver", clock=clock)

    jobs.ingest(guarded, clock=clock)
    jobs.create(guarded, NAMED, clock=clock)
    for one in LEAVERS:
        hr.patch(one, {"Active": False, "ValidTo": None})
    assert hour().counts["held"] == 12
    for one in EDITED:
        hr.patch(one, {"Title": "Changed since"})
    jobs.ingest(guarded, clock=clock)
    report = approve()
    assert (report.answer["covers"], report.answer["changed"]) == (9, 3)
    assert report.notes == ["3 people have changed since they were held; they stay held."]
    report = hour()
    assert (report.exit_code, report.counts["sent"], report.counts["held"]) == (3, 9, 3)
    assert disabled() == LEAVERS - EDITED
    assert approve().answer["covers"] == 3
    assert hour().exit_code == 0
    assert disabled() == LEAVERS
    assert review.waiting(guarded, clock=clock) == []
