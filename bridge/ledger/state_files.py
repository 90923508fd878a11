"""The state files that the RCF dropped, by name and digest; their bytes are in the archive."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, insert, select, text, update

from bridge.ledger.schema import state_file, state_update
from bridge.model import Digest, UpdateStatus


class Kind(StrEnum):
    """How a file left `statin`."""

    TAKEN = "taken"
    REPETITION = "repetition"
    CUT_OFF = "cut-off"


class Passing(StrEnum):
    """How far a file has come on its way into the old `statin`."""

    WAITING = "waiting"
    READY = "ready"
    """It is there, under a name that nobody reads."""
    PASSED = "passed"


LAID_READY = "state file laid ready in the old mailbox"
PASSED_ON = "state file passed on"
"""The kinds of the events."""

# Built once: a statement made anew for each file costs more than running it.
_ADD = insert(state_file).returning(state_file.c.id)
_LEFT = update(state_file).where(state_file.c.id == bindparam("row"))
_SAME_BYTES = (
    select(state_file)
    .where(
        state_file.c.account == bindparam("account"),
        state_file.c.digest == bindparam("digest"),
        state_file.c.kind != Kind.CUT_OFF,
    )
    .order_by(state_file.c.id)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFile:
    """A state file that the ledger knows."""

    id: int
    account: str
    name: str
    digest: Digest
    kind: Kind
    left: bool
    passing: Passing | None
    """None: it is not meant for the old mailbox."""


def add(
    connection: Connection,
    account: str,
    *,
    name: str,
    digest: Digest,
    size: int,
    kind: Kind,
    at: datetime,
    pass_on: bool = False,
    perhaps_sent_since: datetime | None = None,
    file_id: int | None = None,
) -> int:
    """Write a file down before it leaves `statin`; return its id. `size` is in bytes.

    `pass_on` says that it is for the old mailbox. `perhaps_sent_since`: a restored backup brought
    it, and since then it may have been sent.

    `file_id` is the id that it had in a ledger that was lost.
    """
    values: dict[str, object] = {} if file_id is None else {"id": file_id}
    values |= {"name": name, "digest": digest, "size": size, "kind": kind, "taken_at": at}
    values |= {"perhaps_sent_since": perhaps_sent_since}
    left = {"left_at": at} if kind is Kind.CUT_OFF else {}
    passing = {"passing": Passing.WAITING} if pass_on else {}
    values |= {"account": account, **left, **passing}
    return int(connection.execute(_ADD, values).scalar_one())


@dataclass(frozen=True, slots=True)
class Numbers:
    """The greatest ids of a state file and of an update that somebody knows; 0: none."""

    state_file: int = 0
    update: int = 0

    def over(self, other: "Numbers") -> "Numbers":
        """Return the greater ones of both."""
        return Numbers(max(self.state_file, other.state_file), max(self.update, other.update))


def numbers_in(detail: Mapping[str, Any]) -> Numbers:
    """Return the ids that the detail of an event names."""
    file, update_id = detail.get("file"), detail.get("update")
    return Numbers(
        file if isinstance(file, int) else 0, update_id if isinstance(update_id, int) else 0
    )


def reserve(connection: Connection, numbers: Numbers) -> None:
    """Give no new file and no new update an id up to these ones."""
    for table, least in ((state_file, numbers.state_file), (state_update, numbers.update)):
        connection.execute(_KEEP_COUNT, {"table": table.name})
        connection.execute(_COUNT_ON, {"table": table.name, "least": least})


# SQLite's own count of an AUTOINCREMENT table, which has no row before the first one.
_KEEP_COUNT = text(
    "INSERT INTO sqlite_sequence (name, seq) SELECT :table, 0 "
    "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = :table)"
)
_COUNT_ON = text("UPDATE sqlite_sequence SET seq = max(seq, :least) WHERE name = :table")


def left(connection: Connection, file_id: int, *, at: datetime) -> None:
    """The file is no longer in `statin`."""
    connection.execute(_LEFT, {"row": file_id, "left_at": at})


def not_left(connection: Connection, account: str) -> list[StateFile]:
    """Return the files of which the ledger does not know yet that they left `statin`."""
    mine = (state_file.c.account == account) & state_file.c.left_at.is_(None)
    return [_file(row) for row in connection.execute(select(state_file).where(mine))]


def to_pass(connection: Connection, account: str) -> list[StateFile]:
    """Return the files that are still to be passed on to the old mailbox, oldest first."""
    wanted = state_file.c.passing.in_([Passing.WAITING, Passing.READY])
    rows = select(state_file).where(state_file.c.account == account, wanted)
    return [_file(row) for row in connection.execute(rows.order_by(state_file.c.id))]


def set_passing(connection: Connection, file_id: int, passing: Passing) -> None:
    """A file has come so far on its way into the old mailbox."""
    values = {"passing": passing, "trouble": None}
    connection.execute(update(state_file).where(state_file.c.id == file_id).values(values))


def note_trouble(connection: Connection, file_id: int, trouble: str) -> None:
    """A file cannot be passed on at present."""
    this = state_file.c.id == file_id
    connection.execute(update(state_file).where(this).values(trouble=trouble))


def pass_on_open(connection: Connection, account: str) -> None:
    """Files of which every update is still open go to the old mailbox, which begins to serve."""
    values = {"passing": Passing.WAITING, "trouble": None}
    connection.execute(update(state_file).where(_all_open(account)).values(values))


def is_any_open(connection: Connection, account: str) -> bool:
    """Tell whether there is a file of which every update is still to go to the hub."""
    rows = select(state_file.c.id).where(_all_open(account)).limit(1)
    return connection.execute(rows).first() is not None


def _all_open(account: str) -> ColumnElement[bool]:
    is_open = state_update.c.status.in_([UpdateStatus.QUEUED, UpdateStatus.SENDING])
    open_ones = select(state_update.c.state_file).where(state_update.c.account == account, is_open)
    settled = select(state_update.c.id).where(
        state_update.c.state_file == state_file.c.id, ~is_open
    )
    mine = (state_file.c.account == account) & state_file.c.passing.is_(None)
    return mine & state_file.c.id.in_(open_ones) & ~settled.exists()


def pass_on_none(connection: Connection, account: str) -> None:
    """What still waits goes another way: the old mailbox no longer serves."""
    wanted = state_file.c.passing.in_([Passing.WAITING, Passing.READY])
    mine = (state_file.c.account == account) & wanted
    connection.execute(update(state_file).where(mine).values(passing=None, trouble=None))


def same_bytes(connection: Connection, account: str, digest: Digest) -> list[StateFile]:
    """Return the files of these bytes that were taken before, oldest first."""
    rows = connection.execute(_SAME_BYTES, {"account": account, "digest": digest})
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
        passing=None if row.passing is None else Passing(row.passing),
    )
