"""What the feeds showed while they were listened to."""

from sqlalchemy import (
    JSON,
    Column,
    Index,
    Integer,
    Table,
    Text,
    text,
)

from bridge.ledger.schema.base import UtcDateTime, metadata

recorded_file = Table(
    "recorded_file",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", Text, nullable=False),
    Column("path", Text, nullable=False),  # below the old mailbox; stands for exactly one file
    Column("name", Text, nullable=False),  # for people
    Column("folder", Text),  # what the folder that it lies in is for
    Column("size", Integer),
    Column("modified_at", UtcDateTime),  # as the listing said
    Column("digest", Text),  # null: it could not be read yet
    Column("kind", Text),  # null: not recognised yet
    Column("hub_id", Text),
    Column("first_seen_at", UtcDateTime, nullable=False),
    Column("last_seen_at", UtcDateTime),  # the last listing that showed it; null: the newest does
    Column("gone_at", UtcDateTime),  # a second listing in a row did not show it, or other bytes
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt_at", UtcDateTime),
    Column("trouble", Text),  # why it could not be read
    Index(
        "recorded_file_there",
        "account",
        "path",
        unique=True,
        sqlite_where=text("gone_at IS NULL"),
    ),
    Index("recorded_file_by_invoice", "account", "hub_id"),
    Index("recorded_file_by_kind", "account", "kind", "hub_id", "digest"),
    Index("recorded_file_given", "account", "id", sqlite_where=text("folder = 'statin'")),
    sqlite_autoincrement=True,
)

doubt = Table(  # what both feeds may not have given alike; triggers keep it (see `doubts`)
    "doubt",
    metadata,
    Column("account", Text, primary_key=True),
    Column("hub_id", Text, primary_key=True),
    Column("why", Text, primary_key=True),
    # its two files, as far as there are two, were not compared yet (see `comparisons`)
    Column("uncompared", Integer, nullable=False, server_default="1"),
    Index(
        "doubt_uncompared",
        "account",
        "hub_id",
        sqlite_where=text("uncompared = 1 AND why = 'files'"),
    ),
    sqlite_with_rowid=False,
)

comparison = Table(  # what two files say differently: it follows from their bytes alone
    "comparison",
    metadata,
    Column("account", Text, primary_key=True),
    Column("legacy_digest", Text, primary_key=True),
    Column("rest_digest", Text, primary_key=True),
    Column("rules", Text, nullable=False),  # by which version they were compared
    Column("equivalent", Integer, nullable=False),
    Column("differences", JSON, nullable=False),
    Column("xml", JSON, nullable=False),  # lines of the XML difference
)

recorded_span = Table(
    "recorded_span",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", Text, nullable=False),
    Column("feed", Text, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("until", UtcDateTime, nullable=False),
    Column("listings", Integer, nullable=False),
    Column("said", Text),  # why the listings after it failed, as far as they did
    Index("recorded_span_by_feed", "account", "feed", "until"),
    sqlite_autoincrement=True,
)

recorded_feed = Table(
    "recorded_feed",
    metadata,
    Column("account", Text, primary_key=True),
    Column("feed", Text, primary_key=True),
    Column("last_listing_at", UtcDateTime),  # the last one that succeeded
    Column("capped_slices", JSON, nullable=False, default=list),
    Column("vanished", Integer, nullable=False, default=0),  # all that were there, all at once
    Column("trouble", Text),  # why it is not recorded at present
    Column("trouble_since", UtcDateTime),
)
