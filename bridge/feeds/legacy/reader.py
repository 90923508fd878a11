"""An old mailbox, read. It has no method that writes: a shadow feed is never touched.

Nothing there is not the same as nothing new: a mailbox without its `out` is a fault, and so is an
archive that is not there. A broken connection is made once more before anybody hears of it.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import TypeVar

from bridge.errors import NoOldMailboxError, OldMailboxAwayError
from bridge.facturae import MAX_BYTES
from bridge.feeds.legacy.entries import (
    Contents,
    Entry,
    FileTroubleError,
    Kind,
    NotRead,
    Row,
    Why,
    entry_of,
    is_our_temporary,
    shown,
)
from bridge.feeds.legacy.folder import FolderLine, everything
from bridge.feeds.legacy.lines import Line
from bridge.feeds.legacy.troubles import BrokenLineError
from bridge.filename import raw_of, readable_bytes
from bridge.model import digest_of
from bridge.naming import Folder, Profile
from bridge.old_files.folder import too_large

_T = TypeVar("_T")


class OldMailboxReader:
    """Lists and reads; one thread at a time. Made by `open_reader`."""

    def __init__(self, line: Line, profile: Profile) -> None:
        self.profile = profile
        self._line = line
        self._connected = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.where})"

    @property
    def where(self) -> str:
        """What and where this is, for messages."""
        return self._line.where

    def entries(self, roles: Collection[Folder] | None = None) -> Iterator[Entry]:
        """Yield the files, in the same order each time; those of these roles only, if given.

        Of a live mailbox, what lies directly in its folders, whatever the case of their names,
        `out` first; of an archive everything at any depth. A link, and what cannot be listed, has
        a `problem`. Raises NoOldMailboxError where a live mailbox has no `out`.
        """
        if isinstance(self._line, FolderLine):
            self._tried(lambda: self._rows(b""))
            found = everything(self._line.root, self.profile)
            return (entry for entry in found if roles is None or entry.role in roles)
        return self._live(frozenset(Folder) if roles is None else frozenset(roles))

    def read(self, entry: Entry) -> Contents | NotRead:
        """Return a file's bytes; what is gone, too large or changing meanwhile is said so."""
        if entry.problem is not None:
            return NotRead(why=Why.UNREADABLE, reason=entry.problem)
        try:
            read = self._tried(lambda: self._contents(raw_of(entry.path), entry.size))
        except FileTroubleError as error:
            return NotRead(why=error.why, reason=str(error))
        return read if read.modified else replace(read, modified=entry.modified)

    def look(self, path: str) -> Entry | None:
        """Return what is at a path of the mailbox now; None if nothing, or a folder, is."""
        raw = raw_of(path)
        row = self._tried(lambda: self._line.look(raw))
        if row is None or row.kind is Kind.FOLDER:
            return None
        folder = raw.rpartition(b"/")[0]
        return entry_of(folder, row, self._role_in(folder))

    def folders(self) -> dict[Folder, tuple[str, ...]]:
        """Return the paths of the folders of a mailbox, by what they are for.

        On a disk that tells A from a, one role may have several.
        """
        return self._tried(self._folders)

    def in_words(self) -> str:
        """Return what is there, for people: the folders and how many files."""
        counted = Counter(entry.role for entry in self.entries())
        parts = [f"{counted[role]} in {role}" for role in Folder if counted[role]]
        if counted[None]:
            parts.append(f"{counted[None]} elsewhere")
        folders = sorted(path for paths in self.folders().values() for path in paths)
        there = f"lets us in; folders: {', '.join(folders)}" if folders else "can be read"
        return f"{there}; files: {', '.join(parts) or 'none'}"

    def connect(self) -> None:
        """Connect now rather than when something is asked for."""
        if not self._connected:
            self._line.connect()
            self._connected = True

    def close(self) -> None:
        """Hang up; what is asked for later connects again."""
        self._connected = False
        self._line.close()

    def _folders(self) -> dict[Folder, tuple[str, ...]]:
        found: dict[Folder, list[str]] = {}
        for row in sorted(self._rows(b""), key=lambda row: row.name):
            name = readable_bytes(row.name)
            role = self.profile.role_of(name)
            if role is not None and row.kind is Kind.FOLDER:
                found.setdefault(role, []).append(name)
        return {role: tuple(found[role]) for role in Folder if role in found}

    def _live(self, wanted: Collection[Folder]) -> Iterator[Entry]:
        folders = self.folders()
        if Folder.OUT not in folders:
            raise NoOldMailboxError(
                f"{self.where}: there is no folder {self.profile.folder(Folder.OUT)!r}: look "
                "whether address and user are right, and whether the profile has its real name"
            )
        for role, paths in folders.items():
            for path in paths if role in wanted else ():
                yield from self._folder(path.encode(), role)

    def _folder(self, path: bytes, role: Folder) -> Iterator[Entry]:
        rows = self._tried(lambda: self._rows(path))
        for row in sorted(rows, key=lambda row: row.name):
            if row.kind is not Kind.FOLDER and not is_our_temporary(row.name):
                yield entry_of(path, row, role)

    def _rows(self, folder: bytes) -> list[Row]:
        """List a folder that must be there: a folder that cannot be listed is no empty one."""
        try:
            return self._line.rows(folder)
        except FileTroubleError as error:
            raise NoOldMailboxError(str(error)) from error

    def _contents(self, path: bytes, size: int | None) -> Contents:
        if size is not None and size > MAX_BYTES:
            raise FileTroubleError(f"{shown(path)}: {too_large(size)}", why=Why.TOO_LARGE)
        content, modified = self._line.read(path, size=size, most=MAX_BYTES)
        if len(content) > MAX_BYTES:
            reason = f"{shown(path)}: {too_large(len(content))}"
            raise FileTroubleError(reason, why=Why.TOO_LARGE)
        if size is not None and len(content) != size:
            self._refuse_cut_off(path, len(content))
        return Contents(content=content, digest=digest_of(content), modified=modified)

    def _refuse_cut_off(self, path: bytes, read: int) -> None:
        """Refuse what is not the size that was listed, unless the file has grown just so."""
        row = self._line.look(path)
        if row is None:
            raise FileTroubleError(f"{shown(path)}: it is not there any more", why=Why.GONE)
        if row.size != read:
            raise FileTroubleError(
                f"{shown(path)}: {read:,} bytes were read and {row.size:,} are there",
                why=Why.CHANGED,
            )

    def _role_in(self, folder: bytes) -> Folder | None:
        return self.profile.role_in([readable_bytes(part) for part in folder.split(b"/")])

    def _tried(self, ask: Callable[[], _T]) -> _T:
        """Ask, on a new connection once more where the old one was broken."""
        try:
            try:
                self.connect()
                return ask()
            except BrokenLineError:
                self.close()
                self.connect()
                return ask()
        except OldMailboxAwayError:
            self.close()
            raise
