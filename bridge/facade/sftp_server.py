"""The requests of SFTP version 3, answered from one visit to a mailbox.

What comes is fed in and answered request by request, in order; whoever asks for the answers
decides when they are sent. Whatever goes wrong in a request becomes its status in one place
(`_reply`). When the channel ends while an upload is open, that upload is cut off: only CLOSE
finishes one.
"""

import errno
import itertools
import os
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import structlog

from bridge.facade import sftp_wire as wire
from bridge.facade.on_disk import Download, Listing
from bridge.facade.refusals import DoorError, No
from bridge.facade.sftp_wire import BadMessage, Open, Reader, Reply, Request, Status
from bridge.facade.tree import Visit, change
from bridge.facade.uploads import Start, Upload

log = structlog.get_logger()

_ROWS_AT_ONCE = 100
"""Names in a READDIR reply: fewer cost rounds, more do not fit the packets of old clients."""

_MOST_HANDLES = 256

_EXTENSIONS = {
    "posix-rename@openssh.com": "1",
    "statvfs@openssh.com": "2",
    "fstatvfs@openssh.com": "2",
    "fsync@openssh.com": "1",
    "limits@openssh.com": "1",
}

_CODES: Mapping[No, Status] = {
    No.MISSING: Status.NO_SUCH_FILE,
    No.DENIED: Status.PERMISSION_DENIED,
    No.FAILED: Status.FAILURE,
}
_ERRNO_CODES: Mapping[int | None, Status] = {
    errno.ENOENT: Status.NO_SUCH_FILE,
    errno.ENOTDIR: Status.NO_SUCH_FILE,
    errno.ELOOP: Status.NO_SUCH_FILE,
    errno.EACCES: Status.PERMISSION_DENIED,
    errno.EPERM: Status.PERMISSION_DENIED,
    errno.EINVAL: Status.BAD_MESSAGE,
}


@dataclass(slots=True)
class _Fetch:
    download: Download
    sent: int = 0
    begins: int = sys.maxsize
    """Where the first of these bytes lies: some clients go on behind what they have."""
    ends: int = 0
    """Where the last one ends."""

    def was_sent(self, offset: int, size: int) -> None:
        """Count bytes that were sent."""
        self.sent += size
        self.begins = min(self.begins, offset)
        self.ends = max(self.ends, offset + size)

    @property
    def whole(self) -> bool:
        """Whether all was sent from there to the end, as far as the bytes' number tells."""
        size = self.download.size
        return self.ends >= size and self.sent >= size - self.begins


@dataclass(slots=True)
class _Listing:
    listing: Listing
    rows: Iterator[bytes]


_Handle = _Fetch | Upload | _Listing


class SftpServer:
    """Serves one SFTP channel. For one thread at a time."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._handles: dict[bytes, _Handle] = {}
        self._numbers = itertools.count(1)
        self._buffer = bytearray()

    @property
    def unanswered(self) -> int:
        """Bytes that came and are not answered."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take bytes of the client."""
        self._buffer += data

    def answer(self) -> bytes | None:
        """Answer the next request, or return None where none is complete.

        Raises BadMessage where there can be none: the session has to end.
        """
        buffer = self._buffer
        if len(buffer) < 4:  # noqa: PLR2004  (bytes of the length)
            return None
        length = int.from_bytes(buffer[:4], "big")
        if not 0 < length <= wire.LONGEST_PACKET:
            raise BadMessage
        if len(buffer) < 4 + length:
            return None
        with memoryview(buffer) as view:
            request = bytes(view[4 : 4 + length])
        del buffer[: 4 + length]
        return self._reply(request)

    def end(self) -> None:
        """End the session: uploads that are open are cut off."""
        for handle in self._handles.values():
            self._drop(handle)
        self._handles.clear()
        self._visit.end()

    def _reply(self, request: bytes) -> bytes:
        """Answer one request; every error of every request ends here as its status."""
        fields = Reader(request)
        kind = fields.byte()
        if kind == Request.INIT:
            return wire.version(_EXTENSIONS)
        number = fields.uint32()
        try:
            handler = _HANDLERS.get(kind, SftpServer._unsupported)
            return handler(self, number, fields)
        except BadMessage:
            return wire.status(number, Status.BAD_MESSAGE)
        except DoorError as error:
            return wire.status(number, _CODES[error.no], str(error))
        except OSError as error:
            code = _ERRNO_CODES.get(error.errno, Status.FAILURE)
            return wire.status(number, code, error.strerror or "")
        except Exception:
            log.exception("an SFTP request failed", request=kind, user=self._visit.session.user)
            return wire.status(number, Status.FAILURE)

    # Files

    def _open(self, number: int, fields: Reader) -> bytes:
        path, flags = fields.path(), Open(fields.uint32() & 0x3F)
        if flags & Open.WRITE:
            return self._handle(number, self._open_upload(path, flags))
        download = self._visit.read(path)
        return self._handle(number, _Fetch(download))

    def _open_upload(self, path: str, flags: Open) -> Upload:
        start = Start.APPEND if flags & Open.APPEND else Start.COPY
        return self._visit.write(
            path,
            start=Start.EMPTY if flags & Open.TRUNCATE else start,
            create=bool(flags & Open.CREATE),
            exclusive=Open.CREATE | Open.EXCLUSIVE in flags,
        )

    def _close(self, number: int, fields: Reader) -> bytes:
        handle = self._handles.pop(fields.string(), None)
        if handle is None:
            return wire.status(number, Status.FAILURE, "no such handle")
        if isinstance(handle, Upload):
            self._visit.finish(handle)
        else:
            self._drop(handle)
        return wire.status(number, Status.OK)

    def _read(self, number: int, fields: Reader) -> bytes:
        handle = self._file(fields)
        offset, length = fields.uint64(), fields.uint32()
        if offset > sys.maxsize:  # what the system cannot be asked
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        length = min(length, wire.LONGEST_TRANSFER)
        data: bytes | bytearray
        if isinstance(handle, Upload):
            data = os.pread(handle.fd, length, offset)
        else:
            data = self._visit.part(handle.download, length, offset)
        if not data and length:
            return wire.status(number, Status.EOF)
        if isinstance(handle, _Fetch):
            handle.was_sent(offset, len(data))
        return wire.packet(Reply.DATA, struct.pack(">I", number) + wire.string(data))

    def _write(self, number: int, fields: Reader) -> bytes:
        handle = self._file(fields)
        offset, data = fields.uint64(), fields.string()
        if not isinstance(handle, Upload):
            raise DoorError(No.DENIED, "this file is open for reading")
        handle.write(offset, data)
        return wire.status(number, Status.OK)

    def _fstat(self, number: int, fields: Reader) -> bytes:
        handle = self._file(fields)
        fd = handle.fd if isinstance(handle, Upload) else handle.download.fd
        return wire.packet(Reply.ATTRS, struct.pack(">I", number) + wire.attrs(os.fstat(fd)))

    def _fsetstat(self, number: int, fields: Reader) -> bytes:
        handle, attributes = self._file(fields), fields.attributes()
        if isinstance(handle, Upload):
            change(handle, size=attributes.size, times=attributes.times)
        elif attributes.size not in (None, handle.download.size):
            raise DoorError(No.DENIED, "this file is open for reading")
        return wire.status(number, Status.OK)

    # Paths

    def _stat(self, number: int, fields: Reader) -> bytes:
        found = self._visit.stat(fields.path())
        return wire.packet(Reply.ATTRS, struct.pack(">I", number) + wire.attrs(found))

    def _setstat(self, number: int, fields: Reader) -> bytes:
        path, attributes = fields.path(), fields.attributes()
        self._visit.set_attributes(path, size=attributes.size, times=attributes.times)
        return wire.status(number, Status.OK)

    def _open_folder(self, number: int, fields: Reader) -> bytes:
        listing = self._visit.walk(fields.path())
        rows = (wire.name_row(entry.name, entry.stat) for entry in listing.entries)
        return self._handle(number, _Listing(listing, rows))

    def _read_folder(self, number: int, fields: Reader) -> bytes:
        handle = self._handles.get(fields.string())
        if not isinstance(handle, _Listing):
            return wire.status(number, Status.FAILURE, "no such handle")
        rows = list(itertools.islice(handle.rows, _ROWS_AT_ONCE))
        if not rows:
            handle.listing.close()  # there are clients that never do
            return wire.status(number, Status.EOF)
        return wire.names(number, rows)

    def _remove(self, number: int, fields: Reader) -> bytes:
        self._visit.remove(fields.path())
        return wire.status(number, Status.OK)

    def _rename(self, number: int, fields: Reader) -> bytes:
        self._visit.rename(fields.path(), fields.path(), replace=False)
        return wire.status(number, Status.OK)

    def _real_path(self, number: int, fields: Reader) -> bytes:
        return wire.names(number, [wire.name_row(self._visit.canonical(fields.path()), None)])

    def _make_folder(self, number: int, fields: Reader) -> bytes:
        self._visit.make_folder(fields.path())
        return wire.status(number, Status.OK)

    def _unchangeable(self, number: int, fields: Reader) -> bytes:
        text = "the folders of the mailbox are fixed"
        return wire.status(number, Status.PERMISSION_DENIED, text)

    def _unsupported(self, number: int, fields: Reader) -> bytes:
        return wire.status(number, Status.OP_UNSUPPORTED)

    # Extensions

    def _extended(self, number: int, fields: Reader) -> bytes:
        handler = _EXTENDED.get(fields.string(), SftpServer._unsupported)
        return handler(self, number, fields)

    def _posix_rename(self, number: int, fields: Reader) -> bytes:
        self._visit.rename(fields.path(), fields.path(), replace=True)
        return wire.status(number, Status.OK)

    def _statvfs(self, number: int, fields: Reader) -> bytes:
        room = self._visit.room()
        flags = room.f_flag & (os.ST_RDONLY | os.ST_NOSUID)
        numbers = (room.f_bsize, room.f_frsize, room.f_blocks, room.f_bfree, room.f_bavail,
                   room.f_files, room.f_ffree, room.f_favail, 0, flags, room.f_namemax)  # fmt: skip
        return wire.packet(Reply.EXTENDED, struct.pack(">I11Q", number, *numbers))

    def _fsync(self, number: int, fields: Reader) -> bytes:
        handle = self._file(fields)
        if isinstance(handle, Upload):
            self._visit.uploads.sync(handle)
        return wire.status(number, Status.OK)

    def _limits(self, number: int, fields: Reader) -> bytes:
        longest = wire.LONGEST_TRANSFER
        limits = (wire.LONGEST_PACKET, longest, longest, _MOST_HANDLES)
        return wire.packet(Reply.EXTENDED, struct.pack(">I4Q", number, *limits))

    # Handles

    def _handle(self, number: int, handle: _Handle) -> bytes:
        if len(self._handles) >= _MOST_HANDLES:
            self._drop(handle)
            return wire.status(number, Status.FAILURE, "too many open files")
        token = b"%d" % next(self._numbers)
        self._handles[token] = handle
        return wire.packet(Reply.HANDLE, struct.pack(">I", number) + wire.string(token))

    def _file(self, fields: Reader) -> _Fetch | Upload:
        handle = self._handles.get(fields.string())
        if handle is None or isinstance(handle, _Listing):
            raise DoorError(No.FAILED, "no such handle")
        return handle

    def _drop(self, handle: _Handle) -> None:
        if isinstance(handle, Upload):
            self._visit.uploads.cut_off(handle)
        elif isinstance(handle, _Fetch):
            self._end_fetch(handle)
        else:
            handle.listing.close()

    def _end_fetch(self, handle: _Fetch) -> None:
        handle.download.close()
        if handle.whole:  # some clients go without a CLOSE
            self._visit.fetched(handle.download)


_Handler = Callable[[SftpServer, int, Reader], bytes]

_HANDLERS: Mapping[int, _Handler] = {
    Request.OPEN: SftpServer._open,
    Request.CLOSE: SftpServer._close,
    Request.READ: SftpServer._read,
    Request.WRITE: SftpServer._write,
    Request.LSTAT: SftpServer._stat,  # there are no links
    Request.STAT: SftpServer._stat,
    Request.FSTAT: SftpServer._fstat,
    Request.SETSTAT: SftpServer._setstat,
    Request.FSETSTAT: SftpServer._fsetstat,
    Request.OPENDIR: SftpServer._open_folder,
    Request.READDIR: SftpServer._read_folder,
    Request.REMOVE: SftpServer._remove,
    Request.MKDIR: SftpServer._make_folder,
    Request.RMDIR: SftpServer._unchangeable,
    Request.REALPATH: SftpServer._real_path,
    Request.RENAME: SftpServer._rename,
    Request.EXTENDED: SftpServer._extended,
}

_EXTENDED: Mapping[bytes, _Handler] = {
    b"posix-rename@openssh.com": SftpServer._posix_rename,
    b"statvfs@openssh.com": SftpServer._statvfs,
    b"fstatvfs@openssh.com": SftpServer._statvfs,
    b"fsync@openssh.com": SftpServer._fsync,
    b"limits@openssh.com": SftpServer._limits,
}
