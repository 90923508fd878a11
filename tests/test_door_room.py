"""Quotas of the upload folders, the guard for the disk, and limits on files and connections."""

import ftplib
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bridge.facade import handles
from bridge.facade.access import MOST_STRANGERS
from bridge.facade.handles import SPARE_DESCRIPTORS
from bridge.facade.room import LOOK_AGAIN, Room
from bridge.settings import UploadSettings
from tests.door_clients import FtplibClient, FtpTlsClient, ParamikoClient
from tests.door_rig import PASSWORD, USER, XML, Rig, open_doors, tls_settings
from tests.test_door_access import Clock

MB = 1_000_000
KIND = {"sftp": ParamikoClient, "ftp": FtplibClient}


def room_in(folder: Path, clock: Clock, **limits: Any) -> Room:
    (folder / "statin").mkdir()
    return Room({"statin": folder / "statin"}, UploadSettings(**limits), clock=clock)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_files_under_way_count(tmp_path: Path, clock: Clock) -> None:
    room = room_in(tmp_path, clock, max_files=2)
    first = room.begin("statin")
    room.begin("statin")
    with pytest.raises(OSError, match="no more than 2 files"):
        room.begin("statin")
    first.end()
    room.begin("statin")


def test_a_finished_file_counts_until_it_is_taken_away(tmp_path: Path, clock: Clock) -> None:
    room = room_in(tmp_path, clock, max_files=1)
    claim = room.begin("statin")
    file = tmp_path / "statin" / "a.xml"
    file.write_bytes(b"x")
    claim.end(size=1)
    clock.now += 2
    with pytest.raises(OSError, match="no more than 1 file"):
        room.begin("statin")
    file.unlink()
    clock.now += 2
    room.begin("statin")


def test_what_another_server_has_put_there_counts_after_a_while(
    tmp_path: Path, clock: Clock
) -> None:
    room = room_in(tmp_path, clock, max_files=2)
    room.begin("statin").end()
    for name in "ab":
        (tmp_path / "statin" / name).write_bytes(b"x")
    clock.now += LOOK_AGAIN + 1
    with pytest.raises(OSError, match="no more than 2 files"):
        room.begin("statin")


def test_all_uploads_together_stay_within_the_quota(tmp_path: Path, clock: Clock) -> None:
    room = room_in(tmp_path, clock, quota=10 * MB)
    one, other = room.begin("statin"), room.begin("statin")
    one.cover(6 * MB)
    with pytest.raises(OSError, match="no more than 10 MB"):
        other.cover(6 * MB)
    one.end()
    other.cover(6 * MB)


def test_a_disk_that_is_nearly_full_takes_nothing(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.statvfs(tmp_path)
    room = room_in(tmp_path, clock, min_free=1000 * real.f_frsize)

    def disk(free: int) -> SimpleNamespace:
        return SimpleNamespace(f_bavail=free, f_frsize=real.f_frsize, f_blocks=10**6)

    monkeypatch.setattr(os, "statvfs", lambda _: disk(1000))
    claim = room.begin("statin")
    monkeypatch.setattr(os, "statvfs", lambda _: disk(999))
    clock.now += 1
    with pytest.raises(OSError, match="the disk is nearly full"):
        room.begin("statin")
    with pytest.raises(OSError, match="the disk is nearly full"):
        claim.cover(1)


# On the wire


@pytest.fixture(params=["sftp", "ftp"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Rig]:
    limits = UploadSettings(max_size=2 * MB, max_files=2, quota=3 * MB)
    with open_doors(tmp_path, uploads=limits) as rig:
        yield rig


def put(rig: Rig, protocol: str, path: str, size: int) -> None:
    KIND[protocol](protocol, rig.port(protocol)).put(path, b"x" * size)


def test_a_folder_that_is_full_of_files_is_told_on_the_wire(small: Rig, protocol: str) -> None:
    for name in "ab":
        small.place("in", name)
    with pytest.raises((OSError, ftplib.error_perm), match="in is full: no more than 2 files"):
        put(small, protocol, "/in/c", 1)
    put(small, protocol, "/adjin/c", 1)


def test_ftp_a_file_that_is_too_large_is_told_and_not_kept(small: Rig) -> None:
    with pytest.raises(ftplib.error_perm, match="552 too large: 2 MB at most"):
        put(small, "ftp", "/in/large", 3 * MB)
    assert small.names("in") == []


def test_ftps_a_file_that_is_too_large_is_told_and_not_kept(tmp_path: Path) -> None:
    pytest.importorskip("OpenSSL", reason="the extra ftps")
    limits = UploadSettings(max_size=2 * MB)
    with open_doors(tmp_path, ftp=tls_settings(), uploads=limits) as rig:
        client = FtpTlsClient("ftps", rig.port("ftp"))
        with client.session() as ftp, ftp.transfercmd("STOR /in/large") as data:
            with suppress(OSError):  # where it is ended
                data.sendall(bytes(3 * MB))
            with pytest.raises(ftplib.error_perm, match="552 too large: 2 MB at most"):
                ftp.getresp()
        assert rig.names("in") == []


def test_sftp_a_file_that_is_too_large_is_told_and_not_kept(small: Rig) -> None:
    with ParamikoClient("sftp", small.port("sftp")).session() as sftp:
        file = sftp.open("/in/large", "wb")
        file.seek(2 * MB)
        with pytest.raises(OSError, match="too large: 2 MB at most"):
            file.write(b"x")
        file.close()
    assert small.names("in") == []


def test_uploads_at_both_doors_share_the_quota(small: Rig) -> None:
    put(small, "sftp", "/in/a", 2 * MB)
    with pytest.raises(ftplib.Error, match=r"552.*no more than 3 MB"):
        put(small, "ftp", "/in/b", 2 * MB)
    assert small.names("in") == ["a"]


def test_room_comes_back_when_a_client_deletes(small: Rig) -> None:
    client = FtplibClient("ftp", small.port("ftp"))
    for _ in range(4):
        client.put("/in/a", XML + b" " * MB)
        client.delete("/in/a")
    assert small.names("in") == []


def test_too_many_open_files_leave_the_bridge_enough(
    tmp_path: Path, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_doors(tmp_path) as rig:
        rig.place("out", "a")
        client = KIND[protocol](protocol, rig.port(protocol))
        assert client.fetch("/out/a")
        # As if all but a few descriptors were in use: files get numbers above the limit then.
        monkeypatch.setattr(resource, "getrlimit", lambda _: (SPARE_DESCRIPTORS, 0))
        with pytest.raises((OSError, ftplib.error_perm), match="too many files are open"):
            client.fetch("/out/a")
        with pytest.raises((OSError, ftplib.error_perm), match="too many files are open"):
            client.put("/in/b", b"x")
    assert rig.leftovers() == []


def test_open_files_of_a_user_are_counted_over_doors_and_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handles, "MOST_OF_A_USER", 4)
    with open_doors(tmp_path) as rig, ExitStack() as stack:
        rig.place("out", "a", b"x" * 10 * MB)
        first, second = (
            stack.enter_context(ParamikoClient("sftp", rig.port("sftp")).session())
            for _ in range(2)
        )
        opened = [first.open("/out/a"), first.open("/in/b", "w"), second.open("/out/a")]
        ftp = stack.enter_context(FtplibClient("ftp", rig.port("ftp")).session())
        half = stack.enter_context(ftp.transfercmd("STOR /in/c"))
        for once_more in (
            lambda: second.open("/out/a"),
            lambda: second.open("/in/d", "w"),
            lambda: second.listdir("/out"),
        ):
            with pytest.raises(OSError, match="too many files are open"):
                once_more()
        half.close()
        for file in opened:
            file.close()
        ftp.voidresp()
        assert {each.filename for each in second.listdir_attr("/in")} == {"b", "c"}


def test_files_that_a_lost_connection_had_open_count_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handles, "MOST_OF_A_USER", 3)
    with open_doors(tmp_path) as rig:
        rig.place("out", "a")
        client = ParamikoClient("sftp", rig.port("sftp"))
        for count in (1, 2):
            with client.session() as sftp:
                kept = [sftp.open("/out/a"), sftp.open("/in/b", "w"), sftp.open("/out/a")]
                sftp.get_channel().get_transport().sock.close()
            rig.told.wait_for("logged out", USER, "sftp", count=count)
            del kept
        assert client.fetch("/out/a") == XML


def test_one_address_cannot_keep_all_others_out_of_ftp(tmp_path: Path) -> None:
    with open_doors(tmp_path) as rig, ExitStack() as stack:
        answers = []
        for _ in range(MOST_STRANGERS + 20):
            silent = stack.enter_context(socket.socket())
            silent.settimeout(30)
            silent.bind(("127.0.0.9", 0))
            silent.connect(("127.0.0.1", rig.port("ftp")))
            answers.append(silent.recv(100)[:3])
        assert (answers.count(b"220"), answers.count(b"421")) == (MOST_STRANGERS, 20)
        assert FtplibClient("ftp", rig.port("ftp")).names("/out") == []


def test_who_logs_in_is_no_stranger_any_more(tmp_path: Path) -> None:
    with open_doors(tmp_path) as rig:
        for _ in range(MOST_STRANGERS + 5):
            with ftplib.FTP() as ftp:
                ftp.connect("127.0.0.1", rig.port("ftp"))
                ftp.login(USER, PASSWORD)
                assert ftp.nlst("/out") == []
