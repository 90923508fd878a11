"""Inbound: from the feed through the ledger into the mailbox.

A round lists what waits, writes it into the ledger before anything else, and then brings what is
not in the mailbox yet (`bringing`). A hub that fails on one of several tax ids' lists, or on that
of attachments alone, ends the round, but not before what it has listed is brought: each invoice
names the attachments that came with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from bridge.account import Account
from bridge.feeds import Listing, RestFeed
from bridge.inbound.bringing import bring_invoices, bring_late, leave_out_attachment
from bridge.inbound.collecting import look_for_collected
from bridge.inbound.emptied import count_unlisted
from bridge.inbound.placing import DELIVERED_KINDS, resume
from bridge.inbound.preparing import prepare
from bridge.ledger import accounts, deliveries, events, learned, listings, spans
from bridge.model import FeedName, HubId, PendingAttachment
from bridge.upkeep.recall import is_owed, recall

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
            listing = self.feed.pending(leave_out=True)
            enclosed = self.feed.pending_attachments(leave_out=True)
            failure = listing.failure or enclosed.failure
            capped = (
                *listing.capped_slices,
                *(f"attachments of {part}" for part in enclosed.capped_slices),
            )
            # What came with a learned invoice is told by the listing before this one.
            self._note_attachments(enclosed.rows)
            new = self._note_listing(listing, capped, whole=failure is None)
            recall(account, {row.hub_id for row in listing.invoices})
            due = account.clock() if only_due else None
            placed, troubles = bring_invoices(account, due=due)
            late_troubles = bring_late(account, due=due)
        if failure is not None:
            raise failure
        return Round(
            new=len(new),
            placed=placed,
            collected=collected,
            troubles=(*troubles, *late_troubles),
            capped_slices=capped,
        )

    def recall(self) -> None:
        """Ask the hub, before anybody is let in, what a restored backup has put on offer again.

        Raises as `round`; nothing is asked where no backup was restored.
        """
        if is_owed(self.account):
            with self.account.mailbox.turn("inbound"):
                listing = self.feed.pending(leave_out=True)  # what it lacks is asked about by id
                recall(self.account, {row.hub_id for row in listing.invoices})

    def _note_listing(
        self, listing: Listing, capped: Sequence[str], *, whole: bool
    ) -> Sequence[HubId]:
        account, now = self.account, self.account.clock()
        unlisted = count_unlisted(account, listing)
        with account.ledger.write() as connection:
            new = listings.note_invoices(connection, account.name, listing.invoices, at=now)
            listed = list(dict.fromkeys(row.hub_id for row in listing.invoices))
            for hub_id in deliveries.still_listed(
                connection, account.name, listed, before=now - STILL_LISTED
            ):
                events.record(
                    connection, account.name, "invoice listed again", at=now, hub_id=hub_id
                )
            if whole:  # else it counts for no listing, as one that failed at once
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
        with account.ledger.write() as connection:
            listings.note_attachments(connection, account.name, rows, at=now)
            for had in learned.came_with_learned(connection, account.name):
                leave_out_attachment(connection, account.name, FEED, had, at=now)
