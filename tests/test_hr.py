"""The HR API over real HTTP: credentials, pages that add up, single records, and answers that are not believed."""

import base64
import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from provisioning import hr as hr_module
from provisioning import source, transport
from provisioning.errors import UpstreamError
from provisioning.hr import HrApi
from tests.canary import Canary
from tests.clock import MovedClock
from tests.emulators import people
from tests.emulators.hr import HrEmulator

Answer = tuple[int, dict[str, str], bytes]
SECRETS = {"HR_PASSWORD": "emulated", "HR_TOKEN": "t0ken"}


def api(
    url: str,
    *,
    auth: Any = None,
    client: Any = None,
    endpoint: Any = None,
    environ: dict[str, str] | None = None,
    **resource: Any,
) -> source.Source:
    document = {
        "client": {"base_url": url, **({"auth": auth} if auth else {}), **(client or {})},
        "resources": [
            {"name": "Employees", "primary_key": "EmployeeId", "endpoint": endpoint or {"path": "x"}, **resource}
        ],
    }
    problems: list[str] = []
    found = source.load(json.dumps(document), SECRETS if environ is None else environ, problems)
    assert found, problems
    return found[0]


def fetch(found: source.Source, since: datetime | None = None) -> list[Any]:
    with HrApi(found, MovedClock()) as hr:
        return [record for page in hr.pages(found.resources[0], since) for record in page]


@contextmanager
def server(
    answer: Callable[[str, dict[str, list[str]], Any], Answer],
    *,
    keeps_lengths: bool = True,
    targets: list[str] | None = None,
    base: str = "/base/",
    bodies: list[Any] | None = None,
) -> Iterator[str]:
    """An HTTP server of one function: (path, query, headers) → answer. `targets`, `bodies`: take what was asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if targets is not None:
                targets.append(self.path)
            parts = urlsplit(self.path)
            status, headers, body = answer(parts.path, parse_qs(parts.query), self.headers)
            self.send_response(status)
            for name, value in {**({"Content-Length": str(len(body))} if keeps_lengths else {}), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(ConnectionError):  # who asked may have given up
                self.wfile.write(body)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if bodies is not None:
                bodies.append(json.loads(body))
            self.do_GET()

        def log_message(self, *_: Any) -> None:
            return

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{httpd.server_port}{base}"
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


def test_an_api_key_without_a_name_goes_in_authorization() -> None:
    seen: list[str] = []
    with server(lambda _p, _q, headers: seen.append(headers["Authorization"]) or as_json([])) as url:  # type: ignore[func-returns-value]
        fetch(api(url, auth={"type": "api_key", "api_key": "$HR_TOKEN"}))
    assert seen == ["t0ken"]


def test_headers_and_params_of_the_source_are_sent_with_every_page() -> None:
    asked: list[tuple[str, dict[str, list[str]]]] = []

    def answer(_path: str, query: dict[str, list[str]], headers: Any) -> Answer:
        asked.append((headers["X-Tenant"], query))
        return as_json({"data": [{"a": len(asked)}], "total": 2})

    paginator = {"type": "offset", "limit": 1, "offset": 5, "offset_param": "skip", "limit_param": "top"}
    endpoint = {"path": "x", "params": {"q": "a&b=c ü"}, "data_selector": "data", "paginator": paginator}
    with server(answer) as url:
        assert fetch(api(url, client={"headers": {"X-Tenant": "T1"}}, endpoint=endpoint)) == [{"a": 1}, {"a": 2}]
    assert asked == [
        ("T1", {"q": ["a&b=c ü"], "skip": ["5"], "top": ["1"]}),
        ("T1", {"q": ["a&b=c ü"], "skip": ["6"], "top": ["1"]}),
    ]


@pytest.mark.parametrize(("given", "first"), [({}, "0"), ({"base_page": 1}, "1"), ({"base_page": 1, "page": 4}, "4")])
def test_page_numbers_begin_where_the_source_says(given: dict[str, int], first: str) -> None:
    asked: list[str] = []

    def answer(_path: str, query: dict[str, list[str]], _headers: Any) -> Answer:
        asked.append(query["page"][0])
        return as_json({"items": [], "total": 0})

    endpoint = {"path": "x", "data_selector": "items", "paginator": {"type": "page_number", **given}}
    with server(answer) as url:
        assert fetch(api(url, endpoint=endpoint)) == []
    assert asked == [first]


def test_page_numbers_without_a_total_end_at_an_empty_page() -> None:
    endpoint = {"path": "x", "data_selector": "items", "paginator": {"type": "page_number", "page_param": "p"}}
    pages = [{"items": [{"a": 1}]}, {"items": [{"a": 2}]}, {"items": []}]
    with server(offset_pages(pages)) as url:
        assert fetch(api(url, endpoint=endpoint)) == [{"a": 1}, {"a": 2}]


def test_a_total_may_be_written_as_text() -> None:
    endpoint = {"path": "x", "data_selector": "data", "paginator": OFFSET}
    with server(offset_pages([{"data": [{"a": 1}], "total": "1"}])) as url:
        assert fetch(api(url, endpoint=endpoint)) == [{"a": 1}]


def test_people_who_join_while_pages_are_read_are_fetched_too() -> None:
    endpoint = {"path": "x", "data_selector": "data", "paginator": {**OFFSET, "limit": 1}}
    pages = [{"data": [{"a": n}], "total": total} for n, total in ((1, 2), (2, 3), (3, 3))]
    with server(offset_pages(pages)) as url:
        assert [r["a"] for r in fetch(api(url, endpoint=endpoint))] == [1, 2, 3]


# --- requests -----------------------------------------------------------------------------------------------------


def test_a_post_has_its_body_and_its_headers() -> None:
    seen: list[Any] = []
    bodies: list[Any] = []
    endpoint = {
        "path": "x",
        "method": "post",
        "params": {"v": 2},
        "json": {"status": ["active", "$HR_OTHER"], "login": {"token": "$HR_TOKEN"}, "max": 1.5, "deep": [{"a": None}]},
        "headers": {"accept": "application/vnd.hr+json", "X-Endpoint": 1},
    }

    def answer(_path: str, query: Any, headers: Any) -> Answer:
        seen.append(
            (query, headers["Content-Type"], headers.get_all("Accept"), headers["X-Endpoint"], headers["X-All"])
        )
        return as_json([])

    with server(answer, bodies=bodies) as url:
        environ = {"HR_OTHER": "new", "HR_TOKEN": "t0ken"}
        fetch(api(url, client={"headers": {"X-All": "yes"}}, endpoint=endpoint, environ=environ))
    assert seen == [({"v": ["2"]}, "application/json", ["application/vnd.hr+json"], "1", "yes")]
    assert bodies == [{"status": ["active", "new"], "login": {"token": "t0ken"}, "max": 1.5, "deep": [{"a": None}]}]


def test_a_single_record_is_read_with_a_get_though_pages_are_posts() -> None:
    bodies: list[Any] = []
    with server(lambda *_: as_json({"EmployeeId": "A"}), bodies=bodies) as url:
        found = api(url, endpoint={"path": "x", "method": "POST"}, item_path="staff/{EmployeeId}")
        with HrApi(found, MovedClock()) as hr:
            assert hr.record(found.resources[0], "A")
    assert bodies == []


@pytest.mark.parametrize(
    ("client", "endpoint", "least"),
    [
        ({"requests_per_second": 2}, {}, 4.5),
        ({}, {"requests_per_second": 0.5}, 18.0),
        ({"requests_per_second": 2}, {"requests_per_second": 0.5}, 18.0),
        ({}, {}, 0.0),
    ],
    ids=["client", "endpoint", "both", "none"],
)
def test_no_more_requests_a_second_than_were_allowed(client: Any, endpoint: Any, least: float) -> None:
    """Ten requests, the first at once; one that is asked again waits for its turn, too."""
    clock, at = MovedClock(), list[float]()
    paginator = {"type": "offset", "limit": 1, "total_path": "total"}

    def answer(*_: Any) -> Answer:
        at.append(clock.monotonic())
        return (503, {"Retry-After": "0"}, b"") if len(at) == 3 else as_json({"data": [{"a": len(at)}], "total": 9})

    with server(answer) as url:
        found = api(
            url, client=client, endpoint={"path": "x", "data_selector": "data", "paginator": paginator, **endpoint}
        )
        with HrApi(found, clock) as hr:
            assert len(list(hr.pages(found.resources[0]))) == 9
    assert len(at) == 10
    assert least - 1 <= at[-1] - at[0] < least + 10  # the first may have come late, on a busy machine


def test_a_turn_after_the_runs_end_is_not_waited_for() -> None:
    clock = MovedClock()
    paginator = {"type": "offset", "limit": 1}
    with server(lambda *_: as_json({"data": [{}], "total": 9})) as url:
        found = api(
            url, endpoint={"path": "x", "data_selector": "data", "paginator": paginator, "requests_per_second": 0.01}
        )
        with HrApi(found, clock, clock.monotonic() + 60) as hr, pytest.raises(UpstreamError, match="time of this run"):
            list(hr.pages(found.resources[0]))
    assert clock.sleeps == []


# --- fetches that do not add up -----------------------------------------------------------------------------------


def offset_pages(pages: list[Any]) -> Callable[..., Answer]:
    left = iter(pages)
    return lambda *_: as_json(next(left))


@pytest.mark.parametrize(
    ("pages", "told"),
    [
        ([{"data": [{"a": 1}], "total": 2}, {"data": [], "total": 2}], "stopped at 1 of 2"),
        ([{"data": [{"a": 1}]}], "no total at total"),
        ([{"data": [{"a": 1}], "total": None}], "no total at total"),
        ([{"data": [{"a": 1}], "total": True}], "no total at total"),
        ([{"data": [], "total": 2}], "stopped at 0 of 2"),
        ([{"data": [{"a": 1}], "total": -1}], "no total at total"),
        ([{"data": [{"a": 1}], "total": "²"}], "no total at total"),
        ([{"data": [{"a": 1}], "total": "9" * 10}], "no total at total"),
        ([{"data": None, "total": 0}], "no list of records at data"),
        ([[{"a": 1}]], "no list of records at data"),
        ([{"data": [{"a": 1}], "total": 9}, {"data": [{"a": 1}], "total": 9}], "same page twice"),
        ([{"items": []}], "no list of records at data"),
        ([{"data": {"a": 1}}], "no list of records at data"),
    ],
)
def test_a_fetch_that_does_not_add_up_fails(pages: list[Any], told: str) -> None:
    endpoint = {"path": "x", "data_selector": "data", "paginator": OFFSET}
    with server(offset_pages(pages)) as url, pytest.raises(UpstreamError, match=told):
        fetch(api(url, endpoint=endpoint))


def test_a_fetch_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hr_module, "MOST_RECORDS", 100)
    endpoint = {"path": "x", "data_selector": "data", "paginator": {**OFFSET, "total_path": None}}
    number = count()
    with server(lambda *_: as_json({"data": [{"a": next(number)} for _ in range(7)]})) as url:
        with pytest.raises(UpstreamError, match="or 100 records"):
            fetch(api(url, endpoint=endpoint))
    assert next(number) == 105


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


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"<html>Log in</html>", "is not JSON but a page of HTML"),
        (b'{"a": NaN}', "is not JSON: it holds NaN"),
        (b"", "is not JSON: it is empty"),
        (b"[" * 100_000, "is nested more than 64 levels deep"),
    ],
)
def test_what_is_not_json_is_told_without_repeating_it(body: bytes, told: str) -> None:
    with (
        server(lambda *_: (200, {}, body)) as url,
        pytest.raises(UpstreamError, match=f"^Employees: HR's answer {told}"),
    ):
        fetch(api(url))


# --- trying again, and not ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [(500, {}), (503, {"Retry-After": "3"}), (429, {"Retry-After": "3"}), (502, {})])
def test_what_may_pass_is_asked_again(first: tuple[int, dict[str, str]]) -> None:
    answers = iter([(*first, b""), as_json([{"a": 1}])])
    with server(lambda *_: next(answers)) as url:
        assert fetch(api(url)) == [{"a": 1}]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_retry_after_is_waited_for_in_seconds_or_until_a_date(status: int) -> None:
    in_five_minutes = format_datetime(datetime.now(UTC) + timedelta(minutes=5), usegmt=True)
    answers = iter(
        [(status, {"Retry-After": "120"}, b""), (status, {"Retry-After": in_five_minutes}, b""), as_json([{"a": 1}])]
    )
    clock = MovedClock()
    with server(lambda *_: next(answers)) as url:
        found = api(url)
        with HrApi(found, clock) as hr:
            assert list(hr.pages(found.resources[0])) == [[{"a": 1}]]
    seconds, until = clock.sleeps
    assert seconds == 120
    assert 270 < until <= 300


@pytest.mark.parametrize("header", ["soon", "-5", "", "1.5"])
def test_a_retry_after_that_says_nothing_is_ignored(header: str) -> None:
    answers = iter([(503, {"Retry-After": header}, b""), as_json([{"a": 1}])])
    clock = MovedClock()
    with server(lambda *_: next(answers)) as url:
        found = api(url)
        with HrApi(found, clock) as hr:
            assert list(hr.pages(found.resources[0])) == [[{"a": 1}]]
    assert len(clock.sleeps) == 1
    assert 0 < clock.sleeps[0] <= 8


def test_a_retry_after_of_a_day_is_not_sat_out() -> None:
    clock = MovedClock()
    with server(lambda *_: (503, {"Retry-After": "86400"}, b"")) as url:
        found = api(url)
        with HrApi(found, clock) as hr, pytest.raises(UpstreamError, match="HR answered 503"):
            list(hr.pages(found.resources[0]))
    assert sum(clock.sleeps) < 3600


def test_after_the_runs_end_no_page_is_asked_for() -> None:
    asked: list[int] = []
    endpoint = {"path": "x", "data_selector": "data", "paginator": OFFSET}
    clock = MovedClock()

    def answer(*_: Any) -> Answer:
        asked.append(1)
        clock.move(minutes=30)
        return as_json({"data": [{"a": len(asked)}], "total": 9})

    with server(answer) as url:
        found = api(url, endpoint=endpoint)
        with HrApi(found, clock, clock.monotonic() + 60) as hr, pytest.raises(UpstreamError, match="time of this run"):
            list(hr.pages(found.resources[0]))
    assert asked == [1]


def test_a_page_is_given_up_30_seconds_after_its_first_failure() -> None:
    clock, asked = MovedClock(), []
    with server(lambda *_: asked.append(1) or (500, {}, b"")) as url:  # type: ignore[func-returns-value]
        found = api(url)
        with HrApi(found, clock) as hr, pytest.raises(UpstreamError, match="HR answered 500"):
            list(hr.pages(found.resources[0]))
    assert 1 < len(asked) < 15
    assert sum(clock.sleeps) <= 30


def test_the_last_attempt_ends_with_the_patience_too(canary: Canary, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that fails, and then hangs, would else be waited for 30 s more."""
    allowed, exchange = list[float](), transport.exchange

    def noted(http: httpx.Client, request: httpx.Request, seconds: float) -> transport.Reply:
        allowed.append(seconds)
        return exchange(http, request, seconds)

    monkeypatch.setattr(transport, "exchange", noted)

    class Drowsy(MovedClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            self.move(seconds=29.7 - seconds)

    asked, free = list[int](), threading.Event()

    def answer(*_: Any) -> Answer:
        asked.append(1)
        if len(asked) > 1:
            free.wait(20)
        return 500, {}, b""

    with server(answer) as url:
        found = api(url)
        with (
            HrApi(found, Drowsy()) as hr,
            pytest.raises(UpstreamError, match=r"HR: no complete answer \(ReadTimeout\)"),
        ):
            list(hr.pages(found.resources[0]))
        free.set()
    assert len(asked) == 2
    assert allowed[1] <= 0.3


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Encoding": "gzip"}, gzip.compress(b"[]")[:-1]),
        ({"Content-Length": "9"}, b"[]"),
        ({"Transfer-Encoding": "chunked"}, b"2\r\n[]\r\n"),
    ],
    ids=["gzip", "length", "chunked"],
)
def test_an_answer_that_was_cut_is_asked_for_again(headers: dict[str, str], body: bytes) -> None:
    answers = iter([(200, headers, body), as_json([{"a": 1}])])
    with server(lambda *_: next(answers), keeps_lengths="Transfer-Encoding" not in headers) as url:
        assert fetch(api(url)) == [{"a": 1}]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Encoding": "br"}, b"[]"),
        ({"Content-Encoding": "gzip"}, gzip.compress(b"0" * 17_000_000)),
        ({}, b"[1, 1"),
        ({}, b"<html>"),
    ],
    ids=["coding", "size", "cut JSON", "HTML"],
)
def test_an_answer_that_would_be_no_better_is_not_asked_for_again(headers: dict[str, str], body: bytes) -> None:
    asked: list[int] = []
    with server(lambda *_: asked.append(1) or (200, headers, body)) as url, pytest.raises(UpstreamError):  # type: ignore[func-returns-value]
        fetch(api(url))
    assert asked == [1]


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


def test_a_single_record_behind_a_redirect_is_not_followed_either() -> None:
    with server(lambda *_: (307, {"Location": "http://127.0.0.1:9/"}, b"")) as url:
        found = api(url, item_path="staff/{EmployeeId}")
        with HrApi(found, MovedClock()) as hr, pytest.raises(UpstreamError, match="a redirect"):
            hr.record(found.resources[0], "A")


@pytest.mark.parametrize(
    "elsewhere",
    [
        "http://127.0.0.2:{port}/base/x",
        "http://127.0.0.1:1/base/x",
        "https://127.0.0.1:{port}/base/x",
        "http://localhost:{port}/base/x",
        "//evil.example/x",
        "http://somebody@127.0.0.1:{port}/base/x",
        "http://127.0.0.1:{port}@evil.example/x",
        "ftp://127.0.0.1:{port}/base/x",
        "mailto:x",
        "http://[::",
        "http://xn--a/",
        "\x01",
    ],
)
def test_what_is_asked_next_never_leaves_the_origin(elsewhere: str) -> None:
    """No next link is followed yet, and settings refuse such a path; this is the one gate all requests go through."""
    asked: list[str] = []
    with server(lambda path, _q, _h: asked.append(path) or as_json([])) as url:  # type: ignore[func-returns-value]
        found = api(url, auth={"type": "bearer", "token": "$HR_TOKEN"})
        resource = replace(found.resources[0], path=elsewhere.format(port=urlsplit(url).port))
        with HrApi(found, MovedClock()) as hr, pytest.raises(UpstreamError, match="asked next is") as failed:
            list(hr.pages(resource))
    assert asked == []
    assert "evil" not in str(failed.value)


def test_a_whole_address_at_the_origin_is_asked() -> None:
    asked: list[str] = []
    with server(lambda path, _q, _h: asked.append(path) or as_json([])) as url:  # type: ignore[func-returns-value]
        found = api(url)
        with HrApi(found, MovedClock()) as hr:
            list(hr.pages(replace(found.resources[0], path=f"{url.replace('http', 'HTTP')}next")))
    assert asked == ["/base/next"]


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


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("E 1/2", "/base/staff/E%201%2F2"),
        ("%2e%2e", "/base/staff/%252e%252e"),
        ("a?b#c", "/base/staff/a%3Fb%23c"),
        ("é:@", "/base/staff/%C3%A9%3A%40"),
        ("a..b", "/base/staff/a..b"),
    ],
)
def test_an_id_is_one_step_of_the_path(key: str, path: str) -> None:
    asked: list[str] = []
    with server(lambda p, _q, _h: asked.append(p) or as_json({"EmployeeId": key})) as url:  # type: ignore[func-returns-value]
        found = api(url, item_path="staff/{EmployeeId}")
        with HrApi(found, MovedClock()) as hr:
            assert hr.record(found.resources[0], key) == {"EmployeeId": key}
    assert asked == [path]


def test_a_single_record_comes_from_the_emulator_with_credentials(clock: MovedClock) -> None:
    staff = people.invent(3, today=clock.utc_now().date())
    auth = {"type": "bearer", "token": "$HR_TOKEN"}
    endpoint = {"path": "api/Employees", "data_selector": "data"}
    with HrEmulator(staff, {"bearer": "t0ken"}) as emulator:
        found = api(emulator.url, auth=auth, endpoint=endpoint, item_path="api/Employees/{EmployeeId}")
        with HrApi(found, clock) as hr:
            assert hr.record(found.resources[0], "E00002") == staff[1]
            assert hr.record(found.resources[0], "E99999") is None


def test_without_an_item_path_nobody_is_asked() -> None:
    asked: list[int] = []
    with server(lambda *_: asked.append(1) or as_json({})) as url:  # type: ignore[func-returns-value]
        found = api(url)
        with HrApi(found, MovedClock()) as hr:
            assert hr.record(found.resources[0], "A") is None
    assert asked == []


def test_a_single_record_that_hr_does_not_know_is_none() -> None:
    with server(lambda *_: (404, {}, b"")) as url:
        found = api(url, item_path="staff/{EmployeeId}")
        with HrApi(found, MovedClock()) as hr:
            assert hr.record(found.resources[0], "A") is None
            assert hr.record(found.resources[0], "..") is None  # would climb out of the path


@pytest.mark.parametrize("answer", [[], [{"a": 1}, {"a": 2}], "text", {"data": "text"}, {"data": None}])
def test_an_answer_that_is_not_one_record_is_refused(answer: Any) -> None:
    with server(lambda *_: as_json(answer)) as url:
        found = api(url, endpoint={"path": "x", "data_selector": "data"}, item_path="staff/{EmployeeId}")
        with HrApi(found, MovedClock()) as hr, pytest.raises(UpstreamError, match="is not a record"):
            hr.record(found.resources[0], "A")


def test_basic_credentials_are_utf_8() -> None:
    seen: list[str] = []
    auth = {"type": "http_basic", "username": "sørvice", "password": "$HR_PASSWORD"}
    with server(lambda _p, _q, headers: seen.append(headers["Authorization"]) or as_json([])) as url:  # type: ignore[func-returns-value]
        fetch(api(url, auth=auth))
    assert base64.b64decode(seen[0].removeprefix("Basic ")).decode() == "sørvice:emulated"
