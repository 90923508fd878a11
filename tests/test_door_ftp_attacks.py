"""What strangers and users try at the FTP door to stay, to be many, or to make it keep much."""

import ftplib
import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from bridge.facade import ftp_handler
from bridge.facade.access import MOST_STRANGERS
from bridge.facade.ftp_transfer import Passive
from bridge.settings import LoginSettings
from tests.door_clients import FtplibClient, FtpTlsClient
from tests.door_rig import PASSWORD, USER, Rig, open_doors, tls_settings, wait_until

SOON = LoginSettings(grace=0.5)
LOGIN = f"USER {USER}\r\nPASS {PASSWORD}\r\n".encode()


def visitor(rig: Rig, *, receives: int | None = None) -> socket.socket:
    """Return a connection that has read the greeting; `receives`: with so small a buffer.

    Set before it connects: a window that shrinks afterwards has the kernel drop what is sent.
    """
    sock = socket.socket()
    sock.settimeout(30)
    if receives is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
    sock.connect(("127.0.0.1", rig.port("ftp")))
    answer(sock)
    return sock


def hold_little(rig: Rig) -> None:
    """Let the system hold few answers for a client that does not read: it would hold megabytes."""
    assert rig.ftp._server is not None
    rig.ftp._server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)


def answer(sock: socket.socket) -> bytes:
    """Return a line of the door's, or what came before the end."""
    line = b""
    while not line.endswith(b"\n") and (byte := sock.recv(1)):
        line += byte
    return line


def wait_for_the_end(sock: socket.socket) -> None:
    with suppress(ConnectionResetError):
        while sock.recv(65536):
            pass


def beginning_tls(rig: Rig) -> socket.socket:
    pytest.importorskip("OpenSSL", reason="the extra ftps")
    sock = visitor(rig)
    sock.sendall(b"AUTH TLS\r\n")
    assert answer(sock).startswith(b"234")
    return sock


def encrypted(rig: Rig) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(beginning_tls(rig))


def silent(_: socket.socket) -> None:
    pass


def half_a_greeting(sock: socket.socket) -> None:
    sock.sendall(b"\x16\x03\x01\x02\x00\x01")


@pytest.mark.parametrize("do", [silent, half_a_greeting])
def test_who_never_ends_the_tls_handshake_is_let_go(
    tmp_path: Path, do: Callable[[socket.socket], None]
) -> None:
    login = LoginSettings(grace=2)  # enough to begin it
    with (
        open_doors(tmp_path, ftp=tls_settings("optional"), login=login) as rig,
        beginning_tls(rig) as sock,
    ):
        do(sock)
        wait_for_the_end(sock)


def test_who_does_not_read_the_farewell_is_let_go_all_the_same(tmp_path: Path) -> None:
    with open_doors(tmp_path, login=SOON) as rig:
        hold_little(rig)
        with visitor(rig, receives=4096) as sock:
            sock.sendall(b"HELP\r\n" * 300)  # not so many answers that it is let go for them
            wait_until(lambda: not rig.ftp._server.handler.strangers, "the stranger is gone")  # type: ignore[union-attr]
            wait_for_the_end(sock)


@pytest.mark.parametrize("command", [b"REIN", b"USER somebody"])
def test_who_logs_out_again_has_only_the_grace_time(tmp_path: Path, command: bytes) -> None:
    with open_doors(tmp_path) as rig, visitor(rig) as sock:
        sock.sendall(LOGIN)
        assert [answer(sock)[:3], answer(sock)[:3]] == [b"331", b"230"]
        rig.access.login = SOON
        sock.sendall(command + b"\r\n")
        wait_for_the_end(sock)
    assert rig.told.kinds().count("logged out") == 1


def test_one_address_cannot_keep_all_others_out(tmp_path: Path) -> None:
    with open_doors(tmp_path) as rig, ExitStack() as stack:
        for _ in range(MOST_STRANGERS):
            stack.enter_context(visitor(rig))
        one_more = stack.enter_context(socket.create_connection(("127.0.0.1", rig.port("ftp")), 30))
        assert answer(one_more).startswith(b"421")
        elsewhere = stack.enter_context(socket.socket())
        elsewhere.bind(("127.0.0.9", 0))
        elsewhere.connect(("127.0.0.1", rig.port("ftp")))
        assert answer(elsewhere).startswith(b"220")


def test_what_was_said_in_the_clear_behind_auth_is_not_heard(tmp_path: Path) -> None:
    pytest.importorskip("OpenSSL", reason="the extra ftps")
    with open_doors(tmp_path, ftp=tls_settings("optional")) as rig, visitor(rig) as sock:
        sock.sendall(b"AUTH TLS\r\n" + LOGIN)  # what one in between could slip in
        answer(sock)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with suppress(OSError), context.wrap_socket(sock) as inside:
            inside.recv(100)
        wait_until(lambda: not rig.ftp._server.handler.strangers, "the connection is over")  # type: ignore[union-attr]
    assert rig.told.kinds() == []


@pytest.mark.parametrize("command", [b"HELP\r\n", b"STAT /out\r\n", b"NOOP\r\n"])
def test_who_asks_on_and_on_and_reads_nothing_is_let_go(tmp_path: Path, command: bytes) -> None:
    with open_doors(tmp_path) as rig:
        hold_little(rig)
        for number in range(50):
            rig.place("out", f"{number}.xml", b"x")
        with visitor(rig, receives=4096) as sock, suppress(ConnectionError):
            sock.sendall(LOGIN)
            while True:
                sock.sendall(command * 1000)


def test_who_sends_many_commands_at_once_and_reads_later_hears_all_answers(tmp_path: Path) -> None:
    with open_doors(tmp_path) as rig, visitor(rig) as sock:
        sock.sendall(LOGIN + b"SIZE /out/x\r\n" * 500 + b"STAT /out\r\n" * 3)
        lines = [answer(sock) for _ in range(2 + 500 + 3 * 2)]
        assert sum(line.startswith(b"550") for line in lines) == 500
        assert lines[-1].startswith(b"213")


def test_many_commands_at_once_leave_the_others_their_turns(tmp_path: Path) -> None:
    with open_doors(tmp_path) as rig, visitor(rig) as asking, visitor(rig) as other:
        for number in range(500):
            rig.place("out", f"{number}", b"")
        for sock in (asking, other):
            sock.sendall(LOGIN)
            assert [answer(sock)[:3], answer(sock)[:3]] == [b"331", b"230"]
        assert any(others_have_turns(asking, other) for _ in range(TRIES))


TRIES = 20
"""A machine that lets a client wait for long shows nothing: all may have been done meanwhile."""


def others_have_turns(asking: socket.socket, other: socket.socket) -> bool:
    """Ask much at once, and a little elsewhere; tell whether the little was answered before."""
    asking.sendall(b"SIZE /out/none\r\n" * 2000)  # each looks at all names
    first = answer(asking)
    for _ in range(5):
        other.sendall(b"NOOP\r\n")
        answer(other)
    if len(asking.recv(1 << 20, socket.MSG_PEEK)) < 1000 * len(first):
        return True
    for _ in range(1999):
        answer(asking)
    return False


@pytest.mark.parametrize("goes", [False, True])
def test_who_used_active_mode_silences_nobody_who_came_later(tmp_path: Path, goes: bool) -> None:
    with open_doors(tmp_path) as rig, ExitStack() as visitors:
        with FtplibClient("ftp", rig.port("ftp")).session() as ftp:
            ftp.set_pasv(False)
            assert ftp.nlst("/out") == []
            others = [visitors.enter_context(visitor(rig)) for _ in range(20)]
            if not goes:
                ftp.makepasv()
        for other in others:
            other.sendall(b"NOOP\r\n")
            assert answer(other).startswith(b"200")


def test_a_data_connection_that_was_used_is_not_there_for_the_next_transfer(tmp_path: Path) -> None:
    with open_doors(tmp_path) as rig, FtplibClient("ftp", rig.port("ftp")).session() as ftp:
        ftp.set_pasv(False)
        assert ftp.nlst("/out") == []
        with pytest.raises(ftplib.error_temp, match="425"):
            ftp.sendcmd("NLST /out")


@pytest.mark.parametrize("tls", [False, True])
def test_commands_that_wait_for_another_turn_are_obeyed_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: bool
) -> None:
    monkeypatch.setattr(ftp_handler, "_LONG", -1)  # each has a turn of its own
    with (
        open_doors(tmp_path, ftp=tls_settings("optional") if tls else None) as rig,
        encrypted(rig) if tls else visitor(rig) as asking,
    ):
        sizes = range(100, 300)
        for size in sizes:
            rig.place("out", f"{size}", bytes(size))
        asking.sendall(LOGIN + b"".join(b"SIZE /out/%d\r\n" % size for size in sizes))
        asking.sendall(b"QUIT\r\nNOOP\r\n")
        answers = [answer(asking).strip() for _ in range(len(sizes) + 3)]
        assert answers[2:-1] == [b"213 %d" % size for size in sizes]
        assert answers[-1].startswith(b"221")


def passive_port(ftp: ftplib.FTP) -> int:
    return ftp.makepasv()[1]


def is_open(port: int) -> bool:
    """Try as a stranger: the client's own connection would be taken."""
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.2", 0))
        return stranger.connect_ex(("127.0.0.1", port)) == 0


def test_a_stranger_at_a_data_port_puts_no_answer_into_the_client_s_mouth(tmp_path: Path) -> None:
    with open_doors(tmp_path) as rig, FtplibClient("ftp", rig.port("ftp")).session() as ftp:
        where = ("127.0.0.1", passive_port(ftp))
        with socket.create_connection(where, source_address=("127.0.0.2", 0)) as stranger:
            wait_for_the_end(stranger)
        assert ftp.sendcmd("PWD").startswith("257")
        with socket.create_connection(where) as data:
            assert ftp.sendcmd("NLST /out").startswith("150")
            wait_for_the_end(data)
            assert ftp.getresp().startswith("226")


def test_a_data_port_that_nobody_uses_is_closed_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Passive, "timeout", 0.1)
    with open_doors(tmp_path) as rig, FtplibClient("ftp", rig.port("ftp")).session() as ftp:
        port = passive_port(ftp)
        wait_until(lambda: not is_open(port), "it is closed")
        assert ftp.sendcmd("PWD").startswith("257")
        with pytest.raises(ftplib.error_temp, match="425"):
            ftp.sendcmd("NLST /out")


def test_a_transfer_whose_data_connection_does_not_come_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Passive, "timeout", 0.1)
    with open_doors(tmp_path) as rig, FtplibClient("ftp", rig.port("ftp")).session() as ftp:
        passive_port(ftp)
        assert ftp.sendcmd("STOR /statin/a").startswith("150")
        with pytest.raises(ftplib.error_temp, match="425"):
            ftp.getresp()
        assert ftp.sendcmd("PWD").startswith("257")


def test_a_transfer_whose_data_connection_breaks_at_once_is_answered(tmp_path: Path) -> None:
    with open_doors(tmp_path) as rig, FtplibClient("ftp", rig.port("ftp")).session() as ftp:
        for _ in range(50):
            port = passive_port(ftp)
            assert ftp.sendcmd("STOR /statin/a").startswith("150")
            with socket.create_connection(("127.0.0.1", port)) as data:
                data.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with pytest.raises(ftplib.error_temp, match=r"42[56]"):
                ftp.getresp()
        assert rig.names("statin") == []


@pytest.mark.parametrize("command", ["STOR /statin/a", "RETR /out/a", "NLST /out"])
@pytest.mark.parametrize(
    ("said", "code"), [(b"", "426"), (b"no TLS at all, whatever it is\r\n", "522")]
)
def test_a_transfer_whose_data_connection_ends_before_its_tls_begins_is_answered(
    tmp_path: Path, command: str, said: bytes, code: str
) -> None:
    pytest.importorskip("OpenSSL", reason="the extra ftps")
    with (
        open_doors(tmp_path, ftp=tls_settings()) as rig,
        FtpTlsClient("ftps", rig.port("ftp")).session() as ftp,
    ):
        rig.place("out", "a")
        with socket.create_connection(("127.0.0.1", passive_port(ftp))) as data:
            assert ftp.sendcmd(command).startswith("150")
            data.sendall(said)
        with pytest.raises(ftplib.Error, match=code):
            ftp.getresp()
        assert ftp.sendcmd("PWD").startswith("257")


def test_a_transfer_that_is_aborted_before_it_begins_is_answered(tmp_path: Path) -> None:
    with open_doors(tmp_path) as rig, FtplibClient("ftp", rig.port("ftp")).session() as ftp:
        passive_port(ftp)
        assert ftp.sendcmd("STOR /statin/a").startswith("150")
        with pytest.raises(ftplib.error_temp, match="426"):
            ftp.sendcmd("ABOR")
        assert ftp.getresp().startswith("225")


def test_uploads_that_never_get_a_data_connection_hold_nothing(tmp_path: Path) -> None:
    with open_doors(tmp_path) as rig, FtplibClient("ftp", rig.port("ftp")).session() as ftp:
        for number in range(20):
            ftp.makepasv()
            assert ftp.sendcmd(f"STOR /statin/{number}.xml").startswith("150")
        assert len(rig.leftovers()) <= 1


@pytest.mark.parametrize("command", ["RETR /out/x", "STOR /statin/x", "APPE /statin/x", "LIST"])
def test_a_transfer_without_a_data_connection_is_refused_at_once(
    tmp_path: Path, command: str
) -> None:
    with open_doors(tmp_path) as rig, FtplibClient("ftp", rig.port("ftp")).session() as ftp:
        rig.place("out", "x")
        with pytest.raises(ftplib.error_temp, match=r"^425 "):
            ftp.sendcmd(command)
        assert rig.leftovers() == []
