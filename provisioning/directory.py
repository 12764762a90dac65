"""The tenant's users, read from Graph: the whole list, then whatever changed while it was read.

A list of many pages is no snapshot, so a delta is begun before it and asked after it. Nothing of it is kept: it is read
in minutes, and a copy of it would be one more place with everybody in it (docs/decisions/0011).

Contracts, under https://learn.microsoft.com/graph/: api/user-list, api/user-list-manager, api/user-delta and
delta-query-overview; app role User.Read.All.
"""

import logging
from urllib.parse import quote

from provisioning import rights
from provisioning.accounts import Accounts
from provisioning.errors import NotPermitted, UpstreamError
from provisioning.flows import LEAVE_DATE, MANAGER, Flows
from provisioning.graph import Graph, Reading, StartOver
from provisioning.pacing import Clock
from provisioning.rights import LIFECYCLE_ROLE, USERS_ROLE

logger = logging.getLogger(__name__)

USERS_A_PAGE = 999
"""The most that Graph gives: https://learn.microsoft.com/graph/api/user-list"""

MOST_BEGINNINGS = 3
"""So often the reading is begun anew where Graph forgets how far it went."""

NOT_READABLE = f"it may not be read: {LIFECYCLE_ROLE} is missing"


class Directory:
    """The users of the tenant whose Graph this is. `notes` say what could not be had."""

    def __init__(self, graph: Graph, users_url: str, clock: Clock, ends: float) -> None:
        """Read until `ends`, of the clock's monotonic time."""
        self._graph, self._url = graph, users_url
        self._reading = Reading(USERS_ROLE, "directory", clock, ends)
        self.notes: list[str] = []

    def read(self, flows: Flows, more: tuple[str, ...] = ()) -> tuple[Accounts, Flows]:
        """Everybody, and what can be compared of them; `more`: other properties that are asked for.

        Raises NotPermitted without the role, UpstreamError where it cannot be read to its end.
        """
        if not self._may_read_leave_dates():
            flows = flows.without(LEAVE_DATE, NOT_READABLE)
        try:
            return self._read(flows, more), flows
        except NotPermitted:
            less = flows.without(LEAVE_DATE, NOT_READABLE)
            if less == flows:
                raise
        return self._read(less, more), less

    def _may_read_leave_dates(self) -> bool:
        """False where the token says that it has no such permission: it might be told as nothing at all."""
        said = rights.claims(self._graph.token() or "")
        if said is None:
            return True
        return LIFECYCLE_ROLE in {*(said.get("roles") or ()), *str(said.get("scp", "")).split()}

    def _read(self, flows: Flows, more: tuple[str, ...]) -> Accounts:
        with_manager = any(flow.property == MANAGER for flow in flows.compared)
        for _ in range(MOST_BEGINNINGS):
            found = Accounts.of((*flows.properties, *more))
            try:
                link = self._mark(found, with_manager=with_manager)
                self._list(found, with_manager=with_manager)
                if link:
                    self._catch_up(found, link)
                return found
            except StartOver as exc:
                logger.info("The directory is read anew: %s", exc)
        raise UpstreamError(f"Graph: the directory was begun {MOST_BEGINNINGS} times, and never read to its end.")

    def _mark(self, found: Accounts, *, with_manager: bool) -> str | None:
        """A link that will tell what changes from now on; None where there is none to be had."""
        names = (*found.selected, *((MANAGER,) if with_manager else ()))
        url = f"{self._url}/delta?$select={quote(','.join(names), safe=',')}&$deltatoken=latest"
        try:
            *_, last = self._graph.pages(url, self._reading)
            return self._graph.same_origin(str(last["@odata.deltaLink"]))
        except (NotPermitted, StartOver):
            raise
        except (UpstreamError, KeyError) as exc:
            told = exc if isinstance(exc, UpstreamError) else "Graph: it gave no link"
            self.notes.append(f"warning: what changes while the directory is read is not seen: {told}")
            return None

    def _list(self, found: Accounts, *, with_manager: bool) -> None:
        expand = f"&$expand={quote('manager($select=id)', safe='')}" if with_manager else ""
        url = f"{self._url}?$select={','.join(found.selected)}{expand}&$top={USERS_A_PAGE}"
        for body in self._graph.pages(url, self._reading):
            found.take(body["value"])

    def _catch_up(self, found: Accounts, link: str) -> None:
        for body in self._graph.pages(link, self._reading):
            found.change(body["value"])
