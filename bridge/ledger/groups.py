"""Group commit: transactions that wait for their turn to write share one commit.

A commit is one fsync, and it is most of what a small transaction costs. So a thread that has done
its part, while others wait for their turn, leaves the transaction open for them and waits; the
last one commits for all. Each part is a savepoint: one that fails is undone alone. Nobody goes on
before the commit, so a part is on disk when its block ends, as if it had been alone.

Where a part cannot be undone alone, or the commit fails, nobody's part is on disk and each thread
is told by an error of its own. Once committed, nothing that happens afterwards is a failure.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import structlog
from sqlalchemy import Connection, Engine

from bridge.chain import Link
from bridge.ledger.events import LINKS

log = structlog.get_logger()

PATIENCE = 0.05
"""Seconds after which a thread looks whether the one that it left the commit to has gone."""


class _Group:
    """One transaction, its connection, and those who wait for its commit."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.done = threading.Event()
        self.committed = False
        self.error: BaseException | None = None
        """What took all parts with it."""
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        self.links: list[Link] = []
        connection.info[LINKS] = self.links
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        self._driver = driver

    @contextmanager
    def part(self) -> Iterator[Connection]:
        """Do one part; undo it alone when it fails, unless it took the whole with it."""
        events = len(self.links)
        self._run("SAVEPOINT part")
        try:
            yield self.connection
        except BaseException as error:
            self.error = error  # of all, until this part is undone alone
            # The disk is full, say: SQLite has undone all of it, or the connection was given up.
            if not self.connection.invalidated and self._driver.in_transaction:
                self._run("ROLLBACK TO part")
                self._run("RELEASE part")
                del self.links[events:]
                self.error = None
            raise
        self._run("RELEASE part")

    def commit(self) -> None:
        """Commit all parts; says in `committed` whether they are on disk, whatever it raises."""
        try:
            # Not by SQLAlchemy: when interrupted it closes the connection, and we could not ask.
            self._run("COMMIT")
            self.committed = True
        except BaseException as error:
            # An interrupt may have come after the commit.
            done = not self._driver.in_transaction
            self.committed = done and not isinstance(error, sqlite3.Error)
            self.error = error
            raise

    def close(self) -> None:
        """Give the connection back; what is not committed is undone."""
        if not self.connection.invalidated:
            self.connection.info.pop(LINKS, None)
        self.connection.close()

    def _run(self, statement: str) -> None:
        try:
            self._driver.execute(statement).close()
        except sqlite3.Error as error:
            self.error = error
            raise


class Groups:
    """Gives threads their turn to write, one after the other, and commits for them together."""

    def __init__(self, engine: Engine, *, after_commit: Callable[[Sequence[Link]], None]) -> None:
        """`after_commit` is told of the events that are on disk now, in their order."""
        self._engine = engine
        self._after_commit = after_commit
        self._turn = threading.Lock()
        self._waiting: set[object] = set()
        self._open: _Group | None = None

    @property
    def waiting(self) -> int:
        """How many threads wait for their turn."""
        return len(self._waiting)

    @contextmanager
    def turn(self) -> Iterator[Connection]:
        """Do one part of a transaction; it is on disk when the block ends, or not at all."""
        ticket = object()
        try:
            self._waiting.add(ticket)
            with self._turn:
                self._waiting.discard(ticket)
                group = self._open or self._begin()
                try:
                    with group.part() as connection:
                        yield connection
                finally:
                    if group.error is not None or not self.waiting:
                        self._end(group)
        finally:
            self._waiting.discard(ticket)
        self._wait_for(group)

    def _begin(self) -> _Group:
        connection = self._engine.connect()
        try:
            self._open = _Group(connection)
        except BaseException:
            connection.close()
            raise
        return self._open

    def _end(self, group: _Group) -> None:
        """Commit for all, or undo all; whoever has the turn calls this."""
        self._open = None
        try:
            if group.error is None:
                group.commit()
                self._tell(group.links)
        finally:
            group.done.set()
            group.close()

    def _tell(self, links: Sequence[Link]) -> None:
        try:
            self._after_commit(links)
        except Exception:
            # All is on disk: to raise would have done work done again.
            log.exception("committed events not passed on", events=len(links))

    def _wait_for(self, group: _Group) -> None:
        """Return when the group is on disk; raises sqlite3.OperationalError if it never will be."""
        while not group.done.wait(PATIENCE):
            # Those who waited have gone without taking their turn: then it is ours to commit.
            if not self.waiting and self._turn.acquire(blocking=False):
                try:
                    if self._open is group:
                        self._end(group)
                    group.done.set()  # whoever ended it was interrupted before saying so
                finally:
                    self._turn.release()
        if not group.committed:
            cause = getattr(group.error, "orig", None) or group.error
            reason = str(cause or "") or "interrupted"
            raise sqlite3.OperationalError(f"undone with another part: {reason}") from group.error
