"""Deliveries as they were recorded by listening to a feed.

A shadow feed's deliveries go from `seen` to `fetched` and no further. What is known of one may
grow (its message comes before it or after it): each time the event `delivery recorded` tells all
of it. `last_seen_at` is set by the first listing that lacks a delivery, `gone_at` by a second one
in a row.
"""

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, fields
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    case,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert

from bridge.ledger import attachments, events, spans
from bridge.ledger.among import among
from bridge.ledger.attachments import AttachmentRow
from bridge.ledger.contents import Contents
from bridge.ledger.schema import delivery
from bridge.ledger.walk import state_of
from bridge.model import DeliveryState, Digest, FeedName, HubId

RECORDED = "delivery recorded"
GONE = "delivery gone"
BACK = "delivery back"
ATTACHMENT_RECORDED = "attachment recorded"
"""The kinds of the events."""


_CONTENTS = tuple(field.name for field in fields(Contents))


# Built once: a statement made anew for each step costs more than running it.
_SEE = insert(delivery).on_conflict_do_nothing()
_AT = bindparam("at", type_=delivery.c.seen_at.type)
_ANNOUNCED = (
    update(delivery)
    .where(
        delivery.c.account == bindparam("of_account"),
        delivery.c.feed == bindparam("of_feed"),
        delivery.c.hub_id == bindparam("of_hub_id"),
    )
    .values({name: bindparam(name) for name in (*_CONTENTS, "name")})
    .values(
        accounting_office=func.coalesce(bindparam("office"), delivery.c.accounting_office),
        recorded_at=func.coalesce(delivery.c.recorded_at, _AT),
        attempts=0,
        next_attempt_at=None,
        trouble=None,
        state=state_of(delivery),
    )
)
_WHOLE = _ANNOUNCED.values(
    fetched_at=func.coalesce(delivery.c.fetched_at, _AT),
    state=state_of(delivery, reached=["fetched_at"]),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What a feed showed of one invoice, as far as is known by now."""

    feed: FeedName
    hub_id: HubId
    contents: Contents
    name: str | None = None
    """In `out`: the feed's own, or what the bridge would call it."""
    accounting_office: str | None = None
    heard: bool = True
    """False: it was only learned from old files, and the feed has not shown it yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """How many invoices a listing lacked for the first time, and how many for the second."""

    first: int
    gone: int


def record(connection: Connection, account: str, told: Recording, *, at: datetime) -> None:
    """Write down what is known of a delivery, and the event that tells it; safe to repeat."""
    write(connection, account, told, at=at)
    events.record(
        connection,
        account,
        RECORDED,
        at=at,
        hub_id=told.hub_id,
        feed=told.feed,
        name=told.name,
        accounting_office=told.accounting_office,
        contents=told.contents.as_detail(),
    )


def write(connection: Connection, account: str, told: Recording, *, at: datetime) -> None:
    """Write down what is known of a delivery."""
    row = {"account": account, "feed": told.feed, "hub_id": told.hub_id}
    connection.execute(_SEE, row | {"state": DeliveryState.SEEN, "seen_at": at})
    values = asdict(told.contents) | {
        "of_account": account,
        "of_feed": told.feed,
        "of_hub_id": told.hub_id,
        "at": at,
        "name": told.name,
        "office": told.accounting_office,
    }
    connection.execute(_WHOLE if told.contents.digest else _ANNOUNCED, values)


def record_attachment(
    connection: Connection,
    account: str,
    feed: FeedName,
    row: AttachmentRow,
    *,
    digest: Digest,
    name: str,
    at: datetime,
) -> None:
    """The bytes of an attachment of a recorded delivery are in the archive."""
    attachments.fetched(connection, row.id, digest=digest, name=name, at=at)
    events.record(
        connection,
        account,
        ATTACHMENT_RECORDED,
        at=at,
        hub_id=row.hub_id,
        feed=feed,
        attachment_id=row.attachment_id,
        position=row.position,
        original_name=row.original_name,
        name=name,
        digest=digest,
    )


def known(
    connection: Connection, account: str, feed: FeedName, hub_ids: Collection[HubId]
) -> dict[HubId, Recording]:
    """Return what is known already of these invoices, as this feed gave them."""
    found: dict[HubId, Recording] = {}
    rows = select(delivery).where(_this(account, feed), among(delivery.c.hub_id, hub_ids))
    for row in connection.execute(rows):
        contents = Contents(**{name: row._mapping[name] for name in _CONTENTS})
        found[HubId(row.hub_id)] = Recording(
            feed=feed,
            hub_id=HubId(row.hub_id),
            contents=contents,
            name=row.name,
            accounting_office=row.accounting_office,
            heard=row.recorded_at is not None,
        )
    return found


def announced(connection: Connection, account: str, feed: FeedName) -> list[HubId]:
    """Return the invoices of which a message told and whose file has not come."""
    rows = select(delivery.c.hub_id).where(
        _this(account, feed),
        delivery.c.state == DeliveryState.SEEN,
        delivery.c.digest.is_(None),
    )
    return list(map(HubId, connection.scalars(rows)))


def not_shown(
    connection: Connection,
    account: str,
    feed: FeedName,
    shown: Collection[HubId],
    *,
    last: datetime,
    at: datetime,
) -> Missing:
    """The newest listing shows only these invoices: note which it lacks, for the second time too.

    `last` is when the listing before it was. An event tells of each that is gone for sure now.
    """
    rows = select(delivery.c.hub_id, delivery.c.last_seen_at).where(
        _this(account, feed), delivery.c.recorded_at.is_not(None), delivery.c.gone_at.is_(None)
    )
    before = {HubId(row.hub_id): row.last_seen_at for row in connection.execute(rows)}
    wanted = set(shown)
    missing = [hub_id for hub_id, seen in before.items() if hub_id not in wanted and seen is None]
    again = [hub_id for hub_id, seen in before.items() if hub_id in wanted and seen is not None]
    gone = [hub_id for hub_id, seen in before.items() if hub_id not in wanted and seen is not None]
    _set(connection, account, feed, missing, last_seen_at=last)
    _set(connection, account, feed, again, last_seen_at=None)
    for hub_id in gone:
        lose(connection, account, feed, hub_id, at=at)
    return Missing(first=len(missing), gone=len(gone))


def lose(
    connection: Connection, account: str, feed: FeedName, hub_id: HubId, *, at: datetime
) -> None:
    """The feed no longer shows the invoice, for sure."""
    is_gone(connection, account, feed, hub_id, at=at)
    events.record(connection, account, GONE, at=at, hub_id=hub_id, feed=feed)


def find_again(
    connection: Connection, account: str, feed: FeedName, shown: Collection[HubId], *, at: datetime
) -> None:
    """The feed shows these invoices: some of them may have been gone."""
    rows = select(delivery.c.hub_id).where(_this(account, feed), delivery.c.gone_at.is_not(None))
    gone = set(map(HubId, connection.scalars(rows)))
    for hub_id in shown:
        if hub_id in gone:
            is_back(connection, account, feed, hub_id)
            events.record(connection, account, BACK, at=at, hub_id=hub_id, feed=feed)


def is_gone(
    connection: Connection, account: str, feed: FeedName, hub_id: HubId, *, at: datetime
) -> None:
    """The feed no longer shows the invoice."""
    last = spans.of_feed(connection, account, feed).last_listing_at
    seen = func.coalesce(delivery.c.last_seen_at, last)
    _set(connection, account, feed, [hub_id], gone_at=at, last_seen_at=seen)


def is_back(connection: Connection, account: str, feed: FeedName, hub_id: HubId) -> None:
    """The feed shows the invoice again."""
    _set(connection, account, feed, [hub_id], gone_at=None, last_seen_at=None)


def spoiled(connection: Connection, delivery_id: int, why: str) -> None:
    """The file of a delivery is no readable Facturae; it may be fetched again."""
    connection.execute(update(delivery).where(delivery.c.id == delivery_id).values(unreadable=why))


def counted(connection: Connection, account: str, feed: FeedName) -> dict[DeliveryState, int]:
    """Return how many deliveries of a feed were seen and not fetched, and how many fetched."""
    fetched = case((delivery.c.digest.is_(None), DeliveryState.SEEN), else_=DeliveryState.FETCHED)
    rows = select(fetched, func.count()).where(is_recorded(account, feed)).group_by(fetched)
    found = {DeliveryState(state): count for state, count in connection.execute(rows)}
    return {it: found.get(it, 0) for it in (DeliveryState.SEEN, DeliveryState.FETCHED)}


def _this(account: str, feed: FeedName) -> ColumnElement[bool]:
    return (delivery.c.account == account) & (delivery.c.feed == feed)


def is_recorded(account: str, feed: FeedName) -> ColumnElement[bool]:
    """Tell what a feed delivered: all of the REST feed, and of the other what was not learned."""
    listened = or_(delivery.c.feed == FeedName.REST, delivery.c.recorded_at.is_not(None))
    return _this(account, feed) & listened


def _set(
    connection: Connection,
    account: str,
    feed: FeedName,
    hub_ids: Iterable[HubId],
    **values: object,
) -> None:
    these = _this(account, feed) & among(delivery.c.hub_id, hub_ids)
    connection.execute(update(delivery).where(these).values(**values))
