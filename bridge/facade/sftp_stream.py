"""The bytes of one SFTP channel, answered where they are read, without waiting.

What comes is answered at once; answers wait here while the client's window is used up, while keys
are exchanged anew, or while the client does not read. As long as too much waits, no request is
answered and no window given, so that the client can send no more than one window: what a
connection can make us keep is limited on both ways, and nothing can stand still for good.
"""

import struct
from collections import deque
from typing import Protocol

import paramiko
import structlog

from bridge.facade.sftp_server import SftpServer
from bridge.facade.sftp_wire import BadMessage

log = structlog.get_logger()

_ENOUGH = 512 * 1024
"""Bytes of answers that may wait before requests have to."""

_LONGEST_DATA = 32 * 1024
"""Bytes of a packet's data: what OpenSSH and paramiko take, whatever else they say."""


class Line(Protocol):
    """The connection that a channel is part of."""

    @property
    def has_room(self) -> bool:
        """Whether data may be sent now."""
        ...

    def goes_on(self) -> bool:
        """Let others have their turns after a long one; tell whether it is still open then."""
        ...

    def send(self, packet: bytes) -> None:
        """Send a packet."""
        ...


class Stream:
    """One SFTP channel. All calls come in the connection's turns."""

    def __init__(self, line: Line, channel: paramiko.Channel, server: SftpServer) -> None:
        self._line = line
        self._channel = channel
        self._server = server
        self._window: int = channel.in_window_size
        """How much the client may have on the way or unanswered."""
        self._allowed = self._window
        """How much of it the client may still send."""
        self._answers: deque[bytes | memoryview] = deque()
        self._waiting = 0
        self._client_is_done = False
        self._over = False

    def came(self, data: bytes) -> None:
        """Take bytes of the client; SSHException when it may not send so many."""
        self._allowed -= len(data)
        if self._allowed < 0:
            raise paramiko.SSHException("the client does not keep to its window")
        if not self._over:
            self._server.feed(data)
            self.go_on()

    def client_is_done(self) -> None:
        """Answer what is there, then end: the client sends no more."""
        self._client_is_done = True
        self.go_on()

    def go_on(self) -> None:
        """Answer and send as much as may be now."""
        if self._over:
            return
        try:
            more = True
            self._send()
            while more and self._waiting < _ENOUGH:
                more = self._answer()
                self._send()
        except BadMessage:
            self._close()
            return
        if self._client_is_done and not more and not self._answers:
            self._close()
        else:
            self._give_window()

    def end(self) -> None:
        """End the session: uploads that are open are cut off. Safe to repeat."""
        if not self._over:
            self._over = True
            self._answers.clear()
            try:
                self._server.end()
            except Exception:
                log.exception("an SFTP channel did not end well")

    def _answer(self) -> bool:
        """Answer requests until enough waits; False when there is no further one to answer."""
        while self._waiting < _ENOUGH:
            if not self._line.goes_on():
                return False
            answer = self._server.answer()
            if answer is None:
                return False
            self._answers.append(answer)
            self._waiting += len(answer)
        return True

    def _send(self) -> None:
        channel = self._channel
        longest = min(channel.out_max_packet_size, _LONGEST_DATA)
        while self._answers and channel.out_window_size > 0 and self._line.has_room:
            data = self._take(min(longest, channel.out_window_size))
            channel.out_window_size -= len(data)
            header = struct.pack(">BII", _DATA, channel.remote_chanid, len(data))
            self._line.send(header + data)

    def _take(self, most: int) -> bytes | memoryview:
        """Take so many bytes, or fewer, of the answers."""
        first = self._answers.popleft()
        if len(first) > most:
            view = memoryview(first)
            self._answers.appendleft(view[most:])
            first = view[:most]
        parts, size = [first], len(first)
        while self._answers and size + len(self._answers[0]) <= most:
            parts.append(self._answers.popleft())
            size += len(parts[-1])
        self._waiting -= size
        return first if len(parts) == 1 else b"".join(parts)

    def _give_window(self) -> None:
        """Let the client send as much again as was answered, in steps of some size."""
        answered = self._window - self._allowed - self._server.unanswered
        if answered > self._window // 8 and self._waiting < _ENOUGH:
            self._allowed += answered
            channel = self._channel.remote_chanid
            self._line.send(struct.pack(">BII", _WINDOW_ADJUST, channel, answered))

    def _close(self) -> None:
        self.end()
        self._channel.send_exit_status(0)
        self._channel.close()


_WINDOW_ADJUST, _DATA = 93, 94
"""Numbers of messages, of RFC 4254."""
