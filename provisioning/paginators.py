"""How the pages of an endpoint follow each other: what each page is asked with, and whether the last one has come.

Pure. The paginators follow dlt's (https://dlthub.com/docs/general-usage/http/rest-client#paginators), except that a
fetch which cannot be shown to be complete fails instead of ending early.
"""

import re
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from provisioning.errors import UpstreamError
from provisioning.source import Resource

_LINK = re.compile(r"""<([^<>]*)>((?:\s*;\s*[\w!#$&+.^`|~*-]+(?:\s*=\s*(?:"[^"]*"|[^",;\s]*))?)*)""", re.ASCII)
_PARAMETER = re.compile(r""";\s*([\w!#$&+.^`|~*-]+)(?:\s*=\s*(?:"([^"]*)"|([^",;\s]*)))?""", re.ASCII)


@dataclass(frozen=True)
class Ask:
    """What one page is asked with beyond what every page is: query, places in the body, or the address itself."""

    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[tuple[str, ...], Any] = field(default_factory=dict)
    link: str | None = None


@dataclass(frozen=True)
class Page:
    """One answer: its records, and where it may say how it goes on."""

    records: list[Any]
    body: Any
    headers: Mapping[str, str]


Walk = Generator[Ask, Page, None]


def walk(resource: Resource) -> Walk:
    """Asks, one after the other; each takes the page that it brought. Ends after the last page.

    Raises UpstreamError where the pages do not add up to a complete fetch.
    """
    ways = {"single_page": _single_page, "offset": _by_offset, "page_number": _by_number, "cursor": _by_cursor}
    return ways.get(resource.paginator.type, _by_link)(resource)


def following(walk: Walk, page: Page) -> Ask | None:
    """What to ask after this page; None where it was the last."""
    try:
        return walk.send(page)
    except StopIteration:
        return None


def at(body: Any, path: Iterable[str]) -> Any:
    """What a body holds at a path; None where it holds nothing there."""
    for step in path:
        body = body.get(step) if isinstance(body, dict) else None
    return body


def put(body: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A body with a value at a path, the body given left as it is."""
    if len(path) == 1:
        return {**body, path[0]: value}
    inner = body.get(path[0])
    return {**body, path[0]: put(inner if isinstance(inner, dict) else {}, path[1:], value)}


def _single_page(_resource: Resource) -> Walk:
    yield Ask()


def _by_offset(resource: Resource) -> Walk:
    options, records = resource.paginator.options, 0
    while True:
        page = yield _placed(options, offset=(options["offset"] or 0) + records, limit=options["limit"])
        total, more = _total(resource, page), _more(resource, page)
        records += len(page.records)
        if _ends(resource, page, more, total is not None and records >= total):
            return _check_sum(resource, records, total)


def _by_number(resource: Resource) -> Walk:
    options = resource.paginator.options
    first = options["base_page"] or 0 if options.get("page") is None else options["page"]
    pages = records = 0
    while True:
        page = yield _placed(options, page=first + pages)
        total, more = _total(resource, page), _more(resource, page)
        early = not page.records and total is not None and pages < total and records != total
        if early and options["stop_after_empty_page"]:
            raise UpstreamError(f"{resource.table}: HR's page {first + pages} was empty, of {total} pages.")
        pages, records = pages + 1, records + len(page.records)
        if _ends(resource, page, more, total is not None and pages >= total):
            return


def _by_cursor(resource: Resource) -> Walk:
    path, header = resource.paginator.options["cursor_path"], resource.paginator.options.get("cursor_header")
    return _by_reference(resource, lambda page: page.headers.get(header) if header else at(page.body, path), "cursor")


def _by_link(resource: Resource) -> Walk:
    options = resource.paginator.options
    if resource.paginator.type == "header_link":
        return _by_reference(resource, lambda page: next_link(page.headers, options["links_next_key"]), "link")
    return _by_reference(resource, lambda page: at(page.body, options["next_url_path"]), "link")


def _by_reference(resource: Resource, find: Any, name: str) -> Walk:
    """Pages that say by a cursor or a link what comes next; where there is none, the last has come."""
    options, records, seen = resource.paginator.options, 0, set[int]()
    ask = Ask()
    while True:
        page = yield ask
        total, more = _total(resource, page), _more(resource, page)
        records += len(page.records)
        reference = _reference(resource, find(page), name)
        if _ends(resource, page, more, reference is None):
            return _check_sum(resource, records, total)
        if reference is None:
            raise UpstreamError(f"{resource.table}: HR says that there is more, and gives no {name}.")
        if hash(reference) in seen:
            raise UpstreamError(f"{resource.table}: HR gave the same page twice: its {name} was there before.")
        seen.add(hash(reference))
        ask = Ask(link=str(reference)) if name == "link" else _placed(options, cursor=reference)


def _reference(resource: Resource, found: Any, name: str) -> str | int | None:
    if found in (None, "", False):
        return None
    if isinstance(found, str) or (name == "cursor" and type(found) is int):
        return found
    raise UpstreamError(f"{resource.table}: HR's {name} is not {'a text' if name == 'link' else 'a text or a number'}.")


def _placed(options: Mapping[str, Any], **values: Any) -> Ask:
    """Each value under its parameter in the query, or at its path in the body."""
    query, body = {}, {}
    for name, value in values.items():
        if path := options.get(f"{name}_body_path"):
            body[path] = value
        else:
            query[options[f"{name}_param"]] = value
    return Ask(query, body)


def _ends(resource: Resource, page: Page, more: bool | None, complete: bool) -> bool:
    """Whether this was the last page: has_more_path says so, else an empty page or `complete`."""
    stops = not page.records and resource.paginator.options["stop_after_empty_page"]
    if more is None:
        return stops or complete
    if more and stops:
        raise UpstreamError(f"{resource.table}: HR says that there is more, and its page is empty.")
    return not more


def _check_sum(resource: Resource, records: int, total: int | None) -> None:
    if total is not None and records < total:
        raise UpstreamError(f"{resource.table}: HR stopped at {records} of {total} records.")


def _total(resource: Resource, page: Page) -> int | None:
    path = resource.paginator.options.get("total_path")
    total = at(page.body, path) if path else None
    if isinstance(total, str) and re.fullmatch(r"[0-9]{1,9}", total, re.ASCII):
        total = int(total)
    if isinstance(total, int) and not isinstance(total, bool) and total >= 0:
        return total
    if path and "total_path" in resource.paginator.told:
        raise UpstreamError(f"{resource.table}: HR's answer has no total at {'.'.join(path)}.")
    return None


def _more(resource: Resource, page: Page) -> bool | None:
    path = resource.paginator.options.get("has_more_path")
    if not path:
        return None
    found = at(page.body, path)
    found = {"true": True, "false": False}.get(found.lower()) if isinstance(found, str) else found
    if isinstance(found, bool):
        return found
    raise UpstreamError(f"{resource.table}: HR's answer has neither true nor false at {'.'.join(path)}.")


def next_link(headers: Mapping[str, str], relation: str) -> str | None:
    """The address of that relation in a Link header (RFC 8288); None where there is none."""
    for link in _LINK.finditer(headers.get("Link", "")):
        told = {name.lower(): quoted or bare for name, quoted, bare in reversed(_PARAMETER.findall(link[2]))}
        if relation.casefold() in told.get("rel", "").casefold().split():  # the first rel counts: section 3.3
            return link[1]
    return None
