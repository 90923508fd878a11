"""The walk of a delivery: seen → fetched → placed → collected → acknowledged.

Each step sets its time; the state is the last step that all earlier ones have led to. With
`acknowledge = "stored"` the hub is told before the software has collected: such a delivery says
`placed` until it is collected, and `acknowledged` from then on.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, func, insert, select, update

from bridge.ledger.among import among
from bridge.ledger.contents import NAMES, Contents
from bridge.ledger.schema import delivery
from bridge.ledger.walk import failed_last, is_due, note_failure, state_of, unacknowledged
from bridge.model import DeliveryState, FeedName, HubId, PendingInvoice


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One invoice as one feed gave it, as far as it has come."""

    id: int
    account: str
    feed: FeedName
    hub_id: HubId
    state: DeliveryState
    nif: str | None
    """The receiver's, as the pending list gave it."""
    name: str | None
    attempts: int
    acknowledged_at: datetime | None


_STATE = state_of(delivery)

# Built once: a statement made anew for each step costs more than running it.
_QUIET = {"trouble": None, "next_attempt_at": None, "attempts": 0}
_WRITTEN = (*NAMES, "name", "fetched_at")
_SEE = insert(delivery)
_FETCHED = (
    update(delivery)
    .where(delivery.c.id == bindparam("row"))
    .values({name: bindparam(name) for name in _WRITTEN})
    .values(state=state_of(delivery, reached=["fetched_at"]), **_QUIET)
)
_PLACED = (
    update(delivery)
    .where(
        delivery.c.account == bindparam("of_account"),
        delivery.c.feed == bindparam("of_feed"),
        delivery.c.hub_id == bindparam("of_hub_id"),
    )
    .values(placed_at=bindparam("at"), state=state_of(delivery, reached=["placed_at"]), **_QUIET)
)
_AT = bindparam("at", type_=delivery.c.placed_at.type)
_THIS = (delivery.c.account == bindparam("of_account")) & (
    delivery.c.hub_id == bindparam("of_hub_id")
)
_HAD_BEFORE = (
    update(delivery)
    .where(delivery.c.id == bindparam("row"))
    .values(
        fetched_at=_AT,
        placed_at=_AT,
        collected_at=_AT,
        state=state_of(delivery, reached=["fetched_at", "placed_at", "collected_at"]),
    )
)
_COLLECTED = (
    update(delivery)
    .where(
        _THIS,
        delivery.c.feed == bindparam("of_feed"),
        delivery.c.collected_at.is_(None),
        delivery.c.fetched_at.is_not(None),
    )
    .values(
        placed_at=func.coalesce(delivery.c.placed_at, _AT),
        collected_at=_AT,
        state=state_of(delivery, reached=["placed_at", "collected_at"]),
    )
)
_ACKNOWLEDGED = (
    update(delivery)
    .where(_THIS, delivery.c.feed == bindparam("of_feed"), delivery.c.acknowledged_at.is_(None))
    .values(acknowledged_at=_AT, state=state_of(delivery, reached=["acknowledged_at"]), **_QUIET)
)


def see(
    connection: Connection,
    account: str,
    feed: FeedName,
    rows: Iterable[PendingInvoice],
    *,
    at: datetime,
) -> list[HubId]:
    """Write down the invoices that a feed listed; return those that were new."""
    listed = {row.hub_id: row for row in rows}
    of_feed = (delivery.c.account == account) & (delivery.c.feed == feed)
    known = select(delivery.c.hub_id).where(of_feed, among(delivery.c.hub_id, listed))
    for hub_id in connection.scalars(known).all():
        del listed[HubId(hub_id)]
    values = [
        {
            "account": account,
            "feed": feed,
            "hub_id": row.hub_id,
            "state": DeliveryState.SEEN,
            "nif": row.nif,
            "accounting_office": row.accounting_office,
            "seen_at": at,
        }
        for row in listed.values()
    ]
    if values:
        connection.execute(_SEE, values)
    return list(listed)


def seen(connection: Connection, account: str, feed: FeedName) -> frozenset[HubId]:
    """Return the invoices of a feed that are listed and not fetched."""
    wanted = and_(
        delivery.c.account == account,
        delivery.c.feed == feed,
        delivery.c.state == DeliveryState.SEEN,
    )
    return frozenset(map(HubId, connection.scalars(select(delivery.c.hub_id).where(wanted))))


def to_fetch(
    connection: Connection, account: str, feed: FeedName, *, due: datetime | None
) -> list[Delivery]:
    """Return the deliveries still to be fetched: all, or those due at a time, oldest first."""
    wanted = and_(
        delivery.c.account == account,
        delivery.c.feed == feed,
        delivery.c.state == DeliveryState.SEEN,
        delivery.c.held_at.is_(None),
        is_due(delivery, due),
    )
    return failed_last(_select(connection, wanted))


def of_feed(connection: Connection, account: str, feed: FeedName, hub_id: HubId) -> Delivery | None:
    """Return the delivery of this invoice by this feed, if the ledger has one."""
    mine = (delivery.c.account == account) & (delivery.c.feed == feed)
    found = _select(connection, mine & (delivery.c.hub_id == hub_id))
    return found[0] if found else None


def fetched(
    connection: Connection, delivery_id: int, contents: Contents, *, name: str, at: datetime
) -> None:
    """The files of a delivery are safe in the archive; `name` is the invoice's in `out`."""
    fetched_all(connection, [(delivery_id, contents, name)], at=at)


def fetched_all(
    connection: Connection, rows: Iterable[tuple[int, Contents, str]], *, at: datetime
) -> None:
    """The files of these are safe: of each the row's id, its contents, the name in `out`."""
    values = [
        {"row": row_id, "name": name, "fetched_at": at, **contents.columns}
        for row_id, contents, name in rows
    ]
    connection.execute(_FETCHED, values)


def placed(
    connection: Connection, account: str, feed: FeedName, hub_id: HubId, *, at: datetime
) -> None:
    """The invoice of this feed stands in the mailbox."""
    placed_all(connection, account, [(feed, hub_id)], at=at)


def placed_all(
    connection: Connection, account: str, which: Iterable[tuple[FeedName, HubId]], *, at: datetime
) -> None:
    """These stand in the mailbox: of each the feed and the hub id."""
    key = {"of_account": account, "at": at}
    rows = [{**key, "of_feed": feed, "of_hub_id": hub_id} for feed, hub_id in which]
    if rows:
        connection.execute(_PLACED, rows)


def had_before(connection: Connection, delivery_id: int, *, at: datetime) -> None:
    """The software has this invoice already: it is never placed again."""
    connection.execute(_HAD_BEFORE, {"row": delivery_id, "at": at})


def collected(
    connection: Connection, account: str, feed: FeedName, hub_id: HubId, *, at: datetime
) -> None:
    """The software deleted the invoice of this feed from the mailbox: it has it."""
    row = {"of_account": account, "of_feed": feed, "of_hub_id": hub_id}
    connection.execute(_COLLECTED, {**row, "at": at})


def acknowledged(
    connection: Connection, account: str, feed: FeedName, hub_id: HubId, *, at: datetime
) -> None:
    """This feed no longer offers the invoice: it was told that we have it."""
    acknowledged_all(connection, account, feed, [hub_id], at=at)


def acknowledged_all(
    connection: Connection, account: str, feed: FeedName, hub_ids: Iterable[HubId], *, at: datetime
) -> None:
    """This feed offers none of these any longer."""
    key = {"of_account": account, "of_feed": feed, "at": at}
    connection.execute(_ACKNOWLEDGED, [{**key, "of_hub_id": hub_id} for hub_id in hub_ids])


def still_listed(
    connection: Connection, account: str, hub_ids: Sequence[HubId], *, before: datetime
) -> list[HubId]:
    """Have the hub told again of what it was told before that time and still lists.

    Returns them.
    """
    found = connection.execute(
        select(delivery.c.id, delivery.c.hub_id).where(
            delivery.c.account == account,
            delivery.c.feed == FeedName.REST,
            among(delivery.c.hub_id, hub_ids),
            delivery.c.acknowledged_at < before,
        )
    ).all()
    if found:
        rows = among(delivery.c.id, [row.id for row in found])
        connection.execute(update(delivery).where(rows).values(acknowledged_at=None))
        connection.execute(update(delivery).where(rows).values(state=_STATE))
    return list({HubId(row.hub_id): None for row in found})


def batched(hub_ids: Sequence[HubId], size: int = 500) -> Iterator[Sequence[HubId]]:
    """Return the ids in parts that a statement can hold."""
    for start in range(0, len(hub_ids), size):
        yield hub_ids[start : start + size]


def to_acknowledge(
    connection: Connection, account: str, *, once: DeliveryState, due: datetime | None
) -> list[Delivery]:
    """Return what the hub must still be told, of deliveries that have come as far as `once`."""
    wanted = unacknowledged(delivery, account, once=once, due=due)
    return failed_last(_select(connection, wanted))


def failed(
    connection: Connection, delivery_id: int, *, trouble: str, next_attempt_at: datetime
) -> None:
    """The next step did not come about; it is tried again at that time."""
    note_failure(
        connection, delivery, delivery_id, trouble=trouble, next_attempt_at=next_attempt_at
    )


def _select(connection: Connection, wanted: ColumnElement[bool]) -> list[Delivery]:
    rows = connection.execute(select(delivery).where(wanted).order_by(delivery.c.id))
    return [of_row(row) for row in rows]


def of_row(row: Row[Any]) -> Delivery:
    """Return the delivery that a row of the table tells of."""
    return Delivery(
        id=row.id,
        account=row.account,
        feed=FeedName(row.feed),
        hub_id=HubId(row.hub_id),
        state=DeliveryState(row.state),
        nif=row.nif,
        name=row.name,
        attempts=row.attempts,
        acknowledged_at=row.acknowledged_at,
    )
