"""Something that needs a look, as a value."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that needs a look; `command` is one of ours without its settings file."""

    account: str | None
    what: str
    advice: str
    command: tuple[str, ...] = ()
    support: str | None = None
    """For the AOC's support, where they can help."""
