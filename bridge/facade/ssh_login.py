"""What a client may do on its SSH connection: log in, and open channels for SFTP.

The doorkeeper of a connection asks `access` who may come in, and lets nothing else be opened.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import paramiko
from paramiko.auth_handler import AuthHandler
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_FAILED_RESOURCE_SHORTAGE,
    OPEN_SUCCEEDED,
)

from bridge.facade.access import Access, Reason, Refused
from bridge.facade.algorithms import Kind
from bridge.facade.events import DoorEvents, Session, printable, tell
from bridge.facade.folders import DoorMailbox
from bridge.facade.sftp_server import SftpServer
from bridge.facade.tree import Visit
from bridge.facade.turns import Slow

if TYPE_CHECKING:
    from bridge.facade.ssh import Connection

_T = TypeVar("_T")

_MOST_CHANNELS = 10
"""Channels open at one time on one connection; OpenSSH's number of sessions."""

_MOST_TRIES = 6
"""Failed tries to log in on one connection; OpenSSH's number."""


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


class Logins(AuthHandler):
    """paramiko's, but for a key of an unknown kind: paramiko would end the connection."""

    def __init__(self, connection: "Connection", doorkeeper: "Doorkeeper") -> None:
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
        connection: "Connection",
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

    def keep_house(self, connection: "Connection") -> None:
        """Hold the channels that are open (paramiko does not), let go of the others."""
        while (channel := connection.accept(0)) is not None:
            self._channels.append(channel)
        self._channels = [channel for channel in self._channels if not channel.closed]
