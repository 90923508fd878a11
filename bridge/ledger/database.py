"""Opening the ledger and working in it: one transaction at a time writes, many read.

SQLite in WAL mode with `synchronous=FULL`: what a transaction said is on disk when it returns.
Threads that wait for their turn to write share one commit (see `groups`).
"""

import fcntl
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from pathlib import Path

import structlog
from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from bridge.chain import BrokenChainError, Link
from bridge.errors import LedgerBusyError, LedgerError
from bridge.ledger import events
from bridge.ledger.groups import Groups
from bridge.ledger.journal import GapError, Journal

log = structlog.get_logger()

HEAD = "0014"
"""The newest schema version, by its migration's name."""

_PRIMARY = 0xFF
"""What of SQLite's error codes is no detail."""

OLDEST_SQLITE = (3, 35)
"""The first that returns the ids of what it inserts."""

BUSY_SECONDS = 15
"""How long a writer waits for another process before it gives up."""

LEAN_CACHE = 512
"""Kilobytes of pages that a lean connection keeps; whatever another one commits empties it."""

ROWS_OF_INSERT = 8
"""Rows at most of an INSERT that returns ids: each number of them is a statement that is kept."""


class Ledger:
    """The database of deliveries, state updates and events, in a file."""

    def __init__(self, path: Path, *, lean: bool = False) -> None:
        """Open the ledger and bring its schema up to date; raises LedgerError.

        `lean` is for a process that goes on for long: Alembic stays out of its memory, and each
        connection keeps few pages.
        """
        self.path = path
        _refuse_old_sqlite()
        with self._ours():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._engine = _engine(path, lean=lean)
            if lean and self._version() != HEAD:
                _upgrade_elsewhere(path)
            self._upgrade()
        self._groups = Groups(self._engine, after_commit=self._note_in_journals)
        self._journals: dict[str, Journal] = {}
        self._agreeing: set[str] = set()
        """Accounts whose journal knew no more than the ledger when it was looked at."""

    def close(self) -> None:
        """Give every connection back."""
        self._engine.dispose()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Work in a transaction that is on disk when the block ends, or not at all."""
        with self._ours(), self._groups.turn() as connection:
            connection.info[events.MAY_GO_ON] = self._may_go_on
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Look at one consistent state of the ledger."""
        with self._ours(), self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            yield connection

    @property
    def waiting(self) -> int:
        """How many threads wait for their turn to write."""
        return self._groups.waiting

    def journal(self, account: str) -> Journal:
        """Return the journal of an account, beside its archive."""
        known = self._journals.get(account)
        if known is None:
            archive = self.path.parent / "archive"
            known = self._journals.setdefault(account, Journal(archive, account))
        return known

    def _note_in_journals(self, links: Sequence[Link]) -> None:
        """Append committed events to their journals; what cannot be is added later.

        Two processes may commit in one order and come here in the other: then, as after a crash,
        what is missing in between is taken from the ledger.
        """
        for account in dict.fromkeys(link.account for link in links):
            journal = self.journal(account)
            try:
                try:
                    journal.append([link for link in links if link.account == account])
                except GapError:
                    self.complete_journal(account)
            except (OSError, BrokenChainError, LedgerError) as error:
                log.error("journal not written", path=str(journal.path), reason=str(error))

    def _may_go_on(self, account: str, known: int) -> None:
        """Refuse a new event after the last that is known, where the journal knows later ones.

        The two would tell different stories for ever. Looked at once: only a restored backup, or
        a lost ledger, has forgotten anything, and what opens it first brings it up to the journal.
        """
        if account in self._agreeing or not account:  # of no account: nobody brings that up
            return
        journal = self.journal(account)
        try:
            number, _ = journal.last()
        except (OSError, BrokenChainError):
            return  # a journal that cannot be read keeps nobody from writing: the ledger counts
        if number > known:
            raise LedgerError(
                f"account {account}: its journal {journal.path} knows more than the ledger, which "
                "was restored from a backup: nothing new is written down before what was "
                "forgotten. `efact-bridge pull` does that, or says what stands in the way"
            )
        self._agreeing.add(account)

    def complete_journal(self, account: str) -> int:
        """Append what an account's journal lacks of the ledger's events; return how many.

        Raises OSError, or BrokenChainError for a journal that holds something else.
        """
        journal = self.journal(account)
        number, _ = journal.last()
        added = 0
        with self.read() as connection:
            if number >= events.last(connection, account)[0]:
                return 0
            missing = events.chain(connection, account, after=number)
            while some := [link for link, _ in islice(missing, 1000)]:
                journal.append(some)
                added += len(some)
        return added

    @contextmanager
    def _ours(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error) as error:
            cause = getattr(error, "orig", None) or error
            kind = LedgerBusyError if _code(cause) == sqlite3.SQLITE_BUSY else LedgerError
            raise kind(f"ledger {self.path}: {cause}; {_advice(cause)}") from error
        except OSError as error:
            raise LedgerError(
                f"ledger {self.path}: {error.strerror or error}; see data_dir and its permissions"
            ) from error

    def _upgrade(self) -> None:
        if self._version() == HEAD:
            return
        from bridge.ledger.migrate import upgrade  # noqa: PLC0415  (slow, and hardly ever needed)

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


def _refuse_old_sqlite() -> None:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise LedgerError(
            f"the SQLite of {sys.executable} is {sqlite3.sqlite_version}, and 3.35 or newer is "
            "needed: install with a Python that brings its own (docs/installing.md)"
        )


def _upgrade_elsewhere(path: Path) -> None:
    """Let another process bring the schema up to date.

    What it cannot do, or if it cannot be started, is done here, where the ledger is opened next,
    or fails here as well and is told.
    """
    with suppress(OSError):
        subprocess.run(  # noqa: S603  (this Python, with a line of ours)
            [sys.executable, "-P", "-c", _OPEN, path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )


_OPEN = """
import pathlib, sys
from bridge.ledger import Ledger
Ledger(pathlib.Path(sys.argv[1])).close()
"""


def _engine(path: Path, *, lean: bool) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        pool_use_lifo=True,  # the one whose pages and statements are the freshest
        insertmanyvalues_page_size=ROWS_OF_INSERT,
    )
    event.listen(engine, "connect", partial(_configure, lean=lean))
    event.listen(engine, "handle_error", _forget_broken)
    return engine


def _forget_broken(context: ExceptionContext) -> None:
    """Open new connections in the place of read-only ones.

    One that was opened while the disk was read-only would stay so after the disk is well again.
    After other errors they are kept: on a full disk no new one could be opened, even to read.
    """
    if _code(context.original_exception) == sqlite3.SQLITE_READONLY:
        context.is_disconnect = True


def _configure(connection: sqlite3.Connection, _record: object, *, lean: bool) -> None:
    # We begin transactions ourselves: the driver would begin them too late, and deferred.
    connection.isolation_level = None
    pragmas = ["journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"]
    for pragma in [*pragmas, f"cache_size=-{LEAN_CACHE}"] if lean else pragmas:
        connection.execute(f"PRAGMA {pragma}").close()


def _code(cause: BaseException) -> int:
    """Return SQLite's error code without its detail; 0 where it has none."""
    return int(getattr(cause, "sqlite_errorcode", None) or 0) & _PRIMARY


def _advice(cause: BaseException) -> str:
    code = _code(cause)
    if code == sqlite3.SQLITE_BUSY:
        return (
            f"another program has held it for {BUSY_SECONDS} s, and nothing can be written down "
            "meanwhile: look for a backup or an sqlite3 that has it open"
        )
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return (
            "put it aside with its -wal and -shm, and put back the one of the last backup, or "
            "none: what came since is made anew from the archive's journal"
        )
    return "look at the disk's space and permissions"
