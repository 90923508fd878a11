"""New ledgers at once: copies of one that Alembic made, which takes longer than most tests."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from bridge.ledger import Ledger


@cache
def _empty() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        Ledger(path).close()
        return path.read_bytes()


def put_ledger(path: Path) -> None:
    """Put an empty ledger there, as a bridge leaves it at its first start; keep one that is."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_empty())


def open_ledger(path: Path) -> Ledger:
    """Open a ledger, a new one where there is none."""
    put_ledger(path)
    return Ledger(path)


def commits(ledger: Ledger) -> int:
    """How many transactions are in the write-ahead log: SQLite marks the last frame of each."""
    wal = ledger.path.with_name("ledger.db-wal").read_bytes()
    page = int.from_bytes(wal[8:12])
    frames = (wal[start : start + 8] for start in range(32, len(wal), 24 + page))
    return sum(int.from_bytes(frame[4:]) > 0 for frame in frames)
