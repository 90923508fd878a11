"""Marks of what both feeds may not have given alike: a report looks at these alone."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make the table, the column and the indexes; a later migration marks what is there.

    The marks follow from other rows, so they are always made by the newest rules, once the tables
    are the newest ones.
    """
    op.create_table(
        "doubt",
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("hub_id", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("account", "hub_id", "why"),
        sqlite_with_rowid=False,
    )
    op.add_column("delivery", sa.Column("lag", sa.Float, nullable=True))
    op.create_index(
        "delivery_by_lag",
        "delivery",
        ["account", "lag", "recorded_at"],
        sqlite_where=sa.text("feed = 'legacy' AND recorded_at IS NOT NULL"),
    )
    op.create_index(
        "recorded_file_given",
        "recorded_file",
        ["account", "id"],
        sqlite_where=sa.text("folder = 'statin'"),
    )
