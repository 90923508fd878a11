"""A long past in little time: the rows of real deliveries, copied under other hub ids."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, func, insert, literal, select

from bridge.chain import Link
from bridge.ledger import Ledger, events
from bridge.ledger.schema import attachment, delivery, placed_file

TABLES = (delivery, attachment, placed_file)


def grow_ledger(data_dir: Path, *, deliveries: int) -> None:
    """Copy the deliveries of the only account, with their events, until there are so many.

    The copies share the archived files of the originals; their events are chained, and in the
    journal. State updates are not copied.
    """
    ledger = Ledger(data_dir / "ledger.db")
    try:
        with ledger.read() as connection:
            (account,) = events.accounts(connection)
            story = [link for link, _ in events.chain(connection, account) if _is_copied(link)]
            last = {table: _last_id(connection, table) for table in TABLES}
            originals = connection.scalar(select(func.count()).select_from(delivery)) or 0
        for number in range(1, -(-deliveries // originals)):
            with ledger.write() as connection:
                for table in TABLES:
                    _copy_rows(connection, table, f"{number}-", last=last[table])
                _copy_events(connection, account, story, f"{number}-")
    finally:
        ledger.close()


def _last_id(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.max(table.c.id))) or 0


def _copy_rows(connection: Connection, table: Table, mark: str, *, last: int) -> None:
    """Copy the rows up to an id; hub ids and names get the mark before them."""
    columns = [column for column in table.c if column.name != "id"]
    values = [
        literal(mark) + column if column.name in {"hub_id", "name"} else column
        for column in columns
    ]
    rows = select(*values).where(table.c.id <= last, table.c.hub_id.is_not(None))
    connection.execute(insert(table).from_select([column.name for column in columns], rows))


def _copy_events(connection: Connection, account: str, story: Sequence[Link], mark: str) -> None:
    number, previous = events.last(connection, account)
    for link in story:
        number += 1
        copy = replace(
            link,
            number=number,
            hub_id=f"{mark}{link.hub_id}",
            detail=_renamed(link.detail, mark),
            previous=previous,
        )
        events.add(connection, copy)
        previous = copy.digest


def _is_copied(link: Link) -> bool:
    return link.hub_id is not None and not link.kind.startswith("update")


def _renamed(detail: Any, mark: str) -> Any:
    """Return an event's detail with the mark before every name in it."""
    if isinstance(detail, list):
        return [_renamed(part, mark) for part in detail]
    if not isinstance(detail, Mapping):
        return detail
    return {
        key: f"{mark}{value}" if key == "name" else _renamed(value, mark)
        for key, value in detail.items()
    }
