"""The ten operations of the hub as values: what is asked, of what, in which words.

Ids are the hub's, but they pass through legacy files on their way here, so none is trusted: each
is one percent-encoded segment of the path, and what could not be one is refused unsent.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bridge.errors import InvoiceError
from bridge.model import HubId, StateUpdate, in_a_path
from bridge.translate import patch_body


class Operation(StrEnum):
    """The ten operations, as the hub's page lists them."""

    PENDING_INVOICES = "GET /factures-pendents"
    INVOICE = "GET /factura/:id"
    FACTURAE = "GET /factura/:id/facturae"
    ATTACHMENT = "GET /factura/:id/adjunts/:idAdjunt"
    RECEIPT = "GET /factura/:id/rebut"
    HISTORY = "GET /factura/:id/estats"
    PATCH = "PATCH /factura/:id"
    PENDING_ATTACHMENTS = "GET /adjunts-pendents"
    DROP_PENDING_ATTACHMENT = "DELETE /adjunts-pendents/:idAdjunt"
    ENTITIES = "GET /ens"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to the hub, without its token; `what` names it in messages."""

    operation: Operation
    what: str
    path: str
    method: str = "GET"
    params: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    hub_id: HubId | None = None
    about_one: bool = True
    """Whether it concerns one invoice or attachment, so that the others can go on without it."""

    @property
    def writes(self) -> bool:
        """Whether the hub changes something when it takes this call."""
        return self.method != "GET"


def pending_invoices(nif: str | None, accounting_office: str | None) -> Call:
    """Ask which invoices are pending: all, or those of an entity or an accounting office."""
    what = "the list of pending invoices"
    return _list(Operation.PENDING_INVOICES, what, nif, accounting_office)


def invoice(hub_id: HubId) -> Call:
    """Ask for an invoice's data."""
    return _of_invoice(Operation.INVOICE, f"invoice {hub_id}", hub_id)


def facturae(hub_id: HubId) -> Call:
    """Ask for an invoice's file."""
    what = f"the Facturae file of invoice {hub_id}"
    return _of_invoice(Operation.FACTURAE, what, hub_id, "facturae")


def attachment(hub_id: HubId, attachment_id: str) -> Call:
    """Ask for an attachment's file."""
    what = f"attachment {attachment_id} of invoice {hub_id}"
    return _of_invoice(Operation.ATTACHMENT, what, hub_id, "adjunts", attachment_id)


def receipt(hub_id: HubId) -> Call:
    """Ask for the receipt of an invoice's registration."""
    return _of_invoice(Operation.RECEIPT, f"the receipt of invoice {hub_id}", hub_id, "rebut")


def history(hub_id: HubId) -> Call:
    """Ask which states an invoice went through."""
    what = f"the state history of invoice {hub_id}"
    return _of_invoice(Operation.HISTORY, what, hub_id, "estats")


def patch(hub_id: HubId, update: StateUpdate) -> Call:
    """Tell the hub an invoice's new state."""
    return Call(
        operation=Operation.PATCH,
        what=f"{update.state} for invoice {hub_id}",
        path=_path("factura", hub_id),
        method="PATCH",
        body=json.dumps(patch_body(update)).encode(),
        hub_id=hub_id,
    )


def pending_attachments(nif: str | None, accounting_office: str | None) -> Call:
    """Ask which attachments are pending: all, or those of an entity or an accounting office."""
    what = "the list of pending attachments"
    return _list(Operation.PENDING_ATTACHMENTS, what, nif, accounting_office)


def drop_pending_attachment(attachment_id: str) -> Call:
    """Have an attachment listed as pending no longer."""
    what = f"the pending mark of attachment {attachment_id}"
    path = _path("adjunts-pendents", attachment_id)
    return Call(operation=Operation.DROP_PENDING_ATTACHMENT, what=what, path=path, method="DELETE")


def entities() -> Call:
    """Ask which entities the platform receives for."""
    return Call(
        operation=Operation.ENTITIES, what="the list of entities", path="/ens", about_one=False
    )


def _list(operation: Operation, what: str, nif: str | None, accounting_office: str | None) -> Call:
    filters = {"nif": nif, "oficinaComptable": accounting_office}
    params = {name: value for name, value in filters.items() if value}
    shown = "".join(f" of {name} {value}" for name, value in params.items())
    path = operation.removeprefix("GET ")
    return Call(operation=operation, what=what + shown, path=path, params=params, about_one=False)


def _of_invoice(operation: Operation, what: str, hub_id: HubId, *below: str) -> Call:
    path = _path("factura", hub_id, *below)
    return Call(operation=operation, what=what, path=path, hub_id=hub_id)


def _path(*segments: str) -> str:
    return "".join(f"/{_segment(segment)}" for segment in segments)


def _segment(text: str) -> str:
    encoded = in_a_path(text)
    if encoded is None:
        raise InvoiceError(f"{text[:80]!r} cannot be an id of the hub: check where it comes from")
    return encoded
