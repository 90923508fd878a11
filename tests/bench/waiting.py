"""Many invoices that wait in a mailbox, in little time: some real ones, copied with other bytes."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select

from bridge.ledger import Ledger, events
from bridge.ledger.events import Said
from bridge.ledger.schema import placed_file
from tests.bench.ledgers import TABLES

APART = 10_000_000
"""Between the hub ids of a copy and those of the next."""


class Copies:
    """Copies what waits in the mailbox of the only account: files, rows and events."""

    def __init__(self, data_dir: Path, ledger: Ledger) -> None:
        self._data, self._ledger = data_dir, ledger
        with ledger.read() as connection:
            (self._account,) = events.accounts(connection)
            self._rows = {
                table: [dict(row._mapping) for row in connection.execute(select(table))]
                for table in TABLES
            }
            story = events.chain(connection, self._account)
            self._story = [link for link, _ in story if link.hub_id is not None]
        self._digests = {str(row["digest"]) for row in self._rows[placed_file]}

    def __len__(self) -> int:
        """How many invoices there are to be copied."""
        return len({row["hub_id"] for row in self._rows[placed_file]})

    def copy(self, number: int) -> None:
        """Make one more copy of all."""
        fresh = self._copy_files(number)
        self._place(number, fresh)
        with self._ledger.write() as connection:
            for table, rows in self._rows.items():
                connection.execute(insert(table), [_copied(row, number, fresh) for row in rows])
            self._tell(connection, number, fresh)

    def _copy_files(self, number: int) -> dict[str, str]:
        """Put the files of a copy into the archive; return their digests, by the originals'."""
        archive = self._data / "archive" / self._account

        def one(digest: str) -> tuple[str, str]:
            content = (archive / digest[:2] / digest).read_bytes() + b"<!-- %d -->" % number
            fresh = hashlib.sha256(content).hexdigest()
            (archive / fresh[:2] / fresh).write_bytes(content)
            return digest, fresh

        return dict(map(one, self._digests))

    def _place(self, number: int, fresh: Mapping[str, str]) -> None:
        archive = self._data / "archive" / self._account
        mailbox = self._data / "mailboxes" / self._account
        for row in self._rows[placed_file]:
            digest = fresh[row["digest"]]
            name = _name(row["name"], row["hub_id"], number)
            os.link(archive / digest[:2] / digest, mailbox / row["folder"] / name)

    def _tell(self, connection: Connection, number: int, fresh: Mapping[str, str]) -> None:
        said = [
            Said(
                kind=link.kind,
                at=link.at,
                actor=link.actor,
                hub_id=_hub_id(link.hub_id, number),
                detail=_said(link.detail, link.hub_id, number, fresh),
            )
            for link in self._story
        ]
        events.record_all(connection, self._account, said)


def _copied(row: Mapping[str, Any], number: int, fresh: Mapping[str, str]) -> dict[str, Any]:
    copy = {name: value for name, value in row.items() if name != "id"}
    copy["hub_id"] = _hub_id(row["hub_id"], number)
    copy["digest"] = fresh.get(row["digest"], row["digest"])
    if row.get("name"):
        copy["name"] = _name(row["name"], row["hub_id"], number)
    return copy


def _said(value: Any, hub_id: Any, number: int, fresh: Mapping[str, str]) -> Any:
    """Return an event's detail with the copy's names and digests in it."""
    if isinstance(value, list):
        return [_said(part, hub_id, number, fresh) for part in value]
    if isinstance(value, str):
        return fresh.get(value, value)
    if not isinstance(value, Mapping):
        return value
    return {
        key: _name(part, hub_id, number) if key == "name" else _said(part, hub_id, number, fresh)
        for key, part in value.items()
    }


def _hub_id(hub_id: Any, number: int) -> Any:
    return str(int(hub_id) + number * APART)


def _name(name: str, hub_id: str, number: int) -> str:
    """Return the name of a copy's file: with its hub id, or the mark where the name has none."""
    fresh = name.replace(hub_id, _hub_id(hub_id, number))
    return fresh if fresh != name else f"{number}-{name}"


def multiply(data_dir: Path, *, invoices: int) -> None:
    """Copy what waits in the mailbox of the only account until so many invoices do."""
    ledger = Ledger(data_dir / "ledger.db")
    try:
        copies = Copies(data_dir, ledger)
        for number in range(1, -(-invoices // len(copies))):
            copies.copy(number)
    finally:
        ledger.close()
