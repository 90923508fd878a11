"""Watching a mailbox: a change on disk wakes whoever works on it.

Events are hints only (they can be lost without a word); the periodic scan is the truth.
"""

import errno
import threading
from pathlib import Path

from watchdog.events import (
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

from bridge.errors import StorageError

CHANGES = (FileClosedEvent, FileCreatedEvent, FileDeletedEvent, FileMovedEvent)
"""What a finished upload or a deletion looks like; reading and writing are no news."""

ADVICE = {
    errno.ENOSPC: "the kernel has no watch left: raise fs.inotify.max_user_watches",
    errno.EMFILE: "no watcher or file can be opened any more: raise "
    "fs.inotify.max_user_instances, or the limit of open files",
}
"""What these errors mean here, unlike elsewhere; see inotify(7)."""


class _Waker(FileSystemEventHandler):
    def __init__(self, wake: threading.Event) -> None:
        self._wake = wake

    def on_any_event(self, event: FileSystemEvent) -> None:
        if isinstance(event, CHANGES):
            self._wake.set()


def watch(root: Path, wake: threading.Event, stop: threading.Event) -> None:
    """Set `wake` at every change below a folder until `stop` is set; raises StorageError."""
    observer = Observer()
    try:
        observer.schedule(_Waker(wake), str(root), recursive=True)
        observer.start()
    except OSError as error:
        raise StorageError(
            f"watching {root}: {ADVICE.get(error.errno or 0) or error.strerror or error}; it is "
            "looked at every few seconds instead"
        ) from error
    try:
        while not stop.wait(1) and observer.is_alive():
            pass
    finally:
        observer.stop()
        observer.join()
