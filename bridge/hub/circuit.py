"""When an account may call the hub, and when it leaves it in peace.

    closed ──a failure that stands for all calls, or too many in a row──▶ open
       ▲                                                                    │ the pause is over
       └──the probe is answered── probing ◀──one call goes, the others wait─┘
                                     └──it fails──▶ open, for longer

One circuit serves every thread of an account, so that a hub that is down sees one call at a time,
ever more rarely, and one that asks for a pause (429, `Retry-After`) gets it from all of them. An
account that is not let in calls no more until its pause is over either. Pauses are measured by the
monotonic clock: setting this machine's clock shortens or stretches none.

What other processes have to know of a hub that is away outlives this one, as `Kept`. A pause that
the hub asked for they keep as well. One of ours they do not: a process that begins tries the hub
with one call, as nobody starts one for nothing, and goes on doubling where the last one stopped.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition
from typing import Protocol

from bridge.backoff import delay
from bridge.errors import AccountError, BridgeError, HubAwayError, LocalError
from bridge.hub.errors import HubPausedError, HubUnreachableError

MOST_IN_A_ROW = 10
"""So many calls in a row without an answer open the circuit, in whichever loops they were made.

A round ends after half as many, so that invoices that fail in one direction leave the other one
its turn.
"""

LOOK_EVERY = 1.0
"""Seconds between two looks at what other processes have found out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A hub that is away, as every process of an account is told of it."""

    asked: float
    """Seconds that the hub still asks to be left in peace; 0 where it asked for none."""
    pauses: int
    """How many there were in a row."""
    reason: str


class Memory(Protocol):
    """Where it is kept; raises LocalError where it cannot be read or written."""

    def known(self) -> Kept | None:
        """Return what is kept; None: the hub answers."""

    def keep(self, kept: Kept | None) -> None:
        """Let every process know."""


class Forgetful:
    """Keeps nothing: for who is the only one to call."""

    def known(self) -> Kept | None:
        """Return nothing."""
        return None

    def keep(self, kept: Kept | None) -> None:
        """Forget it."""


class Circuit:
    """Lets calls through, or not; may be shared by threads."""

    def __init__(
        self,
        *,
        initial: float,
        most: float,
        most_barred: float,
        now: Callable[[], float] = time.monotonic,
        memory: Memory | None = None,
    ) -> None:
        """Take the first pause, the longest one, and the longest for an account not let in.

        All in seconds; `now` is a clock that is never set. `memory` is shared with others.
        """
        self._initial, self._most, self._most_barred = initial, most, most_barred
        self._now = now
        self._memory = memory or Forgetful()
        self._looked: float | None = None
        self._is_kept = False
        self._changed = Condition()
        self._reason: BridgeError | None = None
        self._until = self._asked_until = 0.0
        self._probing = False
        self._in_a_row = 0
        self._pauses = 0

    @property
    def pause_left(self) -> float:
        """How many seconds no call is let through; 0 when one is."""
        with self._changed:
            self._follow()
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
            self._keep(None)
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
            self._follow()
            while self._reason is not None:
                left = self._until - self._now()
                if left > 0:
                    raise self._refusal(self._reason, left)
                if not self._probing:
                    self._probing = True
                    return True
                self._changed.wait()  # for the probe's outcome
            return False

    def _refusal(self, reason: BridgeError, left: float) -> BridgeError:
        if isinstance(reason, AccountError):
            return AccountError(str(reason))
        said = f"nothing is sent to the hub for {left:.0f} s more: {reason}"
        if self._asked_until > self._now():
            said += (
                "; it asked for this pause (`efact-bridge check --end-pause` asks it all the same)"
            )
        return HubPausedError(said, retry_after=left)

    def _end_probe(self) -> None:
        with self._changed:
            self._probing = False
            self._changed.notify_all()

    def _answered(self, *, is_probe: bool) -> None:
        with self._changed:
            if is_probe:
                self._reason, self._pauses = None, 0
                self._keep(None)
            self._in_a_row = 0

    def _failed(self, error: HubAwayError | AccountError, *, is_probe: bool) -> None:
        with self._changed:
            self._in_a_row += 1
            if self._reason is not None and not is_probe:
                if self._stretch(error) and not self.barred:  # sent before the pause began
                    self._keep(self._kept(error))
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
        self._asked_until = 0.0
        self._stretch(error)
        self._keep(None if barred else self._kept(error))

    def _stretch(self, error: BridgeError) -> bool:
        """Let the pause be as long as the hub asks for; return whether that is longer."""
        asked = self._now() + _asked_by(error)
        self._until = max(self._until, asked)
        is_longer = asked > self._asked_until
        self._asked_until = max(self._asked_until, asked)
        return is_longer and _asked_by(error) > 0

    def _kept(self, error: BridgeError) -> Kept:
        return Kept(asked=_asked_by(error), pauses=self._pauses, reason=str(error))

    def _keep(self, kept: Kept | None) -> None:
        """Let the others know, as far as that goes; this process has its own pause anyway."""
        if kept is None and not self._is_kept:
            return
        try:
            self._memory.keep(kept)
        except LocalError:  # whoever needs the ledger next says so
            self._is_kept = False
        else:
            self._is_kept = kept is not None

    def _follow(self) -> None:
        """Take over what other processes have found out."""
        now, is_first = self._now(), self._looked is None
        if self._looked is not None and now < self._looked + LOOK_EVERY:
            return
        self._looked = now
        try:
            kept = self._memory.known()
        except LocalError:
            return
        if kept is None:
            if self._is_kept:  # somebody else was answered: one call of ours tries as well
                self._until, self._is_kept = min(self._until, now), False
                self._asked_until = now
        elif is_first or (kept.asked and not self.barred):
            self._is_kept = True
            self._take_over(kept, now)

    def _take_over(self, kept: Kept, now: float) -> None:
        if self._reason is None:
            self._reason, self._pauses, self._until = HubAwayError(kept.reason), kept.pauses, now
        self._asked_until = now + kept.asked
        self._until = max(self._until, self._asked_until)


def _asked_by(error: BridgeError) -> float:
    return (error.retry_after or 0.0) if isinstance(error, HubAwayError) else 0.0


def _stands_for_all(error: BridgeError) -> bool:
    if isinstance(error, HubUnreachableError | AccountError):
        return True
    return isinstance(error, HubAwayError) and error.retry_after is not None
