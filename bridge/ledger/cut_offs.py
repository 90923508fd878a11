"""The uploads that were cut off, by their events; the bytes that came are in the archive."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, func, select, text, union

from bridge.ledger.schema import ARCHIVED, event, state_file
from bridge.ledger.state_files import Kind
from bridge.model import Digest

CUT_OFF = "upload cut off"
STOPPED = "uploads refused: too much was cut off"
GOING_ON = "uploads taken again"
"""The kinds of the events."""

# As the index says it: of a bound value SQLite cannot know whether it fits.
_IS_CUT_OFF = text("kind = 'upload cut off'")


@dataclass(frozen=True, slots=True, kw_only=True)
class CutOff:
    """An upload that broke off; `size` is how many bytes came."""

    name: str
    folder: str
    size: int
    taken_at: datetime
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CutOffBytes:
    """Bytes of uploads that broke off: the same bytes are kept once."""

    digest: Digest
    size: int
    times: int
    last_at: datetime


def of_account(connection: Connection, account: str, *, since: datetime) -> list[CutOff]:
    """Return the uploads that broke off since then, oldest first."""
    rows = select(event.c.detail, event.c.at, event.c.actor).where(
        event.c.account == account, _IS_CUT_OFF, event.c.at >= since
    )
    return [
        CutOff(
            name=detail["name"],
            folder=detail["folder"],
            size=detail["size"],
            taken_at=at,
            user=actor,
        )
        for detail, at, actor in connection.execute(rows.order_by(event.c.id))
    ]


def by_digest(connection: Connection, account: str) -> list[CutOffBytes]:
    """Return the bytes of all that ever broke off, removed since or not, oldest first."""
    digest = event.c.detail["digest"].as_string()
    size = func.max(event.c.detail["size"].as_integer())
    last_at = func.max(event.c.at, type_=event.c.at.type)
    rows = select(digest, size, func.count(), last_at).where(
        event.c.account == account, _IS_CUT_OFF
    )
    return [
        CutOffBytes(digest=Digest(digest), size=size, times=times, last_at=at)
        for digest, size, times, at in connection.execute(rows.group_by(digest).order_by(last_at))
    ]


def needed_elsewhere(
    connection: Connection, account: str, digests: Collection[Digest]
) -> set[Digest]:
    """Return those digests of which another row speaks: the same file came whole, say."""
    others = [
        select(column).where(column.table.c.account == account, column.in_(digests))
        for column in ARCHIVED
        if column.table is not state_file
    ]
    whole = and_(state_file.c.account == account, state_file.c.kind != Kind.CUT_OFF)
    others.append(select(state_file.c.digest).where(whole, state_file.c.digest.in_(digests)))
    return {Digest(digest) for digest in connection.scalars(union(*others))}
