"""Where each invoice stands: what the ledger knows of it through both feeds, for a move.

One look at all of an account; memory stays as large as what stands in a mailbox at present,
however long the past is.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, or_, select

from bridge.flood import Happening
from bridge.ledger import moves
from bridge.ledger.handing import LACKING
from bridge.ledger.legacy_removals import oldest_there
from bridge.ledger.moves import MoveKind
from bridge.ledger.placed_files import Kind
from bridge.ledger.recorded_files import ASIDE
from bridge.ledger.schema import delivery, event, placed_file, recorded_file
from bridge.model import DeliveryState, FeedName, HubId, State
from bridge.naming import Folder
from bridge.old_files.file import FileKind

FETCHED = str(Happening.FETCH)

STANDING = ("placing", "placed")
"""The states of a placed file that the software can see, or may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One invoice: where it is, and what is known of it."""

    hub_id: HubId
    collected: bool = False
    """The software has it, through whichever feed, or from before."""
    collected_at: datetime | None = None
    handed: bool = False
    """A rollback put it into a folder, to be imported from there."""
    handing: bool = False
    """A rollback has begun to."""
    in_mailbox: tuple[FeedName, ...] = ()
    """The feeds that placed what stands in ours: one entry for each name in `out`."""
    in_old: tuple[str, ...] = ()
    """Its invoice files in the old mailbox, by path."""
    passing: bool = False
    """A move has begun to put it into the old mailbox."""
    gone_from_old: bool = False
    """The old mailbox showed its file once, and two listings in a row do not; while REST served,
    nobody was to take it there, and it does not count."""
    gone_at: datetime | None = None
    """When that was found."""
    vanished: bool = False
    """It has gone from there with all that lay there: perhaps another folder stands there."""
    differs: bool = False
    """The two feeds gave other bytes."""
    seen_at: datetime | None = None
    """When either feed gave it first."""
    to_be_brought: bool = False
    """The ledger has REST bring it, listed or not."""
    leaving: bool = False
    """It was collected from ours: all of it is about to leave the old mailbox, or stays there by
    the account's policy only."""
    held: bool = False
    """A person must say whether the software has it."""
    lacking: bool = False
    """A person has said that it does not."""
    no_longer_lacking: bool = False
    """A person has said so, and what has happened since may mean that it does by now."""
    listed: bool = False
    """The hub's pending list shows it now."""
    shown: State | None = None
    """What the hub shows, where it was asked."""
    shown_since: datetime | None = None
    """Since when, where the hub says so."""
    unknown_to_hub: bool = False
    """The hub was asked, and does not know it."""
    in_hands: bool = False
    """It was fetched through a door, and has not been deleted since."""


def standings(connection: Connection, account: str) -> Iterator[Standing]:
    """Yield every invoice that either feed has ever given, in no order that means anything."""
    ours, theirs = _in_mailbox(connection, account), _in_old(connection, account)
    since, still = _rolled_back_at(connection, account), oldest_there(connection, account)
    rows = (
        select(
            delivery.c.hub_id,
            delivery.c.feed,
            delivery.c.digest,
            delivery.c.recorded_at,
            delivery.c.collected_at,
            delivery.c.handed_at,
            delivery.c.held_at,
            delivery.c.gone_at,
            delivery.c.seen_at,
            delivery.c.state,
        )
        .where(delivery.c.account == account)
        .order_by(delivery.c.hub_id)
    )
    known: Iterator[Row[Any]] = iter(connection.execute(rows.execution_options(yield_per=1000)))
    for hub_id, together in groupby(known, key=lambda row: row.hub_id):
        yield _standing(
            HubId(hub_id),
            list(together),
            ours.pop(hub_id, ()),
            tuple(theirs.pop(hub_id, ())),
            since=since,
            still=still.get(Folder.OUT),
        )
    for hub_id, paths in theirs.items():
        yield Standing(hub_id=HubId(hub_id), in_old=tuple(paths))


def _standing(
    hub_id: HubId,
    rows: Sequence[Row[Any]],
    ours: Sequence[Row[Any]],
    theirs: tuple[str, ...],
    *,
    since: datetime | None,
    still: datetime | None,
) -> Standing:
    legacy = next((row for row in rows if row.feed == FeedName.LEGACY), None)
    rest = next((row for row in rows if row.feed == FeedName.REST), None)
    collected = [row.collected_at for row in rows if row.collected_at is not None]
    digests = {row.digest for row in rows if row.digest is not None}
    standing = [row for row in ours if row.state in STANDING]
    collected_here = {row.source for row in ours if row.state == "collected"}
    gone_at = _gone_at(legacy, since) if legacy is not None and not theirs else None
    is_sure = gone_at is not None and still is not None and still < gone_at
    return Standing(
        hub_id=hub_id,
        collected=bool(collected),
        collected_at=min(collected, default=None),
        handed=any(row.handed_at is not None for row in rows),
        handing=any(row.state == "handing" for row in ours),
        in_mailbox=tuple(FeedName(row.feed) for row in standing),
        in_old=theirs,
        passing=any(row.passing == "ready" for row in ours),
        gone_from_old=gone_at is not None and is_sure,
        gone_at=gone_at,
        vanished=gone_at is not None and not is_sure,
        differs=len(digests) > 1,
        seen_at=min(row.seen_at for row in rows),
        to_be_brought=rest is not None and rest.state == DeliveryState.SEEN and not rest.held_at,
        leaving=bool(collected_here) and set(theirs) <= collected_here,
        held=any(row.held_at is not None for row in rows),
    )


def _gone_at(legacy: Row[Any], since: datetime | None) -> datetime | None:
    """Return when what the old mailbox had given went from there, if it did while it served."""
    if legacy.digest is None or legacy.recorded_at is None or legacy.gone_at is None:
        return None
    gone_at: datetime = legacy.gone_at
    return gone_at if since is None or gone_at >= since else None


def _rolled_back_at(connection: Connection, account: str) -> datetime | None:
    """Return since when REST serves no longer, where it has."""
    last = moves.last(connection, account, MoveKind.ROLLBACK)
    return last.switched_at if last is not None else None


def _in_mailbox(connection: Connection, account: str) -> dict[str, list[Row[Any]]]:
    """Return the invoices that stand in ours, or are on their way, by hub id."""
    rows = select(
        placed_file.c.hub_id,
        placed_file.c.feed,
        placed_file.c.state,
        placed_file.c.source,
        placed_file.c.passing,
    ).where(
        placed_file.c.account == account,
        placed_file.c.kind == Kind.INVOICE,
        or_(
            placed_file.c.state.in_([*STANDING, "handing"]),
            # collected, and not yet removed from the old mailbox
            and_(
                placed_file.c.state == "collected",
                placed_file.c.source.is_not(None),
                placed_file.c.removed_at.is_(None),
            ),
        ),
    )
    found: dict[str, list[Row[Any]]] = {}
    standing: Iterator[Row[Any]] = iter(connection.execute(rows))
    for row in standing:
        found.setdefault(row.hub_id, []).append(row)
    return found


def _in_old(connection: Connection, account: str) -> dict[str, list[str]]:
    """Return the paths of the invoices that lie in the old mailbox, by hub id."""
    rows = select(recorded_file.c.hub_id, recorded_file.c.path).where(
        _offered_there(account), recorded_file.c.hub_id.is_not(None)
    )
    found: dict[str, list[str]] = {}
    for hub_id, path in connection.execute(rows.order_by(recorded_file.c.id)):
        found.setdefault(hub_id, []).append(path)
    return found


def _offered_there(account: str) -> ColumnElement[bool]:
    return (
        (recorded_file.c.account == account)
        & (recorded_file.c.kind == FileKind.INVOICE)
        & recorded_file.c.gone_at.is_(None)
        & recorded_file.c.last_seen_at.is_(None)
        # What lies aside, as after an earlier rollback, is offered to nobody.
        & (recorded_file.c.folder == Folder.OUT)
        & ~recorded_file.c.path.startswith(f"{ASIDE}/", autoescape=True)
    )


def unknown_files(connection: Connection, account: str) -> list[str]:
    """Return the paths of the files in the old mailbox that nobody can attribute."""
    rows = select(recorded_file.c.path).where(
        recorded_file.c.account == account,
        recorded_file.c.gone_at.is_(None),
        recorded_file.c.last_seen_at.is_(None),
        recorded_file.c.kind == FileKind.UNKNOWN,
        recorded_file.c.folder.in_([Folder.OUT, Folder.ADJOUT, Folder.STATOUT]),
    )
    return list(connection.scalars(rows.order_by(recorded_file.c.path)))


_FETCHES = select(event.c.number, event.c.hub_id, event.c.kind, event.c.detail).where(
    event.c.account == bindparam("account"),
    event.c.hub_id.in_(bindparam("hub_ids", expanding=True)),
    event.c.kind.in_([FETCHED, LACKING]),
)

_AT_ONCE = 500
"""Invoices that one statement asks for."""


def fetched(connection: Connection, account: str, names: Mapping[HubId, str]) -> set[HubId]:
    """Return which of these invoices were fetched through a door, under these names in `out`."""
    found: set[HubId] = set()
    hub_ids = list(names)
    for start in range(0, len(hub_ids), _AT_ONCE):
        some = {"account": account, "hub_ids": hub_ids[start : start + _AT_ONCE]}
        # Put in order here: ORDER BY would have SQLite go through all events of the account.
        rows = sorted(connection.execute(_FETCHES, some), key=lambda row: row.number)
        for row in rows:
            hub_id = HubId(row.hub_id)
            if row.kind == LACKING:
                found.discard(hub_id)  # a person says that it came to nothing
            elif (row.detail.get("folder"), row.detail.get("name")) == (Folder.OUT, names[hub_id]):
                found.add(hub_id)
    return found
