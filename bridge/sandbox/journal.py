"""The journal: every request that the pretend hub got, and what it answered."""

from dataclasses import dataclass
from datetime import datetime

from bridge.model import HubId


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request that the hub got, and what it answered: a line of the journal."""

    at: datetime
    """By the hub's clock."""
    method: str
    path: str
    """With the query, as asked for."""
    operation: str | None
    """None for a path that is none of the ten operations."""
    hub_id: HubId | None
    attachment_id: str | None
    body: str
    status: int
    """0 where the connection ended without an answer."""
    code: int | None
    """`codiError` of the answer."""
    applied: bool
    """Whether a PATCH or DELETE took effect, whatever was answered."""
    fault: str | None
    """The kind of fault that was made on purpose."""
    state: str | None = None
    """`estat` of a PATCH."""


class Journal:
    """The requests so far, in the order of the answers."""

    def __init__(self) -> None:
        self._requests: list[Request] = []

    def note(self, request: Request) -> None:
        """Write a request down."""
        self._requests.append(request)

    def all(self) -> tuple[Request, ...]:
        """Return every request."""
        return tuple(self._requests)

    def clear(self) -> None:
        """Forget the requests so far."""
        self._requests.clear()
