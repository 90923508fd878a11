"""The line to an old mailbox: who is at its other end, and what happens when it breaks."""

import base64
import hashlib
import logging
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging.handlers import BufferingHandler
from pathlib import Path

import paramiko
import pytest
from paramiko.message import Message
from paramiko.sftp import CMD_NAME, CMD_READDIR

from bridge.errors import OldMailboxAwayError, OldMailboxRefusedError, SettingsError
from bridge.feeds.legacy import Contents, Patience, open_reader, open_writer
from bridge.naming import Folder, parse_profile
from bridge.settings import LegacySettings, read_profile
from tests.old_mailboxes import KINDS, LIVE, OldServer, Relay, Servers, secret
from tests.ports import free_port

PROFILE = parse_profile(read_profile("efact"))
STRANGER = "SHA256:" + "A" * 43
OTHER_CERTIFICATE = "SHA256:" + "00" * 32
SHORT = Patience(silence=0.3, whole=30)


@pytest.fixture(params=LIVE)
def live(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> OldServer:
    """Give an empty mailbox behind each kind of server."""
    return servers(request.param).mailbox(tmp_path.name)


@pytest.fixture
def sftp(servers: Servers, tmp_path: Path) -> OldServer:
    return servers("sftp").mailbox(tmp_path.name)


@pytest.fixture
def ftps(servers: Servers, tmp_path: Path) -> OldServer:
    return servers("ftps").mailbox(tmp_path.name)


@contextmanager
def relayed(old: OldServer) -> Iterator[tuple[Relay, LegacySettings]]:
    relay = Relay(old.port)
    try:
        yield relay, old.at(relay.port)
    finally:
        relay.close()


def look_into(legacy: LegacySettings, patience: Patience | None = None) -> None:
    with open_reader(legacy, PROFILE, **({"patience": patience} if patience else {})) as mailbox:
        list(mailbox.entries())


def test_a_mailbox_that_is_down_is_away(live: OldServer) -> None:
    with pytest.raises(OldMailboxAwayError, match="connect"):
        look_into(live.at(free_port()))


def test_a_host_that_nobody_knows_is_away(live: OldServer) -> None:
    url = live.legacy.url.replace("127.0.0.1", "old-mailbox.invalid")
    with pytest.raises(OldMailboxAwayError, match=r"old-mailbox\.invalid"):
        look_into(live.changed(url=url))


@pytest.mark.parametrize("kind", ["sftp", "ftp"])
def test_a_wrong_password_is_refused(servers: Servers, tmp_path: Path, kind: str) -> None:
    old = servers(kind).mailbox(tmp_path.name)
    wrong = old.changed(password_file=secret(tmp_path / "wrong", "wrong"))
    with pytest.raises(OldMailboxRefusedError, match="does not let the user") as caught:
        look_into(wrong)
    assert ".:" not in str(caught.value)


@pytest.mark.parametrize("kind", ["sftp", "ftp"])
def test_a_login_without_the_password_that_is_wanted_is_refused(
    servers: Servers, tmp_path: Path, kind: str
) -> None:
    old = servers(kind).mailbox(tmp_path.name)
    with pytest.raises(OldMailboxRefusedError, match="does not let the user"):
        look_into(old.changed(password_file=None))


def test_a_password_that_others_can_read_is_not_used(live: OldServer, tmp_path: Path) -> None:
    password = secret(tmp_path / "open", "old secret")
    password.chmod(0o644)
    with pytest.raises(SettingsError, match="others can read"):
        look_into(live.changed(password_file=password))


def test_no_error_shows_the_password(live: OldServer, tmp_path: Path) -> None:
    wrong = live.changed(password_file=secret(tmp_path / "wrong", "hunter2"))
    if live.kind == "ftps":
        wrong = wrong.model_copy(update={"certificate": OTHER_CERTIFICATE})
    with pytest.raises(OldMailboxRefusedError) as caught:
        look_into(wrong)
    assert "hunter2" not in str(caught.value)


def test_another_host_key_is_refused_before_the_password_is_sent(sftp: OldServer) -> None:
    with pytest.raises(OldMailboxRefusedError, match="not the server that host_key names"):
        look_into(sftp.changed(host_key=STRANGER))


def test_another_key_of_the_same_type_is_refused(sftp: OldServer) -> None:
    kind, key = sftp.legacy.host_key.split()
    other = f"{kind} {key[:-4]}AAAA"
    with pytest.raises(OldMailboxRefusedError, match="it shows ssh-ed25519 SHA256:"):
        look_into(sftp.changed(host_key=other))


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_any_of_the_servers_host_keys_may_be_named_as_a_line(sftp: OldServer, kind: str) -> None:
    look_into(sftp.changed(host_key=_public_key(sftp, kind)))


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_any_of_the_servers_host_keys_may_be_named_by_its_fingerprint(
    sftp: OldServer, kind: str
) -> None:
    said = subprocess.run(
        ["ssh-keygen", "-lf", _key_file(sftp, kind)], check=True, capture_output=True, text=True
    ).stdout
    look_into(sftp.changed(host_key=said.split()[1]))


@pytest.mark.parametrize("other_type", ["ssh-ed25519", "ssh-rsa"])
def test_a_server_without_a_key_of_that_type_is_refused(sftp: OldServer, other_type: str) -> None:
    pinned = _public_key(sftp, other_type.removeprefix("ssh-"))
    with strange_listing(b"\0\0\0\0") as legacy:
        other = legacy.model_copy(update={"host_key": pinned})
        with pytest.raises(OldMailboxRefusedError, match="no key of that type"):
            look_into(other)


def test_the_one_key_of_a_server_is_found_by_its_fingerprint() -> None:
    with strange_listing(b"\x7f\xff\xff\xff") as legacy:
        key = base64.b64decode(legacy.host_key.split()[1])
        shown = base64.b64encode(hashlib.sha256(key).digest()).decode()
        other = legacy.model_copy(update={"host_key": f"SHA256:{shown}"})
        with pytest.raises(OldMailboxAwayError, match="a listing with"):
            look_into(other)


def _key_file(old: OldServer, kind: str) -> Path:
    assert old.legacy.password_file is not None
    return old.legacy.password_file.parent / f"key_{kind}.pub"


def _public_key(old: OldServer, kind: str) -> str:
    return " ".join(_key_file(old, kind).read_text().split()[:2])


def test_a_certificate_that_nobody_vouches_for_is_refused(ftps: OldServer) -> None:
    with pytest.raises(OldMailboxRefusedError, match="cannot be trusted: self-signed certificate"):
        look_into(ftps.changed(certificate=""))


def test_another_certificate_than_the_one_named_is_refused(ftps: OldServer) -> None:
    with pytest.raises(OldMailboxRefusedError, match="not the server that certificate names"):
        look_into(ftps.changed(certificate=OTHER_CERTIFICATE))


def test_a_fingerprint_may_be_written_as_openssl_writes_it(ftps: OldServer) -> None:
    digits = ftps.legacy.certificate.partition(":")[2].upper()
    pairs = ":".join(digits[at : at + 2] for at in range(0, 64, 2))
    look_into(ftps.changed(certificate=f"SHA256:{pairs}"))


def test_a_server_without_tls_is_refused_where_tls_is_wanted(
    servers: Servers, tmp_path: Path
) -> None:
    old = servers("ftp").mailbox(tmp_path.name)
    with pytest.raises(OldMailboxRefusedError, match="does not encrypt"):
        look_into(old.changed(url=old.legacy.url.replace("ftp://", "ftps://")))


def test_a_connection_that_breaks_is_made_again(live: OldServer) -> None:
    (live.base / "out" / "a.XML").write_bytes(b"a")
    with relayed(live) as (relay, legacy), open_reader(legacy, PROFILE) as mailbox:
        (entry,) = mailbox.entries()
        relay.cut()
        assert isinstance(mailbox.read(entry), Contents)
        assert relay.connections == 2


def test_a_change_on_a_connection_that_broke_is_made_once(live: OldServer) -> None:
    with relayed(live) as (relay, legacy), open_writer(legacy, PROFILE) as mailbox:
        mailbox.put(Folder.OUT, "a.XML", b"a")
        relay.cut()
        mailbox.put(Folder.OUT, "b.XML", b"b")
    assert sorted(path.name for path in (live.base / "out").iterdir()) == ["a.XML", "b.XML"]


def test_a_mailbox_that_goes_down_meanwhile_is_away_and_comes_back(live: OldServer) -> None:
    with relayed(live) as (relay, legacy), open_reader(legacy, PROFILE) as mailbox:
        list(mailbox.entries())
        relay.refuses = True
        relay.cut()
        with pytest.raises(OldMailboxAwayError):
            list(mailbox.entries())
        relay.refuses = False
        assert list(mailbox.entries()) == []


@pytest.mark.parametrize("kind", ["sftp", "ftp"])
def test_a_server_that_falls_silent_is_away(servers: Servers, tmp_path: Path, kind: str) -> None:
    old = servers(kind).mailbox(tmp_path.name)
    with (
        relayed(old) as (relay, legacy),
        open_reader(legacy, PROFILE, patience=Patience(silence=2, whole=60)) as mailbox,
    ):
        relay.stall()
        with pytest.raises(OldMailboxAwayError, match="no answer in time"):
            list(mailbox.entries())


@contextmanager
def strange_server(serve: Callable[[socket.socket, threading.Event], None]) -> Iterator[int]:
    """Run a server of a few lines; it ends with the block."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            while not ended.is_set():
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    try:
                        serve(client, ended)
                    except (OSError, EOFError, paramiko.SSHException):
                        continue

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def silent(_client: socket.socket, ended: threading.Event) -> None:
    ended.wait()


def dripping(line: bytes) -> Callable[[socket.socket, threading.Event], None]:
    def serve(client: socket.socket, ended: threading.Event) -> None:
        while not ended.wait(0.02):
            client.sendall(line)

    return serve


def test_a_server_that_never_speaks_is_away(live: OldServer) -> None:
    with (
        strange_server(silent) as port,
        pytest.raises(OldMailboxAwayError),
    ):
        look_into(live.at(port), SHORT)


@pytest.mark.parametrize("kind", ["ftp", "ftps"])
def test_a_server_that_greets_for_ever_is_cut_off(
    servers: Servers, tmp_path: Path, kind: str
) -> None:
    old = servers(kind).mailbox(tmp_path.name)
    with (
        strange_server(dripping(b"220-welcome\r\n")) as port,
        pytest.raises(OldMailboxAwayError, match="no answer in time"),
    ):
        look_into(old.at(port), Patience(silence=30, whole=0.3))


def test_a_server_that_talks_of_other_things_is_away(live: OldServer) -> None:
    with (
        strange_server(dripping(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port,
        pytest.raises(OldMailboxAwayError),
    ):
        look_into(live.at(port), Patience(silence=1, whole=5))


def test_a_broken_handshake_is_no_traceback_in_the_log(sftp: OldServer) -> None:
    heard = BufferingHandler(1000)
    logging.getLogger().addHandler(heard)
    try:
        with (
            strange_server(dripping(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port,
            pytest.raises(OldMailboxAwayError),
        ):
            look_into(sftp.at(port), Patience(silence=0.5, whole=5))
    finally:
        logging.getLogger().removeHandler(heard)
    assert not [it for it in heard.buffer if it.name.startswith("paramiko.old-mailbox")]


def test_a_listing_that_never_ends_is_cut_off() -> None:
    with strange_listing(b"\0\0\0\0") as legacy, pytest.raises(OldMailboxAwayError):
        look_into(legacy)


@pytest.mark.parametrize(
    "answer",
    [
        b"\x7f\xff\xff\xff",
        b"\0\0\0\1" + b"\0\0\0\7../evil" + b"\0\0\0\0" + b"\0\0\0\0",
        b"\0\0\0\1" + b"\0\0\0\0" + b"\0\0\0\0" + b"\0\0\0\0",
    ],
    ids=["two thousand million names", "a name with a slash", "an empty name"],
)
def test_a_listing_that_cannot_be_true_is_no_listing(answer: bytes) -> None:
    with strange_listing(answer) as legacy, pytest.raises(OldMailboxAwayError, match="a listing"):
        look_into(legacy)


class _AnybodyIn(paramiko.ServerInterface):
    def check_auth_none(self, username: str) -> int:
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED


class _Folders(paramiko.SFTPServerInterface):
    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes]:
        return []


@contextmanager
def strange_listing(answer: bytes) -> Iterator[LegacySettings]:
    """Run an SFTP server that answers every look into a folder with these bytes."""

    class Listing(paramiko.SFTPServer):
        def _process(self, t: int, request_number: int, msg: Message) -> None:
            if t != CMD_READDIR:
                super()._process(t, request_number, msg)
                return
            names = Message()
            names.add_int(request_number)
            names.add_bytes(answer)
            self._send_packet(CMD_NAME, names)

    key = paramiko.ECDSAKey.generate()

    def serve(client: socket.socket, ended: threading.Event) -> None:
        transport = paramiko.Transport(client)
        transport.add_server_key(key)
        transport.set_subsystem_handler("sftp", Listing, _Folders)
        transport.start_server(server=_AnybodyIn())
        while transport.is_active() and not ended.wait(0.02):
            pass
        transport.close()

    with strange_server(serve) as port:
        line = f"{key.get_name()} {key.get_base64()}"
        yield LegacySettings(url=f"sftp://town@127.0.0.1:{port}/", host_key=line)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_a_mailbox_stays_open(servers: Servers, tmp_path: Path, kind: str) -> None:
    old = servers(kind).mailbox(tmp_path.name)
    look_into(old.legacy)
    names = [thread.name for thread in threading.enumerate()]
    assert "old mailbox watch" not in names
    assert not [it for it in threading.enumerate() if isinstance(it, paramiko.Transport)]
