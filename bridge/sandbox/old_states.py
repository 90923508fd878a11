"""State files of the old mailbox, applied to the book: both roads lead to the same hub."""

from dataclasses import dataclass

from bridge import feedback
from bridge.errors import RcfFileError
from bridge.messages import Refused
from bridge.model import HubId, Refusal, StateUpdate
from bridge.sandbox.book import Book
from bridge.sandbox.codes import CODES, HubRefusalError
from bridge.sandbox.journal import Request
from bridge.translate import ReadUpdate, updates_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a state file: the invoices it was about, and what was refused."""

    hub_ids: tuple[HubId, ...]
    refused: tuple[Refused, ...]


def apply_state_file(book: Book, name: str, content: bytes) -> Outcome:
    """Apply a state file as the old hub did, each update by itself."""
    try:
        updates = updates_of(feedback.read(content))
    except RcfFileError as error:
        refusal = Refusal(error.code, error.reason)
        return Outcome(
            hub_ids=(), refused=(Refused(hub_id=None, refusal=refusal, position=0, total=0),)
        )
    hub_ids, refused = [], []
    for update in updates:
        found = _find(book, update)
        refusal_of = found if isinstance(found, Refusal) else _apply(book, name, found, update)
        hub_id = None if isinstance(found, Refusal) else found
        if hub_id is not None:
            hub_ids.append(hub_id)
        if refusal_of is not None:
            refused.append(
                Refused(
                    hub_id=hub_id,
                    refusal=refusal_of,
                    position=update.position,
                    total=update.total,
                )
            )
    return Outcome(hub_ids=tuple(hub_ids), refused=tuple(refused))


def _find(book: Book, update: ReadUpdate) -> HubId | Refusal:
    if update.hub_id is not None:
        known = book.knows(update.hub_id)
        return update.hub_id if known else Refusal("2001", CODES[2001][1])
    ids = book.look_up(
        number=update.invoice_number,
        supplier_nif=update.supplier_nif,
        issue_date=update.invoice_date,
    )
    if not ids:
        return Refusal("BR02", "no invoice has this number, supplier and date")
    return ids[0] if len(ids) == 1 else Refusal("BR03", "more than one invoice fits")


def _apply(book: Book, name: str, hub_id: HubId, update: ReadUpdate) -> Refusal | None:
    if isinstance(update.outcome, Refusal):
        return update.outcome
    try:
        book.update(hub_id, update.outcome)
    except HubRefusalError as error:
        _note(book, name, hub_id, update.outcome, error.code)
        return Refusal(str(error.code), CODES[error.code][1])
    _note(book, name, hub_id, update.outcome, None)
    return None


def _note(book: Book, name: str, hub_id: HubId, update: StateUpdate, code: int | None) -> None:
    book.note(
        Request(
            at=book.now(),
            method="STATIN",
            path=name,
            operation="update",
            hub_id=hub_id,
            attachment_id=None,
            body="",
            status=200 if code is None else CODES[code][0],
            code=code,
            applied=code is None,
            fault=None,
            state=update.state.value,
        )
    )
