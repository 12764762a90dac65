"""What the HR API is shown with every request: a fixed secret, or a token that is asked for and renewed.

OAuth 2.0 client credentials: RFC 6749, sections 2.3.1, 4.4, 5.1 and 5.2.
"""

import base64
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus

import httpx

from provisioning import bodies, retry, transport
from provisioning.errors import Unavailable, UpstreamError
from provisioning.pacing import Clock
from provisioning.source import Auth, Source

RENEW_BEFORE = 60.0
"""Seconds before its end in which a token is no longer used; half its life where that is shorter."""

_REFUSALS = (
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
)


class Credentials:
    """The credentials of one run."""

    def __init__(self, source: Source, http: httpx.Client, clock: Clock) -> None:
        """Nothing is asked for yet."""
        self._auth, self._http, self._clock = source.auth, http, clock
        self._token, self._good_until = "", 0.0
        self.query = _in_query(source.auth)

    def headers(self, seconds: float = transport.DEADLINE) -> dict[str, str]:
        """What goes into the headers; a token is asked for where there is none, in so many seconds.

        Raises Unavailable and TransportError where the same may be had later, UpstreamError where not.
        """
        if self._auth.type != "oauth2_client_credentials":
            return _in_headers(self._auth)
        if not self._token or self._clock.monotonic() >= self._good_until:
            self._obtain(seconds)
        return {"Authorization": f"Bearer {self._token}"}

    def refused(self) -> bool:
        """Forget a token that the API does not take; whether another can be asked for."""
        had, self._token = bool(self._token), ""
        return had

    def _obtain(self, seconds: float) -> None:
        self._token = ""
        asked_at = self._clock.monotonic()
        reply = transport.exchange(self._http, _token_request(self._http, self._auth.values), seconds)
        if reply.status != 200:
            raise _refusal(reply)
        answer = _read(reply)
        self._token = _token_of(answer)
        life = _life_of(answer, self._auth.values["default_token_expiration"])
        self._good_until = asked_at + life - min(RENEW_BEFORE, life / 2)


def _in_headers(auth: Auth) -> dict[str, str]:
    if auth.type == "http_basic":
        return {"Authorization": _basic(auth.values["username"], auth.values["password"])}
    if auth.type == "bearer":
        return {"Authorization": f"Bearer {auth.values['token']}"}
    if auth.type == "api_key" and auth.values["location"] == "header":
        return {auth.values["name"]: auth.values["api_key"]}
    return {}


def _in_query(auth: Auth) -> dict[str, str]:
    in_query = auth.type == "api_key" and auth.values["location"] == "query"
    return {auth.values["name"]: auth.values["api_key"]} if in_query else {}


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _token_request(http: httpx.Client, values: Mapping[str, Any]) -> httpx.Request:
    form = {"grant_type": "client_credentials", **values["access_token_request_data"]}
    if "scope" in values:
        form["scope"] = values["scope"]
    headers = {"Accept": "application/json"}
    if values["client_auth"] == "basic":
        headers["Authorization"] = _basic(quote_plus(values["client_id"]), quote_plus(values["client_secret"]))
    else:
        form |= {"client_id": values["client_id"], "client_secret": values["client_secret"]}
    return http.build_request("POST", values["access_token_url"], data=form, headers=headers)


def _refusal(reply: transport.Reply) -> UpstreamError:
    told = f"HR's access_token_url answered {reply.status}"
    if retry.may_pass(reply.status):
        return Unavailable(f"{told}.", retry.retry_after(reply.headers.get("Retry-After")))
    if reply.status in range(300, 400):
        return UpstreamError(f"{told}, a redirect, which is not followed: credentials go to that address only.")
    try:
        answer = reply.json()
    except bodies.Refused:
        answer = None
    code = answer.get("error") if isinstance(answer, dict) else None
    why = f" ({code})" if isinstance(code, str) and code in _REFUSALS else ""
    return UpstreamError(f"{told}{why}: check client.auth in HR_SOURCE.")


def _read(reply: transport.Reply) -> dict[str, Any]:
    try:
        answer = reply.json()
    except bodies.Refused as exc:
        raise UpstreamError(f"HR's access_token_url: the answer {exc}.") from None
    if not isinstance(answer, dict):
        raise UpstreamError("HR's access_token_url: the answer is no JSON object.")
    return answer


def _token_of(answer: dict[str, Any]) -> str:
    token, kind = answer.get("access_token"), answer.get("token_type", "Bearer")
    if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
        raise UpstreamError("HR's access_token_url: the answer has no access_token that a header can hold.")
    if not isinstance(kind, str) or not kind.lower().startswith("bearer"):
        raise UpstreamError("HR's access_token_url: the token is not of type Bearer.")
    return token


def _life_of(answer: dict[str, Any], default: int) -> float:
    """Seconds; some servers write the number as a text."""
    told = answer.get("expires_in")
    if told is None or isinstance(told, bool) or not re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", str(told)):
        return float(default)
    return float(told)
