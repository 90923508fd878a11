"""FTP with explicit TLS (RFC 4217), of no older a version than `min_tls`. Needs pyOpenSSL (`ftps`).

An upload whose data connection ends without TLS's farewell is judged like one without TLS, for
there are clients that never say it; one whose data connection is reset was cut off.
"""

import contextlib
import ssl
import stat
import sys
from pathlib import Path

import structlog
from OpenSSL import SSL
from pyftpdlib.handlers import TLS_DTPHandler, TLS_FTPHandler

from bridge.errors import SettingsError
from bridge.facade import tls_socket
from bridge.facade.clients import Program
from bridge.facade.ftp_handler import Commands
from bridge.facade.ftp_transfer import DataChannel, quiet
from bridge.facade.tls_socket import TlsSocket

log = structlog.get_logger()


class TlsDataChannel(TLS_DTPHandler, DataChannel):  # type: ignore[misc]
    """A data connection that may be encrypted."""

    ac_out_buffer_size = TLS_DTPHandler.ac_out_buffer_size  # each piece is encrypted at once

    def secure_connection(self, ssl_context: ssl.SSLContext) -> None:
        """Begin TLS, without session tickets."""
        _begin(self, ssl_context, tickets=False)

    def close(self) -> None:
        """End the connection; an upload that waits has none any more.

        A transfer that was asked for is answered though TLS had not begun yet.
        """
        if self._ssl_accepting and not self._resp:
            self._answer("426 Connection broken before TLS had begun.")
        if self.waiting:
            DataChannel.close(self)
        else:
            super().close()

    def handle_failed_ssl_handshake(self) -> None:
        """End a connection on which client and door agree on no TLS."""
        log.warning("no TLS on an FTP data connection", address=self.cmd_channel.remote_ip)
        self._answer("522 TLS could not be agreed on.")
        self.close()

    def _answer(self, text: str) -> None:
        """Have a transfer answered when the connection has ended, if one was asked for."""
        if self.cmd is not None and not self.cmd_channel._closed:
            self._resp = (text, quiet)

    def handle_error(self) -> None:
        """End a transfer that failed, and tell the client: pyftpdlib does not over TLS."""
        self._error = True  # no farewell
        if self._ssl_accepting and isinstance(sys.exc_info()[1], SSL.Error):
            self.handle_failed_ssl_handshake()
        else:
            DataChannel.handle_error(self)

    def _has_error(self) -> bool:
        """Tell whether it broke: after TLS's own farewell a reset is no fault."""
        if not isinstance(self.socket, TlsSocket):
            return super()._has_error()
        farewell = bool(self.socket.get_shutdown() & SSL.RECEIVED_SHUTDOWN)
        return not farewell and (self.socket.broken or super()._has_error())


class TlsCommands(TLS_FTPHandler, Commands):  # type: ignore[misc]
    """A control connection that may, or must, be encrypted."""

    dtp_handler = TlsDataChannel
    proto_cmds = Commands.proto_cmds | {
        name: TLS_FTPHandler.proto_cmds[name] for name in ("AUTH", "PBSZ", "PROT")
    }

    def secure_connection(self, ssl_context: ssl.SSLContext) -> None:
        """Begin TLS, with the tickets that let clients resume the session for their data."""
        _begin(self, ssl_context, tickets=True)

    def push_dtp_data(
        self, data: object, isproducer: bool = False, file: object = None, cmd: str | None = None
    ) -> None:
        """Send something; the data connection may break over the first piece, and answers then."""
        if self.data_channel is not None:
            self.data_channel.cmd = cmd
        super().push_dtp_data(data, isproducer, file, cmd)

    def program(self) -> Program:
        """Return what the client is, with the TLS that it came over."""
        if not isinstance(self.socket, TlsSocket):
            return super().program()
        version, cipher = self.socket.agreed()
        return Program(agreed={"tls": version, "cipher": cipher})

    def ftp_AUTH(self, line: str) -> None:
        """Begin TLS; whoever said more in the clear is not heard (RFC 4217, 15.1.1).

        Someone on the line could have slipped it in, and it would count as said inside.
        """
        super().ftp_AUTH(line)
        if self._ssl_accepting and self.ac_in_buffer:
            log.warning("FTP commands came unencrypted behind AUTH", address=self.remote_ip)
            self.ac_in_buffer = b""
            self.close()

    def _after_the_grace(self) -> None:
        """Let go of who did not log in; in a TLS handshake there is no way to say so."""
        if self._ssl_accepting:
            self.close()
        else:
            super()._after_the_grace()

    def close(self) -> None:
        """Close the connection and end the visit, whatever becomes of the TLS farewell."""
        super().close()
        self._leave()


def tls_context(certificate: Path, private_key: Path, *, oldest: str) -> ssl.SSLContext:
    """Return what the connections are encrypted with; raises SettingsError."""
    if others_can_read(private_key):
        log.warning("others can read the private key of [ftp]", path=str(private_key))
    try:
        return tls_socket.tls_context(certificate, private_key, oldest=oldest)
    except OSError as error:
        raise SettingsError(
            f"[ftp] certificate {certificate} and private_key {private_key} cannot be used: they "
            "must be PEM files without a passphrase that this program can read and that belong "
            "together"
        ) from error


def others_can_read(private_key: Path) -> bool:
    """Tell whether everybody on this machine can read a key; a group may (Debian's ssl-cert)."""
    try:
        return bool(private_key.stat().st_mode & stat.S_IRWXO)
    except OSError:
        return False  # said when it is read


def _begin(
    channel: TlsDataChannel | TlsCommands, context: ssl.SSLContext, *, tickets: bool
) -> None:
    channel._ssl_requested = True
    try:
        channel.socket = TlsSocket(context, channel.socket, tickets=tickets)
    except (OSError, ValueError):  # gone again
        with contextlib.suppress(OSError):
            channel.close()
    else:
        channel._ssl_accepting = True
