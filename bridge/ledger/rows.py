"""Rows of the ledger as frozen answers that bear the names of their columns."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, select

from bridge.ledger.schema import state_file, state_update

T = TypeVar("T")


def answers(connection: Connection, kind: type[T], rows: Select[Any]) -> list[T]:
    """Return the selected rows as dataclasses of this kind."""
    return [fill(kind, row) for row in connection.execute(rows).mappings()]


def fill(kind: type[T], row: RowMapping | Mapping[str, Any]) -> T:
    """Return a dataclass with the columns that it names; what is no column keeps its default."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: row[name] for name in names if name in row})


def updates_with_file(*more: ColumnElement[Any]) -> Select[Any]:
    """Select the updates, and of the state file that each came in its name as `file`."""
    files = state_file.c.id == state_update.c.state_file
    return select(state_update, state_file.c.name.label("file"), *more).join(state_file, files)
