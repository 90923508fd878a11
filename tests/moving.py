"""A town hall that moves: its old mailbox, its software, and what a move came to."""

from dataclasses import dataclass, field
from pathlib import Path

from bridge.ledger import moves
from bridge.model import HubId
from bridge.naming import parse_profile
from bridge.sandbox.book import Book
from bridge.sandbox.old_files import OldForm
from bridge.sandbox.old_states import apply_state_file
from bridge.settings import read_profile
from reconcile.moves.balance import Balance, balance
from reconcile.moves.looking import look, waiting_updates
from tests.accounts import Office, Offices
from tests.test_serving_feed import faults

__all__ = ["OldHub", "balanced", "collect", "faults", "moved", "names", "out_of"]

FOLDERS = ("out", "adjout", "statout")


@dataclass(slots=True)
class OldHub:
    """The old hub, at work on a folder that is the old mailbox."""

    book: Book
    root: Path
    form: OldForm = field(
        default_factory=lambda: OldForm(profile=parse_profile(read_profile("efact")))
    )
    taken: list[tuple[str, bytes]] = field(default_factory=list)
    """The state files that it has taken, in order."""

    def __post_init__(self) -> None:
        for folder in (*FOLDERS, "statin"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)

    def deliver(self, hub_id: str) -> None:
        """Put an invoice into the old mailbox."""
        held = self.book.held(hub_id)
        files = [
            self.form.attachment(held, number, attached)
            for number, attached in enumerate(held.attachments, start=1)
        ]
        for file in [*files, *self.form.invoice(held, now=self.book.now())]:
            (self.root / file.folder / file.name).write_bytes(file.content)

    def work(self) -> None:
        """Take the state files that are there."""
        for path in sorted((self.root / "statin").glob("*.XML")):
            content = path.read_bytes()
            self.taken.append((path.name, content))
            apply_state_file(self.book, path.name, content)
            path.unlink()

    def open(self, open_account: Offices, **own: object) -> Office:
        """Open an account that this mailbox serves, with REST as its shadow."""
        legacy = {"url": f"file://{self.root}"}
        return open_account(**({"serve": "legacy", "shadow": "rest", "legacy": legacy} | own))

    def both(self, town: Office, *, attachments: int = 0) -> HubId:
        """Let both feeds have one more invoice."""
        (hub_id,) = self.rest(town, attachments=attachments)
        self.deliver(hub_id)
        return hub_id

    def rest(self, town: Office, count: int = 1, *, attachments: int = 0) -> list[HubId]:
        """Let the hub alone have so many more invoices."""
        hub_ids = town.add(count)
        for hub_id in hub_ids:
            for number in range(attachments):
                content = f"%PDF {number} of {hub_id}".encode()
                self.book.add_attachment(hub_id, f"{number}.pdf", content)
        return hub_ids

    def has(self, hub_id: str, *, folder: str = "out") -> list[str]:
        """The files of an invoice that a folder of the old mailbox has."""
        return sorted(path.name for path in (self.root / folder).glob(f"*@{hub_id}*"))

    def names(self) -> list[str]:
        """All that lies in the folders that the old hub fills."""
        return names_in(self.root)


def names_in(root: Path) -> list[str]:
    """All that software sees in the folders of a mailbox."""
    return sorted(
        f"{folder}/{path.name}"
        for folder in FOLDERS
        for path in (root / folder).glob("*")
        if not path.name.startswith(".")
    )


def names(town: Office) -> list[str]:
    """All that the software sees in ours."""
    return names_in(town.account.mailbox.root)


def out_of(town: Office, hub_id: str) -> list[str]:
    """The names in `out` that bear a hub id."""
    return [name for name in names(town) if name.startswith("out/") and f"@{hub_id}" in name]


def collect(town: Office) -> list[str]:
    """Take and delete whatever lies there, as the software does; return the invoices."""
    there = names(town)
    for name in there:
        (town.account.mailbox.root / name).unlink()
    return [name for name in there if name.startswith("out/")]


def balanced(town: Office) -> Balance:
    """Return the balance as it is now."""
    account = town.account
    with account.ledger.read() as connection:
        last = moves.last(connection, account.name)
        updates = waiting_updates(connection, account.name)
    return balance(look(account), since=last.switched_at if last else None, updates=updates)


def moved(town: Office) -> object:
    """What a second run must not change."""
    account = town.account
    with account.ledger.read() as connection:
        return names(town), account.feeds(), moves.last(connection, account.name)
