"""One thread for all SFTP connections: what takes long for one holds up no other."""

import io
import os
import resource
import shutil
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import paramiko
import pytest
from argon2 import PasswordHasher

from bridge.facade import sftp as door
from bridge.facade import turns as turns_module
from bridge.facade.turns import Slow, Task, Turns
from bridge.settings import LoginSettings
from tests.door_rig import (
    PASSWORD,
    PATIENCE,
    USER,
    XML,
    Rig,
    host_keys,
    open_doors,
    user_key,
    wait_until,
)
from tests.test_door_flow import packet, request, text

STAT, REMOVE = 17, 13
NUMBER = struct.pack(">I", 1)


class Gate:
    """Something slow: it begins, and does not end before it is let."""

    def __init__(self) -> None:
        self.begun, self.may_end = threading.Event(), threading.Event()

    def pass_through(self) -> None:
        self.begun.set()
        assert self.may_end.wait(PATIENCE)


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


def log_in(rig: Rig, password: str = PASSWORD) -> bool:
    with paramiko.Transport(("127.0.0.1", rig.port("sftp"))) as transport:
        with suppress(paramiko.SSHException):
            transport.connect(username=USER, password=password)
        return transport.is_authenticated()


def is_greeted(rig: Rig) -> bool:
    with socket.create_connection(("127.0.0.1", rig.port("sftp")), timeout=PATIENCE) as sock:
        with suppress(TimeoutError):
            return sock.recv(4) == b"SSH-"
        return False


def opens_when_closed(gate: Gate, port: int) -> None:
    """Let what is slow end when the door has begun to close."""

    def is_closed() -> bool:
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", port)) != 0

    wait_until(is_closed, "the door is closed")
    gate.may_end.set()


def ask_all(sftp: paramiko.SFTPClient, kind: int, paths: list[str]) -> paramiko.Channel:
    """Ask for all of it at once."""
    transport = sftp.get_channel().get_transport()  # type: ignore[union-attr]
    channel = transport.open_session(window_size=1 << 30)
    channel.invoke_subsystem("sftp")
    channel.sendall(b"".join(request(kind, NUMBER + text(os.fsencode(path))) for path in paths))
    return channel


def upload(sftp: paramiko.SFTPClient) -> int | None:
    return sftp.putfo(io.BytesIO(XML), "/statin/a").st_size


def test_a_slow_disk_keeps_only_those_waiting_who_upload(rig: Rig, slow_disk: Gate) -> None:
    rig.place("out", "b")
    with visitor(rig) as one, visitor(rig) as other, ThreadPoolExecutor() as beside:
        uploaded = beside.submit(upload, one)
        assert slow_disk.begun.wait(PATIENCE)
        assert other.listdir("/out") == ["b"]
        assert other.open("/out/b").read() == XML
        assert not uploaded.done()
        slow_disk.may_end.set()
        assert uploaded.result(PATIENCE) == len(XML)


@pytest.mark.parametrize(
    ("call", "do"),
    [
        ("unlink", lambda sftp: sftp.remove("/statin/a")),
        ("link", lambda sftp: sftp.rename("/statin/a", "/statin/b")),
        ("rename", lambda sftp: sftp.posix_rename("/statin/a", "/statin/b")),
        ("pread", lambda sftp: sftp.open("/statin/a").read()),
    ],
)
def test_a_disk_that_hangs_keeps_nobody_waiting_but_who_wants_it(
    rig: Rig,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    do: Callable[[paramiko.SFTPClient], object],
) -> None:
    gate, real = Gate(), getattr(os, call)

    def slowly(*args: object, **kwargs: object) -> object:
        gate.pass_through()
        return real(*args, **kwargs)

    def is_not_at_hand(*_: object) -> int:
        raise BlockingIOError

    rig.place("statin", "a")
    rig.place("out", "b")
    with visitor(rig) as one, visitor(rig) as other, ThreadPoolExecutor() as beside:
        monkeypatch.setattr(os, call, slowly)
        monkeypatch.setattr(os, "preadv", is_not_at_hand)
        done = beside.submit(do, one)
        try:
            assert gate.begun.wait(30)
            assert beside.submit(other.listdir, "/out").result(10) == ["b"]
            assert not done.done()
        finally:
            gate.may_end.set()
        done.result(30)


def test_what_is_at_hand_of_a_file_is_sent_without_waiting_for_the_disk(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at_hand(_: int, buffers: list[bytearray], __: int, ___: int) -> int:
        buffers[0][:] = b"y" * len(buffers[0])
        return len(buffers[0])

    rig.place("out", "b")
    monkeypatch.setattr(os, "preadv", at_hand)
    with visitor(rig) as one:
        assert one.open("/out/b").read() == b"y" * len(XML)


def test_a_slow_disk_does_not_lose_what_it_is_at_when_the_door_closes(
    tmp_path: Path, slow_disk: Gate
) -> None:
    with ThreadPoolExecutor() as beside, open_doors(tmp_path) as rig, ExitStack() as visits:
        one, _ = (visits.enter_context(visitor(rig)) for _ in range(2))
        uploaded = beside.submit(upload, one)
        assert slow_disk.begun.wait(PATIENCE)
        closing = beside.submit(opens_when_closed, slow_disk, rig.port("sftp"))
        visits.pop_all()  # they stay until the door closes
    closing.result(PATIENCE)
    assert uploaded.exception(PATIENCE) is not None  # the client will send it again
    assert rig.names("statin") == ["a"]
    assert rig.leftovers() == []


def test_logins_that_wait_keep_nobody_waiting_who_is_in(rig: Rig, slow_hash: Gate) -> None:
    with visitor(rig) as one, ThreadPoolExecutor() as beside:
        logins = [beside.submit(log_in, rig) for _ in range(Slow.LOGIN.value + 1)]
        assert slow_hash.begun.wait(PATIENCE)
        assert upload(one) == len(XML)
        assert not any(login.done() for login in logins)
        slow_hash.may_end.set()
        assert all(login.result(PATIENCE) for login in logins)


def test_a_password_that_is_known_does_not_wait_behind_those_of_strangers(
    rig: Rig, slow_hash: Gate
) -> None:
    slow_hash.may_end.set()
    assert log_in(rig)
    slow_hash.begun.clear()
    slow_hash.may_end.clear()
    with ThreadPoolExecutor() as beside:
        strangers = [beside.submit(log_in, rig, "wrong") for _ in range(Slow.LOGIN.value + 1)]
        assert slow_hash.begun.wait(PATIENCE)
        assert log_in(rig)
        assert not any(stranger.done() for stranger in strangers)
        slow_hash.may_end.set()
        assert not any(stranger.result(PATIENCE) for stranger in strangers)


def test_who_is_late_while_a_password_is_looked_at_keeps_nobody_waiting(
    tmp_path: Path, slow_hash: Gate
) -> None:
    with ThreadPoolExecutor() as beside, open_doors(tmp_path) as rig:
        late = beside.submit(log_in, rig)
        with visitor(rig) as one:
            assert slow_hash.begun.wait(PATIENCE)
            rig.access.login = LoginSettings(grace=0.1)
            assert not late.result(PATIENCE)
            listed = beside.submit(one.listdir, "/out")
            try:
                assert listed.result(PATIENCE) == []
            finally:
                slow_hash.may_end.set()


def test_somebody_who_comes_does_not_wait_until_the_file_of_the_only_one_is_copied(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, copy = Gate(), shutil.copyfileobj

    def slowly(*files: io.BytesIO) -> None:
        gate.pass_through()
        copy(*files)

    monkeypatch.setattr(shutil, "copyfileobj", slowly)
    rig.place("statin", "a")
    with visitor(rig) as one, ThreadPoolExecutor() as beside:
        opened = beside.submit(one.open, "/statin/a", "r+")
        assert gate.begun.wait(PATIENCE)
        greeted = is_greeted(rig)
        gate.may_end.set()
        opened.result(PATIENCE).close()
    assert greeted


def test_somebody_who_comes_does_not_wait_for_the_large_upload_of_the_only_one(
    rig: Rig, slow_disk: Gate
) -> None:
    with visitor(rig) as one, ThreadPoolExecutor() as beside:
        data = io.BytesIO(bytes(5_000_000))
        uploaded = beside.submit(one.putfo, data, "/statin/a", confirm=False)
        assert slow_disk.begun.wait(PATIENCE)
        greeted = is_greeted(rig)
        slow_disk.may_end.set()
        uploaded.result(PATIENCE)
    assert greeted


def test_many_requests_at_once_leave_the_others_their_turns(rig: Rig) -> None:
    for number in range(500):
        rig.place("out", f"{number}", b"")
    with visitor(rig) as one, visitor(rig) as other:
        assert any(others_have_turns(one, other) for _ in range(TRIES))


TRIES = 20
"""A machine that lets a client wait for long shows nothing: all may have been done meanwhile."""


def others_have_turns(one: paramiko.SFTPClient, other: paramiko.SFTPClient) -> bool:
    """Ask much at once, and a little elsewhere; tell whether the little was answered before."""
    with closing(ask_all(one, STAT, ["/out/none"] * 2000)) as asking:
        size = len(packet(asking)) + 4
        for _ in range(5):
            other.stat("/out")
        return len(asking.recv(1 << 20)) < 1999 * size


def test_a_connection_that_rests_at_every_step_serves_all_the_same(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns_module, "_LONG", -1)
    rig.place("out", "b", bytes(1_000_000))
    with visitor(rig) as one, visitor(rig) as other:
        for sftp in (one, other):
            assert upload(sftp) == len(XML)
            sftp.get_channel().get_transport().renegotiate_keys()  # type: ignore[union-attr]
            assert sftp.listdir("/out") == ["b"]
            assert sftp.open("/out/b").read() == bytes(1_000_000)
    rig.told.wait_for("logged out", USER, "sftp", count=2)


def test_what_a_client_still_asks_for_is_not_done_when_the_door_closes(
    tmp_path: Path, slow_disk: Gate
) -> None:
    names = [f"{number}" for number in range(100)]
    with ThreadPoolExecutor() as beside, open_doors(tmp_path) as rig, ExitStack() as visits:
        one, _ = (visits.enter_context(visitor(rig)) for _ in range(2))
        for name in names:
            rig.place("out", name)
        ask_all(one, REMOVE, [f"/out/{name}" for name in names])
        assert slow_disk.begun.wait(PATIENCE)
        closing = beside.submit(opens_when_closed, slow_disk, rig.port("sftp"))
        visits.pop_all()
    closing.result(PATIENCE)
    assert len(rig.names("out")) == len(names) - 1


def test_what_was_done_is_told_though_it_waits_for_the_disk_when_the_door_closes(
    tmp_path: Path, slow_disk: Gate
) -> None:
    many = range(Slow.DISK.value + 2)
    with (
        ThreadPoolExecutor(len(many) + 1) as beside,
        open_doors(tmp_path) as rig,
        ExitStack() as visits,
    ):
        visitors = [visits.enter_context(visitor(rig)) for _ in many]
        for number in reversed(many):  # who came first is at the end of the queue
            rig.place("out", f"{number}")
            beside.submit(visitors[number].remove, f"/out/{number}")
            task = rig.sftp._connections[number]._task
            wait_until(lambda task=task: task._aside is not None, "it waits for the disk")
        beside.submit(opens_when_closed, slow_disk, rig.port("sftp"))
        visits.pop_all()
    assert rig.told.kinds().count("deleted") == len(many)


def test_strangers_that_have_gone_do_not_count_as_too_many(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "MOST_STRANGERS", 5)
    assert all(is_greeted(rig) for _ in range(20))


def test_much_work_rests_while_something_has_come_for_another() -> None:
    heard = []

    def work() -> None:
        while not heard:
            at_work.rest()

    def listen() -> None:
        listening.wait(to_send=False)
        heard.append(ours.recv(1))

    ours, theirs = socket.socketpair()
    with ours, theirs, closing(Turns()) as turns:
        at_work = turns.begin(work, theirs.fileno())
        listening = turns.begin(listen, ours.fileno())
        listening.go_on()
        theirs.send(b"x")
        at_work.go_on()
        while not at_work.over:
            turns.give(30)


def test_the_bell_can_be_rung_by_many_before_it_is_heard() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, closing(Turns()) as turns:
        task = turns.begin(lambda: None, ours.fileno())
        for _ in range(2000):
            turns.ring(task)
        turns.give(30)
        assert task.over


def test_a_socket_whose_number_is_used_again_is_still_watched() -> None:
    """One task closes its socket, and has work to do yet; another's gets the number meanwhile."""
    heard = []

    def finish() -> None:
        ours.close()
        first.aside(Slow.DISK, gate.pass_through)

    def listen() -> None:
        second.wait(to_send=False)
        heard.append(again.recv(1))

    gate = Gate()
    ours, theirs = socket.socketpair()
    number = ours.fileno()
    with theirs, closing(Turns()) as turns:
        turns.give(0)  # the round of this second: not by that it is to be heard
        turns.begin(finish, number)  # somebody else who is there
        first = turns.begin(finish, number)
        first.go_on()
        again, other = socket.socketpair()
        with again, other:
            assert again.fileno() == number
            second = turns.begin(listen, number)
            second.go_on()
            gate.may_end.set()
            first.end()
            other.send(b"x")
            turns.give(30)
            turns.give(0)
    assert heard == [b"x"]


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
        late.settimeout(PATIENCE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (os.dup(0), most[1]))
        try:
            late.connect(("127.0.0.1", rig.port("sftp")))
            assert [one.normalize(".") for _ in range(100)] == ["/"] * 100
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, most)
        assert late.recv(4) == b"SSH-"
