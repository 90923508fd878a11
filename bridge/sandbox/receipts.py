"""The electronic receipt of an invoice: a PDF with its registration number."""

from bridge.model import Invoice
from bridge.sandbox.pdf import one_page
from bridge.sandbox.wire import MADRID


def receipt(invoice: Invoice) -> bytes:
    """Return the receipt; the same invoice gives the same bytes."""
    registered = invoice.registered_at
    when = registered.astimezone(MADRID).strftime("%d/%m/%Y %H:%M:%S") if registered else "-"
    return one_page(
        "Rebut de registre electrònic",
        (
            f"Número de registre: {invoice.registration_number or '-'}",
            f"Data de registre: {when}",
            f"Identificador e.FACT: {invoice.hub_id}",
            "",
            f"Factura: {invoice.number or '-'}",
            f"Import: {invoice.amount if invoice.amount is not None else '-'} EUR",
            f"Proveïdor: {invoice.supplier_name or '-'} ({invoice.supplier_nif or '-'})",
            f"Receptor: {invoice.receiver_name or '-'} ({invoice.receiver_nif or '-'})",
            "",
            "Document de prova del sandbox d'efact-bridge, sense cap validesa.",
        ),
    )
