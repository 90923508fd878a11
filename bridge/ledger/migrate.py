"""Bringing a ledger's schema up to date, with Alembic."""

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from bridge.errors import LedgerError


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run the migrations that this ledger has not seen, up to one of them or all.

    Raises LedgerError for a ledger that a newer bridge has written, and for one whose tables are
    not those that its version says.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, revision)
    except CommandError as error:
        raise LedgerError(
            f"the ledger cannot be brought up to date: {error}; "
            "was it written by a newer efact-bridge?"
        ) from error
    except OperationalError as error:
        if getattr(error.orig, "sqlite_errorcode", None) != sqlite3.SQLITE_ERROR:
            raise
        raise LedgerError(
            f"the ledger {connection.engine.url.database} cannot be brought up to date: "
            f"{error.orig}: an efact-bridge from before the first release made it, or another "
            "program has changed it. Put it aside, with its -wal and -shm: at the next start a new "
            "one is made from the archive's journal, or it is said what stands in the way"
        ) from error
