"""What somebody asks of a report."""

from dataclasses import dataclass
from datetime import date, timedelta

LEDGER = "ledger"
"""The source of a legacy side that the bridge recorded itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """The days that a report is about, both included; None: without a limit."""

    since: date | None = None
    until: date | None = None

    @property
    def is_limited(self) -> bool:
        """Whether there are days that it is not about."""
        return self.since is not None or self.until is not None

    def holds(self, day: date) -> bool:
        """Tell whether a day is one of them."""
        return (self.since or date.min) <= day <= (self.until or date.max)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody asks of a report."""

    grace: timedelta
    legacy: str | None = None
    """A folder or an address, in place of what the ledger recorded."""
    period: Period = Period()
    everything: bool = False
    """Whether identical invoices are listed too."""
    only_recorded: bool = False
    """Whether neither the hub nor the old mailbox is to be asked now."""
