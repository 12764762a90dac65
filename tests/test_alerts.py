"""A phone that rings: for news, once; in counts; and never so that a run would notice whether anybody answers."""

import json
import logging
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from provisioning import aftermath, alerts, comparing, jobs, migration, person, review, runs
from provisioning.alerts import Before, Ended, Opened
from provisioning.database import Database
from provisioning.errors import Busy, DatabaseError, ProvisioningError, UpstreamError
from provisioning.settings import Settings
from tests import canary as canaries
from tests.canary import Canary
from tests.clock import MovedClock
from tests.conftest import NAMED, edit, employ, environment
from tests.emulators.graph import GraphEmulator
from tests.emulators.hr import HrEmulator
from tests.emulators.http import Dropped, Request, Response
from tests.emulators.tenant import USERS_ROLE
from tests.emulators.webhook import SECRET, WebhookEmulator

IDS = ("A1", "A2", "A3")
EACH_KIND = ("held", "failed", "quarantined", "out of scope", "recreated")


@pytest.fixture
def phone() -> Iterator[WebhookEmulator]:
    with WebhookEmulator() as emulator:
        yield emulator


@pytest.fixture
def settings(bridge: Callable[..., Settings], phone: WebhookEmulator) -> Settings:
    return bridge(HR_SOURCE="", ALERT_WEBHOOK_URL=phone.slack)


@pytest.fixture
def sent(small: Database, settings: Settings, phone: WebhookEmulator, clock: MovedClock) -> Database:
    """Three people who were sent, and a log that was read."""
    employ(small, *IDS)
    jobs.create(settings, NAMED, clock=clock)
    aftermath.collect(settings, clock=clock)
    assert phone.new() == []
    return small


def run(job: Callable[..., Any], settings: Settings, clock: MovedClock, *more: Any) -> str:
    """Run a job; gives back how it ended: the kind of its error, or its exit code."""
    clock.move(minutes=1)
    try:
        return str(job(settings, *more, clock=clock).exit_code)
    except ProvisioningError as exc:
        return type(exc).__name__


# --- each kind rings, and not twice -------------------------------------------------------------------------------


def test_leavers_who_are_still_enabled_ring_when_they_become_more(
    sent: Database, settings: Settings, graph: GraphEmulator, phone: WebhookEmulator, clock: MovedClock
) -> None:
    graph.roles.add(USERS_ROLE)
    assert run(comparing.nightly, settings, clock) == "0"
    assert phone.new() == []
    edit(sent, "A1", Active=0)
    assert run(comparing.nightly, settings, clock) == "3"
    (told,) = phone.new()
    assert "left and enabled: 1 people who have left HR are still enabled in Entra (before: 0)" in told
    assert run(comparing.nightly, settings, clock) == "3"
    assert phone.new() == []
    graph.roles.discard(USERS_ROLE)
    assert run(comparing.nightly, settings, clock) == "NotPermitted"
    assert "failed (NotPermitted)" in phone.new()[0]
    graph.roles.add(USERS_ROLE)
    assert run(comparing.nightly, settings, clock) == "3"
    (told,) = phone.new()
    assert "compare works again" in told
    assert "left and enabled" not in told  # it is known already


def test_a_hold_rings_once_with_its_name_and_what_to_do(
    small: Database, settings: Settings, phone: WebhookEmulator, clock: MovedClock
) -> None:
    employ(small, *IDS)
    assert run(jobs.create, settings, clock) == "3"
    (hold,) = review.waiting(settings, clock=clock)
    (told,) = phone.new()
    assert f"held: 3 people (first load), hold {hold.hold_id}" in told
    assert "python -m provisioning holds, or /api/console" in told
    assert re.match(r"HR to Entra: create, run [0-9a-f-]{36}, exit 3\n", told)
    assert run(jobs.create, settings, clock) == "3"
    assert phone.new() == []


def test_a_hold_that_grew_has_another_name_and_rings_one_that_shrank_does_not(
    small: Database, settings: Settings, phone: WebhookEmulator, clock: MovedClock
) -> None:
    employ(small, *IDS)
    run(jobs.create, settings, clock)
    phone.new()
    edit(small, "A1", Active=0)
    run(jobs.create, settings, clock)
    assert phone.new() == []
    employ(small, "A4")
    run(jobs.create, settings, clock)
    assert "held: 3 people" in phone.new()[0]


def test_a_resync_rings_for_the_hold_it_opens_and_for_nothing_else(
    sent: Database, bridge: Callable[..., Settings], phone: WebhookEmulator, clock: MovedClock
) -> None:
    settings = bridge(HR_SOURCE="", ALERT_WEBHOOK_URL=phone.slack)
    assert run(jobs.resync, settings, clock, "NOBODY") == "UnknownEmployee"
    assert phone.new() == []
    other_mapping = bridge(HR_SOURCE="", ALERT_WEBHOOK_URL=phone.slack, SCIM_EXTENSIONS='{"hr": "urn:other:hr"}')
    assert [run(jobs.resync, other_mapping, clock, "A1") for _ in range(2)] == ["Held"] * 2
    (told,) = phone.new()
    assert "held: 3 people (mapping)" in told


def test_a_run_that_fails_rings_once_for_each_kind_of_error_and_once_when_it_works_again(
    sqlite_string: str, hr: HrEmulator, graph: GraphEmulator, phone: WebhookEmulator, clock: MovedClock
) -> None:
    def at(url: str, **more: str) -> Settings:
        environ = environment(sqlite_string, url, graph.upload_url) | {"ALERT_WEBHOOK_URL": phone.slack, **more}
        return Settings.from_environ(environ)

    assert run(jobs.ingest, at("http://127.0.0.1:1/"), clock) == "UpstreamError"
    assert "ingest" in phone.taken[0]
    assert "failed (UpstreamError)" in phone.new()[0]
    assert run(jobs.ingest, at("http://127.0.0.1:1/"), clock) == "UpstreamError"
    assert phone.new() == []
    assert run(jobs.ingest, at(hr.url, HR_SOURCE=json.dumps(_without_a_table(hr.url))), clock) == "SettingsError"
    assert "failed (SettingsError)" in phone.new()[0]
    assert run(jobs.ingest, at(hr.url), clock) == "0"
    assert "ingest works again." in phone.new()[0]
    assert run(jobs.ingest, at(hr.url), clock) == "0"
    assert phone.new() == []


def _without_a_table(url: str) -> dict[str, Any]:
    resource = {"name": "Ghosts", "primary_key": "GhostId", "endpoint": {"path": "api/Ghosts"}}
    return {"client": {"base_url": url}, "resources": [resource]}


def test_a_run_that_fails_before_it_has_begun_rings_once_too(
    sent: Database, settings: Settings, phone: WebhookEmulator, clock: MovedClock
) -> None:
    sent.execute("DROP VIEW dbo.ScimUsers")
    assert [run(jobs.update, settings, clock) for _ in range(2)] == ["MappingError"] * 2
    (told,) = phone.new()
    assert "failed (MappingError)" in told
    migration.migrate(sent)
    assert run(jobs.update, settings, clock) == "0"
    assert "update works again." in phone.new()[0]


def test_a_job_in_quarantine_rings_once_whichever_run_finds_it_and_once_when_it_is_at_work_again(
    sent: Database, settings: Settings, graph: GraphEmulator, phone: WebhookEmulator, clock: MovedClock
) -> None:
    graph.directory().quarantine_reason = "EncounteredQuarantineException"
    edit(sent, *IDS, Title="Otter")
    run(jobs.update, settings, clock)
    (told,) = phone.new()
    assert "quarantined: the provisioning job is Quarantine" in told
    run(jobs.update, settings, clock)  # nobody is due: the job is not asked
    employ(sent, "A4")
    run(jobs.create, settings, clock, NAMED)
    edit(sent, *IDS, Title="Heron")
    run(jobs.reconcile, settings, clock)
    assert phone.new() == []
    graph.directory().quarantine_reason = None
    edit(sent, *IDS, Title="Stork")
    run(jobs.update, settings, clock)
    (told,) = phone.new()
    assert "the provisioning job is at work again." in told


def test_people_who_vanish_from_the_view_ring_when_their_number_changes(
    sent: Database, settings: Settings, phone: WebhookEmulator, clock: MovedClock
) -> None:
    sent.execute("DELETE FROM dbo.Employees WHERE EmployeeId = 'A1'")
    assert [run(jobs.update, settings, clock) for _ in range(3)] == ["3"] * 3
    (told,) = phone.new()
    assert "out of scope: 1 people last sent as active are gone from dbo.ScimUsers (before: 0)" in told
    run(jobs.create, settings, clock)
    run(jobs.reconcile, settings, clock)
    assert phone.new() == []  # it is the same fact, whichever run finds it
    sent.execute("DELETE FROM dbo.Employees WHERE EmployeeId = 'A2'")
    run(jobs.update, settings, clock)
    assert "out of scope: 2 people" in phone.new()[0]


def test_who_fails_in_entra_rings_once_however_often_entra_tries(
    sent: Database, settings: Settings, graph: GraphEmulator, phone: WebhookEmulator, clock: MovedClock
) -> None:
    directory = graph.directory()
    directory.occupy("B1")
    directory.occupy("B2")
    employ(sent, "B1", "B2")
    jobs.create(settings, NAMED, clock=clock)
    assert run(aftermath.collect, settings, clock) == "0"
    (told,) = phone.new()
    assert "failed: 2 people, newly, in Entra" in told
    clock.move(hours=1)
    sent.execute("UPDATE dbo.Employees SET Title = 'Otter' WHERE EmployeeId = 'B1'")
    jobs.update(settings, clock=clock)  # and B1 fails once more
    assert run(aftermath.collect, settings, clock) == "0"
    assert phone.new() == []


def test_who_was_created_anew_rings_once(
    sent: Database, settings: Settings, graph: GraphEmulator, phone: WebhookEmulator, clock: MovedClock
) -> None:
    graph.directory().delete("A1")
    edit(sent, "A1", Title="Otter")
    jobs.update(settings, clock=clock)
    assert [run(aftermath.collect, settings, clock) for _ in range(2)] == ["0", "0"]
    (told,) = phone.new()
    assert "recreated: 1 people whose accounts somebody had deleted" in told


def test_a_quiet_day_rings_for_nobody(
    sent: Database, settings: Settings, phone: WebhookEmulator, clock: MovedClock
) -> None:
    for job in (jobs.create, jobs.update, jobs.reconcile, aftermath.collect):
        assert run(job, settings, clock) == "0"
    assert phone.asked == 0


def test_looking_rings_for_nobody(
    small: Database, settings: Settings, phone: WebhookEmulator, clock: MovedClock
) -> None:
    employ(small, *IDS)
    for look in (review.foresee, aftermath.status):
        assert run(look, settings, clock) == "0"
    assert person.show(settings, "A1", clock=clock).exit_code == 0
    assert run(person.show, settings, clock, "NOBODY") == "UnknownEmployee"
    run(jobs.create, settings, clock)
    phone.new()
    review.approve(settings, review.waiting(settings, clock=clock)[0].hold_id, "Ada", clock=clock)
    assert phone.new() == []


def test_one_run_rings_once_for_all_it_has_found() -> None:
    ended = Ended("update", "r", 1, "UnfinishedRun", {"out_of_scope": 2, "recreated": 1}, 3, "Quarantine")
    told = alerts.news(ended, Before(), [Opened("h1", "disables", 11)])
    assert all(any(line.startswith(kind) for line in told) for kind in EACH_KIND)


# --- when nobody can say what was told ----------------------------------------------------------------------------


@pytest.mark.parametrize(("hour", "rings"), [(0, True), (1, False), (3, False), (4, True), (23, False)])
@pytest.mark.parametrize("job", [jobs.update, jobs.reconcile])
def test_without_a_database_one_job_rings_in_every_fourth_hour(
    bridge: Callable[..., Settings], phone: WebhookEmulator, tmp_path: Path, hour: int, rings: bool, job: Any
) -> None:
    settings = bridge(ALERT_WEBHOOK_URL=phone.slack, SQL_CONNECTION_STRING=f"sqlite:///{tmp_path}")
    clock = MovedClock(datetime(2026, 11, 22, hour, 20, tzinfo=UTC))
    with pytest.raises(DatabaseError):
        job(settings, clock=clock)
    told = phone.new()
    assert [("DatabaseError" in text, "cannot be asked" in text) for text in told] == [(True, True)] * (
        rings and job is jobs.update
    )


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "SystemExit"])
def test_a_run_that_somebody_stops_or_that_finds_another_at_work_rings_for_nobody(
    settings: Settings, phone: WebhookEmulator, clock: MovedClock, error: str
) -> None:
    alerts.tell(settings, Ended("update", "r1", 1, error), clock)
    alerts.tell(settings, Ended("update", "r2", Busy.exit_code, "Busy"), clock)
    assert phone.asked == 0
    alerts.tell(settings, Ended("update", "r3", 1, "ValueError"), clock)
    assert "failed (ValueError)" in phone.new()[0]


# --- nobody answers -----------------------------------------------------------------------------------------------


def _gone(_: Request) -> Response:
    raise Dropped()


def _slow(request: Request) -> Response:
    request.wait(60)
    raise Dropped()


DEAD: dict[str, Callable[[Request], Response]] = {
    "fails": lambda _: Response(500),
    "refuses": lambda _: Response(403, SECRET.encode()),
    "sends elsewhere": lambda _: Response(302, b"", {"Location": f"https://evil.example/{SECRET}"}),
    "hangs up": _gone,
    "does not answer": _slow,
    "says too much": lambda _: Response(200, b"x" * (transport_limit() + 1)),
}


def transport_limit() -> int:
    from provisioning import transport  # noqa: PLC0415

    return transport.LARGEST_ANSWER


@pytest.mark.parametrize("how", DEAD)
def test_a_webhook_that_is_dead_changes_no_run_and_is_told_once_without_its_address(
    small: Database,
    bridge: Callable[..., Settings],
    phone: WebhookEmulator,
    clock: MovedClock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    monkeypatch.setattr(alerts, "SECONDS", 0.5)
    phone.failing = DEAD[how]
    employ(small, *IDS)
    settings = bridge(HR_SOURCE="", ALERT_WEBHOOK_URL=phone.slack)
    with caplog.at_level(logging.DEBUG):
        report = jobs.create(settings, clock=clock)
    assert (report.exit_code, report.counts["held"], report.counts["candidates"]) == (3, 3, 3)
    told = [r for r in caplog.records if r.name == "provisioning.alerts"]
    assert [r.levelname for r in told] == ["WARNING"]
    assert "ALERT_WEBHOOK_URL" in told[0].getMessage()
    assert SECRET not in caplog.text
    assert "/services/" not in caplog.text
    assert 1 <= phone.asked <= 2


def test_a_webhook_that_fails_once_is_asked_once_more(
    small: Database, settings: Settings, phone: WebhookEmulator, clock: MovedClock
) -> None:
    def once(_: Request) -> Response:
        phone.failing = None
        return Response(503)

    phone.failing = once
    employ(small, *IDS)
    run(jobs.create, settings, clock)
    assert (len(phone.new()), phone.asked) == (1, 2)
    assert alerts.PAUSE in clock.sleeps


def test_where_nobody_listens_the_error_of_the_run_is_the_one_that_is_raised(
    bridge: Callable[..., Settings], small: Database, clock: MovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    nobody = f"http://127.0.0.1:1/services/{SECRET}"
    with pytest.raises(UpstreamError) as raised:
        jobs.ingest(bridge(ALERT_WEBHOOK_URL=nobody), clock=clock)
    assert raised.value.report.exit_code == 1
    assert "could not be delivered to ALERT_WEBHOOK_URL: could not connect" in caplog.text
    assert SECRET not in caplog.text


def test_a_mistake_in_telling_fails_no_run(
    small: Database,
    settings: Settings,
    clock: MovedClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: object) -> list[str]:
        raise ValueError(settings.alert_webhook_url)

    monkeypatch.setattr(alerts, "news", broken)
    employ(small, *IDS)
    assert run(jobs.create, settings, clock) == "3"
    assert "could not be sent (ValueError)" in caplog.text
    assert SECRET not in caplog.text


# --- what is told, and to whom ------------------------------------------------------------------------------------


def test_nothing_personal_no_id_and_no_secret_is_told(
    sqlite_string: str,
    small: Database,
    hr: HrEmulator,
    graph: GraphEmulator,
    phone: WebhookEmulator,
    clock: MovedClock,
    canary: Canary,
) -> None:
    environ = environment(sqlite_string, hr.url, graph.upload_url) | {"ALERT_WEBHOOK_URL": phone.slack}
    settings = Settings.from_environ(environ)
    for one in canaries.marked(hr.people):
        hr.put(one)
    ids = [p["EmployeeId"] for p in hr.people]
    directory = graph.directory()
    directory.occupy(ids[0])
    run(jobs.ingest, settings, clock)
    run(jobs.create, settings, clock)
    run(jobs.create, settings, clock, NAMED)
    run(aftermath.collect, settings, clock)
    directory.delete(ids[2])
    edit(small, ids[2], Title=canaries.MARKER)
    run(jobs.update, settings, clock)
    run(aftermath.collect, settings, clock)
    directory.quarantine_reason = "EncounteredQuarantineException"
    edit(small, *ids[4:], Title=f"{canaries.MARKER} once more")
    small.execute("DELETE FROM dbo.Employees WHERE EmployeeId = ?", (ids[3],))
    run(jobs.update, settings, clock)
    told = "\n".join(phone.new())
    assert {kind for kind in EACH_KIND if re.search(f"(?m)^{kind}", told)} == set(EACH_KIND)
    canary.look_at(told, "an alert")
    assert not [i for i in ids if i in told]
    assert SECRET not in told
    assert SECRET not in repr(settings)
    assert "http" not in told


@pytest.mark.parametrize("address", ["slack", "flow"])
def test_each_kind_of_webhook_gets_the_form_it_takes(
    small: Database, bridge: Callable[..., Settings], phone: WebhookEmulator, clock: MovedClock, address: str
) -> None:
    employ(small, *IDS)
    run(jobs.create, bridge(HR_SOURCE="", ALERT_WEBHOOK_URL=getattr(phone, address)), clock)
    (told,) = phone.new()
    assert "held: 3 people (first load)" in told
    assert told.startswith("HR to Entra: create")


@pytest.mark.parametrize(
    ("url", "form"),
    [
        ("https://hooks.slack.com/services/T/B/x", "text"),
        ("https://contoso.webhook.office.com/webhookb2/a/IncomingWebhook/b/c", "text"),
        ("https://logic.azure.com.evil.example/hook", "text"),
        ("https://prod-1.westeurope.logic.azure.com:443/workflows/a/triggers/manual/paths/invoke?sig=x", "attachments"),
        (
            "https://a.09.environment.api.powerplatform.com/powerautomate/automations/direct/workflows/b/triggers"
            "/manual/paths/invoke?api-version=1&sig=x",
            "attachments",
        ),
    ],
)
def test_which_form_it_is_is_told_by_the_address(url: str, form: str) -> None:
    assert form in alerts.payload(url, ["a", "b"])


def test_many_holds_are_no_long_message() -> None:
    opened = [Opened(f"h{n}", "attribute_to_null", 5) for n in range(40)]
    told = alerts.news(Ended("update", "r", 3), Before(), opened)
    assert len(told) == alerts.MOST_HOLDS + 2
    assert "held: 30 holds more" in told


def test_what_a_run_notes_for_the_next_is_no_count_of_it(
    sent: Database, settings: Settings, graph: GraphEmulator, clock: MovedClock
) -> None:
    graph.directory().quarantine_reason = "EncounteredQuarantineException"
    employ(sent, *(f"B{n}" for n in range(60)))
    assert run(jobs.create, settings, clock, NAMED) == "UnfinishedRun"
    counts = aftermath.status(settings, clock=clock).answer["jobs"]["create"]["counts"]
    assert counts["sent"] == 50
    assert set(counts) == {*runs.no_counts("create")}
