"""What the software has collected: seen from what is no longer in the mailbox's folders.

A file that has gone from its folder was collected. One that only bears another name there was not:
it still lies there. One that comes back after it was collected, out of a backup of the mailbox say,
is taken away again: its invoice is imported already.
"""

from collections.abc import Mapping, Sequence, Set

import structlog

from bridge.account import Account
from bridge.inbound.placing import note_collected
from bridge.ledger import accounts, events, placed_files
from bridge.ledger.events import FOLDERS_RECOGNISED
from bridge.ledger.placed_files import PlacedFile
from bridge.mailbox import CONFIRMATION, INBOUND_FOLDERS, PLACE_AGAIN, Mailbox, MailboxGoneError
from bridge.naming import Folder

log = structlog.get_logger()


def look_for_collected(account: Account) -> int:
    """Note what the software has deleted from the mailbox; return how many files.

    Raises MailboxGoneError when the mailbox is not the one that the ledger knows: then nothing
    was collected, something is wrong.
    """
    mailbox = account.mailbox
    # The ledger first: a file placed after this look must not be missed in the folder.
    with account.ledger.read() as connection:
        mark = accounts.mailbox_mark(connection, account.name)
        ours = placed_files.visible_names(connection, account.name)
    if mark is None:
        return 0
    mailbox.ensure_same(mark)
    _recognise_folders(account)
    present = {role: mailbox.present(role) for role in INBOUND_FOLDERS}
    others = {role: names - ours[role] for role, names in present.items()}
    missing = _missing(account, {role: ours[role] - present[role] for role in present})
    gone = _not_renamed(mailbox, missing, others)
    # Still the same: a disk that went away while we looked has collected nothing.
    mailbox.ensure_same(mark)
    if gone:
        with account.ledger.write() as connection:
            note_collected(connection, account, gone)
    _take_away_reappeared(account, others)
    return len(gone)


def _missing(account: Account, absent: Mapping[Folder, Set[str]]) -> list[PlacedFile]:
    """Return the files of these names that really have gone from their folders."""
    if not any(absent.values()):
        return []
    with account.ledger.read() as connection:
        found = [
            file
            for role, names in absent.items()
            for file in placed_files.visible_as(connection, account.name, role, sorted(names))
        ]
    gone = [file for file in found if account.mailbox.is_gone(file.folder, file.name)]
    return sorted(gone, key=lambda file: file.id)


def _not_renamed(
    mailbox: Mailbox, missing: Sequence[PlacedFile], others: Mapping[Folder, Set[str]]
) -> list[PlacedFile]:
    """Return the files that lie in their folder under no other name either."""
    folders = {file.folder for file in missing}
    there = {role: mailbox.identities(role, others[role]) for role in folders}
    gone = [
        file for file in missing if mailbox.archive.identity(file.digest) not in there[file.folder]
    ]
    # A mailbox that was copied has files of its own: their bytes must tell.
    copies = {
        role: mailbox.copies(role, others[role], {it.digest for it in gone if it.folder is role})
        for role in folders
    }
    return [file for file in gone if file.digest not in copies[file.folder]]


def _take_away_reappeared(account: Account, others: Mapping[Folder, Set[str]]) -> None:
    """Remove files that were collected and lie in the mailbox once more, byte by byte the same."""
    for file in _collected(account, others):
        if not account.mailbox.holds(file.folder, file.name, file.digest):
            continue  # somebody else's, under a name that was ours
        account.mailbox.take_back(file.folder, file.name, file.digest)
        log.warning("taken away: it was collected before", account=account.name, name=file.name)
        with account.ledger.write() as connection:
            events.record(
                connection,
                account.name,
                "file taken away: collected before",
                at=account.clock(),
                hub_id=file.hub_id,
                folder=file.folder,
                name=file.name,
            )


def _collected(account: Account, others: Mapping[Folder, Set[str]]) -> list[PlacedFile]:
    """Return the files that the software collected under names that are in the mailbox now."""
    if not any(others.values()):
        return []
    with account.ledger.read() as connection:
        return [
            file
            for role, names in others.items()
            for file in placed_files.collected_as(connection, account.name, role, sorted(names))
        ]


def _place_again(account: Account, files: Sequence[PlacedFile]) -> None:
    """Put files back that went with their folder, in the order in which they were placed."""
    account.mailbox.make_ready((file.folder, file.name, file.digest) for file in files)
    for file in files:
        account.mailbox.show(file.folder, file.name)
        account.mailbox.sync([file.folder])
    log.warning("placed again", account=account.name, files=len(files))


def _recognise_folders(account: Account) -> None:
    """See that missing files have gone out of their folders, and not together with them.

    A folder that was moved with all its files, as by a restored backup, is recognised. One that
    lacks some is a fault until a person confirms that they were collected.
    """
    found = account.mailbox.folder_numbers()
    with account.ledger.read() as connection:
        known = accounts.mailbox_folders(connection, account.name)
    if found == known:
        return
    with account.ledger.read() as connection:
        visible = placed_files.visible(connection, account.name)
    others = {role for role in known if found[role] != known[role]}
    missing = [
        file
        for file in visible
        if file.folder in others and account.mailbox.is_gone(file.folder, file.name)
    ]
    if missing and account.mailbox.take_confirmation(PLACE_AGAIN):
        _place_again(account, missing)
    elif missing and not account.mailbox.take_confirmation(CONFIRMATION):
        raise MailboxGoneError(
            f"mailbox {account.mailbox.root}: another folder stands in the place of "
            f"{', '.join(sorted(others))}, and {len(missing)} files are not in it. Nothing is "
            "taken as collected: put the old folder back. Else, if the software really collected "
            f"them, confirm it with an empty file named {CONFIRMATION} in the mailbox's folder; if "
            f"it has not seen them, have them placed again with one named {PLACE_AGAIN}"
        )
    with account.ledger.write() as connection:
        accounts.set_mailbox_folders(connection, account.name, found)
        events.record(
            connection, account.name, FOLDERS_RECOGNISED, at=account.clock(), folders=found
        )
