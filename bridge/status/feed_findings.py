"""What needs a look about the serving feed: it is not asked, lists too little, was moved away."""

from typing import Final

from bridge.ledger.serving import in_words
from bridge.status.facts import AccountStatus, Status
from bridge.status.finding import Finding
from bridge.status.words import counted, safe, span

POLL_PATIENCE: Final = 1800
"""Seconds without a poll that are worth a look (and never less than three intervals)."""

FEW = 5
"""So many names are told."""


def nobody_serves(_: Status, account: AccountStatus) -> Finding | None:
    """Say that the last move left no feed to fill the mailbox."""
    if account.feeds.serve is not None:
        return None
    return Finding(
        account=account.name,
        what="No feed serves since the last move: the mailbox is not filled, and what is dropped "
        "into statin stays there",
        advice="This is as the move left it. The next cutover makes a feed serve again",
    )


def not_moved(status: Status, account: AccountStatus) -> Finding | None:
    """Say that a move was begun and has not ended."""
    move = account.open_move
    if move is None:
        return None
    begun, serve = span(status.age(move.begun_at)), account.feeds.serve or "no feed"
    return Finding(
        account=account.name,
        what=f"The {move.kind} that was begun {begun} ago has not ended; {serve} serves now",
        advice="Unless it is at work just now, give its command again, with the same options: it "
        "goes on where it was, and says what is left",
    )


def moved(_: Status, account: AccountStatus) -> Finding | None:
    """Say that the settings name other feeds than the last move made."""
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


def not_asked(status: Status, account: AccountStatus) -> Finding | None:
    """Say that the serving feed was not asked for long."""
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


def emptied(_: Status, account: AccountStatus) -> Finding | None:
    """Say that everything went from a list at once."""
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


def capped(_: Status, account: AccountStatus) -> Finding | None:
    """Say that the hub has more invoices than it lists."""
    if not account.row.capped_slices:
        return None
    return Finding(
        account=account.name,
        what="More invoices wait at the hub than it lists; some may be unseen yet (so far in "
        f"{counted(account.row.capped_listings, 'listing')})",
        advice="Name your tax ids and accounting offices in the settings (nifs, "
        "oficines_comptables), so that the hub can be asked in smaller parts",
    )


def old_mailbox(status: Status, account: AccountStatus) -> Finding | None:
    """Say that the old mailbox, which serves, cannot be listed."""
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


def second_files(_: Status, account: AccountStatus) -> Finding | None:
    """Say which files of the old mailbox are held back: their invoice has come already."""
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


def not_acknowledged(_: Status, account: AccountStatus) -> Finding | None:
    """Say that the hub does not want to hear that invoices arrived."""
    if not account.not_acknowledged:
        return None
    number = counted(len(account.not_acknowledged), "invoice")
    return Finding(
        account=account.name,
        what=f"The hub does not take DELIVERED for {number}",
        advice="The reasons are below; each is tried again by itself",
    )
