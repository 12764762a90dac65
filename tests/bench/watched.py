"""`python -m tests.bench.watched VERB …`: a command as an operator types it, and what it took, as JSON on stderr."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from provisioning import database
from provisioning.__main__ import main

TWICE = "BENCH_TWICE"

_TRIPS = ("select", "execute", "batch", "write")
_NO_STATEMENT = ("begin", "commit")


@contextlib.contextmanager
def counted(engine: type[database.Database]) -> Iterator[Counter[str]]:
    """Counts the statements that go to a database, by name; a batch is one, and so is a chunk of rows."""
    found: Counter[str] = Counter()
    inside = [0]

    def counting(action: Callable[..., Any], place: int) -> Callable[..., Any]:
        def noted(self: Any, *given: Any, **named: Any) -> Any:
            name = given[place] if len(given) > place else "statement"
            if not inside[0] and name not in _NO_STATEMENT:
                found[name] += 1
            inside[0] += 1
            try:
                return action(self, *given, **named)
            finally:
                inside[0] -= 1

        return noted

    with mock.patch.multiple(
        engine, **{trip: counting(getattr(engine, trip), 0 if trip == "write" else 2) for trip in _TRIPS}
    ):
        yield found


def peak_megabytes() -> float:
    """The most memory this process ever had. What `getrusage` says includes that of the process it was forked from."""
    told = Path("/proc/self/status")
    if not told.exists():  # not Linux
        import resource  # noqa: PLC0415

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    match = re.search(r"VmHWM:\s+(\d+)", told.read_text(encoding="ascii"))
    return int(match[1]) / 1024 if match else 0.0


def run(arguments: list[str]) -> int:
    """Run the verb, tell what it took; with TWICE set, of a second time in this process, without its start."""
    began = 0.0
    if os.environ.get(TWICE):
        with contextlib.redirect_stdout(io.StringIO()):
            main(arguments)
        began = time.process_time()
    with counted(database.Sqlite) as embedded, counted(database.SqlServer) as server:
        code = main(arguments)
    took = {
        "cpu": time.process_time() - began,
        "peak": peak_megabytes(),
        "modules": len(sys.modules),
        "statements": dict(embedded + server),
    }
    print(json.dumps(took), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
