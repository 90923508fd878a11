"""Where a report takes its two sides from: both out of the ledger, or the legacy one of old files.

Both kinds answer the same questions. From the ledger only those invoices come up that may be a
finding; the others (`unseen`) are the same on both sides and only counted.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Protocol

from bridge.ledger import Ledger, spans
from bridge.model import FeedName, HubId
from bridge.recorded import Recorded, Span
from reconcile.asked import Period
from reconcile.ledger_side import LedgerSides, Names
from reconcile.model import Lag
from reconcile.moments import both_since, day_of, since, starts
from reconcile.old_files import OldSide
from reconcile.pairs import Pair, names_of, pair_up

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What is counted of invoices that a report does not list."""

    days: float
    """From the first to the last invoice on both sides."""
    lag: Lag | None
    """How much later REST showed the invoices."""
    legacy_days: Sequence[tuple[date, int]]
    rest_days: Sequence[tuple[date, int]]
    receivers: frozenset[str]
    attachments: int
    receipts: int
    names: Names


class Sides(Protocol):
    """Both sides of a report."""

    unseen: int
    """Invoices that are the same on both sides and did not come up."""
    refused_files: frozenset[str]

    def pairs(self, *, everything: bool) -> list[Pair]:
        """Return the invoices to be compared, by hub id."""

    def these(self, hub_ids: Iterable[HubId]) -> list[Pair]:
        """Return these invoices, as far as either side has them."""

    def tally(self, pairs: Sequence[Pair]) -> Tally:
        """Return what is counted; `pairs` are those that were compared in the end."""

    def spans(self, feed: FeedName) -> list[Span]:
        """Return when a feed was recorded."""


class FromLedger:
    """Both sides as the ledger recorded them."""

    refused_files: frozenset[str] = frozenset()

    def __init__(
        self, sides: LedgerSides, ledger: Ledger, account: str, period: Period, now: datetime
    ) -> None:
        self.unseen = 0
        self._sides = sides
        self._ledger = ledger
        self._account = account
        self._period = period
        self._now = now
        self._counted: Mapping[FeedName, Future[list[tuple[date, int]]]] = {}

    def pairs(self, *, everything: bool) -> list[Pair]:
        """Return the invoices that may be findings, or all; their days are counted meanwhile.

        The database counts without Python's lock. What comes after this is none of this report's.
        """
        beside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="days")
        self._counted = {feed: beside.submit(self._days, feed) for feed in FeedName}
        beside.shutdown(wait=False)
        suspects = self._sides.suspects()
        chosen = self._sides.every_hub_id() if everything else suspects
        found = [it for it in self._sides.pairs(chosen) if is_within(self._period, it, self._now)]
        if not everything:
            self.unseen = self._sides.times.heard - sum(it.legacy is not None for it in found)
        return found

    def these(self, hub_ids: Iterable[HubId]) -> list[Pair]:
        """Return these invoices, as far as the ledger has them."""
        return list(self._sides.pairs(hub_ids))

    def tally(self, pairs: Sequence[Pair]) -> Tally:
        """Count in the ledger, whatever `pairs` there are."""
        sides = self._sides
        return Tally(
            days=sides.times.days,
            lag=sides.times.lag,
            legacy_days=self._counted[FeedName.LEGACY].result(),
            rest_days=self._counted[FeedName.REST].result(),
            receivers=frozenset(sides.receivers()),
            attachments=sides.attachments(),
            receipts=sides.receipts(),
            names=sides.names(),
        )

    def spans(self, feed: FeedName) -> list[Span]:
        """Return when a feed was listed without a gap."""
        with self._ledger.read() as connection:
            return list(spans.spans(connection, self._account, feed))

    def _days(self, feed: FeedName) -> list[tuple[date, int]]:
        ends = self._sides.first_and_last(feed)
        if ends is None:
            return []
        day, last = (day_of(moment) for moment in ends)
        found = []
        while day <= last:
            if self._period.holds(day):
                number = self._sides.seen_between(feed, starts(day), starts(day + DAY))
                found.append((day, number))
            day += DAY
        return [(day, number) for day, number in found if number]


class FromOldFiles:
    """Old files beside what the ledger recorded of REST."""

    unseen = 0

    def __init__(
        self, old: OldSide, rest: dict[HubId, Recorded], period: Period, now: datetime
    ) -> None:
        self.refused_files = old.refused_files
        self._old = old
        self._rest = rest
        self._period = period
        self._now = now

    def pairs(self, *, everything: bool) -> list[Pair]:
        """Return all invoices."""
        return [
            self._told(pair)
            for pair in pair_up(self._old.recorded, self._rest)
            if is_within(self._period, pair, self._now)
        ]

    def these(self, hub_ids: Iterable[HubId]) -> list[Pair]:
        """Return these invoices, as far as either side has them."""
        wanted = set(hub_ids)
        return [
            self._told(pair)
            for pair in pair_up(self._old.recorded, self._rest)
            if pair.hub_id in wanted
        ]

    def tally(self, pairs: Sequence[Pair]) -> Tally:
        """Count what was compared."""
        both = [pair for pair in pairs if pair.on_both]
        moments = [both_since(pair, now=self._now) for pair in both]
        apart = max(moments) - min(moments) if moments else timedelta()
        return Tally(
            days=apart / DAY,
            lag=None,
            legacy_days=self._days(pair.legacy for pair in pairs),
            rest_days=self._days(pair.rest and (pair.legacy or pair.rest) for pair in pairs),
            receivers=frozenset(
                nif for it in both for nif in (_receiver(it.legacy), _receiver(it.rest)) if nif
            ),
            attachments=sum(_fewer(pair) for pair in both),
            receipts=sum(_has_receipts(pair) for pair in both),
            names=Names(
                compared=sum(_has_names(pair) for pair in both),
                differ=sum(names_of(pair) is not None for pair in both),
            ),
        )

    def spans(self, feed: FeedName) -> list[Span]:
        """Return the time from the first file to the last; REST answers for all of it and more."""
        moments = [since(it, now=self._now) for it in self._old.recorded.values()]
        if not moments:
            return []
        until = max(moments) if feed is FeedName.LEGACY else self._now
        return [Span(feed=feed, since=min(moments), until=until, listings=1)]

    def _told(self, pair: Pair) -> Pair:
        """A folder in which there is no attachment at all does not tell which there were."""
        if self._old.tells_attachments:
            return pair
        return replace(pair, tells_attachments=False)

    def _days(self, sides: Iterable[Recorded | None]) -> list[tuple[date, int]]:
        """Count by day; what is on both sides counts on one day for both, the old file's."""
        days = Counter(day_of(since(side, now=self._now)) for side in sides if side)
        return sorted(days.items())


def is_within(period: Period, pair: Pair, now: datetime) -> bool:
    """Tell whether an invoice belongs to a report: by when the old mailbox showed it, else REST."""
    return period.holds(day_of(since(pair.legacy or pair.one, now=now)))


def _receiver(side: Recorded | None) -> str | None:
    return side.receiver_nif if side else None


def _fewer(pair: Pair) -> int:
    assert pair.legacy is not None
    assert pair.rest is not None
    return min(len(pair.legacy.attachments), len(pair.rest.attachments))


def _has_names(pair: Pair) -> bool:
    return all(side is not None and side.name for side in (pair.legacy, pair.rest))


def _has_receipts(pair: Pair) -> bool:
    return all(side is not None and side.receipt for side in (pair.legacy, pair.rest))
