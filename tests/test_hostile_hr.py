"""Hostile answers of HR, through the command line and the jobs: nothing is written, nothing is told, nothing grows."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest

from provisioning import database, jobs
from provisioning.errors import UpstreamError
from provisioning.settings import Settings
from tests import canary as canaries
from tests import processes
from tests.canary import Canary
from tests.clock import MovedClock
from tests.conftest import PASSWORD, environment
from tests.emulators import people
from tests.emulators.graph import GraphEmulator
from tests.emulators.hr import HrEmulator, Record
from tests.emulators.http import Emulator, Request, Response, json_response

TODAY = date(2026, 11, 22)
MOST_MB = 400
WRITTEN = ("dbo.Employees", "dbo.AbsentRecords", "provisioning.fetches")


class Hostile(Emulator):
    """Answers whatever a test wants, and remembers who asked for what."""

    def __init__(self, reply: Callable[[Request], Response]) -> None:
        super().__init__()
        self.reply, self.asked = reply, list[Request]()

    def answer(self, request: Request) -> Response:
        self.asked.append(request)
        return self.reply(request)


def staff(count: int = 100, **changes: Any) -> list[Record]:
    return [{**person, **changes} for person in canaries.marked(people.invent(count, today=TODAY))]


def page(records: list[Record]) -> dict[str, Any]:
    return {"data": records, "total": len(records)}


def as_json(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """700 MB of good JSON, an empty list, in 0.7 MB."""
    deflater = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    blanks = b" " * 1_000_000
    first = deflater.compress(b"[") + deflater.flush(zlib.Z_FULL_FLUSH)
    million = deflater.compress(blanks) + deflater.flush(zlib.Z_FULL_FLUSH)  # which knows nothing of what was before it
    last = deflater.compress(b"]") + deflater.flush()
    checksum = zlib.crc32(b"[")
    for _ in range(700):
        checksum = zlib.crc32(blanks, checksum)
    trailer = struct.pack("<II", zlib.crc32(b"]", checksum), 700_000_002)
    return gzip.compress(b"")[:10] + first + million * 700 + last + trailer


@pytest.fixture
def environ(sqlite_string: str, graph: GraphEmulator) -> dict[str, str]:
    """A mirror of a hundred people; HR_SOURCE is told by `asking`."""
    with HrEmulator(staff(), {"basic": ("svc", PASSWORD)}) as hr:
        found = environment(sqlite_string, hr.url, graph.upload_url)
        jobs.ingest(Settings.from_environ(found), clock=MovedClock())
    return found


def asking(environ: dict[str, str], url: str) -> dict[str, str]:
    return {**environ, "HR_SOURCE": environment("", url, "")["HR_SOURCE"]}


@pytest.fixture
def mirrored(sqlite_string: str) -> Iterator[Callable[[], list[Any]]]:
    """Everything an ingest may write, apart from the note that it ran."""
    with database.connect(sqlite_string) as db:
        yield lambda: [sorted(db.select(f"SELECT * FROM {table}", (), "written"), key=str) for table in WRITTEN]


def fails(environ: dict[str, str], url: str, canary: Canary, *, fresh: bool = False) -> processes.Ended:
    """Run an ingest that must fail, in words, without anything personal or secret, in little memory."""
    ended = processes.run(asking(environ, url), "ingest", impatient=True, fresh=fresh)
    canary.look_at(ended.out + ended.err, "the command line")
    assert ended.code == 1, ended.err
    assert "Employees: " in ended.err
    assert PASSWORD not in ended.out + ended.err
    assert {ended.counts[n] for n in ("inserted", "updated", "missing")} == {0}
    assert 20 < ended.peak < MOST_MB
    return ended


# --- five answers, through the command line -----------------------------------------------------------------------


def test_a_gzip_that_ends_too_early_is_asked_for_again_and_then_given_up(
    environ: dict[str, str], mirrored: Callable[[], list[Any]], canary: Canary
) -> None:
    """Its content would be whole JSON: only the marker of the end, the length and the checksum are missing."""
    whole = gzip.compress(as_json(page(staff(90))))
    cut = Response(200, whole[:-8], {"Content-Encoding": "gzip"})
    before = mirrored()
    with Hostile(lambda _: cut) as hr:
        ended = fails(environ, hr.url, canary)
    assert "ends before its compressed content does" in ended.err
    assert 3 < len(hr.asked) < 20
    assert mirrored() == before


def test_700_mb_in_a_gzip_of_less_than_one_are_refused_at_once(
    environ: dict[str, str], mirrored: Callable[[], list[Any]], canary: Canary, bomb: bytes
) -> None:
    assert len(bomb) < 750_000
    before = mirrored()
    with Hostile(lambda _: Response(200, bomb, {"Content-Encoding": "gzip"})) as hr:
        ended = fails(environ, hr.url, canary, fresh=True)
    assert "is larger than 16777216 bytes" in ended.err
    assert ended.peak < 150
    assert len(hr.asked) == 1
    assert mirrored() == before


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_origin_takes_no_credential_there(
    environ: dict[str, str], mirrored: Callable[[], list[Any]], canary: Canary, status: int
) -> None:
    before = mirrored()
    with Hostile(lambda _: json_response(200, page(staff(90)))) as other:
        elsewhere = Response(status, b"", {"Location": f"{other.url}/api/Employees"})
        with Hostile(lambda _: elsewhere) as hr:
            ended = fails(environ, hr.url, canary)
    assert f"HR answered {status}, a redirect, which is not followed" in ended.err
    assert "Authorization" in hr.asked[0].headers
    assert (len(hr.asked), other.asked) == (1, [])
    assert mirrored() == before


def test_a_page_to_sign_in_is_not_taken_for_people(
    environ: dict[str, str], mirrored: Callable[[], list[Any]], canary: Canary
) -> None:
    login = f"<!DOCTYPE html><title>Sign in, {canaries.MARKER}</title>".encode()
    before = mirrored()
    with Hostile(lambda _: Response(200, login, {"Content-Type": "text/html"})) as hr:
        ended = fails(environ, hr.url, canary)
    assert "HTML or XML, perhaps one to sign in" in ended.err
    assert len(hr.asked) == 1
    assert mirrored() == before


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (Response(404), "HR answered 404"),
        (Response(200, b'{"data": [{"EmployeeId": "E00041", "Title": "'), "is not JSON"),
        (Response(503), "HR answered 503"),
        (Response(200, b'{"data": []}', {"Content-Length": "99"}), "no complete answer"),
    ],
    ids=["404", "cut JSON", "503 without end", "cut body"],
)
def test_a_page_that_fails_in_the_middle_undoes_those_before_it(
    environ: dict[str, str], mirrored: Callable[[], list[Any]], canary: Canary, failure: Response, told: str
) -> None:
    before = mirrored()
    with HrEmulator(staff(Title="New"), {"basic": ("svc", PASSWORD)}) as hr:
        for _ in range(20):
            hr.fail_next(failure.status, failure.headers, failure.body, when=lambda path: "offset=40" in path)
        ended = fails(environ, hr.url, canary)
    assert told in ended.err
    assert (ended.counts["fetched"], hr.requests[0].status) == (40, 200)
    assert mirrored() == before


def test_a_first_load_that_fails_leaves_an_empty_mirror(
    sqlite_string: str, graph: GraphEmulator, mirrored: Callable[[], list[Any]], canary: Canary
) -> None:
    with HrEmulator(staff(), {"basic": ("svc", PASSWORD)}) as hr:
        hr.fail_next(404, when=lambda path: "offset=80" in path)
        ended = fails(environment(sqlite_string, hr.url, graph.upload_url), hr.url, canary)
    assert ended.counts["fetched"] == 80
    assert mirrored() == [[], [], []]


def test_the_largest_answer_that_is_taken_fits_into_memory(
    environ: dict[str, str], canary: Canary, sqlite_string: str
) -> None:
    """16 MB in one page, with a letter that makes Python keep four bytes for each of its text."""
    crowd = as_json(page(staff(16_500, NickName="🦆")))
    assert 15_000_000 < len(crowd) <= 16 * 1024 * 1024
    with Hostile(lambda _: Response(200, crowd)) as hr:
        ended = processes.run(asking(environ, hr.url), "ingest", fresh=True)
    canary.look_at(ended.out + ended.err, "the command line")
    assert (ended.code, ended.counts["fetched"]) == (0, 16_500), ended.err
    assert ended.peak < MOST_MB


# --- any answer, through the job ----------------------------------------------------------------------------------

MARK = canaries.MARKER.encode()
GOOD = as_json(page(staff(90)))
GZIPPED = {"Content-Encoding": "gzip"}


def with_text(before: bytes, after: bytes) -> bytes:
    assert before in GOOD
    return GOOD.replace(before, after, 1)


@pytest.fixture
def settings(environ: dict[str, str]) -> Callable[[str], Settings]:
    return lambda url: Settings.from_environ(asking(environ, url))


UNTRUSTED = {
    "empty": (Response(200, b""), "is not JSON: it is empty"),
    "blank": (Response(200, b" \n"), "is not JSON: it is empty"),
    "only a BOM": (Response(200, b"\xef\xbb\xbf"), "is not JSON: it is empty"),
    "empty gzip": (Response(200, b"", GZIPPED), "is not JSON: it is empty"),
    "204": (Response(204), "HR answered 204"),
    "206": (Response(206, GOOD), "HR answered 206"),
    "HTML": (Response(200, b"\n<html>" + MARK), "HTML or XML"),
    "text": (Response(200, MARK), "is not JSON (line 1, column 1)"),
    "text after it": (Response(200, GOOD + MARK), "is not JSON (line 1, column "),
    "cut JSON": (Response(200, GOOD[:-1]), "is not JSON (line 1, column "),
    "NaN": (Response(200, with_text(b'"Salutation": ', b'"Salutation": NaN, "x": ')), "NaN or Infinity"),
    "Infinity": (Response(200, with_text(b'"Salutation": ', b'"Salutation": -Infinity, "x": ')), "NaN or Infinity"),
    "a name twice": (Response(200, with_text(b'"Title": ', b'"Title": "' + MARK + b'", "Title": ')), "one name twice"),
    "a name twice at the root": (Response(200, with_text(b'"data": ', b'"data": [], "data": ')), "one name twice"),
    "5,000 digits": (
        Response(200, with_text(b'"Title": ', b'"x": ' + b"9" * 5000 + b', "Title": ')),
        "too many digits",
    ),
    "a huge exponent": (Response(200, with_text(b'"Title": ', b'"x": 1e' + b"9" * 30 + b', "Title": ')), "too large"),
    "lists 70 deep": (
        Response(200, with_text(b'"Title": ', b'"x": ' + b"[" * 70 + b"]" * 70 + b', "Title": ')),
        "64 levels",
    ),
    "lists 9,000 deep": (
        Response(200, with_text(b'"Title": ', b'"x": ' + b"[" * 9000 + b"]" * 9000 + b', "Title": ')),
        "64 levels",
    ),
    "objects 70 deep": (
        Response(200, with_text(b'"Title": ', b'"x": ' + b'{"a":' * 70 + b"1" + b"}" * 70 + b', "Title": ')),
        "levels",
    ),
    "lists without end": (Response(200, b"[" * 500_000), "64 levels"),
    "a million values": (Response(200, b'{"data": [' + b"{}," * 1_100_000 + b"{}]}"), "more than 1000000 values"),
    "UTF-16": (Response(200, GOOD.decode().encode("utf-16")), "is not UTF-8"),
    "Latin-1": (Response(200, GOOD.replace(b"Kwibus", "Kwibüs".encode("latin-1"))), "is not UTF-8"),
    "brotli": (Response(200, GOOD, {"Content-Encoding": "br"}), "has a Content-Encoding other than gzip, deflate"),
    "gzip twice": (
        Response(200, gzip.compress(gzip.compress(GOOD)), {"Content-Encoding": "gzip, gzip"}),
        "Content-Encoding",
    ),
    "garbage after gzip": (Response(200, gzip.compress(GOOD) + MARK, GZIPPED), "is not the compressed content"),
    "garbage after deflate": (
        Response(200, zlib.compress(GOOD) + MARK, {"Content-Encoding": "deflate"}),
        "goes on after the end",
    ),
    "gzip that is none": (Response(200, GOOD, GZIPPED), "is not the compressed content"),
    "another shape": (Response(200, b"[]"), "no list of records at data"),
    "null": (Response(200, b"null"), "no list of records at data"),
    "text for people": (Response(200, as_json({"data": MARK.decode(), "total": 1})), "no list of records at data"),
    "text for a total": (Response(200, as_json({"data": staff(90), "total": MARK.decode()})), "no total at total"),
    "a total that is no digit": (Response(200, as_json({"data": staff(90), "total": "²"})), "no total at total"),
    "a negative total": (Response(200, as_json({"data": staff(90), "total": -1})), "no total at total"),
    "a redirect to a mail address": (Response(302, b"", {"Location": "mailto:" + MARK.decode()}), "a redirect"),
    "a redirect to no name": (Response(302, b"", {"Location": "http://xn--a/"}), "a redirect"),
    "a redirect to no URL": (Response(302, b"", {"Location": "http://[::"}), "a redirect"),
    "a redirect to nowhere": (Response(302), "a redirect"),
}


@pytest.mark.parametrize(("response", "told"), UNTRUSTED.values(), ids=UNTRUSTED.keys())
def test_an_answer_that_cannot_be_trusted_writes_nothing_and_is_told_without_a_value(
    settings: Callable[[str], Settings],
    mirrored: Callable[[], list[Any]],
    canary: Canary,
    response: Response,
    told: str,
) -> None:
    before = mirrored()
    with Hostile(lambda _: response) as hr, pytest.raises(UpstreamError) as failed:
        jobs.ingest(settings(hr.url), clock=MovedClock())
    assert str(failed.value).startswith("Employees: HR")
    assert told in str(failed.value)
    assert mirrored() == before
    assert canary.records


@pytest.mark.parametrize(
    "response",
    [
        Response(200, b"\xef\xbb\xbf" + GOOD),
        Response(200, b" \r\n" + GOOD + b"\n"),
        Response(200, GOOD, {"Content-Type": "text/html"}),
        Response(200, GOOD, {"Content-Encoding": "identity"}),
        Response(200, gzip.compress(GOOD), {"Content-Encoding": "GZIP"}),
        Response(200, gzip.compress(GOOD[:50]) + gzip.compress(GOOD[50:]), {"Content-Encoding": "x-gzip"}),
        Response(200, zlib.compress(GOOD), {"Content-Encoding": "deflate"}),
        Response(200, zlib.compress(GOOD)[2:-4], {"Content-Encoding": "deflate"}),
        Response(200, with_text(b'"Title": ', b'"Unknown": ' + b"[" * 50 + b"]" * 50 + b', "Title": ')),
    ],
    ids=["BOM", "blanks", "text/html", "identity", "gzip", "two members", "deflate", "bare deflate", "50 levels"],
)
def test_an_answer_that_is_only_odd_is_taken(
    settings: Callable[[str], Settings], canary: Canary, response: Response
) -> None:
    with Hostile(lambda _: response) as hr:
        counts = jobs.ingest(settings(hr.url), clock=MovedClock()).counts
    assert (counts["fetched"], counts["rejected"], counts["missing"]) == (90, 0, 10)


HALF = "\ud83e"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Title": HALF}, "E00001: Title: is not valid Unicode"),
        ({"Title": canaries.MARKER + HALF}, "E00001: Title: is not valid Unicode"),
        ({"ManagerId": HALF}, "E00001: ManagerId: is not valid Unicode"),
        ({"ValidFrom": HALF}, "E00001: ValidFrom: is not a date"),
        ({"ModifiedDateTime": HALF}, "E00001: ModifiedDateTime: is not a date and time"),
        ({"VersionStamp": HALF}, "E00001: VersionStamp: is not a whole number"),
        ({"Name": {"FirstName": HALF}}, "E00001: Name_FirstName: is not valid Unicode"),
        ({"EmployeeId": "E" + HALF}, r"E\ud83e: EmployeeId: is not valid Unicode"),
        ({"EmployeeId": "E\n\x1b[2J", "Title": HALF}, r"E\n\x1b[2J: Title: "),
        ({"EmployeeId": "E" * 100_000}, "E" * 64 + "…: EmployeeId: 100000 bytes, the column holds "),
    ],
)
def test_half_a_letter_rejects_its_record_and_no_other(
    environ: dict[str, str], canary: Canary, changes: dict[str, Any], reason: str
) -> None:
    """The reasons go through stderr, which must be able to print them on one line."""
    with Hostile(lambda _: Response(200, json.dumps(page_of_changed(changes)).encode())) as hr:
        ended = processes.run(asking(environ, hr.url), "ingest")
    canary.look_at(ended.out + ended.err, "the command line")
    assert (ended.code, ended.counts["fetched"], ended.counts["rejected"]) == (0, 90, 1)
    (line,) = [line for line in ended.err.splitlines() if line.startswith("rejected ")]
    assert reason in line


def page_of_changed(changes: dict[str, Any]) -> dict[str, Any]:
    records = staff(90)
    return page([{**records[0], **changes}, *records[1:]])


def test_half_a_letter_in_a_fields_name_is_told_in_its_spelling(
    settings: Callable[[str], Settings], canary: Canary
) -> None:
    body = json.dumps(page_of_changed({"Shoe" + HALF: 44, "x" * 90: 1})).encode()
    with Hostile(lambda _: Response(200, body)) as hr:
        report = jobs.ingest(settings(hr.url), clock=MovedClock())
    (note,) = [note for note in report.notes if "fields without a column" in note]
    assert note.endswith(r": Shoe\ud83e, " + "x" * 64 + "…")
