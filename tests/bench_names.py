"""`python -m tests.bench_names [PEOPLE]`: user names for a company of 100,000, whose names come from 13 scripts.

First and last names are Faker's, real ones of 17 languages, drawn by Zipf's law: the most common hundreds of times.
Prints the seconds and the most memory that giving the names takes, on SQLite, what became of a second run, and of two
processes at once over the same people. Exits with 1 where a name is given twice, is not allowed, or changes.
"""

import importlib
import itertools
import json
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from provisioning import database, migration, naming, runs
from provisioning.database import Database
from provisioning.pacing import Clock
from provisioning.people import Job
from provisioning.runs import Report
from provisioning.settings import Settings

LOCALES = {
    "Latin": ("de_DE", "da_DK", "pl_PL", "tr_TR"),
    "Cyrillic": ("ru_RU", "uk_UA", "bg_BG"),
    "Greek": ("el_GR",),
    "Arabic": ("ar_AA",),
    "Hebrew": ("he_IL",),
    "Han": ("zh_CN",),
    "Hangul": ("ko_KR",),
    "Thai": ("th_TH",),
    "Devanagari": ("hi_IN",),
    "Georgian": ("ka_GE",),
    "Armenian": ("hy_AM",),
    "Tamil": ("ta_IN",),
    "Bengali": ("bn_BD",),
}
ALLOWED = re.compile(r"(?=.{1,64}@)[a-z0-9]+([._-][a-z0-9]+)*@contoso\.com", re.ASCII)
SETTINGS = {
    "USER_NAME_PATTERNS": "{given}.{family}, {given:1}{family}, {given}.{family}{n}, {id}",
    "USER_NAME_DOMAIN": "contoso.com",
    "USER_NAME_LETTERS": "da,el",
    "GRAPH_BULK_UPLOAD_URL": "http://127.0.0.1:1/v1.0/servicePrincipals/sp/synchronization/jobs/job/bulkUpload",
}


class Name(NamedTuple):
    """Somebody invented, with a real first and a real last name."""

    employee_id: str
    given: str
    family: str


def people(count: int, seed: int = 1) -> Iterator[Name]:
    """So many people, the same ones for a seed; the k-th name of a list is drawn with a chance of 1 to k."""
    draw = random.Random(seed)
    scripts = [_lists(locale) for locales in LOCALES.values() for locale in locales]
    for number in range(count):
        given, family = draw.choice(scripts)
        first, last = draw.choices(given[0], cum_weights=given[1]), draw.choices(family[0], cum_weights=family[1])
        yield Name(f"N{number:06d}", first[0], last[0])


Ranked = tuple[list[str], list[float]]


def _lists(locale: str) -> tuple[Ranked, Ranked]:
    person = importlib.import_module(f"faker.providers.person.{locale}").Provider
    kinds = (("first_names", "first_names_male", "first_names_female"), ("last_names", "last_names_male"))
    found = []
    for attributes in kinds:
        names = next(filter(None, (list(getattr(person, a, ())) for a in attributes)))
        found.append((names, list(itertools.accumulate(1 / rank for rank in range(1, len(names) + 1)))))
    return found[0], found[1]


def employ_all(db: Database, found: Iterable[Name]) -> None:
    """Put them into the mirror, active and in scope."""
    rows = [(n.employee_id, n.given, n.family, f"{n.given} {n.family}") for n in found]
    columns = "EmployeeId, Name_FirstName, Name_LastName, Name_FullName, Active, OrganizationId"
    insert = f"INSERT INTO dbo.Employees ({columns}) VALUES (?, ?, ?, ?, 1, 'O1')"
    with db.transaction():
        for row in rows:
            db.execute(insert, row)


def give(connection_string: str, only: Sequence[str] | None = None) -> int:
    """What a create does first; gives back how many names were given."""
    settings = Settings.from_environ({"SQL_CONNECTION_STRING": connection_string, **SETTINGS})
    report = Report("create", runs.no_counts("create"))
    with runs.working(settings, Clock(), report, 30.0) as work:
        naming.give(work, work.rules(Job.CREATE), only)
    return sum(int(note.split()[0]) for note in report.notes if "given" in note)


def names(connection_string: str) -> list[tuple[str, str]]:
    """EmployeeId and user name of everybody who has one."""
    with database.connect(connection_string) as db:
        query = "SELECT EmployeeId, UserName FROM dbo.UserNames ORDER BY EmployeeId"
        return [(str(row[0]), str(row[1])) for row in db.select(query, (), "names")]


def wrong(found: Sequence[tuple[str, str]], count: int) -> list[str]:
    """What is wrong with names that were given to so many people."""
    said = []
    if len({i for i, _ in found}) != count or len(found) != count:
        said.append(f"{len(found)} names of {len({i for i, _ in found})} people, {count} should have one each")
    if len({name.casefold() for _, name in found}) != len(found):
        said.append("names that two people have")
    if odd := [name for _, name in found if not ALLOWED.fullmatch(name)]:
        said.append(f"{len(odd)} names that are not allowed, such as {odd[0]}")
    return said


def company(folder: Path, count: int) -> str:
    """The connection string of a migrated database with so many people."""
    text = f"sqlite:///{folder}/bridge.db"
    with database.connect(text) as db:
        migration.migrate(db)
        employ_all(db, people(count))
    return text


SHARE = """
import sys
from provisioning import database
from tests import bench_names
text, mine = sys.argv[1], int(sys.argv[2])
with database.connect(text) as db:
    ids = [str(row[0]) for row in db.rows("mapped_ids")]
print("ready", flush=True)
sys.stdin.read()
print(bench_names.give(text, [one for number, one in enumerate(ids) if number % 3 != mine]))
"""


def at_once(connection_string: str) -> list[int]:
    """Give names in two processes that begin together; gives back how many each gave.

    Each has a third of the people for itself, and the last third both have: they want the same names for the ones, and
    names for the same people of the others.
    """
    begun = [
        subprocess.Popen(
            [sys.executable, "-c", SHARE, connection_string, mine],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for mine in ("0", "1")
    ]
    for one in begun:
        one.stdout.readline()  # type: ignore[union-attr]
    told = [one.communicate()[0] for one in begun]
    assert [one.returncode for one in begun] == [0, 0]
    return [int(text) for text in told]


def main(count: int) -> int:
    """Measure, print, and say whether all is well."""
    with tempfile.TemporaryDirectory() as folder:
        text = company(Path(folder), count)
        began, worked = time.monotonic(), time.process_time()
        given = give(text)
        seconds, worked = time.monotonic() - began, time.process_time() - worked
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        found = names(text)
        again = give(text)
        said = wrong(found, count) + ([] if names(text) == found and not again else ["a second run changed names"])
    with tempfile.TemporaryDirectory() as folder:
        text = company(Path(folder), count)
        began = time.monotonic()
        each = at_once(text)
        together = time.monotonic() - began
        said += [f"two at once: {what}" for what in wrong(names(text), count)]
    most = max(int(m[0]) for _, name in found if (m := re.findall(r"(\d+)@", name)))
    told = {
        "people": count,
        "given": given,
        "seconds": round(seconds, 1),
        "of_the_processor": round(worked, 1),
        "peak_mb": peak,
        "highest_number": most,
    }
    print(json.dumps({**told, "two_processes": each, "two_processes_seconds": round(together, 1), "wrong": said}))
    return int(bool(said))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
