"""Uploads that were cut off: their bytes are kept in the archive, and must not fill the disk.

An account keeps `uploads.cut_off` of them. What goes beyond is removed, the oldest first, but
nothing that is not a day old: until then somebody may ask for it. If that is not enough, the doors
take no upload of the account, and say why, until the oldest are a day old.
"""

import queue
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from sqlalchemy import Connection

from bridge.account import Account
from bridge.archive import Archive
from bridge.durable import BusyError
from bridge.errors import LocalError
from bridge.facade.room import LEAST, Room
from bridge.ledger import cut_offs, events, state_files
from bridge.ledger.cut_offs import CutOffBytes
from bridge.naming import Folder
from bridge.upkeep.retention import nobody_else_at_work, remove

log = structlog.get_logger()

KEPT_FOR = timedelta(days=1)
"""For which what was cut off is kept whatever comes."""

LOOK_AGAIN = 60
"""Seconds between two looks while there is too much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploader:
    """Who uploaded something, from where and through which door."""

    user: str
    address: str
    protocol: str


@dataclass(frozen=True, slots=True)
class CutOff:
    """An upload that ended without being closed; `partial` holds what came."""

    folder: Folder
    name: str
    partial: Path
    who: Uploader | None = None


def note_cut_off(
    account: Account, folder: Folder, name: str, partial: Path, *, who: Uploader | None = None
) -> None:
    """Keep the bytes of an upload that was cut off; it is neither taken nor answered.

    After an error, or a crash, it is still at `partial` and can be noted again.
    """
    with account.mailbox.turn("outbound"):
        _note_cut_off(account, folder, name, partial, who)
        account.mailbox.statin.forget_partial(partial)


def _note_cut_off(
    account: Account, folder: Folder, name: str, partial: Path, who: Uploader | None
) -> None:
    digest, size = account.mailbox.statin.keep_partial(partial)
    now = account.clock()
    with account.ledger.write() as connection:
        file_id = None
        if folder is Folder.STATIN:
            file_id = state_files.add(
                connection,
                account.name,
                name=name,
                digest=digest,
                size=size,
                kind=state_files.Kind.CUT_OFF,
                at=now,
            )
        events.record(
            connection,
            account.name,
            cut_offs.CUT_OFF,
            at=now,
            actor=who.user if who else "rcf",
            folder=folder,
            file=file_id,
            name=name,
            digest=digest,
            size=size,
            also={"address": who.address, "protocol": who.protocol} if who else None,
        )


def kept(connection: Connection, archive: Archive, account: str, *, most: int) -> list[CutOffBytes]:
    """Return what is still there of uploads that were cut off, oldest first.

    Where it is more than `most` bytes, what is needed for something else as well does not count.
    """
    mine = [
        each
        for each in cut_offs.by_digest(connection, account)
        if archive.path(each.digest).exists()
    ]
    if weight(mine) <= most:
        return mine
    others = cut_offs.needed_elsewhere(connection, account, [each.digest for each in mine])
    return [each for each in mine if each.digest not in others]


def weight(kept: list[CutOffBytes]) -> int:
    """Return how many bytes they count for: the bytes once, a block for each further time."""
    return sum(max(each.size, LEAST) + (each.times - 1) * LEAST for each in kept)


class CutOffs:
    """Keeps an account's broken uploads, and minds how many bytes they are.

    `note` may be called by any thread, the rest by one at a time.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self._queue: queue.SimpleQueue[CutOff] = queue.SimpleQueue()
        self._room: Room | None = None
        self._stopped = False
        self._looked_at = float("-inf")

    def attend(self, room: Room) -> None:
        """Count for the doors what is kept; raises LedgerError."""
        self._room = room
        room.more_cut_off(weight(_kept(self._account)))

    def note(self, upload: CutOff) -> None:
        """Take note of a broken upload, quickly."""
        self._queue.put(upload)

    def keep(self) -> None:
        """Put what was noted into the archive; what cannot be put there now stays noted."""
        for _ in range(self._queue.qsize()):
            upload = self._queue.get()
            try:
                note_cut_off(
                    self._account, upload.folder, upload.name, upload.partial, who=upload.who
                )
            except LocalError as error:
                log.error("broken upload not kept yet", name=upload.name, reason=str(error))
                if upload.partial.exists():
                    self._queue.put(upload)  # for the next round

    def mind(self) -> None:
        """Make room where too much is kept; raises LedgerError or StorageError."""
        room = self._room
        if room is None or not (room.cut_off_is_full or self._stopped):
            return
        if time.monotonic() < self._looked_at + LOOK_AGAIN:
            return
        self._looked_at = time.monotonic()
        estimate = room.cut_off
        try:
            left = make_room(self._account)
        except BusyError:
            return  # a command is at work on the account: another time
        room.more_cut_off(left - estimate)
        self._tell(stopped=room.cut_off_is_full, left=left)

    def _tell(self, *, stopped: bool, left: int) -> None:
        if stopped == self._stopped:
            return
        account, most = self._account, self._account.settings.uploads.cut_off
        kind = cut_offs.STOPPED if stopped else cut_offs.GOING_ON
        with account.ledger.write() as connection:
            now = account.clock()
            events.record(connection, account.name, kind, at=now, kept=left, most=most)
        self._stopped = stopped
        log.warning(kind, account=account.name, kept=left, most=most)


def make_room(account: Account) -> int:
    """Remove what is too much and may go; return how many bytes count then.

    Raises BusyError, StorageError or LedgerError.
    """
    most, now = account.settings.uploads.cut_off, account.clock()
    with nobody_else_at_work(account):
        mine = _kept(account)
        gone = _too_much(mine, most=most, before=now - KEPT_FOR)
        remove(account, {each.digest: None for each in gone}, at=now)
    return weight(mine[len(gone) :])


def _kept(account: Account) -> list[CutOffBytes]:
    most = account.settings.uploads.cut_off
    with account.ledger.read() as connection:
        return kept(connection, account.mailbox.archive, account.name, most=most)


def _too_much(mine: list[CutOffBytes], *, most: int, before: datetime) -> list[CutOffBytes]:
    """Return what goes, oldest first: enough, if so much is old enough."""
    left, gone = weight(mine), []
    for each in mine:
        if left <= most or each.last_at >= before:
            break
        left -= weight([each])
        gone.append(each)
    return gone
