"""Two HR systems that feed one directory: dbo.Employees as it comes, and an agency whose ids get a prefix."""

import json
from typing import Any

from tests.conftest import hr_source

TOKEN = "agency-token"

AGENCY = (
    "EmployeeId varchar(20) NOT NULL, Name_FullName nvarchar(300) NULL, Title nvarchar(50) NULL, "
    "Email nvarchar(100) NULL, ManagerId varchar(20) NULL, Active bit NULL, ValidFrom date NULL, ValidTo date NULL, "
    "HrSystem nvarchar(20) NULL, "
    "CONSTRAINT PK_Agency PRIMARY KEY (EmployeeId)"
)

MAPPING = """-- Two HR systems.
CREATE VIEW dbo.ScimUsers AS
SELECT
    e.EmployeeId,
    'Employees' AS HrTable,
    e.EmployeeId AS 'externalId',
    COALESCE(e.NickName, e.EmployeeId) AS 'userName',
    e.Active AS 'active',
    e.Name_FullName AS 'displayName',
    e.Title AS 'title',
    e.Email AS 'emails[type eq "work"].value',
    e.ManagerId AS 'enterprise:manager.value',
    'head office' AS 'enterprise:organization'
FROM dbo.Employees AS e
UNION ALL
SELECT
    a.EmployeeId,
    'Agency',
    a.EmployeeId,
    COALESCE(a.Title, a.EmployeeId),
    a.Active,
    a.Name_FullName,
    NULL,
    a.Email,
    a.ManagerId,
    a.HrSystem
FROM dbo.Agency AS a;
"""
"""A userName that can be the same in both: of the one HR's nickname, of the other its title."""


def agency(url: str, **resource: Any) -> dict[str, Any]:
    """The second HR system, as HR_SOURCE describes it."""
    found = hr_source(url, name="Agency", key_prefix="B-", key_fields=["ManagerId"], source_column="HrSystem")
    found["client"]["auth"] = {"type": "bearer", "token": "$HR_TOKEN"}
    return {"name": "agency", **found, "resources": [{**found["resources"][0], **resource}]}


def both(url: str, agency_url: str, **resource: Any) -> str:
    """HR_SOURCE of both; keywords change the agency's resource, and None takes an option away."""
    second = agency(agency_url, **resource)
    second["resources"] = [{k: v for k, v in r.items() if v is not None} for r in second["resources"]]
    return json.dumps([{"name": "head office", **hr_source(url)}, second])


def staff(*people: dict[str, Any]) -> list[dict[str, Any]]:
    """Invented people of the agency: nobody's nickname, title or address is somebody's of the other system."""
    return [
        {**p, "NickName": None, "Title": None, "ValidTo": None, "Email": f"{p['EmployeeId'].lower()}@agency.example"}
        for p in people
    ]
