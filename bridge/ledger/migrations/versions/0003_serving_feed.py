"""The ledger's word on the serving feed; acknowledgements belong to one feed."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add what a move writes down; take back acknowledgements of what was only learned.

    They were the hub's, and had been noted with every delivery of the invoice.
    """
    with op.batch_alter_table("account") as account:
        account.add_column(sa.Column("serving_feed", sa.Text, nullable=True))
        account.add_column(sa.Column("shadow_feed", sa.Text, nullable=True))
    op.execute(
        "UPDATE delivery SET acknowledged_at = NULL, "
        "state = CASE state WHEN 'acknowledged' THEN 'collected' ELSE state END "
        "WHERE feed = 'legacy'"
    )
