"""Cutover: from now on REST fills the mailbox.

The steps, each safe to repeat; whoever runs it again after it was broken off goes on from there:

    1 a last round of the feed that has served: what it brings, what is due to it
    2 with all turns of the account, so that no round runs:
        a last look at ours and at the old mailbox
        in one transaction: what was collected counts so, what nobody can decide is held back,
        the serving feed is another one
    3 a round of REST: it brings, acknowledges by the policy, and sends the updates that are due
"""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from bridge.account import Account
from bridge.errors import (
    AccountError,
    BridgeError,
    OldMailboxAwayError,
    OldMailboxUnwritableError,
)
from bridge.inbound.collecting import look_for_collected
from bridge.inbound.round import Inbound
from bridge.ledger import deliveries, events, handing, moves, serving
from bridge.ledger.moves import MoveKind
from bridge.legacy.gone import take_back_collected
from bridge.legacy.listening import listen
from bridge.model import FeedName, HubId, PendingInvoice
from bridge.rounds import pull_round, push_round
from reconcile.moves import switching
from reconcile.moves.looking import Look, look, make_plan, refuse_suddenly_empty
from reconcile.moves.plan import Plan
from reconcile.moves.reach import saying_more
from reconcile.moves.rules import Action, Terms

log = structlog.get_logger()

TERMS = Terms(kind=MoveKind.CUTOVER)

WITHOUT = "without_old_mailbox"
"""The option of a move that was begun although the old mailbox was out of reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What a person takes responsibility for."""

    by: str
    forced: bool = False
    """Although the report is not ready, or the old mailbox is out of reach."""
    verdict: str = ""
    """What the report said."""


def is_done(account: Account) -> bool:
    """Tell whether REST serves already, and nothing of a cutover is left to be done."""
    last = switching.last_move(account)
    is_open = last is not None and last.is_open
    return account.feeds().serve is FeedName.REST and not is_open


def plan(
    account: Account, *, forced: bool = False, lacking: Sequence[str] = ()
) -> tuple[Look, Plan]:
    """Look at everything, and return what a cutover would do.

    `lacking`: what a person has just said that the software does not have.
    Raises OldMailboxAwayError, HubAwayError for what is out of reach, AccountError for what does
    not let us in, SuddenlyEmptyError.
    """
    seen = look(account)
    seen.lacking = frozenset(map(HubId, lacking))
    refuse_suddenly_empty(seen, forced=forced)
    if seen.hub_error is not None:
        refuses = isinstance(seen.hub_error, AccountError)
        when = "once that is put right" if refuses else "when it answers"
        raise saying_more(seen.hub_error, f"nothing was moved. Give the same command again {when}")
    if seen.old_error is not None and not forced:
        raise saying_more(
            seen.old_error,
            "nothing was moved. If it is closed for good, --force goes on with what was recorded "
            "of it last",
        )
    return seen, make_plan(seen, TERMS, switching.after_cutover(account))


def apply(account: Account, seen: Look, consent: Consent) -> None:
    """Move the account to REST; raises what keeps it from it, and may be run again then."""
    note = {
        "forced": str(consent.forced),
        "verdict": consent.verdict,
        WITHOUT: str(seen.old_error is not None),
    }
    switching.begin(account, MoveKind.CUTOVER, {}, by=consent.by, note=note)
    if account.feeds().serve is not FeedName.REST:
        _last_round(account, forced=consent.forced)
        with switching.all_turns(account):
            _switch(account, seen, consent)
    _first_round(account)
    with account.ledger.write() as connection:
        moves.end(connection, account.name, at=account.clock(), result={})


def _last_round(account: Account, *, forced: bool) -> None:
    """Let the old mailbox give what it has, and have what is due to it."""
    if account.feeds().serve is not FeedName.LEGACY:
        return
    try:
        pull_round(Inbound(account), only_due=False)
        push_round(account, only_due=False)
    except OldMailboxUnwritableError as error:  # what is due to it goes to the hub
        log.warning("the old mailbox takes nothing", reason=str(error))
    except BridgeError as error:
        if not forced:
            raise
        log.warning("the old mailbox had no last round", reason=str(error))


def _switch(account: Account, seen: Look, consent: Consent) -> None:
    look_for_collected(account)
    if account.own.legacy is not None and not seen.old_said:
        _listen_twice(account, forced=consent.forced)
    plan = make_plan(seen, TERMS, switching.after_cutover(account))
    now, feeds = account.clock(), plan.then
    with account.ledger.write() as connection:
        handing.record(connection, account.name, handing.COUNTED, plan.of(Action.COUNT), at=now)
        handing.record(connection, account.name, handing.HELD, plan.of(Action.HOLD), at=now)
        _see(connection, account, plan.of(Action.FETCH))
        serving.change_serving(
            connection,
            account.name,
            serve=feeds.serve,
            shadow=feeds.shadow,
            actor=consent.by,
            at=now,
        )
        moves.switch(connection, account.name, at=now)
    log.info("rest serves", account=account.name)


def _listen_twice(account: Account, *, forced: bool) -> None:
    """Look at the old mailbox twice: what one listing lacks has not gone for sure."""
    try:
        with account.old_mailbox() as reader:
            for _ in range(2):
                listen(account, reader, only_due=True)
    except OldMailboxAwayError:
        if not forced:
            raise
        return
    if account.feeds().serve is FeedName.LEGACY:
        take_back_collected(account)


def _see(connection: Connection, account: Account, hub_ids: Sequence[HubId]) -> None:
    """Have REST ask for these by their id: its list does not show them."""
    rows = [PendingInvoice(hub_id=hub_id) for hub_id in hub_ids]
    now = account.clock()
    for hub_id in deliveries.see(connection, account.name, FeedName.REST, rows, at=now):
        events.record(
            connection,
            account.name,
            "invoice seen",
            at=now,
            hub_id=hub_id,
            feed=FeedName.REST,
            nif=None,
            accounting_office=None,
        )


def _first_round(account: Account) -> None:
    """Let REST bring what waits, acknowledge what the policy says, and send what is due."""
    pull_round(Inbound(account), only_due=False)
    push_round(account, only_due=False)
