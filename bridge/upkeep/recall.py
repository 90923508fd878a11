"""Taking back what was put on offer again by a restored backup of everything.

Where ledger, journal and mailbox were all restored together, nothing on this machine knows what
happened since. That it happened the mailbox's mark tells: it is another file than it was. Then the
hub is asked. An invoice lies in the mailbox uncollected, the hub lists it no more, and in a time of
which the ledger knows nothing it was told DELIVERED (which the bridge says once the software has
collected, by the policy `collected`) or something that only the RCF can have said: then the
software has it, and it leaves the mailbox again before it is imported twice.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

import structlog

from bridge.account import Account
from bridge.errors import InvoiceError
from bridge.inbound.placing import note_collected
from bridge.ledger import accounts, events, placed_files
from bridge.ledger.events import TAKEN_BACK
from bridge.ledger.placed_files import PlacedFile
from bridge.model import PENDING_STATES, HubId, State, StateRecord

log = structlog.get_logger()

CLOCK_TOLERANCE = timedelta(seconds=2)
"""How far the hub's clock may be from what its answers made us think."""


def is_owed(account: Account) -> bool:
    """Tell whether a backup was restored of which the hub was not asked yet."""
    with account.ledger.read() as connection:
        return accounts.recall_since(connection, account.name) is not None


def recall(account: Account, listed: Collection[HubId]) -> int:
    """Take back invoices that were collected in a forgotten time; return how many.

    `listed` is what the hub has pending, as far as it lists it. Only what is strange is asked
    about: as a rule what lies uncollected in the mailbox is still pending. Raises as the hub's
    calls do; what is owed stays so until all of it was asked.
    """
    with account.ledger.read() as connection:
        since = accounts.recall_since(connection, account.name)
        if since is None:
            return 0
        offered = placed_files.offered(connection, account.name)
    strange = {file.hub_id for file in offered if file.hub_id} - set(listed)
    taken = [hub_id for hub_id in sorted(strange) if _was_taken(account, hub_id, since)]
    for hub_id in taken:
        _take_back(account, hub_id, [file for file in offered if file.hub_id == hub_id])
    with account.ledger.write() as connection:
        identity = account.mailbox.identity()
        accounts.set_mailbox_identity(connection, account.name, identity)
    return len(taken)


def _was_taken(account: Account, hub_id: HubId, since: datetime) -> bool:
    """Tell whether the hub was told, in the forgotten time, that the software has an invoice."""
    try:
        history = account.hub.history(hub_id)
    except InvoiceError as error:
        log.warning("not asked what became of it", hub_id=hub_id, reason=str(error))
        return False
    # By the hub's clock, which is known to about a second; its dates may be cut to whole ones.
    offset = account.hub.clock_offset or timedelta()
    first, last = since.replace(microsecond=0) + offset, account.began + offset + CLOCK_TOLERANCE
    return any(
        record.at is not None and first <= record.at <= last and _tells(account, record)
        for record in history
    )


def _tells(account: Account, record: StateRecord) -> bool:
    if record.state is State.DELIVERED:
        return account.own.acknowledge == "collected"
    # The hub itself may reject an invoice that nobody has seen.
    return record.state not in {None, State.REJECTED, *PENDING_STATES}


def _take_back(account: Account, hub_id: HubId, files: list[PlacedFile]) -> None:
    """Note an invoice's files as collected and remove them, the invoice first.

    Noted first: what a crash leaves in the mailbox is taken away as what comes back after it was
    collected. Removed first, the rest would not look strange any more.
    """
    log.warning(
        "taken back: the software collected this invoice before a backup was restored",
        account=account.name,
        hub_id=hub_id,
    )
    with account.ledger.write() as connection:
        events.record(
            connection,
            account.name,
            TAKEN_BACK,
            at=account.clock(),
            hub_id=hub_id,
        )
        note_collected(connection, account, files)
    for file in reversed(files):
        account.mailbox.take_back(file.folder, file.name, file.digest)
