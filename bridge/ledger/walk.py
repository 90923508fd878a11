"""The walk that deliveries and attachments share: SQL expressions over their times."""

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol, TypeVar

from sqlalchemy import Case, ColumnElement, Connection, Table, and_, case, false, or_, true, update

from bridge.model import DeliveryState, FeedName


class Tried(Protocol):
    """What may have failed before."""

    @property
    def attempts(self) -> int:
        """How often the next step failed."""


T = TypeVar("T", bound=Tried)


def failed_last(rows: Iterable[T]) -> list[T]:
    """Return what failed before after what did not: trouble must not keep others from their turn.

    Where several in a row fail as if the hub were away, a round ends early.
    """
    return sorted(rows, key=lambda row: row.attempts)


def state_of(table: Table, *, reached: Iterable[str] = ()) -> Case[str]:
    """Return the last step to which all earlier ones have led.

    `reached` names the times that the same statement sets: an UPDATE sees the row as it was.
    """
    missing = {
        step: false() if step in reached else table.c[step].is_(None)
        for step in ("fetched_at", "placed_at", "collected_at", "acknowledged_at")
    }
    return case(
        (missing["placed_at"] & missing["fetched_at"], DeliveryState.SEEN),
        (missing["placed_at"], DeliveryState.FETCHED),
        (missing["collected_at"], DeliveryState.PLACED),
        (missing["acknowledged_at"], DeliveryState.COLLECTED),
        else_=DeliveryState.ACKNOWLEDGED,
    )


def is_due(table: Table, due: datetime | None) -> ColumnElement[bool]:
    """Tell which rows may be tried at a time; None means all, whatever they wait for."""
    if due is None:
        return true()
    return or_(table.c.next_attempt_at.is_(None), table.c.next_attempt_at <= due)


def unacknowledged(
    table: Table, account: str, *, once: DeliveryState, due: datetime | None
) -> ColumnElement[bool]:
    """Tell which rows, come as far as `once`, the hub must still be told of."""
    reached = table.c.placed_at if once is DeliveryState.PLACED else table.c.collected_at
    return and_(
        table.c.account == account,
        table.c.feed == FeedName.REST,
        reached.is_not(None),
        table.c.acknowledged_at.is_(None),
        is_due(table, due),
    )


def note_failure(
    connection: Connection, table: Table, row_id: int, *, trouble: str, next_attempt_at: datetime
) -> None:
    """Write down why the next step of a row did not come about, and when it is tried again."""
    connection.execute(
        update(table)
        .where(table.c.id == row_id)
        .values(trouble=trouble, next_attempt_at=next_attempt_at, attempts=table.c.attempts + 1)
    )
