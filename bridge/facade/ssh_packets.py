"""How SSH packets pass the socket: read in bulk, sent together, and no client waited for.

paramiko reads each packet in pieces and waits until each of its own is sent. Here the packets
themselves stay paramiko's (ciphers, MACs, numbers), only their bytes take another way: whatever
has come is read at once; what is to be sent is collected while packets are at hand and goes out
in one piece when the next would have to be waited for. A client that does not read holds up
nothing but itself: its bytes wait in a buffer whose size is limited.
"""

import contextlib
import hmac
import math
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import paramiko.packet
import paramiko.util
from paramiko.packet import NeedRekeyException, Packetizer
from paramiko.ssh_exception import SSHException

from bridge.facade.turns import WRITE

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# paramiko compares MACs byte by byte in Python: a tenth of the door's time, and hardly constant.
paramiko.util.constant_time_bytes_eq = hmac.compare_digest  # type: ignore[assignment]
# And it makes an object for each MAC, where the library has a call that does it at once.
paramiko.packet.compute_hmac = hmac.digest  # type: ignore[assignment]

_LONGEST_READ = 512 * 1024
"""Bytes of one packet, at most: OpenSSH's limit is half of it, RFC 4253 asks for 35,000.

paramiko has no limit, so anyone could make it wait for, and keep, four gigabytes.
"""

_LONGEST_OF_A_STRANGER = 35_000
"""The same of a client that has not logged in.

Its lists of algorithms, taken apart, cost many times as much memory as they have bytes.
"""

_LONGEST_LINE = 8 * 1024
"""Bytes of a line before the first packet (RFC 4253: 255)."""

_RECEIVE = 64 * 1024
"""Bytes that are read at once: room for four times as many is got from the system each time."""

_FLUSH = 128 * 1024
"""Bytes that are sent whatever else is at hand."""

_ENOUGH = 512 * 1024
"""Bytes that wait for a client that does not read, before it is answered no more."""

_TOO_MUCH = 4 * 1024 * 1024
"""What a client may make us say without reading any of it: then it is let go."""


class Packets(Packetizer):
    """paramiko's packets over a socket that never blocks. For one thread."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        sock.setblocking(False)
        self._sock = sock
        self._came = b""
        self._position = 0
        self._to_send = bytearray()
        self._handshake_ends = math.inf
        self._someone_waits = False
        self._longest = _LONGEST_OF_A_STRANGER
        self.wait: Wait = nothing_came
        """Called when there is nothing more to read."""
        self.rest: Callable[[], None] = nothing
        """Called before each packet: where many are at hand, others may have their turns."""
        self.on_room: Callable[[], None] = nothing
        """Called when there is room again after `has_room` said no."""
        self.on_pause: Callable[[], None] = nothing
        """Called when all was answered that has come."""

    def has_room(self) -> bool:
        """Tell whether the client reads enough of what it is sent for more to be said."""
        room = len(self._to_send) < _ENOUGH
        self._someone_waits |= not room
        return room

    def trust(self) -> None:
        """Take long packets as well: the client has logged in."""
        self._longest = _LONGEST_READ

    def close(self) -> None:
        """Close the socket; who waits for it sees so in the next turn."""
        with contextlib.suppress(EOFError):
            self._flush()  # a client that is refused learns from our offer what it lacks
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        super().close()

    # How long the handshake may take: paramiko has a thread wait for each

    def start_handshake(self, timeout: float) -> None:
        """Take note that it has to be over in so many seconds."""
        self._handshake_ends = time.monotonic() + timeout

    def handshake_timed_out(self) -> bool:
        """Tell whether it takes too long."""
        return time.monotonic() > self._handshake_ends

    def complete_handshake(self) -> None:
        """Take note that it is over; paramiko says so after each message."""
        self._handshake_ends = math.inf

    # Reading

    def read_message(self) -> tuple[int, paramiko.Message]:
        """Return the kind of the next packet and what it says; EOFError when it is over."""
        self.rest()
        if self.closed:  # meanwhile
            raise EOFError
        return super().read_message()

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        """Return so many bytes; EOFError when the connection ends before."""
        if not 0 <= n <= self._longest:
            raise SSHException(f"a packet cannot have {n} bytes")
        while len(self._came) - self._position < n:
            nothing_yet = self._position == len(self._came)
            if not self._receive() and check_rekey and nothing_yet and self.need_rekey():
                raise NeedRekeyException
        start, self._position = self._position, self._position + n
        return self._came[start : self._position]

    def readline(self, timeout: float) -> str:
        """Return a line, without its end, that comes within so many seconds."""
        deadline = time.monotonic() + timeout
        while (end := self._came.find(b"\n", self._position)) < 0:
            if len(self._came) - self._position > _LONGEST_LINE:
                raise SSHException("a line without an end")
            if time.monotonic() >= deadline:
                raise TimeoutError
            self._receive()
        start, self._position = self._position, end + 1
        return self._came[start:end].removesuffix(b"\r").decode("utf-8")

    def _receive(self) -> bool:
        """Send what is collected, then wait for bytes; tell whether some came."""
        self._flush()
        self.on_pause()
        if self._someone_waits and len(self._to_send) < _ENOUGH:
            self._someone_waits = False
            self.on_room()
        self._flush()  # what was said meanwhile
        if self.closed or self.handshake_timed_out():
            raise EOFError
        happened = self.wait(to_send=bool(self._to_send or self._someone_waits))
        return bool(happened & ~WRITE) and self._read()

    def _read(self) -> bool:
        try:
            chunk = self._sock.recv(_RECEIVE)
        except BlockingIOError:
            return False
        except OSError as error:
            if self.closed:
                raise EOFError from error
            raise
        if not chunk:
            raise EOFError
        self._came = self._came[self._position :] + chunk
        self._position = 0
        return True

    # Sending

    def write_all(self, out: "ReadableBuffer") -> None:
        """Send it soon; EOFError when the connection is broken."""
        self._to_send += out
        if len(self._to_send) > _TOO_MUCH:
            raise EOFError
        if len(self._to_send) >= _FLUSH:
            self._flush()

    def _flush(self) -> None:
        if self._to_send:
            try:
                sent = self._sock.send(self._to_send)
            except BlockingIOError:
                return
            except OSError as error:
                raise EOFError from error
            del self._to_send[:sent]


class Wait(Protocol):
    """How a turn is given up."""

    def __call__(self, *, to_send: bool) -> int:
        """Return what happened meanwhile to the socket; see `turns`."""


def nothing_came(*, to_send: bool) -> int:
    """Say so: there are no turns yet."""
    return 0


def nothing() -> None:
    """Do so: nobody waits for it."""
