"""Inbound while the old mailbox serves: its files, as they are, into ours.

A round listens as beside a shadow (`listening`), and then places what lies there for the software:
each file under the name and with the bytes that the old hub gave it; attachments and messages
before their invoice, by the same durable steps (`placing`). What the software has had through
whichever feed is left out. The old mailbox is only read here; what was collected leaves it in
outbound's turn at it (`outbound`).

What goes from the old mailbox without our doing is taken back from ours (`gone`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import structlog
from sqlalchemy import Connection

from bridge.account import Account
from bridge.crew import work
from bridge.errors import BridgeError
from bridge.feeds.legacy import OldMailboxReader
from bridge.inbound.bringing import leave_out_attachment
from bridge.inbound.collecting import look_for_collected
from bridge.inbound.placing import (
    DELIVERED_KINDS,
    ORDER,
    Parcel,
    number_on,
    place,
    resume,
)
from bridge.inbound.preparing import prepare
from bridge.inbound.round import Round
from bridge.ledger import (
    accounts,
    attachments,
    deliveries,
    events,
    invoices,
    legacy_files,
    ties,
)
from bridge.ledger.attachments import AttachmentRow
from bridge.ledger.placed_files import Kind, PlacedFile
from bridge.ledger.recorded_files import RecordedFile
from bridge.legacy.gone import end_recall, take_back_collected
from bridge.legacy.listening import Heard, listen
from bridge.legacy.resting import to_place
from bridge.legacy.tying import tie
from bridge.model import DeliveryState, FeedName, HubId, InvoiceFacts
from bridge.old_files.file import FileKind, what_it_is
from bridge.upkeep.recall import is_owed

log = structlog.get_logger()

FEED = FeedName.LEGACY

_KINDS: Mapping[FileKind, Kind] = {
    FileKind.INVOICE: Kind.INVOICE,
    FileKind.ATTACHMENT: Kind.ATTACHMENT,
    FileKind.STATE: Kind.STATE,
    FileKind.ANSWER: Kind.FILE,
    FileKind.UNKNOWN: Kind.FILE,
}


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
            if is_owed(account):  # one listing without a file is none
                _listen(account, reader, only_due=True)
            files = to_place(account, reader)
        end_recall(account, take_back_collected(account))
        placed, troubles = _place_all(account, files)
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
        end_recall(account, take_back_collected(account))


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
            for file in _each_once(connection, account, files)
            if not (had and _comes_with_invoice(connection, account, file))
            and legacy_files.is_free(connection, account.name, file)
        ]
    if had and hub_id is not None:
        _tie_standing(account, hub_id)
        _leave_out(account, hub_id, [file for file in files if file not in wanted])
    if not wanted:
        return False

    def write(connection: Connection, now: datetime) -> None:
        legacy_files.taken(connection, account.name, wanted, at=now)
        number_on(connection, account, wanted)

    place(account, Parcel(files=wanted, kind=legacy_files.TAKEN), write)
    for file in wanted:
        log.info("placed", account=account.name, kind=file.kind, name=file.name)
    return any(file.kind is Kind.INVOICE for file in wanted)


def _each_once(
    connection: Connection, account: Account, files: Sequence[PlacedFile]
) -> list[PlacedFile]:
    """Return files in the order of placing, without a second file of an invoice.

    Other bytes, or another name, for a hub id of which the software has a readable invoice: the
    report calls it a duplicate, `status` lists it, a person looks.
    """
    in_order = sorted(files, key=lambda file: ORDER.index(file.kind))
    invoices = [file for file in in_order if file.kind is Kind.INVOICE and file.hub_id]
    if not invoices or invoices[0].hub_id is None:
        return in_order
    row = deliveries.of_feed(connection, account.name, FEED, invoices[0].hub_id)
    known = (
        legacy_files.invoices_of(connection, account.name, row.hub_id)
        if row is not None and not _is_open(row.state)
        else []
    )
    if not any(_is_readable(account, file) for file in known):
        chosen = next((file for file in invoices if _is_readable(account, file)), invoices[0])
        invoices.remove(chosen)
    return [file for file in in_order if file not in invoices]


def _is_readable(account: Account, file: PlacedFile) -> bool:
    return isinstance(what_it_is(account.mailbox.archive.read(file.digest)), InvoiceFacts)


def _tie_standing(account: Account, hub_id: HubId) -> None:
    """See that what stands in ours through REST leaves the old mailbox when it is collected."""
    with account.ledger.read() as connection:
        standing = ties.standing_files(connection, account.name, [hub_id])
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
    had = attachments.placed_through_other(connection, account.name, FEED, [file.hub_id])
    return known or (file.hub_id, file.digest) in had


def _row_of(connection: Connection, account: Account, file: PlacedFile) -> AttachmentRow | None:
    assert file.hub_id is not None
    rows = attachments.of_invoice(connection, account.name, FEED, file.hub_id)
    return next((row for row in rows if row.attachment_id == file.attachment_id), None)


def _leave_out(account: Account, hub_id: HubId, files: Sequence[PlacedFile]) -> None:
    """Write down once that the software has had an invoice, or an attachment, already."""
    with account.ledger.read() as connection:
        row = deliveries.of_feed(connection, account.name, FEED, hub_id)
        had = invoices.collected_before(connection, account.name, hub_id)
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
