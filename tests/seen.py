"""What the bridge promises, seen from outside: by the hub's journal and what the software saw."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bridge import feedback
from bridge.model import HubId
from bridge.sandbox.book import Book

FOLDERS = ("out", "adjout", "statout")


@dataclass(frozen=True, slots=True, order=True)
class Seen:
    """A file that the software saw, or took, in one of its folders."""

    folder: str
    name: str
    content: bytes

    @property
    def hub_id(self) -> HubId:
        """The hub id in a name in `out` or `adjout`."""
        return HubId(self.name.split("@")[3].removesuffix(".XML"))


def visible(root: Path) -> list[Seen]:
    """Return all that stands in a mailbox for the software to take."""
    return [
        Seen(folder, path.name, path.read_bytes())
        for folder in FOLDERS
        if (root / folder).is_dir()
        for path in sorted((root / folder).iterdir())
    ]


def messages(seen: Iterable[Seen]) -> list[HubId]:
    """Return the hub ids of the state messages that came with invoices."""
    return [HubId(hub.hub_id) for hub in _in_statout(seen) if hub.status != "REJECTED"]


def answers(seen: Iterable[Seen]) -> Counter[str]:
    """Return the codes of all refusals that were answered."""
    return Counter(
        (hub.error_code or "").split()[0] for hub in _in_statout(seen) if hub.status == "REJECTED"
    )


def _in_statout(seen: Iterable[Seen]) -> list[feedback.HubFeedback]:
    return [
        entry.hub
        for file in seen
        if file.folder == "statout"
        for entry in feedback.read(file.content).entries
        if entry.hub
    ]


def check_files(book: Book, seen: Iterable[Seen], due: Mapping[HubId, int]) -> None:
    """What was seen is whole, and no invoice was there before all that belongs to it.

    `due` tells how many attachments come with an invoice, not after it.
    """
    seen = list(seen)
    told = messages(seen)
    enclosed = Counter(file.hub_id for file in seen if file.folder == "adjout")
    for file in seen:
        if file.folder == "out":
            assert file.content == book.held(file.hub_id).facturae()
            assert enclosed[file.hub_id] >= due.get(file.hub_id, 0)
            assert file.hub_id in told
        elif file.folder == "adjout":
            assert file.content in [it.content for it in book.held(file.hub_id).attachments]


def check_each_once(book: Book, seen: Iterable[Seen], hub_ids: Iterable[HubId]) -> None:
    """Each invoice with its attachments and its message came, once, and nothing else."""
    seen, once = list(seen), Counter(iter(hub_ids))
    names = Counter((file.folder, file.name) for file in seen)
    assert [name for name, times in names.items() if times > 1] == []
    assert Counter(file.hub_id for file in seen if file.folder == "out") == once
    assert Counter(messages(seen)) == once
    assert (
        Counter(file.hub_id for file in seen if file.folder == "adjout")
        == Counter({hub_id: len(book.held(hub_id).attachments) for hub_id in once}) - Counter()
    )


def applied(book: Book) -> Counter[tuple[str, str]]:
    """Return how often each write took effect at the hub, by what it was about and the state."""
    return Counter(
        (request.hub_id or request.attachment_id or "", request.state or "acknowledged")
        for request in book.journal
        if request.method in ("PATCH", "DELETE") and request.applied
    )
