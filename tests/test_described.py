"""The routes against their description: schemathesis makes requests of every kind, and holds every answer to it.

The real app, behind HTTP on loopback as on one's own machine, among people, holds and outcomes. Who may do what is in
`test_routes.py`. What only the Functions host decides is not asked here: keys, and methods that a route does not have.
"""

import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.core.parameters import ParameterLocation

from provisioning import aftermath, by_hand, database, jobs, review
from provisioning.database import Database
from provisioning.pacing import Clock
from provisioning.settings import Settings
from tests.clock import MovedClock
from tests.conftest import NAMED, PASSWORD, UNGUARDED, edit, environment
from tests.console import served
from tests.emulators import people
from tests.emulators.graph import GraphEmulator
from tests.emulators.hr import HrEmulator
from tests.host import DESCRIPTION

ROUTES = sorted((path, method.upper()) for path, item in DESCRIPTION["paths"].items() for method in item)
SUCCESSES = 10
"""So many requests at least are answered with success, on each route: 2xx, or of a form 303, back to the page."""

BETWEEN = 7.0
"""Seconds that pass from one request to the next: fewer than ten resyncs a minute."""

STRANGERS = 3
"""So many requests of each kind name nobody who is there."""

OF_THE_HOST = ("unsupported_method", "allow_header_conformance", "ignored_auth", "missing_required_header")
"""Checks of what the app does not decide; the last one is about headers, which here are credentials only."""

CONFIG = SchemathesisConfig.from_dict(
    {
        "generation": {"with-security-parameters": False},
        "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "3xx", "404", "409", "422"]}},
    }
)
"""No credentials. What a request may be refused for though it is well formed is how things stand: also with 422."""

DISABLE, ENABLE = "/api/console/disable", "/api/console/enable"

OPEN = ("/api/console", "/api/status", "/api/openapi.json")
"""Routes that take whatever they are asked."""

BROWSER = {"Sec-Fetch-Site": "same-origin"}

EMPTIED = ("Title", "NickName", "OrganizationName", "Name_FirstName", "Name_LastName", "Office")


class World:
    """The app, served; who may be resynced, and what waits for approval. Keeps what was answered, and what is wrong."""

    def __init__(self, url: str, settings: Settings, db: Database, clock: MovedClock) -> None:
        self.url, self.settings, self.db, self.clock = url, settings, db, clock
        ids = [str(row[0]) for row in db.select("SELECT employee_id FROM provisioning.ledger", (), "sent")]
        self.edited, self.going = sorted(ids)[:20], iter(sorted(ids)[20:])
        self.holds: list[str] = []
        self.answered: Counter[int] = Counter()
        self.faults: list[str] = []
        self.session = requests.Session()
        self.description = schemathesis.openapi.from_url(f"{url}/api/openapi.json", config=CONFIG)
        schemathesis.checks.load_all_checks()
        self.excluded = CHECKS.get_by_names(list(OF_THE_HOST))

    def ask(self, case: Case) -> None:
        """Send a request as a page of the app's own does, a while after the last one."""
        self.clock.move(seconds=BETWEEN)
        try:
            answer = case.call_and_validate(session=self.session, headers=BROWSER, excluded_checks=self.excluded)
            self.answered[answer.status_code] += 1
        except FailureGroup as exc:
            self.faults.append(str(exc))

    def somebody(self, path: str) -> str:
        """Somebody nobody has asked for. Of urgent leavers, hours after the last: so many a day may be disabled."""
        employee_id = next(self.going)
        if path in (DISABLE, ENABLE):
            self.clock.move(hours=3)
        if path == ENABLE:
            by_hand.disable(self.settings, employee_id, "Ada", clock=self.clock)
        return employee_id

    def hold(self) -> str:
        """A hold that waits: when none is left, people lose some attributes, again in another way."""
        if not self.holds:
            edit(self.db, *self.edited, **dict.fromkeys(EMPTIED), RowNumber=1, LanguageId=f"x{self.clock.utc_now():%f}")
            jobs.update(self.settings, clock=self.clock)
            self.holds = [h.hold_id for h in review.waiting(self.settings, clock=self.clock)]
        return self.holds.pop()

    def name(self, case: Case) -> None:
        """Put somebody or something that is there into a request that was made up."""
        form = case.path.startswith("/api/console/")
        for fields in (case.path_parameters, case.body if form else {}):
            if "employee_id" in fields:
                fields["employee_id"] = self.somebody(case.path)
            elif "hold_id" in fields:
                fields["hold_id"] = self.hold()


@pytest.fixture(scope="module")
def world(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """People who were sent, one of whom failed; the app on this machine, which takes its time from the test's clock."""
    folder = tmp_path_factory.mktemp("described") / "db"
    shutil.copytree(sqlite_template, folder)
    clock = MovedClock(datetime(2026, 11, 22, 12, 0, tzinfo=UTC))
    with ExitStack() as stack:
        graph = stack.enter_context(GraphEmulator())
        graph.clock = lambda: clock.utc_now().timestamp()
        hr = stack.enter_context(
            HrEmulator(people.invent(180, today=clock.utc_now().date()), {"basic": ("svc", PASSWORD)})
        )
        environ = environment(f"sqlite:///{folder}/bridge.db", hr.url, graph.upload_url)
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(Clock, "utc_now", lambda _: clock.utc_now())
        for name in environ.keys() - UNGUARDED.keys():
            patch.setenv(name, environ[name])
        settings = Settings.from_environ(os.environ)
        db = stack.enter_context(database.connect(settings.sql_connection_string, clock))
        graph.directory().occupy(hr.people[0]["EmployeeId"])
        jobs.ingest(settings, clock=clock)
        jobs.create(settings, NAMED, clock=clock)
        aftermath.collect(settings, clock=clock)
        server = stack.enter_context(served(0))
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        stack.callback(server.shutdown)
        found = World(f"http://127.0.0.1:{server.server_port}", settings, db, clock)
        stack.callback(found.session.close)  # first: the server answers one connection after the other
        yield found


def made(operation: APIOperation, mode: GenerationMode, count: int) -> list[Case]:
    """Requests as the description allows them, or in some way does not; the same ones every time."""
    found: list[Case] = []

    @examples(
        max_examples=count,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(mode))
    def make(case: Case) -> None:
        found.append(case)

    with suppress(Unsatisfiable):  # of a route that takes nothing there is nothing to get wrong
        make()
    return found


def at_the_edges(operation: APIOperation) -> list[Case]:
    """Every boundary that the description draws, from within and from without."""
    config = operation.schema.config.generation_for(operation=operation)
    modes = list(GenerationMode)
    cases = operation.schema.iter_coverage_cases(operation, generation_modes=modes, generation_config=config)
    return [case for case in cases if case.method == operation.method.upper()]


def is_about(case: Case, *locations: ParameterLocation) -> bool:
    """Whether one of these is what makes a request of an edge special."""
    return case.meta is not None and case.meta.phase.data.parameter_location in locations


@pytest.mark.parametrize(("path", "method"), ROUTES, ids=[f"{m} {p}" for p, m in ROUTES])
def test_every_answer_is_as_described(world: World, tell: Callable[..., None], path: str, method: str) -> None:
    operation = world.description[path][method]
    world.answered, world.faults = Counter(), []
    for case in islice(cycle(made(operation, GenerationMode.POSITIVE, SUCCESSES)), SUCCESSES):
        world.name(case)
        world.ask(case)
    successes = sum(world.answered[status] for status in (200, 202, 303))
    edges, strangers = at_the_edges(operation), [c for m in GenerationMode for c in made(operation, m, STRANGERS)]
    for case in edges:
        if is_about(case, ParameterLocation.BODY, ParameterLocation.QUERY) and case.path_parameters:
            world.name(case)  # so that it is not refused because nobody is there
    for case in [*edges, *strangers]:
        world.ask(case)
    tell("requests held against the description", sum(world.answered.values()))
    assert world.faults == []
    assert successes >= SUCCESSES
    assert not strangers or path in OPEN or any(status >= 400 for status in world.answered)


def test_every_route_is_asked() -> None:
    assert len(ROUTES) >= 8
