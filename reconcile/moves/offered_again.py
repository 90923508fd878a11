"""What the old mailbox would offer once more of what the software has: file by file."""

from collections.abc import Sequence

from sqlalchemy import Connection

from bridge.ledger import attachments, recorded_files
from bridge.ledger.recorded_files import RecordedFile
from bridge.model import DeliveryState, FeedName, HubId
from bridge.naming import Folder
from bridge.old_files.file import FileKind

_FILLED = (Folder.OUT, Folder.ADJOUT, Folder.STATOUT)
_ON_THE_WAY = frozenset({DeliveryState.SEEN, DeliveryState.FETCHED})


def offered_again(
    connection: Connection, account: str, hub_ids: Sequence[HubId]
) -> list[RecordedFile]:
    """Return the files there of these invoices that the software has had, each invoice's first.

    An attachment that came later is new to the software: it stays.
    """
    there = recorded_files.of_invoices(connection, account, hub_ids)
    found: list[RecordedFile] = []
    for files in there.values():
        had = _had(connection, account, files[0].hub_id)
        in_order = sorted(files, key=lambda file: file.kind is not FileKind.INVOICE)
        found += [file for file in in_order if _is_had(file, had)]
    return found


def _had(connection: Connection, account: str, hub_id: HubId | None) -> set[str]:
    """Return the digests of the attachments that the software has had, or is getting."""
    if hub_id is None:
        return set()
    rows = [
        row
        for feed in FeedName
        for row in attachments.of_invoice(connection, account, feed, hub_id)
    ]
    return {row.digest for row in rows if row.digest and row.state not in _ON_THE_WAY}


def _is_had(file: RecordedFile, had: set[str]) -> bool:
    if file.folder not in _FILLED or file.digest is None:
        return False
    if file.kind is FileKind.ATTACHMENT:
        return file.digest in had
    return file.kind in {FileKind.INVOICE, FileKind.STATE}
