"""Opening the ledger and working in it: one transaction at a time writes, many read.

SQLite in WAL mode with `synchronous=FULL`: what a transaction said is on disk when it returns.
"""

import fcntl
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from bridge.errors import LedgerError

HEAD = "0001"
"""The newest schema version, by its migration's name."""

BUSY_SECONDS = 15
"""How long a writer waits for another process before it gives up."""


class Ledger:
    """The database of deliveries, state updates and events, in a file."""

    def __init__(self, path: Path) -> None:
        """Open the ledger and bring its schema up to date; raises LedgerError."""
        self.path = path
        self._writing = threading.Lock()
        with self._ours():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._engine = _engine(path)
            self._upgrade()

    def close(self) -> None:
        """Give every connection back."""
        self._engine.dispose()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Work in a transaction that is on disk when the block ends, or not at all."""
        with self._writing, self._ours(), self._engine.begin() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Look at one consistent state of the ledger."""
        with self._ours(), self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            yield connection

    @contextmanager
    def _ours(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            raise LedgerError(
                f"ledger {self.path}: {cause}; look at the disk's space and permissions"
            ) from error
        except OSError as error:
            raise LedgerError(
                f"ledger {self.path}: {error.strerror or error}; see data_dir and its permissions"
            ) from error

    def _upgrade(self) -> None:
        if self._version() == HEAD:
            return
        # Alembic is slow to import and hardly ever needed.
        from bridge.ledger.migrate import upgrade  # noqa: PLC0415

        with self._alone(), self._engine.connect() as connection:
            upgrade(connection)

    def _version(self) -> str | None:
        with self._engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            version = connection.scalar(text("SELECT version_num FROM alembic_version"))
            return None if version is None else str(version)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self.path.with_suffix(".upgrade").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _engine(path: Path) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}", connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False}
    )
    event.listen(engine, "connect", _configure)
    return engine


def _configure(connection: sqlite3.Connection, _record: object) -> None:
    # We begin transactions ourselves: the driver would begin them too late, and deferred.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()
