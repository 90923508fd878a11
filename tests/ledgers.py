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
