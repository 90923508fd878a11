"""The REST feed: what the hub's API delivers. It only reads; `HubReader` cannot write."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bridge.feeds.slices import Page, Slice, Sliced, first_slices, list_all
from bridge.hub import HubReader
from bridge.model import PendingAttachment, PendingInvoice


@dataclass(frozen=True, slots=True)
class Listing:
    """What waits at the hub, and where more waits than could be listed."""

    invoices: tuple[PendingInvoice, ...]
    capped_slices: tuple[str, ...]


class RestFeed:
    """The hub's lists, past their cap. One per account; it learns the entities' offices."""

    def __init__(
        self, reader: HubReader, *, nifs: Sequence[str] = (), offices: Sequence[str] = ()
    ) -> None:
        self.reader = reader
        self._nifs = tuple(nifs)
        self._offices = tuple(offices)
        self._seen_offices: dict[str | None, set[str]] = defaultdict(set)

    def pending(self) -> Listing:
        """Return all that the pending list holds; raises the hub's errors."""
        sliced: Sliced[PendingInvoice] = list_all(
            self._ask,
            first_slices(self._nifs, self._offices),
            nifs=lambda rows: self._known_nifs(row.nif for row in rows),
            offices=lambda part, _: self._known_offices(part),
        )
        return Listing(sliced.rows, tuple(map(str, sliced.capped_slices)))

    def pending_attachments(self) -> Sliced[PendingAttachment]:
        """Return all attachments that the hub still lists; raises the hub's errors."""
        return list_all(
            self._ask_attachments,
            first_slices(self._nifs, self._offices),
            nifs=lambda _: self._known_nifs(()),
            offices=lambda part, _: self._known_offices(part),
        )

    def _ask(self, part: Slice) -> Page[PendingInvoice]:
        answer = self.reader.pending_invoices(part.nif, part.accounting_office)
        for row in answer.rows:
            if row.accounting_office:
                self._seen_offices[row.nif].add(row.accounting_office)
        return Page(answer.rows, answer.capped)

    def _ask_attachments(self, part: Slice) -> Page[PendingAttachment]:
        answer = self.reader.pending_attachments(part.nif, part.accounting_office)
        return Page(answer.rows, answer.capped)

    def _known_nifs(self, seen: Iterable[str | None]) -> set[str]:
        entities = {entity.nif for entity in self.reader.entities()}
        return entities | {nif for nif in (*seen, *self._seen_offices) if nif}

    def _known_offices(self, part: Slice) -> set[str]:
        return set(self._offices) | self._seen_offices[part.nif]
