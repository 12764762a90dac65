"""HR_SOURCE: the design's example as it stands, everything wrong told by its path, secrets only by "$HR_…"."""

import json
import re
import traceback
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from provisioning import source, source_schema
from provisioning.delimited import Dialect
from provisioning.errors import UpstreamError
from provisioning.hr import HrApi
from provisioning.source import Source
from tests.clock import MovedClock
from tests.emulators.hr import HrEmulator

ENVIRON = {
    "HR_PASSWORD": "s3cret",
    "HR_OTHER": "s3cret",
    "SQL_CONNECTION_STRING": "Server=x;PWD=s3cret",
    "HR_EMPTY": "",
    "HR_WIDE": "s3crét",
    "HR_UNRESOLVED": "@Microsoft.KeyVault(SecretUri=https://vault.example/secrets/hr-s3cret)",
}
DESIGN = """
{"client": {"base_url": "https://hr.example/", "auth": {"type": "http_basic", "username": "svc", "password": "$HR_PASSWORD"},
            "paginator": {"type": "offset", "limit": 200, "offset_param": "offset", "limit_param": "limit", "total_path": "total"}},
 "resources": [{"name": "Employees", "primary_key": "EmployeeId",
                "endpoint": {"path": "api/Employees", "data_selector": "data"},
                "item_path": "api/Employees/{EmployeeId}"}]}
"""  # noqa: E501 - as DESIGN has it
GONE = object()


def load(text: str) -> tuple[Source | None, list[str]]:
    """The one HR system of a document."""
    found, problems = load_all(text)
    return next(iter(found), None), problems


def load_all(text: str) -> tuple[tuple[Source, ...], list[str]]:
    problems: list[str] = []
    return source.load(text, ENVIRON, problems), problems


def changed(**changes: Any) -> str:
    """The design's document with parts changed: `client__base_url="…"`; GONE takes a key away."""
    document = json.loads(DESIGN)
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
        if value is GONE:
            del places[place][key]
        else:
            places[place][key] = value
    return json.dumps(document)


def good(**changes: Any) -> Source:
    found, problems = load(changed(**changes))
    assert problems == []
    assert found
    return found


def wrong(**changes: Any) -> list[str]:
    found, problems = load(changed(**changes))
    assert found is None
    assert problems
    assert "s3cret" not in " ".join(problems)
    return problems


def test_the_designs_hr_source_works_as_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "hr.json"
    file.write_text("\ufeff" + DESIGN, encoding="utf-8")  # as Notepad saves it
    found, problems = load(DESIGN)
    assert load(str(file)) == (found, problems) == (found, [])
    assert found
    assert (found.base_url, found.auth.type) == ("https://hr.example/", "http_basic")
    assert found.auth.values == {"username": "svc", "password": "s3cret"}
    (resource,) = found.resources
    assert (resource.table, resource.primary_key, resource.path) == ("Employees", "EmployeeId", "api/Employees")
    assert (resource.data_selector, resource.item_path) == (("data",), "api/Employees/{EmployeeId}")
    assert (resource.paginator.type, resource.paginator.options["limit"]) == ("offset", 200)
    assert resource.paginator.options["total_path"] == ("total",)


def test_nothing_but_a_base_url_and_a_resource_is_needed() -> None:
    found = good(client__auth=GONE, client__paginator=GONE, resource__item_path=GONE, endpoint__data_selector=GONE)
    assert (found.auth.type, found.resources[0].paginator.type) == ("none", "single_page")
    assert (found.resources[0].data_selector, found.resources[0].item_path) == ((), None)


@pytest.mark.parametrize(
    ("written", "steps"),
    [
        ("data", ("data",)),
        ("result.items", ("result", "items")),
        ("$['@odata.nextLink']", ("@odata.nextLink",)),
        ('$["d"].results', ("d", "results")),
        ("$.d", ("d",)),
        ("$", ()),
        ("", ()),
    ],
)
def test_a_path_is_dotted_or_quoted(written: str, steps: tuple[str, ...]) -> None:
    assert good(endpoint__data_selector=written).resources[0].data_selector == steps


def test_a_resource_may_page_in_a_way_of_its_own() -> None:
    found = good(endpoint__paginator={"type": "page_number", "base_page": 1, "total_path": "pages"})
    paginator = found.resources[0].paginator
    assert (paginator.type, paginator.options["base_page"], paginator.options["page_param"]) == (
        "page_number",
        1,
        "page",
    )


def test_short_forms_are_taken() -> None:
    found = good(
        client__paginator="page_number", resource__endpoint="api/Employees", resource__primary_key=["EmployeeId"]
    )
    (resource,) = found.resources
    assert (resource.path, resource.primary_key, resource.paginator.type) == (
        "api/Employees",
        "EmployeeId",
        "page_number",
    )


def test_a_nested_key_is_the_flattened_column() -> None:
    assert good(resource__primary_key="Id.Number", resource__item_path=GONE).resources[0].primary_key == "Id_Number"


def test_params_are_texts_and_may_come_from_settings() -> None:
    found = good(endpoint__params={"active": True, "size": 5, "tenant": "$HR_OTHER"}, client__headers={"X-A": "1"})
    assert found.resources[0].params == {"active": "true", "size": "5", "tenant": "s3cret"}
    assert found.headers == {"X-A": "1"}


def test_people_are_the_resource_that_can_be_asked_by_employee_id() -> None:
    document = json.loads(DESIGN)
    contracts = {"name": "Contracts", "primary_key": "employeeid", "endpoint": "contracts"}
    places = {"name": "Locations", "primary_key": "LocationId", "endpoint": "places"}
    found, _ = load(json.dumps({**document, "resources": [places, contracts, *document["resources"]]}))
    assert found
    assert found.people is found.resources[2]
    alone, _ = load(json.dumps({**document, "resources": [places]}))
    assert alone
    assert alone.people is None


@pytest.mark.parametrize(
    "url",
    [
        "https://hr.example.",
        "https://HR_1.example:8443/api",
        "https://xn--hr-exmple-02a.example",
        "https://10.0.0.1",
        "https://[2001:db8::1]:8443",
        "https://localhost",
    ],
)
def test_a_host_is_a_name_in_ascii_or_an_address(url: str) -> None:
    assert good(client__base_url=url).base_url == url + "/"


@pytest.mark.parametrize("url", ["file:///mounts/hr/", "/mounts/hr", "$HR_FOLDER"])
def test_a_folder_is_a_source_too(url: str) -> None:
    problems: list[str] = []
    document = {"client": {"base_url": url, "auth": "none"}, "resources": SHARE["root__resources"]}
    (found,) = source.load(json.dumps(document), {"HR_FOLDER": "/mounts/hr"}, problems)
    assert problems == []
    assert (found.folder, found.base_url) == (Path("/mounts/hr"), "")
    assert (found.resources[0].path, found.resources[0].csv) == ("e.csv", Dialect())


def test_a_paginator_of_the_client_is_not_that_of_a_file() -> None:
    found = good(**CSV, endpoint__format={"type": "csv", "quotechar": None}).resources[0]
    assert (found.paginator.type, found.csv) == ("single_page", Dialect(quotechar=None))


@pytest.mark.parametrize("url", ["http://localhost:8071", "http://127.0.0.1:8071/", "http://[::1]:8071/x"])
def test_plain_http_is_allowed_on_loopback(url: str) -> None:
    assert good(client__base_url=url).base_url == url.rstrip("/") + "/"


@pytest.mark.parametrize(
    "url",
    [
        "http://hr.example/",
        "http://127.0.0.1.evil.example/",
        "http://localhost@evil.example/",
        "http://0.0.0.0/",
        "ftp://hr.example/",
        "//hr.example/",
        "hr.example",
        "https://",
        "https://hr.example:port/",
        "https://hr.example:99999/",
        "https://hr example/",
        "https://hr.example/\x01",
        "https://u:s3cret@hr.example/",
        "https://hr.example/?key=s3cret",
        "https://169.254.169.254/",
        "https://2852039166/",
        "https://0xa9fea9fe:443/",
        "https://[::ffff:169.254.169.254]/",
        "https://[fe80::1]/",
        "https://[fe80::1%25eth0]/",
        "https://168.63.129.16/",
        "https://１６９.254.169.254/",
        "https://169。254。169。254/",
        "https://%31%36%39.254.169.254/",
        "https://hr.exämple/",
        "https://hr..example/",
        "https://" + "a" * 64 + ".example/",
        7,
        None,
    ],
)
def test_credentials_go_to_an_https_address_or_nowhere(url: Any) -> None:
    assert wrong(client__base_url=url)[0].startswith("HR_SOURCE client.base_url: ")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"root__client": GONE}, "HR_SOURCE client: is missing"),
        ({"root__client": []}, "HR_SOURCE client: must be an object"),
        ({"root__resources": GONE}, "HR_SOURCE resources: is missing"),
        ({"root__resources": []}, "HR_SOURCE resources: must be a list"),
        ({"root__resources": ["Employees"]}, "HR_SOURCE resources[0]: must be an object"),
        ({"root__extra": 1}, "HR_SOURCE extra: is not known here"),
        ({"client__base_url": GONE}, "HR_SOURCE client.base_url: is missing"),
        ({"client__paginater": {}}, "HR_SOURCE client.paginater: is not known here"),
        ({"client__headers": []}, "HR_SOURCE client.headers: must be an object"),
        ({"client__headers": {"X-A": None}}, "HR_SOURCE client.headers.X-A: "),
        ({"client__auth": 7}, "HR_SOURCE client.auth: must be an object"),
        ({"auth__type": "magic"}, "HR_SOURCE client.auth.type: must be one of"),
        ({"auth__type": []}, "HR_SOURCE client.auth.type: must be one of"),
        ({"auth__password": GONE}, "HR_SOURCE client.auth.password: is missing"),
        ({"auth__password": None}, "HR_SOURCE client.auth.password: must be a text"),
        ({"auth__user": "x"}, "HR_SOURCE client.auth.user: is not known here"),
        ({"client__auth": "bearer"}, "HR_SOURCE client.auth.token: is missing"),
        (
            {"client__auth": {"type": "api_key", "api_key": "$HR_OTHER", "location": "body"}},
            "HR_SOURCE client.auth.location: must be header or query",
        ),
        ({"client__paginator": 7}, "HR_SOURCE client.paginator: type must be one of"),
        ({"paginator__type": "guess"}, "HR_SOURCE client.paginator.type: must be one of"),
        ({"paginator__type": []}, "HR_SOURCE client.paginator.type: must be one of"),
        ({"paginator__limit": GONE}, "HR_SOURCE client.paginator.limit: is missing"),
        ({"paginator__limit": 0}, "HR_SOURCE client.paginator.limit: must be a whole number above 0"),
        ({"paginator__limit": "200"}, "HR_SOURCE client.paginator.limit: must be a whole number above 0"),
        ({"paginator__limit": True}, "HR_SOURCE client.paginator.limit: must be a whole number above 0"),
        ({"paginator__limit": None}, "HR_SOURCE client.paginator.limit: must be a whole number above 0"),
        ({"paginator__offset": -1}, "HR_SOURCE client.paginator.offset: must be a whole number"),
        ({"paginator__limit_param": ""}, "HR_SOURCE client.paginator.limit_param: must be the name"),
        ({"paginator__maximum_offset": 10}, "HR_SOURCE client.paginator.maximum_offset: is not known here"),
        ({"paginator__stop_after_empty_page": False}, "client.paginator.stop_after_empty_page: must be true"),
        ({"paginator__total_path": "a..b"}, "HR_SOURCE client.paginator.total_path: must be a path"),
        ({"endpoint__paginator": {"type": "x"}}, "HR_SOURCE resources[0].endpoint.paginator.type: must be one of"),
        ({"resource__name": GONE}, "HR_SOURCE resources[0].name: is missing"),
        ({"resource__name": None}, "HR_SOURCE resources[0].name: "),
        ({"resource__name": "dbo.Employees; DROP"}, "HR_SOURCE resources[0].name: must be the name of a table"),
        ({"resource__name": "Å"}, "HR_SOURCE resources[0].name: must be the name of a table"),
        ({"resource__primary_key": GONE}, "HR_SOURCE resources[0].primary_key: is missing"),
        ({"resource__primary_key": None, "resource__item_path": GONE}, "HR_SOURCE resources[0].primary_key: "),
        ({"resource__primary_key": ["a", "b"]}, "HR_SOURCE resources[0].primary_key: must be the name of one field"),
        ({"resource__item_path": "api/Employees/{Id}"}, "HR_SOURCE resources[0].item_path: must hold {EmployeeId}"),
        ({"resource__item_path": "https://evil.example/{EmployeeId}"}, "resources[0].item_path: must be relative"),
        ({"resource__write_disposition": "merge"}, "HR_SOURCE resources[0].write_disposition: is not known here"),
        ({"resource__endpoint": None}, "HR_SOURCE resources[0].endpoint: must be an object"),
        ({"endpoint__path": GONE}, "HR_SOURCE resources[0].endpoint.path: is missing"),
        ({"endpoint__path": None}, "HR_SOURCE resources[0].endpoint.path: "),
        ({"endpoint__path": "https://evil.example/"}, "HR_SOURCE resources[0].endpoint.path: must be relative"),
        ({"endpoint__path": "//evil.example/"}, "HR_SOURCE resources[0].endpoint.path: must be relative"),
        ({"endpoint__path": "///evil.example/"}, "HR_SOURCE resources[0].endpoint.path: must be relative"),
        ({"endpoint__path": " https://evil.example/"}, "HR_SOURCE resources[0].endpoint.path: must be relative"),
        ({"endpoint__path": "HTTPS:evil.example"}, "HR_SOURCE resources[0].endpoint.path: must be relative"),
        ({"resource__item_path": "//evil.example/{EmployeeId}"}, "resources[0].item_path: must be relative"),
        ({"endpoint__path": "x?y=1"}, "HR_SOURCE resources[0].endpoint.path: must not hold a query"),
        ({"endpoint__path": "x\ty"}, "HR_SOURCE resources[0].endpoint.path: "),
        ({"endpoint__method": "PUT"}, "HR_SOURCE resources[0].endpoint.method: must be GET or POST"),
        ({"endpoint__data_selector": "[0]"}, "HR_SOURCE resources[0].endpoint.data_selector: must be a path"),
        ({"endpoint__data_selector": 7}, "HR_SOURCE resources[0].endpoint.data_selector: must be a path"),
        ({"endpoint__params": {"a": {"b": 1}}}, "HR_SOURCE resources[0].endpoint.params.a: "),
    ],
    ids=lambda value: value[10:60] if isinstance(value, str) else "-".join(value),
)
def test_a_wrong_document_is_told_by_its_path(changes: dict[str, Any], told: str) -> None:
    assert any(told in problem for problem in wrong(**changes))


OAUTH = {
    "type": "oauth2_client_credentials",
    "access_token_url": "https://login.example/token",
    "client_id": "a",
    "client_secret": "$HR_OTHER",
}
ALLOWED = re.compile(
    r"must|did you mean|may hold|is missing; it|known are|needs|use one|may be|one of them|only settings"
)
SHARE = {
    "root__client": {"base_url": "file:///mounts/hr/"},
    "root__resources": [
        {"name": "Employees", "primary_key": "EmployeeId", "endpoint": {"path": "e.csv", "format": "csv"}}
    ],
}
CSV = {"endpoint__data_selector": GONE, "resource__item_path": GONE}


def shared(**endpoint: Any) -> dict[str, Any]:
    """The document of a file share, with options of its endpoint."""
    (resource,) = SHARE["root__resources"]
    return {**SHARE, "root__resources": [{**resource, "endpoint": {**resource["endpoint"], **endpoint}}]}  # type: ignore[dict-item]


def written_as(**options: Any) -> dict[str, Any]:
    return {**CSV, "endpoint__format": {"type": "csv", **options}}


MISTAKES: list[tuple[str, dict[str, Any], str, str]] = [
    ("another format", {"endpoint__format": "xml"}, "resources[0].endpoint.format.type", "must be json or csv"),
    (
        "no format at all",
        {"endpoint__format": {}},
        "resources[0].endpoint.format.type",
        "is missing; it must be json or",
    ),
    ("a format that is none", {"endpoint__format": 7}, "resources[0].endpoint.format", "type must be json or csv"),
    (
        "another word for the delimiter",
        written_as(delimeter=";"),
        "resources[0].endpoint.format.delimeter",
        "did you mean delimiter?",
    ),
    (
        "a file without a header",
        written_as(header=False),
        "resources[0].endpoint.format.header",
        "known are type, delim",
    ),
    (
        "two letters as delimiter",
        written_as(delimiter="||"),
        "resources[0].endpoint.format.delimiter",
        "must be one of ,",
    ),
    (
        "an encoding by another name",
        written_as(encoding="latin-1"),
        "resources[0].endpoint.format.encoding",
        "must be one of utf-8, utf-16, windows-1250 to",
    ),
    (
        "a quote of another kind",
        written_as(quotechar="«"),
        "resources[0].endpoint.format.quotechar",
        'must be one of "',
    ),
    (
        "a line end in words",
        written_as(final_newline="no"),
        "resources[0].endpoint.format.final_newline",
        "must be true or false",
    ),
    (
        "pages of a file",
        {**CSV, "endpoint__format": "csv", "endpoint__paginator": {"type": "offset", "limit": 5}},
        "resources[0].endpoint.paginator",
        "must not stand here: a file of CSV is a whole",
    ),
    (
        "a place in a file",
        {"endpoint__format": "csv", "resource__item_path": GONE},
        "resources[0].endpoint.data_selector",
        "must not stand here: a file of CSV is a whole",
    ),
    (
        "one record of a file",
        {"endpoint__format": "csv", "endpoint__data_selector": GONE},
        "resources[0].item_path",
        "must not stand here: one record of CSV cannot be asked for; a resync sends what is mirrored",
    ),
    ("the age of JSON", {"endpoint__max_age_hours": 3}, "resources[0].endpoint.max_age_hours", 'needs "format": "csv"'),
    (
        "no age at all",
        {**CSV, "endpoint__format": "csv", "endpoint__max_age_hours": 0},
        "resources[0].endpoint.max_age_hours",
        "must be a whole number of hours above 0",
    ),
    (
        "a file beside an answer",
        {**CSV, "endpoint__format": "csv", "endpoint__done_file": "{name}.done"},
        "resources[0].endpoint.done_file",
        "needs a file share",
    ),
    (
        "a file elsewhere",
        shared(done_file="../x"),
        "resources[0].endpoint.done_file",
        "must be the name of a file such as",
    ),
    ("JSON in a share", shared(format="json"), "resources[0].endpoint.format", "must be csv: of a file share"),
    (
        "a share with a login",
        {**SHARE, "root__client": {"base_url": "/mounts/hr", "auth": {"type": "bearer", "token": "$HR_OTHER"}}},
        "client.auth",
        "must not stand here: a file share is read as any folder is",
    ),
    (
        "a share with headers",
        {**SHARE, "root__client": {"base_url": "/mounts/hr", "headers": {"X-A": "1"}}},
        "client.headers",
        "must not stand here: a file share",
    ),
    (
        "parameters of a share",
        shared(params={"a": 1}),
        "resources[0].endpoint.params",
        "must not stand here: a file share",
    ),
    (
        "changes of a share",
        shared(since={"start_param": "a"}),
        "resources[0].endpoint.since",
        "must not stand here: a file",
    ),
    (
        "a way out of the share",
        shared(path="../e.csv"),
        "resources[0].endpoint.path",
        "must be a file below client.base_url",
    ),
    ("a whole path below a share", shared(path="/etc/x"), "resources[0].endpoint.path", "must be a file below"),
    (
        "any folder of a share",
        shared(path="*/e.csv"),
        "resources[0].endpoint.path",
        "may hold * in the file's name only",
    ),
    (
        "a share of Windows on Linux",
        {**SHARE, "root__client": {"base_url": "\\\\server\\share"}},
        "client.base_url",
        "mount the share, and name the folder",
    ),
    (
        "a folder with a query",
        {**SHARE, "root__client": {"base_url": "file:///mounts/hr?x"}},
        "client.base_url",
        "must be a folder such as",
    ),
    (
        "a decimal dot in the middle",
        {"resource__decimal_separator": "·"},
        "resources[0].decimal_separator",
        "must be . or ,",
    ),
    (
        "a token that is no ASCII",
        {"client__auth": {"type": "bearer", "token": "$HR_WIDE"}},
        "client.auth.token",
        "ASCII",
    ),
    (
        "a key that is no ASCII",
        {"client__auth": {"type": "api_key", "api_key": "$HR_WIDE"}},
        "client.auth.api_key",
        "must hold ASCII characters only",
    ),
    (
        "a name that is no header's",
        {"client__auth": {"type": "api_key", "api_key": "$HR_OTHER", "name": "X Key"}},
        "client.auth.name",
        "must be the name of a header",
    ),
    ("a colon in a user's name", {"auth__username": "a:b"}, "client.auth.username", "must not hold a colon"),
    ("a header that is no ASCII", {"client__headers": {"X-A": "é"}}, "client.headers.X-A", "must hold ASCII"),
    ("a header with a blank", {"client__headers": {"X A": "1"}}, "client.headers.X A", "must be the name of a header"),
    (
        "a header of an endpoint that holds a secret",
        {"endpoint__headers": {"X-Api-Key": "s3cret"}},
        "resources[0].endpoint.headers.X-Api-Key",
        "a secret must not stand here",
    ),
    (
        "a dialect of tokens",
        {"client__auth": {**OAUTH, "client_auth": "jwt"}},
        "client.auth.client_auth",
        "form or basic",
    ),
    (
        "a literal client secret",
        {"client__auth": {**OAUTH, "client_secret": "s3cret"}},
        "client.auth.client_secret",
        "a secret must not stand here",
    ),
    (
        "a client secret of another setting",
        {"client__auth": {**OAUTH, "client_secret": "$SQL_CONNECTION_STRING"}},
        "client.auth.client_secret",
        "only settings whose names begin with HR_",
    ),
    (
        "a token endpoint without TLS",
        {"client__auth": {**OAUTH, "access_token_url": "http://login.example/token"}},
        "client.auth.access_token_url",
        "must be https://",
    ),
    (
        "a token endpoint where a cloud keeps its secrets",
        {"client__auth": {**OAUTH, "access_token_url": "https://169.254.169.254/token"}},
        "client.auth.access_token_url",
        "must not be a link-local address",
    ),
    (
        "a secret beside the others",
        {"client__auth": {**OAUTH, "access_token_request_data": {"password": "s3cret"}}},
        "client.auth.access_token_request_data.password",
        "a secret must not stand here",
    ),
    (
        "a client in the data",
        {"client__auth": {**OAUTH, "access_token_request_data": {"client_id": "x"}}},
        "client.auth.access_token_request_data.client_id",
        "must stand beside access_token_request_data",
    ),
    (
        "a life of no length",
        {"client__auth": {**OAUTH, "default_token_expiration": 0}},
        "client.auth.default_token_expiration",
        "must be a whole number of seconds above 0",
    ),
    (
        "no client",
        {"client__auth": {"type": "oauth2_client_credentials"}},
        "client.auth.client_id",
        "is missing; it must",
    ),
    (
        "a certificate without its key",
        {"client__client_certificate": {"certificate": "/x"}},
        "client.client_certificate.key",
        "is missing; it must",
    ),
    (
        "a certificate that is not there",
        {"client__client_certificate": {"certificate": "/x.pem", "key": "/y.pem"}},
        "client.client_certificate",
        "must be readable PEM files",
    ),
    (
        "a key in the document",
        {"client__client_certificate": {"certificate": "/x", "key": "-----BEGIN PRIVATE KEY-----s3cret"}},
        "client.client_certificate.key",
        "a secret must not stand here",
    ),
    (
        "a password in the document",
        {"client__client_certificate": {"certificate": "/x", "key": "/y", "password": "s3cret"}},
        "client.client_certificate.password",
        "a secret must not stand here",
    ),
    ("no pace at all", {"client__requests_per_second": 0}, "client.requests_per_second", "from 0.01 to 1000"),
    (
        "a pace in words",
        {"endpoint__requests_per_second": "5"},
        "resources[0].endpoint.requests_per_second",
        "must be a number",
    ),
    ("an option's name misspelled", {"paginator__limt": 5}, "client.paginator.limt", "did you mean limit?"),
    (
        "a paginator that guesses",
        {"client__paginator": "auto"},
        "client.paginator.type",
        "must be one of single_page, offset, page_number, cursor, header_cursor, json_link, header_link",
    ),
    (
        "a cursor from two places",
        {"client__paginator": {"type": "cursor", "cursor_path": "a", "cursor_header": "B"}},
        "client.paginator.cursor_header",
        "use one of them",
    ),
    (
        "a cursor into two places",
        {
            "client__paginator": {"type": "cursor", "cursor_param": "a", "cursor_body_path": "b"},
            "endpoint__method": "POST",
        },
        "client.paginator.cursor_body_path",
        "use one of them",
    ),
    (
        "a cursor into the body of a GET",
        {"client__paginator": {"type": "cursor", "cursor_body_path": "b"}},
        "resources[0].endpoint.method",
        'needs "method": "POST"',
    ),
    (
        "a path that is none",
        {"client__paginator": {"type": "json_link", "next_url_path": "links[0]"}},
        "client.paginator.next_url_path",
        "must be a path such as",
    ),
    (
        "an end that nothing tells",
        {"client__paginator": {"type": "page_number", "stop_after_empty_page": False}},
        "client.paginator.stop_after_empty_page",
        "may be false only where",
    ),
    ("a body with a GET", {"endpoint__json": {"a": 1}}, "resources[0].endpoint.json", 'needs "method": "POST"'),
    (
        "a secret in a body",
        {"endpoint__method": "POST", "endpoint__json": {"login": {"password": "s3cret"}}},
        "resources[0].endpoint.json.login.password",
        "a secret must not stand here",
    ),
    ("a body that is a list", {"endpoint__json": []}, "resources[0].endpoint.json", "must be an object"),
    ("changes from nowhere", {"endpoint__since": {}}, "resources[0].endpoint.since", "start_param or start_body_path"),
    (
        "changes in the body of a GET",
        {"endpoint__since": {"start_body_path": "a"}},
        "resources[0].endpoint.since.start_body_path",
        'needs "method": "POST"',
    ),
    (
        "a time that tells no day",
        {"endpoint__since": {"start_param": "a", "format": "%H:%M"}},
        "resources[0].endpoint.since.format",
        "must be unix, unix_ms or a format",
    ),
    (
        "a full fetch every week",
        {"endpoint__since": {"start_param": "a", "full_every_hours": 168}},
        "resources[0].endpoint.since.full_every_hours",
        "from 1 to 23",
    ),
    ("a selection of none", {"resource__select": []}, "resources[0].select", "must be a list of fields' names"),
    ("a name for two", {"resource__rename": {"a": ["b", "c"]}}, "resources[0].rename.a", "must be a text"),
    (
        "nothing as a value",
        {"resource__null_values": [None]},
        "resources[0].null_values[0]",
        "must be a text or a number",
    ),
    ("a year of two digits", {"resource__date_formats": ["%d.%m.%y"]}, "resources[0].date_formats[0]", "four digits"),
    (
        "a format in another language",
        {"resource__date_formats": ["dd.MM.yyyy"]},
        "resources[0].date_formats[0]",
        "must hold a year",
    ),
    ("a preset that is not there", {"root__preset": "workday"}, "preset", "must be one of bamboohr, personio"),
    ("a preset's name in capitals", {"root__preset": "BambooHR"}, "preset", "must be one of bamboohr, personio"),
    ("two presets", {"root__preset": ["bamboohr", "personio"]}, "preset", "must be one of bamboohr, personio"),
    ("a zone by its letters", {"resource__time_zone": "CET+1"}, "resources[0].time_zone", "must be an IANA time zone"),
    ("a prefix that no id can have", {"resource__key_prefix": "B/"}, "resources[0].key_prefix", "must be 1 to 20 of"),
    ("a prefix of nothing", {"resource__key_prefix": ""}, "resources[0].key_prefix", "must be 1 to 20 of"),
    (
        "keys without what is to stand before them",
        {"resource__key_fields": ["ManagerId"]},
        "resources[0].key_fields",
        "needs key_prefix",
    ),
    (
        "keys behind a prefix that no id can have",
        {"resource__key_fields": ["ManagerId"], "resource__key_prefix": "B/"},
        "resources[0].key_prefix",
        "must be 1 to 20 of",
    ),
    (
        "a column for a name that is none",
        {"resource__source_column": "HrSystem", "root__name": "a\nb"},
        "name",
        "must be a name of at most 50",
    ),
    (
        "a key that is one text",
        {"resource__key_fields": "ManagerId", "resource__key_prefix": "B-"},
        "resources[0].key_fields",
        "must be a list of fields' names",
    ),
    (
        "a column for a name that is not there",
        {"resource__source_column": "HrSystem"},
        "resources[0].source_column",
        'needs a "name" of the HR system',
    ),
    (
        "a key that is the name of the system",
        {"resource__source_column": "employeeid", "root__name": "main"},
        "resources[0].source_column",
        "must be a column of its own",
    ),
    ("a column that is none", {"resource__source_column": 7}, "resources[0].source_column", "must be a text that"),
    ("a name of two lines", {"root__name": "a\nb"}, "name", "must be a name of at most 50"),
    (
        "an item by another name",
        {"resource__item_path": "a/{EmployeeId}/b/{EmployeeId}"},
        "resources[0].item_path",
        "must hold {EmployeeId}, the primary key, once",
    ),
]


@pytest.mark.parametrize(("changes", "place", "told"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES])
def test_a_mistake_is_told_by_its_place_and_what_is_allowed(changes: dict[str, Any], place: str, told: str) -> None:
    found = [problem for problem in wrong(**changes) if problem.startswith(f"HR_SOURCE {place}: ")]
    assert len(found) == 1
    assert told in found[0]
    assert ALLOWED.search(found[0])


def test_a_reference_that_is_no_ascii_may_go_where_no_header_is() -> None:
    key = {"type": "api_key", "api_key": "$HR_WIDE", "location": "query", "name": "a key"}
    assert good(client__auth=key).auth.values["api_key"] == "s3crét"
    assert good(auth__password="$HR_WIDE").auth.values["password"] == "s3crét"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("s3cret", "a secret must not stand here"),
        ("Bearer s3cret", "a secret must not stand here"),
        ("$SQL_CONNECTION_STRING", "only settings whose names begin with HR_"),
        ("$HR_SOURCE", "only settings whose names begin with HR_"),
        ("$HR_PASSWORD!s3cret", "as the whole value"),
        ("$hr_password", "only settings whose names begin with HR_"),
        ("$HR_NOWHERE", "refers to the setting HR_NOWHERE, which is not set"),
        ("$HR_EMPTY", "refers to the setting HR_EMPTY, which is not set"),
        ("$HR_UNRESOLVED", "HR_UNRESOLVED, whose reference to Key Vault gave nothing: put the secret into the vault"),
    ],
)
def test_a_secret_is_the_name_of_an_hr_setting(value: str, told: str) -> None:
    (problem,) = wrong(auth__password=value)
    assert problem.startswith("HR_SOURCE client.auth.password: ")
    assert told in problem


@pytest.mark.parametrize(
    "name", ["Authorization", "X-Api-Key", "api_key", "apikey", "Cookie", "access_token", "password"]
)
@pytest.mark.parametrize("place", ["client__headers", "endpoint__params"])
def test_a_secret_may_not_stand_in_headers_or_params_either(place: str, name: str) -> None:
    (problem,) = wrong(**{place: {name: "s3cret"}})
    assert "a secret must not stand here" in problem
    assert good(**{place: {name: "$HR_OTHER"}})


def test_everything_wrong_is_told_at_once() -> None:
    found = wrong(client__base_url="ftp://x", auth__password="s3cret", endpoint__path="//x", resource__name="1")
    assert [p.split(": ")[0].removeprefix("HR_SOURCE ") for p in found] == [
        "client.auth.password",
        "client.base_url",
        "resources[0].endpoint.path",
        "resources[0].name",
    ]


def test_two_resources_may_not_fill_one_table() -> None:
    document = json.loads(DESIGN)
    document["resources"].append({**document["resources"][0], "name": "EMPLOYEES"})
    found, problems = load(json.dumps(document))
    assert found is None
    assert problems == ["HR_SOURCE resources: two resources fill the table employees; use one resource a table."]


# --- several HR systems -------------------------------------------------------------------------------------------


def listed(*documents: dict[str, Any] | Any) -> str:
    """A list of the design's document, each with changes: `listed({"name": "a"}, {"name": "b", "table": "B"})`."""
    found = []
    for one in documents:
        if not isinstance(one, dict):
            found.append(one)
            continue
        document = json.loads(DESIGN)
        document["resources"][0] |= {"name": one.get("table", "Employees"), **one.get("resource", {})}
        document["client"] |= one.get("client", {})
        found.append(document | {k: v for k, v in one.items() if k not in ("table", "resource", "client")})
    return json.dumps(found)


def test_a_list_is_one_hr_system_after_the_other(tmp_path: Path) -> None:
    text = listed(
        {"name": "main"},
        {"name": "agency", "table": "Agency", "client": {"base_url": "https://agency.example"}},
    )
    file = tmp_path / "hr.json"
    file.write_text(text, encoding="utf-8")
    found, problems = load_all(text)
    assert load_all(str(file)) == (found, problems)
    assert problems == []
    assert [(s.name, s.base_url) for s in found] == [
        ("main", "https://hr.example/"),
        ("agency", "https://agency.example/"),
    ]
    assert [(r.table, r.source) for s in found for r in s.resources] == [("Employees", "main"), ("Agency", "agency")]
    assert source.of(found, found[1].resources[0]) is found[1]


def test_a_list_of_one_is_the_document_itself_by_its_name() -> None:
    (one,), problems = load_all(listed({"name": "main"}))
    (alone,), _ = load_all(changed(root__name="main"))
    assert (one, problems) == (alone, [])


@pytest.mark.parametrize(
    ("documents", "told"),
    [
        (({},), "[0].name: is missing; each HR system of a list needs a name of its own."),
        (({"name": "a"}, {"name": "", "table": "B"}), "[1].name: must be a name of at most 50"),
        (({"name": "a"}, {"name": "A", "table": "B"}), "[1].name: [0] has the name A, too;"),
        (({"name": "a"}, {"name": "b", "table": "EMPLOYEES"}), "[1].resources[0].name: [0] fills the table EMPLOYEES"),
        (({"name": "a"}, "b"), "[1]: must be a JSON object with name, client and resources."),
        (({"name": "a"}, [{"name": "b"}]), "[1]: must be a JSON object"),
        (
            ({"name": "a"}, {"name": "b", "table": "B", "client": {"base_url": "http://b.example"}}),
            "[1].client.base_url (b): must be https://",
        ),
        (
            ({"name": "a"}, {"name": "b", "table": "B", "resource": {"item_path": "x"}}),
            "[1].resources[0].item_path (b): must hold {EmployeeId}",
        ),
        (({"name": "a", "clinet": {}},), "[0].clinet (a): is not known here (did you mean client?)"),
        (({"name": "a", "resources": []},), "[0].resources (a): must be a list of at least one resource"),
    ],
)
def test_what_is_wrong_with_one_of_a_list_is_told_by_its_place_and_name(documents: Any, told: str) -> None:
    found, problems = load_all(listed(*documents))
    assert found == ()
    assert len(problems) == 1
    assert problems[0].startswith(f"HR_SOURCE {told}")


def test_everything_wrong_with_several_is_told_at_once() -> None:
    document = {"name": "b", "client": {"base_url": "ftp://x", "auth": "s3cret"}}
    _, problems = load_all(listed({"name": "a", "client": {"base_url": "x"}}, document))
    places = [p.split(": ")[0].removeprefix("HR_SOURCE ") for p in problems]
    assert places == [
        "[0].client.base_url (a)",
        "[1].client.auth.type (b)",
        "[1].client.base_url (b)",
        "[1].resources[0].name",
    ]
    assert "s3cret" not in "".join(problems)


def test_editors_take_a_list_where_each_has_a_name() -> None:
    validator = jsonschema.Draft202012Validator(source_schema.schema())
    assert validator.is_valid(json.loads(listed({"name": "a"}, {"name": "b"})))
    for wrong_one in ([], [{}], [[]], json.loads(listed({})), "x"):
        assert not validator.is_valid(wrong_one)


@pytest.mark.parametrize(
    ("prefix", "key", "own"),
    [("", "E1", "E1"), ("B-", "B-E1", "E1"), ("B-", "b-e1", "e1"), ("B-", "E1", None), ("B-", "B-B-1", "B-1")],
)
def test_a_key_of_the_table_is_hrs_own_without_the_prefix(prefix: str, key: str, own: str | None) -> None:
    found = good(resource__key_prefix=prefix) if prefix else good()
    assert found.resources[0].own_key(key) == own


def test_what_gets_the_prefix_is_named_by_hr_or_by_the_column() -> None:
    rename = {"person.id": "EmployeeId", "boss": "ManagerId"}
    for fields in (["boss"], ["ManagerId"]):
        found = good(
            resource__rename=rename,
            resource__primary_key="person.id",
            resource__item_path=GONE,
            resource__key_prefix="B-",
            resource__key_fields=fields,
        )
        assert found.resources[0].spelling.key_columns == ("EmployeeId", "ManagerId")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"client": ', "not valid JSON at line 1, column 12"),
        ("[]", "must be a JSON object with client and resources, or a list of such objects"),
        ("null", "is neither JSON nor the path of a readable file"),
        ('"x"', "must be a JSON object"),
        ("[" * 100_000, "not valid JSON"),
        ("no/such/file.json", "(no/such/file.json): is neither JSON nor the path of a readable file"),
        ("client: {password: s3cret}", "is neither JSON nor the path of a readable file"),
        ("/", "is neither JSON nor the path of a readable file"),
    ],
    ids=["cut", "list", "nothing", "text", "deep", "no file", "yaml", "folder"],
)
def test_a_source_that_cannot_be_read_is_named(text: str, told: str) -> None:
    found, problems = load(text)
    assert found is None
    assert len(problems) == 1
    assert problems[0].startswith("HR_SOURCE")
    assert told in problems[0]
    assert "s3cret" not in problems[0]


def test_a_repr_tells_no_secret() -> None:
    found = good(client__headers={"X-Token": "$HR_OTHER"}, endpoint__params={"token": "$HR_OTHER"})
    assert "s3cret" not in repr(found) + repr(found.auth) + repr(found.resources)


def test_a_secret_with_a_line_break_is_not_told_by_any_error_in_the_chain() -> None:
    """Secrets read from files often end so; the HTTP library's own error quotes the header, and logs show causes."""
    problems: list[str] = []
    with HrEmulator([], {"bearer": "s3cret"}) as hr:
        text = changed(client__base_url=hr.url, client__auth={"type": "bearer", "token": "$HR_PASSWORD"})
        found = source.load(text, {"HR_PASSWORD": "s3cret\n"}, problems)
        told = list(problems)  # to refuse it here would do, too
        for one in found:
            with HrApi(one, MovedClock()) as api, pytest.raises(UpstreamError) as failed:
                list(api.pages(one.resources[0]))
            told = traceback.format_exception(failed.value)
    assert told
    assert "s3cret" not in "".join(told)
