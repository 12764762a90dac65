"""Invented people as an HR system spells them in JSON: the same for the same seed and day."""

from __future__ import annotations

import datetime as dt
import random
import unicodedata
from itertools import pairwise
from typing import Any

Person = dict[str, Any]

LEVELS = 6  # the most levels the management tree has

_NAMES = [  # first names, last names: one alphabet a line
    (
        ("Anna", "Bram", "Chloé", "Daan", "Esther", "Femke", "Gijs", "Hanna", "Søren", "Zoë", "Siobhán", "Þóra"),
        ("de Vries", "O'Brien", "D'Angelo", "Müller", "Núñez", "van 't Hoff", "Bakker", "Jansen", "Łukasik", "Smit"),
    ),
    (("Иван", "Мария", "Ольга"), ("Петров", "Смирнова", "Щербакова")),
    (("Γιώργος", "Ελένη", "Νίκος"), ("Παπαδόπουλος", "Νικολαΐδης", "Οικονόμου")),
    (("美咲", "伟", "지우"), ("佐藤", "王", "김")),
]
_ALPHABETS = (0,) * 17 + (1, 2, 3)
_NICKNAMES = (None, None, None, "", "Sunny", "Ace", "🦆", "Mallard 🦸‍♀️", "𠮷")
_ORGANIZATIONS = ("Board", "Finance", "Human Resources", "IT", "Sales", "Logistics", "R&D", "Café & Catering")
_PLACES = ("Amsterdam", "Berlin", "Kraków", "São Paulo", "'s-Hertogenbosch")
_NUMBERED_PLACES = tuple(enumerate(_PLACES, 1))
_JOBS = (
    ("J10", "Manager", ("Managing Director", "Head of Department", "Team Lead")),
    ("J20", "Engineer", ("Engineer", "Senior Engineer", "Fitter")),
    ("J30", "Administrator", ("Clerk", "Controller", "Recruiter")),
    ("J40", "Sales", ("Account Manager", "Sales Representative")),
)
_JOB_TYPES = (("T1", "Permanent"), ("T2", "Temporary"), ("T3", "Intern"))


def organizations() -> list[dict[str, Any]]:
    """List the organizations people can be in."""
    return [{"OrganizationId": f"O{n:02}", "OrganizationName": name} for n, name in enumerate(_ORGANIZATIONS, 1)]


def locations() -> list[dict[str, Any]]:
    """List the locations people can work at, each with its one office."""
    return [_location(n, name) for n, name in enumerate(_PLACES, 1)]


def _location(n: int, name: str) -> dict[str, Any]:
    return {"LocationId": f"L{n:02}", "Location": {"Name": name}, "Office": f"{name[:3].strip().upper()}-{n}.{n:02}"}


def jobs() -> list[dict[str, Any]]:
    """List the positions people can have."""
    return [{"JobId": job_id, "Job": {"Description": description}} for job_id, description, _ in _JOBS]


def invent(count: int = 1000, *, seed: int = 7, today: dt.date) -> list[Person]:
    """Invent that many people: a management tree in no order, one who manages herself, and two who manage each other.

    All are active and have started before `today`.
    """
    rng = random.Random(seed)
    people = [_person(rng, number, today) for number in range(1, count + 1)]
    ranks = rng.sample(people, count)  # the tree, top first: its order is not the list's
    width = _tree_width(count)
    for place, person in enumerate(ranks):
        _set_manager(person, ranks[(place - 1) // width] if place else None)
    _entangle(ranks)
    return people


def _tree_width(count: int) -> int:
    width = 2
    while sum(width**level for level in range(LEVELS)) < count:
        width += 1
    return width


def _entangle(ranks: list[Person]) -> None:
    """Let the last person manage herself, and the two before her each other: they manage nobody else."""
    if len(ranks) >= 8:
        _set_manager(ranks[-1], ranks[-1])
        for one, other in pairwise([ranks[-2], ranks[-3], ranks[-2]]):
            _set_manager(one, other)


def _set_manager(person: Person, manager: Person | None) -> None:
    person["ManagerId"] = manager["EmployeeId"] if manager else None
    person["Manager"] = {"Name": manager["Name"]["FullName"] if manager else None}


def _person(rng: random.Random, number: int, today: dt.date) -> Person:
    hired = today - dt.timedelta(days=rng.randint(1, 9000))
    name = _name(rng)
    person = {
        "EmployeeId": f"E{number:05}",
        "Name": name,
        "Salutation": rng.choice((0, 1, 2, None)),
        "NickName": rng.choice(_NICKNAMES),
        "NationalityId": rng.choice(("NL", "BE", "DE", "PL", None)),
        "LanguageId": rng.choice(("nl-NL", "en-GB", "de-DE", "")),
        "Email": _email(name, number) if rng.random() > 0.05 else None,
        "Gender": rng.choice((0, 1, 2)),
        "BirthDate": (hired - dt.timedelta(days=rng.randint(7000, 18000))).isoformat(),
        "RowNumber": number,
        "CreatedBy": "import",
        "CreatedDateTime": _moment(rng, hired),
        "ModifiedBy": rng.choice(("import", "hr-desk", None)),
        "ModifiedDateTime": _moment(rng, hired) if rng.random() > 0.3 else None,
        "VersionStamp": rng.randint(1, 99),
        "Active": True,
        "Initials": f"{name['FirstName'][0]}.",
    }
    return person | _work(rng, hired, today)


def _work(rng: random.Random, hired: dt.date, today: dt.date) -> Person:
    job_id, job, titles = rng.choice(_JOBS)
    job_type_id, job_type = rng.choice(_JOB_TYPES)
    leaves = today + dt.timedelta(days=rng.randint(400, 4000)) if rng.random() < 0.1 else None
    return {
        **_location(*rng.choice(_NUMBERED_PLACES)),
        "ManagerId": None,
        "Manager": {"Name": None},
        **rng.choice(organizations()),
        "JobId": job_id,
        "Job": {"Description": job},
        "JobTypeId": job_type_id,
        "JobType": {"Description": job_type},
        "Title": rng.choice((*titles, None)),
        "ValidFrom": hired.isoformat(),
        "ValidTo": leaves.isoformat() if leaves else None,
        "Released": True,
        "HiredDate": hired.isoformat(),
        "TerminatedDate": None,
    }


def _name(rng: random.Random) -> Person:
    firsts, lasts = _NAMES[rng.choice(_ALPHABETS)]
    first, middle, last = rng.choice(firsts), rng.choice((None, None, "", rng.choice(firsts))), rng.choice(lasts)
    return {
        "FirstName": first,
        "MiddleName": middle,
        "LastName": last,
        "FullName": " ".join(part for part in (first, middle, last) if part),
    }


def _email(name: Person, number: int) -> str:
    words = [_ascii(name[part] or "") for part in ("FirstName", "LastName")]
    return ".".join([*filter(None, words), str(number)]) + "@contoso.example"


def _ascii(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return "".join(letter for letter in plain.lower() if letter.isalnum())


def _moment(rng: random.Random, day: dt.date) -> str:
    fraction = "".join(str(rng.randint(0, 9)) for _ in range(rng.choice((0, 3, 6, 7))))
    clock = f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}"
    return f"{day.isoformat()}T{clock}{'.' + fraction if fraction else ''}Z"
