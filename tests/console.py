"""`make console`: the operators' page on this machine, filled with the demo's data.

The app answers as in production, through Microsoft's worker library; an HTTP server on loopback stands for the host.
"""

import os
import sys
import tempfile
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from tests import demo
from tests.emulators import people
from tests.emulators.graph import GraphEmulator
from tests.emulators.hr import HrEmulator
from tests.host import Host, Visitor
from tests.worker import Worker

ROOT = Path(__file__).parent.parent
PORT = 7072


class Served(HTTPServer):
    """One request at a time, as the worker library wants it."""

    host: Host


class _Handler(BaseHTTPRequestHandler):
    server: Served
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def _answer(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.host.site = f"http://{self.headers['Host']}"  # as func start takes it from there, too
        try:
            found = self.server.host.call(Visitor(headers=dict(self.headers)), method, self.path, body)
        except LookupError:
            self.send_error(404)
            return
        self.send_response(found.status)
        for name, value in found.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(found.body or b"")))
        self.end_headers()
        self.wfile.write(found.body or b"")

    def log_message(self, *args: object) -> None:
        """Quiet: a page that is opened is no news."""


def served(port: int = PORT) -> Served:
    """The app behind a server on loopback, its settings those of the environment."""
    server = Served(("127.0.0.1", port), _Handler)
    server.host = Host(Worker(ROOT), f"http://127.0.0.1:{server.server_port}")
    return server


def fill(told: demo.Demo) -> None:
    """The demo as far as there is something to see: a hold that waits, somebody who failed, a change that is due."""
    demo.first_load(told)
    demo.a_day_of_changes(told)
    for employee_id in demo.MISTAKEN:
        told.hr.patch(employee_id, {"Active": False})
    told.graph.directory().occupy(demo.CLASHING)
    told.hr.put(demo.newcomer(demo.CLASHING, told.today))
    told.run("ingest")
    told.run("create")
    told.run("update", ends_with=3)
    told.run("outcomes")
    told.hr.patch(demo.OTHERS[0], {"Title": "Warden of the lighthouse"})
    told.run("ingest")


def main() -> int:
    today = datetime.now(UTC).date()
    with (
        tempfile.TemporaryDirectory() as folder,
        HrEmulator(people.invent(1000, today=today), {"basic": ("svc", demo.PASSWORD)}) as hr,
        GraphEmulator() as graph,
    ):
        told = demo.Demo(folder, hr, graph, today)
        hr.patch(demo.REPORT, {"ManagerId": demo.MANAGER})
        fill(told)
        os.environ.update(told.environ)
        with served() as server:
            print(f"\nhttp://127.0.0.1:{server.server_port}/api/console   (Ctrl-C stops)", flush=True)
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                print("stopped", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
