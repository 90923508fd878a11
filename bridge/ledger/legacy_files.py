"""Files of the old mailbox while its feed serves: from what was recorded into ours.

A recorded file is placed once: the placed file bears its path as `source`. How it leaves the old
mailbox, see `legacy_removals`.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    bindparam,
    func,
    select,
    update,
)

from bridge.ledger import deliveries, file_events, placed_files, recorded_files
from bridge.ledger.placed_files import Kind, PlacedFile
from bridge.ledger.recorded_files import RecordedFile
from bridge.ledger.schema import attachment, delivery, placed_file, recorded_file
from bridge.ledger.walk import state_of
from bridge.model import Digest, FeedName, HubId
from bridge.naming import Folder
from bridge.old_files.file import FileKind

TAKEN = "files taken from the old mailbox"
"""The kind of the event."""

FEED = FeedName.LEGACY

SHOWN = (Folder.OUT, Folder.ADJOUT, Folder.STATOUT)
"""The folders of the old mailbox that the software reads."""

_ATTRIBUTED = {FileKind.INVOICE: Kind.INVOICE, FileKind.STATE: Kind.STATE}
_AT = bindparam("at", type_=delivery.c.fetched_at.type)


def to_place(connection: Connection, account: str) -> list[RecordedFile]:
    """Return what lies in the old mailbox for the software and never was in ours, oldest first."""
    was_ours = (
        select(placed_file.c.id)
        .where(
            placed_file.c.account == account,
            placed_file.c.source == recorded_file.c.path,
            func.coalesce(placed_file.c.source_digest, placed_file.c.digest)
            == recorded_file.c.digest,
        )
        .exists()
    )
    rows = select(recorded_file).where(
        recorded_file.c.account == account,
        recorded_file.c.gone_at.is_(None),
        recorded_file.c.digest.is_not(None),
        recorded_file.c.kind.is_not(None),
        recorded_file.c.kind != FileKind.ISSUED,
        recorded_file.c.folder.in_(SHOWN),
        ~recorded_file.c.path.startswith(f"{recorded_files.ASIDE}/", autoescape=True),
        ~was_ours,
    )
    return list(recorded_files.rows_of(connection, rows.order_by(recorded_file.c.id)))


def unread_since(connection: Connection, account: str, since: datetime) -> list[RecordedFile]:
    """Return what was first seen after that time and could not be read so far."""
    rows = select(recorded_file).where(
        recorded_file.c.account == account,
        recorded_file.c.gone_at.is_(None),
        recorded_file.c.digest.is_(None),
        recorded_file.c.folder.in_(SHOWN),
        recorded_file.c.first_seen_at > since,
    )
    return list(recorded_files.rows_of(connection, rows))


def invoices_of(connection: Connection, account: str, hub_id: HubId) -> list[PlacedFile]:
    """Return the invoice's files that came through the old mailbox, wherever they are now."""
    rows = select(placed_file).where(
        placed_file.c.account == account,
        placed_file.c.hub_id == hub_id,
        placed_file.c.kind == Kind.INVOICE,
        placed_file.c.feed == FEED,
    )
    return [placed_files.of_row(row) for row in connection.execute(rows)]


def second_ones(connection: Connection, account: str) -> list[str]:
    """Return the paths of second files of invoices that the software has, or is offered."""
    placed = select(placed_file.c.id).where(
        placed_file.c.account == account, placed_file.c.source == recorded_file.c.path
    )
    first = select(delivery.c.id).where(
        delivery.c.account == account,
        delivery.c.hub_id == recorded_file.c.hub_id,
        delivery.c.feed == FEED,
        delivery.c.placed_at.is_not(None),
        (delivery.c.digest != recorded_file.c.digest) | (delivery.c.name != recorded_file.c.name),
    )
    has_digest = func.coalesce(placed_file.c.source_digest, placed_file.c.digest)
    rows = select(recorded_file.c.path).where(
        recorded_file.c.account == account,
        recorded_file.c.gone_at.is_(None),
        recorded_file.c.kind == FileKind.INVOICE,
        recorded_file.c.folder == Folder.OUT,
        ~placed.where(has_digest == recorded_file.c.digest).exists(),
        first.exists(),
    )
    return list(connection.scalars(rows.order_by(recorded_file.c.path)))


def had_elsewhere(connection: Connection, account: str, hub_id: HubId) -> bool:
    """Tell whether the mailbox has or had an invoice that did not come through the old mailbox."""
    through_old = (
        select(placed_file.c.id)
        .where(
            placed_file.c.account == account,
            placed_file.c.hub_id == hub_id,
            placed_file.c.feed == FEED,
            placed_file.c.kind == Kind.INVOICE,
        )
        .exists()
    )
    had = select(delivery.c.id).where(
        delivery.c.account == account,
        delivery.c.hub_id == hub_id,
        delivery.c.placed_at.is_not(None),
        ~through_old,
    )
    return connection.execute(had.limit(1)).first() is not None


def is_free(connection: Connection, account: str, file: PlacedFile) -> bool:
    """Tell whether the name of a file is free in ours: what stands under it is collected first."""
    lying = select(placed_file.c.id).where(
        placed_file.c.account == account,
        placed_file.c.folder == file.folder,
        placed_file.c.name == file.name,
        placed_file.c.state != "collected",
    )
    return connection.execute(lying.limit(1)).first() is None


def taken(
    connection: Connection, account: str, files: Sequence[PlacedFile], *, at: datetime
) -> None:
    """These files are about to be placed: their invoices and attachments are on their way."""
    for file in files:
        if file.kind is Kind.INVOICE and file.hub_id:
            mine = _mine(delivery, account, file.hub_id)
            connection.execute(
                update(delivery)
                .where(mine)
                .values(
                    fetched_at=func.coalesce(delivery.c.fetched_at, _AT),
                    state=state_of(delivery, reached=["fetched_at"]),
                ),
                {"at": at},
            )
        if file.kind is Kind.ATTACHMENT and file.hub_id and file.attachment_id:
            mine = _mine(attachment, account, file.hub_id)
            connection.execute(
                update(attachment)
                .where(mine, attachment.c.attachment_id == file.attachment_id)
                .values(
                    fetched_at=func.coalesce(attachment.c.fetched_at, _AT),
                    state=state_of(attachment, reached=["fetched_at"]),
                ),
                {"at": at},
            )


def recognise(
    connection: Connection,
    account: str,
    file: RecordedFile,
    *,
    kind: FileKind,
    hub_id: HubId | None,
    at: datetime,
) -> None:
    """Note what a file turned out to be, or that nobody can tell; also of what was placed as it."""
    file_events.recognise(connection, account, file, kind=kind, hub_id=hub_id, at=at)
    assert file.digest is not None
    attribute(connection, account, path=file.path, digest=file.digest, kind=kind, hub_id=hub_id)


def attribute(
    connection: Connection,
    account: str,
    *,
    path: str,
    digest: Digest,
    kind: FileKind,
    hub_id: HubId | None,
) -> None:
    """It is known by now what a file is that was placed when nobody could tell.

    What has become of it since counts for its invoice: one that was collected without a hub id is
    never offered again under it.
    """
    if hub_id is None or kind not in _ATTRIBUTED:
        return
    row = connection.execute(
        select(placed_file).where(
            placed_file.c.account == account,
            placed_file.c.source == path,
            placed_file.c.digest == digest,
            placed_file.c.kind == Kind.FILE,
        )
    ).first()
    if row is None:
        return
    values = {"kind": _ATTRIBUTED[kind], "hub_id": hub_id}
    connection.execute(update(placed_file).where(placed_file.c.id == row.id).values(values))
    if kind is not FileKind.INVOICE:
        return
    for step, at in (
        (deliveries.placed, row.placed_at),
        (deliveries.collected, row.collected_at),
        (deliveries.acknowledged, row.removed_at),
    ):
        if at is not None:
            step(connection, account, FEED, hub_id, at=at)


def nameless(connection: Connection, account: str) -> list[RecordedFile]:
    """Return what came into `out` of ours and of which nobody could tell the hub id so far."""
    placed = select(placed_file.c.source).where(
        placed_file.c.account == account,
        placed_file.c.folder == Folder.OUT,
        placed_file.c.kind == Kind.FILE,
        placed_file.c.digest == recorded_file.c.digest,
    )
    rows = select(recorded_file).where(
        recorded_file.c.account == account,
        recorded_file.c.kind == FileKind.UNKNOWN,
        recorded_file.c.folder == Folder.OUT,
        recorded_file.c.path.in_(placed),
    )
    return list(recorded_files.rows_of(connection, rows.order_by(recorded_file.c.id)))


def _mine(table: Table, account: str, hub_id: HubId) -> ColumnElement[bool]:
    return and_(table.c.account == account, table.c.feed == FEED, table.c.hub_id == hub_id)
