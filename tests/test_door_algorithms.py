"""Old clients: what lets them in, what the log says of those that stay out, whom a change loses."""

import json
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import Iterator, MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import paramiko
import pytest
from structlog.testing import capture_logs

from bridge.doctor import Finding, Verdict, examine
from bridge.facade import algorithms
from bridge.facade.algorithms import OLD, Kind, advice, door_offers, lacking
from bridge.ledger import visitors
from bridge.settings import FtpSettings, Settings, SftpSettings, UserSettings
from tests.accounts import Office
from tests.door_rig import (
    PASSWORD,
    PASSWORD_HASH,
    USER,
    Rig,
    certificate,
    open_doors,
    wait_until,
)
from tests.programs import require_file, require_program

ROOT = Path(__file__).parent.parent
LEGACY_PARAMIKO = ROOT / ".venv" / "legacy-ssh"

MODERN = {
    Kind.KEY_EXCHANGE: "ecdh-sha2-nistp256",
    Kind.HOST_KEY: "rsa-sha2-256",
    Kind.CIPHER: "aes128-ctr",
    Kind.MAC: "hmac-sha2-256",
}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with open_doors(tmp_path_factory.mktemp("doors")) as rig:
        yield rig


def offer(rig: Rig, **changes: str) -> MutableMapping[str, Any]:
    """Offer algorithms as a client, in vain; return the door's log line, and what it `sent`."""
    lists = {str(kind): name for kind, name in MODERN.items()} | changes
    exchange, key, cipher, mac = lists.values()
    message = paramiko.Message()
    message.add_bytes(b"\x14" + bytes(16))
    for names in (exchange, key, cipher, cipher, mac, mac, "none", "none", "", "", "\0"):
        message.add_string(names)
    body = message.asbytes()
    padding = bytes(16 - (len(body) + 5) % 8)
    packet = struct.pack(">IB", len(body) + len(padding) + 1, len(padding)) + body + padding
    sent = b""
    where = ("127.0.0.1", rig.port("sftp"))
    with capture_logs() as lines, socket.create_connection(where, timeout=30) as client:
        client.sendall(b"SSH-2.0-Old_1.0\r\n" + packet)
        while chunk := client.recv(65536):
            sent += chunk
        wait_until(lambda: any(line["log_level"] == "warning" for line in lines), "it was logged")
    line = next(line for line in lines if line["log_level"] == "warning")
    return {**line, "sent": sent}


def test_an_exchange_that_costs_us_more_than_its_client_is_not_offered() -> None:
    for legacy in (False, True):
        assert "diffie-hellman-group16-sha512" not in door_offers(legacy=legacy)[Kind.KEY_EXCHANGE]


def test_a_client_that_only_lacks_old_ciphers_is_told_the_setting(rig: Rig) -> None:
    line = offer(rig, ciphers="aes256-cbc", macs="hmac-sha1")
    assert line["ciphers"] == ["aes256-cbc"]
    assert line["helps"] == "legacy_algorithms = true in [sftp] lets it in"


def test_a_client_that_needs_what_the_library_dropped_is_told_the_extra(rig: Rig) -> None:
    line = offer(rig, key_exchange="diffie-hellman-group14-sha1", host_keys="ssh-rsa,ssh-dss")
    assert line["host_keys"] == ["ssh-rsa", "ssh-dss"]
    if not algorithms.legacy_algorithms_available():
        assert "legacy-ssh" in line["helps"]
    assert "legacy_algorithms = true" in line["helps"]


def test_a_client_that_nothing_can_help_is_told_other_roads(rig: Rig) -> None:
    line = offer(rig, key_exchange="diffie-hellman-group1-sha1", ciphers="3des-cbc")
    assert line["helps"].startswith("no setting lets it in: use a newer client")
    assert "FTP door" in line["helps"]


def test_a_client_that_is_refused_still_gets_what_the_door_offers(rig: Rig) -> None:
    for _ in range(20):
        assert b"aes256-ctr" in offer(rig, ciphers="aes128-cbc")["sent"]


def test_a_log_line_is_no_longer_than_it_needs_to_be(rig: Rig) -> None:
    line = offer(rig, ciphers=",".join(f"{number}-{'x' * 200}" for number in range(12)))
    assert max(map(len, line["ciphers"])) == 100


def offered_by(rig: Rig) -> bytes:
    """Return what a door sends to whom it does not know yet."""
    received = b""
    with socket.create_connection(("127.0.0.1", rig.port("sftp")), timeout=30) as client:
        client.sendall(b"SSH-2.0-Curious_1.0\r\n")
        while b"none" not in received:
            received += client.recv(65536)
    return received


def test_strict_key_exchange_is_offered(rig: Rig) -> None:
    assert b"kex-strict-s-v00@openssh.com" in offered_by(rig)


def test_nothing_old_is_offered_by_default(rig: Rig) -> None:
    received = offered_by(rig)
    for name in ("sha1", "-cbc", "md5", "ssh-rsa", "ssh-dss", "group1-"):
        assert name.encode() not in received


def test_advice_is_right_where_the_setting_is_on_already() -> None:
    old = {Kind.CIPHER: ["blowfish-cbc"]}
    assert advice(old, legacy=True).startswith("no setting")


def test_what_is_turned_on_is_what_the_settings_say() -> None:
    more = {
        kind: names - door_offers(legacy=False)[kind]
        for kind, names in door_offers(legacy=True).items()
    }
    assert all(names <= OLD[kind] for kind, names in more.items())
    assert more[Kind.CIPHER]


class StrangeKey(paramiko.PKey):
    """A key of a kind that the door has never heard of."""

    name = "sk-ssh-ed25519@openssh.com"

    def get_name(self) -> str:
        return self.name

    def asbytes(self) -> bytes:
        return b"\0\0\0\x1a" + self.name.encode()

    def sign_ssh_data(self, data: bytes, algorithm: str | None = None) -> paramiko.Message:
        return paramiko.Message(b"nothing")


def test_a_key_of_an_unknown_kind_lets_others_follow(rig: Rig) -> None:
    with paramiko.Transport(("127.0.0.1", rig.port("sftp"))) as transport:
        transport.start_client()
        with pytest.raises(paramiko.AuthenticationException):
            transport.auth_publickey(USER, StrangeKey())
        transport.auth_password(USER, PASSWORD)
        assert transport.is_authenticated()


def test_group_exchange_takes_no_primes_that_keep_everybody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_file(Path("/etc/ssh/moduli"), "openssh-server")
    monkeypatch.setattr(paramiko.Transport, "_modulus_pack", None)  # undone with all that follows
    exchange = "-oKexAlgorithms=diffie-hellman-group-exchange-sha256"
    with open_doors(tmp_path, sftp=SftpSettings(port=0, legacy_algorithms=True)) as rig:
        done = subprocess.run(
            [require_program("ssh"), "-vv", exchange, "-oBatchMode=yes",
             "-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null",
             "-p", str(rig.port("sftp")), "nobody@127.0.0.1"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert re.search(r"KEX_DH_GEX_REQUEST\(2048<8192<8192\) sent", done.stderr)
    assert set(re.findall(r"bits set: \d+/(\d+)", done.stderr)) == {"2048"}
    assert "Permission denied" in done.stderr  # the exchange was good


def test_old_clients_come_in_with_the_extra_and_are_named_before_a_change(tmp_path: Path) -> None:
    require_file(LEGACY_PARAMIKO / "paramiko", "paramiko 4, in .venv/legacy-ssh")
    require_file(Path("/etc/ssh/moduli"), "openssh-server")
    done = subprocess.run(
        [sys.executable, "-m", "tests.legacy_door", tmp_path, require_program("sftp")],
        env=os.environ | {"PYTHONPATH": f"{LEGACY_PARAMIKO}:{ROOT}"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["version"].startswith("4.")
    everybody = [
        "key exchange of 2008",
        "group exchange of 2008",
        "host key of 2008",
        "user key of 2008",
        "cipher and MAC of 2008",
    ]
    assert found["let in"] == everybody
    assert found["let in without"] == []
    lost = {
        what: [text.split(" with ")[1].split(" (")[0] for text in texts]
        for what, texts in found["lost"].items()
    }
    assert lost["turning legacy_algorithms off"] == everybody
    assert lost["an upgrade of paramiko to version 5"] == everybody[:-1]


# What `check` says


def clients_said(office: Office, **sections: Any) -> list[Finding]:
    settings = Settings(
        data_dir=office.account.settings.data_dir,
        hub=office.account.settings.hub,
        account=office.account.settings.account,
        **sections,
    )
    return [it for it in examine(settings) if it.what.endswith(": clients")]


def came(office: Office, protocol: str, agreed: dict[str, str], **offered: list[str]) -> None:
    program: dict[str, Any] = {"name": "", "offered": offered, "agreed": agreed}
    who = visitors.client_of("town", USER, protocol, program)
    with office.account.ledger.write() as connection:
        visitors.came(connection, who, program, at=datetime(2026, 5, 4, 12, tzinfo=UTC))


def test_check_names_the_clients_that_need_old_algorithms(office: Office) -> None:
    came(office, "sftp", {"login": "password"}, ciphers=["aes128-cbc"], macs=["hmac-sha2-256"])
    (said, *_) = clients_said(office, sftp=SftpSettings(legacy_algorithms=True))
    assert said.verdict is Verdict.WARNING
    assert said.said == (
        "turning legacy_algorithms off would shut out: rcf with FTP (cipher), last on 2026-05-04"
    ).replace("FTP", "an SFTP client")


def test_check_says_when_old_algorithms_are_not_needed_any_more(office: Office) -> None:
    came(office, "sftp", {"login": "password"}, ciphers=["aes128-cbc", "aes128-ctr"])
    (said, *_) = clients_said(office, sftp=SftpSettings(legacy_algorithms=True))
    assert said.verdict is Verdict.OK
    assert "would shut out none of the clients" in said.said


def test_check_names_who_comes_without_tls_or_with_an_old_one(office: Office) -> None:
    came(office, "ftp", {"tls": "none"})
    came(office, "ftp", {"tls": "TLSv1.1", "cipher": "AES128-SHA"})
    signed, key = certificate()
    ftp = FtpSettings(tls="optional", min_tls="1.0", certificate=signed, private_key=key)
    without, old = (it.said for it in clients_said(office, ftp=ftp))
    assert "rcf with an FTP client (without TLS)" in without
    assert "rcf with an FTP client (TLSv1.1)" in old


def test_check_names_the_extra_and_the_other_roads(office: Office) -> None:
    if algorithms.legacy_algorithms_available():
        pytest.skip("the installed paramiko has all of them")
    settings = office.account.settings.model_copy(
        update={"sftp": SftpSettings(legacy_algorithms=True)}
    )
    (said,) = (it for it in examine(settings) if it.what == "sftp legacy algorithms")
    assert said.verdict is Verdict.FAILED
    for road in ("legacy-ssh", "FTP on loopback", "OpenSSH in front"):
        assert road in said.said


def test_offers_are_compared_by_each_kind_alone() -> None:
    door = door_offers(legacy=False)
    assert lacking({kind: [name] for kind, name in MODERN.items()}, door) == []
    assert lacking({Kind.MAC: ["hmac-sha1"], Kind.CIPHER: ["aes128-ctr"]}, door) == [Kind.MAC]


# TLS


def shake_hands(rig: Rig, version: ssl.TLSVersion) -> str | None:
    """Return the version of TLS that an FTP client comes to that knows only this one."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", rig.port("ftp")), timeout=30) as plain:
        plain.recv(1000)
        plain.sendall(b"AUTH TLS\r\n")
        plain.recv(1000)
        with context.wrap_socket(plain) as secured:
            return secured.version()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
@pytest.mark.parametrize(("oldest", "let_in"), [("1.2", False), ("1.0", True)])
def test_old_tls_is_refused_unless_it_is_asked_for(
    tmp_path: Path, oldest: Any, let_in: bool
) -> None:
    pytest.importorskip("OpenSSL", reason="the extra ftps")
    signed, key = certificate()
    user = UserSettings(name=USER, password_hash=PASSWORD_HASH)
    ftp = FtpSettings(port=0, tls="required", min_tls=oldest, certificate=signed, private_key=key)
    with open_doors(tmp_path, user=user, ftp=ftp) as rig:
        if let_in:
            assert shake_hands(rig, ssl.TLSVersion.TLSv1_1) == "TLSv1.1"
        else:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                shake_hands(rig, ssl.TLSVersion.TLSv1_1)
        assert shake_hands(rig, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
