"""What the files of marked invoices say differently, kept, so that a report need not read them."""

import sqlalchemy as sa
from alembic import op

from bridge.ledger import doubts

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Make the table and the column, and mark what is there; the next round compares it."""
    op.create_table(
        "comparison",
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("legacy_digest", sa.Text, nullable=False),
        sa.Column("rest_digest", sa.Text, nullable=False),
        sa.Column("rules", sa.Text, nullable=False),
        sa.Column("equivalent", sa.Integer, nullable=False),
        sa.Column("differences", sa.JSON, nullable=False),
        sa.Column("xml", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("account", "legacy_digest", "rest_digest"),
    )
    op.add_column("doubt", sa.Column("uncompared", sa.Integer, nullable=False, server_default="1"))
    op.create_index(
        "doubt_uncompared",
        "doubt",
        ["account", "hub_id"],
        sqlite_where=sa.text("uncompared = 1 AND why = 'files'"),
    )
    doubts.renew(op.get_bind())
