"""`make console`: the operators' page on this machine, filled with an invented fortnight (tests/fortnight.py).

The app answers as in production, through Microsoft's worker library; an HTTP server on loopback stands for the host.
"""

import os
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests import fortnight
from tests.host import Host, Visitor
from tests.worker import FunctionError, Worker

ROOT = Path(__file__).parent.parent
PORT = 7072


class Served(ThreadingHTTPServer):
    """Many connections, since browsers open some that they do not use; one call at a time, as the library wants it."""

    host: Host
    one_at_a_time = threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    server: Served
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def _answer(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        try:
            with self.server.one_at_a_time:
                self.server.host.site = f"http://{self.headers['Host']}"  # as func start takes it from there, too
                found = self.server.host.call(Visitor(headers=dict(self.headers)), method, self.path, body)
        except LookupError:
            self.send_error(404)
            return
        except FunctionError:
            self.send_error(500)  # as the host does, with nothing of the error
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


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, fortnight.company(Path(folder)) as told:
        print(f"A fortnight in a company of {fortnight.PEOPLE} people passes …", flush=True)
        fortnight.live(told)
        os.environ.update(told.environ)
        with served() as server:
            print(f"http://127.0.0.1:{server.server_port}/api/console   (Ctrl-C stops)", flush=True)
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                print("stopped", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
