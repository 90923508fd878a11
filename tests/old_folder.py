"""An old mailbox as a plain folder, filled as the old hub did, and a bridge listening to it."""

from dataclasses import dataclass, field
from pathlib import Path

from bridge.feeds.legacy import open_reader
from bridge.ledger import recorded_files, sides, spans
from bridge.ledger.recorded_files import RecordedFile
from bridge.legacy.listening import Heard, listen
from bridge.model import FeedName, HubId
from bridge.naming import Folder, parse_profile
from bridge.recorded import Recorded, Span
from bridge.sandbox.book import Book
from bridge.sandbox.old_files import OldForm
from bridge.settings import read_profile
from bridge.upkeep.verifying import verify
from tests.accounts import Office


@dataclass(slots=True)
class OldFolder:
    """The folders of an old mailbox on disk."""

    root: Path
    book: Book
    form: OldForm = field(init=False)

    def __post_init__(self) -> None:
        self.form = OldForm(profile=parse_profile(read_profile("efact")))
        for role in Folder:
            (self.root / role).mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        return f"file://{self.root}"

    def deliver(self, *hub_ids: HubId, folders: tuple[Folder, ...] = tuple(Folder)) -> None:
        """Put an invoice's files there, or those of some folders only."""
        for hub_id in hub_ids:
            held = self.book.held(hub_id)
            enclosed = [
                self.form.attachment(held, number, attached)
                for number, attached in enumerate(held.attachments, start=1)
            ]
            for file in (*enclosed, *self.form.invoice(held, now=self.book.now())):
                if file.folder in folders:
                    self.put(f"{file.folder}/{file.name}", file.content)

    def put(self, path: str, content: bytes) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        return target

    def invoice(self, hub_id: HubId) -> Path:
        (path,) = self.root.rglob(f"*@{hub_id}.XML")
        return path

    def everything(self) -> dict[str, tuple[bytes, int]]:
        """All files with their bytes and times."""
        return {
            str(path.relative_to(self.root)): (path.read_bytes(), path.stat().st_mtime_ns)
            for path in self.root.rglob("*")
            if path.is_file()
        }


@dataclass(frozen=True, slots=True)
class Listener:
    """The listening side, and what the ledger says afterwards."""

    office: Office

    def listen(self, *, only_due: bool = False) -> Heard:
        account = self.office.account
        assert account.own.legacy is not None
        with open_reader(account.own.legacy, account.mailbox.profile) as reader:
            return listen(account, reader, only_due=only_due)

    def side(self, feed: FeedName = FeedName.LEGACY) -> list[Recorded]:
        account = self.office.account
        with account.ledger.read() as connection:
            return list(sides.of_feed(connection, account.name, feed))

    def one(self, hub_id: HubId, feed: FeedName = FeedName.LEGACY) -> Recorded:
        (found,) = [it for it in self.side(feed) if it.hub_id == hub_id]
        return found

    def verified(self) -> list[str]:
        """What `verify` finds wrong."""
        account = self.office.account
        checks = verify(account.ledger, account.settings.data_dir, account.name)
        return [f"{check.what}: {check.said}" for check in checks if not check.right]

    def files(self) -> dict[str, RecordedFile]:
        account = self.office.account
        with account.ledger.read() as connection:
            return recorded_files.there(connection, account.name)

    def spans(self, feed: FeedName = FeedName.LEGACY) -> list[Span]:
        account = self.office.account
        with account.ledger.read() as connection:
            return list(spans.spans(connection, account.name, feed))
