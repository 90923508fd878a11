"""A folder of old mailbox files, read: any depth, no link followed, nothing changed.

What cannot be read is told with its reason, never passed over in silence: it may be an invoice.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bridge.errors import StorageError
from bridge.facturae import MAX_BYTES
from bridge.filename import readable
from bridge.model import Digest
from bridge.old_file import OldFile, what_it_is


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """What was found and not read, and why."""

    path: Path
    """Below the folder that was read."""
    reason: str


def read_folder(folder: Path) -> Iterator[OldFile | Unread]:
    """Yield every file below a folder with what it is, in the same order each time."""
    for found in _walk(folder):
        yield found if isinstance(found, Unread) else _look(folder, found)


def read_again(folder: Path, file: OldFile) -> bytes:
    """Return the bytes of a file; raises StorageError if it is no longer what it was."""
    try:
        content, _ = _read(folder / file.path)
    except OSError as error:
        raise StorageError(f"{folder / file.path}: {error.strerror or error}") from error
    if _digest(content) != file.digest:
        raise StorageError(
            f"{folder / file.path}: the file changed while it was read: learn from a folder that "
            "nobody writes to"
        )
    return content


def _walk(folder: Path) -> Iterator[Path | Unread]:
    """Yield the files, their paths below the folder, and what is no file or cannot be listed."""
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
            else:
                yield path


def _look(folder: Path, path: Path) -> OldFile | Unread:
    try:
        content, modified = _read(folder / path)
    except OSError as error:
        return Unread(path=path, reason=error.strerror or str(error))
    return OldFile(
        path=path,
        name=readable(path.name),
        modified=modified,
        digest=_digest(content),
        content=what_it_is(content),
    )


def _read(path: Path) -> tuple[bytes, datetime]:
    """Return a file's bytes and its time; a pipe is not waited for."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags), "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise OSError("no regular file")
        if about.st_size > MAX_BYTES:
            raise OSError(f"{about.st_size:,} bytes, and more than {MAX_BYTES:,} are not read")
        return file.read(MAX_BYTES), datetime.fromtimestamp(about.st_mtime, UTC)


def _digest(content: bytes) -> Digest:
    return Digest(hashlib.sha256(content).hexdigest())
