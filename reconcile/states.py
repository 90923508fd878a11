"""The state updates that the software gave the old mailbox: out of state files that were kept."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge import feedback
from bridge.errors import BridgeError
from bridge.model import Digest, HubId
from bridge.translate import ReadUpdate, updates_of
from reconcile.parity import Given

MOST_INVOICES = 1000
"""So many invoices' histories are asked for: the newest of which states were given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFile:
    """A state file that the software gave the old mailbox."""

    name: str
    digest: Digest
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenStates:
    """The state updates that the software gave the old mailbox."""

    newest: Sequence[Given]
    """Those of the newest invoices, in the order in which they were given."""
    older: int
    """How many there are of others."""


FindInvoice = Callable[[ReadUpdate], HubId | None]
"""Finds the invoice of an update that bears no hub id; None unless exactly one fits."""


def given_states(
    files: Iterable[StateFile],
    content: Callable[[Digest], bytes],
    find: FindInvoice,
    *,
    refused: frozenset[str],
) -> GivenStates:
    """Return the updates of state files, of the newest invoices that they are about."""
    given = [
        Given(
            file=file.name,
            update=update,
            hub_id=update.hub_id or find(update),
            at=file.at,
            refused=file.name in refused,
        )
        for file in files
        for update in _updates(content, file.digest)
    ]
    newest = list(dict.fromkeys(each.hub_id for each in reversed(given)))[:MOST_INVOICES]
    chosen = set(newest)
    among = [each for each in given if each.hub_id in chosen]
    return GivenStates(newest=among, older=len(given) - len(among))


def _updates(content: Callable[[Digest], bytes], digest: Digest) -> Iterator[ReadUpdate]:
    try:
        yield from updates_of(feedback.read(content(digest)))
    except BridgeError:
        return  # no state file: whoever wrote it was told then
