"""Which clients a change would shut out: asked before somebody makes it.

The ledger knows with what each user's program came, and what it offered; here that is held against
what the doors would offer after the change.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bridge.facade import algorithms
from bridge.facade.algorithms import DROPPED_IN, LOGIN, Kind, offer_of
from bridge.ledger.visitors import ClientRow
from bridge.settings import Settings

WORDS: Mapping[Kind, str] = {
    Kind.KEY_EXCHANGE: "key exchange",
    Kind.HOST_KEY: "host key",
    Kind.CIPHER: "cipher",
    Kind.MAC: "MAC",
    Kind.USER_KEY: "signature of the user's key",
}


@dataclass(frozen=True, slots=True)
class Change:
    """Something that may be changed, and whom that would shut out, in words."""

    what: str
    lost: tuple[str, ...]


def changes(settings: Settings, clients: Sequence[ClientRow]) -> Iterator[Change]:
    """Return the changes that deserve a look beforehand, with these clients."""
    sftp = [row for row in clients if row.protocol == "sftp"]
    ftp = [row for row in clients if row.protocol == "ftp"]
    legacy = settings.sftp.legacy_algorithms
    if settings.sftp.enabled and legacy:
        after = algorithms.door_offers(legacy=False)
        yield Change("turning legacy_algorithms off", _lost(sftp, lambda row: _lacks(row, after)))
    if settings.sftp.enabled and algorithms.legacy_algorithms_available():
        after = algorithms.after_upgrade(legacy=legacy)
        what = f"an upgrade of paramiko to version {DROPPED_IN}"
        yield Change(what, _lost(sftp, lambda row: _lacks(row, after)))
    if settings.ftp.enabled and settings.ftp.tls == "optional":
        yield Change('tls = "required" in [ftp]', _lost(ftp, _comes_without_tls))
    if settings.ftp.enabled and settings.ftp.tls != "off" and settings.ftp.old_tls:
        yield Change('min_tls = "1.2" in [ftp]', _lost(ftp, _comes_with_old_tls))


def _lost(rows: Iterable[ClientRow], why: Callable[[ClientRow], str]) -> tuple[str, ...]:
    return tuple(
        f"{row.user} with {_name(row)} ({reason}), last on {row.last_at.astimezone():%Y-%m-%d}"
        for row in rows
        if (reason := why(row))
    )


def _name(row: ClientRow) -> str:
    return str(row.program.get("name") or f"an {row.protocol.upper()} client")


def _lacks(row: ClientRow, door: Mapping[Kind, frozenset[str]]) -> str:
    program: Any = row.program
    offer = offer_of(program["offered"], program["agreed"].get(LOGIN, ""))
    return ", ".join(WORDS[kind] for kind in algorithms.lacking(offer, door))


def _tls(row: ClientRow) -> str:
    program: Any = row.program
    return str(program["agreed"].get("tls", ""))


def _comes_without_tls(row: ClientRow) -> str:
    return "without TLS" if _tls(row) == "none" else ""


def _comes_with_old_tls(row: ClientRow) -> str:
    return _tls(row) if _tls(row) in {"TLSv1", "TLSv1.1"} else ""
