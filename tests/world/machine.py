"""The machine of the simulated world: its clock, its database connections and its network, each with its faults.

The code under test runs unchanged; what it takes from outside is replaced at its edges: the clock that is handed in,
`transport.exchange` (what goes over the wire is answered by the emulators themselves), `database.Sqlite` (the real one
over files in memory, every statement a point where things go wrong), and the sources of chance.
"""

from __future__ import annotations

import functools
import json
import random
import sqlite3
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from typing import Any, Self
from unittest import mock

import httpx

from provisioning import database, transport
from provisioning.database import Database, Row, Sqlite
from provisioning.errors import DatabaseError, TransportError
from provisioning.pacing import Clock
from provisioning.transport import Reply
from tests.emulators.graph import GraphEmulator
from tests.emulators.hr import HrEmulator
from tests.emulators.http import Dropped, Emulator, Request, Seconds
from tests.world.scheduler import Killed, Process, Scheduler, Task
from tests.world.store import Store

KILL_BEFORE, KILL_AFTER, FREEZE, LOST_BEFORE, LOST_AFTER = (
    "killed before",
    "killed after",
    "frozen at",
    "cut before",
    "cut after",
)
AT_A_POINT = (KILL_BEFORE, KILL_AFTER, FREEZE, LOST_BEFORE, LOST_AFTER)
"""What happens to a process at its n-th statement or request."""

UPLOADS = (
    "refused",
    "never arrives",
    "no answer",
    "500 not applied",
    "500 applied",
    "429",
    "429 wait",
    "bucket full",
    "stalls",
    "arrives late",
    "504 applied",
)
FETCHES = ("refused", "never arrives", "500 not applied", "429 wait", "login page", "empty", "shrunken", "cut off")
"""What happens to the n-th request of a process, of Graph or of HR."""

SENDING = ("create", "update", "reconcile", "resync", "disable", "enable")

LONGEST_LATE = 4.0
"""Seconds after its client has gone in which a request may still arrive; whoever takes over waits 5."""


@dataclass
class Program(Process):
    """A process of ours: what goes wrong in it, by the number of the statement or request."""

    points: dict[int, str] = field(default_factory=dict)
    requests: dict[int, str] = field(default_factory=dict)
    freeze: float = 0.0
    seen_points: int = 0
    seen_requests: int = 0
    began: float = 0.0
    frozen: bool = False

    @property
    def sends(self) -> bool:
        """Whether it may have uploaded something of which nobody knows once it is interrupted."""
        return self.name.split()[0] in SENDING


class SimulatedClock(Clock):
    """The scheduler's time, and its tasks for threads."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def monotonic(self) -> float:
        return self._scheduler.now

    def sleep(self, seconds: float) -> None:
        self._scheduler.pause(seconds)

    def utc_now(self) -> datetime:
        return datetime.fromtimestamp(self._scheduler.now, UTC)

    def workers(self, count: int) -> Executor:
        return _Workers(self._scheduler)

    def first_of(self, calls: Collection[Future[Any]], seconds: float) -> Collection[Future[Any]]:
        self._scheduler.wait_for(lambda: any(c.done() for c in calls), seconds)
        return [c for c in calls if c.done()]

    def every(self, seconds: float, action: Callable[[], bool]) -> Callable[[], bool]:
        over: list[bool] = []

        def repeat() -> None:
            while True:
                self._scheduler.wait_for(lambda: bool(over), seconds)
                if over or not action():
                    return

        task = self._scheduler.spawn(_process_of(self._scheduler), repeat)

        def end() -> bool:
            over.append(True)
            self._scheduler.wait_for(lambda: task.done, seconds)
            return task.done

        return end


class _Workers(Executor):
    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._tasks: list[Task] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def work() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except Exception as exc:
                future.set_exception(exc)

        self._tasks.append(self._scheduler.spawn(_process_of(self._scheduler), work))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._scheduler.wait_for(lambda: all(t.done for t in self._tasks), 3600.0)


def _process_of(scheduler: Scheduler) -> Process:
    assert scheduler.current is not None
    return scheduler.current.process


@dataclass
class _Call:
    """A request on its way; `over` when there is an answer or there will be none, `gone` when its client is."""

    over: bool = False
    gone: bool = False
    reply: Reply | None = None


class _Arrived(Request):
    """What an emulator sees of it: it waits in simulated time, and notices when its client has gone."""

    scheduler: Scheduler
    call: _Call

    def wait(self, seconds: Seconds) -> bool:
        length = seconds() if callable(seconds) else seconds
        if length > 0:
            self.scheduler.wait_for(lambda: self.call.gone, length)
        return not self.call.gone


class Machine:
    """One simulated machine and what it talks to. Use it in a `with`; only one at a time can be."""

    def __init__(self, seed: int, store: Store, hr: HrEmulator, graph: GraphEmulator, start: datetime) -> None:
        self.chance = random.Random(seed)
        self.scheduler = Scheduler(self.chance, start.timestamp())
        self.clock = SimulatedClock(self.scheduler)
        self.store = store
        self.database = "sqlite:////world/bridge.db"
        """Whatever is asked for in this world, it is the store's."""
        self.hr, self.graph = hr, graph
        self.programs: list[Program] = []
        self.ambiguous: Counter[str] = Counter()
        self.crashes = 0
        self.freezes = 0
        self.interrupted = 0
        self.down: dict[str, tuple[float, str]] = {}
        self.late_arrivals = 0
        self._network = Process("network")
        self._exits = ExitStack()
        graph.clock = lambda: self.scheduler.now

    def __enter__(self) -> Machine:
        self.store.begin(self.clock)
        seeded = random.Random(self.chance.random())
        state = random.getstate()
        random.seed(self.chance.random())
        self._exits.callback(random.setstate, state)
        for target, name, new in (
            (uuid, "uuid4", lambda: uuid.UUID(int=seeded.getrandbits(128), version=4)),
            (transport, "exchange", self._exchange),
            (transport, "client", _client),
            (database, "Sqlite", lambda path, clock: _Connection(self)),
        ):
            self._exits.enter_context(mock.patch.object(target, name, new))
        return self

    def __exit__(self, *_: object) -> None:
        for program in self.programs:
            program.alive = False
        self.scheduler.run_until(self.scheduler.now + 3600)
        self.store.end()
        self._exits.close()

    def start(self, program: Program, work: Callable[[], Any]) -> Task:
        """Start a process."""
        program.began = self.scheduler.now
        self.programs.append(program)
        return self.scheduler.spawn(program, work)

    def kill(self, program: Program) -> None:
        """End a process as SIGKILL does; one that has ended by itself is not killed."""
        if program.alive and self.works(program):
            self.crashes += 1
            self.interrupted += program.sends
            program.alive = False

    def works(self, program: Program) -> bool:
        """Whether it has not ended yet."""
        return any(t.process is program for t in self.scheduler.tasks)

    @property
    def at_work(self) -> list[Program]:
        """Who has not ended yet, each once."""
        return list({id(t.process): t.process for t in self.scheduler.tasks if isinstance(t.process, Program)}.values())

    @property
    def busy(self) -> bool:
        """Whether any process of ours is at work."""
        return any(task.process is not self._network for task in self.scheduler.tasks)

    # --- points at which things go wrong --------------------------------------------------------------------------

    def _point(self, *, uninterrupted: bool = False) -> str | None:
        """One more statement or request of this process; gives back what happens at it."""
        program = self.scheduler.current.process if self.scheduler.current else None
        if not isinstance(program, Program):
            return None
        self.scheduler.check_alive()
        program.seen_points += 1
        fault = program.points.get(program.seen_points)
        if fault == FREEZE and uninterrupted:  # it would keep everybody out of the database: one statement later, then
            program.points[program.seen_points + 1] = FREEZE
            return None
        if fault == FREEZE:
            program.frozen, program.frozen_until = True, self.scheduler.now + program.freeze
            self.freezes += 1
            self.interrupted += program.sends
        if not uninterrupted:
            self.scheduler.pause(self.chance.uniform(0.0005, 0.02))
        if fault == KILL_BEFORE:
            self.kill(program)
            raise Killed
        return fault

    def _after(self, fault: str | None) -> None:
        program = self.scheduler.current.process if self.scheduler.current else None
        if fault == KILL_AFTER and isinstance(program, Program):
            self.kill(program)
            raise Killed

    # --- the network ----------------------------------------------------------------------------------------------

    def _exchange(self, http: httpx.Client, request: httpx.Request, seconds: float = transport.DEADLINE) -> Reply:
        program = _process_of(self.scheduler)
        assert isinstance(program, Program)
        at = self._point()
        program.seen_requests += 1
        server = self.graph if str(request.url).startswith(self.graph.url) else self.hr
        fault = self._outage(server) or program.requests.get(program.seen_requests)
        fault = fault if fault in (UPLOADS if server is self.graph else FETCHES) else None
        call = _Call()
        if fault == "refused":
            self.scheduler.pause(0.2)
            raise TransportError("could not connect (ConnectError)", ambiguous=False)
        self.scheduler.spawn(self._network, lambda: self._deliver(server, request, call, fault, seconds))
        try:
            self.scheduler.wait_for(lambda: call.over, seconds)
        finally:
            call.gone = True
        self._note(server, request, call.reply)
        self._after(at)
        if call.reply is None:
            raise TransportError("no complete answer (ReadTimeout)", ambiguous=True)
        return call.reply

    def _outage(self, server: Emulator) -> str | None:
        until, fault = self.down.get("graph" if server is self.graph else "hr", (0.0, ""))
        return fault if self.scheduler.now < until else None

    def _note(self, server: Emulator, request: httpx.Request, reply: Reply | None) -> None:
        """An answer after which nobody can know whether it was applied."""
        if request.method != "POST":
            return
        told = reply is not None and (reply.status < 500 or b"bucket" in reply.body)
        if server is self.graph and not told:
            self.ambiguous.update(o["data"]["externalId"] for o in json.loads(request.content)["Operations"])

    def _deliver(
        self, server: Emulator, request: httpx.Request, call: _Call, fault: str | None, seconds: float
    ) -> None:
        latency = self.chance.uniform(0.02, 0.4)
        self.scheduler.pause(latency)
        if fault == "never arrives":
            self.scheduler.wait_for(lambda: call.gone, self.chance.choice((0.1, seconds)))
        elif fault in ("stalls", "arrives late"):
            self._arrive_late(request, call, fault, seconds)
        else:
            call.reply = _changed(fault, lambda: self._answer(server, request, call))
            self.scheduler.wait_for(lambda: call.gone, latency)
        call.over = True

    def _arrive_late(self, request: httpx.Request, call: _Call, fault: str, seconds: float) -> None:
        """What waits somewhere on the way: its client hears of a lost connection, or nothing until its time is up."""
        if fault == "arrives late":
            call.over = True
        self.scheduler.wait_for(lambda: call.gone, seconds + 1)
        self.scheduler.pause(self.chance.uniform(0.0, LONGEST_LATE))
        if request.method == "POST":
            self.late_arrivals += 1
            self.graph.arrive_late(request.content)

    def _answer(self, server: Emulator, request: httpx.Request, call: _Call) -> Reply | None:
        headers = Message()
        for name, value in request.headers.items():
            headers[name] = value
        target = request.url.raw_path.decode()
        arrived = _Arrived(request.method, target, headers, request.content, None)  # type: ignore[arg-type]
        object.__setattr__(arrived, "scheduler", self.scheduler)
        object.__setattr__(arrived, "call", call)
        try:
            response = server.answer(arrived)
        except Dropped:
            return None
        return Reply(response.status, httpx.Headers(response.headers), response.body)


class _Client(httpx.Client):
    """What builds requests. To make one takes longer than most runs do: there is one, which is never closed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        pass


@functools.cache
def _client(_certificate: Any = None) -> httpx.Client:
    return _Client(transport=httpx.MockTransport(_never), trust_env=False)


def _never(request: httpx.Request) -> httpx.Response:
    raise AssertionError("nothing leaves the simulated machine")


def _changed(fault: str | None, answer: Callable[[], Reply | None]) -> Reply | None:
    """What the client sees of an answer."""
    plain: dict[str, str] = {}
    if fault == "500 not applied":
        return Reply(500, plain, b"oops")
    if fault == "429":
        return Reply(429, plain, b"")
    if fault == "429 wait":
        return Reply(429, httpx.Headers({"Retry-After": "17"}), b"")
    if fault == "bucket full":
        return Reply(500, plain, b'{"error": {"code": "x", "message": "The bucket is full."}}')
    if fault == "login page":
        return Reply(200, plain, b"<!doctype html><title>Sign in</title>")
    reply = answer()
    if reply is None or fault in (None, "no answer"):
        return None if fault == "no answer" else reply
    if fault in ("500 applied", "504 applied"):
        return Reply(int(fault[:3]), plain, b"")
    return _shortened(fault, reply) if fault in ("empty", "shrunken", "cut off") else reply


def _shortened(fault: str, reply: Reply) -> Reply:
    try:
        page = json.loads(reply.body)
        records = page["data"]
    except (ValueError, KeyError, TypeError):
        return reply
    kept = {"empty": 0, "shrunken": len(records) // 2, "cut off": len(records) - 3}[fault]
    page["data"] = records[: max(0, kept)]
    if fault != "cut off":
        page["total"] = kept
    return Reply(reply.status, reply.headers, json.dumps(page).encode())


# --- the database -------------------------------------------------------------------------------------------------


class _Connection(Sqlite):
    """Real SQLite; each statement is a point, and a connection that was cut stays dead."""

    def __init__(self, machine: Machine) -> None:
        self._machine, self._cut, store = machine, False, machine.store
        if store.spare:
            Database.__init__(self, store.spare.pop())
            return
        super().__init__(store.path, store)
        for schema in ("main", "dbo", "provisioning"):
            self._connection.execute(f"PRAGMA {schema}.synchronous = OFF")  # nobody pulls the plug of this machine,
            self._connection.execute(f"PRAGMA {schema}.journal_mode = MEMORY")  # nor kills the process it is in

    def _opened(self, path: Path, *, uri: bool = True) -> sqlite3.Connection:
        return super()._opened(path, uri=uri)

    def close(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        self._machine.store.spare.append(self._connection)

    def select(self, sql: str, parameters: Sequence[Any], name: str) -> Iterator[Row]:
        return iter(self._at_a_point(name, lambda: list(super(_Connection, self).select(sql, parameters, name))))

    def execute(self, sql: str, parameters: Sequence[Any] = (), name: str = "statement") -> int:
        return int(self._at_a_point(name, lambda: super(_Connection, self).execute(sql, parameters, name)))

    def _at_a_point(self, name: str, run: Callable[[], Any]) -> Any:
        if self._cut:
            raise DatabaseError(f"{name}: the connection is closed", transient=True)
        fault = self._machine._point(uninterrupted=self._in_transaction or name == "begin")
        if fault == LOST_BEFORE:
            self._lose(name)
        result = run()
        self._machine._after(fault)
        if fault == LOST_AFTER:
            self._lose(name)
        return result

    def _lose(self, name: str) -> None:
        self._cut = True
        program = _process_of(self._machine.scheduler)
        self._machine.interrupted += isinstance(program, Program) and program.sends
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        raise DatabaseError(f"{name}: the connection was lost", transient=True)
