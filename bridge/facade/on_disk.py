"""What lies in a folder of the mailbox: found and looked at, links never followed.

Only regular files exist. `folder` is always a folder's descriptor: what is opened relative to it
is in it, whatever happens to its path meanwhile.
"""

import contextlib
import os
import stat as modes
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from bridge.facade.events import printable
from bridge.facade.handles import Handle, must_leave_enough
from bridge.facade.listings import Entry, Row
from bridge.facade.refusals import DoorError, No

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
_KIND = 0o170000
"""The bits of a mode that say what it is."""
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_T = TypeVar("_T")


class Aside(Protocol):
    """How something is done that may take long."""

    def __call__(self, work: Callable[[], _T], *, long: bool = False) -> _T:
        """Return what comes of it; `long` where it takes its time on a good disk, too."""
        ...


def at_once(work: Callable[[], _T], *, long: bool = False) -> _T:
    """Do it where it is asked for: nobody has to wait for it."""
    return work()


@dataclass(frozen=True, slots=True)
class Listing:
    """A folder opened to be listed; it is read as its rows are, so that it costs no memory."""

    entries: Iterator[Entry]
    held: contextlib.ExitStack

    def close(self) -> None:
        """Close the folder; safe to repeat."""
        self.held.close()


@dataclass(slots=True)
class Download:
    """A file opened to be fetched; whoever opened it closes it."""

    role: str
    name: str
    fd: int
    size: int
    """Bytes that it had when it was opened."""
    handle: Handle
    closed: bool = False

    def close(self) -> None:
        """Close the file; safe to repeat."""
        if not self.closed:
            self.closed = True
            os.close(self.fd)
            self.handle.give_back()


@contextlib.contextmanager
def opened(path: str) -> Iterator[int]:
    """Open a folder while the block runs."""
    folder = os.open(path, _FOLDER)
    try:
        yield folder
    finally:
        os.close(folder)


def open_file(folder: int, name: str) -> tuple[int, int]:
    """Open a file to be read; return it and its size. A pipe makes nobody wait, and is none."""
    fd = os.open(name, _FILE, dir_fd=folder)
    try:
        must_leave_enough(fd)
        size = _size_of_file(fd, name)
    except DoorError:
        os.close(fd)
        raise
    return fd, size


def at_hand(fd: int, count: int, offset: int) -> bytearray | None:
    """Read so many bytes of a file, or none where the disk would have to be waited for.

    Nor does it where the file system cannot tell.
    """
    data = bytearray(count)
    with contextlib.suppress(OSError):
        if os.preadv(fd, [data], offset, os.RWF_NOWAIT) == count:
            return data
    return None


def _size_of_file(fd: int, name: str) -> int:
    found = os.fstat(fd)
    if not modes.S_ISREG(found.st_mode):
        raise DoorError(No.MISSING, f"{printable(name)}: no such file")
    return found.st_size


def names(folder: int, *, hidden: bool) -> list[str]:
    """Return the names of files, in no order; `hidden` also those with a leading dot."""
    with os.scandir(folder) as rows:
        return [
            row.name
            for row in rows
            if (hidden or row.name[0] != ".") and row.is_file(follow_symlinks=False)
        ]


def entries(rows: Iterator[os.DirEntry[str]], *, hidden: bool) -> Iterator[Entry]:
    """Return the files among the rows of a folder; `hidden` also those with a leading dot."""
    for row in rows:
        name = row.name
        if name[0] == "." and not hidden:
            continue
        try:
            found = row.stat(follow_symlinks=False)
        except FileNotFoundError:  # deleted since
            continue
        if modes.S_ISREG(found.st_mode):
            yield Entry(name, found)


def look_at(folder: int, names: Sequence[str]) -> list[Row]:
    """Look at files by their names; those that have gone are left out.

    A listing may be long, so no more is done for each file than must be.
    """
    rows: list[Row] = []
    stat, add = os.stat, rows.append
    for name in names:
        try:
            found = stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            continue
        if found.st_mode & _KIND == modes.S_IFREG:
            add((name, found))
    return rows


def is_there(folder: int, name: str) -> bool:
    """Tell whether a name is taken, by whatever."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def find(folder: int, name: str, *, hidden: bool, exactly: bool = False) -> Entry:
    """Return a file by its name, else by the one name that differs in case only.

    Raises DoorError where there is none.
    """
    if hidden or not name.startswith("."):
        with contextlib.suppress(FileNotFoundError):
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if modes.S_ISREG(found.st_mode):
                return Entry(name, found)
            exactly = True
        if not exactly:
            with os.scandir(folder) as rows:
                alike = [row for row in rows if row.name.casefold() == name.casefold()]
                fitting = list(entries(iter(alike), hidden=hidden))
            if len(fitting) == 1:
                return fitting[0]
    raise DoorError(No.MISSING, f"{printable(name)}: no such file")


def move(folder: int, name: str, to: str, *, replace: bool) -> None:
    """Give a file another name for good; without `replace` FileExistsError where that is taken."""
    if replace:
        os.rename(name, to, src_dir_fd=folder, dst_dir_fd=folder)
    else:
        # SFTP's RENAME must not overwrite; a link fails when the name is taken meanwhile.
        os.link(name, to, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        os.unlink(name, dir_fd=folder)
    os.fsync(folder)


def remove(folder: int, name: str) -> None:
    """Delete a file for good: after a power cut it is still gone."""
    os.unlink(name, dir_fd=folder)
    os.fsync(folder)
