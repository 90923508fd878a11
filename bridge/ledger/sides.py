"""What each feed delivered, as one side of a comparison: a delivery with its attachments, and the
further files that the old mailbox gave under its hub id.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Row, select, text

from bridge.ledger import spans
from bridge.ledger.recordings import is_recorded
from bridge.ledger.schema import IN_ORDER, attachment, delivery, recorded_file
from bridge.model import Digest, FeedName, HubId
from bridge.old_files.file import FileKind
from bridge.recorded import Recorded, RecordedAttachment, in_order

_AT_ONCE = 500
"""Deliveries of which attachments and other files are looked up together."""


def of_feed(
    connection: Connection,
    account: str,
    feed: FeedName,
    *,
    hub_ids: Collection[HubId] | None = None,
) -> Iterator[Recorded]:
    """Yield all that a feed delivered, or these invoices of it, as `recorded.in_order` sorts them.

    Memory stays flat. What was only learned of the old mailbox is no part of it: it lies before
    the time in which both feeds were listened to.
    """
    shown_at = spans.of_feed(connection, account, feed).last_listing_at
    rows = select(delivery).where(is_recorded(account, feed))
    if hub_ids is None:
        rows = rows.order_by(text(IN_ORDER), delivery.c.hub_id)
        found = iter(connection.execute(rows.execution_options(yield_per=1000)))
    else:  # sorted here: SQLite would go along the order of all rather than look up these
        chosen = connection.execute(rows.where(delivery.c.hub_id.in_(list(hub_ids)))).all()
        found = iter(sorted(chosen, key=lambda row: in_order(row.hub_id)))
    while some := list(islice(found, _AT_ONCE)):
        ids = [row.hub_id for row in some]
        enclosed = _attachments(connection, account, feed, ids)
        others = _others(connection, account, ids) if feed is FeedName.LEGACY else {}
        for row in some:
            yield _recorded(row, enclosed, others, shown_at)


def _recorded(
    row: Row[Any],
    enclosed: dict[str, list[RecordedAttachment]],
    others: dict[str, set[str]],
    shown_at: datetime | None,
) -> Recorded:
    return Recorded(
        feed=FeedName(row.feed),
        hub_id=HubId(row.hub_id),
        digest=row.digest,
        unreadable=row.unreadable,
        others=tuple(Digest(it) for it in sorted(others.get(row.hub_id, set()) - {row.digest})),
        name=row.name,
        number=row.number or row.file_number,
        series=row.file_series,
        supplier_nif=row.supplier_nif,
        receiver_nif=row.receiver_nif or row.nif,
        accounting_office=row.accounting_office,
        issue_date=row.issue_date,
        amount=row.amount,
        registration_number=row.registration_number,
        registered_at=row.registered_at,
        receipt=row.receipt_digest,
        attachments=tuple(enclosed.get(row.hub_id, ())),
        # What was learned of an old mailbox was seen by nobody there.
        first_seen_at=row.seen_at if row.feed == FeedName.REST else row.recorded_at,
        last_seen_at=row.last_seen_at or row.acknowledged_at or shown_at,
        gone_at=row.gone_at,
    )


def _attachments(
    connection: Connection, account: str, feed: FeedName, hub_ids: Sequence[str]
) -> dict[str, list[RecordedAttachment]]:
    rows = (
        select(
            attachment.c.hub_id,
            attachment.c.original_name,
            attachment.c.position,
            attachment.c.digest,
        )
        .where(
            attachment.c.account == account,
            attachment.c.feed == feed,
            attachment.c.hub_id.in_(hub_ids),
        )
        .order_by(attachment.c.hub_id, attachment.c.position)
    )
    found: dict[str, list[RecordedAttachment]] = {}
    for row in connection.execute(rows):
        found.setdefault(row.hub_id, []).append(
            RecordedAttachment(name=row.original_name, position=row.position, digest=row.digest)
        )
    return found


def _others(connection: Connection, account: str, hub_ids: Sequence[str]) -> dict[str, set[str]]:
    rows = select(recorded_file.c.hub_id, recorded_file.c.digest).where(
        recorded_file.c.account == account,
        recorded_file.c.hub_id.in_(hub_ids),
        recorded_file.c.kind == FileKind.INVOICE,
    )
    found: dict[str, set[str]] = {}
    for hub_id, digest in connection.execute(rows):
        found.setdefault(hub_id, set()).add(digest)
    return found
