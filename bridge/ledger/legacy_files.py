"""Files of the old mailbox while its feed serves: from what was recorded into ours, and back.

A recorded file is placed once: the placed file bears its path as `source`. When it was removed
from the old mailbox, by the bridge, its `removed_at` says so: that is the acknowledgement of this
feed. What went from there in another way was collected there.
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

from bridge.ledger import attachments, deliveries, events, placed_files, recorded_files, recordings
from bridge.ledger.placed_files import Kind, PlacedFile
from bridge.ledger.recorded_files import RecordedFile
from bridge.ledger.schema import attachment, delivery, placed_file, recorded_file
from bridge.ledger.walk import state_of
from bridge.model import Digest, FeedName, HubId
from bridge.naming import Folder
from bridge.old_file import FileKind

TAKEN = "files taken from the old mailbox"
REMOVED = "file removed from the old mailbox"
COLLECTED_THERE = "file taken back: collected in the old mailbox"
"""The kinds of the events; the last one only says why."""

FEED = FeedName.LEGACY

_SHOWN = (Folder.OUT, Folder.ADJOUT, Folder.STATOUT)
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
        recorded_file.c.folder.in_(_SHOWN),
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
        recorded_file.c.folder.in_(_SHOWN),
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
    recorded_files.recognise(connection, account, file, kind=kind, hub_id=hub_id, at=at)
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


def surely_collected(
    connection: Connection, account: str, went: Sequence[PlacedFile]
) -> list[PlacedFile]:
    """Return those of which the old mailbox tells that they were collected, not that it is ill.

    It does where their folder still shows a file that lay there when they went; what belongs to an
    invoice follows it.
    """
    oldest = _oldest_there(connection, account)

    def is_credible(file: PlacedFile) -> bool:
        still = oldest.get(file.folder)
        return still is not None and still < _gone_at(connection, account, file)

    sure = [file for file in went if is_credible(file)]
    invoices = {file.hub_id for file in sure if file.kind is Kind.INVOICE and file.hub_id}
    return [file for file in went if file in sure or file.hub_id in invoices]


def _oldest_there(connection: Connection, account: str) -> dict[Folder, datetime]:
    """Return since when each folder has shown what it shows."""
    rows = select(recorded_file.c.folder, recorded_file.c.first_seen_at).where(
        recorded_file.c.account == account,
        recorded_file.c.gone_at.is_(None),
        recorded_file.c.last_seen_at.is_(None),
        recorded_file.c.folder.in_(_SHOWN),
    )
    found: dict[Folder, datetime] = {}
    for row in connection.execute(rows.order_by(recorded_file.c.first_seen_at)):
        found.setdefault(Folder(row.folder), row.first_seen_at)
    return found


def _gone_at(connection: Connection, account: str, file: PlacedFile) -> datetime:
    when: datetime | None = connection.scalar(
        select(func.max(recorded_file.c.gone_at)).where(
            recorded_file.c.account == account, recorded_file.c.path == file.source
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
    recorded_files.record_gone(connection, account, known, at=at)
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


def _recorded(account: str, *, there: bool) -> ColumnElement[bool]:
    """Tell whether the old mailbox shows something at the path of a placed file, or did."""
    gone = recorded_file.c.gone_at
    return (
        select(recorded_file.c.id)
        .where(
            recorded_file.c.account == account,
            recorded_file.c.path == placed_file.c.source,
            gone.is_(None) if there else gone.is_not(None),
        )
        .exists()
    )


def _mine(table: Table, account: str, hub_id: HubId) -> ColumnElement[bool]:
    return and_(table.c.account == account, table.c.feed == FEED, table.c.hub_id == hub_id)
