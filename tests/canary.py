"""A canary: invented people whose every personal text carries a marker, and a look-out for it where it must not be.

Use `marked` people in a test of faults, and the fixture `canary`: it fails the test when the marker was in a log record
(of any logger, at any level), in the text of an exception of ours or of its causes, or on stderr. What a test reads
itself (an error answer, another process's output) it hands to `Canary.look_at`.
"""

from __future__ import annotations

import copy
import logging
import traceback
from collections.abc import Iterable
from typing import Any

from provisioning.errors import ProvisioningError

MARKER = "Kwibus"
BIRTH_DATE = "1903-02-01"
"""A day nobody else here was born on."""

_TEXTS = ("NickName", "Title", "Initials")
_NAMES = ("FirstName", "MiddleName", "LastName", "FullName")


def marked(people: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same people with the marker in whatever is personal; ids, dates of work and organizations stay."""
    return [_marked(person) for person in people]


def _marked(person: dict[str, Any]) -> dict[str, Any]:
    found = copy.deepcopy(person)
    for name in _TEXTS:
        found[name] = f"{MARKER} {found.get(name) or ''}"[:20].strip()
    for name in _NAMES:
        found["Name"][name] = f"{MARKER} {found['Name'].get(name) or ''}".strip()
    found["Manager"] = {"Name": f"{MARKER} the manager" if found.get("ManagerId") else None}
    found["Email"] = f"{MARKER}.{found['EmployeeId']}@contoso.example".lower()
    found["BirthDate"] = BIRTH_DATE
    return found


def is_in(text: str) -> bool:
    """Whether something personal is in a text, however it is spelled."""
    folded = text.casefold()
    return MARKER.casefold() in folded or BIRTH_DATE in folded


class Canary(logging.Handler):
    """Keeps every line in which something personal was seen, and where."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
        self.seen: list[str] = []
        self.records = 0
        self.errors: list[ProvisioningError] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records += 1
        self.look_at(self.format(record), f"the log, at {record.pathname}:{record.lineno}")

    def look_at(self, text: str, where: str) -> None:
        """Look at a text that came from somewhere."""
        self.seen += [f"{where}: {line}" for line in text.splitlines() if is_in(line)]

    def look_at_errors(self) -> None:
        """Look at what was raised, causes and contexts included, as a stack trace in a log would show them."""
        for error in self.errors:
            lines = [line for line in traceback.format_exception(error) if not line.startswith("  File ")]
            self.look_at("".join(lines), f"an exception, {type(error).__name__}")
            self.look_at("\n".join(map(str, error.args)), f"the arguments of {type(error).__name__}")
