"""The schema, the reader and the page that describes them know the same options."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from provisioning import source, source_schema
from tests.test_credentials import pair

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "hr-source.md").read_text("utf-8")
ENVIRON = {"HR_PASSWORD": "p", "HR_SECRET": "s", "HR_OTHER": "o"}
KINDS = ("auth", "paginator", "format")
NODES = ("client", "resource", "endpoint", "since")


def names(definition: str) -> set[str]:
    found = source_schema.schema()["$defs"][definition]
    return set(found.get("else", found)["properties"]) - {"type"}


def described(title: str, page: str = PAGE) -> dict[str, str]:
    """The rows of the first table of that title: first cell → second cell."""
    table = page.partition(f"\n| {title} |")[2].partition("\n\n")[0].partition("| ---")[2]
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| `")]
    return {re.sub(r"[|` ]", "", row[0]): row[1] for row in rows}


@pytest.mark.parametrize(
    ("definition", "title"),
    [
        ("client", "option"),
        ("endpoint", "option of `endpoint`"),
        ("since", "option of `since`"),
    ],
)
def test_every_option_is_described_and_none_that_is_not_there(definition: str, title: str) -> None:
    assert set(described(title)) == names(definition)


def test_every_option_of_a_resource_and_of_a_certificate_is_described() -> None:
    assert set(described("option", PAGE.partition("## resources")[2])) == names("resource")
    assert names("client_certificate") <= set(re.findall(r"`(\w+)`", described("option")["client_certificate"]))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_described_with_its_options_and_their_defaults(kind: str) -> None:
    rows = described(f"`{kind}` | options (defaults in brackets)")
    kinds = [k.removeprefix(f"{kind}_") for k in source_schema.schema()["$defs"] if k.startswith(f"{kind}_")]
    assert set(rows) == set(kinds)
    for one in kinds:
        told = dict(re.findall(r"`(\w+)`(?: \(([^()]+)\))?", rows[one]))
        defaults = source_schema.defaults(f"{kind}_{one}")
        assert told == {
            n: str(defaults.get(n, "")).replace("True", "true").replace("False", "false")
            for n in names(f"{kind}_{one}")
        }


@pytest.mark.parametrize("block", re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
def test_what_the_page_shows_works_as_it_stands(block: str) -> None:
    problems: list[str] = []
    assert source.load(block, ENVIRON, problems), problems
    jsonschema.validate(json.loads(block), source_schema.schema())


def test_the_schema_is_a_schema_and_says_what_is_allowed_wherever_something_may_be_wrong() -> None:
    schema = source_schema.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    silent = [
        (definition, name)
        for definition, node in schema["$defs"].items()
        for name, option in node.get("else", node).get("properties", {}).items()
        if isinstance(option, dict)
        for told in [{**schema["$defs"].get(option.get("$ref", "").rpartition("/")[2], {}), **option}]
        if "errorMessage" not in {**told, **told.get("else", {})}
    ]
    assert silent == []


# --- each option is read ------------------------------------------------------------------------------------------

BASE: dict[str, Any] = {
    "name": "main",
    "client": {"base_url": "https://hr.example/"},
    "resources": [
        {"name": "Employees", "primary_key": "EmployeeId", "endpoint": {"path": "x", "method": "POST"}},
    ],
}
EXAMPLES: dict[str, dict[str, Any]] = {
    "client": {
        "base_url": "https://other.example/",
        "headers": {"X-A": "1"},
        "auth": {"type": "bearer", "token": "$HR_OTHER"},
        "client_certificate": ...,
        "paginator": "json_link",
        "requests_per_second": 2.5,
    },
    "resource": {
        "name": "People",
        "primary_key": "Id",
        "endpoint": "y",
        "item_path": "x/{EmployeeId}",
        "select": ["EmployeeId"],
        "rename": {"a": "b"},
        "null_values": ["-"],
        "date_formats": ["odata"],
        "time_zone": "Europe/Copenhagen",
        "decimal_separator": ",",
        "key_prefix": "B-",
        "key_fields": ["ManagerId"],
        "source_column": "HrSystem",
    },
    "endpoint": {
        "path": "y",
        "method": "GET",
        "params": {"a": "1"},
        "json": {"a": [1, {"b": "$HR_OTHER"}]},
        "headers": {"X-A": 1},
        "data_selector": "data",
        "paginator": "header_link",
        "requests_per_second": 3,
        "since": {"start_param": "from"},
        "format": "csv",
        "max_age_hours": 30,
        "done_file": "{name}.done",
    },
    "format_csv": {"delimiter": ";", "encoding": "windows-1252", "quotechar": None, "final_newline": False},
    "since": {"start_param": "after", "start_body_path": "after", "format": "unix", "full_every_hours": 3},
    "auth_http_basic": {"username": "u", "password": "$HR_OTHER"},
    "auth_bearer": {"token": "$HR_OTHER"},
    "auth_api_key": {"api_key": "$HR_OTHER", "name": "X-Key", "location": "query"},
    "auth_oauth2_client_credentials": {
        "access_token_url": "https://other.example/token",
        "client_id": "i",
        "client_secret": "$HR_OTHER",
        "scope": "s",
        "client_auth": "basic",
        "access_token_request_data": {"a": "1"},
        "default_token_expiration": 7,
    },
    "paginator_offset": {
        "limit": 7,
        "offset": 7,
        "offset_param": "o",
        "offset_body_path": "o",
        "limit_param": "l",
        "limit_body_path": "l",
        "total_path": "t",
        "has_more_path": "m",
        "stop_after_empty_page": True,
    },
    "paginator_page_number": {
        "base_page": 1,
        "page": 7,
        "page_param": "p",
        "page_body_path": "p",
        "total_path": "t",
        "has_more_path": "m",
        "stop_after_empty_page": False,
    },
    "paginator_cursor": {
        "cursor_path": "c",
        "cursor_header": "C",
        "cursor_param": "c",
        "cursor_body_path": "c",
        "total_path": "t",
        "has_more_path": "m",
        "stop_after_empty_page": True,
    },
    "paginator_header_cursor": {
        "cursor_key": "C",
        "cursor_param": "c",
        "cursor_body_path": "c",
        "total_path": "t",
        "has_more_path": "m",
        "stop_after_empty_page": True,
    },
    "paginator_json_link": {
        "next_url_path": "n",
        "total_path": "t",
        "has_more_path": "m",
        "stop_after_empty_page": True,
    },
    "paginator_header_link": {
        "links_next_key": "n",
        "total_path": "t",
        "has_more_path": "m",
        "stop_after_empty_page": True,
    },
}
BESIDE: dict[str, dict[str, Any]] = {"key_fields": {"key_prefix": "B-"}}
"""What an option needs beside it."""

NEEDED: dict[str, dict[str, Any]] = {
    "since": {"start_param": "from"},
    "auth_http_basic": {"username": "a", "password": "$HR_PASSWORD"},
    "auth_bearer": {"token": "$HR_PASSWORD"},
    "auth_api_key": {"api_key": "$HR_PASSWORD"},
    "auth_oauth2_client_credentials": {
        "access_token_url": "https://hr.example/token",
        "client_id": "a",
        "client_secret": "$HR_PASSWORD",
    },
    "paginator_offset": {"limit": 1},
    "paginator_page_number": {"has_more_path": "more"},
}


def document(definition: str, options: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(BASE))
    client, resource = made["client"], made["resources"][0]
    kind, _, name = definition.partition("_")
    if definition == "endpoint" and options.keys() & {"max_age_hours", "done_file"}:
        client["base_url"] = "file:///mounts/hr/"
        resource["endpoint"] = {"path": "x", "format": "csv", **options}
    elif kind == "format":
        resource["endpoint"]["format"] = {"type": name, **options}
    elif kind in KINDS:
        client[kind] = {"type": name, **NEEDED.get(definition, {}), **options}
    elif definition == "since":
        start = {} if "start_body_path" in options else NEEDED["since"]
        resource["endpoint"]["since"] = {**start, **options}
    else:
        {"client": client, "resource": resource, "endpoint": resource["endpoint"]}[definition].update(options)
    return made


def read(definition: str, options: dict[str, Any]) -> source.Source:
    problems: list[str] = []
    found = source.load(json.dumps(document(definition, options)), ENVIRON, problems)
    assert found, problems
    return found[0]


@pytest.mark.parametrize(
    ("definition", "option"), [(d, option) for d, options in EXAMPLES.items() for option in options]
)
def test_every_option_of_the_schema_is_read(definition: str, option: str, tmp_path: Path) -> None:
    value = EXAMPLES[definition][option]
    if value is ...:
        value = dict(zip(("certificate", "key"), pair("caller").write(tmp_path, "caller"), strict=True))
    beside = BESIDE.get(option, {})
    assert read(definition, {option: value, **beside}) != read(definition, beside)


def test_no_option_of_the_schema_is_without_an_example() -> None:
    schema = source_schema.schema()["$defs"]
    there = {d: names(d) for d in schema if d in NODES or (d.partition("_")[0] in KINDS and "_" in d)}
    assert {d: set(EXAMPLES.get(d, {})) for d in there} == there


def test_where_the_schema_is_may_be_told() -> None:
    assert source.load(json.dumps({"$schema": "./hr_source.schema.json", **BASE}), ENVIRON, [])
