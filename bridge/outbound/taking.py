"""Taking state files: from `statin` through the archive into the outbox.

A state file is taken when its name and its rest say that it is finished. Its bytes go to the
archive, its updates to the ledger, and only then does it leave `statin`. The same bytes once more,
under whatever name, are no second effect: what was accepted is a repetition, what was refused gets
another chance.

While the old mailbox serves, a file is passed on there as it is (`legacy/outbound.py`): its updates
are written down for the record, what our rules refuse among them, and the old hub answers. While no
feed serves, files are left lying.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import structlog

from bridge.account import Account
from bridge.crew import workers_for
from bridge.errors import StorageError
from bridge.ledger import state_files
from bridge.mailbox import Mailbox
from bridge.model import FeedName
from bridge.naming import is_temporary
from bridge.outbound.entering import Kept, enter, read_updates
from bridge.settings import PushSettings
from bridge.statin import Dropped

log = structlog.get_logger()

LEFT_LYING_AFTER = 600
"""Seconds after which `status` tells of what lies in `statin` and is not taken."""

HANDFUL = 1_000
"""State files that one round of `serve` takes: what they ask for is sent before more are taken."""

TOGETHER = 100
"""State files that are written down in one transaction, at most."""

BYTES_TOGETHER = 1_000_000
"""Bytes of state files that are written down in one transaction, or a single file with more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftLying:
    """The names of what lies in `statin` for long."""

    unrecognised: tuple[str, ...] = ()
    """What is never taken."""
    not_taken: tuple[str, ...] = ()
    """State files that could not be taken yet."""


def take_in(account: Account, *, most: int | None = None) -> int:
    """Take the finished state files out of `statin`, that many at most; return how many.

    For whoever has the turn `outbound`.
    """
    serve = account.feeds().serve
    if serve is None:
        return 0
    account.mailbox.clear_staged("take")
    _note_left(account)
    finished = (file for file in account.mailbox.statin.dropped() if _is_finished(account, file))
    taken = 0
    while (most is None or taken < most) and (
        share := _share(finished, TOGETHER if most is None else min(TOGETHER, most - taken))
    ):
        taken += _take(account, share, pass_on=serve is FeedName.LEGACY)
    return taken


def _share(files: Iterator[Dropped], most: int) -> Sequence[Dropped]:
    """Return the next files that are written down in one transaction, for which others wait."""
    share: list[Dropped] = []
    for file in files:
        share.append(file)
        if len(share) == most or sum(it.size for it in share) > BYTES_TOGETHER:
            break
    return share


def _is_finished(account: Account, file: Dropped) -> bool:
    recognised = _is_state_file(account.mailbox, account.settings.push, file)
    return recognised and has_settled(account, file)


def has_settled(account: Account, file: Dropped) -> bool:
    """Tell whether a dropped file has rested for `settle`, and nobody has it open to write on."""
    now, settle = account.clock().timestamp(), account.settings.push.settle
    is_at_rest = file.settled(now=now, settle=settle)
    return is_at_rest and not account.mailbox.statin.is_being_written(file)


def _note_left(account: Account) -> None:
    """Note what left `statin` right before a crash: the same bytes coming again are news."""
    with account.ledger.read() as connection:
        entered = state_files.not_left(connection, account.name)
    if not entered:
        return
    lying = {name for file in account.mailbox.statin.lying() for name in (file.name, file.stored)}
    _left(account, [file.id for file in entered if file.name not in lying])


def _left(account: Account, file_ids: Sequence[int]) -> None:
    if file_ids:
        with account.ledger.write() as connection:
            for file_id in file_ids:
                state_files.left(connection, file_id, at=account.clock())


def arriving(account: Account) -> frozenset[str]:
    """Return the names of the state files that lie in `statin`, settled or not."""
    return frozenset(
        file.name
        for file in account.mailbox.statin.dropped()
        if _is_state_file(account.mailbox, account.settings.push, file)
    )


def expects_files(account: Account) -> bool:
    """Tell whether any state file lies in `statin`, settled or not."""
    if account.feeds().serve is None:
        return False
    push, mailbox = account.settings.push, account.mailbox
    return any(_is_state_file(mailbox, push, file) for file in mailbox.statin.lying())


def left_lying(mailbox: Mailbox, push: PushSettings, *, now: datetime) -> LeftLying:
    """Return what lies in `statin` for long, by arrival."""
    oldest = now.timestamp() - LEFT_LYING_AFTER
    lying = [(file, _is_state_file(mailbox, push, file)) for file in mailbox.statin.dropped()]
    return LeftLying(
        unrecognised=tuple(file.name for file, ours in lying if not ours and file.since < oldest),
        not_taken=tuple(file.name for file, ours in lying if ours and file.changed_at < oldest),
    )


def _is_state_file(mailbox: Mailbox, push: PushSettings, file: Dropped) -> bool:
    return (
        file.regular
        and mailbox.profile.is_state_file(file.name)
        and not is_temporary(file.name, push.temporary)
    )


def _take(account: Account, files: Sequence[Dropped], *, pass_on: bool) -> int:
    """Take files together, in their order; return how many, for some may have to wait.

    Each step is one for all: the bytes are safe, then the ledger knows them, then they leave.
    """
    workers = workers_for(account.settings.hub.max_connections)
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="take") as pool:
        kept = [it for it in pool.map(lambda file: _keep(account, file), files) if it]
    if not kept:
        return 0
    with account.ledger.write() as connection:
        file_ids = [enter(connection, account, it, pass_on=pass_on) for it in kept]
    stuck = account.mailbox.statin.remove([it.file for it in kept])
    for file, error in stuck.items():  # known by its bytes in the next round, which tries again
        log.warning("state file not taken out of statin", name=file.name, reason=str(error))
    taken = {id_: it for id_, it in zip(file_ids, kept, strict=True) if it.file not in stuck}
    _left(account, list(taken))
    for it in taken.values():
        log.info("state file taken", account=account.name, name=it.file.name, updates=len(it.asks))
    return len(taken)


def _keep(account: Account, file: Dropped) -> Kept | None:
    """Put a file into the archive; None when it has to wait, which must not hold up the others."""
    try:
        digest = account.mailbox.statin.keep(file)
        asks = read_updates(account, digest)
    except StorageError as error:
        log.warning("state file not taken", name=file.name, reason=str(error))
        return None
    if not account.mailbox.statin.is_unchanged(file):
        return None  # somebody is still writing: the next round sees it whole
    return Kept(file=file, digest=digest, asks=asks)
