"""Listening to the old mailbox: every file that it shows, into the archive and the ledger.

A round lists, reads what is new or changed, archives it and writes it down; then it works out what
each file is, and what all of them tell of each invoice. Files and what they tell come in any
order: an invoice before its message or after it, an attachment days later. So what was read and
not understood yet is looked at once more with everything that comes; what a kill left half done
is just that.

A file is gone when two listings in a row do not show it, while the folder that it lay in is there.
Nothing is ever written to the old mailbox: a reader has no way to.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import PurePosixPath
from typing import TypeVar

import structlog
from sqlalchemy import Connection

from bridge.account import Account
from bridge.backoff import delay
from bridge.errors import StorageError
from bridge.feeds.legacy import Contents as Read
from bridge.feeds.legacy import Entry, NotRead, OldMailboxReader, Why
from bridge.ledger import attachments, recorded_files, recordings, spans
from bridge.ledger.deliveries import Contents
from bridge.ledger.recorded_files import RecordedFile, Shown
from bridge.ledger.recordings import Recording
from bridge.model import Attachment, Digest, FeedName
from bridge.naming import Folder, Profile, parse_profile
from bridge.old_file import FileKind, OldFile, receipts, what_it_is
from bridge.past import OldAttachment, hub_id_in_name
from bridge.recognised import Look, Recognised, Told, recognise
from bridge.settings import read_profile

log = structlog.get_logger()

FEED = FeedName.LEGACY

AT_ONCE = 100
"""Files or invoices written down in one transaction."""

WORKERS = 8
"""Files put into the archive at once: most of the time goes by waiting for the disk."""

SHIPPED = "efact"
"""The profile that names are tried by besides the account's own."""

T = TypeVar("T")


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
        self.understood: dict[Digest, OldFile] = {}
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
        deliveries = self._understand()
        if account.stopping.is_set():
            return Heard(files=len(entries), new=new, deliveries=deliveries)
        missing = _missing(entries, before, folders)
        gone = self._note_missing(missing, entries, before, last or self.began)
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
            for some in _parts(wanted, AT_ONCE):
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
            return False
        shown = replace(_shown(entry), modified_at=entry.modified or found.modified)
        if known is not None and known.digest == found.digest:
            recorded_files.touched(connection, known, shown)
            return False
        if known is not None and known.digest is not None:
            self._lose(connection, known, now)
        recorded_files.add(connection, name, shown, found.digest, at=now)
        self.understood[found.digest] = _old_file(entry.path, shown, found.digest, found.content)
        return True

    def _note_trouble(
        self, connection: Connection, entry: Entry, known: RecordedFile | None, reason: str
    ) -> None:
        account, now = self.account, self.account.clock()
        push = account.settings.push
        tries = (known.attempts if known else 0) + 1
        wait = delay(tries, initial=push.retry_initial, most=push.retry_max)
        log.warning("file of the old mailbox not read", path=entry.name, reason=reason)
        recorded_files.failed(
            connection,
            account.name,
            _shown(entry),
            known,
            trouble=reason,
            next_attempt_at=now + wait,
            at=now,
        )
        hub_id = hub_id_in_name(account.mailbox.profile, entry.name)
        if entry.role is Folder.OUT and hub_id and known is None:
            seen = recordings.known(connection, account.name, FEED, [hub_id])
            if not seen:  # it is there, whatever it says
                told = Recording(feed=FEED, hub_id=hub_id, contents=Contents(), name=entry.name)
                recordings.record(connection, account.name, told, at=now)

    # -- understanding ---------------------------------------------------------------------------

    def _understand(self) -> int:
        """Work out what was read and not understood yet; return of how many invoices it tells."""
        account = self.account
        with account.ledger.read() as connection:
            open_ones = recorded_files.unsettled(connection, account.name)
            if not any(file.kind is None for file in open_ones):
                return 0
            announced = recordings.announced(connection, account.name, FEED)
            messages = recorded_files.messages_of(connection, account.name, announced)
        files = {file.id: self._old_file(file) for file in open_ones}
        whole = [file for file in files.values() if file is not None]
        whole += [it for it in (self._message(digest) for digest in messages) if it is not None]
        look = recognise(whole, profiles(account))
        told = sum(self._write_told(some) for some in _parts(list(look.invoices.values()), AT_ONCE))
        for rows in _parts(open_ones, AT_ONCE):
            self._write_kinds(rows, files, look)
        return told

    def _old_file(self, file: RecordedFile) -> OldFile | None:
        assert file.digest is not None
        known = self.understood.get(file.digest)
        if known is not None and known.path == PurePosixPath(file.path):
            return known
        return self._from_archive(file.path, file, file.digest)

    def _message(self, digest: Digest) -> OldFile | None:
        shown = Shown(path="", name="", folder=Folder.STATOUT, size=None, modified_at=None)
        folder = self.account.mailbox.profile.folder(Folder.STATOUT)
        return self._from_archive(f"{folder}/{digest}", shown, digest)

    def _from_archive(self, path: str, shown: Shown, digest: Digest) -> OldFile | None:
        try:
            content = self.account.mailbox.archive.read(digest)
        except StorageError as error:  # `verify` says that it is missing
            log.error("recorded file is not in the archive", path=path, reason=str(error))
            return None
        return _old_file(path, shown, digest, content)

    def _write_told(self, some: Sequence[Told]) -> int:
        account, now = self.account, self.account.clock()
        kept = {it.hub_id: self._keep_receipt(it) for it in some}
        hub_ids = [it.hub_id for it in some]
        with account.ledger.write() as connection:
            known = recordings.known(connection, account.name, FEED, hub_ids)
            news = 0
            for told in some:
                before = known.get(told.hub_id)
                now_known = merged(before, told, receipt=kept[told.hub_id])
                if now_known is not None and now_known != before:
                    recordings.record(connection, account.name, now_known, at=now)
                    news += 1
                for enclosed in told.attachments:
                    _record_attachment(connection, account.name, enclosed, at=now)
            files = [told.hub_id for told in some if told.file is not None]
            recordings.find_again(connection, account.name, FEED, files, at=now)
        return news

    def _keep_receipt(self, told: Told) -> Digest | None:
        """Put the receipt that a message holds into the archive."""
        if told.message is None:
            return None
        mailbox = self.account.mailbox
        found = receipts(mailbox.archive.read(told.message.digest)).get(told.hub_id)
        return mailbox.keep_bytes(found, purpose="record") if found else None

    def _write_kinds(
        self, rows: Sequence[RecordedFile], files: Mapping[int, OldFile | None], look: Look
    ) -> None:
        account, now = self.account, self.account.clock()
        with account.ledger.write() as connection:
            for row in rows:
                file = files[row.id]
                what = look.files[file] if file else Recognised(FileKind.UNKNOWN)
                if (row.kind, row.hub_id) == (what.kind, what.hub_id):
                    continue
                kind, hub_id = what.kind, what.hub_id
                recorded_files.recognise(
                    connection, account.name, row, kind=kind, hub_id=hub_id, at=now
                )
                if row.gone_at is not None:
                    self._tell_gone(connection, replace(row, kind=kind, hub_id=hub_id), now)

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
        gone = [file for file in missing if file.last_seen_at is not None]
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

    def _lose(self, connection: Connection, file: RecordedFile, now: datetime) -> None:
        """Write down that a file is gone, and with it, maybe, its invoice."""
        if file.digest is None:
            recorded_files.forget(connection, file)
            return
        recorded_files.gone(connection, file.id, at=now)
        if file.kind is not None:  # else its events come when it is understood
            self._tell_gone(connection, file, now)

    def _tell_gone(self, connection: Connection, file: RecordedFile, now: datetime) -> None:
        account, hub_id = self.account.name, file.hub_id
        recorded_files.record_gone(connection, account, file, at=now)
        if file.kind is not FileKind.INVOICE or hub_id is None:
            return
        if not recorded_files.shows(connection, account, hub_id):
            recordings.lose(connection, account, FEED, hub_id, at=now)


def merged(known: Recording | None, told: Told, *, receipt: Digest | None) -> Recording | None:
    """Return what is known of a delivery together with what files tell; the first file stays.

    Only one that cannot be read, it may not have been whole, gives way to one that can.
    None where the files tell of its attachments only.
    """
    if told.file is None and told.statement is None:
        return known
    before = known or Recording(feed=FEED, hub_id=told.hub_id, contents=Contents())
    contents, name, office = before.contents, before.name, before.accounting_office
    is_better = contents.unreadable is not None and told.facts is not None
    if told.file is not None and (contents.digest is None or is_better):
        contents, name = _with_file(contents, told), told.file.name
        office = office or told.accounting_office
    if told.statement is not None:
        said = told.statement
        contents = replace(
            contents,
            number=contents.number or said.number,
            issue_date=contents.issue_date or said.issue_date,
            supplier_nif=contents.supplier_nif or said.supplier_nif,
            registration_number=contents.registration_number or said.registration_number,
            registered_at=contents.registered_at or said.registered_at,
            receipt_digest=contents.receipt_digest or receipt,
        )
    return replace(before, contents=contents, name=name, accounting_office=office, heard=True)


def _with_file(contents: Contents, told: Told) -> Contents:
    assert told.file is not None
    facts = told.facts
    if facts is None:
        return replace(contents, digest=told.file.digest, unreadable=told.unreadable)
    return replace(
        contents,
        digest=told.file.digest,
        unreadable=None,
        file_number=facts.number,
        file_series=facts.series,
        issue_date=facts.issue_date or contents.issue_date,
        amount=None if facts.total is None else str(facts.total),
        supplier_nif=facts.seller_nif or contents.supplier_nif,
        receiver_nif=facts.buyer_nif,
    )


def profiles(account: Account) -> dict[str, Profile]:
    """Return the naming profiles that old names are tried by, the account's own first."""
    found = {account.own.profile: account.mailbox.profile}
    if SHIPPED not in found:
        found[SHIPPED] = parse_profile(read_profile(SHIPPED))
    return found


def _record_attachment(
    connection: Connection, account: str, enclosed: OldAttachment, *, at: datetime
) -> None:
    file, attachment_id = enclosed.file, f"{enclosed.position:03d}"
    row = attachments.remember(
        connection,
        account,
        FEED,
        enclosed.hub_id,
        Attachment(attachment_id=attachment_id, name=file.name),
        position=enclosed.position,
        at=at,
    )
    if row.digest is None:
        recordings.record_attachment(
            connection, account, FEED, row, digest=file.digest, name=file.name, at=at
        )


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


def _shown(entry: Entry) -> Shown:
    return Shown(
        path=entry.path,
        name=entry.name,
        folder=entry.role,
        size=entry.size,
        modified_at=entry.modified,
    )


def _old_file(path: str, shown: Shown, digest: Digest, content: bytes) -> OldFile:
    return OldFile(
        path=PurePosixPath(path),
        name=shown.name,
        modified=shown.modified_at or datetime.fromtimestamp(0, UTC),
        digest=digest,
        content=what_it_is(content),
    )


def _parts(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    waiting = iter(items)
    while some := list(islice(waiting, size)):
        yield some
