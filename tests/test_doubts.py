"""The marks on which a report stands: whatever happens to the rows, they say what a look at all of
them would."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from bridge.ledger import Ledger, doubts
from bridge.ledger.migrate import upgrade

IDS = [str(number) for number in range(1, 7)]
TIMES = ["2026-01-05 08:00:00.000000", "2026-01-06 09:30:00.250000", "2026-01-04 07:00:00.000000"]

FILE = (
    "INSERT INTO recorded_file "
    "(account, path, name, digest, kind, hub_id, first_seen_at, attempts) VALUES"
)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "ledger.db")) as ledger:
        yield ledger


def wrong(ledger: Ledger) -> list[str]:
    with ledger.read() as connection:
        return list(doubts.wrong(connection, "town"))


def marks(ledger: Ledger) -> set[tuple[str, str]]:
    with ledger.read() as connection:
        return {
            (hub_id, why)
            for _, hub_id, why in connection.execute(text("SELECT account, hub_id, why FROM doubt"))
        }


def write(ledger: Ledger, statement: str, **values: Any) -> None:
    with ledger.write() as connection:
        connection.execute(text(statement), values)


def delivered(ledger: Ledger, feed: str, hub_id: str = "1", **values: Any) -> None:
    row = {
        "account": "town",
        "feed": feed,
        "hub_id": hub_id,
        "state": "fetched",
        "digest": "d1",
        "seen_at": TIMES[0],
        "recorded_at": TIMES[0] if feed == "legacy" else None,
        "attempts": 0,
        **values,
    }
    names = ", ".join(row)
    marks = ", ".join(f":{name}" for name in row)
    write(ledger, f"INSERT INTO delivery ({names}) VALUES ({marks})", **row)


def test_what_one_feed_alone_gave_is_marked(ledger: Ledger) -> None:
    delivered(ledger, "rest")
    assert marks(ledger) == {("1", "files")}


def test_what_both_gave_alike_is_not_marked(ledger: Ledger) -> None:
    delivered(ledger, "rest")
    delivered(ledger, "legacy")
    assert marks(ledger) == set()


def test_other_bytes_are_marked_when_they_come(ledger: Ledger) -> None:
    delivered(ledger, "rest")
    delivered(ledger, "legacy")
    write(ledger, "UPDATE delivery SET digest = 'd2' WHERE feed = 'legacy'")
    assert marks(ledger) == {("1", "files")}


def test_another_registration_number_is_marked(ledger: Ledger) -> None:
    delivered(ledger, "rest", registration_number="E/1")
    delivered(ledger, "legacy", registration_number="E/2")
    assert marks(ledger) == {("1", "registration")}


def test_both_twins_are_marked(ledger: Ledger) -> None:
    said = {"issue_date": "2026-01-05", "supplier_nif": "B1", "file_number": "7"}
    for hub_id in ("1", "2"):
        delivered(ledger, "rest", hub_id, **said)
        delivered(ledger, "legacy", hub_id)
    assert marks(ledger) == {("1", "twins"), ("2", "twins")}


def test_what_came_twice_with_other_bytes_is_marked(ledger: Ledger) -> None:
    for digest in ("d1", "d2"):
        write(
            ledger,
            f"{FILE} ('town', :digest, 'x', :digest, 'invoice', '1', :at, 0)",
            digest=digest,
            at=TIMES[0],
        )
    assert marks(ledger) == {("1", "twice")}


def test_a_mark_that_is_gone_is_found_missing(ledger: Ledger) -> None:
    delivered(ledger, "rest")
    write(ledger, "DELETE FROM doubt")
    assert wrong(ledger) == ["invoice 1: is not marked for its files"]


def test_a_lag_that_was_changed_is_found(ledger: Ledger) -> None:
    delivered(ledger, "rest")
    delivered(ledger, "legacy")
    write(ledger, "UPDATE delivery SET lag = 1 WHERE feed = 'legacy'")
    assert wrong(ledger) == ["invoice 1: another lag is kept than its times say"]


def anything(chosen: Random) -> str:
    """Return a statement that changes something of what marks depend on."""
    hub_id, feed = chosen.choice(IDS), chosen.choice(["rest", "legacy"])
    digest, at = chosen.choice(["'a'", "'b'", "NULL"]), f"'{chosen.choice(TIMES)}'"
    if chosen.random() < 0.2:
        kind = chosen.choice(["'invoice'", "NULL"])
        return chosen.choice(
            [
                f"{FILE} ('town', hex(randomblob(8)), 'x', {digest}, {kind}, '{hub_id}', {at}, 0)",
                f"UPDATE recorded_file SET hub_id = '{hub_id}' WHERE id % 3 = 0",
                f"UPDATE recorded_file SET kind = {kind}, digest = {digest} WHERE id % 3 = 1",
                "DELETE FROM recorded_file WHERE id % 4 = 2",
            ]
        )
    if chosen.random() < 0.4:
        return (
            "INSERT INTO delivery (account, feed, hub_id, state, seen_at, digest, attempts) "
            f"VALUES ('town', '{feed}', '{hub_id}', 'seen', {at}, {digest}, 0) "
            "ON CONFLICT DO NOTHING"
        )
    column, value = chosen.choice(
        [
            ("digest", digest),
            ("recorded_at", chosen.choice([at, "NULL"])),
            ("seen_at", at),
            ("unreadable", chosen.choice(["'torn'", "NULL"])),
            ("registration_number", chosen.choice(["'E/1'", "'E/2'", "NULL"])),
            ("file_series", chosen.choice(["'A'", "NULL"])),
            ("file_number", chosen.choice(["'7'", "'8'", "NULL"])),
            ("issue_date", "'2026-01-05'"),
            ("supplier_nif", "'B1'"),
        ]
    )
    which = chosen.choice([f"hub_id = '{hub_id}'", f"feed = '{feed}'"])
    if chosen.random() < 0.05:
        return f"DELETE FROM delivery WHERE {which} AND feed = '{feed}'"
    return f"UPDATE delivery SET {column} = {value} WHERE {which}"


@pytest.mark.parametrize("seed", range(4))
def test_after_any_changes_the_marks_say_what_a_look_at_everything_says(
    ledger: Ledger, seed: int
) -> None:
    chosen = Random(seed)
    for _ in range(60):
        with ledger.write() as connection:
            statements = [anything(chosen) for _ in range(5)]
            for statement in statements:
                connection.execute(text(statement))
        assert wrong(ledger) == [], statements


def test_a_ledger_from_before_is_marked_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(create_engine(f"sqlite:///{path}").connect()) as connection:
        upgrade(connection, "0008")
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "INSERT INTO delivery (account, feed, hub_id, state, digest, seen_at, attempts) "
            "VALUES ('town', 'rest', '1', 'fetched', 'd1', ?, 0)",
            TIMES[:1],
        )
    with closing(Ledger(path)) as ledger:
        assert marks(ledger) == {("1", "files")}
        delivered(ledger, "legacy")
        assert marks(ledger) == set()
