"""How many events are written down one by one, and what becomes of the others."""

from datetime import UTC, datetime, timedelta

import pytest

from bridge.flood import EVERY, Flood, Happening, Source, Stock

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WHO = Source("town", "rcf", Happening.LOGIN)


@pytest.fixture
def flood() -> Flood:
    return Flood({happening: Stock(3, 6) for happening in Happening})


def come(flood: Flood, times: int, *, at: datetime = NOW, source: Source = WHO) -> int:
    """Return how many of so many events are let through."""
    return sum(flood.lets_through(source, {"address": f"10.0.0.{n}"}, at=at) for n in range(times))


def test_what_is_usual_is_written_down_one_by_one(flood: Flood) -> None:
    assert come(flood, 3) == 3
    assert list(flood.sums(now=NOW + EVERY)) == []


def test_a_flood_is_written_down_up_to_a_number(flood: Flood) -> None:
    assert come(flood, 1000) == 3


def test_with_time_more_is_written_down_again(flood: Flood) -> None:
    come(flood, 1000)
    assert come(flood, 1000, at=NOW + timedelta(minutes=20)) == 2
    assert come(flood, 1000, at=NOW + timedelta(days=1)) == 3


def test_one_flood_does_not_hide_what_others_do(flood: Flood) -> None:
    come(flood, 1000)
    assert come(flood, 1, source=Source("town", "other", Happening.LOGIN)) == 1
    assert come(flood, 1, source=Source("town", "rcf", Happening.DELETION)) == 1


def test_the_rest_is_summed_up_once_an_hour(flood: Flood) -> None:
    come(flood, 10)
    assert list(flood.sums(now=NOW + EVERY / 2)) == []
    (it,) = flood.sums(now=NOW + EVERY)
    assert (it.source, it.times) == (WHO, 7)
    assert "10.0.0.9" in it.named["address"]
    assert list(flood.sums(now=NOW + EVERY)) == []


def test_a_sum_does_not_grow_with_the_number_of_attackers(flood: Flood) -> None:
    come(flood, 10_000)
    (it,) = flood.sums(now=NOW, all_of_them=True)
    assert it.times == 9_997
    assert len(it.named["address"]) == 20


def test_a_clock_that_is_set_back_lets_no_more_through(flood: Flood) -> None:
    come(flood, 3)
    assert come(flood, 5, at=NOW - timedelta(days=1)) == 0
