"""A phone that rings: at the end of a run one webhook is told what is news, in counts. See docs/operations.md.

What was told before is not told again: what a run before this one has found is kept in its row of provisioning.runs.

Slack, and what is compatible with it, takes `{"text": …}` and answers 200; so do the older connectors of Teams
(*.webhook.office.com). A webhook of Teams' Workflows starts a flow that takes an Adaptive Card as the attachment of a
message, and answers 202: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks,
https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using,
https://learn.microsoft.com/connectors/teams/#microsoft-teams-webhook, https://adaptivecards.io/explorer/TextBlock.html.
"""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from provisioning import database, ledger, retry, transport
from provisioning.database import Database
from provisioning.errors import Busy, ProvisioningError, TransportError, Unacceptable
from provisioning.pacing import Clock
from provisioning.settings import Settings

SECONDS, PAUSE = 5.0, 1.0
"""So long one attempt may take, and so long is waited before the second and last one."""

BY_ITSELF = ("ingest", "create", "update", "reconcile", "resend", "outcomes", "compare")
"""Jobs that run where nobody looks."""

SENDING = ("create", "update", "reconcile", "resend")
"""Of these, the ones that look who has gone from the view."""

ASKED_FOR = ("resync", "disable", "enable")
"""Whoever asks for these is told at once what became of it; only a hold that one opens waits for somebody else."""

BLIND_JOB, BLIND_HOURS = "update", 4
"""Where the database cannot be asked what was told before, only this job rings, in every fourth hour of UTC."""

FAILED = (1, 2)
INTERRUPTED = ("KeyboardInterrupt", "SystemExit", "GeneratorExit")
MOST_HOLDS = 10

_FLOW = re.compile(r"/workflows/[^/]+/triggers/[^/]+/paths/invoke/?")
_FLOW_HOSTS = (".logic.azure.com", ".api.powerplatform.com", ".powerautomate.com")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ended:
    """A run that has ended. `error`: its kind; `standing`: how the provisioning job was found to stand, "" at work."""

    job: str
    run_id: str
    exit_code: int
    error: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    newly_failed: int = 0
    standing: str | None = None


@dataclass(frozen=True)
class Before:
    """How the last run of the same job had ended, and how the provisioning job stood when it was last asked.

    `error`: the kind that was told; None of a run that did not fail, or whose failure was not told.
    """

    exit_code: int | None = None
    error: str | None = None
    out_of_scope: int = 0
    standing: str | None = None
    left_enabled: int = 0
    """How many who have left were still enabled when the directory was last compared."""
    standing_at: str = ""
    """When it was asked, so that a run that did not ask passes no older answer on."""


@dataclass(frozen=True)
class Opened:
    """A hold that this run has opened."""

    hold_id: str
    kind: str
    people: int


def tell(settings: Settings, ended: Ended, clock: Clock) -> None:
    """Ring where something is news. Never raises: what keeps it from ringing is told by one warning."""
    quiet = ended.exit_code == Busy.exit_code or ended.error in INTERRUPTED
    if not settings.alert_webhook_url or ended.job not in (*BY_ITSELF, *ASKED_FOR) or quiet:
        return
    try:
        if lines := _found(settings, ended, clock):
            _ring(settings.alert_webhook_url, [_headline(ended), *lines], clock)
    except Exception as exc:  # its text may quote the address, which is a secret
        logger.warning("The alert of run %s could not be sent (%s).", ended.run_id, type(exc).__name__)


# --- what is news -------------------------------------------------------------------------------------------------


def _found(settings: Settings, ended: Ended, clock: Clock) -> list[str]:
    try:
        with database.connect(settings.sql_connection_string, clock, 0.0) as db:
            target = None if ended.job == "ingest" or not settings.bulk_upload else settings.bulk_upload.target
            before = _before(db, ended, target)
            opened = [Opened(str(i), str(kind), int(n)) for i, kind, n in db.rows("opened_holds", ended.run_id)]
            _keep(db, ended, before, target, clock.utc_now())
        return news(ended, before, opened)
    except ProvisioningError:
        return blind(ended, clock.utc_now())


def _before(db: Database, ended: Ended, target: str | None) -> Before:
    exit_code, error, out_of_scope, left_enabled = None, None, 0, 0
    standing: tuple[str, str | None] = ("", None)
    for job, code, counts in db.rows("runs_before", target, ended.run_id, target, ended.run_id):
        kept = json.loads(counts) if counts else {}
        if "standing" in kept:
            standing = max(standing, (kept.get("standing_at", ""), kept["standing"]))
        if job in SENDING:
            out_of_scope = int(kept.get("vanished", kept.get("out_of_scope", 0)))
        if job == "compare":
            left_enabled = int(kept.get("left_before", kept.get("left_enabled", 0)))
        if job == ended.job:
            exit_code, error = int(code), kept.get("error")
    return Before(exit_code, error, out_of_scope, standing[1], left_enabled, standing[0])


def _keep(db: Database, ended: Ended, before: Before, target: str | None, now: datetime) -> None:
    """Note for the next run what this one has found; a run that failed before it began gets its row here.

    What it did not come to ask is passed on from before.
    """
    asked = ended.standing is not None
    more: dict[str, Any] = {"error": ended.error} if ended.error is not None else {}
    if asked or before.standing is not None:
        more["standing"] = ended.standing if asked else before.standing
        more["standing_at"] = f"{now:%Y-%m-%d %H:%M:%S.%f}" if asked else before.standing_at
    if ended.job in SENDING and ended.exit_code in FAILED and not ended.counts.get("out_of_scope"):
        more["vanished"] = str(before.out_of_scope)  # no count of this run
    if ended.job == "compare" and ended.exit_code in FAILED:
        more["left_before"] = str(before.left_enabled)
    if more and ended.job in BY_ITSELF:
        ledger.start_run(db, ended.run_id, ended.job, target)
        ledger.end_run(db, ended.run_id, ended.exit_code, {**ended.counts, **more})


def news(ended: Ended, before: Before, opened: Sequence[Opened]) -> list[str]:
    """What this run has found that those before it had not, a line each; nothing where all is as it was."""
    if ended.job in ASKED_FOR:
        return _of_holds(opened)
    return [
        *_of_the_run(ended, before),
        *_of_the_job(ended, before),
        *_of_holds(opened),
        *_of_scope(ended, before),
        *_of_people(ended),
        *_of_leavers(ended, before),
    ]


def blind(ended: Ended, now: datetime) -> list[str]:
    """The same where nobody can say what was told before: rather seldom than every hour."""
    if ended.exit_code not in FAILED or ended.job != BLIND_JOB or now.hour % BLIND_HOURS:
        return []
    told = f"told again every {BLIND_HOURS} hours while it lasts"
    return [f"failed ({ended.error}), and the database cannot be asked; {told}. python -m provisioning doctor"]


def _of_the_run(ended: Ended, before: Before) -> list[str]:
    if ended.exit_code not in FAILED:
        return [f"{ended.job} works again."] if before.error is not None else []
    if (ended.exit_code, ended.error) == (before.exit_code, before.error):
        return []
    return [f"failed ({ended.error}). What is wrong, and how it is mended: python -m provisioning doctor"]


def _of_the_job(ended: Ended, before: Before) -> list[str]:
    if ended.standing is None or ended.standing == (before.standing or ""):
        return []
    if not ended.standing:
        return ["the provisioning job is at work again."]
    kind = "quarantined" if ended.standing == "Quarantine" else "standing still"
    return [
        f"{kind}: the provisioning job is {ended.standing}, what is sent is only staged. python -m provisioning doctor"
    ]


def _of_holds(opened: Sequence[Opened]) -> list[str]:
    lines = [f"held: {h.people} people ({h.kind.replace('_', ' ')}), hold {h.hold_id}" for h in opened[:MOST_HOLDS]]
    if len(opened) > MOST_HOLDS:
        lines.append(f"held: {len(opened) - MOST_HOLDS} holds more")
    return [*lines, "Who waits and why: python -m provisioning holds, or /api/console"] if lines else []


def _of_scope(ended: Ended, before: Before) -> list[str]:
    gone = ended.counts.get("out_of_scope", 0)
    if not gone or gone == before.out_of_scope:
        return []
    told = (
        f"out of scope: {gone} people last sent as active are gone from dbo.ScimUsers (before: {before.out_of_scope})"
    )
    return [f"{told}. Nobody disables them; give the view their rows back."]


def _of_people(ended: Ended) -> list[str]:
    lines, who = [], "python -m provisioning status, or /api/console"
    if ended.newly_failed:
        lines.append(f"failed: {ended.newly_failed} people, newly, in Entra. Who and why: {who}")
    if anew := ended.counts.get("recreated", 0):
        lines.append(f"recreated: {anew} people whose accounts somebody had deleted. Who: {who}")
    return lines


def _of_leavers(ended: Ended, before: Before) -> list[str]:
    """More than before: that they are as many as they were is no news."""
    count = ended.counts.get("left_enabled", 0) if ended.exit_code not in FAILED else 0
    if count <= before.left_enabled:
        return []
    told = f"left and enabled: {count} people who have left HR are still enabled in Entra"
    return [f"{told} (before: {before.left_enabled}). Who: python -m provisioning compare"]


def _headline(ended: Ended) -> str:
    return f"HR to Entra: {ended.job}, run {ended.run_id}, exit {ended.exit_code}"


# --- how it is told -----------------------------------------------------------------------------------------------


def payload(url: str, lines: Sequence[str]) -> dict[str, Any]:
    """A message as the webhook of this address takes it; the first line is its headline."""
    parts = urlsplit(url)
    if not (_FLOW.search(parts.path) or (parts.hostname or "").endswith(_FLOW_HOSTS)):
        return {"text": "\n".join(lines)}
    blocks: list[dict[str, Any]] = [{"type": "TextBlock", "text": line, "wrap": True} for line in lines]
    blocks[0]["weight"] = "Bolder"
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": blocks,
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _ring(url: str, lines: Sequence[str], clock: Clock) -> None:
    """Send it, once more where that may help; one warning where it does not."""
    with transport.client() as http:
        request = http.build_request("POST", url, json=payload(url, lines))
        why, again = _attempt(http, request)
        if why and again:
            clock.sleep(PAUSE)
            why, _ = _attempt(http, request)
    if why:
        logger.warning("An alert could not be delivered to ALERT_WEBHOOK_URL: %s.", why)


def _attempt(http: httpx.Client, request: httpx.Request) -> tuple[str, bool]:
    """Why it was not taken, or nothing; and whether to try once more."""
    try:
        status = transport.exchange(http, request, SECONDS).status
    except TransportError as exc:
        return str(exc), not isinstance(exc, Unacceptable)
    return ("", False) if status < 300 else (f"it answered {status}", retry.may_pass(status))
