"""What a first load would do, and what it then does at the emulated Entra, person by person."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from provisioning import __main__ as command_line
from provisioning import aftermath, comparing, jobs, plan
from provisioning.database import Database
from provisioning.people import Job
from provisioning.settings import Settings
from tests import compared
from tests.clock import MovedClock
from tests.conftest import NAMED, UNGUARDED
from tests.emulators.entra import Directory
from tests.emulators.graph import GraphEmulator
from tests.emulators.tenant import LIFECYCLE_ROLE, USERS_ROLE

PEOPLE = 2000
Bridge = Callable[..., Settings]
SETTINGS = {**UNGUARDED, "PREHIRE_ACTIVE": "false"}
FAILURES = {"clash": "AzureActiveDirectoryDuplicateUserPrincipalName", "doubled": "DuplicateTargetEntries"}
IN_THE_LOG = {"userPrincipalName": "userName", "employeeId": "externalId", "accountEnabled": "active"}


@dataclass
class Existing:
    """A company whose users exist, most of them under other keys than HR's; `kinds`: kind → EmployeeIds."""

    db: Database
    directory: Directory
    settings: Settings
    clock: MovedClock
    kinds: dict[str, list[str]]

    def __init__(self, db: Database, directory: Directory, settings: Settings, clock: MovedClock) -> None:
        self.db, self.directory, self.settings, self.clock, self.kinds = db, directory, settings, clock, {}

    def employ(self, **kinds: int) -> None:
        """So many people of each kind, spread over the whole company; the rest is new over there."""
        rows = compared.invented(PEOPLE, self.clock.utc_now().date())
        order = iter(sorted(range(PEOPLE), key=lambda n: (n * 7919) % PEOPLE))
        for kind, count in kinds.items():
            chosen = [rows[next(order)] for _ in range(count)]
            self.kinds[kind] = [str(row["EmployeeId"]) for row in chosen]
            for row in chosen:
                row |= {"starting": {"ValidFrom": "2026-11-25"}, "leaver": {"Active": 0}}.get(kind, {})
        compared.employ(self.db, rows)

    def settle(self) -> None:
        """Everybody of a kind has an account, just as she would be sent; then it is changed by hand, kind by kind."""
        at_hand = compared.work(self.settings, self.db, self.clock)
        people = {p.employee_id: p for p in at_hand.book.people(at_hand.mapping)}
        zone = self.settings.time_zone
        existing = [i for ids in self.kinds.values() for i in ids]
        users = [at_hand.mapping.user(people[i].row, True, zone) for i in existing]
        self.directory.settle([at_hand.mapping.resource(user) for user in users])
        by_id = {i: self.directory.object_id(i) for i in existing}
        for kind, ids in self.kinds.items():
            for n, one in enumerate(ids):
                self.directory.edit(by_id[one], **self.changes(kind, n, one))
        there = self.directory.users_by_key
        for user in self.directory.accounts:  # a manager who is not there is nobody's
            manager = user.state.get("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value")
            if manager and manager.casefold() not in there:
                self.directory.edit(user.object_id, manager=None)

    def changes(self, kind: str, n: int, one: str) -> dict[str, Any]:
        """What is another over there than HR's, of the n-th of a kind."""
        if kind == "edited":
            edits = ({"department": "Before"}, {"jobTitle": None, "city": "Utrecht"}, {"manager": None})
            more = ({"mail": f"before.{n}@contoso.example"}, {"accountEnabled": False})
            return (*edits, *more)[n % 5]
        if kind == "named":  # found by her key, under another user name
            return {"userPrincipalName": f"person.{n}@contoso.example"}
        if kind == "taken":  # so is she, and another account has the name that she would get
            self.directory.edit(self.directory.object_id(one), userPrincipalName=f"known.{n}@contoso.example")
            self.directory.plant({"userPrincipalName": f"{one}@contoso.example", "displayName": "A room"})
            return {}
        if kind == "doubled":
            self.directory.plant({"userPrincipalName": f"second.{n}@contoso.example", "employeeId": one})
        if kind == "by_name":
            return {"employeeId": None}
        if kind == "by_mail":
            return {"employeeId": f"OLD-{n}", "userPrincipalName": f"mailed.{n}@contoso.example"}
        if kind == "by_number":
            numbered = {"onPremisesExtensionAttributes": {"extensionAttribute9": one}, "mail": None}
            return {"employeeId": None, "userPrincipalName": f"numbered.{n}@contoso.example", **numbered}
        if kind == "by_near_key":
            near = {"employeeId": f"e {one[1:].lstrip('0')}", "mail": None}
            return {**near, "userPrincipalName": f"near.{n}@contoso.example"}
        return {}

    def run_to_the_end(self) -> None:
        """The first load, approved; then runs until nothing is due, and the log read."""
        jobs.create(self.settings, NAMED, clock=self.clock)
        for _ in range(4):
            aftermath.collect(self.settings, clock=self.clock)
            self.clock.move(hours=1)
            if not jobs.update(self.settings, clock=self.clock).counts["sent"]:
                return
        raise AssertionError("it never ends")

    def happened(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """What the log tells, entry by entry: externalId and entry."""
        return ((entry["sourceIdentity"]["id"], entry) for _, entry in self.directory.log)


@pytest.fixture
def existing(small: Database, bridge: Bridge, graph: GraphEmulator, clock: MovedClock) -> Existing:
    graph.roles |= {USERS_ROLE, LIFECYCLE_ROLE}
    return Existing(small, graph.directory(), bridge(**SETTINGS), clock)


def test_what_is_foreseen_for_2000_people_is_what_then_happens_to_each_of_them(
    existing: Existing, clock: MovedClock, tell: Callable[..., None]
) -> None:
    found = {"as_it_is": 300, "edited": 250, "named": 100, "starting": 40, "taken": 60, "doubled": 50}
    existing.employ(**found, by_name=300, by_mail=200, by_number=150, by_near_key=100, leaver=50)
    existing.settle()
    strangers = [existing.directory.plant({"userPrincipalName": f"nobody.{n}@contoso.example"}) for n in range(30)]
    result = comparing.compare(existing.settings, foresee=True, clock=clock)
    foreseen = {p["employee_id"]: p for p in result.people() if p["employee_id"]}
    counts = result.report.counts
    assert counts["people"] == PEOPLE == len(foreseen)
    before = {user.object_id for user in existing.directory.accounts}

    existing.run_to_the_end()

    made, failed, changed = Counter[str](), {}, dict[str, set[str]]()
    for employee_id, entry in existing.happened():
        status = entry["provisioningStatusInfo"]
        if status["status"] == "failure":
            failed[employee_id] = status["errorInformation"]["errorCode"]
        elif entry["provisioningAction"] == "create":
            made[employee_id] += 1
        else:
            names = {IN_THE_LOG.get(p["displayName"], p["displayName"]) for p in entry["modifiedProperties"]}
            changed.setdefault(employee_id, set()).update(names)
    under = {
        h: {i for i, p in foreseen.items() if p["heading"] == h} for h in {p["heading"] for p in foreseen.values()}
    }
    assert made == dict.fromkeys(under["created"] | under["beside"], 1)
    for heading, code in FAILURES.items():
        assert {i for i, c in failed.items() if c == code} == under[heading], heading
    assert failed.keys() == under["clash"] | under["doubled"]
    for employee_id in under["matched"]:
        told = {change["path"] for change in foreseen[employee_id]["attributes"].values()}
        assert changed.get(employee_id, set()) == told, employee_id
    assert changed.keys() - made.keys() == under["matched"]
    enabled = {u.object_id: u.state["active"] for u in existing.directory.accounts}
    for employee_id in under["left_enabled"]:
        assert enabled[foreseen[employee_id]["object_id"]]  # nobody was ever sent who has left: they stay as they are
    assert all(enabled[object_id] for object_id in strangers)

    ids = {kind: set(of) for kind, of in existing.kinds.items()}
    assert under["matched"] == ids["as_it_is"] | ids["edited"] | ids["named"] | ids["starting"]
    assert under["clash"] == ids["taken"] | ids["by_name"]
    assert under["beside"] == ids["by_mail"] | ids["by_number"] | ids["by_near_key"]
    assert (under["doubled"], under["left_enabled"]) == (ids["doubled"], ids["leaver"])
    new = len({user.object_id for user in existing.directory.accounts} - before)
    assert (counts["created"] + counts["beside"], counts["clash"], counts["disables"], counts["enables"]) == (
        *(new, len(failed) - counts["doubled"]),
        *(40, 50),
    )
    assert counts["without_hr"] == 30 + 60  # and the rooms
    assert counts["changed"] == sum(bool(changed.get(i)) for i in under["matched"])
    per_property = Counter(name for i in under["matched"] for name in foreseen[i]["attributes"])
    assert result.report.answer["attributes"] == dict(per_property)
    tell("people of a first load, foreseen as it came", PEOPLE, of=PEOPLE)


def test_nobody_is_sent_by_looking_ahead_and_nothing_is_noted(existing: Existing, clock: MovedClock) -> None:
    existing.employ(as_it_is=20)
    existing.settle()
    comparing.compare(existing.settings, foresee=True, clock=clock)
    assert list(existing.db.select("SELECT 1 FROM provisioning.runs", (), "runs")) == []
    assert existing.directory.log == []


def test_people_who_could_not_be_sent_are_told_with_the_reason_that_a_run_gives(
    existing: Existing, small: Database, clock: MovedClock
) -> None:
    compared.employ(small, compared.invented(10, clock.utc_now().date()))
    small.execute("UPDATE dbo.Employees SET Title = ? WHERE EmployeeId = 'E00002'", (b"\x00",))
    found = comparing.compare(existing.settings, foresee=True, clock=clock)
    parked = {p["employee_id"]: p["remarks"] for p in found.people() if p["heading"] == "parked"}
    at_hand = compared.work(existing.settings, small, clock)
    made = plan.make(at_hand.book.people(at_hand.mapping), at_hand.rules(Job.CREATE))
    assert parked == {p.employee_id: list(p.reasons) for p in made.parked}
    assert parked.keys() == {"E00002"}


def test_who_has_two_rows_is_not_sent_and_stands_there_once(
    existing: Existing, small: Database, clock: MovedClock
) -> None:
    compared.employ(small, compared.invented(10, clock.utc_now().date()))
    definition = next(iter(small.select("SELECT sql FROM dbo.sqlite_master WHERE name = 'ScimUsers'", (), "view")))[0]
    small.execute("DROP VIEW dbo.ScimUsers")
    joined = "FROM Employees AS e JOIN (SELECT 1 AS n UNION ALL SELECT 2) AS twice ON n = 1 OR e.EmployeeId = 'E00004'"
    small.execute(str(definition).replace("CREATE VIEW ", "CREATE VIEW dbo.").replace("FROM Employees AS e", joined))
    found = [p for p in comparing.compare(existing.settings, foresee=True, clock=clock).people() if p["employee_id"]]
    assert len(found) == 10
    assert [(p["employee_id"], p["remarks"]) for p in found if p["heading"] == "parked"] == [
        ("E00004", ["two rows of dbo.ScimUsers have this EmployeeId"])
    ]


def test_two_people_with_one_user_name_are_not_sent_as_a_run_would_not_send_them(
    existing: Existing, small: Database, clock: MovedClock
) -> None:
    compared.employ(small, compared.invented(10, clock.utc_now().date()))
    definition = next(iter(small.select("SELECT sql FROM dbo.sqlite_master WHERE name = 'ScimUsers'", (), "view")))[0]
    small.execute("DROP VIEW dbo.ScimUsers")
    small.execute(
        str(definition)
        .replace("CREATE VIEW ScimUsers", "CREATE VIEW dbo.ScimUsers")
        .replace(
            "COALESCE(u.UserName, e.EmployeeId) AS 'userName'",
            "CASE WHEN e.EmployeeId < 'E00003' THEN 'same' ELSE e.EmployeeId END AS 'userName'",
        )
    )
    found = comparing.compare(existing.settings, foresee=True, clock=clock)
    assert {p["employee_id"] for p in found.people() if p["heading"] == "parked"} == {"E00001", "E00002"}


def test_people_are_foreseen_under_the_user_names_that_a_run_would_give_them(
    existing: Existing, bridge: Bridge, small: Database, clock: MovedClock
) -> None:
    existing.employ(as_it_is=20, named=10)
    existing.settle()
    existing.directory.plant({"userPrincipalName": "zoe.nunez2@contoso.example", "displayName": "A namesake"})
    existing.settings = bridge(
        **SETTINGS,
        USER_NAME_PATTERNS="{given}.{family}, {given}.{family}{n}",
        USER_NAME_DOMAIN="contoso.example",
    )
    result = comparing.compare(existing.settings, foresee=True, clock=clock)
    assert list(small.select("SELECT 1 FROM dbo.UserNames", (), "names")) == []
    assert any(note.startswith("warning: no existing user name was taken over") for note in result.report.notes)
    foreseen = {p["employee_id"]: p for p in result.people() if p["employee_id"]}
    assert result.report.answer["attributes"]["userPrincipalName"] == 30

    existing.run_to_the_end()

    given = dict(small.select("SELECT EmployeeId, UserName FROM dbo.UserNames", (), "names"))
    renamed = {i: p["attributes"].get("userPrincipalName", {}).get("sent") for i, p in foreseen.items()}
    assert {i: p["user_name"] or renamed[i] for i, p in foreseen.items()} == given
    refused = {i for i, entry in existing.happened() if entry["provisioningStatusInfo"]["status"] == "failure"}
    assert refused == {i for i, p in foreseen.items() if p["heading"] == "clash"}
    assert {given[i] for i in refused} == {"zoe.nunez2@contoso.example"}


def test_the_page_for_the_change_board_says_what_would_change_for_how_many(
    existing: Existing, graph: GraphEmulator, sqlite_string: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    existing.employ(edited=10, by_name=5, leaver=3)
    existing.settle()
    path = tmp_path / "first-load.html"
    environ = {"SQL_CONNECTION_STRING": sqlite_string, "GRAPH_BULK_UPLOAD_URL": graph.upload_url, **SETTINGS}
    assert command_line.main(["compare", "--first-load", "--report", str(path)], environ) == 0
    line = json.loads(capsys.readouterr().out)
    assert (line["job"], line["matched"], line["clash"], line["left_enabled"]) == ("first-load", 10, 5, 3)
    html = path.read_text(encoding="utf-8")
    assert "<title>What the first load would do</title>" in html
    assert html.index("User name taken (5)") < html.index("Matched (10)") < html.index("How it was compared")
    assert "by an account that has no employeeId; it is perhaps hers: the same extensionAttribute3, userPrinc" in html
    assert '<td data-label="Attribute"><code>department</code></td><td data-label="People"><span>2</span></td>' in html
