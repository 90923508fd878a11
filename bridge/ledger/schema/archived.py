"""Which columns name a file of the archive, by its digest."""

from bridge.ledger.schema.deliveries import attachment, delivery, placed_file
from bridge.ledger.schema.outbox import state_file
from bridge.ledger.schema.recordings import recorded_file

ARCHIVED = (
    delivery.c.digest,
    delivery.c.receipt_digest,
    attachment.c.digest,
    placed_file.c.digest,
    recorded_file.c.digest,
    state_file.c.digest,
)
"""What is missing here, `verify` does not miss, and the archive may lose while it is needed."""
