"""What the hub answers, as nouns of ours: unknown fields ignored, missing ones allowed.

A field of the wrong type is read if it can be (a number in quotes, a text that is a number) and
counts as missing if not. Two things are never guessed: a list that is not there is no empty list,
and a row without its id is skipped and counted, so that the caller can say so.
Source: hub-rest-api, "Operations".
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bridge.hub.fields import NotAnAnswerError, Row, amount, day, moment, state, text, yes
from bridge.model import (
    Attachment,
    Entity,
    HubId,
    Invoice,
    PendingAttachment,
    PendingInvoice,
    StateRecord,
)

CAP = 500
"""The hub lists no more than this at a time (hub-rest-api, "The 500 cap")."""

T = TypeVar("T")


class OtherInvoiceError(NotAnAnswerError):
    """The answer is about another invoice than the one asked for."""


@dataclass(frozen=True, slots=True)
class PendingList:
    """The hub's pending list, or the slice of it that was asked for."""

    rows: tuple[PendingInvoice, ...]
    capped: bool
    """Whether the hub has more than it listed."""


@dataclass(frozen=True, slots=True)
class PendingAttachments:
    """The attachments still to be fetched, or the slice of them that was asked for."""

    rows: tuple[PendingAttachment, ...]
    capped: bool
    """Whether the hub has more than it listed."""


def read_rows(answer: Row, name: str, read: Callable[[Row], T | None]) -> tuple[tuple[T, ...], int]:
    """Return what `read` makes of the rows of a list, and how many rows it could not read.

    Raises NotAnAnswerError when the list is missing, or has rows of which not one can be read:
    neither may look like an empty list.
    """
    rows = _list(answer, name)
    made, skipped = _readable(rows, read)
    if skipped and not made:
        raise NotAnAnswerError(f"not one of its {skipped} rows has an id")
    return made, skipped


def _readable(rows: Sequence[object], read: Callable[[Row], T | None]) -> tuple[tuple[T, ...], int]:
    things = (read(row) for row in rows if isinstance(row, dict))
    made = tuple(thing for thing in things if thing is not None)
    return made, len(rows) - len(made)


def is_capped(answer: Row, name: str, more: str) -> bool:
    """Tell whether a list has more than these rows; without the mark `more`, by their number."""
    marked = yes(answer, more)
    return len(_list(answer, name)) >= CAP if marked is None else marked


def _list(answer: Row, name: str) -> list[object]:
    rows = answer.get(name)
    if rows is None:
        raise NotAnAnswerError(f"it has no {name!r}")
    if not isinstance(rows, list):
        raise NotAnAnswerError(f"its {name!r} is no list")
    return rows


def pending_invoice(row: Row) -> PendingInvoice | None:
    """Read a row of `/factures-pendents`; None without an id."""
    hub_id = text(row, "id")
    if hub_id is None:
        return None
    return PendingInvoice(
        hub_id=HubId(hub_id),
        nif=text(row, "nif"),
        accounting_office=text(row, "oficinaComptable"),
        managing_body=text(row, "organGestor"),
        processing_unit=text(row, "unitatTramitadora"),
    )


def pending_attachment(row: Row) -> PendingAttachment | None:
    """Read a row of `/adjunts-pendents`; None without its own id or the invoice's."""
    attachment_id, hub_id = text(row, "idAdjunt"), text(row, "idFactura")
    if attachment_id is None or hub_id is None:
        return None
    return PendingAttachment(
        attachment_id=attachment_id, hub_id=HubId(hub_id), name=text(row, "nom") or ""
    )


def attachment(row: Row) -> Attachment | None:
    """Read one of an invoice's `adjunts`; None without an id."""
    attachment_id = text(row, "idAdjunt")
    if attachment_id is None:
        return None
    return Attachment(attachment_id=attachment_id, name=text(row, "nom") or "")


def shows_pending_mark(answer: Row, asked: HubId, attachment_id: str) -> bool | None:
    """Tell whether an invoice's `adjunts` have this attachment; None where there is no such list.

    Raises NotAnAnswerError as `invoice`.
    """
    shown, _ = invoice(answer, asked)
    if any(row.attachment_id == attachment_id for row in shown.attachments):
        return True
    return False if isinstance(answer.get("adjunts"), list) else None


def entity(row: Row) -> Entity | None:
    """Read a row of `/ens`; None without a NIF."""
    nif = text(row, "nif")
    if nif is None:
        return None
    return Entity(nif=nif, name=text(row, "nom"), ine10=text(row, "ine10"))


def state_record(row: Row) -> StateRecord:
    """Read a row of `/factura/:id/estats`."""
    return StateRecord(
        state=state(text(row, "estat")),
        state_text=text(row, "estat") or "",
        technical_code=text(row, "codiEstat"),
        at=moment(row, "dataEstat"),
        registration_number=text(row, "numeroRegistre"),
        registered_at=moment(row, "dataRegistre"),
        register_number=text(row, "numeroRegistreRCF"),
        reason_code=text(row, "codiMotiuRebuig"),
        reason=text(row, "descripcioMotiuRebuig"),
        paid_on=day(row, "dataPagament"),
    )


_INVOICE_FIELDS = frozenset(
    ("id", "numeroFactura", "dataFactura", "importFactura", "nif", "numeroRegistre", "estat")
)


def invoice(answer: Row, asked: HubId) -> tuple[Invoice, int]:
    """Read invoice data, and count the attachments in it that have no id.

    Data without an id are taken for those of the invoice that was asked for. Raises
    NotAnAnswerError for another invoice's, and for an object without any of the main fields.
    """
    if not _INVOICE_FIELDS & answer.keys():
        raise NotAnAnswerError("it has no field of an invoice")
    hub_id = text(answer, "id")
    if hub_id not in (None, asked):
        raise OtherInvoiceError(f"it is about invoice {hub_id!r}")
    rows = answer.get("adjunts")
    attachments, skipped = _readable(rows if isinstance(rows, list) else [], attachment)
    return Invoice(
        hub_id=asked,
        number=text(answer, "numeroFactura"),
        issue_date=day(answer, "dataFactura"),
        amount=amount(answer, "importFactura"),
        # The hub's field list spells it one way, its example the other.
        supplier_nif=text(answer, "nifProveidor", "nifProveedor"),
        supplier_name=text(answer, "nomProveidor", "nomProveedor"),
        receiver_nif=text(answer, "nif"),
        receiver_name=text(answer, "nom"),
        registration_number=text(answer, "numeroRegistre"),
        registered_at=moment(answer, "dataRegistre"),
        register_number=text(answer, "numeroRegistreRCF"),
        face_registration_number=text(answer, "numeroRegistreFACe"),
        face_registered_at=moment(answer, "dataRegistreFACe"),
        accounting_office=text(answer, "oficinaComptable"),
        managing_body=text(answer, "organGestor"),
        processing_unit=text(answer, "unitatTramitadora"),
        state=state(text(answer, "estat")),
        state_text=text(answer, "estat"),
        state_at=moment(answer, "dataEstat"),
        reason_code=text(answer, "codiMotiuRebuig"),
        reason=text(answer, "descripcioMotiuRebuig"),
        paid_on=day(answer, "dataPagament"),
        attachments=attachments,
    ), skipped
