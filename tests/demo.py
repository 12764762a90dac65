"""`make demo`: the whole way of a thousand people, step by step, on the embedded database and the emulators.

Runs the commands an operator types, as processes of their own, and fails when one person differs at the end. What HR
says is turned into what Entra should hold by `expected`, attribute by attribute, apart from the view.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from tests import departments
from tests.emulators import people
from tests.emulators.graph import GraphEmulator
from tests.emulators.hr import HrEmulator

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
HR = "urn:ietf:params:scim:schemas:extension:hr:2.0:User"
PASSWORD = "demo-password"  # of the emulator
EDITS = [f"E{n:05d}" for n in range(101, 126)]
LEAVERS = ["E00201", "E00202", "E00203"]
UNMAPPED, FORCED, REPORT, MANAGER = "E00301", "E00302", "E00303", "M00001"
MISTAKEN, OTHERS = [f"E{n:05d}" for n in range(401, 461)], [f"E{n:05d}" for n in range(501, 506)]
JOINERS, LATER = ["J00001", "J00002"], "J00003"
CLASHING = "J00004"
RENAMED, MEANWHILE = "O02", "E00701"
ROOT = Path(__file__).parent.parent


class Demo:
    """The emulators, an empty database, and what has been told so far."""

    def __init__(self, folder: str, hr: HrEmulator, graph: GraphEmulator, today: date) -> None:
        self.hr, self.graph, self.today = hr, graph, today
        self.began = time.monotonic()
        self.wrong = 0
        self.first_mail: dict[str, Any] = {}
        self.checkout = Path(folder) / "checkout"  # one's own, whose mapping is changed in the end
        for part in ("provisioning", "sql"):
            shutil.copytree(ROOT / part, self.checkout / part, ignore=shutil.ignore_patterns("__pycache__"))
        self.source = {
            "client": {
                "base_url": hr.url,
                "auth": {"type": "http_basic", "username": "svc", "password": "$HR_PASSWORD"},
                "paginator": {"type": "offset", "limit": 200, "total_path": "total"},
            },
            "resources": [
                {
                    "name": "Employees",
                    "primary_key": "EmployeeId",
                    "endpoint": {"path": "api/Employees", "data_selector": "data"},
                    "item_path": "api/Employees/{EmployeeId}",
                }
            ],
        }
        self.environ = {
            **{k: v for k, v in os.environ.items() if k in ("PATH", "SYSTEMROOT", "HOME", "LANG", "TMPDIR", "TEMP")},
            "SQL_CONNECTION_STRING": f"sqlite:///{folder}/bridge.db",
            "HR_SOURCE": json.dumps(self.source),
            "HR_PASSWORD": PASSWORD,
            "GRAPH_BULK_UPLOAD_URL": graph.upload_url,
        }

    def step(self, title: str) -> None:
        print(f"\n{title}", flush=True)

    def run(self, *verb: str, ends_with: int = 0, **expected: int) -> dict[str, Any]:
        """Run one command; say its counts; count it as wrong where they are not those expected."""
        command = [sys.executable, "-m", "provisioning", *verb]
        done = subprocess.run(command, env=self.environ, cwd=self.checkout, capture_output=True, text=True, check=False)
        if done.returncode != ends_with:
            raise SystemExit(f"{' '.join(verb)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        counts: dict[str, Any] = json.loads(done.stdout)
        told = ", ".join(f"{v} {k}" for k, v in counts.items() if isinstance(v, int) and (v or k in expected))
        off = {name: count for name, count in expected.items() if counts[name] != count}
        self.wrong += bool(off)
        remark = f"   WRONG, expected {off}" if off else ""
        ended = f"   exit {done.returncode}" if done.returncode else ""
        print(f"  {' '.join(verb):<16} {told or 'done'}{ended}{remark}", flush=True)
        for line in done.stderr.splitlines() if ends_with else ():
            if line.startswith(("held ", f"{verb[0]}: Employees", f"{verb[0]}: Organizations")):
                print(textwrap.fill(line, 110, initial_indent="    ", subsequent_indent="    "), flush=True)
        return counts

    def hold(self, kind: str, count: int) -> str:
        """The one hold that waits, as `holds` prints it."""
        (hold,) = self.run("holds")["holds"]
        self.check(f"one hold waits: {kind}, {count} people", (hold["class"], hold["count"]) == (kind, count))
        return str(hold["hold_id"])

    @property
    def users(self) -> dict[str, dict[str, Any]]:
        """What Entra holds."""
        return self.graph.directory().users

    def check(self, what: str, holds: bool) -> None:
        self.wrong += not holds
        print(f"  {'ok   ' if holds else 'WRONG'} {what}", flush=True)


def main() -> int:
    today = datetime.now(UTC).date()
    staff = people.invent(1000, today=today)
    next(p for p in staff if p["EmployeeId"] == REPORT)["ManagerId"] = MANAGER
    with (
        tempfile.TemporaryDirectory() as folder,
        HrEmulator(staff, {"basic": ("svc", PASSWORD)}) as hr,
        GraphEmulator() as graph,
    ):
        demo = Demo(folder, hr, graph, today)
        first_load(demo)
        quiet_round(demo)
        a_day_of_changes(demo)
        one_by_one(demo)
        a_mass_disable(demo)
        comparison(demo)
        what_came_of_it(demo)
        tables_of_their_own(demo)
        told = f"in {time.monotonic() - demo.began:.0f} s"
        print(f"\n{'Everything arrived' if not demo.wrong else f'{demo.wrong} THINGS WENT WRONG'}, {told}.")
        return 1 if demo.wrong else 0


def first_load(demo: Demo) -> None:
    demo.step("1  First load: 1,000 people through paging and auth")
    demo.run("migrate")
    demo.run("ingest", fetched=1000, inserted=1000, rejected=0)
    print("  Nobody is sent to a new target before somebody has said so:")
    demo.run("create", ends_with=3, held=1000, sent=0, calls=0)
    demo.run("approve", demo.hold("first_load", 1000), "--by", "Ada Approver")
    demo.run("create", sent=1000, calls=20, parked=0, held=0)
    print("  Two people manage each other or themselves; once they are there, their managers can be set:")
    demo.run("reconcile", sent=2, calls=1)
    demo.first_mail = {p["EmployeeId"]: p["Email"] for p in demo.hr.people}


def quiet_round(demo: Demo) -> None:
    demo.step("2  A quiet round: nothing changed, so nothing is written and nothing is called")
    demo.run("ingest", fetched=1000, inserted=0, updated=0, unchanged=1000)
    for verb in ("create", "update", "reconcile"):
        demo.run(verb, candidates=0, sent=0, calls=0)


def a_day_of_changes(demo: Demo) -> None:
    demo.step("3  A day in HR: 25 edits, 2 joiners due, 1 not yet, 3 leavers, 1 edit nobody maps, 1 manager hired late")
    edit_people(demo)
    before = len(demo.graph.accepted)
    demo.run("ingest", fetched=1004, inserted=4, updated=29, unchanged=971)
    demo.run("create", sent=3, calls=1)
    demo.run("update", sent=28, calls=1)
    demo.run("reconcile", sent=1, calls=1)
    arrived = [a.external_id for a in demo.graph.accepted[before:]]
    demo.check("the two joiners and the new manager arrived first", set(arrived[:3]) == {*JOINERS, MANAGER})
    demo.check("the three leavers went before the edits", set(arrived[3:6]) == set(LEAVERS))
    demo.check("exactly the 25 edited people followed", set(arrived[6:31]) == set(EDITS))
    demo.check("the report of the late manager was sent once more, nobody else", arrived[31:] == [REPORT])
    demo.check("the edit that nobody maps cost no operation", UNMAPPED not in arrived)
    demo.check("the joiner of next season is not there yet", LATER not in demo.graph.directory().users)


def edit_people(demo: Demo) -> None:
    hr, today = demo.hr, demo.today
    for n, employee_id in enumerate(EDITS):
        changes = [{"Title": f"Keeper of {n}"}, {"Name.LastName": f"O'Newname {n}"}, {"OrganizationName": "Åben Drift"}]
        hr.patch(employee_id, changes[n % 3])
    hr.patch(LEAVERS[0], {"Active": False, "TerminatedDate": f"{today}"})
    hr.patch(LEAVERS[1], {"ValidTo": f"{today - timedelta(days=1)}"})
    hr.patch(LEAVERS[2], {"Active": False, "ValidTo": f"{today - timedelta(days=2)}"})
    hr.patch(UNMAPPED, {"RowNumber": 4711})
    for employee_id, days in ((JOINERS[0], 2), (JOINERS[1], 7), (LATER, 90), (MANAGER, 0)):
        hr.put(newcomer(employee_id, today + timedelta(days=days)))


def newcomer(employee_id: str, start: date) -> dict[str, Any]:
    person = people.invent(1, seed=int(employee_id[1:]) + ord(employee_id[0]), today=start)[0]
    address = f"{employee_id.lower()}@contoso.example"
    dates = {"ValidFrom": f"{start}", "ValidTo": None, "HiredDate": f"{start}"}
    return {**person, **dates, "EmployeeId": employee_id, "Email": address, "ManagerId": None}


def one_by_one(demo: Demo) -> None:
    demo.step("4  One person forced through, straight from HR")
    demo.hr.patch(FORCED, {"Title": "Resynced"})
    answer = demo.run("resync", FORCED, sent=1, calls=1)
    demo.check("accepted, and changed", (answer["status"], answer["changed"]) == ("accepted", True))
    answer = demo.run("resync", FORCED, sent=1, calls=1)
    demo.check(
        "once more: accepted, though nothing changed", (answer["status"], answer["changed"]) == ("accepted", False)
    )


def a_mass_disable(demo: Demo) -> None:
    demo.step("5  Monday morning: HR says that 60 of them left, at once; 5 others were edited")
    gone = {p["EmployeeId"]: p for p in demo.hr.people if p["EmployeeId"] in MISTAKEN}
    for employee_id in MISTAKEN:
        demo.hr.patch(employee_id, {"Active": False})
    for n, employee_id in enumerate(OTHERS):
        demo.hr.patch(employee_id, {"Title": f"Warden of {n}"})
    before = len(demo.graph.accepted)
    demo.run("ingest", updated=65)
    demo.run("update", ends_with=3, candidates=65, held=60, sent=5, calls=1)
    arrived = {a.external_id for a in demo.graph.accepted[before:]}
    demo.check("exactly the 5 others were sent, nobody was disabled", arrived == set(OTHERS))
    hold = demo.hold("disables", 60)
    print("  Half of it was a mistake, which HR mends; the other half is true, and approved by name:")
    for employee_id in MISTAKEN[:30]:
        demo.hr.put(gone[employee_id])
    demo.run("ingest", updated=30)
    answer = demo.run("approve", hold, "--by", "Ada Approver")
    demo.check("the approval covers the 30 who are due as they were held", answer["covers"] == 30)
    demo.run("update", sent=30, held=0, calls=1)
    users = demo.graph.directory().users
    demo.check(
        "exactly those 30 are disabled", [users[i]["accountEnabled"] for i in MISTAKEN] == [True] * 30 + [False] * 30
    )
    print("  An answer that lacks 300 people is not believed at all:")
    everybody = demo.hr.people
    for person in everybody[:300]:
        demo.hr.remove(person["EmployeeId"])
    demo.run("ingest", ends_with=1, fetched=704, inserted=0, updated=0, missing=0)
    demo.run("update", candidates=0, calls=0)
    for person in everybody[:300]:
        demo.hr.put(person)


def comparison(demo: Demo) -> None:
    demo.step("6  HR says / Entra holds")
    users = demo.graph.directory().users
    wanted = {p["EmployeeId"]: expected(p, demo) for p in demo.hr.people if p["EmployeeId"] != LATER}
    differing = [e for e in sorted(wanted.keys() | users.keys()) if wanted.get(e) != users.get(e)]
    for employee_id in differing[:10]:
        ours, theirs = wanted.get(employee_id, {}), users.get(employee_id, {})
        print(f"  {employee_id}: {sorted(k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k))}")
    enabled = sum(u["accountEnabled"] for u in users.values())
    print(f"  HR says    {len(wanted)} people, {sum(w['accountEnabled'] for w in wanted.values())} of them active")
    print(f"  Entra has  {len(users)} people, {enabled} of them enabled")
    demo.check(f"{len(differing)} people differ", not differing)
    calls = demo.graph.calls
    limited = sum(c.status == 429 for c in calls)
    busiest = demo.graph.max_calls_in(5)
    demo.check(
        f"{len(calls)} calls in all, at most {busiest} in any 5 s, {limited} answers of 429",
        busiest <= 40 and not limited,
    )
    demo.check("nobody was in two requests at once", not demo.graph.violations)


def what_came_of_it(demo: Demo) -> None:
    demo.step("7  What came of it, from Entra's own log; of a joiner, too, whose user name an account made by hand has")
    demo.graph.directory().occupy(CLASHING)
    demo.hr.put(newcomer(CLASHING, demo.today))
    demo.run("ingest", inserted=1)
    demo.run("create", sent=1, calls=1)
    answer = demo.run("outcomes", failed=1, unconfirmed=0, recreated=0, unmatched=0)
    (failed,) = answer["failed_people"]
    for name in ("employee_id", "code", "reason", "recommended_action"):
        lines = textwrap.wrap(str(failed[name]), 84)
        print(f"    {name:<20} {lines[0]}", *(f"\n{'':<25}{line}" for line in lines[1:]), flush=True)
    demo.check("Graph said 202 to her, Entra's log says failure", failed["employee_id"] == CLASHING)
    print("  That account gets another name; she is sent once more, and it is clear what came of her:")
    demo.graph.directory().vacate(CLASHING)
    demo.run("retry-failed", failed=1, due=1)
    demo.run("update", sent=1, calls=1)
    demo.run("outcomes", success=1, failed=0, unconfirmed=0)
    demo.check("she has her account", CLASHING in demo.graph.directory().users)


def tables_of_their_own(demo: Demo) -> None:
    demo.step("8  Departments, positions and locations as tables of their own, joined in the mapping")
    demo.environ["HR_SOURCE"] = json.dumps(departments.with_departments(demo.source))
    demo.run("infer-table", "Jobs", records=4, columns=2)
    demo.run("migrate")
    demo.run("ingest", inserted=8 + 5 + 4, updated=0)
    mapping = demo.checkout / "sql" / "mapping.sql"
    mapping.write_text(departments.joined(mapping.read_text(encoding="utf-8")), encoding="utf-8")
    touched = demo.run("migrate", "--mapping")["mapping"]["people"]
    print(f"  {touched} people get another value, such as her position's where she has no title of her own.")
    demo.run("update", ends_with=3, sent=0)
    hold = next(h for h in demo.run("holds")["holds"] if h["class"] == "mapping")
    demo.run("approve", hold["hold_id"], "--by", "Ada Approver")
    demo.run("update", sent=hold["count"], held=0)
    print("  HR renames a department, and its endpoint fails the first time:")
    demo.hr.organizations = [
        o | ({"OrganizationName": "Treasury"} if o["OrganizationId"] == RENAMED else {}) for o in demo.hr.organizations
    ]
    demo.hr.patch(MEANWHILE, {"Title": "Somebody else's title"})
    demo.hr.fail_next(403, when=lambda path: "Organizations" in path)
    demo.run("ingest", ends_with=1, updated=1)
    demo.run("update", sent=1)
    demo.check("the employees were ingested all the same", demo.users[MEANWHILE]["title"] == "Somebody else's title")
    print("  An hour later it answers again:")
    demo.run("ingest", updated=1)
    wanted = {p["EmployeeId"] for p in demo.hr.people if p["OrganizationId"] == RENAMED} & demo.users.keys()
    demo.run("update", sent=len(wanted))
    found = {i for i, user in demo.users.items() if user.get(f"{ENTERPRISE}:department") == "Treasury"}
    demo.check(f"exactly the {len(wanted)} people of that department have its new name", found == wanted)


def expected(person: dict[str, Any], demo: Demo) -> dict[str, Any]:
    """What Entra should hold of a person, from HR's own record. Unset attributes are absent."""
    last_day = person["ValidTo"]
    active = person["Active"] and (last_day is None or last_day >= f"{demo.today}")
    leaves = person["TerminatedDate"] or last_day
    state = {
        "externalId": person["EmployeeId"],
        "userName": person["EmployeeId"],
        "active": active,
        "accountEnabled": active,
        "displayName": person["Name"]["FullName"],
        "name.givenName": person["Name"]["FirstName"],
        "name.middleName": person["Name"]["MiddleName"],
        "name.familyName": person["Name"]["LastName"],
        "nickName": person["NickName"],
        "title": person["Title"],
        "userType": person["JobType"]["Description"],
        "preferredLanguage": person["LanguageId"],
        'emails[type eq "work"].value': demo.first_mail.get(person["EmployeeId"], person["Email"]),
        'addresses[type eq "work"].formatted': person["Office"],
        'addresses[type eq "work"].locality': person["Location"]["Name"],
        f"{ENTERPRISE}:employeeNumber": person["EmployeeId"],
        f"{ENTERPRISE}:department": person["OrganizationName"],
        f"{ENTERPRISE}:manager.value": person["ManagerId"],
        f"{HR}:HireDate": f"{person['HiredDate']}T05:00:00Z" if person["HiredDate"] else None,
        f"{HR}:LeaveDate": f"{leaves}T22:00:00Z" if leaves else None,
    }
    return {name: value for name, value in state.items() if value not in (None, "")}


if __name__ == "__main__":
    sys.exit(main())
