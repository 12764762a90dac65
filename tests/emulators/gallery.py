"""Entra's application gallery, as far as it has API-driven provisioning: an app is made of a template, then its job.

Sources, on learn.microsoft.com: entra/identity/app-provisioning/application-provisioning-configuration-api (the four
steps), graph/api/applicationtemplate-list, …/applicationtemplate-instantiate, …/serviceprincipal-list,
…/synchronization-synchronization-list-templates, …-list-jobs and …-post-jobs. The ids are invented: Microsoft publishes
none of these templates'. What was just made cannot be found everywhere at once.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import Any

NAMES = {
    "API-driven provisioning to Microsoft Entra ID": "API2AAD",
    "API-driven provisioning to on-premises Active Directory": "API2AD",
}
"""What the templates are called, and the one job that an app made of them can have."""

_QUOTED = re.compile(r"displayName eq '((?:[^']|'')*)'")


class NoSuchThing(LookupError):
    """It is not there, or not yet."""


class Wrong(ValueError):
    """A request that is not as published."""


@dataclass
class App:
    """An enterprise application, and how often it is still not found."""

    name: str
    template: str
    unseen: int = 0
    jobs: list[str] = field(default_factory=list)


class Gallery:
    """The templates, and the apps that were made."""

    def __init__(self) -> None:
        """Nobody has made any app yet; `delay`: how often a new one is not found at first."""
        self.templates = {name: str(uuid.uuid5(uuid.NAMESPACE_OID, name)) for name in NAMES}
        self.apps: dict[str, App] = {}
        self.delay = 0

    def find_templates(self, condition: str) -> list[dict[str, Any]]:
        name = _name(condition)
        return [{"id": self.templates[name], "displayName": name}] if name in self.templates else []

    def find_apps(self, condition: str) -> list[dict[str, Any]]:
        name = _name(condition)
        return [
            {"id": key, "displayName": app.name, "applicationTemplateId": app.template}
            for key, app in self.apps.items()
            if app.name == name
        ]

    def instantiate(self, template: str, body: Any) -> dict[str, Any]:
        if template not in self.templates.values():
            raise NoSuchThing
        if not isinstance(body, dict) or body.keys() != {"displayName"} or not str(body["displayName"]).strip():
            raise Wrong("displayName and nothing else is expected")
        key = str(uuid.uuid4())
        self.apps[key] = App(body["displayName"], template, self.delay)
        return {"application": {"id": str(uuid.uuid4())}, "servicePrincipal": {"id": key, **body}}

    def app(self, key: str) -> App:
        app = self.apps.get(key)
        if app is None or app.unseen:
            if app:
                app.unseen -= 1
            raise NoSuchThing
        return app

    def kinds(self, key: str) -> list[dict[str, Any]]:
        """The synchronization templates of an app."""
        (kind,) = [NAMES[name] for name, template in self.templates.items() if template == self.app(key).template]
        return [{"id": kind, "factoryTag": kind, "schema": {"directories": [], "synchronizationRules": []}}]

    def add_job(self, key: str, body: Any) -> str:
        kind = self.kinds(key)[0]["id"]
        if not isinstance(body, dict) or body != {"templateId": kind}:
            raise Wrong("the templateId must be one of the app's")
        job = f"{kind}.{uuid.uuid4().hex}.{uuid.uuid4()}"
        self.app(key).jobs.append(job)
        return job


def _name(condition: str) -> str:
    found = _QUOTED.fullmatch(condition)
    if not found:
        raise Wrong("$filter")
    return found[1].replace("''", "'")
