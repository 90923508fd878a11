"""Fetching one invoice whole: data, Facturae, attachments and receipt, into the archive.

A whole Facturae may be placed, whatever it says: judging an invoice is for the accounting software.
A receipt that the hub cannot make does not hold its invoice back, nor does an attachment that the
hub keeps failing to give: the invoice has a legal deadline, and they can follow.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import stamina
import structlog

from bridge.account import Account
from bridge.errors import BridgeError, HubAwayError, InvoiceError
from bridge.facturae import FacturaeError, read_facts
from bridge.hub.errors import HubUnreachableError, UnknownAttachmentError
from bridge.ledger.attachments import AttachmentRow
from bridge.ledger.contents import Contents, contents_of
from bridge.model import DeliveryState, Digest, HubId, Invoice, InvoiceFacts

log = structlog.get_logger()

RECEIPT_TRIES = 3
"""After so many an invoice is placed without its receipt (9002 and the like)."""

ATTACHMENT_TRIES = 3
"""After so many rounds an attachment no longer holds its invoice back."""


class UnreadableError(InvoiceError):
    """What the hub gives as an invoice is no whole Facturae."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """An invoice whose files are all in the archive."""

    invoice: Invoice
    facts: InvoiceFacts
    digest: Digest
    attachments: tuple[AttachmentRow, ...]
    receipt: Digest | None
    receipt_trouble: str | None

    @property
    def contents(self) -> Contents:
        """What the ledger keeps of it."""
        return contents_of(
            self.invoice,
            self.facts,
            digest=self.digest,
            receipt_digest=self.receipt,
            receipt_trouble=self.receipt_trouble,
        )


def fetch_invoice(
    account: Account,
    hub_id: HubId,
    *,
    enclosed: Callable[[Invoice], Sequence[AttachmentRow]],
    tries_before: int,
    failed: Callable[[AttachmentRow, BridgeError], None],
    purpose: str = "fetch",
) -> Fetched:
    """Bring an invoice's files into the archive; `purpose` is whose staging folder they go through.

    `enclosed` returns all attachments of an invoice as the ledger has them; those that came before
    it are not fetched again. `failed` is told of those that it goes without.
    """
    invoice = account.hub.invoice(hub_id)
    digest, facts = fetch_facturae(account, hub_id, purpose=purpose)
    waiting = [row for row in enclosed(invoice) if row.state is DeliveryState.SEEN]
    came = fetch_attachments(
        account, waiting, tries_before=tries_before, failed=failed, purpose=purpose
    )
    receipt, receipt_trouble = fetch_receipt(account, hub_id, purpose=purpose)
    return Fetched(
        invoice=invoice,
        facts=facts,
        digest=digest,
        attachments=came,
        receipt=receipt,
        receipt_trouble=receipt_trouble,
    )


def fetch_facturae(
    account: Account, hub_id: HubId, *, purpose: str = "fetch"
) -> tuple[Digest, InvoiceFacts]:
    """Bring the invoice file into the archive; `purpose` is whose staging folder it goes through.

    Raises UnreadableError for what is no whole Facturae: a page of some proxy's, a cut file.
    """
    mailbox = account.mailbox
    download = account.hub.facturae(hub_id, mailbox.staged(purpose))
    content = download.path.read_bytes()
    try:
        facts = read_facts(content)
    except FacturaeError as error:
        download.path.unlink()
        raise UnreadableError(f"invoice {hub_id}: {error}; it is fetched again later") from error
    mailbox.archive.keep(download.path, download.digest)
    return download.digest, facts


def fetch_attachment(
    account: Account, row: AttachmentRow, *, purpose: str = "fetch"
) -> AttachmentRow:
    """Bring one attachment into the archive; return its row with the digest."""
    staged = account.mailbox.staged(purpose)
    download = account.hub.attachment(row.hub_id, row.attachment_id, staged)
    account.mailbox.archive.keep(download.path, download.digest)
    return replace(row, digest=download.digest)


def fetch_attachments(
    account: Account,
    rows: Sequence[AttachmentRow],
    *,
    tries_before: int,
    failed: Callable[[AttachmentRow, BridgeError], None],
    purpose: str = "fetch",
) -> tuple[AttachmentRow, ...]:
    """Bring an invoice's attachments into the archive; return those that came.

    `failed` is told of those that the invoice goes without; raises the error while it waits for
    one.
    """
    came = []
    for row in rows:
        try:
            came.append(fetch_attachment(account, row, purpose=purpose))
        except (InvoiceError, HubAwayError) as error:
            there_is_none = isinstance(error, UnknownAttachmentError)
            another_try = not there_is_none and tries_before + 1 < ATTACHMENT_TRIES
            if another_try or isinstance(error, HubUnreachableError):
                raise
            failed(row, error)
    return tuple(came)


def fetch_receipt(
    account: Account, hub_id: HubId, *, purpose: str = "fetch"
) -> tuple[Digest | None, str | None]:
    """Return the receipt's digest, or None and why the invoice goes without it."""
    if not account.settings.pull.receipts:
        return None, None
    try:
        return _fetch_receipt(account, hub_id, purpose), None
    except (InvoiceError, HubAwayError) as error:
        if isinstance(error, HubUnreachableError):
            raise
        log.warning("no receipt", hub_id=hub_id, reason=str(error))
        return None, str(error)


def _worth_another_try(error: Exception) -> bool:
    there = not isinstance(error, HubUnreachableError)
    return there and isinstance(error, InvoiceError | HubAwayError)


@stamina.retry(on=_worth_another_try, attempts=RECEIPT_TRIES, wait_initial=0.2, wait_max=1)
def _fetch_receipt(account: Account, hub_id: HubId, purpose: str) -> Digest:
    mailbox = account.mailbox
    download = account.hub.receipt(hub_id, mailbox.staged(purpose))
    if b"%PDF-" not in download.start:
        download.path.unlink()
        raise InvoiceError(f"invoice {hub_id}: what the hub gave as its receipt is no PDF")
    mailbox.archive.keep(download.path, download.digest)
    return download.digest
