"""Foreign errors of an old mailbox become ours here, and nowhere else.

A server that says no of one file spoils that file only; whatever ends a connection may be healed
by the next one. Where something was to be written, a no means that the mailbox cannot be written
to.
"""

import errno
import ftplib
from collections.abc import Iterator
from contextlib import contextmanager

import paramiko
from paramiko.sftp import SFTPError

from bridge.errors import (
    BridgeError,
    OldMailboxAwayError,
    OldMailboxRefusedError,
    OldMailboxUnwritableError,
)
from bridge.feeds.legacy.entries import FileTroubleError, Why

NO_SUCH_FILE = 2
"""The status of SFTP that is sure; what else is one failure or another."""

_BROKEN = (OSError, EOFError, ValueError, paramiko.SSHException, SFTPError, ftplib.Error)

LATER = "; try again later, and look at the url in [account.legacy] if it stays so"
"""What to do about a connection that did not come about, or broke: the end of what is said."""

_BROKEN_REPLIES = ("421", "425", "426")
"""Of FTP: the server hangs up, or a data connection failed."""


class BrokenLineError(OldMailboxAwayError):
    """The connection broke; another one may do."""


class SftpStatusError(OSError):
    """What an SFTP server answered instead of doing as it was told."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(None, text or f"status {code}")
        self.code = code


@contextmanager
def network(where: str, what: str, *, writing: bool = False) -> Iterator[None]:
    """Turn what paramiko, ftplib and sockets raise into our errors."""
    try:
        yield
    except BridgeError:
        raise
    except SftpStatusError as error:
        gone = error.code == NO_SUCH_FILE
        raise _said_no(where, what, text_of(error), gone=gone, writing=writing) from error
    except (ftplib.error_perm, ftplib.error_temp) as error:
        if str(error).startswith("530"):
            raise OldMailboxRefusedError(f"{where}: {what}: {error}") from error
        if str(error).startswith(_BROKEN_REPLIES):
            raise BrokenLineError(f"{where}: {what}: {text_of(error)}{LATER}") from error
        raise _said_no(where, what, text_of(error), gone=False, writing=writing) from error
    except TimeoutError as error:
        raise OldMailboxAwayError(f"{where}: {what}: no answer in time{LATER}") from error
    except _BROKEN as error:
        raise BrokenLineError(f"{where}: {what}: {text_of(error)}{LATER}") from error


@contextmanager
def on_disk(where: str, what: str, *, writing: bool = False) -> Iterator[None]:
    """Turn the operating system's errors about a file or folder into ours."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise FileTroubleError(text_of(error), why=Why.TOO_LARGE) from error
        gone = isinstance(error, FileNotFoundError | NotADirectoryError)
        raise _said_no(where, what, text_of(error), gone=gone, writing=writing) from error


def _said_no(where: str, what: str, text: str, *, gone: bool, writing: bool) -> BridgeError:
    if gone:
        return FileTroubleError(f"{where}: {what}: it is not there any more", why=Why.GONE)
    if writing:
        return OldMailboxUnwritableError(
            f"{where}: {what}: {text}; the user needs the right to write there, and the disk room"
        )
    return FileTroubleError(f"{where}: {what}: {text}", why=Why.UNREADABLE)


def text_of(error: BaseException) -> str:
    """Return what an error says, without a full stop: it may stand in the middle of a sentence."""
    if isinstance(error, EOFError):
        return "the connection ended"
    said = getattr(error, "strerror", None) or str(error)
    return str(said).rstrip(".") or type(error).__name__
