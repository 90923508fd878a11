"""Many connections in one thread: each has its turn when something has come for it.

With a thread for each, all contend for Python's interpreter lock at every call of the system:
eight clients at work took two and a half times the processor time of one that did the same. Here
each runs as a greenlet: where it would wait for its client it gives up its turn, and goes on from
there in its next one. What takes long for another reason is done aside, in a thread; where much
is to be done it rests now and then, so that the others have their turns.
"""

import contextlib
import os
import queue
import select
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from enum import Enum
from typing import Any, TypeVar

import structlog
from greenlet import getcurrent, greenlet

log = structlog.get_logger()

_T = TypeVar("_T")

READ, WRITE = select.EPOLLIN, select.EPOLLOUT
"""What may have happened to a socket; that it broke is always told."""

_ROUND = 1.0
"""Seconds after which each has a turn though nothing has come: it may be late for something."""


_LONG = 0.002
"""Seconds of a turn after which the others have theirs, where the work rests."""


class Slow(Enum):
    """What is done aside, and how much of it at one time; the one does not wait for the other."""

    LOGIN = 2
    """Left out when nobody waits for it any more."""
    DISK = 8
    """Seldom slow: done at once while there is only one task."""
    LARGE = 4
    """The disk as well, and long in any case."""


class Turns:
    """Gives turns. For one thread: all methods, and all that has turns."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._watched: dict[int, Callable[[int], None]] = {}
        self._tasks: set[Task] = set()
        self._next_round = 0.0
        self._pools = {kind: ThreadPoolExecutor(kind.value, f"door-{kind.name}") for kind in Slow}
        self._next: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self._bell = os.eventfd(0, os.EFD_CLOEXEC)
        self.watch(self._bell, self._hear)

    def watch(self, fileno: int, call: Callable[[int], None], *, what: int = READ) -> None:
        """Call with what happened on a descriptor whenever it does; again: for something else."""
        change = self._epoll.modify if fileno in self._watched else self._epoll.register
        change(fileno, what)
        self._watched[fileno] = call

    def unwatch(self, fileno: int) -> None:
        """Look no longer at what may be closed by now; safe to repeat."""
        if self._watched.pop(fileno, None):
            with contextlib.suppress(OSError):
                self._epoll.unregister(fileno)

    def begin(self, work: Callable[[], None], fileno: int) -> "Task":
        """Return a task whose first turn is yet to come: to do a work that waits for a socket."""
        task = Task(self, work, fileno)
        self._tasks.add(task)
        return task

    def give(self, seconds: float) -> None:
        """Give a turn to all for whom something has come, or else comes in so many seconds."""
        for fileno, happened in self._epoll.poll(seconds):
            if call := self._watched.get(fileno):
                call(happened)
        if (now := time.monotonic()) >= self._next_round:
            self._next_round = now + _ROUND
            for task in list(self._tasks):
                task.go_on()

    def close(self) -> None:
        """Let go of everything; the tasks are over."""
        for pool in self._pools.values():
            pool.shutdown()
        self._epoll.close()
        os.close(self._bell)

    # For tasks

    @property
    def only_one(self) -> bool:
        """Whether nobody would have to wait for the task at work."""
        return len(self._tasks) == 1

    def begin_aside(self, kind: Slow, work: Callable[[], _T]) -> "Future[_T]":
        """Begin to do something in a thread."""
        return self._pools[kind].submit(work)

    def ring(self, task: "Task") -> None:
        """Give the task a turn, after those for whom something has come; from any thread."""
        self._next.put(task)
        os.eventfd_write(self._bell, 1)

    def forget(self, task: "Task") -> None:
        """Take note that a task is over."""
        self._tasks.discard(task)

    def _hear(self, _: int) -> None:
        os.eventfd_read(self._bell)
        for _ in range(self._next.qsize()):  # no more: who rings meanwhile is heard the next time
            self._next.get().go_on()


class Task:
    """A work that has turns; `wait`, `rest` and `aside` are for the work itself.

    What is watched is its socket, and only while it waits. The number of a socket that was closed
    may be another's by its next turn, so it is closed in a turn, or right before one is given.
    """

    def __init__(self, turns: Turns, work: Callable[[], None], fileno: int) -> None:
        self._turns = turns
        self._work = work
        self._fileno = fileno
        self._looks_for = 0
        self._long_at = 0.0
        self._aside: Future[Any] | None = None
        self._may_be_left_out = False
        giver = getcurrent()
        self._greenlet = greenlet(self._do, giver)
        self._give_up: Callable[[], Any] = giver.switch

    @property
    def over(self) -> bool:
        """Whether it has nothing more to do."""
        return self._greenlet.dead

    def go_on(self, happened: int = 0) -> None:
        """Give it a turn, unless it waits for what is done aside; one too many does no harm."""
        if self._aside is None or self._aside.done():
            self._greenlet.switch(happened)

    def hurry(self) -> None:
        """Give it a turn to see that it should end, unless it waits for what is done aside."""
        if self._aside is not None and self._may_be_left_out:
            self._aside.cancel()  # where it has not begun
        self.go_on()

    def end(self) -> None:
        """Give it turns until it is over; the work has to see that it should be."""
        while not self.over:
            self.hurry()
            if self._aside is not None:
                wait([self._aside])

    def wait(self, *, to_send: bool) -> int:
        """Give up the turn; return what happened meanwhile, 0 where only time has passed."""
        self._look_for(READ | WRITE if to_send else READ)
        return self._until_next()

    def rest(self) -> None:
        """Let the others have their turns, if this one is long already."""
        if time.monotonic() > self._long_at:
            self._look_for(0)
            self._turns.ring(self)
            self._until_next()

    def aside(self, kind: Slow, work: Callable[[], _T]) -> _T:
        """Return what comes of something that takes long; others have their turns meanwhile."""
        if kind is Slow.DISK and self._turns.only_one:
            return work()
        self._look_for(0)
        self._may_be_left_out = kind is Slow.LOGIN
        self._aside = future = self._turns.begin_aside(kind, work)
        future.add_done_callback(lambda _: self._turns.ring(self))
        while not future.done():
            self._until_next()
        self._aside = None
        try:
            return future.result()
        finally:
            del future  # an error that came of it would hold this frame, and all that hangs on it

    def _until_next(self) -> int:
        happened: int = self._give_up()
        self._long_at = time.monotonic() + _LONG
        return happened

    def _look_for(self, what: int) -> None:
        if what == self._looks_for:
            return
        self._looks_for = what
        if what:
            self._turns.watch(self._fileno, self._greenlet.switch, what=what)
        else:
            self._turns.unwatch(self._fileno)

    def _do(self, _: int) -> None:
        self._long_at = time.monotonic() + _LONG
        try:
            self._work()
        except Exception:
            log.exception("a connection did not end well")
        finally:
            del self._work  # whoever still knows this task keeps no more than that
            self._look_for(0)
            self._turns.forget(self)
