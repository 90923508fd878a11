"""paramiko's transport in turns, with SFTP answered where it is read, waiting for nobody.

A thread a connection and one a channel, as paramiko has it, cost a hand-over for each packet.
Answering where packets are read must not block there: while keys are exchanged anew nothing but
that exchange may be sent, and its end is only seen by reading on. So what is to be sent then
waits: SFTP's answers in their stream, everything else here.
"""

import socket
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import ParamSpec, Protocol, TypeVar

import paramiko
from paramiko.common import (
    MSG_CHANNEL_CLOSE,
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EOF,
    MSG_CHANNEL_EXTENDED_DATA,
    MSG_CHANNEL_WINDOW_ADJUST,
    MSG_USERAUTH_REQUEST,
)

from bridge.facade.events import tell
from bridge.facade.sftp_server import SftpServer
from bridge.facade.sftp_stream import Stream
from bridge.facade.ssh_packets import Packets, nothing, nothing_came
from bridge.facade.turns import Slow, Task, Turns

_P = ParamSpec("_P")
_T = TypeVar("_T")

_MOST_HELD = 1000
"""Messages that wait for new keys; a client that causes more asks for no good."""


class Sendable(Protocol):
    """What paramiko sends."""

    def asbytes(self) -> bytes:
        """Return it as it is sent."""
        ...


class Packet(bytes):
    """A message in the form that it is sent in, as paramiko wants it."""

    def asbytes(self) -> bytes:
        """Return it."""
        return self


class SshTransport(paramiko.Transport):
    """An SSH connection whose channels may serve SFTP."""

    packetizer: Packets

    def __init__(
        self,
        sock: socket.socket,
        *,
        turns: Turns,
        disabled_algorithms: Mapping[str, Iterable[str]],
    ) -> None:
        super().__init__(sock, packetizer_class=Packets, disabled_algorithms=disabled_algorithms)
        self.packetizer.on_room = self._go_on  # a circle, see `detach`
        self._streams: dict[int, Stream] = {}
        self._held: list[Sendable] = []
        self._to_tell: list[Callable[[], None]] = []
        self.packetizer.on_pause = self._tell_all  # a circle as well
        self._turns = turns
        self._task: Task | None = None

    def start(self) -> None:
        """Begin; paramiko would start a thread."""
        self._task = self._turns.begin(self.run, self.sock.fileno())
        self.packetizer.wait, self.packetizer.rest = self._task.wait, self._task.rest
        self._task.go_on()

    @property
    def over(self) -> bool:
        """Whether it has ended, with all that was still done for it."""
        return self._task is None or self._task.over

    def hang_up(self) -> None:
        """Close it; it is `over` when what is done aside for it has come to its end."""
        self.close()
        self.packetizer.close()  # not the socket: what is to be said yet goes first
        self.sock.close()
        if self._task is not None:
            self._task.hurry()

    def end_turns(self) -> None:
        """Let the connection, which is closed, see so and end."""
        if self._task is not None:
            self._task.end()

    def aside(self, kind: Slow, work: Callable[[], _T]) -> _T:
        """Return what comes of something that takes long; others have their turns meanwhile."""
        assert self._task is not None, "the connection has not begun"
        return self._task.aside(kind, work)

    def goes_on(self) -> bool:
        """Let others have their turns after a long one; tell whether this is still open then."""
        assert self._task is not None, "the connection has not begun"
        self._task.rest()
        return not self.packetizer.closed

    def serve_sftp(self, channel: paramiko.Channel, server: SftpServer) -> None:
        """Answer what comes on a channel from now on."""
        self._streams[channel.chanid] = Stream(self, channel, server)

    def serves_sftp(self, channel: paramiko.Channel) -> bool:
        """Tell whether a channel does."""
        return channel.chanid in self._streams

    def detach(self) -> None:
        """Drop what refers back to this connection, which has ended."""
        self.packetizer.on_room = self.packetizer.on_pause = nothing
        self.packetizer.wait, self.packetizer.rest = nothing_came, nothing
        self._task = None
        self.server_object = self.saved_exception = None
        self._handler_table: dict[int, object] = {}
        self.server_accepts: list[paramiko.Channel] = []

    def run(self) -> None:
        """Serve until the connection ends, in whatever way; then end what it left open."""
        try:
            super().run()
        finally:
            for channel in list(self._streams):
                self._end_stream(channel)
            self._tell_all()

    def tell_later(self, event: Callable[_P, None], *args: _P.args, **details: _P.kwargs) -> None:
        """Tell what a client did once it has its answer: it need not wait for our books."""
        self._to_tell.append(partial(tell, event, *args, **details))

    def _tell_all(self) -> None:
        while self._to_tell:
            to_tell, self._to_tell = self._to_tell, []
            for each in to_tell:
                each()

    # Sending

    @property
    def has_room(self) -> bool:
        """Whether data may be sent now: no keys are being exchanged, and the client reads."""
        return self.clear_to_send.is_set() and self.packetizer.has_room()

    def send(self, packet: bytes) -> None:
        """Send a packet, or keep it until new keys are agreed upon."""
        self._send_message(Packet(packet))

    def _send_message(self, data: Sendable) -> None:
        """Send a message; what must not pass while keys are exchanged waits until they are."""
        if not self.initial_kex_done or data.asbytes()[0] < MSG_USERAUTH_REQUEST:
            super()._send_message(data)  # type: ignore[misc]
            return
        with self.clear_to_send_lock:
            if self.clear_to_send.is_set():
                super()._send_message(data)  # type: ignore[misc]
            elif len(self._held) < _MOST_HELD:
                self._held.append(data)
            else:
                raise paramiko.SSHException("too many requests while keys are exchanged")

    _send_user_message = _send_message

    def _parse_newkeys(self, m: paramiko.Message) -> None:
        """Use the new keys, and send what waited for them."""
        super()._parse_newkeys(m)  # type: ignore[misc]
        held, self._held = self._held, []
        for message in held:
            self._send_message(message)
        self._go_on()

    def _go_on(self) -> None:
        for stream in list(self._streams.values()):
            stream.go_on()

    # What comes on channels; paramiko keeps what nobody asked for without end

    def _data(self, channel: paramiko.Channel, m: paramiko.Message) -> None:
        if stream := self._streams.get(channel.chanid):
            stream.came(m.get_binary())

    def _window_adjust(self, channel: paramiko.Channel, m: paramiko.Message) -> None:
        channel._window_adjust(m)  # type: ignore[attr-defined]
        if stream := self._streams.get(channel.chanid):
            stream.go_on()

    def _end_of_data(self, channel: paramiko.Channel, m: paramiko.Message) -> None:
        channel._handle_eof(m)  # type: ignore[attr-defined]
        if stream := self._streams.get(channel.chanid):
            stream.client_is_done()

    def _end_of_channel(self, channel: paramiko.Channel, m: paramiko.Message) -> None:
        self._end_stream(channel.chanid)
        channel._handle_close(m)  # type: ignore[attr-defined]

    def _end_stream(self, channel: int) -> None:
        if stream := self._streams.pop(channel, None):
            stream.end()

    _channel_handler_table = paramiko.Transport._channel_handler_table | {  # type: ignore[attr-defined]
        MSG_CHANNEL_DATA: lambda channel, m: channel.transport._data(channel, m),
        MSG_CHANNEL_EXTENDED_DATA: lambda channel, m: None,
        MSG_CHANNEL_WINDOW_ADJUST: lambda channel, m: channel.transport._window_adjust(channel, m),
        MSG_CHANNEL_EOF: lambda channel, m: channel.transport._end_of_data(channel, m),
        MSG_CHANNEL_CLOSE: lambda channel, m: channel.transport._end_of_channel(channel, m),
    }
