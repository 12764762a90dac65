"""The same on the server that TEST_SQLSERVER names, in scratch databases beside it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from provisioning import database, migration
from tests.bench import rivals
from tests.bench.company import Company
from tests.conftest import with_driver


@contextmanager
def scratch(text: str, count: int) -> Iterator[list[str]]:
    """So many migrated databases, dropped at the end."""
    text = with_driver(text)
    name = re.search(r"(?i)\bdatabase=([^;]+)", text)
    assert name, "TEST_SQLSERVER needs a Database=…"
    with ExitStack() as stack:
        made = [stack.enter_context(_one(text, name[0], f"{name[1]}_bench_{os.getpid()}_{n}")) for n in range(count)]
        yield made


@contextmanager
def _one(text: str, named: str, name: str) -> Iterator[str]:
    mine = text.replace(named, f"Database={name}")
    with database.connect(text) as db:
        db.execute(f"CREATE DATABASE {name}")
    try:
        with database.connect(mine) as db:
            migration.migrate(db)
        yield mine
    finally:
        with database.connect(text) as db:
            db.execute(f"DROP DATABASE {name}")


def version(text: str) -> str:
    """What it says it is."""
    with database.connect(text) as db:
        (row,) = db.select("SELECT @@VERSION", (), "version")
    return str(row[0]).splitlines()[0].strip()


def rivals_of(text: str, company: Company) -> tuple[float, float]:
    """Rows a second of one INSERT for each row of HR's first page, and of executemany, into an empty dbo.Employees."""
    import pyodbc  # noqa: PLC0415

    connection = pyodbc.connect(database._with_driver(text, pyodbc.drivers()), autocommit=True)
    connection.execute("DELETE FROM dbo.Employees")
    singly = rivals.one_insert_each(connection, "dbo.Employees", company, 1)
    connection.execute("DELETE FROM dbo.Employees")
    connection.autocommit = False
    statement = f"INSERT INTO dbo.Employees VALUES ({', '.join('?' * 37)})"
    began = time.monotonic()
    page = next(rivals.pages(company))
    connection.cursor().executemany(statement, [rivals.flat(one) for one in page])
    connection.commit()
    many = len(page) / (time.monotonic() - began)
    connection.close()
    return singly, many
