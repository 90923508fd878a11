"""When an invoice came: for the grace time, the days of a report and the lag between the feeds."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from bridge.feedback import MADRID
from bridge.recorded import Recorded
from reconcile.asked import Period
from reconcile.model import Day
from reconcile.pairs import Pair


def since(side: Recorded, *, now: datetime) -> datetime:
    """Return from when on an invoice counts as known.

    When the bridge first saw it, which may be since this report began; for a folder, of which
    nobody knows that, the registration date, else the file's time. Of these a time that is still to
    come tells nothing.
    """
    if side.first_seen_at is not None:
        return min(side.first_seen_at, now)
    times = (side.registered_at, side.last_seen_at)
    return next((moment for moment in times if moment is not None and moment <= now), now)


def both_since(pair: Pair, *, now: datetime) -> datetime:
    """Return from when on an invoice counts as known on both sides.

    Beside a folder, of which nobody knows when its files came, the folder's own time counts.
    """
    assert pair.legacy is not None
    assert pair.rest is not None
    legacy, rest = since(pair.legacy, now=now), since(pair.rest, now=now)
    return legacy if pair.legacy.first_seen_at is None else max(legacy, rest)


def lag_of(pair: Pair) -> float | None:
    """Return how many seconds later REST showed an invoice; None where that is not known."""
    legacy = pair.legacy.first_seen_at if pair.legacy else None
    rest = pair.rest.first_seen_at if pair.rest else None
    return None if legacy is None or rest is None else (rest - legacy).total_seconds()


def day_of(moment: datetime) -> date:
    """Return the day of a time in Madrid."""
    return moment.astimezone(MADRID).date()


def days(
    legacy: Iterable[tuple[date, int]],
    rest: Iterable[tuple[date, int]],
    findings: Iterable[date],
) -> tuple[Day, ...]:
    """Return what both feeds delivered day by day, with the days between that had nothing."""
    ours, theirs, wrong = Counter[date](), Counter[date](), Counter(findings)
    for counter, counts in ((ours, legacy), (theirs, rest)):
        for day, count in counts:
            counter[day] += count
    every = {*ours, *theirs, *wrong}
    return tuple(
        Day(day=day, legacy=ours[day], rest=theirs[day], findings=wrong[day])
        for day in _between(every)
    )


MOST_DAYS = 1000
"""More days than these are not filled up: a wrong date must not make a million rows."""


def _between(every: set[date]) -> list[date]:
    if not every:
        return []
    first, last = min(every), max(every)
    if (last - first).days > MOST_DAYS:
        return sorted(every)
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def starts(day: date) -> datetime:
    """Return when a day begins in Madrid, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=MADRID).astimezone(UTC)


def bounds(period: Period) -> tuple[datetime, datetime]:
    """Return when the first day of a period begins and its last one ends; else all of time."""
    since, until = period.since, period.until
    ends = until + timedelta(days=1) if until and until < date.max else None
    return (
        starts(since) if since else datetime.min.replace(tzinfo=UTC),
        starts(ends) if ends else datetime.max.replace(tzinfo=UTC),
    )
