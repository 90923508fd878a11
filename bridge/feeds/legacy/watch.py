"""A deadline around each thing that is asked of an old mailbox.

A socket's own timeout only sees silence: a server that drips a byte now and then, or answers a
listing for ever with nothing in it, is cut off by the clock here, whatever library waits for it.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Watch:
    """Cuts a connection off, in a thread of its own, when something takes too long."""

    def __init__(self, cut: Callable[[], None]) -> None:
        self.expired = False
        self._cut = cut
        self._due: float | None = None
        self._looks_at = 0.0
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="old mailbox watch", daemon=True)
        self._thread.start()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Cut the connection off if the block takes longer; raises TimeoutError then."""
        due = time.monotonic() + seconds
        with self._changed:
            before, self._due = self._due, due
            if due < self._looks_at:
                self._changed.notify()
        try:
            yield
        except Exception as error:
            if self.expired:
                raise TimeoutError from error
            raise
        finally:
            with self._changed:
                self._due = before

    def end(self) -> None:
        """Watch no more."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        with self._changed:
            while not self._ended:
                now = time.monotonic()
                if self._due is not None and now >= self._due:
                    self.expired, self._due = True, None
                    self._cut()
                self._looks_at = self._due or now + 3600
                self._changed.wait(max(0.0, self._looks_at - now))
