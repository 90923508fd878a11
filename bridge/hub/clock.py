"""The hub's clock, as the `Date` of its answers shows it, and which clock tokens follow.

Tokens follow this machine's clock until the hub finds one too old or too young, and the hub's from
then on.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock

import structlog

from bridge.hub.verdict import http_date

log = structlog.get_logger()

SAME_CLOCK = timedelta(seconds=5)
"""Offsets that differ by less are the same news: `Date` has a resolution of a second."""


class HubClock:
    """How far the hub's clock is ahead of ours; may be shared by threads."""

    def __init__(self, clock: Callable[[], datetime], *, issuer: str) -> None:
        self._clock = clock
        self._issuer = issuer
        self.seen: timedelta | None = None
        """By the last answer; None before any."""
        self.trusted = timedelta(0)
        """What tokens follow."""
        self._warned: timedelta | None = None
        self._lock = Lock()

    def now(self) -> datetime:
        """Return the time by the hub's clock, as far as known; up to a second early."""
        return self.ahead(self.seen or timedelta(0))

    def ahead(self, offset: timedelta) -> datetime:
        """Return the time by a clock that is so far ahead of ours."""
        return self._clock() + offset

    def note(self, date: str) -> None:
        """Take the header `Date` of an answer that came just now."""
        told = http_date(date)
        if told is not None:
            self.seen = told - self._clock()

    def trust(self, offset: timedelta) -> None:
        """Let tokens follow the hub's clock from now on, and say so when that is news."""
        with self._lock:
            is_news = self._warned is None or abs(offset - self._warned) > SAME_CLOCK
            self.trusted = offset
            if is_news:
                self._warned = offset
        if is_news:
            log.warning(
                "this machine's clock is off: tokens follow the hub's clock until it is set",
                issuer=self._issuer,
                seconds=round(offset.total_seconds()),
            )
