"""The book: everything that the pretend hub knows, and the only place that changes it.

Safe to use from any thread: the HTTP side, the old mailbox and a test may change it together.
"""

import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path

from bridge.model import Attachment, Entity, HubId, Invoice, State, StateUpdate
from bridge.sandbox import wire
from bridge.sandbox.codes import HubRefusalError
from bridge.sandbox.facturae_folder import read_folder
from bridge.sandbox.faults import Faults
from bridge.sandbox.invoices import Generator
from bridge.sandbox.journal import Journal, Request
from bridge.sandbox.records import HeldAttachment, HeldInvoice, content_of
from bridge.sandbox.rules import apply_update, record_of, registration_of

CAP = 500
"""Rows that a list shows at most (hub-rest-api, "The 500 cap")."""


class Book:
    """The state of the pretend hub, its journal and its faults."""

    def __init__(
        self,
        generator: Generator,
        *,
        seed: int = 1,
        allow_step_back: bool = True,
        supplier_nif_field: str = "nifProveidor",
    ) -> None:
        self.faults = Faults(seed=seed)
        self.clock_offset = 0.0
        """Seconds that the hub's clock is ahead of the real one."""
        self.delay = 0.0
        """Seconds that every answer takes."""
        self._generator = generator
        self._allow_step_back = allow_step_back
        self._supplier_nif_field = supplier_nif_field
        self._lock = threading.RLock()
        self._invoices: dict[HubId, HeldInvoice] = {}
        self._pending: dict[HubId, bytes] = {}
        self._attachments: dict[str, tuple[HubId, bytes]] = {}
        self._entities: dict[str, Entity] = {}
        self._data: dict[HubId, bytes] = {}
        self._journal = Journal()

    # -- the clock -----------------------------------------------------------------------------

    def epoch(self) -> float:
        """Return the hub's time in epoch seconds."""
        return time.time() + self.clock_offset

    def now(self) -> datetime:
        """Return the hub's time."""
        return datetime.fromtimestamp(self.epoch(), UTC)

    # -- what tests and the control interface do -----------------------------------------------

    def add_entity(self, entity: Entity) -> None:
        """Add an entity to the platform."""
        with self._lock:
            self._entities[entity.nif] = entity

    def add_invoices(self, count: int) -> tuple[HubId, ...]:
        """Add so many generated invoices."""
        return tuple(self.add_invoice() for _ in range(count))

    def add_folder(self, folder: Path) -> tuple[HubId, ...]:
        """Add the Facturae files of a folder; raises SettingsError when there are none."""
        files = tuple(read_folder(folder))
        with self._lock:
            return tuple(
                self.add_invoice(self._generator.next_from_file(content, facts))
                for content, facts in files
            )

    def add_invoice(
        self,
        held: HeldInvoice | None = None,
        *,
        facturae: bytes | None = None,
        receipt: bool = True,
        registered: bool = True,
        history: bool = True,
        attachments: bool = True,
        **facts: object,
    ) -> HubId:
        """Add an invoice, the next generated one unless one is given; return its hub id.

        `facts` replace fields of its data (`number="A/1"`); `facturae` replaces its file. Without
        receipt it draws 9002, unregistered (SENT) 3005, without history 2003.
        """
        with self._lock:
            if held is None:
                held = self._generator.next_invoice(registered=registered)
            held = replace(held, invoice=replace(held.invoice, **facts))  # type: ignore[arg-type]
            if facturae is not None:
                held = replace(held, facturae=content_of(facturae))
            if not receipt:
                held = replace(held, receipt=None)
            if not history:
                held = replace(held, history=())
            if not attachments:
                held = replace(held, attachments=())
            self._enter(held)
            return held.hub_id

    def add_attachment(
        self,
        hub_id: str,
        name: str,
        content: bytes,
        content_type: str = "application/octet-stream",
    ) -> str:
        """Add an attachment to an invoice, at any time; return its id. KeyError: no invoice."""
        with self._lock:
            held = self._invoices[HubId(hub_id)]
            attachment = Attachment(attachment_id=self._generator.next_attachment_id(), name=name)
            added = HeldAttachment(
                attachment=attachment, content=content, content_type=content_type
            )
            self._put(replace(held, attachments=(*held.attachments, added)))
            self._attachments[attachment.attachment_id] = _row(added, held.hub_id)
            return attachment.attachment_id

    def set_state(self, hub_id: str, update: StateUpdate | State) -> None:
        """Set a state as the hub itself may: any state, no rules. KeyError: no invoice."""
        if isinstance(update, State):
            update = StateUpdate(state=update)
        with self._lock:
            held = self._invoices[HubId(hub_id)]
            self._put(held.entering(record_of(update, self.now())))

    def register(self, hub_id: str, registration_number: str) -> None:
        """Register an invoice that was only SENT. KeyError: no invoice."""
        with self._lock:
            held = self._invoices[HubId(hub_id)]
            invoice = replace(
                held.invoice, registration_number=registration_number, registered_at=self.now()
            )
            self._put(replace(held, invoice=invoice).entering(registration_of(invoice)))

    def invoice(self, hub_id: str) -> Invoice:
        """Return the invoice data, with the attachments still pending. KeyError: no invoice."""
        with self._lock:
            held = self._invoices[HubId(hub_id)]
            waiting = tuple(each.attachment for each in held.pending_attachments)
            return replace(held.invoice, attachments=waiting)

    def states(self, hub_id: str) -> tuple[State | None, ...]:
        """Return the states of an invoice, oldest first. KeyError: no invoice."""
        with self._lock:
            return tuple(record.state for record in self._invoices[HubId(hub_id)].history)

    def knows(self, hub_id: str) -> bool:
        """Tell whether there is such an invoice."""
        return hub_id in self._invoices

    def look_up(
        self, *, number: str | None, supplier_nif: str | None, issue_date: date | None
    ) -> tuple[HubId, ...]:
        """Return the invoices with this number, supplier and date."""
        wanted = (number, supplier_nif, issue_date)
        with self._lock:
            return tuple(
                hub_id
                for hub_id, held in self._invoices.items()
                if wanted
                == (held.invoice.number, held.invoice.supplier_nif, held.invoice.issue_date)
            )

    @property
    def hub_ids(self) -> tuple[HubId, ...]:
        """Every invoice, in the order of arrival."""
        with self._lock:
            return tuple(self._invoices)

    @property
    def pending(self) -> tuple[HubId, ...]:
        """The invoices that nobody acknowledged, without a cap."""
        with self._lock:
            return tuple(self._pending)

    @property
    def pending_attachments(self) -> tuple[str, ...]:
        """The ids of the attachments that nobody acknowledged, without a cap."""
        with self._lock:
            return tuple(self._attachments)

    @property
    def entities(self) -> tuple[Entity, ...]:
        """The entities of the platform."""
        with self._lock:
            return tuple(self._entities.values())

    def held(self, hub_id: str) -> HeldInvoice:
        """Return an invoice with its files; raises HubRefusalError 2001."""
        try:
            return self._invoices[HubId(hub_id)]
        except KeyError as error:
            raise HubRefusalError(2001) from error

    # -- the journal ---------------------------------------------------------------------------

    def note(self, request: Request) -> None:
        """Write a request into the journal."""
        self._journal.note(request)

    @property
    def journal(self) -> tuple[Request, ...]:
        """Every request so far, in the order of the answers."""
        return self._journal.all()

    def requests(self, **wanted: object) -> tuple[Request, ...]:
        """Return the requests whose fields are these: `operation="update", state="PAID"`."""
        return tuple(
            request
            for request in self.journal
            if all(getattr(request, name) == value for name, value in wanted.items())
        )

    def clear_journal(self) -> None:
        """Forget the requests so far."""
        self._journal.clear()

    # -- the ten operations, without HTTP ------------------------------------------------------

    def list_pending(self, *, nif: str = "", accounting_office: str = "") -> bytes:
        """Return the pending invoices (operation 1), as JSON."""
        with self._lock:
            rows: Iterable[bytes] = (
                row
                for hub_id, row in self._pending.items()
                if self._received_by(hub_id, nif, accounting_office)
            )
            return _page("mesFactures", "factures", rows)

    def list_pending_attachments(self, *, nif: str = "", accounting_office: str = "") -> bytes:
        """Return the pending attachments (operation 8), as JSON."""
        with self._lock:
            rows = (
                row
                for hub_id, row in self._attachments.values()
                if self._received_by(hub_id, nif, accounting_office)
            )
            return _page("mesAdjunts", "adjunts", rows)

    def invoice_data(self, hub_id: str) -> bytes:
        """Return an invoice's data (operation 2), as JSON; raises HubRefusalError 2001."""
        with self._lock:
            held = self.held(hub_id)
            data = self._data.get(held.hub_id)
            if data is None:
                data = wire.invoice(held, supplier_nif_field=self._supplier_nif_field)
                self._data[held.hub_id] = data
            return data

    def attachment(self, hub_id: str, attachment_id: str) -> HeldAttachment:
        """Return an attachment (operation 4); raises HubRefusalError 2001 or 2002."""
        for held in self.held(hub_id).attachments:
            if held.attachment.attachment_id == attachment_id:
                return held
        raise HubRefusalError(2002)

    def history(self, hub_id: str) -> bytes:
        """Return an invoice's states (operation 6) as JSON; raises HubRefusalError 2001, 2003."""
        held = self.held(hub_id)
        if not held.history:
            raise HubRefusalError(2003)
        return wire.states(held)

    def update(self, hub_id: str, update: StateUpdate) -> bytes:
        """Give an invoice a state (operation 7); return its data as JSON.

        Raises HubRefusalError 2001, 3005 or 3007.
        """
        with self._lock:
            self._put(
                apply_update(
                    self.held(hub_id),
                    update,
                    at=self.now(),
                    allow_step_back=self._allow_step_back,
                )
            )
            return self.invoice_data(hub_id)

    def acknowledge_attachment(self, attachment_id: str) -> None:
        """List an attachment no longer (operation 9); raises HubRefusalError 2002 if it is not."""
        with self._lock:
            if attachment_id not in self._attachments:
                raise HubRefusalError(2002)
            hub_id, _ = self._attachments.pop(attachment_id)
            held = self._invoices[hub_id]
            self._put(replace(held, attachments=_acknowledged(held, attachment_id)))

    # -- inside --------------------------------------------------------------------------------

    def _received_by(self, hub_id: HubId, nif: str, accounting_office: str) -> bool:
        invoice = self._invoices[hub_id].invoice
        return (not nif or invoice.receiver_nif == nif) and (
            not accounting_office or invoice.accounting_office == accounting_office
        )

    def _enter(self, held: HeldInvoice) -> None:
        if held.hub_id in self._invoices:
            raise ValueError(f"the hub already has an invoice {held.hub_id}")
        nif = held.invoice.receiver_nif
        if nif and nif not in self._entities:
            self._entities[nif] = Entity(nif=nif, name=held.invoice.receiver_name)
        self._put(held)
        for each in held.attachments:
            self._attachments[each.attachment.attachment_id] = _row(each, held.hub_id)

    def _put(self, held: HeldInvoice) -> None:
        self._invoices[held.hub_id] = held
        self._data.pop(held.hub_id, None)
        if not held.pending:
            self._pending.pop(held.hub_id, None)
        elif held.hub_id not in self._pending:
            self._pending[held.hub_id] = wire.pending_invoice(held)


def _row(held: HeldAttachment, hub_id: HubId) -> tuple[HubId, bytes]:
    return hub_id, wire.pending_attachment(held, hub_id)


def _acknowledged(held: HeldInvoice, attachment_id: str) -> tuple[HeldAttachment, ...]:
    return tuple(
        replace(each, pending=False) if each.attachment.attachment_id == attachment_id else each
        for each in held.attachments
    )


def _page(more: str, name: str, rows: Iterable[bytes]) -> bytes:
    found = list(islice(rows, CAP + 1))
    return wire.page(more, name, found[:CAP], capped=len(found) > CAP)
