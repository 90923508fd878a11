"""A ledger that has forgotten: restored from a backup, or lost while the archive is still there.

The journal beside the archive outlives the ledger. Where it tells of events that the ledger does
not know, they are written down again before anything else is done: what was collected is not
served once more, what the hub has taken is not sent once more.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import reduce
from itertools import islice
from typing import Any

import structlog
from sqlalchemy import Connection

from bridge.account import Account
from bridge.chain import BrokenChainError, Link, digest_of, parse
from bridge.durable import storage
from bridge.errors import StorageError
from bridge.ledger import accounts, events, journal, placed_files, replay, state_files
from bridge.naming import Folder, Profile

log = structlog.get_logger()

AT_ONCE = 500
"""Events written down in one transaction: a crash loses no more of the work."""


def remember(account: Account) -> int:
    """Bring ledger and journal into agreement; return how many events the ledger had forgotten.

    Raises StorageError where the two tell different stories, or the journal cannot be read.
    """
    kept = account.ledger.journal(account.name)
    with storage(f"journal {kept.path}"):
        try:
            # The journal first: what is added to both in between looks like an older journal.
            number, digest = kept.last()
            with account.ledger.read() as connection:
                known, _ = events.last(connection, account.name)
                if number <= known and events.digest_at(connection, account.name, number) != digest:
                    raise _fork(account, number)
            if number > known:
                return _write_down(account)
            account.ledger.complete_journal(account.name)
        except BrokenChainError as error:
            raise StorageError(f"journal {kept.path}: {error}. {_ADVICE}") from error
    return 0


_ADVICE = (
    "Keep copies of both for whoever has to explain this. Then remove the one that knows less "
    "(each line of the journal bears its date, `efact-bridge verify` tells the ledger's last): "
    "without ledger.db the ledger is written again from the journals, without its journal it is "
    "the ledger that counts"
)


def _fork(account: Account, number: int) -> StorageError:
    path = account.ledger.journal(account.name).path
    return StorageError(
        f"account {account.name}: ledger and journal {path} differ at event {number}: they are not "
        f"of the same installation, or one was changed. {_ADVICE}"
    )


def _write_down(account: Account) -> int:
    """Write down what only the journal knows."""
    lines = account.ledger.journal(account.name).lines()
    forgotten = 0
    while some := list(islice(lines, AT_ONCE)):
        with account.ledger.write() as connection:
            known, last = events.last(connection, account.name)
            for line in some:
                link = parse(line)
                if link.number == known and digest_of(line) != last:
                    raise _fork(account, known)
                if link.number > known:
                    if link.previous != last:
                        raise _fork(account, link.number)
                    replay.apply(connection, link)
                    _number_on(connection, account, link)
                    known, last = link.number, link.digest
                    forgotten += 1
    if forgotten:
        _note(account, forgotten)
    return forgotten


def _note(account: Account, forgotten: int) -> None:
    log.warning(
        "the ledger had forgotten what its journal knows: was it restored from a backup?",
        account=account.name,
        events=forgotten,
    )
    with account.ledger.write() as connection:
        accounts.note_restored(connection, account.name, at=account.clock())
        events.record(
            connection,
            account.name,
            "ledger brought up to its journal",
            at=account.clock(),
            events=forgotten,
        )


def reserve_numbers(account: Account) -> None:
    """See that no state file and no update gets a number that some journal tells of.

    They are counted over all accounts. One whose journal cannot be followed at present, or that is
    not in the settings, finds its old numbers free once it can.
    """
    found = state_files.Numbers()
    archive = account.ledger.path.parent / "archive"
    with storage(f"archive {archive}"):
        for path in archive.glob(f"*/{journal.NAME}"):
            found = reduce(state_files.Numbers.over, _numbers(path.parent.name, account), found)
    with account.ledger.write() as connection:
        state_files.reserve(connection, found)


def _numbers(name: str, account: Account) -> Iterator[state_files.Numbers]:
    for line in account.ledger.journal(name).lines():
        with suppress(BrokenChainError):  # what was put in tells of nothing that happened
            yield state_files.numbers_in(parse(line).detail)


def _number_on(connection: Connection, account: Account, link: Link) -> None:
    """See that the numbers of the messages of an event are never given again."""
    told: Mapping[str, Any] = link.detail
    names = [it["name"] for it in told.get("files", ()) if it["folder"] == Folder.STATOUT]
    used = max((message_number(account.mailbox.profile, name) for name in names), default=0)
    missing = used - placed_files.last_message_number(connection, account.name) if used else 0
    if missing > 0:
        placed_files.reserve_message_numbers(connection, account.name, missing)


def message_number(profile: Profile, name: str) -> int:
    """Return the number of a message of this name; 0 where it has none, or none of that kind."""
    parts = profile.parse(Folder.STATOUT, name)
    number = (parts.message_id if parts else None) or ""
    return int(number) if re.fullmatch("[0-9]{1,15}", number) else 0
