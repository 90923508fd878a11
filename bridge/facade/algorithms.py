"""Which algorithms the SFTP door offers, and what a client would need that offers others.

Three lots: what is safe today, what clients of some fifteen years ago need (`legacy_algorithms`),
and what is never offered. paramiko 5 has dropped part of the second (all that signs or exchanges
keys with SHA-1); what it dropped is written down here, so that an older one can tell beforehand.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

import paramiko
from paramiko.primes import ModulusPack


class Kind(StrEnum):
    """What both sides must agree on, each by itself."""

    KEY_EXCHANGE = "key_exchange"
    HOST_KEY = "host_keys"
    CIPHER = "ciphers"
    MAC = "macs"
    USER_KEY = "user_keys"
    """Only where a client logs in with a key."""


Offer = Mapping[str, Iterable[str]] | Mapping[Kind, Iterable[str]]
"""Names of algorithms by their kind."""

LOGIN = "login"
"""What a program's `agreed` calls the way to log in: `password`, or the key's algorithm."""

OLD: Mapping[Kind, frozenset[str]] = {
    Kind.KEY_EXCHANGE: frozenset(
        {"diffie-hellman-group14-sha1", "diffie-hellman-group-exchange-sha1"}
    ),
    Kind.HOST_KEY: frozenset({"ssh-rsa"}),
    Kind.USER_KEY: frozenset({"ssh-rsa"}),
    Kind.CIPHER: frozenset({"aes128-cbc", "aes192-cbc", "aes256-cbc"}),
    Kind.MAC: frozenset({"hmac-sha1"}),
}
"""What `legacy_algorithms` turns on."""

_NEVER = ("group1-sha1", "ssh-dss", "3des-cbc", "blowfish-cbc", "arcfour", "arcfour128",
          "arcfour256", "hmac-md5", "hmac-md5-96", "hmac-sha1-96",
          "group16-sha512")  # fmt: skip
"""How the names of those end that are broken, or so weak that no setting turns them on.

The last is neither: paramiko reckons it in Python, which stands still meanwhile, so that a
stranger could stop the whole bridge with some twenty connections a second. Whoever knows it knows
elliptic curves too.
"""

DROPPED: Mapping[Kind, frozenset[str]] = {
    kind: OLD[kind] for kind in (Kind.KEY_EXCHANGE, Kind.HOST_KEY, Kind.USER_KEY)
}
"""What paramiko 4 still has and paramiko 5 has not."""

DROPPED_IN = "5"
EXTRA = 'the extra legacy-ssh (pip install "efact-bridge[legacy-ssh]")'

_PREFERRED: Mapping[Kind, str] = {
    Kind.KEY_EXCHANGE: "kex",
    Kind.HOST_KEY: "keys",
    Kind.USER_KEY: "pubkeys",
    Kind.CIPHER: "ciphers",
    Kind.MAC: "macs",
}
"""paramiko's names for the kinds."""

_NO_HOST_KEY = frozenset({"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"})
"""We have no host key of these kinds (see `hostkeys`)."""


def disabled_algorithms(*, legacy: bool) -> dict[str, list[str]]:
    """Return the algorithms to switch off, by paramiko's names for their kinds."""
    return {
        _PREFERRED[kind]: [name for name in _installed(kind) if not _may(kind, name, legacy)]
        for kind in Kind
    }


def door_offers(*, legacy: bool) -> dict[Kind, frozenset[str]]:
    """Return what the door offers with the paramiko that is installed."""
    offer = {
        kind: frozenset(name for name in _installed(kind) if _may(kind, name, legacy))
        for kind in Kind
    }
    offer[Kind.HOST_KEY] -= _NO_HOST_KEY
    if paramiko.Transport._modulus_pack is None:  # type: ignore[attr-defined]
        offer[Kind.KEY_EXCHANGE] -= {
            name for name in offer[Kind.KEY_EXCHANGE] if "group-exchange" in name
        }
    return offer


def after_upgrade(*, legacy: bool) -> dict[Kind, frozenset[str]]:
    """Return what the door would offer with a paramiko that has dropped what 5 has dropped."""
    offer = door_offers(legacy=legacy)
    return {kind: offer[kind] - DROPPED.get(kind, frozenset()) for kind in Kind}


def legacy_algorithms_available() -> bool:
    """Tell whether the installed paramiko still has the SHA-1 algorithms of old clients."""
    return "ssh-rsa" in _installed(Kind.HOST_KEY)


def lacking(client: Offer, door: Mapping[Kind, frozenset[str]]) -> list[Kind]:
    """Return the kinds for which a client offered nothing that the door has."""
    return [kind for kind in Kind if kind in client and door[kind].isdisjoint(client[kind])]


def offer_of(offered: Offer, login: str) -> dict[str, Iterable[str]]:
    """Return what a client can do: what it offered, and the key that it logged in with."""
    known = {str(kind): names for kind, names in offered.items()}
    return known if login in ("", "password") else known | {Kind.USER_KEY: [login]}


def advice(client: Offer, *, legacy: bool) -> str:
    """Return what would let a client in that offered these algorithms."""
    if not legacy and not lacking(client, door_offers(legacy=True)):
        return "legacy_algorithms = true in [sftp] lets it in"
    offer = door_offers(legacy=True)
    older = {kind: offer[kind] | DROPPED.get(kind, frozenset()) for kind in Kind}
    if not legacy_algorithms_available() and not lacking(client, older):
        also = "" if legacy else " and legacy_algorithms = true in [sftp]"
        return f"{EXTRA}{also} lets it in; so does {OTHER_ROADS}"
    return f"no setting lets it in: use {OTHER_ROADS}"


OTHER_ROADS = (
    "a newer client, the FTP door on loopback or a VPN, or OpenSSH in front of the mailbox folders"
)


MOST_BITS = 2048
"""Of a prime for group exchange, which is reckoned in Python as well (see `_NEVER`): with the 8192
bits that OpenSSH's client asks for, everything would stand still for two seconds."""


class Moduli:
    """The primes that there are for group exchange, none of them longer than that."""

    def __init__(self, primes: ModulusPack) -> None:
        self._primes = primes

    def get_modulus(self, least: int, preferred: int, most: int) -> tuple[int, int]:
        """Return generator and prime; SSHException for a client that is content with none."""
        if least > MOST_BITS:
            raise paramiko.SSHException(f"the client wants primes of {least} bits")
        preferred, most = min(preferred, MOST_BITS), min(most, MOST_BITS)
        return self._primes.get_modulus(least, preferred, most)


def load_moduli() -> bool:
    """Have group exchange offered, where the system has primes for it (OpenSSH's `moduli`)."""
    return paramiko.Transport.load_server_moduli()


def _may(kind: Kind, name: str, legacy: bool) -> bool:
    return not name.endswith(_NEVER) and (legacy or name not in OLD[kind])


def _installed(kind: Kind) -> tuple[str, ...]:
    names: tuple[str, ...] = getattr(paramiko.Transport, f"_preferred_{_PREFERRED[kind]}")
    return names
