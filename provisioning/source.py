"""HR_SOURCE: the description of an HR system's REST API, in the vocabulary of dlt's REST source.

https://dlthub.com/docs/dlt-ecosystem/verified-sources/rest_api/basic

Its shape stands in hr_source.schema.json (`provisioning.source_schema`); here is what a schema cannot say: secrets only
by reference, credentials only to their origin, what does not go together.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from provisioning import certificates, hosts, presets, share, source_schema, spelling
from provisioning.certificates import Certificate
from provisioning.delimited import Dialect
from provisioning.spelling import Spelling

_REFERENCE = re.compile(r"\$(\w+)")
_UNRESOLVED = "@Microsoft.KeyVault("
"""So a setting begins whose secret Azure could not read; HR would take it for a wrong password, and might lock a user.

https://learn.microsoft.com/azure/app-service/app-service-key-vault-references#troubleshoot-key-vault-references
"""

_HOST = re.compile(r"[\w-]{1,63}(\.[\w-]{1,63})*\.?|[0-9a-f:.]+", re.IGNORECASE | re.ASCII)
_STEP = re.compile(r"""\['([^']+)'\]|\["([^"]+)"\]|([^.\[\]'"$]+)""")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_SECRETIVE = re.compile(r"auth|cookie|api[-_]?key|token|secret|passw|subscription[-_]?key|pwd", re.IGNORECASE)
_SECRETS = {"password", "token", "api_key", "client_secret"}
_TEXTS_OF_AUTH = ("username", "password", "token", "api_key", "name", "client_id", "client_secret", "scope")
_ONE_OF = (("offset_param", "offset_body_path"), ("limit_param", "limit_body_path"), ("page_param", "page_body_path"))
_EITHER = (*_ONE_OF, ("cursor_param", "cursor_body_path"), ("cursor_path", "cursor_header"))
_OF_A_FILE = {"path", "format", "max_age_hours", "done_file"}
_NOBODY_ASKED = "must not stand here: a file share is read as any folder is, with this app's own rights."


@dataclass(frozen=True)
class Auth:
    """How the HR API wants to be asked: `type` and what it needs."""

    type: str = "none"
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Paginator:
    """How pages follow each other; `told` holds the options that were given, not defaulted."""

    type: str = "single_page"
    options: Mapping[str, Any] = field(default_factory=dict)
    told: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Since:
    """How to ask for what changed only: where the time goes and how it is written; when everything is due again."""

    param: str | None
    body_path: tuple[str, ...]
    format: str
    full_every: timedelta


@dataclass(frozen=True)
class Resource:
    """One endpoint: the table it fills, its key (a column), how it is asked, where its records are and how spelled.

    `csv`: how its file is written, where it is one, and none of JSON; how old that may be, and what tells it complete.
    """

    table: str
    primary_key: str
    path: str
    method: str = "GET"
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    json: Mapping[str, Any] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    data_selector: tuple[str, ...] = ()
    paginator: Paginator = Paginator()
    requests_per_second: float | None = None
    since: Since | None = None
    item_path: str | None = None
    spelling: Spelling = spelling.AS_IT_COMES
    csv: Dialect | None = None
    max_age: timedelta | None = None
    done_file: str | None = None
    source: str = ""
    """The name of the HR system it is of, where it has one."""

    @property
    def keyed_by_employee(self) -> bool:
        """Whether its records are told apart by EmployeeId."""
        return self.primary_key.casefold() == "employeeid"

    def own_key(self, key: str) -> str | None:
        """A key of the table as HR itself has it, without `key_prefix`; None for one that cannot be this system's."""
        prefix = self.spelling.key_prefix
        return key[len(prefix) :] if key.casefold().startswith(prefix.casefold()) else None


@dataclass(frozen=True)
class Source:
    """One HR system: its API, or the folder of a file share, and the endpoints that are asked."""

    base_url: str
    headers: Mapping[str, str] = field(repr=False)
    auth: Auth
    resources: tuple[Resource, ...]
    certificate: Certificate | None = None
    requests_per_second: float | None = None
    folder: Path | None = None
    name: str = ""
    document: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """What it was read from, with its preset; secrets stand in it by their settings' names."""

    @property
    def people(self) -> Resource | None:
        """The resource whose records can be asked for by EmployeeId."""
        keyed = [r for r in self.resources if r.keyed_by_employee]
        return next((r for r in keyed if r.item_path), keyed[0] if keyed else None)


def load(text: str, environ: Mapping[str, str], problems: list[str]) -> tuple[Source, ...]:
    """The HR systems that HR_SOURCE (JSON, or the path of a JSON file) describes: one document, or a list of them.

    Whatever is wrong joins `problems`; then there is none.
    """
    document = _document(text, problems)
    before, listed = len(problems), isinstance(document, list)
    if document is None or not _is_whole(document, problems):
        return ()
    found = []
    for n, one in enumerate(document if isinstance(document, list) else [document]):
        merged, fill_in = presets.applied(one)
        written, wrong = source_schema.checked(merged)
        if listed and "name" not in one:
            wrong[("name",)] = "is missing; each HR system of a list needs a name of its own."
        found.append(replace(_Reader(wrong, environ, fill_in).source(written), document=merged))
        problems.extend(_told(wrong, one, n if listed else None))
    problems.extend(_mixed_up(found))
    return tuple(found) if len(problems) == before else ()


def of(sources: Iterable[Source], resource: Resource) -> Source:
    """The HR system that a resource is of."""
    return next(source for source in sources if resource in source.resources)


def _is_whole(document: Any, problems: list[str]) -> bool:
    """Whether there is something to look at: an object, or a list of some."""
    several = document if isinstance(document, list) else [document]
    wrong = [n for n, one in enumerate(several) if not isinstance(one, dict)]
    if not several or (wrong and not isinstance(document, list)):
        told = "must be a JSON object with client and resources, or a list of such objects, one for each HR system."
        problems.append(f"HR_SOURCE: {told}")
    elif wrong:
        told = "must be a JSON object with name, client and resources."
        problems.extend(f"HR_SOURCE [{n}]: {told}" for n in wrong)
    return bool(several) and not wrong


def _told(wrong: source_schema.Problems, document: Mapping[str, Any], number: int | None) -> list[str]:
    """What is wrong with one of the documents; `number`: of a list, which one."""
    where = () if number is None else (number,)
    name = "" if number is None or ("name",) in wrong else f" ({document['name']})"
    places = {source_schema.place((*where, *steps)): told for steps, told in wrong.items()}
    return [f"HR_SOURCE {place}{name}: {places[place]}" for place in sorted(places)]


def _mixed_up(sources: Sequence[Source]) -> Iterator[str]:
    """What several HR systems may not share: a name, a table."""
    names: dict[str, int] = {}
    fills: dict[str, int] = {}
    for n, source in enumerate(sources):
        if source.name and (first := names.setdefault(source.name.casefold(), n)) != n:
            yield f"HR_SOURCE [{n}].name: [{first}] has the name {source.name}, too; each needs a name of its own."
        for m, resource in enumerate(source.resources):
            if resource.table and (first := fills.setdefault(resource.table.casefold(), n)) != n:
                told = f"[{first}] fills the table {resource.table}, too; use a table for each."
                yield f"HR_SOURCE [{n}].resources[{m}].name: {told}"


def steps(path: str | None) -> tuple[str, ...] | None:
    """The steps of a path such as data, result.items or $['@odata.nextLink']; None for what is none."""
    if not re.search(source_schema.schema()["$defs"]["path"]["pattern"], path or ""):
        return None
    return tuple(a or b or c for a, b, c in _STEP.findall(path or ""))


def _document(text: str, problems: list[str]) -> Any:
    """What the JSON holds; None where there is none."""
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
    return [] if document is None else document


_Where = tuple[str | int, ...]


class _Reader:
    """Walks what has the right shape once; adds what is wrong with it all the same, by its place."""

    def __init__(
        self, problems: source_schema.Problems, environ: Mapping[str, str], fill_in: Mapping[str, str]
    ) -> None:
        self._problems, self._environ, self._fill_in = problems, environ, fill_in

    def wrong(self, where: _Where, what: str) -> None:
        self._problems.setdefault(where, what)

    def source(self, document: dict[str, Any]) -> Source:
        client = document.get("client", {})
        folder = self.folder(client)
        paginator = self.paginator(client.get("paginator"), ("client", "paginator"), Paginator())
        listed, name = enumerate(document.get("resources", ())), document.get("name", "")
        resources = tuple(self.resource(r, ("resources", n), paginator, folder, name) for n, r in listed)
        self.tables_differ(resources)
        return Source(
            "" if folder else self.base_url(client),
            self.headers(client, ("client", "headers")),
            self.auth(client.get("auth")),
            resources,
            self.certificate(client.get("client_certificate")),
            client.get("requests_per_second"),
            folder,
            name,
        )

    # --- texts and references -------------------------------------------------------------------------------------

    def text(self, value: Any, where: _Where, *, secret: bool = False, lines: bool = False) -> str:
        """A string, with "$HR_NAME" replaced by that setting; a secret may come in no other way."""
        if not isinstance(value, str):
            return ""
        if not value.startswith("$") or value.startswith("$["):
            if secret:
                self.wrong(where, 'a secret must not stand here; write "$HR_…", the name of a setting that holds it.')
            return value
        return self.referred(value, where, lines=lines)

    def referred(self, value: str, where: _Where, *, lines: bool = False) -> str:
        match = _REFERENCE.fullmatch(value)
        name = match[1] if match else ""
        if not name.startswith("HR_") or name == "HR_SOURCE":
            self.wrong(where, "only settings whose names begin with HR_ can be referred to, as the whole value.")
            return ""
        found = self._environ.get(name, "")
        if not found:
            told = f": {self._fill_in[name]}" if name in self._fill_in else ""
            self.wrong(where, f"refers to the setting {name}, which is not set{told}.")
        elif found.startswith(_UNRESOLVED):
            mend = "put the secret into the vault, give the app Key Vault Secrets User on it, then restart the app"
            self.wrong(where, f"refers to the setting {name}, whose reference to Key Vault gave nothing: {mend}.")
            return ""
        elif not lines and not found.isprintable():
            self.wrong(where, f"refers to the setting {name}, which holds a line break or another control character.")
            return ""
        return found

    def texts(self, node: Mapping[str, Any], where: _Where) -> dict[str, str]:
        return {name: self.plain(name, value, (*where, name)) for name, value in node.items()}

    def plain(self, name: str, value: Any, where: _Where) -> str:
        """A text, a number, true or false as a query or a header has it."""
        if value == "":
            self.wrong(where, "must be a text that is not empty.")
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return self.text(text, where, secret=bool(_SECRETIVE.search(name)))

    def headers(self, node: Mapping[str, Any], where: _Where) -> dict[str, str]:
        found = self.texts(node.get("headers", {}), where)
        for name, value in found.items():
            self.check_header(value, (*where, name))
        return found

    def check_header(self, value: str, where: _Where) -> None:
        """A header holds ASCII: what else it may hold, each server reads in its own way (RFC 9110, section 5.5)."""
        if not (value.isascii() and value.isprintable()):
            self.wrong(where, "must hold ASCII characters only, without line breaks: it goes into a header.")

    def body(self, value: Any, where: _Where, name: str = "") -> Any:
        """JSON for a POST, with references replaced."""
        if isinstance(value, dict):
            return {n: self.body(v, (*where, n), n) for n, v in value.items()}
        if isinstance(value, list):
            return [self.body(v, (*where, n), name) for n, v in enumerate(value)]
        secret = bool(_SECRETIVE.search(name))
        return self.text(value, where, secret=secret) if isinstance(value, str) and value else value

    # --- the client -----------------------------------------------------------------------------------------------

    def base_url(self, client: dict[str, Any]) -> str:
        return self.address(client.get("base_url"), ("client", "base_url")).rstrip("/") + "/"

    def folder(self, client: dict[str, Any]) -> Path | None:
        """The folder of a file share, where base_url names one: it is read with the app's own rights, unasked."""
        text = client.get("base_url", "")
        text = self.text(text, ("client", "base_url")) if isinstance(text, str) else ""
        if not share.is_folder(text):
            return None
        try:
            found = share.folder(text)
        except ValueError as exc:
            self.wrong(("client", "base_url"), str(exc))
            return Path(text)
        auth = client.get("auth")
        idle = {"base_url"} | ({"auth"} if auth is None or auth.get("type") == "none" else set())
        for option in client.keys() - idle:
            self.wrong(("client", option), _NOBODY_ASKED)
        return found

    def address(self, value: Any, where: _Where) -> str:
        """An address that credentials may go to."""
        url = self.text(value, where)
        if url and (what := _wrong_with(url)):
            self.wrong(where, what)
        return url

    def auth(self, node: dict[str, Any] | None) -> Auth:
        where: _Where = ("client", "auth")
        if node is None or "type" not in node:
            return Auth()
        kind = node["type"]
        values = {**source_schema.defaults(f"auth_{kind}"), **node}
        del values["type"]
        for key in (k for k in _TEXTS_OF_AUTH if k in values):
            values[key] = self.text(values[key], (*where, key), secret=key in _SECRETS)
        if kind == "oauth2_client_credentials":
            values["access_token_url"] = self.address(values.get("access_token_url"), (*where, "access_token_url"))
            data = "access_token_request_data"
            values[data] = self.texts(values.get(data, {}), (*where, data))
        self.check_credentials(kind, values, where)
        return Auth(kind, values)

    def check_credentials(self, kind: str, values: Mapping[str, Any], where: _Where) -> None:
        if kind == "bearer":
            self.check_header(values.get("token", ""), (*where, "token"))
        if kind == "api_key" and values.get("location") == "header":
            self.check_header(values.get("api_key", ""), (*where, "api_key"))
            if not _HEADER_NAME.fullmatch(values["name"]):
                self.wrong((*where, "name"), "must be the name of a header: letters, digits and -.")
        if kind == "http_basic" and ":" in values.get("username", ""):
            self.wrong((*where, "username"), "must not hold a colon: HTTP Basic ends the user name there (RFC 7617).")

    def certificate(self, node: dict[str, Any] | None) -> Certificate | None:
        if node is None:
            return None
        where: _Where = ("client", "client_certificate")
        found = {
            key: self.text(node.get(key), (*where, key), secret=key == "password", lines=key != "password")
            for key in ("certificate", "key", "password")
        }
        if "-----BEGIN" in str(node.get("key")):
            self.wrong(
                (*where, "key"), 'a secret must not stand here; write "$HR_…", the name of a setting that holds it.'
            )
        certificate = Certificate(found["certificate"], found["key"], found["password"] or None)
        if not any(steps[:2] == where for steps in self._problems) and (what := certificates.wrong_with(certificate)):
            self.wrong(where, what)
        return certificate

    def paginator(self, node: Any, where: _Where, default: Paginator) -> Paginator:
        if node is None or "type" not in node:
            return default
        kind, told = node["type"], frozenset(node) - {"type"}
        options = {**source_schema.defaults(f"paginator_{kind}"), **node}
        for one, other in _EITHER:
            if other in told and one in told:
                self.wrong((*where, other), f"does not go together with {one}: use one of them.")
            elif other in told:
                options[one] = None
        if kind == "header_cursor":
            kind, options = "cursor", {**options, "cursor_path": None, "cursor_header": options["cursor_key"]}
        if "has_more_path" in told and "total_path" not in told:
            options["total_path"] = None
        for key in (k for k in options if k.endswith("_path")):
            options[key] = _path(options[key])
        self.check_stop(kind, options, told, where)
        return Paginator(kind, options, told)

    def check_stop(self, kind: str, options: Mapping[str, Any], told: frozenset[str], where: _Where) -> None:
        if (
            kind == "page_number"
            and not options["stop_after_empty_page"]
            and not told & {"total_path", "has_more_path"}
        ):
            self.wrong(
                (*where, "stop_after_empty_page"), "may be false only where total_path or has_more_path tells the end."
            )

    # --- the resources --------------------------------------------------------------------------------------------

    def resource(
        self, node: dict[str, Any], where: _Where, default: Paginator, folder: Path | None, source: str
    ) -> Resource:
        endpoint, place = node.get("endpoint", {}), (*where, "endpoint")
        key = node.get("primary_key", "")
        key = spelling.column_name(key[0] if isinstance(key, list) else key)
        column = _column(node, key)
        csv = self.csv(endpoint.get("format"))
        self.check_file(node, where, csv is not None, folder is not None)
        default = default if csv is None else Paginator()
        paginator = self.paginator(endpoint.get("paginator"), (*place, "paginator"), default)
        method = str(endpoint.get("method", "GET")).upper()
        self.check_method(method, endpoint, paginator, place)
        return Resource(
            table=node.get("name", ""),
            primary_key=column,
            path=self.path(endpoint.get("path"), (*place, "path"), folder),
            method=method,
            params=self.texts(endpoint.get("params", {}), (*place, "params")),
            json=self.body(endpoint.get("json", {}), (*place, "json")),
            headers=self.headers(endpoint, (*place, "headers")),
            data_selector=_path(endpoint.get("data_selector")),
            paginator=paginator,
            requests_per_second=endpoint.get("requests_per_second"),
            since=self.since(endpoint.get("since"), method, (*place, "since")),
            item_path=self.item_path(node.get("item_path"), (*where, "item_path"), key, column),
            spelling=self.spelled(node, where, column, source),
            csv=csv,
            max_age=timedelta(hours=endpoint["max_age_hours"]) if "max_age_hours" in endpoint else None,
            done_file=endpoint.get("done_file"),
            source=source,
        )

    def csv(self, node: dict[str, Any] | None) -> Dialect | None:
        if node is None or node.get("type") != "csv":
            return None
        told = {**source_schema.defaults("format_csv"), **node}
        return Dialect(**{name: value for name, value in told.items() if name != "type"})

    def check_file(self, node: dict[str, Any], where: _Where, is_csv: bool, is_shared: bool) -> None:
        """What does not go together with a file of CSV, with a file share, or without them."""
        endpoint, place = node.get("endpoint", {}), (*where, "endpoint")
        if is_shared and not is_csv:
            self.wrong((*place, "format"), "must be csv: of a file share, files of CSV are read.")
        for option in endpoint.keys() - _OF_A_FILE if is_shared else ():
            self.wrong((*place, option), _NOBODY_ASKED)
        if is_csv:
            for option in endpoint.keys() & {"data_selector", "paginator"}:
                self.wrong((*place, option), "must not stand here: a file of CSV is a whole, and all of it records.")
            if node.get("item_path") is not None:
                what = "must not stand here: one record of CSV cannot be asked for; a resync sends what is mirrored."
                self.wrong((*where, "item_path"), what)
        elif "max_age_hours" in endpoint:
            self.wrong((*place, "max_age_hours"), 'needs "format": "csv".')
        if "done_file" in endpoint and not is_shared:
            self.wrong((*place, "done_file"), "needs a file share, such as file:///mounts/hr/, as client.base_url.")

    def path(self, value: Any, where: _Where, folder: Path | None) -> str:
        if folder is None:
            return self.relative(value, where)
        path = self.text(value, where)
        if path and (what := share.wrong_with_path(path)):
            self.wrong(where, what)
        return path

    def check_method(self, method: str, endpoint: dict[str, Any], paginator: Paginator, where: _Where) -> None:
        if method == "POST":
            return
        if "json" in endpoint:
            self.wrong((*where, "json"), 'needs "method": "POST"; what a GET asks with stands in params.')
        for option in (o for o in paginator.options if o.endswith("_body_path") and paginator.options[o]):
            what = f'its paginator puts {option.removesuffix("_body_path")} into a body; that needs "method": "POST".'
            self.wrong((*where, "method"), what)

    def since(self, node: dict[str, Any] | None, method: str, where: _Where) -> Since | None:
        if node is None:
            return None
        told = {**source_schema.defaults("since"), **node}
        if ("start_param" in told) == ("start_body_path" in told):
            self.wrong(where, "must have start_param or start_body_path, one of them.")
        if "start_body_path" in told and method != "POST":
            self.wrong((*where, "start_body_path"), 'needs "method": "POST".')
        if told["format"] == "odata" or spelling.wrong_format(told["format"]):
            self.wrong((*where, "format"), "must be unix, unix_ms or a format such as %Y-%m-%dT%H:%M:%SZ.")
        hours = timedelta(hours=told["full_every_hours"])
        return Since(told.get("start_param"), _path(told.get("start_body_path")), told["format"], hours)

    def spelled(self, node: dict[str, Any], where: _Where, key: str, source: str) -> Spelling:
        for n, text in enumerate(node.get("date_formats", ())):
            if what := spelling.wrong_format(text):
                self.wrong((*where, "date_formats", n), what + ".")
        return Spelling(
            tuple(node.get("select", ())),
            node.get("rename", {}),
            tuple(node.get("null_values", ())),
            tuple(node.get("date_formats", ())),
            self.time_zone(node.get("time_zone"), (*where, "time_zone")),
            node.get("decimal_separator"),
            *self.keys(node, where, key),
            *self.source_column(node, where, key, source),
        )

    def keys(self, node: dict[str, Any], where: _Where, key: str) -> tuple[str, tuple[str, ...]]:
        """What is put before the keys of this system, and the columns that hold some."""
        prefix, fields = node.get("key_prefix", ""), node.get("key_fields", ())
        if fields and not prefix and (*where, "key_prefix") not in self._problems:
            self.wrong((*where, "key_fields"), "needs key_prefix: what is to stand before the keys in these fields.")
        return prefix, (key, *(_column(node, spelling.column_name(name)) for name in fields)) if prefix else ()

    def source_column(self, node: dict[str, Any], where: _Where, key: str, source: str) -> tuple[str, str]:
        """The column that says of which system a row is, and what it says."""
        column, place = node.get("source_column", ""), (*where, "source_column")
        if column and not source and ("name",) not in self._problems:
            self.wrong(place, 'needs a "name" of the HR system, beside client: that is what the column says.')
        if column and column.casefold() == key.casefold():
            self.wrong(place, "must be a column of its own, not the primary key.")
        return column, source

    def time_zone(self, value: str | None, where: _Where) -> ZoneInfo | None:
        try:
            return None if value is None else ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            self.wrong(where, "must be an IANA time zone such as Europe/Copenhagen.")
            return None

    def relative(self, value: Any, where: _Where) -> str:
        path = self.text(value, where)
        if not path.isprintable():
            self.wrong(where, "must not hold control characters.")
        if re.match(r"[^/?#]*:", path) or path.startswith("//"):
            self.wrong(where, "must be relative to client.base_url: credentials go to that address only.")
        if "?" in path or "#" in path:
            self.wrong(where, "must not hold a query or a fragment; use params.")
        return path.lstrip("/")

    def item_path(self, value: Any, where: _Where, key: str, column: str) -> str | None:
        """The path, with the column of the key in its braces, by whatever name it was written."""
        if value is None:
            return None
        path = self.relative(value, where)
        found = re.findall(r"\{([^}]*)\}", path)
        if len(found) != 1 or spelling.column_name(found[0]) not in (key, column):
            self.wrong(where, f"must hold {{{key}}}, the primary key, once.")
        return re.sub(r"\{[^}]*\}", "{" + column + "}", path)

    def tables_differ(self, resources: Iterable[Resource]) -> None:
        names = [r.table.casefold() for r in resources if r.table]
        for name in sorted({n for n in names if names.count(n) > 1}):
            self.wrong(("resources",), f"two resources fill the table {name}; use one resource a table.")


def _path(value: Any) -> tuple[str, ...]:
    return steps(value) or ()


def _column(node: Mapping[str, Any], written: str) -> str:
    """The column of a field, by HR's name of it or by the column's own."""
    rename = {spelling.column_name(name).casefold(): column for name, column in node.get("rename", {}).items()}
    return str(rename.get(written.casefold(), written))


def _wrong_with(url: str) -> str | None:
    """What keeps credentials from going to an address; None where nothing does."""
    if re.search(r"\s", url) or not url.isprintable():
        return "must not hold blanks or control characters."
    try:
        parts = urlsplit(url)
        host, secret = parts.hostname, parts.username or parts.password
        _ = parts.port
    except ValueError:
        return "must be an https:// address."
    if not host or parts.scheme not in ("https", "http"):
        return "must be an https:// address."
    if parts.scheme == "http" and not hosts.is_loopback(host):
        return "must be https://; plain http:// is allowed on loopback only."
    if not _HOST.fullmatch(host):
        return "its host must be written in ASCII (a name in other letters as xn--…)."
    if hosts.is_link_local(host):
        return "must not be a link-local address: no HR system is there, and the cloud's metadata is."
    if secret:
        return "must not hold a user name or password; use client.auth."
    if parts.query or parts.fragment:
        return "must not hold a query; use endpoint.params."
    return None
