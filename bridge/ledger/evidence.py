"""What the rows of the ledger say, in the words of the events; nothing here writes."""

from collections.abc import Iterator

from sqlalchemy import Connection, select, union

from bridge.ledger.schema import attachment, delivery, placed_file, state_file, state_update
from bridge.model import Digest, UpdateStatus

Key = tuple[str, ...]
"""What something is said of: an invoice, a file in the mailbox, a state file, an update."""


def said(connection: Connection, account: str) -> Iterator[tuple[Key, str]]:
    """Return how far everything has come by its row; the events must say the same."""
    invoices = select(delivery.c.hub_id, delivery.c.feed, delivery.c.digest).where(
        delivery.c.account == account, delivery.c.digest.is_not(None)
    )
    for hub_id, feed, digest in connection.execute(invoices):
        yield ("invoice", hub_id, feed), digest
    files = select(placed_file.c.folder, placed_file.c.name, placed_file.c.state)
    for folder, name, state in connection.execute(files.where(placed_file.c.account == account)):
        yield ("file", folder, name), state
    dropped = select(state_file.c.id, state_file.c.digest)
    for file_id, digest in connection.execute(dropped.where(state_file.c.account == account)):
        yield ("state file", str(file_id)), digest
    updates = select(state_update.c.id, state_update.c.status)
    for update_id, status in connection.execute(updates.where(state_update.c.account == account)):
        waits = status == UpdateStatus.SENDING
        yield ("update", str(update_id)), UpdateStatus.QUEUED if waits else status


def digests(connection: Connection, account: str) -> set[Digest]:
    """Return the digests of all files that the ledger speaks of."""
    columns = (
        delivery.c.digest,
        delivery.c.receipt_digest,
        attachment.c.digest,
        placed_file.c.digest,
        state_file.c.digest,
    )
    parts = [
        select(column).where(column.table.c.account == account, column.is_not(None))
        for column in columns
    ]
    return {Digest(digest) for digest in connection.scalars(union(*parts))}


def is_whole(connection: Connection) -> bool:
    """Tell whether the database file itself is in order (SQLite's own check)."""
    return bool(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar() == "ok")
