"""Group commit: parts of many threads, one commit, and each part on its own when it fails."""

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge import chain
from bridge.errors import LedgerError
from bridge.ledger import Ledger, events

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "ledger.db")
    yield opened
    opened.close()


def kinds(ledger: Ledger) -> list[str]:
    with ledger.read() as connection:
        return [link.kind for link, _ in events.chain(connection, "town")]


def note(ledger: Ledger, kind: str) -> None:
    with ledger.write() as connection:
        events.record(connection, "town", kind, at=NOW)


def commits(ledger: Ledger) -> int:
    """How many transactions are in the write-ahead log: SQLite marks the last frame of each."""
    wal = ledger.path.with_name("ledger.db-wal").read_bytes()
    page = int.from_bytes(wal[8:12])
    frames = (wal[start : start + 8] for start in range(32, len(wal), 24 + page))
    return sum(int.from_bytes(frame[4:]) > 0 for frame in frames)


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
