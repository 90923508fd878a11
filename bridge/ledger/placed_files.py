"""The files that the bridge puts into a mailbox: placing → placed → collected.

A row says `placing` before its file becomes visible, so that after a crash the ledger and the
staging folder together tell a file that was never shown from one that was already collected.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, bindparam, delete, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from bridge.ledger.among import among
from bridge.ledger.schema import delivery, message_number, placed_file
from bridge.model import DeliveryState, Digest, FeedName, HubId
from bridge.naming import Folder


class Kind(StrEnum):
    """What a file in the mailbox is."""

    INVOICE = "invoice"
    ATTACHMENT = "attachment"
    STATE = "state"
    ANSWER = "answer"
    FILE = "file"
    """Another one of the old mailbox: an answer of the old hub, or what nobody can tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedFile:
    """A file on its way into the mailbox, in it, or collected from it."""

    id: int = 0
    folder: Folder
    name: str
    kind: Kind
    digest: Digest
    feed: FeedName | None = None
    hub_id: HubId | None = None
    attachment_id: str | None = None
    source: str | None = None
    """Its path in the old mailbox, of what lies there as well."""
    source_digest: Digest | None = None
    """Of the file there, where a move tied the two together: the bytes may differ."""

    @property
    def digest_there(self) -> Digest:
        """The digest of the file in the old mailbox."""
        return self.source_digest or self.digest


_COLUMNS = [placed_file.c[it.name] for it in fields(PlacedFile)]
"""What makes a `PlacedFile`: to read the times as well takes longer than all the rest."""

# Built once: a statement made anew for each step costs more than running it.
_BEGIN = insert(placed_file).returning(placed_file.c.id, placed_file.c.folder, placed_file.c.name)
_ROW = update(placed_file).where(placed_file.c.id == bindparam("row"))
_PLACED = _ROW.values(state="placed", placed_at=bindparam("at"))
_COLLECTED = _ROW.where(placed_file.c.state != "collected").values(
    state="collected", collected_at=bindparam("at")
)


def begin(
    connection: Connection, account: str, files: Sequence[PlacedFile], *, at: datetime
) -> list[PlacedFile]:
    """Write down that these files are about to become visible; return them with their ids.

    The old hub may use a name once more that the software has emptied.
    """
    if not files:
        return []
    for file in files:
        if file.source is not None:
            _forget_collected(connection, account, file)
    values = [_values(account, file, at) for file in files]
    rows = connection.execute(_BEGIN, values)
    ids = {(row.folder, row.name): row.id for row in rows}
    return [replace(file, id=ids[file.folder, file.name]) for file in files]


def _values(account: str, file: PlacedFile, at: datetime) -> dict[str, object]:
    return {
        "account": account,
        "folder": file.folder,
        "name": file.name,
        "kind": file.kind,
        "feed": file.feed,
        "hub_id": file.hub_id,
        "attachment_id": file.attachment_id,
        "source": file.source,
        "digest": file.digest,
        "state": "placing",
        "placing_at": at,
    }


def _forget_collected(connection: Connection, account: str, file: PlacedFile) -> None:
    connection.execute(
        delete(placed_file).where(
            placed_file.c.account == account,
            placed_file.c.folder == file.folder,
            placed_file.c.name == file.name,
            placed_file.c.state == "collected",
        )
    )


def placing(connection: Connection, account: str, kinds: frozenset[Kind]) -> list[PlacedFile]:
    """Return the files of these kinds that may have become visible or not, in order."""
    return [file for file in _select(connection, account, "placing") if file.kind in kinds]


def visible(connection: Connection, account: str) -> list[PlacedFile]:
    """Return the files that stand in the mailbox as far as the ledger knows."""
    return _select(connection, account, "placed")


def visible_names(connection: Connection, account: str) -> dict[Folder, set[str]]:
    """Return the names of the files that stand in the mailbox as far as the ledger knows."""
    found: dict[Folder, set[str]] = {folder: set() for folder in Folder}
    rows = select(placed_file.c.folder, placed_file.c.name).where(
        placed_file.c.account == account, placed_file.c.state == "placed"
    )
    for folder, name in connection.execute(rows.execution_options(yield_per=1000)):
        found[folder].add(name)  # a role is its own name
    return found


def visible_as(
    connection: Connection, account: str, folder: Folder, names: Sequence[str]
) -> list[PlacedFile]:
    """Return the files that stand in the mailbox under these names as far as the ledger knows."""
    return _named(connection, account, folder, names, state="placed")


def offered(connection: Connection, account: str) -> list[PlacedFile]:
    """Return all files in the mailbox of invoices that stand there."""
    waiting = select(delivery.c.hub_id).where(
        delivery.c.account == account,
        delivery.c.feed == FeedName.REST,
        delivery.c.state == DeliveryState.PLACED,
    )
    rows = connection.execute(
        select(*_COLUMNS)
        .where(
            placed_file.c.account == account,
            placed_file.c.state == "placed",
            placed_file.c.feed == FeedName.REST,
            placed_file.c.hub_id.in_(waiting),
        )
        .order_by(placed_file.c.id)
    )
    return [of_row(row) for row in rows]


def by_name(connection: Connection, account: str, folder: Folder, name: str) -> PlacedFile | None:
    """Return the file of this name, wherever it has come to."""
    wanted = and_(
        placed_file.c.account == account,
        placed_file.c.folder == folder,
        placed_file.c.name == name,
    )
    row = connection.execute(select(*_COLUMNS).where(wanted)).first()
    return None if row is None else of_row(row)


def collected_as(
    connection: Connection, account: str, folder: Folder, names: Sequence[str]
) -> list[PlacedFile]:
    """Return the files that were collected under these names."""
    return _named(connection, account, folder, names, state="collected")


def _named(
    connection: Connection, account: str, folder: Folder, names: Sequence[str], *, state: str
) -> list[PlacedFile]:
    rows: Select[Any] = select(*_COLUMNS, placed_file.c.state).where(
        placed_file.c.account == account,
        placed_file.c.folder == folder,
        among(placed_file.c.name, names),
    )
    # Chosen by state here: asked for it, SQLite goes through all files that were ever collected.
    return [of_row(row) for row in connection.execute(rows) if row.state == state]


def hub_ids(
    connection: Connection, account: str, folder: Folder, names: Iterable[str]
) -> dict[str, HubId]:
    """Return the invoices that files of these names in a folder belong to."""
    rows = connection.execute(
        select(placed_file.c.name, placed_file.c.hub_id).where(
            placed_file.c.account == account,
            placed_file.c.folder == folder,
            among(placed_file.c.name, set(names)),
            placed_file.c.hub_id.is_not(None),
        )
    )
    return {row.name: HubId(row.hub_id) for row in rows}


def placed(connection: Connection, files: Iterable[PlacedFile], *, at: datetime) -> None:
    """The files are visible."""
    rows = [{"row": file.id, "at": at} for file in files]
    if rows:
        connection.execute(_PLACED, rows)


def collected(
    connection: Connection, files: Iterable[PlacedFile], *, at: datetime
) -> list[PlacedFile]:
    """The software deleted the files; return those of which it was not known yet."""
    new = []
    for file in files:
        if connection.execute(_COLLECTED, {"row": file.id, "at": at}).rowcount:
            new.append(file)
    return new


def reserve_message_numbers(connection: Connection, account: str, count: int) -> int:
    """Reserve so many numbers that no message of this account has had; return the last of them."""
    statement = upsert(message_number).values(account=account, last=count)
    counting = statement.on_conflict_do_update(
        index_elements=["account"], set_={"last": message_number.c.last + count}
    )
    return int(connection.execute(counting.returning(message_number.c.last)).scalar_one())


def last_message_number(connection: Connection, account: str) -> int:
    """Return the greatest number that was reserved."""
    mine = message_number.c.account == account
    return connection.scalar(select(message_number.c.last).where(mine)) or 0


def as_detail(file: PlacedFile) -> dict[str, str]:
    """Return a file as an event tells it."""
    values = {
        "folder": file.folder,
        "name": file.name,
        "kind": file.kind,
        "digest": file.digest,
        "feed": file.feed,
        "attachment_id": file.attachment_id,
        "source": file.source,
    }
    return {name: value for name, value in values.items() if value is not None}


def from_detail(detail: Mapping[str, str], hub_id: HubId | None) -> PlacedFile:
    """Return the file of which an event tells."""
    return PlacedFile(
        folder=Folder(detail["folder"]),
        name=detail["name"],
        kind=Kind(detail["kind"]),
        digest=Digest(detail["digest"]),
        feed=FeedName(detail["feed"]) if "feed" in detail else None,
        hub_id=hub_id,
        attachment_id=detail.get("attachment_id"),
        source=detail.get("source"),
    )


def _select(connection: Connection, account: str, state: str) -> list[PlacedFile]:
    rows = connection.execute(
        select(*_COLUMNS)
        .where(placed_file.c.account == account, placed_file.c.state == state)
        .order_by(placed_file.c.id)
    )
    return [of_row(row) for row in rows]


def of_row(row: Row[Any]) -> PlacedFile:
    """Return the file that a row of the table tells of."""
    return PlacedFile(
        id=row.id,
        folder=Folder(row.folder),
        name=row.name,
        kind=Kind(row.kind),
        feed=None if row.feed is None else FeedName(row.feed),
        digest=Digest(row.digest),
        hub_id=None if row.hub_id is None else HubId(row.hub_id),
        attachment_id=row.attachment_id,
        source=row.source,
        source_digest=None if row.source_digest is None else Digest(row.source_digest),
    )
