"""Presets: each vendor's documented answer, its paging and its credentials, from `"preset": …` to valid SCIM users."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from provisioning import __main__ as command_line
from provisioning import doctor, jobs, migration, onboarding, presets, review, scim, source, source_schema
from provisioning.database import Database
from provisioning.errors import ProvisioningError, UpstreamError
from provisioning.people import Job
from provisioning.settings import Settings
from tests.clock import MovedClock
from tests.conftest import NAMED, UNGUARDED
from tests.emulators import vendors
from tests.emulators.graph import GraphEmulator
from tests.emulators.vendors import BambooHr, Personio, Vendor
from tests.scim_models import EnterpriseUser, User
from tests.test_walk_through import HrUser, Shell, follow

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "sql" / "presets"
PAGE = (ROOT / "docs" / "presets.md").read_text(encoding="utf-8")
OTHERS = (ROOT / "docs" / "hr-systems.md").read_text(encoding="utf-8")
Record = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A preset as it is tried: who stands for the vendor, how many people make three pages, how they are edited."""

    name: str
    emulator: type[Vendor]
    people: Callable[[int], list[Record]]
    count: int
    settings: dict[str, str]
    set: Callable[[Record, str, Any], None]

    def environ(self, vendor: Vendor) -> dict[str, str]:
        """What an operator sets; the addresses are those of the emulator."""
        auth = {"access_token_url": f"{vendor.url}/v2/auth/token"}
        client = {"base_url": vendor.url, **({"auth": auth} if self.name == "personio" else {})}
        return {**self.settings, "HR_SOURCE": json.dumps({"preset": self.name, "client": client})}


def _set_personio(person: Record, name: str, value: Any) -> None:
    person["attributes"][name]["value"] = value


PERSONIO = Case(
    "personio",
    Personio,
    vendors.personio_people,
    250,
    {"HR_PERSONIO_CLIENT_ID": vendors.CLIENT[0], "HR_PERSONIO_SECRET": vendors.CLIENT[1]},
    _set_personio,
)
BAMBOOHR = Case(
    "bamboohr",
    BambooHr,
    vendors.bamboohr_people,
    600,
    {"HR_BAMBOOHR_URL": "https://nest.bamboohr.com", "HR_BAMBOOHR_KEY": vendors.KEY},
    dict.__setitem__,
)
CASES = (PERSONIO, BAMBOOHR)


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture
def vendor(case: Case) -> Iterator[Vendor]:
    with case.emulator(case.people(case.count)) as emulator:
        yield emulator


@pytest.fixture
def ready(db: Database, case: Case) -> Iterator[Database]:
    """The database with what docs/presets.md says is to be done; a server is shared by all tests, so it is undone."""
    status = FOLDER / "employees_status.sql"
    migration._run(db, status)
    db.execute("DROP VIEW dbo.ScimUsers")
    migration._run(db, FOLDER / f"mapping-{case.name}.sql")
    yield db
    if db.engine == "sqlserver":
        db.execute("DROP VIEW dbo.ScimUsers")
        db.execute("ALTER TABLE dbo.Employees DROP COLUMN Status")
        migration.migrate(db)


@pytest.fixture
def settings(ready: Database, case: Case, vendor: Vendor, graph: GraphEmulator, connection_string: str) -> Settings:
    return Settings.from_environ(environ(case, vendor, graph, connection_string))


def environ(case: Case, vendor: Vendor, graph: GraphEmulator, connection_string: str) -> dict[str, str]:
    bridge = {"SQL_CONNECTION_STRING": connection_string, "GRAPH_BULK_UPLOAD_URL": graph.upload_url}
    return {**bridge, **case.environ(vendor), **UNGUARDED}


# --- from the vendor's answer to SCIM users -----------------------------------------------------------------------


def test_documented_answers_of_several_pages_become_valid_scim_users(
    settings: Settings, case: Case, vendor: Vendor, graph: GraphEmulator, clock: MovedClock
) -> None:
    report = jobs.ingest(settings, clock=clock)
    unknown = {
        "personio": [],
        "bamboohr": ["employees: fields without a column, not kept: _restrictedfields, photourl"],
    }
    assert [note.casefold() for note in report.notes] == unknown[case.name]  # a server may spell names small
    assert report.counts == {"fetched": case.count, "inserted": case.count} | dict.fromkeys(
        ("updated", "unchanged", "missing", "rejected"), 0
    )
    assert vendor.pages_asked() == 3
    assert jobs.ingest(settings, clock=clock).counts["unchanged"] == case.count

    assert jobs.create(settings, NAMED, clock=clock).counts["sent"] == case.count
    sent = {item.data["externalId"]: item.data for item in graph.accepted}
    assert len(sent) == case.count
    for person in vendor.people:
        expected = EXPECTED[case.name](person)
        assert scim_of(sent[expected["externalId"]]) == expected
    assert not any(private in json.dumps(list(sent.values())) for private in PRIVATE)


PRIVATE = ("INVENTED", "3001", "Deutschland", "home.example", "555 0100", "05-17", "000-00", "female")


def scim_of(data: Record) -> Record:
    """A user as the SCIM schema understands it, once it has said that it is one."""
    manager = data[scim.ENTERPRISE]["manager"]["value"]
    if manager is not None:
        data = json.loads(json.dumps(data))
        data[scim.ENTERPRISE]["manager"]["$ref"] = f"../Users/{manager}"
    user = User[EnterpriseUser | HrUser].model_validate(data)
    assert user.name is not None
    hired = user[HrUser].HireDate
    assert hired is not None
    return {
        "externalId": user.external_id,
        "userName": user.user_name,
        "active": user.active,
        "displayName": user.display_name,
        "given": user.name.given_name,
        "middle": user.name.middle_name,
        "family": user.name.family_name,
        "title": user.title,
        "userType": user.user_type,
        "emails": [mail.value for mail in user.emails or () if mail.value],
        "places": [place.locality for place in user.addresses or ()],
        "number": user[EnterpriseUser].employee_number,
        "department": user[EnterpriseUser].department,
        "manager": manager,
        "hired": hired.date().isoformat(),
    }


def _expected_personio(person: Record) -> Record:
    value = {name: attribute["value"] for name, attribute in person["attributes"].items()}
    supervisor = value["supervisor"]
    return {
        **dict.fromkeys(("externalId", "userName", "number"), str(value["id"])),
        "active": True,
        "displayName": value["preferred_name"],
        "given": value["first_name"],
        "middle": None,
        "family": value["last_name"],
        "title": value["position"],
        "userType": "external",
        "emails": [value["email"]],
        "places": ["Munich"],
        "department": "Customer Support",
        "manager": supervisor and str(supervisor["attributes"]["id"]["value"]),
        "hired": "2014-11-09",
    }


def _expected_bamboohr(person: Record) -> Record:
    return {
        **dict.fromkeys(("externalId", "userName", "number"), person["employeeId"]),
        "active": True,
        "displayName": person["displayName"],
        "given": person["firstName"],
        "middle": "Drake",
        "family": person["lastName"],
        "title": person["jobTitleName"],
        "userType": "Full-Time",
        "emails": [person["workEmail"]],
        "places": ["Munich"],
        "department": "Product",
        "manager": person["reportsToId"],
        "hired": "2014-11-09",
    }


EXPECTED = {"personio": _expected_personio, "bamboohr": _expected_bamboohr}


LIVES = [  # what HR says of somebody, from preset to preset; what is sent of her on 22 November 2026
    ("personio", {"status": "leave"}, True),
    ("personio", {"status": "onboarding", "hire_date": "2026-11-25T00:00:00+01:00"}, True),
    ("personio", {"status": "onboarding", "hire_date": "2027-03-01T00:00:00+01:00"}, None),
    ("personio", {"status": "inactive", "termination_date": "2026-10-31T00:00:00+01:00"}, None),
    ("personio", {"last_working_day": "2026-11-20T00:00:00+01:00", "termination_date": "2026-12-31"}, None),
    ("personio", {"last_working_day": "2026-11-30T00:00:00+01:00", "termination_date": "2026-12-31"}, True),
    ("personio", {"termination_date": "2013-01-31T00:00:00+01:00"}, True),
    ("personio", {"status": "suspended"}, None),
    ("bamboohr", {"status": "Inactive", "terminationDate": "2026-10-31"}, None),
    ("bamboohr", {"terminationDate": "2026-11-20"}, None),
    ("bamboohr", {"terminationDate": "2026-11-30"}, True),
    ("bamboohr", {"terminationDate": "2013-01-31"}, True),
    ("bamboohr", {"hireDate": "2026-11-25"}, True),
    ("bamboohr", {"hireDate": "2027-03-01"}, None),
    ("bamboohr", {"status": "Suspended"}, None),
    ("bamboohr", {"status": None}, None),
]


@pytest.mark.parametrize(("case", "said", "sent"), [(next(c for c in CASES if c.name == n), *r) for n, *r in LIVES])
def test_who_is_active_and_from_when_to_when(
    case: Case,
    said: Record,
    sent: bool | None,
    settings: Settings,
    vendor: Vendor,
    graph: GraphEmulator,
    clock: MovedClock,
) -> None:
    """`sent`: what `active` is sent as; None: nobody who was never sent is sent now."""
    vendor.people = case.people(3)
    for name, value in said.items():
        case.set(vendor.people[1], name, value)
    her = EXPECTED[case.name](vendor.people[1])["externalId"]
    assert jobs.ingest(settings, clock=clock).counts["rejected"] == 0
    jobs.create(settings, NAMED, clock=clock)
    found = {item.data["externalId"]: item.data["active"] for item in graph.accepted}
    assert len(found) == (2 if sent is None else 3)
    assert found.get(her) is sent


@pytest.mark.parametrize("case", [BAMBOOHR], ids=lambda case: case.name)
def test_a_leaver_is_disabled_and_a_word_that_nobody_knows_parks(
    settings: Settings, case: Case, vendor: Vendor, graph: GraphEmulator, clock: MovedClock
) -> None:
    vendor.people = case.people(20)
    jobs.ingest(settings, clock=clock)
    jobs.create(settings, NAMED, clock=clock)
    vendor.people[3] |= {"status": "Inactive", "terminationDate": "2026-11-21"}
    vendor.people[4] |= {"status": "Suspended"}
    clock.move(hours=1)
    jobs.ingest(settings, clock=clock)
    report = jobs.update(settings, clock=clock)
    assert (report.counts["sent"], report.counts["parked"]) == (1, 1)
    assert (graph.accepted[-1].data["externalId"], graph.accepted[-1].data["active"]) == ("104", False)


@pytest.mark.parametrize("case", [PERSONIO], ids=lambda case: case.name)
def test_one_person_is_asked_for_where_the_vendor_gives_one(
    settings: Settings, vendor: Vendor, graph: GraphEmulator, clock: MovedClock
) -> None:
    jobs.ingest(settings, clock=clock)
    vendor.people[6]["attributes"]["position"]["value"] = "Chief Fitter"
    jobs.resync(settings, "7", clock=clock)
    assert vendor.requests[-1] == ("/v1/company/employees/7", 200)
    assert graph.accepted[-1].data["title"] == "Chief Fitter"


@pytest.mark.parametrize("case", [PERSONIO], ids=lambda case: case.name)
def test_who_has_no_preferred_name_is_rejected_by_name_and_nobody_else(
    settings: Settings, vendor: Vendor, clock: MovedClock
) -> None:
    """dbo.Employees needs a full name, and Personio has no other; docs/presets.md has the mend."""
    vendor.people[4]["attributes"]["preferred_name"]["value"] = None
    report = jobs.ingest(settings, clock=clock)
    assert (report.counts["inserted"], report.counts["rejected"]) == (249, 1)
    assert any("5: name_fullname" in note.casefold() for note in report.notes), report.notes


@pytest.mark.parametrize("wrong", ["HR_PERSONIO_SECRET", "HR_BAMBOOHR_KEY"])
def test_wrong_credentials_are_told_and_nothing_is_written(
    wrong: str, sqlite_string: str, graph: GraphEmulator, clock: MovedClock
) -> None:
    case = next(c for c in CASES if wrong in c.settings)
    with case.emulator(case.people(3)) as vendor:
        settings = Settings.from_environ({**environ(case, vendor, graph, sqlite_string), wrong: "another"})
        with pytest.raises(ProvisioningError, match=r"check client.auth in HR_SOURCE"):
            jobs.ingest(settings, clock=clock)
    assert vendor.pages_asked() == 0


def test_the_emulators_take_nothing_that_is_not_documented(case: Case, vendor: Vendor) -> None:
    """A preset that asked for a field, a parameter or a page size of its own would be found out."""
    assert source.load(case.environ(vendor)["HR_SOURCE"], case.settings, [])
    for changed in ({"params": {"other": "1"}}, {"params": {"fields": "firstName,shoeSize"}}, {"path": "v1/people"}):
        document = json.loads(case.environ(vendor)["HR_SOURCE"])
        document["resources"] = [{"name": "Employees", "endpoint": changed}]
        (other,) = source.load(json.dumps(document), case.settings, [])
        with jobs.HrApi(other, MovedClock()) as api, pytest.raises(UpstreamError, match=r"HR answered 40[04]"):
            list(api.pages(other.resources[0]))


# --- the documents ------------------------------------------------------------------------------------------------


def test_the_schema_knows_each_preset_and_each_fits_the_schema() -> None:
    assert source_schema.schema()["properties"]["preset"]["enum"] == presets.names() == sorted(c.name for c in CASES)
    for name in presets.names():
        document = json.loads((presets.FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        fill_in = document.pop("fill_in")
        jsonschema.validate(document, source_schema.schema())
        assert set(re.findall(r"\$(HR_\w+)", json.dumps(document))) == set(fill_in)
        assert all(setting.startswith(f"HR_{name.upper()}_") for setting in fill_in)


def test_each_preset_is_complete_but_for_its_settings(case: Case) -> None:
    problems: list[str] = []
    (found,) = source.load(json.dumps({"preset": case.name}), case.settings, problems)
    assert problems == []
    assert found.base_url.startswith("https://")
    assert found.people == found.resources[0]


def test_what_a_preset_lacks_is_told_by_its_setting_and_what_that_is(case: Case) -> None:
    for missing in case.settings:
        problems: list[str] = []
        left = {name: value for name, value in case.settings.items() if name != missing}
        assert source.load(json.dumps({"preset": case.name}), left, problems) == ()
        what = presets.applied({"preset": case.name})[1][missing]
        assert problems
        assert all(told.endswith(f"refers to the setting {missing}, which is not set: {what}.") for told in problems)


@pytest.mark.parametrize("name", ["bambohr", "BambooHR", "", None, 7, ["bamboohr"], {"bamboohr": 1}, "../hr_source"])
def test_an_unknown_preset_is_told_with_those_that_there_are(name: Any) -> None:
    problems: list[str] = []
    assert source.load(json.dumps({"preset": name, "client": {}}), {}, problems) == ()
    assert problems == ["HR_SOURCE preset: must be one of bamboohr, personio."]


def merged(**document: Any) -> dict[str, Any]:
    return presets.applied({"preset": "bamboohr", **document})[0]


def test_objects_are_merged_and_everything_else_takes_the_place_of_the_presets() -> None:
    plain = merged()
    found = merged(
        client={"headers": {"X-A": "1"}, "paginator": {"total_path": None}},
        resources=[{"name": "employees", "endpoint": {"params": {"fields": "workEmail"}}, "rename": {"pronouns": "X"}}],
    )
    assert found["client"] == {
        **plain["client"],
        "headers": {"X-A": "1"},
        "paginator": {**plain["client"]["paginator"], "total_path": None},
    }
    (before,), (after,) = plain["resources"], found["resources"]
    assert after["endpoint"]["params"] == {**before["endpoint"]["params"], "fields": "workEmail"}
    assert after["rename"] == {**before["rename"], "pronouns": "X"}
    assert merged() == plain  # the preset itself is left as it is


def test_another_type_of_auth_or_paginator_takes_the_place_of_the_whole() -> None:
    bearer, pages = {"type": "bearer", "token": "$HR_T"}, {"type": "page_number", "base_page": 1}
    found = merged(client={"auth": bearer, "paginator": pages})
    assert (found["client"]["auth"], found["client"]["paginator"]) == (bearer, pages)
    assert merged(client={"paginator": "single_page"})["client"]["paginator"] == "single_page"
    same = merged(client={"auth": {"type": "http_basic", "username": "svc"}})["client"]["auth"]
    assert same == {"type": "http_basic", "username": "svc", "password": "$HR_BAMBOOHR_KEY"}


def test_a_resource_of_another_name_is_added() -> None:
    place = {"name": "Locations", "primary_key": "id", "endpoint": "api/v1/places"}
    assert [r["name"] for r in merged(resources=[place])["resources"]] == ["Employees", "Locations"]


@pytest.mark.parametrize(
    ("document", "place", "told"),
    [
        ({"cleint": {}}, "cleint", "did you mean client?"),
        ({"fill_in": {}}, "fill_in", "is not known here"),
        ({"client": "https://nest.example"}, "client", "must be an object"),
        ({"client": {"base_url": "http://nest.example"}}, "client.base_url", "https://"),
        ({"client": {"auth": {"password": "s3cret"}}}, "client.auth.password", "a secret must not stand here"),
        ({"client": {"auth": {"type": "bearer"}}}, "client.auth.token", "is missing"),
        ({"resources": {}}, "resources", "must be a list"),
        ({"resources": [{"name": "Employees"}, {"name": "Employees"}]}, "resources[1].endpoint", "is missing"),
        ({"resources": [{"rename": {}}]}, "resources[1].name", "is missing"),
        ({"resources": ["Employees"]}, "resources[1]", "must be an object"),
    ],
)
def test_what_is_laid_over_a_preset_is_checked_as_if_it_were_written_out(document: Any, place: str, told: str) -> None:
    problems: list[str] = []
    text = json.dumps({"preset": "bamboohr", **document})
    assert source.load(text, BAMBOOHR.settings, problems) == ()
    assert any(p.startswith(f"HR_SOURCE {place}: ") and told in p for p in problems), problems
    assert "s3cret" not in "".join(problems)


@pytest.mark.parametrize(
    ("document", "right"),
    [
        ({"preset": "personio"}, True),
        ({"preset": "personio", "client": {"requests_per_second": 2}}, True),
        ({"preset": "personio", "resources": [{"name": "Employees", "rename": {"a": "b"}}]}, True),
        ({"preset": "personio", "client": {"base_ulr": "https://x.example"}}, False),
        ({"preset": "personio", "resources": [{"rename": {"a": "b"}}]}, False),
        ({"preset": "workday"}, False),
        ({"client": {"requests_per_second": 2}}, False),
    ],
)
def test_an_editor_takes_a_part_where_a_preset_stands_and_nowhere_else(document: Any, right: bool) -> None:
    assert jsonschema.Draft202012Validator(source_schema.schema()).is_valid(document) is right


# --- everything else works with it --------------------------------------------------------------------------------


def test_source_prints_what_is_read_and_it_can_be_set_as_it_is(case: Case, capfd: pytest.CaptureFixture[str]) -> None:
    changed = {"preset": case.name, "client": {"requests_per_second": 2}}
    assert command_line.main(["source"], {**case.settings, "HR_SOURCE": json.dumps(changed)}) == 0
    printed = capfd.readouterr().out
    assert len(printed.splitlines()) == 1
    assert not any(secret in printed for name, secret in case.settings.items() if not name.endswith("_URL"))
    problems: list[str] = []
    (again,) = source.load(printed, case.settings, problems)
    assert (again,) == source.load(json.dumps(changed), case.settings, problems)
    assert again.requests_per_second == 2


def test_source_without_a_source_is_wrong_usage(capfd: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["source"], {}) == 2
    assert "HR_SOURCE: is missing" in capfd.readouterr().err


def test_infer_table_looks_at_what_a_preset_describes(
    case: Case, vendor: Vendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: MovedClock
) -> None:
    """For who wants a table of her own instead: the printed document, under another name and without renaming."""
    shutil.copytree(ROOT / "sql", tmp_path / "sql")
    monkeypatch.setattr(migration, "SCRIPTS", tmp_path / "sql")
    document, _ = presets.applied(json.loads(case.environ(vendor)["HR_SOURCE"]))
    document["resources"][0]["name"] = "Staff"
    for option in ("rename", "select", "item_path"):
        document["resources"][0].pop(option, None)
    settings = Settings.from_environ({**case.settings, "HR_SOURCE": json.dumps(document)})
    report = onboarding.infer_table(settings, "Staff", clock=clock)
    assert report.answer["records"] == case.count
    assert "PRIMARY KEY" in (tmp_path / "sql" / "1001_Staff.sql").read_text(encoding="utf-8")


@pytest.mark.parametrize("case", [PERSONIO], ids=lambda case: case.name)
def test_a_field_of_ones_own_is_a_line_of_rename_and_a_column(
    case: Case,
    vendor: Vendor,
    sqlite_string: str,
    graph: GraphEmulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    clock: MovedClock,
) -> None:
    shutil.copytree(ROOT / "sql", tmp_path / "sql")
    monkeypatch.setattr(migration, "SCRIPTS", tmp_path / "sql")
    document = json.loads(case.environ(vendor)["HR_SOURCE"])
    document["resources"] = [{"name": "Employees", "rename": {"attributes.dynamic_24407.value": "Honorific"}}]
    changed = {**environ(case, vendor, graph, sqlite_string), "HR_SOURCE": json.dumps(document)}
    report = onboarding.add_columns(Settings.from_environ(changed), "Employees", ["Honorific"], clock=clock)
    assert report.answer["files"] == ["sql/1001_Employees_columns.sql", "sql/sqlite/1001_Employees_columns.sql"]


def test_doctor_asks_the_vendor(
    settings: Settings, case: Case, vendor: Vendor, graph: GraphEmulator, connection_string: str
) -> None:
    found = {f.check: f for f in doctor.examine(environ(case, vendor, graph, connection_string))}
    assert {found[name].state.value for name in ("settings", "mapping", "hr")} == {"ok"}, found
    assert "100 records of Employees" in found["hr"].told[0] or "250 records of Employees" in found["hr"].told[0]


# --- the page -----------------------------------------------------------------------------------------------------


def rows(title: str, page: str) -> list[list[str]]:
    table = page.partition(f"\n| {title} |")[2].partition("\n\n")[0].partition("| ---")[2]
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines() if line.startswith("| `")
    ]


def section(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


HEADINGS = {"personio": "Personio", "bamboohr": "BambooHR"}


def test_every_field_is_cited_and_goes_where_the_page_says(case: Case) -> None:
    """Field → column is the preset's, column → attribute the mapping's; the vendor documents each line."""
    told = rows("field", section(HEADINGS[case.name]))
    rename = presets.applied({"preset": case.name})[0]["resources"][0]["rename"]
    assert {row[0].strip("`"): row[1].strip("`") for row in told} == rename
    view = (FOLDER / f"mapping-{case.name}.sql").read_text(encoding="utf-8")
    statement = re.sub(r"--[^\n]*", "", view)
    for field, column, attributes, cited in told:
        assert re.fullmatch(r"\[\d\](, \[\d\])*", cited), field
        for attribute in re.findall(r"`([^`]+)`", attributes):
            assert re.search(rf"(AS '?|\be\.){re.escape(attribute)}['\s,]", statement), (field, attribute)
        used = re.search(rf"\be\.{column.strip('`')}\b", statement) is not None
        assert used == (attributes != "–"), field


def test_every_citation_leads_somewhere() -> None:
    for heading in HEADINGS.values():
        text = section(heading)
        listed = set(
            re.findall(r"^\[(\d)\] .*(?:github\.com|developer\.personio\.de|bamboohr\.com)", text, re.MULTILINE)
        )
        assert listed == set(re.findall(r"\[(\d)\]", text)) != set()


def test_the_page_names_every_setting_and_that_no_live_tenant_was_tried(case: Case) -> None:
    text = section(HEADINGS[case.name])
    assert all(f"`{setting}`" in text for setting in case.settings)
    assert "No live tenant was tried" in PAGE
    assert "No live tenant was tried" in OTHERS
    assert f'`"preset": "{case.name}"`' in text


@pytest.mark.parametrize("block", re.findall(r"```json\n(.*?)```", OTHERS, re.DOTALL))
def test_what_the_page_of_other_systems_shows_can_be_read(block: str) -> None:
    problems: list[str] = []
    settings = dict.fromkeys(re.findall(r"\$(HR_\w+)", block), "x")
    found = source.load(block, settings, problems)
    assert [p for p in problems if "client_certificate" not in p] == []
    assert found or "client_certificate" in block


def test_every_system_that_was_looked_for_is_a_preset_or_a_section_with_what_was_not_read() -> None:
    sections = re.findall(r"^## (.*)$", OTHERS, re.MULTILINE)
    assert sections == ["HiBob", "SAP SuccessFactors", "Oracle HCM Cloud", "ADP", "Workday", "Dayforce"]
    for one in OTHERS.split("\n## ")[1:]:
        assert "**Read:**" in one
        assert "**Not read:**" in one


def test_the_steps_of_the_page_end_in_people(tmp_path: Path, graph: GraphEmulator) -> None:
    for folder in ("provisioning", "sql"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    address = re.search(r"https://graph\.microsoft\.com/[^']+", PAGE)
    assert address
    with Personio(vendors.personio_people(120)) as vendor:
        client = json.loads(PERSONIO.environ(vendor)["HR_SOURCE"])["client"]
        replaced = {
            '{"preset": "personio"}': json.dumps({"preset": "personio", "client": client}),
            "the-client-id": vendors.CLIENT[0],
            "the-client-secret": vendors.CLIENT[1],
            address[0]: graph.upload_url,
        }
        shell = Shell(tmp_path, replaced)
        follow(shell, {}, PAGE)
    settings = Settings.from_environ(
        {"SQL_CONNECTION_STRING": f"sqlite:///{tmp_path}/bridge.db", "GRAPH_BULK_UPLOAD_URL": graph.upload_url}
    )
    planned = review.foresee(settings, Job.CREATE, NAMED).answer
    assert (len(planned["people"]), planned["parked_people"]) == (120, [])
    assert vendor.pages_asked() == 2


def test_the_pages_of_presets_and_sources_tell_of_each_other() -> None:
    page = (ROOT / "docs" / "hr-source.md").read_text(encoding="utf-8")
    assert "(presets.md)" in page
    assert "(presets.md)" in OTHERS
    assert "(hr-systems.md)" in PAGE
