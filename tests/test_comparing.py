"""HR, the ledger and the emulated directory, grown apart by hand in every way, and compared."""

import csv
import json
import random
import stat
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from provisioning import __main__ as command_line
from provisioning import aftermath, comparing, comparison_page, flows, jobs
from provisioning.comparing import Compared
from provisioning.database import Database
from provisioning.errors import NotPermitted, UpstreamError, WrongUsage
from provisioning.settings import Settings
from tests import compared
from tests.canary import Canary, is_in
from tests.clock import MovedClock
from tests.conftest import edit
from tests.emulators.entra import Directory
from tests.emulators.graph import JOB_ROLE, GraphEmulator
from tests.emulators.tenant import LIFECYCLE_ROLE, USERS_ROLE

SETTINGS = {"COMPARE_IGNORE": '[{"userType": "Guest"}, {"userPrincipalName": "svc-*", "department": "IT"}]'}
Bridge = Callable[..., Settings]


@pytest.fixture(autouse=True)
def may_read(graph: GraphEmulator) -> None:
    graph.roles |= {USERS_ROLE, LIFECYCLE_ROLE}


@pytest.fixture
def company(small: Database, bridge: Bridge, graph: GraphEmulator, clock: MovedClock) -> Callable[[int], Settings]:
    """So many people, all of them sent and taken in."""

    def make(count: int) -> Settings:
        settings = bridge(**SETTINGS)
        compared.employ(small, compared.invented(count, clock.utc_now().date()))
        assert compared.send(settings, small, clock, graph.directory()) == count
        return settings

    return make


def found(result: Compared) -> dict[str, set[str]]:
    """Who is under each heading: EmployeeIds, of accounts that are nobody's their object ids."""
    under: dict[str, set[str]] = {}
    for person in result.people():
        under.setdefault(person["heading"], set()).add(person["employee_id"] or person["object_id"])
    return under


def person(result: Compared, employee_id: str) -> dict[str, Any]:
    (one,) = [p for p in result.people() if p["employee_id"] == employee_id]
    return one


# --- the whole ----------------------------------------------------------------------------------------------------

PEOPLE, EACH = 20_000, 200


class Planted:
    """Differences planted by hand, each kind among people of its own; `expected`: heading → who."""

    def __init__(self, db: Database, directory: Directory, seed: int = 7) -> None:
        self.db, self.directory = db, directory
        ids = [f"E{n:05d}" for n in range(9, PEOPLE + 1)]
        random.Random(seed).shuffle(ids)
        self._ids = iter(ids)
        self.expected: dict[str, set[str]] = {}

    def some(self, heading: str, count: int) -> list[str]:
        """People whom nothing else was planted on, and whom that heading expects."""
        ids = [next(self._ids) for _ in range(count)]
        self.expected.setdefault(heading, set()).update(ids)
        return ids

    def change(self, employee_id: str, **properties: Any) -> None:
        self.directory.edit(self.directory.object_id(employee_id), **properties)

    def plant(self) -> None:
        for kind in (self.left, self.missing, self.other_key, self.strangers, self.doubled, self.disabled, self.edited):
            with self.db.transaction():
                kind()

    def left(self) -> None:
        quarter = EACH // 4
        edit(self.db, *self.some("left_enabled", quarter), Active=0)
        edit(self.db, *self.some("left_enabled", quarter), ValidTo="2026-11-20")
        for one in self.some("left_enabled", quarter):
            self.db.execute("DELETE FROM dbo.Employees WHERE EmployeeId = ?", (one,))
        ended = self.some("left_enabled", quarter)
        edit(self.db, *ended, Active=0)
        for one in ended:  # their key is gone over there, and they are enabled under another
            self.change(one, employeeId=None)
        gone = self.some("left", EACH)
        edit(self.db, *gone, Active=0)
        for one in gone:
            self.change(one, accountEnabled=False)

    def missing(self) -> None:
        for one in self.some("missing", EACH):
            self.directory.delete(one)

    def other_key(self) -> None:
        for n, one in enumerate(self.some("other_key", EACH)):
            near = f"e-{one[1:].lstrip('0')} "
            other: dict[str, Any] = (
                {"employeeId": near, "userPrincipalName": f"x{n}@contoso.example", "mail": None},
                {"employeeId": None, "onPremisesExtensionAttributes": {"extensionAttribute15": one.lower()}},
                {"employeeId": None, "onPremisesSamAccountName": one, "userPrincipalName": f"y{n}@contoso.example"},
                {"employeeId": f"OLD-{n}", "userPrincipalName": f"z{n}@contoso.example"},  # the same mail
                {"employeeId": f"OLD-{n}", "mail": f"old.{n}@contoso.example"},  # the same user name
            )[n % 5]
            self.change(one, **other)

    def strangers(self) -> None:
        planted = [
            self.directory.plant({"userPrincipalName": f"nobody.{n}@contoso.example", "employeeId": f"C{n}"})
            for n in range(EACH)
        ]
        self.expected["without_hr"] = set(planted)
        for n in range(EACH):
            self.directory.plant({"userPrincipalName": f"guest{n}#EXT#@contoso.example", "userType": "Guest"})
            self.directory.plant({"userPrincipalName": f"svc-{n}@contoso.example", "department": "IT"})
            self.directory.plant({"userPrincipalName": f"old.{n}@contoso.example", "accountEnabled": False})

    def doubled(self) -> None:
        for n, one in enumerate(self.some("doubled", EACH)):
            self.directory.plant({"userPrincipalName": f"second.{n}@contoso.example", "employeeId": one})

    def disabled(self) -> None:
        for one in self.some("disabled", EACH):
            self.change(one, accountEnabled=False)

    def edited(self) -> None:
        people = self.some("differs", EACH)
        for n, one in enumerate(people):
            edits = ({"department": "By hand"}, {"manager": "E00003"}, {"mail": f"by.hand.{n}@contoso.example"})
            if n % 4 == 3:
                self.change(one, userPrincipalName=f"renamed.{n}@contoso.example")
            else:
                self.change(one, **edits[n % 4])


def test_each_kind_of_difference_planted_200_times_among_20000_is_found_under_its_heading_and_nothing_else_is(
    company: Callable[[int], Settings],
    small: Database,
    graph: GraphEmulator,
    clock: MovedClock,
    tell: Callable[..., None],
) -> None:
    settings = company(PEOPLE)
    planted = Planted(small, graph.directory())
    planted.plant()
    result = comparing.compare(settings, clock=clock)
    under = found(result)
    assert {h: len(ids) for h, ids in planted.expected.items()} == dict.fromkeys(planted.expected, EACH)
    for heading, people in planted.expected.items():
        assert under.pop(heading) == people, heading
    assert under.keys() == {"enabled"}
    counts = result.report.counts
    assert counts["ignored"] == 2 * EACH
    assert result.report.answer["disabled_without_hr"] == EACH
    assert [rule["accounts"] for rule in result.report.answer["ignored_accounts"]] == [EACH, EACH]
    assert result.report.answer["attributes"] == dict.fromkeys(
        ("department", "mail", "manager", "userPrincipalName"), EACH // 4
    )
    assert (
        counts["people"]
        == PEOPLE
        == sum(len(ids) for h, ids in planted.expected.items() if h != "without_hr") + (counts["enabled"])
    )
    assert result.report.exit_code == 3
    assert graph.tenant.requests == 23  # 21 pages of at most 999, a delta before them and one after
    tell("differences planted in a directory of 20,000, and found", 8 * EACH, of=8 * EACH)


# --- one by one ---------------------------------------------------------------------------------------------------


def test_what_was_sent_and_taken_in_differs_in_nothing(company: Callable[[int], Settings], clock: MovedClock) -> None:
    result = comparing.compare(company(40), clock=clock)
    assert found(result) == {"enabled": {f"E{n:05d}" for n in range(1, 41)}}
    assert result.report.exit_code == 0
    assert result.report.answer["schema"]


def test_an_attribute_edited_by_hand_is_told_with_what_was_sent_and_mail_is_marked(
    company: Callable[[int], Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    settings, directory = company(20), graph.directory()
    edits = {"department": "By hand", "mail": "by.hand@contoso.example", "officeLocation": None}
    directory.edit(directory.object_id("E00009"), **edits, employeeHireDate="2019-01-01T00:00:00Z")
    one = person(comparing.compare(settings, clock=clock), "E00009")
    assert one["heading"] == "differs"
    changes = one["attributes"]
    assert changes.keys() == {*edits, "employeeHireDate"}
    assert (changes["department"]["sent"], changes["department"]["found"]) == ("Café & Catering", "By hand")
    assert changes["department"]["path"] == "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"
    assert changes["officeLocation"]["found"] is None
    assert {name for name, change in changes.items() if change["only_on_create"]} == {"mail"}


def test_an_edit_in_hr_that_has_not_gone_yet_is_no_hand_edit(
    company: Callable[[int], Settings], small: Database, clock: MovedClock
) -> None:
    settings = company(20)
    edit(small, "E00009", Title="Admiral", OrganizationName="Harbour")
    assert found(comparing.compare(settings, clock=clock)).keys() == {"enabled"}


def test_what_entra_does_not_clear_is_no_hand_edit_either(
    company: Callable[[int], Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    settings, directory = company(20), graph.directory()
    untitled = directory.object_id("E00005")
    assert "title" not in directory.users["E00005"]
    directory.edit(untitled, jobTitle="By hand")
    assert person(comparing.compare(settings, clock=clock), "E00005")["heading"] == "differs"
    document = directory.schema.document(directory.job)
    for attribute in document["directories"][0]["objects"][0]["attributes"]:
        attribute["flowNullValues"] = False
    directory.schema.put(directory.job, {n: v for n, v in document.items() if not n.startswith("@")})
    assert found(comparing.compare(settings, clock=clock)).keys() == {"enabled"}


def test_a_leaver_who_is_still_enabled_is_told_with_why_and_with_what_the_app_did(
    company: Callable[[int], Settings], small: Database, bridge: Bridge, graph: GraphEmulator, clock: MovedClock
) -> None:
    settings, directory = company(20), graph.directory()
    edit(small, "E00009", "E00010", Active=0)
    small.execute("UPDATE provisioning.ledger SET active = 0 WHERE employee_id = 'E00010'")
    compared.employ(small, [{**compared.invented(30, clock.utc_now().date())[29], "Active": 0}])
    directory.plant({"userPrincipalName": "x@contoso.example", "employeeId": "E00030"})
    result = comparing.compare(settings, clock=clock)
    assert found(result)["left_enabled"] == {"E00009", "E00010", "E00030"}
    assert person(result, "E00009")["remarks"] == ["inactive in HR", "not sent as inactive yet"]
    assert person(result, "E00010")["remarks"][1].startswith("sent as inactive 2026-11-2")
    assert person(result, "E00030")["remarks"][1] == "never sent: the app disables only whom it has sent"
    assert result.report.exit_code == 3


def test_who_is_disabled_by_hand_and_enabled_there_is_among_the_leavers(
    company: Callable[[int], Settings], small: Database, clock: MovedClock
) -> None:
    settings = company(20)
    at_hand = compared.work(settings, small, clock)
    at_hand.book.disable("E00009", "Ada")
    one = person(comparing.compare(settings, clock=clock), "E00009")
    assert (one["heading"], one["remarks"][0]) == ("left_enabled", "disabled by hand")


def test_a_missing_person_is_told_with_what_became_of_her(
    company: Callable[[int], Settings], small: Database, graph: GraphEmulator, clock: MovedClock
) -> None:
    settings = company(20)
    graph.directory().delete("E00009")
    graph.directory().delete("E00010")
    graph.directory().delete("E00011")
    small.execute("UPDATE provisioning.ledger SET outcome = 'failure' WHERE employee_id = 'E00009'")
    small.execute("UPDATE provisioning.ledger SET answered_at = NULL WHERE employee_id = 'E00010'")
    compared.employ(small, compared.invented(21, clock.utc_now().date())[20:])
    result = comparing.compare(settings, clock=clock)
    assert person(result, "E00009")["remarks"] == ["failed in Entra: no code"]
    assert person(result, "E00010")["remarks"][0].endswith("UTC, not confirmed by Entra's log")
    assert person(result, "E00011")["remarks"][0].endswith("UTC, confirmed by Entra's log")
    assert person(result, "E00021")["remarks"] == ["never sent"]


def test_who_starts_later_or_is_out_of_scope_is_counted_and_her_account_is_no_strangers(
    company: Callable[[int], Settings], small: Database, graph: GraphEmulator, clock: MovedClock
) -> None:
    settings = company(20)
    more = compared.invented(24, clock.utc_now().date())[20:]
    more[0] |= {"ValidFrom": "2027-06-01"}
    more[1] |= {"OrganizationId": None}
    more[2] |= {"Active": "perhaps"}
    compared.employ(small, more)
    for n in range(21, 24):
        graph.directory().plant({"userPrincipalName": f"e{n:05d}@contoso.example"})
    result = comparing.compare(settings, clock=clock)
    under = found(result)
    assert under["later"] == {"E00021"}
    assert under["out_of_scope"] == {"E00022"}
    assert under["parked"] == {"E00023"}
    assert "without_hr" not in under
    assert person(result, "E00023")["remarks"][0] == "active is neither true nor false"


def test_a_rehired_persons_old_account_is_the_leavers_and_her_new_one_is_missing_with_a_word(
    company: Callable[[int], Settings], small: Database, graph: GraphEmulator, clock: MovedClock
) -> None:
    settings = company(20)
    edit(small, "E00009", Active=0)
    again = compared.invented(25, clock.utc_now().date())[24]
    compared.employ(small, [again | {"Email": "person.9@contoso.example"}])
    result = comparing.compare(settings, clock=clock)
    assert found(result)["left_enabled"] == {"E00009"}
    assert person(result, "E00025")["heading"] == "missing"


def test_whom_entra_finds_by_a_second_attribute_is_found_by_it(
    company: Callable[[int], Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    settings, directory = company(20), graph.directory()
    directory.schema.matching = {"externalId": 1, 'emails[type eq "work"].value': 2}
    directory.edit(directory.object_id("E00009"), employeeId=None)
    result = comparing.compare(settings, clock=clock)
    assert result.report.answer["matched_by"] == [
        "externalId → employeeId",
        'emails[type eq "work"].value → mail',
    ]
    assert person(result, "E00009")["found_by"] == "mail"


def test_an_app_that_matches_by_nothing_that_can_be_followed_is_compared_with_a_warning(
    company: Callable[[int], Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    settings = company(20)
    graph.directory().schema.matching = {}
    report = comparing.compare(settings, clock=clock).report
    assert report.counts["enabled"] == 20
    assert any("looked for by externalId → employeeId" in note for note in report.notes)


# --- without this role or that ------------------------------------------------------------------------------------


def test_without_the_role_nothing_is_compared_and_it_is_named(
    company: Callable[[int], Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    settings = company(20)
    graph.roles.discard(USERS_ROLE)
    with pytest.raises(NotPermitted, match=r"User\.Read\.All"):
        comparing.compare(settings, clock=clock)
    assert aftermath.status(settings, clock=clock).answer["compared"] is None


def test_without_the_apps_schema_what_goes_where_its_name_says_is_compared(
    company: Callable[[int], Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    settings, directory = company(20), graph.directory()
    graph.roles.discard(JOB_ROLE)
    directory.edit(directory.object_id("E00009"), department="By hand", officeLocation="By hand")
    result = comparing.compare(settings, clock=clock)
    assert result.report.answer["schema"] is None
    assert person(result, "E00009")["attributes"].keys() == {"department"}
    assert any("compared by their names" in note for note in result.report.notes)
    assert {"target": "nickName", "why": "the app's schema was not read"} in result.report.answer["not_compared"]


def test_leave_dates_that_may_not_be_read_are_not_compared(
    company: Callable[[int], Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    settings, directory = company(20), graph.directory()
    directory.edit(directory.object_id("E00009"), employeeLeaveDateTime="2027-01-01T00:00:00Z")
    assert person(comparing.compare(settings, clock=clock), "E00009")["heading"] == "differs"
    graph.roles.discard(LIFECYCLE_ROLE)
    result = comparing.compare(settings, clock=clock)
    assert person(result, "E00009")["heading"] == "enabled"
    told = {one["target"]: one["why"] for one in result.report.answer["not_compared"]}
    assert "User-LifeCycleInfo.Read.All" in told[flows.LEAVE_DATE]


def test_an_outage_of_the_schema_is_no_lack_of_a_role(
    company: Callable[[int], Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    settings = company(20)
    graph.fail_read(JOB_ROLE, 503)
    with pytest.raises(UpstreamError, match="503"):
        comparing.compare(settings, clock=clock)


# --- what becomes of it -------------------------------------------------------------------------------------------


def test_the_counts_of_the_last_comparison_stand_in_the_status_and_no_value_of_anybody(
    company: Callable[[int], Settings], small: Database, graph: GraphEmulator, clock: MovedClock
) -> None:
    settings, directory = company(20), graph.directory()
    directory.edit(directory.object_id("E00009"), department="By hand")
    assert comparing.nightly(settings, clock=clock).counts["differs"] == 1
    told = aftermath.status(settings, clock=clock).answer["compared"]
    assert (told["counts"]["differs"], told["counts"]["enabled"]) == (1, 19)
    assert datetime.fromisoformat(told["at"]).date() == clock.utc_now().date()
    graph.roles.discard(USERS_ROLE)
    clock.move(days=1)
    with pytest.raises(NotPermitted):
        comparing.nightly(settings, clock=clock)
    assert aftermath.status(settings, clock=clock).answer["compared"] == told  # one that failed has counted nobody
    kept = [row[0] for row in small.select("SELECT counts FROM provisioning.runs WHERE job = 'compare'", (), "runs")]
    assert len(kept) == 2
    assert not any("hand" in text or "E000" in text for text in kept)


def test_nothing_is_sent_or_changed_over_there(
    company: Callable[[int], Settings], graph: GraphEmulator, clock: MovedClock
) -> None:
    settings = company(20)
    before = graph.directory().changes_made
    comparing.compare(settings, clock=clock)
    assert (graph.calls, graph.directory().changes_made) == ([], before)


@pytest.fixture
def environ(company: Callable[[int], Settings], sqlite_string: str, graph: GraphEmulator) -> dict[str, str]:
    company(30)
    directory = graph.directory()
    directory.edit(directory.object_id("E00009"), department="=1+1", jobTitle="<b>Kwibus</b>")
    directory.plant({"userPrincipalName": "kwibus@contoso.example", "displayName": "Kwibus & sons"})
    return {"SQL_CONNECTION_STRING": sqlite_string, "GRAPH_BULK_UPLOAD_URL": graph.upload_url, **SETTINGS}


Capture = pytest.CaptureFixture[str]


def test_the_command_prints_counts_on_stdout_and_ids_on_stderr_and_values_only_when_asked(
    environ: dict[str, str], capsys: Capture
) -> None:
    assert command_line.main(["compare"], environ) == 0
    out, err = capsys.readouterr()
    line = json.loads(out)
    assert (line["differs"], line["without_hr"], line["enabled"]) == (1, 1, 29)
    assert "E00009" in err
    assert not is_in(out + err)
    assert command_line.main(["compare", "--diff"], environ) == 0
    out, err = capsys.readouterr()
    assert "kwibus@contoso.example" in out
    assert "department  Café & Catering → =1+1" in out
    assert not is_in(err)


def test_what_would_command_a_terminal_is_escaped(
    environ: dict[str, str], graph: GraphEmulator, capsys: Capture
) -> None:
    directory = graph.directory()
    directory.edit(directory.object_id("E00009"), jobTitle="Zoö\x1b[2J\u202ekeeper")
    assert command_line.main(["compare", "--diff"], environ) == 0
    out = capsys.readouterr().out
    assert "→ Zoö\\x1b[2J\\u202ekeeper\n" in out
    assert all(line.isprintable() for line in out.splitlines())


def test_json_is_one_line_with_everybody(environ: dict[str, str], capsys: Capture) -> None:
    assert command_line.main(["compare", "--json"], environ) == 0
    (text,) = capsys.readouterr().out.splitlines()
    line = json.loads(text)
    assert len(line["people"]) == 31
    assert [p["heading"] for p in line["people"][:2]] == ["without_hr", "differs"]


def test_report_and_csv_are_for_their_owner_only_and_hold_everybody(
    environ: dict[str, str], tmp_path: Path, capsys: Capture
) -> None:
    report, sheet = tmp_path / "report.html", tmp_path / "people.csv"
    sheet.write_text("readable for everybody")
    sheet.chmod(0o644)
    assert command_line.main(["compare", "--report", str(report), "--csv", str(sheet)], environ) == 0
    assert {stat.S_IMODE(path.stat().st_mode) for path in (report, sheet)} == {0o600}
    html = report.read_text(encoding="utf-8")
    assert "&lt;b&gt;Kwibus&lt;/b&gt;" in html
    assert "<script" not in html
    assert "http" not in html.replace("http-equiv", "")  # nothing is loaded from anywhere
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    hers = [row for row in rows if row["employee_id"] == "E00009"]
    assert {row["property"]: row["found"] for row in hers} == {"department": "'=1+1", "jobTitle": "<b>Kwibus</b>"}
    assert len(rows) == 32
    assert not is_in(capsys.readouterr().err)


def test_a_file_that_cannot_be_written_is_told_before_anything_is_read(
    environ: dict[str, str], tmp_path: Path, graph: GraphEmulator, capsys: Capture
) -> None:
    for path in (tmp_path, tmp_path / "no" / "such.html"):
        assert command_line.main(["compare", "--report", str(path)], environ) == 2
        assert "cannot be written" in capsys.readouterr().err
    assert graph.tenant.requests == 0


def test_a_heading_of_many_is_cut_on_the_page_and_says_so() -> None:
    about = {"compared_at": "2026-11-22T12:00:00Z", "schema": None, "matched_by": ["a → b"], "compared": []}
    about |= {"not_compared": [], "ignored_accounts": [], "disabled_without_hr": 0, "attributes": {}}
    counts = {"without_hr": 20_000, "people": 0, "accounts": 20_000}
    one = {"heading": "without_hr", "employee_id": None, "user_principal_name": "x", "object_id": "o", "enabled": True}
    people = [one | {"display_name": None, "remarks": [], "attributes": {}, "found_by": None, "user_name": None}] * 2000
    html = comparison_page.page(comparison_page.Told("compare", counts, about), people, "")
    assert html.count("<tr>") == 2000 + 3 + len(comparison_page.FOUND)
    assert "18,000 more" in html
    assert len(html) < 2_000_000


def test_nothing_of_anybody_is_logged_or_raised(
    company: Callable[[int], Settings], small: Database, graph: GraphEmulator, clock: MovedClock, canary: Canary
) -> None:
    settings, directory = company(20), graph.directory()
    for n in range(9, 20):
        directory.edit(directory.object_id(f"E{n:05d}"), department="Kwibus", mail=f"kwibus{n}@contoso.example")
    directory.plant({"userPrincipalName": "kwibus@contoso.example"})
    edit(small, "E00020", Title="Kwibus", Active="Kwibus")
    result = comparing.compare(settings, clock=clock)
    assert result.report.counts["differs"] == 11
    assert canary.records
    assert not any(is_in(note) for note in result.report.notes)
    assert is_in(json.dumps(list(result.people())))


def test_a_first_load_is_foreseen_only_before_there_was_one(
    company: Callable[[int], Settings], clock: MovedClock
) -> None:
    settings = company(20)
    with pytest.raises(WrongUsage, match="people were sent"):
        comparing.compare(settings, foresee=True, clock=clock)


def test_the_hold_of_a_first_load_names_the_command_that_shows_what_it_would_do(
    small: Database, bridge: Bridge, clock: MovedClock
) -> None:
    compared.employ(small, compared.invented(30, clock.utc_now().date()))
    report = jobs.create(bridge(), clock=clock)
    assert any("python -m provisioning compare --first-load --report FILE" in note for note in report.notes)
