"""What reports leave in the ledger for the next one, in ledgers of before too."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from bridge.ledger import Ledger, reports
from bridge.ledger.migrate import upgrade

REPORT = (
    "INSERT INTO report (account, generated_at, verdict, counts, blockers, legacy_source) "
    "VALUES ('town', '2026-01-05 08:00:00.000000', 'not-ready', '{}', 1, ?)"
)


@pytest.mark.parametrize(("source", "found"), [("ledger", ["7"]), ("/saved", [])])
def test_findings_of_before_are_those_of_the_last_report(
    tmp_path: Path, source: str, found: list[str]
) -> None:
    path = tmp_path / "ledger.db"
    with closing(create_engine(f"sqlite:///{path}").connect()) as connection:
        upgrade(connection, "0013")
    with closing(sqlite3.connect(path)) as database, database:
        database.executemany(REPORT, [("/saved",), ("ledger",)])
        database.execute(
            "INSERT INTO finding (account, hub_id, outcome) VALUES ('town', '7', 'in-flight')"
        )
    with closing(Ledger(path)) as ledger, ledger.read() as connection:
        assert list(reports.findings(connection, "town", source)) == found
