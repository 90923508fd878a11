"""One SSH connection to the SFTP door: its algorithms, its login, and nothing but SFTP.

No shell, exec, forwarding, agent or X11. A session is counted in when the login is complete
(for a key: after its signature was verified) and out when the connection ends.
"""

import logging
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any

import paramiko
import structlog

from bridge.facade.access import Access, Reason
from bridge.facade.algorithms import LOGIN, Kind, Moduli, advice, disabled_algorithms
from bridge.facade.clients import MOST_NAMES, Program, short, short_list
from bridge.facade.events import DoorEvents, Session, tell
from bridge.facade.folders import DoorMailbox
from bridge.facade.ssh_login import Doorkeeper, Logins
from bridge.facade.ssh_transport import SshTransport
from bridge.facade.turns import Turns

log = structlog.get_logger()

_SIGNALS = ("ext-info-", "kex-strict-")

# paramiko logs every broken handshake with a traceback; what matters is logged here.
_LOG_CHANNEL = "efact-bridge.ssh"
logging.getLogger(_LOG_CHANNEL).addHandler(logging.NullHandler())
logging.getLogger(_LOG_CHANNEL).propagate = False


class Connection(SshTransport):
    """An SSH connection from a client; `start` it, and `end` it when it is `over`."""

    def __init__(
        self,
        sock: socket.socket,
        *,
        address: str,
        access: Access,
        mailboxes: Mapping[str, DoorMailbox],
        host_keys: list[paramiko.PKey],
        events: DoorEvents,
        legacy: bool,
        turns: Turns,
    ) -> None:
        super().__init__(sock, turns=turns, disabled_algorithms=disabled_algorithms(legacy=legacy))
        self.set_log_channel(_LOG_CHANNEL)
        self.local_version = "SSH-2.0-efact_bridge"
        for key in host_keys:
            self.add_server_key(key)
        self.address = address
        self.began = time.monotonic()
        self.session: Session | None = None
        self._access = access
        self._events = events
        self._legacy = legacy
        self._doorkeeper = Doorkeeper(self, access, mailboxes, events)
        self._counted_out = False
        self._offered: dict[Kind, tuple[str, ...]] = {}
        self._agreed: dict[str, str] = {}

    def begin(self) -> None:
        """Have its first turn."""
        self.start_server(event=threading.Event(), server=self._doorkeeper)

    def keep_house(self) -> None:
        """Take over new channels and forget those that are closed."""
        self._doorkeeper.keep_house(self)

    def run(self) -> None:
        """Serve until the client has gone; it counts no longer from that moment on."""
        try:
            super().run()
        finally:
            self._count_out()

    def end(self) -> None:
        """Close it and let its uploads be cut off; safe to repeat."""
        self.hang_up()
        self.end_turns()
        self._count_out()
        self._let_go()

    def _count_out(self) -> None:
        if self._counted_out:
            return
        self._counted_out = True
        if self.session is not None:
            self._access.leave(self.session)
            tell(self._events.logged_out, self.session)
        else:
            self._doorkeeper.count_unsigned_key()

    def _let_go(self) -> None:
        """Drop what refers back to this connection, so that its memory is free at once.

        Python finds such circles only now and then; until then those of some hundred connections
        lie scattered over the memory, and leave gaps there that are not filled again.
        """
        self.detach()
        self.auth_handler = None
        vars(self).pop("_doorkeeper", None)

    def _auth_trigger(self) -> None:
        """Count the session in; paramiko calls this when a login is complete."""
        session = self._doorkeeper.accepted
        assert session is not None
        if self._access.enter(session):
            self.session = session
            self.packetizer.trust()
            self._doorkeeper.logged_in()
            tell(self._events.logged_in, session)
            super()._auth_trigger()  # type: ignore[misc]
        else:
            self._doorkeeper.refuse(session.user, Reason.SESSIONS)
            self.close()

    def _parse_kex_init(self, m: paramiko.Message) -> None:
        """Agree on algorithms; where that fails, say what was offered and what would help."""
        offer = paramiko.Message(m.asbytes())
        try:
            super()._parse_kex_init(m)  # type: ignore[misc]
        except paramiko.ssh_exception.IncompatiblePeer as error:
            self.explain(str(error), self._read_offer(offer))
            raise
        if not self._offered:  # new keys in a long session change nothing
            self._offered = self._read_offer(offer)
            self._agreed = self._agreement(self._offered[Kind.KEY_EXCHANGE])

    def _parse_newkeys(self, m: paramiko.Message) -> None:
        """Go on encrypted; logins are handled by a class of ours."""
        if self.auth_handler is None:
            self.auth_handler = Logins(self, self._doorkeeper)
        super()._parse_newkeys(m)

    def _get_modulus_pack(self) -> Moduli | None:
        """Return the primes for group exchange; paramiko asks for them."""
        primes = super()._get_modulus_pack()  # type: ignore[misc]
        return None if primes is None else Moduli(primes)

    def _read_offer(self, message: paramiko.Message) -> dict[Kind, tuple[str, ...]]:
        """Return a client's offer, without what only signals that it knows an extension.

        Of a list that is longer than any real one only the beginning is kept.
        """
        lists = self._really_parse_kex_init(message)  # type: ignore[attr-defined]
        exchange = [name for name in lists["kex_algo_list"] if not name.startswith(_SIGNALS)]
        return {
            Kind.KEY_EXCHANGE: tuple(exchange[:MOST_NAMES]),
            Kind.HOST_KEY: tuple(lists["server_key_algo_list"][:MOST_NAMES]),
            Kind.CIPHER: tuple(lists["client_encrypt_algo_list"][:MOST_NAMES]),
            Kind.MAC: tuple(lists["client_mac_algo_list"][:MOST_NAMES]),
        }

    def _agreement(self, exchanges: tuple[str, ...]) -> dict[str, str]:
        chosen: Any = self  # paramiko's types do not know these
        mine = chosen.preferred_kex
        return {
            "key_exchange": next((name for name in exchanges if name in mine), ""),
            "host_key": chosen.host_key_type,
            "cipher": chosen.remote_cipher,
            "mac": chosen.remote_mac,
            "strict_key_exchange": "yes" if chosen.agreed_on_strict_kex else "no",
        }

    def program(self, login: str) -> Program:
        """Return what the client is, given how it logged in."""
        return Program(
            name=self.remote_version,
            offered={kind.value: names for kind, names in self._offered.items()},
            agreed=self._agreed | {LOGIN: login},
        )

    def explain(self, problem: str, offered: Mapping[Kind, tuple[str, ...]]) -> None:
        """Log that the client cannot come in with what it offers, and what would help."""
        log.warning(
            "no algorithm in common with an SFTP client",
            address=self.address,
            client=short(self.remote_version),
            problem=problem,
            helps=advice(offered, legacy=self._legacy),
            **{kind.value: short_list(names) for kind, names in offered.items()},
        )
