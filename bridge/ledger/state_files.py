"""The state files that the RCF dropped, by name and digest; their bytes are in the archive."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from bridge.ledger.schema import state_file
from bridge.model import Digest


class Kind(StrEnum):
    """How a file left `statin`."""

    TAKEN = "taken"
    REPETITION = "repetition"
    CUT_OFF = "cut-off"


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFile:
    """A state file that the ledger knows."""

    id: int
    account: str
    name: str
    digest: Digest
    kind: Kind
    left: bool


def add(
    connection: Connection,
    account: str,
    *,
    name: str,
    digest: Digest,
    size: int,
    kind: Kind,
    at: datetime,
    file_id: int | None = None,
) -> int:
    """Write a file down before it leaves `statin`; return its id. `size` is in bytes.

    `file_id` is the id that it had in a ledger that was lost.
    """
    values: dict[str, object] = {} if file_id is None else {"id": file_id}
    values |= {"name": name, "digest": digest, "size": size, "kind": kind, "taken_at": at}
    left = {"left_at": at} if kind is Kind.CUT_OFF else {}
    statement = insert(state_file).values(account=account, **values, **left)
    row_id = connection.execute(statement.returning(state_file.c.id)).scalar_one()
    return int(row_id)


def left(connection: Connection, file_id: int, *, at: datetime) -> None:
    """The file is no longer in `statin`."""
    connection.execute(update(state_file).where(state_file.c.id == file_id).values(left_at=at))


def not_left(connection: Connection, account: str) -> list[StateFile]:
    """Return the files of which the ledger does not know yet that they left `statin`."""
    mine = (state_file.c.account == account) & state_file.c.left_at.is_(None)
    return [_file(row) for row in connection.execute(select(state_file).where(mine))]


def same_bytes(connection: Connection, account: str, digest: Digest) -> list[StateFile]:
    """Return the files of these bytes that were taken before, oldest first."""
    rows = connection.execute(
        select(state_file)
        .where(
            state_file.c.account == account,
            state_file.c.digest == digest,
            state_file.c.kind != Kind.CUT_OFF,
        )
        .order_by(state_file.c.id)
    )
    return [_file(row) for row in rows]


def known(connection: Connection, file_id: int) -> StateFile:
    """Return the file of this id."""
    return _file(connection.execute(select(state_file).where(state_file.c.id == file_id)).one())


def _file(row: Row[Any]) -> StateFile:
    return StateFile(
        id=row.id,
        account=row.account,
        name=row.name,
        digest=Digest(row.digest),
        kind=Kind(row.kind),
        left=row.left_at is not None,
    )
