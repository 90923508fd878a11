"""How the recording of a shadow feed stands, and when there was none: from the ledger alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy import Connection

from bridge.ledger import recorded_files, recordings, spans, summary
from bridge.ledger.spans import FeedRow
from bridge.ledger.summary import HeldBack, HeldBackAttachment
from bridge.model import DeliveryState, FeedName
from bridge.recorded import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A time in which the feed was not listed."""

    since: datetime
    until: datetime
    said: str | None


@dataclass(frozen=True, slots=True)
class UnreadFile:
    """A file of the old mailbox that could not be read."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowStatus:
    """How the recording of the shadow feed stands."""

    feed: FeedName
    row: FeedRow
    announced: int
    """Deliveries that were listed, or told of by a message, and whose file has not come."""
    recorded: int
    troubles: tuple[HeldBack, ...]
    attachment_troubles: tuple[HeldBackAttachment, ...]
    unread: tuple[UnreadFile, ...]
    unrecognised: tuple[str, ...]
    """Files of the old mailbox that nobody can attribute to an invoice."""
    gaps: tuple[Gap, ...]
    """Oldest first; the last one may go on still."""

    @property
    def held_back(self) -> tuple[tuple[str, str, datetime | None], ...]:
        """Invoices of which something has not come: hub id, reason, next try."""
        rows: list[HeldBack | HeldBackAttachment] = [*self.troubles, *self.attachment_troubles]
        return tuple((row.hub_id, row.trouble, row.next_attempt_at) for row in rows)


def look_at(
    connection: Connection, account: str, feed: FeedName, *, now: datetime, longest_gap: timedelta
) -> ShadowStatus:
    """Return how the recording of a feed stands at a time."""
    counts = recordings.counted(connection, account, feed)
    is_legacy = feed is FeedName.LEGACY
    unread = recorded_files.unread(connection, account) if is_legacy else []
    unrecognised = recorded_files.unrecognised(connection, account) if is_legacy else []
    listed = list(spans.spans(connection, account, feed))
    return ShadowStatus(
        feed=feed,
        row=spans.of_feed(connection, account, feed),
        announced=counts[DeliveryState.SEEN],
        recorded=counts[DeliveryState.FETCHED],
        troubles=tuple(summary.held_back(connection, account, feed)),
        attachment_troubles=tuple(summary.held_back_attachments(connection, account, feed)),
        unread=tuple(UnreadFile(path, reason) for path, reason in unread),
        unrecognised=tuple(unrecognised),
        gaps=gaps_between(listed, now=now, longest=longest_gap),
    )


def gaps_between(listed: Sequence[Span], *, now: datetime, longest: timedelta) -> tuple[Gap, ...]:
    """Return what lies between the times in which a feed was listed, and after the last of them."""
    found = [
        Gap(since=before.until, until=after.since, said=before.said)
        for before, after in pairwise(listed)
    ]
    if listed and now - listed[-1].until > longest:
        found.append(Gap(since=listed[-1].until, until=now, said=listed[-1].said))
    return tuple(found)
