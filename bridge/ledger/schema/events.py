"""The chain of events."""

from sqlalchemy import (
    JSON,
    Column,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from bridge.ledger.schema.base import UtcDateTime, metadata

event = Table(
    "event",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", Text, nullable=False),
    Column("number", Integer, nullable=False),  # from 1, without gaps, in each account
    Column("at", UtcDateTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("hub_id", Text),
    Column("detail", JSON, nullable=False),
    Column("digest", Text, nullable=False),  # of its line, which bears the digest before it
    UniqueConstraint("account", "number"),
    Index("event_by_invoice", "account", "hub_id"),
    Index("event_cut_off", "account", "id", sqlite_where=text("kind = 'upload cut off'")),
    sqlite_autoincrement=True,
)
