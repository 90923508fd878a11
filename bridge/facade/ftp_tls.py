"""FTP with explicit TLS (RFC 4217): TLS 1.2 or newer. Needs pyOpenSSL, the extra `ftps`."""

from pathlib import Path

from OpenSSL import SSL
from pyftpdlib.handlers import TLS_DTPHandler, TLS_FTPHandler

from bridge.errors import SettingsError
from bridge.facade.ftp_handler import Commands
from bridge.facade.ftp_transfer import DataChannel


class TlsDataChannel(TLS_DTPHandler, DataChannel):  # type: ignore[misc]
    """A data connection that may be encrypted."""

    def close(self) -> None:
        """End the connection; an upload that waits has none any more."""
        if self.waiting:
            DataChannel.close(self)
        else:
            super().close()

    def _has_error(self) -> bool:
        """Tell whether it broke: after TLS's own farewell a reset is no fault.

        Clients that only write never read our session tickets, so their system resets.
        """
        farewell = isinstance(self.socket, SSL.Connection) and bool(
            self.socket.get_shutdown() & SSL.RECEIVED_SHUTDOWN
        )
        return not farewell and super()._has_error()


class TlsCommands(TLS_FTPHandler, Commands):  # type: ignore[misc]
    """A control connection that may, or must, be encrypted."""

    dtp_handler = TlsDataChannel
    proto_cmds = Commands.proto_cmds | {
        name: TLS_FTPHandler.proto_cmds[name] for name in ("AUTH", "PBSZ", "PROT")
    }

    def close(self) -> None:
        """Close the connection and end the visit, whatever becomes of the TLS farewell."""
        super().close()
        self._leave()


def tls_context(certificate: Path, private_key: Path) -> SSL.Context:
    """Return what the connections are encrypted with; raises SettingsError."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION)
    context.set_session_id(b"efact-bridge")  # lets clients resume a session for their data
    try:
        context.use_certificate_chain_file(str(certificate))
        context.use_privatekey_file(str(private_key))
        context.check_privatekey()
    except (SSL.Error, OSError) as error:
        raise SettingsError(
            f"[ftp] certificate {certificate} and private_key {private_key} cannot be used: they "
            "must be PEM files that this program can read and that belong together"
        ) from error
    return context
