"""The app settings, read in one go: one error names everything that is wrong."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from provisioning import hosts, source, user_names
from provisioning.errors import SettingsError
from provisioning.user_names import Policy

GRAPH_HOSTS = (
    "graph.microsoft.com",
    "graph.microsoft.us",
    "dod-graph.microsoft.us",
    "microsoftgraph.chinacloudapi.cn",
)
"""Graph's national clouds: https://learn.microsoft.com/graph/deployments#microsoft-graph-and-graph-explorer-service-root-endpoints"""

EXTENSION_TYPES = ("string", "boolean", "integer", "dateTime")

DATABASE = "SQL_CONNECTION_STRING"
HR = "HR_SOURCE"
GRAPH = "GRAPH_BULK_UPLOAD_URL"
ALERTS = "ALERT_WEBHOOK_URL"
COMPARE, IGNORE = "COMPARE_SCHEDULE", "COMPARE_IGNORE"

IGNORABLE = (
    *("userPrincipalName", "userType", "displayName", "mail", "mailNickname", "employeeId", "employeeType"),
    *("department", "jobTitle", "companyName"),
)
"""Properties of an account, in Graph's words, by which it may be one that needs no HR."""

GUESTS = {"userType": "Guest"}

_BULK_UPLOAD_PATH = re.compile(r"/(v1\.0|beta)/servicePrincipals/([^/]+)/synchronization/jobs/([^/]+)/bulkUpload/?")
_URN = re.compile(r"urn:[a-z0-9][a-z0-9-]{0,31}:[A-Za-z0-9()+,.:=@;$_!*'%/?#-]+", re.IGNORECASE)


@dataclass(frozen=True)
class BulkUpload:
    """The "Provisioning API Endpoint" of one app: where SCIM bulk requests go."""

    url: str
    host: str
    service_principal: str
    job: str

    @property
    def target(self) -> str:
        """What the ledger calls it: the service principal and the job of the URL."""
        return f"{self.service_principal}/{self.job}"

    @property
    def job_url(self) -> str:
        """Where the job says how it stands."""
        return self.url.removesuffix("/bulkUpload")

    @property
    def secrets_url(self) -> str:
        """Where the app's secrets are, and among them whom Entra tells when the job stops."""
        return f"{self.url.partition('/jobs/')[0]}/secrets"

    @property
    def logs_url(self) -> str:
        """Where the tenant's provisioning log is, of the same version of Graph."""
        return f"{self.url.partition('/servicePrincipals/')[0]}/auditLogs/provisioning"

    @property
    def users_url(self) -> str:
        """Where the tenant's users are, of the same version of Graph."""
        return f"{self.url.partition('/servicePrincipals/')[0]}/users"

    @property
    def needs_token(self) -> bool:
        """False for an emulator on this machine."""
        return not hosts.is_loopback(self.host)


@dataclass(frozen=True)
class Extension:
    """A SCIM extension schema: its URN and the attributes that are not text."""

    urn: str
    types: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Share:
    """A number of people, or a percentage of however many there are."""

    amount: float
    percent: bool = False

    def of(self, total: int) -> int:
        """How many that is of `total`, rounded down."""
        return int(total * self.amount / 100) if self.percent else int(self.amount)

    def __str__(self) -> str:
        return f"{self.amount:g}%" if self.percent else f"{self.amount:g}"


@dataclass(frozen=True)
class Settings:
    """All settings, checked. What a verb does not need may be None."""

    sql_connection_string: str = field(repr=False)
    hr_sources: tuple[source.Source, ...]
    bulk_upload: BulkUpload | None
    daily_call_limit: int
    extensions: Mapping[str, Extension]
    explicit_nulls: bool
    create_lead_days: int
    prehire_active: bool
    time_zone: ZoneInfo
    update_by_modified: bool
    resend_days: int
    missing_after_hours: int
    history_days: int
    max_disables: Share
    max_changes: Share
    max_creates: Share
    max_shrink: Share
    alert_webhook_url: str = field(repr=False)
    """Where alerts are sent; empty where nobody is told. Whoever has the address can send there: a secret."""
    compares: bool
    """Whether the directory is compared by a timer."""
    compare_ignore: tuple[Mapping[str, str], ...]
    """Accounts that need no HR: property → pattern, all of which must fit."""
    user_names: Policy | None = None
    """How names are made for people before they are created; None where that is not the app's business."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], needs: tuple[str, ...] = ()) -> "Settings":
        """Read `environ`; raise one SettingsError for all that is missing of `needs` and all that is wrong."""
        return _Reader(environ, needs).settings()


class _Reader:
    def __init__(self, environ: Mapping[str, str], needs: tuple[str, ...]) -> None:
        self._environ, self._needs = environ, needs
        self._problems: list[str] = []

    def settings(self) -> Settings:
        settings = Settings(
            sql_connection_string=self.database(),
            hr_sources=self.hr_sources(),
            bulk_upload=self.bulk_upload(),
            daily_call_limit=self.number("GRAPH_DAILY_CALL_LIMIT", 2000, least=1),
            extensions=self.extensions(),
            explicit_nulls=self.choice("SCIM_NULLS", "explicit", ("explicit", "omit")) == "explicit",
            create_lead_days=self.number("CREATE_LEAD_DAYS", 7, most=3650),
            prehire_active=self.choice("PREHIRE_ACTIVE", "true", ("true", "false")) == "true",
            time_zone=self.time_zone(),
            update_by_modified=self.choice("UPDATE_BY", "content", ("content", "modified")) == "modified",
            resend_days=self.number("RESEND_DAYS", 28, least=1, most=3650),
            missing_after_hours=self.number("MISSING_AFTER_HOURS", 20, most=8760),
            history_days=self.number("HISTORY_DAYS", 90, least=1, most=20_000),
            max_disables=self.share("MAX_DISABLES", Share(5, percent=True)),
            max_changes=self.share("MAX_CHANGES", Share(20, percent=True)),
            max_creates=self.share("MAX_CREATES", Share(20, percent=True)),
            max_shrink=self.share("MAX_SHRINK", Share(10, percent=True)),
            alert_webhook_url=self.alert_webhook_url(),
            user_names=self.user_names(),
            compares=bool(self.value(COMPARE)),
            compare_ignore=self.compare_ignore(),
        )
        if self._problems:
            raise SettingsError(self._problems)
        return settings

    def wrong(self, name: str, what: str) -> None:
        self._problems.append(f"{name}: {what}")

    def value(self, name: str) -> str:
        text = self._environ.get(name, "").strip()
        if not text and name in self._needs:
            self.wrong(name, "is missing.")
        return text

    def number(self, name: str, default: int, least: int = 0, most: int = 999_999) -> int:
        text = self.value(name)
        if not text:
            return default
        if re.fullmatch(r"[0-9]{1,6}", text, re.ASCII) and least <= int(text) <= most:
            return int(text)
        self.wrong(name, f"must be a whole number from {least} to {most}.")
        return default

    def share(self, name: str, default: Share) -> Share:
        text = self.value(name)
        if not text:
            return default
        match = re.fullmatch(r"([0-9]{1,6})|([0-9]{1,3}(?:\.[0-9]{1,3})?) ?%", text, re.ASCII)
        if match and match[1]:
            return Share(int(match[1]))
        if match and float(match[2]) <= 100:
            return Share(float(match[2]), percent=True)
        self.wrong(name, "must be a whole number of people such as 50, or a percentage such as 5%.")
        return default

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        text = self.value(name).lower() or default
        if text not in allowed:
            self.wrong(name, f"must be {' or '.join(allowed)}.")
        return text

    def user_names(self) -> Policy | None:
        names = (user_names.PATTERNS, user_names.DOMAIN, user_names.LETTERS, user_names.RESERVED)
        return user_names.policy(
            {name: self.value(name) for name in names},
            self.number(user_names.KEEP_YEARS, 10, most=100),
            self.wrong,
        )

    def time_zone(self) -> ZoneInfo:
        text = self.value("TIME_ZONE") or "UTC"
        try:
            return ZoneInfo(text)
        except (KeyError, ValueError, OSError):
            self.wrong("TIME_ZONE", f"{text!r} is not an IANA time zone such as Europe/Copenhagen.")
            return ZoneInfo("UTC")

    def database(self) -> str:
        text = self.value(DATABASE)
        if not text:
            return ""
        if text.startswith("sqlite:"):
            if not re.fullmatch(r"sqlite:///[^?#]+", text):
                self.wrong(DATABASE, "must read sqlite:///path (four slashes for an absolute path).")
        elif not re.search(r"(^|;)\s*(server|address|addr|data source)\s*=", text, re.IGNORECASE):
            self.wrong(DATABASE, "must be an ODBC connection string with Server=…, or sqlite:///path.")
        return text

    def hr_sources(self) -> tuple[source.Source, ...]:
        text = self.value(HR)
        return source.load(text, self._environ, self._problems) if text else ()

    def bulk_upload(self) -> BulkUpload | None:
        text = self.value(GRAPH)
        if not text:
            return None
        try:
            parts = urlsplit(text)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            self.wrong(GRAPH, "is not a URL.")
            return None
        if not self.may_get_credentials(parts.scheme, host):
            return None
        match = _BULK_UPLOAD_PATH.fullmatch(parts.path)
        if not match or parts.query or parts.fragment or "@" in parts.netloc:
            shape = "/v1.0/servicePrincipals/{id}/synchronization/jobs/{jobId}/bulkUpload"
            self.wrong(GRAPH, f"must end in {shape}: the portal's Provisioning API Endpoint.")
            return None
        return BulkUpload(text.rstrip("/"), host, unquote(match[2]), unquote(match[3]))

    def may_get_credentials(self, scheme: str, host: str) -> bool:
        loopback = hosts.is_loopback(host)
        if not loopback and host not in GRAPH_HOSTS:
            self.wrong(GRAPH, f"its host must be one of {', '.join(GRAPH_HOSTS)}, or loopback for the emulator.")
        elif scheme != "https" and not (loopback and scheme == "http"):
            self.wrong(GRAPH, "must be https://; plain http:// is allowed on loopback only.")
        else:
            return True
        return False

    def alert_webhook_url(self) -> str:
        """The text itself is never told: all of it, its path and query too, is a secret."""
        text = self.value(ALERTS)
        if not text:
            return ""
        try:
            parts = urlsplit(text)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            parts, host = urlsplit(""), ""
        if not host or not text.isascii() or not text.isprintable() or " " in text or "@" in parts.netloc:
            self.wrong(ALERTS, "is not the https:// address of a webhook.")
        elif parts.scheme != "https" and not (parts.scheme == "http" and hosts.is_loopback(host)):
            self.wrong(ALERTS, "must be https://; plain http:// is allowed on loopback only.")
        elif hosts.is_link_local(host):
            self.wrong(ALERTS, "its host is a link-local address, which is never asked.")
        return text

    def compare_ignore(self) -> tuple[Mapping[str, str], ...]:
        text = self.value(IGNORE)
        if not text:
            return (GUESTS,)
        try:
            rules = json.loads(text)
        except (ValueError, RecursionError):
            rules = None
        if not isinstance(rules, list) or not all(isinstance(rule, dict) and rule for rule in rules):
            self.wrong(IGNORE, 'must be a JSON array of objects such as [{"userType": "Guest"}].')
            return ()
        for rule in rules:
            if unknown := sorted(rule.keys() - set(IGNORABLE)):
                self.wrong(IGNORE, f"{', '.join(unknown)}: the properties are {', '.join(IGNORABLE)}.")
            if not all(isinstance(pattern, str) and pattern.strip("*? ") for pattern in rule.values()):
                self.wrong(IGNORE, "a pattern is a text such as svc-*, and more than * alone.")
        return tuple(rules)

    def extensions(self) -> dict[str, Extension]:
        text = self.value("SCIM_EXTENSIONS")
        default = {"hr": Extension("urn:ietf:params:scim:schemas:extension:hr:2.0:User")}
        if not text:
            return default
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            self.wrong("SCIM_EXTENSIONS", "is not valid JSON.")
            return default
        if not isinstance(document, dict):
            self.wrong("SCIM_EXTENSIONS", "must be a JSON object: prefix → URN.")
            return default
        return {prefix: self.extension(prefix, value) for prefix, value in document.items()}

    def extension(self, prefix: str, value: Any) -> Extension:
        where = f"SCIM_EXTENSIONS {prefix}"
        node = {"urn": value} if isinstance(value, str) else value
        if not isinstance(node, dict) or not set(node) <= {"urn", "types"}:
            self.wrong(where, "must be a URN, or an object with urn and types.")
            return Extension("")
        urn, types = node.get("urn"), node.get("types", {})
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", prefix) or prefix.lower() in ("urn", "enterprise"):
            self.wrong(where, "is not a prefix: letters and digits, and neither urn nor enterprise.")
        if not isinstance(urn, str) or not _URN.fullmatch(urn):
            self.wrong(where, "its urn must be a URN such as urn:ietf:params:scim:schemas:extension:hr:2.0:User.")
        if not isinstance(types, dict) or not set(map(str, types.values())) <= set(EXTENSION_TYPES):
            self.wrong(where, f"its types must be among {', '.join(EXTENSION_TYPES)}.")
            types = {}
        return Extension(str(urn), types)
