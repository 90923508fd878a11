"""The tables of the ledger.

A delivery, an attachment and a placed file each keep the times of their steps; `state` says the
last one. Times are stored in UTC. `event` only grows: triggers refuse to change or remove a row,
and each row bears a digest that covers the one before it (see `chain`).
"""

from bridge.ledger.schema.accounts import account, addressing_code, component, drift, hub_pause
from bridge.ledger.schema.archived import ARCHIVED
from bridge.ledger.schema.base import UtcDateTime, metadata
from bridge.ledger.schema.deliveries import (
    FIRST_SEEN,
    IN_ORDER,
    attachment,
    delivery,
    message_number,
    placed_file,
)
from bridge.ledger.schema.events import event
from bridge.ledger.schema.outbox import attempt, state_file, state_update
from bridge.ledger.schema.recordings import (
    comparison,
    doubt,
    recorded_feed,
    recorded_file,
    recorded_span,
)
from bridge.ledger.schema.reports import accepted_finding, finding, first_listed, move, report
from bridge.ledger.schema.visitors import ban, client, visit

__all__ = [
    "ARCHIVED",
    "FIRST_SEEN",
    "IN_ORDER",
    "UtcDateTime",
    "accepted_finding",
    "account",
    "addressing_code",
    "attachment",
    "attempt",
    "ban",
    "client",
    "comparison",
    "component",
    "delivery",
    "doubt",
    "drift",
    "event",
    "finding",
    "first_listed",
    "hub_pause",
    "message_number",
    "metadata",
    "move",
    "placed_file",
    "recorded_feed",
    "recorded_file",
    "recorded_span",
    "report",
    "state_file",
    "state_update",
    "visit",
]
