"""`python -m tests.bench_outcomes [PEOPLE]`: the log of a day, with an entry of everybody, read and stored in one pass.

Prints seconds and the most memory of a process that reads 10,000 people's outcomes, and of one that reads them all; the
log is served over HTTP, page by page, the database is SQLite.
"""

import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from provisioning import database, migration
from tests.emulators.http import Emulator, Request, Response, json_response

PATH = "/v1.0/servicePrincipals/bench/synchronization/jobs/bench/bulkUpload"
TARGET = "bench/bench"
PEAK = """
import resource, sys
from provisioning.__main__ import main
code = main(["outcomes"])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


class Log(Emulator):
    """A provisioning log with a success of each person, and nothing else."""

    def __init__(self, people: int) -> None:
        super().__init__()
        self.people, self.began = people, dt.datetime.now(dt.UTC)

    def answer(self, request: Request) -> Response:
        query = parse_qs(urlsplit(request.target).query)
        start = int(query.get("$skiptoken", ["0"])[0])
        end = min(start + int(query["$top"][0]), self.people)
        page: dict[str, Any] = {"value": [self.entry(n) for n in range(start, end)]}
        if end < self.people:
            page["@odata.nextLink"] = f"{self.url}/v1.0/auditLogs/provisioning?$skiptoken={end}&$top={query['$top'][0]}"
        return json_response(200, page)

    def entry(self, n: int) -> dict[str, Any]:
        moment = self.began - dt.timedelta(hours=20) + dt.timedelta(seconds=n / 10)
        names = ("userPrincipalName", "displayName", "givenName", "surname", "jobTitle", "department", "accountEnabled")
        return {
            "id": f"00000000-0000-4000-8000-{n:012d}",
            "activityDateTime": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "changeId": f"change-{n}",
            "provisioningAction": "create",
            "provisioningStatusInfo": {"status": "success", "errorInformation": None},
            "provisioningSteps": [{"name": "EntryExportAdd", "description": "x" * 300, "details": {}}] * 3,
            "sourceIdentity": {"identityType": "User", "id": f"E{n:06d}", "displayName": "", "details": {}},
            "targetIdentity": {"identityType": "User", "id": f"object-{n}", "displayName": "", "details": {}},
            "modifiedProperties": [
                {"displayName": name, "oldValue": None, "newValue": f"{name} {n}"} for name in names
            ],
        }


def measure(people: int) -> tuple[float, float]:
    """Seconds and MB of a process that reads so many people's outcomes."""
    with tempfile.TemporaryDirectory() as folder, Log(people) as log:
        text = f"sqlite:///{folder}/bridge.db"
        with database.connect(text) as db:
            migration.migrate(db)
            fill(db, people, database.stamp(log.began - dt.timedelta(hours=21)))
        environ = {"SQL_CONNECTION_STRING": text, "GRAPH_BULK_UPLOAD_URL": log.url + PATH, "PATH": os.environ["PATH"]}
        began = time.monotonic()
        command = [sys.executable, "-c", PEAK]
        root = Path(__file__).parent.parent
        done = subprocess.run(command, env=environ, cwd=root, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - began
        if done.returncode or json.loads(done.stdout)["success"] != people:
            raise SystemExit(f"outcomes ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return seconds, int(done.stderr.splitlines()[-1]) / 1024


def fill(db: database.Database, people: int, sent_at: str) -> None:
    """A ledger as the first load leaves it."""
    with db.transaction():
        for n in range(people):
            db.execute(
                "INSERT INTO provisioning.ledger (target, employee_id, external_id, user_hash, scim_user, active, "
                "manager_known, sent_at, posted_at, run_id) VALUES (?, ?, ?, ?, ?, 1, 1, ?, ?, 'bench')",
                (TARGET, f"E{n:06d}", f"E{n:06d}", "h" * 64, json.dumps({"title": "x" * 800}), sent_at, sent_at),
            )


def main() -> None:
    everybody = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    for people in (10_000, everybody):
        seconds, megabytes = measure(people)
        print(f"{people:>8} people: {seconds:6.1f} s, {people / seconds:8.0f} a second, at most {megabytes:5.0f} MB")


if __name__ == "__main__":
    main()
