"""Faults in one line: `500:0.1,reset:0.05`, `rough`, `clock:-600`; what `--faults` understands.

Parts are separated by commas. A part is a fault with its chance and, where it takes time, its
seconds (`NAME`, `NAME:CHANCE`, `NAME:CHANCE:SECONDS`); or `clock:SECONDS`; or `poison`, with a
number; or the name of a set.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from bridge.errors import SettingsError
from bridge.sandbox.book import Book
from bridge.sandbox.faults import WRITES, Fault, FaultKind

USUAL_CHANCE = 0.05

FAULTS: Mapping[str, tuple[Fault, ...]] = {
    "500": (Fault(kind=FaultKind.ERROR, code=9999),),
    "html": (Fault(kind=FaultKind.HTML, status=500),),
    "429": (Fault(kind=FaultKind.BUSY, seconds=1),),
    "hang": (Fault(kind=FaultKind.HANG, seconds=10),),
    "drip": (Fault(kind=FaultKind.DRIP, seconds=2),),
    "reset": (Fault(kind=FaultKind.RESET),),
    "cut": (Fault(kind=FaultKind.CUT),),
    "lost": tuple(
        Fault(kind=FaultKind.RESET, operation=operation, applied=True)
        for operation in sorted(WRITES)
    ),
    "repeat": (Fault(kind=FaultKind.REPEAT),),
    "reorder": (Fault(kind=FaultKind.REORDER),),
    "extra": (Fault(kind=FaultKind.EXTRA),),
    "missing": (Fault(kind=FaultKind.MISSING),),
    "strange-state": (Fault(kind=FaultKind.STRANGE_STATE),),
    "strange-code": (Fault(kind=FaultKind.STRANGE_CODE, code=9876, status=500),),
}
"""The faults by the names that they have here."""

SETS: Mapping[str, str] = {
    "rough": "500,html,429:0.02,hang:0.01,drip:0.02,reset,cut,lost:0.1,repeat:0.2,reorder:0.2",
    "drift": "extra:1,missing:0.1,strange-state,strange-code",
}
"""Named sets, and what they stand for."""

KNOWN = (*FAULTS, "clock", "poison", *SETS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What a line asks for."""

    faults: tuple[Fault, ...] = ()
    clock_offset: float = 0.0
    """Seconds that the hub's clock is ahead."""
    poisoned: int = 0
    """So many of the first invoices draw 9999, whatever is asked of them."""

    def __add__(self, other: "Trouble") -> "Trouble":
        return Trouble(
            faults=self.faults + other.faults,
            clock_offset=self.clock_offset + other.clock_offset,
            poisoned=max(self.poisoned, other.poisoned),
        )

    def come_over(self, book: Book) -> None:
        """Make all this happen to a hub from now on."""
        for hub_id in book.hub_ids[: self.poisoned]:
            book.faults.fail(hub_id=hub_id, code=9999, times=None)
        book.faults.add(*self.faults)
        book.clock_offset += self.clock_offset


def read_spec(spec: str) -> Trouble:
    """Return what a line asks for; raises SettingsError, whose text says what is wrong with it."""
    return sum((_part(part.strip()) for part in spec.split(",")), Trouble())


def _part(part: str) -> Trouble:
    name, *numbers = part.split(":")
    if name in SETS and not numbers:
        return read_spec(SETS[name])
    values = [_number(text, part) for text in numbers]
    if name == "clock" and len(values) == 1:
        return Trouble(clock_offset=values[0])
    if name == "poison" and len(values) <= 1:
        return Trouble(poisoned=_count(values, part))
    if name in FAULTS and len(values) <= 2:  # noqa: PLR2004  (chance and times)
        return Trouble(faults=tuple(_fault(fault, values, part) for fault in FAULTS[name]))
    raise SettingsError(
        f"--faults: {part!r} is not understood; known are {', '.join(KNOWN)}, such as "
        "500:0.1,reset:0.05 (see docs/sandbox.md)"
    )


def _fault(fault: Fault, values: list[float], part: str) -> Fault:
    chance, seconds = [*values, *(USUAL_CHANCE, fault.seconds)[len(values) :]]
    if seconds < 0:
        raise SettingsError(f"--faults: {part!r}: seconds are a number from 0")
    try:
        return replace(fault, chance=chance, seconds=seconds, times=None)
    except ValueError as error:
        raise SettingsError(f"--faults: {part!r}: {error}") from error


def _count(values: list[float], part: str) -> int:
    value = values[0] if values else 1
    if value < 1 or value != int(value):
        raise SettingsError(f"--faults: {part!r}: a number of invoices from 1 is wanted")
    return int(value)


def _number(text: str, part: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise SettingsError(f"--faults: {part!r}: {text!r} is no number")
    return value
