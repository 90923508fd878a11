"""The hub, asked for single invoices: it answers for any, also for those it lists no more.

An invoice that the hub knows, in a state beyond the pending ones, was delivered by REST: somebody
has taken it there. One in a pending state counts only where the pending list shows it: else it is
known and not delivered, which is just what a report has to find. So is one to an entity or office
that the settings leave out. Where the list was cut off, it would come when there is room: it is
compared, and the cut is what the report tells.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Lock
from uuid import uuid4

from bridge.errors import InvoiceError
from bridge.facturae import FacturaeError, read_facts
from bridge.feeds.slices import Slice
from bridge.hub import HubReader
from bridge.hub.download import Download
from bridge.identity import plain_nif
from bridge.model import PENDING_STATES, FeedName, HubId, Invoice, StateRecord, digest_of
from bridge.recorded import Recorded, RecordedAttachment
from reconcile.shelf import Shelf

CUT_OFF = "the list that should show it is cut off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the hub says of one invoice."""

    recorded: Recorded | None = None
    """None where REST did not deliver it."""
    note: str = ""


@dataclass(slots=True)
class HubById:
    """Asks the hub, each thing once; safe to share between threads."""

    hub: HubReader
    shelf: Shelf
    listed: frozenset[HubId] | None
    """What the pending list shows; None: not known."""
    now: datetime
    capped: Collection[Slice] = ()
    """The lists that the hub cut off."""
    nifs: Collection[str] = ()
    offices: Collection[str] = ()
    """The entities and accounting offices that the account asks for; none: all."""
    first_listed: Mapping[HubId, datetime] = field(default_factory=dict)
    """When reports first saw what the list shows and nothing recorded; else it is now."""
    _histories: dict[HubId, Sequence[StateRecord]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def invoice(self, hub_id: HubId) -> Answer:
        """Return what REST gives of an invoice; raises the hub's errors but for a clear no."""
        try:
            invoice = self.hub.invoice(hub_id)
        except InvoiceError as error:
            return Answer(note=f"rest: {error}")
        if left_out := self._left_out(invoice):
            return Answer(note=f"rest: the hub knows it, and the settings leave out {left_out}")
        if not self._is_unlisted(invoice):
            return self._with_file(invoice)
        if self._is_cut_off(invoice):
            return replace(self._with_file(invoice), note=f"rest: {CUT_OFF}")
        state = invoice.state_text
        return Answer(note=f"rest: the hub knows it ({state}) and does not list it as pending")

    def history(self, hub_id: HubId) -> Sequence[StateRecord]:
        """Return an invoice's states; none where the hub has no history of it."""
        if hub_id not in self._histories:
            try:
                found = self.hub.history(hub_id)
            except InvoiceError:
                found = ()
            with self._lock:
                self._histories[hub_id] = found
        return self._histories[hub_id]

    def known_history(self, hub_id: HubId) -> Sequence[StateRecord] | None:
        """Return an invoice's states if they were asked for."""
        return self._histories.get(hub_id)

    def lists(self, hub_id: HubId) -> bool:
        """Tell whether the pending list shows an invoice: then nobody has fetched anything of it.

        Whoever fetches from REST is this bridge, and the ledger knows what it has fetched.
        """
        return self.listed is not None and hub_id in self.listed

    def _left_out(self, invoice: Invoice) -> str | None:
        """Return which entity or office of an invoice the account does not ask for."""
        nif, office = invoice.receiver_nif, invoice.accounting_office
        if nif and self.nifs and plain_nif(nif) not in map(plain_nif, self.nifs):
            return nif
        return office if office and self.offices and office not in self.offices else None

    def _is_cut_off(self, invoice: Invoice) -> bool:
        """Tell whether the list that should show an invoice ends before all of it was shown."""
        return any(
            part.nif in (None, invoice.receiver_nif)
            and part.accounting_office in (None, invoice.accounting_office)
            for part in self.capped
        )

    def _is_unlisted(self, invoice: Invoice) -> bool:
        pending = invoice.state in PENDING_STATES
        return pending and self.listed is not None and not self.lists(invoice.hub_id)

    def _with_file(self, invoice: Invoice) -> Answer:
        try:
            content = self._fetch(partial(self.hub.facturae, invoice.hub_id))
        except InvoiceError as error:
            return Answer(recorded=self._recorded(invoice), note=f"rest: {error}")
        digest = self.shelf.put(content)
        enclosed = tuple(self._enclosed(invoice))
        try:
            told = {"series": read_facts(content).series}
        except FacturaeError as error:
            told = {"unreadable": str(error)}
        recorded = self._recorded(invoice, digest=digest, attachments=enclosed, **told)
        return Answer(recorded=recorded)

    def _enclosed(self, invoice: Invoice) -> Iterator[RecordedAttachment]:
        """Yield the attachments that the hub still lists."""
        for position, attachment in enumerate(invoice.attachments, start=1):
            fetch = partial(self.hub.attachment, invoice.hub_id, attachment.attachment_id)
            try:
                digest = digest_of(self._fetch(fetch))
            except InvoiceError:
                digest = None
            yield RecordedAttachment(name=attachment.name, position=position, digest=digest)

    def _fetch(self, fetch: Callable[[Path], Download]) -> bytes:
        path = fetch(self.shelf.staged(uuid4().hex)).path
        content = path.read_bytes()
        path.unlink()
        return content

    def _recorded(self, invoice: Invoice, **file: object) -> Recorded:
        listed = self.lists(invoice.hub_id)
        return Recorded(
            feed=FeedName.REST,
            hub_id=invoice.hub_id,
            number=invoice.number,
            supplier_nif=invoice.supplier_nif,
            receiver_nif=invoice.receiver_nif,
            accounting_office=invoice.accounting_office,
            issue_date=invoice.issue_date,
            amount=None if invoice.amount is None else str(invoice.amount),
            registration_number=invoice.registration_number,
            registered_at=invoice.registered_at,
            first_seen_at=self.first_listed.get(invoice.hub_id, self.now) if listed else None,
            **file,  # type: ignore[arg-type]
        )
