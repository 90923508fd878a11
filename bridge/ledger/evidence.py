"""What the rows of the ledger say, against what the events tell; nothing here writes into it.

The events are told anew into an empty ledger (see `replay`); then both are walked side by side in
the order of their keys, so that memory stays small however long the past is.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import merge
from itertools import groupby, zip_longest
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, create_engine, select, true, union
from sqlalchemy.pool import StaticPool

from bridge.ledger.schema import (
    ARCHIVED,
    accepted_finding,
    attachment,
    attempt,
    client,
    delivery,
    metadata,
    move,
    placed_file,
    recorded_file,
    report,
    state_file,
    state_update,
)
from bridge.ledger.schema import (
    account as account_table,
)
from bridge.model import Digest, UpdateStatus

TOGETHER = timedelta(seconds=60)
"""A row and its event are written in one transaction, but may look at the clock one by one."""

_EVERY = true()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """Rows of which events tell."""

    noun: str
    table: Table
    key: Sequence[str]
    """Columns that tell one row from the others, the same in every ledger of this past."""
    untold: frozenset[str] = frozenset()
    """Columns of which no event tells: what is found out again, or was only a try."""
    only: ColumnElement[bool] = _EVERY
    """The rows that have an event."""


_TRIES = frozenset({"attempts", "next_attempt_at", "trouble"})
_ID = frozenset({"id"})
_OF_MOVES = ("serving_feed", "shadow_feed")
_KINDS = (
    _Kind(
        noun="account",
        table=account_table,
        key=("name",),
        untold=frozenset(column.name for column in account_table.c) - {"name", *_OF_MOVES},
        only=account_table.c.serving_feed.is_not(None),  # told by the first move
    ),
    _Kind(
        noun="invoice",
        table=delivery,
        key=("feed", "hub_id"),
        untold=_ID | _TRIES | {"unreadable", "last_seen_at", "lag"},
    ),
    _Kind(
        noun="attachment",
        table=attachment,
        key=("feed", "hub_id", "attachment_id"),
        untold=_ID | _TRIES | {"seen_at"},
        only=attachment.c.fetched_at.is_not(None),  # its first event
    ),
    _Kind(noun="file", table=placed_file, key=("folder", "name"), untold=_ID),
    _Kind(
        noun="file of the old mailbox",
        table=recorded_file,
        key=("path", "first_seen_at"),
        untold=_ID | _TRIES | {"modified_at", "size", "last_seen_at"},
        only=recorded_file.c.kind.is_not(None),  # its first event
    ),
    _Kind(
        noun="state file", table=state_file, key=("id",), untold=frozenset({"left_at", "trouble"})
    ),
    _Kind(noun="update", table=state_update, key=("id",), untold=_TRIES),
    _Kind(noun="move", table=move, key=("begun_at",), untold=_ID),
    _Kind(noun="report", table=report, key=("generated_at",), untold=_ID),
    _Kind(noun="acceptance", table=accepted_finding, key=("hub_id", "at"), untold=_ID),
    _Kind(
        noun="attempt at update",
        table=attempt,
        key=("update_id", "at"),
        untold=_ID,
        only=attempt.c.answer.is_not(None),  # the event tells how it ended
    ),
    _Kind(
        noun="client program",
        table=client,
        key=("user", "protocol", "mark"),
        untold=frozenset({"last_at", "visits"}),
    ),
)


@contextmanager
def retelling() -> Iterator[Connection]:
    """Open an empty ledger to tell events anew in; it is gone when the block ends.

    SQLite keeps it in memory while it is small, and in a temporary file when it grows.
    """
    engine = create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect("", isolation_level=None),
        poolclass=StaticPool,
    )
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode = OFF")  # nobody will want it back
            metadata.create_all(connection)
            connection.exec_driver_sql("BEGIN")
            yield connection
    finally:
        engine.dispose()


def compared(connection: Connection, retold: Connection, account: str) -> Iterator[str]:
    """Compare each row of an account with what was told of it; return what is wrong, or nothing.

    One text for each row, empty where row and events say the same.
    """
    for kind in _KINDS:
        rows = ((_key(kind, row), 0, row) for row in _rows(connection, kind, account))
        told = ((_key(kind, row), 1, row) for row in _rows(retold, kind, account))
        for key, same in groupby(merge(rows, told, key=lambda it: it[0]), key=lambda it: it[0]):
            sides: tuple[list[Row[Any]], list[Row[Any]]] = ([], [])
            for _, side, row in same:
                sides[side].append(row)
            name = " ".join((kind.noun, *map(str, key)))
            for row, tale in zip_longest(*sides):
                yield _difference(kind, name, row, tale)


def _rows(connection: Connection, kind: _Kind, account: str) -> Iterator[Row[Any]]:
    """Return the rows in the order of their keys, which SQLite and Python see alike."""
    table = kind.table
    rows = select(*(column for column in table.c if column.name not in kind.untold))
    owner = table.c.get("account", table.c.get("name"))
    if owner is None:
        owner = state_update.c.account
        rows = rows.join(state_update, state_update.c.id == table.c.update_id)
    order = [table.c[name] for name in kind.key]
    rows = rows.where(owner == account, kind.only).order_by(*order)
    return iter(connection.execute(rows.execution_options(yield_per=1000)))


def _key(kind: _Kind, row: Row[Any]) -> tuple[Any, ...]:
    return tuple(row._mapping[name] for name in kind.key)


def _difference(kind: _Kind, name: str, row: Row[Any] | None, told: Row[Any] | None) -> str:
    if told is None:
        return f"{name}: no event tells of it"
    if row is None:
        return f"{name}: its row is gone"
    columns = (column.name for column in kind.table.c if column.name not in kind.untold)
    differing = [
        column
        for column, value, other in zip(columns, row, told, strict=True)
        if not _same(value, other)
    ]
    return f"{name}: its events tell another {', '.join(differing)}" if differing else ""


def _same(value: object, told: object) -> bool:
    if isinstance(value, datetime) and isinstance(told, datetime):
        return abs(value - told) <= TOGETHER
    if value == UpdateStatus.SENDING:  # waits for what the hub says: no event tells of that
        return told in {UpdateStatus.QUEUED, UpdateStatus.SENDING}
    return value == told


def digests(connection: Connection, account: str) -> set[Digest]:
    """Return the digests of all files that the ledger speaks of."""
    parts = [
        select(column).where(column.table.c.account == account, column.is_not(None))
        for column in ARCHIVED
    ]
    return {Digest(digest) for digest in connection.scalars(union(*parts))}


def is_whole(connection: Connection) -> bool:
    """Tell whether the database file itself is in order (SQLite's own check)."""
    return bool(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar() == "ok")
