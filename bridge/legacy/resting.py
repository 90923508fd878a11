"""Which files of the old mailbox may be placed by now: whole, at rest, and none before its own.

Nobody tells when the old hub has written a file to its end. A new one is looked at again after
`push.settle`; what may be half, or may still be explained by a message, has `PATIENCE`; so long an
invoice also waits for those of its attachments and messages that cannot be placed yet.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from bridge.account import Account
from bridge.feeds.legacy import OldMailboxReader
from bridge.ledger import legacy_files
from bridge.ledger.recorded_files import RecordedFile
from bridge.model import HubId
from bridge.naming import Folder
from bridge.old_files.file import Broken, FileKind, what_it_is

PATIENCE = timedelta(minutes=10)
"""So long a file in `out` must lie unchanged that is no whole XML: it may still be written; and one
of which nobody knows the invoice: its message may tell."""


def to_place(account: Account, reader: OldMailboxReader) -> list[RecordedFile]:
    """Return what is new and whole: after `settle`, a file that is still written is another one."""
    now = account.clock()
    with account.ledger.read() as connection:
        waiting = legacy_files.to_place(connection, account.name)
        unread = legacy_files.unread_since(connection, account.name, now - PATIENCE)
    rested = [
        file
        for file in waiting
        if file.first_seen_at <= now - PATIENCE or not _may_be_half(account, file)
    ]
    settle = account.settings.push.settle
    new = {file.id for file in rested if file.first_seen_at > now - timedelta(seconds=2 * settle)}
    if new and settle:
        account.stopping.wait(settle)
    whole = [file for file in rested if file.id not in new or _is_settled(reader, file)]
    return _without_early(account, whole, waiting, unread, at=now)


def _without_early(
    account: Account,
    whole: Sequence[RecordedFile],
    waiting: Sequence[RecordedFile],
    unread: Sequence[RecordedFile],
    *,
    at: datetime,
) -> list[RecordedFile]:
    """Leave out the invoices of which an attachment or a message is there and not whole yet."""
    ready = {file.id for file in whole}
    incomplete = {file.hub_id for file in waiting if file.id not in ready}
    incomplete |= {_invoice_of(account, file) for file in unread}
    return [
        file
        for file in whole
        if file.kind is not FileKind.INVOICE
        or file.hub_id is None
        or file.hub_id not in incomplete
        or file.first_seen_at <= at - PATIENCE
    ]


def _invoice_of(account: Account, file: RecordedFile) -> HubId | None:
    """Return the hub id that an attachment's name tells; a message's tells none."""
    if file.folder is not Folder.ADJOUT:
        return None
    parts = account.mailbox.profile.parse(Folder.ADJOUT, file.name)
    return HubId(parts.hub_id) if parts and parts.hub_id else None


def _may_be_half(account: Account, file: RecordedFile) -> bool:
    """Tell whether a file may not be whole yet, or its message not there: in `out` it matters."""
    assert file.digest is not None
    if file.size == 0:
        return True
    if file.folder is not Folder.OUT:
        return False
    if file.kind is FileKind.UNKNOWN:
        return True
    return isinstance(what_it_is(account.mailbox.archive.read(file.digest)), Broken)


def _is_settled(reader: OldMailboxReader, file: RecordedFile) -> bool:
    entry = reader.look(file.path)
    if entry is None:
        return False
    same_time = None in (entry.modified, file.modified_at) or entry.modified == file.modified_at
    return entry.size in (None, file.size) and same_time
