"""CSV all the way, over HTTPS and from a share: the same people as JSON brings, and the same distrust."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from provisioning import doctor, exports, jobs, share, transport
from provisioning.database import Database
from provisioning.errors import UpstreamError
from provisioning.hr import HrApi
from provisioning.settings import Settings
from tests import canary as canaries
from tests import processes
from tests.canary import Canary
from tests.clock import MovedClock
from tests.conftest import NAMED, environment, hr_source
from tests.emulators import people
from tests.emulators.exports import Export
from tests.emulators.graph import GraphEmulator
from tests.emulators.hr import HrEmulator
from tests.emulators.tokens import Tokens
from tests.test_hr import Answer, api, fetch, server
from tests.test_ingest import absent, cells, unescapes
from tests.test_transport import server as raw_server

OVER_HTTPS = {"path": "export/Employees.csv", "format": "csv"}
Change = Callable[..., Settings]


@pytest.fixture
def over_https(change: Change, hr: HrEmulator) -> Settings:
    return change(HR_SOURCE=export_source(hr.url, **OVER_HTTPS))


def export_source(url: str, **endpoint: Any) -> str:
    """HR_SOURCE for the employees as CSV; a resource's options are told by `resource`."""
    resource = endpoint.pop("resource", {})
    document = hr_source(url, endpoint=endpoint, **resource)
    document["resources"][0].pop("item_path")
    if not url.startswith("http"):
        document["client"] = {"base_url": url}
    return json.dumps(document)


class Share:
    """A folder that HR exports into, and settings that read it."""

    def __init__(self, folder: Path, change: Change, clock: MovedClock, hr: HrEmulator) -> None:
        self.folder, self._change, self._clock, self.hr = folder, change, clock, hr
        self.export = Export()
        self.path = folder / "employees.csv"

    def write(self, body: bytes | None = None, *, old: float = 3600, name: str = "employees.csv") -> Path:
        """HR's people, or these bytes, as a file that is so many seconds old."""
        self.path = self.folder / name
        self.path.write_bytes(self.export.written(self.hr.people) if body is None else body)
        self.age(old)
        return self.path

    def age(self, seconds: float) -> None:
        at = self._clock.utc_now().timestamp() - seconds
        os.utime(self.path, (at, at))

    def settings(self, **endpoint: Any) -> Settings:
        told = {"path": "employees.csv", "format": "csv", **endpoint}
        return self._change(HR_SOURCE=export_source(self.folder.as_uri(), **told))


@pytest.fixture
def exported(tmp_path: Path, change: Change, clock: MovedClock, hr: HrEmulator) -> Share:
    """A share with the people of the HR API in it."""
    (tmp_path / "share").mkdir()
    found = Share(tmp_path / "share", change, clock, hr)
    found.write()
    return found


def mirror(db: Database) -> list[tuple[Any, ...]]:
    """The people as they are mirrored; an empty text is none, as CSV has no other."""
    rows = db.select("SELECT * FROM dbo.Employees ORDER BY EmployeeId", (), "t")
    return [tuple(None if cell == "" else cell for cell in row) for row in rows]


# --- the same people ----------------------------------------------------------------------------------------------


def test_csv_brings_the_people_that_json_brings_over_https_and_from_a_share(
    settings: Settings, over_https: Settings, exported: Share, db: Database, clock: MovedClock
) -> None:
    counts = jobs.ingest(over_https, clock=clock).counts
    assert (counts["fetched"], counts["inserted"], counts["rejected"]) == (100, 100, 0)
    found = mirror(db)
    assert jobs.ingest(exported.settings(), clock=clock).counts["unchanged"] == 100
    jobs.ingest(settings, clock=clock)
    assert mirror(db) == found


@pytest.mark.parametrize(
    "dialect",
    [
        {"delimiter": ";"},
        {"delimiter": "\t", "encoding": "utf-16"},
        {"delimiter": "|", "quotechar": "'"},
        {"encoding": "utf-16"},
    ],
    ids=lambda dialect: "-".join(dialect.values()),
)
@pytest.mark.parametrize("way", ["https", "gzip", "share"])
def test_whatever_the_dialect_everybody_comes_as_she_is(
    exported: Share, db: Database, hr: HrEmulator, clock: MovedClock, way: str, dialect: dict[str, str]
) -> None:
    told = {"type": "csv", **dialect}
    hr.patch("E00001", {"Title": "a, b; c| d\t\"e\" 'f'\r\ng"})
    export = Export(**dialect, gzipped=way == "gzip")
    if way == "share":
        exported.write(export.written(hr.people))
        found = exported.settings(format=told)
    else:
        hr.export = export
        found = exported._change(HR_SOURCE=export_source(hr.url, **{**OVER_HTTPS, "format": told}))
    assert jobs.ingest(found, clock=clock).counts["inserted"] == 100
    names = [(p["EmployeeId"], p["Name"]["FullName"]) for p in hr.people]
    assert cells(db, "EmployeeId, Name_FullName") == sorted(names)
    if db.engine == "sqlite" or unescapes(db):  # Babelfish's OPENJSON does not
        assert cells(db, "Title", "EmployeeId = 'E00001'") == [("a, b; c| d\t\"e\" 'f'\r\ng",)]


@pytest.mark.parametrize("encoding", ["windows-1252", "iso-8859-15"])
def test_letters_of_western_europe_arrive_from_an_export_of_theirs(
    exported: Share, db: Database, clock: MovedClock, encoding: str
) -> None:
    text = "EmployeeId,Name.FullName\nE1,Zoë Müller-Núñez\nE2,Søren Þóra\n"
    exported.write(text.encode(encoding))
    jobs.ingest(exported.settings(format={"type": "csv", "encoding": encoding}), clock=clock)
    assert cells(db, "Name_FullName") == [("Zoë Müller-Núñez",), ("Søren Þóra",)]


@pytest.mark.parametrize(
    ("auth", "emulated"),
    [
        ({"type": "http_basic", "username": "svc", "password": "$HR_PASSWORD"}, {"basic": ("svc", "emulated")}),
        ({"type": "bearer", "token": "$HR_TOKEN"}, {"bearer": "t0ken"}),
        ({"type": "api_key", "name": "X-Key", "api_key": "$HR_TOKEN"}, {"api_key": ("X-Key", "t0ken")}),
        (
            {"type": "api_key", "name": "key", "api_key": "$HR_TOKEN", "location": "query"},
            {"query_key": ("key", "t0ken")},
        ),
        (None, None),
    ],
    ids=["basic", "bearer", "api_key", "query", "none"],
)
def test_credentials_are_shown_as_for_json(auth: Any, emulated: Any, clock: MovedClock) -> None:
    with HrEmulator(people.invent(30, today=clock.utc_now().date()), emulated) as hr:
        assert len(fetch(api(hr.url, auth=auth, endpoint=OVER_HTTPS))) == 30


def test_a_token_is_asked_for_and_renewed_as_for_json(clock: MovedClock) -> None:
    tokens = Tokens("me", "emulated")
    auth = {"type": "oauth2_client_credentials", "client_id": "me", "client_secret": "$HR_PASSWORD"}
    with HrEmulator(people.invent(30, today=clock.utc_now().date()), {"oauth": tokens}) as hr:
        hr.fail_next(401, when=lambda path: "export" in path)
        auth["access_token_url"] = f"{hr.url}/oauth/token"
        assert len(fetch(api(hr.url, auth=auth, endpoint=OVER_HTTPS))) == 30
    assert len(tokens.given) == 2


def test_parameters_a_body_and_the_time_of_changes_go_along_as_for_json() -> None:
    asked, bodies = list[Any](), list[Any]()

    def answer(path: str, query: dict[str, list[str]], headers: Any) -> Answer:
        asked.append((path, query, headers["Accept"], headers["X-A"]))
        return 200, {}, b"EmployeeId\nE1\n"

    endpoint = {**OVER_HTTPS, "params": {"view": "all"}, "headers": {"X-A": "1"}}
    with server(answer, bodies=bodies) as url:
        changes = {"start_param": "since", "format": "%Y-%m-%d"}
        fetch(api(url, endpoint={**endpoint, "since": changes}), datetime(2026, 11, 22, tzinfo=UTC))
        fetch(api(url, endpoint={**endpoint, "method": "POST", "json": {"report": 7}}))
        fetch(api(url, endpoint={**OVER_HTTPS, "headers": {"Accept": "application/x", "X-A": "2"}}))
    path, csv = "/base/export/Employees.csv", "text/csv, */*;q=0.5"
    assert asked == [
        (path, {"view": ["all"], "since": ["2026-11-21"]}, csv, "1"),
        (path, {"view": ["all"]}, csv, "1"),
        (path, {}, "application/x", "2"),
    ]
    assert bodies == [{"report": 7}]


def test_names_are_matched_renamed_selected_and_emptied_as_fields_of_json_are(
    exported: Share, db: Database, clock: MovedClock
) -> None:
    text = "Personnel No;name.fullname;START;Job Title;Mail;Note\nE1;Ana;01.02.2026;n/a;;x\nE2;Bo;;Chief;b@x;\n"
    exported.write(text.encode())
    options = {
        "primary_key": "Personnel No",
        "rename": {"Personnel No": "EmployeeId", "start": "ValidFrom", "Job Title": "Title", "mail": "Email"},
        "select": ["Personnel No", "Name.FullName", "Start", "Job Title", "Mail"],
        "null_values": ["n/a"],
        "date_formats": ["%d.%m.%Y"],
    }
    report = jobs.ingest(exported.settings(format={"type": "csv", "delimiter": ";"}, resource=options), clock=clock)
    assert (report.counts["inserted"], [n for n in report.notes if "without a column" in n]) == (2, [])
    found = cells(db, "EmployeeId, Name_FullName, ValidFrom, Title, Email")
    assert [tuple(None if c is None else str(c) for c in row) for row in found] == [
        ("E1", "Ana", "2026-02-01", None, None),
        ("E2", "Bo", None, "Chief", "b@x"),
    ]


def test_people_of_a_file_are_sent_and_who_is_gone_from_it_is_missing(
    exported: Share, db: Database, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    jobs.ingest(exported.settings(), clock=clock)
    assert jobs.create(exported.settings(), NAMED, clock=clock).counts["sent"] == 100
    hr.remove("E00007")
    exported.write()
    assert jobs.ingest(exported.settings(), clock=clock).counts["missing"] == 1
    assert absent(db) == ["E00007"]


def test_a_resync_sends_her_as_she_is_mirrored(
    over_https: Settings, hr: HrEmulator, graph: GraphEmulator, clock: MovedClock
) -> None:
    jobs.ingest(over_https, clock=clock)
    asked = len(hr.requests)
    assert jobs.resync(over_https, "E00005", clock=clock).counts["sent"] == 1
    assert len(hr.requests) == asked


# --- the same rules -----------------------------------------------------------------------------------------------


def refused(settings: Settings, db: Database, clock: MovedClock) -> str:
    """What an ingest that must fail says; it writes nothing."""
    before = mirror(db), absent(db)
    with pytest.raises(UpstreamError) as failed:
        jobs.ingest(settings, clock=clock)
    assert (mirror(db), absent(db)) == before
    return str(failed.value)


def test_a_record_that_does_not_fit_is_rejected_by_its_person_and_line(
    exported: Share, db: Database, clock: MovedClock
) -> None:
    header = "EmployeeId,Name.FullName,Title,ValidFrom,VersionStamp"
    rows = [
        "E1,Ana,x,,1",
        f"E2,Bo,{'x' * 51},,2",
        "E3,Cleo,x,31.12.2026,3",
        ",Dag,x,,4",
        "E1,Eve,x,,5",
        'E6,"F\n",x,,six',
    ]
    exported.write("\n".join([header, *rows, "E7,Gus,x,2026-01-01,7", ""]).encode())
    report = jobs.ingest(exported.settings(), clock=clock)
    assert (report.counts["inserted"], report.counts["rejected"]) == (2, 5)
    assert [n.casefold() for n in report.notes if n.startswith("rejected")] == [
        "rejected employees e2 (line 3): title: 51 characters, the column holds 50",
        "rejected employees e3 (line 4): validfrom: is not a date (yyyy-mm-dd, without a time of day)",
        "rejected employees (no key) (line 5): employeeid is missing",
        "rejected employees e1 (line 6): a second record with this key",
        "rejected employees e6 (line 7): versionstamp: is not a whole number",
    ]


@pytest.mark.parametrize("way", ["https", "share"])
def test_a_file_that_has_shrunk_is_not_believed(
    over_https: Settings, exported: Share, hr: HrEmulator, db: Database, clock: MovedClock, way: str
) -> None:
    settings = over_https if way == "https" else exported.settings()
    jobs.ingest(settings, clock=clock)
    for person in hr.people[:50]:
        hr.remove(person["EmployeeId"])
    exported.write()
    assert "HR gave 50 records, 100 the last time; nothing was changed" in refused(settings, db, clock)
    exported.write(b"EmployeeId\n")
    assert "HR answered with no record at all" in refused(exported.settings(), db, clock)


def test_a_column_that_the_mapping_uses_and_is_gone_stops_before_anything_is_written(
    exported: Share, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    jobs.ingest(exported.settings(), clock=clock)
    whole = exported.export.written(hr.people)
    exported.write(whole.replace(b",Title,", b",JobTitle,", 1))
    assert "no record has title any more; nothing was changed" in refused(exported.settings(), db, clock).casefold()
    exported.write(exported.export.written([{**p, "Active": "yes"} for p in hr.people]))
    assert "fit their columns any more: active (100 of 100)" in refused(exported.settings(), db, clock).casefold()


def test_the_same_people_twice_in_a_file_are_rejected_the_second_time(
    exported: Share, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    whole = exported.export.written(hr.people)
    exported.write(whole + whole)
    assert "HR's CSV: line 102 is the header again" in refused(exported.settings(), db, clock)
    exported.write(whole + whole.split(b"\r\n", 1)[1])
    assert jobs.ingest(exported.settings(), clock=clock).counts["rejected"] == 100


def test_second_records_of_people_are_rejected_however_many_stand_together(
    exported: Share, db: Database, clock: MovedClock
) -> None:
    """All first contracts, then all second ones: of a page of an API that would be the same page twice."""
    rows = b"".join(b"E%05d,Somebody\n" % n for n in range(exports.PAGE))
    exported.write(b"EmployeeId,Name_FullName\n" + rows + rows)
    counts = jobs.ingest(exported.settings(), clock=clock).counts
    assert (counts["inserted"], counts["rejected"]) == (exports.PAGE, exports.PAGE)


def test_an_outage_of_the_file_leaves_the_other_endpoints_ingested(
    exported: Share, db: Database, hr: HrEmulator, clock: MovedClock
) -> None:
    document = json.loads(export_source(hr.url, **{**OVER_HTTPS, "path": "export/gone.csv"}))
    places = {"path": "api/Locations", "data_selector": "data"}
    document["resources"].append({"name": "Locations", "primary_key": "LocationId", "endpoint": places})
    with pytest.raises(UpstreamError, match="Employees: HR answered 404"):
        jobs.ingest(exported._change(HR_SOURCE=json.dumps(document)), clock=clock)
    assert len(list(db.select("SELECT LocationId FROM dbo.Locations", (), "t"))) == 5


def test_a_new_column_is_told_once(exported: Share, hr: HrEmulator, db: Database, clock: MovedClock) -> None:
    exported.write(exported.export.written([{**p, "Badge": ""} for p in hr.people]))
    for told in [["employees: fields without a column, not kept: badge"], []]:
        notes = jobs.ingest(exported.settings(), clock=clock).notes
        assert [n.casefold() for n in notes if "without a column" in n] == told


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"E1;Kwibus\nE2;Bo\n", "none of the 1 columns of its header is EmployeeId, the primary_key"),
        (b"E1,Kwibus\nE2,Bo\n", "none of the 2 columns of its header is EmployeeId"),
        (b"EmployeeId,Title\nE1\n", "line 2 has 1 field, and the header has 2"),
        (b'EmployeeId,Title\nE1,"Kwibus\n', "the record that begins in line 2"),
        (b"EmployeeId,Title\nE1,\0\n", "line 2 holds a NUL"),
        (b"EmployeeId,Title\nE1,Kwib\xfcs\n", "line 2 is not utf-8; see format.encoding"),
        (b"EmployeeId,Title\nE1,Kwibus\nE2,Kwib", "line 3, the last, has no line end: it may be cut"),
        (b"", "it is empty"),
        (b"<html>Kwibus, please sign in</html>", "not CSV but HTML"),
        (b'{"error": "Kwibus"}', "not CSV but HTML, XML or JSON"),
    ],
    ids=["delimiter", "no header", "fields", "quote", "NUL", "encoding", "cut", "empty", "HTML", "JSON"],
)
@pytest.mark.parametrize("way", ["https", "share"])
def test_what_is_no_good_csv_writes_nothing_and_is_told_without_a_value(
    exported: Share,
    over_https: Settings,
    hr: HrEmulator,
    db: Database,
    clock: MovedClock,
    canary: Canary,
    way: str,
    body: bytes,
    told: str,
) -> None:
    jobs.ingest(over_https, clock=clock)
    exported.write(body)
    hr.fail_next(200, {"Content-Type": "text/csv"}, body)
    message = refused(over_https if way == "https" else exported.settings(), db, clock)
    assert message.startswith("Employees: HR")
    assert told in message
    assert canary.records


def test_letters_in_utf_8_where_another_encoding_is_told_change_nobodys_name(
    exported: Share, db: Database, clock: MovedClock
) -> None:
    """Each of them would become two, and read well enough to be written."""
    told = exported.settings(format={"type": "csv", "encoding": "windows-1252"})
    assert "it is UTF-8, not windows-1252; see format.encoding" in refused(told, db, clock)


# --- over HTTPS ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("export", "told"),
    [
        (Export(cut=1), "no complete answer"),
        (Export(cut=5_000), "no complete answer"),
        (Export(gzipped=True, headers={"X-Gzip": "cut"}), "ends before its compressed content does"),
        (Export(headers={"Content-Encoding": "gzip"}), "is not the compressed content that it says it is"),
        (Export(headers={"Content-Encoding": "br"}), "has a Content-Encoding other than gzip, deflate"),
        (Export(encoding="utf-16"), "it is UTF-16, not utf-8"),
    ],
    ids=["cut at the end", "cut in the middle", "a cut gzip", "no gzip", "brotli", "another encoding"],
)
def test_an_answer_that_is_not_whole_writes_nothing(
    over_https: Settings, hr: HrEmulator, db: Database, clock: MovedClock, export: Export, told: str
) -> None:
    jobs.ingest(over_https, clock=clock)
    hr.patch("E00001", {"Title": "New"})
    hr.export = export
    if "X-Gzip" in export.headers:
        whole = export.answer(None, hr.people).body  # type: ignore[arg-type]
        for _ in range(40):
            hr.fail_next(200, {"Content-Encoding": "gzip"}, whole[:-8])
    assert told in refused(over_https, db, clock)


def test_an_answer_that_was_cut_is_asked_for_again_and_begun_anew(
    over_https: Settings, hr: HrEmulator, db: Database, clock: MovedClock
) -> None:
    whole = hr.export.written(hr.people)
    hr.fail_next(200, {"Content-Length": str(len(whole))}, whole[:-100])
    hr.fail_next(503)
    assert jobs.ingest(over_https, clock=clock).counts["inserted"] == 100
    assert [seen.status for seen in hr.requests] == [200, 503, 200]


def test_a_file_that_drips_ends_with_its_time(clock: MovedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "DOWNLOAD_DEADLINE", 0.3)
    with HrEmulator(people.invent(30, today=clock.utc_now().date())) as hr:
        hr.export = Export(drip=0.02)
        with pytest.raises(UpstreamError, match=r"Employees: HR: no complete answer \(ReadTimeout\)"):
            fetch(api(hr.url, endpoint=OVER_HTTPS))


def test_a_report_that_is_made_when_it_is_asked_for_may_take_longer_than_a_page() -> None:
    assert transport.SILENCE < transport.DOWNLOAD_SILENCE < transport.DOWNLOAD_DEADLINE
    assert transport.PATIENT.read == transport.DOWNLOAD_SILENCE
    assert transport.DOWNLOAD_DEADLINE * 2 < jobs.RUN_SECONDS


def test_a_file_larger_than_a_page_may_be_is_taken_and_one_beyond_bounds_refused_at_once(
    clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "LARGEST_ANSWER", 1_000)
    with HrEmulator(people.invent(30, today=clock.utc_now().date())) as hr:
        assert len(fetch(api(hr.url, endpoint=OVER_HTTPS))) == 30
        monkeypatch.setattr(transport, "LARGEST_DOWNLOAD", 1_000)
        with pytest.raises(UpstreamError, match="the answer is larger than 1000 bytes"):
            fetch(api(hr.url, endpoint=OVER_HTTPS))
        assert len(hr.requests) == 2


def test_a_large_file_costs_no_more_memory_than_a_small_one(sqlite_string: str, graph: GraphEmulator) -> None:
    """18 MB in one, more than an answer of JSON may have."""
    note = b"," + b"x" * 1_500 + b"\n"
    body = b"EmployeeId,Name_FullName,Note\n" + b"".join(b"E%06d,Somebody%s" % (n, note) for n in range(12_000))
    assert len(body) > transport.LARGEST_ANSWER
    with HrEmulator([]) as hr:
        hr.fail_next(200, {}, body)
        document = {
            "client": {"base_url": hr.url},
            "resources": json.loads(export_source(hr.url, **OVER_HTTPS))["resources"],
        }
        environ = environment(sqlite_string, hr.url, graph.upload_url) | {"HR_SOURCE": json.dumps(document)}
        ended = processes.run(environ, "ingest", fresh=True)
    assert (ended.code, ended.counts["inserted"]) == (0, 12_000), ended.err
    assert ended.peak < 100  # 12,000 people in pages of JSON take 65


def test_without_room_for_the_file_that_is_told(clock: MovedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            return

        def seek(self, _: int) -> None:
            return

        def truncate(self) -> None:
            raise OSError(28, "No space left on device")

        def close(self) -> None:
            return

    monkeypatch.setattr("tempfile.TemporaryFile", Full)
    with HrEmulator(people.invent(3, today=clock.utc_now().date())) as hr:
        with pytest.raises(UpstreamError, match="no room for HR's answer in this app's temporary folder"):
            fetch(api(hr.url, endpoint=OVER_HTTPS))


# --- from a share -------------------------------------------------------------------------------------------------


def test_a_file_that_was_just_written_is_read_once_it_has_stood_still(
    exported: Share, db: Database, clock: MovedClock
) -> None:
    exported.write(old=10)
    assert jobs.ingest(exported.settings(), clock=clock).counts["inserted"] == 100
    (slept,) = clock.sleeps
    assert 10 < slept <= 20  # what is left of half a minute; some of it may have passed, on a busy machine


def test_a_file_that_stands_still_is_read_at_once(exported: Share, db: Database, clock: MovedClock) -> None:
    jobs.ingest(exported.settings(), clock=clock)
    assert clock.sleeps == []


def test_a_file_that_the_share_dates_into_the_future_is_watched(
    exported: Share, db: Database, clock: MovedClock
) -> None:
    """Its clock is another one's; a day of hours off would else be a day without an ingest."""
    exported.write(old=-7200)
    assert jobs.ingest(exported.settings(), clock=clock).counts["inserted"] == 100
    assert clock.sleeps == [exports.SETTLED]


class Watching(MovedClock):
    """While somebody waits, HR writes on."""

    def __init__(self, writes: Callable[[], object], times: int) -> None:
        super().__init__(datetime(2026, 11, 22, 12, 0, tzinfo=UTC))
        self.writes, self.times = writes, times

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.times -= 1
        if self.times >= 0:
            self.writes()


def test_a_file_that_is_still_being_written_is_waited_for_and_never_read_half(
    exported: Share, db: Database, hr: HrEmulator
) -> None:
    whole = exported.export.written(hr.people)
    half = whole[: whole.index(b"\r\n", len(whole) * 95 // 100) + 2]  # at a line's end, and less is missing than may

    def goes_on() -> None:
        exported.write(whole, old=0)

    writing = Watching(goes_on, times=1)
    exported._clock = writing
    exported.write(half, old=5)
    assert jobs.ingest(exported.settings(), clock=writing).counts["inserted"] == 100


def test_a_file_that_grows_and_grows_is_left_for_the_next_run(exported: Share, db: Database) -> None:
    def goes_on() -> None:
        with exported.path.open("ab") as file:
            file.write(b"more")
        exported.age(0)

    writing = Watching(goes_on, times=1_000)
    exported._clock = writing
    exported.write(old=1)
    assert "it was written a moment ago, and may not be complete" in refused(exported.settings(), db, writing)
    assert sum(writing.sleeps) < 200


def test_a_file_that_changes_while_it_is_copied_is_tried_again(
    exported: Share, db: Database, clock: MovedClock, hr: HrEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, times = share.copy, list[int]()

    def interrupted(found: share.Found, *rest: Any) -> None:
        times.append(1)
        if len(times) == 1:
            exported.write(old=1800)
        copy(found, *rest)

    monkeypatch.setattr(share, "copy", interrupted)
    assert jobs.ingest(exported.settings(), clock=clock).counts["inserted"] == 100
    assert len(times) == 2


def test_with_a_done_file_a_file_is_read_as_soon_as_it_is_told_complete(
    exported: Share, db: Database, clock: MovedClock
) -> None:
    settings = exported.settings(done_file="{name}.done")
    exported.write(old=1)
    assert "not complete: its done_file is missing, or older than it" in refused(settings, db, clock)
    done = exported.folder / "employees.csv.done"
    done.touch()
    os.utime(done, (0, 0))  # yesterday's
    assert "not complete" in refused(settings, db, clock)
    at = clock.utc_now().timestamp()
    os.utime(done, (at, at))
    clock.sleeps.clear()
    assert jobs.ingest(settings, clock=clock).counts["inserted"] == 100
    assert clock.sleeps == []


def test_of_dated_files_the_newest_is_read(exported: Share, db: Database, hr: HrEmulator, clock: MovedClock) -> None:
    settings = exported.settings(path="employees-*.csv")
    for day, age in ((21, 30), (22, 6)):
        hr.patch("E00001", {"Title": f"Chief of the {day}nd"})
        exported.write(name=f"employees-202611{day}.csv", old=3600 * age)
    jobs.ingest(settings, clock=clock)
    assert cells(db, "Title", "EmployeeId = 'E00001'") == [("Chief of the 22nd",)]


@pytest.mark.parametrize(
    ("prepare", "told"),
    [
        (lambda s: s.path.unlink(), "no file is there at endpoint.path"),
        (lambda s: s.folder.rename(s.folder.with_name("elsewhere")), "client.base_url is not there"),
        (lambda s: s.path.rename(s.folder.parent / "x") and s.path.symlink_to(s.folder.parent / "x"), "is a link"),
    ],
    ids=["no file", "no share", "a link"],
)
def test_what_is_not_there_fails_the_endpoint_at_once_in_words(
    exported: Share, db: Database, clock: MovedClock, prepare: Callable[[Share], Any], told: str
) -> None:
    settings = exported.settings()
    prepare(exported)
    message = refused(settings, db, clock)
    assert message.startswith("Employees: HR's file: ")
    assert told in message
    assert str(exported.folder) not in message
    assert clock.sleeps == []


def test_a_share_that_is_gone_for_a_moment_is_tried_again(
    exported: Share, db: Database, clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, errors = share._find, [OSError(112, "Host is down"), PermissionError(13, "held")]

    def flaky(*how: Any) -> share.Found:
        if errors:
            raise errors.pop()
        return find(*how)

    monkeypatch.setattr(share, "_find", flaky)
    assert jobs.ingest(exported.settings(), clock=clock).counts["inserted"] == 100


def test_a_share_that_stays_away_fails_the_endpoint_within_a_minute(
    exported: Share, db: Database, clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any) -> share.Found:
        raise OSError(112, "Host is down")

    monkeypatch.setattr(share, "_find", gone)
    assert "Employees: HR's file: the share could not be read (EHOSTDOWN)" in refused(exported.settings(), db, clock)
    assert sum(clock.sleeps) <= exports.PATIENCE


def test_nothing_is_waited_for_beyond_the_runs_end(exported: Share, clock: MovedClock) -> None:
    exported.write(old=1)
    (source,) = exported.settings().hr_sources
    with HrApi(source, clock, clock.monotonic() + 10) as hr, pytest.raises(UpstreamError, match="written a moment ago"):
        list(hr.pages(source.resources[0]))
    assert clock.sleeps == []


# --- a file that nobody renews ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hours", "old"), [(30, False), (31, True), (30 + 24 * 4, True)])
def test_a_file_older_than_it_may_be_fails_the_endpoint(
    exported: Share, db: Database, clock: MovedClock, hours: int, old: bool
) -> None:
    exported.write(old=hours * 3600 + (60 if old else -60))
    settings = exported.settings(max_age_hours=30)
    if old:
        days, rest = divmod(hours, 24)
        told = f"HR's file is {days} days and {rest} hours old, and max_age_hours is 30: nobody seems to renew it"
        assert told in refused(settings, db, clock)
    else:
        assert jobs.ingest(settings, clock=clock).counts["inserted"] == 100


@pytest.mark.parametrize(
    ("modified", "date", "told"),
    [
        (29, 0, None),
        (31, 0, "HR's file is 1 days and 7 hours old"),
        (231, 200, "HR's file is 1 days and 7 hours old"),
        (229, 200, None),
        (29, None, None),
        (31, None, "HR's file is 1 days and 7 hours old"),
        (None, 0, "HR's answer has no Last-Modified, by which max_age_hours goes"),
    ],
    ids=["young", "old", "old by HR's clock", "young by HR's clock", "young by ours", "old by ours", "not told"],
)
def test_over_https_the_age_is_that_of_last_modified(
    clock: MovedClock, modified: int | None, date: int | None, told: str | None
) -> None:
    body = b"EmployeeId\nE1\n"
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}"]
    for name, hours in (("Last-Modified", modified), ("Date", date)):
        if hours is not None:
            lines.append(f"{name}: {format_datetime(clock.utc_now() - timedelta(hours=hours), usegmt=True)}")
    with raw_server(lambda c: c.sendall("\r\n".join([*lines, "", ""]).encode() + body)) as url:
        found = api(url, endpoint={**OVER_HTTPS, "max_age_hours": 30})
        with HrApi(found, clock) as hr:
            if told is None:
                assert list(hr.pages(found.resources[0])) == [[{"EmployeeId": "E1"}]]
            else:
                with pytest.raises(UpstreamError, match=told):
                    list(hr.pages(found.resources[0]))


# --- beside the jobs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["https", "share"])
def test_doctor_looks_at_a_file_as_at_an_api(
    over_https: Settings, exported: Share, environ: dict[str, str], clock: MovedClock, way: str
) -> None:
    url = exported.hr.url if way == "https" else exported.folder.as_uri()
    endpoint = OVER_HTTPS if way == "https" else {"path": "employees.csv", "format": "csv"}
    found = {**environ, "HR_SOURCE": export_source(url, **endpoint)}
    told = {finding.check: finding.told for finding in doctor.examine(found, clock=clock)}
    assert told["hr"] == ("100 records of Employees on the first page",)


def test_a_log_at_its_loudest_tells_nothing_of_anybody(
    exported: Share, db: Database, clock: MovedClock, canary: Canary
) -> None:
    staff = canaries.marked(people.invent(20, today=clock.utc_now().date()))
    exported.write(exported.export.written([{**p, "Name": {**p["Name"], "FullName": "Kwibus " * 60}} for p in staff]))
    with pytest.raises(UpstreamError):
        jobs.ingest(exported.settings(), clock=clock)
    assert canary.records
