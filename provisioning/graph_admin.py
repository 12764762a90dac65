"""Microsoft Graph as an administrator sees it: what sets up the provisioning app. Never under the app's identity.

Only the command line comes here. Contracts, under https://learn.microsoft.com/graph/api/:
synchronization-synchronizationschema-update, synchronization-serviceprincipal-put-synchronization and
synchronization-synchronizationjob-start; delegated permission Synchronization.ReadWrite.All, and the role Application
Administrator or Cloud Application Administrator.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from provisioning import graph
from provisioning.errors import ChangedMeanwhile, NotPermitted, TransportError, UpstreamError
from provisioning.graph import Graph, JobStatus, TokenSource
from provisioning.settings import BulkUpload

WRITE_SCOPE = "Synchronization.ReadWrite.All"
APPS_SCOPE = "Application.ReadWrite.All"
"""What making an app needs: https://learn.microsoft.com/graph/api/applicationtemplate-instantiate"""

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


class NotThere(UpstreamError):
    """Graph does not find it; what was just made may be found in a while."""


class Gallery:
    """Entra's application gallery, and the apps that were made of it, in the name of whoever sits here.

    https://learn.microsoft.com/entra/identity/app-provisioning/application-provisioning-configuration-api
    """

    def __init__(self, address: str, host: str, tokens: Callable[[], TokenSource] | None = None) -> None:
        """`address`: of Graph, with its version; `tokens` as for `GraphAdmin`."""
        self._address = address
        nowhere = BulkUpload(address, host, "", "")
        self._graph = Graph(nowhere, tokens or (lambda: azure_cli_tokens(host)))

    def __enter__(self) -> "Gallery":
        """Use it in a `with`: leaving it closes the connections."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self._graph.__exit__()

    def templates(self, name: str) -> list[dict[str, Any]]:
        """The gallery's templates of this name. Raises NotPermitted, UpstreamError, as all of these."""
        return self._list(f"applicationTemplates?$filter={_named(name)}")

    def apps(self, name: str) -> list[dict[str, Any]]:
        """The enterprise applications of this name, with the template they were made of."""
        return self._list(f"servicePrincipals?$filter={_named(name)}&$select=id,displayName,applicationTemplateId")

    def make_app(self, template: str, name: str) -> str:
        """Make an app; gives back the id of its service principal."""
        made = self._post(f"applicationTemplates/{quote(template, safe='')}/instantiate", {"displayName": name})
        return _text(made.get("servicePrincipal"), "id")

    def jobs(self, app: str) -> list[dict[str, Any]]:
        """The provisioning jobs of an app. Raises NotThere where it is not found, or not yet."""
        return self._list(f"servicePrincipals/{app}/synchronization/jobs")

    def kinds(self, app: str) -> list[dict[str, Any]]:
        """Of which kinds an app's job may be. Raises NotThere where it is not found, or not yet."""
        return self._list(f"servicePrincipals/{app}/synchronization/templates")

    def make_job(self, app: str, kind: str) -> str:
        """Make a job, which does not run yet; gives back its id."""
        return _text(self._post(f"servicePrincipals/{app}/synchronization/jobs", {"templateId": kind}), "id")

    def upload_url(self, app: str, job: str) -> str:
        """Where people are sent: the setting GRAPH_BULK_UPLOAD_URL."""
        return f"{self._address}/servicePrincipals/{app}/synchronization/jobs/{job}/bulkUpload"

    def _list(self, path: str) -> list[dict[str, Any]]:
        found = self._asked("GET", path, None).get("value")
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise UpstreamError("Graph: its answer has no list.")
        return found

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._asked("POST", path, body)

    def _asked(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        return _as_administrator(lambda: self._judged(method, path, body))

    def _judged(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        try:
            reply = self._graph.exchange(method, f"{self._address}/{path}", body=body)
        except TransportError as exc:
            raise UpstreamError(f"Graph: {exc}; look in the portal what there is before you repeat it.") from None
        if reply.status == 404:
            raise NotThere("Graph does not find the app.")
        if reply.status != (201 if method == "POST" else 200):
            graph.check(reply, APPS_SCOPE)
            raise UpstreamError(f"Graph answered {reply.status}, which is not what is published.")
        try:
            found = reply.json()
        except ValueError:
            raise UpstreamError("Graph: its answer is not JSON.") from None
        return found if isinstance(found, dict) else {}


def _named(name: str) -> str:
    doubled = name.replace("'", "''")
    return quote(f"displayName eq '{doubled}'", safe="")


def _text(owner: Any, name: str) -> str:
    found = owner.get(name) if isinstance(owner, dict) else None
    if not isinstance(found, str) or not found:
        raise UpstreamError("Graph: its answer does not say what was made; look in the portal.")
    return found


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
        scope = exc.role if exc.role == APPS_SCOPE else WRITE_SCOPE
        needs = f"the role Application Administrator or Cloud Application Administrator, and {scope}"
        text = f"{told}: this needs {needs}. Log in as somebody who has them (az login), or try --device-code."
        raise NotPermitted(text, scope) from None


def azure_cli_tokens(host: str) -> TokenSource:
    """Tokens of `az login` and of nothing else: no managed identity, no secret in the environment."""
    from azure.identity import AzureCliCredential  # noqa: PLC0415 - slow to import, not needed for an emulator

    credential = AzureCliCredential()
    return lambda: credential.get_token(f"https://{host}/.default").token


def device_code_tokens(host: str, *scopes: str) -> TokenSource:
    """Tokens of whoever signs in with a code in a browser, for these permissions and nothing else."""
    from azure.identity import DeviceCodeCredential  # noqa: PLC0415 - slow to import, not needed for an emulator

    authority = _AUTHORITIES.get(host, "login.microsoftonline.com")
    credential = DeviceCodeCredential(COMMAND_LINE_TOOLS, authority=authority, prompt_callback=_show_code)
    wanted = [f"https://{host}/{scope}" for scope in scopes or (WRITE_SCOPE,)]
    return lambda: credential.get_token(*wanted).token


def _show_code(uri: str, code: str, _: object) -> None:
    print(f"Open {uri} and enter {code}.", file=sys.stderr, flush=True)
