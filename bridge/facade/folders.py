"""A mailbox as the doors see it, and what a path in it means.

The root holds the folders of the account's naming profile, in any case of letters, and nothing
else; folders hold files and no folders. A path is taken apart as text: `..` stops at the root.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from bridge.errors import SettingsError, StorageError
from bridge.facade.events import DoorEvents, printable
from bridge.facade.handles import Handles
from bridge.facade.refusals import DoorError, No
from bridge.facade.room import Room
from bridge.facade.uploads import folder_of, hand_over_leftovers
from bridge.settings import UploadSettings

log = structlog.get_logger()

UPLOAD_ROLES = frozenset({"statin", "in", "adjin"})
"""Roles of the folders that clients write to, in a mailbox of the bridge."""

_LONGEST_NAME = 255
"""Bytes of a file name: what Linux file systems hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorMailbox:
    """An account's mailbox as the doors see it: a root with real folders, and a staging folder.

    `folders` maps a role (`out`, `statin`, …) to the folder's name; `staging` must be on the same
    file system as `root`.
    """

    account: str
    root: Path
    folders: Mapping[str, str]
    staging: Path
    written: frozenset[str] = UPLOAD_ROLES
    """Roles of the folders that clients write to; from all others they only fetch and delete."""
    limits: UploadSettings = field(default_factory=UploadSettings)
    room: Room = field(init=False, repr=False, compare=False)
    """How much may still be uploaded, for all visits together."""
    handles: Handles = field(default_factory=Handles, init=False, repr=False, compare=False)
    """What each user has open."""

    def __post_init__(self) -> None:
        """Make the count of what is uploaded."""
        folders = {
            role: self.root / name for role, name in self.folders.items() if role in self.written
        }
        object.__setattr__(self, "room", Room(folders, self.limits))  # the one thing that changes

    @property
    def uploads(self) -> Path:
        """Where this mailbox's uploads are while they come in."""
        return folder_of(self.staging, self.account)

    def prepare(self) -> None:
        """Make the folders that are missing; raises StorageError or SettingsError."""
        try:
            for folder in self.folders.values():
                (self.root / folder).mkdir(parents=True, exist_ok=True)
            self.uploads.mkdir(parents=True, exist_ok=True)
            together = self.root.stat().st_dev == self.uploads.stat().st_dev
        except OSError as error:
            raise StorageError(
                f"mailbox of {self.account}: {error.filename}: {error.strerror}: make it a folder "
                "that this program may write to"
            ) from error
        if not together:
            raise SettingsError(
                f"mailbox of {self.account}: {self.root} and {self.staging} are on two file "
                "systems: put them on one, so that a finished upload can be moved in one step"
            )

    def path_of(self, role: str) -> str:
        """Return the path of a folder."""
        return f"{self.root}/{self.folders[role]}"

    def folders_in(self, place: "Place") -> list[str]:
        """Return the names of the folders in a folder, or in the root."""
        return list(self.folders.values()) if place.role is None else []

    def make_folder(self, path: str) -> None:
        """Refuse to make a folder."""
        raise DoorError(No.DENIED, "the folders of the mailbox are fixed")

    def may_move(self, role: str, to: str) -> bool:
        """Tell whether a file may be renamed out of one folder into another."""
        return role == to

    def hand_over_leftovers(self, events: DoorEvents) -> None:
        """Tell of uploads that an earlier run left behind (`upload_cut_off`); call it at start."""
        hand_over_leftovers(self.staging, account=self.account, events=events)

    def canonical(self, path: str) -> str:
        """Return the path in its one form; it need not exist."""
        parts = _parts(path)
        if parts and (role := self._role(parts[0])):
            parts[0] = self.folders[role]
        return "/" + "/".join(parts)

    def place(self, path: str) -> "Place":
        """Return what the path means; a file need not exist."""
        parts = _parts(path)
        if not parts:
            return Place()
        role = self._role(parts[0])
        if role is None or len(parts) > 2:  # noqa: PLR2004  (folder and file)
            raise DoorError(No.MISSING, f"{printable(path)}: no such file or folder")
        return Place(role, parts[1] if len(parts) > 1 else None)

    def file(self, path: str) -> "FilePlace":
        """Return which file the path means; it need not exist."""
        place = self.place(path)
        if place.role is None or place.name is None:
            raise DoorError(No.DENIED, f"{printable(path)}: this is a folder")
        return FilePlace(place.role, place.name)

    def _role(self, folder: str) -> str | None:
        for role, name in self.folders.items():
            if name.casefold() == folder.casefold():
                return role
        return None


@dataclass(frozen=True, slots=True)
class Place:
    """What a path means: the root (no role), a folder (no name) or a file."""

    role: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class FilePlace:
    """A file in a folder."""

    role: str
    name: str


def _parts(path: str) -> list[str]:
    if "\0" in path:
        raise DoorError(No.DENIED, "a name cannot hold a NUL")
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return parts


def must_be_good(name: str) -> None:
    """Refuse a new name that file systems or listings cannot hold."""
    if len(os.fsencode(name)) > _LONGEST_NAME:
        raise DoorError(No.FAILED, f"a name of more than {_LONGEST_NAME} bytes cannot be stored")
    if any(character < " " or character == "\x7f" for character in name):
        raise DoorError(No.DENIED, "a name cannot hold control characters")
    if printable(name) != name:
        log.warning("the client sent a name that is no UTF-8", name=printable(name))
