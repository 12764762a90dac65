"""The names that were given, in dbo.UserNames: whose each is, and which nobody else may get."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from provisioning import database, tombstones
from provisioning.database import Database
from provisioning.existing_names import LONGEST, Known, TakenOver
from provisioning.people import same_key
from provisioning.trail import told_at
from provisioning.user_names import LONGEST_NAME, Given, Taken, local_part

_HASHES = "user_names"
_DAYS_A_YEAR = 365.25


@dataclass(frozen=True)
class Held:
    """A name that a person has (`is_hers`), or had."""

    user_name: str
    mail_nickname: str
    given_at: datetime | None
    released_at: datetime | None
    key: str
    is_hers: bool

    def told(self) -> dict[str, Any]:
        """As it is shown to operators."""
        times = {"given_at": told_at(self.given_at), "released_at": told_at(self.released_at)}
        return {"user_name": self.user_name, "mail_nickname": self.mail_nickname, **times}


def unnamed(db: Database, target: str) -> list[str]:
    """EmployeeIds of the mapping who have no name and were never sent to a target, each once."""
    return sorted({str(row[0]) for row in db.rows("unnamed_people", target)})


def without_name(db: Database, employee_ids: Sequence[str]) -> list[str]:
    """Those of these people who have no name."""
    holders: set[str] = set()
    for chunk in database.chunks(employee_ids):
        holders |= {same_key(str(row[0])) for row in db.rows("user_name_holders", json.dumps(list(chunk)))}
    return [i for i in employee_ids if same_key(i) not in holders]


def taken(db: Database) -> Taken:
    """What nobody else may get, as things stand. 100,000 names take about 10 MB."""
    found, hidden = Taken(), False
    for user_name, nickname, is_hidden in db.rows("taken_user_names"):
        found.add(str(user_name), str(nickname or ""))
        hidden = hidden or bool(is_hidden)
    if hidden:
        hashed = tombstones.hasher(db, _HASHES)
        found.is_hidden = lambda local: hashed(local) in found.names
    return found


def of_accounts(db: Database, employee_ids: Sequence[str], *, domains: bool) -> dict[str, Given]:
    """The user names of accounts that people have already, as Entra told: id as it is compared → hers, to be given.

    Of those whom no row of the book speaks against, nor somebody of whose account it was told later. `domains`: names
    are given with their domain, so that two may be one but for it.
    """
    found: dict[str, tuple[str, str]] = {}
    for employee_id, name in db.rows("told_accounts", json.dumps(list(employee_ids))):
        found.pop(same_key(str(employee_id)), None)
        found[same_key(str(employee_id))] = str(employee_id), str(name)
    names = sorted({key for _, name in found.values() for key in (local_part(name), name.casefold())})
    booked = {str(row[0]).casefold() for row in db.rows("known_name_keys", json.dumps(names))} if found else set()
    kept: dict[str, Given] = {}
    for person, (employee_id, name) in reversed(found.items()):
        local = local_part(name)
        key = next((k for k in (local, *([name.casefold()] if domains else [])) if k not in booked), None)
        if key is not None and len(name) <= LONGEST:
            booked |= {key, name.casefold()}
            kept[person] = Given(employee_id, name if domains else local, local, key)
    return kept


def give(db: Database, given: Sequence[Given], former: str | None = None) -> int:
    """Write names down; gives back how many: not those that somebody else got meanwhile, nor of who has one by now."""
    rows = [_row(one.employee_id, one.user_name, one.mail_nickname, one.key or one.mail_nickname) for one in given]
    return _insert(db, [row | {"former_user_name": former} for row in rows])


def known(db: Database) -> Iterator[Known]:
    """Every name in the book."""
    for employee_id, user_name, key, hers, released in db.rows("every_user_name"):
        owner = None if employee_id is None else str(employee_id)
        yield Known(owner, str(user_name), str(key), bool(hers), bool(released))


def take_over(db: Database, found: TakenOver) -> int:
    """Write down names that exist; gives back how many."""
    count = _insert(db, [_row(one.employee_id, one.user_name, one.nickname, key) for one, key in found.new])
    for one, key in found.adopted:
        owner = one.employee_id
        count += db.run("adopt_user_name", owner, one.user_name, one.nickname, owner, key, owner)
    return count


def mapped(db: Database) -> Iterator[str]:
    """EmployeeIds of everybody in the mapping."""
    return (str(row[0]) for row in db.rows("mapped_ids"))


def _insert(db: Database, rows: Sequence[dict[str, Any]]) -> int:
    return sum(db.run("give_user_names", json.dumps(chunk)) for chunk in database.chunks(rows))


def _row(employee_id: str, user_name: str, mail_nickname: str, key: str) -> dict[str, Any]:
    return {
        "employee_id": employee_id or None,
        "user_name": user_name,
        "mail_nickname": mail_nickname[:LONGEST_NAME],
        "former_user_name": None,
        "name_key": key,
        "held_by": employee_id or f"={key}",
    }


def free_again(db: Database, years: int) -> None:
    """Names that were released so many years ago are nobody's any more."""
    db.run("keep_user_names")
    before = database.stamp(db.utc_now() - timedelta(days=_DAYS_A_YEAR * years))
    db.run("drop_user_names", before, before)


def release(db: Database, employee_ids: Sequence[str]) -> None:
    """These people have left for good: from now on the years count."""
    db.run("release_user_names", json.dumps(list(employee_ids)))


def of(db: Database, employee_id: str) -> list[Held]:
    """The names that a person has and had, hers first, then the newest."""
    return [
        Held(str(name), str(nick), database.as_utc(given), database.as_utc(released), str(key), bool(hers))
        for name, nick, given, released, key, hers in db.rows("person_user_names", employee_id)
    ]


def change(db: Database, employee_id: str, before: Held, given: Given, *, was_taken: bool = False) -> bool:
    """Another name for somebody, the one before staying as her alias; False where it is somebody's by now.

    `was_taken`: the one before was never hers, but that of somebody outside of HR, and is kept from everybody.
    In a transaction: where it is False nothing may stay.
    """
    earlier = next((held for held in of(db, employee_id) if held.key == given.mail_nickname), None)
    former = None if was_taken else before.user_name
    if db.run("reserve_user_name" if was_taken else "give_up_user_name", before.key, employee_id) != 1:
        return False
    if earlier is not None:
        return db.run("take_back_user_name", former, earlier.key, employee_id) == 1
    return give(db, [given], former) == 1


def hide(db: Database, employee_id: str) -> None:
    """Of a person's names only keyed hashes stay, and nothing that says whose they were."""
    tombstones.make_key(db, _HASHES)
    hashed = tombstones.hasher(db, _HASHES)
    for one in of(db, employee_id):
        local, nickname, key = (hashed(text) for text in (local_part(one.user_name), one.mail_nickname, one.key))
        db.run("hide_user_name", local, nickname, key, key, one.key)
