"""Which feed fills an account's mailbox: what the settings say, until the first move.

From the first cutover or rollback on the ledger's word counts, whatever the settings say. It is
told by an event and stands in the account's row. With it the rows of the feed that begins to serve
are brought back to where the flow takes them up: what was only recorded so far is to be placed.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Table, select, update
from sqlalchemy.dialects.sqlite import insert

from bridge.chain import Detail
from bridge.ledger import events, state_files, updates
from bridge.ledger.schema import account, attachment, delivery, placed_file
from bridge.model import DeliveryState, FeedName
from bridge.settings import AccountSettings

CHANGED = "serving feed changed"
FOLLOWED = "serving feed of the settings followed"
"""The kinds of the events: by a move, and by a person who changed the settings."""

NONE = "none"
"""How nothing is written where a feed is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feeds:
    """Which feed serves an account and which is its shadow, where there is one."""

    serve: FeedName | None
    """None after a rollback into a folder: the mailbox is not filled until the next cutover."""
    shadow: FeedName | None


def of_settings(own: AccountSettings) -> Feeds:
    """Return the feeds that an account's settings name."""
    return Feeds(serve=FeedName(own.serve), shadow=FeedName(own.shadow) if own.shadow else None)


def serving(connection: Connection, own: AccountSettings) -> Feeds:
    """Return the feeds of an account as they are now: by the ledger's word, else the settings'."""
    return moved_to(connection, own.name) or of_settings(own)


def moved_to(connection: Connection, name: str) -> Feeds | None:
    """Return the feeds of an account by the last move; None if it was never moved."""
    columns = (account.c.serving_feed, account.c.shadow_feed)
    row = connection.execute(select(*columns).where(account.c.name == name)).first()
    if row is None or row.serving_feed is None:
        return None
    return Feeds(serve=_feed(row.serving_feed), shadow=_feed(row.shadow_feed))


def change_serving(
    connection: Connection,
    name: str,
    *,
    serve: FeedName | None,
    shadow: FeedName | None,
    actor: str,
    at: datetime,
) -> None:
    """Let another feed serve an account from now on, and say so in an event.

    For whoever has the account's turns `inbound`, `outbound`, `hub`, `record` and `record-rest`:
    a round that looked the feeds up before would go on with the old ones.
    """
    feeds = Feeds(serve=serve, shadow=shadow)
    note_serving(connection, name, feeds, at=at)
    events.record(connection, name, CHANGED, at=at, actor=actor, also=as_detail(feeds))


def note_serving(connection: Connection, name: str, feeds: Feeds, *, at: datetime) -> None:
    """Write down which feeds an account has now, and have placed what was only recorded.

    State files that were meant for the old mailbox go to the hub, update by update; the other way
    round, files of which nothing was settled yet go to the old mailbox as they are.
    """
    values = {"serving_feed": feeds.serve or NONE, "shadow_feed": feeds.shadow or NONE}
    statement = insert(account).values(name=name, capped_slices=[], **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))
    begin_serving(connection, name, feeds.serve, at=at)


def follow_settings(connection: Connection, own: AccountSettings, *, at: datetime) -> None:
    """Have what waits for another feed go the way of the one that serves, and say so in an event.

    A move has seen to it; a person who writes another feed into the settings has not.
    """
    feeds = serving(connection, own)
    begin_serving(connection, own.name, feeds.serve, at=at)
    events.record(connection, own.name, FOLLOWED, at=at, also=as_detail(feeds))


def begin_serving(
    connection: Connection, name: str, serve: FeedName | None, *, at: datetime
) -> None:
    """Bring everything that waits to where the flow of this feed takes it up; safe to repeat."""
    if serve is not None:
        for table in (delivery, attachment):
            _take_up(connection, table, name, serve)
    if serve is FeedName.LEGACY:
        state_files.pass_on_open(connection, name)
    if serve is FeedName.REST:
        state_files.pass_on_none(connection, name)
        updates.refuse_what_our_rules_do(connection, name, at=at)


def waits_for_other(connection: Connection, own: AccountSettings) -> bool:
    """Tell whether anything waits as it does while another feed serves.

    What the old mailbox gave is placed from its files, however far its deliveries have come.
    """
    name, serve = own.name, serving(connection, own).serve
    if serve is FeedName.REST:
        recorded = any(
            connection.execute(
                select(table.c.id)
                # The last one is true of all; it leads to the short index.
                .where(_recorded_only(table, name, serve), table.c.acknowledged_at.is_(None))
                .limit(1)
            ).first()
            for table in (delivery, attachment)
        )
        return recorded or bool(state_files.to_pass(connection, name))
    return serve is FeedName.LEGACY and state_files.is_any_open(connection, name)


def _take_up(connection: Connection, table: Table, name: str, feed: FeedName) -> None:
    """Bring rows of this feed that were fetched, and neither placed nor collected, back to seen."""
    fresh = {"attempts": 0, "next_attempt_at": None, "trouble": None}
    connection.execute(
        update(table)
        .where(_recorded_only(table, name, feed))
        .values(state=DeliveryState.SEEN, fetched_at=None, **fresh)
    )


def _recorded_only(table: Table, name: str, feed: FeedName) -> ColumnElement[bool]:
    """Tell what was fetched and is not on its way into the mailbox."""
    on_its_way = (
        select(placed_file.c.id)
        .where(
            placed_file.c.account == name,
            placed_file.c.feed == feed,
            placed_file.c.hub_id == table.c.hub_id,
            placed_file.c.state == "placing",
        )
        .exists()
    )
    return (
        (table.c.account == name)
        & (table.c.feed == feed)
        & (table.c.state == DeliveryState.FETCHED)
        & ~on_its_way
    )


def as_detail(feeds: Feeds) -> Detail:
    """Return feeds as an event tells them."""
    return {"serve": feeds.serve or NONE, "shadow": feeds.shadow or NONE}


def from_detail(detail: Detail) -> Feeds:
    """Return the feeds of which an event tells."""
    return Feeds(serve=_feed(detail["serve"]), shadow=_feed(detail["shadow"]))


def in_words(feeds: Feeds) -> str:
    """Return feeds as the settings write them."""
    return f'serve = "{feeds.serve or NONE}", shadow = "{feeds.shadow or ""}"'


def _feed(name: object) -> FeedName | None:
    return None if name == NONE else FeedName(str(name))
