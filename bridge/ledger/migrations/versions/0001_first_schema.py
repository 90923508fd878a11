"""The first schema: deliveries, attachments, placed files, the outbox, events."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables, and the triggers that keep events as they were written."""
    op.create_table(
        "account",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("mailbox_mark", sa.Text, nullable=True),
        sa.Column("mailbox_identity", sa.Text, nullable=True),
        sa.Column("recall_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("restored_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("mailbox_folders", sa.JSON, nullable=True),
        sa.Column("last_poll", sa.DateTime(timezone=True), nullable=True),
        sa.Column("capped_slices", sa.JSON, nullable=False),
        sa.Column("unlisted", sa.Integer, nullable=False),
        sa.Column("hub_reachable", sa.Integer, nullable=True),
        sa.Column("hub_asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("clock_offset_seconds", sa.Float, nullable=True),
        sa.Column("trouble", sa.Text, nullable=True),
        sa.Column("trouble_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("capped_listings", sa.Integer, nullable=False),
        sa.Column("found_applied", sa.Integer, nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verified_through", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "addressing_code",
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("nif", sa.Text, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("account", "nif", "code"),
    )
    op.create_table(
        "attachment",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("feed", sa.Text, nullable=False),
        sa.Column("hub_id", sa.Text, nullable=False),
        sa.Column("attachment_id", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("original_name", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=True),
        sa.Column("name", sa.Text, nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("collected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trouble", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("account", "feed", "hub_id", "attachment_id"),
        sa.UniqueConstraint("account", "feed", "hub_id", "position"),
        sqlite_autoincrement=True,
    )
    op.create_index("attachment_by_invoice", "attachment", ["account", "hub_id"], unique=False)
    op.create_index("attachment_by_state", "attachment", ["account", "state"], unique=False)
    op.create_index(
        "attachment_unacknowledged",
        "attachment",
        ["account", "feed", "hub_id", "position"],
        unique=False,
        sqlite_where=sa.text("acknowledged_at IS NULL"),
    )
    op.create_table(
        "component",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("running", sa.Integer, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("restarts", sa.Integer, nullable=False),
        sa.Column("error", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "delivery",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("feed", sa.Text, nullable=False),
        sa.Column("hub_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("nif", sa.Text, nullable=True),
        sa.Column("accounting_office", sa.Text, nullable=True),
        sa.Column("number", sa.Text, nullable=True),
        sa.Column("file_number", sa.Text, nullable=True),
        sa.Column("file_series", sa.Text, nullable=True),
        sa.Column("issue_date", sa.Date, nullable=True),
        sa.Column("amount", sa.Text, nullable=True),
        sa.Column("supplier_nif", sa.Text, nullable=True),
        sa.Column("receiver_nif", sa.Text, nullable=True),
        sa.Column("registration_number", sa.Text, nullable=True),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("digest", sa.Text, nullable=True),
        sa.Column("receipt_digest", sa.Text, nullable=True),
        sa.Column("name", sa.Text, nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("collected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trouble", sa.Text, nullable=True),
        sa.Column("receipt_trouble", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("account", "feed", "hub_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("delivery_by_date", "delivery", ["account", "issue_date"], unique=False)
    op.create_index("delivery_by_invoice", "delivery", ["account", "hub_id"], unique=False)
    op.create_index("delivery_by_state", "delivery", ["account", "state"], unique=False)
    op.create_index(
        "delivery_unacknowledged",
        "delivery",
        ["account", "feed"],
        unique=False,
        sqlite_where=sa.text("acknowledged_at IS NULL"),
    )
    op.create_table(
        "drift",
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("call", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account", "call", "kind", "name"),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("hub_id", sa.Text, nullable=True),
        sa.Column("detail", sa.JSON, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("account", "number"),
        sqlite_autoincrement=True,
    )
    op.create_index("event_by_invoice", "event", ["account", "hub_id"], unique=False)
    op.create_table(
        "message_number",
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("last", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("account"),
    )
    op.create_table(
        "placed_file",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("folder", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("feed", sa.Text, nullable=True),
        sa.Column("hub_id", sa.Text, nullable=True),
        sa.Column("attachment_id", sa.Text, nullable=True),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("placing_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("collected_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("account", "folder", "name"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "placed_file_by_state", "placed_file", ["account", "state", "folder"], unique=False
    )
    op.create_table(
        "state_file",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("state_file_by_digest", "state_file", ["account", "digest"], unique=False)
    op.create_table(
        "state_update",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("state_file", sa.Integer, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("hub_id", sa.Text, nullable=True),
        sa.Column("asked_state", sa.Text, nullable=True),
        sa.Column("state", sa.Text, nullable=True),
        sa.Column("register_number", sa.Text, nullable=True),
        sa.Column("reason_code", sa.Text, nullable=True),
        sa.Column("reason", sa.Text, nullable=True),
        sa.Column("paid_on", sa.Date, nullable=True),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=True),
        sa.Column("refusal_code", sa.Text, nullable=True),
        sa.Column("refusal_reason", sa.Text, nullable=True),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trouble", sa.Text, nullable=True),
        sa.ForeignKeyConstraint(
            ["state_file"],
            ["state_file.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("state_update_by_file", "state_update", ["state_file"], unique=False)
    op.create_index(
        "state_update_by_invoice", "state_update", ["account", "hub_id", "id"], unique=False
    )
    op.create_index("state_update_by_status", "state_update", ["account", "status"], unique=False)
    op.create_table(
        "attempt",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("update_id", sa.Integer, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent", sa.JSON, nullable=True),
        sa.Column("answer", sa.Text, nullable=True),
        sa.Column("shown", sa.Text, nullable=True),
        sa.ForeignKeyConstraint(
            ["update_id"],
            ["state_update.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("attempt_by_update", "attempt", ["update_id"], unique=False)
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER event_no_{change.lower()} BEFORE {change} ON event "
            "BEGIN SELECT RAISE(ABORT, 'events are never changed'); END"
        )
