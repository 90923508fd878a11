"""Everything that the ledger knows of one invoice, or of one update; nothing here writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, or_, select

from bridge.chain import Detail
from bridge.ledger.rows import answers, updates_with_file
from bridge.ledger.schema import (
    attachment,
    attempt,
    delivery,
    event,
    placed_file,
    state_file,
    state_update,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """A delivery with all its times."""

    account: str
    feed: str
    hub_id: str
    state: str
    number: str | None
    issue_date: date | None
    amount: str | None
    supplier_nif: str | None
    receiver_nif: str | None
    registration_number: str | None
    registered_at: datetime | None
    name: str | None
    digest: str | None
    seen_at: datetime
    fetched_at: datetime | None
    placed_at: datetime | None
    collected_at: datetime | None
    acknowledged_at: datetime | None
    attempts: int
    next_attempt_at: datetime | None
    trouble: str | None
    receipt_trouble: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentRow:
    """An attachment with all its times."""

    account: str
    feed: str
    attachment_id: str
    position: int
    original_name: str
    state: str
    name: str | None
    digest: str | None
    seen_at: datetime
    fetched_at: datetime | None
    placed_at: datetime | None
    collected_at: datetime | None
    acknowledged_at: datetime | None
    next_attempt_at: datetime | None
    trouble: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """A file that the bridge put into the mailbox."""

    account: str
    folder: str
    name: str
    kind: str
    digest: str
    state: str
    placed_at: datetime | None
    collected_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One try to send an update: what was sent, what came back, what the hub showed then."""

    at: datetime
    sent: Mapping[str, str] | None
    answer: str | None
    shown: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRow:
    """An update with the state file that it came in; `digest` is that file's."""

    id: int
    account: str
    hub_id: str | None
    asked_state: str | None
    register_number: str | None
    reason_code: str | None
    reason: str | None
    paid_on: date | None
    file: str
    digest: str
    position: int
    total: int
    status: str
    outcome: str | None
    refusal_code: str | None
    refusal_reason: str | None
    queued_at: datetime
    settled_at: datetime | None
    answered_at: datetime | None
    next_attempt_at: datetime | None
    trouble: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """Something that happened."""

    id: int
    account: str
    at: datetime
    actor: str
    kind: str
    hub_id: str | None
    detail: Detail


def deliveries(connection: Connection, hub_id: str) -> list[DeliveryRow]:
    """Return the deliveries of an invoice, in every account and feed."""
    rows = select(delivery).where(delivery.c.hub_id == hub_id)
    return answers(connection, DeliveryRow, rows.order_by(delivery.c.id))


def attachments(connection: Connection, hub_id: str) -> list[AttachmentRow]:
    """Return the attachments of an invoice, by position."""
    rows = select(attachment).where(attachment.c.hub_id == hub_id)
    return answers(connection, AttachmentRow, rows.order_by(attachment.c.position))


def files(connection: Connection, hub_id: str) -> list[FileRow]:
    """Return the files of an invoice that were put into a mailbox, in order."""
    rows = select(placed_file).where(placed_file.c.hub_id == hub_id)
    return answers(connection, FileRow, rows.order_by(placed_file.c.id))


def updates(
    connection: Connection, *, hub_id: str | None = None, update_id: int | None = None
) -> list[UpdateRow]:
    """Return the updates of an invoice, oldest first, or the one of an id."""
    wanted = state_update.c.hub_id == hub_id if hub_id else state_update.c.id == update_id
    rows = updates_with_file(state_file.c.digest).where(wanted)
    return answers(connection, UpdateRow, rows.order_by(state_update.c.id))


def attempts(connection: Connection, update_id: int) -> list[AttemptRow]:
    """Return every attempt at an update, oldest first."""
    rows = select(attempt).where(attempt.c.update_id == update_id)
    return answers(connection, AttemptRow, rows.order_by(attempt.c.id))


def events(connection: Connection, hub_id: str) -> list[EventRow]:
    """Return what happened to an invoice, oldest first."""
    rows = select(event).where(event.c.hub_id == hub_id)
    return answers(connection, EventRow, rows.order_by(event.c.id))


def events_of_update(connection: Connection, update: UpdateRow) -> list[EventRow]:
    """Return what happened to an update and to the state file that it came in, oldest first."""
    about = or_(
        event.c.detail["update"].as_integer() == update.id,
        event.c.kind.like("state file%") & (event.c.detail["digest"].as_string() == update.digest),
    )
    near = or_(event.c.hub_id.is_(None), event.c.hub_id == update.hub_id)
    rows = select(event).where(event.c.account == update.account, near, about)
    return answers(connection, EventRow, rows.order_by(event.c.id))
