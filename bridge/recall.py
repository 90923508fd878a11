"""Taking back what was put on offer again by a restored backup of everything.

Where ledger, journal and mailbox were all restored together, nothing on this machine knows what
happened since. That it happened the mailbox's mark tells: it is another file than it was. Then the
hub is asked. An invoice lies in the mailbox uncollected, the hub lists it no more, and it was told
DELIVERED in a time of which the ledger knows nothing: then it was collected in that time, for with
`acknowledge = "collected"` the bridge says DELIVERED for one other reason only: it goes before an
update of an invoice that was not collected. Where the ledger knows of an update, the DELIVERED
tells nothing. What was collected leaves the mailbox again before it is imported twice.
"""

from collections.abc import Collection
from datetime import timedelta

import structlog

from bridge.account import Account
from bridge.errors import InvoiceError
from bridge.ledger import accounts, events, placed_files, updates
from bridge.ledger.placed_files import PlacedFile
from bridge.model import HubId, State
from bridge.placing import note_collected

log = structlog.get_logger()

CLOCK_TOLERANCE = timedelta(seconds=2)
"""How far the hub's clock may be from what its answers made us think."""


def recall(account: Account, listed: Collection[HubId]) -> int:
    """Take back invoices that were collected in a forgotten time; return how many.

    `listed` is all that the hub has pending. Only what is strange is asked about: as a rule what
    lies uncollected in the mailbox is still pending. Raises as the hub's calls do.
    """
    with account.ledger.read() as connection:
        identity = accounts.mailbox_identity(connection, account.name)
    found = account.mailbox.identity()
    if found == identity:
        return 0
    taken = _recall(account, listed) if account.own.acknowledge == "collected" else 0
    with account.ledger.write() as connection:
        accounts.set_mailbox_identity(connection, account.name, found)
    return taken


def _recall(account: Account, listed: Collection[HubId]) -> int:
    log.warning("the mailbox was restored from a backup", account=account.name)
    with account.ledger.read() as connection:
        offered = placed_files.offered(connection, account.name)
        known = events.last_before(connection, account.name, account.began)
    if known is None:
        return 0
    # By the hub's clock, which is known to about a second; its dates may be cut to whole ones.
    offset = account.hub.clock_offset or timedelta()
    since, until = known.replace(microsecond=0) + offset, account.began + offset + CLOCK_TOLERANCE
    strange = {file.hub_id for file in offered if file.hub_id} - set(listed)
    taken = 0
    for hub_id in sorted(strange - _reported(account, strange)):
        try:
            history = account.hub.history(hub_id)
        except InvoiceError as error:
            log.warning("not asked what became of it", hub_id=hub_id, reason=str(error))
            continue
        told = [record.at for record in history if record.state is State.DELIVERED]
        if any(at is not None and since <= at <= until for at in told):
            _take_back(account, hub_id, [file for file in offered if file.hub_id == hub_id])
            taken += 1
    return taken


def _reported(account: Account, hub_ids: Collection[HubId]) -> set[HubId]:
    """Return those of which the RCF has reported anything that the ledger knows."""
    with account.ledger.read() as connection:
        return {hub_id for hub_id in hub_ids if updates.any_of(connection, account.name, hub_id)}


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
            "invoice taken back: collected before a backup was restored",
            at=account.clock(),
            hub_id=hub_id,
        )
        note_collected(connection, account, files)
    for file in reversed(files):
        account.mailbox.take_back(file.folder, file.name, file.digest)
