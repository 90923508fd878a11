"""What breaks a move off, a place out of reach or this machine, and how far it has come then."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from bridge.account import Account
from bridge.errors import (
    AccountError,
    BridgeError,
    HubAwayError,
    LedgerError,
    OldMailboxAwayError,
    OldMailboxUnwritableError,
    StorageError,
)
from reconcile.moves import switching

OUT_OF_REACH = (AccountError, HubAwayError, OldMailboxAwayError)
"""What keeps a place from being asked: it does not let us in, or it is away."""


_BREAKS_OFF = (*OUT_OF_REACH, LedgerError, StorageError)

_PROMISE = re.compile(r"[:;] it is tried again$| it is tried again;|, the bridge goes on by itself")


def as_it_ends(error: BridgeError) -> str:
    """Return what is said of an error where a command ends: nothing is tried again by itself."""
    return _PROMISE.sub("", str(error))


def saying_more(error: BridgeError, more: str) -> BridgeError:
    """Return an error of the same kind that says more: who must act is still the same."""
    kind = next(kind for kind in _BREAKS_OFF if isinstance(error, kind))
    return kind(f"{as_it_ends(error)}; {more}")


@contextmanager
def telling_how_far(account: Account) -> Iterator[None]:
    """Say of what breaks a move off which feed serves now, and how the move goes on."""
    try:
        yield
    except OldMailboxUnwritableError:
        raise  # it says so itself, and what else to try
    except _BREAKS_OFF as error:
        how_far = _how_far(account)
        if how_far is None:
            raise
        raise saying_more(error, how_far) from error


def _how_far(account: Account) -> str | None:
    """Say that a move has begun and not ended; None where none has, or the ledger cannot tell."""
    with suppress(LedgerError):
        last = switching.last_move(account)
        if last is not None and last.is_open:
            return (
                f"the {last.kind} has begun and not ended, {account.feeds().serve or 'no feed'} "
                "serves now. Give the same command again: it goes on where it was"
            )
    return None
