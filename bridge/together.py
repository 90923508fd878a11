"""What several threads bring at the same moment is done in one go.

Whoever finds nobody at it takes all that is ready, its own with it; who comes meanwhile waits, and
goes next. So nobody waits for a batch to get full, and the more there is to do, the more is done
at once.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from bridge.errors import LedgerBusyError

T = TypeVar("T")
R = TypeVar("R")


class Together(Generic[T, R]):
    """Does one kind of work for many threads."""

    def __init__(self, do: Callable[[Sequence[T]], Sequence[R | Exception]]) -> None:
        """Take what does some at once, and returns of each what it gave, or what went wrong."""
        self._do = do
        self._turn = threading.Lock()
        self._ready: deque[_Ticket[T, R]] = deque()

    @property
    def waiting(self) -> int:
        """How many items wait for their turn."""
        return len(self._ready)

    def add(self, item: T) -> R:
        """Return what it gave when it is done, with others or alone; raises what went wrong."""
        ticket: _Ticket[T, R] = _Ticket(item)
        self._ready.append(ticket)
        with self._turn:
            if not ticket.is_done:
                self._do_ready()
        return ticket.given()

    def _do_ready(self) -> None:
        tickets = []
        while self._ready:
            tickets.append(self._ready.popleft())
        try:
            given = self._do([ticket.item for ticket in tickets])
        except BaseException as error:
            for ticket in tickets:
                ticket.end(error)
            raise
        for ticket, each in zip(tickets, given, strict=True):
            ticket.end(each)


class _Ticket(Generic[T, R]):
    def __init__(self, item: T) -> None:
        self.item = item
        self._given: list[R | BaseException] = []

    @property
    def is_done(self) -> bool:
        return bool(self._given)

    def end(self, given: R | BaseException) -> None:
        self._given.append(given)

    def given(self) -> R:
        (given,) = self._given
        if isinstance(given, BaseException):
            raise given
        return given


def or_alone(
    do: Callable[[Sequence[T]], Sequence[R]],
) -> Callable[[Sequence[T]], Sequence[R | Exception]]:
    """Make what does all or nothing do each alone where all cannot be done together.

    Not where another program holds the ledger: each would wait for it as long as all have.
    """

    def do_all(items: Sequence[T]) -> Sequence[R | Exception]:
        try:
            return do(items)
        except LedgerBusyError as error:
            return [error] * len(items)
        except Exception as error:
            if len(items) == 1:
                return [error]
            return [given for item in items for given in do_all([item])]

    return do_all
