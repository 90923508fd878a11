"""From a legacy state to a PATCH: the rules, as tables.

Source: legacy-ftp, "From a legacy state to a PATCH"; hub-rest-api, "Update" and "Errors".

A `Feedback` of a state file becomes either a `StateUpdate` that the hub can take or a `Refusal`
that says why not. What comes out as an update never draws these errors from the hub: 3001 state
not valid, 3002 no register number, 3003 no reason, 3004 no payment date, 3006 date malformed, 3008
reason without REJECTED.

- Only what a state carries is sent (`CARRIED`): old software writes a `Reason` everywhere, and a
  register number with DELIVERED and RECEIVED, where the hub lists none.
- A text without a visible character is a missing text. Control characters become spaces, lone
  surrogates U+FFFD: neither can upset JSON or a log. Lengths are left alone: the hub names no
  limit, and a reason that was cut would be another reason.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from bridge.feedback import MADRID, DeliveryFeedback, Feedback, StatusFeedback
from bridge.model import HubId, Invoice, LegacyStatus, Refusal, State, StateUpdate, in_a_path

DEFAULT_REASON = "Factura rebutjada sense indicar-ne el motiu"
"""The reason of a rejection for which the RCF gave neither a text nor a code."""

TARGETS: Mapping[LegacyStatus, State] = {
    LegacyStatus(state.value): state
    for state in (
        State.DELIVERED,
        State.ANNOTATED,
        State.RECEIVED,
        State.ACCEPTED,
        State.RECOGNISED,
        State.PAID,
        State.REJECTED,
    )
}
"""The states that a receiver may set; anything else would draw hub error 3001."""

NO_TARGETS: Mapping[LegacyStatus, str] = {
    LegacyStatus.SENT: "SENT is set by the hub itself, never by a receiver",
    LegacyStatus.VALIDATED: "VALIDATED is set by the hub itself, never by a receiver",
    LegacyStatus.REGISTERED: "REGISTERED is set by the hub itself, never by a receiver",
    LegacyStatus.CANCELED: "CANCELED has no counterpart at the hub: "
    "an invoice that is not wanted is REJECTED, with a reason",
}
"""Legacy words that are no targets, and what the RCF is told (BR04)."""

CARRIED: Mapping[State, tuple[str, ...]] = {
    State.ANNOTATED: ("register_number",),
    State.REJECTED: ("reason_code", "reason"),  # with another state: hub error 3008
    State.PAID: ("paid_on",),
}
"""The details that a state carries; a state that is not listed carries none."""

REQUIRED: Mapping[State, tuple[str, str]] = {
    State.ANNOTATED: ("register_number", "ANNOTATED needs a register number"),  # hub error 3002
    State.REJECTED: ("reason", "REJECTED needs a reason"),  # hub error 3003
    State.PAID: ("paid_on", "PAID needs a payment date"),  # hub error 3004
}
"""The detail without which a state is refused, and what the RCF is told (BR05)."""

WIRE_NAMES: Mapping[str, str] = {
    "register_number": "numeroRegistreRCF",
    "reason_code": "codiMotiuRebuig",
    "reason": "descripcioMotiuRebuig",
    "paid_on": "dataPagament",
}
"""Our words for the details of an update, and the hub's (hub-rest-api, "Update")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadUpdate:
    """One state of one invoice as a state file tells it, and what becomes of it.

    `position` counts from 1 in document order over the whole file, `total` is how many there are.
    Without `hub_id` the invoice is to be found by number, supplier and date. `asked_state` is the
    word in the file, whether it is a state or not; None where there is none.
    """

    position: int
    total: int
    asked_state: str | None
    hub_id: HubId | None
    invoice_number: str | None
    supplier_nif: str | None
    invoice_date: date | None
    outcome: StateUpdate | Refusal

    @property
    def where(self) -> str:
        """Say where in the file it stands, as refusals do."""
        return f"update {self.position} of {self.total}"


def translate(feedback: Feedback, *, default_reason: str = DEFAULT_REASON) -> StateUpdate | Refusal:
    """Return the update that a legacy state asks for, or why there is none.

    Refusals: BR04 for a state that a receiver cannot set, BR05 for a detail that is missing.
    """
    state = _target(feedback.status)
    if isinstance(state, Refusal):
        return state
    if state is State.PAID and feedback.unreadable_payment_date:
        return Refusal(
            "BR05",
            f'PAID has a payment date that is none: "{feedback.unreadable_payment_date[:40]}"',
        )
    details = {name: _DETAILS[name](feedback, default_reason) for name in CARRIED.get(state, ())}
    needed, complaint = REQUIRED.get(state, (None, ""))
    if needed is not None and not details[needed]:
        return Refusal("BR05", complaint)
    return StateUpdate(state=state, **details)  # type: ignore[arg-type]


def updates_of(
    message: DeliveryFeedback, *, default_reason: str = DEFAULT_REASON
) -> tuple[ReadUpdate, ...]:
    """Return every update of a state file in document order; none for a file without entries.

    An entry that tells no state at all counts as one update, refused with BR05.
    """
    found = [
        (entry, asked) for entry in message.entries for asked in _outcomes(entry, default_reason)
    ]
    return tuple(
        _read_update(entry, asked, position=position, total=len(found))
        for position, (entry, asked) in enumerate(found, start=1)
    )


def same_effect(update: StateUpdate, invoice: Invoice) -> bool:
    """Tell whether the hub already shows what the update says: the state and all it carries."""
    return update.state == invoice.state and all(
        comparable(getattr(update, name)) == comparable(getattr(invoice, name))
        for name in CARRIED.get(update.state, ())
    )


def patch_body(update: StateUpdate) -> dict[str, str]:
    """Return the body of the PATCH, in the hub's words; details not carried are left out."""
    details = {name: getattr(update, name) for name in CARRIED.get(update.state, ())}
    return {"estat": update.state.value} | {
        WIRE_NAMES[name]: value.isoformat() if isinstance(value, date) else str(value)
        for name, value in details.items()
        if value
    }


def _target(status: str) -> State | Refusal:
    word = _one_line(status)
    if word is None:
        return Refusal("BR05", "the update has no state: its Status is missing or empty")
    try:
        legacy = LegacyStatus(word.upper())
    except ValueError:
        allowed = ", ".join(TARGETS)
        return Refusal("BR04", f'"{word[:40]}" is not a state; a receiver may set {allowed}')
    return TARGETS[legacy] if legacy in TARGETS else Refusal("BR04", NO_TARGETS[legacy])


def _register_number(feedback: Feedback, _: str) -> str | None:
    # Software older than the element RcfRegNumber put the number into one of the others.
    return (
        _one_line(feedback.rcf_register_number)
        or _one_line(feedback.register_number)
        or _one_line(feedback.register_data_number)
    )


def _reason(feedback: Feedback, default_reason: str) -> str | None:
    return _visible(feedback.reason) or _one_line(feedback.reason_code) or _visible(default_reason)


def _reason_code(feedback: Feedback, _: str) -> str | None:
    return _one_line(feedback.reason_code)


def _paid_on(feedback: Feedback, _: str) -> date | None:
    # Old software sends no payment date: the hub, too, takes the state's own date then.
    moment = feedback.payment_date or feedback.status_date
    return None if moment is None else _day_in_madrid(moment)


_DETAILS: Mapping[str, Callable[[Feedback, str], str | date | None]] = {
    "register_number": _register_number,
    "reason_code": _reason_code,
    "reason": _reason,
    "paid_on": _paid_on,
}


def _day_in_madrid(moment: datetime) -> date:
    if moment.tzinfo is None:
        return moment.date()
    try:
        return moment.astimezone(MADRID).date()
    except OverflowError:
        return moment.date()


_Asked = tuple[str | None, StateUpdate | Refusal]


def _outcomes(entry: StatusFeedback, default_reason: str) -> list[_Asked]:
    """Return what each state of an entry says, and what it comes to."""
    if entry.invoice is None:
        return [(None, Refusal("BR05", "the update has no state: InvoiceFeedback is missing"))]
    if not entry.invoice.feedbacks:
        nothing = Refusal("BR05", "the update has no state: InvoiceFeedback has no Feedback")
        return [(None, nothing)]
    return [
        (_asked_state(item.status), translate(item, default_reason=default_reason))
        for item in entry.invoice.feedbacks
    ]


def _asked_state(status: str) -> str | None:
    word = _one_line(status)
    return word.upper()[:40] if word else None


def _read_update(entry: StatusFeedback, asked: _Asked, *, position: int, total: int) -> ReadUpdate:
    asked_state, outcome = asked
    hub_id = _one_line(entry.hub.hub_id) if entry.hub else None
    if hub_id and in_a_path(hub_id) is None:
        outcome = Refusal("BR02", f'"{hub_id[:40]}" cannot be the id of an invoice')
        hub_id = None
    invoice = entry.invoice
    return ReadUpdate(
        position=position,
        total=total,
        asked_state=asked_state,
        hub_id=HubId(hub_id) if hub_id else None,
        invoice_number=_one_line(invoice.invoice_id) if invoice else None,
        supplier_nif=_one_line(invoice.supplier_cif) if invoice else None,
        invoice_date=invoice.invoice_date if invoice else None,
        outcome=outcome,
    )


def comparable(value: str | date | None) -> str:
    """Return a detail of a state as it is compared: without what only spaces make different."""
    return " ".join(str(value or "").split())


def _visible(text: str | None) -> str | None:
    """Return the text trimmed and harmless, or None when there is nothing to see in it."""
    clean = "".join(_harmless(char) for char in text or "").strip()
    return clean if any(char.isprintable() and char != " " for char in clean) else None


def _one_line(text: str | None) -> str | None:
    clean = _visible(text)
    return " ".join(clean.split()) if clean else None


def _harmless(char: str) -> str:
    if "\ud800" <= char <= "\udfff":
        return "\ufffd"
    return " " if (char < " " and char not in "\t\n\r") or "\x7f" <= char <= "\x9f" else char
