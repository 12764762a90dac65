"""A fortnight in an invented company of 180 people, run by the jobs themselves under a clock that is moved.

What the operators' page shows of it (`make console`, `make pictures`, the browser tests): days of joiners, leavers and
changes, more to come, two holds that wait, three people who failed, one who was created anew, and a change that is due.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from provisioning import aftermath, database, jobs, migration, review
from provisioning.runs import Report
from provisioning.settings import Settings
from tests.clock import MovedClock
from tests.demo import newcomer
from tests.emulators import people
from tests.emulators.graph import GraphEmulator
from tests.emulators.hr import HrEmulator

DAYS, SINCE = 14, 6
"""The fortnight, and how long before it the first load was."""

PEOPLE = 180
PASSWORD = "fortnight-password"  # of the emulator
DUE = "E00013"
MISTAKEN = [f"E{n:05d}" for n in range(101, 126)]
NAMELESS = [f"E{n:05d}" for n in range(131, 145)]
CLASHES_ON, CLASHING = 10, ["J00901", "J00902"]
REFUSED = "E00150"
DELETED = "E00151"
APPROVER = "ada@contoso.example"

JOINERS = (0, 1, 3, 0, 0, 2, 1, 4, 1, 2, 0, 0, 3, 1)
LEAVERS = (0, 0, 1, 1, 0, 0, 0, 3, 1, 0, 0, 1, 2, 0)
CHANGES = (0, 7, 12, 9, 1, 0, 14, 6, 11, 8, 5, 0, 2, 10)
COMING = {1: 2, 3: 1, 6: 5, 7: 1, 10: 2, 13: 3}
GOING = {2: 1, 6: 3, 7: 1, 12: 2}
"""Day by day, or so many days ahead: how many people."""

_TITLES = ("Keeper of the lighthouse", "Senior Engineer", "Head of Department", "Controller", "Account Manager")


@dataclass
class Company:
    """The emulators, the clock, when the fortnight ends, and the app settings."""

    hr: HrEmulator
    graph: GraphEmulator
    clock: MovedClock
    now: datetime
    environ: dict[str, str]

    @property
    def today(self) -> date:
        return self.clock.utc_now().date()

    def run(self, job: Callable[..., Report]) -> Report:
        """Run a job now; it takes a moment."""
        self.clock.move(seconds=40)
        return job(Settings.from_environ(self.environ), clock=self.clock)

    def move_to(self, moment: datetime) -> None:
        """Let time pass."""
        self.clock.move(seconds=(moment - self.clock.utc_now()).total_seconds())


@contextmanager
def company(folder: Path, now: datetime | None = None) -> Iterator[Company]:
    """A company without a history, whose fortnight will end `now`; its database will be in `folder`."""
    now = now or datetime.now(UTC)
    clock = MovedClock(now - timedelta(days=DAYS - 1 + SINCE, hours=1))
    staff = people.invent(PEOPLE, today=clock.utc_now().date())
    with HrEmulator(staff, {"basic": ("svc", PASSWORD)}) as hr, GraphEmulator() as graph:
        graph.clock = lambda: clock.utc_now().timestamp()
        yield Company(hr, graph, clock, now, _environ(folder, hr.url, graph.upload_url))


def _environ(folder: Path, hr_url: str, upload_url: str) -> dict[str, str]:
    employees = {
        "name": "Employees",
        "primary_key": "EmployeeId",
        "endpoint": {"path": "api/Employees", "data_selector": "data"},
        "item_path": "api/Employees/{EmployeeId}",
    }
    auth = {"type": "http_basic", "username": "svc", "password": "$HR_PASSWORD"}
    paginator = {"type": "offset", "limit": 200, "total_path": "total"}
    client = {"base_url": hr_url, "auth": auth, "paginator": paginator}
    return {
        "SQL_CONNECTION_STRING": f"sqlite:///{folder}/bridge.db",
        "HR_SOURCE": json.dumps({"client": client, "resources": [employees]}),
        "HR_PASSWORD": PASSWORD,
        "GRAPH_BULK_UPLOAD_URL": upload_url,
    }


def live(told: Company) -> None:
    """Let the fortnight pass, up to now."""
    with database.connect(told.environ["SQL_CONNECTION_STRING"], told.clock) as db:
        migration.migrate(db)
    _first_load(told)
    for day in range(DAYS):
        told.move_to(told.now - timedelta(days=DAYS - 1 - day, minutes=30))
        _ordinary_day(told, day)
    told.move_to(told.now - timedelta(minutes=10))
    _last_hour(told)


def _first_load(told: Company) -> None:
    told.run(jobs.ingest)
    told.run(jobs.create)
    _approve(told)
    told.run(jobs.create)
    told.run(jobs.reconcile)
    told.run(aftermath.collect)


def _approve(told: Company) -> None:
    settings = Settings.from_environ(told.environ)
    for hold in review.waiting(settings, clock=told.clock):
        review.approve(settings, hold.hold_id, APPROVER, clock=told.clock)


def _ordinary_day(told: Company, day: int) -> None:
    for n in range(JOINERS[day]):
        told.hr.put(newcomer(f"J{day:03d}{n:02d}", told.today))
    for n in range(LEAVERS[day]):
        told.hr.patch(f"E{160 + sum(LEAVERS[:day]) + n:05d}", {"Active": False, "TerminatedDate": f"{told.today}"})
    for n in range(CHANGES[day]):
        told.hr.patch(f"E{1 + sum(CHANGES[:day]) + n:05d}", {"Title": f"{_TITLES[n % 5]} {day}"})
    if day == CLASHES_ON:
        told.graph.directory().occupy(CLASHING[0])
        told.hr.put(newcomer(CLASHING[0], told.today))
    told.run(jobs.ingest)
    if JOINERS[day] or day == CLASHES_ON:
        told.run(jobs.create)
    if LEAVERS[day] or CHANGES[day]:
        told.run(jobs.update)
    told.run(aftermath.collect)


def _last_hour(told: Company) -> None:
    """What waits for an operator now."""
    directory = told.graph.directory()
    directory.delete(DELETED)
    directory.occupy(CLASHING[1])
    told.hr.put(newcomer(CLASHING[1], told.today))
    told.hr.patch(DELETED, {"Title": "Archivist"})
    _those_to_come(told)
    for employee_id in MISTAKEN:
        told.hr.patch(employee_id, {"Active": False})
    for employee_id in NAMELESS:
        told.hr.patch(employee_id, {"Email": None})
    for job in (jobs.ingest, jobs.create, jobs.update):
        told.run(job)
    directory.tell(REFUSED, provisioningStatusInfo={"status": "failure", "errorInformation": _refusal()})
    told.run(jobs.reconcile)
    told.run(aftermath.collect)
    told.hr.patch(DUE, {"Title": "Warden of the lighthouse", "OrganizationName": "Harbour & Pilots", "NickName": None})
    told.run(jobs.ingest)


def _those_to_come(told: Company) -> None:
    for days, count in COMING.items():
        for n in range(count):
            told.hr.put(newcomer(f"K{days:03d}{n:02d}", told.today + timedelta(days=days)))
    leaving = iter(range(152, 160))
    for days, count in GOING.items():
        for _ in range(count):
            told.hr.patch(f"E{next(leaving):05d}", {"ValidTo": f"{told.today + timedelta(days=days)}"})


def _refusal() -> dict[str, Any]:
    return {
        "errorCode": "InvalidManagerReference",
        "reason": "The manager that the source names is not in the target.",
        "additionalDetails": None,
        "errorCategory": "nonServiceFailure",
        "recommendedAction": "See that the manager is in the provisioning scope, and has been provisioned.",
    }
