"""What the old software of the demo makes of its invoices: the state files that it drops.

One invoice goes all the way to PAID, one is annotated, one rejected, and one is annotated without
the register number that this needs: a mistake that has to come back. Fewer invoices, fewer files.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bridge import feedback
from bridge.feedback import DeliveryFeedback, Feedback, HubFeedback, InvoiceFeedback, StatusFeedback
from bridge.model import HubId, State
from bridge.naming import Folder, NameParts, Profile
from bridge.sandbox.legacy_client import Fetched


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """An invoice as the software knows it: from its file's name and the message beside it."""

    hub_id: HubId
    name: NameParts
    about: InvoiceFeedback


@dataclass(frozen=True, slots=True, kw_only=True)
class Says:
    """What a state file says of an invoice, and whether that can be."""

    state: State
    register_number: str | None = None
    reason: str | None = None
    paid: bool = False
    refused: bool = False

    def __str__(self) -> str:
        details = {
            "register number": self.register_number,
            "reason": self.reason,
            "today as the day of payment": "" if self.paid else None,
            "no register number": "" if self.refused else None,
        }
        told = [f"{name} {value}".strip() for name, value in details.items() if value is not None]
        return ", ".join([self.state.value, *told])


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """A state file for `statin`."""

    hub_id: HubId
    name: str
    content: bytes
    says: Says


Role = tuple[Says, ...]
"""What the software says of one invoice, in this order."""

OVER_SFTP: tuple[Role, ...] = (
    (
        Says(state=State.ANNOTATED, register_number="RCF-0001"),
        Says(state=State.RECOGNISED),
        Says(state=State.PAID, paid=True),
    ),
)
OVER_FTP: tuple[Role, ...] = (
    (Says(state=State.ANNOTATED, refused=True),),
    (Says(state=State.REJECTED, reason="The goods never came"),),
    (Says(state=State.ANNOTATED, register_number="RCF-0002"),),
)


def imported(files: Iterable[Fetched], profile: Profile) -> tuple[Imported, ...]:
    """Return the invoices that came with a message beside them, by hub id."""
    names: dict[HubId, NameParts] = {}
    messages: dict[HubId, InvoiceFeedback] = {}
    for file in files:
        if file.folder == profile.folder(Folder.OUT):
            parts = profile.parse(Folder.OUT, file.name)
            if parts and parts.hub_id:
                names[HubId(parts.hub_id)] = parts
        elif file.folder == profile.folder(Folder.STATOUT):
            messages |= registrations(file)
    return tuple(
        Imported(hub_id=hub_id, name=names[hub_id], about=messages[hub_id])
        for hub_id in sorted(names.keys() & messages.keys(), key=_in_order)
    )


def registrations(file: Fetched) -> dict[HubId, InvoiceFeedback]:
    """Return what a message from `statout` says of invoices; nothing for an answer."""
    return {
        HubId(entry.hub.hub_id): entry.invoice
        for entry in feedback.read(file.content).entries
        if entry.hub and entry.invoice
    }


def refusals(file: Fetched) -> list[tuple[str, str]]:
    """Return the hub ids and reasons of an answer from `statout`; nothing for other messages."""
    return [
        (entry.hub.hub_id, entry.hub.error_code)
        for entry in feedback.read(file.content).entries
        if entry.hub and entry.hub.error_code
    ]


def drops(
    invoices: Sequence[Imported], roles: Sequence[Role], profile: Profile, *, now: datetime
) -> tuple[Drop, ...]:
    """Return the state files for the first invoices, one role each."""
    return tuple(
        _drop(invoice, says, profile, now=now)
        for invoice, role in zip(invoices, roles, strict=False)
        for says in role
    )


def expected_states(hub_ids: Iterable[HubId], dropped: Iterable[Drop]) -> Mapping[HubId, State]:
    """Return how far each invoice should come: DELIVERED when collected, then as told."""
    states = dict.fromkeys(hub_ids, State.DELIVERED)
    return states | {drop.hub_id: drop.says.state for drop in dropped if not drop.says.refused}


def _drop(invoice: Imported, says: Says, profile: Profile, *, now: datetime) -> Drop:
    state = Feedback(
        status=says.state.value,
        status_date=now,
        rcf_register_number=says.register_number,
        reason=says.reason,
        reason_code="02" if says.reason else None,
        payment_date=now if says.paid else None,
    )
    entry = StatusFeedback(
        hub=HubFeedback(hub_id=invoice.hub_id), invoice=replace(invoice.about, feedbacks=(state,))
    )
    # Two files must not share a name, or the later one would replace the other.
    reference = f"{invoice.name.reference}-{invoice.hub_id}-{says.state}"
    parts = replace(invoice.name, reference=reference)
    return Drop(
        hub_id=invoice.hub_id,
        name=profile.state_file_name(parts),
        content=feedback.write(DeliveryFeedback(entries=(entry,))),
        says=says,
    )


def _in_order(hub_id: HubId) -> tuple[int, str]:
    return len(hub_id), hub_id
