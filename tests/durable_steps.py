"""The durable steps of a process, as they happen: what a restart will find, or the hub has heard.

Python tells of every change of files and folders before it is made (audit events), SQLite of every
statement before it runs; syncs and what is written to a socket are watched in their own functions.
Each such moment is a point at which a process can be killed. It is named by what is about to
happen and by the function of the bridge that asked for it, so a new step is a new name by itself.

There is no way back from `watch`: only for a process that ends soon.
"""

import os
import socket
import sqlite3
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from tests.power_cut import PowerCut

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

WRITES = (b"PATCH ", b"DELETE ", b"POST ", b"PUT ")
"""How a request begins that changes something at the hub."""

CHANGES = ("CREATE", "ALTER", "DROP", "INSERT", "UPDATE", "DELETE", "REPLACE")
"""How a statement begins that changes something in the ledger."""

FILES = ("bridge.durable", "bridge.feeds.legacy.folder")
LEDGER = ("bridge.ledger.database", "bridge.ledger.groups")
HUB = ("bridge.hub",)
"""Modules that only do what others ask: a step has the name of the one who asked."""


class Steps:
    """The steps that a process makes below a folder, in the ledger, and towards the hub."""

    def __init__(self, folder: Path, reached: Callable[[str], None]) -> None:
        """`reached` is told the name of a step just before it is made."""
        self._folder = folder
        self._reached = reached
        self._own = threading.local()
        self._one = threading.RLock()
        """Held while a step is told: no other thread makes one when the power fails."""
        self._power = PowerCut(folder.with_name("limbo"))

    def watch(self) -> None:
        """Tell of every step from now on, for ever."""
        sys.addaudithook(self._audited)
        self._watch_syncs()
        self._watch_databases()
        self._watch_requests()

    def cut_power(self) -> None:
        """Do to the folder what a power cut would do at this moment."""
        with self._unwatched():
            self._power.strike()

    def _tell(
        self, what: str, *, beneath: tuple[str, ...], then: Callable[[], None] | None = None
    ) -> None:
        """Tell of a step that is about to be made; `then` takes note of it for a power cut."""
        asked = _asked_by(beneath)
        if asked is None:
            return
        with self._one, self._unwatched():
            self._reached(f"{what} in {asked}")
            if then is not None:
                then()

    @contextmanager
    def _unwatched(self) -> Iterator[None]:
        """What is done in here is done by the test."""
        before = self._is_unwatched()
        self._own.unwatched = True
        try:
            yield
        finally:
            self._own.unwatched = before

    def _is_unwatched(self) -> bool:
        return getattr(self._own, "unwatched", False)

    # -- files and folders -------------------------------------------------------------------

    def _audited(self, event: str, args: tuple[Any, ...]) -> None:
        if event in FILE_EVENTS and not self._is_unwatched():
            with self._unwatched():
                FILE_EVENTS[event](self, args)

    def _ours(self, name: Any, folder: int = -1) -> Path | None:
        """Return the path of a name in a folder's descriptor; None for others, and for locks."""
        if isinstance(name, int):
            return None
        path = Path(os.fsdecode(name))
        if folder != -1:
            path = Path(f"/proc/self/fd/{folder}").readlink() / path
        is_lock = "locks" in path.parts or path.suffix == ".upgrade"
        return path if path.is_relative_to(self._folder) and not is_lock else None

    def _open(self, args: tuple[Any, ...]) -> None:
        path, flags = self._ours(args[0]), args[2]
        if path is None or not flags & WRITING or path.is_dir():
            return
        is_new = not path.exists()

        def note() -> None:
            self._power.writes(path)
            if is_new:
                self._power.creates(path)

        self._tell("create" if is_new else "write", beneath=FILES, then=note)

    def _link(self, args: tuple[Any, ...]) -> None:
        source, target = self._ours(args[0], args[2]), self._ours(args[1], args[3])
        if target is None or os.path.lexists(target):
            return
        note = self._power.links
        self._tell("link", beneath=FILES, then=lambda: note(source or target, target))

    def _symlink(self, args: tuple[Any, ...]) -> None:
        target = self._ours(args[1], args[2])
        if target is not None and not os.path.lexists(target):
            self._tell("link", beneath=FILES, then=lambda: self._power.creates(target))

    def _rename(self, args: tuple[Any, ...]) -> None:
        source, target = self._ours(args[0], args[2]), self._ours(args[1], args[3])
        if source is not None and target is not None and os.path.lexists(source):
            note = self._power.renames
            self._tell("rename", beneath=FILES, then=lambda: note(source, target))

    def _remove(self, args: tuple[Any, ...]) -> None:
        path = self._ours(args[0], args[1])
        if path is not None and os.path.lexists(path):
            self._tell("remove", beneath=FILES, then=lambda: self._power.removes(path))

    def _make_folder(self, args: tuple[Any, ...]) -> None:
        path = self._ours(args[0], args[2])
        if path is not None and not path.exists():
            self._tell("make folder", beneath=FILES, then=lambda: self._power.makes(path))

    def _remove_folder(self, args: tuple[Any, ...]) -> None:
        path = self._ours(args[0], args[1])
        if path is not None and path.is_dir() and not any(path.iterdir()):
            self._tell("remove folder", beneath=FILES)

    def _truncate(self, args: tuple[Any, ...]) -> None:
        self._tell("truncate", beneath=FILES)

    def _watch_syncs(self) -> None:
        for name in ("fsync", "fdatasync"):
            original = getattr(os, name)

            def sync(file: Any, original: Callable[[int], None] = original) -> None:
                descriptor = file if isinstance(file, int) else file.fileno()
                is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
                path = Path(f"/proc/self/fd/{descriptor}").readlink()
                self._tell("sync folder" if is_folder else "sync file", beneath=FILES)
                original(descriptor)
                with self._one:
                    self._power.syncs(path)

            setattr(os, name, sync)

    # -- the ledger ----------------------------------------------------------------------------

    def _watch_databases(self) -> None:
        original = sqlite3.dbapi2.connect

        def connect(*args: Any, **options: Any) -> sqlite3.Connection:
            connection: sqlite3.Connection = original(*args, **options)
            connection.set_trace_callback(lambda said: self._statement(connection, said))
            return connection

        sqlite3.dbapi2.connect = connect  # where SQLAlchemy takes it from

    def _statement(self, connection: sqlite3.Connection, statement: str) -> None:
        word = statement.split(maxsplit=1)[0].upper()
        if word == "COMMIT":
            self._tell("commit", beneath=LEDGER)
        elif word in CHANGES and not connection.in_transaction:
            self._tell(f"{word} without a transaction", beneath=LEDGER)

    # -- the hub -------------------------------------------------------------------------------

    def _watch_requests(self) -> None:
        for name in ("send", "sendall"):
            original = getattr(socket.socket, name)

            def send(line: Any, data: Any, *flags: int, original: Any = original) -> Any:
                start = bytes(data[:8])
                if start.startswith(WRITES):
                    self._tell(start.split()[0].decode(), beneath=HUB)
                return original(line, data, *flags)

            setattr(socket.socket, name, send)


FILE_EVENTS: dict[str, Callable[[Steps, tuple[Any, ...]], None]] = {
    "open": Steps._open,
    "os.link": Steps._link,
    "os.symlink": Steps._symlink,
    "os.rename": Steps._rename,
    "os.remove": Steps._remove,
    "os.mkdir": Steps._make_folder,
    "os.rmdir": Steps._remove_folder,
    "os.truncate": Steps._truncate,
}


def _asked_by(beneath: tuple[str, ...]) -> str | None:
    """Return the innermost function of ours at work that is in none of these modules."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith(("bridge.", "reconcile.")) and not module.startswith(beneath):
            return f"{module.removeprefix('bridge.')}.{_name(frame.f_code)}"
        frame = frame.f_back
    return None


def _name(code: CodeType) -> str:
    """Return a function's name; one that is written inside of another has the other's name."""
    return code.co_qualname.partition(".<locals>")[0]
