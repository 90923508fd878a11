"""Who comes through the doors: the programs of each user, who is connected now, who is banned.

Of a program and its habits events tell; when it came last, and how often, is only kept here: each
login has an event of its own, but for those of a flood (see `bridge.flood`).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from bridge.chain import Detail, Value
from bridge.ledger import events
from bridge.ledger.rows import answers
from bridge.ledger.schema import ban, client, event, placed_file, state_file, visit
from bridge.ledger.state_files import Kind

MOST_PROGRAMS = 100
"""So many different programs are kept of a user at one door: one that makes up names fills no
disk."""

PROGRAM_SEEN = "client program seen"
HABITS_SEEN = "client habits seen"
BAN_LIFTED = "ban lifted"

Habits = Mapping[str, Sequence[str]]
Program = Mapping[str, Value]
"""`name`, `offered` (lists of algorithms by their kind) and `agreed` (what was taken of them)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A user's program at one door; `mark` tells it from the user's others."""

    account: str
    user: str
    protocol: str
    mark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRow:
    """A program with which a user has come, and what it does."""

    account: str
    user: str
    protocol: str
    program: Program
    habits: Habits
    first_at: datetime
    last_at: datetime
    visits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitRow:
    """Someone who is connected."""

    user: str
    address: str
    protocol: str
    program: str | None
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BanRow:
    """An address or a user that may not come in for a while."""

    subject: str
    """`address` or `user`, and which."""
    until: datetime


def client_of(account: str, user: str, protocol: str, program: Program) -> Client:
    """Return which client a program is: the same program is the same one each time."""
    text = json.dumps(program, sort_keys=True)
    mark = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Client(account=account, user=user, protocol=protocol, mark=mark)


def came(connection: Connection, who: Client, program: Program, *, at: datetime) -> None:
    """A client logged in; one that is new has an event."""
    new = _habits(connection, who) is None
    if new:
        if _programs(connection, who) >= MOST_PROGRAMS:
            return
        seen(connection, who, program, at=at)
    more = {"last_at": at, "visits": client.c.visits + 1}
    connection.execute(update(client).where(_is(who)).values(more))
    if new:
        detail: Detail = {"protocol": who.protocol, "mark": who.mark, "program": program}
        events.record(connection, who.account, PROGRAM_SEEN, at=at, actor=who.user, also=detail)


def seen(connection: Connection, who: Client, program: Program, *, at: datetime) -> None:
    """Remember a client."""
    row = insert(client).values(
        account=who.account,
        user=who.user,
        protocol=who.protocol,
        mark=who.mark,
        program=program,
        habits={},
        first_at=at,
        last_at=at,
        visits=0,
    )
    connection.execute(row.on_conflict_do_nothing())


def behaved(connection: Connection, who: Client, habits: Habits, *, at: datetime) -> None:
    """A client showed habits; those that are new have an event."""
    known = _habits(connection, who)
    if known is None:
        return
    both = {
        kind: sorted({*known.get(kind, ()), *habits.get(kind, ())}) for kind in {*known, *habits}
    }
    if both != known:
        set_habits(connection, who, both)
        detail: Detail = {"protocol": who.protocol, "mark": who.mark, "habits": both}
        events.record(connection, who.account, HABITS_SEEN, at=at, actor=who.user, also=detail)


def set_habits(connection: Connection, who: Client, habits: Habits) -> None:
    """Remember all habits of a client."""
    connection.execute(update(client).where(_is(who)).values(habits=habits))


def of_account(connection: Connection, account: str) -> list[ClientRow]:
    """Return the programs that come to an account, who came last first."""
    rows = select(client).where(client.c.account == account)
    order = (client.c.last_at.desc(), client.c.user, client.c.protocol, client.c.mark)
    return answers(connection, ClientRow, rows.order_by(*order))


def last_came(connection: Connection, account: str) -> datetime | None:
    """Return when an account's software last showed; None where it never did.

    It logged in at a door, or it did something in the folders: another server may be their door.
    """
    latest = (
        select(func.max(client.c.last_at)).where(client.c.account == account),
        select(func.max(placed_file.c.collected_at)).where(placed_file.c.account == account),
        select(func.max(state_file.c.taken_at)).where(
            state_file.c.account == account, state_file.c.kind != Kind.CUT_OFF
        ),
    )
    found = [at for query in latest if (at := connection.scalar(query)) is not None]
    return max(found, default=None)


def _is(who: Client) -> ColumnElement[bool]:
    return and_(
        client.c.account == who.account,
        client.c.user == who.user,
        client.c.protocol == who.protocol,
        client.c.mark == who.mark,
    )


def _habits(connection: Connection, who: Client) -> Habits | None:
    """Return the habits of a client; None where it is not known."""
    return connection.scalar(select(client.c.habits).where(_is(who)))


def _programs(connection: Connection, who: Client) -> int:
    mine = and_(
        client.c.account == who.account,
        client.c.user == who.user,
        client.c.protocol == who.protocol,
    )
    return connection.scalar(select(func.count()).select_from(client).where(mine)) or 0


# Who is connected


def begin_visit(connection: Connection, number: int, account: str, row: VisitRow) -> None:
    """Someone is connected; `number` tells this visit from the others of this run."""
    values = {field.name: getattr(row, field.name) for field in fields(row)}
    connection.execute(insert(visit).values(id=number, account=account, **values))


def end_visit(connection: Connection, number: int) -> None:
    """Who was connected by this visit has gone."""
    connection.execute(delete(visit).where(visit.c.id == number))


def nobody_is_here(connection: Connection) -> None:
    """Nobody is connected: `serve` begins, or has ended."""
    connection.execute(delete(visit))


def here(connection: Connection, account: str) -> list[VisitRow]:
    """Return who is connected to an account's mailbox, who came first first."""
    rows = select(visit).where(visit.c.account == account).order_by(visit.c.since, visit.c.id)
    return answers(connection, VisitRow, rows)


# Who is banned


def note_ban(connection: Connection, subject: str, *, until: datetime, now: datetime) -> None:
    """An address or a user is banned; bans that are over are forgotten."""
    connection.execute(delete(ban).where(ban.c.until <= now))
    row = insert(ban).values(subject=subject, until=until)
    connection.execute(row.on_conflict_do_update(index_elements=["subject"], set_={"until": until}))


def lift_bans(connection: Connection, subjects: Sequence[str]) -> None:
    """These are not banned any more."""
    connection.execute(delete(ban).where(ban.c.subject.in_(subjects)))


def lifted_bans(connection: Connection, *, after: int, through: int) -> list[str]:
    """Return whose ban was lifted by an event of these, by their ids."""
    rows = select(event.c.detail).where(
        event.c.id > after, event.c.id <= through, event.c.kind == BAN_LIFTED
    )
    return [f"{kind} {name}" for it in connection.scalars(rows) for kind, name in it.items()]


def bans(connection: Connection, *, now: datetime) -> dict[str, datetime]:
    """Return until when whoever is banned now is banned."""
    rows = connection.execute(select(ban.c.subject, ban.c.until).where(ban.c.until > now))
    return {row.subject: row.until for row in rows}


def banned(connection: Connection, users: Iterable[str], *, now: datetime) -> list[BanRow]:
    """Return the bans that an account's users may meet: their own, and those of addresses."""
    own = {f"user {user}" for user in users}
    return [
        BanRow(subject=subject, until=until)
        for subject, until in sorted(bans(connection, now=now).items())
        if subject in own or subject.startswith("address ")
    ]
