"""What a rollback's folder holds, file by file: read back, and written down for whoever imports it.

All goes by in the order of the paths; a hundred thousand invoices need no more room than one.
"""

import hashlib
import heapq
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from typing import IO

from sqlalchemy import Connection

from bridge.durable import removed_unless_whole, storage, sync_folder
from bridge.ledger import handed
from bridge.ledger.placed_files import Kind, PlacedFile
from bridge.model import Digest, HubId
from reconcile.moves.folder import COLLECTED, FILLED, Target
from reconcile.moves.updates import OpenFile

MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"
REPORT = "report.html"

TO_IMPORT = "to-import"
ALREADY = "already-collected"

_KINDS = {Kind.INVOICE: "invoice", Kind.ATTACHMENT: "attachment", Kind.STATE: "state"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A file of the folder."""

    path: str
    """Below the folder, with `/`."""
    digest: Digest
    size: int
    hub_id: HubId | None
    kind: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that belongs into a folder, with what was handed over since a time."""

    target: Target
    state_files: Sequence[OpenFile]
    since: datetime

    def files(self) -> Iterator[Written]:
        """Yield all files, by path."""
        account = self.target.account
        with account.ledger.read() as connection:
            streams = [self._state_files(), *self._placed(connection)]
            yield from heapq.merge(*streams, key=attrgetter("path"))

    def missing(self) -> list[str]:
        """Read the folder back: return what is not there as it should be."""
        return [row.path for row in self.files() if not self._is_whole(row)]

    def write(self, report: bytes, *, now: datetime) -> None:
        """Write report, sums and manifest."""
        root = self.target.root
        with _replacing(root / REPORT) as file:
            file.write(report)
        ready = root / f".{MANIFEST}.tmp"
        digest = self._lay_ready(ready, now)
        ours = [(MANIFEST, digest), (REPORT, hashlib.sha256(report).hexdigest())]
        with _replacing(root / SUMS) as file:
            rows = ((row.path, str(row.digest)) for row in self.files())
            for path, digest in heapq.merge(ours, rows):
                file.write(f"{digest}  {path}\n".encode())
        with storage(f"file {root / MANIFEST}"):
            ready.replace(root / MANIFEST)
            sync_folder(root)

    def _lay_ready(self, path: Path, now: datetime) -> str:
        """Write the manifest under a name that nobody reads; return its digest."""
        digest = hashlib.sha256()
        with _durable(path) as file:
            for part in self._text(now):
                content = part.encode()
                digest.update(content)
                file.write(content)
        return digest.hexdigest()

    def _text(self, now: datetime) -> Iterator[str]:
        head = {
            "schema": 1,
            "account": self.target.account.name,
            "generated_at": now.isoformat(timespec="seconds"),
        }
        yield json.dumps(head, ensure_ascii=False)[:-1] + ', "files": ['
        comma = "\n"
        for row in self.files():
            yield comma + json.dumps(_as_row(row), ensure_ascii=False)
            comma = ",\n"
        yield "\n]}\n"

    def _placed(self, connection: Connection) -> Iterator[Iterator[Written]]:
        """Yield a stream for each folder, each by path."""
        account = self.target.account.name
        for role in FILLED:
            to_import = handed.files(connection, account, since=self.since, folder=role)
            yield self._written(to_import, TO_IMPORT, "")
            collected = handed.collected_files(connection, account, folder=role)
            yield self._written(collected, ALREADY, f"{COLLECTED}/")

    def _written(self, files: Iterator[PlacedFile], outcome: str, below: str) -> Iterator[Written]:
        for file in files:
            size = self._size(file.digest)
            if size is None:
                continue  # it left the archive on purpose, long ago
            yield Written(
                path=f"{below}{self.target.name_of(file.folder)}/{file.name}",
                digest=file.digest,
                size=size,
                hub_id=file.hub_id,
                kind=_KINDS[file.kind],
                outcome=outcome,
            )

    def _state_files(self) -> Iterator[Written]:
        found = [
            Written(
                path=path,
                digest=it.digest,
                size=self._size(it.digest) or 0,
                hub_id=it.hub_id,
                kind="state",
                outcome=TO_IMPORT,
            )
            for it, path in self.target.state_paths(self.state_files)
        ]
        return iter(sorted(found, key=attrgetter("path")))

    def _size(self, digest: Digest) -> int | None:
        try:
            return self.target.account.mailbox.archive.path(digest).stat().st_size
        except FileNotFoundError:
            return None

    def _is_whole(self, row: Written) -> bool:
        try:
            content = self.target.path(row.path).read_bytes()
        except OSError:
            return False
        return hashlib.sha256(content).hexdigest() == row.digest


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """Write a file whole, in the place of one that may be there."""
    staged = path.with_name(f".{path.name}.tmp")
    with _durable(staged) as file:
        yield file
    with storage(f"file {path}"):
        staged.replace(path)


@contextmanager
def _durable(path: Path) -> Iterator[IO[bytes]]:
    with storage(f"file {path}"), path.open("wb") as file, removed_unless_whole(path):
        yield file
        file.flush()
        os.fsync(file.fileno())


def _as_row(row: Written) -> dict[str, str | int]:
    return {
        "path": row.path,
        "sha256": row.digest,
        "size": row.size,
        "hub_id": row.hub_id or "",
        "kind": row.kind,
        "outcome": row.outcome,
    }
