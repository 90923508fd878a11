"""Files that stand in our mailbox, and lie in the old one as well: each is tied to its path there.

What a move writes down of them is told by events, from which the same rows follow.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, select, update

from bridge.ledger import deliveries, events, placed_files
from bridge.ledger.placed_files import Kind, PlacedFile
from bridge.ledger.schema import placed_file
from bridge.model import Digest, HubId

TIED = "file tied to the old mailbox"
LAID_READY = "file laid ready in the old mailbox"
PUT = "file put into the old mailbox"
TAKEN_BACK = "file taken back from the old mailbox"
"""The kinds of the events."""

TIES = (TIED, LAID_READY, PUT, TAKEN_BACK)
"""Those that say whether a placed file lies in the old mailbox, too."""

_PARTS = (Kind.INVOICE, Kind.STATE, Kind.ATTACHMENT)


def parts_of(account: str, hub_ids: Sequence[HubId]) -> ColumnElement[bool]:
    """Tell whether a placed file is one of these invoices, or comes with it."""
    row = placed_file.c
    return (row.account == account) & row.hub_id.in_(hub_ids) & row.kind.in_(_PARTS)


def standing_files(
    connection: Connection, account: str, hub_ids: Iterable[HubId]
) -> dict[HubId, list[PlacedFile]]:
    """Return all files that stand in ours of these invoices, in the order of placing."""
    found: dict[HubId, list[PlacedFile]] = {}
    for some in deliveries.batched(list(hub_ids)):
        rows = select(placed_file).where(
            parts_of(account, some),
            placed_file.c.state.in_(["placed", "handing"]),
        )
        for row in connection.execute(rows.order_by(placed_file.c.id)):
            found.setdefault(HubId(row.hub_id), []).append(placed_files.of_row(row))
    return found


def standing_invoices(connection: Connection, account: str) -> list[PlacedFile]:
    """Return the invoices that stand in ours."""
    rows = select(placed_file).where(
        placed_file.c.account == account,
        placed_file.c.kind == Kind.INVOICE,
        placed_file.c.state == "placed",
    )
    return [placed_files.of_row(row) for row in connection.execute(rows.order_by(placed_file.c.id))]


def collected_parts(
    connection: Connection, account: str, hub_ids: Iterable[HubId]
) -> list[PlacedFile]:
    """Return the files that the software has taken of invoices that stand: all but the invoice."""
    found: list[PlacedFile] = []
    for some in deliveries.batched(list(hub_ids)):
        rows = select(placed_file).where(
            parts_of(account, some),
            placed_file.c.state == "collected",
        )
        found += map(placed_files.of_row, connection.execute(rows.order_by(placed_file.c.id)))
    return found


def tied_to(connection: Connection, account: str, paths: Sequence[str]) -> dict[str, PlacedFile]:
    """Return the files that stand in ours, or did, of these paths of the old mailbox."""
    found: dict[str, PlacedFile] = {}
    for start in range(0, len(paths), 500):
        rows = select(placed_file).where(
            placed_file.c.account == account,
            placed_file.c.source.in_(paths[start : start + 500]),
            placed_file.c.removed_at.is_(None),
        )
        for row in connection.execute(rows.order_by(placed_file.c.id)):
            found[row.source] = placed_files.of_row(row)
    return found


def tie(
    connection: Connection,
    account: str,
    file: PlacedFile,
    *,
    source: str,
    digest: Digest,
    kind: str,
    at: datetime,
) -> None:
    """Write down at which path of the old mailbox a placed file lies too; `kind` says since when.

    TIED: it lay there. LAID_READY: it does under a name that nobody reads yet, and does under its
    own from PUT on, or no more from TAKEN_BACK on.
    """
    place = (file.folder, file.name)
    note_tie(connection, account, place, source=source, digest=digest, kind=kind)
    events.record(
        connection,
        account,
        kind,
        at=at,
        hub_id=file.hub_id,
        folder=file.folder,
        name=file.name,
        source=source,
        digest=digest,
    )


def note_tie(
    connection: Connection,
    account: str,
    place: tuple[str, str],
    *,
    source: str,
    digest: Digest,
    kind: str,
) -> None:
    """Write down what one of the events TIES tells of a file."""
    this = and_(
        placed_file.c.account == account,
        placed_file.c.folder == place[0],
        placed_file.c.name == place[1],
    )
    if kind == TAKEN_BACK:
        values = dict.fromkeys(("source", "source_digest", "passing", "removed_at"))
    else:
        passing = {TIED: None, LAID_READY: "ready", PUT: "passed"}[kind]
        values = {"source": source, "source_digest": digest, "passing": passing, "removed_at": None}
    connection.execute(update(placed_file).where(this).values(values))


def laid_ready(connection: Connection, account: str, *, standing: bool) -> list[PlacedFile]:
    """Return the files of which nobody knows whether they have got their name there, in order.

    `standing`: those that stand in ours; else those that have left it since.
    """
    stands = placed_file.c.state == "placed"
    rows = select(placed_file).where(
        placed_file.c.account == account,
        placed_file.c.passing == "ready",
        stands if standing else ~stands,
    )
    return [placed_files.of_row(row) for row in connection.execute(rows.order_by(placed_file.c.id))]
