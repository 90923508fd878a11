"""What software drops into `statin`: looked at, copied into the archive, and taken away.

What is seen there may change or go at any moment: a file counts as what it was when it was looked
at, and nothing is removed that has become another one since.
"""

import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bridge.archive import Archive
from bridge.durable import removed_unless_whole, storage, sync_folder
from bridge.errors import StorageError
from bridge.filename import readable, storable
from bridge.model import Digest

_CHUNK = 1 << 16
"""Bytes that are copied at once: each copy takes so much memory, however small its file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A file in `statin`, as it was when it was looked at. Times are in seconds of the epoch."""

    name: str
    path: Path
    inode: int
    size: int
    modified_ns: int
    changed_at: float
    regular: bool

    @property
    def stored(self) -> str:
        """The name in a form that gives its bytes back, whatever they are."""
        return storable(os.fsencode(self.path.name))

    @property
    def since(self) -> float:
        """Since when it has been as it is, by its own word: an old file that was moved here says
        more than the moment at which it came."""
        return min(self.changed_at, self.modified_ns / 1e9)

    def settled(self, *, now: float, settle: float) -> bool:
        """Tell whether nothing has touched it for `settle` seconds.

        The change time is what no client can set; a clock that went back does not hold it up.
        """
        return abs(now - self.changed_at) >= settle


class Statin:
    """The folder `statin` of a mailbox."""

    def __init__(self, folder: Path, *, archive: Archive, staged: Callable[[], Path]) -> None:
        """Take the folder, where what it holds is kept, and how to get a new path in staging."""
        self.folder = folder
        self._archive = archive
        self._staged = staged

    def dropped(self) -> Iterator[Dropped]:
        """Look at what lies in `statin`, by arrival."""
        yield from sorted(self.lying(), key=lambda found: (found.changed_at, found.name))

    def lying(self) -> Iterator[Dropped]:
        """Look at what lies in `statin`, one after the other, in no order."""
        with storage(f"mailbox {self.folder}"), os.scandir(self.folder) as entries:
            for entry in entries:
                if found := _look(Path(entry.path)):
                    yield found

    def keep(self, file: Dropped) -> Digest:
        """Copy a dropped file of any size into the archive.

        A copy, not a link: whoever still has the file open could write to a link.
        """
        staged, digest = self._staged(), hashlib.sha256()
        with removed_unless_whole(staged):
            with storage(self._said(file)), _open(file) as source, staged.open("xb") as copy:
                while chunk := source.read(_CHUNK):
                    digest.update(chunk)
                    copy.write(chunk)
            found = Digest(digest.hexdigest())
            self._archive.keep(staged, found)
        return found

    def keep_partial(self, partial: Path) -> tuple[Digest, int]:
        """Put an upload that was cut off into the archive; return its digest and size.

        It stays where it is until `forget_partial`: after a crash it is found there again.
        """
        with storage(f"upload {partial.name}"):
            size = partial.stat().st_size
            with partial.open("rb") as file:
                digest = Digest(hashlib.file_digest(file, "sha256").hexdigest())
        self._archive.hold(partial, digest)
        return digest, size

    def forget_partial(self, partial: Path) -> None:
        """Remove an upload that was cut off from staging: archive and ledger have it."""
        with storage(f"upload {partial.name}"):
            partial.unlink(missing_ok=True)
        with suppress(OSError):  # not empty, or gone: then it is somebody else's
            partial.parent.rmdir()

    def is_being_written(self, file: Dropped) -> bool:
        """Tell whether some program has a dropped file open for writing, however long it pauses.

        The kernel grants a read lease on a file only while nobody writes to it (fcntl(2),
        F_SETLEASE); where it grants none at all, nobody can tell.
        """
        try:
            with _open(file) as opened:
                fcntl.fcntl(opened, fcntl.F_SETLEASE, fcntl.F_RDLCK)
                fcntl.fcntl(opened, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def is_unchanged(self, file: Dropped) -> bool:
        """Tell whether a dropped file is still as it was when it was looked at."""
        return _look(file.path) == file

    def remove(self, files: Iterable[Dropped]) -> Mapping[Dropped, StorageError]:
        """Take dropped files out of `statin`, durably; return which of them stay, and why.

        Where another file has taken the place of one, its name is left as it is.
        """
        stuck: dict[Dropped, StorageError] = {}
        for file in files:
            try:
                self._remove(file)
            except StorageError as error:
                stuck[file] = error
        with storage(f"mailbox {self.folder}"):
            sync_folder(self.folder)
        return stuck

    def _remove(self, file: Dropped) -> None:
        aside = self._staged()
        with storage(self._said(file)), suppress(FileNotFoundError):
            # Looked at before it is moved: a kill in between would take another one with it.
            if not _same(file, file.path) or self.is_being_written(file):
                return
            file.path.rename(aside)
            if not _same(file, aside):  # replaced this very moment
                with suppress(FileExistsError):  # and once more
                    os.link(aside, file.path)
            aside.unlink()

    def _said(self, file: Dropped) -> str:
        return f"{self.folder.name}/{file.name}"


def _look(path: Path) -> Dropped | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return Dropped(
        name=readable(path.name),
        path=path,
        inode=found.st_ino,
        size=found.st_size,
        modified_ns=found.st_mtime_ns,
        changed_at=found.st_ctime,
        regular=stat.S_ISREG(found.st_mode),
    )


def _open(file: Dropped) -> BinaryIO:
    return os.fdopen(os.open(file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")


def _same(file: Dropped, path: Path) -> bool:
    found = path.lstat()
    now = (found.st_ino, found.st_size, found.st_mtime_ns)
    return now == (file.inode, file.size, file.modified_ns)
