"""The tree of errors, split by who must act.

    BridgeError
    ├── RcfFileError      the RCF's file: a person there; the answer goes to `statout`
    ├── InvoiceError      this invoice or update: a person here; the others go on
    │   └── OldMailboxFileError        one file of the old mailbox
    ├── HubAwayError      the hub or the line: time heals it
    ├── OldMailboxAwayError            the old mailbox or the line to it: time heals it
    │   └── NoOldMailboxError          its server answers, and the mailbox is not found there
    ├── AccountError      our key or our clock: this account stops and shouts
    │   ├── OldMailboxRefusedError     its password, host key or certificate
    │   └── OldMailboxUnwritableError  what may be read there and not be written
    └── LocalError        this machine: a person here, before anything else
        ├── SettingsError     a setting or a file that it names
        ├── LedgerError       the ledger cannot be reached
        │   └── LedgerBusyError            another program holds it
        ├── PortTakenError    another program listens there
        └── StorageError      the disk, a folder, a file

Foreign errors (`httpx`, `sqlalchemy`, `lxml`, `OSError`) become one of these at the edge where
they arise, so that flows and commands ask one question only: whose fault is it?
"""

from typing import ClassVar

from bridge.blame import Fault


class BridgeError(Exception):
    """Base of all our errors; its text says what, where and what to do next.

    `fault` says who must act, and so what the bridge does about it (`bridge/blame.py`).
    """

    fault: ClassVar[Fault] = Fault.LOCAL


class RcfFileError(BridgeError):
    """A file of the RCF that cannot be applied, as a refusal code (`BR01` …) and a reason."""

    fault = Fault.RCF_FILE

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class InvoiceError(BridgeError):
    """One invoice or update that cannot go on; it is set aside and the others go on."""

    fault = Fault.INVOICE


class HubAwayError(BridgeError):
    """The hub cannot be reached or does not answer as a hub; try again later.

    `retry_after` is how many seconds the hub asked us to wait, where it did.
    """

    fault = Fault.HUB_AWAY

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class AccountError(BridgeError):
    """The hub does not accept this account: its key, its user or this machine's clock."""

    fault = Fault.ACCOUNT


class OldMailboxFileError(InvoiceError):
    """One file of the old mailbox that cannot be read, or that is not what it should be."""


class OldMailboxAwayError(BridgeError):
    """The old mailbox cannot be reached, or does not answer as a mailbox; try again later."""

    fault = Fault.OLD_MAILBOX_AWAY


class NoOldMailboxError(OldMailboxAwayError):
    """The server of the old mailbox answers and lets us in, and no mailbox is found there."""


class OldMailboxRefusedError(AccountError):
    """The old mailbox does not let us in, or it is not the one that the settings name."""

    fault = Fault.OLD_MAILBOX_REFUSED


class OldMailboxUnwritableError(AccountError):
    """The old mailbox can be read and not be written to: no right to, or no room."""

    fault = Fault.OLD_MAILBOX_REFUSED


class LocalError(BridgeError):
    """Something on this machine that must be put right before the bridge can go on."""

    fault = Fault.LOCAL


class SettingsError(LocalError):
    """A wrong setting, or a file named by a setting that cannot be used."""


class LedgerError(LocalError):
    """The ledger cannot be opened, read or written."""


class LedgerBusyError(LedgerError):
    """Another program has held the ledger for too long: nobody else can write to it either."""


class PortTakenError(LocalError):
    """A port that a listener needs is in use."""


class StorageError(LocalError):
    """A file or folder cannot be read or written."""
