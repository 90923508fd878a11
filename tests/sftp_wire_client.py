"""SFTP packet by packet, to the door and to OpenSSH's own server alike."""

import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import paramiko

from tests.door_rig import PASSWORD, USER, Rig
from tests.programs import require_file

STATUS, HANDLE, DATA, NAME, ATTRS = 101, 102, 103, 104, 105
NO_ATTRIBUTES = struct.pack(">I", 0)


def string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


@dataclass
class Answer:
    """A reply: its kind, the number of its request, and what follows."""

    kind: int
    number: int
    body: bytes

    @property
    def code(self) -> int | None:
        """The code of a status."""
        return int.from_bytes(self.body[:4], "big") if self.kind == STATUS else None

    @property
    def text(self) -> bytes:
        """The first string: a handle, or the data of a READ."""
        return self.body[4 : 4 + int.from_bytes(self.body[:4], "big")]


class Wire:
    """A client that says exactly what it is told to."""

    def __init__(self, send: Callable[[bytes], object], receive: Callable[[int], bytes]) -> None:
        self._send, self._receive = send, receive
        self._number = 0
        send(struct.pack(">IBI", 5, 1, 3))
        self.greeting = self._packet()

    def send(self, kind: int, *fields: bytes) -> int:
        """Send a request and return its number."""
        self._number += 1
        body = struct.pack(">BI", kind, self._number) + b"".join(fields)
        self._send(string(body))
        return self._number

    def answer(self) -> Answer:
        """Receive the next reply."""
        packet = self._packet()
        return Answer(packet[0], int.from_bytes(packet[1:5], "big"), packet[5:])

    def ask(self, kind: int, *fields: bytes) -> Answer:
        """Send a request and receive its reply."""
        number = self.send(kind, *fields)
        answer = self.answer()
        assert answer.number == number
        return answer

    def _packet(self) -> bytes:
        return self._exactly(int.from_bytes(self._exactly(4), "big"))

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self._receive(count - len(data))
            assert more, "the server ended the session"
            data += more
        return data


@contextmanager
def at_the_door(rig: Rig) -> Iterator[Wire]:
    with closing(paramiko.Transport(("127.0.0.1", rig.port("sftp")))) as transport:
        transport.connect(username=USER, password=PASSWORD)
        channel = transport.open_session()
        channel.settimeout(30)
        channel.invoke_subsystem("sftp")
        yield Wire(channel.sendall, channel.recv)


@contextmanager
def at_openssh(folder: Path) -> Iterator[Wire]:
    """Talk to OpenSSH's server, whose working folder is this one; paths are relative to it."""
    server = require_file(Path("/usr/lib/openssh/sftp-server"), "openssh-sftp-server")
    pipe = subprocess.PIPE
    with subprocess.Popen([server, "-d", folder], stdin=pipe, stdout=pipe, bufsize=0) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Wire(process.stdin.write, process.stdout.read)
        process.stdin.close()
