"""Names that exist, from a list or the directory: which can be taken over, and what stands against the others.

Pure. What exists is a fact: it may look as no pattern of ours would make it. See docs/user-names.md.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from provisioning.people import LONGEST_ID, same_key
from provisioning.user_names import LONGEST_DOMAIN, LONGEST_NAME, local_part

LONGEST = LONGEST_NAME + 1 + LONGEST_DOMAIN

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "EmployeeId": ("employeeid",),
    "UserName": ("username", "userprincipalname"),
    "MailNickname": ("mailnickname",),
}
"""A column and the headings, without regard to case, under which it is found; Graph's names of properties, too."""


@dataclass(frozen=True, slots=True)
class Existing:
    """A name that exists; without `employee_id` it is of nobody in HR, and kept from everybody."""

    user_name: str
    employee_id: str = ""
    mail_nickname: str = ""
    line: int = 0

    @property
    def name(self) -> str:
        """As it is compared."""
        return self.user_name.casefold()

    @property
    def nickname(self) -> str:
        """Its own, or the part before the @; dbo.UserNames takes so many characters of it."""
        return (self.mail_nickname or self.user_name.rpartition("@")[0] or self.user_name)[:LONGEST_NAME]


@dataclass(frozen=True, slots=True)
class Known:
    """A row of dbo.UserNames: whose name it is (`is_hers`) or was."""

    employee_id: str | None
    user_name: str
    key: str
    is_hers: bool
    is_released: bool


@dataclass
class TakenOver:
    """What becomes of existing names. Pairs are a name and the key under which nobody else gets it."""

    new: list[tuple[Existing, str]] = field(default_factory=list)
    adopted: list[tuple[Existing, str]] = field(default_factory=list)
    unchanged: int = 0
    conflicts: list[tuple[Existing, str]] = field(default_factory=list)
    """A name, and why it is not taken over: no names in it."""


def read(text: str) -> list[Existing]:
    """The lines of a CSV, separated by commas, semicolons or tabs. Raises ValueError for what cannot be one."""
    try:
        return _read(text.splitlines())
    except csv.Error as exc:
        raise ValueError(str(exc)) from None


def _read(lines: Sequence[str]) -> list[Existing]:
    skipped = 1 if lines and lines[0].startswith("#TYPE") else 0  # as Windows PowerShell writes it
    head = lines[skipped] if len(lines) > skipped else ""
    rows = csv.reader(lines[skipped:], delimiter=max(",;\t", key=head.count))
    headings = [heading.strip().casefold() for heading in next(rows, [])]
    places = {name: _place(headings, spellings) for name, spellings in COLUMNS.items()}
    for name in ("EmployeeId", "UserName"):
        if places[name] is None:
            raise ValueError(f"has no column {name} (found: {', '.join(headings) or 'nothing'})")
    return [
        Existing(
            _cell(row, places["UserName"]),
            _cell(row, places["EmployeeId"]),
            _cell(row, places["MailNickname"]),
            rows.line_num + skipped,
        )
        for row in rows
        if any(cell.strip() for cell in row)
    ]


def _place(headings: Sequence[str], spellings: Iterable[str]) -> int | None:
    return next((n for n, heading in enumerate(headings) if heading in spellings), None)


def _cell(row: Sequence[str], place: int | None) -> str:
    return row[place].strip() if place is not None and place < len(row) else ""


def take_over(found: Sequence[Existing], known: Iterable[Known]) -> TakenOver:
    """Which of the names found can be taken over beside those that are known."""
    books = _Books(known)
    result = TakenOver()
    conflicts = _among_themselves(found)
    seen: set[tuple[str, str]] = set()
    for one in found:
        each = same_key(one.employee_id), one.name
        if each in seen or conflicts.get(each) == "":
            result.unchanged += 1  # said twice, or said of nobody what is said of somebody
            continue
        seen.add(each)
        if reason := _malformed(one) or conflicts.get(each) or books.against(one):
            result.conflicts.append((one, reason))
        else:
            books.enter(one, result)
    return result


class _Books:
    """What is known so far."""

    def __init__(self, known: Iterable[Known]) -> None:
        self._by_name: dict[str, Known] = {}
        self._hers: dict[str, Known] = {}
        self._keys: set[str] = set()
        for row in known:
            self._enter(row)

    def _enter(self, row: Known) -> None:
        self._by_name[row.user_name.casefold()] = row
        self._keys.add(row.key.casefold())
        if row.is_hers and row.employee_id is not None:
            self._hers[same_key(row.employee_id)] = row

    def against(self, one: Existing) -> str | None:
        """Why a name cannot be taken over."""
        known, hers = self._by_name.get(one.name), self._hers.get(same_key(one.employee_id))
        if not one.employee_id or (hers and hers is known):
            return None
        if hers:
            return "has another user name in dbo.UserNames already"
        if known and known.employee_id is not None:
            return f"dbo.UserNames has this user name for {known.employee_id}"
        if not known and one.name in self._keys:
            return "without its domain it is that of another user name"
        return None

    def enter(self, one: Existing, result: TakenOver) -> None:
        """Take a name over that nothing speaks against."""
        known, local = self._by_name.get(one.name), local_part(one.user_name)
        if known and (not one.employee_id or known.is_hers):
            result.unchanged += 1
        elif known:
            result.adopted.append((one, known.key))
            self._enter(Known(one.employee_id, one.user_name, known.key, is_hers=True, is_released=False))
        elif local in self._keys and not one.employee_id:
            result.unchanged += 1
        else:
            key = one.name if local in self._keys else local
            result.new.append((one, key))
            self._enter(Known(one.employee_id or None, one.user_name, key, bool(one.employee_id), is_released=False))


def _among_themselves(found: Sequence[Existing]) -> dict[tuple[str, str], str]:
    """What lines of one list say against each other; "" of a name said of nobody that is said of somebody, too."""
    names: defaultdict[str, set[str]] = defaultdict(set)
    owners: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for one in found:
        key = same_key(one.employee_id)
        owners[one.name][key] = one.employee_id
        if key:
            names[key].add(one.name)
    return dict(_disputed(found, names, owners))


def _disputed(
    found: Sequence[Existing], names: Mapping[str, set[str]], owners: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[tuple[str, str], str]]:
    for one in found:
        key = same_key(one.employee_id)
        others = [spelled for other, spelled in owners[one.name].items() if other and other != key]
        if not key and others:
            yield (key, one.name), ""
        elif others:
            yield (key, one.name), f"the list has this user name for {', '.join(sorted(others))}, too"
        elif len(names.get(key, ())) > 1:
            yield (key, one.name), "the list has more than one user name for this EmployeeId"


def _malformed(one: Existing) -> str | None:
    """What cannot be a user name, or an EmployeeId."""
    local, at, domain = one.user_name.rpartition("@")
    odd = any(letter.isspace() or not letter.isprintable() for letter in one.user_name)
    if not one.user_name or odd or len(one.user_name) > LONGEST or (at and not (local and domain)) or "@" in local:
        return f"is no user name: 1 to {LONGEST} characters without blanks, at most one @ inside"
    if len(one.employee_id) > LONGEST_ID or not one.employee_id.isprintable():
        return f"its EmployeeId is longer than {LONGEST_ID} characters, or cannot be printed"
    return None
