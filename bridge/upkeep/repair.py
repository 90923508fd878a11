"""Putting right, at the start, what the process before left half done.

Ledger, staging, archive and mailbox are brought into agreement and it is said what was found. No
promise depends on it: each round does its part of this again, so that a start is no special case.
"""

from dataclasses import dataclass, fields

import structlog

from bridge.account import Account
from bridge.durable import BusyError
from bridge.errors import StorageError
from bridge.inbound.placing import resume
from bridge.inbound.preparing import prepare
from bridge.ledger import events, placed_files, updates
from bridge.ledger.placed_files import Kind, PlacedFile
from bridge.mailbox import INBOUND_FOLDERS, MARK
from bridge.model import UpdateStatus
from bridge.upkeep.recovery import reserve_numbers

log = structlog.get_logger()

FEW = 5
"""So many names are told; the rest is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairs:
    """What was found, and put right; all of it may be nothing."""

    remembered: int = 0
    """Events that a restored ledger had forgotten."""
    resumed: int = 0
    """Files that were on their way into the mailbox."""
    leftovers: int = 0
    """Staged files and links that nobody has seen, removed."""
    archived_again: int = 0
    """Files that had gone from the archive and still stood in the mailbox."""
    in_doubt: int = 0
    """Updates of which nobody knows whether the hub took them: it is asked first."""
    not_ours: tuple[str, ...] = ()
    """Files in the mailbox that the ledger does not know, left where they are."""

    def __bool__(self) -> bool:
        """Whether there is anything to tell."""
        return any(getattr(self, field.name) for field in fields(self))


def put_right(account: Account) -> Repairs:
    """Make the mailbox, or bring everything into agreement; returns what was found.

    Raises StorageError when the mailbox is not the one that the ledger knows, or its journal tells
    another story. Where another process is at work on the account, it has done this already.
    """
    try:
        remembered = prepare(account)
    except StorageError:  # the others go on
        reserve_numbers(account)
        raise
    if remembered:
        reserve_numbers(account)
    mailbox = account.mailbox
    try:
        with mailbox.turn("inbound", wait=0), mailbox.turn("outbound", wait=0):
            repairs = _agree(account, remembered)
    except BusyError:
        return Repairs(remembered=remembered)
    if repairs:
        _tell(account, repairs)
    return repairs


def _agree(account: Account, remembered: int) -> Repairs:
    mailbox = account.mailbox
    with account.ledger.read() as connection:
        placing = placed_files.placing(connection, account.name, frozenset(Kind))
        waiting = updates.open_updates(connection, account.name)
    leftovers = sum(mailbox.clear_staged(purpose) for purpose in ("fetch", "take", "mark"))
    leftovers += mailbox.clear_placing((file.folder, file.name) for file in placing)
    resumed = resume(account, frozenset(Kind))
    with account.ledger.read() as connection:
        visible = placed_files.visible(connection, account.name)
    return Repairs(
        remembered=remembered,
        resumed=resumed,
        leftovers=leftovers,
        archived_again=sum(_archive_again(account, file) for file in visible),
        in_doubt=sum(update.status is UpdateStatus.SENDING for update in waiting),
        not_ours=_not_ours(account, visible),
    )


def _archive_again(account: Account, file: PlacedFile) -> bool:
    """Keep once more what has gone from the archive and still stands in the mailbox."""
    standing = account.mailbox.standing(file.folder, file.name)
    if account.mailbox.archive.path(file.digest).exists() or not standing.is_file():
        return False
    kept = account.mailbox.keep_bytes(standing.read_bytes(), purpose="fetch")
    return kept == file.digest


def _not_ours(account: Account, visible: list[PlacedFile]) -> tuple[str, ...]:
    known = {(file.folder, file.name) for file in visible}
    return tuple(
        f"{account.mailbox.profile.folder(role)}/{name}"
        for role in INBOUND_FOLDERS
        for name in sorted(account.mailbox.present(role))
        if (role, name) not in known and name != MARK
    )


def _tell(account: Account, repairs: Repairs) -> None:
    found = {field.name: getattr(repairs, field.name) for field in fields(repairs)}
    told = {name: value for name, value in found.items() if value}
    if repairs.not_ours:
        more = ["…"] if len(repairs.not_ours) > FEW else []
        told["not_ours"] = [*repairs.not_ours[:FEW], *more]
    log.warning("put right after the last stop", account=account.name, **told)
    with account.ledger.write() as connection:
        events.record(
            connection,
            account.name,
            "put right after the last stop",
            at=account.clock(),
            also=told,
        )
