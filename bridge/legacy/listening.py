"""Listening to the old mailbox: every file that it shows, into the archive and the ledger.

A round lists, reads what is new or changed, archives it and writes it down; then it works out what
each file is, and what all of them tell of each invoice. Files and what they tell come in any
order: an invoice before its message or after it, an attachment days later. So what was read and
not understood yet is looked at once more with everything that comes; what a kill left half done
is just that.

A file is gone when two listings in a row do not show it, while the folder that it lay in is there,
and asked for by itself it is not there either.
Nothing is ever written to the old mailbox: a reader has no way to.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from sqlalchemy import Connection

from bridge.account import Account
from bridge.errors import OldMailboxFileError
from bridge.feeds.legacy import Contents as Read
from bridge.feeds.legacy import Entry, NotRead, OldMailboxReader, Why
from bridge.ledger import emptyings, recorded_files, recordings, spans
from bridge.ledger.contents import Contents
from bridge.ledger.emptyings import Emptying
from bridge.ledger.recorded_files import RecordedFile, Shown
from bridge.ledger.recordings import Recording
from bridge.legacy.understanding import AT_ONCE, WORKERS, old_file, tell_gone, understand
from bridge.model import Digest, FeedName
from bridge.naming import Folder
from bridge.old_files.file import OldFile
from bridge.old_files.invoices import hub_id_in_name

log = structlog.get_logger()

FEED = FeedName.LEGACY

SUDDENLY = 10
"""So many files at least that are all gone at once look like a fault, not like a collection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What one round of listening came to."""

    files: int = 0
    """That the listing showed."""
    new: int = 0
    """Files that were read: new ones, or with other bytes than before."""
    deliveries: int = 0
    """Invoices of which something new was written down."""
    gone: int = 0
    vanished: int = 0
    """All files, when all of them were suddenly missing: the next listing tells."""
    troubles: tuple[str, ...] = ()
    """Files that could not be read, and why."""


def listen(account: Account, reader: OldMailboxReader, *, only_due: bool) -> Heard:
    """Do one round; `only_due` leaves out what waits for a later try.

    Raises OldMailboxAwayError, OldMailboxRefusedError, StorageError, LedgerError. The caller holds
    the turn `record`.
    """
    return _Round(account, reader).run(only_due=only_due)


class _Round:
    """One round of listening."""

    def __init__(self, account: Account, reader: OldMailboxReader) -> None:
        self.account = account
        self.reader = reader
        self.began = account.clock()
        self.fresh: dict[Digest, OldFile] = {}
        """What was read in this round, so that it is not read again from the archive."""

    def run(self, *, only_due: bool) -> Heard:
        account = self.account
        account.mailbox.archive.prepare()
        account.mailbox.clear_staged("record")
        entries = {entry.path: entry for entry in self.reader.entries()}
        folders = self.reader.folders()
        with account.ledger.read() as connection:
            before = recorded_files.there(connection, account.name)
            last = spans.of_feed(connection, account.name, FEED).last_listing_at
        due = self.began if only_due else None
        wanted = [it for it in entries.values() if _is_new(it, before.get(it.path), due=due)]
        new = self._read_all(wanted, before)
        deliveries = understand(account, self.fresh, account.profiles())
        if account.stopping.is_set():
            return Heard(files=len(entries), new=new, deliveries=deliveries)
        missing = _missing(entries, before, folders)
        seen = _all_seen_at(before, last or self.began)
        gone = self._note_missing(missing, entries, before, seen)
        vanished = len(missing) if len(missing) == len(before) and len(missing) > gone else 0
        with account.ledger.write() as connection:
            spans.note_listing(
                connection,
                account.name,
                FEED,
                at=self.began,
                max_gap=account.longest_gap,
                vanished=vanished,
            )
            if vanished >= SUDDENLY:
                emptied = Emptying(files=vanished, at=self.began)
                emptyings.note(connection, account.name, emptied, at=account.clock())
            unread = recorded_files.unread(connection, account.name)
        return Heard(
            files=len(entries),
            new=new,
            deliveries=deliveries,
            gone=gone,
            vanished=vanished,
            troubles=tuple(f"{path}: {why}" for path, why in unread),
        )

    # -- reading -------------------------------------------------------------------------------

    def _read_all(self, wanted: Sequence[Entry], before: Mapping[str, RecordedFile]) -> int:
        """Read files into the archive, and write down that they were there; return how many."""
        new = 0
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="record") as pool:
            for start in range(0, len(wanted), AT_ONCE):
                some = wanted[start : start + AT_ONCE]
                came: list[tuple[Entry, Read | NotRead]] = []
                for entry in some:
                    if self.account.stopping.is_set():
                        break
                    came.append((entry, self.reader.read(entry)))
                read = [it for _, it in came if isinstance(it, Read)]
                list(pool.map(self._keep, read))
                with self.account.ledger.write() as connection:
                    for entry, found in came:
                        new += self._write_down(connection, entry, before.get(entry.path), found)
        return new

    def _keep(self, read: Read) -> None:
        mailbox = self.account.mailbox
        if not mailbox.archive.path(read.digest).exists():
            mailbox.keep_bytes(read.content, purpose="record")

    def _write_down(
        self,
        connection: Connection,
        entry: Entry,
        known: RecordedFile | None,
        found: Read | NotRead,
    ) -> bool:
        name, now = self.account.name, self.account.clock()
        if isinstance(found, NotRead):
            if found.why is not Why.GONE:
                self._note_trouble(connection, entry, known, found.reason)
            if known is None:
                self._announce(connection, entry)
            return False
        shown = replace(_shown(entry), modified_at=entry.modified or found.modified)
        if known is not None and known.digest == found.digest:
            recorded_files.touched(connection, known, shown)
            return False
        if known is not None and known.digest is not None:
            self._lose(connection, known, now)
        unread = known if known is not None and known.digest is None else None
        recorded_files.add(connection, name, shown, found.digest, at=now, unread=unread)
        self.fresh[found.digest] = old_file(entry.path, shown, found.digest, found.content)
        return True

    def _note_trouble(
        self, connection: Connection, entry: Entry, known: RecordedFile | None, reason: str
    ) -> None:
        account, now = self.account, self.account.clock()
        log.warning("file of the old mailbox not read", path=entry.name, reason=reason)
        recorded_files.failed(
            connection,
            account.name,
            _shown(entry),
            known,
            trouble=reason,
            next_attempt_at=account.next_try(known.attempts if known else 0),
            at=now,
        )

    def _announce(self, connection: Connection, entry: Entry) -> None:
        """Write down that an invoice was there, whatever it says, and whoever was quicker."""
        account, now = self.account, self.account.clock()
        hub_id = hub_id_in_name(account.mailbox.profile, entry.name)
        if entry.role is not Folder.OUT or hub_id is None:
            return
        if not recordings.known(connection, account.name, FEED, [hub_id]):
            told = Recording(feed=FEED, hub_id=hub_id, contents=Contents(), name=entry.name)
            recordings.record(connection, account.name, told, at=now)

    # -- what is no longer there -----------------------------------------------------------------

    def _note_missing(
        self,
        missing: Sequence[RecordedFile],
        entries: Mapping[str, Entry],
        before: Mapping[str, RecordedFile],
        last: datetime,
    ) -> int:
        """Note what is missing for the first time, and for the second; return how many are gone."""
        account, now = self.account, self.account.clock()
        first = [file for file in missing if file.last_seen_at is None]
        gone = [file for file in missing if file.last_seen_at and not self._is_there(file)]
        again = [it for it in before.values() if it.path in entries and it.last_seen_at]
        if not missing and not again:
            return 0
        with account.ledger.write() as connection:
            recorded_files.missed(connection, first, last=last)
            recorded_files.shown_again(connection, again)
            there = recorded_files.there(connection, account.name)
            for file in gone:
                # What was read of it in this round, before it went, made it understood.
                self._lose(connection, there.get(file.path, file), now)
        return len(gone)

    def _is_there(self, file: RecordedFile) -> bool:
        """Ask for a file by itself: a listing may be cut short, twice in a row too."""
        try:
            return self.reader.look(file.path) is not None
        except OldMailboxFileError:
            return False  # it cannot be looked at, and no listing shows it

    def _lose(self, connection: Connection, file: RecordedFile, now: datetime) -> None:
        """Write down that a file is gone, and with it, maybe, its invoice."""
        if file.digest is None:
            recorded_files.forget(connection, file)
            return
        recorded_files.gone(connection, file.id, at=now)
        if file.kind is not None:  # else its events come when it is understood
            tell_gone(connection, self.account, file, at=now)


def _is_new(entry: Entry, known: RecordedFile | None, *, due: datetime | None) -> bool:
    """Tell whether a file must be read: it is new, changed, or could not be read before."""
    if known is None:
        return True
    if known.digest is None:
        wait = known.next_attempt_at
        return due is None or wait is None or wait <= due
    other_size = entry.size is not None and entry.size != known.size
    return other_size or (entry.modified is not None and entry.modified != known.modified_at)


def _missing(
    entries: Mapping[str, Entry],
    before: Mapping[str, RecordedFile],
    folders: Mapping[Folder, object],
) -> list[RecordedFile]:
    """Return what a listing lacks, of the folders that are there; an archive may have none."""
    return [
        file
        for path, file in before.items()
        if path not in entries
        and (Folder.OUT not in folders or file.folder is None or file.folder in folders)
    ]


def _all_seen_at(before: Mapping[str, RecordedFile], last: datetime) -> datetime:
    """Return when the last listing, which began at a time, had seen all that is known of it."""
    return max([last, *(file.first_seen_at for file in before.values())])


def _shown(entry: Entry) -> Shown:
    return Shown(
        path=entry.path,
        name=entry.name,
        folder=entry.role,
        size=entry.size,
        modified_at=entry.modified,
    )
