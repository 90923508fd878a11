"""A folder of old files, read by several processes at once where there are many.

Every file is read and hashed. What REST gave with the same bytes need not be parsed once more: the
ledger knows what that file says. So the time goes into the rest.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TypeVar

from bridge.filename import readable
from bridge.model import Digest, InvoiceFacts, digest_of
from bridge.old_files.file import OldFile
from bridge.old_files.folder import OnDisk, Unread, look, read_file, walk
from bridge.recorded import Recorded

AT_ONCE = 1000
"""Files that a process is given at a time."""

FEW = 5000
"""So many files are read sooner than other processes are begun."""

Hashed = tuple[datetime, Digest] | None
"""The time and the digest of a file; None where it cannot be read."""

T = TypeVar("T")


def read_old_folder(folder: Path, known: Mapping[Digest, Recorded]) -> Iterator[OldFile | Unread]:
    """Yield every file below a folder with what it is, in the same order each time.

    `known` are the readable invoices of the other side, by their digests.
    """
    found = list(walk(folder))
    yield from (it for it in found if isinstance(it, Unread))
    paths = [it.path for it in found if isinstance(it, OnDisk)]
    with ExitStack() as stack:
        pool = None
        if len(paths) > FEW:
            # Not forked: other threads of this process may hold locks.
            context = multiprocessing.get_context("spawn")
            pool = stack.enter_context(ProcessPoolExecutor(os.cpu_count(), mp_context=context))
        hashed = list(_in_parts(pool, partial(_hash, folder), paths))
        unknown = [
            path
            for path, seen in zip(paths, hashed, strict=True)
            if seen is None or seen[1] not in known
        ]
        parsed = _in_parts(pool, partial(_parse, folder), unknown)
        for path, seen in zip(paths, hashed, strict=True):
            if seen is None or seen[1] not in known:
                yield next(parsed)
            else:
                yield _like(path, seen, known[seen[1]])


def _in_parts(
    pool: ProcessPoolExecutor | None,
    do: Callable[[Sequence[str]], list[T]],
    paths: Sequence[Path],
) -> Iterator[T]:
    """Yield what comes of paths, in their order; a pool works on several parts at once."""
    names = list(map(str, paths))  # they go to another process in a fraction of a path's time
    parts = [names[start : start + AT_ONCE] for start in range(0, len(names), AT_ONCE)]
    for part in map(do, parts) if pool is None else pool.map(do, parts):
        yield from part


def _hash(folder: Path, names: Sequence[str]) -> list[Hashed]:
    return [_hash_one(f"{folder}/{name}") for name in names]


def _hash_one(path: str) -> Hashed:
    try:
        content, modified = read_file(path)
    except OSError:
        return None  # it is looked at once more, and the reason told
    return modified, digest_of(content)


def _parse(folder: Path, names: Sequence[str]) -> list[OldFile | Unread]:
    return [look(folder, Path(name)) for name in names]


def _like(path: Path, seen: tuple[datetime, Digest], same: Recorded) -> OldFile:
    """Return a file by what is known of one with the same bytes."""
    facts = InvoiceFacts(
        number=same.number,
        series=same.series,
        issue_date=same.issue_date,
        total=None if same.amount is None else Decimal(same.amount),
        seller_nif=same.supplier_nif,
        buyer_nif=same.receiver_nif,
    )
    modified, digest = seen
    return OldFile(
        path=path, name=readable(path.name), modified=modified, digest=digest, content=facts
    )
