"""DeliveryFeedback: state messages and state files, read with tolerance and written strictly.

Reading takes what real software writes (legacy-ftp, "DeliveryFeedback"): elements in any order, in
any namespace, missing or empty; any encoding; dates in several forms. What is missing is None, and
whether that matters is for `translate` to say. Only a file that is no DeliveryFeedback is refused.

Writing keeps to the published schema (DeliveryFeedback.xsd): order, required elements, formats.
Where data for a required element is missing the element is written empty: it keeps its place, but
an empty `InvoiceDate` or `StatusDate` does not validate, so callers fill those two.
"""

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from lxml import etree

from bridge.errors import RcfFileError
from bridge.model import LegacyStatus, State
from bridge.xml import XmlError, children, find, local_name, parse_tolerantly, text_of

MADRID = ZoneInfo("Europe/Madrid")
"""The zone of a time that bears none."""

MAX_BYTES = 10 * 1024 * 1024


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


_YEAR_FIRST = r"(?P<y>[0-9]{4})[-/](?P<m>[0-9]{1,2})[-/](?P<d>[0-9]{1,2})"
_TIME = r"(?P<h>[0-9]{1,2}):(?P<min>[0-9]{2})(?::(?P<s>[0-9]{2})(?:[.,](?P<f>[0-9]+))?)?"
_ZONE = r"(?:(?P<utc>[Zz])|(?P<sign>[+-])(?P<zh>[0-9]{2}):?(?P<zm>[0-9]{2}))"
_TIME_FORMS = tuple(
    re.compile(rf"{day}(?:(?:[Tt]|\s+){_TIME})?\s*{_ZONE}?")
    for day in (
        _YEAR_FIRST,
        r"(?P<y>[0-9]{4})(?P<m>[0-9]{2})(?P<d>[0-9]{2})",
        r"(?P<d>[0-9]{1,2})[-/.](?P<m>[0-9]{1,2})[-/.](?P<y>[0-9]{4})",
    )
)

_YEARS = range(1902, 9999)
"""Other years are placeholders: software writes 0001-01-01 for a date that it does not have."""


def read_time(text: str | None) -> datetime | None:
    """Return the aware time of a sloppy xs:dateTime, or None where there is no telling.

    Taken are dates alone (midnight in Madrid, whatever their zone), times with and without seconds,
    fractions and zone (none means Madrid), and days written 31/12/2024.
    """
    match = _match_time(text)
    if match is None:
        return None
    part = match.groupdict()
    try:
        day = datetime(int(part["y"]), int(part["m"]), int(part["d"]), tzinfo=MADRID)
        if part["h"] is None:
            return day
        return day.replace(
            hour=int(part["h"]),
            minute=int(part["min"]),
            second=int(part["s"] or 0),
            microsecond=int((part["f"] or "0")[:6].ljust(6, "0")),
            tzinfo=_zone(part),
        )
    except ValueError:
        return None


def read_date(text: str | None) -> date | None:
    """Return the day as it is written in a sloppy xs:date, or None where there is no telling."""
    match = _match_time(text)
    if match is None:
        return None
    try:
        return date(int(match["y"]), int(match["m"]), int(match["d"]))
    except ValueError:
        return None


def _match_time(text: str | None) -> re.Match[str] | None:
    for form in _TIME_FORMS if text else ():
        match = form.fullmatch(text or "")
        if match is not None and int(match["y"]) in _YEARS:
            return match
    return None


def _zone(part: dict[str, str | None]) -> ZoneInfo | timezone:
    if part["utc"]:
        return UTC
    if part["sign"] is None:
        return MADRID
    offset = timedelta(hours=int(part["zh"] or 0), minutes=int(part["zm"] or 0))
    return timezone(-offset if part["sign"] == "-" else offset)


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
        child.text = _written_time(value)
    elif isinstance(value, date):
        child.text = value.isoformat()
    elif value:
        child.text = _UNWRITABLE.sub("\ufffd", value)


def _written_time(moment: datetime) -> str:
    if moment.year not in _YEARS:
        moment = moment.replace(tzinfo=UTC)  # a placeholder, and Madrid's offset had seconds once
    elif moment.tzinfo is None:
        moment = moment.replace(tzinfo=MADRID)
    else:
        moment = moment.astimezone(MADRID)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
