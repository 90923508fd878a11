"""Questions about the ledger as a whole, for people and monitors; nothing here writes.

The answers bear the names of their columns. An invoice counts once, at the furthest step that a
delivery of it has come; what a shadow feed only recorded does not count.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    case,
    false,
    func,
    or_,
    select,
)

from bridge.ledger.placed_files import Kind as FileKind
from bridge.ledger.rows import answers, fill, updates_with_file
from bridge.ledger.schema import (
    account,
    attachment,
    component,
    delivery,
    placed_file,
    state_update,
)
from bridge.ledger.updates import Outcome
from bridge.model import DeliveryState, FeedName, UpdateStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """What the ledger knows of an account as a whole."""

    mailbox_mark: str | None = None
    last_poll: datetime | None = None
    capped_slices: tuple[str, ...] = ()
    hub_reachable: bool | None = None
    hub_asked_at: datetime | None = None
    clock_offset_seconds: float | None = None
    trouble: str | None = None
    trouble_since: datetime | None = None
    capped_listings: int = 0
    unlisted: int = 0
    """Invoices that the hub's list, which was empty, lacked when it was last read."""
    verified_through: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """A delivery whose next step has not come about."""

    hub_id: str
    trouble: str
    seen_at: datetime
    next_attempt_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBackAttachment:
    """An attachment that has not come."""

    hub_id: str
    attachment_id: str
    original_name: str
    trouble: str
    seen_at: datetime
    next_attempt_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncollected:
    """An invoice that lies in the mailbox."""

    hub_id: str
    name: str | None
    placed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WithoutReceipt:
    """An invoice that was placed without its receipt."""

    hub_id: str
    receipt_trouble: str
    placed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A refused update; `file` is the state file that asked for it last."""

    id: int
    hub_id: str | None
    asked_state: str | None
    refusal_code: str
    refusal_reason: str
    settled_at: datetime
    file: str
    mended: bool
    """Whether an update of this state for this invoice was accepted since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An update that the hub has not settled yet."""

    id: int
    hub_id: str | None
    state: str | None
    status: str
    queued_at: datetime
    attempts: int
    trouble: str | None
    next_attempt_at: datetime | None
    waits_for: int | None = None
    """The update of the same invoice that goes first, where the status has looked for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentRow:
    """A part of `serve`."""

    name: str
    running: bool
    since: datetime
    restarts: int
    error: str | None


def of_account(connection: Connection, name: str) -> AccountRow:
    """Return what is known of an account; of one that never worked, nothing."""
    row = connection.execute(select(account).where(account.c.name == name)).mappings().first()
    if row is None:
        return AccountRow()
    reachable = row["hub_reachable"]
    changes = {
        "hub_reachable": None if reachable is None else bool(reachable),
        "capped_slices": tuple(row["capped_slices"]),
    }
    return fill(AccountRow, dict(row) | changes)


def deliveries_by_state(
    connection: Connection, name: str, *, serving: FeedName | None
) -> dict[DeliveryState, int]:
    """Return how many invoices have come how far, every state included.

    `serving` is the feed that fills the mailbox: what another one was told does not count for it.
    """
    steps = list(DeliveryState)
    step = case(*((delivery.c.state == state, at) for at, state in enumerate(steps)))
    is_own = delivery.c.feed == serving if serving else false()
    own, other = func.max(case((is_own, step))), func.max(case((~is_own, step)))
    most = steps.index(DeliveryState.COLLECTED)
    had = case((other > most, most), else_=other)
    furthest = (
        select(case((own.is_(None), other), (other > own, had), else_=own).label("step"))
        .where(delivery.c.account == name, or_(is_own, delivery.c.placed_at.is_not(None)))
        .group_by(delivery.c.hub_id)
        .subquery()
    )
    rows = connection.execute(select(furthest.c.step, func.count()).group_by(furthest.c.step))
    found = {steps[at]: count for at, count in rows}
    return {state: found.get(state, 0) for state in steps}


def updates_by_status(connection: Connection, name: str) -> dict[UpdateStatus, int]:
    """Return how many updates have come how far, every status included."""
    status = state_update.c.status
    rows = connection.execute(
        select(status, func.count()).where(state_update.c.account == name).group_by(status)
    )
    found = {UpdateStatus(text): count for text, count in rows}
    return {status: found.get(status, 0) for status in UpdateStatus}


def found_applied(connection: Connection, name: str) -> int:
    """Return how many writes the hub turned out to have taken without our hearing of it.

    Updates of the RCF, and acknowledgements of invoices and attachments.
    """
    mine = and_(state_update.c.account == name, state_update.c.outcome == Outcome.FOUND_APPLIED)
    updates = select(func.count()).select_from(state_update).where(mine).scalar_subquery()
    others = select(account.c.found_applied).where(account.c.name == name).scalar_subquery()
    return connection.scalar(select(updates + func.coalesce(others, 0))) or 0


def handed_over(connection: Connection, name: str) -> int:
    """Return how many invoices a rollback put into a folder: they count as collected."""
    handed = (placed_file.c.account == name) & (placed_file.c.state == "handed")
    rows = select(func.count()).where(handed, placed_file.c.kind == FileKind.INVOICE)
    return connection.scalar(rows) or 0


def uncollected(connection: Connection, name: str) -> list[Uncollected]:
    """Return the invoices that lie in the mailbox, oldest first."""
    mine = (delivery.c.account == name) & (delivery.c.state == DeliveryState.PLACED)
    return answers(
        connection, Uncollected, select(delivery).where(mine).order_by(delivery.c.placed_at)
    )


def held_back(connection: Connection, name: str, feed: FeedName | None) -> list[HeldBack]:
    """Return the invoices of a feed that have not come yet, oldest first."""
    return _troubled(connection, delivery.c.placed_at.is_(None) & (delivery.c.feed == feed), name)


def not_acknowledged(connection: Connection, name: str) -> list[HeldBack]:
    """Return the invoices in the mailbox that the hub could not be told of yet, oldest first."""
    return _troubled(connection, delivery.c.placed_at.is_not(None), name)


def _troubled(connection: Connection, where: ColumnElement[bool], name: str) -> list[HeldBack]:
    open_ones = (delivery.c.account == name) & (delivery.c.state != DeliveryState.ACKNOWLEDGED)
    rows = select(delivery).where(open_ones, where, delivery.c.trouble.is_not(None))
    return answers(connection, HeldBack, rows.order_by(delivery.c.id))


def held_back_attachments(
    connection: Connection, name: str, feed: FeedName | None
) -> list[HeldBackAttachment]:
    """Return the attachments of a feed that have not come, oldest first."""
    mine = (attachment.c.account == name) & (attachment.c.feed == feed)
    open_ones = mine & (attachment.c.state == DeliveryState.SEEN)
    rows = select(attachment).where(open_ones, attachment.c.trouble.is_not(None))
    return answers(connection, HeldBackAttachment, rows.order_by(attachment.c.id))


def without_receipt(connection: Connection, name: str, *, since: datetime) -> list[WithoutReceipt]:
    """Return the invoices placed without a receipt since then, newest first."""
    rows = select(delivery).where(
        delivery.c.account == name,
        delivery.c.receipt_trouble.is_not(None),
        delivery.c.placed_at >= since,
    )
    return answers(connection, WithoutReceipt, rows.order_by(delivery.c.placed_at.desc()))


def refused(connection: Connection, name: str) -> list[Refused]:
    """Return all refused updates, oldest first."""
    later = state_update.alias("later")
    mended = (
        select(later.c.id)
        .where(
            later.c.account == state_update.c.account,
            later.c.hub_id == state_update.c.hub_id,
            later.c.state == state_update.c.asked_state,
            later.c.outcome.is_not(None),  # accepted; by `status` SQLite takes the slower index
            later.c.settled_at >= state_update.c.settled_at,
        )
        .exists()
    )
    rows = updates_with_file(mended.label("mended")).where(
        state_update.c.account == name, state_update.c.status == UpdateStatus.REFUSED
    )
    return answers(connection, Refused, rows.order_by(state_update.c.id))


def waiting(connection: Connection, name: str) -> list[Waiting]:
    """Return the updates that are queued or being sent, oldest first."""
    open_ones = state_update.c.status.in_([UpdateStatus.QUEUED, UpdateStatus.SENDING])
    rows = select(state_update).where(state_update.c.account == name, open_ones)
    return answers(connection, Waiting, rows.order_by(state_update.c.id))


def components(connection: Connection) -> list[ComponentRow]:
    """Return the parts of `serve` by name; none where it does not run."""
    rows = connection.execute(select(component).order_by(component.c.name)).mappings()
    return [fill(ComponentRow, dict(row) | {"running": bool(row["running"])}) for row in rows]
