"""Invoices and attachments as the feeds gave them, and their files in the mailbox."""

from sqlalchemy import (
    Column,
    Date,
    Float,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from bridge.ledger.schema.base import UtcDateTime, metadata

IN_ORDER = (
    "CASE WHEN hub_id GLOB '*[^0-9]*' THEN '~' || hub_id "
    "ELSE printf('%03d', length(ltrim(hub_id, '0'))) || ltrim(hub_id, '0') END"
)
"""Sorts hub ids of digits as numbers, before all others: SQL for `bridge.recorded.in_order`."""

FIRST_SEEN = "coalesce(recorded_at, seen_at)"
"""When the bridge first saw a delivery, as SQL."""

delivery = Table(
    "delivery",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", Text, nullable=False),
    Column("feed", Text, nullable=False),
    Column("hub_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("nif", Text),
    Column("accounting_office", Text),
    Column("number", Text),  # as the hub gives it
    Column("file_number", Text),  # as the Facturae file gives it, and its series
    Column("file_series", Text),
    Column("issue_date", Date),
    Column("amount", Text),  # a decimal, to the letter
    Column("supplier_nif", Text),
    Column("receiver_nif", Text),
    Column("registration_number", Text),
    Column("registered_at", UtcDateTime),
    Column("digest", Text),  # of the Facturae file
    Column("receipt_digest", Text),
    Column("name", Text),  # in `out`
    Column("seen_at", UtcDateTime, nullable=False),
    Column("fetched_at", UtcDateTime),
    Column("placed_at", UtcDateTime),
    Column("collected_at", UtcDateTime),
    Column("acknowledged_at", UtcDateTime),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt_at", UtcDateTime),
    Column("trouble", Text),  # why the next step has not come yet
    Column("receipt_trouble", Text),  # why it was placed without its receipt
    Column("unreadable", Text),  # why its file is no readable Facturae
    Column("recorded_at", UtcDateTime),  # when it was first recorded by listening to its feed
    Column("last_seen_at", UtcDateTime),  # the last listing that showed it; null: the newest does
    Column("gone_at", UtcDateTime),  # when a second listing in a row did not show it
    Column("held_at", UtcDateTime),  # since when a person must say whether the software has it
    Column("handed_at", UtcDateTime),  # when a rollback put it into a folder, to be imported
    Column("lag", Float),  # of the old mailbox's: days until REST showed it (see `doubts`)
    UniqueConstraint("account", "feed", "hub_id"),
    Index("delivery_by_state", "account", "state"),
    # Both sides of a comparison are joined along this one, without a look at the rows.
    Index(
        "delivery_by_invoice",
        "account",
        "hub_id",
        "feed",
        "digest",
        "registration_number",
        "recorded_at",
        "seen_at",
    ),
    Index(
        "delivery_by_content",
        "account",
        "feed",
        "issue_date",
        "supplier_nif",
        "file_number",
        "file_series",
        "hub_id",
    ),
    Index("delivery_by_first_sight", "account", "feed", text(FIRST_SEEN)),
    Index("delivery_by_receiver", "account", "feed", "receiver_nif"),
    Index(
        "delivery_with_receipt",
        "account",
        "feed",
        sqlite_where=text("receipt_digest IS NOT NULL"),
    ),
    Index("delivery_unreadable", "account", "hub_id", sqlite_where=text("unreadable IS NOT NULL")),
    Index(
        "delivery_unacknowledged",
        "account",
        "feed",
        sqlite_where=text("acknowledged_at IS NULL"),
    ),
    Index("delivery_by_date", "account", "issue_date"),
    Index("delivery_in_order", "account", "feed", text(IN_ORDER), "hub_id"),
    Index(
        "delivery_by_lag",
        "account",
        "lag",
        "recorded_at",
        sqlite_where=text("feed = 'legacy' AND recorded_at IS NOT NULL"),
    ),
    sqlite_autoincrement=True,
)

attachment = Table(
    "attachment",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", Text, nullable=False),
    Column("feed", Text, nullable=False),
    Column("hub_id", Text, nullable=False),
    Column("attachment_id", Text, nullable=False),
    Column("position", Integer, nullable=False),  # NNN in its file name
    Column("original_name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("digest", Text),
    Column("name", Text),  # in `adjout`
    Column("seen_at", UtcDateTime, nullable=False),
    Column("fetched_at", UtcDateTime),
    Column("placed_at", UtcDateTime),
    Column("collected_at", UtcDateTime),
    Column("acknowledged_at", UtcDateTime),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt_at", UtcDateTime),
    Column("trouble", Text),
    UniqueConstraint("account", "feed", "hub_id", "attachment_id"),
    UniqueConstraint("account", "feed", "hub_id", "position"),
    Index("attachment_by_state", "account", "state"),
    Index("attachment_by_invoice", "account", "hub_id"),
    Index(
        "attachment_unacknowledged",
        "account",
        "feed",
        "hub_id",
        "position",
        sqlite_where=text("acknowledged_at IS NULL"),
    ),
    sqlite_autoincrement=True,
)

placed_file = Table(
    "placed_file",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", Text, nullable=False),
    Column("folder", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),  # invoice, attachment, state, answer or file
    Column("feed", Text),  # that gave it; null for what the bridge says itself
    Column("source", Text),  # its path in the old mailbox, of what lies there as well
    Column("source_digest", Text),  # of the file there, where a move tied the two together
    Column("passing", Text),  # of what a move puts there: ready or passed
    Column("hub_id", Text),
    Column("attachment_id", Text),
    Column("digest", Text, nullable=False),
    # placing, placed or collected; in a rollback into a folder: handing, handed
    Column("state", Text, nullable=False),
    Column("placing_at", UtcDateTime, nullable=False),
    Column("placed_at", UtcDateTime),
    Column("collected_at", UtcDateTime),
    Column("removed_at", UtcDateTime),  # from the old mailbox
    UniqueConstraint("account", "folder", "name"),
    Index("placed_file_by_source", "account", "source", sqlite_where=text("source IS NOT NULL")),
    Index("placed_file_by_state", "account", "state", "folder"),
    sqlite_autoincrement=True,
)

message_number = Table(
    "message_number",
    metadata,
    Column("account", Text, primary_key=True),
    Column("last", Integer, nullable=False),
)
