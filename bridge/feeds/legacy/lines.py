"""What a line to an old mailbox can do: SFTP, FTP and a folder do the same few things.

Paths are bytes below the mailbox, the mailbox itself being the empty path. All raise our errors
only (`troubles`). What reads is one thing and what writes another: a reader is given a line that
has no way to write.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bridge.feeds.legacy.entries import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long an old mailbox is waited for, in seconds."""

    silence: float = 30
    """Without a byte from it."""
    whole: float = 600
    """For one listing, one file, one change, however it drips."""


PATIENCE = Patience()


class Line(Protocol):
    """Reads."""

    @property
    def where(self) -> str:
        """What and where this is, for messages."""

    def connect(self) -> None:
        """Connect, or connect again."""

    def close(self) -> None:
        """Hang up."""

    def rows(self, folder: bytes) -> list[Row]:
        """List a folder, in any order."""

    def look(self, path: bytes) -> Row | None:
        """Return what a path is, no link followed; None if nothing is there."""

    def read(self, path: bytes, *, size: int | None, most: int) -> tuple[bytes, datetime | None]:
        """Return a file's bytes and its time, if known.

        Not many more bytes than `most` are read; `size` is how many are expected.
        """


class WritableLine(Line, Protocol):
    """Reads and writes."""

    def write(self, path: bytes, content: bytes) -> None:
        """Write a file, over what was there."""

    def rename(self, old: bytes, new: bytes) -> None:
        """Give a file another path, in one step."""

    def remove(self, path: bytes) -> None:
        """Remove a file; one that is not there is no error."""

    def make_folder(self, path: bytes) -> None:
        """Make a folder; one that is there is no error."""
