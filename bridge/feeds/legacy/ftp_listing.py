"""What FTP servers answer to MLSD, MLST and LIST: lines of three forms.

A line that is of none of them is an error: it may be an invoice. LIST's times are the server's own,
of an unknown zone and often without the hour; so they are not used.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from bridge.feeds.legacy.entries import Kind, Row

_UNIX = re.compile(
    rb"([-dlbcps])\S{9,}\s+\d+\s+\S+\s+(?:\S+\s+)?(\d+)\s+\S+\s+\S+\s+[\d:]+ (.+)", re.DOTALL
)
_DOS = re.compile(
    rb"\d\d-\d\d-\d\d(?:\d\d)?\s+\d\d:\d\d(?:[AP]M)?\s+(?:(<DIR>)\s+|(<[A-Z]+>)\s+|(\d+) )(.+)",
    re.DOTALL,
)
_KINDS = {b"-": Kind.FILE, b"d": Kind.FOLDER, b"l": Kind.LINK}
_TYPES = {"file": Kind.FILE, "dir": Kind.FOLDER, "cdir": Kind.FOLDER, "pdir": Kind.FOLDER}
_NO_ROWS = re.compile(rb"\s*|total \d+\s*", re.IGNORECASE)
_HERE = frozenset({b".", b".."})


class ListingError(ValueError):
    """A listing that cannot be understood."""


def parse_list(lines: Iterable[bytes]) -> Iterator[Row]:
    """Yield what LIST shows."""
    for line in lines:
        if not _NO_ROWS.fullmatch(line):
            row = _unix(line) or _dos(line)
            if row is None:
                raise ListingError(f"a listing with {_for_people(line)!r}, which is no file")
            if row.name not in _HERE:
                yield _checked(row)


def parse_facts_list(lines: Iterable[bytes]) -> Iterator[Row]:
    """Yield what MLSD shows."""
    for line in lines:
        facts, name = _facts(line)
        if facts.get("type") not in ("cdir", "pdir") and name not in _HERE:
            yield _checked(_row(name, facts))


def parse_facts(line: bytes, *, name: bytes) -> Row:
    """Return what MLST shows of one name: it may answer with the whole path."""
    return _row(name, _facts(line)[0])


def parse_time(text: str) -> datetime | None:
    """Return the time in `20240131123000` or `20240131123000.123`, which is in UTC."""
    try:
        return datetime.strptime(text[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _unix(line: bytes) -> Row | None:
    match = _UNIX.fullmatch(line)
    if match is None:
        return None
    kind, size, name = _KINDS.get(match[1], Kind.OTHER), int(match[2]), match[3]
    if kind is Kind.LINK:
        name = name.partition(b" -> ")[0]
    return Row(name=name, kind=kind, size=size if kind is Kind.FILE else None)


def _dos(line: bytes) -> Row | None:
    match = _DOS.fullmatch(line)
    if match is None:
        return None
    if match[3] is not None:
        return Row(name=match[4], kind=Kind.FILE, size=int(match[3]))
    return Row(name=match[4], kind=Kind.FOLDER if match[1] else Kind.LINK)


def _facts(line: bytes) -> tuple[dict[str, str], bytes]:
    facts, space, name = line.lstrip(b" ").partition(b" ")
    if not space:
        raise ListingError(f"a listing with {_for_people(line)!r}, which is no file")
    pairs = (fact.partition("=") for fact in facts.decode("latin-1").split(";"))
    return {key.lower(): value for key, _, value in pairs}, name


def _row(name: bytes, facts: dict[str, str]) -> Row:
    kind = facts.get("type", "").lower()
    size = facts.get("size", "")
    return Row(
        name=name,
        kind=Kind.LINK if "link" in kind else _TYPES.get(kind, Kind.OTHER),
        size=int(size) if size.isascii() and size.isdigit() else None,
        modified=parse_time(facts.get("modify", "")),
    )


def _checked(row: Row) -> Row:
    if b"/" in row.name or b"\0" in row.name:
        raise ListingError(f"a listing with {_for_people(row.name)!r}, which is no name")
    return row


def _for_people(line: bytes) -> str:
    return line[:200].decode("latin-1")
