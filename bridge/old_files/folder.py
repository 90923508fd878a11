"""A folder of old mailbox files, read: any depth, no link followed, nothing changed.

`learn` reads such a folder whole; the legacy feed of a `file://` address walks it with the same
steps. What cannot be read is told with its reason, never passed over in silence: it may be an
invoice.
"""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bridge.errors import StorageError
from bridge.facturae import MAX_BYTES
from bridge.filename import readable
from bridge.model import digest_of
from bridge.old_files.file import OldFile, what_it_is

_AT_ONCE = 65536
"""Bytes that are read of a file that grows meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """What was found and not read, and why."""

    path: Path
    """Below the folder that was read."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDisk:
    """A file that was found and not looked into yet."""

    path: Path
    """Below the folder that was read."""
    size: int
    modified: datetime


def read_folder(folder: Path) -> Iterator[OldFile | Unread]:
    """Yield every file below a folder with what it is, in the same order each time."""
    for found in walk(folder):
        yield found if isinstance(found, Unread) else look(folder, found.path)


def read_again(folder: Path, file: OldFile) -> bytes:
    """Return the bytes of a file; raises StorageError if it is no longer what it was."""
    try:
        content, _ = read_file(folder / file.path)
    except OSError as error:
        raise StorageError(f"{folder / file.path}: {error.strerror or error}") from error
    if digest_of(content) != file.digest:
        raise StorageError(
            f"{folder / file.path}: the file changed while it was read: learn from a folder that "
            "nobody writes to"
        )
    return content


def walk(folder: Path) -> Iterator[OnDisk | Unread]:
    """Yield the files below a folder, and what is no file or cannot be listed."""
    waiting = [Path()]
    while waiting:
        below = waiting.pop()
        try:
            with os.scandir(folder / below) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            yield Unread(path=below, reason=error.strerror or str(error))
            continue
        for entry in found:
            path = below / entry.name
            if entry.is_symlink():
                yield Unread(path=path, reason="a link, which is not followed")
            elif entry.is_dir(follow_symlinks=False):
                waiting.append(path)
            elif file := _found(path, entry):
                yield file


def _found(path: Path, entry: os.DirEntry[str]) -> OnDisk | Unread | None:
    """Return a file that was found; None if it is gone again."""
    try:
        about = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    except OSError as error:
        return Unread(path=path, reason=error.strerror or str(error))
    return OnDisk(
        path=path, size=about.st_size, modified=datetime.fromtimestamp(about.st_mtime, UTC)
    )


def look(folder: Path, path: Path) -> OldFile | Unread:
    """Read one file, and tell what it is."""
    try:
        content, modified = read_file(folder / path)
    except OSError as error:
        return Unread(path=path, reason=error.strerror or str(error))
    return OldFile(
        path=path,
        name=readable(path.name),
        modified=modified,
        digest=digest_of(content),
        content=what_it_is(content),
    )


def read_file(path: Path | str) -> tuple[bytes, datetime]:
    """Return a file's bytes and its time; a pipe is not waited for.

    Raises OSError, with the number EFBIG for a file that is larger than what is read.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    file = os.open(path, flags)  # a file object takes longer to make than such a file to read
    try:
        about = os.fstat(file)
        if not stat.S_ISREG(about.st_mode):
            raise OSError(errno.EINVAL, "no regular file")
        if about.st_size > MAX_BYTES:
            raise OSError(errno.EFBIG, too_large(about.st_size))
        return _all_of(file, about.st_size), datetime.fromtimestamp(about.st_mtime, UTC)
    finally:
        os.close(file)


def _all_of(file: int, size: int) -> bytes:
    """Return what a file holds by now, at most as much as is read of any."""
    found = os.read(file, size + 1)
    while len(found) < MAX_BYTES and (more := os.read(file, _AT_ONCE)):
        found += more
    return found[:MAX_BYTES]


def too_large(size: int) -> str:
    """Say that a file of this size is not read."""
    return f"{size:,} bytes, and more than {MAX_BYTES:,} are not read"
