"""Who did what and when: rows are added, never changed."""

from datetime import datetime

from sqlalchemy import Connection, insert, select

from bridge.ledger.schema import event
from bridge.model import HubId

BRIDGE = "bridge"
"""The actor of what the bridge did by itself."""


def record(
    connection: Connection,
    account: str,
    kind: str,
    *,
    at: datetime,
    actor: str = BRIDGE,
    hub_id: HubId | None = None,
    **detail: str | int | float | None,
) -> None:
    """Add an event; `kind` is a short sentence such as `invoice placed`."""
    row = {
        "account": account,
        "at": at,
        "actor": actor,
        "kind": kind,
        "hub_id": hub_id,
        "detail": detail,
    }
    connection.execute(insert(event), row)


def of_invoice(connection: Connection, hub_id: HubId) -> list[dict[str, object]]:
    """Return the events of one invoice, oldest first."""
    rows = connection.execute(select(event).where(event.c.hub_id == hub_id).order_by(event.c.id))
    return [dict(row) for row in rows.mappings()]
