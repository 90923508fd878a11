"""A file of the old mailbox, as it is recognised by its bytes.

A Facturae is an invoice, a DeliveryFeedback makes statements about invoices; both are read with
the tolerance of `facturae` and `feedback`. Receipts and the rest of a message are not kept: there
may be a hundred thousand of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import PurePath

from bridge import feedback
from bridge.errors import RcfFileError
from bridge.facturae import FacturaeError, ensure_well_formed, read_facts
from bridge.feedback import StatusFeedback
from bridge.model import Digest, HubId, InvoiceFacts

_XML_STARTS = (b"<", b"\xef\xbb\xbf<", b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What one entry of a DeliveryFeedback says of an invoice that it knows by its hub id."""

    hub_id: HubId
    filename: str | None = None
    number: str | None = None
    supplier_nif: str | None = None
    issue_date: date | None = None
    registration_number: str | None = None
    registered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Statements:
    """A file that is a DeliveryFeedback."""

    said: tuple[Statement, ...]
    answered: tuple[HubId, ...] = ()
    """Invoices of refused state files, empty where the hub did not know; none in what is none."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A file that may have been an invoice and cannot be read as one."""

    reason: str


EMPTY = Broken("the file is empty")

Content = InvoiceFacts | Statements | Broken | None
"""What a file is; None for anything else, an attachment perhaps."""


class FileKind(StrEnum):
    """What a file of the old mailbox is; ISSUED: the platform's own, on its way to the hub."""

    INVOICE = "invoice"
    ATTACHMENT = "attachment"
    STATE = "state"
    ANSWER = "answer"
    ISSUED = "issued"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class OldFile:
    """A file of the old mailbox."""

    path: PurePath
    """Below the folder that was read."""
    name: str
    """As text that can be stored and shown, whatever the bytes of the real name."""
    modified: datetime
    digest: Digest
    content: Content


def what_it_is(content: bytes) -> Content:
    """Return what the bytes of a file are."""
    try:
        return read_facts(content)
    except FacturaeError:
        pass
    try:
        entries = feedback.read(content).entries
        return Statements(tuple(_statements(entries)), answered=tuple(_answered(entries)))
    except RcfFileError:
        pass
    if not content.strip():
        return EMPTY
    if not content.lstrip().startswith(_XML_STARTS):
        return None
    try:
        ensure_well_formed(content)
    except FacturaeError as error:
        return Broken(str(error))
    return None


def receipts(content: bytes) -> dict[HubId, bytes]:
    """Return the receipts that a state message holds, by invoice; none in what is no message."""
    try:
        entries = feedback.read(content).entries
    except RcfFileError:
        return {}
    found: dict[HubId, bytes] = {}
    for entry in entries:
        for state in entry.invoice.feedbacks if entry.invoice else ():
            if state.acknowledgment and entry.hub and entry.hub.hub_id:
                found.setdefault(HubId(entry.hub.hub_id), state.acknowledgment)
    return found


def _answered(entries: Iterable[StatusFeedback]) -> Iterable[HubId]:
    for entry in entries:
        if entry.hub is not None and entry.hub.status == "REJECTED":
            yield HubId(entry.hub.hub_id)


def _statements(entries: Iterable[StatusFeedback]) -> Iterable[Statement]:
    """Yield what is said of invoices; an answer to a state file names that file, no invoice."""
    for entry in entries:
        hub, about = entry.hub, entry.invoice
        if hub is None or not hub.hub_id or hub.status == "REJECTED":
            continue
        states = about.feedbacks if about else ()
        registered = next((state for state in states if state.register_data_date), None)
        yield Statement(
            hub_id=HubId(hub.hub_id),
            filename=hub.filename,
            number=about.invoice_id if about else None,
            supplier_nif=about.supplier_cif if about else None,
            issue_date=about.invoice_date if about else None,
            registration_number=registered.register_data_number if registered else None,
            registered_at=registered.register_data_date if registered else None,
        )
