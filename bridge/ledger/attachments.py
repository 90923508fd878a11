"""The walk of an attachment, the same as that of the delivery it belongs to.

An attachment may come with its invoice or long after it (hub-rest-api, "Attachments"), so it has
steps of its own. How it gets its position in the invoice, see `new_attachments`.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    bindparam,
    func,
    select,
    update,
)

from bridge.chain import Value
from bridge.ledger.among import among, among_given
from bridge.ledger.schema import attachment, delivery
from bridge.ledger.walk import failed_last, is_due, note_failure, state_of, unacknowledged
from bridge.model import DeliveryState, Digest, FeedName, HubId

# Built once: a statement made anew for each step costs more than running it.
_ROW = update(attachment).where(attachment.c.id == bindparam("row"))
_FETCHED = _ROW.values(
    digest=bindparam("digest"),
    name=bindparam("name"),
    fetched_at=bindparam("at"),
    state=state_of(attachment, reached=["fetched_at"]),
    trouble=None,
    attempts=0,
)
_HAD_BEFORE = _ROW.values(
    fetched_at=bindparam("at"),
    placed_at=bindparam("at"),
    collected_at=bindparam("at"),
    state=state_of(attachment, reached=["fetched_at", "placed_at", "collected_at"]),
    trouble=None,
    next_attempt_at=None,
)
_ACKNOWLEDGED = _ROW.values(
    acknowledged_at=bindparam("at"),
    state=state_of(attachment, reached=["acknowledged_at"]),
    trouble=None,
    next_attempt_at=None,
)
_AT = bindparam("at", type_=attachment.c.placed_at.type)
_THIS = and_(
    attachment.c.account == bindparam("of_account"),
    attachment.c.feed == bindparam("of_feed"),
    attachment.c.hub_id == bindparam("of_hub_id"),
    attachment.c.attachment_id == bindparam("of_attachment_id"),
)
_PLACED = (
    update(attachment)
    .where(_THIS)
    .values(placed_at=_AT, state=state_of(attachment, reached=["placed_at"]))
)
_COLLECTED = (
    update(attachment)
    .where(_THIS)
    .values(
        placed_at=func.coalesce(attachment.c.placed_at, _AT),
        collected_at=func.coalesce(attachment.c.collected_at, _AT),
        state=state_of(attachment, reached=["placed_at", "collected_at"]),
    )
)
_OF_INVOICES = (
    select(attachment)
    .where(
        attachment.c.account == bindparam("account"),
        attachment.c.feed == bindparam("feed"),
        among_given(attachment.c.hub_id, "hub_ids"),
    )
    .order_by(attachment.c.hub_id, attachment.c.position)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentRow:
    """One attachment as one feed gave it, as far as it has come."""

    id: int
    account: str
    hub_id: HubId
    attachment_id: str
    position: int
    original_name: str
    state: DeliveryState
    digest: Digest | None
    attempts: int


def of_invoice(
    connection: Connection, account: str, feed: FeedName, hub_id: HubId
) -> Sequence[AttachmentRow]:
    """Return the attachments of one invoice, by position."""
    return of_invoices(connection, account, feed, [hub_id]).get(hub_id, ())


def of_invoices(
    connection: Connection, account: str, feed: FeedName, hub_ids: Sequence[HubId]
) -> dict[HubId, list[AttachmentRow]]:
    """Return the attachments of those of these invoices that have any, by position."""
    found: dict[HubId, list[AttachmentRow]] = defaultdict(list)
    key = {"account": account, "feed": feed, "hub_ids": hub_ids}
    for row in map(_row, connection.execute(_OF_INVOICES, key)):
        found[row.hub_id].append(row)
    return found


def to_fetch(
    connection: Connection, account: str, feed: FeedName, *, due: datetime | None
) -> list[AttachmentRow]:
    """Return the attachments still to be fetched: all, or those due at a time."""
    wanted = and_(
        attachment.c.account == account,
        attachment.c.feed == feed,
        attachment.c.state == DeliveryState.SEEN,
        attachment.c.acknowledged_at.is_(None),  # true of all; it leads to the short index
        is_due(attachment, due),
    )
    return failed_last(_select(connection, wanted))


def to_acknowledge(
    connection: Connection, account: str, *, once: DeliveryState, due: datetime | None
) -> list[AttachmentRow]:
    """Return the attachments whose pending mark at the hub can go."""
    wanted = unacknowledged(attachment, account, once=once, due=due)
    return failed_last(_select(connection, wanted))


def of_acknowledged_invoices(
    connection: Connection, account: str, *, due: datetime | None
) -> list[AttachmentRow]:
    """Return the collected attachments, still marked, of invoices that are off the pending list.

    So is an invoice that was never on it: the RCF had it through another feed, and annotated it.
    """
    listed = select(delivery.c.hub_id).where(
        delivery.c.account == account,
        delivery.c.feed == FeedName.REST,
        delivery.c.acknowledged_at.is_(None),
    )
    wanted = unacknowledged(attachment, account, once=DeliveryState.COLLECTED, due=due)
    return failed_last(_select(connection, wanted & attachment.c.hub_id.not_in(listed)))


def fetched(
    connection: Connection, row_id: int, *, digest: Digest, name: str, at: datetime
) -> None:
    """The attachment's bytes are safe in the archive."""
    fetched_all(connection, [(row_id, digest, name)], at=at)


def fetched_all(
    connection: Connection, rows: Iterable[tuple[int, Digest, str]], *, at: datetime
) -> None:
    """The bytes of these are safe: of each the row's id, the digest, the name in the mailbox."""
    values = [
        {"row": row_id, "digest": digest, "name": name, "at": at} for row_id, digest, name in rows
    ]
    if values:
        connection.execute(_FETCHED, values)


def had_before(connection: Connection, row_id: int, *, at: datetime) -> None:
    """The software has this attachment already: it is never placed again."""
    connection.execute(_HAD_BEFORE, {"row": row_id, "at": at})


def placed(
    connection: Connection,
    account: str,
    feed: FeedName,
    hub_id: HubId,
    attachment_id: str,
    *,
    at: datetime,
) -> None:
    """The attachment stands in the mailbox."""
    placed_all(connection, account, [(feed, hub_id, attachment_id)], at=at)


def placed_all(
    connection: Connection,
    account: str,
    which: Iterable[tuple[FeedName, HubId, str]],
    *,
    at: datetime,
) -> None:
    """These stand in the mailbox: of each the feed, the invoice, the attachment's id."""
    key = {"of_account": account, "at": at}
    rows = [
        {**key, "of_feed": feed, "of_hub_id": hub_id, "of_attachment_id": attachment_id}
        for feed, hub_id, attachment_id in which
    ]
    if rows:
        connection.execute(_PLACED, rows)


def collected(
    connection: Connection,
    account: str,
    feed: FeedName,
    hub_id: HubId,
    attachment_id: str,
    *,
    at: datetime,
) -> None:
    """The software deleted the attachment from the mailbox: it has it."""
    row = {"of_account": account, "of_feed": feed, "of_hub_id": hub_id}
    connection.execute(_COLLECTED, {**row, "of_attachment_id": attachment_id, "at": at})


def placed_through_other(
    connection: Connection, account: str, feed: FeedName, hub_ids: Sequence[HubId]
) -> frozenset[tuple[HubId, Digest]]:
    """Return which bytes another feed brought into the mailbox as attachments of these invoices."""
    placed = and_(
        attachment.c.account == account,
        attachment.c.feed != feed,
        attachment.c.digest.is_not(None),
        attachment.c.placed_at.is_not(None),
        among(attachment.c.hub_id, hub_ids),
    )
    rows = connection.execute(select(attachment.c.hub_id, attachment.c.digest).where(placed))
    return frozenset((row.hub_id, row.digest) for row in rows)


def acknowledged(connection: Connection, row_id: int, *, at: datetime) -> None:
    """The hub no longer lists the attachment as pending."""
    connection.execute(_ACKNOWLEDGED, {"row": row_id, "at": at})


def failed(connection: Connection, row_id: int, *, trouble: str, next_attempt_at: datetime) -> None:
    """The next step did not come about; it is tried again at that time."""
    note_failure(connection, attachment, row_id, trouble=trouble, next_attempt_at=next_attempt_at)


def as_detail(rows: Iterable[AttachmentRow]) -> list[dict[str, Value]]:
    """Return attachments as an event tells them."""
    return [
        {
            "attachment_id": row.attachment_id,
            "position": row.position,
            "original_name": row.original_name,
        }
        for row in rows
    ]


def _select(connection: Connection, wanted: ColumnElement[bool]) -> list[AttachmentRow]:
    order = (attachment.c.hub_id, attachment.c.position)
    rows = connection.execute(select(attachment).where(wanted).order_by(*order))
    return [_row(row) for row in rows]


def _row(row: Row[Any]) -> AttachmentRow:
    return AttachmentRow(
        id=row.id,
        account=row.account,
        hub_id=HubId(row.hub_id),
        attachment_id=row.attachment_id,
        position=row.position,
        original_name=row.original_name,
        state=DeliveryState(row.state),
        digest=row.digest,
        attempts=row.attempts,
    )
