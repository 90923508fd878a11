"""What the doctor says of one thing."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from bridge.errors import BridgeError


class Verdict(StrEnum):
    """What a finding means: the bridge can work, it can but look at this, it cannot."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's: what was looked at, what it means, and what was seen."""

    what: str
    verdict: Verdict
    said: str


def finding(what: str, look: Callable[[], str]) -> Finding:
    """Return what a look tells, or why it failed."""
    try:
        return Finding(what, Verdict.OK, look())
    except BridgeError as error:
        return Finding(what, Verdict.FAILED, str(error))
