"""SFTP version 3 on the wire: the numbers, reading requests, building replies.

After draft-ietf-secsh-filexfer-02 and OpenSSH's PROTOCOL file (the extensions). File names are
UTF-8; bytes that are none survive as surrogates, both ways.
"""

import os
import struct
import time
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from bridge.facade.listings import ls_date, mode_text, seconds

LONGEST_PACKET = 256 * 1024
"""Bytes of a request; OpenSSH's limit."""

LONGEST_TRANSFER = LONGEST_PACKET - 1024
"""Bytes that one READ may ask for or one WRITE may bring."""


class Request(IntEnum):
    """What a client asks for."""

    INIT = 1
    OPEN = 3
    CLOSE = 4
    READ = 5
    WRITE = 6
    LSTAT = 7
    FSTAT = 8
    SETSTAT = 9
    FSETSTAT = 10
    OPENDIR = 11
    READDIR = 12
    REMOVE = 13
    MKDIR = 14
    RMDIR = 15
    REALPATH = 16
    STAT = 17
    RENAME = 18
    READLINK = 19
    SYMLINK = 20
    EXTENDED = 200


class Reply(IntEnum):
    """What is answered."""

    VERSION = 2
    STATUS = 101
    HANDLE = 102
    DATA = 103
    NAME = 104
    ATTRS = 105
    EXTENDED = 201


class Status(IntEnum):
    """How it went."""

    OK = 0
    EOF = 1
    NO_SUCH_FILE = 2
    PERMISSION_DENIED = 3
    FAILURE = 4
    BAD_MESSAGE = 5
    OP_UNSUPPORTED = 8


class Open(IntFlag):
    """How a file is opened."""

    READ = 0x01
    WRITE = 0x02
    APPEND = 0x04
    CREATE = 0x08
    TRUNCATE = 0x10
    EXCLUSIVE = 0x20


class BadMessage(Exception):  # noqa: N818  (the protocol's name for it)
    """A request that ends before it is complete."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """The attributes in a request that we look at; owner and mode are read over."""

    size: int | None = None
    times: tuple[int, int] | None = None
    """Last access and last change, in seconds since 1970."""


_SIZE, _OWNER, _MODE, _TIMES, _EXTENDED = 0x1, 0x2, 0x4, 0x8, 0x80000000


class Reader:
    """Takes the fields of a request one after the other; raises BadMessage at its end."""

    __slots__ = ("_data", "_position")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def byte(self) -> int:
        """Take a byte."""
        return self._take(1)[0]

    def uint32(self) -> int:
        """Take a number of four bytes."""
        return int.from_bytes(self._take(4), "big")

    def uint64(self) -> int:
        """Take a number of eight bytes."""
        return int.from_bytes(self._take(8), "big")

    def string(self) -> bytes:
        """Take bytes with their length in front."""
        return self._take(self.uint32())

    def path(self) -> str:
        """Take a path."""
        return self.string().decode("utf-8", "surrogateescape")

    def attributes(self) -> Attributes:
        """Take attributes."""
        flags = self.uint32()
        size = self.uint64() if flags & _SIZE else None
        if flags & _OWNER:
            self._take(8)
        if flags & _MODE:
            self._take(4)
        times = (self.uint32(), self.uint32()) if flags & _TIMES else None
        return Attributes(size=size, times=times)

    def _take(self, count: int) -> bytes:
        end = self._position + count
        taken = self._data[self._position : end]
        if len(taken) != count:
            raise BadMessage
        self._position = end
        return taken


def packet(kind: Reply, body: bytes) -> bytes:
    """Return a reply with its length in front."""
    return struct.pack(">IB", len(body) + 1, kind) + body


def string(data: bytes | bytearray | str) -> bytes:
    """Return bytes, or a name, with the length in front."""
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogateescape")
    return struct.pack(">I", len(data)) + data


def status(number: int, code: Status, text: str = "") -> bytes:
    """Return the answer to a request that has no other."""
    body = _said(code, text) if text else _SAID[code]
    return packet(Reply.STATUS, struct.pack(">I", number) + body)


def _said(code: Status, text: str) -> bytes:
    message = string(text.encode("utf-8", "backslashreplace"))
    return struct.pack(">I", code) + message + string(b"")


_SAID = {code: _said(code, code.name.replace("_", " ").capitalize()) for code in Status}


def version(extensions: dict[str, str]) -> bytes:
    """Return the greeting: version 3 and the extensions with their versions."""
    pairs = b"".join(string(name) + string(value) for name, value in extensions.items())
    return packet(Reply.VERSION, struct.pack(">I", 3) + pairs)


def attrs(found: os.stat_result) -> bytes:
    """Return size, owner, mode and times of a file."""
    return struct.pack(
        ">IQIIIII",
        _SIZE | _OWNER | _MODE | _TIMES,
        found.st_size,
        found.st_uid,
        found.st_gid,
        found.st_mode,
        seconds(found.st_atime),
        seconds(found.st_mtime),
    )


def name_row(name: str, found: os.stat_result | None) -> bytes:
    """Return a row of a NAME reply, with the line that `ls -l` would show; at best the name."""
    if found is None:
        return string(name) * 2 + struct.pack(">I", 0)
    return string(name) + string(_long_name(name, found)) + attrs(found)


def names(number: int, rows: list[bytes]) -> bytes:
    """Return a NAME reply."""
    return packet(Reply.NAME, struct.pack(">II", number, len(rows)) + b"".join(rows))


def _long_name(name: str, found: os.stat_result) -> str:
    date = ls_date(found.st_mtime, time.time(), True)
    return (
        f"{mode_text(found.st_mode)} {found.st_nlink:4d} {found.st_uid:<8d} "
        f"{found.st_gid:<8d} {found.st_size:8d} {date} {name}"
    )
