"""What the machine runs out of: space, open files, patience. Nothing is lost, and all goes on."""

import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from bridge.account import utc_now
from bridge.errors import LedgerError
from bridge.ledger import Ledger, accounts, summary
from bridge.model import HubId, State
from bridge.outbound.round import outbound_round
from bridge.outbound.taking import HANDFUL
from bridge.sandbox.server import Sandbox
from tests.accounts import Office, annotated, state_file
from tests.door_clients import Client, make_client
from tests.door_rig import wait_until
from tests.gateway import Gateway, install
from tests.small_disk import SmallDisk, small_disk


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(invoices=3) as sandbox:
        yield sandbox


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk") as disk:
        yield disk


@pytest.fixture
def small(disk: SmallDisk, sandbox: Sandbox) -> Gateway:
    """An installation that lies on the small disk whole, its log too."""
    return installed(disk.root, sandbox)


@pytest.fixture
def gateway(tmp_path: Path, sandbox: Sandbox) -> Gateway:
    return installed(tmp_path, sandbox)


def installed(folder: Path, sandbox: Sandbox) -> Gateway:
    """An installation that tries again at once, whatever failed."""
    gateway = install(folder, sandbox)
    settings = gateway.config.read_text()
    gateway.config.write_text(settings.replace("[push]", "[push]\nretry_max = 0.3"))
    return gateway


def client_of(name: str, gateway: Gateway) -> Client:
    folder = gateway.folder / "client"
    folder.mkdir(exist_ok=True)
    return make_client(name, gateway.sftp if name == "paramiko" else gateway.ftp, folder)


def names(gateway: Gateway, folder: str) -> list[str]:
    return sorted(path.name for path in (gateway.mailbox / folder).iterdir())


def served(gateway: Gateway, hub_id: HubId) -> bool:
    return any(name.endswith(f"@{hub_id}.XML") for name in names(gateway, "out"))


def collect(gateway: Gateway, hub_id: HubId) -> None:
    (path,) = (gateway.mailbox / "out").glob(f"*@{hub_id}.XML")
    path.unlink()


def wait_until_served(gateway: Gateway, sandbox: Sandbox) -> None:
    """Wait until every invoice is in the mailbox, and the ledger says so."""
    count = len(sandbox.book.hub_ids)
    wait_until(lambda: len(names(gateway, "out")) == count, "all invoices are there")
    wait_until(
        lambda: gateway.status()["accounts"][0]["deliveries"]["placed"] == count, "it is noted"
    )


def wait_for_rounds(gateway: Gateway) -> None:
    """Wait until some rounds were begun, seen at the lock that each of them takes first.

    On a disk like these a round may end before it asks the hub, writes a log or the ledger.
    """
    lock, seen = gateway.folder / "data" / "locks" / "ajuntament.prepare", set[int]()

    def begun() -> bool:
        seen.add(lock.stat().st_mtime_ns)
        return len(seen) > ROUNDS

    wait_until(begun, "some rounds were begun")


ROUNDS = 10


def ensure_whole(gateway: Gateway, sandbox: Sandbox, *, collected: Sequence[HubId] = ()) -> None:
    """The mailbox has what the hub holds, each once; nothing half or left over lies about."""
    held = {hub_id: sandbox.book.held(hub_id) for hub_id in sandbox.book.hub_ids}
    found = [path.read_bytes() for path in (gateway.mailbox / "out").iterdir()]
    assert sorted(found) == sorted(held[it].facturae() for it in held if it not in collected)
    enclosed = [path.read_bytes() for path in (gateway.mailbox / "adjout").iterdir()]
    assert sorted(enclosed) == sorted(a.content for it in held.values() for a in it.attachments)
    staging = gateway.folder / "data" / "staging" / "ajuntament"
    assert [path for folder in ("fetch", "take") for path in (staging / folder).glob("*")] == []


def page(gateway: Gateway) -> tuple[int, str]:
    """The status page, as a browser gets it."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{gateway.web}/") as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_disk_that_fills_up_is_told_of_and_nothing_is_lost(
    small: Gateway, disk: SmallDisk, sandbox: Sandbox
) -> None:
    with small.serving() as process:
        wait_until_served(small, sandbox)
        first, second, _ = sandbox.book.hub_ids
        waiting = small.mailbox / "statin" / "a.XML.part"
        waiting.write_bytes(state_file(annotated(second)) + b"\n" * 2**16)
        disk.fill()
        waiting.rename(waiting.with_suffix(""))
        new = sandbox.book.add_invoice()
        wait_for_rounds(small)

        assert process.poll() is None
        assert not served(small, new)
        assert names(small, "statin") == ["a.XML"]
        assert small.status()["disk_trouble"] == "The disk is full"
        assert "The disk is full" in small.run("status").out
        assert "The disk is full" in page(small)[1]
        checked = small.run("check")
        assert checked.code == 1
        assert "the disk is full: make room" in checked.out
        collect(small, first)

        disk.make_room()
        wait_until(lambda: served(small, new), "the new invoice is there")
        wait_until(lambda: State.ANNOTATED in sandbox.book.states(second), "the update is sent")
        wait_until(lambda: State.DELIVERED in sandbox.book.states(first), "the hub is told")
        assert small.status()["disk_trouble"] is None
        assert process.poll() is None
    sent = [it.state for it in sandbox.book.requests(operation="update", hub_id=second)]
    assert sent == [State.ANNOTATED]
    ensure_whole(small, sandbox, collected=[first])


def test_on_a_full_disk_every_command_says_so_and_can_be_run_again(
    small: Gateway, disk: SmallDisk, sandbox: Sandbox
) -> None:
    assert small.run("pull").code == 0
    (small.mailbox / "statin" / "a.XML").write_bytes(state_file(annotated(sandbox.book.hub_ids[0])))
    new = sandbox.book.add_invoice()
    disk.fill()
    for command in ("pull", "push"):
        result = small.run(command)
        assert result.code in (1, 3)
        assert "disk" in result.err
    assert small.status()["accounts"][0]["uncollected"]["count"] == 3
    assert names(small, "statin") == ["a.XML"]

    disk.make_room()
    assert small.run("pull").code == 0
    assert served(small, new)
    assert small.run("push").code == 0
    assert sandbox.book.states(sandbox.book.hub_ids[0])[-1] is State.ANNOTATED
    ensure_whole(small, sandbox)


def test_on_a_read_only_disk_every_command_says_so_and_can_be_run_again(
    small: Gateway, disk: SmallDisk, sandbox: Sandbox
) -> None:
    assert small.run("pull").code == 0
    new = sandbox.book.add_invoice()
    with disk.read_only():
        for command in ("pull", "serve"):
            result = small.run(command)
            assert result.code in (1, 3)
            assert "disk" in result.err
        assert small.status()["disk_trouble"] == "The disk is read-only"
        assert small.status()["accounts"][0]["uncollected"]["count"] == 3
        assert "read-only" in small.run("check").out
    assert small.run("pull").code == 0
    assert served(small, new)
    ensure_whole(small, sandbox)


def test_serve_lives_through_a_disk_that_becomes_read_only(
    small: Gateway, disk: SmallDisk, sandbox: Sandbox
) -> None:
    with small.serving() as process:
        wait_until_served(small, sandbox)
        first, *_ = sandbox.book.hub_ids
        waiting = small.mailbox / "statin" / "a.XML.part"
        waiting.write_bytes(state_file(annotated(first)))
        with disk.read_only(small.folder / "data"):
            new = sandbox.book.add_invoice()
            wait_until(lambda: "read-only" in trouble(small), "the account stands still")
            wait_until(lambda: "The disk is read-only" in page(small)[1], "the page says so")
            assert not served(small, new)
        waiting.rename(waiting.with_suffix(""))
        wait_until(lambda: served(small, new), "the new invoice is there")
        wait_until(lambda: State.ANNOTATED in sandbox.book.states(first), "the update is sent")
        wait_until(lambda: not trouble(small), "all is well")
        assert process.poll() is None
    ensure_whole(small, sandbox)


def test_a_ledger_that_was_opened_on_a_read_only_disk_is_written_once_it_can_be(
    disk: SmallDisk,
) -> None:
    """SQLite's connections stay read-only once they were opened so."""
    # The connection that opened the ledger, before, is kept busy.
    with closing(Ledger(disk.root / "ledger.db")) as ledger, ledger.read():
        with disk.read_only(disk.root), ExitStack() as reading:
            for _ in range(3):
                summary.of_account(reading.enter_context(ledger.read()), "town")
        with pytest.raises(LedgerError, match="readonly"):
            note_poll(ledger)
        for _ in range(5):
            note_poll(ledger)


def note_poll(ledger: Ledger) -> None:
    with ledger.write() as connection:
        accounts.note_poll(connection, "town", at=utc_now(), capped_slices=())


def trouble(gateway: Gateway) -> str:
    return gateway.status()["accounts"][0]["trouble"] or ""


# -- limits that the system sets -----------------------------------------------------------------


@contextmanager
def limited(process: "subprocess.Popen[str]", what: int, most: int) -> Iterator[None]:
    """Give a running process less of something while the block runs, as `prlimit` does."""
    before = resource.prlimit(process.pid, what)
    resource.prlimit(process.pid, what, (most, before[1]))
    try:
        yield
    finally:
        resource.prlimit(process.pid, what, before)


def test_serve_lives_through_a_lack_of_file_descriptors(gateway: Gateway, sandbox: Sandbox) -> None:
    doors = (gateway.sftp, gateway.ftp, gateway.web)
    with gateway.serving() as process:
        wait_until_served(gateway, sandbox)
        first, *_ = sandbox.book.hub_ids
        with limited(process, resource.RLIMIT_NOFILE, 3), ExitStack() as knocking:
            new = sandbox.book.add_invoice()
            for port in doors:
                knocking.enter_context(socket.create_connection(("127.0.0.1", port)))
            wait_until(lambda: "open files" in trouble(gateway), "the reason is known")
            wait_until(lambda: len(not_taken(gateway)) == len(doors), "nobody is let in")
            dropped = gateway.mailbox / "statin" / "a.XML"
            dropped.write_bytes(state_file(annotated(first)))
            assert not served(gateway, new)
        wait_until(lambda: served(gateway, new), "the new invoice is there")
        wait_until(lambda: State.ANNOTATED in sandbox.book.states(first), "the update is sent")
        wait_until(lambda: not trouble(gateway), "all is well")
        for name in ("paramiko", "ftplib"):
            client = client_of(name, gateway)
            assert client.names("statin") == []
        assert page(gateway)[0] == 200
        assert process.poll() is None
    ensure_whole(gateway, sandbox)


def not_taken(gateway: Gateway) -> set[str]:
    """What the log says of connections that nobody could take, each kind once."""
    *lines, _ = (gateway.folder / "serve.log").read_text().split("\n")  # the last is being written
    events = {json.loads(line)["event"] for line in lines}
    return {event for event in events if event.endswith(" not taken")}


def test_serve_lives_through_a_disk_that_takes_no_more_bytes(
    gateway: Gateway, sandbox: Sandbox
) -> None:
    """Where no disk can be mounted: the kernel refuses whatever makes a file longer."""
    with gateway.serving() as process:
        wait_until_served(gateway, sandbox)
        first, *_ = sandbox.book.hub_ids
        with limited(process, resource.RLIMIT_FSIZE, 0):
            new = sandbox.book.add_invoice()
            (gateway.mailbox / "statin" / "a.XML").write_bytes(state_file(annotated(first)))
            wait_for_rounds(gateway)
            assert not served(gateway, new)
            assert names(gateway, "statin") == ["a.XML"]
            assert page(gateway)[0] == 200
        wait_until(lambda: served(gateway, new), "the new invoice is there")
        wait_until(lambda: State.ANNOTATED in sandbox.book.states(first), "the update is sent")
        assert process.poll() is None
    ensure_whole(gateway, sandbox)


# -- large files, and many -----------------------------------------------------------------------


def test_a_state_file_of_30_mb_is_answered_and_not_read_whole(
    gateway: Gateway, sandbox: Sandbox
) -> None:
    first, second, _ = sandbox.book.hub_ids
    with gateway.serving() as process:
        wait_until_served(gateway, sandbox)
        before = peak_memory(process)
        huge = gateway.mailbox / "statin" / "a.XML.part"
        huge.write_bytes(state_file(*[annotated(first)] * 90_000))
        assert huge.stat().st_size > 30 * 2**20
        huge.rename(huge.with_suffix(""))
        (gateway.mailbox / "statin" / "b.XML").write_bytes(state_file(annotated(second)))
        wait_until(lambda: any("BR07" in text for text in answers(gateway)), "it is answered")
        wait_until(lambda: State.ANNOTATED in sandbox.book.states(second), "the other is sent")
        assert names(gateway, "statin") == []
        assert peak_memory(process) - before < 64 * 2**20
    assert sandbox.book.requests(operation="update", hub_id=first) == ()


def answers(gateway: Gateway) -> list[str]:
    return [path.read_text() for path in (gateway.mailbox / "statout").iterdir()]


def peak_memory(process: "subprocess.Popen[str]") -> int:
    """The most bytes that a process has ever held (`VmHWM`)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def test_an_attachment_above_2_mb_is_delivered(office: Office) -> None:
    """The hub's word is 2 MB; should it let more through, the office needs it all the same."""
    (hub_id,) = office.add()
    content = os.urandom(5 * 2**20)
    office.sandbox.book.add_attachment(hub_id, "plans.zip", content)
    office.pull()
    assert content in [path.read_bytes() for path in office.folder("adjout").iterdir()]


MANY = 100_000


def test_of_a_hundred_thousand_state_files_a_round_opens_a_handful(office: Office) -> None:
    """The work of a round does not grow with what lies there, but for one listing."""
    (hub_id,) = office.served()
    for number in range(HANDFUL + 10):
        update = annotated(hub_id, register_number=f"R-{number}")
        office.drop(f"a{number:06}.XML", state_file(update))
    statin = office.folder("statin")
    with many_files(statin, "{:06}.XML"), opened(statin) as files:
        assert outbound_round(office.account, only_due=True, talk=False).taken == HANDFUL
    assert len(files) <= 4 * HANDFUL


@contextmanager
def many_files(folder: Path, pattern: str) -> Iterator[None]:
    """Put a hundred thousand empty files into a folder; none is left for those who clean up."""
    for number in range(MANY):
        os.mknod(folder / pattern.format(number), 0o644)
    yield
    shutil.rmtree(folder)


_AUDITED: list[tuple[Path, list[str]]] = []


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open":
        for folder, files in _AUDITED:
            if str(arguments[0]).startswith(f"{folder}/"):
                files.append(str(arguments[0]))


sys.addaudithook(_audit)  # it cannot be taken away again


@contextmanager
def opened(folder: Path) -> Iterator[list[str]]:
    """Note each file in a folder that this process opens."""
    files: list[str] = []
    _AUDITED.append((folder, files))
    yield files
    _AUDITED.remove((folder, files))


def test_among_a_hundred_thousand_files_the_doors_list_and_the_rounds_go_on(
    gateway: Gateway, sandbox: Sandbox
) -> None:
    assert gateway.run("pull").code == 0
    first, *_ = sandbox.book.hub_ids
    with many_files(gateway.mailbox / "out", "S@R@F {:06}@1.XML"), gateway.serving():
        for name in ("paramiko", "ftplib"):
            assert len(client_of(name, gateway).names("out")) == MANY + 3
        collect(gateway, first)
        wait_until(lambda: State.DELIVERED in sandbox.book.states(first), "the hub is told")
