"""Many calls to the hub at once, with one sense of when to stop.

A failure that concerns one invoice is its own; one that concerns the hub, the account or this
machine ends the round, so that a hub that is down, or asks for a pause, gets it.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from typing import TypeVar

from bridge.blame import Fault, fault_of
from bridge.errors import AccountError, BridgeError, HubAwayError, InvoiceError, LocalError
from bridge.hub import HubUnreachableError, UnclearAnswerError

MOST_IN_A_ROW = 5
"""So many calls in a row without an answer mean that the hub is away, not this invoice."""

T = TypeVar("T")


def workers_for(connections: int) -> int:
    """Return how many workers keep so many connections busy.

    While one of two waits for the disk or the ledger, the other has its connection. Who allows a
    single connection wants one thing after the other, and has it: the same in the same order.
    """
    return 2 * connections if connections > 1 else 1


def deadline_in(seconds: float | None) -> float | None:
    """Return the time so many seconds from now for `work(until=…)`; None for no limit."""
    return None if seconds is None else time.monotonic() + seconds


def may_begin(stopping: Event, until: float | None) -> bool:
    """Tell whether anything new may be begun: not while stopping, nor after the time `until`."""
    return not stopping.is_set() and (until is None or time.monotonic() < until)


class _Round:
    """What the workers of one round know together."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._in_a_row = 0
        self.ended_by: BridgeError | None = None

    def answered(self) -> None:
        with self._lock:
            self._in_a_row = 0

    def failed(self, error: BridgeError) -> None:
        with self._lock:
            is_away = isinstance(error, HubAwayError) and not _concerns_one(error)
            self._in_a_row = self._in_a_row + 1 if is_away else 0
            if self._ends(error):
                self.ended_by = self.ended_by or error

    def _ends(self, error: BridgeError) -> bool:
        if isinstance(error, HubUnreachableError | AccountError | LocalError):
            return True
        if not isinstance(error, HubAwayError):
            return False
        return error.retry_after is not None or self._in_a_row >= MOST_IN_A_ROW


def _concerns_one(error: BridgeError) -> bool:
    """Tell whether a write is unclear because the hub itself said that it failed on this one."""
    spoke = isinstance(error, UnclearAnswerError) and error.code is not None
    return spoke and fault_of(str(error), otherwise=Fault.HUB_AWAY) is Fault.INVOICE


def work(
    items: Iterable[T],
    do: Callable[[T], None],
    *,
    workers: int,
    failed: Callable[[T, BridgeError], None],
    stopping: Event,
    until: float | None = None,
) -> Sequence[tuple[T, BridgeError]]:
    """Do all items with that many workers; return those that failed by themselves.

    `failed` is told of each of them as it happens; once `stopping` is set, or after the time
    `until` (of the monotonic clock), nothing new is begun.
    Raises the error that ended the round early, after every worker has stopped; what was not tried
    then is simply left.
    """
    round_ = _Round()
    problems: list[tuple[T, BridgeError]] = []

    def one(item: T) -> None:
        if round_.ended_by is not None or not may_begin(stopping, until):
            return
        try:
            do(item)
        except BridgeError as error:
            round_.failed(error)
            # An unclear write is noted whatever ends the round: it is asked about before it is
            # sent again.
            if isinstance(error, InvoiceError | UnclearAnswerError) or not round_.ended_by:
                problems.append((item, error))
                failed(item, error)
        else:
            round_.answered()

    _all_at_once(one, items, workers=workers)
    if round_.ended_by is not None:
        raise round_.ended_by
    return problems


def _all_at_once(do: Callable[[T], None], items: Iterable[T], *, workers: int) -> None:
    """Do all items, each by the next worker that is free; raises what went wrong, after all."""
    left = deque(items)
    wrong: list[Exception] = []

    def work_on() -> None:
        while item := _next(left):
            try:
                do(item[0])
            except Exception as error:  # the others are done all the same
                wrong.append(error)

    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="hub") as pool:
        for done in [pool.submit(work_on) for _ in range(min(workers, len(left)))]:
            done.result()
    if wrong:
        raise wrong[0]


def _next(left: deque[T]) -> tuple[()] | tuple[T]:
    """Take the next item, if one is left; threads may ask at the same moment."""
    try:
        return (left.popleft(),)
    except IndexError:
        return ()
