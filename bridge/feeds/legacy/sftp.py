"""An old mailbox over SFTP: the host key is checked, then the password, then it is spoken to.

No agent, no key file and no known_hosts of the user's are asked: only what the settings say.
"""

import base64
import hashlib
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

import paramiko

from bridge.errors import OldMailboxRefusedError
from bridge.feeds.legacy.address import Address
from bridge.feeds.legacy.entries import Row, joined, shown
from bridge.feeds.legacy.lines import Patience
from bridge.feeds.legacy.sftp_wire import SftpWire, row_of, time_of
from bridge.feeds.legacy.troubles import (
    NO_SUCH_FILE,
    BrokenLineError,
    SftpStatusError,
    network,
    text_of,
)
from bridge.feeds.legacy.watch import Watch

_SIGNATURES = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"),
}
"""The types of host keys, and by what a server proves that it has one."""

_NO_KEY = "no key of that type, or proves it in a way that only the extra legacy-ssh understands"

_AT_ONCE = 64
"""Requests for parts of a file in flight: as many as OpenSSH's own client has."""

_FAREWELL = 5
"""Seconds for the thread of a connection that was cut off to notice; it takes no time at all."""

_SMALL = 32768
"""Bytes that one request brings."""

# paramiko logs every broken handshake with a traceback; what matters is raised here.
_LOG_CHANNEL = "paramiko.old-mailbox"
logging.getLogger(_LOG_CHANNEL).addHandler(logging.NullHandler())
logging.getLogger(_LOG_CHANNEL).propagate = False


class SftpLine:
    """Reads over SFTP."""

    def __init__(
        self, address: Address, *, host_key: str, password: str, patience: Patience
    ) -> None:
        self._address = address
        self._pinned = host_key
        self._password = password
        self._patience = patience
        self._key_type: str | None = None
        self._transport: paramiko.Transport | None = None
        self._sock: socket.socket | None = None
        self._watch: Watch | None = None
        self._open: SftpWire | None = None
        self._base = b""

    def __repr__(self) -> str:
        return f"SftpLine({self._address.url})"

    @property
    def where(self) -> str:
        """What and where this is, for messages."""
        return f"the old mailbox {self._address.url}"

    def connect(self) -> None:
        """Connect, check the host key, log in; raises OldMailboxRefusedError if one is wrong."""
        self.close()
        try:
            self._find_host_key()
            with self._asked("log in"):
                self._log_in()
            with self._asked("start SFTP"):
                self._start()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Hang up."""
        if self._watch is not None:
            self._watch.end()
        if self._transport is not None and self._sock is not None:
            _end(self._transport, self._sock)
        self._watch = self._transport = self._open = None

    def rows(self, folder: bytes) -> list[Row]:
        """List a folder, in any order."""
        with self._asked(f"list {shown(folder) or 'it'}"):
            return list(self._wire.rows(self._at(folder)))

    def look(self, path: bytes) -> Row | None:
        """Return what a path is, no link followed; None if nothing is there."""
        with self._asked(f"look at {shown(path)}"):
            try:
                about = self._wire.lstat(self._at(path))
            except SftpStatusError as error:
                if error.code == NO_SUCH_FILE:
                    return None
                raise
            return row_of(path.rpartition(b"/")[2], b"", about)

    def read(self, path: bytes, *, size: int | None, most: int) -> tuple[bytes, datetime | None]:
        """Return a file's bytes, and its time where that was asked for anyway."""
        with self._asked(f"read {shown(path)}"), self._wire.open(self._at(path), "rb") as file:
            if size is not None and size <= _SMALL:
                return file.read(most + 1), None
            about = file.stat()
            if about.st_size is not None and _SMALL < about.st_size <= most:
                file.prefetch(about.st_size, max_concurrent_requests=_AT_ONCE)
            return file.read(most + 1), time_of(about)

    @property
    def _wire(self) -> SftpWire:
        assert self._open is not None, "the line is not connected"
        return self._open

    def _at(self, path: bytes) -> bytes:
        return joined(self._base, path) if path else self._base

    @contextmanager
    def _asked(self, what: str, *, writing: bool = False) -> Iterator[None]:
        assert self._watch is not None
        with network(self.where, what, writing=writing), self._watch.within(self._patience.whole):
            yield

    def _find_host_key(self) -> None:
        """Connect to the server so that it shows the key that is pinned.

        A server has a key of each type and shows one: for a fingerprint, whose type is not known,
        the types are tried one after the other, each on a new connection.
        """
        known = self._key_type or _type_of(self._pinned)
        seen = []
        for kind in [known] if known else list(_SIGNATURES):
            key = self._shake_hands(kind)
            if key is not None and _is(key, self._pinned):
                self._key_type = kind
                return
            if key is not None:
                seen.append(f"{key.get_name()} {_fingerprint(key)}")
            self.close()
        raise OldMailboxRefusedError(
            f"{self.where}: this is not the server that host_key names: it shows "
            f"{', '.join(seen) or _NO_KEY}. Ask whoever runs it whether its key was changed; "
            "nothing was sent to it"
        )

    def _shake_hands(self, key_type: str) -> paramiko.PKey | None:
        """Agree on keys with the server; return its host key, None if it has none of this type."""
        address, patience = self._address, self._patience
        with network(self.where, "connect"):
            sock = socket.create_connection((address.host, address.port), patience.silence)
            self._sock, self._transport = sock, (transport := paramiko.Transport(sock))
            self._watch = Watch(lambda: _cut(sock))
        transport.set_log_channel(_LOG_CHANNEL)
        for name in ("banner_timeout", "handshake_timeout", "auth_timeout", "channel_timeout"):
            setattr(transport, name, patience.silence)
        options = transport.get_security_options()
        offered = [name for name in _SIGNATURES[key_type] if name in options.key_types]
        options.key_types = offered
        with self._asked("connect"):
            try:
                transport.start_client(timeout=patience.silence)
            except paramiko.ssh_exception.IncompatiblePeer as error:
                if "host key" in str(error):
                    return None
                raise OldMailboxRefusedError(
                    f"{self.where}: it only knows cryptography that is too old: "
                    f"{text_of(error)}. The extra `efact-bridge[legacy-ssh]` knows that too"
                ) from error
            return transport.get_remote_server_key()

    def _log_in(self) -> None:
        assert self._transport is not None
        user = self._address.user
        try:
            if self._password:
                left = self._transport.auth_password(user, self._password)
            else:
                left = self._transport.auth_none(user)
        except paramiko.AuthenticationException as error:
            if not self._transport.is_active():
                raise BrokenLineError(
                    f"{self.where}: it hung up on the user {user!r} at the login: {error}"
                ) from error
            raise OldMailboxRefusedError(
                f"{self.where}: it does not let the user {user!r} in: {text_of(error)}: look at "
                "the address and at password_file in [account.legacy]"
            ) from error
        if left:
            raise OldMailboxRefusedError(
                f"{self.where}: it wants more than a password of the user {user!r}: "
                f"{', '.join(left)}"
            )

    def _start(self) -> None:
        assert self._transport is not None
        channel = self._transport.open_session(timeout=self._patience.silence)
        channel.settimeout(self._patience.silence)
        channel.invoke_subsystem("sftp")
        self._open = SftpWire(channel)
        folder = self._address.folder
        self._base = folder if folder.startswith(b"/") else self._home(folder)

    def _home(self, folder: bytes) -> bytes:
        home = self._wire.real_path(b".")
        return joined(home, folder) if folder else home


class WritableSftpLine(SftpLine):
    """Reads and writes over SFTP."""

    def write(self, path: bytes, content: bytes) -> None:
        """Write a file, over what was there."""
        with (
            self._asked(f"write {shown(path)}", writing=True),
            self._wire.open(self._at(path), "wb") as file,
        ):
            file.write(content)
            file.flush()

    def rename(self, old: bytes, new: bytes) -> None:
        """Give a file another path, in one step."""
        with self._asked(f"rename {shown(old)} to {shown(new)}", writing=True):
            self._wire.rename(self._at(old), self._at(new))

    def remove(self, path: bytes) -> None:
        """Remove a file; one that is not there is no error."""
        with self._asked(f"remove {shown(path)}", writing=True):
            try:
                self._wire.remove(self._at(path))
            except SftpStatusError as error:
                if error.code != NO_SUCH_FILE:
                    raise

    def make_folder(self, path: bytes) -> None:
        """Make a folder; one that is there is no error."""
        with self._asked(f"make the folder {shown(path)}", writing=True):
            try:
                self._wire.mkdir(self._at(path))
            except SftpStatusError:
                if self.look(path) is None:
                    raise


def _end(transport: paramiko.Transport, sock: socket.socket) -> None:
    """End a transport and its thread, which its own `close` leaves running for a while."""
    _cut(sock)
    if transport.is_alive():
        transport.join(_FAREWELL)
    transport.close()
    sock.close()


def _cut(sock: socket.socket) -> None:
    with suppress(OSError):  # closed already
        sock.shutdown(socket.SHUT_RDWR)


def _type_of(pinned: str) -> str | None:
    """Return the type of a public key line; None for a fingerprint."""
    return None if pinned.startswith("SHA256:") else pinned.split(maxsplit=1)[0]


def _is(key: paramiko.PKey, pinned: str) -> bool:
    if pinned.startswith("SHA256:"):
        return _fingerprint(key) == pinned.rstrip("=")
    return bool(key.asbytes() == base64.b64decode(pinned.split()[1]))


def _fingerprint(key: paramiko.PKey) -> str:
    digest = hashlib.sha256(key.asbytes()).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"
