"""What the ledger keeps of each account as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.sqlite import insert

from bridge.ledger.schema import account


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A time of which nothing is known here: everything was restored from a backup."""

    since: datetime
    """The last event that the backup has."""
    until: datetime
    """When it was noticed."""


def _set(connection: Connection, name: str, **values: object) -> None:
    statement = insert(account).values(name=name, **({"capped_slices": []} | values))
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))


def note_poll(
    connection: Connection,
    name: str,
    *,
    at: datetime,
    capped_slices: Sequence[str],
    unlisted: int = 0,
) -> None:
    """A listing of the pending invoices succeeded; one with capped slices is counted.

    `unlisted` is how many invoices it lacked, being empty.
    """
    _set(connection, name, last_poll=at, capped_slices=list(capped_slices), unlisted=unlisted)
    if capped_slices:
        connection.execute(
            update(account)
            .where(account.c.name == name)
            .values(capped_listings=account.c.capped_listings + 1)
        )


def note_unlisted(connection: Connection, name: str, unlisted: int) -> None:
    """The feed's list lacked so many things that must still be there."""
    _set(connection, name, unlisted=unlisted)


def note_hub(
    connection: Connection,
    name: str,
    *,
    at: datetime,
    reachable: bool,
    clock_offset: timedelta | None,
) -> None:
    """The hub answered, or it did not."""
    _set(connection, name, hub_reachable=int(reachable), hub_asked_at=at)
    note_clock(connection, name, clock_offset)


def note_clock(connection: Connection, name: str, offset: timedelta | None) -> None:
    """The hub's clock was so far ahead of ours when it last told; None: it has not told."""
    if offset is not None:
        _set(connection, name, clock_offset_seconds=offset.total_seconds())


def note_trouble(connection: Connection, name: str, trouble: str | None, *, at: datetime) -> None:
    """The account stands still for this reason; None when it goes on again."""
    known = connection.scalar(select(account.c.trouble).where(account.c.name == name))
    if known != trouble:
        _set(connection, name, trouble=trouble, trouble_since=at if trouble else None)


def note_found_applied(connection: Connection, name: str) -> None:
    """The hub turned out to have taken an acknowledgement whose answer was unclear."""
    statement = insert(account).values(name=name, capped_slices=[], found_applied=1)
    one_more = {"found_applied": account.c.found_applied + 1}
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=one_more))


def note_verified(connection: Connection, name: str, *, through: datetime) -> None:
    """`verify` found everything in order, through an event of that time."""
    _set(connection, name, verified_through=through)


def mailbox_mark(connection: Connection, name: str) -> str | None:
    """Return what the mailbox's mark must say; None before its first use."""
    return connection.scalar(select(account.c.mailbox_mark).where(account.c.name == name))


def mailbox_folders(connection: Connection, name: str) -> dict[str, int]:
    """Return which folders the account's files were put into; empty before the first look."""
    known = connection.scalar(select(account.c.mailbox_folders).where(account.c.name == name))
    return known or {}


def set_mailbox_folders(connection: Connection, name: str, folders: dict[str, int]) -> None:
    """Remember which folders they are."""
    _set(connection, name, mailbox_folders=folders)


def mailbox_identity(connection: Connection, name: str) -> str | None:
    """Return which file the mailbox's mark was; None before the first look."""
    return connection.scalar(select(account.c.mailbox_identity).where(account.c.name == name))


def set_mailbox_identity(connection: Connection, name: str, identity: str) -> None:
    """Remember which file the mailbox's mark is: nothing has to be asked about it any more."""
    _set(connection, name, mailbox_identity=identity, recall_since=None)


def note_restored(
    connection: Connection, name: str, *, at: datetime, recall_since: datetime | None = None
) -> None:
    """A restored backup was noticed; `recall_since`: ask the hub what came after that time."""
    values = {"restored_at": at}
    if recall_since is not None:
        values |= {
            "recall_since": recall_since,
            "forgotten_since": recall_since,
            "forgotten_until": at,
        }
    _set(connection, name, **values)


def forgotten(connection: Connection, name: str) -> Forgotten | None:
    """Return the time that the last backup of everything has forgotten; None: there was none."""
    columns = (account.c.forgotten_since, account.c.forgotten_until)
    row = connection.execute(select(*columns).where(account.c.name == name)).first()
    if row is None or row.forgotten_since is None:
        return None
    return Forgotten(row.forgotten_since, row.forgotten_until)


def recall_since(connection: Connection, name: str) -> datetime | None:
    """Return since when the hub must be asked what a restored backup forgot; None: need not be."""
    return connection.scalar(select(account.c.recall_since).where(account.c.name == name))


def set_mailbox_mark(connection: Connection, name: str, mark: str) -> None:
    """Remember the mark of this account's mailbox."""
    _set(connection, name, mailbox_mark=mark)
