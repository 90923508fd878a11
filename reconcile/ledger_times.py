"""When invoices came, and how much later REST showed them, out of the ledger.

The ledger keeps the lag of each (see `bridge.ledger.doubts`), in days, with an index in its order:
so a median of a million is looked up, and nothing is fetched for each.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from math import ceil, inf

from sqlalchemy import Connection, text

from reconcile.model import Lag

_HEARD = """
FROM delivery a INDEXED BY delivery_by_lag
WHERE a.account = :account AND a.feed = 'legacy' AND a.recorded_at IS NOT NULL
AND a.recorded_at >= :since AND a.recorded_at < :until
"""
_UP_TO = f"SELECT count(*) {_HEARD} AND a.lag > :above AND a.lag <= :bound"
_WITHOUT = f"SELECT count(*) {_HEARD} AND a.lag IS NULL"
_FROM_BELOW, _FROM_ABOVE = (
    f"SELECT a.lag {_HEARD} AND a.lag IS NOT NULL ORDER BY a.lag {way} LIMIT 1 OFFSET :place"
    for way in ("ASC", "DESC")
)
_BY_FIRST_SIGHT = """
SELECT julianday(a.recorded_at), a.lag FROM delivery a INDEXED BY delivery_by_first_sight
WHERE a.account = :account AND a.feed = 'legacy' AND a.recorded_at IS NOT NULL
AND coalesce(a.recorded_at, a.seen_at) >= :since
AND coalesce(a.recorded_at, a.seen_at) < :until AND a.lag IS NOT NULL
ORDER BY coalesce(a.recorded_at, a.seen_at)
"""
Values = Mapping[str, str | float]

BOUNDS = (-3600.0, -60.0, 0.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 43200.0, 86400.0, 259200.0, inf)
"""Upper bounds of the lag histogram, in seconds."""

SECONDS_A_DAY = 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """When the invoices of the old mailbox came on both sides."""

    heard: int = 0
    """Invoices that the old mailbox showed."""
    lag: Lag | None = None
    days: float = 0.0
    """From the first to the last invoice that was on both sides."""


def times(connection: Connection, values: Values) -> Times:
    """Return the times of what the old mailbox showed; `values` say whose, and from when to when.

    All in one walk along the index, and a few look-ups.
    """
    counts = [_number(connection, _UP_TO, {**values, **ends}) for ends in _BETWEEN]
    found = _Lags(connection, values, counts)
    return Times(
        heard=len(found) + _number(connection, _WITHOUT, values),
        lag=_lag(found),
        days=_days_on_both(found),
    )


_BETWEEN = tuple(
    {"above": above / SECONDS_A_DAY, "bound": bound / SECONDS_A_DAY}
    for above, bound in zip((-inf, *BOUNDS), BOUNDS, strict=False)
)


@dataclass(frozen=True, slots=True)
class _Lags:
    """The lags of all invoices that both feeds gave, in their order, as a transaction sees them."""

    connection: Connection
    values: Values
    histogram: Sequence[int]

    def __len__(self) -> int:
        return sum(self.histogram)

    def __getitem__(self, place: int) -> float:
        """Return the lag at a place; a negative one counts from the end."""
        count = len(self)
        place %= count
        if place <= count // 2:
            return self._one(_FROM_BELOW, place)
        return self._one(_FROM_ABOVE, count - 1 - place)

    def _one(self, statement: str, place: int) -> float:
        values = {**self.values, "place": place}
        return float(self.connection.execute(text(statement), values).scalar_one())


def _lag(found: _Lags) -> Lag | None:
    """Return the lag between the feeds; all values that it tells occur."""
    count = len(found)
    if not count:
        return None
    return Lag(
        count=count,
        median=_seconds(found[_place(count, 0.5)]),
        p95=_seconds(found[_place(count, 0.95)]),
        worst=_seconds(max(found[0], found[-1], key=abs)),
        histogram=tuple(zip(BOUNDS, found.histogram, strict=True)),
    )


def _seconds(days: float) -> float:
    return round(days * SECONDS_A_DAY, 3)


def _place(count: int, share: float) -> int:
    """Return where the nearest-rank quantile stands."""
    return max(0, ceil(share * count) - 1)


def _days_on_both(found: _Lags) -> float:
    if not found:
        return 0.0
    first, last, latest = inf, -inf, max(0.0, found[-1])
    for heard, later in _by_first_sight(found, ""):
        if heard >= first:
            break
        first = min(first, heard + max(0.0, later))
    for heard, later in _by_first_sight(found, "DESC"):
        if heard + latest <= last:
            break
        last = max(last, heard + max(0.0, later))
    return last - first


def _by_first_sight(found: _Lags, way: str) -> Iterator[tuple[float, float]]:
    rows = found.connection.execute(text(f"{_BY_FIRST_SIGHT} {way}"), found.values)
    with closing(rows):
        yield from ((heard, later) for heard, later in rows)


def _number(connection: Connection, statement: str, values: Values) -> int:
    return int(connection.scalar(text(statement), values) or 0)
