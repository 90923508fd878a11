"""SFTP as paramiko speaks it, but for three things that an old server may do to it.

Names and error texts are bytes of any encoding, where paramiko wants UTF-8. A listing may answer
for ever with no names in it, or claim to have four thousand million. A status is an error of ours
that keeps its number, so that it cannot be mistaken for trouble with the connection.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

import paramiko
from paramiko.message import Message
from paramiko.sftp import (
    CMD_CLOSE,
    CMD_HANDLE,
    CMD_NAME,
    CMD_OPENDIR,
    CMD_READDIR,
    CMD_REALPATH,
    SFTP_EOF,
    SFTP_OK,
    SFTPError,
)

from bridge.feeds.legacy.entries import Kind, Row
from bridge.feeds.legacy.folder import kind_of
from bridge.feeds.legacy.troubles import SftpStatusError
from bridge.filename import readable_bytes

MOST_NAMES = 1_000_000
"""In one folder; a mailbox holds some thousands."""

_MOST_AT_ONCE = 100_000
"""Names in one answer; OpenSSH sends a hundred."""

_LONG_NAMES = {b"-": Kind.FILE, b"d": Kind.FOLDER, b"l": Kind.LINK}


class SftpWire(paramiko.SFTPClient):
    """paramiko's client, hardened."""

    def rows(self, folder: bytes) -> Iterator[Row]:
        """Yield what is in a folder."""
        kind, answer = self._ask(CMD_OPENDIR, folder)
        if kind != CMD_HANDLE:
            raise SFTPError("no handle for a folder")
        handle, count = answer.get_binary(), 0
        while names := self._next_names(handle):
            count += len(names)
            if count > MOST_NAMES:
                raise SFTPError(f"more than {MOST_NAMES:,} names in a folder")
            yield from (row for row in names if row.name not in (b".", b".."))
        with suppress(SftpStatusError):
            self._ask(CMD_CLOSE, handle)

    def real_path(self, path: bytes) -> bytes:
        """Return what the server calls a path."""
        kind, answer = self._ask(CMD_REALPATH, path)
        if kind != CMD_NAME or answer.get_int() != 1:
            raise SFTPError("no path in the answer")
        return answer.get_binary()

    def _ask(self, kind: int, *arguments: bytes) -> tuple[int, Message]:
        answer: tuple[int, Message] = self._request(kind, *arguments)  # type: ignore[attr-defined]  # not in the stubs
        return answer

    def _next_names(self, handle: bytes) -> list[Row]:
        """Return the next part of a listing; nothing at its end."""
        try:
            kind, answer = self._ask(CMD_READDIR, handle)
        except EOFError:
            return []
        if kind != CMD_NAME:
            raise SFTPError("no names in a listing")
        count = answer.get_int()
        if not 0 < count <= _MOST_AT_ONCE:
            raise SFTPError(f"a listing with {count} names at once")
        return [_next_row(answer) for _ in range(count)]

    def _convert_status(self, msg: Message) -> None:
        code, text = msg.get_int(), readable_bytes(msg.get_binary())
        if code == SFTP_EOF:
            raise EOFError(text)
        if code != SFTP_OK:
            raise SftpStatusError(code, text)


def _next_row(answer: Message) -> Row:
    name, long_name = answer.get_binary(), answer.get_binary()
    about = paramiko.SFTPAttributes._from_msg(answer)  # type: ignore[attr-defined]  # not in the stubs
    if not name or b"/" in name or b"\0" in name:
        raise SFTPError(f"a listing with {readable_bytes(name)!r}, which is no name")
    return row_of(name, long_name, about)


def row_of(name: bytes, long_name: bytes, about: paramiko.SFTPAttributes) -> Row:
    """Return what a server tells of a name; one without a mode shows it in its long name."""
    if about.st_mode is None:
        kind = _LONG_NAMES.get(long_name[:1], Kind.FILE)
    else:
        kind = kind_of(about.st_mode)
    return Row(
        name=name,
        kind=kind,
        size=about.st_size,
        modified=time_of(about),
    )


def time_of(about: paramiko.SFTPAttributes) -> datetime | None:
    """Return when a file was modified, if the server tells."""
    return None if about.st_mtime is None else datetime.fromtimestamp(about.st_mtime, UTC)
