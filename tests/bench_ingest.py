"""`python -m tests.bench_ingest [PEOPLE]`: a company read over cursor paging, 50 ms for a page of 1,000, into SQLite.

Prints the seconds of the first load, of a quiet round and of one where a tenth has changed, beside the time that the
server alone takes for its pages; the processor's seconds and the most memory of each process. For a tenth of the
people, and for all of them. Then the same people as CSV, over HTTP (gzip) and from a share.
"""

import gzip
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from provisioning import database, migration
from tests import processes
from tests.emulators.exports import Export
from tests.emulators.http import Emulator, Request, Response
from tests.emulators.paging import query

PAGE, SECONDS_A_PAGE = 1_000, 0.05


class Company(Emulator):
    """Pages of invented people by cursor, made beforehand so that a page costs nothing but its 50 ms."""

    def __init__(self, people: int) -> None:
        super().__init__()
        self.pages = [self.page(start, people) for start in range(0, people, PAGE)]
        self.people, self.busy, self._lock = people, 0.0, threading.Lock()
        self.csv = Export().written([person(n, "Engineer") for n in range(people)])
        self.zipped = gzip.compress(self.csv)

    def page(self, start: int, people: int, title: str = "Engineer") -> bytes:
        end = min(start + PAGE, people)
        following = str(end) if end < people else None
        records = [person(n, title if n % 10 == 0 else "Engineer") for n in range(start, end)]
        return json.dumps({"data": records, "cursors": {"next": following}}).encode()

    def promote(self) -> None:
        """Every tenth person gets another title."""
        self.pages = [self.page(start, self.people, "Chief") for start in range(0, self.people, PAGE)]

    def answer(self, request: Request) -> Response:
        began = time.monotonic()
        if request.path == "/people.csv":
            return Response(200, self.zipped, {"Content-Type": "text/csv", "Content-Encoding": "gzip"})
        start = int(query(request, {"cursor"}).get("cursor", "0"))
        time.sleep(SECONDS_A_PAGE)
        with self._lock:
            self.busy += time.monotonic() - began
        return Response(200, self.pages[start // PAGE], {"Content-Type": "application/json"})


def person(n: int, title: str) -> dict[str, Any]:
    first, last = ("Ana", "Bo", "Cleo", "Dag")[n % 4], f"Example{n:06d}"
    return {
        "EmployeeId": f"E{n:06d}",
        "Name": {"FirstName": first, "LastName": last, "FullName": f"{first} {last}"},
        "Email": f"{first}.{last}@contoso.example".lower(),
        "LanguageId": "nl-NL",
        "Gender": n % 3,
        "BirthDate": f"19{60 + n % 40}-0{1 + n % 9}-1{n % 10}",
        "CreatedDateTime": "2011-06-23T13:26:04Z",
        "ModifiedDateTime": "2026-11-01T08:00:00Z",
        "VersionStamp": n,
        "Active": True,
        "LocationId": f"L{n % 40:02d}",
        "Location": {"Name": "Berlin"},
        "ManagerId": f"E{n // 10:06d}",
        "OrganizationId": f"O{n % 90:02d}",
        "OrganizationName": "Research",
        "JobId": f"J{n % 70:02d}",
        "Job": {"Description": "Builds things"},
        "Title": title,
        "ValidFrom": "2011-06-23",
        "ValidTo": None,
        "HiredDate": "2011-06-23",
    }


def measure(environ: dict[str, str], company: Company, what: str) -> None:
    """Run `ingest` in a process of its own, and tell how long it took and how much memory."""
    company.busy = 0.0
    ended = processes.Started(environ, "ingest", fresh=True).end(1_000)
    if ended.code:
        raise SystemExit(f"ingest ended with {ended.code}:\n{ended.out}{ended.err}")
    written = ended.counts["inserted"] + ended.counts["updated"]
    times = f"{ended.wall / company.busy:4.1f} x" if company.busy else "beside"
    print(
        f"{company.people:>8} people, {what:<17} {ended.wall:6.1f} s, {times} the server's own "
        f"{company.busy:4.1f} s; {written:>7} rows written, "
        f"{ended.cpu:4.1f} s of processor, at most {ended.peak:4.0f} MB"
    )


def measure_all(people: int) -> None:
    with tempfile.TemporaryDirectory() as folder, Company(people) as company:
        text = f"sqlite:///{folder}/bridge.db"
        with database.connect(text) as db:
            migration.migrate(db)
        endpoint = {"path": "people", "data_selector": "data", "paginator": {"type": "cursor"}}
        source = {
            "client": {"base_url": company.url},
            "resources": [{"name": "Employees", "primary_key": "EmployeeId", "endpoint": endpoint}],
        }
        environ = {"SQL_CONNECTION_STRING": text, "HR_SOURCE": json.dumps(source), "PATH": os.environ["PATH"]}
        measure(environ, company, "first load")
        measure(environ, company, "quiet")
        company.promote()
        measure(environ, company, "a tenth new")


def measure_csv(people: int) -> None:
    with tempfile.TemporaryDirectory() as folder, Company(people) as company:
        (Path(folder) / "people.csv").write_bytes(company.csv)
        os.utime(Path(folder) / "people.csv", (0, 0))
        for what, address in (("CSV, HTTP", company.url), ("CSV, share", Path(folder).as_uri())):
            text = f"sqlite:///{folder}/{what[5:]}.db"
            with database.connect(text) as db:
                migration.migrate(db)
            endpoint = {"path": "people.csv", "format": "csv"}
            source = {
                "client": {"base_url": address},
                "resources": [{"name": "Employees", "primary_key": "EmployeeId", "endpoint": endpoint}],
            }
            environ = {"SQL_CONNECTION_STRING": text, "HR_SOURCE": json.dumps(source), "PATH": os.environ["PATH"]}
            measure(environ, company, what)
            measure(environ, company, f"{what}, quiet")


def main() -> None:
    everybody = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    for people in (everybody // 10, everybody):
        measure_all(people)
        measure_csv(people)


if __name__ == "__main__":
    main()
