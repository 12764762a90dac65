"""Ways in which HR systems give pages: cursors that end, links that must be asked as they are, a flag for more."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tests.emulators.http import Request, Response, json_response

Record = dict[str, Any]

CURSOR_LIFE = 300.0
"""Seconds."""


class Refused(Exception):
    """A request that is answered with this status and reason."""

    def __init__(self, status: int, reason: str) -> None:
        """Say why."""
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class _Place:
    """What a cursor stands for: the snapshot it walks, where in it, how long pages are, until when it is good."""

    records: tuple[Record, ...]
    start: int
    size: int
    ends: float


class Paging:
    """Pages over whatever `collection` holds when the first one is asked for; a cursor keeps to what it began with.

    A cursor is good for CURSOR_LIFE seconds, and takes no other page size than it was given with.
    """

    def __init__(self, collection: Callable[[], list[Record]], clock: Callable[[], float] = time.monotonic) -> None:
        """Take over where records come from."""
        self._collection, self.clock = collection, clock
        self._places: dict[str, _Place] = {}

    def by_cursor(self, request: Request, size: int) -> Response:
        """`cursors.next` in the body, `cursor` in the query; null at the end."""
        parameters = query(request, {"limit", "cursor"})
        page, following = self._page(parameters.get("cursor"), number(parameters, "limit", size))
        return json_response(200, {"data": page, "cursors": {"next": following}})

    def by_header(self, request: Request, size: int) -> Response:
        """A bare array; `X-Next-Page` in the head, absent at the end."""
        parameters = query(request, {"limit", "after"})
        page, following = self._page(parameters.get("after"), number(parameters, "limit", size))
        return json_response(200, page, {"X-Next-Page": following} if following else {})

    def by_search(self, request: Request, size: int) -> Response:
        """POST with JSON: `page.size`, `page.token`; the next token in `page.next`, all people in `page.total`."""
        query(request, set())
        if request.method != "POST":
            raise Refused(405, "a search is a POST")
        if request.headers.get_content_type() != "application/json":
            raise Refused(415, "the body must be application/json")
        asked = _body(request)
        page = asked.get("page", {})
        if not asked.keys() <= {"status", "page"} or not page.keys() <= {"size", "token"}:
            raise Refused(400, "unknown fields")
        if asked.get("status") != "active":
            raise Refused(400, "status is missing")
        records, following = self._page(page.get("token"), page.get("size", size))
        total = len(self._collection())
        return json_response(200, {"result": {"items": records}, "page": {"next": following, "total": total}})

    def by_link(self, request: Request, size: int, url: str) -> Response:
        """OData: `@odata.nextLink`, a whole address that must be asked as it is; left out at the end."""
        parameters = query(request, {"$top", "$filter", "$skiptoken"})
        if "$skiptoken" in parameters and len(parameters) > 1:
            raise Refused(400, "a next link is opaque: nothing may be added to it")
        if "$skiptoken" not in parameters and parameters.get("$filter") != "Active eq true":
            raise Refused(400, "$filter is missing")
        page, following = self._page(parameters.get("$skiptoken"), _told(parameters, "$top", size))
        link = {"@odata.nextLink": f"{url}{request.path}?%24skiptoken={quote(following)}"} if following else {}
        return json_response(200, {"value": page, **link})

    def by_link_header(self, request: Request, size: int) -> Response:
        """RFC 8288: rel="next" among others, relative to the address that was asked."""
        parameters = query(request, {"per_page", "from"})
        page, following = self._page(parameters.get("from"), _told(parameters, "per_page", size))
        links = [f'<{request.path}?per_page=1>; rel="first"; title="a, <b>; rel=next"']
        links += [f'<?from={quote(following)}>; rel="next"'] if following else []
        return json_response(200, page, {"Link": ", ".join(links)})

    def by_flag(self, request: Request, size: int) -> Response:
        """Numbered pages and `meta.has_more`, which is all there is to tell the end: past it is 404."""
        parameters = query(request, {"page"})
        page, records = number(parameters, "page", 1), self._collection()
        if page > max(1, -(-len(records) // size)):
            raise Refused(404, "no such page")
        has_more = page * size < len(records)
        return json_response(200, {"rows": records[(page - 1) * size : page * size], "meta": {"has_more": has_more}})

    def _page(self, cursor: str | None, size: int | None) -> tuple[list[Record], str | None]:
        place = _Place(tuple(self._collection()), 0, size or 0, 0) if cursor is None else self._taken(cursor)
        if cursor is not None and size not in (None, place.size):
            raise Refused(400, "a cursor takes no other page size than it was given with")
        end = place.start + place.size
        following = None
        if end < len(place.records):
            following = secrets.token_urlsafe(12) + "+/="
            self._places[following] = _Place(place.records, end, place.size, self.clock() + CURSOR_LIFE)
        return list(place.records[place.start : end]), following

    def _taken(self, cursor: str) -> _Place:
        place = self._places.get(cursor)
        if place is None:
            raise Refused(400, "no such cursor")
        if self.clock() >= place.ends:
            raise Refused(410, "the cursor is no longer good")
        return place


def query(request: Request, known: set[str]) -> dict[str, str]:
    """Return the query's parameters; one that is unknown or given twice is refused."""
    try:
        return request.query(known)
    except ValueError as exc:
        raise Refused(400, str(exc)) from exc


def number(parameters: dict[str, str], name: str, default: int, *, least: int = 1) -> int:
    """Return a whole number of the query; anything else is refused."""
    text = parameters.get(name, str(default))
    if not (text.isascii() and text.isdecimal()) or int(text) < least:
        raise Refused(400, f"{name} is a whole number from {least}")
    return int(text)


def _told(parameters: dict[str, str], name: str, default: int) -> int | None:
    """The page size of a first request; a link carries none."""
    following = parameters.keys() & {"$skiptoken", "from"}
    return None if following and name not in parameters else number(parameters, name, default)


def _body(request: Request) -> Record:
    try:
        document = json.loads(request.body)
    except ValueError as exc:
        raise Refused(400, "the body is not JSON") from exc
    if not isinstance(document, dict) or not isinstance(document.get("page", {}), dict):
        raise Refused(400, "the body is not as it should be")
    return document
