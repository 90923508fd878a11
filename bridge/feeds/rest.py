"""The REST feed: what the hub's API delivers. It only reads; `HubReader` cannot write."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from bridge.feeds.slices import (
    Page,
    Parts,
    Slice,
    Sliced,
    by_nif,
    by_office,
    first_slices,
    list_all,
)
from bridge.hub import HubReader
from bridge.model import PendingAttachment, PendingInvoice


@dataclass(frozen=True, slots=True)
class Listing:
    """What waits at the hub, and where more may wait than could be listed."""

    invoices: tuple[PendingInvoice, ...]
    capped: tuple[Slice, ...]

    @property
    def capped_slices(self) -> tuple[str, ...]:
        """The lists that hold more than could be listed, in words."""
        return tuple(map(str, self.capped))


class RestFeed:
    """The hub's lists, past their cap. One per account; it learns the entities' offices."""

    def __init__(
        self, reader: HubReader, *, nifs: Sequence[str] = (), offices: Sequence[str] = ()
    ) -> None:
        self.reader = reader
        self._nifs = tuple(nifs)
        self._offices = tuple(offices)
        self._seen_offices: dict[str, set[str]] = defaultdict(set)

    def pending(self) -> Listing:
        """Return all that the pending list holds; raises the hub's errors."""
        sliced = list_all(self._ask, self._first_slices(), parts_of=self._parts_of)
        return Listing(sliced.rows, sliced.capped_slices)

    def pending_attachments(self) -> Sliced[PendingAttachment]:
        """Return all attachments that the hub still lists; raises the hub's errors."""
        return list_all(self._ask_attachments, self._first_slices(), parts_of=self._parts_of)

    def _first_slices(self) -> Sequence[Slice]:
        return first_slices(self._nifs, self._offices)

    def _ask(self, part: Slice) -> Page[PendingInvoice]:
        answer = self.reader.pending_invoices(part.nif, part.accounting_office)
        for row in answer.rows:
            if row.nif:
                self._seen_offices[row.nif].update(filter(None, [row.accounting_office]))
        return Page(answer.rows, answer.capped)

    def _ask_attachments(self, part: Slice) -> Page[PendingAttachment]:
        answer = self.reader.pending_attachments(part.nif, part.accounting_office)
        return Page(answer.rows, answer.capped)

    def _parts_of(self, part: Slice) -> Parts:
        if part.nif is None:
            entities = [entity.nif for entity in self.reader.entities()]
            return by_nif(part, entities=entities, seen=list(self._seen_offices))
        if part.accounting_office is None:
            return by_office(part, self._seen_offices[part.nif])
        return Parts()
