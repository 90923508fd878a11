"""What was placed out of the old mailbox when nobody could tell its hub id, met again by REST.

No message ever told of it. REST brings the same invoice, with its hub id: the same bytes, or the
same supplier, number, series, date and total, if that fits exactly one. Then it counts for this
invoice, and is not offered a second time.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from bridge.account import Account
from bridge.identity import plain_nif, plain_number
from bridge.ledger import legacy_files, recordings
from bridge.ledger.recorded_files import RecordedFile
from bridge.legacy.understanding import merged, old_file
from bridge.model import Digest, FeedName, HubId, InvoiceFacts
from bridge.old_files.file import FileKind, OldFile
from bridge.old_files.recognised import Told

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Nameless:
    """The invoices without a hub id that came into the mailbox, as a round of REST found them."""

    account: Account
    files: Mapping[int, tuple[RecordedFile, OldFile]]

    def belongs_to(self, hub_id: HubId, digest: Digest, facts: InvoiceFacts | None) -> bool:
        """Tell whether one of them is this invoice, and write down that it is."""
        same = [it for it in self.files.values() if it[0].digest == digest]
        like = [it for it in self.files.values() if facts and _told(it[1]) == _key(facts)]
        if not same and len(like) != 1:
            return False
        self._write_down(*(same or like)[0], hub_id)
        return True

    def _write_down(self, row: RecordedFile, file: OldFile, hub_id: HubId) -> None:
        account, now = self.account, self.account.clock()
        told = merged(None, Told(hub_id=hub_id, file=file), receipt=None)
        assert told is not None
        with account.ledger.write() as connection:
            recordings.record(connection, account.name, told, at=now)
            legacy_files.recognise(
                connection, account.name, row, kind=FileKind.INVOICE, hub_id=hub_id, at=now
            )
            if row.gone_at is not None:
                recordings.lose(connection, account.name, FeedName.LEGACY, hub_id, at=now)
        log.info("came through the old mailbox without a hub id", hub_id=hub_id, name=row.name)


def find_nameless(account: Account) -> Nameless:
    """Return the invoices that came into the mailbox without a hub id."""
    with account.ledger.read() as connection:
        rows = legacy_files.nameless(connection, account.name)
    found: dict[int, tuple[RecordedFile, OldFile]] = {}
    for row in rows:
        assert row.digest is not None
        file = old_file(row.path, row, row.digest, account.mailbox.archive.read(row.digest))
        if isinstance(file.content, InvoiceFacts):
            found[row.id] = (row, file)
    return Nameless(account=account, files=found)


def _told(file: OldFile) -> tuple[object, ...] | None:
    return _key(file.content) if isinstance(file.content, InvoiceFacts) else None


def _key(facts: InvoiceFacts) -> tuple[object, ...]:
    number, series = plain_number(facts.number or ""), plain_number(facts.series or "")
    return (plain_nif(facts.seller_nif), number, series, facts.issue_date, facts.total)
