"""When a report first saw an invoice on the hub's list, of which nothing is recorded yet."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make the table; nothing of it was known before."""
    op.create_table(
        "first_listed",
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("hub_id", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account", "hub_id"),
    )
