"""The tables of the ledger.

A delivery, an attachment and a placed file each keep the times of their steps; `state` says the
last one. Times are stored in UTC. `event` only grows: triggers refuse to change or remove a row,
and each row bears a digest that covers the one before it (see `chain`).
"""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, kept in UTC by databases that know no zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times: they mean a different moment on every machine."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("the ledger takes aware times only")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        return None if value is None else value.replace(tzinfo=UTC)


IN_ORDER = (
    "CASE WHEN hub_id GLOB '*[^0-9]*' THEN '~' || hub_id "
    "ELSE printf('%03d', length(ltrim(hub_id, '0'))) || ltrim(hub_id, '0') END"
)
"""Sorts hub ids of digits as numbers, before all others: SQL for `bridge.recorded.in_order`."""

FIRST_SEEN = "coalesce(recorded_at, seen_at)"
"""When the bridge first saw a delivery, as SQL."""

metadata = MetaData()

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
    Column("verified_at", UtcDateTime),
    Column("verified_through", UtcDateTime),  # the last event that `verify` found in order
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

report = Table(
    "report",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", Text, nullable=False),
    Column("generated_at", UtcDateTime, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("counts", JSON, nullable=False),  # invoices, by outcome
    Column("blockers", Integer, nullable=False),  # invoices that stood in the way
    Column("verified_through", UtcDateTime),
    Column("since", Date),
    Column("until", Date),
    Column("legacy_source", Text, nullable=False),  # `ledger`, or where the old files were read
    Index("report_by_account", "account", "generated_at"),
    sqlite_autoincrement=True,
)

finding = Table(  # of the last report, what is in flight among them
    "finding",
    metadata,
    Column("account", Text, primary_key=True),
    Column("hub_id", Text, primary_key=True),
    Column("outcome", Text, nullable=False),
    Column("feed", Text),  # the side that has it, where only one has
    Column("legacy_digest", Text),
    Column("rest_digest", Text),
    Column("number", Text),
    Column("supplier_nif", Text),
    Column("issue_date", Date),
    Column("amount", Text),
    Column("was_in_flight", Integer, nullable=False, server_default="0"),
    Column("beside", Text),  # what made it a duplicate: further files, other hub ids
)

first_listed = Table(  # by REST, as reports saw it before anything recorded it
    "first_listed",
    metadata,
    Column("account", Text, primary_key=True),
    Column("hub_id", Text, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
)

accepted_finding = Table(
    "accepted_finding",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", Text, nullable=False),
    Column("hub_id", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("legacy_digest", Text),  # what was accepted: other files are another finding
    Column("rest_digest", Text),
    Column("beside", Text),  # further files and other hub ids, a line each
    Column("reason", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Index("accepted_finding_by_invoice", "account", "hub_id"),
    sqlite_autoincrement=True,
)

move = Table(
    "move",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", Text, nullable=False),
    Column("kind", Text, nullable=False),  # cutover or rollback
    Column("begun_at", UtcDateTime, nullable=False),
    Column("options", JSON, nullable=False),  # as it was asked for
    Column("switched_at", UtcDateTime),  # when the other feed began to serve
    Column("ended_at", UtcDateTime),
    Index("move_by_account", "account", "id"),
    sqlite_autoincrement=True,
)

message_number = Table(
    "message_number",
    metadata,
    Column("account", Text, primary_key=True),
    Column("last", Integer, nullable=False),
)

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

client = Table(
    "client",
    metadata,
    Column("account", Text, primary_key=True),
    Column("user", Text, primary_key=True),
    Column("protocol", Text, primary_key=True),
    Column("mark", Text, primary_key=True),  # of what it is: the same program has the same
    Column("program", JSON, nullable=False),  # its name, what it offered, what was agreed on
    Column("habits", JSON, nullable=False, default=dict),  # how it names files, FTP's verbs
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("visits", Integer, nullable=False, default=0),
)

visit = Table(
    "visit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", Text, nullable=False),
    Column("user", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("program", Text),
    Column("since", UtcDateTime, nullable=False),
)

ban = Table(
    "ban",
    metadata,
    Column("subject", Text, primary_key=True),  # an address or a user
    Column("until", UtcDateTime, nullable=False),
)
