"""How many files clients may have open at one time: each user some, and all together not all.

A file that is open takes a descriptor of the process, and ledger, hub and new connections need
some as well. What one user has open over both doors and all sessions is counted together, so that
none can take what others need.
"""

import resource
import threading
from collections import Counter
from types import TracebackType

from bridge.facade.refusals import DoorError, No

SPARE_DESCRIPTORS = 128
"""Of the process, that clients' files leave to ledger, hub and new connections."""

MOST_OF_A_USER = 1_000
"""Files and listings that one user may have open; of few descriptors, half as many as there are."""

_TOO_MANY = "too many files are open here: close some, or try again later"


class Handles:
    """Counts what users have open; every method may be called from any thread."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, user: str) -> "Handle":
        """Count one more in; DoorError where a user has too many."""
        most = min(MOST_OF_A_USER, _for_files() // 2)
        with self._lock:
            if self._open[user] >= most:
                raise DoorError(No.FAILED, _TOO_MANY)
            self._open[user] += 1
        return Handle(self, user)

    def give_back(self, user: str) -> None:
        """Count one out."""
        with self._lock:
            self._open[user] -= 1


class Handle:
    """A count of one; as a context it is given back where the block fails, and kept otherwise."""

    __slots__ = ("_handles", "_user")

    def __init__(self, handles: Handles, user: str) -> None:
        self._handles: Handles | None = handles
        self._user = user

    def give_back(self) -> None:
        """Count it out; safe to repeat."""
        handles, self._handles = self._handles, None
        if handles is not None:
            handles.give_back(self._user)

    def __enter__(self) -> "Handle":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if kind is not None:
            self.give_back()


def must_leave_enough(fd: int) -> None:
    """Refuse a file by which the rest of the bridge would lack descriptors.

    The system gives each the lowest number that is free.
    """
    if fd >= _for_files():
        raise DoorError(No.FAILED, _TOO_MANY)


def _for_files() -> int:
    """Return how many descriptors there are for clients' files."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return (1 << 30 if most == resource.RLIM_INFINITY else most) - SPARE_DESCRIPTORS
