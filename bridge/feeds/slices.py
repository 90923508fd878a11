"""Past the 500 cap: asking for the pending list in slices until each is whole.

The hub returns at most 500 rows and has no pages (hub-rest-api, "The 500 cap"); the filters `nif`
and `oficinaComptable` are the only other way. A slice that says there is more is asked again in
parts, and named unless the parts prove to hold all of it: an invoice may be missing there, and
somebody must know. Only the platform's own entities (`/ens`) are such parts, as long as all that
the slice showed is found again in them, and more. Offices never are: which ones there are is known
from what was listed, and a row may have none.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Generic, Protocol, TypeVar

from bridge.errors import HubAwayError


class Row(Protocol):
    """What is listed: hashable, so that the same row from two slices counts once."""

    def __hash__(self) -> int: ...


T = TypeVar("T", bound=Row)


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the pending list, by the hub's two filters."""

    nif: str | None = None
    accounting_office: str | None = None

    def __str__(self) -> str:
        parts = (("nif", self.nif), ("oficinaComptable", self.accounting_office))
        return " ".join(f"{name}={value}" for name, value in parts if value) or "everything"


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """What the hub answered for one slice."""

    rows: tuple[T, ...]
    capped: bool


@dataclass(frozen=True, slots=True)
class Sliced(Generic[T]):
    """All rows found, each once, and the slices that may hold more than could be listed."""

    rows: tuple[T, ...]
    capped_slices: tuple[Slice, ...]
    failure: HubAwayError | None = None
    """What the hub said of a slice that was left out."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts to ask a capped slice in."""

    slices: frozenset[Slice] = frozenset()
    complete: frozenset[Slice] = frozenset()
    """Those of them that together should hold all of it."""


def first_slices(nifs: Sequence[str], offices: Sequence[str]) -> list[Slice]:
    """Return what to ask first: everything, or what the settings narrow it to."""
    every: list[str | None] = [None]
    return [Slice(nif, office) for nif, office in product(nifs or every, offices or every)]


def by_nif(part: Slice, *, entities: Iterable[str], seen: Iterable[str]) -> Parts:
    """Return a slice's parts by tax id: the platform's entities, and whoever else was seen."""
    named = frozenset(Slice(nif, part.accounting_office) for nif in entities)
    return Parts(named | {Slice(nif, part.accounting_office) for nif in seen}, complete=named)


def by_office(part: Slice, offices: Iterable[str]) -> Parts:
    """Return a slice's parts by accounting office."""
    return Parts(frozenset(Slice(part.nif, office) for office in offices))


def list_all(
    ask: Callable[[Slice], Page[T]],
    slices: Iterable[Slice],
    *,
    parts_of: Callable[[Slice], Parts],
    leave_out: Callable[[HubAwayError], bool] = lambda _: False,
) -> Sliced[T]:
    """Ask slice by slice, in parts where one is capped.

    `parts_of` is asked for the parts of a capped slice right after that slice was asked.
    `leave_out` tells of which errors a slice is left out; the others are raised.
    """
    found: dict[T, None] = {}
    capped: list[Slice] = []
    failure: HubAwayError | None = None

    def walk(whole: Slice) -> set[T]:
        page = ask(whole)
        rows = set(page.rows)
        found.update(dict.fromkeys(page.rows))
        if not page.capped:
            return rows
        parts = parts_of(whole)
        inside = {part: walk(part) for part in sorted(parts.slices, key=str)}
        proven = set[T]().union(*(inside[part] for part in parts.complete))
        if not rows < proven:
            capped.append(whole)
        return rows.union(*inside.values())

    for part in slices:
        try:
            walk(part)
        except HubAwayError as error:
            if not leave_out(error):
                raise
            failure = error
    return Sliced(tuple(found), tuple(dict.fromkeys(capped)), failure)
