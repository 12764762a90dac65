"""HR_SOURCE: the description of an HR system's REST API, in the vocabulary of dlt's REST source.

https://dlthub.com/docs/dlt-ecosystem/verified-sources/rest_api/basic
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from provisioning import hosts

_REFERENCE = re.compile(r"\$(\w+)")
_HOST = re.compile(r"[\w-]{1,63}(\.[\w-]{1,63})*\.?|[0-9a-f:.]+", re.IGNORECASE | re.ASCII)
_PATH = re.compile(r"""\$?(?:(?:^|\.)[^.\[\]'"$]+|\['[^']+'\]|\["[^"]+"\])*""")
_STEP = re.compile(r"""\['([^']+)'\]|\["([^"]+)"\]|([^.\[\]'"$]+)""")
_SECRETS = {"password", "token", "api_key"}
_AUTH = {
    "none": ((), ()),
    "http_basic": (("username", "password"), ()),
    "bearer": (("token",), ()),
    "api_key": (("api_key",), ("name", "location")),
}
_PAGINATORS: dict[str, dict[str, Any]] = {
    "single_page": {},
    "offset": {
        "limit": None,
        "offset": 0,
        "offset_param": "offset",
        "limit_param": "limit",
        "total_path": "total",
        "stop_after_empty_page": True,
    },
    "page_number": {
        "base_page": 0,
        "page": None,
        "page_param": "page",
        "total_path": "total",
        "stop_after_empty_page": True,
    },
}
_NUMBERS = {"limit", "offset", "base_page", "page"}


@dataclass(frozen=True)
class Auth:
    """How the HR API wants to be asked: `type` and what it needs."""

    type: str = "none"
    values: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Paginator:
    """How pages follow each other; `told` holds the options that were given, not defaulted."""

    type: str = "single_page"
    options: Mapping[str, Any] = field(default_factory=dict)
    told: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Resource:
    """One endpoint: the table it fills, its key, and where its records are."""

    table: str
    primary_key: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    data_selector: tuple[str, ...] = ()
    paginator: Paginator = Paginator()
    item_path: str | None = None


@dataclass(frozen=True)
class Source:
    """The HR API."""

    base_url: str
    headers: Mapping[str, str] = field(repr=False)
    auth: Auth
    resources: tuple[Resource, ...]

    @property
    def people(self) -> Resource | None:
        """The resource whose records can be asked for by EmployeeId."""
        keyed = [r for r in self.resources if r.primary_key.casefold() == "employeeid"]
        return next((r for r in keyed if r.item_path), keyed[0] if keyed else None)


def load(text: str, environ: Mapping[str, str], problems: list[str]) -> Source | None:
    """The source that HR_SOURCE (JSON, or the path of a JSON file) describes; whatever is wrong joins `problems`."""
    document = _document(text, problems)
    if document is None:
        return None
    found = len(problems)
    reader = _Reader(problems, environ)
    source = reader.source(document)
    return source if len(problems) == found else None


def steps(path: str) -> tuple[str, ...] | None:
    """The steps of a path such as data, result.items or $['@odata.nextLink']; None for what is none."""
    if path in ("", "$"):
        return ()
    return tuple(a or b or c for a, b, c in _STEP.findall(path)) if _PATH.fullmatch(path) else None


def _document(text: str, problems: list[str]) -> dict[str, Any] | None:
    where = "HR_SOURCE"
    if not text.lstrip().startswith(("{", "[", '"')):
        where = f"HR_SOURCE ({text})" if re.fullmatch(r"[\w./\\: -]{1,200}", text) else where
        try:
            text = Path(text).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError, ValueError):
            problems.append(f"{where}: is neither JSON nor the path of a readable file.")
            return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as exc:
        at = f" at line {exc.lineno}, column {exc.colno}" if isinstance(exc, json.JSONDecodeError) else ""
        problems.append(f"{where}: not valid JSON{at}.")
        return None
    if not isinstance(document, dict):
        problems.append(f"{where}: must be a JSON object with client and resources.")
        return None
    return document


class _Reader:
    """Walks the document once and writes down everything that is wrong, by its path."""

    def __init__(self, problems: list[str], environ: Mapping[str, str]) -> None:
        self._problems, self._environ = problems, environ

    def wrong(self, where: str, what: str) -> None:
        self._problems.append(f"HR_SOURCE {where}: {what}")

    def known(self, node: dict[str, Any], where: str, allowed: tuple[str, ...], needed: tuple[str, ...] = ()) -> None:
        for key in node:
            if key not in allowed:
                self.wrong(f"{where}.{key}".lstrip("."), f"is not known here; known are {', '.join(allowed)}.")
        for key in needed:
            if node.get(key) is None:
                self.wrong(f"{where}.{key}".lstrip("."), "is missing.")

    def node(self, parent: dict[str, Any], key: str, where: str) -> dict[str, Any]:
        value = parent.get(key, {})
        if isinstance(value, dict):
            return value
        self.wrong(f"{where}.{key}".lstrip("."), "must be an object.")
        return {}

    def text(self, value: Any, where: str, *, secret: bool = False) -> str:
        """A string, with "$HR_NAME" replaced by that setting; a secret may come in no other way."""
        if not isinstance(value, str) or not value:
            self.wrong(where, "must be a text that is not empty.")
            return ""
        if not value.startswith("$") or value.startswith("$["):
            if secret:
                self.wrong(where, 'a secret must not stand here; write "$HR_…", the name of a setting that holds it.')
            return value
        return self.referred(value, where)

    def referred(self, value: str, where: str) -> str:
        match = _REFERENCE.fullmatch(value)
        name = match[1] if match else ""
        if not name.startswith("HR_") or name == "HR_SOURCE":
            self.wrong(where, "only settings whose names begin with HR_ can be referred to, as the whole value.")
            return ""
        found = self._environ.get(name, "")
        if not found:
            self.wrong(where, f"refers to the setting {name}, which is not set.")
        elif not found.isprintable():
            self.wrong(where, f"refers to the setting {name}, which holds a line break or another control character.")
            return ""
        return found

    def texts(self, node: dict[str, Any], where: str) -> dict[str, str]:
        secretive = re.compile(r"auth|cookie|api[-_]?key|token|secret|passw|subscription[-_]?key|pwd", re.IGNORECASE)
        found = {}
        for name, value in node.items():
            if not isinstance(value, str | int | float):
                self.wrong(f"{where}.{name}", "must be a text, a number, true or false.")
                continue
            plain = str(value).lower() if isinstance(value, bool) else str(value)
            found[name] = self.text(plain, f"{where}.{name}", secret=bool(secretive.search(name)))
        return found

    def path(self, value: Any, where: str) -> tuple[str, ...]:
        """A JSON path: plain dotted (`result.items`) or with quoted steps (`$['@odata.nextLink']`)."""
        if value in (None, "", "$"):
            return ()
        if not isinstance(value, str) or not _PATH.fullmatch(value):
            self.wrong(where, "must be a path such as data, result.items or $['@odata.nextLink'].")
            return ()
        return tuple(a or b or c for a, b, c in _STEP.findall(value))

    def source(self, document: dict[str, Any]) -> Source:
        self.known(document, "", ("client", "resources"), ("client", "resources"))
        client = self.node(document, "client", "")
        self.known(client, "client", ("base_url", "headers", "auth", "paginator"), ("base_url",))
        base_url = self.base_url(client)
        paginator = self.paginator(client.get("paginator"), "client.paginator", Paginator())
        listed = document.get("resources")
        if not isinstance(listed, list) or not listed:
            self.wrong("resources", "must be a list of at least one resource.")
            listed = []
        resources = tuple(self.resource(r, f"resources[{n}]", paginator) for n, r in enumerate(listed))
        self.tables_differ(resources)
        headers = self.texts(self.node(client, "headers", "client"), "client.headers")
        return Source(base_url, headers, self.auth(client.get("auth")), resources)

    def base_url(self, client: dict[str, Any]) -> str:
        if client.get("base_url") is None:
            return ""
        where = "client.base_url"
        url = self.text(client["base_url"], where)
        try:
            parts = urlsplit(url)
            host, secret = parts.hostname, parts.username or parts.password
            _ = parts.port
        except ValueError:
            host, secret, parts = None, None, urlsplit("")
        if not url:
            return ""
        if re.search(r"\s", url) or not url.isprintable():
            self.wrong(where, "must not hold blanks or control characters.")
        elif not host or parts.scheme not in ("https", "http"):
            self.wrong(where, "must be an https:// address.")
        elif parts.scheme == "http" and not hosts.is_loopback(host):
            self.wrong(where, "must be https://; plain http:// is allowed on loopback only.")
        elif not _HOST.fullmatch(host):
            self.wrong(where, "its host must be written in ASCII (a name in other letters as xn--…).")
        elif hosts.is_link_local(host):
            self.wrong(where, "must not be a link-local address: no HR system is there, and the cloud's metadata is.")
        elif secret:
            self.wrong(where, "must not hold a user name or password; use client.auth.")
        elif parts.query or parts.fragment:
            self.wrong(where, "must not hold a query; use endpoint.params.")
        return url.rstrip("/") + "/"

    def auth(self, value: Any) -> Auth:
        where = "client.auth"
        if value is None:
            return Auth()
        node = {"type": value} if isinstance(value, str) else value
        if not isinstance(node, dict):
            self.wrong(where, "must be an object.")
            return Auth()
        kind = node.get("type", "bearer" if "token" in node else "none")
        if not isinstance(kind, str) or kind not in _AUTH:
            self.wrong(f"{where}.type", f"must be one of {', '.join(_AUTH)}.")
            return Auth()
        needed, optional = _AUTH[kind]
        self.known(node, where, ("type", *needed, *optional), needed)
        found = {k: v for k, v in node.items() if k in needed + optional}
        values = {k: self.text(v, f"{where}.{k}", secret=k in _SECRETS) for k, v in found.items()}
        if values.get("location", "header") not in ("header", "query"):
            self.wrong(f"{where}.location", "must be header or query.")
        return Auth(kind, values)

    def paginator(self, value: Any, where: str, default: Paginator) -> Paginator:
        if value is None:
            return default
        node = {"type": value} if isinstance(value, str) else value
        kind = node.get("type") if isinstance(node, dict) else None
        if not isinstance(node, dict) or not isinstance(kind, str) or kind not in _PAGINATORS:
            self.wrong(where, f"type must be one of {', '.join(_PAGINATORS)}.")
            return default
        defaults = _PAGINATORS[node["type"]]
        self.known(node, where, ("type", *defaults), ("limit",) if node["type"] == "offset" else ())
        options = {k: v for k, v in node.items() if k in defaults}
        for key, option in options.items():
            self.option(key, option, f"{where}.{key}")
        if "total_path" in options:
            options["total_path"] = self.path(options["total_path"], f"{where}.total_path")
        elif defaults:
            options["total_path"] = ("total",)
        return Paginator(node["type"], {**defaults, **options}, frozenset(node) - {"type"})

    def option(self, key: str, option: Any, where: str) -> None:
        number = isinstance(option, int) and not isinstance(option, bool)
        given = option is not None or key == "limit"
        if key in _NUMBERS and given and (not number or option < (1 if key == "limit" else 0)):
            self.wrong(where, "must be a whole number" + (" above 0." if key == "limit" else "."))
        elif key.endswith("_param") and (not isinstance(option, str) or not option):
            self.wrong(where, "must be the name of a query parameter.")
        elif key == "stop_after_empty_page" and option is not True:
            self.wrong(where, "must be true: an empty page always ends a fetch here.")

    def resource(self, node: Any, where: str, default: Paginator) -> Resource:
        if not isinstance(node, dict):
            self.wrong(where, "must be an object.")
            return Resource("", "", "")
        self.known(node, where, ("name", "primary_key", "endpoint", "item_path"), ("name", "primary_key", "endpoint"))
        endpoint = node.get("endpoint", {})
        endpoint = {"path": endpoint} if isinstance(endpoint, str) else endpoint
        if not isinstance(endpoint, dict):
            self.wrong(f"{where}.endpoint", "must be an object.")
            endpoint = {}
        place = f"{where}.endpoint"
        self.known(endpoint, place, ("path", "params", "data_selector", "paginator", "method"), ("path",))
        if endpoint.get("method", "GET") not in ("GET", "get"):
            self.wrong(f"{place}.method", "must be GET.")
        key = self.key(node.get("primary_key"), f"{where}.primary_key")
        return Resource(
            table=self.table(node.get("name"), f"{where}.name"),
            primary_key=key,
            path=self.relative(endpoint.get("path"), f"{place}.path"),
            params=self.texts(self.node(endpoint, "params", place), f"{place}.params"),
            data_selector=self.path(endpoint.get("data_selector"), f"{place}.data_selector"),
            paginator=self.paginator(endpoint.get("paginator"), f"{place}.paginator", default),
            item_path=self.item_path(node.get("item_path"), f"{where}.item_path", key),
        )

    def table(self, value: Any, where: str) -> str:
        if isinstance(value, str) and re.fullmatch(r"[A-Za-z_]\w{0,127}", value, re.ASCII):
            return value
        if value is not None:
            self.wrong(where, "must be the name of a table in schema dbo: letters, digits and _.")
        return ""

    def key(self, value: Any, where: str) -> str:
        value = value[0] if isinstance(value, list) and len(value) == 1 else value
        if isinstance(value, str) and value:
            return value.replace(".", "_")
        if value is not None:
            self.wrong(where, "must be the name of one field.")
        return ""

    def relative(self, value: Any, where: str) -> str:
        if value is None:
            return ""
        path = self.text(value, where)
        if not path.isprintable():
            self.wrong(where, "must not hold control characters.")
        if re.match(r"[^/?#]*:", path) or path.startswith("//"):
            self.wrong(where, "must be relative to client.base_url: credentials go to that address only.")
        if "?" in path or "#" in path:
            self.wrong(where, "must not hold a query or a fragment; use params.")
        return path.lstrip("/")

    def item_path(self, value: Any, where: str, key: str) -> str | None:
        if value is None:
            return None
        path = self.relative(value, where)
        if re.findall(r"\{([^}]*)\}", path) != [key]:
            self.wrong(where, f"must hold {{{key}}}, the primary key, once.")
        return path

    def tables_differ(self, resources: tuple[Resource, ...]) -> None:
        names = [r.table.casefold() for r in resources if r.table]
        for name in sorted({n for n in names if names.count(n) > 1}):
            self.wrong("resources", f"two resources fill the table {name}; use one resource a table.")
