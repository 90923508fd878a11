"""The walk of a delivery: seen → fetched → placed → collected → acknowledged.

Each step sets its time; the state is the last step that all earlier ones have led to. With
`acknowledge = "stored"` the hub is told before the software has collected: such a delivery says
`placed` until it is collected, and `acknowledged` from then on.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, func, select, update
from sqlalchemy.dialects.sqlite import insert

from bridge.chain import Value
from bridge.identity import number_forms, plain_nif, plain_number
from bridge.ledger.schema import delivery
from bridge.ledger.walk import failed_last, is_due, note_failure, state_of, unacknowledged
from bridge.model import (
    DeliveryState,
    Digest,
    FeedName,
    HubId,
    Invoice,
    InvoiceFacts,
    PendingInvoice,
)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What the files and the data of an invoice tell, as the ledger keeps it."""

    number: str | None = None
    """As the hub gives it."""
    file_number: str | None = None
    """As the Facturae file gives it, and its series."""
    file_series: str | None = None
    issue_date: date | None = None
    amount: str | None = None
    """A decimal, to the letter."""
    supplier_nif: str | None = None
    receiver_nif: str | None = None
    registration_number: str | None = None
    registered_at: datetime | None = None
    digest: Digest | None = None
    """Of the Facturae file; None where only a message of the old mailbox tells of it so far."""
    receipt_digest: Digest | None = None
    receipt_trouble: str | None = None
    """Why it goes without its receipt."""
    unreadable: str | None = None
    """Why the file is no readable Facturae."""


def contents_of(
    invoice: Invoice,
    facts: InvoiceFacts | None,
    *,
    digest: Digest,
    receipt_digest: Digest | None,
    receipt_trouble: str | None,
) -> Contents:
    """Bring together what the hub says of an invoice and what its file says."""
    return Contents(
        number=invoice.number,
        file_number=facts.number if facts else None,
        file_series=facts.series if facts else None,
        issue_date=invoice.issue_date or (facts.issue_date if facts else None),
        amount=None if invoice.amount is None else str(invoice.amount),
        supplier_nif=invoice.supplier_nif or (facts.seller_nif if facts else None),
        receiver_nif=invoice.receiver_nif or (facts.buyer_nif if facts else None),
        registration_number=invoice.registration_number,
        registered_at=invoice.registered_at,
        digest=digest,
        receipt_digest=receipt_digest,
        receipt_trouble=receipt_trouble,
    )


_CONTENTS = TypeAdapter(Contents)


def as_detail(contents: Contents) -> dict[str, Value]:
    """Return contents as an event tells them: what is not known is left out."""
    detail: dict[str, Value] = _CONTENTS.dump_python(contents, mode="json", exclude_none=True)
    return detail


def from_detail(detail: Mapping[str, Value]) -> Contents:
    """Return the contents of which an event tells."""
    return _CONTENTS.validate_python(detail)


_STATE = state_of(delivery)

# Built once: a statement made anew for each step costs more than running it.
_QUIET = {"trouble": None, "next_attempt_at": None, "attempts": 0}
_COLLECTED_BEFORE = (
    select(delivery.c.id)
    .where(
        delivery.c.account == bindparam("account"),
        delivery.c.hub_id == bindparam("hub_id"),
        delivery.c.collected_at.is_not(None),
    )
    .limit(1)
)
_WRITTEN = (*(field.name for field in fields(Contents)), "name", "fetched_at")
_SEE = insert(delivery).on_conflict_do_nothing()
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
_KNOWN = (
    select(delivery)
    .where(_THIS)
    # What only a shadow feed shows tells nothing of what the software has or is about to get.
    .order_by(delivery.c.placed_at.is_(None), delivery.c.recorded_at.is_not(None), delivery.c.id)
    .limit(1)
)
_NAMED = (
    select(delivery.c.name)
    .where(_THIS, delivery.c.name.is_not(None))
    .order_by(delivery.c.placed_at.is_(None), delivery.c.id)
    .limit(1)
)
_STANDS = (
    select(delivery.c.id)
    .where(
        _THIS,
        delivery.c.feed != bindparam("of_feed"),
        delivery.c.placed_at.is_not(None),
        delivery.c.collected_at.is_(None),
    )
    .limit(1)
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
        for row in rows
    ]
    return [
        HubId(str(value["hub_id"])) for value in values if connection.execute(_SEE, value).rowcount
    ]


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


def collected_before(connection: Connection, account: str, hub_id: HubId) -> bool:
    """Tell whether the software already has this invoice, through whichever feed."""
    row = {"account": account, "hub_id": hub_id}
    return connection.execute(_COLLECTED_BEFORE, row).first() is not None


def of_feed(connection: Connection, account: str, feed: FeedName, hub_id: HubId) -> Delivery | None:
    """Return the delivery of this invoice by this feed, if the ledger has one."""
    mine = (delivery.c.account == account) & (delivery.c.feed == feed)
    found = _select(connection, mine & (delivery.c.hub_id == hub_id))
    return found[0] if found else None


def stands_through_other(
    connection: Connection, account: str, feed: FeedName, hub_id: HubId
) -> bool:
    """Tell whether the invoice lies in the mailbox already, placed there by another feed."""
    row = {"of_account": account, "of_feed": feed, "of_hub_id": hub_id}
    return connection.execute(_STANDS, row).first() is not None


def name_of(connection: Connection, account: str, hub_id: HubId) -> str | None:
    """Return what an invoice is called in `out`: as it was placed, else as it would be."""
    row = {"of_account": account, "of_hub_id": hub_id}
    name: str | None = connection.execute(_NAMED, row).scalar()
    return name


def known(connection: Connection, account: str, hub_id: HubId) -> Delivery | None:
    """Return the delivery of this invoice, the one for the mailbox first, if there is one."""
    row = connection.execute(_KNOWN, {"of_account": account, "of_hub_id": hub_id}).first()
    return None if row is None else _delivery(row)


def fetched(
    connection: Connection, delivery_id: int, contents: Contents, *, name: str, at: datetime
) -> None:
    """The files of a delivery are safe in the archive; `name` is the invoice's in `out`."""
    values = {"row": delivery_id, "name": name, "fetched_at": at, **asdict(contents)}
    connection.execute(_FETCHED, values)


def placed(
    connection: Connection, account: str, feed: FeedName, hub_id: HubId, *, at: datetime
) -> None:
    """The invoice of this feed stands in the mailbox."""
    row = {"of_account": account, "of_feed": feed, "of_hub_id": hub_id}
    connection.execute(_PLACED, {**row, "at": at})


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
    row = {"of_account": account, "of_feed": feed, "of_hub_id": hub_id, "at": at}
    connection.execute(_ACKNOWLEDGED, row)


def still_listed(
    connection: Connection, account: str, hub_ids: Sequence[HubId], *, before: datetime
) -> list[HubId]:
    """Have the hub told again of what it was told before that time and still lists.

    Returns them.
    """
    again: dict[HubId, None] = {}
    for some in batched(hub_ids):
        found = connection.execute(
            select(delivery.c.id, delivery.c.hub_id).where(
                delivery.c.account == account,
                delivery.c.feed == FeedName.REST,
                delivery.c.hub_id.in_(some),
                delivery.c.acknowledged_at < before,
            )
        ).all()
        again |= {HubId(row.hub_id): None for row in found}
        rows = delivery.c.id.in_([row.id for row in found])
        connection.execute(update(delivery).where(rows).values(acknowledged_at=None))
        connection.execute(update(delivery).where(rows).values(state=_STATE))
    return list(again)


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


def matching(
    connection: Connection,
    account: str,
    *,
    number: str | None,
    supplier_nif: str | None,
    issue_date: date | None,
) -> list[HubId]:
    """Return the hub ids of the invoices that bear this number, supplier and date.

    All three must be given. A number fits as the hub gives it or as the Facturae file does, with
    its series before it or without (legacy-ftp, "From a legacy state to a PATCH").
    """
    if not (number and supplier_nif and issue_date):
        return []
    that_day = (delivery.c.account == account) & (delivery.c.issue_date == issue_date)
    rows = connection.execute(select(delivery).where(that_day).order_by(delivery.c.id))
    wanted, nif = plain_number(number), plain_nif(supplier_nif)
    found = [
        HubId(row.hub_id)
        for row in rows
        if plain_nif(row.supplier_nif) == nif
        and wanted in number_forms(row.number, file_number=row.file_number, series=row.file_series)
    ]
    return list(dict.fromkeys(found))


def a_receiver(connection: Connection, account: str) -> str | None:
    """Return the NIF of an administration that this account received an invoice for."""
    named = (delivery.c.account == account) & delivery.c.receiver_nif.is_not(None)
    return connection.scalar(select(delivery.c.receiver_nif).where(named).limit(1))


def _select(connection: Connection, wanted: ColumnElement[bool]) -> list[Delivery]:
    rows = connection.execute(select(delivery).where(wanted).order_by(delivery.c.id))
    return [_delivery(row) for row in rows]


def _delivery(row: Row[Any]) -> Delivery:
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
