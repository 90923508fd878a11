"""State parity: what our rules make of the software's state files, beside what the hub shows.

The old hub applied each of these files already. If our translation of a file is in the history
that the hub gives by `/estats`, the same file will do the same through REST: that is proven on the
administration's own data, before a single PATCH is sent.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.model import HubId, Refusal, StateRecord, StateUpdate
from bridge.recorded import Difference
from bridge.translate import CARRIED, ReadUpdate, comparable
from reconcile.model import Parity, StateRow

NOT_ASKED = "the hub was not asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A state update that the software gave the old mailbox."""

    file: str
    update: ReadUpdate
    hub_id: HubId | None
    """As the file says, or as number, supplier and date tell without doubt."""
    at: datetime | None = None
    """When it was given, where that is known."""
    refused: bool = False
    """The old hub answered that it could not be applied."""


History = Callable[[HubId], "Sequence[StateRecord] | None"]
"""Gives what the hub's history says of an invoice; None where it could not be asked."""


def state_rows(
    given: Iterable[Given], history: History, *, now: datetime, grace: timedelta
) -> tuple[StateRow, ...]:
    """Return how each update compares, in the order in which they were given."""
    return tuple(_row(each, history, now=now, grace=grace) for each in given)


def _row(given: Given, history: History, *, now: datetime, grace: timedelta) -> StateRow:
    records = history(given.hub_id) if given.hub_id else None
    outcome = given.update.outcome
    if isinstance(outcome, Refusal):
        return _told(given, _of_refused(given, records), said=f"{outcome.code} {outcome.reason}")
    if given.hub_id is None:
        return _told(given, Parity.UNKNOWN, said="no invoice is known by what the file says")
    if records is None:
        return _told(given, Parity.UNKNOWN, said=NOT_ASKED)
    found = [record for record in records if record.state is outcome.state]
    if not found:
        return _not_found(given, outcome, records, recent=_recent(given, now - grace))
    differences = [_differences(outcome, record) for record in found]
    if () in differences:
        return _told(given, Parity.SAME)
    return _told(given, Parity.DIFFERENT, differences=differences[-1])


def _recent(given: Given, settled: datetime) -> bool:
    return given.at is not None and given.at > settled


def _not_found(
    given: Given, update: StateUpdate, records: Sequence[StateRecord], *, recent: bool
) -> StateRow:
    if given.refused:
        return _told(given, Parity.UNKNOWN, said="the old hub refused what our rules would send")
    if recent:
        return _told(given, Parity.UNKNOWN, said="it was given a short time ago")
    shown = Difference(field="state", legacy=update.state, rest=_last(records))
    return _told(given, Parity.MISSING, differences=(shown,))


def _of_refused(given: Given, records: Sequence[StateRecord] | None) -> Parity:
    """Return how a refusal of ours compares: did the old hub take what we would not?"""
    if given.refused:
        return Parity.REFUSED_BY_BOTH
    if records is None:
        return Parity.UNKNOWN
    taken = any(record.state_text.upper() == given.update.asked_state for record in records)
    return Parity.REFUSED_BY_US if taken else Parity.REFUSED_BY_BOTH


def _differences(update: StateUpdate, record: StateRecord) -> tuple[Difference, ...]:
    pairs = (
        (name, comparable(getattr(update, name)), comparable(getattr(record, name)))
        for name in CARRIED.get(update.state, ())
    )
    return tuple(
        Difference(field=name, legacy=ours or None, rest=theirs or None)
        for name, ours, theirs in pairs
        if ours != theirs
    )


def _last(records: Sequence[StateRecord]) -> str | None:
    return records[-1].state_text if records else None


def _told(
    given: Given, parity: Parity, *, differences: tuple[Difference, ...] = (), said: str = ""
) -> StateRow:
    return StateRow(
        hub_id=given.hub_id,
        file=given.file,
        position=given.update.position,
        state=given.update.asked_state or "",
        parity=parity,
        differences=differences,
        said=said,
    )
