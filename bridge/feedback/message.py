"""What a DeliveryFeedback says, as values; None is what is missing or cannot be understood."""

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFeedback:
    """What identifies the message within the hub; `hub_id` is empty where it is not known."""

    hub_id: str = ""
    type: str | None = None
    date: datetime | None = None
    status: str | None = None
    """SENT, REJECTED or DELIVERED."""
    status_date: datetime | None = None
    error_code: str | None = None
    filename: str | None = None
    sender_ref: str | None = None
    sender_id: str | None = None
    recipient_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """One state of one invoice. `status` is the word as it stands in the file, trimmed."""

    status: str = ""
    status_code: str | None = None
    status_date: datetime | None = None
    reason_code: str | None = None
    reason: str | None = None
    register_data_number: str | None = None
    register_data_date: datetime | None = None
    register_number: str | None = None
    register_type: str | None = None
    acknowledgment: bytes | None = None
    """The receipt: the bytes of a PDF."""
    rcf_register_number: str | None = None
    payment_date: datetime | None = None
    unreadable_payment_date: str | None = None
    """What stands there where it is no date: a final state must not get another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceFeedback:
    """The invoice a message is about, and its states in document order."""

    invoice_id: str | None = None
    supplier_cif: str | None = None
    supplier_dept: str | None = None
    buyer_cif: str | None = None
    buyer_dept: str | None = None
    invoice_date: date | None = None
    feedbacks: tuple[Feedback, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusFeedback:
    """One entry of a message: the hub's side of it, the invoice's side, or both."""

    hub: HubFeedback | None = None
    invoice: InvoiceFeedback | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFeedback:
    """A whole state message or state file."""

    entries: tuple[StatusFeedback, ...] = ()
