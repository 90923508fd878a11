"""The old mailbox beside the pretend hub: the same invoices a second time, over SFTP.

The parallel delivery of the migration (legacy-ftp, "Moving from one system to the other"): what
is deleted here stays on the REST API's pending list and the other way round; only states are one.
State files dropped into `statin` are taken from there and applied to the book; as at the old hub,
those that do not end in `.XML` are ignored.
"""

import hashlib
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import structlog
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from bridge.errors import BridgeError
from bridge.facade.access import Access
from bridge.facade.events import LogEvents
from bridge.facade.sftp import SftpDoor
from bridge.model import HubId
from bridge.naming import Folder, Profile, parse_profile
from bridge.sandbox.book import Book
from bridge.sandbox.old_files import OldFile, OldForm
from bridge.sandbox.old_states import apply_state_file
from bridge.sandbox.open_mailbox import OpenMailbox
from bridge.sandbox.records import HeldInvoice, content_of
from bridge.sandbox.scenarios import Scene
from bridge.settings import (
    AccountSettings,
    LoginSettings,
    SftpSettings,
    UploadSettings,
    UserSettings,
    read_profile,
)

log = structlog.get_logger()

USER = "rcf"
_ACCOUNT = "old-mailbox"
_ROUND = 0.2
"""Seconds between two looks at `statin` and at the book."""
_MANY = 1_000_000
"""Files that may lie in a folder before nothing more can be put there."""
_DOOR_LOOKS = 0.05
"""Seconds between two looks of the door at whether to stop."""


class OldMailbox:
    """The folders, what fills them, and the door in front of them."""

    def __init__(
        self,
        book: Book,
        *,
        seed: int,
        host: str = "127.0.0.1",
        port: int = 0,
        folder: Path | None = None,
        profile: Profile | None = None,
        scenes: Sequence[Scene] = (),
    ) -> None:
        """Take the book to deliver from; of what `scenes` tell, what they say of this side."""
        self.user = USER
        self.password = _derived("password", seed).hex()[:20]
        self.host_key = _host_key_line(seed)
        self.profile = profile or parse_profile(read_profile("efact"))
        self._book = book
        self._seed = seed
        self._host, self._port = host, port
        self._given = folder
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._base = folder
        self._form = OldForm(profile=self.profile)
        self._scenes = {scene.hub_id: scene for scene in scenes}
        self._delivered: set[HubId] = set()
        self._attached: set[str] = set()
        self._working = threading.Lock()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def __repr__(self) -> str:
        return f"OldMailbox({self._host}:{self._port})"

    @property
    def url(self) -> str:
        """The address of the mailbox, as the settings want it."""
        return f"sftp://{self.user}@{self._host}:{self._port}/"

    @property
    def root(self) -> Path:
        """The folder that holds `out`, `adjout`, `statout`, `statin`."""
        assert self._base is not None, "the old mailbox is not started"
        return self._base / "mailbox"

    def folder(self, role: Folder) -> Path:
        """Return one of its folders."""
        return self.root / self.profile.folder(role)

    def start(self) -> None:
        """Deliver what the book has and open the door; raises PortTakenError or StorageError."""
        if self._base is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="efact-sandbox-")
            self._base = Path(self._temporary.name)
        _store_host_keys(self._base / "keys", self._seed)
        door = self._door(self._base)
        door.start()
        self._port = door.address[1]
        self._stop.clear()
        self.work()
        self._threads = [
            threading.Thread(target=door.run, args=(self._stop,), name="sandbox sftp", daemon=True),
            threading.Thread(target=self._run, name="sandbox old mailbox", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Close the door; a temporary folder goes, a given one stays."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = self._base = None
            self._delivered.clear()
            self._attached.clear()

    def work(self) -> None:
        """One round: deliver what is new, take the state files that are there."""
        with self._working:
            for hub_id in self._book.hub_ids:
                if hub_id not in self._scenes:
                    self._deliver(self._book.held(hub_id))
            for scene in self._scenes.values():
                self._play(scene)
            for path in self._state_files():
                self._take(path)

    def _run(self) -> None:
        while not self._stop.wait(_ROUND):
            try:
                self.work()
            except (OSError, BridgeError) as error:
                log.warning("the old mailbox stumbled", reason=str(error))

    def _play(self, scene: Scene) -> None:
        """Deliver what the old mailbox has of a scene."""
        for file in scene.legacy[1:] if scene.hub_id not in self._delivered else ():
            self._place(self._form.further(scene.held, file))
        if scene.legacy:
            self._deliver(
                replace(
                    scene.held,
                    facturae=content_of(scene.legacy[0]),
                    attachments=scene.legacy_attachments,
                    receipt=scene.legacy_receipt or scene.held.receipt,
                )
            )

    def _deliver(self, held: HeldInvoice) -> None:
        """Place an invoice once it is registered, and its attachments whenever they come."""
        hub_id = held.hub_id
        if held.invoice.registration_number is None:
            return
        for number, attached in enumerate(held.attachments, start=1):
            if attached.attachment.attachment_id not in self._attached:
                self._place(self._form.attachment(held, number, attached))
                self._attached.add(attached.attachment.attachment_id)
        if hub_id not in self._delivered:
            for file in self._form.invoice(held, now=self._book.now()):
                self._place(file)
            self._delivered.add(hub_id)

    def _place(self, file: OldFile) -> None:
        """Make a file appear in one step."""
        assert self._base is not None
        staged = self._base / "staging" / "placing"
        staged.write_bytes(file.content)
        staged.rename(self.folder(file.folder) / file.name)

    def _state_files(self) -> list[Path]:
        """Return the state files, oldest first; the door shows them only when they are whole."""
        ending = self.profile.extensions[Folder.STATIN]
        rows = [
            (path.stat().st_mtime_ns, path.name, path)
            for path in self.folder(Folder.STATIN).iterdir()
            if path.name.endswith(ending) and path.is_file()
        ]
        return [path for *_, path in sorted(rows)]

    def _take(self, path: Path) -> None:
        outcome = apply_state_file(self._book, path.name, path.read_bytes())
        if outcome.refused:
            held = self._book.held(outcome.hub_ids[0]) if outcome.hub_ids else None
            answer = self._form.answer(
                held, list(outcome.refused), name=path.name, now=self._book.now()
            )
            self._place(answer)
        path.unlink()

    def _door(self, base: Path) -> SftpDoor:
        password_hash = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(
            self.password
        )
        account = AccountSettings(
            name=_ACCOUNT,
            issuer=_ACCOUNT,
            secret_env="UNUSED",  # noqa: S106  (no hub behind this account)
            user=(UserSettings(name=self.user, password_hash=password_hash),),
        )
        mailbox = OpenMailbox(
            account=_ACCOUNT,
            root=self.root,
            folders={role.value: self.profile.folder(role) for role in Folder},
            staging=base / "staging",
            written=frozenset(Folder),
            limits=UploadSettings(max_files=_MANY),
        )
        return SftpDoor(
            SftpSettings(host=self._host, port=self._port),
            access=Access((account,), LoginSettings()),
            mailboxes={_ACCOUNT: mailbox},
            host_keys=base / "keys",
            events=LogEvents(),
            look_every=_DOOR_LOOKS,
        )


def _derived(purpose: str, seed: int) -> bytes:
    """Return 32 bytes that belong to a seed; anybody can work them out."""
    return hashlib.sha256(f"sandbox {purpose} {seed}".encode()).digest()


def _host_key(seed: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(_derived("host key", seed))


def _host_key_line(seed: int) -> str:
    public = _host_key(seed).public_key()
    return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


@cache
def _rsa_key() -> RSAPrivateKey:
    """Make a key that is good enough for a sandbox, once: a strong one takes a while."""
    return generate_private_key(65537, 2048)


def _store_host_keys(folder: Path, seed: int) -> None:
    """Put host keys where the door looks for them; clients may keep the one of the seed."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for kind, key in (("ed25519", _host_key(seed)), ("rsa", _rsa_key())):
        path = folder / f"ssh_host_{kind}_key"
        path.touch(mode=0o600)
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
