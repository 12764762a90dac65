"""Microsoft Graph as an administrator sees it: what sets up the provisioning app. Never under the app's identity.

Only the command line comes here. Contracts, under https://learn.microsoft.com/graph/api/:
synchronization-synchronizationschema-update, synchronization-serviceprincipal-put-synchronization and
synchronization-synchronizationjob-start; delegated permission Synchronization.ReadWrite.All, and the role Application
Administrator or Cloud Application Administrator.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from provisioning import graph
from provisioning.errors import ChangedMeanwhile, NotPermitted, TransportError, UpstreamError
from provisioning.graph import Graph, JobStatus, TokenSource
from provisioning.settings import BulkUpload

WRITE_SCOPE = "Synchronization.ReadWrite.All"

COMMAND_LINE_TOOLS = "14d82eec-204b-4c2f-b7e8-296a70dab67e"
"""Microsoft Graph Command Line Tools, the app through which Graph PowerShell signs people in."""

LONGEST_WORDS = 500
"""Characters of Graph's own words that are told: of a schema they name attributes."""

_AUTHORITIES = {
    "graph.microsoft.us": "login.microsoftonline.us",
    "dod-graph.microsoft.us": "login.microsoftonline.us",
    "microsoftgraph.chinacloudapi.cn": "login.chinacloudapi.cn",
}
"""Where people sign in for Graph's other clouds: https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud"""

_CONFLICTS = (409, 412)

T = TypeVar("T")


class GraphAdmin:
    """An open connection to one provisioning app, in the name of whoever sits here."""

    def __init__(self, endpoint: BulkUpload, tokens: Callable[[], TokenSource] | None = None) -> None:
        """`tokens` makes a source of tokens; by default `az login`'s."""
        self._endpoint = endpoint
        self._graph = Graph(endpoint, tokens or (lambda: azure_cli_tokens(endpoint.host)))

    def __enter__(self) -> "GraphAdmin":
        """Use it in a `with`: leaving it closes the connections."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self._graph.__exit__()

    def job(self) -> JobStatus:
        """How the job stands. Raises NotPermitted, UpstreamError."""
        return _as_administrator(self._graph.job)

    def schema(self) -> dict[str, Any]:
        """The app's schema as Graph spells it. Raises NotPermitted, UpstreamError."""
        return _as_administrator(self._graph.schema)

    def secrets(self) -> dict[str, str]:
        """The app's secrets, passwords masked. Raises NotPermitted, UpstreamError."""
        return _as_administrator(self._graph.secrets)

    def write_schema(self, document: Mapping[str, Any]) -> None:
        """Put a whole schema in place of the one that is. One attempt.

        Raises ChangedMeanwhile where it is not made from the newest, NotPermitted, UpstreamError.
        """
        self._write("PUT", f"{self._endpoint.job_url}/schema", document)

    def write_secrets(self, secrets: Mapping[str, str]) -> None:
        """Put these secrets in place of all there are. One attempt. Raises NotPermitted, UpstreamError."""
        pairs = [{"key": name, "value": value} for name, value in secrets.items()]
        self._write("PUT", self._endpoint.secrets_url, {"value": pairs}, words=False)

    def start(self) -> None:
        """Set the job to work, where it is not. One attempt. Raises NotPermitted, UpstreamError."""
        self._write("POST", f"{self._endpoint.job_url}/start", None)

    def _write(self, method: str, url: str, document: Mapping[str, Any] | None, *, words: bool = True) -> None:
        _as_administrator(lambda: self._judged(method, url, document, words))

    def _judged(self, method: str, url: str, document: Mapping[str, Any] | None, words: bool) -> None:
        try:
            reply = self._graph.exchange(method, url, body=document)
        except TransportError as exc:
            doubt = "; it may have arrived: look again before you repeat it" if exc.ambiguous else ""
            raise UpstreamError(f"Graph: {exc}{doubt}.") from None
        if reply.status == 204:
            return
        if reply.status in _CONFLICTS:
            raise ChangedMeanwhile()
        if reply.status == 400:
            told = graph.own_words(reply)[:LONGEST_WORDS] if words else graph.error_code(reply)
            raise UpstreamError(f"Graph did not take it: {told}. Nothing was written.")
        graph.check(reply, WRITE_SCOPE)
        raise UpstreamError(f"Graph answered {reply.status}, which is not what is published: look what there is now.")


def _as_administrator(question: Callable[[], T]) -> T:
    """Whatever is asked; who may not is told what an administrator needs."""
    try:
        return question()
    except NotPermitted as exc:
        told = str(exc).partition(":")[0]
        needs = f"the role Application Administrator or Cloud Application Administrator, and {WRITE_SCOPE}"
        text = f"{told}: this needs {needs}. Log in as somebody who has them (az login), or try --device-code."
        raise NotPermitted(text, WRITE_SCOPE) from None


def azure_cli_tokens(host: str) -> TokenSource:
    """Tokens of `az login` and of nothing else: no managed identity, no secret in the environment."""
    from azure.identity import AzureCliCredential  # noqa: PLC0415 - slow to import, not needed for an emulator

    credential = AzureCliCredential()
    return lambda: credential.get_token(f"https://{host}/.default").token


def device_code_tokens(host: str) -> TokenSource:
    """Tokens of whoever signs in with a code in a browser, for one permission and nothing else."""
    from azure.identity import DeviceCodeCredential  # noqa: PLC0415 - slow to import, not needed for an emulator

    authority = _AUTHORITIES.get(host, "login.microsoftonline.com")
    credential = DeviceCodeCredential(COMMAND_LINE_TOOLS, authority=authority, prompt_callback=_show_code)
    return lambda: credential.get_token(f"https://{host}/{WRITE_SCOPE}").token


def _show_code(uri: str, code: str, _: object) -> None:
    print(f"Open {uri} and enter {code}.", file=sys.stderr, flush=True)
