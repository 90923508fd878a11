"""How a file comes in: whole or not at all.

An upload is written in the staging folder and has its name there already, in a folder of its own:
`staging/uploads/<account>/<token>.<role>/<name>`. The next upload of the same visit takes over
that folder: to make and remove one costs the disk as much as the rest. When the client closes it
properly: fsync of the file, rename into the mailbox, fsync of the folder, and only then the
"done". Whatever ends otherwise never shows in the mailbox; its bytes are handed over as cut off.
A lock on the file tells an upload under way from what a killed process left behind.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from bridge.facade.events import DoorEvents, tell
from bridge.facade.handles import Handle
from bridge.facade.room import Claim

_FILE_MODE = 0o660

_LARGE = 4 * 1024 * 1024
"""Bytes that a disk takes its time for."""


class Start(Enum):
    """What an upload begins with."""

    EMPTY = "empty"
    """Nothing: a new file, or one that overwrites."""
    COPY = "copy"
    """What the file holds now, to be written into at any place (resume)."""
    APPEND = "append"
    """What the file holds now; every write goes to its end."""


class Staging:
    """The folders of one visit's uploads, each used again once it is empty. For one thread."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._empty: dict[str, Path] = {}
        """One for each role, at most."""

    def create(self, role: str, name: str) -> tuple[Path, int]:
        """Make a file that has its folder to itself; return its path and descriptor."""
        if folder := self._empty.pop(role, None):
            with contextlib.suppress(FileNotFoundError):  # somebody tidied up
                return folder / name, _create(folder / name)
        folder = self._root / f"{uuid.uuid4().hex}.{role}"
        folder.mkdir(mode=0o700, parents=True)
        return folder / name, _create(folder / name)

    def take_back(self, role: str, folder: Path) -> None:
        """Keep a folder whose upload has left it, for the next one."""
        if self._empty.setdefault(role, folder) != folder:
            _remove_if_empty(folder)

    def end(self) -> None:
        """Remove what is kept; safe to repeat."""
        while self._empty:
            _remove_if_empty(self._empty.popitem()[1])


def _create(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE)


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


@dataclass(slots=True, kw_only=True)
class Upload:
    """A file on its way into an upload folder. OSError where the disk says no."""

    role: str
    name: str
    folder: int
    """Descriptor of the mailbox folder, the upload's own; closed at the end."""
    staging: Staging
    path: Path
    """Where the bytes are until then."""
    fd: int
    claim: Claim
    """The room that it may take."""
    handle: Handle
    """Its place among the files that its user has open."""
    append: bool = False
    exclusive: bool = False
    broken: bool = field(default=False, init=False)
    """A write failed: whatever the client says, this file is not whole."""
    over: bool = field(default=False, init=False)

    @classmethod
    def begin(
        cls,
        staging: Staging,
        folder: int,
        *,
        name: str,
        start: Start,
        exclusive: bool,
        claim: Claim,
        handle: Handle,
    ) -> "Upload":
        """Open a file in staging, with the present content where `start` wants it.

        `folder` is a descriptor of the mailbox folder. With `exclusive`, `finish` fails when the
        name was taken meanwhile. Claim and handle are the upload's, also where this fails.
        """
        try:
            path, fd = staging.create(claim.role, name)
        except BaseException:
            claim.end()
            raise
        upload = cls(
            role=claim.role,
            name=name,
            folder=os.dup(folder),
            staging=staging,
            path=path,
            fd=fd,
            claim=claim,
            handle=handle,
            append=start is Start.APPEND,
            exclusive=exclusive,
        )
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if start is not Start.EMPTY:
                upload._copy_present()
        except BaseException:
            upload.discard()
            raise
        return upload

    @property
    def is_large(self) -> bool:
        """Whether it takes its time to have it safe on disk."""
        return self.claim.size > _LARGE

    def write(self, offset: int, data: bytes) -> None:
        """Write all of the data at an offset, or at the end of a file opened to append."""
        self._must_be_open()
        try:
            if self.append:
                offset = os.fstat(self.fd).st_size
            self.claim.cover(offset + len(data))
            view = memoryview(data)
            while view:
                written = os.pwrite(self.fd, view, offset)
                offset, view = offset + written, view[written:]
        except OSError:
            self.broken = True
            raise

    def truncate(self, size: int) -> None:
        """Cut the file to a size, or fill it up with zeros."""
        self._must_be_open()
        self.claim.cover(size)
        os.ftruncate(self.fd, size)

    def rename(self, name: str) -> None:
        """Give the upload another name before it is there."""
        target = self.path.with_name(name)
        self.path.rename(target)
        self.path, self.name = target, name

    def finish(self) -> int:
        """Put the file into its folder, safe from a power cut, and return its size.

        Raises OSError, and leaves the upload as it is, when that cannot be done.
        """
        os.fsync(self.fd)
        size = os.fstat(self.fd).st_size
        if self.exclusive:
            os.link(self.path, self.name, dst_dir_fd=self.folder)
            self.path.unlink()
        else:
            os.rename(self.path, self.name, dst_dir_fd=self.folder)
        os.fsync(self.folder)
        self.claim.end(size=size)
        self._close()
        return size

    def cut_off(self) -> Path:
        """End without success; return the file with what came, which stays in staging."""
        if not self.over:
            self.claim.cut_off(os.fstat(self.fd).st_size)
        self._close(keep=True)
        return self.path

    def discard(self) -> None:
        """End without success and without a trace: the client removed what it was writing."""
        self.path.unlink(missing_ok=True)
        self._close()

    def _must_be_open(self) -> None:
        if self.over:  # the number of its descriptor may be another file's by now
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    def _copy_present(self) -> None:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with contextlib.suppress(FileNotFoundError):
            present = os.open(self.name, flags, dir_fd=self.folder)
            with os.fdopen(present, "rb") as source, os.fdopen(os.dup(self.fd), "wb") as target:
                self.claim.cover(os.fstat(present).st_size)
                shutil.copyfileobj(source, target, 1 << 20)

    def _close(self, *, keep: bool = False) -> None:
        if self.over:
            return
        self.over = True
        self.claim.end()
        os.close(self.fd)
        os.close(self.folder)
        self.handle.give_back()
        if not keep:
            self.staging.take_back(self.role, self.path.parent)


def folder_of(staging: Path, account: str) -> Path:
    """Return where an account's uploads are while they come in."""
    return staging / "uploads" / account


def leftovers(staging: Path, account: str) -> Iterator[tuple[str, Path]]:
    """Return the role and the file of each upload that lies in staging."""
    for folder in _folders(folder_of(staging, account)):
        for partial in sorted(folder.iterdir()):
            yield folder.name.partition(".")[2], partial


def hand_over_leftovers(staging: Path, *, account: str, events: DoorEvents) -> None:
    """Hand over what a killed process left in staging; uploads under way are left alone."""
    for folder in _folders(folder_of(staging, account)):
        for partial in sorted(folder.iterdir()):
            if _is_under_way(partial):
                continue
            tell(
                events.upload_cut_off,
                account=account,
                folder=folder.name.partition(".")[2],
                name=partial.name,
                partial=partial,
                session=None,
            )
        _remove_if_empty(folder)  # it is not where one is under way, or left to lie


def _folders(staging: Path) -> Iterator[Path]:
    if staging.is_dir():
        yield from sorted(path for path in staging.iterdir() if path.is_dir())


def _is_under_way(path: Path) -> bool:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
