"""A company to measure with: people of 37 fields, and an HR API that gives 1,000 a page, each page after 50 ms."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

from tests.emulators.http import Emulator, Request, Response
from tests.emulators.paging import number, query

PAGE, SECONDS_A_PAGE = 1_000, 0.05

_FIRST = ("Ana", "Bo", "Cleo", "Dag", "Émile", "Femke", "Gijs", "Hanna", "Søren", "Zoë")
_TITLES = ("Engineer", "Senior Engineer", "Fitter", "Team Lead", "Recruiter", None)

Person = dict[str, Any]


def person(n: int, title: str | None = None) -> Person:
    """One person as HR spells her: 37 fields once its objects are flattened, as dbo.Employees has columns."""
    first, last, manager = _FIRST[n % 10], f"Example{n:06d}", n // 10
    return {
        "EmployeeId": f"E{n:07d}",
        "Name": {
            "FirstName": first,
            "MiddleName": "van" if n % 7 == 0 else None,
            "LastName": last,
            "FullName": f"{first} {last}",
        },
        "Salutation": n % 3,
        "NickName": None if n % 5 else "Ace",
        "NationalityId": "NL",
        "LanguageId": "nl-NL",
        "Email": f"person.{n}@contoso.example",
        "Gender": n % 3,
        "BirthDate": f"19{60 + n % 40}-0{1 + n % 9}-1{n % 10}",
        "RowNumber": n,
        "CreatedBy": "import",
        "CreatedDateTime": f"2011-06-23T13:26:{n % 60:02d}Z",
        "ModifiedBy": "hr-desk",
        "ModifiedDateTime": f"2026-11-0{1 if title is None else 2}T08:{n // 60 % 60:02d}:{n % 60:02d}.123Z",
        "VersionStamp": n % 100 + (title is not None),
        "Active": True,
        "Initials": f"{first[0]}.E.",
        "LocationId": f"L{n % 40:02d}",
        "Location": {"Name": "Amsterdam"},
        "Office": f"AMS-1.{n % 100:02d}",
        "ManagerId": f"E{manager:07d}" if n else None,
        "Manager": {"Name": f"{_FIRST[manager % 10]} Example{manager:06d}"},
        "OrganizationId": f"O{n % 90:02d}",
        "OrganizationName": "Research & Development",
        "JobId": f"J{n % 70:02d}",
        "Job": {"Description": "Builds things"},
        "JobTypeId": "T1",
        "JobType": {"Description": "Permanent"},
        "Title": title or _TITLES[n % 6],
        "ValidFrom": f"20{10 + n % 15}-06-23",
        "ValidTo": None,
        "Released": True,
        "HiredDate": f"20{10 + n % 15}-06-23",
        "TerminatedDate": None,
    }


class Company(Emulator):
    """People by offset and limit, as the HR emulator gives them; each page is made beforehand and costs its 50 ms.

    `busy`: seconds in which it was asked for something, which is the server's own time.
    """

    def __init__(self, people: int, seconds_a_page: float = SECONDS_A_PAGE) -> None:
        super().__init__()
        self.people, self.busy, self._seconds, self._lock = people, 0.0, seconds_a_page, threading.Lock()
        self.edit(lambda n: None)

    def edit(self, title: Callable[[int], str | None]) -> None:
        """Everybody anew, some with another title."""
        starts = range(0, self.people, PAGE)
        self._pages = [self._page([person(n, title(n)) for n in range(s, min(s + PAGE, self.people))]) for s in starts]

    def _page(self, records: list[Person]) -> bytes:
        return json.dumps({"data": records, "total": self.people}, ensure_ascii=False).encode()

    def answer(self, request: Request) -> Response:
        """Answer one request for a page."""
        began = time.monotonic()
        asked = query(request, {"offset", "limit"})
        offset = number(asked, "offset", 0, least=0)
        if request.path != "/api/Employees" or number(asked, "limit", 0) != PAGE or offset % PAGE:
            return Response(400)
        request.wait(self._seconds)
        page = self._pages[offset // PAGE] if offset < self.people else self._page([])
        with self._lock:
            self.busy += time.monotonic() - began
        return Response(200, page, {"Content-Type": "application/json; charset=utf-8"})

    @property
    def source(self) -> str:
        """HR_SOURCE for it."""
        paginator = {"type": "offset", "limit": PAGE, "total_path": "total"}
        endpoint = {"path": "api/Employees", "data_selector": "data"}
        resource = {"name": "Employees", "primary_key": "EmployeeId", "endpoint": endpoint}
        client = {"base_url": self.url, "paginator": paginator}
        return json.dumps({"client": client, "resources": [resource]})
