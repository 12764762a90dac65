"""What holds for every value, not only for those somebody thought of. Deterministic: the same examples every time."""

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from provisioning import columns, database, jobs, ledger, migration, mirror, plan, scim, tables
from provisioning.columns import Column
from provisioning.database import Database
from provisioning.errors import DatabaseError
from provisioning.ledger import Ledger
from provisioning.mirror import Fetch, Table
from provisioning.people import Due, Job, Parked, Person, same_key
from provisioning.scim import ScimMapping, Unsendable
from provisioning.settings import Extension as Schema
from provisioning.settings import Settings
from provisioning.source import Resource
from provisioning.spelling import Spelling
from tests.clock import MovedClock
from tests.conftest import employ, finish
from tests.emulators import entra
from tests.emulators.graph import GraphEmulator
from tests.emulators.hr import HrEmulator
from tests.scim_models import BulkRequest, EnterpriseUser, Extension, User
from tests.test_plan import NOW, rules

HR = "urn:ietf:params:scim:schemas:extension:hr:2.0:User"
KINDS = {"Badge": "integer", "Remote": "boolean", "Seen": "dateTime"}
COLUMNS = (
    *("EmployeeId", "ValidFrom", "ValidTo", "InScope", "Protected", "TimeZone", "ModifiedDateTime"),
    *("externalId", "userName", "active", "displayName", "name.givenName", "title", 'emails[type eq "work"].value'),
    *('emails[type eq "work"].primary', 'addresses[type eq "work"].locality', "enterprise:department"),
    *("enterprise:manager.value", "hr:HireDate@05:00", "hr:LeaveDate@22:00", *(f"hr:{name}" for name in KINDS)),
)
SCHEMAS = {"hr": Schema(HR, KINDS)}
MAPPING = scim.compile_mapping(COLUMNS, SCHEMAS, explicit_nulls=True)
ZONES = (
    *("UTC", "Europe/Amsterdam", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "Pacific/Kiritimati"),
    *("America/Sao_Paulo", "Asia/Beirut", "Africa/Cairo", "Australia/Lord_Howe", "America/St_Johns"),
)
"""Apia once left out a day, Lord Howe moves by half an hour, in São Paulo, Beirut and Cairo midnight may not exist."""


def examples(number: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """So many, the same ones every time, kept nowhere."""
    return settings(
        max_examples=number,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


class HrUser(Extension):
    """The extension of the mapping, as the oracle wants it described."""

    __schema__ = HR
    HireDate: datetime | None = None
    LeaveDate: datetime | None = None
    Badge: int | None = None
    Remote: bool | None = None
    Seen: datetime | None = None
    Remark: str | None = None
    Novel: str | None = None


def sent(mapping: ScimMapping, *users: scim.User) -> list[dict[str, Any]]:
    """What Graph gets of these people, taken for good by the emulator and by a library that we did not write."""
    body = json.loads(scim.bulk_request([(u.employee_id, mapping.resource(u)) for u in users]))
    found = [operation["data"] for operation in body["Operations"]]
    for data in found:
        entra.check_user(data)
    wanted = [{**operation, "data": as_wanted(operation["data"])} for operation in body["Operations"]]
    read = BulkRequest[User[EnterpriseUser | HrUser]].model_validate({**body, "Operations": wanted})
    assert [operation.data.external_id for operation in read.operations or ()] == [u.external_id for u in users]
    return found


def as_wanted(data: dict[str, Any]) -> dict[str, Any]:
    """With a `$ref` for each manager, which Graph's samples leave out. What a mail address is, is another matter."""
    found: dict[str, Any] = json.loads(json.dumps(data))
    manager = found.get(scim.ENTERPRISE, {}).get("manager", {})
    if manager.get("value") is not None:
        manager["$ref"] = "../Users/7"
    for email in found.get("emails", ()):
        email["value"] = email["value"] and "somebody@contoso.com"
    return found


# --- values -------------------------------------------------------------------------------------------------------

EVERY_CHARACTER = st.characters(exclude_categories=())
ODD = st.sampled_from(
    (
        *("", " ", "\t", "\r\n", "\x00", "a\x00b", "\x7f", "\x1b[31m", "\ufeff", "\uffff", "\ud83d", "\udc00x"),
        *("\u202eevil", "\u200f", "😀", "🦸\u200d♀️", "𠮷", "\u00e9", "e\u0301", "ß", "İ"),
        *("O'Brien", '"', "\\", "]", "NULL", "null", "true", "0", "00", "1e3", "1" * 30),
    )
)
LONG = st.builds(lambda text, length: (text * length)[:length], ODD, st.sampled_from((50, 4000)))
TEXTS = ODD | st.text(EVERY_CHARACTER, max_size=12) | LONG
DAYS = st.dates() | st.sampled_from((date.min, date.max, date(2024, 2, 29), date(1900, 2, 28), date(2011, 12, 30)))
NO_DAYS = ("2023-02-29", "0000-01-01", "9999-12-31T23:59:59", "soon", "20260101")
DAY_TEXTS = DAYS.map(date.isoformat) | st.sampled_from(NO_DAYS)
CELLS = (
    (st.none() | TEXTS | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.floats())
    | (st.decimals(allow_nan=False, allow_infinity=False, places=4) | st.binary(max_size=3))
    | (DAYS | st.datetimes() | DAY_TEXTS)
)
"""What a column of a view may give, through either driver."""

PLAIN: dict[str, Any] = {"EmployeeId": "A", "InScope": 1, "externalId": "A", "userName": "a", "active": 1}


def row_of(cells: dict[str, Any]) -> tuple[Any, ...]:
    return tuple({**PLAIN, **cells}.get(name) for name in COLUMNS)


ROWS = st.dictionaries(st.sampled_from(COLUMNS), CELLS, max_size=6).map(row_of)
"""Most cells are as they should be, and a few are anything."""

PAST = st.none() | st.integers(0, 400).map(lambda halves: NOW - timedelta(days=halves / 2))
KNOWN = st.fixed_dictionaries(
    {
        "sent_hash": st.none() | st.just("0" * 64),
        "sent_active": st.none() | st.booleans(),
        "sent_at": PAST,
        "manager_known": st.booleans(),
        "manager_sent": st.booleans(),
        "unanswered": st.none() | st.booleans(),
        "oldest_intent": PAST,
        "maybe_active": st.booleans(),
        "forced_token": st.none() | st.just("f"),
        "sent_valid_to": st.none() | DAYS,
        "valid_to_since": PAST,
        "sent_protected": st.booleans(),
        "missing": st.booleans(),
    }
)
PEOPLE = st.builds(lambda row, known: Person("" if row[0] is None else str(row[0]), row, **known), ROWS, KNOWN)
"""Rows, beside anything that may be known of what was sent."""


def user_of(
    mapping: ScimMapping, row: Sequence[Any], active: bool = True, zone: str = "UTC"
) -> scim.User | tuple[str, ...]:
    """The SCIM user of a row, or the reasons why there is none."""
    try:
        return mapping.user(row, active, ZoneInfo(zone))
    except Unsendable as exc:
        return exc.reasons


# --- the SCIM user is a function of the row and of today ------------------------------------------------------------


@examples(400)
@given(row=ROWS, active=st.booleans(), zone=st.sampled_from(ZONES))
@example(row=row_of({"externalId": " "}), active=True, zone="UTC")
@example(row=row_of({"EmployeeId": "\ud83d"}), active=True, zone="UTC")
@example(row=row_of({"userName": "\t\u2003"}), active=True, zone="UTC")
def test_a_row_makes_a_user_that_graph_takes_or_says_why_not(row: tuple[Any, ...], active: bool, zone: str) -> None:
    """Nothing in between: no other error, no value in a reason, no payload that Graph would refuse."""
    user = user_of(MAPPING, row, active, zone)
    if isinstance(user, tuple):
        assert user
        assert not any(len(cell) > 3 and cell in " ".join(user) for cell in row if isinstance(cell, str))
    else:
        (data,) = sent(MAPPING, user)
        assert data["active"] is active
    assert user == user_of(MAPPING, row, active, zone)


@examples(400)
@given(person=PEOPLE, job=st.sampled_from(Job), prehire=st.booleans())
def test_everybody_is_due_parked_or_neither_and_always_the_same(person: Person, job: Job, prehire: bool) -> None:
    verdict = plan.judge(person, rules(job, mapping=MAPPING, prehire_active=prehire))
    assert verdict is None or isinstance(verdict, Due | Parked)
    assert verdict == plan.judge(person, rules(job, mapping=MAPPING, prehire_active=prehire))
    if isinstance(verdict, Due):
        sent(MAPPING, verdict.user)
    if person.forced_token is not None:
        assert verdict is not None


@examples(250)
@given(
    person=PEOPLE,
    zone=st.sampled_from(ZONES),
    day=st.dates(date(2000, 1, 1), date(2100, 1, 1)),
    times=st.tuples(st.times(), st.times()),
)
def test_what_a_person_is_today_does_not_depend_on_the_time_of_day(
    person: Person, zone: str, day: date, times: tuple[time, time]
) -> None:
    where = ZoneInfo(zone if MAPPING.cell(person.row, "TimeZone") is None else "UTC")
    moments = [datetime.combine(day, at, where).astimezone(UTC) for at in times]
    assume(len({moment.astimezone(where).date() for moment in moments}) == 1)  # not in a day that was left out
    one, other = (
        plan.judge(person, rules(Job.CREATE, mapping=MAPPING, now=moment, time_zone=where)) for moment in moments
    )
    if isinstance(one, Due) and isinstance(other, Due):
        assert one.user == other.user
    else:
        assert one == other


@examples(200)
@given(row=ROWS, seed=st.integers(0, 2**32), explicit=st.booleans())
def test_the_hash_does_not_depend_on_the_order_of_columns(row: tuple[Any, ...], seed: int, explicit: bool) -> None:
    order = random.Random(seed).sample(range(len(COLUMNS)), len(COLUMNS))
    straight = scim.compile_mapping(COLUMNS, SCHEMAS, explicit_nulls=explicit)
    mixed = scim.compile_mapping([COLUMNS[n] for n in order], SCHEMAS, explicit_nulls=explicit)
    user, other = user_of(straight, row), user_of(mixed, [row[n] for n in order])
    if isinstance(user, scim.User) and isinstance(other, scim.User):
        assert user.hash == other.hash
        assert without_order(straight.resource(user)) == without_order(mixed.resource(other))
    else:
        assert set(user) == set(other)  # type: ignore[arg-type]


def without_order(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "schemas": set(data["schemas"])}


@examples(150)
@given(row=ROWS, name=st.sampled_from(COLUMNS[7:]), cell=CELLS)
def test_two_rows_have_one_hash_only_where_the_same_is_sent(row: tuple[Any, ...], name: str, cell: Any) -> None:
    """One cell apart: whatever makes a difference to Graph makes one to the hash, and nothing else does."""
    changed = tuple(cell if column == name else value for column, value in zip(COLUMNS, row, strict=True))
    one, other = user_of(MAPPING, row), user_of(MAPPING, changed)
    assume(isinstance(one, scim.User) and isinstance(other, scim.User))
    assert isinstance(one, scim.User)
    assert isinstance(other, scim.User)
    assert (one.hash == other.hash) == (MAPPING.resource(one) == MAPPING.resource(other))


@examples(150)
@given(rows=st.lists(ROWS, min_size=1, max_size=4), zone=st.sampled_from(ZONES), explicit=st.booleans())
@example(rows=[row_of({}), row_of({"title": "\ud83d"}), row_of({"title": "\udc00"})], zone="UTC", explicit=True)
def test_hashes_made_together_are_those_of_each_user(rows: list[tuple[Any, ...]], zone: str, explicit: bool) -> None:
    """A value that does not fit leaves no hash; names that nobody can have are for whoever makes the user."""
    mapping = scim.compile_mapping(COLUMNS, SCHEMAS, explicit_nulls=explicit)
    for row, found in zip(rows, mapping.hashes(rows, ZoneInfo(zone)), strict=True):
        user = user_of(mapping, row, zone=zone)
        if isinstance(user, scim.User):
            assert found == (user.hash if explicit else None)
        elif found is not None:
            assert all(reason.split()[0] in ("externalId", "userName", "EmployeeId", "active") for reason in user)


@examples(150)
@given(person=PEOPLE, job=st.sampled_from(Job), sent_as=st.sampled_from(("", "what is due", "somebody active")))
@example(Person("A", row_of({}), sent_active=True, sent_hash="0", missing=True), Job.UPDATE, "somebody active")
@example(Person("A", row_of({"TimeZone": "Asia/Kolkata"}), sent_hash="0"), Job.RECONCILE, "somebody active")
def test_whoever_is_looked_at_among_all_others_is_judged_as_by_herself(person: Person, job: Job, sent_as: str) -> None:
    """Also where what her row makes of her is just what was sent, which is told by the hash alone."""
    how = rules(job, mapping=MAPPING)
    verdict, user = plan.judge(person, how), user_of(MAPPING, person.row)
    if sent_as == "what is due" and isinstance(verdict, Due):
        person = replace(person, sent_hash=verdict.user.hash)
    elif sent_as == "somebody active" and isinstance(user, scim.User):
        person = replace(person, sent_hash=user.hash)
    verdict, made = plan.judge(person, how), plan.make([person], how)
    assert made.due == ([verdict] if isinstance(verdict, Due) else [])
    assert made.parked == ([verdict] if isinstance(verdict, Parked) else [])


# --- nobody twice in a request --------------------------------------------------------------------------------------

IDS = st.text("abAB01. ", min_size=1, max_size=3)


@examples(200)
@given(ids=st.lists(IDS, max_size=12), managers=st.lists(IDS, min_size=1, max_size=4), seed=st.integers(0, 999))
def test_a_plan_holds_nobody_twice_and_loses_nobody(ids: list[str], managers: list[str], seed: int) -> None:
    """Ids that are equal but for case and trailing blanks are one person: two rows of her are parked as one."""
    draw = random.Random(seed)
    people = []
    for one in ids:
        manager = draw.choice([*ids, *managers])
        cells = {"EmployeeId": one, "externalId": one, "userName": one, "enterprise:manager.value": manager}
        people.append(Person(one, row_of(cells)))
    made = plan.make(people, rules(Job.CREATE, mapping=MAPPING))
    keys = [d.key for d in made.due] + [p.key for p in made.parked]
    assert len(keys) == len(set(keys))
    assert set(keys) == {same_key(one) for one in ids}
    doubled = {key for key, times in Counter(map(same_key, ids)).items() if times > 1}
    assert not doubled & {d.key for d in made.due}


@examples(8)
@given(
    people=st.integers(1, 110),
    forced=st.sets(st.integers(1, 110), max_size=5),
    faults=st.lists(st.sampled_from(("503", "drop", "lie")), max_size=3),
    refused=st.sets(st.integers(1, 110), max_size=1),
)
def test_no_request_of_the_sender_holds_anybody_twice_and_no_two_at_once_do(
    bridge: Callable[..., Settings],
    small: Database,
    graph: GraphEmulator,
    clock: MovedClock,
    people: int,
    forced: set[int],
    faults: list[str],
    refused: set[int],
) -> None:
    """Whatever is refused, halved, ambiguous or forced meanwhile. The emulator keeps an eye on both."""
    with small.transaction():
        for table in ("ledger", "intents", "forced", "refused", "calls"):
            small.execute(f"DELETE FROM provisioning.{table}")
        small.execute("DELETE FROM dbo.Employees")
    names = [f"P{n:03}" for n in range(1, people + 1)]
    employ(small, *names)
    small.execute("UPDATE dbo.Employees SET ManagerId = 'P' || substr('00' || (substr(EmployeeId, 2) / 3 + 1), -3)")
    settings, bad = bridge(), {f"P{n:03}" for n in refused}
    graph.refuse = lambda data: data["externalId"] in bad
    fail = {
        "503": lambda: graph.fail_next(503),
        "drop": graph.drop_next,
        "lie": lambda: graph.fail_next(503, apply=True),
    }
    for fault in faults:
        fail[fault]()
    book = Ledger(small, settings.bulk_upload.target if settings.bulk_upload else "", "r")
    for n in forced & set(range(1, people + 1)):
        book.force(f"P{n:03}")
    before = len(graph.calls)
    finish(jobs.create, settings, clock)
    for call in graph.calls[before:]:
        assert len(call.external_ids) == len(set(call.external_ids)) <= scim.MOST_OPERATIONS
    assert len(graph.calls) > before
    assert graph.violations == []


# --- text: whole, or refused with a reason --------------------------------------------------------------------------


@dataclass(frozen=True)
class Pipe:
    """The way of one record: HR's JSON, the mirror, the view, the payload."""

    db: Database
    table: Table
    mapping: ScimMapping
    numbers: Iterator[int]
    reads_all_json: bool

    def takes(self, text: Any) -> bool:
        """Whether this server's OPENJSON gives a text back: a compatible one may neither unescape nor read long ones.

        What is refused before it comes there is refused everywhere.
        """
        plain = not isinstance(text, str) or (json.dumps(text, ensure_ascii=False)[1:-1] == text and len(text) <= 2000)
        return self.reads_all_json or plain

    def send(self, **fields: Any) -> dict[str, Any] | tuple[str, ...]:
        """What Graph gets of a record with these fields, or why it gets nothing."""
        record = {"EmployeeId": f"T{next(self.numbers)}", "Active": True, "OrganizationId": "O1", "Name_FullName": "x"}
        fetch = Fetch(self.table, tables.keys(self.db, self.table))
        taken = fetch.take([json.loads(json.dumps({**record, **fields}))])
        if fetch.rejected:
            return fetch.rejected[0].reasons
        assume(all(map(self.takes, fields.values())))
        key = taken[0][self.table.key.name]
        with self.db.transaction():
            tables.write(self.db, self.table, fetch.changes(taken, tables.held(self.db, self.table, taken)))
        assert tables.held(self.db, self.table, taken) == {key: taken[0]}  # or every ingest would write it again
        (person,) = Ledger(self.db, "t", "r").people_of(self.mapping, [key])
        verdict = plan.judge(plan.as_forced(person), rules(Job.CREATE, mapping=self.mapping))
        if isinstance(verdict, Parked):
            return verdict.reasons
        assert isinstance(verdict, Due)
        return sent(self.mapping, verdict.user)[0]


@pytest.fixture
def pipe(connection_string: str, clock: MovedClock) -> Iterator[Pipe]:
    """A mirror with two more columns, one of 4,000 characters and one without end, that the mapping sends."""
    with database.connect(connection_string, clock) as db:
        endless = '"nvarchar(max)"' if db.engine == "sqlite" else "nvarchar(max)"
        db.execute("ALTER TABLE dbo.Employees ADD Remark nvarchar(4000) NULL")
        db.execute(f"ALTER TABLE dbo.Employees ADD Novel {endless} NULL")
        view = (migration.SCRIPTS / "mapping.sql").read_text(encoding="utf-8")
        view = view.replace("\nFROM", ",\n    e.Remark AS 'hr:Remark',\n    e.Novel AS 'hr:Novel'\nFROM")
        db.execute("DROP VIEW dbo.ScimUsers")
        db.execute(re.sub(r"(FROM|JOIN) dbo\.", r"\1 ", view) if db.engine == "sqlite" else view)
        extensions = Settings.from_environ({}).extensions
        mapping = scim.compile_mapping(ledger.view_columns(db), extensions, explicit_nulls=True)
        yield Pipe(
            db, tables.describe(db, Resource("Employees", "EmployeeId", "x")), mapping, count(), reads_all_json(db)
        )
        if db.engine != "sqlite":  # its files are thrown away
            db.execute("DROP VIEW dbo.ScimUsers")
            for column in ("Remark", "Novel"):
                db.execute(f"ALTER TABLE dbo.Employees DROP COLUMN {column}")
            migration.migrate(db)


def reads_all_json(db: Database) -> bool:
    if db.engine == "sqlite":
        return True
    document, long = "SELECT j.a FROM OPENJSON(?) WITH (a nvarchar(max) '$.a') AS j", '"' + "x" * 5000
    try:
        return list(db.select(document, (json.dumps({"a": long}),), "t")) == [(long,)]
    except DatabaseError:
        return False


LENGTHS = {"Name_FirstName": 100, "Title": 50, "Remark": 4000}


def cannot_be_held(text: str, column: str) -> bool:
    """Whether a column of nvarchar cannot hold a text: NUL, half a letter, or too many UTF-16 units."""
    halves = any(0xD800 <= ord(letter) < 0xE000 for letter in text)
    units = sum(2 if ord(letter) > 0xFFFF else 1 for letter in text)
    return halves or "\0" in text or units > LENGTHS.get(column, units)


@examples(120)
@given(first=TEXTS, title=TEXTS, remark=TEXTS, novel=TEXTS)
@example(first="😀" * 50, title="😀" * 25, remark="😀" * 2000, novel="😀" * 4000)
@example(first="😀" * 51, title="", remark="", novel="")
@example(first="x", title="a\x00b", remark="", novel="")
@example(first="x", title="", remark="\ud83d", novel="")
@example(first="\u202eevil\u202c", title="\u200f", remark="é" * 4000, novel=" trailing ")
def test_a_text_arrives_whole_or_is_refused_with_its_column(
    pipe: Pipe, first: str, title: str, remark: str, novel: str
) -> None:
    """4-byte letters, marks of direction, NUL, half letters, 4,000 characters: nothing is cut, lost or replaced."""
    texts = {"Name_FirstName": first, "Title": title, "Remark": remark, "Novel": novel}
    wrong = {name for name, text in texts.items() if cannot_be_held(text, name)}
    found = pipe.send(**texts)
    if isinstance(found, tuple):
        assert {reason.partition(":")[0].casefold() for reason in found} == {name.casefold() for name in wrong}
        assert not any(len(text) > 3 and text in reason for reason in found for text in texts.values())
    else:
        arrived = (found["name"]["givenName"], found["title"], found[HR]["Remark"], found[HR]["Novel"])
        assert (arrived, wrong) == (tuple(text or None for text in texts.values()), set())


@examples(80)
@given(key=TEXTS)
def test_an_id_arrives_whole_or_is_refused(pipe: Pipe, key: str) -> None:
    """As the key of the mirror, as externalId and userName: one person, found by it."""
    found = pipe.send(EmployeeId=key)
    if isinstance(found, tuple):
        assert found
    else:
        assert found["externalId"] == found["userName"]
        assert same_key(found["externalId"]) == same_key(key)


def test_odd_texts_go_the_whole_way_over_real_http(
    settings: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock, db: Database
) -> None:
    texts = [
        "😀" * 25,
        "\u202eevil\u202c",
        "🦸\u200d♀️ Duck",
        "\u00e9",
        "e\u0301",
        'O\'B "x" \\ ]',
        "\x1b[31m",
        " x ",
        "\ufeff",
    ]
    texts = [text for text in texts if reads_all_json(db) or json.dumps(text, ensure_ascii=False)[1:-1] == text]
    for n, text in enumerate(texts, 1):
        hr.patch(f"E{n:05}", {"Title": text})
    hr.patch("E00050", {"Title": "a\x00b"})
    hr.patch("E00051", {"Title": "x" * 51})
    report = jobs.ingest(settings, clock=clock)
    assert (report.counts["inserted"], report.counts["rejected"]) == (98, 2)
    told = "\n".join(report.notes).casefold()
    assert "e00050: title: has a nul character" in told
    assert "e00051: title: 51 characters, the column holds 50" in told
    assert finish(jobs.create, settings, clock)["sent"] == 98
    users = graph.directory().users
    assert [users[f"E{n:05}"]["title"] for n in range(1, len(texts) + 1)] == texts
    assert jobs.ingest(settings, clock=clock).counts["updated"] == 0


# --- what HR may say, and what a column keeps of it -----------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | DAY_TEXTS | st.decimals(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(("Name", "FirstName", "")), inner, max_size=2)
    ),
    max_leaves=4,
)
RECORDS = JSON | st.dictionaries(st.sampled_from(("Id", "id", "Name", "Name_FirstName", "When")), JSON)
MOMENTS = st.datetimes(timezones=st.none() | st.sampled_from([ZoneInfo(z) for z in ZONES])).map(datetime.isoformat)
TYPES = st.sampled_from(
    (
        *(Column("c", "nvarchar", length) for length in (1, 50, 4000, -1)),
        *(Column("c", "varchar", 10, code_page=page) for page in (1252, 65001, 9999)),
        *(Column("c", kind) for kind in ("bit", "tinyint", "smallint", "int", "bigint", "float", "real", "money")),
        *(Column("c", kind) for kind in ("date", "uniqueidentifier", "xml")),
        *(Column("c", "datetime2", scale=digits) for digits in (0, 3, 7)),
        *(Column("c", "time", scale=7), Column("c", "char", 4), Column("c", "decimal", 0, 9, 2)),
        Column("c", "int", nullable=False),
    )
)


@examples(500)
@given(value=JSON | MOMENTS, column=TYPES)
@example(value="9999-12-31T23:59:59.99999999", column=Column("c", "datetime2", scale=7))
@example(value="0001-01-01T00:00:00+14:00", column=Column("c", "datetime2", scale=7))
@example(value="23:59:59.99999999", column=Column("c", "time", scale=7))
@example(value="2024-02-30", column=Column("c", "date"))
def test_a_value_has_one_form_in_its_column_or_is_refused(value: Any, column: Column) -> None:
    """Brought to its form once more it stays as it is: what was written does not differ from what HR says."""
    try:
        kept = columns.typed(value, column)
    except ValueError:
        return
    assert columns.typed(kept, column) == kept
    assert columns.held(kept, column) == kept


@examples(250)
@given(records=st.lists(RECORDS, max_size=4))
def test_a_page_of_anything_is_taken_or_rejected_record_by_record(records: list[Any]) -> None:
    key = Column("Id", "varchar", 10, nullable=False)
    table = Table("People", key, (key, Column("Name_FirstName", "nvarchar", 5), Column("When", "datetime2", scale=7)))
    fetch = Fetch(table, {})
    taken = fetch.take(records)
    assert len(taken) + len(fetch.rejected) == fetch.fetched == len(records)
    assert all(one.reasons for one in fetch.rejected)
    keys = [mirror.canonical_key(row["Id"]) for row in taken]
    assert len(keys) == len(set(keys))


class OneByOne(Fetch):
    """Looks at each record by itself."""

    def _together(self, records: Sequence[Any]) -> None:
        return None


def one_of(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


FITTING: dict[str, st.SearchStrategy[Any]] = {
    "Name": one_of(None, {"First": "Ana", "Last": {"Maiden": "Bo"}}, {"First": None, "Last": {"Maiden": "Zoë"}}),
    "When": one_of("2026-11-29T10:00:00Z", "2026-11-29T10:00:00.1234567", None),
    "Day": one_of("2026-11-29", "2026-11-29T00:00:00Z", None),
    "N": one_of(1, 0, 300, None),
    "Flag": one_of(True, False, None),
    "Pay": one_of(Decimal("1.25"), 7, None),
    "Text": one_of("", "Engineer", "Zoë", "🦆" * 5, None),
    "Boss": one_of("b", None, 8),
    "Unknown": one_of(None, "x"),
}
WILD: dict[str, st.SearchStrategy[Any]] = {
    "Id": one_of("a ", "A", "", None, True, [], "x" * 11, 1),
    "Name": one_of(None, {"First": "Zoë", "Last": None}, {}, "Ana", {"First": [], "Last": {"Maiden": 7}}),
    "When": one_of("29.11.2026", "", "-", 7),
    "Day": one_of("29.11.2026", "", "-", "2026-02-30"),
    "N": one_of(Decimal("7.0"), "7", -1, 2**31, True, "1,5", "-"),
    "Flag": one_of(0, 1, "true", "-", 2),
    "Pay": one_of("1,25", "-", True),
    "Text": one_of(7, True, "-", "a\0b", "x" * 21, "\ud83e"),
    "Boss": one_of(7, "-", " "),
    "Unknown": one_of({"More": 1}, []),
}


@st.composite
def pages(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Records of several people, of which the values of one field, at most, are odd, or some lack a field."""
    ids = draw(st.lists(one_of(*"abcDEF", "7", 8), min_size=1, max_size=4, unique=True))
    odd = draw(st.sampled_from((*[""] * 10, *WILD)))
    lacks = draw(st.sampled_from((*[""] * 40, *FITTING)))
    how = FITTING if not odd else {**FITTING, odd: WILD[odd] | FITTING.get(odd, WILD[odd])}
    records = [{"Id": i, **{name: draw(values) for name, values in how.items()}} for i in ids]
    for record in records[: draw(st.integers(0, 4))]:
        record.pop(lacks, None)
    return records


SPELLINGS = one_of(
    Spelling(),
    Spelling(key_prefix="P-", key_columns=("Id", "Boss"), source_column="Source", source="one"),
    Spelling(date_formats=("%d.%m.%Y",), time_zone=ZoneInfo("Europe/Amsterdam"), null_values=("-", 7)),
    Spelling(rename={"Boss": "Text"}, select=("Id", "Text", "Boss", "Name"), decimal_separator=","),
    Spelling(rename={"Text": "Source"}, source_column="Source", source="one", decimal_separator=","),
)
PEOPLE = (
    *(Column("Id", "varchar", 10, nullable=False), Column("Name_First", "nvarchar", 5), Column("Day", "date")),
    *(Column("Name_Last_Maiden", "nvarchar", 5), Column("When", "datetime2", scale=7), Column("N", "int")),
    *(Column("Flag", "bit"), Column("Pay", "decimal", 0, 9, 2), Column("Text", "nvarchar", 20)),
    *(Column("Boss", "varchar", 10), Column("Source", "varchar", 10)),
)


@examples(200)
@given(records=pages(), spelling=SPELLINGS, number=one_of(False, False, False, True))
def test_records_looked_at_together_become_what_each_of_them_becomes_by_itself(
    records: list[Any], spelling: Spelling, number: bool
) -> None:
    """Rows, and everything that is noted, by which the answer is believed or not."""
    key = Column("Id", "int", nullable=False) if number else PEOPLE[0]
    table = Table("People", key, (key, *PEOPLE[1:]))
    outcomes = []
    for kind in (Fetch, OneByOne):
        fetch = kind(table, {"a": "A", "p-b": "P-B"}, spelling)
        rows = [*fetch.take(records[:1]), *fetch.take(records[1:]), *fetch.take(records[:1])]
        outcomes.append((repr(rows), {f.name: getattr(fetch, f.name) for f in fields(fetch)}))
    assert outcomes[0] == outcomes[1]


NUMBERS = st.integers(-300, 2**31) | st.booleans() | st.sampled_from(("7", "7.0", 7.0))
FIELDS: dict[Any, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("Name_FirstName", "NickName", "Email", "Title", "LocationId", "Job_Description"), TEXTS),
    **dict.fromkeys(("BirthDate", "ValidFrom", "ValidTo", "HiredDate", "TerminatedDate"), DAY_TEXTS),
    **dict.fromkeys(("CreatedDateTime", "ModifiedDateTime"), MOMENTS | DAY_TEXTS),
    **dict.fromkeys(("Salutation", "Gender", "RowNumber", "VersionStamp", "Released"), NUMBERS),
}


@examples(100)
@given(record=st.fixed_dictionaries({}, optional=FIELDS))
def test_what_was_written_reads_as_hr_says_and_is_never_written_again(pipe: Pipe, record: dict[str, Any]) -> None:
    """Of every type of the shipped table: `Pipe.send` reads it back."""
    found = pipe.send(**record)
    if isinstance(found, tuple):
        assert found
    else:
        assert found["title"] == (record.get("Title") or None)


# --- days -----------------------------------------------------------------------------------------------------------

TIMES = (time(0), time(2, 30), time(5), time(23, 59))
DATED = scim.compile_mapping(
    ("EmployeeId", "externalId", "userName", "active", *(f"hr:D{at:%H}@{at:%H:%M}" for at in TIMES)),
    {"hr": Schema(HR, {})},
    explicit_nulls=True,
)


def instants(day: Any, zone: str) -> list[str]:
    """The day at each time of day in a zone, as it is sent."""
    user = DATED.user(("A", "A", "a", 1, *[day] * len(TIMES)), True, ZoneInfo(zone))
    return [str(value) for value in DATED.resource(user)[HR].values()]


@examples(300)
@given(day=DAYS, zone=st.sampled_from(ZONES))
@example(day=date.min, zone="Pacific/Kiritimati")
@example(day=date.max, zone="America/New_York")
@example(day=date(2024, 2, 29), zone="Europe/Amsterdam")
@example(day=date(2026, 3, 29), zone="Europe/Amsterdam")
@example(day=date(2026, 3, 29), zone="Asia/Beirut")
@example(day=date(2018, 11, 4), zone="America/Sao_Paulo")
@example(day=date(2011, 12, 30), zone="Pacific/Apia")
def test_a_day_leaves_as_the_instant_of_its_local_time(day: date, zone: str) -> None:
    """Where that time does not exist, as one behind the gap; at the ends of the calendar it stays in it."""
    found = instants(day, zone)
    assert found == instants(day.isoformat(), zone) == instants(datetime.combine(day, time()), zone)
    assert found == sorted(found)
    for text, at in zip(found, TIMES, strict=True):
        moment, local = datetime.fromisoformat(text), datetime.combine(day, at)
        assert (len(text), moment.tzinfo) == (20, UTC)
        if not 2 < day.toordinal() < date.max.toordinal() - 2:
            continue
        shown = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        if shown != local:
            assert timedelta(0) < shown - local <= timedelta(days=1)
            before = moment - (shown - local)
            assert before.astimezone(ZoneInfo(zone)).replace(tzinfo=None) < local  # the clock was set forward over it


@examples(150)
@given(zone=st.sampled_from(ZONES), last=st.dates(date(2000, 1, 2), date(2040, 1, 1)))
@example(zone="Pacific/Apia", last=date(2011, 12, 29))
@example(zone="Asia/Beirut", last=date(2026, 3, 28))
@example(zone="America/Sao_Paulo", last=date(2018, 11, 3))
@example(zone="Europe/Amsterdam", last=date(2024, 2, 29))
def test_the_last_day_is_over_with_its_last_second_in_the_persons_zone(zone: str, last: date) -> None:
    end = first_moment_after(last, ZoneInfo(zone))
    row = row_of({"ValidTo": last.isoformat(), "TimeZone": zone})
    person = Person("A", row, sent_hash="0" * 64, sent_active=True)
    found = []
    for moment in (end - timedelta(seconds=1), end):
        verdict = plan.judge(person, rules(Job.UPDATE, mapping=MAPPING, now=moment))
        assert isinstance(verdict, Due)
        found.append((verdict.user.active, verdict.disables))
    assert found == [(True, False), (False, True)]


def first_moment_after(day: date, zone: ZoneInfo) -> datetime:
    """When the local date becomes a later one: found by halving, with nothing but the zone's own clock."""
    low = datetime.combine(day, time(12), UTC) - timedelta(days=2)
    high = low + timedelta(days=5)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        low, high = (middle, high) if middle.astimezone(zone).date() <= day else (low, middle)
    return high
