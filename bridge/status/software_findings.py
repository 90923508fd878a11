"""What needs a look about the accounting software: whether it comes, what it takes and drops."""

from bridge.outbound.taking import LEFT_LYING_AFTER
from bridge.status.facts import AccountStatus, Status
from bridge.status.finding import Finding
from bridge.status.words import counted, safe, size, span


def uncollected(status: Status, account: AccountStatus) -> Finding | None:
    """Say that invoices lie in the mailbox for long."""
    late = status.uncollected_long(account)
    if not late:
        return None
    return Finding(
        account=account.name,
        what=f"{counted(len(late), 'invoice')} not collected for more than "
        f"{span(status.uncollected_after)}, the oldest for {span(status.age(late[0].placed_at))}",
        advice="Look whether the accounting software still imports",
    )


def silent(status: Status, account: AccountStatus) -> Finding | None:
    """Say that the software has not come for long, or never."""
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


def locked_out(status: Status, account: AccountStatus) -> Finding | None:
    """Say which user may not log in for a while."""
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


def uploads_refused(_: Status, account: AccountStatus) -> Finding | None:
    """Say that no upload is taken, as too many were cut off."""
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


def unrecognised(_: Status, account: AccountStatus) -> Finding | None:
    """Say that files in `statin` are no state files by their names."""
    names = account.unrecognised_files
    if not names:
        return None
    are, state_files = ("is", "a state file") if len(names) == 1 else ("are", "state files")
    return Finding(
        account=account.name,
        what=f"{counted(len(names), 'file')} in statin {are} not recognised as {state_files}",
        advice="State files end in .XML or .xml; rename what is one, and delete what is none",
    )


def not_taken(_: Status, account: AccountStatus) -> Finding | None:
    """Say that state files in `statin` were not taken for long."""
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
