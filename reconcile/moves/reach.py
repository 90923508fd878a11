"""A hub or an old mailbox that a move cannot reach: what is said of it, and how far it has come."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from bridge.account import Account
from bridge.errors import (
    AccountError,
    BridgeError,
    HubAwayError,
    OldMailboxAwayError,
    OldMailboxUnwritableError,
)
from reconcile.moves import switching

OUT_OF_REACH = (AccountError, HubAwayError, OldMailboxAwayError)
"""What keeps a place from being asked: it does not let us in, or it is away."""


_PROMISE = re.compile(r"[:;] it is tried again$| it is tried again;")


def as_it_ends(error: BridgeError) -> str:
    """Return what is said of an error where a command ends: nothing is tried again by itself."""
    return _PROMISE.sub("", str(error))


def saying_more(error: BridgeError, more: str) -> BridgeError:
    """Return an error of the same kind that says more: who must act is still the same."""
    kind = next(kind for kind in OUT_OF_REACH if isinstance(error, kind))
    return kind(f"{as_it_ends(error)}; {more}")


@contextmanager
def telling_how_far(account: Account) -> Iterator[None]:
    """Say of what breaks a move off which feed serves now, and how the move goes on."""
    try:
        yield
    except OldMailboxUnwritableError:
        raise  # it says so itself, and what else to try
    except OUT_OF_REACH as error:
        last = switching.last_move(account)
        if last is None or not last.is_open:
            raise
        serve = account.feeds().serve or "no feed"
        raise saying_more(
            error,
            f"the {last.kind} has begun and not ended, {serve} serves now. Give the same command "
            "again: it goes on where it was",
        ) from error
