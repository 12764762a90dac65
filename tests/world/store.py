"""The database of the simulated worlds: one after the other has it, each as the template is.

It is in memory, and its connections stay open from one world to the next: to open one anew, and to prepare each
statement anew, takes longer than most runs do.
"""

from __future__ import annotations

import functools
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from provisioning.pacing import Clock


class Store(Clock):
    """Three files, and the connections to them that nobody uses just now.

    For connections it is the clock, too: theirs is that of the world they are in.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spare: list[sqlite3.Connection] = []
        self.clock = Clock()

    def utc_now(self) -> datetime:
        return self.clock.utc_now()

    def begin(self, clock: Clock) -> None:
        """Be another world's."""
        self.clock = clock

    def end(self) -> None:
        """Be nobody's any more."""


class OnDisk(Store):
    """A copy of the template in a folder."""

    def __init__(self, template: Path, folder: Path) -> None:
        shutil.copytree(template, folder)
        super().__init__(folder / "bridge.db")

    def end(self) -> None:
        for connection in self.spare:
            connection.close()
        shutil.rmtree(self.path.parent, ignore_errors=True)


class InMemory(Store):
    """A copy that only this process has: every connection sees the same, with SQLite's own locks and journals.

    A disk would keep it from a process that is killed; nobody kills this one.
    """

    def __init__(self, template: Path) -> None:
        super().__init__(_in_memory(template / "bridge.db"))
        self._files = [_copied(file) for file in template.glob("*.db")]

    def begin(self, clock: Clock) -> None:
        """Every table is as in the template again."""
        super().begin(clock)
        for file in self._files:
            file.begin()


@functools.cache
def in_memory(template: Path) -> InMemory:
    """The one of this template."""
    return InMemory(template)


class _File:
    """A file in memory, there until this connection is closed."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        self._rows = {name: connection.execute(f'SELECT * FROM "{name}"').fetchall() for (name,) in tables.fetchall()}
        self._schema = self._schema_now()

    def _schema_now(self) -> Any:
        return self._connection.execute("PRAGMA schema_version").fetchone()[0]

    def begin(self) -> None:
        assert self._schema_now() == self._schema, "a world has changed tables, which the next would have as well"
        with self._connection:
            for name, rows in self._rows.items():
                self._connection.execute(f'DELETE FROM "{name}"')
                for row in rows:
                    self._connection.execute(f'INSERT INTO "{name}" VALUES ({", ".join("?" * len(row))})', row)


def _in_memory(path: Path) -> Path:
    """What SQLite is to open for a file of this name in memory."""
    return Path(f"file:{quote(str(path), safe='')}?vfs=memdb")


def _copied(file: Path) -> _File:
    copy = sqlite3.connect(_in_memory(file), uri=True)
    with closing(sqlite3.connect(file)) as original:
        original.backup(copy)
    return _File(copy)
