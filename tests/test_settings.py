"""Settings and HR_SOURCE: read in one go, everything wrong named at once, no secret told."""

import json
from pathlib import Path
from typing import Any

import pytest

from provisioning.errors import SettingsError
from provisioning.settings import Settings

UPLOAD = "https://graph.microsoft.com/v1.0/servicePrincipals/sp-1/synchronization/jobs/API2AAD.x.y/bulkUpload"
SOURCE = """
{"client": {"base_url": "https://hr.example/",
            "auth": {"type": "http_basic", "username": "svc", "password": "$HR_PASSWORD"},
            "paginator": {"type": "offset", "limit": 200, "offset_param": "offset", "limit_param": "limit",
                          "total_path": "total"}},
 "resources": [{"name": "Employees", "primary_key": "EmployeeId",
                "endpoint": {"path": "api/Employees", "data_selector": "data"},
                "item_path": "api/Employees/{EmployeeId}"}]}
"""


def problems(needs: tuple[str, ...] = (), **environ: str) -> str:
    with pytest.raises(SettingsError) as wrong:
        Settings.from_environ(environ, needs)
    return "\n".join(wrong.value.problems)


def source(**changes: Any) -> dict[str, Any]:
    """The document of DESIGN, with parts changed: `client__base_url="…"`, `resource__name=None` takes a key away."""
    document = json.loads(SOURCE)
    places = {
        "client": document["client"],
        "auth": document["client"]["auth"],
        "paginator": document["client"]["paginator"],
        "resource": document["resources"][0],
        "endpoint": document["resources"][0]["endpoint"],
        "root": document,
    }
    for name, value in changes.items():
        place, key = name.split("__")
        if value is None:
            del places[place][key]
        else:
            places[place][key] = value
    return dict(document)


def source_problems(**changes: Any) -> str:
    return problems(HR_SOURCE=json.dumps(source(**changes)), HR_PASSWORD="s3cret", HR_OTHER="s3cret")


def test_without_any_setting_there_are_defaults() -> None:
    found = Settings.from_environ({})
    assert (found.hr_source, found.bulk_upload, found.daily_call_limit) == (None, None, 2000)
    assert (found.create_lead_days, found.prehire_active, found.resend_days) == (7, True, 28)
    assert (found.time_zone.key, found.explicit_nulls, found.update_by_modified) == ("UTC", True, False)
    assert list(found.extensions) == ["hr"]


def test_what_a_verb_needs_is_named_when_missing_together_with_all_that_is_wrong() -> None:
    found = problems(("SQL_CONNECTION_STRING", "HR_SOURCE"), TIME_ZONE="Mars", RESEND_DAYS="0", SCIM_NULLS="maybe")
    assert found.splitlines() == [
        "SQL_CONNECTION_STRING: is missing.",
        "HR_SOURCE: is missing.",
        "SCIM_NULLS: must be explicit or omit.",
        "TIME_ZONE: 'Mars' is not an IANA time zone such as Europe/Copenhagen.",
        "RESEND_DAYS: must be a whole number from 1 to 3650.",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SQL_CONNECTION_STRING", "sqlite:/x.db"),
        ("SQL_CONNECTION_STRING", "Database=x;PWD=s3cret"),
        ("GRAPH_BULK_UPLOAD_URL", "not a url"),
        ("GRAPH_BULK_UPLOAD_URL", UPLOAD.replace("https", "http")),
        ("GRAPH_BULK_UPLOAD_URL", UPLOAD.replace("graph.microsoft.com", "graph.microsoft.com.evil.example")),
        ("GRAPH_BULK_UPLOAD_URL", UPLOAD.replace("bulkUpload", "start")),
        ("GRAPH_BULK_UPLOAD_URL", UPLOAD + "?x=1"),
        ("GRAPH_DAILY_CALL_LIMIT", "0"),
        ("GRAPH_DAILY_CALL_LIMIT", "many"),
        ("CREATE_LEAD_DAYS", "-1"),
        ("PREHIRE_ACTIVE", "yes"),
        ("UPDATE_BY", "clock"),
        ("SCIM_EXTENSIONS", "{"),
        ("SCIM_EXTENSIONS", '{"enterprise": "urn:a:b"}'),
        ("SCIM_EXTENSIONS", '{"x": "no urn"}'),
        ("SCIM_EXTENSIONS", '{"x": {"urn": "urn:a:b", "types": {"A": "date"}}}'),
    ],
)
def test_a_wrong_setting_is_named_and_no_secret_told(name: str, value: str) -> None:
    found = problems(**{name: value})
    assert found.startswith(f"{name}")
    assert len(found.splitlines()) == 1
    assert "s3cret" not in found


@pytest.mark.parametrize("host", ["graph.microsoft.us", "dod-graph.microsoft.us", "microsoftgraph.chinacloudapi.cn"])
def test_the_national_clouds_are_graph_hosts(host: str) -> None:
    found = Settings.from_environ({"GRAPH_BULK_UPLOAD_URL": UPLOAD.replace("graph.microsoft.com", host)}).bulk_upload
    assert found
    assert (found.target, found.needs_token) == ("sp-1/API2AAD.x.y", True)


def test_an_emulator_on_loopback_needs_no_token() -> None:
    url = UPLOAD.replace("https://graph.microsoft.com", "http://127.0.0.1:8072")
    found = Settings.from_environ({"GRAPH_BULK_UPLOAD_URL": url}).bulk_upload
    assert found
    assert not found.needs_token


def test_the_designs_hr_source_works_as_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "hr.json"
    file.write_text(SOURCE, encoding="utf-8")
    texts = [Settings.from_environ({"HR_SOURCE": t, "HR_PASSWORD": "s3cret"}).hr_source for t in (SOURCE, str(file))]
    assert texts[0] == texts[1]
    found = texts[0]
    assert found
    assert (found.base_url, found.auth.values["password"]) == ("https://hr.example/", "s3cret")
    (resource,) = found.resources
    assert (resource.table, resource.path, resource.data_selector) == ("Employees", "api/Employees", ("data",))
    assert (resource.paginator.type, resource.paginator.options["total_path"]) == ("offset", ("total",))
    assert "s3cret" not in repr(found)


def test_settings_tell_no_secret_of_theirs() -> None:
    environ = {"HR_SOURCE": SOURCE, "HR_PASSWORD": "s3cret", "SQL_CONNECTION_STRING": "Server=x;UID=a;PWD=s3cret"}
    assert "s3cret" not in repr(Settings.from_environ(environ))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"root__client": None}, "HR_SOURCE client: is missing"),
        ({"root__resources": []}, "HR_SOURCE resources: must be a list"),
        ({"root__extra": 1}, "HR_SOURCE extra: is not known here"),
        ({"client__base_url": None}, "HR_SOURCE client.base_url: is missing"),
        ({"client__base_url": "http://hr.example/"}, "HR_SOURCE client.base_url: must be https://"),
        ({"client__base_url": "https://u:p@hr.example/"}, "must not hold a user name"),
        ({"client__paginater": {}}, "HR_SOURCE client.paginater: is not known here"),
        ({"client__headers": {"X-Api-Key": "s3cret"}}, "HR_SOURCE client.headers.X-Api-Key: a secret must not stand"),
        ({"auth__type": "magic"}, "HR_SOURCE client.auth.type: must be one of"),
        ({"auth__password": "s3cret"}, "HR_SOURCE client.auth.password: a secret must not stand here"),
        ({"auth__password": None}, "HR_SOURCE client.auth.password: is missing"),
        ({"auth__password": "$SQL_CONNECTION_STRING"}, "only settings whose names begin with HR_"),
        ({"auth__password": "$HR_NOWHERE"}, "refers to the setting HR_NOWHERE, which is not set"),
        ({"auth__password": "$HR_PASSWORD!"}, "as the whole value"),
        ({"paginator__type": "guess"}, "HR_SOURCE client.paginator: type must be one of"),
        ({"paginator__limit": 0}, "HR_SOURCE client.paginator.limit: must be a whole number above 0"),
        ({"paginator__maximum_offset": 10}, "client.paginator.maximum_offset: is not known here"),
        ({"paginator__total_path": "a..b"}, "client.paginator.total_path: must be a path"),
        ({"resource__name": "dbo.Employees; DROP"}, "HR_SOURCE resources[0].name: must be the name of a table"),
        ({"resource__primary_key": None}, "HR_SOURCE resources[0].primary_key: is missing"),
        ({"resource__item_path": "api/Employees/{Id}"}, "resources[0].item_path: must hold {EmployeeId}"),
        ({"endpoint__path": "https://evil.example/"}, "resources[0].endpoint.path: must be relative"),
        ({"endpoint__path": "x?y=1"}, "resources[0].endpoint.path: must not hold a query"),
        ({"endpoint__method": "POST"}, "resources[0].endpoint.method: must be GET"),
        ({"endpoint__data_selector": "[0]"}, "resources[0].endpoint.data_selector: must be a path"),
    ],
)
def test_a_wrong_source_is_told_by_its_path_and_without_the_secret(changes: dict[str, Any], told: str) -> None:
    found = source_problems(**changes)
    assert told in found
    assert "s3cret" not in found


def test_everything_wrong_with_a_source_is_told_at_once() -> None:
    found = source_problems(
        client__base_url="ftp://x", auth__password="s3cret", endpoint__path="//x", resource__name="1"
    )
    assert len(found.splitlines()) == 4


def test_two_resources_may_not_fill_one_table() -> None:
    document = source()
    document["resources"].append({**document["resources"][0], "name": "EMPLOYEES"})
    assert "two resources fill the table employees" in problems(HR_SOURCE=json.dumps(document), HR_PASSWORD="x")


@pytest.mark.parametrize("text", ["{", "[]", '"x"', "no/such/file.json"])
def test_a_source_that_cannot_be_read_is_named(text: str) -> None:
    assert problems(HR_SOURCE=text).startswith("HR_SOURCE")
