"""Which archived files may go, and which left on purpose: told by events, so that `verify` misses
no other.

Rows refer to a file by its digest: a delivery (its Facturae and its receipt), an attachment, a file
in the mailbox, a state file. It may go when all of them are done with it:

    delivery, attachment     collected, and acknowledged to the feed that served it
    state message            collected, and its invoice acknowledged
    answer                   collected
    state file               out of `statin`, each update settled, each refusal answered
    file of the old mailbox  its invoice collected and acknowledged, if it belongs to one

An upload that was cut off is done with never; what goes of those is another matter (`cut_offs`).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    Table,
    Text,
    and_,
    case,
    func,
    null,
    or_,
    select,
    type_coerce,
    union_all,
)

from bridge.ledger.placed_files import Kind
from bridge.ledger.schema import (
    ARCHIVED,
    attachment,
    delivery,
    event,
    placed_file,
    recorded_file,
    state_file,
    state_update,
)
from bridge.ledger.state_files import Kind as StateFileKind
from bridge.model import Digest, HubId, UpdateStatus

REMOVED = "archive file removed"
"""The kind of the event; its detail bears the digest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outdated:
    """An archived file that nothing needs any more; `hub_id` is an invoice that it belonged to."""

    digest: Digest
    hub_id: HubId | None


def outdated(connection: Connection, account: str, *, before: datetime) -> list[Outdated]:
    """Return the files of which every row was done before a time, removed already or not."""
    rows = _references(account, before=before).subquery()
    digest, hub_id = rows.c.digest, func.min(rows.c.hub_id)
    found = select(digest, hub_id).group_by(digest).having(func.min(rows.c.done) == 1)
    return [
        Outdated(digest=Digest(digest), hub_id=None if hub_id is None else HubId(hub_id))
        for digest, hub_id in connection.execute(found.order_by(hub_id, digest))
    ]


def removed_digests(connection: Connection, account: str) -> set[Digest]:
    """Return the digests of the files that `keep_archive` has removed.

    One whose bytes came once more since then is in the archive again, and not among them.
    """
    rows = select(event.c.detail["digest"].as_string(), event.c.at).where(
        event.c.account == account, event.c.kind == REMOVED
    )
    removed = {Digest(digest): at for digest, at in connection.execute(rows.order_by(event.c.id))}
    if not removed:
        return set()
    held = _references(account, before=max(removed.values())).subquery()
    last = select(held.c.digest, func.max(held.c.came_at)).group_by(held.c.digest)
    again = {digest for digest, at in connection.execute(last) if at > removed.get(digest, at)}
    return removed.keys() - again


def _references(account: str, *, before: datetime) -> CompoundSelect[Any]:
    """Select each reference to a file: digest, invoice, when it came, whether done (1) before."""
    walked, enclosed = _done(delivery, before), _done(attachment, before)
    known = {
        delivery.c.digest: (delivery.c.fetched_at, walked),
        delivery.c.receipt_digest: (delivery.c.fetched_at, walked),
        attachment.c.digest: (attachment.c.fetched_at, enclosed),
        placed_file.c.digest: (placed_file.c.placing_at, _taken_away(before)),
        state_file.c.digest: (state_file.c.taken_at, _settled(before)),
        recorded_file.c.digest: (recorded_file.c.first_seen_at, _heard(before)),
    }
    return union_all(*(_rows(account, column, *known[column]) for column in ARCHIVED))


def _rows(
    account: str, digest: Column[Any], came_at: Column[Any], done: ColumnElement[bool]
) -> Select[Any]:
    columns = digest.table.c
    return select(
        digest.label("digest"),
        columns.get("hub_id", type_coerce(null(), Text)).label("hub_id"),
        came_at.label("came_at"),
        case((done, 1), else_=0).label("done"),
    ).where(columns.account == account, digest.is_not(None))


def _walked(table: Table, before: datetime) -> ColumnElement[bool]:
    return and_(table.c.collected_at < before, table.c.acknowledged_at < before)


def _done(table: Table, before: datetime) -> ColumnElement[bool]:
    """Tell which rows nobody waits for: what a shadow recorded is done when the other feed is."""
    other = table.alias("other")
    elsewhere = (
        select(other.c.id)
        .where(
            other.c.account == table.c.account,
            other.c.hub_id == table.c.hub_id,
            other.c.feed != table.c.feed,
            other.c.collected_at < before,
            other.c.acknowledged_at < before,
        )
        .exists()
    )
    return or_(_walked(table, before), and_(table.c.fetched_at < before, elsewhere))


def _taken_away(before: datetime) -> ColumnElement[bool]:
    """Tell which files the software took from the mailbox, their invoice acknowledged."""
    acknowledged = (
        select(delivery.c.id)
        .where(
            delivery.c.account == placed_file.c.account,
            delivery.c.hub_id == placed_file.c.hub_id,
            _walked(delivery, before),
        )
        .exists()
    )
    answers = placed_file.c.kind.in_([Kind.ANSWER, Kind.FILE])
    return and_(placed_file.c.collected_at < before, or_(answers, acknowledged))


def _heard(before: datetime) -> ColumnElement[bool]:
    """Tell which files of the old mailbox nobody asks about: no comparison does without a shadow.

    What only the old mailbox showed stays.
    """
    served = (
        select(delivery.c.id)
        .where(
            delivery.c.account == recorded_file.c.account,
            delivery.c.hub_id == recorded_file.c.hub_id,
            _walked(delivery, before),
        )
        .exists()
    )
    of_none = recorded_file.c.hub_id.is_(None)
    return and_(recorded_file.c.first_seen_at < before, or_(of_none, served))


def _settled(before: datetime) -> ColumnElement[bool]:
    """Tell which state files nobody will ask about again."""
    settled_at, answered_at = state_update.c.settled_at, state_update.c.answered_at
    unanswered = or_(answered_at.is_(None), answered_at >= before)
    is_open = (
        select(state_update.c.id)
        .where(
            state_update.c.state_file == state_file.c.id,
            or_(
                settled_at.is_(None),
                settled_at >= before,
                and_(state_update.c.status == UpdateStatus.REFUSED, unanswered),
            ),
        )
        .exists()
    )
    return and_(state_file.c.kind != StateFileKind.CUT_OFF, state_file.c.left_at < before, ~is_open)
