"""The ledger of a data folder, opened while a command runs: to work with it, or only to read."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bridge.durable import storage
from bridge.errors import LedgerError, LocalError
from bridge.ledger.database import Ledger


@contextmanager
def opened(data_dir: Path) -> Iterator[Ledger]:
    """Open the ledger of a data folder to work with it, made if missing; raises LedgerError."""
    with closing(Ledger(data_dir / "ledger.db")) as ledger:
        yield ledger


@contextmanager
def opened_to_read(data_dir: Path) -> Iterator[Ledger]:
    """Open the ledger, or an empty one where there is none yet: looking makes no files.

    On a disk that is full or read-only SQLite cannot open even to read unless somebody else has
    it open already. Then nobody writes to it, and a copy elsewhere shows what it says.
    """
    path = data_dir / "ledger.db"
    with tempfile.TemporaryDirectory() as folder:
        try:
            ledger = Ledger(path if path.exists() else Path(folder) / "ledger.db")
        except LedgerError as error:
            try:
                ledger = Ledger(_copied(path, Path(folder)))
            except LocalError:
                raise error from None
        with closing(ledger):
            yield ledger


def _copied(path: Path, folder: Path) -> Path:
    """Copy a ledger that nobody writes to; raises StorageError."""
    with storage(f"copy {path} to {folder}"):
        for part in (path, path.with_name(f"{path.name}-wal")):
            if part.exists():
                shutil.copy(part, folder)
    return folder / path.name
