"""When each feed was listed: times without a gap, and what is wrong with a feed at present.

A listing that succeeds within the longest gap after the one before it prolongs its span, a later
one begins another; so a gap is what lies between two spans. A listing that fails prolongs nothing.
No event tells of any of this, as of polls.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, select, update
from sqlalchemy.dialects.sqlite import insert

from bridge.ledger.rows import fill
from bridge.ledger.schema import recorded_feed, recorded_span
from bridge.model import FeedName
from bridge.recorded import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedRow:
    """How the recording of a feed stands."""

    last_listing_at: datetime | None = None
    capped_slices: tuple[str, ...] = ()
    vanished: int = 0
    """All that was there, when all of it was suddenly gone and no second listing said so yet."""
    trouble: str | None = None
    trouble_since: datetime | None = None


def note_listing(
    connection: Connection,
    account: str,
    feed: FeedName,
    *,
    at: datetime,
    max_gap: timedelta,
    capped_slices: Sequence[str] = (),
    vanished: int = 0,
) -> None:
    """A listing that began at that time succeeded, and all that it showed is written down."""
    last = connection.execute(_last(account, feed)).first()
    if last is not None and at - last.until <= max_gap:
        connection.execute(
            update(recorded_span)
            .where(recorded_span.c.id == last.id)
            .values(until=max(at, last.until), listings=last.listings + 1, said=None)
        )
    else:
        connection.execute(
            insert(recorded_span).values(account=account, feed=feed, since=at, until=at, listings=1)
        )
    _set(
        connection,
        account,
        feed,
        last_listing_at=at,
        capped_slices=list(capped_slices),
        vanished=vanished,
        trouble=None,
        trouble_since=None,
    )


def note_failure(
    connection: Connection, account: str, feed: FeedName, *, said: str, at: datetime
) -> None:
    """The feed could not be listed, or not all that it showed could be written down."""
    last = connection.execute(_last(account, feed)).first()
    if last is not None:
        this = recorded_span.c.id == last.id
        connection.execute(update(recorded_span).where(this).values(said=said))
    known = of_feed(connection, account, feed)
    if known.trouble != said:
        since = known.trouble_since or at
        _set(connection, account, feed, trouble=said, trouble_since=since)


def of_feed(connection: Connection, account: str, feed: FeedName) -> FeedRow:
    """Return how the recording of a feed stands; of one that was never listed, nothing."""
    mine = (recorded_feed.c.account == account) & (recorded_feed.c.feed == feed)
    row = connection.execute(select(recorded_feed).where(mine)).mappings().first()
    if row is None:
        return FeedRow()
    return fill(FeedRow, dict(row) | {"capped_slices": tuple(row["capped_slices"])})


def spans(connection: Connection, account: str, feed: FeedName) -> Iterator[Span]:
    """Return the times in which a feed was listed without a gap, in order."""
    rows = select(recorded_span).where(_mine(account, feed))
    for row in connection.execute(rows.order_by(recorded_span.c.since)):
        yield Span(
            feed=feed, since=row.since, until=row.until, listings=row.listings, said=row.said
        )


def _mine(account: str, feed: FeedName) -> ColumnElement[bool]:
    return (recorded_span.c.account == account) & (recorded_span.c.feed == feed)


def _last(account: str, feed: FeedName) -> Select[Any]:
    newest = select(recorded_span).where(_mine(account, feed))
    return newest.order_by(recorded_span.c.until.desc(), recorded_span.c.id.desc()).limit(1)


def _set(connection: Connection, account: str, feed: FeedName, **values: object) -> None:
    statement = insert(recorded_feed).values(
        account=account, feed=feed, **({"capped_slices": [], "vanished": 0} | values)
    )
    keys = ["account", "feed"]
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=values))
