"""Reports, what they found and what somebody accepted, and moves."""

from sqlalchemy import (
    JSON,
    Column,
    Date,
    Index,
    Integer,
    Table,
    Text,
)

from bridge.ledger.schema.base import UtcDateTime, metadata

report = Table(
    "report",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", Text, nullable=False),
    Column("generated_at", UtcDateTime, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("counts", JSON, nullable=False),  # invoices, by outcome
    Column("blockers", Integer, nullable=False),  # invoices that stood in the way
    Column("verified_through", UtcDateTime),
    Column("since", Date),
    Column("until", Date),
    Column("legacy_source", Text, nullable=False),  # `ledger`, or where the old files were read
    Index("report_by_account", "account", "generated_at"),
    sqlite_autoincrement=True,
)

finding = Table(  # of the last report on each source, what is in flight among them
    "finding",
    metadata,
    Column("account", Text, primary_key=True),
    Column("legacy_source", Text, primary_key=True),  # as in `report`
    Column("hub_id", Text, primary_key=True),
    Column("outcome", Text, nullable=False),
    Column("feed", Text),  # the side that has it, where only one has
    Column("legacy_digest", Text),
    Column("rest_digest", Text),
    Column("number", Text),
    Column("supplier_nif", Text),
    Column("issue_date", Date),
    Column("amount", Text),
    Column("was_in_flight", Integer, nullable=False, server_default="0"),
    Column("beside", Text),  # what made it a duplicate: further files, other hub ids
)

first_listed = Table(  # by REST, as reports saw it before anything recorded it
    "first_listed",
    metadata,
    Column("account", Text, primary_key=True),
    Column("hub_id", Text, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
)

accepted_finding = Table(
    "accepted_finding",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", Text, nullable=False),
    Column("hub_id", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("legacy_digest", Text),  # what was accepted: other files are another finding
    Column("rest_digest", Text),
    Column("beside", Text),  # further files and other hub ids, a line each
    Column("reason", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Index("accepted_finding_by_invoice", "account", "hub_id"),
    sqlite_autoincrement=True,
)

move = Table(
    "move",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", Text, nullable=False),
    Column("kind", Text, nullable=False),  # cutover or rollback
    Column("begun_at", UtcDateTime, nullable=False),
    Column("options", JSON, nullable=False),  # as it was asked for
    Column("switched_at", UtcDateTime),  # when the other feed began to serve
    Column("ended_at", UtcDateTime),
    Index("move_by_account", "account", "id"),
    sqlite_autoincrement=True,
)
