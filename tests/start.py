"""`make start`: the app as Azure runs it, on this machine. Both emulators, Azurite and `func start`, ended together.

What is started follows the settings, local.settings.json with the environment over it (as `func start` takes them):
an emulator where an address is on this machine, Azurite where the storage is.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from provisioning import hosts

ROOT = Path(__file__).parent.parent
SETTINGS = Path("local.settings.json")
EXAMPLE = ROOT / "local.settings.example.json"
AZURITE = "3.37.0"
AZURITE_PORTS = {"blob": 10000, "queue": 10001, "table": 10002}
DEBUG_PORT = 9091
STORAGE_SECONDS = 300.0
"""How long storage and emulators may take to answer: npx fetches Azurite the first time, 360 MB on disk."""

GRACE_SECONDS = 15.0
"""How long after Ctrl-C a part may take to end by itself."""

NO_FUNC = f"""`func` is not found: Azure Functions Core Tools 4 are missing. Any of
    npm install --global azure-functions-core-tools@4
    brew install azure/functions/azure-functions-core-tools@4
    winget install Microsoft.Azure.FunctionsCoreTools
Without them: `make demo`, `make console`, and every job by `python -m provisioning --settings {SETTINGS}`."""
NO_NPX = f"""`npx` is not found: Azurite, the storage on this machine, needs Node.js 22 or newer (https://nodejs.org).
Or, where you have it otherwise: npm install --global azurite@{AZURITE}"""


@dataclass(frozen=True, eq=False)
class Part:
    """One of the programs: its ports by what listens there, what its environment has more, how it is asked to end."""

    name: str
    command: tuple[str, ...]
    ports: Mapping[str, int]
    environ: Mapping[str, str] = field(default_factory=dict)
    ends_by: signal.Signals = signal.SIGINT


@dataclass
class Running:
    """The parts that were started, each at the head of a process group of its own."""

    processes: dict[Part, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, part: Part) -> None:
        environ = {**os.environ, **part.environ}
        # A session of its own: Ctrl-C reaches this program alone, which then ends them in order.
        self.processes[part] = subprocess.Popen(
            part.command, env=environ, stdin=subprocess.DEVNULL, start_new_session=True
        )

    def ended(self) -> tuple[str, int] | None:
        """Who has ended though nobody asked, and its exit code."""
        codes = ((part.name, process.poll()) for part, process in self.processes.items())
        return next(((name, code) for name, code in codes if code is not None), None)

    def end(self, seconds: float = GRACE_SECONDS) -> None:
        """Ctrl-C for each, with all that it started; whoever is still there after so many seconds is killed."""
        for part, process in reversed(self.processes.items()):
            _signal(process, part.ends_by)
        deadline = time.monotonic() + seconds
        for process in self.processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
        for process in self.processes.values():
            _signal(process, signal.SIGKILL)  # the group outlives its head where a worker hangs
            process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def main() -> int:
    """Start all, wait for Ctrl-C or the end of one, end all. 0 after Ctrl-C, else 1."""
    options = _options()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    found = settings()
    planned = parts(found, port=options.port, only=options.only, debug=options.debug)
    if problems := [*missing(planned), *taken(planned)]:
        print("\n".join(problems), file=sys.stderr)
        return 1
    if not prepare(found):
        return 1
    running = Running()
    try:
        return attend(running, planned, stop)
    finally:
        running.end()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.start", description=__doc__)
    parser.add_argument("--port", type=int, default=7071, help="of the Functions host (default: %(default)s)")
    parser.add_argument("--only", nargs="+", metavar="FUNCTION", default=[], help="load these functions alone")
    parser.add_argument("--debug", action="store_true", help=f"let a debugger attach on port {DEBUG_PORT}")
    return parser.parse_args()


def settings() -> dict[str, str]:
    """What `func start` will go by. The file is made from the example where there is none."""
    if not SETTINGS.exists():
        shutil.copyfile(EXAMPLE, SETTINGS)
        print(f"{SETTINGS} is made, a copy of {EXAMPLE.name}: all of it emulated.", flush=True)
    try:
        values = json.loads(SETTINGS.read_text(encoding="utf-8-sig"))["Values"]
        told = {name: value for name, value in os.environ.items() if value}
        return {**{str(name): str(value) for name, value in values.items()}, **told}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        sys.exit(f"{SETTINGS}: is no readable JSON file with Values; {EXAMPLE.name} shows one.")


def parts(found: Mapping[str, str], *, port: int, only: Sequence[str] = (), debug: bool = False) -> list[Part]:
    """What these settings need, in the order in which it is started."""
    needed = [_emulators(found), _azurite(found.get("AzureWebJobsStorage", "")), _host(port, only, debug=debug)]
    return [part for part in needed if part]


def _emulators(found: Mapping[str, str]) -> Part | None:
    hr, graph = (
        _loopback_port(_base_url(found.get("HR_SOURCE", ""))),
        _loopback_port(found.get("GRAPH_BULK_UPLOAD_URL")),
    )
    if not hr and not graph:
        return None
    command = (sys.executable, "-m", "tests.emulators", "--hr-port", str(hr), "--graph-port", str(graph))
    ports = {"the emulated HR": hr, "the emulated Graph": graph}
    password = {"EMULATOR_HR_PASSWORD": found["HR_PASSWORD"]} if found.get("HR_PASSWORD") else {}
    listening = {what: port for what, port in ports.items() if port}
    return Part("emulators", command, listening, password, signal.SIGTERM)  # which tells no traceback while it begins


def _base_url(source: str) -> str:
    """Where HR is by HR_SOURCE, JSON or a file of it; '' for what the app itself will find fault with."""
    try:
        text = source if source.lstrip().startswith("{") else Path(source).read_text(encoding="utf-8")
        return str(json.loads(text)["client"]["base_url"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _loopback_port(url: str | None) -> int:
    """The port of an address on this machine, else 0."""
    try:
        parts = urlsplit(url or "")
        return (parts.port or 80) if parts.hostname and hosts.is_loopback(parts.hostname) else 0
    except ValueError:
        return 0


def _azurite(storage: str) -> Part | None:
    """The storage emulator; at other ports than its usual ones where the connection string names them."""
    ports = dict(AZURITE_PORTS) if storage.strip().lower() == "usedevelopmentstorage=true" else _endpoints(storage)
    if not ports:
        return None
    program = ("azurite",) if shutil.which("azurite") else ("npx", "--yes", f"azurite@{AZURITE}")
    where = [text for name in AZURITE_PORTS for text in (f"--{name}Port", str(ports.get(name, 0)))]
    command = (*program, "--silent", "--skipApiVersionCheck", "--location", ".azurite", *where)
    return Part("azurite", command, {f"Azurite's {name}": port for name, port in ports.items()})


def _endpoints(storage: str) -> dict[str, int]:
    pairs = (re.search(rf"(?i)(?:^|;)\s*{name}Endpoint=([^;]+)", storage) for name in AZURITE_PORTS)
    ports = {name: _loopback_port(match[1]) for name, match in zip(AZURITE_PORTS, pairs, strict=True) if match}
    return {name: port for name, port in ports.items() if port}


def _host(port: int, only: Sequence[str], *, debug: bool) -> Part:
    folder = Path(sys.executable).parent
    environ = {"VIRTUAL_ENV": str(folder.parent), "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"}
    ports = {"the Functions host": port}
    if debug:
        environ["languageWorkers__python__arguments"] = f"-m debugpy --listen 127.0.0.1:{DEBUG_PORT}"
        ports["the debugger"] = DEBUG_PORT
    command = ("func", "start", "--port", str(port), *(["--functions", *only] if only else []))
    return Part("func", command, ports, environ)


def missing(planned: Iterable[Part]) -> list[str]:
    """What must be installed first."""
    told = {"func": NO_FUNC, "npx": NO_NPX}
    programs = [part.command[0] for part in planned]
    return [told[name] for name in programs if name in told and not shutil.which(name)]


def taken(planned: Iterable[Part]) -> list[str]:
    """The ports at which somebody else answers already."""
    return [
        f"port {port}, for {what}, is taken: end what listens there (lsof -i :{port}), or an earlier `make start`."
        for part in planned
        for what, port in part.ports.items()
        if _answers(port)
    ]


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def prepare(found: Mapping[str, str]) -> bool:
    """Bring the embedded database up to date; another one is its owner's to migrate. False where that failed."""
    if not found.get("SQL_CONNECTION_STRING", "").startswith("sqlite:"):
        print(f"The database is not migrated here: python -m provisioning --settings {SETTINGS} migrate", flush=True)
        return True
    command = [sys.executable, "-m", "provisioning", "--settings", str(SETTINGS), "migrate"]
    return subprocess.run(command, check=False).returncode == 0


def attend(running: Running, planned: Sequence[Part], stop: threading.Event) -> int:
    """Start one after the other, say when all is ready, and stay until Ctrl-C (0) or until one of them ends (1)."""
    *before, host = planned
    for part in before:
        running.start(part)
    if late := _late(running, before, stop):
        print(f"{late} does not answer after {STORAGE_SECONDS:.0f} s: all are stopped.", file=sys.stderr, flush=True)
        return 1
    if not stop.is_set() and not running.ended():
        running.start(host)
        threading.Thread(target=_tell_when_ready, args=(host, stop), daemon=True).start()
    while not stop.wait(0.2):
        if ended := running.ended():
            print(f"{ended[0]} has ended with {ended[1]}: the others are stopped.", file=sys.stderr, flush=True)
            return 1
    print("stopping", flush=True)
    return 0


def _late(running: Running, planned: Iterable[Part], stop: threading.Event) -> str:
    """Wait until every port answers, or need not be waited for any longer; what did not in time, or ''."""
    deadline = time.monotonic() + STORAGE_SECONDS
    for what, port in ((what, port) for part in planned for what, port in part.ports.items()):
        while not _answers(port) and not running.ended() and not stop.wait(0.1):
            if time.monotonic() > deadline:
                return what
    return ""


def _tell_when_ready(host: Part, stop: threading.Event) -> None:
    """One line as soon as the host runs; .vscode/tasks.json waits for it."""
    url = f"http://127.0.0.1:{host.ports['the Functions host']}"
    while not stop.wait(0.5):
        with contextlib.suppress(OSError, ValueError):
            with urllib.request.urlopen(f"{url}/admin/host/status", timeout=5) as reply:  # noqa: S310 - loopback
                if json.loads(reply.read())["state"] == "Running":
                    print(f"ready: {url}/api/console   (Ctrl-C stops all)", flush=True)
                    return


if __name__ == "__main__":
    sys.exit(main())
