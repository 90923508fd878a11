"""Inbound while the old mailbox serves: its files, as they are, into ours.

A round listens as beside a shadow (`listening`), and then places what lies there for the software:
each file under the name and with the bytes that the old hub gave it; attachments and messages
before their invoice, by the same durable steps (`placing`). What the software has had through
whichever feed is left out. The old mailbox is only read here; what was collected leaves it in
outbound's turn at it (`legacy_outbound`).

A file that goes from the old mailbox without our doing was collected there: it is taken back from
ours, before the software imports it twice. Not where everything that was there has gone at once:
that is a fault to report.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import structlog
from sqlalchemy import Connection

from bridge.account import Account
from bridge.collecting import look_for_collected
from bridge.crew import work
from bridge.errors import BridgeError
from bridge.feeds.legacy import OldMailboxReader
from bridge.inbound import Round, leave_out_attachment
from bridge.ledger import accounts, attachments, deliveries, events, handing, legacy_files
from bridge.ledger.attachments import AttachmentRow
from bridge.ledger.placed_files import Kind, PlacedFile
from bridge.ledger.recorded_files import RecordedFile
from bridge.listening import Heard, listen
from bridge.model import DeliveryState, FeedName, HubId
from bridge.naming import Folder
from bridge.old_file import Broken, FileKind, what_it_is
from bridge.placing import (
    DELIVERED_KINDS,
    Reason,
    note_collected,
    number_on,
    place,
    prepare,
    resume,
)
from bridge.recall import is_owed
from bridge.tying import tie

log = structlog.get_logger()

FEED = FeedName.LEGACY

PATIENCE = timedelta(minutes=10)
"""So long a file in `out` must lie unchanged that is no whole XML: it may still be written; and one
of which nobody knows the invoice: its message may tell."""

_KINDS: Mapping[FileKind, Kind] = {
    FileKind.INVOICE: Kind.INVOICE,
    FileKind.ATTACHMENT: Kind.ATTACHMENT,
    FileKind.STATE: Kind.STATE,
    FileKind.ANSWER: Kind.FILE,
    FileKind.UNKNOWN: Kind.FILE,
}

_ORDER = (Kind.ATTACHMENT, Kind.FILE, Kind.STATE, Kind.INVOICE)
"""In which files of one invoice become visible: the invoice last."""


def legacy_round(account: Account, *, only_due: bool) -> Round:
    """Do one round; `only_due` leaves out what waits for a later try.

    Raises what ends a round: the old mailbox is away or does not let us in, this machine cannot.
    """
    prepare(account)
    with account.mailbox.turn("inbound"):
        if account.feeds().serve is not FEED:  # since a moment ago
            return Round()
        account.mailbox.clear_staged("fetch")
        resume(account, DELIVERED_KINDS)
        collected = look_for_collected(account)
        with account.old_mailbox() as reader:
            heard = _listen(account, reader, only_due=only_due)
            files = _to_place(account, reader)
        take_back_collected(account)
        placed, troubles = _place_all(account, files)
        _note_restored(account)
    return Round(
        new=heard.new,
        placed=placed,
        collected=collected,
        troubles=tuple(troubles) + tuple((HubId(""), said) for said in heard.troubles),
    )


def legacy_recall(account: Account) -> None:
    """See, before anybody is let in, what a restored backup has put on offer again.

    The old mailbox tells: what is in ours, and no longer there, was collected. Raises as
    `legacy_round`; nothing is asked where no backup was restored.
    """
    if not is_owed(account):
        return
    with account.mailbox.turn("inbound"), account.old_mailbox() as reader:
        for _ in range(2):  # one listing without a file is none
            _listen(account, reader, only_due=True)
        take_back_collected(account)
        _note_restored(account)


def _note_restored(account: Account) -> None:
    if is_owed(account):
        with account.ledger.write() as connection:
            identity = account.mailbox.identity()
            accounts.set_mailbox_identity(connection, account.name, identity)


def _listen(account: Account, reader: OldMailboxReader, *, only_due: bool) -> Heard:
    began = account.clock()
    with account.mailbox.turn("record"):
        heard = listen(account, reader, only_due=only_due)
    with account.ledger.write() as connection:
        accounts.note_poll(
            connection, account.name, at=began, capped_slices=(), unlisted=heard.vanished
        )
    return heard


# -- what is to be placed --------------------------------------------------------------------------


def _to_place(account: Account, reader: OldMailboxReader) -> list[RecordedFile]:
    """Return what is new and whole: after `settle`, a file that is still written is another one."""
    now = account.clock()
    with account.ledger.read() as connection:
        waiting = legacy_files.to_place(connection, account.name)
    rested = [
        file
        for file in waiting
        if file.first_seen_at <= now - PATIENCE or not _may_be_half(account, file)
    ]
    settle = account.settings.push.settle
    new = [file for file in rested if file.first_seen_at > now - timedelta(seconds=2 * settle)]
    if new and settle:
        account.stopping.wait(settle)
    return [file for file in rested if file not in new or _is_settled(reader, file)]


def _may_be_half(account: Account, file: RecordedFile) -> bool:
    """Tell whether a file may not be whole yet, or its message not there: in `out` it matters."""
    assert file.digest is not None
    if file.size == 0:
        return True
    if file.folder is not Folder.OUT:
        return False
    if file.kind is FileKind.UNKNOWN:
        return True
    return isinstance(what_it_is(account.mailbox.archive.read(file.digest)), Broken)


def _is_settled(reader: OldMailboxReader, file: RecordedFile) -> bool:
    entry = reader.look(file.path)
    if entry is None:
        return False
    same_time = None in (entry.modified, file.modified_at) or entry.modified == file.modified_at
    return entry.size in (None, file.size) and same_time


def _place_all(
    account: Account, files: Sequence[RecordedFile]
) -> tuple[int, list[tuple[HubId, str]]]:
    """Place the files, invoice by invoice; return how many invoices, and what troubles there were.

    Files of no known invoice are placed each by itself.
    """
    groups: dict[str, list[RecordedFile]] = {}
    for file in files:
        groups.setdefault(file.hub_id or f"/{file.path}", []).append(file)
    placed: list[HubId] = []

    def one(group: Sequence[RecordedFile]) -> None:
        if _place(account, group):
            placed.extend(file.hub_id or HubId("") for file in group[:1])

    def failed(group: Sequence[RecordedFile], error: BridgeError) -> None:
        log.warning("not placed", path=group[0].path, reason=str(error))

    problems = work(
        list(groups.values()),
        one,
        workers=account.settings.hub.max_connections,  # what this machine is to do at once
        failed=failed,
        stopping=account.stopping,
    )
    return len(placed), [(group[0].hub_id or HubId(""), str(error)) for group, error in problems]


def _place(account: Account, group: Sequence[RecordedFile]) -> bool:
    """Place the files of one invoice; tell whether it was among them."""
    hub_id = group[0].hub_id
    with account.ledger.read() as connection:
        files = [_placed_file(connection, account, file) for file in group]
        had = hub_id is not None and legacy_files.had_elsewhere(connection, account.name, hub_id)
        wanted = [
            file
            for file in sorted(files, key=lambda file: _ORDER.index(file.kind))
            if not (had and _comes_with_invoice(connection, account, file))
            and legacy_files.is_free(connection, account.name, file)
        ]
    if had and hub_id is not None:
        _tie_standing(account, hub_id)
        _leave_out(account, hub_id, [file for file in files if file not in wanted])
    if not wanted:
        return False

    def write(connection: Connection) -> None:
        legacy_files.taken(connection, account.name, wanted, at=account.clock())
        number_on(connection, account, wanted)

    place(account, wanted, Reason(kind=legacy_files.TAKEN, write=write))
    for file in wanted:
        log.info("placed", account=account.name, kind=file.kind, name=file.name)
    return any(file.kind is Kind.INVOICE for file in wanted)


def _tie_standing(account: Account, hub_id: HubId) -> None:
    """See that what stands in ours through REST leaves the old mailbox when it is collected."""
    with account.ledger.read() as connection:
        standing = handing.standing_files(connection, account.name, [hub_id])
    if any(file.source is None for file in standing.get(hub_id, ())):
        with account.ledger.write() as connection:
            tie(connection, account, [hub_id])


def _placed_file(connection: Connection, account: Account, file: RecordedFile) -> PlacedFile:
    assert file.digest is not None
    assert file.folder is not None
    assert file.kind is not None
    placed = PlacedFile(
        folder=file.folder,
        name=file.path.rpartition("/")[2],
        kind=_KINDS[file.kind],
        digest=file.digest,
        feed=FEED,
        hub_id=file.hub_id,
        source=file.path,
    )
    if placed.kind is not Kind.ATTACHMENT or file.hub_id is None:
        return placed
    rows = attachments.of_invoice(connection, account.name, FEED, file.hub_id)
    mine = next((row for row in rows if row.original_name == file.name), None)
    return replace(placed, attachment_id=mine.attachment_id if mine else None)


def _comes_with_invoice(connection: Connection, account: Account, file: PlacedFile) -> bool:
    """Tell whether a file belongs to what the software has had of its invoice in another way.

    The invoice itself and its message do; an attachment may have come later, and is new then.
    """
    if file.kind is not Kind.ATTACHMENT or file.hub_id is None:
        return file.kind in {Kind.INVOICE, Kind.STATE}
    row = _row_of(connection, account, file)
    known = row is not None and row.state not in {DeliveryState.SEEN, DeliveryState.FETCHED}
    return known or attachments.had_through_other(
        connection, account.name, FEED, file.hub_id, file.digest
    )


def _row_of(connection: Connection, account: Account, file: PlacedFile) -> AttachmentRow | None:
    assert file.hub_id is not None
    rows = attachments.of_invoice(connection, account.name, FEED, file.hub_id)
    return next((row for row in rows if row.attachment_id == file.attachment_id), None)


def _leave_out(account: Account, hub_id: HubId, files: Sequence[PlacedFile]) -> None:
    """Write down once that the software has had an invoice, or an attachment, already."""
    with account.ledger.read() as connection:
        row = deliveries.of_feed(connection, account.name, FEED, hub_id)
        had = deliveries.collected_before(connection, account.name, hub_id)
        rows = [
            _row_of(connection, account, file) for file in files if file.kind is Kind.ATTACHMENT
        ]
    invoice = row if had and row is not None and _is_open(row.state) else None
    enclosed = [it for it in rows if it is not None and _is_open(it.state)]
    if invoice is None and not enclosed:
        return
    name, now = account.name, account.clock()
    with account.ledger.write() as connection:
        if invoice is not None:
            deliveries.had_before(connection, invoice.id, at=now)
            kind = "invoice left out: collected before"
            events.record(connection, name, kind, at=now, hub_id=hub_id, feed=FEED)
        for it in enclosed:
            leave_out_attachment(connection, name, FEED, it, at=now)
    log.info("left out: collected before", account=name, hub_id=hub_id)


def _is_open(state: DeliveryState) -> bool:
    return state in {DeliveryState.SEEN, DeliveryState.FETCHED}


# -- what was collected in the old mailbox itself --------------------------------------------------


def take_back_collected(account: Account) -> None:
    """Take back from ours what somebody has taken from the old mailbox, the invoice first."""
    name, now = account.name, account.clock()
    with account.ledger.read() as connection:
        went = legacy_files.went_there(connection, name)
        known = legacy_files.still_shows_old(connection, name, went) if went else True
    if not known:
        log.warning(
            "all that was in the old mailbox has gone from it: nothing is taken as collected",
            account=name,
            files=len(went),
        )
        with account.ledger.write() as connection:
            accounts.note_unlisted(connection, name, len(went))
        return
    if not went:
        return
    with account.ledger.write() as connection:
        for file in went:
            events.record(
                connection,
                name,
                legacy_files.COLLECTED_THERE,
                at=now,
                hub_id=file.hub_id,
                folder=file.folder,
                name=file.name,
            )
            legacy_files.remove(connection, name, file, at=now)
        note_collected(connection, account, went)
    for file in reversed(went):
        account.mailbox.take_back(file.folder, file.name, file.digest)
    log.warning("taken back: collected in the old mailbox", account=name, files=len(went))
