"""An HR system's REST API: pages of people, one person by id, edits while it runs, and faults on demand."""

from __future__ import annotations

import base64
import binascii
import copy
import datetime as dt
import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from tests.emulators import paging
from tests.emulators import people as invented
from tests.emulators.exports import Export
from tests.emulators.http import Emulator, Request, Response, Seconds, json_response
from tests.emulators.paging import Paging, Refused

Record = dict[str, Any]

DEFAULT_LIMIT = 100
WAYS = ("cursor", "header", "search", "link", "link_header", "flag")
"""/api/{way}/Employees: see `Paging`."""


class Seen(NamedTuple):
    """A request as the log keeps it."""

    time: float
    method: str
    path: str
    status: int
    authorized: bool


@dataclass(frozen=True)
class _Fault:
    response: Response
    when: Callable[[str], bool]


class HrEmulator(Emulator):
    """An HR API over the given records.

    `auth` is None, {"basic": (user, password)}, {"bearer": token}, {"api_key": (header, key)}, {"query_key":
    (parameter, key)} or {"oauth": Tokens}, given out at /oauth/token. `tls`: what the server shows and asks for. Pages
    longer than `max_page` are cut to it without a word, as many real APIs do; `latency` delays every answer.
    """

    def __init__(
        self,
        people: Sequence[Record],
        auth: Mapping[str, Any] | None = None,
        *,
        port: int = 0,
        max_page: int | None = None,
        latency: Seconds = 0.0,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        """Take over the records; they are replaced when edited, never changed in place. `clock`: of edits."""
        super().__init__(port, tls)
        self.paging = Paging(lambda: self._collection("Employees"))
        self.auth, self.max_page, self.latency = auth, max_page, latency
        self.organizations, self.locations = invented.organizations(), invented.locations()
        self.jobs = invented.jobs()
        self.clock = clock
        self.export = Export()
        self.requests: list[Seen] = []
        self._people = list(people)
        self._edits: dict[str, str] = {}
        self._faults: list[_Fault] = []
        self._lock = threading.RLock()

    @property
    def people(self) -> list[Record]:
        """A copy of the records as they stand."""
        with self._lock:
            return copy.deepcopy(self._people)

    def put(self, record: Record) -> None:
        """Replace the person with this EmployeeId, or add her at the end."""
        with self._lock:
            self._note_edit(record.get("EmployeeId"))
            place = self._find(record.get("EmployeeId"))
            self._people[place : place + 1] = [copy.deepcopy(record)]

    def patch(self, employee_id: str, changes: Mapping[str, Any]) -> Record:
        """Change one person by dotted paths ("Name.FirstName") and return her; KeyError when unknown."""
        with self._lock:
            record = copy.deepcopy(self._get(employee_id))
            for path, value in changes.items():
                *parents, leaf = path.split(".")
                owner = record
                for parent in parents:
                    owner = owner.setdefault(parent, {})
                owner[leaf] = value
            self._people[self._find(employee_id)] = record
            self._note_edit(employee_id)
            return record

    def remove(self, employee_id: str) -> None:
        """Forget a person; KeyError when unknown."""
        with self._lock:
            self._get(employee_id)
            del self._people[self._find(employee_id)]

    def fail_next(
        self,
        status: int,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        when: Callable[[str], bool] = lambda path: True,
    ) -> None:
        """Answer the next request whose path-with-query fits `when` like this; scripted faults are used in order."""
        with self._lock:
            self._faults.append(_Fault(Response(status, body, dict(headers or {})), when))

    def answer(self, request: Request) -> Response:
        """Answer one request and log it."""
        request.wait(self.latency)
        authorized = _authorized(self.auth, request)
        try:
            response = self._next_fault(request.target) or self._route(_without_key(request, self.auth), authorized)
        except Refused as refused:
            response = json_response(refused.status, {"error": str(refused)})
        seen = Seen(time.time(), request.method, request.target, response.status, authorized)
        self.requests.append(seen)
        return response

    def _next_fault(self, path: str) -> Response | None:
        with self._lock:
            fault = next((fault for fault in self._faults if fault.when(path)), None)
            if fault:
                self._faults.remove(fault)
        return fault.response if fault else None

    def _route(self, request: Request, authorized: bool) -> Response:
        if request.segments == ("oauth", "token") and isinstance(self.auth, Mapping) and "oauth" in self.auth:
            return self.auth["oauth"].answer(request)
        if not authorized and isinstance(self.auth, Mapping) and "oauth" in self.auth:
            return json_response(401, {"error": "no"}, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
        if not authorized:
            return json_response(401, {"error": "who are you?"}, {"WWW-Authenticate": 'Basic realm="hr"'})
        match request.method, request.segments:
            case "GET", ("api", "Employees" | "Organizations" | "Locations" | "Jobs" as name):
                return self._offset_page(request, self._collection(name))
            case "GET", ("api", "paged", "Employees"):
                return self._numbered_page(request)
            case "GET", ("api", "changes", "Employees"):
                return self._changes(request)
            case "GET" | "POST", ("api", way, "Employees") if way in WAYS:
                return self._paged(request, way)
            case "GET" | "POST", ("export", "Employees.csv"):
                return self.export.answer(request, self._collection("Employees"))
            case "GET", ("api", "all", "Employees"):
                paging.query(request, set())
                return json_response(200, self._collection("Employees"))
            case "GET" | "PUT" | "PATCH" | "DELETE", ("api", "Employees", employee_id):
                return self._one(request, employee_id)
        raise Refused(404, "no such route")

    def _paged(self, request: Request, way: str) -> Response:
        if way != "search" and request.method != "GET":
            raise Refused(405, "pages are read")
        more = (self.url,) if way == "link" else ()
        response: Response = getattr(self.paging, f"by_{way}")(request, self._longest(), *more)
        return response

    def _changes(self, request: Request) -> Response:
        """Everybody, or who changed at or after `updatedSince`: an instant in UTC, to the second, with its Z."""
        parameters = paging.query(request, {"updatedSince", "offset", "limit"})
        text = parameters.pop("updatedSince", None)
        if text is not None and not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text, re.ASCII):
            raise Refused(400, "updatedSince is an instant such as 2026-11-22T06:00:00Z")
        with self._lock:
            changed = [p for p in self._people if text is None or self._changed_at(p) >= text]
        offset = paging.number(parameters, "offset", 0, least=0)
        page = changed[offset : offset + self._size(parameters, "limit")]
        return json_response(200, {"data": page, "total": len(changed)})

    def _changed_at(self, person: Record) -> str:
        return self._edits.get(str(person.get("EmployeeId")), "")

    def _note_edit(self, employee_id: Any) -> None:
        self._edits[str(employee_id)] = f"{self.clock():%Y-%m-%dT%H:%M:%SZ}"

    def _longest(self) -> int:
        return min(DEFAULT_LIMIT, self.max_page or DEFAULT_LIMIT)

    def _collection(self, name: str) -> list[Record]:
        with self._lock:
            places = {"Locations": self.locations, "Organizations": self.organizations, "Jobs": self.jobs}
            return list({"Employees": self._people, **places}[name])

    def _offset_page(self, request: Request, records: list[Record]) -> Response:
        parameters = paging.query(request, {"offset", "limit"})
        offset = paging.number(parameters, "offset", 0, least=0)
        page = records[offset : offset + self._size(parameters, "limit")]
        return json_response(200, {"data": page, "total": len(records)})

    def _numbered_page(self, request: Request) -> Response:
        parameters = paging.query(request, {"page", "per_page"})
        size, number = self._size(parameters, "per_page"), paging.number(parameters, "page", 1, least=1)
        records = self._collection("Employees")
        page = records[(number - 1) * size : number * size]
        return json_response(200, {"items": page, "pages": -(-len(records) // size)})

    def _size(self, parameters: dict[str, str], name: str) -> int:
        size = paging.number(parameters, name, DEFAULT_LIMIT, least=1)
        return min(size, self.max_page or size)

    def _one(self, request: Request, employee_id: str) -> Response:
        paging.query(request, set())
        with self._lock:
            if request.method != "PUT" and self._find(employee_id) == len(self._people):
                raise Refused(404, "no such person")
            if request.method == "DELETE":
                self.remove(employee_id)
                return Response(204)
            if request.method == "PATCH":
                self.patch(employee_id, _json_object(request))
            if request.method == "PUT":
                self._put_over_http(employee_id, _json_object(request))
            return json_response(200, self._get(employee_id))

    def _put_over_http(self, employee_id: str, record: Record) -> None:
        if record.get("EmployeeId") != employee_id:
            raise Refused(400, "the record's EmployeeId is not the one in the address")
        self.put(record)

    def _find(self, employee_id: Any) -> int:
        """Return the person's place, or the end of the list; a record without a key is nobody's."""
        places = (n for n, person in enumerate(self._people) if employee_id and person.get("EmployeeId") == employee_id)
        return next(places, len(self._people))

    def _get(self, employee_id: str) -> Record:
        place = self._find(employee_id)
        if place == len(self._people):
            raise KeyError(employee_id)
        return self._people[place]


def _authorized(auth: Mapping[str, Any] | None, request: Request) -> bool:
    headers = request.headers
    match auth:
        case None:
            return True
        case {"basic": (user, password)}:
            return _basic_credentials(headers.get("Authorization", "")) == f"{user}:{password}"
        case {"bearer": token}:
            return bool(headers.get("Authorization") == f"Bearer {token}")
        case {"api_key": (name, key)}:
            return bool(headers.get(name) == key)
        case {"query_key": (name, key)}:
            return parse_qs(request.target.partition("?")[2]).get(name) == [key]
        case {"oauth": tokens}:
            return bool(tokens.knows(headers.get("Authorization", "")))
    raise ValueError("auth is none, basic, bearer, api_key, query_key or oauth")


def _without_key(request: Request, auth: Mapping[str, Any] | None) -> Request:
    """The request as routes see it: a key in the query is none of their parameters."""
    if not isinstance(auth, Mapping) or "query_key" not in auth:
        return request
    path, _, text = request.target.partition("?")
    left = "&".join(pair for pair in text.split("&") if pair.partition("=")[0] != auth["query_key"][0])
    return replace(request, target=f"{path}?{left}" if left else path)


def _basic_credentials(header: str) -> str | None:
    scheme, _, encoded = header.partition(" ")
    try:
        return base64.b64decode(encoded, validate=True).decode() if scheme == "Basic" else None
    except (binascii.Error, UnicodeDecodeError):
        return None


def _json_object(request: Request) -> Record:
    try:
        document = json.loads(request.body)
    except ValueError as exc:
        raise Refused(400, "the body is not JSON") from exc
    if not isinstance(document, dict) or not document:
        raise Refused(400, "the body is not a JSON object")
    return document
