"""Outbound: from the mailbox through the outbox to the hub.

    statin/ ──taking──▶ archive, ledger ──sending──▶ hub
                             │ refused ──answering──▶ statout/

One round takes in what the RCF dropped, notes what it collected, tells the hub what is due, and
answers what was refused. A hub that is away ends the round, but never before the state files are
safe and the answers are placed.
"""

from dataclasses import dataclass

from bridge.account import Account
from bridge.acknowledge import acknowledge
from bridge.answering import answer
from bridge.errors import HubAwayError
from bridge.hub import HubUnreachableError
from bridge.ledger.placed_files import Kind
from bridge.ledger.updates import Update
from bridge.placing import look_for_collected, prepare, resume
from bridge.sending import Sent, send
from bridge.taking import HANDFUL, take_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round of outbound did."""

    taken: int
    collected: int
    acknowledged: int
    sent: Sent
    refused: tuple[Update, ...]
    """What was answered in `statout`."""


def outbound_round(account: Account, *, only_due: bool, talk: bool = True) -> Round:
    """Do one round; `only_due` leaves out what waits for a later try.

    With `talk=False` nothing is said to the hub: a round while it is known to be away. Raises
    what ends a round: the hub is away, the account is not let in, this machine cannot.
    """
    prepare(account)
    with account.mailbox.turn("outbound"):
        resume(account, frozenset({Kind.ANSWER}))
        taken = take_in(account, most=HANDFUL if only_due else None)
        collected = look_for_collected(account)
        acknowledged, sent = 0, Sent()
        try:
            if talk:
                acknowledged, sent = _talk(account, only_due=only_due)
        finally:
            refused = answer(account)
    return Round(
        taken=taken,
        collected=collected,
        acknowledged=acknowledged,
        sent=sent,
        refused=refused,
    )


def _talk(account: Account, *, only_due: bool) -> tuple[int, Sent]:
    """Acknowledge and send; invoices that cannot be acknowledged do not hold up the updates."""
    try:
        acknowledged = acknowledge(account, only_due=only_due)
    except HubUnreachableError:
        raise
    except HubAwayError:
        send(account, only_due=only_due)
        raise
    return acknowledged, send(account, only_due=only_due)


def acknowledge_round(account: Account) -> int:
    """Acknowledge what is due after a round of inbound; return how many."""
    with account.mailbox.turn("outbound"):
        return acknowledge(account, only_due=True)
