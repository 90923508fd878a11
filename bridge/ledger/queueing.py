"""How updates of state files enter the outbox: queued, or refused at once by our rules."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import TypeAdapter
from sqlalchemy import Connection, bindparam, insert, update

from bridge.chain import Value
from bridge.ledger.schema import state_update
from bridge.model import HubId, Refusal, StateUpdate, UpdateStatus

_ASKED: TypeAdapter[StateUpdate | Refusal] = TypeAdapter(StateUpdate | Refusal)


def as_detail(outcome: StateUpdate | Refusal) -> dict[str, Value]:
    """Return what became of an update of a state file, as an event tells it."""
    detail: dict[str, Value] = _ASKED.dump_python(outcome, mode="json", exclude_none=True)
    return detail


def from_detail(detail: Mapping[str, Value]) -> StateUpdate | Refusal:
    """Return what became of an update of which an event tells."""
    return _ASKED.validate_python(detail)


# Built once: a statement made anew for each update costs more than running it.
_ADD = insert(state_update).returning(state_update.c.id)
_ROW = update(state_update).where(state_update.c.id == bindparam("row"))


def queue(
    connection: Connection,
    account: str,
    state_file: int,
    *,
    position: int,
    total: int,
    asked_state: str | None,
    hub_id: HubId | None,
    outcome: StateUpdate | Refusal,
    at: datetime,
    pass_on: bool = False,
    update_id: int | None = None,
) -> int:
    """Write an update of a state file down, to be sent or already refused; return its id.

    `pass_on`: its file goes to the old mailbox, where a refusal of ours counts for nothing.
    `update_id` is the id that it had in a ledger that was lost.
    """
    values: dict[str, object] = {} if update_id is None else {"id": update_id}
    values |= {
        "account": account,
        "state_file": state_file,
        "position": position,
        "total": total,
        "asked_state": asked_state,
        "queued_at": at,
        "attempts": 0,
    } | _outcome(hub_id, outcome, at, pass_on=pass_on)
    return int(connection.execute(_ADD, values).scalar_one())


def requeue(
    connection: Connection,
    update_id: int,
    *,
    state_file: int,
    hub_id: HubId | None,
    outcome: StateUpdate | Refusal,
    at: datetime,
    pass_on: bool = False,
) -> None:
    """Give a refused update another chance, or refuse it anew for today's reason.

    From now on it is that state file's: an answer names the file that the RCF dropped last.
    """
    fresh = {
        "state_file": state_file,
        "settled_at": None,
        "answered_at": None,
        "next_attempt_at": None,
        "trouble": None,
    }
    values = fresh | _outcome(hub_id, outcome, at, pass_on=pass_on)
    connection.execute(_ROW, {"row": update_id, **values})


def _outcome(
    hub_id: HubId | None, outcome: StateUpdate | Refusal, at: datetime, *, pass_on: bool
) -> dict[str, object]:
    if isinstance(outcome, Refusal):
        return {
            "hub_id": hub_id,
            "status": UpdateStatus.QUEUED if pass_on else UpdateStatus.REFUSED,
            "refusal_code": outcome.code,
            "refusal_reason": outcome.reason,
            "settled_at": None if pass_on else at,
        }
    return {
        "hub_id": hub_id,
        "status": UpdateStatus.QUEUED,
        "state": outcome.state,
        "register_number": outcome.register_number,
        "reason_code": outcome.reason_code,
        "reason": outcome.reason,
        "paid_on": outcome.paid_on,
        "refusal_code": None,
        "refusal_reason": None,
    }
