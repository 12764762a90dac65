"""GET /users and /users/delta of the tenant that the provisioning jobs write to.

Sources, on learn.microsoft.com: graph/api/user-list (default and largest page 100 and 999; 501 for what a collection
does not tell), …/user-list-manager and …/user-get (the manager expanded; employeeLeaveDateTime needs a permission of
its own), …/user-delta, graph/delta-query-overview (tokens are opaque and hold the query; good for seven days, then a
40X with syncStateNotFound; 410 with a Location; replays; removed users; no $top and no $expand), graph/paging; of page
tokens that are asked for too late (Directory_ExpiredPageToken) people report in Microsoft's Q&A.

A list is no snapshot: a page holds what is there when it is asked for. A user that changes on a page already given is
not seen; that is what a delta is for. That a delta tells the manager only where that changed, people report, too.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from tests.emulators import accounts
from tests.emulators.entra import Directory, User
from tests.emulators.http import Request, Response, json_response

if TYPE_CHECKING:
    from tests.emulators.graph import GraphEmulator

USERS_ROLE = "User.Read.All"
LIFECYCLE_ROLE = "User-LifeCycleInfo.Read.All"

DEFAULT_PAGE, LARGEST_PAGE, DELTA_PAGE = 100, 999, 200
PAGE_LIFE, DELTA_LIFE = 300.0, 7 * 86_400.0
"""Seconds for which a page's token, and a delta's, are good; how long the first is, is not published."""

_EXPAND = re.compile(r"manager(?:\(\$select=([\w,]+)\))?")


class TenantError(Exception):
    """An answer in Graph's error format."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, headers or {}


class _Place(NamedTuple):
    """What a page's token stands for: the query it was given with, and behind whom it goes on."""

    query: str
    behind: str
    ends: float


class _Round(NamedTuple):
    """What a delta's token stands for: which properties, and the last change told, of each directory."""

    names: tuple[str, ...]
    since: dict[str, int]
    ends: float


@dataclass
class Tenant:
    """The users of all directories. `asked` is called with the number of each request, before it is answered."""

    graph: GraphEmulator
    asked: Callable[[int], None] = lambda number: None
    resets: int = 0
    """So many rounds of changes are answered with 410."""
    replays: bool = False
    """Whether a round of changes tells each of them twice."""
    deltas: bool = True
    requests: int = 0
    pages: dict[str, _Place] = field(default_factory=dict)
    rounds: dict[str, _Round] = field(default_factory=dict)

    def answer(self, request: Request, *, delta: bool, lifecycle: bool) -> Response:
        self.requests += 1
        self.asked(self.requests)
        allowed = {"$select", "$deltatoken", "$skiptoken"} if delta else {"$select", "$top", "$expand", "$skiptoken"}
        try:
            query = request.query(allowed)
        except ValueError as exc:
            raise TenantError(400, "Request_BadRequest", "This query is not supported.") from exc
        if delta and not self.deltas:
            raise TenantError(501, "NotImplemented", "This operation target is not yet supported.")
        names = self._selected(query.get("$select", ""), delta=delta, lifecycle=lifecycle)
        return self._changes(query, names) if delta else self._list(request, query, names)

    # --- the list ---

    def _selected(self, text: str, *, delta: bool, lifecycle: bool) -> tuple[str, ...]:
        names = tuple(text.split(",")) if text else ()
        for name in names:
            if name in accounts.ONE_BY_ONE:
                raise TenantError(501, "NotImplemented", "This operation target is not yet supported.")
            if not accounts.is_property(name) and not (delta and name == "manager"):
                told = f"Parsing OData Select and Expand failed: Could not find a property named '{name}' on type "
                raise TenantError(400, "BadRequest", f"{told}'microsoft.graph.user'.")
        if accounts.LIFECYCLE in names and not lifecycle:
            raise TenantError(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
        return names

    def _list(self, request: Request, query: dict[str, str], names: tuple[str, ...]) -> Response:
        size = query.get("$top", str(DEFAULT_PAGE))
        if not size.isdecimal() or not 1 <= int(size) <= LARGEST_PAGE:
            told = f"Invalid page size specified: '{size}'. Must be between 1 and {LARGEST_PAGE} inclusive."
            raise TenantError(400, "Request_UnsupportedQuery", told)
        expand = _EXPAND.fullmatch(query["$expand"]) if "$expand" in query else None
        if "$expand" in query and not expand:
            raise TenantError(400, "BadRequest", "Parsing OData Select and Expand failed.")
        plain = request.target.partition("?")[2].partition("&%24skiptoken=")[0]
        behind = self._behind(query.get("$skiptoken"), plain)
        page = sorted((u.object_id, d, u) for d, u in self._users() if u.object_id > behind)[: int(size) + 1]
        value = [self._told(directory, user, names, expand) for _, directory, user in page[: int(size)]]
        more = {}
        if len(page) > int(size):
            token = self._new_token(self.pages, _Place(plain, page[int(size) - 1][0], self._now() + PAGE_LIFE))
            more = {"@odata.nextLink": f"{self.graph.url}/v1.0/users?{plain}&%24skiptoken={quote(token, safe='')}"}
        context = f"{self.graph.url}/v1.0/$metadata#users({','.join(names)})"
        return json_response(200, {"@odata.context": context, **more, "value": value})

    def _behind(self, token: str | None, plain: str) -> str:
        if token is None:
            return ""
        place = self.pages.get(token)
        if place is None or place.query != plain:
            raise TenantError(400, "Request_BadRequest", "Invalid skip token.")
        if self._now() >= place.ends:
            told = "The specified page token value has expired and can no longer be included in your request."
            raise TenantError(400, "Directory_ExpiredPageToken", told)
        return place.behind

    def _told(self, directory: Directory, user: User, names: tuple[str, ...], expand: re.Match[str] | None) -> Any:
        whole = self._whole(directory, user)
        found = accounts.selected(whole, names or ("id", "displayName", "mail", "userPrincipalName"))
        if expand and whole.get("manager"):
            kind = {"@odata.type": "#microsoft.graph.user"}
            found["manager"] = {**kind, **dict.fromkeys((expand[1] or "id").split(",")), "id": whole["manager"]}
        return found

    # --- what changed ---

    def _changes(self, query: dict[str, str], names: tuple[str, ...]) -> Response:
        if "$skiptoken" in query or ("$deltatoken" in query and query["$deltatoken"] != "latest"):
            if "$select" in query:
                raise TenantError(400, "Request_BadRequest", "A token holds its query.")
            return self._round(query.get("$skiptoken") or query["$deltatoken"])
        since = self._counts() if query.get("$deltatoken") == "latest" else dict.fromkeys(self._counts(), 0)
        if "$deltatoken" in query:
            return self._delta_page([], "$deltatoken", _Round(names, since, self._now() + DELTA_LIFE))
        return self._page_of(_Round(names, since, self._now() + DELTA_LIFE))

    def _round(self, token: str) -> Response:
        known = self.rounds.get(token)
        if known is None:
            raise TenantError(400, "Request_BadRequest", "Badly formed token.")
        if self._now() >= known.ends:
            raise TenantError(400, "syncStateNotFound", "The delta token is expired: synchronize again.")
        if self.resets:
            self.resets -= 1
            begin = {"Location": f"{self.graph.url}/v1.0/users/delta?$deltatoken="}
            raise TenantError(410, "resyncRequired", "Synchronize again.", begin)
        return self._page_of(known)

    def _page_of(self, known: _Round) -> Response:
        """The oldest changes first, so many that a page holds; behind the last of them the next page goes on."""
        news = sorted((user.changed, d.job, d, user) for d, user in self._users() if user.changed > known.since[d.job])
        value = [self._changed(d, user, known) for _, _, d, user in news[:DELTA_PAGE]]
        if len(news) > DELTA_PAGE:
            told = {job: [n for n, j, _, _ in news[:DELTA_PAGE] if j == job] for job in known.since}
            since = {job: max(numbers, default=known.since[job]) for job, numbers in told.items()}
            return self._delta_page(value, "$skiptoken", known._replace(since=since))
        gone = [o for d in self.graph.directories for o in d.removed_since(known.since[d.job])]
        value += [{"id": object_id, "@removed": {"reason": "changed"}} for object_id in gone]
        value *= 2 if self.replays else 1
        return self._delta_page(value, "$deltatoken", _Round(known.names, self._counts(), self._now() + DELTA_LIFE))

    def _delta_page(self, value: list[Any], kind: str, following: _Round) -> Response:
        link = "@odata.nextLink" if kind == "$skiptoken" else "@odata.deltaLink"
        token = self._new_token(self.rounds, following)
        address = f"{self.graph.url}/v1.0/users/delta?{kind}={quote(token, safe='')}"
        context = f"{self.graph.url}/v1.0/$metadata#users({','.join(following.names)})"
        return json_response(200, {"@odata.context": context, link: address, "value": value})

    def _changed(self, directory: Directory, user: User, known: _Round) -> Any:
        """What was never set is not told; nor is a manager that did not change."""
        whole = self._whole(directory, user)
        ever = whole.keys() | user.ever | {name for name, path in directory.schema.links if path in user.ever}
        names = [name for name in known.names if name != "manager" and name in ever]
        found = accounts.selected(whole, names) | {"id": user.object_id}
        if "manager" in known.names and user.manager_changed > known.since[directory.job]:
            hers = [{"@odata.type": "#microsoft.graph.user", "id": whole["manager"]}] if whole.get("manager") else []
            found["manager@delta"] = hers
        return found

    # --- both ---

    def _users(self) -> Iterator[tuple[Directory, User]]:
        return ((directory, user) for directory in self.graph.directories for user in directory.accounts)

    def _whole(self, directory: Directory, user: User) -> dict[str, Any]:
        return accounts.as_graph(
            directory.schema.links, user.object_id, user.state, user.more, lambda key: _manager(directory, key)
        )

    def _counts(self) -> dict[str, int]:
        return {directory.job: directory.changes_made for directory in self.graph.directories}

    def _now(self) -> float:
        return self.graph.clock()

    def _new_token(self, known: dict[str, Any], place: Any) -> str:
        token = secrets.token_urlsafe(24) + "+/="
        known[token] = place
        return token


def _manager(directory: Directory, external_id: str) -> str | None:
    try:
        return directory.object_id(external_id)
    except KeyError:
        return None
