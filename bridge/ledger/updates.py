"""The outbox: state updates, queued → sending → accepted | refused; every try is an attempt."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, func, select, update

from bridge.ledger.among import among
from bridge.ledger.schema import state_update
from bridge.ledger.walk import is_due
from bridge.model import HubId, Refusal, State, StateUpdate, UpdateStatus

# Built once: a statement made anew for each step costs more than running it.
_ROW = update(state_update).where(state_update.c.id == bindparam("row"))
_TRIED = _ROW.values(attempts=state_update.c.attempts + 1)
IS_OPEN = state_update.c.status.in_([UpdateStatus.QUEUED, UpdateStatus.SENDING])
"""Whether an update still has to reach the hub, or may have."""


class Outcome(StrEnum):
    """How an accepted update came to be true at the hub."""

    PATCHED = "patched"
    ALREADY_SHOWN = "already-shown"
    FOUND_APPLIED = "found-applied"
    PASSED_ON = "passed-on"
    """Its file went to the old mailbox as it was: the old hub has answered it, or will."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """A state update in the ledger."""

    id: int
    account: str
    state_file: int
    position: int
    total: int
    hub_id: HubId | None
    change: StateUpdate | None
    status: UpdateStatus
    refusal: Refusal | None
    attempts: int
    answered: bool


def open_updates(connection: Connection, account: str) -> list[Update]:
    """Return all that is queued or being sent, in the order in which it arrived."""
    return _select(connection, (state_update.c.account == account) & IS_OPEN)


def counted(connection: Connection, account: str) -> dict[UpdateStatus, int]:
    """Return how many updates have come how far."""
    rows = (
        select(state_update.c.status, func.count())
        .where(state_update.c.account == account)
        .group_by(state_update.c.status)
    )
    return {UpdateStatus(status): count for status, count in connection.execute(rows)}


def due_invoices(connection: Connection, account: str, *, due: datetime | None) -> set[HubId]:
    """Return the invoices whose first open update may be sent at a time; None: all that wait."""
    rows = connection.execute(
        select(state_update.c.hub_id, is_due(state_update, due))
        .where(state_update.c.account == account, IS_OPEN)
        .order_by(state_update.c.id)
    )
    first: dict[str, bool] = {}
    for hub_id, ready in rows:
        first.setdefault(hub_id, bool(ready))
    return {HubId(hub_id) for hub_id, ready in first.items() if ready}


def of_file(connection: Connection, state_file: int) -> list[Update]:
    """Return the updates of one state file, by position."""
    return _select(connection, state_update.c.state_file == state_file)


def invoices_of_file(connection: Connection, state_file: int) -> set[HubId]:
    """Return the invoices that a state file speaks of, as far as they are known."""
    return {it.hub_id for it in of_file(connection, state_file) if it.hub_id is not None}


def passed_on(connection: Connection, state_file: int, *, at: datetime) -> None:
    """A state file is in the old mailbox: its updates are no longer ours to send."""
    values = {
        "status": UpdateStatus.ACCEPTED,
        "outcome": Outcome.PASSED_ON,
        "settled_at": at,
        "trouble": None,
        "next_attempt_at": None,
    }
    of_it = (state_update.c.state_file == state_file) & IS_OPEN
    connection.execute(update(state_update).where(of_it).values(values))


def note_waiting(connection: Connection, state_file: int, trouble: str) -> None:
    """A state file cannot be passed on at present."""
    of_it = (state_update.c.state_file == state_file) & IS_OPEN
    connection.execute(update(state_update).where(of_it).values(trouble=trouble))


def refuse_what_our_rules_do(connection: Connection, account: str, *, at: datetime) -> None:
    """What was to be passed on goes to the hub now: what our rules refuse is refused at last."""
    mine = (state_update.c.account == account) & IS_OPEN
    refused = mine & state_update.c.refusal_code.is_not(None)
    values = {"status": UpdateStatus.REFUSED, "settled_at": at, "trouble": None}
    connection.execute(update(state_update).where(refused).values(values))
    connection.execute(update(state_update).where(mine).values(trouble=None))


def by_id(connection: Connection, update_ids: Sequence[int]) -> list[Update]:
    """Return the updates of these ids, oldest first."""
    return _select(connection, among(state_update.c.id, update_ids))


def refused(connection: Connection, account: str) -> list[Update]:
    """Return the refused updates of an account."""
    wanted = state_update.c.status == UpdateStatus.REFUSED
    return _select(connection, (state_update.c.account == account) & wanted)


def to_answer(connection: Connection, account: str) -> list[Update]:
    """Return the refused updates that the RCF has not been told of."""
    return _select(
        connection,
        and_(
            state_update.c.account == account,
            state_update.c.status == UpdateStatus.REFUSED,
            state_update.c.answered_at.is_(None),
        ),
    )


def answered(connection: Connection, update_ids: Sequence[int], *, at: datetime) -> None:
    """The answer to these refused updates is on its way into `statout`."""
    for update_id in update_ids:
        _set(connection, update_id, answered_at=at)


def last_accepted(connection: Connection, account: str, hub_id: HubId) -> StateUpdate | None:
    """Return what the hub accepted last of an invoice's updates, if it has accepted any."""
    row = connection.execute(
        select(state_update)
        .where(
            state_update.c.account == account,
            state_update.c.hub_id == hub_id,
            state_update.c.status == UpdateStatus.ACCEPTED,
            state_update.c.state.is_not(None),
        )
        .order_by(state_update.c.settled_at.desc(), state_update.c.id.desc())
        .limit(1)
    ).first()
    return None if row is None else _change(row)


def accepted(connection: Connection, update_id: int, *, outcome: Outcome, at: datetime) -> None:
    """The hub shows what the update says."""
    accepted_all(connection, {update_id: outcome}, at=at)


def accepted_all(connection: Connection, outcomes: Mapping[int, Outcome], *, at: datetime) -> None:
    """The hub shows what many updates say; how each came to be true there."""
    settled = {
        "status": UpdateStatus.ACCEPTED,
        "settled_at": at,
        "trouble": None,
        "next_attempt_at": None,
    }
    rows = [{"row": it, "outcome": outcome, **settled} for it, outcome in outcomes.items()]
    connection.execute(_ROW, rows)


def refuse(connection: Connection, update_id: int, refusal: Refusal, *, at: datetime) -> None:
    """The hub or our rules turned the update down for good."""
    _set(
        connection,
        update_id,
        status=UpdateStatus.REFUSED,
        refusal_code=refusal.code,
        refusal_reason=refusal.reason,
        settled_at=at,
        trouble=None,
        next_attempt_at=None,
    )


def sending_all(connection: Connection, update_ids: Iterable[int]) -> None:
    """They are about to be sent, or to be asked about."""
    connection.execute(_ROW, [{"row": it, "status": UpdateStatus.SENDING} for it in update_ids])


def not_sent(connection: Connection, update_id: int, *, trouble: str) -> None:
    """It did not leave this machine: it is due again as soon as the way is free."""
    _set(connection, update_id, status=UpdateStatus.QUEUED, trouble=trouble)


def postpone(
    connection: Connection,
    update_id: int,
    *,
    trouble: str,
    next_attempt_at: datetime | None,
    unclear: bool,
) -> None:
    """It did not come about now; an unclear one stays `sending` until the hub has been asked."""
    values = {
        "row": update_id,
        "status": UpdateStatus.SENDING if unclear else UpdateStatus.QUEUED,
        "trouble": trouble,
        "next_attempt_at": next_attempt_at,
    }
    connection.execute(_TRIED, values)


def _set(connection: Connection, update_id: int, **values: object) -> None:
    connection.execute(_ROW, {"row": update_id, **values})


def _select(connection: Connection, wanted: ColumnElement[bool]) -> list[Update]:
    rows = connection.execute(select(state_update).where(wanted).order_by(state_update.c.id))
    return [_update(row) for row in rows]


def _update(row: Row[Any]) -> Update:
    return Update(
        id=row.id,
        account=row.account,
        state_file=row.state_file,
        position=row.position,
        total=row.total,
        hub_id=None if row.hub_id is None else HubId(row.hub_id),
        change=_change(row),
        status=UpdateStatus(row.status),
        refusal=None if row.refusal_code is None else Refusal(row.refusal_code, row.refusal_reason),
        attempts=row.attempts,
        answered=row.answered_at is not None,
    )


def _change(row: Row[Any]) -> StateUpdate | None:
    if row.state is None:
        return None
    return StateUpdate(
        state=State(row.state),
        register_number=row.register_number,
        reason_code=row.reason_code,
        reason=row.reason,
        paid_on=row.paid_on,
    )
