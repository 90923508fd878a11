"""The hub's REST API: what can be asked, what can be told, and what can go wrong.

`HubReader` only reads; `HubClient` also writes. A shadow feed is given a reader, so that nothing
in it could ever write. The errors are drawn as a tree at the head of `bridge/hub/errors.py`.
"""

from bridge.hub.answers import PendingAttachments, PendingList
from bridge.hub.circuit import Circuit
from bridge.hub.client import HubClient, HubReader
from bridge.hub.download import Download
from bridge.hub.errors import (
    HubAccountError,
    HubAnswerError,
    HubFaultError,
    HubInvoiceFaultError,
    HubListError,
    HubPausedError,
    HubRefusalError,
    HubUnreachableError,
    UnclearAnswerError,
)

__all__ = [
    "Circuit",
    "Download",
    "HubAccountError",
    "HubAnswerError",
    "HubClient",
    "HubFaultError",
    "HubInvoiceFaultError",
    "HubListError",
    "HubPausedError",
    "HubReader",
    "HubRefusalError",
    "HubUnreachableError",
    "PendingAttachments",
    "PendingList",
    "UnclearAnswerError",
]
