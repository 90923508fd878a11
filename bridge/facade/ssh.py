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
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_FAILED_RESOURCE_SHORTAGE,
    OPEN_SUCCEEDED,
)

from bridge.facade.access import Access, Reason, Refused
from bridge.facade.events import DoorEvents, Session, printable, tell
from bridge.facade.folders import DoorMailbox
from bridge.facade.sftp_server import SftpServer
from bridge.facade.ssh_transport import SshTransport
from bridge.facade.tree import Visit

log = structlog.get_logger()

_MOST_CHANNELS = 10
"""Channels open at one time on one connection; OpenSSH's number of sessions."""

_MOST_TRIES = 6
"""Failed tries to log in on one connection; OpenSSH's number."""

_OLD_ENDINGS: Mapping[str, tuple[str, ...]] = {
    "kex": ("sha1",),
    "keys": ("ssh-rsa", "ssh-dss"),
    "pubkeys": ("ssh-rsa", "ssh-dss"),
    "ciphers": ("-cbc", "arcfour", "arcfour128", "arcfour256"),
    "macs": ("hmac-sha1", "hmac-sha1-96", "hmac-md5", "hmac-md5-96"),
}
"""How the names of algorithms end that only clients of long ago need."""

# paramiko logs every broken handshake with a traceback; what matters is logged here.
_LOG_CHANNEL = "efact-bridge.ssh"
logging.getLogger(_LOG_CHANNEL).addHandler(logging.NullHandler())
logging.getLogger(_LOG_CHANNEL).propagate = False


def legacy_algorithms_available() -> bool:
    """Tell whether the installed paramiko still has the SHA-1 algorithms of old clients."""
    return "ssh-rsa" in _preferred("keys")


def disabled_algorithms(*, legacy: bool) -> dict[str, list[str]]:
    """Return the algorithms to switch off, by paramiko's names for their kinds."""
    if legacy:
        return {}
    return {
        kind: [name for name in _preferred(kind) if name.endswith(endings)]
        for kind, endings in _OLD_ENDINGS.items()
    }


def _preferred(kind: str) -> tuple[str, ...]:
    names: tuple[str, ...] = getattr(paramiko.Transport, f"_preferred_{kind}")
    return names


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
    ) -> None:
        super().__init__(sock, disabled_algorithms=disabled_algorithms(legacy=legacy))
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
        self._ended = False

    def begin(self) -> None:
        """Start the connection's thread."""
        self.start_server(event=threading.Event(), server=self._doorkeeper)

    @property
    def over(self) -> bool:
        """Whether the client has gone."""
        return not self.is_active()

    def keep_house(self) -> None:
        """Take over new channels and forget those that are closed."""
        self._doorkeeper.keep_house(self)

    def end(self) -> None:
        """Close it, wait shortly for its uploads to be cut off, count it out; safe to repeat."""
        self.close()
        self.sock.close()
        if self.ident is not None:  # it was started
            self.join(timeout=5)
        if self._ended:
            return
        self._ended = True
        if self.session is not None:
            self._access.leave(self.session)
            tell(self._events.logged_out, self.session)
        else:
            self._doorkeeper.count_unsigned_key()

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
            self._explain(self._really_parse_kex_init(offer), error)  # type: ignore[attr-defined]
            raise

    def _explain(self, offer: dict[str, Any], error: Exception) -> None:
        helps = "a newer client, or the FTP door on loopback or a VPN"
        if not self._legacy and legacy_algorithms_available():
            helps = "legacy_algorithms = true in [sftp]"
        elif not legacy_algorithms_available():
            helps = f'legacy_algorithms = true with the extra "legacy-ssh"; else {helps}'
        log.warning(
            "no algorithm in common with an SFTP client",
            address=self.address,
            client=printable(self.remote_version),
            problem=str(error),
            key_exchange=offer["kex_algo_list"],
            host_keys=offer["server_key_algo_list"],
            ciphers=offer["client_encrypt_algo_list"],
            macs=offer["client_mac_algo_list"],
            helps=helps,
        )


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
        self.accepted: Session | None = None
        """Whom the last password or key would let in."""

    # Login

    def get_allowed_auths(self, username: str) -> str:
        """Return the ways to log in, the same for everyone."""
        return "publickey,password"

    def check_auth_password(self, username: str, password: str | bytes) -> int:
        """Decide on a password."""
        raw = password.encode("utf-8") if isinstance(password, str) else password
        address = self._connection.address
        return self._decide(
            username,
            self._access.with_password(username, raw, address=address, protocol="sftp"),
        )

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        """Decide on a key; of the wrong ones on a connection only the first counts."""
        decision = self._access.with_key(
            username,
            key.asbytes(),
            address=self._connection.address,
            protocol="sftp",
            count=not self._key_failed,
        )
        if isinstance(decision, Refused):
            self._key_failed = username
        return self._decide(username, decision)

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

    def _decide(self, user: str, decision: Session | Refused) -> int:
        if isinstance(decision, Session):
            self.accepted = decision
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
        visit = Visit(self._mailboxes[session.account], session, self._events)
        self._connection.serve_sftp(channel, SftpServer(visit))
        return True

    def keep_house(self, connection: Connection) -> None:
        """Hold the channels that are open (paramiko does not), let go of the others."""
        while (channel := connection.accept(0)) is not None:
            self._channels.append(channel)
        self._channels = [channel for channel in self._channels if not channel.closed]
