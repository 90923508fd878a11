"""A rollback into a folder: the old mailbox in its old form, with a manifest, for any importer.

    DIR/out  adjout  statout          what is still to be imported
    DIR/statin                        state files that the hub has not accepted yet
    DIR/collected/out …               what the software has already, for an auditor
    DIR/manifest.json  SHA256SUMS  report.html

What was written once is not written again: an importer may be taking it already. The manifest is
written last; without one a folder is not finished.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from bridge.account import Account
from bridge.durable import storage, sync_folder
from bridge.errors import SettingsError, StorageError
from bridge.filename import raw_of
from bridge.ledger import handed
from bridge.ledger.placed_files import Kind, PlacedFile
from bridge.model import Digest, HubId
from bridge.naming import Folder
from reconcile.moves.updates import OpenFile

COLLECTED = "collected"
MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"
REPORT = "report.html"

TO_IMPORT = "to-import"
ALREADY = "already-collected"

_KINDS = {Kind.INVOICE: "invoice", Kind.ATTACHMENT: "attachment", Kind.STATE: "state"}
_WORKERS = 8


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


@dataclass(slots=True)
class Target:
    """The folder that a rollback writes."""

    account: Account
    root: Path
    troubles: list[str] = field(default_factory=list)

    def refuse_strange(self) -> None:
        """Raise SettingsError where something else lies in the folder already."""
        with storage(f"folder {self.root}"):
            if self.root.exists() and any(self.root.iterdir()):
                raise SettingsError(
                    f"--target {self.root}: it is not empty; name a new folder, so that nothing of "
                    "another rollback is imported from it"
                )

    def prepare(self) -> None:
        """Make the folders."""
        with storage(f"folder {self.root}"):
            for base in (self.root, self.root / COLLECTED):
                for role in (Folder.OUT, Folder.ADJOUT, Folder.STATOUT):
                    (base / self._name(role)).mkdir(parents=True, exist_ok=True)
            (self.root / self._name(Folder.STATIN)).mkdir(exist_ok=True)

    def write(self, files: Iterable[PlacedFile], *, below: str = "") -> None:
        """Write files from the archive, each whole or not at all; what is there stays."""
        with ThreadPoolExecutor(_WORKERS, thread_name_prefix="target") as pool:
            list(pool.map(lambda file: self._write(file, below), files))
        for role in (Folder.OUT, Folder.ADJOUT, Folder.STATOUT):
            sync_folder(self.root / below / self._name(role))

    def write_collected(self) -> None:
        """Write what the software had taken already."""
        with self.account.ledger.read() as connection:
            self.write(handed.collected_files(connection, self.account.name), below=COLLECTED)

    def write_state_files(self, files: Sequence[OpenFile]) -> None:
        """Write what is still to be told to the hub, in order."""
        for file, path in self._state_paths(files):
            self._put(path, self.account.mailbox.archive.read(file.digest))

    def finish(
        self, open_ones: Sequence[OpenFile], report: bytes, *, since: datetime, now: datetime
    ) -> None:
        """Write report, manifest and sums."""
        rows = list(self.files(open_ones, since=since))
        self._put(self.root / REPORT, report, over=True)
        document = {
            "schema": 1,
            "account": self.account.name,
            "generated_at": now.isoformat(timespec="seconds"),
            "files": [_as_row(row) for row in rows],
        }
        text = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
        sums = [(row.digest, row.path) for row in rows]
        sums += [(_digest(report), REPORT), (_digest(text.encode()), MANIFEST)]
        lines = "".join(f"{digest}  {path}\n" for digest, path in sorted(sums, key=_by_path))
        self._put(self.root / SUMS, lines.encode(), over=True)
        self._put(self.root / MANIFEST, text.encode(), over=True)

    def files(self, open_ones: Sequence[OpenFile], *, since: datetime) -> Iterator[Written]:
        """Yield all files that belong into the folder, by path."""
        account = self.account
        found: list[Written] = []
        with account.ledger.read() as connection:
            for file in handed.files(connection, account.name, since=since):
                found += self._written(file, TO_IMPORT, "")
            for file in handed.collected_files(connection, account.name):
                found += self._written(file, ALREADY, f"{COLLECTED}/")
        for it, path in self._state_paths(open_ones):
            found.append(
                Written(
                    path=path.relative_to(self.root).as_posix(),
                    digest=it.digest,
                    size=account.mailbox.archive.path(it.digest).stat().st_size,
                    hub_id=it.hub_id,
                    kind="state",
                    outcome=TO_IMPORT,
                )
            )
        return iter(sorted(found, key=lambda row: row.path))

    def missing(self, open_ones: Sequence[OpenFile], *, since: datetime) -> list[str]:
        """Read the folder back: return what is not there as it should be."""
        wrong = []
        for row in self.files(open_ones, since=since):
            path = self.root / row.path
            try:
                with path.open("rb") as file:
                    whole = hashlib.file_digest(file, "sha256").hexdigest() == row.digest
            except OSError:
                whole = False
            if not whole:
                wrong.append(row.path)
        return wrong

    def _written(self, file: PlacedFile, outcome: str, below: str) -> Iterator[Written]:
        kept = self.account.mailbox.archive.path(file.digest)
        if not kept.exists():
            return  # it left the archive on purpose, long ago
        yield Written(
            path=f"{below}{self._name(file.folder)}/{file.name}",
            digest=file.digest,
            size=kept.stat().st_size,
            hub_id=file.hub_id,
            kind=_KINDS[file.kind],
            outcome=outcome,
        )

    def _write(self, file: PlacedFile, below: str) -> None:
        path = self.root / below / self._name(file.folder) / os.fsdecode(raw_of(file.name))
        try:
            content = self.account.mailbox.archive.read(file.digest)
        except StorageError as error:
            self.troubles.append(str(error))
            return
        self._put(path, content)

    def _put(self, path: Path, content: bytes, *, over: bool = False) -> None:
        with storage(f"file {path}"):
            if path.exists() and not over:
                return
            staged = path.with_name(f".{hashlib.sha256(path.name.encode()).hexdigest()[:16]}.tmp")
            with staged.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            staged.rename(path)

    def _state_paths(self, files: Sequence[OpenFile]) -> Iterator[tuple[OpenFile, Path]]:
        """Yield where each state file is written; two of the same name get different ones."""
        used: set[str] = set()
        for file in files:
            name = file.name
            if name in used:
                stem, dot, ending = name.rpartition(".")
                name = f"{stem}-{file.original.id}{dot}{ending}"
            used.add(name)
            yield file, self.root / self._name(Folder.STATIN) / os.fsdecode(raw_of(name))

    def _name(self, role: Folder) -> str:
        return self.account.mailbox.profile.folder(role)


def _as_row(row: Written) -> dict[str, Any]:
    return {
        "path": row.path,
        "sha256": row.digest,
        "size": row.size,
        "hub_id": row.hub_id or "",
        "kind": row.kind,
        "outcome": row.outcome,
    }


def _digest(content: bytes) -> Digest:
    return Digest(hashlib.sha256(content).hexdigest())


def _by_path(row: tuple[str, str]) -> str:
    return row[1]
