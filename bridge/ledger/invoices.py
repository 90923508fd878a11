"""What the ledger knows of an invoice, through whichever feed it came."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import ColumnElement, Connection, and_, bindparam, select

from bridge.identity import number_forms, plain_nif, plain_number
from bridge.ledger.among import among
from bridge.ledger.deliveries import Delivery, of_row
from bridge.ledger.schema import delivery
from bridge.model import FeedName, HubId

# Built once: a statement made anew for each step costs more than running it.
_THIS = (delivery.c.account == bindparam("of_account")) & (
    delivery.c.hub_id == bindparam("of_hub_id")
)
_COLLECTED_BEFORE = (
    select(delivery.c.id).where(_THIS, delivery.c.collected_at.is_not(None)).limit(1)
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


def collected_before(connection: Connection, account: str, hub_id: HubId) -> bool:
    """Tell whether the software already has this invoice, through whichever feed."""
    row = {"of_account": account, "of_hub_id": hub_id}
    return connection.execute(_COLLECTED_BEFORE, row).first() is not None


def collected_among(
    connection: Connection, account: str, hub_ids: Sequence[HubId]
) -> frozenset[HubId]:
    """Return which of these invoices the software already has, through whichever feed."""
    had = (delivery.c.account == account) & delivery.c.collected_at.is_not(None)
    return _among(connection, hub_ids, had)


def standing_through_other(
    connection: Connection, account: str, feed: FeedName, hub_ids: Sequence[HubId]
) -> frozenset[HubId]:
    """Return which of these invoices lie in the mailbox already, placed by another feed."""
    standing = and_(
        delivery.c.account == account,
        delivery.c.feed != feed,
        delivery.c.placed_at.is_not(None),
        delivery.c.collected_at.is_(None),
    )
    return _among(connection, hub_ids, standing)


def _among(
    connection: Connection, hub_ids: Sequence[HubId], wanted: ColumnElement[bool]
) -> frozenset[HubId]:
    rows = select(delivery.c.hub_id).where(wanted, among(delivery.c.hub_id, hub_ids))
    return frozenset(map(HubId, connection.scalars(rows)))


def name_of(connection: Connection, account: str, hub_id: HubId) -> str | None:
    """Return what an invoice is called in `out`: as it was placed, else as it would be."""
    row = {"of_account": account, "of_hub_id": hub_id}
    name: str | None = connection.execute(_NAMED, row).scalar()
    return name


def known(connection: Connection, account: str, hub_id: HubId) -> Delivery | None:
    """Return the delivery of this invoice, the one for the mailbox first, if there is one."""
    row = connection.execute(_KNOWN, {"of_account": account, "of_hub_id": hub_id}).first()
    return None if row is None else of_row(row)


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
