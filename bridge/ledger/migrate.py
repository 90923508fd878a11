"""Bringing a ledger's schema up to date, with Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from bridge.errors import LedgerError


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run the migrations that this ledger has not seen, up to one of them or all.

    Raises LedgerError for a ledger that a newer bridge has written.
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
