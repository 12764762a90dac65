"""Files in a folder that HR exports into: a mounted share, or any folder that this machine can read.

Only regular files below that folder are read, and none that is still being written, as far as that can be told.
"""

import errno
import os
import queue
import re
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import unquote, urlsplit

from provisioning.errors import Unavailable, UpstreamError

LARGEST_FILE = 256 * 1024 * 1024
"""Bytes: a million people of 256 bytes each."""

SECONDS = 300.0
"""In which a file must be copied; a share that hangs would hold the run for ever."""

MOST_ENTRIES = 100_000
"""So many entries of a folder are looked through for the newest file."""

SAME_TIME = 3600.0
"""Seconds by which files that were copied together may differ, whatever order their names have."""

_STEP = 1024 * 1024
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_FOLDER = re.compile(r"file:|[\\/]|[a-z]:[\\/]", re.IGNORECASE)
_DRIVE = re.compile(r"[A-Za-z]:/")

T = TypeVar("T")


@dataclass(frozen=True)
class Found:
    """A file as it was found."""

    path: Path
    size: int
    written_ns: int

    @property
    def written_at(self) -> datetime:
        """When it was written, by the clock of the share."""
        return datetime.fromtimestamp(self.written_ns / 1e9, UTC)


def is_folder(text: str) -> bool:
    r"""Whether a base_url names a folder: a file: URL, an absolute path, \\server\share."""
    return bool(_FOLDER.match(text))


def folder(text: str, *, windows: bool = os.name == "nt") -> Path:
    """The folder that a base_url names. Raises ValueError, which says what is wrong with it."""
    if not text.isprintable():
        raise ValueError("must not hold control characters.")
    path = _path_of_url(text) if text[:5].lower() == "file:" else text.replace("\\", "/")
    if windows:
        path = path[1:] if _DRIVE.match(path[1:]) else path
    elif _DRIVE.match(path.lstrip("/")) or path.startswith("//"):
        raise ValueError(
            "must be a folder here, no path of Windows: mount the share, and name the folder where it is mounted."
        )
    if ".." in path.split("/"):
        raise ValueError("must not hold `..`.")
    return Path(path)


def _path_of_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.query or parts.fragment or not parts.path.startswith("/"):
        raise ValueError("must be a folder such as file:///mounts/hr/ or /mounts/hr.")
    host = "" if parts.netloc.lower() in ("", "localhost") else f"//{parts.netloc}"
    return host + unquote(parts.path)


def wrong_with_path(path: str) -> str | None:
    """What keeps a path from naming a file below a folder, its name perhaps with `*`; None where nothing does."""
    *folders, name = path.replace("\\", "/").split("/")
    if not path.isprintable():
        return "must not hold control characters."
    if any(part in ("", ".", "..") for part in (*folders, name)) or re.search("[:?]", path):
        return "must be a file below client.base_url, without `..`."
    if "*" in "".join(folders):
        return "may hold * in the file's name only."
    return None


def find(base: Path, path: str, done_file: str | None, seconds: float = SECONDS) -> Found:
    """The file at a path below the folder; of several that fit its * the newest by name.

    `done_file`: the name of a file that tells that one is complete, {name} and {stem} standing for the file's. Raises
    UpstreamError where there is none, Unavailable where the share does not answer.
    """
    return _in_time(lambda: _find(base, path, done_file), seconds)


def copy(found: Found, into: BinaryIO, seconds: float = SECONDS) -> None:
    """Copy a file; `into` is written from its start on.

    Raises Unavailable where it changed meanwhile or cannot be read now, UpstreamError where it never will be.
    """
    _in_time(lambda: _copy(found, into), seconds)


def _find(base: Path, path: str, done_file: str | None) -> Found:
    *folders, name = path.replace("\\", "/").split("/")
    if not base.is_dir():
        raise UpstreamError("the folder client.base_url is not there, or not for this app; is the share mounted?")
    inner = base
    for part in folders:
        inner = inner / part
        if _is_link(inner):
            raise UpstreamError("endpoint.path leads over a link, which is not followed")
        if not inner.is_dir():
            raise UpstreamError("the folder of endpoint.path is not there")
    if "*" in name:
        return _newest([f for f in _matching(inner, name) if _is_done(f, done_file)], done_file)
    found = _looked_at(inner / name)
    if found is None:
        raise UpstreamError("no file is there at endpoint.path")
    if not _is_done(found, done_file):
        raise UpstreamError("the file is not complete: its done_file is missing, or older than it")
    return found


def _matching(inner: Path, pattern: str) -> Iterator[Found]:
    with os.scandir(inner) as entries:
        for count, entry in enumerate(entries, 1):
            if count > MOST_ENTRIES:
                raise UpstreamError(f"the folder of endpoint.path holds more than {MOST_ENTRIES} entries")
            fits = fnmatchcase(entry.name.casefold(), pattern.casefold().replace("[", "[[]"))
            if fits and entry.is_file(follow_symlinks=False) and (found := _looked_at(inner / entry.name)):
                yield found


def _newest(found: list[Found], done_file: str | None) -> Found:
    """The last by name. Raises UpstreamError where another was written clearly later: the names do not sort by date."""
    if not found:
        told = " that is complete (see done_file)" if done_file else ""
        raise UpstreamError(f"no file{told} fits endpoint.path")
    newest = max(found, key=lambda f: f.path.name.casefold())
    if max(f.written_ns for f in found) - newest.written_ns > SAME_TIME * 1e9:
        raise UpstreamError(
            "the last file by name is not the last that was written; dates in names must have the year first, then "
            "month and day; what else fits endpoint.path belongs elsewhere"
        )
    return newest


def _is_done(found: Found, done_file: str | None) -> bool:
    """Whether the file that tells it is there, and was written after it: yesterday's says nothing of today's."""
    if done_file is None:
        return True
    name = done_file.replace("{name}", found.path.name).replace("{stem}", found.path.stem)
    done = _looked_at(found.path.with_name(name))
    return done is not None and done.written_ns >= found.written_ns


def _looked_at(path: Path) -> Found | None:
    """A regular file. Raises UpstreamError for what is something else: a link leads anywhere, a pipe never ends."""
    try:
        seen = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if _is_link(path) or not stat.S_ISREG(seen.st_mode):
        raise UpstreamError("what is there at endpoint.path, or its done_file, is a link or no file; it is not read")
    return Found(path, seen.st_size, seen.st_mtime_ns)


def _is_link(path: Path) -> bool:
    """A symbolic link, or what Windows calls a junction."""
    junction = getattr(os.path, "isjunction", None)  # Python 3.12
    return path.is_symlink() or bool(junction and junction(path))


def _copy(found: Found, into: BinaryIO) -> None:
    if found.size > LARGEST_FILE:
        raise UpstreamError(f"the file is larger than {LARGEST_FILE} bytes")
    into.seek(0)
    into.truncate()
    with os.fdopen(os.open(found.path, _FLAGS), "rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise UpstreamError("what is there at endpoint.path is no file; it is not read")
        copied = 0
        while copied <= found.size and (piece := file.read(_STEP)):
            copied += into.write(piece)
        after = os.fstat(file.fileno())
    seen = {(found.size, found.written_ns), *((s.st_size, s.st_mtime_ns) for s in (before, after))}
    if len(seen) != 1 or copied != found.size:
        raise Unavailable("the file changed while it was read: it is still being written")


def _in_time(action: Callable[[], T], seconds: float) -> T:
    """Do it in a thread of its own: a network share that is gone answers after minutes, or never."""
    answers: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def act() -> None:
        try:
            answers.put((action(), None))
        except BaseException as exc:  # raised again by who waits, where somebody still does
            answers.put((None, exc))

    threading.Thread(target=act, name="share", daemon=True).start()
    try:
        answer, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise UpstreamError(f"the share did not answer in {seconds:.0f} s") from None
    if isinstance(error, OSError):
        raise _translated(error) from None
    if error is not None:
        raise error
    return answer  # type: ignore[return-value]


def _translated(error: OSError) -> UpstreamError:
    """What the system says, by its name: its own text repeats the path."""
    if error.errno == errno.ENOSPC:
        return UpstreamError("there is no room for it in this app's temporary folder")
    if isinstance(error, FileNotFoundError):
        return UpstreamError("no file is there at endpoint.path any more")
    if isinstance(error, PermissionError):
        return Unavailable("the file or its folder may not be read by this app, or a program keeps it to itself")
    return Unavailable(f"the share could not be read ({errno.errorcode.get(error.errno or 0, 'no number')})")
