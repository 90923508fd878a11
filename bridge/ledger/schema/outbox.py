"""State files, their updates, and every try of them."""

from sqlalchemy import (
    JSON,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    text,
)

from bridge.ledger.schema.base import UtcDateTime, metadata

state_file = Table(
    "state_file",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("kind", Text, nullable=False),  # taken, repetition or cut-off
    Column("taken_at", UtcDateTime, nullable=False),
    Column("left_at", UtcDateTime),  # when it left `statin`
    Column("perhaps_sent_since", UtcDateTime),  # of one that a restored backup brought
    Column(
        "passing", Text
    ),  # to the old `statin`: waiting, ready or passed; null: not meant for it
    Column("trouble", Text),  # why it waits
    Index("state_file_by_digest", "account", "digest"),
    Index("state_file_to_pass", "account", "passing", sqlite_where=text("passing IS NOT NULL")),
    sqlite_autoincrement=True,
)

state_update = Table(
    "state_update",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", Text, nullable=False),
    Column("state_file", Integer, ForeignKey("state_file.id"), nullable=False),
    Column("position", Integer, nullable=False),  # from 1, in the file
    Column("total", Integer, nullable=False),
    Column("hub_id", Text),
    Column("asked_state", Text),  # the word in the file; null where there was none
    Column("state", Text),  # to be sent; null where the file asked for none that can be
    Column("register_number", Text),
    Column("reason_code", Text),
    Column("reason", Text),
    Column("paid_on", Date),
    Column("status", Text, nullable=False),
    Column("outcome", Text),  # of an accepted one: patched, already-shown, found-applied, passed-on
    Column("refusal_code", Text),
    Column("refusal_reason", Text),
    Column("queued_at", UtcDateTime, nullable=False),
    Column("settled_at", UtcDateTime),
    Column("answered_at", UtcDateTime),  # when its refusal went to `statout`
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt_at", UtcDateTime),
    Column("trouble", Text),
    Index("state_update_by_status", "account", "status"),
    Index("state_update_by_invoice", "account", "hub_id", "id"),
    Index("state_update_by_file", "state_file"),
    sqlite_autoincrement=True,
)

attempt = Table(
    "attempt",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("update_id", Integer, ForeignKey("state_update.id"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("sent", JSON),
    Column("answer", Text),
    Column("shown", Text),  # what the hub showed when it was asked afterwards
    Index("attempt_by_update", "update_id"),
    sqlite_autoincrement=True,
)
