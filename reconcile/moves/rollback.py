"""Rollback: from now on the old mailbox serves again, or nobody, and a folder has what came.

The steps, each safe to repeat; whoever runs it again after it was broken off goes on from there:

    1 a last round of REST: it brings what the hub lists, and sends the updates that are due
    2 with an old mailbox: what the software has leaves it, what waits and is not there is put there
    3 with all turns of the account, so that no round runs:
        a last look, and 2 once more for what has changed since
        with a folder: what waits leaves our mailbox for it
        what waits in both mailboxes is tied together; in one transaction the serving feed changes
    4 a round of the feed that serves now; the folder gets its manifest
"""

from bridge.account import Account
from bridge.errors import AccountError, NoOldMailboxError, OldMailboxRefusedError, SettingsError
from bridge.ledger import moves
from bridge.ledger.moves import MoveKind
from bridge.legacy.tying import untie_missing
from bridge.model import FeedName
from reconcile.moves import switching
from reconcile.moves.folder import Target
from reconcile.moves.looking import Look, look, make_plan, refuse_emptied
from reconcile.moves.plan import Plan
from reconcile.moves.reach import as_it_ends, saying_more
from reconcile.moves.rolling_back import RollingBack
from reconcile.moves.updates import OpenFile
from reconcile.moves.way import Way, terms_of, then_of

HUB_AWAY = (
    "the hub could not be asked; the rollback goes on without it: what it alone lists is brought "
    "by the next cutover, and the balance stays open until it answers"
)
OLD_AWAY = (
    "the old mailbox could not be looked into; the rollback goes on without it, no feed serves "
    "afterwards, and everything that is still to be imported goes into the folder"
)
OLD_LOST = (
    "nothing was moved. If it does not come back, --target DIR puts what is still to be imported "
    "into a folder"
)
OLD_REFUSES = (
    "nothing was moved. It is there and does not let the bridge in: put right what is said here. "
    "Only if the account there is closed for good, take [account.legacy] out of the settings, with "
    "what serve and shadow say of it, and give the same command again"
)
OLD_NOT_FOUND = (
    "nothing was moved. Its server answers, so it is not out of reach: put right what is said here "
    "(a disk there that is not mounted, another folder, another user). Only if the old mailbox is "
    "gone for good, take [account.legacy] out of the settings, with what serve and shadow say of "
    "it, and give the command with --target DIR"
)
READ_ONLY = (
    "the old mailbox may only be read: nothing can be put there or taken away; what the software "
    "has already it goes on to offer. --target DIR puts what is still to be imported into a folder"
)
"""Told by a plan, where they are known beforehand."""


def is_done(account: Account) -> bool:
    """Tell whether REST serves no longer, and nothing of a rollback is left to be done."""
    last = switching.last_move(account)
    is_open = last is not None and last.is_open
    return account.feeds().serve is not FeedName.REST and not is_open


def plan(account: Account, way: Way) -> tuple[Look, Plan]:
    """Look at everything, and return what a rollback would do.

    Raises SettingsError where a target is needed; AccountError where the old mailbox does not let
    us in, or its server answers without it: it is not gone; without a target, OldMailboxAwayError
    where it is out of reach; SuddenlyEmptyError.
    """
    is_open = _is_open(account)
    if account.own.legacy is None and way.target is None:
        raise SettingsError(
            f"account {account.name} has no old mailbox ([account.legacy]): say with --target DIR "
            "where to put what is still to be imported"
        )
    if way.target is not None and account.feeds().serve is FeedName.REST and not is_open:
        Target(account, way.target).refuse_strange()
    seen = look(account)
    # Of one that was begun, what lay there may have left it by our own doing.
    if seen.old_error is None and not is_open:
        refuse_emptied(account)
    _refuse_what_is_not_gone(seen, way)
    if seen.hub_said:
        seen.remarks.append(f"{HUB_AWAY}: {seen.hub_said}")
    if seen.old_said:
        seen.remarks.append(f"{OLD_AWAY}: {seen.old_said}")
    terms = terms_of(account, seen, way)
    if terms.read_only:
        seen.remarks.append(READ_ONLY)
    return seen, make_plan(seen, terms, then_of(account, seen))


def _refuse_what_is_not_gone(seen: Look, way: Way) -> None:
    """Raise why the old mailbox could not be looked into, unless the move can go without it."""
    error = seen.old_error
    if isinstance(error, AccountError):
        raise saying_more(error, OLD_REFUSES)
    if isinstance(error, NoOldMailboxError):
        raise OldMailboxRefusedError(f"{as_it_ends(error)}; {OLD_NOT_FOUND}")
    if error is not None and way.target is None:
        raise saying_more(error, OLD_LOST)


def apply(account: Account, seen: Look, way: Way, *, by: str) -> tuple[list[str], list[OpenFile]]:
    """Roll the account back; return what somebody must look at, and the updates for the folder.

    Raises what keeps it from it, and may be run again then.
    """
    if account.feeds().serve is FeedName.REST and not seen.old_said:
        # Once it is begun, what it puts there itself, and somebody takes at once, stays tied.
        with account.ledger.write() as connection:
            untie_missing(connection, account, put=not _is_open(account))
    if _is_asked_otherwise(account, way):
        end(account)
    if way.target is not None and not _is_open(account):
        # Before it is begun: one that was begun must be ended with the same folder.
        target = Target(account, way.target)
        target.refuse_strange()
        target.prepare()
    switching.begin(account, MoveKind.ROLLBACK, way.options, by=by, note={})
    doing = RollingBack(account, seen, way, by)
    with doing.at_the_old_mailbox():
        if account.feeds().serve is FeedName.REST:
            doing.last_round()
            doing.change_old_mailbox()
        doing.wait_for_the_software()
        with switching.all_turns(account):
            doing.switch()
    doing.first_round()
    return list(dict.fromkeys(doing.troubles)), doing.open_files


def refuse_other_folder(account: Account, way: Way) -> None:
    """Raise SettingsError where a rollback that was done is given with a folder it has not."""
    went = _went_into(account)
    if way.target is None or way.options["target"] == went:
        return
    if went:
        raise SettingsError(
            f"--target {way.target}: nothing is written there: the last rollback went into {went}. "
            f"Import from there; if it is lost, say so with --instead-of {went}"
        )
    raise SettingsError(
        f"--target {way.target}: nothing is written there: {account.feeds().serve} serves already, "
        "and what waits stands in its place. Only what REST serves can go into a folder: if the "
        "old mailbox is closed for good, cut over with --force, then give this command again"
    )


def done_otherwise(account: Account, way: Way) -> list[str]:
    """Say of a rollback that was done that the old mailbox does not serve, where one was asked."""
    went = _went_into(account)
    serves = account.feeds().serve is not None
    if way.target is not None or not went or serves or account.own.legacy is None:
        return []
    said = (
        f"The last rollback went into {went}, so the old mailbox does not serve. For it to serve "
        "again, cut over, then roll back without --target"
    )
    return [said]


def _went_into(account: Account) -> str:
    last = switching.last_move(account)
    return str(last.options.get("target") or "") if last is not None else ""


def end(account: Account) -> None:
    """Nothing of the rollback is left to be done."""
    with account.ledger.write() as connection:
        moves.end(connection, account.name, at=account.clock(), result={})


def _is_asked_otherwise(account: Account, way: Way) -> bool:
    """Tell whether a rollback that could not write to the old mailbox is now to go another way."""
    last = switching.last_move(account, MoveKind.ROLLBACK)
    if last is None or not last.is_open or last.switched_at is not None:
        return False
    return not last.options.get("target") and dict(last.options) != dict(way.options)


def _is_open(account: Account) -> bool:
    last = switching.last_move(account)
    return last is not None and last.is_open
