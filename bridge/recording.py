"""Recording a feed that does not serve: one round of listening, never writing.

The old mailbox is listened to by `listening`; the REST feed here: listed by slices, and what it
lists is fetched into archive and ledger, as far as `fetched` and no further. It is given what the
hub can be asked, not what it can be told. One invoice's trouble is noted and tried again later;
what is wrong with the feed as a whole is noted beside its spans, and ends the round.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from bridge.account import Account
from bridge.comparing import FileComparer
from bridge.crew import work, workers_for
from bridge.errors import BridgeError, HubAwayError, LedgerError
from bridge.feeds import Listing, RestFeed
from bridge.inbound.fetching import fetch_attachment, fetch_invoice
from bridge.inbound.held_back import hold_back, hold_back_attachment
from bridge.inbound.invoice_files import name_parts
from bridge.ledger import (
    accounts,
    attachments,
    deliveries,
    learned,
    listings,
    new_attachments,
    recordings,
    spans,
)
from bridge.ledger.attachments import AttachmentRow
from bridge.ledger.deliveries import Delivery
from bridge.ledger.recordings import Recording
from bridge.legacy.listening import listen
from bridge.model import FeedName, HubId, Invoice, PendingAttachment

REST = FeedName.REST

PURPOSES = {FeedName.LEGACY: "record", FeedName.REST: "record-rest"}
"""The turn at a feed that one process at a time has, and the staging folder that is its own."""

PURPOSE = PURPOSES[REST]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round of recording came to."""

    feed: FeedName
    shown: int = 0
    """Files, or invoices, that the listing showed."""
    recorded: int = 0
    """Invoices of which something new was written down."""
    gone: int = 0
    vanished: int = 0
    """All of them, when all were suddenly missing: the next listing tells."""
    troubles: tuple[str, ...] = ()
    capped_slices: tuple[str, ...] = ()


class FeedRecorder:
    """Records the feeds of one account; it is kept from round to round for what it learns."""

    def __init__(self, account: Account) -> None:
        own = account.own
        self.account = account
        self._rest = RestFeed(account.hub, nifs=own.nifs, offices=own.oficines_comptables)
        self._files = FileComparer(account)

    def round(self, feed: FeedName, *, only_due: bool) -> Round:
        """Do one round; `only_due` leaves out what waits for a later try.

        Raises what ends a round: the feed is away or does not let us in, this machine cannot.
        """
        account = self.account
        with _noted(account, feed), account.mailbox.turn(PURPOSES[feed]):
            if account.feeds().serve is feed:  # since a moment ago: its own round records it
                return Round(feed=feed)
            account.mailbox.archive.prepare()
            account.mailbox.clear_staged(PURPOSES[feed])
            listen_to = self._listen_to_hub if feed is REST else self._listen_to_old_mailbox
            done = listen_to(only_due=only_due)
            self._files.compare_new()
            return done

    def _listen_to_old_mailbox(self, *, only_due: bool) -> Round:
        with self.account.old_mailbox() as reader:
            heard = listen(self.account, reader, only_due=only_due)
        return Round(
            feed=FeedName.LEGACY,
            shown=heard.files,
            recorded=heard.deliveries,
            gone=heard.gone,
            vanished=heard.vanished,
            troubles=heard.troubles,
        )

    # -- the hub -------------------------------------------------------------------------------

    def _listen_to_hub(self, *, only_due: bool) -> Round:
        account = self.account
        began = account.clock()
        listing = self._rest.pending()
        enclosed = self._rest.pending_attachments()
        capped = (
            *listing.capped_slices,
            *(f"attachments of {part}" for part in enclosed.capped_slices),
        )
        self._note_listing(listing, enclosed.rows)
        due = began if only_due else None
        recorded, troubles = self._fetch_all(due)
        troubles += self._fetch_all_late(due)
        shown = [row.hub_id for row in listing.invoices]
        gone, vanished = 0, 0
        if not listing.capped_slices:
            gone, vanished = self._note_missing(shown)
        if not account.stopping.is_set():
            with account.ledger.write() as connection:
                spans.note_listing(
                    connection,
                    account.name,
                    REST,
                    at=began,
                    max_gap=account.longest_gap,
                    capped_slices=capped,
                    vanished=vanished,
                )
        return Round(
            feed=REST,
            shown=len(shown),
            recorded=recorded,
            gone=gone,
            vanished=vanished,
            troubles=tuple(troubles),
            capped_slices=capped,
        )

    def _note_listing(self, listing: Listing, enclosed: Sequence[PendingAttachment]) -> None:
        account, now = self.account, self.account.clock()
        with account.ledger.write() as connection:
            listings.note_invoices(connection, account.name, listing.invoices, at=now)
            listings.note_attachments(connection, account.name, enclosed, at=now)
            rows = [row.hub_id for row in listing.invoices]
            recordings.find_again(connection, account.name, REST, rows, at=now)

    def _note_missing(self, shown: Sequence[HubId]) -> tuple[int, int]:
        """Note which invoices the list lacks; return how many are gone, and what vanished."""
        account, now = self.account, self.account.clock()
        with account.ledger.write() as connection:
            last = spans.of_feed(connection, account.name, REST).last_listing_at
            missing = recordings.not_shown(
                connection, account.name, REST, shown, last=last or now, at=now
            )
        return missing.gone, missing.first if not shown and not missing.gone else 0

    def _fetch_all(self, due: datetime | None) -> tuple[int, list[str]]:
        account = self.account
        with account.ledger.read() as connection:
            waiting = deliveries.to_fetch(connection, account.name, REST, due=due)
        problems = work(
            waiting,
            self._fetch,
            workers=workers_for(account.settings.hub.max_connections),
            failed=self._hold_back,
            stopping=account.stopping,
        )
        return len(waiting) - len(problems), [str(error) for _, error in problems]

    def _fetch(self, delivery: Delivery) -> None:
        account = self.account
        fetched = fetch_invoice(
            account,
            delivery.hub_id,
            enclosed=self._note_enclosed,
            tries_before=delivery.attempts,
            failed=self._hold_back_attachment,
            purpose=PURPOSE,
        )
        with account.ledger.read() as connection:
            codes = learned.codes(connection, account.name)
        parts = name_parts(
            account.mailbox.profile,
            fetched.invoice,
            fetched.facts,
            receiver_code=account.own.receiver_code,
            codes=codes,
        )
        told = Recording(
            feed=REST,
            hub_id=delivery.hub_id,
            contents=fetched.contents,
            name=account.mailbox.profile.invoice_name(parts),
            accounting_office=fetched.invoice.accounting_office,
        )
        now = account.clock()
        with account.ledger.write() as connection:
            recordings.record(connection, account.name, told, at=now)
            for row in fetched.attachments:
                self._note_attachment(connection, row, now)

    def _note_enclosed(self, invoice: Invoice) -> Sequence[AttachmentRow]:
        account, now = self.account, self.account.clock()
        with account.ledger.write() as connection:
            return new_attachments.see(
                connection, account.name, REST, invoice.hub_id, invoice.attachments, at=now
            )

    def _fetch_all_late(self, due: datetime | None) -> list[str]:
        """Fetch the attachments that came after their invoice."""
        account = self.account
        with account.ledger.read() as connection:
            rows = attachments.to_fetch(connection, account.name, REST, due=due)
            seen = {
                it.hub_id for it in deliveries.to_fetch(connection, account.name, REST, due=None)
            }
        problems = work(
            [row for row in rows if row.hub_id not in seen],
            self._fetch_late,
            workers=workers_for(account.settings.hub.max_connections),
            failed=self._hold_back_attachment,
            stopping=account.stopping,
        )
        return [str(error) for _, error in problems]

    def _fetch_late(self, row: AttachmentRow) -> None:
        account = self.account
        came = fetch_attachment(account, row, purpose=PURPOSE)
        with account.ledger.write() as connection:
            self._note_attachment(connection, came, account.clock())

    def _note_attachment(self, connection: Connection, row: AttachmentRow, now: datetime) -> None:
        assert row.digest is not None
        recordings.record_attachment(
            connection,
            self.account.name,
            REST,
            row,
            digest=row.digest,
            name=row.original_name,
            at=now,
        )

    def _hold_back(self, delivery: Delivery, error: BridgeError) -> None:
        hold_back(self.account, delivery, error)

    def _hold_back_attachment(self, row: AttachmentRow, error: BridgeError) -> None:
        hold_back_attachment(self.account, row, error)


@contextmanager
def _noted(account: Account, feed: FeedName) -> Iterator[None]:
    """Write down why a feed could not be recorded, and how the hub is where it is the hub."""
    try:
        yield
    except LedgerError:
        raise  # nothing can be written down
    except BridgeError as error:
        with account.ledger.write() as connection:
            now = account.clock()
            spans.note_failure(connection, account.name, feed, said=str(error), at=now)
            if feed is REST and isinstance(error, HubAwayError):
                _note_hub(connection, account, reachable=False)
        raise
    if feed is REST:
        with account.ledger.write() as connection:
            _note_hub(connection, account, reachable=True)


def _note_hub(connection: Connection, account: Account, *, reachable: bool) -> None:
    accounts.note_hub(
        connection,
        account.name,
        at=account.clock(),
        reachable=reachable,
        clock_offset=account.hub.clock_offset,
    )
