"""Files of the old mailbox as events tell of them, and the rows written from events again."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Connection, bindparam, insert, update

from bridge.chain import Value
from bridge.ledger import events
from bridge.ledger.recorded_files import RecordedFile
from bridge.ledger.schema import recorded_file
from bridge.model import Digest, HubId
from bridge.naming import Folder
from bridge.old_files.file import FileKind

RECORDED = "file recorded"
GONE = "file gone"
"""The kinds of the events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A recorded file as its event tells it."""

    path: str
    name: str
    folder: Folder | None
    size: int | None
    digest: Digest
    kind: FileKind
    first_seen_at: datetime


_TOLD = TypeAdapter(Told)

# Built once: a statement made anew for each file costs more than running it.
_RECOGNISED = (
    update(recorded_file)
    .where(recorded_file.c.id == bindparam("row"))
    .values(kind=bindparam("kind"), hub_id=bindparam("hub_id"))
)


def from_detail(detail: Mapping[str, Value]) -> Told:
    """Return the recorded file of which an event tells."""
    return _TOLD.validate_python(detail)


def recognise(
    connection: Connection,
    account: str,
    file: RecordedFile,
    *,
    kind: FileKind,
    hub_id: HubId | None,
    at: datetime,
) -> None:
    """It is known now what a file is, or that nobody can tell; its event says so."""
    assert file.digest is not None
    connection.execute(_RECOGNISED, {"row": file.id, "kind": kind, "hub_id": hub_id})
    told = Told(
        path=file.path,
        name=file.name,
        folder=file.folder,
        size=file.size,
        digest=file.digest,
        kind=kind,
        first_seen_at=file.first_seen_at,
    )
    detail = _TOLD.dump_python(told, mode="json")
    events.record(connection, account, RECORDED, at=at, hub_id=hub_id, also=detail)


def record_gone(connection: Connection, account: str, file: RecordedFile, *, at: datetime) -> None:
    """Have an event tell that a file is gone."""
    gone_at = file.gone_at or at
    events.record(
        connection,
        account,
        GONE,
        at=at,
        hub_id=file.hub_id,
        path=file.path,
        first_seen_at=file.first_seen_at.isoformat(),
        gone_at=gone_at.isoformat(),
    )


def write_file(connection: Connection, account: str, told: Told, hub_id: HubId | None) -> None:
    """Write down a file of which an event tells, or what it was recognised as since."""
    again = (
        update(recorded_file)
        .where(_is(account, told.path, told.first_seen_at))
        .values(kind=told.kind, hub_id=hub_id)
    )
    if connection.execute(again).rowcount:
        return
    values = {"account": account, "hub_id": hub_id, **asdict(told)}
    connection.execute(insert(recorded_file).values(values))


def write_gone(
    connection: Connection, account: str, path: str, first_seen_at: datetime, *, at: datetime
) -> None:
    """Write down what an event tells: that a file is gone."""
    row = _is(account, path, first_seen_at)
    connection.execute(update(recorded_file).where(row).values(gone_at=at))


def _is(account: str, path: str, first_seen_at: datetime) -> ColumnElement[bool]:
    row = recorded_file.c
    return (row.account == account) & (row.path == path) & (row.first_seen_at == first_seen_at)
