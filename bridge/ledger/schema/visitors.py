"""Who comes to the doors."""

from sqlalchemy import (
    JSON,
    Column,
    Integer,
    Table,
    Text,
)

from bridge.ledger.schema.base import UtcDateTime, metadata

client = Table(
    "client",
    metadata,
    Column("account", Text, primary_key=True),
    Column("user", Text, primary_key=True),
    Column("protocol", Text, primary_key=True),
    Column("mark", Text, primary_key=True),  # of what it is: the same program has the same
    Column("program", JSON, nullable=False),  # its name, what it offered, what was agreed on
    Column("habits", JSON, nullable=False, default=dict),  # how it names files, FTP's verbs
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("visits", Integer, nullable=False, default=0),
)

visit = Table(
    "visit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", Text, nullable=False),
    Column("user", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("program", Text),
    Column("since", UtcDateTime, nullable=False),
)

ban = Table(
    "ban",
    metadata,
    Column("subject", Text, primary_key=True),  # an address or a user
    Column("until", UtcDateTime, nullable=False),
)
