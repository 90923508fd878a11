"""What the files and the data of an invoice tell, as the ledger and its events keep it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime

from pydantic import TypeAdapter

from bridge.chain import Value
from bridge.model import Digest, Invoice, InvoiceFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What the files and the data of an invoice tell, as the ledger keeps it."""

    number: str | None = None
    """As the hub gives it."""
    file_number: str | None = None
    """As the Facturae file gives it, and its series."""
    file_series: str | None = None
    issue_date: date | None = None
    amount: str | None = None
    """A decimal, to the letter."""
    supplier_nif: str | None = None
    receiver_nif: str | None = None
    registration_number: str | None = None
    registered_at: datetime | None = None
    digest: Digest | None = None
    """Of the Facturae file; None where only a message of the old mailbox tells of it so far."""
    receipt_digest: Digest | None = None
    receipt_trouble: str | None = None
    """Why it goes without its receipt."""
    unreadable: str | None = None
    """Why the file is no readable Facturae."""

    @property
    def columns(self) -> dict[str, object]:
        """Their values by the names of the ledger's columns."""
        return {name: getattr(self, name) for name in NAMES}

    def as_detail(self) -> dict[str, Value]:
        """Return them as an event tells them: what is not known is left out."""
        detail: dict[str, Value] = _CONTENTS.dump_python(self, mode="json", exclude_none=True)
        return detail

    @staticmethod
    def from_detail(detail: Mapping[str, Value]) -> "Contents":
        """Return the contents of which an event tells."""
        return _CONTENTS.validate_python(detail)


def contents_of(
    invoice: Invoice,
    facts: InvoiceFacts | None,
    *,
    digest: Digest,
    receipt_digest: Digest | None,
    receipt_trouble: str | None,
) -> Contents:
    """Bring together what the hub says of an invoice and what its file says."""
    return Contents(
        number=invoice.number,
        file_number=facts.number if facts else None,
        file_series=facts.series if facts else None,
        issue_date=invoice.issue_date or (facts.issue_date if facts else None),
        amount=None if invoice.amount is None else str(invoice.amount),
        supplier_nif=invoice.supplier_nif or (facts.seller_nif if facts else None),
        receiver_nif=invoice.receiver_nif or (facts.buyer_nif if facts else None),
        registration_number=invoice.registration_number,
        registered_at=invoice.registered_at,
        digest=digest,
        receipt_digest=receipt_digest,
        receipt_trouble=receipt_trouble,
    )


_CONTENTS = TypeAdapter(Contents)

NAMES = tuple(field.name for field in fields(Contents))
"""The columns that keep them."""
