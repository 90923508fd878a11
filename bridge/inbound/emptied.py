"""A pending list that suddenly comes back empty: a fault to report, never a fact to act on.

The hub lists an invoice until it is told that we have it. Where it lists nothing at all, though
invoices that it was not told of lie in the mailbox, its list is wrong, or this account is not the
one that it was. Somebody may have told the hub beside the bridge, in its portal: so it is asked
about a few of them first.
"""

import structlog

from bridge.account import Account
from bridge.errors import InvoiceError
from bridge.feeds import Listing
from bridge.ledger import deliveries
from bridge.model import PENDING_STATES, DeliveryState, HubId
from bridge.outbound.shown import shown

log = structlog.get_logger()

MOST_ASKED = 3
"""So many invoices, the newest, are asked about at most."""


def count_unlisted(account: Account, listing: Listing) -> int:
    """Return how many invoices an empty list lacks; 0 where all is as it should be, or not listed.

    Raises as the hub's calls do, for what concerns no single invoice.
    """
    if listing.invoices or listing.failure is not None:
        return 0
    with account.ledger.read() as connection:
        untold = deliveries.to_acknowledge(
            connection, account.name, once=DeliveryState.PLACED, due=None
        )
    # What was tried before may have been told without our hearing of it.
    expected = [row.hub_id for row in untold if row.attempts == 0]
    if all(_has_gone_on(account, hub_id) for hub_id in expected[-MOST_ASKED:]):
        return 0
    log.warning(
        "the hub lists nothing, though it must still have invoices pending",
        account=account.name,
        invoices=len(expected),
    )
    return len(expected)


def _has_gone_on(account: Account, hub_id: HubId) -> bool:
    """Tell whether the hub shows an invoice further on; one that it does not know is not."""
    try:
        return shown(account.hub, hub_id).state not in PENDING_STATES
    except InvoiceError:
        return False
