"""Inbound: from the feed through the ledger into the mailbox.

A round lists what waits, writes it into the ledger before anything else, and then brings every
invoice that is not in the mailbox yet as far as it will go, several at once:

    listed → `seen` → data, Facturae, attachments and receipt into the archive → `fetched`
           → attachments, state message, invoice into the mailbox → `placed`

An invoice that cannot go on is noted with its reason and tried again later; the others go on. An
invoice that the software has had before, through whichever feed, is never placed again.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from bridge import feedback, messages
from bridge.account import Account
from bridge.backoff import delay
from bridge.chain import Detail
from bridge.collecting import look_for_collected
from bridge.crew import work, workers_for
from bridge.emptied import count_unlisted
from bridge.errors import BridgeError
from bridge.feeds import Listing, RestFeed
from bridge.fetching import (
    Fetched,
    UnreadableError,
    fetch_attachment,
    fetch_attachments,
    fetch_facturae,
    fetch_receipt,
)
from bridge.identity import plain_nif
from bridge.ledger import (
    accounts,
    attachments,
    deliveries,
    events,
    learned,
    recordings,
    spans,
)
from bridge.ledger.attachments import AttachmentRow
from bridge.ledger.deliveries import Delivery
from bridge.ledger.placed_files import Kind, PlacedFile
from bridge.model import (
    Attachment,
    DeliveryState,
    Digest,
    FeedName,
    HubId,
    Invoice,
    InvoiceFacts,
    PendingAttachment,
)
from bridge.nameless import Nameless, find_nameless
from bridge.naming import Folder, NameParts, Profile, extension_of
from bridge.placing import (
    DELIVERED_KINDS,
    Reason,
    message_ids,
    place,
    prepare,
    resume,
)
from bridge.recall import is_owed, recall

log = structlog.get_logger()

FEED = FeedName.REST

STILL_LISTED = timedelta(minutes=10)
"""An invoice that the hub lists so long after it was acknowledged is acknowledged once more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round of inbound did."""

    new: int = 0
    placed: int = 0
    collected: int = 0
    troubles: tuple[tuple[HubId, str], ...] = ()
    capped_slices: tuple[str, ...] = ()

    def __add__(self, other: "Round") -> "Round":
        """Return both together; what is capped is what the later one says."""
        return Round(
            new=self.new + other.new,
            placed=self.placed + other.placed,
            collected=self.collected + other.collected,
            troubles=tuple(dict(self.troubles + other.troubles).items()),
            capped_slices=other.capped_slices,
        )


class Inbound:
    """The inbound flow of one account."""

    def __init__(self, account: Account) -> None:
        own = account.own
        self.account = account
        self.feed = RestFeed(account.hub, nifs=own.nifs, offices=own.oficines_comptables)
        self._nameless: Nameless | None = None

    def round(self, *, only_due: bool) -> Round:
        """Do one round; `only_due` leaves out what waits for a later try.

        Raises what ends a round: the hub is away, the account is not let in, this machine cannot.
        """
        account = self.account
        prepare(account)
        with account.mailbox.turn("inbound"):
            if account.feeds().serve is not FEED:  # since a moment ago
                return Round()
            account.mailbox.clear_staged("fetch")
            resume(account, DELIVERED_KINDS)
            collected = look_for_collected(account)
            listing = self.feed.pending()
            enclosed = self.feed.pending_attachments()
            capped = (
                *listing.capped_slices,
                *(f"attachments of {part}" for part in enclosed.capped_slices),
            )
            # What came with a learned invoice is told by the listing before this one.
            self._note_attachments(enclosed.rows)
            new = self._note_listing(listing, capped)
            recall(account, {row.hub_id for row in listing.invoices})
            due = account.clock() if only_due else None
            placed, troubles = self._bring_all(due)
            troubles += self._bring_all_late(due)
        return Round(
            new=len(new),
            placed=placed,
            collected=collected,
            troubles=tuple(troubles),
            capped_slices=capped,
        )

    def recall(self) -> None:
        """Ask the hub, before anybody is let in, what a restored backup has put on offer again.

        Raises as `round`; nothing is asked where no backup was restored.
        """
        if is_owed(self.account):
            with self.account.mailbox.turn("inbound"):
                recall(self.account, {row.hub_id for row in self.feed.pending().invoices})

    def _note_listing(self, listing: Listing, capped: Sequence[str]) -> Sequence[HubId]:
        account, now = self.account, self.account.clock()
        unlisted = count_unlisted(account, listing)
        with account.ledger.write() as connection:
            new = deliveries.see(connection, account.name, FEED, listing.invoices, at=now)
            listed = {row.hub_id: row for row in listing.invoices}
            for hub_id in new:
                events.record(
                    connection,
                    account.name,
                    "invoice seen",
                    at=now,
                    hub_id=hub_id,
                    feed=FEED,
                    nif=listed[hub_id].nif,
                    accounting_office=listed[hub_id].accounting_office,
                )
            for hub_id in deliveries.still_listed(
                connection, account.name, list(listed), before=now - STILL_LISTED
            ):
                events.record(
                    connection, account.name, "invoice listed again", at=now, hub_id=hub_id
                )
            accounts.note_poll(
                connection, account.name, at=now, capped_slices=capped, unlisted=unlisted
            )
            spans.note_listing(
                connection,
                account.name,
                FEED,
                at=now,
                max_gap=account.longest_gap,
                capped_slices=capped,
                vanished=unlisted,
            )
        return new

    def _note_attachments(self, rows: Sequence[PendingAttachment]) -> None:
        account, now = self.account, self.account.clock()
        found: dict[HubId, list[Attachment]] = defaultdict(list)
        for row in rows:
            found[row.hub_id].append(Attachment(attachment_id=row.attachment_id, name=row.name))
        with account.ledger.write() as connection:
            for hub_id, listed in found.items():
                attachments.see(connection, account.name, FEED, hub_id, listed, at=now)
            for had in learned.came_with_learned(connection, account.name):
                leave_out_attachment(connection, account.name, FEED, had, at=now)

    def _bring_all(self, due: datetime | None) -> tuple[int, list[tuple[HubId, str]]]:
        account = self.account
        with account.ledger.read() as connection:
            listed = deliveries.to_fetch(connection, account.name, FEED, due=due)
            had = [
                delivery
                for delivery in listed
                if deliveries.collected_before(connection, account.name, delivery.hub_id)
            ]
            # What lies in the mailbox since before a move is collected from there.
            lying = [
                delivery
                for delivery in listed
                if deliveries.stands_through_other(connection, account.name, FEED, delivery.hub_id)
            ]
            codes = learned.codes(connection, account.name) if listed else {}
        self._leave_out(had)
        left_out = {delivery.id for delivery in [*had, *lying]}
        waiting = [delivery for delivery in listed if delivery.id not in left_out]
        numbers = dict(zip(waiting, message_ids(account, len(waiting)), strict=True))
        self._nameless = find_nameless(account) if waiting else None
        problems = work(
            waiting,
            lambda delivery: self._bring(delivery, message_id=numbers[delivery], codes=codes),
            workers=workers_for(account.settings.hub.max_connections),
            failed=self._note_trouble,
            stopping=account.stopping,
        )
        troubles = [(delivery.hub_id, str(error)) for delivery, error in problems]
        return len(waiting) - len(problems), troubles

    def _bring(self, delivery: Delivery, *, message_id: str, codes: Mapping[str, str]) -> None:
        """Bring one invoice into the mailbox, with a message of this id."""
        account = self.account
        with account.ledger.read() as connection:
            known = attachments.of_invoice(connection, account.name, FEED, delivery.hub_id)
        fetched = self._fetch(delivery, known)
        if self._came_nameless(delivery, fetched):
            return
        parts = name_parts(
            account.mailbox.profile,
            fetched.invoice,
            fetched.facts,
            receiver_code=account.own.receiver_code,
            codes=codes,
        )
        self._place(delivery, fetched, replace(parts, message_id=message_id))
        log.info("invoice placed", account=account.name, hub_id=delivery.hub_id)

    def _came_nameless(self, delivery: Delivery, fetched: Fetched) -> bool:
        """Leave out what came through the old mailbox when nobody could tell which it is."""
        found, account = self._nameless, self.account
        if found is None or not found.belongs_to(delivery.hub_id, fetched.digest, fetched.facts):
            return False
        with account.ledger.read() as connection:
            had = deliveries.collected_before(connection, account.name, delivery.hub_id)
        self._leave_out([delivery] if had else [])  # else it lies in the mailbox
        return True

    def _leave_out(self, had: Sequence[Delivery]) -> None:
        """Never offer again what the software has."""
        account, now = self.account, self.account.clock()
        if not had:
            return
        with account.ledger.write() as connection:
            for delivery in had:
                deliveries.had_before(connection, delivery.id, at=now)
                events.record(
                    connection,
                    account.name,
                    "invoice left out: collected before",
                    at=now,
                    hub_id=delivery.hub_id,
                    feed=delivery.feed,
                )
        log.info("left out: collected before", account=account.name, invoices=len(had))

    def _fetch(self, delivery: Delivery, known: Sequence[AttachmentRow]) -> Fetched:
        account, hub_id = self.account, delivery.hub_id
        invoice = account.hub.invoice(hub_id)
        digest, facts = fetch_facturae(account, hub_id)
        rows = self._note_enclosed(invoice, known)
        # What was placed before its invoice was listed has its place and its name already.
        waiting = [row for row in rows if row.state is DeliveryState.SEEN]
        came = fetch_attachments(
            account, waiting, tries_before=delivery.attempts, failed=self._note_late_trouble
        )
        came = tuple(row for row in came if not self._had_through_other(row))
        receipt, receipt_trouble = fetch_receipt(account, hub_id)
        return Fetched(
            invoice=invoice,
            facts=facts,
            digest=digest,
            attachments=came,
            receipt=receipt,
            receipt_trouble=receipt_trouble,
        )

    def _note_enclosed(
        self, invoice: Invoice, known: Sequence[AttachmentRow]
    ) -> Sequence[AttachmentRow]:
        """Write down what the listing did not tell yet; return all attachments of an invoice."""
        account = self.account
        ids = {row.attachment_id for row in known}
        if all(it.attachment_id in ids for it in invoice.attachments):
            return known
        with account.ledger.write() as connection:
            return attachments.see(
                connection,
                account.name,
                FEED,
                invoice.hub_id,
                invoice.attachments,
                at=account.clock(),
            )

    def _place(self, delivery: Delivery, fetched: Fetched, parts: NameParts) -> None:
        account, profile = self.account, self.account.mailbox.profile
        message = self._message(delivery, fetched, filename=profile.invoice_name(parts))
        files = files_of(profile, parts, fetched, message=message)

        contents = deliveries.contents_of(
            fetched.invoice,
            fetched.facts,
            digest=fetched.digest,
            receipt_digest=fetched.receipt,
            receipt_trouble=fetched.receipt_trouble,
        )

        def write(connection: Connection) -> None:
            name, now = profile.invoice_name(parts), account.clock()
            deliveries.fetched(connection, delivery.id, contents, name=name, at=now)
            self._note_fetched(connection, fetched.attachments, files)

        detail: Detail = {
            "contents": deliveries.as_detail(contents),
            "attachments": attachments.as_detail(fetched.attachments),
        }
        place(account, files, Reason(kind="invoice fetched", write=write, detail=detail))

    def _message(self, delivery: Delivery, fetched: Fetched, *, filename: str) -> Digest:
        """Write the state message beside an invoice into the archive."""
        archive = self.account.mailbox.archive
        message = messages.registered(
            fetched.invoice,
            fetched.facts,
            listed_nif=delivery.nif,
            receipt=archive.read(fetched.receipt) if fetched.receipt else None,
            filename=filename,
            now=self.account.clock(),
        )
        return self.account.mailbox.keep_bytes(feedback.write(message), purpose="fetch")

    def _note_fetched(
        self,
        connection: Connection,
        rows: Sequence[AttachmentRow],
        files: Sequence[PlacedFile],
    ) -> None:
        names = {file.attachment_id: file.name for file in files}
        now = self.account.clock()
        for row in rows:
            assert row.digest is not None
            name = names[row.attachment_id]
            attachments.fetched(connection, row.id, digest=row.digest, name=name, at=now)

    def _bring_all_late(self, due: datetime | None) -> list[tuple[HubId, str]]:
        """Bring the attachments that came after their invoice."""
        account = self.account
        with account.ledger.read() as connection:
            rows = attachments.to_fetch(connection, account.name, FEED, due=due)
            late = [row for row in rows if not self._comes_with_invoice(connection, row)]
        problems = work(
            late,
            self._bring_late,
            workers=workers_for(account.settings.hub.max_connections),
            failed=self._note_late_trouble,
            stopping=account.stopping,
        )
        return [(row.hub_id, str(error)) for row, error in problems]

    def _comes_with_invoice(self, connection: Connection, row: AttachmentRow) -> bool:
        invoice = deliveries.of_feed(connection, self.account.name, FEED, row.hub_id)
        return invoice is not None and invoice.state is DeliveryState.SEEN

    def _bring_late(self, row: AttachmentRow) -> None:
        account = self.account
        parts = self._parts_of(row.hub_id)
        came = fetch_attachment(account, row)
        if self._had_through_other(came):
            return
        files = [attachment_file(account.mailbox.profile, parts, came)]
        reason = Reason(
            kind="attachment fetched",
            write=lambda connection: self._note_fetched(connection, [came], files),
            detail={"attachments": attachments.as_detail([came])},
        )
        place(account, files, reason)
        log.info("late attachment placed", account=account.name, hub_id=row.hub_id)

    def _had_through_other(self, row: AttachmentRow) -> bool:
        """Leave out a fetched attachment that came through the other feed before a move."""
        account, now = self.account, self.account.clock()
        assert row.digest is not None
        with account.ledger.read() as connection:
            had = attachments.had_through_other(
                connection, account.name, FEED, row.hub_id, row.digest
            )
        if had:
            with account.ledger.write() as connection:
                leave_out_attachment(connection, account.name, FEED, row, at=now)
        return had

    def _parts_of(self, hub_id: HubId) -> NameParts:
        """Return what the invoice's name tells, or will tell if it has none yet."""
        account = self.account
        with account.ledger.read() as connection:
            name = deliveries.name_of(connection, account.name, hub_id)
            codes = learned.codes(connection, account.name)
        parts = account.mailbox.profile.parse(Folder.OUT, name) if name else None
        if parts is not None:
            return parts
        invoice = account.hub.invoice(hub_id)
        return name_parts(
            account.mailbox.profile,
            invoice,
            None,
            receiver_code=account.own.receiver_code,
            codes=codes,
        )

    def _note_trouble(self, delivery: Delivery, error: BridgeError) -> None:
        account, again = self.account, self._next_try(delivery.attempts)
        log.warning("invoice held back", hub_id=delivery.hub_id, reason=str(error))
        with account.ledger.write() as connection:
            deliveries.failed(connection, delivery.id, trouble=str(error), next_attempt_at=again)
            if isinstance(error, UnreadableError):
                recordings.spoiled(connection, delivery.id, str(error))

    def _note_late_trouble(self, row: AttachmentRow, error: BridgeError) -> None:
        account, again = self.account, self._next_try(row.attempts)
        log.warning("attachment held back", hub_id=row.hub_id, reason=str(error))
        with account.ledger.write() as connection:
            attachments.failed(connection, row.id, trouble=str(error), next_attempt_at=again)

    def _next_try(self, attempts: int) -> datetime:
        push = self.account.settings.push
        wait = delay(attempts + 1, initial=push.retry_initial, most=push.retry_max)
        return self.account.clock() + wait


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


def name_parts(
    profile: Profile,
    invoice: Invoice,
    facts: InvoiceFacts | None,
    *,
    receiver_code: str,
    codes: Mapping[str, str],
) -> NameParts:
    """Return what the names of an invoice's files tell; tax ids stand in for unknown codes.

    `codes` are the learned ones, by plain NIF; `receiver_code` is the one of the settings.
    """
    supplier = invoice.supplier_nif or (facts.seller_nif if facts else None) or ""
    receiver = invoice.receiver_nif or (facts.buyer_nif if facts else None) or ""
    return NameParts(
        sender=codes.get(plain_nif(supplier), supplier),
        receiver=receiver_code or codes.get(plain_nif(receiver), receiver),
        reference=profile.reference_of(
            invoice.number,
            file_number=facts.number if facts else None,
            series=facts.series if facts else None,
        ),
        hub_id=invoice.hub_id,
    )


def files_of(
    profile: Profile, parts: NameParts, fetched: Fetched, *, message: Digest
) -> list[PlacedFile]:
    """Return an invoice's files in the order in which they become visible: the invoice last."""
    hub_id = fetched.invoice.hub_id
    beside = PlacedFile(
        folder=Folder.STATOUT,
        name=profile.message_name(parts),
        kind=Kind.STATE,
        digest=message,
        feed=FEED,
        hub_id=hub_id,
    )
    invoice = PlacedFile(
        folder=Folder.OUT,
        name=profile.invoice_name(parts),
        kind=Kind.INVOICE,
        digest=fetched.digest,
        feed=FEED,
        hub_id=hub_id,
    )
    enclosed = [attachment_file(profile, parts, row) for row in fetched.attachments]
    return [*enclosed, beside, invoice]


def attachment_file(profile: Profile, parts: NameParts, row: AttachmentRow) -> PlacedFile:
    """Return the file of a fetched attachment."""
    assert row.digest is not None
    named = replace(parts, attachment=row.position, extension=extension_of(row.original_name))
    return PlacedFile(
        folder=Folder.ADJOUT,
        name=profile.attachment_name(named),
        kind=Kind.ATTACHMENT,
        digest=row.digest,
        feed=FEED,
        hub_id=row.hub_id,
        attachment_id=row.attachment_id,
    )
