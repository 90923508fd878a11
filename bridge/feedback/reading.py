"""From the bytes of a state file or message to what it says."""

import base64
from collections.abc import Iterable

from lxml import etree

from bridge.errors import RcfFileError
from bridge.feedback.message import (
    DeliveryFeedback,
    Feedback,
    HubFeedback,
    InvoiceFeedback,
    StatusFeedback,
)
from bridge.feedback.times import read_date, read_time
from bridge.xml import XmlError, children, find, local_name, parse_tolerantly, text_of

MAX_BYTES = 10 * 1024 * 1024


def read(content: bytes, *, max_bytes: int = MAX_BYTES) -> DeliveryFeedback:
    """Return what a state file says.

    Raises RcfFileError: BR07 for more than `max_bytes` or more markup than `xml` takes, BR01 for
    what is not well-formed, has a DOCTYPE, or has another root than DeliveryFeedback.
    """
    try:
        root = parse_tolerantly(content, max_bytes=max_bytes)
    except XmlError as error:
        if error.too_large:
            raise RcfFileError("BR07", f"the file is too large: {error}") from error
        raise RcfFileError("BR01", f"the file is not readable as XML: {error}") from error
    if local_name(root) != "DeliveryFeedback":
        raise RcfFileError(
            "BR01",
            f"the file is no DeliveryFeedback: it starts with <{local_name(root)[:80]}> "
            f"in line {root.sourceline}",
        )
    entries = (entry for item in children(root, "StatusFeedback") for entry in _entries(item))
    return DeliveryFeedback(entries=tuple(entries))


def _entries(element: etree._Element) -> Iterable[StatusFeedback]:
    """Return the entries of one StatusFeedback: one, or one for each of several invoices.

    The schema allows one invoice; further ones do not inherit the HubId, which may not be theirs.
    """
    hub = _hub(find(element, "HubFeedback"))
    invoices = [_invoice(item) for item in children(element, "InvoiceFeedback")]
    yield StatusFeedback(hub=hub, invoice=invoices[0] if invoices else None)
    for invoice in invoices[1:]:
        yield StatusFeedback(invoice=invoice)


def _hub(element: etree._Element | None) -> HubFeedback | None:
    if element is None:
        return None
    return HubFeedback(
        hub_id=text_of(element, "HubId") or "",
        type=text_of(element, "HubType"),
        date=read_time(text_of(element, "HubDate")),
        status=text_of(element, "HubStatus"),
        status_date=read_time(text_of(element, "HubStatusDate")),
        error_code=text_of(element, "HubErrorCode"),
        filename=text_of(element, "HubFilename"),
        sender_ref=text_of(element, "HubSenderRef"),
        sender_id=text_of(element, "HubSenderId"),
        recipient_id=text_of(element, "HubRecipientId"),
    )


def _invoice(element: etree._Element) -> InvoiceFeedback:
    return InvoiceFeedback(
        invoice_id=text_of(element, "InvoiceId"),
        supplier_cif=text_of(element, "Supplier", "Cif"),
        supplier_dept=text_of(element, "Supplier", "Dept"),
        buyer_cif=text_of(element, "Buyer", "Cif"),
        buyer_dept=text_of(element, "Buyer", "Dept"),
        invoice_date=read_date(text_of(element, "InvoiceDate")),
        feedbacks=tuple(_feedback(item) for item in children(element, "Feedback")),
    )


def _feedback(element: etree._Element) -> Feedback:
    paid = text_of(element, "PaymentDate")
    payment_date = read_time(paid)
    return Feedback(
        status=text_of(element, "Status") or "",
        status_code=text_of(element, "StatusCode"),
        status_date=read_time(text_of(element, "StatusDate")),
        reason_code=text_of(element, "Reason", "Code"),
        reason=text_of(element, "Reason", "Description"),
        register_data_number=text_of(element, "RegisterData", "Number"),
        register_data_date=read_time(text_of(element, "RegisterData", "Date")),
        register_number=text_of(element, "RegisterNumber"),
        register_type=text_of(element, "RegisterType"),
        acknowledgment=_read_base64(text_of(element, "ElectronicAcknowledgment", "document")),
        rcf_register_number=text_of(element, "RcfRegNumber"),
        payment_date=payment_date,
        unreadable_payment_date=paid if paid and payment_date is None else None,
    )


def _read_base64(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        return base64.b64decode(text) or None
    except ValueError:  # wrong padding, or a letter outside ASCII
        return None
