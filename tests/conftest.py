"""Fixtures: a fresh, migrated database on each engine, the emulators over real HTTP, and settings that name them.

Every database test runs on SQLite, and on the server that TEST_SQLSERVER names (an ODBC connection string with a
Database=…; a scratch database beside it is made and dropped). Without it the SQL Server half is skipped, loudly, and
no driver is needed.
"""

import contextlib
import functools
import gc
import importlib
import json
import logging
import os
import pickle
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from xdist.scheduler import LoadScopeScheduling

from provisioning import database, jobs, migration, review
from provisioning.database import Database
from provisioning.errors import DatabaseError, LeaseLost, ProvisioningError, UnfinishedRun
from provisioning.jobs import Selection
from provisioning.pacing import Clock
from provisioning.runs import Report
from provisioning.settings import Settings
from tests import driver, start
from tests.canary import Canary
from tests.clock import MovedClock
from tests.emulators import people
from tests.emulators.graph import GraphEmulator
from tests.emulators.hr import HrEmulator

TEST_SQLSERVER = os.environ.get("TEST_SQLSERVER", "")
NOT_TESTED = "SQL SERVER IS NOT TESTED: set TEST_SQLSERVER to an ODBC connection string"
NO_DRIVER = "A FAILING SQL SERVER IS NOT TESTED: Microsoft's ODBC driver cannot be loaded; apt-get install unixodbc"
NO_ODBC = "LOGINS THROUGH ODBC ARE NOT TESTED: pyodbc cannot be loaded; apt-get install unixodbc"
NO_BROWSER = "THE PAGE IS NOT TESTED IN A BROWSER: no chromium is found; apt-get install chromium, or set TEST_CHROMIUM"
NO_AZURITE = f"AZURITE ITSELF IS NOT TESTED: npm install --global azurite@{start.AZURITE}"
NOT_LINTED = "NOT LINTED: {} cannot be run; pip install --require-hashes -r requirements-dev.txt"
TABLES = (
    *("dbo.Employees", "dbo.Organizations", "dbo.Locations", "dbo.AbsentRecords", "dbo.EmployeeAccounts"),
    "dbo.UserNames",
    *(f"provisioning.{t}" for t in ("ledger", "intents", "forced", "refused", "leases", "calls")),
    *(f"provisioning.{t}" for t in ("fetches", "refreshes", "runs", "disables", "disabled_by_hand")),
    *(f"provisioning.{t}" for t in ("holds", "held_people", "mappings", "resyncs")),
    *(f"provisioning.{t}" for t in ("outcomes", "log_reads", "history", "tombstones", "hash_keys")),
)
PASSWORD = "emulated-password"
SHARES = ("sent", "unchanged", "held", "parked", "deferred")
ALONE = ("test_kill_points", "test_world_model", "test_storms", "test_world")
"""Modules of which a single test takes long, the longest first."""

LONG = (
    *("test_browser", "test_properties", "test_sending", "test_least_privilege", "test_around_the_guards"),
    *("test_comparing", "test_hostile_hr", "test_walk_through", "test_described", "test_presets", "test_first_load"),
    *("test_several", "test_doctor", "test_review", "test_exports", "test_command_line", "test_acceptance"),
)
"""Modules that take long together."""

NAMED = Selection(limit=100_000)
"""An operator who says how many go: a first load that needs no approval."""

UNGUARDED = {"MAX_CREATES": "100000", "MAX_CHANGES": "100000", "MAX_DISABLES": "500"}
"""For tests that are about something else than guards."""


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock(datetime(2026, 11, 22, 12, 0, tzinfo=UTC))


@pytest.fixture(scope="session", autouse=True)
def nobody_pulls_the_plug() -> Iterator[None]:
    """Only a machine that loses its power needs SQLite to wait for the disk; a killed process does not."""
    opens = database.Sqlite.__init__

    def hasty(self: database.Sqlite, path: Path, clock: Clock) -> None:
        opens(self, path, clock)
        for schema in ("main", "dbo", "provisioning"):
            self._connection.execute(f"PRAGMA {schema}.synchronous = OFF")

    with mock.patch.object(database.Sqlite, "__init__", hasty):
        yield


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database, copied for every test."""
    folder = tmp_path_factory.mktemp("template")
    with database.connect(f"sqlite:///{folder}/bridge.db") as db:
        migration.migrate(db)
    return folder


@pytest.fixture(scope="session")
def sqlserver(worker_id: str) -> Iterator[str]:
    """The connection string of a migrated scratch database."""
    text = with_driver(TEST_SQLSERVER)
    name = re.search(r"(?i)\bdatabase=([^;]+)", text)
    assert name, "TEST_SQLSERVER needs a Database=…"
    scratch = f"{name[1]}_{worker_id}_{os.getpid()}"
    mine = text.replace(name[0], f"Database={scratch}")
    for tries_left in (2, 1, 0):  # two workers that make theirs at the same moment may get in each other's way
        try:
            with database.connect(text) as db:
                db.execute(f"CREATE DATABASE {scratch}")
            break
        except DatabaseError:
            if not tries_left:
                raise
    try:
        with database.connect(mine) as db:
            migration.migrate(db)
        yield mine
    finally:
        with database.connect(text) as db:
            db.execute(f"DROP DATABASE {scratch}")


@pytest.fixture
def odbc() -> None:
    """For tests that need the driver manager, but no server."""
    pytest.importorskip("pyodbc", reason=NO_ODBC, exc_type=ImportError)


@pytest.fixture(params=["sqlite", "sqlserver"])
def connection_string(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh, migrated database on each engine."""
    if request.param == "sqlite":
        shutil.copytree(request.getfixturevalue("sqlite_template"), tmp_path / "db")
        return f"sqlite:///{tmp_path}/db/bridge.db"
    if not TEST_SQLSERVER:
        pytest.skip(NOT_TESTED)
    text: str = request.getfixturevalue("sqlserver")
    with database.connect(text) as db:
        for table in TABLES:
            db.execute(f"DELETE FROM {table}")
        db.execute("DROP VIEW dbo.ScimUsers")
        migration.migrate(db)
    return text


@pytest.fixture
def sqlite_string(sqlite_template: Path, tmp_path: Path) -> str:
    """A fresh, migrated database on SQLite alone, for what has nothing to do with the engine."""
    shutil.copytree(sqlite_template, tmp_path / "db")
    return f"sqlite:///{tmp_path}/db/bridge.db"


@pytest.fixture
def db(connection_string: str, clock: MovedClock) -> Iterator[Database]:
    with database.connect(connection_string, clock) as opened:
        yield opened


@pytest.fixture
def hr() -> Iterator[HrEmulator]:
    """An HR API with a hundred invented people behind basic auth."""
    with HrEmulator(pickle.loads(_invented()), {"basic": ("svc", PASSWORD)}) as emulator:  # noqa: S301 - our own
        yield emulator


@functools.cache
def _invented() -> bytes:
    """They are the same each time; to invent them takes longer than many a test."""
    return pickle.dumps(people.invent(100, today=datetime(2026, 11, 22, tzinfo=UTC).date()))


@pytest.fixture
def graph() -> Iterator[GraphEmulator]:
    with GraphEmulator() as emulator:
        yield emulator


def hr_source(url: str, **resource: Any) -> dict[str, Any]:
    """HR_SOURCE for the emulated HR API; keywords change the resource of the employees."""
    paginator = {"type": "offset", "limit": 40, "total_path": "total"}
    auth = {"type": "http_basic", "username": "svc", "password": "$HR_PASSWORD"}
    employees = {
        "name": "Employees",
        "primary_key": "EmployeeId",
        "endpoint": {"path": "api/Employees", "data_selector": "data"},
        "item_path": "api/Employees/{EmployeeId}",
    }
    return {"client": {"base_url": url, "auth": auth, "paginator": paginator}, "resources": [{**employees, **resource}]}


@pytest.fixture
def environ(connection_string: str, hr: HrEmulator, graph: GraphEmulator) -> dict[str, str]:
    """The app settings of a bridge between the emulators."""
    return environment(connection_string, hr.url, graph.upload_url)


def environment(connection_string: str, hr_url: str, upload_url: str) -> dict[str, str]:
    return {
        "SQL_CONNECTION_STRING": connection_string,
        "HR_SOURCE": json.dumps(hr_source(hr_url)),
        "HR_PASSWORD": PASSWORD,
        "GRAPH_BULK_UPLOAD_URL": upload_url,
        **UNGUARDED,
    }


@pytest.fixture
def settings(environ: dict[str, str]) -> Settings:
    return Settings.from_environ(environ)


@pytest.fixture
def canary(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Canary]:
    """Fails the test where something of `canary.marked` people was logged, raised or printed on stderr."""
    found, root = Canary(), logging.getLogger()
    make = ProvisioningError.__new__

    def noted(kind: type[ProvisioningError], *args: Any, **named: Any) -> ProvisioningError:
        error = make(kind, *args, **named)
        found.errors.append(error)
        return error

    monkeypatch.setattr(ProvisioningError, "__new__", noted)
    root.addHandler(found)
    before = root.level
    root.setLevel(logging.DEBUG)
    try:
        yield found
    finally:
        root.setLevel(before)
        root.removeHandler(found)
    found.look_at_errors()
    found.look_at(capfd.readouterr().err, "stderr")
    assert not found.seen


def approve_all(settings: Settings, clock: MovedClock) -> list[str]:
    """Approve everything that waits; gives back the classes."""
    found = review.waiting(settings, clock=clock)
    for hold in found:
        review.approve(settings, hold.hold_id, "Ada Approver", clock=clock)
    return sorted(hold.kind[0] for hold in found)


def employ(db: Database, *ids: str, **cells: Any) -> None:
    """Put active people, in scope, into the mirror."""
    row = {"Name_FullName": "Somebody", "Active": 1, "OrganizationId": "O1"} | cells
    columns, marks = ", ".join(row), ", ".join("?" * len(row))
    with db.transaction():
        for one in ids:
            db.execute(f"INSERT INTO dbo.Employees (EmployeeId, {columns}) VALUES (?, {marks})", (one, *row.values()))


def edit(db: Database, *ids: str, **cells: Any) -> None:
    changes = ", ".join(f"{name} = ?" for name in cells)
    for one in ids:
        db.execute(f"UPDATE dbo.Employees SET {changes} WHERE EmployeeId = ?", (*cells.values(), one))


def finish(job: Callable[..., Report], settings: Settings, clock: MovedClock) -> dict[str, int]:
    """The counts of a run however it ended; they always add up."""
    try:
        counts = job(settings, *([NAMED] if job is jobs.create else []), clock=clock).counts
    except (UnfinishedRun, LeaseLost) as exc:
        counts = exc.report.counts
    assert counts["candidates"] == sum(counts[name] for name in SHARES)
    return counts


def contents(db: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, apart from the times and what counts calls (one too many is on the safe side)."""
    found = {}
    for table in TABLES:
        if table != "provisioning.calls":
            rows = db.select(f"SELECT * FROM {table}", (), "contents")
            found[table] = sorted(
                tuple(c for c in map(str, row) if not re.match(r"\d{4}-\d\d-\d\d \d", c)) for row in rows
            )
    return found


@pytest.fixture
def small(sqlite_string: str, graph: GraphEmulator, clock: MovedClock) -> Iterator[Database]:
    """The embedded database, and a Graph that counts by the same clock: for what has nothing to do with the engine."""
    graph.clock = lambda: clock.utc_now().timestamp()
    with database.connect(sqlite_string, clock) as db:
        yield db


@pytest.fixture
def bridge(sqlite_string: str, small: Database, graph: GraphEmulator) -> Callable[..., Settings]:
    """Settings between `small` and the emulator: `bridge(TIME_ZONE="Europe/Copenhagen")`."""
    environ = environment(sqlite_string, "http://127.0.0.1:1/", graph.upload_url)
    return lambda **values: Settings.from_environ({**environ, **values})


@pytest.fixture
def change(environ: dict[str, str]) -> Callable[..., Settings]:
    """The same settings with some of them changed: `change(TIME_ZONE="Europe/Copenhagen")`."""
    return lambda **values: Settings.from_environ({**environ, **values})


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """What a test counted, for the end of the run: `tell("kill points", 12, of=12)`. Counts of one name are added."""
    return lambda what, count, of=None: record_property("told", (what, count, of))


def _told(terminalreporter: Any) -> list[str]:
    """What the tests told (through their reports' properties, which come over from xdist's workers, too)."""
    sums: dict[str, list[int | None]] = {}
    for report in (r for reports in terminalreporter.stats.values() for r in reports):
        for name, value in getattr(report, "user_properties", ()):
            if name == "told" and report.when == "call":
                before = sums.setdefault(value[0], [0, None])
                before[0] += value[1]
                before[1] = before[1] if value[2] is None else (before[1] or 0) + value[2]
    return [f"{what}: {count}" + ("" if of is None else f" of {of} hit") for what, (count, of) in sorted(sums.items())]


class _LongFirst(LoadScopeScheduling):
    """A module goes to one worker, which makes what its tests share once; of the longest, each test goes by itself."""

    def _split_scope(self, nodeid: str) -> str:
        module = Path(nodeid.partition("::")[0]).stem
        return nodeid if module in ALONE else module


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _LongFirst | None:
    if config.getoption("dist") != "load":
        return None
    config.option.loadscopereorder = False  # which would put the modules of most tests first
    return _LongFirst(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, and the shortest in the end, so that of several workers none is left alone with much."""
    places = {module: place for place, module in enumerate((*ALONE, *LONG))}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[Any]:
    """What is imported and collected stays to the end: no collection of garbage needs to look through it.

    Of several workers, each begins with another share of the modules: most of them have then been compiled by
    somebody else, with what pytest makes of their assertions, by the time one comes to them.
    """
    gc.disable()
    try:
        _import_another_share_first(session.config)
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


def _import_another_share_first(config: pytest.Config) -> None:
    worker = getattr(config, "workerinput", None)
    if worker is None or config.args_source is not config.ArgsSource.TESTPATHS:
        return
    modules = sorted(path.stem for path in Path(__file__).parent.glob("test_*.py"))
    begin = len(modules) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
    for module in [*modules[begin:], *modules[:begin]]:
        with contextlib.suppress(Exception):  # told where it is collected
            importlib.import_module(f"tests.{module}")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for line in _told(terminalreporter):
        terminalreporter.line(line)
    skipped = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", ())]
    told = [] if TEST_SQLSERVER else [NOT_TESTED]
    told += [reason for reason in (NO_ODBC, NO_DRIVER) if any(reason in one for one in skipped)]
    _tell_loudly(terminalreporter, "SQL Server", told)
    _tell_loudly(terminalreporter, "Browser", [NO_BROWSER] if any(NO_BROWSER in one for one in skipped) else [])
    _tell_loudly(terminalreporter, "Storage", [NO_AZURITE] if any(NO_AZURITE in one for one in skipped) else [])
    _tell_loudly(terminalreporter, "Linters", sorted({one for one in skipped if "NOT LINTED" in one}))


def _tell_loudly(terminalreporter: Any, title: str, told: list[str]) -> None:
    if told:
        terminalreporter.section(title, sep="!")
    for line in told:
        terminalreporter.line(line)


def with_driver(text: str) -> str:
    """A connection string with Microsoft's driver from PyPI where none is installed and none is named."""
    import pyodbc  # noqa: PLC0415 - without a server to test on, neither is needed

    if re.search(r"(?i)driver\s*=", text) or any(n.startswith("ODBC Driver 1") for n in pyodbc.drivers()):
        return text
    return f"Driver={driver.path()};{text}"
