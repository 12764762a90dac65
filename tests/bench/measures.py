"""The rows of the table, one function for each part of it. What each is measured against runs beside it."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from provisioning import database, ledger, runs, scim
from provisioning.settings import Settings
from tests.bench import bridge, rivals
from tests.bench.company import Company
from tests.bench.record import ROOT, Row, Took, command, exponent, goal, median, repeated
from tests.bench.watched import TWICE
from tests.emulators.graph import GraphEmulator

USUAL = 100_000
"""Up to so many people there are goals of seconds; of a larger company only memory, and what is written and sent."""

LATENCY = (0.1, 0.5)
"""Seconds: 300 ms and 200 ms about it."""

UNGUARDED = {"MAX_CHANGES": "100%", "MAX_CREATES": "999999", "GRAPH_DAILY_CALL_LIMIT": "100000"}


@dataclass
class Bench:
    """How much is measured, and what was measured so far. `series`: what the pictures show; `server`: which it was."""

    folder: Path
    people: int = USUAL
    uploads: int = 20_000
    resyncs: int = 500
    times: int = 3
    sizes: tuple[int, ...] = (1_000, 3_000, 10_000, 30_000, 100_000)
    sqlserver: str = ""
    server: str = ""
    rows: dict[str, list[Row]] = field(default_factory=dict)
    series: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def add(self, part: str, *rows: Row) -> None:
        """Keep lines of one part, and show them."""
        self.rows.setdefault(part, []).extend(rows)
        for row in rows:
            told = [row.what, row.figure, row.against, row.ratio, row.goal and f"goal: {row.goal}"]
            print(f"{part:<7} {' | '.join(t for t in told if t)}{' MISSED' if row.met is False else ''}", flush=True)


@contextmanager
def graph(bench: Bench, latency: tuple[float, float] | float = LATENCY) -> Iterator[GraphEmulator]:
    """A Graph with its real limit of calls in 5 s; that of a day is out of the way."""
    rng = random.Random(5)
    with GraphEmulator(daily_limit=1_000_000) as emulator:
        emulator.upload_url = emulator.add_job("bench", "bench")
        emulator.latency = latency if isinstance(latency, float) else lambda: rng.uniform(*latency)
        yield emulator


def settings_for(text: str, emulator: GraphEmulator, **more: str) -> dict[str, str]:
    """The app settings of a bridge."""
    return {"SQL_CONNECTION_STRING": text, "GRAPH_BULK_UPLOAD_URL": emulator.upload_url, **UNGUARDED, **more}


# --- upload -------------------------------------------------------------------------------------------------------


def upload(bench: Bench) -> None:
    """Everybody of a company for the first time, by `create`."""
    people = rivals.people(max(60, bench.uploads))
    with graph(bench) as emulator:
        text = bridge.made(bench.folder / "upload")
        bridge.mirrored(text, range(bench.uploads))
        took = command(settings_for(text, emulator), "create", "--limit", str(bench.uploads))
        calls = list(emulator.calls)
        limited, busiest = sum(c.status == 429 for c in calls), emulator.max_calls_in(5)
    at = sorted(c.time for c in calls)
    rate = (len(at) - 1) / (at[-1] - at[0])
    sent, arrived = took.counts["sent"], len(emulator.accepted)
    a_call = arrived / sum(c.status == 202 for c in calls)
    bench.series["upload"] = _calls_in_5_seconds(at)
    with graph(bench) as emulator:
        alone = rivals.one_call_each(emulator.upload_url, people[:60])
    with graph(bench) as emulator:
        sample, _ = rivals.sequential(emulator.upload_url, people[:2_000])
        bench.series["sample"] = _calls_in_5_seconds(sorted(c.time for c in emulator.calls))
    with graph(bench, 0.05) as emulator:
        fast, lost = rivals.sequential(emulator.upload_url, people)
    bench.add(
        "upload",
        Row(
            f"{bench.uploads:,} people for the first time",
            f"{rate:.2f} calls a second",
            "Graph's limit, 8",
            f"{rate / 8:.0%}",
            **goal("6.7 calls a second", met=rate >= 6.7),
        ),
        Row("the most calls in any 5 s", str(busiest), "Graph's limit, 40", "", **goal("40", met=busiest <= 40)),
        Row("answers of 429", str(limited), **goal("none", met=limited == 0)),
        Row(
            "people who arrived",
            f"{arrived:,}, each once",
            f"people sent, {sent:,}",
            "",
            **goal("everybody", met=arrived == sent == bench.uploads),
        ),
        Row("operations a call", f"{a_call:.1f}", "the most, 50", "", **goal("49", met=a_call >= 49)),
        Row(
            "people a second",
            f"{rate * a_call:,.0f}",
            f"one call per person, one after the other: {alone:.1f}",
            f"{rate * a_call / alone:.0f} ×",
            **goal("30 ×", met=rate * a_call >= 30 * alone),
        ),
        Row(
            "calls a second",
            f"{rate:.2f}",
            f"50 a call, one call after the other, no retry: {sample:.2f}",
            f"{rate / sample:.1f} ×",
        ),
        Row(
            "people lost",
            "0",
            f"the same at a server that answers in 50 ms ({fast:.1f} calls a second): {lost:,} of {len(people):,}",
        ),
    )


def _calls_in_5_seconds(at: list[float]) -> list[tuple[float, float]]:
    """Second by second, how many calls came in the five before it."""
    seconds = range(1, int(at[-1] - at[0]) + 1)
    return [(float(s), float(sum(at[0] + s - 5 < t <= at[0] + s for t in at))) for s in seconds]


# --- ingest -------------------------------------------------------------------------------------------------------


def ingest(bench: Bench) -> None:
    """A company's first load, a quiet round, and one in which one of a hundred has changed."""
    with Company(bench.people) as company:
        _ingest_on(bench, company, "SQLite", lambda n: bridge.made(bench.folder / f"first-{n}"))
        _against_other_ways_of_writing(bench, company)
    if bench.sqlserver:
        _on_sql_server(bench)


def _ingest_on(bench: Bench, company: Company, engine: str, fresh: Callable[[int], str]) -> None:
    texts = [fresh(n) for n in range(bench.times)]
    busy: list[float] = []

    def run(n: int) -> Took:
        company.busy = 0.0
        took = command({"SQL_CONNECTION_STRING": texts[n], "HR_SOURCE": company.source}, "ingest")
        busy.append(company.busy)
        return took

    first = repeated(bench.times, run)
    quiet = repeated(bench.times, run)
    company.edit(lambda n: "Chief" if n % 100 == 0 else None)
    changed = repeated(bench.times, run)
    company.edit(lambda n: None)
    own, people = median(busy), bench.people
    bench.series[f"first {engine}"] = [(people, median(t.seconds for t in first))]
    bench.add(
        "ingest",
        _first_row(engine, people, first, own),
        _quiet_row(engine, people, quiet, own),
        _changed_row(engine, people, changed, own),
    )


def _first_row(engine: str, people: int, took: list[Took], own: float) -> Row:
    seconds, peak = median(t.seconds for t in took), median(t.peak for t in took)
    timed = engine == "SQLite" and people <= USUAL
    most, memory = 1.5 * own + 6 if timed else math.inf, 150 if people <= USUAL else 500
    in_time = f"1.5 × its own + 6 s = {most:.1f} s; " if timed else ""
    return Row(
        f"{engine}: first load of {people:,}",
        f"{seconds:.1f} s, {people / seconds:,.0f} rows a second, {peak:.0f} MB, {_statements(took)}",
        f"the server's own {own:.1f} s",
        f"{seconds / own:.1f} ×",
        **goal(f"{in_time}{memory} MB", met=seconds <= most and peak <= memory),
    )


def _quiet_row(engine: str, people: int, took: list[Took], own: float) -> Row:
    seconds, peak = median(t.seconds for t in took), median(t.peak for t in took)
    rate = people / max(0.01, seconds - own)
    written = sum(t.counts["inserted"] + t.counts["updated"] for t in took)
    least = 25_000 if engine == "SQLite" else 0
    return Row(
        f"{engine}: nothing changed",
        f"{seconds:.1f} s, {written} rows written, {peak:.0f} MB, {_statements(took)}",
        f"the server's own {own:.1f} s",
        f"{rate:,.0f} rows a second beyond it",
        **goal("0 rows written" + (f"; {least:,} rows a second" if least else ""), met=written == 0 and rate >= least),
    )


def _changed_row(engine: str, people: int, took: list[Took], own: float) -> Row:
    seconds, peak = median(t.seconds for t in took), median(t.peak for t in took)
    written = median(t.counts["inserted"] + t.counts["updated"] for t in took)
    return Row(
        f"{engine}: 1 % changed",
        f"{seconds:.1f} s, {written:.0f} rows written, {peak:.0f} MB, {_statements(took)}",
        f"the server's own {own:.1f} s",
        f"{seconds / own:.1f} ×",
        **goal("exactly the changed", met=written == people / 100),
    )


def _statements(took: list[Took]) -> str:
    return f"{median(t.statements for t in took):.0f} statements"


def _against_other_ways_of_writing(bench: Bench, company: Company) -> None:
    ours = bench.people / bench.series["first SQLite"][0][1]
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
        connection = rivals.embedded(Path(folder))
        singly = rivals.one_insert_each(connection, "Employees", company, 5)
        connection.execute("DELETE FROM Employees")
        seconds = rivals.all_by_executemany(connection, "Employees", company)
        connection.close()
    many = bench.people / seconds
    bench.add(
        "ingest",
        Row(
            "SQLite: rows a second of the first load",
            f"{ours:,.0f}",
            f"the first 5 pages by one INSERT for each row, each committed: {singly:,.0f}",
            f"{ours / singly:.0f} ×",
            **goal("8 ×", met=ours >= 8 * singly),
        ),
        Row(
            "SQLite: the same",
            f"{ours:,.0f}",
            f"page by page by executemany, nothing checked or compared: {many:,.0f}",
            f"{ours / many:.2f} ×",
        ),
    )


def _on_sql_server(bench: Bench) -> None:
    from tests.bench import sqlserver  # noqa: PLC0415 - without a server no driver is needed

    with Company(bench.people) as company, sqlserver.scratch(bench.sqlserver, bench.times) as texts:
        bench.server = sqlserver.version(texts[0])
        _ingest_on(bench, company, "T-SQL server", texts.__getitem__)
        ours = bench.people / bench.series["first T-SQL server"][0][1]
        singly, many = sqlserver.rivals_of(texts[0], company)
    bench.add(
        "ingest",
        Row(
            "T-SQL server: rows a second of the first load",
            f"{ours:,.0f}",
            f"the first page by one INSERT for each row: {singly:,.0f}",
            f"{ours / singly:.1f} ×",
            **goal("3 ×", met=ours >= 3 * singly),
        ),
        Row(
            "T-SQL server: the same",
            f"{ours:,.0f}",
            f"the first page by executemany, as the driver does by itself, row by row: {many:,.0f}",
            f"{ours / many:.1f} ×",
        ),
    )


# --- update -------------------------------------------------------------------------------------------------------


def update(bench: Bench) -> None:
    """A company that was sent: nothing, one of a hundred, or everybody changed since."""
    with graph(bench) as emulator:
        text = bridge.made(bench.folder / "sent")
        bridge.mirrored(text, range(bench.people))
        bridge.sent(settings_for(text, emulator))
        for by in ("content", "modified"):
            quiet = [_updated(bench, emulator, 0, by) for _ in range(bench.times)]
            changed = [_updated(bench, emulator, 1, by) for _ in range(bench.times)]
            bench.add("update", _quiet_update_row(bench, by, quiet), _changed_update_row(bench, by, changed, quiet))
        everybody = _updated(bench, emulator, 100, "content", "--limit", "5000")
        bench.add("update", _everybody_row(bench, everybody))


@dataclass(frozen=True)
class _Update:
    took: Took
    first_post: float | None
    operations: int
    calls: int


def _updated(bench: Bench, emulator: GraphEmulator, percent: int, by: str, *more: str) -> _Update:
    step = 100 // percent if percent else 0
    with bridge.copied(bench.folder / "sent", bench.folder / "update") as text:
        if step:
            bridge.mirrored(text, range(0, bench.people, step), lambda n: "Chief")
        before = len(emulator.accepted), len(emulator.calls)
        took = command(settings_for(text, emulator, UPDATE_BY=by), "update", *more)
    calls = emulator.calls[before[1] :]
    first = min(c.time for c in calls) - took.began if calls else None
    return _Update(took, first, len(emulator.accepted) - before[0], len(calls))


def _quiet_update_row(bench: Bench, by: str, quiet: list[_Update]) -> Row:
    seconds, peak = median(t.took.seconds for t in quiet), median(t.took.peak for t in quiet)
    calls = sum(t.calls for t in quiet)
    return Row(
        f"{bench.people:,} people, nothing changed, by {by}",
        f"{seconds:.1f} s, {calls} calls, {peak:.0f} MB",
        **goal("0 calls", met=calls == 0),
    )


def _changed_update_row(bench: Bench, by: str, changed: list[_Update], quiet: list[_Update]) -> Row:
    wanted = bench.people // 100
    exact = all(t.operations == wanted and t.calls == -(-wanted // 50) for t in changed)
    first, peak = median(t.first_post or 0 for t in changed), median(t.took.peak for t in changed)
    more = median(t.took.statements for t in changed) - median(t.took.statements for t in quiet)
    trips = more / (wanted / 50)
    most = 5 if bench.people <= USUAL else math.inf
    in_time = f"first call within {most} s, " if bench.people <= USUAL else ""
    return Row(
        f"{bench.people:,} people, 1 % changed, by {by}",
        f"first call after {first:.1f} s, {changed[0].operations:,} operations in {changed[0].calls} calls, "
        f"{trips:.1f} round trips a request, {peak:.0f} MB",
        f"a quiet run's {median(t.took.seconds for t in quiet):.1f} s",
        "",
        **goal(f"{wanted:,} operations, {in_time}6 round trips", met=exact and first <= most and trips <= 6),
    )


def _everybody_row(bench: Bench, one: _Update) -> Row:
    return Row(
        f"{bench.people:,} people, all changed, 5,000 of them sent (`--limit`)",
        f"first call after {one.first_post or 0:.1f} s, {one.operations:,} operations in {one.calls} calls, "
        f"{one.took.peak:.0f} MB",
        **goal("5,000 operations in 100 calls", met=(one.operations, one.calls) == (5_000, 100)),
    )


# --- build --------------------------------------------------------------------------------------------------------


def build(bench: Bench) -> None:
    """SCIM users from rows of the view, against two others from HR's records."""
    people = rivals.people(10_000)
    with graph(bench) as emulator:
        text = bridge.made(bench.folder / "build")
        bridge.mirrored(text, range(len(people)))
        settings = Settings.from_environ(settings_for(text, emulator))
    with database.connect(text) as db:
        mapping = runs.compiled(db, settings)
        rows = [p.row for p in ledger.Ledger(db, "bench/bench", "bench").people(mapping)]
    zone = settings.time_zone
    ours = _a_second(bench, lambda: [mapping.user(row, True, zone) for row in rows], len(rows))
    users = [mapping.user(row, True, zone) for row in rows]
    bodies = _a_second(bench, lambda: [_body(mapping, users[n : n + 50]) for n in range(0, len(users), 50)], len(rows))
    whole = 1 / (1 / ours + 1 / bodies)
    by_hand = _a_second(bench, lambda: [json.dumps(rivals.literal(one)) for one in people], len(people))
    library = _a_second(bench, lambda: [rivals.by_scim2_models(one) for one in people], len(people))
    told = "typed and checked, hashed, as bulk requests"
    bench.add(
        "build",
        Row(
            "SCIM users a second, typed, checked and hashed: whether somebody changed",
            f"{ours:,.0f}",
            f"a literal dictionary and json.dumps, nothing checked: {by_hand:,.0f}",
            f"{ours / by_hand:.2f} ×",
        ),
        Row(f"{told}", f"{whole:,.0f}", f"the same: {by_hand:,.0f}", f"{whole / by_hand:.2f} ×"),
        Row(f"{told}", f"{whole:,.0f}", f"scim2-models: {library:,.0f}", f"{whole / library:.1f} ×"),
    )


def _body(mapping: scim.ScimMapping, users: list[scim.User]) -> bytes:
    return scim.bulk_request([(u.employee_id, mapping.resource(u)) for u in users])


def _a_second(bench: Bench, action: Callable[[], Any], count: int) -> float:
    """How many in a second of the processor's time."""
    took = []
    for _ in range(bench.times):
        began = time.process_time()
        action()
        took.append(time.process_time() - began)
    return count / median(took)


# --- start --------------------------------------------------------------------------------------------------------

IMPORT = """
import sys, time
sys.modules["click"] = None  # httpx takes it along where it is installed, as it is for the tests; it is not deployed
began = time.perf_counter()
import function_app
seconds = time.perf_counter() - began
from tests.bench.watched import peak_megabytes
heavy = [name for name in ("azure.identity", "pyodbc", "jsonschema") if name in sys.modules]
print(seconds, len(sys.modules), peak_megabytes(), *heavy)
"""

RESYNCS = """
import contextlib, io, json, sys, time
from provisioning.__main__ import main
took = []
for n in range(int(sys.argv[1])):
    began = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = main(["resync", f"E{n:07d}"])
    took.append(time.perf_counter() - began)
    assert code == 0, n
print(json.dumps(took))
"""


def start(bench: Bench) -> None:
    """What a fresh process takes, and one person forced through, again and again."""
    bench.add("start", _import_row(bench))
    latency = 0.2
    with graph(bench, latency) as emulator:
        text = bridge.made(bench.folder / "resync")
        bridge.mirrored(text, range(2_000))
        environ = settings_for(text, emulator)
        bridge.sent(environ)
        first = median(command(environ, "resync", f"E{1_999 - n:07d}").seconds for n in range(bench.times))
        took = sorted(json.loads(_python(RESYNCS, environ, str(bench.resyncs))))
        busy = median(_busy(environ) for _ in range(bench.times))
    p50, p95 = (took[int(len(took) * share)] - latency for share in (0.5, 0.95))
    bench.add(
        "start",
        Row(
            "the first resync, from the start of its process to its end",
            f"{first:.2f} s",
            f"Graph's latency, {latency} s",
        ),
        Row(
            f"{len(took)} resyncs one after the other, beyond Graph's latency",
            f"p50 {p50 * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms",
            f"Graph's latency, {latency * 1000:.0f} ms",
            "",
            **goal("p95 100 ms", met=p95 <= 0.1),
        ),
        Row(
            "a run that finds another at work, from the start of its process to its end",
            f"{busy:.2f} s",
            **goal("2 s", met=busy < 2),
        ),
    )


def _import_row(bench: Bench) -> Row:
    imports = [_python(IMPORT, {}).split() for _ in range(2 * bench.times + 1)]
    seconds, modules, peak = (median(float(one[n]) for one in imports) for n in range(3))
    heavy = sorted({name for one in imports for name in one[3:]})
    return Row(
        "import of function_app in a fresh process",
        f"{seconds:.2f} s, {modules:.0f} modules, {peak:.0f} MB",
        **goal("0.4 s, without azure-identity and pyodbc", met=seconds <= 0.4 and not heavy),
    )


def _busy(environ: Mapping[str, str]) -> float:
    """Seconds in which an `update` says that another run is at work."""
    settings = Settings.from_environ(environ)
    assert settings.bulk_upload
    with database.connect(settings.sql_connection_string) as db:
        lease = ledger.Lease(f"send {settings.bulk_upload.target}", "another run")
        assert lease.acquire(db)
        took = command(environ, "update", codes=(4,))
        lease.drop(db)
    return took.seconds


def _python(code: str, environ: Mapping[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={"PATH": os.environ["PATH"], **environ},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


# --- growth -------------------------------------------------------------------------------------------------------


def growth(bench: Bench) -> None:
    """Processor seconds of a quiet ingest and a quiet update, beyond those for one person, by the number of people."""
    with graph(bench) as emulator:
        empty = bridge.made(bench.folder / "grow-0")
        with Company(1, 0.0) as company:
            least_ingest = median(_quiet_ingest(empty, company) for _ in range(bench.times))
        least_update = median(_quiet_update(empty, emulator) for _ in range(bench.times))
        for people in bench.sizes:
            text = bridge.made(bench.folder / f"grow-{people}")
            bridge.mirrored(text, range(people))
            bridge.sent(settings_for(text, emulator))
            with Company(people, 0.0) as company:
                ingested = median(_quiet_ingest(text, company) for _ in range(bench.times)) - least_ingest
            updated = median(_quiet_update(text, emulator) for _ in range(bench.times)) - least_update
            bench.series.setdefault("ingest", []).append((people, max(0.001, ingested)))
            bench.series.setdefault("update", []).append((people, max(0.001, updated)))
    least, most = bench.sizes[0], bench.sizes[-1]
    for part in ("ingest", "update"):
        points = bench.series[part]
        power = exponent(points)
        told = ", ".join(f"{seconds:.2f} s for {people:,}" for people, seconds in points)
        row = Row(f"{part}, nothing changed, from {least:,} to {most:,} people", told, "", f"exponent {power:.2f}")
        bench.add("growth", Row(**{**vars(row), **goal("exponent 1.05", met=power <= 1.05)}))


def _quiet_ingest(text: str, company: Company) -> float:
    return command({"SQL_CONNECTION_STRING": text, "HR_SOURCE": company.source, TWICE: "1"}, "ingest").cpu


def _quiet_update(text: str, emulator: GraphEmulator) -> float:
    return command(settings_for(text, emulator, **{TWICE: "1"}), "update").cpu


PARTS: Mapping[str, Callable[[Bench], None]] = {
    "upload": upload,
    "ingest": ingest,
    "update": update,
    "build": build,
    "start": start,
    "growth": growth,
}
