"""The journal of an account: its events once more, as lines of a plain file in the archive.

The ledger is the one that counts; the journal is a copy that outlives it. It tells a ledger that
was restored from a backup what it has forgotten, and it is what an auditor can check without us.
Lines are appended after the transaction that recorded them; what a crash left out is added later.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bridge.chain import FIRST, Link, digest_of, parse

NAME = "events.jsonl"

_TAIL = 1 << 16
"""Bytes that hold the last line, unless it is very long."""


class GapError(Exception):
    """Events are missing between the journal's last one and those that were to be appended."""


class Journal:
    """The journal of one account. Raises OSError, and BrokenChainError for what is no event."""

    def __init__(self, archive: Path, account: str) -> None:
        """`archive` is the folder of all accounts' archives."""
        self.path = archive / account / NAME
        self._seen: tuple[int, int] | None = None
        """Size and last number when we looked last: it is ours alone most of the time."""

    def append(self, links: Sequence[Link]) -> None:
        """Append events that the journal does not have yet; raises GapError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._alone() as file:
            number = self._number(file)
            fresh = [link for link in links if link.number > number]
            if not fresh:
                return
            if fresh[0].number != number + 1:
                raise GapError(f"{self.path}: event {number + 1} is missing")
            file.write("".join(f"{link.line}\n" for link in fresh).encode())
            file.flush()
            self._seen = (file.tell(), fresh[-1].number)

    def last(self) -> tuple[int, str]:
        """Return number and digest of the newest event; 0 and nothing where there is none."""
        if not self.path.exists():
            return 0, FIRST
        with self._alone() as file:
            line = self._last_line(file)
        return (0, FIRST) if line is None else (parse(line).number, digest_of(line))

    def lines(self) -> Iterator[str]:
        """Return the events, oldest first; a line that a crash cut off is left out."""
        if not self.path.exists():
            return
        with self.path.open(encoding="utf-8", newline="\n") as file:
            for line in file:
                if not line.endswith("\n"):
                    return  # not read on: the rest of a line that is being written is no line
                yield line.removesuffix("\n")

    @contextmanager
    def _alone(self) -> Iterator[BinaryIO]:
        with self.path.open("a+b", buffering=1 << 16) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file

    def _number(self, file: BinaryIO) -> int:
        if self._seen is not None and self._seen[0] == os.fstat(file.fileno()).st_size:
            return self._seen[1]
        line = self._last_line(file)
        return 0 if line is None else parse(line).number

    @staticmethod
    def _last_line(file: BinaryIO) -> str | None:
        """Return the last whole line; a part of one, left by a crash, is cut away."""
        size = file.seek(0, os.SEEK_END)
        take = min(size, _TAIL)
        while True:
            file.seek(size - take)
            tail = file.read(take)
            end = tail.rfind(b"\n")
            start = tail.rfind(b"\n", 0, max(end, 0))
            if take == size or (end >= 0 and start >= 0):
                break
            take = min(size, take * 4)
        if end + 1 < take:
            file.truncate(size - take + end + 1)
        return None if end < 0 else tail[start + 1 : end].decode(errors="replace")
