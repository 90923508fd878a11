"""What the flows of one account work with, bundled."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bridge.backoff import delay
from bridge.errors import BridgeError, HubAwayError, SettingsError
from bridge.feeds.legacy import OldMailboxReader, OldMailboxWriter, open_reader, open_writer
from bridge.hub import Circuit, HubClient, HubReader, UnclearAnswerError
from bridge.ledger import Ledger
from bridge.ledger.serving import Feeds, serving
from bridge.mailbox import Mailbox
from bridge.model import FeedName
from bridge.naming import Profile, parse_profile
from bridge.pausing import PauseMemory
from bridge.settings import AccountSettings, LegacySettings, Settings, read_profile

LONGEST_AWAY = 5
"""Intervals between polls after which a hub that is away is tried again at the latest."""

SHIPPED = "efact"
"""The profile that old names are tried by besides the account's own."""


def utc_now() -> datetime:
    """Return this machine's time, aware."""
    return datetime.now(UTC)


def longest_gap(settings: Settings) -> timedelta:
    """Return how far apart two listings of a feed may be and still leave no gap between them."""
    return timedelta(seconds=max(settings.reconcile.max_gap, 3 * settings.pull.interval))


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One platform at the hub and its mailbox, ready to work."""

    settings: Settings
    own: AccountSettings
    ledger: Ledger
    mailbox: Mailbox
    client: HubClient
    """For `hub` and `writable_hub` alone: which of them is due, the serving feed decides."""
    circuit: Circuit
    """Whether the hub may be called now; `hub` asks it before every call."""
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set when the process is about to end: nothing new is begun."""
    clock: Callable[[], datetime] = utc_now
    began: datetime = field(default_factory=utc_now)
    """When this process began to work on the account."""

    @property
    def name(self) -> str:
        """The account's name in the settings."""
        return self.own.name

    @property
    def longest_gap(self) -> timedelta:
        """How far apart two listings of a feed may be and still leave no gap between them."""
        return longest_gap(self.settings)

    def profiles(self) -> dict[str, Profile]:
        """Return the naming profiles that old names are tried by, the account's own first."""
        found = {self.own.profile: self.mailbox.profile}
        if SHIPPED not in found:
            found[SHIPPED] = parse_profile(read_profile(SHIPPED))
        return found

    def next_try(self, attempts: int, error: BridgeError | None = None) -> datetime:
        """Return when a step is tried again that has failed now, and so often before."""
        push = self.settings.push
        wait = delay(attempts + 1, initial=push.retry_initial, most=push.retry_max)
        if isinstance(error, HubAwayError) and error.retry_after:
            wait = max(wait, timedelta(seconds=error.retry_after))
        if isinstance(error, UnclearAnswerError) and error.timed_out:
            # The hub may still be at it: it gets as long again before it is asked and told again.
            wait = max(wait, timedelta(seconds=self.settings.hub.timeout))
        return self.clock() + wait

    @property
    def hub(self) -> HubReader:
        """The hub, to be asked only: it is so for the serving feed and for a shadow alike."""
        return self.client

    def writable_hub(self) -> HubClient | None:
        """Return the hub to be told things as well, or None while its feed does not serve.

        To be asked for in each round, with the turn `hub`: nothing else leads to a writing call.
        """
        return self.client if self.feeds().serve is FeedName.REST else None

    @contextmanager
    def old_mailbox(self) -> Iterator[OldMailboxReader]:
        """Open the old mailbox, to be read only; raises its errors."""
        with open_reader(self._legacy, self.mailbox.profile) as reader:
            yield reader

    @contextmanager
    def writable_old_mailbox(self) -> Iterator[OldMailboxWriter | None]:
        """Open the old mailbox to be written to as well; None while its feed does not serve.

        As `writable_hub`: with the turn `hub`, in each round.
        """
        if self.feeds().serve is not FeedName.LEGACY:
            yield None
            return
        with open_writer(self._legacy, self.mailbox.profile) as writer:
            yield writer

    @property
    def _legacy(self) -> LegacySettings:
        if self.own.legacy is None:
            raise SettingsError(
                f"account {self.name}: the last move lets the old mailbox serve, and the settings "
                "have no [account.legacy] with its url"
            )
        return self.own.legacy

    def feeds(self) -> Feeds:
        """Return which feed serves now, and which is its shadow; a move may change it."""
        with self.ledger.read() as connection:
            return serving(connection, self.own)


def open_account(
    settings: Settings,
    own: AccountSettings,
    ledger: Ledger,
    *,
    stopping: threading.Event | None = None,
) -> Account:
    """Bring an account's parts together; raises SettingsError for its secret or profile."""
    profile = parse_profile(read_profile(own.profile))
    circuit = _circuit(settings, PauseMemory(ledger, own.name, utc_now))
    return Account(
        settings=settings,
        own=own,
        ledger=ledger,
        mailbox=Mailbox(settings.data_dir, own.name, profile),
        client=HubClient(
            settings.hub, issuer=own.issuer, secret=own.read_secret(), circuit=circuit
        ),
        circuit=circuit,
        stopping=stopping or threading.Event(),
    )


def _circuit(settings: Settings, memory: PauseMemory) -> Circuit:
    return Circuit(
        initial=settings.push.retry_initial,
        most=min(settings.push.retry_max, LONGEST_AWAY * settings.pull.interval),
        most_barred=settings.push.retry_max,
        memory=memory,
    )
