"""The whole life of one invoice, or of one state update, from the ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy import Connection

from bridge.blame import Blame, Caller
from bridge.ledger import Ledger, histories, summary
from bridge.ledger.histories import (
    AttachmentRow,
    AttemptRow,
    DeliveryRow,
    EventRow,
    FileRow,
    UpdateRow,
)
from bridge.status import blaming
from bridge.status.turns import OPEN, still_to_come, waits_for

_MOST_DIGITS = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateLife:
    """A state update, every attempt at it, and what happened to it, oldest first.

    `blame` says whose fault it is that it waits or was refused.
    """

    row: UpdateRow
    blame: Blame | None
    attempts: tuple[AttemptRow, ...]
    events: tuple[EventRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceLife:
    """An invoice with all that came of it, oldest first; `deliveries` has one for each feed.

    `blame` says whose fault it is that a delivery of it does not come on.
    """

    hub_id: str
    blame: Blame | None
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


def life(
    ledger: Ledger,
    some_id: str,
    *,
    callers: Mapping[str, Caller] | None = None,
    now: datetime | None = None,
) -> Life | None:
    """Return the life of the invoice of this hub id and of the update of this id.

    `callers` tells by the account's name who calls the hub; of the trouble of others nobody is
    blamed. None when the ledger knows neither; raises LedgerError.
    """
    with ledger.read() as connection:
        reader = _Reader(connection, callers or {}, now or datetime.now(UTC))
        invoice = reader.invoice(some_id)
        update = reader.update(some_id)
    if invoice is None and update is None:
        return None
    return Life(id=some_id, invoice=invoice, update=update)


class _Reader:
    """Puts lives together from the ledger."""

    def __init__(
        self, connection: Connection, callers: Mapping[str, Caller], now: datetime
    ) -> None:
        self._connection = connection
        self._callers = callers
        self._now = now

    def invoice(self, hub_id: str) -> InvoiceLife | None:
        connection = self._connection
        deliveries = histories.deliveries(connection, hub_id)
        updates = [self._whole(row) for row in histories.updates(connection, hub_id=hub_id)]
        attachments = histories.attachments(connection, hub_id)
        if not (deliveries or updates or attachments):
            return None
        events = {event.id: event for event in histories.events(connection, hub_id)}
        events |= {event.id: event for update in updates for event in update.events}
        blames = (self._of_delivery(row) for row in deliveries)
        return InvoiceLife(
            hub_id=hub_id,
            blame=next((it for it in blames if it is not None), None),
            deliveries=tuple(deliveries),
            attachments=tuple(attachments),
            files=tuple(histories.files(connection, hub_id)),
            updates=tuple(updates),
            events=tuple(events[event_id] for event_id in sorted(events)),
        )

    def update(self, some_id: str) -> UpdateLife | None:
        if not (some_id.isascii() and some_id.isdigit() and len(some_id) <= _MOST_DIGITS):
            return None
        rows = histories.updates(self._connection, update_id=int(some_id))
        return self._whole(rows[0]) if rows else None

    def _whole(self, row: UpdateRow) -> UpdateLife:
        attempts = histories.attempts(self._connection, row.id)
        ahead = self._ahead_of(row)
        if ahead is not None:
            row = replace(row, trouble=waits_for(ahead.id), next_attempt_at=ahead.next_attempt_at)
        if self._is_stopped(row.account):
            (row,) = still_to_come([row], now=self._now)
        return UpdateLife(
            row=row,
            blame=None if ahead is not None else self._of_update(row, attempts),
            attempts=tuple(attempts),
            events=tuple(histories.events_of_update(self._connection, row)),
        )

    def _of_delivery(self, row: DeliveryRow) -> Blame | None:
        caller = self._callers.get(row.account)
        if caller is None or row.trouble is None:
            return None
        return blaming.of_one(
            caller,
            row.trouble,
            hub_away=self._hub_away(row.account),
            hub_id=row.hub_id,
            since=row.seen_at,
        )

    def _of_update(self, row: UpdateRow, attempts: Sequence[AttemptRow]) -> Blame | None:
        caller = self._callers.get(row.account)
        if caller is None:
            return None
        since = attempts[-1].at if attempts else row.queued_at
        if row.refusal_code is not None:
            return blaming.of_refusal(
                caller,
                row.refusal_code,
                row.refusal_reason or "",
                hub_id=row.hub_id,
                update_id=row.id,
                since=since,
            )
        if row.trouble is None:
            return None
        return blaming.of_one(
            caller,
            row.trouble,
            hub_away=self._hub_away(row.account),
            hub_id=row.hub_id,
            update_id=row.id,
            since=since,
        )

    def _hub_away(self, account: str) -> bool:
        return summary.of_account(self._connection, account).hub_reachable is False

    def _is_stopped(self, account: str) -> bool:
        return self._hub_away(account) or (
            summary.of_account(self._connection, account).trouble is not None
        )

    def _ahead_of(self, row: UpdateRow) -> UpdateRow | None:
        """Return the update of the same invoice that goes first."""
        if row.hub_id is None or row.status not in OPEN:
            return None
        rows = histories.updates(self._connection, hub_id=row.hub_id)
        mine = (it for it in rows if it.account == row.account and it.status in OPEN)
        first = next(mine, row)
        return None if first.id == row.id else first
