"""Contract drift: what the hub answers beside its published contract, counted before it bites.

Answers are read with tolerance (`answers.py`), so nothing breaks when the hub gets a new field, a
new state or a new error code; here somebody is told. Any field may be missing by the contract
(hub-rest-api, "Operations"): only those are reported that the bridge cannot do without, among them
the list itself where a list was asked for. What is counted comes from outside: names are cut, and
there are only so many of them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from threading import Lock

from bridge.hub.calls import Operation
from bridge.hub.fields import Row, state, text
from bridge.model import Drift, DriftKind

MOST_NAMES = 200
"""So many different things are counted between two looks; the others as one, named `MORE`."""

MORE = "(more)"

LONGEST_NAME = 60
"""Characters of a name that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The fields of an object, those that must be there, and the shape of the rows of its lists."""

    known: frozenset[str]
    needed: frozenset[str] = frozenset()
    lists: Mapping[str, "Shape"] = field(default_factory=dict)


def _shape(known: str, *, needed: str = "", **lists: Shape) -> Shape:
    names = frozenset(known.split()) | lists.keys()
    return Shape(known=names, needed=frozenset(needed.split()), lists=lists)


_STATED = "estat dataEstat numeroRegistre dataRegistre numeroRegistreRCF codiMotiuRebuig \
descripcioMotiuRebuig dataPagament"

_INVOICE = _shape(
    f"{_STATED} id numeroFactura dataFactura importFactura nifProveidor nifProveedor nomProveidor "
    "nomProveedor nif nom numeroRegistreFACe dataRegistreFACe oficinaComptable organGestor "
    "unitatTramitadora",
    needed="estat",
    adjunts=_shape("idAdjunt nom", needed="idAdjunt"),
)

SHAPES: Mapping[Operation, Shape] = {
    Operation.PENDING_INVOICES: _shape(
        "mesFactures",
        needed="factures",
        factures=_shape("id nif oficinaComptable organGestor unitatTramitadora", needed="id"),
    ),
    Operation.INVOICE: _INVOICE,
    Operation.PATCH: _INVOICE,
    Operation.HISTORY: _shape(
        "", needed="estats", estats=_shape(f"{_STATED} codiEstat", needed="estat")
    ),
    Operation.PENDING_ATTACHMENTS: _shape(
        "mesAdjunts",
        needed="adjunts",
        adjunts=_shape("idAdjunt idFactura nom", needed="idAdjunt idFactura"),
    ),
    Operation.ENTITIES: _shape("", needed="ens", ens=_shape("nif nom ine10", needed="nif")),
}
"""The answers that are objects (hub-rest-api, "Operations")."""


def look_for_drift(operation: Operation, answer: Row) -> frozenset[Drift]:
    """Return what an answer has that the contract does not, or lacks that is needed; each once."""
    shape = SHAPES.get(operation)
    if shape is None:
        return frozenset()
    return frozenset(
        Drift(call=operation, kind=kind, name=_printable(name))
        for kind, name in _differences(answer, shape)
    )


def unknown_code(operation: Operation, code: int) -> Drift:
    """Return the drift that an unknown error code is."""
    return Drift(call=operation, kind=DriftKind.UNKNOWN_CODE, name=str(code))


def _differences(row: Row, shape: Shape, path: str = "") -> Iterator[tuple[DriftKind, str]]:
    for name in row.keys() - shape.known:
        yield DriftKind.UNKNOWN_FIELD, path + name
    for name in shape.needed:
        is_there = isinstance(row.get(name), list) if name in shape.lists else text(row, name)
        if not is_there:
            yield DriftKind.MISSING_FIELD, path + name
    word = text(row, "estat") if "estat" in shape.known else None
    if word is not None and state(word) is None:
        yield DriftKind.UNKNOWN_STATE, word
    for name, inner in shape.lists.items():
        rows = row.get(name)
        for each in rows if isinstance(rows, list) else ():
            if isinstance(each, dict):
                yield from _differences(each, inner, f"{name}.")


def _printable(name: str) -> str:
    clean = "".join(it if it.isprintable() else "\N{REPLACEMENT CHARACTER}" for it in name)
    return clean[:LONGEST_NAME].encode(errors="replace").decode()


class DriftCounter:
    """Counts drift until it is taken to the ledger; may be shared by threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._times: dict[Drift, int] = {}

    def add(self, found: Iterable[Drift]) -> None:
        """Count each of these once more."""
        with self._lock:
            for drift in found:
                is_new = drift not in self._times and len(self._times) >= MOST_NAMES
                key = Drift(call=drift.call, kind=drift.kind, name=MORE) if is_new else drift
                self._times[key] = self._times.get(key, 0) + 1

    def take(self) -> Mapping[Drift, int]:
        """Return how often each was met since the last time, and begin anew."""
        with self._lock:
            taken, self._times = self._times, {}
        return taken
