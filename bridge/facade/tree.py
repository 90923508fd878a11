"""What a client may do in a mailbox: the rules, for both doors.

Files are fetched from and deleted in all folders, written and renamed in the upload folders only.
What is on disk is opened relative to its folder and without following links, so there is no way
out and no race between looking and opening. Only regular files exist for a client. In download
folders names with a leading dot do not exist either: something is being placed there.
"""

import contextlib
import os
import resource
import stat as modes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bridge.facade.clients import Habits
from bridge.facade.events import DoorEvents, Session, printable, tell
from bridge.facade.folders import (
    UPLOAD_ROLES,
    DoorError,
    DoorMailbox,
    FilePlace,
    No,
    Place,
    must_be_good,
)
from bridge.facade.listings import ROWS_AT_ONCE, Entry
from bridge.facade.room import Claim
from bridge.facade.uploads import Staging, Start, Upload

ROOT = Place()

SPARE_DESCRIPTORS = 128
"""Of the process, that clients' files leave to ledger, hub and new connections."""

_TOO_MANY = "too many files are open here: close some, or try again later"


class Visit:
    """One client in one mailbox: everything that it may do. For one thread at a time.

    Raises DoorError for what is not allowed or not there, OSError where the disk says no.
    """

    def __init__(self, mailbox: DoorMailbox, session: Session, events: DoorEvents) -> None:
        self._mailbox = mailbox
        self.session = session
        self.habits = Habits()
        self._events = events
        self._uploads: list[Upload] = []
        self._staging = Staging(mailbox.uploads)

    def canonical(self, path: str) -> str:
        """Return the path in its one form; it need not exist."""
        return self._mailbox.canonical(path)

    # Looking

    def list(self, path: str) -> list[Entry]:
        """Return what a folder holds, in no order."""
        place = self._mailbox.place(path)
        if place.role is None:
            return [Entry(name, self.stat(name)) for name in self._mailbox.folders.values()]
        if place.name is not None:
            raise DoorError(No.MISSING, f"{printable(path)}: not a folder")
        with self._folder(place.role) as folder, os.scandir(folder) as rows:
            return list(_entries(rows, hidden=place.role in UPLOAD_ROLES))

    def names(self, path: str) -> Sequence[str]:
        """Return the names in a folder, in no order: much less work than `list`."""
        place = self._mailbox.place(path)
        if place.role is None or place.name is not None:
            return [entry.name for entry in self.list(path)]
        hidden = place.role in UPLOAD_ROLES
        with self._folder(place.role) as folder, os.scandir(folder) as rows:
            return [
                row.name
                for row in rows
                if (hidden or row.name[0] != ".") and row.is_file(follow_symlinks=False)
            ]

    def look_at(self, path: str, names: Sequence[str]) -> Iterator[Entry]:
        """Look at files by their `names`, a few at a time; those that have gone are left out."""
        place = self._mailbox.place(path)
        if place.role is None:
            yield from (Entry(name, self.stat(name)) for name in names)
            return
        for start in range(0, len(names), ROWS_AT_ONCE):
            with self._folder(place.role) as folder:
                found = list(_stats(folder, names[start : start + ROWS_AT_ONCE]))
            yield from found

    def walk(self, path: str) -> "Listing":
        """Open a folder to be listed row by row, in no order."""
        place = self._mailbox.place(path)
        if place.role is None or place.name is not None:
            return Listing(iter(self.list(path)), contextlib.ExitStack())
        with contextlib.ExitStack() as held:
            folder = held.enter_context(self._folder(place.role))
            if _is_one_too_many(folder):
                raise DoorError(No.FAILED, _TOO_MANY)
            rows = held.enter_context(os.scandir(folder))
            return Listing(_entries(rows, hidden=place.role in UPLOAD_ROLES), held.pop_all())

    def stat(self, path: str) -> os.stat_result:
        """Return size, times and kind of whatever the path means."""
        place = self._mailbox.place(path)
        if place.role is None:
            return self._mailbox.root.stat()
        if upload := self._under_way(place):
            return os.fstat(upload.fd)
        with self._folder(place.role) as folder:
            if place.name is None:
                return os.fstat(folder)
            return self._find(folder, place.role, place.name).stat

    def is_folder(self, path: str) -> bool:
        """Tell whether the path means the root or a folder."""
        try:
            return self._mailbox.place(path).name is None
        except DoorError:
            return False

    def room(self) -> os.statvfs_result:
        """Return how full the file system is."""
        return os.statvfs(self._mailbox.root)

    # Fetching

    def read(self, path: str) -> "Download":
        """Open a file to be fetched."""
        place = self._mailbox.file(path)
        with self._folder(place.role) as folder:
            name = self._find(folder, place.role, place.name).name
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            fd = os.open(name, flags, dir_fd=folder)
        if _is_one_too_many(fd):
            os.close(fd)
            raise DoorError(No.FAILED, _TOO_MANY)
        if not modes.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise DoorError(No.MISSING, f"{printable(path)}: no such file")
        return Download(place.role, name, fd)

    def fetched(self, download: "Download", *, size: int) -> None:
        """Tell that a file was sent to its last byte."""
        tell(self._events.fetched, self.session, download.role, download.name, size=size)

    # Changing

    def remove(self, path: str) -> None:
        """Delete a file for good: after a power cut it is still gone."""
        place = self._mailbox.file(path)
        if upload := self._under_way(place):
            self._uploads.remove(upload)
            upload.discard()
            return
        with self._folder(place.role) as folder:
            name = self._find(folder, place.role, place.name).name
            os.unlink(name, dir_fd=folder)
            os.fsync(folder)
        self._mailbox.room.deleted(place.role)
        tell(self._events.deleted, self.session, place.role, name)

    def write(self, path: str, *, start: Start, create: bool, exclusive: bool = False) -> Upload:
        """Open a file to be written; `finish` or `cut_off` must follow.

        Without `create` the file must exist. A name that exists is taken over only when the
        upload is finished.
        """
        place = self._mailbox.file(path)
        self._must_be_upload_folder(place.role)
        must_be_good(place.name)
        with self._folder(place.role) as folder:
            there = self._is_there(folder, place.name)
            if there and exclusive:
                raise DoorError(No.FAILED, f"{printable(path)}: exists already")
            if there or not create:
                self._find(folder, place.role, place.name, exactly=True)
            claim = self._claim(place.role)
            owned = os.dup(folder)
        upload = Upload.begin(
            self._staging,
            owned,
            name=place.name,
            start=start,
            exclusive=exclusive,
            claim=claim,
        )
        if _is_one_too_many(upload.fd):
            upload.discard()
            raise DoorError(No.FAILED, _TOO_MANY)
        self._uploads.append(upload)
        return upload

    def _claim(self, role: str) -> Claim:
        try:
            return self._mailbox.room.begin(role)
        except OSError as error:
            raise DoorError(No.FAILED, error.strerror or "there is no room") from error

    def finish(self, upload: Upload) -> None:
        """End an upload that the client closed: once this returns, the file is there and safe.

        One that cannot be finished is cut off.
        """
        if upload.over:
            return
        if upload.broken:
            self.cut_off(upload)
            raise DoorError(No.FAILED, "not all of the file could be written: it was not kept")
        try:
            size = upload.finish()
        except OSError:
            self.cut_off(upload)
            raise
        self._uploads.remove(upload)
        self.habits.uploaded(upload.name)
        tell(self._events.uploaded, self.session, upload.role, upload.name, size=size)

    def cut_off(self, upload: Upload) -> None:
        """End an upload that the client did not close: nothing of it shows in the mailbox."""
        if upload.over:
            return
        self._uploads.remove(upload)
        partial = upload.cut_off()
        tell(
            self._events.upload_cut_off,
            account=self.session.account,
            folder=upload.role,
            name=upload.name,
            partial=partial,
            session=self.session,
        )
        with contextlib.suppress(OSError):  # left there by the receiver: for the next start
            partial.parent.rmdir()

    def rename(self, path: str, to: str, *, replace: bool) -> None:
        """Give an upload another name within its folder."""
        source, target = self._mailbox.file(path), self._mailbox.file(to)
        self._must_be_upload_folder(source.role)
        if source.role != target.role:
            raise DoorError(No.DENIED, "a file can only be renamed within its folder")
        must_be_good(target.name)
        with self._folder(source.role) as folder:
            if not replace and self._is_there(folder, target.name):
                raise DoorError(No.FAILED, f"{printable(to)}: exists already")
            if upload := self._under_way(source):
                self.habits.renamed(upload.name, target.name)
                upload.rename(target.name)
                return
            name = self._find(folder, source.role, source.name).name
            _move(folder, name, target.name, replace=replace)
            os.fsync(folder)
        self.habits.renamed(name, target.name)
        tell(self._events.renamed, self.session, source.role, name, to=target.name)

    def set_attributes(
        self, path: str, *, size: int | None = None, times: tuple[float, float] | None = None
    ) -> None:
        """Store the times of an upload; owner and mode never come here.

        The times of what is fetched stay as they are, without a word: clients set them as they
        go. A size cuts only an upload under way.
        """
        place = self._mailbox.place(path)
        if upload := self._under_way(place):
            change(upload, size=size, times=times)
            return
        present = self.stat(path)
        if size is not None and size != present.st_size:
            raise DoorError(No.DENIED, f"{printable(path)}: a whole file keeps its size")
        if times is None or place.name is None or place.role not in UPLOAD_ROLES:
            return
        download = self.read(path)
        try:
            os.utime(download.fd, times)
        finally:
            os.close(download.fd)

    def end(self) -> None:
        """End the visit; uploads still under way are cut off. Safe to repeat."""
        for upload in list(self._uploads):
            self.cut_off(upload)
        self._staging.end()
        habits, self.habits = self.habits, Habits()
        if habits.as_detail():
            tell(self._events.behaved, self.session, habits)

    # What these stand on

    def _must_be_upload_folder(self, role: str) -> None:
        if role not in UPLOAD_ROLES:
            folder = self._mailbox.folders[role]
            raise DoorError(No.DENIED, f"{folder}: files here can be fetched and deleted only")

    @contextlib.contextmanager
    def _folder(self, role: str) -> Iterator[int]:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
        folder = os.open(f"{self._mailbox.root}/{self._mailbox.folders[role]}", flags)
        try:
            yield folder
        finally:
            os.close(folder)

    def _under_way(self, place: Place | FilePlace) -> Upload | None:
        for upload in reversed(self._uploads):
            if (upload.role, upload.name) == (place.role, place.name):
                return upload
        return None

    @staticmethod
    def _is_there(folder: int, name: str) -> bool:
        try:
            os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    @staticmethod
    def _find(folder: int, role: str, name: str, *, exactly: bool = False) -> Entry:
        """Return a regular file by its name, else by the one name that differs in case only."""
        if role in UPLOAD_ROLES or not name.startswith("."):
            with contextlib.suppress(FileNotFoundError):
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if modes.S_ISREG(found.st_mode):
                    return Entry(name, found)
                exactly = True
            if not exactly:
                with os.scandir(folder) as rows:
                    alike = [row for row in rows if row.name.casefold() == name.casefold()]
                    entries = list(_entries(iter(alike), hidden=role in UPLOAD_ROLES))
                if len(entries) == 1:
                    return entries[0]
        raise DoorError(No.MISSING, f"{printable(name)}: no such file")


@dataclass(frozen=True, slots=True)
class Listing:
    """A folder opened to be listed; it is read as its rows are, so that it costs no memory."""

    entries: Iterator[Entry]
    held: contextlib.ExitStack

    def close(self) -> None:
        """Close the folder; safe to repeat."""
        self.held.close()


@dataclass(frozen=True, slots=True)
class Download:
    """A file opened to be fetched; whoever opened it closes the descriptor."""

    role: str
    name: str
    fd: int


def change(
    upload: Upload, *, size: int | None = None, times: tuple[float, float] | None = None
) -> None:
    """Set size and times of an upload under way."""
    if size is not None:
        upload.truncate(size)
    if times is not None:
        os.utime(upload.fd, times)


def _is_one_too_many(fd: int) -> bool:
    """Tell whether so many descriptors are open that the rest of the bridge would lack some.

    The system gives each the lowest number that is free.
    """
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most != resource.RLIM_INFINITY and fd >= most - SPARE_DESCRIPTORS


def _stats(folder: int, names: Sequence[str]) -> Iterator[Entry]:
    for name in names:
        try:
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            continue
        if modes.S_ISREG(found.st_mode):
            yield Entry(name, found)


def _entries(rows: Iterator[os.DirEntry[str]], *, hidden: bool) -> Iterator[Entry]:
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


def _move(folder: int, name: str, to: str, *, replace: bool) -> None:
    if replace:
        os.rename(name, to, src_dir_fd=folder, dst_dir_fd=folder)
        return
    # SFTP's RENAME must not overwrite; a link fails when the name is taken meanwhile.
    os.link(name, to, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    os.unlink(name, dir_fd=folder)
