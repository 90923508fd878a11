"""The messages that the bridge puts into `statout`, as the old hub did.

One beside each invoice says that it was registered and carries the receipt; an answer to a state
file says what was refused and why (legacy-ftp, "The message in `statout` beside an invoice").
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.feedback import (
    DeliveryFeedback,
    Feedback,
    HubFeedback,
    InvoiceFeedback,
    StatusFeedback,
)
from bridge.model import HubId, Invoice, InvoiceFacts, Refusal, State


def registered(
    invoice: Invoice,
    facts: InvoiceFacts | None,
    *,
    listed_nif: str | None,
    receipt: bytes | None,
    filename: str,
    now: datetime,
) -> DeliveryFeedback:
    """Return the message beside an invoice.

    What the hub did not give comes from the Facturae file, then from the pending list
    (`listed_nif`); a registration without a date bears the date of the state, else `now`.
    """
    when = invoice.registered_at or invoice.state_at or now
    state = Feedback(
        status=State.REGISTERED,
        status_date=when,
        register_data_number=invoice.registration_number,
        register_data_date=invoice.registered_at,
        register_number=invoice.registration_number,
        acknowledgment=receipt,
    )
    about = InvoiceFeedback(
        invoice_id=invoice.number or (facts.number if facts else None),
        supplier_cif=invoice.supplier_nif or (facts.seller_nif if facts else None),
        buyer_cif=invoice.receiver_nif or (facts.buyer_nif if facts else None) or listed_nif,
        invoice_date=invoice.issue_date or (facts.issue_date if facts else None) or when.date(),
        feedbacks=(state,),
    )
    hub = HubFeedback(hub_id=invoice.hub_id, filename=filename)
    return DeliveryFeedback(entries=(StatusFeedback(hub=hub, invoice=about),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """One update that was refused, by its place in the state file (from 1)."""

    hub_id: HubId | None
    refusal: Refusal
    position: int
    total: int


def refused(updates: Sequence[Refused], *, filename: str, now: datetime) -> DeliveryFeedback:
    """Return the answer to a state file: one entry for each refused update."""
    return DeliveryFeedback(
        entries=tuple(
            StatusFeedback(
                hub=HubFeedback(
                    hub_id=update.hub_id or "",
                    status="REJECTED",
                    status_date=now,
                    error_code=error_code(update),
                    filename=filename,
                )
            )
            for update in updates
        )
    )


def error_code(update: Refused) -> str:
    """Return a refusal as `HubErrorCode` tells it: the code, the reason, the place in the file."""
    text = f"{update.refusal.code} {update.refusal.reason}"
    return f"{text} (update {update.position} of {update.total})" if update.total else text
