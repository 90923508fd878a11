"""Group commit: parts of many threads, one commit, and each part on its own when it fails."""

import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import FrameType

import pytest
import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from bridge import chain
from bridge.errors import LedgerError
from bridge.ledger import Ledger, events, groups
from tests.ledgers import commits, open_ledger

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)

Part = Callable[[Connection], None]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(tmp_path / "ledger.db")
    yield opened
    opened.close()


def kinds(ledger: Ledger) -> list[str]:
    with ledger.read() as connection:
        return [link.kind for link, _ in events.chain(connection, "town")]


def note(ledger: Ledger, kind: str) -> None:
    with ledger.write() as connection:
        events.record(connection, "town", kind, at=NOW)


def run_together(ledger: Ledger, parts: int) -> None:
    """Have so many threads wait for their turn while one of them holds it."""
    waiting = threading.Barrier(parts + 1)

    def part(number: int) -> None:
        waiting.wait()
        with ledger.write() as connection:
            events.record(connection, "town", f"part {number}", at=NOW)

    with ThreadPoolExecutor(parts) as pool:
        with ledger.write() as connection:
            done = [pool.submit(part, number) for number in range(parts)]
            waiting.wait()
            while ledger.waiting < parts:
                pass
            events.record(connection, "town", "first", at=NOW)
        for future in done:
            future.result()


def test_those_who_wait_share_a_commit(ledger: Ledger) -> None:
    before = commits(ledger)
    run_together(ledger, 6)
    assert len(kinds(ledger)) == 7
    assert commits(ledger) - before == 1


def test_each_part_is_there_when_its_block_ends(ledger: Ledger) -> None:
    def part(number: int) -> None:
        note(ledger, f"part {number}")
        with sqlite3.connect(ledger.path) as other:
            query = "SELECT count(*) FROM event WHERE kind = ?"
            assert other.execute(query, (f"part {number}",)).fetchone() == (1,)

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(part, number) for number in range(200)]:
            done.result()
    assert len(kinds(ledger)) == 200


def test_a_part_that_fails_is_undone_alone(ledger: Ledger) -> None:
    def part(number: int) -> None:
        with ledger.write() as connection:
            events.record(connection, "town", f"part {number}", at=NOW)
            if number % 3 == 0:
                raise ZeroDivisionError

    with ThreadPoolExecutor(8) as pool:
        results = [pool.submit(part, number) for number in range(60)]
        failed = [number for number, done in enumerate(results) if done.exception()]
    assert failed == list(range(0, 60, 3))
    assert len(kinds(ledger)) == 40
    assert not {f"part {number}" for number in failed} & set(kinds(ledger))


def test_the_chain_and_the_journal_hold_what_was_committed_in_order(ledger: Ledger) -> None:
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda number: note(ledger, f"part {number}"), range(100)):
            pass
    lines = list(ledger.journal("town").lines())
    with ledger.read() as connection:
        assert [link.line for link, _ in events.chain(connection, "town")] == lines
        assert chain.check(lines) == events.last(connection, "town")


def test_a_ledger_that_cannot_commit_fails_all_that_took_part(ledger: Ledger) -> None:
    failures: list[Exception] = []

    def part() -> None:
        try:
            note(ledger, "part")
        except LedgerError as error:
            failures.append(error)

    pages = sqlite3.connect(ledger.path).execute("PRAGMA page_count").fetchone()[0]
    threads = [threading.Thread(target=part) for _ in range(4)]
    with pytest.raises(LedgerError, match="full"), ledger.write() as connection:  # noqa: PT012
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        for thread in threads:
            thread.start()
        while ledger.waiting < len(threads):
            pass
        for _ in range(10_000):
            events.record(connection, "town", "x" * 1000, at=NOW)
    for thread in threads:
        thread.join()
    assert "x" * 1000 not in kinds(ledger)
    assert len(kinds(ledger)) + len(failures) == len(threads)


def test_two_ledgers_on_one_file_keep_one_journal(ledger: Ledger) -> None:
    other = Ledger(ledger.path)
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(
            lambda number: note([ledger, other][number % 2], f"part {number}"), range(100)
        ):
            pass
    other.close()
    note(ledger, "last")
    with ledger.read() as connection:
        assert chain.check(ledger.journal("town").lines()) == events.last(connection, "town")


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def leave_open(pool: ThreadPoolExecutor, ledger: Ledger, part: Part) -> Future[None]:
    """Have a thread do its part and leave the commit to the next one that writes: the caller."""
    has_turn = threading.Event()

    def work() -> None:
        with ledger.write() as connection:
            part(connection)
            has_turn.set()
            while not ledger.waiting:
                pass

    done = pool.submit(work)
    has_turn.wait()
    return done


def first(connection: Connection) -> None:
    events.record(connection, "town", "first", at=NOW)


def driver(connection: Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def refuse_once(connection: Connection, action: int, operation: str) -> None:
    """Have SQLite refuse the next statement of this kind."""
    answers = [sqlite3.SQLITE_DENY]

    def authorize(asked: int, what: str | None, *_: str | None) -> int:
        return answers.pop() if answers and (asked, what) == (action, operation) else 0

    driver(connection).set_authorizer(authorize)


def undo_all_at(ledger: Ledger, kind: str) -> None:
    """Have SQLite undo the whole transaction when an event of this kind is recorded."""
    with closing(sqlite3.connect(ledger.path)) as other:
        other.execute(
            f"CREATE TRIGGER undo BEFORE INSERT ON event WHEN NEW.kind = '{kind}' "
            "BEGIN SELECT RAISE(ROLLBACK, 'all is undone'); END"
        )


@contextmanager
def interrupt(when: Callable[[FrameType], bool]) -> Iterator[None]:
    """Interrupt this thread, as Ctrl-C does, at the first of its steps for which `when` holds.

    A step is the beginning of a function or the end of one; nobody is interrupted who is about to
    call what is written in C.
    """

    def look(frame: FrameType, event: str, _argument: object) -> None:
        if event != "c_call" and when(frame):
            sys.setprofile(None)
            raise KeyboardInterrupt

    sys.setprofile(look)
    try:
        yield
    finally:
        sys.setprofile(None)


def journal_agrees(ledger: Ledger) -> bool:
    with ledger.read() as connection:
        lines = [link.line for link, _ in events.chain(connection, "town")]
    return lines == list(ledger.journal("town").lines())


def test_a_part_that_cannot_be_undone_alone_takes_all_with_it(
    ledger: Ledger, pool: ThreadPoolExecutor
) -> None:
    other = leave_open(pool, ledger, first)
    with pytest.raises(LedgerError, match="not authorized"), ledger.write() as connection:  # noqa: PT012
        events.record(connection, "town", "half", at=NOW)
        refuse_once(connection, sqlite3.SQLITE_SAVEPOINT, "ROLLBACK")
        raise ZeroDivisionError
    with pytest.raises(LedgerError, match="undone with another part: not authorized"):
        other.result()
    assert kinds(ledger) == []
    note(ledger, "later")
    assert kinds(ledger) == ["later"]
    assert journal_agrees(ledger)


@pytest.mark.parametrize("swallowed", [True, False])
def test_a_transaction_that_sqlite_undid_fails_all_parts(
    ledger: Ledger, pool: ThreadPoolExecutor, *, swallowed: bool
) -> None:
    undo_all_at(ledger, "bad")
    other = leave_open(pool, ledger, first)
    with (
        pytest.raises(LedgerError, match="no such savepoint" if swallowed else "all is undone"),
        ledger.write() as connection,
        suppress(*[SQLAlchemyError] if swallowed else []),
    ):
        events.record(connection, "town", "bad", at=NOW)
    with pytest.raises(LedgerError, match="undone with another part"):
        other.result()
    assert kinds(ledger) == list(ledger.journal("town").lines()) == []


def test_a_transaction_that_sqlite_undid_is_not_left_to_those_who_wait(
    ledger: Ledger, pool: ThreadPoolExecutor
) -> None:
    undo_all_at(ledger, "bad")

    def bad(connection: Connection) -> None:
        with suppress(SQLAlchemyError):
            events.record(connection, "town", "bad", at=NOW)

    other = leave_open(pool, ledger, bad)
    note(ledger, "good")
    with pytest.raises(LedgerError, match="no such savepoint"):
        other.result()
    assert kinds(ledger) == ["good"]
    assert journal_agrees(ledger)


def test_a_commit_that_fails_is_told_to_all(ledger: Ledger, pool: ThreadPoolExecutor) -> None:
    other = leave_open(pool, ledger, first)
    with pytest.raises(LedgerError, match="not authorized"), ledger.write() as connection:
        refuse_once(connection, sqlite3.SQLITE_TRANSACTION, "COMMIT")
    with pytest.raises(LedgerError, match="undone with another part: not authorized"):
        other.result()
    assert kinds(ledger) == list(ledger.journal("town").lines()) == []
    with ledger.read() as connection:
        assert events.last(connection, "town") == (0, chain.FIRST)


def test_a_commit_that_finds_no_transaction_is_told_to_all(
    ledger: Ledger, pool: ThreadPoolExecutor
) -> None:
    other = leave_open(pool, ledger, first)
    with pytest.raises(LedgerError, match="no transaction"), ledger.write() as connection:  # noqa: PT012
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("SAVEPOINT part")
    with pytest.raises(LedgerError, match="undone with another part: cannot commit"):
        other.result()
    assert kinds(ledger) == list(ledger.journal("town").lines()) == []


def test_a_connection_lost_by_an_interrupt_is_an_error_of_the_ledger_to_others(
    ledger: Ledger, pool: ThreadPoolExecutor
) -> None:
    other = leave_open(pool, ledger, first)
    with pytest.raises(KeyboardInterrupt), ledger.write() as connection:  # noqa: PT012
        connection.invalidate()
        raise KeyboardInterrupt
    with pytest.raises(LedgerError, match="undone with another part: interrupted"):
        other.result()
    assert kinds(ledger) == []


def test_an_interrupt_right_after_the_commit_fails_nobody_else(
    ledger: Ledger, pool: ThreadPoolExecutor
) -> None:
    with closing(sqlite3.connect(ledger.path)) as outside:

        def on_disk(_frame: FrameType) -> bool:
            return outside.execute("SELECT count(*) FROM event").fetchone() == (2,)

        other = leave_open(pool, ledger, first)
        with pytest.raises(KeyboardInterrupt), interrupt(on_disk):
            note(ledger, "second")
    assert other.result() is None
    assert kinds(ledger) == ["first", "second"]
    note(ledger, "third")
    assert journal_agrees(ledger)


def step(number: int) -> Callable[[FrameType], bool]:
    """Choose one of the steps of group commit, of the calls that it makes among them."""
    steps = count(1)

    def chosen(frame: FrameType) -> bool:
        modules = {each.f_globals["__name__"] for each in (frame, frame.f_back) if each}
        return groups.__name__ in modules and next(steps) == number

    return chosen


def test_an_interrupt_at_any_step_of_a_commit_leaves_each_with_the_truth(
    ledger: Ledger, pool: ThreadPoolExecutor
) -> None:
    seen = 0
    for number in count(1):
        other = leave_open(pool, ledger, first)
        interrupted = True
        with suppress(KeyboardInterrupt), ExitStack() as stack:
            with ledger.write():
                stack.enter_context(interrupt(step(number)))
            stack.close()
            interrupted = False
        committed = other.exception() is None
        seen += committed
        assert kinds(ledger) == ["first"] * seen
        if not interrupted:
            break
    assert committed
    assert number > seen > 1
    note(ledger, "last")
    assert journal_agrees(ledger)


def test_a_journal_that_fails_in_an_unknown_way_fails_no_part(
    ledger: Ledger, pool: ThreadPoolExecutor
) -> None:
    journal = ledger.journal("town").path
    journal.parent.mkdir(parents=True)
    journal.write_text("[" * 100_000 + "\n")
    other = leave_open(pool, ledger, first)
    with structlog.testing.capture_logs() as logs:
        note(ledger, "second")
    assert other.result() is None
    assert kinds(ledger) == ["first", "second"]
    assert [entry["log_level"] for entry in logs] == ["error"]


def test_the_journal_is_not_told_of_a_part_that_failed(
    ledger: Ledger, pool: ThreadPoolExecutor
) -> None:
    other = leave_open(pool, ledger, first)
    with suppress(ZeroDivisionError), ledger.write() as connection:
        events.record(connection, "town", "failed", at=NOW)
        raise ZeroDivisionError
    assert other.result() is None
    assert kinds(ledger) == ["first"]
    assert journal_agrees(ledger)


def test_a_commit_left_to_one_that_went_without_its_turn_is_done(
    ledger: Ledger, pool: ThreadPoolExecutor
) -> None:
    def when_the_commit_is_left_to_us(_frame: FrameType) -> bool:
        if not ledger.waiting:
            return False
        # We count as waiting still when the turn after the other's is over.
        with suppress(ZeroDivisionError), ledger.write():
            raise ZeroDivisionError
        return True

    other = leave_open(pool, ledger, first)
    with pytest.raises(KeyboardInterrupt), interrupt(when_the_commit_is_left_to_us):
        note(ledger, "second")
    assert other.result() is None
    assert kinds(ledger) == ["first"]
    assert ledger.waiting == 0
