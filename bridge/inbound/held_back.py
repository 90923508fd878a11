"""What could not be brought this time: noted with its reason, and tried again later."""

import structlog

from bridge.account import Account
from bridge.errors import BridgeError
from bridge.inbound.fetching import UnreadableError
from bridge.ledger import attachments, deliveries, recordings
from bridge.ledger.attachments import AttachmentRow
from bridge.ledger.deliveries import Delivery

log = structlog.get_logger()


def hold_back(account: Account, row: Delivery, error: BridgeError) -> None:
    """Note why an invoice was not brought; what is no whole file is told of in reports."""
    log.warning("invoice held back", hub_id=row.hub_id, feed=row.feed, reason=str(error))
    again = account.next_try(row.attempts)
    with account.ledger.write() as connection:
        deliveries.failed(connection, row.id, trouble=str(error), next_attempt_at=again)
        if isinstance(error, UnreadableError):
            recordings.spoiled(connection, row.id, str(error))


def hold_back_attachment(account: Account, row: AttachmentRow, error: BridgeError) -> None:
    """Note why an attachment was not brought."""
    log.warning("attachment held back", hub_id=row.hub_id, reason=str(error))
    again = account.next_try(row.attempts)
    with account.ledger.write() as connection:
        attachments.failed(connection, row.id, trouble=str(error), next_attempt_at=again)
