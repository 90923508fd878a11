"""The moves of an account from one feed to the other: what was asked for, and how far it has come.

Told by events. The last move that has not ended is taken up again by whoever gives its command
once more; another one must wait until then.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from bridge.chain import Detail
from bridge.ledger import events
from bridge.ledger.schema import move

BEGUN = "move begun"
SWITCHED = "move switched"
ENDED = "move ended"
"""The kinds of the events."""


class MoveKind(StrEnum):
    """Where a move leads: to REST, or back to the old mailbox or into a folder."""

    CUTOVER = "cutover"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A move."""

    kind: MoveKind
    begun_at: datetime
    options: Detail = field(default_factory=dict)
    """As they were asked for."""
    switched_at: datetime | None = None
    """When the other feed began to serve."""
    ended_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether something of it is still to be done."""
        return self.ended_at is None


def begin(
    connection: Connection,
    account: str,
    kind: MoveKind,
    options: Detail,
    *,
    at: datetime,
    actor: str,
) -> None:
    """Write down that a move begins, and the event that tells it."""
    write(connection, account, Move(kind=kind, begun_at=at, options=options))
    events.record(connection, account, BEGUN, at=at, actor=actor, move=kind, options=dict(options))


def write(connection: Connection, account: str, begun: Move) -> None:
    """Write down that a move begins."""
    connection.execute(
        insert(move).values(
            account=account,
            kind=begun.kind,
            begun_at=begun.begun_at,
            options=dict(begun.options),
        )
    )


def switch(connection: Connection, account: str, *, at: datetime) -> None:
    """The other feed serves from now on; for whoever changes it, in the same transaction."""
    mark_switched(connection, account, at=at)
    events.record(connection, account, SWITCHED, at=at)


def mark_switched(connection: Connection, account: str, *, at: datetime) -> None:
    """Write down that the open move has changed the serving feed."""
    _set(connection, account, switched_at=at)


def end(connection: Connection, account: str, *, at: datetime, result: Detail) -> None:
    """Nothing of the open move is left to be done."""
    mark_ended(connection, account, at=at)
    events.record(connection, account, ENDED, at=at, also=result)


def mark_ended(connection: Connection, account: str, *, at: datetime) -> None:
    """Write down that the open move has ended."""
    _set(connection, account, ended_at=at)


def last(connection: Connection, account: str, kind: MoveKind | None = None) -> Move | None:
    """Return the last move of an account, or the last of a kind, if there was one."""
    rows = select(move).where(move.c.account == account)
    if kind is not None:
        rows = rows.where(move.c.kind == kind)
    row = connection.execute(rows.order_by(move.c.id.desc()).limit(1)).first()
    return None if row is None else _move(row)


def from_detail(detail: Mapping[str, Any], *, at: datetime) -> Move:
    """Return the move of which an event tells."""
    return Move(kind=MoveKind(detail["move"]), begun_at=at, options=detail["options"])


def _set(connection: Connection, account: str, **values: datetime) -> None:
    is_open = (move.c.account == account) & move.c.ended_at.is_(None)
    connection.execute(update(move).where(is_open).values(**values))


def _move(row: Row[Any]) -> Move:
    return Move(
        kind=MoveKind(row.kind),
        begun_at=row.begun_at,
        options=row.options,
        switched_at=row.switched_at,
        ended_at=row.ended_at,
    )
