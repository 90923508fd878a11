"""An old mailbox that is a folder on this machine: an archive, of any depth, or a mounted share."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bridge.durable import sync_folder
from bridge.errors import OldMailboxAwayError
from bridge.feeds.legacy.entries import Entry, Kind, Row, entry_of, is_our_temporary, shown
from bridge.feeds.legacy.troubles import on_disk
from bridge.filename import readable, readable_bytes, storable
from bridge.naming import Profile
from bridge.old_files.folder import Unread, read_file, walk


class FolderLine:
    """Reads a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def where(self) -> str:
        """What and where this is, for messages."""
        return f"the old mailbox in {readable(str(self.root))}"

    def connect(self) -> None:
        """Look whether the folder can be looked into."""
        with self._listing(b""):
            pass

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def rows(self, folder: bytes) -> list[Row]:
        """List a folder, in any order."""
        with self._listing(folder) as found:
            return [row for entry in found if (row := _row_of(entry))]

    def look(self, path: bytes) -> Row | None:
        """Return what a path is, no link followed; None if nothing is there."""
        with on_disk(self.where, shown(path)):
            try:
                return _row(path.rpartition(b"/")[2], self._path(path).lstat())
            except (FileNotFoundError, NotADirectoryError):
                return None

    def read(
        self,
        path: bytes,
        *,
        size: int | None,
        most: int,
    ) -> tuple[bytes, datetime | None]:
        """Return a file's bytes and its time."""
        with on_disk(self.where, shown(path)):
            return read_file(self._path(path))

    @contextmanager
    def _listing(self, folder: bytes) -> Iterator[Iterator[os.DirEntry[str]]]:
        try:
            with os.scandir(self._path(folder)) as found:
                yield found
        except OSError as error:
            reason = f"{self.where}: it cannot be looked into: {error.strerror}"
            raise OldMailboxAwayError(reason) from error

    def _path(self, path: bytes) -> Path:
        return self.root / os.fsdecode(path)


class WritableFolderLine(FolderLine):
    """Reads and writes a folder; what it says is done is on the disk."""

    def write(self, path: bytes, content: bytes) -> None:
        """Write a file, over what was there."""
        with on_disk(self.where, shown(path), writing=True):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(self._path(path), flags, 0o666), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            sync_folder(self._path(path).parent)

    def rename(self, old: bytes, new: bytes) -> None:
        """Give a file another path, in one step."""
        with on_disk(self.where, shown(new), writing=True):
            source, target = self._path(old), self._path(new)
            source.rename(target)
            for folder in {target.parent, source.parent}:
                sync_folder(folder)

    def remove(self, path: bytes) -> None:
        """Remove a file; one that is not there is no error."""
        with on_disk(self.where, shown(path), writing=True):
            self._path(path).unlink(missing_ok=True)
            sync_folder(self._path(path).parent)

    def make_folder(self, path: bytes) -> None:
        """Make a folder; one that is there is no error."""
        with on_disk(self.where, shown(path), writing=True):
            self._path(path).mkdir(exist_ok=True)
            sync_folder(self._path(path).parent)


def everything(root: Path, profile: Profile) -> Iterator[Entry]:
    """Yield all files below a folder, and what cannot be read there."""
    for found in walk(root):
        raw = os.fsencode(found.path)
        folder, _, name = raw.rpartition(b"/")
        role = profile.role_in(found.path.parts[:-1])
        if isinstance(found, Unread):
            yield Entry(
                path=storable(raw), name=readable_bytes(name), role=role, problem=found.reason
            )
        elif not is_our_temporary(name):
            row = Row(name=name, kind=Kind.FILE, size=found.size, modified=found.modified)
            yield entry_of(folder, row, role)


def _row_of(entry: os.DirEntry[str]) -> Row | None:
    """Return the row of what was found; None if it is gone again."""
    try:
        return _row(os.fsencode(entry.name), entry.stat(follow_symlinks=False))
    except FileNotFoundError:
        return None


def _row(name: bytes, about: os.stat_result) -> Row:
    return Row(
        name=name,
        kind=kind_of(about.st_mode),
        size=about.st_size,
        modified=datetime.fromtimestamp(about.st_mtime, UTC),
    )


def kind_of(mode: int) -> Kind:
    """Return what a file of this mode is."""
    kinds = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.FOLDER, stat.S_IFLNK: Kind.LINK}
    return kinds.get(stat.S_IFMT(mode), Kind.OTHER)
