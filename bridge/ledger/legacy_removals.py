"""Files that leave the old mailbox while its feed serves.

The bridge removes what it has: the placed file's `removed_at` says so, which is the acknowledgement
of this feed. What goes from there in another way was collected there.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select, update

from bridge.ledger import (
    attachments,
    deliveries,
    events,
    file_events,
    placed_files,
    recorded_files,
    recordings,
)
from bridge.ledger.legacy_files import FEED, SHOWN
from bridge.ledger.placed_files import Kind, PlacedFile
from bridge.ledger.schema import placed_file, recorded_file
from bridge.naming import Folder

REMOVED = "file removed from the old mailbox"
COLLECTED_THERE = "file taken back: collected in the old mailbox"
"""The kinds of the events; the last one only says why."""


def to_remove(connection: Connection, account: str, *, stored: bool) -> list[PlacedFile]:
    """Return what can go from the old mailbox: what was collected, or all that is safe here."""
    states = ["placed", "collected"] if stored else ["collected"]
    return _placed(connection, account, placed_file.c.state.in_(states) & _untold())


def went_there(connection: Connection, account: str) -> list[PlacedFile]:
    """Return what lies in ours and was taken from the old mailbox by somebody else."""
    return _placed(
        connection,
        account,
        (placed_file.c.state == "placed") & _untold() & ~_recorded(account, there=True),
        _recorded(account, there=False),
    )


def missing_there(connection: Connection, account: str, *, put: bool) -> list[PlacedFile]:
    """Return what lies in ours and was offered there too, and no listing shows there any more.

    `put`: also what a move has put there.
    """
    passing = placed_file.c.passing
    ours = (
        (placed_file.c.state == "placed")
        & _untold()
        & (passing.is_distinct_from("ready") if put else passing.is_(None))
    )
    return _placed(connection, account, ours & ~_recorded(account, there=True, shown=True))


def surely_collected(
    connection: Connection, account: str, went: Sequence[PlacedFile]
) -> list[PlacedFile]:
    """Return those of which the old mailbox tells that they were collected, not that it is ill.

    It does where their folder shows a file that it showed beside them; what belongs to an invoice
    follows it. A file that came later says nothing, nor does one at a path from which one had gone
    before: another mailbox may have stood there meanwhile.
    """
    oldest = oldest_there(connection, account)

    def is_credible(file: PlacedFile) -> bool:
        still = oldest.get(file.folder)
        return still is not None and still <= _last_seen_at(connection, account, file)

    sure = [file for file in went if is_credible(file)]
    invoices = {file.hub_id for file in sure if file.kind is Kind.INVOICE and file.hub_id}
    return [file for file in went if file in sure or file.hub_id in invoices]


def oldest_there(connection: Connection, account: str) -> dict[Folder, datetime]:
    """Return since when each folder has shown what it shows, and has had all the time."""
    earlier = recorded_file.alias()
    # In one list, not asked for each path: there is no index by path of what has gone.
    had_gone = select(earlier.c.path).where(
        earlier.c.account == account, earlier.c.gone_at.is_not(None)
    )
    rows = select(recorded_file.c.folder, func.min(recorded_file.c.first_seen_at)).where(
        recorded_file.c.account == account,
        recorded_file.c.gone_at.is_(None),
        recorded_file.c.last_seen_at.is_(None),
        recorded_file.c.folder.in_(SHOWN),
        recorded_file.c.path.not_in(had_gone),
    )
    found = connection.execute(rows.group_by(recorded_file.c.folder))
    return {Folder(folder): oldest for folder, oldest in found}


def _last_seen_at(connection: Connection, account: str, file: PlacedFile) -> datetime:
    """Return when a file that has gone was there for the last time."""
    seen = func.coalesce(recorded_file.c.last_seen_at, recorded_file.c.gone_at)
    when: datetime | None = connection.scalar(
        select(func.max(seen)).where(
            recorded_file.c.account == account,
            recorded_file.c.path == file.source,
            recorded_file.c.gone_at.is_not(None),
        )
    )
    assert when is not None
    return when


def remove(connection: Connection, account: str, file: PlacedFile, *, at: datetime) -> None:
    """Write down that a file is no longer in the old mailbox, because we have it."""
    events.record(
        connection,
        account,
        REMOVED,
        at=at,
        hub_id=file.hub_id,
        folder=file.folder,
        name=file.name,
    )
    removed(connection, account, file, at=at)
    known = recorded_files.there(connection, account, path=file.source).get(file.source or "")
    if known is None or known.digest != file.digest_there:
        return
    recorded_files.gone(connection, known.id, at=at)
    file_events.record_gone(connection, account, known, at=at)
    hub_id = file.hub_id if file.kind is Kind.INVOICE else None
    if hub_id and not recorded_files.shows(connection, account, hub_id):
        recordings.lose(connection, account, FEED, hub_id, at=at)


def removed(connection: Connection, account: str, file: PlacedFile, *, at: datetime) -> None:
    """A file was removed from the old mailbox: its feed offers it no longer."""
    connection.execute(update(placed_file).where(placed_file.c.id == file.id).values(removed_at=at))
    if file.kind is Kind.INVOICE and file.hub_id:
        deliveries.acknowledged(connection, account, FEED, file.hub_id, at=at)
    if file.kind is Kind.ATTACHMENT and file.hub_id:
        for row in attachments.of_invoice(connection, account, FEED, file.hub_id):
            if row.attachment_id == file.attachment_id:
                attachments.acknowledged(connection, row.id, at=at)


def _placed(connection: Connection, account: str, *wanted: ColumnElement[bool]) -> list[PlacedFile]:
    rows = select(placed_file).where(
        placed_file.c.account == account, placed_file.c.source.is_not(None), *wanted
    )
    found = connection.execute(rows.order_by(placed_file.c.id))
    return [placed_files.of_row(row) for row in found]


def _untold() -> ColumnElement[bool]:
    return placed_file.c.removed_at.is_(None)


def _recorded(account: str, *, there: bool, shown: bool = False) -> ColumnElement[bool]:
    """Tell whether the old mailbox has something at the path of a placed file, or had.

    `shown`: the last listing had it, too.
    """
    gone = recorded_file.c.gone_at
    rows = select(recorded_file.c.id).where(
        recorded_file.c.account == account,
        recorded_file.c.path == placed_file.c.source,
        gone.is_(None) if there else gone.is_not(None),
    )
    if shown:
        rows = rows.where(recorded_file.c.last_seen_at.is_(None))
    return rows.exists()
