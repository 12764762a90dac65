"""Who calls an HTTP function that a browser may call: a signed-in person in Azure, whoever sits at a laptop.

In Azure only Easy Auth is believed, which sets the principal's header itself and removes one that a caller sends:
https://learn.microsoft.com/azure/app-service/configure-authentication-user-identities
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from provisioning.errors import NotAllowed
from provisioning.hosts import is_loopback

APPROVER = "Approver"
PRINCIPAL = "X-MS-CLIENT-PRINCIPAL"
LOCAL = "the operator of this machine"

IN_AZURE = ("WEBSITE_INSTANCE_ID", "WEBSITE_SKU", "WEBSITE_POD_NAME", "LEGION_SERVICE_HOST")
"""By these the Functions host itself tells where it runs; Flex Consumption has no instance id."""

_NAMES = ("preferred_username", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name", "name")
_ROLES = ("roles", "http://schemas.microsoft.com/ws/2008/06/identity/claims/role")


def approver(headers: Mapping[str, str], url: str, environ: Mapping[str, str], named: str | None = None) -> str:
    """Who approves: the signed-in person, who needs the app role Approver; on a laptop whom the request names.

    Raises NotAllowed for anybody else, and for a form on another site.
    """
    host = urlsplit(url).hostname
    if environ.get("WEBSITE_AUTH_ENABLED", "").lower() in ("true", "1"):
        _check_same_site(headers, environ.get("WEBSITE_HOSTNAME") or host or "")
        return _signed_in(headers)
    if any(environ.get(name) for name in IN_AZURE) or not is_loopback(host):
        raise NotAllowed(
            "Approving needs a signed-in person: switch on Easy Auth for this app, or use the command line."
        )
    _check_same_site(headers, host or "")
    return named or LOCAL


def _signed_in(headers: Mapping[str, str]) -> str:
    try:
        principal = json.loads(base64.b64decode(headers.get(PRINCIPAL, ""), validate=True))
        claims = [(str(c["typ"]), str(c["val"])) for c in principal["claims"]]
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise NotAllowed("Nobody is signed in.") from None
    if APPROVER not in {value for kind, value in claims if kind in (*_ROLES, _of(principal, "role_typ"))}:
        raise NotAllowed(f"Approving needs the app role {APPROVER}.")
    names = [value for wanted in (*_NAMES, _of(principal, "name_typ")) for kind, value in claims if kind == wanted]
    if not names:
        raise NotAllowed("Whoever is signed in has no name.")
    return names[0]


def _of(principal: Any, key: str) -> str:
    return str(principal.get(key) or "")


def _check_same_site(headers: Mapping[str, str], host: str) -> None:
    """A browser says where a request comes from; a form on another site must not approve in somebody's name."""
    origin = headers.get("Origin", "")
    foreign = bool(origin) and urlsplit(origin).hostname != host.partition(":")[0]
    if foreign or headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise NotAllowed("This request comes from another site.")
