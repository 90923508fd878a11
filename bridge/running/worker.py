"""The loops of one account in `serve`: they poll the feed, mind the mailbox, tell the hub.

They share the account's circuit: while it is open the first and the last sit still, and when its
pause is over one call of one of them tries the hub. The mailbox is minded all the while. Another
loop only looks whether another feed has begun to serve, and then none of them sits still; one
listens to the shadow feed.
"""

import math
import threading
import time
from datetime import timedelta

import structlog

from bridge.account import LONGEST_AWAY, Account
from bridge.backoff import delay
from bridge.errors import (
    AccountError,
    BridgeError,
    HubAwayError,
    LedgerError,
    LocalError,
    OldMailboxAwayError,
    OldMailboxRefusedError,
    OldMailboxUnwritableError,
    SettingsError,
    StorageError,
)
from bridge.inbound.round import Inbound
from bridge.ledger import waits
from bridge.ledger.serving import Feeds, as_detail
from bridge.model import FeedName
from bridge.outbound.taking import expects_files
from bridge.recording import FeedRecorder
from bridge.rounds import hub_round, pull_round, push_round
from bridge.running.watcher import watch
from bridge.upkeep.cut_offs import CutOff, CutOffs
from bridge.upkeep.retention import Retention

log = structlog.get_logger()

SCAN_INTERVAL = 5
"""Seconds between two looks at a mailbox; what wakes outbound earlier is only a hint."""

LONGEST_LOCAL = 60
"""Seconds until the next try at most while this machine cannot: room may be made at any time."""

CLOCK_STEP = 60
"""Seconds that the clock must be set back before anybody's wait is looked at."""

SHORTEST_REST = 0.05
"""Seconds between two rounds however much goes on in the mailbox."""

FOLLOW_INTERVAL = 0.5
"""Seconds between two looks at which feed serves: a move is followed within a second."""


class Worker:
    """The loops of one account, and what the doors tell it."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.wake = threading.Event()
        self._poll = threading.Event()
        self._tell = threading.Event()
        self._followed = account.feeds()  # before any loop looks
        self._clock_ahead: float | None = None
        self._secret = account.own.read_secret()
        self.cut_offs = CutOffs(account)

    def note_cut_off(self, upload: CutOff) -> None:
        """Take note of a broken upload, quickly; the outbound loop keeps its bytes."""
        self.cut_offs.note(upload)
        self.wake.set()

    def rouse(self) -> None:
        """Let no loop rest: the serving feed has changed, or it is time to stop."""
        for event in (self._poll, self.wake, self._tell):
            event.set()

    def run_inbound(self, stop: threading.Event) -> None:
        """Poll the feed until told to stop."""
        flow, failures = Inbound(self.account), 0
        retention = Retention(self.account)
        while self._may_go_on(stop, self._poll):
            try:
                pull_round(flow, only_due=True)
            except (HubAwayError, OldMailboxAwayError, AccountError, LocalError) as error:
                failures += 1
                self._sit_out(stop, self._pause(error, failures, doing="pull"))
            else:
                failures = 0
                self.wake.set()
                retention.apply_when_due()
                self._poll.wait(self.account.settings.pull.interval)

    def run_recording(self, stop: threading.Event) -> None:
        """Listen to the shadow feed, where there is one, until told to stop."""
        recorder, failures = FeedRecorder(self.account), 0
        while not stop.is_set():
            wait = self.account.settings.pull.interval
            feeds = self._feeds()
            if feeds is None or feeds.shadow is None:
                stop.wait(SCAN_INTERVAL)
                continue
            try:
                recorder.round(feeds.shadow, only_due=True)
            except (HubAwayError, OldMailboxAwayError, AccountError, LocalError) as error:
                failures += 1
                wait = self._recording_pause(error, failures)
            else:
                failures = 0
            stop.wait(wait)

    def _recording_pause(self, error: BridgeError, failures: int) -> float:
        """Return the seconds to the next try; who does not let us in is not asked in a loop."""
        push, interval = self.account.settings.push, self.account.settings.pull.interval
        away = min(push.retry_max, LONGEST_AWAY * interval)
        most = push.retry_max if isinstance(error, AccountError) else away
        wait = delay(failures, initial=push.retry_initial, most=most).total_seconds()
        self._report(error, doing="record", wait=wait)
        return wait

    def run_outbound(self, stop: threading.Event) -> None:
        """Take and answer whenever the mailbox changes, and at least now and then."""
        while not stop.is_set():
            self.wake.clear()  # what happens from now on is for the next round
            self.cut_offs.keep()
            try:
                self.cut_offs.mind()
                self._mind_the_clock()
                push_round(self.account, only_due=True, talk=False)
            except LocalError as error:
                self._report(error, doing="take", wait=SCAN_INTERVAL)
            self._tell.set()
            self._rest(stop)
        self._tell.set()

    def run_sending(self, stop: threading.Event) -> None:
        """Tell the hub what is due after each look at the mailbox, until told to stop."""
        failures = 0
        while self._may_go_on(stop, self._tell):
            try:
                refused = hub_round(self.account)
            except (HubAwayError, OldMailboxAwayError, AccountError, LocalError) as error:
                failures += 1
                self.wake.set()  # to answer what was refused before
                self._sit_out(stop, self._pause(error, failures, doing="send"))
            else:
                failures = 0
                if refused:
                    self.wake.set()
                self._tell.wait(SCAN_INTERVAL)

    def run_following(self, stop: threading.Event) -> None:
        """Rouse the other loops when another feed begins to serve, and when it is time to stop."""
        while not stop.wait(FOLLOW_INTERVAL):
            feeds = self._feeds()
            if feeds is not None and feeds != self._followed:
                log.info("another feed serves", account=self.account.name, **as_detail(feeds))
                self._followed = feeds
                self.rouse()
        self.rouse()

    def _feeds(self) -> Feeds | None:
        try:
            return self.account.feeds()
        except LedgerError:  # each round says so
            return None

    def run_watcher(self, stop: threading.Event) -> None:
        """Wake the outbound loop when something in the mailbox changes."""
        watch(self.account.mailbox.root, self.wake, stop)

    def _rest(self, stop: threading.Event) -> None:
        if stop.is_set():
            return
        soon = max(self.account.settings.push.settle, SHORTEST_REST)
        self.wake.wait(min(soon, SCAN_INTERVAL) if self._expects_files() else SCAN_INTERVAL)
        if self.wake.is_set():
            stop.wait(soon)  # what woke us is still settling

    def _expects_files(self) -> bool:
        try:
            return expects_files(self.account)
        except StorageError:  # the round says what is wrong with the mailbox
            return False

    def _mind_the_clock(self) -> None:
        """See that nothing waits for ever when this machine's clock was set back.

        Our own waits go by the monotonic clock; those in the ledger are times, so that they outlast
        a restart. Looked at after a start, too: the clock may have been set meanwhile.
        """
        account = self.account
        ahead = account.clock().timestamp() - time.monotonic()
        if self._clock_ahead is None or ahead < self._clock_ahead - CLOCK_STEP:
            latest = account.clock() + timedelta(seconds=account.settings.push.retry_max)
            with account.ledger.write() as connection:
                shortened = waits.shorten(connection, account.name, latest=latest)
            if shortened:
                log.warning("the clock went back: waits shortened", account=account.name)
        self._clock_ahead = ahead

    def _may_go_on(self, stop: threading.Event, roused: threading.Event) -> bool:
        """Wait until the hub may be called; return False when it is time to stop.

        What rouses the loop from now on is for the next round. An account that another feed serves
        does not wait for the hub.
        """
        circuit = self.account.circuit
        while True:
            roused.clear()
            if stop.is_set():
                return False
            left = circuit.pause_left
            if not left or not self._waits_for_hub():
                return True
            if circuit.barred:
                self._look_for_another_secret()
            roused.wait(min(left, SCAN_INTERVAL))

    def _sit_out(self, stop: threading.Event, seconds: float) -> None:
        """Wait after a failure; only a move, or the end, cuts it short."""
        followed, until = self._followed, time.monotonic() + seconds
        while self._followed == followed and (left := until - time.monotonic()) > 0:
            if stop.wait(min(left, FOLLOW_INTERVAL)):
                return

    def _waits_for_hub(self) -> bool:
        feeds = self._feeds()
        return feeds is None or feeds.serve is FeedName.REST

    def _look_for_another_secret(self) -> None:
        """Take the secret as it is now: once it is mended, the account goes on at once."""
        try:
            secret = self.account.own.read_secret()
        except SettingsError as error:
            log.error("secret not read", account=self.account.name, reason=str(error))
            return
        if secret != self._secret:
            self._secret = secret
            self.account.hub.use_secret(secret)
            self.account.circuit.close()

    def _pause(self, error: BridgeError, failures: int, *, doing: str) -> float:
        """Return the seconds to wait after a round that failed, and say why.

        0 where the circuit is open: its pause is sat out before the next round.
        """
        push, most = self.account.settings.push, self._longest_pause(error)
        if most is None:
            self._report(error, doing=doing, wait=self.account.circuit.pause_left)
            return 0.0
        wait = delay(failures, initial=push.retry_initial, most=push.retry_max).total_seconds()
        wait = min(wait, most)
        self._report(error, doing=doing, wait=wait)
        return wait

    def _longest_pause(self, error: BridgeError) -> float | None:
        """Return the most seconds to wait after an error; None where the circuit says how long."""
        if isinstance(error, LocalError):
            return LONGEST_LOCAL
        if isinstance(error, OldMailboxRefusedError):
            return math.inf  # who does not let us in is not asked in a loop
        is_old = isinstance(error, OldMailboxAwayError | OldMailboxUnwritableError)
        if is_old or self.account.circuit.is_closed:  # closed: it was the trouble of a few
            return LONGEST_AWAY * self.account.settings.pull.interval
        return None

    def _report(self, error: BridgeError, *, doing: str, wait: float) -> None:
        log.warning(
            "round ended early",
            account=self.account.name,
            doing=doing,
            reason=str(error),
            next_try_seconds=round(wait, 1),
        )
