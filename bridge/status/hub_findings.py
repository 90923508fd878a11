"""What needs a look at the hub: it does not answer, it asks for a pause, its clock is another."""

from typing import Final

from bridge.status import blaming
from bridge.status.facts import AccountStatus, Status
from bridge.status.finding import Finding
from bridge.status.words import moment, safe, span

CLOCK_TOLERANCE: Final = 30
"""Seconds that the clocks may not differ by; tokens follow the hub's clock once it minds."""


def hub_away(status: Status) -> Finding | None:
    """Say that the hub did not answer."""
    away = [
        account
        for account in status.accounts
        if account.row.hub_reachable is False and account.pause is None
    ]
    if not away:
        return None
    blame = blaming.of_hub_away(away[0])
    return Finding(
        account=None,
        what="The hub did not answer when it was last asked",
        advice=f"{blame.clerk}. If it lasts, run",
        command=("check",),
        support=blame.support,
    )


def pause_asked(_: Status, account: AccountStatus) -> Finding | None:
    """Say until when the hub asked to be left in peace."""
    if account.pause is None or account.pause.until is None:
        return None
    return Finding(
        account=account.name,
        what=f"The hub asked for a pause until {moment(account.pause.until)}: "
        f"{safe(account.pause.reason)}",
        advice="Nothing is lost, all goes on then. To ask the hub all the same, and end the pause "
        "if it answers, run",
        command=("check", "--end-pause"),
    )


def clock_off(status: Status) -> Finding | None:
    """Say that this machine's clock is not the hub's."""
    offset = status.clock_offset
    if offset is None or abs(offset) < CLOCK_TOLERANCE:
        return None
    return Finding(
        account=None,
        what=f"This machine's clock is {span(abs(offset))} {'slow' if offset > 0 else 'fast'}",
        advice="The hub may refuse us: turn on time synchronisation (timedatectl set-ntp true)",
    )
