"""Ledger and mailbox in step: how files become visible.

The order of the durable steps, each safe to repeat after a crash:
    1 the bytes are in the archive            (by the caller)
    2 links to them stand in staging          `Mailbox.make_ready`
    3 the ledger says `placing`               one transaction, with the caller's own rows
    4 the links are renamed into the mailbox  `Mailbox.show`: attachments, message, invoice
    5 the ledger says `placed`

Many invoices may take each step together: then all attachments become visible and durable, then
all messages, then the invoices.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby, islice

import structlog
from sqlalchemy import Connection

from bridge.account import Account
from bridge.chain import Detail, Value
from bridge.errors import StorageError
from bridge.ledger import deliveries, events, placed_files, steps
from bridge.ledger.deliveries import Delivery
from bridge.ledger.events import Said
from bridge.ledger.placed_files import Kind, PlacedFile
from bridge.mailbox import NameTakenError
from bridge.naming import Folder
from bridge.upkeep.recovery import message_number

log = structlog.get_logger()

ORDER = (Kind.ATTACHMENT, Kind.FILE, Kind.STATE, Kind.ANSWER, Kind.INVOICE)
"""In which files become visible: the invoice last."""

DELIVERED_KINDS = frozenset({Kind.INVOICE, Kind.ATTACHMENT, Kind.STATE, Kind.FILE})
"""What inbound places; answers are outbound's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """Files that belong together, an invoice with what comes with it, and what an event says."""

    files: Sequence[PlacedFile]
    kind: str
    detail: Mapping[str, Value] = field(default_factory=dict)


Write = Callable[[Connection, datetime], None]
"""What the ledger writes down with the files, at a time."""

NotShown = NameTakenError | StorageError
"""Why a file did not become visible; the others do."""


def place(account: Account, parcel: Parcel, write: Write) -> None:
    """Make archived files visible; raises StorageError, NameTakenError."""
    for error in show(account, begin(account, [parcel], write)):
        if error is not None:
            raise error


def begin(
    account: Account, parcels: Sequence[Parcel], write: Write
) -> Sequence[Sequence[PlacedFile]]:
    """Write down that files are about to become visible; all of them, or none after an error.

    Returns the files of each parcel, for `show`.
    """
    files = [file for parcel in parcels for file in parcel.files]
    account.mailbox.make_ready((file.folder, file.name, file.digest) for file in files)
    now = account.clock()
    with account.ledger.write() as connection:
        write(connection, now)
        begun = iter(placed_files.begin(connection, account.name, files, at=now))
        events.record_all(connection, account.name, [_said(it, at=now) for it in parcels])
    return [list(islice(begun, len(parcel.files))) for parcel in parcels]


def _said(parcel: Parcel, *, at: datetime) -> Said:
    files = [placed_files.as_detail(file) for file in parcel.files]
    hub_id = parcel.files[0].hub_id
    return Said(kind=parcel.kind, at=at, hub_id=hub_id, detail={"files": files, **parcel.detail})


def resume(account: Account, kinds: frozenset[Kind]) -> int:
    """Finish what a crash interrupted: show what was never shown, note what was collected.

    Returns how many files it concerned.
    """
    with account.ledger.read() as connection:
        interrupted = placed_files.placing(connection, account.name, kinds)
    if not interrupted:
        return 0
    log.warning("resuming an interrupted placing", account=account.name, files=len(interrupted))
    grouped = groupby(interrupted, key=lambda file: file.hub_id or file.name)
    groups = [list(together) for _, together in grouped]
    for group, error in zip(groups, show(account, groups), strict=True):
        if error is not None:
            _note_not_shown(account, group, error)
    return len(interrupted)


def _note_not_shown(account: Account, files: Sequence[PlacedFile], error: NotShown) -> None:
    """Say why files are not visible yet; of an invoice `status` tells it until they are."""
    log.error("not placed", account=account.name, reason=str(error))
    with account.ledger.write() as connection:
        for file in files:
            row = file.kind is Kind.INVOICE and _delivery(connection, account, file)
            if row:
                again = account.next_try(row.attempts)
                deliveries.failed(connection, row.id, trouble=str(error), next_attempt_at=again)


def _delivery(connection: Connection, account: Account, file: PlacedFile) -> Delivery | None:
    if file.feed is None or file.hub_id is None:
        return None
    return deliveries.of_feed(connection, account.name, file.feed, file.hub_id)


def show(account: Account, groups: Sequence[Sequence[PlacedFile]]) -> Sequence[NotShown | None]:
    """Make files visible kind by kind, each kind durably before the next, and note it.

    Returns for each group what stood in its way: then nothing of it is noted yet (see `resume`).
    """
    shown: set[int] = set()
    errors: list[NotShown | None] = [None] * len(groups)
    for kind in ORDER:
        for number, group in enumerate(groups):
            if errors[number] is None:
                some = [file for file in group if file.kind is kind]
                errors[number] = _show(account, some, shown)
        account.mailbox.sync(
            {
                file.folder
                for group in groups
                for file in group
                if file.kind is kind and file.id in shown
            }
        )
    clear = [group for group, error in zip(groups, errors, strict=True) if error is None]
    _note_shown(account, [file for group in clear for file in group], shown)
    return errors


def _show(account: Account, files: Sequence[PlacedFile], shown: set[int]) -> NotShown | None:
    """Show files and add them to `shown`, but for those that were shown before and are gone."""
    for file in files:
        try:
            if account.mailbox.show(file.folder, file.name):
                shown.add(file.id)
        except (NameTakenError, StorageError) as error:
            return error
    return None


def _note_shown(account: Account, files: Sequence[PlacedFile], shown: Set[int]) -> None:
    there = [file for file in files if file.id in shown]
    now = account.clock()
    with account.ledger.write() as connection:
        steps.placed(connection, account.name, there, at=now)
        placed = [_noted(file, f"{file.kind} placed", at=now) for file in there]
        events.record_all(connection, account.name, placed)
        note_collected(connection, account, [file for file in files if file.id not in shown])


def note_collected(connection: Connection, account: Account, files: Sequence[PlacedFile]) -> None:
    """Write down that the software has deleted these files: it has them."""
    now = account.clock()
    gone = steps.collected(connection, account.name, files, at=now)
    collected = [_noted(file, f"{file.kind} collected", at=now) for file in gone]
    events.record_all(connection, account.name, collected)
    for file in gone:
        log.info("collected", account=account.name, hub_id=file.hub_id, name=file.name)


def _noted(file: PlacedFile, kind: str, *, at: datetime) -> Said:
    detail: Detail = {"folder": file.folder, "name": file.name}
    return Said(kind=kind, at=at, hub_id=file.hub_id, detail=detail)


def number_on(connection: Connection, account: Account, files: Sequence[PlacedFile]) -> None:
    """See that no message of ours gets a number that one of the old hub's bears."""
    names = [file.name for file in files if file.folder is Folder.STATOUT]
    used = max((message_number(account.mailbox.profile, name) for name in names), default=0)
    missing = used - placed_files.last_message_number(connection, account.name) if used else 0
    if missing > 0:
        placed_files.reserve_message_numbers(connection, account.name, missing)


def message_ids(account: Account, count: int) -> Sequence[str]:
    """Return so many ids for messages in `statout`, never given before in this mailbox."""
    if not count:
        return ()
    with account.ledger.write() as connection:
        last = placed_files.reserve_message_numbers(connection, account.name, count)
    return [str(number) for number in range(last - count + 1, last + 1)]
