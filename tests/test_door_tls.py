"""FTP with TLS: sessions that are resumed, and the ends of uploads."""

import ftplib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from bridge.errors import SettingsError
from bridge.facade.ftp import FtpDoor
from bridge.settings import FtpSettings
from tests.door_libraries import FtpTlsClient
from tests.door_rig import XML, Rig, certificate, open_doors, tls_settings, wait_until

pytest.importorskip("OpenSSL", reason="the extra ftps")

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
HALF = XML[: len(XML) // 2]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with open_doors(tmp_path, ftp=tls_settings()) as rig:
        yield rig


@pytest.fixture
def ftp(rig: Rig) -> Iterator[ftplib.FTP_TLS]:
    with FtpTlsClient("ftps", rig.port("ftps")).session() as ftp:
        yield ftp


class Resuming(ftplib.FTP_TLS):
    """A client that resumes the control connection's session for each data connection."""

    def ntransfercmd(self, cmd: str, rest: Any = None) -> Any:
        channel, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        session = self.sock.session  # type: ignore[union-attr]
        return self.context.wrap_socket(channel, session=session), size


class ResumingClient(FtpTlsClient):
    def __init__(self, rig: Rig, version: ssl.TLSVersion) -> None:
        super().__init__("ftps", rig.port("ftps"))
        self.version = version

    def connect(self) -> ftplib.FTP:
        plain = super().connect()
        assert isinstance(plain, ftplib.FTP_TLS)
        plain.context.minimum_version = plain.context.maximum_version = self.version
        return Resuming(context=plain.context)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_is_resumed_for_each_data_connection(rig: Rig, version: ssl.TLSVersion) -> None:
    rig.place("out", "a")
    with ResumingClient(rig, version).session() as ftp:
        for _ in range(3):
            channel = ftp.transfercmd("RETR /out/a")
            assert channel.session_reused
            assert channel.version() == version.name.replace("_", ".")
            assert channel.recv(4096) == XML
            channel.unwrap()
            ftp.voidresp()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_versions_before_1_2_are_refused(rig: Rig) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with ftplib.FTP_TLS(context=context) as ftp:
        ftp.connect("127.0.0.1", rig.port("ftps"), timeout=30)
        with pytest.raises((ssl.SSLError, OSError)):
            ftp.auth()


def test_a_data_connection_brings_nothing_that_an_uploading_client_must_read(
    rig: Rig, ftp: ftplib.FTP_TLS
) -> None:
    with ftp.transfercmd("STOR /statin/a") as channel:
        channel.sendall(XML)
        wait_until(lambda: [path.stat().st_size for path in rig.leftovers()] == [len(XML)], "came")
        with socket.socket(fileno=channel.fileno()) as raw:
            assert unread(raw) == b""
            raw.detach()
        channel.unwrap()
    ftp.voidresp()
    assert (rig.root / "statin" / "a").read_bytes() == XML


def unread(raw: socket.socket) -> bytes:
    raw.setblocking(False)
    try:
        return raw.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return b""
    finally:
        raw.setblocking(True)


def test_an_upload_that_is_reset_without_a_farewell_is_cut_off(
    rig: Rig, ftp: ftplib.FTP_TLS
) -> None:
    channel = ftp.transfercmd("STOR /statin/a")
    channel.sendall(XML)
    wait_until(lambda: [path.stat().st_size for path in rig.leftovers()] == [len(XML)], "it came")
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    channel.close()
    with pytest.raises(ftplib.error_temp, match="426"):
        ftp.voidresp()
    rig.told.wait_for("cut off", "statin", "a")
    assert rig.names("statin") == []


@pytest.mark.parametrize("data", [XML, HALF])
def test_an_upload_without_a_farewell_counts_when_its_client_stays(
    rig: Rig, ftp: ftplib.FTP_TLS, data: bytes
) -> None:
    channel = ftp.transfercmd("STOR /statin/a")
    channel.sendall(data)
    channel.close()  # ends the connection and says no farewell
    ftp.voidresp()
    assert (rig.root / "statin" / "a").read_bytes() == data


def test_a_private_key_with_a_passphrase_is_refused_instead_of_asked_for(tmp_path: Path) -> None:
    signed, key = certificate()
    locked = tmp_path / "locked.pem"
    secret = load_pem_private_key(key.read_bytes(), None)
    encryption = BestAvailableEncryption(b"secret")
    locked.write_bytes(secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    settings = FtpSettings(port=0, tls="required", certificate=signed, private_key=locked)
    with pytest.raises(SettingsError, match="without a passphrase"):
        FtpDoor(settings, access=None, mailboxes={}, events=None).start()  # type: ignore[arg-type]
