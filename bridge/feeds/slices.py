"""Past the 500 cap: asking for the pending list in slices until each is whole.

The hub returns at most 500 rows and has no pages (hub-rest-api, "The 500 cap"); the filters `nif`
and `oficinaComptable` are the only other way. A slice that says there is more is asked again in
parts. Where the parts bring nothing that the whole did not have, or a part stays capped, the slice
is named: an invoice may be missing there, and somebody must know.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Generic, Protocol, TypeVar


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
    """All rows found, each once, and the slices of which more exist than could be listed."""

    rows: tuple[T, ...]
    capped_slices: tuple[Slice, ...]


def first_slices(nifs: Sequence[str], offices: Sequence[str]) -> list[Slice]:
    """Return what to ask first: everything, or what the settings narrow it to."""
    every: list[str | None] = [None]
    return [Slice(nif, office) for nif, office in product(nifs or every, offices or every)]


def list_all(
    ask: Callable[[Slice], Page[T]],
    slices: Iterable[Slice],
    *,
    nifs: Callable[[Iterable[T]], Iterable[str]],
    offices: Callable[[Slice, Iterable[T]], Iterable[str]],
) -> Sliced[T]:
    """Ask slice by slice, in parts where one is capped.

    `nifs` and `offices` name the parts of a capped slice, given the rows seen so far.
    """
    found: dict[T, None] = {}
    capped: list[Slice] = []

    def walk(part: Slice) -> None:
        page = ask(part)
        found.update(dict.fromkeys(page.rows))
        if not page.capped:
            return
        before = len(found)
        for smaller in _parts(part, nifs, offices, found):
            walk(smaller)
        if len(found) == before:
            capped.append(part)

    for part in slices:
        walk(part)
    return Sliced(tuple(found), tuple(dict.fromkeys(capped)))


def _parts(
    part: Slice,
    nifs: Callable[[Iterable[T]], Iterable[str]],
    offices: Callable[[Slice, Iterable[T]], Iterable[str]],
    found: Mapping[T, None],
) -> list[Slice]:
    if part.nif is None:
        return [Slice(nif, part.accounting_office) for nif in sorted(set(nifs(tuple(found))))]
    if part.accounting_office is None:
        return [Slice(part.nif, office) for office in sorted(set(offices(part, tuple(found))))]
    return []
