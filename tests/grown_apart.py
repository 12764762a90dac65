"""Reports of comparisons with something under every heading: a company whose directory was changed by hand, and one
whose people existed before anybody was sent. For pictures, and for the browser tests.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from provisioning import comparing, database, migration
from provisioning.settings import Settings
from tests import compared
from tests.clock import MovedClock
from tests.emulators.entra import Directory
from tests.emulators.graph import GraphEmulator
from tests.emulators.tenant import LIFECYCLE_ROLE, USERS_ROLE

PEOPLE = 240
IGNORED = '[{"userType": "Guest"}, {"userPrincipalName": "svc-*"}]'
Edits = dict[str, dict[str, Any]]

BY_HAND: Edits = {
    "E00021": {"department": "Harbour & Pilots"},
    "E00022": {"mail": "anna.new@contoso.example", "jobTitle": "Warden of the lighthouse"},
    "E00023": {"manager": "E00003"},
    "E00031": {"accountEnabled": False},
    "E00041": {"employeeId": None},
    "E00042": {"employeeId": "e-42", "userPrincipalName": "zoe.nunez@contoso.example"},
}
BEFORE: Edits = {
    **BY_HAND,
    "E00043": {"employeeId": None, "userPrincipalName": "oude.naam@contoso.example"},
    "E00044": {"userPrincipalName": "anna.44@contoso.example", "officeLocation": None},
}


def company(folder: Path, graph: GraphEmulator, clock: MovedClock, *, sent: bool) -> Settings:
    """People, a directory that has nearly all of them, and the settings; `sent`: the app has made it so."""
    graph.clock = lambda: clock.utc_now().timestamp()
    graph.roles |= {USERS_ROLE, LIFECYCLE_ROLE}
    text = f"sqlite:///{folder}/bridge.db"
    environ = {"SQL_CONNECTION_STRING": text, "GRAPH_BULK_UPLOAD_URL": graph.upload_url, "COMPARE_IGNORE": IGNORED}
    settings = Settings.from_environ(environ)
    rows = compared.invented(PEOPLE, clock.utc_now().date())
    with database.connect(text, clock) as db:
        migration.migrate(db)
        compared.employ(db, rows)
        if sent:
            compared.send(settings, db, clock, graph.directory())
        else:
            at_hand = compared.work(settings, db, clock)
            people = at_hand.book.people(at_hand.mapping)
            users = [at_hand.mapping.user(p.row, True, settings.time_zone) for p in people]
            graph.directory().settle([at_hand.mapping.resource(user) for user in users[:200]])
        _grow_apart(db, graph.directory(), BY_HAND if sent else BEFORE)
    return settings


def _grow_apart(db: database.Database, directory: Directory, edits: Edits) -> None:
    db.execute("UPDATE dbo.Employees SET Active = 0 WHERE EmployeeId IN ('E00011', 'E00012', 'E00013')")
    db.execute("UPDATE dbo.Employees SET ValidFrom = '2027-03-01' WHERE EmployeeId IN ('E00200', 'E00239')")
    db.execute("UPDATE dbo.Employees SET OrganizationId = NULL WHERE EmployeeId = 'E00199'")
    for employee_id, properties in edits.items():
        directory.edit(directory.object_id(employee_id), **properties)
    for employee_id in ("E00061", "E00062"):
        directory.delete(employee_id)
    directory.plant({"userPrincipalName": "second.account@contoso.example", "employeeId": "E00051"})
    for name in ("front.desk", "intern.2019", "scanner"):
        title = name.replace(".", " ").capitalize()
        directory.plant({"userPrincipalName": f"{name}@contoso.example", "displayName": title})
    for n in range(12):
        directory.plant({"userPrincipalName": f"svc-{n}@contoso.example"})
        directory.plant({"userPrincipalName": f"guest{n}#EXT#@contoso.example", "userType": "Guest"})
    directory.plant({"userPrincipalName": "old@contoso.example", "accountEnabled": False})


def report(folder: Path, clock: MovedClock, *, sent: bool) -> Path:
    """The page of such a company."""
    folder.mkdir(parents=True, exist_ok=True)
    with GraphEmulator() as graph:
        settings = company(folder, graph, clock, sent=sent)
        path = folder / "report.html"
        comparing.save_page(comparing.compare(settings, foresee=not sent, clock=clock), path)
        return path
