"""What a listing of the hub's shows, written down: of the serving feed and of a shadow alike."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from bridge.ledger import deliveries, events, new_attachments
from bridge.ledger.events import Said
from bridge.model import Attachment, FeedName, HubId, PendingAttachment, PendingInvoice

FEED = FeedName.REST


def note_invoices(
    connection: Connection, account: str, rows: Sequence[PendingInvoice], *, at: datetime
) -> list[HubId]:
    """Write down the invoices that the hub lists; return those that were new."""
    listed = {row.hub_id: row for row in rows}
    new = deliveries.see(connection, account, FEED, listed.values(), at=at)
    told = [
        Said(
            kind="invoice seen",
            at=at,
            hub_id=hub_id,
            detail={
                "feed": FEED,
                "nif": listed[hub_id].nif,
                "accounting_office": listed[hub_id].accounting_office,
            },
        )
        for hub_id in new
    ]
    events.record_all(connection, account, told)
    return new


def note_attachments(
    connection: Connection, account: str, rows: Sequence[PendingAttachment], *, at: datetime
) -> None:
    """Write down the attachments that the hub lists as still to be fetched."""
    found: dict[HubId, list[Attachment]] = defaultdict(list)
    for row in rows:
        found[row.hub_id].append(Attachment(attachment_id=row.attachment_id, name=row.name))
    new_attachments.see_all(connection, account, FEED, found, at=at)
