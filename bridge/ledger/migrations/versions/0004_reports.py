"""Reports: summaries, the last one's findings, what was accepted; indexes to compare along."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the tables, and the indexes along which both sides are joined."""
    op.create_table(
        "report",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("generated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("counts", sa.JSON, nullable=False),
        sa.Column("blockers", sa.Integer, nullable=False),
        sa.Column("verified_through", sa.DateTime(timezone=True), nullable=True),
        sa.Column("since", sa.Date, nullable=True),
        sa.Column("until", sa.Date, nullable=True),
        sa.Column("legacy_source", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("report_by_account", "report", ["account", "generated_at"])
    op.create_table(
        "finding",
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("hub_id", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("feed", sa.Text, nullable=True),
        sa.Column("legacy_digest", sa.Text, nullable=True),
        sa.Column("rest_digest", sa.Text, nullable=True),
        sa.Column("number", sa.Text, nullable=True),
        sa.Column("supplier_nif", sa.Text, nullable=True),
        sa.Column("issue_date", sa.Date, nullable=True),
        sa.Column("amount", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("account", "hub_id"),
    )
    op.create_table(
        "accepted_finding",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("hub_id", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("legacy_digest", sa.Text, nullable=True),
        sa.Column("rest_digest", sa.Text, nullable=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("accepted_finding_by_invoice", "accepted_finding", ["account", "hub_id"])
    _index_deliveries()


def _index_deliveries() -> None:
    op.drop_index("delivery_by_invoice", "delivery")
    op.create_index(
        "delivery_by_invoice",
        "delivery",
        [
            "account",
            "hub_id",
            "feed",
            "digest",
            "registration_number",
            "recorded_at",
            "seen_at",
        ],
    )
    op.create_index(
        "delivery_by_content",
        "delivery",
        [
            "account",
            "feed",
            "issue_date",
            "supplier_nif",
            "file_number",
            "file_series",
            "hub_id",
        ],
    )
    op.create_index(
        "delivery_by_first_sight",
        "delivery",
        ["account", "feed", sa.text("coalesce(recorded_at, seen_at)")],
    )
    op.create_index("delivery_by_receiver", "delivery", ["account", "feed", "receiver_nif"])
    op.create_index(
        "delivery_with_receipt",
        "delivery",
        ["account", "feed"],
        sqlite_where=sa.text("receipt_digest IS NOT NULL"),
    )
    op.drop_index("recorded_file_by_kind", "recorded_file")
    op.create_index(
        "recorded_file_by_kind", "recorded_file", ["account", "kind", "hub_id", "digest"]
    )
    op.create_index(
        "delivery_unreadable",
        "delivery",
        ["account", "hub_id"],
        sqlite_where=sa.text("unreadable IS NOT NULL"),
    )
