"""What a Facturae file says of itself: versions 3.2, 3.2.1 and 3.2.2, signed or not.

`read_facts` asks no more of a file than that it is a whole Facturae: that alone decides whether an
invoice may be placed. Each fact that is missing or malformed is None. `ensure_well_formed` tells a
whole XML document from one that was cut off. Nothing here judges the invoice: that was for the hub.
"""

import re
from decimal import Decimal

from lxml import etree

from bridge.errors import InvoiceError
from bridge.feedback import read_date
from bridge.model import Centre, InvoiceFacts
from bridge.xml import XmlError, children, find, local_name, parse, text_of

MAX_BYTES = 64 * 1024 * 1024
"""An invoice can carry its attachments in itself, in base64."""

_AMOUNT = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")


class FacturaeError(InvoiceError):
    """A file that is no invoice: not one complete XML document, or not a Facturae."""


def ensure_well_formed(content: bytes) -> None:
    """Raise FacturaeError unless the bytes are one complete XML document without a DOCTYPE."""
    _parsed(content)


def read_facts(content: bytes) -> InvoiceFacts:
    """Return what an invoice file says of itself; of a batch, the facts of its first invoice.

    The total is that of the invoice, in the invoice's currency. Raises FacturaeError when the file
    is not one complete XML document or its root is not Facturae.
    """
    root = _parsed(content)
    if local_name(root) != "Facturae":
        raise FacturaeError(f"the file is no Facturae: it starts with <{local_name(root)[:80]}>")
    invoice = find(root, "Invoices", "Invoice")
    parties = find(root, "Parties")
    return InvoiceFacts(
        number=text_of(invoice, "InvoiceHeader", "InvoiceNumber"),
        series=text_of(invoice, "InvoiceHeader", "InvoiceSeriesCode"),
        issue_date=read_date(text_of(invoice, "InvoiceIssueData", "IssueDate")),
        total=_amount(text_of(invoice, "InvoiceTotals", "InvoiceTotal")),
        seller_nif=_nif(find(parties, "SellerParty")),
        buyer_nif=_nif(find(parties, "BuyerParty")),
        seller_name=_name(find(parties, "SellerParty")),
        buyer_name=_name(find(parties, "BuyerParty")),
        centres=_centres(find(parties, "BuyerParty", "AdministrativeCentres")),
    )


def _parsed(content: bytes) -> etree._Element:
    try:
        return parse(content, max_bytes=MAX_BYTES)
    except XmlError as error:
        raise FacturaeError(
            f"the invoice file is not one complete XML document: {error}"
        ) from error


def _amount(text: str | None) -> Decimal | None:
    return Decimal(text) if text and _AMOUNT.fullmatch(text) else None


def _nif(party: etree._Element | None) -> str | None:
    return text_of(party, "TaxIdentification", "TaxIdentificationNumber")


def _name(party: etree._Element | None) -> str | None:
    person = find(party, "Individual")
    parts = (text_of(person, name) for name in ("Name", "FirstSurname", "SecondSurname"))
    return text_of(party, "LegalEntity", "CorporateName") or " ".join(filter(None, parts)) or None


def _centres(element: etree._Element | None) -> tuple[Centre, ...]:
    return tuple(
        Centre(
            code=code,
            role=text_of(centre, "RoleTypeCode") or "",
        )
        for centre in children(element, "AdministrativeCentre")
        if (code := text_of(centre, "CentreCode"))
    )
