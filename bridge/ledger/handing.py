"""What a move writes down of single invoices: counted as collected, held, handed over.

Each is told by an event, from which the same rows follow.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, func, select, update

from bridge.ledger import deliveries, events
from bridge.ledger.events import BRIDGE, Said
from bridge.ledger.schema import attachment, delivery, event, placed_file
from bridge.ledger.ties import parts_of
from bridge.ledger.walk import state_of
from bridge.model import Digest, HubId

COUNTED = "invoice counted as collected"
HELD = "invoice held back: a person must say whether the software has it"
LACKING = "invoice to be offered: the software does not have it"
HANDING = "invoice being handed over"
HANDED = "invoice handed over"
CALLED_OFF = "invoice not handed over"
"""The kinds of the events."""

_ALL = ("fetched_at", "placed_at", "collected_at")


def record(
    connection: Connection,
    account: str,
    kind: str,
    hub_ids: Sequence[HubId],
    *,
    at: datetime,
    actor: str = BRIDGE,
    **detail: str,
) -> None:
    """Write something down of these invoices, with an event for each."""
    APPLY[kind](connection, account, hub_ids, at)
    said = [Said(kind=kind, at=at, actor=actor, hub_id=hub_id, detail=detail) for hub_id in hub_ids]
    events.record_all(connection, account, said)


def count_as_collected(
    connection: Connection, account: str, hub_ids: Iterable[HubId], at: datetime
) -> None:
    """The software has these invoices, however it came by them: they are never placed again."""
    for some in deliveries.batched(list(hub_ids)):
        for table in (delivery, attachment):
            these = _these(table, account, some)
            if table is attachment:  # what the hub only lists may be a late one, and new
                these &= attachment.c.fetched_at.is_not(None)
            connection.execute(
                update(table)
                .where(these)
                .values(
                    **{step: func.coalesce(table.c[step], at) for step in _ALL},
                    state=state_of(table, reached=_ALL),
                )
            )
        connection.execute(
            update(delivery).where(_these(delivery, account, some)).values(held_at=None)
        )


def hold(connection: Connection, account: str, hub_ids: Sequence[HubId], at: datetime) -> None:
    """Nobody can tell whether the software has these: they are not placed until a person says."""
    _set(connection, account, hub_ids, held_at=at)


def let_go(connection: Connection, account: str, hub_ids: Sequence[HubId], _: datetime) -> None:
    """A person says that the software does not have these."""
    _set(connection, account, hub_ids, held_at=None)


def lacking_at(connection: Connection, account: str, hub_id: HubId) -> datetime | None:
    """Return when a person last said that the software does not have an invoice."""
    return _last_at(connection, event.c.kind == LACKING, account, hub_id)


def reported_at(connection: Connection, account: str, hub_id: HubId) -> datetime | None:
    """Return when the software last reported a state of an invoice, as only what has it can."""
    return _last_at(connection, event.c.actor == "rcf", account, hub_id)


def _last_at(
    connection: Connection, which: ColumnElement[bool], account: str, hub_id: HubId
) -> datetime | None:
    found = connection.execute(
        select(event.c.number, event.c.at).where(
            event.c.account == account, event.c.hub_id == hub_id, which
        )
    )
    last = max(found, key=lambda row: row.number, default=None)
    return last.at if last is not None else None


def collected(
    connection: Connection, account: str, hub_ids: Sequence[HubId]
) -> dict[HubId, Digest]:
    """Return those of these invoices that count as collected, with the digest of a file of each."""
    found: dict[HubId, Digest] = {}
    for some in deliveries.batched(list(hub_ids)):
        rows = select(delivery.c.hub_id, delivery.c.digest).where(
            _these(delivery, account, some),
            delivery.c.collected_at.is_not(None),
            delivery.c.digest.is_not(None),
        )
        found |= {HubId(row.hub_id): Digest(row.digest) for row in connection.execute(rows)}
    return found


def held(connection: Connection, account: str) -> list[HubId]:
    """Return the invoices that wait for a person."""
    rows = select(delivery.c.hub_id).where(
        delivery.c.account == account, delivery.c.held_at.is_not(None)
    )
    return list(dict.fromkeys(map(HubId, connection.scalars(rows))))


def begin_handing(
    connection: Connection, account: str, hub_ids: Sequence[HubId], _: datetime
) -> None:
    """The files of these invoices are about to leave our mailbox for a folder."""
    _move_files(connection, account, hub_ids, old="placed", state="handing")


def call_off(connection: Connection, account: str, hub_ids: Sequence[HubId], _: datetime) -> None:
    """They stay after all: the software was just taking them."""
    _move_files(connection, account, hub_ids, old="handing", state="placed")


def end_handing(
    connection: Connection, account: str, hub_ids: Sequence[HubId], at: datetime
) -> None:
    """These invoices are in the folder: the bridge never offers them again."""
    _move_files(connection, account, hub_ids, old="handing", state="handed")
    count_as_collected(connection, account, hub_ids, at)
    for some in deliveries.batched(list(hub_ids)):
        connection.execute(
            update(delivery).where(_these(delivery, account, some)).values(handed_at=at)
        )


def being_handed(connection: Connection, account: str) -> list[HubId]:
    """Return the invoices that are on their way into a folder."""
    rows = select(placed_file.c.hub_id).where(
        placed_file.c.account == account, placed_file.c.state == "handing"
    )
    return list(dict.fromkeys(map(HubId, connection.scalars(rows.order_by(placed_file.c.id)))))


def _move_files(
    connection: Connection, account: str, hub_ids: Sequence[HubId], *, old: str, state: str
) -> None:
    for some in deliveries.batched(list(hub_ids)):
        these = parts_of(account, some) & (placed_file.c.state == old)
        connection.execute(update(placed_file).where(these).values(state=state))


def _set(
    connection: Connection, account: str, hub_ids: Sequence[HubId], **values: datetime | None
) -> None:
    for some in deliveries.batched(list(hub_ids)):
        open_ones = _these(delivery, account, some) & delivery.c.collected_at.is_(None)
        connection.execute(update(delivery).where(open_ones).values(**values))


def _these(table: Table, account: str, hub_ids: Sequence[HubId]) -> ColumnElement[bool]:
    return and_(table.c.account == account, table.c.hub_id.in_(hub_ids))


APPLY: Mapping[str, Any] = {
    COUNTED: count_as_collected,
    HELD: hold,
    LACKING: let_go,
    HANDING: begin_handing,
    CALLED_OFF: call_off,
    HANDED: end_handing,
}
"""What each kind of event means for the rows of its invoice."""
