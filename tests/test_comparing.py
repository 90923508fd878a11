"""Files are compared once, when both are there: a report takes it from the ledger."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bridge import commands
from bridge.ledger import Ledger, comparisons
from bridge.model import Digest
from bridge.xml_facts import Compared
from tests.towns import Town, town


@pytest.fixture
def differing(tmp_path: Path) -> Iterator[Town]:
    """Give a town with what is different and what is equivalent, recorded."""
    with town(tmp_path, "identical:1,different:2,equivalent:1", shadow=True) as it:
        it.pull()
        assert it.run("record").code == 0
        yield it


def ask(it: Town, statement: str) -> list[Any]:
    path = it.gateway.config.parent / "data" / "ledger.db"
    with closing(sqlite3.connect(path)) as database, database:
        return database.execute(statement).fetchall()


def recorded(it: Town) -> dict[str, Any]:
    report = it.report("--grace", "0", "--recorded")
    return {name: said for name, said in report.items() if name != "generated_at"}


def test_a_round_of_recording_compares_what_both_feeds_gave(differing: Town) -> None:
    assert sorted(ask(differing, "SELECT equivalent FROM comparison")) == [(0,), (0,), (1,)]


def test_a_report_says_the_same_with_and_without_what_was_compared_before(
    differing: Town,
) -> None:
    before = recorded(differing)
    assert all(row["differences"] for row in before["invoices"] if row["outcome"] == "different")
    ask(differing, "DELETE FROM comparison")
    assert recorded(differing) == before


def test_a_report_takes_what_was_compared_before(differing: Town) -> None:
    ask(differing, "UPDATE comparison SET equivalent = 1")
    assert {row["outcome"] for row in recorded(differing)["invoices"]} == {"equivalent"}


def test_what_was_compared_before_is_no_word_for_a_file_that_is_gone(differing: Town) -> None:
    ((digest,),) = ask(differing, "SELECT legacy_digest FROM comparison WHERE equivalent = 1")
    archive = differing.gateway.config.parent / "data" / "archive" / "ajuntament"
    (archive / digest[:2] / digest).unlink()
    assert recorded(differing)["counts"]["unreadable"] == 1


def test_what_another_version_found_out_is_found_out_anew(differing: Town) -> None:
    before = recorded(differing)
    ask(differing, "UPDATE comparison SET equivalent = 1, rules = 'older'")
    assert recorded(differing) == before
    assert differing.run("record").code == 0
    kept = ask(differing, "SELECT rules, equivalent FROM comparison")
    assert sorted(kept) == [(comparisons.RULES, 0), (comparisons.RULES, 0), (comparisons.RULES, 1)]


def test_verify_compares_anew_and_names_what_is_kept_otherwise(differing: Town) -> None:
    assert differing.is_verified()
    ask(differing, "UPDATE comparison SET differences = '[]' WHERE equivalent = 0")
    (found,) = (it for it in commands.verify(differing.gateway.config, None) if not it.right)
    assert "they differ in another way than is kept" in found.said


def test_what_was_found_out_of_a_file_goes_with_it_from_the_archive(tmp_path: Path) -> None:
    one, two, other = (Digest(letter * 64) for letter in "abc")
    with closing(Ledger(tmp_path / "ledger.db")) as ledger, ledger.write() as connection:
        found = [(one, other, Compared(equivalent=True)), (two, other, Compared(equivalent=True))]
        comparisons.keep(connection, "town", found, done=())
        comparisons.forget_file(connection, "town", one)
        assert list(comparisons.every(connection, "town")) == [(two, other)]
        comparisons.forget_file(connection, "town", other)
        assert list(comparisons.every(connection, "town")) == []
