"""How times, sizes and hostile texts are put for people."""

import math
from datetime import datetime

_LONGEST = 300
"""Characters of a text from outside that are shown."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def span(seconds: float) -> str:
    """Return a duration in two units at most: `40 s`, `12 min`, `3 h 12 min`, `2 d 3 h`."""
    whole = math.floor(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < 2 * _DAY:
        return _two(whole // _HOUR, "h", whole % _HOUR // _MINUTE, "min")
    return _two(whole // _DAY, "d", whole % _DAY // _HOUR, "h")


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large} {large_unit} {small} {small_unit}" if small else f"{large} {large_unit}"


def size(count: float) -> str:
    """Return a number of bytes in the unit that fits: `812 bytes`, `12.3 GB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:  # noqa: PLR2004  (as the units)
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: `1 invoice`, `2 invoices`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def moment(at: datetime) -> str:
    """Return a time as this machine's clock shows it, with the zone."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def safe(text: str) -> str:
    """Return a text from outside without what could play tricks on a terminal or a reader."""
    whole = " ".join(text.split())
    short = whole if len(whole) <= _LONGEST else whole[: _LONGEST - 1] + "…"
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in short
    )
