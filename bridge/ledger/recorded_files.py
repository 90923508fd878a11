"""Every file that the old mailbox showed, with its bytes in the archive.

A row begins when a file was read and archived, and gets its kind once all files of that look are
read: then the event `file recorded` tells of it. Other bytes under the same path are a further
row. A file that could not be read has a row without a digest until it can.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    delete,
    insert,
    select,
    update,
)

from bridge.ledger.among import among
from bridge.ledger.schema import recorded_file
from bridge.model import Digest, HubId
from bridge.naming import Folder
from bridge.old_files.file import FileKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A file as a listing showed it."""

    path: str
    name: str
    folder: Folder | None
    size: int | None
    modified_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedFile(Shown):
    """A file as it was recorded."""

    id: int
    digest: Digest | None
    kind: FileKind | None
    hub_id: HubId | None
    first_seen_at: datetime
    last_seen_at: datetime | None
    gone_at: datetime | None
    attempts: int
    next_attempt_at: datetime | None
    trouble: str | None


# Built once: a statement made anew for each file costs more than running it.
_ADD = insert(recorded_file)


def there(
    connection: Connection, account: str, *, path: str | None = None
) -> dict[str, RecordedFile]:
    """Return the files that are still there, as far as is known, by path; or the one of a path."""
    rows = select(recorded_file).where(_mine(account), recorded_file.c.gone_at.is_(None))
    if path is not None:
        rows = rows.where(recorded_file.c.path == path)
    return {file.path: file for file in rows_of(connection, rows)}


ASIDE = "collected-by-rest"
"""The folder of the old mailbox into which a rollback moves what was collected already."""


def of_invoices(
    connection: Connection, account: str, hub_ids: Iterable[HubId]
) -> dict[HubId, list[RecordedFile]]:
    """Return the files that the old mailbox offers of these invoices, oldest first."""
    found: dict[HubId, list[RecordedFile]] = {}
    theirs = among(recorded_file.c.hub_id, hub_ids) & recorded_file.c.gone_at.is_(None)
    rows = select(recorded_file).where(_mine(account), theirs)
    for file in rows_of(connection, rows.order_by(recorded_file.c.id)):
        if file.hub_id is not None and not is_aside(file.path):
            found.setdefault(file.hub_id, []).append(file)
    return found


def is_aside(path: str) -> bool:
    """Tell whether a file lies where a rollback has moved it: it is offered to nobody."""
    return path.startswith(f"{ASIDE}/")


def unsettled(connection: Connection, account: str) -> list[RecordedFile]:
    """Return the files that were read and that nobody could attribute so far, oldest first."""
    kind = recorded_file.c.kind
    open_ones = kind.is_(None) | (kind == FileKind.UNKNOWN)
    read = recorded_file.c.digest.is_not(None)
    rows = select(recorded_file).where(_mine(account), open_ones, read)
    return list(rows_of(connection, rows.order_by(recorded_file.c.id)))


def messages_of(connection: Connection, account: str, hub_ids: Iterable[HubId]) -> set[Digest]:
    """Return the state messages of these invoices."""
    rows = select(recorded_file.c.digest).where(
        _mine(account),
        among(recorded_file.c.hub_id, hub_ids),
        recorded_file.c.kind == FileKind.STATE,
    )
    return set(map(Digest, connection.scalars(rows)))


def unrecognised(connection: Connection, account: str) -> list[str]:
    """Return the names of files that are there and that nobody could attribute."""
    rows = select(recorded_file.c.path).where(
        _mine(account),
        recorded_file.c.kind == FileKind.UNKNOWN,
        recorded_file.c.gone_at.is_(None),
    )
    return list(connection.scalars(rows.order_by(recorded_file.c.path)))


def unread(connection: Connection, account: str) -> list[tuple[str, str]]:
    """Return the paths of files that could not be read, and why."""
    rows = select(recorded_file.c.path, recorded_file.c.trouble).where(
        _mine(account),
        recorded_file.c.gone_at.is_(None),
        recorded_file.c.trouble.is_not(None),
    )
    return [(row.path, row.trouble) for row in connection.execute(rows.order_by("path"))]


def add(
    connection: Connection,
    account: str,
    shown: Shown,
    digest: Digest,
    *,
    at: datetime,
    unread: RecordedFile | None = None,
) -> None:
    """A file was read, and its bytes are in the archive; it takes the place of an unread one."""
    if unread is not None:
        forget(connection, unread)
    row = {"account": account, "digest": digest, "first_seen_at": at}
    connection.execute(_ADD, row | _columns(shown))


def touched(connection: Connection, file: RecordedFile, shown: Shown) -> None:
    """A file was read once more and has the same bytes: only its time is another."""
    _set(connection, [file.id], modified_at=shown.modified_at, size=shown.size)


def shows(connection: Connection, account: str, hub_id: HubId) -> bool:
    """Tell whether the old mailbox still shows a file of this invoice."""
    rows = select(recorded_file.c.id).where(
        _mine(account),
        recorded_file.c.hub_id == hub_id,
        recorded_file.c.kind == FileKind.INVOICE,
        recorded_file.c.gone_at.is_(None),
    )
    return connection.execute(rows.limit(1)).first() is not None


def failed(
    connection: Connection,
    account: str,
    shown: Shown,
    known: RecordedFile | None,
    *,
    trouble: str,
    next_attempt_at: datetime,
    at: datetime,
) -> None:
    """A file could not be read; it is tried again at that time."""
    values = {"trouble": trouble, "next_attempt_at": next_attempt_at}
    if known is None:
        connection.execute(
            insert(recorded_file).values(
                account=account, first_seen_at=at, attempts=1, **_columns(shown), **values
            )
        )
    else:
        _set(connection, [known.id], attempts=known.attempts + 1, **values)


def missed(connection: Connection, files: Iterable[RecordedFile], *, last: datetime) -> None:
    """The newest listing does not show these; the one before, at that time, did."""
    _set(connection, [file.id for file in files], last_seen_at=last)


def shown_again(connection: Connection, files: Iterable[RecordedFile]) -> None:
    """The newest listing shows what the one before did not."""
    _set(connection, [file.id for file in files], last_seen_at=None)


def gone(connection: Connection, file_id: int, *, at: datetime) -> None:
    """The file is no longer there, or has other bytes."""
    _set(connection, [file_id], gone_at=at)


def forget(connection: Connection, file: RecordedFile) -> None:
    """A file that was never read is no longer there: there is nothing to keep of it."""
    connection.execute(delete(recorded_file).where(recorded_file.c.id == file.id))


def _mine(account: str) -> ColumnElement[bool]:
    return recorded_file.c.account == account


def _columns(shown: Shown) -> dict[str, object]:
    return {
        "path": shown.path,
        "name": shown.name,
        "folder": shown.folder,
        "size": shown.size,
        "modified_at": shown.modified_at,
    }


def _set(connection: Connection, ids: list[int], **values: object) -> None:
    these = among(recorded_file.c.id, ids)
    connection.execute(update(recorded_file).where(these).values(**values))


def rows_of(connection: Connection, rows: Select[Any]) -> Iterator[RecordedFile]:
    """Return the recorded files that are selected."""
    return map(_file, connection.execute(rows))


def _file(row: Row[Any]) -> RecordedFile:
    return RecordedFile(
        id=row.id,
        path=row.path,
        name=row.name,
        folder=None if row.folder is None else Folder(row.folder),
        size=row.size,
        modified_at=row.modified_at,
        digest=row.digest,
        kind=None if row.kind is None else FileKind(row.kind),
        hub_id=row.hub_id,
        first_seen_at=row.first_seen_at,
        last_seen_at=row.last_seen_at,
        gone_at=row.gone_at,
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at,
        trouble=row.trouble,
    )
