"""Where in a TOML text a key stands: the parser does not say, and a person wants to know."""

import re
import tomllib
from itertools import takewhile

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_DOTTED = rf"{_PART}(?:\s*\.\s*{_PART})*"
_TABLE = re.compile(rf"^\s*(\[\[?)\s*({_DOTTED})\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(rf"^\s*({_DOTTED})\s*=")


def line_of(text: str, keys: tuple[str | int, ...]) -> int | None:
    """Return the line (from 1) of the innermost of these keys that the TOML text has.

    `keys` is the way to a value: table names, and positions (from 0) in lists of tables.
    """
    best, best_depth = None, 0
    here: list[str | int] = []
    counts: dict[tuple[str | int, ...], int] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if table := _TABLE.match(line):
            here = _table_path(_names(table[2]), counts, repeated=table[1] == "[[")
            way = tuple(here)
        elif key := _KEY.match(line):
            way = (*here, *_names(key[1]))
        else:
            continue
        same = takewhile(lambda pair: pair[0] == pair[1], zip(way, keys, strict=False))
        depth = sum(1 for _ in same)
        if depth > best_depth:
            best, best_depth = number, depth
    return best


def _names(dotted: str) -> list[str]:
    """Return the parts of a dotted key, without quotes; none for what only looks like a key."""
    try:
        inner: object = tomllib.loads(f"{dotted} = 0")
    except tomllib.TOMLDecodeError:
        return []
    names = []
    while isinstance(inner, dict):
        ((name, inner),) = inner.items()
        names.append(name)
    return names


def _table_path(
    names: list[str], counts: dict[tuple[str | int, ...], int], *, repeated: bool
) -> list[str | int]:
    """Return the way to a table, with positions for the lists of tables it stands in."""
    path: list[str | int] = []
    for position, name in enumerate(names):
        path.append(name)
        last = position == len(names) - 1
        if last and repeated:
            counts[tuple(path)] = counts.get(tuple(path), -1) + 1
        if tuple(path) in counts:
            path.append(counts[tuple(path)])
    return path
