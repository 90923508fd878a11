"""Where two values differ, so that the eye finds it."""

from dataclasses import dataclass

from reconcile.rendering.inert import visible


@dataclass(frozen=True, slots=True)
class Parts:
    """A value cut in three: as on the other side, otherwise there, as on the other side."""

    before: str
    changed: str
    after: str


def changed_parts(legacy: str | None, rest: str | None) -> tuple[Parts | None, Parts | None]:
    """Return both values with the part that differs marked; None where a side says nothing."""
    if legacy is None or rest is None:
        return _whole(legacy), _whole(rest)
    start = _alike(legacy, rest)
    end = _alike(legacy[start:][::-1], rest[start:][::-1])
    return _cut(legacy, start, end), _cut(rest, start, end)


def _alike(one: str, other: str) -> int:
    """Return how many characters both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def _cut(text: str, start: int, end: int) -> Parts:
    stop = len(text) - end
    return Parts(visible(text[:start]), visible(text[start:stop]), visible(text[stop:]))


def _whole(text: str | None) -> Parts | None:
    return None if text is None else Parts("", visible(text), "")
