"""The FTP door: one loop in one thread, plain or with explicit TLS."""

import ipaddress
import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import structlog
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer

from bridge.errors import SettingsError
from bridge.facade.access import MOST_SESSIONS, Access
from bridge.facade.events import DoorEvents
from bridge.facade.folders import DoorMailbox
from bridge.facade.ftp_handler import Commands
from bridge.facade.ftp_login import Keeper
from bridge.facade.listening import listen
from bridge.settings import FtpSettings

log = structlog.get_logger()

_ROUND = 0.25
"""Seconds between two looks at whether to stop."""

_MOST_SOCKETS = 3 * MOST_SESSIONS
"""A control and a data connection for each session, and some that are still logging in."""

# Without a handler pyftpdlib would set up logging for the whole program.
logging.getLogger("pyftpdlib").addHandler(logging.NullHandler())


class FtpDoor:
    """An FTP server over the mailboxes of the accounts."""

    def __init__(
        self,
        settings: FtpSettings,
        *,
        access: Access,
        mailboxes: Mapping[str, DoorMailbox],
        events: DoorEvents,
        look_every: float = _ROUND,
    ) -> None:
        """`mailboxes` by account; `look_every` is how many seconds its end may go unseen."""
        self._settings = settings
        self._access = access
        self._mailboxes = mailboxes
        self._events = events
        self._look_every = look_every
        self._loop: IOLoop | None = None
        self._server: FTPServer | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that the door listens on, once started."""
        assert self._server is not None, "the door is not started"
        host, port = self._server.address
        return host, port

    def start(self) -> None:
        """Take the port; clients may connect from now on, and are served by `run`.

        Raises PortTakenError, SettingsError or StorageError.
        """
        for mailbox in self._mailboxes.values():
            mailbox.prepare()
        handler = self._handler()
        listener = listen(self._settings.host, self._settings.port, section="ftp")
        self._loop = IOLoop()
        self._server = _Server(listener, handler, ioloop=self._loop)
        self._server.max_cons = _MOST_SOCKETS
        log.info("FTP door open", host=self.address[0], port=self.address[1])

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop` is set, then close everything; starts what is not started."""
        if self._loop is None:
            self.start()
        assert self._loop is not None
        wait = self._look_every
        try:
            while not stop.is_set():
                soonest = self._loop.loop(timeout=wait, blocking=False)
                wait = self._look_every
                if soonest is not None:
                    wait = min(max(soonest, 0), self._look_every)
        finally:
            self.stop()

    def stop(self) -> None:
        """Close the port and all connections; uploads under way are cut off. Safe to repeat.

        Once `run` was called, only that thread may call it.
        """
        if self._loop is not None:
            self._loop.close()
            self._loop = None

    def _handler(self) -> type[Commands]:
        """Return a class of this door's own: pyftpdlib keeps its settings on the class."""
        attributes: dict[str, Any] = {
            "access": self._access,
            "authorizer": Keeper(self._access),
            "mailboxes": self._mailboxes,
            "events": self._events,
            "strangers": Counter[str](),
            "passive_ports": self._settings.passive_range,
            "masquerade_address": _address_of(self._settings.masquerade_address),
        }
        base = Commands
        if self._settings.tls != "off":
            base = _tls_commands()
            attributes |= _tls_attributes(self._settings)
        return type("DoorCommands", (base,), attributes)


class _Server(FTPServer):  # type: ignore[misc]
    """A listener that outlives what would close pyftpdlib's own."""

    def handle_accept(self) -> None:
        """Take a connection; one that cannot be taken waits, and the door stays open."""
        try:
            super().handle_accept()
        except OSError as error:  # gone again, or out of descriptors: the next round may do
            log.warning("an FTP connection was not taken", error=error.strerror)
            time.sleep(_ROUND)


def _tls_commands() -> type[Commands]:
    try:
        from bridge.facade.ftp_tls import TlsCommands  # noqa: PLC0415  (needs the extra)
    except ImportError as error:
        raise SettingsError(
            '[ftp] tls needs pyOpenSSL: install the package with its extra "ftps" '
            '(pip install "efact-bridge[ftps]")'
        ) from error
    return TlsCommands


def _tls_attributes(settings: FtpSettings) -> dict[str, Any]:
    from bridge.facade.ftp_tls import tls_context  # noqa: PLC0415  (needs the extra)

    assert settings.certificate is not None
    assert settings.private_key is not None
    required = settings.tls == "required"
    return {
        "ssl_context": tls_context(
            settings.certificate, settings.private_key, oldest=settings.min_tls
        ),
        "tls_control_required": required,
        "tls_data_required": required,
    }


def _address_of(host: str) -> str | None:
    """Return the IPv4 address that PASV answers instead of our own, if one is set."""
    if not host:
        return None
    try:
        return str(ipaddress.IPv4Address(socket.gethostbyname(host)))
    except OSError as error:
        raise SettingsError(f"[ftp] masquerade_address: {host} has no IPv4 address") from error
