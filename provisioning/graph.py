"""Microsoft Graph: a token, one attempt to upload, and what its answer asks for.

Contract: https://learn.microsoft.com/graph/api/synchronization-synchronizationjob-bulkupload
"""

import json
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from provisioning import retry, transport
from provisioning.errors import TransportError
from provisioning.settings import BulkUpload

logger = logging.getLogger(__name__)
logging.getLogger("azure").setLevel(logging.WARNING)

BUCKET_FULL_SECONDS = (300.0, 600.0)
"""How long Microsoft asks clients to wait when the staging bucket is full, which it says with a 500."""

LONGEST_WORDS = 20_000
"""Characters of an answer that are looked at."""

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


class Graph:
    """An open connection to one provisioning app's upload endpoint."""

    def __init__(self, endpoint: BulkUpload, tokens: Callable[[], TokenSource] | None = None) -> None:
        """`tokens` makes a source of tokens; by default DefaultAzureCredential, imported only when needed."""
        self._endpoint = endpoint
        self._http = transport.client()
        self._new_source = tokens or (lambda: _azure_tokens(endpoint.host))
        self._source: TokenSource | None = None

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

    def renew_token(self) -> None:
        """Forget the token and whatever cached it."""
        self._source = None

    def _authorization(self) -> dict[str, str]:
        if not self._endpoint.needs_token:
            return {}
        source = self._source or self._new_source()  # another thread may renew it meanwhile
        self._source = source
        return {"Authorization": f"Bearer {source()}"}


def classify(reply: transport.Reply) -> Answer:
    """What an answer asks for, by the table of docs/sending.md."""
    status, words = reply.status, _words(reply)
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


def _words(reply: transport.Reply) -> str:
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
