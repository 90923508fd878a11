"""What is to be known of the bridge at one moment, as values; `looking` finds it out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.blame import Caller
from bridge.ledger.cut_offs import CutOff
from bridge.ledger.drift import DriftRow
from bridge.ledger.moves import Move
from bridge.ledger.pauses import Pause
from bridge.ledger.serving import NONE, Feeds
from bridge.ledger.spans import FeedRow
from bridge.ledger.summary import (
    AccountRow,
    ComponentRow,
    HeldBack,
    HeldBackAttachment,
    Refused,
    Uncollected,
    Waiting,
    WithoutReceipt,
)
from bridge.ledger.visitors import BanRow, ClientRow, VisitRow
from bridge.model import DeliveryState, HubId, UpdateStatus
from bridge.status.shadow import ShadowStatus

RECENT = timedelta(days=30)
"""How long a missing receipt is listed, and a refusal counts as something to look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A backup of everything, and what nobody knows since."""

    since: datetime
    until: datetime
    acknowledge: str
    offered_again: tuple[HubId, ...]
    """Invoices that the software may have had before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStatus:
    """How one account is. Lists are oldest first, those of refusals and receipts newest first."""

    name: str
    caller: Caller
    feeds: Feeds
    """Which feed serves now, and which is its shadow."""
    settings_feeds: Feeds
    """The same as the settings say: the ledger's word counts where a move was made."""
    open_move: Move | None
    """A cutover or a rollback that was begun and has not ended."""
    row: AccountRow
    pause: Pause | None
    """The hub asked for it, and it is not over; None: nothing keeps us from calling."""
    mailbox_trouble: str | None
    disk_trouble: str | None
    deliveries: Mapping[DeliveryState, int]
    handed_over: int
    """Invoices that a rollback put into a folder, to be imported from there."""
    uncollected: tuple[Uncollected, ...]
    held_back: tuple[HeldBack, ...]
    not_acknowledged: tuple[HeldBack, ...]
    held_back_attachments: tuple[HeldBackAttachment, ...]
    without_receipt: tuple[WithoutReceipt, ...]
    updates: Mapping[UpdateStatus, int]
    refused: tuple[Refused, ...]
    waiting: tuple[Waiting, ...]
    found_applied: int
    drift: tuple[DriftRow, ...]
    """What the hub answers beside its contract."""
    unrecognised_files: tuple[str, ...]
    not_taken: tuple[str, ...]
    """State files that lie in `statin` for long."""
    cut_off: tuple[CutOff, ...]
    cut_off_bytes: int
    """What counts of all that was cut off and is kept; more than `cut_off_most` stops uploads."""
    cut_off_most: int
    not_kept_yet: tuple[str, ...]
    """Uploads that a killed `serve` left: folder and name; its next start keeps them."""
    here: tuple[VisitRow, ...]
    """Who is connected at a door."""
    banned: tuple[BanRow, ...]
    """Whom the doors do not let in for a while."""
    clients: tuple[ClientRow, ...]
    last_came: datetime | None
    """When the software last showed, at a door or in the folders."""
    restored: Restored | None
    """A backup of everything that was put back of late."""
    awaited_since: datetime | None
    """When the account began to work here."""
    shadow_feed: ShadowStatus | None
    old_mailbox: FeedRow | None
    """How the old mailbox was listed last, where it serves."""
    second_files: tuple[str, ...]
    """What lies in the old mailbox beside another file of the same invoice, and is not placed."""

    @property
    def serve(self) -> str:
        """The serving feed's name; `none` where no feed serves."""
        return self.feeds.serve or NONE

    @property
    def shadow(self) -> str:
        """The shadow feed's name; empty where there is none."""
        return self.feeds.shadow or ""

    @property
    def trouble(self) -> str | None:
        """Why the account stands still; None where it does not, or where the hub is away."""
        return self.row.trouble or self.mailbox_trouble or self.disk_trouble

    @property
    def hub_away(self) -> bool:
        """Whether the hub did not answer the account's last try."""
        return self.row.hub_reachable is False


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How the bridge is at a time; durations are in seconds."""

    at: datetime
    accounts: tuple[AccountStatus, ...]
    components: tuple[ComponentRow, ...]
    disk_free_bytes: int | None
    disk_trouble: str | None
    poll_interval: float
    uncollected_after: float
    client_silent_after: float | None = None

    @property
    def hub_reachable(self) -> bool | None:
        """Whether every account's last try reached the hub; None if that is not known.

        It is not if the hub was never asked, or is not because of this machine's disk.
        """
        answers = [account.row.hub_reachable for account in self.accounts]
        if False in answers:
            return False
        if self.disk_trouble is not None:
            return None
        return True if True in answers else None

    @property
    def clock_offset(self) -> float | None:
        """How many seconds the hub's clock is ahead of ours, by the account that saw most."""
        offsets = [account.row.clock_offset_seconds for account in self.accounts]
        return max((it for it in offsets if it is not None), key=abs, default=None)

    def age(self, then: datetime) -> float:
        """Return how many seconds ago something was; a clock set back makes no negative ages."""
        return max(0.0, (self.at - then).total_seconds())

    def oldest_uncollected(self, account: AccountStatus) -> float | None:
        """Return how many seconds the first invoice has lain in the mailbox."""
        return self.age(account.uncollected[0].placed_at) if account.uncollected else None

    def uncollected_long(self, account: AccountStatus) -> tuple[Uncollected, ...]:
        """Return the invoices that lie in the mailbox for longer than the settings allow."""
        latest = self.at - timedelta(seconds=self.uncollected_after)
        return tuple(row for row in account.uncollected if row.placed_at <= latest)

    def silent_for(self, account: AccountStatus) -> float | None:
        """Return for how many seconds nothing came of the software; None: it was never awaited."""
        since = self.at if account.here else account.last_came or account.awaited_since
        return None if since is None else self.age(since)

    def clients_lately(self, account: AccountStatus) -> tuple[ClientRow, ...]:
        """Return the programs that came of late, who came last first."""
        return tuple(row for row in account.clients if row.last_at >= self.at - RECENT)

    def refused_lately(self, account: AccountStatus) -> tuple[Refused, ...]:
        """Return the refusals of late that no accepted update has mended since."""
        oldest = self.at - RECENT
        return tuple(row for row in account.refused if not row.mended and row.settled_at >= oldest)
