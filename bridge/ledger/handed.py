"""The files of a rollback into a folder: what was handed over, and what had been collected."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select

from bridge.ledger import placed_files
from bridge.ledger.moves import MoveKind
from bridge.ledger.placed_files import Kind, PlacedFile
from bridge.ledger.schema import delivery, move, placed_file
from bridge.naming import Folder

_DELIVERED = (Kind.INVOICE, Kind.ATTACHMENT, Kind.STATE)


def files(
    connection: Connection, account: str, *, since: datetime, folder: Folder
) -> Iterator[PlacedFile]:
    """Yield the files of the invoices that were handed over since a time, or are about to be.

    Those of one folder, by name.
    """
    handed = select(delivery.c.hub_id).where(
        delivery.c.account == account, delivery.c.handed_at >= since
    )
    about_to_be = select(placed_file.c.hub_id).where(
        placed_file.c.account == account, placed_file.c.state == "handing"
    )
    these = placed_file.c.hub_id.in_(handed) | placed_file.c.hub_id.in_(about_to_be)
    return _files(connection, account, folder, these)


def count(connection: Connection, account: str, *, since: datetime) -> int:
    """Return how many invoices were handed over since a time."""
    these = (delivery.c.account == account) & (delivery.c.handed_at >= since)
    rows = select(func.count(delivery.c.hub_id.distinct())).where(these)
    return connection.scalar(rows) or 0


def collected_files(
    connection: Connection, account: str, *, folder: Folder
) -> Iterator[PlacedFile]:
    """Yield the files of the invoices that the software took from ours since the last cutover.

    Of all that it ever took, where there was none; those of one folder, by name.
    """
    cutover = select(func.max(func.coalesce(move.c.switched_at, move.c.begun_at))).where(
        move.c.account == account, move.c.kind == MoveKind.CUTOVER
    )
    since = connection.scalar(cutover)
    invoice = placed_file.alias("invoice")
    handed = select(delivery.c.hub_id).where(
        delivery.c.account == account, delivery.c.handed_at.is_not(None)
    )
    taken = select(invoice.c.hub_id).where(
        invoice.c.account == account,
        invoice.c.kind == Kind.INVOICE,
        invoice.c.state == "collected",
        invoice.c.hub_id.not_in(handed),
    )
    if since is not None:
        taken = taken.where(invoice.c.collected_at >= since)
    return _files(connection, account, folder, placed_file.c.hub_id.in_(taken))


def _files(
    connection: Connection, account: str, folder: Folder, these: ColumnElement[bool]
) -> Iterator[PlacedFile]:
    rows = select(placed_file).where(
        placed_file.c.account == account,
        placed_file.c.folder == folder,
        placed_file.c.kind.in_(_DELIVERED),
        these,
    )
    found = connection.execute(rows.order_by(placed_file.c.name).execution_options(yield_per=1000))
    return map(placed_files.of_row, found)
