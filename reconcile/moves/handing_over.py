"""From our mailbox into a folder: what waits leaves the one for the other, in large parts.

Each part in this order, so that a run after a broken one knows how far each invoice had come:

    1 the ledger says that these are on their way
    2 they leave the software's sight, into staging; what it has taken meanwhile is left to it
    3 they are written into the folder
    4 the ledger says that they are there: the bridge never offers them again
    5 staging lets go of them
"""

import time
from collections.abc import Iterator, Sequence, Set

from bridge.account import Account
from bridge.inbound.placing import note_collected
from bridge.ledger import handing, standings, ties
from bridge.ledger.placed_files import Kind, PlacedFile
from bridge.model import HubId
from reconcile.moves.folder import Target

AT_ONCE = 5000
"""Invoices that leave our mailbox together."""

DOORS_TELL_WITHIN = 0.5
"""Seconds after which it is in the ledger what was fetched through a door."""

Files = dict[HubId, list[PlacedFile]]


class HandingOver:
    """Hands invoices over into a folder; the caller holds all turns."""

    def __init__(self, account: Account, target: Target, *, by: str) -> None:
        self.account, self.target, self.by = account, target, by

    def hand_over(self, hub_ids: Sequence[HubId]) -> None:
        """Hand these over, and first those that a broken run has left on their way."""
        with self.account.ledger.read() as connection:
            begun = handing.being_handed(connection, self.account.name)
        known = frozenset(begun)
        for some in _parts([*begun, *(it for it in hub_ids if it not in known)]):
            self._hand_over(some)

    def _hand_over(self, hub_ids: Sequence[HubId]) -> None:
        self._note(handing.HANDING, hub_ids)
        with self.account.ledger.read() as connection:
            files = ties.standing_files(connection, self.account.name, hub_ids)
        aside = [hub_id for hub_id in files if self._set_aside(files[hub_id])]
        self.account.mailbox.aside.sync()
        kept = self._not_fetched(files, aside)
        self._leave_to_the_software(files, files.keys() - kept)
        self.target.write(self._whole(files, kept))
        self._note(handing.HANDED, kept)
        for hub_id in kept:
            for file in files[hub_id]:
                self.account.mailbox.aside.let_go(file.folder, file.name)

    def _set_aside(self, files: Sequence[PlacedFile]) -> bool:
        """Take an invoice out of the software's sight; False where the software has taken it."""
        mailbox = self.account.mailbox
        invoice = next(file for file in files if file.kind is Kind.INVOICE)
        if not mailbox.aside.take(invoice.folder, invoice.name):
            return False
        for file in files:
            mailbox.aside.take(file.folder, file.name)
        return True

    def _not_fetched(self, files: Files, hub_ids: Sequence[HubId]) -> list[HubId]:
        """Leave out what was fetched through a door while it was being set aside."""
        names = {
            hub_id: file.name
            for hub_id in hub_ids
            for file in files[hub_id]
            if file.kind is Kind.INVOICE
        }
        time.sleep(DOORS_TELL_WITHIN)
        with self.account.ledger.read() as connection:
            fetched = standings.fetched(connection, self.account.name, names)
        return [hub_id for hub_id in hub_ids if hub_id not in fetched]

    def _leave_to_the_software(self, files: Files, which: Set[HubId]) -> None:
        """What the software has taken, or is taking, is not handed over."""
        mailbox = self.account.mailbox
        hub_ids = [hub_id for hub_id in files if hub_id in which]
        for hub_id in hub_ids:
            for file in files[hub_id]:
                mailbox.aside.bring_back(file.folder, file.name)
        self._note(handing.CALLED_OFF, hub_ids)
        gone = [
            file
            for hub_id in hub_ids
            for file in files[hub_id]
            if mailbox.is_gone(file.folder, file.name)
        ]
        if gone:
            with self.account.ledger.write() as connection:
                note_collected(connection, self.account, gone)

    def _whole(self, files: Files, hub_ids: Sequence[HubId]) -> list[PlacedFile]:
        """Return what stood there, and what the software had taken of it alone: the whole."""
        with self.account.ledger.read() as connection:
            taken = ties.collected_parts(connection, self.account.name, hub_ids)
        return [*taken, *(file for hub_id in hub_ids for file in files[hub_id])]

    def _note(self, kind: str, hub_ids: Sequence[HubId]) -> None:
        if not hub_ids:
            return
        account = self.account
        with account.ledger.write() as connection:
            handing.record(
                connection, account.name, kind, hub_ids, at=account.clock(), actor=self.by
            )


def _parts(hub_ids: Sequence[HubId]) -> Iterator[Sequence[HubId]]:
    for start in range(0, len(hub_ids), AT_ONCE):
        yield hub_ids[start : start + AT_ONCE]
