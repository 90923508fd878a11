"""The mailbox of an account: the real folders that legacy software sees, and what feeds them.

A file becomes visible in one atomic step. First a hard link to its archived bytes is made in the
staging folder `placing` and the ledger says `placing`; then the link is renamed into the mailbox.
So after a crash the two places tell what happened: a link still in `placing` was never shown, one
that is in neither place was shown and has been collected.

The mailbox bears a mark (a hidden file) that the ledger knows. A mailbox without it is a disk that
was not mounted or a folder that someone emptied: that is a fault to report, never a collection.
"""

import hashlib
import os
import stat
import uuid
from collections.abc import Iterable, Set
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from bridge.archive import Archive, Identity, identity_of
from bridge.aside import Aside
from bridge.durable import WHOLE, lock, removed_unless_whole, storage, sync_folder, write_file
from bridge.errors import InvoiceError, StorageError
from bridge.filename import raw_of, storable
from bridge.model import Digest, digest_of
from bridge.naming import Folder, Profile
from bridge.statin import Statin

MARK = ".efact-bridge"

CONFIRMATION = ".efact-bridge-confirm"
"""A file that a person puts beside the mark when what a replaced folder lacks was collected."""

PLACE_AGAIN = ".efact-bridge-place-again"
"""The same where it was not: then the files are placed once more."""

INBOUND_FOLDERS = (Folder.OUT, Folder.ADJOUT, Folder.STATOUT)
"""What the bridge fills and the legacy software empties."""


class NameTakenError(InvoiceError):
    """A file that is not ours stands where one of ours has to go."""


class MailboxGoneError(StorageError):
    """The mailbox is not the one that the ledger knows."""


class Mailbox:
    """The folders of one account below `data_dir`."""

    def __init__(self, data_dir: Path, account: str, profile: Profile) -> None:
        self.account = account
        self.profile = profile
        self.root = data_dir / "mailboxes" / account
        self.archive = Archive(data_dir / "archive" / account)
        self._staging = data_dir / "staging" / account
        self._placing = self._staging / "placing"
        self._locks = data_dir / "locks"
        self._folders = {role: self.root / profile.folder(role) for role in Folder}
        self.aside = Aside(
            self.standing,
            folders=[self.folder(role) for role in INBOUND_FOLDERS],
            staging=self._staging / "aside",
        )
        self.statin = Statin(
            self.folder(Folder.STATIN), archive=self.archive, staged=lambda: self.staged("take")
        )

    def folder(self, role: Folder) -> Path:
        """Return the folder of this role."""
        return self._folders[role]

    def standing(self, role: Folder, name: str) -> Path:
        """Return where a file stands; the old hub's names may hold bytes that are no text."""
        return self.folder(role) / os.fsdecode(raw_of(name))

    def turn(self, direction: str, *, wait: float = 600) -> AbstractContextManager[None]:
        """Keep other processes out of one direction of this account while a block runs."""
        return lock(self._locks / f"{self.account}.{direction}", wait=wait)

    def prepare(self, mark: str | None) -> str:
        """Make the folders, or see that they are still the ones of this mark; return the mark.

        Raises MailboxGoneError when the mark is not there.
        """
        with storage(f"mailbox {self.root}"):
            for folder in (self._staging, self._placing):
                folder.mkdir(parents=True, exist_ok=True)
            self.archive.prepare()
            if mark is None:
                return self._make()
            self.ensure_same(mark)
            for role in Folder:
                self.folder(role).mkdir(exist_ok=True)
            return mark

    def _make(self) -> str:
        for role in Folder:
            self.folder(role).mkdir(parents=True, exist_ok=True)
        mark = self.root / MARK
        if not (mark.exists() and mark.read_text().strip()):
            # An empty mark, left by a crash, would be the same as none.
            fresh = self.staged("mark")
            write_file(fresh, f"{uuid.uuid4()}\n".encode())
            fresh.replace(mark)
        for folder in (self.root, self.root.parent, self.root.parent.parent):
            sync_folder(folder)
        return mark.read_text().strip()

    def identity(self) -> str:
        """Return what tells the mark's file from a copy of it, such as a backup puts back.

        It is written once; when it was last changed no program can set.
        """
        with storage(f"mailbox {self.root}"):
            found = (self.root / MARK).stat()
        return f"{found.st_ino}:{found.st_ctime_ns}"

    def placing_was_lost(self) -> bool:
        """Tell whether `placing` is no longer the folder that it was: it tells nothing then."""
        return not (self._placing / MARK).exists()

    def mark_placing(self) -> None:
        """Put into `placing` what an emptied one would not have."""
        with storage(f"staging {self._placing}"):
            (self._placing / MARK).touch()
            sync_folder(self._placing)

    def ensure_same(self, mark: str) -> None:
        """See that this is the mailbox that the ledger knows; raises MailboxGoneError."""
        try:
            there = (self.root / MARK).read_text().strip()
        except OSError:
            there = ""
        missing = [role for role in INBOUND_FOLDERS if not self._is_own_folder(role)]
        if there != mark or missing:
            raise MailboxGoneError(
                f"mailbox {self.root}: this is not the mailbox that the ledger knows (its mark "
                f"{MARK} or a folder is missing). Is a disk not mounted? Nothing is taken as "
                "collected; put the folder back and the bridge goes on"
            )

    def _is_own_folder(self, role: Folder) -> bool:
        """Tell whether a folder is there, and no other disk is mounted over it."""
        try:
            found = self.folder(role).stat()
        except OSError:
            return False
        return stat.S_ISDIR(found.st_mode) and found.st_dev == self.root.stat().st_dev

    def folder_numbers(self) -> dict[str, int]:
        """Return what tells each folder from another one put in its place (its inode)."""
        with storage(f"mailbox {self.root}"):
            return {role: self.folder(role).stat().st_ino for role in INBOUND_FOLDERS}

    def take_confirmation(self, name: str) -> bool:
        """Tell whether a person has put a file of this name beside the mark; it counts once."""
        path = self.root / name
        with storage(str(path)):
            confirmed = path.exists()
            path.unlink(missing_ok=True)
        return confirmed

    def staged(self, purpose: str) -> Path:
        """Return a new path in the staging folder for a file of this purpose."""
        folder = self._staging / purpose
        if not folder.is_dir():
            with storage(f"staging {folder}"):
                folder.mkdir(parents=True, exist_ok=True)
        return folder / uuid.uuid4().hex

    def clear_staged(self, purpose: str) -> int:
        """Remove what an interrupted round of this purpose left; return how many files.

        Nobody has seen them.
        """
        folder = self._staging / purpose
        if not folder.is_dir():
            return 0
        with storage(f"staging {folder}"):
            left = list(folder.iterdir())
            for path in left:
                path.unlink()
        return len(left)

    def keep_bytes(self, content: bytes, *, purpose: str) -> Digest:
        """Put bytes into the archive, durably; return their digest."""
        staged = self.staged(purpose)
        digest = digest_of(content)
        with removed_unless_whole(staged):
            with storage(f"staging {staged}"), staged.open("wb", buffering=WHOLE) as file:
                file.write(content)
            self.archive.keep(staged, digest)
        return digest

    def make_ready(self, files: Iterable[tuple[Folder, str, Digest]]) -> None:
        """Link archived files into `placing`, durably; the ledger says `placing` afterwards."""
        with storage(f"staging {self._placing}"):
            for role, name, digest in files:
                kept, ready = self.archive.path(digest), self._ready(role, name)
                try:
                    os.link(kept, ready)
                except FileExistsError:  # from right before a crash, maybe to other bytes
                    ready.unlink()
                    os.link(kept, ready)
            sync_folder(self._placing)

    def clear_placing(self, wanted: Iterable[tuple[Folder, str]]) -> int:
        """Remove the links that the ledger does not want shown; return how many there were.

        Nobody has seen them: the power failed before the ledger knew of them. Both directions'
        turns must be held, or a link just made would be taken for one of them.
        """
        names = {self._ready(role, name).name for role, name in wanted} | {MARK}
        with storage(f"staging {self._placing}"):
            strays = [path for path in self._placing.iterdir() if path.name not in names]
            for path in strays:
                path.unlink()
        return len(strays)

    def show(self, role: Folder, name: str) -> bool:
        """Make a file visible that was made ready; durable by `sync`. Safe to repeat.

        Returns False when it was shown before and is gone: collected. Raises NameTakenError when
        another file has that name.
        """
        ready, target = self._ready(role, name), self.standing(role, name)
        with storage(f"{self.profile.folder(role)}/{name}"):
            if not os.path.lexists(ready):
                return target.exists()
            if target.exists():
                raise NameTakenError(
                    f"{target}: a file of this name that the bridge did not place stands there: "
                    "move it away and the bridge goes on"
                )
            ready.rename(target)
        return True

    def sync(self, roles: Iterable[Folder]) -> None:
        """Make durable what was shown in these folders."""
        for role in roles:
            with storage(f"mailbox {self.folder(role)}"):
                sync_folder(self.folder(role))

    def _ready(self, role: Folder, name: str) -> Path:
        return self._placing / hashlib.sha256(f"{role}/{name}".encode()).hexdigest()[:40]

    def take_back(self, role: Folder, name: str, digest: Digest) -> None:
        """Remove a file from the mailbox, durably; its bytes are in the archive, or go there."""
        standing = self.standing(role, name)
        with storage(f"{self.profile.folder(role)}/{name}"):
            if standing.exists() and not self.archive.path(digest).exists():
                self.keep_bytes(standing.read_bytes(), purpose="fetch")
            standing.unlink(missing_ok=True)
            sync_folder(self.folder(role))

    def present(self, role: Folder) -> frozenset[str]:
        """Return the names in a folder."""
        with storage(f"mailbox {self.folder(role)}"):
            # To make a hundred thousand paths each time takes long.
            return frozenset(map(_stored, os.listdir(self.folder(role))))  # noqa: PTH208  (as said)

    def is_gone(self, role: Folder, name: str) -> bool:
        """Tell whether a file is not in its folder."""
        return not os.path.lexists(self.standing(role, name))

    def identities(self, role: Folder, names: Iterable[str]) -> frozenset[Identity]:
        """Return which files these names in a folder stand for; some may have gone."""
        standing = (self.standing(role, name) for name in names)
        return frozenset(found for path in standing if (found := identity_of(path)))

    def holds(self, role: Folder, name: str, digest: Digest) -> bool:
        """Tell whether a file in the mailbox has these bytes; False for what is no plain file."""
        return _digest(self.standing(role, name)) == digest

    def copies(self, role: Folder, names: Iterable[str], digests: Set[Digest]) -> Set[Digest]:
        """Return which archived bytes the plain files of these names in a folder hold."""
        sizes = {found.st_size for it in digests if (found := _stat(self.archive.path(it)))}
        alike = (
            path
            for path in map(partial(self.standing, role), names if sizes else ())
            if (found := _stat(path)) and found.st_size in sizes
        )
        return digests & set(map(_digest, alike))


def _stored(name: str) -> str:
    return name if name.isascii() else storable(os.fsencode(name))


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def _digest(path: Path) -> Digest | None:
    """Return the digest of a plain file; None for whatever else is there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return Digest(hashlib.file_digest(file, "sha256").hexdigest())
