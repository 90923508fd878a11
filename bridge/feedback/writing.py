"""From what a message says to its bytes, to the letter of the schema."""

import base64
import re
from collections.abc import Iterable
from datetime import date, datetime

from lxml import etree

from bridge.feedback.message import DeliveryFeedback, Feedback, HubFeedback, InvoiceFeedback
from bridge.feedback.times import written_time
from bridge.model import LegacyStatus, State

_STATUS_CODES = {LegacyStatus(state.value): state.public_code for state in State} | {
    LegacyStatus.CANCELED: "3100"
}
"""DeliveryFeedback.xsd, StatusCodeType; VALIDATED has none."""

_REGISTER_TYPES = ("PLTRECIPIENT", "HUB.DELEGATED", "HUB.AUXILIARY")
_HUB_STATUSES = ("SENT", "REJECTED", "DELIVERED")

_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(message: DeliveryFeedback) -> bytes:
    """Return the message as the schema wants it: UTF-8, the same bytes for the same message.

    Times get their offset in Madrid, `StatusCode` is derived where it is not given, characters
    that XML cannot hold become U+FFFD. Raises ValueError for a message without entries, an invoice
    without states, and words that the schema does not list.
    """
    if not message.entries:
        raise ValueError("a DeliveryFeedback needs at least one StatusFeedback")
    root = etree.Element("DeliveryFeedback")
    for entry in message.entries:
        element = etree.SubElement(root, "StatusFeedback")
        if entry.hub is not None:
            _write_hub(etree.SubElement(element, "HubFeedback"), entry.hub)
        if entry.invoice is not None:
            _write_invoice(etree.SubElement(element, "InvoiceFeedback"), entry.invoice)
    body = etree.tostring(root, encoding="UTF-8", xml_declaration=False, pretty_print=True)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + body


def _write_hub(element: etree._Element, hub: HubFeedback) -> None:
    _add(element, "HubId", hub.hub_id)
    _add_given(element, "HubType", hub.type)
    _add_given(element, "HubDate", hub.date)
    _add_given(element, "HubStatus", _listed(hub.status, _HUB_STATUSES))
    _add_given(element, "HubStatusDate", hub.status_date)
    _add_given(element, "HubErrorCode", hub.error_code)
    _add_given(element, "HubFilename", hub.filename)
    _add_given(element, "HubSenderRef", hub.sender_ref)
    _add_given(element, "HubSenderId", hub.sender_id)
    _add_given(element, "HubRecipientId", hub.recipient_id)


def _write_invoice(element: etree._Element, invoice: InvoiceFeedback) -> None:
    if not invoice.feedbacks:
        raise ValueError(f"invoice {invoice.invoice_id}: an InvoiceFeedback needs a Feedback")
    _add(element, "InvoiceId", invoice.invoice_id)
    for name, cif, dept in (
        ("Supplier", invoice.supplier_cif, invoice.supplier_dept),
        ("Buyer", invoice.buyer_cif, invoice.buyer_dept),
    ):
        party = etree.SubElement(element, name)
        _add(party, "Cif", cif)
        _add_given(party, "Dept", dept)
    _add(element, "InvoiceDate", invoice.invoice_date)
    for feedback in invoice.feedbacks:
        _write_feedback(etree.SubElement(element, "Feedback"), feedback)


def _write_feedback(element: etree._Element, feedback: Feedback) -> None:
    status = LegacyStatus(feedback.status)
    code = _listed(feedback.status_code, _STATUS_CODES.values())
    _add(element, "Status", status)
    _add_given(element, "StatusCode", code or _STATUS_CODES.get(status))
    _add(element, "StatusDate", feedback.status_date)
    if feedback.reason_code or feedback.reason:
        reason = etree.SubElement(element, "Reason")
        _add(reason, "Code", feedback.reason_code)
        _add_given(reason, "Description", feedback.reason)
    if feedback.register_data_number or feedback.register_data_date:
        data = etree.SubElement(element, "RegisterData")
        _add_given(data, "Number", feedback.register_data_number)
        _add_given(data, "Date", feedback.register_data_date)
    _add_given(element, "RegisterNumber", feedback.register_number)
    _add_given(element, "RegisterType", _listed(feedback.register_type, _REGISTER_TYPES))
    if feedback.acknowledgment:
        receipt = etree.SubElement(element, "ElectronicAcknowledgment")
        _add(receipt, "formatType", "PDF")
        _add(receipt, "document", base64.b64encode(feedback.acknowledgment).decode())
    _add_given(element, "RcfRegNumber", feedback.rcf_register_number)
    _add_given(element, "PaymentDate", feedback.payment_date)


def _listed(word: str | None, words: Iterable[str]) -> str | None:
    if word and word not in words:
        raise ValueError(f"{word!r} is not a word of the DeliveryFeedback schema")
    return word


def _add_given(element: etree._Element, name: str, value: str | date | None) -> None:
    if value:
        _add(element, name, value)


def _add(element: etree._Element, name: str, value: str | date | None) -> None:
    child = etree.SubElement(element, name)
    if isinstance(value, datetime):
        child.text = written_time(value)
    elif isinstance(value, date):
        child.text = value.isoformat()
    elif value:
        child.text = _UNWRITABLE.sub("\ufffd", value)
