"""The archive of an account: every file that it ever received, once each, by digest.

It is the evidence that reconciling and rolling back need, and what the files in the mailbox are
links to.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from bridge.durable import WHOLE, storage, sync_file, sync_folder
from bridge.model import Digest

Identity = tuple[int, int]
"""What all names of one file have in common: its file system and its inode."""

_PREFIXES = frozenset(f"{number:02x}" for number in range(256))
"""The archive's folders: the first two digits of a digest."""


class Archive:
    """Every file that an account ever received, once each, by digest."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, digest: Digest) -> Path:
        """Return where the bytes of this digest lie."""
        return self.root.joinpath(digest[:2], digest)

    def prepare(self) -> None:
        """Make the folders, all at once: so keeping a file has only its own folder to sync."""
        self.root.mkdir(parents=True, exist_ok=True)
        missing = _PREFIXES - {path.name for path in self.root.iterdir()}
        for prefix in missing:
            (self.root / prefix).mkdir(exist_ok=True)
        if missing:
            sync_folder(self.root)

    def keep(self, staged: Path, digest: Digest) -> Path:
        """Keep a staged file; the staged name goes. Safe to repeat.

        The file is synced here; `prepare` has made the folders.
        """
        kept = self.hold(staged, digest)
        with storage(f"archive {kept}"):
            staged.unlink()
        return kept

    def hold(self, staged: Path, digest: Digest) -> Path:
        """Keep a file that somebody else still needs under its staged name. Safe to repeat."""
        kept = self.path(digest)
        with storage(f"archive {kept}"):
            sync_file(staged)
            with suppress(FileExistsError):  # the same bytes, maybe from right before a crash
                os.link(staged, kept)
            sync_folder(kept.parent)
        return kept

    def files(self) -> Iterator[Path]:
        """Return every file that is kept, by digest."""
        for prefix in sorted(_PREFIXES):
            folder = self.root / prefix
            if folder.is_dir():
                yield from sorted(folder.iterdir())

    def identity(self, digest: Digest) -> Identity | None:
        """Return which file holds the bytes of this digest: in a mailbox it is the same one."""
        return identity_of(self.path(digest))

    def remove(self, digest: Digest) -> None:
        """Let the bytes of this digest go. Safe to repeat."""
        with storage(f"archive {self.path(digest)}"):
            self.path(digest).unlink(missing_ok=True)

    def read(self, digest: Digest, *, most: int = -1) -> bytes:
        """Return the bytes of this digest, at most that many; raises StorageError without them."""
        path = self.path(digest)
        with storage(f"archive {path}"), path.open("rb", buffering=WHOLE) as file:
            size = os.fstat(file.fileno()).st_size
            return file.read(size if most < 0 else min(most, size))  # it takes that much memory


def identity_of(path: Path) -> Identity | None:
    """Return which file a path leads to; None where there is none."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
