"""SFTP that does not flow: new keys in the middle, clients that read late or never; and its end."""

import errno
import gc
import io
import os
import socket
import struct
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import paramiko
import pytest

from bridge.facade.events import LogEvents, Session
from bridge.facade.ssh import Connection
from bridge.facade.ssh_packets import Packets
from bridge.facade.ssh_transport import SshTransport
from tests.door_clients import FtplibClient, Lftp, Openssh, ParamikoClient
from tests.door_rig import PASSWORD, USER, Rig, open_doors, wait_until

READ, OPEN, INIT = 5, 3, 1
LARGE = os.urandom(3_000_000)


class Reluctant:
    """A socket that reads only while it may."""

    def __init__(self, port: int) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port))
        self.may_read = threading.Event()
        self.may_read.set()

    def recv(self, count: int) -> bytes:
        self.may_read.wait(30)
        return self._sock.recv(count)

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)


@contextmanager
def reluctant_session(rig: Rig) -> Iterator[tuple[Reluctant, paramiko.Channel]]:
    """Give an SFTP channel with an endless window, and the socket it reads from."""
    sock = Reluctant(rig.port("sftp"))
    transport = paramiko.Transport(sock)  # type: ignore[arg-type]
    try:
        transport.connect(username=USER, password=PASSWORD)
        channel = transport.open_session(window_size=1 << 30)
        channel.invoke_subsystem("sftp")
        channel.sendall(request(INIT, struct.pack(">I", 3)))
        packet(channel)
        yield sock, channel
    finally:
        sock.may_read.set()
        transport.close()


def request(kind: int, body: bytes) -> bytes:
    return struct.pack(">IB", len(body) + 1, kind) + body


def text(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def packet(channel: paramiko.Channel) -> bytes:
    return exactly(channel, struct.unpack(">I", exactly(channel, 4))[0])


def exactly(channel: paramiko.Channel, count: int) -> bytes:
    data = b""
    while len(data) < count:
        chunk = channel.recv(count - len(data))
        assert chunk, "the connection has ended"
        data += chunk
    return data


def open_file(channel: paramiko.Channel, path: str) -> bytes:
    """Return the handle."""
    channel.sendall(
        request(OPEN, struct.pack(">I", 1) + text(path.encode()) + bytes([0] * 3 + [1] + [0] * 4))
    )
    return packet(channel)[9:]


def reads(handle: bytes, count: int, length: int) -> bytes:
    body = text(handle) + struct.pack(">QI", 0, length)
    return b"".join(request(READ, struct.pack(">I", number) + body) for number in range(count))


# Keys exchanged anew


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the door want new keys after every 100,000 bytes, and see that it got them."""
    exchanges: list[object] = []

    def parse_newkeys(self: SshTransport, m: paramiko.Message) -> None:
        exchanges.append(self)
        original(self, m)

    original = SshTransport._parse_newkeys
    monkeypatch.setattr(SshTransport, "_parse_newkeys", parse_newkeys)
    monkeypatch.setattr(Packets, "REKEY_BYTES", 100_000)
    yield
    assert len(exchanges) > 3  # the first, and some in the middle


@pytest.mark.usefixtures("often")
def test_new_keys_in_the_middle_lose_nothing_of_many_requests_in_flight(rig: Rig) -> None:
    rig.place("out", "large", LARGE)
    with paramiko.Transport(("127.0.0.1", rig.port("sftp"))) as transport:
        transport.connect(username=USER, password=PASSWORD)
        sftp = paramiko.SFTPClient.from_transport(transport)
        assert sftp is not None
        with sftp.open("/out/large") as file:
            file.prefetch(len(LARGE))
            assert file.read() == LARGE
        with sftp.open("/in/large", "wb") as file:
            file.set_pipelined(True)
            file.write(LARGE)
    assert (rig.root / "in" / "large").read_bytes() == LARGE


@pytest.mark.usefixtures("often")
def test_new_keys_from_both_sides_at_once_lose_nothing(rig: Rig, tmp_path: Path) -> None:
    rig.place("out", "large", LARGE)
    client = Openssh("sftp", rig.port("sftp"), tmp_path)
    mine = client.local(LARGE)
    command = client.command("-o", "RekeyLimit=150K", "-o", "ServerAliveInterval=1", "-b", "-")
    client.run(*command, stdin=f"put '{mine}' /in/large\nget /out/large back\n")
    assert (rig.root / "in" / "large").read_bytes() == LARGE
    assert (tmp_path / "back").read_bytes() == LARGE


@pytest.mark.usefixtures("often")
def test_new_keys_lose_nothing_of_lftp(rig: Rig, tmp_path: Path) -> None:
    rig.place("out", "large", LARGE)
    assert Lftp("sftp", rig.port("sftp"), tmp_path).fetch("/out/large") == LARGE


@pytest.mark.usefixtures("often")
def test_what_a_client_asks_while_keys_are_exchanged_is_answered_after(rig: Rig) -> None:
    rig.place("out", "large", LARGE)
    with paramiko.Transport(("127.0.0.1", rig.port("sftp"))) as transport:
        transport.connect(username=USER, password=PASSWORD)
        sftp = paramiko.SFTPClient.from_transport(transport)
        assert sftp is not None
        with sftp.open("/out/large") as file:
            file.prefetch(len(LARGE))
            for _ in range(20):
                transport.open_session().close()
            assert file.read() == LARGE


# Clients that read late or never


def test_a_client_that_reads_late_gets_everything_and_costs_little_until_then(rig: Rig) -> None:
    rig.place("out", "large", LARGE)
    with reluctant_session(rig) as (sock, channel):
        handle = open_file(channel, "/out/large")
        sock.may_read.clear()
        channel.sendall(reads(handle, 300, 200_000))
        connection = rig.sftp._connections[0]
        wait_until(lambda: not connection.packetizer.has_room(), "the client's side is full")
        (stream,) = connection._streams.values()
        assert stream._waiting < 1_000_000
        assert len(connection.packetizer._to_send) < 1_000_000
        sock.may_read.set()
        for number in range(300):
            reply = packet(channel)
            assert struct.unpack(">BII", reply[:9]) == (103, number, 200_000)
            assert reply[9:] == LARGE[:200_000]


def test_a_client_that_asks_on_and_on_and_reads_nothing_is_let_go(rig: Rig) -> None:
    rig.place("out", "large", LARGE)
    with reluctant_session(rig) as (sock, channel):
        handle = open_file(channel, "/out/large")
        sock.may_read.clear()
        channel.out_window_size = 1 << 30  # what it may not assume
        connection = rig.sftp._connections[0]
        with suppress(OSError, EOFError):
            while not connection.over:
                channel.sendall(reads(handle, 1000, 200_000))
        wait_until(lambda: connection.over, "the client is let go")


def test_one_client_that_does_not_read_holds_up_no_other(rig: Rig) -> None:
    rig.place("out", "large", LARGE)
    with reluctant_session(rig) as (sock, channel):
        handle = open_file(channel, "/out/large")
        sock.may_read.clear()
        channel.sendall(reads(handle, 300, 200_000))
        wait_until(lambda: not rig.sftp._connections[0].packetizer.has_room(), "its side is full")
        with reluctant_session(rig) as (_, other):
            assert open_file(other, "/out/large") == b"1"


def test_data_that_no_subsystem_asked_for_is_not_kept(rig: Rig) -> None:
    with paramiko.Transport(("127.0.0.1", rig.port("sftp"))) as transport:
        transport.connect(username=USER, password=PASSWORD)
        channel = transport.open_session()
        channel.sendall(b"x" * 1_000_000)
        channel.sendall_stderr(b"x" * 1_000_000)
        sftp = paramiko.SFTPClient.from_transport(transport)
        assert sftp is not None
        assert sftp.listdir("/out") == []
        kept = rig.sftp._connections[0]._channels.get(0)
        assert len(kept.in_buffer) == len(kept.in_stderr_buffer) == 0


@pytest.mark.parametrize("length", [0x7FFFFFFF, 0xFFFFFFF4, 0, 3])
def test_a_packet_of_an_impossible_length_ends_the_connection(rig: Rig, length: int) -> None:
    with socket.create_connection(("127.0.0.1", rig.port("sftp")), timeout=30) as sock:
        sock.sendall(b"SSH-2.0-x\r\n" + struct.pack(">I", length) + bytes(1000))
        with suppress(ConnectionResetError):
            while sock.recv(10_000):
                pass


def test_a_first_line_without_an_end_ends_the_connection(rig: Rig) -> None:
    with socket.create_connection(("127.0.0.1", rig.port("sftp")), timeout=30) as sock:
        sock.sendall(b"x" * 20_000)
        with suppress(ConnectionResetError):
            while sock.recv(10_000):
                pass


@pytest.fixture
def no_collection() -> Iterator[None]:
    gc.collect()  # what others left is none of ours
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("password", [PASSWORD, "wrong"])
def test_an_ended_connection_is_freed_without_a_search_for_garbage(rig: Rig, password: str) -> None:
    with paramiko.Transport(("127.0.0.1", rig.port("sftp"))) as transport:
        with suppress(paramiko.AuthenticationException):
            transport.connect(username=USER, password=password)
            paramiko.SFTPClient.from_transport(transport)
        served = [weakref.ref(each) for each in gc.get_objects() if type(each) is Connection]
    assert served
    wait_until(lambda: not any(each() for each in served), "the connection is freed")


@pytest.mark.usefixtures("no_collection")
def test_a_connection_whose_disk_failed_is_freed_like_others(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    with ParamikoClient("sftp", rig.port("sftp")).session():
        with ParamikoClient("sftp", rig.port("sftp")).session() as sftp:
            monkeypatch.setattr(os, "fsync", fail)
            with pytest.raises(OSError, match="no such file"):  # it asks for what it put there
                sftp.putfo(io.BytesIO(LARGE), "/statin/a")
        monkeypatch.undo()
        served = [weakref.ref(each) for each in gc.get_objects() if type(each) is Connection]
        wait_until(lambda: sum(bool(each()) for each in served) <= 1, "the connection is freed")


class Slow(LogEvents):
    """Books that are written only when the client has its answer."""

    def __init__(self) -> None:
        self.answered = threading.Event()
        self.in_time: list[bool] = []

    def uploaded(self, session: Session, folder: str, name: str, *, size: int) -> None:
        self.in_time.append(self.answered.wait(20))

    fetched = uploaded


def test_sftp_a_client_has_its_answer_before_the_books_are_written(tmp_path: Path) -> None:
    events = Slow()
    with (
        open_doors(tmp_path, events=events) as rig,
        ParamikoClient("sftp", rig.port("sftp")).session() as client,
    ):
        client.open("/in/a", "w").close()
        events.answered.set()
    assert events.in_time == [True]


def test_ftp_a_client_has_its_answer_before_the_books_are_written(tmp_path: Path) -> None:
    events = Slow()
    with open_doors(tmp_path, events=events) as rig:
        rig.place("out", "a")
        with FtplibClient("ftp", rig.port("ftp")).session() as client:
            client.retrbinary("RETR /out/a", lambda _: None)
            events.answered.set()
    assert events.in_time == [True]
