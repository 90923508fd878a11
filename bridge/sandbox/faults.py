"""Faults made on purpose: what a hub, a proxy or the line does on a bad day.

A fault waits until a request fits it. `applied` says whether the hub does the work before things
go wrong: a PATCH that took effect without the caller ever hearing of it.

A fault with a `chance` strikes some requests and spares others. Which ones hangs on the seed, on
what is asked, and on how often just that was asked before; so a run can be repeated, though the
requests of a pool of threads never arrive in the same order twice.
"""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

from bridge.sandbox.codes import CODES


class FaultKind(StrEnum):
    """What goes wrong."""

    ERROR = "error"
    """The hub's own error body, with `code`."""
    HTML = "html"
    """A proxy's page, with `status`."""
    EMPTY = "empty"
    """An answer with `status` and no body."""
    BUSY = "busy"
    """429, with `Retry-After: seconds`."""
    HANG = "hang"
    """Nothing for so many `seconds`, then the answer as usual."""
    DRIP = "drip"
    """The right answer, spread over so many `seconds`."""
    RESET = "reset"
    """The connection is reset before an answer."""
    CUT = "cut"
    """Half of the right answer, then the connection ends."""
    REPEAT = "repeat"
    """A list with each of its rows twice."""
    REORDER = "reorder"
    """A list with its last row first."""
    EXTRA = "extra"
    """The right answer, with fields in it that nobody knows."""
    MISSING = "missing"
    """The right answer without some of its fields; ids and lists stay."""
    STRANGE_STATE = "strange-state"
    """The right answer, with a state in it that nobody knows."""
    STRANGE_CODE = "strange-code"
    """The hub's error body, with a code that is not in its table."""


WRITES = frozenset({"update", "acknowledge_attachment"})
"""The operations that change something."""

LISTS = frozenset({"pending_invoices", "pending_attachments"})

_STATES = frozenset({"invoice", "states", "update"})
_OBJECTS = _STATES | LISTS | {"entities"}

ALTERS: Mapping[FaultKind, frozenset[str]] = {
    FaultKind.REPEAT: LISTS,
    FaultKind.REORDER: LISTS,
    FaultKind.EXTRA: _OBJECTS,
    FaultKind.MISSING: _OBJECTS,
    FaultKind.STRANGE_STATE: _STATES,
}
"""The faults that only change the right answer, and the operations that have such an answer."""

_USUAL = (9999, 503)
_STRANGE = (9876, 500)
"""The code and the HTTP status unless others are asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault and the requests that it fits; a filter that is None fits all."""

    kind: FaultKind = FaultKind.ERROR
    operation: str | None = None
    hub_id: str | None = None
    state: str | None = None
    """The `estat` of a PATCH."""
    code: int = 9999
    status: int = 503
    seconds: float = 1.0
    applied: bool = False
    skip: int = 0
    """So many requests that fit get through first."""
    times: int | None = 1
    """How often it strikes; None is for ever."""
    chance: float = 1.0
    """How likely it strikes a request that fits, from 0 to 1."""

    def __post_init__(self) -> None:
        if self.code not in CODES and self.kind is not FaultKind.STRANGE_CODE:
            raise ValueError(f"{self.code} is none of the hub's error codes")
        if not 200 <= self.status <= 599:  # noqa: PLR2004  (HTTP's own range)
            raise ValueError(f"{self.status} is no HTTP status that ends an answer")
        if self.times is not None and self.times < 1:
            raise ValueError("times: a number from 1, or none for ever")
        if not 0 <= self.chance <= 1:
            raise ValueError(f"a chance of {self.chance}: from 0 to 1 is wanted")

    def fits(self, *, operation: str | None, hub_id: str | None, state: str | None) -> bool:
        """Tell whether a request is one that this fault waits for."""
        if operation not in ALTERS.get(self.kind, {operation}):
            return False
        wanted = ((self.operation, operation), (self.hub_id, hub_id), (self.state, state))
        return all(want is None or want == got for want, got in wanted)


class Faults:
    """The faults that wait, oldest first; safe to use from any thread."""

    def __init__(self, *, seed: int = 1) -> None:
        self._seed = seed
        self._asked: Counter[str] = Counter()
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()

    def fail(
        self,
        kind: FaultKind | str | None = None,
        *,
        operation: str | None = None,
        hub_id: str | None = None,
        state: str | None = None,
        code: int | None = None,
        status: int | None = None,
        html: bool = False,
        seconds: float = 1.0,
        applied: bool = False,
        skip: int = 0,
        times: int | None = 1,
        chance: float = 1.0,
    ) -> Fault:
        """Make requests fail from now on; the first that waits and fits a request strikes.

        Without a kind, `html` and `status` ask for a proxy's page and all else for the hub's
        `code`. `times=None` is for ever. Raises ValueError for what makes no sense.
        """
        if kind is None:
            html = html or (status is not None and code is None)
            kind = FaultKind.HTML if html else FaultKind.ERROR
        kind = FaultKind(kind)
        usual_code, usual_status = _STRANGE if kind is FaultKind.STRANGE_CODE else _USUAL
        fault = Fault(
            kind=kind,
            operation=operation,
            hub_id=hub_id,
            state=state,
            code=usual_code if code is None else code,
            status=usual_status if status is None else status,
            seconds=seconds,
            applied=applied,
            skip=skip,
            times=times,
            chance=chance,
        )
        self.add(fault)
        return fault

    def add(self, *faults: Fault) -> None:
        """Let these faults wait too."""
        with self._lock:
            self._waiting.extend(faults)

    def clear(self) -> None:
        """Let everything go well again."""
        with self._lock:
            self._waiting.clear()

    @property
    def waiting(self) -> tuple[Fault, ...]:
        """What would still strike."""
        with self._lock:
            return tuple(self._waiting)

    def strike(
        self, *, operation: str | None, hub_id: str | None, state: str | None, path: str = ""
    ) -> Fault | None:
        """Return the fault of this request, and count it; `path` tells one request from others."""
        if not self._waiting:
            return None
        with self._lock:
            for place, fault in enumerate(self._waiting):
                if not fault.fits(operation=operation, hub_id=hub_id, state=state):
                    continue
                if not self._is_drawn(fault, f"{fault.kind} {operation} {path} {state}"):
                    continue
                if fault.skip:
                    self._waiting[place] = replace(fault, skip=fault.skip - 1)
                    continue
                self._count(place, fault)
                return fault
        return None

    def _is_drawn(self, fault: Fault, request: str) -> bool:
        if fault.chance == 1:
            return True
        self._asked[request] += 1
        draw = Random(f"{self._seed} {request} {self._asked[request]}")
        return draw.random() < fault.chance

    def _count(self, place: int, fault: Fault) -> None:
        if fault.times == 1:
            del self._waiting[place]
        elif fault.times is not None:
            self._waiting[place] = replace(fault, times=fault.times - 1)
