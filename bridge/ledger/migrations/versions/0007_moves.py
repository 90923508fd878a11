"""Moves between the feeds: what was asked for, how far it came, what it ties together."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the table, and add the columns; nothing of it was known before."""
    op.create_table(
        "move",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("switched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("move_by_account", "move", ["account", "id"])
    for column in ("held_at", "handed_at"):
        op.add_column("delivery", sa.Column(column, sa.DateTime(timezone=True), nullable=True))
    op.add_column("placed_file", sa.Column("source_digest", sa.Text, nullable=True))
    op.add_column("placed_file", sa.Column("passing", sa.Text, nullable=True))
