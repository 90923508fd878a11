"""A folder of real Facturae files as the hub's invoices, in place of generated ones."""

from collections.abc import Iterator
from pathlib import Path

import structlog

from bridge.errors import InvoiceError, SettingsError
from bridge.facturae import read_facts
from bridge.model import HubId, Invoice, InvoiceFacts

log = structlog.get_logger()

EXTENSIONS = frozenset({".xml", ".xsig"})
"""In any case of letters; other files of the folder are left alone."""

_ACCOUNTING_OFFICE, _MANAGING_BODY, _PROCESSING_UNIT = "01", "02", "03"


def read_folder(folder: Path) -> Iterator[tuple[bytes, InvoiceFacts]]:
    """Yield the invoices of a folder, by name, each with what it says of itself.

    What is no Facturae is passed over with a warning. Raises SettingsError when the folder cannot
    be read or has no invoice.
    """
    found = False
    try:
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() not in EXTENSIONS or not path.is_file():
                continue
            content = path.read_bytes()
            try:
                facts = read_facts(content)
            except InvoiceError as error:
                log.warning("file passed over", file=path.name, reason=str(error))
                continue
            found = True
            yield content, facts
    except OSError as error:
        raise SettingsError(f"{folder}: the invoices cannot be read: {error.strerror}") from error
    if not found:
        raise SettingsError(f"{folder}: no Facturae file (.xml, .xsig) was found in this folder")


def invoice_of(hub_id: HubId, facts: InvoiceFacts) -> Invoice:
    """Return what the hub says of an invoice that came as a file."""
    offices = {centre.role: centre.code for centre in facts.centres}
    return Invoice(
        hub_id=hub_id,
        number=facts.number,
        issue_date=facts.issue_date,
        amount=facts.total,
        supplier_nif=facts.seller_nif,
        supplier_name=facts.seller_name,
        receiver_nif=facts.buyer_nif,
        receiver_name=facts.buyer_name,
        accounting_office=offices.get(_ACCOUNTING_OFFICE),
        managing_body=offices.get(_MANAGING_BODY),
        processing_unit=offices.get(_PROCESSING_UNIT),
    )
