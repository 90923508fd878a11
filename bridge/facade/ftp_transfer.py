"""FTP's data connections: what is sent and what comes in.

FTP says the end of an upload by closing the data connection, and a client that was killed closes
it too. So the control connection is asked: an upload counts when it is still there. Where the
bytes are well-formed XML that is enough; otherwise the answer waits a moment, for the control
connection of a killed client may end just after its data connection.
"""

import contextlib
import errno
import io
import os
import select
import socket
from typing import Any

import structlog
from lxml import etree
from pyftpdlib.exceptions import _RetryError
from pyftpdlib.handlers import DTPHandler
from pyftpdlib.handlers.ftp import control, data, dispatchers
from pyftpdlib.handlers.ftp.dispatchers import PassiveDTP
from pyftpdlib.ioloop import _ERRNOS_DISCONNECTED, _ERRNOS_RETRY, AsyncChat

from bridge.facade.on_disk import Download
from bridge.facade.refusals import DoorError
from bridge.facade.tree import Visit
from bridge.facade.uploads import Upload

log = structlog.get_logger()

# pyftpdlib puts these into words, though nobody reads them: a twentieth of the door's time.
control.debug = data.debug = dispatchers.debug = lambda s, inst=None: None

_MOMENT = 0.5
"""Seconds for which an upload that may be half waits for its control connection to end."""

_LARGEST_CHECKED = 4 * 1024 * 1024
"""Bytes of the largest upload whose form is looked at: the loop stands still meanwhile."""


class Outgoing(io.FileIO):
    """A file being fetched, as pyftpdlib wants it."""

    def __init__(self, visit: Visit, download: Download, path: str) -> None:
        super().__init__(download.fd, "rb", closefd=False)
        self.name = path
        self.download = download
        self._visit = visit

    def close(self) -> None:
        """Close it; safe to repeat."""
        super().close()
        self.download.close()

    def sent(self) -> None:
        """Tell that it was sent to its end."""
        self._visit.fetched(self.download)


class Incoming:
    """An upload, as pyftpdlib wants it: it is cut off unless it is finished before it closes."""

    def __init__(self, visit: Visit, upload: Upload, path: str) -> None:
        self.name = path
        self.trouble = ""
        self._visit = visit
        self._upload = upload
        self._position = 0

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._upload.over

    def write(self, data: bytes) -> None:
        """Write the next bytes; why that cannot be done is remembered for the answer."""
        try:
            self._upload.write(self._position, data)
        except OSError as error:
            self.trouble = error.strerror or "it cannot be stored"
            raise
        self._position += len(data)

    def seek(self, position: int) -> None:
        """Go on from a position of what is there; what lies behind it is replaced."""
        self._upload.truncate(position)
        self._position = position

    def finish(self) -> None:
        """Put it into its folder; DoorError or OSError when that cannot be done."""
        self._visit.finish(self._upload)

    def close(self) -> None:
        """Cut it off, unless it has ended."""
        self._visit.uploads.cut_off(self._upload)

    def is_whole(self) -> bool:
        """Tell whether its bytes are well-formed XML, as far as that is quickly told."""
        if os.fstat(self._upload.fd).st_size > _LARGEST_CHECKED:
            return False
        data = self._upload.path.read_bytes()
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        with contextlib.suppress(etree.XMLSyntaxError, ValueError):
            etree.fromstring(data, parser)
            return True
        return False


class DataChannel(DTPHandler):  # type: ignore[misc]
    """A data connection; the end of an upload is judged before it is answered."""

    ac_out_buffer_size = 1 << 20
    """Bytes handed to the system at once."""

    waiting = False
    """The data connection has ended well; whether the upload counts is not yet decided."""

    _broken = False
    _settled = False

    def enable_receiving(self, type: str, cmd: str) -> None:  # noqa: A002  (as pyftpdlib)
        """Receive bytes as they are, whatever TYPE says."""
        super().enable_receiving("i", cmd)

    def initiate_sendfile(self) -> None:
        """Send what the system takes; what was the end is found now, not at the next look."""
        super().initiate_sendfile()
        if not self._closed and self._offset >= self.file_obj.download.size:
            super().initiate_sendfile()

    def recv(self, buffer_size: int) -> bytes:
        """Receive, and remember when the connection was broken instead of closed."""
        try:
            data: bytes = self.socket.recv(buffer_size)
        except OSError as error:
            if error.errno in _ERRNOS_RETRY:
                raise _RetryError from error
            if error.errno not in _ERRNOS_DISCONNECTED:
                raise
            self._broken = True
            data = b""
        if not data:
            self.handle_close()
        return data

    def handle_close(self) -> None:
        """End: properly, or with 426 when the connection was broken in an upload."""
        if self.receive and (self._broken or self._has_error()):
            self._resp = ("426 Connection broken; the file was not kept.", quiet)
            self.close()
        else:
            super().handle_close()

    def handle_error(self) -> None:
        """End a transfer that failed; one that had no room is told so."""
        incoming = self.file_obj
        if isinstance(incoming, Incoming) and incoming.trouble:
            self._resp = (f"552 {incoming.trouble}; the file was not kept.", quiet)
            self.close()
        else:
            super().handle_error()

    def close(self) -> None:
        """End the connection; an upload that ended properly may still have to wait."""
        if not isinstance(self.file_obj, Incoming):
            outgoing = self.file_obj
            whole = isinstance(outgoing, Outgoing) and self.transfer_finished and not self._closed
            super().close()
            if whole:  # the client has its answer by now, and need not wait for our books
                outgoing.sent()
        elif self.waiting:
            self.settle(counts=not self.cmd_channel._closed)
        elif not self._closed:
            self._end_of_upload(self.file_obj)

    def settle(self, *, counts: bool) -> None:
        """Decide on an upload and answer it; safe to repeat."""
        if self._settled:
            return
        self._settled, self.waiting = True, False
        incoming = self.file_obj
        try:
            if counts:
                incoming.finish()
            elif self._resp and self._resp[0].startswith("226"):
                self._resp = ("426 Transfer aborted; the file was not kept.", quiet)
        except (DoorError, OSError) as error:
            text = error.strerror if isinstance(error, OSError) else str(error)
            self._resp = (f"451 The file could not be stored: {text}.", quiet)
        finally:
            incoming.close()
        if self._resp and not self.cmd_channel._closed:
            self.cmd_channel.respond(*self._resp)
        self.cmd_channel._on_dtp_close()

    def _has_error(self) -> bool:
        return not self._closed and bool(self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def _end_of_upload(self, incoming: Incoming) -> None:
        AsyncChat.close(self)
        if self._idler is not None and not self._idler.cancelled:
            self._idler.cancel()
        ended_well = bool(self._resp) and self._resp[0].startswith("226")
        if not ended_well or self.cmd_channel.is_lost():
            self.settle(counts=False)
        elif incoming.is_whole():
            self.settle(counts=True)
        else:
            self.waiting = True
            self.cmd_channel.call_later(_MOMENT, self._after_a_moment)

    def _after_a_moment(self) -> None:
        if self.waiting:
            self.settle(counts=not self.cmd_channel.is_lost())


class PassivePortsUsedUpError(OSError):
    """Every port of the passive range is in use."""


class Passive(PassiveDTP):  # type: ignore[misc]
    """A passive data connection that never leaves the range of ports that was set."""

    _range_tried = False

    def handle_accepted(self, sock: socket.socket, addr: tuple[Any, ...]) -> None:
        """Take the client's connection, and close a stranger's without a word to the client.

        pyftpdlib tells it; but an answer that nobody asked for is taken for that to the next
        command, and each further one for that to the command before.
        """
        if addr[0] != self.cmd_channel.remote_ip:
            log.warning("an FTP data connection of another address", address=addr[0])
            sock.close()
            return
        super().handle_accepted(sock, addr)
        if self.cmd_channel.data_channel is None:  # it was broken already
            self.cmd_channel.no_data_connection()

    def handle_timeout(self) -> None:
        """Wait no longer; who has asked for a transfer is told so."""
        self.close()
        self.cmd_channel.no_data_connection()

    def bind(self, addr: tuple[Any, ...]) -> None:
        """Bind, but not to a port outside the range when all of it was tried."""
        if addr[1] == 0 and self._range_tried:
            self.close()
            raise PassivePortsUsedUpError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        self._range_tried = addr[1] != 0
        super().bind(addr)


def has_hung_up(fd: int) -> bool:
    """Tell whether the other end of a connection has closed it, read or unread."""
    poll = select.poll()
    poll.register(fd, select.POLLRDHUP)
    return bool(poll.poll(0))


def quiet(*_: object) -> None:
    """Log nothing: pyftpdlib wants a function for it."""
