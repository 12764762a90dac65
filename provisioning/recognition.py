"""Which field of an HR system is which attribute: fields, by their names and what was seen of them → columns of a view.

Pure. Names are those that HR systems use for the same thing (firstName, first_name, givenName). What is private is
never recognised: addresses of the home, private mail and telephone numbers, birth dates, whatever is about relatives.
A field is only taken where what was seen of it agrees, so that a first mapping can be sent from as it is.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from provisioning.inference import Field, Shape, flat_name, tokens

Recipe = Callable[[Field, Shape], bool]


@dataclass(frozen=True)
class Line:
    """One column of the view: an expression over fields (`{0}`, `{1}` …), the column it becomes, and a remark."""

    expression: str
    fields: tuple[Field, ...]
    column: str
    remark: str = ""


@dataclass(frozen=True)
class Recognised:
    """A first mapping: its lines in order, the fields that are in none, and what somebody must look at."""

    lines: tuple[Line, ...]
    others: tuple[Field, ...]
    remarks: tuple[str, ...]


_OF_PERSON = {
    *("attributes", "basic", "core", "current", "data", "details", "employee", "fields", "general", "hr", "info"),
    *(
        "information",
        "internal",
        "main",
        "person",
        "personal",
        "primary",
        "profile",
        "record",
        "root",
        "user",
        "worker",
    ),
}
_OF_JOB = {
    *("assignment", "audit", "contact", "contract", "employment", "job", "meta", "metadata", "org", "organisation"),
    *("organization", "position", "system", "unit", "work"),
}
"""Words before a name that say only where it stands: personal_firstName, employment_startDate. The latter say nothing
of a name: unit_name is not a person's."""

_PRIVATE = {
    *("alternate", "assistant", "dependent", "emergency", "former", "home", "kin", "partner", "personal", "previous"),
    *("private", "secondary", "spouse"),
}
_OF_WORK = {"work", "business", "office", "company", "corporate", "internal"}
_SUFFIXES = ("", "name", "value", "label", "title", "displayname", "descriptor", "description")

ACTIVE_WORDS = ("a", "active", "current", "employed", "hired", "working", "on leave", "leave", "probation")
INACTIVE_WORDS = ("i", "inactive", "former", "left", "resigned", "retired", "separated", "terminated", "deceased")
"""What a status says in many systems. Of any other word nobody knows: those people are parked until the view says."""

_HONORIFICS = {"mr", "mrs", "ms", "miss", "mx", "dr", "prof", "mr.", "mrs.", "ms.", "dr.", "prof.", "herr", "frau"}

VALID_FROM = (
    *("validfrom", "startdate", "employmentstartdate", "hiredate", "datehired", "hireddate", "hiredon", "startedon"),
    *(
        "startedat",
        "joiningdate",
        "joindate",
        "dateofjoining",
        "dateofhire",
        "entrydate",
        "onboardingdate",
        "begindate",
    ),
    *("latesthiredate", "originalhiredate", "contractstartdate", "firstworkingday", "firstdayofwork"),
)
HIRED = ("hiredate", "datehired", "hireddate", "hiredon", "dateofhire", "originalhiredate", *VALID_FROM)
VALID_TO = (
    *("validto", "lastworkingday", "lastdayofwork", "lastday", "lastdate", "enddate", "employmentenddate"),
    *("terminationdate", "dateterminated", "terminateddate", "terminatedon", "leavingdate", "leavedate", "leftdate"),
    *("dateofleaving", "exitdate", "separationdate", "contractenddate"),
)
MODIFIED = (
    *("modifieddatetime", "lastmodifieddatetime", "lastmodified", "lastmodifieddate", "modifiedat", "modifiedon"),
    *("modified", "updatedat", "updatedon", "updated", "lastupdated", "lastupdate", "lastchanged", "changedat"),
)
FLAGS = ("active", "isactive", "enabled", "isenabled", "employed", "isemployed", "iscurrent", "isemployee")
COUNTER_FLAGS = ("inactive", "isinactive", "terminated", "isterminated", "disabled", "isdisabled", "hasleft")
STATUSES = ("status", "employmentstatus", "employeestatus", "workerstatus", "hrstatus", "personstatus", "state")
GIVEN = (
    *("givenname", "firstname", "forename", "namefirst", "namegiven", "namefirstname", "namegivenname"),
    *("legalfirstname", "vorname"),
)
FAMILY = (
    *("familyname", "lastname", "surname", "namelast", "namefamily", "namelastname", "namefamilyname"),
    *("legallastname", "nachname"),
)
MANAGERS = (
    *("manager", "linemanager", "directmanager", "supervisor", "reportsto", "reportingto", "reportingmanager"),
    *("superior", "leader", "boss"),
)
_KEYS = (
    *("", "id", "employeeid", "workerid", "personid", "eid", "uuid", "key", "code", "value"),
    *("number", "employeenumber", "workernumber", "employeecode", "workercode"),
)


def _text(field: Field, _shape: Shape) -> bool:
    return field.column.type == "nvarchar" and field.filled > 0


def _day(field: Field, _shape: Shape) -> bool:
    return field.column.type in ("date", "datetime2")


def _moment(field: Field, _shape: Shape) -> bool:
    return field.column.type == "datetime2"


def _flag(field: Field, _shape: Shape) -> bool:
    return field.column.type == "bit"


def _mail(field: Field, _shape: Shape) -> bool:
    return _text(field, _shape) and field.addresses * 10 >= field.filled * 9


def _title(field: Field, shape: Shape) -> bool:
    return _text(field, shape) and not set(field.words) <= _HONORIFICS


def _of_managers(field: Field, shape: Shape) -> bool:
    """Whether most of its values are keys of this very table: `manager.value` is the manager's externalId."""
    known = sum(word in shape.key.words for word in field.words)
    return field is not shape.key and bool(field.words) and known * 2 > len(field.words)


def _unique(field: Field, shape: Shape) -> bool:
    """Whether everybody has one, and everybody another."""
    return _text(field, shape) and field.filled == shape.records == field.distinct


@dataclass(frozen=True)
class _Attribute:
    """An attribute: the names of its field in many systems, the best first, and what must be seen of it."""

    column: str
    names: tuple[str, ...]
    fits: Recipe = _text
    contact: bool = False
    of_person: bool = False
    suffixes: tuple[str, ...] = ("",)


_ATTRIBUTES = (
    _Attribute(
        "displayName", ("displayname", "fullname", "name", "formattedname", "namefull", "namedisplay"), of_person=True
    ),
    _Attribute("name.givenName", GIVEN, of_person=True),
    _Attribute("name.middleName", ("middlename", "namemiddle", "secondname", "namemiddlename")),
    _Attribute("name.familyName", FAMILY, of_person=True),
    _Attribute("nickName", ("nickname", "preferredname", "preferredfirstname", "knownas", "namepreferred")),
    _Attribute(
        "title",
        ("jobtitle", "title", "positiontitle", "businesstitle", "job", "position", "jobprofile", "designation"),
        _title,
        suffixes=_SUFFIXES,
    ),
    _Attribute(
        "userType",
        ("employmenttype", "employeetype", "workertype", "contracttype", "jobtype", "usertype"),
        suffixes=_SUFFIXES,
    ),
    _Attribute("preferredLanguage", ("preferredlanguage", "language", "languagecode", "languageid", "locale")),
    _Attribute(
        'emails[type eq "work"].value',
        ("workemail", "businessemail", "companyemail", "email", "emailaddress", "mail", "officeemail", "emailwork"),
        _mail,
        contact=True,
        suffixes=("", "address", "value"),
    ),
    _Attribute(
        'phoneNumbers[type eq "work"].value',
        ("workphone", "businessphone", "officephone", "companyphone", "phonework", "deskphone"),
        contact=True,
        suffixes=("", "number", "value"),
    ),
    _Attribute(
        'phoneNumbers[type eq "mobile"].value',
        ("workmobile", "businessmobile", "companymobile", "workmobilephone", "workcell", "companycell"),
        contact=True,
        suffixes=("", "number", "phone", "value"),
    ),
    _Attribute('addresses[type eq "work"].streetAddress', ("workstreet", "officestreet", "workaddressstreet")),
    _Attribute(
        'addresses[type eq "work"].locality',
        ("workcity", "officecity", "locationcity", "workaddresscity", "worklocation", "location", "site", "office"),
        contact=True,
        suffixes=_SUFFIXES,
    ),
    _Attribute(
        'addresses[type eq "work"].country',
        ("workcountry", "officecountry", "locationcountry", "workaddresscountry", "sitecountry"),
        contact=True,
        suffixes=("", "code"),
    ),
    _Attribute(
        "enterprise:organization",
        ("company", "legalentity", "employer", "organization", "organisation"),
        suffixes=_SUFFIXES,
    ),
    _Attribute("enterprise:division", ("division", "businessunit"), suffixes=_SUFFIXES),
    _Attribute(
        "enterprise:department",
        ("department", "dept", "orgunit", "organizationunit", "organizationalunit", "team"),
        suffixes=_SUFFIXES,
    ),
    _Attribute("enterprise:costCenter", ("costcenter", "costcentre"), suffixes=("", "code", "id", "name", "number")),
)


def recognise(shape: Shape) -> Recognised:
    """The first mapping of a table: everything that can be sent without a look, and remarks where one is needed."""
    key, remarks = shape.key, list[str]()
    lines = [Line("{0}", (key,), "EmployeeId"), *_dates(shape)]
    lines += [Line("1", (), "InScope"), Line("{0}", (key,), "externalId"), _user_name(shape), _active(shape, remarks)]
    found = [line for a in _ATTRIBUTES if (line := _line(a, shape))]
    lines += _with_display_name(found)
    lines.append(Line("{0}", (_find(_Attribute("", _NUMBERS), shape) or key,), "enterprise:employeeNumber"))
    lines += [*_manager(shape, remarks), *_dates_sent(shape)]
    used = {f.name for line in lines for f in line.fields}
    return Recognised(tuple(lines), tuple(f for f in shape.fields if f.name not in used), tuple(remarks))


_NUMBERS = ("employeenumber", "personnelnumber", "staffnumber", "payrollnumber", "employeecode")


def _line(attribute: _Attribute, shape: Shape) -> Line | None:
    found = _find(attribute, shape)
    return Line("{0}", (found,), attribute.column) if found else None


def _find(attribute: _Attribute, shape: Shape) -> Field | None:
    """The field whose name fits an attribute best, of those of which what was seen fits, too."""
    ranked = [
        (rank, n)
        for n, field in enumerate(shape.fields)
        if (rank := _rank(attribute, field.name)) is not None and attribute.fits(field, shape)
    ]
    return shape.fields[min(ranked)[1]] if ranked else None


def _rank(attribute: _Attribute, name: str) -> tuple[int, int] | None:
    words = tokens(name)
    if attribute.contact and set(words) & _PRIVATE and not set(words) & _OF_WORK:
        return None
    ranks = (
        (attribute.names.index(base), bare)
        for bare, flat in enumerate(
            _bare_names(name, words, _OF_PERSON if attribute.of_person else _OF_PERSON | _OF_JOB)
        )
        for suffix in attribute.suffixes
        if flat.endswith(suffix) and (base := flat.removesuffix(suffix)) in attribute.names
    )
    return min(ranks, default=None)


def _bare_names(name: str, words: Sequence[str], wrappers: Set[str]) -> Iterator[str]:
    """A name as it is, then without the words before it that only say where it stands."""
    yield flat_name(name)
    for n, word in enumerate(words[:-1], 1):
        if word not in wrappers:
            return
        yield "".join(words[n:])


def _dates(shape: Shape) -> Iterator[Line]:
    """The control columns that hold times."""
    for column, names, fits in (
        ("ValidFrom", VALID_FROM, _day),
        ("ValidTo", VALID_TO, _day),
        ("ModifiedDateTime", MODIFIED, _moment),
    ):
        if found := _find(_Attribute("", names, fits), shape):
            yield Line("{0}", (found,), column)


def _dates_sent(shape: Shape) -> Iterator[Line]:
    for column, names in (("hr:HireDate@05:00", HIRED), ("hr:LeaveDate@22:00", VALID_TO)):
        if found := _find(_Attribute("", names, _day), shape):
            yield Line("{0}", (found,), column)


GIVEN_NAME = "COALESCE(u.UserName, CAST({0} AS nvarchar(64)))"
"""The name that was given, where USER_NAME_PATTERNS is set; u is dbo.UserNames."""


def _user_name(shape: Shape) -> Line:
    names = ("userprincipalname", "upn", "username", "loginname", "login", "networkid", "samaccountname")
    if found := _find(_Attribute("", names, _unique), shape):
        return Line("{0}", (found,), "userName")
    return Line(GIVEN_NAME, (shape.key,), "userName")


def _active(shape: Shape, remarks: list[str]) -> Line:
    """A truth value, a status of known words, or everybody: then the last working day and who is missing decide."""
    if flag := _find(_Attribute("", FLAGS, _flag), shape):
        return Line("{0}", (flag,), "active")
    if flag := _find(_Attribute("", COUNTER_FLAGS, _flag), shape):
        return Line("CASE WHEN {0} = 1 THEN 0 WHEN {0} = 0 THEN 1 END", (flag,), "active")
    if status := _find(_Attribute("", STATUSES, suffixes=_SUFFIXES), shape):
        known = sum(count for word, count in status.words.items() if word in (*ACTIVE_WORDS, *INACTIVE_WORDS))
        if unknown := shape.records - known:
            remarks.append(
                f"{status.name} of {unknown} of {shape.records} records is no word that the mapping knows: these "
                "people are parked (active is null) until you add their words to its CASE"
            )
        return Line(_STATUS, (status,), "active")
    remarks.append("no field says who is active: everybody is, until her last working day or until HR lacks her")
    return Line("1", (), "active")


def _case(words: Iterable[str], active: int) -> str:
    listed = ", ".join(f"'{word}'" for word in words)
    return f"        WHEN LOWER({{0}}) IN (\n            {listed}\n        ) THEN {active}\n"


_STATUS = f"CASE\n{_case(ACTIVE_WORDS, 1)}{_case(INACTIVE_WORDS, 0)}    END"


def _with_display_name(found: list[Line]) -> list[Line]:
    """Entra makes no account without a display name: made of the parts where HR has none."""
    by_column: Mapping[str, Line] = {line.column: line for line in found}
    parts = [by_column[c].fields[0] for c in ("name.givenName", "name.familyName") if c in by_column]
    if "displayName" in by_column or len(parts) < 2:
        return found
    return [Line("LTRIM(RTRIM(CONCAT({0}, ' ', {1})))", tuple(parts), "displayName"), *found]


def _manager(shape: Shape, remarks: list[str]) -> Iterator[Line]:
    if found := _find(_Attribute("", MANAGERS, _of_managers, suffixes=_KEYS), shape):
        yield Line("{0}", (found,), "enterprise:manager.value")
    elif other := _find(_Attribute("", MANAGERS, suffixes=_KEYS), shape):
        remarks.append(f"{other.name} does not hold {shape.key.name}s of these people: a manager is told by that alone")
