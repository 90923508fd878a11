"""An index of the uploads that were cut off: their bytes are counted at each start."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Make the index."""
    op.create_index(
        "event_cut_off",
        "event",
        ["account", "id"],
        sqlite_where=sa.text("kind = 'upload cut off'"),
    )
