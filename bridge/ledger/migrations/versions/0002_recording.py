"""Recording: what each feed showed and when, the files of the old mailbox, the listings."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

IN_ORDER = (
    "CASE WHEN hub_id GLOB '*[^0-9]*' THEN '~' || hub_id "
    "ELSE printf('%03d', length(ltrim(hub_id, '0'))) || ltrim(hub_id, '0') END"
)


def upgrade() -> None:
    """Make the tables, and the columns of deliveries that recording needs."""
    for column in (
        sa.Column("unreadable", sa.Text, nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True),
    ):
        op.add_column("delivery", column)
    op.create_index(
        "delivery_in_order", "delivery", ["account", "feed", sa.text(IN_ORDER), "hub_id"]
    )
    op.create_table(
        "recorded_file",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("folder", sa.Text, nullable=True),
        sa.Column("size", sa.Integer, nullable=True),
        sa.Column("modified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("digest", sa.Text, nullable=True),
        sa.Column("kind", sa.Text, nullable=True),
        sa.Column("hub_id", sa.Text, nullable=True),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trouble", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "recorded_file_there",
        "recorded_file",
        ["account", "path"],
        unique=True,
        sqlite_where=sa.text("gone_at IS NULL"),
    )
    op.create_index("recorded_file_by_invoice", "recorded_file", ["account", "hub_id"])
    op.create_index("recorded_file_by_kind", "recorded_file", ["account", "kind"])
    op.create_table(
        "recorded_span",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("feed", sa.Text, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("listings", sa.Integer, nullable=False),
        sa.Column("said", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("recorded_span_by_feed", "recorded_span", ["account", "feed", "until"])
    op.create_table(
        "recorded_feed",
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("feed", sa.Text, nullable=False),
        sa.Column("last_listing_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("capped_slices", sa.JSON, nullable=False),
        sa.Column("vanished", sa.Integer, nullable=False),
        sa.Column("trouble", sa.Text, nullable=True),
        sa.Column("trouble_since", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("account", "feed"),
    )
