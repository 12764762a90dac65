"""The HR API: credentials, pages, single records. Yields records as HR spells them.

Described by HR_SOURCE, see `provisioning.source`; the paginators follow dlt's
(https://dlthub.com/docs/dlt-ecosystem/verified-sources/rest_api/basic#pagination), except that a fetch which cannot
be shown to be complete fails instead of ending early.
"""

import base64
import logging
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx

from provisioning import bodies, retry, transport
from provisioning.errors import TransportError, Unavailable, UpstreamError
from provisioning.pacing import Clock
from provisioning.source import Resource, Source

logger = logging.getLogger(__name__)

MOST_PAGES, MOST_RECORDS = 100_000, 1_000_000
"""A fetch of more than that is taken for one that never ends; the key of every record is kept until the last."""


class HrApi:
    """An open connection to the HR API."""

    def __init__(self, source: Source, clock: Clock, ends: float | None = None) -> None:
        """Prepare the credentials; nothing is asked yet. After `ends` (of the clock's monotonic time) nothing is."""
        self._source, self._clock, self._ends = source, clock, ends
        self._http = transport.client()
        self._headers, self._query = _credentials(source)

    def __enter__(self) -> "HrApi":
        """Use it in a `with`: leaving it closes the connections."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self._http.close()

    def pages(self, resource: Resource) -> Iterator[list[Any]]:
        """Every record of an endpoint, a page at a time.

        Raises UpstreamError when a page cannot be had, or the pages do not add up to a complete fetch.
        """
        pages = {"single_page": self._single_page, "offset": self._by_offset, "page_number": self._by_number}
        before: tuple[int, list[Any]] | None = None
        records = 0
        for count, page in enumerate(pages[resource.paginator.type](resource), 1):
            ends = (len(page), [*page[:1], *page[-1:]])  # not the page itself: two large ones would be in memory
            if page and ends == before:
                raise UpstreamError(f"{resource.table}: HR gave the same page twice; check the paginator's parameters.")
            records += len(page)
            if count > MOST_PAGES or records > MOST_RECORDS:
                raise UpstreamError(f"{resource.table}: more than {MOST_PAGES} pages or {MOST_RECORDS} records.")
            before = ends
            yield page

    def record(self, resource: Resource, key: str) -> Any | None:
        """One record by its key (`item_path`), or None where HR answers 404. Raises UpstreamError."""
        if not resource.item_path or not key.strip("."):
            return None
        path = resource.item_path.replace("{" + resource.primary_key + "}", quote(key, safe=""))
        reply = self._get(resource, path, {}, missing=True)
        if reply is None:
            return None
        body = _json(resource, reply)
        wrapped = resource.data_selector and _holds(body, resource.data_selector)
        found = _at(body, resource.data_selector) if wrapped else body
        if isinstance(found, list):
            found = found[0] if len(found) == 1 else None
        if not isinstance(found, dict):
            raise UpstreamError(f"{resource.table}: HR's answer for one record is not a record.")
        return found

    def _single_page(self, resource: Resource) -> Iterator[list[Any]]:
        yield self._page(resource, {})[0]

    def _by_offset(self, resource: Resource) -> Iterator[list[Any]]:
        options, records = resource.paginator.options, 0
        while True:
            query = {
                options["offset_param"]: (options["offset"] or 0) + records,
                options["limit_param"]: options["limit"],
            }
            page, body = self._page(resource, query)
            total = self._total(resource, body)
            yield page
            records += len(page)
            if not page and total is not None and records < total:
                raise UpstreamError(f"{resource.table}: HR stopped at {records} of {total} records.")
            if not page or (total is not None and records >= total):
                return

    def _by_number(self, resource: Resource) -> Iterator[list[Any]]:
        options = resource.paginator.options
        first = options["base_page"] or 0 if options["page"] is None else options["page"]
        pages = records = 0
        while True:
            page, body = self._page(resource, {options["page_param"]: first + pages})
            total = self._total(resource, body)
            yield page
            if not page and total is not None and pages < total and records != total:
                raise UpstreamError(f"{resource.table}: HR's page {first + pages} was empty, of {total} pages.")
            pages, records = pages + 1, records + len(page)
            if not page or (total is not None and pages >= total):
                return

    def _total(self, resource: Resource, body: Any) -> int | None:
        path = resource.paginator.options["total_path"]
        total = _at(body, path) if path else None
        if isinstance(total, str) and re.fullmatch(r"[0-9]{1,9}", total, re.ASCII):
            total = int(total)
        if isinstance(total, int) and not isinstance(total, bool) and total >= 0:
            return total
        if path and "total_path" in resource.paginator.told:
            raise UpstreamError(f"{resource.table}: HR's answer has no total at {'.'.join(path)}.")
        return None

    def _page(self, resource: Resource, query: dict[str, Any]) -> tuple[list[Any], Any]:
        reply = self._get(resource, resource.path, {**resource.params, **query})
        body = _json(resource, reply)
        records = _at(body, resource.data_selector)
        if not isinstance(records, list):
            where = ".".join(resource.data_selector) or "the root (set data_selector)"
            raise UpstreamError(f"{resource.table}: HR's answer has no list of records at {where}.")
        return records, body

    def _get(self, resource: Resource, path: str, query: dict[str, Any], *, missing: bool = False) -> Any:
        """One answer, asked for again where that may help; None for a 404 where one may be `missing`."""
        if self._ends is not None and self._clock.monotonic() > self._ends:
            raise UpstreamError(f"{resource.table}: the time of this run was up before HR's last page.")
        url = self._url(resource, path)
        request = self._http.build_request(
            "GET", url, params={**dict(url.params), **query, **self._query}, headers=self._headers
        )
        try:
            for attempt, seconds in retry.asking(self._clock, self._ends):
                with attempt:
                    reply = transport.exchange(self._http, request, min(seconds, transport.DEADLINE))
                    if missing and reply.status == 404:
                        return None
                    _check(resource, reply)
        except TransportError as exc:
            raise UpstreamError(f"{resource.table}: HR: {exc}.") from None
        return reply

    def _url(self, resource: Resource, path: str) -> httpx.URL:
        """An address below `client.base_url`, or a whole one at the same origin. Nothing else ever gets credentials."""
        base = httpx.URL(self._source.base_url)
        try:
            url = base.join(path) if path else base
        except (httpx.InvalidURL, UnicodeError):
            raise UpstreamError(f"{resource.table}: what should be asked next is no URL.") from None
        if (url.scheme, url.raw_host, url.port, url.userinfo) != (base.scheme, base.raw_host, base.port, b""):
            raise UpstreamError(
                f"{resource.table}: what should be asked next is not at client.base_url; credentials go there only."
            )
        return url


def _credentials(source: Source) -> tuple[dict[str, str], dict[str, str]]:
    auth, headers = source.auth, {"Accept": "application/json", **source.headers}
    if auth.type == "http_basic":
        pair = f"{auth.values['username']}:{auth.values['password']}".encode()
        headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
    elif auth.type == "bearer":
        headers["Authorization"] = f"Bearer {auth.values['token']}"
    elif auth.type == "api_key":
        name = auth.values.get("name", "Authorization")
        if auth.values.get("location") == "query":
            return headers, {name: auth.values["api_key"]}
        headers[name] = auth.values["api_key"]
    return headers, {}


def _check(resource: Resource, reply: transport.Reply) -> None:
    if reply.status == 200:
        return
    told = f"{resource.table}: HR answered {reply.status}"
    if retry.may_pass(reply.status):
        raise Unavailable(f"{told}.", retry.retry_after(reply.headers.get("Retry-After")))
    if reply.status in (401, 403):
        raise UpstreamError(f"{told}: check client.auth in HR_SOURCE and the rights of that account.")
    if reply.status in range(300, 400):
        raise UpstreamError(f"{told}, a redirect, which is not followed: credentials go to client.base_url only.")
    raise UpstreamError(f"{told}: check endpoint.path and its parameters in HR_SOURCE.")


def _json(resource: Resource, reply: transport.Reply) -> Any:
    try:
        return reply.json()
    except bodies.Refused as exc:
        raise UpstreamError(f"{resource.table}: HR's answer {exc}.") from None


def _holds(body: Any, path: tuple[str, ...]) -> bool:
    inner = _at(body, path[:-1])
    return isinstance(inner, dict) and path[-1] in inner


def _at(body: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        body = body.get(step) if isinstance(body, dict) else None
    return body
