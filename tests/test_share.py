"""Files of a share: below its folder and nowhere else, the newest, complete, and in time."""

import io
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provisioning import share
from provisioning.errors import Unavailable, UpstreamError

HOUR = 3_600 * 10**9


@pytest.mark.parametrize(
    ("text", "windows", "path"),
    [
        ("/mounts/hr", False, "/mounts/hr"),
        ("/mounts/hr/", False, "/mounts/hr"),
        ("file:///mounts/hr/", False, "/mounts/hr"),
        ("FILE:/mounts/hr", False, "/mounts/hr"),
        ("file://localhost/mounts/hr%20export/", False, "/mounts/hr export"),
        ("C:\\exports\\hr", True, "C:/exports/hr"),
        ("d:/exports", True, "d:/exports"),
        ("file:///C:/exports/hr", True, "C:/exports/hr"),
        ("\\\\server\\share\\hr", True, "//server/share/hr"),
        ("//server/share", True, "//server/share"),
        ("file://server/share/hr", True, "//server/share/hr"),
    ],
)
def test_a_folder_is_told_as_a_path_a_file_url_or_a_share(text: str, windows: bool, path: str) -> None:
    assert share.is_folder(text)
    assert share.folder(text, windows=windows) == Path(path)


@pytest.mark.parametrize("text", ["https://hr.example/", "hr.example", "exports/hr", "", "files:x", "$HR_FOLDER"])
def test_what_is_no_absolute_path_is_no_folder(text: str) -> None:
    assert not share.is_folder(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\\\\server\\share", "must be a folder here, no path of Windows: mount the share"),
        ("//server/share", "no path of Windows"),
        ("file://server/share", "no path of Windows"),
        ("C:\\exports", "no path of Windows"),
        ("file:///C:/exports", "no path of Windows"),
        ("file:exports", "must be a folder such as file:///mounts/hr/"),
        ("file:///mounts/hr?x=1", "must be a folder such as"),
        ("/mounts/../etc", "must not hold `..`"),
        ("file:///mounts/%2e%2e/etc", "must not hold `..`"),
        ("/mounts/\n", "control characters"),
    ],
)
def test_a_folder_that_cannot_be_meant_is_told(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        share.folder(text, windows=False)


@pytest.mark.parametrize("path", ["e.csv", "daily/e.csv", "daily\\e.csv", "e-*.csv", "daily/*.csv", "a..b.csv"])
def test_a_path_is_a_file_below_the_folder(path: str) -> None:
    assert share.wrong_with_path(path) is None


@pytest.mark.parametrize(
    "path",
    [
        *(
            "../e.csv",
            "a/../../e.csv",
            "..\\e.csv",
            "/etc/passwd",
            "\\e.csv",
            "C:\\e.csv",
            "a//b",
            "a/",
            ".",
            "",
            "a/./b",
        ),
        *("*/e.csv", "e?.csv", "e\n.csv", "file:e.csv"),
    ],
)
def test_no_path_leads_out_of_the_folder(path: str) -> None:
    assert share.wrong_with_path(path)


def put(file: Path, text: str = "a\n1\n", hour: int = 0) -> Path:
    """A file that was written so many hours after the first of them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    os.utime(file, ns=(0, 1_000 * HOUR + hour * HOUR))
    return file


def find(base: Path, path: str = "e.csv", done_file: str | None = None) -> str:
    return share.find(base, path, done_file).path.name


def copied(base: Path, path: str = "e.csv") -> bytes:
    into = io.BytesIO(b"what an attempt before has left behind")
    share.copy(share.find(base, path, None), into)
    return into.getvalue()


def test_a_file_is_copied_as_it_is_also_from_a_folder_within(tmp_path: Path) -> None:
    put(tmp_path / "daily" / "e.csv", "x" * 3_000_000)
    assert copied(tmp_path, "daily/e.csv") == copied(tmp_path, "daily\\e.csv") == b"x" * 3_000_000


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("e.csv", "no file is there at endpoint.path"),
        ("e-*.csv", "no file fits endpoint.path"),
        ("daily/e.csv", "the folder of endpoint.path is not there"),
        ("folder", "is a link or no file"),
    ],
)
def test_a_file_that_is_not_there_is_told_by_the_setting(tmp_path: Path, path: str, told: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(UpstreamError, match=told) as failed:
        find(tmp_path, path)
    assert not isinstance(failed.value, Unavailable)
    assert str(tmp_path) not in str(failed.value)


def test_a_share_that_is_not_mounted_is_told(tmp_path: Path) -> None:
    with pytest.raises(UpstreamError, match=r"the folder client.base_url is not there.*is the share mounted"):
        find(tmp_path / "mounts")


@pytest.mark.parametrize("inside", [True, False], ids=["to a file within", "to a file outside"])
def test_a_link_is_not_followed_wherever_it_leads(tmp_path: Path, inside: bool) -> None:
    base = tmp_path / "share"
    target = put((base if inside else tmp_path / "secrets") / "target.csv")
    (base / "daily").mkdir(parents=True, exist_ok=True)
    (base / "e.csv").symlink_to(target)
    (base / "linked").symlink_to(target.parent)
    with pytest.raises(UpstreamError, match="is a link or no file"):
        find(base)
    with pytest.raises(UpstreamError, match="leads over a link, which is not followed"):
        find(base, "linked/target.csv")
    with pytest.raises(UpstreamError, match="no file fits"):
        find(base, "e*.csv")


def test_a_file_that_becomes_a_link_after_it_was_looked_at_is_not_followed(tmp_path: Path) -> None:
    secret = put(tmp_path / "secret")
    found = share.find(tmp_path, put(tmp_path / "e.csv").name, None)
    found.path.unlink()
    found.path.symlink_to(secret)
    with pytest.raises(UpstreamError):
        share.copy(found, io.BytesIO())


def test_the_folder_itself_may_be_a_link_for_it_is_named_by_who_sets_it_up(tmp_path: Path) -> None:
    put(tmp_path / "real" / "e.csv")
    (tmp_path / "mounted").symlink_to(tmp_path / "real")
    assert find(tmp_path / "mounted") == "e.csv"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes among its files")
def test_a_pipe_that_nobody_writes_into_holds_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "e.csv")
    with pytest.raises(UpstreamError, match="is a link or no file"):
        find(tmp_path)
    found = share.Found(tmp_path / "e.csv", 0, 0)
    with pytest.raises(UpstreamError, match="is no file"):
        share.copy(found, io.BytesIO(), seconds=5)


# --- the newest ---------------------------------------------------------------------------------------------------


def test_of_several_files_the_last_by_name_is_read(tmp_path: Path) -> None:
    for hour, day in enumerate((20261231, 20270101, 20270102)):
        put(tmp_path / f"Employees-{day}.csv", hour=24 * hour)
    put(tmp_path / "employees-20270103.csv.tmp", hour=99)
    put(tmp_path / "departments-20270103.csv", hour=99)
    (tmp_path / "employees-20270104.csv").mkdir()
    (tmp_path / "employees-latest.csv").symlink_to(tmp_path / "Employees-20261231.csv")
    assert find(tmp_path, "employees-*.csv") == "Employees-20270102.csv"


def test_dates_that_do_not_sort_are_told_before_an_old_file_is_taken_for_the_newest(tmp_path: Path) -> None:
    for hour, day in enumerate(("30-12-2026", "31-12-2026", "01-01-2027")):
        put(tmp_path / f"e-{day}.csv", hour=24 * hour)
    with pytest.raises(UpstreamError, match="must have the year first"):
        find(tmp_path, "e-*.csv")


def test_files_that_were_copied_together_may_have_come_in_any_order(tmp_path: Path) -> None:
    old, new = put(tmp_path / "e-1.csv"), put(tmp_path / "e-2.csv")
    os.utime(old, ns=(0, new.stat().st_mtime_ns + HOUR // 2))
    assert find(tmp_path, "e-*.csv") == "e-2.csv"


def test_a_bracket_in_a_name_is_only_a_bracket(tmp_path: Path) -> None:
    put(tmp_path / "e[1]-7.csv")
    put(tmp_path / "e1-8.csv")
    assert find(tmp_path, "e[1]-*.csv") == "e[1]-7.csv"


# --- complete -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["{name}.done", "{stem}.ok", "READY"])
def test_a_file_is_complete_once_its_done_file_is_there(tmp_path: Path, name: str) -> None:
    put(tmp_path / "e.csv", hour=1)
    with pytest.raises(UpstreamError, match="its done_file is missing, or older"):
        find(tmp_path, done_file=name)
    put(tmp_path / name.replace("{name}", "e.csv").replace("{stem}", "e"), "", hour=1)
    assert find(tmp_path, done_file=name) == "e.csv"


def test_yesterdays_done_file_says_nothing_of_todays_file(tmp_path: Path) -> None:
    put(tmp_path / "e.csv", hour=24)
    put(tmp_path / "e.csv.done", hour=0)
    with pytest.raises(UpstreamError, match="its done_file is missing, or older"):
        find(tmp_path, done_file="{name}.done")


def test_the_newest_file_is_the_newest_that_is_complete(tmp_path: Path) -> None:
    for hour in (1, 2, 3):
        put(tmp_path / f"e-{hour}.csv", hour=hour)
    put(tmp_path / "e-1.done", hour=1)
    put(tmp_path / "e-2.done", hour=2)
    assert find(tmp_path, "e-*.csv", "{stem}.done") == "e-2.csv"
    with pytest.raises(UpstreamError, match=r"no file that is complete \(see done_file\) fits"):
        find(tmp_path, "e-*.csv", "{stem}.ok")


class Meanwhile(io.BytesIO):
    """Takes a copy; with its first piece something happens to the file."""

    def __init__(self, happens: Callable[[], object]) -> None:
        super().__init__()
        self.happens = [happens]

    def write(self, piece: Any) -> int:
        if self.happens:
            self.happens.pop()()
        return super().write(piece)


@pytest.mark.parametrize("change", ["grows", "shrinks", "is written anew", "is touched"])
def test_a_file_that_changes_while_it_is_read_is_not_believed(tmp_path: Path, change: str) -> None:
    file = put(tmp_path / "e.csv", "a\n" * 10)
    happens = {
        "grows": lambda: file.write_text("a\n" * 3_000_000),
        "shrinks": lambda: os.truncate(file, 4),
        "is written anew": lambda: file.write_text("b\n" * 10),
        "is touched": lambda: os.utime(file),
    }[change]
    with pytest.raises(Unavailable, match="the file changed while it was read"):
        share.copy(share.find(tmp_path, "e.csv", None), Meanwhile(happens))


def test_a_file_that_changed_since_it_was_looked_at_is_not_believed(tmp_path: Path) -> None:
    found = share.find(tmp_path, put(tmp_path / "e.csv").name, None)
    put(tmp_path / "e.csv", "a\n1\n2\n")
    with pytest.raises(Unavailable, match="the file changed while it was read"):
        share.copy(found, io.BytesIO())


def test_a_file_that_is_replaced_by_a_whole_one_while_it_is_read_was_whole_itself(tmp_path: Path) -> None:
    file = put(tmp_path / "e.csv", "a\n1\n")
    into = Meanwhile(lambda: put(tmp_path / "new.csv", "a\n2\n").replace(file))
    share.copy(share.find(tmp_path, "e.csv", None), into)
    assert into.getvalue() == b"a\n1\n"


# --- bounds -------------------------------------------------------------------------------------------------------


def test_a_file_that_is_too_large_is_not_begun_with(tmp_path: Path) -> None:
    with (tmp_path / "e.csv").open("wb") as file:
        file.truncate(share.LARGEST_FILE + 1)
    into = io.BytesIO()
    with pytest.raises(UpstreamError, match="larger than 268435456 bytes"):
        share.copy(share.find(tmp_path, "e.csv", None), into)
    assert into.getvalue() == b""


def test_a_folder_of_endless_entries_is_not_looked_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share, "MOST_ENTRIES", 2)
    for n in range(3):
        put(tmp_path / f"{n}.txt")
    with pytest.raises(UpstreamError, match="more than 2 entries"):
        find(tmp_path, "e-*.csv")


def test_a_share_that_hangs_does_not_hold_the_run(tmp_path: Path) -> None:
    hangs = threading.Event()
    found = share.find(tmp_path, put(tmp_path / "e.csv").name, None)
    try:
        with pytest.raises(UpstreamError, match=r"the share did not answer in 0 s") as failed:
            share.copy(found, Meanwhile(hangs.wait), seconds=0.05)
        assert not isinstance(failed.value, Unavailable)
    finally:
        hangs.set()


@pytest.mark.parametrize(
    ("error", "told", "passes"),
    [
        (PermissionError(13, "no", "Kwibus.csv"), "may not be read by this app, or a program keeps it", True),
        (OSError(112, "Host is down", "Kwibus.csv"), r"could not be read \(EHOSTDOWN\)", True),
        (OSError("?"), r"could not be read \(no number\)", True),
        (OSError(28, "full"), "no room for it in this app's temporary folder", False),
        (FileNotFoundError(2, "gone", "Kwibus.csv"), "no file is there at endpoint.path any more", False),
    ],
)
def test_what_the_system_says_is_told_without_a_path(tmp_path: Path, error: OSError, told: str, passes: bool) -> None:
    def fail() -> None:
        raise error

    found = share.find(tmp_path, put(tmp_path / "e.csv").name, None)
    with pytest.raises(UpstreamError, match=told) as failed:
        share.copy(found, Meanwhile(fail))
    assert isinstance(failed.value, Unavailable) == passes
    assert "Kwibus" not in str(failed.value)
    assert failed.value.__cause__ is None
