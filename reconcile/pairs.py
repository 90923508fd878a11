"""Bringing the two sides together: pairs by hub id, and one invoice under several hub ids."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from bridge.identity import number_forms, plain_nif, plain_number
from bridge.model import HubId, State
from bridge.recorded import Recorded, in_order


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One invoice as both feeds gave it; at least one did."""

    hub_id: HubId
    legacy: Recorded | None = None
    rest: Recorded | None = None
    twins: tuple[HubId, ...] = ()
    """Other hub ids of the same invoice, of which none was rejected."""
    note: str = ""
    """What a second look found, where that explains something."""
    tells_attachments: bool = True
    """Whether both sides say what attachments there were: REST, asked for one invoice, lists only
    those that are still to be fetched, and a folder may be one of invoices alone."""

    @property
    def on_both(self) -> bool:
        """Whether both feeds delivered its file."""
        return all(
            side is not None and side.digest is not None for side in (self.legacy, self.rest)
        )

    @property
    def one(self) -> Recorded:
        """The side that there is; REST where there are both."""
        found = self.rest or self.legacy
        assert found is not None, f"invoice {self.hub_id} is on neither side"
        return found


def pair_up(legacy: Mapping[HubId, Recorded], rest: Mapping[HubId, Recorded]) -> list[Pair]:
    """Return every invoice of either side, by hub id."""
    return [
        Pair(hub_id=hub_id, legacy=legacy.get(hub_id), rest=rest.get(hub_id))
        for hub_id in sorted({**legacy, **rest}, key=in_order)
    ]


Key = tuple[str, str, str, date]
"""What an invoice is, whatever its hub id: supplier, series, number, date."""


def key_of(recorded: Recorded) -> Key | None:
    """Return what invoice it is; None where supplier, number or date is not known."""
    if not (recorded.supplier_nif and recorded.number and recorded.issue_date):
        return None
    return (
        plain_nif(recorded.supplier_nif),
        plain_number(recorded.series or ""),
        plain_number(recorded.number),
        recorded.issue_date,
    )


def was_rejected(pair: Pair) -> bool:
    """Tell whether either feed says that the invoice was rejected."""
    sides = (side for side in (pair.legacy, pair.rest) if side)
    return any(record.state is State.REJECTED for side in sides for record in side.states)


def twins(pairs: Iterable[Pair]) -> dict[HubId, tuple[HubId, ...]]:
    """Return, of each invoice that stands under several hub ids, the others."""
    found: dict[Key, dict[HubId, None]] = defaultdict(dict)
    for pair in pairs:
        for side in (pair.legacy, pair.rest):
            key = key_of(side) if side else None
            if key is not None and not was_rejected(pair):
                found[key][pair.hub_id] = None
    together: dict[HubId, dict[HubId, None]] = defaultdict(dict)
    for ids in found.values():
        if len(ids) > 1:
            for hub_id in ids:
                together[hub_id] |= {other: None for other in ids if other != hub_id}
    return {hub_id: tuple(sorted(others, key=in_order)) for hub_id, others in together.items()}


def is_hub_id(hub_id: HubId) -> bool:
    """Tell a hub id from the name of a file that has none."""
    return hub_id.isascii() and hub_id.replace("-", "").replace("_", "").isalnum()


def with_further(known: Recorded, further: Recorded) -> Recorded:
    """Return what a feed gave of an invoice with one more file that is the same invoice's."""
    if further.digest is None or further.digest in (known.digest, *known.others):
        return known
    return replace(known, others=(*known.others, further.digest))


def claimed(pairs: Mapping[HubId, Pair]) -> dict[HubId, Pair]:
    """Return the pairs with old files that tell no hub id put to the one invoice of REST they are.

    By their bytes, else by supplier, date and number; what fits several stays under its own name.
    Attachments go by the hub id in their names: a file without one does not tell which it had.
    """
    found = dict(pairs)
    nameless = [it for it in pairs.values() if it.rest is None and not is_hub_id(it.hub_id)]
    index = _Index(pairs.values()) if nameless else None
    for pair in nameless:
        one = pair.legacy
        fitting = index.fitting(one) if index is not None and one is not None else frozenset()
        if one is not None and len(fitting) == 1:
            (hub_id,) = fitting
            there = found[hub_id]
            own = replace(one, hub_id=hub_id)
            legacy = own if there.legacy is None else with_further(there.legacy, own)
            tells = there.legacy is not None and there.tells_attachments and pair.tells_attachments
            found[hub_id] = replace(there, legacy=legacy, tells_attachments=tells)
            del found[pair.hub_id]
    return found


class _Index:
    """The invoices of REST, by what an old file can be recognised by."""

    def __init__(self, pairs: Iterable[Pair]) -> None:
        self._by_digest: dict[str, set[HubId]] = defaultdict(set)
        self._by_facts: dict[tuple[str, date], set[tuple[str, HubId]]] = defaultdict(set)
        for pair in pairs:
            rest = pair.rest
            if rest is None:
                continue
            if rest.digest:
                self._by_digest[rest.digest].add(pair.hub_id)
            if rest.supplier_nif and rest.issue_date and rest.number:
                key = (plain_nif(rest.supplier_nif), rest.issue_date)
                self._by_facts[key].add((plain_number(rest.number), pair.hub_id))

    def fitting(self, one: Recorded) -> Collection[HubId]:
        """Return the invoices that a file may be."""
        if one.digest and one.digest in self._by_digest:
            return self._by_digest[one.digest]
        if not (one.supplier_nif and one.issue_date and one.number):
            return ()
        said = self._by_facts.get((plain_nif(one.supplier_nif), one.issue_date), ())
        forms = number_forms(file_number=one.number, series=one.series)
        return {hub_id for number, hub_id in said if number in forms}


def names_of(pair: Pair) -> tuple[str, str] | None:
    """Return the names in `out` where both are known and differ."""
    names = [side.name if side else None for side in (pair.legacy, pair.rest)]
    legacy, rest = names
    return (legacy, rest) if legacy and rest and legacy != rest else None
