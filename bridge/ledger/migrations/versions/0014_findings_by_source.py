"""The findings of the last report on each source, not of the last report alone."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_COPY = """
INSERT INTO finding (account, legacy_source, hub_id, outcome, feed, legacy_digest, rest_digest,
  number, supplier_nif, issue_date, amount, was_in_flight, beside)
SELECT b.account, r.legacy_source, b.hub_id, b.outcome, b.feed, b.legacy_digest, b.rest_digest,
  b.number, b.supplier_nif, b.issue_date, b.amount, b.was_in_flight, b.beside
FROM finding_before b JOIN report r ON r.id = (SELECT max(id) FROM report WHERE account = b.account)
"""


def upgrade() -> None:
    """Make the table anew; what it holds is of the source of the account's last report."""
    op.rename_table("finding", "finding_before")
    op.create_table(
        "finding",
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("legacy_source", sa.Text, nullable=False),
        sa.Column("hub_id", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("feed", sa.Text, nullable=True),
        sa.Column("legacy_digest", sa.Text, nullable=True),
        sa.Column("rest_digest", sa.Text, nullable=True),
        sa.Column("number", sa.Text, nullable=True),
        sa.Column("supplier_nif", sa.Text, nullable=True),
        sa.Column("issue_date", sa.Date, nullable=True),
        sa.Column("amount", sa.Text, nullable=True),
        sa.Column("was_in_flight", sa.Integer, nullable=False, server_default="0"),
        sa.Column("beside", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("account", "legacy_source", "hub_id"),
    )
    op.execute(_COPY)
    op.drop_table("finding_before")
