"""How many events of a kind are written down one by one before the rest is only counted.

A client that polls every second, and a stranger who guesses all night, must not fill the disk
with what is told of them. Each source (a user, an account's strangers) has a stock of events of
each kind that fills up again with time; what comes when it is used up is summed up, once an hour.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

EVERY = timedelta(hours=1)
"""Between two sums of one source."""

MOST_REMEMBERED = 20
"""Different details of what is summed up that are named; there may be more."""


class Happening(StrEnum):
    """What goes on at the doors, as the events call it."""

    LOGIN = "logged in"
    REFUSAL = "login refused"
    FETCH = "file fetched"
    DELETION = "file deleted"
    UPLOAD = "file uploaded"
    RENAMING = "file renamed"
    BAN = "banned for a while"


@dataclass(frozen=True, slots=True)
class Stock:
    """So many events at most at once, and so many more each hour."""

    most: int
    hourly: float


STOCKS: Mapping[Happening, Stock] = {
    Happening.LOGIN: Stock(200, 6),
    Happening.REFUSAL: Stock(100, 6),
    Happening.BAN: Stock(100, 6),
    Happening.FETCH: Stock(100_000, 100),
    Happening.DELETION: Stock(20_000, 100),
    Happening.UPLOAD: Stock(20_000, 100),
    Happening.RENAMING: Stock(20_000, 100),
}
"""A town hall's busy day fits. Strangers, who cause the first three, fill some 50 MB a year."""


@dataclass(frozen=True, slots=True)
class Source:
    """Whose events of which kind are counted together; the actor is a user, or nobody known."""

    account: str
    actor: str
    happening: Happening


@dataclass(frozen=True, slots=True)
class Sum:
    """What was not written down one by one; `named` has some of the details that occurred."""

    source: Source
    times: int
    since: datetime
    through: datetime
    named: Mapping[str, tuple[str, ...]]


@dataclass(slots=True)
class _Level:
    left: float
    at: datetime


@dataclass(slots=True)
class _Count:
    since: datetime
    through: datetime
    times: int = 0
    named: dict[str, set[str]] = field(default_factory=dict)

    def add(self, at: datetime, detail: Mapping[str, object]) -> None:
        self.times += 1
        self.through = at
        for name, value in detail.items():
            if isinstance(value, str):
                values = self.named.setdefault(name, set())
                if len(values) < MOST_REMEMBERED:
                    values.add(value)


class Flood:
    """Decides which events are written down one by one; for one thread."""

    def __init__(self, stocks: Mapping[Happening, Stock] = STOCKS) -> None:
        self._stocks = stocks
        self._levels: dict[Source, _Level] = {}
        self._counts: dict[Source, _Count] = {}

    def lets_through(self, source: Source, detail: Mapping[str, object], *, at: datetime) -> bool:
        """Tell whether this event is written down by itself; if not, it is counted."""
        stock = self._stocks[source.happening]
        level = self._levels.setdefault(source, _Level(stock.most, at))
        hours = max(0.0, (at - level.at).total_seconds() / 3600)
        level.left, level.at = min(stock.most, level.left + hours * stock.hourly), at
        if level.left >= 1:
            level.left -= 1
            return True
        self._counts.setdefault(source, _Count(at, at)).add(at, detail)
        return False

    def sums(self, *, now: datetime, all_of_them: bool = False) -> Iterator[Sum]:
        """Return what is due to be summed up; it is forgotten here."""
        for source, count in list(self._counts.items()):
            if all_of_them or now - count.since >= EVERY:
                del self._counts[source]
                named = {name: tuple(sorted(values)) for name, values in count.named.items()}
                yield Sum(source, count.times, count.since, count.through, named)
