"""Personio and BambooHR as their public documentation has them, and harder where it leaves a choice; see tests/presets.

Their people are made of one documented record each: every other field stays as the vendor's example has it.
"""

from __future__ import annotations

import base64
import copy
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.emulators import paging
from tests.emulators.http import Emulator, Request, Response, json_response
from tests.emulators.paging import Refused
from tests.emulators.tokens import Tokens

Record = dict[str, Any]

DOCUMENTED = Path(__file__).parent.parent / "presets"
CLIENT = ("papi-client", "papi-secret")
KEY = "0123456789abcdef0123456789abcdef01234567"

FIRST = ("Anni", "Bram", "Chloé", "Daan", "Esther", "Søren", "Zoë", "Siobhán", "Þóra", "Łukasz")
LAST = ("Ahlgrim", "O'Brien", "Dabbler", "Müller", "Núñez", "van 't Hoff", "Goosen")


def documented(vendor: str) -> Record:
    """The documented answer."""
    found: Record = json.loads((DOCUMENTED / vendor / "employees.json").read_text(encoding="utf-8"))
    return found


def _name(number: int) -> tuple[str, str]:
    return FIRST[number % len(FIRST)], LAST[number % len(LAST)]


def personio_people(count: int) -> list[Record]:
    """Ids from 1; the first has nobody above, everybody else the first. All active, since 2014."""
    (example,) = documented("personio")["data"]
    return [_personio_person(copy.deepcopy(example), number) for number in range(1, count + 1)]


def _personio_person(person: Record, number: int) -> Record:
    first, last = _name(number)
    told = {
        **{"id": number, "first_name": first, "last_name": last, "preferred_name": f"{first} {last}"},
        **{"email": f"p{number}@nest.example", "position": f"Fitter {number % 7}"},
    }
    for name, value in told.items():
        person["attributes"][name]["value"] = value
    supervisor = person["attributes"]["supervisor"]
    supervisor["value"]["attributes"]["id"]["value"] = 1
    if number == 1:
        supervisor["value"] = None
    return person


def bamboohr_people(count: int) -> list[Record]:
    """Ids from 101; the first has nobody above, everybody else the first. All active, since 2014."""
    (example,) = documented("bamboohr")["data"]
    return [_bamboohr_person(copy.deepcopy(example), number) for number in range(101, 101 + count)]


def _bamboohr_person(person: Record, number: int) -> Record:
    first, last = _name(number)
    above = {"reportsToId": "101", "reportsToName": " ".join(_name(101))} if number > 101 else {}
    return {
        **person,
        **{"employeeId": str(number), "firstName": first, "lastName": last, "displayName": f"{first} {last}"},
        **{"workEmail": f"b{number}@nest.example", "jobTitleName": f"Fitter {number % 7}"},
        **{"reportsToId": None, "reportsToName": None},
        **above,
    }


class Vendor(Emulator):
    """People behind an API; `requests` are the paths that were asked, with their queries and statuses."""

    def __init__(self, people: list[Record]) -> None:
        super().__init__()
        self.people = people
        self.tokens = Tokens(*CLIENT, life=86_400)
        self.requests: list[tuple[str, int]] = []

    def answer(self, request: Request) -> Response:
        """Answer one request and note it."""
        try:
            response = self.route(request)
        except Refused as refused:
            response = self.refusal(refused)
        self.requests.append((request.target, response.status))
        return response

    def route(self, request: Request) -> Response:
        """The vendor's routes."""
        raise NotImplementedError

    def refusal(self, refused: Refused) -> Response:
        """The vendor's form of an error."""
        raise NotImplementedError

    def pages_asked(self) -> int:
        """How many pages of people were given."""
        return sum(status == 200 and "employees?" in target for target, status in self.requests)


class Personio(Vendor):
    """`offset` and `limit`, at most 100 of them; a Bearer token of /v2/auth/token."""

    def route(self, request: Request) -> Response:
        """One list, one person, and tokens."""
        if request.segments == ("v2", "auth", "token"):
            return self.tokens.answer(request)
        if not self.tokens.knows(request.headers.get("Authorization", "")):
            raise Refused(401, "Wrong credentials")
        match request.method, request.segments:
            case "GET", ("v1", "company", "employees"):
                return self._page(request)
            case "GET", ("v1", "company", "employees", number):
                return self._one(request, number)
        raise Refused(404, "Not found")

    def refusal(self, refused: Refused) -> Response:
        """`success` is false."""
        return json_response(refused.status, {"success": False, "error": {"code": 0, "message": str(refused)}})

    def _page(self, request: Request) -> Response:
        asked = paging.query(request, {"limit", "offset"})
        if asked.keys() != {"limit", "offset"}:
            raise Refused(400, "limit and offset are mandatory")
        limit, offset = paging.number(asked, "limit", 50), paging.number(asked, "offset", 0, least=0)
        if limit > 100:
            raise Refused(400, "limit is at most 100")
        total = len(self.people)
        metadata = {"total_elements": total, "current_page": offset // limit, "total_pages": -(-total // limit)}
        data = self.people[offset : offset + limit]
        return json_response(
            200, {"success": True, "metadata": metadata, "offset": offset, "limit": limit, "data": data}
        )

    def _one(self, request: Request, number: str) -> Response:
        paging.query(request, set())
        found = [p for p in self.people if str(p["attributes"]["id"]["value"]) == number]
        if not found:
            raise Refused(404, "Employee not found")
        return json_response(200, {"success": True, "data": found[0]})


class BambooHr(Vendor):
    """`page[limit]` and `page[after]`, an opaque cursor; HTTP Basic with the key as the user."""

    ALWAYS = ("employeeId", "firstName", "lastName", "preferredName", "photoUrl", "jobTitleName", "status")

    def route(self, request: Request) -> Response:
        """The list; nothing else is asked."""
        scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
        user, _, password = base64.b64decode(encoded).decode().partition(":")
        if scheme != "Basic" or user != KEY or not password:
            raise Refused(401, "Unauthorized")
        if (request.method, request.segments) != ("GET", ("api", "v1", "employees")):
            raise Refused(404, "Not found")
        if request.headers.get("Accept") != "application/json":
            raise Refused(400, "Accept must be application/json")
        return self._page(request)

    def refusal(self, refused: Refused) -> Response:
        """`error.code` and `error.message`."""
        code = "BadPage" if "cursor" in str(refused) else "BadRequest"
        return json_response(refused.status, {"error": {"code": code, "message": str(refused)}})

    def _page(self, request: Request) -> Response:
        asked = paging.query(request, {"page[limit]", "page[after]", "fields"})
        limit = paging.number(asked, "page[limit]", 250)
        if limit > 2500:
            raise Refused(400, "page[limit] is at most 2500")
        start = self._start(asked.get("page[after]"))
        fields = self._fields(asked.get("fields", ""))
        data = [{name: person[name] for name in (*self.ALWAYS, *fields, "_restrictedFields")} for person in self.people]
        end = start + limit
        following = self._cursor(end) if end < len(data) else None
        links: Record = {"self": {"href": f"{self.url}{request.target}"}}
        if following:
            query = f"page%5Blimit%5D={limit}&page%5Bafter%5D={quote(following, safe='')}"
            links["next"] = {"href": f"{self.url}{request.path}?{query}"}
        page = {"limit": limit, "nextCursor": following, "prevCursor": self._cursor(start) if start else None}
        return json_response(
            200, {"data": data[start:end], "meta": {"total": len(data), "page": page}, "_links": links}
        )

    def _fields(self, told: str) -> list[str]:
        """The vendor leaves out what it does not know without a word; here that is refused."""
        known = documented("bamboohr")["data"][0].keys() - {*self.ALWAYS, "_restrictedFields"}
        fields = told.split(",") if told else []
        if not set(fields) <= known or len(set(fields)) != len(fields):
            raise Refused(400, "an unknown field, or one twice")
        return fields

    def _cursor(self, place: int) -> str:
        return base64.b64encode(
            json.dumps({"cursor": f"after-{self.people[place - 1]['employeeId']}"}).encode()
        ).decode()

    def _start(self, cursor: str | None) -> int:
        if cursor is None:
            return 0
        places = {self._cursor(n): n for n in range(1, len(self.people))}
        if cursor not in places:
            raise Refused(400, "a malformed cursor")
        return places[cursor]
