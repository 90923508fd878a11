"""How much later REST showed the invoices than the old mailbox, as a report tells it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from bridge.ledger import Ledger, schema
from reconcile.asked import Period
from reconcile.ledger_side import LedgerSides
from reconcile.ledger_times import BOUNDS
from reconcile.model import Lag
from tests.ledgers import open_ledger

T0 = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(tmp_path / "ledger.db")
    yield opened
    opened.close()


def lag(ledger: Ledger, *seconds: float) -> Lag | None:
    """Have both feeds give invoices, REST so many seconds later; return what a report tells."""
    with ledger.write() as connection:
        for number, later in enumerate(seconds):
            row = {"account": "town", "hub_id": str(number), "state": "fetched"}
            seen = {"feed": "legacy", "seen_at": T0, "recorded_at": T0}
            connection.execute(insert(schema.delivery).values(row | seen))
            seen = {"feed": "rest", "seen_at": T0 + timedelta(seconds=later)}
            connection.execute(insert(schema.delivery).values(row | seen))
    sides = LedgerSides(ledger, "town", Period(), frozenset())
    sides.suspects()
    return sides.times.lag


def test_lag_is_told_by_values_that_occur(ledger: Ledger) -> None:
    seen = lag(ledger, 30, 10, 4000, 20)
    assert seen is not None
    assert (seen.count, seen.median, seen.p95, seen.worst) == (4, 20.0, 4000.0, 4000.0)


def test_the_worst_lag_may_be_of_either_side(ledger: Ledger) -> None:
    seen = lag(ledger, -500, 20)
    assert seen is not None
    assert seen.worst == -500.0


def test_the_histogram_counts_every_invoice_up_to_its_bound(ledger: Ledger) -> None:
    seen = lag(ledger, -7200, 1, 30, 1e7)
    assert seen is not None
    counts = dict.fromkeys(BOUNDS, 0) | {-3600.0: 1, 60.0: 2, BOUNDS[-1]: 1}
    assert dict(seen.histogram) == counts


def test_without_invoices_there_is_no_lag(ledger: Ledger) -> None:
    assert lag(ledger) is None
