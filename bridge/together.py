"""What several threads bring at the same moment is done in one go.

Whoever finds nobody at it takes all that is ready, its own with it; who comes meanwhile waits, and
goes next. So nobody waits for a batch to get full, and the more there is to do, the more is done
at once.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Together(Generic[T]):
    """Does one kind of work for many threads."""

    def __init__(self, do: Callable[[Sequence[T]], Sequence[Exception | None]]) -> None:
        """Take what does some at once, and returns for each what went wrong with it alone."""
        self._do = do
        self._turn = threading.Lock()
        self._ready: deque[_Ticket[T]] = deque()

    @property
    def waiting(self) -> int:
        """How many items wait for their turn."""
        return len(self._ready)

    def add(self, item: T) -> None:
        """Return when it is done, with others or alone; raises what went wrong with it."""
        ticket = _Ticket(item)
        self._ready.append(ticket)
        with self._turn:
            if not ticket.is_done:
                self._do_ready()
        if ticket.error is not None:
            raise ticket.error

    def _do_ready(self) -> None:
        tickets = []
        while self._ready:
            tickets.append(self._ready.popleft())
        try:
            errors = self._do([ticket.item for ticket in tickets])
        except BaseException as error:
            for ticket in tickets:
                ticket.end(error)
            raise
        for ticket, failed in zip(tickets, errors, strict=True):
            ticket.end(failed)


class _Ticket(Generic[T]):
    def __init__(self, item: T) -> None:
        self.item = item
        self.is_done = False
        self.error: BaseException | None = None

    def end(self, error: BaseException | None) -> None:
        self.error, self.is_done = error, True
