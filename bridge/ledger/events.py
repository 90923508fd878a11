"""Who did what and when: rows are added, never changed, and chained by their digests.

A row is written in the transaction that makes it true; once that is on disk, the row's line goes
to the account's journal as well (see `journal`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select

from bridge.chain import FIRST, Detail, Link, Value
from bridge.ledger.schema import event
from bridge.model import HubId

BRIDGE = "bridge"
"""The actor of what the bridge did by itself."""

MAILBOX_MADE = "mailbox made"
FOLDERS_RECOGNISED = "mailbox folders recognised"
TAKEN_BACK = "invoice taken back: collected before a backup was restored"
"""What tells a mailbox and its folders from others in their place: a lost ledger must know too."""

LINKS = "links"
"""Where a connection keeps the events of its transaction until they are on disk."""

MAY_GO_ON = "may go on"
"""Where a connection keeps who refuses a new event of an account that has forgotten older ones."""

# Built once: a statement made anew for each event costs more than running it.
_LAST = (
    select(event.c.number, event.c.digest)
    .where(event.c.account == bindparam("account"))
    .order_by(event.c.number.desc())
    .limit(1)
)
_ADD = insert(event)


def record(
    connection: Connection,
    account: str,
    kind: str,
    *,
    at: datetime,
    actor: str = BRIDGE,
    hub_id: HubId | None = None,
    also: Detail | None = None,
    **detail: Value,
) -> None:
    """Add an event; `kind` is a short sentence such as `invoice placed`.

    `also` adds to the detail what has no fixed names.
    """
    number, previous = _end(connection, account)
    link = Link(
        account=account,
        number=number + 1,
        at=at,
        actor=actor,
        kind=kind,
        hub_id=hub_id,
        detail={**detail, **(also or {})},
        previous=previous,
    )
    add(connection, link)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An event that has no place in the chain yet."""

    kind: str
    at: datetime
    actor: str = BRIDGE
    hub_id: HubId | None = None
    detail: Detail = field(default_factory=dict)


def record_all(connection: Connection, account: str, said: Sequence[Said]) -> None:
    """Add many events of one account at once, in this order."""
    number, previous = _end(connection, account)
    links, rows = [], []
    for number, it in enumerate(said, start=number + 1):  # noqa: B020  (goes on from the last one)
        link = Link(
            account=account,
            number=number,
            at=it.at,
            actor=it.actor,
            kind=it.kind,
            hub_id=it.hub_id,
            detail=it.detail,
            previous=previous,
        )
        previous = link.digest
        links.append(link)
        rows.append(_row(link, previous))
    if links:
        connection.execute(_ADD, rows)
        connection.info.setdefault(LINKS, []).extend(links)


def add(connection: Connection, link: Link) -> None:
    """Add an event that is chained already: a new one, or one that the journal remembers."""
    connection.execute(_ADD, _row(link, link.digest))
    connection.info.setdefault(LINKS, []).append(link)


def _end(connection: Connection, account: str) -> tuple[int, str]:
    """Return what a new event follows; raises LedgerError where the journal knows a later one."""
    number, digest = last(connection, account)
    may_go_on: Callable[[str, int], None] | None = connection.info.get(MAY_GO_ON)
    if may_go_on is not None:
        may_go_on(account, number)
    return number, digest


def _row(link: Link, digest: str) -> dict[str, object]:
    return {
        "account": link.account,
        "number": link.number,
        "at": link.at,
        "actor": link.actor,
        "kind": link.kind,
        "hub_id": link.hub_id,
        "detail": dict(link.detail),
        "digest": digest,
    }


def last(connection: Connection, account: str) -> tuple[int, str]:
    """Return number and digest of an account's newest event; 0 and nothing before the first."""
    for link in reversed(connection.info.get(LINKS, ())):
        if link.account == account:
            return link.number, link.digest
    row = connection.execute(_LAST, {"account": account}).first()
    return (row.number, row.digest) if row else (0, FIRST)


def newest(connection: Connection) -> int:
    """Return the id of the newest event of all accounts; 0 where there is none."""
    return connection.scalar(select(event.c.id).order_by(event.c.id.desc()).limit(1)) or 0


def last_at(connection: Connection, account: str) -> datetime | None:
    """Return when an account's newest event happened; None where there is none."""
    mine = event.c.account == account
    return connection.scalar(
        select(event.c.at).where(mine).order_by(event.c.number.desc()).limit(1)
    )


def first_at(connection: Connection, account: str) -> datetime | None:
    """Return when an account's first event happened; None where there is none."""
    mine = (event.c.account == account) & (event.c.number == 1)
    return connection.scalar(select(event.c.at).where(mine))


def digest_at(connection: Connection, account: str, number: int) -> str:
    """Return the digest of an account's event of this number; nothing before the first."""
    if number == 0:
        return FIRST
    mine = (event.c.account == account) & (event.c.number == number)
    return str(connection.execute(select(event.c.digest).where(mine)).scalar_one())


def accounts(connection: Connection) -> list[str]:
    """Return the accounts that have events."""
    return list(connection.scalars(select(event.c.account).distinct().order_by(event.c.account)))


def chain(connection: Connection, account: str, *, after: int = 0) -> Iterator[tuple[Link, str]]:
    """Return an account's events after a number, oldest first, each with the digest it bears."""
    previous = digest_at(connection, account, after)
    rows = connection.execution_options(yield_per=1000).execute(
        select(event)
        .where(event.c.account == account, event.c.number > after)
        .order_by(event.c.number)
    )
    for row in rows:
        yield _link(row, previous), row.digest
        previous = row.digest


def _link(row: Row[Any], previous: str) -> Link:
    return Link(
        account=row.account,
        number=row.number,
        at=row.at,
        actor=row.actor,
        kind=row.kind,
        hub_id=row.hub_id,
        detail=row.detail,
        previous=previous,
    )
