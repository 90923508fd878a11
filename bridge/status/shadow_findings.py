"""What needs a look about the shadow feed: rules as those of `findings`."""

from collections.abc import Callable
from typing import Final

from bridge.status.facts import AccountStatus, Status
from bridge.status.finding import Finding
from bridge.status.shadow import ShadowStatus
from bridge.status.words import counted, safe, span

PATIENCE: Final = 1800
"""Seconds without a listing that are worth a look (and never less than three intervals)."""


def _not_listed(status: Status, account: AccountStatus, shadow: ShadowStatus) -> Finding | None:
    row = shadow.row
    if row.last_listing_at is None:
        since = "has not been listed yet"
    elif (age := status.age(row.last_listing_at)) > max(PATIENCE, 3 * status.poll_interval):
        since = f"was last listed {span(age)} ago"
    else:
        return None
    reason = f": {safe(row.trouble)}" if row.trouble else ""
    return Finding(
        account=account.name,
        what=f"The shadow feed ({shadow.feed}) {since}{reason}",
        advice="What it shows and loses meanwhile is not compared; a report names the gap. "
        "To test it, run",
        command=("check",),
    )


def _capped(_: Status, account: AccountStatus, shadow: ShadowStatus) -> Finding | None:
    if not shadow.row.capped_slices:
        return None
    return Finding(
        account=account.name,
        what="The shadow feed's list is cut off: some of its invoices may not be recorded",
        advice="Name your tax ids and accounting offices in the settings (nifs, "
        "oficines_comptables), so that the hub can be asked in smaller parts",
    )


def _troubled(_: Status, account: AccountStatus, shadow: ShadowStatus) -> Finding | None:
    count = len(shadow.troubles) + len(shadow.attachment_troubles) + len(shadow.unread)
    if not count:
        return None
    return Finding(
        account=account.name,
        what=f"{counted(count, 'thing')} of the shadow feed could not be recorded",
        advice="Each is tried again by itself; the reasons are below",
    )


def _unrecognised(_: Status, account: AccountStatus, shadow: ShadowStatus) -> Finding | None:
    if not shadow.unrecognised:
        return None
    return Finding(
        account=account.name,
        what=f"{counted(len(shadow.unrecognised), 'file')} of the old mailbox cannot be told to "
        "belong to any invoice",
        advice="They are in the archive and compared with nothing. If they are invoices, the "
        "naming profile does not fit: `efact-bridge learn` reads one from old files",
    )


Rule = Callable[[Status, AccountStatus, ShadowStatus], Finding | None]

RULES: tuple[Rule, ...] = (_not_listed, _capped, _troubled, _unrecognised)


def shadow_rule(rule: Rule) -> Callable[[Status, AccountStatus], Finding | None]:
    """Return a rule about an account that is one about its shadow feed, where it has one."""

    def about_account(status: Status, account: AccountStatus) -> Finding | None:
        shadow = account.shadow_feed
        return None if shadow is None else rule(status, account, shadow)

    return about_account
