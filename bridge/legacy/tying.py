"""One invoice in two mailboxes: what stands in ours is tied to its files in the old one.

After a rollback the same invoice may stand in ours, placed by REST under one name, and lie in the
old mailbox under another. It is one offer: when the software takes it here, it leaves the old
mailbox too; when somebody takes it there, it is taken back from here. Attachments are the same
where their bytes are. That holds while the old mailbox serves: what goes from there while REST does
was tidied away, and is not taken back from anybody.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from bridge.account import Account
from bridge.ledger import legacy_removals, recorded_files, ties
from bridge.ledger.placed_files import Kind, PlacedFile
from bridge.ledger.recorded_files import RecordedFile
from bridge.model import HubId
from bridge.naming import Folder
from bridge.old_files.file import FileKind

_SAME: Mapping[Kind, FileKind] = {
    Kind.INVOICE: FileKind.INVOICE,
    Kind.STATE: FileKind.STATE,
    Kind.ATTACHMENT: FileKind.ATTACHMENT,
}


def tie(connection: Connection, account: Account, hub_ids: Sequence[HubId]) -> int:
    """Tie what stands in ours of these invoices to what the old mailbox shows; return how many.

    Safe to repeat.
    """
    now, tied = account.clock(), 0
    standing = ties.standing_files(connection, account.name, hub_ids)
    there = recorded_files.of_invoices(connection, account.name, list(standing))
    for hub_id, files in standing.items():
        tied += _tie(connection, account, files, there.get(hub_id, []), at=now)
    return tied


def untie_missing(connection: Connection, account: Account, *, put: bool) -> None:
    """Untie what stands in ours from what the old mailbox has lost while another feed served.

    Nobody was to take it there then: it waits in ours alone. `put`: also what a move has put there;
    while one is at work it may have been put there a moment ago, for whoever takes it at once.
    """
    for file in legacy_removals.missing_there(connection, account.name, put=put):
        assert file.source is not None
        ties.tie(
            connection,
            account.name,
            file,
            source=file.source,
            digest=file.digest_there,
            kind=ties.TAKEN_BACK,
            at=account.clock(),
        )


def _tie(
    connection: Connection,
    account: Account,
    files: Sequence[PlacedFile],
    there: Sequence[RecordedFile],
    *,
    at: datetime,
) -> bool:
    free = [file for file in there if file.folder in (Folder.OUT, Folder.ADJOUT, Folder.STATOUT)]
    taken = {file.source for file in files}
    free = [file for file in free if file.path not in taken]
    is_tied = False
    for file in files:
        other = next((it for it in free if file.source is None and _is_same(file, it)), None)
        if other is None or other.digest is None:
            continue
        free.remove(other)
        ties.tie(
            connection,
            account.name,
            file,
            source=other.path,
            digest=other.digest,
            kind=ties.TIED,
            at=at,
        )
        is_tied |= file.kind is Kind.INVOICE
    return is_tied


def _is_same(file: PlacedFile, other: RecordedFile) -> bool:
    if _SAME.get(file.kind) is not other.kind:
        return False
    return file.kind is not Kind.ATTACHMENT or file.digest == other.digest
