"""What goes on at the doors, written into the ledger by a thread of its own.

The doors must not wait for the disk: what they tell is put into a queue, and written down in
transactions of many. After an orderly stop all of it is on disk; a crash loses the last moment,
of which the mailbox and the log still tell.
"""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog
from sqlalchemy import Connection

from bridge.account import utc_now
from bridge.chain import Detail, Value
from bridge.errors import LedgerError
from bridge.flood import Flood, Happening, Source, Sum
from bridge.ledger import Ledger, events, placed_files
from bridge.ledger.events import Said
from bridge.model import HubId
from bridge.naming import Folder

log = structlog.get_logger()

MOMENT = 0.2
"""Seconds for which what comes is gathered: one commit serves for all of it."""

AT_ONCE = 2_000
"""Notes written in one transaction at most: the flows wait for it."""

MOST_WAITING = 50_000
"""Notes that wait while the ledger cannot be written, some 50 MB; then the newest are counted."""

LOOK = 60
"""Seconds between two looks whether a sum is due while nothing comes."""

RETRY = 5
"""Seconds until the next try when the ledger cannot be written."""

Change = Callable[[Connection, datetime], None]
"""What a note changes in the tables, beside the event that it may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What is to be written down: an event, a change of the tables, or both."""

    account: str = ""
    happening: Happening | None = None
    actor: str = events.BRIDGE
    detail: Detail = field(default_factory=dict)
    always: bool = False
    """It cannot come in floods, and is never summed up."""
    change: Change | None = None
    at: datetime = field(default_factory=utc_now)


class Recorder:
    """Writes notes down in the order in which they came; `put` may be called by any thread."""

    def __init__(self, ledger: Ledger, *, flood: Flood | None = None) -> None:
        self._ledger = ledger
        self._flood = flood or Flood()
        self._notes: queue.SimpleQueue[Note] = queue.SimpleQueue()
        self._ending = threading.Event()
        self._news = threading.Event()
        self._lost = 0
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def begin(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, note: Note) -> None:
        """Have a note written down soon."""
        if self._notes.qsize() >= MOST_WAITING:
            self._lost += 1
            return
        self._notes.put(note)
        self._news.set()

    @property
    def idle(self) -> bool:
        """Whether all that was put has been taken up."""
        return self._notes.empty() and not self._news.is_set()

    def end(self, *, patience: float) -> bool:
        """Write down all that was put, and end; return whether it came to that in time."""
        self._ending.set()
        self._news.set()
        if self._thread.is_alive():
            self._thread.join(patience)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            ending = self._ending.is_set()
            self._write_down(self._gather(), ending=ending)
            if ending and self._notes.empty():
                return

    def _gather(self) -> list[Note]:
        """Return what has come; waits for it, and a moment more for what comes with it."""
        if not self._ending.is_set():
            self._news.wait(LOOK)
            self._ending.wait(MOMENT)
        self._news.clear()
        notes: list[Note] = []
        while len(notes) < AT_ONCE and not self._notes.empty():
            notes.append(self._notes.get())
        if not self._notes.empty():
            self._news.set()
        return notes

    def _write_down(self, notes: Sequence[Note], *, ending: bool) -> None:
        kept = [kept for note in notes if (kept := self._kept(note))]
        kept += map(_note_of, self._flood.sums(now=utc_now(), all_of_them=ending))
        while kept and not self._try(kept):
            # The disk is full, say. At a stop there is one more try, then the log must do.
            if self._ending.wait(RETRY) and not self._try(kept):
                self._lost += len(kept)
                break
            if self._ending.is_set():
                break
        if self._lost:
            log.error("not all that went on at the doors was recorded", lost=self._lost)
            self._lost = 0

    def _kept(self, note: Note) -> Note | None:
        """Return what is left of a note when a flood of its kind is only counted."""
        if note.happening is None or note.always:
            return note
        source = Source(note.account, note.actor, note.happening)
        if self._flood.lets_through(source, note.detail, at=note.at):
            return note
        return replace(note, happening=None) if note.change else None

    def _try(self, notes: Sequence[Note]) -> bool:
        try:
            with self._ledger.write() as connection:
                _write(connection, notes)
        except LedgerError as error:
            log.error("the ledger cannot be written", reason=str(error))
            return False
        except Exception:
            # Whatever it is: what comes later must be written down all the same.
            log.exception("something at the doors cannot be recorded")
            self._lost += len(notes)
        return True


def _note_of(it: Sum) -> Note:
    """Return the event that sums up what was not written down one by one."""
    return Note(
        account=it.source.account,
        happening=it.source.happening,
        actor=it.source.actor,
        at=it.through,
        always=True,
        detail={
            "times": it.times,
            "since": it.since.astimezone(UTC).isoformat(timespec="seconds"),
            "through": it.through.astimezone(UTC).isoformat(timespec="seconds"),
            "some_of_them": {name: list(values) for name, values in it.named.items()},
        },
    )


def _write(connection: Connection, notes: Sequence[Note]) -> None:
    told = [note for note in notes if note.happening is not None]
    for account in dict.fromkeys(note.account for note in told):
        mine = [note for note in told if note.account == account]
        hub_ids = _hub_ids(connection, account, mine)
        events.record_all(connection, account, [_said(note, hub_ids) for note in mine])
    for note in notes:
        if note.change is not None:
            note.change(connection, note.at)


_HubIds = Mapping[tuple[Value, Value], HubId]


def _hub_ids(connection: Connection, account: str, notes: Sequence[Note]) -> _HubIds:
    """Return the invoices that the files in these notes belong to, by folder and name."""
    names: dict[str, list[str]] = {}
    for note in notes:
        if note.happening in (Happening.FETCH, Happening.DELETION) and "name" in note.detail:
            names.setdefault(str(note.detail["folder"]), []).append(str(note.detail["name"]))
    return {
        (folder, name): hub_id
        for folder, some in names.items()
        for name, hub_id in placed_files.hub_ids(connection, account, Folder(folder), some).items()
    }


def _said(note: Note, hub_ids: _HubIds) -> Said:
    file = (note.detail.get("folder"), note.detail.get("name"))
    return Said(
        kind=str(note.happening),
        at=note.at,
        actor=note.actor,
        hub_id=hub_ids.get(file),
        detail=note.detail,
    )
