"""Strangers and broken clients, from outside: after each of them the doors still serve."""

import ftplib
import os
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from structlog.testing import capture_logs

from bridge.facade.access import Reason
from bridge.facade.events import LogEvents
from bridge.settings import LoginSettings
from tests.door_clients import FtplibClient, ParamikoClient
from tests.door_rig import PASSWORD, USER, XML, Rig, open_doors

SEED = 20261125
NAMES = (
    *(b"/out/a", b"/", b"..", b"/out/../../etc/passwd", b"/statin/%2e%2e/x", b"\xff\xfe", b"-rf"),
    *(b"a" * 5000, b"/statin/" + b"b" * 255, b"/out/a\0b", b"/../" * 400, b"", b"//out//.//a"),
)
LOST = (OSError, EOFError, paramiko.SSHException)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    login = LoginSettings(max_failures=100_000)
    with capture_logs() as logs, open_doors(tmp_path, login=login) as rig:
        rig.place("out", "a")
        rig.place("out", "witness")
        yield rig
        serves_as_ever(rig)
    assert [log for log in logs if log["log_level"] == "error"] == []


def serves_as_ever(rig: Rig) -> None:
    """See that both doors do a whole round, and that no client got at more than its files."""
    for client in (ParamikoClient("sftp", rig.port("sftp")), FtplibClient("ftp", rig.port("ftp"))):
        assert client.fetch("/out/witness") == XML
        client.put("/statin/round", XML)
        assert (rig.root / "statin" / "round").read_bytes() == XML
        client.delete("/statin/round")
    assert all(thread.is_alive() for thread in rig.threads)
    assert sorted(path.name for path in rig.root.iterdir()) == sorted(
        ["out", "adjout", "statout", "statin", "in", "adjin"]
    )


def raw(rig: Rig, door: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", rig.port(door)), timeout=30)


# SSH, before anyone is known


def test_bytes_that_are_no_ssh_end_their_connection_only(rig: Rig) -> None:
    chance = random.Random(SEED)
    for number in range(300):
        with raw(rig, "sftp") as sock, suppress(OSError):
            if number % 3:
                sock.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")
            sock.sendall(mangled(chance, ssh_packet(key_exchange_offer())))
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(65536):
                pass


def key_exchange_offer(*names: str, strict: bool = False) -> bytes:
    m = paramiko.Message()
    m.add_byte(bytes([20]))
    m.add_bytes(os.urandom(16))
    names = names or ("curve25519-sha256",)
    m.add_list([*names, *(["kex-strict-c-v00@openssh.com"] if strict else [])])
    m.add_list(["ssh-ed25519"])
    for offer in (["aes128-ctr"], ["aes128-ctr"], ["hmac-sha2-256"], ["hmac-sha2-256"]):
        m.add_list(offer)
    for offer in (["none"], ["none"], [], []):
        m.add_list(offer)
    m.add_boolean(False)
    m.add_int(0)
    return m.asbytes()


def ssh_packet(payload: bytes) -> bytes:
    padding = 8 - (len(payload) + 5) % 8 + 8
    return struct.pack(">IB", len(payload) + padding + 1, padding) + payload + bytes(padding)


def mangled(chance: random.Random, data: bytes) -> bytes:
    """Return it with some bytes changed, cut off, or repeated."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 20)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed[: chance.randint(1, len(changed))]) * chance.choice((1, 1, 1, 50))


@pytest.mark.parametrize(("names", "is_answered"), [(100, True), (10_000, False)])
def test_a_stranger_s_list_of_algorithms_that_is_no_real_one_ends_the_connection(
    rig: Rig, names: int, is_answered: bool
) -> None:
    offer = key_exchange_offer("ecdh-sha2-nistp256", *map("{:05d}".format, range(names)))
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    point = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    received = b""
    with raw(rig, "sftp") as sock, suppress(ConnectionError):
        sock.sendall(b"SSH-2.0-OpenSSH_9.9\r\n" + ssh_packet(offer))
        sock.sendall(ssh_packet(b"\x1e" + struct.pack(">I", len(point)) + point))
        while b"\0\0\0\x0bssh-ed25519" not in received and (more := sock.recv(65536)):
            received += more
    assert (b"\0\0\0\x0bssh-ed25519" in received) is is_answered  # our host key


def test_of_a_long_list_of_algorithms_only_the_beginning_is_kept(rig: Rig) -> None:
    with paramiko.Transport(("127.0.0.1", rig.port("sftp"))) as transport:
        transport._preferred_kex += tuple(f"none-{number}" for number in range(2000))
        transport.connect(username=USER, password=PASSWORD)
        assert len(rig.told.sessions[0].program.offered["key_exchange"]) < 100


def test_a_message_slipped_into_the_first_key_exchange_ends_the_connection(rig: Rig) -> None:
    with raw(rig, "sftp") as sock:
        sock.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")
        sock.sendall(ssh_packet(key_exchange_offer(strict=True)))
        sock.sendall(ssh_packet(b"\x02\0\0\0\0"))  # IGNORE: what Terrapin needs
        with suppress(ConnectionResetError):
            while sock.recv(65536):
                pass


def test_both_sides_agree_on_a_strict_key_exchange(rig: Rig) -> None:
    with paramiko.Transport(("127.0.0.1", rig.port("sftp"))) as transport:
        transport.start_client()
        assert transport.agreed_on_strict_kex


@pytest.mark.parametrize("number", [5, 30, 50, 80, 90, 94, 98, 192, 255])
def test_nothing_but_a_login_is_possible_before_it(rig: Rig, number: int) -> None:
    with paramiko.Transport(("127.0.0.1", rig.port("sftp"))) as transport:
        transport.start_client()
        m = paramiko.Message()
        m.add_byte(bytes([number]))
        m.add_string("session")
        m.add_int(0)
        m.add_int(1 << 20)
        m.add_int(1 << 15)
        transport._send_message(m)
        with pytest.raises(LOST):
            transport.open_session(timeout=5)
    assert "logged in" not in rig.told.kinds()


@pytest.mark.parametrize("door", ["sftp", "ftp"])
def test_a_client_that_drips_its_login_is_let_go_when_its_time_is_over(
    tmp_path: Path, door: str
) -> None:
    with open_doors(tmp_path, login=LoginSettings(grace=0.5)) as rig, raw(rig, door) as sock:
        sock.settimeout(0.05)
        for byte in b"SSH-2.0-" + b"x" * 2000:
            try:
                sock.sendall(bytes([byte]))
                if door == "ftp":
                    sock.sendall(b"\r\n")
                while sock.recv(4096):
                    pass
            except TimeoutError:
                continue
            except ConnectionError:  # let go before all that came was read
                return
            return
        pytest.fail("it was never let go")


def test_there_are_two_ways_to_log_in_and_no_others(rig: Rig) -> None:
    with paramiko.Transport(("127.0.0.1", rig.port("sftp"))) as transport:
        transport.start_client()
        with pytest.raises(paramiko.BadAuthenticationType) as none:
            transport.auth_none(USER)
        assert set(none.value.allowed_types) == {"publickey", "password"}
        with pytest.raises(paramiko.BadAuthenticationType):
            transport.auth_interactive(USER, lambda *_: [PASSWORD])


# SSH and SFTP, after a login


@contextmanager
def logged_in(rig: Rig) -> Iterator[paramiko.Transport]:
    with paramiko.Transport(("127.0.0.1", rig.port("sftp"))) as transport:
        transport.connect(username=USER, password=PASSWORD)
        yield transport


def test_messages_of_a_user_that_make_no_sense_end_its_connection_only(rig: Rig) -> None:
    chance = random.Random(SEED)
    with logged_in(rig) as witness:
        sftp = paramiko.SFTPClient.from_transport(witness)
        for _ in range(25):
            with logged_in(rig) as transport, suppress(*LOST):
                transport.open_session().invoke_subsystem("sftp")
                for _ in range(20):
                    m = paramiko.Message()
                    m.add_byte(bytes([chance.choice((2, 4, 5, 80, 90, 93, 94, 96, 98, 99))]))
                    m.add_bytes(chance.randbytes(chance.randint(0, 60)))
                    transport._send_message(m)
        assert sftp is not None
        assert "witness" in sftp.listdir("/out")


def test_every_sftp_request_is_answered_once_however_little_sense_it_makes(rig: Rig) -> None:
    chance = random.Random(SEED)
    with logged_in(rig) as transport:
        channel = transport.open_session()
        channel.invoke_subsystem("sftp")
        for start in range(0, 3000, 100):
            numbers = range(start, start + 100)
            channel.sendall(b"".join(sftp_request(chance, number) for number in numbers))
            answered = [answer_to(channel) for _ in numbers]
            assert answered == list(numbers)


def sftp_request(chance: random.Random, number: int) -> bytes:
    kind = chance.choice([*range(3, 21), 200, chance.randrange(2, 256)])
    fields: list[bytes] = []
    for _ in range(chance.randint(0, 4)):
        name = chance.choice((*NAMES, b"1", b"2", b"posix-rename@openssh.com"))
        word = struct.pack(">I", chance.choice((0, 1, 2, 0x1A, 0x3F, 0x8000000F, 0xFFFFFFFF)))
        fields.append(chance.choice((struct.pack(">I", len(name)) + name, word, word * 2)))
    body = b"".join(fields)
    if chance.random() < 0.2:
        body = body[: chance.randint(0, len(body))] + chance.randbytes(chance.randint(0, 9))
    return struct.pack(">IBI", len(body) + 5, kind, number) + body


def answer_to(channel: paramiko.Channel) -> int:
    """Return the number of the request that the next answer is to."""
    channel.settimeout(30)
    length = struct.unpack(">I", exactly(channel, 4))[0]
    number: int = struct.unpack(">I", exactly(channel, length)[1:5])[0]
    return number


def exactly(channel: paramiko.Channel, count: int) -> bytes:
    data = b""
    while len(data) < count:
        chunk = channel.recv(count - len(data))
        assert chunk, "the session has ended"
        data += chunk
    return data


# FTP


def test_ftp_commands_that_make_no_sense_are_answered_or_end_their_connection(rig: Rig) -> None:
    chance = random.Random(SEED)
    sent = 0
    while sent < 2000:
        with raw(rig, "ftp") as sock, suppress(OSError):
            replies = sock.makefile("rb")
            replies.readline()
            if chance.random() < 0.7:
                sock.sendall(f"USER {USER}\r\nPASS {PASSWORD}\r\n".encode())
                replies.readline()
                replies.readline()
            for _ in range(100):
                sent += 1
                sock.sendall(ftp_line(chance))
                if not replies.readline():
                    break


VERBS = [
    "ABOR",
    "ACCT",
    "ALLO",
    "APPE",
    "CDUP",
    "CWD",
    "DELE",
    "EPRT",
    "EPSV",
    "FEAT",
    "HELP",
    "LIST",
    "MDTM",
    "MFMT",
    "MKD",
    "MLSD",
    "MLST",
    "MODE",
    "NLST",
    "NOOP",
    "OPTS",
    "PASV",
    "PBSZ",
    "PORT",
    "PROT",
    "PWD",
    "REIN",
    "REST",
    "RETR",
    "RMD",
    "RNFR",
    "RNTO",
    "SITE",
    "SIZE",
    "STAT",
    "STOR",
    "STOU",
    "STRU",
    "SYST",
    "TYPE",
    "USER",
    "XCWD",
    "AUTH",
    "CCC",
    "LANG",
    "SITE\x00",
    "ÿô",
    "%s%n",
]
WORDS = (
    *(b"A N", b"UTF8 ON", b"CHMOD 777 a", b"-la /out", b"*" * 50, b"0", b"-1", b"%d" % 2**64),
    *(b"9" * 400, b"1,2,3,4,5", b"|1|127.0.0.1|1|", b"20260101000000 /statin/a", b"type;size;"),
)


def ftp_line(chance: random.Random) -> bytes:
    verb = chance.choice(VERBS).encode("latin-1")
    line = verb + b" " + chance.choice((*NAMES, *WORDS))
    if chance.random() < 0.1:
        line = chance.randbytes(chance.randint(1, 60))
    return line.replace(b"\r", b"").replace(b"\n", b"") + b"\r\n"


def test_an_ftp_line_without_an_end_ends_its_connection(rig: Rig) -> None:
    with raw(rig, "ftp") as sock, suppress(ConnectionResetError, BrokenPipeError):
        for _ in range(100):
            sock.sendall(b"x" * 10_000)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass


# Paths


def test_a_file_that_becomes_a_link_in_the_very_moment_gives_nothing_away(
    rig: Rig, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    place = rig.root / "out" / "swapped"
    stop = threading.Event()

    def swap() -> None:
        aside = tmp_path / "aside"
        while not stop.is_set():
            for make in (lambda: aside.symlink_to(secret), lambda: aside.write_bytes(XML)):
                make()
                aside.rename(place)

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        with ParamikoClient("sftp", rig.port("sftp")).session() as sftp:
            seen = {tried(lambda: sftp.open("/out/swapped").read()) for _ in range(300)}
    finally:
        stop.set()
        swapping.join()
    assert seen <= {XML, None}


def tried(fetch: object) -> bytes | None:
    with suppress(OSError):
        return fetch()  # type: ignore[operator,no-any-return]
    return None


# Secrets


def test_no_password_is_in_the_log_whatever_is_typed_where(rig: Rig) -> None:
    wrong = "s3cret-of-someone"
    with capture_logs() as logs:
        with paramiko.Transport(("127.0.0.1", rig.port("sftp"))) as transport:
            transport.start_client()
            with pytest.raises(paramiko.AuthenticationException):
                transport.auth_password(USER, wrong)
        with raw(rig, "ftp") as sock:
            replies = sock.makefile("rb")
            for line in (
                f"PASS {wrong}",
                f"USER {USER}",
                f"PASS {wrong}",
                f"PASS\t{wrong}",
                "QUIT",
            ):
                replies.readline()
                sock.sendall(line.encode() + b"\r\n")
            replies.readline()
        rig.told.wait_for("refused", USER, "ftp", Reason.PASSWORD.value)
    assert wrong not in repr((logs, rig.told.events))


def test_what_a_stranger_types_writes_no_line_and_no_escape_into_the_log(rig: Rig) -> None:
    with capture_logs() as logs, raw(rig, "ftp") as sock:
        sock.sendall(b"USER \x1b]0;x\x07\nlogged in\r\nPASS x\r\nQUIT\r\n")
        while sock.recv(10_000):
            pass
        (refused,) = (event for event in rig.told.events if event[0] == "refused")
        LogEvents().refused(user=refused[1], address="::1", protocol="ftp", reason="-")
    assert "?]0;x??logged in" in [line.get("user") for line in logs]


# Numbers


def test_two_hundred_sessions_at_once_are_served_and_one_more_is_not(tmp_path: Path) -> None:
    login = LoginSettings(max_sessions=200)
    with open_doors(tmp_path, login=login) as rig:
        rig.place("out", "witness")
        sftp: list[paramiko.Transport] = []
        ftp: list[ftplib.FTP] = []
        try:
            enter_both(rig, sftp, ftp, count=100)
            sessions = [paramiko.SFTPClient.from_transport(transport) for transport in sftp]
            assert all(session and session.listdir("/out") == ["witness"] for session in sessions)
            assert all(each.nlst("/out") == ["witness"] for each in ftp)
            with pytest.raises(ftplib.error_perm):
                FtplibClient("ftp", rig.port("ftp")).names("/out")
            with pytest.raises(LOST):
                ParamikoClient("sftp", rig.port("sftp")).names("/out")
        finally:
            leave(sftp, ftp)
        rig.told.wait_for("logged out", USER, "sftp", count=100)
        rig.told.wait_for("logged out", USER, "ftp", count=100)
        serves_as_ever(rig)


def enter_both(
    rig: Rig, sftp: list[paramiko.Transport], ftp: list[ftplib.FTP], *, count: int
) -> None:
    for _ in range(count):
        transport = paramiko.Transport(("127.0.0.1", rig.port("sftp")))
        sftp.append(transport)
        transport.connect(username=USER, password=PASSWORD)
        control = ftplib.FTP()
        ftp.append(control)
        control.connect("127.0.0.1", rig.port("ftp"), timeout=30)
        control.login(USER, PASSWORD)


def leave(sftp: Sequence[paramiko.Transport], ftp: Sequence[ftplib.FTP]) -> None:
    for transport in sftp:
        transport.close()
    for control in ftp:
        control.close()


def test_a_storm_of_connections_that_come_and_go_leaves_nothing_behind(rig: Rig) -> None:
    for _ in range(300):
        for door in ("sftp", "ftp"):
            raw(rig, door).close()
    deadline = time.monotonic() + 30
    while rig.sftp._connections and time.monotonic() < deadline:
        time.sleep(0.05)
    assert rig.sftp._connections == []
