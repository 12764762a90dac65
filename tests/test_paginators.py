"""Pages that follow each other by cursors, links, numbers and flags, against an emulator as strict as real APIs are."""

import re
import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from provisioning import paginators
from provisioning.errors import UpstreamError
from provisioning.hr import HrApi
from provisioning.paginators import Page
from tests.clock import MovedClock
from tests.emulators import people
from tests.emulators.hr import HrEmulator
from tests.emulators.paging import CURSOR_LIFE
from tests.test_hr import Answer, api, as_json, fetch, server

WAYS: dict[str, dict[str, Any]] = {
    "cursor": {
        "path": "api/cursor/Employees",
        "params": {"limit": 7},
        "data_selector": "data",
        "paginator": {"type": "cursor"},
    },
    "cursor in a header": {
        "path": "api/header/Employees",
        "params": {"limit": 7},
        "paginator": {"type": "cursor", "cursor_header": "x-next-page", "cursor_param": "after"},
    },
    "cursor in a header, in dlt's words": {
        "path": "api/header/Employees",
        "params": {"limit": 7},
        "paginator": {"type": "header_cursor", "cursor_key": "X-Next-Page", "cursor_param": "after"},
    },
    "cursor in a body": {
        "path": "api/search/Employees",
        "method": "POST",
        "json": {"status": "active", "page": {"size": 7}},
        "data_selector": "result.items",
        "paginator": {
            "type": "cursor",
            "cursor_path": "page.next",
            "cursor_body_path": "page.token",
            "total_path": "page.total",
        },
    },
    "link": {
        "path": "api/link/Employees",
        "params": {"$filter": "Active eq true", "$top": 7},
        "data_selector": "value",
        "paginator": {"type": "json_link", "next_url_path": "$['@odata.nextLink']"},
    },
    "link in the head": {
        "path": "api/link_header/Employees",
        "params": {"per_page": 7},
        "paginator": {"type": "header_link"},
    },
    "more": {
        "path": "api/flag/Employees",
        "data_selector": "rows",
        "paginator": {"type": "page_number", "base_page": 1, "has_more_path": "meta.has_more"},
    },
}


@pytest.mark.parametrize("count", [0, 1, 7, 30], ids=lambda count: f"{count} people")
@pytest.mark.parametrize("endpoint", WAYS.values(), ids=WAYS)
def test_everybody_comes_once_whatever_the_pages_follow_by(
    endpoint: dict[str, Any], count: int, clock: MovedClock
) -> None:
    staff = people.invent(count, today=clock.utc_now().date())
    with HrEmulator(staff, {"bearer": "t0ken"}, max_page=7) as hr:
        found = api(hr.url, auth={"type": "bearer", "token": "$HR_TOKEN"}, endpoint=endpoint)
        assert [p["EmployeeId"] for p in fetch(found)] == [p["EmployeeId"] for p in staff]
        assert [seen.status for seen in hr.requests] == [200] * max(1, -(-count // 7))
        assert all(seen.authorized for seen in hr.requests)


def test_a_key_in_the_query_goes_along_with_a_next_link(clock: MovedClock) -> None:
    """The link is asked as it is but for the credential, which it does not hold."""
    staff = people.invent(15, today=clock.utc_now().date())
    auth = {"type": "api_key", "name": "key", "api_key": "$HR_TOKEN", "location": "query"}
    with HrEmulator(staff, {"query_key": ("key", "t0ken")}, max_page=7) as hr:
        assert len(fetch(api(hr.url, auth=auth, endpoint=WAYS["link"]))) == 15


def test_a_link_is_asked_byte_for_byte() -> None:
    """What a server signed must not be spelled otherwise; a parameter given twice stays given twice."""
    asked: list[str] = []
    link = "/base/x?skip=a%2fb+c&f=1&f=2&sig=%7E%2B"

    def answer(_path: str, _query: Any, headers: Any) -> Answer:
        return as_json({"items": [{"a": len(asked)}], "next": link if len(asked) < 2 else None})

    endpoint = {"path": "x", "params": {"q": "1"}, "data_selector": "items", "paginator": "json_link"}
    with server(answer, targets=asked) as url:
        assert len(fetch(api(url, endpoint=endpoint))) == 2
    assert asked == ["/base/x?q=1", link]


LINKS = [
    "http://127.0.0.2:{port}/base/x?secret=s3cret",
    "https://127.0.0.1:{port}/base/x?secret=s3cret",
    "http://127.0.0.1:1/base/x?secret=s3cret",
    "//evil.example/x?secret=s3cret",
    "http://svc@127.0.0.1:{port}/x?secret=s3cret",
    "ftp://127.0.0.1:{port}/x?secret=s3cret",
    "javascript:s3cret",
    "http://[s3cret",
]


@pytest.mark.parametrize("kind", ["json_link", "header_link"])
@pytest.mark.parametrize("link", LINKS)
def test_a_next_link_elsewhere_is_refused_and_not_told(link: str, kind: str) -> None:
    """I13: credentials go only to the configured origin, whatever HR's answer says comes next."""
    asked: list[str] = []

    def answer(path: str, _query: Any, headers: Any) -> Answer:
        asked.append(path)
        there = link.format(port=headers["Host"].rpartition(":")[2])
        status, _, body = as_json({"items": [{"a": 1}], "next": there})
        return status, {"Link": f'<{there}>; rel="next"'}, body

    endpoint = {"path": "x", "data_selector": "items", "paginator": kind}
    with server(answer) as url:
        found = api(url, auth={"type": "bearer", "token": "$HR_TOKEN"}, endpoint=endpoint)
        with pytest.raises(UpstreamError, match="asked next is") as failed:
            fetch(found)
    assert asked == ["/base/x"]
    assert not re.search("evil|s3cret|127", str(failed.value))


@pytest.mark.parametrize(
    "paginator",
    [{"type": "cursor", "cursor_path": "next"}, {"type": "json_link"}, {"type": "header_link"}],
    ids=lambda p: p["type"],
)
def test_a_cursor_or_a_link_that_was_there_before_ends_with_an_error(paginator: dict[str, Any]) -> None:
    """Two pages that point at each other would never end."""
    asked: list[int] = []

    def answer(*_: Any) -> Answer:
        asked.append(1)
        there = f"x?page={len(asked) % 2}"
        status, _, body = as_json({"items": [{"a": len(asked)}], "next": there})
        return status, {"Link": f"<{there}>; rel=next"}, body

    endpoint = {"path": "x", "data_selector": "items", "paginator": paginator}
    with server(answer) as url, pytest.raises(UpstreamError, match="the same page twice") as failed:
        fetch(api(url, endpoint=endpoint))
    assert len(asked) == 3
    assert "page=" not in str(failed.value)


def test_a_cursor_that_is_no_longer_good_fails_the_fetch(clock: MovedClock) -> None:
    staff = people.invent(15, today=clock.utc_now().date())
    with HrEmulator(staff, max_page=7) as hr:
        found = api(hr.url, endpoint=WAYS["cursor"])
        with HrApi(found, clock) as opened:
            pages = opened.pages(found.resources[0])
            next(pages)
            hr.paging.clock = lambda: time.monotonic() + CURSOR_LIFE
            with pytest.raises(UpstreamError, match="HR answered 410"):
                next(pages)


def walked(paginator: dict[str, Any], pages: list[Any]) -> list[Any]:
    """What is asked for these pages: bodies, or lists of records."""
    endpoint = {"path": "x", "data_selector": "rows", "paginator": paginator}
    resource = api("http://127.0.0.1:1", endpoint=endpoint).resources[0]
    walk = paginators.walk(resource)
    asks: list[Any] = [next(walk)]
    for page in pages:
        body = {"rows": page} if isinstance(page, list) else page
        asks.append(paginators.following(walk, Page(body["rows"], body, {})))
    return [ask and (dict(ask.query) or ask.link) for ask in asks]


CURSOR = {"type": "cursor", "cursor_path": "c"}


@pytest.mark.parametrize("last", [{}, {"c": None}, {"c": ""}, {"c": False}])
def test_without_a_cursor_the_last_page_has_come(last: dict[str, Any]) -> None:
    assert walked(CURSOR, [{"rows": [1], "c": 7}, {"rows": [2], **last}]) == [None, {"cursor": 7}, None]


def test_an_empty_page_with_a_cursor_goes_on_unless_it_is_told_to_stop() -> None:
    """Filters are often applied after pages are cut; other systems give a cursor with every page, the last included."""
    page = {"rows": [], "c": "k"}
    assert walked(CURSOR, [page])[-1] == {"cursor": "k"}
    assert walked({**CURSOR, "stop_after_empty_page": True}, [page])[-1] is None


@pytest.mark.parametrize(
    ("paginator", "pages", "told"),
    [
        ({**CURSOR, "has_more_path": "m"}, [{"rows": [1], "m": True}], "there is more, and gives no cursor"),
        ({**CURSOR, "has_more_path": "m"}, [{"rows": [1], "c": "k"}], "neither true nor false at m"),
        ({**CURSOR, "has_more_path": "m"}, [{"rows": [1], "m": 1}], "neither true nor false at m"),
        ({**CURSOR, "total_path": "n"}, [{"rows": [1], "n": 2}], "HR stopped at 1 of 2"),
        ({**CURSOR, "total_path": "n"}, [{"rows": [1]}], "no total at n"),
        (CURSOR, [{"rows": [1], "c": {"a": 1}}], "cursor is not a text or a number"),
        (CURSOR, [{"rows": [1], "c": True}], "cursor is not a text or a number"),
        ({"type": "json_link"}, [{"rows": [1], "next": 7}], "link is not a text"),
        (
            {"type": "offset", "limit": 1, "has_more_path": "m"},
            [{"rows": [], "m": True}],
            "there is more, and its page is empty",
        ),
        (
            {"type": "offset", "limit": 1, "has_more_path": "m", "total_path": "n"},
            [{"rows": [1], "m": False, "n": 3}],
            "HR stopped at 1 of 3",
        ),
        (
            {"type": "page_number", "has_more_path": "m"},
            [{"rows": [], "m": True}],
            "there is more, and its page is empty",
        ),
    ],
)
def test_pages_that_do_not_add_up_fail(paginator: dict[str, Any], pages: list[Any], told: str) -> None:
    with pytest.raises(UpstreamError, match=f"^Employees: .*{told}"):
        walked(paginator, pages)


def test_has_more_path_goes_before_a_total_that_nobody_named() -> None:
    """`total` may count something else: only one that is written down is looked at."""
    page = {"rows": [1], "m": True, "total": 1}
    assert walked({"type": "offset", "limit": 1, "has_more_path": "m"}, [page])[-1] == {"offset": 1, "limit": 1}
    assert walked({"type": "page_number", "has_more_path": "m"}, [{**page, "m": "False"}])[-1] is None


def test_an_empty_page_may_be_one_of_many_where_the_number_of_pages_is_told() -> None:
    paginator = {"type": "page_number", "total_path": "n", "stop_after_empty_page": False}
    pages = [{"rows": rows, "n": 3} for rows in ([1], [], [2])]
    assert walked(paginator, pages) == [{"page": 0}, {"page": 1}, {"page": 2}, None]


def test_places_in_a_body_leave_the_rest_of_it_as_it_is() -> None:
    body = {"status": "active", "page": {"size": 7}}
    assert paginators.put(body, ("page", "token"), "k") == {"status": "active", "page": {"size": 7, "token": "k"}}
    assert paginators.put(body, ("a", "b"), 1) == {**body, "a": {"b": 1}}
    assert body == {"status": "active", "page": {"size": 7}}


@pytest.mark.parametrize(
    "paginator",
    [
        {"type": "offset", "limit": 2, "offset_body_path": "p.skip", "limit_body_path": "p.take"},
        {"type": "page_number", "page_body_path": "p.number"},
    ],
    ids=lambda p: p["type"],
)
def test_offsets_and_page_numbers_may_stand_in_a_body(paginator: dict[str, Any]) -> None:
    endpoint = {"path": "x", "method": "POST", "data_selector": "rows", "paginator": paginator}
    resource = api("http://127.0.0.1:1", endpoint=endpoint).resources[0]
    first = next(paginators.walk(resource))
    wanted = {("p", "skip"): 0, ("p", "take"): 2} if "limit" in paginator else {("p", "number"): 0}
    assert (first.query, first.body) == ({}, wanted)


@pytest.mark.parametrize(
    ("header", "link"),
    [
        ('<x?p=2>; rel="next"', "x?p=2"),
        ("<x?p=2>;rel=next", "x?p=2"),
        ('<x?p=1>; rel="prev", <x?a=1,2;b>; rel="NEXT last"', "x?a=1,2;b"),
        ('<x?p=1>; title="rel=next"; rel="prev"', None),
        ('<x?p=1>; title="a, <y>; rel=next", <z>; rel="last"', None),
        ('<x?p=2>; rel="nextish"', None),
        ('<x?p=2>; rel="prev"; rel="next"', None),
        ("x?p=2; rel=next", None),
        ("", None),
    ],
)
def test_a_link_header_is_read_as_rfc_8288_has_it(header: str, link: str | None) -> None:
    assert paginators.next_link({"Link": header}, "next") == link


def test_a_relative_link_is_relative_to_the_page_that_gave_it() -> None:
    asked: list[str] = []
    links = ["../b/second", "third?x=1", None]

    def answer(path: str, _query: Any, _headers: Any) -> Answer:
        asked.append(path)
        return as_json({"items": [{"a": len(asked)}], "next": links[len(asked) - 1]})

    endpoint = {"path": "a/first", "data_selector": "items", "paginator": "json_link"}
    with server(answer) as url:
        fetch(api(url, endpoint=endpoint))
    assert asked == ["/base/a/first", "/base/b/second", "/base/b/third"]
    assert urlsplit(url).path == "/base/"
