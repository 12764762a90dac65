"""`make start`: what is started, with which arguments and settings, and that nothing of it outlives Ctrl-C."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import start
from tests.conftest import NO_AZURITE

ROOT = Path(__file__).parent.parent
EXAMPLE = json.loads(start.EXAMPLE.read_text("utf-8"))["Values"]
REAL_GRAPH = EXAMPLE["GRAPH_BULK_UPLOAD_URL"].replace("http://127.0.0.1:8072", "https://graph.microsoft.com")
REAL_STORAGE = "DefaultEndpointsProtocol=https;AccountName=contoso;EndpointSuffix=core.windows.net"

# Stands for a program that listens at ports, starts a worker, says what it was given, and ends on Ctrl-C.
STUB = """#!{python} -IS
import json, os, signal, socket, subprocess, sys, threading, time
name = os.path.basename(sys.argv[0])
WORKER = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL); time.sleep(120)"
behaviour = os.environ.get("STUB_" + name.upper(), "")
if behaviour == "fails":
    sys.exit(3)
if behaviour == "stubborn":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    WORKER = "import time; time.sleep(120)"  # it ignores Ctrl-C, too, as whoever starts it does
worker = subprocess.Popen([sys.executable, "-IS", "-c", WORKER])
def answer(server):
    body = b'{{"state": "Running", "jobs": {{"ingest": {{"exit_code": 0, "counts": {{"fetched": 1000}}}}}}}}'
    while True:
        connection, _ = server.accept()
        with connection:
            connection.settimeout(1)
            try:
                if connection.recv(1000):
                    connection.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body))
            except OSError:
                pass
ports = [sys.argv[n + 1] for n, word in enumerate(sys.argv) if word.lower().endswith("port")]
for port in ports:
    server = socket.create_server(("127.0.0.1", int(port)))
    threading.Thread(target=answer, args=(server,), daemon=True).start()
told = {{"args": sys.argv[1:], "pids": [os.getpid(), worker.pid], "environ": dict(os.environ), "cwd": os.getcwd()}}
with open(name + ".tmp", "w") as file:
    json.dump(told, file)
os.rename(name + ".tmp", name + ".json")
try:
    time.sleep(120)
except KeyboardInterrupt:
    worker.wait()
"""


def free_ports(count: int) -> list[int]:
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in servers]
    for server in servers:
        server.close()
    return ports


class Folder:
    """A checkout's settings at free ports, programs that stand for `func` and `azurite`, and `make start` in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.hr, self.graph, self.blob, self.queue, self.table, self.host = free_ports(6)
        endpoints = zip(("Blob", "Queue", "Table"), (self.blob, self.queue, self.table), strict=True)
        self.values: dict[str, str] = {
            **EXAMPLE,
            "HR_SOURCE": EXAMPLE["HR_SOURCE"].replace("8071", str(self.hr)),
            "GRAPH_BULK_UPLOAD_URL": EXAMPLE["GRAPH_BULK_UPLOAD_URL"].replace("8072", str(self.graph)),
            "AzureWebJobsStorage": "".join(f"{n}Endpoint=http://127.0.0.1:{p}/devstoreaccount1;" for n, p in endpoints),
        }
        self.programs = path / "programs"
        self.programs.mkdir()
        self.started: list[subprocess.Popen[str]] = []

    def add(self, *names: str) -> None:
        for name in names:
            program = self.programs / name
            program.write_text(STUB.format(python=sys.executable), "utf-8")
            program.chmod(0o755)

    def start(self, *options: str, **environ: str) -> subprocess.Popen[str]:
        (self.path / "local.settings.json").write_text(json.dumps({"Values": self.values}), "utf-8")
        env = {"PATH": f"{self.programs}:/usr/bin:/bin", "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **environ}
        command = [sys.executable, "-m", "tests.start", "--port", str(self.host), *options]
        process = subprocess.Popen(command, cwd=self.path, env=env, stdout=-1, stderr=-1, text=True)
        self.started.append(process)
        return process

    def told(self, name: str) -> dict[str, Any]:
        """What a stub was given, as soon as it says so."""
        file = self.path / f"{name}.json"
        wait_until(file.exists)
        found: dict[str, Any] = json.loads(file.read_text("utf-8"))
        return found

    def answering(self) -> set[int]:
        ports = (self.hr, self.graph, self.blob, self.queue, self.table, self.host)
        return {port for port in ports if start._answers(port)}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path)
    yield made
    for process in made.started:
        process.kill()
        process.communicate()
    for file in filter(Path.exists, (tmp_path / "func.json", tmp_path / "azurite.json")):
        for pid in json.loads(file.read_text("utf-8"))["pids"]:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


def wait_until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_all_are_started_as_the_settings_say_and_none_outlives_ctrl_c(folder: Folder, number: signal.Signals) -> None:
    folder.add("func", "azurite")
    process = folder.start("--debug", "--only", "update_employees", "get_status")
    func, azurite = folder.told("func"), folder.told("azurite")
    assert len(folder.answering()) == 6
    assert process.stdout is not None
    assert any(line.startswith("ready: ") for line in process.stdout)  # .vscode/tasks.json waits for it
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert folder.answering() == set()
    assert not any(map(alive, [*func["pids"], *azurite["pids"]]))
    assert func["args"] == ["start", "--port", str(folder.host), "--functions", "update_employees", "get_status"]
    assert func["cwd"] == str(folder.path)  # where it finds local.settings.json
    assert func["environ"]["languageWorkers__python__arguments"] == "-m debugpy --listen 127.0.0.1:9091"
    assert func["environ"]["PATH"].split(":")[0] == str(Path(sys.executable).parent)
    assert "SQL_CONNECTION_STRING" not in func["environ"]  # it takes the settings from the file, as ever
    assert azurite["args"] == [
        *("--silent", "--skipApiVersionCheck", "--location", ".azurite"),
        *("--blobPort", str(folder.blob), "--queuePort", str(folder.queue), "--tablePort", str(folder.table)),
    ]


def test_where_one_ends_the_others_are_stopped_and_it_is_named(folder: Folder) -> None:
    folder.add("func", "azurite")
    process = folder.start(STUB_FUNC="fails")
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (1, "func has ended with 3: the others are stopped.\n")
    assert not any(map(alive, folder.told("azurite")["pids"]))
    assert folder.answering() == set()


def test_a_storage_that_does_not_come_up_starts_no_host(folder: Folder) -> None:
    folder.add("func", "azurite")
    process = folder.start(STUB_AZURITE="fails")
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (1, "azurite has ended with 3: the others are stopped.\n")
    assert not (folder.path / "func.json").exists()


def test_who_does_not_end_by_itself_is_killed_with_its_workers(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.add("func")
    monkeypatch.chdir(folder.path)
    running = start.Running()
    part = start._host(folder.host, (), debug=False)
    running.start(start.Part("func", (str(folder.programs / "func"), *part.command[1:]), {}, {"STUB_FUNC": "stubborn"}))
    pids = folder.told("func")["pids"]
    running.end(seconds=0.1)
    wait_until(lambda: not any(map(alive, pids)), seconds=5)  # the kernel takes its moment


def test_without_core_tools_or_node_it_says_what_to_install_and_starts_nothing(folder: Folder) -> None:
    process = folder.start(PATH=str(folder.programs))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "npm install --global azure-functions-core-tools@4" in err
    assert "Node.js 22" in err
    assert "Traceback" not in err
    assert out == ""
    assert folder.answering() == set()


def test_a_port_that_is_taken_is_named_before_anything_is_started(folder: Folder) -> None:
    folder.add("func", "azurite")
    with socket.create_server(("127.0.0.1", folder.graph)):
        process = folder.start()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.startswith(f"port {folder.graph}, for the emulated Graph, is taken")
    assert len(err.splitlines()) == 1
    assert out == ""
    assert not (folder.path / "azurite.json").exists()


def test_settings_that_cannot_be_read_are_named(folder: Folder) -> None:
    folder.add("func", "azurite")
    (folder.path / "local.settings.json").write_text("{", "utf-8")
    command = [sys.executable, "-m", "tests.start"]
    env = {"PATH": str(folder.programs), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder.path, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("local.settings.json: is no readable JSON")


def commands(**values: str) -> dict[str, tuple[str, ...]]:
    return {part.name: part.command for part in start.parts({**EXAMPLE, **values}, port=7071)}


def test_the_example_needs_all_three_at_the_ports_it_names() -> None:
    found = start.parts(EXAMPLE, port=7071)
    assert [part.name for part in found] == ["emulators", "azurite", "func"]
    assert [port for part in found for port in part.ports.values()] == [8071, 8072, 10000, 10001, 10002, 7071]
    assert "--functions" not in found[-1].command
    assert "languageWorkers__python__arguments" not in found[-1].environ


def test_a_real_graph_is_not_emulated_and_the_rest_stays_so() -> None:
    found = commands(GRAPH_BULK_UPLOAD_URL=REAL_GRAPH)
    assert found["emulators"][-4:] == ("--hr-port", "8071", "--graph-port", "0")


def test_nothing_is_emulated_that_is_elsewhere() -> None:
    source = EXAMPLE["HR_SOURCE"].replace("http://127.0.0.1:8071", "https://hr.example")
    real = {"GRAPH_BULK_UPLOAD_URL": REAL_GRAPH, "HR_SOURCE": source, "AzureWebJobsStorage": REAL_STORAGE}
    assert list(commands(**real)) == ["func"]


def test_hr_source_may_be_a_file(tmp_path: Path) -> None:
    file = tmp_path / "source.json"
    file.write_text(EXAMPLE["HR_SOURCE"].replace("8071", "9999"), "utf-8")
    assert commands(HR_SOURCE=str(file))["emulators"][-3] == "9999"


def test_azurite_is_fetched_in_one_version_where_it_is_not_installed(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(folder.programs))
    assert commands()["azurite"][:3] == ("npx", "--yes", f"azurite@{start.AZURITE}")
    folder.add("azurite")
    assert commands()["azurite"][0] == "azurite"


def test_the_environment_goes_over_the_file_as_it_does_for_func_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRAPH_BULK_UPLOAD_URL", REAL_GRAPH)
    monkeypatch.setenv("HR_PASSWORD", "")
    found = start.settings()
    assert (tmp_path / "local.settings.json").read_bytes() == start.EXAMPLE.read_bytes()
    assert (found["GRAPH_BULK_UPLOAD_URL"], found["HR_PASSWORD"]) == (REAL_GRAPH, EXAMPLE["HR_PASSWORD"])


@pytest.mark.skipif(not shutil.which("azurite"), reason=NO_AZURITE)
def test_the_real_azurite_takes_these_options_and_ends_with_the_rest(folder: Folder) -> None:
    folder.add("func")
    azurite = Path(shutil.which("azurite") or "")
    process = folder.start(PATH=f"{folder.programs}:{azurite.parent}:{os.environ['PATH']}")
    folder.told("func")  # it is started as soon as the storage answers
    assert {folder.blob, folder.queue, folder.table} <= folder.answering()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert folder.answering() == set()
