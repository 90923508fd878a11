"""How far both sides were seen to agree: the moment up to which nothing is open.

It only moves over time that was recorded on both sides without a gap, that is older than the grace
time, and in which nothing blocks. A gap, or an invoice or a state that somebody must explain, stops
it there.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from bridge.model import FeedName
from bridge.recorded import Span
from reconcile.model import Gap


def verified_through(
    legacy: Sequence[Span],
    rest: Sequence[Span],
    blocking: Iterable[datetime],
    *,
    now: datetime,
    grace: timedelta,
    period: tuple[datetime, datetime],
) -> datetime | None:
    """Return the moment up to which both sides agree; None where there is none yet.

    `blocking` are the times from which on an invoice blocks. It begins where the recording of both
    sides together begins, and stays within the time that the report is about.
    """
    if not legacy or not rest:
        return None
    begins, ends = period
    start = max(legacy[0].since, rest[0].since, begins)
    sides = [_end(side, start) for side in (legacy, rest)]
    if None in sides:
        return None
    open_from = [it for it in (max(moment, begins) for moment in blocking) if it >= start]
    through = min(*(end for end in sides if end is not None), now - grace, ends, *open_from)
    return through if through > start else None


def _end(spans: Sequence[Span], start: datetime) -> datetime | None:
    """Return the end of the span that holds a moment."""
    return next((span.until for span in spans if span.since <= start <= span.until), None)


def gaps(
    feed: FeedName,
    spans: Sequence[Span],
    *,
    since: datetime,
    until: datetime,
    patience: timedelta,
) -> tuple[Gap, ...]:
    """Return the times between `since` and `until` in which a feed was not recorded.

    `patience` is how long the newest listing may be past.
    """
    found, end, said = [], since, ""
    for span in spans:
        if span.since > end and span.since > since:
            found.append(Gap(feed=feed, since=end, until=min(span.since, until), said=said))
        end, said = max(end, span.until), span.said or ""
    if until - end > patience:
        found.append(Gap(feed=feed, since=end, until=until, said=said))
    return tuple(gap for gap in found if gap.since < gap.until)
