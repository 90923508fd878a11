"""What the hub answered beside its published contract, how often, and since when."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from bridge.ledger.rows import answers
from bridge.ledger.schema import drift
from bridge.model import Drift

MOST_ROWS = 500
"""So many different things are kept of an account: a hub that makes up names fills no disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRow:
    """One thing that differs; `times` is how many answers had it."""

    call: str
    kind: str
    name: str
    times: int
    first_at: datetime
    last_at: datetime


def note(
    connection: Connection, account: str, met: Mapping[Drift, int], *, at: datetime
) -> list[Drift]:
    """Count what was met in so many answers; return what is new among it."""
    mine = drift.c.account == account
    known = {
        Drift(call=row.call, kind=row.kind, name=row.name)
        for row in connection.execute(select(drift).where(mine))
    }
    new = [it for it in met if it not in known][: max(0, MOST_ROWS - len(known))]
    for it, times in met.items():
        if it in known or it in new:
            _count(connection, account, it, times, at)
    return new


def _count(connection: Connection, account: str, it: Drift, times: int, at: datetime) -> None:
    values = {"account": account, "call": it.call, "kind": it.kind, "name": it.name}
    row = insert(drift).values(**values, times=times, first_at=at, last_at=at)
    more = {"times": drift.c.times + times, "last_at": at}
    connection.execute(row.on_conflict_do_update(index_elements=list(values), set_=more))


def of_account(connection: Connection, account: str) -> list[DriftRow]:
    """Return what differs, what was met last first."""
    rows = select(drift).where(drift.c.account == account)
    order = (drift.c.last_at.desc(), drift.c.call, drift.c.kind, drift.c.name)
    return answers(connection, DriftRow, rows.order_by(*order))
