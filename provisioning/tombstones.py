"""Who was forgotten: keyed hashes of EmployeeIds, so that a row that comes back creates nobody by accident.

The key lives in the same database. So the hashes do not name anybody to whoever reads that table alone, or a list of
them elsewhere; whoever has the whole database and a list of ids can still find out who of them was forgotten.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable

from provisioning import plan
from provisioning.database import Database
from provisioning.people import same_key

_KEY = "tombstones"


def recogniser(db: Database) -> Callable[[str], bool]:
    """What tells whether an EmployeeId has a tombstone, as things stand."""
    found = {str(row[0]) for row in db.rows("tombstones")}
    row = db.one("hash_key", _KEY)
    if not found or row is None:
        return plan.nobody
    secret = str(row[0])
    return lambda employee_id: _hash(secret, employee_id) in found


def add(db: Database, employee_id: str) -> None:
    """Somebody is forgotten. The key is made with the first of them."""
    make_key(db, _KEY)
    found = hasher(db, _KEY)(employee_id)
    db.run("add_tombstone", found, found)


def remove(db: Database, employee_id: str) -> bool:
    """She may be known again; False where she had no tombstone."""
    row = db.one("hash_key", _KEY)
    return row is not None and db.run("drop_tombstone", _hash(str(row[0]), employee_id)) == 1


def make_key(db: Database, kind: str) -> None:
    """A key for a kind of hashes, where there is none yet."""
    db.run("make_hash_key", kind, secrets.token_hex(32), kind)


def hasher(db: Database, kind: str) -> Callable[[str], str]:
    """What hashes texts of a kind without regard to case, by the kind's key."""
    row = db.one("hash_key", kind)
    secret = str(row[0]) if row else ""
    return lambda text: _hash(secret, text)


def _hash(secret: str, employee_id: str) -> str:
    return hmac.new(secret.encode(), same_key(employee_id).encode(), hashlib.sha256).hexdigest()
