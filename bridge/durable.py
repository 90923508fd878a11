"""The steps that must survive a power cut: files and folders that are really on the disk."""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bridge.errors import StorageError
from bridge.model import Digest, digest_of

WHOLE = 1 << 16
"""Bytes of a buffer: most files that come are written in one go. Without a size Python asks of each
file first whether it is a terminal."""


@contextmanager
def storage(what: str) -> Iterator[None]:
    """Turn the operating system's errors into a StorageError that says what could not be done."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{what}: {error.strerror or error}{_advice(error)}") from error


def _advice(error: OSError) -> str:
    advice = {
        errno.ENOSPC: "; the disk is full: make room, the bridge goes on by itself",
        errno.EDQUOT: "; the quota is used up: make room, the bridge goes on by itself",
        errno.EROFS: "; the file system is read-only: see the system's log",
        errno.EIO: "; the disk fails: see the system's log",
        errno.EFBIG: "; a limit on the size of files is set (ulimit -f): lift it",
        errno.EMFILE: "; raise the limit of open files (ulimit -n, LimitNOFILE of systemd)",
        errno.ENFILE: "; this machine has too many files open (fs.file-max)",
        errno.EXDEV: "; data_dir must lie on one file system, mailboxes included",
        errno.EACCES: "; the bridge's user needs the right to write there",
    }
    return advice.get(error.errno or 0, "")


def sync_file(path: Path) -> None:
    """Make a file's bytes durable."""
    _sync(path, os.O_RDONLY)


def sync_folder(path: Path) -> None:
    """Make a folder's names durable: what was renamed or linked into it, or removed from it."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_file(path: Path, content: bytes) -> Digest:
    """Write a new file durably (its folder's name for it is not synced); return its digest."""
    with path.open("xb") as file, removed_unless_whole(path):
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return digest_of(content)


@contextmanager
def removed_unless_whole(path: Path) -> Iterator[None]:
    """Remove a file that the block was to write when it fails: a full disk needs the room."""
    try:
        yield
    except BaseException:
        with suppress(OSError):  # what went wrong before is the news
            path.unlink(missing_ok=True)
        raise


class BusyError(StorageError):
    """Another process is at work on the same."""


@contextmanager
def lock(path: Path, *, wait: float) -> Iterator[None]:
    """Keep other processes out while the block runs.

    `wait` is in seconds; raises BusyError when the lock is still taken then. The kernel frees
    the lock of a process that dies.
    """
    with storage(f"lock {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    with file:
        deadline = time.monotonic() + wait
        while not _locked(file.fileno()):
            if time.monotonic() >= deadline:
                raise BusyError(f"{path}: another efact-bridge is at work here; try again later")
            time.sleep(0.05)
        yield


def is_locked(path: Path) -> bool:
    """Tell whether a process holds a lock; who asks for it at this very moment waits a little."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
