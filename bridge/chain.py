"""The chain of an account's events: each line bears the digest of the line before it.

A line is one event as JSON (sorted keys, no spaces, ASCII). Its digest is the SHA-256 of just
those bytes, so anyone can check a chain with `sha256sum`: a line that was changed, removed or put
in between breaks it from there on.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

Value = str | int | float | None | Sequence["Value"] | Mapping[str, "Value"]
Detail = Mapping[str, Value]

_WRITTEN = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode

FIRST = ""
"""What the first event of an account names as the digest before it."""


@dataclass(frozen=True, kw_only=True)
class Link:
    """An event in the chain of its account; `previous` is the digest of the one before."""

    account: str
    number: int
    """From 1, without gaps."""
    at: datetime
    actor: str
    kind: str
    hub_id: str | None
    detail: Detail
    previous: str

    @cached_property
    def line(self) -> str:
        """The event as the line that is digested, and written into the journal."""
        return _WRITTEN(
            {
                "account": self.account,
                "number": self.number,
                "at": self.at.astimezone(UTC).isoformat(),
                "actor": self.actor,
                "kind": self.kind,
                "hub_id": self.hub_id,
                "detail": self.detail,
                "previous": self.previous,
            }
        )

    @property
    def digest(self) -> str:
        """The SHA-256 of the line."""
        return digest_of(self.line)


class BrokenChainError(ValueError):
    """A line that is no event, or does not follow the one before it; the text says which."""


def digest_of(line: str) -> str:
    """Return the digest that the next line must bear."""
    return hashlib.sha256(line.encode()).hexdigest()


def parse(line: str) -> Link:
    """Return the event of a line; raises BrokenChainError."""
    try:
        found = json.loads(line)
        found["at"] = datetime.fromisoformat(found["at"])
        return Link(**found)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise BrokenChainError(f"this line is no event: {line[:80]!r}") from error


def check(lines: Iterable[str], *, number: int = 0, previous: str = FIRST) -> tuple[int, str]:
    """Return number and digest of the last line of a chain that follows `previous`.

    Raises BrokenChainError at the first line that does not follow.
    """
    for line in lines:
        link = parse(line)
        if link.number != number + 1:
            raise BrokenChainError(f"event {link.number} comes after event {number}")
        if link.previous != previous:
            raise BrokenChainError(
                f"event {link.number} of {link.at.isoformat()} does not follow event {number}: "
                "one of them was changed"
            )
        number, previous = link.number, digest_of(line)
    return number, previous
