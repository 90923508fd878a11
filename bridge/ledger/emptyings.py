"""When all that the old mailbox showed went at once, and who was told.

Software may have emptied it, or another folder stand in its place. The listing that finds it may
be anybody's, so it is written down: a move is kept until a person was told, or some of it is back.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, or_, select

from bridge.ledger import events
from bridge.ledger.schema import event, recorded_file

EMPTIED = "old mailbox suddenly empty"
TOLD = "old mailbox suddenly empty: a person was told"
"""The kinds of the events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Emptying:
    """All that the old mailbox showed, gone at once."""

    files: int
    at: datetime
    """When the listing began that showed none of it."""


def note(connection: Connection, account: str, emptying: Emptying, *, at: datetime) -> None:
    """Write down that the old mailbox is suddenly empty."""
    since = emptying.at.isoformat()
    events.record(connection, account, EMPTIED, at=at, files=emptying.files, since=since)


def tell(connection: Connection, account: str, *, at: datetime) -> None:
    """A person is told of it, and may go on."""
    events.record(connection, account, TOLD, at=at)


def untold(connection: Connection, account: str) -> Emptying | None:
    """Return the last one, if nobody was told of it and nothing of what went is back."""
    rows = select(event.c.number, event.c.kind, event.c.detail).where(
        event.c.account == account, event.c.hub_id.is_(None), event.c.kind.in_([EMPTIED, TOLD])
    )
    last = max(connection.execute(rows), key=lambda row: row.number, default=None)
    if last is None or last.kind == TOLD:
        return None
    at = datetime.fromisoformat(last.detail["since"])
    if _is_back(connection, account, at):
        return None
    return Emptying(files=last.detail["files"], at=at)


def _is_back(connection: Connection, account: str, since: datetime) -> bool:
    """Tell whether the old mailbox shows something that it had shown before."""
    earlier = recorded_file.alias()
    # In one list, not asked for each path: there is no index by path of what has gone.
    had_gone = select(earlier.c.path).where(
        earlier.c.account == account, earlier.c.gone_at >= since
    )
    rows = select(recorded_file.c.id).where(
        recorded_file.c.account == account,
        recorded_file.c.gone_at.is_(None),
        recorded_file.c.last_seen_at.is_(None),
        or_(recorded_file.c.first_seen_at < since, recorded_file.c.path.in_(had_gone)),
    )
    return connection.execute(rows.limit(1)).first() is not None
