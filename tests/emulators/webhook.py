"""Receivers of webhooks that take what is published and nothing else: Slack's, and one of a flow of Teams' Workflows.

Sources: docs.slack.dev/messaging/sending-messages-using-incoming-webhooks (`text`; 200 with `ok`; invalid_payload,
no_text, and a path that is the secret) and …/formatting-message-text (`&`, `<`, `>` are escaped);
learn.microsoft.com/connectors/teams/#microsoft-teams-webhook and
learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook (an array of
attachments of Adaptive Cards, at most 28 KB; 202); adaptivecards.io/explorer (AdaptiveCard and TextBlock, version 1.4).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from tests.emulators.http import Emulator, Request, Response

SECRET = "s3cret-signature"
HOOK = f"/services/T00000000/B00000000/{SECRET}"
FLOW = "/workflows/9f2c/triggers/manual/paths/invoke"
LONGEST_TEXT, LARGEST_CARD = 4000, 28 * 1024
CARD = "application/vnd.microsoft.card.adaptive"
BLOCK = {"type", "text", "wrap", "weight", "size", "color", "isSubtle", "separator", "spacing", "maxLines"}


class Refused(Exception):
    """What is sent is not as published."""


class WebhookEmulator(Emulator):
    """Keeps what was taken, in words; `failing` answers instead where it is set."""

    def __init__(self, failing: Callable[[Request], Response] | None = None) -> None:
        super().__init__()
        self.failing = failing
        self.taken: list[str] = []
        self.refused: list[str] = []
        self.asked = 0

    @property
    def slack(self) -> str:
        """The address of Slack's."""
        return f"{self.url}{HOOK}"

    @property
    def flow(self) -> str:
        """The address of a flow."""
        return f"{self.url}{FLOW}?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={SECRET}"

    def new(self) -> list[str]:
        """What was taken since this was last asked; nothing may have been refused."""
        assert self.refused == []
        found, self.taken = self.taken, []
        return found

    def answer(self, request: Request) -> Response:
        self.asked += 1
        if self.failing is not None:
            return self.failing(request)
        try:
            if request.method != "POST" or request.headers.get_content_type() != "application/json":
                raise Refused("invalid_payload")
            return self._take(request, json.loads(request.body))
        except (Refused, ValueError) as exc:
            self.refused.append(str(exc))
            return Response(400, str(exc).encode(), {"Content-Type": "text/plain"})

    def _take(self, request: Request, document: Any) -> Response:
        if request.target == HOOK:
            self.taken.append(_text_of(document))
            return Response(200, b"ok", {"Content-Type": "text/html"})
        if request.path == FLOW and request.query({"api-version", "sp", "sv", "sig"}).get("sig") == SECRET:
            if len(request.body) > LARGEST_CARD:
                raise Refused("RequestEntityTooLarge")
            self.taken.append(_text_of_card(document))
            return Response(202)
        self.refused.append("no_service")
        return Response(404, b"no_service", {"Content-Type": "text/plain"})


def _text_of(document: Any) -> str:
    if not isinstance(document, dict) or set(document) != {"text"}:
        raise Refused("invalid_payload")
    text = document["text"]
    if not isinstance(text, str) or not text.strip() or len(text) > LONGEST_TEXT:
        raise Refused("no_text")
    if re.search(r"[<>]|&(?!(amp|lt|gt);)", text):
        raise Refused("a control character that is not escaped")
    return text


def _text_of_card(document: Any) -> str:
    if not isinstance(document, dict) or set(document) != {"type", "attachments"} or document["type"] != "message":
        raise Refused("not a message")
    (attachment,) = document["attachments"]
    if attachment.get("contentType") != CARD or not set(attachment) <= {"contentType", "contentUrl", "content"}:
        raise Refused("not an attachment")
    card = attachment["content"]
    if (card.get("type"), card.get("version")) != ("AdaptiveCard", "1.4") or not card.get("body"):
        raise Refused("not an Adaptive Card of version 1.4")
    if card.get("$schema") != "http://adaptivecards.io/schemas/adaptive-card.json":
        raise Refused("not the schema of Adaptive Cards")
    return "\n".join(map(_text_of_block, card["body"]))


def _text_of_block(block: Any) -> str:
    right = isinstance(block, dict) and block.get("type") == "TextBlock" and set(block) <= BLOCK
    if not right or not isinstance(block.get("text"), str) or not block["text"]:
        raise Refused("not a TextBlock")
    return str(block["text"])
