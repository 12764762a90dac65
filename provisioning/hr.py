"""The HR API: requests, answers, single records. Yields records as HR spells them.

Described by HR_SOURCE, see `provisioning.source`; how pages follow each other is told by `provisioning.paginators`,
and what HR exports as a whole file by `provisioning.exports`.
"""

import functools
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import ExitStack
from datetime import datetime
from typing import Any, BinaryIO
from urllib.parse import quote

import httpx

from provisioning import bodies, exports, paginators, retry, spelling, transport
from provisioning.credentials import Credentials
from provisioning.errors import TransportError, Unavailable, UpstreamError
from provisioning.pacing import Clock, Pace
from provisioning.paginators import Ask, Page
from provisioning.source import Resource, Source

logger = logging.getLogger(__name__)

MOST_PAGES, MOST_RECORDS = 100_000, 1_000_000
"""A fetch of more than that is taken for one that never ends; the key of every record is kept until the last."""


SMALL_ANSWER = 2 * 1024 * 1024
"""Bytes; after a larger one the next page is not asked for ahead, lest two of the largest be in memory."""


class HrApi:
    """An open connection to the HR API."""

    def __init__(self, source: Source, clock: Clock, ends: float | None = None) -> None:
        """Prepare the credentials; nothing is asked yet. After `ends` (of the clock's monotonic time) nothing is."""
        self._source, self._clock, self._ends = source, clock, ends
        self._http = transport.client(source.certificate)
        self._credentials = Credentials(source, self._http, clock)
        self._paces: dict[str, Pace] = {}
        self._asking: Executor | None = None
        self._files = ExitStack()

    def __enter__(self) -> "HrApi":
        """Use it in a `with`: leaving it closes the connections."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close; a page that is on its way is waited for."""
        if self._asking:
            self._asking.shutdown(cancel_futures=True)
        self._files.close()
        self._http.close()

    def pages(self, resource: Resource, since: datetime | None = None, *, ahead: bool = False) -> Iterator[list[Any]]:
        """Every record of an endpoint, a page at a time; `since`: only those that changed after it, as HR sees it.

        `ahead`: the next page is asked for while one is worked on, so that HR's time and ours do not add up.
        Raises UpstreamError when a page cannot be had, or the pages do not add up to a complete fetch.
        """
        if resource.csv:
            yield from self._exported(resource, since)
            return
        before: tuple[int, list[Any]] | None = None
        records = count = 0
        for page in self._walked(resource, since, ahead):
            ends = (len(page), [*page[:1], *page[-1:]])  # not the page itself: two large ones would be in memory
            if page and ends == before:
                raise UpstreamError(f"{resource.table}: HR gave the same page twice; check the paginator's parameters.")
            records, count = records + len(page), count + 1
            if count > MOST_PAGES or records > MOST_RECORDS:
                raise UpstreamError(f"{resource.table}: more than {MOST_PAGES} pages or {MOST_RECORDS} records.")
            before = ends
            yield page

    def _exported(self, resource: Resource, since: datetime | None) -> Iterator[list[Any]]:
        """The same of a file of CSV, which is here as a whole before the first of its records is."""
        records = 0
        with tempfile.TemporaryFile() as file:
            self._files.callback(file.close)  # whoever wants no more of it may not say so
            if self._source.folder is not None:
                exports.copy(self._source.folder, resource, file, self._clock, self._ends)
            else:
                self._download(resource, since, file)
            for page in exports.pages(resource, file):
                self._check_time(resource)
                records += len(page)
                if records > MOST_RECORDS:
                    raise UpstreamError(f"{resource.table}: more than {MOST_RECORDS} records.")
                yield page

    def _download(self, resource: Resource, since: datetime | None, file: BinaryIO) -> None:
        query, body = _with_since(resource, since)
        url = self._url(resource, resource.path)
        asked = url.copy_merge_params(query) if query else url
        reply = self._answer(resource, resource.method, asked, body if resource.method == "POST" else None, into=file)
        modified, now = (retry.http_date(reply.headers.get(name)) for name in ("Last-Modified", "Date"))
        exports.check_age(resource, modified, now or self._clock.utc_now())

    def record(self, resource: Resource, key: str) -> Any | None:
        """One record by its key (`item_path`), or None where HR answers 404. Raises UpstreamError."""
        if not resource.item_path or not key.strip("."):
            return None
        path = resource.item_path.replace("{" + resource.primary_key + "}", quote(key, safe=""))
        reply = self._answer(resource, "GET", self._url(resource, path), missing=True)
        if reply is None:
            return None
        body = _json(resource, reply)
        wrapped = resource.data_selector and _holds(body, resource.data_selector)
        found = paginators.at(body, resource.data_selector) if wrapped else body
        if isinstance(found, list):
            found = found[0] if len(found) == 1 else None
        if not isinstance(found, dict):
            raise UpstreamError(f"{resource.table}: HR's answer for one record is not a record.")
        return found

    def _walked(self, resource: Resource, since: datetime | None, ahead: bool) -> Iterator[list[Any]]:
        walk, first = paginators.walk(resource), self._url(resource, resource.path)
        query, body = _with_since(resource, since)

        def answer(ask: Ask, url: httpx.URL) -> transport.Reply:
            return self._ask_for_page(resource, url, ask, {} if ask.link else query, body)

        url = first
        coming: Callable[[], transport.Reply] | None = functools.partial(answer, next(walk), url)
        while coming is not None:
            reply, coming = coming(), None
            page = _page(resource, reply)  # here and not in the thread that asks: two that compute slow each other down
            following = paginators.following(walk, page)
            if following is not None:
                url = first if following.link is None else self._url(resource, following.link, url)
                coming = functools.partial(answer, following, url)
                if ahead and len(reply.body) <= SMALL_ANSWER:
                    coming = functools.partial(self._awaited, self._worker().submit(coming))
            records = page.records
            del reply, page  # or the text, too, would be in memory while the records are worked on
            yield records

    def _worker(self) -> Executor:
        """A thread that asks for a page while the one before is worked on."""
        self._asking = self._asking or self._clock.workers(1)
        return self._asking

    def _awaited(self, asked: "Future[transport.Reply]") -> transport.Reply:
        """Wait by the clock, as everybody does who waits for a thread."""
        while not self._clock.first_of([asked], transport.DEADLINE):
            pass
        return asked.result()

    def _ask_for_page(
        self, resource: Resource, url: httpx.URL, ask: Ask, query: Mapping[str, Any], body: Any
    ) -> transport.Reply:
        """The answer that is one page."""
        for path, value in ask.body.items():
            body = paginators.put(body, path, value)
        asked = url.copy_merge_params({**query, **ask.query}) if query or ask.query else url
        reply: transport.Reply = self._answer(
            resource, resource.method, asked, body if resource.method == "POST" else None
        )
        return reply

    def _answer(
        self,
        resource: Resource,
        method: str,
        url: httpx.URL,
        body: Any = None,
        *,
        missing: bool = False,
        into: BinaryIO | None = None,
    ) -> Any:
        """One answer, asked for again where that may help; None for a 404 where one may be `missing`.

        `into`: what takes its body, where that is a whole file.
        """
        self._check_time(resource)
        renewed, patience = False, retry.PAGE_PATIENCE if into is None else transport.DOWNLOAD_DEADLINE
        try:
            for attempt, seconds in retry.asking(self._clock, self._ends, patience):
                with attempt:
                    reply = self._asked(resource, method, url, body, seconds, into)
                    if reply.status == 401 and not renewed and self._credentials.refused():
                        renewed = True  # once: a token may have been taken back before its time
                        reply = self._asked(resource, method, url, body, seconds, into)
                    if missing and reply.status == 404:
                        return None
                    _check(resource, reply)
        except TransportError as exc:
            raise UpstreamError(f"{resource.table}: HR: {exc}.") from None
        return reply

    def _asked(
        self, resource: Resource, method: str, url: httpx.URL, body: Any, seconds: float, into: BinaryIO | None
    ) -> transport.Reply:
        """One attempt, at its pace and with credentials that are good now."""
        began = self._clock.monotonic()
        headers = httpx.Headers({"Accept": "application/json" if into is None else "text/csv, */*;q=0.5"})
        for more in (self._source.headers, resource.headers, self._credentials.headers(_an_attempt(seconds))):
            headers.update(more)
        self._keep_pace(resource)
        shown = url.copy_merge_params(self._credentials.query) if self._credentials.query else url
        left = seconds - (self._clock.monotonic() - began)
        if into is None:
            request = self._http.build_request(method, shown, headers=headers, json=body)
            return transport.exchange(self._http, request, _an_attempt(left))
        request = self._http.build_request(method, shown, headers=headers, json=body, timeout=transport.PATIENT)
        try:
            return transport.download(self._http, request, into, _an_attempt(left, transport.DOWNLOAD_DEADLINE))
        except OSError:
            raise UpstreamError(
                f"{resource.table}: there is no room for HR's answer in this app's temporary folder."
            ) from None

    def _check_time(self, resource: Resource, wait: float = 0.0) -> None:
        if self._ends is not None and self._clock.monotonic() + wait > self._ends:
            raise UpstreamError(f"{resource.table}: the time of this run was up before HR's last page.")

    def _keep_pace(self, resource: Resource) -> None:
        """Wait for the next slot: of the client's rate, and of the endpoint's where it has one."""
        rates = {"": self._source.requests_per_second, resource.table: resource.requests_per_second}
        for name, rate in rates.items():
            if rate is None:
                continue
            pace = self._paces.setdefault(name, Pace(self._clock, rate))
            if wait := pace.wait_left():
                self._check_time(resource, wait)
                self._clock.sleep(wait)
            pace.take()

    def _url(self, resource: Resource, path: str, base: httpx.URL | None = None) -> httpx.URL:
        """An address below `client.base_url`, or a whole one at the same origin. Nothing else ever gets credentials.

        `base`: the page that gave a link, to which it may be relative.
        """
        origin = httpx.URL(self._source.base_url)
        try:
            url = (base or origin).join(path) if path else origin
        except (httpx.InvalidURL, UnicodeError):
            raise UpstreamError(f"{resource.table}: what should be asked next is no URL.") from None
        if (url.scheme, url.raw_host, url.port, url.userinfo) != (origin.scheme, origin.raw_host, origin.port, b""):
            raise UpstreamError(
                f"{resource.table}: what should be asked next is not at client.base_url; credentials go there only."
            )
        return url


def _an_attempt(seconds: float, most: float = transport.DEADLINE) -> float:
    """Of the seconds that are left, those that one exchange may take."""
    return max(0.1, min(seconds, most))


def _with_since(resource: Resource, since: datetime | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Query and body of every page, the time from which on included."""
    query, body = dict(resource.params), dict(resource.json)
    if since is None or resource.since is None:
        return query, body
    text = spelling.written(since, resource.since.format, resource.spelling.time_zone)
    if resource.since.param is None:
        return query, paginators.put(body, resource.since.body_path, text)
    return {**query, resource.since.param: text}, body


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


def _page(resource: Resource, reply: transport.Reply) -> Page:
    document = _json(resource, reply)
    records = paginators.at(document, resource.data_selector)
    if not isinstance(records, list):
        where = ".".join(resource.data_selector) or "the root (set data_selector)"
        raise UpstreamError(f"{resource.table}: HR's answer has no list of records at {where}.")
    return Page(records, document, reply.headers)


def _json(resource: Resource, reply: transport.Reply) -> Any:
    try:
        return reply.json()
    except bodies.Refused as exc:
        raise UpstreamError(f"{resource.table}: HR's answer {exc}.") from None


def _holds(body: Any, path: tuple[str, ...]) -> bool:
    inner = paginators.at(body, path[:-1])
    return isinstance(inner, dict) and path[-1] in inner
