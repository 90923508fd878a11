"""What is taken out of the software's sight for a while, until it is known who has it.

It stays in staging until it is let go, so that after a crash it is known who took it.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from bridge.durable import storage, sync_folder
from bridge.naming import Folder


class Aside:
    """Files of a mailbox that were set aside."""

    def __init__(
        self, standing: Callable[[Folder, str], Path], *, folders: Sequence[Path], staging: Path
    ) -> None:
        """`standing` tells where a file stands; it comes out of one of the `folders`."""
        self._standing = standing
        self._folders = folders
        self._staging = staging

    def take(self, role: Folder, name: str) -> bool:
        """Take a file out of the software's sight, in one step; False where it is gone.

        `sync` makes it durable.
        """
        standing, aside = self._standing(role, name), self._place(role, name)
        with storage(f"{standing.parent.name}/{name}"):
            if aside.exists():
                return True
            aside.parent.mkdir(parents=True, exist_ok=True)
            try:
                standing.rename(aside)
            except FileNotFoundError:
                return False
            return True

    def sync(self) -> None:
        """Make durable what was taken."""
        with storage(f"staging {self._staging}"):
            for folder in (*self._folders, self._staging):
                if folder.exists():
                    sync_folder(folder)

    def bring_back(self, role: Folder, name: str) -> None:
        """Let the software see again what was taken."""
        standing, aside = self._standing(role, name), self._place(role, name)
        with storage(f"{standing.parent.name}/{name}"):
            if aside.exists():
                aside.rename(standing)
                sync_folder(standing.parent)

    def let_go(self, role: Folder, name: str) -> None:
        """Remove what was taken: it is where it should be, and in the archive."""
        aside = self._place(role, name)
        with storage(f"staging {aside}"):
            aside.unlink(missing_ok=True)

    def _place(self, role: Folder, name: str) -> Path:
        return self._staging / hashlib.sha256(f"{role}/{name}".encode()).hexdigest()
