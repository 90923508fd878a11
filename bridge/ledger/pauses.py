"""The hub that an account leaves in peace, so that every process of it does.

Whoever met a hub that is away writes it down, whoever was answered again strikes it out. A pause
that the hub asked for bears its end; that of a hub which merely is away bears none, because the
next process to begin tries it with one call (see `bridge.hub.circuit`).
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from bridge.ledger.schema import hub_pause


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A hub that was away when an account asked it last."""

    since: datetime
    until: datetime | None
    """When a pause that the hub asked for is over; None: it asked for none."""
    pauses: int
    reason: str

    def left(self, now: datetime) -> float:
        """Return how many seconds the hub still asks for, at most all of them.

        So a clock that was set back in between makes nobody wait for ever.
        """
        if self.until is None:
            return 0.0
        whole = (self.until - self.since).total_seconds()
        return min(max(0.0, (self.until - now).total_seconds()), whole)


def of_account(connection: Connection, account: str) -> Pause | None:
    """Return the pause of an account; None: the hub answered it last, or was never asked."""
    row = connection.execute(select(hub_pause).where(hub_pause.c.account == account)).first()
    if row is None:
        return None
    return Pause(since=row.since, until=row.until, pauses=row.pauses, reason=row.reason)


def note(connection: Connection, account: str, pause: Pause) -> None:
    """The hub is away, or asks for a pause."""
    values = {
        "since": pause.since,
        "until": pause.until,
        "pauses": pause.pauses,
        "reason": pause.reason,
    }
    statement = insert(hub_pause).values(account=account, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["account"], set_=values))


def strike_out(connection: Connection, account: str) -> None:
    """The hub answers again, or a person ends the pause."""
    connection.execute(delete(hub_pause).where(hub_pause.c.account == account))
