"""The two loops of one account in `serve`: polling the feed, and minding the mailbox."""

import queue
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import structlog

from bridge.account import Account
from bridge.backoff import delay
from bridge.errors import AccountError, HubAwayError, LocalError, SettingsError, StorageError
from bridge.inbound import Inbound
from bridge.naming import Folder
from bridge.rounds import pull_round, push_round
from bridge.taking import expects_files, note_cut_off
from bridge.watcher import watch

log = structlog.get_logger()

SCAN_INTERVAL = 5
"""Seconds between two looks at a mailbox; what wakes outbound earlier is only a hint."""

LONGEST_LOCAL = 60
"""Seconds until the next try at most while this machine cannot: room may be made at any time."""

SHORTEST_REST = 0.05
"""Seconds between two rounds however much goes on in the mailbox."""


@dataclass(frozen=True, slots=True)
class CutOff:
    """An upload that ended without being closed; `partial` holds what came."""

    folder: Folder
    name: str
    partial: Path


class Worker:
    """The two loops of one account, and what the doors tell it."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.wake = threading.Event()
        self._cut_off: queue.SimpleQueue[CutOff] = queue.SimpleQueue()

    def note_cut_off(self, upload: CutOff) -> None:
        """Take note of a broken upload, quickly; the outbound loop keeps its bytes."""
        self._cut_off.put(upload)
        self.wake.set()

    def run_inbound(self, stop: threading.Event) -> None:
        """Poll the feed until told to stop."""
        flow, failures = Inbound(self.account), 0
        while not stop.is_set():
            try:
                pull_round(flow, only_due=True)
            except (HubAwayError, AccountError, LocalError) as error:
                failures += 1
                stop.wait(self._pause(error, failures, doing="pull"))
            else:
                failures = 0
                self.wake.set()
                stop.wait(self.account.settings.pull.interval)

    def run_outbound(self, stop: threading.Event) -> None:
        """Take, send and answer whenever the mailbox changes, and at least now and then."""
        failures, silent_until = 0, 0.0
        while not stop.is_set():
            self.wake.clear()  # what happens from now on is for the next round
            self._keep_cut_off()
            talk = time.monotonic() >= silent_until
            try:
                push_round(self.account, only_due=True, talk=talk)
            except (HubAwayError, AccountError, LocalError) as error:
                failures += 1
                silent_until = time.monotonic() + self._pause(error, failures, doing="push")
            else:
                failures = 0 if talk else failures
            self._rest(stop)

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

    def _keep_cut_off(self) -> None:
        for _ in range(self._cut_off.qsize()):
            upload = self._cut_off.get()
            try:
                note_cut_off(self.account, upload.folder, upload.name, upload.partial)
            except LocalError as error:
                log.error("broken upload not kept yet", name=upload.name, reason=str(error))
                if upload.partial.exists():
                    self._cut_off.put(upload)  # for the next round

    def _read_secret_again(self) -> None:
        """Take the secret as it is now: once it is mended, the account goes on by itself."""
        try:
            self.account.hub.use_secret(self.account.own.read_secret())
        except SettingsError as error:
            log.error("secret not read", account=self.account.name, reason=str(error))

    def _pause(self, error: Exception, failures: int, *, doing: str) -> float:
        """Return the seconds to wait after a round that failed, and say why."""
        push = self.account.settings.push
        wait = delay(failures, initial=push.retry_initial, most=push.retry_max).total_seconds()
        if isinstance(error, HubAwayError):
            wait = max(min(wait, self.account.settings.pull.interval * 5), error.retry_after or 0)
        if isinstance(error, LocalError):
            wait = min(wait, LONGEST_LOCAL)
        if isinstance(error, AccountError):
            self._read_secret_again()
        log.warning(
            "round ended early",
            account=self.account.name,
            doing=doing,
            reason=str(error),
            next_try_seconds=round(wait, 1),
        )
        return wait
