"""Both doors over one mailbox in a temporary folder, and what they told."""

import atexit
import functools
import ipaddress
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from argon2 import PasswordHasher
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from bridge.facade.access import Access
from bridge.facade.clients import Habits
from bridge.facade.events import Ban, DoorEvents, Session
from bridge.facade.folders import DoorMailbox
from bridge.facade.ftp import FtpDoor
from bridge.facade.hostkeys import load_host_keys
from bridge.facade.sftp import SftpDoor
from bridge.settings import (
    AccountSettings,
    FtpSettings,
    LoginSettings,
    SftpSettings,
    UploadSettings,
    UserSettings,
)
from tests.door_libraries import PASSWORD, USER

PASSWORD_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
PATIENCE = 60
"""Seconds that a test waits for what happens elsewhere; far more than anything takes."""

FOLDERS = {role: role for role in ("out", "adjout", "statout", "statin", "in", "adjin")}
XML = '<?xml version="1.0"?>\n<DeliveryFeedback>ñ€\r\n</DeliveryFeedback>\n'.encode()


@functools.cache
def host_keys() -> Path:
    """Return a folder of host keys for all tests of this process.

    The RSA key is as weak as clients let it be: a strong one takes long to make, and a tenth of a
    second to load, for each door.
    """
    folder = _own_folder() / "host-keys"
    folder.mkdir(mode=0o700)
    key = rsa.generate_private_key(65537, 1024)
    path = folder / "ssh_host_rsa_key"
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    load_host_keys(folder)  # makes the others
    return folder


@functools.cache
def _own_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="efact-test-keys-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def user_key() -> tuple[Path, str]:
    """Return the file of the user's private key, and its public line."""
    key = Ed25519PrivateKey.generate()
    path = _own_folder() / "user_key"
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return path, line.decode()


@functools.cache
def certificate() -> tuple[Path, Path]:
    """Return the files of a certificate for 127.0.0.1 and of its private key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now, day = datetime.now(UTC), timedelta(days=1)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - day, now + day)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, SHA256())
    )
    paths = _own_folder() / "certificate.pem", _own_folder() / "tls-key.pem"
    paths[0].write_bytes(signed.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths


def tls_settings(tls: Literal["optional", "required"] = "required") -> FtpSettings:
    """Return the settings of an FTP door with TLS."""
    signed, key = certificate()
    return FtpSettings(port=0, tls=tls, certificate=signed, private_key=key)


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait for something on disk or in another process that cannot be waited for otherwise."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"in vain waited until {what}"
        time.sleep(0.01)


class Told:
    """The events of the doors, to be awaited; partial uploads are moved into `archive`."""

    def __init__(self, archive: Path) -> None:
        self.archive = archive
        self.events: list[tuple[str, ...]] = []
        self.sessions: list[Session] = []
        self.habits: list[tuple[Session, dict[str, list[str]]]] = []
        self._news = threading.Condition()

    def wait_for(self, *event: str, count: int = 1) -> None:
        with self._news:
            found = self._news.wait_for(lambda: self.events.count(event) >= count, timeout=PATIENCE)
        assert found, f"{event} was not told; these were: {self.events}"

    def wait_for_kind(self, kind: str) -> None:
        with self._news:
            found = self._news.wait_for(lambda: kind in self.kinds(), timeout=PATIENCE)
        assert found, f"{kind} was not told; these were: {self.events}"

    def kinds(self) -> list[str]:
        return [event[0] for event in self.events]

    def logged_in(self, session: Session) -> None:
        self.sessions.append(session)
        self._add("logged in", session.user, session.protocol)

    def behaved(self, session: Session, habits: Habits) -> None:
        self.habits.append((session, habits.as_detail()))

    def logged_out(self, session: Session) -> None:
        self._add("logged out", session.user, session.protocol)

    def refused(self, *, user: str, address: str, protocol: str, reason: str) -> None:
        self._add("refused", user, protocol, reason)

    def banned(self, ban: Ban) -> None:
        self._add("banned", ban.kind, ban.name)

    def fetched(self, session: Session, folder: str, name: str, *, size: int) -> None:
        self._add("fetched", folder, name, str(size))

    def deleted(self, session: Session, folder: str, name: str) -> None:
        self._add("deleted", folder, name)

    def uploaded(self, session: Session, folder: str, name: str, *, size: int) -> None:
        self._add("uploaded", folder, name, str(size))

    def renamed(self, session: Session, folder: str, name: str, *, to: str) -> None:
        self._add("renamed", folder, name, to)

    def upload_cut_off(
        self, *, account: str, folder: str, name: str, partial: Path, session: Session | None
    ) -> None:
        self.archive.mkdir(exist_ok=True)
        partial.rename(self.archive / name)
        self._add("cut off", folder, name)

    def _add(self, *event: str) -> None:
        with self._news:
            self.events.append(event)
            self._news.notify_all()


@dataclass
class Rig:
    """A mailbox with its open doors."""

    root: Path
    staging: Path
    told: Told
    access: Access
    sftp: SftpDoor
    ftp: FtpDoor
    threads: list[threading.Thread] = field(default_factory=list)

    def port(self, protocol: str) -> int:
        """Return the port of the door that speaks this; `ftps` is FTP with TLS."""
        door = self.sftp if protocol == "sftp" else self.ftp
        return door.address[1]

    def place(self, folder: str, name: str, data: bytes = XML) -> Path:
        path = self.root / folder / name
        path.write_bytes(data)
        return path

    def names(self, folder: str) -> list[str]:
        return sorted(path.name for path in (self.root / folder).iterdir())

    def leftovers(self) -> list[Path]:
        return [path for path in self.staging.rglob("*") if path.is_file()]


@contextmanager
def open_doors(
    folder: Path,
    *,
    login: LoginSettings | None = None,
    user: UserSettings | None = None,
    sftp: SftpSettings | None = None,
    ftp: FtpSettings | None = None,
    uploads: UploadSettings | None = None,
    events: DoorEvents | None = None,
) -> Iterator[Rig]:
    user = user or UserSettings(
        name=USER, password_hash=PASSWORD_HASH, authorized_keys=(user_key()[1],)
    )
    account = AccountSettings(name="town", issuer="hub_1", secret_env="NONE", user=(user,))
    access = Access([account], login or LoginSettings(max_failures=1000))
    mailbox = DoorMailbox(
        account="town",
        root=folder / "mailbox",
        folders=FOLDERS,
        staging=folder / "staging",
        limits=uploads or UploadSettings(),
    )
    told = Told(folder / "archive")
    shared = {
        "access": access,
        "mailboxes": {"town": mailbox},
        "events": events or told,
        "look_every": 0.02,
    }
    rig = Rig(
        root=mailbox.root,
        staging=mailbox.staging,
        told=told,
        access=access,
        sftp=SftpDoor(sftp or SftpSettings(port=0), host_keys=host_keys(), **shared),
        ftp=FtpDoor(ftp or FtpSettings(port=0), **shared),
    )
    stop = threading.Event()
    for door in (rig.sftp, rig.ftp):
        door.start()
        thread = threading.Thread(target=door.run, args=(stop,))
        thread.start()
        rig.threads.append(thread)
    try:
        yield rig
    finally:
        stop.set()
        for thread in rig.threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
