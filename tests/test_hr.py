"""The HR API over real HTTP: credentials, pages that add up, single records, and answers that are not believed."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from provisioning import source
from provisioning.errors import UpstreamError
from provisioning.hr import HrApi
from tests.clock import MovedClock
from tests.emulators import people
from tests.emulators.hr import HrEmulator

Answer = tuple[int, dict[str, str], bytes]
SECRETS = {"HR_PASSWORD": "emulated", "HR_TOKEN": "t0ken"}


def api(url: str, *, auth: Any = None, client: Any = None, endpoint: Any = None, **resource: Any) -> source.Source:
    document = {
        "client": {"base_url": url, **({"auth": auth} if auth else {}), **(client or {})},
        "resources": [
            {"name": "Employees", "primary_key": "EmployeeId", "endpoint": endpoint or {"path": "x"}, **resource}
        ],
    }
    problems: list[str] = []
    found = source.load(json.dumps(document), SECRETS, problems)
    assert found, problems
    return found


def fetch(found: source.Source) -> list[Any]:
    with HrApi(found, MovedClock()) as hr:
        return [record for page in hr.pages(found.resources[0]) for record in page]


@contextmanager
def server(answer: Callable[[str, dict[str, list[str]], Any], Answer]) -> Iterator[str]:
    """An HTTP server of one function: (path, query, headers) → answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            status, headers, body = answer(parts.path, parse_qs(parts.query), self.headers)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{httpd.server_port}/base/"
    finally:
        httpd.shutdown()
        httpd.server_close()


def as_json(document: Any) -> Answer:
    return 200, {}, json.dumps(document).encode()


# --- credentials and pages against the emulator -------------------------------------------------------------------

OFFSET = {"type": "offset", "limit": 7, "total_path": "total"}
PAGED = {"type": "page_number", "base_page": 1, "total_path": "pages"}


@pytest.mark.parametrize(
    ("auth", "emulated"),
    [
        ({"type": "http_basic", "username": "svc", "password": "$HR_PASSWORD"}, {"basic": ("svc", "emulated")}),
        ({"type": "bearer", "token": "$HR_TOKEN"}, {"bearer": "t0ken"}),
        ({"type": "api_key", "name": "X-Api-Key", "api_key": "$HR_TOKEN"}, {"api_key": ("X-Api-Key", "t0ken")}),
        (None, None),
    ],
    ids=["basic", "bearer", "api_key", "none"],
)
@pytest.mark.parametrize(
    "endpoint",
    [
        {"path": "api/Employees", "data_selector": "data", "paginator": OFFSET},
        {"path": "api/paged/Employees", "params": {"per_page": 7}, "data_selector": "items", "paginator": PAGED},
        {"path": "api/all/Employees"},
    ],
    ids=["offset", "page_number", "single_page"],
)
def test_everybody_comes_once_whatever_the_auth_and_paging(
    auth: Any, emulated: Any, endpoint: Any, clock: MovedClock
) -> None:
    staff = people.invent(30, today=clock.utc_now().date())
    with HrEmulator(staff, emulated) as hr:
        assert [p["EmployeeId"] for p in fetch(api(hr.url, auth=auth, endpoint=endpoint))] == [
            p["EmployeeId"] for p in staff
        ]


def test_a_server_that_gives_shorter_pages_than_asked_for_loses_nobody(clock: MovedClock) -> None:
    staff = people.invent(30, today=clock.utc_now().date())
    with HrEmulator(staff, max_page=4) as hr:
        endpoint = {"path": "api/Employees", "data_selector": "data", "paginator": {"type": "offset", "limit": 20}}
        assert len(fetch(api(hr.url, endpoint=endpoint))) == 30


def test_an_api_key_may_go_in_the_query() -> None:
    asked = []

    def answer(path: str, query: dict[str, list[str]], headers: Any) -> Answer:
        asked.append((path, query))
        return as_json([])

    auth = {"type": "api_key", "name": "key", "api_key": "$HR_TOKEN", "location": "query"}
    with server(answer) as url:
        fetch(api(url, auth=auth, endpoint={"path": "staff", "params": {"active": True}}))
    assert asked == [("/base/staff", {"key": ["t0ken"], "active": ["true"]})]


# --- fetches that do not add up -----------------------------------------------------------------------------------


def offset_pages(pages: list[Any]) -> Callable[..., Answer]:
    left = iter(pages)
    return lambda *_: as_json(next(left))


@pytest.mark.parametrize(
    ("pages", "told"),
    [
        ([{"data": [{"a": 1}], "total": 2}, {"data": [], "total": 2}], "stopped at 1 of 2"),
        ([{"data": [{"a": 1}]}], "no total at total"),
        ([{"data": [{"a": 1}], "total": 9}, {"data": [{"a": 1}], "total": 9}], "same page twice"),
        ([{"items": []}], "no list of records at data"),
        ([{"data": {"a": 1}}], "no list of records at data"),
    ],
)
def test_a_fetch_that_does_not_add_up_fails(pages: list[Any], told: str) -> None:
    endpoint = {"path": "x", "data_selector": "data", "paginator": OFFSET}
    with server(offset_pages(pages)) as url, pytest.raises(UpstreamError, match=told):
        fetch(api(url, endpoint=endpoint))


def test_without_a_total_an_empty_page_ends_the_fetch() -> None:
    endpoint = {"path": "x", "data_selector": "$['d'].results", "paginator": {"type": "offset", "limit": 1}}
    pages = [{"d": {"results": [{"a": n}]}} for n in (1, 2)] + [{"d": {"results": []}}]
    with server(offset_pages(pages)) as url:
        assert fetch(api(url, endpoint=endpoint)) == [{"a": 1}, {"a": 2}]


def test_a_page_that_is_empty_too_early_fails() -> None:
    endpoint = {"path": "x", "data_selector": "items", "paginator": PAGED}
    with server(offset_pages([{"items": [{}], "pages": 3}, {"items": [], "pages": 3}])) as url:
        with pytest.raises(UpstreamError, match="page 2 was empty, of 3"):
            fetch(api(url, endpoint=endpoint))


@pytest.mark.parametrize("body", [b"<html>Log in</html>", b'{"a": NaN}', b"", b"[" * 100_000])
def test_what_is_not_json_is_told_without_repeating_it(body: bytes) -> None:
    with (
        server(lambda *_: (200, {}, body)) as url,
        pytest.raises(UpstreamError, match="Employees: HR's answer is not JSON"),
    ):
        fetch(api(url))


# --- trying again, and not ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [(500, {}), (503, {"Retry-After": "3"}), (429, {"Retry-After": "3"}), (502, {})])
def test_what_may_pass_is_asked_again(first: tuple[int, dict[str, str]]) -> None:
    answers = iter([(*first, b""), as_json([{"a": 1}])])
    with server(lambda *_: next(answers)) as url:
        assert fetch(api(url)) == [{"a": 1}]


def test_a_page_is_given_up_30_seconds_after_its_first_failure() -> None:
    clock, asked = MovedClock(), []
    with server(lambda *_: asked.append(1) or (500, {}, b"")) as url:  # type: ignore[func-returns-value]
        found = api(url)
        with HrApi(found, clock) as hr, pytest.raises(UpstreamError, match="HR answered 500"):
            list(hr.pages(found.resources[0]))
    assert 1 < len(asked) < 15
    assert sum(clock.sleeps) <= 30


@pytest.mark.parametrize(
    ("status", "told"), [(401, "check client.auth"), (403, "check client.auth"), (404, "check endpoint")]
)
def test_what_must_be_mended_is_not_asked_again(status: int, told: str) -> None:
    asked: list[int] = []
    with server(lambda *_: asked.append(1) or (status, {}, b"secret")) as url:  # type: ignore[func-returns-value]
        with pytest.raises(UpstreamError, match=told) as failed:
            fetch(api(url))
    assert asked == [1]
    assert "secret" not in str(failed.value)


def test_a_redirect_is_not_followed_and_takes_no_credential_along() -> None:
    seen: list[Any] = []
    auth = {"type": "http_basic", "username": "svc", "password": "$HR_PASSWORD"}
    with server(lambda _p, _q, headers: seen.append(dict(headers)) or as_json([])) as other:  # type: ignore[func-returns-value]
        with (
            server(lambda *_: (302, {"Location": other}, b"")) as url,
            pytest.raises(UpstreamError, match="a redirect"),
        ):
            fetch(api(url, auth=auth))
    assert seen == []


def test_nobody_answers() -> None:
    with server(lambda *_: as_json([])) as url:
        pass
    with pytest.raises(UpstreamError, match="Employees: HR: could not connect"):
        fetch(api(url))


# --- single records -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrap", [lambda r: r, lambda r: {"data": r}, lambda r: {"data": [r]}], ids=["bare", "object", "array"]
)
def test_a_single_record_is_taken_bare_or_wrapped(wrap: Callable[[Any], Any]) -> None:
    asked: list[str] = []

    def answer(path: str, query: Any, headers: Any) -> Answer:
        asked.append(path)
        return as_json(wrap({"EmployeeId": "a b/c"}))

    endpoint = {"path": "x", "data_selector": "data"}
    with server(answer) as url:
        found = api(url, endpoint=endpoint, item_path="staff/{EmployeeId}/card")
        with HrApi(found, MovedClock()) as hr:
            assert hr.record(found.resources[0], "a b/c") == {"EmployeeId": "a b/c"}
    assert asked == ["/base/staff/a%20b%2Fc/card"]


def test_a_single_record_that_hr_does_not_know_is_none() -> None:
    with server(lambda *_: (404, {}, b"")) as url:
        found = api(url, item_path="staff/{EmployeeId}")
        with HrApi(found, MovedClock()) as hr:
            assert hr.record(found.resources[0], "A") is None
            assert hr.record(found.resources[0], "..") is None  # would climb out of the path


@pytest.mark.parametrize("answer", [[], [{"a": 1}, {"a": 2}], "text"])
def test_an_answer_that_is_not_one_record_is_refused(answer: Any) -> None:
    with server(lambda *_: as_json(answer)) as url:
        found = api(url, item_path="staff/{EmployeeId}")
        with HrApi(found, MovedClock()) as hr, pytest.raises(UpstreamError, match="is not a record"):
            hr.record(found.resources[0], "A")


def test_basic_credentials_are_utf_8() -> None:
    seen: list[str] = []
    auth = {"type": "http_basic", "username": "sørvice", "password": "$HR_PASSWORD"}
    with server(lambda _p, _q, headers: seen.append(headers["Authorization"]) or as_json([])) as url:  # type: ignore[func-returns-value]
        fetch(api(url, auth=auth))
    assert base64.b64decode(seen[0].removeprefix("Basic ")).decode() == "sørvice:emulated"
