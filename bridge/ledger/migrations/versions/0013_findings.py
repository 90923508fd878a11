"""What a finding was before, and what was accepted of a duplicate besides its two files."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the columns."""
    op.add_column(
        "finding", sa.Column("was_in_flight", sa.Integer, nullable=False, server_default="0")
    )
    op.add_column("finding", sa.Column("beside", sa.Text, nullable=True))
    op.add_column("accepted_finding", sa.Column("beside", sa.Text, nullable=True))
