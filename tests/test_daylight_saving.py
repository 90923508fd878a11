"""Daylight saving: 2026-03-29 and 2026-10-25 in Madrid, for payment dates, tokens and waits."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from bridge import feedback
from bridge.hub.fields import moment
from bridge.model import State
from bridge.translate import updates_of
from tests.accounts import Office, Said, annotated, failing, state_file


def paid_on(payment: str) -> date | None:
    """Return the date that the hub is told for a `PaymentDate`."""
    details = f"<PaymentDate>{payment}</PaymentDate>"
    message = feedback.read(state_file(Said(hub_id="1", status=State.PAID, details=details)))
    (update,) = updates_of(message)
    outcome = update.outcome
    return getattr(outcome, "paid_on", None)


@pytest.mark.parametrize(
    ("payment", "day"),
    [
        ("2026-03-28T22:30:00Z", 28),  # 23:30 in winter time
        ("2026-03-28T23:30:00Z", 29),  # 0:30, the night of the change
        ("2026-03-29T00:59:59Z", 29),  # the last second of winter time
        ("2026-03-29T02:30:00", 29),  # a time that no clock in Madrid showed
        ("2026-03-29T21:30:00Z", 29),  # 23:30 in summer time
        ("2026-03-29T22:30:00Z", 30),
        ("2026-03-29T23:30:00Z", 30),
        ("2026-03-29T23:30:00", 29),
        ("2026-03-29", 29),
        ("2026-03-29+01:00", 29),
        ("2026-03-30+02:00", 30),
    ],
)
def test_a_payment_keeps_its_day_when_summer_time_begins(payment: str, day: int) -> None:
    assert paid_on(payment) == date(2026, 3, day)


@pytest.mark.parametrize(
    ("payment", "day"),
    [
        ("2026-10-24T21:30:00Z", 24),  # 23:30 in summer time
        ("2026-10-24T22:30:00Z", 25),
        ("2026-10-24T23:30:00Z", 25),
        ("2026-10-25T02:30:00", 25),  # a time that came twice
        ("2026-10-25T22:30:00Z", 25),  # 23:30 in winter time
        ("2026-10-25T23:30:00Z", 26),
        ("2026-10-25T23:30:00", 25),
        ("2026-10-25", 25),
        ("2026-10-25+02:00", 25),
        ("2026-10-26+01:00", 26),
    ],
)
def test_a_payment_keeps_its_day_when_summer_time_ends(payment: str, day: int) -> None:
    assert paid_on(payment) == date(2026, 10, day)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-03-29T01:59:59", datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)),
        ("2026-03-29T03:00:00", datetime(2026, 3, 29, 1, tzinfo=UTC)),
        ("2026-10-25T01:59:59", datetime(2026, 10, 24, 23, 59, 59, tzinfo=UTC)),
        ("2026-10-25T03:00:00", datetime(2026, 10, 25, 2, tzinfo=UTC)),
    ],
)
def test_a_time_of_the_hub_without_a_zone_is_one_of_madrid(text: str, utc: datetime) -> None:
    assert moment({"dataEstat": text}, "dataEstat") == utc


@pytest.fixture
def _in_madrid(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this machine stand in Madrid."""
    monkeypatch.setenv("TZ", "Europe/Madrid")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_in_madrid")
@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 10, 25)])
def test_a_wait_over_the_change_is_as_long_as_any_other(office: Office, day: date) -> None:
    (hub_id,) = office.served()
    before = datetime.combine(day, datetime.min.time(), UTC) + timedelta(minutes=59, seconds=59)
    office.clock.ahead = before - datetime.now(UTC)
    office.sandbox.book.faults.fail(operation="update", html=True)
    office.drop("a.XML", state_file(annotated(hub_id)))
    failing(office.push)
    office.clock.pass_by(seconds=office.account.settings.push.retry_initial)
    office.push(only_due=True)
    assert office.states(hub_id)[-1] == "ANNOTATED"
