"""One round of an account in each direction, with what it says about hub and account noted.

`pull` and `push` do one round and end; `serve` does them for ever. Both call these functions, so
that a round means the same to both.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from bridge.account import Account
from bridge.errors import (
    AccountError,
    BridgeError,
    HubAwayError,
    LedgerError,
    LocalError,
    OldMailboxAwayError,
)
from bridge.inbound import round as inbound
from bridge.inbound.preparing import prepare
from bridge.inbound.round import Inbound
from bridge.ledger import accounts, drift, spans
from bridge.legacy.inbound import legacy_round
from bridge.model import FeedName
from bridge.outbound import round as outbound
from bridge.outbound.sending import Sent
from bridge.outbound.taking import arriving, has_settled

log = structlog.get_logger()

LEAST_PATIENCE = 10
"""Seconds that `push` waits at least for a file that does not settle."""

TURN = 30
"""Seconds in which `serve` begins new acknowledgements, or new updates, before the others get
their turn: many of one kind, on a slow hub, must not hold up the other."""


def pull_round(flow: Inbound, *, only_due: bool) -> inbound.Round:
    """List, fetch, place and acknowledge until the hub's list shows nothing new.

    Raises what ends a round: the hub is away, the account is not let in, this machine cannot.
    """
    account = flow.account
    serve = account.feeds().serve
    if serve is FeedName.LEGACY:
        return _legacy_round(account, only_due=only_due)
    if serve is None:
        return inbound.Round()
    with _noted(account), _listing_noted(account, serve):
        total = flow.round(only_due=only_due)
        patience = TURN if only_due else None
        while outbound.acknowledge_round(account, patience=patience) and total.capped_slices:
            total += flow.round(only_due=True)
    _note_hub(account, reachable=True)
    with account.ledger.write() as connection:
        accounts.note_trouble(connection, account.name, None, at=account.clock())
    return total


def _legacy_round(account: Account, *, only_due: bool) -> inbound.Round:
    with _noted(account), _listing_noted(account, FeedName.LEGACY):
        done = legacy_round(account, only_due=only_due)
    with account.ledger.write() as connection:
        accounts.note_trouble(connection, account.name, None, at=account.clock())
    return done


def push_round(account: Account, *, only_due: bool, talk: bool = True) -> outbound.Round:
    """Take in what the RCF dropped, send what is due, answer what was refused.

    With `talk=False` the hub is left in peace. Raises as `pull_round`.
    """
    with _noted(account):
        done = outbound.outbound_round(account, only_due=only_due, talk=talk)
    _note_told(account, done.acknowledged, done.sent)
    return done


def hub_round(account: Account) -> int:
    """Tell the hub what is due, for `TURN` seconds of each kind; return how many it refused.

    Raises as `pull_round`.
    """
    with _noted(account):
        prepare(account)  # a mailbox that is gone stops all of the account
        told = outbound.hub_round(account, only_due=True, patience=TURN)
    _note_told(account, told.acknowledged, told.sent)
    return told.sent.refused


def wait_until_settled(account: Account) -> int:
    """Wait until the state files that lie in `statin` now have settled or gone.

    Gives up after ten times `settle`, at least 10 s; returns how many are left for the next round.
    """
    settle = account.settings.push.settle
    names = arriving(account)
    deadline = time.monotonic() + max(LEAST_PATIENCE, 10 * settle)
    while True:
        moving = [
            file
            for file in account.mailbox.statin.dropped()
            if file.name in names and not has_settled(account, file)
        ]
        if not moving or time.monotonic() >= deadline:
            return len(moving)
        time.sleep(0.05)


@contextmanager
def _noted(account: Account) -> Iterator[None]:
    """Write down that the hub is away, or what else keeps the account from going on."""
    try:
        try:
            yield
        finally:
            _note_drift(account)
    except HubAwayError:
        _note_hub(account, reachable=False)
        raise
    except OldMailboxAwayError as error:
        with account.ledger.write() as connection:
            now = account.clock()
            spans.note_failure(connection, account.name, FeedName.LEGACY, said=str(error), at=now)
        raise
    except LedgerError:
        raise  # nothing can be written down
    except (AccountError, LocalError) as error:
        with account.ledger.write() as connection:
            accounts.note_trouble(connection, account.name, str(error), at=account.clock())
            accounts.note_clock(connection, account.name, account.hub.clock_offset)
        raise


@contextmanager
def _listing_noted(account: Account, feed: FeedName) -> Iterator[None]:
    """Write down why the serving feed was not listed: what failed makes no gap by itself."""
    try:
        yield
    except LedgerError:
        raise
    except BridgeError as error:
        with account.ledger.write() as connection:
            now = account.clock()
            spans.note_failure(connection, account.name, feed, said=str(error), at=now)
        raise


def _note_drift(account: Account) -> None:
    """Write down what the hub answered beside its contract; say what was not met before."""
    met = account.hub.take_drift()
    if not met:
        return
    with account.ledger.write() as connection:
        new = drift.note(connection, account.name, met, at=account.clock())
    for it in new:
        log.warning(
            "the hub's answer differs from its contract",
            account=account.name,
            call=it.call,
            kind=it.kind,
            name=it.name,
        )


def _note_told(account: Account, acknowledged: int, sent: Sent) -> None:
    is_hub = account.feeds().serve is FeedName.REST
    if is_hub and (acknowledged or sent.accepted or sent.refused):
        _note_hub(account, reachable=True)


def _note_hub(account: Account, *, reachable: bool) -> None:
    with account.ledger.write() as connection:
        accounts.note_hub(
            connection,
            account.name,
            at=account.clock(),
            reachable=reachable,
            clock_offset=account.hub.clock_offset,
        )
