"""Who calls an HTTP function that a browser may call: a signed-in person in Azure, whoever sits at a laptop.

In Azure only Easy Auth is believed, which sets the principal's header itself and removes one that a caller sends:
https://learn.microsoft.com/azure/app-service/configure-authentication-user-identities
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from provisioning.errors import NotAllowed
from provisioning.hosts import is_loopback

READER, OPERATOR, APPROVER = "Reader", "Operator", "Approver"
ROLES = (READER, OPERATOR, APPROVER)
"""App roles: a Reader sees, an Operator forces people through, an Approver lets holds go; the last two see, too."""

PRINCIPAL = "X-MS-CLIENT-PRINCIPAL"
LONGEST_NAME = 100
"""Characters of a name that are kept in a trail; a user principal name is rarely longer."""

LOCAL = "the operator of this machine"

_KIND = "AZURE_FUNCTIONS_ENVIRONMENT"
"""Development with Core Tools on a laptop, Production in Azure where it is set."""

IN_AZURE = ("WEBSITE_INSTANCE_ID", "WEBSITE_SKU", "WEBSITE_POD_NAME", "LEGION_SERVICE_HOST")
"""By these the Functions host itself tells where it runs; Flex Consumption has no instance id."""

IN_A_CONTAINER = ("KUBERNETES_SERVICE_HOST", "CONTAINER_APP_NAME", "DOTNET_RUNNING_IN_CONTAINER")
"""Nor is a container anybody's own machine, unless Core Tools say Development there."""

_PORTS = {"http": 80, "https": 443}

_NAMES = ("preferred_username", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name", "name")
_ROLES = ("roles", "http://schemas.microsoft.com/ws/2008/06/identity/claims/role")


@dataclass(frozen=True)
class Caller:
    """Somebody known by name, and her app roles."""

    name: str
    roles: frozenset[str]

    def may(self, role: str) -> bool:
        """Whether she may do what a role lets do: to see, any of the roles is enough."""
        return bool(self.roles) if role == READER else role in self.roles


def signed_in(headers: Mapping[str, str], url: str, environ: Mapping[str, str], named: str | None = None) -> Caller:
    """Who calls: the signed-in person in Azure; on a laptop whom the request names, who may do everything.

    Raises NotAllowed for anybody else.
    """
    if easy_auth(environ):
        return _of_principal(headers)
    if _is_served(environ) or not is_loopback(urlsplit(url).hostname):
        raise NotAllowed("This needs a signed-in person: switch on Easy Auth for this app, or use the command line.")
    return Caller(named or LOCAL, frozenset(ROLES))


def allowed(
    role: str, headers: Mapping[str, str], url: str, environ: Mapping[str, str], named: str | None = None
) -> Caller:
    """Who calls, and has the role. Raises NotAllowed for anybody else, and for a form or a page on another site."""
    check_same_site(headers, url, environ)
    caller = signed_in(headers, url, environ, named)
    if not caller.may(role):
        raise NotAllowed(f"This needs the app role {role}.")
    return caller


def approver(headers: Mapping[str, str], url: str, environ: Mapping[str, str], named: str | None = None) -> str:
    """The name of who approves; on a laptop whom the request names. Raises NotAllowed."""
    return allowed(APPROVER, headers, url, environ, named).name


def reads(headers: Mapping[str, str], url: str, environ: Mapping[str, str]) -> Caller:
    """Who calls and may see, wherever the link to here stood. Raises NotAllowed."""
    caller = signed_in(headers, url, environ)
    if not caller.may(READER):
        raise NotAllowed(f"This needs one of the app roles {', '.join(ROLES)}.")
    return caller


def reader(headers: Mapping[str, str], url: str, environ: Mapping[str, str]) -> str | None:
    """The name of who may see people's data; None where the caller may not, or came by a page on another site."""
    try:
        return allowed(READER, headers, url, environ).name
    except NotAllowed:
        return None


def name_of(headers: Mapping[str, str], environ: Mapping[str, str]) -> str | None:
    """Who is signed in, whatever her roles; None where nobody is, or where a principal cannot be believed."""
    try:
        return _of_principal(headers).name if easy_auth(environ) else None
    except NotAllowed:
        return None


def check_same_site(headers: Mapping[str, str], url: str, environ: Mapping[str, str], *, form: bool = False) -> None:
    """A browser says where a request comes from; a form on another site must do nothing in somebody's name.

    A site is a host and a port: another server on this very machine is another site. What is no browser says nothing
    of where it comes from. In Azure the browser's own word (Sec-Fetch-Site, which no page can set) is enough: behind a
    domain of the company's own the app does not know under which name it was called.

    `form`: what only a page of ours sends must say so; without a word about where it comes from it is refused, too.
    https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
    """
    origin, site = headers.get("Origin", ""), headers.get("Sec-Fetch-Site", "")
    own = site == "same-origin" and easy_auth(environ)
    foreign = bool(origin) and not own and _place(origin) != _own_place(url, environ)
    if foreign or site not in ("", "none", "same-origin") or ((origin or site) and _is_posing(url, environ)):
        raise NotAllowed("This request comes from another site.")
    if form and not origin and site != "same-origin":
        raise NotAllowed("This form does not say which site it comes from.")


def _own_place(url: str, environ: Mapping[str, str]) -> tuple[str, int] | None:
    """Where the app is: by its own name in Azure, whose front end ends TLS, so that a URL may say http there."""
    named = environ.get("WEBSITE_HOSTNAME") if easy_auth(environ) or _in_azure(environ) else None
    return _place(f"https://{named}" if named else url)


def _is_posing(url: str, environ: Mapping[str, str]) -> bool:
    """Whether a browser came to this machine by a name that is not its own: any site can let its name point here."""
    return not _is_served(environ) and not is_loopback(urlsplit(url).hostname)


def _place(address: str) -> tuple[str, int] | None:
    """Host and port, that of the scheme where none is named; None for what is no address, as the Origin `null`."""
    try:
        parts = urlsplit(address)
        port = _PORTS.get(parts.scheme) if parts.port is None else parts.port
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname and port else None


def _is_served(environ: Mapping[str, str]) -> bool:
    """Whether the app runs anywhere but on somebody's own machine: a Host of `localhost` proves nothing there."""
    kind = environ.get(_KIND, "").lower()
    contained = any(environ.get(name) for name in IN_A_CONTAINER)
    return _in_azure(environ) or (kind != "development" if kind else contained)


def _in_azure(environ: Mapping[str, str]) -> bool:
    return any(environ.get(name) for name in IN_AZURE)


def easy_auth(environ: Mapping[str, str]) -> bool:
    """Whether people sign in here, and their principal is believed."""
    return environ.get("WEBSITE_AUTH_ENABLED", "").lower() in ("true", "1")


def _of_principal(headers: Mapping[str, str]) -> Caller:
    try:
        principal = json.loads(base64.b64decode(headers.get(PRINCIPAL, ""), validate=True))
        claims = [(str(c["typ"]), str(c["val"])) for c in principal["claims"]]
    except (binascii.Error, ValueError, KeyError, TypeError, RecursionError):
        raise NotAllowed("Nobody is signed in.") from None
    roles = {value for kind, value in claims if kind in (*_ROLES, _of(principal, "role_typ"))}
    names = [value for wanted in (*_NAMES, _of(principal, "name_typ")) for kind, value in claims if kind == wanted]
    name = " ".join(names[0].split())[:LONGEST_NAME] if names else ""
    if not name:
        raise NotAllowed("Whoever is signed in has no name.")
    return Caller(name, frozenset(roles & set(ROLES)))


def _of(principal: Any, key: str) -> str:
    return str(principal.get(key) or "")
