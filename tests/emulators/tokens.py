"""An authorization server: OAuth 2.0 client credentials, as strict as RFC 6749 (sections 2.3, 4.4, 5) lets it be."""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_plus

from tests.emulators.http import Request, Response, json_response

FORM = "application/x-www-form-urlencoded"


class _Refused(Exception):
    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


@dataclass
class _Given:
    ends: float
    revoked: bool = False


class Tokens:
    """Gives tokens to one client, in one of the two ways of RFC 6749, and knows which are still good.

    `scope`: must be asked for, as it is. `needs`: what else must stand in the form. `life`: seconds of a token.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        *,
        client_auth: str = "form",
        scope: str | None = None,
        needs: Mapping[str, str] | None = None,
        life: float = 3600,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.client, self.client_auth, self.scope = (client_id, client_secret), client_auth, scope
        self.needs, self.life, self.clock = dict(needs or {}), life, clock
        self.tells_life = True
        self.given: dict[str, _Given] = {}

    def answer(self, request: Request) -> Response:
        """Answer a token request."""
        no_store = {"Cache-Control": "no-store", "Pragma": "no-cache"}
        try:
            self._check(request)
        except _Refused as refused:
            shown = {"WWW-Authenticate": "Basic"} if refused.status == 401 else {}
            return json_response(refused.status, {"error": refused.code}, {**no_store, **shown})
        token = secrets.token_urlsafe(24)
        self.given[token] = _Given(self.clock() + self.life)
        life = {"expires_in": int(self.life)} if self.tells_life else {}
        return json_response(200, {"access_token": token, "token_type": "Bearer", **life}, no_store)

    def knows(self, authorization: str) -> bool:
        """Whether a request's Authorization header holds a token that is still good."""
        scheme, _, token = authorization.partition(" ")
        given = self.given.get(token)
        return scheme == "Bearer" and given is not None and not given.revoked and self.clock() < given.ends

    def revoke(self) -> None:
        """Take back every token that was given, before its time."""
        for given in self.given.values():
            given.revoked = True

    def _check(self, request: Request) -> None:
        if request.method != "POST" or "?" in request.target:
            raise _Refused(400, "invalid_request")
        if request.headers.get_content_type() != FORM:
            raise _Refused(400, "invalid_request")
        pairs = parse_qsl(request.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
        if max(Counter(name for name, _ in pairs).values()) > 1:
            raise _Refused(400, "invalid_request")  # section 3.2: no parameter more than once
        form = dict(pairs)
        self._check_client(form, request.headers.get("Authorization"))
        if form.get("grant_type") != "client_credentials":
            raise _Refused(400, "unsupported_grant_type" if "grant_type" in form else "invalid_request")
        if self.scope is not None and form.get("scope") != self.scope:
            raise _Refused(400, "invalid_scope")
        if any(form.get(name) != value for name, value in self.needs.items()):
            raise _Refused(400, "invalid_request")

    def _check_client(self, form: dict[str, str], authorization: str | None) -> None:
        in_form = "client_secret" in form
        if in_form and authorization is not None:
            raise _Refused(400, "invalid_request")  # section 2.3: not more than one way in a request
        if in_form != (self.client_auth == "form"):
            raise _Refused(401, "invalid_client")
        shown = (form.get("client_id"), form["client_secret"]) if in_form else _basic(authorization or "")
        if shown != self.client:
            raise _Refused(401, "invalid_client")


def _basic(header: str) -> tuple[str, str] | None:
    """Section 2.3.1: each of the two is form-encoded before they are joined by a colon."""
    scheme, _, encoded = header.partition(" ")
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode("ascii").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (unquote_plus(user), unquote_plus(password)) if scheme == "Basic" else None
