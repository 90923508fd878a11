"""The old mailbox as the serving feed: where a placed file came from, what is passed on there."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the columns; nothing of it was known before."""
    op.add_column("placed_file", sa.Column("source", sa.Text, nullable=True))
    op.add_column("placed_file", sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "placed_file_by_source",
        "placed_file",
        ["account", "source"],
        sqlite_where=sa.text("source IS NOT NULL"),
    )
    op.add_column("state_file", sa.Column("passing", sa.Text, nullable=True))
    op.add_column("state_file", sa.Column("trouble", sa.Text, nullable=True))
    op.create_index(
        "state_file_to_pass",
        "state_file",
        ["account", "passing"],
        sqlite_where=sa.text("passing IS NOT NULL"),
    )
