"""What is found in an old mailbox: the files of a listing, and what reading one came to."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bridge.errors import OldMailboxFileError
from bridge.filename import raw_of, readable_bytes, storable
from bridge.model import Digest
from bridge.naming import Folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file of the old mailbox, as a listing shows it."""

    path: str
    """Below the mailbox, with `/`. It can be stored, and stands for exactly one file: bytes that
    are no text are kept as `bridge.filename.storable` does."""
    name: str
    """For people and patterns, whatever the bytes of the real name."""
    role: Folder | None
    """What the innermost folder that is known by its name is for."""
    size: int | None = None
    modified: datetime | None = None
    """None where the listing does not tell it for sure; reading the file may."""
    problem: str | None = None
    """Why it cannot be read: a link, a folder that cannot be looked into."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """A file that was read whole."""

    content: bytes
    digest: Digest
    modified: datetime | None


class Why(StrEnum):
    """Why a file was not read."""

    GONE = "gone"
    TOO_LARGE = "too-large"
    CHANGED = "changed"
    """It was written to meanwhile; the next look may find it whole."""
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRead:
    """A file that was not read; the others go on."""

    why: Why
    reason: str


class FileTroubleError(OldMailboxFileError):
    """One file that cannot be read, and why."""

    def __init__(self, message: str, *, why: Why) -> None:
        super().__init__(message)
        self.why = why


class Kind(StrEnum):
    """What a name stands for."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A name in a listing, as bytes."""

    name: bytes
    kind: Kind
    size: int | None = None
    modified: datetime | None = None


_NO_FILES = {
    Kind.LINK: "a link, which is not followed",
    Kind.OTHER: "no regular file",
}

_OURS = re.compile(rb"\.efact-bridge-[0-9a-f]{16}\.tmp")


def entry_of(folder: bytes, row: Row, role: Folder | None) -> Entry:
    """Return the entry that a row of a folder's listing is."""
    return Entry(
        path=storable(joined(folder, row.name)),
        name=readable_bytes(row.name),
        role=role,
        size=row.size,
        modified=row.modified,
        problem=_NO_FILES.get(row.kind),
    )


def our_temporary(name: bytes) -> bytes:
    """Return the name under which we write a file before it appears under its own."""
    return b".efact-bridge-%s.tmp" % hashlib.sha256(name).hexdigest()[:16].encode()


def is_our_temporary(name: bytes) -> bool:
    """Tell whether we wrote a file of this name and did not end."""
    return _OURS.fullmatch(name) is not None


def joined(folder: bytes, name: bytes) -> bytes:
    """Return the path of a name in a folder; the mailbox itself is the empty path."""
    return folder.rstrip(b"/") + b"/" + name if folder else name


def shown(path: bytes | str) -> str:
    """Return a path for people."""
    return readable_bytes(raw_of(path) if isinstance(path, str) else path)
