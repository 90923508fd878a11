"""Every try of an update: when, what was sent, what came back, what the hub showed then.

An attempt without an answer is one of which nobody knows what came of it: the process died, or the
hub's answer could mean both. Then the hub is asked before anything is sent again. One that the hub
did not show to be applied when it was asked it may apply later still, so it is asked again.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, select, update

from bridge.ledger import updates
from bridge.ledger.schema import account as account_table
from bridge.ledger.schema import attempt, state_file, state_update

NOT_APPLIED = "not applied"
"""What the hub showed when it was asked after an unclear answer: not taken, or not yet."""

# Built once: a statement made anew for each step costs more than running it.
_ATTEMPT = insert(attempt).returning(attempt.c.id, attempt.c.update_id)
_ANSWERED = update(attempt).where(attempt.c.id == bindparam("row"))
_UNANSWERED = attempt.c.answer.is_(None) & attempt.c.sent.is_not(None)
_MAY_BE_TAKEN = _UNANSWERED | (attempt.c.shown == NOT_APPLIED)
_UNCLEAR = (
    select(attempt.c.at)
    .where(attempt.c.update_id == bindparam("row"), _UNANSWERED)
    .order_by(attempt.c.id.desc())
    .limit(1)
)


def begin(
    connection: Connection, update_id: int, *, body: Mapping[str, str] | None, at: datetime
) -> int:
    """An update is about to be sent; return the attempt's id. No body: the hub is only asked."""
    return begin_all(connection, {update_id: body}, at=at)[update_id]


def begin_all(
    connection: Connection, bodies: Mapping[int, Mapping[str, str] | None], *, at: datetime
) -> Mapping[int, int]:
    """Many updates are, each with its body; return the attempts' ids by those of the updates."""
    updates.sending_all(connection, bodies)
    values = [
        {"update_id": update_id, "at": at, "sent": None if body is None else dict(body)}
        for update_id, body in bodies.items()
    ]
    return {row.update_id: row.id for row in connection.execute(_ATTEMPT, values)}


def end(connection: Connection, attempt_id: int, *, answer: str, shown: str | None = None) -> None:
    """Write down what came back, and what the hub showed when it was asked afterwards."""
    end_all(connection, [attempt_id], answer=answer, shown=shown)


def end_all(
    connection: Connection,
    attempt_ids: Iterable[int],
    *,
    answer: str,
    shown: str | None = None,
) -> None:
    """The same came of many."""
    rows = [{"row": it, "answer": answer, "shown": shown} for it in attempt_ids]
    if rows:
        connection.execute(_ANSWERED, rows)


def unclear_since(connection: Connection, update_id: int) -> datetime | None:
    """Return when the last attempt without an answer began; None if all were answered."""
    return connection.execute(_UNCLEAR, {"row": update_id}).scalar()


def all_unclear_since(connection: Connection, account: str) -> Mapping[int, datetime]:
    """Return since when the hub may have taken each of the updates that wait, by their id.

    That is since the first attempt that it may have taken; for what was queued before a backup was
    restored, since it was queued; for what lay in `statin` in that backup, since the last that the
    backup knows.
    """
    attempts = connection.execute(
        select(attempt.c.update_id, attempt.c.at)
        .join(state_update, state_update.c.id == attempt.c.update_id)
        .where(state_update.c.account == account, updates.IS_OPEN, _MAY_BE_TAKEN)
        .order_by(attempt.c.id.desc())
    )
    forgotten = connection.execute(
        select(state_update.c.id, state_update.c.queued_at)
        .join(account_table, account_table.c.name == state_update.c.account)
        .where(
            state_update.c.account == account,
            updates.IS_OPEN,
            state_update.c.queued_at < account_table.c.restored_at,
        )
    )
    brought = connection.execute(
        select(state_update.c.id, state_file.c.perhaps_sent_since)
        .join(state_file, state_file.c.id == state_update.c.state_file)
        .where(
            state_update.c.account == account,
            updates.IS_OPEN,
            state_file.c.perhaps_sent_since.is_not(None),
        )
    )
    return (
        {row.update_id: row.at for row in attempts}
        | {row.id: row.queued_at for row in forgotten}
        | {row.id: row.perhaps_sent_since for row in brought}
    )
