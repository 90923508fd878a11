"""A hub that answers out of what was recorded, for a rehearsal: nothing leaves this machine."""

from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path

from sqlalchemy import select

from bridge.account import Account
from bridge.errors import InvoiceError
from bridge.hub import HubClient
from bridge.hub.answers import PendingAttachments, PendingList
from bridge.hub.download import START, Download
from bridge.hub.errors import UnknownInvoiceError
from bridge.ledger import Ledger, attachments
from bridge.ledger.schema import delivery
from bridge.mailbox import Mailbox
from bridge.model import (
    Digest,
    Entity,
    FeedName,
    HubId,
    Invoice,
    PendingInvoice,
    State,
    StateRecord,
    StateUpdate,
)


class PretendHub(HubClient):
    """Answers as the hub would, as far as the REST feed was recorded; what it is told, it keeps."""

    def __init__(self, account: Account) -> None:
        own = account.own
        super().__init__(account.settings.hub, issuer=own.issuer, secret=own.read_secret())
        self._ledger: Ledger = account.ledger
        self._mailbox: Mailbox = account.mailbox
        self._account = account.name
        self._invoices = self._recorded()

    def _recorded(self) -> dict[HubId, Invoice]:
        rows = select(delivery).where(
            delivery.c.account == self._account, delivery.c.feed == FeedName.REST
        )
        found: dict[HubId, Invoice] = {}
        self._digests: dict[HubId, Digest] = {}
        self._receipts: dict[HubId, Digest] = {}
        self._pending: set[HubId] = set()
        with self._ledger.read() as connection:
            for row in connection.execute(rows):
                if row.digest is None:
                    continue  # the hub listed it and nobody has fetched it: it takes no part
                hub_id = HubId(row.hub_id)
                is_pending = row.acknowledged_at is None and row.gone_at is None
                self._digests[hub_id] = Digest(row.digest)
                if row.receipt_digest is not None:
                    self._receipts[hub_id] = Digest(row.receipt_digest)
                if is_pending:
                    self._pending.add(hub_id)
                state = State.REGISTERED if is_pending else State.DELIVERED
                found[hub_id] = Invoice(
                    hub_id=hub_id,
                    number=row.number,
                    issue_date=row.issue_date,
                    amount=None if row.amount is None else Decimal(row.amount),
                    supplier_nif=row.supplier_nif,
                    receiver_nif=row.receiver_nif,
                    registration_number=row.registration_number,
                    registered_at=row.registered_at,
                    accounting_office=row.accounting_office,
                    state=state,
                    state_text=str(state),
                )
        return found

    @property
    def clock_offset(self) -> timedelta | None:
        """Its clock is ours."""
        return timedelta()

    def pending_invoices(
        self, nif: str | None = None, accounting_office: str | None = None
    ) -> PendingList:
        """Return what would be listed."""
        rows = tuple(PendingInvoice(hub_id=hub_id) for hub_id in sorted(self._pending))
        return PendingList(rows, False)

    def pending_attachments(
        self, nif: str | None = None, accounting_office: str | None = None
    ) -> PendingAttachments:
        """Return none: what came late is recorded with its invoice."""
        return PendingAttachments((), False)

    def invoice(self, hub_id: HubId) -> Invoice:
        """Return what was recorded of an invoice."""
        known = self._invoices.get(hub_id)
        if known is None:
            raise UnknownInvoiceError(
                what=f"invoice {hub_id}",
                code=2001,
                text="it was not recorded",
                http_status=HTTPStatus.NOT_FOUND,
                hub_id=hub_id,
            )
        return known

    def shows_pending_mark(self, hub_id: HubId, attachment_id: str) -> bool | None:
        """Tell that nothing is left to be fetched."""
        return False

    def facturae(self, hub_id: HubId, target: Path) -> Download:
        """Return the file out of the archive."""
        self.invoice(hub_id)
        return self._copy(self._digests[hub_id], target)

    def receipt(self, hub_id: HubId, target: Path) -> Download:
        """Return the receipt out of the archive."""
        if hub_id not in self._receipts:
            raise InvoiceError(f"invoice {hub_id}: no receipt was recorded")
        return self._copy(self._receipts[hub_id], target)

    def attachment(self, hub_id: HubId, attachment_id: str, target: Path) -> Download:
        """Return the attachment out of the archive."""
        with self._ledger.read() as connection:
            rows = attachments.of_invoice(connection, self._account, FeedName.REST, hub_id)
        for row in rows:
            if row.attachment_id == attachment_id and row.digest is not None:
                return self._copy(row.digest, target)
        raise InvoiceError(f"invoice {hub_id}: attachment {attachment_id} was not recorded")

    def history(self, hub_id: HubId) -> tuple[StateRecord, ...]:
        """Return the state that an invoice is in."""
        known = self.invoice(hub_id)
        return (StateRecord(state=known.state, state_text=str(known.state)),)

    def entities(self) -> tuple[Entity, ...]:
        """Return none: nothing is listed by slices."""
        return ()

    def patch(self, hub_id: HubId, update: StateUpdate) -> Invoice:
        """Keep in mind what would have been told."""
        known = self.invoice(hub_id)
        self._pending.discard(hub_id)
        now = Invoice(
            hub_id=hub_id,
            number=known.number,
            supplier_nif=known.supplier_nif,
            state=update.state,
            state_text=str(update.state),
            register_number=update.register_number,
            reason_code=update.reason_code,
            reason=update.reason,
            paid_on=update.paid_on,
            attachments=known.attachments,
        )
        self._invoices[hub_id] = now
        return now

    def drop_pending_attachment(self, attachment_id: str) -> None:
        """Take it as told."""

    def _copy(self, digest: Digest, target: Path) -> Download:
        content = self._mailbox.archive.read(digest)
        target.write_bytes(content)
        return Download(
            path=target, digest=digest, size=len(content), content_type=None, start=content[:START]
        )
