"""The ledger: what a transaction said is there, and nothing else; steps are safe to repeat."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, delete, func, insert, select, update

from bridge.errors import LedgerBusyError, LedgerError
from bridge.ledger import (
    Ledger,
    attempts,
    database,
    deliveries,
    events,
    histories,
    invoices,
    placed_files,
    queueing,
    schema,
    state_files,
    updates,
)
from bridge.ledger.contents import contents_of
from bridge.ledger.migrate import upgrade
from bridge.ledger.state_files import Kind
from bridge.ledger.updates import Outcome
from bridge.model import (
    DeliveryState,
    Digest,
    FeedName,
    HubId,
    Invoice,
    InvoiceFacts,
    PendingInvoice,
    Refusal,
    State,
    StateUpdate,
    UpdateStatus,
)
from tests.ledgers import open_ledger

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ONE = HubId("1")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(tmp_path / "ledger.db")
    yield opened
    opened.close()


def see(ledger: Ledger, *hub_ids: str, feed: FeedName = FeedName.REST) -> list[HubId]:
    rows = [PendingInvoice(hub_id=HubId(hub_id)) for hub_id in hub_ids]
    with ledger.write() as connection:
        return deliveries.see(connection, "town", feed, rows, at=NOW)


def fetch(ledger: Ledger, hub_id: HubId, **facts: object) -> None:
    with ledger.write() as connection:
        row = invoices.known(connection, "town", hub_id)
        assert row is not None
        invoice = Invoice(hub_id=hub_id, **facts)  # type: ignore[arg-type]
        deliveries.fetched(
            connection, row.id, contents(invoice, None), name=f"{hub_id}.XML", at=NOW
        )


def contents(invoice: Invoice, facts: InvoiceFacts | None) -> deliveries.Contents:
    return contents_of(
        invoice, facts, digest=Digest("d"), receipt_digest=None, receipt_trouble=None
    )


def state(ledger: Ledger, hub_id: HubId) -> DeliveryState:
    with ledger.read() as connection:
        row = invoices.known(connection, "town", hub_id)
    assert row is not None
    return row.state


# -- transactions ------------------------------------------------------------------------------


def test_a_transaction_that_fails_leaves_nothing(ledger: Ledger) -> None:
    def fail() -> None:
        with ledger.write() as connection:
            events.record(connection, "town", "x", at=NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with ledger.read() as connection:
        assert connection.scalar(select(func.count()).select_from(schema.event)) == 0


def test_what_a_transaction_said_is_there_for_the_next_process(ledger: Ledger) -> None:
    see(ledger, "1")
    again = Ledger(ledger.path)
    assert state(again, ONE) is DeliveryState.SEEN
    again.close()


def test_a_reader_sees_one_state_of_things(ledger: Ledger) -> None:
    with ledger.read() as connection:
        before = connection.scalar(select(func.count()).select_from(schema.delivery))
        see(ledger, "1")
        assert connection.scalar(select(func.count()).select_from(schema.delivery)) == before


def test_threads_that_write_at_once_all_get_their_turn(ledger: Ledger) -> None:
    def record(number: int) -> None:
        with ledger.write() as connection:
            events.record(connection, "town", "x", at=NOW, number=number)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(record, range(100)))
    with ledger.read() as connection:
        assert connection.scalar(select(func.count()).select_from(schema.event)) == 100


def test_two_processes_may_open_a_new_ledger_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from bridge.ledger import Ledger; "
        "Ledger(Path(sys.argv[1])).close()"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "ledger.db")],
            cwd=Path(__file__).parents[1],
        )
        for _ in range(3)
    ]
    assert [process.wait() for process in running] == [0, 0, 0]


def test_a_ledger_that_is_no_database_is_an_error_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"no database, but long enough to be looked at " * 20)
    with pytest.raises(LedgerError, match=r"ledger\.db"):
        Ledger(path)


def test_a_ledger_that_another_program_holds_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0)
    with (
        closing(open_ledger(tmp_path / "ledger.db")) as ledger,
        held(ledger.path),
        pytest.raises(LedgerBusyError, match="another program has held it"),
    ):
        see(ledger, "1")


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the ledger as another program does that writes to it."""
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def test_a_ledger_whose_tables_are_not_those_of_its_version_says_so(tmp_path: Path) -> None:
    """As one is that was made before the first schema was final."""
    path = tmp_path / "ledger.db"
    with closing(create_engine(f"sqlite:///{path}").connect()) as connection:
        upgrade(connection, "0001")
    with closing(sqlite3.connect(path)) as before:
        before.execute("DROP INDEX delivery_by_invoice")
    with pytest.raises(LedgerError, match="before the first release") as refused:
        Ledger(path)
    assert str(path) in str(refused.value)


def test_an_old_sqlite_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    with pytest.raises(LedgerError, match=r"3\.35 or newer is needed"):
        Ledger(tmp_path / "ledger.db")


def test_a_ledger_is_made_where_no_other_process_can_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    with closing(Ledger(tmp_path / "ledger.db", lean=True)) as ledger:
        assert see(ledger, "1") == ["1"]


def test_a_ledger_is_made_though_the_process_that_makes_it_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_OPEN", "import os; os.kill(os.getpid(), 9)")
    with closing(Ledger(tmp_path / "ledger.db", lean=True)) as ledger:
        assert see(ledger, "1") == ["1"]


def test_naive_times_are_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="aware"), ledger.write() as connection:
        events.record(connection, "town", "x", at=datetime(2026, 3, 2))  # noqa: DTZ001


# -- events ------------------------------------------------------------------------------------


def test_events_are_never_changed_or_removed(ledger: Ledger) -> None:
    with ledger.write() as connection:
        events.record(connection, "town", "invoice seen", at=NOW, hub_id=ONE)
    for statement in (update(schema.event).values(kind="other"), delete(schema.event)):
        with pytest.raises(LedgerError), ledger.write() as connection:
            connection.execute(statement)
    with ledger.read() as connection:
        (found,) = histories.events(connection, ONE)
    assert (found.kind, found.at, found.actor) == ("invoice seen", NOW, "bridge")


# -- deliveries --------------------------------------------------------------------------------


def test_an_invoice_is_new_once(ledger: Ledger) -> None:
    assert see(ledger, "1", "2") == ["1", "2"]
    assert see(ledger, "2", "3") == ["3"]


def test_a_delivery_walks_from_seen_to_acknowledged(ledger: Ledger) -> None:
    see(ledger, "1")
    walked = [state(ledger, ONE)]
    fetch(ledger, ONE)
    walked.append(state(ledger, ONE))
    for step in (
        lambda c: deliveries.placed(c, "town", FeedName.REST, ONE, at=NOW),
        lambda c: deliveries.collected(c, "town", FeedName.REST, ONE, at=NOW),
        lambda c: deliveries.acknowledged(c, "town", FeedName.REST, ONE, at=NOW),
    ):
        with ledger.write() as connection:
            step(connection)
        walked.append(state(ledger, ONE))
    assert walked == list(DeliveryState)


def test_an_acknowledgement_before_the_collection_waits_for_it(ledger: Ledger) -> None:
    see(ledger, "1")
    fetch(ledger, ONE)
    with ledger.write() as connection:
        deliveries.placed(connection, "town", FeedName.REST, ONE, at=NOW)
        deliveries.acknowledged(connection, "town", FeedName.REST, ONE, at=NOW)
    assert state(ledger, ONE) is DeliveryState.PLACED
    with ledger.write() as connection:
        deliveries.collected(connection, "town", FeedName.REST, ONE, at=NOW)
    assert state(ledger, ONE) is DeliveryState.ACKNOWLEDGED


def test_what_one_feed_delivered_and_was_collected_counts_for_both(ledger: Ledger) -> None:
    see(ledger, "1", feed=FeedName.LEGACY)
    fetch(ledger, ONE)
    with ledger.write() as connection:
        deliveries.collected(connection, "town", FeedName.LEGACY, ONE, at=NOW)
        assert invoices.collected_before(connection, "town", ONE)
        assert not invoices.collected_before(connection, "other", ONE)


def test_what_failed_comes_after_what_did_not(ledger: Ledger) -> None:
    see(ledger, "1", "2", "3")
    with ledger.write() as connection:
        first = invoices.known(connection, "town", ONE)
        assert first is not None
        later = NOW + timedelta(hours=1)
        deliveries.failed(connection, first.id, trouble="9999", next_attempt_at=later)
        waiting = deliveries.to_fetch(connection, "town", FeedName.REST, due=None)
        due = deliveries.to_fetch(connection, "town", FeedName.REST, due=NOW)
        all_due = deliveries.to_fetch(connection, "town", FeedName.REST, due=later)
    assert [row.hub_id for row in waiting] == ["2", "3", "1"]
    assert [row.hub_id for row in due] == ["2", "3"]
    assert len(all_due) == 3


@pytest.mark.parametrize(
    ("number", "nif", "fits"),
    [
        ("A/7", "B12345678", True),
        ("a/7", "b-12345678", True),
        ("A/7", "ESB12345678", True),
        ("  A/7 ", "B12345678", True),
        ("A/77", "B12345678", False),
        ("", "B12345678", False),
        ("A/7", "", False),
    ],
)
def test_an_invoice_is_found_by_what_a_state_file_tells(
    ledger: Ledger, number: str, nif: str, *, fits: bool
) -> None:
    see(ledger, "1")
    fetch(ledger, ONE, number="A/7", supplier_nif="B12345678", issue_date=date(2026, 3, 1))
    with ledger.read() as connection:
        found = invoices.matching(
            connection, "town", number=number, supplier_nif=nif, issue_date=date(2026, 3, 1)
        )
    assert found == ([ONE] if fits else [])


@pytest.mark.parametrize("number", ["7", "A7", "A-7", "A/7", "A 7"])
def test_a_number_fits_with_the_series_of_the_file_or_without(ledger: Ledger, number: str) -> None:
    see(ledger, "1")
    facts = InvoiceFacts(
        number="7",
        series="A",
        issue_date=date(2026, 3, 1),
        total=None,
        seller_nif="B12345678",
        buyer_nif=None,
    )
    with ledger.write() as connection:
        row = invoices.known(connection, "town", ONE)
        assert row is not None
        told = contents(Invoice(hub_id=ONE), facts)
        deliveries.fetched(connection, row.id, told, name="1.XML", at=NOW)
        found = invoices.matching(
            connection,
            "town",
            number=number,
            supplier_nif="B12345678",
            issue_date=date(2026, 3, 1),
        )
    assert found == [ONE]


# -- placed files ------------------------------------------------------------------------------


def test_message_numbers_never_come_twice(ledger: Ledger) -> None:
    def number(_: int) -> int:
        with ledger.write() as connection:
            return placed_files.reserve_message_numbers(connection, "town", 1)

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(number, range(40))) == list(range(1, 41))


# -- the outbox --------------------------------------------------------------------------------


def queue(ledger: Ledger, outcome: StateUpdate | Refusal, *, hub_id: HubId = ONE) -> int:
    with ledger.write() as connection:
        file_id = state_files.add(
            connection,
            "town",
            name="a.XML",
            digest=Digest("d"),
            size=1,
            kind=Kind.TAKEN,
            at=NOW,
        )
        return queueing.queue(
            connection,
            "town",
            file_id,
            position=1,
            total=1,
            hub_id=hub_id,
            asked_state=None,
            outcome=outcome,
            at=NOW,
        )


ANNOTATED = StateUpdate(state=State.ANNOTATED, register_number="R")


def test_an_update_comes_back_as_it_was_queued(ledger: Ledger) -> None:
    paid = StateUpdate(state=State.PAID, paid_on=date(2026, 4, 1))
    queue(ledger, paid)
    with ledger.read() as connection:
        (found,) = updates.open_updates(connection, "town")
    assert (found.change, found.hub_id, found.status) == (paid, ONE, UpdateStatus.QUEUED)


def test_a_refusal_is_never_open_and_waits_for_its_answer(ledger: Ledger) -> None:
    update_id = queue(ledger, Refusal("BR04", "no"))
    with ledger.write() as connection:
        assert updates.open_updates(connection, "town") == []
        assert [row.id for row in updates.to_answer(connection, "town")] == [update_id]
        updates.answered(connection, [update_id], at=NOW)
        assert updates.to_answer(connection, "town") == []
        assert [row.id for row in updates.refused(connection, "town")] == [update_id]


def test_the_first_open_update_of_an_invoice_says_when_it_is_due(ledger: Ledger) -> None:
    first = queue(ledger, ANNOTATED)
    queue(ledger, StateUpdate(state=State.ACCEPTED))
    other = HubId("2")
    queue(ledger, ANNOTATED, hub_id=other)
    later = NOW + timedelta(minutes=1)
    with ledger.write() as connection:
        updates.postpone(connection, first, trouble="x", next_attempt_at=later, unclear=False)
        assert updates.due_invoices(connection, "town", due=NOW) == {other}
        assert updates.due_invoices(connection, "town", due=later) == {ONE, other}
        assert updates.due_invoices(connection, "town", due=None) == {ONE, other}


def test_an_attempt_without_an_answer_is_remembered(ledger: Ledger) -> None:
    update_id = queue(ledger, ANNOTATED)
    with ledger.write() as connection:
        attempt = attempts.begin(connection, update_id, body={"estat": "x"}, at=NOW)
    with ledger.write() as connection:
        assert attempts.unclear_since(connection, update_id) == NOW
        attempts.end(connection, attempt, answer="taken")
        assert attempts.unclear_since(connection, update_id) is None


def test_an_accepted_update_is_no_longer_open(ledger: Ledger) -> None:
    update_id = queue(ledger, ANNOTATED)
    with ledger.write() as connection:
        updates.accepted(connection, update_id, outcome=Outcome.PATCHED, at=NOW)
        assert updates.open_updates(connection, "town") == []


def test_a_file_that_was_cut_off_is_not_the_same_bytes(ledger: Ledger) -> None:
    with ledger.write() as connection:
        state_files.add(
            connection, "town", name="a", digest=Digest("d"), size=1, kind=Kind.CUT_OFF, at=NOW
        )
        assert state_files.same_bytes(connection, "town", Digest("d")) == []
        assert state_files.not_left(connection, "town") == []


def test_one_account_does_not_see_the_others_updates(ledger: Ledger) -> None:
    queue(ledger, ANNOTATED)
    with ledger.read() as connection:
        assert updates.open_updates(connection, "other") == []
        assert updates.due_invoices(connection, "other", due=None) == set()


def test_a_row_of_an_invoice_and_feed_is_there_once(ledger: Ledger) -> None:
    see(ledger, "1")
    values = {"account": "town", "feed": "rest", "hub_id": "1", "state": "seen", "seen_at": NOW}
    with pytest.raises(LedgerError), ledger.write() as connection:
        connection.execute(insert(schema.delivery).values(values))
