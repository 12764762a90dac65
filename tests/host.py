"""What stands before the app in production: the Functions host, which checks keys, and Easy Auth, which names people.

Every answer that comes by here is held against the description of the routes (provisioning/openapi.json).
"""

import base64
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from jsonschema import Draft202012Validator, FormatChecker

from tests.worker import Worker

DESCRIPTION: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "provisioning" / "openapi.json").read_text(encoding="utf-8")
)
KEY = "an-emulated-function-key"
SITE = "https://bridge.azurewebsites.net"
PRINCIPAL = "X-MS-CLIENT-PRINCIPAL"


@dataclass(frozen=True)
class Visitor:
    """Who calls: with a key or not, signed in with roles or not (None), and what she sends of her own."""

    key: str | None = None
    roles: tuple[str, ...] | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


def principal(*roles: str, name: str = "ada@contoso.example") -> str:
    """As Easy Auth encodes who is signed in."""
    claims = [{"typ": "preferred_username", "val": name}, *({"typ": "roles", "val": role} for role in roles)]
    document = {"auth_typ": "aad", "claims": claims, "name_typ": "name", "role_typ": "roles"}
    return base64.b64encode(json.dumps(document).encode()).decode()


class Host:
    """The app as the world reaches it, at `site`."""

    def __init__(self, app: Worker, site: str = SITE) -> None:
        self.app, self.site = app, site

    def call(self, visitor: Visitor, method: str, target: str, body: bytes = b"", **headers: str) -> Answer:
        """Send a request, and hold the answer against the description."""
        path, _, query = target.partition("?")
        name, template, parts = self._route(method, path)
        sent = {**visitor.headers, **{k.replace("_", "-"): v for k, v in headers.items()}}
        answer = self._keyless(visitor, name) or Answer(
            *self.app.call_http(
                name, method, parts, dict(parse_qsl(query)), self._named(visitor, sent), body, self.site
            )
        )
        answer = Answer(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.body)
        check_described(template, method, answer)
        return answer

    def _route(self, method: str, path: str) -> tuple[str, str, dict[str, str]]:
        for name, trigger in http_triggers(self.app).items():
            template = f"/api/{trigger['route']}"
            found = re.fullmatch(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", template), path)
            if found and method in trigger["methods"]:
                return name, template, {k: unquote(v) for k, v in found.groupdict().items()}
        raise LookupError(f"the host would answer 404: {method} {path}")

    def _keyless(self, visitor: Visitor, name: str) -> Answer | None:
        """The host asks for a key itself, and on one's own machine for none."""
        wanted = http_triggers(self.app)[name]["authLevel"] == "FUNCTION" and self.site == SITE
        return Answer(401, {}, b"") if wanted and visitor.key != KEY else None

    def _named(self, visitor: Visitor, headers: dict[str, str]) -> dict[str, str]:
        """Easy Auth, where it is on, removes the header that a caller sends, and sets its own."""
        if os.environ.get("WEBSITE_AUTH_ENABLED") != "True":
            return headers
        headers = {k: v for k, v in headers.items() if k.upper() != PRINCIPAL}
        return headers if visitor.roles is None else {**headers, PRINCIPAL: principal(*visitor.roles)}


def http_triggers(app: Worker) -> dict[str, dict[str, Any]]:
    """Function → its HTTP trigger."""
    return {name: b for name, bindings in app.functions.items() for b in bindings if b["type"] == "httpTrigger"}


def check_described(template: str, method: str, answer: Answer) -> None:
    """Status, type, headers and body are as the description has them."""
    told = DESCRIPTION["paths"][template][method.lower()]["responses"]
    assert str(answer.status) in told, f"{method} {template} answers {answer.status}, which is not described"
    response = told[str(answer.status)]
    for name, header in response.get("headers", {}).items():
        header = DESCRIPTION["components"]["headers"][header["$ref"].rpartition("/")[2]] if "$ref" in header else header
        assert name.lower() in answer.headers, f"{method} {template}: {name} is missing"
        _check(header["schema"], answer.headers[name.lower()])
    for kind, content in response.get("content", {}).items():
        assert answer.headers["content-type"].partition(";")[0] == kind
        _check(content["schema"], answer.json if kind == "application/json" else answer.text)
    if "content" not in response:
        assert answer.body in (b"", None)


def _check(schema: dict[str, Any], found: Any) -> None:
    whole = {**schema, "components": DESCRIPTION["components"]}
    Draft202012Validator(whole, format_checker=FormatChecker()).validate(found)
