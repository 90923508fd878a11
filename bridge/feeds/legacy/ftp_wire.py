"""FTP as ftplib speaks it, with names of any encoding, bounded answers, and TLS made safe.

Names go as Latin-1 both ways, so that every byte comes through as it is. With TLS the certificate
is checked before the password is sent, by the authorities that this machine trusts or by the
fingerprint in the settings; a data connection takes up the session of the first one, as vsftpd
demands.
"""

import ftplib
import hashlib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK = 1 << 16
_FAREWELL = 5
"""Seconds for TLS to say good-bye; some servers never do, and nothing hangs on it."""


class CertificateError(OSError):
    """The certificate is not the one of the settings; `shown` is its fingerprint."""

    def __init__(self, shown: str) -> None:
        super().__init__(shown)
        self.shown = shown


class FtpWire(ftplib.FTP):
    """A connection in the clear."""

    def __init__(self, silence: float) -> None:
        super().__init__(timeout=silence, encoding="latin-1")
        self._data: socket.socket | None = None

    def secure(self) -> None:
        """Do nothing: this one is in the clear."""

    def secure_data(self) -> None:
        """Do nothing: this one is in the clear."""

    def features(self) -> frozenset[str]:
        """Return the names of what the server can do beside the old commands."""
        try:
            lines = self.sendcmd("FEAT").split("\n")[1:-1]
        except ftplib.error_perm:
            return frozenset()
        return frozenset(line.split()[0].upper() for line in lines if line.strip())

    def receive(self, command: str, *, most: int) -> bytes:
        """Return what a command sends, cut off behind `most` bytes.

        The end of a data connection is the end of a file only when the server says so.
        """
        content = bytearray()
        with self._data_of(command) as data:
            while len(content) <= most and (chunk := data.recv(CHUNK)):
                content += chunk
        try:
            self.voidresp()
        except ftplib.Error:
            if len(content) <= most:
                raise
        return bytes(content)

    def send(self, command: str, content: bytes) -> None:
        """Send bytes to a command; a server that takes no more of them is asked why."""
        with self._data_of(command) as data:
            try:
                data.sendall(content)
                _say_good_bye(data)
            except (ConnectionError, ssl.SSLEOFError):
                data.close()
                self.voidresp()
                raise
        self.voidresp()

    def cut(self) -> None:
        """Cut all connections off, under whoever waits for them."""
        for sock in (self.sock, self._data):
            if sock is not None:
                with suppress(OSError):  # closed already
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)

    @contextmanager
    def _data_of(self, command: str) -> Iterator[socket.socket]:
        with self.transfercmd(command) as data:
            self._data = data
            try:
                yield data
            finally:
                self._data = None


class FtpTlsWire(FtpWire, ftplib.FTP_TLS):
    """A connection that is encrypted before anybody logs in (explicit TLS)."""

    def __init__(self, silence: float, *, certificate: str) -> None:
        super().__init__(silence)
        self._certificate = certificate
        self.context = ssl.create_default_context()
        if certificate:
            self.context.check_hostname = False
            self.context.verify_mode = ssl.CERT_NONE

    def secure(self) -> None:
        """Encrypt what follows; raises CertificateError or ssl.SSLCertVerificationError."""
        self.auth()
        self._look_at(self._control)

    def secure_data(self) -> None:
        """Encrypt the data connections too."""
        self.prot_p()

    def ntransfercmd(
        self, cmd: str, rest: int | str | None = None
    ) -> tuple[socket.socket, int | None]:
        """Open a data connection within the session of this one."""
        data, size = super(ftplib.FTP_TLS, self).ntransfercmd(cmd, rest)
        try:
            encrypted = self.context.wrap_socket(
                data, server_hostname=self.host, session=self._control.session
            )
            self._look_at(encrypted)
        except BaseException:
            data.close()
            raise
        return encrypted, size

    @property
    def _control(self) -> ssl.SSLSocket:
        assert isinstance(self.sock, ssl.SSLSocket)
        return self.sock

    def _look_at(self, sock: ssl.SSLSocket) -> None:
        if self._certificate:
            shown = hashlib.sha256(sock.getpeercert(binary_form=True) or b"").hexdigest()
            if shown != self._certificate.partition(":")[2].replace(":", "").lower():
                raise CertificateError(f"SHA256:{shown}")


def _say_good_bye(data: socket.socket) -> None:
    if isinstance(data, ssl.SSLSocket):
        data.settimeout(_FAREWELL)
        with suppress(OSError):
            data.unwrap()
