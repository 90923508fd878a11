"""A rollback into a folder: the old mailbox in its old form, with a manifest, for any importer.

    DIR/out  adjout  statout          what is still to be imported
    DIR/statin                        state files that the hub has not accepted yet
    DIR/collected/out …               what the software has already, for an auditor
    DIR/manifest.json  SHA256SUMS  report.html

What was written once is not written again: an importer may be taking it already. On the file system
of the archive its files are linked (one file with two names, as in the mailbox); elsewhere they are
copied. The manifest is written last; without one a folder is not finished.
"""

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path

from bridge.account import Account
from bridge.durable import storage, sync_folder
from bridge.errors import SettingsError
from bridge.feeds.legacy import own_folder
from bridge.filename import raw_of
from bridge.ledger import handed
from bridge.ledger.placed_files import PlacedFile
from bridge.naming import Folder
from reconcile.moves.updates import OpenFile

COLLECTED = "collected"

FILLED = (Folder.OUT, Folder.ADJOUT, Folder.STATOUT)

_WORKERS = 8
_AT_ONCE = 1000
"""Files that are written before the folders are synced."""

_NO_LINK = frozenset({errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP})
"""Another file system, too many names, or a file system that has no links: it is copied."""


@dataclass(slots=True)
class Target:
    """The folder that a rollback writes."""

    account: Account
    root: Path
    troubles: list[str] = field(default_factory=list)

    def refuse_strange(self) -> None:
        """Raise SettingsError in the mailbox, and where some file lies in the folder already."""
        for said, taken in self._taken():
            if self.root.resolve().is_relative_to(taken.resolve()):
                raise SettingsError(
                    f"--target {self.root}: it lies in {said}; name a folder elsewhere"
                )
        with storage(f"folder {self.root}"):
            if self.root.exists() and not _is_new(self.root):
                raise SettingsError(
                    f"--target {self.root}: it is not empty; name a new folder, so that nothing of "
                    "another rollback is imported from it"
                )

    def _taken(self) -> Iterator[tuple[str, Path]]:
        """Yield the folders in which nothing else may lie."""
        account = self.account
        yield "the mailbox that the software reads", account.mailbox.root
        for name in ("mailboxes", "archive", "staging"):
            yield f"data_dir/{name}, which is the bridge's own", account.settings.data_dir / name
        legacy = account.own.legacy
        old = own_folder(legacy) if legacy is not None else None
        if old is not None:
            yield "the old mailbox", old

    def prepare(self) -> None:
        """Make the folders."""
        with storage(f"folder {self.root}"):
            for base in (self.root / COLLECTED, self.root):
                for role in FILLED:
                    (base / self.name_of(role)).mkdir(parents=True, exist_ok=True)
            (self.root / self.name_of(Folder.STATIN)).mkdir(exist_ok=True)

    def write(self, files: Iterable[PlacedFile], *, below: str = "") -> None:
        """Write files from the archive, each whole or not at all; what is there stays."""
        coming = iter(files)
        with ThreadPoolExecutor(_WORKERS, thread_name_prefix="target") as pool:
            while some := list(islice(coming, _AT_ONCE)):
                unlinked = [file for file in some if not self._link(file, below)]
                list(pool.map(lambda file: self._copy(file, below), unlinked))
                for role in {file.folder for file in some}:
                    sync_folder(self.root / below / self.name_of(role))

    def write_collected(self) -> None:
        """Write what the software had taken already."""
        with self.account.ledger.read() as connection:
            for role in FILLED:
                files = handed.collected_files(connection, self.account.name, folder=role)
                self.write(files, below=COLLECTED)

    def write_handed(self, *, since: datetime) -> None:
        """Write what was handed over since a time; nothing is just being handed over."""
        with self.account.ledger.read() as connection:
            for role in FILLED:
                self.write(handed.files(connection, self.account.name, since=since, folder=role))

    def write_state_files(self, files: Sequence[OpenFile]) -> None:
        """Write what is still to be told to the hub, in order."""
        for file, path in self.state_paths(files):
            self._put(self.root / path, self.account.mailbox.archive.read(file.digest))
        sync_folder(self.root / self.name_of(Folder.STATIN))

    def state_paths(self, files: Sequence[OpenFile]) -> Iterator[tuple[OpenFile, str]]:
        """Yield where each state file is written; two of the same name get different ones."""
        used: set[str] = set()
        for file in files:
            name = file.name
            if name in used:
                stem, dot, ending = name.rpartition(".")
                name = f"{stem}-{file.original.id}{dot}{ending}"
            used.add(name)
            yield file, f"{self.name_of(Folder.STATIN)}/{name}"

    def name_of(self, role: Folder) -> str:
        """Return how the folder of a role is called."""
        return self.account.mailbox.profile.folder(role)

    def path(self, name: str) -> Path:
        """Return the path of a file by what the manifest calls it."""
        return self.root / os.fsdecode(raw_of(name))

    def _link(self, file: PlacedFile, below: str) -> bool:
        """Give an archived file its name in the folder; False where it must be copied."""
        kept, path = self.account.mailbox.archive.path(file.digest), self._path(file, below)
        with storage(f"file {path}"):
            try:
                os.link(kept, path)
            except FileExistsError:
                return True
            except FileNotFoundError:
                if kept.exists():
                    raise
                self.troubles.append(f"archive {kept}: it is not there any more")
            except OSError as error:
                if error.errno not in _NO_LINK:
                    raise
                return False
            return True

    def _copy(self, file: PlacedFile, below: str) -> None:
        self._put(self._path(file, below), self.account.mailbox.archive.read(file.digest))

    def _put(self, path: Path, content: bytes) -> None:
        with storage(f"file {path}"):
            if path.exists():
                return
            staged = path.with_name(f".{hashlib.sha256(path.name.encode()).hexdigest()[:16]}.tmp")
            with staged.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            staged.rename(path)

    def _path(self, file: PlacedFile, below: str) -> Path:
        return self.root / below / self.name_of(file.folder) / os.fsdecode(raw_of(file.name))


def _is_new(root: Path) -> bool:
    """Tell whether a folder is empty, or has but the empty folders that a kill left of ours."""
    if not any(root.iterdir()):
        return True
    below = root.rglob("*")
    return (root / COLLECTED).is_dir() and all(it.is_dir() and not it.is_symlink() for it in below)
