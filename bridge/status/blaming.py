"""Whose fault each trouble of a status is, with the sentences for clerk and support."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from bridge.blame import Blame, Caller, Fault, blame, got_no_answer
from bridge.ledger.summary import HeldBack, HeldBackAttachment, Refused, Waiting
from bridge.status.facts import AccountStatus

REFUSED = (
    "The hub refused it for the invoice's sake; it was answered in statout and is not sent again "
    "by itself: compare it with what the hub shows, or send the line below to the AOC's support"
)
"""What a refusal that is not the RCF's fault means for the clerk."""


def of_account(account: AccountStatus) -> Blame | None:
    """Return why nothing goes on for an account, None while it does."""
    row = account.row
    if row.trouble is not None:
        return blame(
            row.trouble, otherwise=Fault.LOCAL, caller=account.caller, since=row.trouble_since
        )
    if account.trouble is not None:
        return blame(account.trouble, otherwise=Fault.LOCAL, caller=account.caller)
    return of_hub_away(account) if row.hub_reachable is False else None


def of_hub_away(account: AccountStatus) -> Blame:
    """Return what to say of a hub that did not answer this account."""
    at = account.row.hub_asked_at
    return blame("", otherwise=Fault.HUB_AWAY, caller=account.caller, since=at)


def of_held_back(account: AccountStatus, row: HeldBack | HeldBackAttachment) -> Blame:
    """Return whose fault it is that an invoice or attachment waits."""
    return of_one(
        account.caller,
        row.trouble,
        hub_away=account.hub_away,
        hub_id=row.hub_id,
        since=row.seen_at,
    )


def of_waiting(account: AccountStatus, row: Waiting) -> Blame | None:
    """Return whose fault it is that an update waits; None while it only waits for its turn."""
    if row.trouble is None or row.waits_for is not None:
        return None
    return of_one(
        account.caller,
        row.trouble,
        hub_away=account.hub_away,
        hub_id=row.hub_id,
        update_id=row.id,
        since=row.queued_at,
    )


def of_refused(caller: Caller, row: Refused) -> Blame:
    """Return whose fault a refusal is."""
    return of_refusal(
        caller,
        row.refusal_code,
        row.refusal_reason,
        hub_id=row.hub_id,
        update_id=row.id,
        since=row.settled_at,
    )


def of_one(
    caller: Caller,
    trouble: str,
    *,
    hub_away: bool,
    hub_id: str | None,
    since: datetime,
    update_id: int | None = None,
) -> Blame:
    """Return whose fault the trouble of one invoice or update is.

    `hub_away`: the hub gives the account no answer now. What got none is the hub's trouble then,
    and the invoice's as soon as the hub answers for the others.
    """
    is_of_hub = hub_away and got_no_answer(trouble)
    return blame(
        trouble,
        otherwise=Fault.HUB_AWAY if is_of_hub else Fault.INVOICE,
        caller=caller,
        hub_id=hub_id,
        update_id=update_id,
        since=since,
    )


def of_refusal(
    caller: Caller,
    code: str,
    reason: str,
    *,
    hub_id: str | None,
    update_id: int,
    since: datetime | None,
) -> Blame:
    """Return whose fault a refusal is: the hub's code tells, one of ours means the RCF's file."""
    by_hub = f"the hub answered {code} {reason}" if code.isdigit() else ""
    found = blame(
        by_hub,
        otherwise=Fault.RCF_FILE,
        caller=caller,
        hub_id=hub_id,
        update_id=update_id,
        since=since,
    )
    return found if found.fault is Fault.RCF_FILE else replace(found, clerk=REFUSED)


def sentences(blames: Iterable[Blame | None]) -> tuple[str, ...]:
    """Return what they say to the clerk, each sentence once."""
    return tuple(dict.fromkeys(it.clerk for it in blames if it is not None))
