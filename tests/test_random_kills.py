"""`serve` killed at random moments while hub and software go on; the same seed, the same moments.

The software works over SFTP as such programs do: it takes what it finds, deletes it, reports what
it did with it, and does once more whatever it is not sure of. `EFACT_KILLS=seed:kills:invoices`
makes a longer run by hand.
"""

import io
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from subprocess import Popen

import paramiko
import pytest

from bridge import feedback
from bridge.model import HubId
from bridge.sandbox.book import Book
from bridge.sandbox.server import Sandbox
from tests.accounts import Said, annotated, said, state_file
from tests.door_rig import USER, user_key
from tests.gateway import Gateway, install
from tests.seen import FOLDERS, Seen, applied, check_each_once, check_files

SEED, KILLS, INVOICES = map(int, os.environ.get("EFACT_KILLS", "1:8:200").split(":"))

PATIENCE = 300
"""Seconds until everything has to be quiet; far more than needed."""

EVERY = 7
"""One in so many invoices has attachments, or draws a state that is refused."""

BROKEN = (paramiko.SSHException, EOFError, OSError)
"""What a client sees of a server that was killed."""


@dataclass(slots=True)
class Software:
    """The accounting software, and all that it ever saw."""

    book: Book
    random: Random
    due: dict[HubId, int]
    """How many attachments come with an invoice, not after it."""
    fetched: dict[tuple[str, str], bytes] = field(default_factory=dict)
    deleted: set[tuple[str, str]] = field(default_factory=set)
    """What the server said was deleted: it must never come back."""
    reported: set[HubId] = field(default_factory=set)
    uploads: Counter[str] = field(default_factory=Counter)
    """How often each state file was uploaded."""
    to_upload: dict[str, bytes] = field(default_factory=dict)
    asked: dict[str, list[Said]] = field(default_factory=dict)
    """What each state file says."""

    def seen(self) -> list[Seen]:
        return [Seen(folder, name, data) for (folder, name), data in self.fetched.items()]

    def visit(self, sftp: paramiko.SFTPClient) -> None:
        """Take what is there, and report it; breaks off anywhere when the server is killed."""
        for folder in FOLDERS:  # the invoices first: what belongs to them must be there by then
            for name in sftp.listdir(folder):
                self._take(sftp, folder, name)
        check_files(self.book, self.seen(), self.due)
        for folder, name in list(self.fetched.keys() - self.deleted):
            with suppress(FileNotFoundError):  # the last visit was not told that it was deleted
                sftp.remove(f"{folder}/{name}")
            self.deleted.add((folder, name))
        self._write_reports()
        for name, content in list(self.to_upload.items()):
            self.uploads[name] += 1
            sftp.putfo(io.BytesIO(content), f"statin/{name}.tmp", confirm=False)
            sftp.posix_rename(f"statin/{name}.tmp", f"statin/{name}")
            del self.to_upload[name]

    def _take(self, sftp: paramiko.SFTPClient, folder: str, name: str) -> None:
        key = (folder, name)
        assert key not in self.deleted, f"{folder}/{name} came back"
        with sftp.open(f"{folder}/{name}") as file:
            content = file.read()
        assert self.fetched.setdefault(key, content) == content

    def _write_reports(self) -> None:
        """Write a state file about some of the invoices that were taken."""
        taken = {Seen(*key, b"").hub_id for key in self.deleted if key[0] == "out"}
        news = sorted(taken - self.reported)
        if not news:
            return
        self.reported |= set(news)
        entries = [entry for hub_id in news for entry in self._states(hub_id)]
        name = f"{len(self.asked) + 1}.XML"
        self.asked[name] = entries
        self.to_upload[name] = state_file(*entries)

    def _states(self, hub_id: HubId) -> list[Said]:
        entries = [annotated(hub_id), said(hub_id, "ACCEPTED")]
        if self.random.randrange(EVERY) == 0:
            entries.append(said(hub_id, "CANCELED"))
        return entries


@contextmanager
def session(gateway: Gateway) -> Iterator[paramiko.SFTPClient]:
    """Log in over SFTP."""
    key = paramiko.Ed25519Key.from_private_key_file(str(user_key()[0]))
    with paramiko.Transport(("127.0.0.1", gateway.sftp)) as transport:
        transport.connect(username=USER, pkey=key)
        client = paramiko.SFTPClient.from_transport(transport)
        assert client is not None
        client.get_channel().settimeout(PATIENCE)  # type: ignore[union-attr]
        yield client


@contextmanager
def killed_after(process: "Popen[str]", book: Book, requests: int) -> Iterator[Callable[[], bool]]:
    """Kill a process when the hub has had so many more requests; give a way to see it alive."""
    done, last = threading.Event(), len(book.journal) + requests

    def watch() -> None:
        while not done.wait(0.002):
            if len(book.journal) >= last:
                process.kill()
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield lambda: process.poll() is None
    finally:
        done.set()
        watcher.join()
        process.kill()
        process.communicate()


@pytest.mark.timeout(PATIENCE * 2)
def test_kills_at_random_moments_break_no_promise(tmp_path: Path) -> None:
    random = Random(SEED)
    with Sandbox(invoices=0) as hub:
        gateway = install(tmp_path, hub, sections=["[login]", "max_failures = 10000"])
        software = Software(hub.book, random, due={})
        for kill in range(KILLS):
            new_invoices(hub.book, software, random, INVOICES // KILLS)
            process = gateway.start()
            requests = random.randint(10, 12 * INVOICES // KILLS)
            with killed_after(process, hub.book, requests) as alive:
                work_while(alive, gateway, software, f"kill {kill}")
        with gateway.serving():
            work_while(lambda: not is_quiet(gateway, software), gateway, software, "the end")
        check_all(hub.book, gateway, software)


def new_invoices(book: Book, software: Software, random: Random, count: int) -> None:
    """Let the hub have more invoices, and an attachment of an old one."""
    if software.due:
        book.add_attachment(random.choice(sorted(software.due)), "late.pdf", b"late")
    for _ in range(count):
        hub_id = book.add_invoice(attachments=False)
        software.due[hub_id] = 0 if random.randrange(EVERY) else 2
        for number in range(software.due[hub_id]):
            book.add_attachment(hub_id, f"{number}.pdf", f"{number} of {hub_id}".encode())


def work_while(
    goes_on: Callable[[], bool], gateway: Gateway, software: Software, what: str
) -> None:
    """Let the software visit again and again, whatever becomes of its connection."""
    deadline = time.monotonic() + PATIENCE
    while goes_on():
        assert time.monotonic() < deadline, f"in vain waited for {what}"
        with suppress(*BROKEN), session(gateway) as client:
            while goes_on():
                assert time.monotonic() < deadline, f"in vain waited for {what}"
                software.visit(client)


def is_quiet(gateway: Gateway, software: Software) -> bool:
    """Tell whether everything has arrived, was reported, and is settled."""
    book = software.book
    if software.to_upload or set(software.due) - software.reported:
        return False
    if book.pending or book.pending_attachments or list((gateway.mailbox / "statin").iterdir()):
        return False
    (account,) = gateway.status()["accounts"]
    waiting = account["updates"]
    return not waiting["queued"] and not waiting["sending"] and is_empty(gateway)


def is_empty(gateway: Gateway) -> bool:
    return not any(list((gateway.mailbox / folder).iterdir()) for folder in FOLDERS)


def check_all(book: Book, gateway: Gateway, software: Software) -> None:
    seen = software.seen()
    check_files(book, seen, software.due)
    check_each_once(book, seen, software.due)
    for hub_id in software.due:
        own = [str(state) for state in book.states(hub_id)][2:]
        assert [state for state in own if state != "DELIVERED"] == ["ANNOTATED", "ACCEPTED"]
        assert own.count("DELIVERED") <= 1
    assert max(applied(book).values()) == 1
    answered = refusals(seen)
    for name, entries in software.asked.items():
        refused = [entry.hub_id for entry in entries if entry.status == "CANCELED"]
        for hub_id in refused:
            assert 1 <= answered.pop((name, hub_id), 0) <= software.uploads[name]
    assert not answered
    verified = gateway.run("verify")
    assert verified.code == 0, verified.out + verified.err


def refusals(seen: list[Seen]) -> Counter[tuple[str, str]]:
    """Count the refusals that were answered, by state file and invoice."""
    return Counter(
        (hub.filename or "", hub.hub_id or "")
        for file in seen
        if file.folder == "statout"
        for entry in feedback.read(file.content).entries
        if (hub := entry.hub) and hub.status == "REJECTED"
    )
