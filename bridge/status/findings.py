"""What needs a look, and what to do then: a row of rules, the most urgent first.

Each rule looks at one account, or at the machine, and says what it finds or nothing. What time
alone will mend (a hub that is away for a moment, an update that is tried again soon) is said
where it lasts.
"""

from collections.abc import Callable, Iterator
from typing import Final

from bridge.ledger.serving import in_words
from bridge.status import blaming
from bridge.status.facts import AccountStatus, Status
from bridge.status.finding import Finding
from bridge.status.hub_findings import clock_off, hub_away, pause_asked
from bridge.status.restored_findings import RULES as RESTORE_RULES
from bridge.status.shadow_findings import RULES as SHADOW_RULES
from bridge.status.shadow_findings import shadow_rule
from bridge.status.words import counted, safe, size, span
from bridge.taking import LEFT_LYING_AFTER

POLL_PATIENCE: Final = 1800
"""Seconds without a poll that are worth a look (and never less than three intervals)."""
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


def _not_asked(status: Status, account: AccountStatus) -> Finding | None:
    row, feed = account.row, "old mailbox" if account.old_mailbox else "hub"
    if row.trouble is not None or row.hub_reachable is False or account.feeds.serve is None:
        return None  # said already
    if row.last_poll is None:
        what = f"The {feed} has never been asked for invoices"
    elif (age := status.age(row.last_poll)) > max(POLL_PATIENCE, 3 * status.poll_interval):
        what = f"The {feed} was last asked for invoices {span(age)} ago"
    else:
        return None
    advice = "Look whether the bridge runs (systemctl status efact-bridge), or start it with"
    return Finding(account=account.name, what=what, advice=advice, command=("serve",))


def _capped(_: Status, account: AccountStatus) -> Finding | None:
    if not account.row.capped_slices:
        return None
    return Finding(
        account=account.name,
        what="More invoices wait at the hub than it lists; some may be unseen yet (so far in "
        f"{counted(account.row.capped_listings, 'listing')})",
        advice="Name your tax ids and accounting offices in the settings (nifs, "
        "oficines_comptables), so that the hub can be asked in smaller parts",
    )


def _emptied(_: Status, account: AccountStatus) -> Finding | None:
    if not account.row.unlisted:
        return None
    number = counted(account.row.unlisted, "invoice")
    if account.old_mailbox is not None:
        files = counted(account.row.unlisted, "file")
        return Finding(
            account=account.name,
            what="All that was in a folder of the old mailbox has gone from it: "
            f"{files} that nobody collected here",
            advice="Nothing was done about it. Look whether it is still the right mailbox. If "
            "somebody has collected them there, delete them in the mailbox here",
        )
    return Finding(
        account=account.name,
        what=f"The hub lists nothing, though it must still have {number} pending",
        advice="Nothing was done about it; what waits at the hub may be missing here. Look "
        "whether issuer and base_url are still the right ones, and tell the AOC",
    )


def _old_mailbox(status: Status, account: AccountStatus) -> Finding | None:
    row = account.old_mailbox
    if row is None or row.trouble is None or account.row.trouble is not None:
        return None
    since = "" if row.trouble_since is None else f" for {span(status.age(row.trouble_since))}"
    return Finding(
        account=account.name,
        what=f"The old mailbox could not be listed{since}: {safe(row.trouble)}",
        advice="Nothing is lost; it is tried again by itself, and state files wait here until "
        "then. To test it, run",
        command=("check",),
    )


FEW = 5
"""So many names are told."""


def _second_files(_: Status, account: AccountStatus) -> Finding | None:
    if not account.second_files:
        return None
    return Finding(
        account=account.name,
        what="In the old mailbox lies a second file of an invoice that the software has, or finds "
        f"here: {', '.join(map(safe, account.second_files[:FEW]))}"
        f"{', …' if len(account.second_files) > FEW else ''}",
        advice="It is not placed: no invoice is offered twice. Compare it with the first one. If "
        "the software is to get it, copy it into out here under a name of your own",
    )


def _nobody_serves(_: Status, account: AccountStatus) -> Finding | None:
    if account.feeds.serve is not None:
        return None
    return Finding(
        account=account.name,
        what="No feed serves since the last move: the mailbox is not filled, and what is dropped "
        "into statin stays there",
        advice="This is as the move left it. The next cutover makes a feed serve again",
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


def _not_acknowledged(_: Status, account: AccountStatus) -> Finding | None:
    if not account.not_acknowledged:
        return None
    number = counted(len(account.not_acknowledged), "invoice")
    return Finding(
        account=account.name,
        what=f"The hub does not take DELIVERED for {number}",
        advice="The reasons are below; each is tried again by itself",
    )


def _uncollected(status: Status, account: AccountStatus) -> Finding | None:
    late = status.uncollected_long(account)
    if not late:
        return None
    return Finding(
        account=account.name,
        what=f"{counted(len(late), 'invoice')} not collected for more than "
        f"{span(status.uncollected_after)}, the oldest for {span(status.age(late[0].placed_at))}",
        advice="Look whether the accounting software still imports",
    )


def _silent(status: Status, account: AccountStatus) -> Finding | None:
    patience, silent = status.client_silent_after, status.silent_for(account)
    if patience is None or silent is None or silent <= patience:
        return None
    never = account.last_came is None
    what = "has never come" if never else f"has not come for {span(silent)}"
    return Finding(
        account=account.name,
        what=f"The accounting software {what}",
        advice="Look whether it is set to come here, and whether its logins are refused (in the "
        "log). Change client_silent_after in [alerts] where it comes more seldom",
    )


def _locked_out(status: Status, account: AccountStatus) -> Finding | None:
    banned = [row for row in account.banned if row.subject.startswith("user ")]
    if not banned:
        return None
    row = banned[0]
    left = span((row.until - status.at).total_seconds())
    return Finding(
        account=account.name,
        what=f"{safe(row.subject)} may not log in for {left} more: too many logins failed from "
        "addresses that it may come from (allow_from)",
        advice="Look in the log for the address, and whether the software there has the right "
        "password or key. The address may be banned as well, see below. To let the user in now, "
        "run",
        command=("unban", row.subject.removeprefix("user ")),
    )


def _uploads_refused(_: Status, account: AccountStatus) -> Finding | None:
    if account.cut_off_bytes <= account.cut_off_most:
        return None
    return Finding(
        account=account.name,
        what=f"No upload is taken: those that were cut off fill {size(account.cut_off_bytes)}, and "
        f"{size(account.cut_off_most)} are kept (uploads.cut_off)",
        advice="Find out whose line breaks again and again: the uploads, and who sent them, stand "
        "below. The oldest go by themselves when they are a day old; a larger uploads.cut_off in "
        "the settings, and a restart, lets uploads in at once",
    )


def _unrecognised(_: Status, account: AccountStatus) -> Finding | None:
    names = account.unrecognised_files
    if not names:
        return None
    are, state_files = ("is", "a state file") if len(names) == 1 else ("are", "state files")
    return Finding(
        account=account.name,
        what=f"{counted(len(names), 'file')} in statin {are} not recognised as {state_files}",
        advice="State files end in .XML or .xml; rename what is one, and delete what is none",
    )


def _not_taken(_: Status, account: AccountStatus) -> Finding | None:
    names = account.not_taken
    if not names:
        return None
    have = "has" if len(names) == 1 else "have"
    return Finding(
        account=account.name,
        what=f"{counted(len(names), 'state file')} in statin {have} not been taken for more than "
        f"{span(LEFT_LYING_AFTER)}: {safe(names[0])}{' …' if names[1:] else ''}",
        advice="Look whether the bridge runs and may read the file, and in its log for the reason",
    )


def _moved(_: Status, account: AccountStatus) -> Finding | None:
    if account.feeds == account.settings_feeds:
        return None
    return Finding(
        account=account.name,
        what=f"The last move made {in_words(account.feeds)}, and the settings say "
        f"{in_words(account.settings_feeds)}",
        advice="The move counts. Write what it made into the settings file"
        if account.feeds.serve is not None
        else "The move counts. Leave the settings, the next cutover makes a feed serve again",
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
    _nobody_serves,
    _old_mailbox,
    _second_files,
    _not_asked,
    _emptied,
    _capped,
    _held_back,
    _refused,
    _waiting,
    _uncollected,
    _uploads_refused,
    _locked_out,
    _silent,
    _held_back_attachments,
    _not_acknowledged,
    _unrecognised,
    _not_taken,
    _moved,
    *map(shadow_rule, SHADOW_RULES),
)
