"""Uploads that are cut off: their bytes are kept, told, and fill no disk."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from bridge.archive import Archive
from bridge.facade.room import LEAST, Room
from bridge.ledger import Ledger, archive_removals, cut_offs, events
from bridge.naming import Folder
from bridge.sandbox.server import Sandbox
from bridge.settings import UploadSettings
from bridge.upkeep.cut_offs import make_room, note_cut_off
from bridge.upkeep.verifying import verify
from tests.accounts import Office, Offices
from tests.door_clients import FtplibClient, ParamikoClient
from tests.door_rig import wait_until
from tests.gateway import Gateway, install

ENOUGH = 3 * LEAST


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    with Sandbox(invoices=0) as sandbox:
        yield install(tmp_path, sandbox, sections=["[uploads]", f"cut_off = {ENOUGH}"])


@contextmanager
def upload(gateway: Gateway, path: str) -> Iterator[paramiko.SFTPFile]:
    """Begin an upload that the end of the block cuts off."""
    with ParamikoClient("sftp", gateway.sftp).session() as sftp:
        file = sftp.open(path, "wb")
        file.write(path.encode() * 100)
        file.flush()
        yield file
        sftp.get_channel().get_transport().sock.close()


def kinds(gateway: Gateway) -> list[str]:
    ledger = Ledger(gateway.folder / "data" / "ledger.db")
    try:
        with ledger.read() as connection:
            return [link.kind for link, _ in events.chain(connection, "ajuntament")]
    finally:
        ledger.close()


def cut_off_files(gateway: Gateway) -> list[str]:
    files: list[str] = gateway.status()["accounts"][0]["cut_off_files"]
    return files


# From outside


def test_who_cuts_off_again_and_again_is_refused_and_told_why(gateway: Gateway) -> None:
    with gateway.serving():
        for number in range(4):
            with upload(gateway, f"/in/{number}"):
                pass
            wait_until(lambda n=number: len(cut_off_files(gateway)) > n, "it is kept")  # type: ignore[misc]
        for door in (
            ParamikoClient("sftp", gateway.sftp),
            FtplibClient("ftp", gateway.ftp),
        ):
            with pytest.raises(Exception, match=r"uploads that were cut off fill their 0\.01"):
                door.put("/statin/a.XML", b"<a/>")
        wait_until(lambda: cut_offs.STOPPED in kinds(gateway), "it is recorded")
        assert "No upload is taken: those that were cut off fill" in gateway.run("status").out
    with gateway.serving(), pytest.raises(OSError, match="nothing is taken"):
        ParamikoClient("sftp", gateway.sftp).put("/statin/a.XML", b"<a/>")


def test_what_a_stop_cuts_off_is_kept_and_told_at_once(gateway: Gateway) -> None:
    with gateway.serving() as serve, upload(gateway, "/in/x"):
        serve.send_signal(signal.SIGTERM)
        serve.wait(timeout=30)
    assert cut_off_files(gateway) == ["x"]
    assert not list((gateway.folder / "data" / "staging" / "uploads").rglob("x"))


def test_what_a_kill_cuts_off_is_told_until_the_next_start_keeps_it(gateway: Gateway) -> None:
    serve = gateway.start()
    with upload(gateway, "/in/x"):
        assert gateway.status()["accounts"][0]["cut_off_not_kept_yet"] == []
        serve.kill()
        serve.wait()
    assert gateway.status()["accounts"][0]["cut_off_not_kept_yet"] == ["in/x"]
    assert "Uploads cut off when `serve` was killed" in gateway.run("status").out
    with gateway.serving():
        wait_until(lambda: cut_off_files(gateway) == ["x"], "it is kept")
    assert gateway.status()["accounts"][0]["cut_off_not_kept_yet"] == []


# What goes


@pytest.fixture
def office(open_account: Offices) -> Office:
    office = open_account()
    office.pull()
    limits = UploadSettings(cut_off=ENOUGH)
    settings = office.account.settings.model_copy(update={"uploads": limits})
    return replace(office, account=replace(office.account, settings=settings))


def break_off(office: Office, content: bytes) -> None:
    partial = office.account.mailbox.staged("uploads")
    partial.write_bytes(content)
    note_cut_off(office.account, Folder.IN, "a.XML", partial)


def archived(office: Office) -> set[bytes]:
    archive: Archive = office.account.mailbox.archive
    return {path.read_bytes() for path in archive.files()}


def test_what_is_too_much_goes_the_oldest_first_once_it_is_a_day_old(office: Office) -> None:
    for content in (b"1", b"2", b"3"):
        break_off(office, content)
        office.clock.pass_by(hours=1)
    assert make_room(office.account) == ENOUGH
    break_off(office, b"4")
    office.clock.pass_by(hours=20)
    assert make_room(office.account) == 4 * LEAST
    office.clock.pass_by(hours=2)
    assert make_room(office.account) == ENOUGH
    assert archived(office) == {b"2", b"3", b"4"}


def test_the_same_bytes_again_count_a_block_and_stay_as_long_as_the_last(office: Office) -> None:
    for _ in range(4):
        break_off(office, b"1" * 10_000)
        office.clock.pass_by(hours=7)
    assert make_room(office.account) == 10_000 + 3 * LEAST
    office.clock.pass_by(hours=18)
    assert make_room(office.account) == 0
    assert archived(office) == set()


def test_bytes_that_came_whole_as_well_stay(office: Office) -> None:
    content = b"<a>" + b" " * 2 * ENOUGH + b"</a>"
    break_off(office, content)
    office.drop("a.XML", content)
    office.push()
    office.clock.pass_by(days=2)
    assert make_room(office.account) == 0
    assert content in archived(office)


def test_what_went_is_told_and_is_not_missed(office: Office) -> None:
    break_off(office, b"x" * 2 * ENOUGH)
    office.clock.pass_by(days=2)
    make_room(office.account)
    account = office.account
    with account.ledger.read() as connection:
        assert len(archive_removals.removed_digests(connection, account.name)) == 1
    checks = verify(account.ledger, account.settings.data_dir, account.name)
    assert [check.said for check in checks if not check.right] == []


def test_what_was_cut_off_counts_at_once(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    room = Room({"in": tmp_path / "in"}, UploadSettings(cut_off=LEAST))
    claim, other = room.begin("in"), room.begin("in")
    claim.cut_off(LEAST + 1)
    with pytest.raises(OSError, match="nothing is taken"):
        other.cover(1)
    room.more_cut_off(-1)
    other.cover(1)
