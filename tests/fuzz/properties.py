"""What must hold for any bytes, as functions that raise AssertionError where it does not.

Any exception but those that a function of the core documents is a finding as well.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bridge import feedback
from bridge.errors import InvoiceError, RcfFileError
from bridge.facturae import FacturaeError, ensure_well_formed, read_facts
from bridge.feedback import DeliveryFeedback, HubFeedback, StatusFeedback
from bridge.model import LegacyStatus
from bridge.naming import (
    Folder,
    NameParts,
    ProfileError,
    extension_of,
    is_temporary,
    parse_profile,
)
from bridge.settings import read_profile
from bridge.translate import updates_of

CORPUS = Path(__file__).parent / "corpus"
"""Own documents and names to begin with, in a folder for each target."""

FEEDBACK_NAMES = (
    *("DeliveryFeedback", "StatusFeedback", "HubFeedback", "HubId", "HubStatus", "HubDate"),
    *("InvoiceFeedback", "InvoiceId", "Supplier", "Buyer", "Cif", "InvoiceDate", "Feedback"),
    *("Status", "StatusCode", "StatusDate", "Reason", "Code", "Description", "RegisterData"),
    *("Number", "Date", "RegisterType", "ElectronicAcknowledgment", "document", "PaymentDate"),
)
FACTURAE_NAMES = (
    *("Facturae", "FileHeader", "SchemaVersion", "Modality", "Batch", "InvoiceCurrencyCode"),
    *("Parties", "SellerParty", "BuyerParty", "TaxIdentification", "TaxIdentificationNumber"),
    *("Individual", "Name", "LegalEntity", "CorporateName", "AdministrativeCentres"),
    *("AdministrativeCentre", "CentreCode", "RoleTypeCode", "Invoices", "Invoice"),
    *("InvoiceHeader", "InvoiceNumber", "InvoiceIssueData", "IssueDate", "InvoiceTotals"),
    *("InvoiceTotal",),
)

PROFILE = parse_profile(read_profile("efact"))
TEMPORARY = ("*.filepart", "*.part", "*.tmp", ".*", "~*")


def tree(data: bytes, names: Sequence[str]) -> bytes:
    """Return a well-formed document in which bytes choose elements: most others are refused early.

    The first of the names is the root. Bytes from 0xC0 on open an element, those from 0xA0 on
    close one, the others are text.
    """
    opened, parts = [names[0]], [f"<{names[0]}>"]
    for byte in data:
        if byte >= 0xC0:
            opened.append(names[(byte - 0xC0) % len(names)])
            parts.append(f"<{opened[-1]}>")
        elif byte >= 0xA0:
            parts.append(f"</{opened.pop()}>" if len(opened) > 1 else "&amp;")
        elif byte >= 0x20 and chr(byte) not in "<&":
            parts.append(chr(byte))
    parts += [f"</{name}>" for name in reversed(opened)]
    return "".join(parts).encode()


def state_file(content: bytes) -> None:
    """A state file is read or refused; what was read can be translated, written, read again."""
    try:
        message = feedback.read(content)
    except RcfFileError as error:
        _ensure(error.code in {"BR01", "BR07"} and "\n" not in error.reason, str(error))
        return
    found = updates_of(message)
    assert [update.position for update in found] == list(range(1, len(found) + 1))
    told = _in_words_of_the_schema(message)
    if told.entries:
        written = feedback.write(told)
        assert feedback.write(feedback.read(written)) == written


def _ensure(holds: bool, what: str) -> None:
    assert holds, what


def _in_words_of_the_schema(message: DeliveryFeedback) -> DeliveryFeedback:
    """Return what `write` takes of a message; it raises ValueError for the rest, on purpose."""
    return DeliveryFeedback(entries=tuple(map(_writable, message.entries)))


def _writable(entry: StatusFeedback) -> StatusFeedback:
    hub = replace(entry.hub, status="REJECTED") if entry.hub else HubFeedback()
    states = tuple(
        replace(state, status_code=None, register_type=None)
        for state in (entry.invoice.feedbacks if entry.invoice else ())
        if state.status in {str(status) for status in LegacyStatus}
    )
    if entry.invoice is None or not states:
        return StatusFeedback(hub=hub)
    return StatusFeedback(hub=hub, invoice=replace(entry.invoice, feedbacks=states))


def invoice_file(content: bytes) -> None:
    """An invoice file is whole or not; only of a whole one are there facts."""
    try:
        ensure_well_formed(content)
    except FacturaeError:
        whole = False
    else:
        whole = True
    try:
        facts = read_facts(content)
    except FacturaeError as error:
        _ensure("\n" not in str(error), str(error))
        return
    assert whole
    assert all(centre.code for centre in facts.centres)
    assert facts.total is None or facts.total.is_finite()


def name(content: bytes) -> None:
    """A name tells something or nothing; the ids that it tells can be written and come back."""
    text = content.decode("utf-8", "surrogateescape")
    PROFILE.role_of(text)
    PROFILE.is_state_file(text)
    is_temporary(text, TEMPORARY)
    assert extension_of(text).isascii()
    for folder in Folder:
        told = PROFILE.parse(folder, text)
        if told is not None:
            _ids_come_back(folder, told)


def _ids_come_back(folder: Folder, told: NameParts) -> None:
    write = {
        Folder.OUT: PROFILE.invoice_name,
        Folder.ADJOUT: PROFILE.attachment_name,
        Folder.STATOUT: PROFILE.message_name,
        Folder.STATIN: PROFILE.state_file_name,
    }[folder]
    try:
        written = write(told)
    except InvoiceError:  # its ids are too long for a name
        return
    assert len(written.encode()) <= PROFILE.max_bytes
    assert not set(written) & set('/\\:*?"<>|')
    again = PROFILE.parse(folder, written)
    assert again is not None
    ids = ("hub_id", "message_id", "attachment")
    assert [getattr(again, field) for field in ids] == [getattr(told, field) for field in ids]


def profile(content: bytes) -> None:
    """A naming profile is taken or refused; one that is taken writes names that it can read."""
    try:
        taken = parse_profile(content.decode("utf-8", "replace"))
    except ProfileError:
        return
    parts = NameParts(sender="A", receiver="B", reference="C", hub_id="7", message_id="8")
    found = taken.parse(Folder.OUT, taken.invoice_name(parts))
    assert found is not None
    assert found.hub_id == "7"


def feedback_target(content: bytes) -> None:
    """Try these bytes as a state file, and one that is made of them."""
    state_file(content)
    state_file(tree(content, FEEDBACK_NAMES))


def facturae_target(content: bytes) -> None:
    """Try these bytes as an invoice, and one that is made of them."""
    invoice_file(content)
    invoice_file(tree(content, FACTURAE_NAMES))


TARGETS = {
    "feedback": feedback_target,
    "facturae": facturae_target,
    "naming": name,
    "profile": profile,
}
"""What to call with any bytes, by the name of its corpus and on the command line."""
