"""Whom Entra tells when a provisioning job stops, and from how many disables or deletions on it stops. Pure.

They stand among the secrets of the app, as JSON in SyncNotificationSettings, and a PUT of secrets replaces them all:
https://learn.microsoft.com/graph/api/synchronization-serviceprincipal-put-synchronization and
https://learn.microsoft.com/entra/identity/hybrid/cloud-sync/how-to-inbound-synch-ms-graph#accidental-deletes
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

KEY = "SyncNotificationSettings"

SHOWN = frozenset({KEY, "SyncAll", "SkipOutOfScopeDeletions", "Domain", "BaseAddress", "SynchronizationSchedule"})
"""Secrets that are told as they are. Others may be masked, and a mask that is written back destroys them."""

_ADDRESS = re.compile(r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;]+")


class Unwritable(ValueError):
    """The secrets cannot be written without harm; the text says why, and names keys only."""


@dataclass(frozen=True)
class Notices:
    """Who is told by e-mail, and the threshold of accidental deletions; None where it is off."""

    email: str = ""
    threshold: int | None = None

    def lines(self, wanted: "Notices") -> Iterator[str]:
        """What becomes of what, a line each."""
        if wanted.email != self.email:
            yield f"~ e-mail     {self.email or 'nobody'}  becomes  {wanted.email}"
        if wanted.threshold != self.threshold:
            yield f"~ threshold  {self.threshold or 'off'}  becomes  {wanted.threshold}"

    def plan(self, target: str, wanted: "Notices") -> str:
        """Eight letters that stand for this change of this app's notices as they are now."""
        told = [target, self.email, self.threshold, wanted.email, wanted.threshold]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:8]


def is_address(text: str) -> bool:
    """Whether a text looks like one e-mail address."""
    return bool(_ADDRESS.fullmatch(text)) and text.isprintable()


def read(secrets: Mapping[str, str]) -> Notices:
    """What the secrets tell. Raises ValueError where that is of another form."""
    settings = _settings(secrets)
    enabled = settings.get("DeleteThresholdEnabled") is True
    threshold = settings.get("DeleteThresholdValue")
    if enabled and (not isinstance(threshold, int) or isinstance(threshold, bool)):
        raise ValueError(f"{KEY} has a threshold that is no number")
    email = settings.get("Recipients") if settings.get("Enabled") is True else ""
    return Notices(str(email or ""), threshold if enabled else None)


def written(secrets: Mapping[str, str], wanted: Notices) -> dict[str, str]:
    """All secrets with the notices in them, the others as they are. Raises Unwritable where one may be masked."""
    masked = sorted(name for name, value in secrets.items() if name not in SHOWN or (value and not value.strip("*")))
    if masked:
        told = f"the app has secrets that cannot be read ({', '.join(masked)}), and writing these would destroy them"
        raise Unwritable(f"{told}: set e-mail and threshold in the portal.")
    settings = {**_settings(secrets), "Enabled": True, "Recipients": wanted.email}
    settings["DeleteThresholdEnabled"] = wanted.threshold is not None
    if wanted.threshold is not None:
        settings["DeleteThresholdValue"] = wanted.threshold
    return {**secrets, KEY: json.dumps(settings, separators=(",", ":"))}


def _settings(secrets: Mapping[str, str]) -> dict[str, Any]:
    try:
        found = json.loads(secrets.get(KEY) or "{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ValueError(f"{KEY} is not the JSON that is published")
    return found
