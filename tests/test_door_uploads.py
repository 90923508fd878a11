"""How files come in: whole or not at all, whatever ends the connection or the bridge."""

import ftplib
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paramiko
import pytest

from bridge.facade.folders import DoorMailbox
from bridge.settings import UploadSettings
from tests.door_clients import FtplibClient, ParamikoClient
from tests.door_rig import FOLDERS, PASSWORD, USER, XML, Rig, Told, open_doors, wait_until

HALF = XML[: len(XML) // 2]


@contextmanager
def sftp(rig: Rig) -> Iterator[paramiko.SFTPClient]:
    with ParamikoClient("sftp", rig.port("sftp")).session() as client:
        yield client


@contextmanager
def ftp(rig: Rig) -> Iterator[ftplib.FTP]:
    with FtplibClient("ftp", rig.port("ftp")).session() as client:
        yield client


def begin_ftp_upload(client: ftplib.FTP, data: bytes, command: str = "STOR") -> Any:
    channel = client.transfercmd(f"{command} /statin/r.XML")
    channel.sendall(data)
    return channel


# SFTP


def test_sftp_an_upload_shows_to_its_client_and_to_nobody_else(rig: Rig) -> None:
    with sftp(rig) as client, client.open("/statin/r.XML", "wb") as file:
        file.write(HALF)
        file.flush()
        assert client.stat("/statin/r.XML").st_size == len(HALF)
        assert file.stat().st_size == len(HALF)
        assert rig.names("statin") == []
        with sftp(rig) as other, pytest.raises(FileNotFoundError):
            other.stat("/statin/r.XML")


def test_sftp_the_old_content_stays_until_the_new_is_closed(rig: Rig) -> None:
    path = rig.place("statin", "r.XML", b"old")
    with sftp(rig) as client:
        with client.open("/statin/r.XML", "wb") as file:
            file.write(XML)
            file.flush()
            assert path.read_bytes() == b"old"
        assert path.read_bytes() == XML


def test_sftp_a_lost_connection_keeps_the_old_content(rig: Rig) -> None:
    path = rig.place("statin", "r.XML", b"old")
    with sftp(rig) as client:
        file = client.open("/statin/r.XML", "wb")
        file.write(XML)
        file.flush()
        client.get_channel().get_transport().sock.close()
    rig.told.wait_for("cut off", "statin", "r.XML")
    assert path.read_bytes() == b"old"
    assert (rig.told.archive / "r.XML").read_bytes() == XML


def test_sftp_a_client_that_ends_without_closing_its_file_is_cut_off(rig: Rig) -> None:
    with sftp(rig) as client:
        file = client.open("/statin/r.XML", "wb")
        file.write(XML)
        file.flush()
        client.get_channel().close()
        rig.told.wait_for("cut off", "statin", "r.XML")
    assert rig.names("statin") == []


def test_sftp_appends_and_resumes(rig: Rig) -> None:
    path = rig.place("statin", "r.XML", HALF)
    with sftp(rig) as client:
        with client.open("/statin/r.XML", "ab") as file:
            file.write(XML[len(HALF) :])
        assert path.read_bytes() == XML
        with client.open("/statin/r.XML", "r+b") as file:
            file.seek(2)
            file.write(b"XYZ")
        assert path.read_bytes() == XML[:2] + b"XYZ" + XML[5:]


def test_sftp_exclusive_creation_fails_when_the_name_is_taken(rig: Rig) -> None:
    path = rig.place("statin", "r.XML", b"old")
    with sftp(rig) as client:
        with pytest.raises(OSError, match="exists"):
            client.open("/statin/r.XML", "wx")
        with client.open("/statin/new.XML", "wx") as file:
            file.write(XML)
    assert path.read_bytes() == b"old"
    assert rig.names("statin") == ["new.XML", "r.XML"]


def test_sftp_exclusive_creation_does_not_overwrite_what_came_meanwhile(rig: Rig) -> None:
    with sftp(rig) as client:
        file = client.open("/statin/r.XML", "wx")
        file.write(XML)
        path = rig.place("statin", "r.XML", b"other")
        file.close()  # the library does not tell that it was refused
        rig.told.wait_for("cut off", "statin", "r.XML")
    assert path.read_bytes() == b"other"


def test_sftp_opening_a_missing_file_without_creating_it_fails(rig: Rig) -> None:
    with sftp(rig) as client, pytest.raises(FileNotFoundError):
        client.open("/statin/missing", "r+b")


def test_sftp_an_upload_is_renamed_and_removed_before_it_is_closed(rig: Rig) -> None:
    with sftp(rig) as client:
        with client.open("/statin/a", "wb") as file:
            file.write(XML)
            client.rename("/statin/a", "/statin/b")
        assert rig.names("statin") == ["b"]
        with client.open("/statin/c", "wb") as file:
            client.remove("/statin/c")
        assert rig.names("statin") == ["b"]
    assert rig.leftovers() == []


# FTP


def test_ftp_an_upload_whose_client_hangs_up_is_cut_off_even_if_it_looks_whole(rig: Rig) -> None:
    with ftp(rig) as client:
        channel = begin_ftp_upload(client, XML)
        wait_until(lambda: sizes(rig) == [len(XML)], "the bytes came")
        assert client.sock is not None
        client.sock.shutdown(socket.SHUT_RDWR)
        channel.close()
        rig.told.wait_for("cut off", "statin", "r.XML")
    assert rig.names("statin") == []


def test_ftp_half_a_file_waits_for_the_end_of_its_control_connection(rig: Rig) -> None:
    with ftp(rig) as client:
        channel = begin_ftp_upload(client, HALF)
        channel.close()
        assert client.sock is not None
        client.sock.shutdown(socket.SHUT_RDWR)
        rig.told.wait_for("cut off", "statin", "r.XML")
    assert rig.names("statin") == []
    assert HALF.startswith((rig.told.archive / "r.XML").read_bytes())


def test_ftp_half_a_file_counts_when_its_client_stays(rig: Rig) -> None:
    with ftp(rig) as client:
        channel = begin_ftp_upload(client, HALF)
        channel.close()
        assert client.voidresp().startswith("226")
    assert (rig.root / "statin" / "r.XML").read_bytes() == HALF


def test_ftp_a_command_settles_an_upload_that_waits(rig: Rig) -> None:
    with ftp(rig) as client:
        channel = begin_ftp_upload(client, HALF)
        channel.close()
        client.putcmd("PWD")
        assert sorted(client.getresp()[:3] for _ in range(2)) == ["226", "257"]
    assert rig.names("statin") == ["r.XML"]


def test_ftp_a_data_connection_that_is_reset_is_cut_off(rig: Rig) -> None:
    with ftp(rig) as client:
        channel = begin_ftp_upload(client, XML)
        wait_until(lambda: sizes(rig) == [len(XML)], "the bytes came")
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        channel.close()
        with pytest.raises(ftplib.error_temp, match="426"):
            client.voidresp()
    rig.told.wait_for("cut off", "statin", "r.XML")
    assert rig.names("statin") == []


def test_ftp_an_aborted_upload_is_cut_off(rig: Rig) -> None:
    with ftp(rig) as client:
        channel = begin_ftp_upload(client, XML)
        wait_until(lambda: sizes(rig) == [len(XML)], "the bytes came")
        client.putcmd("ABOR")
        assert client.getmultiline().startswith("426")
        assert client.getmultiline().startswith("226")
        channel.close()
        assert client.pwd() == "/"
    rig.told.wait_for("cut off", "statin", "r.XML")
    assert rig.names("statin") == []


def test_ftp_an_upload_aborted_after_its_data_is_cut_off(rig: Rig) -> None:
    with ftp(rig) as client:
        channel = begin_ftp_upload(client, HALF)
        client.putcmd("ABOR")
        channel.close()
        rig.told.wait_for("cut off", "statin", "r.XML")
        client.close()
    assert rig.names("statin") == []


def test_ftp_appends_and_resumes(rig: Rig) -> None:
    path = rig.place("statin", "r.XML", HALF)
    rest = XML[len(HALF) :]
    with ftp(rig) as client:
        begin_ftp_upload(client, rest, "APPE").close()
        client.voidresp()
        assert path.read_bytes() == XML
        path.write_bytes(HALF + b"what was lost on the way")
        channel = client.transfercmd("STOR /statin/r.XML", rest=len(HALF))
        channel.sendall(rest)
        channel.close()
        client.voidresp()
    assert path.read_bytes() == XML


def test_ftp_a_login_of_another_in_the_middle_of_an_upload_cuts_it_off(rig: Rig) -> None:
    with ftp(rig) as client:
        channel = begin_ftp_upload(client, XML)
        wait_until(lambda: sizes(rig) == [len(XML)], "the bytes came")
        client.login(USER, PASSWORD)
        rig.told.wait_for("cut off", "statin", "r.XML")
        channel.close()
        assert client.nlst("/statin") == []


# The bridge itself


@pytest.mark.parametrize("over", ["sftp", "ftp"])
def test_stopping_the_doors_cuts_off_what_is_under_way(tmp_path: Path, over: str) -> None:
    kind = ParamikoClient if over == "sftp" else FtplibClient
    with open_doors(tmp_path) as rig:
        process = kind(over, rig.port(over)).cut_off("/statin/r.XML", XML)
        wait_until(lambda: sizes(rig) == [len(HALF)], "the bytes came")
    process.kill()
    process.wait(30)
    assert ("cut off", "statin", "r.XML") in rig.told.events
    assert rig.names("statin") == []


BRIDGE = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from tests.door_rig import open_doors
    with open_doors(Path(sys.argv[1])) as rig:
        print(rig.port("sftp"), rig.port("ftp"), flush=True)
        time.sleep(600)
""")


def test_what_a_killed_bridge_leaves_is_handed_over_at_the_next_start(tmp_path: Path) -> None:
    bridge = subprocess.Popen(
        [sys.executable, "-c", BRIDGE, str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
    )
    assert bridge.stdout is not None
    ports = []
    while len(ports) != 2:
        words = bridge.stdout.readline().split()
        ports = [int(word) for word in words] if all(word.isdigit() for word in words) else []
    clients = [
        ParamikoClient("sftp", ports[0]).cut_off("/statin/over sftp.XML", XML),
        FtplibClient("ftp", ports[1]).cut_off("/in/over ftp.XML", XML),
    ]
    staging = tmp_path / "staging"
    wait_until(lambda: sum(size(path) for path in staging.rglob("*")) == 2 * len(HALF), "both came")
    os.kill(bridge.pid, signal.SIGKILL)
    bridge.wait(30)
    for client in clients:
        client.kill()
        client.wait(30)

    mailbox = DoorMailbox(
        account="town", root=tmp_path / "mailbox", folders=FOLDERS, staging=staging
    )
    told = Told(tmp_path / "archive")
    mailbox.hand_over_leftovers(told)
    assert sorted(told.events) == [
        ("cut off", "in", "over ftp.XML"),
        ("cut off", "statin", "over sftp.XML"),
    ]
    assert (told.archive / "over ftp.XML").read_bytes() == HALF
    assert list(mailbox.uploads.iterdir()) == []
    assert not any((tmp_path / "mailbox").rglob("*.XML"))


def test_an_upload_under_way_is_no_leftover(rig: Rig) -> None:
    mailbox = DoorMailbox(account="town", root=rig.root, folders=FOLDERS, staging=rig.staging)
    with sftp(rig) as client, client.open("/statin/r.XML", "wb") as file:
        file.write(HALF)
        mailbox.hand_over_leftovers(rig.told)
        file.write(XML[len(HALF) :])
    assert (rig.root / "statin" / "r.XML").read_bytes() == XML
    assert "cut off" not in rig.told.kinds()


def sizes(rig: Rig) -> list[int]:
    return [path.stat().st_size for path in rig.leftovers()]


def size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


@pytest.mark.parametrize("where", [UploadSettings().max_size, 1 << 40, 1 << 62])
def test_sftp_an_upload_may_not_claim_to_be_endless(rig: Rig, where: int) -> None:
    with sftp(rig) as client, client.open("/statin/r.XML", "wb") as file:
        file.write(HALF)
        file.flush()
        with pytest.raises(OSError, match="too large"):
            file.truncate(where + 1)
        file.seek(where)
        with pytest.raises(OSError, match="too large"):
            file.write(b"x")
    assert rig.names("statin") == []
