"""A Microsoft Graph that enforces the published contract of API-driven inbound provisioning, and knows no other.

Sources, on learn.microsoft.com: graph/api/synchronization-synchronizationjob-post-bulkupload and
…/resources/synchronization-bulkupload (the request; 202, 400, 401, 403), …/provisioningobjectsummary-list (the logs),
…/synchronization-synchronizationschema-get and -update (what the app maps), …/synchronization-synchronizationjob-start,
…/synchronization-serviceprincipal-put-synchronization (secrets), entra/identity/hybrid/cloud-sync/…
how-to-inbound-synch-ms-graph (how secrets are read, and that a PUT replaces them all),
entra/identity/app-provisioning/inbound-provisioning-api-issues (limits, error texts); and RFC 7643 and 7644. Of the
tenant's users: see tests/emulators/tenant.py.
"""

from __future__ import annotations

import datetime as dt
import json
import random
import re
import threading
import time
import uuid
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import format_datetime
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from tests.emulators.app_schema import Refused
from tests.emulators.entra import Directory, Entry, Malformed, check_user, expect, in_old_names, is_name
from tests.emulators.gallery import Gallery, NoSuchThing
from tests.emulators.http import Dropped, Emulator, Request, Response, Seconds, json_response
from tests.emulators.tenant import LIFECYCLE_ROLE, USERS_ROLE, Tenant, TenantError

CALLS, WINDOW, DAY = 40, 5.0, 86_400.0
UPLOAD_ROLE = "SynchronizationData-User.Upload"
LOGS_ROLE = "ProvisioningLog.Read.All"
JOB_ROLE = "Synchronization.Read.All"
WRITE_ROLE = "Synchronization.ReadWrite.All"
APPS_ROLE = "Application.ReadWrite.All"
LARGEST_PAGE = 1000
PASSWORDS = {"Password", "SecretToken", "AppKey", "ClientSecret", "ConsumerSecret", "Oauth2AccessToken"}
SECRET_KEYS = PASSWORDS | {"SyncNotificationSettings", "SyncAll", "SkipOutOfScopeDeletions", "Domain", "BaseAddress"}
BULK_REQUEST = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
MOST_OPERATIONS = 50

_JOB_PATH = re.compile(
    r"/v1\.0/servicePrincipals/([^/]+)/synchronization/jobs/([^/]+)(/bulkUpload|/schema/?|/start|/?)"
)
_SECRETS_PATH = re.compile(r"/v1\.0/servicePrincipals/([^/]+)/synchronization/secrets")
_GALLERY_PATH = re.compile(r"/v1\.0/(applicationTemplates(?:/([^/]+)/instantiate)?|servicePrincipals)")
_APP_PATH = re.compile(r"/v1\.0/servicePrincipals/([^/]+)/synchronization/(templates|jobs)")
_USERS_PATH = re.compile(r"/v1\.0/users(/delta|/microsoft\.graph\.delta)?")
_LOGS_PATH = re.compile(r"/v1\.0/auditLogs/provisioning/?")
_CONDITION = re.compile(r"(\w+) (eq|gt|lt) (?:'((?:[^']|'')*)'|(\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d)))")
_NAMES = {name.lower(): name for name in ("id", "jobId", "cycleId", "changeId", "activityDateTime")}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda have, asked: have == asked,
    "gt": lambda have, asked: have > asked,
    "lt": lambda have, asked: have < asked,
}


class Call(NamedTuple):
    """One call of bulkUpload; status 0 where nobody got an answer, body None where it could not be read."""

    time: float
    status: int
    external_ids: list[str]
    body: dict[str, Any] | None


class Accepted(NamedTuple):
    """One operation that was staged."""

    time: float
    job: str
    external_id: str
    data: dict[str, Any]


class Violation(NamedTuple):
    """A person sent twice at once: "in two requests" or "twice in a request"."""

    time: float
    rule: str
    external_id: str


class GraphError(Exception):
    """An answer in Graph's error format."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        """Keep what the answer is made of."""
        super().__init__(message)
        self.status, self.code, self.headers = status, code, dict(headers or {})

    def response(self) -> Response:
        """Return the error as Graph's JSON."""
        inner = {"date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S"), "request-id": str(uuid.uuid4())}
        document = {"error": {"code": self.code, "message": str(self), "innerError": inner}}
        return json_response(self.status, document, self.headers)


@dataclass(frozen=True)
class _Fault:
    response: Response | None = None  # None: no answer of its own
    apply: bool = True
    stall: float = 0.0
    drop: bool = False
    reset: bool = False


@dataclass(eq=False)
class _Flight:
    """A request under way and the people in it."""

    request: Request
    people: set[tuple[str, str, str]]
    abandoned: threading.Event = field(default_factory=threading.Event)

    def wait(self, seconds: Seconds) -> None:
        if not self.request.wait(seconds):
            self.abandoned.set()
            raise Dropped


class GraphEmulator(Emulator):
    """Graph for one tenant with one or more provisioning jobs.

    With `token`, every call needs it, `token_expires` (by `clock`) not yet reached; every call needs its role in
    `roles`. `refuse` says whose data spoils a whole request. `log_delay` is how long a log entry takes to become
    visible, in seconds. `readings` are the targets of the GETs; with `old_names` the log is spelled as the first beta
    spelled it.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        token: str | None = None,
        daily_limit: int = 2000,
        retry_after: int | str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Begin with one job and nobody in it."""
        super().__init__(port)
        self.token, self.daily_limit, self.retry_after, self.clock = token, daily_limit, retry_after, clock
        self.token_expires = float("inf")
        self.roles = {UPLOAD_ROLE, LOGS_ROLE, JOB_ROLE}
        self.secrets_readable_with = {JOB_ROLE, WRITE_ROLE}
        """With which role secrets may be read is not published."""
        self.denies_with_401 = False
        """Whether a missing role is told as 401 UnknownError, as people report of these APIs."""
        self.meanwhile: Callable[[], None] = lambda: None
        """What happens just before a schema is written."""
        self.latency: Seconds = 0.0
        self.log_delay = 0.0
        self.log_page_size = 100
        self.refuse: Callable[[dict[str, Any]], bool] = lambda data: False
        self.calls: list[Call] = []
        self.refusals: list[str] = []
        self.accepted: list[Accepted] = []
        self.violations: list[Violation] = []
        self.readings: list[str] = []
        self.old_names = False
        self.gallery = Gallery()
        self.tenant = Tenant(self)
        self._arrivals: list[float] = []
        self._faults: list[_Fault] = []
        self._weather: Callable[[], _Fault] = _Fault
        self._read_faults: list[tuple[str, Response]] = []
        self._in_flight: dict[tuple[str, str, str], _Flight] = {}
        self._directories: dict[tuple[str, str], Directory] = {}
        self._lock = threading.RLock()
        self.upload_url = self.add_job()

    def add_job(self, service_principal: str | None = None, job: str | None = None) -> str:
        """Add a target, invented unless named, and return its bulkUpload address."""
        principal = service_principal or str(uuid.uuid4())
        job = job or f"API2AAD.{uuid.uuid4().hex}.{uuid.uuid4()}"
        self._directories[principal, job] = Directory(principal, job, lambda: self.clock())  # whichever it is by then
        return f"{self.url}/v1.0/servicePrincipals/{principal}/synchronization/jobs/{job}/bulkUpload"

    @property
    def directories(self) -> list[Directory]:
        """The directory of each target."""
        return list(self._directories.values())

    def directory(self, service_principal: str | None = None, job: str | None = None) -> Directory:
        """Return the directory of a target; of the first one when none is named."""
        if service_principal is None or job is None:
            return next(iter(self._directories.values()))
        return self._directories[service_principal, job]

    def fail_next(
        self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b"", apply: bool = False
    ) -> None:
        """Answer the next valid upload like this; with `apply` it is processed all the same (the ambiguous case)."""
        self._faults.append(_Fault(Response(status, body, dict(headers or {})), apply))

    def fail_read(self, role: str, status: int, headers: Mapping[str, str] | None = None, times: int = 1) -> None:
        """Answer the next readings that need this role (LOGS_ROLE, JOB_ROLE) like this."""
        error = GraphError(status, "UnknownError", "The service cannot answer now.", headers)
        self._read_faults += [(role, error.response())] * times

    def drop_next(self, apply: bool = False, *, reset: bool = False) -> None:
        """Close the connection of the next valid upload without an answer; with `reset` not in order."""
        self._faults.append(_Fault(apply=apply, drop=not reset, reset=reset))

    def stall_next(self, seconds: float, apply: bool = True) -> None:
        """Keep the next valid upload waiting (after processing it, with `apply`); then 202, or 504 unless applied."""
        self._faults.append(_Fault(None if apply else Response(504), apply, stall=seconds))

    def arrive_late(self, body: bytes) -> None:
        """Process an upload whose client has gone meanwhile: it waited somewhere on the way, and nobody hears of it."""
        arrived, _ = self._arrive()
        document = _parsed(body)
        directory = self.directory()
        self.calls.append(Call(arrived, 0, _external_ids(document), document))
        with self._lock:
            data = [operation["data"] for operation in document["Operations"]]
            self.accepted += [Accepted(arrived, directory.job, person["externalId"], person) for person in data]
            directory.stage(data)

    def storm(self, rng: random.Random, share: float = 0.5, stall: float = 5.0) -> None:
        """From now on let that share of the valid uploads, drawn with `rng`, end badly; scripted faults go first.

        429 without and with Retry-After (seconds or a date), 500 and connections that are reset, each before and after
        the people were processed, and 202 after a stall of so many seconds. Requests are checked and counted as ever.
        """
        self._weather = lambda: _storm(rng, stall) if rng.random() < share else _Fault()

    def max_calls_in(self, seconds: float = WINDOW) -> int:
        """Return the most calls that came within that time, wherever it began."""
        times = sorted(self._arrivals)
        return max((bisect_left(times, start + seconds) - n for n, start in enumerate(times)), default=0)

    def answer(self, request: Request) -> Response:
        """Answer one request."""
        try:
            return self._route(request)
        except GraphError as error:
            return error.response()

    def _route(self, request: Request) -> Response:
        path = unquote(request.path)
        if _LOGS_PATH.fullmatch(path):
            self._admit(request, "GET", LOGS_ROLE)
            self.readings.append(request.target)
            return self._fault_of_reading(LOGS_ROLE) or self._logs(request)
        if users := _USERS_PATH.fullmatch(path):
            self._admit(request, "GET", USERS_ROLE)
            self.readings.append(request.target)
            try:
                may_read_all = LIFECYCLE_ROLE in self.roles
                return self._fault_of_reading(USERS_ROLE) or self.tenant.answer(
                    request, delta=bool(users[1]), lifecycle=may_read_all
                )
            except TenantError as error:
                raise GraphError(error.status, error.code, str(error), error.headers) from error
        if (place := _GALLERY_PATH.fullmatch(path)) or (place := _APP_PATH.fullmatch(path)):
            return self._from_gallery(request, place)
        if secrets := _SECRETS_PATH.fullmatch(path):
            return self._secrets(request, secrets[1])
        target = _JOB_PATH.fullmatch(path)
        directory = self._directories.get((target[1], target[2])) if target else None
        if not target or not directory:
            self._authenticate(request)
            raise GraphError(404, "Request_ResourceNotFound", "The resource does not exist.")
        if target[3] == "/bulkUpload":
            return self._counted(request, directory)
        if target[3] == "/start":
            self._admit(request, "POST", WRITE_ROLE)
            return _start(request, directory)
        if "schema" in target[3] and request.method == "PUT":
            self._admit(request, "PUT", WRITE_ROLE)
            self.meanwhile()
            return _put_schema(request, directory)
        self._admit(request, "GET", JOB_ROLE, WRITE_ROLE)
        self.readings.append(request.target)
        return self._fault_of_reading(JOB_ROLE) or (_schema if "schema" in target[3] else _job)(request, directory)

    def _from_gallery(self, request: Request, place: re.Match[str]) -> Response:
        method = "POST" if place[2] and (place[2] != "jobs" or request.method == "POST") else "GET"
        method = "GET" if place[2] == "templates" else method
        self._admit(request, method, WRITE_ROLE if place.re is _APP_PATH else APPS_ROLE)
        try:
            if method == "POST":
                return self._made(request, place)
            if place.re is _APP_PATH:
                _without_query(request)
                app = self.gallery.app(place[1])
                jobs = [{"id": job, "templateId": job.partition(".")[0]} for job in app.jobs]
                return json_response(200, {"value": jobs if place[2] == "jobs" else self.gallery.kinds(place[1])})
            condition = request.query({"$filter", "$select"}).get("$filter", "")
            find = self.gallery.find_apps if place[1] == "servicePrincipals" else self.gallery.find_templates
            return json_response(200, {"value": find(condition)})
        except NoSuchThing as exc:
            raise GraphError(404, "Request_ResourceNotFound", "The resource does not exist.") from exc
        except ValueError as exc:
            raise GraphError(400, "Request_BadRequest", str(exc)) from exc

    def _made(self, request: Request, place: re.Match[str]) -> Response:
        body = _document(request)
        if place.re is _GALLERY_PATH:
            return json_response(201, self.gallery.instantiate(place[2], body))
        job = self.gallery.add_job(place[1], body)
        self.add_job(place[1], job)
        made = self.directory(place[1], job)
        made.begun, made.secrets = False, {}
        return json_response(201, {"id": job, "templateId": body["templateId"], "status": {"code": "NotConfigured"}})

    def _secrets(self, request: Request, principal: str) -> Response:
        directory = next((d for (p, _), d in self._directories.items() if p == principal), None)
        if request.method == "PUT":
            self._admit(request, "PUT", WRITE_ROLE)
        else:
            self._admit(request, "GET", *self.secrets_readable_with)
        if directory is None:
            raise GraphError(404, "Request_ResourceNotFound", "The resource does not exist.")
        return _put_secrets(request, directory) if request.method == "PUT" else _told_secrets(directory)

    def _fault_of_reading(self, role: str) -> Response | None:
        with self._lock:
            found = next((fault for fault in self._read_faults if fault[0] == role), None)
            if found:
                self._read_faults.remove(found)
        return found[1] if found else None

    def _authenticate(self, request: Request) -> None:
        wrong = request.headers.get("Authorization") != f"Bearer {self.token}" or self.clock() >= self.token_expires
        if self.token is not None and wrong:
            message = "Access token has expired or is not yet valid."
            raise GraphError(401, "InvalidAuthenticationToken", message, {"WWW-Authenticate": "Bearer"})

    def _admit(self, request: Request, method: str, *roles: str) -> None:
        self._authenticate(request)
        if request.method != method:
            raise GraphError(405, "Request_BadRequest", "The method is not allowed here.", {"Allow": method})
        if not self.roles.intersection(roles):
            if self.denies_with_401:
                raise GraphError(401, "UnknownError", "")
            raise GraphError(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")

    def _counted(self, request: Request, directory: Directory) -> Response:
        """Upload, and record the call whatever becomes of it; every call counts against the limits."""
        arrived, too_many = self._arrive()
        body = _parsed(request.body)
        status = 0
        try:
            self._admit(request, "POST", UPLOAD_ROLE)
            if too_many:
                headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
                raise GraphError(429, "TooManyRequests", "Too many requests.", headers)
            response = self._upload(request, directory, arrived, body)
            status = response.status
        except GraphError as error:
            status = error.status
            raise
        finally:
            self.calls.append(Call(arrived, status, _external_ids(body), body))
        return response

    def _arrive(self) -> tuple[float, bool]:
        """Note a call; say when it came and whether it was one too many."""
        with self._lock:
            now = self.clock()
            self._arrivals.append(now)
            lately = sum(now - WINDOW < other for other in self._arrivals[-CALLS - 1 :])
            today = sum(now - DAY < other for other in self._arrivals)
            return now, lately > CALLS or today > self.daily_limit

    def _upload(self, request: Request, directory: Directory, arrived: float, body: Any) -> Response:
        try:
            people = _people(request, body)
            expect(not any(self.refuse(data) for data in people), "a person is refused")
        except Malformed as malformed:
            raise self._refusal(str(malformed)) from malformed
        with self._flight(request, directory, people, arrived) as flight:
            return self._process(flight, directory, people, arrived)

    def _refusal(self, reason: str) -> GraphError:
        """Keep the reason for whoever reads `refusals`; the client learns no more than Graph tells."""
        self.refusals.append(reason)
        return GraphError(400, "BadRequest", "Invalid Data Format")

    @contextmanager
    def _flight(
        self, request: Request, directory: Directory, people: list[dict[str, Any]], arrived: float
    ) -> Iterator[_Flight]:
        """Hold the people of a request until it is answered; a request whose client hung up holds nobody."""
        names = [data["externalId"] for data in people]
        keys = [(directory.service_principal, directory.job, name.casefold()) for name in names]
        flight = _Flight(request, set(keys))
        for key, name in zip(keys, names, strict=True):
            if keys.count(key) > 1:
                raise self._violation(arrived, "twice in a request", name)
        while others := self._take_off(flight):
            for key, other in others.items():
                if not other.abandoned.wait(0.05):
                    raise self._violation(arrived, "in two requests", names[keys.index(key)])
        try:
            yield flight
        finally:
            self._land(flight)

    def _take_off(self, flight: _Flight) -> dict[tuple[str, str, str], _Flight]:
        """Register the flight unless others hold its people; return those others by person."""
        with self._lock:
            held = {key: self._in_flight[key] for key in flight.people & self._in_flight.keys()}
            others = {key: other for key, other in held.items() if not other.abandoned.is_set()}
            if not others:
                self._in_flight |= dict.fromkeys(flight.people, flight)
            return others

    def _land(self, flight: _Flight) -> None:
        with self._lock:
            for key in flight.people:
                if self._in_flight.get(key) is flight:
                    del self._in_flight[key]

    def _violation(self, time: float, rule: str, external_id: str) -> GraphError:
        self.violations.append(Violation(time, rule, external_id))
        return self._refusal(f"a person {rule}")

    def _process(self, flight: _Flight, directory: Directory, people: list[dict[str, Any]], arrived: float) -> Response:
        with self._lock:
            fault = self._faults.pop(0) if self._faults else self._weather()
        flight.wait(self.latency)
        if fault.apply:
            with self._lock:
                self.accepted += [Accepted(arrived, directory.job, data["externalId"], data) for data in people]
                directory.stage(people)
        flight.wait(fault.stall)
        if fault.drop or fault.reset:
            raise Dropped(reset=fault.reset)
        logs = f"{self.url}/v1.0/auditLogs/provisioning/?$filter=jobid%20eq%20'{directory.job}'"
        return fault.response or Response(202, headers={"Location": logs})

    def _logs(self, request: Request) -> Response:
        try:
            query = request.query({"$filter", "$top", "$orderby", "$skiptoken"})
            size = int(query.get("$top", self.log_page_size))
            seen, start = (int(part) for part in query.get("$skiptoken", "-1.0").split("."))
            entries, seen = self._entries(query.get("$filter", ""), seen)
            entries.sort(key=lambda entry: str(entry["activityDateTime"]))
            if query.get("$orderby", "activityDateTime desc") == "activityDateTime desc":
                entries.reverse()
            elif query["$orderby"] not in ("activityDateTime", "activityDateTime asc"):
                raise ValueError("$orderby")
            if not 1 <= size <= LARGEST_PAGE:
                raise ValueError("$top")
        except ValueError as exc:
            raise GraphError(400, "BadRequest", f"Invalid query: {exc}") from exc
        page = {"@odata.context": f"{self.url}/v1.0/$metadata#auditLogs/provisioning"}
        if start + size < len(entries):
            query["$skiptoken"] = f"{seen}.{start + size}"
            parameters = "&".join(f"{name}={quote(value)}" for name, value in query.items())
            page["@odata.nextLink"] = f"{self.url}/v1.0/auditLogs/provisioning?{parameters}"
        spelled = map(in_old_names, entries) if self.old_names else iter(entries)
        return json_response(200, page | {"value": list(islice(spelled, start, start + size))})

    def _entries(self, filter_text: str, seen: int) -> tuple[list[Entry], int]:
        """Return the visible entries that fit, oldest first, and how many are visible: what further pages go by."""
        fits = _conditions(filter_text)
        written = sorted(
            (entry for directory in self._directories.values() for entry in directory.log), key=lambda entry: entry[0]
        )
        if seen < 0:
            seen = bisect_right(written, self.clock() - self.log_delay, key=lambda entry: entry[0])
        return [entry for _, entry in written[:seen] if all(fit(entry) for fit in fits)], seen


def _storm(rng: random.Random, stall: float) -> _Fault:
    """One of the faults of a storm; each kind as often as any other."""
    seconds, apply = rng.randint(1, 3), rng.random() < 0.5
    until = format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds), usegmt=True)
    too_many = [_Fault(_too_many(wait), apply=False) for wait in (None, rng.choice([str(seconds), until]))]
    return rng.choice([*too_many, _Fault(Response(500), apply), _Fault(apply=apply, reset=True), _Fault(stall=stall)])


def _too_many(retry_after: str | None) -> Response:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return GraphError(429, "TooManyRequests", "Too many requests.", headers).response()


def _parsed(body: bytes) -> Any:
    """Return what the JSON says, or None when it is not UTF-8, doubles a key, or holds NaN or half a letter."""
    try:
        document = json.loads(body.decode(), object_pairs_hook=_object)
        json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return None
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    expect(len(dict(pairs)) == len(pairs), "a key is given twice")
    return dict(pairs)


def _external_ids(body: Any) -> list[str]:
    """Return whatever externalIds a body holds, however wrong it is."""
    operations = body.get("Operations") if isinstance(body, dict) else None
    data = [part.get("data") for part in operations if isinstance(part, dict)] if isinstance(operations, list) else []
    return [str(person["externalId"]) for person in data if isinstance(person, dict) and "externalId" in person]


def _people(request: Request, body: Any) -> list[dict[str, Any]]:
    """Return the people of a bulk request, or refuse it whole."""
    media_type = re.sub(r"\s", "", request.headers.get("Content-Type", "")).lower()
    allowed = ("application/scim+json", "application/scim+json;charset=utf-8")
    expect(media_type in allowed, "the content type is not application/scim+json")
    expect(isinstance(body, dict), "the body is not a JSON object")
    expect(body.keys() == {"schemas", "Operations", "failOnErrors"}, "a root key is missing or unknown")
    expect(body["schemas"] == [BULK_REQUEST], "the root's schemas are not the BulkRequest alone")
    expect(body["failOnErrors"] is None, "failOnErrors is not null")
    operations = body["Operations"]
    expect(isinstance(operations, list) and 1 <= len(operations) <= MOST_OPERATIONS, "Operations are not 1 to 50")
    for operation in operations:
        _check_operation(operation)
    bulk_ids = {operation["bulkId"] for operation in operations}
    expect(len(bulk_ids) == len(operations), "a bulkId is used twice")
    return [operation["data"] for operation in operations]


def _check_operation(operation: Any) -> None:
    expect(isinstance(operation, dict), "an operation is not an object")
    expect(operation.keys() == {"method", "bulkId", "path", "data"}, "an operation's key is missing or unknown")
    expect(operation["method"] == "POST", "a method is not POST")
    expect(operation["path"] == "/Users", "a path is not /Users")
    expect(is_name(operation["bulkId"]), "a bulkId is missing or blank")
    check_user(operation["data"])


def _conditions(text: str) -> list[Callable[[Entry], bool]]:
    return [_condition(part) for part in re.split(r" and (?=\w+ (?:eq|gt|lt) )", text)] if text else []


def _condition(text: str) -> Callable[[Entry], bool]:
    """Read "jobId eq 'x'" (or another id) or "activityDateTime gt 2026-01-01T00:00:00Z": the comparisons published."""
    found = _CONDITION.fullmatch(text)
    name = _NAMES.get(found[1].lower()) if found else None
    if not found or not name:
        raise ValueError(f"$filter: {text}")
    operator, quoted, moment = found.group(2, 3, 4)
    if name == "activityDateTime" and moment:
        asked = dt.datetime.fromisoformat(moment)
        return lambda entry: _COMPARE[operator](dt.datetime.fromisoformat(entry[name]), asked)
    if name != "activityDateTime" and not moment and operator == "eq":
        return lambda entry: bool(entry[name] == quoted.replace("''", "'"))
    raise ValueError(f"$filter: {text}")


def _schema(request: Request, directory: Directory) -> Response:
    _without_query(request)
    return json_response(200, directory.schema.document(directory.job))


def _put_schema(request: Request, directory: Directory) -> Response:
    document = _document(request)
    try:
        directory.schema.put(directory.job, document)
    except Refused as refused:
        raise GraphError(409 if refused.conflict else 400, "InvalidRequest", str(refused)) from refused
    except (KeyError, TypeError, AttributeError) as exc:
        raise GraphError(400, "InvalidRequest", "The schema is malformed.") from exc
    return Response(204)


def _start(request: Request, directory: Directory) -> Response:
    """Refuse a body, which must not be, and to start what is at work: "use it only when paused or in quarantine"."""
    _without_query(request)
    if request.body:
        raise GraphError(400, "BadRequest", "No body is expected.")
    if directory.status_code == "Active":
        raise GraphError(400, "BadRequest", "The job is at work.")
    directory.start()
    return Response(204)


def _told_secrets(directory: Directory) -> Response:
    value = [{"key": k, "value": "*" if k in PASSWORDS else v} for k, v in directory.secrets.items()]
    return json_response(200, {"value": value})


def _put_secrets(request: Request, directory: Directory) -> Response:
    """Replace them all; those that are left out are gone."""
    document = _document(request)
    pairs = document.get("value") if isinstance(document, dict) and document.keys() == {"value"} else None
    right = isinstance(pairs, list) and all(isinstance(p, dict) and p.keys() == {"key", "value"} for p in pairs)
    if not right or not all(p["key"] in SECRET_KEYS and isinstance(p["value"], str) for p in pairs or ()):
        raise GraphError(400, "BadRequest", "The secrets are malformed.")
    secrets = {p["key"]: p["value"] for p in pairs or ()}
    if len(secrets) != len(pairs or ()) or any(secrets.get(name) == "*" for name in PASSWORDS):
        raise GraphError(400, "BadRequest", "A secret is given twice, or is a mask.")
    _check_notices(secrets.get("SyncNotificationSettings", "{}"))
    directory.secrets = secrets
    return Response(204)


def _check_notices(text: str) -> None:
    """Refuse what is not the JSON that Microsoft shows, in its types."""
    kinds = {"Enabled": bool, "Recipients": str, "DeleteThresholdEnabled": bool, "DeleteThresholdValue": int}
    try:
        notices = json.loads(text)
        right = all(name in kinds and type(value) is kinds[name] for name, value in notices.items())
    except (ValueError, AttributeError):
        right = False
    if not right:
        raise GraphError(400, "BadRequest", "SyncNotificationSettings are malformed.")


def _document(request: Request) -> Any:
    """The JSON of a request that writes."""
    _without_query(request)
    if request.headers.get_content_type() != "application/json":
        raise GraphError(415, "UnsupportedMediaType", "The body is not application/json.")
    try:
        document = _parsed(request.body)
    except Malformed:
        document = None
    if document is None:
        raise GraphError(400, "BadRequest", "The body is not JSON.")
    return document


def _without_query(request: Request) -> None:
    try:
        request.query(set())
    except ValueError as exc:
        raise GraphError(400, "BadRequest", str(exc)) from exc


def _job(request: Request, directory: Directory) -> Response:
    _without_query(request)
    reason = directory.quarantine_reason
    status = {
        "code": directory.status_code,
        "countSuccessiveCompleteFailures": 0,
        "escrowsPruned": False,
        "lastExecution": {"activityIdentifier": str(uuid.uuid4()), "state": "Succeeded"} if directory.begun else None,
        "progress": [],
        "quarantine": {"reason": reason, "seriesCount": 1, "error": None} if reason else None,
        "synchronizedEntryCountByType": [{"key": "User", "value": len(directory.users)}],
        "troubleshootingUrl": None,
    }
    schedule = {"expiration": None, "interval": "PT40M", "state": "Disabled" if directory.paused else "Active"}
    settings = [{"name": "QuarantineTooManyDeletesThreshold", "value": "500"}]
    job = {"id": directory.job, "templateId": "API2AAD", "schedule": schedule, "status": status}
    return json_response(200, {**job, "synchronizationJobSettings": settings})
