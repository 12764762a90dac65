"""Rows of dbo.ScimUsers → SCIM users, their hash, and bulk requests.

Pure. A column's name says where its value goes (the paths of Entra's portal); the SCIM schema says of which type it is.
Schemas: RFC 7643 §4.1–4.3. Bulk requests: RFC 7644 §3.7 and Graph's *synchronizationJob: bulkUpload*.
"""

import functools
import hashlib
import json
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from json.encoder import encode_basestring_ascii
from typing import Any
from zoneinfo import ZoneInfo

from provisioning.errors import MappingError
from provisioning.settings import Extension

MOST_OPERATIONS = 50
LONGEST_EXTERNAL_ID = 100
HR_TABLE, HR_KEY = "HrTable", "HrKey"
"""Of which table of the mirror a row is, and under which key there, where that is not her EmployeeId."""

CONTROL_COLUMNS = (
    *("EmployeeId", "ValidFrom", "ValidTo", "InScope", "Protected", "TimeZone", "ModifiedDateTime"),
    *(HR_TABLE, HR_KEY),
)
WORK_MAIL = 'emails[type eq "work"].value'

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
BULK_REQUEST = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"

_SIMPLE: dict[str, tuple[str, ...]] = {
    CORE: (
        *("externalId", "userName", "displayName", "nickName", "profileUrl", "title", "userType"),
        *("preferredLanguage", "locale", "timezone", "active"),
    ),
    ENTERPRISE: ("employeeNumber", "costCenter", "organization", "division", "department"),
}
_COMPLEX: dict[str, dict[str, tuple[str, ...]]] = {
    CORE: {"name": ("formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix")},
    ENTERPRISE: {"manager": ("value",)},
}
_VALUED = ("value", "display", "primary")
_COLLECTIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "emails": (("work", "home", "other"), _VALUED),
    "phoneNumbers": (("work", "home", "mobile", "fax", "pager", "other"), _VALUED),
    "ims": (("aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"), _VALUED),
    "photos": (("photo", "thumbnail"), _VALUED),
    "addresses": (
        ("work", "home", "other"),
        ("formatted", "streetAddress", "locality", "region", "postalCode", "country", "primary"),
    ),
    "entitlements": ((), _VALUED),
    "roles": ((), _VALUED),
}
_PATH = re.compile(
    r'(?P<name>[A-Za-z][\w-]*)(?:\[type eq "(?P<type>[^"\]]+)"\])?(?:\.(?P<sub>[A-Za-z$][\w-]*))?', re.ASCII
)
_TRUE, _FALSE = ("1", "true"), ("0", "false")


@dataclass(frozen=True)
class Attribute:
    """One column of the view and the place in the SCIM user where its value goes."""

    column: str
    position: int
    schema: str
    name: str
    type: str | None = None
    sub: str | None = None
    kind: str = "string"
    at: time | None = None

    @property
    def path(self) -> str:
        """The full path, the same however the column spelled it."""
        filtered = f'{self.name}[type eq "{self.type}"]' if self.type else self.name
        dotted = f"{filtered}.{self.sub}" if self.sub else filtered
        return dotted if self.schema == CORE else f"{self.schema}:{dotted}"

    def value(self, raw: Any, zone: ZoneInfo) -> Any:
        """The value as the SCIM schema types it; None for nothing. Raises ValueError with the reason."""
        if raw is None or raw == "":
            return None
        if self.at:
            return _instant(_day(raw), self.at, zone)
        return _KINDS[self.kind](raw)


@dataclass(slots=True)
class User:
    """A SCIM user of one person: its values in the mapping's order, and the hash that tells whether it changed.

    Nobody changes one; that it can be changed makes it several times as fast to make, of everybody in a company.
    """

    employee_id: str
    external_id: str
    user_name: str
    active: bool
    manager_id: str | None
    values: tuple[Any, ...]
    hash: str
    as_sent: Mapping[str, Any] | None = field(default=None, compare=False)
    """The resource itself, where it is not made from a row: what was last sent, made inactive."""


class Unsendable(ValueError):
    """This person's row makes no SCIM user; nobody else is touched. Reasons name attributes, never values."""

    def __init__(self, reasons: Sequence[str]) -> None:
        """Keep every reason."""
        self.reasons = tuple(reasons)
        super().__init__("; ".join(reasons))


@dataclass(frozen=True)
class ScimMapping:
    """The view's columns, understood."""

    columns: tuple[str, ...]
    control: Mapping[str, int]
    attributes: tuple[Attribute, ...]
    explicit_nulls: bool
    _order: tuple[int, ...]
    _prefix: bytes

    def column_of(self, path: str) -> str | None:
        """The column whose value goes to a path, if the view has one."""
        return next((a.column for a in self.attributes if a.path == path), None)

    def cell(self, row: Sequence[Any], control: str) -> Any:
        """A control column's value; None where the view has none. `''` is null."""
        position = self.control.get(control)
        value = None if position is None else row[position]
        return None if value == "" else value

    def raw_active(self, row: Sequence[Any]) -> bool:
        """What the view says of `active`. Raises Unsendable where it says nothing."""
        attribute = self.attributes[self._active]
        raw = row[attribute.position]
        if type(raw) is int and raw in (0, 1):
            return raw == 1
        try:
            found = attribute.value(raw, _UTC)
        except ValueError as exc:
            raise Unsendable([f"active {exc}"]) from None
        if found is None:
            raise Unsendable(["active is null"])
        return bool(found)

    def user_name(self, row: Sequence[Any]) -> str | None:
        """The userName of a row; None where there is none that can be read."""
        return self._text(self.attributes[self._user_name], row)

    def work_mail(self, row: Sequence[Any]) -> str | None:
        """The work e-mail address of a row; None where there is none that can be read."""
        return None if self._work_mail is None else self._text(self.attributes[self._work_mail], row)

    def mail_of(self, user: User) -> str | None:
        """The work e-mail address of a SCIM user."""
        found = self.flat(user).get(WORK_MAIL)
        return None if found is None else str(found)

    def with_user_name(self, row: Sequence[Any], name: str) -> tuple[Any, ...]:
        """The same row with another userName."""
        position = self.attributes[self._user_name].position
        return (*row[:position], name, *row[position + 1 :])

    def text(self, row: Sequence[Any], path: str) -> str | None:
        """What a row has for a path, as text; None where the view has no such column, or nothing that can be read."""
        place = self._places.get(path)
        return None if place is None else self._text(self.attributes[place], row)

    def user(self, row: Sequence[Any], active: bool, zone: ZoneInfo) -> User:
        """The SCIM user of a row, with `active` as the dates make it. Raises Unsendable with every reason."""
        values = list(self._taken(row))
        reasons = []
        for place, (as_it_is, attribute) in enumerate(self._cells):
            raw = values[place]
            if raw is None or (as_it_is and type(raw) is str and raw and raw.isascii()):
                continue
            try:
                values[place] = attribute.value(raw, zone)
            except ValueError as exc:
                values[place] = None
                reasons.append(f"{attribute.column} {exc}")
        values[self._active] = active
        employee_id = str(row[self.control["EmployeeId"]])
        reasons += self._unfit_names(employee_id, values, [r.partition(" ")[0] for r in reasons])
        if reasons:
            raise Unsendable(reasons)
        manager = values[self._manager] if self._manager is not None else None
        external_id, user_name = values[self._external_id], values[self._user_name]
        return User(employee_id, external_id, user_name, active, manager, tuple(values), self._hash(values))

    def hashes(self, rows: Sequence[Sequence[Any]], zone: ZoneInfo) -> list[str | None]:
        """The hash of what `user` makes of each of these rows, were she active, for whoever needs no more than that.

        Column by column, in a fraction of the time. None for a row of which `user` must tell.
        """
        if not self.explicit_nulls or not rows:
            return [None] * len(rows)
        columns = list(zip(*map(self._taken, rows), strict=True))
        encoded = [self._encoded(place, columns[place], zone) for place in self._order]
        return [None if None in texts else self._digest(texts) for texts in zip(*encoded, strict=True)]

    def _encoded(self, place: int, values: Sequence[Any], zone: ZoneInfo) -> Sequence[Any]:
        """An attribute of many people as their hashes have it; None where a value does not fit it."""
        if place == self._active:
            return ["true"] * len(values)
        as_it_is, attribute = self._cells[place]
        texts = set(map(type, values)) <= _TEXT_OR_NONE
        if texts and as_it_is and _is_whole("".join(filter(None, values))):
            return [encode_basestring_ascii(value) if value else "null" for value in values]

        def encoded(raw: Any) -> str | None:
            try:
                return _as_json(attribute.value(raw, zone))
            except ValueError:
                return None

        if texts:  # days, which many people share
            return list(map({raw: encoded(raw) for raw in set(values)}.__getitem__, values))
        return list(map(encoded, values))

    def _unfit_names(self, employee_id: str, values: Sequence[Any], told: Sequence[str]) -> Iterator[str]:
        """What is wrong with the names a person goes by, apart from what was `told` of these attributes."""
        external_id, user_name = values[self._external_id], values[self._user_name]
        for path, name in (("externalId", external_id), ("userName", user_name)):
            if path not in told and not (name or "").strip():
                yield f"{path} is {'null' if name is None else 'blank'}"
        if len(external_id or "") > LONGEST_EXTERNAL_ID:
            yield f"externalId is longer than {LONGEST_EXTERNAL_ID} characters"
        if not _is_whole(employee_id):
            yield "EmployeeId is not valid Unicode"

    def resource(self, user: User) -> dict[str, Any]:
        """The SCIM resource as it is sent: complete, unset attributes as null (or left out, `SCIM_NULLS=omit`)."""
        if user.as_sent is not None:
            return dict(user.as_sent)
        data: dict[str, Any] = {"schemas": []}
        schemas = [CORE, ENTERPRISE]
        for attribute, value in zip(self.attributes, user.values, strict=True):
            if value is None and not self.explicit_nulls:
                continue
            if attribute.schema not in schemas:
                schemas.append(attribute.schema)
            _put(data, attribute, value)
        data["schemas"] = schemas
        return data

    def flat(self, user: User) -> dict[str, Any]:
        """Path → value, for showing what differs."""
        if user.as_sent is not None:
            return flatten(user.as_sent)
        return dict(zip(self._places, user.values, strict=True))

    @staticmethod
    def _text(attribute: Attribute, row: Sequence[Any]) -> str | None:
        raw = row[attribute.position]
        if raw and type(raw) is str and attribute.at is None and attribute.kind == "string" and raw.isascii():
            return raw
        try:
            found = attribute.value(raw, _UTC)
        except ValueError:
            return None
        return None if found is None else str(found)

    def _hash(self, values: Sequence[Any]) -> str:
        if self.explicit_nulls:
            return self._digest(map(_as_json, self._in_order(values)))
        text = json.dumps([[self.attributes[i].path, values[i]] for i in self._order if values[i] is not None])
        return hashlib.sha256(self._prefix + text.encode()).hexdigest()

    def _digest(self, texts: Iterable[str]) -> str:
        """The hash of values that are JSON already, in the order of their paths."""
        return hashlib.sha256(self._prefix + f"[{', '.join(texts)}]".encode()).hexdigest()

    @functools.cached_property
    def _taken(self) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
        """Takes each attribute's value out of a row."""
        return operator.itemgetter(*(a.position for a in self.attributes))

    @functools.cached_property
    def _in_order(self) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
        """Puts values into the order of their hash."""
        return operator.itemgetter(*self._order)

    @functools.cached_property
    def _cells(self) -> tuple[tuple[bool, Attribute], ...]:
        """Each attribute, and whether a usual text goes as it is."""
        return tuple((a.kind == "string" and a.at is None, a) for a in self.attributes)

    @functools.cached_property
    def _places(self) -> dict[str, int]:
        return {a.path: n for n, a in enumerate(self.attributes)}

    @functools.cached_property
    def _active(self) -> int:
        return self._places["active"]

    @functools.cached_property
    def _external_id(self) -> int:
        return self._places["externalId"]

    @functools.cached_property
    def _user_name(self) -> int:
        return self._places["userName"]

    @functools.cached_property
    def _work_mail(self) -> int | None:
        return self._places.get(WORK_MAIL)

    @functools.cached_property
    def _manager(self) -> int | None:
        return self._places.get(f"{ENTERPRISE}:manager.value")


def compile_mapping(
    columns: Sequence[str], extensions: Mapping[str, Extension], *, explicit_nulls: bool
) -> ScimMapping:
    """Understand the view's columns. Raises one MappingError that names every column that is wrong."""
    named = tuple((prefix, e.urn, *e.types.items()) for prefix, e in extensions.items())
    return _compiled(tuple(columns), named, explicit_nulls)


@functools.lru_cache(maxsize=8)
def _compiled(columns: tuple[str, ...], named: tuple[Any, ...], explicit_nulls: bool) -> ScimMapping:
    """Every run asks, and it changes once in a while."""
    extensions = {prefix: Extension(urn, dict(types)) for prefix, urn, *types in named}
    problems: list[str] = []
    control, attributes = {}, []
    for position, column in enumerate(columns):
        if column in CONTROL_COLUMNS:
            control[column] = position
        elif column != "timezone" and (wanted := _lookalike(column, CONTROL_COLUMNS)):
            problems.append(f"{column}: a control column is spelled {wanted}.")
        elif attribute := _attribute(column, position, extensions, problems):
            attributes.append(attribute)
    _check_whole(control, attributes, problems)
    if problems:
        raise MappingError([f"dbo.ScimUsers {p}" for p in problems])
    order = tuple(sorted(range(len(attributes)), key=lambda n: attributes[n].path))
    prefix = json.dumps([attributes[n].path for n in order] if explicit_nulls else []).encode()
    return ScimMapping(columns, control, tuple(attributes), explicit_nulls, order, prefix)


def inactive(employee_id: str, sent: Mapping[str, Any], sent_hash: str | None) -> User:
    """What was last sent of somebody, inactive. `sent_hash` is its hash; what was sent as inactive stays the same."""
    resource = {**sent, "active": False}
    text = json.dumps(resource, sort_keys=True)
    unchanged = sent_hash is not None and sent.get("active") is False
    return User(
        employee_id=employee_id,
        external_id=str(sent["externalId"]),
        user_name=str(sent["userName"]),
        active=False,
        manager_id=None,
        values=tuple(flatten(resource).values()),
        hash=str(sent_hash) if unchanged else hashlib.sha256(text.encode()).hexdigest(),
        as_sent=resource,
    )


def flatten(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Path → value of a SCIM user as it was sent, spelled as `ScimMapping.flat` spells it."""
    found: dict[str, Any] = {}
    for name, value in resource.items():
        if name == "schemas":
            continue
        if isinstance(value, dict) and name.startswith("urn:"):
            for inner, part in value.items():
                _flatten_into(found, f"{name}:{inner}", part)
        else:
            _flatten_into(found, name, value)
    return found


def _flatten_into(found: dict[str, Any], path: str, value: Any) -> None:
    if isinstance(value, dict):
        for sub, part in value.items():
            found[f"{path}.{sub}"] = part
    elif isinstance(value, list):
        for element in value:
            filtered = f'{path}[type eq "{element.get("type")}"]'
            found.update({f"{filtered}.{sub}": part for sub, part in element.items() if sub != "type"})
    else:
        found[path] = value


def bulk_request(resources: Sequence[tuple[str, Mapping[str, Any]]]) -> bytes:
    """The body of one bulkUpload call: at most 50 pairs of (bulkId, SCIM resource), every bulkId its own."""
    if not 1 <= len(resources) <= MOST_OPERATIONS:
        raise ValueError(f"a bulk request holds 1 to {MOST_OPERATIONS} operations, not {len(resources)}")
    operations = [{"method": "POST", "bulkId": bulk_id, "path": "/Users", "data": data} for bulk_id, data in resources]
    document = {"schemas": [BULK_REQUEST], "Operations": operations, "failOnErrors": None}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "strict")


def _as_json(value: Any) -> str:
    """As `json.dumps`, which takes ten times as long for what is no more than a word."""
    if type(value) is str:
        return encode_basestring_ascii(value)
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    return json.dumps(value)


def _put(data: dict[str, Any], attribute: Attribute, value: Any) -> None:
    home = data if attribute.schema == CORE else data.setdefault(attribute.schema, {})
    if attribute.type:
        elements = home.setdefault(attribute.name, [])
        element = next((e for e in elements if e["type"] == attribute.type), None)
        if element is None:
            element = {"type": attribute.type}
            elements.append(element)
        element[attribute.sub] = value
    elif attribute.sub:
        home.setdefault(attribute.name, {})[attribute.sub] = value
    else:
        home[attribute.name] = value


def _check_whole(control: Mapping[str, int], attributes: list[Attribute], problems: list[str]) -> None:
    if "EmployeeId" not in control:
        problems.append("EmployeeId: the view has no column of this name; it is the key of everything.")
    first: dict[str, str] = {}
    types: dict[str, str] = {}
    for attribute in attributes:
        place = attribute.path.casefold()
        element = place.partition("]")[0]
        if place in first:
            problems.append(f"{attribute.column}: goes to the same place as {first[place]}.")
        elif attribute.type and types.setdefault(element, attribute.type) != attribute.type:
            problems.append(f"{attribute.column}: another column spells the type {types[element]}.")
        first.setdefault(place, attribute.column)
    for needed in ("externalId", "userName", "active"):
        wrong = any(p.split(":", 1)[0].casefold() == needed.casefold() for p in problems)
        if needed.casefold() not in first and not wrong:
            problems.append(f"{needed}: the view has no column of this name; every request needs it.")


def _attribute(
    column: str, position: int, extensions: Mapping[str, Extension], problems: list[str]
) -> Attribute | None:
    try:
        path, at = _split_time(column)
        schema, rest = _schema(path, extensions)
        match = _PATH.fullmatch(rest)
        if not match:
            raise ValueError(
                f'is not a SCIM path such as userName, name.givenName or emails[type eq "work"].value{_doubled(rest)}.'
            )
        name, kind, sub = match["name"], match["type"], match["sub"]
        _check_place(schema, name, kind, sub)
        typed = _kind(schema, name, sub, extensions)
        if at and typed not in ("string", "dateTime"):
            raise ValueError(f"@HH:MM belongs to dates; this attribute is a {typed}.")
        return Attribute(column, position, schema, name, kind, sub, typed, at)
    except ValueError as exc:
        problems.append(f"{column}: {exc}")
        return None


def _doubled(rest: str) -> str:
    return " (SQLite writes :1 behind a name that the view has twice)" if re.search(r":\d+$", rest) else ""


def _split_time(column: str) -> tuple[str, time | None]:
    path, mark, text = column.partition("@")
    if not mark:
        return path, None
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text, re.ASCII):
        raise ValueError("what follows @ must be a time of day, HH:MM.")
    return path, time.fromisoformat(text)


def _schema(path: str, extensions: Mapping[str, Extension]) -> tuple[str, str]:
    """The schema's URN and what is left of the path."""
    if path.lower().startswith("urn:"):
        return _by_urn(path, extensions)
    prefix, colon, rest = path.partition(":")
    if not colon:
        return CORE, path
    urns = {"enterprise": ENTERPRISE, **{name: e.urn for name, e in extensions.items()}}
    if prefix in urns:
        return urns[prefix], rest
    if rest.isdigit():
        raise ValueError(f"the view has {prefix} twice.")
    wanted = _lookalike(prefix, urns)
    hint = f"write {wanted}:" if wanted else f"known are {', '.join(urns)}; others go into SCIM_EXTENSIONS"
    raise ValueError(f"{prefix}: is not a known prefix; {hint}.")


def _by_urn(path: str, extensions: Mapping[str, Extension]) -> tuple[str, str]:
    for urn in (CORE, ENTERPRISE, *(e.urn for e in extensions.values())):
        if path.startswith(f"{urn}:"):
            return urn, path[len(urn) + 1 :]
        if path.lower() == urn.lower():
            raise ValueError("is a schema; write : and an attribute behind it.")
        if path.lower().startswith(f"{urn}:".lower()):
            raise ValueError(f"the schema is spelled {urn}.")
    urn, _, rest = path.rpartition(":")
    if not re.fullmatch(r"urn:[a-z0-9][a-z0-9-]{0,31}:\S+", urn):
        raise ValueError("is not a full URN followed by : and an attribute.")
    return urn, rest


def _check_place(schema: str, name: str, kind: str | None, sub: str | None) -> None:
    """Raises ValueError unless RFC 7643 has such a place."""
    if schema not in (CORE, ENTERPRISE):
        if kind or sub:
            raise ValueError("an extension attribute has neither a filter nor a part.")
        return
    collections: Mapping[str, Any] = _COLLECTIONS if schema == CORE else {}
    complexes = _COMPLEX[schema]
    known = (*_SIMPLE[schema], *complexes, *collections)
    if name not in known:
        wanted = _lookalike(name, known)
        raise ValueError(f"is spelled {wanted}." if wanted else f"{schema} has no attribute {name} that can be sent.")
    if name in collections:
        _check_element(name, kind, sub)
    elif kind:
        raise ValueError(f"{name} is no collection and takes no [type eq …].")
    elif name in complexes:
        _check_part(name, sub, complexes[name])
    elif sub:
        raise ValueError(f"{name} has no parts.")


def _check_element(name: str, kind: str | None, sub: str | None) -> None:
    types, parts = _COLLECTIONS[name]
    if not kind:
        raise ValueError(f'{name} is a collection: write {name}[type eq "{(types or ("…",))[0]}"].{parts[0]}.')
    if types and kind not in types:
        raise ValueError(f"the types of {name} are {', '.join(types)}.")
    _check_part(name, sub, parts)


def _check_part(name: str, sub: str | None, parts: Sequence[str]) -> None:
    if sub in parts:
        return
    wanted = _lookalike(sub or "", parts)
    raise ValueError(f"the part is spelled {wanted}." if wanted else f"the parts of {name} are {', '.join(parts)}.")


def _kind(schema: str, name: str, sub: str | None, extensions: Mapping[str, Extension]) -> str:
    if schema in (CORE, ENTERPRISE):
        return "boolean" if name == "active" or sub == "primary" else "string"
    declared = next((e.types for e in extensions.values() if e.urn == schema), {})
    if name not in declared and (wanted := _lookalike(name, declared)):
        raise ValueError(f"is spelled {wanted} in SCIM_EXTENSIONS.")
    return declared.get(name, "string")


def _lookalike(name: str, known: Sequence[str] | Mapping[str, str]) -> str | None:
    return next((k for k in known if k.casefold() == name.casefold() and k != name), None)


def _string(raw: Any) -> str:
    if isinstance(raw, str):
        return raw if raw.isascii() else _whole(raw)
    if isinstance(raw, bool):
        return str(int(raw))
    if isinstance(raw, datetime):
        return raw.strftime("%Y-%m-%d %H:%M:%S.%f0").rjust(27, "0")
    if isinstance(raw, date):
        return raw.isoformat()
    if isinstance(raw, Decimal | float):
        return _number(raw)
    if isinstance(raw, bytes | bytearray):
        raise ValueError("is binary; SCIM attributes are text here")
    return str(raw)


def _whole(text: str) -> str:
    """A text that can be sent: a view that cuts one may leave half a letter."""
    if not _is_whole(text):
        raise ValueError("is not valid Unicode")
    return text


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _number(raw: Decimal | float) -> str:
    """In the shortest form: what SQL Server has as 12.50 is 12.5 in SQLite."""
    text = format(Decimal(str(raw)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _boolean(raw: Any) -> bool:
    if type(raw) in (int, bool) and raw in (0, 1):
        return bool(raw)
    text = _string(raw).strip().lower()
    if text not in _TRUE + _FALSE:
        raise ValueError("is neither true nor false")
    return text in _TRUE


def _integer(raw: Any) -> int:
    text = _string(raw).strip()
    if not re.fullmatch(r"[+-]?\d{1,18}(\.0+)?", text, re.ASCII):
        raise ValueError("is not a whole number")
    return int(text.partition(".")[0])


def _date_time(raw: Any) -> str:
    try:
        text = re.sub(r"(\.\d{6})\d+", r"\1", _string(raw).strip())
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("is not a date and time") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return _in_utc(moment)


def _day(raw: Any) -> date:
    if isinstance(raw, datetime):
        return raw.date()
    if isinstance(raw, date):
        return raw
    try:
        return date.fromisoformat(str(raw).strip()[:10])
    except ValueError:
        raise ValueError("is not a date") from None


@functools.lru_cache(maxsize=65536)
def _instant(day: date, at: time, zone: ZoneInfo) -> str:
    """The UTC instant of a local time; the far ends of the calendar stay in it."""
    return _in_utc(datetime.combine(day, at, zone))


def _in_utc(moment: datetime) -> str:
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        moment = moment.replace(tzinfo=UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")


_UTC = ZoneInfo("UTC")
_TEXT_OR_NONE = frozenset((str, type(None)))
_KINDS = {"string": _string, "boolean": _boolean, "integer": _integer, "dateTime": _date_time}
