"""The cases of docs/cases.md, over the emulators: each test says what the emulated directory holds in the end."""

import ast
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from provisioning import by_hand, database, jobs, migration, renaming, review
from provisioning.errors import NotApprovable, UpstreamError
from provisioning.holds import Hold
from provisioning.jobs import EVERYBODY, Selection
from provisioning.runs import Report
from provisioning.settings import Settings
from tests.clock import MovedClock
from tests.conftest import NAMED, PASSWORD, approve_all
from tests.emulators import people
from tests.emulators.entra import CORE, ENTERPRISE, MANAGER
from tests.emulators.graph import GraphEmulator
from tests.emulators.hr import HrEmulator

CASES = Path(__file__).parent.parent / "docs" / "cases.md"
EVERYONE = {f"E{n:05d}" for n in range(1, 31)}
LEAVE_DATE = "urn:ietf:params:scim:schemas:extension:hr:2.0:User:LeaveDate"

NAME = "COALESCE(u.UserName, e.EmployeeId) AS 'userName'"
BY_MAIL = {NAME: "COALESCE(e.Email, e.EmployeeId) AS 'userName'"}
"""A userName that can change, as most companies have it."""

Remap = Callable[[Mapping[str, str]], Report]


@dataclass
class Bridge:
    """What lies between the emulators, and one verb for each job."""

    settings: Settings
    hr: HrEmulator
    graph: GraphEmulator
    clock: MovedClock

    def ingest(self) -> Report:
        return jobs.ingest(self.settings, clock=self.clock)

    def create(self, selection: Selection = EVERYBODY) -> Report:
        return jobs.create(self.settings, selection, clock=self.clock)

    def update(self) -> Report:
        return jobs.update(self.settings, clock=self.clock)

    def reconcile(self) -> Report:
        return jobs.reconcile(self.settings, clock=self.clock)

    def load(self) -> None:
        """Everybody goes, late managers too."""
        self.ingest()
        self.create(NAMED)
        self.reconcile()

    def hour(self) -> Report:
        """What the timers do in an hour; gives back the update."""
        self.ingest()
        return self.update()

    def day(self) -> None:
        """What the timers do in a day."""
        self.hour()
        self.create()
        self.reconcile()

    def holds(self) -> dict[str, Hold]:
        return {hold.kind[0]: hold for hold in review.waiting(self.settings, clock=self.clock)}

    def approve_all(self) -> list[str]:
        return approve_all(self.settings, self.clock)

    @property
    def users(self) -> dict[str, dict[str, Any]]:
        return self.graph.directory().users

    def enabled(self, *ids: str) -> bool | list[bool]:
        """Whether these accounts can be logged on to."""
        found = [self.users[one]["accountEnabled"] for one in ids]
        return found[0] if len(ids) == 1 else found

    def disabled(self) -> set[str]:
        return {one for one, user in self.users.items() if not user["accountEnabled"]}

    def history(self, employee_id: str) -> list[tuple[str, str]]:
        """What the provisioning log says of somebody: the action, and the account it was done to."""
        entries = [entry for _, entry in self.graph.directory().log]
        return [
            (e["provisioningAction"], e["targetIdentity"]["id"])
            for e in entries
            if e["sourceIdentity"]["id"] == employee_id
        ]

    def hire(self, employee_id: str, **record: Any) -> None:
        """Somebody new in HR, who has started."""
        person = {**self.hr.people[0], "EmployeeId": employee_id, "Email": None, "ManagerId": None, "ValidTo": None}
        self.hr.put({**person, "ValidFrom": "2026-01-01", **record})


@pytest.fixture
def hr() -> Iterator[HrEmulator]:
    """Thirty people, none of whom leaves by herself."""
    invented = people.invent(30, today=datetime(2026, 11, 22, tzinfo=UTC).date())
    with HrEmulator([{**p, "ValidTo": None} for p in invented], {"basic": ("svc", PASSWORD)}) as emulator:
        yield emulator


@pytest.fixture
def bridge(settings: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock) -> Bridge:
    return Bridge(settings, hr, graph, clock)


@pytest.fixture
def loaded(bridge: Bridge) -> Bridge:
    """Everybody has gone under the mapping as it comes."""
    bridge.load()
    return bridge


@pytest.fixture
def moved(connection_string: str, clock: MovedClock) -> MovedClock:
    """The clock, for tests that move it."""
    if not connection_string.startswith("sqlite:"):
        pytest.skip("the server's own clock cannot be moved")
    return clock


@pytest.fixture
def remap(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Remap:
    """Change mapping.sql and put it in place as an operator does: `remap({"before": "after"})`."""
    scripts = tmp_path / "sql"
    shutil.copytree(migration.SCRIPTS, scripts)
    monkeypatch.setattr(migration, "SCRIPTS", scripts)

    def change(edits: Mapping[str, str]) -> Report:
        file = scripts / "mapping.sql"
        text = file.read_text(encoding="utf-8")
        for before, after in edits.items():
            assert text.count(before) == 1, before
            text = text.replace(before, after)
        file.write_text(text, encoding="utf-8")
        return jobs.migrate(settings, mapping=True)

    return change


def control(name: str, value: str) -> dict[str, str]:
    """One more control column for the mapping."""
    return {"AS InScope,": f"AS InScope,\n    {value} AS {name},"}


def at(clock: MovedClock, moment: str) -> None:
    """Move the clock on to a moment in UTC."""
    clock.move(seconds=(datetime.fromisoformat(moment) - clock.utc_now()).total_seconds())
    assert clock.utc_now() >= datetime.fromisoformat(moment)


# --- first load of a company whose users already exist ------------------------------------------------------------


def account(external_id: str, **attributes: Any) -> dict[str, Any]:
    """An account as somebody else made it, before this app."""
    user_name = f"{external_id}@old.example".lower()
    return {"schemas": [CORE, ENTERPRISE], "externalId": external_id, "userName": user_name, **attributes}


@pytest.fixture
def before(bridge: Bridge) -> Bridge:
    """Twenty of the thirty have an account already, and so has somebody whom HR does not know."""
    old = [f"E{n:05d}" for n in range(1, 21)]
    accounts = [account(one, active=True, title="Old title", nickName="Old") for one in (*old, "ADMIN")]
    bridge.graph.directory().stage(accounts)
    bridge.hr.patch("E00002", {"NickName": None, "Title": "New title"})
    bridge.hr.patch("E00003", {"Active": False})
    bridge.hr.patch("E00004", {"ValidTo": "2026-10-31"})
    bridge.ingest()
    return bridge


def test_a_first_load_waits_for_approval_then_updates_the_accounts_that_exist(before: Bridge) -> None:
    accounts = {one: before.history(one)[0][1] for one in before.users}
    report = before.create()
    assert (report.exit_code, report.counts["held"], report.counts["sent"]) == (3, 28, 0)
    assert not before.graph.calls
    assert set(before.holds()["first_load"].people) == EVERYONE - {"E00003", "E00004"}
    assert before.create().counts["held"] == 28  # and goes on waiting
    assert before.approve_all() == ["first_load"]
    report = before.create()
    assert (report.exit_code, report.counts["sent"], before.holds()) == (0, 28, {})
    assert before.users.keys() == EVERYONE | {"ADMIN"}  # nobody twice
    assert before.history("E00002") == [("create", accounts["E00002"]), ("update", accounts["E00002"])]
    assert [action for action, _ in before.history("E00021")] == ["create"]
    mended = before.users["E00002"]
    assert (mended["userName"], mended["title"]) == ("E00002", "New title")
    assert "nickName" not in mended  # HR has none, so Entra's goes
    assert before.users["ADMIN"]["title"] == "Old title"


def test_a_first_load_disables_nobody_who_had_left_before_it(before: Bridge) -> None:
    before.create()
    before.approve_all()
    before.create()
    before.day()
    for gone in ("E00003", "E00004"):
        assert len(before.history(gone)) == 1
        assert before.users[gone]["title"] == "Old title"
    assert not before.disabled()


def test_after_a_trial_with_one_person_the_others_still_wait(before: Bridge) -> None:
    before.create()
    assert before.create(Selection(only=("E00001",))).counts["sent"] == 1
    assert before.users["E00001"]["userName"] == "E00001"
    report = before.create()
    assert (report.exit_code, report.counts["held"], report.counts["sent"]) == (3, 27, 0)
    assert before.users["E00002"]["title"] == "Old title"
    before.approve_all()
    assert before.create().counts["sent"] == 27


# --- rehire -------------------------------------------------------------------------------------------------------


def test_rehired_with_the_same_id_the_same_account_is_enabled_again(loaded: Bridge) -> None:
    loaded.hr.patch("E00005", {"Active": False})
    loaded.hour()
    assert loaded.disabled() == {"E00005"}
    loaded.hr.patch("E00005", {"Active": True, "ValidFrom": "2026-01-01", "Title": "Back again"})
    loaded.hour()
    assert not loaded.disabled()
    assert loaded.users["E00005"]["title"] == "Back again"
    assert len({object_id for _, object_id in loaded.history("E00005")}) == 1


def test_rehired_for_a_day_to_come_she_is_enabled_when_the_lead_days_begin(loaded: Bridge, moved: MovedClock) -> None:
    loaded.hr.patch("E00005", {"Active": False})
    loaded.hour()
    loaded.hr.patch("E00005", {"Active": True, "ValidFrom": "2026-12-15"})
    loaded.hour()
    assert loaded.enabled("E00005") is False
    at(moved, "2026-12-07T23:00:00Z")
    loaded.day()
    assert loaded.enabled("E00005") is False
    at(moved, "2026-12-08T00:10:00Z")
    loaded.update()
    assert loaded.enabled("E00005") is True


def test_rehired_with_a_new_id_she_gets_a_new_account_and_the_old_one_stays_disabled(loaded: Bridge) -> None:
    loaded.hr.patch("E00005", {"Active": False})
    loaded.hour()
    loaded.hire("NEW5")
    loaded.day()
    assert loaded.enabled("NEW5", "E00005") == [True, False]


def test_a_new_id_gets_the_old_user_name_where_the_view_frees_it(bridge: Bridge, remap: Remap) -> None:
    freed = "CASE WHEN e.Active = 1 THEN COALESCE(e.Email, e.EmployeeId) ELSE e.EmployeeId END AS 'userName'"
    remap({NAME: freed})
    bridge.hr.patch("E00005", {"Email": "eve@contoso.example"})
    bridge.load()
    bridge.hr.patch("E00005", {"Active": False})
    bridge.hire("NEW5", Email="eve@contoso.example")
    bridge.day()
    assert bridge.users["NEW5"]["userName"] == "eve@contoso.example"
    assert (bridge.users["E00005"]["userName"], bridge.enabled("E00005")) == ("E00005", False)


def test_a_new_id_goes_on_with_the_old_account_where_the_view_says_so(loaded: Bridge, remap: Remap) -> None:
    loaded.hr.patch("E00005", {"Active": False})
    loaded.hour()
    remap(
        {
            "e.EmployeeId AS 'externalId'": "CASE e.EmployeeId WHEN 'NEW5' THEN 'E00005' ELSE e.EmployeeId END AS "
            "'externalId'",
            "CASE WHEN e.OrganizationId IS NULL": "CASE WHEN e.OrganizationId IS NULL OR e.EmployeeId = 'E00005'",
        }
    )
    loaded.hire("NEW5", Title="Back again")
    loaded.day()
    loaded.approve_all()
    loaded.day()
    jobs.resend(loaded.settings, None, clock=loaded.clock)
    assert loaded.users.keys() == EVERYONE
    assert (loaded.users["E00005"]["title"], loaded.enabled("E00005")) == ("Back again", True)
    assert len({object_id for _, object_id in loaded.history("E00005")}) == 1


# --- a name change that changes userName --------------------------------------------------------------------------


def test_a_name_change_renames_the_account_and_makes_no_second_one(bridge: Bridge, remap: Remap) -> None:
    remap(BY_MAIL)
    bridge.hr.patch("E00005", {"Email": "eve.bakker@contoso.example"})
    bridge.load()
    bridge.hr.patch("E00005", {"Email": "eve.smit@contoso.example", "Name.LastName": "Smit"})
    report = bridge.hour()
    assert (report.exit_code, report.counts["sent"]) == (0, 1)
    assert bridge.users.keys() == EVERYONE
    renamed = bridge.users["E00005"]
    assert (renamed["userName"], renamed["name.familyName"]) == ("eve.smit@contoso.example", "Smit")
    assert renamed['emails[type eq "work"].value'] == "eve.bakker@contoso.example"  # written once, by Entra's rule


def test_a_protected_person_keeps_her_user_name_until_somebody_approves(bridge: Bridge, remap: Remap) -> None:
    remap(BY_MAIL | control("Protected", "CASE WHEN e.JobId = 'CEO' THEN 1 ELSE 0 END"))
    bridge.hr.patch("E00005", {"Email": "eve.bakker@contoso.example", "JobId": "CEO"})
    bridge.load()
    bridge.hr.patch("E00005", {"Email": "eve.smit@contoso.example"})
    bridge.hr.patch("E00006", {"Email": "six@contoso.example"})
    report = bridge.hour()
    assert (report.exit_code, report.counts["held"], report.counts["sent"]) == (3, 1, 1)
    assert bridge.users["E00005"]["userName"] == "eve.bakker@contoso.example"
    assert bridge.users["E00006"]["userName"] == "six@contoso.example"
    assert set(bridge.holds()["protected"].people) == {"E00005"}
    bridge.approve_all()
    assert bridge.update().exit_code == 0
    assert bridge.users["E00005"]["userName"] == "eve.smit@contoso.example"


GIVEN = {"USER_NAME_PATTERNS": "{given}.{family}, {given}.{family}{n}", "USER_NAME_DOMAIN": "contoso.com"}


@pytest.fixture
def naming(bridge: Bridge, change: Callable[..., Settings]) -> Bridge:
    """User names are given; everybody has gone under hers."""
    bridge.settings = change(**GIVEN)
    bridge.load()
    return bridge


def anna(naming: Bridge, employee_id: str, family: str = "Gross") -> None:
    naming.hire(employee_id, Name={"FirstName": "Anna", "LastName": family, "FullName": f"Anna {family}"})


def test_a_name_that_was_given_stays_until_a_rename_is_asked_for(naming: Bridge) -> None:
    anna(naming, "NEW1")
    naming.day()
    anna(naming, "NEW1", "Berg")
    naming.day()
    assert naming.users["NEW1"]["name.familyName"] == "Berg"
    assert naming.users["NEW1"]["userName"] == "anna.gross@contoso.com"
    renaming.rename(naming.settings, "NEW1", "Ada", clock=naming.clock)
    anna(naming, "NEW2")
    naming.day()
    found = naming.users["NEW1"]
    assert (found["userName"], found['emails[type eq "other"].value']) == (
        "anna.berg@contoso.com",
        "anna.gross@contoso.com",
    )
    assert naming.users["NEW2"]["userName"] == "anna.gross2@contoso.com"
    assert len({object_id for _, object_id in naming.history("NEW1")}) == 1


# --- two people of one name ---------------------------------------------------------------------------------------


def test_two_people_of_one_name_get_accounts_of_their_own(naming: Bridge) -> None:
    names = [user["userName"] for user in naming.users.values()]
    assert len(set(names)) == len(names) == len(EVERYONE)
    for employee_id in ("NEW1", "NEW2", "NEW3"):
        anna(naming, employee_id)
    naming.day()
    assert [naming.users[f"NEW{n}"]["userName"] for n in (1, 2, 3)] == [
        "anna.gross@contoso.com",
        "anna.gross2@contoso.com",
        "anna.gross3@contoso.com",
    ]


def test_a_name_that_the_tenant_has_is_taken_over_and_not_given(naming: Bridge, tmp_path: Path) -> None:
    naming.graph.directory().occupy("Anna.Gross@contoso.com")
    listed = tmp_path / "directory.csv"
    listed.write_text("EmployeeId,UserPrincipalName\n,Anna.Gross@contoso.com\n", encoding="utf-8")
    renaming.take_over_file(naming.settings, listed, apply=True, clock=naming.clock)
    anna(naming, "NEW1")
    naming.day()
    assert naming.users["NEW1"]["userName"] == "anna.gross2@contoso.com"


def test_a_name_that_entra_refuses_makes_room_for_the_next_one(naming: Bridge) -> None:
    naming.graph.directory().occupy("anna.gross@contoso.com")
    anna(naming, "NEW1")
    naming.day()
    assert "NEW1" not in naming.users
    assert renaming.rename(naming.settings, "NEW1", "Ada", clock=naming.clock).answer["status"] == "unchanged"
    renaming.rename(naming.settings, "NEW1", "Ada", was_taken=True, clock=naming.clock)
    anna(naming, "NEW2")
    naming.day()
    assert naming.users["NEW1"]["userName"] == "anna.gross2@contoso.com"
    assert naming.users["NEW2"]["userName"] == "anna.gross3@contoso.com"
    assert 'emails[type eq "other"].value' not in naming.users["NEW1"]


# --- a leaver on Friday night in Los Angeles seen from Copenhagen -------------------------------------------------


def test_in_los_angeles_friday_ends_nine_hours_after_copenhagens(
    bridge: Bridge, remap: Remap, moved: MovedClock
) -> None:
    west = "CASE WHEN e.LocationId = 'LAX' THEN 'America/Los_Angeles' ELSE 'Europe/Copenhagen' END"
    remap(control("TimeZone", west))
    friday = {"ValidTo": "2026-11-27"}
    bridge.hr.patch("E00005", {**friday, "LocationId": "LAX"})
    bridge.hr.patch("E00006", friday)
    bridge.load()
    at(moved, "2026-11-27T22:50:00Z")  # ten to midnight in Copenhagen
    bridge.hour()
    assert not bridge.disabled()
    at(moved, "2026-11-27T23:10:00Z")
    bridge.hour()
    assert bridge.disabled() == {"E00006"}
    at(moved, "2026-11-28T07:50:00Z")  # ten to midnight in Los Angeles, Saturday morning in Copenhagen
    bridge.hour()
    assert bridge.disabled() == {"E00006"}
    at(moved, "2026-11-28T08:10:00Z")
    bridge.hour()
    assert bridge.disabled() == {"E00005", "E00006"}
    assert bridge.users["E00005"][LEAVE_DATE] == "2026-11-28T06:00:00Z"  # 22:00 on Friday over there
    assert bridge.users["E00006"][LEAVE_DATE] == "2026-11-27T21:00:00Z"


# --- a transfer dated ahead ---------------------------------------------------------------------------------------


def test_a_transfer_dated_ahead_deactivates_nobody(loaded: Bridge, moved: MovedClock) -> None:
    loaded.hr.patch("E00005", {"ValidFrom": "2027-01-01"})
    loaded.hr.patch("E00006", {"ValidFrom": "2027-01-01", "OrganizationName": "The New Place"})
    assert loaded.hour().counts["sent"] == 1
    loaded.day()
    jobs.resync(loaded.settings, "E00005", clock=loaded.clock)
    jobs.resend(loaded.settings, None, clock=loaded.clock)
    assert not loaded.disabled()
    assert loaded.users["E00006"][f"{ENTERPRISE}:department"] == "The New Place"
    at(moved, "2027-01-02T12:00:00Z")
    loaded.day()
    assert not loaded.disabled()


# --- removed from HR by mistake and back the next day -------------------------------------------------------------


def test_gone_from_hr_for_less_than_the_hours_nothing_happens(loaded: Bridge, moved: MovedClock) -> None:
    record = next(p for p in loaded.hr.people if p["EmployeeId"] == "E00005")
    calls = len(loaded.graph.calls)
    loaded.hr.remove("E00005")
    for hours in (1, 11, 7):
        assert loaded.hour().counts["candidates"] == 0
        moved.move(hours=hours)
    loaded.hr.put(record)
    loaded.hour()
    moved.move(hours=24)
    loaded.day()
    assert len(loaded.graph.calls) == calls
    assert not loaded.disabled()


def test_gone_for_longer_she_is_disabled_and_enabled_at_once_when_back(loaded: Bridge, moved: MovedClock) -> None:
    record = next(p for p in loaded.hr.people if p["EmployeeId"] == "E00005")
    loaded.hr.remove("E00005")
    loaded.hour()
    moved.move(hours=21)
    assert loaded.update().counts["sent"] == 0  # one fetch alone proves nothing
    loaded.hour()
    assert loaded.disabled() == {"E00005"}
    moved.move(hours=3)
    loaded.hr.put(record)
    loaded.hour()
    assert not loaded.disabled()


def test_too_many_gone_are_not_believed_or_held_and_nobody_is_disabled(
    loaded: Bridge, change: Callable[..., Settings], moved: MovedClock
) -> None:
    loaded.settings = change(MAX_DISABLES="5%", MAX_SHRINK="10%")
    gone = [p for p in loaded.hr.people if p["EmployeeId"] <= "E00012"]
    for one in gone:
        loaded.hr.remove(one["EmployeeId"])
    with pytest.raises(UpstreamError, match="HR gave 18 records, 30 the last time"):
        loaded.ingest()
    loaded.settings = change(MAX_DISABLES="5%", MAX_SHRINK="50%")  # somebody believes it
    loaded.hour()
    moved.move(hours=21)
    report = loaded.hour()
    assert (report.exit_code, report.counts["held"], report.counts["sent"]) == (3, 12, 0)
    for one in gone:
        loaded.hr.put(one)
    assert loaded.hour().exit_code == 0
    assert loaded.holds() == {}
    assert not loaded.disabled()


# --- a manager who leaves -----------------------------------------------------------------------------------------


def test_a_manager_who_leaves_is_disabled_and_her_reports_stay_until_hr_gives_them_another(bridge: Bridge) -> None:
    manager, one, other = "E00005", "E00006", "E00007"
    bridge.hr.patch(manager, {"ManagerId": None})
    for report in (one, other):
        bridge.hr.patch(report, {"ManagerId": manager})
    bridge.load()
    bridge.hr.patch(manager, {"Active": False})
    assert bridge.hour().counts["sent"] == 1
    assert bridge.disabled() == {manager}
    assert bridge.users[one][MANAGER] == bridge.users[other][MANAGER] == manager
    bridge.hire("BOSS")
    bridge.hr.patch(one, {"ManagerId": "BOSS"})
    bridge.hour()  # the report goes before her new manager is there …
    bridge.create()
    bridge.reconcile()  # … and once more when she is
    assert (bridge.users[one][MANAGER], bridge.users[other][MANAGER]) == ("BOSS", manager)
    assert bridge.disabled() == {manager}


# --- one person in two HR systems ---------------------------------------------------------------------------------

TWO_SYSTEMS = """CREATE VIEW dbo.ScimUsers AS
SELECT
    e.EmployeeId, e.EmployeeId AS 'externalId', COALESCE(e.Email, e.EmployeeId) AS 'userName',
    e.Active AS 'active', e.Name_FullName AS 'displayName', e.Title AS 'title'
FROM dbo.Employees AS e
UNION ALL
SELECT a.WorkerId, a.WorkerId, a.Mail, a.Active, a.FullName, NULL FROM dbo.Agency AS a;
"""


@pytest.fixture
def agency(bridge: Bridge, remap: Remap) -> Iterator[Callable[..., None]]:
    """A second HR system, whose table is in the mapping, too; puts a worker into it."""
    shape = "WorkerId varchar(10) NOT NULL, FullName nvarchar(300) NULL, Mail nvarchar(50) NULL, Active bit NULL"
    with database.connect(bridge.settings.sql_connection_string, bridge.clock) as db:
        db.execute(f"CREATE TABLE dbo.Agency ({shape})")
        (migration.SCRIPTS / "mapping.sql").write_text(TWO_SYSTEMS, encoding="utf-8")
        remap({})
        bridge.hr.patch("E00005", {"Email": "eve@contoso.example"})
        bridge.load()

        def put(*worker: Any) -> None:
            db.execute("INSERT INTO dbo.Agency (WorkerId, FullName, Mail, Active) VALUES (?, ?, ?, ?)", worker)

        try:
            yield put
        finally:
            db.execute("DROP VIEW dbo.ScimUsers")
            db.execute("DROP TABLE dbo.Agency")
            db.execute("CREATE VIEW dbo.ScimUsers AS SELECT 1 AS placeholder")  # which the next test replaces


def parked(report: Report) -> list[str]:
    return [note for note in report.notes if note.startswith("parked ")]


def test_two_rows_of_one_employee_id_park_her_and_nobody_else(bridge: Bridge, agency: Callable[..., None]) -> None:
    before = bridge.users["E00005"]
    agency("E00005", "Eve of the Agency", "eve@agency.example", 1)
    agency("A1", "Adam of the Agency", "adam@agency.example", 1)
    bridge.hr.patch("E00006", {"Title": "Changed"})
    report = bridge.hour()
    assert parked(report) == ["parked E00005: two rows of dbo.ScimUsers have this EmployeeId"]
    assert (report.exit_code, report.counts["sent"]) == (0, 1)
    assert bridge.create().counts["sent"] == 1
    assert bridge.users["E00005"] == before
    assert (bridge.users["E00006"]["title"], bridge.enabled("A1")) == ("Changed", True)


def test_two_ids_with_one_active_user_name_park_who_is_due_and_nobody_else(
    bridge: Bridge, agency: Callable[..., None]
) -> None:
    agency("A1", "Eve of the Agency", "EVE@contoso.example", 1)
    agency("A2", "Adam of the Agency", "adam@agency.example", 1)
    bridge.ingest()
    report = bridge.create()
    assert parked(report) == ["parked A1: has the userName of E00005, and both are active"]
    assert bridge.users.keys() == EVERYONE | {"A2"}
    bridge.hr.patch("E00005", {"Email": "eve.smit@contoso.example"})  # HR tells them apart
    bridge.hour()
    assert parked(bridge.create()) == []
    assert bridge.users["E00005"]["userName"] == "eve.smit@contoso.example"
    assert (bridge.users["A1"]["userName"], bridge.enabled("A1")) == ("EVE@contoso.example", True)


# --- a mapping change that touches everybody ----------------------------------------------------------------------

SHOUTED = {"e.Title AS 'title'": "UPPER(COALESCE(e.Title, 'none')) AS 'title'"}


def test_a_changed_mapping_is_held_with_counts_and_examples_until_approved(loaded: Bridge, remap: Remap) -> None:
    before = loaded.users
    report = remap(SHOUTED)
    assert report.answer["mapping"] == {"people": 30, "attributes": {"title": 30}}
    report = loaded.update()
    assert (report.exit_code, report.counts["held"], report.counts["sent"]) == (3, 30, 0)
    assert loaded.users == before
    hold = loaded.holds()["mapping"]
    title = hold.attributes["title"]
    assert (set(hold.people), hold.attributes.keys(), title["people"]) == (EVERYONE, {"title"}, 30)
    assert [(e["old"], e["new"]) for e in title["examples"]] == [
        (before[e["employee_id"]].get("title"), (before[e["employee_id"]].get("title") or "none").upper())
        for e in title["examples"]
    ]
    assert len({e["employee_id"] for e in title["examples"]}) == 3
    assert loaded.approve_all() == ["mapping"]
    assert loaded.update().counts["sent"] == 30
    assert {u["title"] for u in loaded.users.values()} == {(u.get("title") or "none").upper() for u in before.values()}
    assert loaded.update().counts["candidates"] == 0


def test_a_changed_mapping_put_back_leaves_nothing_to_approve(loaded: Bridge, remap: Remap) -> None:
    before = loaded.users
    remap(SHOUTED)
    assert loaded.update().exit_code == 3
    remap({after: before for before, after in SHOUTED.items()})
    report = loaded.update()
    assert (report.exit_code, report.counts["candidates"]) == (0, 0)
    assert (loaded.holds(), loaded.users) == ({}, before)


# --- the database restored from yesterday's backup ----------------------------------------------------------------


@dataclass
class Backup:
    """Copies of the database's files."""

    files: Path
    copy: Path

    def take(self) -> None:
        shutil.copytree(self.files, self.copy)

    def restore(self) -> None:
        shutil.rmtree(self.files)
        shutil.copytree(self.copy, self.files)


@pytest.fixture
def backup(connection_string: str, tmp_path: Path) -> Backup:
    if not connection_string.startswith("sqlite:"):
        pytest.skip("a backup of a server is not taken by copying files")
    return Backup(Path(connection_string.removeprefix("sqlite:///")).parent, tmp_path / "backup")


def in_step(bridge: Bridge) -> bool:
    """Whether Entra holds what HR says, as far as these tests change it."""
    said = {p["EmployeeId"]: (p["Title"], p["Active"]) for p in bridge.hr.people}
    return said == {i: (u.get("title"), u["accountEnabled"]) for i, u in bridge.users.items()}


def test_after_a_restore_ingest_update_and_create_bring_everybody_in_step(
    loaded: Bridge, backup: Backup, moved: MovedClock
) -> None:
    loaded.hr.patch("E00001", {"Active": False})
    absent = next(p for p in loaded.hr.people if p["EmployeeId"] == "E00009")
    loaded.hr.remove("E00009")
    loaded.day()
    moved.move(hours=21)
    loaded.day()
    assert loaded.disabled() == {"E00001", "E00009"}
    backup.take()
    moved.move(hours=12)
    loaded.hr.put(absent)  # back, with the rehired E00001, a leaver, an edit and a joiner
    loaded.hr.patch("E00001", {"Active": True})
    loaded.hr.patch("E00002", {"Active": False})
    loaded.hr.patch("E00003", {"Title": "Changed"})
    loaded.hire("J1")
    loaded.day()
    assert in_step(loaded)
    moved.move(hours=12)
    backup.restore()
    loaded.hr.patch("E00004", {"Title": "Changed since"})
    calls = len(loaded.graph.calls)
    assert loaded.update().counts["candidates"] == 0  # even without an ingest nobody is disabled
    assert len(loaded.graph.calls) == calls
    loaded.ingest()
    assert loaded.update().exit_code == loaded.create().exit_code == 0
    assert in_step(loaded)
    assert loaded.disabled() == {"E00002"}
    assert [action for action, _ in loaded.history("J1")].count("create") == 1


def test_what_changed_there_and_back_around_the_backup_takes_a_resend_of_all(loaded: Bridge, backup: Backup) -> None:
    title = loaded.users["E00003"].get("title")
    backup.take()
    loaded.hr.patch("E00003", {"Title": "For a day"})
    loaded.hour()
    backup.restore()
    loaded.hr.patch("E00003", {"Title": title})
    assert loaded.hour().counts["candidates"] == 0
    assert loaded.users["E00003"]["title"] == "For a day"
    jobs.resend(loaded.settings, None, clock=loaded.clock)
    assert in_step(loaded)


def test_after_a_restore_leavers_approved_since_the_backup_are_held_once_more(
    loaded: Bridge, change: Callable[..., Settings], backup: Backup
) -> None:
    loaded.settings = change(MAX_DISABLES="5%")
    backup.take()
    leavers = {f"E{n:05d}" for n in range(1, 13)}
    for one in leavers:
        loaded.hr.patch(one, {"Active": False})
    assert loaded.hour().exit_code == 3
    loaded.approve_all()
    loaded.update()
    assert loaded.disabled() == leavers
    backup.restore()
    loaded.hr.patch("E00030", {"Title": "Changed since"})
    report = loaded.hour()
    assert (report.exit_code, report.counts["held"], report.counts["sent"]) == (3, 12, 1)
    assert set(loaded.holds()["disables"].people) == leavers
    loaded.approve_all()
    assert loaded.update().exit_code == 0
    assert in_step(loaded)


# --- "restart provisioning" ---------------------------------------------------------------------------------------


def test_what_a_restart_purged_is_sent_again_by_resend_since(
    loaded: Bridge, clock: MovedClock, connection_string: str
) -> None:
    with database.connect(connection_string, clock) as db:
        since = db.utc_now()
    loaded.graph.directory().paused = True
    loaded.hr.patch("E00003", {"Title": "Purged"})
    loaded.hr.patch("E00005", {"Active": False})
    loaded.hire("J1")
    loaded.ingest()
    assert (loaded.update().counts["sent"], loaded.create().counts["sent"]) == (2, 1)  # 202, but only staged
    assert loaded.graph.directory().purge() == 3
    loaded.graph.directory().paused = False
    loaded.day()
    assert loaded.enabled("E00005") is True  # the ledger does not know
    report = jobs.resend(loaded.settings, since, clock=clock)
    assert (report.exit_code, report.counts["sent"]) == (0, 3)
    assert in_step(loaded)


# --- moving from the test app to production -----------------------------------------------------------------------


def test_production_gets_a_first_load_of_its_own_and_the_test_apps_ledger_stays(
    loaded: Bridge, change: Callable[..., Settings]
) -> None:
    loaded.hr.patch("E00005", {"Active": False})
    loaded.hour()
    tested = loaded.users
    production = change(GRAPH_BULK_UPLOAD_URL=loaded.graph.add_job())
    endpoint = production.bulk_upload
    assert endpoint
    directory = loaded.graph.directory(endpoint.service_principal, endpoint.job)
    loaded.settings, test_app = production, loaded.settings
    report = loaded.create()
    assert (report.exit_code, report.counts["held"], directory.users) == (3, 29, {})
    assert loaded.update().counts["candidates"] == 0
    ((kind, hold),) = loaded.holds().items()
    with pytest.raises(NotApprovable, match="another provisioning app"):
        review.approve(test_app, hold.hold_id, "Ada Approver", clock=loaded.clock)
    assert (kind, loaded.approve_all()) == ("first_load", ["first_load"])
    loaded.create()
    loaded.reconcile()
    loaded.hr.patch("E00006", {"Title": "Changed since"})
    loaded.hour()
    assert directory.users.keys() == EVERYONE - {"E00005"}  # who had left by then never comes
    assert directory.users["E00006"]["title"] == "Changed since"
    assert loaded.users == tested
    loaded.settings = test_app
    assert loaded.create().counts["candidates"] == 0
    assert loaded.update().counts["sent"] == 1  # only what changed since


# --- a contractor excluded and later included ---------------------------------------------------------------------


@pytest.fixture
def staff_only(bridge: Bridge, remap: Remap) -> Bridge:
    """Contractors are out of scope; E00005 is one."""
    condition = "CASE WHEN e.OrganizationId IS NULL OR e.JobTypeId = 'EXT' THEN 0 ELSE 1 END AS InScope"
    remap({"CASE WHEN e.OrganizationId IS NULL THEN 0 ELSE 1 END AS InScope": condition})
    bridge.hr.patch("E00005", {"JobTypeId": "EXT"})
    bridge.load()
    return bridge


def test_a_contractor_out_of_scope_is_not_sent_until_she_is_in_it(staff_only: Bridge) -> None:
    staff_only.hr.patch("E00005", {"Title": "Changed outside"})
    staff_only.day()
    report = staff_only.create()
    assert (report.exit_code, report.counts["candidates"], parked(report)) == (0, 0, [])
    assert staff_only.users.keys() == EVERYONE - {"E00005"}
    staff_only.hr.patch("E00005", {"JobTypeId": "T1"})
    staff_only.ingest()
    assert staff_only.create().counts["sent"] == 1
    assert (staff_only.users["E00005"]["title"], staff_only.enabled("E00005")) == ("Changed outside", True)


def test_who_leaves_the_scope_stays_as_she_is_until_she_ends_or_comes_back(staff_only: Bridge) -> None:
    before = staff_only.users
    staff_only.hr.patch("E00006", {"JobTypeId": "EXT", "Title": "Changed outside"})
    staff_only.hr.patch("E00007", {"JobTypeId": "EXT", "Title": "Changed outside"})
    staff_only.day()
    assert staff_only.users == before
    staff_only.hr.patch("E00006", {"JobTypeId": "T1"})
    staff_only.hr.patch("E00007", {"Active": False})
    staff_only.hour()
    assert staff_only.users["E00006"]["title"] == "Changed outside"
    assert staff_only.disabled() == {"E00007"}


# --- a person deleted in Entra by hand ----------------------------------------------------------------------------


def test_deleted_in_entra_by_hand_a_resync_brings_her_back(loaded: Bridge) -> None:
    before = loaded.users["E00005"]
    loaded.graph.directory().delete("E00005")
    loaded.day()
    assert "E00005" not in loaded.users  # nobody has told the ledger
    jobs.resync(loaded.settings, "E00005", clock=loaded.clock)
    assert loaded.users["E00005"] == before
    assert [action for action, _ in loaded.history("E00005")].count("create") == 2


def test_deleted_in_entra_by_hand_she_is_back_after_the_resend_days(loaded: Bridge, moved: MovedClock) -> None:
    loaded.graph.directory().delete("E00005")
    moved.move(days=27)
    loaded.day()
    assert "E00005" not in loaded.users
    moved.move(days=2)
    loaded.day()
    assert loaded.enabled("E00005") is True


# --- nobody's ValidFrom known -------------------------------------------------------------------------------------


@pytest.mark.parametrize("why", ["HR leaves it empty", "the view has no such column"])
def test_where_no_valid_from_is_known_everybody_is_due_at_once_and_waits_for_approval(
    bridge: Bridge, remap: Remap, why: str
) -> None:
    if why == "HR leaves it empty":
        for employee_id in EVERYONE:
            bridge.hr.patch(employee_id, {"ValidFrom": None})
    else:
        remap({"    e.ValidFrom,\n": ""})
    bridge.ingest()
    report = bridge.create()
    assert (report.exit_code, report.counts["held"], bridge.users) == (3, 30, {})
    assert set(bridge.holds()["first_load"].people) == EVERYONE
    bridge.approve_all()
    assert bridge.create().counts["sent"] == 30
    assert bridge.users.keys() == EVERYONE
    assert not bridge.disabled()
    bridge.hire("J1", ValidFrom=None)
    bridge.day()
    assert bridge.enabled("J1") is True


# --- an urgent leaver ---------------------------------------------------------------------------------------------


def test_an_urgent_leaver_is_out_before_hr_knows_and_hr_counts_again_when_it_agrees(loaded: Bridge) -> None:
    by_hand.disable(loaded.settings, "E00005", "Ada", clock=loaded.clock)
    assert loaded.disabled() == {"E00005"}
    loaded.hr.patch("E00005", {"Title": "Director"})
    jobs.resync(loaded.settings, "E00005", clock=loaded.clock)
    loaded.day()
    assert loaded.disabled() == {"E00005"}
    loaded.hr.patch("E00005", {"Active": False})
    loaded.day()
    assert loaded.disabled() == {"E00005"}
    loaded.hr.patch("E00005", {"Active": True})
    loaded.day()
    assert loaded.enabled("E00005") is True


def test_an_urgent_leaver_goes_under_a_mapping_that_nobody_approved(loaded: Bridge, remap: Remap) -> None:
    before = loaded.users["E00005"]["title"]
    remap({"e.Title AS 'title'": "e.NickName AS 'title'"})
    assert loaded.hour().counts["sent"] == 0
    by_hand.disable(loaded.settings, "E00005", "Ada", clock=loaded.clock)
    assert (loaded.disabled(), loaded.users["E00005"]["title"]) == ({"E00005"}, before)


# --- the page itself ----------------------------------------------------------------------------------------------


def names_of_tests(module: str) -> set[str]:
    tree = ast.parse(Path(__file__).with_name(f"{module}.py").read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_every_case_of_the_page_names_tests_that_exist_and_every_test_is_named() -> None:
    _, *cases = re.split(r"(?m)^## ", CASES.read_text(encoding="utf-8"))
    assert len(cases) == 18
    exist = names_of_tests("test_cases")
    elsewhere = names_of_tests("test_several")
    named: set[str] = set()
    for case in cases:
        title, _, text = case.partition("\n")
        found = re.fullmatch(r"(.+?)\n\n((?:\* Test: `tests/test_(?:cases|several)\.py::\w+`\n)+)\n?", text, re.DOTALL)
        assert found, f"{title}: does not end with the names of its tests"
        told, tests = found.groups()
        assert len(told.split()) > 40, title
        named |= set(re.findall(r"test_cases\.py::(\w+)", tests))
        assert set(re.findall(r"test_several\.py::(\w+)", tests)) <= elsewhere
    assert named == exist - {"test_every_case_of_the_page_names_tests_that_exist_and_every_test_is_named"}
