"""Bans that are lifted by hand: the command `unban` writes it down, a `serve` that runs hears it.

What says so is an event of each account that the ban concerns, so it stays on record who was let
in again, and when.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.errors import LedgerError
from bridge.facade.access import origin_of, plain_address
from bridge.facade.bans import Bans
from bridge.ledger import Ledger, events, visitors
from bridge.ledger.visitors import BanRow

INTERVAL = 0.5
"""Seconds between two looks at whether a ban was lifted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifted:
    """What became of a wish to lift bans."""

    lifted: tuple[str, ...]
    unknown: tuple[str, ...]
    """Subjects that were wanted and are not banned."""
    left: tuple[BanRow, ...]
    """Who is banned still."""


def subject_of(who: str) -> str:
    """Return what a ban of a user, an address or an IPv6 network is kept under."""
    try:
        return f"address {origin_of(plain_address(who.removesuffix('/64')))}"
    except ValueError:
        return f"user {who}"


def lift(
    ledger: Ledger, users: Mapping[str, str], wanted: Iterable[str] | None, *, now: datetime
) -> Lifted:
    """Lift the bans of these subjects, or all.

    `users` has the account of each user; what concerns none of them is told in all accounts.
    """
    with ledger.write() as connection:
        banned = visitors.bans(connection, now=now)
        subjects = list(banned) if wanted is None else list(dict.fromkeys(wanted))
        lifted = [subject for subject in subjects if subject in banned]
        visitors.lift_bans(connection, lifted)
        for subject in lifted:
            kind, _, name = subject.partition(" ")
            mine = users.get(name) if kind == "user" else None
            for account in [mine] if mine else dict.fromkeys(users.values()):
                also = {kind: name}
                events.record(connection, account, visitors.BAN_LIFTED, at=now, also=also)
        left = [BanRow(subject=it, until=banned[it]) for it in banned if it not in lifted]
    unknown = tuple(subject for subject in subjects if subject not in banned)
    return Lifted(lifted=tuple(lifted), unknown=unknown, left=tuple(left))


class Unbanning:
    """Lets those in again at the doors of this process whose ban was lifted."""

    def __init__(self, ledger: Ledger, bans: Bans) -> None:
        self._ledger = ledger
        self._bans = bans
        with ledger.read() as connection:
            self._heard = events.newest(connection)

    def run(self, stop: threading.Event) -> None:
        """Listen until told to stop."""
        while not stop.wait(INTERVAL):
            if self._bans.any():
                self._hear()

    def _hear(self) -> None:
        try:
            with self._ledger.read() as connection:
                newest = events.newest(connection)
                subjects = visitors.lifted_bans(connection, after=self._heard, through=newest)
        except LedgerError:  # the rounds say so
            return
        self._heard = newest
        self._bans.lift(*subjects)


def still_banned(left: Sequence[BanRow]) -> str:
    """Say who is banned still; empty where nobody is."""
    return ", ".join(f"{row.subject} until {row.until.astimezone():%H:%M}" for row in left)
