"""Microsoft Graph: a token, one attempt to upload and what its answer asks for; the job's status; the provisioning log.

Contracts: https://learn.microsoft.com/graph/api/synchronization-synchronizationjob-bulkupload,
…/synchronization-synchronizationjob-get and …/provisioningobjectsummary-list
"""

import json
import logging
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from urllib.parse import quote

import httpx

from provisioning import retry, transport
from provisioning.errors import NotPermitted, TransportError, Unavailable, UpstreamError
from provisioning.pacing import Clock
from provisioning.rights import JOB_ROLE, LOGS_ROLE
from provisioning.settings import BulkUpload

logger = logging.getLogger(__name__)
logging.getLogger("azure").setLevel(logging.WARNING)

BUCKET_FULL_SECONDS = (300.0, 600.0)
"""How long Microsoft asks clients to wait when the staging bucket is full, which it says with a 500."""

LONGEST_WORDS = 20_000
"""Characters of an answer that are looked at."""

ENTRIES_A_PAGE = 500
"""Entries are several KB each, and an answer has at most so many MB."""

MOST_PAGES = 10_000
"""A log of more pages than that is taken for one that never ends."""

_START_OVER = ("syncStateNotFound", "syncStateInvalid", "resyncRequired", "Directory_ExpiredPageToken")
"""Codes of tokens that are no longer good; so is whatever comes with 410.

https://learn.microsoft.com/graph/delta-query-overview#synchronization-reset
"""

STANDING = ("Paused", "NotRun", "NotConfigured", "Quarantine")
"""Job states in which what is uploaded is only staged."""

TokenSource = Callable[[], str]


class Reaction(Enum):
    """What the sender does about an answer."""

    ACCEPTED = "accepted"
    REFUSED = "refused"  # 400: something in the request is wrong
    RENEW_TOKEN = "renew token"  # noqa: S105 - a reaction, not a token
    AGAIN = "again"
    STOP = "stop"


@dataclass(frozen=True)
class Answer:
    """What came of one attempt. `wait` is in seconds; `everybody` says that no other request may go meanwhile."""

    reaction: Reaction
    status: int | None = None
    words: str = ""
    wait: float | None = None
    everybody: bool = False
    ambiguous: bool = False


@dataclass(frozen=True)
class JobStatus:
    """How the provisioning job stands, in Graph's words; `reason` is that of a quarantine."""

    code: str
    reason: str | None = None
    ran: bool = True
    """False where it is certain that it has never run."""

    @property
    def stands(self) -> bool:
        """Whether what is uploaded is staged and goes no further."""
        return self.code in STANDING


@dataclass(frozen=True)
class Reading:
    """How something of many pages is read: with which role, what it is called, and until when (monotonic time)."""

    role: str
    what: str
    clock: Clock
    ends: float


class StartOver(UpstreamError):
    """Graph no longer knows how far something was read: it must be read from the beginning."""


class Graph:
    """An open connection to one provisioning app: its upload endpoint, its job and its log."""

    def __init__(self, endpoint: BulkUpload, tokens: Callable[[], TokenSource] | None = None) -> None:
        """`tokens` makes a source of tokens; by default DefaultAzureCredential, imported only when needed."""
        self._endpoint = endpoint
        self._http = transport.client()
        self._new_source = tokens or (lambda: _azure_tokens(endpoint.host))
        self._source: TokenSource | None = None
        self.told_time: datetime | None = None
        """What Graph's clock said with its last answer to a reading."""

    def __enter__(self) -> "Graph":
        """Use it in a `with`: leaving it closes the connections."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self._http.close()

    def upload(self, body: bytes) -> Answer:
        """Make one attempt, of at most 30 s, and say what the answer asks for. Never raises for what Graph does."""
        try:
            headers = {"Content-Type": "application/scim+json", **self._authorization()}
            request = self._http.build_request("POST", self._endpoint.url, content=body, headers=headers)
        except Exception as exc:  # whatever azure-identity raises: nothing was sent
            return Answer(Reaction.STOP, words=f"no token for Graph could be had ({type(exc).__name__})")
        try:
            return classify(transport.exchange(self._http, request))
        except TransportError as exc:
            return Answer(Reaction.AGAIN, words=str(exc), ambiguous=exc.ambiguous)

    def job(self) -> JobStatus:
        """How the job stands. One attempt. Raises NotPermitted without the role, UpstreamError for anything else."""
        try:
            body = self._get(self._endpoint.job_url, JOB_ROLE)
        except TransportError as exc:
            raise UpstreamError(f"Graph: the job could not be asked: {exc}.") from None
        status = body.get("status")
        if not isinstance(status, dict) or not isinstance(status.get("code"), str):
            raise UpstreamError("Graph: its answer about the job has no status.")
        quarantine = status.get("quarantine")
        reason = quarantine.get("reason") if isinstance(quarantine, dict) else None
        return JobStatus(status["code"], None if reason is None else str(reason), _has_run(status))

    def schema(self) -> dict[str, Any]:
        """What the app knows of people and maps, as Graph spells it: a synchronizationSchema. One attempt.

        Raises NotPermitted without the role, UpstreamError for anything else.
        """
        try:
            return self._get(f"{self._endpoint.job_url}/schema", JOB_ROLE)
        except TransportError as exc:
            raise UpstreamError(f"Graph: the app's schema could not be read: {exc}.") from exc

    def secrets(self) -> dict[str, str]:
        """The app's secrets, passwords masked; among them whom Entra tells when the job stops. One attempt.

        https://learn.microsoft.com/entra/identity/hybrid/cloud-sync/how-to-inbound-synch-ms-graph. With which role they
        may be read is not published. Raises NotPermitted without it, UpstreamError for anything else.
        """
        try:
            body = self._get(self._endpoint.secrets_url, JOB_ROLE)
        except TransportError as exc:
            raise UpstreamError(f"Graph: the app's secrets could not be read: {exc}.") from exc
        pairs = body.get("value")
        right = isinstance(pairs, list) and all(isinstance(p, dict) and "key" in p for p in pairs)
        if not right:
            raise UpstreamError("Graph: its answer about the app's secrets has none.")
        return {str(p["key"]): str(p.get("value") or "") for p in pairs or ()}

    def token(self) -> str | None:
        """The token that goes along; None where none is needed. Raises UpstreamError where none can be had."""
        try:
            return self._authorization().get("Authorization", "").removeprefix("Bearer ") or None
        except Exception as exc:  # whatever azure-identity raises; its texts name accounts and tenants
            raise UpstreamError(f"Graph: no token could be had ({type(exc).__name__}).") from None

    def log_pages(self, since: datetime, clock: Clock, ends: float) -> Iterator[list[Any]]:
        """The provisioning log of the job from `since` on, a page of entries as Graph spells them at a time.

        Asks again for a while where Graph is busy or out of reach, and until `ends` (of the clock's monotonic time).
        Raises NotPermitted without the role, UpstreamError when a page cannot be had or the pages never end.
        """
        for body in self.pages(self._first_log_page(since), Reading(LOGS_ROLE, "provisioning log", clock, ends)):
            yield body["value"]

    def pages(self, url: str, reading: Reading) -> Iterator[dict[str, Any]]:
        """What is at an address of Graph's and behind each next link: objects whose `value` is a list.

        Raises NotPermitted without the role, StartOver where Graph has forgotten how far it was read, UpstreamError
        when a page cannot be had or the pages never end.
        """
        following: str | None = self.same_origin(url)
        seen: set[str] = set()
        while following is not None:
            if following in seen or len(seen) >= MOST_PAGES:
                raise UpstreamError(f"Graph: the pages of the {reading.what} never end.")
            seen.add(following)
            body = self._get_patiently(following, reading)
            if not isinstance(body.get("value"), list):
                raise UpstreamError(f"Graph: a page of the {reading.what} has no entries.")
            link = body.get("@odata.nextLink")
            following = None if link is None else self.same_origin(str(link))
            yield body

    def _first_log_page(self, since: datetime) -> str:
        job, moment = self._endpoint.job.replace("'", "''"), since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        conditions = quote(f"jobId eq '{job}' and activityDateTime gt {moment}", safe="")
        order = quote("activityDateTime asc", safe="")
        return f"{self._endpoint.logs_url}?$filter={conditions}&$orderby={order}&$top={ENTRIES_A_PAGE}"

    def same_origin(self, link: str) -> str:
        """A link of Graph's own, if it leads where the token may go. Raises UpstreamError for another."""
        try:
            theirs, ours = httpx.URL(link), httpx.URL(self._endpoint.url)
            same = all(getattr(theirs, part) == getattr(ours, part) for part in ("scheme", "host", "port", "userinfo"))
        except (httpx.InvalidURL, ValueError):
            same = False
        if not same:
            raise UpstreamError("Graph: its next page is said to be at another address, which gets no token.")
        return link

    def _get_patiently(self, url: str, reading: Reading) -> dict[str, Any]:
        body: dict[str, Any] = {}
        try:
            for attempt, seconds in retry.asking(reading.clock, reading.ends):
                with attempt:
                    if reading.clock.monotonic() >= reading.ends:
                        raise UpstreamError(
                            f"Graph: the time of this run was up before the {reading.what}'s last page."
                        )
                    body = self._get(url, reading.role, min(seconds, transport.DEADLINE))
        except TransportError as exc:
            raise UpstreamError(f"Graph: the {reading.what} could not be read: {exc}.") from None
        return body

    def _get(self, url: str, role: str, seconds: float = transport.DEADLINE) -> dict[str, Any]:
        """One attempt, once more with a fresh token where the old one is refused; each of at most so many seconds."""
        reply = self.exchange("GET", url, seconds)
        check(reply, role)
        try:
            body = reply.json()
        except (ValueError, RecursionError):
            raise Unavailable("Graph: its answer is not JSON.") from None
        if not isinstance(body, dict):
            raise UpstreamError("Graph: its answer is not an object.")
        return body

    def exchange(
        self, method: str, url: str, seconds: float = transport.DEADLINE, body: Mapping[str, Any] | None = None
    ) -> transport.Reply:
        """Ask once, and once more with a fresh token where the old one is refused; what comes is not judged here."""
        content = None if body is None else json.dumps(body, ensure_ascii=False, default=float).encode()
        reply = self._exchange(method, url, seconds, content)
        if reply.status == 401:
            self.renew_token()
            reply = self._exchange(method, url, seconds, content)
        return reply

    def _exchange(self, method: str, url: str, seconds: float, content: bytes | None) -> transport.Reply:
        try:
            headers = {"Accept": "application/json", **self._authorization()}
        except Exception as exc:  # whatever azure-identity raises: nothing was asked
            raise UpstreamError(f"Graph: no token could be had ({type(exc).__name__}).") from None
        if content is not None:
            headers["Content-Type"] = "application/json"
        request = self._http.build_request(method, url, headers=headers, content=content)
        reply = transport.exchange(self._http, request, seconds)
        self.told_time = retry.http_date(reply.headers.get("Date"))
        return reply

    def renew_token(self) -> None:
        """Forget the token and whatever cached it."""
        self._source = None

    def _authorization(self) -> dict[str, str]:
        if not self._endpoint.needs_token:
            return {}
        source = self._source or self._new_source()  # another thread may renew it meanwhile
        self._source = source
        return {"Authorization": f"Bearer {source()}"}


def _has_run(status: Mapping[str, Any]) -> bool:
    """False for a job that certainly never ran.

    https://learn.microsoft.com/graph/api/resources/synchronization-synchronizationstatus
    """
    ended = [status.get(name) for name in ("lastExecution", "lastSuccessfulExecution")]
    return status["code"] in ("Active", "Quarantine") or any(ended)


def check(reply: transport.Reply, role: str) -> None:
    """Raises for an answer that is none; with Graph's code, without its words, which may quote people."""
    if reply.status == 200:
        return
    code = error_code(reply)
    told = f"Graph answered {reply.status} {code}".rstrip()
    if reply.status == 403 or (reply.status == 401 and code == "UnknownError"):  # so these APIs tell a missing role
        raise NotPermitted(f"{told}: the app role {role} is missing (or, for logs, a premium licence).", role)
    if reply.status == 410 or code in _START_OVER:
        raise StartOver(f"{told}.")
    if retry.may_pass(reply.status):
        raise Unavailable(f"{told}.", retry.retry_after(reply.headers.get("Retry-After")))
    if reply.status == 404:
        raise UpstreamError(f"{told}: check GRAPH_BULK_UPLOAD_URL; the app or its job is not there.")
    raise UpstreamError(f"{told}.")


def error_code(reply: transport.Reply) -> str:
    """The code of Graph's error where it is one word, else nothing."""
    try:
        code = str(reply.json()["error"]["code"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return code if code.isascii() and code.replace("_", "").isalnum() and len(code) <= 80 else ""


def classify(reply: transport.Reply) -> Answer:
    """What an answer asks for, by the table of docs/sending.md."""
    status, words = reply.status, own_words(reply)
    asked = retry.retry_after(reply.headers.get("Retry-After"))
    if status == 202:
        return Answer(Reaction.ACCEPTED, status)
    if status == 400 or status == 413:
        return Answer(Reaction.REFUSED, status, words)
    if status == 401:
        return Answer(Reaction.RENEW_TOKEN, status, words)
    if status == 429:
        return Answer(Reaction.AGAIN, status, words, asked, everybody=True)
    if status == 500 and asked is None and "bucket" in words.lower():
        wait = random.uniform(*BUCKET_FULL_SECONDS)  # noqa: S311 - jitter, not cryptography
        return Answer(Reaction.AGAIN, status, words, wait, everybody=True)
    if status >= 500 or status == 408:
        return Answer(Reaction.AGAIN, status, words, asked, everybody=asked is not None, ambiguous=True)
    return Answer(Reaction.STOP, status, words, ambiguous=status < 300)


def own_words(reply: transport.Reply) -> str:
    """Graph's own words: `code: message` of its error, on one line. They may quote what was sent."""
    try:
        error = json.loads(reply.body)["error"]
        told = f"{error.get('code', '')}: {error.get('message', '')}" if isinstance(error, dict) else str(error)
    except (ValueError, KeyError, TypeError, RecursionError):
        told = f"HTTP {reply.status}"
    return " ".join(told.split())[:LONGEST_WORDS].encode("utf-8", "replace").decode()  # half a letter cannot be stored


def _azure_tokens(host: str) -> TokenSource:
    """Tokens of the managed identity in Azure, of `az login` on a laptop."""
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - slow to import, not needed for an emulator

    credential = DefaultAzureCredential()
    return lambda: credential.get_token(f"https://{host}/.default").token


OpenGraph = Callable[[BulkUpload], Graph]
"""Opens Graph for whoever asks it: `Graph` itself, or what stands in for it."""
