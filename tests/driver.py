"""Microsoft's ODBC driver of requirements-dev.txt, for a machine on which none is installed.

`python -m tests.driver` prints an odbcinst.ini that names it: ODBCSYSINI is the folder where that file lies.
"""

from pathlib import Path

NAME = "ODBC Driver 18 for SQL Server"


def path() -> Path:
    """Where the wheel has put it (Linux, x86-64)."""
    import mssql_python_odbc  # noqa: PLC0415 - only where a server is to be reached

    found = sorted(Path(mssql_python_odbc.__file__).parent.rglob("debian_ubuntu/x86_64/lib/libmsodbcsql*"))
    assert found, "no ODBC driver for SQL Server is installed, and mssql-python-odbc brought none"
    return found[0]


if __name__ == "__main__":
    print(f"[{NAME}]\nDescription=Microsoft {NAME}\nDriver={path()}")
