"""A circuit's memory in the ledger: a pause that one process was asked for, all of them keep."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.hub.circuit import Kept
from bridge.ledger import Ledger, pauses
from bridge.ledger.pauses import Pause


@dataclass(frozen=True, slots=True)
class PauseMemory:
    """The pauses of an account as its circuit sees them."""

    ledger: Ledger
    account: str
    clock: Callable[[], datetime]

    def known(self) -> Kept | None:
        """Return what some process has found out; raises LedgerError."""
        with self.ledger.read() as connection:
            found = pauses.of_account(connection, self.account)
        if found is None:
            return None
        return Kept(asked=found.left(self.clock()), pauses=found.pauses, reason=found.reason)

    def keep(self, kept: Kept | None) -> None:
        """Let every process know; raises LedgerError."""
        with self.ledger.write() as connection:
            if kept is None:
                pauses.strike_out(connection, self.account)
                return
            now, found = self.clock(), pauses.of_account(connection, self.account)
            if found is not None and found.left(now) > kept.asked:
                return  # another process was asked for a longer one
            until = now + timedelta(seconds=kept.asked) if kept.asked else None
            pause = Pause(since=now, until=until, pauses=kept.pauses, reason=kept.reason)
            pauses.note(connection, self.account, pause)
