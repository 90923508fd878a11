"""The SFTP door: takes connections, gives them their turns, and lets go of the dead ones."""

import contextlib
import socket
import threading
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import paramiko
import structlog

from bridge.facade.access import (
    MOST_SESSIONS,
    MOST_STRANGERS,
    Access,
    origin_of,
    plain_address,
)
from bridge.facade.algorithms import load_moduli
from bridge.facade.events import DoorEvents
from bridge.facade.folders import DoorMailbox
from bridge.facade.hostkeys import load_host_keys
from bridge.facade.listening import listen
from bridge.facade.ssh import Connection
from bridge.facade.turns import Turns
from bridge.settings import SftpSettings

log = structlog.get_logger()

_ROUND = 0.25
"""Seconds between two looks at what has ended or stayed too long."""

_MOST_CONNECTIONS = MOST_SESSIONS + 50
"""Connections at one time: the sessions, and some that are still logging in."""


class SftpDoor:
    """An SFTP server over the mailboxes of the accounts."""

    def __init__(
        self,
        settings: SftpSettings,
        *,
        access: Access,
        mailboxes: Mapping[str, DoorMailbox],
        host_keys: Path,
        events: DoorEvents,
        look_every: float = _ROUND,
    ) -> None:
        """`mailboxes` by account; `host_keys` is the folder that holds the host keys.

        `look_every` is how many seconds the end of the door, or of a connection, may go unseen.
        """
        self._settings = settings
        self._access = access
        self._mailboxes = mailboxes
        self._host_key_folder = host_keys
        self._host_keys: list[paramiko.PKey] = []
        self._events = events
        self._look_every = look_every
        self._listener: socket.socket | None = None
        self._takes = False
        self._connections: list[Connection] = []

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that the door listens on, once started."""
        assert self._listener is not None, "the door is not started"
        host, port = self._listener.getsockname()[:2]
        return host, port

    def start(self) -> None:
        """Load or make the host keys and take the port; clients may connect from now on.

        Raises PortTakenError, SettingsError or StorageError.
        """
        for mailbox in self._mailboxes.values():
            mailbox.prepare()
        self._host_keys = load_host_keys(self._host_key_folder)
        if self._settings.legacy_algorithms and not load_moduli():
            log.info("no group exchange: there is no /etc/ssh/moduli")
        self._listener = listen(self._settings.host, self._settings.port, section="sftp")
        self._listener.setblocking(False)
        log.info("SFTP door open", host=self.address[0], port=self.address[1])

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop` is set, then close everything; starts what is not started."""
        if self._listener is None:
            self.start()
        with contextlib.closing(Turns()) as turns:
            try:
                self._serve(turns, stop)
            finally:
                self.stop()

    def stop(self) -> None:
        """Close the port and all connections; uploads under way are cut off. Safe to repeat.

        Once `run` was called, only that thread may call it.
        """
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for connection in self._connections:
            connection.hang_up()
        for connection in self._connections:
            connection.end()
        self._connections.clear()

    def _serve(self, turns: Turns, stop: threading.Event) -> None:
        next_look = 0.0
        while not stop.is_set():
            if (now := time.monotonic()) >= next_look:
                next_look = now + _ROUND
                self._keep_house()
                self._take(turns)
            turns.give(self._look_every)

    def _take(self, turns: Turns) -> None:
        """Take connections from now on."""
        assert self._listener is not None
        if not self._takes:
            turns.watch(self._listener.fileno(), partial(self._take_one, turns))
            self._takes = True

    def _take_one(self, turns: Turns, _: int) -> None:
        assert self._listener is not None
        try:
            client, address = self._listener.accept()
        except OSError as error:  # gone again, or out of descriptors: a little later it may do
            log.warning("an SFTP connection was not taken", error=error.strerror)
            turns.unwatch(self._listener.fileno())
            self._takes = False
            return
        self._keep_house()  # those that have gone do not count
        if len(self._connections) >= _MOST_CONNECTIONS:
            log.warning("too many SFTP connections at once", address=address[0])
            client.close()
            return
        if self._access.is_banned(address[0]):  # before the key exchange, which costs us time
            log.debug("an SFTP connection of a banned address", address=address[0])
            client.close()
            return
        if self._strangers(plain_address(address[0])) >= MOST_STRANGERS:
            log.warning("too many SFTP connections that do not log in", address=address[0])
            client.close()
            return
        self._welcome(client, plain_address(address[0]), turns)

    def _strangers(self, address: str) -> int:
        """Return how many connections of an address, or of its network, have not logged in."""
        origin = origin_of(address)
        silent = [each for each in self._connections if each.session is None]
        return sum(origin_of(each.address) == origin for each in silent)

    def _welcome(self, client: socket.socket, address: str, turns: Turns) -> None:
        with contextlib.suppress(OSError):  # a client that has gone already
            _prepare(client)
            connection = Connection(
                client,
                address=address,
                access=self._access,
                mailboxes=self._mailboxes,
                host_keys=self._host_keys,
                events=self._events,
                legacy=self._settings.legacy_algorithms,
                turns=turns,
            )
            self._connections.append(connection)
            connection.begin()

    def _keep_house(self) -> None:
        latest = time.monotonic() - self._access.login.grace
        for connection in list(self._connections):
            late = connection.session is None and connection.began < latest
            if late and connection.is_active():
                log.info("SFTP client did not log in in time", address=connection.address)
                connection.hang_up()
            if connection.over:
                connection.end()
                self._connections.remove(connection)
            else:
                connection.keep_house()


def _prepare(client: socket.socket) -> None:
    """Set the options that count: without NODELAY some clients are many times slower."""
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 30)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
