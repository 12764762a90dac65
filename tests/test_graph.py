"""What Graph's answers ask for, and what goes to it."""

import gzip
import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any

import httpx
import pytest

from provisioning import graph, retry, scim, transport
from provisioning.errors import NotPermitted, UpstreamError
from provisioning.graph import JOB_ROLE, LOGS_ROLE, LONGEST_WORDS, Graph, JobStatus, Reaction, TokenSource
from provisioning.pacing import Pace
from provisioning.settings import BulkUpload, Settings
from tests.clock import MovedClock
from tests.emulators.graph import GraphEmulator
from tests.test_scim import resource

FULL = b'{"error": {"code": "InternalServerError", "message": "The bucket is full."}}'


def answer(status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> graph.Answer:
    return graph.classify(transport.Reply(status, headers or {}, body))


def endpoint(emulator: GraphEmulator) -> BulkUpload:
    found = Settings.from_environ({"GRAPH_BULK_UPLOAD_URL": emulator.upload_url}).bulk_upload
    assert found
    return found


@pytest.mark.parametrize(
    ("status", "reaction", "ambiguous"),
    [
        (202, Reaction.ACCEPTED, False),
        (200, Reaction.STOP, True),  # not what the contract says: nobody knows what it did
        (302, Reaction.STOP, False),
        (400, Reaction.REFUSED, False),
        (401, Reaction.RENEW_TOKEN, False),
        (403, Reaction.STOP, False),
        (404, Reaction.STOP, False),
        (408, Reaction.AGAIN, True),
        (413, Reaction.REFUSED, False),
        (429, Reaction.AGAIN, False),
        (500, Reaction.AGAIN, True),
        (503, Reaction.AGAIN, True),
    ],
)
def test_each_status_has_its_reaction(status: int, reaction: Reaction, ambiguous: bool) -> None:
    found = answer(status)
    assert (found.reaction, found.ambiguous) == (reaction, ambiguous)


def test_a_full_bucket_pauses_everybody_for_5_to_10_minutes() -> None:
    found = answer(500, body=FULL)
    assert found.wait
    assert 300 <= found.wait <= 600
    assert found.everybody
    assert answer(500, {"Retry-After": "9"}, FULL).wait == 9


def test_retry_after_is_honoured_in_both_its_forms() -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    assert retry.retry_after("17") == 17
    assert retry.retry_after(format_datetime(now + timedelta(seconds=40), usegmt=True), now) == 40
    assert retry.retry_after(format_datetime(now - timedelta(seconds=40), usegmt=True), now) == 0
    assert [retry.retry_after(x) for x in (None, "", "soon")] == [None, None, None]


def test_waits_double_up_to_a_minute() -> None:
    assert [max(retry.backoff(n) for _ in range(200)) <= 2 ** (n - 1) for n in range(1, 7)] == [True] * 6
    assert 30 <= retry.backoff(50) <= 60


def test_graphs_words_are_one_line_of_bounded_length() -> None:
    """The sender shortens them to what is told, after it has taken everybody's values out."""
    body = b'{"error": {"code": "C", "message": "two\\n lines ' + b"x" * 50_000 + b'"}}'
    words = answer(403, body=body).words
    assert words.startswith("C: two lines xxx")
    assert len(words) == LONGEST_WORDS
    assert answer(502, body=b"<html>").words == "HTTP 502"


def test_a_token_for_graph_goes_along_and_is_renewed_and_never_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    made: list[int] = []

    def tokens() -> graph.TokenSource:
        made.append(1)
        return lambda: f"t0ken-{len(made)}"

    with GraphEmulator(token="t0ken-2") as emulator:
        real = replace(endpoint(emulator), host="graph.microsoft.com")
        with Graph(real, tokens) as opened:
            first = opened.upload(b"{}")
            assert first.reaction is Reaction.RENEW_TOKEN
            opened.renew_token()
            assert opened.upload(b"{}").reaction is Reaction.REFUSED  # past the door: the body is no bulk request
    assert len(made) == 2
    assert "t0ken" not in caplog.text + repr(first)


def test_without_a_token_nothing_is_sent_and_the_run_stops() -> None:
    def tokens() -> graph.TokenSource:
        raise RuntimeError("secret details")

    with GraphEmulator() as emulator, Graph(replace(endpoint(emulator), host="graph.microsoft.com"), tokens) as opened:
        found = opened.upload(b"{}")
    assert (found.reaction, found.ambiguous) == (Reaction.STOP, False)
    assert "secret" not in found.words
    assert not emulator.calls


def test_an_emulator_gets_no_token(graph: GraphEmulator) -> None:
    def tokens() -> None:
        raise AssertionError("asked for a token")

    with Graph(endpoint(graph), tokens) as opened:  # type: ignore[arg-type]
        assert opened.upload(b"{}").reaction is Reaction.REFUSED


@pytest.mark.parametrize("apply", [True, False])
def test_a_connection_that_breaks_leaves_doubt(graph: GraphEmulator, apply: bool) -> None:
    graph.drop_next(apply=apply)
    with Graph(endpoint(graph)) as opened:
        found = opened.upload(one_person())
    assert (found.reaction, found.ambiguous) == (Reaction.AGAIN, True)


def test_nobody_listening_leaves_none(graph: GraphEmulator) -> None:
    gone = replace(endpoint(graph), url="http://127.0.0.1:9/")
    with Graph(gone) as opened:
        found = opened.upload(b"{}")
    assert (found.reaction, found.ambiguous) == (Reaction.AGAIN, False)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_stops_the_run_and_takes_neither_token_nor_people_along(graph: GraphEmulator, status: int) -> None:
    real = replace(endpoint(graph), host="graph.microsoft.com")
    with GraphEmulator() as other:
        graph.fail_next(status, {"Location": other.upload_url})
        with Graph(real, lambda: lambda: "t0ken") as opened:
            found = opened.upload(one_person())
        assert (found.reaction, found.status, found.ambiguous) == (Reaction.STOP, status, False)
        assert not other.calls
        assert not other.refusals


@pytest.mark.parametrize("place", ["mailto:a", "http://xn--a/", "http://[::"])
def test_a_redirect_to_nowhere_is_an_answer_all_the_same(graph: GraphEmulator, place: str) -> None:
    graph.fail_next(302, {"Location": place})
    with Graph(endpoint(graph)) as opened:
        assert opened.upload(one_person()).status == 302


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Encoding": "gzip"}, gzip.compress(FULL)[:-1]),
        ({"Content-Encoding": "gzip"}, gzip.compress(b" " * 20_000_000)),
        ({"Content-Encoding": "br"}, FULL),
        ({"Content-Length": "99"}, FULL),
    ],
    ids=["cut gzip", "bomb", "brotli", "short"],
)
def test_an_answer_that_cannot_be_read_leaves_doubt(graph: GraphEmulator, headers: dict[str, str], body: bytes) -> None:
    graph.fail_next(500, headers, body, apply=True)
    with Graph(endpoint(graph)) as opened:
        found = opened.upload(one_person())
    assert (found.reaction, found.ambiguous) == (Reaction.AGAIN, True)


def one_person() -> bytes:
    return scim.bulk_request([("7", resource(["title"], ["x"]))])


def test_half_a_letter_in_graphs_words_can_be_stored() -> None:
    assert answer(403, body=b'{"error": {"code": "C", "message": "a \\ud83e b"}}').words == "C: a ? b"


def test_calls_are_spaced_evenly_and_idle_slots_not_saved_up(clock: MovedClock) -> None:
    pace = Pace(clock, calls_per_second=7)
    at = []
    for _ in range(80):
        clock.sleep(pace.wait_left())
        at.append(clock.monotonic())
        pace.take()
    assert max(sum(a <= b < a + 5 for b in at) for a in at) <= 36
    clock.move(seconds=60)
    pace.take()
    assert pace.wait_left() > 0.1


def test_a_call_that_comes_late_does_not_slow_those_after_it_nor_break_the_window(clock: MovedClock) -> None:
    pace = Pace(clock, calls_per_second=7, catches_up=0.14)
    clock.move(seconds=60)
    at = []
    for n in range(200):
        clock.sleep(pace.wait_left() + (n % 5) / 50)  # what a request takes to be made ready
        at.append(clock.monotonic())
        pace.take()
    assert 199 / (at[-1] - at[0]) == pytest.approx(7, rel=0.01)
    assert max(sum(a <= b < a + 5 for b in at) for a in at) <= 37


def test_a_pause_holds_everybody(clock: MovedClock) -> None:
    pace = Pace(clock)
    pace.pause(300)
    assert 299 < pace.wait_left() <= 300


# --- the job and the log -----------------------------------------------------------------------------------------

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def entries_of(emulator: GraphEmulator, clock: MovedClock, since: datetime = LONG_AGO) -> list[Any]:
    with Graph(endpoint(emulator)) as opened:
        return [e for page in opened.log_pages(since, clock, clock.monotonic() + 600) for e in page]


def test_the_job_says_how_it_stands_and_why_it_is_in_quarantine(graph: GraphEmulator) -> None:
    directory = graph.directory()
    with Graph(endpoint(graph)) as opened:
        assert (opened.job(), opened.job().stands) == (JobStatus("Active"), False)
        directory.quarantine_reason = "EncounteredQuarantineException"
        found = opened.job()
        assert (found, found.stands) == (JobStatus("Quarantine", "EncounteredQuarantineException"), True)
        directory.quarantine_reason, directory.paused = None, True
        assert (opened.job().code, opened.job().stands) == ("Paused", True)


@pytest.mark.parametrize("role", [JOB_ROLE, LOGS_ROLE])
def test_a_missing_role_is_told_by_its_name_and_not_asked_for_again(
    graph: GraphEmulator, clock: MovedClock, role: str
) -> None:
    graph.roles.discard(role)
    with Graph(endpoint(graph)) as opened, pytest.raises(NotPermitted, match=role) as told:
        opened.job() if role == JOB_ROLE else list(opened.log_pages(LONG_AGO, clock, clock.monotonic() + 600))
    assert (told.value.role, clock.sleeps) == (role, [])


def test_an_outage_is_no_missing_permission(graph: GraphEmulator, clock: MovedClock) -> None:
    graph.fail_read(JOB_ROLE, 503)
    graph.fail_read(LOGS_ROLE, 503, times=50)
    with Graph(endpoint(graph)) as opened:
        with pytest.raises(UpstreamError, match="503") as told:
            opened.job()
        assert not isinstance(told.value, NotPermitted)
    with pytest.raises(UpstreamError, match="503") as told:
        entries_of(graph, clock)
    assert not isinstance(told.value, NotPermitted)
    assert sum(clock.sleeps) > 15  # it was asked for again for a while


def test_a_busy_log_is_asked_again_when_it_says(graph: GraphEmulator, clock: MovedClock) -> None:
    graph.directory().tell("E1")
    graph.fail_read(LOGS_ROLE, 429, {"Retry-After": "17"})
    assert len(entries_of(graph, clock)) == 1
    assert clock.sleeps == [17]


def test_the_log_is_read_page_by_page_to_its_end_the_oldest_first(graph: GraphEmulator, clock: MovedClock) -> None:
    graph.clock = iter(range(1_800_000_000, 1_900_000_000)).__next__
    told = [graph.directory().tell(f"E{n}")["id"] for n in range(2500)]
    graph.add_job()
    with Graph(endpoint(graph)) as opened:
        pages = list(opened.log_pages(LONG_AGO, clock, clock.monotonic() + 600))
    assert [len(page) for page in pages] == [500] * 5
    assert [e["id"] for page in pages for e in page] == told


def test_only_entries_of_this_job_since_that_time_are_asked_for(graph: GraphEmulator, clock: MovedClock) -> None:
    graph.clock = lambda: 1_800_000_000
    url = graph.add_job()
    *_, principal, _, _, job, _ = url.split("/")
    graph.directory(principal, job).tell("of another job")
    graph.directory().tell("E1")
    moment = datetime.fromtimestamp(1_800_000_000, UTC)
    assert [e["sourceIdentity"]["id"] for e in entries_of(graph, clock, moment - timedelta(seconds=1))] == ["E1"]
    assert entries_of(graph, clock, moment + timedelta(seconds=1)) == []


@pytest.mark.parametrize("elsewhere", ["https://contoso.example/v1.0/x", "http://127.0.0.1:1/v1.0/x", "not a link", ""])
def test_a_next_page_at_another_address_gets_no_token(
    graph: GraphEmulator, clock: MovedClock, monkeypatch: pytest.MonkeyPatch, elsewhere: str
) -> None:
    asked: list[str] = []

    def exchange(http: object, request: httpx.Request, seconds: float) -> transport.Reply:
        asked.append(str(request.url))
        return transport.Reply(200, {}, json.dumps({"value": [], "@odata.nextLink": elsewhere}).encode())

    monkeypatch.setattr(transport, "exchange", exchange)
    with pytest.raises(UpstreamError, match="another address"):
        entries_of(graph, clock)
    assert len(asked) == 1


def test_pages_that_go_in_a_circle_end(
    graph: GraphEmulator, clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exchange(http: object, request: httpx.Request, seconds: float) -> transport.Reply:
        body = {"value": [], "@odata.nextLink": f"{graph.url}/v1.0/auditLogs/provisioning?again"}
        return transport.Reply(200, {}, json.dumps(body).encode())

    monkeypatch.setattr(transport, "exchange", exchange)
    with pytest.raises(UpstreamError, match="never end"):
        entries_of(graph, clock)


def test_reading_ends_with_the_runs_time(graph: GraphEmulator, clock: MovedClock) -> None:
    with Graph(endpoint(graph)) as opened, pytest.raises(UpstreamError, match="time of this run"):
        list(opened.log_pages(LONG_AGO, clock, clock.monotonic() - 1))


def test_a_token_that_has_expired_is_renewed_for_a_reading(graph: GraphEmulator) -> None:
    graph.token = "new"
    target = replace(endpoint(graph), host="graph.microsoft.com")
    tokens = iter(["old", "new"])
    with Graph(target, lambda: partial(str, next(tokens))) as opened:
        assert opened.job() == JobStatus("Active")


def test_an_error_of_graph_is_told_by_its_code_not_by_its_words(graph: GraphEmulator, clock: MovedClock) -> None:
    graph.fail_read(JOB_ROLE, 400)
    with Graph(endpoint(graph)) as opened, pytest.raises(UpstreamError) as told:
        opened.job()
    assert str(told.value) == "Graph answered 400 UnknownError."


# --- the app's schema ---------------------------------------------------------------------------------------------


def test_the_apps_schema_is_read_with_the_role_of_the_job(graph: GraphEmulator) -> None:
    with Graph(endpoint(graph)) as opened:
        assert opened.schema()["synchronizationRules"][0]["sourceDirectoryName"] == "API"
        graph.roles.remove(JOB_ROLE)
        with pytest.raises(NotPermitted) as caught:
            opened.schema()
    assert caught.value.role == JOB_ROLE


def test_graphs_clock_is_told_with_its_answers_whatever_they_are(graph: GraphEmulator) -> None:
    graph.roles.clear()
    with Graph(endpoint(graph)) as opened:
        assert opened.told_time is None
        with pytest.raises(NotPermitted):
            opened.job()
        assert opened.told_time is not None
        assert abs((opened.told_time - datetime.now(UTC)).total_seconds()) < 10


def test_the_token_is_told_to_who_must_look_at_it_and_its_lack_without_names(graph: GraphEmulator) -> None:
    def none() -> TokenSource:
        raise RuntimeError("account of somebody@contoso.example")

    real = replace(endpoint(graph), host="graph.microsoft.com")
    with Graph(real, lambda: lambda: "t0ken") as opened:
        assert opened.token() == "t0ken"
    with Graph(endpoint(graph)) as opened:
        assert opened.token() is None
    with Graph(real, none) as opened, pytest.raises(UpstreamError, match=r"no token could be had \(RuntimeError\)"):
        opened.token()
