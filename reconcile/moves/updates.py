"""State updates that are still to be told when the feed changes.

To the old mailbox they go as state files, in the order in which they came: a file of which nothing
is settled goes as the RCF wrote it; of another one a new file is made, of its open updates only.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import structlog
from sqlalchemy import Connection

from bridge import feedback
from bridge.account import Account
from bridge.errors import RcfFileError
from bridge.feedback import DeliveryFeedback, HubFeedback, StatusFeedback
from bridge.ledger import events, queueing, state_files, updates
from bridge.ledger.state_files import Kind, StateFile
from bridge.ledger.updates import Update
from bridge.model import Digest, HubId, UpdateStatus

log = structlog.get_logger()

_OPEN = (UpdateStatus.QUEUED, UpdateStatus.SENDING)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFile:
    """A state file with updates that are still to be told."""

    name: str
    digest: Digest
    """Of the file as the RCF wrote it, or of the new one; in the archive."""
    hub_id: HubId | None
    """Of the first invoice that it speaks of."""
    original: StateFile
    waiting: tuple[Update, ...]
    is_new: bool


def open_files(connection: Connection, account: Account) -> list[OpenFile]:
    """Return the state files that must still be told of, in order; new ones are in the archive."""
    found = updates.open_updates(connection, account.name)
    by_file = groupby(sorted(found, key=lambda it: it.state_file), key=lambda it: it.state_file)
    return [_open_file(connection, account, number, list(some)) for number, some in by_file]


def _open_file(
    connection: Connection, account: Account, number: int, waiting: Sequence[Update]
) -> OpenFile:
    original = state_files.known(connection, number)
    settled = [
        update for update in updates.of_file(connection, number) if update.status not in _OPEN
    ]
    part = _part(account, original, waiting) if settled else None
    digest = original.digest
    if part is not None:
        digest = account.mailbox.keep_bytes(part, purpose="move")
    stem, dot, ending = original.name.rpartition(".")
    return OpenFile(
        name=f"{stem}-{number}{dot}{ending}" if part is not None else original.name,
        digest=digest,
        hub_id=next((update.hub_id for update in waiting if update.hub_id), None),
        original=original,
        waiting=tuple(waiting),
        is_new=part is not None,
    )


def _part(account: Account, original: StateFile, waiting: Sequence[Update]) -> bytes | None:
    """Return a state file of these updates only; None where only the whole file can be told."""
    wanted = {update.position: update.hub_id for update in waiting}
    try:
        message = feedback.read(account.mailbox.archive.read(original.digest))
        return feedback.write(only(message, wanted.keys(), wanted))
    except (RcfFileError, ValueError) as error:
        # What was settled is told once more: it shows already what it asks for, or is refused.
        log.warning("state file goes whole", name=original.name, reason=str(error))
        return None


def only(
    message: DeliveryFeedback, positions: Collection[int], hub_ids: dict[int, HubId | None]
) -> DeliveryFeedback:
    """Return a message of the updates at these positions, counted from 1 in document order."""
    kept: list[StatusFeedback] = []
    position = 0
    for entry in message.entries:
        said = entry.invoice.feedbacks if entry.invoice else ()
        mine = [
            (number, replace(it, status=it.status.strip().upper()))
            for number, it in enumerate(said, start=position + 1)
            if number in positions
        ]
        position += max(1, len(said))
        if entry.invoice is None or not mine:
            continue
        invoice = replace(entry.invoice, feedbacks=tuple(it for _, it in mine))
        hub = entry.hub or HubFeedback()
        hub = replace(hub, hub_id=hub.hub_id or hub_ids[mine[0][0]] or "")
        kept.append(StatusFeedback(hub=hub, invoice=invoice))
    return DeliveryFeedback(entries=tuple(kept))


def enter_new(connection: Connection, account: Account, files: Sequence[OpenFile]) -> None:
    """Write down the new files, and that the open updates are theirs now; they are passed on."""
    now = account.clock()
    for file in files:
        if not file.is_new:
            continue
        size = account.mailbox.archive.path(file.digest).stat().st_size
        file_id = state_files.add(
            connection,
            account.name,
            name=file.name,
            digest=file.digest,
            size=size,
            kind=Kind.TAKEN,
            at=now,
            pass_on=True,
        )
        events.record(
            connection,
            account.name,
            f"state file {Kind.TAKEN}",
            at=now,
            file=file_id,
            name=file.name,
            digest=file.digest,
            size=size,
            updates=len(file.waiting),
            pass_on=True,
        )
        for update in file.waiting:
            _requeue(connection, account, update, file_id)


def _requeue(connection: Connection, account: Account, update: Update, file_id: int) -> None:
    assert update.change is not None
    now = account.clock()
    queueing.requeue(
        connection,
        update.id,
        state_file=file_id,
        hub_id=update.hub_id,
        outcome=update.change,
        at=now,
        pass_on=True,
    )
    events.record(
        connection,
        account.name,
        "update queued again",
        at=now,
        hub_id=update.hub_id,
        update=update.id,
        file=file_id,
        outcome=queueing.as_detail(update.change),
        pass_on=True,
    )
