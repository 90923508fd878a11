"""The hub's answers as JSON bytes, with its own field names (hub-rest-api, "Operations")."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from bridge.model import Entity, StateRecord
from bridge.sandbox.codes import CODES
from bridge.sandbox.records import HeldAttachment, HeldInvoice

MADRID = ZoneInfo("Europe/Madrid")


def dump(value: object) -> bytes:
    """Return JSON in UTF-8 without white space."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def error(code: int) -> bytes:
    """Return the body of a no."""
    return dump({"codiError": code, "descripcioError": CODES[code][1]})


def date_time(moment: datetime | None, *, milliseconds: bool) -> str | None:
    """Return a date-time as the hub writes it: `2023-10-25T16:25:02.000+02:00`."""
    if moment is None:
        return None
    precision = "milliseconds" if milliseconds else "seconds"
    return moment.astimezone(MADRID).isoformat(timespec=precision)


def pending_invoice(held: HeldInvoice) -> bytes:
    """Return one row of the pending list."""
    invoice = held.invoice
    return dump(
        _present(
            id=invoice.hub_id,
            nif=invoice.receiver_nif,
            oficinaComptable=invoice.accounting_office,
            organGestor=invoice.managing_body,
            unitatTramitadora=invoice.processing_unit,
        )
    )


def pending_attachment(held: HeldAttachment, hub_id: str) -> bytes:
    """Return one row of the list of pending attachments."""
    attachment = held.attachment
    return dump({"idAdjunt": attachment.attachment_id, "idFactura": hub_id, "nom": attachment.name})


def page(more: str, rows_name: str, rows: Iterable[bytes], *, capped: bool) -> bytes:
    """Return a list of rows with its flag that says whether there are more."""
    flag = b"true" if capped else b"false"
    return b'{"%b":%b,"%b":[%b]}' % (more.encode(), flag, rows_name.encode(), b",".join(rows))


def invoice(held: HeldInvoice, *, supplier_nif_field: str) -> bytes:
    """Return the invoice data."""
    data, ms = held.invoice, held.quirks.milliseconds
    fields = _present(
        id=data.hub_id,
        numeroFactura=data.number,
        dataFactura=data.issue_date and data.issue_date.isoformat(),
        importFactura=None if data.amount is None else float(data.amount),
        **{supplier_nif_field: data.supplier_nif},
        nomProveidor=data.supplier_name,
        nif=data.receiver_nif,
        nom=data.receiver_name,
        numeroRegistre=data.registration_number,
        dataRegistre=date_time(data.registered_at, milliseconds=ms),
        numeroRegistreRCF=data.register_number,
        numeroRegistreFACe=data.face_registration_number,
        dataRegistreFACe=date_time(data.face_registered_at, milliseconds=ms),
        oficinaComptable=data.accounting_office,
        organGestor=data.managing_body,
        unitatTramitadora=data.processing_unit,
        estat=data.state,
        dataEstat=date_time(data.state_at, milliseconds=ms),
        codiMotiuRebuig=data.reason_code,
        descripcioMotiuRebuig=data.reason,
        dataPagament=data.paid_on and data.paid_on.isoformat(),
        adjunts=_attachments(held),
    )
    if held.quirks.bare:
        for name in ("id", "oficinaComptable", "organGestor", "unitatTramitadora"):
            fields.pop(name, None)
    return dump(fields)


def states(held: HeldInvoice) -> bytes:
    """Return the state history."""
    ms = held.quirks.milliseconds
    return dump({"estats": [_state(record, milliseconds=ms) for record in held.history]})


def entities(ens: Iterable[Entity]) -> bytes:
    """Return the entities of the platform."""
    return dump({"ens": [_present(nif=e.nif, nom=e.name, ine10=e.ine10) for e in ens]})


def _state(record: StateRecord, *, milliseconds: bool) -> dict[str, Any]:
    return _present(
        estat=record.state_text,
        codiEstat=record.technical_code,
        dataEstat=date_time(record.at, milliseconds=milliseconds),
        numeroRegistre=record.registration_number,
        dataRegistre=date_time(record.registered_at, milliseconds=milliseconds),
        numeroRegistreRCF=record.register_number,
        codiMotiuRebuig=record.reason_code,
        descripcioMotiuRebuig=record.reason,
        dataPagament=record.paid_on and record.paid_on.isoformat(),
    )


def _attachments(held: HeldInvoice) -> list[dict[str, str]]:
    waiting = (each.attachment for each in held.pending_attachments)
    return [{"idAdjunt": each.attachment_id, "nom": each.name} for each in waiting]


def _present(**fields: object) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
