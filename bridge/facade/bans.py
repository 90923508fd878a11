"""Failed logins and the bans that follow, kept in memory for both doors together.

`max_failures` within `window` seconds for one subject (an address, a user) and it is banned for
`ban` seconds. What happens during a ban is not counted, so it does not prolong it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable

from bridge.settings import LoginSettings

_MOST_SUBJECTS = 10_000
"""More than this at once is an attack from many addresses: what has run out is thrown away."""


class Bans:
    """Counts failures by subject; times are seconds of the clock that it is given."""

    def __init__(
        self, login: LoginSettings, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._login = login
        self._clock = clock
        self._failures: dict[str, deque[float]] = {}
        self._until: dict[str, float] = {}
        self._lock = threading.Lock()

    def banned(self, *subjects: str) -> bool:
        """Tell whether one of these is banned now."""
        with self._lock:
            return any(self._is_banned(subject) for subject in subjects)

    def failed(self, *subjects: str) -> None:
        """Count a failed login for each of these that is not banned already."""
        with self._lock:
            for subject in subjects:
                if not self._is_banned(subject):
                    self._count(subject)
            if len(self._failures) + len(self._until) > _MOST_SUBJECTS:
                self._forget_the_past()

    def forgive(self, *subjects: str) -> None:
        """Take back one failure of each: it was followed by a login on the same connection."""
        with self._lock:
            for subject in subjects:
                if times := self._failures.get(subject):
                    times.pop()

    def _is_banned(self, subject: str) -> bool:
        return self._until.get(subject, float("-inf")) > self._clock()

    def _count(self, subject: str) -> None:
        now = self._clock()
        times = self._failures.setdefault(subject, deque())
        times.append(now)
        while times[0] <= now - self._login.window:
            times.popleft()
        if len(times) >= self._login.max_failures:
            self._until[subject] = now + self._login.ban
            del self._failures[subject]

    def _forget_the_past(self) -> None:
        now = self._clock()
        oldest = now - self._login.window
        self._until = {key: until for key, until in self._until.items() if until > now}
        self._failures = {
            key: times for key, times in self._failures.items() if times and times[-1] > oldest
        }
