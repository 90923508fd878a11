"""What files of the old mailbox are, and what they tell of each invoice, written down.

Everything that was read and not understood yet is looked at together: a message gives an invoice
its hub id, wherever the two come. First what is told goes into the ledger, then what each file is:
a kill in between has it worked out again, to the same end.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import PurePosixPath

import structlog
from sqlalchemy import Connection

from bridge.account import Account
from bridge.errors import StorageError
from bridge.ledger import file_events, legacy_files, new_attachments, recorded_files, recordings
from bridge.ledger.contents import Contents
from bridge.ledger.recorded_files import RecordedFile, Shown
from bridge.ledger.recordings import Recording
from bridge.model import Attachment, Digest, FeedName
from bridge.naming import Folder, Profile
from bridge.old_files.file import FileKind, OldFile, receipts, what_it_is
from bridge.old_files.past import OldAttachment
from bridge.old_files.recognised import Look, Recognised, Told, recognise

log = structlog.get_logger()

FEED = FeedName.LEGACY

AT_ONCE = 100
"""Files or invoices written down in one transaction."""

WORKERS = 8
"""Files put into the archive at once: most of the time goes by waiting for the disk."""


def understand(
    account: Account, fresh: Mapping[Digest, OldFile], profiles: Mapping[str, Profile]
) -> int:
    """Work out what is not understood yet; return of how many invoices something new was told.

    `fresh` are files that need not be read again from the archive.
    """
    with account.ledger.read() as connection:
        open_ones = recorded_files.unsettled(connection, account.name)
        if not any(file.kind is None for file in open_ones):
            return 0
        announced = recordings.announced(connection, account.name, FEED)
        messages = recorded_files.messages_of(connection, account.name, announced)
    files = {file.id: _old_file(account, file, fresh) for file in open_ones}
    whole = [file for file in files.values() if file is not None]
    whole += [it for it in (_message(account, digest) for digest in messages) if it is not None]
    look = recognise(whole, profiles)
    told = list(look.invoices.values())
    news = 0
    for start in range(0, len(told), AT_ONCE):
        news += _write_told(account, told[start : start + AT_ONCE])
    for start in range(0, len(open_ones), AT_ONCE):
        _write_kinds(account, open_ones[start : start + AT_ONCE], files, look)
    return news


def old_file(path: str, shown: Shown, digest: Digest, content: bytes) -> OldFile:
    """Return a file as it is to be recognised."""
    return OldFile(
        path=PurePosixPath(path),
        name=shown.name,
        modified=shown.modified_at or datetime.fromtimestamp(0, UTC),
        digest=digest,
        content=what_it_is(content),
    )


def tell_gone(
    connection: Connection, account: Account, file: RecordedFile, *, at: datetime
) -> None:
    """Have events tell that an understood file is gone, and with it, maybe, its invoice."""
    name, hub_id = account.name, file.hub_id
    file_events.record_gone(connection, name, file, at=at)
    if file.kind is not FileKind.INVOICE or hub_id is None:
        return
    if not recorded_files.shows(connection, name, hub_id):
        recordings.lose(connection, name, FEED, hub_id, at=at)


def _old_file(
    account: Account, file: RecordedFile, fresh: Mapping[Digest, OldFile]
) -> OldFile | None:
    assert file.digest is not None
    known = fresh.get(file.digest)
    if known is not None and known.path == PurePosixPath(file.path):
        return known
    return _from_archive(account, file.path, file, file.digest)


def _message(account: Account, digest: Digest) -> OldFile | None:
    shown = Shown(path="", name="", folder=Folder.STATOUT, size=None, modified_at=None)
    folder = account.mailbox.profile.folder(Folder.STATOUT)
    return _from_archive(account, f"{folder}/{digest}", shown, digest)


def _from_archive(account: Account, path: str, shown: Shown, digest: Digest) -> OldFile | None:
    try:
        content = account.mailbox.archive.read(digest)
    except StorageError as error:  # `verify` says that it is missing
        log.error("recorded file is not in the archive", path=path, reason=str(error))
        return None
    return old_file(path, shown, digest, content)


def _write_told(account: Account, some: Sequence[Told]) -> int:
    now = account.clock()
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="record") as pool:
        found = pool.map(lambda told: _keep_receipt(account, told), some)
        kept = dict(zip([it.hub_id for it in some], found, strict=True))
    news = 0
    with account.ledger.write() as connection:
        known = recordings.known(connection, account.name, FEED, list(kept))
        for told in some:
            before = known.get(told.hub_id)
            after = merged(before, told, receipt=kept[told.hub_id])
            if after is not None and after != before:
                recordings.record(connection, account.name, after, at=now)
                news += 1
            for enclosed in told.attachments:
                _record_attachment(connection, account.name, enclosed, at=now)
        shown = [told.hub_id for told in some if told.file is not None]
        recordings.find_again(connection, account.name, FEED, shown, at=now)
    return news


def _keep_receipt(account: Account, told: Told) -> Digest | None:
    """Put the receipt that a message holds into the archive."""
    if told.message is None:
        return None
    found = receipts(account.mailbox.archive.read(told.message.digest)).get(told.hub_id)
    return account.mailbox.keep_bytes(found, purpose="record") if found else None


def _record_attachment(
    connection: Connection, account: str, enclosed: OldAttachment, *, at: datetime
) -> None:
    file, attachment_id = enclosed.file, f"{enclosed.position:03d}"
    row = new_attachments.remember(
        connection,
        account,
        FEED,
        enclosed.hub_id,
        Attachment(attachment_id=attachment_id, name=file.name),
        position=enclosed.position,
        at=at,
    )
    if row.digest is None:
        recordings.record_attachment(
            connection, account, FEED, row, digest=file.digest, name=file.name, at=at
        )


def _write_kinds(
    account: Account,
    rows: Sequence[RecordedFile],
    files: Mapping[int, OldFile | None],
    look: Look,
) -> None:
    now = account.clock()
    with account.ledger.write() as connection:
        for row in rows:
            file = files[row.id]
            what = look.files[file] if file else Recognised(FileKind.UNKNOWN)
            kind, hub_id = what.kind, what.hub_id
            if (row.kind, row.hub_id) == (kind, hub_id):
                continue
            legacy_files.recognise(connection, account.name, row, kind=kind, hub_id=hub_id, at=now)
            if row.gone_at is not None:
                tell_gone(connection, account, replace(row, kind=kind, hub_id=hub_id), at=now)


def merged(known: Recording | None, told: Told, *, receipt: Digest | None) -> Recording | None:
    """Return what is known of a delivery together with what files tell; the first file stays.

    None where nothing is known and the files tell of its attachments only.
    """
    if told.file is None and told.statement is None:
        return known
    before = known or Recording(feed=FEED, hub_id=told.hub_id, contents=Contents())
    contents, name, office = before.contents, before.name, before.accounting_office
    if told.file is not None and contents.digest is None:
        contents, name = _with_file(contents, told), told.file.name
        office = office or told.accounting_office
    if told.statement is not None:
        said = told.statement
        contents = replace(
            contents,
            number=contents.number or said.number,
            issue_date=contents.issue_date or said.issue_date,
            supplier_nif=contents.supplier_nif or said.supplier_nif,
            registration_number=contents.registration_number or said.registration_number,
            registered_at=contents.registered_at or said.registered_at,
            receipt_digest=contents.receipt_digest or receipt,
        )
    return replace(before, contents=contents, name=name, accounting_office=office, heard=True)


def _with_file(contents: Contents, told: Told) -> Contents:
    assert told.file is not None
    facts = told.facts
    if facts is None:
        return replace(contents, digest=told.file.digest, unreadable=told.unreadable)
    return replace(
        contents,
        digest=told.file.digest,
        file_number=facts.number,
        file_series=facts.series,
        issue_date=facts.issue_date or contents.issue_date,
        amount=None if facts.total is None else str(facts.total),
        supplier_nif=facts.seller_nif or contents.supplier_nif,
        receiver_nif=facts.buyer_nif,
    )
