"""The operators' page: what it shows for whom, and what its forms do. See docs/console.md.

Like the jobs, it puts steps in order; how it looks is `provisioning.page`.
"""

import base64
import functools
import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

from provisioning import aftermath, by_hand, jobs, page, person, review
from provisioning.callers import APPROVER, OPERATOR, Caller
from provisioning.errors import MalformedId, NotAllowed, ProvisioningError, UnknownEmployee
from provisioning.pacing import Clock
from provisioning.page import Look, Notice
from provisioning.runs import Report
from provisioning.settings import Settings

ASSETS = Path(__file__).parent / "assets"

LONGEST_FORM = 4096
"""Bytes; what is longer is no form of ours."""

LATELY = timedelta(minutes=2)
"""So long the page tells what a form has done."""

_STEPS = {"resync": "resync", "disable": "disabled", "enable": "enabled"}
"""What a form does, and how her trail calls it."""

_RESYNCED = {
    "accepted": "She was sent, and Graph has taken her. What came of it is told by Entra's log, some minutes later.",
    "queued": "A run is at work; it sends her next.",
}
_STAGED = (
    "Graph has taken her, but the provisioning job stands still: nothing happens until it is started in the portal."
)
_NOTED = {"disable": "Noted: there is nothing to send.", "enable": "Noted: the next run takes her as HR has her."}


def show(
    settings: Settings, caller: Caller, asked: Mapping[str, str], *, opens: bool = True, clock: Clock | None = None
) -> str:
    """The page as a Reader asks for it: of one person, where `employee_id` names one, else of the whole.

    Who opens a person is noted in her trail. Not `opens`: the request comes from another site, and her id is only put
    into the field.
    """
    look = _look(caller)
    employee_id = " ".join(asked.get("employee_id", "").split())
    if not employee_id:
        return page.overview(look, aftermath.status(settings, clock=clock).answer, _approved(settings, asked, clock))
    if not opens:
        notice = Notice("problem", "This link came from another site: press Show to open the person.")
        return page.overview(look, aftermath.status(settings, clock=clock).answer, notice, employee_id)
    try:
        found = person.show(settings, employee_id, opened_by=caller.name, clock=clock).answer
    except (MalformedId, UnknownEmployee) as exc:
        status = aftermath.status(settings, clock=clock).answer
        return page.overview(look, status, Notice("problem", str(exc)), employee_id)
    told = _told(asked, found["trail"])
    return page.one_person(look, found, Notice("done", told) if told else None)


def approve(settings: Settings, caller: Caller, form: Mapping[str, str]) -> str:
    """Approve a hold in the caller's name; gives back where to go then."""
    hold_id = form.get("hold_id", "")
    review.approve(settings, hold_id, caller.name)
    return f"{page.HOME}?approved={quote(hold_id, safe='')}"


def resync(settings: Settings, caller: Caller, form: Mapping[str, str]) -> str:
    """Force a person through in the caller's name; gives back where to go then."""
    report = jobs.resync(settings, form.get("employee_id", ""), over_http=True, by=caller.name)
    return _back("resync", report)


def disable(settings: Settings, caller: Caller, form: Mapping[str, str]) -> str:
    """Disable a person in the caller's name, whatever HR says; gives back where to go then."""
    return _back("disable", by_hand.disable(settings, form.get("employee_id", ""), caller.name))


def enable(settings: Settings, caller: Caller, form: Mapping[str, str]) -> str:
    """Take a disable back in the caller's name; gives back where to go then."""
    return _back("enable", by_hand.enable(settings, form.get("employee_id", ""), caller.name))


def _back(verb: str, report: Report) -> str:
    """To her page, and what became of it."""
    return f"{page.HOME}?employee_id={quote(report.answer['employee_id'], safe='')}&{verb}={report.answer['status']}"


def _told(asked: Mapping[str, str], trail: Sequence[Mapping[str, Any]]) -> str | None:
    """What a form has just done to her; an address that claims it without her trail is not believed."""
    now = str(trail[-1]["at"]) if trail else ""
    for verb, kind in _STEPS.items():
        done = any(step["kind"] == kind and _just(str(step["at"]), now) for step in trail)
        if done and (status := asked.get(verb)):
            told = {**_RESYNCED, "staged": _STAGED, "noted": _NOTED.get(verb)}
            return told.get(status)
    return None


def _just(at: str, now: str) -> bool:
    """Whether a moment is no longer ago than it takes to come back to the page."""
    return datetime.fromisoformat(now) - datetime.fromisoformat(at) < LATELY


def refusal(exc: ProvisioningError, *, signs_in: bool) -> str:
    """Why something was not done; `signs_in`: whether somebody could sign in here."""
    details = getattr(exc, "reasons", ()) or getattr(exc, "problems", ())
    told = str(exc) if not details else type(exc).__doc__ or ""
    notice = Notice("problem", told, tuple(details))
    return page.refusal(_look(None), notice, sign_in=signs_in and isinstance(exc, NotAllowed))


def fields(body: bytes) -> dict[str, str]:
    """What a form holds, each field once."""
    text = body[:LONGEST_FORM].decode("utf-8", errors="replace")
    return {name: values[0] for name, values in parse_qs(text, max_num_fields=None).items()}


@functools.cache
def headers() -> dict[str, str]:
    """What a browser must know of the page: only this style and this script, and nobody may frame it.

    Of images only the icon, which stands in the page: without one browsers ask for /favicon.ico, and say it is refused.
    A Referrer-Policy stricter than same-origin would make browsers send a form's Origin as null.
    """
    policy = {
        "default-src": "'none'",
        "style-src": _hash(_asset("console.css")),
        "script-src": _hash(_asset("console.js")),
        "img-src": "data:",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Referrer-Policy": "same-origin",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


def _approved(settings: Settings, asked: Mapping[str, str], clock: Clock | None) -> Notice | None:
    """What the database says of the hold that a form has just approved; nothing is believed from the address."""
    hold_id = asked.get("approved", "")
    fate = review.fate(settings, hold_id, clock=clock) if re.fullmatch(r"[0-9a-f]{8}", hold_id) else None
    if fate is None or fate.approved_at is None:
        return None
    told = f"Hold {hold_id} was approved by {fate.approved_by} at {fate.approved_at:%Y-%m-%d %H:%M} UTC."
    return Notice("done", f"{told} The next run sends its people.")


def _look(caller: Caller | None) -> Look:
    style, script = _asset("console.css"), _asset("console.js")
    if caller is None:
        return Look(style, script)
    return Look(style, script, caller.name, caller.may(OPERATOR), caller.may(APPROVER))


@functools.cache
def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
