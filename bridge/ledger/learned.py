"""What was learned from files of the old mailbox: invoices that the software had, codes of NIFs.

A learned invoice is a delivery of the legacy feed. Counted as collected, it keeps the invoice out
of the mailbox for good, whichever feed brings it. Its times: `seen` and `fetched` when it was
learned, `placed` and `collected` as far as the old files tell.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Connection, select, update
from sqlalchemy.dialects.sqlite import insert

from bridge.chain import Value
from bridge.ledger import attachments
from bridge.ledger.attachments import AttachmentRow
from bridge.ledger.contents import Contents
from bridge.ledger.schema import account as account_table
from bridge.ledger.schema import addressing_code, attachment, delivery, placed_file
from bridge.ledger.walk import state_of
from bridge.model import DeliveryState, Digest, FeedName, HubId


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedInvoice:
    """An invoice of the old mailbox."""

    name: str
    """Of its file."""
    contents: Contents
    collected_at: datetime | None = None
    """None where it is not counted as collected."""
    codes: tuple[tuple[str, str], ...] = ()
    """Pairs of a NIF, in its plain form, and the addressing code that its name bears for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedAttachment:
    """An attachment of the old mailbox, of an invoice that counts as collected."""

    position: int
    name: str
    digest: Digest
    collected_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the ledger knows already of a learned invoice."""

    digest: Digest | None
    """None: only a message of the old mailbox told of it so far."""
    collected: bool


Learned = LearnedInvoice | LearnedAttachment

_INVOICE = TypeAdapter(LearnedInvoice)
_ATTACHMENT = TypeAdapter(LearnedAttachment)
_LEARNED: TypeAdapter[Learned] = TypeAdapter(Learned)


def as_detail(learned: Learned) -> dict[str, Value]:
    """Return what was learned as an event tells it: what is not known is left out."""
    detail: dict[str, Value] = _LEARNED.dump_python(learned, mode="json", exclude_none=True)
    return detail


def invoice_from_detail(detail: Mapping[str, Value]) -> LearnedInvoice:
    """Return the invoice of which an event `invoice learned` tells."""
    return _INVOICE.validate_python(detail)


def attachment_from_detail(detail: Mapping[str, Value]) -> LearnedAttachment:
    """Return the attachment of which an event `attachment learned` tells."""
    return _ATTACHMENT.validate_python(detail)


def known(connection: Connection, account: str) -> dict[HubId, Known]:
    """Return the learned invoices of an account."""
    columns = (delivery.c.hub_id, delivery.c.digest, delivery.c.collected_at)
    rows = connection.execute(select(*columns).where(_learned(account)))
    return {
        HubId(row.hub_id): Known(digest=row.digest, collected=row.collected_at is not None)
        for row in rows
    }


def known_attachments(connection: Connection, account: str) -> set[tuple[HubId, int]]:
    """Return the learned attachments of an account, by invoice and position."""
    rows = connection.execute(
        select(attachment.c.hub_id, attachment.c.position).where(
            attachment.c.account == account, attachment.c.feed == FeedName.LEGACY
        )
    )
    return {(HubId(row.hub_id), row.position) for row in rows}


def add(
    connection: Connection, account: str, hub_id: HubId, learned: Learned, *, at: datetime
) -> None:
    """Write down what was learned; of a known invoice, that it counts as collected.

    Safe to repeat.
    """
    if isinstance(learned, LearnedInvoice):
        _add_invoice(connection, account, hub_id, learned, at=at)
    else:
        _add_attachment(connection, account, hub_id, learned, at=at)


def _add_invoice(
    connection: Connection, account: str, hub_id: HubId, learned: LearnedInvoice, *, at: datetime
) -> None:
    steps = {"placed_at": learned.collected_at, "collected_at": learned.collected_at}
    collected = learned.collected_at is not None
    values = {
        "account": account,
        "feed": FeedName.LEGACY,
        "hub_id": hub_id,
        "state": DeliveryState.COLLECTED if collected else DeliveryState.FETCHED,
        "name": learned.name,
        "seen_at": at,
        "fetched_at": at,
        **steps,
        **asdict(learned.contents),
    }
    if connection.execute(insert(delivery).on_conflict_do_nothing(), values).rowcount:
        _count(connection, account, learned.codes)
    elif collected:
        missing = _learned(account) & (delivery.c.hub_id == hub_id)
        connection.execute(
            update(delivery)
            .where(missing & delivery.c.collected_at.is_(None))
            .values(state=state_of(delivery, reached=steps), **steps)
        )


def _count(connection: Connection, account: str, codes: tuple[tuple[str, str], ...]) -> None:
    for nif, code in codes:
        first = insert(addressing_code).values(account=account, nif=nif, code=code, times=1)
        connection.execute(
            first.on_conflict_do_update(
                index_elements=["account", "nif", "code"],
                set_={"times": addressing_code.c.times + 1},
            )
        )


def _add_attachment(
    connection: Connection,
    account: str,
    hub_id: HubId,
    learned: LearnedAttachment,
    *,
    at: datetime,
) -> None:
    values = {
        "account": account,
        "feed": FeedName.LEGACY,
        "hub_id": hub_id,
        # The old mailbox gives no other id.
        "attachment_id": f"{learned.position:03d}",
        "position": learned.position,
        "original_name": learned.name,
        "state": DeliveryState.COLLECTED,
        "digest": learned.digest,
        "name": learned.name,
        "seen_at": at,
        "fetched_at": at,
        "placed_at": learned.collected_at,
        "collected_at": learned.collected_at,
    }
    connection.execute(insert(attachment).on_conflict_do_nothing(), values)


def codes(connection: Connection, account: str) -> dict[str, str]:
    """Return the addressing codes by plain NIF, of those on which all files agree."""
    found = _all_codes(connection, account)
    return {nif: next(iter(times)) for nif, times in found.items() if len(times) == 1}


def disagreeing_codes(connection: Connection, account: str) -> dict[str, dict[str, int]]:
    """Return the codes of a NIF for which files say different ones, and how many say each."""
    found = _all_codes(connection, account)
    return {nif: times for nif, times in found.items() if len(times) > 1}


def _all_codes(connection: Connection, account: str) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = defaultdict(dict)
    rows = select(addressing_code).where(addressing_code.c.account == account)
    for row in connection.execute(rows.order_by(addressing_code.c.nif, addressing_code.c.code)):
        found[row.nif][row.code] = row.times
    return found


def came_with_learned(connection: Connection, account: str) -> list[AttachmentRow]:
    """Return the attachments to be fetched that came with a learned invoice: they are left out.

    The hub does not say when an attachment came. So what it lists up to the first whole listing
    after the invoice was learned came with the invoice; what appears later is a late one, and new.
    To be called before that listing itself is noted.
    """
    waiting = attachments.to_fetch(connection, account, FeedName.REST, due=None)
    if not waiting:
        return []
    last = select(account_table.c.last_poll, account_table.c.capped_slices)
    polled = connection.execute(last.where(account_table.c.name == account)).first()
    # What the mailbox itself has had tells its attachments one by one.
    passed_by = ~(
        select(placed_file.c.id)
        .where(placed_file.c.account == account, placed_file.c.hub_id == delivery.c.hub_id)
        .exists()
    )
    learned = _learned(account) & delivery.c.collected_at.is_not(None) & passed_by
    if polled is not None and polled.last_poll is not None and not polled.capped_slices:
        learned &= delivery.c.seen_at >= polled.last_poll
    had = frozenset(connection.scalars(select(delivery.c.hub_id).where(learned)))
    return [row for row in waiting if row.hub_id in had]


def _learned(account: str) -> ColumnElement[bool]:
    return (delivery.c.account == account) & (delivery.c.feed == FeedName.LEGACY)
