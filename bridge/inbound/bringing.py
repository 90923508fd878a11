"""Bringing into the mailbox what the hub lists: each invoice as far as it will go, several at once.

    `seen` → data, Facturae, attachments and receipt into the archive → `fetched`
           → attachments, state message, invoice into the mailbox → `placed`

An invoice that cannot go on is noted with its reason and tried again later; the others go on. An
invoice that the software has had before, through whichever feed, is never placed again.
"""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from sqlalchemy import Connection

from bridge import feedback, messages
from bridge.account import Account
from bridge.chain import Detail
from bridge.crew import work, workers_for
from bridge.errors import LedgerBusyError
from bridge.inbound.fetching import Fetched, fetch_attachment, fetch_invoice
from bridge.inbound.held_back import hold_back, hold_back_attachment
from bridge.inbound.invoice_files import FEED, attachment_file, files_of, name_parts
from bridge.inbound.placing import Parcel, begin, message_ids, place, show
from bridge.ledger import attachments, deliveries, events, invoices, learned, new_attachments
from bridge.ledger.attachments import AttachmentRow
from bridge.ledger.deliveries import Delivery
from bridge.ledger.placed_files import PlacedFile
from bridge.legacy.nameless import find_nameless
from bridge.model import Digest, FeedName, HubId, Invoice
from bridge.naming import Folder, NameParts
from bridge.together import Together

log = structlog.get_logger()

Troubles = Sequence[tuple[HubId, str]]


def bring_invoices(account: Account, *, due: datetime | None) -> tuple[int, Troubles]:
    """Bring what is due, or everything; return how many invoices, and what held others back."""
    with account.ledger.read() as connection:
        listed = deliveries.to_fetch(connection, account.name, FEED, due=due)
        hub_ids = [row.hub_id for row in listed]
        had = invoices.collected_among(connection, account.name, hub_ids)
        # What lies in the mailbox since before a move is collected from there.
        lying = invoices.standing_through_other(connection, account.name, FEED, hub_ids)
    _leave_out(account, [row for row in listed if row.hub_id in had])
    waiting = [row for row in listed if row.hub_id not in had | lying]
    if not waiting:
        return 0, ()
    bringing = _Bringing(account, waiting)
    numbers = dict(zip(waiting, message_ids(account, len(waiting)), strict=True))
    problems = work(
        waiting,
        lambda row: bringing.bring(row, message_id=numbers[row]),
        workers=workers_for(account.settings.hub.max_connections),
        failed=lambda row, error: hold_back(account, row, error),
        stopping=account.stopping,
    )
    return len(waiting) - len(problems), [(row.hub_id, str(error)) for row, error in problems]


def bring_late(account: Account, *, due: datetime | None) -> Troubles:
    """Bring the attachments that came after their invoice; return what held some back."""
    with account.ledger.read() as connection:
        rows = attachments.to_fetch(connection, account.name, FEED, due=due)
        with_invoice = deliveries.seen(connection, account.name, FEED) if rows else frozenset()
    late = [row for row in rows if row.hub_id not in with_invoice]
    problems = work(
        late,
        lambda row: _bring_late(account, row),
        workers=workers_for(account.settings.hub.max_connections),
        failed=lambda row, error: hold_back_attachment(account, row, error),
        stopping=account.stopping,
    )
    return [(row.hub_id, str(error)) for row, error in problems]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Brought:
    """An invoice whose files are all in the archive, with the message beside it."""

    row: Delivery
    fetched: Fetched
    name: str
    files: Sequence[PlacedFile]

    @property
    def parcel(self) -> Parcel:
        """The files, and what is said of them."""
        detail: Detail = {
            "contents": self.fetched.contents.as_detail(),
            "attachments": attachments.as_detail(self.fetched.attachments),
        }
        return Parcel(files=self.files, kind="invoice fetched", detail=detail)


def _named(
    rows: Iterable[AttachmentRow], files: Iterable[PlacedFile]
) -> list[tuple[int, Digest, str]]:
    """Return of each attachment its row's id, its digest, and its name in the mailbox."""
    names = {file.attachment_id: file.name for file in files}
    return [(row.id, row.digest, names[row.attachment_id]) for row in rows if row.digest]


class _Bringing:
    """What a round brings, with what it has to know of all invoices: that is read once."""

    def __init__(self, account: Account, waiting: Sequence[Delivery]) -> None:
        self.account = account
        hub_ids = [row.hub_id for row in waiting]
        with account.ledger.read() as connection:
            self._codes = learned.codes(connection, account.name)
            self._enclosed = attachments.of_invoices(connection, account.name, FEED, hub_ids)
            self._had = attachments.placed_through_other(connection, account.name, FEED, hub_ids)
        self._nameless = find_nameless(account)
        self._together: Together[_Brought, None] = Together(self._place_all)

    def bring(self, row: Delivery, *, message_id: str) -> None:
        """Bring one invoice into the mailbox, with a message of this id."""
        account = self.account
        fetched = self._fetch(row)
        if self._came_nameless(row, fetched):
            return
        parts = name_parts(
            account.mailbox.profile,
            fetched.invoice,
            fetched.facts,
            receiver_code=account.own.receiver_code,
            codes=self._codes,
        )
        self._place(row, fetched, replace(parts, message_id=message_id))
        log.info("invoice placed", account=account.name, hub_id=row.hub_id)

    def _fetch(self, row: Delivery) -> Fetched:
        account = self.account
        fetched = fetch_invoice(
            account,
            row.hub_id,
            # What was placed before its invoice was listed has its place and its name already.
            enclosed=self._note_enclosed,
            tries_before=row.attempts,
            failed=lambda it, error: hold_back_attachment(account, it, error),
        )
        return replace(fetched, attachments=_not_had(account, fetched.attachments, self._had))

    def _note_enclosed(self, invoice: Invoice) -> Sequence[AttachmentRow]:
        """Write down what the listing did not tell yet; return all attachments of an invoice."""
        account, known = self.account, self._enclosed.get(invoice.hub_id, ())
        ids = {row.attachment_id for row in known}
        if all(it.attachment_id in ids for it in invoice.attachments):
            return known
        now = account.clock()
        with account.ledger.write() as connection:
            return new_attachments.see(
                connection, account.name, FEED, invoice.hub_id, invoice.attachments, at=now
            )

    def _came_nameless(self, row: Delivery, fetched: Fetched) -> bool:
        """Leave out what came through the old mailbox when nobody could tell which it is."""
        account = self.account
        if not self._nameless.belongs_to(row.hub_id, fetched.digest, fetched.facts):
            return False
        with account.ledger.read() as connection:
            had = invoices.collected_before(connection, account.name, row.hub_id)
        _leave_out(account, [row] if had else [])  # else it lies in the mailbox
        return True

    def _place(self, row: Delivery, fetched: Fetched, parts: NameParts) -> None:
        account, profile = self.account, self.account.mailbox.profile
        name = profile.invoice_name(parts)
        message = _message(account, row, fetched, filename=name)
        files = files_of(profile, parts, fetched, name=name, message=message)
        self._together.add(_Brought(row=row, fetched=fetched, name=name, files=files))

    def _place_all(self, brought: Sequence[_Brought]) -> Sequence[Exception | None]:
        """Place all of these at once; return what stood in the way of each.

        What cannot be done together is done one by one: one's trouble is not the others'. A ledger
        that another program holds is all of theirs.
        """

        def write(connection: Connection, now: datetime) -> None:
            whole = [(it.row.id, it.fetched.contents, it.name) for it in brought]
            deliveries.fetched_all(connection, whole, at=now)
            enclosed = [row for it in brought for row in _named(it.fetched.attachments, it.files)]
            attachments.fetched_all(connection, enclosed, at=now)

        try:
            begun = begin(self.account, [it.parcel for it in brought], write)
        except LedgerBusyError as error:
            return [error] * len(brought)
        except Exception as error:  # whatever it is: none is visible yet
            if len(brought) == 1:
                return [error]
            return [error for it in brought for error in self._place_all([it])]
        return show(self.account, begun)


def _message(account: Account, row: Delivery, fetched: Fetched, *, filename: str) -> Digest:
    """Write the state message beside an invoice into the archive."""
    mailbox = account.mailbox
    message = messages.registered(
        fetched.invoice,
        fetched.facts,
        listed_nif=row.nif,
        receipt=mailbox.archive.read(fetched.receipt) if fetched.receipt else None,
        filename=filename,
        now=account.clock(),
    )
    return mailbox.keep_bytes(feedback.write(message), purpose="fetch")


def _leave_out(account: Account, had: Sequence[Delivery]) -> None:
    """Never offer again what the software has."""
    if not had:
        return
    now = account.clock()
    with account.ledger.write() as connection:
        for row in had:
            deliveries.had_before(connection, row.id, at=now)
            events.record(
                connection,
                account.name,
                "invoice left out: collected before",
                at=now,
                hub_id=row.hub_id,
                feed=row.feed,
            )
    log.info("left out: collected before", account=account.name, invoices=len(had))


def _bring_late(account: Account, row: AttachmentRow) -> None:
    parts = _parts_of(account, row.hub_id)
    came = fetch_attachment(account, row)
    with account.ledger.read() as connection:
        had = attachments.placed_through_other(connection, account.name, FEED, [row.hub_id])
    if not _not_had(account, [came], had):
        return
    files = [attachment_file(account.mailbox.profile, parts, came)]
    detail: Detail = {"attachments": attachments.as_detail([came])}
    place(
        account,
        Parcel(files=files, kind="attachment fetched", detail=detail),
        lambda connection, now: attachments.fetched_all(connection, _named([came], files), at=now),
    )
    log.info("late attachment placed", account=account.name, hub_id=row.hub_id)


def _not_had(
    account: Account, rows: Sequence[AttachmentRow], had: Set[tuple[HubId, Digest | None]]
) -> tuple[AttachmentRow, ...]:
    """Return the attachments without those that came through the other feed before a move.

    These are left out for good.
    """
    again = [row for row in rows if (row.hub_id, row.digest) in had]
    if again:
        now = account.clock()
        with account.ledger.write() as connection:
            for row in again:
                leave_out_attachment(connection, account.name, FEED, row, at=now)
    return tuple(row for row in rows if row not in again)


def _parts_of(account: Account, hub_id: HubId) -> NameParts:
    """Return what the invoice's name tells, or will tell if it has none yet."""
    profile = account.mailbox.profile
    with account.ledger.read() as connection:
        name = invoices.name_of(connection, account.name, hub_id)
        codes = learned.codes(connection, account.name)
    parts = profile.parse(Folder.OUT, name) if name else None
    if parts is not None:
        return parts
    invoice = account.hub.invoice(hub_id)
    return name_parts(profile, invoice, None, receiver_code=account.own.receiver_code, codes=codes)


def leave_out_attachment(
    connection: Connection, account: str, feed: FeedName, row: AttachmentRow, *, at: datetime
) -> None:
    """Never offer again an attachment that the software has."""
    attachments.had_before(connection, row.id, at=at)
    events.record(
        connection,
        account,
        "attachment left out: collected before",
        at=at,
        hub_id=row.hub_id,
        feed=feed,
        attachment_id=row.attachment_id,
        position=row.position,
        original_name=row.original_name,
    )
