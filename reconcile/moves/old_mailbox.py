"""What a rollback changes in the old mailbox.

What the software has leaves it, or it would be offered once more: to the folder
`collected-by-rest` there, or for good; its bytes are in the archive first. What waits and is not
there is put there, under the name and with the bytes that it has in ours. A file is first laid
ready under a name that nobody reads; then the ledger says so; then it gets its name; then the
ledger says that, too. So after a crash it is never put twice, even where somebody takes it at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import structlog

from bridge.account import Account
from bridge.errors import OldMailboxFileError, OldMailboxUnwritableError
from bridge.feeds.legacy import Contents, OldMailboxWriter
from bridge.ledger import file_events, legacy_removals, recorded_files, recordings, ties
from bridge.ledger.placed_files import Kind, PlacedFile
from bridge.ledger.recorded_files import ASIDE, RecordedFile
from bridge.model import FeedName, HubId
from bridge.old_files.file import FileKind
from reconcile.moves.offered_again import offered_again
from reconcile.moves.rules import OldMailboxMode

log = structlog.get_logger()

AT_ONCE = 50
"""Invoices of which is written down in one transaction."""


@dataclass(slots=True)
class Changes:
    """Changes the old mailbox of one account."""

    account: Account
    mailbox: OldMailboxWriter
    mode: OldMailboxMode = OldMailboxMode.MOVE
    troubles: list[str] = field(default_factory=list)
    """Files that were left as they are, and why."""

    # -- what the software has ---------------------------------------------------------------------

    def take_away(self, hub_ids: Sequence[HubId]) -> None:
        """Have these leave the old mailbox; raises OldMailboxUnwritableError where none can."""
        if self.mode is OldMailboxMode.LIST:
            return
        for some in _parts(hub_ids):
            with self.account.ledger.read() as connection:
                files = offered_again(connection, self.account.name, some)
            self._note_gone([file for file in files if self._take_away(file)])

    def _take_away(self, file: RecordedFile) -> bool:
        assert file.digest is not None
        assert file.folder is not None
        try:
            self._keep(file)
            entry = self.mailbox.look(file.path)
            if entry is None:
                return True
            if self.mode is OldMailboxMode.MOVE:
                try:
                    folder = f"{ASIDE}/{self.account.mailbox.profile.folder(file.folder)}"
                    self.mailbox.move(entry, folder, digest=file.digest)
                except OldMailboxUnwritableError as error:
                    log.warning("nothing can be moved there: it is deleted", reason=str(error))
                    self.mode = OldMailboxMode.DELETE
                else:
                    return True
            self.mailbox.delete(entry, digest=file.digest)
        except OldMailboxFileError as error:
            self.troubles.append(str(error))
            return False
        return True

    def _keep(self, file: RecordedFile) -> None:
        """See that the archive has the bytes before they leave."""
        assert file.digest is not None
        if self.account.mailbox.archive.path(file.digest).exists():
            return
        entry = self.mailbox.look(file.path)
        read = self.mailbox.read(entry) if entry is not None else None
        if isinstance(read, Contents):
            self.account.mailbox.keep_bytes(read.content, purpose="record")

    def _note_gone(self, files: Sequence[RecordedFile]) -> None:
        account, now = self.account, self.account.clock()
        with account.ledger.write() as connection:
            tied = ties.tied_to(connection, account.name, [file.path for file in files])
            for file in files:
                if file.path in tied:
                    legacy_removals.remove(connection, account.name, tied[file.path], at=now)
                    continue
                recorded_files.gone(connection, file.id, at=now)
                file_events.record_gone(connection, account.name, file, at=now)
                hub_id = file.hub_id if file.kind is FileKind.INVOICE else None
                if hub_id and not recorded_files.shows(connection, account.name, hub_id):
                    recordings.lose(connection, account.name, FeedName.LEGACY, hub_id, at=now)

    # -- what waits --------------------------------------------------------------------------------

    def put(self, hub_ids: Sequence[HubId]) -> None:
        """Put what stands in ours of these there, too; raises OldMailboxUnwritableError."""
        for some in _parts(hub_ids):
            with self.account.ledger.read() as connection:
                standing = ties.standing_files(connection, self.account.name, some)
            files = [file for hub_id in some for file in standing.get(hub_id, ())]
            ready = [file for file in files if file.source is None and self._lay_ready(file)]
            self._note(ready, ties.LAID_READY)
            self.finish(ready)

    def call_off(self, *, standing: bool) -> None:
        """Take back what was laid ready, and must not appear any more.

        `standing`: what stands in ours, and goes elsewhere; else what the software has taken.
        """
        with self.account.ledger.read() as connection:
            files = ties.laid_ready(connection, self.account.name, standing=standing)
        for file in files:
            if not self.mailbox.is_ready(file.folder, file.name):
                self._note([file], ties.PUT)
                continue
            self._note([file], ties.TAKEN_BACK)
            self.mailbox.take_back_ready(file.folder, file.name)

    def finish(self, files: Sequence[PlacedFile] | None = None) -> None:
        """Give what was laid ready its name: these files, or all that a crash has left."""
        if files is None:
            with self.account.ledger.read() as connection:
                files = ties.laid_ready(connection, self.account.name, standing=True)
        order = sorted(files, key=lambda file: file.kind is Kind.INVOICE)
        self._note([file for file in order if self._show(file)], ties.PUT)

    def _lay_ready(self, file: PlacedFile) -> bool:
        content = self.account.mailbox.archive.read(file.digest)
        try:
            self.mailbox.lay_ready(file.folder, file.name, content)
        except OldMailboxFileError as error:
            self.troubles.append(str(error))
            return False
        return True

    def _show(self, file: PlacedFile) -> bool:
        try:
            self.mailbox.show_ready(file.folder, file.name)
        except OldMailboxFileError:
            # The old hub has put its own there meanwhile, perhaps the very same.
            try:
                content = self.account.mailbox.archive.read(file.digest)
                self.mailbox.put(file.folder, file.name, content)
            except OldMailboxFileError as error:
                self.troubles.append(str(error))
                return False
        return True

    def _note(self, files: Sequence[PlacedFile], kind: str) -> None:
        if not files:
            return
        account, now = self.account, self.account.clock()
        paths = [self.mailbox.path_of(file.folder, file.name) for file in files]
        with account.ledger.write() as connection:
            for file, path in zip(files, paths, strict=True):
                ties.tie(
                    connection,
                    account.name,
                    file,
                    source=path,
                    digest=file.digest,
                    kind=kind,
                    at=now,
                )


def _parts(hub_ids: Sequence[HubId]) -> Iterator[Sequence[HubId]]:
    waiting = iter(hub_ids)
    while some := list(islice(waiting, AT_ONCE)):
        yield some
