"""Watching a mailbox: a change on disk wakes whoever works on it.

Events are hints only (they can be lost without a word); the periodic scan is the truth.
"""

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

from bridge.durable import storage

CHANGES = (FileClosedEvent, FileCreatedEvent, FileDeletedEvent, FileMovedEvent)
"""What a finished upload or a deletion looks like; reading and writing are no news."""


class _Waker(FileSystemEventHandler):
    def __init__(self, wake: threading.Event) -> None:
        self._wake = wake

    def on_any_event(self, event: FileSystemEvent) -> None:
        if isinstance(event, CHANGES):
            self._wake.set()


def watch(root: Path, wake: threading.Event, stop: threading.Event) -> None:
    """Set `wake` at every change below a folder until `stop` is set; raises StorageError."""
    observer = Observer()
    with storage(f"watching {root}"):
        observer.schedule(_Waker(wake), str(root), recursive=True)
        observer.start()
    try:
        while not stop.wait(1) and observer.is_alive():
            pass
    finally:
        observer.stop()
        observer.join()
