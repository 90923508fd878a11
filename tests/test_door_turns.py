"""One thread for all SFTP connections: what takes long for one holds up no other."""

import io
import os
import resource
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import paramiko
import pytest
from argon2 import PasswordHasher

from bridge.facade.turns import Slow, Task, Turns
from bridge.settings import LoginSettings
from tests.door_rig import PASSWORD, USER, XML, Rig, host_keys, open_doors, user_key, wait_until


class Gate:
    """Something slow: it begins, and does not end before it is let."""

    def __init__(self) -> None:
        self.begun, self.may_end = threading.Event(), threading.Event()

    def pass_through(self) -> None:
        self.begun.set()
        assert self.may_end.wait(30)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with open_doors(tmp_path) as rig:
        yield rig


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Give a disk that keeps everybody waiting."""
    host_keys()  # made once, and synced as well
    gate, fsync = Gate(), os.fsync

    def slowly(fd: int) -> None:
        gate.pass_through()
        fsync(fd)

    monkeypatch.setattr(os, "fsync", slowly)
    yield gate
    gate.may_end.set()


@pytest.fixture
def slow_hash(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Give a password hash that takes as long as it likes."""
    gate, verify = Gate(), PasswordHasher.verify

    def slowly(self: PasswordHasher, expected: str, password: bytes) -> bool:
        gate.pass_through()
        return verify(self, expected, password)

    monkeypatch.setattr(PasswordHasher, "verify", slowly)
    yield gate
    gate.may_end.set()


@contextmanager
def visitor(rig: Rig) -> Iterator[paramiko.SFTPClient]:
    """Log in with a key: no hash is needed for that."""
    with paramiko.Transport(("127.0.0.1", rig.port("sftp"))) as transport:
        transport.connect(username=USER, pkey=paramiko.Ed25519Key(filename=str(user_key()[0])))
        sftp = paramiko.SFTPClient.from_transport(transport)
        assert sftp is not None
        yield sftp


def log_in(rig: Rig) -> bool:
    with paramiko.Transport(("127.0.0.1", rig.port("sftp"))) as transport:
        transport.connect(username=USER, password=PASSWORD)
        return transport.is_authenticated()


def upload(sftp: paramiko.SFTPClient) -> int | None:
    return sftp.putfo(io.BytesIO(XML), "/statin/a").st_size


def test_a_slow_disk_keeps_only_those_waiting_who_upload(rig: Rig, slow_disk: Gate) -> None:
    rig.place("out", "b")
    with visitor(rig) as one, visitor(rig) as other, ThreadPoolExecutor() as beside:
        uploaded = beside.submit(upload, one)
        assert slow_disk.begun.wait(30)
        assert other.listdir("/out") == ["b"]
        assert other.open("/out/b").read() == XML
        assert not uploaded.done()
        slow_disk.may_end.set()
        assert uploaded.result(30) == len(XML)


def test_a_slow_disk_does_not_lose_what_it_is_at_when_the_door_closes(
    tmp_path: Path, slow_disk: Gate
) -> None:
    def is_closed() -> bool:
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", port)) != 0

    def let_it_end() -> None:
        wait_until(is_closed, "the door is closed")
        slow_disk.may_end.set()

    with ThreadPoolExecutor() as beside, open_doors(tmp_path) as rig, ExitStack() as visits:
        one, _ = (visits.enter_context(visitor(rig)) for _ in range(2))
        port = rig.port("sftp")
        uploaded = beside.submit(upload, one)
        assert slow_disk.begun.wait(30)
        closing = beside.submit(let_it_end)
        visits.pop_all()  # they stay until the door closes
    closing.result(30)
    assert uploaded.exception(30) is not None  # the client will send it again
    assert rig.names("statin") == ["a"]
    assert rig.leftovers() == []


def test_logins_that_wait_keep_nobody_waiting_who_is_in(rig: Rig, slow_hash: Gate) -> None:
    with visitor(rig) as one, ThreadPoolExecutor() as beside:
        logins = [beside.submit(log_in, rig) for _ in range(Slow.LOGIN.value + 1)]
        assert slow_hash.begun.wait(30)
        assert upload(one) == len(XML)
        assert not any(login.done() for login in logins)
        slow_hash.may_end.set()
        assert all(login.result(30) for login in logins)


def test_a_connection_can_end_while_what_it_wants_done_has_not_begun() -> None:
    gate = Gate()
    with closing(Turns()) as turns, ExitStack() as sockets:
        tasks = []
        for _ in range(Slow.LOGIN.value + 1):
            ours, theirs = socket.socketpair()
            sockets.enter_context(ours)
            sockets.enter_context(theirs)
            begin = Asker(gate)
            begin.task = turns.begin(begin, ours.fileno())
            tasks.append(begin.task)
        for task in tasks:
            task.go_on()
        tasks[-1].end()
        assert [task.over for task in tasks] == [False] * Slow.LOGIN.value + [True]
        gate.may_end.set()
        for task in tasks:
            task.end()


class Asker:
    """A connection that wants something done aside and ends."""

    task: Task

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def __call__(self) -> None:
        self.task.aside(Slow.LOGIN, self._gate.pass_through)


def test_a_connection_that_fails_leaves_the_others_their_turns(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard = []

    def fail() -> None:
        raise RuntimeError

    def listen() -> None:
        good.wait(to_send=False)
        heard.append(ours.recv(1))

    ours, theirs = socket.socketpair()
    with ours, theirs, closing(Turns()) as turns:
        turns.begin(fail, theirs.fileno()).go_on()
        good = turns.begin(listen, ours.fileno())
        good.go_on()
        theirs.send(b"x")
        turns.give(30)
        assert heard == [b"x"]
        assert good.over


def test_who_has_gone_counts_no_longer_when_the_next_one_comes(tmp_path: Path) -> None:
    with open_doors(tmp_path, login=LoginSettings(max_sessions=1)) as rig:
        for _ in range(5):
            with visitor(rig) as sftp:
                assert sftp.listdir("/") != []
                sftp.get_channel().get_transport().sock.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]


def test_a_connection_is_taken_as_soon_as_there_are_descriptors_for_it(rig: Rig) -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with visitor(rig) as one, socket.socket() as late:
        late.settimeout(30)
        resource.setrlimit(resource.RLIMIT_NOFILE, (os.dup(0), most[1]))
        try:
            late.connect(("127.0.0.1", rig.port("sftp")))
            assert [one.normalize(".") for _ in range(100)] == ["/"] * 100
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, most)
        assert late.recv(4) == b"SSH-"
