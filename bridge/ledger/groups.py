"""Group commit: transactions that wait for their turn to write share one commit.

A commit is one fsync, and it is most of what a small transaction costs. So a thread that has done
its part, while others wait for their turn, leaves the transaction open for them and waits; the
last one commits for all. Each part is a savepoint: one that fails is undone alone. Nobody goes on
before the commit, so a part is on disk when its block ends, as if it had been alone.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from bridge.chain import Link
from bridge.ledger.events import LINKS

PATIENCE = 0.05
"""Seconds after which a thread looks whether the one that it left the commit to has gone."""


class _Group:
    """One transaction, its connection, and those who wait for its commit."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.done = threading.Event()
        self.error: BaseException | None = None
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        connection.info[LINKS] = []

    @property
    def links(self) -> list[Link]:
        links: list[Link] = self.connection.info[LINKS]
        return links

    @property
    def driver(self) -> sqlite3.Connection:
        driver = self.connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        return driver

    @contextmanager
    def part(self) -> Iterator[Connection]:
        """Do one part; undo it alone when it fails, unless it took the whole with it."""
        events = len(self.links)
        self.driver.execute("SAVEPOINT part").close()
        try:
            yield self.connection
        except BaseException as error:
            # The disk is full, say: SQLite has undone all of it, or the connection was given up.
            if self.connection.invalidated or not self.driver.in_transaction:
                self.error = error
                raise
            del self.links[events:]
            self.driver.execute("ROLLBACK TO part").close()
            self.driver.execute("RELEASE part").close()
            raise
        self.driver.execute("RELEASE part").close()


class Groups:
    """Gives threads their turn to write, one after the other, and commits for them together."""

    def __init__(self, engine: Engine, *, after_commit: Callable[[Sequence[Link]], None]) -> None:
        """`after_commit` is told of the events that are on disk now, in their order."""
        self._engine = engine
        self._after_commit = after_commit
        self._turn = threading.Lock()
        self._counting = threading.Lock()
        self.waiting = 0
        """How many threads wait for their turn."""
        self._open: _Group | None = None

    @contextmanager
    def turn(self) -> Iterator[Connection]:
        """Do one part of a transaction; it is on disk when the block ends, or not at all."""
        with self._counting:
            self.waiting += 1
        try:
            self._turn.acquire()
        finally:
            with self._counting:
                self.waiting -= 1
        try:
            group = self._open or self._begin()
            try:
                with group.part() as connection:
                    yield connection
            finally:
                if group.error or not self.waiting:
                    self._end(group)
        finally:
            self._turn.release()
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
        """Commit for all; whoever has the turn calls this."""
        self._open = None
        try:
            if group.error is None:
                group.connection.commit()
        except BaseException as error:
            group.error = error
            raise
        else:
            if group.error is None:
                self._after_commit(group.links)
        finally:
            if not group.connection.invalidated:
                group.connection.info.pop(LINKS, None)
            group.connection.close()
            group.done.set()

    def _wait_for(self, group: _Group) -> None:
        """Return when the group is on disk; raises what prevented it."""
        while not group.done.wait(PATIENCE):
            # Those who waited have gone without taking their turn: then it is ours to commit.
            if not self.waiting and self._turn.acquire(blocking=False):
                try:
                    if self._open is group:
                        self._end(group)
                finally:
                    self._turn.release()
        if group.error is not None:
            raise group.error
