"""Outbound: from the mailbox through the outbox to the hub.

    statin/ ──taking──▶ archive, ledger ──sending──▶ hub
                             │ refused ──answering──▶ statout/

One round takes in what the RCF dropped, notes what it collected, tells the hub what is due, and
answers what was refused. A hub that is away ends the round, but never before the state files are
safe and the answers are placed. Mailbox and hub each have a turn of their own: in `serve` they are
two loops, so that a slow hub never keeps state files waiting.
"""

from dataclasses import dataclass

from bridge.account import Account
from bridge.crew import deadline_in
from bridge.durable import BusyError
from bridge.errors import HubAwayError
from bridge.hub import HubUnreachableError
from bridge.inbound.collecting import look_for_collected
from bridge.inbound.placing import resume
from bridge.inbound.preparing import prepare
from bridge.ledger.placed_files import Kind
from bridge.ledger.updates import Update
from bridge.legacy import outbound as legacy_outbound
from bridge.outbound.acknowledge import acknowledge
from bridge.outbound.answering import answer
from bridge.outbound.sending import Sent, send
from bridge.outbound.taking import HANDFUL, take_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one round told the hub."""

    acknowledged: int
    sent: Sent


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

    With `talk=False` nothing is said to the hub. Raises what ends a round: the hub is away, the
    account is not let in, this machine cannot.
    """
    prepare(account)
    with account.mailbox.turn("outbound"):
        resume(account, frozenset({Kind.ANSWER}))
        taken = take_in(account, most=HANDFUL if only_due else None)
        collected = look_for_collected(account)
    told = Told(acknowledged=0, sent=Sent())
    try:
        if talk:
            told = hub_round(account, only_due=only_due)
    finally:
        with account.mailbox.turn("outbound"):
            refused = answer(account)
    return Round(
        taken=taken,
        collected=collected,
        acknowledged=told.acknowledged,
        sent=told.sent,
        refused=refused,
    )


def hub_round(account: Account, *, only_due: bool, patience: float | None = None) -> Told:
    """Acknowledge and send what is due; invoices that cannot be acknowledged hold up no updates.

    After `patience` seconds nothing new is begun in either: what is left is for the next round.
    Raises as `outbound_round`.
    """
    with account.mailbox.turn("hub"):
        hub = account.writable_hub()
        if hub is None:
            return _tell_old_mailbox(account, patience=patience)
        try:
            acknowledged = acknowledge(account, hub, only_due=only_due, until=deadline_in(patience))
        except HubUnreachableError:
            raise
        except HubAwayError as error:
            if error.retry_after is None:
                send(account, hub, only_due=only_due, until=deadline_in(patience))
            raise
        sent = send(account, hub, only_due=only_due, until=deadline_in(patience))
    return Told(acknowledged=acknowledged, sent=sent)


def _tell_old_mailbox(account: Account, *, patience: float | None) -> Told:
    """Remove from the old mailbox what was collected, and pass state files on, where it serves."""
    nothing = Told(acknowledged=0, sent=Sent())
    if account.feeds().serve is None or not legacy_outbound.is_due(account):
        return nothing
    with account.writable_old_mailbox() as mailbox:
        if mailbox is None:
            return nothing
        sent = legacy_outbound.pass_on(account, mailbox, until=deadline_in(patience))
        removed = legacy_outbound.remove_collected(account, mailbox, until=deadline_in(patience))
    return Told(acknowledged=removed, sent=sent)


def acknowledge_round(account: Account, *, patience: float | None = None) -> int:
    """Acknowledge what is due after a round of inbound, as `hub_round`; return how many.

    With a `patience` nothing is waited for: whoever has the turn now acknowledges too, and the
    next poll must not wait until all updates of others are sent.
    """
    try:
        with account.mailbox.turn("hub", wait=600 if patience is None else 0):
            hub = account.writable_hub()
            if hub is None:
                return 0  # nothing is capped in the old mailbox: its own round removes
            return acknowledge(account, hub, only_due=True, until=deadline_in(patience))
    except BusyError:
        if patience is None:
            raise
        return 0
