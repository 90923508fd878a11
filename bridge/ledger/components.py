"""How the parts of `serve` are, for `status`."""

from datetime import datetime

from sqlalchemy import Connection, delete
from sqlalchemy.dialects.sqlite import insert

from bridge.ledger.schema import component


def note(
    connection: Connection, name: str, *, error: str | None, restarts: int, at: datetime
) -> None:
    """A component runs, or failed with this error and was started again so many times."""
    values = {"running": int(error is None), "since": at, "restarts": restarts, "error": error}
    statement = insert(component).values(name=name, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))


def forget(connection: Connection) -> None:
    """No component runs: `serve` begins, or has ended."""
    connection.execute(delete(component))
