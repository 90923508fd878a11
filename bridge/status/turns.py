"""Who waits for whom: what is said of updates that are behind another, and of the next try.

Updates of one invoice go in order, so a later one has the reason and the next try of the first.
While nothing goes on for an account, a next try that is past has not been made: when it will be is
not known.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from bridge.ledger.histories import UpdateRow
from bridge.ledger.summary import HeldBack, HeldBackAttachment, Waiting
from bridge.model import UpdateStatus

OPEN = frozenset({UpdateStatus.QUEUED, UpdateStatus.SENDING})
"""Statuses of updates that wait."""

Row = TypeVar("Row", HeldBack, HeldBackAttachment, UpdateRow, Waiting)


def waits_for(update_id: int) -> str:
    """Return the reason of an update that is behind another one of its invoice."""
    return f"waits for update {update_id}"


def in_line(rows: Iterable[Waiting]) -> tuple[Waiting, ...]:
    """Return the updates of an account, oldest first, each with what it really waits for."""
    first: dict[str, Waiting] = {}
    return tuple(
        row if row.hub_id is None else _behind(first.setdefault(row.hub_id, row), row)
        for row in rows
    )


def _behind(first: Waiting, row: Waiting) -> Waiting:
    if first.id == row.id:
        return row
    return replace(
        row,
        trouble=waits_for(first.id),
        waits_for=first.id,
        next_attempt_at=first.next_attempt_at,
    )


def still_to_come(rows: Iterable[Row], *, now: datetime) -> tuple[Row, ...]:
    """Return what waits in an account for which nothing goes on, without next tries of the past."""
    return tuple(
        row
        if row.next_attempt_at is None or row.next_attempt_at > now
        else replace(row, next_attempt_at=None)
        for row in rows
    )
