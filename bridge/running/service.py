"""`serve`: every component of the gateway in one process, supervised, until it is told to stop.

One thread a component: an inbound and an outbound loop for each account, the watcher that wakes
outbound when a mailbox changes, the SFTP and FTP doors, the web page.
"""

import os
import resource
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import structlog

from bridge.account import Account, open_account, utc_now
from bridge.durable import lock
from bridge.errors import LedgerError, LocalError
from bridge.facade.access import Access
from bridge.facade.bans import Bans
from bridge.facade.folders import DoorMailbox
from bridge.facade.ftp import FtpDoor
from bridge.facade.sftp import SftpDoor
from bridge.inbound.round import Inbound
from bridge.ledger import Ledger, components, visitors
from bridge.legacy.inbound import legacy_recall
from bridge.model import FeedName
from bridge.naming import Folder
from bridge.running import memory
from bridge.running.doorkeeper import Doorkeeper
from bridge.running.recorder import Recorder
from bridge.running.supervisor import Component, Supervisor
from bridge.running.unbanning import Unbanning
from bridge.running.worker import Worker
from bridge.settings import Settings
from bridge.upkeep.repair import put_right
from bridge.web import WebServer

log = structlog.get_logger()

MOST_DESCRIPTORS = 16_384
"""More than all clients together may use; what the system allows at least is often 1024."""

ASKED = 0.5
"""Seconds to wait for the lock of `serve`: `status` only asks whether somebody has it."""

STOP_PATIENCE = 3
"""Seconds that components have to end, and once more after their calls were broken off; every
step of theirs may be the last one anyway."""


def serve(settings: Settings, *, announce: str = "ready") -> None:
    """Run everything until SIGTERM or SIGINT; print `announce` once all listeners listen.

    For the main thread. Raises SettingsError, LedgerError, PortTakenError or StorageError when it
    cannot start, and the hub's errors when a restored backup makes it ask the hub first.
    """
    memory.keep_flat()
    _allow_many_files()
    _make_data_dir(settings)
    stop = threading.Event()
    with _signals(stop), lock(settings.data_dir / "locks" / "serve", wait=ASKED):
        ledger = Ledger(settings.data_dir / "ledger.db", lean=True)
        try:
            _run(settings, ledger, stop, announce)
        finally:
            ledger.close()


def _make_data_dir(settings: Settings) -> None:
    """Make the folder of the lock: where that cannot be, the ledger is out of reach as well."""
    try:
        (settings.data_dir / "locks").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerError(
            f"data_dir {settings.data_dir}: {error.strerror or error}; see its path and permissions"
        ) from error


def _allow_many_files() -> None:
    """Take as many file descriptors as we may: clients' connections and files need them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _run(settings: Settings, ledger: Ledger, stop: threading.Event, announce: str) -> None:
    workers = {
        own.name: Worker(open_account(settings, own, ledger, stopping=stop))
        for own in settings.account
    }
    _nothing_runs(ledger)
    recorder = Recorder(ledger)
    events = Doorkeeper(workers, recorder, settings.account)
    mailboxes = {
        name: _door_mailbox(settings, worker.account)
        for name, worker in workers.items()
        if _is_there(worker.account)
    }
    for name, mailbox in mailboxes.items():
        workers[name].cut_offs.attend(mailbox.room)
        mailbox.hand_over_leftovers(events)
    supervisor = Supervisor(ledger, stop)
    listeners = _listeners(settings, ledger, mailboxes, events)
    for component in [*listeners, *_loops(workers)]:
        supervisor.start(component)
    recorder.begin()
    print(announce, flush=True)  # noqa: T201  (the promise of `serve`)
    log.info("serving", accounts=sorted(workers))
    while not stop.wait(1):  # a signal can be caught by another thread, which wakes nobody
        pass
    log.info("stopping")
    for worker in workers.values():
        worker.rouse()
    if not supervisor.join(patience=STOP_PATIENCE):
        _break_off(workers, supervisor, recorder)
    for worker in workers.values():
        worker.cut_offs.keep()  # what the doors cut off when they closed
    recorder.end(patience=STOP_PATIENCE)
    _nothing_runs(ledger)


def _nothing_runs(ledger: Ledger) -> None:
    """Write down that nothing runs and nobody is connected."""
    with ledger.write() as connection:
        components.forget(connection)
        visitors.nobody_is_here(connection)


def _break_off(workers: dict[str, Worker], supervisor: Supervisor, recorder: Recorder) -> None:
    """End calls that hang; what they were doing is found out at the next start."""
    for worker in workers.values():
        worker.account.hub.close()
    if not supervisor.join(patience=STOP_PATIENCE):
        log.warning("ending at once", components=supervisor.running())
        recorder.end(patience=STOP_PATIENCE)
        os._exit(0)


def _listeners(
    settings: Settings,
    ledger: Ledger,
    mailboxes: Mapping[str, DoorMailbox],
    events: Doorkeeper,
) -> Iterator[Component]:
    """Open every door; what cannot listen now is an error now, not later."""
    bans = _bans(settings, ledger, events)
    access = Access(settings.account, settings.login, bans=bans)
    yield Component("unbanning", Unbanning(ledger, bans).run)
    yield Component("memory", memory.run)
    if settings.sftp.enabled:
        sftp = SftpDoor(
            settings.sftp,
            access=access,
            mailboxes=mailboxes,
            host_keys=settings.data_dir / "host-keys",
            events=events,
        )
        sftp.start()
        yield Component("sftp", sftp.run)
    if settings.ftp.enabled:
        ftp = FtpDoor(settings.ftp, access=access, mailboxes=mailboxes, events=events)
        ftp.start()
        yield Component("ftp", ftp.run)
    if settings.web.enabled:
        web = WebServer(settings, ledger)
        web.start()
        yield Component("web", web.run)


def _bans(settings: Settings, ledger: Ledger, events: Doorkeeper) -> Bans:
    """Return who is banned: those that were before a restart still are."""
    now = utc_now()
    with ledger.read() as connection:
        known = visitors.bans(connection, now=now)
    left = {subject: (until - now).total_seconds() for subject, until in known.items()}
    return Bans(settings.login, still_banned=left, receiver=events.banned)


def _is_there(account: Account) -> bool:
    """Make or put right an account's mailbox; a fault in one leaves the others their doors."""
    try:
        put_right(account)
        # A restored backup may offer what was collected: nobody is let in before the feed is asked.
        if account.feeds().serve is FeedName.LEGACY:
            legacy_recall(account)
        else:
            Inbound(account).recall()
    except LocalError as error:
        log.error("mailbox not served", account=account.name, reason=str(error))
        return False
    return True


def _door_mailbox(settings: Settings, account: Account) -> DoorMailbox:
    return DoorMailbox(
        account=account.name,
        root=account.mailbox.root,
        folders={role.value: account.mailbox.profile.folder(role) for role in Folder},
        staging=settings.data_dir / "staging",
        limits=settings.uploads,
    )


def _loops(workers: dict[str, Worker]) -> Iterator[Component]:
    for name, worker in workers.items():
        yield Component(f"{name} inbound", worker.run_inbound)
        yield Component(f"{name} outbound", worker.run_outbound)
        yield Component(f"{name} sending", worker.run_sending)
        yield Component(f"{name} watcher", worker.run_watcher)
        yield Component(f"{name} following", worker.run_following)
        yield Component(f"{name} recording", worker.run_recording)


@contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    """Let SIGTERM and SIGINT set the stop event, and nothing else."""
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
