"""Several rows of one person, and one name that several people have: who speaks for whom, and who is parked. Pure."""

from dataclasses import replace
from typing import NamedTuple

from provisioning import scim
from provisioning.people import Brief, Due, G, Parked, Person
from provisioning.scim import ScimMapping


class Place(NamedTuple):
    """Whether HR lacks the record that a row is of, and of which table it is, where the view says so."""

    missing: bool
    table: str


_NOWHERE = Place(False, "")
"""Where the view does not say: nothing tells two rows apart."""


def place_of(person: Person, mapping: ScimMapping) -> Place:
    """Of which table her row is, and whether HR lacks it."""
    if scim.HR_TABLE not in mapping.control:
        return _NOWHERE
    table = mapping.cell(person.row, scim.HR_TABLE)
    return Place(person.missing, "" if table is None else str(table))


class Rows:
    """The rows of each EmployeeId: of two, one whose record HR lacks does not speak for her where the other does."""

    def __init__(self) -> None:
        """None has been seen."""
        self.places: dict[str, Place] = {}
        self.doubled: dict[str, set[str]] = {}
        """Of whom two rows speak, and the tables that these are of."""

    def speaks(self, key: str, place: Place) -> bool:
        """Whether this row says what becomes of her; unless she is doubled, no row that came before it does."""
        before = self.places.get(key)
        if before is None or not key:
            self.places[key] = place
            return True
        if before.missing == place.missing and not (place.missing and before.table != place.table):
            self.doubled.setdefault(key, {before.table}).add(place.table)
            return True
        if before < place:
            return False
        self.doubled.pop(key, None)
        self.places[key] = place
        return True

    def apart(self, key: str, other: str) -> bool:
        """Whether two people's rows are known to be of different tables."""
        tables = {self.places[one].table for one in (key, other)}
        return len(tables) == 2 and "" not in tables

    def named(self, key: str) -> str:
        """An EmployeeId, and the table that its row is of, where that is known."""
        table = self.places[key].table
        return f"{key.upper()} (dbo.{table})" if table else key.upper()


class Identity(NamedTuple):
    """By what somebody is known, without regard to case; `leaves`: she has ended, and is still active over there."""

    user_name: str
    mail: str
    leaves: bool


class _Shared:
    """Whose a name is: one key, or several."""

    def __init__(self) -> None:
        """Nobody's."""
        self._first: dict[str, str] = {}
        self.by_several: dict[str, set[str]] = {}

    def add(self, name: str, key: str) -> None:
        """It is hers, too; no name is nobody's."""
        if name and (first := self._first.setdefault(name, key)) != key:
            self.by_several.setdefault(name, {first}).add(key)

    def others(self, name: str, key: str) -> list[str]:
        """Whose it is beside hers."""
        keys = self.by_several.get(name) or {self._first.get(name, key)}
        return sorted(keys - {key})


def identity_of(person: Person, mapping: ScimMapping, *, leaves: bool) -> Identity:
    """A work e-mail address counts between HR systems only."""
    mail = mapping.work_mail(person.row) if scim.HR_TABLE in mapping.control else None
    return Identity((mapping.user_name(person.row) or "").casefold(), (mail or "").casefold(), leaves)


class Names:
    """Who is active under which userName and work e-mail address, and who leaves under which."""

    def __init__(self) -> None:
        """Nobody is."""
        self._active, self._mails = _Shared(), _Shared()
        self._leaving: dict[str, Identity] = {}

    def note(self, key: str, identity: Identity) -> None:
        """Somebody is known by these."""
        self._leaving.pop(key, None)
        if identity.leaves:
            self._leaving[key] = identity
            return
        self._active.add(identity.user_name, key)
        self._mails.add(identity.mail, key)

    def clashes(self, rows: Rows) -> dict[str, str]:
        """Who has the userName of somebody else, and why she is parked for it."""
        return {
            key: f"has the userName of {', '.join(map(rows.named, sorted(keys - {key})))}, and both are active"
            for keys in self._active.by_several.values()
            for key in keys
        }

    def park(self, verdicts: dict[str, G | Parked], rows: Rows) -> None:
        """Park who has the userName of somebody else; of leavers, note who is active with theirs."""
        for key, reason in self.clashes(rows).items():
            _park_active(verdicts, key, reason)
        for key, identity in self._leaving.items():
            self._note_moved(key, identity, verdicts, rows)

    def _note_moved(self, key: str, identity: Identity, verdicts: dict[str, G | Parked], rows: Rows) -> None:
        """Who leaves one HR system and is active in another under her userName, or her work e-mail address.

        An address that several who are active have is nobody's own, and tells nothing.
        """
        namesakes = [other for other in self._active.others(identity.user_name, key) if rows.apart(key, other)]
        for other in namesakes:
            _park_active(
                verdicts, other, f"has the userName of {rows.named(key)}, who leaves and still has her account"
            )
        shared = self._mails.others(identity.mail, key)
        moved = namesakes or [other for other in shared if len(shared) == 1 and rows.apart(key, other)]
        one = verdicts.get(key)
        if moved and one is not None and not isinstance(one, Parked) and one.disables and not one.by_hand:
            verdicts[key] = replace(one, moved_to=rows.named(moved[0]))


def _park_active(verdicts: dict[str, G | Parked], key: str, reason: str) -> None:
    one = verdicts.get(key)
    if one is not None and not isinstance(one, Parked) and one.active:
        verdicts[key] = parked_instead(one, reason)


def two_rows(tables: set[str]) -> str:
    """Why somebody of whom two rows speak is parked."""
    known = " and ".join(f"dbo.{table}" for table in sorted(tables) if table)
    return f"two rows of dbo.ScimUsers have this EmployeeId{f': of {known}' if known else ''}"


def parked_instead(verdict: Due | Brief | Parked, reason: str) -> Parked:
    """Parked for this reason, whatever else was found of her."""
    return Parked(verdict.employee_id, (reason,), verdict.forced)
