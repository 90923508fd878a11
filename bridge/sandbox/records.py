"""What the pretend hub keeps: frozen records, with the model's nouns inside."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from bridge.model import Attachment, HubId, Invoice, State, StateRecord

Content = Callable[[], bytes]
"""A file, made when it is asked for, so that a hub of 100,000 invoices fits in memory."""


def content_of(data: bytes) -> Content:
    """Return these bytes as a file."""
    return lambda: data


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """Liberties that the hub's page takes with its own fields (hub-rest-api, "Invoice data")."""

    bare: bool = False
    """The invoice data lacks `id` and the DIR3 codes, like the published example."""
    milliseconds: bool = True
    """Date-times bear milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldAttachment:
    """An attachment; `pending` until it is acknowledged with DELETE, and kept after that."""

    attachment: Attachment
    content: bytes
    content_type: str
    pending: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldInvoice:
    """An invoice as the hub holds it."""

    invoice: Invoice
    """What the hub says of it; its `attachments` stay empty here: see below."""
    facturae: Content
    receipt: Content | None
    """None: the receipt cannot be generated (9002)."""
    history: tuple[StateRecord, ...]
    """Empty: the hub has no history of it (2003)."""
    attachments: tuple[HeldAttachment, ...] = ()
    pending: bool = True
    quirks: Quirks = Quirks()

    @property
    def hub_id(self) -> HubId:
        """The id of the invoice."""
        return self.invoice.hub_id

    @property
    def pending_attachments(self) -> tuple[HeldAttachment, ...]:
        """The attachments that nobody acknowledged."""
        return tuple(each for each in self.attachments if each.pending)

    @property
    def state(self) -> State:
        """The state that the hub shows."""
        assert self.invoice.state is not None
        return self.invoice.state

    def entering(self, record: StateRecord) -> "HeldInvoice":
        """Return the invoice after one more line in its history."""
        assert record.state is not None
        changes: dict[str, Any] = {
            "state": record.state,
            "state_text": record.state_text,
            "state_at": record.at,
            "reason_code": record.reason_code,
            "reason": record.reason,
            "paid_on": record.paid_on,
        }
        if record.register_number is not None:
            changes["register_number"] = record.register_number
        leaves = record.state in (State.DELIVERED, State.ANNOTATED)
        return replace(
            self,
            invoice=replace(self.invoice, **changes),
            history=(*self.history, record),
            pending=self.pending and not leaves,
        )
