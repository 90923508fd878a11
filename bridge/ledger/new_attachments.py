"""Attachments that are seen for the first time: each gets its position in the invoice, for good.

The position is the number in its name in `adjout`. What a feed brings is numbered after all that
the software had through the other one: no name comes twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, insert, or_, select
from sqlalchemy.dialects import sqlite

from bridge.ledger.among import among_given
from bridge.ledger.attachments import AttachmentRow, of_invoice, of_invoices
from bridge.ledger.schema import attachment
from bridge.model import Attachment, DeliveryState, FeedName, HubId

# Built once: a statement made anew for each step costs more than running it.


_ADD = insert(attachment)


_LAST_POSITIONS = (
    select(attachment.c.hub_id, func.max(attachment.c.position).label("position"))
    .where(
        attachment.c.account == bindparam("account"),
        among_given(attachment.c.hub_id, "hub_ids"),
        # What the software had through the other feed; what that one was only seen to have has no
        # name in the mailbox.
        or_(attachment.c.feed == bindparam("feed"), attachment.c.placed_at.is_not(None)),
    )
    .group_by(attachment.c.hub_id)
)


def see(
    connection: Connection,
    account: str,
    feed: FeedName,
    hub_id: HubId,
    found: Iterable[Attachment],
    *,
    at: datetime,
) -> Sequence[AttachmentRow]:
    """Write down the attachments of an invoice; return all that it has, by position."""
    see_all(connection, account, feed, {hub_id: found}, at=at)
    return of_invoice(connection, account, feed, hub_id)


def see_all(
    connection: Connection,
    account: str,
    feed: FeedName,
    found: Mapping[HubId, Iterable[Attachment]],
    *,
    at: datetime,
) -> None:
    """Write down the attachments of many invoices; those that are new get the next positions."""
    new = _unknown(found, of_invoices(connection, account, feed, list(found)))
    last = _last_positions(connection, account, feed, list(new))
    values = [
        _values(account, feed, hub_id, it, position=position, at=at)
        for hub_id, some in new.items()
        for position, it in enumerate(some, start=last.get(hub_id, 0) + 1)
    ]
    if values:
        connection.execute(_ADD, values)


def _unknown(
    found: Mapping[HubId, Iterable[Attachment]],
    known: Mapping[HubId, Sequence[AttachmentRow]],
) -> dict[HubId, list[Attachment]]:
    new: dict[HubId, list[Attachment]] = {}
    for hub_id, some in found.items():
        ids = {row.attachment_id for row in known.get(hub_id, ())}
        each = {it.attachment_id: it for it in some}
        if fresh := [it for attachment_id, it in each.items() if attachment_id not in ids]:
            new[hub_id] = fresh
    return new


def _values(
    account: str,
    feed: FeedName,
    hub_id: HubId,
    found: Attachment,
    *,
    position: int,
    at: datetime,
) -> dict[str, object]:
    return {
        "account": account,
        "feed": feed,
        "hub_id": hub_id,
        "attachment_id": found.attachment_id,
        "position": position,
        "original_name": found.name,
        "state": DeliveryState.SEEN,
        "seen_at": at,
    }


def remember(
    connection: Connection,
    account: str,
    feed: FeedName,
    hub_id: HubId,
    found: Attachment,
    *,
    position: int,
    at: datetime,
) -> AttachmentRow:
    """Write down an attachment that had this position before; return its row, new or known."""
    values = _values(account, feed, hub_id, found, position=position, at=at)
    connection.execute(sqlite.insert(attachment).values(values).on_conflict_do_nothing())
    rows = of_invoice(connection, account, feed, hub_id)
    return next(row for row in rows if row.attachment_id == found.attachment_id)


def _last_positions(
    connection: Connection, account: str, feed: FeedName, hub_ids: Sequence[HubId]
) -> dict[HubId, int]:
    key = {"account": account, "feed": feed, "hub_ids": hub_ids}
    rows = connection.execute(_LAST_POSITIONS, key)
    return {HubId(row.hub_id): row.position for row in rows}
