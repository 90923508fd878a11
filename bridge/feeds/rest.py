"""The REST feed: what the hub's API delivers. It only reads; `HubReader` cannot write."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from bridge.errors import HubAwayError
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
from bridge.hub import HubReader, HubUnreachableError
from bridge.model import PendingAttachment, PendingInvoice


@dataclass(frozen=True, slots=True)
class Listing:
    """What waits at the hub, and where more may wait than could be listed."""

    invoices: tuple[PendingInvoice, ...]
    capped: tuple[Slice, ...]
    failure: HubAwayError | None = None
    """What the hub said of a list that was left out."""

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

    def pending(self, *, leave_out: bool = False) -> Listing:
        """Return all that the pending list holds; raises the hub's errors.

        With `leave_out`, of the lists of several tax ids or offices (the settings' `nifs` and
        `oficines_comptables`) those are left out on which a hub that is there fails.
        """
        slices = self._first_slices()
        sliced = list_all(
            self._ask,
            slices,
            parts_of=self._parts_of,
            leave_out=lambda error: leave_out and len(slices) > 1 and _is_there(error),
        )
        return Listing(sliced.rows, sliced.capped_slices, sliced.failure)

    def pending_attachments(self, *, leave_out: bool = False) -> Sliced[PendingAttachment]:
        """Return all attachments that the hub still lists; raises the hub's errors.

        With `leave_out` without the lists on which a hub that is there fails.
        """
        return list_all(
            self._ask_attachments,
            self._first_slices(),
            parts_of=self._parts_of,
            leave_out=lambda error: leave_out and _is_there(error),
        )

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


def _is_there(error: HubAwayError) -> bool:
    return not isinstance(error, HubUnreachableError) and error.retry_after is None
