"""The hub's pauses, known to every process, and what a restored backup may have forgotten."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Make table and columns; a pause under way is not known, nor when a backup was restored."""
    op.create_table(
        "hub_pause",
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pauses", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("account"),
    )
    moment = sa.DateTime(timezone=True)
    op.add_column("account", sa.Column("forgotten_since", moment, nullable=True))
    op.add_column("account", sa.Column("forgotten_until", moment, nullable=True))
    op.add_column("state_file", sa.Column("perhaps_sent_since", moment, nullable=True))
