"""Answers of a hub whose contract has moved on, or that is careless with its lists.

Pure: JSON bytes in, JSON bytes out. What an answer loses hangs on its bytes, so that the same
answer always loses the same.
"""

import json
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from bridge.sandbox import wire
from bridge.sandbox.faults import ALTERS, FaultKind

STRANGE_STATE = "ARCHIVED"
"""A state that the published table does not have."""

_STATE_FIELD = "estat"
_IDS = frozenset({"id", "idAdjunt", "idFactura", "nif"})
_LOST = 0.5
"""How likely a field is left out."""


Change = Callable[[dict[str, Any]], dict[str, Any]]


def _with_rows(body: bytes, change: Callable[[list[Any]], list[Any]]) -> bytes:
    fields = json.loads(body)
    return wire.dump(
        {name: change(it) if isinstance(it, list) else it for name, it in fields.items()}
    )


def _each_object(value: object, change: Change) -> object:
    """Return a JSON value with every object in it changed, the inner ones first."""
    if isinstance(value, list):
        return [_each_object(it, change) for it in value]
    if isinstance(value, dict):
        return change({name: _each_object(it, change) for name, it in value.items()})
    return value


def _with_objects(body: bytes, change: Change) -> bytes:
    return wire.dump(_each_object(json.loads(body), change))


def _repeat(body: bytes) -> bytes:
    return _with_rows(body, lambda rows: [*rows, *rows])


def _reorder(body: bytes) -> bytes:
    return _with_rows(body, lambda rows: rows[::-1])


def _extra(body: bytes) -> bytes:
    return _with_objects(body, lambda fields: {"campNou": {"valors": [1, None]}, **fields})


def _missing(body: bytes) -> bytes:
    random = Random(body)

    def left(fields: dict[str, Any]) -> dict[str, Any]:
        return {
            name: value
            for name, value in fields.items()
            if name in _IDS or isinstance(value, list) or random.random() >= _LOST
        }

    return _with_objects(body, left)


def _strange_state(body: bytes) -> bytes:
    return _with_objects(
        body,
        lambda fields: {
            name: STRANGE_STATE if name == _STATE_FIELD else value for name, value in fields.items()
        },
    )


CHANGES: Mapping[FaultKind, Callable[[bytes], bytes]] = {
    FaultKind.REPEAT: _repeat,
    FaultKind.REORDER: _reorder,
    FaultKind.EXTRA: _extra,
    FaultKind.MISSING: _missing,
    FaultKind.STRANGE_STATE: _strange_state,
}
"""What each of the faults that alter an answer makes of its body."""

assert CHANGES.keys() == ALTERS.keys()
