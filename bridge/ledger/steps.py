"""Steps that concern a file in the mailbox and the delivery or attachment that it belongs to."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection

from bridge.ledger import attachments, deliveries, placed_files
from bridge.ledger.placed_files import Kind, PlacedFile


def placed(
    connection: Connection, account: str, files: Iterable[PlacedFile], *, at: datetime
) -> None:
    """The files are visible in the mailbox."""
    files = list(files)
    placed_files.placed(connection, files, at=at)
    invoices = [
        (file.feed, file.hub_id)
        for file in files
        if file.kind is Kind.INVOICE and file.hub_id and file.feed
    ]
    deliveries.placed_all(connection, account, invoices, at=at)
    enclosed = [
        (file.feed, file.hub_id, file.attachment_id)
        for file in files
        if file.kind is Kind.ATTACHMENT and file.hub_id and file.attachment_id and file.feed
    ]
    attachments.placed_all(connection, account, enclosed, at=at)


def collected(
    connection: Connection, account: str, files: Iterable[PlacedFile], *, at: datetime
) -> list[PlacedFile]:
    """The software deleted the files; return those of which it was not known yet."""
    new = placed_files.collected(connection, files, at=at)
    for file in new:
        if file.kind is Kind.INVOICE and file.hub_id and file.feed:
            deliveries.collected(connection, account, file.feed, file.hub_id, at=at)
        if file.kind is Kind.ATTACHMENT and file.hub_id and file.attachment_id and file.feed:
            attachments.collected(
                connection, account, file.feed, file.hub_id, file.attachment_id, at=at
            )
    return new
