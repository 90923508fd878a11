"""Who may come in: one set of login rules for both doors.

A user belongs to one account. A password is checked against its argon2 hash, a public key against
the user's `authorized_keys`; the address must be in `allow_from`. An unknown user costs as much
time as a wrong password. Failures lead to bans (see `bans`), by address and by user; a user's
name is only banned by failures from addresses that the user may come from, so that a stranger
elsewhere cannot lock anyone out.
"""

import base64
import ipaddress
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from bridge.facade.bans import Bans
from bridge.facade.events import Session
from bridge.facade.passwords import Passwords
from bridge.settings import AccountSettings, LoginSettings, UserSettings

MOST_SESSIONS = 200
"""Sessions at one time, of all users and both doors together."""

MOST_STRANGERS = 100
"""Connections of one origin to a door that have not logged in: others must get in, too."""

_IPV6_NETWORK = 64
"""Bits of an IPv6 address that tell one subscriber from another."""


class Reason(StrEnum):
    """Why a login was refused. The client is never told."""

    BANNED = "too many failed logins: banned for a while"
    UNKNOWN_USER = "unknown user"
    ADDRESS = "the user may not come from this address (allow_from)"
    PASSWORD = "wrong password"  # noqa: S105  (a reason, not a password)
    KEY = "none of the user's authorized_keys"
    KEY_ALGORITHM = "the key's algorithm is too old for the door"
    SESSIONS = "too many sessions at once"


@dataclass(frozen=True, slots=True)
class Refused:
    """A login that was refused."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class _User:
    account: str
    settings: UserSettings
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
    keys: frozenset[bytes]


class Access:
    """Decides on logins and counts sessions; every method may be called from any thread."""

    def __init__(
        self,
        accounts: Iterable[AccountSettings],
        login: LoginSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        bans: Bans | None = None,
    ) -> None:
        """`bans`: the memory of failed logins; an empty one if none is given."""
        self.login = login
        self._users = {
            user.name: _user(account.name, user) for account in accounts for user in account.user
        }
        self._clock = clock
        self._bans = bans or Bans(login, clock=clock)
        self._lock = threading.Lock()
        self._sessions: Counter[str] = Counter()
        self._by_address: Counter[str] = Counter()
        hashes = [user.settings.password_hash for user in self._users.values()]
        self._passwords = Passwords(clock, like=next(filter(None, hashes), None))

    def with_password(
        self, user: str, password: bytes, *, address: str, protocol: str
    ) -> Session | Refused:
        """Decide on a login by password; a failure is counted."""
        address = plain_address(address)
        if refused := self._barred(user, address):
            return refused
        known = self._users.get(user)
        expected = known.settings.password_hash if known else ""
        right = self._passwords.match(
            user,
            expected,
            password,
            protocol=protocol,
            give_up=lambda: self._barred(user, address) is not None,
        )
        # Others were judged meanwhile: a ban that fell counts for those that waited, too.
        if refused := self._barred(user, address):
            return refused
        if known and right and self._welcome(known, address):
            return Session(user=user, account=known.account, address=address, protocol=protocol)
        self._bans.failed(*self._subjects(user, address))
        return Refused(self._why(known, address, Reason.PASSWORD))

    def is_quick(self, user: str, password: bytes, *, address: str) -> bool:
        """Tell whether a decision on a password takes no time: it is known, or barred anyway."""
        if self._barred(user, plain_address(address)):
            return True
        known = self._users.get(user)
        return known is not None and self._passwords.remembers(
            user, known.settings.password_hash, password
        )

    def with_key(
        self, user: str, blob: bytes, *, address: str, protocol: str, count: bool = True
    ) -> Session | Refused:
        """Decide whether a public key (its SSH wire form) may log in.

        The caller still has to check the signature. With `count=False` a failure is not counted:
        clients offer all the keys that they have, one after the other.
        """
        address = plain_address(address)
        if refused := self._barred(user, address):
            return refused
        known = self._users.get(user)
        if known and blob in known.keys and self._welcome(known, address):
            return Session(user=user, account=known.account, address=address, protocol=protocol)
        if count:
            self._bans.failed(*self._subjects(user, address))
        return Refused(self._why(known, address, Reason.KEY))

    def failed(self, user: str, *, address: str) -> None:
        """Count a failure that only the caller could see, such as a bad signature."""
        self._bans.failed(*self._subjects(user, plain_address(address)))

    def forgive(self, user: str, *, address: str) -> None:
        """Take back one counted failure: the same connection logged in after all."""
        self._bans.forgive(*self._subjects(user, plain_address(address)))

    def enter(self, session: Session) -> bool:
        """Count a session in; False (and not counted) when there are too many."""
        with self._lock:
            too_many = (
                self._sessions[session.user] >= self.login.max_sessions
                or self._by_address[session.address] >= self.login.max_sessions_per_address
                or self._sessions.total() >= MOST_SESSIONS
            )
            if not too_many:
                self._sessions[session.user] += 1
                self._by_address[session.address] += 1
            return not too_many

    def leave(self, session: Session) -> None:
        """Count a session out that `enter` let in."""
        with self._lock:
            self._sessions[session.user] -= 1
            self._by_address[session.address] -= 1
            self._by_address += Counter()  # forgets those that are not here any more

    def is_banned(self, address: str) -> bool:
        """Tell whether an address is banned: it need not be asked who it is."""
        return self._bans.banned(_address_subject(plain_address(address)))

    def _barred(self, user: str, address: str) -> Refused | None:
        banned = self._bans.banned(*self._subjects(user, address))
        return Refused(Reason.BANNED) if banned else None

    def _subjects(self, user: str, address: str) -> list[str]:
        known = self._users.get(user)
        subjects = [_address_subject(address)]
        if known and self._welcome(known, address):
            subjects.append(f"user {user}")
        return subjects

    @staticmethod
    def _welcome(known: _User, address: str) -> bool:
        ip = ipaddress.ip_address(address)
        return any(ip in network for network in known.networks)

    def _why(self, known: _User | None, address: str, otherwise: Reason) -> Reason:
        if known is None:
            return Reason.UNKNOWN_USER
        return otherwise if self._welcome(known, address) else Reason.ADDRESS


def plain_address(address: str) -> str:
    """Return an IP address in one form: an IPv4 address that came over IPv6 as IPv4."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return str(mapped or ip)


def origin_of(address: str) -> str:
    """Return whom an address stands for: of IPv6, a whole network has one owner."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address) and not ip.is_loopback:
        return str(ipaddress.ip_network((ip, _IPV6_NETWORK), strict=False))
    return str(ip)


def _address_subject(address: str) -> str:
    """Return what failures from an address count for."""
    return f"address {origin_of(address)}"


def _user(account: str, user: UserSettings) -> _User:
    return _User(
        account=account,
        settings=user,
        networks=tuple(ipaddress.ip_network(text, strict=False) for text in user.allow_from),
        keys=frozenset(map(public_key, user.authorized_keys)),
    )


def public_key(line: str) -> bytes:
    """Return the wire form of a line of an authorized_keys file, as the settings let it through."""
    return base64.b64decode(line.split()[1])
