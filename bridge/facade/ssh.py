"""One SSH connection to the SFTP door: its algorithms, its login, and nothing but SFTP.

No shell, exec, forwarding, agent or X11. A session is counted in when the login is complete
(for a key: after its signature was verified) and out when the connection ends.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import paramiko
import structlog
from paramiko.auth_handler import AuthHandler
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_FAILED_RESOURCE_SHORTAGE,
    OPEN_SUCCEEDED,
)

from bridge.facade.access import Access, Reason, Refused
from bridge.facade.algorithms import LOGIN, Kind, Moduli, advice, disabled_algorithms
from bridge.facade.clients import Program, short, short_list
from bridge.facade.events import DoorEvents, Session, printable, tell
from bridge.facade.folders import DoorMailbox
from bridge.facade.sftp_server import SftpServer
from bridge.facade.ssh_transport import SshTransport
from bridge.facade.tree import Visit
from bridge.facade.turns import Slow, Turns

log = structlog.get_logger()

_T = TypeVar("_T")

_MOST_CHANNELS = 10
"""Channels open at one time on one connection; OpenSSH's number of sessions."""

_MOST_TRIES = 6
"""Failed tries to log in on one connection; OpenSSH's number."""

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
            self.auth_handler = _Logins(self, self._doorkeeper)
        super()._parse_newkeys(m)

    def _get_modulus_pack(self) -> Moduli | None:
        """Return the primes for group exchange; paramiko asks for them."""
        primes = super()._get_modulus_pack()  # type: ignore[misc]
        return None if primes is None else Moduli(primes)

    def _read_offer(self, message: paramiko.Message) -> dict[Kind, tuple[str, ...]]:
        """Return a client's offer, without what only signals that it knows an extension."""
        lists = self._really_parse_kex_init(message)  # type: ignore[attr-defined]
        exchange = [name for name in lists["kex_algo_list"] if not name.startswith(_SIGNALS)]
        return {
            Kind.KEY_EXCHANGE: tuple(exchange),
            Kind.HOST_KEY: tuple(lists["server_key_algo_list"]),
            Kind.CIPHER: tuple(lists["client_encrypt_algo_list"]),
            Kind.MAC: tuple(lists["client_mac_algo_list"]),
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


class _UnusableKey(paramiko.PKey):
    """A key whose algorithm the door does not take: it is refused, and others may follow."""

    def __init__(self, algorithm: str, blob: bytes) -> None:
        super().__init__()
        self.algorithm = algorithm
        self._blob = blob

    def asbytes(self) -> bytes:
        """Return the key as it came."""
        return self._blob

    def verify_ssh_sig(self, data: bytes, msg: paramiko.Message) -> bool:
        """Say no."""
        return False


class _Logins(AuthHandler):
    """paramiko's, but for a key of an unknown kind: paramiko would end the connection."""

    def __init__(self, connection: Connection, doorkeeper: "Doorkeeper") -> None:
        super().__init__(connection)
        self._doorkeeper = doorkeeper

    def _generate_key_from_request(self, algorithm: str, keyblob: bytes) -> paramiko.PKey:
        self._doorkeeper.key_algorithm = printable(algorithm)
        try:
            key = super()._generate_key_from_request(algorithm, keyblob)  # type: ignore[misc]
        except Exception:  # whatever the bytes of a stranger lead to
            key = None
        return _UnusableKey(printable(algorithm), keyblob) if key is None else key


class Doorkeeper(paramiko.ServerInterface):
    """Decides on the logins and channels of one connection."""

    def __init__(
        self,
        connection: Connection,
        access: Access,
        mailboxes: Mapping[str, DoorMailbox],
        events: DoorEvents,
    ) -> None:
        self._connection = connection
        self._access = access
        self._mailboxes = mailboxes
        self._events = events
        self._channels: list[paramiko.Channel] = []
        self._tries = 0
        self._key_failed = ""
        self.key_algorithm = ""
        """Of the last key that the client showed."""
        self.accepted: Session | None = None
        """Whom the last password or key would let in."""

    # Login

    def get_allowed_auths(self, username: str) -> str:
        """Return the ways to log in, the same for everyone."""
        return "publickey,password"

    def check_auth_password(self, username: str, password: str | bytes) -> int:
        """Decide on a password."""
        raw = password.encode("utf-8") if isinstance(password, str) else password
        decide = partial(
            self._access.with_password,
            username,
            raw,
            address=self._connection.address,
            protocol="sftp",
        )
        if self._access.is_quick(username, raw, address=self._connection.address):
            decision = decide()  # it need not wait until strangers' passwords were looked at
        else:
            decision = self._connection.aside(Slow.LOGIN, decide)
        return self._decide(username, decision, login="password")

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        """Decide on a key; of the wrong ones on a connection only the first counts."""
        decision = self._access.with_key(
            username,
            key.asbytes(),
            address=self._connection.address,
            protocol="sftp",
            count=not self._key_failed,
        )
        if isinstance(key, _UnusableKey):
            decision = self._unusable(key, decision)
        if isinstance(decision, Refused):
            self._key_failed = username
        return self._decide(username, decision, login=self.key_algorithm)

    def _unusable(self, key: _UnusableKey, decision: Session | Refused) -> Refused:
        """Refuse a key for its algorithm; where it is the user's own, say what would help."""
        if isinstance(decision, Refused):
            return decision
        problem = f"the key of user {decision.user} is signed with {key.algorithm}"
        self._connection.explain(problem, {Kind.USER_KEY: (key.algorithm,)})
        return Refused(Reason.KEY_ALGORITHM)

    def logged_in(self) -> None:
        """Take back the failure that a wrong key counted: the client had a right one too."""
        if self._key_failed:
            self._access.forgive(self._key_failed, address=self._connection.address)

    def count_unsigned_key(self) -> None:
        """Count a failure when a known key was shown and never signed with."""
        if self.accepted is not None:
            self._access.failed(self.accepted.user, address=self._connection.address)

    def refuse(self, user: str, reason: Reason) -> None:
        """Tell of a refused login."""
        tell(
            self._events.refused,
            user=user,
            address=self._connection.address,
            protocol="sftp",
            reason=reason.value,
        )

    def _decide(self, user: str, decision: Session | Refused, *, login: str) -> int:
        if isinstance(decision, Session):
            self.accepted = replace(decision, program=self._connection.program(login))
            return AUTH_SUCCESSFUL
        self._tries += 1
        self.refuse(user, decision.reason)
        if decision.reason is Reason.BANNED or self._tries >= _MOST_TRIES:
            self._connection.close()
        return AUTH_FAILED

    # Channels

    def check_channel_request(self, kind: str, chanid: int) -> int:
        """Allow a few session channels, nothing else."""
        if kind != "session":
            return OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        self.keep_house(self._connection)
        full = len(self._channels) >= _MOST_CHANNELS
        return OPEN_FAILED_RESOURCE_SHORTAGE if full else OPEN_SUCCEEDED

    def check_channel_subsystem_request(self, channel: paramiko.Channel, name: str) -> bool:
        """Start SFTP on a channel."""
        session = self._connection.session
        if name != "sftp" or session is None or self._connection.serves_sftp(channel):
            return False
        visit = Visit(
            self._mailboxes[session.account],
            session,
            self._events,
            teller=self._connection.tell_later,
            aside=self._on_disk,
        )
        self._connection.serve_sftp(channel, SftpServer(visit))
        return True

    def _on_disk(self, work: Callable[[], _T], *, long: bool = False) -> _T:
        return self._connection.aside(Slow.LARGE if long else Slow.DISK, work)

    def keep_house(self, connection: Connection) -> None:
        """Hold the channels that are open (paramiko does not), let go of the others."""
        while (channel := connection.accept(0)) is not None:
            self._channels.append(channel)
        self._channels = [channel for channel in self._channels if not channel.closed]
