"""What needs a look, and what to do then: a row of rules, the most urgent first.

Each rule looks at one account, or at the machine, and says what it finds or nothing. What time
alone will mend (a hub that is away for a moment, an update that is tried again soon) is said
where it lasts.
"""

from collections.abc import Callable, Iterator
from typing import Final

from bridge.status import blaming
from bridge.status.facts import AccountStatus, Status
from bridge.status.feed_findings import (
    capped,
    emptied,
    moved,
    nobody_serves,
    not_acknowledged,
    not_asked,
    not_moved,
    old_mailbox,
    second_files,
)
from bridge.status.finding import Finding
from bridge.status.hub_findings import clock_off, hub_away, pause_asked
from bridge.status.restored_findings import RULES as RESTORE_RULES
from bridge.status.shadow_findings import RULES as SHADOW_RULES
from bridge.status.shadow_findings import shadow_rule
from bridge.status.software_findings import (
    locked_out,
    not_taken,
    silent,
    uncollected,
    unrecognised,
    uploads_refused,
)
from bridge.status.words import counted, safe, size, span

UPDATE_PATIENCE: Final = 3600
"""Seconds that an update may wait before it is worth a look."""
LEAST_DISK: Final = 10**9
"""Bytes that should be free."""


def findings(status: Status) -> tuple[Finding, ...]:
    """Return what needs a look, the most urgent first."""
    return tuple(_find(status))


def _find(status: Status) -> Iterator[Finding]:
    for machine_rule in MACHINE_RULES:
        if found := machine_rule(status):
            yield found
    for rule in ACCOUNT_RULES:
        for account in status.accounts:
            if found := rule(status, account):
                yield found


def _disk(status: Status) -> Finding | None:
    if status.disk_trouble is not None:
        return Finding(
            account=None,
            what=f"{status.disk_trouble}: nothing can be stored, so nothing is fetched or taken",
            advice="Nothing is lost; once the disk can be written again, all goes on by itself. "
            "See the system's log, make room",
        )
    free = status.disk_free_bytes
    if free is None or free >= LEAST_DISK:
        return None
    return Finding(
        account=None,
        what=f"Only {size(free)} of disk space is free",
        advice="Make room; what cannot be stored stays at the hub until then",
    )


def _components(status: Status) -> Finding | None:
    down = [part for part in status.components if not part.running]
    if not down:
        return None
    reasons = "; ".join(f"{part.name}: {safe(part.error or 'no reason given')}" for part in down)
    return Finding(
        account=None,
        what=f"{counted(len(down), 'part')} of the bridge failed ({reasons})",
        advice="It is started again by itself; if that goes on, look at the log",
    )


def _standing_still(status: Status, account: AccountStatus) -> Finding | None:
    row = account.row
    if row.trouble is None:
        return None
    since = "" if row.trouble_since is None else f" for {span(status.age(row.trouble_since))}"
    blame = blaming.of_account(account)
    assert blame is not None
    return Finding(
        account=account.name,
        what=f"The account has stood still{since}: {safe(row.trouble)}",
        advice=f"{blame.clerk}. To test it, run",
        command=("check",),
        support=blame.support,
    )


def _mailbox(_: Status, account: AccountStatus) -> Finding | None:
    if account.mailbox_trouble is None or account.mailbox_trouble == account.row.trouble:
        return None
    return Finding(
        account=account.name,
        what=safe(account.mailbox_trouble),
        advice="Look at the folder and at the disk that it is on",
    )


def _held_back(_: Status, account: AccountStatus) -> Finding | None:
    if not account.held_back:
        return None
    return Finding(
        account=account.name,
        what=f"{counted(len(account.held_back), 'invoice')} could not be brought into the mailbox",
        advice="The reasons are below; each is tried again by itself",
    )


def _held_back_attachments(_: Status, account: AccountStatus) -> Finding | None:
    if not account.held_back_attachments:
        return None
    number = counted(len(account.held_back_attachments), "attachment")
    return Finding(
        account=account.name,
        what=f"{number} could not be brought into the mailbox",
        advice="The reasons are below; each is tried again by itself",
    )


def _refused(status: Status, account: AccountStatus) -> Finding | None:
    lately = status.refused_lately(account)
    if not lately:
        return None
    was = "was" if len(lately) == 1 else "were"
    return Finding(
        account=account.name,
        what=f"{counted(len(lately), 'state update')} {was} refused",
        advice="The accounting software was told; the reasons are below. "
        "If the cause lay elsewhere and is mended, send again with",
        command=("retry", str(lately[0].id) if len(lately) == 1 else "--all"),
    )


def _waiting(status: Status, account: AccountStatus) -> Finding | None:
    late = [row for row in account.waiting if status.age(row.queued_at) > UPDATE_PATIENCE]
    if not late:
        return None
    longest = span(max(status.age(row.queued_at) for row in late))
    number = counted(len(late), "state update")
    return Finding(
        account=account.name,
        what=f"{number} could not be sent yet, the oldest for {longest}",
        advice="The reasons are below; each is tried again by itself. To send them now, run",
        command=("push",),
    )


MACHINE_RULES: tuple[Callable[[Status], Finding | None], ...] = (
    _disk,
    hub_away,
    clock_off,
    _components,
)

ACCOUNT_RULES: tuple[Callable[[Status, AccountStatus], Finding | None], ...] = (
    _standing_still,
    pause_asked,
    _mailbox,
    *RESTORE_RULES,
    not_moved,
    nobody_serves,
    old_mailbox,
    second_files,
    not_asked,
    emptied,
    capped,
    _held_back,
    _refused,
    _waiting,
    uncollected,
    uploads_refused,
    locked_out,
    silent,
    _held_back_attachments,
    not_acknowledged,
    unrecognised,
    not_taken,
    moved,
    *map(shadow_rule, SHADOW_RULES),
)
