"""A disk of some megabytes that a test can fill, or make read-only, under the running bridge."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

SIZE = 16 * 2**20
"""Bytes; a ledger and some dozens of invoices have room."""


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A file system of its own, mounted at `root`."""

    root: Path

    @property
    def _filler(self) -> Path:
        return self.root / "filler"

    def fill(self) -> None:
        """Write until nothing has room any more."""
        with self._filler.open("ab", buffering=0) as file:
            for size in (1 << 16, 1):
                with suppress(OSError):
                    while file.write(b"x" * size) == size:
                        pass

    def make_room(self) -> None:
        """Give back what filled it."""
        self._filler.unlink()

    @contextmanager
    def read_only(self, folder: Path | None = None) -> Iterator[None]:
        """Let nothing be written while the block runs: to the disk, or below a folder.

        A kernel that finds the disk faulty does this under running programs; we may only do it to
        a disk on which no file is open for writing, or to a folder mounted over itself.
        """
        if folder is None:
            _mount("-o", "remount,ro", str(self.root))
        else:
            _mount("--bind", "-o", "ro", str(folder), str(folder))
        try:
            yield
        finally:
            if folder is None:
                _mount("-o", "remount,rw", str(self.root))
            else:
                _unmount(folder)


@contextmanager
def small_disk(root: Path) -> Iterator[SmallDisk]:
    """Mount a small disk at a new folder; skip the test where that is not allowed."""
    root.mkdir()
    try:
        _mount("-t", "tmpfs", "-o", f"size={SIZE},mode=700", "tmpfs", str(root))
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small disk cannot be mounted by this user, or in this container")
    try:
        yield SmallDisk(root)
    finally:
        _unmount(root)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


def _unmount(folder: Path) -> None:
    # Lazily: what still has a file open there must not fail the next test.
    subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)
