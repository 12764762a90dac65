"""A small Entra ID behind one provisioning job: users matched by externalId, and a provisioning log.

Sources, all on learn.microsoft.com: entra/identity/app-provisioning/inbound-provisioning-api-faqs (matching, staging,
restart, terminations, UPN clashes), …/clear-attribute-values (nulls), …/inbound-provisioning-api-custom-attributes
(extensions), …/inbound-provisioning-api-configure-app (without a notification e-mail a job is quarantined when it is
started), graph/api/resources/synchronization-bulkupload (schemas, externalId), …/provisioningobjectsummary (the
log), …/synchronization-synchronizationstatus; entra/identity/monitoring-health/concept-provisioning-logs (several
accounts found: DuplicateTargetEntries); and RFC 7643 §2 and §4 (attributes and their types).
"""

from __future__ import annotations

import datetime as dt
import json
import pickle
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.emulators.accounts import DOMAIN
from tests.emulators.app_schema import AppSchema

State = dict[str, Any]
Entry = dict[str, Any]

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MANAGER = f"{ENTERPRISE}:manager.value"
WORK_EMAIL = 'emails[type eq "work"].'

_TEXTS = {"displayName", "nickName", "profileUrl", "title", "userType", "preferredLanguage", "locale", "timezone"}
_NAME = {"formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix"}
_ENTERPRISE = {"employeeNumber", "costCenter", "organization", "division", "department"}
_MANAGER = {"value", "$ref", "displayName"}
_VALUE = {"value", "display"}
_COLLECTIONS = {
    **dict.fromkeys(("emails", "phoneNumbers", "ims", "photos", "entitlements", "roles", "x509Certificates"), _VALUE),
    "addresses": {"formatted", "streetAddress", "locality", "region", "postalCode", "country"},
}
_ATTRIBUTE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9$_-]*")
_DATE_LIKE = re.compile(r"\d{4}-\d\d-\d\d|\d\d?[./-]\d\d?[./-]\d{4}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?(Z|[+-]\d\d:\d\d)")

_TARGETS = {"userName": "userPrincipalName", "externalId": "employeeId"}
"""Under which names of Entra's the log tells of these two; the others keep the names of the source."""

NOTICES = (
    '{"Enabled":true,"Recipients":"hr-it@contoso.example","DeleteThresholdEnabled":true,"DeleteThresholdValue":500}'
)
"""The form: entra/identity/hybrid/cloud-sync/how-to-inbound-synch-ms-graph, accidental deletes."""

_NOT_MAPPED = {f"{ENTERPRISE}:manager.displayName", f"{ENTERPRISE}:manager.$ref"}
_DUPLICATE_UPN = {
    "errorCode": "AzureActiveDirectoryDuplicateUserPrincipalName",
    "reason": "Another object with the same value for property userPrincipalName already exists.",
    "additionalDetails": None,
    "errorCategory": "nonServiceFailure",
    "recommendedAction": "Make the userPrincipalName unique in the source, or mend the attribute mapping.",
}
_DUPLICATE_TARGETS = {
    "errorCode": "DuplicateTargetEntries",
    "reason": "More than one user in the target was found with the configured matching attributes.",
    "additionalDetails": None,
    "errorCategory": "nonServiceFailure",
    "recommendedAction": "Remove the duplicate user from the target, or mend the attribute mapping.",
}
_NOTHING_TO_DO = {
    "errorCode": "RedundantExport",
    "reason": "The source and the target already match: no change to the user is needed.",
    "additionalDetails": None,
    "errorCategory": "nonServiceFailure",
    "recommendedAction": None,
}


_TENANT = str(uuid.uuid5(uuid.NAMESPACE_OID, "tenant"))


class Malformed(ValueError):
    """The data is not what the contract allows; the text says why, with no value of anybody in it."""


def expect(fact: bool, otherwise: str) -> None:
    """Refuse with that reason unless the fact holds."""
    if not fact:
        raise Malformed(otherwise)


def check_user(data: Any) -> None:
    """Refuse what is not a complete SCIM user of core, enterprise and the extensions it declares."""
    expect(isinstance(data, dict), "data is not an object")
    extensions = _check_schemas(data)
    for name in ("externalId", "userName"):
        expect(is_name(data.get(name)), f"{name} is missing or blank")
    for name in data.keys() - {"schemas", "externalId", "userName"}:
        if name in extensions:
            _check_extension(name, data[name])
        elif name == ENTERPRISE:
            _check_enterprise(data[name])
        else:
            _check_core(name, data[name])


def is_name(value: Any) -> bool:
    """Say whether a value is text that is not blank."""
    return isinstance(value, str) and bool(value.strip())


def _check_schemas(data: dict[str, Any]) -> set[str]:
    """Return the declared extensions: each must be used, and what is used must be among them."""
    schemas = data.get("schemas")
    expect(isinstance(schemas, list) and all(map(is_name, schemas)), "data.schemas is not a list of URNs")
    declared = set(schemas or ())
    expect(len(declared) == len(schemas or ()), "data.schemas names a schema twice")
    expect(declared >= {CORE, ENTERPRISE}, "data.schemas lacks the core or the enterprise user")
    extensions = declared - {CORE, ENTERPRISE}
    used = {name for name in data if ":" in name} - {ENTERPRISE}
    expect(extensions == used, "data.schemas and the extensions used differ")
    expect(all(urn.startswith("urn:") for urn in extensions), "an extension is not a URN")
    return extensions


def _check_core(name: str, value: Any) -> None:
    if name == "active":
        expect(isinstance(value, bool), "active is not a boolean")
    elif name == "name":
        _check_texts("name", value, _NAME)
    elif name in _COLLECTIONS:
        _check_collection(name, value)
    else:
        expect(name in _TEXTS, f"the core user has no attribute {name!r}")
        expect(_is_text(value), f"{name} is not text")


def _check_collection(name: str, value: Any) -> None:
    expect(isinstance(value, list), f"{name} is not a list")
    for element in value:
        expect(isinstance(element, dict) and is_name(element.get("type")), f"an element of {name} has no type")
        expect(isinstance(element.get("primary"), bool | None), f"{name}.primary is not a boolean")
        texts = {sub: part for sub, part in element.items() if sub not in ("type", "primary")}
        _check_texts(name, texts, _COLLECTIONS[name])
    types = {element["type"].casefold() for element in value}
    expect(len(types) == len(value), f"two elements of {name} have one type")
    expect(sum(element.get("primary") is True for element in value) <= 1, f"two elements of {name} are primary")


def _check_enterprise(value: Any) -> None:
    expect(isinstance(value, dict), "the enterprise user is not an object")
    if "manager" in value:
        _check_texts("manager", value["manager"], _MANAGER)
        expect("value" in value["manager"], "manager has no value")
    _check_texts("enterprise", {name: part for name, part in value.items() if name != "manager"}, _ENTERPRISE)


def _check_extension(urn: str, value: Any) -> None:
    expect(isinstance(value, dict) and bool(value), f"{urn} is not an object with attributes")
    for name, part in value.items():
        expect(bool(_ATTRIBUTE_NAME.fullmatch(name)), f"{urn} has an attribute that is no SCIM name")
        expect(isinstance(part, str | bool | int | float | None), f"{name} is neither text, boolean nor number")
        if isinstance(part, str) and _DATE_LIKE.match(part):
            expect(_is_instant(part), f"{name} is a date without time and offset")


def _check_texts(owner: str, value: Any, known: set[str]) -> None:
    expect(isinstance(value, dict), f"{owner} is not an object")
    for name, part in value.items():
        expect(name in known, f"{owner} has no attribute {name!r}")
        expect(_is_text(part), f"{owner}.{name} is not text")


def _is_text(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _is_instant(text: str) -> bool:
    try:
        return bool(_INSTANT.fullmatch(text) and dt.datetime.fromisoformat(text))
    except ValueError:
        return False


def flatten(data: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the attribute paths of a SCIM user and their values, spelled as the portal spells them."""
    for name, value in data.items():
        if isinstance(value, list):
            for element in value if name != "schemas" else ():
                rest = {sub: part for sub, part in element.items() if sub != "type"}
                yield from flatten(rest, f'{prefix}{name}[type eq "{element["type"]}"].')
        elif isinstance(value, dict):
            yield from flatten(value, f"{prefix}{name}:" if name.startswith("urn:") else f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def container(path: str) -> str:
    """Return what must be in the payload for a path to count as left out: "", "name." or an extension's URN."""
    found = re.match(r"(urn:.*:)?(.*\.)?", path)
    return found[0] if found else ""


@dataclass(eq=False)
class User:
    """One account: its attributes by path; what is unset is not there.

    `external_id` is its employeeId, empty where it has none. `more` are properties of Graph that no path stands for.
    `changed` is the number of the last change of it, `manager_changed` of the last one of its manager. `ever` names
    what was set at some time.
    """

    external_id: str
    object_id: str
    state: State = field(default_factory=dict)
    more: State = field(default_factory=dict)
    changed: int = 0
    manager_changed: int = 0
    ever: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class _Outcome:
    action: str
    status: str
    error: dict[str, Any] | None
    changes: dict[str, tuple[Any, Any]]


class Directory:
    """The users of one provisioning job.

    `flow_nulls`: null or "" clears an attribute (clear-attribute-values: both of its switches are on). `clear_omitted`:
    so does leaving the attribute out while the object that holds it is there, which that page says too. Elements of
    emails, phoneNumbers and addresses are single-valued by their path (`[type eq "work"]`) and clear likewise; an
    element or collection that is left out clears nothing, since multi-valued attributes cannot be cleared.
    `log_delay_of`: by how many seconds an entry about this externalId is written after the others.
    """

    def __init__(self, service_principal: str, job: str, clock: Callable[[], float]) -> None:
        """Begin with nobody; `clock` gives seconds since 1970."""
        self.service_principal, self.job, self.clock = service_principal, job, clock
        self.flow_nulls, self.clear_omitted = True, False
        self.quarantine_reason: str | None = None
        self.schema = AppSchema()
        self.secrets = {"SyncNotificationSettings": NOTICES, "SyncAll": "false"}
        """As administrators set them; those that are passwords are never told."""
        self.begun = True
        """False for a job that has never run: what comes is only staged."""
        self.starts = 0
        self.log_delay_of: Callable[[str], float] = lambda external_id: 0.0
        self._users: dict[str, User] = {}
        self._ids: dict[str, User] = {}
        self._others: list[User] = []
        """Made by hand, without an employeeId, or with one that another has."""
        self._removed: list[tuple[int, str]] = []
        self._changes_made = 0
        self._names: dict[str, User] = {}
        self._log: list[tuple[float, Entry]] = []
        self._unwritten: list[tuple[float, Callable[[], Entry]]] = []
        """Entries since somebody last looked at the log: most are never read, and to write one takes long."""
        self._staged: list[dict[str, Any]] = []
        self._paused = False
        self._lock = threading.RLock()

    @property
    def users(self) -> dict[str, State]:
        """A copy of everybody's attributes, by externalId."""
        with self._lock:
            return {user.external_id: dict(user.state) for user in self._users.values()}

    @property
    def log(self) -> list[tuple[float, Entry]]:
        """The provisioning log, oldest first: when written, and the entry."""
        with self._lock:
            self._log += [(when, written()) for when, written in self._unwritten]
            self._unwritten.clear()
            return list(self._log)

    def forget_log(self) -> None:
        """Begin the log anew."""
        with self._lock:
            self._log.clear()
            self._unwritten.clear()

    def tell(self, external_id: str, **fields: Any) -> Entry:
        """Write an entry about somebody that no upload caused, as Entra does when it tries again by itself."""
        user = self._users.get(external_id.casefold())
        with self._lock:
            outcome = _Outcome("update" if user else "create", "success", None, {})
            self._write(external_id, user.object_id if user else "", outcome, str(uuid.uuid4()))
            told = self.log[-1][1]
            told.update(fields)
            return told

    @property
    def paused(self) -> bool:
        """Whether what comes is only staged; set it to False to process what has been."""
        return self._paused

    @paused.setter
    def paused(self, paused: bool) -> None:
        with self._lock:
            self._paused = paused
            self.stage([])

    @property
    def status_code(self) -> str:
        """The job's status as Graph names it."""
        if self.quarantine_reason:
            return "Quarantine"
        return "NotRun" if not self.begun else "Paused" if self._paused else "Active"

    def start(self) -> None:
        """Set the job to work; without a notification e-mail it is in quarantine at once."""
        with self._lock:
            self.starts += 1
            self.begun, self.quarantine_reason = True, None
            if not json.loads(self.secrets.get("SyncNotificationSettings", "{}")).get("Recipients"):
                self.quarantine_reason = "EncounteredQuarantineException"
            self.paused = False

    def stage(self, people: list[dict[str, Any]]) -> None:
        """Take the people of one request, and process whatever is staged unless the job stands still."""
        with self._lock:
            self._staged += people
            if self.status_code == "Active":
                cycle = str(uuid.uuid4())
                for data in self._staged:
                    self._process(data, cycle)
                self._staged = []

    def copy_people(self, other: Directory) -> None:
        """Hold whom another one holds, as they are there, without its log."""
        with other._lock, self._lock:
            held = (other._users, other._others, other._names, other._changes_made)
            self._users, self._others, self._names, self._changes_made = pickle.loads(pickle.dumps(held))  # noqa: S301 - our own

    def settle(self, people: list[dict[str, Any]]) -> None:
        """Let all these people have been made already, each beside the others: quickly, and without a log."""
        with self._lock:
            for data in people:
                taken = ((p, v) for p, v in flatten(data) if not _is_empty(v) and self.schema.uses(p))
                state = {path: value for path, value in taken if path not in _NOT_MAPPED}
                state["accountEnabled"] = state["active"]
                user = User(data["externalId"], str(uuid.uuid4()), state)
                self._place(user)
                self._note(user, manager=True)

    def purge(self) -> int:
        """Drop what is staged, as restarting a job that is not running does; return how many that were."""
        with self._lock:
            dropped, self._staged = len(self._staged), []
            return dropped

    def occupy(self, user_name: str) -> None:
        """Give a userPrincipalName to an account that this job does not know, as one made by hand has it."""
        with self._lock:
            self._names[_name(user_name)] = User("", str(uuid.uuid4()))

    def vacate(self, user_name: str) -> None:
        """Take that account away again."""
        with self._lock:
            del self._names[_name(user_name)]

    def delete(self, external_id: str) -> None:
        """Remove a user, as an administrator does by hand in the portal; KeyError when unknown."""
        with self._lock:
            user = self._users.pop(external_id.casefold())
            del self._names[_name(user.state["userName"])], self._ids[user.object_id]
            self._removed.append((self._next_change(), user.object_id))

    # --- what an administrator does by hand, in Graph's words ---

    @property
    def accounts(self) -> list[User]:
        """Every account, whoever made it."""
        with self._lock:
            return [*self._users.values(), *self._others]

    @property
    def users_by_key(self) -> dict[str, str]:
        """Every employeeId, in lower case, with the object id of its account."""
        with self._lock:
            return {key: user.object_id for key, user in self._users.items()}

    @property
    def changes_made(self) -> int:
        """How many changes there were so far, of whatever kind."""
        return self._changes_made

    def removed_since(self, change: int) -> list[str]:
        """Object ids of accounts that were removed after that change."""
        with self._lock:
            return [object_id for number, object_id in self._removed if number > change]

    def plant(self, properties: State, object_id: str = "") -> str:
        """Make an account by hand; gives back its object id. Its properties are spelled as Graph spells them."""
        with self._lock:
            user = User("", object_id or str(uuid.uuid4()), {"active": True, "accountEnabled": True})
            self._others.append(user)
            self._set(user, properties)
            return user.object_id

    def edit(self, object_id: str, **properties: Any) -> None:
        """Change properties of an account by hand; None clears."""
        with self._lock:
            self._set(self._ids[object_id], properties)

    def object_id(self, external_id: str) -> str:
        """The object id of the account that has this employeeId; KeyError when there is none."""
        return self._users[external_id.casefold()].object_id

    def _set(self, user: User, properties: State) -> None:
        state, more = self.schema.as_state(properties)
        self._forget_names(user)
        for known, found in ((user.state, state), (user.more, more)):
            known.update({name: value for name, value in found.items() if not _is_empty(value)})
            for name in [name for name, value in found.items() if _is_empty(value)]:
                known.pop(name, None)
        if "active" in state:
            user.state["accountEnabled"] = user.state.get("active", False)
        user.external_id = str(user.state.get("externalId", ""))
        self._place(user)
        self._note(user, manager=MANAGER in state)

    def _forget_names(self, user: User) -> None:
        """Take an account from where it is found: by its employeeId, by its name."""
        for index, key in (
            (self._users, user.external_id.casefold()),
            (self._names, _name(user.state.get("userName", ""))),
        ):
            if index.get(key) is user:
                del index[key]
        self._others = [other for other in self._others if other is not user]

    def _place(self, user: User) -> None:
        self._ids[user.object_id] = user
        self._names.setdefault(_name(user.state.get("userName", user.object_id)), user)
        if not user.external_id or self._users.setdefault(user.external_id.casefold(), user) is not user:
            self._others.append(user)

    def _note(self, user: User, *, manager: bool) -> None:
        user.changed = self._next_change()
        user.ever |= user.state.keys() | user.more.keys()
        if manager:
            user.manager_changed = user.changed

    def _next_change(self) -> int:
        self._changes_made += 1
        return self._changes_made

    def _process(self, data: dict[str, Any], cycle: str) -> None:
        external_id = data["externalId"]
        taken = ((path, value) for path, value in flatten(data) if self.schema.uses(path))
        wanted = {path: value for path, value in taken if path not in _NOT_MAPPED}
        found = self._matched(wanted)
        user = found[0] if found else None
        if len(found) > 1:
            outcome = _Outcome("other", "failure", _DUPLICATE_TARGETS, {})
        elif self._name_is_taken(wanted["userName"], user):
            error = {**_DUPLICATE_UPN, "reason": f"{_DUPLICATE_UPN['reason']} Value: {wanted['userName']}"}
            outcome = _Outcome("update" if user else "create", "failure", error, {})
        elif user:
            outcome = self._update(user, wanted)
        else:
            user, outcome = self._create(external_id, wanted)
        self._write(external_id, user.object_id if user else "", outcome, cycle)

    def _matched(self, wanted: State) -> list[User]:
        """The accounts found by the first matching attribute that finds any."""
        for path in sorted(self.schema.matching, key=self.schema.matching.__getitem__):
            value = str(wanted.get(path) or "").casefold()
            others = [u for u in self._others if value and str(u.state.get(path, "")).casefold() == value]
            if path == "externalId":
                first = self._users.get(value)
            else:
                first = None
                others += [u for u in self._users.values() if str(u.state.get(path, "")).casefold() == value]
            if first or others:
                return [*([first] if first else []), *others]
        return []

    def _name_is_taken(self, user_name: str, user: User | None) -> bool:
        return self._names.get(_name(user_name), user) is not user

    def _create(self, external_id: str, wanted: State) -> tuple[User, _Outcome]:
        self._resolve_manager(wanted)
        wanted.setdefault("active", True)
        wanted["accountEnabled"] = wanted["active"]
        state = {path: value for path, value in wanted.items() if not _is_empty(value)}
        user = User(external_id, str(uuid.uuid5(uuid.NAMESPACE_OID, self.job + external_id.casefold())), state)
        self._users[external_id.casefold()] = self._ids[user.object_id] = self._names[_name(state["userName"])] = user
        self._note(user, manager=MANAGER in state)
        return user, _Outcome("create", "success", None, {path: (None, value) for path, value in state.items()})

    def _update(self, user: User, wanted: State) -> _Outcome:
        known = self._resolve_manager(wanted)
        if "active" in wanted:
            wanted["accountEnabled"] = wanted["active"]
        changes = self._changes(user.state, wanted | self._omitted(user.state, wanted))
        self._forget_names(user)
        for path, (_, value) in changes.items():
            user.state[path] = value
            if value is None:
                del user.state[path]
        user.external_id = str(user.state["externalId"])
        self._place(user)
        if changes:
            self._note(user, manager=MANAGER in changes)
        if not changes and known:
            return _Outcome("other", "skipped", _NOTHING_TO_DO, {})
        disabled = changes.get("accountEnabled") == (True, False)
        return _Outcome("disable" if disabled else "update", "success", None, changes)

    def _changes(self, state: State, wanted: State) -> dict[str, tuple[Any, Any]]:
        """Say what an update does; the work e-mail is written when a user is created and never again."""
        changes = {}
        for path, value in wanted.items():
            new = None if _is_empty(value) else value
            matched_by_it = path == "externalId" and str(state.get(path, "")).casefold() == str(new).casefold()
            kept = matched_by_it or path.startswith(WORK_EMAIL) or (new is None and not self.flow_nulls)
            if not kept and state.get(path) != new:
                changes[path] = (state.get(path), new)
        return changes

    def _omitted(self, state: State, wanted: State) -> State:
        if not self.clear_omitted:
            return {}
        present = {"", *map(container, wanted)}
        lasting = {"userName", "active", "accountEnabled", *wanted}
        return {path: None for path in state if path not in lasting and container(path) in present}

    def _resolve_manager(self, wanted: State) -> bool:
        """Put the manager's own externalId there, or leave a manager not processed before out; say if she was known."""
        name = wanted.get(MANAGER)
        if _is_empty(name):
            return True
        manager = self._users.get(str(name).casefold())
        if manager is None:
            del wanted[MANAGER]
            return False
        wanted[MANAGER] = manager.external_id
        return True

    def _write(self, external_id: str, object_id: str, outcome: _Outcome, cycle: str) -> None:
        now, entry_id, change_id = self.clock(), str(uuid.uuid4()), str(uuid.uuid4())

        def written() -> Entry:
            ids = {"id": entry_id, "changeId": change_id, "cycleId": cycle}
            return self._entry(now, ids, external_id, object_id, outcome)

        self._unwritten.append((now + self.log_delay_of(external_id), written))

    def _entry(self, now: float, ids: dict[str, str], external_id: str, object_id: str, outcome: _Outcome) -> Entry:
        principal = {"id": self.service_principal, "displayName": "API-driven provisioning (emulated)"}
        return {
            **ids,
            "activityDateTime": dt.datetime.fromtimestamp(now, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "tenantId": _TENANT,
            "jobId": self.job,
            "provisioningAction": outcome.action,
            "durationInMilliseconds": 1,
            "provisioningStatusInfo": {"status": outcome.status, "errorInformation": outcome.error},
            "provisioningSteps": [],
            "servicePrincipal": principal,
            "sourceSystem": {**principal, "details": {}},
            "targetSystem": {"id": self.service_principal, "displayName": "Microsoft Entra ID", "details": {}},
            "initiatedBy": {"id": "", "displayName": "Azure AD Provisioning Service", "initiatorType": "system"},
            "sourceIdentity": {"identityType": "User", "id": external_id, "displayName": "", "details": {}},
            "targetIdentity": {"identityType": "User", "id": object_id, "displayName": "", "details": {}},
            "modifiedProperties": [
                {"displayName": _TARGETS.get(path, path), "oldValue": _text(old), "newValue": _text(new)}
                for path, (old, new) in outcome.changes.items()
            ],
        }


def _name(user_name: Any) -> str:
    """A user name as it is compared: the tenant's domain is added where there is none."""
    return str(user_name).casefold().removesuffix(f"@{DOMAIN}")


def in_old_names(entry: Entry) -> Entry:
    """An entry as Graph's beta spelled it first: action for provisioningAction, statusInfo with the error inside."""
    rest = {
        name: value for name, value in entry.items() if name not in ("provisioningAction", "provisioningStatusInfo")
    }
    told = entry["provisioningStatusInfo"]
    details = {"@odata.type": "#microsoft.graph.statusDetails"} if told["errorInformation"] else {}
    status = {**details, "status": told["status"], **(told["errorInformation"] or {})}
    return rest | {"action": entry["provisioningAction"], "statusInfo": status}


def _is_empty(value: Any) -> bool:
    return value is None or value == ""


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
