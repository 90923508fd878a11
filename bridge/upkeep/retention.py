"""Retention: an archived file that nothing needs any more goes after `keep_archive`.

What may go is for the ledger to say (`ledger/archive_removals`). Its rows and digests stay for
ever; the event is written before the file is removed, so that a crash in between leaves a file
that is removed the next time, never one that looks as if it had been lost.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from itertools import islice

import structlog

from bridge.account import Account
from bridge.durable import BusyError
from bridge.errors import LocalError
from bridge.ledger import archive_removals, comparisons, events
from bridge.ledger.archive_removals import REMOVED, Outdated
from bridge.model import Digest, HubId

log = structlog.get_logger()

AT_ONCE = 500
"""Files that are removed in one go, while the account's rounds wait."""

INTERVAL = 86400
"""Seconds between two looks at what the archive need not keep."""

PATIENCE = 1
"""Seconds to wait for a round of the account to end: this work is in no hurry."""


class Retention:
    """Removes what is outdated, after a start and then once a day."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._next = time.monotonic()

    def apply_when_due(self) -> None:
        """Remove what is outdated, if a day has passed; trouble with it is logged only."""
        if time.monotonic() < self._next:
            return
        try:
            if remove_outdated(self._account) == AT_ONCE:
                return  # there is more: after the next round
        except BusyError:
            return  # another time: a command is at work on the account
        except LocalError as error:
            log.error("archive files not removed", account=self._account.name, reason=str(error))
        self._next = time.monotonic() + INTERVAL


def remove_outdated(account: Account) -> int:
    """Remove files that are outdated by the settings, so many at most; return how many.

    Raises BusyError, StorageError or LedgerError. No round of the account runs meanwhile: a file
    that comes once more must not be taken for archived already and then go. While the account has
    a shadow feed nothing goes: a comparison needs the files of both sides, and so does a rollback.
    """
    keep, now = account.settings.keep_archive, account.clock()
    if keep is None or account.feeds().shadow is not None:
        return 0
    with nobody_else_at_work(account):
        files = _next(account, before=now - timedelta(seconds=keep))
        remove(account, {file.digest: file.hub_id for file in files}, at=now)
    return len(files)


@contextmanager
def nobody_else_at_work(account: Account) -> Iterator[None]:
    """Keep the account's rounds and other commands out of the block; raises BusyError."""
    with ExitStack() as held:
        for round_ in ("inbound", "outbound", "record", "record-rest"):
            held.enter_context(account.mailbox.turn(round_, wait=PATIENCE))
        yield


def remove(account: Account, files: Mapping[Digest, HubId | None], *, at: datetime) -> None:
    """Remove files from the archive, each with an invoice that it belonged to, if any.

    To be called while nobody else is at work on the account.
    """
    if not files:
        return
    with account.ledger.write() as connection:
        removed = archive_removals.removed_digests(connection, account.name)
        for digest, hub_id in files.items():
            if digest not in removed:
                events.record(
                    connection, account.name, REMOVED, at=at, hub_id=hub_id, digest=digest
                )
            comparisons.forget_file(connection, account.name, digest)
    for digest in files:
        account.mailbox.archive.remove(digest)
    log.info("archive files removed", account=account.name, files=len(files))


def _next(account: Account, *, before: datetime) -> list[Outdated]:
    with account.ledger.read() as connection:
        outdated = archive_removals.outdated(connection, account.name, before=before)
    there = (file for file in outdated if account.mailbox.archive.path(file.digest).exists())
    return list(islice(there, AT_ONCE))
