"""The files of marked invoices, compared as soon as both are there: a report need not read them.

What two files say differently follows from their bytes, so it is found out once and kept (see
`bridge.ledger.comparisons`). What cannot be read here a report looks at by itself, and says why.
"""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection

from bridge.account import Account
from bridge.archive import Archive
from bridge.errors import StorageError
from bridge.facturae import FacturaeError
from bridge.ledger import comparisons
from bridge.ledger.comparisons import Both
from bridge.model import Digest
from bridge.xml_facts import Compared, compare_files

AT_ONCE = 100
"""Invoices whose files are compared before any of it is written down."""

MOST = 2000
"""Pairs of files that one round compares; the others wait for the next one."""


class FileComparer:
    """Compares the files of one account; it is kept from round to round."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._is_up_to_date = False

    def compare_new(self) -> None:
        """Compare files that came since the last round, so many at most; raises LedgerError."""
        ledger, name, count = self._account.ledger, self._account.name, 0
        self._forget_outdated()
        while count < MOST and not self._account.stopping.is_set():
            with ledger.read() as connection:
                waiting = comparisons.uncompared(connection, name, most=AT_ONCE)
                found = list(self._compared(connection, waiting))
            if not waiting:
                break
            with ledger.write() as connection:
                comparisons.keep(connection, name, found, done=[both.hub_id for both in waiting])
            count += len(found)

    def _forget_outdated(self) -> None:
        """Drop, once in a process, what was found out by the rules of another version."""
        if self._is_up_to_date:
            return
        ledger, name = self._account.ledger, self._account.name
        with ledger.read() as connection:
            is_outdated = comparisons.is_outdated(connection, name)
        if is_outdated:
            with ledger.write() as connection:
                comparisons.forget_outdated(connection, name)
        self._is_up_to_date = True

    def _compared(
        self, connection: Connection, waiting: Sequence[Both]
    ) -> Iterator[tuple[Digest, Digest, Compared]]:
        """Yield what is new of these."""
        name, archive = self._account.name, self._account.mailbox.archive
        for both in waiting:
            if both.legacy is None or both.rest is None or both.legacy == both.rest:
                continue
            if comparisons.known(connection, name, both.legacy, both.rest) is None:
                found = _compare(archive, both.legacy, both.rest)
                if found is not None:
                    yield both.legacy, both.rest, found


def wrong(connection: Connection, archive: Archive, account: str) -> Iterator[str]:
    """Compare all files anew of which something is kept; yield what is kept otherwise."""
    for legacy, rest in comparisons.every(connection, account):
        found = _compare(archive, legacy, rest)
        if found is not None and found != comparisons.known(connection, account, legacy, rest):
            yield f"files {legacy} and {rest}: they differ in another way than is kept"


def _compare(archive: Archive, legacy: Digest, rest: Digest) -> Compared | None:
    """Return how two files of the archive compare; None where one is missing or no invoice."""
    try:
        return compare_files(archive.read(legacy), archive.read(rest))
    except (StorageError, FacturaeError):
        return None
