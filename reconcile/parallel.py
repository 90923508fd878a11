"""A folder of old files read by several processes at once: reading, hashing and parsing them."""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from bridge.old_file import OldFile
from bridge.old_folder import OnDisk, Unread, look, walk

AT_ONCE = 500
"""Files that a process is given at a time."""

FEW = 1000
"""So many files are read sooner than other processes are begun."""


def read_in_parallel(folder: Path) -> Iterator[OldFile | Unread]:
    """Yield every file below a folder with what it is, in the same order each time."""
    found = list(walk(folder))
    yield from (it for it in found if isinstance(it, Unread))
    paths = [it.path for it in found if isinstance(it, OnDisk)]
    if len(paths) <= FEW:
        yield from _read(folder, paths)
        return
    parts = [paths[start : start + AT_ONCE] for start in range(0, len(paths), AT_ONCE)]
    # Not forked: other threads of this process may hold locks.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context) as pool:
        for part in pool.map(partial(_read, folder), parts):
            yield from part


def _read(folder: Path, paths: Sequence[Path]) -> list[OldFile | Unread]:
    return [look(folder, path) for path in paths]
