"""What the ledger keeps of each account and of its hub, and of what runs."""

from sqlalchemy import (
    JSON,
    Column,
    Float,
    Integer,
    Table,
    Text,
)

from bridge.ledger.schema.base import UtcDateTime, metadata

account = Table(
    "account",
    metadata,
    Column("name", Text, primary_key=True),
    Column("serving_feed", Text),  # by the last move; null: none was made, the settings count
    Column("shadow_feed", Text),  # the same; "none" where there is none
    Column("mailbox_mark", Text),  # what the mailbox's own mark must say: it is still the same one
    Column("mailbox_identity", Text),  # which file the mark was: a restored backup has another
    Column("recall_since", UtcDateTime),  # the hub must still be asked what came after this
    Column("restored_at", UtcDateTime),  # when a restored backup was noticed last
    Column("forgotten_since", UtcDateTime),  # what happened between the two nobody here knows:
    Column("forgotten_until", UtcDateTime),  # everything was restored, the journal as well
    Column("mailbox_folders", JSON),  # which folders they were that files were put into
    Column("last_poll", UtcDateTime),  # the last listing that succeeded
    Column("capped_slices", JSON, nullable=False, default=list),
    Column("unlisted", Integer, nullable=False, default=0),  # that an empty list lacked
    Column("hub_reachable", Integer),  # null: never asked
    Column("hub_asked_at", UtcDateTime),
    Column("clock_offset_seconds", Float),
    Column("trouble", Text),  # why the account stands still, in words
    Column("trouble_since", UtcDateTime),
    Column("capped_listings", Integer, nullable=False, default=0),  # how many there were
    Column("found_applied", Integer, nullable=False, default=0),  # acknowledgements, after a doubt
    Column("verified_through", UtcDateTime),  # the last event that `verify` found in order
    # And `verified_at`, which nothing uses any more: a bridge that runs on the ledger while a newer
    # one brings it up to date still names it.
)

hub_pause = Table(  # of an account whose last call found the hub away
    "hub_pause",
    metadata,
    Column("account", Text, primary_key=True),
    Column("since", UtcDateTime, nullable=False),
    Column("until", UtcDateTime),  # of a pause that the hub asked for
    Column("pauses", Integer, nullable=False),  # in a row
    Column("reason", Text, nullable=False),
)

drift = Table(
    "drift",
    metadata,
    Column("account", Text, primary_key=True),
    Column("call", Text, primary_key=True),  # what the hub was asked
    Column("kind", Text, primary_key=True),  # unknown field, missing field, unknown state …
    Column("name", Text, primary_key=True),
    Column("times", Integer, nullable=False),
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
)

addressing_code = Table(
    "addressing_code",
    metadata,
    Column("account", Text, primary_key=True),
    Column("nif", Text, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("times", Integer, nullable=False),  # how many files of the old mailbox said so
)

component = Table(
    "component",
    metadata,
    Column("name", Text, primary_key=True),
    Column("running", Integer, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("restarts", Integer, nullable=False, default=0),
    Column("error", Text),
)
