"""When an account may call the hub, and when it leaves it in peace.

    closed ──a failure that stands for all calls, or too many in a row──▶ open
       ▲                                                                    │ the pause is over
       └──the probe is answered── probing ◀──one call goes, the others wait─┘
                                     └──it fails──▶ open, for longer

One circuit serves every thread of an account, so that a hub that is down sees one call at a time,
ever more rarely, and one that asks for a pause (429, `Retry-After`) gets it from all of them. An
account that is not let in calls no more until its pause is over either. Pauses are measured by the
monotonic clock: setting this machine's clock shortens or stretches none.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition

from bridge.backoff import delay
from bridge.errors import AccountError, BridgeError, HubAwayError, LocalError
from bridge.hub.errors import HubPausedError, HubUnreachableError

MOST_IN_A_ROW = 10
"""So many calls in a row without an answer open the circuit, in whichever loops they were made.

A round ends after half as many, so that invoices that fail in one direction leave the other one
its turn.
"""


class Circuit:
    """Lets calls through, or not; may be shared by threads."""

    def __init__(
        self,
        *,
        initial: float,
        most: float,
        most_barred: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the first pause, the longest one, and the longest for an account not let in.

        All in seconds; `now` is a clock that is never set.
        """
        self._initial, self._most, self._most_barred = initial, most, most_barred
        self._now = now
        self._changed = Condition()
        self._reason: BridgeError | None = None
        self._until = 0.0
        self._probing = False
        self._in_a_row = 0
        self._pauses = 0

    @property
    def pause_left(self) -> float:
        """How many seconds no call is let through; 0 when one is."""
        with self._changed:
            return 0.0 if self._reason is None else max(0.0, self._until - self._now())

    @property
    def is_closed(self) -> bool:
        """Whether calls go freely: not so during a pause, nor while one call tries the hub."""
        return self._reason is None

    @property
    def barred(self) -> bool:
        """Whether it is the account that is not let in, and not the hub that is away."""
        return isinstance(self._reason, AccountError)

    def close(self) -> None:
        """Let calls through again: what stood in the way was mended."""
        with self._changed:
            self._reason, self._in_a_row, self._pauses = None, 0, 0
            self._changed.notify_all()

    @contextmanager
    def call(self) -> Iterator[None]:
        """Let one call through, or raise why not; learn from how it ends.

        Raises HubPausedError, or AccountError where the hub does not let the account in.
        """
        is_probe = self._admit()
        try:
            yield
        except (HubAwayError, AccountError) as error:
            self._failed(error, is_probe=is_probe)
            raise
        except LocalError:
            self._answered(is_probe=False)  # tells nothing of the hub
            raise
        except BridgeError:
            self._answered(is_probe=is_probe)
            raise
        else:
            self._answered(is_probe=is_probe)
        finally:
            if is_probe:
                self._end_probe()

    def _admit(self) -> bool:
        """Return whether the call is the one that tries the hub; raise during a pause."""
        with self._changed:
            while self._reason is not None:
                left = self._until - self._now()
                if left > 0:
                    raise _refusal(self._reason, left)
                if not self._probing:
                    self._probing = True
                    return True
                self._changed.wait()  # for the probe's outcome
            return False

    def _end_probe(self) -> None:
        with self._changed:
            self._probing = False
            self._changed.notify_all()

    def _answered(self, *, is_probe: bool) -> None:
        with self._changed:
            if is_probe:
                self._reason, self._pauses = None, 0
            self._in_a_row = 0

    def _failed(self, error: HubAwayError | AccountError, *, is_probe: bool) -> None:
        with self._changed:
            self._in_a_row += 1
            if self._reason is not None and not is_probe:
                self._stretch(error)  # sent before the pause began
            elif is_probe or self._in_a_row >= MOST_IN_A_ROW or _stands_for_all(error):
                self._open(error)

    def _open(self, error: HubAwayError | AccountError) -> None:
        self._pauses += 1
        self._reason = error
        barred = isinstance(error, AccountError)
        most = self._most_barred if barred else self._most
        self._until = (
            self._now() + delay(self._pauses, initial=self._initial, most=most).total_seconds()
        )
        self._stretch(error)

    def _stretch(self, error: BridgeError) -> None:
        asked = error.retry_after if isinstance(error, HubAwayError) else None
        self._until = max(self._until, self._now() + (asked or 0.0))


def _stands_for_all(error: BridgeError) -> bool:
    if isinstance(error, HubUnreachableError | AccountError):
        return True
    return isinstance(error, HubAwayError) and error.retry_after is not None


def _refusal(reason: BridgeError, left: float) -> BridgeError:
    if isinstance(reason, AccountError):
        return AccountError(str(reason))
    return HubPausedError(
        f"nothing is sent to the hub for {left:.0f} s more: {reason}", retry_after=left
    )
