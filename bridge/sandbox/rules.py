"""What a PATCH may do (hub-rest-api, "Update"): pure rules, in the order in which they apply.

First what is wrong with the body whatever the invoice, then what the invoice does not allow.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from bridge.model import FINAL_STATES, Invoice, State, StateRecord, StateUpdate
from bridge.sandbox.codes import HubRefusalError
from bridge.sandbox.records import HeldInvoice

TARGETS = frozenset(State) - {State.SENT, State.REGISTERED}
"""SENT and REGISTERED are the hub's own: 3001."""

REQUIRED: Mapping[State, tuple[str, int]] = {
    State.ANNOTATED: ("numeroRegistreRCF", 3002),
    State.REJECTED: ("descripcioMotiuRebuig", 3003),
    State.PAID: ("dataPagament", 3004),
}

REASON_FIELDS = ("codiMotiuRebuig", "descripcioMotiuRebuig")

STEPS = tuple(state for state in State if state is not State.REJECTED)
"""The usual order; REJECTED is possible from any state but PAID."""


def read_update(body: bytes) -> StateUpdate:
    """Read the body of a PATCH; unknown fields are ignored, null counts as not sent.

    Raises HubRefusalError: 3001 (also for what is no JSON object), 3008, 3002, 3003, 3004, 3006.
    """
    fields = _fields(body)
    state = _state(fields.get("estat"))
    if state is not State.REJECTED and any(fields.get(name) is not None for name in REASON_FIELDS):
        raise HubRefusalError(3008)
    if state in REQUIRED:
        name, code = REQUIRED[state]
        if not _filled(fields.get(name)):
            raise HubRefusalError(code)
    return StateUpdate(
        state=state,
        register_number=_only(state, State.ANNOTATED, fields.get("numeroRegistreRCF")),
        reason_code=_only(state, State.REJECTED, fields.get("codiMotiuRebuig")),
        reason=_only(state, State.REJECTED, fields.get("descripcioMotiuRebuig")),
        paid_on=_date(fields["dataPagament"]) if state is State.PAID else None,
    )


def record_of(update: StateUpdate, at: datetime) -> StateRecord:
    """Return the line that an update writes into the history."""
    return StateRecord(
        state=update.state,
        state_text=update.state.value,
        technical_code=update.state.technical_code,
        at=at,
        register_number=update.register_number,
        reason_code=update.reason_code,
        reason=update.reason,
        paid_on=update.paid_on,
    )


def opening_history(invoice: Invoice, sent_at: datetime) -> tuple[StateRecord, ...]:
    """Return what the hub itself writes into the history of a new invoice."""
    sent = record_of(StateUpdate(state=State.SENT), sent_at)
    return (sent, registration_of(invoice)) if invoice.registration_number else (sent,)


def registration_of(invoice: Invoice) -> StateRecord:
    """Return the line that registering an invoice writes into the history."""
    assert invoice.registered_at is not None
    return replace(
        record_of(StateUpdate(state=State.REGISTERED), invoice.registered_at),
        registration_number=invoice.registration_number,
        registered_at=invoice.registered_at,
    )


def apply_update(
    held: HeldInvoice, update: StateUpdate, *, at: datetime, allow_step_back: bool
) -> HeldInvoice:
    """Return the invoice after an update; raises HubRefusalError 3005 or 3007.

    The state that it already has may be set again, unless it is final, and adds to the history.
    """
    if held.invoice.registration_number is None:
        raise HubRefusalError(3005)
    if held.state in FINAL_STATES:
        raise HubRefusalError(3007)
    if not allow_step_back and _steps_back(held.state, update.state):
        raise HubRefusalError(3007)
    return held.entering(record_of(update, at))


def _steps_back(current: State, target: State) -> bool:
    return target is not State.REJECTED and STEPS.index(target) < STEPS.index(current)


def _fields(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HubRefusalError(3001) from error
    if not isinstance(fields, dict):
        raise HubRefusalError(3001)
    return fields


def _state(text: object) -> State:
    try:
        state = State(text)  # type: ignore[arg-type]  # anything but a state's name raises
    except ValueError as error:
        raise HubRefusalError(3001) from error
    if state not in TARGETS:
        raise HubRefusalError(3001)
    return state


def _filled(value: object) -> bool:
    return value is not None and bool(str(value).strip())


def _only(state: State, wanted: State, value: object) -> str | None:
    return None if state is not wanted or value is None else str(value)


def _date(value: object) -> date:
    if not isinstance(value, str) or re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII) is None:
        raise HubRefusalError(3006)
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise HubRefusalError(3006) from error
