"""The old mailbox's folders as a plain server shows them: clients write, and sort, as they like.

A rollback needs that: it puts files where the software reads, and moves others to a folder aside.
"""

import os

from bridge.facade.events import printable
from bridge.facade.folders import DoorMailbox, Place, must_be_good
from bridge.facade.refusals import DoorError, No

_FURTHER = "./"
"""Begins the role of a folder that is none of the profile's: its path follows."""


class OpenMailbox(DoorMailbox):
    """A mailbox in which clients make folders, and move files between all of them.

    Files are written into the folders of the profile, and get into others by being renamed.
    """

    __slots__ = ()

    def place(self, path: str) -> Place:
        """Return what the path means; a file need not exist, its folder must."""
        inside = self.canonical(path)[1:]
        if not inside:
            return Place()
        if (self.root / inside).is_dir():
            return Place(self._role_at(inside))
        folder, _, name = inside.rpartition("/")
        if not folder or not (self.root / folder).is_dir():
            raise DoorError(No.MISSING, f"{printable(path)}: no such file or folder")
        return Place(self._role_at(folder), name)

    def path_of(self, role: str) -> str:
        """Return the path of a folder."""
        return f"{self.root}/{self.folders.get(role, role)}"

    def folders_in(self, place: Place) -> list[str]:
        """Return the names of the folders in a folder, or in the root."""
        with os.scandir(self.root if place.role is None else self.path_of(place.role)) as rows:
            return [row.name for row in rows if row.is_dir(follow_symlinks=False)]

    def make_folder(self, path: str) -> None:
        """Make a folder; what it is to lie in must be there."""
        inside = self.canonical(path)[1:]
        must_be_good(inside.rpartition("/")[2])
        (self.root / inside).mkdir()

    def may_move(self, role: str, to: str) -> bool:
        """Let files move: nothing is fixed here."""
        return True

    def _role_at(self, folder: str) -> str:
        known = (role for role, name in self.folders.items() if name == folder)
        return next(known, _FURTHER + folder)
