"""`python -m tests.bench_compare [PEOPLE]`: a directory of so many accounts compared, and a first load foreseen.

Prints seconds, those of the processor, and the most memory, of a process that compares 10,000 people and of one that
compares them all; each tenth has an attribute edited by hand, each hundredth another key. Graph answers over HTTP, a
page of 999 at a time; the database is SQLite.
"""

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from provisioning import database, migration
from provisioning.pacing import Clock
from provisioning.people import Job
from provisioning.settings import Settings
from tests import compared
from tests.emulators.app_schema import AppSchema
from tests.emulators.http import Emulator, Request, Response, json_response

PATH = "/v1.0/servicePrincipals/bench/synchronization/jobs/bench/bulkUpload"
PEAK = """
import re, resource, sys
from pathlib import Path
from provisioning.__main__ import main
code = main(sys.argv[1:])
status = Path("/proc/self/status")  # Linux: getrusage counts the process that started this one, too
found = re.search(r"VmHWM:\\s+(\\d+)", status.read_text()) if status.exists() else None
print(found[1] if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


class Tenant(Emulator):
    """A directory with everybody in it, and a provisioning app."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        super().__init__()
        self.rows, self.schema = rows, AppSchema().document("bench")

    def answer(self, request: Request) -> Response:
        query = parse_qs(urlsplit(request.target).query)
        if request.path.endswith("/schema"):
            return json_response(200, self.schema)
        if request.path.endswith("/delta"):
            link = f"{self.url}/v1.0/users/delta?$deltatoken=x"
            return json_response(200, {"value": [], "@odata.deltaLink": link})
        start = int(query.get("$skiptoken", ["0"])[0])
        end = min(start + 999, len(self.rows))
        page: dict[str, Any] = {"value": [self.user(n) for n in range(start, end)]}
        if end < len(self.rows):
            page["@odata.nextLink"] = f"{self.url}/v1.0/users?$skiptoken={end}"
        return json_response(200, page)

    def user(self, n: int) -> dict[str, Any]:
        row = self.rows[n]
        number, manager = row["EmployeeId"], row["ManagerId"]
        other = n % 100 == 99
        return {
            "id": _object_id(number),
            "accountEnabled": True,
            "userPrincipalName": f"{number}@contoso.example",
            "displayName": row["Name_FullName"],
            "mail": row["Email"],
            "mailNickname": number,
            "userType": "Member",
            "employeeId": None if other else number,
            "onPremisesSyncEnabled": None,
            "onPremisesSamAccountName": None,
            "givenName": row["Name_FirstName"],
            "surname": row["Name_LastName"],
            "jobTitle": "By hand" if n % 10 == 0 else row["Title"],
            "department": row["OrganizationName"],
            "officeLocation": row["Office"],
            "city": row["Location_Name"],
            "employeeType": row["JobType_Description"],
            "preferredLanguage": row["LanguageId"],
            "employeeHireDate": f"{row['HiredDate']}T05:00:00Z",
            "employeeLeaveDateTime": None,
            "onPremisesExtensionAttributes": {
                **{f"extensionAttribute{n}": None for n in range(4, 16)},
                "extensionAttribute2": row["NickName"],
                "extensionAttribute3": number,
            },
            **({"manager": {"id": _object_id(manager)}} if manager else {}),
        }


def _object_id(number: str) -> str:
    return f"00000000-0000-4000-8000-{re.sub(r'[^0-9]', '', number):0>12}"


def measure(people: int, *, first_load: bool) -> tuple[float, float, float]:
    """Seconds, those of the processor, and MB of a process that compares so many people, page and CSV included."""
    with tempfile.TemporaryDirectory() as folder, Tenant(compared.invented(people, datetime.now(UTC).date())) as tenant:
        text = f"sqlite:///{folder}/bridge.db"
        environ = {
            "SQL_CONNECTION_STRING": text,
            "GRAPH_BULK_UPLOAD_URL": tenant.url + PATH,
            "PATH": os.environ["PATH"],
        }
        with database.connect(text) as db:
            migration.migrate(db)
            compared.employ(db, tenant.rows)
            if not first_load:
                fill(db, Settings.from_environ(environ))
        files = ["--report", f"{folder}/report.html", "--csv", f"{folder}/people.csv"]
        verb = ["compare", *files, *(["--first-load"] if first_load else [])]
        began, before = time.monotonic(), processor_time()
        done = subprocess.run(
            [sys.executable, "-c", PEAK, *verb],
            env=environ,
            cwd=Path(__file__).parent.parent,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - began
        counts = json.loads(done.stdout) if done.stdout else {}
        if done.returncode or counts.get("people") != people:
            raise SystemExit(f"compare ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return seconds, processor_time() - before, int(done.stderr.splitlines()[-1]) / 1024


def processor_time() -> float:
    """Seconds that the processes started from here have worked."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def fill(db: database.Database, settings: Settings) -> None:
    """A ledger as the first load leaves it."""
    at_hand = compared.work(settings, db, Clock())
    rules = at_hand.rules(Job.CREATE)
    at = database.stamp(db.utc_now() - compared.SENT_BEFORE)
    made = []
    for person in at_hand.book.people(at_hand.mapping):
        user = at_hand.mapping.user(person.row, True, rules.time_zone)
        text = json.dumps(at_hand.mapping.resource(user))
        made.append((at_hand.target, user.employee_id, user.external_id, user.hash, text, at, at, at))
    with db.transaction():
        for values in made:
            db.execute(
                "INSERT INTO provisioning.ledger (target, employee_id, external_id, user_hash, scim_user, active, "
                "manager_known, sent_at, posted_at, answered_at, run_id) "
                "VALUES (?, ?, ?, ?, ?, 1, 1, ?, ?, ?, 'bench')",
                values,
            )


def main() -> None:
    everybody = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    for people in (10_000, everybody):
        for first_load in (False, True):
            seconds, worked, megabytes = measure(people, first_load=first_load)
            told = "first load" if first_load else "compared"
            effort = f"{seconds:6.1f} s, {worked:6.1f} s of them at work, at most {megabytes:5.0f} MB"
            print(f"{people:>8} people {told:>11}: {effort}", flush=True)


if __name__ == "__main__":
    main()
