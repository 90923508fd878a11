"""What a client may do in a mailbox: the rules, for both doors.

Files are fetched from and deleted in all folders, written and renamed in the upload folders only.
What is on disk is opened relative to its folder and without following links, so there is no way
out and no race between looking and opening. Only regular files exist for a client. In download
folders names with a leading dot do not exist either: something is being placed there.
"""

import contextlib
import itertools
import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from bridge.facade import on_disk
from bridge.facade.clients import Habits
from bridge.facade.events import DoorEvents, Session, Teller, printable, tell
from bridge.facade.folders import DoorMailbox, FilePlace, Place, must_be_good
from bridge.facade.handles import Handle, must_leave_enough
from bridge.facade.listings import ROWS_AT_ONCE, Entry, Row
from bridge.facade.on_disk import Aside, Download, Listing, at_once
from bridge.facade.refusals import DoorError, No
from bridge.facade.under_way import UnderWay
from bridge.facade.uploads import Start, Upload

ROOT = Place()


class Visit:
    """One client in one mailbox: everything that it may do. For one thread at a time.

    Raises DoorError for what is not allowed or not there, OSError where the disk says no.
    """

    def __init__(
        self,
        mailbox: DoorMailbox,
        session: Session,
        events: DoorEvents,
        *,
        teller: Teller = tell,
        aside: Aside = at_once,
    ) -> None:
        """`teller` tells what the client did; what was cut off is told at once.

        `aside` does what the disk may take long for.
        """
        self._tell = teller
        self._aside = aside
        self._mailbox = mailbox
        self.session = session
        self.habits = Habits()
        self.uploads = UnderWay(mailbox, session, events, aside=aside)
        self._events = events

    def canonical(self, path: str) -> str:
        """Return the path in its one form; it need not exist."""
        return self._mailbox.canonical(path)

    # Looking

    def list(self, path: str) -> list[Entry]:
        """Return what a folder holds, in no order."""
        place = self._mailbox.place(path)
        if place.role is None:
            return _folders_in(self._mailbox, place)
        if place.name is not None:
            raise DoorError(No.MISSING, f"{printable(path)}: not a folder")
        with self._folder(place.role) as folder, os.scandir(folder) as rows:
            files = on_disk.entries(rows, hidden=self._is_written(place.role))
            return [*_folders_in(self._mailbox, place), *files]

    def names(self, path: str) -> Sequence[str]:
        """Return the names in a folder, in no order: much less work than `list`."""
        place = self._mailbox.place(path)
        if place.role is None or place.name is not None:
            return [entry.name for entry in self.list(path)]
        with self._folder(place.role) as folder:
            return on_disk.names(folder, hidden=self._is_written(place.role))

    def look_at(self, path: str, names: Sequence[str]) -> Iterator[Row]:
        """Look at files by their `names`, a few at a time; those that have gone are left out."""
        place = self._mailbox.place(path)
        if place.role is None:
            yield from (Entry(name, self.stat(name)) for name in names)
            return
        for start in range(0, len(names), ROWS_AT_ONCE):
            with self._folder(place.role) as folder:
                found = on_disk.look_at(folder, names[start : start + ROWS_AT_ONCE])
            yield from found

    def walk(self, path: str) -> Listing:
        """Open a folder to be listed row by row, in no order."""
        place = self._mailbox.place(path)
        if place.role is None or place.name is not None:
            return Listing(iter(self.list(path)), contextlib.ExitStack())
        with contextlib.ExitStack() as held:
            held.callback(self._handle().give_back)
            folder = held.enter_context(self._folder(place.role))
            must_leave_enough(folder)
            rows = held.enter_context(os.scandir(folder))
            files = on_disk.entries(rows, hidden=self._is_written(place.role))
            entries = itertools.chain(_folders_in(self._mailbox, place), files)
            return Listing(entries, held.pop_all())

    def stat(self, path: str) -> os.stat_result:
        """Return size, times and kind of whatever the path means."""
        place = self._mailbox.place(path)
        if place.role is None:
            return self._mailbox.root.stat()
        if upload := self.uploads.find(place):
            return os.fstat(upload.fd)
        with self._folder(place.role) as folder:
            if place.name is None:
                return os.fstat(folder)
            return self._find(folder, FilePlace(place.role, place.name)).stat

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

    def read(self, path: str) -> Download:
        """Open a file to be fetched."""
        place = self._mailbox.file(path)
        with self._handle() as handle, self._folder(place.role) as folder:
            name = self._find(folder, place).name
            fd, size = on_disk.open_file(folder, name)
            return Download(place.role, name, fd, size, handle)

    def part(self, it: Download, count: int, offset: int) -> bytes | bytearray:
        """Return bytes of a file that is fetched; fewer than asked for only at its end."""
        known = min(count, it.size - offset)
        if known <= 0:
            return os.pread(it.fd, count, offset)
        at_hand = on_disk.at_hand(it.fd, known, offset)
        return at_hand or self._aside(lambda: os.pread(it.fd, count, offset))

    def fetched(self, it: Download) -> None:
        """Tell that a file was sent to its last byte."""
        self._tell(self._events.fetched, self.session, it.role, it.name, size=it.size)

    # Changing

    def remove(self, path: str) -> None:
        """Delete a file for good: after a power cut it is still gone."""
        place = self._mailbox.file(path)
        if upload := self.uploads.find(place):
            self.uploads.discard(upload)
            return
        with self._folder(place.role) as folder:
            name = self._find(folder, place).name
            self._aside(partial(on_disk.remove, folder, name))
        self._mailbox.room.deleted(place.role)
        self._tell(self._events.deleted, self.session, place.role, name)

    def write(
        self,
        path: str,
        *,
        start: Start,
        create: bool,
        exclusive: bool = False,
        begin_at: int | None = None,
    ) -> Upload:
        """Open a file to be written; `finish` or `uploads.cut_off` must follow.

        Without `create` the file must exist. A name that exists is taken over only when the
        upload is finished. With `begin_at` the file has that size: what lies behind is cut off,
        and what it lacks is zeros.
        """
        place = self._mailbox.file(path)
        self._must_be_upload_folder(place.role)
        must_be_good(place.name)
        with self._handle() as handle, self._folder(place.role) as folder:
            there = on_disk.is_there(folder, place.name)
            if there and exclusive:
                raise DoorError(No.FAILED, f"{printable(path)}: exists already")
            if there or not create:
                self._find(folder, place, exactly=True)
            return self.uploads.begin(
                folder, place, start=start, exclusive=exclusive, begin_at=begin_at, handle=handle
            )

    def finish(self, upload: Upload) -> None:
        """End an upload that the client closed: once this returns, the file is there and safe.

        One that cannot be finished is cut off.
        """
        size = self.uploads.finish(upload)
        if size is not None:
            self.habits.uploaded(upload.name)
            self._tell(self._events.uploaded, self.session, upload.role, upload.name, size=size)

    def make_folder(self, path: str) -> None:
        """Make a folder, in a mailbox that has more than those of its profile."""
        self._mailbox.make_folder(path)

    def rename(self, path: str, to: str, *, replace: bool) -> None:
        """Give an upload another name within its folder."""
        source, target = self._mailbox.file(path), self._mailbox.file(to)
        if source.role != target.role and self._mailbox.may_move(source.role, target.role):
            self._move(source, target, replace=replace)
            return
        self._must_be_upload_folder(source.role)
        if source.role != target.role:
            raise DoorError(No.DENIED, "a file can only be renamed within its folder")
        must_be_good(target.name)
        with self._folder(source.role) as folder:
            if not replace and on_disk.is_there(folder, target.name):
                raise DoorError(No.FAILED, f"{printable(to)}: exists already")
            if upload := self.uploads.find(source):
                self.habits.renamed(upload.name, target.name)
                upload.rename(target.name)
                return
            name = self._find(folder, source).name
            self._aside(partial(on_disk.move, folder, name, target.name, replace=replace))
        self.habits.renamed(name, target.name)
        self._tell(self._events.renamed, self.session, source.role, name, to=target.name)

    def _move(self, source: FilePlace, target: FilePlace, *, replace: bool) -> None:
        must_be_good(target.name)
        with self._folder(source.role) as folder, self._folder(target.role) as to:
            if not replace and on_disk.is_there(to, target.name):
                raise DoorError(No.FAILED, f"{printable(target.name)}: exists already")
            name = self._find(folder, source).name
            os.rename(name, target.name, src_dir_fd=folder, dst_dir_fd=to)

    def set_attributes(
        self, path: str, *, size: int | None = None, times: tuple[float, float] | None = None
    ) -> None:
        """Store the times of an upload; owner and mode never come here.

        The times of what is fetched stay as they are, without a word: clients set them as they
        go. A size cuts only an upload under way.
        """
        place = self._mailbox.place(path)
        if upload := self.uploads.find(place):
            change(upload, size=size, times=times)
            return
        present = self.stat(path)
        if size is not None and size != present.st_size:
            raise DoorError(No.DENIED, f"{printable(path)}: a whole file keeps its size")
        if times is None or place.name is None or not self._is_written(place.role):
            return
        download = self.read(path)
        try:
            os.utime(download.fd, times)
        finally:
            download.close()

    def end(self) -> None:
        """End the visit; uploads still under way are cut off. Safe to repeat."""
        self.uploads.end()
        habits, self.habits = self.habits, Habits()
        if habits.as_detail():
            tell(self._events.behaved, self.session, habits)

    # What these stand on

    def _must_be_upload_folder(self, role: str) -> None:
        if not self._is_written(role):
            folder = self._mailbox.folders.get(role, role)
            raise DoorError(No.DENIED, f"{folder}: files here can be fetched and deleted only")

    def _folder(self, role: str) -> contextlib.AbstractContextManager[int]:
        return on_disk.opened(self._mailbox.path_of(role))

    def _is_written(self, role: str | None) -> bool:
        return role in self._mailbox.written

    def _find(self, folder: int, place: FilePlace, *, exactly: bool = False) -> Entry:
        hidden = self._is_written(place.role)
        return on_disk.find(folder, place.name, hidden=hidden, exactly=exactly)

    def _handle(self) -> Handle:
        return self._mailbox.handles.take(self.session.user)


def change(
    upload: Upload, *, size: int | None = None, times: tuple[float, float] | None = None
) -> None:
    """Set size and times of an upload under way."""
    if size is not None:
        upload.truncate(size)
    if times is not None:
        os.utime(upload.fd, times)


def _folders_in(mailbox: DoorMailbox, place: Place) -> list[Entry]:
    within = mailbox.root if place.role is None else mailbox.path_of(place.role)
    return [Entry(name, Path(within, name).stat()) for name in mailbox.folders_in(place)]
