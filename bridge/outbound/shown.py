"""What the hub shows of an invoice, asked before and after it is told anything."""

from collections.abc import Iterator
from contextlib import contextmanager

from bridge.errors import HubAwayError, InvoiceError
from bridge.hub import HubReader, UnclearAnswerError
from bridge.hub.errors import NoHistoryError
from bridge.model import HubId, Invoice, StateRecord


def shown(hub: HubReader, hub_id: HubId) -> Invoice:
    """Return what the hub shows of an invoice.

    Its state is from the history where the hub left it out, or gave a word that we do not know.
    """
    invoice = hub.invoice(hub_id)
    if invoice.state is not None:
        return invoice
    try:
        history = hub.history(hub_id)
    except NoHistoryError:
        history = ()
    if history and history[-1].state is not None:
        return as_shown(hub_id, history[-1])
    if not invoice.state_text:
        raise InvoiceError(f"invoice {hub_id}: the hub does not say which state it is in")
    return invoice


def as_shown(hub_id: HubId, record: StateRecord) -> Invoice:
    """Return the invoice as a line of its history shows it."""
    return Invoice(
        hub_id=hub_id,
        state=record.state,
        state_at=record.at,
        register_number=record.register_number,
        reason_code=record.reason_code,
        reason=record.reason,
        paid_on=record.paid_on,
    )


@contextmanager
def still_unclear(error: UnclearAnswerError) -> Iterator[None]:
    """Raise the unclear answer again where the hub cannot be asked: it is asked at the next try."""
    try:
        yield
    except (InvoiceError, HubAwayError) as problem:
        raise error from problem
