"""An HR system that nobody has seen before: 60 fields, nested and with lists, pages by number, a key in a header.

Its names and shapes are its own; none of them is known to the app but as HR systems in general call things.
"""

from __future__ import annotations

import random
from typing import Any

from tests.emulators.http import Emulator, Request, Response, json_response

KEY = "emulated-key"
PAGE = 50

GIVEN = ("Ana", "Bo", "Çelik", "Dagny", "Eòin", "Фёдор", "Grete", "Hanako", "Ibai", "Jörgen")
FAMILY = (
    "Mallard",
    "O'Quill",
    "Ångström",
    "van der Tern",
    "Птахов",
    "Eider",
    "Teal-Smew",
    "Pochard",
    "Gadwall",
    "Wigeon",
)
UNITS = ("Marsh Works", "Reed & Rush", "Open Water")


def invent(count: int, seed: int = 7) -> list[dict[str, Any]]:
    """So many people as this system spells them; the first has no manager, everybody 20 a manager of some."""
    drawn = random.Random(seed)
    return [_person(n, drawn) for n in range(1, count + 1)]


def _person(n: int, drawn: random.Random) -> dict[str, Any]:
    given, family = GIVEN[n % 10], FAMILY[n // 10 % 10]
    city = drawn.choice(("Göteborg", "Пловдив", "St. Canard"))
    left = n % 17 == 0
    return {
        "workerUuid": f"9b2e-{n:06d}",
        "workerCode": f"W{n:05d}",
        "meta": {
            "createdAt": "2024-02-01T08:30:00Z",
            "lastUpdated": f"2026-10-{1 + n % 28:02d}T11:15:30.250Z",
            "revision": n * 3,
            "source": {"system": "nest", "batch": 40 + n % 5},
            "links": [{"rel": "self", "href": f"/people/{n}"}],
        },
        "personal": {
            "first_name": given,
            "middle_name": None if n % 3 else "Ida",
            "last_name": family,
            "known_as": given[:3],
            "honorific": "Dr" if n % 9 == 0 else None,
            "birth_date": f"19{60 + n % 40}-05-17",
            "gender": drawn.choice("FMX"),
            "pronouns": None,
            "nationalities": ["SE", "BG"][: 1 + n % 2],
            "home": {"street": f"Pond Lane {n}", "city": "Duckburg", "postal_code": "1234", "country": "SE"},
            "private_email": f"someone{n}@home.example",
            "private_phone": "+46 70 000000",
            "languages": [{"code": "sv", "level": 5}],
        },
        "employment": {
            "hire_date": f"20{10 + n % 15}-03-01",
            "probation_end": None,
            "termination_date": "2026-01-31" if left else None,
            "status": {"id": 3 if left else 1, "label": "Terminated" if left else "Active"},
            "type": {"id": 2, "label": "Permanent"},
            "fte": 0.8 if n % 4 == 0 else 1,
            "weekly_hours": 37.5,
            "job": {"code": f"J{n % 7}", "title": f"Plumage Analyst {n % 7}", "grade": n % 12, "family": "Analysis"},
            "unit": {
                "id": 70 + n % 3,
                "department": UNITS[n % 3],
                "division": "Wetlands",
                "path": ["Root", UNITS[n % 3]],
            },
            "cost": {"center": f"C-{n % 4}", "ledger": "1000"},
            "reports_to": {"worker_id": None if n == 1 else f"W{1 + n // 20:05d}", "full_name": "Somebody Else"},
            "company": {"name": "Mallard Marine", "vat": "SE000000"},
            "union": None,
            "contracts": [{"from": "2020-01-01", "hours": 37.5}],
        },
        "work": {
            "email": f"{given}.{n}@marsh.example".lower() if n % 25 else None,
            "phone": f"+46 31 {n:06d}",
            "location": {"id": f"L{n % 3}", "city": city, "country": "SE", "floor": n % 5, "desk": None},
            "remote": n % 2 == 0,
            "calendar": "std",
            "shift": {"code": "D", "starts": "08:00", "ends": "16:30"},
        },
        "pay": {"group": "M1", "currency": "SEK", "step": n % 9, "review_on": "2027-01-01"},
        "order": n,
        "group": "staff",
        "select": None,
        "tags": [],
        "extras": {},
        "notes": "x" * (n % 30),
    }


class UnseenHr(Emulator):
    """The API: `GET /v3/people?page=1` answers `{"result": {"people": […]}, "pages": n}`."""

    def __init__(self, people: list[dict[str, Any]], *, port: int = 0) -> None:
        super().__init__(port)
        self.people = people

    def answer(self, request: Request) -> Response:
        """One page, to whoever has the key."""
        if request.headers.get("X-Nest-Key") != KEY:
            return json_response(401, {"fault": "no key"})
        if (request.method, request.segments) != ("GET", ("v3", "people")):
            return json_response(404, {"fault": "nothing here"})
        try:
            page = int(request.query({"page"}).get("page", "1"))
        except ValueError:
            return json_response(400, {"fault": "what page?"})
        some = self.people[(page - 1) * PAGE : page * PAGE] if page > 0 else []
        return json_response(200, {"result": {"people": some}, "pages": -(-len(self.people) // PAGE)})
