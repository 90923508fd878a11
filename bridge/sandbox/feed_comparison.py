"""What came by the two feeds, side by side: the plain comparison at the end of the demo.

The hub id is the one thing that both share: file names differ, because REST gives tax ids where
the old mailbox had addressing codes. Invoices and attachments are compared byte by byte, state
messages by what they say (each bears the name of its own side's file).
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from bridge.model import HubId
from bridge.naming import Folder, Profile
from bridge.sandbox.demo_plan import registrations
from bridge.sandbox.legacy_client import Fetched

Content = Counter[object]
"""What there is of one invoice in one folder, in any order; two of the same count twice."""


class Outcome(StrEnum):
    """How the two sides of one thing compare."""

    IDENTICAL = "identical"
    DIFFERENT = "different"
    ONLY_LEGACY = "only-legacy"
    ONLY_REST = "only-rest"
    NONE = "none"
    """On neither side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One invoice on both sides."""

    hub_id: HubId
    invoice: Outcome
    attachments: Outcome
    attachment_count: int
    message: Outcome

    @property
    def agrees(self) -> bool:
        """Whether invoice and message came by both feeds, and everything is the same."""
        must = (self.invoice, self.message) == (Outcome.IDENTICAL, Outcome.IDENTICAL)
        return must and self.attachments in (Outcome.IDENTICAL, Outcome.NONE)


def compare(
    rest: Iterable[Fetched], legacy: Iterable[Fetched], profile: Profile
) -> tuple[Row, ...]:
    """Return a row for every invoice of either side, by hub id."""
    one, other = _by_invoice(rest, profile), _by_invoice(legacy, profile)
    hub_ids = sorted({hub_id for _, hub_id in (*one, *other)}, key=lambda it: (len(it), it))
    return tuple(_row(hub_id, one, other) for hub_id in hub_ids)


Side = Mapping[tuple[Folder, HubId], Content]


def _row(hub_id: HubId, rest: Side, legacy: Side) -> Row:
    def outcome(folder: Folder) -> Outcome:
        return _outcome(rest.get((folder, hub_id)), legacy.get((folder, hub_id)))

    attachments = rest.get((Folder.ADJOUT, hub_id)) or legacy.get((Folder.ADJOUT, hub_id))
    return Row(
        hub_id=hub_id,
        invoice=outcome(Folder.OUT),
        attachments=outcome(Folder.ADJOUT),
        attachment_count=attachments.total() if attachments else 0,
        message=outcome(Folder.STATOUT),
    )


def _outcome(rest: Content | None, legacy: Content | None) -> Outcome:
    if rest and legacy:
        return Outcome.IDENTICAL if rest == legacy else Outcome.DIFFERENT
    if rest:
        return Outcome.ONLY_REST
    return Outcome.ONLY_LEGACY if legacy else Outcome.NONE


def _by_invoice(files: Iterable[Fetched], profile: Profile) -> Side:
    side: dict[tuple[Folder, HubId], Content] = defaultdict(Counter)
    for file in files:
        folder = profile.role_of(file.folder)
        for hub_id, content in _READ[folder](file, profile) if folder in _READ else ():
            assert folder is not None
            side[folder, hub_id][content] += 1
    return side


def _bytes(file: Fetched, profile: Profile) -> Iterable[tuple[HubId, object]]:
    role = profile.role_of(file.folder)
    parts = profile.parse(role, file.name) if role else None
    if parts and parts.hub_id:
        yield HubId(parts.hub_id), sha256(file.content).hexdigest()


def _messages(file: Fetched, _profile: Profile) -> Iterable[tuple[HubId, object]]:
    return registrations(file).items()


_READ: Mapping[Folder | None, Callable[[Fetched, Profile], Iterable[tuple[HubId, object]]]] = {
    Folder.OUT: _bytes,
    Folder.ADJOUT: _bytes,
    Folder.STATOUT: _messages,
}
