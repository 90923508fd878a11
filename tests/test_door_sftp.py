"""The SFTP door alone: the protocol's corners, SSH without a shell, algorithms, host keys."""

import io
import logging
import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import paramiko
import pytest
from paramiko.sftp import CMD_EXTENDED, CMD_NAME
from structlog.testing import capture_logs

from bridge.errors import PortTakenError, SettingsError
from bridge.facade.algorithms import disabled_algorithms
from bridge.facade.hostkeys import load_host_keys
from bridge.facade.sftp import SftpDoor
from bridge.facade.sftp_wire import Request
from bridge.settings import SftpSettings
from tests.door_clients import ParamikoClient
from tests.door_rig import PASSWORD, USER, XML, Rig, host_keys, open_doors, wait_until
from tests.sftp_wire_client import HANDLE, NAME, at_the_door, string


@pytest.fixture
def sftp(rig: Rig) -> Iterator[paramiko.SFTPClient]:
    with ParamikoClient("sftp", rig.port("sftp")).session() as sftp:
        yield sftp


def test_rename_does_not_overwrite(rig: Rig, sftp: paramiko.SFTPClient) -> None:
    rig.place("statin", "a", b"a")
    rig.place("statin", "b", b"b")
    with pytest.raises(OSError, match="exists"):
        sftp.rename("/statin/a", "/statin/b")
    assert (rig.root / "statin" / "b").read_bytes() == b"b"


def test_links_are_refused(sftp: paramiko.SFTPClient) -> None:
    for way in (
        lambda: sftp.symlink("/etc/passwd", "/statin/link"),
        lambda: sftp.readlink("/statin"),
    ):
        with pytest.raises(OSError, match="unsupported"):
            way()


def test_owner_and_mode_are_taken_note_of_and_ignored(rig: Rig, sftp: paramiko.SFTPClient) -> None:
    path = rig.place("statin", "a")
    before = path.stat()
    sftp.chmod("/statin/a", 0o777)
    sftp.chown("/statin/a", 1, 1)
    assert (path.stat().st_mode, path.stat().st_uid) == (before.st_mode, before.st_uid)


def test_times_are_stored_for_uploads_and_left_alone_for_downloads(
    rig: Rig, sftp: paramiko.SFTPClient
) -> None:
    rig.place("statin", "a")
    out = rig.place("out", "a")
    before = out.stat().st_mtime
    sftp.utime("/statin/a", (1, 1_000_000))
    sftp.utime("/out/a", (1, 1_000_000))
    assert sftp.stat("/statin/a").st_mtime == 1_000_000
    assert out.stat().st_mtime == before


def test_a_size_cuts_an_upload_and_never_a_whole_file(rig: Rig, sftp: paramiko.SFTPClient) -> None:
    with sftp.open("/statin/a", "wb") as file:
        file.write(XML)
        file.truncate(10)
    path = rig.root / "statin" / "a"
    assert path.read_bytes() == XML[:10]
    sftp.truncate("/statin/a", 10)
    with pytest.raises(PermissionError):
        sftp.truncate("/statin/a", 5)
    assert path.read_bytes() == XML[:10]


def test_a_name_that_is_no_utf_8_keeps_its_bytes(rig: Rig, sftp: paramiko.SFTPClient) -> None:
    name = "factura_nº.XML".encode("latin-1")
    sftp.putfo(io.BytesIO(XML), b"/statin/" + name)  # type: ignore[arg-type]
    assert [os.fsencode(stored) for stored in rig.names("statin")] == [name]
    with sftp.open(b"/statin/" + name) as file:  # type: ignore[arg-type]
        assert file.read() == XML


def test_a_hundred_names_come_in_one_answer(rig: Rig, sftp: paramiko.SFTPClient) -> None:
    for number in range(150):
        rig.place("out", str(number), b"")
    kind, message = sftp._request(Request.OPENDIR, b"/out")
    handle = message.get_binary()
    kind, message = sftp._request(Request.READDIR, handle)
    assert (kind, message.get_int()) == (CMD_NAME, 100)


def test_a_folder_is_read_as_its_names_are_asked_for_so_that_none_are_kept(rig: Rig) -> None:
    files = [rig.place("out", f"{number}.xml") for number in range(150)]
    with at_the_door(rig) as wire:
        handle = wire.ask(11, string(b"/out")).text
        assert wire.ask(12, string(handle)).kind == NAME
        for path in files:
            path.unlink()
        assert wire.ask(12, string(handle)).code == 1


def test_folders_that_are_opened_and_never_closed_are_closed_with_their_channel(rig: Rig) -> None:
    with at_the_door(rig) as wire:
        for _ in range(30):
            assert wire.ask(11, string(b"/out")).kind == HANDLE
        assert times_open(rig.root / "out") >= 30
    wait_until(lambda: times_open(rig.root / "out") == 0, "they are closed")


def times_open(folder: Path) -> int:
    """Return how often this process has a folder open."""
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            found += descriptor.readlink() == folder
    return found


def test_the_room_on_the_disk_is_told(sftp: paramiko.SFTPClient) -> None:
    _, message = sftp._request(CMD_EXTENDED, b"statvfs@openssh.com", b"/")
    assert message.get_int64() > 0


def test_a_read_handle_is_not_written_to(rig: Rig, sftp: paramiko.SFTPClient) -> None:
    rig.place("statin", "a")
    _, message = sftp._request(Request.OPEN, b"/statin/a", 1, paramiko.SFTPAttributes())
    handle = message.get_binary()
    with pytest.raises(PermissionError):
        sftp._request(Request.WRITE, handle, paramiko.sftp.int64(0), b"x")


def test_too_many_open_files_are_refused(rig: Rig, sftp: paramiko.SFTPClient) -> None:
    rig.place("out", "a")
    files = [sftp.open("/out/a") for _ in range(256)]
    with pytest.raises(OSError, match="too many"):
        sftp.open("/out/a")
    files[0].close()
    sftp.open("/out/a").close()


def test_requests_that_make_no_sense_are_answered_and_the_session_goes_on(
    sftp: paramiko.SFTPClient,
) -> None:
    channel = sftp.get_channel()
    assert channel is not None
    for body in (bytes([3]), bytes([99]), bytes([4]) + b"\0\0\0\5nope", bytes([200])):
        channel.sendall(struct.pack(">IBI", len(body) + 4, body[0], 7) + body[1:])
        length = struct.unpack(">I", read(channel, 4))[0]
        assert read(channel, length)[0] == 101
    assert "out" in sftp.listdir("/")


def read(channel: paramiko.Channel, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += channel.recv(count - len(data))
    return data


@pytest.mark.parametrize("junk", [b"\xff" * 8, b"\0\0\0\0", b"\0\x10\0\0\1"])
def test_a_packet_that_is_none_ends_the_session(sftp: paramiko.SFTPClient, junk: bytes) -> None:
    channel = sftp.get_channel()
    assert channel is not None
    channel.settimeout(30)
    channel.sendall(junk)
    assert channel.recv(10) == b""


# SSH


@pytest.fixture
def transport(rig: Rig) -> Iterator[paramiko.Transport]:
    with paramiko.Transport(("127.0.0.1", rig.port("sftp"))) as transport:
        transport.connect(username=USER, password=PASSWORD)
        yield transport


def test_there_is_no_shell_no_command_and_no_terminal(transport: paramiko.Transport) -> None:
    for ask in (
        lambda channel: channel.invoke_shell(),
        lambda channel: channel.exec_command("id"),
        lambda channel: channel.get_pty(),
        lambda channel: channel.invoke_subsystem("shell"),
        lambda channel: channel.request_x11(),
    ):
        with pytest.raises(paramiko.SSHException):
            ask(transport.open_session())


def test_nothing_is_forwarded(transport: paramiko.Transport) -> None:
    with pytest.raises(paramiko.ChannelException):
        transport.open_channel("direct-tcpip", ("127.0.0.1", 22), ("127.0.0.1", 1))
    with pytest.raises(paramiko.SSHException):
        transport.request_port_forward("127.0.0.1", 0)


def test_channels_of_a_connection_are_limited(transport: paramiko.Transport) -> None:
    channels = [transport.open_session() for _ in range(10)]
    with pytest.raises(paramiko.ChannelException):
        transport.open_session()
    channels[0].close()


def test_two_sftp_channels_of_one_connection_work(transport: paramiko.Transport) -> None:
    one = paramiko.SFTPClient.from_transport(transport)
    two = paramiko.SFTPClient.from_transport(transport)
    assert one is not None
    assert two is not None
    one.putfo(io.BytesIO(XML), "/statin/a")
    assert two.listdir("/statin") == ["a"]
    one.close()
    assert two.listdir("/statin") == ["a"]


def test_small_packets_go_out_at_once_or_some_clients_are_many_times_slower(
    rig: Rig, transport: paramiko.Transport
) -> None:
    (connection,) = rig.sftp._connections
    assert connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_long_session_survives_new_keys(rig: Rig, transport: paramiko.Transport) -> None:
    sftp = paramiko.SFTPClient.from_transport(transport)
    assert sftp is not None
    data = bytes(1_000_000)
    for name in ("a", "b"):
        sftp.putfo(io.BytesIO(data), f"/in/{name}")
        transport.renegotiate_keys()
    assert (rig.root / "in" / "b").read_bytes() == data


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512"])
def test_each_kind_of_host_key_is_offered(rig: Rig, kind: str) -> None:
    with paramiko.Transport(("127.0.0.1", rig.port("sftp"))) as transport:
        transport.get_security_options().key_types = [kind]
        transport.start_client()
        assert transport.host_key_type == kind


def test_old_algorithms_are_off_unless_they_are_asked_for() -> None:
    off = {name for names in disabled_algorithms(legacy=False).values() for name in names}
    assert {"3des-cbc", "hmac-md5", "hmac-sha1-96", "hmac-sha1", "aes128-cbc"} <= off
    assert not {"aes128-ctr", "hmac-sha2-256", "rsa-sha2-512", "ssh-ed25519"} & off


def test_what_is_broken_stays_off_whatever_is_asked_for() -> None:
    off = {name for names in disabled_algorithms(legacy=True).values() for name in names}
    assert {"3des-cbc", "hmac-md5", "hmac-md5-96", "hmac-sha1-96"} <= off
    assert not {"aes128-cbc", "hmac-sha1"} & off


def old_client(port: int) -> paramiko.Transport:
    transport = paramiko.Transport(("127.0.0.1", port))
    transport.get_security_options().digests = ["hmac-sha1"]
    transport.get_security_options().ciphers = ["aes128-cbc"]
    return transport


def test_an_old_client_is_refused_and_the_log_says_what_it_offered(rig: Rig) -> None:
    offer = paramiko.Message()
    offer.add_bytes(b"\x14" + bytes(16))
    for names in ("diffie-hellman-group14-sha256", "rsa-sha2-256", "aes128-cbc", "aes128-cbc",
                  "hmac-sha1", "hmac-sha1", "none", "none", "", "", "\0"):  # fmt: skip
        offer.add_string(names)
    body = offer.asbytes()
    padding = bytes(16 - (len(body) + 5) % 8)
    packet = struct.pack(">IB", len(body) + len(padding) + 1, len(padding)) + body + padding
    where = ("127.0.0.1", rig.port("sftp"))
    with capture_logs() as lines, socket.create_connection(where, timeout=30) as client:
        client.sendall(b"SSH-2.0-Old_1.0\r\n" + packet)
        while client.recv(65536):
            pass
        wait_until(lambda: any(line["log_level"] == "warning" for line in lines), "it was logged")
    told = next(line for line in lines if line["log_level"] == "warning")
    assert told["event"] == "no algorithm in common with an SFTP client"
    assert told["client"] == "SSH-2.0-Old_1.0"
    assert told["ciphers"] == ["aes128-cbc"]
    assert told["macs"] == ["hmac-sha1"]
    assert "legacy_algorithms" in told["helps"]


def test_an_old_client_comes_in_when_old_algorithms_are_asked_for(tmp_path: Path) -> None:
    settings = SftpSettings(port=0, legacy_algorithms=True)
    with open_doors(tmp_path, sftp=settings) as rig, old_client(rig.port("sftp")) as transport:
        transport.connect(username=USER, password=PASSWORD)
        assert transport.remote_cipher == "aes128-cbc"


# Host keys and the port


def test_host_keys_are_made_once_and_are_nobody_elses(tmp_path: Path) -> None:
    first = load_host_keys(tmp_path)
    assert load_host_keys(tmp_path) == first
    assert [key.get_name() for key in first] == ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"]
    for path in tmp_path.glob("ssh_host_*_key"):
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_host_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ssh_host_ed25519_key").touch(mode=0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        load_host_keys(tmp_path)


def test_a_broken_host_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ssh_host_ed25519_key").touch(mode=0o600)
    with pytest.raises(SettingsError, match="broken"):
        load_host_keys(tmp_path)


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = SftpSettings(port=port)
        door = SftpDoor(settings, access=None, mailboxes={}, host_keys=host_keys(), events=None)  # type: ignore[arg-type]
        with pytest.raises(PortTakenError, match=rf"\[sftp\] 127.0.0.1:{port}"):
            door.start()


def test_the_doors_leave_no_thread_behind(tmp_path: Path) -> None:
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    before = set(threading.enumerate())
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    with open_doors(tmp_path) as rig:
        client.connect("127.0.0.1", rig.port("sftp"), USER, PASSWORD, look_for_keys=False)
        client.open_sftp().listdir("/out")
    client.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=30)
        assert not thread.is_alive()
