"""What a client is told when something cannot be done; each door has its own codes for it."""

from enum import StrEnum

from bridge.errors import BridgeError


class No(StrEnum):
    """Why something cannot be done; each door has its code for it."""

    MISSING = "missing"
    DENIED = "denied"
    FAILED = "failed"


class DoorError(BridgeError):
    """A no to a client, with a text that it may read."""

    def __init__(self, no: No, text: str) -> None:
        super().__init__(text)
        self.no = no
