"""Whether the hub knows an update already, and how it came to.

It shows what the update says; or its history has it, since an attempt of which nobody knows what
came of it. Somebody else may have told the hub more since.
"""

from datetime import datetime, timedelta

from bridge.account import Account
from bridge.errors import InvoiceError
from bridge.ledger import updates
from bridge.ledger.updates import Outcome
from bridge.model import HubId, Invoice, StateUpdate
from bridge.outbound.shown import as_shown
from bridge.translate import same_effect

CLOCK_TOLERANCE = timedelta(seconds=2)
"""Dates of the hub's answers and states may be cut to whole seconds."""


def how_known(
    account: Account, now_shown: Invoice, change: StateUpdate, since: datetime | None
) -> Outcome | None:
    """Tell how the hub came to know an update, None if it does not know it.

    `since` is when an attempt began of which nobody knows whether it was applied.
    """
    if since is not None and _was_applied(account, now_shown.hub_id, change, since):
        return Outcome.FOUND_APPLIED
    return Outcome.ALREADY_SHOWN if same_effect(change, now_shown) else None


def _was_applied(account: Account, hub_id: HubId, change: StateUpdate, since: datetime) -> bool:
    """Tell whether the history has this update, by the hub's clock not before `since`.

    It need not be the last line; but what stands before the line of the invoice's previous update
    is none of it.
    """
    try:
        history = account.hub.history(hub_id)
    except InvoiceError:
        return False  # no history (2003, 9999): then what the invoice shows must do
    with account.ledger.read() as connection:
        before = updates.last_accepted(connection, account.name, hub_id)
    began = since + (account.hub.clock_offset or timedelta()) - CLOCK_TOLERANCE
    for age, record in enumerate(reversed(history)):
        if record.at is None or record.at < began:
            return False
        line = as_shown(hub_id, record)
        is_before = before is not None and same_effect(before, line)
        if same_effect(change, line):
            return age == 0 or not is_before
        if is_before:
            return False
    return False
