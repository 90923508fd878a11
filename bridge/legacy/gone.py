"""What goes from the old mailbox, while it serves, without our doing: collected there, or a fault.

What was collected there is taken back from ours, before the software imports it twice. Where all
that lay in a folder has gone at once, the old mailbox may be ill: that is reported, and after a
restored backup, when the same would be on offer again, a person says which it was.
"""

from collections.abc import Sequence

import structlog

from bridge.account import Account
from bridge.inbound.placing import note_collected
from bridge.ledger import accounts, events, legacy_removals
from bridge.ledger.placed_files import PlacedFile
from bridge.mailbox import CONFIRMATION, PLACE_AGAIN, MailboxGoneError
from bridge.upkeep.recall import is_owed

log = structlog.get_logger()


def take_back_collected(account: Account) -> Sequence[PlacedFile]:
    """Take back from ours what somebody has taken from the old mailbox, the invoice first.

    Returns what has gone and is not taken as collected: all that lay in its folder has gone.
    """
    name = account.name
    with account.ledger.read() as connection:
        went = legacy_removals.went_there(connection, name)
        sure = legacy_removals.surely_collected(connection, name, went) if went else []
    doubtful = [file for file in went if file not in sure]
    if doubtful:
        log.warning(
            "all that was in a folder of the old mailbox has gone: nothing is taken as collected",
            account=name,
            files=len(doubtful),
        )
        with account.ledger.write() as connection:
            accounts.note_unlisted(connection, name, len(doubtful))
    _take_back(account, sure)
    return doubtful


def _take_back(account: Account, files: Sequence[PlacedFile]) -> None:
    if not files:
        return
    name, now = account.name, account.clock()
    with account.ledger.write() as connection:
        for file in files:
            events.record(
                connection,
                name,
                legacy_removals.COLLECTED_THERE,
                at=now,
                hub_id=file.hub_id,
                folder=file.folder,
                name=file.name,
            )
            legacy_removals.remove(connection, name, file, at=now)
        note_collected(connection, account, files)
    for file in reversed(files):
        account.mailbox.take_back(file.folder, file.name, file.digest)
    log.warning("taken back: collected in the old mailbox", account=name, files=len(files))


def end_recall(account: Account, doubtful: Sequence[PlacedFile]) -> None:
    """Note that the old mailbox was asked after a restored backup, if one was.

    Where all of a folder has gone from it, the software may have it all, or the old mailbox be
    ill: a person says which.
    """
    if not is_owed(account):
        return
    if doubtful and account.mailbox.take_confirmation(CONFIRMATION):
        _take_back(account, doubtful)
    elif doubtful and not account.mailbox.take_confirmation(PLACE_AGAIN):
        raise MailboxGoneError(
            f"mailbox {account.mailbox.root}: it was restored from a backup, and all that lay in a "
            f"folder of the old mailbox has gone from there: {len(doubtful)} files that would be "
            "offered again. Nothing is offered before a person says whether the software has them: "
            f"if so, confirm it with an empty file named {CONFIRMATION} in the mailbox's folder; "
            f"if it has not, with one named {PLACE_AGAIN}. Then start again"
        )
    _note_restored(account)


def _note_restored(account: Account) -> None:
    with account.ledger.write() as connection:
        identity = account.mailbox.identity()
        accounts.set_mailbox_identity(connection, account.name, identity)
