"""How much clients may still upload: quotas of the upload folders, and a guard for the disk.

What lies in `statin`, `in` and `adjin`, and what is under way to them, is counted together, for
both doors; what was cut off, and is kept elsewhere, is counted by itself. The counts are
estimates that are never too low: what the bridge takes away is noticed at the next look, and
before anything is refused the folder is looked at again.
"""

import errno
import os
import stat as modes
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bridge.settings import UploadSettings

LOOK_AGAIN = 60.0
"""Seconds for which a look at a folder is good while there is room."""

_SHORTEST = 1.0
"""Seconds between two looks however much is refused."""

LEAST = 4096
"""Bytes that what was cut off counts for at least: a block of the disk, and what is told of it."""

_STEP = 1 << 20
"""Bytes by which an upload's claim grows: not every write is a question."""

_MOMENT = 0.01
"""Seconds for which the disk has room when it had some: a small file's OPEN and WRITE ask both."""

_SHARE = 50
"""Of a small disk, this part is kept free instead of `min_free`."""


@dataclass(slots=True)
class _Folder:
    """What is known of a folder."""

    path: Path
    files: int = 0
    bytes: int = 0
    looked_at: float = float("-inf")
    emptier: bool = False
    """Something was deleted since."""
    claims: dict[int, int] = field(default_factory=dict)
    """Bytes that each upload under way has claimed."""

    def look(self, now: float) -> None:
        self.files = self.bytes = 0
        self.looked_at, self.emptier = now, False
        with os.scandir(self.path) as rows:
            for row in rows:
                try:
                    found = row.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if modes.S_ISREG(found.st_mode):
                    self.files += 1
                    self.bytes += found.st_size


class Room:
    """The room for one account's uploads; every method may be called from any thread."""

    def __init__(
        self,
        folders: dict[str, Path],
        limits: UploadSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`folders` by role."""
        self.limits = limits
        self._folders = {role: _Folder(path) for role, path in folders.items()}
        self._clock = clock
        self._lock = threading.Lock()
        self._has_disk_until = float("-inf")
        self.cut_off = 0
        """Bytes that are kept of uploads that were cut off, as far as is known here."""

    @property
    def cut_off_is_full(self) -> bool:
        """Whether so much of what was cut off is kept that nothing is taken."""
        return self.cut_off > self.limits.cut_off

    def more_cut_off(self, size: int) -> None:
        """Count bytes that were cut off; fewer than 0 where some went."""
        with self._lock:
            self.cut_off += size

    def begin(self, role: str) -> "Claim":
        """Make room for one file more; OSError when there is none."""
        folder = self._folders[role]
        claim = Claim(self, role)
        with self._lock:
            problem = self._too_much_cut_off() or self._problem(role, folder, files=1, size=0)
            if problem:
                raise OSError(errno.EDQUOT, problem)
            folder.claims[id(claim)] = 0
        return claim

    def grow(self, claim: "Claim", size: int) -> None:
        """Let an upload have so many bytes; OSError when there is no room for them."""
        if size > self.limits.max_size:
            raise OSError(errno.EFBIG, f"too large: {_size(self.limits.max_size)} at most")
        folder = self._folders[claim.role]
        wanted = min(-(-size // _STEP) * _STEP, self.limits.max_size)
        with self._lock:
            more = wanted - folder.claims.get(id(claim), 0)
            problem = self._too_much_cut_off() or self._problem(
                claim.role, folder, files=0, size=more
            )
            if problem:
                raise OSError(errno.EDQUOT, problem)
            folder.claims[id(claim)] = wanted
            claim.size = wanted

    def end(self, claim: "Claim", *, size: int | None) -> None:
        """Count a finished upload of this size, or one that came to nothing (None)."""
        folder = self._folders[claim.role]
        with self._lock:
            known = folder.claims.pop(id(claim), None)
            if known is not None and size is not None:
                folder.files += 1
                folder.bytes += size

    def deleted(self, role: str) -> None:
        """Take note that a client deleted a file."""
        if role in self._folders:
            self._folders[role].emptier = True

    def _problem(self, role: str, folder: _Folder, *, files: int, size: int) -> str:
        """Say why there is no room for more; look at the folder before saying so."""
        now = self._clock()
        if now - folder.looked_at > LOOK_AGAIN:
            folder.look(now)
        problem = self._over(role, folder, files, size)
        if problem and (folder.emptier or now - folder.looked_at > _SHORTEST):
            folder.look(now)
            problem = self._over(role, folder, files, size)
        return problem or self._disk(folder, now)

    def _too_much_cut_off(self) -> str:
        if not self.cut_off_is_full:
            return ""
        return (
            f"nothing is taken: uploads that were cut off fill their {_size(self.limits.cut_off)}; "
            "the oldest go when they are a day old"
        )

    def _over(self, role: str, folder: _Folder, files: int, size: int) -> str:
        limits = self.limits
        if folder.files + len(folder.claims) + files > limits.max_files:
            return f"{role} is full: no more than {limits.max_files} files may lie there"
        if folder.bytes + sum(folder.claims.values()) + size > limits.quota:
            return f"{role} is full: no more than {_size(limits.quota)} may lie there"
        return ""

    def _disk(self, folder: _Folder, now: float) -> str:
        if now < self._has_disk_until:
            return ""
        disk = os.statvfs(folder.path)
        free = disk.f_bavail * disk.f_frsize
        least = min(self.limits.min_free, disk.f_blocks * disk.f_frsize // _SHARE)
        if free < least:
            return "the disk is nearly full: nothing more is taken"
        self._has_disk_until = now + _MOMENT
        return ""


class Claim:
    """The room that one upload has; for one thread at a time."""

    def __init__(self, room: Room, role: str) -> None:
        self.role = role
        self.size = 0
        self._room = room

    def cover(self, size: int) -> None:
        """Make sure that there is room for so many bytes; OSError when there is not."""
        if size > self.size:
            self._room.grow(self, size)

    def end(self, *, size: int | None = None) -> None:
        """Give the room back: the file lies in its folder now, or came to nothing."""
        self._room.end(self, size=size)

    def cut_off(self, size: int) -> None:
        """Give the room back; what came is kept elsewhere, and counts there."""
        self._room.end(self, size=None)
        self._room.more_cut_off(max(size, LEAST))


def _size(count: int) -> str:
    return f"{count / 1_000_000:g} MB"
