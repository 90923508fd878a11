"""Failed logins and the bans that follow: one memory for both doors.

`max_failures` within `window` seconds for one subject (an address, a user) and it is banned for
`ban` seconds. What happens during a ban is not counted, so it does not prolong it. Each ban is
told, so that it can be kept over a restart.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

from bridge.facade.events import Ban, tell
from bridge.settings import LoginSettings

MOST_SUBJECTS = 10_000
"""More than this at once is an attack from many addresses: those that failed first are let go."""


def _tell_nobody(_: Ban) -> None:
    """Tell nobody: the ban is only kept in memory."""


class Bans:
    """Counts failures by subject; times are seconds of the clock that it is given."""

    def __init__(
        self,
        login: LoginSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        still_banned: Mapping[str, float] | None = None,
        receiver: Callable[[Ban], None] = _tell_nobody,
    ) -> None:
        """`still_banned` has, by subject, for how many seconds more."""
        self._login = login
        self._clock = clock
        self._receiver = receiver
        self._failures: dict[str, deque[float]] = {}
        # A clock that was set back must not prolong a ban.
        self._until = {
            subject: clock() + min(left, login.ban)
            for subject, left in (still_banned or {}).items()
        }
        self._lock = threading.Lock()

    def banned(self, *subjects: str) -> bool:
        """Tell whether one of these is banned now."""
        with self._lock:
            return any(self._is_banned(subject) for subject in subjects)

    def any(self) -> bool:
        """Tell whether anybody may be banned."""
        return bool(self._until)

    def lift(self, *subjects: str) -> None:
        """Let these in again, as if they had never failed."""
        with self._lock:
            for subject in subjects:
                self._until.pop(subject, None)
                self._failures.pop(subject, None)

    def failed(self, *subjects: str) -> None:
        """Count a failed login for each of these that is not banned already."""
        with self._lock:
            new = [
                subject
                for subject in subjects
                if not self._is_banned(subject) and self._count(subject)
            ]
            if len(self._failures) + len(self._until) > MOST_SUBJECTS:
                self._forget_the_past()
        for subject in new:
            kind, _, name = subject.partition(" ")
            tell(self._receiver, Ban(kind=kind, name=name, seconds=self._login.ban))

    def forgive(self, *subjects: str) -> None:
        """Take back one failure of each: it was followed by a login on the same connection."""
        with self._lock:
            for subject in subjects:
                if times := self._failures.get(subject):
                    times.pop()

    def _is_banned(self, subject: str) -> bool:
        return self._until.get(subject, float("-inf")) > self._clock()

    def _count(self, subject: str) -> bool:
        """Count a failure; tell whether it leads to a ban."""
        now = self._clock()
        times = self._failures.setdefault(subject, deque())
        times.append(now)
        while times[0] <= now - self._login.window:
            times.popleft()
        if len(times) < self._login.max_failures:
            return False
        self._until[subject] = now + self._login.ban
        del self._failures[subject]
        return True

    def _forget_the_past(self) -> None:
        now = self._clock()
        oldest = now - self._login.window
        until = {key: until for key, until in self._until.items() if until > now}
        failures = {
            key: times for key, times in self._failures.items() if times and times[-1] > oldest
        }
        self._until = dict(list(until.items())[-MOST_SUBJECTS // 2 :])
        self._failures = dict(list(failures.items())[-MOST_SUBJECTS // 4 :])
