"""The whole life of one invoice, or of one state update, from the ledger."""

from dataclasses import dataclass

from sqlalchemy import Connection

from bridge.ledger import Ledger, histories
from bridge.ledger.histories import (
    AttachmentRow,
    AttemptRow,
    DeliveryRow,
    EventRow,
    FileRow,
    UpdateRow,
)

_MOST_DIGITS = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateLife:
    """A state update, every attempt at it, and what happened to it, oldest first."""

    row: UpdateRow
    attempts: tuple[AttemptRow, ...]
    events: tuple[EventRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceLife:
    """An invoice with all that came of it, oldest first; `deliveries` has one for each feed."""

    hub_id: str
    deliveries: tuple[DeliveryRow, ...]
    attachments: tuple[AttachmentRow, ...]
    files: tuple[FileRow, ...]
    updates: tuple[UpdateLife, ...]
    events: tuple[EventRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What an id stands for: an invoice, a state update, or both by chance."""

    id: str
    invoice: InvoiceLife | None
    update: UpdateLife | None


def life(ledger: Ledger, some_id: str) -> Life | None:
    """Return the life of the invoice of this hub id and of the update of this id.

    None when the ledger knows neither; raises LedgerError.
    """
    with ledger.read() as connection:
        invoice = _invoice(connection, some_id)
        update = _update(connection, some_id)
    if invoice is None and update is None:
        return None
    return Life(id=some_id, invoice=invoice, update=update)


def _invoice(connection: Connection, hub_id: str) -> InvoiceLife | None:
    deliveries = histories.deliveries(connection, hub_id)
    updates = [_whole(connection, row) for row in histories.updates(connection, hub_id=hub_id)]
    attachments = histories.attachments(connection, hub_id)
    if not (deliveries or updates or attachments):
        return None
    events = {event.id: event for event in histories.events(connection, hub_id)}
    events |= {event.id: event for update in updates for event in update.events}
    return InvoiceLife(
        hub_id=hub_id,
        deliveries=tuple(deliveries),
        attachments=tuple(attachments),
        files=tuple(histories.files(connection, hub_id)),
        updates=tuple(updates),
        events=tuple(events[event_id] for event_id in sorted(events)),
    )


def _update(connection: Connection, some_id: str) -> UpdateLife | None:
    if not (some_id.isascii() and some_id.isdigit() and len(some_id) <= _MOST_DIGITS):
        return None
    rows = histories.updates(connection, update_id=int(some_id))
    return _whole(connection, rows[0]) if rows else None


def _whole(connection: Connection, row: UpdateRow) -> UpdateLife:
    return UpdateLife(
        row=row,
        attempts=tuple(histories.attempts(connection, row.id)),
        events=tuple(histories.events_of_update(connection, row)),
    )
