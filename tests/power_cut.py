"""What a power cut takes that a kill leaves: bytes and names that were not synced."""

import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class PowerCut:
    """Told of every change of files, and of every sync, it knows what is not safe on disk yet.

    SQLite's files are not among it: SQLite syncs them itself, before a commit is over.
    """

    limbo: Path
    """Where removed files live on until their removal is synced."""
    sizes: dict[Path, int] = field(default_factory=dict)
    """Files with unsynced bytes, and how many of their bytes are safe."""
    names: list[tuple[frozenset[Path], Callable[[], object]]] = field(default_factory=list)
    """Folders of which none was synced since a name in them changed, and how to undo that.

    Moving a name between two folders is one transaction of the file system: syncing either does.
    """

    def writes(self, path: Path) -> None:
        self.sizes.setdefault(path, path.stat().st_size if path.exists() else 0)

    def creates(self, path: Path) -> None:
        self._changes(path.unlink, path)

    def makes(self, folder: Path) -> None:
        """What lies in a folder goes with it."""
        self.limbo.mkdir(exist_ok=True)
        self._changes(lambda: folder.rename(self.limbo / uuid.uuid4().hex), folder)

    def links(self, source: Path, target: Path) -> None:
        """One file has two names: what of its bytes is not safe is lost under both."""
        if source in self.sizes:
            self.sizes[target] = self.sizes[source]
        self.creates(target)

    def renames(self, source: Path, target: Path) -> None:
        replaced = self._kept(target)
        if source in self.sizes:
            self.sizes[target] = self.sizes.pop(source)

        def undo() -> None:
            target.rename(source)
            if replaced is not None:
                replaced.rename(target)

        self._changes(undo, source, target)

    def removes(self, path: Path) -> None:
        kept = self._kept(path)
        if kept is not None:
            self._changes(lambda: kept.rename(path), path)

    def syncs(self, path: Path) -> None:
        if self.sizes.pop(path, None) is not None:  # a folder has none, most files no other name
            for name in [it for it in list(self.sizes) if it.exists() and it.samefile(path)]:
                del self.sizes[name]
        self.names = [(folders, undo) for folders, undo in self.names if path not in folders]

    def strike(self) -> None:
        """Take all that is not safe: half of the new bytes of a file, names, removals."""
        for path, safe in list(self.sizes.items()):  # other threads still write
            if path.exists():
                size = path.stat().st_size
                os.truncate(path, min(size, (safe + size) // 2))
        for _, undo in reversed(self.names):
            with suppress(OSError):  # somebody else has changed it since: then it stays so
                undo()

    def _changes(self, undo: Callable[[], object], *paths: Path) -> None:
        self.names.append((frozenset(path.parent for path in paths), undo))

    def _kept(self, path: Path) -> Path | None:
        if not path.is_file():
            return None
        self.limbo.mkdir(exist_ok=True)
        kept = self.limbo / uuid.uuid4().hex  # several threads may remove files at once
        os.link(path, kept)
        return kept
