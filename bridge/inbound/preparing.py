"""The mailbox before a round: made, or recognised as the one that the ledger knows."""

from datetime import datetime

import structlog

from bridge.account import Account
from bridge.errors import StorageError
from bridge.ledger import accounts, events, placed_files, serving
from bridge.ledger.events import MAILBOX_MADE
from bridge.ledger.placed_files import Kind
from bridge.upkeep.recovery import remember

log = structlog.get_logger()


def prepare(account: Account) -> int:
    """Make the mailbox's folders, or see that they are the ones that the ledger knows.

    Returns how many events the ledger had forgotten: it was restored from a backup.
    """
    with account.mailbox.turn("prepare"):
        remembered = remember(account)
        with account.ledger.read() as connection:
            mark = accounts.mailbox_mark(connection, account.name)
            identity = accounts.mailbox_identity(connection, account.name)
            owed = accounts.recall_since(connection, account.name)
            until = events.last_at(connection, account.name)
        if until is None:
            _refuse_forgotten_archive(account)
        found = account.mailbox.prepare(mark)
        if mark is None or identity is None:
            _note_mailbox(account, found, is_new=mark is None)
        elif owed is None and identity != account.mailbox.identity():
            _note_restored(account, until)
        if account.mailbox.placing_was_lost():
            _make_ready_again(account)
        with account.ledger.read() as connection:
            waits_for_other = serving.waits_for_other(connection, account.own)
        if waits_for_other:
            _follow_settings(account)
    return remembered


def _refuse_forgotten_archive(account: Account) -> None:
    """Stop where the archive is full and nobody remembers why: all of it would come once more."""
    archive = account.mailbox.archive
    if next(archive.files(), None) is None:
        return
    raise StorageError(
        f"account {account.name}: the archive {archive.root} holds files, but the ledger is empty "
        "and the journal that belongs to them is gone. Put ledger.db or events.jsonl back from a "
        "backup; else move the archive away, and have `efact-bridge learn` read what else shows "
        "what the software has had, before anything is served again"
    )


def _note_restored(account: Account, until: datetime | None) -> None:
    log.warning("the mailbox was restored from a backup", account=account.name)
    with account.ledger.write() as connection:
        accounts.note_restored(connection, account.name, at=account.clock(), recall_since=until)


def _note_mailbox(account: Account, mark: str, *, is_new: bool) -> None:
    with account.ledger.write() as connection:
        accounts.set_mailbox_identity(connection, account.name, account.mailbox.identity())
        if is_new:
            accounts.set_mailbox_mark(connection, account.name, mark)
            events.record(connection, account.name, MAILBOX_MADE, at=account.clock(), mark=mark)


def _follow_settings(account: Account) -> None:
    log.info("what waits goes to the feed of the settings", account=account.name)
    with account.ledger.write() as connection:
        serving.follow_settings(connection, account.own, at=account.clock())


def _make_ready_again(account: Account) -> None:
    """Mend a staging folder that somebody emptied: without this, what was never shown would look
    as if it had been collected.
    """
    with account.ledger.read() as connection:
        interrupted = placed_files.placing(connection, account.name, frozenset(Kind))
    account.mailbox.make_ready(
        (file.folder, file.name, file.digest)
        for file in interrupted
        if account.mailbox.is_gone(file.folder, file.name)
    )
    account.mailbox.mark_placing()
