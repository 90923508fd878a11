"""Outbound while the old mailbox serves: what is told to it, with the turn `hub`.

What the software collected from ours is removed there (by the account's policy, as DELIVERED is
told to the hub), if it still has the bytes that were recorded. State files go into its `statin`,
unchanged and under their names: the old hub answers them, not the bridge. Each goes once:

    1 written there under a name that nobody reads   `lay_ready`
    2 the ledger says `ready`
    3 given its own name                             `show_ready`
    4 the ledger says `passed`

After a crash between 2 and 4 the first name tells: where it is gone, step 3 was done.
"""

import time

import structlog

from bridge.account import Account
from bridge.errors import OldMailboxFileError
from bridge.feeds.legacy import OldMailboxWriter
from bridge.ledger import events, legacy_removals, state_files, updates
from bridge.ledger.placed_files import PlacedFile
from bridge.ledger.state_files import Passing, StateFile
from bridge.model import HubId
from bridge.naming import Folder
from bridge.outbound.sending import Sent

log = structlog.get_logger()


def is_due(account: Account) -> bool:
    """Tell whether there is anything to tell the old mailbox."""
    with account.ledger.read() as connection:
        files = state_files.to_pass(connection, account.name)
    return bool(files or _to_remove(account))


def remove_collected(
    account: Account, mailbox: OldMailboxWriter, *, until: float | None = None
) -> int:
    """Remove from the old mailbox what it need not offer any more; return how many files.

    After the time `until` (of the monotonic clock) nothing new is begun. Raises its errors.
    """
    done = 0
    for file in _to_remove(account):
        if account.stopping.is_set() or (until is not None and time.monotonic() >= until):
            break
        done += _remove(account, mailbox, file)
    return done


def _to_remove(account: Account) -> list[PlacedFile]:
    if account.own.acknowledge == "never":
        return []
    with account.ledger.read() as connection:
        stored = account.own.acknowledge == "stored"
        return legacy_removals.to_remove(connection, account.name, stored=stored)


def _remove(account: Account, mailbox: OldMailboxWriter, file: PlacedFile) -> bool:
    """Remove one file; False where other bytes are there by now: the next listing reads them."""
    assert file.source is not None
    entry = mailbox.look(file.source)
    try:
        if entry is not None:
            mailbox.delete(entry, digest=file.digest_there)
    except OldMailboxFileError as error:
        log.warning("not removed from the old mailbox", reason=str(error))
        return False
    with account.ledger.write() as connection:
        legacy_removals.remove(connection, account.name, file, at=account.clock())
    log.info("removed from the old mailbox", account=account.name, name=file.name)
    return True


def pass_on(account: Account, mailbox: OldMailboxWriter, *, until: float | None = None) -> Sent:
    """Put the state files that wait into the old `statin`, in the order in which they came.

    One that has to wait holds up those of the same invoices, and those of the same name: what is
    laid ready of it would be written over. Raises its errors.
    """
    with account.ledger.read() as connection:
        waiting = state_files.to_pass(connection, account.name)
    passed, held_up, names, problems = 0, set[HubId](), set[str](), []
    for file in waiting:
        if account.stopping.is_set() or (until is not None and time.monotonic() >= until):
            break
        with account.ledger.read() as connection:
            concerned = updates.invoices_of_file(connection, file.id)
        if concerned & held_up or file.name in names:
            held_up |= concerned
            names.add(file.name)
            continue
        try:
            _pass_on(account, mailbox, file)
            passed += 1
        except OldMailboxFileError as error:
            held_up |= concerned
            names.add(file.name)
            problems.append(error)
            _note_trouble(account, file, str(error))
    return Sent(accepted=passed, waiting=len(waiting) - passed, problems=tuple(problems))


def _pass_on(account: Account, mailbox: OldMailboxWriter, file: StateFile) -> None:
    """Put one file there, or end what a crash has interrupted."""
    if file.passing is Passing.WAITING:
        content = account.mailbox.archive.read(file.digest)
        mailbox.lay_ready(Folder.STATIN, file.name, content)
        _note_ready(account, file)
    mailbox.show_ready(Folder.STATIN, file.name)
    _note_passed(account, file)
    log.info("state file passed on", account=account.name, name=file.name)


def _note_ready(account: Account, file: StateFile) -> None:
    with account.ledger.write() as connection:
        state_files.set_passing(connection, file.id, Passing.READY)
        events.record(
            connection,
            account.name,
            state_files.LAID_READY,
            at=account.clock(),
            file=file.id,
            name=file.name,
            digest=file.digest,
        )


def _note_passed(account: Account, file: StateFile) -> None:
    now = account.clock()
    with account.ledger.write() as connection:
        state_files.set_passing(connection, file.id, Passing.PASSED)
        updates.passed_on(connection, file.id, at=now)
        events.record(
            connection,
            account.name,
            state_files.PASSED_ON,
            at=now,
            file=file.id,
            name=file.name,
            digest=file.digest,
        )


def _note_trouble(account: Account, file: StateFile, trouble: str) -> None:
    log.warning("state file waits", account=account.name, name=file.name, reason=trouble)
    with account.ledger.write() as connection:
        state_files.note_trouble(connection, file.id, trouble)
        updates.note_waiting(connection, file.id, trouble)
