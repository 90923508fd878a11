"""TLS by Python's own ssl, in the form of pyOpenSSL that pyftpdlib works with.

Python's ssl can do what pyOpenSSL cannot: leave away the session tickets of TLS 1.3. They belong
on the control connection, where a client reads them and resumes its session for the data. On a
data connection they do harm: a client that only uploads never reads them, so its system answers
the closing of the socket with a reset, and the end of the file is lost on the way (Go's FTP
library, and with it rclone, lost most of each larger file).
"""

import errno
import socket
import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from OpenSSL import SSL

_TICKETS = 2
"""OpenSSL's own number; a ticket may be used again, for one data connection after the other."""


class TlsSocket(SSL.Connection):
    """The server's end of a TLS connection; pyftpdlib takes it for one of pyOpenSSL's."""

    def __init__(self, context: ssl.SSLContext, sock: socket.socket, *, tickets: bool) -> None:
        context.num_tickets = _TICKETS if tickets else 0  # each connection keeps what is set now
        self._socket: Any = context.wrap_socket(  # `Connection` hands over to it what is not here
            sock, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=False
        )
        self._shutdown = 0
        self.broken = False
        """The connection was reset instead of ended."""

    def set_accept_state(self) -> None:
        """Do nothing: a server's end is all that it can be."""

    def do_handshake(self) -> None:
        """Go on with the handshake."""
        with _as_pyopenssl():
            self._socket.do_handshake()

    def agreed(self) -> tuple[str, str]:
        """Return the version of TLS and the cipher that both sides agreed on."""
        cipher = self._socket.cipher()
        return self._socket.version() or "", cipher[0] if cipher else ""

    def recv(self, bufsiz: int, flags: int | None = None) -> bytes:
        """Receive; after TLS's farewell, or the connection's proper end, ZeroReturnError."""
        try:
            with _as_pyopenssl():
                data: bytes = self._socket.recv(bufsiz)
        except SSL.SysCallError:
            self.broken = True
            raise
        if not data and bufsiz:
            self._shutdown |= SSL.RECEIVED_SHUTDOWN
            raise SSL.ZeroReturnError
        return data

    def send(self, buf: Any, flags: int = 0) -> int:  # noqa: ANN401  (as pyOpenSSL)
        """Send, and return how many bytes were taken."""
        with _as_pyopenssl():
            sent: int = self._socket.send(buf)
        return sent

    def shutdown(self) -> bool:
        """Send the farewell; the other's is not waited for."""
        try:
            with _as_pyopenssl():
                self._socket.unwrap()
        except SSL.WantReadError:
            pass
        self._shutdown |= SSL.SENT_SHUTDOWN
        return True

    def get_shutdown(self) -> int:
        """Return whose farewells were said."""
        return self._shutdown

    def set_shutdown(self, state: int) -> None:
        """Set it."""
        self._shutdown = state


_VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}


def tls_context(certificate: Path, private_key: Path, *, oldest: str) -> ssl.SSLContext:
    """Return what the connections are encrypted with; `oldest` is a version such as "1.2".

    Raises OSError (SSLError is one); a private key behind a passphrase counts as unreadable.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if oldest in {"1.0", "1.1"}:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")  # their signatures are SHA-1
    with warnings.catch_warnings():  # that they are old is said by `check`
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = _VERSIONS[oldest]
    # There are clients that end without a farewell; without OpenSSL 3 that counts as broken.
    context.options |= getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    context.load_cert_chain(certificate, private_key, password=_no_passphrase)
    return context


def _no_passphrase() -> str:
    raise ssl.SSLError("the private key has a passphrase")


@contextmanager
def _as_pyopenssl() -> Iterator[None]:
    """Raise what pyOpenSSL would have raised."""
    try:
        yield
    except (ssl.SSLWantReadError, BlockingIOError) as error:
        raise SSL.WantReadError from error
    except ssl.SSLWantWriteError as error:
        raise SSL.WantWriteError from error
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
        raise SSL.SysCallError(-1, "Unexpected EOF") from error
    except ssl.SSLError as error:
        raise SSL.Error(str(error)) from error
    except OSError as error:
        raise SSL.SysCallError(error.errno or errno.ECONNRESET, str(error)) from error
